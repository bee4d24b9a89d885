"""HTTP as users speak it, and as those speak it who wish us ill."""
import concurrent.futures
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import time

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from checks import is_accepted, is_problem
from support.client import Client, Raw, ask
from support.processes import eventually, free_port
from support.servers import Purgeway, Redis

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
JSON_HEAD = b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = b'{"keys":["a"]}'


@pytest.fixture(scope="module")
def quick():
    """A gateway with little patience and few places."""
    with Redis() as redis, Purgeway(
            "gateway", broker_url=redis.url(), threads=1, limits_request_ms=1000,
            limits_idle_ms=1500, limits_connections=10, limits_streams=5) as server:
        yield server


@pytest.fixture(scope="module")
def secure(certificates):
    """A gateway on TLS and cleartext at once."""
    port = free_port()
    with Redis() as redis, Purgeway(
            "gateway", broker_url=redis.url(), tls_listen=f"127.0.0.1:{port}",
            tls_certificate=certificates.certificate, tls_key=certificates.key,
            limits_handshake_ms=3000) as server:
        server.tls_port = port
        yield server


# ---- HTTP/1.1 ----------------------------------------------------------------------------


def test_keep_alive(api):
    connection = api.connect()
    connection.connect()
    first = connection.sock
    for i in range(50):
        answer = ask(connection, "POST", "/v1/invalidations", BODY,
                     {"Content-Type": "application/json"})
        assert answer.status == 202
        assert ask(connection, "GET", f"/v1/nowhere/{i}").status == 404
        assert connection.sock is first
    connection.close()


def test_connection_close_is_obeyed(purgeway):
    with Raw(purgeway.port) as raw:
        raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert raw.answer().status == 200
        assert raw.answer() is None


def test_http_1_0(purgeway):
    with Raw(purgeway.port) as raw:
        raw.send(b"GET /livez HTTP/1.0\r\nHost: x\r\n\r\n")
        assert b"alive" in raw.until_closed()


@pytest.mark.parametrize("target, status", [
    ("http://127.0.0.1/livez", 200), ("HTTP://h:81/readyz?verbose", 200), ("https://[::1]:1/livez", 200),
    ("http://h", 404), ("http://h?a", 404), ("http://h/nowhere", 404), ("http://u@h/livez", 400),
    ("http:///livez", 400), ("http://a:b/livez", 400), ("ftp://h/livez", 400), ("livez", 400)])
def test_target_in_absolute_form(purgeway, target, status):
    """RFC 9112, section 3.2.2."""
    with Raw(purgeway.port) as raw:
        raw.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = raw.answer()
        assert answer.status == status, answer
        assert status != 200 or answer.json["status"] in ("alive", "ready")


def test_absolute_form_takes_the_place_of_host(purgeway):
    origin = f"Origin: http://127.0.0.1:{purgeway.port}"
    target = f"POST http://127.0.0.1:{purgeway.port}/v1/queues/main/resume HTTP/1.1"
    for host, status in (("Host: other", 200), ("Host: a\r\nHost: b", 400), ("X: y", 400)):
        with Raw(purgeway.port) as raw:
            raw.send(f"{target}\r\n{host}\r\n{origin}\r\nConnection: close\r\n\r\n".encode())
            assert raw.answer().status == status
    with Raw(purgeway.port) as raw:
        raw.send(f"POST http://other/v1/queues/main/resume HTTP/1.1\r\nHost: 127.0.0.1:{purgeway.port}"
                 f"\r\n{origin}\r\nConnection: close\r\n\r\n".encode())
        assert raw.answer().status == 403


def test_pipelining_keeps_the_order(purgeway):
    count = 60
    with Raw(purgeway.port) as raw:
        for i in range(count):
            body = json.dumps({"keys": [f"pipe:{i}"]}).encode()
            raw.send(JSON_HEAD + b"X-Request-Id: n%d\r\nContent-Length: %d\r\n\r\n%b" % (
                i, len(body), body))
            raw.send(b"GET /v1/nowhere HTTP/1.1\r\nHost: x\r\nX-Request-Id: m%d\r\n\r\n" % i)
        for i in range(count):
            accepted, missing = raw.answer(), raw.answer()
            assert (accepted.status, accepted.headers["x-request-id"]) == (202, f"n{i}")
            assert (missing.status, missing.headers["x-request-id"]) == (404, f"m{i}")


def test_request_in_single_bytes(purgeway):
    with Raw(purgeway.port) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in JSON_HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY:
            raw.send(bytes([byte]))
        assert raw.answer().status == 202


