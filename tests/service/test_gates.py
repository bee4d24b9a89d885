"""bench/gates, short: that it works, and that it tells when a gate is missed."""
import pathlib
import subprocess

import pytest

from support.servers import environment, program

GATES = pathlib.Path(__file__).resolve().parents[2] / "bench" / "gates"


def run(*words):
    """The exit status, and the table as {gate: whether it was kept}."""
    done = subprocess.run([GATES, *words], capture_output=True, timeout=120, check=False,
                          env=environment(PURGEWAY=program()))
    text = done.stdout.decode() + done.stderr.decode()
    lines = [line.split() for line in text.splitlines() if line]
    verdicts = {line[0]: line[-1] == "kept" for line in lines if line[-1] in ("kept", "MISSED")}
    assert set(verdicts) == {"errors", "drain", "repeats", "duplicates"}, text
    return done.returncode, verdicts, text


@pytest.mark.lengthy
def test_gates_are_kept():
    code, verdicts, text = run("--users", "10", "--seconds", "3", "--think", "0.1")
    assert code == 0 and all(verdicts.values()), text


def test_gate_that_is_missed():
    """What was removed is removed again for 11 s: nothing is drained at once."""
    code, verdicts, text = run("--users", "5", "--seconds", "1", "--think", "0.02", "--drain", "0")
    assert code == 1 and not verdicts.pop("drain") and all(verdicts.values()), text


@pytest.mark.parametrize("words", [("--users", "0"), ("--seconds", "-1"), ("--think", "x")])
def test_load_that_is_none(words):
    done = subprocess.run([GATES, *words], capture_output=True, timeout=20, check=False)
    assert done.returncode == 2 and words[0] in done.stderr.decode()
