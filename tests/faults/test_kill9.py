"""The kill -9 proof as a test, the proof that its checker can fail, and each step by itself.

PGW_KILLS is how many kills the proof takes (200).
"""
import os
import pathlib
import signal
import sys

import pytest

sys.path[:0] = map(str, pathlib.Path(__file__).resolve().parents[:2])

import account  # noqa: E402
import kill9  # noqa: E402
from support.processes import PATIENCE_S, eventually  # noqa: E402
from support.servers import Purgeway, Redis  # noqa: E402

KILLS = int(os.environ.get("PGW_KILLS", "200"))


@pytest.mark.lengthy
@pytest.mark.parametrize("layout, rebounds, share", [("beside", "-", 0.6), ("apart", "200", 0.4)])
def test_nothing_is_lost(layout, rebounds, share):
    options = kill9.arguments(["--layout", layout, "--rebounds", rebounds,
                               "--kills", str(round(KILLS * share))])
    summary, findings = kill9.run(options)
    print(summary)
    assert {name: found[:5] for name, found in findings.items() if found} == {}, summary
    assert summary["kills"] >= options.kills
    assert summary["acknowledged"] > 5 * options.kills
    assert summary["taken_over"] > 0 or options.kills < 20


@pytest.mark.parametrize("damage", sorted(kill9.DAMAGE))
def test_checker_finds_damage(damage, monkeypatch):
    monkeypatch.setattr(account, "QUIET_S", 8)
    options = kill9.arguments(["--kills", "2", "--break", damage, "--no-steps"])
    summary, _ = kill9.run(options)
    assert summary[kill9.DAMAGE[damage][1]] > 0, summary


@pytest.mark.skipif(not kill9.has_failpoints(), reason="built without -DPGW_FAILPOINTS=ON")
@pytest.mark.parametrize("layout", ["beside", "apart"])
@pytest.mark.parametrize("step", [*kill9.WORKER_STEPS, *kill9.GATEWAY_STEPS])
def test_killed_at_the_step(step, layout):
    """Every job that was acknowledged ends, and its key is gone, wherever it broke."""
    with Redis() as redis:
        settings = {"broker_url": redis.url(), "worker_idle_ms": 500, "worker_beat_ms": 100,
                    "threads": 1}
        if layout == "apart":
            settings.update(results_url=redis.url(db=2), target_url=redis.url(db=1))
        target = redis.client(db=0 if layout == "beside" else 1)
        armed = {"PURGEWAY_FAILPOINT": f"{step}:7"}
        dying = {"env": armed, "allow_codes": (0, -signal.SIGKILL)}
        at_gateway = step in kill9.GATEWAY_STEPS
        with Purgeway("gateway", **settings, **(dying if at_gateway else {})) as gateway, \
                Purgeway("worker", **settings, **({} if at_gateway else dying)) as worker:
            victim = gateway if at_gateway else worker
            target.mset({f"k{i}": 1 for i in range(50)})
            acknowledged = {}
            for i in range(50):
                try:
                    answer = gateway.api.purge(f"k{i}")
                    assert answer.status == 202
                    acknowledged[f"k{i}"] = answer.json["job_id"]
                except OSError:
                    break
            assert victim.wait() == -signal.SIGKILL
            victim.env.clear()
            victim.start()
            for job_id in acknowledged.values():
                job = gateway.api.finished(job_id)
                assert job["status"] == "succeeded"
                assert job["result"]["removed"] + job["result"]["missing"] == 1
            assert target.exists(*acknowledged) == 0
            eventually(lambda: redis.client().xpending(
                "purgeway:{main}:high", "purgeway")["pending"] == 0)
            found = account.records(type("Served", (), {"gateways": [gateway]}))
            assert all(found[job_id] == ["succeeded"] for job_id in acknowledged.values())


WALKS = [("sweep.slice", 7), ("sweep.saved", 1), ("tags.claimed", 1), ("tags.slice", 7),
         ("tags.walked", 1), ("tags.saved", 1), ("effect.after", 2), ("settle.after", 1)]


@pytest.mark.skipif(not kill9.has_failpoints(), reason="built without -DPGW_FAILPOINTS=ON")
@pytest.mark.parametrize("step, passes", WALKS)
def test_walk_killed_at_the_step(step, passes):
    """A job with patterns and tags ends wherever it broke, and everything it names is gone."""
    with Redis() as redis:
        cache = redis.client()
        for stem in ("by:pattern", "by:tag", "by:both"):
            keys = [f"{stem}:{i}" for i in range(20_000)]
            pipeline = cache.pipeline(transaction=False)
            for start in range(0, len(keys), 1000):
                pipeline.mset({key: 1 for key in keys[start:start + 1000]})
                if stem != "by:pattern":
                    pipeline.sadd("purgeway:tag:{t}", *keys[start:start + 1000])
            pipeline.execute()
        cache.set("left", 1)
        settings = {"broker_url": redis.url(), "worker_idle_ms": 500, "worker_beat_ms": 100,
                    "threads": 1, "sweep_share": 5 if step.endswith("saved") else 100}
        with Purgeway("gateway", **settings) as gateway, \
                Purgeway("worker", env={"PURGEWAY_FAILPOINT": f"{step}:{passes}"},
                         allow_codes=(0, -signal.SIGKILL), **settings) as worker:
            answer = gateway.api.post("/v1/invalidations", {
                "keys": ["named"], "patterns": ["by:pattern:*", "by:both:*"], "tags": ["t", "u"],
                "rebounds_ms": [100]})
            assert answer.status == 202
            assert worker.wait(3 * PATIENCE_S) == -signal.SIGKILL
            worker.env.clear()
            worker.settings["sweep_share"] = 100
            worker.start()
            job = gateway.api.finished(answer.json["job_id"])
            assert job["status"] == "succeeded"
            assert not list(cache.scan_iter("by:*", count=1000))
            assert cache.exists("left")
            eventually(lambda: not list(cache.scan_iter("purgeway:tag:*", count=1000)))
            eventually(lambda: redis.client().xpending(
                "purgeway:{main}:low", "purgeway")["pending"] == 0)
