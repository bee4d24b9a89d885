"""kill -9 under load, and an honest account of what became of every promise.

Two gateways and two workers run on one Redis (append-only file, synced always). Clients
set keys and ask for their removal; a nemesis, driven by a seed, kills gateways, workers
and Redis at random moments, or lets a worker kill itself at a named step where the build
has such steps. Afterwards everything is started again and given time, and then:

    lost keys   a key that existed when its removal was acknowledged still exists
    lost jobs   an acknowledged job of which the service knows nothing, or which failed
    stuck jobs  an acknowledged job that has not ended
    backwards   a job whose status or attempt was seen to go back, or whose end changed
    miscounted  an ended job whose counts do not add up to what was asked
    touched     a key that nobody named is gone
    odd         a refusal other than 503 with Retry-After

must all be 0. The account is kept by the clients, from what they were told; nothing is
believed that the service does not say over HTTP or Redis does not show.

`--break` damages the system behind its back, in a way that must be found: it shows that
this checker can fail.
"""
import argparse
import http.client
import json
import pathlib
import random
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import redis as redis_client

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.client import Raw  # noqa: E402
from support.processes import eventually  # noqa: E402
from support.servers import Purgeway, Redis, program  # noqa: E402

CLIENTS = 6
WATCHERS = 2
#: The steps between which a worker or a gateway may be killed (src: PGW_FAILPOINT).
WORKER_STEPS = ("take.after", "effect.after", "settle.after")
GATEWAY_STEPS = ("accept.after_write",)
QUIET_S = 90
RANK = {"scheduled": 0, "queued": 0, "running": 1, "retrying": 1, "succeeded": 2, "failed": 2,
        "dead": 2, "cancelled": 2}


def has_failpoints():
    with open(program(), "rb") as file:
        return GATEWAY_STEPS[0].encode() in file.read()


@dataclass
class Promise:
    """One acknowledged job, as its client remembers it."""
    job_id: str
    present: list  #: keys that existed when it was acknowledged
    requested: int
    at: float


@dataclass
class Account:
    """What clients and watchers saw; every list is appended to by its own thread only."""
    promises: list = field(default_factory=list)
    refused: int = 0
    unknown: int = 0   #: the connection broke before an answer came: no promise was made
    looks: int = 0
    backwards: list = field(default_factory=list)
    odd: list = field(default_factory=list)
    controls: list = field(default_factory=list)


class Installation:
    """The servers. `layout` is where results and target lie: beside the queue, or apart."""

    def __init__(self, layout, rebounds):
        self.redis = Redis()
        self.target_db = 0 if layout == "beside" else 1
        settings = {"broker_url": self.redis.url(), "broker_timeout_ms": 1000,
                    "target_timeout_ms": 1000, "worker_idle_ms": 1500, "worker_beat_ms": 500,
                    "results_ttl_s": 36000, "threads": 1, "drain_ms": 20000, "rebounds": rebounds}
        if layout != "beside":
            settings["results_url"] = self.redis.url(db=2)
            settings["target_url"] = self.redis.url(db=1)
        self.gateways = [Purgeway("gateway", allow_codes=(0, -signal.SIGKILL), **settings)
                         for _ in range(2)]
        self.workers = [Purgeway("worker", allow_codes=(0, -signal.SIGKILL), **settings)
                        for _ in range(2)]

    def target(self):
        return self.redis.client(db=self.target_db, socket_timeout=5)

    def all(self):
        return [*self.workers, *self.gateways, self.redis]

    def start_missing(self):
        for server in self.all():
            if not server.is_alive():
                server.start(wait=False)

    def close(self):
        problems = []
        for server in self.all():
            try:
                server.close()
            except AssertionError as problem:
                problems.append(str(problem))
        return problems


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
        stem = f"k9:{self.number}:{self.sequence}:"
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
                self.connection = gateway.api.connect(timeout=30)
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
                Promise(answer["job_id"], present, len(present) + len(absent), time.monotonic()))
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


def went_back(before, now):
    if RANK[before["status"]] == 2:
        return now != before
    return RANK[now["status"]] < RANK[before["status"]] or now["attempts"] < before["attempts"]


