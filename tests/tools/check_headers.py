#!/usr/bin/env python3
"""ctest lint_headers: every header compiles alone, twice over.

    check_headers.py ROOT CC INCLUDE_DIR...

Alone: it includes what its declarations need. Twice: its guard works. The tables under
src/tbl/ are lists of macro calls and are left out.
"""
import concurrent.futures
import pathlib
import subprocess
import sys

root, compiler = pathlib.Path(sys.argv[1]), sys.argv[2]
folders = [root / "src", root / "include", *map(pathlib.Path, sys.argv[3:])]
command = [compiler, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
           "-fsyntax-only", "-D_GNU_SOURCE", "-DH2O_USE_LIBUV=0", "-x", "c", "-"]
command[1:1] = [f"-I{folder}" for folder in folders]


def compile_alone(path):
    text = f'#include "{path}"\n' * 2
    run = subprocess.run(command, input=text, capture_output=True, text=True)
    return f"{path}:\n{run.stderr}" if run.returncode else ""


headers = [p for d in folders[:2] for p in sorted(d.rglob("*.h")) if p.parent.name != "tbl"]
with concurrent.futures.ThreadPoolExecutor() as pool:
    bad = [text for text in pool.map(compile_alone, headers) if text]
print("\n".join(bad) or f"headers: {len(headers)} ok")
sys.exit(bool(bad))
