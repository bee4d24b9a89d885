"""Caches of every shape: a cluster that is rearranged under the work, Sentinels, TLS, several."""
import threading

import pytest

from checks import is_accepted
from support.processes import eventually
from support.servers import ROOT, Purgeway, Redis, run_to_end
from support.slots import slot_of
from support.topologies import Cluster, Sentinels, tls_settings

CLUSTER_URL = "redis-cluster://{}"


def fill(cluster, name, count, start=0, batch=10000):
    """Keys name.format(i), each at the node of its slot."""
    clients = {}
    for node in cluster.masters():
        first = node.client()
        clients[node] = first
    ranges = slots_of(cluster)
    for begin in range(start, start + count, batch):
        pipes = {node: client.pipeline(transaction=False) for node, client in clients.items()}
        for i in range(begin, min(begin + batch, start + count)):
            key = name.format(i)
            pipes[ranges[slot_of(key.encode())]].set(key, i)
        for pipe in pipes.values():
            pipe.execute()


def slots_of(cluster):
    """The owner of each slot."""
    owners = [None] * 16384
    for node in cluster.masters():
        for line in cluster.ask(node, "CLUSTER", "NODES").decode().splitlines():
            words = line.split()
            if "myself" not in words[2]:
                continue
            for word in words[8:]:
                first, _, last = word.partition("-")
                if first.isdigit():
                    for slot in range(int(first), int(last or first) + 1):
                        owners[slot] = node
    return owners


def keys_left(cluster, pattern):
    left = set()
    for node in cluster.masters():
        left |= set(node.client().scan_iter(pattern, count=10000))
    return left


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as one:
        yield one


@pytest.fixture
def server(make, cluster):
    broker = make(Redis)
    return make(Purgeway, broker_url=broker.url(), broker_durability="memory", rebounds="-",
                target_url=CLUSTER_URL.format(cluster.seeds()), sweep_share=100)


def done(server, body):
    job = server.api.finished(is_accepted(server.api.post("/v1/invalidations", body))["job_id"])
    assert job["status"] == "succeeded", job
    return job["result"]


def is_under_way(server, job):
    """Its sweep has begun, and is far from its end."""
    eventually(lambda: server.api.job(job["job_id"]).json.get("progress", {"removed": 0})["removed"])
    assert server.api.job(job["job_id"]).json["progress"]["percent"] < 90


def ends_well(server, job):
    """However long it takes at its small share of the time."""
    eventually(lambda: server.api.job(job["job_id"]).json["status"] == "succeeded", 180)


def test_keys_of_all_slots(server, cluster):
    fill(cluster, "all:{}", 1000)
    result = done(server, {"keys": [f"all:{i}" for i in range(1000)]})
    assert result["removed"] == 1000 and result["missing"] == 0
    assert not keys_left(cluster, "all:*")
    assert done(server, {"keys": ["all:1", "all:2"]})["missing"] == 2


def test_pattern_on_all_masters(server, cluster):
    fill(cluster, "pat:{}", 30000)
    fill(cluster, "other:{}", 3000)
    result = done(server, {"patterns": ["pat:*"]})
    assert result["removed"] == 30000
    assert not keys_left(cluster, "pat:*") and len(keys_left(cluster, "other:*")) == 3000
    assert done(server, {"patterns": ["other:*"], "dry_run": True})["matched"] >= 3000
    assert done(server, {"patterns": ["other:*"], "mode": "soft"})["removed"] >= 3000


def test_tags_in_their_slots(server, cluster):
    fill(cluster, "tagged:{}", 500)
    for tags, keys in ((["a"], range(300)), (["b"], range(200, 500))):
        answer = server.api.post("/v1/taggings", {"tags": tags,
                                                  "keys": [f"tagged:{i}" for i in keys]})
        assert answer.status == 200 and answer.json["tags"][0]["added"] == 300
    assert server.api.get("/v1/tags?tag=a").json["members"] == 300
    assert server.api.get("/v1/tags/members?tag=a&page_size=1000").json["keys"]
    assert done(server, {"tags": ["a", "b"], "tags_match": "all"})["removed"] == 100
    assert done(server, {"tags": ["a", "b"]})["removed"] == 400
    assert not keys_left(cluster, "tagged:*")


