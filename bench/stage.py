"""What the benchmark stands on: child processes, a Redis client, h2load.

Only Python's standard library. Every child has its files under one temporary directory,
listens on loopback or a Unix socket there, and dies with us, however we end.
"""
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from base64 import urlsafe_b64encode

PATIENCE_S = 120.0
STREAM = "purgeway:{main}:high"
#: What is no result.
OTHER_KEYS = STREAM, "purgeway:{main}:normal", "purgeway:{main}:low", "purgeway:{main}:audit"
GROUP = "purgeway"
REDIS_SETTINGS = {
    "memory": {"appendonly": "no"},
    "fsync": {"appendonly": "yes", "appendfsync": "always"},
}


class BenchError(Exception):
    """Said in one line; the run ends."""


def eventually(check, what, patience_s=PATIENCE_S, pause_s=0.01):
    deadline = time.monotonic() + patience_s
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not in {patience_s:.0f} s")
        time.sleep(pause_s)


_ports_given = set()


def free_port():
    """A port nobody listens on, below those that the kernel gives to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(10240, 32000)
        if port in _ports_given:
            continue
        _ports_given.add(port)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Child:
    """One process; its output goes to a file in the temporary directory."""

    def __init__(self, directory, name, argv):
        self.name = name
        self.log_path = os.path.join(directory, f"{name}.log")
        if shutil.which("setpriv"):
            argv = ["setpriv", "--pdeathsig", "KILL", "--", *argv]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={"PATH": os.environ["PATH"]}, cwd=directory)

    def must_live(self):
        if self.process.poll() is not None:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                raise BenchError(f"{self.name} ended with {self.process.returncode}: "
                                 f"{log.read()[-800:]}")

    def listens(self, port):
        self.must_live()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def memory_kib(self, field):
        """VmRSS (now) or VmHWM (the most so far)."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"^{field}:\s+(\d+)", status.read(), re.MULTILINE).group(1))

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


class Redis(Child):
    """A private server. It never rewrites its log by itself: that would hit one of the
    compared runs and not the other; empty() does it between them."""

    def __init__(self, directory, name, durability):
        self.directory = os.path.join(directory, name)
        os.mkdir(self.directory)
        self.socket_path = os.path.join(self.directory, "s")
        self.durable = durability == "fsync"
        argv = ["redis-server", "--port", "0", "--unixsocket", self.socket_path, "--save", "",
                "--dir", self.directory, "--daemonize", "no", "--maxmemory-policy", "noeviction",
                "--auto-aof-rewrite-percentage", "0"]
        for setting, value in REDIS_SETTINGS[durability].items():
            argv += [f"--{setting}", value]
        super().__init__(directory, name, argv)
        self._socket = socket.socket(socket.AF_UNIX)
        # The socket is there before anybody listens at it.
        eventually(lambda: self.must_live() or self._socket.connect_ex(self.socket_path) == 0, name)
        self._file = self._socket.makefile("rb")
        eventually(lambda: self("PING") == b"PONG", name)

    @property
    def url(self):
        return f"unix://{self.socket_path}"

    def __call__(self, *words):
        return self.many([words])[0]

    def many(self, commands):
        """All in one write; the answers in order."""
        out = bytearray()
        for words in commands:
            out += b"*%d\r\n" % len(words)
            for word in words:
                word = str(word).encode()
                out += b"$%d\r\n%s\r\n" % (len(word), word)
        self._socket.sendall(out)
        return [self._answer() for _ in commands]

    def _answer(self):
        line = self._file.readline()
        mark, rest = line[:1], line[1:-2]
        if mark == b"-":
            return RuntimeError(rest.decode())
        if mark == b":":
            return int(rest)
        if mark == b"$":
            size = int(rest)
            return None if size < 0 else self._file.read(size + 2)[:-2]
        if mark == b"*":
            return [self._answer() for _ in range(max(int(rest), 0))]
        return rest

    def empty(self):
        self("FLUSHALL")
        if self.durable:
            self("BGREWRITEAOF")
            eventually(lambda: b"aof_rewrite_in_progress:0\r" in self("INFO", "persistence")
                       and b"aof_rewrite_scheduled:0\r" in self("INFO", "persistence"), "rewrite")

    def used_bytes(self):
        return int(re.search(rb"used_memory:(\d+)", self("INFO", "memory")).group(1))

    def unfinished(self):
        """Jobs not yet acknowledged, in all; a lane without its group holds what it holds."""
        total = 0
        for lane in ("high", "normal", "low"):
            stream = f"purgeway:{{main}}:{lane}"
            groups = self("XINFO", "GROUPS", stream)
            if isinstance(groups, list) and groups:
                facts = dict(zip(groups[0][::2], groups[0][1::2]))
                total += facts[b"pending"] + (facts[b"lag"] or 0)
            elif isinstance(groups, list):
                total += self("XLEN", stream)
        return total


