"""Short proofs of fixed seeds, one for each family of faults and one of all of them."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
PROCESSES = "kill-worker,kill-gateway,kill-broker,kill-target,kill-all,step-worker," \
    "step-gateway,stop-worker,stop-gateway,stop-broker,stop-target,drain"
COMMANDS = "sleep,cut-clients,pause-writes,full-memory,wrong-policy,other-fsync,no-group," \
    "no-scripts"
WORLD = "full-disk,power-cut,slow-net,lossy-net,partition,half-open,clock-jump,excuses,noise"


def prove(*words):
    """(exit code, the summary, all that was said). A process of its own, because a proof takes
    namespaces of its own."""
    done = subprocess.run([sys.executable, "-B", HERE / "run", *words], capture_output=True,
                          text=True, timeout=280, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stdout + done.stderr
    return done.returncode, json.loads(lines[-1]), done.stdout


@pytest.mark.parametrize("seed, faults", [
    pytest.param(11, PROCESSES, id="processes"), pytest.param(12, COMMANDS, id="commands"),
    pytest.param(13, WORLD, id="world"),
    pytest.param(14, ",".join([PROCESSES, COMMANDS, WORLD]), id="all")])
def test_nothing_is_lost(seed, faults):
    code, summary, text = prove("--seed", str(seed), "--seconds", "20", "--faults", faults)
    assert code == 0, text
    assert summary["acknowledged"] > 0 and summary["faults"]


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own needs root")
def test_a_power_cut_is_one():
    """What was acknowledged before it was synced is lost in one, and the account says so."""
    code, summary, text = prove("--seed", "15", "--seconds", "60", "--count", "3", "--faults",
                                "power-cut", "--durability", "memory", "--appendfsync", "no")
    assert code == 1 and summary["lost_jobs"] > 0, text
