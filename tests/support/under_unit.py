"""Run a command under what a systemd unit allows, without systemd: for root, in a mount namespace.

    under_unit.py UNIT WRITABLE_DIR command...

The user is nobody; the system call filter, capabilities and limits are read from the unit; the file
system is read-only but for the one directory, as ProtectSystem=strict has it. What namespaces and
cgroups do besides (PrivateDevices, ProtectProc, RestrictAddressFamilies...) is not done here: the
first would hide what the test needs, deploy/proof shows them under a real systemd.
"""
import ctypes
import os
import re
import resource
import subprocess
import sys

NOBODY = 65534
EPERM = 1
SCMP_ACT_ALLOW, SCMP_ACT_EPERM = 0x7fff0000, 0x00050000 | EPERM
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 38, 24
CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18

libc = ctypes.CDLL(None, use_errno=True)
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
seccomp.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
seccomp.seccomp_load.argtypes = [ctypes.c_void_p]


def settings(path):
    """[(name, value)] of a unit, in order."""
    with open(path, encoding="ascii") as file:
        return re.findall(r"^(\w+)=(.*)$", file.read(), re.M)


def expand(word):
    """The calls of a group, by systemd's own table."""
    if not word.startswith("@"):
        return {word}
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], check=True,
                          capture_output=True, text=True).stdout
    found = set()
    for line in text.splitlines()[1:]:
        line = line.strip()
        if line and not line.startswith("#"):
            found |= expand(line)
    return found


def allowed(unit):
    calls = set()
    for name, value in unit:
        if name == "SystemCallFilter":
            words = value.lstrip("~").split()
            group = set().union(*(expand(word) for word in words))
            calls = calls - group if value.startswith("~") else calls | group
    return calls


def mount(source, target, flags):
    if libc.mount(source.encode(), target.encode(), None, flags, None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


def close_file_system(writable):
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", MS_REC | MS_PRIVATE)
    mount(writable, writable, MS_BIND)
    for place in ("/", "/tmp", "/dev/shm", "/var/tmp"):
        if os.path.ismount(place):
            mount("none", place, MS_REMOUNT | MS_BIND | MS_RDONLY)


def main(path, writable, command):
    unit = settings(path)
    given = dict(unit)
    calls = allowed(unit)
    close_file_system(writable)
    os.umask(int(given["UMask"], 8))
    resource.setrlimit(resource.RLIMIT_CORE, (int(given["LimitCORE"]),) * 2)
    assert given["CapabilityBoundingSet"] == "" and given["NoNewPrivileges"] == "yes"
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    filter_ = seccomp.seccomp_init(SCMP_ACT_EPERM)
    for call in sorted(calls):
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number != -1:  # it knows the name
            seccomp.seccomp_rule_add(filter_, SCMP_ACT_ALLOW, number, 0)
    if seccomp.seccomp_load(filter_) != 0:
        raise OSError("seccomp")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
