"""Who purged what, when, from where, why, with what result: a record for each end and each act,
found by what is in it, taken elsewhere, kept as long as was said."""
import json
import threading
import time
from datetime import UTC, datetime

import pytest

from checks import TIME, is_accepted, is_problem, pointers
from support.client import Client
from support.identities import Identities, Known
from support.processes import eventually
from support.servers import Purgeway, Redis, run_to_end

AUDIT = "purgeway:{main}:audit"
QUEUE = "/v1/queues/main"


def records(api, query=""):
    """All that fit, the oldest first."""
    found, token = [], ""
    while token is not None:
        answer = api.get(f"/v1/audit?page_size=500{query}{token}")
        assert answer.status == 200, answer
        found += answer.json["records"]
        token = answer.json.get("next_page_token")
        token = token and "&page_token=" + token
    return found


def exported(api, query="?"):
    """The same, as lines."""
    found, token = [], ""
    while token is not None:
        answer = api.get(f"/v1/audit/export{query}{token}")
        assert answer.status == 200 and answer.content_type == "application/x-ndjson", answer
        assert not answer.body or answer.body.endswith(b"\n")
        found += [json.loads(line) for line in answer.body.splitlines()]
        token = answer.headers.get("next-page-token")
        token = token and "&page_token=" + token
    return found


def record_of(api, job_id, action="purge"):
    """The one record of an act on a job, once it is there."""
    found = eventually(lambda: records(api, f"&job_id={job_id}&action={action}"))
    assert len(found) == 1, found
    return found[0]


# ---- ends of jobs ----

def test_end_of_a_job(beside):
    server, redis = beside(log_access=True)
    redis.client().set("a", 1)
    answer = server.api.purge("a", "b", reason="moved", prefer="wait=30",
                              headers={"X-Request-Id": "order-7"})
    job = answer.json
    record = record_of(server.api, job["job_id"])
    assert TIME.fullmatch(record.pop("at")) and record.pop("record_id")
    assert record == {
        "action": "purge", "address": "127.0.0.1", "request_id": "order-7", "reason": "moved",
        "job_id": job["job_id"], "accepted_at": job["accepted_at"], "attempts": 1,
        "selectors": {"key_count": 2, "pattern_count": 0, "tag_count": 0, "keys": ["a", "b"],
                      "keys_base64": [], "patterns": [], "tags": []},
        "status": "succeeded", "result": job["result"]}
    assert job["result"]["removed"] == job["result"]["missing"] == 1


def test_results_elsewhere_are_recorded_as_well(beside):
    server, redis = beside(start=False)
    server.settings.update(results_url=redis.url(db=1), target_url=redis.url(db=2))
    server.start()
    redis.client(db=2).set("a", 1)
    job = server.api.purge("a", "b", prefer="wait=30").json
    record = record_of(server.api, job["job_id"])
    assert record["status"] == "succeeded" and record["result"] == job["result"]
    assert redis.client().xlen(AUDIT) == 1


def test_modes_and_selectors(beside):
    server, redis = beside()
    redis.client().mset({f"k{i}": 1 for i in range(9)})
    wanted = {}
    for mode, members in (("dry", {"dry_run": True}), ("soft", {"soft": True}),
                          ("tombstone", {"mode": "tombstone"}),
                          ("versioned", {"mode": "versioned", "version": 7})):
        answer = server.api.purge("x", prefer="wait=30", **members)
        if answer.status == 422 and mode == "versioned":
            answer = server.api.purge("x", prefer="wait=30", mode="versioned", version="7")
        if answer.status == 422 and mode == "soft":
            answer = server.api.purge("x", prefer="wait=30", mode="soft")
        assert answer.status == 200, answer
        wanted[answer.json["job_id"]] = mode
    for job_id, mode in wanted.items():
        assert record_of(server.api, job_id)["mode"] == mode
    job = server.api.purge(*[f"k{i}" for i in range(7)], b"\xff\x00k", patterns=["key*"], tags=["t:1"],
                           prefer="wait=30").json
    record = record_of(server.api, job["job_id"])
    shown = record["selectors"]
    assert (shown["key_count"], shown["pattern_count"], shown["tag_count"]) == (8, 1, 1)
    assert shown["keys"] == [f"k{i}" for i in range(5)]
    assert shown["patterns"] == ["key*"] and shown["tags"] == ["t:1"]
    assert len(shown["digest"]) == 22 and "mode" not in record


