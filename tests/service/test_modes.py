"""Soft purges and dry runs: keys that live a little longer, and keys that are only counted."""
import base64

import pytest

from checks import is_accepted, is_problem, pointers


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
    assert sorted(key for key in cache.keys("*[0-9]*") if not key.startswith(b"purgeway:{main}:job:")) \
        == [key for key in before if not key.startswith(b"purgeway:{main}:job:")]
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
