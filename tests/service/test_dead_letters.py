"""Jobs that could not be done: tried again, buried, looked at, brought back, dropped."""
import threading
import time

import pytest
from checks import is_accepted, is_problem, pointers
from support.processes import eventually
from support.servers import Purgeway, Redis

QUEUE = "/v1/queues/main"
DEAD, DEAD_AT, LATER = "purgeway:{main}:dead", "purgeway:{main}:dead:at", "purgeway:{main}:later"
IMPATIENT = {"retry_base_ms": 10, "retry_cap_ms": 50, "retry_tries": 3}


class Broken:
    """A service with two caches, of which `bad` does not answer."""

    def __init__(self, make, **settings):
        self.broker, self.good, self.bad = make(Redis), make(Redis), make(Redis)
        self.server = make(Purgeway, "serve", broker_url=self.broker.url(),
                           target_url=self.good.url(), targets=f"bad={self.bad.url()}",
                           **{"rebounds": "-", **IMPATIENT, **settings})
        self.api = self.server.api
        self.bad.client().mset({"key1": 1, "key10": 1, **{f"k{i}": 1 for i in range(20)}})
        self.good.client().mset({f"k{i}": 1 for i in range(20)})
        self.bad.kill9()

    def purge(self, *keys, **members):
        return is_accepted(self.api.purge(*keys, **members))["job_id"]

    def ended(self, job_id):
        return self.api.finished(job_id)

    def letters(self, query=""):
        answer = self.api.get("/v1/dead-letters" + query)
        assert answer.status == 200, answer.json
        return answer.json["dead_letters"]

    def repair(self):
        """The bad one is there again, and each of the worker's threads has found it."""
        self.bad.start()

        def works():
            return all(self.ended(self.purge("probe", target="bad", reason="probe"))["status"]
                       == "succeeded" for _ in range(10))
        eventually(works)
        for letter in self.letters():
            if letter.get("reason") == "probe":
                self.api.delete(f"/v1/dead-letters/{letter['job_id']}")


@pytest.fixture
def broken(make):
    return Broken(make)


def test_job_is_tried_as_often_as_it_may_then_buried(broken):
    job_id = broken.purge("k1", "k2", reason="why not", target="bad")
    done = broken.ended(job_id)
    assert done["status"] == "dead" and done["attempts"] == 3
    assert done["error"]["code"] == "store_unreachable"
    letter = broken.api.get(f"/v1/dead-letters/{job_id}").json
    assert letter["status"] == "dead" and letter["attempts"] == 3
    assert letter["selectors"]["keys"] == ["k1", "k2"] and letter["selectors"]["key_count"] == 2
    assert letter["reason"] == "why not" and letter["targets"] == "bad"
    assert [failure["attempt"] for failure in letter["history"]] == [1, 2, 3]
    assert {failure["target"] for failure in letter["history"]} == {"bad"}
    assert {failure["error_class"] for failure in letter["history"]} == {"transient-connection"}
    assert broken.broker.client().zcard(DEAD_AT) == 1
    assert broken.broker.client().hlen(LATER) == 0


def test_only_what_is_left_is_tried_again(broken):
    job_id = broken.purge("k1", "k2")
    done = broken.ended(job_id)
    assert done["status"] == "dead"
    outcome = {target["target"]: target for target in done["result"]["targets"]}
    assert outcome["default"]["status"] == "succeeded" and outcome["default"]["removed"] == 2
    assert outcome["bad"]["status"] != "succeeded" and outcome["bad"]["code"] == "store_unreachable"
    assert broken.good.client().info("commandstats")["cmdstat_unlink"]["calls"] == 2
    broken.repair()
    assert broken.api.post(f"/v1/dead-letters/{job_id}/redrive").json == {"count": 1}
    done = eventually(lambda: succeeded(broken, job_id))
    outcome = {target["target"]: target for target in done["result"]["targets"]}
    assert outcome["default"]["removed"] == outcome["bad"]["removed"] == 2
    assert done["result"]["removed"] == 4
    assert broken.good.client().info("commandstats")["cmdstat_unlink"]["calls"] == 2


