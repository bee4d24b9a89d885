"""What operators do to a running queue: cancel, pause, purge, see who works, hand over."""
import http.client
import json
import os
import threading
import time

import pytest
from checks import is_accepted, is_job, is_problem, pointers
from support.processes import eventually
from support.servers import Purgeway, Redis

QUEUE = "/v1/queues/main"


@pytest.fixture
def paused(beside):
    """A service whose workers take nothing, and its Redis."""
    server, redis = beside()
    assert server.api.post(f"{QUEUE}/pause").status == 200
    # In force once every worker has said so.
    eventually(lambda: server.log_contains("worker.lanes_paused"))
    time.sleep(1)
    return server, redis


def status(server, job_id):
    return server.api.job(job_id).json["status"]


def ended(server, job_id):
    return server.api.finished(job_id)


# ---- cancel ------------------------------------------------------------------------------


def test_cancel_of_a_job_that_waits(paused):
    server, redis = paused
    redis.client().mset({"a": 1, "b": 1})
    job_id = is_accepted(server.api.purge("a", "b"))["job_id"]
    answer = server.api.post(f"/v1/jobs/{job_id}/cancel")
    assert answer.status == 200
    is_job(answer.json)
    assert answer.json["status"] == "cancelled" and answer.json["result"]["requested"] == 2
    assert server.api.post(f"/v1/jobs/{job_id}/cancel").status == 200
    server.api.post(f"{QUEUE}/resume")
    other = is_accepted(server.api.purge("c"))["job_id"]
    assert ended(server, other)["status"] == "succeeded"
    assert status(server, job_id) == "cancelled" and redis.client().exists("a", "b") == 2


def test_cancel_of_a_job_that_was_put_off(beside):
    server, redis = beside()
    redis.client().set("a", 1)
    job_id = is_accepted(server.api.purge("a", "b", delay_ms=1500))["job_id"]
    answer = server.api.post(f"/v1/jobs/{job_id}/cancel")
    assert answer.status == 200 and answer.json["status"] == "cancelled"
    assert answer.json["result"]["requested"] == 2
    time.sleep(2)
    assert redis.client().exists("a") and status(server, job_id) == "cancelled"
    assert redis.client().exists("purgeway:{main}:later", "purgeway:{main}:scheduled") == 0


def test_cancel_of_a_put_off_job_that_waits_in_its_lane(paused):
    server, redis = paused
    redis.client().set("a", 1)
    job_id = is_accepted(server.api.purge("a", delay_ms=100))["job_id"]
    eventually(lambda: redis.client().xlen("purgeway:{main}:high") == 1)
    assert server.api.post(f"/v1/jobs/{job_id}/cancel").json["status"] == "cancelled"
    assert redis.client().xlen("purgeway:{main}:high") == 0
    assert not redis.client().exists("purgeway:{main}:later")


def test_cancel_of_a_job_as_large_as_bodies_may_be(make):
    """Its whole entry is looked at: for the audit, and for how much it was to remove."""
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), broker_durability="memory",
                  limits_body_bytes=64 << 20, limits_bodies_bytes=128 << 20,
                  limits_request_ms=60000, broker_timeout_ms=20000)
    job_id = is_accepted(server.api.purge(
        *(f"{i}:".ljust(4096, "\U0001f600") for i in range(1000)),
        *(f"{i}:".ljust(4090, "x").encode() for i in range(1000))))["job_id"]
    answer = server.api.post(f"/v1/jobs/{job_id}/cancel")
    assert answer.status == 200 and answer.json["status"] == "cancelled", answer
    assert answer.json["result"]["requested"] == 2000


def test_cancel_of_a_job_that_waits_for_its_next_try(make):
    broker, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                  retry_base_ms=5000, retry_tries=0)
    target.kill9()
    job_id = is_accepted(server.api.purge("a"))["job_id"]

    def cancelled():
        answer = server.api.post(f"/v1/jobs/{job_id}/cancel")
        return answer.status == 200 and answer.json
    eventually(lambda: status(server, job_id) == "retrying")
    assert eventually(cancelled)["status"] == "cancelled"
    assert not broker.client().exists("purgeway:{main}:later")
    target.start()
    time.sleep(1)
    assert status(server, job_id) == "cancelled"