class Nemesis:
    """Kills, by the seed. Runs in the main thread, which the servers live and die with."""

    def __init__(self, installation, seed, interval_s, failpoints):
        self.installation = installation
        self.random = random.Random(f"{seed}/nemesis")
        self.interval_s = interval_s
        self.failpoints = failpoints
        self.kills = Counter()
        self.down = {}  #: server -> when to start it again
        self.paused = {}
        self.armed = {server: False for server in installation.all()}

    def total(self):
        return sum(self.kills.values())

    def turn(self):
        """One fault, or two at once; what is due again is started meanwhile."""
        pause = self.interval_s * self.random.uniform(0.4, 1.6)
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline:
            self.revive()
            time.sleep(0.02)
        for _ in range(2 if self.random.random() < 0.2 else 1):
            self.strike()

    def strike(self):
        installation = self.installation
        victim = self.random.choice([*installation.gateways, *installation.workers,
                                     *installation.workers, installation.redis])
        if not victim.is_alive() or victim in self.paused:
            return
        if victim in installation.workers and self.random.random() < 0.15:
            # Not dead, only late: others take over what it holds, and then it wakes.
            victim.pause()
            self.paused[victim] = time.monotonic() + self.random.uniform(0.5, 4)
            return
        victim.kill9()
        self.kills[victim.role if isinstance(victim, Purgeway) else "redis"] += 1
        self.down[victim] = time.monotonic() + self.random.uniform(0, 0.6)

    def revive(self):
        now = time.monotonic()
        for server, at in list(self.paused.items()):
            if at <= now:
                server.resume()
                del self.paused[server]
        for server in self.installation.all():
            if server.is_alive():
                continue
            if server not in self.down:
                # It met its own step.
                if self.armed.get(server) and server.process.returncode == -signal.SIGKILL:
                    self.kills["step " + server.env["PURGEWAY_FAILPOINT"].partition(":")[0]] += 1
                self.down[server] = now + self.random.uniform(0, 0.3)
            if self.down[server] <= now:
                del self.down[server]
                self.arm(server)
                server.start(wait=False)

    def arm(self, server):
        """Let it kill itself at a step, one time in two, where the build knows steps."""
        self.armed[server] = False
        if not isinstance(server, Purgeway):
            return
        server.env.pop("PURGEWAY_FAILPOINT", None)
        if self.failpoints and self.random.random() < 0.5:
            steps = WORKER_STEPS if server.role == "worker" else GATEWAY_STEPS
            step, count = self.random.choice(steps), self.random.randrange(1, 60)
            server.env["PURGEWAY_FAILPOINT"] = f"{step}:{count}"
            self.armed[server] = True

    def make_peace(self):
        """Everything runs again, and nothing is armed."""
        for server in list(self.paused):
            server.resume()
        self.paused.clear()
        for server, armed in self.armed.items():
            if armed:
                server.env.pop("PURGEWAY_FAILPOINT", None)
                if server.is_alive():
                    server.kill9()
        self.installation.start_missing()
        for server in self.installation.gateways:
            eventually(server.is_ready)


# ---- the account -------------------------------------------------------------------------


def jobs_now(installation, job_ids):
    """{job_id: job or None} by GET, pipelined; None where the service knows nothing."""
    found = {}
    with Raw(installation.gateways[0].port) as raw:
        for at in range(0, len(job_ids), 50):
            part = job_ids[at:at + 50]
            raw.send(b"".join(b"GET /v1/jobs/%b HTTP/1.1\r\nHost: x\r\n\r\n" % job_id.encode()
                              for job_id in part))
            for job_id in part:
                answer = raw.answer()
                if answer.status == 200:
                    found[job_id] = answer.json
                elif answer.status == 404:
                    found[job_id] = None
    return found


def settle(installation, promises):
    """Wait until all have ended, or are unknown, or patience is at its end."""
    open_ids = [promise.job_id for promise in promises]
    deadline = time.monotonic() + QUIET_S
    while open_ids and time.monotonic() < deadline:
        found = jobs_now(installation, open_ids)
        open_ids = [job_id for job_id in open_ids
                    if job_id not in found
                    or (found[job_id] and RANK[found[job_id]["status"]] < 2)]
        if open_ids:
            time.sleep(0.2)