def succeeded(broken, job_id):
    job = broken.api.job(job_id).json
    return job if job["status"] == "succeeded" else None


def test_bad_target_delays_nobody_else(broken):
    waiting = [broken.purge(f"k{i}", target="bad") for i in range(20)]
    for i in range(20):
        done = broken.api.purge(f"k{i}", target="default", prefer="wait=10").json
        assert done["status"] == "succeeded" and done["result"]["removed"] == 1
    assert all(broken.ended(job_id)["status"] == "dead" for job_id in waiting)


def test_jobs_come_back_under_their_ids_with_their_history(broken):
    job_id = broken.purge("k1", target="bad")
    attempts = broken.ended(job_id)["attempts"]
    broken.repair()
    answer = broken.api.post(f"/v1/dead-letters/{job_id}/redrive")
    assert answer.status == 200 and answer.json == {"count": 1}
    done = eventually(lambda: succeeded(broken, job_id))
    assert done["attempts"] > attempts and "error" not in done
    assert not broken.bad.client().exists("k1")
    assert broken.letters() == []
    is_problem(broken.api.post(f"/v1/dead-letters/{job_id}/redrive"), 404)
    eventually(lambda: broken.broker.client().hlen(LATER) == 0)


def test_job_that_is_brought_back_too_early_is_buried_again(broken):
    job_id = broken.purge("k1", target="bad")
    assert broken.ended(job_id)["attempts"] == 3
    broken.api.post(f"/v1/dead-letters/{job_id}/redrive")
    letter = eventually(lambda: next(iter(broken.letters()), None))
    assert letter["job_id"] == job_id and letter["attempts"] == 6
    assert [failure["attempt"] for failure in letter["history"]] == list(range(1, 7))
    assert eventually(lambda: broken.api.job(job_id).json["status"] == "dead")


def test_letter_outlives_the_result(make):
    broken = Broken(make, results_ttl_s=1)
    job_id = broken.purge("k1", target="bad")
    eventually(broken.letters)
    eventually(lambda: not broken.broker.client().keys("purgeway:{main}:job:*"))
    found = broken.api.job(job_id).json
    assert found["status"] == "dead" and found["attempts"] == 3
    assert found["error"]["code"] == "store_unreachable"


def test_what_became_of_a_large_job_is_told_without_moving_it(make):
    """Its result is gone, and its letter is what there is to ask."""
    broken = Broken(make, results_ttl_s=1)
    keys = [f"{k}:".ljust(4000, "x") for k in range(175)]
    job_id = broken.purge(*keys, target="bad")
    eventually(broken.letters)
    eventually(lambda: not broken.broker.client().keys("purgeway:{main}:job:*"))
    client = broken.broker.client()
    before = client.info("stats")["total_net_output_bytes"]
    found = [broken.api.job(job_id).json for _ in range(5)]
    assert all(job["status"] == "dead" and job["attempts"] == 3 for job in found)
    assert found[0]["result"]["requested"] == 175
    assert client.info("stats")["total_net_output_bytes"] - before < 700_000


def test_all_that_fit_are_brought_back_when_they_are_as_many_as_said(broken):
    ids = {broken.purge(f"k{i}", target="bad") for i in range(5)}
    eventually(lambda: len(broken.letters()) == 5)
    refusal = broken.api.post("/v1/dead-letter-redrives",
                              {"error_class": "transient-connection", "expected_count": 4})
    assert is_problem(refusal, 409)["code"] == "count_differs"
    refusal = broken.api.post("/v1/dead-letter-redrives", {"target": "bad", "expected_count": 6})
    assert "5 fit" in is_problem(refusal, 409)["detail"]
    assert len(broken.letters()) == 5
    assert pointers(is_problem(broken.api.post("/v1/dead-letter-redrives", {"expected_count": 5}),
                               422)) == {"#"}
    broken.repair()
    answer = broken.api.post("/v1/dead-letter-redrives", {"target": "bad", "expected_count": 5})
    assert answer.json == {"count": 5}
    for job_id in ids:
        eventually(lambda job_id=job_id: succeeded(broken, job_id))
    assert broken.bad.client().exists(*[f"k{i}" for i in range(5)]) == 0


