"""Jobs are done: by lanes, wherever the stores lie, whoever dies on the way."""
import time

import pytest
import redis as redis_client

from checks import is_accepted
from support.processes import eventually
from support.servers import Purgeway, Redis

LANES = ("high", "normal", "low")
QUICK = {"worker_idle_ms": 600, "worker_beat_ms": 150}


def stream(lane="high"):
    return f"purgeway:{{main}}:{lane}"


def pending(redis, lane="high", db=0):
    with redis.client(db=db) as client:
        try:
            return client.xpending(stream(lane), "purgeway")["pending"]
        except redis_client.ResponseError:
            return 0


def lengths(redis, db=0):
    with redis.client(db=db) as client:
        return sum(client.xlen(stream(lane)) for lane in LANES)


# ---- where things lie --------------------------------------------------------------------


def test_results_in_another_database(make):
    redis = make(Redis)
    server = make(Purgeway, "serve", broker_url=redis.url(), results_url=redis.url(db=5),
                  target_url=redis.url(db=9))
    redis.client(db=9).set("a", 1)
    redis.client().set("a", "not this one")
    job = is_accepted(server.api.purge("a", "b"))
    ended = server.api.finished(job["job_id"])
    assert ended["result"]["removed"] == 1 and ended["result"]["missing"] == 1
    assert redis.client().get("a") == b"not this one"
    assert not redis.client(db=9).exists("a")
    key = "purgeway:{main}:job:" + job["job_id"]
    assert redis.client(db=5).exists(key) and not redis.client().exists(key)
    eventually(lambda: pending(redis) == 0)


def test_everything_on_an_instance_of_its_own(make):
    broker, results, target = (make(Redis) for _ in range(3))
    urls = {"broker_url": broker.tcp_url(), "results_url": results.tcp_url(2),
            "target_url": target.tcp_url(), "rebounds": "-"}
    gateway = make(Purgeway, "gateway", **urls)
    make(Purgeway, "worker", **urls)
    target.client().set("a", 1)
    job = is_accepted(gateway.api.purge("a"))
    assert gateway.api.finished(job["job_id"])["result"]["removed"] == 1
    assert not target.client().exists("a")
    assert results.client(db=2).keys("*") == [f"purgeway:{{main}}:job:{job['job_id']}".encode()]
    assert {broker.client().type(key) for key in broker.client().keys("*")} == {b"stream"}
    assert target.client().keys("*") == []
    eventually(lambda: pending(broker) == 0)


def test_queue_name_keeps_queues_apart(make):
    redis = make(Redis)
    here = make(Purgeway, "serve", broker_url=redis.url(), queue_name="one")
    there = make(Purgeway, "gateway", broker_url=redis.url(), queue_name="two")
    job = is_accepted(here.api.purge("a", prefer=None))
    assert here.api.finished(job["job_id"])["status"] == "succeeded"
    job = is_accepted(there.api.purge("a", prefer="wait=1"))
    assert job["status"] == "queued"
    assert redis.client().xlen("purgeway:{two}:high") == 1


def test_results_backend_down_keeps_the_job_and_ends_it_later(make):
    broker, results = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), results_url=results.url(), **QUICK)
    results.kill9()
    answer = server.api.purge("a")
    results.start()
    job = is_accepted(answer)
    assert eventually(lambda: ended(server, job))["status"] == "succeeded"
    eventually(lambda: pending(broker) == 0)


def test_full_results_backend_does_not_stop_the_queue(make):
    broker, results = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), results_url=results.url(), **QUICK)
    broker.client().mset({f"k{i}": 1 for i in range(20)})
    results.client().config_set("maxmemory", 1)
    jobs = [is_accepted(server.api.purge(f"k{i}")) for i in range(20)]
    eventually(lambda: broker.client().exists(*[f"k{i}" for i in range(20)]) == 0)
    results.client().config_set("maxmemory", 0)
    eventually(lambda: pending(broker) == 0)
    # Results may have been given up for want of room; the jobs were done.
    assert {server.api.job(job["job_id"]).status for job in jobs} <= {200, 404}
    job = is_accepted(server.api.purge("z"))
    assert eventually(lambda: ended(server, job))["status"] == "succeeded"


