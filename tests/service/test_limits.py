"""Limits: how many requests and keys an identity, an address and the gateway let in, what is said
of it, and that nobody pays for somebody else."""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import threading
import time

import pytest

from checks import is_accepted, is_limited, is_problem
from support import hooks as senders
from support.client import Client, Raw, ask
from support.hooks import Hooks, deliver
from support.identities import Identities, Known
from support.processes import eventually
from support.servers import Purgeway, program

PURGES = ("purge:keys", "purge:patterns", "purge:tags")


# ---- reading what is said ----

def sf_list(text):
    """A List of RFC 8941 whose members are Strings with Integer parameters: {string: parameters}."""
    members, at = {}, 0
    while True:
        match = re.compile(r'"([ !#-\[\]-~]*)"').match(text, at)
        assert match, f"no string at {at}: {text!r}"
        name, at, parameters = match[1], match.end(), {}
        while parameter := re.compile(r";( *)([a-z*][a-z0-9_.*-]*)=(-?\d{1,15})").match(text, at):
            assert parameter[2] not in parameters, text
            parameters[parameter[2]] = int(parameter[3])
            at = parameter.end()
        assert name not in members, text
        members[name] = parameters
        if at == len(text):
            return members
        comma = re.compile(r"[ \t]*,[ \t]*").match(text, at)
        assert comma, f"no comma at {at}: {text!r}"
        at = comma.end()


def policy_of(answer):
    return sf_list(answer.headers["ratelimit-policy"])


def left_of(answer):
    policy, left = policy_of(answer), sf_list(answer.headers["ratelimit"])
    assert set(policy) == set(left)
    for name in left:
        assert set(policy[name]) == {"q", "w"} and set(left[name]) == {"r", "t"}
        assert 0 <= left[name]["r"] <= policy[name]["q"]
        assert 0 <= left[name]["t"] <= policy[name]["w"] + 1
    return left


# ---- who is served ----

@pytest.fixture
def served(tmp_path, make):
    """served({name: members}, **settings): a service whose identities may purge and read queues."""
    def start(members, **settings):
        ids = Identities(tmp_path)
        for name, more in members.items():
            ids.add(name, *PURGES, "queues:read", "metrics:read", **more)
        server = make(Purgeway, "serve", identities_file=ids.path, **settings)
        server.ids = ids
        server.known = {name: Known(server.port, ids.keys[name][0]) for name in members}
        return server
    return start


def reload(server, **members):
    """Write the file again and wait until it was taken."""
    before = loads(server)
    for name, more in members.items():
        server.ids.all[name].update(more)
    server.ids.write()
    eventually(lambda: loads(server) > before, what="the new file")


def loads(server):
    return sum(event["event"] == "identities.loaded" for event in server.log())


def until_refused(client, most=10000):
    """(answers that were let in, the refusal, seconds it took)."""
    taken, begun = [], time.monotonic()
    connection = client.connect()
    try:
        while len(taken) < most:
            answer = ask(connection, "GET", "/v1/queues", headers=client._shown)
            if answer.status == 429:
                return taken, answer, time.monotonic() - begun
            assert answer.status == 200, answer
            taken.append(answer)
    finally:
        connection.close()
    raise AssertionError(f"{most} requests and no refusal")


# ---- requests of an identity ----

def test_what_is_left_is_said(served):
    server = served({"shop": {"rate": {"per_s": 1, "burst": 50},
                              "key_rate": {"per_s": 1, "burst": 200}}, "free": {}})
    shop = server.known["shop"]
    begun = time.monotonic()
    first = shop.get("/v1/queues")
    assert policy_of(first) == {"invalidate": {"q": 50, "w": 50}, "keys": {"q": 200, "w": 200}}
    assert left_of(first) == {"invalidate": {"r": 49, "t": 1}, "keys": {"r": 200, "t": 0}}
    answer = shop.purge("a", "b", "c")
    is_accepted(answer)
    left = left_of(answer)
    passed = time.monotonic() - begun + 1
    assert 48 <= left["invalidate"]["r"] <= 48 + passed
    assert 197 <= left["keys"]["r"] <= 197 + passed
    assert 3 - passed <= left["keys"]["t"] <= 3
    for answer in (server.known["free"].get("/v1/queues"), shop.get("/livez"),
                   Client(server.port).get("/v1/queues")):
        assert "ratelimit" not in answer.headers and "ratelimit-policy" not in answer.headers


