"""Tags: keys that go together, put under them, listed, and removed with them."""
import threading
import time

import pytest

from checks import is_accepted, is_problem, pointers
from support.client import base64_of
from support.processes import eventually
from support.servers import Purgeway, Redis


def put(server, tags, keys, **more):
    """One call for text keys; gives the answer."""
    return server.api.post("/v1/taggings", {"tags": tags, "keys": keys, **more})


def purge(server, *tags, **more):
    return server.api.post("/v1/invalidations", {"tags": list(tags), **more})


def tag_of(server, tag):
    answer = server.api.get(f"/v1/tags?tag={tag}")
    assert answer.status == 200
    return answer.json


def fill(client, tag, count, name="key:{}"):
    """`count` keys under a tag, as an application does it that knows the layout."""
    for start in range(0, count, 10000):
        keys = [name.format(i) for i in range(start, min(start + 10000, count))]
        pipeline = client.pipeline(transaction=False)
        pipeline.sadd(f"purgeway:tag:{{{tag}}}", *keys)
        for key in keys:
            pipeline.set(key, 1)
        pipeline.execute()


# ---- putting and taking ------------------------------------------------------------------


def test_keys_come_under_tags_and_leave_them(beside):
    server, redis = beside("gateway")
    answer = put(server, ["t:1", "t:2"], ["a", "b"], keys_base64=[base64_of(b"\xff\0")])
    assert answer.status == 200
    assert answer.json == {"tags": [{"tag": "t:1", "added": 3}, {"tag": "t:2", "added": 3}]}
    assert put(server, ["t:1"], ["b", "c"]).json["tags"] == [{"tag": "t:1", "added": 1}]
    assert redis.client().smembers("purgeway:tag:{t:1}") == {b"a", b"b", b"c", b"\xff\0"}
    answer = server.api.post("/v1/untaggings", {"tags": ["t:1", "t:9"], "keys": ["a", "x"]})
    assert answer.json == {"tags": [{"tag": "t:1", "removed": 1}, {"tag": "t:9", "removed": 0}]}
    seen = tag_of(server, "t:1")
    assert seen["members"] == 3 and seen["bytes"] > 0 and "ttl_ms" not in seen
    assert tag_of(server, "nobody") == {"tag": "nobody", "members": 0, "bytes": 0}


@pytest.mark.parametrize("tag, key", [
    ("plain", b"plain"), ("tenant:7", b"tenant:7"), ("a b", b"a%20b"), ("{x}", b"%7Bx%7D"),
    ("50%", b"50%25"), ("a\r\n\0", b"a%0D%0A%00"), ("\x7f", b"%7F"), ("\u00e4", "\u00e4".encode())])
def test_layout_is_what_the_contract_says(beside, tag, key):
    server, redis = beside("gateway")
    assert put(server, [tag], ["k"]).status == 200
    assert redis.client().smembers(b"purgeway:tag:{" + key + b"}") == {b"k"}


def test_set_lives_as_long_as_its_keys_may(beside):
    server, redis = beside("gateway")
    cache = redis.client()
    put(server, ["t"], ["a"], ttl_ms=60_000)
    assert 129_000 < cache.pttl("purgeway:tag:{t}") <= 130_000
    put(server, ["t"], ["b"], ttl_ms=1_000)  # never shortened
    assert cache.pttl("purgeway:tag:{t}") > 120_000
    put(server, ["t"], ["c"], ttl_ms=600_000)
    assert cache.pttl("purgeway:tag:{t}") > 1_200_000
    assert tag_of(server, "t")["ttl_ms"] > 1_200_000
    put(server, ["t"], ["d"])  # for good
    assert cache.pttl("purgeway:tag:{t}") == -1
    put(server, ["t"], ["e"], ttl_ms=1_000)  # ... and no other key gives it an end
    assert cache.pttl("purgeway:tag:{t}") == -1


