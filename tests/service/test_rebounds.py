"""Rebounds: what was removed is removed once more, a little later, whoever dies meanwhile."""
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
    make(Purgeway, "worker", broker_url=redis.url(), rebounds="6000", threads=1)
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
    worker.stand_still()
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


def test_pass_whose_members_do_not_fit_its_keys_is_repeated_whole(beside):
    """It may be somebody else's: the first of its jobs is cancelled, the last names too many keys."""
    server, redis = beside(rebounds="-")
    cache = redis.client()

    def texts(*items):
        return b"".join(bytes([len(item)]) + item for item in items)
    ids = [is_accepted(server.api.purge("x", delay_ms=3600000))["job_id"] for _ in range(3)]
    keys = [b"aaa", b"\xc8" * 7, b"c"]
    members = texts(*(part for job_id, count in zip(ids, (b"1", b"1", b"9"))
                      for part in (job_id.encode(), count)))
    cache.mset({key: 1 for key in keys})
    cache.zadd("purgeway:{main}:cancelled", {ids[0]: int(time.time() * 1000)})
    cache.xadd("purgeway:{main}:normal", {"v": 2, "n": "0123456789abcdef", "b": 1, "w": "1000",
                                          "o": int(time.time() * 1000), "j": ids[0], "m": members,
                                          "k": texts(*keys)})
    eventually(lambda: not cache.exists(*keys))
    assert server.is_alive()


def test_repetition_of_a_walk_is_cancelled(beside):
    server, redis = beside(sweep_share=100)
    body = {"patterns": ["late:*"], "keys": ["late"], "rebounds_ms": [700]}
    job = server.api.finished(is_accepted(server.api.post("/v1/invalidations", body))["job_id"])
    assert server.api.request("DELETE", f"/v1/jobs/{job['job_id']}/rebounds").status == 200
    redis.client().mset({"late": 1, "late:1": 1})
    eventually(lambda: server.api.metric("purgeway_rebounds_cancelled_total") == 1)
    assert redis.client().exists("late", "late:1") == 2


@pytest.mark.parametrize("selectors", [{"keys": ["k"]}, {"patterns": ["late:*"]}])
def test_answer_of_cancelling_is_the_whole_job(beside, selectors):
    server, redis = beside(rebounds="60000", sweep_share=100, start=False)
    server.settings.update(target_url=redis.url(1), targets="eu=" + redis.url(2))
    server.start()
    job_id = is_accepted(server.api.post("/v1/invalidations", selectors))["job_id"]
    before = server.api.finished(job_id)
    tag = server.api.job(job_id).headers["etag"]
    assert len(before["result"]["targets"]) == 2 and before.pop("rebounds_at")
    done = server.api.request("DELETE", f"/v1/jobs/{job_id}/rebounds", None,
                              {"If-None-Match": "*", "Prefer": "wait=3"})
    assert done.status == 200 and done.json == before
    assert not {"etag", "preference-applied"} & {name.lower() for name in done.headers}
    after = server.api.job(job_id, if_none_match=tag)
    assert after.status == 200 and after.json == before


def test_sample_is_in_the_answer_of_cancelling(beside):
    server, redis = beside(sweep_share=100)
    redis.client().set("late:1", 1)
    job_id = is_accepted(server.api.post("/v1/invalidations", {
        "patterns": ["late:*"], "dry_run": True}))["job_id"]
    before = server.api.finished(job_id)
    assert before["sample"]["keys"] == ["late:1"]
    assert server.api.request("DELETE", f"/v1/jobs/{job_id}/rebounds").json == before


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


# ---- what is set aside of tags -----------------------------------------------------------


def set_aside(cache):
    return [key for key in cache.scan_iter("purgeway:tag:*", count=1000)]


def tagged(cache, server, **more):
    cache.sadd("purgeway:tag:{t}", "a", "b")
    cache.set("a", 1)
    job = ended(server, post(server, tags=["t"], **more))
    assert job["status"] == "succeeded"
    return job


