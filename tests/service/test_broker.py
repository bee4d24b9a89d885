"""Kept before acknowledged: whatever happens to the broker, a 202 is never a lie.

Each fault is shown to give 503 with Retry-After within the deadline, and to pass by
itself once its cause is gone.
"""
import concurrent.futures
import contextlib
import http.client
import os
import signal
import time

import pytest
import redis as redis_client

from checks import is_accepted, is_problem, is_unavailable
from support.fake_redis import CLOSE, SILENCE, FakeRedis, array, bulk
from support.processes import eventually
from support.servers import Purgeway, Redis, run_to_end

#: The answer must come by the broker's timeout; the rest is for a busy machine.
TIMEOUT_MS = 500
DEADLINE_S = 15


def gateway(make, broker, **settings):
    given = {"broker_timeout_ms": TIMEOUT_MS, "broker_url": broker.url(), **settings}
    return make(Purgeway, "gateway", **given)


def is_refused_in_time(server, code=None):
    began = time.monotonic()
    problem = is_unavailable(server.api.purge("a"), code)
    assert time.monotonic() - began < DEADLINE_S
    return problem


def refused(server):
    """True once all threads refuse; used where a fault needs a moment to be noticed."""
    return all(server.api.purge("a").status == 503 for _ in range(10))


def recovers(server):
    """Every thread of it: each answer comes from one of several."""
    eventually(server.is_ready, what="readiness")
    eventually(lambda: all(server.api.purge("a").status == 202 for _ in range(10)),
               what="accepting again")


def entries(redis):
    with redis.client() as client:
        return sum(client.xlen(f"purgeway:{{main}}:{lane}") for lane in ("high", "normal", "low"))


def test_down_at_start_and_later_up(make):
    redis = make(Redis, start=False)
    server = make(Purgeway, "gateway", broker_url=redis.url(), broker_timeout_ms=TIMEOUT_MS,
                  wait=False)
    eventually(lambda: server.api.get("/livez").status == 200)
    is_refused_in_time(server)
    assert server.api.get("/readyz").status == 503
    redis.start()
    recovers(server)


def test_killed_and_started_again(make):
    redis = make(Redis)
    server = gateway(make, redis)
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    redis.kill9()
    eventually(lambda: refused(server))
    is_refused_in_time(server)
    assert server.api.get("/readyz").status == 503
    assert server.api.get("/livez").status == 200
    is_unavailable(server.api.job(job_id))
    redis.start()
    recovers(server)
    assert server.api.job(job_id).json["status"] == "queued"


def test_stopped_process_gives_503_within_the_deadline(make):
    redis = make(Redis)
    server = gateway(make, redis)
    redis.pause()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        answers = list(pool.map(lambda i: server.api.purge(f"k{i}"), range(100)))
        assert time.monotonic() - began < 4 * DEADLINE_S
    for answer in answers:
        is_unavailable(answer)
    eventually(lambda: server.api.get("/readyz").status == 503)
    redis.resume()
    recovers(server)


def test_paused_writes(make):
    redis = make(Redis)
    server = gateway(make, redis)
    redis.client().execute_command("CLIENT", "PAUSE", 60000, "WRITE")
    is_refused_in_time(server)
    redis.client().execute_command("CLIENT", "UNPAUSE")
    recovers(server)


def test_sleeping_server(make):
    redis = make(Redis)
    server = gateway(make, redis)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asleep = pool.submit(redis.client().execute_command, "DEBUG", "SLEEP", 3)
        time.sleep(0.3)
        is_refused_in_time(server)
        asleep.result()
    recovers(server)


def test_out_of_memory(make):
    redis = make(Redis)
    server = gateway(make, redis)
    before = entries(redis)
    redis.client().config_set("maxmemory", 1)
    is_refused_in_time(server, "store_out_of_memory")
    assert entries(redis) == before
    assert server.api.get("/livez").status == 200
    redis.client().config_set("maxmemory", 0)
    recovers(server)


