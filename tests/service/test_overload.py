"""More work than can be done: what is refused, when one may come back, and that what was taken
is done all the same, on a broker that has no room left."""
import concurrent.futures
import itertools
import json
import os
import time

import redis as redis_client

from checks import is_accepted, is_unavailable
from support.client import ask
from support.fake_redis import FakeRedis
from support.processes import eventually
from support.servers import Purgeway, Redis

LANES = [f"purgeway:{{main}}:{lane}" for lane in ("high", "normal", "low")]
SCHEDULED, LATER = "purgeway:{main}:scheduled", "purgeway:{main}:later"
SELECTORS = {"patterns": ["user:*"], "tags": ["t"], "keys": ["k"]}
HEADERS = {"Content-Type": "application/json"}


def post(server, kind):
    return server.api.post("/v1/invalidations", {kind: SELECTORS[kind]})


def refused_as_full(server, kind="keys"):
    """A job of this kind is refused, sooner or later."""
    answer = eventually(lambda: (a := post(server, kind)).status == 503 and a)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    return is_unavailable(answer, "queue_full")


def refused(server, limit):
    return server.api.metric("purgeway_queue_full_total", limit=limit)


def queue(server):
    return server.api.get("/v1/queues").json["queues"][0]


def accept(server, kind, count, depth):
    """So many are taken, and the gateway knows of as many as there are then."""
    for _ in range(count):
        is_accepted(post(server, kind))
    eventually(lambda: queue(server)["depth"] == depth)


def backlog(redis):
    """What waits, what is taken and not acknowledged, and what is put off."""
    with redis.client() as client:
        left = client.zcard(SCHEDULED)
        for lane in LANES:
            if client.exists(lane):
                groups = client.xinfo_groups(lane)
                left += groups[0]["pending"] if groups else 0
                left += (groups[0]["lag"] or 0) if groups else client.xlen(lane)
        return left


# ---- which limit, and who is shed first --------------------------------------------------


def test_sweeps_are_shed_before_keys(beside):
    server, _ = beside("gateway", queue_depth=80)
    accept(server, "keys", 60, 60)
    problem = refused_as_full(server, "patterns")
    assert "queue.depth" in problem["detail"] and "60 of 80 jobs" in problem["detail"]
    accept(server, "tags", 10, 70)
    refused_as_full(server, "tags")
    refused_as_full(server, "patterns")
    accept(server, "keys", 10, 80)
    problem = refused_as_full(server, "keys")
    assert "80 of 80 jobs" in problem["detail"]
    assert server.api.metric("purgeway_sweeps_shed_total") == 3
    assert refused(server, "jobs") == 4
    assert queue(server)["depth"] == 80


def test_priority_does_not_save_a_sweep(beside):
    server, _ = beside("gateway", queue_depth=8)
    accept(server, "keys", 6, 6)
    is_unavailable(server.api.post("/v1/invalidations",
                                   {"patterns": ["user:*"], "priority": "high"}), "queue_full")


def test_bytes(beside):
    server, redis = beside("gateway", queue_bytes=400_000)
    large = {"keys": ["x" * 1000 + str(i) for i in range(50)]}
    sent = 0
    while server.api.post("/v1/invalidations", large).status == 202:
        sent += 1
        assert sent < 5000, "the limit was never noticed"
    problem = refused_as_full(server)
    assert "queue.bytes" in problem["detail"] and "of 400000 bytes" in problem["detail"]
    shown = queue(server)
    assert shown["bytes"] >= 400_000 == shown["bytes_limit"]
    assert server.api.metric("purgeway_queue_bytes") >= 400_000
    assert refused(server, "bytes") > 0
    redis.client().flushall()
    eventually(lambda: post(server, "keys").status == 202)


def test_bytes_of_what_was_put_off(beside):
    server, redis = beside("gateway", queue_bytes=400_000)
    large = {"keys": ["x" * 1000 + str(i) for i in range(50)], "delay_ms": 3_600_000}
    sent = 0
    while server.api.post("/v1/invalidations", large).status == 202:
        sent += 1
        assert sent < 5000, "the limit was never noticed"
    answer = eventually(lambda: (a := post(server, "keys")).status == 503 and a)
    assert "queue.bytes" in is_unavailable(answer, "queue_full")["detail"]
    # Nothing that workers do now makes room.
    assert answer.headers["retry-after"] == "60"
    redis.client().delete(SCHEDULED, LATER)
    eventually(lambda: post(server, "keys").status == 202)


def test_age(beside):
    server, redis = beside("gateway", queue_age_s=1)
    is_accepted(post(server, "keys"))
    problem = refused_as_full(server)
    assert "queue.age_s" in problem["detail"] and "of 1000 ms" in problem["detail"]
    make_worker = Purgeway("worker", broker_url=redis.url())
    with make_worker:
        eventually(lambda: post(server, "keys").status == 202)


