"""Run like a service: configuration, signals, supervision, the embedded Redis."""
import concurrent.futures
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from checks import is_accepted
from support.certificates import Certificates
from support.client import Client, Raw, metrics_of
from support.processes import eventually, free_port
from support.servers import Purgeway, Redis, environment, program, run_to_end


@pytest.fixture
def config(tmp_path):
    """config(value): a file with these settings, as JSON, which is YAML."""
    def write(value, name="purgeway.yaml"):
        path = tmp_path / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return str(path)
    return write


def plain(err):
    """The lines of stderr that are not log lines."""
    return [line for line in err.splitlines() if not line.startswith("{")]


# ---- command line and configuration ------------------------------------------------------


def test_version():
    code, out, err = run_to_end("version")
    assert code == 0 and err == ""
    assert re.fullmatch(r"purgeway \d+\.\d+\.\d+\S*\n", out)
    assert run_to_end("--version") == (code, out, err)


@pytest.mark.parametrize("words", [["help"], ["--help"], ["serve", "--help"],
                                   ["gateway", "--help"], ["worker", "--help"],
                                   ["purge", "--help"], ["status", "--help"], ["queues", "--help"]])
def test_help(words):
    code, out, err = run_to_end(*words)
    assert code == 0 and err == "" and "purgeway" in out


def test_help_names_the_verbs_and_the_settings():
    out = run_to_end("help")[1]
    for verb in ("serve", "gateway", "worker", "purge", "status", "queues", "version"):
        assert verb in out
    out = run_to_end("serve", "--help")[1]
    for flag in ("--listen", "--data-dir", "--broker-url", "--worker-idle-ms", "--check-config"):
        assert flag in out


@pytest.mark.parametrize("words", [[], ["dance"], ["serve", "--nonsense", "1"], ["serve", "--listen"],
                                   ["serve", "operand"], ["status"], ["queues", "--nonsense"]])
def test_usage_errors_are_2_and_one_line(words):
    code, out, err = run_to_end(*words)
    assert code == 2 and out == ""
    assert len(err.strip().splitlines()) == 1, err


def test_flag_written_wrong_names_the_right_one():
    assert "broker.url" in run_to_end("serve", "--broker-ur", "x")[2].replace("broker-url",
                                                                           "broker.url")


def test_check_config_says_yes(config):
    path = config({"listen": ["127.0.0.1:7780"], "limits": {"body_bytes": 2048}})
    code, _, err = run_to_end("serve", "--config", path, "--check-config")
    assert code == 0, err


@pytest.mark.parametrize("text, line, words", [
    ("listen: 127.0.0.1:1\nlimits:\n  body_byte: 5\n", 3, ["limits.body_byte", "limits.body_bytes"]),
    ("lisen: 127.0.0.1:1\n", 1, ["lisen", "listen"]),
    ("\nlimits:\n  body_bytes: many\n", 3, ["limits.body_bytes", "many"]),
    ("limits:\n  body_bytes: 1\n", 2, ["limits.body_bytes", "1024"]),
    ("broker:\n  durability: hope\n", 2, ["broker.durability", "fsync"]),
    ("http2: maybe\n", 1, ["http2", "true"]),
    ("threads: 1\nthreads: 2\n", 2, ["twice"]),
    ("threads: [1]\n", 1, ["threads"]),
    ("broker: up\n", 1, ["broker"]),
    ("a: [\n", None, []), ("- listen\n", None, []), ("\t\n", None, [])])
def test_bad_file_is_refused_by_name_and_line(config, text, line, words):
    path = config(text)
    for extra in (["--check-config"], []):
        code, _, err = run_to_end("serve", "--config", path, *extra)
        assert code == 78, (code, err)
        assert len(err.strip().splitlines()) == 1, err
        assert path in err
        if line:
            assert re.search(rf"{re.escape(path)}:{line}\b", err), err
        for word in words:
            assert word in err, err


def test_missing_file_is_refused():
    code, _, err = run_to_end("serve", "--config", "/nowhere/purgeway.yaml")
    assert code == 78 and "/nowhere/purgeway.yaml" in err