def test_chunked_body(purgeway):
    with Raw(purgeway.port) as raw:
        raw.send(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for i in range(0, len(BODY), 3):
            chunk = BODY[i:i + 3]
            raw.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        raw.send(b"0\r\n\r\n")
        assert raw.answer().status == 202


def test_chunked_body_over_the_limit(purgeway):
    with Raw(purgeway.port) as raw:
        raw.send(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(40):
                raw.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
        except ConnectionError:
            return
        answer = raw.answer()
        assert answer is None or answer.status == 413


def test_expect_100_continue(purgeway):
    with Raw(purgeway.port) as raw:
        raw.send(JSON_HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        time.sleep(0.05)
        raw.send(BODY)
        answer = raw.answer()
        if answer.status == 100:
            answer = raw.answer()
        assert answer.status == 202


@pytest.mark.parametrize("head", [
    b"Content-Length: 14\r\nContent-Length: 15\r\n", b"Content-Length: 14\r\nContent-Length: 14\r\n",
    b"Content-Length: 14\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Content-Length: +14\r\n", b"Content-Length: 0x0e\r\n",
    b"Content-Length: -1\r\n", b"Content-Length: 14, 14\r\n", b"Content-Length : 14\r\n",
    b"Content-Length: 18446744073709551630\r\n", b"Content-Length: 14\r\nX: a\r\n b\r\n",
    b"Content-Length: 14\nX: a\r\n", b"Content-Length: 14\r\nX: a\0b\r\n",
    b"Content-Length: 14\r\nX: a\rb\r\n", b"Content-Length: 14\r\nHost: y\r\n",
    b"Content-Length: 14\r\n: empty\r\n", b"Content-Length: 14\r\nX y: z\r\n"])
def test_ambiguous_framing_is_refused_and_the_connection_closed(purgeway, head):
    with Raw(purgeway.port) as raw:
        raw.send(JSON_HEAD + head + b"\r\n" + BODY + GET)
        answers = []
        while (answer := raw.answer()) is not None:
            answers.append(answer.status)
    assert answers in ([], [400], [501]), answers


@pytest.mark.parametrize("head", [
    b"GET /livez HTTP/1.1\r\n\r\n", b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /livez HTTP/1.1\nHost: x\n\n", b"GET /livez HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    b"GET  /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n",
    b"GET livez HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"TRACE /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /livez\r\n\r\n", b"garbage\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n",
    b"GET /li\x00vez HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_broken_heads_never_get_a_success(purgeway, head):
    with Raw(purgeway.port, timeout=15) as raw:
        raw.send(head)
        raw.socket.shutdown(socket.SHUT_WR)
        data = raw.until_closed()
    assert not data.startswith(b"HTTP/1.1 2"), data
    assert b"alive" not in data


PARTS = {"head": b"POST /v1/invalid", "fields": JSON_HEAD,
         "body": JSON_HEAD + b"Content-Length: 100\r\n\r\n{",
         "chunks": JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"}


def is_told_of_delay(raw, instance="/v1/invalidations"):
    answer = raw.answer()
    problem = is_problem(answer, 408, "request_timeout")
    assert "limits.request_ms" in problem["detail"] and problem["instance"] == instance
    assert answer.headers["connection"] == "close" and answer.headers["date"].endswith(" GMT")
    assert raw.answer() is None


@pytest.mark.parametrize("part", PARTS)
def test_request_that_does_not_arrive_in_time_is_408(quick, part):
    instance = "*" if part == "head" else "/v1/invalidations"
    with Raw(quick.port) as raw:
        is_told_of_delay(raw.send(PARTS[part]), instance)
    with Raw(quick.port) as raw:
        assert raw.send(GET).answer().status == 200
        is_told_of_delay(raw.send(PARTS[part]), instance)
    eventually(lambda: quick.log_contains("http.connection_killed", '"slow"', "told"))
    assert is_accepted(quick.api.purge("a"))


def test_request_after_100_continue_that_does_not_arrive_in_time_is_408(quick):
    with Raw(quick.port) as raw:
        raw.send(JSON_HEAD + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n")
        assert raw.answer().status == 100
        is_told_of_delay(raw)


def test_who_still_sends_a_request_that_is_too_slow_is_told(quick):
    with Raw(quick.port) as raw:
        raw.send(JSON_HEAD + b"Content-Length: 1000000\r\n\r\n{")
        while not select.select([raw.socket], [], [], 0.01)[0]:
            raw.send(b" " * 100)
        raw.send(b" " * 100)
        time.sleep(0.05)
        raw.send(b" " * 100)
        is_told_of_delay(raw)


def test_body_for_which_there_was_no_room_in_time_is_503(beside):
    """It was not its client who was late."""
    server, _ = beside("gateway", threads=1, limits_body_bytes=1 << 20, limits_bodies_bytes=1 << 20,
                       limits_bodies_total_bytes=1 << 20, limits_request_ms=1500)
    part = JSON_HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 900_000
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(14) as pool:
        # No more than linger once they are closed.
        raws = [stack.enter_context(Raw(server.port)) for _ in range(14)]
        answers = list(pool.map(lambda raw: raw.send(part).answer(), raws))
    for answer in answers:
        if answer.status == 503:
            is_problem(answer, 503, "bodies_full")
            assert answer.headers["retry-after"] == "1"
        else:
            is_problem(answer, 408, "request_timeout")
    assert 0 < [answer.status for answer in answers].count(503)
    assert is_accepted(server.api.purge("a"))


def test_who_sends_nothing_is_told_nothing(quick):
    with Raw(quick.port) as raw:
        assert raw.until_closed() == b""
    with Raw(quick.port) as raw:
        assert raw.send(GET).answer().status == 200
        assert raw.until_closed() == b""


POST = b"POST /v1/taggings?a HTTP/1.1\r\nHost: x\r\n"


def test_large_head_is_told_so_before_its_large_body(purgeway):
    head = POST + b"Content-Length: 900000\r\nX: " + b"y" * 70000 + b"\r\n\r\n"
    with Raw(purgeway.port, timeout=15) as raw:
        with contextlib.suppress(ConnectionError):
            raw.send(head + b"\n" * 900000)
        is_problem(raw.answer(), 431)


@pytest.mark.parametrize("status, instance, head", [
    (400, "/v1/taggings?a", POST + b"Transfer-Encoding: identity\r\n"),
    (400, "/v1/taggings?a", POST + b"Transfer-Encoding: gzip\r\n"),
    (400, "/v1/taggings?a", POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    (400, "/v1/taggings?a", POST + b"Content-Length: abc\r\n"),
    (400, "/v1/taggings?a", POST + b"Content-Length: -1\r\n"),
    (413, "/v1/taggings?a", POST + b"Content-Length: 300000000\r\n\r\n"),
    (400, "/v1/taggings?a", POST + b"Content-Length: 2\r\nExpect: foo\r\n\r\n"),
    (400, "/livez", b"GET /livez HTTP/1.1\r\nHost : x\r\n"),
    (400, "/livez", b"GET /livez HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n"),
    (400, "/livez", b"GET /livez HTTP/1.1\r\nHost: x\r\nX y: z\r\n"),
    (400, "/livez", b"GET /livez HTTP/9\r\n"),
    (400, "*", b"GET /li\x01vez HTTP/1.1\r\n"),
    (400, "*", b"GET /" + b"a" * 2000 + b" HTTP/9\r\n"),
    (400, "*", b"hello\r\n"),
    (431, "/livez", b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100),
    (431, "/livez", b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ".ljust(417792, b"y"))],
    ids=lambda value: value[:60] if isinstance(value, bytes) else str(value))
@pytest.mark.parametrize("pause", [False, True], ids=["at once", "in pieces"])
def test_every_refusal_is_a_problem_document(purgeway, status, instance, head, pause):
    """Also those that the library makes, or would; counted like any other."""
    counted = purgeway.api.metric("purgeway_http_responses_total", **{"class": "4xx"})
    with Raw(purgeway.port, timeout=15) as raw:
        step = 7 if pause and len(head) < 3000 else len(head)
        for at in range(0, len(head), step):
            raw.send(head[at:at + step])
            time.sleep(0.001)
        problem = is_problem(raw.answer(), status)
        assert problem["instance"] == instance
        assert raw.answer() is None
    assert purgeway.api.metric("purgeway_http_responses_total", **{"class": "4xx"}) > counted


@pytest.mark.parametrize("status, field", [(413, b""), (400, b"Host: y\r\n")])
def test_an_early_refusal_is_read_by_who_goes_on_sending(purgeway, status, field):
    """Most clients read nothing before they have sent everything."""
    for size in (3_000_000, 20_000_000) * 3:
        with Raw(purgeway.port) as raw:
            head = b"POST /v1/taggings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % size
            raw.send(head + field + b"\r\n")
            for _ in range(0, size, 100_000):
                raw.send(b" " * 100_000)
            is_problem(raw.answer(), status)
            assert raw.answer() is None


def test_who_never_ends_is_not_listened_to_for_long(purgeway):
    """Neither to much, nor for long, nor to many."""
    def open_files():
        return len(os.listdir(f"/proc/{purgeway.pid}/fd"))
    head = b"POST /v1/taggings HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n"
    before = open_files()
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(Raw(purgeway.port)) for _ in range(100)]
        for raw in links:
            raw.send(head)
        for raw in links:
            is_problem(raw.answer(), 413)
        eventually(lambda: open_files() <= before + 16 * 4)
        with pytest.raises(ConnectionError):
            while True:
                links[0].send(b" " * 100_000)
        eventually(lambda: open_files() <= before + 5)


@pytest.mark.parametrize("fields", [
    b"Content-Length: 300000000\r\n", b"Content-Length: abc\r\n", b"Host : y\r\n"])
def test_a_refusal_of_head_has_no_body(purgeway, fields):
    with Raw(purgeway.port) as raw:
        raw.send(b"HEAD /livez HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
        head, _, body = raw.until_closed().partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"413") and b"application/problem+json" in head
    assert b"x-request-id" in head and body == b""


@pytest.mark.parametrize("chunks", [
    b"0x5\r\n{}   \r\n0\r\n\r\n", b"5;x=\ny\r\n{}   \r\n0\r\n\r\n", b"-1\r\n\r\n0\r\n\r\n",
    b"5\r\n{}   X\r\n0\r\n\r\n", b"fffffffffffffffff\r\n{}\r\n", b"\r\n{}\r\n0\r\n\r\n",
    b"5\n{}   \n0\n\n"])
def test_broken_chunks_never_smuggle_a_request(purgeway, chunks):
    with Raw(purgeway.port, timeout=15) as raw:
        raw.send(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + GET)
        raw.socket.shutdown(socket.SHUT_WR)
        data = raw.until_closed()
    assert b"alive" not in data and b"HTTP/1.1 202" not in data, data


def test_no_upgrade_to_h2c(purgeway):
    with Raw(purgeway.port) as raw:
        raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                 b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
        assert raw.answer().status == 200


@pytest.mark.parametrize("part", [b"", b"GE", b"GET /livez HTTP/1.1\r\nHost:",
                                  JSON_HEAD + b"Content-Length: 100\r\n\r\n{"])
def test_slow_client_is_cut_off(quick, part):
    began = time.monotonic()
    with Raw(quick.port) as raw:
        raw.send(part)
        data = raw.until_closed()
    assert time.monotonic() - began >= 0.5
    assert b" 202 " not in data


def test_idle_connection_is_closed(quick):
    with Raw(quick.port) as raw:
        raw.send(GET)
        assert raw.answer().status == 200
        assert raw.until_closed() == b""


def test_slow_bytes_do_not_buy_time(quick):
    with Raw(quick.port) as raw:
        raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        deadline = time.monotonic() + 30
        with pytest.raises(OSError):
            while time.monotonic() < deadline:
                raw.send(b"X: y\r\n")
                time.sleep(0.1)


def test_connections_over_the_cap_wait_or_are_closed_and_the_rest_are_served(quick):
    idle = []
    try:
        for _ in range(40):
            idle.append(Raw(quick.port))
        # The idle ones are closed in time, and then there is room again.
        eventually(lambda: quick.api.request("GET", "/livez", timeout=30).status == 200)
    finally:
        for raw in idle:
            raw.socket.close()
    assert quick.is_alive()
    eventually(lambda: quick.api.get("/livez").status == 200)
    eventually(lambda: quick.api.metric("purgeway_connections_open") <= 10)


# ---- HTTP/2 ------------------------------------------------------------------------------


class Http2:
    """One cleartext or TLS connection by prior knowledge; every stream's answer by its id."""

    def __init__(self, connected):
        self.socket = connected
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False))
        self.h2.initiate_connection()
        self.answers, self.resets, self.closed, self.unread = {}, {}, False, b""
        self.flush()

    def flush(self):
        # The other side may have ended it, which reading tells.
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(self.h2.data_to_send())

    def start(self, method, path, body=None, headers=()):
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "http"), (":authority", "x"), (":path", path)]
        if body is not None:
            fields += [("content-type", "application/json")]
        self.h2.send_headers(stream, fields + list(headers), end_stream=body is None)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=True)
        return stream

    def events(self, data):
        """Frame by frame: the peer of these tests would hear nothing behind a GOAWAY."""
        self.unread += data
        while len(self.unread) >= 9 and len(self.unread) >= (
                size := 9 + int.from_bytes(self.unread[:3], "big")):
            yield from self.h2.receive_data(self.unread[:size])
            self.unread = self.unread[size:]

    def pump(self, done):
        """Read until done() or the other side closes."""
        while not done() and not self.closed:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                self.closed = True
                return
            for event in self.events(data):
                stream = getattr(event, "stream_id", None)
                if isinstance(event, h2.events.ResponseReceived):
                    self.answers[stream] = [dict(event.headers), b"", False]
                elif isinstance(event, h2.events.DataReceived):
                    self.answers[stream][1] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, h2.events.StreamEnded):
                    self.answers[stream][2] = True
                elif isinstance(event, h2.events.StreamReset):
                    self.resets[stream] = event.error_code
                elif isinstance(event, h2.events.ConnectionTerminated):
                    # In a drain what was begun may end.
                    self.closed = event.error_code != 0
                    self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
            self.flush()

    def finish(self, streams):
        self.flush()
        self.pump(lambda: all(s in self.resets or (s in self.answers and self.answers[s][2])
                              for s in streams))
        return [self.answers.get(s) for s in streams]


def test_h2_by_prior_knowledge_with_httpx(purgeway, cache, unique):
    key = unique()
    cache.set(key, 1)
    with httpx.Client(http1=False, http2=True, base_url=purgeway.url) as client:
        answer = client.post("/v1/invalidations", json={"keys": [key]},
                             headers={"Prefer": "wait=10"})
        assert answer.http_version == "HTTP/2"
        assert answer.status_code == 200 and answer.json()["result"]["removed"] == 1
        assert client.get("/v1/nowhere").status_code == 404
    assert not cache.exists(key)


def test_many_streams_on_one_connection(purgeway):
    with socket.create_connection(("127.0.0.1", purgeway.port), 60) as connected:
        peer = Http2(connected)
        for _ in range(3):
            streams = [peer.start("POST", "/v1/invalidations", BODY) for _ in range(32)]
            for fields, body, _ in peer.finish(streams):
                assert fields[":status"] == "202"
                assert json.loads(body)["status"] == "queued"
                assert fields["location"] == f"/v1/jobs/{json.loads(body)['job_id']}"


def test_streams_over_the_limit_are_refused_not_served(quick):
    with socket.create_connection(("127.0.0.1", quick.port), 60) as connected:
        peer = Http2(connected)
        peer.pump(lambda: peer.h2.remote_settings.max_concurrent_streams < 1000)
        assert peer.h2.remote_settings.max_concurrent_streams <= 100


def test_stream_that_is_reset_does_no_harm(purgeway):
    with socket.create_connection(("127.0.0.1", purgeway.port), 60) as connected:
        peer = Http2(connected)
        for _ in range(10):
            stream = peer.start("POST", "/v1/invalidations", BODY, [("prefer", "wait=5")])
            peer.flush()
            peer.h2.reset_stream(stream)
            peer.flush()
        answer, = peer.finish([peer.start("GET", "/livez")])
        assert answer[0][":status"] == "200"
    assert purgeway.api.get("/livez").status == 200


def refused_over_h2(peer, stream, status):
    """Answered with this status, or ended: the stream, or the whole connection."""
    answer, = peer.finish([stream])
    if answer is None:
        return stream in peer.resets or peer.closed
    return answer[0][":status"] == status


def start_body(peer, *headers):
    stream = peer.h2.get_next_available_stream_id()
    peer.h2.send_headers(stream, [
        (":method", "POST"), (":scheme", "http"), (":authority", "x"),
        (":path", "/v1/invalidations"), ("content-type", "application/json"), *headers])
    peer.flush()
    return stream


@pytest.fixture
def draining(make):
    """draining(start): a gateway that was told to end, after start(peer) and two of its good-byes."""
    with contextlib.ExitStack() as stack:
        def begin(start):
            redis = make(Redis)
            server = make(Purgeway, "gateway", broker_url=redis.url(), threads=1, drain_ms=20000)
            peer = Http2(stack.enter_context(
                socket.create_connection(("127.0.0.1", server.port), 60)))
            stream = start(peer)
            assert peer.finish([peer.start("GET", "/livez")])[0][0][":status"] == "200"
            server.signal(signal.SIGTERM)
            time.sleep(1.8)
            return server, redis, peer, stream
        yield begin


def test_h2_body_that_arrives_in_a_drain(draining):
    def start(peer):
        stream = start_body(peer)
        peer.h2.send_data(stream, BODY[:5])
        return stream
    server, redis, peer, stream = draining(start)
    peer.h2.send_data(stream, BODY[5:], end_stream=True)
    answer, = peer.finish([stream])
    assert answer[0][":status"] == "202" and redis.client().xlen("purgeway:{main}:high") == 1
    assert server.wait() == 0


def test_h2_body_that_ends_with_trailers_in_a_drain(draining):
    """All of it is taken, or none."""
    def start(peer):
        stream = start_body(peer)
        peer.h2.send_data(stream, BODY)
        return stream
    server, redis, peer, stream = draining(start)
    peer.h2.send_data(stream, b"?")
    peer.h2.send_headers(stream, [("x-trailer", "1")], end_stream=True)
    answer, = peer.finish([stream])
    assert answer[0][":status"] == "400" and not redis.client().xlen("purgeway:{main}:high")
    assert server.wait() == 0


def test_h2_body_over_the_limit(purgeway):
    with socket.create_connection(("127.0.0.1", purgeway.port), 60) as connected:
        peer = Http2(connected)
        stream = start_body(peer)
        left = 2 * 1048576
        while left:
            peer.pump(lambda: peer.h2.local_flow_control_window(stream) > 0
                      or stream in peer.resets or stream in peer.answers)
            if peer.closed or stream in peer.resets or stream in peer.answers:
                break
            size = min(left, 16384, peer.h2.local_flow_control_window(stream))
            left -= size
            peer.h2.send_data(stream, b" " * size, end_stream=left == 0)
            peer.flush()
        assert refused_over_h2(peer, stream, "413")
    assert purgeway.api.get("/livez").status == 200


@pytest.mark.parametrize("headers", [[], [("content-length", "100000000")],
                                     [("content-length", "10")]])
def test_h2_body_that_does_not_come_is_not_waited_for(quick, headers):
    with socket.create_connection(("127.0.0.1", quick.port), 60) as connected:
        peer = Http2(connected)
        assert refused_over_h2(peer, start_body(peer, *headers), "413")
    assert quick.api.get("/livez").status == 200


def test_h2_idle_connection_is_closed(quick):
    with socket.create_connection(("127.0.0.1", quick.port), 60) as connected:
        peer = Http2(connected)
        peer.pump(lambda: False)
        assert peer.closed


def test_h2_header_block_over_the_limit(purgeway):
    with socket.create_connection(("127.0.0.1", purgeway.port), 60) as connected:
        peer = Http2(connected)
        stream = peer.start("GET", "/livez", headers=[(f"x-{i}", "a" * 1000) for i in range(60)])
        answer, = peer.finish([stream])
        assert answer is None or answer[0][":status"] == "431"
    assert purgeway.api.get("/livez").status == 200


@pytest.mark.parametrize("data", [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200,
    b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    + b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\xff"])
def test_broken_h2_ends_the_connection_only(purgeway, data):
    with Raw(purgeway.port, timeout=30) as raw:
        raw.send(data)
        raw.socket.shutdown(socket.SHUT_WR)
        raw.until_closed()
    assert purgeway.api.get("/livez").status == 200


GOOD_HEAD = {":method": "GET", ":scheme": "http", ":authority": "x", ":path": "/livez"}


@pytest.mark.parametrize("change", [
    {":path": ""}, {":path": "livez"}, {":path": "*"}, {":path": None}, {":path": "\0"},
    {":method": ""}, {":method": None}, {":method": "*"}, {":method": "G" * 5000},
    {":scheme": ""}, {":scheme": None}, {":scheme": "gopher"},
    {":authority": ""}, {":authority": None}, {":authority": "\xff"},
    {":status": "200"}, {":unknown": "x"}, {"": "x"}, {"UPPER": "x"}, {"te": "gzip"},
    {"connection": "close"}, {"transfer-encoding": "chunked"}, {"content-length": "-1"},
    {"content-length": "1"}, {"x": "a\r\nb: c"}, {"x y": "z"}, {"host": "other"}],
    ids=lambda change: "".join(f"{k}={(v or 'none')[:10]}" for k, v in change.items()))
def test_strange_h2_head_never_ends_the_service(purgeway, change):
    head = {name: value for name, value in (GOOD_HEAD | change).items() if value is not None}
    with socket.create_connection(("127.0.0.1", purgeway.port), 60) as connected:
        peer = Http2(connected)
        stream = peer.h2.get_next_available_stream_id()
        peer.h2.send_headers(stream, list(head.items()), end_stream=True)
        answer, = peer.finish([stream])
        assert answer or peer.closed or stream in peer.resets
        if not head.get(":path", "").startswith("/"):
            assert not answer or answer[0][":status"] == "400"
    assert purgeway.api.get("/livez").status == 200
    assert purgeway.is_alive()


def kills(server):
    return {reason: server.api.metric("purgeway_connections_killed_total", reason=reason)
            for reason in ("flood", "headers", "resets", "backlog", "slow")}


def test_kills_are_counted_by_their_reason(make):
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), limits_request_ms=1000)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
    head = b"\x82\x86\x84\x01\1x"
    for data in (b"\0\0\x08\6\0\0\0\0\0" + b"pingpong",  # flood
                 b"\0\0\0\x09\0\0\0\0\1",  # headers: empty CONTINUATIONs
                 None):
        with Raw(server.port, timeout=30) as raw:
            if data is None:  # slow: a body that does not come
                raw.send(preface + b"\0\0" + bytes([len(head)]) + b"\1\4\0\0\0\1" + head)
            else:
                first = b"\0\0\0\1\0\0\0\0\1" if data[3] == 9 else b""
                raw.send(preface + first + data * 2000)
            raw.until_closed()
    assert kills(server) == {"flood": 1, "headers": 1, "resets": 0, "backlog": 0, "slow": 1}


def test_protocol_error_is_told_before_the_end(secure, certificates):
    """A connection that ends by an error ends with GOAWAY and its reason; nobody kills it."""
    context = ssl.create_default_context(cafile=certificates.authority)
    context.set_alpn_protocols(["h2"])
    killed = kills(secure)
    with socket.create_connection(("127.0.0.1", secure.tls_port), 60) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as connected:
        connected.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
                          + b"\0\0\1\1\5\0\0\0\0\x82")  # HEADERS on stream 0
        seen = b""
        while data := connected.recv(65536):
            seen += data
    goaway = seen.rindex(b"\7\0\0\0\0\0")  # its type, no flags, stream 0
    assert seen[goaway + 10:goaway + 14] == b"\0\0\0\1"  # PROTOCOL_ERROR
    assert kills(secure) == killed


def test_http2_can_be_turned_off(beside, certificates):
    port = free_port()
    server, _ = beside("gateway", http2=False, tls_listen=f"127.0.0.1:{port}",
                       tls_certificate=certificates.certificate, tls_key=certificates.key)
    context = ssl.create_default_context(cafile=certificates.authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", port), 60) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as peer:
        assert peer.selected_alpn_protocol() == "http/1.1"
    with Raw(server.port, timeout=15) as raw:
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        raw.socket.shutdown(socket.SHUT_WR)
        assert not raw.until_closed().startswith(b"\x00")
    assert server.api.get("/livez").status == 200


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl_by_prior_knowledge(purgeway, unique):
    done = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", "-w", "\n%{http_code} %{http_version}",
         "--json", json.dumps({"keys": [unique()]}), "-H", "Prefer: wait=10",
         f"{purgeway.url}/v1/invalidations"], capture_output=True, timeout=60, check=True)
    body, _, code = done.stdout.decode().rpartition("\n")
    assert code == "200 2" and json.loads(body)["status"] == "succeeded"


@pytest.mark.skipif(not shutil.which("nghttp"), reason="no nghttp")
def test_nghttp(purgeway):
    done = subprocess.run(["nghttp", "-nv", "-m", "20", f"{purgeway.url}/livez"],
                          capture_output=True, timeout=60, check=True)
    assert done.stdout.count(b":status: 200") == 20


# ---- TLS and listeners -------------------------------------------------------------------


def handshake(secure, certificates, alpn=(), **versions):
    context = ssl.create_default_context(cafile=certificates.authority)
    for name, value in versions.items():
        setattr(context, name, value)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    connected = socket.create_connection(("127.0.0.1", secure.tls_port), 60)
    return context.wrap_socket(connected, server_hostname="localhost")


@pytest.mark.parametrize("offered, chosen", [
    (["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"),
    ([], None)])
def test_alpn(secure, certificates, offered, chosen):
    with handshake(secure, certificates, offered) as peer:
        assert peer.selected_alpn_protocol() == chosen
        assert peer.version() in ("TLSv1.2", "TLSv1.3")
        if chosen == "h2":
            answer, = (client := Http2(peer)).finish([client.start("GET", "/livez")])
            assert answer[0][":status"] == "200"
        else:
            peer.sendall(GET)
            assert peer.recv(65536).startswith(b"HTTP/1.1 200")


def test_tls_accepts_jobs(secure, certificates):
    client = Client(secure.tls_port, "localhost", certificates.authority)
    is_accepted(client.purge("a"))
    is_accepted(secure.api.purge("a"))


def test_tls_1_2_is_spoken(secure, certificates):
    with handshake(secure, certificates, maximum_version=ssl.TLSVersion.TLSv1_2) as peer:
        assert peer.version() == "TLSv1.2"


@pytest.mark.parametrize("flag", ["-tls1_1", "-tls1"])
def test_older_tls_is_refused(secure, flag):
    done = subprocess.run(
        ["openssl", "s_client", flag, "-cipher", "ALL:@SECLEVEL=0", "-connect",
         f"127.0.0.1:{secure.tls_port}"], input=b"", capture_output=True, timeout=60, check=False)
    assert b"Cipher is (NONE)" in done.stdout
    assert b"no protocols available" not in done.stderr, "this openssl cannot ask"
    assert secure.api.get("/livez").status == 200


def test_tls_request_that_does_not_arrive_in_time_is_408(beside, certificates):
    port = free_port()
    beside("gateway", tls_listen=f"127.0.0.1:{port}", tls_certificate=certificates.certificate,
           tls_key=certificates.key, limits_request_ms=1000)
    context = ssl.create_default_context(cafile=certificates.authority)
    for part in ("fields", "body", "chunks"):
        with Raw(port) as raw:
            raw.socket = context.wrap_socket(raw.socket, server_hostname="localhost")
            is_told_of_delay(raw.send(PARTS[part]))


def test_plain_text_on_the_tls_port_is_dropped(secure):
    with Raw(secure.tls_port, timeout=30) as raw:
        raw.send(GET)
        assert b"200" not in raw.until_closed()
    assert secure.api.get("/livez").status == 200


def test_handshake_that_does_not_come_is_cut_off(secure):
    with Raw(secure.tls_port) as raw:
        assert raw.until_closed() == b""
    with Raw(secure.tls_port) as raw:
        raw.send(b"\x16\x03\x01\x02\x00\x01")
        raw.until_closed()


def client_hello(certificates):
    sent = ssl.MemoryBIO()
    peer = ssl.create_default_context(cafile=certificates.authority).wrap_bio(
        ssl.MemoryBIO(), sent, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        peer.do_handshake()
    return sent.read()


class Shaking:
    """A TLS client that says what it has to say when it is told to."""

    def __init__(self, port, certificates):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer = ssl.create_default_context(cafile=certificates.authority).wrap_bio(
            self._in, self._out, server_hostname="localhost")

    def go_on(self):
        """One step of the handshake: what comes of it is to be sent; None while it has not ended."""
        try:
            self.peer.do_handshake()
            return self.take()
        except ssl.SSLWantReadError:
            return None

    def take(self):
        return self._out.read()

    def begin(self):
        self.go_on()
        self.socket.sendall(self.take())

    def finish(self):
        """The client's last words of the handshake, unsent."""
        while (words := self.go_on()) is None:
            self._in.write(self.socket.recv(65536))
        return words

    def send(self, data):
        self.peer.write(data)
        self.socket.sendall(self.take())

    def answer(self):
        """What comes next, in the clear; nothing at the end."""
        while True:
            try:
                return self.peer.read(65536)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                data = self.socket.recv(65536)
                if not data:
                    return b""
                self._in.write(data)


@pytest.fixture
def shaking(make, certificates):
    """shaking(**settings): a gateway of one thread, and a client that has its hello."""
    links = []

    def start(**settings):
        port = free_port()
        server = make(Purgeway, "gateway", broker_url=make(Redis).url(), threads=1,
                      tls_listen=f"127.0.0.1:{port}", tls_certificate=certificates.certificate,
                      tls_key=certificates.key, **settings)
        links.append(Shaking(port, certificates))
        links[0].begin()
        return server, links[0]
    yield start
    for link in links:
        link.socket.close()


def test_slow_handshake_with_part_of_a_request_behind_it(shaking):
    """All of it is read in the turn in which the times are looked at."""
    server, link = shaking(limits_request_ms=1000)
    words = link.finish()
    server.stand_still()
    link.peer.write(GET[:10])
    link.socket.sendall(words + link.take())
    time.sleep(1.5)
    server.resume()
    time.sleep(0.3)
    link.send(GET[10:])
    assert link.answer().startswith(b"HTTP/1.1 200 "), "a handshake is no part of a request's time"


def test_request_and_farewell_together(shaking):
    """A client that says all that it has to say in one go waits for the answer all the same."""
    _, link = shaking()
    link.socket.sendall(link.finish())
    link.peer.write(GET)
    with contextlib.suppress(ssl.SSLError):
        link.peer.unwrap()
    link.socket.sendall(link.take())
    assert link.answer().startswith(b"HTTP/1.1 200 ")


def test_handshakes_take_turns(make, certificates):
    """Two hundred at once, and a client that is connected is served between them."""
    port, count = free_port(), 200
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), threads=1,
                  tls_listen=f"127.0.0.1:{port}", tls_certificate=certificates.certificate,
                  tls_key=certificates.key)
    hello = client_hello(certificates)
    links = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(count)]
    with Raw(server.port) as served:
        served.send(GET).answer()
        server.stand_still()
        for link in links:
            link.sendall(hello)
        served.send(GET)
        server.resume()
        for _ in range(10):
            assert served.answer().status == 200
            served.send(GET)
        begun = len(select.select(links, [], [], 0)[0])
        assert begun < count, "everybody waited for all of them"
    for link in links:
        assert link.recv(1) == b"\x16", "nobody is forgotten"
        link.close()


