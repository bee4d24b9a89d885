"""The scripts of lua/ against a private redis-server: every state, each call replayed, the
wrong owner, a server without memory, and settle's fencing against a small model."""
import itertools
import os
import pathlib
import subprocess
import time

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LUA = pathlib.Path(__file__).resolve().parents[2] / "lua"
GROUP, STREAM, RESULT = "purgeway", "purgeway:{main}:high", "purgeway:{main}:job:x"
TERMINAL = ("succeeded", "failed", "dead", "cancelled")
OPEN = ("scheduled", "queued", "running", "retrying")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A client of a redis-server that is ours alone."""
    directory = tmp_path_factory.mktemp("redis")
    socket = directory / "redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir",
         str(directory), "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(unix_socket_path=str(socket), decode_responses=True)
        end = time.monotonic() + 10
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < end, "redis-server did not come up"
                time.sleep(0.02)
        yield client
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def r(server):
    server.flushall()
    yield server
    server.config_set("maxmemory", 0)


@pytest.fixture
def raw(r):
    """The same server, answers as bytes."""
    return redis.Redis(unix_socket_path=r.connection_pool.connection_kwargs["path"])


def run(client, name, keys, *args, change=lambda text: text):
    return client.eval(change((LUA / f"{name}.lua").read_text()), len(keys), *keys, *args)


def group(client):
    client.xgroup_create(STREAM, GROUP, "0", mkstream=True)


def add(client, count=1):
    return [client.xadd(STREAM, {"n": f"{i:016x}"}) for i in range(count)]


def take(client, consumer, count=1):
    """The ids that a consumer is handed."""
    found = client.xreadgroup(GROUP, consumer, {STREAM: ">"}, count=count)
    return [entry[0] for entry in found[0][1]] if found else []


def owner(client, entry):
    rows = client.xpending_range(STREAM, GROUP, entry, entry, 1)
    return rows[0]["consumer"] if rows else None


def idle_ms(client, entry):
    return client.xpending_range(STREAM, GROUP, entry, entry, 1)[0]["time_since_delivered"]


def fill_up(client):
    """From here on the server has no memory for writes."""
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.ResponseError, match="^(OOM|command not allowed)"):
        client.set("more", "x")


# ---- settle ----

def job(entry="1-0", attempt=1, status="succeeded", started=5, requested=3, removed=2, missing=1,
        error="", matched="", rebounds="", sample="", targets=""):
    return [entry, attempt, status, started, requested, removed, missing, error, matched,
            rebounds, sample, targets]


def settle(client, jobs, keys=(RESULT,), beside=False, ttl=100):
    arguments = itertools.chain.from_iterable(jobs)
    return run(client, "settle", [*keys, STREAM] if beside else keys, len(jobs), ttl,
               GROUP if beside else "", *arguments)


def test_settle_writes_a_result(r):
    before = time.time() * 1000
    assert settle(r, [job()]) == [1]
    result = r.hgetall(RESULT)
    assert before - 1000 <= int(result.pop("f")) <= time.time() * 1000 + 1000
    assert result == {"s": "succeeded", "a": "1", "b": "5", "n": "3", "r": "2", "m": "1"}
    assert 90 < r.ttl(RESULT) <= 100


def test_settle_writes_an_error(r):
    assert settle(r, [job(status="failed", error="unreadable-job")]) == [1]
    assert r.hget(RESULT, "e") == "unreadable-job"
    assert r.hget(RESULT, "s") == "failed"


def test_settle_replayed_changes_nothing(r):
    assert settle(r, [job()]) == [1]
    result = r.hgetall(RESULT)
    time.sleep(0.005)
    assert settle(r, [job(removed=0, missing=3)]) == [1]
    assert r.hgetall(RESULT) == result


@pytest.mark.parametrize("first", TERMINAL)
@pytest.mark.parametrize("second", TERMINAL)
def test_settle_never_changes_a_finished_result(r, first, second):
    r.hset(RESULT, mapping={"s": first, "a": 2, "f": 7})
    assert settle(r, [job(attempt=3, status=second)]) == [1]
    assert r.hgetall(RESULT) == {"s": first, "a": "2", "f": "7"}


@pytest.mark.parametrize("state", OPEN)
def test_settle_ends_an_open_job(r, state):
    r.hset(RESULT, mapping={"s": state, "a": 2, "b": 1})
    assert settle(r, [job(attempt=1)]) == [0]
    assert r.hgetall(RESULT) == {"s": state, "a": "2", "b": "1"}
    assert settle(r, [job(attempt=2)]) == [1]
    assert r.hget(RESULT, "s") == "succeeded"
    assert r.hget(RESULT, "b") == "5"


def test_settle_compares_attempts_as_numbers(r):
    r.hset(RESULT, mapping={"s": "running", "a": 9})
    assert settle(r, [job(attempt=10)]) == [1]
    r.hset(RESULT, mapping={"s": "running", "a": 10})
    assert settle(r, [job(attempt=9)]) == [0]


def test_settle_judges_each_job_of_a_batch(r):
    r.hset("two", mapping={"s": "running", "a": 5})
    r.hset("three", mapping={"s": "failed", "a": 1})
    verdicts = settle(r, [job("1-0"), job("2-0"), job("3-0"), job("4-0", status="failed")],
                      keys=("one", "two", "three", "four"))
    assert verdicts == [1, 0, 1, 1]
    assert [r.hget(key, "s") for key in ("one", "two", "three", "four")] == [
        "succeeded", "running", "failed", "failed"]


def test_settle_acknowledges_what_it_settled_and_nothing_else(r):
    group(r)
    ids = add(r, 3)
    assert take(r, "w", 3) == ids
    r.hset("two", mapping={"s": "running", "a": 5})
    jobs = [job(entry) for entry in ids]
    for _ in range(2):
        assert settle(r, jobs, keys=("one", "two", "three"), beside=True) == [1, 0, 1]
        assert [owner(r, entry) for entry in ids] == [None, "w", None]
    assert r.xlen(STREAM) == 3


def test_settle_leaves_the_queue_alone_when_results_live_elsewhere(r):
    group(r)
    add(r)
    [entry] = take(r, "w")
    assert settle(r, [job(entry)]) == [1]
    assert owner(r, entry) == "w"


def test_settle_beside_drains_a_full_server(r):
    group(r)
    add(r)
    [entry] = take(r, "w")
    fill_up(r)
    assert settle(r, [job(entry)], beside=True) == [1]
    assert owner(r, entry) is None
    assert r.hget(RESULT, "s") == "succeeded"
    assert r.ttl(RESULT) > 0


def test_settle_elsewhere_on_a_full_server_writes_nothing(r):
    fill_up(r)
    with pytest.raises(redis.ResponseError, match="OOM|used memory > 'maxmemory'"):
        settle(r, [job("1-0"), job("2-0")], keys=("one", "two"))
    assert r.keys("*") == []


def test_settle_takes_as_large_a_batch_as_workers_send(r):
    keys = [f"k{i}" for i in range(500)]
    assert settle(r, [job(f"{i}-0") for i in range(500)], keys=keys) == [1] * 500
    assert r.dbsize() == 500


CALLS = st.lists(st.tuples(st.sampled_from(("begin", "settle")), st.integers(1, 12),
                           st.sampled_from(TERMINAL)), max_size=12)


@given(calls=CALLS)
@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fencing_agrees_with_its_model(server, calls):
    """Whatever order late and early attempts speak in: attempts only grow while a job is
    open, and the first end stays."""
    server.delete(RESULT)
    state, attempt, starts = None, 0, itertools.count(1)
    for verb, number, status in calls:
        start = next(starts)
        if verb == "begin":
            expected = 0 if number < attempt else 2 if state in TERMINAL else 1
            assert run(server, "begin", [RESULT], number, start, 100) == expected
            if expected == 1:
                state, attempt = "running", number
        else:
            expected = 0 if number < attempt else 1
            assert settle(server, [job(attempt=number, status=status, started=start)]) == [expected]
            if expected and state not in TERMINAL:
                state, attempt = status, number
        assert server.hget(RESULT, "s") == state
        assert int(server.hget(RESULT, "a") or 0) == attempt
        if state:
            assert server.ttl(RESULT) > 0


# ---- begin ----

def test_begin_announces_an_attempt(r):
    for _ in range(2):
        assert run(r, "begin", [RESULT], 2, 77, 100) == 1
        assert r.hgetall(RESULT) == {"s": "running", "a": "2", "b": "77"}
        assert 90 < r.ttl(RESULT) <= 100


def test_begin_yields_to_a_later_attempt(r):
    assert run(r, "begin", [RESULT], 10, 77, 100) == 1
    for _ in range(2):
        assert run(r, "begin", [RESULT], 9, 99, 100) == 0
        assert r.hgetall(RESULT) == {"s": "running", "a": "10", "b": "77"}


@pytest.mark.parametrize("state", TERMINAL)
def test_begin_stops_at_an_ended_job(r, state):
    r.hset(RESULT, mapping={"s": state, "a": 1})
    for attempt in (1, 2):
        assert run(r, "begin", [RESULT], attempt, 99, 100) == 2
    assert r.hgetall(RESULT) == {"s": state, "a": "1"}


@pytest.mark.parametrize("state", OPEN)
def test_begin_goes_on_with_an_open_job(r, state):
    r.hset(RESULT, mapping={"s": state, "a": 1})
    assert run(r, "begin", [RESULT], 2, 99, 100) == 1
    assert r.hget(RESULT, "s") == "running"


def test_begin_works_on_a_full_server(r):
    fill_up(r)
    assert run(r, "begin", [RESULT], 2, 77, 100) == 1
    assert r.hget(RESULT, "a") == "2" and 90 < r.ttl(RESULT) <= 100


# ---- beat ----

def beat(client, consumer, *ids):
    return run(client, "beat", [STREAM], GROUP, consumer, *ids)


def test_beat_keeps_what_is_ours(r):
    group(r)
    add(r, 2)
    ids = take(r, "w", 2)
    time.sleep(0.06)
    for _ in range(2):
        assert beat(r, "w", *ids) == []
    for entry in ids:
        assert idle_ms(r, entry) < 50
        assert r.xpending_range(STREAM, GROUP, entry, entry, 1)[0]["times_delivered"] == 1


def test_beat_reports_and_leaves_what_is_not(r):
    group(r)
    add(r, 3)
    mine, theirs, done = take(r, "w", 3)
    r.xclaim(STREAM, GROUP, "successor", 0, [theirs])
    r.xack(STREAM, GROUP, done)
    time.sleep(0.06)
    for _ in range(2):
        assert beat(r, "w", mine, theirs, done, "1-1") == [theirs, done, "1-1"]
        assert owner(r, theirs) == "successor"
        assert idle_ms(r, theirs) >= 55
        assert owner(r, done) is None
    assert owner(r, mine) == "w"


def test_beat_of_nothing_is_nothing(r):
    group(r)
    assert beat(r, "w") == []


def test_beat_works_on_a_full_server(r):
    group(r)
    add(r)
    [entry] = take(r, "w")
    time.sleep(0.06)
    fill_up(r)
    assert beat(r, "w", entry) == []
    assert idle_ms(r, entry) < 50


# ---- take_over ----

def take_over(client, consumer, idle=50, count=10, start="0-0", **options):
    return run(client, "take_over", [STREAM], GROUP, consumer, idle, count, start, **options)


def test_take_over_claims_what_went_quiet(r):
    group(r)
    add(r, 3)
    quiet = take(r, "dead", 2)
    time.sleep(0.08)
    [busy] = take(r, "alive")
    cursor, entries, attempts, gone = take_over(r, "w")
    assert cursor == "0-0"
    assert [entry[0] for entry in entries] == quiet
    assert entries[0][1] == ["n", f"{0:016x}"]
    assert attempts == [2, 2]
    assert gone == []
    assert [owner(r, entry) for entry in (*quiet, busy)] == ["w", "w", "alive"]
    # Again at once: nothing is quiet any more.
    assert take_over(r, "other") == ["0-0", [], [], []]
    time.sleep(0.08)
    assert take_over(r, "other")[2] == [3, 3, 2]


def test_take_over_goes_on_where_it_stopped(r):
    group(r)
    ids = add(r, 5)
    take(r, "dead", 5)
    time.sleep(0.08)
    seen, cursor, rounds = [], "0-0", 0
    while rounds == 0 or cursor != "0-0":
        cursor, entries, attempts, _ = take_over(r, "w", count=2, start=cursor)
        assert len(entries) == len(attempts) <= 2
        seen += [entry[0] for entry in entries]
        rounds += 1
        assert rounds < 10
    assert seen == ids


def test_take_over_reports_entries_whose_body_is_gone(r):
    group(r)
    ids = add(r, 3)
    take(r, "dead", 3)
    r.xdel(STREAM, ids[1])
    time.sleep(0.08)
    _, entries, attempts, gone = take_over(r, "w")
    assert [entry[0] for entry in entries] == [ids[0], ids[2]]
    assert attempts == [2, 2]
    assert gone == [ids[1]]
    assert owner(r, ids[1]) is None


def test_take_over_forgets_consumers_that_hold_nothing_and_stay_away(r):
    group(r)
    add(r, 2)
    [held] = take(r, "holds")
    [done] = take(r, "idle")
    r.xack(STREAM, GROUP, done)
    r.xgroup_createconsumer(STREAM, GROUP, "w")

    def names():
        return {row["name"] for row in r.xinfo_consumers(STREAM, GROUP)}

    time.sleep(0.08)
    take_over(r, "w", idle=100000)
    assert names() == {"holds", "idle", "w"}, "an hour has not passed"
    hour = "forget_ms = 3600000"
    assert hour in (LUA / "take_over.lua").read_text()
    take_over(r, "w", idle=100000, change=lambda text: text.replace(hour, "forget_ms = 50"))
    assert names() == {"holds", "w"}
    assert owner(r, held) == "holds"


def test_take_over_without_a_group_says_so(r):
    with pytest.raises(redis.ResponseError, match="No such key|NOGROUP"):
        take_over(r, "w")


# ---- peek ----

def peek(client, entry):
    return run(client, "peek", [STREAM], GROUP, entry)


def test_peek_follows_a_job(r):
    [before_group] = add(r)
    assert peek(r, before_group) == [1, 0, ["n", f"{0:016x}"]]
    group(r)
    [second] = add(r)
    assert peek(r, before_group)[0] == 1
    assert take(r, "w") == [before_group]
    for _ in range(2):
        assert peek(r, before_group) == [2, 1, ["n", f"{0:016x}"]]
        assert peek(r, second)[:2] == [1, 0]
    r.xclaim(STREAM, GROUP, "other", 0, [before_group])
    assert peek(r, before_group)[:2] == [2, 2]
    r.xack(STREAM, GROUP, before_group)
    assert peek(r, before_group) == [0]
    assert peek(r, second)[:2] == [1, 0]


def test_peek_knows_nothing_of_other_ids(r):
    assert peek(r, "5-5") == [0]
    group(r)
    assert peek(r, "5-5") == [0]


def test_peek_compares_ids_as_numbers(r):
    group(r)
    for entry in ("9-9", "9-10", "10-0"):
        r.xadd(STREAM, {"n": "x"}, id=entry)
    assert take(r, "w") == ["9-9"]
    r.xack(STREAM, GROUP, "9-9")
    assert [peek(r, entry)[0] for entry in ("9-9", "9-10", "10-0")] == [0, 1, 1]
    take(r, "w", 2)
    r.xack(STREAM, GROUP, "9-10", "10-0")
    assert [peek(r, entry)[0] for entry in ("9-9", "9-10", "10-0")] == [0, 0, 0]


def test_peek_ignores_other_groups(r):
    r.xgroup_create(STREAM, "another", "0", mkstream=True)
    [entry] = add(r)
    r.xreadgroup("another", "w", {STREAM: ">"})
    assert peek(r, entry)[0] == 1


def test_peek_works_on_a_full_server_and_writes_nothing(r):
    group(r)
    [entry] = add(r)
    fill_up(r)
    assert peek(r, entry)[0] == 1
    assert r.keys("*") == [STREAM]


# ---- group ----

def make_group(client):
    return run(client, "group", [STREAM], GROUP)


def test_group_is_made_once_and_from_the_beginning(r):
    ids = add(r, 2)
    assert make_group(r) == 1
    assert take(r, "w", 1) == ids[:1]
    assert make_group(r) == 0
    assert take(r, "w", 2) == ids[1:]


def test_group_makes_the_stream(r):
    assert make_group(r) == 1 and make_group(r) == 0
    assert r.xlen(STREAM) == 0 and r.ttl(STREAM) == -1


def test_group_of_what_is_no_stream(r):
    r.set(STREAM, "text")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        make_group(r)


def test_group_is_made_on_a_full_server(r):
    add(r)
    fill_up(r)
    assert make_group(r) == 1 and make_group(r) == 0


# ---- survey ----

def survey(client):
    return run(client, "survey", [STREAM], GROUP)


def test_survey_of_nothing(r):
    assert survey(r) == [0, 0, 0, 0, 0, -1]
    assert r.keys("*") == []
    group(r)
    assert survey(r) == [0, 0, 0, 0, 0, 0]


def test_survey_without_a_group_counts_everything_as_waiting(r):
    ids = add(r, 3)
    oldest = int(ids[0].split("-")[0])
    assert survey(r) == [3, 0, oldest, 0, oldest, -1]
    assert r.xlen(STREAM) == 3


def test_survey_measures_and_trims(r):
    group(r)
    for ms in range(1, 7):
        r.xadd(STREAM, {"n": "x"}, id=f"{ms}000-0")
    assert survey(r) == [6, 0, 1000, 0, 1000, 0]
    take(r, "w", 4)
    assert survey(r) == [2, 4, 1000, 0, 5000, 4]
    # Acknowledged behind an entry that is still pending: it stays.
    r.xack(STREAM, GROUP, "2000-0", "3000-0")
    assert survey(r) == [2, 2, 1000, 0, 5000, 4]
    assert r.xlen(STREAM) == 6
    r.xack(STREAM, GROUP, "1000-0")
    assert survey(r) == [2, 1, 4000, 3, 5000, 4]
    assert survey(r) == [2, 1, 4000, 0, 5000, 4]
    r.xack(STREAM, GROUP, "4000-0")
    assert survey(r) == [2, 0, 5000, 1, 5000, 4]
    assert [entry[0] for entry in r.xrange(STREAM)] == ["5000-0", "6000-0"]
    assert take(r, "w", 2) == ["5000-0", "6000-0"]
    r.xack(STREAM, GROUP, "5000-0", "6000-0")
    for trimmed in (2, 0):
        assert survey(r) == [0, 0, 0, trimmed, 0, 6]
    assert r.xlen(STREAM) == 0


def test_survey_keeps_the_entry_behind_the_last_of_a_millisecond(r):
    group(r)
    for sequence in range(3):
        r.xadd(STREAM, {"n": "x"}, id=f"5-{sequence}")
    take(r, "w", 2)
    r.xack(STREAM, GROUP, "5-0", "5-1")
    assert survey(r) == [1, 0, 5, 2, 5, 2]
    assert take(r, "w") == ["5-2"]


def test_survey_works_on_a_full_server(r):
    group(r)
    add(r)
    [entry] = take(r, "w")
    r.xack(STREAM, GROUP, entry)
    fill_up(r)
    assert survey(r) == [0, 0, 0, 1, 0, 1]


@given(steps=st.lists(st.tuples(st.sampled_from(("add", "take", "ack", "survey")),
                                st.integers(0, 5)), max_size=40))
@settings(max_examples=100, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_survey_never_takes_what_is_unfinished(server, steps):
    server.delete(STREAM)
    group(server)
    waiting, pending, given = [], [], 0
    for verb, number in [*steps, ("survey", 0)]:
        if verb == "add":
            waiting += add(server)
        elif verb == "take":
            taken = take(server, "w", number + 1)
            assert taken == waiting[:number + 1]
            pending += taken
            given += len(taken)
            del waiting[:number + 1]
        elif verb == "ack" and pending:
            server.xack(STREAM, GROUP, pending.pop(number % len(pending)))
        elif verb == "survey":
            kept = sorted(pending + waiting)
            oldest = int(min(kept, key=lambda e: tuple(map(int, e.split("-")))).split("-")[0]
                         ) if kept else 0
            said = survey(server)
            assert said[:3] == [len(waiting), len(pending), oldest]
            assert said[5] in (given, None)
            there = {entry[0] for entry in server.xrange(STREAM)}
            assert set(kept) <= there


# ---- weigh ----

def weigh(client, *keys):
    return run(client, "weigh", ["later", *keys], 16)


def test_weigh_of_nothing(r):
    assert weigh(r, "scheduled", STREAM) == [0, 0]
    assert r.keys("*") == []


def test_weigh_is_near_what_the_server_uses(r):
    before = r.info("memory")["used_memory"]
    pipe = r.pipeline(transaction=False)
    for i in range(20_000):
        pipe.xadd(STREAM, {"k": "x" * 100})
        pipe.hset("later", f"id{i}", "y" * 100)
        pipe.zadd("scheduled", {f"{i}" + "z" * 100: i})
    pipe.execute()
    used = r.info("memory")["used_memory"] - before
    put_off, size = weigh(r, "scheduled", STREAM)
    assert put_off == 20_000
    assert used / 2 < size < used * 2


def test_weigh_without_the_permission_counts_all_the_same(r):
    r.hset("later", "a", "b")
    r.acl_setuser("weigher", enabled=True, nopass=True, keys=["*"],
                  commands=["+@all", "-memory|usage"])
    path = r.connection_pool.connection_kwargs["path"]
    with redis.Redis(unix_socket_path=path, username="weigher", password="x") as weigher:
        assert weigh(weigher, STREAM) == [1, None]


def test_weigh_works_on_a_full_server(r):
    add(r, 10)
    fill_up(r)
    assert weigh(r, STREAM)[1] > 0


# ---- claim ----

TAG, ASIDE = "purgeway:tag:{t}", "purgeway:tag:{t}:job"


def test_claim_sets_aside_once(r):
    r.sadd(TAG, "a", "b")
    r.pexpire(TAG, 50_000)
    for _ in range(2):
        assert run(r, "claim", [TAG, ASIDE], 1) == 2
        assert r.exists(TAG) == 0 and r.smembers(ASIDE) == {"a", "b"} and r.ttl(ASIDE) == -1
    r.sadd(TAG, "later")
    assert run(r, "claim", [TAG, ASIDE], 1) == 2
    assert r.smembers(TAG) == {"later"}


def test_later_pass_claims_no_more(r):
    r.sadd(TAG, "a")
    assert run(r, "claim", [TAG, ASIDE], "") == 0
    assert r.smembers(TAG) == {"a"}
    r.sadd(ASIDE, "b", "c")
    assert run(r, "claim", [TAG, ASIDE], "") == 2


def test_claim_of_nothing_is_nothing(r):
    assert run(r, "claim", [TAG, ASIDE], 1) == 0
    assert r.exists(TAG, ASIDE) == 0


@pytest.mark.parametrize("wrong", [TAG, ASIDE])
def test_claim_leaves_what_is_no_set(r, wrong):
    r.sadd(TAG, "a")
    r.delete(wrong)
    r.set(wrong, "text")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        run(r, "claim", [TAG, ASIDE], 1)
    assert r.get(wrong) == "text"


def test_claim_works_on_a_full_server(r):
    r.sadd(TAG, "a")
    fill_up(r)
    assert run(r, "claim", [TAG, ASIDE], 1) == 1
    assert r.smembers(ASIDE) == {"a"}


# ---- tag ----

def tag(client, ttl, *keys):
    return run(client, "tag", [TAG], ttl, *keys)


def test_tag_adds_and_counts_what_is_new(r):
    assert tag(r, "", "a", "b") == 2
    assert tag(r, "", "b", "c") == 1
    assert r.smembers(TAG) == {"a", "b", "c"} and r.ttl(TAG) == -1


def test_tag_only_ever_lengthens(r):
    tag(r, 50_000, "a")
    assert 40 < r.ttl(TAG) <= 50
    tag(r, 10_000, "a")
    assert 40 < r.ttl(TAG) <= 50
    tag(r, 90_000, "a")
    assert 80 < r.ttl(TAG) <= 90
    tag(r, "", "a")
    assert r.ttl(TAG) == -1
    tag(r, 10_000, "a")
    assert r.ttl(TAG) == -1


def test_tag_takes_a_thousand(r):
    assert tag(r, "", *(f"k{i}" for i in range(1000))) == 1000


# ---- wake ----

SCHEDULED, LANES = "purgeway:{main}:scheduled", ("lane:0", "lane:1", "lane:2")
LATER = "purgeway:{main}:later"


def record(*texts):
    """Texts, each behind its length as unsigned LEB128."""
    out = b""
    for text in texts:
        text = text if isinstance(text, bytes) else text.encode()
        length = len(text)
        while length > 127:
            out += bytes([length % 128 + 128])
            length //= 128
        out += bytes([length]) + text
    return out


def wake(client, count=10):
    return run(client, "wake", [SCHEDULED, LATER, *LANES], count)


def test_wake_moves_what_is_due(raw):
    r = raw
    now = int(time.time() * 1000)
    long = os.urandom(70_000)
    r.zadd(SCHEDULED, {record("1", "v", "2", "k", b"\x00\xff\r\n"): now - 5,
                       record("2", "k", long, "empty", b""): now - 1,
                       record("0", "k", "later"): now + 60_000})
    assert wake(r) == 2 and wake(r) == 0
    assert [fields for _, fields in r.xrange("lane:1")] == [{b"v": b"2", b"k": b"\x00\xff\r\n"}]
    assert [fields for _, fields in r.xrange("lane:2")] == [{b"k": long, b"empty": b""}]
    assert r.zcard(SCHEDULED) == 1 and r.xlen("lane:0") == 0


def test_wake_takes_the_earliest_and_no_more_than_asked(r):
    r.zadd(SCHEDULED, {record("0", "k", str(i)).decode(): i for i in range(20)})
    assert wake(r, 5) == 5
    assert [fields["k"] for _, fields in r.xrange("lane:0")] == ["0", "1", "2", "3", "4"]


def test_wake_works_on_a_full_server(r):
    for i in range(3):
        r.zadd(SCHEDULED, {record("0", "k", str(i)).decode(): i + 1})
    run(r, "put_off", [SCHEDULED, LATER], 9, "job", record("1", "k", "x").decode())
    fill_up(r)
    assert wake(r) == 4
    assert r.zcard(SCHEDULED) == 0 and r.xlen("lane:0") == 3 and r.xlen("lane:1") == 1
    assert r.hget(LATER, "job").startswith("=1 ")


def test_wake_keeps_what_its_lane_refuses(r):
    r.set("lane:1", "no stream")
    members = {record("0", "k", "a").decode(): 1, record("1", "k", "b").decode(): 2,
               record("0", "k", "c").decode(): 3}
    r.zadd(SCHEDULED, members)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        wake(r)
    assert r.xlen("lane:0") == 1 and set(r.zrange(SCHEDULED, 0, -1)) == set(list(members)[1:])
    r.delete("lane:1")
    assert wake(r) == 2


def test_put_off_waits_and_is_woken(raw):
    r = raw
    now = int(time.time() * 1000)
    for name, due in (("early", now - 5), ("late", now + 60_000)):
        assert run(r, "put_off", [SCHEDULED, LATER], due, name, record("1", "k", name)) == 1
    assert r.hget(LATER, "late") == b"%d " % (now + 60_000) + record("1", "k", "late")
    assert wake(r) == 1
    (entry, fields), = r.xrange("lane:1")
    assert fields == {b"k": b"early"}
    assert r.hget(LATER, "early") == b"=1 " + entry
    assert r.zrange(SCHEDULED, 0, -1) == [b"@late"]


def test_put_off_that_was_forgotten_is_passed_over(raw):
    raw.zadd(SCHEDULED, {"@gone": 1})
    assert wake(raw) == 1 and raw.zcard(SCHEDULED) == 0 and not raw.exists(LATER)


def test_put_off_on_a_full_server_does_nothing(r):
    fill_up(r)
    with pytest.raises(redis.ResponseError, match="OOM"):
        run(r, "put_off", [SCHEDULED, LATER], 1, "x", "y")
    assert r.zcard(SCHEDULED) == 0 and r.hlen(LATER) == 0


# ---- hold, fill ----

KEY, MARKER = "key", "purgeway:hold:{key}"


def hold(client, ms=60000, version=""):
    return run(client, "hold", [KEY, MARKER], ms, version)


def fill(client, value, version="", interim=""):
    return run(client, "fill", [KEY, MARKER], value, 60000, version, interim)


def test_hold_removes_and_marks(r):
    r.set(KEY, "old")
    assert hold(r, 5000) == [1, 1] and hold(r, 50) == [0, 1]
    assert 4000 < r.pttl(MARKER) <= 5000, "a marker never ends earlier"
    assert hold(r, 9000) == [0, 1] and r.pttl(MARKER) > 8000


@pytest.mark.parametrize("versions, stands", [
    (["5", "7"], "7"), (["7", "5"], "7"), (["", "9"], ""), (["9", ""], ""),
    (["9", "10"], "10"), (["18446744073709551615", "18446744073709551614"],
                          "18446744073709551615"), (["007", "6"], "007")])
def test_hold_keeps_the_stronger_marker(r, versions, stands):
    for version in versions:
        hold(r, version=version)
    assert r.get(MARKER) == stands


def test_hold_on_a_full_server_removes_all_the_same(r):
    r.set(KEY, "old")
    fill_up(r)
    removed, _ = hold(r)
    assert removed == 1 and not r.exists(KEY)


@pytest.mark.parametrize("marker, version, said", [
    (None, "", 1), (None, "3", 1), ("", "", 0), ("", "99", 0), ("5", "", 0), ("5", "4", 0),
    ("5", "5", 1), ("5", "6", 1), ("9", "10", 1), ("10", "9", 0), ("5", "005", 1),
    ("18446744073709551615", "18446744073709551614", 0)])
def test_fill_asks_the_marker(r, marker, version, said):
    if marker is not None:
        r.set(MARKER, marker)
    assert fill(r, "value", version) == said
    assert r.get(KEY) == ("value" if said else None)


def test_interim_value_stays_for_a_moment(r):
    hold(r)
    assert fill(r, "a", interim=300) == 2 and 0 < r.pttl(KEY) <= 300
    assert fill(r, "b", interim=300) == 0 and r.get(KEY) == "a"