def fill_up(redis):
    """From here on it has no memory for what asks for some."""
    redis.client().config_set("maxmemory", redis.client().info("memory")["used_memory"] - 100000)


@pytest.fixture(params=["beside", "elsewhere"])
def unattended(request, make):
    """A gateway without workers, its broker, and where its results are."""
    broker = make(Redis)
    results = make(Redis) if request.param == "elsewhere" else broker
    return make(Purgeway, "gateway", broker_url=broker.url(), results_url=results.url()), broker, results


@pytest.mark.parametrize("full", ["the broker", "the results"])
def test_cancel_and_purge_where_there_is_no_memory(unattended, full):
    """Whoever asks again finds the job ended, and nobody finds it unknown."""
    server, broker, results = unattended
    ids = [is_accepted(server.api.purge("a", "b"))["job_id"] for _ in range(4)]
    ids.append(is_accepted(server.api.purge("a", "b", delay_ms=600000))["job_id"])
    eventually(lambda: lanes(server)["high"]["waiting"] == 4)
    fill_up(broker if full == "the broker" else results)
    for job_id in (ids[1], ids[4]):
        answer = server.api.post(f"/v1/jobs/{job_id}/cancel")
        assert answer.status == 200 or results is not broker and full == "the results"
        assert server.api.post(f"/v1/jobs/{job_id}/cancel").json["status"] == "cancelled"
    eventually(lambda: lanes(server)["high"]["waiting"] == 3)
    assert server.api.post(f"{QUEUE}/purge", {"expected_count": 3}).json == {"count": 3}
    for redis in (broker, results):
        redis.client().config_set("maxmemory", 0)
    for job_id in ids:
        job = server.api.job(job_id).json
        assert job["status"] == "cancelled" and job["result"]["requested"] == 2


def test_cancel_stops_a_sweep(make):
    broker, target = make(Redis), make(Redis)
    with target.client() as client:
        for i in range(0, 300000, 10000):
            client.mset({f"page:{k}": 1 for k in range(i, i + 10000)})
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                  sweep_share=1, threads=1)
    job_id = is_accepted(server.api.purge(patterns=["page:*"]))["job_id"]
    eventually(lambda: server.api.job(job_id).json.get("progress", {}).get("removed", 0) > 0)
    answer = server.api.post(f"/v1/jobs/{job_id}/cancel")
    assert answer.status in (200, 202)
    eventually(lambda: status(server, job_id) == "cancelled")
    job = server.api.job(job_id).json
    assert 0 < job["result"]["removed"] < 300000
    left = target.client().dbsize()
    assert left > 0
    time.sleep(1)
    assert target.client().dbsize() == left
    assert "rebounds_at" not in job


def test_cancel_is_heard_however_many_jobs_are_in_hand(make):
    broker, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(), threads=1,
                  rebounds="-", target_timeout_ms=60000)
    target.client().set("page:1", 1)
    target.stand_still()
    jobs = [is_accepted(server.api.purge(patterns=[f"none:{i}:*"]))["job_id"] for i in range(250)]
    jobs.append(is_accepted(server.api.purge(patterns=["page:*"]))["job_id"])
    eventually(lambda: all(status(server, job) == "running" for job in jobs))
    chosen = [jobs[i] for i in (0, 120, 250)]
    for job in chosen:
        assert server.api.post(f"/v1/jobs/{job}/cancel").status in (200, 202)
    eventually(lambda: all(status(server, job) == "cancelled" for job in chosen))
    target.resume()
    assert {server.api.finished(job)["status"] for job in jobs if job not in chosen} == {"succeeded"}
    assert target.client().exists("page:1")