def test_share_of_the_brokers_memory(beside):
    server, redis = beside("gateway", queue_memory_share=50)
    client = redis.client()
    # So much that what else a server needs from moment to moment does not count.
    client.execute_command("DEBUG", "POPULATE", 40_000, "fill", 1000)
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory", used * 19 // 10)
    problem = refused_as_full(server)
    assert "queue.memory_share" in problem["detail"] and "the broker uses" in problem["detail"]
    assert refused(server, "memory") == 1
    client.config_set("maxmemory", used * 24 // 10)
    eventually(lambda: post(server, "keys").status == 202)
    refused_as_full(server, "patterns")
    client.config_set("maxmemory", 0)
    eventually(lambda: post(server, "patterns").status == 202)


def test_no_limit(beside):
    server, redis = beside("gateway", queue_bytes=0, queue_memory_share=0)
    client = redis.client()
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.05) + 500_000)
    large = {"keys": ["x" * 1000 + str(i) for i in range(50)]}
    answer = None
    while answer is None or answer.status == 202:
        answer = server.api.post("/v1/invalidations", large)
    is_unavailable(answer, "store_out_of_memory")


def test_broker_that_forbids_weighing(make):
    redis = make(Redis)
    redis.client().execute_command("ACL", "SETUSER", "default", "-memory|usage")
    server = make(Purgeway, "gateway", broker_url=redis.url(), queue_depth=8)
    accept(server, "keys", 8, 8)
    refused_as_full(server)
    assert queue(server)["bytes"] == 0


def test_batch_sheds_its_sweeps(beside):
    server, _ = beside("gateway", queue_depth=8)
    accept(server, "keys", 6, 6)
    answer = server.api.post("/v1/invalidations/batch",
                             {"invalidations": [{kind: names} for kind, names in SELECTORS.items()]})
    assert answer.status == 200 and 1 <= int(answer.headers["retry-after"]) <= 60
    assert [item["status"] for item in answer.json["items"]] == [503, 202, 202]
    assert answer.json["items"][0]["problem"]["code"] == "queue_full"
    accepted = server.api.post("/v1/invalidations/batch", {"invalidations": [{"keys": ["k"]}]})
    assert "retry-after" not in accepted.headers


# ---- when one may come back --------------------------------------------------------------


def retry_after(server):
    answer = eventually(lambda: (a := post(server, "keys")).status == 503 and a)
    return int(answer.headers["retry-after"])


def test_retry_after_without_anybody_who_works(beside):
    server, _ = beside("gateway", queue_depth=5)
    for _ in range(5):
        is_accepted(post(server, "keys"))
    eventually(lambda: retry_after(server) == 60)


def test_retry_after_is_about_how_long_it_takes(make):
    """A target whose every answer takes its time, and as many jobs as take seconds of that."""
    broker, target = make(Redis), make(FakeRedis)
    target.answers["UNLINK"] = lambda command: time.sleep(0.02) or b":1\r\n"
    generous = make(Purgeway, "gateway", broker_url=broker.url())
    server = make(Purgeway, "gateway", broker_url=broker.url(), queue_depth=300)

    def fill():
        while queue(server)["depth"] < 700:
            for i in range(100):
                is_accepted(generous.api.purge(f"k{i}"))
    fill()
    assert retry_after(server) >= 5
    make(Purgeway, "worker", broker_url=broker.url(), target_url=target.url(), rebounds="-",
         threads=1, worker_batch=5, worker_in_hand=5)

    def is_about_right():
        """What the machine does besides changes from one second to the next."""
        fill()
        eventually(lambda: queue(server)["depth"] < 600)
        said, began = retry_after(server), time.monotonic()
        eventually(lambda: post(server, "keys").status == 202)
        took = time.monotonic() - began
        assert said / 4 < took + 1 and took < said * 4, (said, took)
        return True
    eventually(is_about_right)


# ---- a broker that is full ---------------------------------------------------------------


