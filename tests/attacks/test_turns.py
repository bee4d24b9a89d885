"""Requests of one connection that must wait for each other."""
import contextlib
import select
import socket
import struct
import time

import pytest

from arena import Attacker, Link, must
from frames import (BODY, DATA, END_HEADERS, END_STREAM, HEADERS, frame, hello, odd, post, whole_get,
                    whole_post)
from support.processes import eventually

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.guarded
@pytest.mark.parametrize("streams", [1, 3])
def test_connection_that_is_reset_while_requests_wait(arena, streams):
    """What waits must not begin while the library frees the connection."""
    server = arena(limits_streams=streams)

    def attack(port):
        with Link(port) as link:
            link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.push(hello() + whole_post(1) + b"".join(whole_get(s) for s in odd(30, 3)))
    for _ in range(20):
        with contextlib.suppress(OSError):
            attack(server.port)
        time.sleep(0.02)
    server.serves()
    server.beside(attack)


def statuses(link, count):
    """{stream: the first byte of the block of its answer}."""
    data, found = b"", {}
    while len(found) < count:
        data += link.socket.recv(1 << 16) or b"\0" * 9
        while len(data) >= 9 and len(data) >= (size := 9 + int.from_bytes(data[:3], "big")):
            if data[3] == HEADERS:
                found[int.from_bytes(data[5:9], "big")] = data[9]
            data = data[size:]
    return found


@pytest.mark.patched("nothing is wrong with it: neither the library nor the guard may end it")
def test_requests_that_wait_for_longer_than_a_request_may_take(arena):
    """Each waits for its job, one after the other; what others take is not its time."""
    server = arena(limits_streams=1, limits_request_ms=1500)
    head = post() + b"\x00\x06prefer\x06wait=1"
    with Link(server.port) as link:
        began = time.monotonic()
        link.push(hello() + b"".join(frame(HEADERS, END_HEADERS, s, head) +
                                     frame(DATA, END_STREAM, s, BODY) for s in odd(4)))
        assert len(statuses(link, 4)) == 4
    assert time.monotonic() - began > 3
    assert not any(server.kills().values())


def operations(server):
    return [line["operation"] for line in server.server.log() if line["event"] == "http.request"]


def taken_before_another(server):
    """Of a thousand requests on a connection, when all that is sent lies there as the server looks.

    The library begins with whoever spoke last; so that this need not be known, another speaks
    before the thousand, and another after them. The one who waits longer counts.
    """
    with Link(server.port) as one, Link(server.port) as many, Link(server.port) as two:
        for link in (one, many, two):
            assert link.send(GET).answer().status == 200
        before = len(operations(server))
        server.server.stand_still()
        one.push(GET.replace(b"livez", b"healthz"))
        many.push(GET * 1000)
        two.push(GET.replace(b"livez", b"healthz"))
        server.server.resume()
        for link in (one, two):
            assert link.answer().status == 200
        eventually(lambda: str(operations(server)[before:]).count("healthz") == 2,
                   what="the lines in the log")
    names = operations(server)[before:]
    return max(at for at, name in enumerate(names) if "healthz" in name)


@pytest.mark.guarded
def test_pipelined_requests_without_end(arena):
    """The library takes one after the other, and nobody else before all of them."""
    flood = memoryview(GET * 2000)

    def attack(port):
        with Link(port) as link, contextlib.suppress(BlockingIOError):
            link.socket.setblocking(False)
            at, deadline = 0, time.monotonic() + 1
            while time.monotonic() < deadline:
                can_read, can_write, _ = select.select([link.socket], [link.socket], [], 0.1)
                if can_read and not link.socket.recv(1 << 20):
                    break
                if can_write:
                    at = (at + link.socket.send(flood[at:])) % len(flood)
    told = arena(log_access=True)
    taken = taken_before_another(told)
    must(taken < 500, f"another waits for {taken} requests")
    server = arena()
    with server.growth():
        attack(server.port)
    # It takes all of a core that it is given, so how others are scheduled beside it shows in a p99.
    # Whoever waited for thousands of requests would see that in each of its own.
    idle = server.window(measure="p50")
    with Attacker(attack, server.port):
        attacked = min(server.window(measure="p50") for _ in range(5))
    must(attacked < 200 * idle, f"others wait for {attacked / idle:.0f} times as long")
    server.serves()
