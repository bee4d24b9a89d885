"""Redis in every shape, under load, while it is rearranged.

The load is the product's own floor (tests/support/deployment_probe.c): pairs of keys that are
set and unlinked without pause. A pair that was set and is not there to be unlinked, or a
call that is never answered, shows.
"""
import os
import random
import subprocess

import pytest

from support.certificates import Certificates
from support.processes import eventually, free_port
from support.servers import Redis, program
from support.topologies import Cluster, Probe, Sentinels, tls_settings

LANES = 200
#: Between the rounds of a lane: there are other processes than the load.
REST_MS = 10
#: What a failover may do to calls. Everything else is a mistake.
PASSING = {"REDIS_CONNECT", "REDIS_CLOSED", "REDIS_TIMEOUT", "REDIS_CLUSTERDOWN",
           "REDIS_READONLY", "REDIS_LOADING", "REDIS_MASTERDOWN"}


def load_of(make, cluster, **options):
    probe = make(Probe, **{"shape": "cluster", "seeds": cluster.seeds(), "lanes": LANES,
                           "rest_ms": REST_MS, **options})
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    probe.goes_on()
    return probe


def nothing_is_left(probe):
    assert probe.rest()["busy"] == 0
    assert probe.ask("count") == {"keys": 0}


def has_only_passing_errors(stats):
    assert set(stats["errors"]) <= PASSING, stats["errors"]


def slots_of_lanes(cluster, count):
    node = cluster.nodes[0]
    return list(dict.fromkeys(cluster.ask(node, "CLUSTER", "KEYSLOT", f"{{probe:{i}}}")
                              for i in range(count)))


# ---- cluster ----


def random_key():
    """Mostly braces, so that tags of every kind come up."""
    return bytes(random.choice(b"{}{}ab\x00\xff\r\n") for _ in range(random.randrange(1, 24)))


def test_slots_agree_with_redis(make):
    redis = make(Redis, cluster_enabled="yes", cluster_port=str(free_port()), appendonly="no")
    keys = [random_key() for _ in range(9000)] + [random.randbytes(40) for _ in range(1000)]
    with redis.client() as client:
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.execute_command("CLUSTER KEYSLOT", key)
        theirs = pipe.execute()
    done = subprocess.run(
        [os.path.join(os.path.dirname(program()), "tests", "support", "slot_lines")],
        input="".join(key.hex() + "\n" for key in keys), capture_output=True, check=True, text=True)
    ours = [int(line) for line in done.stdout.split()]
    assert [(k, o, t) for k, o, t in zip(keys, ours, theirs) if o != t] == []
    assert len(ours) == len(keys) == 10000


def test_calls_find_their_way(make):
    """What is sent elsewhere would be corrected by MOVED."""
    cluster = make(Cluster)
    probe = make(Probe, shape="cluster", seeds=cluster.seeds(), lanes=10000,
                 timeout_ms=30000, prefix=random.randbytes(8).hex())
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    probe.until(lambda s: s["cycles"] >= 20000)
    stats = probe.rest()
    assert stats["moved"] == stats["asked"] == 0
    assert stats["short"] == 0 and stats["errors"] == {}
    assert stats["removed"] == 2 * stats["cycles"]
    assert stats["masters"] == 3
    assert sorted(probe.ask("ids")["ids"]) == sorted(map(cluster.id, cluster.nodes))
    nothing_is_left(probe)


def test_slots_move_under_load(make):
    cluster = make(Cluster)
    probe = load_of(make, cluster)
    before = probe.stats()
    for slot in slots_of_lanes(cluster, 10):
        source = cluster.owner(slot)
        target = next(n for n in cluster.nodes if n is not source)
        asked = probe.stats()["asked"]
        cluster.open_slot(slot, source, target)
        probe.until(lambda s, asked=asked: s["asked"] > asked)
        cluster.finish_slot(slot, source, target)
    stats = probe.until(lambda s: s["moved_slots"] >= 10)
    assert stats["moved"] > 0 and stats["epoch"] > before["epoch"]
    # As an operator does it, a thousand slots at once.
    eventually(cluster.agrees)
    cluster.cli("reshard", cluster.address(cluster.nodes[0]), "--cluster-from",
                cluster.id(cluster.nodes[0]), "--cluster-to", cluster.id(cluster.nodes[1]),
                "--cluster-slots", "1000", "--cluster-yes")
    # Slots that no lane uses are learnt of with the next refresh, so the last ones are not.
    stats = probe.until(lambda s: s["moved_slots"] >= 500)
    assert stats["short"] == 0
    assert set(stats["errors"]) <= {"REDIS_TRYAGAIN"}, stats["errors"]
    assert stats["refreshes"] < before["refreshes"] + 200, "a refresh for each redirection?"
    nothing_is_left(probe)


