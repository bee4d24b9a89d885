"""The scripts of lua/ against a private redis-server: every state, each call replayed, the
wrong owner, a server without memory, and settle's fencing against a small model."""
import contextlib
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
AUDIT = "purgeway:{main}:audit"
TERMINAL = ("succeeded", "failed", "dead", "cancelled")
OPEN = ("scheduled", "queued", "running", "retrying")


@contextlib.contextmanager
def running(directory, **environment):
    """A client of a redis-server that is ours alone."""
    socket = directory / "redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir",
         str(directory), "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL,
        env={**os.environ, **environment})
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


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("redis")) as client:
        yield client


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
        error="", matched="", rebounds="", sample="", targets="", place=""):
    return [entry, attempt, status, started, requested, removed, missing, error, matched,
            rebounds, sample, targets, place]


def settle(client, jobs, keys=(RESULT,), beside=False, ttl=100, records=None, again=True):
    """`records`: what the audit is to say of each job; None: there is no audit."""
    if records:
        jobs = [[*one, record] for one, record in zip(jobs, records, strict=True)]
    arguments = itertools.chain.from_iterable(jobs)
    return run(client, "settle", [*keys, STREAM, AUDIT, LATER] if beside else keys, len(jobs), ttl,
               GROUP if beside else "", 1000 if records else "",
               "1" if records and again else "", *arguments)


def audited(client):
    """What the audit says, the oldest first."""
    return [fields for _, fields in client.xrange(AUDIT)]


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


def test_settle_writes_a_record_for_what_it_acknowledges_and_only_once(r):
    group(r)
    first, second, third = add(r, 3)
    take(r, "a", 3)
    r.hset("two", mapping={"s": "running", "a": 2})
    jobs, keys = [job(first), job(second), job(third)], ("one", "two", "three")
    for _ in range(2):
        assert settle(r, jobs, keys=keys, beside=True, records=["A", "B", "C"]) == [1, 0, 1]
        assert audited(r) == [{"d": "A"}, {"d": "C"}]
    assert r.xpending(STREAM, GROUP)["pending"] == 1


def test_settle_of_what_was_never_sent_writes_all_records_at_once(r):
    group(r)
    entries = add(r, 3)
    take(r, "a", 3)
    jobs, keys = [job(entry) for entry in entries], ("one", "two", "three")
    for _ in range(2):
        assert settle(r, jobs, keys=keys, beside=True, records=["A", "B", "C"], again=False) == [1] * 3
        assert audited(r) == [{"d": "A"}, {"d": "B"}, {"d": "C"}]


def test_settle_without_an_audit_writes_no_record(r):
    group(r)
    entry, = add(r)
    take(r, "a")
    assert settle(r, [job(entry)], beside=True) == [1]
    assert r.xpending(STREAM, GROUP)["pending"] == 0 and not r.exists(AUDIT)


def test_settle_with_an_audit_drains_a_full_server(r):
    group(r)
    entry, = add(r)
    take(r, "a")
    fill_up(r)
    assert settle(r, [job(entry)], beside=True, records=["A"]) == [1]
    assert r.xpending(STREAM, GROUP)["pending"] == 0 and audited(r) == [{"d": "A"}]


# ---- ack ----

def test_settle_forgets_the_place_of_the_entry_and_no_other(r):
    group(r)
    mine, other = add(r, 2)
    take(r, "a", 2)
    r.hset(LATER, mapping={"x": f"=0 {mine}", "y": f"=0 {mine}", "z": f"99 {other}", "u": f"=2 1{other}"})
    jobs = [job(mine, place="x"), job(other, place="y"), job(other, place="z"), job(other, place="u")]
    assert settle(r, jobs, [f"{RESULT}{i}" for i in range(4)], beside=True) == [1] * 4
    assert sorted(r.hkeys(LATER)) == ["u", "y", "z"]
    r.hset(RESULT, "a", 2)
    assert settle(r, [job(mine, place="y")], beside=True) == [0] and r.hexists(LATER, "y")
    assert settle(r, [job(mine, place="y")], ["fresh"]) == [1] and r.hexists(LATER, "y")


def test_ack_writes_a_record_for_what_it_acknowledges_and_only_once(r):
    group(r)
    first, second = add(r, 2)
    take(r, "a", 2)
    assert run(r, "ack", [STREAM, AUDIT], GROUP, 1000, first, "A", "5-5", "X") == 1
    assert run(r, "ack", [STREAM, AUDIT], GROUP, 1000, first, "A", second, "B") == 1
    assert audited(r) == [{"d": "A"}, {"d": "B"}] and r.xpending(STREAM, GROUP)["pending"] == 0


def test_ack_works_on_a_full_server(r):
    group(r)
    entry, = add(r)
    take(r, "a")
    fill_up(r)
    assert run(r, "ack", [STREAM, AUDIT], GROUP, 1000, entry, "A") == 1
    assert audited(r) == [{"d": "A"}]


# ---- act, forget ----

def test_act_does_one_command_and_writes_it_down(r):
    assert run(r, "act", ["h", AUDIT], 1000, "A", "HSET", "low", 5) == 1
    assert r.hgetall("h") == {"low": "5"} and audited(r) == [{"d": "A"}]
    assert run(r, "act", ["h", AUDIT], "", "", "HDEL", "low") == 1
    assert not r.exists("h") and audited(r) == [{"d": "A"}]


