"""Webhooks in: what services sign is purged, what is not signed is not even read, and what became of
each delivery can be seen."""
import json
import os
import re
import signal
import time

import pytest

from checks import is_problem, pointers
from support import hooks as senders
from support.client import Client, Raw, base64_of
from support.hooks import SENDERS, Hooks, deliver
from support.identities import Identities, Known
from support.processes import eventually
from support.servers import ROOT, Purgeway, Redis, run_to_end

KEYS = [{"keys": ["product:{/id}"]}]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A service with a hook of every profile, and some that map in other ways."""
    hooks = Hooks(tmp_path_factory.mktemp("hooks"))
    for name, (_, members, _) in SENDERS.items():
        hooks.add(name, rules=[{"keys": ["product:{/key}"]}], **members)
    hooks.add("shop", "github", [
        {"when": [{"value": "{header:x-topic}", "in": ["products/update", "products/delete"]},
                  {"value": "{/draft}", "exists": False}],
         "keys": ["product:{/id}", "page:{/handle}:{header:x-domain}"],
         "tags": ["product:{/id}"]},
        {"when": [{"value": "{header:x-topic}", "equals": "orders/create"},
                  {"value": "{/items/*/kind}", "prefix": ["phys", "dig"]}],
         "keys": ["stock:{/items/*/kind}:{/items/*/id}"]},
        {"when": [{"value": "{header:x-topic}", "equals": "users/delete"}],
         "patterns": ["user:{/id}:*"]},
    ], job={"priority": "low"})
    hooks.add("events", "github", [
        {"when": [{"value": "{ce:type}", "prefix": "com.shop."}],
         "keys": ["{ce:subject}:{/id}"]}])
    # Of one thread the lines of the log are in order, and there when the next request is answered.
    with Purgeway("serve", hooks_file=hooks.path, threads=1) as server:
        server.hooks = hooks
        yield server


@pytest.fixture
def client(served):
    return Client(served.port)


@pytest.fixture
def stored(served):
    """stored(*keys): puts keys into the cache, and gives what is left of them on being called."""
    with served.embedded() as redis:
        def store(*keys):
            for key in keys:
                redis.set(key, "x")
            return lambda: [key for key in keys if redis.exists(key)]
        yield store


@pytest.fixture
def own(make, tmp_path):
    """own(rules, **members): a private service with a GitHub hook `h`."""
    hooks = Hooks(tmp_path)

    def start(rules=None, settings=None, **members):
        hooks.add("h", members.pop("profile", "github"), rules or KEYS, **members)
        server = make(Purgeway, hooks_file=hooks.path, **(settings or {}))
        server.hooks = hooks
        return server
    return start


def is_job(client, answer, verdict="accepted"):
    """202 with a verdict; the job once it has ended."""
    assert answer.status == 202, answer
    assert answer.json["verdict"] == verdict
    assert answer.headers["location"] == "/v1/jobs/" + answer.json["job_id"]
    job = client.finished(answer.json["job_id"])
    assert job["status"] == "succeeded", job
    return job


def is_passed_over(answer, verdict):
    assert answer.status == 200 and answer.json == {"verdict": verdict}, answer


def log(client, hook, **query):
    path = f"/v1/hooks/{hook}/deliveries?" + "&".join(f"{k}={v}" for k, v in query.items())
    answer = client.get(path.rstrip("?"))
    assert answer.status == 200, answer
    return answer.json["deliveries"]


def preview(client, hook, payload, **headers):
    answer = client.post(f"/v1/hooks/{hook}/preview", {
        "payload": payload, "headers": {name.replace("_", "-"): v for name, v in headers.items()}})
    assert answer.status == 200, answer
    return answer.json


#: A member of a payload that is looked at on the loop, and of one that is looked at beside it.
PADS = pytest.mark.parametrize("pad", [{}, {"pad": "x" * 100000}], ids=["small", "large"])


# ---- every profile, from the sender to the cache ----

@PADS
@pytest.mark.parametrize("name", SENDERS)
def test_what_is_signed_is_purged(client, stored, unique, name, pad):
    key = unique()
    left = stored("product:" + key, "product:" + key + "x")
    is_job(client, deliver(client, name, {"key": key, **pad}, SENDERS[name][0]))
    assert left() == ["product:" + key + "x"]


@PADS
@pytest.mark.parametrize("name", SENDERS)
def test_what_is_not_signed_is_refused(client, stored, unique, name, pad):
    sign, _, headers = SENDERS[name]
    key = unique()
    left = stored("product:" + key)
    refused = [
        deliver(client, name, {"key": key, **pad}, sign, headers={header: value})
        for header in headers for value in (None, "", "x", " ,", "v1,", "t=1,v1=")]
    other = senders.STANDARD_SECRET[:-4] + "AAAA" if name == "standard" else "another secret of tests"
    refused.append(deliver(client, name, {"key": key, **pad}, sign, secret=other))
    problems = [is_problem(answer, 401, "signature_refused") for answer in refused]
    for problem in problems:
        del problem["request_id"]
    assert all(problem == problems[0] for problem in problems)
    assert {answer.headers["www-authenticate"] for answer in refused} == {"Signature"}
    assert left() == ["product:" + key]


@PADS
@pytest.mark.parametrize("name", SENDERS)
def test_a_header_that_comes_twice_is_no_signature(served, unique, name, pad):
    sign, _, headers = SENDERS[name]
    body = json.dumps({"key": unique(), **pad}).encode()
    path = f"/v1/hooks/{name}"
    signed = sign(body, path)
    for header in headers:
        connection = Client(served.port).connect()
        connection.putrequest("POST", path)
        for one, value in [*signed.items(), (header, signed[header])]:
            connection.putheader(one, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        assert connection.getresponse().status == 401, header
        connection.close()


@PADS
@pytest.mark.parametrize("name", [name for name in SENDERS if name not in ("token", "gitlab")])
def test_a_body_that_was_changed_is_refused(client, unique, name, pad):
    sign = SENDERS[name][0]
    body = json.dumps({"key": unique(), **pad}).encode()
    for changed in (body + b" ", body[:-1], body.replace(b"test", b"tesT"), b""):
        answer = deliver(client, name, changed, lambda _, path: sign(body, path))
        assert answer.status == 401, (changed, answer)


@pytest.mark.parametrize("name", ["standard", "stripe", "contentful", "sanity"])
def test_a_delivery_of_another_time_is_refused(client, unique, name):
    sign = SENDERS[name][0]
    now = time.time()
    before = client.metric("purgeway_hook_deliveries_total", verdict="out_of_time")
    for at in (now - 3600, now + 3600):
        is_problem(deliver(client, name, {"key": unique()}, sign, at=at), 401, "signature_refused")
    for at in (now - 60, now + 60):
        assert deliver(client, name, {"key": unique()}, sign, at=at).status == 202
    assert client.metric("purgeway_hook_deliveries_total", verdict="out_of_time") == before + 2


def test_the_window_is_the_operators(own):
    server = own(profile="standard", tolerance_s=7200)
    client, now = Client(server.port), time.time()
    assert deliver(client, "h", {"id": 1}, senders.standard, at=now - 3600).status == 202
    assert deliver(client, "h", {"id": 1}, senders.standard, at=now - 8000).status == 401


@pytest.mark.parametrize("name", ["github", "contentful", "token"])
def test_an_address_may_have_a_query(client, unique, name):
    """Some senders put one there; who signs the path signs it too."""
    body = json.dumps({"key": unique()}).encode()
    path = f"/v1/hooks/{name}?from=a&from=b&%zz"
    sent = {"Content-Type": "application/json", **SENDERS[name][0](body, path)}
    assert client.request("POST", path, body, sent).status == 202
    if name == "contentful":
        assert client.request("POST", path + "x", body, sent).status == 401


@pytest.mark.parametrize("scheme, status", [
    ("Bearer ", 202), ("bearer ", 202), ("BEARER ", 202), ("Basic ", 401), ("", 401), ("bearer", 401)])
def test_a_scheme_may_be_written_in_any_case(client, unique, scheme, status):
    """RFC 9110, 11.1."""
    answer = deliver(client, "token", {"key": unique()}, senders.token,
                     headers={"Authorization": scheme + senders.SECRET})
    assert answer.status == status


def test_what_is_too_large_is_told_what_helps(own):
    """A sender cannot divide what it tells."""
    client = Client(own(settings={"limits_body_bytes": "64KiB"}).port)
    problem = is_problem(deliver(client, "h", {"id": "x" * 70000}, senders.github), 413,
                         "body_too_large")
    assert "limits.body_bytes" in problem["detail"]


def test_a_body_is_not_read_before_it_is_signed(client):
    wrong = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    for body in (b"{", b"\xff", b"", b"[" * 100000):
        assert deliver(client, "github", body, senders.github, headers=wrong).status == 401
        assert deliver(client, "github", body, senders.github).status == 400


def test_what_there_is_not(client):
    is_problem(client.post("/v1/hooks/none", {}), 404, "no_such_hook")
    is_problem(client.post("/v1/hooks/none/preview", {"payload": 1}), 404, "no_such_hook")
    is_problem(client.get("/v1/hooks/none/deliveries"), 404, "no_such_hook")
    is_problem(client.get("/v1/hooks/shop"), 405)
    is_problem(client.get("/v1/hooks/shop/deliveries?verdict=no"), 422)


def test_no_file_is_no_hook(api):
    is_problem(api.post("/v1/hooks/shop", {}), 404, "no_such_hook")


# ---- deliveries that come again ----

@PADS
@pytest.mark.parametrize("name", [name for name in SENDERS if name != "stripe"])
def test_the_same_delivery_is_the_same_job(client, unique, name, pad):
    sign, payload, id = SENDERS[name][0], {"key": unique(), **pad}, senders.new_id()
    first = deliver(client, name, payload, sign, id=id)
    again = deliver(client, name, payload, sign, id=id)
    assert (first.status, again.status) == (202, 202)
    assert again.json == {"verdict": "duplicate", "job_id": first.json["job_id"]}
    other = deliver(client, name, payload, sign, id=senders.new_id())
    assert other.json["verdict"] == "accepted" and other.json["job_id"] != first.json["job_id"]


def test_an_id_in_the_body_counts_as_well(client, unique):
    payload = {"id": "evt_" + unique(), "key": unique()}
    first = deliver(client, "stripe", payload, senders.stripe)
    again = deliver(client, "stripe", payload, senders.stripe, at=time.time() - 5)
    assert again.json == {"verdict": "duplicate", "job_id": first.json["job_id"]}


def test_an_id_given_twice_loses_nothing(client, stored, unique):
    id, one, other = senders.new_id(), unique(), unique()
    left = stored("product:" + one, "product:" + other)
    for key in (one, other):
        is_job(client, deliver(client, "github", {"key": key}, senders.github, id=id))
    assert left() == []


def test_what_has_neither_id_nor_time_is_never_the_same(client, unique):
    payload = {"key": unique()}
    jobs = {deliver(client, "github", payload, senders.github,
                    headers={"X-GitHub-Delivery": None}).json["job_id"] for _ in range(2)}
    assert len(jobs) == 2


def recorded(body, path, sender, **how):
    """A sender that sends what it has signed once."""
    sent = sender(body, path, **how)
    return lambda *_: sent


#: Who signs a time, and which of what is not signed may be changed by who has seen a delivery.
REPLAYS = pytest.mark.parametrize("name, headers", [
    ("standard", {}), ("stripe", {}), ("contentful", {}),
    ("contentful", {"X-Contentful-Idempotency-Key": "another"}), ("sanity", {}),
    ("sanity", {"idempotency-key": "another"}), ("sanity", {"idempotency-key": None})])


@PADS
@REPLAYS
def test_what_is_signed_with_a_time_is_taken_once(client, unique, name, headers, pad):
    body = json.dumps({"key": unique(), **pad}).encode()
    sent = recorded(body, f"/v1/hooks/{name}", SENDERS[name][0])
    first = deliver(client, name, body, sent)
    assert first.json["verdict"] == "accepted"
    for _ in range(2):
        again = deliver(client, name, body, sent, headers=headers)
        assert again.json == {"verdict": "duplicate", "job_id": first.json["job_id"]}
    anew = deliver(client, name, body, SENDERS[name][0], at=time.time() - 7)
    assert anew.json["verdict"] == "accepted" and anew.json["job_id"] != first.json["job_id"]


def forget_ids(server):
    """As if five minutes had passed: what is kept for longer stays."""
    with server.embedded() as redis:
        for key in list(redis.scan_iter("purgeway:{main}:once:*")):
            if redis.pttl(key) <= 300000:
                redis.delete(key)


@pytest.mark.parametrize("name, tolerance_s, kept_s", [
    ("standard", 7200, 14400), ("sanity", 7200, 14400), ("contentful", 300, 600), ("stripe", 60, 300)])
def test_nothing_is_taken_again_as_long_as_its_time_is_near(own, name, tolerance_s, kept_s):
    server = own(profile=name, tolerance_s=tolerance_s)
    client, sign = Client(server.port), SENDERS[name][0]
    body = json.dumps({"id": 1}).encode()
    sent = recorded(body, "/v1/hooks/h", sign)
    first = deliver(client, "h", body, sent)
    with server.embedded() as redis:
        times = [redis.pttl(key) for key in redis.scan_iter("purgeway:{main}:once:*")]
        assert kept_s * 1000 - 30000 < max(times) <= kept_s * 1000
    if kept_s > 300:
        forget_ids(server)
    assert deliver(client, "h", body, sent).json == {"verdict": "duplicate",
                                                     "job_id": first.json["job_id"]}


@pytest.mark.parametrize("name", ["standard", "contentful", "sanity"])
def test_who_signs_anew_is_known_by_the_id(own, name):
    """And what was signed anew is taken no second time either, when the id is known no more; but a
    person may have a delivery sent again then."""
    server = own(profile=name)
    client, sign = Client(server.port), SENDERS[name][0]
    body, id = json.dumps({"id": 1}).encode(), senders.new_id()
    first = deliver(client, "h", body, sign, id=id, at=time.time() - 9)
    sent = recorded(body, "/v1/hooks/h", sign, id=id)
    wanted = {"verdict": "duplicate", "job_id": first.json["job_id"]}
    assert deliver(client, "h", body, sent).json == wanted
    forget_ids(server)
    assert deliver(client, "h", body, sent).json == wanted
    later = deliver(client, "h", body, sign, id=id, at=time.time() - 5)
    assert later.json["verdict"] == "accepted" and later.json["job_id"] != first.json["job_id"]


def test_ids_of_different_hooks_are_different(client, unique):
    payload, id = {"key": unique(), "id": 1}, senders.new_id()
    answers = [deliver(client, name, payload, SENDERS[name][0], id=id) for name in ("own", "token")]
    assert [answer.json["verdict"] for answer in answers] == ["accepted"] * 2


def test_repeats_are_kept_for_minutes_only(own):
    server = own()
    deliver(Client(server.port), "h", {"id": 1}, senders.github)
    with server.embedded() as redis:
        times = [redis.pttl(key) for key in redis.scan_iter("purgeway:{main}:once:*")]
    assert len(times) == 1 and times[0] <= 300000


# ---- secrets ----

def test_secrets_rotate(own):
    server = own(secrets=["the first of the secrets", "the second of the secrets"])
    client = Client(server.port)
    for secret in ("the first of the secrets", "the second of the secrets"):
        assert deliver(client, "h", {"id": 1}, senders.github, secret=secret).status == 202
    eventually(lambda: sorted(line["secret"] for line in log(client, "h")) == [0, 1],
               what="which secret each was signed with")
    server.hooks.add("h", "github", KEYS, secrets=["the second of the secrets",
                                                   "the third of the secrets"])

    def status(secret):
        return deliver(client, "h", {"id": 1}, senders.github, secret=secret).status
    eventually(lambda: all(status("the third of the secrets") == 202 for _ in range(10)),
               what="the new secret")
    assert status("the second of the secrets") == 202
    assert status("the first of the secrets") == 401


def test_a_secret_is_read_again_when_its_file_has_changed(own):
    """As when a directory of secrets is mounted: a link is turned to another file."""
    server = own()
    client = Client(server.port)
    path = server.hooks.secret(senders.SECRET).removeprefix("file:")

    def status(secret):
        return deliver(client, "h", {"id": 1}, senders.github, secret=secret).status
    for secret in ("another secret of the tests", "a third secret of the tests"):
        os.symlink(server.hooks.secret(secret).removeprefix("file:"), path + ".new")
        os.replace(path + ".new", path)
        eventually(lambda: all(status(secret) == 202 for _ in range(10)), what="the new secret")
        assert status(senders.SECRET) == 401
    os.remove(path)
    eventually(lambda: server.log_contains("hooks.reload_failed", path), what="what is wrong")
    assert status("a third secret of the tests") == 202
    server.hooks.secret(senders.SECRET)
    eventually(lambda: status(senders.SECRET) == 202, what="the first secret")


def test_a_secret_may_stand_in_the_environment(make, tmp_path):
    hooks = Hooks(tmp_path)
    hooks.all["h"] = {"name": "h", "profile": "github", "secrets": ["env:HOOK_SECRET_OF_TESTS"],
                      "rules": KEYS}
    hooks.write()
    code, _, err = run_to_end("serve", "--check-config", "--hooks-file", hooks.path)
    assert code == 78 and "HOOK_SECRET_OF_TESTS" in err, err
    code, _, err = run_to_end("serve", "--check-config", "--hooks-file", hooks.path,
                              env={"HOOK_SECRET_OF_TESTS": senders.SECRET})
    assert code == 0, err


def test_a_secret_does_not_stay_in_the_environment(make, tmp_path):
    """/proc tells all of it; reading the file again needs it all the same."""
    hooks = Hooks(tmp_path)
    for name in ("h", "i"):
        hooks.all[name] = {"name": name, "profile": "github", "secrets": ["env:HOOK_SECRET_OF_TESTS"],
                           "rules": KEYS}
    hooks.write()
    server = make(Purgeway, hooks_file=hooks.path, env={"HOOK_SECRET_OF_TESTS": senders.SECRET})
    client = Client(server.port)
    with open(f"/proc/{server.pid}/environ", "rb") as file:
        environment = file.read()
    assert b"HOOK_SECRET_OF_TESTS=" in environment and senders.SECRET.encode() not in environment
    assert deliver(client, "i", {"id": 1}, senders.github).status == 202
    del hooks.all["i"]
    hooks.write()
    eventually(lambda: all(deliver(client, "i", {"id": 1}, senders.github).status == 404
                           for _ in range(10)), what="the new file")
    server.signal(signal.SIGHUP)
    eventually(lambda: server.log_contains("config.reloaded"))
    assert deliver(client, "h", {"id": 1}, senders.github).status == 202


def test_no_secret_is_logged(own):
    server = own(settings={"log_access": True, "log_level": "debug"}, profile="token")
    client = Client(server.port)
    assert deliver(client, "h", {"id": 1}, senders.token).status == 202
    assert deliver(client, "h", {"id": 1}, senders.token, secret=senders.SECRET + "x").status == 401
    eventually(lambda: len(log(client, "h")) == 2, what="the lines")
    told = json.dumps(log(client, "h")) + server.errors()
    server.hooks.all["h"]["secrets"] = [senders.SECRET]
    server.hooks.write()
    eventually(lambda: server.log_contains("hooks.reload_failed"), what="the refusal")
    assert senders.SECRET not in told + server.errors()


# ---- mapping ----

def shop(client, topic, payload, **headers):
    return deliver(client, "shop", payload, senders.github,
                   headers={"X-Topic": topic, "X-Domain": "a.example",
                            **{name.replace("_", "-"): value for name, value in headers.items()}})


def test_rules_fill_in_what_the_delivery_holds(client, stored, unique):
    id = unique()
    left = stored(f"product:{id}", "page:ipod:a.example", f"product:{id}2")
    job = is_job(client, shop(client, "products/update", {"id": id, "handle": "ipod"}))
    assert left() == [f"product:{id}2"]
    assert job["priority"] == "low"


def test_items_of_a_list_stay_together(client, stored, unique):
    a, b = unique(), unique()
    left = stored(f"stock:phys:{a}", f"stock:digital:{b}", f"stock:phys:{b}")
    is_job(client, shop(client, "orders/create", {"items": [
        {"kind": "phys", "id": a}, {"kind": "digital", "id": b}, {"kind": "phys"}]}))
    assert left() == [f"stock:phys:{b}"]


def test_filtered_deliveries_are_answered_with_success(client):
    is_passed_over(shop(client, "carts/update", {"id": 1}), "filtered")
    is_passed_over(shop(client, "products/update", {"id": 1, "draft": True}), "filtered")
    is_passed_over(shop(client, "orders/create", {"items": [{"kind": "other", "id": 1}]}), "filtered")
    is_passed_over(deliver(client, "shop", {"id": 1}, senders.github), "filtered")


def test_what_names_nothing_removes_nothing(client, stored):
    left = stored("user:1:a")
    is_passed_over(shop(client, "users/delete", {}), "empty")
    is_passed_over(shop(client, "users/delete", {"id": ""}), "empty")
    is_passed_over(shop(client, "users/delete", {"id": None}), "empty")
    is_passed_over(shop(client, "users/delete", {"id": {"a": 1}}), "empty")
    assert left() == ["user:1:a"]
    assert "missing" in log(client, "shop", verdict="empty")[0]["detail"]


def test_wildcards_of_a_payload_are_text(client, stored, unique):
    id = unique()
    left = stored(f"user:{id}*:a", f"user:{id}1:a", f"user:{id}[1]:a", f"user:{id}\\:a")
    for end in ("*", "[1]", "\\"):
        is_job(client, shop(client, "users/delete", {"id": id + end}))
    assert left() == [f"user:{id}1:a"]


@PADS
@pytest.mark.parametrize("name", SENDERS)
def test_space_around_a_header_is_no_part_of_it(client, stored, unique, name, pad):
    sign, _, _ = SENDERS[name]
    key = unique()
    left = stored("product:" + key)
    body = json.dumps({"key": key, **pad}).encode()
    fields = {"Content-Type": "application/json", **sign(body, "/v1/hooks/" + name)}
    is_job(client, client.request("POST", "/v1/hooks/" + name, body,
                                  {field: f" \t{value} \t" for field, value in fields.items()}))
    assert left() == []


@PADS
@pytest.mark.parametrize("target, host", [
    ("/v1/hooks/h", "shop.example:8080"), ("http://other.example/v1/hooks/h", "other.example")])
def test_the_host_is_a_header(own, unique, pad, target, host):
    """In either form of the target; where none came there is none."""
    server = own(rules=[{"keys": ["{/id}:{header:host}"]}])
    id = unique()
    body = json.dumps({"id": id, **pad}).encode()

    def send(line, **more):
        fields = {"Content-Type": "application/json", "Content-Length": len(body),
                  **senders.github(body, ""), **more}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        with Raw(server.port) as raw:
            raw.send(f"POST {line}\r\n{head}\r\n".encode() + body)
            return raw.answer()
    with server.embedded() as redis:
        redis.set(f"{id}:{host}", "x")
        is_job(Client(server.port), send(target + " HTTP/1.1", Host="shop.example:8080"))
        assert not redis.exists(f"{id}:{host}")
    is_passed_over(send("/v1/hooks/h HTTP/1.0"), "empty")


@PADS
def test_a_ping_is_no_event(client, pad):
    is_passed_over(deliver(client, "github", {"zen": "x", **pad}, senders.github,
                           headers={"X-GitHub-Event": "ping"}), "ping")
    answer = client.request("POST", "/v1/hooks/woocommerce", b"webhook_id=12",
                            {"Content-Type": "application/x-www-form-urlencoded"})
    is_passed_over(answer, "ping")
    assert client.request("POST", "/v1/hooks/woocommerce", b"webhook_id=x").status == 401
    assert client.request("POST", "/v1/hooks/github", b"webhook_id=12").status == 401


def test_what_cannot_be_an_invalidation_is_refused(client, unique):
    problem = is_problem(shop(client, "products/update", {"id": "x" * 5000}), 422)
    assert "#/keys/0" in pointers(problem)
    many = [{"kind": "phys", "id": n} for n in range(30000)]
    is_problem(shop(client, "orders/create", {"items": many}), 422)
    is_problem(shop(client, "orders/create", {"items": many[:1001]}), 422)
    is_job(client, shop(client, "orders/create", {"items": many[:1000]}))
    assert {line["verdict"] for line in log(client, "shop", page_size=4)} == {"unfit", "accepted"}


#: Many selectors with one long text in them: 11 kB that would become 4 MB.
LONG = {"title": "x" * 4000, "items": list(range(1000))}


@PADS
def test_what_rules_make_is_no_larger_than_what_a_client_may_send(own, pad):
    client = Client(own(rules=[{"keys": ["{/title}:{/items/*}"]}]).port)
    problem = is_problem(deliver(client, "h", {**LONG, **pad}, senders.github), 422)
    assert "1048576" in problem["errors"][0]["detail"], problem
    assert preview(client, "h", {**LONG, **pad})["verdict"] == "unfit"
    assert deliver(client, "h", {**LONG, "items": [1, 2]}, senders.github).status == 202
    assert {line["verdict"] for line in log(client, "h")} == {"unfit", "accepted"}


def test_how_large_is_the_operators_to_say(own):
    server = own(rules=[{"keys": ["{/title}:{/items/*}"]}],
                 settings={"limits_body_bytes": "8MiB"})
    is_job(Client(server.port), deliver(Client(server.port), "h", LONG, senders.github))


def peak_kib(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


@pytest.mark.parametrize("template", ["{/title}:{/items/*}", "{/title}:{/items/*/none}"])
def test_what_rules_would_make_costs_little(own, template):
    """20,000 texts of 16 kB each would be 320 MB."""
    server = own(rules=[{"keys": [template]}, {"patterns": [template]}])
    client = Client(server.port)
    large = {"title": "x" * 16000, "items": list(range(20000))}
    before = peak_kib(server)
    assert deliver(client, "h", large, senders.github).status == 422
    assert preview(client, "h", large)["verdict"] == "unfit"
    assert peak_kib(server) - before < 64 << 10


def test_a_key_of_the_service_is_never_removed(own):
    client = Client(own(rules=[{"keys": ["{/key}"]}]).port)
    is_problem(deliver(client, "h", {"key": "purgeway:{main}:high"}, senders.github), 422)


@pytest.mark.parametrize("type, status", [
    (None, 202), ("application/json; charset=utf-8", 202), ("Application/JSON", 202),
    ("application/vnd.x+json", 202), ("application/x-www-form-urlencoded", 415),
    ("text/plain", 415), ("application/cloudevents+json", 400)])
def test_types_of_bodies(client, unique, type, status):
    answer = deliver(client, "github", {"key": unique()}, senders.github,
                     headers={"Content-Type": type})
    assert answer.status == status, answer


@PADS
@pytest.mark.parametrize("member", ['"n": 18446744073709551615', '"n": 1e400', '"n": 1, "n": 2',
                                    '"n\\u0000": 1'])
def test_json_that_cannot_be_kept_is_told_from_none(client, unique, pad, member):
    """As to any other request, and as the preview does."""
    text = '{"key": "%s", %s%s}' % (unique(), member, ", " + json.dumps(pad)[1:-1] if pad else "")
    told = is_problem(deliver(client, "github", text.encode(), senders.github), 422,
                      "invalid_request")["errors"]
    asked = client.request("POST", "/v1/hooks/github/preview", b'{"payload":' + text.encode() + b"}",
                           {"Content-Type": "application/json"})
    wanted = is_problem(asked, 422, "invalid_request")["errors"]

    def reason(errors):
        return [(one["pointer"], one["detail"].partition(": ")[2]) for one in errors]
    assert reason(told) == reason(wanted) and reason(told)[0][1]
    assert log(client, "github", verdict="unfit", page_size=1)[0]["detail"].startswith("# line ")
    whole = client.request("POST", "/v1/hooks/github", b"{" + text.encode(), {
        "Content-Type": "application/json", **senders.github(b"{" + text.encode(), "")})
    is_problem(whole, 400, "malformed_json")


# ---- CloudEvents ----

def cloud(id, subject, **members):
    return {"specversion": "1.0", "id": id, "source": "/shop", "type": "com.shop.changed",
            "subject": subject, **members}


def as_binary(client, event, data=None, **headers):
    return deliver(client, "events", event.get("data", data), senders.github, headers={
        **{"ce-" + name: value for name, value in event.items() if name != "data"}, **headers})


def structured(client, event, kind="application/cloudevents+json; charset=UTF-8"):
    return deliver(client, "events", event, senders.github, headers={"Content-Type": kind})


def batched(client, *events):
    return structured(client, list(events), "application/cloudevents-batch+json")


def test_cloud_events_in_all_forms(client, stored, unique):
    subject = unique()
    left = stored(*[f"{subject}:{n}" for n in range(6)])
    is_job(client, as_binary(client, cloud(unique(), subject.replace(":", "%3A"), data={"id": 0})))
    is_job(client, structured(client, cloud(unique(), subject, data={"id": 1})))
    is_job(client, structured(client, cloud(unique(), subject, data_base64=base64_of(b'{"id":2}'))))
    is_job(client, batched(client, cloud(unique(), subject, data={"id": 3}),
                           cloud(unique(), subject, data={"id": 4}),
                           {**cloud(unique(), subject, data={"id": 5}), "type": "other"}))
    assert left() == [f"{subject}:5"]
    is_passed_over(batched(client), "filtered")


def test_a_cloud_event_is_known_by_source_and_id(client, unique):
    event = cloud(unique(), unique(), data={"id": 1})
    first = structured(client, event)
    again = structured(client, event)
    assert again.json == {"verdict": "duplicate", "job_id": first.json["job_id"]}
    assert structured(client, {**event, "source": "/other"}).json["verdict"] == "accepted"
    assert log(client, "events", page_size=1)[0]["delivery_id"] == "/other " + event["id"]


@pytest.mark.parametrize("wrong", [
    {"specversion": "0.3"}, {"specversion": None}, {"id": ""}, {"id": None}, {"source": ""},
    {"type": ""}, {"type": 7.5}])
def test_what_is_no_cloud_event(client, wrong):
    event = {**cloud("1", "s", data={"id": 1}), **wrong}
    is_problem(structured(client, event), 400, "malformed_event")
    is_problem(batched(client, cloud("2", "s"), event), 400, "malformed_event")


def test_more_that_is_no_cloud_event(client):
    event = cloud("1", "s", data={"id": 1})
    for body in ([], "x", 1, None, [event]):
        is_problem(structured(client, body), 400, "malformed_event")
    is_problem(batched(client, *[event] * 101), 400, "malformed_event")
    is_problem(structured(client, event, "application/cloudevents-batch+json"), 400)
    is_problem(structured(client, cloud("1", "s", data_base64="*")), 400, "malformed_event")
    is_problem(as_binary(client, event, **{"ce-specversion": "0.3"}), 400, "malformed_event")
    is_problem(as_binary(client, event, **{"ce-type": "%C0%A0"}), 400, "malformed_event")
    is_problem(as_binary(client, event, **{"ce-type": "%"}), 400, "malformed_event")
    is_problem(structured(client, event, "application/cloudevents+xml"), 415)


# ---- preview ----

def test_a_preview_shows_and_does_nothing(client, stored, unique):
    id = unique()
    left = stored(f"product:{id}")
    before = log(client, "shop", page_size=1)
    told = preview(client, "shop", {"id": id}, X_Topic="products/update", X_Domain="a.example",
                   X_GitHub_Delivery="d1")
    assert told["verdict"] == "accepted" and told["delivery_id"] == "d1" and told["missing"] == 1
    assert told["invalidation"] == {"keys": [f"product:{id}"], "tags": [f"product:{id}"],
                                    "priority": "low", "reason": "webhook shop"}
    assert told["rules"] == [
        {"rule": 0, "held": True, "missing": ["page:{/handle}:{header:x-domain}"]},
        {"rule": 1, "held": False, "missing": []}, {"rule": 2, "held": False, "missing": []}]
    assert left() == [f"product:{id}"] and log(client, "shop", page_size=1) == before


def test_a_preview_tells_what_is_wrong(client):
    assert preview(client, "shop", {"id": 1}, X_Topic="other")["verdict"] == "filtered"
    assert preview(client, "shop", {}, X_Topic="users/delete")["verdict"] == "empty"
    told = preview(client, "shop", {"id": "x" * 5000}, X_Topic="products/update")
    assert told["verdict"] == "unfit" and told["errors"][0]["pointer"] == "#/keys/0"
    event = cloud("1", "s", data={"id": 1})
    told = preview(client, "events", event, content_type="application/cloudevents+json")
    assert told["invalidation"]["keys"] == ["s:1"] and told["delivery_id"] == "/shop 1"
    is_problem(client.post("/v1/hooks/shop/preview", {"headers": {}}), 422)


# ---- the log ----

@PADS
def test_the_log_tells_of_every_verdict(own, pad):
    client = Client(own(settings={"threads": 1}).port)
    assert log(client, "h") == []
    id, payload = senders.new_id(), {"id": 1, **pad}
    first = deliver(client, "h", payload, senders.github, id=id)
    deliver(client, "h", payload, senders.github, id=id)
    deliver(client, "h", pad, senders.github)
    deliver(client, "h", b"{" * (1 + len(pad) * 100000), senders.github)
    deliver(client, "h", payload, senders.github, secret="another secret of the tests")
    deliver(client, "h", payload, senders.github, headers={"X-Hub-Signature-256": None})
    wanted = ["unsigned", "bad_signature", "malformed", "empty", "duplicate", "accepted"]
    lines = log(client, "h")
    # Two streams may have the same millisecond.
    assert sorted(line["verdict"] for line in lines) == sorted(wanted)
    assert [line["verdict"] for line in lines if "secret" in line] == wanted[2:]
    assert {line["address"] for line in lines} == {"127.0.0.1"}
    accepted = lines[[line["verdict"] for line in lines].index("accepted")]
    assert accepted["delivery_id"] == id and accepted["job_id"] == first.json["job_id"]
    assert [line["verdict"] for line in log(client, "h", verdict="malformed")] == ["malformed"]
    assert len(log(client, "h", page_size=2)) == 2
    for verdict in wanted:
        assert client.metric("purgeway_hook_deliveries_total", verdict=verdict) == 1


def test_large_deliveries_whose_senders_leave(own):
    """Nothing is known of what was not answered; and the service may end beneath them."""
    server = own(settings={"threads": 1})
    client = Client(server.port)
    body = json.dumps({"id": 1, "pad": "x" * 1000000}).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in senders.github(body, "").items())
    whole = (f"POST /v1/hooks/h HTTP/1.1\r\nHost: a\r\n{head}"
             f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    for _ in range(20):
        with Raw(server.port) as link:
            link.send(whole)
    assert deliver(client, "h", {"id": 2}, senders.github).status == 202
    sample = b'{"payload":' + body + b"}"
    large = (f"POST /v1/hooks/h/preview HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
             f"Content-Length: {len(sample)}\r\n\r\n").encode() + sample
    for _ in range(20):
        with Raw(server.port) as link:
            link.send(large)
    links = [Raw(server.port) for _ in range(20)]
    for n, link in enumerate(links):
        link.send(whole if n % 2 else large)
    assert server.sigterm() == 0
    for link in links:
        link.socket.close()


def test_the_log_is_bounded(own):
    server = own(settings={"hooks_log": 5, "threads": 1})
    client = Client(server.port)
    for n in range(8):
        deliver(client, "h", {"id": n}, senders.github, id=f"d{n}")
    assert [line["delivery_id"] for line in log(client, "h")] == [f"d{n}" for n in range(7, 2, -1)]
    for _ in range(60):
        deliver(client, "h", {"id": 1}, senders.github, secret="another secret of the tests")
    assert client.metric("purgeway_hook_deliveries_total", verdict="bad_signature") == 60
    assert len(log(client, "h", verdict="accepted")) == 5
    with server.embedded() as redis:
        assert redis.xlen("purgeway:{main}:hook:h:refused") <= 5
        assert 0 < redis.ttl("purgeway:{main}:hook:h:refused") <= 604800


def paged(client, hook, **query):
    """All lines, page by page, and how many there were on each."""
    lines, sizes, token = [], [], None
    while True:
        text = "&".join(f"{k}={v}" for k, v in {**query, **({"page_token": token} if token else {})}.items())
        answer = client.get(f"/v1/hooks/{hook}/deliveries?{text}")
        assert answer.status == 200, answer
        lines += answer.json["deliveries"]
        sizes.append(len(answer.json["deliveries"]))
        token = answer.json.get("next_page_token")
        if not token:
            return lines, sizes


def fill_log(server, signed, refused):
    """Lines at these ids, as the service writes them; the id is the delivery's."""
    with server.embedded() as redis:
        for stream, ids in (("hook:h", signed), ("hook:h:refused", refused)):
            pipe = redis.pipeline(transaction=False)
            for n, id in enumerate(ids):
                verdict = "unsigned" if stream != "hook:h" else "unfit" if n % 400 == 0 else "accepted"
                pipe.xadd("purgeway:{main}:" + stream, {"v": verdict, "i": stream + id}, id=id)
            pipe.execute()