def test_a_refusal_costs_nothing_and_is_told_apart(served):
    """It is told even to who has not the scope, and after its time the next request is let in."""
    server = served({"shop": {"rate": {"per_s": 2, "burst": 5}}})
    shop = server.known["shop"]
    taken, refused, took = until_refused(shop)
    assert 5 <= len(taken) <= 5 + 2 * took
    wait_s = is_limited(refused, "invalidate")
    assert left_of(refused)["invalidate"]["r"] == 0
    for _ in range(5):
        shop.get("/v1/workers")
    time.sleep(wait_s)
    assert shop.get("/v1/queues").status == 200


def test_the_settings_are_for_who_says_nothing(served):
    server = served({"usual": {}, "own": {"rate": {"per_s": 7}}, "free": {"rate": {"per_s": 0}}},
                    limits_identity_per_s=3, limits_identity_burst=6, limits_identity_keys_per_s=40)
    said = {name: client.get("/v1/queues").headers["ratelimit-policy"]
            for name, client in server.known.items()}
    assert said == {"usual": '"invalidate";q=6;w=2, "keys";q=40;w=1',
                    "own": '"invalidate";q=7;w=1, "keys";q=40;w=1', "free": '"keys";q=40;w=1'}


def hammer(client, until, counts):
    """As many requests as can be until a time: how many of each status."""
    connection = client.connect()
    while time.monotonic() < until:
        status = ask(connection, "GET", "/v1/queues", headers=client._shown).status
        counts[status] = counts.get(status, 0) + 1
    connection.close()


def hammer_together(clients, seconds):
    counts = [{} for _ in clients]
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=hammer, args=(client, until, count))
               for client, count in zip(clients, counts)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts, time.monotonic() - begun


def test_the_rate_is_kept(served):
    """By requests on connections to both threads of the service, for some seconds."""
    rate, burst = 80, 60
    server = served({"shop": {"rate": {"per_s": rate, "burst": burst}}})
    counts, took = hammer_together([server.known["shop"]] * 4, 4)
    taken = sum(count.get(200, 0) for count in counts)
    assert set().union(*counts) == {200, 429}
    assert taken <= rate * took + burst
    assert taken >= 0.9 * rate * took


def test_a_jump_of_the_wall_clock_gives_nothing(served, clock):
    server = served({"shop": {"rate": {"per_s": 1, "burst": 30}}}, env=clock.env)
    begun = time.monotonic()
    taken, _, _ = until_refused(server.known["shop"])
    for ahead in (3600, -3600, 0):
        clock.jump(ahead)
        taken += until_refused(server.known["shop"])[0]
    assert len(taken) <= 30 + time.monotonic() - begun


# ---- keys ----

def keys(count, stem="k"):
    return [f"{stem}:{n}" for n in range(count)]


def test_keys_are_counted(served):
    """All or nothing of a request; what it names too many of at once no wait will help."""
    server = served({"shop": {"key_rate": {"per_s": 1, "burst": 150}}})
    shop = server.known["shop"]
    begun = time.monotonic()
    is_accepted(shop.purge(*keys(60)))
    is_accepted(shop.purge(*keys(20), b"\xff", b"\xfe"))
    refused = shop.purge(*keys(100))
    wait_s = is_limited(refused, "keys")
    passed = time.monotonic() - begun
    assert 32 - passed <= wait_s <= 32
    assert left_of(refused)["keys"]["r"] <= 68 + passed
    is_accepted(shop.purge(*keys(60)))
    problem = is_problem(shop.purge(*keys(151)), 422, "exceeds_burst")
    assert "151" in problem["detail"] and "150 at once" in problem["detail"]
    assert shop.get("/v1/queues").status == 200


