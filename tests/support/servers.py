"""The servers that the tests start: Redis and Purgeway.

Each has a directory of its own, listens on loopback or a Unix socket there, is ready
when its constructor returns (unless told otherwise), and is gone when it is closed.
"""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import redis as redis_client

from support.client import Client
from support.processes import PATIENCE_S, Child, eventually, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
#: Words that only a broken program prints.
_DISASTERS = re.compile(r"Sanitizer|runtime error:|panic|assertion", re.IGNORECASE)


def program():
    """The program under test: $PURGEWAY, else the one in $PGW_BUILD_DIR, else build/."""
    path = os.environ.get("PURGEWAY") or os.path.join(
        os.environ.get("PGW_BUILD_DIR") or ROOT / "build", "purgeway")
    return os.path.abspath(path)


def is_sanitized():
    """Whether a sanitizer is in it, which needs rights that are given away otherwise."""
    with open(program(), "rb") as file:
        code = file.read()
    return b"__asan_init" in code or b"__tsan_init" in code


def environment(**more):
    """What the program under test gets to see: little, so that nothing of ours leaks in."""
    ours = {name: value for name, value in os.environ.items()
            if name == "PATH" or name.endswith("SAN_OPTIONS")}
    suppressions = pathlib.Path(__file__).with_name("lsan.supp")
    ours.setdefault("LSAN_OPTIONS", f"suppressions={suppressions}:print_suppressions=0")
    return {**ours, **more}


class Redis(Child):
    """A redis-server on a Unix socket and a TCP port; keeps what is durable by default.

    Settings are redis.conf directives with `_` for `-`: Redis(appendfsync="everysec").
    """

    def __init__(self, directory=None, start=True, **settings):
        super().__init__("redis", directory)
        self.port = free_port()
        self.socket_path = os.path.join(self.directory, "redis.sock")
        self.settings = {
            "save": "", "appendonly": "yes", "appendfsync": "always",
            "maxmemory-policy": "noeviction", "enable-debug-command": "yes",
            "repl-diskless-sync-delay": "0",
            **{name.replace("_", "-"): value for name, value in settings.items()}}
        if start:
            self.start()

    @classmethod
    def replica_of(cls, master, **settings):
        return cls(replicaof=f"127.0.0.1 {master.port}", **settings)

    def start(self, wait=True):
        argv = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port),
                "--unixsocket", self.socket_path, "--dir", self.directory, "--daemonize", "no"]
        for name, value in self.settings.items():
            words = [""] if value == "" else str(value).split(" ")
            argv += [f"--{name}", *words]
        # Where a killed server's socket still lies, nobody answers until the new one does.
        if os.path.exists(self.socket_path):
            os.unlink(self.socket_path)
        self.spawn(argv)
        if wait:
            eventually(self.answers, what="redis-server")

    def answers(self):
        assert self.is_alive(), f"redis-server ended: {self.output()[-2000:]}"
        try:
            with self.client() as client:
                return client.ping()
        except redis_client.AuthenticationError:
            return True
        except redis_client.RedisError:
            return False

    def client(self, db=0, **options):
        return redis_client.Redis(unix_socket_path=self.socket_path, db=db, **options)

    def url(self, db=0):
        return f"unix://{self.socket_path}" + (f"?db={db}" if db else "")

    def tcp_url(self, db=0, user=None):
        who = f"{user}@" if user else ""
        return f"redis://{who}127.0.0.1:{self.port}" + (f"/{db}" if db else "")

    def restart(self):
        """As an operator would: in order, data kept."""
        if self.is_alive():
            self.signal(signal.SIGTERM)
            self.wait()
        self.start()


class Notify:
    """What a process tells systemd, read from a socket of our own."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify.sock")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)

    def next(self, patience_s=PATIENCE_S):
        """The next message as a dictionary."""
        self._socket.settimeout(patience_s)
        lines = self._socket.recv(65536).decode().splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def until(self, name, patience_s=PATIENCE_S):
        """The first message that has `name`."""
        while True:
            message = self.next(patience_s)
            if name in message:
                return message

    def forget(self):
        """Drop what was said so far: it was about an earlier process."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(65536):
                pass
        except BlockingIOError:
            pass

    def close(self):
        self._socket.close()


