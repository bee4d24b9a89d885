"""What is broken when: drawn from a seed, one fault after the other, sometimes two at once."""
import random
import time
from collections import Counter

import redis as redis_client

from support.processes import eventually


class Nemesis:
    """Its choices depend on the seed alone, and not on what came of them."""

    def __init__(self, scene, seed, kinds, interval_s, say):
        self.scene, self.kinds, self.interval_s, self.say = scene, kinds, interval_s, say
        self.random = random.Random(f"{seed}/nemesis")
        self.running = []  #: (fault, when it ends)
        self.counts = Counter()
        self.exits = Counter()   #: how servers ended that nobody killed
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
        try:
            fault.begin()
        except (OSError, redis_client.RedisError) as problem:
            self.tell(f"{kind.name}: left out, {problem}")
            fault.end()
            return
        self.counts[kind.name] += 1
        self.tell(f"{kind.name} {fault.note}, {fault.seconds:.1f} s")
        self.running.append((fault, time.monotonic() + fault.seconds))

    def tell(self, text):
        self.say(f"  {time.monotonic() - self.began:7.1f} s  {text}")

    def mend(self):
        """End what is due."""
        now = time.monotonic()
        for fault, until in list(self.running):
            if until <= now or fault.is_over():
                self.running.remove((fault, until))
                fault.end()
            else:
                fault.tick()
        self.supervise()

    def supervise(self):
        """Start what ended by itself, as whoever runs a service does."""
        held = set().union(*(fault.holds for fault, _ in self.running))
        now = time.monotonic()
        for server in self.scene.all():
            if server.is_alive() or server in held:
                continue
            if server not in self.restarts:
                self.restarts[server] = now + 0.3
                ended = f"{self.scene.name_of(server)} ended with {server.process.returncode}"
                self.exits[ended] += 1
                self.tell(ended)
            if self.restarts[server] <= now:
                del self.restarts[server]
                server.start(wait=False)

    def make_peace(self):
        """Nothing is broken any longer, and everything runs."""
        while self.running:
            self.running.pop()[0].end()
        self.restarts.clear()
        self.scene.start_missing()
        for server in self.scene.gateways:
            eventually(server.is_ready)