def test_slots_move_to_a_node_that_had_none(make):
    cluster = make(Cluster)
    probe = load_of(make, cluster)
    target = cluster.add_node()
    links = probe.stats()["links"]
    for slot in slots_of_lanes(cluster, 5):
        source = cluster.owner(slot)
        asked = probe.stats()["asked"]
        cluster.open_slot(slot, source, target)
        probe.until(lambda s, asked=asked: s["asked"] > asked)
        cluster.finish_slot(slot, source, target)
    stats = probe.until(lambda s: s["ready"] and s["masters"] == 4)
    assert stats["links"] == links + 1, "the guest's link was not kept"
    assert stats["short"] == 0 and set(stats["errors"]) <= {"REDIS_TRYAGAIN"}
    nothing_is_left(probe)


def test_a_master_dies_and_its_replica_follows(make):
    cluster = make(Cluster, replicas=1)
    probe = load_of(make, cluster)
    victim = cluster.masters()[0]
    heir = cluster.replica_of(victim)
    before = probe.stats()
    victim.kill9()
    probe.until(lambda s: not s["ready"])
    stats = probe.until(lambda s: s["ready"])
    assert stats["epoch"] > before["epoch"] and stats["moved_slots"] >= 5461
    assert cluster.id(heir) in probe.ask("ids")["ids"]
    stats = probe.goes_on()
    has_only_passing_errors(stats)
    # It comes back, as a replica: nobody goes there.
    victim.start()
    eventually(cluster.is_settled)
    probe.goes_on()
    assert cluster.id(victim) not in probe.ask("ids")["ids"]
    probe.rest()


def test_a_master_restarts_with_other_data(make):
    cluster = make(Cluster)
    probe = load_of(make, cluster)
    assert probe.stats()["new_masters"] == 0
    epoch = probe.stats()["epoch"]
    cluster.nodes[1].kill9()
    probe.until(lambda s: not s["ready"])
    cluster.nodes[1].start()
    stats = probe.until(lambda s: s["ready"])
    assert stats["new_masters"] == 1 and stats["moves"] == 0 and stats["epoch"] > epoch
    has_only_passing_errors(probe.goes_on())
    nothing_is_left(probe)


@pytest.mark.lengthy
def test_every_node_is_replaced(make):
    cluster = make(Cluster)
    probe = load_of(make, cluster)
    old = list(cluster.nodes)
    for node in old:
        heir = cluster.add_node(replica_of=node)
        cluster.fail_over_to(heir)
        eventually(cluster.is_settled)
        cluster.remove(node)
        probe.goes_on()
    stats = probe.goes_on()
    assert sorted(probe.ask("ids")["ids"]) == sorted(map(cluster.id, cluster.nodes))
    assert stats["masters"] == 3 and stats["moved_slots"] >= 16384
    # In order means in order: the calls under way were moved and not lost.
    assert set(stats["errors"]) <= PASSING, stats["errors"]
    nothing_is_left(probe)


def test_all_seeds_are_gone_but_the_map_is_known(make):
    cluster = make(Cluster)
    probe = load_of(make, cluster, seeds=cluster.address(cluster.nodes[0]))
    heir = cluster.add_node(replica_of=cluster.nodes[0])
    cluster.fail_over_to(heir)
    eventually(cluster.is_settled)
    cluster.remove(cluster.nodes[0])
    probe.goes_on()
    # What is learnt now can come from the nodes of the map only.
    heir.kill9()
    probe.until(lambda s: not s["ready"])
    heir.start()
    stats = probe.goes_on()
    assert stats["new_masters"] >= 1
    has_only_passing_errors(stats)


def test_seeds_are_tried_in_turn(make):
    cluster = make(Cluster)
    alone = make(Redis)
    probe = make(Probe, shape="cluster",
                 seeds=f"127.0.0.1:1,127.0.0.1:{alone.port},{cluster.seeds()}")
    stats = probe.until(lambda s: s["ready"], patience_s=5)
    assert stats["masters"] == 3


def test_no_cluster_at_all(make):
    alone = make(Redis)
    probe = make(Probe, shape="cluster", seeds=f"127.0.0.1:{alone.port}")
    stats = probe.until(lambda s: "cluster support disabled" in s["reason"])
    assert stats["state"] == "REDIS_ERROR" and not stats["ready"]


def test_a_cluster_that_lacks_slots(make):
    cluster = make(Cluster)
    probe = load_of(make, cluster)
    owner = cluster.owner(0)
    cluster.ask(owner, "CLUSTER", "DELSLOTS", 0)
    probe.until(lambda s: "REDIS_CLUSTERDOWN" in s["errors"])
    probe.until(lambda s: not s["ready"])
    cluster.ask(owner, "CLUSTER", "ADDSLOTS", 0)
    has_only_passing_errors(probe.goes_on())
    nothing_is_left(probe)


