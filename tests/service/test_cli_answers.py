"""What the client verbs make of answers that a gateway gives only when something is wrong, and of
what stands in the way to it."""

import json

import pytest

from support.processes import free_port
from support.servers import run_to_end
from support.stand_in import StandIn

ID = "A" * 28


def ask(gateway, *words, **more):
    return run_to_end(*words, "--url", gateway.url, **more)


# ---- the way to it ----

@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_keys_for_this_machine_meet_no_proxy(make, host):
    proxy = make(StandIn, lambda *_: (200, {"queues": []}))
    env = {name: proxy.url for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY")}
    code, _, _ = run_to_end("queues", "--url", f"http://{host}:{free_port()}",
                            env={**env, "PURGEWAY_API_KEY": "secret"})
    assert code == 69 and not proxy.requests


def test_the_default_address_meets_no_proxy(make):
    proxy = make(StandIn, lambda *_: (500, {}))
    run_to_end("queues", env={"http_proxy": proxy.url, "PURGEWAY_API_KEY": "secret"})
    assert not proxy.requests


def test_other_machines_are_asked_through_the_proxy(make):
    proxy = make(StandIn, lambda *_: (200, {"queues": []}))
    words = ("queues", "--url", "http://gateway.example:7780")
    assert run_to_end(*words, env={"http_proxy": proxy.url})[0] == 0
    assert proxy.requests[0][1] == "http://gateway.example:7780/v1/queues"
    env = {"http_proxy": proxy.url, "no_proxy": "gateway.example"}
    assert run_to_end(*words, env=env)[0] == 69 and len(proxy.requests) == 1


@pytest.mark.parametrize("url", [
    "http://ops:hunter2@127.0.0.1:1", "http://ops:hunter2@127.0.0.1:1/", "ops:hunter2@127.0.0.1",
    "ftp://ops:hunter2@127.0.0.1", "http://ops:hun@ter2@127.0.0.1:1", "http:/ops:hunter2@127.0.0.1",
    "http://ops:hunter2@", "http://ops:hunter2/x@127.0.0.1", "http://ops:hunter2@127.0.0.1:1?a@b"])
def test_no_error_shows_the_password_of_the_address(url):
    code, out, err = run_to_end("queues", "--url", url)
    assert code in (2, 69) and out == "" and len(err.splitlines()) == 1
    assert "hunter2" not in err and "ter2" not in err and "ops" not in err, err


def test_errors_name_the_address():
    port = free_port()
    err = run_to_end("queues", "--url", f"http://ops:x@127.0.0.1:{port}/gw/")[2]
    assert f"http://127.0.0.1:{port}/gw: " in err
    assert "nowhere" in run_to_end("queues", "--url", "nowhere")[2]


def test_the_password_of_the_address_is_shown_to_the_gateway(make):
    gateway = make(StandIn, lambda *_: (200, {"queues": []}))
    assert run_to_end("queues", "--url", gateway.url.replace("//", "//ops:hunter2@"))[0] == 0
    assert gateway.requests[0][2]["Authorization"].startswith("Basic ")


# ---- answers ----

@pytest.mark.parametrize("status, code", [(500, 1), (502, 69), (503, 69), (504, 69), (429, 69),
                                          (404, 1), (403, 1), (302, 1)])
def test_status_of_what_stands_before_the_gateway(make, status, code):
    gateway = make(StandIn, lambda *_: (status, b"<html>No.</html>"))
    for words in (("queues",), ("purge", "k"), ("status", ID), ("cancel", ID), ("dead", "drop", ID)):
        got, out, err = ask(gateway, *words)
        assert got == code and out == "" and str(status) in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("body", [b"<html>Welcome!</html>", b"", b"{", b"\xff"])
def test_success_that_is_no_json_is_perhaps_no_purgeway(make, body):
    gateway = make(StandIn, lambda *_: (200, body))
    for words in (("queues",), ("purge", "k"), ("status", ID), ("cancel", ID), ("ready",),
                  ("status", ID, "--cancel-rebounds"), ("audit",), ("dead",)):
        code, out, err = ask(gateway, *words)
        assert code == (69 if words[0] == "ready" else 1) and out == ""
        assert "not JSON" in err and "no Purgeway" in err and gateway.url in err, err
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize("body", [[], "x", 7, None])
def test_success_of_something_else_is_perhaps_no_purgeway(make, body):
    gateway = make(StandIn, lambda *_: (200, json.dumps(body).encode()))
    for words in (("queues",), ("purge", "k"), ("status", ID), ("cancel", ID), ("ready",),
                  ("status", ID, "--cancel-rebounds"), ("audit",), ("dead",)):
        code, out, err = ask(gateway, *words)
        assert code == (69 if words[0] == "ready" else 1) and out == "", words
        assert "no Purgeway" in err and len(err.splitlines()) == 1, err


def test_answers_that_name_no_job_are_no_jobs(make):
    gateway = make(StandIn, lambda *_: (200, {}))
    for words in (("purge", "k"), ("status", ID), ("cancel", ID)):
        code, out, err = ask(gateway, *words)
        assert code == 1 and out == "" and "no Purgeway" in err, words


@pytest.mark.parametrize("words", [("cancel",), ("dead", "redrive"), ("dead", "drop")])
def test_of_several_ids_the_one_that_failed_is_named(make, words):
    def answer(_, path):
        if "bad" in path:
            return 404, {"title": "There is no such job."}
        return 200, {"job_id": "good", "status": "cancelled"}
    gateway = make(StandIn, answer)
    code, out, err = ask(gateway, *words, "good1", "bad1", "good2", "bad2")
    assert code == 1 and [line.split()[0] for line in out.splitlines()] == ["good1", "good2"]
    verb = words[0]
    assert err.splitlines() == [f"purgeway: {verb}: {name}: There is no such job."
                                for name in ("bad1", "bad2")]
    gateway.answer = lambda *_: None
    code, _, err = ask(gateway, *words, "one", "two")
    assert code == 69 and [line.split(": ")[2] for line in err.splitlines()] == ["one", "two"]


# ---- dead letters ----

@pytest.mark.parametrize("action", ["redrive", "drop"])
def test_dead_prints_the_answers_it_was_asked_to_print(make, action):
    def answer(_, path):
        return 200, {"path": path, "count": 7}
    gateway = make(StandIn, answer)
    code, out, err = ask(gateway, "dead", action, "one", "two", "--json")
    tail = "/redrive" if action == "redrive" else ""
    assert (code, err) == (0, "")
    assert [json.loads(line)["path"] for line in out.splitlines()] == [
        f"/v1/dead-letters/{name}{tail}" for name in ("one", "two")]
    code, out, err = ask(gateway, "dead", action, "--all", "--expect", "7", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"path": f"/v1/dead-letter-{action}s", "count": 7}


def test_dead_tells_all_its_options():
    text = run_to_end("dead", "--help")[1]
    for option in ("--client", "--all", "--expect", "--tag", "--before", "--json"):
        assert f"\n  {option} " in text, option


def letter(number):
    return {"job_id": f"job{number}", "status": "dead", "buried_at": "2026-01-01T00:00:00.000Z",
            "attempts": number, "error": {"code": "store_timeout"},
            "selectors": {"key_count": 1, "pattern_count": 0, "tag_count": 0}}


def test_dead_has_one_header_for_all_pages(make):
    def answer(_, path):
        page = int(path.partition("page_token=")[2] or 0)
        more = {"next_page_token": str(page + 1)} if page < 3 else {}
        return 200, {"dead_letters": [letter(page * 1000 + i) for i in range(3)], **more}
    gateway = make(StandIn, answer)
    code, out, err = ask(gateway, "dead")
    lines = out.splitlines()
    assert code == 0 and err == "" and len(lines) == 13
    assert [line.split()[0] for line in lines[:2]] == ["job_id", "job0"]
    assert sum("job_id" in line for line in lines) == 1
    assert lines[-1].split() == ["job3002", "dead", "2026-01-01T00:00:00.000Z", "3002",
                                 "store_timeout", "1", "0", "0"]


def test_columns_of_a_later_page_are_those_of_the_first(make):
    """A letter without an error leaves its place empty instead of moving the others into it."""
    def answer(_, path):
        if "page_token" in path:
            return 200, {"dead_letters": [letter(2)]}
        return 200, {"dead_letters": [{**letter(1), "error": {}}], "next_page_token": "x"}
    code, out, _ = ask(make(StandIn, answer), "dead")
    head, first, second = (line.split() for line in out.splitlines())
    assert code == 0 and len(first) == len(head) - 1 and "store_timeout" in second


# ---- pages ----

@pytest.mark.parametrize("words, member", [(("dead",), "dead_letters"), (("audit", "--export"), "records"),
                                           (("audit", "--limit", "9"), "records")])
def test_a_token_that_comes_back_ends_the_list(make, words, member):
    """It did not go on; asking for it again would never end."""
    gateway = make(StandIn, lambda *_: (200, {member: [{"job_id": "j"}], "next_page_token": "t"}))
    code, out, err = ask(gateway, *words)
    assert code == 1 and out and len(err.splitlines()) == 1 and "next_page_token" in err
    assert len(gateway.requests) == 2


def test_a_token_that_is_too_long_is_not_cut(make):
    gateway = make(StandIn, lambda *_: (200, {"dead_letters": [], "next_page_token": "t" * 9000}))
    code, _, err = ask(gateway, "dead")
    assert code == 1 and "next_page_token" in err and len(gateway.requests) == 1


def test_longest_key_of_an_audit(make):
    """Of any characters; what is longer than the contract has it is for the gateway to say."""
    gateway = make(StandIn, lambda *_: (200, {"records": []}))
    for key in ("\u20ac" * 512, "k" * 600):
        assert ask(gateway, "audit", "--key", key)[0] == 0
    code, _, err = ask(gateway, "audit", "--key", "k" * 9000)
    assert code == 2 and "8191" in err and len(err.splitlines()) == 1
    assert len(gateway.requests) == 2


# ---- ready ----

def test_ready_names_the_checks_that_fail(make):
    body = {"status": "not_ready", "checks": [
        {"name": "broker", "status": "fail", "detail": "not connected"},
        {"name": "durability", "status": "pass", "detail": "as promised"},
        {"name": "memory", "status": "warn", "detail": "much"},
        {"name": "serving", "status": "fail", "detail": "shutting\u001b down"}]}
    gateway = make(StandIn, lambda *_: (503, body))
    line = "purgeway: ready: not ready: broker: not connected; serving: shutting? down\n"
    assert ask(gateway, "ready") == (69, "", line)
    code, out, err = ask(gateway, "ready", "--json")
    assert code == 69 and json.loads(out) == body and err == line


@pytest.mark.parametrize("body", [{"status": "not_ready"}, {"status": "not_ready", "checks": []},
                                  {"status": "not_ready", "checks": ["x", {"status": "fail"}]}])
def test_ready_without_reasons(make, body):
    code, out, err = ask(make(StandIn, lambda *_: (503, body)), "ready")
    assert code == 69 and out == "" and err.startswith("purgeway: ready: not ready")
    assert len(err.splitlines()) == 1


def test_ready_is_nothing_but_ready(make):
    """Other services answer health checks too."""
    for body in ({}, {"status": "ok"}, {"status": "not_ready"}):
        assert ask(make(StandIn, lambda *_, body=body: (200, body)), "ready")[0] == 69
    code, out, err = ask(make(StandIn, lambda *_: (503, {"title": "Draining."})), "ready")
    assert (code, out, err) == (69, "", "purgeway: ready: Draining.\n")


# ---- status ----

def test_status_shows_when_it_goes_on(make):
    job = {"job_id": ID, "status": "retrying", "priority": "low", "attempts": 2,
           "accepted_at": "2026-01-01T00:00:00.000Z", "scheduled_for": "2026-01-01T00:00:01.000Z",
           "next_attempt_at": "2026-01-01T00:00:02.000Z",
           "rebounds_at": ["2026-01-01T00:00:03.000Z", "2026-01-01T00:00:04.000Z"],
           "progress": {"percent": 42, "matched": 10, "removed": 9}}
    code, out, err = ask(make(StandIn, lambda *_: (200, job)), "status", ID)
    lines = dict(line.split(None, 1) for line in out.splitlines())
    assert (code, err) == (0, "") and len(lines) == len(out.splitlines())
    assert lines.pop("progress") == "42 %, matched 10, removed 9"
    assert lines.pop("rebounds_at") == " ".join(job.pop("rebounds_at"))
    del job["progress"]
    assert lines == {name: str(value) for name, value in job.items()}
    # One under the other.
    assert len({len(line) - len(line.split(None, 1)[1]) for line in out.splitlines()}) == 1


# ---- addresses ----

def test_the_longest_id_is_sent_whole(make):
    """Cut, it would be another job, or another request."""
    long = "j" * 200
    gateway = make(StandIn, lambda *_: (200, {"job_id": long, "status": "cancelled"}))
    for words in (("cancel", long), ("status", long), ("status", long, "--cancel-rebounds"),
                  ("dead", "show", long), ("dead", "drop", long), ("dead", "redrive", long)):
        ask(gateway, *words)
    assert [path for _, path, _, _ in gateway.requests] == [
        f"/v1/jobs/{long}/cancel", f"/v1/jobs/{long}", f"/v1/jobs/{long}/rebounds",
        f"/v1/dead-letters/{long}", f"/v1/dead-letters/{long}", f"/v1/dead-letters/{long}/redrive"]
    assert ask(gateway, "cancel", long + "j")[0] == 2


@pytest.mark.parametrize("words", [("queues", "purge", "--expect", "3"),
                                   ("dead", "drop", "--all", "--expect", "3")])
def test_no_count_steers_a_terminal(make, words):
    gateway = make(StandIn, lambda *_: (200, {"count": "3\u001b[2J"}))
    code, out, _ = ask(gateway, *words)
    assert code == 0 and out.startswith("3?[2J ")
