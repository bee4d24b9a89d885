"""What the command line of the client verbs takes, and what it refuses before anything is asked."""
import json
import subprocess

import pytest

from support.processes import PATIENCE_S
from support.servers import environment, program, run_to_end
from support.stand_in import StandIn


@pytest.fixture
def gateway(make):
    """One that does whatever it is asked."""
    def answer(*_):
        return 200, {"job_id": "j", "status": "succeeded", "count": 1, "queues": [], "records": [],
                     "dead_letters": [], "result": {"removed": 1, "missing": 0}}
    return make(StandIn, answer)


@pytest.fixture
def ask(gateway):
    def run(*words, **more):
        return run_to_end(*words, "--url", gateway.url, **more)
    return run


# ---- values that are no text ----

@pytest.mark.parametrize("option", ["--delay", "--not-before", "--rebounds", "--target", "--tag",
                                    "--pattern", "--priority", "--reason", "--row-version",
                                    "--idempotency-key", "--wait"])
def test_purge_asks_nothing_with_a_value_that_is_no_text(gateway, ask, option):
    """It would remove more than was asked for, or at another time."""
    for words in ((option, b"caf\xe9"), (option.encode() + b"=\xff",)):
        code, out, err = ask("purge", "k", "--target", "default", *words)
        assert code == 2 and out == "" and option in err and len(err.splitlines()) == 1
    assert not gateway.requests


@pytest.mark.parametrize("words", [
    ("queues", "pause", "--priority"), ("queues", "purge", "--expect", "9", "--priority"),
    ("dead", "--tag"), ("dead", "drop", "--expect", "3", "--ended", "dead", "--tag"),
    ("dead", "redrive", "--expect", "3", "--code", "x", "--client"), ("audit", "--key")])
def test_no_verb_leaves_out_a_value_that_is_no_text(gateway, ask, words):
    code, out, err = ask(*words, b"caf\xe9")
    assert code == 2 and out == "" and words[-1] in err and len(err.splitlines()) == 1
    assert not gateway.requests


def test_names_of_files_are_bytes(ask, tmp_path):
    path = bytes(tmp_path) + b"/caf\xe9.pem"
    assert ask("queues", "--cacert", path)[0] == 0


# ---- numbers and contradictions ----

@pytest.mark.parametrize("text", ["0", "2592001", "99999999999", "99999999999999999999999", "soon",
                                  "1.5", "-1", ""])
def test_delay_says_its_range(gateway, ask, text):
    code, out, err = ask("purge", "k", f"--delay={text}")
    assert code == 2 and out == "" and "--delay takes whole seconds, 1 to 2592000" in err
    assert not gateway.requests


@pytest.mark.parametrize("text", ["1", "2592000"])
def test_delay_is_sent_in_ms(gateway, ask, text):
    assert ask("purge", "k", "--delay", text)[0] == 0
    assert json.loads(gateway.requests[0][3])["delay_ms"] == int(text) * 1000


def test_what_is_no_number_of_the_rebounds_is_left_to_the_gateway(gateway, ask):
    assert ask("purge", "k", "--rebounds", "1000,99999999999,x")[0] == 0
    assert json.loads(gateway.requests[0][3])["rebounds_ms"] == [1000, 99999999999, "x"]


@pytest.mark.parametrize("words", [
    ("--soft", "--tombstone"), ("--soft", "--row-version", "7"), ("--tombstone", "--row-version=7"),
    ("--soft", "--tombstone", "--row-version", "7"),
    ("--delay", "5", "--not-before", "2030-01-01T00:00:00Z")])
def test_purge_does_not_choose_between_what_contradicts(gateway, ask, words):
    code, out, err = ask("purge", "k", *words)
    assert code == 2 and out == "" and len(err.splitlines()) == 1
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert option in err
    assert not gateway.requests


# ---- help ----

VERBS = ("serve", "gateway", "worker", "purge", "status", "cancel", "queues", "workers", "dead", "ready",
         "audit", "key")


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_is_that_of_the_verb(verb):
    code, out, err = run_to_end("help", verb)
    assert code == 0 and err == "" and f"purgeway {verb}" in out.splitlines()[0]
    for words in ((verb, "--help"), (verb, "-h")):
        assert run_to_end(*words) == (0, out, "")


@pytest.mark.parametrize("words", [(), ("help",), ("version",), ("--help",)])
def test_help_of_help_is_the_list_of_verbs(words):
    code, out, err = run_to_end("help", *words)
    assert code == 0 and err == "" and all(f"purgeway {verb} " in out for verb in VERBS)


@pytest.mark.parametrize("topic", ["settings", "errors", "example"])
def test_help_of_what_is_no_verb(topic):
    code, out, err = run_to_end("help", topic)
    assert code == 0 and err == "" and len(out) > 1000


@pytest.mark.parametrize("word, meant", [("purg", "purge"), ("pruge", "purge"), ("stauts", "status"),
                                         ("servee", "serve"), ("redy", "ready"), ("nothing", None),
                                         ("k", None), ("", None), ("\u001b[2J", None), ("x" * 5000, None)])
def test_unknown_command_names_the_nearest(word, meant):
    for words in (("help", word), (word,)):
        code, out, err = run_to_end(*words)
        assert code == 2 and out == "" and len(err.splitlines()) == 1 and "\u001b" not in err
        assert (f"did you mean '{meant}'?" if meant else "try `purgeway help`") in err


def test_help_of_unknown_pages_names_pages_too():
    assert "did you mean 'settings'?" in run_to_end("help", "setings")[2]
    assert "did you mean" not in run_to_end("setings")[2]
    code, out, err = run_to_end("help", "purge", "status")
    assert code == 2 and out == "" and len(err.splitlines()) == 1


# ---- an output that cannot be written ----

@pytest.mark.parametrize("words", [
    ("help",), ("help", "settings"), ("help", "errors"), ("help", "example"), ("help", "purge"),
    ("help", "serve"), ("version",), ("--version",), ("--help",), ("serve", "--help"), ("worker", "-h"),
    ("serve", "--print-config"), ("serve", "--check-config"), ("purge", "--help"), ("key", "--help"),
    ("key", "new")])
def test_output_that_is_lost_is_no_success(words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([program(), *words], stdout=full, stderr=subprocess.PIPE,
                              env=environment(), timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert b"cannot write the output: No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1
