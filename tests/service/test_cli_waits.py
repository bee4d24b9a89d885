"""--wait: what is waited for, over which failures, and what is said when it was in vain."""
import signal
import subprocess
import threading
import time

import pytest

from support.processes import PATIENCE_S, eventually, free_port
from support.servers import environment, program, run_to_end
from support.stand_in import StandIn

ID = "A" * 28
DONE = {"job_id": ID, "status": "succeeded", "result": {"removed": 1, "missing": 0}}
KEYS = "\n".join(f"k{i}" for i in range(2500)).encode()


def ask(gateway, *words, **more):
    return run_to_end(*words, "--url", gateway.url, **more)


def in_turn(*answers):
    """Each answer once, the last one for ever."""
    left = list(answers)
    return lambda *_: left.pop(0) if len(left) > 1 else left[0]


class Jobs:
    """Accepts each request as a job of its own; `state` says what becomes of it."""

    def __init__(self, state=lambda job_id: (200, {"job_id": job_id, "status": "running"})):
        self.state = state
        self.ids = []

    def __call__(self, method, path):
        if method == "POST":
            self.ids.append(f"job{len(self.ids)}")
            return 202, {"job_id": self.ids[-1], "status": "queued"}
        return self.state(path.rpartition("/")[2])


# ---- over failures ----

@pytest.mark.parametrize("failure", [None, (429, {}), (500, {}), (502, b"<html>"), (503, {}), (504, b"")])
def test_wait_goes_on_after_a_failure(make, failure):
    running = (200, {"job_id": ID, "status": "running"})
    gateway = make(StandIn, in_turn(failure, running, failure, failure, (200, DONE)))
    code, out, err = ask(gateway, "status", ID, "--wait", "60")
    assert (code, err) == (0, "") and "succeeded" in out


def test_wait_goes_on_when_the_gateway_is_restarted(make):
    port = free_port()
    later = threading.Timer(0.7, lambda: make(StandIn, lambda *_: (200, DONE), port))
    later.start()
    try:
        code, _, err = run_to_end("status", ID, "--wait", "60", "--url", f"http://127.0.0.1:{port}")
        assert (code, err) == (0, "")
    finally:
        later.join()


def test_wait_comes_back_when_it_is_told_to(make):
    times = []
    answers = in_turn((503, {}, {"Retry-After": "2"}), (200, DONE))

    def answer(*_):
        times.append(time.monotonic())
        return answers()
    assert ask(make(StandIn, answer), "status", ID, "--wait", "60")[0] == 0
    assert times[1] - times[0] >= 2


@pytest.mark.parametrize("status, code", [(503, 69), (429, 69), (500, 1)])
def test_wait_ends_when_it_is_told_to_come_back_too_late(make, status, code):
    gateway = make(StandIn, lambda *_: (status, {"title": "Too busy."}, {"Retry-After": "3600"}))
    got, out, err = ask(gateway, "status", ID, "--wait", "1200")
    assert got == code and out == "" and len(gateway.requests) == 1
    assert ID in err and "could not ask" in err and "Too busy." in err


def test_what_could_not_be_asked_is_not_said_to_have_not_ended():
    code, out, err = run_to_end("status", ID, "--wait", "1", "--url", f"http://127.0.0.1:{free_port()}")
    assert code == 69 and out == "" and len(err.splitlines()) == 1
    assert ID in err and "could not ask" in err and "connect" in err and "not ended" not in err


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_wait_ends_with_what_stays_so(make, status):
    gateway = make(StandIn, lambda *_: (status, {"title": "No."}))
    assert ask(gateway, "status", ID, "--wait", "60") == (1, "", f"purgeway: status: {ID}: No.\n")
    assert len(gateway.requests) == 1


def test_wait_ends_when_the_gateway_cannot_be_trusted(make, tmp_path):
    """Nor will it be later."""
    url = make(StandIn, lambda *_: (200, DONE)).url.replace("http:", "https:")
    code, _, err = run_to_end("status", ID, "--wait", "1200", "--url", url,
                              "--cacert", str(tmp_path / "missing.pem"))
    assert code == 69 and len(err.splitlines()) == 1 and "could not ask" not in err


def test_what_has_not_ended_is_said_to_have_not(make):
    gateway = make(StandIn, lambda *_: (200, {"job_id": ID, "status": "running"}))
    code, out, err = ask(gateway, "status", ID, "--wait", "1")
    assert code == 1 and "running" in out
    assert err == f"purgeway: status: job {ID} has not ended within 1 s (running)\n"


