"""Idempotency-Key: a request that is sent again is the same job, whatever happened between."""
import concurrent.futures
import json
import re
import threading
import uuid
from datetime import datetime, timedelta, timezone

import pytest

from checks import is_accepted, is_problem, is_unavailable, pointers
from support.client import Raw
from support.processes import eventually
from support.servers import Purgeway, Redis
from support.topologies import Sentinels

HIGH, ONCE = "purgeway:{main}:high", "purgeway:{main}:once"


def keyed(api, key, *keys, **members):
    return api.purge(*keys, headers={"Idempotency-Key": key}, **members)


def is_replayed(answer):
    return answer.headers["idempotency-replayed"] == "true"


def is_first(answer):
    assert answer.headers["idempotency-replayed"] is None
    return is_accepted(answer)


@pytest.fixture
def name():
    """A key that no other test uses."""
    return str(uuid.uuid4())


@pytest.fixture
def gateway(make):
    """gateway(broker, **settings): nobody works there, so the queue shows what was put."""
    def start(broker, **settings):
        return make(Purgeway, "gateway", broker_url=broker.url(),
                    **{"broker_durability": "memory", **settings})
    return start


# ---- the same job ----


def test_repeat_is_the_same_job(api, cache, unique, name):
    key = unique()
    cache.set(key, 1)
    job = is_first(keyed(api, name, key))
    done = api.finished(job["job_id"])
    cache.set(key, 1)
    again = keyed(api, name, key)
    assert is_replayed(again)
    assert is_accepted(again) == api.job(job["job_id"]).json
    assert again.json["status"] == "succeeded" and again.json["result"] == done["result"]


def test_repeat_does_nothing_again(api, cache, unique, name):
    key = unique()
    cache.set(key, 1)
    job = is_first(keyed(api, name, key, rebounds_ms=[]))
    assert api.finished(job["job_id"])["result"]["removed"] == 1
    cache.set(key, 2)
    answer = keyed(api, name, key, rebounds_ms=[], prefer="wait=10")
    assert answer.status == 200 and is_replayed(answer)
    assert answer.headers["preference-applied"] == "wait=10"
    assert answer.json["job_id"] == job["job_id"]
    assert cache.get(key) == b"2"


def test_repeat_may_wait_where_the_first_did_not(gateway, make, name):
    broker = make(Redis)
    server = gateway(broker)
    broker.client().set("k", 1)
    job = is_first(keyed(server.api, name, "k"))
    assert is_accepted(keyed(server.api, name, "k"))["status"] == "queued"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(keyed, server.api, name, "k", prefer="wait=20")
        make(Purgeway, "worker", broker_url=broker.url(), broker_durability="memory")
        answer = waiting.result()
    assert answer.status == 200 and is_replayed(answer) and answer.json["job_id"] == job["job_id"]


@pytest.mark.parametrize("form", ["quoted", "bare"])
def test_quotes_are_no_part_of_a_key(api, unique, name, form):
    key = unique()
    job = is_first(keyed(api, f'"{name}"' if form == "quoted" else name, key))
    again = keyed(api, name if form == "quoted" else f'"{name}"', key)
    assert is_replayed(again) and again.json["job_id"] == job["job_id"]


def test_body_is_compared_by_what_it_says(api, unique, name):
    key = unique()
    headers = {"Idempotency-Key": name, "Content-Type": "application/json"}
    first = api.request("POST", "/v1/invalidations",
                        json.dumps({"keys": [key], "priority": "low"}).encode(), headers)
    again = api.request("POST", "/v1/invalidations",
                        f'{{ "priority":"low",\n"keys":["{key}"] }}'.encode(), headers)
    form = api.request("POST", "/v1/invalidations", f"key={key}&priority=low".encode(),
                       {**headers, "Content-Type": "application/x-www-form-urlencoded"})
    assert first.json["job_id"] == again.json["job_id"] == form.json["job_id"]
    assert is_replayed(again) and is_replayed(form) and form.json["priority"] == "low"


def test_purge_with_surrogate_keys(api, unique, name):
    def purge(*tags):
        return api.request("PURGE", "/", headers={"Surrogate-Key": " ".join(tags),
                                                  "Idempotency-Key": name})
    tag = unique()
    job = is_first(purge(tag))
    assert is_replayed(purge(tag)) and purge(tag).json["job_id"] == job["job_id"]
    is_problem(purge(tag, "more"), 422, "idempotency_key_reused")


