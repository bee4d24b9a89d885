"""A gateway under attack, a well-behaved client beside, and what must hold meanwhile.

An attack is a function of an address: it opens a connection, abuses it until the other side ends
it or it has nothing more to do, and returns. What does not hold is a Breach, and nothing else is:
on the program without the guard the tests that are marked `guarded` must end with one.
"""
import contextlib
import json
import math
import multiprocessing
import os
import pathlib
import re
import select
import socket
import statistics
import subprocess
import sys
import time

import pytest

from support.client import Raw, metrics_of
from support.processes import Child, eventually
from support.servers import Purgeway

#: Rounds of the comparison, at the most, each idle and attacked in turn; 0: nothing is measured.
ROUNDS = int(os.environ.get("PGW_ATTACK_ROUNDS") or "9")
#: On either side the window in the middle counts.
ROUNDS_MIN = 3
#: Long enough for an attack to be many times under way in each.
WINDOW_S = 0.5
#: Windows in which other machines have had a processor of ours say nothing, and are had again.
STOLEN_MAX = 40
RATIO_MAX = 2.0
CALLS_MAX = 100
#: What an abused connection may cost at the most.
GROWTH_MAX_KIB = 16 * 1024
#: Under a sanitizer nothing can be said about memory.
MEMORY_COUNTS = os.environ.get("PGW_ATTACK_MEMORY") != "any"


#: For a limit of a second to be kept; on the program without the guard, which keeps none, waiting
#: long shows no more than waiting a little.
PATIENCE_S = 3 if "unguarded" in os.environ.get("PURGEWAY", "") else 20


class Breach(AssertionError):
    """The attack has succeeded."""


def must(holds, what):
    if not holds:
        raise Breach(what)


