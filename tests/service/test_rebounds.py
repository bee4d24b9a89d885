"""Rebounds: what was removed is removed once more, a little later, whoever dies meanwhile."""
import signal
import time

import pytest

from checks import is_accepted, is_problem, pointers
from support.processes import eventually
from support.servers import Purgeway, Redis, run_to_end

SCHEDULED = "purgeway:{main}:scheduled"
QUICK = {"rebounds": "300,800", "worker_idle_ms": 600, "worker_beat_ms": 150}


def ended(server, answer):
    return server.api.finished(is_accepted(answer)["job_id"])


def post(server, **body):
    return server.api.post("/v1/invalidations", body)


def test_stale_refill_is_removed_by_a_later_pass(beside):
    server, redis = beside(**QUICK)
    cache = redis.client()
    cache.set("a", "old")
    job = ended(server, server.api.purge("a"))
    assert job["status"] == "succeeded" and len(job["rebounds_at"]) == 2
    cache.set("a", "stale")  # stored by a reader that fetched it before the commit
    eventually(lambda: not cache.exists("a"))
    cache.set("a", "stale again")
    eventually(lambda: not cache.exists("a"))
    eventually(lambda: cache.zcard(SCHEDULED) == 0)
    cache.set("a", "fresh")
    time.sleep(1.2)
    assert cache.get("a") == b"fresh"
    assert server.api.metric("purgeway_rebound_keys_removed_total") == 2
    assert server.api.job(job["job_id"]).json == job  # the first pass is the job
    assert server.api.metric("purgeway_jobs_finished_total", status="succeeded") == 1


def test_default_times(beside):
    server, redis = beside()
    job = ended(server, server.api.purge("a"))
    stamps = [job["finished_at"], *job["rebounds_at"]]
    seconds = [int(s[17:19]) + int(s[20:23]) / 1000 for s in stamps]
    assert [round((s - seconds[0]) % 60, 3) for s in seconds[1:]] == [1.0, 3.0, 11.0]
    due = redis.client().zrange(SCHEDULED, 0, -1, withscores=True)
    assert len(due) == 1


def test_request_says_when(beside):
    server, redis = beside(rebounds="-")
    cache = redis.client()
    assert "rebounds_at" not in ended(server, server.api.purge("a"))
    assert "rebounds_at" not in ended(server, server.api.purge("a", rebounds_ms=[]))
    assert cache.zcard(SCHEDULED) == 0
    assert len(ended(server, server.api.purge("a", rebounds_ms=[200]))["rebounds_at"]) == 1
    cache.set("a", 1)
    eventually(lambda: not cache.exists("a"))
    eventually(lambda: cache.zcard(SCHEDULED) == 0)


def test_refusals(beside):
    server, _ = beside("gateway")
    assert pointers(is_problem(server.api.purge("a", rebounds_ms=[5, 5, 4]), 422)) == {
        "#/rebounds_ms/1", "#/rebounds_ms/2"}
    assert pointers(is_problem(server.api.purge("a", rebounds_ms=[0, 3600001]), 422)) == {
        "#/rebounds_ms/0", "#/rebounds_ms/1"}
    assert pointers(is_problem(server.api.purge("a", rebounds_ms=[1, 2, 3, 4, 5, 6]), 422)) == {
        "#/rebounds_ms"}


def test_jobs_that_end_together_are_repeated_together(make):
    redis = make(Redis)
    gateway = make(Purgeway, "gateway", broker_url=redis.url())
    jobs = [is_accepted(gateway.api.purge(f"k{i}", f"m{i}")) for i in range(300)]
    make(Purgeway, "worker", broker_url=redis.url(), rebounds="700", threads=1)
    for job in jobs:
        assert gateway.api.finished(job["job_id"])["status"] == "succeeded"
    cache = redis.client()
    assert 1 <= cache.zcard(SCHEDULED) <= 30
    cache.mset({f"{stem}{i}": 1 for stem in "km" for i in range(300)})
    eventually(lambda: not cache.exists(*(f"{s}{i}" for s in "km" for i in range(300))))


def test_rebounds_survive_kills(make):
    redis = make(Redis)
    cache = redis.client()
    server = make(Purgeway, "serve", broker_url=redis.url(), **{**QUICK, "rebounds": "1500"})
    ended(server, server.api.purge("a"))
    server.kill9()
    cache.set("a", "stale")
    time.sleep(1.7)
    assert cache.exists("a")
    server.start()
    eventually(lambda: not cache.exists("a"))


def test_tags_are_walked_through_again_and_dropped_in_the_end(beside):
    server, redis = beside(**QUICK)
    cache = redis.client()
    cache.sadd("purgeway:tag:{t}", "a", "b")
    cache.mset({"a": 1, "b": 1})
    job = ended(server, post(server, tags=["t"]))
    assert job["result"]["removed"] == 2
    cache.set("a", "stale")
    cache.sadd("purgeway:tag:{t}", "c")  # tagged later: not this job's
    cache.set("c", 1)
    eventually(lambda: not cache.exists("a"))
    eventually(lambda: cache.keys("purgeway:tag:*") == [b"purgeway:tag:{t}"])
    assert cache.exists("c") and cache.smembers("purgeway:tag:{t}") == {b"c"}


