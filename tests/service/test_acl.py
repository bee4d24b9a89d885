"""The ACL files of deploy/redis: enough for everything, and nothing that is not used."""
import re
import socket
import threading
import time

import pytest
import redis as redis_client

from checks import is_accepted
from support.hooks import Hooks, deliver, github
from support.processes import eventually
from support.servers import ROOT, Purgeway, Redis
from support.topologies import Cluster

FOLDER = ROOT / "deploy" / "redis"
PASSWORD = "s3cret"
#: Commands with parts, which are permitted one by one.
WITH_PARTS = {"client", "cluster", "config", "memory", "xgroup", "xinfo"}
#: What MONITOR does not show: the server takes these for administration.
UNSEEN = {"config|get", "client|list"}
#: What is asked for only of a cluster, behind Sentinels, with a database in the address, or of a
#: worker that has been away for an hour; and how the source spells it.
ELSEWHERE = {"asking": '"asking"', "cluster|slots": '"cluster", "slots"',
             "cluster|nodes": '"nodes"', "cluster|getkeysinslot": '"getkeysinslot"',
             "role": '"role"', "select": '"select"', "xgroup|delconsumer": "'delconsumer'"}
ALL = ("gateway", "worker", "cache-gateway", "cache-worker")
#: Of MONITOR: who, the command, and its first word if it has one.
LINE = re.compile(r'\+[\d.]+ \[\d+ ([^\]]+)\] "([^"]*)"(?: "([^"]*)")?')
#: Within it everybody has looked at the queue, which they do four times a second.
LOOK_S = 1.0
QUEUE = "/v1/queues/main"


def rules(name):
    """The words of the one user in a file, behind the name."""
    words = (FOLDER / f"{name}.acl").read_text().split()
    assert words[:2] == ["user", f"purgeway-{name}"]
    return words[2:]


def permitted(name):
    return {word[1:] for word in rules(name) if word.startswith("+")}


def set_user(redis, name):
    """As docs/operations.md says: the file, and a password that switches the user on."""
    redis.client().execute_command("ACL", "SETUSER", f"purgeway-{name}", *rules(name), "on",
                                   f">{PASSWORD}")