def ended(server, job):
    answer = server.api.job(job["job_id"])
    return answer.json if answer.status == 200 and answer.json["status"] == "succeeded" else None


# ---- effect, result, acknowledgement -----------------------------------------------------


def test_target_down_keeps_the_job_until_it_is_done(make):
    broker, target = make(Redis), make(Redis)
    target.client().set("a", 1)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(), **QUICK)
    target.kill9()
    job = is_accepted(server.api.purge("a"))
    waiting = eventually(lambda: retrying(server, job))
    assert waiting["error"]["code"].startswith("store_") and waiting["next_attempt_at"]
    # It waits beside the queue, where it keeps nobody out and nobody takes it over.
    eventually(lambda: retrying(server, job) and pending(broker) == 0)
    assert broker.client().hlen("purgeway:{main}:later") == 1
    target.start()
    done = server.api.finished(job["job_id"])
    assert done["status"] == "succeeded" and done["result"]["removed"] == 1
    assert done["attempts"] >= 2 and "error" not in done and "next_attempt_at" not in done
    assert not target.client().exists("a")
    eventually(lambda: pending(broker) == 0)
    eventually(lambda: broker.client().hlen("purgeway:{main}:later") == 0)


def retrying(server, job):
    found = server.api.job(job["job_id"]).json
    return found if found["status"] == "retrying" else None


def test_target_that_refuses_for_good_fails_the_job(make):
    broker, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url())
    target.client().execute_command("ACL", "SETUSER", "default", "-unlink", "-del")
    job = is_accepted(server.api.purge("a"))
    done = server.api.finished(job["job_id"])
    assert done["status"] == "failed"
    assert done["error"]["code"] == "store_permission" and done["error"]["detail"]
    eventually(lambda: pending(broker) == 0)
    target.client().execute_command("ACL", "SETUSER", "default", "+@all")
    assert server.api.purge("a", prefer="wait=10").json["status"] == "succeeded"


def test_full_or_read_only_target_is_waited_for(make):
    broker, target, master = make(Redis), make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url())
    target.client().set("a", 1)
    target.client().config_set("maxmemory", 1)
    # UNLINK is allowed on a full server: nothing needs to wait for that.
    assert server.api.purge("a", prefer="wait=20").json["result"]["removed"] == 1
    target.client().config_set("maxmemory", 0)
    target.client().replicaof("127.0.0.1", master.port)
    eventually(lambda: target.client().info("replication")["master_link_status"] == "up")
    job = is_accepted(server.api.purge("b"))
    eventually(lambda: server.api.job(job["job_id"]).json["status"] == "running")
    target.client().replicaof("NO", "ONE")
    assert server.api.finished(job["job_id"])["status"] == "succeeded"


def test_uses_unlink_and_neither_del_nor_exists(beside):
    server, redis = beside()
    redis.client().config_resetstat()
    redis.client().set("a", 1)
    assert server.api.purge("a", "b", "c", prefer="wait=10").json["result"]["removed"] == 1
    stats = redis.client().info("commandstats")
    assert stats["cmdstat_unlink"]["calls"] == 3
    assert not {"cmdstat_del", "cmdstat_keys", "cmdstat_scan", "cmdstat_flushdb"} & set(stats)


def test_duplicate_delivery_does_no_harm(make):
    """The same entry given to a worker twice ends as it ended the first time."""
    redis = make(Redis)
    server = make(Purgeway, "serve", broker_url=redis.url(), **QUICK)
    client = redis.client()
    delivered = before = None
    while not delivered:
        client.set("a", 1)
        job = is_accepted(server.api.purge("a"))
        before = server.api.finished(job["job_id"])
        server.pause()
        # Trimmed already? Then there is nothing to deliver again; take another.
        delivered = client.xlen(stream())
        if delivered:
            client.xgroup_setid(stream(), "purgeway", "0")
        server.resume()
    calls = server.api.metric("purgeway_jobs_taken_total")
    is_accepted(server.api.purge("b"))
    eventually(lambda: lengths(redis) == 0 and pending(redis) == 0)
    eventually(lambda: server.api.metric("purgeway_jobs_taken_total") >= calls)
    assert server.api.job(before["job_id"]).json == before


