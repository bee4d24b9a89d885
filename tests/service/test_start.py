"""How it starts, or says why not; what --check-config promises; what a reload may bring into force."""
import json
import os
import signal
import socket
import threading
import time

import pytest

from support.certificates import Certificates
from support.identities import Identities, Known
from support.processes import eventually, free_port
from support.servers import Purgeway, Redis, run_to_end


class Silent:
    """A server that accepts connections and never says a word."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.held = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                self.held.append(self.socket.accept())
            except OSError:
                return

    def close(self):
        self.socket.close()
        for connection, _ in self.held:
            connection.close()


@pytest.fixture
def silent():
    server = Silent()
    yield server
    server.close()


# ---- ended while it starts ---------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_while_it_waits_for_a_broker_that_says_nothing(make, silent, number):
    server = make(Purgeway, "serve", broker_url=f"redis://127.0.0.1:{silent.port}", wait=False,
                  log_level="info")
    eventually(lambda: server.log_contains("http.listening"), what="the start")
    server.signal(number)
    assert server.wait() == 0
    assert server.log_contains("process.draining") and server.log_contains("process.ended")
    assert not server.log_contains("process.ready")


@pytest.mark.parametrize("delay_ms", [5, 20, 60, 150, 400])
def test_ends_at_once_whenever_it_is_told(make, delay_ms):
    """One signal is enough, however early: while the embedded Redis starts, and right after."""
    server = make(Purgeway, "serve", wait=False, log_level="info", allow_codes=(0, -signal.SIGTERM))
    time.sleep(delay_ms / 1000)
    server.signal(signal.SIGTERM)
    server.wait()
    assert not os.path.exists(os.path.join(server.settings["data_dir"], "redis.lock")) or \
        make(Purgeway, "serve", data_dir=server.settings["data_dir"]).is_ready()


def test_ends_while_the_embedded_redis_does_not_answer(make):
    first = make(Purgeway, "serve")
    with first.embedded() as redis:
        pid = int(redis.info()["process_id"])
    assert first.sigterm() == 0
    server = make(Purgeway, "serve", data_dir=first.settings["data_dir"], wait=False)

    def stopped():
        path = os.path.join(server.settings["data_dir"], "redis.log")
        with open(path, encoding="utf-8", errors="replace") as log:
            pids = [line.split(":", 1)[0] for line in log if "oO0OoO0OoO0Oo" in line]
        if int(pids[-1]) == pid:
            return None
        os.kill(int(pids[-1]), signal.SIGSTOP)
        return int(pids[-1])

    redis_pid = eventually(stopped, what="a Redis to stop")
    server.signal(signal.SIGTERM)
    # It may have been ready before it was stopped; either way it must come to its end.
    os.kill(redis_pid, signal.SIGCONT)
    assert server.wait() == 0


def test_a_hangup_while_it_starts_is_no_readiness(make, silent):
    server = make(Purgeway, "serve", broker_url=f"redis://127.0.0.1:{silent.port}", wait=False,
                  log_level="info")
    eventually(lambda: server.log_contains("http.listening"), what="the start")
    server.signal(signal.SIGHUP)
    eventually(lambda: server.log_contains("config.reloaded"), what="the reload")
    with pytest.raises(TimeoutError):
        server.notify.until("READY", patience_s=1)


# ---- what it needs -----------------------------------------------------------------------


@pytest.mark.parametrize("role", ["gateway", "worker"])
@pytest.mark.parametrize("check", [[], ["--check-config"]])
def test_half_a_service_needs_the_broker_of_the_other_half(role, check, tmp_path):
    code, _, err = run_to_end(role, "--data-dir", str(tmp_path), *check)
    assert code == 78 and "broker.url" in err and len(err.splitlines()) == 1, err
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("check", [[], ["--check-config"]])
def test_a_gateway_needs_an_address(check):
    env = {"PURGEWAY_LISTEN": ""}
    code, _, err = run_to_end("gateway", "--broker-url", "unix:///nowhere", *check, env=env)
    assert code == 78 and err.startswith("purgeway: listen: at least one address"), err
    code, _, err = run_to_end("worker", "--broker-url", "unix:///nowhere", "--check-config", env=env)
    assert code == 0, err


@pytest.mark.parametrize("words, setting", [
    (["--contract", "{garbage}"], "contract: {garbage}: line 2"),
    (["--user", "nobody-of-that-name"], "user"),
    (["--group", "root"], "group"),
    (["--user", "root"], "user"),
    (["--broker-url", "redis://127.0.0.1:1?password_file=/nowhere/secret"], "broker.url"),
    (["--results-url", "rediss://127.0.0.1:1?ca=/nowhere/ca.pem"], "results.url"),
    (["--target-url", "redis://127.0.0.1:1?password_file=/nowhere/secret"], "target.url"),
    (["--targets", "eu=redis://127.0.0.1:1?password_file=/nowhere/secret"], "targets"),
    (["--tls-listen", "127.0.0.1:0", "--tls-certificate", "{garbage}", "--tls-key", "{garbage}"],
     "tls.certificate"),
])
def test_what_cannot_start_is_not_called_right(tmp_path, words, setting):
    garbage = tmp_path / "garbage"
    garbage.write_text("openapi: [neither\n")
    words = [str(garbage) if word == "{garbage}" else word for word in words]
    for check in (["--check-config"], []):
        code, out, err = run_to_end("serve", "--listen", "127.0.0.1:0", "--data-dir",
                                    str(tmp_path / "data"), *words, *check)
        assert code == 78 and out == "" and setting.format(garbage=garbage) in err, (code, err)


def test_key_of_another_certificate_is_not_called_right(certificates, tmp_path):
    other = Certificates(str(tmp_path))
    code, _, err = run_to_end("serve", "--check-config", "--tls-listen", "127.0.0.1:0",
                              "--tls-certificate", certificates.certificate, "--tls-key", other.key)
    assert code == 78 and "tls.key" in err, err


def test_one_mistake_does_not_hide_another(tmp_path):
    contract = os.path.join(os.path.dirname(__file__), "..", "..", "openapi", "openapi.yaml")
    env = {"PURGEWAY_IDENTITIES_PEPPER": "short"}
    for words in ([], ["--contract", contract]):
        code, _, err = run_to_end("serve", "--check-config", *words, env=env)
        assert code == 78 and "identities.pepper" in err, err


def test_an_address_in_the_place_of_a_name_is_not_shown():
    code, _, err = run_to_end("serve", "--check-config",
                              env={"PURGEWAY_TARGETS": "a=redis://h,redis://:hunter2@h"})
    assert code == 78 and "number 2" in err and "hunter2" not in err, err


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "data" / "redis.log").mkdir(parents=True)
    code, _, err = run_to_end("serve", "--listen", "127.0.0.1:0", "--data-dir",
                              str(tmp_path / "data"))
    assert code == 69 and "redis.log" in err, err


# ---- an address that is taken -------------------------------------------------------------


def test_a_second_server_with_a_queue_of_its_own_is_refused(make, tmp_path):
    first = make(Purgeway, "serve")
    code, _, err = run_to_end("serve", "--listen", first.listen[0], "--data-dir",
                              str(tmp_path / "data"))
    said = [line for line in err.splitlines() if not line.startswith("{")]
    assert code == 69 and len(said) == 1 and first.listen[0] in said[0], err
    assert first.is_ready()


def test_two_addresses_of_our_own_may_be_one_place(make):
    port = free_port()
    server = make(Purgeway, "serve", listen=[f"0.0.0.0:{port}", f"127.0.0.1:{port}"],
                  listen_anywhere=True)
    assert server.is_ready()


def test_a_second_gateway_of_one_broker_is_let_in_and_says_so(make):
    url = make(Redis).url()
    first = make(Purgeway, "gateway", broker_url=url, log_level="info")
    second = make(Purgeway, "gateway", broker_url=url, listen=first.listen[0], log_level="info")
    assert second.log_contains("http.shared", first.listen[0])
    assert not first.log_contains("http.shared")


# ---- reloads -----------------------------------------------------------------------------


def test_a_reload_opens_no_door_that_a_start_would_not(make, certificates, tmp_path):
    """Of the new settings only some can be taken; they are judged beside those that stay."""
    path, ids = tmp_path / "purgeway.yaml", Identities(tmp_path)
    tls = {"listen": [f"0.0.0.0:{free_port()}"], "certificate": certificates.certificate,
           "key": certificates.key, "client_ca": certificates.authority, "client_required": True}
    path.write_text(json.dumps({"tls": tls}))
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), log_level="info",
                  flags=["--config", str(path)])
    path.write_text(json.dumps({"tls": {**tls, "client_required": False},
                                "identities": {"file": ids.path}}))
    assert run_to_end("serve", "--check-config", "--config", str(path))[0] == 0
    server.signal(signal.SIGHUP)
    line = eventually(lambda: server.log_contains("config.reload_failed"))
    assert "tls.listen" in line and "a restart is needed for identities.file" in line
    # And nothing of it stays behind.
    path.write_text(json.dumps({"tls": tls}))
    server.signal(signal.SIGHUP)
    assert "restart" not in eventually(lambda: server.log_contains("config.reloaded"))


def test_who_was_struck_off_is_out_although_the_reload_failed(make, tmp_path):
    """The hook is for a target that would need a restart; the key is as dead as if it were not."""
    ids = Identities(tmp_path)
    key = ids.add("shop", "purge:keys", "queues:read")
    ids.add("cms", "purge:keys")
    hooks, secret = tmp_path / "hooks.yaml", tmp_path / "secret"
    secret.write_text("a-secret-of-more-than-thirty-two-characters")
    hook = {"name": "cms", "profile": "github", "secrets": [f"file:{secret}"], "as": "cms",
            "rules": [{"keys": ["a"]}]}
    hooks.write_text(json.dumps({"hooks": [hook]}))
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), log_level="info",
                  identities_file=ids.path, hooks_file=str(hooks))
    assert Known(server.port, key).get("/v1/queues").status == 200
    hooks.write_text(json.dumps({"hooks": [{**hook, "job": {"targets": ["eu"]}}]}))
    ids.remove("shop")
    server.signal(signal.SIGHUP)
    eventually(lambda: server.log_contains("config.reload_failed"), what="the refusal")
    eventually(lambda: Known(server.port, key).get("/v1/queues").status == 401, patience_s=5,
               what="the end of the key")


def test_a_key_is_dead_within_a_second_of_its_removal(make, tmp_path):
    """The best of five, since machines stand still at times; the worst would be no better otherwise."""
    ids = Identities(tmp_path)
    key = ids.add("shop", "queues:read")
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), identities_file=ids.path)
    known, taken = Known(server.port, key), []
    for _ in range(5):
        eventually(lambda: known.get("/v1/queues").status == 200, what="the key")
        ids.remove("shop")
        began = time.monotonic()
        eventually(lambda: known.get("/v1/queues").status == 401, what="the end of the key")
        taken.append(time.monotonic() - began)
        ids.add("shop", "queues:read")
    assert min(taken) < 1, taken
