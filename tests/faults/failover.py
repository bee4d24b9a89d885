"""The broker's master is killed, again and again, at class `replicated`.

Three Sentinels watch over a master and a replica. Each turn the master dies under load, sometimes
after its replica was out of step; Sentinels make the replica the master, and the old one comes
back as its replica. What was acknowledged was confirmed by the replica, so none of it may be lost.
"""
import bisect
import random
import time

import redis as redis_client

from installation import Installation
from support.processes import eventually
from support.servers import Redis
from support.topologies import Sentinels


class Pair(Installation):
    """Two brokers behind Sentinels; `broker` is the one that is the master."""

    def __init__(self):
        self.sentinels = Sentinels()
        target = Redis()
        super().__init__(
            self.sentinels.servers[0], target, rebounds="-", broker_durability="replicated",
            target_url=target.url(),
            broker_url=f"redis-sentinel://{self.sentinels.seeds()}/cache")

    def find_master(self):
        self.broker = self.sentinels.master()
        return self.broker

    def agrees_on_another(self, old):
        """All Sentinels name the same master, are content with it, and it is not `old`. A master
        that keeps nothing on disk must not come back before: it would be taken for itself, empty."""
        seen = {(facts["port"], facts["flags"]) for facts in
                (sentinel.facts() for sentinel in self.sentinels.sentinels)}
        self.find_master()
        return seen == {(str(self.broker.port), "master")} and self.broker is not old

    def replica(self):
        return next(s for s in self.sentinels.servers if s is not self.broker)

    def is_in_step(self):
        """The replica hears the master, and the Sentinels would choose it."""
        try:
            with self.replica().client(socket_timeout=2) as client:
                info = client.info("replication")
        except redis_client.RedisError:
            return False
        return info["role"] == "slave" and info["master_link_status"] == "up" and \
            info["master_port"] == self.broker.port and self.sentinels.is_settled()

    def close(self):
        problems = super().close()
        self.sentinels.close()
        return problems


class Failovers:
    """`count` of them, with choices by the seed."""

    def __init__(self, pair, seed, count, say):
        self.pair, self.count, self.say = pair, count, say
        self.random = random.Random(f"{seed}/failovers")
        self.kills = []   #: when the masters died
        self.deaf = []    #: when nobody could confirm
        self.mended = []  #: when there was a replica again

    def run(self):
        pair = self.pair
        eventually(pair.is_in_step, what="the replica")
        for turn in range(self.count):
            time.sleep(self.random.uniform(1, 2))
            late = self.random.random() < 0.3
            if late:
                # Nothing can be confirmed meanwhile, so nothing may be acknowledged.
                pair.replica().stand_still()
                since = time.monotonic()
                time.sleep(self.random.uniform(0.2, 0.8))
                self.deaf.append((since, time.monotonic()))
                pair.replica().resume()
            old = pair.find_master()
            self.kills.append(time.monotonic())
            old.kill9()
            eventually(lambda old=old: pair.agrees_on_another(old), what="the failover")
            took = time.monotonic() - self.kills[-1]
            back = self.come_back(old, pair.broker)
            self.say(f"  failover {turn + 1}, {took:.1f} s" + (", replica late" if late else "") +
                     (", came back as a master" if back else ""))
            eventually(pair.is_in_step, what="the new replica")
            self.mended.append(time.monotonic())
        time.sleep(1)

    def come_back(self, old, new):
        """Sometimes it takes itself for the master, until the Sentinels tell it otherwise."""
        as_master = self.random.random() < 0.1
        new.settings.pop("replicaof", None)
        old.settings.pop("replicaof", None)
        if not as_master:
            old.settings["replicaof"] = f"127.0.0.1 {new.port}"
        old.start(wait=False)
        return as_master

    def figures(self, promises):
        """From a master's death, and from when its successor had a replica again, to the next
        acknowledgement."""
        times = sorted(promise.at for promise in promises)
        waits = {"death": self.kills, "replica": self.mended}
        found = {"failovers": len(self.kills)}
        for name, moments in waits.items():
            # What was under way when the master died may still be told a moment later.
            after = sorted(round(times[at] - moment, 1) for moment in moments
                           if (at := bisect.bisect(times, moment + 0.1)) < len(times))
            found[f"acknowledged again after {name} s median"] = after[len(after) // 2]
            found[f"acknowledged again after {name} s most"] = after[-1]
        return found
