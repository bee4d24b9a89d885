"""The wall clock of a program under test, by tests/faults/preload/jumping_clock.c."""
import os
import pathlib
import re
import struct
import subprocess

from support.servers import program


def sanitizers():
    """The runtimes of sanitizers in the program, which want to be loaded first."""
    loaded = subprocess.run(["ldd", program()], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(\S*/lib[at]san\.so\S*)", loaded)


class Clock:
    """Start a program with `env`, then let its clock jump."""

    def __init__(self, path):
        build = os.environ.get("PGW_BUILD_DIR") or \
            str(pathlib.Path(__file__).resolve().parents[2] / "build")
        ours = os.path.join(build, "tests", "faults", "jumping_clock.so")
        self.path = path
        self.env = {"LD_PRELOAD": ":".join([*sanitizers(), ours]), "PGW_CLOCK": path}
        with open(path, "wb") as file:
            file.write(struct.pack("q", 0))

    def jump(self, seconds):
        """So far from the truth, not from where it is."""
        with open(self.path, "r+b") as file:
            file.write(struct.pack("q", seconds))