def newest_first(ids):
    return sorted(ids, key=lambda id: [-int(part) for part in id.split("-")])


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_the_log_can_be_read_by_page(own, size):
    """Both streams as one, each line once, also where they have the same ids."""
    server = own(settings={"hooks_log": 10000})
    ids = [f"{ms}-{seq}" for ms in (1000, 1001, 1002, 2000) for seq in range(4)]
    fill_log(server, ids, ids[::2] + ["3000-0"])
    wanted = [one for id in newest_first(ids + ["3000-0"]) for one in
              [*(["hook:h" + id] if id in ids else []),
               *(["hook:h:refused" + id] if id in ids[::2] + ["3000-0"] else [])]]
    lines, sizes = paged(Client(server.port), "h", page_size=size)
    assert [line["delivery_id"] for line in lines] == wanted
    assert max(sizes) <= size and all(one == size for one in sizes[:-1])


def test_all_that_is_kept_can_be_read(own):
    server = own(settings={"hooks_log": 10000})
    client = Client(server.port)
    signed, refused = [f"{n}-1" for n in range(1, 10001)], [f"{n * 40}-0" for n in range(1, 201)]
    fill_log(server, signed, refused)
    lines, sizes = paged(client, "h", page_size=100)
    assert len(lines) == 10200 and len({line["delivery_id"] for line in lines}) == 10200
    times = [line["at"] for line in lines]
    assert times == sorted(times, reverse=True) and max(sizes) == 100
    found = [line["delivery_id"] for line in paged(client, "h", verdict="unfit", page_size=10)[0]]
    assert found == ["hook:h" + id for id in reversed(signed[::400])]
    assert len(paged(client, "h", verdict="unsigned", page_size=30)[0]) == 200
    assert paged(client, "h", verdict="ping")[0] == []