def test_event(api, unique, name):
    def say(uri):
        return api.post("/v1/events", {"type": "uri", "selectors": [uri]}, idempotency_key=name)
    uri = f"https://example.com/{unique()}"
    job = is_first(say(uri))
    again = say(uri)
    assert is_replayed(again) and again.json["job_id"] == job["job_id"]
    is_problem(say(uri + "/x"), 422, "idempotency_key_reused")


@pytest.mark.parametrize("change", [
    {"keys": ["other"]}, {"keys": ["k", "k2"]}, {"reason": "why"}, {"priority": "low"},
    {"dry_run": True}, {"delay_ms": 60000}])
def test_another_request_with_the_key_is_refused(api, name, change):
    body = {"keys": ["k"]}
    job = is_first(api.post("/v1/invalidations", body, idempotency_key=name))
    problem = is_problem(api.post("/v1/invalidations", {**body, **change}, idempotency_key=name),
                         422, "idempotency_key_reused")
    assert "errors" not in problem
    again = api.post("/v1/invalidations", body, idempotency_key=name)
    assert is_replayed(again) and again.json["job_id"] == job["job_id"]


def test_another_operation_with_the_key_is_refused(api, unique, name):
    uri = f"https://example.com/{unique()}"
    is_first(keyed(api, name, uri))
    is_problem(api.post("/v1/events", {"type": "uri", "selectors": [uri]}, idempotency_key=name),
               422, "idempotency_key_reused")
    is_problem(api.post("/v1/invalidations/batch", {"invalidations": [{"keys": [uri]}]},
                        idempotency_key=name), 422, "idempotency_key_reused")


def test_refused_request_does_not_use_its_key_up(api, unique, name):
    is_problem(keyed(api, name), 422, "invalid_request")
    is_first(keyed(api, name, unique()))


def test_job_that_is_put_off(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker)
    job = is_first(keyed(server.api, name, "k", delay_ms=60000))
    again = keyed(server.api, name, "k", delay_ms=60000)
    assert is_replayed(again) and again.json["job_id"] == job["job_id"]
    assert again.json["status"] == "scheduled" and "scheduled_for" in again.json
    assert broker.client().zcard("purgeway:{main}:scheduled") == 1
    is_problem(keyed(server.api, name, "k"), 422, "idempotency_key_reused")


def test_job_that_was_put_off_is_done_once(api, cache, unique, name):
    key = unique()
    cache.set(key, 1)
    job = is_first(keyed(api, name, key, delay_ms=300))
    assert api.finished(job["job_id"])["result"]["removed"] == 1
    again = keyed(api, name, key, delay_ms=300)
    assert is_replayed(again) and again.json["status"] == "succeeded"
    assert again.json["job_id"] == job["job_id"]


def test_time_that_has_come_meanwhile(api, unique, name):
    """A repeat is the same job although the same body now means `at once`."""
    key = unique()
    at = (datetime.now(timezone.utc) + timedelta(milliseconds=500)).isoformat()
    job = is_first(keyed(api, name, key, not_before=at))
    assert job["status"] == "scheduled"
    api.finished(job["job_id"])
    again = keyed(api, name, key, not_before=at)
    assert is_replayed(again) and again.json["job_id"] == job["job_id"]


# ---- a batch ----


def batch(api, name, *invalidations):
    return api.post("/v1/invalidations/batch", {"invalidations": list(invalidations)},
                    idempotency_key=name)


def test_batch_is_the_same_group(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker)
    items = [{"keys": ["a"]}, {"keys": []}, {"keys": ["a"]}, {"keys": ["b"], "delay_ms": 60000}]
    first, again = batch(server.api, name, *items), batch(server.api, name, *items)
    assert first.status == again.status == 200
    assert first.headers["idempotency-replayed"] is None and is_replayed(again)
    for member in ("group_id", "accepted", "refused"):
        assert first.json[member] == again.json[member]
    ids = [item.get("job_id") for item in first.json["items"]]
    assert ids == [item.get("job_id") for item in again.json["items"]]
    assert len(set(ids)) == 4 and first.json["accepted"] == 3
    assert broker.client().xlen(HIGH) == 2
    group = server.api.get(f"/v1/groups/{first.json['group_id']}").json
    assert group["total"] == 3


