"""A Redis that is hostile, broken, or slow, exactly as a test wants it.

It speaks enough of the protocol to pass for a healthy broker; a test then replaces the
answer to one command, or to all. Answers are raw bytes.
"""
import os
import socket
import socketserver
import tempfile
import threading
import time

CLOSE = object()      #: close the connection instead of answering
SILENCE = object()    #: read the command and never answer it

OK = b"+OK\r\n"
_INFO = {
    "redis_version": "7.0.15", "run_id": "f" * 40, "connected_clients": "1",
    "blocked_clients": "0", "used_memory": "1000000", "maxmemory": "0",
    "maxmemory_policy": "noeviction", "mem_fragmentation_ratio": "1.00", "loading": "0",
    "aof_enabled": "1", "aof_last_write_status": "ok", "aof_last_bgrewrite_status": "ok",
    "rdb_last_bgsave_status": "ok", "evicted_keys": "0", "rejected_connections": "0",
    "role": "master", "connected_slaves": "0"}


def healthy_info(**changed):
    """The text of INFO of a server that is well but for what is changed."""
    return "".join(f"{name}:{value}\r\n" for name, value in {**_INFO, **changed}.items())


def bulk(data):
    data = data.encode() if isinstance(data, str) else data
    return b"$%d\r\n%b\r\n" % (len(data), data)


def array(*items):
    return b"*%d\r\n" % len(items) + b"".join(items)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """A peer that leaves in the middle is what these tests are about."""


class _TcpServer(_Server):
    address_family = socket.AF_INET


class FakeRedis:
    """Listens on a Unix socket. `answers` maps a command's name to bytes, CLOSE, SILENCE
    or a function of the command; `greeting` is sent as soon as somebody connects."""

    def __init__(self, **answers):
        self.answers = {name.upper(): answer for name, answer in answers.items()}
        self.everything = None  #: the answer to every command, when not None
        self.greeting = b""
        self.commands = []
        self._sequence = 0
        self._open = set()
        self._lock = threading.Lock()
        fake = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                fake._serve(self.request)

        self._server = self._listen(Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _listen(self, handler):
        self._directory = tempfile.mkdtemp(prefix="pgw-fake-", dir="/tmp")
        self.socket_path = os.path.join(self._directory, "fake.sock")
        return _Server(self.socket_path, handler)

    def _unlisten(self):
        os.unlink(self.socket_path)
        os.rmdir(self._directory)

    def url(self):
        return f"unix://{self.socket_path}"

    def seen(self, name):
        """The commands of this name so far."""
        with self._lock:
            return [command for command in self.commands if command[0].upper() == name.encode()]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self.drop_all()
        self._unlisten()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def drop_all(self):
        """Cut every connection."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _serve(self, connection):
        with self._lock:
            self._open.add(connection)
        try:
            connection.sendall(self.greeting)
            reader = connection.makefile("rb")
            while (command := _read_command(reader)) is not None:
                with self._lock:
                    self.commands.append(command)
                answer = self._answer(command)
                if answer is CLOSE:
                    return
                if answer is not SILENCE:
                    connection.sendall(answer)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _answer(self, command):
        name = command[0].decode("latin-1").upper()
        if self.everything is not None:
            return self.everything
        answer = self.answers.get(name, self._healthy)
        return answer(command) if callable(answer) else answer

    def _healthy(self, command):
        name = command[0].decode("latin-1").upper()
        if name == "PING":
            return b"+PONG\r\n"
        if name == "INFO":
            return bulk(healthy_info())
        if name == "CONFIG":
            values = {b"appendonly": "yes", b"appendfsync": "always"}
            return array(*(bulk(text) for wanted in command[2:] if wanted in values
                           for text in (wanted, values[wanted])))
        if name == "XADD":
            with self._lock:
                self._sequence += 1
                return bulk(f"{int(time.time() * 1000)}-{self._sequence}")
        if name == "XREADGROUP":
            if b"BLOCK" in command:
                time.sleep(0.2)
            return b"*-1\r\n"
        if name in ("EVAL", "EVALSHA", "FCALL"):
            return array(b":-1\r\n")
        if name == "SCRIPT":
            return bulk("0" * 40)
        if name in ("HMGET",):
            return array(*(b"$-1\r\n" for _ in command[2:]))
        if name == "HGET":
            return b"$-1\r\n"
        if name in ("UNLINK", "XACK", "WAIT"):
            return b":0\r\n"
        return OK


class FakeNode(FakeRedis):
    """The same on a port of 127.0.0.1, with a name of its own: a node of a cluster, a cache."""

    def __init__(self, letter="a", **answers):
        self.id = letter * 40
        self.port = None
        super().__init__(**{"INFO": bulk(healthy_info(run_id=self.id, master_replid=self.id)),
                            **answers})

    def _listen(self, handler):
        server = _TcpServer(("127.0.0.1", 0), handler)
        self.port = server.server_address[1]
        return server

    def _unlisten(self):
        pass

    def address(self):
        return f"127.0.0.1:{self.port}"

    def url(self):
        return f"redis://{self.address()}"


def slots(*owners):
    """The answer to CLUSTER SLOTS: (first, last, FakeNode)..."""
    return array(*(array(b":%d\r\n" % first, b":%d\r\n" % last,
                         array(bulk("127.0.0.1"), b":%d\r\n" % node.port, bulk(node.id)))
                   for first, last, node in owners))


def _read_command(reader):
    head = reader.readline()
    if not head.startswith(b"*"):
        return None
    words = []
    for _ in range(int(head[1:])):
        size = int(reader.readline()[1:])
        words.append(reader.read(size))
        reader.read(2)
    return words or None