def test_letters_are_dropped(broken):
    ids = [broken.purge(f"k{i}", target="bad") for i in range(3)]
    eventually(lambda: len(broken.letters()) == 3)
    assert broken.api.delete(f"/v1/dead-letters/{ids[0]}").json == {"count": 1}
    is_problem(broken.api.delete(f"/v1/dead-letters/{ids[0]}"), 404)
    is_problem(broken.api.get(f"/v1/dead-letters/{ids[0]}"), 404)
    assert broken.api.post("/v1/dead-letter-drops",
                           {"all": True, "expected_count": 2}).json == {"count": 2}
    assert broken.letters() == [] and broken.broker.client().exists(DEAD, DEAD_AT) == 0


def test_list_by_page_and_filter(broken):
    ids = [broken.purge(f"k{i}", target="bad", tags=[f"t{i % 2}"]) if i % 2 else
           broken.purge(f"k{i}", target="bad") for i in range(7)]
    eventually(lambda: len(broken.letters()) == 7)
    seen, token = [], ""
    while True:
        page = broken.api.get(f"/v1/dead-letters?page_size=3{token}").json
        assert len(page["dead_letters"]) <= 3
        seen += [letter["job_id"] for letter in page["dead_letters"]]
        if "next_page_token" not in page:
            break
        token = f"&page_token={page['next_page_token']}"
    assert sorted(seen) == sorted(ids) and len(seen) == len(set(seen))
    assert len(broken.letters("?tag=t1")) == 3 and broken.letters("?tag=t0") == []
    assert len(broken.letters("?target=bad")) == 7 and broken.letters("?target=default") == []
    assert len(broken.letters("?code=store_unreachable&status=dead")) == 7
    assert broken.letters("?code=store_timeout") == broken.letters("?error_class=permanent") == []
    assert broken.letters("?buried_after=2100-01-01T00:00:00Z") == []
    assert len(broken.letters("?buried_before=2100-01-01T00:00:00Z")) == 7
    for bad, where in (("buried_after=soon", "#/query/buried_after"), ("page_size=0", "#/query/page_size"),
                       ("page_token=x", "#/query/page_token"), ("status=odd", "#/query/status"),
                       ("error_class=odd", "#/query/error_class")):
        problem = is_problem(broken.api.get("/v1/dead-letters?" + bad), 422)
        assert any(where in pointer for pointer in pointers(problem)), problem


def test_letters_of_more_bytes_than_one_answer_may_have(make):
    broken = Broken(make, retry_tries=1)
    keys = [f"{k}:".ljust(4000, "x") for k in range(220)]
    ids = {broken.purge(*keys, target="bad", reason="large") for _ in range(20)}
    eventually(lambda: broken.broker.client().zcard(DEAD_AT) == 20)
    seen, token = [], ""
    while token is not None:
        page = broken.api.get(f"/v1/dead-letters?page_size=1{token}").json
        seen += [letter["job_id"] for letter in page["dead_letters"]]
        token = page.get("next_page_token") and f"&page_token={page['next_page_token']}"
    assert set(seen) == ids and len(seen) == 20
    assert len(broken.letters()) == len(broken.letters("?target=bad")) == 20
    assert broken.letters("?target=default") == []
    broken.api.post(f"{QUEUE}/pause")
    eventually(lambda: broken.server.log_contains("worker.lanes_paused"))
    assert broken.api.post("/v1/dead-letter-redrives",
                           {"target": "bad", "expected_count": 20}).json == {"count": 20}
    assert broken.letters() == []
    broken.api.post(f"{QUEUE}/resume")
    eventually(lambda: broken.broker.client().zcard(DEAD_AT) == 20)
    assert broken.api.post("/v1/dead-letter-drops",
                           {"target": "bad", "expected_count": 20}).json == {"count": 20}
    assert not broken.server.log_contains("redis.lost", "gateway.broker")