def standing(client, keys):
    """Those of the keys that exist."""
    left = []
    for at in range(0, len(keys), 1000):
        part = keys[at:at + 1000]
        left += [key for key, value in zip(part, client.mget(part)) if value is not None]
    return left


def judge(installation, clients, watchers, watched):
    """What must be nothing, by name; and how many jobs needed a second worker."""
    promises = [promise for client in clients for promise in client.account.promises]
    controls = [key for client in clients for key in client.account.controls]
    settle(installation, promises)
    # Once more, when nobody looks any longer: nothing that was seen may be undone now.
    watched.set()
    for watcher in watchers:
        watcher.join()
    ends = jobs_now(installation, [promise.job_id for promise in promises])
    lost, stuck, miscounted = [], [], []
    for promise in promises:
        job = ends.get(promise.job_id)
        if job is None or job["status"] in ("failed", "dead", "cancelled"):
            lost.append((promise.job_id, job))
        elif RANK[job["status"]] < 2:
            stuck.append((promise.job_id, job))
        else:
            result = job["result"]
            if result["requested"] != promise.requested or \
                    result["removed"] + result["missing"] != promise.requested:
                miscounted.append((promise.job_id, result))
    target = installation.target()
    lost_keys = standing(target, [key for promise in promises for key in promise.present])
    there = set(standing(target, controls))
    taken_over = sum(bool(job) and job["attempts"] > 1 for job in ends.values())
    findings = {"lost_keys": lost_keys, "lost_jobs": lost, "stuck_jobs": stuck,
            "backwards": [item for thread in [*clients, *watchers]
                          for item in thread.account.backwards]
            + changed(watchers, ends),
            "miscounted": miscounted,
            "odd": [item for client in clients for item in client.account.odd],
            "touched": [key for key in controls if key not in there]}
    return findings, taken_over


def changed(watchers, ends):
    """Jobs that a watcher saw further on than they are now."""
    return [(job_id, seen, ends[job_id]) for watcher in watchers
            for job_id, seen in watcher.seen.items()
            if ends.get(job_id) and went_back(seen, ends[job_id])]


def queue_is_empty(installation):
    with installation.redis.client() as client:
        for lane in ("high", "normal", "low"):
            key = f"purgeway:{{main}}:{lane}"
            if client.xlen(key) or client.xpending(key, "purgeway")["pending"]:
                return False
    return True


# ---- damage that must be found -----------------------------------------------------------


def break_entry(installation, clients):
    """Delete the stream entry of a job that was acknowledged and not begun."""
    for worker in installation.workers:
        worker.pause()
    # What is sent to a read that blocks already would be done when its reader wakes.
    with installation.redis.client() as redis:
        eventually(lambda: redis.info("clients")["blocked_clients"] == 0)
    client = clients[0]
    before = len(client.account.promises)
    eventually(lambda: client.ask(*set_one(client)) or len(client.account.promises) > before)
    with installation.redis.client() as redis:
        for lane in ("high", "normal", "low"):
            for entry, _ in redis.xrevrange(f"purgeway:{{main}}:{lane}", count=1):
                redis.xdel(f"purgeway:{{main}}:{lane}", entry)
    for worker in installation.workers:
        worker.resume()


def set_one(client):
    client.sequence += 1
    key = f"k9:{client.number}:broken:{client.sequence}"
    client.redis.set(key, "v")
    return [key], []


def break_effect(installation, clients):
    """Put a key back that was removed, as if it had never been."""
    promise = clients[0].account.promises[0]
    eventually(lambda: not standing(installation.target(), promise.present))
    clients[0].redis.set(promise.present[0], "v")


def break_status(installation, clients):
    """Turn a finished job back into a running one."""
    db = 0 if installation.target_db == 0 else 2
    with installation.redis.client(db=db) as redis:
        for promise in clients[0].account.promises[:50]:
            redis.hset(f"purgeway:{{main}}:job:{promise.job_id}", "s", "running")


