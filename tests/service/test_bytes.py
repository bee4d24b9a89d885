"""Keys are bytes. Exactly the named ones go; whatever stands beside them stays."""
import json
import os
import pathlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.servers import ROOT

SUITES = pathlib.Path(os.environ.get("PGW_SUITES") or ROOT.parent / "shared" / "suites")
NAUGHTY = SUITES / "naughty" / "strings.json"


def neighbours(key):
    """Keys that a careless program would take for this one."""
    near = {key + b"\x00", key + b"\n", key + b" ", b" " + key, key[:-1], key[1:], key * 2,
            key.lower(), key.upper(), key.strip(), key.split(b"\x00")[0], key.split(b"\r")[0],
            key.split(b"\n")[0], key.replace(b"\\", b""), key.replace(b"\xff", b"\xef\xbf\xbd"),
            key.decode("utf-8", "replace").encode(), key.decode("latin-1").encode(), b"*", b"?",
            b"[a-z]"}
    return sorted(near - {key, b""})


def purge_exactly(api, cache, keys):
    """Set the keys and their neighbours, purge the keys, and look at what is left."""
    others = sorted({near for key in keys for near in neighbours(key)} - set(keys))
    with cache.pipeline(transaction=False) as pipe:
        for key in [*keys, *others]:
            pipe.set(key, b"v")
        pipe.execute()
    answer = api.purge(*keys, prefer="wait=30", rebounds_ms=[])
    assert answer.status == 200, answer
    result = answer.json["result"]
    assert (result["requested"], result["removed"], result["missing"]) == (len(keys), len(keys), 0)
    left = cache.mget(keys)
    assert left == [None] * len(keys), [key for key, value in zip(keys, left) if value]
    assert cache.exists(*others) == len(others)
    cache.delete(*others)


@pytest.mark.parametrize("key", [
    b"\x00", b"\x00\x00", b"a\x00b", b"\r\n", b"a\r\nb", b"\n", b"\xff", b"\xc3\x28", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80", b"\xc0\x80", b"$3\r\nfoo\r\n", b"*1\r\n$8\r\nFLUSHALL\r\n", b"user:*",
    b"[a-z]*", b"\\*", b"{tag}:1", b"a b\tc", b"\x7f\x1b[31m", bytes(range(256)), b"x" * 3072])
def test_any_bytes_by_base64(api, cache, key):
    purge_exactly(api, cache, [key])


@pytest.mark.parametrize("key", [
    "a\x00b", "\x00", "a\r\nb", "\x01\x1f\x7f", "\u2028", "é", "日本語", "\U0001f600", "\ufeff",
    "\ufffd", "a\\u0000b", '"', "\\", "/", "*", "%00", "\u202e", "\U0010ffff", "\x80"])
def test_any_text(api, cache, key):
    raw = key.encode()
    others = neighbours(raw)
    cache.mset({name: b"v" for name in [raw, *others]})
    answer = api.purge(key, prefer="wait=10", rebounds_ms=[])
    assert answer.status == 200 and answer.json["result"]["removed"] == 1
    assert not cache.exists(raw)
    assert cache.exists(*others) == len(others)
    cache.delete(*others)


def test_text_reaches_redis_as_utf8_without_normalisation(api, cache):
    composed, decomposed = "\u00e9", "e\u0301"
    cache.mset({composed: 1, decomposed: 1})
    assert api.purge(composed, prefer="wait=10", rebounds_ms=[]).json["result"]["removed"] == 1
    assert cache.exists(decomposed) and not cache.exists(composed)
    cache.delete(decomposed)


def test_same_key_in_both_forms_and_twice(api, cache, unique):
    key = unique()
    cache.set(key, 1)
    result = api.purge(key, key, key.encode(), prefer="wait=10").json["result"]
    assert result["requested"] == 3
    assert result["removed"] == 1 and result["missing"] == 2


def test_every_type_of_value_goes(api, cache, unique):
    keys = [unique() for _ in range(6)]
    cache.set(keys[0], "x")
    cache.lpush(keys[1], 1, 2)
    cache.sadd(keys[2], *range(1000))
    cache.hset(keys[3], "a", 1)
    cache.zadd(keys[4], {"a": 1})
    cache.xadd(keys[5], {"a": 1})
    assert api.purge(*keys, prefer="wait=10", rebounds_ms=[]).json["result"]["removed"] == 6
    assert not cache.exists(*keys)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(keys=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8, unique=True))
def test_property_any_set_of_keys_is_removed_exactly(api, cache, unique, keys):
    # The queue lives in this Redis too; its own keys are not for the asking here. No key comes twice,
    # because the first time's repetitions would remove the second one.
    stem = f"p:{unique()}:".encode()
    purge_exactly(api, cache, [stem + key for key in keys])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=100))
def test_property_any_text_is_removed_exactly(api, cache, unique, text):
    text = f"t:{unique()}:{text}"
    cache.mset({text: 1, text + "x": 1})
    assert api.purge(text, prefer="wait=10", rebounds_ms=[]).json["result"]["removed"] == 1
    assert cache.exists(text + "x") and not cache.exists(text)
    cache.delete(text + "x")


@pytest.mark.skipif(not NAUGHTY.exists(), reason=f"no naughty strings at {NAUGHTY}")
def test_naughty_strings(api, cache):
    with open(NAUGHTY, encoding="utf-8") as file:
        keys = sorted({text for text in flatten(json.load(file)) if text})
    assert len(keys) > 100
    named = keys[::2]
    cache.mset({key: 1 for key in keys})
    for at in range(0, len(named), 500):
        result = api.purge(*named[at:at + 500], prefer="wait=30", rebounds_ms=[]).json["result"]
        assert result["removed"] == len(named[at:at + 500])
    assert not any(cache.mget(named))
    assert all(cache.mget(keys[1::2]))
    cache.delete(*keys)


def flatten(value):
    if isinstance(value, str):
        yield value
    else:
        for item in value.values() if isinstance(value, dict) else value:
            yield from flatten(item)