# ---- sentinel ----


def test_sentinel_failover(make):
    sentinels = make(Sentinels)
    probe = make(Probe, shape="sentinel", master="cache", seeds=sentinels.seeds(), lanes=LANES,
                 rest_ms=REST_MS)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    before = probe.goes_on()
    old = sentinels.master()
    old.kill9()
    probe.until(lambda s: not s["ready"])
    stats = probe.until(lambda s: s["ready"])
    eventually(lambda: sentinels.master() is not old)
    assert stats["new_masters"] == 1 and stats["epoch"] > before["epoch"]
    has_only_passing_errors(probe.goes_on())
    # The old one comes back and becomes a replica; nothing changes.
    old.start()
    links = probe.stats()["links"]
    probe.goes_on(2000)
    assert probe.stats()["links"] == links
    nothing_is_left(probe)


def test_sentinel_failover_in_order(make):
    sentinels = make(Sentinels)
    probe = make(Probe, shape="sentinel", master="cache", seeds=sentinels.seeds(), lanes=LANES,
                 rest_ms=REST_MS)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    probe.goes_on()
    old = sentinels.master()
    sentinels.sentinels[0].ask("SENTINEL", "FAILOVER", "cache")
    eventually(lambda: sentinels.master() is not old)
    stats = probe.until(lambda s: s["ready"] and s["new_masters"] == 1)
    has_only_passing_errors(probe.goes_on())
    assert stats["masters"] == 1


def test_sentinels_are_asked_in_turn(make):
    """The first is not there, the second is no Sentinel, the third does not let us in."""
    sentinels = make(Sentinels)
    strict = make(Sentinels, password="watch")
    alone = make(Redis)
    seeds = ",".join(["127.0.0.1:1", f"127.0.0.1:{alone.port}",
                      f"127.0.0.1:{strict.sentinels[0].port}", sentinels.seeds()])
    probe = make(Probe, shape="sentinel", master="cache", seeds=seeds)
    probe.until(lambda s: s["ready"], patience_s=5)
    probe = make(Probe, shape="sentinel", master="cache", seeds=strict.seeds(),
                 sentinel_password="watch")
    probe.until(lambda s: s["ready"], patience_s=5)


def test_a_master_nobody_knows(make):
    sentinels = make(Sentinels)
    probe = make(Probe, shape="sentinel", master="other", seeds=sentinels.seeds())
    stats = probe.until(lambda s: "knows no such master" in s["reason"])
    assert not stats["ready"] and stats["masters"] == 0


# ---- one server ----


def test_standalone(make):
    redis = make(Redis, appendonly="no")
    probe = make(Probe, shape="standalone", unix=redis.socket_path, lanes=1000, db=3)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    probe.goes_on(5000)
    epoch = probe.stats()["epoch"]
    with redis.client() as client:
        assert probe.ask("ids") == {"ids": [client.info("server")["run_id"]]}
    redis.kill9()
    probe.until(lambda s: not s["ready"])
    redis.start()
    stats = probe.until(lambda s: s["ready"])
    assert stats["new_masters"] == 1 and stats["epoch"] > epoch
    has_only_passing_errors(probe.goes_on())
    nothing_is_left(probe)


def test_room(make):
    """More calls than the link takes: they are refused, and told when there is room."""
    redis = make(Redis, appendonly="no")
    probe = make(Probe, shape="standalone", unix=redis.socket_path, lanes=100, in_flight=10)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    probe.until(lambda s: s["cycles"] > 1000 and s["full"])
    stats = probe.rest()
    assert set(stats["errors"]) == {"REDIS_FULL"} and stats["short"] == 0
    assert stats["rooms"] > 0 and not stats["full"]
    nothing_is_left(probe)


def test_a_server_that_turns_replica(make):
    """Behind one name, as managed services fail over: hang up and look the name up again."""
    master, redis = make(Redis, appendonly="no"), make(Redis, appendonly="no")
    probe = make(Probe, shape="standalone", seeds=f"127.0.0.1:{redis.port}", lanes=10)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    probe.goes_on()
    with redis.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", master.port)
        changes = probe.until(lambda s: "REDIS_READONLY" in s["errors"])["ready_changes"]
        probe.until(lambda s: s["ready_changes"] >= changes + 2)
        client.execute_command("REPLICAOF", "NO", "ONE")
    has_only_passing_errors(probe.goes_on())