@pytest.mark.parametrize("selectors, cost", [
    ({"tags": ["t", "u"]}, 20), ({"patterns": ["abc*"]}, 100), ({"keys": ["a"], "tags": ["t"]}, 11),
    ({"patterns": ["abc*"], "dry_run": True}, 100)])
def test_what_tags_and_patterns_cost(served, selectors, cost):
    server = served({"shop": {"key_rate": {"per_s": 1, "burst": 5000}}})
    begun = time.monotonic()
    answer = server.known["shop"].purge(**selectors)
    is_accepted(answer)
    assert 0 <= left_of(answer)["keys"]["r"] - (5000 - cost) <= time.monotonic() - begun


def test_an_event_is_counted(served):
    server = served({"shop": {"key_rate": {"per_s": 1, "burst": 150}}})
    event = {"type": "uri", "selectors": [f"https://example.org/{n}" for n in range(100)]}
    assert server.known["shop"].post("/v1/events", event).status == 202
    is_limited(server.known["shop"].post("/v1/events", event), "keys")


def test_what_is_refused_for_itself_is_not_counted(served):
    server = served({"shop": {"key_rate": {"per_s": 1, "burst": 150}}})
    shop = server.known["shop"]
    for body in ({"keys": keys(100), "mode": "no"}, {"keys": keys(100), "patterns": ["*"]}):
        answer = shop.post("/v1/invalidations", body)
        is_problem(answer, 422, "invalid_request")
        assert left_of(answer)["keys"]["r"] == 150


def test_a_full_queue_gives_the_keys_back(served):
    server = served({"shop": {"key_rate": {"per_s": 1, "burst": 150}}}, queue_memory_share=0,
                    queue_depth=1, worker_in_hand=1)
    shop = server.known["shop"]
    later = {"delay_ms": 3600000}
    begun = time.monotonic()
    answers = []

    def is_full():
        answers.append(shop.purge("a", **later))
        return answers[-1].status == 503
    eventually(is_full, what="a full queue")
    refused = shop.purge(*keys(100), **later)
    is_problem(refused, 503, "queue_full")
    taken = sum(answer.status == 202 for answer in answers)
    assert 0 <= left_of(refused)["keys"]["r"] - (150 - taken) <= time.monotonic() - begun


# ---- several in one ----

def batch(*counts):
    return {"invalidations": [{"keys": keys(count)} for count in counts]}


def test_a_batch_counts_as_what_is_in_it(served):
    server = served({"shop": {"rate": {"per_s": 1, "burst": 20},
                              "key_rate": {"per_s": 1, "burst": 500}}})
    shop = server.known["shop"]
    begun = time.monotonic()
    answer = shop.post("/v1/invalidations/batch", batch(*[10] * 15))
    assert answer.json["accepted"] == 15
    passed = time.monotonic() - begun
    assert 0 <= left_of(answer)["invalidate"]["r"] - 5 <= passed
    assert 0 <= left_of(answer)["keys"]["r"] - 350 <= passed
    # The request itself is spent; its items are not, nor are keys.
    refused = shop.post("/v1/invalidations/batch", batch(*[10] * 15))
    is_limited(refused, "invalidate")
    passed = time.monotonic() - begun
    assert 0 <= left_of(refused)["invalidate"]["r"] - 4 <= passed
    assert 0 <= left_of(refused)["keys"]["r"] - 350 <= passed
    is_problem(shop.post("/v1/invalidations/batch", batch(*[1] * 50)), 422, "exceeds_burst")


@pytest.mark.parametrize("count", [10, 11, 12], ids=["burst", "one more", "two more"])
def test_a_batch_of_more_than_a_burst_is_refused_for_good(served, count):
    """With its own size, whether there is room or not."""
    server = served({"shop": {"rate": {"per_s": 1, "burst": 10}}})
    shop = server.known["shop"]
    for is_full in (True, False):
        answer = shop.post("/v1/invalidations/batch", batch(*[1] * count))
        if count > 10:
            detail = is_problem(answer, 422, "exceeds_burst")["detail"]
            assert f"this counts as {count}." in detail and "10 at once" in detail
        elif is_full:
            assert answer.json["accepted"] == 10
        else:
            is_limited(answer, "invalidate")