def test_job_that_failed_for_good_leaves_a_letter(make):
    broken = Broken(make)
    broken.good.client().execute_command("ACL", "SETUSER", "default", "-unlink")
    job_id = broken.purge("k1", target="default")
    done = broken.ended(job_id)
    assert done["status"] == "failed" and done["error"]["code"] == "store_permission"
    letter = broken.letters("?error_class=permanent")[0]
    assert letter["job_id"] == job_id and letter["status"] == "failed"
    broken.good.client().execute_command("ACL", "SETUSER", "default", "+@all")
    broken.api.post(f"/v1/dead-letters/{job_id}/redrive")
    eventually(lambda: succeeded(broken, job_id))
    assert not broken.good.client().exists("k1")


def test_job_that_is_brought_back_is_done_though_it_was_cancelled_before(make):
    """A cancel of its later passes, or one that came too late, is an older word."""
    broker, target = make(Redis), make(Redis)
    with target.client() as client:
        for i in range(0, 40000, 10000):
            client.mset({f"page:{k}": 1 for k in range(i, i + 10000)})
        client.execute_command("ACL", "SETUSER", "default", "-unlink")
        server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                      sweep_share=4, threads=1)
        job_id = is_accepted(server.api.purge(patterns=["page:*"]))["job_id"]
        assert server.api.finished(job_id)["status"] == "failed"
        assert server.api.delete(f"/v1/jobs/{job_id}/rebounds").status == 200
        client.execute_command("ACL", "SETUSER", "default", "+unlink")
        answer = server.api.post(f"/v1/dead-letters/{job_id}/redrive")
        assert answer.json == {"count": 1}
        assert server.api.finished(job_id)["status"] == "succeeded" and client.dbsize() == 0


@pytest.mark.parametrize("results", ["beside", "elsewhere"])
def test_letter_that_cannot_be_brought_back_stays_what_it_was(make, results):
    broker, target = make(Redis), make(Redis)
    target.client().execute_command("ACL", "SETUSER", "default", "-unlink")
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                  results_url=(make(Redis) if results == "elsewhere" else broker).url())
    job_id = server.api.purge("k", prefer="wait=10").json["job_id"]
    with broker.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 100000)
        for _ in range(2):
            problem = is_problem(server.api.post(f"/v1/dead-letters/{job_id}/redrive"), 503)
            assert problem["code"] == "store_out_of_memory"
            assert "Nothing was acknowledged" in problem["detail"]
            assert server.api.job(job_id).json["status"] == "failed" and client.zcard(DEAD_AT) == 1
        client.config_set("maxmemory", 0)
    assert server.api.post(f"/v1/dead-letters/{job_id}/redrive").json == {"count": 1}


def test_redrive_that_breaks_off_says_how_far_it_came(make):
    broker, target = make(Redis), make(Redis)
    target.client().execute_command("ACL", "SETUSER", "default", "-unlink")
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url())
    for at in range(0, 200, 100):
        items = [{"keys": [f"k{i}"]} for i in range(at, at + 100)]
        assert server.api.post("/v1/invalidations/batch", {"invalidations": items}).status == 200
    with broker.client() as client:
        eventually(lambda: client.zcard(DEAD_AT) == 200)
        server.api.post(f"{QUEUE}/pause")
        time.sleep(1.5)  # in force once every worker has seen it
        # They go by the hundred, and here is one that nobody can make a job of.
        client.hset(DEAD, client.zrange(DEAD_AT, 100, 100)[0], "5 garbage")
        answer = server.api.post("/v1/dead-letter-redrives", {"all": True, "expected_count": 200})
        problem = is_problem(answer, answer.status)
        assert answer.status >= 500 and client.zcard(DEAD_AT) == 100
        assert problem["detail"].startswith("100 were brought back before"), problem