class Watched:
    """Who sent which commands to a server, seen by MONITOR."""

    def __init__(self, redis):
        self._redis = redis
        self._users = {}
        self.used = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(redis.socket_path)
        self._socket.sendall(b"MONITOR\r\n")
        self._lines = self._socket.makefile("r", encoding="latin-1")
        assert self._lines.readline() == "+OK\n"
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _user_of(self, address):
        # Nobody yet: it has not shown its password when it is first seen.
        if self._users.get(address, "default") == "default":
            for client in self._redis.client().client_list():
                self._users[client["addr"]] = client["user"]
        return self._users.get(address)

    def _watch(self):
        user = None
        for line in self._lines:
            match = LINE.match(line)
            if not match:
                continue
            # What a script calls follows the script.
            if match[1] != "lua":
                user = self._user_of(match[1])
            name = match[2].lower()
            if name in WITH_PARTS:
                name = f"{name}|{match[3].lower()}"
            if user:
                self.used.setdefault(user.removeprefix("purgeway-"), set()).add(name)

    def end(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


def denied(*servers):
    return [(entry["username"], entry["reason"], entry["object"])
            for server in servers for entry in server.client().acl_log()]


class Scene:
    """A gateway and a worker, on a broker that is replicated and on a cache, each a user of its
    own on both."""

    def __init__(self, make, tmp_path):
        self.broker, self.cache = make(Redis), make(Redis)
        make(Redis.replica_of, self.broker)
        for name in ("gateway", "worker"):
            set_user(self.broker, name)
            set_user(self.cache, f"cache-{name}")
        self._secret = tmp_path / "password"
        self._secret.write_text(PASSWORD)
        self._hooks = Hooks(tmp_path)
        self._hooks.add("shop", "github", [{"keys": ["key:{/id}"]}])
        self.seen = Watched(self.broker), Watched(self.cache)
        self._make = make
        self.gateway = self.start("gateway")
        self.api = self.gateway.api
        # Before there is a worker that makes a group of the stream.
        is_accepted(self.api.purge("first"))
        time.sleep(LOOK_S)
        self.worker = self.start("worker")

    def start(self, role):
        cache = self.cache.tcp_url(user=f"purgeway-cache-{role}")
        hooks = {"hooks_file": self._hooks.path} if role == "gateway" else {}
        return self._make(
            Purgeway, role, broker_url=self.broker.tcp_url(user=f"purgeway-{role}"),
            broker_password_file=str(self._secret), broker_durability="replicated",
            targets=[f"cache={cache}?password_file={self._secret}"], retry_tries=1, retry_base_ms=1,
            worker_idle_ms=1000, tags_prune_s=1, threads=1, sweep_share=20,
            broker_replica_wait_ms=20000, broker_timeout_ms=30000,
            **hooks)

    def done(self, **body):
        job = self.api.finished(is_accepted(self.api.post("/v1/invalidations", body))["job_id"])
        assert job["status"] == "succeeded", job
        return job


def use_everything(s):
    api, cache = s.api, s.cache.client()
    cache.mset({f"key:{i}": 1 for i in range(200)})
    # every kind and mode of purge
    s.done(keys=["key:0", "absent"], rebounds_ms=[100])
    for more in ({"mode": "soft"}, {"mode": "tombstone"}, {"mode": "versioned", "version": "7"},
                 {"dry_run": True}):
        s.done(keys=["key:1"], **more)
    for mode in ("soft", "tombstone"):
        s.done(patterns=["key:2*"], mode=mode)
    s.done(patterns=["key:2*"], dry_run=True)
    s.done(patterns=["key:3*"])
    # tags
    for tag in ("t", "u"):
        assert api.post("/v1/taggings", {"tags": [tag], "keys": ["key:4", "gone", f"key:5{tag}"],
                                         "ttl_ms": 60000}).status == 200
    assert api.post("/v1/untaggings", {"tags": ["u"], "keys": ["key:5u"]}).status == 200
    assert api.get("/v1/tags?tag=t").json["bytes"] > 0
    assert api.get("/v1/tags/members?tag=t").status == 200
    eventually(lambda: api.get("/v1/tags?tag=t").json["members"] == 1)
    assert api.post("/v1/taggings", {"tags": ["t"], "keys": ["key:4"]}).status == 200
    # ... of which a job that is long gone has set something aside
    cache.sadd("purgeway:tag:{u}:gone", "key:4")
    cache.hset("purgeway:tag:{u}:aside", "gone", "1 0 0 gone")
    s.done(tags=["t", "u"], tags_match="all")
    s.done(tags=["t"])
    # the same once more, by key; later; a group; an event
    headers = {"Idempotency-Key": "once"}
    ids = {api.purge("key:6", headers=headers).json["job_id"] for _ in range(2)}
    assert len(ids) == 1
    s.done(keys=["key:7"], delay_ms=50)
    batch = api.post("/v1/invalidations/batch",
                     {"invalidations": [{"keys": ["key:8"]}, {"keys": ["key:9"]}]}).json
    assert api.get(f"/v1/groups/{batch['group_id']}").status == 200
    # a webhook, and the log of it
    assert deliver(api, "shop", {"id": 15}, github).status == 202
    assert len(api.get("/v1/hooks/shop/deliveries").json["deliveries"]) == 1
    # what is asked
    for path in ("/v1/queues", "/v1/workers", "/metrics", "/readyz?verbose", "/v1/dead-letters",
                 "/v1/audit", "/v1/audit?order=newest", "/v1/audit/export"):
        assert api.get(path).status == 200, path
    assert api.get("/v1/jobs/" + "EAAAAaH9Wp1YAAAAAE8NzYYdrKHo").status == 404


def use_controls(s):
    api = s.api
    job = s.done(keys=["key:10"], rebounds_ms=[60000])["job_id"]
    assert api.delete(f"/v1/jobs/{job}/rebounds").status == 200
    late = is_accepted(api.purge("key:11", delay_ms=60000))["job_id"]
    assert api.post(f"/v1/jobs/{late}/cancel").json["status"] == "cancelled"
    assert api.post(f"{QUEUE}/pause").status == 200
    eventually(lambda: s.worker.log_contains("worker.lanes_paused"))
    time.sleep(1)
    waits = [is_accepted(api.purge("key:12"))["job_id"] for _ in range(3)]
    # Taken out of the middle, so that Redis cannot say how many wait.
    assert api.post(f"/v1/jobs/{waits[1]}/cancel").json["status"] == "cancelled"
    time.sleep(LOOK_S)
    assert api.post(f"{QUEUE}/purge", {"expected_count": 1000}).status == 200
    assert api.post(f"{QUEUE}/resume").status == 200
    s.done(keys=["key:14"])


def use_failures(s):
    api, cache = s.api, s.cache.client()
    # a cache that refuses: tried again, dead, brought back
    cache.execute_command("ACL", "SETUSER", "purgeway-cache-worker", "-unlink")
    ids = [is_accepted(api.purge(f"key:{i}"))["job_id"] for i in (20, 21, 22)]
    eventually(lambda: len(api.get("/v1/dead-letters").json["dead_letters"]) == 3)
    cache.execute_command("ACL", "SETUSER", "purgeway-cache-worker", "+unlink")
    cache.acl_log_reset()
    assert api.get(f"/v1/dead-letters/{ids[0]}").status == 200
    assert api.delete(f"/v1/dead-letters/{ids[0]}").status == 200
    assert api.post(f"/v1/dead-letters/{ids[1]}/redrive").status == 200
    assert api.post("/v1/dead-letter-redrives", {"all": True, "expected_count": 1}).status == 200
    # a cache that is away: put off, taken up again
    s.cache.pause()
    late = is_accepted(api.purge("key:23"))["job_id"]
    eventually(lambda: api.job(late).json["status"] in ("retrying", "dead"))
    s.cache.resume()
    # a worker that is killed over a walk, and its successor, which goes on with it
    cache.mset({f"page:{i}": 1 for i in range(30000)})
    walk = is_accepted(api.purge(patterns=["page:*"]))["job_id"]
    eventually(lambda: api.job(walk).json.get("progress"))
    s.worker.kill9()
    s.worker = s.start("worker")
    eventually(lambda: api.job(walk).json["status"] == "succeeded")
    # a stream that is deleted
    s.broker.client().delete("purgeway:{main}:high")
    eventually(lambda: s.worker.log_contains("queue.group_created"))


@pytest.mark.lengthy
def test_files_permit_what_is_used_and_nothing_else(make, tmp_path):
    s = Scene(make, tmp_path)
    use_everything(s)
    use_controls(s)
    use_failures(s)
    eventually(lambda: not UNSEEN - statistics(s.broker))
    for seen in s.seen:
        seen.end()
    assert not denied(s.broker, s.cache)
    for seen, names in zip(s.seen, (("gateway", "worker"), ("cache-gateway", "cache-worker"))):
        for name in names:
            # AUTH needs no permission.
            assert seen.used[name] - {"auth"} <= permitted(name)
            assert permitted(name) - seen.used[name] - UNSEEN - set(ELSEWHERE) == set(), name


def statistics(redis):
    return {name.removeprefix("cmdstat_") for name in redis.client().info("commandstats")}


def test_what_is_permitted_for_other_times_is_still_asked_for():
    text = "".join(path.read_text() for folder in ("src", "lua")
                   for path in (ROOT / folder).rglob("*.*")).lower()
    for command, words in ELSEWHERE.items():
        assert words in text, command
        assert any(command in permitted(name) for name in ALL)


@pytest.mark.lengthy
def test_files_are_enough_in_clusters(make, tmp_path):
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    with Cluster() as broker, Cluster() as cache:
        for cluster, names in ((broker, ("gateway", "worker")),
                               (cache, ("cache-gateway", "cache-worker"))):
            for node in cluster.nodes:
                for name in names:
                    set_user(node, name)
        for role in ("gateway", "worker"):
            server = make(
                Purgeway, role, broker_durability="memory", sweep_share=100, rebounds="-",
                broker_url=f"redis-cluster://purgeway-{role}@{broker.seeds()}"
                           f"?password_file={secret}",
                targets=[f"cache=redis-cluster://purgeway-cache-{role}@{cache.seeds()}"
                         f"?password_file={secret}"])
            if role == "gateway":
                api = server.api
        with redis_client.RedisCluster(host="127.0.0.1", port=cache.nodes[0].port) as client:
            for i in range(500):
                client.set(f"key:{i}", 1)
        assert api.post("/v1/taggings", {"tags": ["t"], "keys": ["key:1", "key:2"]}).status == 200
        for body, removed in (({"tags": ["t"]}, 2), ({"keys": ["key:3"]}, 1),
                              ({"patterns": ["key:*"]}, 497)):
            job = api.finished(is_accepted(api.post("/v1/invalidations", body))["job_id"])
            assert job["status"] == "succeeded" and job["result"]["removed"] == removed, job
        assert not denied(*broker.nodes, *cache.nodes)


@pytest.mark.parametrize("name", ALL)
def test_a_file_is_one_that_redis_loads(make, tmp_path, name):
    path = tmp_path / "users.acl"
    path.write_text("user default on nopass ~* &* +@all\n" + (FOLDER / f"{name}.acl").read_text())
    redis = make(Redis, aclfile=str(path))
    user = redis.client().acl_getuser(f"purgeway-{name}")
    # Switched on by giving it a password, and not by being copied.
    assert "off" in user["flags"] and not user["passwords"]


@pytest.mark.parametrize("name, words", [
    ("gateway", "GET session:1"), ("gateway", "FLUSHALL"), ("gateway", "XREADGROUP GROUP g c STREAMS purgeway:s >"),
    ("gateway", "UNLINK purgeway:x"), ("gateway", "CONFIG SET save 1"), ("gateway", "KEYS *"),
    ("worker", "GET session:1"), ("worker", "CONFIG SET dir /tmp"), ("worker", "ACL LIST"),
    ("cache-gateway", "UNLINK session:1"), ("cache-gateway", "SADD session:1 a"),
    ("cache-worker", "FLUSHALL"), ("cache-worker", "KEYS *"), ("cache-worker", "SLAVEOF a 1"),
    ("cache-worker", "EVALSHA x 0"), ("cache-worker", "MODULE LIST"), ("cache-worker", "DEBUG JMAP")])
def test_nothing_else_is_permitted(make, name, words):
    redis = make(Redis)
    set_user(redis, name)
    with redis.client(username=f"purgeway-{name}", password=PASSWORD) as client:
        with pytest.raises(redis_client.exceptions.NoPermissionError):
            client.execute_command(*words.split())
