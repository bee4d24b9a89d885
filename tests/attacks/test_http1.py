"""Attacks by HTTP/1: framing that two readers understand differently, and slowness."""
import itertools
import time

import pytest

from arena import PATIENCE_S, Link, must
from support.hooks import Hooks

HEAD = b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = b'{"keys":["a"]}'
NEXT = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
guarded = pytest.mark.guarded
patched = pytest.mark.patched("the library refuses it as well")


def total(server, name):
    return sum(value for (found, _), value in server.sample().items() if found == name)


def answers(link):
    found = []
    while (answer := link.answer()) is not None:
        found.append(answer.status)
    return found


# ---- framing -----------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [
    pytest.param(b"Content-Length: 14\r\nContent-Length: 15\r\n", marks=guarded),
    pytest.param(b"Content-Length: 14\r\nContent-Length: 14\r\n", marks=guarded),
    pytest.param(b"Content-Length: 14\r\nTransfer-Encoding: chunked\r\n", marks=guarded),
    pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 14\r\n", marks=guarded),
    pytest.param(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", marks=guarded),
    pytest.param(b"Content-Length: 14\r\nX: a\r\n b\r\n", marks=guarded),
    pytest.param(b"Content-Length: 14\nX: a\r\n", marks=guarded),
    pytest.param(b"Content-Length: 14\r\nHost: y\r\n", marks=guarded),
    pytest.param(b"Content-Length : 14\r\n", marks=patched),
    pytest.param(b"Content-Length: +14\r\n", marks=patched),
    pytest.param(b"Content-Length: 0x0e\r\n", marks=patched),
    pytest.param(b"Content-Length: -1\r\n", marks=patched),
    pytest.param(b"Content-Length: 14, 14\r\n", marks=patched),
    pytest.param(b"Content-Length: 18446744073709551630\r\n", marks=patched),
    pytest.param(b"Transfer-Encoding: gzip, chunked\r\n", marks=patched),
    pytest.param(b"Transfer-Encoding: xchunked\r\n", marks=patched),
    pytest.param(b"Transfer-Encoding: chunked\x0b\r\n", marks=patched),
    pytest.param(b"Content-Length: 14\r\nX: a\0b\r\n", marks=patched),
    pytest.param(b"Content-Length: 14\r\nX: a\rb\r\n", marks=patched)],
    ids=lambda fields: fields.decode("latin-1").strip().replace("\r\n", " / "))
def test_framing_with_two_meanings(arena, fields):
    """No request that two readers could cut differently is taken, and nothing behind it is."""
    server = arena()
    body = b"e\r\n" + BODY + b"\r\n0\r\n\r\n" if b"chunked" in fields else BODY
    with Link(server.port) as link:
        link.push(HEAD + fields + b"\r\n" + body + NEXT)
        found = answers(link)
    must(found in ([], [400], [501]), f"it was answered {found}")
    server.serves()