def test_digest_tells_lists_apart(beside):
    server, _ = beside()
    lists = ([f"k{i}" for i in range(8)], [f"k{i}" for i in range(8)], [f"k{i}" for i in range(9)],
             ["k"] * 5 + ["x" * 2000], [f"k{i}" for i in range(5)])
    digests = [record_of(server.api, server.api.purge(*keys, prefer="wait=30").json["job_id"])
               ["selectors"].get("digest") for keys in lists]
    assert digests[0] == digests[1] and len(set(digests)) == 4 and digests[4] is None


def test_keys_that_are_no_text(beside):
    server, _ = beside()
    job_id = server.api.purge(b"\xff\xfe", "plain", "qu\"ote\u2028", prefer="wait=30").json["job_id"]
    shown = record_of(server.api, job_id)["selectors"]
    assert shown["keys"] == ["plain", "qu\"ote\u2028"] and shown["keys_base64"] == ["//4="]


def test_job_that_failed_and_job_that_died(make):
    good, bad = make(Redis), make(Redis)
    server = make(Purgeway, broker_url=good.url(), target_url=good.url(), targets=f"bad={bad.url()}",
                  rebounds="-", retry_base_ms=10, retry_cap_ms=50, retry_tries=2)
    good.client().mset({"a": 1, "b": 1})
    bad.kill9()
    dead = is_accepted(server.api.purge("a", "b", reason="why"))["job_id"]
    assert server.api.finished(dead)["status"] == "dead"
    record = record_of(server.api, dead)
    assert record["status"] == "dead" and record["attempts"] == 2 and record["reason"] == "why"
    assert record["error"]["code"] == "store_unreachable"
    outcome = {target["target"]: target for target in record["result"]["targets"]}
    assert outcome["default"]["removed"] == 2 and outcome["bad"]["code"] == "store_unreachable"
    assert record["selectors"]["keys"] == ["a", "b"] and record["result"]["removed"] == 2
    named = is_accepted(server.api.purge("a", target="bad"))["job_id"]
    server.api.finished(named)
    assert record_of(server.api, named)["targets"] == ["bad"]

    good.client().execute_command("ACL", "SETUSER", "default", "-unlink")
    failed = is_accepted(server.api.purge("x", target="default"))["job_id"]
    assert server.api.finished(failed)["status"] == "failed"
    assert record_of(server.api, failed)["error"]["code"] == "store_permission"


def test_record_of_a_job_that_was_tried_in_parts_names_all_of_it(make):
    """What its first tries have done is not in its entry any more."""
    good, bad = make(Redis), make(Redis)
    server = make(Purgeway, broker_url=good.url(), target_url=good.url(), targets=f"bad={bad.url()}",
                  rebounds="-", retry_base_ms=10, retry_cap_ms=200, retry_tries=0,
                  limits_keys_turn_s=1)
    bad.kill9()
    job_id = is_accepted(server.api.purge("a", "b", tags=["t"]))["job_id"]
    eventually(lambda: server.api.job(job_id).json["status"] == "retrying")
    bad.start()
    assert server.api.finished(job_id)["status"] == "succeeded"
    record = record_of(server.api, job_id)
    assert record["selectors"]["keys"] == ["a", "b"] and record["selectors"]["tags"] == ["t"]
    assert record["attempts"] > 1 and record["result"]["requested"] == 3


def test_entries_of_a_version_that_knew_no_audit(beside):
    server, redis = beside()
    redis.client().xadd("purgeway:{main}:high", {"v": "1", "n": "00000000000000aa", "k": b"\x02k2"})
    record, = eventually(lambda: records(server.api))
    assert record["selectors"]["keys"] == ["k2"] and record["status"] == "succeeded"
    assert not {"who", "address"} & set(record)


# ---- acts ----