def test_cancel_of_one_says_nothing_about_its_equals(make):
    """Equal jobs that wait together are done by one of them; that one is cancelled, the others are not."""
    broker, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(), threads=1,
                  rebounds="-", target_timeout_ms=20000)
    with target.client() as cache:
        cache.set("hot", 1)
        target.stand_still()
        jobs = [is_accepted(server.api.purge("hot"))["job_id"] for _ in range(5)]
        eventually(lambda: all(status(server, job) == "running" for job in jobs))
        assert server.api.post(f"/v1/jobs/{jobs[1]}/cancel").status in (200, 202)
        time.sleep(1)
        target.resume()
        ends = [server.api.finished(job)["status"] for job in jobs]
        assert ends[0] == "succeeded" and ends[2:] == ["succeeded"] * 3, ends
        assert ends[1] in ("cancelled", "succeeded") and not cache.exists("hot")


def test_cancel_outlives_the_worker_that_was_to_stop(make):
    broker, target = make(Redis), make(Redis)
    urls = {"broker_url": broker.url(), "target_url": target.url(), "rebounds": "-",
            "target_timeout_ms": 60000, "worker_idle_ms": 500}
    gateway = make(Purgeway, "gateway", **urls)
    first = make(Purgeway, "worker", **urls)
    with target.client() as cache:
        cache.mset({"a": 1, "page:1": 1, "b": 1})
        cache.sadd("purgeway:tag:{t}", "b")
    target.stand_still()
    jobs = [is_accepted(gateway.api.purge(*keys, **more))["job_id"] for keys, more in
            ((["a"], {}), ([], {"patterns": ["page:*"]}), ([], {"tags": ["t"]}), (["c"], {}))]
    eventually(lambda: all(status(gateway, job) == "running" for job in jobs))
    first.kill9()
    for job in jobs[:3]:
        assert gateway.api.post(f"/v1/jobs/{job}/cancel").status == 202
    target.resume()
    target.client().mset({"a": 1, "b": 1})  # what the first one had sent is done
    make(Purgeway, "worker", **urls)
    assert [ended(gateway, job)["status"] for job in jobs] == ["cancelled"] * 3 + ["succeeded"]
    with target.client() as cache:
        assert cache.exists("a", "page:1", "b") == 3
        assert cache.smembers("purgeway:tag:{t}") == {b"b"}


def test_cancel_is_heard_by_a_worker_that_just_lets_go(make):
    broker, results, target = make(Redis), make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), results_url=results.url(),
                  target_url=target.url(), rebounds="-", retry_base_ms=10, retry_cap_ms=50,
                  retry_tries=0, threads=1)
    target.client().set("a", 1)
    target.kill9()
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    results.stand_still()
    eventually(lambda: server.log_contains("job.tried_again_later"))
    # As a gateway marks it. It is asked about no more, and its result cannot say yet that it waits.
    broker.client().zadd("purgeway:{main}:cancelled", {job_id: int(time.time() * 1000)})
    results.resume()
    assert ended(server, job_id)["status"] == "cancelled"
    target.start()
    assert ended(server, is_accepted(server.api.purge("b"))["job_id"])["status"] == "succeeded"
    assert not broker.client().exists("purgeway:{main}:later")


def test_cancel_that_comes_too_late_says_so(beside):
    server, _ = beside()
    job_id = server.api.purge("a", prefer="wait=10").json["job_id"]
    problem = is_problem(server.api.post(f"/v1/jobs/{job_id}/cancel"), 409)
    assert problem["code"] == "too_late" and "succeeded" in problem["detail"]


def test_cancel_of_nobodys_job(api):
    is_problem(api.post("/v1/jobs/EAAAAaH9Wp1YAAAAAE8NzYYdrKHo/cancel"), 404)


