"""The client verbs: purgeway purge, status, cancel, queues, workers, dead."""
import json
import time

import pytest

from support.processes import eventually, free_port
from support.servers import Purgeway, Redis, run_to_end


@pytest.fixture
def cli(purgeway):
    """cli(words...): run a verb against the shared server."""
    def run(*words, stdin=b""):
        return run_to_end(words[0], "--url", purgeway.url, *words[1:], stdin=stdin)
    return run


def test_purge_and_status(cli, cache, unique):
    key = unique()
    cache.set(key, 1)
    code, out, err = cli("purge", key, "--wait", "10", "--json")
    assert code == 0 and err == ""
    job = json.loads(out)
    assert job["status"] == "succeeded" and job["result"]["removed"] == 1
    assert not cache.exists(key)
    code, out, err = cli("status", job["job_id"], "--json")
    assert code == 0 and json.loads(out) == job
    code, out, _ = cli("status", job["job_id"])
    assert code == 0 and "succeeded" in out and job["job_id"] in out


def test_purge_without_waiting_tells_the_id(cli, unique):
    code, out, err = cli("purge", unique(), unique())
    assert code == 0 and err == "" and out.strip()
    job_id = next(word.strip('".,:;()') for word in out.split() if len(word) >= 28)
    assert cli("status", job_id, "--wait", "10")[0] == 0


def test_purge_from_standard_input(cli, cache, unique):
    keys = [unique() for _ in range(2500)]
    cache.mset({key: 1 for key in keys})
    code, _, err = cli("purge", "--stdin", "--wait", "30", stdin="\n".join(keys).encode())
    assert code == 0, err
    assert cache.exists(*keys) == 0


def test_purge_again_is_the_same_jobs(cli, cache, unique):
    """Each of the requests that a command is cut into."""
    words = ("purge", "--stdin", "--json", "--idempotency-key", 'order "7" \\ ' + unique())
    keys = [unique() for _ in range(2500)]

    def jobs(*keys):
        code, out, err = cli(*words, stdin="\n".join(keys).encode())
        return code, [json.loads(line)["job_id"] for line in out.splitlines()], err

    code, first, err = jobs(*keys)
    assert code == 0 and len(set(first)) == 3, err
    assert jobs(*keys) == (0, first, "")
    code, _, err = jobs(*keys, "one more")
    assert code == 1 and "Idempotency-Key" in err


@pytest.mark.parametrize("key", ["", "é", "a\nb", "k" * 235])
def test_idempotency_keys_that_are_none(cli, key):
    assert cli("purge", "k", "--idempotency-key", key)[0] == 2


def test_longest_idempotency_key(cli, unique):
    assert cli("purge", unique(), "--idempotency-key", unique().ljust(234, '"'))[0] == 0


def test_purge_of_bytes(cli, cache, unique):
    keys = [unique().encode() + tail for tail in (b"\n", b"\r\n", b"\xff", b" ", b"\xc3\xa9")]
    cache.mset({key: 1 for key in keys})
    code, _, err = cli("purge", "-0", "--wait", "10", stdin=b"\0".join(keys))
    assert code == 0, err
    assert cache.exists(*keys) == 0


def test_purge_by_pattern(cli, cache, unique):
    stem = unique()
    cache.mset({f"{stem}:{i}": 1 for i in range(50)})
    cache.mset({f"{stem}-{i}": 1 for i in range(5)})
    cache.set(stem, 1)
    code, out, err = cli("purge", stem, "--pattern", f"{stem}:[0-4]*", f"--pattern={stem}:[5-9]*",
                         "--wait", "30", "--json")
    assert code == 0, err
    assert json.loads(out)["result"]["removed"] == 51 and json.loads(out)["priority"] == "low"
    assert len(set(cache.scan_iter(f"{stem}*", count=1000))) == 5
    assert cli("purge", "--pattern", "")[0] == 1
    assert cli("purge", "--pattern")[0] == 2


def test_purge_by_tag(cli, cache, unique):
    stem = unique()
    for tag, keys in (("a", range(0, 30)), ("b", range(20, 50))):
        cache.sadd(f"purgeway:tag:{{{stem}{tag}}}", *(f"{stem}:{i}" for i in keys))
    cache.mset({f"{stem}:{i}": 1 for i in range(60)})
    code, out, err = cli("purge", "--tag", f"{stem}a", f"--tag={stem}b", "--all-tags", "--wait", "30")
    assert code == 0 and "removed 10," in out, err
    code, out, err = cli("purge", "--tag", f"{stem}a", "--tag", f"{stem}b", "--wait", "30")
    assert code == 0 and "removed 40," in out, err
    assert len(set(cache.scan_iter(f"{stem}*", count=1000))) == 10
    assert cli("purge", "x", "--all-tags")[0] == 2