def joins_a_pass(make, cluster):
    """A job that came while another one's pass was somewhere on its way: who works at it, and it."""
    settings = {"broker_url": make(Redis).url(), "broker_durability": "memory", "rebounds": "-",
                "target_url": CLUSTER_URL.format(cluster.seeds()), "sweep_share": 3, "threads": 1,
                "worker_idle_ms": 3000, "worker_beat_ms": 150}
    gateway = make(Purgeway, "gateway", **settings)
    worker = make(Purgeway, "worker", **settings)
    fill(cluster, "join:{}", 40000)
    clients = [node.client() for node in cluster.masters()]
    for client in clients:
        client.config_resetstat()
    is_accepted(gateway.api.post("/v1/invalidations", {"patterns": ["absent*"]}))
    # Of about 16 at each node.
    eventually(lambda: all(client.info("commandstats").get("cmdstat_scan", {"calls": 0})["calls"] >= 6
                           for client in clients))
    return gateway, worker, is_accepted(gateway.api.post("/v1/invalidations",
                                                         {"patterns": ["join:*"]})), settings


def test_newcomer_is_done_when_the_pass_has_come_around(make, cluster):
    """Where each slot has a table of its own, cursors do not grow along the pass."""
    gateway, _, job, _ = joins_a_pass(make, cluster)
    seen = []

    def is_over():
        now = gateway.api.job(job["job_id"]).json
        seen.append(now.get("progress", {"percent": 0})["percent"])
        return now["status"] not in ("queued", "running")

    eventually(is_over, 180)
    assert not keys_left(cluster, "join:*")
    assert gateway.api.job(job["job_id"]).json["status"] == "succeeded"
    shown = [percent for percent in seen if percent]
    assert shown == sorted(shown) and all(percent <= 100 for percent in shown)


def test_newcomer_is_taken_over(make, cluster):
    """What one worker has covered is worth no more to the next than what it can tell of it."""
    gateway, first, job, settings = joins_a_pass(make, cluster)
    eventually(lambda: gateway.api.job(job["job_id"]).json.get("progress", {"removed": 0})[
        "removed"] >= 3000, 180)
    first.kill9()
    make(Purgeway, "worker", **{**settings, "sweep_share": 50})
    ends_well(gateway, job)
    assert not keys_left(cluster, "join:*")


@pytest.mark.lengthy
def test_slots_that_move_meanwhile(make):
    """Keys that go from where the walk has not been to where it has been are found."""
    with Cluster() as own:
        broker = make(Redis)
        server = make(Purgeway, broker_url=broker.url(), broker_durability="memory", rebounds="-",
                      target_url=CLUSTER_URL.format(own.seeds()), sweep_share=2)
        fill(own, "pat:{}", 60000)
        job = is_accepted(server.api.post("/v1/invalidations", {"patterns": ["pat:*"]}))
        is_under_way(server, job)
        for slot in range(0, 300):
            source = own.nodes[0]
            target = own.nodes[1 + slot % 2]
            own.open_slot(slot, source, target)
            own.finish_slot(slot, source, target)
        ends_well(server, job)
        assert not keys_left(own, "pat:*")


def test_large_slot_that_moves(make):
    """More keys in a slot than one look takes: its new node is walked once more."""
    with Cluster() as own:
        broker = make(Redis)
        slot = slot_of(b"{big}")
        source = own.owner(slot)
        pipe = source.client().pipeline(transaction=False)
        for i in range(9000):
            pipe.set(f"pat:{{big}}:{i}", 1)
        pipe.execute()
        fill(own, "pat:{}", 20000)
        server = make(Purgeway, broker_url=broker.url(), broker_durability="memory", rebounds="-",
                      target_url=CLUSTER_URL.format(own.seeds()), sweep_share=2)
        job = is_accepted(server.api.post("/v1/invalidations", {"patterns": ["pat:*"]}))
        is_under_way(server, job)
        target = next(n for n in own.nodes if n is not source)
        own.open_slot(slot, source, target)
        own.finish_slot(slot, source, target)
        ends_well(server, job)
        assert not keys_left(own, "pat:*")