def test_many_handshakes_at_once_all_end(secure, certificates):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        def get(_):
            with handshake(secure, certificates, ["http/1.1"]) as peer:
                peer.sendall(GET)
                return peer.recv(65536)[:12]
        assert set(pool.map(get, range(200))) == {b"HTTP/1.1 200"}


def test_several_listeners(make, certificates):
    plain, tls = [free_port() for _ in range(2)], [free_port() for _ in range(2)]
    make(Purgeway, "gateway", broker_url=make(Redis).url(),
         listen=[f"127.0.0.1:{port}" for port in plain],
         tls_listen=[f"127.0.0.1:{port}" for port in tls],
         tls_certificate=certificates.certificate, tls_key=certificates.key)
    for port in plain:
        is_accepted(Client(port).purge("a"))
    for port in tls:
        is_accepted(Client(port, "localhost", certificates.authority).purge("a"))


def test_ipv6_listener(make):
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    port = free_port()
    make(Purgeway, "gateway", broker_url=make(Redis).url(),
         listen=[f"127.0.0.1:{free_port()}", f"[::1]:{port}"])
    is_accepted(Client(port, "::1").purge("a"))


def test_every_thread_serves(make):
    """Connections spread over the threads by the kernel: each must be able to accept a job."""
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), threads=4)
    for _ in range(40):
        is_accepted(server.api.purge("a"))


