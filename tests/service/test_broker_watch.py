"""What is wrong with a broker is noticed within ten seconds, said once, and said again when it is
over; not ready is only who cannot keep a promise."""
import contextlib
import os
import resource
import threading
import time

import pytest
import redis as redis_client

from checks import is_accepted, is_unavailable
from support.fake_redis import FakeRedis, bulk, healthy_info
from support.processes import eventually
from support.servers import Purgeway, Redis

#: What is to be noticed within ten seconds; the rest is for a busy machine.
NOTICED_S = 20
#: An alarm of something that grew lasts a minute longer.
CALM_S = 100


def checks(server):
    return {c["name"]: c for c in server.api.get("/readyz?verbose").json["checks"]}


def is_raised(server, check):
    return server.api.metric("purgeway_broker_alarm", check=check) == 1


def lines(server, event, check):
    return [line for line in server.log() if line["event"] == event and line["check"] == check]


def begins(server, check, status="warn"):
    """The sentence that the alarm says, the same in /readyz and in the one line of the log."""
    eventually(lambda: is_raised(server, check) and
               all(checks(server)[check]["status"] == status for _ in range(5)), NOTICED_S,
               what=check)
    said, = lines(server, "broker.alarm", check)
    assert (server.api.get("/readyz").status == 200) == (status == "warn")
    assert said["level"] == ("error" if status == "fail" or check == "queue_lost" else "warn")
    return said["detail"]


def is_over(server, check, patience_s=NOTICED_S):
    eventually(lambda: not is_raised(server, check) and
               all(checks(server)[check]["status"] == "pass" for _ in range(5)), patience_s,
               what=f"the end of {check}")
    assert len(lines(server, "broker.alarm", check)) == 1
    assert len(lines(server, "broker.alarm_over", check)) == 1
    eventually(server.is_ready)


def test_every_check_is_named_and_passes(beside):
    server, _ = beside("serve")
    time.sleep(1)
    eventually(lambda: {c["status"] for c in checks(server).values()} == {"pass"})
    assert {"eviction_policy", "durability_settings", "aof_write", "aof_rewrite", "rdb_save",
            "evicted_keys", "rejected_connections", "blocked_clients", "fragmentation",
            "queue_lost"} <= set(checks(server))
    assert not [e for e in server.log() if e["event"].startswith("broker.alarm")]


# ---- promises ----------------------------------------------------------------------------


@pytest.mark.parametrize("name, bad, good, check", [
    ("maxmemory-policy", "allkeys-lru", "noeviction", "eviction_policy"),
    ("appendfsync", "everysec", "always", "durability_settings"),
    ("appendonly", "no", "yes", "durability_settings")])
def test_settings_changed_at_run_time(beside, name, bad, good, check):
    server, redis = beside("serve")
    redis.client().config_set(name, bad)
    assert bad in begins(server, check, "fail")
    is_unavailable(server.api.purge("a"))
    redis.client().config_set(name, good)
    is_over(server, check)
    is_accepted(server.api.purge("a"))


class FullDisk(Redis):
    """A server that survives a file that may not grow."""

    def spawn(self, argv, env=None, pass_fds=()):
        super().spawn(["sh", "-c", 'trap "" XFSZ; exec "$@"', "sh", *argv], env, pass_fds)

    def may_write(self, size):
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_disk_that_is_full(make):
    redis = make(FullDisk, appendfsync="everysec")
    server = make(Purgeway, "serve", broker_url=redis.url(), broker_durability="memory")
    is_accepted(server.api.purge("a"))
    redis.may_write(1)
    with contextlib.suppress(redis_client.RedisError):
        redis.client().set("more", "x" * 100)
    assert "append-only file" in begins(server, "aof_write", "fail")
    is_unavailable(server.api.purge("a"), "store_cannot_persist")
    redis.may_write(resource.RLIM_INFINITY)
    is_over(server, "aof_write")
    is_accepted(server.api.purge("a"))


# ---- warnings ----------------------------------------------------------------------------


@pytest.mark.lengthy
def test_save_that_fails(beside, make):
    redis = make(Redis, save="3600 1", stop_writes_on_bgsave_error="no",
                 enable_protected_configs="yes")
    server, _ = beside("gateway", redis)
    client = redis.client()
    os.mkdir(os.path.join(redis.directory, "occupied.rdb"))
    client.config_set("dbfilename", "occupied.rdb")
    client.bgsave()
    assert "save" in begins(server, "rdb_save")
    is_accepted(server.api.purge("a"))
    client.config_set("dbfilename", "free.rdb")
    client.bgsave()
    is_over(server, "rdb_save")


@pytest.mark.lengthy
def test_save_that_nobody_asked_for(beside, make):
    server, redis = beside("gateway", make(Redis, enable_protected_configs="yes"))
    client = redis.client()
    os.mkdir(os.path.join(redis.directory, "occupied.rdb"))
    client.config_set("dbfilename", "occupied.rdb")
    client.bgsave()
    eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    looks = redis.client().info("commandstats")["cmdstat_config|get"]["calls"]
    eventually(lambda: redis.client().info("commandstats")["cmdstat_config|get"]["calls"]
               > looks + 12, NOTICED_S)
    assert not is_raised(server, "rdb_save")


