"""Who makes the load of a proof: clients that collect promises, watchers that look at jobs."""
import http.client
import json
import random
import threading
import time

import redis as redis_client

from account import Account, Promise, judge, queue_is_empty, went_back
from support.processes import eventually

CLIENTS = 6
WATCHERS = 2


class Client(threading.Thread):
    """Sets keys, asks for their removal, and remembers what it was promised."""

    def __init__(self, installation, number, seed, stop):
        super().__init__(daemon=True, name=f"client-{number}")
        self.installation, self.number, self.stop = installation, number, stop
        self.random = random.Random(f"{seed}/client/{number}")
        self.account = Account()
        self.redis = installation.target()
        self.connection = None
        self.sequence = 0

    def run(self):
        while not self.stop.is_set():
            # In bursts, so that workers have something in hand when they die.
            for _ in range(self.random.randrange(1, 40)):
                self.once()
                if self.stop.is_set():
                    return
            self.stop.wait(self.random.random() * 0.5)

    def once(self):
        self.sequence += 1
        stem = f"load:{self.number}:{self.sequence}:"
        count = self.random.choice((1, 1, 1, 2, 5, 50))
        present = [f"{stem}{i}" for i in range(count)]
        absent = [f"{stem}absent:{i}" for i in range(self.random.randrange(3))]
        control = f"{stem}control"
        try:
            self.redis.mset({key: "v" for key in [*present, control]})
        except redis_client.RedisError:
            # Whether these keys exist is not known; nothing is asked about them.
            self.stop.wait(0.02)
            return
        self.account.controls.append(control)
        self.ask(present, absent)

    def ask(self, present, absent):
        body = {"keys": [*present, *absent],
                "priority": self.random.choice(("high", "high", "normal", "low"))}
        try:
            if self.connection is None:
                gateway = self.random.choice(self.installation.gateways)
                connection = gateway.api.connect(timeout=30)
                connection.connect()
                self.connection = connection
        except OSError:
            self.account.unreachable += 1
            self.stop.wait(0.02)
            return
        asked = time.monotonic()
        try:
            self.connection.request("POST", "/v1/invalidations", json.dumps(body),
                                    {"Content-Type": "application/json"})
            response = self.connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.account.unknown += 1
            self.connection = None
            self.stop.wait(0.02)
            return
        if response.status == 202:
            self.account.promises.append(
                Promise(answer["job_id"], present, len(present) + len(absent), asked,
                        time.monotonic()))
            return
        self.account.refused += 1
        # Only what cannot be promised now may be refused, and it says when to come back.
        if response.status != 503 or not response.headers.get("retry-after"):
            self.account.odd.append((response.status, answer))
        self.stop.wait(0.02)


class Watcher(threading.Thread):
    """Looks at a sample of the jobs again and again, one look after the other."""

    def __init__(self, installation, clients, seed, number, stop):
        super().__init__(daemon=True, name=f"watcher-{number}")
        self.installation, self.clients, self.stop = installation, clients, stop
        self.random = random.Random(f"{seed}/watcher/{number}")
        self.account = Account()
        self.seen = {}
        self.connection = None

    def run(self):
        while not self.stop.is_set():
            promises = self.random.choice(self.clients).account.promises
            if not promises:
                self.stop.wait(0.05)
                continue
            # Mostly young ones, which still change; some old ones, which must not.
            at = -1 - min(int(self.random.expovariate(0.1)), len(promises) - 1)
            if self.random.random() < 0.2:
                at = self.random.randrange(len(promises))
            for _ in range(self.random.randrange(1, 5)):
                self.look(promises[at].job_id)
                self.stop.wait(0.002)  # the processors are for the servers

    def look(self, job_id):
        try:
            if self.connection is None:
                gateway = self.random.choice(self.installation.gateways)
                self.connection = gateway.api.connect(timeout=30)
            self.connection.request("GET", f"/v1/jobs/{job_id}")
            response = self.connection.getresponse()
            job = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.connection = None
            self.stop.wait(0.02)
            return
        if response.status == 503:
            return
        self.account.looks += 1
        if response.status != 200:
            self.account.backwards.append((job_id, "vanished", response.status))
            return
        before = self.seen.get(job_id)
        if before and went_back(before, job):
            self.account.backwards.append((job_id, before, job))
        self.seen[job_id] = job


class Load:
    """All of them, from start to the verdict."""

    def __init__(self, installation, seed):
        self._stop, self._watched = threading.Event(), threading.Event()
        self.installation = installation
        self.clients = [Client(installation, n, seed, self._stop) for n in range(CLIENTS)]
        self.watchers = [Watcher(installation, self.clients, seed, n, self._watched)
                         for n in range(WATCHERS)]

    def start(self):
        for thread in [*self.clients, *self.watchers]:
            thread.start()

    def acknowledged(self):
        return sum(len(client.account.promises) for client in self.clients)

    def stop(self):
        """No more is asked; what was asked may still be answered."""
        self._stop.set()

    def end(self):
        """No more promises."""
        self.stop()
        for client in self.clients:
            client.join()

    def judge(self, deaf=()):
        """(what must be nothing, by name; further figures), once everything runs again."""
        findings, figures = judge(self.installation, self.clients, self.watchers, self._watched,
                                  deaf)
        findings["left_in_queue"] = []
        try:
            eventually(lambda: queue_is_empty(self.installation), 20)
        except AssertionError as problem:
            findings["left_in_queue"] = [str(problem)]
        return findings, figures

    def give_up(self):
        self._stop.set()
        self._watched.set()
