"""Redis in its other shapes: a cluster, a master that Sentinels watch over, a server behind TLS.

All of real processes on loopback, made as an operator makes them, each ready when its
constructor returns. `Probe` is the product's own view of one: a program that keeps keys
coming and going through a deployment and says what it saw.
"""
import json
import os
import select
import subprocess
import time

import redis as redis_client

from support.processes import PATIENCE_S, Child, eventually, free_port
from support.servers import Redis, environment, program

#: How soon the nodes give each other up; short, so that failovers fit into a test.
NODE_TIMEOUT_MS = 1000
DOWN_AFTER_MS = 500
#: Redis ends a failover by hand that has not come about within 5 s.
FAILOVER_ASKED_S = 7


def start_all(servers):
    """All at once, then wait for each."""
    for server in servers:
        server.start(wait=False)
    for server in servers:
        eventually(server.answers, what="redis-server")


def close_all(servers):
    for server in servers:
        server.close()


class Cluster:
    """`masters` masters, each with `replicas` replicas; further settings go to every node."""

    def __init__(self, masters=3, replicas=0, cli=(), **settings):
        self._settings = settings
        self._cli = list(cli)
        self.nodes = [self._make() for _ in range(masters * (1 + replicas))]
        try:
            start_all(self.nodes)
            self.cli("create", *(self.address(n) for n in self.nodes),
                     "--cluster-replicas", str(replicas), "--cluster-yes")
            eventually(self.is_settled, what="the cluster")
        except BaseException:
            self.close()
            raise

    def _make(self):
        return Redis(start=False, **{
            "appendonly": "no", "cluster_enabled": "yes", "cluster_port": str(free_port()),
            "cluster_node_timeout": str(NODE_TIMEOUT_MS), "repl_diskless_sync_delay": "0",
            "cluster_allow_replica_migration": "no", **self._settings})

    @staticmethod
    def address(node):
        return f"127.0.0.1:{node.settings.get('tls-port', node.port)}"

    def cli(self, *words):
        """redis-cli --cluster ..."""
        done = subprocess.run(["redis-cli", *self._cli, "--cluster", *words], capture_output=True,
                              timeout=PATIENCE_S, check=False, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def seeds(self):
        return ",".join(self.address(n) for n in self.alive())

    def alive(self):
        return [n for n in self.nodes if n.is_alive()]

    @staticmethod
    def ask(node, *words):
        with node.client() as client:
            # The answers as they are: redis-py would make dictionaries of some.
            client.response_callbacks.clear()
            return client.execute_command(*words)

    def id(self, node):
        return self.ask(node, "CLUSTER", "MYID").decode()

    def is_settled(self):
        """Every node sees all slots served by nodes that answer, and its place in it all."""
        count = len(self.alive())
        for node in self.alive():
            info = self.ask(node, "CLUSTER", "INFO").decode()
            if "cluster_state:ok" not in info or f"cluster_known_nodes:{count}" not in info:
                return False
            if "master_link_status:down" in self.ask(node, "INFO", "replication").decode():
                return False
        return True

    def agrees(self):
        """Every node has the same view of who owns what, and at which epoch."""
        views = set()
        for node in self.alive():
            lines = self.ask(node, "CLUSTER", "NODES").decode().splitlines()
            views.add(tuple(sorted((words[0], words[6], *words[8:]) for words in
                                   (line.split() for line in lines) if "slave" not in words[2])))
        return len(views) == 1

    def masters(self):
        return [n for n in self.alive() if self.ask(n, "ROLE")[0] == b"master"]

    def owner(self, slot):
        """The node that owns a slot, as an owner itself says."""
        for node in self.masters():
            for line in self.ask(node, "CLUSTER", "NODES").decode().splitlines():
                words = line.split()
                if "myself" not in words[2]:
                    continue
                for word in words[8:]:
                    first, _, last = word.partition("-")
                    if first.isdigit() and int(first) <= slot <= int(last or first):
                        return node
        return None

    def replica_of(self, master):
        """A replica of it that has all its data."""
        return next(n for n in self.alive()
                    if self.ask(n, "ROLE")[0] == b"slave" and
                    self.ask(n, "ROLE")[2] == master.port and
                    self.ask(n, "ROLE")[3] == b"connected")

    def add_node(self, replica_of=None):
        """One more node: empty, or a replica that is in step."""
        node = self._make()
        self.nodes.append(node)
        node.start()
        words = ["add-node", self.address(node), self.address(self.nodes[0])]
        if replica_of:
            words += ["--cluster-slave", "--cluster-master-id", self.id(replica_of)]
        self.cli(*words)
        eventually(self.is_settled, what="the new node")
        if replica_of:
            # A master does not listen to a replica that it has not heard of yet.
            eventually(lambda: self.ask(replica_of, "CLUSTER", "REPLICAS", self.id(replica_of)),
                       what="the new replica")
        return node

    def remove(self, node):
        """A node that owns nothing leaves for good."""
        gone = self.id(node)
        self.nodes.remove(node)
        node.close()
        for other in self.alive():
            self.ask(other, "CLUSTER", "FORGET", gone)

    def fail_over_to(self, replica):
        """In order: no write that was acknowledged is lost."""
        def is_master():
            """One that was not elected within a few seconds has given up, and is asked again."""
            nonlocal asked_at
            if self.ask(replica, "ROLE")[0] == b"master":
                return True
            if time.monotonic() > asked_at + FAILOVER_ASKED_S:
                asked_at = time.monotonic()
                self.ask(replica, "CLUSTER", "FAILOVER")
            return False
        asked_at = time.monotonic()
        self.ask(replica, "CLUSTER", "FAILOVER")
        eventually(is_master, what="the failover")

    def open_slot(self, slot, source, target):
        """The first half of moving a slot: from here on the source answers ASK."""
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.id(source))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.id(target))

    def finish_slot(self, slot, source, target):
        """The second half: the keys, then the ownership."""
        while keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            self.ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in [target, source]:
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.id(target))

    def close(self):
        close_all(self.nodes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class SentinelServer(Child):
    """One redis-server --sentinel."""

    def __init__(self, master, password=None):
        super().__init__("sentinel")
        self.port = free_port()
        self.password = password
        path = os.path.join(self.directory, "sentinel.conf")
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.directory}",
                 f"sentinel monitor cache 127.0.0.1 {master.port} 2",
                 f"sentinel down-after-milliseconds cache {DOWN_AFTER_MS}",
                 "sentinel failover-timeout cache 3000", "sentinel parallel-syncs cache 1"]
        if password:
            lines += [f"requirepass {password}", f"sentinel sentinel-pass {password}"]
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        self.spawn(["redis-server", path, "--sentinel"])

    def client(self):
        return redis_client.Redis(port=self.port, password=self.password)

    def ask(self, *words):
        try:
            with self.client() as client:
                client.response_callbacks.clear()
                return client.execute_command(*words)
        except redis_client.ConnectionError as problem:
            raise OSError(str(problem)) from None

    def facts(self):
        """What it knows of the master, as a dictionary."""
        words = [w.decode() for w in self.ask("SENTINEL", "MASTER", "cache")]
        return dict(zip(words[::2], words[1::2]))