@pytest.mark.parametrize("head", [
    pytest.param(b"GET /livez HTTP/1.1\r\n\r\n", marks=guarded),
    pytest.param(b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", marks=guarded),
    pytest.param(b"GET /livez HTTP/1.1\r\nHost: a b@/\r\n\r\n", marks=guarded),
    pytest.param(b"\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n", marks=guarded),
    pytest.param(b"GET /livez HTTP/1.1\nHost: x\n\n", marks=guarded),
    pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\n\n", marks=guarded),
    pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb\r\n\r\n", marks=guarded),
    pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n", marks=patched),
    pytest.param(b"GET  /livez HTTP/1.1\r\nHost: x\r\n\r\n", marks=patched),
    pytest.param(b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n", marks=patched),
    pytest.param(b"GET /li\0vez HTTP/1.1\r\nHost: x\r\n\r\n", marks=patched)],
    ids=lambda head: head.decode("latin-1").strip().replace("\r", "").replace("\n", " / "))
def test_head_that_is_not_strict(arena, head):
    server = arena()
    with Link(server.port) as link:
        link.push(head)
        link.socket.shutdown(1)
        found = answers(link)
    must(200 not in found, "it was taken")
    server.serves()


@pytest.mark.guarded
def test_empty_line_before_a_request(arena):
    """RFC 9112 2.2; some clients send one behind a body. It begins no request that must end."""
    server = arena(limits_request_ms=1000)
    with Link(server.port) as link:
        for _ in range(3):
            link.push(b"\r\n" + NEXT)
            assert link.answer().status == 200
        link.push(b"\r\n")
        time.sleep(2)
        link.push(NEXT)
        must((last := link.answer()) and last.status == 200, "it was waited for")


@pytest.mark.guarded
@pytest.mark.parametrize("chunks", [
    b"0x5\r\n{}   \r\n0\r\n\r\n", b"5\n{}   \n0\n\n",
    b"5;" + b"x" * 100000 + b"\r\n{}   \r\n0\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n"],
    ids=["0x", "bare LF", "long extension", "long trailers"])
def test_chunks_with_two_meanings(arena, chunks):
    """Where a chunked body ends is the library's word alone, so nothing behind it is believed."""
    server = arena()
    with Link(server.port) as link:
        link.push(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + NEXT)
        link.socket.shutdown(1)
        found = answers(link)
    must(200 not in found, "a request was smuggled")
    server.serves()


@pytest.mark.patched("the library refuses these sizes, and ends the connection")
@pytest.mark.parametrize("chunks", [b"-1\r\n\r\n0\r\n\r\n", b"fffffffffffffffff\r\n{}\r\n",
                                    b"5;x=\ny\r\n{}   \r\n0\r\n\r\n",
                                    b"\r\n{}\r\n0\r\n\r\n", b"5\r\n{}   X\r\n0\r\n\r\n"],
                         ids=["negative", "huge", "LF in an extension", "none", "too short"])
def test_chunks_that_are_wrong(arena, chunks):
    server = arena()
    with Link(server.port) as link:
        link.push(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + NEXT)
        link.socket.shutdown(1)
        must(200 not in answers(link), "a request was smuggled")
    server.serves()


# ---- slowness ----------------------------------------------------------------------------


def holds_on(begin, trickle):
    def attack(port):
        with Link(port) as link:
            link.push(begin)
            must(link.hung_up(PATIENCE_S, 0.2, trickle), "a request that does not end is waited for")
    return attack


@pytest.mark.parametrize("begin, trickle", [
    (b"", b""), (b"GET /livez HTTP/1.1\r\n", b"X: y\r\n"), (b"GET /livez HTTP/1.1\r\nX", b"y"),
    (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x")],
    ids=["nothing", "lines", "bytes", "body", "chunks", "extension"])
@pytest.mark.guarded
def test_slow_request_when_the_clock_is_set_back(arena, begin, trickle, clock):
    """The library times these itself, but by the wall clock."""
    server = arena(limits_request_ms=1000, limits_idle_ms=1000, env=clock.env)
    attack = holds_on(begin, trickle)

    def with_jump(port):
        with Link(port) as link:
            link.push(begin)
            link.hung_up(0.4, 0.2, trickle)
            clock.jump(-3600)
            must(link.hung_up(PATIENCE_S, 0.2, trickle), "a request that does not end is waited for")
    with_jump(server.port)
    server.beside(attack)


@pytest.mark.guarded
def test_answers_that_are_not_read(arena):
    """Requests whose answers fill every buffer on the way, and then nothing."""
    server = arena(limits_request_ms=1000)

    def attack(port):
        with Link(port, timeout=3) as link:
            link.push(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
            must(link.hung_up(PATIENCE_S), "answers that are not read hold the connection")
    with server.growth():
        attack(server.port)
    server.beside(attack)


# ---- size --------------------------------------------------------------------------------


@pytest.mark.patched("the library holds 417,792 bytes of a head at the most")
@pytest.mark.parametrize("piece", [b"X: y\r\n" * 1000, b"x" * 6000, b"\r\n" * 3000],
                         ids=["fields", "one line", "empty lines"])
def test_head_without_end(arena, piece):
    server = arena()

    def attack(port):
        with Link(port) as link:
            link.push(b"GET /livez HTTP/1.1\r\nHost: x\r\n" if piece[0] != 13 else b"")
            taken = link.takes_all(itertools.repeat(piece, 2000))
            must(not taken, "a head of any size is taken")
    with server.growth():
        attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_without_end(arena, framing):
    piece = b" " * 65536
    head = HEAD + (b"Content-Length: 1000000000\r\n\r\n" if framing == "length"
                   else b"Transfer-Encoding: chunked\r\n\r\n")
    if framing == "chunked":
        piece = b"10000\r\n" + piece + b"\r\n"

    def attack(port):
        with Link(port) as link:
            link.push(head)
            link.flood(itertools.repeat(piece, 600))
    server = arena()
    with server.growth():
        attack(server.port)
    server.beside(attack)


@pytest.mark.guarded
@pytest.mark.parametrize("begin, piece", [
    (b"5;", b"x" * 65536), (b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 10000),
    (b"2\r\n{}\r\n0\r\nX: ", b"y" * 65536), (b"", b"1;x\r\n \r\n" * 10000)],
    ids=["extension", "trailers", "one trailer", "chunks of a byte"])
def test_chunks_that_bring_other_things_without_end(arena, begin, piece):
    """What is around a body is in no count of its bytes."""
    server = arena()

    def attack(port):
        with Link(port) as link:
            link.push(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + begin)
            link.flood(itertools.repeat(piece, 1000))
    with server.growth():
        attack(server.port)
    must(server.kills()["framing"] == 1, "it is taken, or only its body was too large")
    server.beside(attack)


# ---- dear requests -----------------------------------------------------------------------


@pytest.mark.guarded
@pytest.mark.parametrize("body", [
    b'{"keys":[' + b"1," * 7800 + b"1]}",
    b"{" + b",".join(b'"m%04d":1' % i for i in range(1600)) + b"}",
    b'{"keys":[' + b",".join(b'"k%04d"' % i for i in range(1000)) + b'],"odd":1}'],
    ids=["values", "members", "keys"])
def test_bodies_that_are_not_large_but_dear(arena, body):
    """Just below what is always read beside the loop, with as many values as go in."""
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    assert len(body) < 16384

    def attack(port):
        with Link(port) as link:
            for _ in range(1000):
                link.push(whole)
                assert link.answer()
    server = arena()
    attack(server.port)
    must(total(server, "purgeway_bodies_read_aside_total") == 1000, "they are read on the loop")
    server.beside(attack)


@pytest.mark.patched("written beside the loop in both builds")
def test_metrics_in_a_row(arena):
    def attack(port):
        with Link(port) as link:
            for _ in range(1000):
                link.push(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                assert link.answer()
    arena().beside(attack)


# ---- large bodies ------------------------------------------------------------------------

SIZE = 1_000_000
SPACE = b'{"keys":["a"]}'.ljust(SIZE)


@pytest.mark.guarded
@pytest.mark.parametrize("path, body", [
    ("/v1/invalidations", SPACE),
    ("/v1/invalidations",
     b'{"keys":[' + b",".join(b'"%d:%s"' % (i, b"x" * 980) for i in range(1000)) + b'],"odd":1}'),
    ("/v1/invalidations", b'{"keys":[' + b"1," * (SIZE // 2) + b"1]}"),
    ("/v1/invalidations", b"{" + b",".join(b'"%06d":1' % i for i in range(SIZE // 11)) + b"}"),
    ("/nowhere", SPACE), ("/v1/hooks/h", SPACE)],
    ids=["space", "keys", "values", "members", "nowhere", "unsigned"])
def test_large_bodies_as_fast_as_they_can_be_sent(arena, tmp_path, path, body):
    """A connection brings no more than its share, and what it brings is read beside the loop; of a
    delivery each of eight secrets is tried on it."""
    def hooks(count):
        made = Hooks(tmp_path)
        made.add("h", "github", [{"keys": ["{/id}"]}],
                 secrets=[f"the secret number {n} of the tests" for n in range(count)])
        return made.path
    def with_body(body):
        return (f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                f"X-Hub-Signature-256: sha256={'0' * 64}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    whole = with_body(body)

    def attack(port):
        with Link(port) as link:
            for _ in range(100):
                link.push(whole)
                assert link.answer()
    slow = arena(hooks_file=hooks(1), limits_connection_bytes_per_s=1 << 20)
    with Link(slow.port) as link:
        began = time.monotonic()
        for _ in range(3):
            # Read in no time, so that it is the share alone that takes any.
            link.push(with_body(SPACE))
            assert link.answer()
        must(total(slow, "purgeway_connections_pauses_total") > 0, "it is always read")
        # A largest body at once, and what the last read brought.
        must(time.monotonic() - began >= (3 * SIZE - (1 << 20) - (1 << 18)) / (1 << 20),
             "it brings more than its share")
    arena(hooks_file=hooks(8)).beside(attack)
