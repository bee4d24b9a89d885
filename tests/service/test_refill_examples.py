"""The clients of examples/refill do what docs/refills.md says."""
import importlib.util
import pathlib

import pytest

from checks import is_accepted

PATH = pathlib.Path(__file__).parents[2] / "examples" / "refill" / "cache.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("refill_example", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("key, marker", [
    ("user:42", "purgeway:hold:{user:42}"), ("{t7}:x", "purgeway:hold:{t7}:x"),
    ("a{b}c", "purgeway:hold:a{b}c")])
def test_marker(example, key, marker):
    assert example.marker(key) == marker


def test_slow_reader_does_not_undo_a_purge(example, api, cache, unique):
    key = unique()

    def purged_meanwhile():
        """The row is read, then changed and purged, and stored after that."""
        body = {"mode": "versioned", "version": "8"}
        assert api.finished(is_accepted(api.purge(key, **body))["job_id"])["status"] == "succeeded"
        return "old", 7

    assert example.cached(cache, key, purged_meanwhile, interim_ms=0) == "old"
    assert not cache.exists(key)
    assert example.cached(cache, key, lambda: ("new", 8)) == "new"
    assert example.cached(cache, key, lambda: ("never asked", 9)) == b"new"
    assert cache.pttl(key) > 10_000


def test_interim_value_spares_the_database(example, api, cache, unique):
    key = unique()
    assert api.finished(is_accepted(api.purge(key, mode="tombstone"))["job_id"])
    example.cached(cache, key, lambda: ("perhaps old", None), interim_ms=500)
    assert 0 < cache.pttl(key) <= 500