@pytest.mark.parametrize("per_s, before, count", [(1, 8, 3), (2, 4, 10), (3, 9, 7)])
def test_who_comes_back_when_told_is_let_in(served, per_s, before, count):
    """The request itself is part of what has to fit."""
    shop = served({"shop": {"rate": {"per_s": per_s, "burst": 10}}}).known["shop"]
    assert shop.post("/v1/invalidations/batch", batch(*[1] * before)).status == 200
    body = batch(*[1] * count)
    refused = shop.post("/v1/invalidations/batch", body)
    time.sleep(is_limited(refused, "invalidate"))
    assert shop.post("/v1/invalidations/batch", body).status == 200


def test_where_there_is_room_for_no_request_its_body_is_not_looked_at(served):
    """So that is said for one request; the next refusal is for all of it."""
    shop = served({"shop": {"rate": {"per_s": 3, "burst": 10}}}).known["shop"]
    body = batch(*[1] * 10)
    refusals = []
    while len(refusals) < 3:
        answer = shop.post("/v1/invalidations/batch", body)
        if answer.status == 200 and refusals:
            break
        if answer.status != 200:
            refusals.append(is_limited(answer, "invalidate"))
            time.sleep(refusals[-1])
    assert len(refusals) <= 2


def test_a_batch_refused_for_its_keys_gets_its_items_back(served):
    server = served({"shop": {"rate": {"per_s": 1, "burst": 50},
                              "key_rate": {"per_s": 1, "burst": 100}}})
    shop = server.known["shop"]
    begun = time.monotonic()
    assert shop.post("/v1/invalidations/batch", batch(40, 40)).json["accepted"] == 2
    refused = shop.post("/v1/invalidations/batch", batch(40, 40))
    is_limited(refused, "keys")
    passed = time.monotonic() - begun
    assert 0 <= left_of(refused)["invalidate"]["r"] - 47 <= passed
    assert 0 <= left_of(refused)["keys"]["r"] - 20 <= passed


def test_a_refused_item_is_not_paid_for(served):
    server = served({"shop": {"key_rate": {"per_s": 1, "burst": 500}}})
    begun = time.monotonic()
    body = {"invalidations": [{"keys": keys(100)}, {"keys": keys(100), "mode": "no"}]}
    answer = server.known["shop"].post("/v1/invalidations/batch", body)
    assert (answer.json["accepted"], answer.json["refused"]) == (1, 1)
    assert 0 <= left_of(answer)["keys"]["r"] - 400 <= time.monotonic() - begun


# ---- several at a time ----

def test_all_limits_that_were_reached_are_named(served):
    """With the longest time of all of them, after which there is room in each."""
    server = served({"shop": {"rate": {"per_s": 2, "burst": 4}, "key_rate": {"per_s": 4, "burst": 20}}},
                    limits_gateway_keys_per_s=3, limits_gateway_keys_burst=20)
    shop, body = server.known["shop"], batch(5, 5, 5)
    begun = time.monotonic()
    assert shop.post("/v1/invalidations/batch", body).json["accepted"] == 3
    refused = shop.post("/v1/invalidations/batch", body)
    problem = is_problem(refused, 429, "rate_limited")
    assert problem["violated-policies"] == ["invalidate", "keys", "gateway"]
    assert "This gateway removes 3 keys a second" in problem["detail"]
    wait_s = int(refused.headers["retry-after"])
    assert 4 - (time.monotonic() - begun) <= wait_s <= 4
    assert f"{wait_s} s" in problem["detail"]
    time.sleep(wait_s)
    assert shop.post("/v1/invalidations/batch", body).json["accepted"] == 3


