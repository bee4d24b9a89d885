"""Faults of every kind under load, and an honest account of what became of every promise.

Two gateways and two workers run on a broker (append-only file, synced always) and a target.
Clients set keys and ask for their removal; a nemesis, driven by a seed, breaks what it can.
Then it makes peace, and the account (account.py) must come out even. A long proof is made of
rounds, each on fresh servers with the next seed; a round that fails prints how to repeat it.
"""
import argparse
import json
import os
import pathlib
import random
import sys
import time
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from account import is_begun_again  # noqa: E402
from damage import DAMAGE  # noqa: E402
from failover import Failovers, Pair  # noqa: E402
from load import Load  # noqa: E402
from nemesis import FAULTS  # noqa: E402
from nemesis.commands import NoGroup  # noqa: E402
from nemesis.schedule import Nemesis  # noqa: E402
from scene import Scene, go_apart  # noqa: E402
from support.servers import program  # noqa: E402
from times import measure  # noqa: E402

ROUND_S = 300


def say(text):
    print(text, flush=True)


def chosen(names, scene):
    """The kinds that are wanted and possible here."""
    kinds = []
    for name in names:
        reason = FAULTS[name].missing(scene)
        if reason:
            say(f"  skipped {name}: {reason}")
        else:
            kinds.append(FAULTS[name])
    return kinds


def judged(scene, load, act, deaf, damage=None):
    """(findings, figures) of an installation's life; `act` breaks it, and mends it."""
    try:
        scene.start()
        load.start()
        act()
        if damage:
            DAMAGE[damage][0](scene, load.clients)
        quiet_from = time.monotonic()
        findings, figures = load.judge(deaf)
        figures["quiet_after_s"] = round(time.monotonic() - quiet_from, 1)
    finally:
        load.give_up()
        problems = scene.close()
    findings["crashed"] = problems
    return findings, figures


def one_round(seed, seconds, count, options):
    """At most so many seconds under fire, and at most so many faults."""
    target = options.target or random.Random(f"{seed}/target").choice(["near", "far"])
    scene = Scene(options.durability, options.appendfsync, target)
    load = Load(scene, seed)
    kinds = chosen(options.faults, scene)
    nemesis = Nemesis(scene, seed, kinds, options.interval, say)

    def act():
        nemesis.began = time.monotonic()
        while kinds and time.monotonic() - nemesis.began < seconds and \
                sum(nemesis.counts.values()) < count:
            nemesis.turn()
        load.stop()
        nemesis.make_peace()
        load.end()
    findings, figures = judged(scene, load, act, nemesis.deaf, options.damage)
    findings["crashed"] += nemesis.exits
    if nemesis.counts[NoGroup.name]:
        back = findings["backwards"]
        findings["backwards"] = [item for item in back if not is_begun_again(item)]
        figures["begun_again"] = len(back) - len(findings["backwards"])
    figures["refused_to_start"] = nemesis.refusals
    return findings, figures, nemesis


def failovers(options):
    """The master of the broker dies, at class replicated."""
    pair = Pair()
    load = Load(pair, options.seed)
    nemesis = Failovers(pair, options.seed, options.failovers, say)

    def act():
        nemesis.run()
        load.end()
    say(f"seed {options.seed}")
    findings, figures = judged(pair, load, act, nemesis.deaf)
    figures |= nemesis.figures([p for client in load.clients for p in client.account.promises])
    return findings, figures


def command(seed, seconds, count, options):
    """What repeats one round."""
    words = ["tests/faults/run", "--seed", str(seed), "--seconds", f"{seconds:.0f}",
             "--interval", f"{options.interval}", "--faults", ",".join(options.faults)]
    if count < sys.maxsize:
        words += ["--count", str(count)]
    if options.target:
        words += ["--target", options.target]
    if options.damage:
        words += ["--break", options.damage]
    if options.durability != "fsync":
        words += ["--durability", options.durability, "--appendfsync", options.appendfsync]
    built = os.environ.get("PGW_BUILD_DIR")
    return " ".join(([f"PGW_BUILD_DIR={built}"] if built else []) + words)


