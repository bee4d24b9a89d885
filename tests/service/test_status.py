"""GET /v1/jobs/{job_id}: what became of a job, at every moment of its life."""
import datetime
import string
import threading
import time

import pytest

from checks import is_accepted, is_job, is_problem
from support.processes import eventually
from support.servers import Purgeway, Redis


def moment(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(
        tzinfo=datetime.timezone.utc).timestamp()


@pytest.fixture(scope="module")
def waiting():
    """A gateway without any worker: what it accepts stays queued."""
    with Redis() as redis, Purgeway("gateway", broker_url=redis.url()) as server:
        yield server, redis


def test_queued_while_no_worker_runs(waiting):
    server, _ = waiting
    job = is_accepted(server.api.purge("a", priority="low"))
    answer = server.api.job(job["job_id"])
    assert answer.status == 200
    assert is_job(answer.json) == job
    assert answer.json["status"] == "queued" and answer.json["attempts"] == 0
    assert not {"started_at", "finished_at", "result", "error"} & set(answer.json)
    assert answer.headers["cache-control"] == "no-cache"


def test_waiting_job_costs_its_stream_entry_only(waiting):
    server, redis = waiting
    client = redis.client()
    before = set(client.keys("*"))
    length = sum(client.xlen(key) for key in before)
    for i in range(50):
        is_accepted(server.api.purge(f"k{i}"))
    after = set(client.keys("*"))
    assert {client.type(key) for key in after} == {b"stream"}
    assert after <= before | {b"purgeway:{main}:high"}
    assert sum(client.xlen(key) for key in after) == length + 50


def test_running_while_the_target_does_not_answer(make):
    redis, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=redis.url(), target_url=target.url(),
                  target_timeout_ms=60000)
    target.client().set("a", 1)
    target.pause()
    job = is_accepted(server.api.purge("a"))
    running = eventually(lambda: job_in_state(server, job, "running"))
    assert running["attempts"] == 1
    assert "result" not in running and "finished_at" not in running
    assert server.api.job(job["job_id"]).headers["cache-control"] == "no-cache"
    target.resume()
    ended = server.api.finished(job["job_id"])
    assert ended["status"] == "succeeded" and ended["attempts"] == 1
    assert not target.client().exists("a")


def job_in_state(server, job, state):
    found = server.api.job(job["job_id"]).json
    return found if found["status"] == state else None


def test_succeeded_with_exact_counts(api, cache, unique):
    present, absent = [unique() for _ in range(7)], [unique() for _ in range(5)]
    cache.mset({key: 1 for key in present})
    before = time.time()
    job = is_accepted(api.purge(*present, *absent))
    ended = is_job(api.finished(job["job_id"]))
    assert ended["status"] == "succeeded" and ended["attempts"] == 1
    counts = {"requested": 12, "removed": 7, "missing": 5}
    assert {name: ended["result"][name] for name in counts} == counts
    assert ended["result"]["matched"] == 7
    assert ended["result"]["targets"] == [{"target": "default", "status": "succeeded", **counts}]
    assert "error" not in ended
    times = [moment(ended[name]) for name in ("accepted_at", "started_at", "finished_at")]
    assert times == sorted(times)
    assert before - 1 <= times[0] and times[2] <= time.time() + 1
    assert ended["accepted_at"] == job["accepted_at"]


def test_nothing_to_remove_is_no_error(api, unique):
    job = is_accepted(api.purge(unique()))
    ended = api.finished(job["job_id"])
    assert ended["status"] == "succeeded"
    assert ended["result"]["removed"] == 0 and ended["result"]["missing"] == 1


def test_purging_twice_does_no_harm(api, cache, unique):
    key = unique()
    cache.set(key, 1)
    removed = [api.purge(key, prefer="wait=10").json["result"]["removed"] for _ in range(2)]
    assert removed == [1, 0]


def test_etag_and_304(api, unique):
    job_id = is_accepted(api.purge(unique()))["job_id"]
    api.finished(job_id)
    first = api.job(job_id)
    etag = first.headers["etag"]
    assert etag.strip('W/').startswith('"')
    for known in (etag, f'"x", {etag}', "*", "W/" + etag.removeprefix("W/")):
        again = api.job(job_id, if_none_match=known)
        assert again.status == 304 and again.body == b""
        assert again.headers["etag"] == etag
    assert api.job(job_id, if_none_match='"other"').status == 200


