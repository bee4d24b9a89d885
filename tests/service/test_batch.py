"""Many invalidations in one call, and jobs that are put off."""
import time
from datetime import datetime, timedelta, timezone

import httpx
import pytest

from checks import is_accepted, is_job
from support.processes import eventually
from support.servers import Purgeway, Redis


def batch(api, *invalidations):
    return api.post("/v1/invalidations/batch", {"invalidations": list(invalidations)})


def test_each_is_answered_by_itself(api, cache, unique):
    keys = [unique() for _ in range(3)]
    cache.mset({key: 1 for key in keys})
    answer = batch(api, {"keys": [keys[0]]}, {"keys": []}, {"keys": [keys[1]], "mode": "odd"},
                   {"patterns": [f"{keys[2]}*"]}, {"keys": ["purgeway:x"]})
    assert answer.status == 200
    assert (answer.json["accepted"], answer.json["refused"]) == (2, 3)
    assert [item["status"] for item in answer.json["items"]] == [202, 422, 422, 202, 422]
    problem = answer.json["items"][2]["problem"]
    assert problem["code"] == "invalid_request" and problem["errors"][0]["pointer"] == "#/mode"
    for item in (answer.json["items"][0], answer.json["items"][3]):
        assert api.finished(item["job_id"])["result"]["removed"] == 1
    assert cache.exists(*keys) == 1


def test_group_is_asked_after(api, unique):
    answer = batch(api, *({"keys": [unique()]} for _ in range(100)))
    assert answer.json["accepted"] == 100
    path = f"/v1/groups/{answer.json['group_id']}"
    eventually(lambda: api.get(path).json["status"] == "succeeded")
    group = api.get(path).json
    assert group["total"] == group["succeeded"] == len(group["jobs"]) == 100
    assert {job["job_id"] for job in group["jobs"]} == \
        {item["job_id"] for item in answer.json["items"]}


def test_group_of_jobs_that_wait(make):
    broker = make(Redis)
    server = make(Purgeway, "gateway", broker_url=broker.url(), broker_durability="memory")
    group = batch(server.api, {"keys": ["a"]}, {"keys": ["b"], "delay_ms": 60000}).json["group_id"]
    seen = server.api.get(f"/v1/groups/{group}").json
    assert seen["status"] == "running" and seen["pending"] == 2
    assert {job["status"] for job in seen["jobs"]} == {"queued", "scheduled"}


def test_group_has_not_succeeded_because_nobody_knows(make):
    """Neither of what failed, nor of what succeeded, once its result is gone."""
    broker = make(Redis)
    server = make(Purgeway, "gateway", broker_url=broker.url(), broker_durability="memory",
                  results_ttl_s=1)
    answer = batch(server.api, {"keys": ["a"]}, {"keys": ["b"]}).json
    path = f"/v1/groups/{answer['group_id']}"
    for item in answer["items"]:
        assert server.api.post(f"/v1/jobs/{item['job_id']}/cancel").status == 200
    assert server.api.get(path).json["status"] == "failed"
    eventually(lambda: server.api.get(path).json["unknown"] == 2)
    group = server.api.get(path).json
    assert group["status"] == "unknown" and group["failed"] == group["succeeded"] == 0


def test_batch_without_any_that_is_right(api):
    answer = batch(api, {"keys": []}, {})
    assert answer.status == 200 and answer.json["refused"] == 2 and "group_id" not in answer.json


@pytest.mark.parametrize("body", [{}, {"invalidations": []}, {"invalidations": [5]},
                                  {"invalidations": [{}] * 101}, {"invalidations": {}}])
def test_batches_that_are_none(api, body):
    assert api.post("/v1/invalidations/batch", body).status == 422


def test_unknown_group(api):
    assert api.get("/v1/groups/" + "a" * 22).status == 404
    assert api.get("/v1/groups/short").status == 422
    assert api.get("/v1/groups/" + "*" * 22).status == 404


def test_broker_that_is_down_refuses_each(make):
    broker = make(Redis)
    server = make(Purgeway, "gateway", broker_url=broker.url(), broker_durability="memory")
    broker.kill9()
    eventually(lambda: server.api.purge("k").status == 503)
    answer = batch(server.api, {"keys": ["a"]}, {"keys": ["b"]})
    assert [item["status"] for item in answer.json["items"]] == [503, 503]


# ---- put off ----


def test_job_waits_for_its_time(api, cache, unique):
    key = unique()
    cache.set(key, 1)
    began = time.time()
    answer = api.purge(key, delay_ms=800)
    job = is_accepted(answer)
    assert job["status"] == "scheduled"
    seen = api.job(job["job_id"]).json
    is_job(seen)
    assert seen["status"] == "scheduled" and seen["scheduled_for"] > seen["accepted_at"]
    assert cache.exists(key)
    eventually(lambda: api.job(job["job_id"]).json["status"] == "succeeded")
    assert time.time() - began >= 0.8
    assert not cache.exists(key) and api.job(job["job_id"]).json["result"]["removed"] == 1