def test_what_is_reached_alone_is_named_alone(served):
    server = served({"shop": {"rate": {"per_s": 1, "burst": 50}, "key_rate": {"per_s": 1, "burst": 20}}},
                    limits_gateway_keys_per_s=1, limits_gateway_keys_burst=30)
    shop = server.known["shop"]
    is_accepted(shop.purge(*keys(20)))
    is_limited(shop.purge(*keys(10)), "keys")
    problem = is_problem(shop.purge(*keys(15)), 429, "rate_limited")
    assert problem["violated-policies"] == ["keys", "gateway"]
    is_problem(shop.post("/v1/invalidations/batch", batch(*[1] * 21)), 422, "exceeds_burst")


# ---- all together ----

def test_the_gateway_has_a_limit_of_its_own(served):
    """Who is refused by it has their own keys still."""
    server = served({"greedy": {}, "other": {"key_rate": {"per_s": 1, "burst": 300}}},
                    limits_gateway_keys_per_s=1, limits_gateway_keys_burst=200)
    is_accepted(server.known["greedy"].purge(*keys(150)))
    refused = server.known["other"].purge(*keys(100))
    is_limited(refused, "gateway")
    assert left_of(refused)["keys"]["r"] == 300
    is_accepted(server.known["other"].purge(*keys(40)))
    is_problem(server.known["other"].purge(*keys(201)), 422, "exceeds_burst")


def test_the_gateway_limits_whoever_can_ask(make):
    server = make(Purgeway, "serve", limits_gateway_keys_per_s=1, limits_gateway_keys_burst=100)
    is_accepted(server.api.purge(*keys(80)))
    is_limited(server.api.purge(*keys(80)), "gateway")
    assert server.api.metric("purgeway_rate_limited_total", limit="gateway") == 1


# ---- addresses ----

WRONG = {"Authorization": "Bearer pgw_" + "A" * 48}


def guess(server, most=1000):
    """Guesses that were answered, the refusal, and the seconds it took."""
    begun = time.monotonic()
    for count in range(most):
        answer = Client(server.port).request("GET", "/v1/queues", headers=WRONG)
        if answer.status != 401:
            return count, answer, time.monotonic() - begun
        is_problem(answer, 401, "credentials_required")
    raise AssertionError("nobody stopped it")


def test_guesses_are_counted_by_address(served):
    """Ten times; and who is known behind the same address does not suffer, nor do probes."""
    server = served({"shop": {}}, limits_address_per_s=5, limits_address_burst=40)
    count, refused, took = guess(server)
    assert 4 <= count <= 4 + took
    is_limited(refused, "address")
    assert "ratelimit" not in refused.headers
    for _ in range(50):
        assert server.known["shop"].get("/v1/queues").status == 200
        for path in ("/livez", "/readyz", "/healthz"):
            assert Client(server.port).get(path).status == 200
    for _ in range(50):
        if (last := Client(server.port).get("/openapi.yaml")).status == 429:
            break
    is_limited(last, "address")
    shop = server.known["shop"]
    assert shop.metric("purgeway_rate_limited_total", limit="address") >= 2
    lines = [event for event in server.log() if event["event"] == "limits.refused"]
    assert [event["limit"] for event in lines] == ["address"]


#: What no operation takes, so that nobody asks who sends it.
MISDIRECTED = {
    404: b"GET /nowhere HTTP/1.1\r\nHost: x\r\n",
    405: b"DELETE /v1/queues HTTP/1.1\r\nHost: x\r\n",
    431: b"GET /v1/queues HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 20000 + b"\r\n",
    413: b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n",
    400: b"GET /v1/queues HTTP/1.1\r\nHost: x\r\nHost: y\r\n",
}


