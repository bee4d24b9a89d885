"""The account: what was acknowledged, held against what became of it.

In the manner of a queue's total account: everything that was promised is on one side, the
ends of all jobs and the keys that are there are on the other, and nothing may be left over.

    lost keys   a key that existed when its removal was acknowledged still exists
    lost jobs   an acknowledged job of which the service knows nothing, or which failed
    dead jobs   an acknowledged job that was given up after all its attempts
    stuck jobs  an acknowledged job that has not ended
    untrue      an acknowledgement that was asked for and given while the broker could keep nothing
    duplicated  a job id that was given to two callers
    backwards   a job whose status or attempt was seen to go back, or whose end changed
    miscounted  an ended job whose counts do not add up to what was asked
    touched     a key that nobody named is gone
    unaudited   an ended job of which the audit has no record, or a record of another end
    twice       an ended job of which the audit has more than one
    odd         a refusal other than 503 with Retry-After

must all be 0. The account is kept by the clients, from what they were told; nothing is
believed that the service does not say over HTTP or Redis does not show.
"""
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field

from support.client import Raw

#: How long jobs may take to end once everything runs again.
QUIET_S = 90
LANES = ("high", "normal", "low")
RANK = {"scheduled": 0, "queued": 0, "running": 1, "retrying": 1, "succeeded": 2, "failed": 2,
        "dead": 2, "cancelled": 2}


@dataclass
class Promise:
    """One acknowledged job, as its client remembers it."""
    job_id: str
    present: list  #: keys that existed when it was acknowledged
    requested: int
    asked: float    #: when the request was about to be sent
    at: float       #: when the answer had come


@dataclass
class Account:
    """What clients and watchers saw; every list is appended to by its own thread only."""
    promises: list = field(default_factory=list)
    refused: int = 0
    unreachable: int = 0  #: nobody listened
    unknown: int = 0   #: the connection broke before an answer came: no promise was made
    looks: int = 0
    backwards: list = field(default_factory=list)
    odd: list = field(default_factory=list)
    controls: list = field(default_factory=list)


def went_back(before, now):
    if RANK[before["status"]] == 2:
        return now != before
    return RANK[now["status"]] < RANK[before["status"]] or now["attempts"] < before["attempts"]


def is_begun_again(item):
    """Whether what was seen to go back is a first attempt that waits once more. Only the consumer
    group knows of one that has written nothing yet, so it is no violation where that is destroyed."""
    before, now = item[1], item[2]
    return isinstance(before, dict) and (before["status"], before["attempts"]) == ("running", 1) \
        and (now["status"], now["attempts"]) == ("queued", 0)


def jobs_now(installation, job_ids):
    """{job_id: job or None} by GET, pipelined; None where the service knows nothing, and no
    entry where it cannot say."""
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


def judge(installation, clients, watchers, watched, deaf=()):
    """What must be nothing, by name; and figures about the rest. `deaf` are the times, from and
    to, in which the broker could keep nothing."""
    promises = [promise for client in clients for promise in client.account.promises]
    settle(installation, promises)
    # Once more, when nobody looks any longer: nothing that was seen may be undone now.
    watched.set()
    for watcher in watchers:
        watcher.join()
    ends = jobs_now(installation, [promise.job_id for promise in promises])
    findings = of_jobs(promises, ends)
    findings.update(of_audit(installation, ends))
    findings["untrue"] = [promise for promise in promises
                          if any(a <= promise.asked and promise.at <= b for a, b in deaf)]
    findings["backwards"] = [item for watcher in watchers for item in watcher.account.backwards]
    findings["backwards"] += changed(watchers, ends)
    findings["odd"] = [item for client in clients for item in client.account.odd]
    findings.update(of_keys(installation.target(), promises,
                            [key for client in clients for key in client.account.controls]))
    figures = {
        "acknowledged": len(promises), "keys": sum(len(p.present) for p in promises),
        "refused": sum(client.account.refused for client in clients),
        "unreachable": sum(client.account.unreachable for client in clients),
        "unknown": sum(client.account.unknown for client in clients),
        "looks": sum(watcher.account.looks for watcher in watchers),
        "taken_over": sum(bool(job) and job["attempts"] > 1 for job in ends.values())}
    return findings, figures


def of_jobs(promises, ends):
    found = {"lost_jobs": [], "dead_jobs": [], "stuck_jobs": [], "miscounted": [],
             "duplicated": []}
    seen = set()
    for promise in promises:
        job = ends.get(promise.job_id)
        if promise.job_id in seen:
            found["duplicated"].append(promise.job_id)
        seen.add(promise.job_id)
        if promise.job_id not in ends or job and RANK[job["status"]] < 2:
            found["stuck_jobs"].append((promise.job_id, job))
        elif job and job["status"] == "dead":
            found["dead_jobs"].append((promise.job_id, job))
        elif job is None or job["status"] != "succeeded":
            found["lost_jobs"].append((promise.job_id, job))
        elif not adds_up(promise, job["result"]):
            found["miscounted"].append((promise.job_id, job["result"]))
    return found


def records(installation):
    """{job_id: statuses} of the jobs that the audit has ends of."""
    found, token = defaultdict(list), ""
    while token is not None:
        answer = installation.gateways[0].api.get("/v1/audit/export?action=purge" + token)
        assert answer.status == 200, answer
        for line in answer.body.splitlines():
            record = json.loads(line)
            found[record["job_id"]].append(record["status"])
        token = answer.headers.get("next-page-token")
        token = token and "&page_token=" + token
    return found


def of_audit(installation, ends):
    """A job can be seen to have ended a moment before it leaves the queue with its record."""
    deadline = time.monotonic() + QUIET_S
    while not queue_is_empty(installation) and time.monotonic() < deadline:
        time.sleep(0.2)
    found = records(installation)
    ended = {job_id: job["status"] for job_id, job in ends.items() if job and RANK[job["status"]] == 2}
    return {"unaudited": [(job_id, status, found[job_id]) for job_id, status in ended.items()
                          if status not in found[job_id]],
            "twice": [(job_id, found[job_id]) for job_id in ended if len(found[job_id]) > 1]}


def adds_up(promise, result):
    return promise.requested == result["requested"] == result["removed"] + result["missing"]


def of_keys(target, promises, controls):
    there = set(standing(target, controls))
    return {"lost_keys": standing(target, [key for p in promises for key in p.present]),
            "touched": [key for key in controls if key not in there]}


def changed(watchers, ends):
    """Jobs that a watcher saw further on than they are now."""
    return [(job_id, seen, ends[job_id]) for watcher in watchers
            for job_id, seen in watcher.seen.items()
            if ends.get(job_id) and went_back(seen, ends[job_id])]


def queue_is_empty(installation):
    with installation.broker.client() as client:
        for lane in LANES:
            key = f"purgeway:{{main}}:{lane}"
            if client.xlen(key) or client.xpending(key, "purgeway")["pending"]:
                return False
    return True