@pytest.mark.parametrize("url", ["http://x", "redis://", "redis://h:99999", "redis://h/x", "unix://",
                                 "redis://user:secret@h", "redis://h/99999999", "x"])
def test_bad_address_of_redis_is_refused(url):
    code, _, err = run_to_end("gateway", "--broker-url", url, "--listen", "127.0.0.1:0")
    assert code in (2, 78), (code, err)
    assert "broker" in err and "secret" not in err


@pytest.mark.parametrize("listen", ["localhost", "127.0.0.1:99999", "300.0.0.1:1", ":", "[::1", "x:y"])
def test_bad_listener_is_refused(listen):
    code, _, err = run_to_end("gateway", "--broker-url", "unix:///x", "--listen", listen)
    assert code in (2, 69, 78)
    assert listen in plain(err)[0]


def test_address_that_is_not_loopback_must_be_meant(make):
    url = make(Redis).url()
    code, _, err = run_to_end("gateway", "--broker-url", url, "--listen", "0.0.0.0:0")
    assert code == 78 and "listen" in err


def test_print_config_reads_back_and_masks_secrets(config):
    env = {"PURGEWAY_BROKER_PASSWORD": "hunter2"}
    words = ["serve", "--limits-body-bytes", "64KiB", "--listen", "127.0.0.1:1", "--listen",
             "127.0.0.1:2"]
    code, out, err = run_to_end(*words, "--print-config", env=env)
    assert code == 0, err
    assert "hunter2" not in out + err
    assert "65536" in out
    masked_away = re.sub(r"(?m)^\s*password:.*\n", "", out)
    again = run_to_end("serve", "--config", config(masked_away), "--print-config")
    assert again[0] == 0, again[2]
    assert re.sub(r"(?m)^\s*password:.*\n", "", again[1]) == masked_away


def test_flags_over_environment_over_file(config):
    path = config({"queue": {"name": "file", "depth": 11}, "drain_ms": 1})
    code, out, _ = run_to_end("serve", "--config", path, "--queue-name", "flag", "--print-config",
                              env={"PURGEWAY_QUEUE_NAME": "env", "PURGEWAY_QUEUE_DEPTH": "12"})
    assert code == 0
    assert re.search(r"name: *\"?flag", out) and re.search(r"depth: *12\b", out)
    assert re.search(r"drain_ms: *1\b", out)


def test_unknown_environment_variable_is_refused():
    code, _, err = run_to_end("serve", "--check-config", env={"PURGEWAY_BROKER_URLL": "x"})
    assert code == 78 and "PURGEWAY_BROKER_URLL" in err


def test_secret_from_a_file(make, tmp_path):
    redis = make(Redis, requirepass="from-a-file")
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    server = make(Purgeway, "gateway", broker_url=redis.url(), broker_password_file=str(secret))
    is_accepted(server.api.purge("a"))
    command = open(f"/proc/{server.pid}/cmdline", "rb").read()
    assert b"from-a-file" not in command


def test_everything_from_one_file(make, config):
    redis = make(Redis)
    port = free_port()
    path = config({"listen": [f"127.0.0.1:{port}"], "broker": {"url": redis.url()},
                   "limits": {"body_bytes": "2KiB"}, "worker": {"idle_ms": "5s", "beat_ms": "1s"}})
    server = make(Purgeway, "serve", flags=["--config", path], listen=[], threads=1, start=False)
    server.spawn(server.argv(), environment())
    client = Client(port)
    eventually(lambda: client.get("/readyz").status == 200)
    assert client.purge("a", prefer="wait=10").json["status"] == "succeeded"
    assert client.purge("a" * 3000).status == 413
    assert server.sigterm() == 0


# ---- signals -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_ends_at_once_with_0(beside, number):
    server, _ = beside()
    server.signal(number)
    assert server.wait() == 0
    assert server.log_contains("process.ended")