def test_evictions(beside):
    server, redis = beside("gateway", broker_allow_eviction=True, queue_memory_share=0)
    client = redis.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.execute_command("DEBUG", "POPULATE", 2000, "fill", 1000)
    time.sleep(0.5)
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 500_000)
    client.set("one", "more")
    assert "evicted" in begins(server, "evicted_keys")
    assert not is_raised(server, "eviction_policy"), "it is allowed here"
    client.config_set("maxmemory", 0)


def test_connections_turned_away(beside):
    server, redis = beside("gateway")
    client = redis.client()
    client.config_set("maxclients", client.info("clients")["connected_clients"] + 1)
    held = []
    with contextlib.suppress(redis_client.ConnectionError):
        for _ in range(200):
            held.append(redis.client(single_connection_client=True))
            held[-1].ping()
    client.config_set("maxclients", 10000)
    assert "maxclients" in begins(server, "rejected_connections")
    assert server.api.metric("purgeway_broker_rejected_connections") >= 1


@contextlib.contextmanager
def blocked(redis, count):
    """So many clients of somebody else, each in a call that does not return."""
    waiting = [threading.Thread(target=lambda: redis.client().blpop("never", 0))
               for _ in range(count)]
    for thread in waiting:
        thread.start()
    try:
        yield
    finally:
        redis.client().lpush("never", *range(count))
        for thread in waiting:
            thread.join()


@pytest.mark.lengthy
def test_blocked_clients(beside, make):
    """Our own workers, who always wait in a blocked read, do not count."""
    server, redis = beside("serve")
    make(Purgeway, "worker", broker_url=redis.url(), threads=16, target_url=redis.url(1))
    eventually(lambda: server.api.metric("purgeway_broker_own_blocked_clients") >= 16, NOTICED_S)
    assert not is_raised(server, "blocked_clients")
    with blocked(redis, redis.client().info("clients")["connected_clients"] // 3):
        assert "clients are blocked" in begins(server, "blocked_clients")
    is_over(server, "blocked_clients")


def test_blocked_clients_that_nobody_minds(beside):
    server, redis = beside("gateway", broker_blocked_share=0)
    with blocked(redis, 20):
        eventually(lambda: server.api.metric("purgeway_broker_blocked_clients") == 20, NOTICED_S)
        assert not is_raised(server, "blocked_clients")


@pytest.mark.parametrize("bad, check", [
    ({"mem_fragmentation_ratio": "1.80", "used_memory": "200000000"}, "fragmentation"),
    ({"aof_last_bgrewrite_status": "err"}, "aof_rewrite")])
def test_what_only_info_says(make, bad, check):
    fake = make(FakeRedis)
    server = make(Purgeway, "gateway", broker_url=fake.url())
    fake.answers["INFO"] = bulk(healthy_info(**bad))
    begins(server, check)
    fake.answers["INFO"] = bulk(healthy_info())
    is_over(server, check)


# ---- a queue that somebody deletes -------------------------------------------------------

HIGH = "purgeway:{main}:high"


def is_known(server, waiting):
    eventually(lambda: server.api.get("/v1/queues").json["queues"][0]["lanes"][0]["waiting"]
               == waiting)


@pytest.mark.lengthy
def test_deleted_stream(beside):
    server, redis = beside("gateway")
    for i in range(3):
        is_accepted(server.api.purge(f"k{i}"))
    is_known(server, 3)
    redis.client().delete(HIGH)
    said = begins(server, "queue_lost")
    assert "stream of lane high" in said and "3 jobs waited" in said and "lost" in said
    assert server.api.metric("purgeway_broker_queue_lost_total") == 1
    is_accepted(server.api.purge("a"))
    is_over(server, "queue_lost", CALM_S)


@pytest.mark.parametrize("what", ["group", "stream"])
def test_deleted_under_the_eyes_of_workers(beside, make, what):
    """They make it again at once and skip nothing that is there."""
    target = make(Redis)
    server, redis = beside("serve", target_url=target.url(), target_timeout_ms=60000, drain_ms=500)
    target.pause()
    client = redis.client()
    for i in range(20):
        is_accepted(server.api.purge(f"k{i}"))
    eventually(lambda: client.xpending(HIGH, "purgeway")["pending"] == 20)
    eventually(lambda: server.api.get("/v1/queues").json["queues"][0]["lanes"][0]["running"] == 20)
    if what == "group":
        client.xgroup_destroy(HIGH, "purgeway")
    else:
        client.delete(HIGH)
    eventually(lambda: is_raised(server, "queue_lost"), NOTICED_S)
    said, = lines(server, "broker.alarm", "queue_lost")
    assert "somebody deleted" in said["detail"] and what in said["detail"]
    assert server.api.metric("purgeway_broker_groups_missed_total") >= 1
    if what == "group":
        eventually(lambda: client.xpending(HIGH, "purgeway")["pending"] == 20)


def test_empty_lane_that_is_deleted_is_no_loss(beside):
    server, redis = beside("serve")
    assert server.api.purge("a", prefer="wait=10").status == 200
    is_known(server, 0)
    time.sleep(1)
    redis.client().delete(HIGH)
    assert server.api.purge("b", prefer="wait=10").status == 200
    time.sleep(1)
    assert server.api.metric("purgeway_broker_queue_lost_total") == 0