def test_port_that_is_taken_is_said(make):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = make(Purgeway, "gateway", broker_url=make(Redis).url(), wait=False,
                      listen=f"127.0.0.1:{port}", allow_codes=(69,))
        assert server.wait() == 69
        assert str(port) in server.errors()


def test_problem_documents_over_h2(purgeway):
    with httpx.Client(http1=False, http2=True, base_url=purgeway.url) as client:
        answer = client.post("/v1/invalidations", content=b"{", headers={
            "content-type": "application/json"})
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "malformed_json"


def test_h2_field_that_is_no_text_is_a_problem_document(purgeway):
    counted = purgeway.api.metric("purgeway_http_responses_total", **{"class": "4xx"})
    with socket.create_connection(("127.0.0.1", purgeway.port), 60) as connected:
        peer = Http2(connected)
        (head, body, _), = peer.finish([peer.start("GET", "/livez?a", headers=[("x", "a\x01b")])])
    assert head[":status"] == "400" and head["content-type"] == "application/problem+json"
    problem = json.loads(body)
    assert problem["instance"] == "/livez?a" and problem["request_id"] == head["x-request-id"]
    assert purgeway.api.metric("purgeway_http_responses_total", **{"class": "4xx"}) > counted


def test_unknown_method_of_h1_is_a_problem_document(purgeway):
    with Raw(purgeway.port) as raw:
        raw.send(b"PURGE /v1/queues HTTP/1.1\r\nHost: x\r\n\r\n")
        is_problem(raw.answer(), 405)
