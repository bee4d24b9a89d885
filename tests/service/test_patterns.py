"""Patterns: the matcher against Redis itself, and purges by pattern."""
import os
import random
import subprocess
import time

import pytest

from checks import is_accepted, is_problem, pointers
from support.client import base64_of
from support.processes import eventually
from support.servers import Purgeway, Redis, program


def made_up(rng):
    """A pattern that is likely to match, and a key that is likely to be matched."""
    alphabet = b"ab:\x00\xff-^]["
    key = bytes(rng.choice(alphabet) for _ in range(rng.randrange(0, 7)))
    pattern = bytearray()
    for byte in key:
        kind = rng.randrange(12)
        if kind == 0:
            pattern += b"*"
        elif kind == 1:
            pattern += b"?"
        elif kind == 2:
            pattern += b"[" + rng.choice([b"", b"^"]) + bytes(
                rng.choice(alphabet + b"\\") for _ in range(rng.randrange(0, 4))) + bytes(
                    [byte]) + rng.choice([b"]", b"]", b""])
        elif kind == 3:
            pattern += b"\\" + bytes([byte])
        elif kind == 4:
            pattern += bytes(rng.choice(b"*?[]^-\\ab") for _ in range(rng.randrange(1, 4)))
        elif kind == 5:
            pattern += b"*" + bytes([byte])
        else:
            pattern += bytes([byte])
    if rng.randrange(6) == 0:
        pattern += rng.choice([b"*", b"**", b"\\", b"[", b"[^", b"[a-"])
    return bytes(pattern), key


def test_matcher_agrees_with_keys(make):
    """100,000 pairs, each asked of KEYS on a server that holds just that key's companions."""
    redis = make(Redis).client()
    rng = random.Random(20261121)
    checked, matched = 0, 0
    for _ in range(400):
        pairs = [made_up(rng) for _ in range(20)]
        keys = sorted({key for _, key in pairs})
        redis.flushall()
        redis.mset({key: 1 for key in keys})
        pipeline = redis.pipeline(transaction=False)
        patterns = [pattern for pattern, _ in pairs]
        for pattern in patterns:
            pipeline.keys(pattern)
        said = [set(found) for found in pipeline.execute()]
        asked = [(i, key) for i in range(len(patterns)) for key in keys]
        lines = "".join(f"{patterns[i].hex()}\n{key.hex()}\n" for i, key in asked)
        done = subprocess.run([os.path.join(os.path.dirname(program()), "tests", "support",
                                            "glob_lines")],
                              input=lines.encode(), capture_output=True, timeout=60, check=True)
        ours = done.stdout.decode().split()
        assert len(ours) == len(asked)
        for (i, key), yes in zip(asked, ours):
            assert (key in said[i]) == (yes == "1"), (patterns[i], key)
            matched += yes == "1"
        checked += len(asked)
    assert checked >= 100_000 and checked / 50 < matched < checked / 2
    print(checked, matched)


# ---- purging -----------------------------------------------------------------------------


def fill(client, count, name="user:{}"):
    """`count` keys by one pipeline."""
    for start in range(0, count, 10000):
        pipeline = client.pipeline(transaction=False)
        for i in range(start, min(start + 10000, count)):
            pipeline.set(name.format(i), i)
        pipeline.execute()


def left(client, pattern):
    return len(set(client.scan_iter(pattern, count=1000)))  # SCAN may tell a key twice


def purge(server, *patterns, **more):
    return server.api.post("/v1/invalidations", {"patterns": list(patterns), **more})


def test_removes_what_matches_and_nothing_else(beside):
    server, redis = beside(sweep_share=100)
    cache = redis.client()
    fill(cache, 20000, "user:{}")
    fill(cache, 20000, "users:{}")
    cache.set("user:", 1)
    cache.set(b"user:\0\xff\r\n", 1)
    cache.set("named", 1)
    job = is_accepted(purge(server, "user:*", keys=["named", "absent"]))
    assert job["priority"] == "low"
    ended = server.api.finished(job["job_id"])
    assert ended["status"] == "succeeded"
    result = ended["result"]
    assert result["requested"] == 3 and result["removed"] == 20003 and result["missing"] == 1
    assert result["matched"] >= 20003
    assert left(cache, "user:*") == 0 and left(cache, "users:*") == 20000
    assert not cache.exists("named")