def test_members_are_listed_by_page(beside):
    server, redis = beside("gateway")
    keys = {f"key:{i}".encode() for i in range(2500)} | {b"\xff\0", b"\r\n"}
    redis.client().sadd("purgeway:tag:{t}", *keys)
    seen, token, pages = set(), "", 0
    while True:
        answer = server.api.get(f"/v1/tags/members?tag=t&page_size=200{token}")
        assert answer.status == 200
        page = answer.json
        seen |= {key.encode() for key in page["keys"]}
        seen |= {__import__("base64").b64decode(key) for key in page["keys_base64"]}
        pages += 1
        if "next_page_token" not in page:
            break
        token = "&page_token=" + page["next_page_token"]
    assert seen == keys and pages > 5


def test_refusals(beside):
    server, _ = beside("gateway")
    assert pointers(is_problem(put(server, [], ["a"]), 422)) == {"#/tags"}
    assert pointers(is_problem(put(server, ["t"], []), 422)) == {"#"}
    assert pointers(is_problem(put(server, ["t"], ["purgeway:x"]), 422)) == {"#/keys/0"}
    assert pointers(is_problem(put(server, ["t" * 65, ""], ["a"], ttl_ms=0), 422)) == {
        "#/tags/0", "#/tags/1", "#/ttl_ms"}
    assert pointers(is_problem(server.api.get("/v1/tags"), 422)) == {"#/query/tag"}
    for bad in ("page_size=0", "page_size=1001", "page_token=x", "page_token=-1"):
        answer = server.api.get(f"/v1/tags/members?tag=t&{bad}")
        assert pointers(is_problem(answer, 422)) == {"#/query/" + bad.partition("=")[0]}, bad
    assert pointers(is_problem(server.api.purge("a", tags_match="all"), 422)) == {"#/tags_match"}
    is_problem(purge(server, "t", tags_match="most"), 422)


# ---- where tags are kept -----------------------------------------------------------------


@pytest.mark.parametrize("policy, verdict", [
    ("noeviction", "may end"), ("volatile-lru", "stays"), ("volatile-ttl", "stays"),
    ("allkeys-lru", "refused"), ("allkeys-random", "refused")])
def test_policy_of_the_target(make, policy, verdict):
    target = make(Redis, maxmemory="100mb", maxmemory_policy=policy)
    server = make(Purgeway, "serve", broker_url=make(Redis).url(), target_url=target.url())
    eventually(lambda: put(server, ["t"], ["a"], ttl_ms=1000).status != 503)
    answer = put(server, ["t"], ["a"], ttl_ms=1000)
    if verdict == "refused":
        assert policy in is_problem(answer, 403, "tags_refused")["detail"]
        is_problem(purge(server, "t"), 403, "tags_refused")
        is_accepted(server.api.purge("a"))
    else:
        assert answer.status == 200
        assert (target.client().pttl("purgeway:tag:{t}") == -1) == (verdict == "stays")
        assert server.api.finished(is_accepted(purge(server, "t"))["job_id"])["status"] == "succeeded"


def test_target_that_cannot_be_reached(make):
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(),
                  target_url="unix:///nowhere.sock", wait=True)
    for answer in (put(server, ["t"], ["a"]), server.api.get("/v1/tags?tag=t"),
                   server.api.get("/v1/tags/members?tag=t")):
        assert answer.headers["retry-after"]
        is_problem(answer, 503, "store_unreachable")
    is_accepted(purge(server, "t"))  # a worker may reach it


# ---- purging -----------------------------------------------------------------------------


def test_removes_what_is_under_any_tag_and_nothing_else(beside):
    server, redis = beside(sweep_share=100, tags_prune_s=0)
    cache = redis.client()
    fill(cache, "one", 30_000, "one:{}")
    fill(cache, "two", 10, "two:{}")
    fill(cache, "other", 10, "other:{}")
    cache.sadd("purgeway:tag:{two}", "absent", b"\xff\r\n\0", "purgeway:{main}:high")
    cache.set(b"\xff\r\n\0", 1)
    cache.set("named", 1)
    job = is_accepted(purge(server, "one", "two", "empty", keys=["named"], rebounds_ms=[]))
    assert job["priority"] == "normal"
    ended = server.api.finished(job["job_id"])
    assert ended["status"] == "succeeded"
    assert ended["result"]["requested"] == 4
    assert ended["result"]["removed"] == 30_012
    assert ended["result"]["matched"] == 30_013
    # SCAN may tell a key twice.
    assert set(cache.scan_iter("other:*")) == {f"other:{i}".encode() for i in range(10)}
    assert not list(cache.scan_iter("one:*", count=1000)) and not cache.exists("named")
    assert set(cache.scan_iter("purgeway:tag:*")) == {b"purgeway:tag:{other}"}
    assert server.api.finished(is_accepted(server.api.purge("x"))["job_id"])["status"] == "succeeded"