def test_cancel_races_with_the_work(beside):
    """Whoever wins, the answer, the status and the key agree."""
    server, redis = beside()
    outcomes = set()
    for i in range(60):
        redis.client().set(f"k{i}", 1)
        job_id = is_accepted(server.api.purge(f"k{i}"))["job_id"]
        answer = server.api.post(f"/v1/jobs/{job_id}/cancel")
        job = ended(server, job_id)
        outcomes.add(job["status"])
        if answer.status == 200:
            assert job["status"] == "cancelled" and redis.client().exists(f"k{i}")
        else:
            assert answer.status == 409 and job["status"] == "succeeded"
            assert not redis.client().exists(f"k{i}")
    assert outcomes <= {"cancelled", "succeeded"}


# ---- pause, resume, purge ----------------------------------------------------------------


def lanes(server):
    return {lane["priority"]: lane for lane in server.api.get("/v1/queues").json["queues"][0]["lanes"]}


def test_paused_queue_takes_jobs_in_and_gives_none_out(paused):
    server, redis = paused
    redis.client().set("a", 1)
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    assert all("paused_at" in lane for lane in lanes(server).values())
    time.sleep(1)
    assert status(server, job_id) == "queued" and redis.client().exists("a")
    answer = server.api.post(f"{QUEUE}/resume")
    assert answer.status == 200
    assert not any("paused_at" in lane for lane in lanes(server).values())
    assert ended(server, job_id)["status"] == "succeeded"


def depth(server):
    return server.api.get("/v1/queues").json["queues"][0]["depth"]


def test_jobs_that_were_put_off_count_once(make):
    """While they wait for their time, in their lane, and not when they are done."""
    redis = make(Redis)
    server = make(Purgeway, "serve", broker_url=redis.url(), rebounds="-", queue_depth=150)
    server.api.post(f"{QUEUE}/pause")
    eventually(lambda: server.log_contains("worker.lanes_paused"))
    ids = [is_accepted(server.api.purge(f"k{i}", delay_ms=3000))["job_id"] for i in range(100)]
    eventually(lambda: depth(server) == 100)
    eventually(lambda: lanes(server)["high"]["waiting"] == 100)
    time.sleep(1)  # the survey looks four times a second
    assert depth(server) == 100
    ids.append(is_accepted(server.api.purge("more"))["job_id"])
    server.api.post(f"{QUEUE}/resume")
    assert {ended(server, job_id)["status"] for job_id in ids} == {"succeeded"}
    eventually(lambda: depth(server) == 0)
    assert not redis.client().exists("purgeway:{main}:later")


def test_one_lane_is_paused_and_the_others_go_on(paused):
    server, _ = paused
    server.api.post(f"{QUEUE}/resume", {"lanes": ["high", "low"]})
    assert {name for name, lane in lanes(server).items() if "paused_at" in lane} == {"normal"}
    waits = is_accepted(server.api.purge("a", priority="normal"))["job_id"]
    for lane in ("high", "low"):
        goes = is_accepted(server.api.purge("b", priority=lane))["job_id"]
        assert ended(server, goes)["status"] == "succeeded"
    assert status(server, waits) == "queued"


def test_jobs_of_a_dead_worker_wait_while_their_lane_is_paused(make):
    broker, target = make(Redis), make(Redis)
    urls = {"broker_url": broker.url(), "target_url": target.url(), "rebounds": "-",
            "target_timeout_ms": 60000, "worker_idle_ms": 400}
    gateway, first = (make(Purgeway, role, **urls) for role in ("gateway", "worker"))
    target.stand_still()
    waits, goes = (is_accepted(gateway.api.purge("a", priority=lane))["job_id"]
                   for lane in ("normal", "low"))
    eventually(lambda: {status(gateway, job) for job in (waits, goes)} == {"running"})
    first.kill9()
    assert gateway.api.post(f"{QUEUE}/pause", {"lanes": ["high", "normal"]}).status == 200
    target.resume()
    make(Purgeway, "worker", threads=1, **urls)
    assert ended(gateway, goes)["status"] == "succeeded"

    def looks():
        return broker.client().info("commandstats")["cmdstat_xautoclaim"]["calls"]
    before = looks()
    eventually(lambda: looks() >= before + 8)  # each a quarter of the idle limit behind the other
    assert status(gateway, waits) == "running"
    assert broker.client().xpending("purgeway:{main}:normal", "purgeway")["pending"] == 1
    assert gateway.api.post(f"{QUEUE}/resume").status == 200
    assert ended(gateway, waits)["status"] == "succeeded"


