"""How long things take: figures, and no verdict."""
import signal
import time

from installation import SETTINGS, has_failpoints
from support.processes import eventually
from support.servers import Purgeway, Redis


def spread(name, seconds):
    """Median and extremes, in milliseconds."""
    ordered = sorted(round(s * 1000) for s in seconds)
    return {f"{name} ms, {word}": ordered[at] for word, at in
            (("least", 0), ("median", len(ordered) // 2), ("most", -1))}


def restarts(broker, count):
    """From the start of a gateway that was killed to its first /readyz and its first 202."""
    ready, accepted = [], []
    with Purgeway("gateway", broker_url=broker.url(), **SETTINGS) as gateway:
        for turn in range(count):
            gateway.kill9()
            began = time.monotonic()
            gateway.start(wait=False)
            eventually(lambda: gateway.api.get("/readyz").status == 200)
            ready.append(time.monotonic() - began)
            eventually(lambda turn=turn: gateway.api.purge(f"restart:{turn}").status == 202)
            accepted.append(time.monotonic() - began)
    return {**spread("gateway ready after its start", ready),
            **spread("gateway accepts after its start", accepted)}


def takeovers(broker, count):
    """From the death of the worker that holds a job to the end of the job by another."""
    took = []
    # A repetition of an earlier job would be taken in place of the one that is meant.
    settings = {**SETTINGS, "broker_url": broker.url(), "rebounds": "-"}
    with Purgeway("gateway", **settings) as gateway:
        for turn in range(count):
            with Purgeway("worker", env={"PURGEWAY_FAILPOINT": "take.after:1"},
                          allow_codes=(-signal.SIGKILL,), **settings) as victim:
                job_id = gateway.api.purge(f"takeover:{turn}").json["job_id"]
                victim.wait()
                died = time.monotonic()
                with Purgeway("worker", **settings):
                    job = gateway.api.finished(job_id)
                    took.append(time.monotonic() - died)
                    assert job["attempts"] == 2, job
    return spread(f"job taken over after its worker's death (worker.idle_ms "
                  f"{SETTINGS['worker_idle_ms']})", took)


def measure(count):
    with Redis() as broker:
        figures = restarts(broker, count)
        if has_failpoints():
            # What was accepted above is nobody's.
            broker.client().flushall()
            figures |= takeovers(broker, count)
        return figures