@pytest.mark.parametrize("status", MISDIRECTED)
def test_an_address_pays_for_what_no_operation_takes(served, status):
    """Whoever is not known; and who is known, where that can be seen, pays by its own rate."""
    server = served({"shop": {"rate": {"per_s": 5, "burst": 100}}}, limits_address_per_s=5,
                    limits_address_burst=40, limits_body_bytes=4096)

    def ask(field=b"", body=b"x" * 5000 if status == 413 else b""):
        with Raw(server.port) as raw:
            raw.send(MISDIRECTED[status] + field + b"\r\n" + body)
            return raw.answer().status
    begun = time.monotonic()
    count = 0
    while count < 200 and ask() == status:
        count += 1
    assert 40 <= count <= 41 + 5 * (time.monotonic() - begun)
    assert ask() == 429
    wrong = b"Authorization: Bearer pgw_" + b"A" * 48 + b"\r\n"
    right = b"Authorization: Bearer " + server.ids.keys["shop"][0].encode() + b"\r\n"
    time.sleep(0.5)  # for two or three, which is less than a guess costs
    if status == 400:  # none of its fields is believed
        assert ask(wrong) == 400
    else:
        assert ask(wrong) == 429
        begun = time.monotonic()
        left = left_of(server.known["shop"].get("/v1/queues"))["invalidate"]["r"]
        assert [ask(right) for _ in range(30)] == [status] * 30
        left -= left_of(server.known["shop"].get("/v1/queues"))["invalidate"]["r"]
        assert left >= 30 - 5 * (time.monotonic() - begun)
    assert Client(server.port).get("/livez").status == 200


def test_who_is_known_may_read_what_is_open_from_any_address(served):
    """And pays for it; a guess costs there what it costs elsewhere, and is told nothing."""
    server = served({"shop": {"rate": {"per_s": 1, "burst": 100}}, "free": {}},
                    limits_address_per_s=1, limits_address_burst=40)
    for count in range(1000):
        answer = Client(server.port).request("GET", "/docs", headers=WRONG)
        if answer.status == 429:
            break
        assert answer.status == 200 and "ratelimit" not in answer.headers
    is_limited(answer, "address")
    assert count <= 10
    for path in ("/openapi.yaml", "/openapi.json", "/docs"):
        assert server.known["free"].get(path).status == 200
        assert "invalidate" in left_of(server.known["shop"].get(path))
    while (last := Client(server.port).get("/docs")).status == 200:
        pass
    is_limited(last, "address")
    assert server.known["shop"].get("/livez").headers.get("ratelimit") is None
    taken, refused, _ = until_refused(server.known["shop"])
    assert len(taken) < 100
    is_limited(server.known["shop"].get("/docs"), "invalidate")


def test_an_address_can_be_refused_before_it_is_looked_at(served):
    """A right guess is not told from a wrong one; after its time it is let in."""
    server = served({"shop": {}}, limits_address_per_s=5, limits_address_burst=20,
                    limits_address_first=True)
    begun = time.monotonic()
    wait_s = is_limited(guess(server)[1], "address")
    answer = server.known["shop"].get("/v1/queues")
    if time.monotonic() - begun < 1:
        is_limited(answer, "address")
    assert Client(server.port).get("/livez").status == 200
    time.sleep(wait_s)
    assert server.known["shop"].get("/v1/queues").status == 200


@pytest.mark.parametrize("size", [1, 20000], ids=["small", "large"])
@pytest.mark.parametrize("first", [False, True], ids=["address last", "address first"])
def test_guesses_do_not_keep_out_what_is_signed(make, tmp_path, first, size):
    """Senders do not all come again: whose delivery is refused for what others did loses a purge."""
    ids, hooks = Identities(tmp_path), Hooks(tmp_path)
    reader = ids.add("shop", "purge:keys", "metrics:read")
    hooks.add("h", "github", [{"keys": ["{/id}"]}], **{"as": "shop"})
    server = make(Purgeway, identities_file=ids.path, hooks_file=hooks.path, threads=1,
                  limits_address_per_s=1, limits_address_burst=40, limits_address_first=first)
    client, payload = Client(server.port), {"id": "x", "pad": "x" * size}

    def refused(**how):
        return deliver(client, "h", payload, senders.github, **how)
    bad = [refused(secret="x" * 40) for _ in range(6)]
    assert [answer.status for answer in bad[:4]] == [401] * 4
    is_limited(bad[5], "address")
    is_limited(refused(headers={"X-Hub-Signature-256": None}), "address")
    taken = deliver(client, "h", payload, senders.github)
    ping = refused(headers={"X-GitHub-Event": "ping"})
    if first:
        is_limited(taken, "address")
        is_limited(ping, "address")
        wanted = ["unavailable"] * 5 + ["bad_signature"] * 4
    else:
        assert (taken.status, ping.status) == (202, 200)
        wanted = ["accepted", "ping", "unsigned"] + ["bad_signature"] * 6
        for verdict in set(wanted):
            assert Known(server.port, reader).metric("purgeway_hook_deliveries_total",
                                                     verdict=verdict) == wanted.count(verdict)

    def verdicts():
        with server.embedded() as redis:
            return sorted(fields[b"v"].decode() for stream in ("hook:h", "hook:h:refused")
                          for _, fields in redis.xrange("purgeway:{main}:" + stream))
    eventually(lambda: verdicts() == sorted(wanted), what="the lines")