def test_removes_what_is_under_all_tags_and_nothing_else(beside):
    server, redis = beside(sweep_share=100, tags_prune_s=0)
    cache = redis.client()
    fill(cache, "big", 20_000)
    cache.sadd("purgeway:tag:{mid}", *(f"key:{i}" for i in range(0, 20_000, 2)))
    cache.sadd("purgeway:tag:{small}", *(f"key:{i}" for i in range(0, 20_000, 5)), "absent")
    job = is_accepted(purge(server, "big", "mid", "small", tags_match="all"))
    ended = server.api.finished(job["job_id"])
    assert ended["result"]["removed"] == 2000 and ended["result"]["matched"] == 2000
    assert cache.exists("key:1") and cache.exists("key:2") and cache.exists("key:5")
    assert not cache.exists("key:0") and not cache.exists("key:10")
    assert cache.scard("purgeway:tag:{big}") == 20_000  # what stays in the cache stays tagged
    ended = server.api.finished(is_accepted(purge(server, "big", "none", tags_match="all"))["job_id"])
    assert ended["status"] == "succeeded" and ended["result"]["removed"] == 0


def test_nothing_is_lost_under_concurrent_tagging(beside):
    """Keys that were under the tag when the purge was accepted go; later ones may stay, and are
    found by the next purge, because their tagging was not lost."""
    server, redis = beside(sweep_share=100)
    cache = redis.client()
    stop, count = threading.Event(), [0]

    def tag_on():
        client = redis.client()
        while not stop.is_set():
            key = f"live:{count[0]}"
            pipeline = client.pipeline(transaction=False)
            pipeline.sadd("purgeway:tag:{t}", key)
            pipeline.set(key, 1)
            pipeline.sadd("purgeway:tag:{t}", key)
            pipeline.execute()
            count[0] += 1

    thread = threading.Thread(target=tag_on)
    thread.start()
    try:
        for _ in range(20):
            eventually(lambda before=count[0]: count[0] > before + 50)
            before = count[0]
            job = is_accepted(purge(server, "t"))
            assert server.api.finished(job["job_id"])["status"] == "succeeded"
            assert cache.exists(*(f"live:{i}" for i in range(before))) == 0
    finally:
        stop.set()
        thread.join()
    server.api.finished(is_accepted(purge(server, "t"))["job_id"])
    assert not list(cache.scan_iter("live:*", count=1000))


@pytest.mark.lengthy
def test_progress_is_kept_over_a_kill(beside, make):
    server, redis = beside("gateway")
    cache = redis.client()
    fill(cache, "t", 300_000)
    urls = {"broker_url": redis.url(), "sweep_share": 15, "worker_idle_ms": 3000,
            "worker_beat_ms": 150, "threads": 1}
    first = make(Purgeway, "worker", **urls)
    job = is_accepted(purge(server, "t", rebounds_ms=[]))

    def percent():
        return server.api.job(job["job_id"]).json.get("progress", {"percent": 0})["percent"]

    eventually(lambda: percent() >= 5, 180)
    first.kill9()
    before = percent()
    assert before < 100
    cache.config_resetstat()
    urls["sweep_share"] = 100
    make(Purgeway, "worker", **urls)
    ended = server.api.finished(job["job_id"])
    assert ended["status"] == "succeeded" and ended["attempts"] == 2
    assert not list(cache.scan_iter("key:*", count=1000))
    assert not list(cache.scan_iter("purgeway:tag:*")) and ended["result"]["removed"] >= 90_000
    scans = cache.info("commandstats")["cmdstat_sscan"]["calls"]
    assert scans <= (100 - before + 15) / 100 * 300_000 / 100, scans