def test_patterns_are_repeated_once_in_the_last_pass(beside):
    server, redis = beside(sweep_share=100, **QUICK)
    cache = redis.client()
    cache.mset({f"user:{i}": 1 for i in range(100)})
    began = time.monotonic()
    job = ended(server, post(server, patterns=["user:*"], keys=["a"]))
    assert len(job["rebounds_at"]) == 2
    cache.mset({"user:1": "stale", "a": "stale"})
    eventually(lambda: not cache.exists("a"))
    eventually(lambda: not cache.exists("user:1"))
    assert time.monotonic() - began > 0.7
    eventually(lambda: not cache.keys("purgeway:{main}:progress:*"))


def test_failed_jobs_are_not_repeated(make):
    broker, target = make(Redis), make(Redis)
    with target.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-unlink")
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(), **QUICK)
    assert ended(server, server.api.purge("a"))["status"] == "failed"
    assert broker.client().zcard(SCHEDULED) == 0


def test_full_broker_drains_without_its_rebounds(make):
    redis = make(Redis, maxmemory_policy="noeviction")
    urls = {"broker_url": redis.url(), "target_url": make(Redis).url()}
    gateway = make(Purgeway, "gateway", **urls)
    worker = make(Purgeway, "worker", **urls)
    worker.signal(signal.SIGSTOP)
    for i in range(20):
        is_accepted(gateway.api.purge(f"k{i}"))
    redis.client().config_set("maxmemory", 1)
    worker.resume()
    eventually(lambda: redis.client().xinfo_groups("purgeway:{main}:high")[0]["pending"] == 0
               and redis.client().xinfo_groups("purgeway:{main}:high")[0]["lag"] == 0)
    assert redis.client().zcard(SCHEDULED) == 0
    assert worker.is_alive()


@pytest.mark.parametrize("text", ["0", "2,1", "x", "1,2,3,4,5,6", "3600001"])
def test_bad_setting_stops_the_start(text):
    code, _, err = run_to_end("serve", "--rebounds", text, "--check-config")
    assert code == 78 and "rebounds" in err and text in err


def test_repetitions_are_cancelled(beside):
    """Of jobs that ended together, and are repeated together, one alone is left out."""
    server, redis = beside(rebounds="1500")
    cache = redis.client()
    keys = [f"k{i}" for i in range(20)]
    answer = server.api.post("/v1/invalidations/batch",
                             {"invalidations": [{"keys": [key]} for key in keys]})
    ids = [item["job_id"] for item in answer.json["items"]]
    for job_id in ids:
        assert server.api.finished(job_id)["rebounds_at"]
    etag = server.api.job(ids[3]).headers["etag"]
    for number in (3, 7):
        done = server.api.request("DELETE", f"/v1/jobs/{ids[number]}/rebounds")
        assert done.status == 200 and "rebounds_at" not in done.json
    assert "rebounds_at" not in server.api.job(ids[3]).json
    assert server.api.job(ids[3]).headers["etag"] != etag
    cache.mset({key: "late" for key in keys})
    eventually(lambda: not cache.exists(*(key for key in keys if key not in ("k3", "k7"))))
    eventually(lambda: server.api.metric("purgeway_rebounds_cancelled_total") == 2)
    assert cache.exists("k3", "k7") == 2


def test_repetition_of_a_walk_is_cancelled(beside):
    server, redis = beside(sweep_share=100)
    body = {"patterns": ["late:*"], "keys": ["late"], "rebounds_ms": [700]}
    job = server.api.finished(is_accepted(server.api.post("/v1/invalidations", body))["job_id"])
    assert server.api.request("DELETE", f"/v1/jobs/{job['job_id']}/rebounds").status == 200
    redis.client().mset({"late": 1, "late:1": 1})
    eventually(lambda: server.api.metric("purgeway_rebounds_cancelled_total") == 1)
    assert redis.client().exists("late", "late:1") == 2


def test_only_what_has_ended_can_be_cancelled(beside):
    server, _ = beside("gateway")
    job = is_accepted(server.api.purge("k"))
    is_problem(server.api.request("DELETE", f"/v1/jobs/{job['job_id']}/rebounds"), 409,
               "job_not_ended")
    is_problem(server.api.request("DELETE", f"/v1/jobs/{'A' * 28}/rebounds"), 404, "no_such_job")


def test_each_pass_is_told(beside):
    """Where in-process caches will be told: once for each pass, the first before the end is seen."""
    server, _ = beside(rebounds="200", log_level="debug")
    job = ended(server, server.api.purge("k"))
    assert [e["pass"] for e in server.log() if e["event"] == "job.pass_ended"
            and e["job_id"] == job["job_id"]][:1] == [0]
    eventually(lambda: [e["pass"] for e in server.log() if e["event"] == "job.pass_ended"] == [0, 1])