def fill_up(redis, room=3_000_000):
    """From here on `room` bytes are left, and whatever else is written takes them."""
    client = redis.client()
    client.config_set("maxmemory", client.info("memory")["used_memory"] + room)
    top_up(redis, room // 8)


def top_up(redis, size=1000):
    """Take what is left."""
    client = redis.client()
    while size:
        try:
            client.set(f"filler:{next(_fillers)}", "x" * size)
        except redis_client.ResponseError:
            size //= 2


_fillers = itertools.count()


def test_full_broker_is_drained(make):
    """Keys, patterns, tags, later passes, jobs that were put off and those of a worker that died;
    not a byte left to write."""
    broker, target = make(Redis), make(Redis)
    settings = {"broker_url": broker.url(), "target_url": target.url(), "results_ttl_s": 2}
    server = make(Purgeway, "gateway", **settings)
    cache = target.client()
    cache.mset({f"user:{i}": i for i in range(3000)})
    worker = make(Purgeway, "worker", rebounds="500,4000", **settings)
    for i in range(200):
        is_accepted(server.api.purge(f"later:{i}"))
    eventually(lambda: broker.client().zcard(SCHEDULED) > 0)
    worker.kill9()
    for i in range(1000):
        is_accepted(server.api.purge(f"user:{i}"))
    for i in range(10):
        is_accepted(server.api.post("/v1/invalidations", {"patterns": [f"user:1{i}*"]}))
        is_accepted(server.api.post("/v1/invalidations", {"tags": [f"tag:{i}"]}))
        is_accepted(server.api.post("/v1/invalidations", {"keys": [f"user:20{i}"],
                                                          "delay_ms": 1500}))
    for lane in LANES:
        assert broker.client().xreadgroup("purgeway", "dead", {lane: ">"}, count=5)
    fill_up(broker)

    def is_full():
        top_up(broker)  # results expire, and leave room
        return server.api.purge("one too many").status == 503
    eventually(is_full)
    assert backlog(broker) >= 1030
    make(Purgeway, "worker", rebounds="500,4000", worker_idle_ms=1000, worker_beat_ms=300,
         **settings)
    eventually(lambda: backlog(broker) == 0, what="an empty queue")
    assert not any(cache.exists(f"user:{i}") for i in range(1000))
    assert not any(cache.exists(f"user:20{i}") for i in range(10))
    assert not list(cache.scan_iter("user:1*"))


def test_full_broker_accepts_again_by_itself(make):
    """The backlog alone fills the broker; all that is done is to start a worker."""
    broker, target = make(Redis), make(Redis)
    settings = {"broker_url": broker.url(), "target_url": target.url(), "results_ttl_s": 1,
                "rebounds": "300,600"}
    client = broker.client()
    generous = make(Purgeway, "gateway", queue_memory_share=0, **settings)
    server = make(Purgeway, "gateway", **settings)
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 20_000_000)
    bodies = itertools.cycle([{"keys": ["x" * 1000 + str(i) for i in range(50)]},
                              {"keys": ["x" * 1000], "delay_ms": 1000},
                              {"patterns": ["user:" + "x" * 200 + "*"]}])
    answer = None
    while answer is None or answer.status == 202:
        answer = generous.api.post("/v1/invalidations", next(bodies))
    is_unavailable(answer, "store_out_of_memory")
    eventually(lambda: post(server, "keys").status == 503)
    make(Purgeway, "worker", **settings)
    eventually(lambda: post(server, "keys").status == 202, what="keys")
    eventually(lambda: post(server, "patterns").status == 202, what="sweeps")
    eventually(lambda: backlog(broker) == 0, what="an empty queue")


# ---- memory of our own -------------------------------------------------------------------


#: A sanitizer keeps what was freed for a while, which is not ours to be measured.
LEAN = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}


def resident_kib(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def hammer(server, count, body, clients=8):
    """So many posts over a few connections that stay open; the statuses."""
    def some(share):
        connection = server.api.connect()
        try:
            return [ask(connection, "POST", "/v1/invalidations", body, HEADERS).status
                    for _ in range(share)]
        finally:
            connection.close()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        return [status for part in pool.map(some, [count // clients] * clients)
                for status in part]


LARGE = json.dumps({"keys": [f"{i}" + "x" * 100 for i in range(100)]}).encode()


def test_memory_of_a_gateway_whose_queue_is_full(beside):
    server, _ = beside("gateway", queue_depth=100, env=LEAN)
    hammer(server, 400, LARGE)
    refused_as_full(server)
    before = resident_kib(server)
    assert set(hammer(server, 8000, LARGE)) == {503}
    assert resident_kib(server) < 2 * before


def test_memory_of_a_gateway_whose_broker_is_slow(make):
    broker = make(FakeRedis)
    server = make(Purgeway, "gateway", broker_url=broker.url(), broker_in_flight=64,
                  broker_timeout_ms=5000, env=LEAN)
    hammer(server, 400, LARGE)
    before = resident_kib(server)
    broker.answers["XADD"] = lambda command: time.sleep(0.005) or b"$3\r\n1-1\r\n"
    statuses = hammer(server, 3000, LARGE, clients=100)
    assert set(statuses) <= {202, 503}
    assert resident_kib(server) < 4 * before


def test_memory_of_a_worker_with_a_long_backlog(make):
    """More than it may hold at a time, a target that is slow, and a broker that is full."""
    broker, target = make(Redis), make(FakeRedis)
    target.answers["UNLINK"] = lambda command: time.sleep(0.002) or b":1\r\n"
    settings = {"broker_url": broker.url(), "target_url": target.url(), "rebounds": "-"}
    server = make(Purgeway, "gateway", **settings)
    worker = make(Purgeway, "worker", worker_in_hand=50, worker_batch=20, env=LEAN, **settings)
    long = json.dumps({"keys": [f"{i}" + "x" * 1000 for i in range(3)]}).encode()
    hammer(server, 400, long)
    eventually(lambda: backlog(broker) == 0)
    before = resident_kib(worker)
    assert set(hammer(server, 4000, long)) == {202}
    most = 0
    client = broker.client()
    client.config_set("maxmemory", client.info("memory")["used_memory"])

    def is_done():
        nonlocal most
        most = max(most, resident_kib(worker))
        return backlog(broker) == 0
    eventually(is_done)
    assert most < 4 * before
