"""Child processes that never outlive the tests, and waiting without guessing how long.

Every child is told by the kernel to die with us, so a test run that is killed leaves
nothing behind; a run that ends in order closes what it opened.
"""
import atexit
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

#: No test waits longer than this for anything; it is a safety net and not a measurement.
PATIENCE_S = 60.0

_alive = set()


def eventually(check, patience_s=PATIENCE_S, what=None):
    """Ask until the answer is true and return it; the last failure is the reason given."""
    deadline = time.monotonic() + patience_s
    pause = 0.002
    reason = None
    while True:
        try:
            answer = check()
            if answer:
                return answer
        except (OSError, AssertionError) as problem:
            reason = problem
        if time.monotonic() > deadline:
            name = what or getattr(check, "__name__", "it")
            raise AssertionError(f"{name} did not come true in {patience_s} s ({reason!r})")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


class _Ports:
    """Ports for servers that are yet to start, none given out twice.

    Nobody listens on a port between its choice and the start of its server, so each is locked:
    by a byte of one file against other processes, by a set against ourselves. The locks end
    with the process. They lie below the ports that the kernel gives to outgoing connections.
    """
    RANGE = range(10240, 32000)

    def __init__(self):
        self._file = None
        self._taken = set()
        self._lock = threading.Lock()

    def take(self):
        with self._lock:
            if self._file is None:
                path = os.path.join(tempfile.gettempdir(), f"pgw-ports-{os.getuid()}")
                self._file = open(path, "wb")
            if len(self._taken) > len(self.RANGE) // 2:
                self._release()
            while True:
                port = random.SystemRandom().choice(self.RANGE)
                if port not in self._taken and self._try(port):
                    self._taken.add(port)
                    return port

    def _try(self, port):
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return True
            except OSError:
                self._taken.add(port)
                return False

    def _release(self):
        """A long run has used up half of them: what is not listened on can be had again."""
        fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._taken.clear()


_ports = _Ports()


def free_port():
    """A port nobody listens on, and nobody else is given while this process lives."""
    return _ports.take()


def threads(pid):
    """/proc/PID/status of each thread, as dictionaries."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            found.append(dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line))
    return found


def child_of(pid):
    """The first process that a process has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return int(file.read().split()[0])


class Child:
    """One process with a directory of its own; its output goes to files there."""

    def __init__(self, name, directory=None):
        self.name = name
        self.process = None
        self._own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix=f"pgw-{name}-", dir="/tmp")
        self.stderr_path = os.path.join(self.directory, f"{name}.stderr")
        self.stdout_path = os.path.join(self.directory, f"{name}.stdout")

    def spawn(self, argv, env=None, pass_fds=()):
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        if shutil.which("setpriv"):
            argv = ["setpriv", "--pdeathsig", "KILL", "--", *argv]
        with open(self.stderr_path, "ab") as err, open(self.stdout_path, "ab") as out:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env,
                cwd=self.directory, pass_fds=pass_fds)
        _alive.add(self)

    @property
    def pid(self):
        return self.process.pid

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def pause(self):
        """SIGSTOP: the process is there and does not answer."""
        self.signal(signal.SIGSTOP)

    def stand_still(self):
        """The same, and it has come to a stop when this returns."""
        self.pause()
        eventually(self._is_stopped, what=f"the stop of {self.name}")

    def _is_stopped(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    def resume(self):
        self.signal(signal.SIGCONT)

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def wait(self, patience_s=PATIENCE_S):
        """The exit code, once it ends by itself."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end:\n{self.tail()}") from None

    def output(self):
        with open(self.stdout_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def errors(self):
        if not os.path.exists(self.stderr_path):
            return ""  # it was never started
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def tail(self, count=4000):
        return self.errors()[-count:]

    def close(self):
        _alive.discard(self)
        if self.is_alive():
            self.resume()
            self.kill9()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@atexit.register
def _close_what_is_left():
    for child in list(_alive):
        Child.close(child)