def test_dead_letters_that_find_no_room_are_not_dropped(make):
    broken = Broken(make, dead_max=1)
    ids = [broken.purge(f"k{i}", target="bad") for i in range(3)]
    eventually(lambda: len(broken.letters()) == 1)
    time.sleep(1)
    states = [broken.api.job(job_id).json["status"] for job_id in ids]
    assert states.count("dead") == 1 and set(states) <= {"dead", "retrying", "running", "queued"}
    broken.repair()

    def all_succeeded():
        # What was under way when there was room again may have been buried in it.
        for letter in broken.letters():
            broken.api.post(f"/v1/dead-letters/{letter['job_id']}/redrive")
        return all(succeeded(broken, job_id) for job_id in ids)
    eventually(all_succeeded)


def full_of_letters(make, **settings):
    """A service that has as many letters as it keeps, and a cache that lets nobody remove keys."""
    broker, cache = make(Redis), make(Redis)
    cache.client().execute_command("ACL", "SETUSER", "default", "-unlink")
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=cache.url(), rebounds="-",
                  dead_max=1, **IMPATIENT, **settings)
    first = is_accepted(server.api.purge("first"))["job_id"]
    assert server.api.finished(first)["status"] == "failed"
    return server, broker, cache, first


def is_tried_again(server, job_id):
    job = server.api.job(job_id).json
    assert job["status"] in ("queued", "running", "retrying"), job
    return job["attempts"] > 3


def test_what_fails_for_good_and_finds_no_room_is_not_dropped(make):
    server, _, cache, first = full_of_letters(make)
    cache.client().mset({"k": 1, "page:1": 1, "page:2": 1})
    ids = [is_accepted(server.api.purge("k", **more))["job_id"] for more in ({}, {"patterns": ["page:*"]})]
    for job_id in ids:
        eventually(lambda job_id=job_id: is_tried_again(server, job_id))
    assert [letter["job_id"] for letter in server.api.get("/v1/dead-letters").json["dead_letters"]] == [first]
    cache.client().execute_command("ACL", "SETUSER", "default", "+unlink")
    for job_id in ids:
        assert server.api.finished(job_id)["status"] == "succeeded"
    assert not cache.client().exists("k", "page:1", "page:2")


def test_what_fails_at_one_target_and_finds_no_room_goes_on_there_alone(make):
    other = make(Redis)
    server, _, cache, _ = full_of_letters(make, targets=f"other={other.url()}")
    for client in (cache.client(), other.client()):
        client.mset({"k1": 1, "k2": 1})
    job_id = is_accepted(server.api.purge("k1", "k2", "k3"))["job_id"]
    eventually(lambda: server.api.job(job_id).json["status"] == "retrying")
    other.client().set("k1", 2)
    eventually(lambda: is_tried_again(server, job_id))
    assert other.client().get("k1") == b"2"
    cache.client().execute_command("ACL", "SETUSER", "default", "+unlink")
    done = server.api.finished(job_id)
    assert done["status"] == "succeeded"
    assert (done["result"]["removed"], done["result"]["missing"]) == (4, 2)


def test_what_cannot_be_read_and_finds_no_room_is_not_read_as_something_else(make):
    server, broker, cache, first = full_of_letters(make)
    cache.client().execute_command("ACL", "SETUSER", "default", "+unlink")
    cache.client().set("k", 1)
    with broker.client() as client:
        client.xadd("purgeway:{main}:normal", {"v": "9", "n": "0123456789abcdef", "k": b"\x01k"})
        eventually(lambda: sum(line["event"] == "job.unreadable" for line in server.log()) > 3)
        assert client.hkeys(DEAD) == [first.encode()]
        assert server.api.delete(f"/v1/dead-letters/{first}").status == 200
        eventually(lambda: client.hlen(DEAD) == 1 and client.hlen(LATER) == 0)
    assert cache.client().exists("k")


def test_pattern_and_tag_jobs_are_tried_again_where_they_were(make):
    broken = Broken(make, retry_tries=0, limits_patterns_turn_s=1, limits_tags_turn_s=1)
    pattern = broken.purge("k9", patterns=["key1*"], target="bad")
    tag = broken.purge("k8", tags=["a"], target="bad")
    for job_id in (pattern, tag):
        eventually(lambda job_id=job_id: broken.api.job(job_id).json["status"] == "retrying")
    broken.bad.start()
    for job_id in (pattern, tag):
        eventually(lambda job_id=job_id: succeeded(broken, job_id))
    assert broken.bad.client().exists("key1", "key10", "k8", "k9") == 0