def test_another_batch_with_the_key_is_refused_whole(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker)
    assert batch(server.api, name, {"keys": ["a"]}).status == 200
    is_problem(batch(server.api, name, {"keys": ["a"]}, {"keys": ["b"]}), 422,
               "idempotency_key_reused")
    assert broker.client().xlen(HIGH) == 1


def test_batch_without_any_that_is_right(api, name):
    first, again = batch(api, name, {}), batch(api, name, {})
    assert first.status == again.status == 200 and again.json["refused"] == 1


def test_batch_that_was_kept_in_part_is_completed(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker)
    items = [{"keys": [f"k{i}"]} for i in range(5)]
    first = batch(server.api, name, *items)
    # As if the gateway had died between the items.
    client = broker.client()
    records = {key: client.get(key) for key in client.keys(ONCE + ":*")}
    lost = next(key for key, record in records.items()
                if first.json["group_id"].encode() not in record)
    entry = records[lost].split()[-1]
    client.delete(lost)
    client.xdel(HIGH, entry)
    again = batch(server.api, name, *items)
    same = [a["job_id"] == b["job_id"] for a, b in zip(first.json["items"], again.json["items"])]
    assert sorted(same) == [False, True, True, True, True] and client.xlen(HIGH) == 5


@pytest.fixture
def nearly_full(make, gateway):
    """A gateway that takes keys but no patterns any more, and what was taken with `name` before."""
    def start(first):
        server = gateway(make(Redis), queue_depth=100)
        answer = first(server)
        for _ in range(80):
            is_accepted(server.api.purge("more"))
        eventually(lambda: server.api.purge(patterns=["more*"]).status == 503)
        return server, answer
    return start


def test_repeat_is_answered_where_there_is_no_room(nearly_full, name):
    server, first = nearly_full(lambda server: keyed(server.api, name, patterns=["abc*"]))
    again = keyed(server.api, name, patterns=["abc*"])
    assert is_replayed(again) and is_accepted(again)["job_id"] == is_first(first)["job_id"]
    is_problem(keyed(server.api, name, patterns=["other*"]), 422, "idempotency_key_reused")
    problem = is_unavailable(keyed(server.api, str(uuid.uuid4()), patterns=["abc*"]), "queue_full")
    assert "of 100 jobs" in problem["detail"]
    assert is_first(keyed(server.api, str(uuid.uuid4()), "room for keys"))


def test_batch_that_is_repeated_where_there_is_no_room_keeps_its_jobs(nearly_full, name):
    items = [{"patterns": ["abc*"]}, {"keys": ["a"]}]
    server, first = nearly_full(lambda server: batch(server.api, name, *items))
    again = batch(server.api, name, *items)
    assert [item["job_id"] for item in again.json["items"]] == \
        [item["job_id"] for item in first.json["items"]]
    fresh = batch(server.api, str(uuid.uuid4()), *items).json["items"]
    assert [item["status"] for item in fresh] == [503, 202]
    assert "of 100 jobs" in fresh[0]["problem"]["detail"]
    assert server.api.get(f"/v1/groups/{first.json['group_id']}").json["total"] == 2


def test_repeat_takes_no_job_out_of_its_group(make, gateway, name):
    """Whatever of it cannot be confirmed just now."""
    broker = make(Redis)
    server = gateway(broker)
    items = [{"keys": ["a"]}, {"keys": ["b"]}]
    first = batch(server.api, name, *items)
    group = f"/v1/groups/{first.json['group_id']}"
    client = broker.client()
    records = client.keys(ONCE + ":*")
    spoiled = next(key for key in records if first.json["group_id"].encode() not in client.get(key))
    client.set(spoiled, b"another's", keepttl=True)
    assert batch(server.api, name, *items).json["accepted"] == 1
    assert server.api.get(group).json["total"] == 2
    assert {job["job_id"] for job in server.api.get(group).json["jobs"]} == \
        {item["job_id"] for item in first.json["items"]}


