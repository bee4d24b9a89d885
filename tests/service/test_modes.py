"""Soft purges and dry runs, and markers that keep old values out."""
import base64
import os

import pytest

from checks import is_accepted, is_problem, pointers
from support.processes import eventually
from support.servers import Purgeway, Redis

with open(os.path.join(os.path.dirname(__file__), "..", "..", "lua", "fill.lua"),
          encoding="utf-8") as script:
    FILL = script.read()


def post(server, **body):
    return server.api.post("/v1/invalidations", body)


def ended(server, **body):
    return server.api.finished(is_accepted(post(server, **body))["job_id"])


def fill(cache, px=None):
    for i in range(50):
        cache.set(f"user:{i}", 1, px=px)
        cache.set(f"tagged:{i}", 1, px=px)
        cache.sadd("purgeway:tag:{t}", f"tagged:{i}")
    cache.set("a", 1, px=px)
    cache.set(b"\xff\0", 1, px=px)


ALL = {"keys": ["a", "absent"], "keys_base64": ["/wA="], "patterns": ["user:*"], "tags": ["t"]}


def test_soft_purge_cuts_short_and_never_lengthens(beside):
    server, redis = beside(sweep_share=100)
    cache = redis.client()
    fill(cache)
    cache.set("user:7", 1, px=3000)
    job = ended(server, mode="soft", soft_ttl_ms=20_000, **ALL)
    assert job["status"] == "succeeded" and "rebounds_at" not in job
    assert job["result"]["removed"] == 101 and job["result"]["missing"] == 1
    names = [b"a", b"\xff\0", *(f"user:{i}" for i in range(50)), *(f"tagged:{i}" for i in range(50))]
    times = [cache.pttl(name) for name in names]
    assert all(0 < ttl <= 20_000 for ttl in times)
    assert 0 < cache.pttl("user:7") <= 3000
    assert len({ttl // 200 for ttl in times}) > 3  # not all at one moment
    assert min(ttl for ttl in times if ttl > 3000) > 15_000


def test_soft_purge_by_all_tags(beside):
    server, redis = beside(sweep_share=100)
    cache = redis.client()
    fill(cache)
    cache.sadd("purgeway:tag:{u}", *(f"tagged:{i}" for i in range(5)))
    job = ended(server, tags=["t", "u"], tags_match="all", mode="soft")
    assert job["result"]["removed"] == 5
    assert 0 < cache.pttl("tagged:4") <= 10_000 and cache.pttl("tagged:5") == -1


def test_soft_purge_is_repeated_only_when_told(beside):
    server, _ = beside()
    assert len(ended(server, keys=["a"], mode="soft", rebounds_ms=[5000])["rebounds_at"]) == 1


@pytest.mark.parametrize("mode", [{}, {"mode": "soft"}])
def test_dry_run_touches_nothing(beside, mode):
    server, redis = beside(sweep_share=100)
    cache = redis.client()
    fill(cache, px=600_000)
    cache.sadd("purgeway:tag:{t}", "gone")
    before = sorted(cache.keys("*[0-9]*"))
    job = ended(server, dry_run=True, **ALL, **mode)
    assert job["status"] == "succeeded" and "rebounds_at" not in job
    result = job["result"]
    assert result["removed"] == 0 and result["missing"] == 1
    assert result["matched"] == 2 + 50 + 50
    seen = {key.encode() for key in job["sample"]["keys"]} | {
        base64.b64decode(key) for key in job["sample"]["keys_base64"]}
    assert len(seen) == 20 and b"a" in seen and b"\xff\0" in seen
    assert all(key in (b"a", b"\xff\0", b"gone") or key.startswith((b"user:", b"tagged:"))
               for key in seen)
    assert sorted(key for key in cache.keys("*[0-9]*") if not key.startswith(b"purgeway:{main}:")) \
        == [key for key in before if not key.startswith(b"purgeway:{main}:")]
    assert cache.pttl("user:1") > 500_000 and cache.scard("purgeway:tag:{t}") == 51


def test_dry_run_of_all_tags(beside):
    server, redis = beside(sweep_share=100)
    fill(redis.client())
    redis.client().sadd("purgeway:tag:{u}", "tagged:1", "tagged:2", "gone")
    job = ended(server, tags=["t", "u"], tags_match="all", dry_run=True)
    assert job["result"]["matched"] == 2 and job["result"]["removed"] == 0
    assert sorted(job["sample"]["keys"]) == ["tagged:1", "tagged:2"]


def test_dry_run_that_finds_nothing_has_no_sample(beside):
    server, _ = beside()
    job = ended(server, keys=["absent"], dry_run=True)
    assert job["result"]["matched"] == 0 and "sample" not in job


def test_refusals(beside):
    server, _ = beside("gateway")
    assert pointers(is_problem(post(server, keys=["a"], soft_ttl_ms=5), 422)) == {"#/soft_ttl_ms"}
    assert pointers(is_problem(post(server, keys=["a"], mode="hard", soft_ttl_ms=5), 422)) == {
        "#/soft_ttl_ms"}
    assert pointers(is_problem(post(server, keys=["a"], mode="gentle", dry_run="yes"), 422)) == {
        "#/mode", "#/dry_run"}
    assert pointers(is_problem(post(server, keys=["a"], mode="soft", soft_ttl_ms=0), 422)) == {
        "#/soft_ttl_ms"}


# ---- markers ----


def refill(cache, key, value, version="", interim=""):
    marker = f"purgeway:hold:{key}" if "{" in key else f"purgeway:hold:{{{key}}}"
    return cache.eval(FILL, 2, key, marker, value, 60000, version, interim)


def test_tombstone_keeps_old_values_out(api, cache, unique):
    key = unique()
    cache.set(key, "old")
    job = api.finished(is_accepted(api.purge(key, mode="tombstone", hold_ms=700))["job_id"])
    assert job["result"]["removed"] == 1 and "rebounds_at" not in job
    assert refill(cache, key, "old") == 0 and not cache.exists(key)
    assert refill(cache, key, "old", interim=100) == 2 and cache.pttl(key) <= 100
    eventually(lambda: refill(cache, key, "new") == 1)
    assert cache.get(key) == b"new" and cache.pttl(key) > 1000


def test_versions_keep_older_rows_out(api, cache, unique):
    key = f"{{{unique()}}}:row"
    cache.set(key, "old")
    for version in ("18446744073709551615", "5"):
        body = {"mode": "versioned", "version": version}
        assert api.finished(is_accepted(api.purge(key, **body))["job_id"])["status"] == "succeeded"
    assert refill(cache, key, "old", "18446744073709551614") == 0
    assert refill(cache, key, "unversioned") == 0
    assert refill(cache, key, "new", "018446744073709551615") == 1 and cache.get(key) == b"new"
    assert 0 < cache.pttl(f"purgeway:hold:{key}") <= 60000


def test_markers_of_what_tags_and_patterns_find(api, cache, unique):
    stem = unique()
    cache.mset({f"{stem}:{i}": 1 for i in range(5)})
    api.post("/v1/taggings", {"tags": [stem], "keys": [f"{stem}:0", f"{stem}:1"]})
    for body in ({"tags": [stem]}, {"patterns": [f"{stem}:*"]}):
        done = api.post("/v1/invalidations", {**body, "mode": "tombstone"})
        assert api.finished(is_accepted(done)["job_id"])["status"] == "succeeded"
    for i in range(5):
        assert refill(cache, f"{stem}:{i}", "old") == 0


@pytest.mark.parametrize("body, pointer", [
    ({"mode": "versioned"}, "#/version"), ({"mode": "hard", "hold_ms": 5}, "#/hold_ms"),
    ({"mode": "tombstone", "version": "5"}, "#/version"),
    ({"mode": "versioned", "version": "-5"}, "#/version"),
    ({"mode": "versioned", "version": "123456789012345678901"}, "#/version"),
    ({"mode": "tombstone", "soft_ttl_ms": 5}, "#/soft_ttl_ms"),
    ({"mode": "tombstone", "hold_ms": 0}, "#/hold_ms")])
def test_markers_that_make_no_sense_are_refused(api, body, pointer):
    answer = api.purge("k", **body)
    assert answer.status == 422 and pointer in [e["pointer"] for e in answer.json["errors"]]


def test_keys_that_can_have_no_marker_are_refused(api):
    for key in ("a}b", "{}x", "a{b"):
        answer = api.purge("fine", key, mode="tombstone")
        assert answer.status == 422 and "key 1" in answer.json["errors"][0]["detail"]


def test_full_target_loses_the_marker_and_not_the_purge(make):
    cache = make(Redis, maxmemory_policy="noeviction")
    broker = make(Redis)
    server = make(Purgeway, broker_url=broker.url(), broker_durability="memory",
                  target_url=cache.url(), rebounds="200")
    client = cache.client()
    client.set("k", "x" * 1000)
    client.config_set("maxmemory", 1)
    job = server.api.finished(is_accepted(server.api.purge("k", mode="tombstone"))["job_id"])
    assert job["status"] == "succeeded" and job["result"]["removed"] == 1
    assert client.exists("k") == 0