class Purgeway(Child):
    """One `purgeway serve|gateway|worker`.

    Settings are the dotted names with `_` for `.`: Purgeway("gateway", broker_url=...,
    worker_idle_ms=500). A list is given as one flag for each of its members.
    """

    def __init__(self, role="serve", directory=None, start=True, env=None, flags=(),
                 wait=True, allow_codes=(0,), **settings):
        super().__init__("purgeway", directory)
        self.role = role
        self.settings = dict(settings)
        self.flags = list(flags)
        self.env = dict(env or {})
        self.allow_codes = set(allow_codes)
        self.notify = Notify(self.directory)
        self._killed = False
        if role != "worker" and "listen" not in self.settings:
            self.settings["listen"] = f"127.0.0.1:{free_port()}"
        self.settings.setdefault("data_dir", os.path.join(self.directory, "data"))
        # Two threads, so that what depends on sharing shows, on any machine.
        self.settings.setdefault("threads", 2)
        if start:
            self.start(wait)

    @property
    def listen(self):
        listen = self.settings["listen"]
        return listen if isinstance(listen, list) else [listen]

    @property
    def port(self):
        return int(self.listen[0].rpartition(":")[2])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self):
        return Client(self.port)

    @property
    def embedded_socket(self):
        return os.path.join(self.settings["data_dir"], "redis.sock")

    def embedded(self, **options):
        return redis_client.Redis(unix_socket_path=self.embedded_socket, **options)

    def argv(self):
        words = [program(), self.role]
        for name, value in self.settings.items():
            for one in value if isinstance(value, list) else [value]:
                text = str(one).lower() if isinstance(one, bool) else str(one)
                words += ["--" + name.replace("_", "-").replace(".", "-"), text]
        return words + self.flags

    def start(self, wait=True):
        self._killed = False
        self.notify.forget()
        self.spawn(self.argv(), environment(NOTIFY_SOCKET=self.notify.path, **self.env))
        if wait:
            self._wait_told()
        return self

    def _wait_told(self):
        """READY=1, which is said once all threads are ready, or the end of the process."""
        def told():
            self._must_live()
            try:
                return "READY" in self.notify.next(0.05)
            except TimeoutError:
                return False
        eventually(told, what="READY=1")

    def is_ready(self):
        """Ten times in a row, because each answer comes from one thread of several."""
        self._must_live()
        return all(self.api.get("/readyz").status == 200 for _ in range(10))

    def _must_live(self):
        if not self.is_alive():
            raise RuntimeError(f"purgeway ended with {self.process.returncode}:\n{self.tail()}")

    def log(self):
        """The lines of stderr that are JSON objects."""
        events = []
        for line in self.errors().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
        return events

    def log_contains(self, *texts):
        """A line of stderr that holds all the texts, or None."""
        for line in self.errors().splitlines():
            if all(text in line for text in texts):
                return line
        return None

    def sigterm(self):
        """Ask it to end and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill9(self):
        self._killed = True
        super().kill9()

    def close(self):
        """End it; a program that broke fails the test that used it."""
        try:
            if self.is_alive():
                self.resume()
                self.sigterm()
            disaster = _DISASTERS.search(self.errors())
            code = self.process.returncode if self.process else 0
            text = self.tail(8000)
        finally:
            self.notify.close()
            super().close()
        assert not disaster, f"purgeway said {disaster.group()!r}:\n{text}"
        assert self._killed or code in self.allow_codes, f"purgeway ended with {code}:\n{text}"


def run_to_end(*argv, env=None, stdin=b"", patience_s=PATIENCE_S):
    """Run the program until it ends by itself: (exit code, stdout, stderr)."""
    done = subprocess.run([program(), *argv], input=stdin, capture_output=True,
                          timeout=patience_s, env=environment(**(env or {})), check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()