#: What is rightly signed and becomes no job: a payload, further fields of the head, the answer.
JOBLESS = {
    "filtered": ({"go": False}, {}, 200), "empty": ({"go": True}, {}, 200),
    "ping": ({}, {"X-GitHub-Event": "ping"}, 200), "malformed": (b"{", {}, 400),
    "not_allowed": ({"go": True, "id": "b:1"}, {}, 403),
    "unfit": ({"go": True, "id": "a:" + "x" * 5000}, {}, 422),
}


@pytest.mark.parametrize("size", [1, 20000], ids=["small", "large"])
@pytest.mark.parametrize("verdict", JOBLESS)
def test_a_signed_delivery_counts_whatever_becomes_of_it(make, tmp_path, verdict, size):
    """Once, for whom the webhook acts as; who has used up what there is hears that in its place."""
    ids, hooks = Identities(tmp_path), Hooks(tmp_path)
    ids.add("shop", "purge:keys", key_prefixes=["a:"], rate={"per_s": 1, "burst": 20})
    reader = ids.add("ops", "hooks:read")
    hooks.add("h", "github", [{"when": [{"value": "{/go}", "equals": True}], "keys": ["{/id}"]}],
              **{"as": "shop"})
    server = make(Purgeway, identities_file=ids.path, hooks_file=hooks.path, threads=1)
    client, (payload, headers, status) = Client(server.port), JOBLESS[verdict]

    def send(payload, **headers):
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return deliver(client, "h", body + b" " * size, senders.github, headers=headers)
    begun = time.monotonic()
    first = send(payload, **headers)
    assert first.status == status, first
    assert left_of(first)["invalidate"]["r"] == 19
    taken = send({"go": True, "id": "a:1"})
    assert taken.status == 202
    assert 0 <= left_of(taken)["invalidate"]["r"] - 18 <= time.monotonic() - begun
    count = 2
    while (last := send(payload, **headers)).status == status and count < 100:
        count += 1
    assert 20 <= count <= 21 + time.monotonic() - begun
    is_limited(last, "invalidate")
    assert "errors" not in last.json
    line = Known(server.port, reader).get("/v1/hooks/h/deliveries?page_size=1").json["deliveries"][0]
    assert line["verdict"] == "unavailable" and "requests a second" in line["detail"]


def test_names_of_webhooks_cannot_be_guessed_for_nothing(served):
    server = served({"shop": {}}, limits_address_per_s=1, limits_address_burst=20)
    for n in range(60):
        if (last := Client(server.port).post(f"/v1/hooks/h{n}", {})).status != 404:
            break
    is_limited(last, "address")


def test_without_identities_no_address_is_counted(make):
    server = make(Purgeway, "serve", limits_address_per_s=1, limits_address_burst=1)
    for _ in range(5):
        is_accepted(server.api.purge("a"))


# ---- each for themselves ----

def crowd(path, count, **members):
    """A file of so many identities; gives their secrets."""
    secrets = [f"secret-of-number-{n:05}-{os.urandom(12).hex()}" for n in range(count)]
    lines = ["identities:\n"]
    for n, secret in enumerate(secrets):
        digest = hashlib.sha256(secret.encode()).hexdigest()
        lines.append(f"- name: client-{n}\n  keys: ['sha256:{digest}']\n"
                     f"  scopes: [purge:keys, 'queues:read']\n  key_prefixes: ['client:{n}:']\n"
                     f"  targets: ['*']\n  rate: {json.dumps(members)}\n")
    pathlib.Path(path).write_text("".join(lines))
    return secrets