def test_jobs_that_are_cancelled(beside):
    server, redis = beside("gateway")
    later = is_accepted(server.api.purge("a", delay_ms=600000, reason="night"))["job_id"]
    waits = is_accepted(server.api.purge("b", "c"))["job_id"]
    for job_id, keys in ((later, ["a"]), (waits, ["b", "c"])):
        answer = server.api.post(f"/v1/jobs/{job_id}/cancel", x_request_id="stop")
        assert answer.status == 200 and answer.json["status"] == "cancelled"
        act = record_of(server.api, job_id, "cancel")
        assert act["address"] == "127.0.0.1" and act["request_id"] == "stop" and "selectors" not in act
        end = record_of(server.api, job_id)
        assert end["status"] == "cancelled" and end["selectors"]["keys"] == keys
        assert end.get("reason") == ("night" if job_id == later else None)
        assert server.api.post(f"/v1/jobs/{job_id}/cancel").status == 200
    assert redis.client().xlen(AUDIT) == 4


def test_queue_that_is_paused_resumed_and_purged(beside):
    server, redis = beside("gateway")
    assert server.api.post(QUEUE + "/pause", {"lanes": ["low"]}).status == 200
    assert server.api.post(QUEUE + "/resume").status == 200
    ids = {is_accepted(server.api.purge(f"k{i}", priority="high" if i % 2 else "low"))["job_id"]
           for i in range(250)}
    eventually(lambda: server.api.metric("purgeway_queue_waiting_jobs", lane="high") == 125 and
               server.api.metric("purgeway_queue_waiting_jobs", lane="low") == 125)
    assert server.api.post(QUEUE + "/purge", {"expected_count": 1000}).json == {"count": 250}
    acts = [(record["action"], record.get("lanes"), record.get("count"))
            for record in records(server.api) if record["action"] != "purge"]
    assert acts == [("pause", ["low"], None), ("resume", ["high", "normal", "low"], None),
                    *[("purge_queue", [lane], count) for lane in ("high", "low") for count in (100, 25)]]
    ends = records(server.api, "&action=purge&status=cancelled")
    assert len(ends) == 250 and {record["job_id"] for record in ends} == ids
    assert redis.client().xlen("purgeway:{main}:high") == 0


def test_the_end_of_a_job_that_died_among_others_is_written_once(make):
    good, bad = make(Redis), make(Redis)
    server = make(Purgeway, broker_url=good.url(), target_url=good.url(), targets=f"bad={bad.url()}",
                  rebounds="-", retry_tries=1)
    bad.kill9()
    items = [{"keys": [f"k{i}"], "targets": [("bad", "default")[i % 2]]} for i in range(100)]
    ids = []
    assert server.api.post(f"{QUEUE}/pause").status == 200
    for _ in range(40):
        answer = server.api.post("/v1/invalidations/batch", {"invalidations": items})
        ids += [item["job_id"] for item in answer.json["items"]]
    assert server.api.post(f"{QUEUE}/resume").status == 200
    ends = [server.api.finished(job_id)["status"] for job_id in ids]
    assert ends == ["dead", "succeeded"] * 2000
    found = records(server.api, "&action=purge")
    assert len(found) == len(ids) and {record["job_id"] for record in found} == set(ids)


def test_dead_letters_that_are_brought_back_and_dropped(make):
    good, bad = make(Redis), make(Redis)
    server = make(Purgeway, broker_url=good.url(), target_url=bad.url(), rebounds="-",
                  retry_base_ms=10, retry_cap_ms=50, retry_tries=1)
    bad.kill9()
    ids = [is_accepted(server.api.purge(f"k{i}"))["job_id"] for i in range(3)]
    eventually(lambda: len(server.api.get("/v1/dead-letters").json["dead_letters"]) == 3)
    assert server.api.delete(f"/v1/dead-letters/{ids[0]}").status == 200
    bad.start()
    assert server.api.post("/v1/dead-letter-redrives", {"all": True, "expected_count": 2}).status == 200
    assert record_of(server.api, ids[0], "drop")["address"] == "127.0.0.1"
    for job_id in ids[1:]:
        record_of(server.api, job_id, "redrive")
        ends = eventually(lambda job_id=job_id: (
            found := records(server.api, f"&job_id={job_id}&action=purge"))[1:] and found)
        assert ends[0]["status"] == "dead"
        assert ends[-1]["attempts"] > ends[0]["attempts"]