def test_batch_while_the_broker_is_down(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker)
    broker.kill9()
    eventually(lambda: server.api.purge("k").status == 503)
    answer = batch(server.api, name, {"keys": ["a"]})
    assert is_problem(answer, 503) and answer.headers["retry-after"]
    broker.start()
    eventually(lambda: batch(server.api, name, {"keys": ["a"]}).status == 200)


# ---- headers that are none ----


@pytest.mark.parametrize("header", [
    "", '""', '"', '"a', 'a"', "a b", "a,b", "a;b", '"a";b=1', '"a", "b"', '"\\a"', "k" * 256,
    '"' + "k" * 256 + '"', "é", '"é"', "a\tb"])
@pytest.mark.parametrize("path", ["/v1/invalidations", "/v1/invalidations/batch", "/v1/events"])
def test_header_that_is_none_is_refused(api, path, header):
    body = {"/v1/invalidations": {"keys": ["k"]},
            "/v1/invalidations/batch": {"invalidations": [{"keys": ["k"]}]},
            "/v1/events": {"type": "uri", "selectors": ["https://example.com/"]}}[path]
    answer = api.post(path, body, idempotency_key=header.encode())
    problem = is_problem(answer, 422, "invalid_request")
    assert pointers(problem) == {"#/header/Idempotency-Key"}


def test_header_and_body_are_told_together(api):
    problem = is_problem(keyed(api, "a b"), 422, "invalid_request")
    assert pointers(problem) == {"#/header/Idempotency-Key", "#"}


@pytest.mark.parametrize("path, body", [
    ("/v1/invalidations", {"keys": ["k"]}), ("/v1/invalidations/batch", {"invalidations": [{}]}),
    ("/v1/events", {"type": "uri", "selectors": ["https://example.com/"]})])
def test_two_headers_are_refused(purgeway, path, body):
    data = json.dumps(body)
    with Raw(purgeway.port) as raw:
        raw.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 "Idempotency-Key: one\r\nIdempotency-Key: one\r\n"
                 f"Content-Length: {len(data)}\r\n\r\n{data}".encode())
        problem = is_problem(raw.answer(), 422, "invalid_request")
    assert pointers(problem) == {"#/header/Idempotency-Key"}


def test_contract_that_lets_more_pass(make, api, name):
    """The contract is the operator's to change; a key is what it is."""
    text = api.get("/openapi.yaml").body.decode()
    loose = re.sub(r"\n      pattern: '\^\(\"\(.*\n", "\n", text)
    assert loose != text
    directory = make(Redis, start=False).directory
    path = f"{directory}/loose.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(loose)
    server = make(Purgeway, contract=path)
    problem = is_problem(keyed(server.api, "a b", "k"), 422, "invalid_request")
    assert pointers(problem) == {"#/header/Idempotency-Key"}
    is_first(keyed(server.api, name, "k"))


@pytest.mark.parametrize("header", ["k" * 255, '"' + "k" * 255 + '"', '"' + '\\"' * 255 + '"',
                                    '"with, spaces; and more"', "a/b:c=d+e_f.g-h"])
def test_longest_and_oddest_keys(api, header):
    assert keyed(api, header, "k").json["job_id"] == keyed(api, header, "k").json["job_id"]


def test_key_is_kept_as_a_hash_only(make, gateway):
    broker = make(Redis)
    server = gateway(broker)
    is_first(keyed(server.api, "s3cret-order", "k"))
    client = broker.client()
    for key in client.keys("*"):
        assert b"s3cret" not in key and b"s3cret" not in client.dump(key)
    (record,) = client.keys(ONCE + ":*")
    assert 86_390_000 < client.pttl(record) <= 86_400_000


# ---- at the same time, and after trouble ----


def test_fifty_at_once_over_several_gateways_are_one_job(make, gateway, name):
    broker = make(Redis)
    servers = [gateway(broker) for _ in range(3)]
    barrier = threading.Barrier(50)

    def send(i):
        barrier.wait()
        return keyed(servers[i % 3].api, name, "k")

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    jobs = {is_accepted(answer)["job_id"] for answer in answers}
    assert len(jobs) == 1
    assert sum(not answer.headers["idempotency-replayed"] for answer in answers) == 1
    assert broker.client().xlen(HIGH) == 1
    accepted = sum(server.api.metric("purgeway_jobs_accepted_total") for server in servers)
    repeated = sum(server.api.metric("purgeway_jobs_repeated_total") for server in servers)
    assert (accepted, repeated) == (1, 49)


