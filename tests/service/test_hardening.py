"""What is left of a process's rights once it serves."""
import os
import platform
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile

import pytest

from checks import is_accepted
from support.processes import child_of, eventually, free_port, threads
from support.servers import Purgeway, Redis, run_to_end

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
NOBODY = 65534


def values(statuses, name):
    return {status[name].strip() for status in statuses}


@pytest.mark.parametrize("role", ["serve", "gateway", "worker"])
def test_all_threads_are_filtered(beside, role):
    server, _ = beside(role)
    all_threads = threads(server.pid)
    assert len(all_threads) >= 3  # the main thread and two loops
    assert values(all_threads, "Seccomp") == {"2"}
    assert values(all_threads, "NoNewPrivs") == {"1"}
    # One list for all: nobody has to start a Redis.
    assert values(all_threads, "Seccomp_filters") == {"1"}


def test_threads_have_a_narrower_filter_beside_an_embedded_redis(make):
    server = make(Purgeway)
    by_count = [status["Seccomp_filters"] for status in threads(server.pid)]
    # One for the main thread (and one that ThreadSanitizer keeps), two for each of the two loops and for
    # the two threads beside each.
    assert set(by_count) == {"1", "2"} and by_count.count("2") == 6


def test_embedded_redis_is_started_again_under_the_filter(make):
    server = make(Purgeway)
    first = child_of(server.pid)
    assert values(threads(first), "Seccomp") == {"2"}
    os.kill(first, signal.SIGKILL)
    eventually(lambda: server.log_contains("embedded.restarted"))
    second = eventually(lambda: child_of(server.pid))
    assert second != first
    assert values(threads(second), "Seccomp") == {"2"}
    assert values(threads(second), "NoNewPrivs") == {"1"}
    eventually(server.is_ready)
    with server.embedded() as redis:
        # It forks, writes files, renames and removes them, and syncs.
        redis.set("k", "v")
        redis.bgrewriteaof()
        eventually(lambda: redis.info("persistence")["aof_rewrite_in_progress"] == 0
                   and redis.info("persistence")["aof_rewrites"] >= 1)
        assert redis.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    assert server.api.purge("k", prefer="wait=20").json["result"]["removed"] == 1


@pytest.mark.parametrize("mode, expected", [("off", "0"), ("log", "2")])
def test_other_modes(beside, mode, expected):
    server, _ = beside(seccomp=mode)
    assert values(threads(server.pid), "Seccomp") == {expected}
    is_accepted(server.api.purge("a"))


def test_names_are_looked_up_under_the_filter(make):
    """In a thread that the libc starts, and which reads files and opens sockets."""
    redis = make(Redis)
    server = make(Purgeway, broker_url=f"redis://localhost:{redis.port}")
    assert server.api.purge("a", prefer="wait=20").json["status"] == "succeeded"


def test_reload_reads_files_under_the_filter(make, certificates):
    server = make(Purgeway, tls_listen=f"127.0.0.1:{free_port()}",
                  tls_certificate=certificates.certificate, tls_key=certificates.key)
    server.signal(signal.SIGHUP)
    eventually(lambda: server.log_contains("config.reloaded"))


# ---- another user ----


@pytest.fixture
def place():
    """A directory that somebody else may own: pytest's own are closed to all but us."""
    path = tempfile.mkdtemp(prefix="pgw-user-", dir="/tmp")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def as_nobody(make, place):
    """as_nobody(**settings): a server that becomes nobody, on a data directory of nobody's."""
    def start(**settings):
        data = os.path.join(place, "data")
        os.mkdir(data)
        os.chown(data, NOBODY, NOBODY)
        server = make(Purgeway, directory=place, user="nobody", data_dir=data, start=False,
                      **settings)
        # As systemd's is: whoever is supervised may speak.
        os.chmod(server.notify.path, 0o777)
        return server.start()
    return start


def low_port():
    """Below 1024, where only root may listen."""
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no low port is free")


@pytest.fixture
def key_of_root(certificates, place):
    """Settings for HTTPS with a key that only root can read."""
    key, certificate = os.path.join(place, "key.pem"), os.path.join(place, "certificate.pem")
    shutil.copy(certificates.key, key)
    os.chmod(key, 0o600)
    shutil.copy(certificates.certificate, certificate)
    return {"tls_listen": f"127.0.0.1:{free_port()}", "tls_key": key,
            "tls_certificate": certificate}


