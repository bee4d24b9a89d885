#!/usr/bin/env python3
"""ctest lint_binary: what compiler and linker do against attacks is in the program.

    check_binary.py PROGRAM

Looks at the result, not at the flags: a flag that is lost on its way, or that one file is built
without, shows here. Needs readelf (binutils).
"""
import re
import subprocess
import sys

#: What gcc writes down about each unit it has compiled. (Control-flow protection is seen only there:
#: the linker marks a program with it when every part has it, and Debian's crti.o has not.)
UNIT_FLAGS = ("-fstack-protector-strong", "-fstack-clash-protection",
              "-ftrivial-auto-var-init=zero")
X86_UNIT_FLAGS = ("-fcf-protection=full",)
#: Calls that a program of this kind makes with sizes that the compiler knows; without
#: _FORTIFY_SOURCE they would go to the plain functions. Level 3 adds sizes known only at run time.
FORTIFIED = ("__snprintf_chk", "__memcpy_chk", "__fprintf_chk")


def readelf(*words):
    return subprocess.run(["readelf", "-W", *words], check=True, capture_output=True,
                          text=True, errors="replace").stdout


def problems(program):
    header, segments = readelf("-h", program), readelf("-l", program)
    dynamic = readelf("-d", program)
    imports = {name.partition("@")[0] for name in
               re.findall(r"\bUND (\S+)", readelf("--dyn-syms", program))}
    if not re.search(r"Type:\s+DYN", header) or not re.search(r"FLAGS_1.*\bPIE\b", dynamic):
        yield "is no position-independent executable"
    if "GNU_RELRO" not in segments:
        yield "does not make its tables read-only (-z relro)"
    if not re.search(r"\bBIND_NOW\b|FLAGS_1.*\bNOW\b", dynamic):
        yield "binds lazily, so its tables stay writable (-z now)"
    stack = re.search(r"GNU_STACK\s+(?:0x\w+\s+){5}(\S+)", segments)
    if not stack or "E" in stack.group(1):
        yield "has an executable stack (-z noexecstack)"
    if re.search(r"LOAD.*\bRWE\b", segments):
        yield "has a segment that is writable and executable"
    if re.search(r"\b(RPATH|RUNPATH)\b", dynamic):
        yield "looks for libraries in a path of its own (RPATH)"
    if "TEXTREL" in dynamic:
        yield "has text relocations"
    if "__stack_chk_fail" not in imports:
        yield "has no stack protector"
    for name in FORTIFIED:
        if name not in imports:
            yield f"does not call {name} (_FORTIFY_SOURCE)"
    yield from flags(program, UNIT_FLAGS + (X86_UNIT_FLAGS if "X86-64" in header else ()))


def flags(program, wanted):
    units = set(re.findall(r"GNU C\d+ \d\S* .*", readelf("-p", ".debug_str", program)))
    if not units and "clang" not in readelf("-p", ".comment", program):
        yield "says nothing about how it was compiled (-g)"
    for unit in units:
        for flag in wanted:
            if flag not in unit.split():
                yield f"has a unit compiled without {flag}: {unit[:120]}..."


bad = sorted(set(problems(sys.argv[1])))
print("\n".join(f"{sys.argv[1]} {line}" for line in bad) or "binary: ok")
sys.exit(bool(bad))
