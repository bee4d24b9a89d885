"""Patterns: the matcher against Redis itself, and purges by pattern."""
import os
import random
import subprocess

from support.servers import Redis, program


def made_up(rng):
    """A pattern that is likely to match, and a key that is likely to be matched."""
    alphabet = b"ab:\x00\xff-^]["
    key = bytes(rng.choice(alphabet) for _ in range(rng.randrange(0, 7)))
    pattern = bytearray()
    for byte in key:
        kind = rng.randrange(12)
        if kind == 0:
            pattern += b"*"
        elif kind == 1:
            pattern += b"?"
        elif kind == 2:
            pattern += b"[" + rng.choice([b"", b"^"]) + bytes(
                rng.choice(alphabet + b"\\") for _ in range(rng.randrange(0, 4))) + bytes(
                    [byte]) + rng.choice([b"]", b"]", b""])
        elif kind == 3:
            pattern += b"\\" + bytes([byte])
        elif kind == 4:
            pattern += bytes(rng.choice(b"*?[]^-\\ab") for _ in range(rng.randrange(1, 4)))
        elif kind == 5:
            pattern += b"*" + bytes([byte])
        else:
            pattern += bytes([byte])
    if rng.randrange(6) == 0:
        pattern += rng.choice([b"*", b"**", b"\\", b"[", b"[^", b"[a-"])
    return bytes(pattern), key


def test_matcher_agrees_with_keys(make):
    """100,000 pairs, each asked of KEYS on a server that holds just that key's companions."""
    redis = make(Redis).client()
    rng = random.Random(20261121)
    checked, matched = 0, 0
    for _ in range(400):
        pairs = [made_up(rng) for _ in range(20)]
        keys = sorted({key for _, key in pairs})
        redis.flushall()
        redis.mset({key: 1 for key in keys})
        pipeline = redis.pipeline(transaction=False)
        patterns = [pattern for pattern, _ in pairs]
        for pattern in patterns:
            pipeline.keys(pattern)
        said = [set(found) for found in pipeline.execute()]
        asked = [(i, key) for i in range(len(patterns)) for key in keys]
        lines = "".join(f"{patterns[i].hex()}\n{key.hex()}\n" for i, key in asked)
        done = subprocess.run([os.path.join(os.path.dirname(program()), "tests", "support",
                                            "glob_lines")],
                              input=lines.encode(), capture_output=True, timeout=60, check=True)
        ours = done.stdout.decode().split()
        assert len(ours) == len(asked)
        for (i, key), yes in zip(asked, ours):
            assert (key in said[i]) == (yes == "1"), (patterns[i], key)
            matched += yes == "1"
        checked += len(asked)
    assert checked >= 100_000 and checked / 50 < matched < checked / 2
    print(checked, matched)
