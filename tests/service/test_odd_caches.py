"""Caches that say what a real server says at a bad moment only: fake ones, which say it when a
test wants it."""
import pytest

from checks import is_accepted
from support.fake_redis import CLOSE, FakeNode, array, bulk, slots
from support.processes import eventually
from support.servers import Purgeway, Redis
from support.slots import slot_of
from support.topologies import Probe

LAST_SLOT = 16383
NO_SLOTS = b"*0\r\n"


def lane_number(command):
    """Whose key it is (tests/support/deployment_probe.c)."""
    return int(command[1].split(b":")[1].rstrip(b"}"))


def unlinked(command):
    return b":%d\r\n" % (len(command) - 1)


# ---- maps ----


def test_a_seed_that_knows_no_slots(make):
    """It was never told of the others, or was reset: whoever knows is asked."""
    node, stranger = make(FakeNode, "a"), make(FakeNode, "b", CLUSTER=NO_SLOTS)
    node.answers["CLUSTER"] = slots((0, LAST_SLOT, node))
    probe = make(Probe, shape="cluster", seeds=f"{stranger.address()},{node.address()}")
    assert probe.until(lambda s: s["ready"])["masters"] == 1
    alone = make(Probe, shape="cluster", seeds=stranger.address())
    stats = alone.until(lambda s: "knows of no slots" in s["reason"])
    assert stats["state"] == "REDIS_CLUSTERDOWN" and not stats["ready"]


def test_a_seed_that_knows_half_of_the_slots(make):
    """It is all there is until somebody who knows more is asked."""
    node, partial = make(FakeNode, "a"), make(FakeNode, "b")
    node.answers["CLUSTER"] = slots((0, LAST_SLOT, node))
    partial.answers["CLUSTER"] = slots((0, 8191, partial))
    probe = make(Probe, shape="cluster", seeds=f"{partial.address()},{node.address()}")
    probe.until(lambda s: s["ready"])
    assert probe.ask("ids") == {"ids": [node.id]}


def cluster_of_two(make):
    first, second = make(FakeNode, "a", UNLINK=unlinked), make(FakeNode, "b", UNLINK=unlinked)
    whole = slots((0, 8191, first), (8192, LAST_SLOT, second))
    first.answers["CLUSTER"] = second.answers["CLUSTER"] = whole
    return first, second


def reset(node):
    """As a node that was restarted without its nodes.conf."""
    down = b"-CLUSTERDOWN Hash slot not served\r\n"
    node.answers.update(CLUSTER=NO_SLOTS, SET=down, UNLINK=down)
    node.drop_all()


def test_a_master_that_was_reset(make):
    """What the others know of the cluster is not forgotten, and is learnt again."""
    first, second = cluster_of_two(make)
    probe = make(Probe, shape="cluster", seeds=f"{first.address()},{second.address()}", lanes=40,
                 rest_ms=10)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    probe.goes_on()
    reset(first)
    probe.until(lambda s: "REDIS_CLUSTERDOWN" in s["errors"])
    stats = probe.goes_on(500)
    assert stats["masters"] == 2
    second.answers["CLUSTER"] = slots((0, LAST_SLOT, second))
    probe.until(lambda s: s["ready"] and s["masters"] == 1)
    probe.goes_on()
    assert probe.rest()["busy"] == 0


def test_masters_that_were_all_reset(make):
    """Who is left to know better is a seed."""
    first, second = cluster_of_two(make)
    heir = make(FakeNode, "c", UNLINK=unlinked)
    heir.answers["CLUSTER"] = slots((0, LAST_SLOT, heir))
    probe = make(Probe, shape="cluster", seeds=f"{first.address()},{heir.address()}", lanes=40,
                 rest_ms=10)
    probe.until(lambda s: s["ready"] and s["masters"] == 2)
    probe.ask("start")
    probe.goes_on()
    reset(first)
    reset(second)
    probe.until(lambda s: s["ready"] and s["masters"] == 1)
    assert probe.ask("ids") == {"ids": [heir.id]}
    probe.goes_on()


# ---- names (tests/support/names.h) ----


def test_a_seed_whose_name_is_looked_up_for_ever(make):
    """The others are asked meanwhile, and found by their names."""
    node = make(FakeNode, "a")
    node.answers["CLUSTER"] = slots((0, LAST_SLOT, node))
    probe = make(Probe, shape="cluster", seeds=f"a.slow.test:1,b.slow.test:1,b.test:{node.port}",
                 timeout_ms=500)
    probe.until(lambda s: s["ready"], patience_s=10)


def test_a_sentinel_whose_name_is_looked_up_for_ever(make):
    master = make(FakeNode, "a")
    named = array(bulk("c.test"), bulk(str(master.port)))
    sentinel = make(FakeNode, "b", SENTINEL=named)
    master.answers["ROLE"] = array(bulk("master"), b":0\r\n", b"*0\r\n")
    probe = make(Probe, shape="sentinel", master="cache", timeout_ms=500,
                 seeds=f"a.slow.test:1,b.slow.test:1,two.test:{sentinel.port}")
    probe.until(lambda s: s["ready"], patience_s=10)