def test_rebounds_are_cancelled_before_the_wait(make):
    gateway = make(StandIn, lambda method, _: (200, DONE if method == "GET" else
                                               {"job_id": ID, "status": "running"}))
    code, out, err = ask(gateway, "status", ID, "--cancel-rebounds", "--wait", "60")
    assert (code, err) == (0, "") and "succeeded" in out
    assert [request[0] for request in gateway.requests] == ["DELETE", "GET"]


# ---- purge ----

def test_purge_says_which_job_could_not_be_asked(make):
    gateway = make(StandIn, Jobs(lambda _: None))
    code, out, err = ask(gateway, "purge", "--stdin", "--wait", "1", stdin=KEYS)
    assert code == 69 and len(err.splitlines()) == 1
    assert "job job0: could not ask" in err and "not ended" not in err
    assert out.splitlines() == [f"queued (job job{i})" for i in range(3)]


def test_purge_judges_nothing_that_was_not_waited_for(make):
    jobs = Jobs()
    gateway = make(StandIn, lambda *what: (422, {"title": "No."}) if len(jobs.ids) == 2 else jobs(*what))
    code, out, err = ask(gateway, "purge", "--stdin", "--wait", "1200", stdin=KEYS)
    assert code == 1 and "not ended" not in err
    assert err.splitlines() == ["purgeway: purge: No.",
                                "purgeway: purge: 2000 keys were accepted before that"]
    assert out.splitlines() == ["queued (job job0)", "queued (job job1)"]


def test_purge_waits_for_the_others_when_one_is_unknown(make):
    def state(job_id):
        if job_id == "job1":
            return 404, {"title": "There is no such job."}
        return 200, {**DONE, "job_id": job_id}
    code, out, err = ask(make(StandIn, Jobs(state)), "purge", "--stdin", "--wait", "60", stdin=KEYS)
    assert code == 1 and err == "purgeway: purge: job1: There is no such job.\n"
    assert [line.split()[0] for line in out.splitlines()] == ["removed", "queued", "removed"]


def test_purge_does_not_ask_again_what_may_have_been_accepted(make):
    gateway = make(StandIn, lambda *_: (503, {"title": "Full."}))
    assert ask(gateway, "purge", "k", "--wait", "60")[0] == 69 and len(gateway.requests) == 1


# ---- interrupted ----

class Running:
    """A verb that waits."""

    def __init__(self, gateway, *words, stdin=b""):
        self.process = subprocess.Popen(
            [program(), *words, "--url", gateway.url, "--wait", "1200"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
            # Who runs us beside something else may have had it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.process.stdin.write(stdin)
        self.process.stdin.close()
        self.process.stdin = None

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out.decode(), err.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def never():
    """An event that comes when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_interrupted_purge_says_what_it_waited_for(make, never):
    jobs = Jobs(lambda job_id: (200, {**DONE, "job_id": job_id}) if job_id == "job0" else
                (never.wait(), None)[1])
    gateway = make(StandIn, jobs)
    purge = make(Running, gateway, "purge", "--stdin", stdin=KEYS)
    eventually(lambda: any("job1" in path for _, path, _, _ in gateway.requests))
    code, out, err = purge.interrupt()
    assert code == 130
    assert err.splitlines() == [
        f"purgeway: purge: interrupted; job {name} is waited for no more" for name in ("job1", "job2")]
    assert out.splitlines() == ["removed 1, missing 0 (job job0)", "queued (job job1)",
                                "queued (job job2)"]


def test_interrupted_purge_of_one_key_knows_its_job(make):
    """So the request that makes the job is not the one that waits for long."""
    gateway = make(StandIn, Jobs())
    purge = make(Running, gateway, "purge", "k")
    eventually(lambda: len(gateway.requests) > 2)
    assert gateway.requests[0][2]["Prefer"] == "wait=1"
    code, _, err = purge.interrupt()
    assert code == 130 and err == "purgeway: purge: interrupted; job job0 is waited for no more\n"


def test_interrupted_before_it_is_known_what_was_accepted(make, never):
    gateway = make(StandIn, lambda *_: (never.wait(), None)[1])
    purge = make(Running, gateway, "purge", "k")
    eventually(lambda: gateway.requests)
    code, out, err = purge.interrupt()
    assert code == 130 and out == "" and len(err.splitlines()) == 1 and "interrupted" in err


def test_interrupted_status(make):
    gateway = make(StandIn, lambda *_: (503, {}, {"Retry-After": "1000"}))
    status = make(Running, gateway, "status", ID)
    eventually(lambda: gateway.requests)
    time.sleep(0.2)
    code, out, err = status.interrupt()
    assert code == 130 and out == ""
    assert err == f"purgeway: status: interrupted; job {ID} is waited for no more\n"
