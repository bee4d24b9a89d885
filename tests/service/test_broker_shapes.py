"""The queue behind Sentinels, in a cluster, behind TLS, with users and passwords in files."""
import os

from checks import is_accepted
from support.processes import eventually, free_port
from support.servers import Purgeway, Redis
from support.topologies import Cluster, Sentinels, tls_settings


def with_broker(make, url, **settings):
    """A gateway-and-worker whose cache is a server of its own."""
    cache = make(Redis)
    server = make(Purgeway, broker_url=url, broker_durability="memory", target_url=cache.url(),
                  rebounds="-", broker_timeout_ms=1000, **settings)
    return server, cache.client()


def purges(server, cache, key="k"):
    cache.set(key, 1)
    job = server.api.finished(is_accepted(server.api.purge(key))["job_id"])
    assert job["status"] == "succeeded" and job["result"]["removed"] == 1
    return True


def comes_to_purge(server, cache):
    """It does within the patience of a test; until then requests are refused, not lost."""
    def try_it():
        cache.set("again", 1)
        answer = server.api.purge("again")
        if answer.status == 503:
            assert answer.headers["retry-after"]
            return False
        assert server.api.finished(answer.json["job_id"])["status"] == "succeeded"
        return not cache.exists("again")
    eventually(try_it, what="a purge")


def test_broker_behind_sentinels_fails_over(make):
    sentinels = make(Sentinels, "s3ntinels")
    server, cache = with_broker(make, f"redis-sentinel://{sentinels.seeds()}/cache"
                                      f"?sentinel_password_file={password_file(make)}")
    purges(server, cache)
    victim = sentinels.master()
    victim.kill9()
    comes_to_purge(server, cache)
    assert sentinels.master() is not victim
    eventually(lambda: server.api.get("/readyz").status == 200, what="readiness")


def password_file(make):
    path = os.path.join(make(Redis, start=False).directory, "password")
    with open(path, "w", encoding="ascii") as file:
        file.write("s3ntinels\n")
    return path


def test_broker_in_a_cluster(make):
    cluster = make(Cluster, replicas=1)
    server, cache = with_broker(make, f"redis-cluster://{cluster.seeds()}")
    purges(server, cache)
    slot = cluster.ask(cluster.nodes[0], "CLUSTER", "KEYSLOT", "purgeway:{main}:high")
    victim = cluster.owner(slot)
    heir = cluster.replica_of(victim)
    cluster.fail_over_to(heir)
    comes_to_purge(server, cache)
    heir.kill9()
    comes_to_purge(server, cache)
    assert cluster.owner(slot) is victim


def test_queue_moves_to_another_node(make):
    cluster = make(Cluster)
    server, cache = with_broker(make, f"redis-cluster://{cluster.seeds()}")
    purges(server, cache)
    slot = cluster.ask(cluster.nodes[0], "CLUSTER", "KEYSLOT", "purgeway:{main}:high")
    source = cluster.owner(slot)
    target = next(n for n in cluster.nodes if n is not source)
    cluster.open_slot(slot, source, target)
    cluster.finish_slot(slot, source, target)
    comes_to_purge(server, cache)


def test_results_in_a_cluster_beside_a_single_broker(make):
    cluster, broker = make(Cluster), make(Redis)
    server, cache = with_broker(make, broker.url(), results_url=f"redis-cluster://{cluster.seeds()}")
    for i in range(20):
        purges(server, cache, f"k{i}")


def test_broker_behind_tls_with_a_user(make, certificates):
    settings = tls_settings(certificates, tls_auth_clients="yes")
    redis = make(Redis, **settings)
    redis.client().execute_command("ACL SETUSER", "purger", "on", ">s3cret", "~*", "&*", "+@all")
    path = os.path.join(redis.directory, "password")
    with open(path, "w", encoding="ascii") as file:
        file.write("s3cret\n")
    tail = (f"@localhost:{settings['tls_port']}?ca={certificates.authority}"
            f"&cert={certificates.certificate}&key={certificates.key}&password_file={path}")
    server, cache = with_broker(make, "rediss://purger" + tail)
    purges(server, cache)
    users = {client["user"] for client in redis.client().client_list()
             if client["name"].startswith("pgw") or client["cmd"] == "xreadgroup"}
    assert "purger" in users


def test_certificate_that_nobody_signed_is_refused(make, certificates):
    settings = tls_settings(certificates)
    redis = make(Redis, **settings)
    server = make(Purgeway, "gateway", broker_durability="memory",
                  broker_url=f"rediss://localhost:{settings['tls_port']}", wait=False)
    eventually(lambda: server.api.purge("k").status == 503, what="the gateway")
    assert server.api.purge("k").json["code"] in ("store_tls", "store_unreachable")
    assert redis.is_alive()


def test_addresses_that_lead_nowhere(make):
    server = make(Purgeway, "gateway", broker_durability="memory", wait=False,
                  broker_url=f"redis-cluster://127.0.0.1:{free_port()}")
    eventually(lambda: server.api.purge("k").status == 503, what="the gateway")
    assert server.api.get("/readyz").status == 503
    assert server.api.get("/livez").status == 200