def test_act_that_fails_is_not_written_down(r):
    r.set("h", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        run(r, "act", ["h", AUDIT], 1000, "A", "HSET", "low", 5)
    assert not r.exists(AUDIT)


def test_forget_keeps_what_is_young_enough(r):
    now = int(time.time() * 1000)
    for age_s in range(2000, 0, -1):
        r.xadd(AUDIT, {"d": "x"}, id=f"{now - age_s * 1000}-0")
    assert run(r, "forget", [AUDIT], 0) == 2000
    assert run(r, "forget", [AUDIT], 3600) == 2000
    for _ in range(2):
        left = run(r, "forget", [AUDIT], 1000)
    assert 990 <= left <= 1000 and len(audited(r)) == left
    assert run(r, "forget", ["none"], 5) == 0 and not r.exists("none")


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


def test_begin_counts_the_turns_of_a_suspect(r):
    for turn in (1, 2):
        assert run(r, "begin", [RESULT], 2 + turn, 77, 100, 0, 2) == 1
        assert r.hget(RESULT, "g") == str(turn)
    assert run(r, "begin", [RESULT], 5, 77, 100, 0, "") == 1
    assert run(r, "begin", [RESULT], 6, 78, 100, 0, 2) == 3
    assert r.hget(RESULT, "a") == "5" and 0 < r.ttl(RESULT) <= 100
    r.hset(RESULT, mapping={"s": "dead", "a": 6})
    assert run(r, "reopen", [RESULT], 6, 100) == 1
    assert not r.hexists(RESULT, "g")


def test_begin_counts_the_turns_anew_of_what_was_brought_back(r):
    for status, said in (("dead", 1), ("running", 3)):
        r.hset(RESULT, mapping={"s": status, "a": 4, "g": 2})
        assert run(r, "begin", [RESULT], 5, 77, 100, 4, 2) == said


def test_begin_works_on_a_full_server(r):
    fill_up(r)
    assert run(r, "begin", [RESULT], 2, 77, 100, 0, 1) == 1
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


# ---- join ----

def test_join_keeps_who_is_there(r):
    def join(ids, most=100):
        return run(r, "join", ["group"], ids, 2, most, 60)
    assert join("aabb") == 2 and 50 < r.ttl("group") <= 60
    assert join("bbcc") == 3 and r.get("group") == "aabbcc"
    assert join("aa") == 3 and join("ddee", 4) == 4 and r.get("group") == "aabbccdd"


# ---- take_over ----

def take_over(client, consumer, idle=50, count=10, start="0-0", most=1 << 20, **options):
    return run(client, "take_over", [STREAM], GROUP, consumer, idle, count, start, most, **options)


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


def test_take_over_claims_no_more_than_it_can_tell(r):
    group(r)
    ids = [r.xadd(STREAM, {"k": "x" * 1000}) for _ in range(5)]
    take(r, "dead", 5)
    time.sleep(0.08)
    cursor, entries, _, _ = take_over(r, "w", most=1500)
    assert [entry[0] for entry in entries] == ids[:2], "up to the one that fills it"
    assert [owner(r, entry) for entry in ids] == ["w"] * 2 + ["dead"] * 3
    cursor, entries, attempts, _ = take_over(r, "w", most=1, start=cursor)
    assert [entry[0] for entry in entries] == ids[2:3] and attempts == [2], "one in any case"
    assert [entry[0] for entry in take_over(r, "w", start=cursor)[1]] == ids[3:]


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


def test_peek_tells_nothing_that_is_long(r):
    entry = r.xadd(STREAM, {"v": "2", "n": "f" * 16, "k": "k" * 5000, "p": "p" * 5000,
                            "g": "g" * 5000, "e": "7", "r": "why"})
    assert peek(r, entry) == [1, 0, ["n", "f" * 16, "p", "", "g", "", "e", "7"]]
    entry = r.xadd(STREAM, {"n": "n" * 5000, "e": "e" * 5000})
    assert peek(r, entry) == [1, 0, ["n", "n" * 32, "e", "e" * 32]]


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
    """Without how many were ever added, which is what the server says."""
    *said, added = run(client, "survey", [STREAM], GROUP)
    assert added == (client.xinfo_stream(STREAM)["entries-added"] if client.exists(STREAM) else 0)
    return said


def test_survey_after_a_cancel_still_knows_what_was_added(r):
    group(r)
    ids = add(r, 3)
    r.xdel(STREAM, ids[1])
    assert run(r, "survey", [STREAM], GROUP)[6] == 3


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


def test_survey_counts_what_waits_behind_a_job_that_takes_long(r):
    """What is done with cannot be trimmed past it, and whoever cancels leaves a gap."""
    group(r)
    entries = add(r, 300)
    take(r, "slow")
    for entry in take(r, "w", 280):
        r.xack(STREAM, GROUP, entry)
    assert cancel(r, "x", 0, entries[290]) == [1, 3] and survey(r)[:2] == [18, 1]
    assert cancel(r, "y", 0, entries[299], result="other") == [1, 3] and survey(r)[:2] == [17, 1]
    assert len(take(r, "w", 5)) == 5 and survey(r)[:2] == [12, 6]
    assert purge(r, *(text for entry in entries[286:290] for text in (entry, "", ""))) == entries[286:290]
    assert survey(r)[:2] == [8, 6]
    assert take(r, "w", 100) == entries[291:299] and survey(r)[:2] == [0, 14]
    more = add(r, 3)
    assert survey(r)[:2] == [3, 14] and survey(r)[5] == 300
    assert take(r, "w", 100) == more


@given(steps=st.lists(st.tuples(st.sampled_from(("add", "take", "ack", "cancel", "purge", "survey")),
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
        elif verb == "cancel" and waiting:
            assert cancel(server, "x", 0, waiting.pop(number % len(waiting)))[0] == 1
            given += 1
        elif verb == "purge" and waiting:
            some = waiting[1:number]
            assert purge(server, *(text for entry in some for text in (entry, "", ""))) == some
            given += len(some)
            del waiting[1:number]
        elif verb == "survey":
            kept = sorted(pending + waiting)
            oldest = int(min(kept, key=lambda e: tuple(map(int, e.split("-")))).split("-")[0]
                         ) if kept else 0
            said = survey(server)
            assert said[:3] == [len(waiting), len(pending), oldest]
            assert said[5] == given
            there = {entry[0] for entry in server.xrange(STREAM)}
            assert set(kept) <= there


# ---- weigh ----

def weigh(client, *keys):
    return run(client, "weigh", ["dead:at", "later", "scheduled", *keys], 16)


def test_weigh_of_nothing(r):
    assert weigh(r, STREAM) == [0, 0, 0]
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
    put_off, size, _ = weigh(r, STREAM)
    assert put_off == 20_000
    assert used / 2 < size < used * 2


def test_weigh_without_the_permission_counts_all_the_same(r):
    r.hset("later", "a", "b")
    r.zadd("scheduled", {"@a": 1})
    r.acl_setuser("weigher", enabled=True, nopass=True, keys=["*"],
                  commands=["+@all", "-memory|usage"])
    path = r.connection_pool.connection_kwargs["path"]
    with redis.Redis(unix_socket_path=path, username="weigher", password="x") as weigher:
        assert weigh(weigher, STREAM) == [1, None, 0]


def test_weigh_counts_jobs_that_wait_for_their_time_and_no_others(r):
    """Not again what has become an entry, nor places that nobody has forgotten."""
    r.hset("later", mapping={f"due{i}": f"=0 {i}-1" for i in range(100)})
    assert weigh(r, STREAM)[0] == 0
    r.delete("later")
    r.hset("later", mapping={f"id{i}": "9 record" for i in range(20)})
    r.zadd("scheduled", {**{f"@id{i}": i for i in range(20)}, "a later pass": 5})
    assert weigh(r, STREAM)[0] == 20


def test_weigh_counts_dead_letters_and_does_not_weigh_them(r):
    r.zadd("dead:at", {f"letter {i}": i for i in range(1000)})
    assert weigh(r, STREAM) == [0, 0, 1000]


def test_weigh_works_on_a_full_server(r):
    add(r, 10)
    fill_up(r)
    assert weigh(r, STREAM)[1] > 0


# ---- what jobs set aside of tags ----

TAG, ASIDES, JOB = "purgeway:tag:{t}", "purgeway:tag:{t}:aside", "J" * 28
LEASE = 30_000
NOTHING, WALK, USED_UP, BUSY = 0, 1, 2, 3


def aside(name=JOB):
    return f"{TAG}:{name}"


def claim(client, name=JOB, job=None, take="1", repeated=""):
    """what, members, since, last, given, others, is_new"""
    return run(client, "claim", [TAG, ASIDES, aside(name)], name, job or name, LEASE, take,
               repeated)


def walked(client, since, name=JOB, keep=""):
    return run(client, "walked", [ASIDES, aside(name)], name, since, keep)


def look(client, limit=0):
    """what, name, last, given"""
    return run(client, "look", [ASIDES], limit, LEASE)


def give_back(client, name=JOB, owner=None, cursor="0", count=10, idle=0):
    owner = name if owner is None else owner
    return run(client, "give_back", [TAG, ASIDES, aside(name)], name, cursor, count, owner, idle)


def leave_alone(client, *names):
    """As if nobody had been at these sets for long."""
    for name in names or (JOB,):
        since, _, ends, owner = client.hget(ASIDES, name).split(" ")
        client.hset(ASIDES, name, f"{since} 0 {ends} {owner}")


def test_claim_sets_aside_once(r):
    r.sadd(TAG, "a", "b")
    r.pexpire(TAG, 50_000)
    first = claim(r)
    assert first[:2] == [WALK, 2] and first[3] == first[2] and first[4:] == [0, 1, 1]
    again = claim(r)
    assert again[:2] == [WALK, 2] and again[2] == first[2] and again[6] == 0
    assert r.exists(TAG) == 0 and r.smembers(aside()) == {"a", "b"} and r.ttl(aside()) == -1
    assert r.ttl(ASIDES) == -1
    r.sadd(TAG, "later")
    assert claim(r)[:2] == [WALK, 2]
    assert r.smembers(TAG) == {"later"}


def test_claim_of_nothing_is_nothing(r):
    assert claim(r) == [NOTHING, 0, 0, 0, 0, 0, 0]
    assert r.exists(TAG, aside(), ASIDES) == 0


def test_claim_is_known_to_those_behind_it_until_it_is_walked_through(r):
    r.sadd(TAG, "a")
    since = claim(r)[2]
    late = claim(r, "K" * 28)
    assert late[0] == NOTHING and late[3] == since and late[5] == 1
    assert look(r)[:3] == [2, "", since] and look(r, since)[0] == 2 and look(r, since - 1)[0] == 0
    leave_alone(r)
    assert look(r)[:2] == [1, JOB]
    assert claim(r, JOB, "K" * 28, "")[:2] == [WALK, 1]  # another job goes on with it
    assert claim(r, JOB, "L" * 28, "")[0] == BUSY  # ... and no third one
    assert claim(r)[0] == WALK  # but for its own
    assert walked(r, since) == [0, 0] and r.dbsize() == 0
    assert look(r) == [0, "", 0, 0]


def test_clock_set_back_makes_nobody_wait_for_ever(r):
    r.sadd(TAG, "a")
    since = claim(r)[2]
    r.hset(ASIDES, JOB, f"{since} {int(time.time() * 1000) + 3_600_000} 0 {JOB}")
    assert look(r)[:2] == [1, JOB] and claim(r, JOB, "K" * 28, "")[0] == WALK


def test_later_claims_are_later_whatever_the_clock(r):
    r.sadd(TAG, "a")
    claim(r)
    ahead = int(time.time() * 1e6) + 10**9
    r.hset(ASIDES, JOB, f"{ahead} 0 0 {JOB}")
    r.sadd(TAG, "b")
    assert claim(r, "K" * 28)[2] == ahead + 1


def test_what_is_walked_through_is_kept_for_repetitions(r):
    r.sadd(TAG, "a")
    since = claim(r, repeated="1")[2]
    assert walked(r, since, keep=60_000) == [0, 0]
    assert not r.exists(ASIDES) and 0 < r.pttl(aside()) <= 60_000
    assert claim(r, repeated="1")[0] == NOTHING
    r.sadd(TAG, "b")
    assert claim(r, repeated="1")[0] == USED_UP
    assert claim(r, JOB + ".1", JOB, repeated="1")[:2] == [WALK, 1]


def test_what_is_walked_through_and_not_repeated_is_dropped(r):
    """Somebody else has walked through it, who could not know that it is not repeated."""
    r.sadd(TAG, "a")
    walked(r, claim(r)[2], keep=60_000)
    assert claim(r)[0] == NOTHING and r.dbsize() == 0


def test_walk_of_what_was_given_back_ends_nothing(r):
    r.sadd(TAG, "a")
    since = claim(r)[2]
    assert give_back(r) == [1, "0"]
    assert r.smembers(TAG) == {"a"} and not r.exists(aside())
    given = look(r)[3]
    assert given > 0 and walked(r, since) == [0, given]
    assert claim(r)[:2] == [WALK, 1] and walked(r, since)[0] == 1  # of the time before
    assert r.smembers(aside()) == {"a"}
    assert claim(r)[4] == given


def test_claim_forgets_what_is_lost(r):
    r.sadd(TAG, "a")
    claim(r)
    r.delete(aside())
    assert claim(r)[0] == NOTHING and look(r)[0] == 0


def test_claim_registers_what_an_older_version_has_set_aside(r):
    r.sadd(aside(), "a")
    assert claim(r)[:2] == [WALK, 1] and r.hexists(ASIDES, JOB)


@pytest.mark.parametrize("wrong", [TAG, aside(), ASIDES])
def test_claim_leaves_what_is_no_set(r, wrong):
    r.sadd(TAG, "a")
    r.delete(wrong)
    r.set(wrong, "text")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        claim(r)
    assert r.get(wrong) == "text"


def test_claim_and_give_back_work_on_a_full_server(r):
    r.sadd(TAG, "a")
    fill_up(r)
    assert claim(r)[:2] == [WALK, 1] and claim(r)[:2] == [WALK, 1]
    assert r.smembers(aside()) == {"a"}
    assert give_back(r)[0] == 1 and r.smembers(TAG) == {"a"}
    assert walked(r, claim(r)[2])[0] == 0


# ---- give_back ----


@pytest.mark.parametrize("there, taken", [(0, 50), (3, 50), (50, 3), (50, 50), (200, 300)])
def test_give_back_loses_nothing_however_large(r, there, taken):
    r.sadd(TAG, *(f"a{i:030}" for i in range(taken)))
    claim(r)
    if there:
        r.sadd(TAG, *(f"b{i:030}" for i in range(there)))
    cursor, calls = "0", 0
    while True:
        what, cursor = give_back(r, cursor=cursor)
        calls += 1
        if what != 2:
            break
        assert r.hexists(ASIDES, JOB) and r.scard(aside()) == taken
    assert what == 1 and r.scard(TAG) == there + taken and not r.exists(aside())
    assert r.hkeys(ASIDES) == ["~"] and r.ttl(ASIDES) > 0
    assert give_back(r) == [0, "0"]


def test_give_back_keeps_the_end_of_the_tag(r):
    r.sadd(TAG, "a")
    r.pexpire(TAG, 50_000)
    claim(r)
    give_back(r)
    assert 40_000 < r.pttl(TAG) <= 50_000
    claim(r)
    r.sadd(TAG, "stays")
    give_back(r)
    assert r.pttl(TAG) == -1


def test_give_back_touches_nothing_of_others(r):
    r.sadd(TAG, "a")
    claim(r)
    assert give_back(r, owner="K" * 28)[0] == 3
    assert give_back(r, owner="", idle=0)[0] == 3  # somebody is at it
    leave_alone(r)
    assert give_back(r, owner="", idle=10**14)[0] == 3
    assert give_back(r, owner="", idle=1000)[0] == 1
    since = claim(r)[2]
    walked(r, since, keep=60_000)
    assert give_back(r, owner="", idle=0)[0] == 3 and r.exists(aside())
    assert give_back(r)[0] == 1 and not r.exists(aside(), TAG)  # but for its owner


def test_give_back_notes_what_nobody_has_written_down(r):
    r.sadd(aside("some-job"), "a")
    assert give_back(r, "some-job", owner="", idle=60_000)[0] == 3
    assert look(r)[:2] == [1, "some-job"]
    leave_alone(r, "some-job")
    assert give_back(r, "some-job", owner="", idle=60_000)[0] == 1 and r.smembers(TAG) == {"a"}


# ---- doubt, certain ----

PRUNE = "prune"


def doubt(client, *members):
    return run(client, "doubt", [TAG, ASIDES, aside(PRUNE)], PRUNE, LEASE, *members)


def certain(client, *members):
    return run(client, "certain", [TAG, ASIDES, aside(PRUNE)], PRUNE, *members)


def test_what_is_doubted_is_known_to_purges_until_it_is_certain(r):
    r.sadd(TAG, "a", "b", "c")
    r.pexpire(TAG, 50_000)
    assert doubt(r, "a", "b", "c", "d") == 3
    assert look(r)[0] == 2 and claim(r)[5] == 1
    assert doubt(r, "a") == -1
    assert certain(r, "b") == 1
    assert r.smembers(TAG) == {"b"} and 0 < r.pttl(TAG) <= 50_000
    assert look(r)[0] == 0 and look(r)[3] > 0 and not r.exists(aside(PRUNE))
    assert certain(r, "c") == -1 and r.smembers(TAG) == {"b"}


def test_what_is_certainly_gone_leaves_nothing_behind(r):
    r.sadd(TAG, "a")
    assert doubt(r, "a") == 1 and certain(r) == 0 and r.dbsize() == 0
    assert doubt(r, "a") == 0 and r.dbsize() == 0


def test_doubt_whose_worker_died_is_given_back(r):
    r.sadd(TAG, "a", "b")
    doubt(r, "a")
    leave_alone(r, PRUNE)
    assert look(r)[:2] == [1, PRUNE]
    assert give_back(r, PRUNE, owner="", idle=0)[0] == 1 and r.smembers(TAG) == {"a", "b"}


def test_doubt_that_a_purge_has_taken_over_is_the_purges(r):
    r.sadd(TAG, "a")
    doubt(r, "a")
    leave_alone(r, PRUNE)
    since = claim(r, PRUNE, JOB, "")[2]
    assert certain(r, "a") == -1 and r.smembers(aside(PRUNE)) == {"a"}
    walked(r, since, PRUNE)
    assert r.dbsize() == 0


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


def wake(client, count=10, most=1 << 20):
    return run(client, "wake", [SCHEDULED, LATER, *LANES], count, most)


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


def test_wake_moves_no_more_bytes_than_asked(r):
    for i in range(4):
        r.zadd(SCHEDULED, {record("0", *("k", str(i) * 100) * 10).decode(): i})
    assert wake(r, most=1500) == 2 and wake(r, most=1) == 1 and wake(r) == 1 and wake(r) == 0
    assert [fields["k"][0] for _, fields in r.xrange("lane:0")] == ["0", "1", "2", "3"]


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


# ---- once ----

def test_kept_tells_a_few_fields_and_nothing_else(raw):
    def told(kept, *names):
        raw.hset(LATER, "x", kept)
        return run(raw, "kept", [LATER], "x", *names)
    assert run(raw, "kept", [LATER], "x", "e") is None
    assert told("=1 5-6", "e") == [b"=1 5-6"] and told("odd", "e") == [b"odd"]
    assert told(b"77 " + record("0", "v", "2", "k", "e" * 70_000), "e") == [b"77", []]
    assert told(b"77 " + record("0", "k", b"\x01e\x01", "e", "12", "l", "e", "q", ""), "l", "e", "q") == \
        [b"77", [b"e", b"12", b"l", b"e", b"q", b""]]
    assert told(b"77 \xff\xff", "e") == [b"77", []] and told(b"77 ", "e") == [b"77", []]


ONCE, COUNTS = "purgeway:{main}:once:x", "purgeway:{main}:once"


def once(client, name=ONCE, fingerprint="f", ttl=60_000, most=10, fields=("n", "1"), other=None,
         other_ttl=90_000):
    return run(client, "once", [name, COUNTS, STREAM, *([other] if other else [])], ttl, most,
               fingerprint, "id", other_ttl if other else 0, *fields)


def kept(client):
    return sum(int(count) for count in client.hvals(COUNTS))


def test_once_adds_and_remembers(r):
    new, record = once(r, fields=("v", "1", "n", "00ff"))
    (entry, fields), = r.xrange(STREAM)
    assert new == 1 and record == f"f id {entry}" == r.get(ONCE)
    assert fields == {"v": "1", "n": "00ff"}
    assert 59_000 < r.pttl(ONCE) <= 60_000 and kept(r) == 1


def test_once_replayed_changes_nothing(r):
    _, record = once(r)
    expires = r.pexpiretime(ONCE)
    for _ in range(3):
        assert once(r, fields=("n", "2"), ttl=90_000) == [0, record]
    assert r.xlen(STREAM) == 1 and kept(r) == 1 and r.pexpiretime(ONCE) == expires


def test_once_writes_when_replayed(r):
    """Else a WAIT behind a repeat waits for nothing."""
    once(r)
    changes = r.info("persistence")["rdb_changes_since_last_save"]
    once(r)
    assert r.info("persistence")["rdb_changes_since_last_save"] > changes


def test_once_refuses_another_request(r):
    once(r)
    assert once(r, fingerprint="g") == [-1]
    assert r.xlen(STREAM) == 1 and r.get(ONCE).startswith("f ")


def test_once_forgets(r):
    once(r, ttl=40)
    time.sleep(0.06)
    assert once(r, fingerprint="g")[0] == 1
    assert r.xlen(STREAM) == 2


def test_once_puts_off(raw):
    r = raw
    keys = [ONCE, COUNTS, SCHEDULED, LATER]
    due = int(time.time() * 1000) + 60_000
    args = [60_000, 10, "f", "the-id", 0, due, "the-id", record("1", "k", "x")]
    assert run(r, "once", keys, *args) == [1, b"f the-id"]
    assert run(r, "once", keys, *args) == [0, b"f the-id"]
    assert r.zrange(SCHEDULED, 0, -1, withscores=True) == [(b"@the-id", due)]
    assert r.hgetall(LATER) == {b"the-id": b"%d " % due + record("1", "k", "x")}
    r.zadd(SCHEDULED, {"@the-id": 1})
    assert wake(r) == 1 and r.xlen("lane:1") == 1


def test_once_without_a_job(r):
    for expected in ([1, "f group"], [0, "f group"]):
        assert run(r, "once", [ONCE, COUNTS], 60_000, 10, "f", "group", 0) == expected
    assert run(r, "once", [ONCE, COUNTS], 60_000, 10, "g", "other", 0) == [-1]


def test_once_keeps_no_more_than_it_may(r):
    for i in range(3):
        assert once(r, f"{ONCE}{i}", most=3)[0] == 1
    assert once(r, f"{ONCE}3", most=3) == [-2]
    assert r.xlen(STREAM) == 3 and not r.exists(f"{ONCE}3")
    assert once(r, f"{ONCE}0", most=3)[0] == 0


def test_once_has_room_again_when_records_expire(r):
    for i in range(3):
        once(r, f"{ONCE}{i}", most=3, ttl=48)
    time.sleep(0.06)
    assert once(r, f"{ONCE}3", most=3, ttl=48)[0] == 1
    assert kept(r) == 1


def test_once_counts_in_few_fields(r):
    """However many records there are, and whatever their times."""
    for i in range(500):
        once(r, f"{ONCE}{i}", most=1000, ttl=3_600_000 + i)
    assert kept(r) == 500 and r.hlen(COUNTS) <= 26 and r.ttl(COUNTS) == -1
    assert all(int(field) > time.time() * 1000 for field in r.hkeys(COUNTS))


@pytest.mark.parametrize("keys, args", [
    ([STREAM], ("id", 0, "n", "1")), ([STREAM, ONCE + "2"], ("id", 9000, "n", "1")),
    ([SCHEDULED, LATER], ("id", 0, 5, "id", "x")), ([], ("group", 0))])
def test_once_on_a_full_server_does_nothing(r, keys, args):
    r.hset(COUNTS, 1, 5)  # what has expired is not tidied up either
    fill_up(r)
    with pytest.raises(redis.ResponseError, match="OOM"):
        run(r, "once", [ONCE, COUNTS, *keys], 60_000, 10, "f", *args)
    assert r.keys("*") == [COUNTS] and r.hgetall(COUNTS) == {"1": "5"}


def test_once_on_a_full_server_knows_its_repeats(r):
    _, had = once(r)
    fill_up(r)
    assert once(r) == [0, had]


@pytest.mark.parametrize("broken", [ONCE, COUNTS, STREAM])
def test_once_beside_a_foreign_key_does_nothing(r, broken):
    r.zadd(broken, {"x": 1})
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        once(r)
    assert r.keys("*") == [broken]


OTHER = ONCE + "-other"


def test_once_by_another_name(r):
    _, record = once(r, other=OTHER)
    assert r.get(ONCE) == r.get(OTHER) == record and kept(r) == 2
    assert 59_000 < r.pttl(ONCE) <= 60_000 < 89_000 < r.pttl(OTHER) <= 90_000
    changes = r.info("persistence")["rdb_changes_since_last_save"]
    assert once(r, ONCE + "2", "g", other=OTHER) == [0, record]
    assert r.info("persistence")["rdb_changes_since_last_save"] > changes
    assert r.xlen(STREAM) == 1 and not r.exists(ONCE + "2") and kept(r) == 2


def test_once_by_another_name_that_comes_later(r):
    """Who is known by the first name brings a second one with him, and is known by that from then on."""
    _, record = once(r)
    expires = r.pexpiretime(ONCE)
    assert once(r, other=OTHER) == [0, record]
    assert r.get(OTHER) == record and 89_000 < r.pttl(OTHER) <= 90_000 and kept(r) == 2
    r.delete(ONCE)
    assert once(r, other=OTHER) == [0, record] and not r.exists(ONCE)
    assert r.xlen(STREAM) == 1 and r.pexpiretime(OTHER) >= expires
    assert once(r, other=OTHER + "2")[0] == 1 and r.xlen(STREAM) == 2


def test_once_by_another_name_refuses_another_request(r):
    once(r)
    assert once(r, fingerprint="g", other=OTHER) == [-1] and not r.exists(OTHER)


def test_once_by_another_name_puts_off(raw):
    r = raw
    keys = [ONCE, COUNTS, SCHEDULED, LATER, OTHER]
    args = [60_000, 10, "f", "the-id", 90_000, 5, "the-id", record("1", "k", "x")]
    assert run(r, "once", keys, *args) == [1, b"f the-id"]
    assert run(r, "once", [ONCE + "2", *keys[1:]], *args) == [0, b"f the-id"]
    assert r.zcard(SCHEDULED) == r.hlen(LATER) == 1


def test_once_by_another_name_on_a_full_server(r):
    _, had = once(r)
    fill_up(r)
    assert once(r, other=OTHER) == [0, had] == once(r, ONCE + "2", other=OTHER)


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


# ---- release, note, redrive, letters, drop, reopen ----------------------------------------

DEAD_AT, DEAD = "purgeway:{main}:dead:at", "purgeway:{main}:dead"


def pending_entry(client, *fields, consumer="a"):
    if not client.exists(STREAM):
        client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    entry = client.execute_command("XADD", STREAM, "*", *fields)
    client.xreadgroup(GROUP, consumer, {STREAM: ">"})
    return entry


def release(client, entry, *changes, consumer="a", job="id", member="@id", pause=-5, most="",
            where=(SCHEDULED, LATER), audit=("", ""), deliveries=1):
    return run(client, "release", [STREAM, *where, AUDIT, LATER, CANCELLED], GROUP, entry, consumer, deliveries, 1,
               job, member, pause, most, *audit, *changes)


def test_release_keeps_what_was_not_changed(raw):
    entry = pending_entry(raw, "v", "1", "n", "aa", "k", b"\x01x", "q", "me")
    assert release(raw, entry, "v", "2", "k", b"\x01y", "q", "") == 1
    due, kept = raw.hget(LATER, "id").split(b" ", 1)
    assert int(due) == raw.zscore(SCHEDULED, "@id")
    assert kept == record("1", "n", "aa", "v", "2", "k", b"\x01y")
    assert raw.xpending(STREAM, GROUP)["pending"] == 0
    assert run(raw, "wake", [SCHEDULED, LATER, "purgeway:{main}:high", "purgeway:{main}:normal",
                             "purgeway:{main}:low"], 10, 1000) == 1
    assert raw.xrange("purgeway:{main}:normal")[0][1] == {b"n": b"aa", b"v": b"2", b"k": b"\x01y"}


def test_release_of_long_values(raw):
    long = b"x" * 70000
    entry = pending_entry(raw, "v", "1", "k", long)
    assert release(raw, entry) == 1
    assert raw.hget(LATER, "id").split(b" ", 1)[1] == record("1", "v", "1", "k", long)


def server_ms(client):
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000


def test_what_waits_is_due_by_the_clock_of_the_server(raw):
    """Whatever the time is where the worker runs: it says after how long, not when."""
    before = server_ms(raw)
    assert release(raw, pending_entry(raw, "v", "1"), pause=4000) == 1
    assert run(raw, "repeat", [SCHEDULED], 7000, record("1", "v", "2")) == 1
    after = server_ms(raw)
    times = {member: score for member, score in raw.zrange(SCHEDULED, 0, -1, withscores=True)}
    assert before + 4000 <= times[b"@id"] <= after + 4000
    assert before + 7000 <= times[record("1", "v", "2")] <= after + 7000


def test_release_is_for_the_owner_alone(raw):
    entry = pending_entry(raw, "v", "1")
    assert release(raw, entry, consumer="b") == 0
    assert release(raw, entry) == 1
    assert release(raw, entry) == 1, "who asks again did not hear the answer"
    assert release(raw, entry, job="other") == 0
    assert raw.hlen(LATER) == raw.zcard(SCHEDULED) == 1


def test_release_is_for_the_last_attempt_alone(raw):
    entry = pending_entry(raw, "v", "1")
    raw.xclaim(STREAM, GROUP, "a", 0, [entry])
    assert release(raw, entry) == 0 and not raw.exists(LATER, SCHEDULED)
    assert raw.xpending(STREAM, GROUP)["pending"] == 1
    assert release(raw, entry, deliveries=2) == 1


def test_release_of_what_is_buried_forgets_its_place(r):
    entry = pending_entry(r, "v", "1")
    r.hset(LATER, mapping={"id": f"=0 {entry}", "other": "=0 1-1"})
    assert release(r, entry, member="id", where=(DEAD_AT, DEAD)) == 1
    assert r.hkeys(LATER) == ["other"] and r.hkeys(DEAD) == ["id"]


def test_release_without_an_id_is_its_own_member(raw):
    entry = pending_entry(raw, "v", "2", "b", "1")
    assert release(raw, entry, "e", "3", job="", member="") == 1
    assert raw.zrange(SCHEDULED, 0, -1) == [record("1", "v", "2", "b", "1", "e", "3")]
    assert not raw.exists(LATER)


def test_release_into_a_full_set_does_nothing(raw):
    raw.zadd(DEAD_AT, {"other": 1})
    entry = pending_entry(raw, "v", "1")
    assert release(raw, entry, where=(DEAD_AT, DEAD), member="id", most=1) == 2
    assert raw.xpending(STREAM, GROUP)["pending"] == 1
    assert release(raw, entry, where=(DEAD_AT, DEAD), member="id", most=2) == 1


def test_release_of_what_was_cancelled_does_nothing(raw):
    raw.zadd(CANCELLED, {"id": 1})
    entry = pending_entry(raw, "v", "1")
    assert release(raw, entry, consumer="b") == 0
    for _ in range(2):
        assert release(raw, entry) == 4
    assert raw.xpending(STREAM, GROUP)["pending"] == 1 and not raw.exists(LATER, SCHEDULED)
    assert release(raw, entry, where=(DEAD_AT, DEAD), member="id", most=1) == 1, "it is dead"
    later_pass = pending_entry(raw, "v", "2", "b", "1")
    assert release(raw, later_pass, job="", member="") == 1


def test_release_of_an_entry_without_a_body(raw):
    entry = pending_entry(raw, "v", "1")
    raw.xdel(STREAM, entry)
    for _ in range(2):
        assert release(raw, entry, audit=(1000, "A")) == 3
    assert raw.xpending(STREAM, GROUP)["pending"] == 1 and not raw.exists(LATER, AUDIT)


def test_release_of_a_job_that_ends_writes_its_record_once(r):
    entry = pending_entry(r, "v", "1")
    buried = {"where": (DEAD_AT, DEAD), "member": "id", "audit": (1000, "A")}
    assert release(r, entry, **buried, consumer="b") == 0 and not r.exists(AUDIT)
    assert release(r, entry, **buried, most=0) == 2 and not r.exists(AUDIT)
    assert release(r, entry, **buried) == 1
    assert release(r, entry, **buried) == 1
    assert audited(r) == [{"d": "A"}]


def test_release_passes_on_a_full_server(r):
    entry = pending_entry(r, "v", "1")
    r.config_set("maxmemory", 1)
    assert release(r, entry) == 1
    assert r.xpending(STREAM, GROUP)["pending"] == 0
    assert r.hlen(LATER) == r.zcard(SCHEDULED) == 1


def note(client, attempt, due=99):
    return run(client, "note", [RESULT], attempt, 1, due, "store-timeout", 3, 2, 1, 60)


def test_note_is_fenced(r):
    assert note(r, 2) == 1
    assert r.hgetall(RESULT) == {"s": "retrying", "a": "2", "b": "1", "u": "99", "e": "store-timeout",
                                 "n": "3", "r": "2", "m": "1"}
    assert 0 < r.ttl(RESULT) <= 60
    assert note(r, 1) == 0 and note(r, 3) == 1
    assert run(r, "begin", [RESULT], 4, 7, 60, 3) == 1
    assert r.hgetall(RESULT) == {"s": "running", "a": "4", "b": "7", "n": "3", "r": "2", "m": "1"}
    assert note(r, 3) == 0


@pytest.mark.parametrize("status", TERMINAL)
def test_note_leaves_an_end_alone(r, status):
    r.hset(RESULT, mapping={"s": status, "a": 1})
    assert note(r, 2) == 0
    assert r.hgetall(RESULT) == {"s": status, "a": "1"}


def bury(client, name, at=5, lane="0", *fields):
    client.zadd(DEAD_AT, {name: at})
    client.hset(DEAD, name, f"{at} ".encode() + record(lane, *fields))


STREAMS = ["purgeway:{main}:high", "purgeway:{main}:normal", "purgeway:{main}:low"]
CANCELLED = "purgeway:{main}:cancelled"


def redrive(client, *names, audit=("", ""), most=1 << 20):
    return run(client, "redrive", [DEAD_AT, DEAD, LATER, AUDIT, CANCELLED, *STREAMS], *audit, most,
               *names)


def test_redrive_counts_tries_anew_and_attempts_on(raw):
    bury(raw, "x", 5, "2", "v", "2", "k", b"\x01x", "e", "7", "u", "5", "z", "9", "l", "why", "f", "1")
    assert redrive(raw, "x", "y") == [1, 0]
    (entry, fields), = raw.xrange(STREAMS[2])
    since = fields.pop(b"f")
    assert abs(int(since) / 1000 - time.time()) < 600
    assert fields == {b"v": b"2", b"k": b"\x01x", b"e": b"7", b"l": b"why"}
    assert raw.hget(LATER, "x") == b"=2 " + entry
    assert not raw.exists(DEAD, DEAD_AT)
    assert redrive(raw, "x") == [0]


def test_redrive_takes_back_an_earlier_cancel(r):
    bury(r, "x", 5, "0", "v", "2")
    r.zadd(CANCELLED, {"x": 1, "y": 1})
    assert redrive(r, "x", "y") == [1, 0]
    assert r.zrange(CANCELLED, 0, -1) == ["y"]


def test_redrive_moves_no_more_bytes_than_asked(r):
    for name in "wxyz":
        bury(r, name, 5, "0", "k", name * 1000)
    assert redrive(r, "a", "w", "x", "y", most=1500) == [0, 1, 1]
    assert redrive(r, "y", "z", most=1) == [1] and r.hkeys(DEAD) == ["z"]


def test_redrive_on_a_full_server_does_nothing(r):
    bury(r, "x", 5, "0", "v", "2")
    r.config_set("maxmemory", 1)
    with pytest.raises(redis.ResponseError, match="OOM"):
        redrive(r, "x")
    assert r.hexists(DEAD, "x") and r.zcard(DEAD_AT) == 1 and not r.exists(*STREAMS)


def test_letters_come_by_page_the_oldest_first(r):
    for i in range(10):
        bury(r, f"n{i}", 5 if i < 6 else i)
    for count, most in ((3, 1 << 20), (100, 1), (4, 50), (100, 1 << 20)):
        seen, at, name, more = [], 0, "", 1
        while more:
            more, page = run(r, "letters", [DEAD_AT, DEAD], at, name, count, most)
            assert len(page) <= (3 * count if most > 1 else 3)
            seen += page[::3]
            if page:
                name, at = page[-3], page[-2]
            assert len(seen) <= 10
        assert seen == [f"n{i}" for i in range(10)]


def test_letters_end_behind_the_one_that_fills_the_page(r):
    for name in "vwxyz":
        bury(r, name, 5, "0", *("k", name * 100) * 10)
    more, page = run(r, "letters", [DEAD_AT, DEAD], 0, "", 100, 1500)
    assert more == 1 and page[::3] == ["v", "w"]
    more, page = run(r, "letters", [DEAD_AT, DEAD], page[-2], page[-3], 100, 1 << 20)
    assert more == 0 and page[::3] == ["x", "y", "z"]


def test_letters_come_in_the_order_of_their_bytes_whatever_the_locale(tmp_path):
    """A server that has one other than C compares texts in scripts by it, and members of sets not."""
    made = subprocess.run(["localedef", "-i", "en_US", "-f", "UTF-8", str(tmp_path / "en_US.UTF-8")],
                          capture_output=True, check=False)
    if made.returncode:
        pytest.skip("localedef has nothing to make a locale of")
    with running(tmp_path, LOCPATH=str(tmp_path), LC_ALL="en_US.UTF-8") as client:
        assert client.eval("return 'a' < 'B' and 1 or 0", 0) == 1
        names = [first + second for first in "aBcD-_9" for second in ("", "a", "B", "b")]
        for name in names:
            bury(client, name, 5)
        seen, at, name, more = [], 0, "", 1
        while more and len(seen) <= len(names):
            more, page = run(client, "letters", [DEAD_AT, DEAD], at, name, 3, 1 << 20)
            seen += page[::3]
            at, name = (page[-2], page[-3]) if page else (at, name)
        assert seen == sorted(names)


def test_drop_is_for_those_that_wait(raw):
    bury(raw, "x")
    raw.hset(LATER, "y", "=0 1-1")
    assert run(raw, "drop", [DEAD_AT, DEAD, AUDIT], "", "", "", "x", "z") == [1, 0]
    assert not raw.exists(DEAD, DEAD_AT)
    raw.zadd(SCHEDULED, {"@w": 1})
    raw.hset(LATER, "w", "1 x")
    assert run(raw, "drop", [SCHEDULED, LATER, AUDIT], "@", "", "", "w", "y") == [1, 0]
    assert raw.hkeys(LATER) == [b"y"] and not raw.exists(AUDIT)


def test_letters_that_go_leave_a_record_each(r):
    for name in "wxy":
        bury(r, name, 5, "0", "v", "2")
    assert run(r, "drop", [DEAD_AT, DEAD, AUDIT], "", 1000, "A", "w", "z") == [1, 0]
    assert redrive(r, "w", "x", "y", audit=(1000, "B")) == [0, 1, 1]
    assert audited(r) == [{"d": "A", "j": "w"}, {"d": "B", "j": "x"}, {"d": "B", "j": "y"}]


# ---- cancel, purge ----

def cancel(client, job="x", lane="", entry="", audit=("", ""), selectors=3, end="", result=RESULT):
    """In earnest; without `selectors` it is asked what there is."""
    return run(client, "cancel", [SCHEDULED, LATER, CANCELLED, AUDIT, result, *STREAMS], GROUP, job, 50, 20,
               lane, entry, *audit, *([""] if selectors is None else [selectors, end, 60]))


def test_cancel_takes_out_what_waits(r):
    group(r)
    entry, = add(r)
    assert cancel(r, lane=0, entry=entry) == [1, 3] and not r.xlen(STREAM) and not r.exists(AUDIT)
    assert r.hgetall(RESULT) == {"s": "cancelled", "f": "50", "n": "3"} and 0 < r.ttl(RESULT) <= 60
    # Asked again, by whoever heard no answer.
    assert cancel(r, lane=0, entry=entry, selectors=None) == cancel(r) == [1, 3]
    assert cancel(r, result="other", lane=0, entry=entry) == cancel(r, result="other") == [0]
    r.delete(RESULT)
    r.hset(LATER, "x", "9 record")
    r.zadd(SCHEDULED, {"@x": 9})
    assert cancel(r) == [1, 3] and not r.exists(LATER, SCHEDULED, AUDIT)
    assert r.hget(RESULT, "s") == "cancelled"


def test_cancel_keeps_what_was_done_before(r):
    r.hset(LATER, "x", "9 record")
    r.zadd(SCHEDULED, {"@x": 9})
    r.hset(RESULT, mapping={"s": "retrying", "a": 2, "r": 4, "e": "x", "u": 9})
    assert cancel(r) == [1, 3]
    assert r.hgetall(RESULT) == {"s": "cancelled", "a": "2", "r": "4", "f": "50", "n": "3"}


@pytest.mark.parametrize("status", TERMINAL)
def test_cancel_leaves_an_end_alone(r, status):
    r.hset(LATER, "x", "9 record")
    r.zadd(SCHEDULED, {"@x": 9})
    r.hset(RESULT, "s", status)
    assert cancel(r) == [1, 3] and r.hgetall(RESULT) == {"s": status}


def test_cancel_asks_what_there_is_to_be_said(r):
    group(r)
    entry, = add(r)
    r.hset(LATER, "x", "9 record")
    r.zadd(SCHEDULED, {"@x": 9})
    for audit in (("", ""), (1000, "A")):
        assert cancel(r, "y", 0, entry, audit, None) == [3, [entry, ["n", "0" * 16]]]
        assert cancel(r, audit=audit, selectors=None) == [3, "record"]
    assert not r.exists(AUDIT, RESULT) and r.xlen(STREAM) == 1 and r.hexists(LATER, "x")
    assert cancel(r, "y", 0, entry, audit=(1000, "A"), end="B", result="other")[0] == 1
    assert cancel(r, audit=(1000, "C"), end="D") == [1, 3]
    assert cancel(r, audit=(1000, "C"), end="D") == [1, 3]
    assert [record["d"] for record in audited(r)] == ["A", "B", "C", "D"]


def test_cancel_of_what_a_worker_has_is_written_down_without_an_end(r):
    group(r)
    entry, = add(r)
    take(r, "a")
    r.zadd(CANCELLED, {"older": 19, "young": 20})
    assert cancel(r, "x", 0, entry, audit=(1000, "A"), selectors=None) == [2]
    assert r.zrange(CANCELLED, 0, -1, withscores=True) == [("young", 20), ("x", 50)]
    assert audited(r) == [{"d": "A"}] and not r.exists(RESULT)


def test_cancel_works_on_a_full_server(r):
    group(r)
    mine, waits = add(r, 2)
    take(r, "a")
    r.hset(LATER, "x", "9 record")
    r.zadd(SCHEDULED, {"@x": 9})
    fill_up(r)
    assert cancel(r, "y", 0, waits, (1000, "A"), end="B", result="other") == [1, 3]
    assert cancel(r, audit=(1000, "C"), end="D") == [1, 3]
    assert cancel(r, "z", 0, mine, (1000, "E")) == [2]
    assert r.hget(RESULT, "s") == r.hget("other", "s") == "cancelled"
    assert r.xlen(STREAM) == 1 and r.zscore(CANCELLED, "z") and len(audited(r)) == 5


def waiting(client, count=10, most=1 << 20):
    more, entries = run(client, "purge", [STREAM, LATER, AUDIT, CANCELLED], GROUP, count, most, "", "")
    return more, [entry[0] for entry in entries]


def purge(client, *ends, audit=("", ""), results=()):
    """`ends`: entry id, record and selectors of each job."""
    return run(client, "purge", [STREAM, LATER, AUDIT, CANCELLED, *results], GROUP, 10, 1, *audit, 60, *ends)


def test_purge_says_what_waits_and_touches_nothing(r):
    assert waiting(r) == (0, [])
    group(r)
    entries = add(r, 4)
    assert waiting(r) == (0, entries)
    take(r, "a")
    assert waiting(r, 2) == (1, entries[1:3]) and waiting(r, 4) == (0, entries[1:])
    assert r.xlen(STREAM) == 4 and not r.exists(AUDIT)


def test_purge_says_no_more_than_it_is_asked_for(r):
    entries = [r.xadd(STREAM, {"k": "x" * 1000}) for _ in range(5)]
    assert waiting(r, most=1500) == (1, entries[:2]) and waiting(r, most=1) == (1, entries[:1])


def test_purge_takes_out_what_waits(r):
    group(r)
    first, second, third, fourth, fifth = add(r, 5)
    take(r, "a")
    results = ["one", "two", "three"]
    assert purge(r, first, "", 1, fifth, "", "", third, "", 2, "9999999999999-0", "", 3,
                 results=results) == [fifth, third]
    assert purge(r, third, "", "") == []
    assert [entry[0] for entry in r.xrange(STREAM)] == [first, second, fourth]
    assert not r.exists(AUDIT, "one", "three") and 0 < r.ttl("two") <= 60
    finished = r.hgetall("two")
    assert abs(int(finished.pop("f")) / 1000 - time.time()) < 600
    assert finished == {"s": "cancelled", "n": "2"}


def test_purge_forgets_the_places_of_what_was_put_off(r):
    entry = r.xadd(STREAM, {"j": "x"})
    r.hset(LATER, mapping={"x": f"=0 {entry}", "y": "=0 1-1"})
    assert purge(r, entry, "", "") == [entry] and r.hkeys(LATER) == ["y"]


def test_purge_leaves_a_record_of_each_end_and_of_itself(r):
    group(r)
    entries = add(r, 4)
    take(r, "a")
    ends = [text for entry, end in zip(entries[:3], ("0", "1", ""), strict=True)
            for text in (entry, end, "")]
    assert purge(r, *ends, audit=(1000, "A")) == entries[1:3]
    assert [entry[0] for entry in r.xrange(STREAM)] == [entries[0], entries[3]]
    assert [record["d"] for record in audited(r)] == ["1", "A\1N\0012"]
    assert purge(r, entries[1], "", "", audit=(1000, "B")) == [] and len(audited(r)) == 2


def test_purge_works_on_a_full_server(r):
    first, second = add(r, 2)
    fill_up(r)
    assert purge(r, "1-1", "0", 1, second, "1", 2, audit=(1000, "A"),
                 results=["one", "two"]) == [second]
    assert r.hget("two", "s") == "cancelled" and not r.exists("one")
    assert [entry[0] for entry in r.xrange(STREAM)] == [first]
    assert [record["d"] for record in audited(r)] == ["1", "A\1N\0011"]
    assert purge(r, "1-1", "", "", audit=(1000, "B")) == []


def test_reopen_takes_back_an_end_of_those_attempts_only(r):
    assert run(r, "reopen", [RESULT], 3, 60) == 0 and not r.exists(RESULT)
    for status, attempt, reopened in (("dead", 3, 1), ("failed", 2, 1), ("dead", 4, 0),
                                      ("succeeded", 3, 0), ("running", 3, 0), ("cancelled", 1, 0)):
        r.delete(RESULT)
        r.hset(RESULT, mapping={"s": status, "a": attempt, "e": "x", "f": 9})
        assert run(r, "reopen", [RESULT], 3, 60) == reopened
        found = {"s": "queued", "a": str(attempt)} if reopened else \
            {"s": status, "a": str(attempt), "e": "x", "f": "9"}
        assert r.hgetall(RESULT) == found


def test_begin_goes_on_behind_an_end_that_was_taken_back(r):
    r.hset(RESULT, mapping={"s": "dead", "a": 3, "f": 9, "e": "x"})
    assert run(r, "begin", [RESULT], 4, 7, 60, 2) == 2
    assert run(r, "begin", [RESULT], 4, 7, 60, 3) == 1
    assert r.hgetall(RESULT) == {"s": "running", "a": "4", "b": "7"}
    r.hset(RESULT, "s", "succeeded")
    assert run(r, "begin", [RESULT], 5, 7, 60, 3) == 2


# ---- deliver ----

LOG = "purgeway:{main}:hook:shop"


def test_deliver_keeps_so_many(r):
    ids = [run(r, "deliver", [LOG], 3, 60000, "v", "accepted", "i", n) for n in range(5)]
    assert r.xrange(LOG) == [(id, {"v": "accepted", "i": str(n)})
                             for n, id in list(enumerate(ids))[2:]]


def test_deliver_keeps_for_so_long(r):
    old = r.xadd(LOG, {"v": "accepted"}, id="1-1")
    young = run(r, "deliver", [LOG], 100, 60000, "v", "filtered")
    assert [id for id, _ in r.xrange(LOG)] == [young] != [old]
    assert 0 < r.pttl(LOG) <= 60000
    run(r, "deliver", [LOG], 100, 90000, "v", "filtered")
    assert r.xlen(LOG) == 2 and 60000 < r.pttl(LOG) <= 90000


def test_deliver_on_a_full_server_does_nothing(r):
    run(r, "deliver", [LOG], 100, 60000, "v", "accepted")
    r.config_set("maxmemory", 1)
    with pytest.raises(redis.ResponseError, match="OOM"):
        run(r, "deliver", [LOG], 100, 60000, "v", "accepted")
    assert r.xlen(LOG) == 1