def test_slot_on_its_way_at_the_end(make):
    """A slot half moved has keys at both ends, and no new owner."""
    with Cluster() as own:
        broker = make(Redis)
        fill(own, "pat:{}", 30000)
        source, target = own.nodes[0], own.nodes[1]
        half = {}
        for slot in range(0, 20):
            own.open_slot(slot, source, target)
            keys = own.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100)
            half[slot] = keys[:len(keys) // 2]
            if half[slot]:
                own.ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS",
                        *half[slot])
        assert any(half.values())
        server = make(Purgeway, broker_url=broker.url(), broker_durability="memory", rebounds="-",
                      target_url=CLUSTER_URL.format(own.seeds()), sweep_share=100)
        assert done(server, {"patterns": ["pat:*"]})["removed"] == 30000
        assert not keys_left(own, "pat:*")


@pytest.mark.lengthy
def test_key_that_comes_back_with_its_slot(make):
    """Few slots have changed, and what was removed from them is among much else."""
    with Cluster() as own:
        server = make(Purgeway, "serve", broker_url=make(Redis).url(), threads=1, rebounds="-",
                      sweep_share=100, target_url=CLUSTER_URL.format(own.seeds()))
        fill(own, "back:{}", 20_000)
        assert done(server, {"patterns": ["back:*"]})["removed"] == 20_000
        for number in (0, 10_000, 19_999):
            key = f"back:{number}"
            slot = slot_of(key.encode())
            source = own.owner(slot)
            target = next(node for node in own.masters() if node is not source)
            source.client().set(key, "old")
            own.open_slot(slot, source, target)
            own.finish_slot(slot, source, target)
            eventually(lambda: not target.client().exists(key))


def test_failover_in_the_middle_of_a_sweep(make):
    with Cluster(replicas=1) as own:
        broker = make(Redis)
        server = make(Purgeway, broker_url=broker.url(), broker_durability="memory", rebounds="-",
                      target_url=CLUSTER_URL.format(own.seeds()), sweep_share=2,
                      target_timeout_ms=1000)
        fill(own, "pat:{}", 60000)
        job = is_accepted(server.api.post("/v1/invalidations", {"patterns": ["pat:*"]}))
        is_under_way(server, job)
        own.masters()[0].kill9()
        ends_well(server, job)
        assert not keys_left(own, "pat:*")


class Load:
    """Keys that are set and purged without pause; what was acknowledged and what ended."""

    def __init__(self, server, cluster):
        self.server, self.cluster = server, cluster
        self.jobs, self.keys, self.refused = [], [], 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        number = 0
        while not self.stop.is_set():
            keys = [f"load:{number + i}" for i in range(50)]
            number += 50
            answer = self.server.api.purge(*keys)
            if answer.status == 202:
                self.jobs.append(answer.json["job_id"])
                self.keys += keys
            else:
                self.refused += 1

    def end(self):
        self.stop.set()
        self.thread.join()
        assert self.jobs
        for job in self.jobs:
            assert self.server.api.finished(job)["status"] == "succeeded"


@pytest.mark.lengthy
def test_rolling_replacement_of_all_nodes(make):
    """Every node gives way to a new one while jobs come in: all of them end, none is refused."""
    with Cluster(replicas=0) as own:
        broker = make(Redis)
        server = make(Purgeway, broker_url=broker.url(), broker_durability="memory", rebounds="-",
                      broker_timeout_ms=20000,
                      target_url=CLUSTER_URL.format(own.seeds()))
        fill(own, "load:{}", 20000)
        load = Load(server, own)
        for old in list(own.nodes):
            eventually(own.agrees)
            heir = own.add_node(replica_of=old)
            own.fail_over_to(heir)
            eventually(own.is_settled)
            own.remove(old)
        load.end()
        assert load.refused == 0
        alive = keys_left(own, "load:*")
        assert not alive & {key.encode() for key in load.keys}


def test_sentinels_fail_over(make):
    with Sentinels() as own:
        broker = make(Redis)
        server = make(Purgeway, broker_url=broker.url(), broker_durability="memory", rebounds="-",
                      target_url=f"redis-sentinel://{own.seeds()}/cache", target_timeout_ms=1000)
        own.master().client().set("k", 1)
        assert done(server, {"keys": ["k"]})["removed"] == 1
        victim = own.master()
        victim.kill9()
        job = is_accepted(server.api.purge("k2"))
        assert server.api.finished(job["job_id"])["status"] == "succeeded"
        assert own.master() is not victim
        own.master().client().set("k3", 1)
        assert done(server, {"keys": ["k3"]})["removed"] == 1
        assert done(server, {"patterns": ["key*"]})["removed"] == 0


