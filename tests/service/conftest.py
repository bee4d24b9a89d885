"""Fixtures: one shared Purgeway for questions that leave it as it was, and a factory of
private ones for everything that stops, starves or breaks something."""
import contextlib
import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.certificates import Certificates  # noqa: E402
from support.clock import Clock  # noqa: E402
from support.servers import Purgeway, Redis, program  # noqa: E402


def pytest_configure(config):
    if not os.access(program(), os.X_OK):
        raise pytest.UsageError(f"no program to test: {program()} (build it, or set PURGEWAY)")


@pytest.fixture(scope="session")
def purgeway():
    """`purgeway serve` with its embedded Redis, which is the target too."""
    with Purgeway("serve") as server:
        yield server


@pytest.fixture(scope="session")
def api(purgeway):
    return purgeway.api


@pytest.fixture(scope="session")
def cache(purgeway):
    """A client of the Redis whose keys are purged."""
    with purgeway.embedded() as client:
        yield client


@pytest.fixture
def make():
    """make(Class, ...) gives a server that is closed, last first, when the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda kind, *args, **kwargs: stack.enter_context(kind(*args, **kwargs))


@pytest.fixture
def beside(make):
    """beside(role, **settings): a Purgeway on a private Redis, and that Redis."""
    def start(role="serve", redis=None, **settings):
        redis = redis or make(Redis)
        return make(Purgeway, role, broker_url=redis.url(), **settings), redis
    return start


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(str(tmp_path_factory.mktemp("certificates")))


@pytest.fixture
def unique():
    """unique() gives a key that no other test uses."""
    counter = itertools.count()
    stem = os.urandom(6).hex()
    return lambda: f"test:{stem}:{next(counter)}"


@pytest.fixture
def clock(tmp_path):
    return Clock(str(tmp_path / "clock"))