def test_repetitions_that_are_cancelled(beside):
    server, _ = beside(rebounds="60000")
    job_id = server.api.purge("a", prefer="wait=30").json["job_id"]
    assert server.api.delete(f"/v1/jobs/{job_id}/rebounds").status == 200
    assert record_of(server.api, job_id, "cancel_rebounds")


# ---- who ----

def test_names_scopes_and_secrets(make, tmp_path):
    ids = Identities(tmp_path)
    keys = {name: ids.add(name, *scopes) for name, scopes in {
        "shop": ["purge:keys"], "ops": ["queues:control", "jobs:read", "jobs:cancel"],
        "auditor": ["audit:read"]}.items()}
    server = make(Purgeway, identities_file=ids.path)
    shop, ops, auditor = (Known(server.port, keys[name]) for name in ("shop", "ops", "auditor"))
    job_id = shop.purge("a", prefer="wait=30").json["job_id"]
    later = is_accepted(shop.purge("b", delay_ms=600000))["job_id"]
    assert ops.post(f"/v1/jobs/{later}/cancel").status == 200
    assert ops.post(QUEUE + "/pause").status == 200
    assert record_of(auditor, job_id)["who"] == "shop"
    assert record_of(auditor, later)["who"] == "shop"
    assert record_of(auditor, later, "cancel")["who"] == "ops"
    assert {record["action"] for record in records(auditor, "&who=ops")} == {"cancel", "pause"}
    for path in ("/v1/audit", "/v1/audit/export"):
        is_problem(shop.get(path), 403, "scope_missing")
        is_problem(ops.get(path), 403, "scope_missing")
    with server.embedded() as redis:
        kept = b"".join(value for _, fields in redis.xrange(AUDIT) for value in fields.values())
    text = json.dumps(exported(auditor))
    for key, digest in ids.keys.values():
        for secret in (key, key[4:24], digest.partition(":")[2]):
            assert secret not in text and secret.encode() not in kept


def test_refusals_are_summed_up(make, tmp_path):
    ids = Identities(tmp_path)
    shop, auditor = ids.add("shop", "purge:keys", key_prefixes=["a"]), ids.add("auditor", "audit:read")
    redis = make(Redis)
    server = make(Purgeway, identities_file=ids.path, broker_url=redis.url(), threads=1)
    for _ in range(3):
        assert Known(server.port, shop).get("/v1/queues").status == 403
        assert Known(server.port, shop).purge("b").status == 403
    for path in ("/v1/queues", "/v1/workers", "/v1/audit", "/v1/dead-letters", "/metrics", "/v1/tags?tag=t"):
        for _ in range(2):
            assert Client(server.port).get(path).status == 401
    assert Known(server.port, shop).get("/v1/nothing").status == 404
    assert records(Known(server.port, auditor), "&action=refuse") == []
    server.sigterm()
    server.start()
    found = [(record.get("who"), record.get("address"), record["code"], record.get("operation"),
              record["count"]) for record in records(Known(server.port, auditor), "&action=refuse")]
    unknown = ("list_queues", "list_workers", "list_audit", "list_dead_letters")
    assert sorted(found, key=str) == sorted([
        ("shop", "127.0.0.1", "scope_missing", "list_queues", 3),
        ("shop", "127.0.0.1", "not_covered", "create_invalidation", 3),
        *((None, "127.0.0.1", "credentials_required", operation, 2) for operation in unknown),
        (None, "127.0.0.1", "credentials_required", None, 4)], key=str)


PATHS = ("/v1/queues", "/v1/workers", "/v1/audit", "/v1/audit/export", "/v1/dead-letters", "/metrics",
         "/v1/tags?tag=t", "/v1/tags/members?tag=t")


def refusals_of(server, auditor, **wanted):
    """What is written down of refusals when a service ends: (who, address, code, operation, count)."""
    server.sigterm()
    server.start()
    return sorted([(record.get("who"), record.get("address"), record["code"], record.get("operation"),
                    record["count"])
                   for record in records(Known(server.port, auditor), "&action=refuse")], key=str)


