"""A cache fails over to a replica that had not heard of the last purges.

PGW_FAILOVERS is how many times (10). After each, what was acknowledged as removed must be gone
within five seconds, though the new master had it.
"""
import os
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support.processes import eventually, free_port  # noqa: E402
from support.servers import Purgeway, Redis  # noqa: E402

FAILOVERS = int(os.environ.get("PGW_FAILOVERS", "10"))
KEYS = 300
PATIENCE_S = 5


class Pair:
    """A master and its replica behind one name: a link to the socket of one of them."""

    def __init__(self, directory):
        self.link = os.path.join(directory, "cache.sock")
        self.master = Redis(appendonly="no")
        self.replica = Redis.replica_of(self.master, appendonly="no")
        self.point()

    def point(self):
        fresh = self.link + ".new"
        os.symlink(self.master.socket_path, fresh)
        os.replace(fresh, self.link)

    def cut(self, *keys):
        """From here on the replica hears of nothing; it has these keys."""
        eventually(lambda: self.replica.client().exists(*keys) == len(keys), what="the replica")
        self.replica.client().replicaof("NO", "ONE")

    def fail_over(self):
        old = self.master
        self.master, self.replica = self.replica, None
        self.point()
        old.kill9()
        old.close()

    def heal(self):
        self.replica = Redis.replica_of(self.master, appendonly="no")

    def close(self):
        for server in (self.master, self.replica):
            if server:
                server.close()


def load(server, stop, problems):
    number = 0
    while not stop.is_set():
        number += 1
        answer = server.api.purge(f"load:{number % 1000}")
        if answer.status != 202:
            problems.append(answer)


def test_purges_are_not_undone(tmp_path):
    pair = Pair(str(tmp_path))
    stop, problems = threading.Event(), []
    with Redis() as broker, Purgeway(broker_url=broker.url(), broker_durability="memory",
                                     rebounds="-", target_timeout_ms=1000,
                                     target_url=f"unix://{pair.link}") as server:
        thread = threading.Thread(target=load, args=(server, stop, problems))
        thread.start()
        try:
            came_back = 0
            for turn in range(FAILOVERS):
                keys = [f"k:{turn}:{i}" for i in range(KEYS)]
                pair.master.client().mset({key: 1 for key in keys})
                pair.cut(*keys)
                ended = [server.api.purge(*keys[i:i + 50], prefer="wait=10")
                         for i in range(0, KEYS, 50)]
                assert all(answer.json["status"] == "succeeded" for answer in ended)
                assert pair.master.client().exists(*keys) == 0
                came_back += pair.replica.client().exists(*keys)
                pair.fail_over()
                eventually(lambda keys=keys: not pair.master.client().exists(*keys), PATIENCE_S,
                           what="the end of what had come back")
                pair.heal()
            assert came_back == FAILOVERS * KEYS, "the replica had them"
            assert server.api.metric("purgeway_resurrections_prevented_total") >= came_back
        finally:
            stop.set()
            thread.join()
            pair.close()
    assert not problems


def test_without_a_journal_they_are(tmp_path):
    """The checker sees what it should."""
    pair = Pair(str(tmp_path))
    try:
        with Redis() as broker, Purgeway(broker_url=broker.url(), broker_durability="memory",
                                         rebounds="-", journal_ms=0,
                                         target_url=f"unix://{pair.link}") as server:
            pair.master.client().set("k", 1)
            pair.cut("k")
            assert server.api.purge("k", prefer="wait=10").json["status"] == "succeeded"
            pair.fail_over()
            eventually(lambda: server.api.purge("other", prefer="wait=10").json["status"] ==
                       "succeeded")
            assert pair.master.client().exists("k")
    finally:
        pair.close()


def test_an_empty_replica_is_not_believed():
    """A broker that comes back as a replica and has nothing yet cannot say that there is no job."""
    with Redis() as broker, Purgeway("gateway", broker_url=broker.url(),
                                     broker_durability="memory") as gateway:
        job_id = gateway.api.purge("k").json["job_id"]
        gateway.stand_still()
        with broker.client() as client:
            client.flushall()
            client.replicaof("127.0.0.1", free_port())
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        gateway.resume()
        answers = [gateway.api.job(job_id) for _ in range(5)]
        assert {answer.status for answer in answers} == {503}, answers
        broker.client().replicaof("NO", "ONE")
        eventually(gateway.is_ready)
        assert gateway.api.job(job_id).status == 404
