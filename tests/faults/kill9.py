"""kill -9 under load, and an honest account of what became of every promise.

Two gateways and two workers run on one Redis (append-only file, synced always). Clients
set keys and ask for their removal; a nemesis, driven by a seed, kills gateways, workers
and Redis at random moments, or lets a worker kill itself at a named step where the build
has such steps. Afterwards everything is started again and given time, and then the account
(account.py) must come out even.

`--break` damages the system behind its back, in a way that must be found: it shows that
this checker can fail.
"""
import argparse
import json
import pathlib
import random
import signal
import sys
import time
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from damage import DAMAGE  # noqa: E402
from installation import (GATEWAY_STEPS, WORKER_STEPS, Installation,  # noqa: E402
                          has_failpoints)
from load import Load  # noqa: E402
from support.processes import eventually  # noqa: E402
from support.servers import Purgeway  # noqa: E402


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
                                     *installation.workers, installation.broker])
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


def run(options):
    """One run; gives (summary, findings)."""
    installation = Installation.on_one_redis(options.layout, options.rebounds).start()
    load = Load(installation, options.seed)
    nemesis = Nemesis(installation, options.seed, options.interval,
                      has_failpoints() and not options.no_steps)
    began = time.monotonic()
    try:
        load.start()
        while nemesis.total() < options.kills and time.monotonic() - began < options.seconds:
            nemesis.turn()
        load.end()
        nemesis.make_peace()
        if options.damage:
            DAMAGE[options.damage][0](installation, load.clients)
        quiet_from = time.monotonic()
        findings, figures = load.judge()
        figures["quiet_after_s"] = round(time.monotonic() - quiet_from, 1)
    finally:
        load.give_up()
        problems = installation.close()
    findings["crashed"] = problems
    summary = {"seed": options.seed, "layout": options.layout, "kills": nemesis.total(),
               "by_victim": dict(sorted(nemesis.kills.items())), **figures,
               "seconds": round(time.monotonic() - began, 1),
               **{name: len(found) for name, found in findings.items()}}
    return summary, findings


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