def test_time_that_a_job_may_take_in_all(make):
    broken = Broken(make, retry_tries=0, limits_keys_s=1)
    job_id = broken.purge("k1", target="bad")
    done = broken.ended(job_id)
    assert done["status"] == "dead" and done["error"]["code"] == "time_limit"
    assert broken.letters()[0]["job_id"] == job_id


def test_waiting_jobs_survive_a_restart_of_everything(make):
    broken = Broken(make, retry_tries=0, retry_cap_ms=1000)
    ids = [broken.purge(f"k{i}", target="bad") for i in range(10)]
    for job_id in ids:
        eventually(lambda job_id=job_id: broken.api.job(job_id).json["status"] == "retrying")
    broken.server.kill9()
    broken.broker.kill9()
    broken.broker.start()
    broken.bad.start()
    broken.server.start()
    for job_id in ids:
        eventually(lambda job_id=job_id: succeeded(broken, job_id))
    assert broken.bad.client().exists(*[f"k{i}" for i in range(10)]) == 0


def test_poison_is_buried_and_what_lay_beside_it_is_not(make):
    """Worker after worker dies with all of them in hand; only the first is ever begun by itself."""
    broker, cache = make(Redis), make(Redis)
    settings = {"broker_url": broker.url(), "target_url": cache.url(), "rebounds": "-",
                "retry_deliveries": 3, "worker_idle_ms": 600, "worker_beat_ms": 150, "threads": 1,
                "target_timeout_ms": 60000}
    gateway = make(Purgeway, "gateway", **settings)
    cache.client().mset({f"k{i}": 1 for i in range(6)})
    worker = make(Purgeway, "worker", **settings)
    # Whoever writes waits; nothing else does.
    cache.client().execute_command("CLIENT", "PAUSE", 600_000, "WRITE")
    ids = [is_accepted(gateway.api.purge(f"k{i}"))["job_id"] for i in range(6)]
    client = broker.client()

    def turns():
        return [client.hget(f"purgeway:{{main}}:job:{job_id}", "g") for job_id in ids]

    def deliveries():
        pending = client.xpending_range("purgeway:{main}:high", "purgeway", "-", "+", 10)
        return [entry["times_delivered"] for entry in pending]

    eventually(lambda: deliveries() == [1] * 6)
    for first, expected in ((2, None), (3, b"1"), (4, b"2")):
        worker.kill9()
        worker.start()
        eventually(lambda first=first: deliveries()[-1] == first)
        eventually(lambda expected=expected: turns()[0] == expected)
        assert turns()[2:] == [None] * 4
    letters = eventually(lambda: gateway.api.get("/v1/dead-letters").json["dead_letters"])
    assert [letter["job_id"] for letter in letters] == ids[:1]
    assert letters[0]["error"]["code"] == "poison" and letters[0]["status"] == "dead"
    cache.client().execute_command("CLIENT", "UNPAUSE")
    for job_id in ids[1:]:
        assert gateway.api.finished(job_id)["status"] == "succeeded"
    assert cache.client().exists(*[f"k{i}" for i in range(6)]) == 1
    gateway.api.post(f"/v1/dead-letters/{ids[0]}/redrive")
    assert gateway.api.finished(ids[0])["status"] == "succeeded"
    assert not cache.client().exists("k0") and turns() == [None] + [b"1"] * 5


def test_rebounds_of_a_target_that_is_away_wait_as_well(make):
    broken = Broken(make, retry_tries=0, rebounds="300")
    broken.repair()
    job_id = broken.purge("k1", target="bad")
    assert broken.ended(job_id)["status"] == "succeeded"
    broken.bad.kill9()
    broken.bad.start()
    broken.bad.client().set("k1", "stale")
    eventually(lambda: not broken.bad.client().exists("k1"))


