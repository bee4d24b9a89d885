"""Attacks on what all connections share: descriptors, memory, time, TLS."""
import contextlib
import os
import resource
import select
import signal
import socket
import ssl
import struct
import time

import pytest

from arena import MEMORY_COUNTS, PATIENCE_S, ROUNDS, Attacker, Breach, Link, must
from frames import (DATA, END_HEADERS, HEADERS, WINDOW_UPDATE, frame, get, hello, long_field, odd,
                    post, whole_get)
from support.processes import eventually, free_port

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
JUNK = b"\x17\x03\x03\x40\x00" + b"j" * 16384  # a record


# ---- TLS ---------------------------------------------------------------------------------


class Tls(Link):
    """A TLS connection whose plain socket is at hand."""

    def __init__(self, port, certificates, protocols=("h2",)):
        super().__init__(port)
        context = ssl.create_default_context(cafile=certificates.authority)
        context.set_alpn_protocols(list(protocols))
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(self._out.read())
                self._in.write(self.socket.recv(65536))
        self.socket.sendall(self._out.read())

    def say(self, data):
        self._tls.write(data)
        self.push(self._out.read())

    def farewell(self):
        """close_notify, and the socket stays open."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self.push(self._out.read())


@pytest.fixture
def tls_arena(arena, certificates):
    def make(**settings):
        port = free_port()
        server = arena(tls_listen=f"127.0.0.1:{port}", tls_certificate=certificates.certificate,
                       tls_key=certificates.key, **settings)
        server.tls_port = port
        return server
    return make


#: A request that is under way for as long as it likes.
WAITING_H1 = (b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
              b"Prefer: wait=30\r\nContent-Length: 14\r\n\r\n" + b'{"keys":["a"]}')
WAITING_H2 = hello() + frame(HEADERS, END_HEADERS, 1, post() + b"\x00\x06prefer\x07wait=30") + \
    frame(0, 1, 1, b'{"keys":["a"]}')


@pytest.mark.guarded
@pytest.mark.parametrize("protocol, before", [
    ("h2", hello()), ("h2", hello(window=0) + whole_get(1, b"/openapi.json")), ("h2", WAITING_H2),
    ("http/1.1", GET)], ids=["h2", "h2 window 0", "h2 waiting", "http/1.1"])
def test_junk_behind_a_close_notify(tls_arena, certificates, protocol, before):
    """OpenSSL reads no more after it, and the library goes on to collect."""
    server = tls_arena()

    def attack(_):
        with Tls(server.tls_port, certificates, (protocol,)) as link:
            link.say(before)
            time.sleep(0.05)
            link.farewell()
            link.socket.settimeout(2)
            sent = 0
            while sent < 48 << 20 and link.push(JUNK * 16):
                sent += len(JUNK) * 16
            must(sent < 48 << 20, "junk is taken without end")
    with server.growth():
        attack(None)
    server.beside(attack)


@pytest.mark.patched("a request over HTTP/1 that is acted on is not read behind")
def test_junk_behind_a_close_notify_of_a_request_that_waits(tls_arena, certificates):
    server = tls_arena()

    def attack(_):
        with Tls(server.tls_port, certificates, ("http/1.1",)) as link:
            link.socket.settimeout(1)
            link.say(WAITING_H1)
            time.sleep(0.05)
            link.farewell()
            sent = 0
            while sent < 48 << 20 and link.push(JUNK * 16):
                sent += len(JUNK) * 16
    with server.growth():
        attack(None)
    server.serves()


@pytest.mark.guarded
@pytest.mark.parametrize("begin", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "a part"])
def test_handshake_that_does_not_end(tls_arena, begin):
    server = tls_arena(limits_handshake_ms=1000)

    def attack(_):
        with Link(server.tls_port) as link:
            link.push(begin)
            must(link.ended(PATIENCE_S), "a handshake is waited for")
    attack(None)
    server.beside(attack)


@pytest.mark.patched("OpenSSL refuses it")
@pytest.mark.parametrize("data", [GET, hello(), b"\x16\x03\x01\xff\xff" + b"\0" * 70000,
                                  b"\x80\x2e\x01\x00\x02" + b"\0" * 100],
                         ids=["HTTP/1.1", "HTTP/2", "a long record", "SSL 2"])
def test_no_tls_on_the_port_for_tls(tls_arena, data):
    server = tls_arena()

    def attack(_):
        with Link(server.tls_port) as link:
            link.push(data)
            must(link.ended(10), "it is not ended")
    attack(None)
    server.serves()


# ---- descriptors -------------------------------------------------------------------------


@pytest.mark.guarded
def test_more_connections_than_descriptors(arena):
    """Nothing spins, whoever is in stays in, and when they leave there is room again."""
    server = arena(limits_idle_ms=60000)
    resource.prlimit(server.server.pid, resource.RLIMIT_NOFILE, (96, 96))
    server.window(0.1)
    links = []
    try:
        for _ in range(300):
            link = socket.create_connection(("127.0.0.1", server.port), 10)
            links.append(link)
        before, began = server.cpu_s(), time.monotonic()
        time.sleep(1.5)
        used = (server.cpu_s() - before) / (time.monotonic() - began)
        must(used < 0.3, f"it spins: {used:.0%} of a core")
        server.window(0.2)
    finally:
        for link in links:
            link.close()
    server.serves()


@pytest.mark.guarded
def test_cap_of_connections_below_the_descriptors(arena):
    """There is always a descriptor left for what is not a client, from the start."""
    server = arena(limits_connections=10000, descriptors=128)
    links = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(125)]
    try:
        time.sleep(0.5)
        must(not server.server.log_contains("out_of_descriptors"), "it ran out of descriptors")
        used = len(list(os.scandir(f"/proc/{server.server.pid}/fd")))
        must(used < 120, f"{used} of 128 descriptors are taken")
    finally:
        for link in links:
            link.close()
    server.serves()


# ---- places ----------------------------------------------------------------------------------

#: What somebody does with a place who only wants it to be taken.
CROWDS = {
    "nothing": b"",
    "a part of a head": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "one request": GET,
    "http/2 and no request": hello(),
    "an answer that is not taken": hello(window=0) + whole_get(1, b"/openapi.json"),
}


def has_ended(link):
    try:
        return not link.recv(1 << 20)
    except BlockingIOError:
        return False
    except OSError:
        return True


def begin(port):
    """A connection from another address than that of everybody else."""
    link = socket.socket()
    link.bind(("127.0.0.2", 0))
    link.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        link.connect(("127.0.0.1", port))
    return link


def crowd(opening, count=200):
    """More connections than there are places, each made again when it is ended."""
    def attack(port):
        links, silent = [begin(port) for _ in range(count)], set(range(count))
        while True:
            for i, link in enumerate(links):
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    if i in silent:
                        link.send(opening)
                        silent.discard(i)
                if has_ended(link):
                    link.close()
                    links[i] = begin(port)
                    silent.add(i)
            time.sleep(0.01)
    return attack


def asks(link):
    """Whether a request is answered on it."""
    link.settimeout(PATIENCE_S)
    try:
        link.sendall(GET)
        return link.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    except (TimeoutError, ConnectionError):
        return False


@pytest.mark.guarded
@pytest.mark.parametrize("opening", CROWDS.values(), ids=CROWDS)
def test_all_places_are_taken(arena, opening):
    """Newcomers get in all the same, and who was there before and asks nothing just now stays."""
    server = arena(descriptors=128, limits_idle_ms=60000, limits_request_ms=60000)
    with contextlib.ExitStack() as stack:
        before = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                  for _ in range(5)]
        must(all(asks(link) for link in before), "nobody is answered")
        with Attacker(crowd(opening), server.port):
            time.sleep(1)
            for _ in range(10):
                with socket.create_connection(("127.0.0.1", server.port)) as newcomer:
                    must(asks(newcomer), "a newcomer does not get in")
            must(all(asks(link) for link in before), "somebody else has lost a place")
    full = {dict(labels)["then"]: value for (name, labels), value in server.sample().items()
            if name == "purgeway_connections_full_total"}
    must(full["ended"] >= 100, f"it is not counted: {full}")
    told = [event for event in server.server.log() if event["event"] == "http.connections_full"]
    must(len(told) == 1, f"it is not told once: {told}")


def askers(count):
    """Connections that always have an answer which is about to be taken."""
    def attack(port):
        links, stream = [begin(port) for _ in range(count)], 1
        while True:
            for link in links:
                with contextlib.suppress(OSError):
                    link.send((hello(window=0) if stream == 1 else b"") + whole_get(stream))
                    if stream > 1:
                        link.send(frame(WINDOW_UPDATE, stream=stream - 2,
                                        payload=struct.pack(">I", 1000)))
                    link.recv(1 << 16)
            stream += 2
            time.sleep(0.4)
    return attack


@pytest.mark.patched("it is about what the guard does for newcomers")
def test_patience_with_answers_has_an_end(arena):
    """Newcomers wait for answers that are not taken, not for those that always soon are."""
    server = arena(descriptors=128, limits_idle_ms=60000, limits_request_ms=60000)
    with contextlib.ExitStack() as stack:
        for _ in range(15):
            asks(stack.enter_context(socket.create_connection(("127.0.0.1", server.port))))
        with Attacker(askers(60), server.port):
            time.sleep(1)
            for _ in range(8):  # of 80 places at the most
                newcomer = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                must(asks(newcomer), "a newcomer does not get in")


@pytest.mark.guarded
def test_answers_that_nobody_takes_hold_no_places(arena):
    """Whoever has most places loses first, though all its requests are under way and others rest."""
    server = arena(descriptors=128, limits_idle_ms=60000, limits_request_ms=60000)
    with contextlib.ExitStack() as stack:
        before = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                  for _ in range(5)]
        must(all(asks(link) for link in before), "nobody is answered")
        for _ in range(120):  # more than there are places
            link = stack.enter_context(begin(server.port))
            select.select([], [link], [], PATIENCE_S)
            link.send(CROWDS["an answer that is not taken"])
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", server.port)) as newcomer:
                must(asks(newcomer), "a newcomer does not get in")
        must(all(asks(link) for link in before), "somebody else has lost a place")


# ---- bodies ------------------------------------------------------------------------------

SIZE = 4_000_000


def unfinished(protocol):
    """All of a request but its last byte."""
    body = b'{"keys":["a"]}'.ljust(SIZE)
    if protocol == "http1":
        return (b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % SIZE + body[:-1])
    return hello() + frame(HEADERS, END_HEADERS, 1, post()) + b"".join(
        frame(DATA, 0, 1, body[at:at + 16384]) for at in range(0, SIZE, 16384))


def send_to_all(links, data, patience_s):
    """As much as they take at once, to each in turn."""
    left, deadline = {link: 0 for link in links}, time.monotonic() + patience_s
    for link in links:
        link.socket.setblocking(False)
    while left and time.monotonic() < deadline:
        for link, at in list(left.items()):
            with contextlib.suppress(BlockingIOError):
                left[link] = at + link.socket.send(data[at:at + 200_000])
            if left[link] == len(data):
                del left[link]
        time.sleep(0.001)


@pytest.mark.guarded
@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_large_bodies_on_many_connections(arena, protocol):
    """Each is within its bounds; all together are not, and wait outside."""
    server = arena(limits_body_bytes=4 << 20, limits_bodies_bytes=1 << 20,
                   limits_bodies_total_bytes=1 << 20, limits_request_ms=3000)
    with contextlib.ExitStack() as stack, server.growth(128 * 1024):
        links = [stack.enter_context(Link(server.port)) for _ in range(100)]
        send_to_all(links, unfinished(protocol), 2)
        server.window(0.1)
    eventually(lambda: server.sample()[("purgeway_connections_open", frozenset())] <= 2,
               what="the end of those that left")
    whole = server.server.api.request("POST", "/v1/invalidations", b'{"keys":["a"]}'.ljust(SIZE),
                                      {"Content-Type": "application/json"})
    must(whole.status == 202, f"there is room again, and it says {whole.status}")


# ---- the wall clock ----------------------------------------------------------------------


@pytest.mark.guarded
@pytest.mark.parametrize("seconds", [7200, -7200], ids=["ahead", "back"])
def test_wall_clock_that_jumps(arena, clock, seconds):
    """Whoever is connected stays so, and idle connections end when their time is up."""
    server = arena(limits_idle_ms=2000, limits_request_ms=2000, env=clock.env)
    server.window(0.05)
    with Link(server.port) as one, Link(server.port) as two:
        one.push(GET)
        two.push(hello() + whole_get(1))
        time.sleep(0.2)
        one.drain(), two.drain()
        clock.jump(seconds)
        server.window(0.1)
        must(not one.hung_up(0.5) and not two.hung_up(0.1), "connections end at once")
        must(one.ended(PATIENCE_S) and two.ended(PATIENCE_S), "idle connections are kept")
    server.serves()


@pytest.mark.guarded
def test_wall_clock_that_jumps_all_the_time(arena, clock):
    server = arena(limits_idle_ms=8000, env=clock.env)
    with Link(server.port) as idle:
        idle.push(hello())
        for i in range(20):
            clock.jump(7200 * (-1) ** i)
            server.window(0)
        must(not idle.hung_up(0.1), "a connection ends long before its time")
        must(idle.ended(PATIENCE_S), "an idle connection is kept")
    server.serves()


# ---- the measure itself ------------------------------------------------------------------


@pytest.mark.patched("about the measure: the loop stands still in both builds")
@pytest.mark.skipif(ROUNDS == 0, reason="nothing is measured beside the attacks")
def test_what_shows_is_seen(arena):
    """A loop that stands still for a tenth of the time must be called a breach."""
    server = arena()

    def attack(port):
        with Link(port) as link:
            for _ in range(100):
                link.push(GET)
                os.kill(server.server.pid, signal.SIGSTOP)
                time.sleep(0.005)
                os.kill(server.server.pid, signal.SIGCONT)
                time.sleep(0.045)
    with pytest.raises(Breach):
        server.beside(attack)
    eventually(server.server.is_ready)


# ---- memory ------------------------------------------------------------------------------


#: What a connection can be made to hold, and what that may cost in KiB of our memory.
HOLDING = {
    "http/1, nothing": (b"", 16),
    "http/1, a head": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 390000, 1536),
    "http/2, nothing": (hello(), 64),
    "http/2, a header block": (hello() + frame(HEADERS, 0, 1, get() + long_field()), 128),
    "http/2, 100 requests": (
        hello(window=0) + b"".join(whole_get(s, b"/openapi.json") for s in odd(100)), 3072),
}


@pytest.mark.patched("a measurement: neither library nor guard may need more")
@pytest.mark.parametrize("what", HOLDING)
def test_memory_of_a_connection(arena, what):
    """Many connections that hold as much as they can, for as long as they may."""
    data, max_kib = HOLDING[what]
    count = 50
    server = arena(limits_request_ms=30000, limits_idle_ms=30000)
    eventually(lambda: server.sample())
    before = server.resident_kib()
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(Link(server.port, timeout=2)).push(data)
        time.sleep(0.5)
        each = (server.resident_kib() - before) / count
    print(f"{what}: {each:.1f} KiB a connection")
    must(each <= max_kib or not MEMORY_COUNTS, f"{each:.1f} KiB a connection")