def test_key_that_is_no_set_fails_the_job_and_stays(beside):
    server, redis = beside()
    redis.client().set("purgeway:tag:{t}", "not a set")
    ended = server.api.finished(is_accepted(purge(server, "t"))["job_id"])
    assert ended["status"] == "failed" and ended["error"]["code"] == "store_wrong_type"
    assert redis.client().get("purgeway:tag:{t}") == b"not a set"


# ---- pruning ----


def test_references_to_what_is_gone_are_taken_out(beside):
    server, redis = beside(tags_prune_s=1, sweep_share=100)
    cache = redis.client()
    there = [f"there:{i}" for i in range(700)]
    cache.mset({key: 1 for key in there})
    gone = [f"gone:{i}" for i in range(900)]
    for tag, keys in (("big", there + gone), ("small", there[:3] + gone[:3]), ("dead", gone[:5])):
        cache.sadd("purgeway:tag:{%s}" % tag, *keys)
    aside = "purgeway:tag:{big}:some-job"
    cache.sadd(aside, "gone:0")
    cache.set("purgeway:tag:{text}", "no set")
    eventually(lambda: cache.scard("purgeway:tag:{big}") == 700)
    assert cache.smembers("purgeway:tag:{big}") == {key.encode() for key in there}
    eventually(lambda: cache.scard("purgeway:tag:{small}") == 3)
    eventually(lambda: not cache.exists("purgeway:tag:{dead}"))
    assert cache.scard(aside) == 1, "what a job has set aside is the job's"
    cache.hset("purgeway:tag:{big}:aside", "some-job", "1 0 0 some-job")
    cache.sadd(aside, "there:0", "there:late")
    cache.set("there:late", 1)
    eventually(lambda: cache.sismember("purgeway:tag:{big}", "there:late"))
    assert not cache.exists(aside), "but not for ever"
    assert server.api.metric("purgeway_tag_references_pruned_total") >= 908


def test_pruning_takes_nothing_that_comes_and_goes(beside):
    """Keys are stored and tagged, in this order, all the time: each that is there is tagged."""
    _, redis = beside(tags_prune_s=1, sweep_share=100)
    cache = redis.client()
    end = time.monotonic() + 4
    number = 0
    while time.monotonic() < end:
        pipe = cache.pipeline(transaction=False)
        for i in range(50):
            number += 1
            key = f"k:{number % 500}"
            pipe.set(key, 1, px=1 + number % 200)
            pipe.sadd("purgeway:tag:{t}", key)
        pipe.execute()
    keys = [f"k:{i}" for i in range(500)]
    for key in keys:
        cache.set(key, 1)
        cache.sadd("purgeway:tag:{t}", key)
    time.sleep(2.5)
    assert cache.smembers("purgeway:tag:{t}") >= {key.encode() for key in keys}


def test_pruning_is_one_workers_turn(make):
    redis = make(Redis)
    settings = {"broker_url": redis.url(), "broker_durability": "memory", "tags_prune_s": 2}
    workers = [make(Purgeway, "worker", **settings) for _ in range(3)]
    time.sleep(1)
    redis.client().sadd("purgeway:tag:{t}", *range(100))
    eventually(lambda: not redis.client().exists("purgeway:tag:{t}"))

    def references():
        return sum(event["references"] for worker in workers for event in worker.log()
                   if event["event"] == "tags.pruned")
    eventually(lambda: references() >= 100)
    assert references() == 100, "each was taken out once"


# ---- several purges of a tag -------------------------------------------------------------


SLOW = {"sweep_share": 1, "threads": 1, "rebounds": "-", "tags_prune_s": 0}
MANY = 20_000


def keys_left(cache):
    return len(set(cache.scan_iter("key:*", count=1000)))


