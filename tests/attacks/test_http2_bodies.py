"""Bodies of HTTP/2 that are too large, end with trailers, stand still, or were given up."""
import time

import pytest

from answers import Reader
from arena import PATIENCE_S, must
from frames import (BODY, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, frame, hello, odd,
                    post, whole_get, whole_post)

TRAILERS = b"\x00\x0cx-request-id\x04fake" + b"\x00\x0fidempotency-key\x03abc" + \
    b"\x00\x0dauthorization\x08Bearer x"


def field(name, value):
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


# ---- too large ---------------------------------------------------------------------------


@pytest.mark.guarded
@pytest.mark.parametrize("length", [b"", b"4000000"], ids=["no length", "length"])
def test_body_that_is_too_large_is_answered(arena, length):
    """Refused as a stream, it would be sent again and again; and what else the connection carries goes
    on."""
    server = arena(limits_body_bytes=1 << 20, limits_request_ms=3000)
    piece = b" " * 16000
    with Reader(server.port) as link, server.growth():
        link.push(hello() + frame(HEADERS, END_HEADERS, 1, post() + (
            field(b"content-length", length) if length else b"")))
        for _ in range(249):
            must(link.push(frame(DATA, 0, 1, piece)), "the connection was ended")
        link.push(whole_get(3))
        must(link.status(3) == 200, "others wait for it")
        link.push(frame(DATA, END_STREAM, 1, piece))
        must(link.status(1) == 413, f"it is answered {link.status(1)}")
        time.sleep(4)
        link.push(whole_get(5))
        must(link.status(5) == 200, "the connection was ended")
    assert not any(server.kills().values())


@pytest.mark.patched("nothing is wrong with it: neither the library nor the guard may end it")
def test_body_that_was_given_up_is_waited_for_no_more(arena):
    """Its request was answered before it, and the client sees no reason to send the rest."""
    server = arena(limits_request_ms=1000)
    with Reader(server.port) as link:
        link.push(hello() + frame(HEADERS, END_HEADERS, 1, post() + field(b"x", b"a\x01b")) +
                  frame(DATA, 0, 1, b"{"))
        assert link.status(1) == 400
        for stream in odd(15, 3):
            time.sleep(0.2)
            link.push(whole_get(stream))
            assert link.status(stream) == 200
    assert not any(server.kills().values())


# ---- trailers ----------------------------------------------------------------------------


@pytest.mark.guarded
@pytest.mark.parametrize("pause", [0, 0.1], ids=["at once", "in pieces"])
@pytest.mark.parametrize("cut", [0, 20], ids=["whole", "continued"])
def test_trailers_are_no_header_fields(arena, pause, cut):
    """RFC 9110 6.5.1: whoever may add to the end of a request might not add to its head."""
    server = arena()
    trailers = frame(HEADERS, END_STREAM | END_HEADERS, 1, TRAILERS)
    if cut:
        trailers = frame(HEADERS, END_STREAM, 1, TRAILERS[:cut]) + \
            frame(CONTINUATION, END_HEADERS, 1, TRAILERS[cut:])
    pieces = [hello(), frame(HEADERS, END_HEADERS, 1, post()), frame(DATA, 0, 1, BODY),
              trailers[:40], trailers[40:], whole_post(3)]
    with Reader(server.port) as link:
        for piece in pieces if pause else [b"".join(pieces)]:
            link.push(piece)
            time.sleep(pause)
        assert link.status(1) == 202 and link.status(3) == 202
        must(link.answers[1]["x-request-id"] != "fake", "they are taken for some")


@pytest.mark.guarded
def test_trailers_are_not_obeyed(arena):
    """A key that says that a request is the same as another: both are taken for themselves."""
    server = arena()
    with Reader(server.port) as link:
        link.push(hello())
        for stream in (1, 3):
            link.push(frame(HEADERS, END_HEADERS, stream, post()) + frame(DATA, 0, stream, BODY) +
                      frame(HEADERS, END_STREAM | END_HEADERS, stream, TRAILERS))
            assert link.status(stream) == 202
        must(link.answers[1]["location"] != link.answers[3]["location"], "the trailers are obeyed")
    assert not any(server.kills().values())


@pytest.mark.patched("the library drops the trailers of a chunked body")
def test_trailers_of_http1(arena):
    server = arena()
    with Reader(server.port) as link:
        link.push(b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"X-Request-Id: real\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"e\r\n" + BODY + b"\r\n0\r\nX-Request-Id: fake\r\nIdempotency-Key: abc\r\n\r\n")
        assert link.answer().headers["x-request-id"] == "real"


@pytest.mark.guarded
def test_trailers_for_another_stream(arena):
    """The library would take the second half of one head for the trailers of another request."""
    server = arena()
    with Reader(server.port) as link:
        link.push(hello() + frame(HEADERS, END_HEADERS, 1, post()) + frame(DATA, 0, 1, BODY) +
                  frame(HEADERS, END_STREAM, 3) +
                  frame(CONTINUATION, END_HEADERS, 1, TRAILERS))
        must(link.status(1) is None, "they are taken")
    server.serves()


# ---- standing still ----------------------------------------------------------------------


@pytest.mark.guarded
def test_body_that_stands_still_while_others_move(arena):
    server = arena(limits_request_ms=1000)

    def attack(port):
        with Reader(port) as link:
            link.push(hello() + frame(HEADERS, END_HEADERS, 1, post()) + frame(DATA, 0, 1, b"{"))
            deadline = time.monotonic() + PATIENCE_S
            for stream in odd(100000, 3):
                must(time.monotonic() < deadline, "a body that does not end is waited for")
                if not link.push(whole_post(stream)) or link.status(stream) is None:
                    break
                time.sleep(0.1)
    attack(server.port)
    must(server.kills()["slow"] == 1, "it was not ended for that")


@pytest.mark.guarded
def test_pieces_for_streams_that_are_closed(arena):
    """Each is answered by a reset; ten bytes are sent for one."""
    pieces = frame(DATA, 0, 1, b" ") * 2700
    slow = arena(limits_connection_bytes_per_s=1 << 20)
    with Reader(slow.port) as link:
        link.push(hello() + whole_get(1))
        assert link.status(1) == 200
        began = time.monotonic()
        link.push(pieces)
        time.sleep(0.1)  # what comes with them is read with them
        link.push(whole_get(3))
        assert link.status(3) == 200
        must(time.monotonic() - began >= 1, "pieces count by their bytes")