def test_purge_softly_and_dry(cli, cache, unique):
    key = unique()
    cache.set(key, 1)
    code, out, _ = cli("purge", key, "--dry-run", "--wait", "10")
    assert code == 0 and "would remove 1," in out and cache.pttl(key) == -1
    assert cli("purge", key, "--soft", "--wait", "10")[0] == 0
    assert 0 < cache.pttl(key) <= 10_000


def test_purge_with_priority_and_reason(cli, unique):
    code, out, _ = cli("purge", unique(), "--priority", "low", "--reason", "why", "--wait", "10",
                       "--json")
    assert code == 0 and json.loads(out)["priority"] == "low"


def test_key_that_looks_like_an_option(purgeway, cache):
    cache.set("--wait", 1)
    code, _, err = run_to_end("purge", f"--url={purgeway.url}", "--wait=10", "--", "--wait")
    assert code == 0, err
    assert not cache.exists("--wait")


def test_queues(cli):
    code, out, err = cli("queues")
    assert code == 0 and err == ""
    for word in ("main", "high", "normal", "low"):
        assert word in out
    code, out, _ = cli("queues", "--json")
    assert code == 0 and json.loads(out)["queues"][0]["name"] == "main"


@pytest.mark.parametrize("words", [
    ["purge"], ["purge", "--priority"], ["purge", "k", "--nonsense"], ["purge", "k", "--wait", "x"],
    ["status"], ["status", "a", "--priority", "low"], ["queues", "operand"],
    ["queues", "purge"], ["queues", "pause", "--expect", "1"], ["queues", "--priority", "low"],
    ["queues", "pause", "a/b"], ["workers", "x"], ["cancel"], ["cancel", "x/y"], ["dead", "x"],
    ["dead", "show"], ["dead", "drop"], ["dead", "drop", "--all"], ["dead", "--expect", "3"],
    ["dead", "redrive", "A" * 28, "--all"], ["dead", "drop", "--all", "--expect", "0"]])
def test_usage_errors(cli, words):
    code, out, err = cli(*words)
    assert code == 2 and out == ""
    assert len(err.strip().splitlines()) == 1


def test_ready(cli, make):
    assert cli("ready") == (0, "ready\n", "")
    code, out, _ = cli("ready", "--json")
    assert code == 0 and json.loads(out)["status"] == "ready"
    assert cli("ready", "now")[0] == 2
    redis = make(Redis)
    server = make(Purgeway, "gateway", broker_url=redis.url())
    redis.kill9()
    code, out, err = eventually(lambda: (answer := run_to_end("ready", "--url", server.url))[0]
                                and answer)
    assert code == 69 and out == "" and len(err.splitlines()) == 1


def test_refused_request_is_1_and_says_why(cli):
    code, out, err = cli("purge", "k", "--priority", "urgent")
    assert code in (1, 2) and out == ""
    assert "priority" in err and len(err.strip().splitlines()) == 1


def test_unknown_job_is_1(cli):
    code, _, err = cli("status", "A" * 28)
    assert code == 1 and err.strip()


def test_no_gateway_is_69():
    for words in (["purge", "k"], ["status", "A" * 28], ["queues"], ["ready"]):
        code, out, err = run_to_end(*words, "--url", f"http://127.0.0.1:{free_port()}")
        assert code == 69 and out == ""
        assert len(err.strip().splitlines()) == 1


def test_gateway_that_cannot_serve_is_69(beside):
    server, redis = beside("gateway", broker_timeout_ms=300)
    redis.kill9()
    code, _, err = run_to_end("purge", "k", "--url", server.url)
    assert code == 69 and err.strip()
    redis.start()


def test_job_that_does_not_end_in_time_is_1(beside):
    server, _ = beside("gateway")
    code, out, err = run_to_end("purge", "k", "--wait", "1", "--url", server.url)
    assert code == 1 and (out + err).strip()


def test_address_from_the_environment(purgeway):
    code, out, _ = run_to_end("queues", env={"PURGEWAY_URL": purgeway.url})
    assert code == 0 and "main" in out


def test_https_is_verified(make, certificates):
    port = free_port()
    make(Purgeway, "gateway", broker_url=make(Redis).url(), tls_listen=f"127.0.0.1:{port}",
         tls_certificate=certificates.certificate, tls_key=certificates.key)
    url = f"https://localhost:{port}"
    assert run_to_end("queues", "--url", url)[0] == 69
    code, _, err = run_to_end("queues", "--url", url, "--cacert", certificates.authority)
    assert code == 0, err