def test_job_for_a_time(api, cache, unique):
    key = unique()
    cache.set(key, 1)
    at = datetime.now(timezone(timedelta(hours=2))) + timedelta(seconds=1)
    job = is_accepted(api.purge(key, not_before=at.isoformat(timespec="milliseconds")))
    assert job["status"] == "scheduled"
    eventually(lambda: not cache.exists(key))
    assert datetime.now(timezone.utc) >= at
    past = is_accepted(api.purge(key, not_before="2020-02-29T00:00:00Z"))
    assert past["status"] == "queued"


def test_put_off_patterns_and_modes(api, cache, unique):
    stem = unique()
    cache.mset({f"{stem}:{i}": 1 for i in range(5)})
    job = is_accepted(api.post("/v1/invalidations", {
        "patterns": [f"{stem}:*"], "delay_ms": 300, "mode": "soft", "soft_ttl_ms": 60000,
        "priority": "high"}))
    done = api.finished(job["job_id"])
    assert done["status"] == "succeeded" and done["result"]["removed"] == 5
    assert 0 < cache.pttl(f"{stem}:0") <= 60000


@pytest.mark.parametrize("body, pointer", [
    ({"delay_ms": 0}, "#/delay_ms"), ({"delay_ms": 2592000001}, "#/delay_ms"),
    ({"delay_ms": 5, "not_before": "2026-01-01T00:00:00Z"}, "#/delay_ms"),
    ({"not_before": "tomorrow"}, "#/not_before"), ({"not_before": "2026-02-30T00:00:00Z"},
                                                   "#/not_before"),
    ({"not_before": "2126-01-01T00:00:00Z"}, "#/not_before")])
def test_times_that_make_no_sense(api, body, pointer):
    answer = api.purge("k", **body)
    assert answer.status == 422 and pointer in [e["pointer"] for e in answer.json["errors"]]


def test_put_off_survives_everything(make):
    """The broker restarts, the worker comes late: the job is done all the same, once."""
    broker = make(Redis)
    settings = {"broker_url": broker.url(), "results_ttl_s": 60}
    gateway = make(Purgeway, "gateway", **settings)
    broker.client().set("k", 1)
    job = is_accepted(gateway.api.purge("k", delay_ms=300))
    broker.kill9()
    broker.start()
    eventually(lambda: gateway.api.job(job["job_id"]).status == 200)
    time.sleep(0.4)
    assert gateway.api.job(job["job_id"]).json["status"] == "scheduled"
    worker = make(Purgeway, "worker", **settings)
    assert gateway.api.finished(job["job_id"])["status"] == "succeeded"
    eventually(lambda: not broker.client().hlen("purgeway:{main}:later"))
    assert worker.is_alive() and not broker.client().exists("k")


def test_put_off_job_is_taken_over(make):
    broker, cache = make(Redis), make(Redis)
    settings = {"broker_url": broker.url(), "broker_durability": "memory", "worker_idle_ms": 500,
                "worker_beat_ms": 100, "target_url": cache.url(), "target_timeout_ms": 300}
    gateway = make(Purgeway, "gateway", **settings)
    cache.kill9()
    first = make(Purgeway, "worker", allow_codes=(0, -9), wait=False, **settings)
    job = is_accepted(gateway.api.purge("k", delay_ms=100))
    eventually(lambda: gateway.api.job(job["job_id"]).json["status"] == "running")
    first.kill9()
    cache.start()
    make(Purgeway, "worker", **settings)
    done = gateway.api.finished(job["job_id"])
    assert done["status"] == "succeeded" and done["attempts"] >= 2


def test_client_that_left_before_its_batch_was_claimed(make, unique):
    """HTTP/2 lets a request go while its connection stays; a repeat finds nothing half done."""
    broker = make(Redis)
    server = make(Purgeway, "gateway", broker_url=broker.url(), broker_timeout_ms=30000)
    headers = {"Idempotency-Key": unique()}
    body = {"invalidations": [{"keys": [unique()]}, {"patterns": ["abc*"]}, {"keys": []}]}
    broker.stand_still()
    with httpx.Client(http1=False, http2=True) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(server.url + "/v1/invalidations/batch", json=body, headers=headers, timeout=1)
    broker.resume()
    answer = server.api.post("/v1/invalidations/batch", body, **headers)
    assert [item["status"] for item in answer.json["items"]] == [202, 202, 422]
    assert answer.headers["idempotency-replayed"] == "true"
