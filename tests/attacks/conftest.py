"""Attacks on the gateway, each tried on two programs.

On the real one all tests must pass. On purgeway-unguarded, which is the same without the guard,
those marked `guarded` must end with a Breach: a test that passes there shows nothing about the
guard, and is reported as an error. Those marked `patched(reason)` are about what the library
withstands by itself, and pass on both.

    PURGEWAY=build/tests/attacks/purgeway-unguarded pytest tests/attacks

tests/run attacks does both.
"""
import pathlib
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]),
                str(pathlib.Path(__file__).resolve().parent)]

from arena import Arena, Breach  # noqa: E402
from support.certificates import Certificates  # noqa: E402
from support.clock import Clock  # noqa: E402
from support.servers import Redis, program  # noqa: E402


def _version():
    return subprocess.run([program(), "version"], capture_output=True, text=True,
                          check=True).stdout


IS_GUARDED = "UNGUARDED" not in _version()


def pytest_configure(config):
    config.addinivalue_line("markers", "guarded: the library alone does not withstand it")
    config.addinivalue_line("markers", "patched(reason): the library withstands it by itself")


def pytest_collection_modifyitems(items):
    for item in items:
        marks = [name for name in ("guarded", "patched") if item.get_closest_marker(name)]
        if len(marks) != 1:
            raise pytest.UsageError(f"{item.nodeid} must be marked guarded or patched")
        if not IS_GUARDED and marks == ["guarded"]:
            item.add_marker(pytest.mark.xfail(strict=True, raises=Breach,
                                              reason="there is no guard"))


def pytest_terminal_summary(terminalreporter):
    succeeded = len(terminalreporter.stats.get("xfailed", []))
    if not IS_GUARDED:
        terminalreporter.write_line(f"without the guard {succeeded} attacks succeed, as they must")


@pytest.fixture(scope="session")
def redis():
    # How fast the disk is says nothing about the guard.
    with Redis(appendonly="no") as server:
        yield server


@pytest.fixture
def arena(redis):
    """arena(**settings): a gateway to attack."""
    made = []

    def make(**settings):
        made.append(Arena(redis, IS_GUARDED, **settings))
        return made[-1]
    yield make
    for one in reversed(made):
        one.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(str(tmp_path_factory.mktemp("certificates")))


@pytest.fixture
def clock(tmp_path):
    return Clock(str(tmp_path / "clock"))