def test_purge_later_elsewhere_and_held(cli, cache, unique):
    key = unique()
    cache.set(key, 1)
    code, out, _ = cli("purge", key, "--delay", "60", "--target", "default", "--json")
    assert code == 0 and json.loads(out)["status"] == "scheduled" and cache.exists(key)
    assert cli("purge", key, "--row-version", "7", "--wait", "10")[0] == 0
    assert cache.get(f"purgeway:hold:{{{key}}}") == b"7"
    assert cli("purge", key, "--tombstone", "--rebounds", "100,200", "--wait", "10")[0] == 0
    assert cache.get(f"purgeway:hold:{{{key}}}") == b""
    assert cli("purge", key, "--not-before", "2020-01-01T00:00:00Z", "--wait", "10")[0] == 0
    for words, said in ((("--target", "x"), "targets/0"),
                        (("--rebounds", "3,x"), "rebounds_ms/1"),
                        (("--not-before", "soon"), "not_before")):
        code, _, err = cli("purge", key, *words)
        assert code == 1 and said in err


def test_cancel_rebounds(cli, unique):
    code, out, err = cli("purge", unique(), "--rebounds", "60000", "--wait", "10", "--json")
    assert code == 0 and json.loads(out)["rebounds_at"], err
    job_id = json.loads(out)["job_id"]
    code, out, err = cli("status", job_id, "--cancel-rebounds", "--json")
    assert code == 0 and "rebounds_at" not in json.loads(out), err
    assert cli("status", "A" * 28, "--cancel-rebounds")[0] == 1


# ---- control -----------------------------------------------------------------------------


def test_cancel_queues_workers_and_dead(make):
    redis, cache = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=redis.url(), target_url=cache.url(),
                  retry_base_ms=10, retry_cap_ms=20, retry_tries=2)

    def ask(*words):
        return run_to_end(*words, "--url", server.url)
    eventually(lambda: str(server.pid) in ask("workers")[1])
    code, out, err = ask("workers")
    assert code == 0 and "quiet_ms" in out and err == ""
    assert ask("queues", "pause")[0] == 0
    time.sleep(1.2)
    job_id = server.api.purge("a").json["job_id"]
    assert ask("cancel", job_id) == (0, f"{job_id} cancelled\n", "")
    done = server.api.purge("b").json["job_id"]
    eventually(lambda: server.api.get("/v1/queues").json["queues"][0]["depth"] == 1)
    code, out, err = ask("queues", "purge", "main", "--expect", "1")
    assert (code, out, err) == (0, "1 jobs dropped\n", "")
    code, out, err = ask("queues", "resume")
    assert code == 0 and "paused_at" not in out
    code, _, err = ask("cancel", "EAAAAaH9Wp1YAAAAAE8NzYYdrKHo")
    assert code == 1 and "no such job" in err
    assert server.api.job(done).json["status"] == "cancelled"
    cache.kill9()
    ids = [server.api.purge(f"k{i}", tags=["t"]).json["job_id"] for i in range(3)]
    eventually(lambda: len(server.api.get("/v1/dead-letters").json["dead_letters"]) == 3)
    code, out, _ = ask("dead")
    assert code == 0 and all(job in out for job in ids) and "store_unreachable" in out
    assert ask("dead", "--tag", "other/&") == (0, "", "")
    code, out, _ = ask("dead", "--json", "--tag=t", "--ended", "dead")
    assert code == 0 and len(out.splitlines()) == 3
    code, out, _ = ask("dead", "show", ids[0])
    assert code == 0 and json.loads(out)["selectors"]["keys"] == ["k0"]
    assert ask("dead", "drop", ids[0]) == (0, f"{ids[0]} dropped\n", "")
    code, _, err = ask("dead", "drop", ids[0])
    assert code == 1 and "no such job" in err.lower()
    code, _, err = ask("dead", "redrive", "--all", "--expect", "7")
    assert code == 1 and "Nothing was done" in err
    cache.start()
    assert ask("dead", "redrive", "--error-class", "transient-connection", "--expect", "2") == (
        0, "2 brought back\n", "")

    def all_succeeded():
        # The worker may not have found the cache again when they were brought back.
        for letter in server.api.get("/v1/dead-letters").json["dead_letters"]:
            server.api.post(f"/v1/dead-letters/{letter['job_id']}/redrive")
        return all(server.api.job(job_id).json["status"] == "succeeded" for job_id in ids[1:])
    eventually(all_succeeded)