def test_fifty_different_requests_at_once_with_one_key(make, gateway, name):
    broker = make(Redis)
    servers = [gateway(broker) for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda i: keyed(servers[i % 2].api, name, f"k{i}"), range(50)))
    assert sorted(answer.status for answer in answers) == [202] + [422] * 49
    assert broker.client().xlen(HIGH) == 1


REPLICATED = {"broker_durability": "replicated", "broker_replica_wait_ms": 300}


@pytest.fixture
def pair(make):
    """A master and its replica, in step."""
    master = make(Redis)
    replica = make(Redis.replica_of, master)
    eventually(lambda: replica.client().info("replication")["master_link_status"] == "up")
    return master, replica


@pytest.mark.parametrize("members", [{}, {"delay_ms": 60000}])
def test_gateway_killed_between_the_write_and_the_answer(gateway, pair, name, members):
    master, replica = pair
    settings = {**REPLICATED, "broker_replica_wait_ms": 20000}
    dying, other = gateway(master, **settings, allow_codes=(0, -9)), gateway(master, **settings)
    replica.pause()
    client = master.client()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        lost = pool.submit(keyed, dying.api, name, "k", **members)
        eventually(lambda: client.keys(ONCE + ":*"), what="the write")
        dying.kill9()
        assert isinstance(lost.exception(), OSError)
    replica.resume()
    again = keyed(other.api, name, "k", **members)
    assert is_replayed(again) and is_accepted(again)
    assert client.xlen(HIGH) + client.zcard("purgeway:{main}:scheduled") == 1
    dying.start()
    assert keyed(dying.api, name, "k", **members).json["job_id"] == again.json["job_id"]


@pytest.mark.parametrize("members", [{}, {"delay_ms": 60000}])
def test_repeat_is_not_confirmed_before_the_job_is(gateway, pair, name, members):
    """By another gateway too, whose own connection has written nothing yet."""
    master, replica = pair
    first, other = gateway(master, **REPLICATED), gateway(master, **REPLICATED)
    replica.pause()
    is_problem(keyed(first.api, name, "k", **members), 503, "store_too_few_replicas")
    for server in (other, first):
        is_problem(keyed(server.api, name, "k", **members), 503, "store_too_few_replicas")
    replica.resume()
    eventually(lambda: keyed(other.api, name, "k", **members).status == 202)
    assert is_replayed(keyed(first.api, name, "k", **members))
    client = master.client()
    assert client.xlen(HIGH) + client.zcard("purgeway:{main}:scheduled") == 1


def test_batch_is_not_confirmed_before_its_jobs_are(gateway, pair, name):
    master, replica = pair
    first, other = gateway(master, **REPLICATED), gateway(master, **REPLICATED)
    replica.pause()
    for server in (first, other):
        answer = batch(server.api, name, {"keys": ["a"]}, {"keys": ["b"]})
        assert [item["status"] for item in answer.json["items"]] == [503, 503]
    replica.resume()
    eventually(lambda: batch(other.api, name, {"keys": ["a"]}, {"keys": ["b"]})
               .json["accepted"] == 2)
    assert master.client().xlen(HIGH) == 2


def test_broker_restarts(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker, broker_durability="fsync")
    job = is_first(keyed(server.api, name, "k"))
    later = is_first(keyed(server.api, name + "-later", "k", delay_ms=60000))
    broker.kill9()
    broker.start()
    assert comes_to_accept(server, name) == job["job_id"]
    assert comes_to_accept(server, name + "-later", delay_ms=60000) == later["job_id"]
    eventually(lambda: server.api.job(later["job_id"]).json.get("status") == "scheduled")
    assert broker.client().xlen(HIGH) == 1


def test_broker_fails_over(make, name):
    sentinels = make(Sentinels)
    server = make(Purgeway, "gateway", broker_durability="replicated", broker_timeout_ms=1000,
                  broker_url=f"redis-sentinel://{sentinels.seeds()}/cache", wait=False)
    job = comes_to_accept(server, name)
    victim = sentinels.master()
    victim.kill9()
    eventually(lambda: sentinels.master() is not victim, what="the failover")
    # The old master has kept nothing; the heir needs a replica.
    make(Redis.replica_of, sentinels.master())
    assert comes_to_accept(server, name) == job
    assert sentinels.master().client().xlen(HIGH) == 1


