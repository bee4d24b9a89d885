"""Fill a cache so that a purge is not undone by a reader who was slow. Needs redis-py."""
import pathlib

import redis

FILL = (pathlib.Path(__file__).parents[2] / "lua" / "fill.lua").read_text(encoding="utf-8")


def marker(key):
    """Where Purgeway puts the marker of a key: in the key's slot of a cluster."""
    tag = key.partition("{")[2].partition("}")
    return f"purgeway:hold:{key}" if tag[0] and tag[1] else f"purgeway:hold:{{{key}}}"


def cached(client, key, load, ttl_ms=60_000, interim_ms=1_000):
    """The value from the cache, or from load(), which returns (value, version or None)."""
    value = client.get(key)
    if value is None:
        value, version = load()
        client.eval(FILL, 2, key, marker(key), value, ttl_ms,
                    "" if version is None else version, interim_ms)
    return value


if __name__ == "__main__":
    print(cached(redis.Redis(), "user:42", lambda: ("Ada", 1763700000000000)))