def break_control(installation, clients):
    """Remove a key that nobody named."""
    installation.target().delete(clients[0].account.controls[0])


DAMAGE = {"entry": (break_entry, "lost_jobs"), "effect": (break_effect, "lost_keys"),
          "status": (break_status, "stuck_jobs"), "control": (break_control, "touched")}


# ---- the run -----------------------------------------------------------------------------


def run(options):
    """One run; gives (summary, findings)."""
    installation = Installation(options.layout, options.rebounds)
    stop, watched = threading.Event(), threading.Event()
    clients = [Client(installation, n, options.seed, stop) for n in range(CLIENTS)]
    watchers = [Watcher(installation, clients, options.seed, n, watched) for n in range(WATCHERS)]
    nemesis = Nemesis(installation, options.seed, options.interval,
                      has_failpoints() and not options.no_steps)
    began = time.monotonic()
    try:
        for thread in [*clients, *watchers]:
            thread.start()
        while nemesis.total() < options.kills and time.monotonic() - began < options.seconds:
            nemesis.turn()
        stop.set()
        for client in clients:
            client.join()
        nemesis.make_peace()
        if options.damage:
            DAMAGE[options.damage][0](installation, clients)
        quiet_from = time.monotonic()
        findings, taken_over = judge(installation, clients, watchers, watched)
        quiet_s = time.monotonic() - quiet_from
        findings["left_in_queue"] = []
        try:
            eventually(lambda: queue_is_empty(installation), 20)
        except AssertionError as problem:
            findings["left_in_queue"] = [str(problem)]
    finally:
        stop.set()
        watched.set()
        findings_at_end = installation.close()
    findings["crashed"] = findings_at_end
    summary = summarise(options, nemesis, clients, watchers, findings)
    summary["taken_over"] = taken_over
    summary["seconds"] = round(time.monotonic() - began, 1)
    summary["quiet_after_s"] = round(quiet_s, 1)
    return summary, findings


def summarise(options, nemesis, clients, watchers, findings):
    return {
        "seed": options.seed, "layout": options.layout, "kills": nemesis.total(),
        "by_victim": dict(sorted(nemesis.kills.items())),
        "acknowledged": sum(len(client.account.promises) for client in clients),
        "keys": sum(len(p.present) for client in clients for p in client.account.promises),
        "refused": sum(client.account.refused for client in clients),
        "unknown": sum(client.account.unknown for client in clients),
        "looks": sum(watcher.account.looks for watcher in watchers),
        **{name: len(found) for name, found in findings.items()}}


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="how many, at least")
    parser.add_argument("--seconds", type=float, default=600, help="at most so long under fire")
    parser.add_argument("--interval", type=float, default=0.8, help="seconds between faults")
    parser.add_argument("--seed", default=None, help="repeats the nemesis's choices")
    parser.add_argument("--layout", choices=("beside", "apart"), default="beside",
                        help="results and target in the queue's database, or in others")
    parser.add_argument("--rebounds", default="-",
                        help="when jobs are repeated; a repetition would hide what the first "
                             "pass left")
    parser.add_argument("--no-steps", action="store_true", help="kill at random moments only")
    parser.add_argument("--break", dest="damage", choices=sorted(DAMAGE),
                        help="damage the system; the checker must find it")
    options = parser.parse_args(words)
    options.seed = options.seed or str(random.SystemRandom().randrange(1 << 32))
    return options


def main(words=None):
    options = arguments(words)
    print(f"seed {options.seed}", flush=True)
    summary, findings = run(options)
    enough = {"acknowledged": summary["acknowledged"] > 0,
              "kills": summary["kills"] >= options.kills}
    for name, found in findings.items():
        for example in found[:5]:
            print(f"{name}: {example}")
    print(json.dumps(summary))
    failed = sum(bool(found) for found in findings.values()) + sum(not ok for ok in enough.values())
    print(f"{len(findings) + len(enough) - failed} passed, {failed} failed")
    return 1 if failed else 0