@pytest.mark.parametrize("pattern", ["purgeway:*", "pur*", "purgeway:{main}:*"])
def test_own_keys_are_never_removed(beside, pattern):
    server, redis = beside(sweep_share=100)
    redis.client().set("purge", 1)
    job = is_accepted(purge(server, pattern))
    assert server.api.finished(job["job_id"])["result"]["removed"] == (pattern == "pur*")
    assert server.api.finished(is_accepted(server.api.purge("a"))["job_id"])["status"] == "succeeded"


def test_own_keys_are_refused_by_name(beside):
    server, _ = beside("gateway")
    answer = server.api.post("/v1/invalidations", {
        "keys": ["a", "purgeway:{main}:high"],
        "keys_base64": [base64_of(b"purgeway:x"), base64_of(b"purgewa")]})
    assert pointers(is_problem(answer, 422, "invalid_request")) == {"#/keys/1", "#/keys_base64/0"}


def test_limits_of_patterns(beside):
    server, _ = beside("gateway", patterns_stars=2, patterns_prefix=4)
    answer = purge(server, "user:*", "use*", "user:*a*b*", "us\\er:*", "x" * 257)
    problem = is_problem(answer, 422, "invalid_request")
    assert pointers(problem) == {"#/patterns/4"}  # the contract speaks first
    problem = is_problem(purge(server, "user:*", "use*", "user:*a*b*", "us\\er:*"), 422)
    assert pointers(problem) == {"#/patterns/1", "#/patterns/2"}
    assert is_problem(purge(server), 422)["errors"][0]["pointer"] == "#"
    is_accepted(purge(server, "user:**a***"))


def test_patterns_can_be_refused(beside):
    server, redis = beside("gateway", patterns_allowed=False)
    is_problem(purge(server, "user:*"), 403, "patterns_refused")
    assert redis.client().xlen("purgeway:{main}:low") == 0
    is_accepted(server.api.purge("user:1"))


def progress(server, job):
    return server.api.job(job["job_id"]).json.get("progress")


@pytest.mark.lengthy
def test_progress_is_seen_and_kept_over_a_kill(beside, make):
    """Killed in the middle, the sweep goes on from its checkpoint and not from the start."""
    server, redis = beside("gateway")
    cache = redis.client()
    fill(cache, 300_000)
    urls = {"broker_url": redis.url(), "sweep_share": 15, "worker_idle_ms": 3000,
            "worker_beat_ms": 150, "threads": 1}
    first = make(Purgeway, "worker", **urls)
    job = is_accepted(purge(server, "user:*"))
    eventually(lambda: (progress(server, job) or {"percent": 0})["percent"] >= 5, 180)
    first.kill9()
    before = progress(server, job)
    assert 5 <= before["percent"] < 100 and before["removed"] > 7_500
    gone = 300_000 - left(cache, "user:*")
    redis.client().config_resetstat()
    urls["sweep_share"] = 100
    make(Purgeway, "worker", **urls)
    ended = server.api.finished(job["job_id"])
    assert ended["status"] == "succeeded" and ended["attempts"] == 2
    assert left(cache, "user:*") == 0
    # What was swept before the checkpoint is not swept again: its keys are gone, and they are in
    # the count all the same; what was swept behind it is looked at twice.
    assert gone >= before["removed"]
    assert 300_000 - (gone - before["removed"]) <= ended["result"]["removed"] <= 300_000
    stats = cache.info("commandstats")
    slices = stats["cmdstat_scan"]["calls"]
    assert slices <= (100 - before["percent"] + 15) / 100 * 300_000 / 100, slices
    eventually(lambda: not list(cache.scan_iter("purgeway:{main}:progress:*")))


def test_jobs_that_wait_share_one_pass(make):
    redis = make(Redis)
    cache = redis.client()
    fill(cache, 100_000)
    gateway = make(Purgeway, "gateway", broker_url=redis.url())
    jobs = [is_accepted(purge(gateway, f"user:{i}*")) for i in range(20)]
    cache.config_resetstat()
    make(Purgeway, "worker", broker_url=redis.url(), sweep_share=100, threads=1)
    for i, job in enumerate(jobs):
        ended = gateway.api.finished(job["job_id"])
        assert ended["status"] == "succeeded"
        assert ended["result"]["matched"] >= (11111 if 1 <= i <= 9 else 0)
    assert left(cache, "user:*") == 0
    keys = 100_000 + 30
    calls = cache.info("commandstats")["cmdstat_scan"]["calls"]
    # One pass with slices of 100 to 1,000 keys; twenty would be 2,000 calls at the very least.
    assert calls <= keys / 100 + 200, calls