def test_tokens_of_pages(own):
    client = Client(own().port)
    for token in ("x", "1", "1-", "-1", "1-1x", "r", "1-1rr", "x" * 65):
        problem = is_problem(client.get(f"/v1/hooks/h/deliveries?page_token={token}"), 422)
        assert pointers(problem) == {"#/query/page_token"}
    for token in ("0-0", "0-0r", "0-1", "1-0r"):
        assert client.get(f"/v1/hooks/h/deliveries?page_token={token}").json == {"deliveries": []}


def test_no_log_when_none_is_wanted(own):
    server = own(settings={"hooks_log": 0})
    client = Client(server.port)
    assert deliver(client, "h", {"id": 1}, senders.github).status == 202
    assert log(client, "h") == []


def test_without_a_queue_the_sender_is_told_to_come_back(make, tmp_path):
    hooks = Hooks(tmp_path)
    hooks.add("h", "github", KEYS)
    redis = make(Redis)
    server = make(Purgeway, broker_url=redis.url(), hooks_file=hooks.path)
    client = Client(server.port)
    assert deliver(client, "h", {"id": 1}, senders.github).status == 202
    redis.kill9()
    answer = deliver(client, "h", {"id": 1}, senders.github)
    is_problem(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


# ---- identities ----

def test_a_hook_acts_as_an_identity(make, tmp_path):
    ids, hooks = Identities(tmp_path), Hooks(tmp_path)
    ids.add("shop", "purge:keys", "purge:tags", key_prefixes=["product:"], tag_prefixes=[""])
    reader = ids.add("reader", "hooks:read", "jobs:read")
    hooks.add("h", "github", [{"when": [{"value": "{/tag}", "exists": False}], "keys": ["{/key}"]},
                              {"when": [{"value": "{/tag}", "exists": True}], "tags": ["{/tag}"]}],
              **{"as": "shop"})
    server = make(Purgeway, hooks_file=hooks.path, identities_file=ids.path, threads=1)
    nobody, known = Client(server.port), Known(server.port, reader)
    ids.remove("shop")
    ids.add("shop", "purge:keys", key_prefixes=["product:"])
    eventually(lambda: server.log_contains("hooks.reload_failed", "purge:tags"), what="the warning")
    is_job(known, deliver(nobody, "h", {"key": "product:1"}, senders.github))
    problem = is_problem(deliver(nobody, "h", {"key": "user:1"}, senders.github), 403, "not_covered")
    assert pointers(problem) == {"#/keys/0"}
    is_problem(deliver(nobody, "h", {"tag": "t"}, senders.github), 403, "scope_missing")
    is_problem(nobody.get("/v1/hooks/h/deliveries"), 401)
    is_problem(nobody.post("/v1/hooks/h/preview", {"payload": {}}), 401)
    assert preview(known, "h", {"key": "user:1"})["verdict"] == "not_allowed"
    assert [line["verdict"] for line in log(known, "h")] == ["not_allowed"] * 2 + ["accepted"]
    ids.remove("shop")
    eventually(lambda: all(deliver(nobody, "h", {"key": "product:1"}, senders.github).status == 403
                           for _ in range(10)), what="that it is gone")


def test_a_hook_may_come_before_its_identity(make, tmp_path):
    ids, hooks = Identities(tmp_path), Hooks(tmp_path)
    server = make(Purgeway, hooks_file=hooks.path, identities_file=ids.path)
    client = Client(server.port)
    hooks.add("h", "github", KEYS, **{"as": "shop"})
    eventually(lambda: server.log_contains("hooks.reload_failed", "no identity"), what="the refusal")
    assert deliver(client, "h", {"id": 1}, senders.github).status == 404
    ids.add("shop", "purge:keys")
    eventually(lambda: all(deliver(client, "h", {"id": 1}, senders.github).status == 202
                           for _ in range(10)), what="the hook")


def test_where_there_are_identities_a_hook_needs_one(tmp_path):
    ids, hooks = Identities(tmp_path), Hooks(tmp_path)
    ids.add("shop", "purge:keys")
    for members, words in (({}, "needs `as`"), ({"as": "shoq"}, "no identity 'shoq'")):
        hooks.add("h", "github", KEYS, **members)
        code, _, err = run_to_end("serve", "--check-config", "--hooks-file", hooks.path,
                                  "--identities-file", ids.path)
        assert code == 78 and words in err and hooks.path + ":" in err, err


@pytest.mark.parametrize("rule, targets, words, place", [
    ({"tags": ["t"]}, ["default"], "purge:tags", '"tags"'),
    ({"patterns": ["abc*"], "keys": ["k"]}, ["default"], "purge:patterns", '"patterns"'),
    ({"keys": ["k"]}, ["default", "other"], "names a target", '"targets"'),
    ({"keys": ["k"]}, None, "all targets", '"job"')])
def test_who_a_hook_acts_as_must_be_able_to(tmp_path, rule, targets, words, place):
    """Else every delivery would be refused, and nobody but its sender would hear."""
    ids, hooks = Identities(tmp_path), Hooks(tmp_path)
    ids.add("shop", "purge:keys", targets=["default"])
    both = [arg for name in ("default", "other")
            for arg in ("--targets", f"{name}=redis://127.0.0.1:1/")]
    args = ["serve", "--check-config", "--hooks-file", hooks.path, "--identities-file", ids.path, *both]
    hooks.add("h", "github", [*KEYS, rule], **{"as": "shop", "job": {
        "priority": "low", **({"targets": targets} if targets else {})}})
    code, _, err = run_to_end(*args)
    assert code == 78 and words in err and "'shop'" in err and hooks.path + ":" in err, err
    with open(hooks.path, encoding="utf-8") as file:
        assert place in file.read().split("\n")[int(err.split(hooks.path + ":")[1].split(":")[0]) - 1]
    hooks.add("h", "github", KEYS, **{"as": "shop", "job": {"targets": ["default"]}})
    code, out, err = run_to_end(*args)
    assert code == 0, (out, err)


# ---- the file ----

GOOD = """hooks:
  - name: h
    profile: github
    secrets: ["{secret}"]
    rules:
      - when:
          - value: "{{header:x-github-event}}"
            in: [push]
        keys: ["a:{{/id}}"]
    job: {{priority: high}}
"""


@pytest.mark.parametrize("old, new, line, words", [
    ("profile: github", "profile: githug", 3, "no such profile; there is standard, github"),
    ("    profile: github\n", "", 2, "`profile` is missing"),
    ("name: h", "name: h/x", 2, "a name has"),
    ("profile: github", "profil: github", 3, "no member 'profil'"),
    ("profile: github", "profile: standard", 4, "base64"),
    ("profile: github", "profile: hmac", 2, "needs the `header`"),
    ("profile: github", "profile: github\n    header: x", 4, "goes with the profiles"),
    ("profile: github", "profile: github\n    tolerance_s: 0", 4, "seconds"),
    ('"{secret}"', '"whsec_abc"', 4, "stands elsewhere"),
    ('"{secret}"', '"file:/nowhere/x"', 4, "/nowhere/x"),
    ('["{secret}"]', "[]", 4, "a list of 1 to 8"),
    ("{{/id}}", "{{/id", 9, "without its `}`"),
    ("{{/id}}", "{{/id}}}}", 9, "without its `{`"),
    ("{{/id}}", "{{id}}", 9, "JSON pointer"),
    ("{{/id}}", "{{/a~b}}", 9, "~0"),
    ('keys: ["a:{{/id}}"]', 'patterns: ["user:*", "user:[{{/id}}]:*"]', 9, "between [ and ]"),
    ("x-github-event", "X-GitHub-Event", 7, "small letters"),
    ("x-github-event", "content-length", 7, "not headers of a delivery"),
    ("in: [push]", "is: push", 8, "no member 'is'"),
    ("in: [push]", "in: [push]\n            prefix: x", 9, "one of equals"),
    ("            in: [push]\n", "", 7, "needs `value`"),
    ("in: [push]", "in: []", 8, "a list of 1 to 64"),
    ('        keys: ["a:{{/id}}"]\n', "", 6, "needs `keys`"),
    ("priority: high", "priority: hihg", 10, "high, normal, low"),
    ("priority: high", "targets: [nowhere]", 10, "no target 'nowhere'; there is default"),
    ("priority: high", "targets: [7]", 10, "the name of a target"),
    ("priority: high", "mode: versioned", 10, "`versioned` needs a version"),
    ("priority: high", "reason: x", 10, "no member 'reason'"),
    ("priority: high", "hold_ms: 5000", 10, "`hold_ms` goes with `mode: tombstone`"),
    ("priority: high", "soft_ttl_ms: 5000, mode: hard", 10, "`soft_ttl_ms` goes with `mode: soft`"),
    ("{{priority: high}}", "\n      mode: soft\n      hold_ms: 5000", 12, "`hold_ms` goes with"),
    ("{{priority: high}}", "\n      rebounds_ms:\n        - 2000\n        - 1000", 13, "more than the one"),
    ("priority: high", "delay_ms: 99999999999999", 10, "every delivery would be refused: `delay_ms`"),
    ("priority: high", "rebounds_ms: [0]", 10, "`rebounds_ms/0`"),
    ("hooks:", "hoooks:", 1, "no member 'hoooks'"),
    ("job: {{priority: high}}", "name: x", 10, "twice"),
])
def test_mistakes_have_their_line(tmp_path, old, new, line, words):
    hooks = Hooks(tmp_path)
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    hooks.write(text.format(secret=hooks.secret(senders.SECRET)))
    code, out, err = run_to_end("serve", "--check-config", "--hooks-file", hooks.path)
    assert code == 78, (out, err)
    assert f"{hooks.path}:{line}" in err and words in err and err.count("\n") == 1, err


def test_the_file_is_read_again(own):
    server = own()
    client = Client(server.port)
    assert preview(client, "h", {"id": 1})["invalidation"]["keys"] == ["product:1"]
    server.hooks.write("hooks: [")
    eventually(lambda: server.log_contains("hooks.reload_failed"), what="the refusal")
    assert preview(client, "h", {"id": 1})["verdict"] == "accepted"
    server.hooks.add("h", "github", [{"keys": ["other:{/id}"]}])
    eventually(lambda: all(preview(client, "h", {"id": 1})["invalidation"]["keys"] == ["other:1"]
                           for _ in range(10)), what="the new rules")
    server.hooks.write("hooks: []")
    server.signal(signal.SIGHUP)
    eventually(lambda: all(client.get("/v1/hooks/h/deliveries").status == 404 for _ in range(10)),
               what="that it is gone")


def test_what_the_manual_shows_is_right(tmp_path):
    manual = (ROOT / "docs" / "webhooks.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", manual, re.M | re.S)
    first = re.search(r"^    (hooks:\n(?:     .*\n)+)", manual, re.M)[1].replace("\n    ", "\n")
    assert len(blocks) == 6
    hooks = Hooks(tmp_path)
    secret = hooks.secret(senders.STANDARD_SECRET)
    for block in [first, *blocks]:
        hooks.write(re.sub(r"file:/etc/purgeway/\w+\.secret", secret, block))
        code, out, err = run_to_end("serve", "--check-config", "--hooks-file", hooks.path)
        assert code == 0, (block, out, err)


# ---- what it costs whom it acts as ----

def test_deliveries_are_charged_to_whom_the_hook_acts_as(own, tmp_path):
    ids = Identities(tmp_path)
    ids.add("shop", "purge:keys", "hooks:read", key_rate={"per_s": 1, "burst": 3})
    rules = [{"keys": ["product:{/ids/*}"]}]
    server = own(rules, settings={"identities_file": ids.path}, **{"as": "shop"})
    client = Known(server.port, ids.keys["shop"][0])
    body = {"ids": [1, 2, 3]}
    assert deliver(client, "h", body, senders.github).status == 202
    limited = is_problem(deliver(client, "h", body, senders.github), 429, "rate_limited")
    assert "keys a second" in limited["detail"]
    # What can never fit is said so, and the sender need not come again.
    is_problem(deliver(client, "h", {"ids": [1, 2, 3, 4]}, senders.github), 422, "exceeds_burst")
    # Deliveries that were refused for their signature took nothing of it.
    for _ in range(5):
        assert deliver(client, "h", body, senders.github, secret="x" * 40).status == 401
    eventually(lambda: deliver(client, "h", {"ids": [5]}, senders.github).status == 202)
    verdicts = [line["verdict"] for line in log(client, "h", page_size=50)]
    assert verdicts.count("unfit") == 1 and "unavailable" in verdicts