def test_nobody_hides_behind_refusals_of_his_own(make, tmp_path):
    """However much else was refused before: who, from where, and why is still said."""
    ids = Identities(tmp_path)
    mallory = ids.add("mallory", "purge:keys", key_prefixes=["a"])
    shop = ids.add("shop", "purge:keys", key_prefixes=["a"])
    auditor = ids.add("auditor", "audit:read")
    redis = make(Redis)
    server = make(Purgeway, identities_file=ids.path, broker_url=redis.url(), threads=1)
    known = Known(server.port, mallory)
    assert all(known.get(path).status == 403 for path in PATHS for _ in range(2))
    assert all(known.purge("b").status == 403 for _ in range(50))
    assert Known(server.port, shop).purge("b").status == 403
    found = refusals_of(server, auditor)
    assert ("mallory", "127.0.0.1", "not_covered", "create_invalidation", 50) in found
    assert ("shop", "127.0.0.1", "not_covered", "create_invalidation", 1) in found
    assert {one[2] for one in found} == {"scope_missing", "not_covered"}
    assert sum(one[4] for one in found if one[:3] == ("mallory", "127.0.0.1", "scope_missing")) == 16
    assert len(found) == 4 + 1 + 1 + 1


def test_many_who_are_refused_are_counted_together_at_last(make, tmp_path):
    """Records are bounded, and none of them says what is not so."""
    ids = Identities(tmp_path)
    keys = [ids.add(f"m{n}", "purge:keys", key_prefixes=["a"]) for n in range(80)]
    auditor = ids.add("auditor", "audit:read")
    redis = make(Redis)
    server = make(Purgeway, identities_file=ids.path, broker_url=redis.url(), threads=1)
    for key in keys:
        known = Known(server.port, key)
        assert known.get("/v1/queues").status == known.purge("b").status == 403
    found = refusals_of(server, auditor)
    assert len(found) <= 64 and sum(one[4] for one in found) == 160
    for code, operation in (("scope_missing", "list_queues"), ("not_covered", "create_invalidation")):
        of_code = [one for one in found if one[2] == code]
        assert sum(one[4] for one in of_code) == 80
        assert {one[3] for one in of_code} == {operation}
        rest, = [one for one in of_code if one[0] is None]
        assert rest[1] == "127.0.0.1" and rest[4] > 40


def test_refused_items_of_a_batch_are_written_down(make, tmp_path):
    ids = Identities(tmp_path)
    shop = ids.add("shop", "purge:keys", "metrics:read", key_prefixes=["a"])
    auditor = ids.add("auditor", "audit:read")
    redis = make(Redis)
    server = make(Purgeway, identities_file=ids.path, broker_url=redis.url(), threads=1)
    known = Known(server.port, shop)
    answer = known.post("/v1/invalidations/batch", {"invalidations": [
        {"keys": ["a"]}, {"keys": ["b"]}, {"keys": ["c"]}, {"tags": ["t"]}, {"keys": []}]})
    assert [item["status"] for item in answer.json["items"]] == [202, 403, 403, 403, 422]
    assert known.metric("purgeway_requests_not_allowed_total", reason="cover") == 2
    assert refusals_of(server, auditor) == [
        ("shop", "127.0.0.1", "not_covered", "create_batch", 2),
        ("shop", "127.0.0.1", "scope_missing", "create_batch", 1)]


# ---- asking ----

@pytest.fixture
def filled(beside):
    """A service that has purged k0 to k19 by twenty requests."""
    server, redis = beside()
    for i in range(20):
        server.api.purge(f"k{i}", **({"tags": ["odd"]} if i % 2 else {}), prefer="wait=30",
                         headers={"X-Request-Id": f"r{i}"})
    eventually(lambda: redis.client().xlen(AUDIT) == 20)
    return server