def begun(server, job):
    """The job has removed something, and not all by far."""
    eventually(lambda: 0 < server.api.job(job["job_id"]).json.get("progress", {}).get("removed", 0))
    assert server.api.job(job["job_id"]).json["status"] == "running"


def lines_of(cache, tag):
    """What is set aside of the tag and not walked through."""
    lines = cache.hgetall(f"purgeway:tag:{{{tag}}}:aside")
    return {name: line.split(b" ") for name, line in lines.items() if name != b"~"}


def forget_who_is_at_it(cache, tag):
    for name, (since, _, ends, owner) in lines_of(cache, tag).items():
        cache.hset(f"purgeway:tag:{{{tag}}}:aside", name, b" ".join([since, b"0", ends, owner]))


def succeeds(server, job):
    """The job, as it ended."""
    ended = server.api.finished(job["job_id"])
    assert ended["status"] == "succeeded", ended
    return ended


@pytest.mark.parametrize("later", [{"tags": ["t"]}, {"tags": ["t", "t"], "tags_match": "all"},
                                   {"tags": ["t"], "mode": "tombstone"}])
def test_later_purge_is_not_done_before_the_earlier_one(beside, later):
    server, redis = beside(**SLOW)
    cache = redis.client()
    fill(cache, "t", MANY)
    first = is_accepted(purge(server, "t"))
    begun(server, first)
    second = is_accepted(server.api.post("/v1/invalidations", later))
    succeeds(server, second)
    assert keys_left(cache) == 0
    assert succeeds(server, first)["result"]["removed"] == MANY
    # What the other one removed has no marker.
    assert server.api.metric("purgeway_holds_lost_total") == ("mode" in later)
    assert not list(cache.scan_iter("purgeway:tag:*"))


def test_cancelled_purge_gives_back_what_it_has_set_aside(beside):
    server, redis = beside(**SLOW)
    cache = redis.client()
    fill(cache, "t", MANY)
    first = is_accepted(purge(server, "t"))
    begun(server, first)
    put(server, ["t"], ["late"])
    second = is_accepted(purge(server, "t"))
    assert server.api.post(f"/v1/jobs/{first['job_id']}/cancel", {}).status == 200
    assert server.api.finished(first["job_id"])["status"] == "cancelled"
    assert succeeds(server, second)["result"]["removed"] > 0
    assert keys_left(cache) == 0
    assert not list(cache.scan_iter("purgeway:tag:{t}:*E*"))


def test_what_is_set_aside_under_no_name_does_not_keep_a_purge_for_ever(beside):
    """Nothing of ours writes that; a target may hold it, or answer so, all the same."""
    server, redis = beside(rebounds="-")
    with redis.client() as client:
        client.sadd("purgeway:tag:{t}", "k")
        client.hset("purgeway:tag:{t}:aside", "", "1 1")
        client.set("k", 1)
        assert succeeds(server, is_accepted(purge(server, "t")))["result"]["removed"] == 1
        assert not client.exists("k")


def test_cancelled_purge_leaves_its_keys_under_the_tag(beside):
    server, redis = beside(**SLOW)
    cache = redis.client()
    fill(cache, "t", MANY)
    job = is_accepted(purge(server, "t"))
    begun(server, job)
    assert tag_of(server, "t")["members"] == 0
    assert server.api.post(f"/v1/jobs/{job['job_id']}/cancel", {}).status == 200
    assert server.api.finished(job["job_id"])["status"] == "cancelled"
    assert 0 < keys_left(cache) < MANY
    eventually(lambda: tag_of(server, "t")["members"] == MANY)
    assert lines_of(cache, "t") == {}
    succeeds(server, is_accepted(purge(server, "t")))
    assert keys_left(cache) == 0