class Sentinels:
    """A master called `cache`, one replica, three Sentinels."""

    def __init__(self, password=None, **settings):
        self.servers = [Redis(appendonly="no", **settings)]
        self.sentinels = []
        try:
            self.servers.append(Redis.replica_of(self.servers[0], appendonly="no", **settings))
            self.sentinels = [SentinelServer(self.servers[0], password) for _ in range(3)]
            eventually(self.is_settled, what="the Sentinels")
        except BaseException:
            self.close()
            raise

    def is_settled(self):
        for sentinel in self.sentinels:
            facts = sentinel.facts()
            if facts["flags"] != "master" or facts["num-slaves"] != "1" or \
                    facts["num-other-sentinels"] != "2":
                return False
        return True

    def seeds(self):
        return ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels)

    def master(self):
        """Whom the first Sentinel that is alive names."""
        sentinel = next(s for s in self.sentinels if s.is_alive())
        port = int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "cache")[1])
        return next(s for s in self.servers if s.port == port)

    def close(self):
        close_all([*self.sentinels, *self.servers])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def tls_settings(certificates, **more):
    """For a Redis with a TLS port beside its others."""
    return {"tls_port": str(free_port()), "tls_cert_file": certificates.certificate,
            "tls_key_file": certificates.key, "tls_ca_cert_file": certificates.authority,
            "tls_auth_clients": "no", **more}


class Probe:
    """tests/support/deployment_probe.c; the options are its own."""

    def __init__(self, **options):
        path = os.path.join(os.path.dirname(program()), "tests", "support", "deployment_probe")
        argv = [path, *(f"{name}={value}" for name, value in options.items())]
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment())

    def ask(self, word):
        if self._process.poll() is not None:
            raise RuntimeError(f"the probe ended: {self._process.stderr.read().decode()}")
        self._process.stdin.write(word.encode() + b"\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_S)
        assert ready, f"the probe does not answer {word!r}"
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read().decode()
        return json.loads(line)

    def stats(self):
        return self.ask("stats")

    def until(self, what, patience_s=PATIENCE_S):
        """The first statistics of which `what` is true."""
        seen = {}

        def check():
            seen.update(self.stats())
            return what(seen)
        try:
            eventually(check, patience_s, what="what the probe should see")
        except AssertionError as problem:
            raise AssertionError(f"{problem}; it saw {seen}") from None
        return seen

    def goes_on(self, more=200):
        """The load gets through: so many more rounds than so far."""
        so_far = self.stats()["cycles"]
        return self.until(lambda s: s["ready"] and s["cycles"] >= so_far + more)

    def rest(self):
        """No more load; the statistics once nothing is under way."""
        self.ask("stop")
        return self.until(lambda s: s["busy"] == 0)

    def is_cut_off_for(self, seconds):
        """Watch that nothing gets ready for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert not self.stats()["ready"]
            time.sleep(0.02)

    def close(self):
        if self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        text = self._process.stderr.read().decode()
        self._process.stdout.close()
        self._process.stderr.close()
        assert self._process.returncode == 0, text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
