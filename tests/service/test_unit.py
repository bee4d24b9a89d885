"""The systemd unit: how closed it is, and that the service works within it."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from support.processes import child_of, eventually, free_port, threads
from support.servers import ROOT, Purgeway, is_sanitized
from support.under_unit import NOBODY, allowed, settings

UNIT = str(ROOT / "deploy" / "purgeway.service")

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                reason="systemd-analyze is not installed")


def test_exposure():
    """At most 1.5 of 10, by systemd's own reckoning."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15",
                           "--no-pager", UNIT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_exposure_is_seen(tmp_path):
    """The check can fail."""
    worse = tmp_path / "purgeway.service"
    with open(UNIT, encoding="ascii") as file:
        worse.write_text(file.read().replace("ProtectSystem=strict", "").replace("PrivateUsers=yes", "")
                         .replace("SystemCallFilter=~", "#").replace("User=", "#"))
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15",
                           "--no-pager", str(worse)], capture_output=True, check=False)
    assert done.returncode != 0


def test_filter_has_what_purgeway_takes_rights_away_with():
    calls = allowed(settings(UNIT))
    assert {"seccomp", "capset", "execve", "clone", "fsync"} <= calls
    assert not {"ptrace", "mount", "bpf", "setuid", "keyctl", "io_uring_setup", "init_module"} & calls


@pytest.mark.skipif(os.getuid() != 0, reason="only root can lay a unit's rules on a process")
@pytest.mark.skipif(is_sanitized(),
                    reason="a sanitizer needs more than the unit allows")
def test_serves_within_it(make):
    place = tempfile.mkdtemp(prefix="pgw-unit-", dir="/var/tmp")
    try:
        os.chmod(place, 0o755)
        data = os.path.join(place, "data")
        os.mkdir(data)
        os.chown(data, NOBODY, NOBODY)
        server = Within(directory=place, data_dir=data, start=False,
                        listen=f"127.0.0.1:{free_port()}", env={"WATCHDOG_USEC": "1000000"})
        make(lambda: server)
        os.chmod(server.notify.path, 0o777)
        server.start()
        assert server.api.purge("a", prefer="wait=20").json["status"] == "succeeded"
        server.notify.until("WATCHDOG")
        # The unit's filter, and under it those of the main thread and of the loops.
        found = {status["Seccomp_filters"] for status in threads(server.pid)}
        assert found == {"2", "3"}
        assert not server.log_contains("process.unfiltered")
        os.kill(child_of(server.pid), signal.SIGKILL)
        eventually(lambda: server.log_contains("embedded.restarted"))
        eventually(server.is_ready)
        with server.embedded() as redis:
            redis.bgrewriteaof()
            eventually(lambda: redis.info("persistence")["aof_rewrites"] >= 1
                       and not redis.info("persistence")["aof_rewrite_in_progress"])
            assert redis.info("persistence")["aof_last_bgrewrite_status"] == "ok"
        server.signal(signal.SIGHUP)
        eventually(lambda: server.log_contains("config.reloaded"))
        assert server.sigterm() == 0
    finally:
        shutil.rmtree(place, ignore_errors=True)


class Within(Purgeway):
    """A Purgeway that is started under the rules of the unit, from where its user may look."""

    def argv(self):
        helper = os.path.join(ROOT, "tests", "support", "under_unit.py")
        theirs, *words = super().argv()
        own = os.path.join(self.directory, "program")
        if not os.path.exists(own):
            shutil.copy(theirs, own)
            os.chmod(own, 0o755)
        return [sys.executable, helper, UNIT, self.directory, own, *words]