class Link(Raw):
    """A raw connection that is to be abused."""

    def drain(self):
        """Take what has come; False when the other side has ended."""
        try:
            while select.select([self.socket], [], [], 0)[0]:
                if not self.socket.recv(1 << 20):
                    return False
        except (ConnectionError, TimeoutError):
            return False
        return True

    def push(self, data):
        """Send; False when the other side has ended, or takes no more."""
        try:
            self.socket.sendall(data)
            return True
        except (ConnectionError, TimeoutError):
            return False

    def flood(self, pieces):
        """Send piece by piece and take the answers: how many went out before the end."""
        sent = 0
        for piece in pieces:
            if not self.push(piece) or not self.drain():
                break
            sent += 1
        return sent

    def takes_all(self, pieces):
        """True when the other side has not ended it over them. All of them may go out before it has
        read the first one, so it is waited for."""
        for piece in pieces:
            if not self.push(piece) or not self.drain():
                return False
        return not self.ended(2)

    def ended(self, patience_s):
        """The other side ends it in time; what it says before is taken."""
        deadline = time.monotonic() + patience_s
        try:
            while (left := deadline - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not self.socket.recv(1 << 20):
                    return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return False

    def hung_up(self, patience_s, pause_s=0.05, trickle=b""):
        """The same for one who reads nothing: sending fails, or poll says so."""
        deadline = time.monotonic() + patience_s
        poll = select.poll()
        poll.register(self.socket, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
        while time.monotonic() < deadline:
            if poll.poll(pause_s * 1000):
                return True
            try:
                if trickle:
                    self.socket.sendall(trickle)
            except OSError:
                return True
        return False


def _counting(deeds):
    """The class of sockets, with a count of what is done with them."""
    class Counting(socket.socket):
        def connect(self, *args):
            super().connect(*args)
            deeds.value += 1

        def send(self, *args):
            sent = super().send(*args)
            deeds.value += 1
            return sent

        def sendall(self, *args):
            super().sendall(*args)
            deeds.value += 1
    return Counting


def _repeat(attack, port, deeds):
    # An attacker sits on another machine: its work must not count against ours. With niceness alone
    # it would keep a processor for some milliseconds when the other side has something to do; but
    # where nothing is measured it must get on beside other tests.
    if ROUNDS:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(19)
    socket.socket = _counting(deeds)
    while True:
        with contextlib.suppress(OSError):
            attack(port)
        deeds.value += 1
        time.sleep(0.01)


class Attacker:
    """Repeats an attack in a process of its own; inside of `with` it has begun."""

    def __init__(self, attack, port):
        context = multiprocessing.get_context("fork")
        #: Connections made, pieces sent, attacks that came to their end.
        self.deeds = context.Value("l", 0, lock=False)
        self.process = context.Process(target=_repeat, args=(attack, port, self.deeds), daemon=True)

    def __enter__(self):
        self.process.start()
        eventually(lambda: self.deeds.value >= 2, what="the beginning of the attack")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()


class Limited(Purgeway):
    """With so many descriptors at the most; None: as many as we have."""

    def __init__(self, descriptors, *args, **settings):
        self._descriptors = descriptors
        super().__init__(*args, **settings)

    def argv(self):
        limit = f"--nofile={self._descriptors}:{self._descriptors}"
        return (["prlimit", limit] if self._descriptors else []) + super().argv()


def stolen_ticks():
    """What our host gave to others of the time in which we had something to do (proc(5), steal)."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8])


class Comparison:
    """p99 with and without an attack, in windows that nobody else has spoilt."""

    def __init__(self):
        self.seen = {"idle": [], "attacked": []}
        self.stolen = 0

    @contextlib.contextmanager
    def window(self, kind):
        """Appends what the body of `with` puts into the list that it is given."""
        seen, before = [], stolen_ticks()
        yield seen
        if stolen_ticks() == before:
            self.seen[kind] += seen
        else:
            self.stolen += 1

    def rounds(self):
        return min(len(windows) for windows in self.seen.values())

    def wants(self):
        """What has been seen least of; None when enough is known."""
        if self.rounds() >= (ROUNDS_MIN if self.ratio() < RATIO_MAX else ROUNDS):
            return None
        if self.stolen > STOLEN_MAX:
            return None
        return min(self.seen, key=lambda kind: len(self.seen[kind]))

    def ratio(self):
        if not self.rounds():
            return math.inf
        return statistics.median(self.seen["attacked"]) / statistics.median(self.seen["idle"])

    def __str__(self):
        shown = (f"{kind} " + ", ".join(f"{p99:.0f}" for p99 in windows)
                 for kind, windows in self.seen.items())
        return (f"{self.ratio():.2f} of idle (p99 in microseconds: {'; '.join(shown)}; "
                f"windows spoilt by other machines: {self.stolen})")


class Arena:
    """One event loop, so that attacker and client share it."""

    def __init__(self, redis, is_guarded, descriptors=None, **settings):
        settings = {"threads": 1, "log_access": False, "broker_durability": "memory", **settings}
        self.is_guarded = is_guarded
        self.server = Limited(descriptors, "gateway", broker_url=redis.url(), **settings)
        self.port = self.server.port
        self._good = None

    def close(self):
        if self._good:
            self._good.stdin.close()
            self._good.wait()
            self._good.stdout.close()
        if self.is_guarded:
            self.server.close()
        else:  # it may spin, have crashed, or hold connections for ever
            self.server.notify.close()
            Child.close(self.server)

    # ---- what is measured ----

    def sample(self):
        """{(name, labels): value} of all metrics."""
        return metrics_of(self.server.api.get("/metrics").body.decode())

    def calls(self):
        """Handler calls until now."""
        return sum(value for (name, _), value in self.sample().items()
                   if name == "purgeway_http_responses_total")

    def kills(self):
        """{reason: connections ended}."""
        return {dict(labels)["reason"]: value for (name, labels), value in self.sample().items()
                if name == "purgeway_connections_killed_total"}

    def _status_kib(self, field):
        text = pathlib.Path(f"/proc/{self.server.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)[1])

    def resident_kib(self):
        return self._status_kib("VmRSS")

    @contextlib.contextmanager
    def growth(self, max_kib=GROWTH_MAX_KIB):
        """What is done inside costs no more memory than this, at no moment."""
        if not MEMORY_COUNTS:
            yield
            return
        pathlib.Path(f"/proc/{self.server.pid}/clear_refs").write_text("5", encoding="ascii")
        before = self.resident_kib()
        yield
        grown = self._status_kib("VmHWM") - before
        must(grown <= max_kib, f"{grown} KiB more, at most {max_kib} are allowed")

    def cpu_s(self):
        with open(f"/proc/{self.server.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # ---- what must hold ----

    def serves(self):
        """It lives, and answers a newcomer."""
        must(self.server.is_alive(), f"it has ended: {self.server.tail()}")
        try:
            answer = self.server.api.request("GET", "/livez", timeout=10)
        except OSError as problem:
            raise Breach(f"nobody answers: {problem!r}") from None
        must(answer.status == 200, f"/livez says {answer.status}")

    def few_calls(self, attack):
        """One abused connection makes at most so many handler calls."""
        before = self.calls()
        attack(self.port)
        made = self.calls() - before - 1  # the first look itself
        must(made <= CALLS_MAX, f"{made:.0f} handler calls by one connection")

    def window(self, seconds=WINDOW_S, measure="p99"):
        """p99 (or p50) of the well-behaved client, none of whose requests may fail."""
        if not self._good:
            self._good = subprocess.Popen(
                [sys.executable, pathlib.Path(__file__).with_name("good_client.py"),
                 str(self.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.window(0.1)
        self._good.stdin.write(f"{seconds}\n")
        self._good.stdin.flush()
        seen = json.loads(self._good.stdout.readline())
        must(seen["failed"] == 0, f"a good client fails: {seen['why']}")
        return seen[measure]

    def answers_beside(self, attack):
        """All requests succeed beside it, whatever time they take."""
        with Attacker(attack, self.port):
            self.window(0.1)
        self.serves()

    def beside(self, attack):
        """The attack does not show beside it: all requests succeed, and p99 stays below twice of
        what it is without."""
        if ROUNDS == 0:
            self.answers_beside(attack)
            return
        seen = Comparison()
        while kind := seen.wants():
            with contextlib.ExitStack() as stack:
                if kind == "attacked":
                    stack.enter_context(Attacker(attack, self.port))
                stack.enter_context(seen.window(kind)).append(self.window())
        self.serves()
        print(seen)
        if seen.rounds() < ROUNDS_MIN:
            pytest.skip(f"other machines take our processors: {seen}")
        must(seen.ratio() < RATIO_MAX, str(seen))

    def withstands(self, attack):
        """All of it."""
        self.few_calls(attack)
        with self.growth():
            attack(self.port)
        self.beside(attack)