def test_what_is_kept_for_passes_has_an_end(beside):
    server, redis = beside(rebounds="5000", tags_prune_s=0)
    cache = redis.client()
    tagged(cache, server)
    (key,) = set_aside(cache)
    assert 3600 < cache.ttl(key) <= 86400


def test_what_is_kept_goes_with_cancelled_passes(beside):
    server, redis = beside(rebounds="800,1500", tags_prune_s=0)
    cache = redis.client()
    job = tagged(cache, server)
    assert server.api.delete(f"/v1/jobs/{job['job_id']}/rebounds").status == 200
    eventually(lambda: not set_aside(cache))
    assert server.api.metric("purgeway_rebounds_cancelled_total") >= 1


def test_what_is_kept_goes_with_passes_that_cannot_be_scheduled(make):
    broker, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                  rebounds="60000", tags_prune_s=0)
    broker.client().execute_command("ACL", "SETUSER", "default", "-zadd")
    tagged(target.client(), server)
    eventually(lambda: not set_aside(target.client()))
    assert server.api.metric("purgeway_rebounds_lost_total") == 1


def test_passes_walk_through_all_that_was_set_aside(beside):
    """What a purge in the middle of another has set aside is repeated as well."""
    server, redis = beside(rebounds="700", tags_prune_s=0)
    cache = redis.client()
    tagged(cache, server)
    cache.sadd("purgeway:tag:{t}", "c")
    tagged(cache, server)
    cache.mset({"a": "stale", "c": "stale"})
    eventually(lambda: not cache.exists("a", "c"))
    eventually(lambda: not set_aside(cache))


# ---- jobs that come to their end in several attempts ---------------------------------------


AGAIN = {"retry_base_ms": 200, "retry_cap_ms": 200, "retry_tries": 0, "target_timeout_ms": 500}


def test_a_target_that_was_reached_is_repeated_whatever_becomes_of_the_others(make):
    """Also before the other one is reached, which may be much later; and tags leave nothing behind."""
    broker, good, bad = make(Redis), make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=good.url(),
                  targets=f"bad={bad.url()}", **{**QUICK, "rebounds": "5000,8000"}, **AGAIN)
    cache = good.client()
    cache.sadd("purgeway:tag:{t}", "m")
    cache.mset({"a": 1, "m": 1})
    bad.kill9()
    jobs = [is_accepted(post(server, keys=["a"]))["job_id"],
            is_accepted(post(server, tags=["t"]))["job_id"]]
    for job_id in jobs:
        eventually(lambda: server.api.job(job_id).json["status"] == "retrying")
    for _ in range(2):
        eventually(lambda: not cache.exists("a", "m"))
        cache.mset({"a": "stale", "m": "stale"})
    eventually(lambda: not cache.keys("purgeway:tag:*"), what="the end of what was set aside")
    bad.start()
    for job_id in jobs:
        assert server.api.finished(job_id)["status"] == "succeeded"
    with bad.client() as other:
        other.set("a", "stale")
        eventually(lambda: not other.exists("a"))


def test_keys_that_went_before_their_patterns_are_repeated(make):
    """The worker ends in the middle of the walk; what it hands on does not name the keys any more."""
    broker, target = make(Redis), make(Redis)
    settings = {"broker_url": broker.url(), "target_url": target.url(), "threads": 1}
    gateway = make(Purgeway, "gateway", **settings)
    worker = make(Purgeway, "worker", sweep_share=1, **settings)
    with target.client() as cache:
        for start in range(0, 60000, 10000):
            cache.mset({f"x{i}": 1 for i in range(start, start + 10000)})
        cache.set("a", 1)
        job_id = is_accepted(post(gateway, keys=["a"], patterns=["none:*"], rebounds_ms=[1000]))["job_id"]
        eventually(lambda: not cache.exists("a"))
        assert gateway.api.job(job_id).json["status"] == "running"
        assert worker.sigterm() == 0
        cache.set("a", "stale")
        make(Purgeway, "worker", sweep_share=1, **settings)
        eventually(lambda: not cache.exists("a"), what="the repetition")
        assert gateway.api.finished(job_id)["status"] == "succeeded"


