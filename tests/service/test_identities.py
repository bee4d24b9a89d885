"""Who may do what: every operation against every scope, what a credential covers, whose a job is,
and keys that come and go while requests are made."""
import hmac
import itertools
import json
import os
import pathlib
import re
import threading
import time

import pytest

from checks import is_accepted, is_problem, pointers
from support.client import Client
from support.identities import Identities, Known, new_key
from support.processes import eventually
from support.servers import ROOT, Purgeway, Redis, run_to_end

SCOPES = re.findall(r'^X\(\w+, "([a-z:]+)"', (ROOT / "src" / "tbl" / "scopes.h").read_text(), re.M)
JOB = "EAAAAaH9fNPuAAAAALT6tKFOsQTP"
GROUP = "AAAAAAAAAAAAAAAAAAAAAA"
PURGES = {"purge:keys", "purge:patterns", "purge:tags"}
OPEN = None
SIGNED = frozenset()

#: operation: the scopes that open it (OPEN: none is needed; SIGNED: nor is it, but a signature), and a
#: request that gets in.
MATRIX = {
    "create_invalidation": (PURGES, "POST", "/v1/invalidations", {}),
    "create_batch": (PURGES, "POST", "/v1/invalidations/batch", {"invalidations": [{"keys": []}]}),
    "create_event": (PURGES, "POST", "/v1/events", {"type": "no"}),
    "get_job": (PURGES | {"jobs:read"}, "GET", f"/v1/jobs/{JOB}", None),
    "get_group": (PURGES | {"jobs:read"}, "GET", f"/v1/groups/{GROUP}", None),
    "cancel_job": ({"jobs:cancel"}, "POST", f"/v1/jobs/{JOB}/cancel", None),
    "cancel_rebounds": ({"jobs:cancel"}, "DELETE", f"/v1/jobs/{JOB}/rebounds", None),
    "create_tagging": ({"tags:write"}, "POST", "/v1/taggings", {}),
    "create_untagging": ({"tags:write"}, "POST", "/v1/untaggings", {}),
    "get_tag": ({"tags:read"}, "GET", "/v1/tags?tag=t", None),
    "list_tag_members": ({"tags:read"}, "GET", "/v1/tags/members?tag=t", None),
    "list_queues": ({"queues:read"}, "GET", "/v1/queues", None),
    "pause_queue": ({"queues:control"}, "POST", "/v1/queues/none/pause", None),
    "resume_queue": ({"queues:control"}, "POST", "/v1/queues/none/resume", None),
    "purge_queue": ({"queues:control"}, "POST", "/v1/queues/none/purge", {"expect": 0}),
    "list_workers": ({"workers:read"}, "GET", "/v1/workers", None),
    "list_audit": ({"audit:read"}, "GET", "/v1/audit", None),
    "export_audit": ({"audit:read"}, "GET", "/v1/audit/export", None),
    "list_dead_letters": ({"dead:read"}, "GET", "/v1/dead-letters", None),
    "get_dead_letter": ({"dead:read"}, "GET", f"/v1/dead-letters/{JOB}", None),
    "redrive_dead_letter": ({"dead:control"}, "POST", f"/v1/dead-letters/{JOB}/redrive", None),
    "drop_dead_letter": ({"dead:control"}, "DELETE", f"/v1/dead-letters/{JOB}", None),
    "redrive_dead_letters": ({"dead:control"}, "POST", "/v1/dead-letter-redrives", {}),
    "drop_dead_letters": ({"dead:control"}, "POST", "/v1/dead-letter-drops", {}),
    "receive_delivery": (SIGNED, "POST", "/v1/hooks/none", {}),
    "preview_delivery": ({"hooks:read"}, "POST", "/v1/hooks/none/preview", {"payload": {}}),
    "list_deliveries": ({"hooks:read"}, "GET", "/v1/hooks/none/deliveries", None),
    "get_metrics": ({"metrics:read"}, "GET", "/metrics", None),
    "get_livez": (OPEN, "GET", "/livez", None),
    "get_readyz": (OPEN, "GET", "/readyz", None),
    "get_healthz": (OPEN, "GET", "/healthz", None),
    "get_openapi_yaml": (OPEN, "GET", "/openapi.yaml", None),
    "get_openapi_json": (OPEN, "GET", "/openapi.json", None),
    "get_docs": (OPEN, "GET", "/docs", None),
}