def test_etag_changes_with_the_state(make):
    redis = make(Redis)
    gateway = make(Purgeway, "gateway", broker_url=redis.url())
    job_id = is_accepted(gateway.api.purge("a"))["job_id"]
    queued = gateway.api.job(job_id).headers["etag"]
    assert gateway.api.job(job_id, if_none_match=queued).status == 304
    make(Purgeway, "worker", broker_url=redis.url())
    gateway.api.finished(job_id)
    assert gateway.api.job(job_id, if_none_match=queued).status == 200


def test_wait_on_get_answers_when_the_job_ends(make):
    redis = make(Redis)
    gateway = make(Purgeway, "gateway", broker_url=redis.url())
    job_id = is_accepted(gateway.api.purge("a"))["job_id"]
    answers = []
    waiters = [threading.Thread(target=lambda: answers.append(gateway.api.job(job_id, "?wait=30"))),
               threading.Thread(target=lambda: answers.append(
                   gateway.api.job(job_id, prefer="wait=30")))]
    for waiter in waiters:
        waiter.start()
    assert not answers
    make(Purgeway, "worker", broker_url=redis.url())
    for waiter in waiters:
        waiter.join(60)
    assert [answer.json["status"] for answer in answers] == ["succeeded"] * 2
    assert "wait=30" in [answer.headers.get("preference-applied") for answer in answers]


def test_wait_ends_when_patience_does(waiting):
    server, _ = waiting
    began = time.monotonic()
    job = is_accepted(server.api.purge("a", prefer="wait=1"))
    assert time.monotonic() - began >= 0.9
    assert job["status"] == "queued"
    began = time.monotonic()
    answer = server.api.job(job["job_id"], "?wait=1")
    assert answer.status == 200 and answer.json["status"] == "queued"
    assert time.monotonic() - began >= 0.9


def test_wait_zero_does_not_wait(waiting):
    server, _ = waiting
    assert is_accepted(server.api.purge("a", prefer="wait=0"))["status"] == "queued"


def test_client_that_leaves_while_waiting_does_no_harm(waiting):
    server, _ = waiting
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    for _ in range(20):
        connection = server.api.connect()
        connection.request("GET", f"/v1/jobs/{job_id}?wait=30")
        connection.close()
    assert server.api.job(job_id).status == 200


def bodies_alike(answer):
    problem = is_problem(answer, 404)
    return {name: value for name, value in problem.items() if name not in ("request_id", "instance")}


def test_unknown_and_tampered_ids_are_the_same_404(waiting):
    server, _ = waiting
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    alphabet = string.ascii_letters + string.digits + "-_"
    tampered = {job_id[:at] + alphabet[(alphabet.index(job_id[at]) + step) % 64] + job_id[at + 1:]
                for at in range(len(job_id)) for step in (1, 32)}
    others = {"x", "0", "unknown", job_id + "A", job_id[:-1], job_id[1:], job_id.swapcase(),
              "A" * len(job_id), "_" * len(job_id), "a" * 64, job_id + "%00", "%2e%2e"} - {job_id}
    known = bodies_alike(server.api.job("A" * len(job_id)))
    for other in sorted(tampered | others):
        assert bodies_alike(server.api.job(other)) == known, other
    assert server.api.job(job_id).status == 200


def test_ids_of_jobs_that_ended_cannot_be_guessed_either(api, unique):
    job_id = is_accepted(api.purge(unique()))["job_id"]
    api.finished(job_id)
    is_problem(api.job(job_id[:-2] + ("AA" if job_id[-2:] != "AA" else "QQ")), 404)


def test_ids_differ_for_equal_requests(waiting):
    server, _ = waiting
    assert len({is_accepted(server.api.purge("same"))["job_id"] for _ in range(50)}) == 50


def test_queues_tell_what_waits(beside):
    server, _ = beside("gateway")
    for priority, count in (("high", 3), ("low", 2)):
        for i in range(count):
            is_accepted(server.api.purge(f"k{i}", priority=priority))

    def counted():
        answer = server.api.get("/v1/queues")
        assert answer.status == 200
        queue, = answer.json["queues"]
        assert queue["name"] == "main"
        lanes = {lane["priority"]: lane for lane in queue["lanes"]}
        return {name: lane["waiting"] for name, lane in lanes.items()} == {
            "high": 3, "normal": 0, "low": 2} and lanes
    lanes = eventually(counted)
    assert all(lane["running"] == 0 for lane in lanes.values())
    assert eventually(lambda: server.api.get("/v1/queues").json["queues"][0]["lanes"][0]
                      ["oldest_age_ms"] > 0)