def test_who_joined_another_is_repeated_although_the_other_is_not(make):
    redis = make(Redis)
    gateway = make(Purgeway, "gateway", broker_url=redis.url())
    answer = gateway.api.post("/v1/invalidations/batch", {"invalidations": [{"keys": ["a"]}] * 2})
    jobs = [item["job_id"] for item in answer.json["items"]]
    make(Purgeway, "worker", broker_url=redis.url(), rebounds="5000", threads=1)
    for job_id in jobs:
        assert gateway.api.finished(job_id)["status"] == "succeeded"
    assert gateway.api.delete(f"/v1/jobs/{jobs[0]}/rebounds").status == 200
    with redis.client() as cache:
        cache.set("a", "stale")
        eventually(lambda: not cache.exists("a"), what="the repetition of the second")


# ---- clocks --------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_the_clock_of_a_worker_says_nothing_about_when(make, clock, seconds):
    broker, target = make(Redis), make(Redis)
    settings = {"broker_url": broker.url(), "target_url": target.url(), "threads": 1}
    gateway = make(Purgeway, "gateway", **settings)
    make(Purgeway, "worker", env=clock.env, rebounds="60000", **AGAIN, **settings)
    clock.jump(seconds)
    target.kill9()
    with broker.client() as queue:
        before = time.time()
        job_id = is_accepted(gateway.api.purge("a"))["job_id"]
        eventually(lambda: gateway.api.job(job_id).json["status"] == "retrying")
        target.start()
        assert gateway.api.finished(job_id)["status"] == "succeeded"
        due = [score / 1000 for _, score in queue.zrange(SCHEDULED, 0, -1, withscores=True)]
        assert len(due) == 1 and before + 53 < due[0] < time.time() + 67, due


def test_what_follows_is_scheduled_once_however_often_a_result_is_written(make):
    broker, results, target = make(Redis), make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), results_url=results.url(),
                  target_url=target.url(), rebounds="60000")
    with results.client() as other, broker.client() as queue:
        other.replicaof("127.0.0.1", "1")
        job_id = is_accepted(server.api.purge("a"))["job_id"]
        eventually(lambda: server.api.metric("purgeway_settle_errors_total") > 3, what="tries to settle")
        assert queue.zcard(SCHEDULED) == 1
        other.replicaof("NO", "ONE")
        assert server.api.finished(job_id)["status"] == "succeeded"
        assert queue.zcard(SCHEDULED) == 1


@pytest.mark.parametrize("how", ["cancel", "purge"])
def test_who_cancels_what_waits_for_its_next_try_ends_its_repetitions(make, how):
    """What the first attempt has done is to be repeated; then the job is not wanted any more."""
    broker, good, bad = make(Redis), make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=good.url(),
                  targets=f"bad={bad.url()}", rebounds="6000", **{**AGAIN, "retry_cap_ms": 2000})
    bad.kill9()
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    eventually(lambda: server.api.job(job_id).json["status"] == "retrying")
    if how == "cancel":
        assert server.api.post(f"/v1/jobs/{job_id}/cancel").status in (200, 202)
    else:
        server.api.post("/v1/queues/main/pause")
        eventually(lambda: server.api.post("/v1/queues/main/purge", {"expected_count": 1}).json.get("count") == 1)
    eventually(lambda: server.api.job(job_id).json["status"] == "cancelled")
    with good.client() as cache, broker.client() as queue:
        assert queue.zscore("purgeway:{main}:cancelled", job_id)
        cache.set("a", "kept")
        server.api.post("/v1/queues/main/resume")
        eventually(lambda: queue.zcard(SCHEDULED) == 0, what="the end of its repetition")
        eventually(lambda: queue.xinfo_groups("purgeway:{main}:normal")[0]["pending"] == 0)
        assert cache.get("a") == b"kept"