def test_result_expires(make):
    redis = make(Redis)
    server = make(Purgeway, "serve", broker_url=redis.url(), results_ttl_s=1)
    job = is_accepted(server.api.purge("a"))
    assert server.api.finished(job["job_id"])["status"] == "succeeded"
    assert redis.client().ttl("purgeway:{main}:job:" + job["job_id"]) in (-2, 0, 1)
    eventually(lambda: server.api.job(job["job_id"]).status == 404)


def test_unreadable_entry_does_not_stop_the_lane(beside):
    server, redis = beside()
    client = redis.client()
    client.xadd(stream(), {"v": "99", "n": "0" * 16, "k": "x"})
    client.xadd(stream(), {"hello": "world"})
    client.xadd(stream(), {"v": "1", "n": "0" * 16, "k": b"\xff\xff\xff"})
    client.xadd(stream(), {"v": "1", "n": "zz", "k": b"\x01a"})
    job = is_accepted(server.api.purge("a"))
    assert server.api.finished(job["job_id"])["status"] == "succeeded"
    eventually(lambda: pending(redis) == 0)
    assert server.log_contains("job.unreadable")


def test_long_time_to_live_is_no_end_of_the_worker(beside):
    """For who counts in 32 bits a tenth of it, and one, is nothing."""
    server, redis = beside(rebounds="-")
    redis.client().set("a", 1, ex=100)
    redis.client().xadd(stream("normal"), {"v": "2", "n": "0" * 16, "k": b"\x01a", "s": 42949672950})
    eventually(lambda: server.api.metric("purgeway_jobs_finished_total", status="succeeded") == 1)
    assert 0 < redis.client().ttl("a") <= 100


def test_tag_that_cannot_be_one_is_not_cut(beside):
    server, redis = beside(rebounds="-")
    client = redis.client()
    client.set("kept", 1)
    client.sadd("purgeway:tag:{" + "a" * 256 + "}", "kept")
    client.xadd(stream("normal"), {"v": "2", "n": "0" * 16, "g": b"\xac\x02" + b"a" * 300})
    eventually(lambda: server.log_contains("job.unreadable"))
    assert client.exists("kept")


# ---- death and takeover ------------------------------------------------------------------


@pytest.fixture
def shared(make):
    """A queue with a gateway, and a target that can be held still."""
    class Shared:
        broker, target = make(Redis), make(Redis)
        urls = {"broker_url": broker.url(), "target_url": target.url(), "target_timeout_ms": 60000,
                **QUICK}
        gateway = make(Purgeway, "gateway", **urls)

        def worker(self, **settings):
            return make(Purgeway, "worker", **{**self.urls, **settings})

        def purge(self, count, **members):
            with self.target.client() as client:
                client.mset({f"k{i}": 1 for i in range(count)})
            return [is_accepted(self.gateway.api.purge(f"k{i}", **members)) for i in range(count)]

        def all_gone(self, count):
            return self.target.client().exists(*[f"k{i}" for i in range(count)]) == 0

        def finished(self, jobs):
            return [self.gateway.api.finished(job["job_id"]) for job in jobs]
    return Shared()


def test_jobs_of_a_killed_worker_are_taken_over(shared):
    first = shared.worker()
    with shared.target.client() as client:
        client.mset({f"k{i}": 1 for i in range(30)})
    shared.target.pause()
    jobs = [is_accepted(shared.gateway.api.purge(f"k{i}")) for i in range(30)]
    eventually(lambda: pending(shared.broker) == 30)
    first.kill9()
    second = shared.worker(wait=False)
    eventually(lambda: second.log_contains("worker.took_over"))
    shared.target.resume()
    for done in shared.finished(jobs):
        assert done["status"] == "succeeded" and done["attempts"] >= 2
    assert shared.all_gone(30)
    eventually(lambda: pending(shared.broker) == 0)
    eventually(lambda: lengths(shared.broker) == 0)