def test_cache_behind_tls(make, certificates):
    settings = tls_settings(certificates)
    cache, broker = make(Redis, **settings), make(Redis)
    server = make(Purgeway, broker_url=broker.url(), broker_durability="memory", rebounds="-",
                  target_url=f"rediss://localhost:{settings['tls_port']}"
                             f"?ca={certificates.authority}")
    cache.client().mset({f"key{i}": 1 for i in range(100)})
    assert done(server, {"patterns": ["key*"], "targets": ["default"]})["removed"] == 100


# ---- several ----


@pytest.fixture
def two(make):
    east, west, broker = make(Redis), make(Redis), make(Redis)
    server = make(Purgeway, broker_url=broker.url(), broker_durability="memory",
                  targets=[f"east={east.url()}", f"west={west.url()}?rebounds=200"], rebounds="-",
                  target_timeout_ms=500)
    return server, east, west


def by_target(result):
    return {one.pop("target"): one for one in result["targets"]}


def test_all_targets_unless_some_are_named(two):
    server, east, west = two
    for cache in (east, west):
        cache.client().mset({"a": 1, "b": 1, "ccc": 1})
    result = done(server, {"keys": ["a"]})
    assert result["removed"] == 2 and result["requested"] == 1
    assert by_target(result) == {
        name: {"status": "succeeded", "requested": 1, "removed": 1, "missing": 0}
        for name in ("east", "west")}
    assert list(by_target(done(server, {"keys": ["b"], "target": "west"}))) == ["west"]
    assert east.client().exists("b") and not west.client().exists("b")
    assert done(server, {"patterns": ["ccc*"], "targets": ["east", "west"]})["removed"] == 2


def test_rebounds_of_a_target(two):
    server, east, west = two
    done(server, {"keys": ["late"]})
    for cache in (east, west):
        cache.client().set("late", "stale")
    eventually(lambda: not west.client().exists("late"))
    assert east.client().exists("late")


def test_tags_of_several_targets(two):
    server, east, west = two
    body = {"tags": ["t"], "keys": ["k"]}
    assert server.api.post("/v1/taggings", body).json["tags"][0]["added"] == 2
    assert server.api.post("/v1/untaggings", {**body, "target": "west"}).json["tags"][0][
        "removed"] == 1
    assert server.api.get("/v1/tags?tag=t&target=west").json["members"] == 0
    assert server.api.get("/v1/tags?tag=t").json["members"] == 1
    for cache in (east, west):
        cache.client().set("k", 1)
    assert done(server, {"tags": ["t"]})["removed"] == 1
    assert west.client().exists("k")


@pytest.mark.parametrize("body, pointer", [
    ({"target": "north"}, "#/target"), ({"targets": ["east", "north"]}, "#/targets/1"),
    ({"target": "east", "targets": ["west"]}, "#/target"), ({"targets": []}, "#/targets")])
def test_unknown_targets_are_refused(two, body, pointer):
    answer = two[0].api.post("/v1/invalidations", {"keys": ["k"], **body})
    assert answer.status == 422
    assert pointer in [error["pointer"] for error in answer.json["errors"]]


def test_unknown_target_of_the_query(two):
    answer = two[0].api.get("/v1/tags?tag=t&target=north")
    assert answer.status == 422 and "east, west" in answer.json["errors"][0]["detail"]


def test_one_target_down_delays_no_other(two):
    server, east, west = two
    east.client().set("k", 1)
    west.kill9()
    waiting = is_accepted(server.api.purge("k"))
    eventually(lambda: not east.client().exists("k"))
    for i in range(20):
        east.client().set(f"k{i}", 1)
        assert done(server, {"keys": [f"k{i}"], "target": "east"})["removed"] == 1
    assert server.api.job(waiting["job_id"]).json["status"] in ("running", "retrying", "queued")
    west.start()
    assert server.api.finished(waiting["job_id"])["status"] == "succeeded"


