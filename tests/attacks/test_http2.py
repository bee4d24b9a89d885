"""Attacks by HTTP/2 frames."""
import itertools
import signal
import struct
import time

import pytest

from arena import PATIENCE_S, Breach, Link, must
from frames import (ACK, BODY, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING,
                    PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get, hello, long_field, odd,
                    post, settings, whole_get, whole_post)
from support.processes import eventually

CANCEL = struct.pack(">I", 8)
#: More than any well-behaved client has to say in a row.
FLOOD = 20000


# ---- resets ------------------------------------------------------------------------------


def reset_by(stream, how):
    """A request and what takes it back, or makes the server take it back."""
    request = whole_get if how.endswith("get") else whole_post
    take_back = {
        "rst": frame(RST_STREAM, stream=stream, payload=CANCEL),
        "window_0": frame(WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", 0)),
        "window_overflow": frame(WINDOW_UPDATE, stream=stream,
                                 payload=struct.pack(">I", 0x7fffffff)) * 2,
        "data_after_end": frame(DATA, END_STREAM, stream, b"x"),
        "headers_after_end": frame(HEADERS, END_STREAM | END_HEADERS, stream, get()),
        "priority_on_itself": frame(PRIORITY, stream=stream, payload=struct.pack(">IB", stream, 1)),
    }[how.partition(",")[0]]
    return request(stream) + take_back


RESETS = ("rst,post", "rst,get", "window_0,post", "window_0,get", "window_overflow,post",
          "data_after_end,post", "data_after_end,get")


@pytest.mark.guarded
@pytest.mark.parametrize("how", RESETS)
def test_requests_that_are_reset_at_once(arena, how):
    """Rapid reset (CVE-2023-44487), and its kin where the server is made to do the resetting
    (MadeYouReset, CVE-2025-8671): work without end, although never more than one stream is open."""
    def attack(port):
        with Link(port) as link:
            link.push(hello())
            link.flood(reset_by(stream, how) * 1 for stream in odd(3000))
    arena().withstands(attack)


@pytest.mark.guarded
@pytest.mark.parametrize("how", ["rst,post", "rst,get", "window_0,get"])
def test_requests_that_are_reset_in_one_write(arena, how):
    """All in one segment, so that answers have no time to leave."""
    flood = hello() + b"".join(reset_by(stream, how) for stream in odd(1000))

    def attack(port):
        with Link(port) as link:
            link.push(flood)
            link.ended(5)
    arena().withstands(attack)


@pytest.mark.patched("these are errors of the connection to the library")
@pytest.mark.parametrize("how", ["headers_after_end,post", "priority_on_itself,post"])
def test_errors_that_end_the_connection(arena, how):
    def attack(port):
        with Link(port) as link:
            link.push(hello())
            link.flood(reset_by(stream, how) for stream in odd(3000))
    arena().few_calls(attack)


@pytest.mark.guarded
def test_malformed_requests_without_end(arena):
    """A request without a path is reset by the server, each one."""
    server = arena()

    def attack(port):
        with Link(port) as link:
            link.push(hello())
            taken = link.takes_all(frame(HEADERS, END_STREAM | END_HEADERS, stream,
                                         b"\x82\x86\x04\x00\x01\x01x") for stream in odd(3000))
            must(not taken, "malformed requests are taken without end")
    attack(server.port)
    server.beside(attack)


# ---- header blocks -----------------------------------------------------------------------


def block(stream, fields, flags=END_HEADERS):
    """A header block of any size, cut into frames."""
    pieces = [fields[i:i + 16384] for i in range(0, len(fields), 16384)]
    out = b""
    for i, piece in enumerate(pieces):
        end = flags if i == len(pieces) - 1 else 0
        out += frame(CONTINUATION if i else HEADERS, end, stream, piece)
    return out


@pytest.mark.guarded
@pytest.mark.parametrize("size", [15000, 380000])
def test_header_block_that_refers_to_the_table_again_and_again(arena, size):
    """The "HTTP/2 bomb": a byte each for fields that cost a hundred in memory, and requests that
    do not end, so that it stays."""
    bombs = b"".join(block(stream, post() + long_field() + b"\xbe" * size)
                     for stream in odd(6 if size > 100000 else 90))
    server = arena()

    def attack(port):
        with Link(port) as link:
            link.push(hello() + bombs)
            link.ended(1.5)
    # First, while nothing was freed yet that could be taken again.
    with server.growth():
        attack(server.port)
    server.beside(attack)


@pytest.mark.patched("the library holds 417,792 bytes of a header block at the most")
def test_header_block_without_end(arena):
    """A flood of CONTINUATION (CVE-2024-27316 and its kin) does not grow without end."""
    def attack(port):
        with Link(port) as link:
            link.push(hello() + frame(HEADERS, 0, 1, get()))
            taken = link.takes_all(frame(CONTINUATION, 0, 1, b"\x0f\x00\x01x" * 4000)
                                   for _ in range(2000))
            must(not taken, "it takes a header block of any size")
    server = arena()
    with server.growth():
        attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
def test_empty_continuations_without_end(arena):
    """They never reach any limit of size."""
    def attack(port):
        with Link(port) as link:
            link.push(hello() + frame(HEADERS, 0, 1, get()))
            taken = link.takes_all(frame(CONTINUATION, 0, 1) for _ in range(FLOOD))
            must(not taken, "it takes empty frames without end")
    server = arena()
    attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
def test_continuation_during_a_drain(arena):
    """The library stops taking requests a second after a shutdown was asked for, and from then on
    turns for ever on the second half of a header block. A request under way keeps the connection
    there until then."""
    server = arena(drain_ms=8000, limits_request_ms=6000)
    with Link(server.port) as link:
        # The window of 0 keeps the answer, and so the request.
        link.push(hello(window=0) + whole_get(1) + frame(HEADERS, END_STREAM, 3, get()[:2]))
        time.sleep(0.2)
        server.server.signal(signal.SIGTERM)
        time.sleep(1.5)
        link.push(frame(CONTINUATION, END_HEADERS, 3, get()[2:]))
        link.hung_up(1)
        before = server.cpu_s()
        time.sleep(1)
        must(server.cpu_s() - before < 0.5, "a thread turns for ever")
    try:
        must(server.server.wait(20) == 0, "it did not end in order")
    except AssertionError as problem:
        raise Breach(str(problem)) from None


# ---- what holds on -----------------------------------------------------------------------


@pytest.mark.guarded
def test_window_of_zero(arena):
    """A request whose answer may never leave."""
    server = arena(limits_request_ms=1000)

    def attack(port):
        with Link(port) as link:
            link.push(hello(window=0) + b"".join(whole_get(s, b"/openapi.json") for s in odd(50)))
            must(link.ended(PATIENCE_S), "answers that may not leave hold the connection")
    with server.growth():
        attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
@pytest.mark.parametrize("trickle", [
    frame(WINDOW_UPDATE, stream=1, payload=struct.pack(">I", 1)), frame(PING, payload=b"pingpong")],
    ids=["window", "ping"])
def test_answer_that_is_taken_byte_by_byte(arena, trickle):
    server = arena(limits_request_ms=1000)

    def attack(port):
        with Link(port) as link:
            link.push(hello(window=1) + whole_get(1, b"/openapi.json"))
            must(link.hung_up(PATIENCE_S, 0.2, trickle), "a slow reader holds the connection")
    attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
@pytest.mark.parametrize("trickle", [
    frame(PING, payload=b"pingpong"), settings(), frame(0x7f),
    frame(PRIORITY, stream=1, payload=struct.pack(">IB", 0, 1))],
    ids=["ping", "settings", "unknown", "priority"])
def test_idle_connection_that_shows_signs_of_life(arena, trickle):
    server = arena(limits_idle_ms=1000)

    def attack(port):
        with Link(port) as link:
            link.push(hello())
            must(link.hung_up(PATIENCE_S, 0.2, trickle), "a connection without requests is kept")
    attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
@pytest.mark.parametrize("begin, trickle", [
    (frame(HEADERS, 0, 1, get()), b""),
    (frame(HEADERS, 0, 1, get()) + frame(CONTINUATION, 0, 1, b" " * 16000)[:9], b"x"),
    (frame(HEADERS, END_HEADERS, 1, post()), b""),
    (frame(HEADERS, END_HEADERS, 1, post()), frame(DATA, 0, 1, b" ")),
    (b"\0\x10\0" + bytes([HEADERS, 4]) + b"\0\0\0\1", b"x")],
    ids=["no end of the head", "head in bytes", "no body", "body in bytes", "frame in bytes"])
def test_slow_request(arena, begin, trickle):
    server = arena(limits_request_ms=1000, limits_idle_ms=1000)

    def attack(port):
        with Link(port) as link:
            link.push(hello() + begin)
            must(link.hung_up(PATIENCE_S, 0.2, trickle), "a request that does not end is waited for")
    attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
def test_preface_that_does_not_come(arena):
    server = arena(limits_request_ms=1000)

    def attack(port):
        with Link(port) as link:
            link.push(hello()[:20])
            must(link.ended(PATIENCE_S), "a preface is waited for")
    attack(server.port)
    server.beside(attack)


# ---- floods ------------------------------------------------------------------------------


FLOODS = {
    "ping": frame(PING, payload=b"pingpong"),
    "ping ack": frame(PING, ACK, payload=b"pingpong"),
    "settings": settings(),
    "settings ack": frame(SETTINGS, ACK),
    "window": frame(WINDOW_UPDATE, payload=struct.pack(">I", 1)),
    "priority": frame(PRIORITY, stream=1, payload=struct.pack(">IB", 0, 1)),
    "reset": frame(RST_STREAM, stream=1, payload=CANCEL),
    "unknown": frame(0x7f, payload=b"x" * 8),
    "unknown, empty": frame(0xff),
    "empty data": frame(DATA, stream=3),
}


@pytest.mark.guarded
@pytest.mark.parametrize("kind", FLOODS)
def test_flood(arena, kind):
    """Frames that cost the sender nothing and us a little, without end; answers are taken."""
    def attack(port):
        with Link(port) as link:
            link.push(hello() + whole_get(1) + frame(HEADERS, END_HEADERS, 3, post()))
            time.sleep(0.01)
            taken = link.takes_all(itertools.repeat(FLOODS[kind], FLOOD))
            must(not taken, f"{FLOOD} frames are taken")
    server = arena()
    with server.growth():
        attack(server.port)
    must(len(server.server.errors()) < 65536, "its log is flooded")
    server.beside(attack)


@pytest.mark.patched("the library remembers the priorities of sixteen streams that are not open")
def test_flood_of_priorities_of_many_streams(arena):
    def attack(port):
        with Link(port) as link:
            link.push(hello())
            taken = link.takes_all(frame(PRIORITY, stream=s, payload=struct.pack(">IB", 0, 1))
                                   for s in odd(FLOOD))
            must(not taken, f"{FLOOD} frames are taken")
    server = arena()
    with server.growth():
        attack(server.port)
    server.serves()


@pytest.mark.patched("the library stops reading at 512 KiB of answers that are not taken")
@pytest.mark.parametrize("piece", [FLOODS["ping"], FLOODS["settings"]], ids=["ping", "settings"])
def test_flood_whose_answers_are_not_taken(arena, piece):
    """CVE-2019-9512, 9514, 9515."""
    def attack(port):
        with Link(port, timeout=2) as link:
            link.push(hello() + piece * 200000)
    server = arena()
    with server.growth():
        attack(server.port)
    server.serves()


@pytest.mark.patched("requests beyond 100 at a time are refused by the library, without a call")
def test_more_requests_at_a_time_than_allowed(arena):
    def attack(port):
        with Link(port) as link:
            link.push(hello(window=0) + b"".join(whole_get(s, b"/openapi.json")
                                                 for s in odd(2000)))
            link.ended(1)
    arena().few_calls(attack)


@pytest.mark.guarded
def test_bodies_that_never_end_on_more_streams_than_allowed(arena):
    """Each is refused by the library, and none of them is ever closed by the client."""
    count = 5000

    def attack(port):
        with Link(port) as link:
            link.push(hello())
            taken = link.takes_all(frame(HEADERS, END_HEADERS, s, post()) + frame(DATA, 0, s, b" ")
                                   for s in odd(count))
            must(not taken, "streams are opened without end")
    server = arena()
    with server.growth():
        attack(server.port)
    server.beside(attack)


# ---- bodies ------------------------------------------------------------------------------


def bodies(count, size):
    """Requests at a time on one connection, of so many bytes each, none of which ends."""
    piece = b" " * 16384
    for stream in odd(count):
        yield frame(HEADERS, END_HEADERS, stream, post())
    for _ in range(size // len(piece)):
        for stream in odd(count):
            yield frame(DATA, 0, stream, piece)


@pytest.mark.guarded
def test_body_without_end(arena):
    def attack(port):
        with Link(port) as link:
            link.push(hello())
            link.flood(bodies(1, 64 << 20))
    server = arena()
    with server.growth():
        attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
@pytest.mark.parametrize("streams", [1, 90])
def test_bodies_in_pieces_of_a_byte(arena, streams):
    """Ten bytes are sent for one, and each piece costs as much as a large one."""
    pieces = b"".join(frame(DATA, 0, stream, b" ")
                      for _ in range(2700 // streams) for stream in odd(streams))
    begin = hello() + b"".join(frame(HEADERS, END_HEADERS, stream, post())
                               for stream in odd(streams))

    def attack(port):
        with Link(port) as link:
            link.push(begin)
            link.flood(itertools.repeat(pieces, 600))
    slow = arena(limits_connection_bytes_per_s=1 << 20)
    with Link(slow.port) as link:
        began = time.monotonic()
        link.push(begin + pieces)
        time.sleep(0.1)  # what comes with them is read with them
        link.push(frame(PING, payload=b"the last"))
        while b"the last" not in (data := link.socket.recv(65536)):
            assert data, "it was ended"
        must(time.monotonic() - began >= 1, "pieces count by their bytes")
    arena().beside(attack)


@pytest.mark.guarded
def test_many_large_bodies_at_a_time(arena):
    """Each of them is small enough, all together are not."""
    def attack(port):
        with Link(port) as link:
            link.push(hello())
            link.flood(bodies(100, 1 << 20))
    server = arena()
    with server.growth(32 * 1024):
        attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
def test_many_large_requests_that_wait(arena):
    """The bodies of requests that are acted on count as well."""
    body = b'{"keys":["a"]}' + b" " * 1000000
    pieces = [body[i:i + 16384] for i in range(0, len(body), 16384)]
    head = post() + b"\x00\x06prefer\x07wait=30"

    def attack(port):
        with Link(port) as link:
            link.push(hello())
            for stream in odd(90):
                frames = [frame(HEADERS, END_HEADERS, stream, head)]
                frames += [frame(DATA, 0, stream, piece) for piece in pieces]
                frames += [frame(DATA, END_STREAM, stream)]
                if link.flood(frames) < len(frames):
                    break
    server = arena()
    with server.growth(48 * 1024):
        attack(server.port)
    server.beside(attack)


@pytest.mark.patched("nothing is wrong with it: neither the library nor the guard may end it")
def test_busy_client_that_does_nothing_wrong(arena):
    """2,000 requests on one connection, each answered, with the frames that clients send."""
    server = arena()
    with Link(server.port) as link:
        credit = b""
        link.push(hello())
        for stream in odd(2000):
            link.push(credit + whole_post(stream, BODY))
            answer = link.socket.recv(65536)
            assert answer, "it was ended"
            credit = frame(WINDOW_UPDATE, payload=struct.pack(">I", len(answer)))
        link.push(frame(GOAWAY, payload=b"\0" * 8))
    assert not any(server.kills().values())


@pytest.mark.patched("bounded by the service itself in both builds")
def test_many_large_answers_that_nobody_takes(arena):
    """Those that wait for their clients are bounded together; small ones are answered all the same."""
    server = arena(limits_answers_bytes=1 << 20)
    with Link(server.port) as link, server.growth(12 * 1024):
        link.push(hello(window=0))
        for stream in odd(90):
            link.push(whole_get(stream, b"/metrics"))
        eventually(lambda: server.server.api.get("/metrics").status == 503, what="the bound")
        refused = server.server.api.get("/metrics")
        must(refused.json["code"] == "answers_full" and "retry-after" in refused.headers,
             f"it says {refused.json}")
        # What has changed something is told so, however much there is to say.
        items = [{"keys": ["a"]}] * 40 + [{"keys": [1] * 20}] * 60
        batch = server.server.api.post("/v1/invalidations/batch", {"invalidations": items})
        must(len(batch.body) > 16384 and len(batch.json["items"]) == 100, f"it says {batch.status}")
        server.window(0.1)
    eventually(lambda: server.server.api.get("/metrics").status == 200, what="room again")