def test_acl_user(make):
    redis = make(Redis, appendonly="no")
    with redis.client() as client:
        client.execute_command("ACL", "SETUSER", "purger", "on", ">secret", "~*", "+set",
                               "+unlink", "+ping", "+dbsize", "+client|setname")
        client.execute_command("ACL", "SETUSER", "default", "off")
    probe = make(Probe, shape="standalone", seeds=f"127.0.0.1:{redis.port}", user="purger",
                 password="secret", lanes=10)
    # INFO is not permitted: then nothing can be noticed, and all the rest works.
    probe.until(lambda s: s["ready"])
    assert probe.ask("ids") == {"ids": [f"127.0.0.1:{redis.port}"]}
    probe.ask("start")
    assert probe.goes_on()["errors"] == {}
    nothing_is_left(probe)
    wrong = make(Probe, shape="standalone", seeds=f"127.0.0.1:{redis.port}", user="purger",
                 password="public")
    stats = wrong.until(lambda s: s["state"] == "REDIS_AUTH")
    assert "WRONGPASS" in stats["reason"] and "public" not in stats["reason"]


# ---- TLS ----


@pytest.fixture(scope="module")
def other_certificates(tmp_path_factory):
    return Certificates(str(tmp_path_factory.mktemp("other")))


def tls_probe(make, redis, certificates, **options):
    return make(Probe, **{"shape": "standalone", "tls": 1, "ca": certificates.authority, "lanes": 50,
                          "seeds": f"127.0.0.1:{redis.settings['tls-port']}", **options})


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_tls(make, certificates, other_certificates, protocol):
    redis = make(Redis, appendonly="no", **tls_settings(certificates, tls_protocols=protocol))
    # By its address, then by the name in the settings, then by nothing.
    for options in ({}, {"server_name": "localhost"}, {"verify": 0, "server_name": "wrong.example"},
                    {"ca": other_certificates.authority, "verify": 0}):
        probe = tls_probe(make, redis, certificates, **options)
        probe.until(lambda s: s["ready"])
        probe.ask("start")
        stats = probe.goes_on(1000)
        assert stats["errors"] == {} and stats["short"] == 0
        nothing_is_left(probe)
    for options, reason in (({"ca": other_certificates.authority}, "certificate: "),
                            ({"server_name": "wrong.example"}, "is not for wrong.example"),
                            ({"server_name": "127.0.0.2"}, "is not for 127.0.0.2")):
        probe = tls_probe(make, redis, certificates, **options)
        stats = probe.until(lambda s: s["state"] == "REDIS_TLS")
        assert reason in stats["reason"], stats["reason"]
        probe.is_cut_off_for(0.3)


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_tls_asks_for_our_certificate(make, certificates, other_certificates, protocol):
    redis = make(Redis, appendonly="no", **tls_settings(certificates, tls_protocols=protocol,
                                                        tls_auth_clients="yes"))
    probe = tls_probe(make, redis, certificates, cert=certificates.certificate,
                      key=certificates.key)
    probe.until(lambda s: s["ready"])
    for options in ({}, {"cert": other_certificates.certificate, "key": other_certificates.key}):
        probe = tls_probe(make, redis, certificates, **options)
        stats = probe.until(lambda s: s["state"] == "REDIS_TLS")
        assert "alert" in stats["reason"] or "handshake" in stats["reason"], stats["reason"]
        probe.is_cut_off_for(0.3)


def test_tls_where_there_is_none(make, certificates):
    redis = make(Redis)
    probe = make(Probe, shape="standalone", tls=1, ca=certificates.authority, timeout_ms=300,
                 seeds=f"127.0.0.1:{redis.port}")
    stats = probe.until(lambda s: s["state"] in ("REDIS_TLS", "REDIS_TIMEOUT"))
    assert not stats["ready"]


def test_large_answers_and_commands_over_tls(make, certificates):
    redis = make(Redis, appendonly="no", **tls_settings(certificates))
    probe = tls_probe(make, redis, certificates, lanes=10000)
    probe.until(lambda s: s["ready"])
    probe.ask("start")
    stats = probe.goes_on(50000)
    assert stats["errors"] == {} and stats["short"] == 0
    nothing_is_left(probe)


def test_cluster_over_tls(make, certificates):
    settings = tls_settings(certificates, tls_cluster="yes", tls_replication="yes")
    del settings["tls_port"]
    cluster = make(TlsCluster, cli=("--tls", "--cacert", certificates.authority), **settings)
    probe = load_of(make, cluster, tls=1, ca=certificates.authority)
    assert probe.stats()["masters"] == 3
    nothing_is_left(probe)


class TlsCluster(Cluster):
    """Each node has a TLS port of its own, and no other."""

    def _make(self):
        node = super()._make()
        node.settings["tls-port"] = str(node.port)
        node.port = 0
        return node
