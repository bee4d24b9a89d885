"""Damage behind the system's back that an account must find: it shows that a checker can fail."""
from account import LANES, settle, standing
from support.processes import eventually


def break_entry(installation, clients):
    """Delete the stream entry of a job that was acknowledged and not begun."""
    for worker in installation.workers:
        worker.pause()
    # What is sent to a read that blocks already would be done when its reader wakes.
    with installation.broker.client() as redis:
        eventually(lambda: redis.info("clients")["blocked_clients"] == 0)
    client = clients[0]
    before = len(client.account.promises)
    eventually(lambda: client.ask(*set_one(client)) or len(client.account.promises) > before)
    with installation.broker.client() as redis:
        for lane in LANES:
            for entry, _ in redis.xrevrange(f"purgeway:{{main}}:{lane}", count=1):
                redis.xdel(f"purgeway:{{main}}:{lane}", entry)
    for worker in installation.workers:
        worker.resume()


def set_one(client):
    client.sequence += 1
    key = f"load:{client.number}:broken:{client.sequence}"
    client.redis.set(key, "v")
    return [key], []


def break_effect(installation, clients):
    """Put a key back that was removed, as if it had never been."""
    promise = clients[0].account.promises[0]
    # A job that has not ended may be done once more.
    settle(installation, [promise])
    assert not standing(installation.target(), promise.present)
    clients[0].redis.set(promise.present[0], "v")


def break_status(installation, clients):
    """Turn a finished job back into a running one."""
    with installation.broker.client(db=installation.results_db) as redis:
        for promise in clients[0].account.promises[:50]:
            redis.hset(f"purgeway:{{main}}:job:{promise.job_id}", "s", "running")


def break_control(installation, clients):
    """Remove a key that nobody named."""
    installation.target().delete(clients[0].account.controls[0])


def break_record(installation, clients):
    """Delete a record of the audit."""
    job_id = clients[0].account.promises[0].job_id.encode()
    with installation.broker.client() as redis:
        def deleted():
            for record, fields in redis.xrange("purgeway:{main}:audit"):
                if job_id in fields[b"d"]:
                    return redis.xdel("purgeway:{main}:audit", record)
            return 0
        eventually(deleted)


DAMAGE = {"record": (break_record, "unaudited"),
          "entry": (break_entry, "lost_jobs"), "effect": (break_effect, "lost_keys"),
          "status": (break_status, "stuck_jobs"), "control": (break_control, "touched")}