def test_filters(filled):
    api = filled.api
    everything = records(api)
    assert len(everything) == 20
    assert [record["request_id"] for record in everything] == [f"r{i}" for i in range(20)]
    assert [record["request_id"] for record in records(api, "&order=newest")] == \
        [f"r{i}" for i in reversed(range(20))]
    assert [record["request_id"] for record in records(api, "&key=k7")] == ["r7"]
    assert [record["request_id"] for record in records(api, "&request_id=r3")] == ["r3"]
    assert len(records(api, "&tag=odd")) == 10 and len(records(api, "&tag=odd&key=k2")) == 0
    assert len(records(api, "&status=succeeded&action=purge")) == 20
    assert records(api, "&status=failed") == records(api, "&who=shop") == []
    middle = everything[10]["at"]
    since, until = records(api, f"&since={middle}"), records(api, f"&until={middle}")
    assert since + until and until + since == everything and since[0]["at"] == middle
    assert records(api, "&until=1970-01-01T00:00:00Z") == records(api, "&since=2100-01-01T00:00:00Z") == []
    for bad in ("since=soon", "until=x", "page_token=x", "page_size=0", "action=x", "status=queued",
                "order=x"):
        where = "#/query/" + bad.partition("=")[0]
        assert pointers(is_problem(api.get("/v1/audit?" + bad), 422)) == {where}, bad


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_pages(filled, order):
    token, seen = "", []
    while token is not None:
        page = filled.api.get(f"/v1/audit?page_size=3&order={order}{token}").json
        assert len(page["records"]) <= 3
        seen += [record["request_id"] for record in page["records"]]
        token = page.get("next_page_token")
        token = token and "&page_token=" + token
    wanted = [f"r{i}" for i in range(20)]
    assert seen == (wanted if order == "oldest" else wanted[::-1])


def test_pages_while_records_come(beside):
    server, _ = beside()
    done = threading.Event()

    def load():
        while not done.is_set():
            server.api.purge("k", prefer="wait=30")
    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len(records(server.api)) > 50)
        for order in ("oldest", "newest"):
            seen, token = [], ""
            for _ in range(12):
                page = server.api.get(f"/v1/audit?page_size=4&order={order}{token}").json
                seen += [record["record_id"] for record in page["records"]]
                token = "&page_token=" + page["next_page_token"]
            assert len(seen) == len(set(seen)) == 48
            in_order = sorted(seen, key=lambda one: tuple(map(int, one.split("-"))))
            assert seen == (in_order if order == "oldest" else in_order[::-1])
            everything = [record["record_id"] for record in records(server.api)]
            at = everything.index(in_order[0])
            assert everything[at:at + 48] == in_order
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_export_is_whole(filled):
    assert exported(filled.api) == records(filled.api)
    assert exported(filled.api, "?page_size=3&") == records(filled.api)
    assert exported(filled.api, "?tag=odd&") == records(filled.api, "&tag=odd")
    assert filled.api.get("/v1/audit/export?key=none").body == b""


def test_what_is_no_record_is_passed_over(filled):
    with Redis.client(filled_redis(filled)) as redis:
        for fields in ({"d": b"\x01a"}, {"x": "y"}, {"d": b"\xff\xff"}, {"d": b"\x01a\x03odd"},
                       {"d": b"\x01a\x05purge\x01s\x03odd"}):
            redis.xadd(AUDIT, fields)
        redis.xadd(AUDIT, {"d": b"\x01a\x05pause\x01A\x0bev\"il \xff\x00who\x01Z\x00"})
    found = records(filled.api)
    assert len(found) == 21 and found[20]["action"] == "pause"
    assert found[20]["address"] == "ev\"il" and found[20]["who"].endswith("\x00who")


def filled_redis(server):
    """The Redis behind a server's broker_url, as something with its socket."""
    class Behind:
        socket_path = server.settings["broker_url"].removeprefix("unix://")
    return Behind


# ---- keeping ----

def test_no_more_are_kept_than_was_said(beside):
    server, redis = beside(audit_max=200)
    for _ in range(10):
        server.api.post("/v1/invalidations/batch", {"invalidations": [{"keys": [f"k{i}"]}
                                                                      for i in range(100)]})
    eventually(lambda: server.api.metric("purgeway_jobs_finished_total", status="succeeded") == 1000)
    # Redis lets go of whole nodes of a stream, of at most 100 records.
    assert 200 <= redis.client().xlen(AUDIT) <= 300
    eventually(lambda: 200 <= server.api.metric("purgeway_audit_records") <= 300)


