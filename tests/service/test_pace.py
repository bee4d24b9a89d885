"""A connection that brings more than its share is slowed, and nothing of it is lost."""
import asyncio
import concurrent.futures
import contextlib
import socket
import time

import httpx
import pytest

from support.client import Raw
from support.processes import eventually
from support.servers import Purgeway, Redis, free_port

RATE = 1 << 20
SIZE = 200_000
BODY = b'{"keys":["paced"]}'.ljust(SIZE)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def slow(certificates):
    """A megabyte a second for each connection, a quarter of it at once."""
    port = free_port()
    with Redis(appendonly="no") as redis, Purgeway(
            "gateway", broker_url=redis.url(), broker_durability="memory", threads=1,
            limits_connection_bytes_per_s=RATE, limits_body_bytes=1 << 18,
            tls_listen=f"127.0.0.1:{port}", tls_certificate=certificates.certificate,
            tls_key=certificates.key) as server:
        server.secure = f"https://localhost:{port}"
        yield server


def base_of(server, scheme):
    return server.url if scheme == "http" else server.secure


def least_s(count, size=SIZE):
    """What the last of so many bodies must take; the answer to the first ones does not wait."""
    return (count * size - (1 << 18)) / RATE - size / RATE


ways = pytest.mark.parametrize("scheme, http2", [
    ("http", False), ("http", True), ("https", False), ("https", True)],
    ids=["http1", "http2", "tls1", "tls2"])


@ways
def test_one_behind_the_other(slow, certificates, scheme, http2):
    pauses = slow.api.metric("purgeway_connections_pauses_total")
    with httpx.Client(http1=not http2, http2=http2, base_url=base_of(slow, scheme), timeout=60,
                      verify=certificates.authority) as client:
        began = time.monotonic()
        for _ in range(8):
            assert client.post("/v1/invalidations", content=BODY, headers=JSON).status_code == 202
        assert time.monotonic() - began >= least_s(8)
    assert slow.api.metric("purgeway_connections_pauses_total") > pauses


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_many_at_once_with_small_ones_between(slow, certificates, scheme):
    """Answers are written all the time while the connection is not read."""
    async def run():
        async with httpx.AsyncClient(http1=False, http2=True, base_url=base_of(slow, scheme),
                                     timeout=60, verify=certificates.authority) as client:
            large = [client.post("/v1/invalidations", content=BODY, headers=JSON)
                     for _ in range(10)]
            small = [client.get("/livez") for _ in range(20)]
            waiting = [client.post("/v1/invalidations", json={"keys": ["a"]},
                                   headers={"Prefer": "wait=1"}) for _ in range(10)]
            return await asyncio.gather(*large, *small, *waiting)
    began = time.monotonic()
    answers = asyncio.run(run())
    assert [a.status_code for a in answers] == [202] * 10 + [200] * 20 + [202] * 10
    assert time.monotonic() - began >= least_s(10)


def test_others_are_not_slowed(slow):
    """While ten bodies come in, which takes them more than a second, many small requests do."""
    def send():
        with Raw(slow.port) as link:
            for _ in range(10):
                assert link.send(flood(False, 1)).answer().status == 202
        return True
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sent, served = pool.submit(send), 0
        while not sent.done():
            assert slow.api.get("/livez").status == 200
            served += 1
        assert sent.result() and served >= 20


def open_connections(server):
    return server.api.metric("purgeway_connections_open")


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_who_leaves_meanwhile_is_forgotten(slow, http2):
    data = flood(http2, 8)
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", slow.port), 60) as link:
            pour(link, data)
    eventually(lambda: open_connections(slow) <= 1, what="the end of what was left")
    assert slow.api.get("/livez").status == 200


def pour(link, data):
    """As much of it as is taken without being read."""
    link.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        link.sendall(data)


def flood(http2, count, body=BODY):
    """So many bodies, as fast as they can be written."""
    if not http2:
        head = (f"POST /v1/invalidations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        return (head + body) * count

    def frame(kind, flags, stream, payload):
        return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) +
                stream.to_bytes(4, "big") + payload)
    out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
    path, kind = b"/v1/invalidations", b"application/json"
    fields = (b"\x83\x86\x04" + bytes([len(path)]) + path + b"\x01\x01a\x0f\x10" +
              bytes([len(kind)]) + kind)
    for stream in range(1, 2 * count, 2):
        out += frame(1, 4, stream, fields)
        pieces = [body[at:at + 16384] for at in range(0, len(body), 16384)]
        for piece in pieces:
            out += frame(0, piece is pieces[-1], stream, piece)
    return out


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_the_service_can_end_meanwhile(make, http2):
    redis = make(Redis)
    # So slow that no machine takes longer by itself.
    server = make(Purgeway, "gateway", broker_url=redis.url(), threads=1,
                  limits_connection_bytes_per_s=1 << 16, limits_body_bytes=1 << 18)
    data = flood(http2, 8)
    links = [socket.create_connection(("127.0.0.1", server.port), 60) for _ in range(5)]
    for link in links:
        pour(link, data)
    eventually(lambda: server.api.metric("purgeway_connections_pauses_total") >= 5,
               what="the pauses")
    assert server.sigterm() == 0
    for link in links:
        link.close()


def test_who_is_ended_meanwhile_is_ended(make):
    """A body that takes too long, on a connection that is not read just now."""
    redis = make(Redis)
    server = make(Purgeway, "gateway", broker_url=redis.url(), threads=1,
                  limits_connection_bytes_per_s=1 << 16, limits_body_bytes=1 << 18,
                  limits_request_ms=1000)
    data = flood(True, 1, BODY.ljust(1_200_000))
    with socket.create_connection(("127.0.0.1", server.port), 60) as link:
        pour(link, data)
        eventually(lambda: server.api.metric("purgeway_connections_killed_total", reason="slow")
                   == 1, what="the end of a connection that takes too long")
        eventually(lambda: open_connections(server) <= 1, what="its place being free again")
