"""Short proofs of fixed seeds, one for each family of faults and one of all of them."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from account import LANES  # noqa: E402
from support.processes import eventually  # noqa: E402
from support.servers import Purgeway, Redis  # noqa: E402

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


@pytest.mark.lengthy
@pytest.mark.parametrize("seed, faults", [
    pytest.param(11, PROCESSES, id="processes"), pytest.param(12, COMMANDS, id="commands"),
    pytest.param(13, WORLD, id="world"),
    pytest.param(14, ",".join([PROCESSES, COMMANDS, WORLD]), id="all")])
def test_nothing_is_lost(seed, faults):
    code, summary, text = prove("--seed", str(seed), "--seconds", "20", "--faults", faults)
    assert code == 0, text
    assert summary["acknowledged"] > 0 and summary["faults"]


def why_skipped(fault):
    """Why it cannot be injected here; None when it can."""
    listed = subprocess.run([sys.executable, "-B", HERE / "run", "--list"], capture_output=True,
                            text=True, timeout=120, check=True).stdout
    line = next(line for line in listed.splitlines() if line.startswith(fault + " "))
    return line.partition("[skipped: ")[2] or None


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own needs root")
def test_a_power_cut_is_one():
    """What was acknowledged before it was synced is lost in one, and the account says so."""
    reason = why_skipped("power-cut")
    if reason:
        pytest.skip(reason)
    code, summary, text = prove("--seed", "15", "--seconds", "60", "--count", "3", "--faults",
                                "power-cut", "--durability", "memory", "--appendfsync", "no")
    assert code == 1 and summary["lost_jobs"] > 0, text


@pytest.mark.parametrize("worker_is", ["late", "new", "dead"])
def test_a_full_broker_drains(worker_is):
    """Nothing more is accepted and all that was is done, whoever is there to do it: a worker that
    ran before, one that starts on the full broker, or the successor of one that died."""
    with Redis() as broker, Redis() as target:
        settings = {"broker_url": broker.url(), "target_url": target.url(), "rebounds": "-",
                    "worker_idle_ms": 500, "worker_beat_ms": 100, "target_timeout_ms": 60000}
        with Purgeway("gateway", **settings) as gateway, Purgeway("worker", **settings) as worker:
            keys = [f"k{i}" for i in range(2000)]
            target.client().mset({key: "v" for key in keys})
            if worker_is == "new":
                worker.sigterm()
            else:
                target.stand_still()
            ids = [gateway.api.purge(*keys[at:at + 10]).json["job_id"]
                   for at in range(0, len(keys), 10)]
            if worker_is != "new":
                eventually(lambda: pending(broker), what="a worker that holds something")
            broker.client().config_set("maxmemory", 1)
            refused = gateway.api.purge("one more")
            assert (refused.status, refused.json["code"]) == (503, "store_out_of_memory")
            assert refused.headers["retry-after"]
            if worker_is == "dead":
                worker.kill9()
            target.resume()
            if worker_is != "late":
                worker.start()
            eventually(lambda: not target.client().exists(*keys), what="the end of the backlog")
            eventually(lambda: not pending(broker), what="the last acknowledgement")
            assert {gateway.api.finished(job_id)["status"] for job_id in ids} == {"succeeded"}
            assert gateway.api.purge("one more").status == 503
            broker.client().config_set("maxmemory", 0)
            assert eventually(lambda: gateway.api.purge("one more").status == 202)


def pending(broker):
    """How many jobs somebody holds."""
    with broker.client() as client:
        return sum(client.xpending(f"purgeway:{{main}}:{lane}", "purgeway")["pending"]
                   for lane in LANES)
