"""Waiting for a job's end: what it costs the store, for how long, and for how many."""
import socket
import threading
import time

import pytest
from h2.connection import H2Connection

from checks import is_accepted, is_job
from support.processes import eventually
from support.servers import Purgeway, Redis

LARGE = [f"{k}:".ljust(4000, "x") for k in range(175)]


@pytest.fixture
def idle(make):
    """idle(**settings): a gateway whose jobs nobody does, and its Redis."""
    def start(**settings):
        redis = make(Redis)
        return make(Purgeway, "gateway", broker_url=redis.url(), broker_durability="memory",
                    **settings), redis
    return start


def asked(redis):
    """How often anybody looked for a result."""
    return redis.client().info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"]


def sent(redis):
    return redis.client().info("stats")["total_net_output_bytes"]


def waiter(server, job_id, wait_s=30):
    """A request that waits, on a connection of its own."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(f"GET /v1/jobs/{job_id}?wait={wait_s} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def test_store_is_left_alone_once_the_clients_have_left(idle):
    server, redis = idle()
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    before = asked(redis)
    connections = [waiter(server, job_id) for _ in range(50)]
    eventually(lambda: asked(redis) > before + 100)
    for connection in connections:
        connection.close()
    time.sleep(1.5)
    before = asked(redis)
    time.sleep(2)
    assert asked(redis) - before < 30


def test_store_is_left_alone_once_streams_were_reset(idle):
    server, redis = idle()
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    before = asked(redis)
    h2 = H2Connection()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        h2.initiate_connection()
        for stream in (1, 3, 5):
            h2.send_headers(stream, [(":method", "GET"), (":scheme", "http"), (":authority", "x"),
                                     (":path", f"/v1/jobs/{job_id}?wait=30")], end_stream=True)
        connection.sendall(h2.data_to_send())
        eventually(lambda: asked(redis) > before + 20)
        for stream in (1, 3, 5):
            h2.reset_stream(stream)
        connection.sendall(h2.data_to_send())
        time.sleep(1.5)
        before = asked(redis)
        time.sleep(2)
        assert asked(redis) - before < 5


def test_client_that_has_closed_its_side_is_answered_with_what_there_is(idle):
    server, _ = idle()
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    with waiter(server, job_id) as connection:
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_who_waits_for_long_asks_less_and_less(idle):
    server, redis = idle()
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    before = asked(redis)
    assert server.api.job(job_id, "?wait=8").json["status"] == "queued"
    assert 15 < asked(redis) - before < 70


@pytest.mark.parametrize("put_off", [{}, {"delay_ms": 3_600_000}])
def test_waiting_for_a_large_job_moves_none_of_it(idle, put_off):
    server, redis = idle()
    job_id = is_accepted(server.api.purge(*LARGE, **put_off))["job_id"]
    before = sent(redis)
    assert is_job(server.api.job(job_id, "?wait=2").json)["status"] in ("queued", "scheduled")
    assert sent(redis) - before < 400_000


def test_no_more_wait_than_may(idle):
    server, _ = idle(limits_waits=2, threads=1)
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    connections = [waiter(server, job_id) for _ in range(2)]
    time.sleep(0.5)
    began = time.monotonic()
    assert server.api.job(job_id, "?wait=30").json["status"] == "queued"
    job = is_accepted(server.api.purge("b", prefer="wait=30"))
    assert server.api.job(job["job_id"]).json["status"] == "queued"
    assert time.monotonic() - began < 10
    assert server.api.metric("purgeway_waits_refused_total") == 2
    for connection in connections:
        connection.close()

    def waits():
        began = time.monotonic()
        assert server.api.job(job_id, "?wait=1").status == 200
        return time.monotonic() - began > 0.9
    eventually(waits)


def test_waits_end_at_once_when_the_service_does(idle):
    server, _ = idle()
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    found = []
    thread = threading.Thread(target=lambda: found.append(server.api.job(job_id, "?wait=30")))
    thread.start()
    time.sleep(5)  # by now half a second would pass before the next look
    assert server.sigterm() == 0
    thread.join()
    assert found[0].status == 200 and found[0].json["status"] == "queued"