def test_drain_under_load_fails_no_request(make):
    """What was sent is answered; what finds the door closed was never taken in."""
    redis = make(Redis)
    server = make(Purgeway, "serve", broker_url=redis.url())
    begun = threading.Event()
    acknowledged, failures = [], []

    def load(thread):
        connection = server.api.connect()
        for i in range(100000):
            key = f"k{thread}:{i}"
            redis_of_thread.set(key, 1)
            try:
                connection.request("POST", "/v1/invalidations", json.dumps({"keys": [key]}),
                                   {"Content-Type": "application/json"})
            except ConnectionError:
                return  # refused, or closed before anything was sent
            try:
                response = connection.getresponse()
                body = json.loads(response.read())
            except (ConnectionError, OSError) as problem:
                # A kept-alive connection that was closed while idle never saw the request.
                if i and closed_while_idle(problem):
                    return
                failures.append(repr(problem))
                return
            if response.status == 202:
                acknowledged.append((key, body["job_id"]))
            elif response.status != 503:
                failures.append((response.status, body))
            if len(acknowledged) > 200:
                begun.set()
            if response.headers.get("connection", "").lower() == "close":
                return

    redis_of_thread = redis.client()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        running = [pool.submit(load, thread) for thread in range(8)]
        assert begun.wait(60)
        assert server.sigterm() == 0
        for done in running:
            done.result()
    assert not failures
    assert len(acknowledged) > 200
    with Purgeway("serve", broker_url=redis.url()) as second:
        ends = {second.api.finished(job_id)["status"] for _, job_id in acknowledged[-300:]}
    assert ends == {"succeeded"}
    assert redis.client().exists(*[key for key, _ in acknowledged]) == 0


def closed_while_idle(problem):
    return type(problem).__name__ in ("RemoteDisconnected", "ConnectionResetError",
                                      "BrokenPipeError")


def test_request_in_flight_at_sigterm_is_answered(make):
    """A client that waits for its job hears of it before the server goes."""
    redis = make(Redis)
    server = make(Purgeway, "gateway", broker_url=redis.url())
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.api.purge, "a", prefer="wait=30")
        eventually(lambda: redis.client().xlen("purgeway:{main}:high") == 1)
        began = time.monotonic()
        assert server.sigterm() == 0
        assert time.monotonic() - began < 20
        assert is_accepted(answer.result())["status"] == "queued"


def test_request_that_arrives_at_sigterm_is_answered(make):
    """Also on a connection that was idle before."""
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), drain_ms=20000)
    body = b'{"keys":["a"]}'.ljust(30)
    with Raw(server.port) as link:
        link.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.answer().status == 200
        time.sleep(1.5)
        link.send(b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\n"
                  b"Content-Type: application/json\r\nContent-Length: 30\r\n\r\n" + body[:10])
        time.sleep(0.2)
        server.signal(signal.SIGTERM)
        for byte in body[10:]:
            time.sleep(0.15)
            link.send(bytes([byte]))
        assert link.answer().status == 202
    assert server.wait() == 0


def test_drain_does_not_wait_for_who_says_nothing(make):
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), drain_ms=60000,
                  limits_request_ms=60000)
    with Raw(server.port):
        eventually(lambda: metric(server, "purgeway_connections_open") >= 1)
        began = time.monotonic()
        assert server.sigterm() == 0
        assert time.monotonic() - began < 15


def metric(server, name):
    return metrics_of(server.api.get("/metrics").body.decode())[name, frozenset()]


def test_not_ready_while_draining(make):
    broker, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                  target_timeout_ms=60000, drain_ms=20000)
    connection = server.api.connect()
    connection.request("GET", "/readyz")
    assert connection.getresponse().read()
    target.pause()
    job = is_accepted(server.api.purge("a"))
    eventually(lambda: server.api.job(job["job_id"]).json["status"] == "running")
    server.signal(signal.SIGTERM)
    eventually(lambda: server.log_contains("process.draining"))
    # New connections find nobody, so balancers turn away; the job in hand is finished.
    eventually(lambda: not answers(server))
    assert server.is_alive()
    target.resume()
    assert server.wait() == 0
    assert broker.client().xpending("purgeway:{main}:high", "purgeway")["pending"] == 0


def answers(server):
    try:
        return server.api.request("GET", "/readyz", timeout=2).status == 200
    except OSError:
        return False


