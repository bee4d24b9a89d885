"""A network link whose packets this program carries, and so can delay, lose, double and cut.

Two network namespaces are joined by a TUN device in each; every packet from one to the other
goes through the process that runs `relay`. It needs root and /dev/net/tun, and no module of the
kernel for traffic control. TCP at both ends is the kernel's own.

A proof runs in a network namespace that it made for itself, so nothing outside is touched.
"""
import fcntl
import heapq
import json
import os
import pathlib
import random
import select
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.processes import Child, eventually  # noqa: E402

HERE, THERE = "10.213.0.1", "10.213.0.2"
_MTU = 9000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000
WHOLE = {"delay_ms": 0, "jitter_ms": 0, "loss": 0, "double": 0, "cut": [], "forget": False}


class Link(Child):
    """This side of it; servers of the other side are started behind `prefix`."""

    def __init__(self):
        super().__init__("link")
        near = open_tun("near")
        try:
            set_up("near", HERE)
            control, theirs = os.pipe()
            self._orders = os.fdopen(theirs, "w", buffering=1)
            self.spawn(["unshare", "--net", sys.executable, "-B", __file__, str(near),
                        str(control)], pass_fds=(near, control))
            os.close(control)
        finally:
            os.close(near)
        eventually(lambda: "up" in self.output(), what="the link")

    @property
    def prefix(self):
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--"]

    def order(self, **what):
        """From now on it behaves like this; what is not named is whole."""
        self._orders.write(json.dumps({**WHOLE, **what}) + "\n")

    def close(self):
        self._orders.close()
        super().close()


def open_tun(name):
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return tun


def set_up(name, address):
    for words in (["link", "set", "lo", "up"], ["address", "add", f"{address}/24", "dev", name],
                  ["link", "set", name, "mtu", str(_MTU), "up"]):
        subprocess.run(["ip", *words], check=True)


class Relay:
    """Carries packets between the devices `near` and `far` as the last order says."""

    def __init__(self, near, far, orders):
        self.near, self.far, self.orders = near, far, orders
        self.rule = dict(WHOLE)
        self.flows, self.forgotten = set(), set()
        self.waiting = []  #: (when, a number that keeps the order, device, packet)
        self.number = 0

    def run(self):
        text = b""
        while True:
            pause = max(0, self.waiting[0][0] - time.monotonic()) if self.waiting else None
            ready, _, _ = select.select([self.near, self.far, self.orders], [], [], pause)
            if self.orders in ready:
                more = os.read(self.orders, 65536)
                if not more:
                    return
                *lines, text = (text + more).split(b"\n")
                for line in lines:
                    self.obey(json.loads(line))
            for device, other, way in ((self.near, self.far, "there"),
                                       (self.far, self.near, "back")):
                if device in ready:
                    self.carry(device, other, way)
            self.deliver()

    def obey(self, rule):
        if rule["forget"]:
            self.forgotten |= self.flows
            self.flows.clear()
        self.rule = rule

    def carry(self, device, other, way):
        for _ in range(64):
            try:
                packet = os.read(device, _MTU + 100)
            except BlockingIOError:
                return
            flow = flow_of(packet, way)
            if flow in self.forgotten or way in self.rule["cut"]:
                continue
            self.flows.add(flow)
            if random.random() < self.rule["loss"]:
                continue
            for _ in range(2 if random.random() < self.rule["double"] else 1):
                late = self.rule["delay_ms"] + random.random() * self.rule["jitter_ms"]
                self.number += 1
                heapq.heappush(self.waiting, (time.monotonic() + late / 1000 if late else 0,
                                              self.number, other, packet))

    def deliver(self):
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            _, _, device, packet = heapq.heappop(self.waiting)
            try:
                os.write(device, packet)
            except OSError:
                pass  # a full queue loses packets, as everywhere


def flow_of(packet, way):
    """The two ports of a TCP packet, the near one first; None for anything else."""
    if packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    ports = struct.unpack_from("!HH", packet, (packet[0] & 15) * 4)
    return ports if way == "there" else ports[::-1]


def relay():
    far = open_tun("far")
    set_up("far", THERE)
    print("up", flush=True)
    Relay(int(sys.argv[1]), far, int(sys.argv[2])).run()


if __name__ == "__main__":
    relay()