def job_key(entry):
    """The name of a job's result, from its stream entry."""
    ms, seq = entry[0].decode().split("-")
    fields = dict(zip(entry[1][::2], entry[1][1::2]))
    name = (b"\x10\0\0" + int(ms).to_bytes(6, "big") + int(seq).to_bytes(4, "big") +
            bytes.fromhex(fields[b"n"].decode()))
    return "purgeway:{main}:job:" + urlsafe_b64encode(name).decode().rstrip("=")


class Purgeway(Child):
    def __init__(self, directory, program, role, redis, durability, threads, tls=None, more=()):
        self.port, self.tls_port = free_port(), free_port()
        argv = [program, role, "--broker-url", redis.url, "--broker-durability", durability,
                "--threads", str(threads), "--data-dir", os.path.join(directory, "data"),
                "--queue-depth", "1000000000", "--queue-bytes", "0", "--log-level", "warn"]
        if role != "gateway":
            # What is compared with does everything once.
            argv += ["--rebounds", "-", "--sweep-share", "100", "--tags-prune-s", "0"]
        if role != "worker":
            argv += ["--listen", f"127.0.0.1:{self.port}"]
        if role != "worker" and tls:
            argv += ["--tls-listen", f"127.0.0.1:{self.tls_port}",
                     "--tls-certificate", tls[0], "--tls-key", tls[1]]
        super().__init__(directory, f"{role}-{durability}", argv + list(more))

    def wait_ready(self):
        def ready():
            if not self.listens(self.port):
                return False
            with socket.create_connection(("127.0.0.1", self.port)) as link:
                link.sendall(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                return link.recv(64).startswith(b"HTTP/1.1 200")
        eventually(ready, f"{self.name} ready")
        return self


class FixedAnswer(Child):
    """bench/limits_http."""

    def __init__(self, directory, program, threads, tls, parse):
        self.port, self.tls_port = free_port(), free_port()
        argv = [program, "--listen", str(self.port), "--tls", str(self.tls_port),
                "--certificate", tls[0], "--key", tls[1], "--threads", str(threads)]
        super().__init__(directory, "fixed-parsed" if parse else "fixed",
                         argv + (["--parse"] if parse else []))
        eventually(lambda: self.listens(self.port), self.name)


def certificate(directory):
    paths = os.path.join(directory, "certificate.pem"), os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", paths[1], "-out", paths[0],
                    "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
    return paths


def bare(program, verb, redis, **options):
    """bench/limits_redis; the seconds it took."""
    argv = [program, verb, "--socket", redis.socket_path]
    for name, value in options.items():
        argv += ["--" + name.replace("_", "-")] + ([] if value is True else [str(value)])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode:
        raise BenchError(f"{verb}: {done.stderr.strip()}")
    return json.loads(done.stdout)["seconds"]


def processor_ticks():
    """Of all processors since the start: (what the host gave to others, all); proc(5)."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    return ticks[7], sum(ticks)


def h2load(server, protocol, body_path, count, log_path=None, connections=64, headers=()):
    """Requests per second, and with a log file also (p50, p99) in microseconds."""
    count = max(count, connections)
    port = server.tls_port if protocol.tls else server.port
    argv = ["h2load", "-c", str(connections), "-m", str(protocol.streams), "-n", str(count), "-d", body_path,
            "-H", "content-type: application/json"]
    for header in headers:
        argv += ["-H", header]
    argv += ["--h1"] if protocol.http1 else []
    argv += [f"--log-file={log_path}"] if log_path else []
    argv += [f"{'https' if protocol.tls else 'http'}://127.0.0.1:{port}/v1/invalidations"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    good = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout)
    if not good or int(good.group(1)) != count:
        server.must_live()
        raise BenchError(f"{server.name} {protocol.name}: {done.stdout[-600:]}{done.stderr[-200:]}")
    rate = float(re.search(r"finished in [^,]+, ([0-9.]+) req/s", done.stdout).group(1))
    if not log_path:
        return rate, None
    with open(log_path, encoding="ascii") as log:
        took = sorted(int(line.rsplit("\t", 1)[1]) for line in log)
    os.unlink(log_path)
    return rate, (took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)])