def test_ten_thousand_identities_are_fair(make, tmp_path):
    """The greedy one gets what is theirs; of all others each request is let in."""
    rate, burst = 20, 30
    secrets = crowd(tmp_path / "ids.yaml", 10000, per_s=rate, burst=burst)
    server = make(Purgeway, "serve", identities_file=str(tmp_path / "ids.yaml"))
    counts, stop = {}, threading.Event()
    greedy = Known(server.port, secrets[0])

    def be_greedy():
        connection = greedy.connect()
        while not stop.is_set():
            status = ask(connection, "GET", "/v1/queues", headers=greedy._shown).status
            counts[status] = counts.get(status, 0) + 1
        connection.close()
    begun = time.monotonic()
    thread = threading.Thread(target=be_greedy)
    thread.start()
    try:
        connection = greedy.connect()
        for secret in secrets[1:]:
            answer = ask(connection, "GET", "/v1/queues", headers={"X-API-Key": secret})
            assert answer.status == 200, answer
        connection.close()
    finally:
        stop.set()
        thread.join()
    took = time.monotonic() - begun
    assert counts[200] <= rate * took + burst
    assert counts[429] > 0


def test_a_new_file_fills_no_bucket(served):
    server = served({"shop": {"key_rate": {"per_s": 1, "burst": 500}}, "other": {}})
    shop = server.known["shop"]
    begun = time.monotonic()
    is_accepted(shop.purge(*keys(500)))
    reload(server, other={"scopes": ["queues:read"]})
    # Every thread has the new file.
    eventually(lambda: all(server.known["other"].purge("a").status == 403 for _ in range(10)),
               what="the new scopes")
    assert left_of(shop.get("/v1/queues"))["keys"]["r"] <= time.monotonic() - begun + 1
    reload(server, shop={"key_rate": {"per_s": 1, "burst": 600}})
    eventually(lambda: left_of(shop.get("/v1/queues"))["keys"]["r"] == 600, what="the new rate")


# ---- what is told elsewhere ----

def test_refusals_are_counted_and_logged_once(served):
    server = served({"shop": {"rate": {"per_s": 1, "burst": 3}}, "ops": {},
                     "bulk": {"key_rate": {"per_s": 1, "burst": 10}}})
    for _ in range(3):
        until_refused(server.known["shop"])
    is_accepted(server.known["bulk"].purge(*keys(10)))
    for _ in range(3):
        is_limited(server.known["bulk"].purge(*keys(10)), "keys")
    ops = server.known["ops"]
    assert ops.metric("purgeway_rate_limited_total", limit="identity") == 3
    assert ops.metric("purgeway_rate_limited_total", limit="keys") == 3
    lines = {event["identity"]: event["limit"] for event in server.log()
             if event["event"] == "limits.refused"}
    assert lines == {"shop": "identity", "bulk": "keys"}
    assert len([1 for event in server.log() if event["event"] == "limits.refused"]) == 2


def test_the_command_line_says_how_long(served):
    server = served({"shop": {"key_rate": {"per_s": 1, "burst": 30}}})
    is_accepted(server.known["shop"].purge(*keys(30)))
    done = subprocess.run([program(), "purge", "--url", server.url, *keys(20)], capture_output=True,
                          env={**os.environ, "PURGEWAY_API_KEY": server.ids.keys["shop"][0]},
                          check=False)
    assert done.returncode == 69
    assert re.search(rb"30 at once; there will be room in \d+ s\.", done.stderr), done.stderr


def test_the_contract_names_it_everywhere(api):
    contract = api.get("/openapi.json").json
    for item in contract["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                is_probe = operation["operationId"] in ("get_livez", "get_readyz", "get_healthz")
                assert ("429" in operation["responses"]) != is_probe, operation["operationId"]