def test_links_are_made_to_a_broker_that_cannot_save(make):
    """What is only read is served, and what is refused is refused for the right reason."""
    redis = make(Redis, appendonly="no", save="3600 1", enable_protected_configs="yes")
    server = gateway(make, redis, broker_durability="memory")
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    client = redis.client()
    os.mkdir(os.path.join(redis.directory, "occupied.rdb"))
    client.config_set("dbfilename", "occupied.rdb")
    client.bgsave()
    eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    is_refused_in_time(server, "store_cannot_persist")
    for _ in range(3):
        client.client_kill_filter(_type="normal", skipme=True)
        eventually(lambda: server.api.job(job_id).status == 200)
    eventually(lambda: server.api.purge("a").json["code"] == "store_cannot_persist")
    client.config_set("dbfilename", "free.rdb")
    client.bgsave()
    recovers(server)


def test_replica_as_broker(make):
    master = make(Redis)
    replica = make(Redis.replica_of, master)
    server = gateway(make, replica, wait=False)
    eventually(lambda: server.api.get("/livez").status == 200)
    is_refused_in_time(server, "store_read_only")
    assert server.api.get("/readyz").status == 503
    replica.client().replicaof("NO", "ONE")
    recovers(server)


def test_master_that_becomes_a_replica(make):
    redis, master = make(Redis), make(Redis)
    server = gateway(make, redis)
    redis.client().replicaof("127.0.0.1", master.port)
    eventually(lambda: refused(server))
    is_refused_in_time(server, "store_read_only")
    redis.client().replicaof("NO", "ONE")
    recovers(server)


def test_still_loading(make):
    redis = make(Redis, enable_debug_command="yes")
    with redis.client() as client:
        client.execute_command("DEBUG", "POPULATE", 100000, "fill", 10)
        client.execute_command("BGREWRITEAOF")
        eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0
                   and client.info("persistence")["aof_rewrite_scheduled"] == 0)
    server = gateway(make, redis)
    redis.kill9()
    redis.settings["key-load-delay"] = "50"  # microseconds for each key: five seconds
    redis.settings["loading-process-events-interval-bytes"] = "1024"
    redis.start(wait=False)
    eventually(lambda: is_loading(redis))
    is_refused_in_time(server)
    assert is_loading(redis), "it was loaded before we asked"
    assert server.api.get("/readyz").status == 503
    redis.kill9()
    redis.settings["key-load-delay"] = "0"
    redis.start()
    recovers(server)


def is_loading(redis):
    try:
        with redis.client() as client:
            return client.info("persistence")["loading"] == 1
    except redis_client.ConnectionError:
        return False


def test_connections_cut_again_and_again(make):
    """Nothing acknowledged may be missing, whenever the connection was cut."""
    redis = make(Redis)
    server = gateway(make, redis)
    acknowledged = []
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def load(thread):
            for i in range(60):
                answer = server.api.purge(f"k{thread}:{i}")
                if answer.status == 202:
                    acknowledged.append(answer.json["job_id"])
                else:
                    is_unavailable(answer)
        running = [pool.submit(load, thread) for thread in range(8)]
        while not all(done.done() for done in running):
            with contextlib.suppress(redis_client.RedisError):
                redis.client().client_kill_filter(_type="normal")
            time.sleep(0.02)
        for done in running:
            done.result()
    recovers(server)
    assert acknowledged
    assert entries(redis) >= len(acknowledged)
    assert {server.api.job(job_id).json["status"] for job_id in acknowledged} == {"queued"}


# ---- promises about durability -----------------------------------------------------------


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "allkeys-random", "volatile-ttl"])
def test_evicting_broker_is_refused_at_start(make, policy):
    redis = make(Redis, maxmemory_policy=policy)
    code, out, err = run_to_end("gateway", "--broker-url", redis.url(), "--listen", "127.0.0.1:0")
    assert code == 78 and out == ""
    said = [line for line in err.splitlines() if not line.startswith("{")]
    assert len(said) == 1, err
    assert policy in said[0] and "noeviction" in said[0]
    assert "CONFIG SET maxmemory-policy noeviction" in said[0]