#: What nobody may be told apart by.
UNKNOWN = {
    "none": {},
    "not known": {"Authorization": "Bearer pgw_" + "A" * 48},
    "no key at all": {"Authorization": "Bearer x"},
    "empty": {"Authorization": "Bearer "},
    "no scheme": {"Authorization": "{key}"},
    "another scheme": {"Authorization": "Basic {key}"},
    "cut": {"Authorization": "Bearer {key:.51}"},
    "longer": {"Authorization": "Bearer {key}x"},
    "as the other header": {"X-API-Key": "Bearer {key}"},
    "a hash": {"X-API-Key": "{hash}"},
    "empty key": {"X-API-Key": ""},
    "huge": {"X-API-Key": "x" * 5000},
    "both": {"Authorization": "Bearer {key}", "X-API-Key": "{key}"},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A service and its identities: one for each scope, and one that may do everything."""
    ids = Identities(tmp_path_factory.mktemp("identities"))
    for scope in SCOPES:
        ids.add(scope.replace(":", "."), scope)
    ids.add("all", *SCOPES)
    with Purgeway("serve", identities_file=ids.path, patterns_prefix=3) as server:
        server.ids = ids
        yield server


@pytest.fixture
def known(served):
    """known(name): a client with the key of an identity."""
    return lambda name: Known(served.port, served.ids.keys[name][0])


@pytest.fixture
def as_new(served):
    """as_new(*scopes, **members): a client with a new identity, gone when the test ends."""
    names = [f"new{n}" for n in range(8)]
    made = []

    def make(*scopes, **members):
        name = names[len(made)]
        served.ids.keys.pop(name, None)
        key = served.ids.add(name, *scopes, **members)
        made.append(name)
        client = Known(served.port, key)
        eventually(lambda: taken(client), what="the new identity")
        return client
    yield make
    for name in made:
        served.ids.remove(name)


def taken(client):
    """Every thread has let it in, or refused it for its scopes."""
    return all(client.get("/v1/workers").status != 401 for _ in range(20))


def ask(client, operation, **headers):
    _, method, path, body = MATRIX[operation]
    if body is None:
        return client.request(method, path, headers=headers)
    return client.request(method, path, json.dumps(body).encode(),
                          {"Content-Type": "application/json", **headers})


# ---- every operation and every scope ----

def test_every_operation_has_a_row(api):
    contract = api.get("/openapi.json").json
    operations = {operation["operationId"]: operation for item in contract["paths"].values()
                  for operation in item.values() if isinstance(operation, dict)}
    assert set(operations) == set(MATRIX)
    for name, operation in operations.items():
        assert set(operation["x-purgeway-scopes"]) == (MATRIX[name][0] or set()), name
        assert (operation.get("security") == []) == (not MATRIX[name][0]), name
        assert ("401" in operation["responses"]) == (MATRIX[name][0] is not OPEN), name


def test_every_scope_opens_something_or_widens_it():
    assert set().union(*(row[0] or () for row in MATRIX.values())) | {"purge:unbounded"} == set(SCOPES)


@pytest.mark.parametrize("operation", MATRIX)
def test_operation_by_scope(served, known, operation):
    wanted = MATRIX[operation][0]
    for scope in SCOPES:
        answer = ask(known(scope.replace(":", ".")), operation)
        if not wanted or scope in wanted:
            assert answer.status not in (401,), (scope, answer)
            assert answer.status != 403 or answer.json["code"] != "scope_missing", (scope, answer)
        else:
            problem = is_problem(answer, 403, "scope_missing")
            assert all(one in problem["detail"] for one in wanted), (scope, problem)
    assert ask(known("all"), operation).status not in (401, 403)


@pytest.mark.parametrize("operation", MATRIX)
def test_operation_for_nobody(served, operation):
    answer = ask(Client(served.port), operation)
    if MATRIX[operation][0] is OPEN:
        assert answer.status == 200
    elif MATRIX[operation][0] is SIGNED:
        is_problem(answer, 404, "no_such_hook")
    else:
        is_problem(answer, 401, "credentials_required")


# ---- credentials ----

@pytest.mark.parametrize("kind", UNKNOWN)
def test_unknown_credentials_are_all_the_same(served, kind):
    key, digest = served.ids.keys["all"]
    headers = {name: value.format(key=key, hash=digest) for name, value in UNKNOWN[kind].items()}
    nobody = Client(served.port).get("/v1/queues")
    answer = Client(served.port).request("GET", "/v1/queues", headers=headers)
    assert answer.headers["www-authenticate"] == "Bearer"
    problem, other = is_problem(answer, 401, "credentials_required"), nobody.json
    for one in (problem, other):
        del one["request_id"]
    assert problem == other
    fixed = [[(name, value) for name, value in one.headers.items()
              if name not in ("x-request-id", "Date")] for one in (answer, nobody)]
    assert fixed[0] == fixed[1]


def test_a_header_that_comes_twice_is_no_credential(served):
    key = served.ids.keys["all"][0]
    connection = Client(served.port).connect()
    connection.putrequest("GET", "/v1/queues")
    for _ in range(2):
        connection.putheader("X-API-Key", key)
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize("headers", [
    {"Authorization": "Bearer {}"}, {"authorization": "bearer {}"}, {"Authorization": "BEARER  {} "},
    {"X-API-Key": "{}"}, {"x-api-key": " {} "}])
def test_known_credentials(served, headers):
    key = served.ids.keys["queues.read"][0]
    sent = {name: value.format(key) for name, value in headers.items()}
    assert Client(served.port).request("GET", "/v1/queues", headers=sent).status == 200


def test_what_is_not_there_needs_no_credential(served):
    is_problem(Client(served.port).get("/v1/nothing"), 404)
    is_problem(Client(served.port).delete("/v1/queues"), 405)


def test_no_secret_is_logged(make, tmp_path):
    ids = Identities(tmp_path)
    key = ids.add("shop", "queues:read")
    server = make(Purgeway, identities_file=ids.path, log_access=True, log_level="debug")
    assert Known(server.port, key).get("/v1/queues").status == 200
    assert Known(server.port, key + "x").get("/v1/queues").status == 401
    assert Known(server.port, key).get("/v1/workers").status == 403
    ids.write("identities: [{name: shop, keys: [" + key + "]}]")
    eventually(lambda: server.log_contains("identities.reload_failed"), what="the refusal")
    assert any(event.get("identity") == "shop" for event in server.log())
    assert key not in server.errors() and key[4:20] not in server.errors()


def test_refusals_are_counted(served, known, as_new):
    def counted():
        return [known("all").metric("purgeway_requests_not_allowed_total", reason=reason)
                for reason in ("credentials", "scope", "cover")]
    before = counted()
    assert Client(served.port).get("/v1/queues").status == 401
    assert known("jobs.read").get("/v1/queues").status == 403
    assert known("purge.keys").purge(tags=["t"]).status == 403
    shop = as_new("purge:keys", key_prefixes=["user:"])
    between = counted()
    assert shop.purge("other").status == 403
    after = counted()
    assert between[1] - before[1] >= 2 and between[0] > before[0]
    assert [one - other for one, other in zip(after, between)] == [0, 0, 1]
    answer = shop.post("/v1/invalidations/batch",
                       {"invalidations": [{"keys": [key]} for key in ("a", "user:1", "b")]})
    assert answer.json["refused"] == 2
    assert [one - other for one, other in zip(counted(), after)] == [0, 0, 2]


# ---- what a credential covers ----

def test_all_that_is_not_covered_is_named(as_new):
    shop = as_new(*PURGES, key_prefixes=["user:", "a/"], tag_prefixes=["t:"])
    is_accepted(shop.purge("user:1", "a/b", b"user:\xff", patterns=["user:*", "a/b[xy]"],
                           tags=["t:", "t:1"]))
    # What cannot be is said before what may not be.
    is_problem(shop.purge("users", patterns=["u*"], tags=["u"]), 422)
    answer = shop.purge("user:1", "users", "a", b"user:1", b"\xff",
                        patterns=["user*", "a/b?", "user\\:*"], tags=["t", "t:1", "u:1"])
    problem = is_problem(answer, 403, "not_covered")
    assert pointers(problem) == {"#/keys/1", "#/keys/2", "#/keys_base64/1", "#/patterns/0",
                                 "#/tags/0", "#/tags/2"}


def test_kinds_of_selectors_need_their_scopes(as_new):
    keys, tags = as_new("purge:keys"), as_new("purge:tags")
    is_accepted(keys.purge("a"))
    is_accepted(tags.purge(tags=["a"]))
    problem = is_problem(keys.purge("a", tags=["a"], patterns=["abc*"]), 403, "scope_missing")
    assert pointers(problem) == {"#/tags", "#/patterns"}
    problem = is_problem(tags.purge("a", b"a", tags=["a"]), 403, "scope_missing")
    assert pointers(problem) == {"#/keys", "#/keys_base64"}


def test_short_patterns_need_a_scope_of_their_own(as_new):
    is_problem(as_new("purge:patterns").purge(patterns=["ab*"]), 422)
    is_accepted(as_new("purge:patterns", "purge:unbounded").purge(patterns=["ab*"]))
    bounded = as_new("purge:patterns", "purge:unbounded", key_prefixes=["a"])
    assert pointers(is_problem(bounded.purge(patterns=["a*", "*"]), 403)) == {"#/patterns/1"}


def test_items_of_a_batch_are_judged_each(as_new):
    shop = as_new("purge:keys", key_prefixes=["user:"])
    answer = shop.post("/v1/invalidations/batch", {"invalidations": [
        {"keys": ["user:1"]}, {"keys": ["other"]}, {"tags": ["t"]}]})
    assert [item["status"] for item in answer.json["items"]] == [202, 403, 403]
    codes = [item["problem"]["code"] for item in answer.json["items"][1:]]
    assert codes == ["not_covered", "scope_missing"]


def test_events_are_done_as_far_as_they_are_covered(served, as_new):
    site = as_new("purge:keys", key_prefixes=["https://a.example/"])
    event = {"type": "uri", "selectors": ["https://a.example/x", "https://b.example/x"]}
    with served.embedded() as cache:
        cache.mset({uri: 1 for uri in event["selectors"]})
        assert site.post("/v1/events", event, prefer="wait=30").status == 200
        assert [cache.exists(uri) for uri in event["selectors"]] == [0, 1]
    event["selectors"] = ["https://b.example/x"]
    assert pointers(is_problem(site.post("/v1/events", event), 403, "not_covered")) == {"#/selectors"}
    is_problem(site.post("/v1/events", {"type": "group", "selectors": ["https://a.example/"],
                                        "groups": ["g"]}), 403, "not_covered")


def test_forms_and_purge_are_judged_as_well(as_new):
    shop = as_new("purge:keys", "purge:tags", key_prefixes=["user:"], tag_prefixes=["t:"])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    is_accepted(shop.request("POST", "/v1/invalidations", b"key=user:1", form))
    is_problem(shop.request("POST", "/v1/invalidations", b"key=other", form), 403, "not_covered")
    is_accepted(shop.request("PURGE", "/", headers={"Surrogate-Key": "t:1"}))
    is_problem(shop.request("PURGE", "/", headers={"Surrogate-Key": "t:1 u"}), 403, "not_covered")


def test_tags_are_read_and_written_within_the_prefixes(as_new):
    shop = as_new("tags:read", "tags:write", key_prefixes=["user:"], tag_prefixes=["t:"])
    for path in ("/v1/taggings", "/v1/untaggings"):
        assert shop.post(path, {"tags": ["t:1"], "keys": ["user:1"]}).status == 200
        problem = is_problem(shop.post(path, {"tags": ["t:1", "u"], "keys": ["user:1", "x"]}), 403)
        assert pointers(problem) == {"#/tags/1", "#/keys/1"}
    for path in ("/v1/tags", "/v1/tags/members"):
        assert shop.get(path + "?tag=t:1").status == 200
        assert pointers(is_problem(shop.get(path + "?tag=u"), 403)) == {"#/query/tag"}


class Wider:
    """A gateway that knows one target, and, once it is started, a worker that knows two."""

    def __init__(self, make, ids=None):
        self.make, self.redis = make, make(Redis)
        self.one, self.two = self.redis.client(1), self.redis.client(2)
        settings = {"identities_file": ids.path} if ids else {}
        self.settings = {"broker_url": self.redis.url(), "targets": ["one=" + self.redis.url(1)]}
        self.server = make(Purgeway, "gateway", **self.settings, **settings)
        self.more = {**self.settings, "targets": ["one=" + self.redis.url(1),
                                                  "two=" + self.redis.url(2)]}
        self.refill()

    def refill(self):
        self.one.set("a", 1)
        self.two.set("a", 1)

    def left(self):
        return self.one.exists("a"), self.two.exists("a")


@pytest.mark.parametrize("body, left", [({}, (0, 0)), ({"target": "one"}, (0, 1)),
                                        ({"targets": ["one"]}, (0, 1))])
def test_named_targets_are_no_others(make, body, left):
    """All that a gateway knows, when they are named, need not be all that a worker knows."""
    wider = Wider(make)
    job = is_accepted(wider.server.api.purge("a", **body))
    make(Purgeway, "worker", **wider.more)
    assert wider.server.api.finished(job["job_id"])["status"] == "succeeded"
    assert wider.left() == left


@pytest.mark.parametrize("path, body", [
    ("/v1/invalidations", {"keys": ["a"], "targets": ["one"]}),
    ("/v1/invalidations", {"keys": ["a"], "target": "one", "delay_ms": 100}),
    ("/v1/events", {"type": "uri", "selectors": ["https://a"]})])
def test_covered_targets_are_no_others(make, tmp_path, path, body):
    ids = Identities(tmp_path)
    key = ids.add("shop", "purge:keys", "jobs:read", "audit:read", targets=["one"])
    wider = Wider(make, ids)
    for cache in (wider.one, wider.two):
        cache.set("https://a/", 1)
    client = Known(wider.server.port, key)
    job = is_accepted(client.post(path, body))
    make(Purgeway, "worker", **wider.more)
    assert client.finished(job["job_id"])["result"]["removed"] == 1
    assert wider.two.exists("a") and wider.two.exists("https://a/")
    record = eventually(lambda: client.get("/v1/audit").json["records"])[0]
    assert record["targets"] == ["one"]


def test_who_covers_every_target_covers_those_that_come(make, tmp_path):
    ids = Identities(tmp_path)
    key = ids.add("ops", "purge:keys", "jobs:read")
    wider = Wider(make, ids)
    client = Known(wider.server.port, key)
    job = is_accepted(client.purge("a"))
    make(Purgeway, "worker", **wider.more)
    assert client.finished(job["job_id"])["result"]["removed"] == 2


def test_named_targets_are_no_others_later_on_either(make):
    """A pass that one worker has put off is done by another that knows more targets."""
    wider = Wider(make)
    first = make(Purgeway, "worker", **wider.settings)
    api = wider.server.api
    named = api.finished(is_accepted(api.purge("a", target="one", rebounds_ms=[1500]))["job_id"])
    assert named["status"] == "succeeded" and first.sigterm() == 0
    wider.refill()
    make(Purgeway, "worker", **wider.more)
    eventually(lambda: not wider.one.exists("a"), what="the second pass")
    time.sleep(0.2)
    assert wider.two.exists("a")


def test_targets_are_covered(make, beside, tmp_path):
    ids = Identities(tmp_path)
    everything = ("purge:keys", "purge:tags", "tags:read", "tags:write")
    server, redis = beside(identities_file=ids.path, start=False)
    server.settings.update(target_url=redis.url(1), targets="eu=" + redis.url(2))
    eu, all_ = ids.add("eu", *everything, targets=["eu"]), ids.add("all", *everything)
    server.start()
    eu, all_ = Known(server.port, eu), Known(server.port, all_)
    is_accepted(all_.purge("a"))
    is_accepted(eu.purge("a", target="eu"))
    is_accepted(eu.purge("a", targets=["eu"]))
    for named, pointer in (({}, "#/targets"), ({"target": "default"}, "#/target"),
                           ({"targets": ["eu", "default"]}, "#/targets")):
        assert pointers(is_problem(eu.purge("a", **named), 403, "not_covered")) == {pointer}
        body = {"tags": ["t"], "keys": ["k"], **named}
        assert pointers(is_problem(eu.post("/v1/untaggings", body), 403)) == {pointer}
    assert eu.get("/v1/tags?tag=t&target=eu").status == 200
    assert pointers(is_problem(eu.get("/v1/tags?tag=t"), 403)) == {"#/query/target"}
    with redis.client(1) as one, redis.client(2) as two:
        one.set("https://a.example/", 1)
        two.set("https://a.example/", 1)
        event = {"type": "uri", "selectors": ["https://a.example/"]}
        assert eu.post("/v1/events", event, prefer="wait=30").status == 200
        assert one.exists("https://a.example/") and not two.exists("https://a.example/")
        # Nor can PURGE name a target.
        for cache in (one, two):
            cache.set("k", 1)
            cache.sadd("purgeway:tag:{t}", "k")
        purge = {"Surrogate-Key": "t", "Prefer": "wait=30", "Idempotency-Key": "by-tag"}
        first = eu.request("PURGE", "/", headers=purge)
        assert first.status == 200 and first.json["result"]["removed"] == 1, first.body
        assert one.exists("k") and not two.exists("k")
        assert eu.request("PURGE", "/", headers=purge).json["job_id"] == first.json["job_id"]


# ---- whose a job is ----

def test_a_job_is_its_owners_and_readers(as_new, unique):
    owner, other = as_new("purge:keys", "jobs:cancel"), as_new("purge:keys", "jobs:cancel")
    reader = as_new("jobs:read")
    job = is_accepted(owner.purge(unique(), delay_ms=600000))["job_id"]
    for client in (owner, reader):
        assert client.job(job).json["status"] == "scheduled"
    unknown = is_problem(other.job("EAAA" + job[4:]), 404, "no_such_job")
    foreign = is_problem(other.job(job), 404, "no_such_job")
    for problem in (unknown, foreign):
        del problem["instance"], problem["request_id"]
    assert unknown == foreign
    is_problem(other.post(f"/v1/jobs/{job}/cancel"), 404, "no_such_job")
    is_problem(other.delete(f"/v1/jobs/{job}/rebounds"), 404, "no_such_job")
    is_problem(reader.post(f"/v1/jobs/{job}/cancel"), 403, "scope_missing")
    assert owner.post(f"/v1/jobs/{job}/cancel").json["status"] == "cancelled"


def test_a_job_stays_its_owners_when_it_has_ended(as_new, unique):
    owner, other = as_new("purge:keys"), as_new("purge:keys")
    job = owner.purge(unique(), prefer="wait=30").json
    assert job["status"] == "succeeded"
    assert owner.job(job["job_id"]).json == job
    is_problem(other.job(job["job_id"]), 404, "no_such_job")


def test_an_id_cannot_be_made_into_ones_own(as_new, unique):
    """The mark of the owner is in the id; another mark makes it the id of no job."""
    owner, other = as_new("purge:keys"), as_new("purge:keys")
    theirs = is_accepted(owner.purge(unique(), delay_ms=600000))["job_id"]
    mine = is_accepted(other.purge(unique(), delay_ms=600000))["job_id"]
    # Characters 18 to 22 are the mark but for some bits at both ends.
    for start, end in itertools.combinations(range(16, 25), 2):
        mixed = theirs[:start] + mine[start:end] + theirs[end:]
        if mixed not in (theirs, mine):
            assert other.job(mixed).status in (404, 422)


def test_a_group_is_its_owners(as_new, unique):
    owner, other, reader = as_new("purge:keys"), as_new("purge:keys"), as_new("jobs:read")
    answer = owner.post("/v1/invalidations/batch", {"invalidations": [{"keys": [unique()]}]})
    path = f"/v1/groups/{answer.json['group_id']}"
    assert owner.get(path).json["total"] == reader.get(path).json["total"] == 1
    is_problem(other.get(path), 404, "no_such_job")


def test_idempotency_keys_are_each_ones_own(as_new, unique):
    one, two = as_new("purge:keys"), as_new("purge:keys")
    key, name = unique(), {"Idempotency-Key": unique()}
    first = is_accepted(one.purge(key, headers=name))["job_id"]
    again = one.purge(key, headers=name)
    assert again.json["job_id"] == first and again.headers["idempotency-replayed"] == "true"
    assert is_accepted(two.purge(key, headers=name))["job_id"] != first
    is_accepted(two.purge(key, headers={"Idempotency-Key": unique()}))


# ---- keys that come and go ----

def test_keys_are_rotated_without_a_failed_request(make, tmp_path):
    ids = Identities(tmp_path)
    ids.add("shop", "queues:read")
    server = make(Purgeway, identities_file=ids.path)
    current, failed, done = [ids.keys["shop"]], [], threading.Event()
    asked = [0]

    def load():
        while not done.is_set():
            answer = Known(server.port, current[0][0]).get("/v1/queues")
            asked[0] += 1
            if answer.status != 200:
                failed.append(answer.status)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for by_signal in (False, True, False):
        old, new = current[0], new_key()
        ids.add("shop", "queues:read", keys=[old[1], new[1]])
        if by_signal:
            server.signal(1)
        eventually(lambda: taken(Known(server.port, new[0])), what="the new key")
        current[0] = new
        before = asked[0]
        eventually(lambda: asked[0] > before + 6, what="requests with the new key")
        ids.add("shop", "queues:read", keys=[new[1]])
        eventually(lambda: gone(Known(server.port, old[0])), what="the end of the old key")
    done.set()
    for thread in threads:
        thread.join()
    assert not failed and asked[0] > 20


def gone(client):
    return all(client.get("/v1/queues").status == 401 for _ in range(20))


def test_a_removed_key_stops_working_soon(make, tmp_path):
    ids = Identities(tmp_path)
    client_key = ids.add("shop", "queues:read")
    server = make(Purgeway, identities_file=ids.path)
    client = Known(server.port, client_key)
    assert client.get("/v1/queues").status == 200
    ids.remove("shop")
    eventually(lambda: gone(client), what="the end of the key")
    is_problem(client.get("/v1/queues"), 401, "credentials_required")


def test_a_mistake_in_the_file_changes_nothing(make, tmp_path):
    ids = Identities(tmp_path)
    client_key = ids.add("shop", "queues:read")
    server = make(Purgeway, identities_file=ids.path)
    client = Known(server.port, client_key)
    for text in ("identities: [{name: shop, scope: []}]", "identities: [", " "):
        before = len(server.log())
        ids.write(text)
        eventually(lambda: any(event["event"] == "identities.reload_failed"
                               for event in server.log()[before:]), what="the complaint")
        assert client.get("/v1/queues").status == 200
    pathlib.Path(ids.path).unlink()
    server.signal(1)
    eventually(lambda: server.log_contains("config.reload_failed"), what="the complaint")
    assert client.get("/v1/queues").status == 200
    ids.write()
    eventually(lambda: server.log()[-1]["event"] == "identities.loaded", what="the file")


# ---- starting ----

def start(tmp_path, text, *flags):
    path = tmp_path / "identities.yaml"
    path.write_text(text)
    return run_to_end("gateway", "--broker-url", "unix:///nowhere", "--listen", "127.0.0.1:0",
                      "--identities-file", str(path), *flags, patience_s=30)


def test_a_mistake_in_the_file_stops_the_start(tmp_path):
    for flags in ((), ("--check-config",)):
        code, _, err = start(tmp_path, "identities:\n- name: shop\n  scopes: [purge]\n", *flags)
        assert code == 78 and "identities.yaml:3: there is no such scope" in err, err
        code, _, err = start(tmp_path, "identities: [{name: a, scopes: [], targets: [eu]}]", *flags)
        assert code == 78 and "'eu' is not the name of a target" in err, err
    code, out, _ = start(tmp_path, "identities: []", "--check-config")
    assert code == 0 and out == "ok\n"
    code, _, err = run_to_end("gateway", "--identities-file", "/nowhere", "--check-config")
    assert code == 78 and "identities.file: /nowhere: " in err, err


def test_with_identities_tls_may_be_anywhere_and_plain_text_may_not(tmp_path, certificates):
    pair = ("--tls-certificate", certificates.certificate, "--tls-key", certificates.key)
    anywhere = ("--listen", "0.0.0.0:0", "--check-config")
    code, _, err = start(tmp_path, "identities: []", *anywhere)
    assert code == 78 and "credentials would cross the network" in err, err
    assert start(tmp_path, "identities: []", *anywhere, "--listen-anywhere", "true")[0] == 0
    code, _, err = start(tmp_path, "identities: []", "--tls-listen", "0.0.0.0:0", *pair,
                         "--check-config")
    assert code == 0, err


# ---- the client verbs ----

def test_key_new_names_what_it_makes():
    code, out, err = run_to_end("key", "new", "--name", "shop", "--name=ops")
    assert code == 0 and not err
    lines = out.splitlines()
    assert [line for line in lines if "name" in line] == ['  - name: "shop"', '  - name: "ops"']
    for key, entry in ((lines[0], lines[2]), (lines[3], lines[5])):
        assert re.fullmatch(r"pgw_[A-Za-z0-9_-]{48}", key)
        digest = re.fullmatch(r'    keys: \["(sha256:[0-9a-f]{64})"\]', entry)[1]
        assert json.loads(run_to_end("key", "hash", stdin=key.encode())[1]) == digest
        assert key[4:] not in digest


@pytest.mark.parametrize("name", ["7", "1.5", "true", "null", "-", ".inf", "0x1f", "x" * 64])
def test_what_key_new_prints_is_taken_by_the_file(tmp_path, name):
    """A name may be what YAML would take for something else."""
    out = run_to_end("key", "new", "--name", name)[1]
    entry = "\n".join(line for line in out.splitlines() if line.startswith(" "))
    code, _, err = start(tmp_path, f"identities:\n{entry}\n    scopes: [queues:read]\n",
                         "--check-config")
    assert code == 0, err


@pytest.mark.parametrize("argv", [(), ("no",), ("new", "x"), ("new", "--name"), ("new", "--name="),
                                  ("hash", "x"), ("new", "--name", "x\ny"), ("new", "--name", "a: b"),
                                  ("new", "--name", "a", "--name=\u00e9"), ("new", "--name", b"\xff"),
                                  ("new", "--name", "x" * 65)])
def test_key_wants_a_command_that_makes_sense(argv):
    code, out, err = run_to_end("key", *argv)
    assert code == 2 and not out and "purgeway key --help" in err and len(err.splitlines()) == 1


def test_key_hash_takes_what_cannot_be_guessed():
    key = new_key()[0]
    for text in (key[:-1], key[:-1] + ("A" if key[-1] != "A" else "B"), "short", "", "a b" * 20,
                 "x" * 513, "a\nb" * 20):
        code, out, err = run_to_end("key", "hash", stdin=text.encode())
        assert code == 1 and not out and err.startswith("purgeway: key: "), text
    for text in (key, key + "\n", "x" * 32, "x" * 512):
        assert run_to_end("key", "hash", stdin=text.encode())[0] == 0, text
    assert "usage: purgeway key" in run_to_end("key", "--help")[1]


@pytest.mark.parametrize("bad", ["missing", "fifo", "directory", "empty", "two lines", "too long"])
def test_a_file_of_a_key_that_is_none(tmp_path, bad):
    """Its error names the variable and the file; nothing is waited for."""
    path = tmp_path / "key"
    if bad == "fifo":
        os.mkfifo(path)
    elif bad == "directory":
        path.mkdir()
    elif bad != "missing":
        path.write_text({"empty": "", "two lines": "a\nb\n", "too long": "x" * 600}[bad])
    code, out, err = run_to_end("queues", "--url", "http://127.0.0.1:1",
                                env={"PURGEWAY_API_KEY_FILE": str(path)})
    assert code == 2 and not out and len(err.splitlines()) == 1
    assert f"PURGEWAY_API_KEY_FILE: {path}: " in err, err
    code, out, err = run_to_end("key", "new", env={"PURGEWAY_IDENTITIES_PEPPER_FILE": str(path)})
    assert code == 1 and not out and len(err.splitlines()) == 1
    assert f"PURGEWAY_IDENTITIES_PEPPER_FILE: {path}: " in err, err


def test_a_file_of_a_key_may_be_a_link(served, tmp_path):
    """As those are that Kubernetes makes of secrets."""
    (tmp_path / "data").write_text(served.ids.keys["all"][0])
    (tmp_path / "key").symlink_to("data")
    assert run_to_end("queues", "--url", served.url,
                      env={"PURGEWAY_API_KEY_FILE": str(tmp_path / "key")})[0] == 0


def test_client_verbs_show_their_key(served, tmp_path, unique):
    key, _ = served.ids.keys["all"]
    path = tmp_path / "key"
    path.write_text(key + "\n")
    purge = ("purge", "--url", served.url, "--wait", "30", unique())
    assert run_to_end(*purge, env={"PURGEWAY_API_KEY": key})[0] == 0
    assert run_to_end(*purge, env={"PURGEWAY_API_KEY_FILE": str(path)})[0] == 0
    code, _, err = run_to_end(*purge)
    assert code == 1 and "credential" in err
    for env in ({"PURGEWAY_API_KEY": "a b"}, {"PURGEWAY_API_KEY_FILE": "/nowhere"}):
        code, _, err = run_to_end(*purge, env=env)
        assert code == 2 and next(iter(env)) in err


def test_dead_letters_are_found_by_who_asked(make, tmp_path):
    identities = Identities(tmp_path)
    keys = {name: identities.add(name, "purge:keys", "dead:read", "dead:control")
            for name in ("shop", "stock")}
    broker, cache = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=cache.url(),
                  identities_file=identities.path, retry_base_ms=10, retry_cap_ms=20, retry_tries=2)
    known = {name: Known(server.port, key) for name, key in keys.items()}
    cache.kill9()
    jobs = {name: client.purge("k").json["job_id"] for name, client in known.items()}

    def letters(query=""):
        return known["shop"].get("/v1/dead-letters" + query).json["dead_letters"]
    eventually(lambda: len(letters()) == 2)
    assert [letter["job_id"] for letter in letters("?client=stock")] == [jobs["stock"]]
    assert letters("?client=nobody") == []
    answer = known["shop"].post("/v1/dead-letter-drops", {"client": "shop", "expected_count": 1})
    assert answer.json == {"count": 1}
    assert [letter["job_id"] for letter in letters()] == [jobs["stock"]]


# ---- keyed hashes ----

PEPPER = "a-pepper-of-the-tests,-which-is-long-enough"


def hash_of(secret, pepper=None):
    env = {"PURGEWAY_IDENTITIES_PEPPER": pepper} if pepper else {}
    code, out, err = run_to_end("key", "hash", stdin=secret.encode(), env=env)
    assert code == 0 and not err, err
    return json.loads(out)


def test_a_keyed_hash_needs_the_pepper(make, tmp_path):
    """The file holds one kind beside the other; without the pepper it is refused as a whole."""
    ids, plain, secret = Identities(tmp_path), "p" * 40, "s" * 40
    keyed = hash_of(secret, PEPPER)
    assert keyed.startswith("hmac-sha256:") and hash_of(secret).startswith("sha256:")
    assert keyed == "hmac-sha256:" + hmac.new(PEPPER.encode(), secret.encode(), "sha256").hexdigest()
    ids.add("shop", "queues:read", keys=[keyed, hash_of(plain)])
    code, _, err = run_to_end("serve", "--check-config", "--identities-file", ids.path)
    assert code == 78 and "needs the setting identities.pepper" in err
    pepper = tmp_path / "pepper"
    pepper.write_text(PEPPER + "\n")
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), identities_file=ids.path,
                  env={"PURGEWAY_IDENTITIES_PEPPER_FILE": str(pepper)})
    assert Known(server.port, secret).get("/v1/queues").status == 200
    assert Known(server.port, plain).get("/v1/queues").status == 200
    assert Known(server.port, "x" * 40).get("/v1/queues").status == 401
    ids.add("shop", "queues:read", keys=[hash_of(secret, PEPPER[::-1])])
    eventually(lambda: Known(server.port, secret).get("/v1/queues").status == 401)


def test_new_keys_are_keyed(make, tmp_path):
    code, out, err = run_to_end("key", "new", "--name", "shop",
                                env={"PURGEWAY_IDENTITIES_PEPPER": PEPPER})
    assert code == 0 and not err
    key, entry = out.split("\n", 1)
    assert hash_of(key, PEPPER) in entry


@pytest.mark.parametrize("pepper", ["short", "x" * 31, "with a\nline", "x" * 600])
def test_a_pepper_that_cannot_be(pepper):
    code, out, err = run_to_end("key", "new", env={"PURGEWAY_IDENTITIES_PEPPER": pepper})
    assert code == 1 and not out and len(err.splitlines()) == 1
    code, _, err = run_to_end("serve", "--check-config", env={"PURGEWAY_IDENTITIES_PEPPER": pepper})
    assert code == 78 and "identities.pepper" in err and pepper not in err
