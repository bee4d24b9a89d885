"""What the nemesis breaks: an installation whose disk, network and clocks are ours to break.

`go_apart` gives this process namespaces of its own for mounts and network, so that nothing of
the machine is touched and nothing stays behind. Where that is not possible (no root), the scene
is poorer, and says what is missing and why.
"""
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile

from disk import Disk
from installation import Installation
from link import THERE, Link
from support.servers import Redis, program

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_apart = []


def go_apart():
    """Before any thread is started; threads and children go along."""
    if os.geteuid() != 0 or _apart:
        return
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS | _CLONE_NEWNET):
        return
    # What is mounted from now on is not seen outside.
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    _apart.append(True)


def why_not(*tools):
    """Why mounts or links of our own cannot be made; None when they can."""
    if os.geteuid() != 0:
        return "needs root"
    if not _apart:
        return "no namespaces of its own"
    missing = [tool for tool in tools if not shutil.which(tool)]
    return f"needs {', '.join(missing)}" if missing else None


def why_no_preloads(path):
    """Why nothing can be put before the C library; None when it can."""
    if not path.exists():
        return f"there is no {path}"
    # A sanitizer wants to be first itself.
    return "built with a sanitizer" if b"san_init" in path.read_bytes() else None


class PlacedRedis(Redis):
    """One that sees an environment of ours, on the other side of a link, or both."""

    def __init__(self, env=None, prefix=(), **settings):
        super().__init__(start=False, **settings)
        self.env, self.prefix = dict(env or {}), list(prefix)

    def spawn(self, argv, env=None, pass_fds=()):
        super().spawn([*self.prefix, *argv], {**os.environ, **self.env}, pass_fds)


class Scene(Installation):
    """Broker and target are two servers; results are with the broker."""

    def __init__(self, durability="fsync", appendfsync="always", target="near"):
        self.directory = tempfile.mkdtemp(prefix="pgw-scene-", dir="/tmp")
        self.why_no_disk = why_not("mkfs.ext4", "mount", "umount")
        self.why_no_link = why_not("ip", "nsenter", "unshare")
        if not self.why_no_link and not os.path.exists("/dev/net/tun"):
            self.why_no_link = "needs /dev/net/tun"
        self._preloads = pathlib.Path(program()).parent / "tests/faults"
        self.why_no_preloads = why_no_preloads(self._preloads / "jumping_clock.so")
        self._clocks = 0
        self.sync_fails = os.path.join(self.directory, "sync-fails")
        self.disk = self.link = None
        if not self.why_no_disk:
            try:
                self.disk = Disk(self.directory)
            except OSError as problem:
                self.why_no_disk = str(problem)
        if not self.why_no_link:
            try:
                self.link = Link()
            except (OSError, AssertionError) as problem:
                self.why_no_link = f"no network of our own: {problem}"
        there = {"prefix": self.link.prefix, "bind": THERE, "protected-mode": "no"} \
            if self.link else {}
        self.target_is_far = bool(self.link and target == "far")
        broker = PlacedRedis(self.broken_libraries("jumping_clock", "failing_sync"),
                             appendfsync=appendfsync, **there,
                             **({"dir": self.disk.path} if self.disk else {}))
        target = PlacedRedis(self.broken_libraries("jumping_clock"),
                             **(there if self.target_is_far else {}))
        self._target_path = os.path.join(self.directory, "target.sock")
        self.point_target_at(target.socket_path)
        super().__init__(
            broker, target, rebounds="-", broker_durability=durability,
            broker_url=f"redis://{THERE}:{broker.port}" if self.link else broker.url(),
            target_url=f"redis://{THERE}:{target.port}" if self.target_is_far
            else f"unix://{self._target_path}")
        for server in self.services():
            server.env |= self.broken_libraries("jumping_clock")

    def broken_libraries(self, *names):
        """The environment of a process with a wall clock of its own, and more of that kind."""
        if self.why_no_preloads:
            return {}
        self._clocks += 1
        path = os.path.join(self.directory, f"clock-{self._clocks}")
        with open(path, "wb") as file:
            file.write(bytes(8))
        return {"LD_PRELOAD": ":".join(str(self._preloads / f"{name}.so") for name in names),
                "PGW_CLOCK": path, "PGW_SYNC_FAILS": self.sync_fails}

    def point_target_at(self, path):
        os.symlink(path, self._target_path + ".new")
        os.replace(self._target_path + ".new", self._target_path)

    def start(self):
        for server in self.stores():
            server.start()
        return super().start()

    def close(self):
        problems = super().close()
        if self.link:
            self.link.close()
        if self.disk:
            self.disk.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return problems