@pytest.mark.lengthy
def test_sweep_survives_a_restart_of_the_target(make):
    """Another process has another order of its keys: the walk begins again."""
    broker, target = make(Redis), make(Redis, appendonly="yes")
    fill(target.client(), 100_000)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                  sweep_share=5, threads=1)
    job = is_accepted(purge(server, "user:*"))
    eventually(lambda: (progress(server, job) or {"percent": 0})["percent"] >= 10)
    target.restart()
    eventually(lambda: server.api.job(job["job_id"]).json["status"] not in ("running", "retrying"),
               patience_s=180)
    ended = server.api.finished(job["job_id"])
    assert ended["status"] == "succeeded" and ended["attempts"] == 1
    assert left(target.client(), "user:*") == 0
    assert server.log_contains("sweep.started_over")


def test_drain_leaves_the_sweep_to_others(make):
    redis = make(Redis)
    fill(redis.client(), 200_000)
    urls = {"broker_url": redis.url(), "worker_idle_ms": 3000, "worker_beat_ms": 150}
    first = make(Purgeway, "serve", sweep_share=1, **urls)
    job = is_accepted(purge(first, "user:*"))
    eventually(lambda: (progress(first, job) or {"removed": 0})["removed"] > 1000)
    began = time.monotonic()
    assert first.sigterm() == 0
    assert time.monotonic() - began < 8  # drain_ms is 10 s; the sweep would take far longer
    second = make(Purgeway, "serve", sweep_share=100, **urls)
    ended = second.api.finished(job["job_id"])
    assert ended["attempts"] == 2 and ended["status"] == "succeeded"
    assert left(redis.client(), "user:*") == 0


def test_sweep_leaves_the_node_to_others(make):
    """At a share of 10 % SCAN takes no more than that of the server's time, measured by it."""
    redis = make(Redis)
    fill(redis.client(), 200_000, "other:{}")
    server = make(Purgeway, "serve", broker_url=redis.url(), sweep_share=10)
    redis.client().config_resetstat()
    began = time.monotonic()
    ended = server.api.finished(is_accepted(purge(server, "user:*"))["job_id"], 180)
    took_us = (time.monotonic() - began) * 1e6
    assert ended["result"]["removed"] == 0
    assert redis.client().info("commandstats")["cmdstat_scan"]["usec"] <= 0.12 * took_us
    # ... and keys go by it.
    second = is_accepted(purge(server, "user:*"))
    is_accepted(server.api.purge("other:1"))
    assert server.api.finished(is_accepted(server.api.purge("other:2"))["job_id"])
    assert server.api.job(second["job_id"]).json["status"] in ("queued", "running")


def test_second_sweep_of_a_cache_that_became_small(beside):
    """The pass stands in the middle of a large table when the table shrinks to nothing."""
    server, redis = beside(sweep_share=100, threads=1, rebounds="-")
    cache = redis.client()
    fill(cache, 50_000)
    first = is_accepted(purge(server, "use*"))
    second = is_accepted(purge(server, "user:1*"))  # joins somewhere on the way
    for job in (first, second):
        assert server.api.finished(job["job_id"])["status"] == "succeeded"
    for i in range(20):
        cache.set(f"user:{i}", 1)
        job = is_accepted(purge(server, "user:*"))
        assert server.api.finished(job["job_id"])["result"]["removed"] == 1


def test_target_that_refuses_scan_fails_the_job(make):
    broker, target = make(Redis), make(Redis)
    with target.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-scan")
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url())
    ended = server.api.finished(is_accepted(purge(server, "user:*"))["job_id"])
    assert ended["status"] == "failed" and ended["error"]["code"] == "store_permission"


def test_target_that_hides_info_is_swept_all_the_same(make):
    broker, target = make(Redis), make(Redis)
    fill(target.client(), 1000)
    with target.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-info")
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url())
    ended = server.api.finished(is_accepted(purge(server, "user:*"))["job_id"])
    assert ended["status"] == "succeeded" and ended["result"]["removed"] == 1000


# ---- jobs that share a pass and are not alike --------------------------------------------


def share_a_pass(make, target_settings, *bodies):
    """The jobs as they ended, after a worker found them all waiting."""
    settings = {"broker_url": make(Redis).url(), "broker_durability": "memory", "threads": 1,
                "rebounds": "-", "sweep_share": 100, **target_settings}
    gateway = make(Purgeway, "gateway", **settings)
    answer = gateway.api.post("/v1/invalidations/batch", {"invalidations": list(bodies)})
    jobs = [item["job_id"] for item in answer.json["items"]]
    make(Purgeway, "worker", **settings)
    return [gateway.api.finished(job) for job in jobs]