def test_evicting_broker_may_be_allowed(make):
    redis = make(Redis, maxmemory_policy="allkeys-lru")
    is_accepted(gateway(make, redis, broker_allow_eviction=True).api.purge("a"))


@pytest.mark.parametrize("settings", [{"appendfsync": "everysec"}, {"appendfsync": "no"},
                                      {"appendonly": "no"}])
def test_fsync_that_is_not_kept_is_refused_at_start(make, settings):
    redis = make(Redis, **settings)
    code, _, err = run_to_end("worker" if "appendonly" in settings else "gateway",
                              "--broker-url", redis.url(), "--broker-durability", "fsync",
                              *([] if "appendonly" in settings else ["--listen", "127.0.0.1:0"]))
    assert code == 78
    assert "appendfsync" in err and "always" in err and "memory" in err


@pytest.mark.parametrize("settings", [{"appendfsync": "everysec"}, {"appendonly": "no"}])
def test_memory_durability_accepts_what_fsync_would_not(make, settings):
    redis = make(Redis, **settings)
    is_accepted(gateway(make, redis, broker_durability="memory").api.purge("a"))


def test_setting_changed_while_running(make):
    """Found at the next look, at most ten seconds later, and told with the value."""
    changes = [("maxmemory-policy", "allkeys-lru", "noeviction", "store_evicts"),
               ("appendfsync", "everysec", "always", "durability_not_met"),
               ("appendonly", "no", "yes", "durability_not_met")]
    brokers = [make(Redis) for _ in changes]
    servers = [gateway(make, redis) for redis in brokers]
    began = time.monotonic()
    for redis, server, (name, bad, _, _) in zip(brokers, servers, changes):
        is_accepted(server.api.purge("a"))
        redis.client().config_set(name, bad)
    for redis, server, (name, bad, good, code) in zip(brokers, servers, changes):
        eventually(lambda: refused(server))
        assert time.monotonic() - began < 25
        assert server.api.get("/readyz").status == 503
        assert bad in is_refused_in_time(server, code)["detail"]
        assert bad in server.api.get("/readyz?verbose").body.decode()
        redis.client().config_set(name, good)
        recovers(server)


def is_rewriting(redis):
    state = redis.client().info("persistence")
    return state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"]


