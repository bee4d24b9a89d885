"""What is broken when: drawn from a seed, one fault after the other, sometimes two at once."""
import random
import time
from collections import Counter

import redis as redis_client

from support.processes import eventually


#: How a program ends that will not start on such a broker.
REFUSED = 78


class Nemesis:
    """Its choices depend on the seed alone, and not on what came of them."""

    def __init__(self, scene, seed, kinds, interval_s, say):
        self.scene, self.kinds, self.interval_s, self.say = scene, kinds, interval_s, say
        self.random = random.Random(f"{seed}/nemesis")
        self.running = []  #: (fault, when it ends)
        self.deaf = []     #: (from, to) when the broker could keep nothing
        self.since = {}    #: fault -> when it had begun
        self.counts = Counter()
        self.exits = []          #: servers that ended and were not killed
        self.refusals = 0
        self.restarts = {}       #: server -> when it is started again
        self.began = time.monotonic()

    def turn(self):
        """A pause, then one fault, or two at once."""
        until = time.monotonic() + self.interval_s * self.random.uniform(0.4, 1.6)
        while time.monotonic() < until:
            self.mend()
            time.sleep(0.02)
        for _ in range(2 if self.random.random() < 0.2 else 1):
            self.strike()

    def strike(self):
        kind = self.random.choice(self.kinds)
        fault = kind(self.scene, random.Random(self.random.random()))
        if any(fault.holds & other.holds for other, _ in self.running):
            return
        if any(not server.is_alive() for server in self.scene.all() if server in fault.holds):
            return  # it is down by itself
        try:
            fault.begin()
        except (OSError, redis_client.RedisError) as problem:
            self.tell(f"{kind.name}: left out, {problem}")
            fault.end()
            return
        self.counts[kind.name] += 1
        self.tell(f"{kind.name}: {fault.note}, {fault.seconds:.1f} s")
        self.since[fault] = time.monotonic()
        self.running.append((fault, self.since[fault] + fault.seconds))

    def tell(self, text):
        self.say(f"  {time.monotonic() - self.began:7.1f} s  {text}")

    def mend(self):
        """End what is due."""
        now = time.monotonic()
        for fault, until in list(self.running):
            if until <= now or fault.is_over():
                self.running.remove((fault, until))
                self.end(fault)
            else:
                fault.tick()
        self.supervise()

    def end(self, fault):
        if fault.deaf:
            self.deaf.append((self.since[fault], time.monotonic()))
        fault.end()
        if fault.outcome:
            self.tell(f"{fault.name} ends: {fault.outcome}")

    def supervise(self):
        """Start what ended by itself, as whoever runs a service does."""
        held = set().union(*(fault.holds for fault, _ in self.running))
        now = time.monotonic()
        for server in self.scene.all():
            if server.is_alive() or server in held:
                self.restarts.pop(server, None)
                continue
            if server not in self.restarts:
                self.restarts[server] = now + 1
                self.note_exit(server)
            if self.restarts[server] <= now:
                del self.restarts[server]
                server.start(wait=False)

    def note_exit(self, server):
        name, code = self.scene.name_of(server), server.process.returncode
        if server in self.scene.services() and code == REFUSED:
            # What it was asked to rely on cannot keep what it promises.
            self.refusals += 1
            return
        self.tell(f"{name} ended with {code}: {(server.output() + server.errors()).strip()[-160:]}")
        # A store may give up when its disk does; ours may not.
        if server in self.scene.services():
            self.exits.append(f"{name} ended with {code}: {server.tail(500)}")

    def make_peace(self):
        """Nothing is broken any longer, and everything runs."""
        while self.running:
            self.end(self.running.pop()[0])
        for server in self.scene.gateways:
            eventually(lambda server=server: self.is_ready(server), what="a gateway that is ready")

    def is_ready(self, server):
        self.supervise()
        assert server.is_alive(), "it is started again"
        assert server.is_ready(), server.api.get("/readyz?verbose").body
        return True
