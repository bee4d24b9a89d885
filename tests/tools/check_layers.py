#!/usr/bin/env python3
"""ctest lint_layers: who may see whom.

    check_layers.py ROOT [libpgw_FLOOR.a...]

Headers sit beside their sources and are included from the root src/
("redis/client.h"); a floor sees the floors below it, never above and never a sibling;
foreign libraries have a home. With the built archives the same law is read off their
symbols, which finds a call through a declaration that was written by hand.
"""
import pathlib
import re
import subprocess
import sys

SEES = {  # floor -> floors it may include (itself always)
    "base": [],
    "io": ["base"],
    "redis": ["base", "io"],
    "domain": ["base", "io", "redis"],
    "http": ["base", "io", "redis", "domain"],
    "work": ["base", "io", "redis", "domain"],
    "cli": ["base", "io"],
    "role": ["base", "io", "redis", "domain", "http", "work", "cli"],
}
HOME = [  # first match wins
    (r"jansson\.h", {"base", "http", "cli", "role"}),
    (r"yaml\.h", {"base"}),
    (r"pcre2\.h", {"http"}),
    (r"curl/", {"cli"}),
    (r"h2o/(socket|multithread|http1client|hostinfo)\.h|h2o/socket/", {"io", "http"}),
    (r"h2o", {"io", "http"}),
    (r"openssl/(ssl|x509v3)\.h", {"io"}),
    (r"openssl/", {"base", "io"}),
]
INCLUDE = re.compile(r'\s*#\s*include\s+(["<])([^">]+)')


def includes(root):
    for path in sorted((root / "src").rglob("*.[ch]")):
        floor = path.relative_to(root / "src").parts[0]
        if floor not in SEES and floor != "tbl":
            yield f"{path}: {floor} is no floor; teach {__file__} where it stands"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            quote, name = found.groups()
            if quote == '"':
                target = name.split("/")[0] if "/" in name else floor
                if target not in (floor, "tbl", "purgeway") and target not in SEES.get(floor, []):
                    yield f'{path}:{number}: {floor} may not include "{name}"'
                if name.endswith("_priv.h") and target != floor:
                    yield f'{path}:{number}: "{name}" is private to {target}'
                continue
            for pattern, homes in HOME:
                if re.match(pattern, name):
                    if floor not in homes:
                        yield f"{path}:{number}: <{name}> has no business in {floor}"
                    break


def symbols(archive, *flags):
    text = subprocess.run(["nm", *flags, archive], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in text.splitlines() if " pgw_" in line}


def calls(archives):
    floors = {re.sub(r"^libpgw_|\.a$", "", pathlib.Path(a).name): a for a in archives}
    made = {floor: symbols(a, "-g", "--defined-only") for floor, a in floors.items()}
    for floor, archive in floors.items():
        for name in sorted(symbols(archive, "-u") - made[floor]):
            owner = next((f for f in floors if name in made[f]), None)
            if owner and owner not in SEES[floor]:
                yield f"{archive}: {floor} may not call {name} of {owner}"


bad = [*includes(pathlib.Path(sys.argv[1])), *calls(sys.argv[2:])]
print("\n".join(bad) or "layers: ok")
sys.exit(bool(bad))