def test_failed_purge_leaves_its_keys_under_the_tag(make, tmp_path):
    broker, target = make(Redis), make(Redis)
    cache = target.client()
    (tmp_path / "password").write_text("secret")
    cache.execute_command("ACL", "SETUSER", "limited", "on", ">secret", "~purgeway:*", "~key:*",
                          "%R~*", "+@all", "&*")
    server = make(Purgeway, "serve", broker_url=broker.url(), rebounds="-", tags_prune_s=0,
                  target_url=target.tcp_url(user="limited"),
                  target_password_file=str(tmp_path / "password"))
    fill(cache, "t", 10)
    cache.set("locked", 1)
    cache.sadd("purgeway:tag:{t}", "locked")
    ended = server.api.finished(is_accepted(purge(server, "t"))["job_id"])
    assert ended["status"] == "failed"
    eventually(lambda: tag_of(server, "t")["members"] == 11)
    cache.execute_command("ACL", "SETUSER", "limited", "~*")
    succeeds(server, is_accepted(purge(server, "t")))
    assert not cache.exists("locked")


@pytest.mark.parametrize("later", [{"tags": ["t"]}, {"tags": ["t"], "tags_match": "all"},
                                   {"tags": ["t"], "mode": "soft"}])
def test_what_a_dead_worker_has_set_aside_goes_with_the_next_purge(beside, make, later):
    server, redis = beside("gateway")
    cache = redis.client()
    fill(cache, "t", MANY)
    patient = {"broker_url": redis.url(), "worker_idle_ms": 600_000, "worker_beat_ms": 100_000}
    first = make(Purgeway, "worker", **patient, **SLOW)
    job = is_accepted(purge(server, "t"))
    begun(server, job)
    first.kill9()
    left = keys_left(cache)
    assert left > 0
    make(Purgeway, "worker", **patient, **{**SLOW, "sweep_share": 100})
    second = is_accepted(server.api.post("/v1/invalidations", later))
    time.sleep(0.5)
    assert server.api.job(second["job_id"]).json["status"] == "running", "it cannot know yet"
    forget_who_is_at_it(cache, "t")
    succeeds(server, second)
    if "mode" in later:
        gone = -2  # by now
        assert all((left := cache.pttl(key)) == gone or 0 < left <= 10_000
                   for key in cache.scan_iter("key:*", count=1000))
    else:
        assert keys_left(cache) == 0


def test_hard_purge_behind_a_soft_one(beside):
    """Keys that were only cut short are under their tag still."""
    server, redis = beside(rebounds="-")
    cache = redis.client()
    fill(cache, "t", 10)
    succeeds(server, is_accepted(purge(server, "t", mode="soft", soft_ttl_ms=60_000)))
    assert keys_left(cache) == 10 and tag_of(server, "t")["members"] == 10
    assert succeeds(server, is_accepted(purge(server, "t")))["result"]["removed"] == 10


def test_many_purges_of_a_tag_cost_one_walk(beside):
    server, redis = beside(**{**SLOW, "sweep_share": 20})
    cache = redis.client()
    fill(cache, "t", MANY)
    cache.config_resetstat()
    jobs = [is_accepted(purge(server, "t")) for _ in range(30)]
    for job in jobs:
        succeeds(server, job)
    assert keys_left(cache) == 0
    assert cache.info("commandstats")["cmdstat_sscan"]["calls"] <= MANY / 100 + 100


@pytest.mark.parametrize("count, size", [(1500, 30_000), (200, 200_000)])
def test_long_keys_do_not_stop_the_walk(beside, count, size):
    """More of them than an answer may hold lie in what a slice of short ones asks for."""
    server, redis = beside(threads=1, sweep_share=100, rebounds="-", tags_prune_s=0)
    cache = redis.client()
    fill(cache, "short", 20_000)
    succeeds(server, is_accepted(purge(server, "short")))
    for i in range(count):
        cache.sadd("purgeway:tag:{long}", "x" * size + str(i))
    assert succeeds(server, is_accepted(purge(server, "long")))["result"]["matched"] == count


def test_references_that_are_long_are_pruned(beside):
    _, redis = beside(threads=1, sweep_share=100, tags_prune_s=1)
    cache = redis.client()
    for i in range(300):
        cache.sadd("purgeway:tag:{long}", "x" * 200_000 + str(i))
    eventually(lambda: not cache.exists("purgeway:tag:{long}"), 60)