@as_root
def test_becomes_another_user(as_nobody, key_of_root):
    server = as_nobody(listen=[f"127.0.0.1:{free_port()}", f"127.0.0.1:{low_port()}"],
                       **key_of_root)
    data = server.settings["data_dir"]
    for pid in (server.pid, child_of(server.pid)):
        for status in threads(pid):
            assert status["Uid"].split() == status["Gid"].split() == [str(NOBODY)] * 4
            assert "0" not in status["Groups"].split()
            for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                assert int(status[name], 16) == 0, name
            assert status["NoNewPrivs"] == "1"
    assert not server.log_contains("process.root")
    assert server.api.purge("a", prefer="wait=20").json["status"] == "succeeded"
    for port in server.listen:
        is_accepted(type(server.api)(int(port.rpartition(":")[2])).purge("b"))
    assert {os.stat(os.path.join(data, name)).st_uid for name in os.listdir(data)} == {NOBODY}
    # A Redis that is started again is theirs as well.
    os.kill(child_of(server.pid), signal.SIGKILL)
    eventually(lambda: server.log_contains("embedded.restarted"))
    assert values(threads(child_of(server.pid)), "Uid") == {"\t".join([str(NOBODY)] * 4)}


@as_root
def test_group_of_choice(as_nobody):
    server = as_nobody(group="daemon")
    assert values(threads(server.pid), "Gid") == {"\t".join(["1"] * 4)}


@as_root
def test_root_is_warned_and_served(make):
    server = make(Purgeway)
    assert server.log_contains("process.root", '"warn"')
    assert values(threads(server.pid), "NoNewPrivs") == {"1"}


@as_root
def test_key_that_only_root_can_read_fails_the_reload_and_nothing_else(as_nobody, key_of_root):
    server = as_nobody(**key_of_root)
    server.signal(signal.SIGHUP)
    eventually(lambda: server.log_contains("config.reload_failed", "tls.key"))
    is_accepted(server.api.purge("a"))


@as_root
@pytest.mark.parametrize("words, said", [
    (["--user", "root"], "is root"), (["--user", "no-such-user"], "no user"),
    (["--user", "nobody", "--group", "no-such-group"], "no group"),
    (["--user", "nobody", "--group", "root"], "is root"), (["--group", "daemon"], "goes with user")])
def test_users_that_cannot_be(tmp_path, words, said):
    code, _, err = run_to_end("serve", "--data-dir", str(tmp_path), *words)
    assert code == 78 and said in err and len(err.splitlines()) == 1
    assert not os.listdir(tmp_path)


def test_only_root_becomes_somebody_else(tmp_path):
    if os.getuid() == 0:
        pytest.skip("this is root")
    code, _, err = run_to_end("serve", "--data-dir", str(tmp_path), "--user", "daemon")
    assert code == 78 and "only root" in err


def test_files_of_the_data_directory_are_private(make):
    server = make(Purgeway)
    data = server.settings["data_dir"]
    assert stat.S_IMODE(os.stat(data).st_mode) == 0o700
    for name in os.listdir(data):
        assert stat.S_IMODE(os.stat(os.path.join(data, name)).st_mode) & 0o077 == 0, name


# ---- what the compiler and the linker do ----

TOOLS = os.path.join(os.path.dirname(__file__), "..", "tools")
#: With all that is looked for; each of the others lacks one thing.
CC = ("gcc -x c - -g -O2 -fPIE -pie -D_FORTIFY_SOURCE=3 -fstack-protector-strong "
      "-fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero "
      "-Wl,-z,relro,-z,now -Wl,-z,noexecstack").split()
PROGRAM = """
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
        char a[16], b[64];
        snprintf(a, (size_t)argc, "%s", argv[0]);
        memcpy(b, argv[0], (size_t)argc);
        return fprintf(stderr, "%s%d", a, b[0]);
}
"""


@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("gcc"),
                    reason="the flags are those of gcc on x86-64")
@pytest.mark.parametrize("drop, add, said", [
    (None, None, None),
    ("-pie", "-no-pie", "position-independent"), ("-Wl,-z,relro,-z,now", "-Wl,-z,relro,-z,lazy", "-z now"),
    ("-Wl,-z,relro,-z,now", "-Wl,-z,norelro,-z,now", "-z relro"),
    ("-Wl,-z,noexecstack", "-Wl,-z,execstack", "executable stack"),
    ("-D_FORTIFY_SOURCE=3", "-U_FORTIFY_SOURCE", "_FORTIFY_SOURCE"),
    ("-fstack-protector-strong", "-fno-stack-protector", "stack protector"),
    ("-fstack-clash-protection", "-fno-stack-clash-protection", "-fstack-clash-protection"),
    ("-fcf-protection", "-fcf-protection=none", "-fcf-protection"),
    ("-ftrivial-auto-var-init=zero", "-ftrivial-auto-var-init=uninitialized", "-ftrivial"),
    ("-g", "-g0", "-g"), (None, "-Wl,-rpath,/opt/lib", "RPATH")])
def test_the_check_of_the_program_sees_what_is_missing(tmp_path, drop, add, said):
    out = str(tmp_path / "program")
    words = [word for word in CC if word != drop] + ([add] if add else []) + ["-o", out]
    subprocess.run(words, input=PROGRAM.encode(), check=True, capture_output=True)
    done = subprocess.run([sys.executable, os.path.join(TOOLS, "check_binary.py"), out],
                          capture_output=True, text=True, check=False)
    assert done.returncode == (1 if said else 0), done.stdout
    assert not said or said in done.stdout
