"""What holds for all tests: their order, and which of them may be tried once more.

They are dealt, so that no process gets all the long ones.

Tests of one file are often of one kind, and pytest-xdist hands out runs of neighbours: in the
order of the files, one process still waits for broker alarms when the others have long ended.
The order is the same in every run, and on every machine.
"""
import os
import re
import zlib

import pytest

#: pytest-xdist deals the first quarter at once, in runs; the long ones are spread over it.
FIRST_DEAL = 4


def pytest_configure(config):
    config.addinivalue_line("markers", "lengthy: waits for long, and is begun among the first")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: zlib.crc32(item.nodeid.encode()))
    lengthy = [item for item in items if item.get_closest_marker("lengthy")]
    rest = [item for item in items if not item.get_closest_marker("lengthy")]
    apart = max(len(items) // FIRST_DEAL // max(len(lengthy), 1), 1)
    for number, item in enumerate(lengthy):
        rest.insert(number * apart, item)
    items[:] = rest


#: What is no matter of time.
_DISASTER = re.compile(r"Sanitizer|runtime error:|panic|assertion failed|crashed|purgeway ended with",
                       re.IGNORECASE)
_failed = {}


def pytest_runtest_logreport(report):
    if report.failed:
        may_be_late = not _DISASTER.search(report.longreprtext)
        _failed[report.nodeid] = _failed.get(report.nodeid, True) and may_be_late


def pytest_sessionfinish(session):
    """For tests/run: what failed, one test a line; nothing when some of it must not be forgiven."""
    path = os.environ.get("PGW_FAILED_TESTS")
    if path and not hasattr(session.config, "workerinput") and all(_failed.values()):
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{nodeid}\n" for nodeid in _failed)