def test_server_that_refuses_everything_is_left_alone(make):
    """Its jobs wait without using up tries; those of others are done; one command asks how it is."""
    broken = Broken(make, retry_cap_ms=500)
    broken.repair()
    with broken.bad.client() as client:
        client.config_set("busy-reply-threshold", 1)
        client.function_load("#!lua name=l\nredis.register_function('spin', function() while true do "
                             "end end)")
    spinning = broken.bad.client()
    thread = threading.Thread(target=lambda: pytest.raises(Exception, spinning.fcall, "spin", 0))
    thread.start()
    try:
        time.sleep(0.2)
        waiting = [broken.purge(f"k{i}", target="bad") for i in range(20)]
        for i in range(20):
            done = broken.api.purge(f"k{i}", target="default", prefer="wait=10").json
            assert done["status"] == "succeeded" and done["result"]["removed"] == 1
        for job_id in waiting:
            eventually(lambda job_id=job_id: broken.api.job(job_id).json["status"] == "retrying")
        eventually(lambda: broken.server.log_contains("redis.breaker_opened"))
        time.sleep(1)
        assert broken.letters() == []
    finally:
        with broken.bad.client() as client:
            client.execute_command("FUNCTION", "KILL")
        thread.join()
    for job_id in waiting:
        eventually(lambda job_id=job_id: succeeded(broken, job_id))
    eventually(lambda: broken.server.log_contains("redis.breaker_closed"))
    assert broken.bad.client().exists(*[f"k{i}" for i in range(20)]) == 0


def test_job_that_waits_is_known_to_have_been_tried_without_its_result(make):
    """Where the result could not be written the record itself says so."""
    broker, results, target = make(Redis), make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), results_url=results.url(),
                  target_url=target.url(), retry_base_ms=20000, retry_cap_ms=20000)
    target.kill9()
    results.kill9()
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    # Its next try may be due at any time: not while it is looked at.
    eventually(lambda: broker.client().zadd("purgeway:{main}:scheduled", {f"@{job_id}": 9e15},
                                            xx=True, ch=True))
    results.start()
    job = eventually(lambda: server.api.job(job_id).status == 200 and server.api.job(job_id).json)
    assert job["status"] == "retrying" and job["attempts"] >= 1, job
    assert job["next_attempt_at"]
    server.api.post(f"{QUEUE}/pause")
    time.sleep(1.2)
    broker.client().zadd("purgeway:{main}:scheduled", {f"@{job_id}": 1})
    eventually(lambda: broker.client().hget(LATER, job_id).startswith(b"="))
    again = server.api.job(job_id).json
    assert (again["status"], again["attempts"]) == ("retrying", job["attempts"]), again
    server.api.post(f"{QUEUE}/resume")
    target.start()
    eventually(lambda: server.api.job(job_id).json["status"] in ("succeeded", "retrying"))


def test_a_letter_whose_result_could_not_be_written_is_told(make):
    """The worker dies behind the letter: nobody is left to say in the result that the job is dead."""
    broker, results, target, good = [make(Redis) for _ in range(4)]
    good.client().set("a", 1)
    settings = {"broker_url": broker.url(), "results_url": results.url(), "target_url": target.url(),
                "targets": f"good={good.url()}", "threads": 1}
    gateway = make(Purgeway, "gateway", **settings)
    # A further try may find the target gone already, and be over before anybody sees it run.
    worker = make(Purgeway, "worker", retry_tries=1, target_timeout_ms=6000, **settings)
    target.stand_still()
    job_id = is_accepted(gateway.api.purge("a"))["job_id"]
    eventually(lambda: gateway.api.job(job_id).json["status"] == "running")
    results.kill9()
    with broker.client() as client:
        eventually(lambda: client.zcard("purgeway:{main}:dead:at") == 1
                   or client.hlen("purgeway:{main}:dead") == 1, what="the letter")
    worker.kill9()
    results.start()
    eventually(lambda: gateway.api.job(job_id).json["status"] == "dead", what="the end")
    result = gateway.api.job(job_id).json["result"]
    outcome = {one["target"]: one for one in result["targets"]}
    assert result["removed"] == outcome["good"]["removed"] == 1
    assert outcome["good"]["status"] == "succeeded" and outcome["default"]["status"] == "failed"