def large(name, size=900_000):
    """Keys that fill most of a body."""
    return [f"{name}:{i}:".ljust(4000, "x") for i in range(size // 4000)]


def test_large_jobs_of_a_killed_worker_are_taken_over(shared):
    """More bytes than one answer may have; each of them is handed on once."""
    # On a slow machine so much in hand keeps a worker from its beats.
    patient = {"worker_idle_ms": 2500, "worker_beat_ms": 250}
    first = shared.worker(**patient)
    shared.target.pause()
    jobs = [is_accepted(shared.gateway.api.purge(*large(f"k{i}"))) for i in range(24)]
    eventually(lambda: pending(shared.broker) == 24)
    first.kill9()
    shared.target.resume()
    second = shared.worker(**patient)
    for done in shared.finished(jobs):
        # A slow one may be late with its own beats; what is handed on in vain goes round without end.
        assert done["status"] == "succeeded" and 2 <= done["attempts"] <= 4, done
    assert not second.log_contains("redis.lost", "worker.broker")


def test_stopped_worker_that_wakes_late_is_fenced(shared):
    late = shared.worker()
    with shared.target.client() as client:
        client.mset({f"k{i}": 1 for i in range(10)})
    shared.target.pause()
    jobs = [is_accepted(shared.gateway.api.purge(f"k{i}")) for i in range(10)]
    eventually(lambda: pending(shared.broker) == 10)
    late.pause()
    shared.worker(wait=False)
    eventually(lambda: all(status["attempts"] >= 2 for status in statuses(shared, jobs)))
    shared.target.resume()
    ends = shared.finished(jobs)
    # With the target held the second one may have tried more than once.
    assert min(end["attempts"] for end in ends) >= 2
    late.resume()
    # It finishes what it had begun; nobody may see that.
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert statuses(shared, jobs) == ends
        time.sleep(0.1)
    job = is_accepted(shared.gateway.api.purge("after"))
    assert shared.gateway.api.finished(job["job_id"])["status"] == "succeeded"
    assert late.is_alive()


def statuses(shared, jobs):
    return [shared.gateway.api.job(job["job_id"]).json for job in jobs]


def test_live_worker_is_never_robbed(shared):
    """A job that takes many times the idle limit stays with the worker that beats."""
    shared.worker()
    shared.worker()
    shared.target.client().set("k0", 1)
    shared.target.pause()
    job = is_accepted(shared.gateway.api.purge("k0"))
    eventually(lambda: pending(shared.broker) == 1)
    time.sleep(4 * QUICK["worker_idle_ms"] / 1000)
    shared.target.resume()
    done, = shared.finished([job])
    assert done["attempts"] == 1 and done["result"]["removed"] == 1


def test_job_lost_in_one_lane_keeps_its_namesake_in_another(make):
    """Two lanes often give the same id in one millisecond."""
    broker, cache = make(Redis), make(Redis)
    settings = {"broker_url": broker.url(), "broker_durability": "memory", "rebounds": "-",
                "target_url": cache.url(), "target_timeout_ms": 30000}
    make(Purgeway, "worker", threads=1, worker_idle_ms=600000, worker_beat_ms=50, **settings)
    client, name = broker.client(), f"{int(time.time() * 1000)}-0"
    cache.pause()
    for lane in ("high", "normal"):
        client.xadd(stream(lane), {"v": "1", "n": "0" * 16, "k": b"\x04" + lane[:4].encode()},
                    id=name)
    eventually(lambda: pending(broker) == pending(broker, "normal") == 1)
    client.xack(stream(), "purgeway", name)

    def idle_ms():
        return client.xpending_range(stream("normal"), "purgeway", "-", "+", 1)[0][
            "time_since_delivered"]

    for _ in range(3):  # so many beats
        eventually(lambda: idle_ms() > 25)
        eventually(lambda: idle_ms() < 20)
    cache.resume()
    eventually(lambda: pending(broker, "normal") == 0, patience_s=20)
    assert len(client.keys("purgeway:{main}:job:*")) == 1


def test_worker_that_ends_in_order_leaves_nothing_in_hand(shared):
    worker = shared.worker()
    jobs = shared.purge(200)
    assert worker.sigterm() == 0
    assert pending(shared.broker) == 0
    shared.worker()
    assert {done["attempts"] for done in shared.finished(jobs)} == {1}
    assert shared.all_gone(200)


def test_two_workers_share_and_nothing_is_done_twice(shared):
    shared.target.client().config_resetstat()
    for _ in range(2):
        # Whoever is late to beat is taken over from, rightly: not what is asked here.
        shared.worker(worker_idle_ms=30000, worker_beat_ms=1000)
    jobs = shared.purge(300, rebounds_ms=[])
    ends = shared.finished(jobs)
    assert {done["attempts"] for done in ends} == {1}
    assert sum(done["result"]["removed"] for done in ends) == 300
    assert shared.target.client().info("commandstats")["cmdstat_unlink"]["calls"] == 300


# ---- the stream itself -------------------------------------------------------------------


def test_stream_is_trimmed_once_its_jobs_are_done(beside):
    server, redis = beside()
    for priority in LANES:
        for i in range(100):
            is_accepted(server.api.purge(f"k{i}", priority=priority))
    # Their later passes come and go as well.
    eventually(lambda: lengths(redis) == 0 and sum(pending(redis, lane) for lane in LANES) == 0)


def test_waiting_jobs_are_never_trimmed(beside):
    server, redis = beside("gateway")
    jobs = [is_accepted(server.api.purge(f"k{i}")) for i in range(30)]
    time.sleep(2.5)  # more than one survey, which trims
    assert lengths(redis) == 30
    assert all(server.api.job(job["job_id"]).json["status"] == "queued" for job in jobs)


def test_consumer_group_deleted_by_an_operator(make):
    redis = make(Redis)
    gateway = make(Purgeway, "gateway", broker_url=redis.url())
    worker = make(Purgeway, "worker", broker_url=redis.url(), **QUICK)
    job = is_accepted(gateway.api.purge("warm"))
    gateway.api.finished(job["job_id"])
    worker.pause()
    redis.client().mset({f"k{i}": 1 for i in range(50)})
    jobs = [is_accepted(gateway.api.purge(f"k{i}")) for i in range(50)]
    redis.client().xgroup_destroy(stream(), "purgeway")
    worker.resume()
    for job in jobs:
        assert gateway.api.finished(job["job_id"])["status"] == "succeeded"
    assert redis.client().exists(*[f"k{i}" for i in range(50)]) == 0


def test_stream_deleted_by_an_operator(beside):
    server, redis = beside("serve", **QUICK)
    is_accepted(server.api.purge("a", prefer=None))
    for _ in range(3):
        redis.client().delete(*[stream(lane) for lane in LANES])
        redis.client().set("b", 1)
        job = is_accepted(server.api.purge("b"))
        assert server.api.finished(job["job_id"])["status"] == "succeeded"
        assert not redis.client().exists("b")


def test_entry_deleted_by_an_operator_is_reported(shared):
    worker = shared.worker()
    shared.target.pause()
    is_accepted(shared.gateway.api.purge("k0"))
    eventually(lambda: pending(shared.broker) == 1)
    worker.kill9()
    client = shared.broker.client()
    entry, = client.xrange(stream())
    client.xdel(stream(), entry[0])
    shared.target.resume()
    second = shared.worker()
    eventually(lambda: second.log_contains("vanished"))
    eventually(lambda: pending(shared.broker) == 0)


def test_flushed_broker_goes_on(beside):
    server, redis = beside("serve", **QUICK)
    for _ in range(3):
        redis.client().flushall()
        job = is_accepted(server.api.purge("a"))
        assert server.api.finished(job["job_id"])["status"] == "succeeded"


# ---- lanes -------------------------------------------------------------------------------


def test_high_goes_before_low_and_low_is_not_starved(make):
    redis = make(Redis)
    gateway = make(Purgeway, "gateway", broker_url=redis.url())
    low = [is_accepted(gateway.api.purge(f"l{i}", priority="low")) for i in range(300)]
    high = [is_accepted(gateway.api.purge(f"h{i}", priority="high")) for i in range(300)]
    make(Purgeway, "worker", broker_url=redis.url(), threads=1, worker_batch=20, worker_in_hand=20)
    ends = {job["job_id"]: gateway.api.finished(job["job_id"]) for job in [*low, *high]}
    order = sorted(ends.values(), key=lambda job: job["finished_at"])
    place = {job["job_id"]: at for at, job in enumerate(order)}
    mean = {name: sum(place[job["job_id"]] for job in jobs) / 300
            for name, jobs in (("low", low), ("high", high))}
    assert mean["high"] < mean["low"]
    # Not starved: some low job is done long before the last high one.
    last_high = max(place[job["job_id"]] for job in high)
    assert min(place[job["job_id"]] for job in low) < last_high / 2


def test_steady_high_load_does_not_starve_low(beside):
    server, redis = beside("serve", threads=1, worker_batch=10, worker_in_hand=10)
    low = is_accepted(server.api.purge("low", priority="low"))
    for i in range(200):
        is_accepted(server.api.purge(f"h{i}"))
        if ended(server, low):
            break
    assert server.api.finished(low["job_id"])["status"] == "succeeded"


def test_equal_jobs_that_wait_are_done_together(make):
    """A thousand posts for one hot key cost a handful of removals, and each has its own end."""
    broker, cache = make(Redis), make(Redis)
    settings = {"broker_url": broker.url(), "broker_durability": "memory", "rebounds": "100",
                "target_url": cache.url(), "journal_ms": 0}
    gateway = make(Purgeway, "gateway", **settings)
    cache.client().set("hot", 1)
    ids = []
    for _ in range(10):
        answer = gateway.api.post("/v1/invalidations/batch",
                                  {"invalidations": [{"keys": ["hot"]}] * 100})
        ids += [item["job_id"] for item in answer.json["items"]]
    assert len(set(ids)) == 1000
    cache.client().config_resetstat()
    worker = make(Purgeway, "worker", **settings)
    for job_id in ids:
        job = gateway.api.finished(job_id)
        assert job["status"] == "succeeded" and len(job["rebounds_at"]) == 1
        assert job["result"]["removed"] + job["result"]["missing"] == 1
    first = cache.client().info("commandstats")["cmdstat_unlink"]["calls"]
    assert first <= 50, first
    # Their repetitions are no more than theirs.
    eventually(lambda: cache.client().info("commandstats")["cmdstat_unlink"]["calls"] > first or
               first > 10)
    assert cache.client().info("commandstats")["cmdstat_unlink"]["calls"] <= 100
    assert worker.is_alive()


def test_jobs_that_were_tried_are_not_taken_for_one(make):
    """Equal ones that wait for their next try: each keeps the counts of its own first one."""
    broker, good, bad = make(Redis), make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), broker_durability="memory",
                  threads=1, rebounds="-", target_url=good.url(), targets=f"bad={bad.url()}",
                  target_timeout_ms=500, retry_base_ms=200, retry_cap_ms=200, retry_tries=0)
    bad.kill9()
    jobs = []
    for _ in range(3):
        good.client().set("k", 1)
        job = is_accepted(server.api.purge("k"))["job_id"]
        # The key of the first target is gone before the next job has one of its own.
        eventually(lambda: not good.client().exists("k"))
        jobs.append(job)
    eventually(lambda: all(server.api.job(job).json["status"] == "retrying" for job in jobs))
    # All of them wait in their lane, so that one read takes them together.
    assert server.api.post("/v1/queues/main/pause").status == 200
    eventually(lambda: server.log_contains("worker.lanes_paused"))
    eventually(lambda: broker.client().zcard("purgeway:{main}:scheduled") == 0)
    bad.start()
    bad.client().set("k", 1)
    assert server.api.post("/v1/queues/main/resume").status == 200
    ends = [server.api.finished(job)["result"] for job in jobs]
    removed = [{t["target"]: t["removed"] for t in end["targets"]} for end in ends]
    assert [counts["default"] for counts in removed] == [1, 1, 1]
    assert sorted(counts["bad"] for counts in removed) == [0, 0, 1]
    assert not good.client().exists("k") and not bad.client().exists("k")