def test_drain_that_takes_too_long_is_cut_short(make):
    broker, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                  target_timeout_ms=60000, drain_ms=500)
    target.pause()
    is_accepted(server.api.purge("a"))
    eventually(lambda: broker.client().xpending("purgeway:{main}:high", "purgeway")["pending"] == 1)
    assert server.sigterm() == 0
    assert broker.client().xpending("purgeway:{main}:high", "purgeway")["pending"] == 1
    target.resume()


def test_second_sigterm_does_no_harm(beside):
    server, _ = beside()
    for _ in range(5):
        server.signal(signal.SIGTERM)
    assert server.wait() == 0


def test_stop_and_continue(beside):
    """The loop survives the interrupted wait that SIGCONT brings."""
    server, _ = beside()
    for _ in range(3):
        server.pause()
        time.sleep(0.05)
        server.resume()
    assert server.api.purge("a", prefer="wait=10").json["status"] == "succeeded"


def test_reload_takes_what_may_change_and_keeps_the_old_on_error(make, config):
    redis = make(Redis)
    path = config({"log": {"level": "info"}, "queue": {"name": "main"}})
    server = make(Purgeway, "gateway", broker_url=redis.url(), flags=["--config", path])
    server.signal(signal.SIGHUP)
    eventually(lambda: server.log_contains("config.reloaded"))
    config({"log": {"levle": "debug"}})
    server.signal(signal.SIGHUP)
    line = eventually(lambda: server.log_contains("config.reload_failed"))
    assert "levle" in line
    is_accepted(server.api.purge("a"))
    config({"queue": {"name": "other"}})
    server.signal(signal.SIGHUP)
    # What cannot change while running is named, and does not change.
    eventually(lambda: server.log_contains("config.reloaded", "queue.name"))
    is_accepted(server.api.purge("a"))
    assert redis.client().xlen("purgeway:{main}:high") == 2
    assert server.is_ready()


def test_reload_turns_the_log_level(make, config):
    redis = make(Redis)
    path = config({"log": {"level": "error"}})
    server = make(Purgeway, "gateway", broker_url=redis.url(), flags=["--config", path])
    assert not server.log_contains('"level":"info"')
    config({"log": {"level": "info"}})
    server.signal(signal.SIGHUP)
    eventually(lambda: server.log_contains('"level":"info"'))


def test_reload_takes_a_new_certificate_and_keeps_the_old_when_the_new_is_broken(make, tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    first = Certificates(str(folder))
    port = free_port()
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(),
                  tls_listen=f"127.0.0.1:{port}", tls_certificate=first.certificate,
                  tls_key=first.key)
    before = served_certificate(port)
    Certificates(str(folder))  # the same paths, a new pair
    server.signal(signal.SIGHUP)
    eventually(lambda: served_certificate(port) != before)
    after = served_certificate(port)
    with open(first.certificate, "w", encoding="ascii") as file:
        file.write("garbage\n")
    server.signal(signal.SIGHUP)
    eventually(lambda: server.log_contains("config.reload_failed"))
    assert served_certificate(port) == after
    is_accepted(Client(port, "localhost", first.authority).purge("a"))


def test_handshakes_may_begin_after_the_certificate_was_replaced(make, tmp_path):
    """The library has nothing of its own of a connection whose client has not said a word."""
    first = Certificates(str(tmp_path))
    port = free_port()
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(), threads=1,
                  tls_listen=f"127.0.0.1:{port}", tls_certificate=first.certificate,
                  tls_key=first.key)
    silent = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(8)]
    before = served_certificate(port)  # they were accepted before
    for _ in range(2):
        last = served_certificate(port)
        Certificates(str(tmp_path))
        server.signal(signal.SIGHUP)
        eventually(lambda last=last: served_certificate(port) != last)
    context = ssl.create_default_context(cafile=first.authority)
    for plain in silent:
        with context.wrap_socket(plain, server_hostname="localhost") as link:
            assert ssl.DER_cert_to_PEM_cert(link.getpeercert(binary_form=True)) == before
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert link.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_reload_is_taken_as_a_whole_or_not_at_all(make, config, tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    pair = Certificates(str(folder))
    settings = {"log": {"level": "info"}, "tls": {
        "listen": [f"127.0.0.1:{free_port()}"], "certificate": pair.certificate, "key": pair.key}}
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(),
                  flags=["--config", config(settings)])
    settings["log"]["level"] = "error"
    settings["tls"]["key"] = pair.certificate
    config(settings)
    server.signal(signal.SIGHUP)
    line = eventually(lambda: server.log_contains("config.reload_failed"))
    assert pair.certificate in line and "tls.key" in line
    settings["tls"]["key"] = pair.key
    settings["log"]["level"] = "info"
    config(settings)
    server.signal(signal.SIGHUP)
    # Were the level of the refused settings in force, nobody would have heard of this.
    eventually(lambda: server.log_contains("config.reloaded"))