def rewrites_slowly(redis, seconds=8):
    """As a server does that holds much."""
    keys = [f"filling:{i}" for i in range(10)]
    redis.client().mset(dict.fromkeys(keys, "x"))
    redis.client().config_set("rdb-key-save-delay", seconds * 1000000 // len(keys))


def test_append_only_file_turned_on_at_run_time(make):
    """Until the server has written it once as a whole, a restart does not read what it said yes
    to, however `always` it syncs."""
    redis = make(Redis)
    server = gateway(make, redis)
    is_accepted(server.api.purge("a"))
    rewrites_slowly(redis)
    redis.client().config_set("appendonly", "no")
    eventually(lambda: refused(server))
    redis.client().config_set("appendonly", "yes")
    late = gateway(make, redis, wait=False)  # it has not seen that the file was off
    eventually(lambda: late.api.get("/livez").status == 200)
    while is_rewriting(redis):
        answers = [each.api.purge("b") for each in (server, late)]
        if is_rewriting(redis):
            for answer in answers:
                assert "appendonly" in is_unavailable(answer)["detail"] or \
                    "not seen complete" in is_unavailable(answer, "store_cannot_persist")["detail"]
            assert server.api.get("/readyz").status == late.api.get("/readyz").status == 503
        time.sleep(0.1)
    assert server.log_contains("broker.alarm") and late.log_contains("not seen complete")
    recovers(server)
    recovers(late)
    jobs = [is_accepted(each.api.purge("c"))["job_id"] for each in (server, late)]
    redis.kill9()
    redis.start()
    recovers(server)
    for job_id in jobs:
        assert server.api.job(job_id).json["status"] == "queued"


def test_rewrites_of_a_file_that_is_whole_keep_nobody_out(make):
    redis = make(Redis)
    server = gateway(make, redis)
    rewrites_slowly(redis)
    redis.client().bgrewriteaof()
    eventually(lambda: is_rewriting(redis))
    while is_rewriting(redis):
        is_accepted(server.api.purge("a"))
        time.sleep(0.1)


def test_fsync_that_rests_while_the_file_is_rewritten(make):
    redis = make(Redis, no_appendfsync_on_rewrite="yes")
    code, _, err = run_to_end("gateway", "--broker-url", redis.url(), "--listen", "127.0.0.1:0")
    assert code == 78 and "CONFIG SET no-appendfsync-on-rewrite no" in err
    redis.client().config_set("no-appendfsync-on-rewrite", "no")
    server = gateway(make, redis)
    is_accepted(server.api.purge("a"))
    redis.client().config_set("no-appendfsync-on-rewrite", "yes")
    eventually(lambda: refused(server))
    problem = is_refused_in_time(server, "durability_not_met")
    assert "no-appendfsync-on-rewrite no" in problem["detail"]
    redis.client().config_set("no-appendfsync-on-rewrite", "no")
    recovers(server)


def test_replicated_waits_for_a_replica(make):
    master = make(Redis)
    replica = make(Redis.replica_of, master)
    eventually(lambda: replica.client().info("replication")["master_link_status"] == "up")
    server = gateway(make, master, broker_durability="replicated", broker_replica_wait_ms=2000)
    job = is_accepted(server.api.purge("a"))
    eventually(lambda: entries(replica) == 1)
    replica.pause()
    problem = is_refused_in_time(server)
    assert problem["code"] in ("store_too_few_replicas", "store_timeout")
    replica.resume()
    recovers(server)
    assert server.api.job(job["job_id"]).json["status"] == "queued"


@pytest.mark.parametrize("what", ["replica", "broker", "target"])
def test_requests_that_wait_for_ever_do_not_keep_the_process(make, what):
    """Its time to drain is over while a request still waits for a server that stands still: the
    client is told so, or finds the connection closed, and the process ends in order."""
    master, target = make(Redis), make(Redis)
    replica = make(Redis.replica_of, master)
    eventually(lambda: replica.client().info("replication")["master_link_status"] == "up")
    server = gateway(make, master, broker_replica_wait_ms=60000, broker_timeout_ms=60000,
                     broker_durability="replicated" if what == "replica" else "fsync",
                     target_url=target.url(), target_timeout_ms=60000, drain_ms=300)
    {"replica": replica, "broker": master, "target": target}[what].stand_still()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        if what == "target":
            asks = [pool.submit(server.api.post, "/v1/taggings", {"tags": ["t"], "keys": ["k"]})]
        else:
            asks = [pool.submit(server.api.purge, "k") for _ in range(4)]
        time.sleep(0.3)  # nobody outside can see that they wait
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        for ask in asks:
            try:
                is_problem(ask.result(), 503, "shutting_down")
            except (OSError, http.client.HTTPException):
                pass
    assert not server.log_contains("http.connections_left")


def test_replicated_without_replicas_is_not_ready(make):
    server = gateway(make, make(Redis), broker_durability="replicated", wait=False)
    eventually(lambda: server.api.get("/livez").status == 200)
    is_refused_in_time(server, "store_too_few_replicas")
    assert server.api.get("/readyz").status == 503


def test_unknown_durability_is_refused(make):
    code, _, err = run_to_end("gateway", "--broker-url", "unix:///x", "--broker-durability", "hope")
    assert code in (2, 78) and "durability" in err


# ---- credentials -------------------------------------------------------------------------


def test_password_user_and_database(make, tmp_path):
    redis = make(Redis)
    redis.client().execute_command("ACL", "SETUSER", "gw", "on", ">s3cret", "~*", "&*", "+@all")
    redis.client().execute_command("ACL", "SETUSER", "default", "off")
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    server = make(Purgeway, "gateway", broker_url=redis.tcp_url(3, user="gw"),
                  env={"PURGEWAY_BROKER_PASSWORD_FILE": str(secret)})
    is_accepted(server.api.purge("a"))
    with redis.client(db=3, username="gw", password="s3cret") as client:
        assert client.xlen("purgeway:{main}:high") == 1
        client.execute_command("ACL", "SETUSER", "default", "on", "nopass")
    assert "s3cret" not in server.errors()


def test_wrong_password_is_unavailable_and_not_fatal(make):
    redis = make(Redis, requirepass="right")
    server = make(Purgeway, "gateway", broker_url=redis.url(), wait=False,
                  env={"PURGEWAY_BROKER_PASSWORD": "wrong"})
    eventually(lambda: server.api.get("/livez").status == 200)
    is_refused_in_time(server)
    assert server.api.get("/readyz").status == 503
    assert "wrong" not in server.errors().replace("wrong-", "")


def test_broker_that_forbids_config_cannot_promise_fsync(make):
    redis = make(Redis)
    redis.client().execute_command("ACL", "SETUSER", "default", "-config")
    code, _, err = run_to_end("gateway", "--broker-url", redis.url(), "--listen", "127.0.0.1:0")
    assert code == 78 and "CONFIG" in err
    is_accepted(gateway(make, redis, broker_durability="memory").api.purge("a"))


def test_stream_key_of_another_type(make):
    redis = make(Redis)
    server = gateway(make, redis)
    redis.client().set("purgeway:{main}:high", "mine")
    is_refused_in_time(server, "store_wrong_type")
    redis.client().delete("purgeway:{main}:high")
    recovers(server)


# ---- hostile and broken replies ----------------------------------------------------------


@pytest.mark.parametrize("reply, code", [
    (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "store_out_of_memory"),
    (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "store_cannot_persist"),
    (b"-READONLY You can't write against a read only replica.\r\n", "store_read_only"),
    (b"-LOADING Redis is loading the dataset in memory\r\n", "store_loading"),
    (b"-BUSY Redis is busy running a script.\r\n", "store_busy"),
    (b"-NOREPLICAS Not enough good replicas to write.\r\n", "store_too_few_replicas"),
    (b"-MASTERDOWN Link with MASTER is down\r\n", "store_master_down"),
    (b"-CLUSTERDOWN Hash slot not served\r\n", "store_cluster_down"),
    (b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", "store_try_again"),
    (b"-MOVED 3999 127.0.0.1:6381\r\n", "store_moved"),
    (b"-ASK 3999 127.0.0.1:6381\r\n", "store_moved"),
    (b"-NOAUTH Authentication required.\r\n", "store_credentials"),
    (b"-NOPERM this user has no permissions\r\n", "store_permission"),
    (b"-WRONGTYPE Operation against a key\r\n", "store_wrong_type"),
    (b"-ERR unknown\r\n", "store_error"),
    (b"-\r\n", "store_error"),
    (b"+OK\r\n", "store_protocol"), (b"$-1\r\n", "store_protocol"), (b":7\r\n", "store_protocol"),
    (b"$3\r\n1-x\r\n", "store_protocol"), (b"$0\r\n\r\n", "store_protocol"),
    (b"*0\r\n", "store_protocol"), (b"*2\r\n:1\r\n:2\r\n", "store_protocol"),
    (b"$40\r\n" + b"9" * 20 + b"-" + b"9" * 19 + b"\r\n", "store_protocol"),
    (SILENCE, "store_timeout"), (CLOSE, "store_connection_lost")])
def test_answer_to_xadd(make, reply, code):
    fake = make(FakeRedis)
    server = gateway(make, fake)
    fake.answers["XADD"] = reply
    is_refused_in_time(server, code)
    assert fake.seen("XADD")
    del fake.answers["XADD"]
    recovers(server)


@pytest.mark.parametrize("reply", [
    b"*2147483647\r\n", b"$2147483647\r\n", b"*-2\r\n", b"$-2\r\n", b"$99999999999999999999\r\n",
    b"*1\r\n" * 64 + b":1\r\n", b"%1\r\n+a\r\n+b\r\n", b">2\r\n+a\r\n+b\r\n", b"_\r\n", b"#t\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64, b"\r\n", b"+" + b"a" * 300000,
    b"$5\r\nab", b"$5\r\nabcdefgh\r\n", b"*3\r\n$1\r\na\r\n", b"+OK\r\n+OK\r\n+OK\r\n",
    b"$3\r\n1-1\r\n$3\r\n1-2\r\n", b"+a\nb\r\n", b":12x\r\n", b":\r\n", b"*x\r\n"])
def test_hostile_reply_is_survived(make, reply):
    fake = make(FakeRedis)
    server = gateway(make, fake)
    fake.answers["XADD"] = reply
    answer = server.api.purge("a")
    # A well-formed entry id may be believed; what follows it may not do harm.
    assert answer.status == 503 or reply.startswith(b"$3\r\n1-1")
    fake.everything = reply
    for _ in range(3):
        assert server.api.purge("a").status == 503 or reply.startswith(b"$3\r\n1-1")
    fake.everything = None
    del fake.answers["XADD"]
    fake.drop_all()
    recovers(server)


@pytest.mark.parametrize("greeting", [b"+OK\r\n", b"-ERR max number of clients reached\r\n",
                                      b"garbage\r\n", b"\x00\x01"])
def test_server_that_speaks_first(make, greeting):
    fake = make(FakeRedis)
    server = gateway(make, fake)
    fake.greeting = greeting
    fake.drop_all()
    is_refused_in_time(server)
    fake.greeting = b""
    fake.drop_all()
    recovers(server)


@pytest.mark.parametrize("reply", [b"*0\r\n", b":1\r\n", array(b":1\r\n"),
                                   array(b":1\r\n", b":0\r\n", b"$-1\r\n"),
                                   array(b":9\r\n", b":9\r\n", b"*0\r\n"), bulk("x"),
                                   array(b":1\r\n", b":0\r\n", array(bulk("n"))), b"$-1\r\n"])
def test_nonsense_about_a_job_is_survived(make, reply):
    fake = make(FakeRedis)
    server = gateway(make, fake)
    job_id = is_accepted(server.api.purge("a"))["job_id"]
    fake.answers["EVAL"] = fake.answers["EVALSHA"] = reply
    assert server.api.job(job_id).status in (200, 404, 503)
    fake.answers["HMGET"] = reply
    assert server.api.job(job_id).status in (200, 404, 500, 503)
    assert server.api.get("/livez").status == 200


def test_half_an_answer_then_silence(make):
    fake = make(FakeRedis)
    server = gateway(make, fake)
    fake.answers["XADD"] = b"$15\r\n17000000"
    is_refused_in_time(server, "store_timeout")
    del fake.answers["XADD"]
    recovers(server)


def test_nothing_piles_up_while_the_broker_is_silent(make):
    """What does not fit is refused at once, and memory stays where it was."""
    fake = make(FakeRedis)
    server = gateway(make, fake, broker_in_flight=50, broker_timeout_ms=3000, threads=1)
    fake.answers["XADD"] = SILENCE
    before = resident_kib(server)
    with concurrent.futures.ThreadPoolExecutor(120) as pool:
        answers = list(pool.map(lambda i: server.api.purge("x" * 4000), range(600)))
    codes = {is_unavailable(answer)["code"] for answer in answers}
    assert "too_many_in_flight" in codes
    assert resident_kib(server) - before < 64 * 1024
    del fake.answers["XADD"]
    recovers(server)


def resident_kib(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