# ---- servers that do not let anybody in ----


LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"
WRONG_PASSWORD = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
CANNOT_WRITE = b"-MISCONF Redis is configured to save RDB snapshots, but is unable to persist\r\n"


def patient_purgeway(make, url):
    """Two tries, and no long pauses between them."""
    return make(Purgeway, broker_url=make(Redis).url(), broker_durability="memory", rebounds="-",
                target_url=url, retry_tries=2, retry_base_ms=10, retry_cap_ms=50,
                env={"PURGEWAY_TARGET_PASSWORD": "secret"})


def waits_and_is_done(server, node, command, refusal, *keys):
    """A job goes on past its tries while the node refuses, and is done when it is well."""
    node.answers[command] = refusal
    node.drop_all()
    job = is_accepted(server.api.post("/v1/invalidations", {"keys": list(keys)}))["job_id"]
    eventually(lambda: server.api.job(job).json["attempts"] > 3)
    assert server.api.job(job).json["status"] in ("retrying", "queued", "running")
    del node.answers[command]
    assert server.api.finished(job)["status"] == "succeeded"


@pytest.mark.parametrize("command,refusal,error", [
    ("PING", LOADING, "store-loading"), ("AUTH", WRONG_PASSWORD, "store-credentials")])
def test_a_cache_that_lets_nobody_in_uses_up_no_tries(make, command, refusal, error):
    """As if it had answered the command itself: nothing is lost by an hour of loading."""
    node = make(FakeNode, UNLINK=unlinked)
    server = patient_purgeway(make, node.url())
    waits_and_is_done(server, node, command, refusal, "k")
    assert server.log_contains("job.tried_again_later", error)


def test_a_master_that_is_loading_uses_up_no_tries(make):
    """One of a cluster; the others' keys are removed meanwhile."""
    first, second = cluster_of_two(make)
    server = patient_purgeway(make, f"redis-cluster://{first.address()}")
    keys = [f"k{i}" for i in range(20)]
    waits_and_is_done(server, second, "PING", LOADING, *keys)
    assert server.log_contains("job.tried_again_later", "store-loading")
    assert len(first.seen("UNLINK")) + len(second.seen("UNLINK")) == len(keys)


def test_a_node_that_has_no_room_for_a_connection(make):
    """Who waits for it is told to come again, and not that it is no use."""
    first = make(FakeNode, "a")
    full = make(FakeNode, "b", UNLINK=unlinked)
    full.greeting, full.everything = b"-ERR max number of clients reached\r\n", CLOSE
    first.answers.update(
        CLUSTER=slots((0, LAST_SLOT, first)),
        SET=lambda command: b"-MOVED %d 127.0.0.1:%d\r\n" % (slot_of(command[1]), full.port))
    probe = make(Probe, shape="cluster", seeds=first.address(), lanes=10, rest_ms=10)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    stats = probe.until(lambda s: sum(s["errors"].values()) > 20)
    assert set(stats["errors"]) <= {"REDIS_CONNECT", "REDIS_CLOSED", "REDIS_FULL"}
    assert stats["busy"] == 10
    probe.until(lambda s: "max number of clients" in s["reason"])
    full.greeting, full.everything = b"", None
    full.answers["CLUSTER"] = first.answers["CLUSTER"] = slots((0, LAST_SLOT, full))
    probe.goes_on()


def test_a_cache_that_cannot_write_to_its_disk_is_read(make):
    """It refuses writes, and PING; a link to it is good for all else."""
    node = make(FakeNode, PING=CANNOT_WRITE, SET=CANNOT_WRITE)
    probe = make(Probe, shape="standalone", seeds=node.address(), lanes=1)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    stats = probe.until(lambda s: "REDIS_MISCONF" in s["errors"])
    assert set(stats["errors"]) == {"REDIS_MISCONF"} and stats["ready"]


# ---- a master that leaves ----


def test_a_call_that_pauses_outlives_its_master(make):
    """Half of the calls are told to try again, the other half that the slots are another's now:
    the first node is gone before the pauses are over."""
    heir = make(FakeNode, "b", UNLINK=unlinked)
    heir.answers["CLUSTER"] = slots((0, LAST_SLOT, heir))
    node = make(FakeNode, "a", CLUSTER=None)

    def say_set(command):
        if lane_number(command) % 2:
            return b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"
        node.answers["CLUSTER"] = heir.answers["CLUSTER"]
        return b"-MOVED %d 127.0.0.1:%d\r\n" % (slot_of(command[1]), heir.port)
    node.answers.update(SET=say_set, CLUSTER=slots((0, LAST_SLOT, node)))
    probe = make(Probe, shape="cluster", seeds=node.address(), lanes=100, rest_ms=10)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    stats = probe.goes_on(2000)
    assert stats["tried_again"] > 0 and stats["masters"] == 1
    assert set(stats["errors"]) <= {"REDIS_CLOSED"}
    assert probe.rest()["busy"] == 0