def test_connections_outlive_the_certificates_they_were_made_with(make, tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    pair = Certificates(str(folder))
    port = free_port()
    server = make(Purgeway, "gateway", broker_url=make(Redis).url(),
                  tls_listen=f"127.0.0.1:{port}", tls_certificate=pair.certificate,
                  tls_key=pair.key)
    with socket.create_connection(("127.0.0.1", port), 30) as plain, \
            ssl.create_default_context(cafile=pair.authority).wrap_socket(
                plain, server_hostname="localhost") as connected:
        for count in range(1, 4):
            server.signal(signal.SIGHUP)
            eventually(lambda: server.errors().count("config.reloaded") == count)
        connected.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert connected.recv(65536).startswith(b"HTTP/1.1 200")
        while connected.recv(65536):
            pass
    assert server.api.get("/livez").status == 200


def served_certificate(port):
    return ssl.get_server_certificate(("127.0.0.1", port))


@pytest.mark.parametrize("settings", [
    {"tls_certificate": "/nowhere.pem", "tls_key": "/nowhere.key"}, {}])
def test_tls_without_a_certificate_does_not_start(make, settings):
    words = ["gateway", "--broker-url", make(Redis).url(), "--listen", "127.0.0.1:0",
             "--tls-listen", "127.0.0.1:0"]
    for name, value in settings.items():
        words += ["--" + name.replace("_", "-"), value]
    code, _, err = run_to_end(*words)
    assert code == 78 and "tls" in err


def test_key_of_another_certificate_does_not_start(make, certificates, tmp_path):
    other = Certificates(str(tmp_path))
    code, _, err = run_to_end(
        "gateway", "--broker-url", make(Redis).url(), "--listen", "127.0.0.1:0", "--tls-listen",
        "127.0.0.1:0", "--tls-certificate", certificates.certificate, "--tls-key", other.key)
    assert code == 78 and plain(err)


# ---- systemd -----------------------------------------------------------------------------


def test_tells_systemd_when_it_is_ready_and_when_it_stops(make):
    server = make(Purgeway, "serve", wait=False)
    assert server.notify.until("READY")["READY"] == "1"
    assert server.is_ready()
    server.signal(signal.SIGHUP)
    assert server.notify.until("RELOADING")["RELOADING"] == "1"
    assert server.notify.until("READY")["READY"] == "1"
    server.signal(signal.SIGTERM)
    assert server.notify.until("STOPPING")["STOPPING"] == "1"
    assert server.wait() == 0


def test_is_not_ready_for_systemd_before_the_broker_is(make):
    redis = make(Redis, start=False)
    server = make(Purgeway, "worker", broker_url=redis.url(), wait=False, broker_timeout_ms=200)
    with pytest.raises(TimeoutError):
        server.notify.until("READY", patience_s=1)
    redis.start()
    assert server.notify.until("READY")


def test_feeds_the_watchdog(make):
    server = make(Purgeway, "serve", env={"WATCHDOG_USEC": "400000"})
    for _ in range(5):
        assert server.notify.until("WATCHDOG")["WATCHDOG"] == "1"


def test_watchdog_of_another_process_is_not_fed(make):
    server = make(Purgeway, "serve", env={"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    with pytest.raises(TimeoutError):
        server.notify.until("WATCHDOG", patience_s=1)


# ---- the embedded Redis ------------------------------------------------------------------


def redis_pid(server):
    return server.embedded().info("server")["process_id"]


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_embedded_redis_keeps_what_is_promised(purgeway):
    settings = purgeway.embedded().config_get("*")
    assert settings["appendonly"] == "yes" and settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["port"] == "0"
    folder = os.stat(purgeway.settings["data_dir"])
    assert folder.st_mode & 0o077 == 0
    assert os.stat(purgeway.embedded_socket).st_mode & 0o007 == 0


def test_embedded_data_outlive_a_stop(make):
    server = make(Purgeway, "serve")
    pid = redis_pid(server)
    server.embedded().set("kept", "yes")
    job = is_accepted(server.api.purge("a"))
    server.api.finished(job["job_id"])
    assert server.sigterm() == 0
    assert not is_running(pid)
    server.start()
    assert server.embedded().get("kept") == b"yes"
    assert server.api.job(job["job_id"]).json["status"] == "succeeded"


def test_embedded_data_outlive_kill_9(make):
    server = make(Purgeway, "serve", worker_idle_ms=500, worker_beat_ms=100)
    pid = redis_pid(server)
    keys = [f"k{i}" for i in range(200)]
    server.embedded().mset({key: 1 for key in keys})
    jobs = [is_accepted(server.api.purge(key)) for key in keys]
    server.kill9()
    # Nobody is left who would stop it; the kernel tells it to end.
    eventually(lambda: not is_running(pid))
    server.start()
    for job in jobs:
        assert server.api.finished(job["job_id"])["status"] == "succeeded"
    assert server.embedded().exists(*keys) == 0


def test_embedded_redis_that_dies_is_started_again(make):
    server = make(Purgeway, "serve")
    job = is_accepted(server.api.purge("a"))
    server.api.finished(job["job_id"])
    for _ in range(2):
        pid = redis_pid(server)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: server.api.purge("b", prefer="wait=10").status == 200)
        assert redis_pid(server) != pid
    eventually(lambda: server.log_contains("embedded.died"))
    assert server.log_contains("embedded.restarted")
    eventually(server.is_ready)
    assert server.api.job(job["job_id"]).json["status"] == "succeeded"


def test_two_on_one_data_directory_are_refused(make):
    server = make(Purgeway, "serve")
    code, _, err = run_to_end("serve", "--data-dir", server.settings["data_dir"], "--listen",
                              "127.0.0.1:0")
    assert code in (69, 78)
    said = plain(err)
    assert len(said) == 1 and server.settings["data_dir"] in said[0]
    assert str(server.pid) in said[0]
    assert server.api.purge("a", prefer="wait=10").status == 200


def test_data_directory_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run_to_end("serve", "--data-dir", str(tmp_path / "file"), "--listen",
                              "127.0.0.1:0")
    assert code in (69, 78) and str(tmp_path / "file") in err


def test_no_embedded_redis_where_all_addresses_are_given(beside):
    server, _ = beside()
    assert not os.path.exists(server.embedded_socket)


def test_runs_without_a_home_and_with_closed_standard_input(make):
    server = make(Purgeway, "serve", start=False)
    done = subprocess.Popen([program(), *server.argv()[1:]], env=environment(),
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, cwd="/", close_fds=True)
    try:
        eventually(lambda: server.api.get("/readyz").status == 200)
    finally:
        done.terminate()
        assert done.wait(60) == 0


def test_log_that_nobody_reads_does_not_stop_the_service(make):
    """stderr is a full pipe: lines are lost, requests are not."""
    server = make(Purgeway, "serve", start=False, log_access=True)
    reader, writer = os.pipe()
    done = subprocess.Popen([program(), *server.argv()[1:]], env=environment(),
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer)
    os.close(writer)
    try:
        eventually(lambda: server.api.get("/readyz").status == 200)
        for i in range(1200):
            assert server.api.get("/livez").status == 200
        assert server.api.purge("a", prefer="wait=10").status == 200
    finally:
        os.close(reader)
        done.terminate()
        assert done.wait(60) == 0
