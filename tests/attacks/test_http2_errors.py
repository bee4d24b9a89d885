"""What comes behind a connection error, before the connection has ended: the library has seen it, and
waits for the end of what it is writing."""
import contextlib
import time

import pytest

from arena import Link, must
from frames import (DATA, END_HEADERS, END_STREAM, HEADERS, WINDOW_UPDATE, frame, hello, post,
                    whole_get)
from narrow import Narrow

LARGE = 1 << 20
#: Of a stream that nobody has opened.
ERROR = frame(DATA, stream=9999, payload=b"x")
TRAILERS = frame(HEADERS, END_HEADERS | END_STREAM, 3, b"")


@pytest.mark.patched("without the guard nothing is shown to it in parts")
def test_trailers_behind_an_error(arena):
    """All in one read, in which the answer to the first request is being written."""
    server = arena()
    links = [Link(server.port).send(hello()) for _ in range(5)]
    time.sleep(0.3)
    for link in links:
        with link:
            link.push(whole_get(1) + frame(HEADERS, END_HEADERS, 3, post()) + TRAILERS + ERROR +
                      TRAILERS)
            must(link.ended(10), "the connection goes on")
    server.serves()
    before = server.cpu_s()
    time.sleep(0.5)
    must(server.cpu_s() - before < 0.25, "it has something to do without end")
    assert server.server.sigterm() == 0


@pytest.mark.guarded
@pytest.mark.parametrize("error, more", [
    pytest.param(b"\xff\xff\xff" + bytes(6), b"x" * 65536, id="junk"),
    pytest.param(ERROR, frame(DATA, stream=9999, payload=b"x" * 1015) * 64, id="frames")])
def test_bytes_behind_an_error_whose_last_write_is_not_taken(arena, error, more):
    server = arena()
    link = Narrow(server.port)
    with contextlib.closing(link.socket):
        link.push(hello(window=LARGE) + frame(WINDOW_UPDATE, payload=b"\x7f\xff\x00\x00"))
        link.fill(b"/docs")
        with server.growth():
            link.push(error)
            link.socket.settimeout(0.1)
            sent, until = 0, time.monotonic() + 2
            with contextlib.suppress(ConnectionError):
                while time.monotonic() < until:
                    with contextlib.suppress(TimeoutError):
                        sent += link.socket.send(more)
            must(sent < LARGE * 16, f"{sent} bytes were taken")
    server.serves()