def rounds(options):
    """One after the other; (findings, figures) of all of them."""
    figures, faults, findings = Counter(), Counter(), {}
    seed, left, count = options.seed, options.seconds, options.count
    while left > 0 and count > 0:
        seconds = min(left, ROUND_S)
        say(f"seed {seed}, {seconds:.0f} s")
        try:
            found, more, nemesis = one_round(seed, seconds, count, options)
        except Exception:
            say(f"again: {command(seed, seconds, count, options)}")
            raise
        faults.update(nemesis.counts)
        figures["rounds"] += 1
        # The longest of the rounds, where the others are sums.
        figures["quiet_after_s"] = max(figures["quiet_after_s"], more.pop("quiet_after_s"))
        figures.update(more)
        for name, items in found.items():
            findings.setdefault(name, []).extend(items)
        if any(found.values()):
            say(f"again: {command(seed, seconds, count, options)}")
        if not nemesis.counts:
            break  # nothing can be broken here, however long it is tried
        seed, left, count = seed + 1, left - seconds, count - sum(nemesis.counts.values())
    figures.update({f"fault {name}": n for name, n in sorted(faults.items())})
    figures["faults"] = sum(faults.values())
    return findings, dict(figures)


def table(figures):
    """Everything that is known at the end, one figure a line."""
    width = max(map(len, figures))
    return "\n".join(f"{name.replace('_', ' '):{width}}  {value:>10}"
                     for name, value in figures.items())


def arguments(words):
    parser = argparse.ArgumentParser(prog="tests/faults/run",
                                     description=__doc__.partition("\n\n")[0])
    parser.add_argument("--hours", type=float, help="under fire, in rounds")
    parser.add_argument("--seconds", type=float, help="under fire (60)")
    parser.add_argument("--seed", type=int, help="repeats the nemesis's choices")
    parser.add_argument("--faults", help="only these, separated by commas")
    parser.add_argument("--list", action="store_true", help="name the faults and what is missing")
    parser.add_argument("--interval", type=float,
                        help="seconds between faults (1.5; of power cuts 1)")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="end after so many faults")
    parser.add_argument("--power-cuts", type=int, metavar="N",
                        help="so many of the broker's, and nothing else")
    parser.add_argument("--failovers", type=int, metavar="N",
                        help="so many of the broker's, at class replicated")
    parser.add_argument("--times", type=int, metavar="N",
                        help="measure restarts and takeovers, each so often")
    parser.add_argument("--target", choices=("near", "far"),
                        help="on a socket, or behind the network (drawn from the seed)")
    parser.add_argument("--durability", choices=("memory", "fsync"), default="fsync")
    parser.add_argument("--appendfsync", choices=("always", "everysec", "no"), default="always")
    parser.add_argument("--break", dest="damage", choices=sorted(DAMAGE),
                        help="damage the system; the checker must find it")
    options = parser.parse_args(words)
    if options.power_cuts:
        options.faults, options.count = "power-cut", options.power_cuts
        options.seconds = options.seconds or float("inf")
    options.interval = options.interval or (1 if options.power_cuts else 1.5)
    options.seconds = options.hours * 3600 if options.hours else options.seconds or 60
    options.seed = random.SystemRandom().randrange(1 << 31) if options.seed is None \
        else options.seed
    options.faults = options.faults.split(",") if options.faults else list(FAULTS)
    unknown = [name for name in options.faults if name not in FAULTS]
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}; --list names them")
    return options


def list_faults():
    scene = Scene()
    try:
        for name, kind in FAULTS.items():
            reason = kind.missing(scene)
            says = (kind.__doc__ or kind.__mro__[1].__doc__).partition("\n")[0]
            say(f"{name:14} {says}" + (f" [skipped: {reason}]" if reason else ""))
    finally:
        scene.close()


def main(words):
    options = arguments(words)
    if not os.path.exists(program()):
        say(f"there is no {program()}: build it, or name its folder in PGW_BUILD_DIR")
        return 2
    go_apart()
    if options.list:
        list_faults()
        return 0
    if options.times:
        say(table(measure(options.times)))
        return 0
    began = time.monotonic()
    findings, figures = failovers(options) if options.failovers else rounds(options)
    for name, items in findings.items():
        for item in items[:5]:
            say(f"{name}: {item}")
    figures = {"seed": options.seed, **figures, "seconds": round(time.monotonic() - began, 1),
               **{name: len(found) for name, found in findings.items()}}
    say(table(figures))
    say(json.dumps(figures))
    enough = [figures["acknowledged"] > 0, bool(options.failovers or figures["faults"])]
    failed = sum(map(bool, findings.values())) + enough.count(False)
    say(f"{len(findings) + len(enough) - failed} passed, {failed} failed")
    return 1 if failed else 0
