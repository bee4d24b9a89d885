"""A Redis that is made to misbehave by its own commands, as by an operator."""
import redis as redis_client

from account import LANES
from nemesis.fault import Fault, OnServer, config, insist


class OnStore(OnServer):
    def victims(self):
        return self.scene.stores()

    def client(self):
        return self.victim.client(socket_timeout=1)


class Sleep(OnStore):
    """DEBUG SLEEP: it accepts connections and commands, and answers none."""
    name = "sleep"
    lasts = (0.5, 4)

    def begin(self):
        with self.victim.client(socket_timeout=0.05) as client:
            try:
                client.execute_command("DEBUG", "SLEEP", f"{self.seconds:.2f}")
            except redis_client.TimeoutError:
                pass


class CutClients(OnStore):
    """CLIENT KILL TYPE normal, over and over: what was sent may or may not have been done."""
    name = "cut-clients"
    lasts = (0.5, 3)

    def begin(self):
        with self.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def tick(self):
        if self.random.random() < 0.2:
            try:
                self.begin()
            except redis_client.RedisError:
                pass  # it is slow; the next tick comes


class PauseWrites(OnStore):
    """CLIENT PAUSE WRITE: reads are answered, writes wait."""
    name = "pause-writes"
    lasts = (0.5, 3)

    def begin(self):
        with self.client() as client:
            client.execute_command("CLIENT", "PAUSE", str(int(self.seconds * 1000)), "WRITE")

    def end(self):
        insist(self.victim, "CLIENT", "UNPAUSE")


class OnBroker(Fault):
    def __init__(self, scene, random):
        super().__init__(scene, random)
        self.broker = scene.broker
        self.holds = {scene.broker}
        self.note = "broker"


class FullMemory(OnBroker):
    """Out of memory: nothing more is accepted, what was accepted is still done."""
    name = "full-memory"
    deaf = True
    lasts = (1, 4)

    def begin(self):
        with self.broker.client(socket_timeout=1) as client:
            client.config_set("maxmemory", 1)

    def end(self):
        config(self.broker, "maxmemory", 0)


class WrongPolicy(OnBroker):
    """A policy by which the broker might evict the queue."""
    name = "wrong-policy"
    lasts = (1, 12)

    def begin(self):
        with self.broker.client(socket_timeout=1) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")

    def end(self):
        config(self.broker, "maxmemory-policy", "noeviction")


class OtherFsync(OnBroker):
    """appendfsync is changed under the running service."""
    name = "other-fsync"
    lasts = (1, 12)

    def begin(self):
        with self.broker.client(socket_timeout=1) as client:
            client.config_set("appendfsync", self.random.choice(["everysec", "no"]))

    def end(self):
        config(self.broker, "appendfsync", "always")
        # The first write after it syncs all that came before; a power cut must not come between.
        insist(self.broker, "SET", "proof:synced", 1)


class NoGroup(OnBroker):
    """XGROUP DESTROY: who reads what is forgotten, and what was read and not acknowledged."""
    name = "no-group"
    lasts = (0, 0.1)

    def begin(self):
        lanes = self.random.sample(LANES, self.random.randrange(1, 1 + len(LANES)))
        with self.broker.client(socket_timeout=1) as client:
            for lane in lanes:
                client.execute_command("XGROUP", "DESTROY", f"purgeway:{{main}}:{lane}",
                                       "purgeway")


class NoScripts(OnStore):
    """SCRIPT FLUSH: the scripts that the service relies on are unknown."""
    name = "no-scripts"
    lasts = (0, 0.1)

    def begin(self):
        with self.client() as client:
            client.script_flush()


FAULTS = (Sleep, CutClients, PauseWrites, FullMemory, WrongPolicy, OtherFsync, NoGroup, NoScripts)