def test_old_records_go(beside):
    server, redis = beside(audit_keep_s=3600)
    now = int(time.time() * 1000)
    with redis.client() as client:
        for age_s in range(7200, 1800, -10):
            client.xadd(AUDIT, {"d": b"\x01a\x05pause"}, id=f"{now - age_s * 1000}-0")
    young = datetime.fromtimestamp(now / 1000 - 3650, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    eventually(lambda: not records(server.api, f"&until={young}"))
    assert len(records(server.api)) >= 170


def test_without_an_audit_nothing_is_written(beside):
    server, redis = beside(audit_max=0, rebounds="60000")
    with redis.client() as client:
        client.config_resetstat()
        job_id = server.api.purge("a", prefer="wait=30").json["job_id"]
        later = is_accepted(server.api.purge("b", delay_ms=600000))["job_id"]
        fields = client.hget("purgeway:{main}:later", later)
        assert b"127.0.0.1" not in fields
        assert server.api.post(f"/v1/jobs/{later}/cancel").json["status"] == "cancelled"
        assert server.api.delete(f"/v1/jobs/{job_id}/rebounds").status == 200
        for path in ("/pause", "/resume"):
            assert server.api.post(QUEUE + path).status == 200
        assert server.api.post(QUEUE + "/purge", {"expected_count": 10}).status == 200
        assert not client.exists(AUDIT)
        assert "cmdstat_xtrim|audit" not in client.info("commandstats")
    assert records(server.api) == []


def test_acts_on_a_full_server_that_free_it_are_done_and_recorded(beside):
    server, redis = beside("gateway")
    later = is_accepted(server.api.purge("b", delay_ms=600000))["job_id"]
    with redis.client() as client:
        client.config_set("maxmemory", 1)
        try:
            assert server.api.post(f"/v1/jobs/{later}/cancel").status in (200, 503)
        finally:
            client.config_set("maxmemory", 0)
    assert record_of(server.api, later)["status"] == "cancelled"


# ---- deaths ----

@pytest.mark.parametrize("layout", ["beside", "apart"])
def test_workers_that_are_killed_leave_one_record_of_each_job(make, layout):
    redis = make(Redis)
    settings = {"broker_url": redis.url(), "worker_idle_ms": 300, "worker_beat_ms": 100,
                "rebounds": "-"}
    if layout == "apart":
        settings.update(results_url=redis.url(db=1), target_url=redis.url(db=2))
    gateway = make(Purgeway, "gateway", **settings)
    worker = make(Purgeway, "worker", retry_deliveries=1000, **settings)
    ids, done = [], threading.Event()

    def load():
        while not done.is_set():
            answer = gateway.api.post("/v1/invalidations/batch", {
                "invalidations": [{"keys": [f"k{i}"]} for i in range(50)]})
            ids.extend(item["job_id"] for item in answer.json["items"])
    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(8):
            so_far = len(ids)
            eventually(lambda so_far=so_far: len(ids) >= so_far + 100)
            worker.kill9()
            worker.start()
    finally:
        done.set()
        thread.join()
    with redis.client() as client:
        eventually(lambda: all(
            client.xpending(f"purgeway:{{main}}:{lane}", "purgeway")["pending"] == 0
            for lane in ("high", "normal", "low")) and client.xlen(AUDIT) >= len(ids))
    seen = [record["job_id"] for record in exported(gateway.api, "?action=purge&")]
    assert sorted(seen) == sorted(ids)


# ---- the command ----

def test_command(filled):
    url = ["--url", filled.url]
    code, out, err = run_to_end("audit", *url)
    assert code == 0 and not err
    lines = out.splitlines()
    assert len(lines) == 21 and lines[0].split()[:2] == ["at", "action"]
    assert lines[1].split()[1] == "purge" and "k19" in lines[1]
    code, out, _ = run_to_end("audit", *url, "--tag", "odd", "--json", "--limit", "4")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [record["request_id"] for record in found] == ["r19", "r17", "r15", "r13"]
    code, out, _ = run_to_end("audit", *url, "--export")
    assert code == 0 and [json.loads(line) for line in out.splitlines()] == records(filled.api)
    code, out, _ = run_to_end("audit", *url, "--export", "--key", "k7")
    assert code == 0 and [json.loads(line)["request_id"] for line in out.splitlines()] == ["r7"]
    for wrong in (["x"], ["--limit", "0"], ["--limit", "3", "--export"]):
        code, _, err = run_to_end("audit", *url, *wrong)
        assert code == 2 and err.startswith("purgeway: audit: ")
    code, _, err = run_to_end("audit", *url, "--since", "soon")
    assert code == 1 and "since" in err