def test_pause_outlives_the_workers(make):
    redis = make(Redis)
    server = make(Purgeway, "serve", broker_url=redis.url())
    server.api.post(f"{QUEUE}/pause")
    server.sigterm()
    server.start()
    eventually(lambda: server.log_contains("worker.lanes_paused"))
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    time.sleep(1.5)
    assert status(server, job_id) in ("queued", "succeeded")
    server.api.post(f"{QUEUE}/resume")
    assert ended(server, job_id)["status"] == "succeeded"


def test_purge_of_what_waits(paused):
    server, redis = paused
    redis.client().mset({f"k{i}": 1 for i in range(250)})
    ids = [is_accepted(server.api.purge(f"k{i}", priority=("high", "low")[i % 2]))["job_id"]
           for i in range(250)]
    eventually(lambda: sum(lane["waiting"] for lane in lanes(server).values()) == 250)
    problem = is_problem(server.api.post(f"{QUEUE}/purge", {"expected_count": 249}), 409)
    assert problem["code"] == "count_differs" and "250" in problem["detail"]
    assert server.api.post(f"{QUEUE}/purge", {"expected_count": 125, "lanes": ["low"]}).json == {
        "count": 125}
    assert server.api.post(f"{QUEUE}/purge", {"expected_count": 1000}).json == {"count": 125}
    assert all(status(server, job_id) == "cancelled" for job_id in ids)
    time.sleep(1)  # the survey looks four times a second
    assert server.api.metric("purgeway_broker_queue_lost_total") == 0
    server.api.post(f"{QUEUE}/resume")
    assert ended(server, is_accepted(server.api.purge("other"))["job_id"])["status"] == "succeeded"
    assert redis.client().exists(*[f"k{i}" for i in range(250)]) == 250


@pytest.mark.parametrize("audit_max", [0, 1000])
def test_purge_of_more_bytes_than_one_answer_may_have(make, audit_max):
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), broker_durability="memory",
                  audit_max=audit_max)
    jobs = [is_accepted(server.api.purge(*(f"{i}:{k}:".ljust(4000, "x") for k in range(175))))
            for i in range(30)]
    eventually(lambda: lanes(server)["high"]["waiting"] == 30)
    answer = server.api.post(f"{QUEUE}/purge", {"expected_count": 30})
    assert answer.status == 200 and answer.json == {"count": 30}, answer
    for job in jobs:
        left = server.api.job(job["job_id"]).json
        assert left["status"] == "cancelled" and left["result"]["requested"] == 175
    assert not server.log_contains("redis.lost")
    if audit_max:
        found = server.api.get("/v1/audit?page_size=100").json["records"]
        assert sum("job_id" in record for record in found) == 30


def test_purge_needs_a_count(api):
    assert is_problem(api.post(f"{QUEUE}/purge", {}), 422)
    is_problem(api.post("/v1/queues/other/purge", {"expected_count": 1}), 404)
    assert pointers(is_problem(api.post(f"{QUEUE}/pause", {"lanes": ["x"]}), 422)) == {"#/lanes/0"}


# ---- workers -----------------------------------------------------------------------------


def test_workers_are_listed_while_they_live(make):
    redis = make(Redis)
    gateway = make(Purgeway, "gateway", broker_url=redis.url())
    assert gateway.api.get("/v1/workers").json == {"workers": []}
    worker = make(Purgeway, "worker", broker_url=redis.url(), threads=2, worker_idle_ms=600)
    other = make(Purgeway, "worker", broker_url=redis.url(), threads=1, worker_idle_ms=600)

    def found():
        return gateway.api.get("/v1/workers").json["workers"]
    eventually(lambda: len(found()) == 3)
    assert {line["pid"] for line in found()} == {worker.pid, other.pid}
    heard = {line["name"]: line["heard_at"] for line in found()}
    eventually(lambda: all(line["heard_at"] > heard[line["name"]] for line in found()))
    other.sigterm()
    assert {line["pid"] for line in found()} == {worker.pid}
    worker.kill9()
    eventually(lambda: all(line["quiet_ms"] > 1000 for line in found()) and len(found()) == 2)