def comes_to_accept(server, name, **members):
    """The id of the job, once the broker is there for the thread of the gateway that answers."""
    def try_it():
        answer = keyed(server.api, name, "k", **members)
        return answer.status == 202 and answer.json["job_id"]
    return eventually(try_it, what="an answer")


def test_broker_that_takes_no_writes_confirms_no_repeat(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker)
    is_first(keyed(server.api, name, "k"))
    broker.client().config_set("min-replicas-to-write", 1)
    is_problem(keyed(server.api, name, "k"), 503, "store_too_few_replicas")


def test_broker_without_memory(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker)
    job = is_first(keyed(server.api, name, "k"))
    client = broker.client()
    client.config_set("maxmemory", 1)
    is_problem(keyed(server.api, name + "-2", "k"), 503, "store_out_of_memory")
    again = keyed(server.api, name, "k")
    assert is_replayed(again) and again.json["job_id"] == job["job_id"]
    client.config_set("maxmemory", 0)
    assert client.xlen(HIGH) == 1 and len(client.keys(ONCE + ":*")) == 1
    is_first(keyed(server.api, name + "-2", "k"))


# ---- bounds ----


def test_no_more_keys_than_may_be_kept(make, gateway, name):
    server = gateway(make(Redis), idempotency_keys=2)
    for i in range(2):
        is_first(keyed(server.api, f"{name}-{i}", "k"))
    answer = keyed(server.api, f"{name}-2", "k")
    is_problem(answer, 503, "idempotency_keys_full")
    assert answer.headers["retry-after"]
    assert is_replayed(keyed(server.api, f"{name}-0", "k"))
    is_accepted(server.api.purge("k"))
    assert batch(server.api, f"{name}-3", {"keys": ["a"]}).status == 503
    assert server.api.metric("purgeway_jobs_refused_total",
                             reason="idempotency_keys_full") == 2


def test_key_that_has_expired_is_free(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker, idempotency_ttl_s=1, idempotency_keys=1)
    job = is_first(keyed(server.api, name, "k"))
    eventually(lambda: not broker.client().keys(ONCE + ":*"))
    eventually(lambda: keyed(server.api, name, "other").status == 202)
    assert keyed(server.api, name, "other").json["job_id"] != job["job_id"]


def test_job_whose_result_has_expired(make, name):
    """What was said first is said again."""
    broker = make(Redis)
    server = make(Purgeway, broker_url=broker.url(), results_ttl_s=1, rebounds="-")
    job = is_first(keyed(server.api, name, "k"))
    eventually(lambda: server.api.job(job["job_id"]).status == 404)
    for prefer in (None, "wait=5"):
        again = keyed(server.api, name, "k", prefer=prefer)
        assert is_replayed(again) and is_accepted(again)["job_id"] == job["job_id"]


def test_record_that_is_not_ours(make, gateway, name):
    broker = make(Redis)
    server = gateway(broker)
    is_first(keyed(server.api, name, "k"))
    client = broker.client()
    (record,) = client.keys(ONCE + ":*")
    fingerprint = client.get(record).split()[0]
    for broken in (fingerprint, fingerprint + b" ", fingerprint + b" x", fingerprint + b" x 1-1"):
        client.set(record, broken)
        is_problem(keyed(server.api, name, "k"), 500, "unreadable_job")
    client.delete(record)
    client.sadd(record, "x")
    is_problem(keyed(server.api, name, "k"), 503, "store_wrong_type")
    assert client.xlen(HIGH) == 1


def test_requests_without_the_header_leave_no_record(make, gateway):
    broker = make(Redis)
    server = gateway(broker)
    is_accepted(server.api.purge("k"))
    assert batch(server.api, "x", {"keys": ["k"]}).status == 200
    assert server.api.post("/v1/invalidations/batch",
                           {"invalidations": [{"keys": ["k"]}]}).status == 200
    assert broker.client().xlen(HIGH) == 3 and len(broker.client().keys(ONCE + ":*")) == 2