def limited(target, tmp_path, *rules):
    """Settings of a user of the target who may do only so much."""
    (tmp_path / "password").write_text("secret")
    target.client().execute_command("ACL", "SETUSER", "limited", "on", ">secret", "resetkeys",
                                    "+@all", "&*", *rules)
    return {"target_url": target.tcp_url(user="limited"),
            "target_password_file": str(tmp_path / "password")}


PLAIN = {"patterns": ["abc:*"]}
MARKED = {"patterns": ["abc:*"], "mode": "tombstone", "hold_ms": 60_000}


@pytest.mark.parametrize("bodies", [(PLAIN, MARKED), (MARKED, PLAIN)])
def test_marker_is_written_beside_a_plain_purge(make, bodies):
    target = make(Redis)
    fill(target.client(), 50, "abc:{}")
    ended = share_a_pass(make, {"target_url": target.url()}, *bodies)
    assert [job["status"] for job in ended] == ["succeeded"] * 2
    assert [job["result"]["matched"] for job in ended] == [50, 50]
    assert left(target.client(), "abc:*") == 0
    assert left(target.client(), "purgeway:hold:*") == 50


def test_nobody_succeeds_by_a_removal_that_was_refused(make, tmp_path):
    target = make(Redis)
    fill(target.client(), 50, "abc:{}")
    ended = share_a_pass(make, limited(target, tmp_path, "%R~abc:*"), *[PLAIN] * 12)
    assert [job["status"] for job in ended] == ["failed"] * 12
    assert left(target.client(), "abc:*") == 50


def test_refusal_is_only_whose_it_is(make, tmp_path):
    target = make(Redis)
    fill(target.client(), 50, "abc:{}")
    fill(target.client(), 50, "abcd:{}")
    # Markers and the keys of another pattern are forbidden.
    settings = limited(target, tmp_path, "~abc:*", "%R~*")
    ended = share_a_pass(make, settings, {"patterns": ["abc*"]}, MARKED, PLAIN)
    assert [job["status"] for job in ended] == ["failed", "failed", "succeeded"]
    assert left(target.client(), "abc:*") == 0


# ---- long keys ---------------------------------------------------------------------------


@pytest.mark.parametrize("count, size", [(1500, 20_000), (200, 200_000)])
def test_long_keys_do_not_stop_the_walk(beside, count, size):
    """More of them than an answer may hold lie in what a slice of short ones asks for."""
    server, redis = beside(threads=1, sweep_share=100, rebounds="-")
    cache = redis.client()
    fill(cache, 20_000, "short:{}")
    assert server.api.finished(is_accepted(purge(server, "short:*"))["job_id"])[
        "status"] == "succeeded"
    for i in range(count):
        cache.set("long:" + "x" * size + str(i), 1)
    cache.set("user:1", 1)
    # Two patterns, so that the server shows all keys.
    job = is_accepted(purge(server, "user:*", "other:*"))
    ended = server.api.finished(job["job_id"], 60)
    assert ended["status"] == "succeeded" and ended["result"]["removed"] == 1
    assert server.api.finished(is_accepted(purge(server, "long:*"))["job_id"], 60)[
        "result"]["removed"] == count


# ---- much to compare ---------------------------------------------------------------------


@pytest.mark.parametrize("jobs, run", [(1, "a" * 220), (50, "?a" * 60)], ids=["one", "many"])
def test_patterns_do_not_hold_up_others(beside, jobs, run):
    """Long keys, and patterns that begin to match everywhere in them."""
    server, redis = beside(threads=1, sweep_share=100, rebounds="-")
    for i in range(80):
        redis.client().set("a" * 12_000 + str(i), 1)
    body = {"patterns": [f"aaa*{run}{'b' * (n + 1)}*" for n in range(20)]}
    answer = server.api.post("/v1/invalidations/batch", {"invalidations": [body] * jobs})
    ids = [item["job_id"] for item in answer.json["items"]]
    worst, is_going, first = 0, True, time.monotonic()
    while is_going:
        began = time.monotonic()
        is_going = server.api.job(ids[-1]).json["status"] in ("queued", "running")
        worst = max(worst, time.monotonic() - began)
    # Held up, it would be for about as long as all of it takes; many seconds with "one".
    assert worst < max(1, (time.monotonic() - first) / 8)
    for job in ids:
        assert server.api.finished(job)["status"] == "succeeded"
    assert left(redis.client(), "aaa*") == 80