# ---- handing over ------------------------------------------------------------------------


def test_sweep_is_handed_over_at_once(make):
    """A worker that ends does not keep its sweep until it is missed."""
    broker, target = make(Redis), make(Redis)
    with target.client() as client:
        for i in range(0, 300000, 10000):
            client.mset({f"page:{k}": 1 for k in range(i, i + 10000)})
    urls = {"broker_url": broker.url(), "target_url": target.url(), "threads": 1}
    gateway = make(Purgeway, "gateway", **urls)
    first = make(Purgeway, "worker", sweep_share=1, **urls)
    job_id = is_accepted(gateway.api.purge(patterns=["page:*"], rebounds_ms=[]))["job_id"]
    eventually(lambda: gateway.api.job(job_id).json.get("progress", {}).get("removed", 0) > 0)
    second = make(Purgeway, "worker", sweep_share=100, **urls)
    first.sigterm()
    done = ended(gateway, job_id)
    assert done["status"] == "succeeded" and done["attempts"] == 2
    assert done["result"]["removed"] == 300000 and target.client().dbsize() == 0
    # It went on in the other one without having been missed (worker.idle_ms is half a minute).
    assert not second.log_contains("worker.took_over")


class Load(threading.Thread):
    """A client that keeps its connection, as long as the server says that it may."""

    def __init__(self, port, number):
        super().__init__()
        self.port, self.number = port, number
        self.done = threading.Event()
        self.jobs, self.failures = [], []

    def run(self):
        connection = None
        while not self.done.is_set():
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            body = json.dumps({"keys": [f"k{self.number}:{len(self.jobs)}"], "rebounds_ms": []})
            try:
                connection.request("POST", "/v1/invalidations", body,
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as problem:
                self.failures.append(repr(problem))
                connection = None
                continue
            if answer.status == 202:
                self.jobs.append(json.loads(content)["job_id"])
            else:
                self.failures.append(content)
            if answer.will_close or len(self.jobs) % 50 == 0:
                connection.close()
                connection = None


def test_rolling_restart_under_load(make):
    """Gateways and workers come and go; no request fails, and every job is done."""
    rounds = int(os.environ.get("PGW_ROLLS", 4))
    redis = make(Redis, appendfsync="no")
    settings = {"broker_url": redis.url(), "broker_durability": "memory"}
    gateway = make(Purgeway, "gateway", **settings)
    settings["listen"] = gateway.settings["listen"]
    worker = make(Purgeway, "worker", **{k: v for k, v in settings.items() if k != "listen"})
    clients = [Load(gateway.port, i) for i in range(4)]
    for client in clients:
        client.start()
    try:
        for _ in range(rounds):
            for role, old in (("gateway", gateway), ("worker", worker)):
                wanted = settings if role == "gateway" else {
                    k: v for k, v in settings.items() if k != "listen"}
                new = make(Purgeway, role, **wanted)
                time.sleep(0.3)
                old.sigterm()
                if role == "gateway":
                    gateway = new
                else:
                    worker = new
    finally:
        for client in clients:
            client.done.set()
        for client in clients:
            client.join()
    jobs = [job_id for client in clients for job_id in client.jobs]
    failures = [failure for client in clients for failure in client.failures]
    assert not failures, (len(failures), len(jobs), failures[:5])
    assert len(jobs) > 100
    eventually(lambda: gateway.api.get("/v1/queues").json["queues"][0]["depth"] == 0)
    for job_id in jobs[-1000:]:
        assert ended(gateway, job_id)["status"] == "succeeded"
    print(f"rolling restart: {len(jobs)} requests, {rounds} rounds, none failed")