def test_one_node_down_delays_no_other(make):
    """Keys of the nodes that answer go at the first try, however many wait for the one that does not."""
    cluster, broker = make(Cluster, cluster_require_full_coverage="no"), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), rebounds="-", retry_tries=0,
                  retry_cap_ms=500, target_url=CLUSTER_URL.format(cluster.seeds()))
    fill(cluster, "k{}", 300)
    owners = slots_of(cluster)
    lost = cluster.masters()[0]
    there = [f"k{i}" for i in range(300) if owners[slot_of(f"k{i}".encode())] is not lost]
    gone = [f"k{i}" for i in range(300) if f"k{i}" not in there]
    lost.kill9()
    waiting = [is_accepted(server.api.purge(key))["job_id"] for key in gone]
    for key in there[:50]:
        job = server.api.purge(key, prefer="wait=20").json
        assert job["status"] == "succeeded" and job["result"]["removed"] == 1, job
        assert job["attempts"] == 1, job
    mixed = is_accepted(server.api.purge(there[60], gone[0], there[61]))["job_id"]
    eventually(lambda: server.api.job(mixed).json["status"] == "retrying")
    lost.start()
    for job_id in [*waiting, mixed]:
        eventually(lambda job_id=job_id: server.api.job(job_id).json["status"] == "succeeded")
    # Whose answer was lost went all the same, and is missing when it is asked for again.
    result = server.api.job(mixed).json["result"]
    assert result["removed"] + result["missing"] == result["requested"] == 3


def test_worker_without_that_target_says_so(make):
    cache, broker = make(Redis), make(Redis)
    settings = {"broker_url": broker.url(), "broker_durability": "memory"}
    gateway = make(Purgeway, "gateway", **settings,
                   targets=[f"a={cache.url()}", f"b={cache.url()}"])
    make(Purgeway, "worker", **settings, targets=[f"a={cache.url()}"])
    job = is_accepted(gateway.api.post("/v1/invalidations", {"keys": ["k"], "target": "b"}))
    ended = gateway.api.finished(job["job_id"])
    assert ended["status"] == "failed" and ended["error"]["code"] == "unknown_target"
    assert ended["result"]["requested"] == 1
    letter = gateway.api.get(f"/v1/dead-letters/{job['job_id']}").json
    assert "'k'" in str(letter) and "'b'" in str(letter), letter


@pytest.mark.parametrize("targets, said", [
    (["x"], "NAME="), (["X=redis://h"], "NAME="), (["a=http://h"], "begins with none of"),
    (["a=redis://h", "a=redis://g"], "two targets")])
def test_settings_that_name_no_target(targets, said):
    words = [word for target in targets for word in ("--targets", target)]
    code, _, err = run_to_end("worker", "--check-config", *words)
    assert code == 78 and said in err


#: Of the two users of a cache in deploy/redis, as one.
COMMANDS = sorted({word for name in ("gateway", "worker")
                   for word in (ROOT / "deploy" / "redis" / f"cache-{name}.acl").read_text().split()
                   if word.startswith("+")})


def permit(node):
    node.client().execute_command("ACL SETUSER", "purger", "on", ">s3cret", "~*", *COMMANDS)


def test_few_permissions_are_enough(make, tmp_path):
    """A user of a cluster's nodes who may do what is listed, and nothing else."""
    path = tmp_path / "password"
    path.write_text("s3cret")
    with Cluster() as own:
        for node in own.nodes:
            permit(node)
        broker = make(Redis)
        server = make(Purgeway, broker_url=broker.url(), broker_durability="memory", rebounds="-",
                      target_url=f"redis-cluster://purger@{own.seeds()}?password_file={path}",
                      sweep_share=100, tags_prune_s=1)
        fill(own, "key:{}", 1000)
        for tag in ("t", "u"):
            assert server.api.post("/v1/taggings", {"tags": [tag], "keys": ["key:1", "gone"],
                                                    "ttl_ms": 60000}).status == 200
        assert server.api.get("/v1/tags?tag=t").json["bytes"] > 0
        assert server.api.get("/v1/tags/members?tag=t").status == 200
        eventually(lambda: server.api.get("/v1/tags?tag=t").json["members"] == 1)
        assert done(server, {"tags": ["t", "u"], "tags_match": "all"})["removed"] == 1
        assert done(server, {"tags": ["t"]})["matched"] == 1
        for more in ({"mode": "soft"}, {"mode": "tombstone"}, {"dry_run": True}, {}):
            done(server, {"keys": ["key:2", "key:3"], "patterns": ["key:9*"], **more})
        done(server, {"patterns": ["key:*"]})
        assert not keys_left(own, "key:*")
        refused = set()
        for node in own.nodes:
            refused |= {entry["object"] for entry in node.client().acl_log()}
        assert not refused
