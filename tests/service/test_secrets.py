"""No secret shows anywhere: each is a word of its own, and everything that comes out is searched."""
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile

import pytest

from checks import is_accepted
from support.client import Client
from support.identities import Identities, Known, new_key
from support.processes import eventually, free_port
from support.servers import Purgeway, Redis, is_sanitized, run_to_end

NOBODY = 65534


def canary(name):
    return f"canary-{name}-{os.urandom(8).hex()}"


class Scene:
    """A gateway with workers, to which a secret is given in every way in which one can be."""

    def __init__(self, make, tmp_path, certificates):
        self.secrets = {name: canary(name) for name in ("file", "variable", "own-file", "address")}
        self.servers = {name: make(Redis, requirepass=word) for name, word in self.secrets.items()}
        self.identities = Identities(tmp_path)
        self.key = self.identities.add("ops", *SCOPES)
        self.wrong_key = new_key()[0]
        self.secrets |= {"key": self.key, "wrong key": self.wrong_key}
        with open(certificates.key, encoding="ascii") as file:
            self.secrets["tls key"] = file.read().splitlines()[1]
        self._paths = {name: tmp_path / name for name in ("own-file", "address")}
        for name, path in self._paths.items():
            path.write_text(self.secrets[name] + "\n")
        self.config = tmp_path / "purgeway.yaml"
        self.config.write_text(json.dumps({
            "broker": {"url": self.servers["file"].url(), "password": self.secrets["file"]},
            "results": {"url": self.servers["variable"].url()},
            "target": {"url": self.servers["own-file"].url(),
                       "password_file": str(self._paths["own-file"])},
            "targets": [f"b={self.servers['address'].url()}"
                        f"?password_file={self._paths['address']}"],
            "log": {"level": "debug", "access": True},
            "identities": {"file": self.identities.path}}))
        self.env = {"PURGEWAY_RESULTS_PASSWORD": self.secrets["variable"],
                    "PURGEWAY_API_KEY": self.key}
        self.flags = ["--config", str(self.config)]
        self.server = make(
            Purgeway, flags=self.flags, env=self.env, tls_listen=f"127.0.0.1:{free_port()}",
            tls_certificate=certificates.certificate, tls_key=certificates.key)
        self.api = Known(self.server.port, self.key)

    def shows(self, text):
        """The names of the secrets that stand in a text."""
        text = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        return [name for name, word in self.secrets.items() if word.encode() in text]


SCOPES = ("purge:keys", "purge:patterns", "purge:tags", "purge:unbounded", "tags:read", "tags:write",
          "jobs:read", "jobs:cancel", "queues:read", "queues:control", "workers:read", "dead:read",
          "dead:control", "metrics:read")
PATHS = ("/livez", "/readyz?verbose", "/healthz", "/metrics", "/openapi.json", "/docs", "/v1/queues",
         "/v1/workers", "/v1/dead-letters", "/v1/tags?tag=t", "/no/such/path")


@pytest.fixture
def scene(make, tmp_path, certificates):
    return Scene(make, tmp_path, certificates)


def all_answers(scene):
    """What is told to those who may and those who may not, of right requests and wrong ones."""
    known, header = scene.api, Known(scene.server.port, scene.key, "X-API-Key")
    wrong, nobody = Known(scene.server.port, scene.wrong_key), Client(scene.server.port)
    for client in (known, header, wrong, nobody):
        for path in PATHS:
            yield client.get(path)
        yield client.purge("a", prefer="wait=5")
        yield client.post("/v1/invalidations", {"keys": 5, "odd": scene.secrets["file"][:6]})
        yield client.request("POST", "/v1/invalidations", b"{", {"Content-Type": "application/json"})
        yield client.request("POST", "/v1/invalidations", b"{}", {"Content-Type": "text/plain"})
        yield client.post("/v1/queues/main/pause", {"lanes": ["odd"]})
    both = {"Authorization": f"Bearer {scene.key}", "X-API-Key": scene.wrong_key}
    for shown in (both, {"Authorization": f"Basic {scene.key}"}, {"Authorization": scene.key},
                  {"Cookie": f"key={scene.key}"}, {"X-Request-Id": "r", **both}):
        yield nobody.get("/v1/queues", **shown)


def dump(redis, password):
    """Everything a server keeps and says of its clients."""
    with redis.client(password=password) as client:
        parts = [client.dump(key) or b"" for key in client.keys()] + client.keys()
        parts.append(client.execute_command("CLIENT", "LIST", "ID", *[
            c["id"] for c in client.client_list()]).__repr__().encode())
    return b"\n".join(parts)


def test_answers_logs_and_stores(scene):
    server = scene.server
    statuses = set()
    for answer in all_answers(scene):
        statuses.add(answer.status)
        assert not scene.shows(answer.body) and not scene.shows(str(answer.headers)), answer
    assert {200, 400, 401, 404, 415, 422} <= statuses
    # A store that refuses our password, and one that goes away.
    for name, redis in scene.servers.items():
        with redis.client(password=scene.secrets[name]) as client:
            client.config_set("requirepass", "another")
            for one in client.client_list():
                if one["name"].startswith("purgeway"):
                    client.client_kill_filter(_id=one["id"])
    eventually(lambda: scene.api.purge("a").status == 503)
    for answer in (scene.api.get("/readyz?verbose"), scene.api.purge("a")):
        is_told = answer.body.decode() + str(answer.headers)
        assert answer.status == 503 and not scene.shows(is_told), is_told
    for name, redis in scene.servers.items():
        with redis.client(password="another") as client:
            client.config_set("requirepass", scene.secrets[name])
    eventually(lambda: scene.api.purge("a").status == 202)
    # Files that are wrong when they are read again.
    scene.config.write_text(f"broker: {{password: [{scene.secrets['file']}]}}\n")
    scene.identities.write(f"identities: [{{name: a, keys: ['{scene.key}'], scopes: []}}]\n")
    server.signal(signal.SIGHUP)
    eventually(lambda: server.log_contains("config.reload_failed"))
    eventually(lambda: server.log_contains("identities.reload_failed"))
    assert server.sigterm() == 0
    assert {"debug", "info", "warn", "error"} >= {line["level"] for line in server.log()}
    assert server.log_contains("http.request", '"ops"')
    assert not scene.shows(server.errors()) and not scene.shows(server.output())
    for name, redis in scene.servers.items():
        assert not scene.shows(dump(redis, scene.secrets[name]))
    for folder, _, files in os.walk(server.settings["data_dir"]):
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                assert not scene.shows(file.read()), name


def test_password_that_is_refused(make, scene):
    """The broker's is right for another server only."""
    server = make(Purgeway, "worker", broker_url=scene.servers["variable"].url(), wait=False,
                  env={"PURGEWAY_BROKER_PASSWORD": scene.secrets["file"]}, log_level="debug")
    eventually(lambda: server.log_contains("store-credentials"))
    assert server.sigterm() == 0
    assert not scene.shows(server.errors())


def test_process_list(scene):
    pid = scene.server.pid
    for name in ("cmdline", "environ", "comm", "status"):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            assert not scene.shows(file.read()), name
    with open(f"/proc/{pid}/environ", "rb") as file:
        assert b"PURGEWAY_RESULTS_PASSWORD=" in file.read()
    # Reading the settings again needs it all the same.
    scene.server.signal(signal.SIGHUP)
    eventually(lambda: scene.server.log_contains("config.reloaded"))
    is_accepted(scene.api.purge("a"))


def test_embedded_redis_gets_none(make):
    word = canary("variable")
    server = make(Purgeway, env={"PURGEWAY_TARGET_PASSWORD": word, "PURGEWAY_API_KEY": word})
    with open(f"/proc/{server.pid}/task/{server.pid}/children", encoding="ascii") as file:
        child = file.read().split()[0]
    for name in ("cmdline", "environ"):
        with open(f"/proc/{child}/{name}", "rb") as file:
            assert word.encode() not in file.read()


def test_printed_settings(scene):
    for words in (["--print-config"], ["--check-config"]):
        code, out, err = run_to_end("serve", *scene.flags, *words, env=scene.env)
        assert code == 0 and not scene.shows(out + err)
        assert words == ["--check-config"] or out.count("********") == 3


@pytest.mark.parametrize("text", [
    "broker: {{password: [{0}]}}", "broker: {{password: {{a: {0}}}}}", "broker: {0}",
    "broker: {{url: 'redis://u:{0}@h'}}", "target: {{url: 'redis://:{0}@h/0'}}",
    "targets: ['a=redis://u:{0}@h']", "broker: {{password: \"{0}\", password_file: /x}}",
    "broker: {{password_file: /no/such/{1}}}\nresults: {{password: '{0}'}}",
    "broker: {{password: '{0}\n\t}}"])
def test_complaints_about_a_file(tmp_path, text):
    word = canary("file")
    path = tmp_path / "purgeway.yaml"
    path.write_text(text.format(word, "file"))
    code, out, err = run_to_end("serve", "--check-config", "--config", str(path))
    assert code == 78 and word not in out + err, err
    assert len(err.splitlines()) == 1


def test_complaints_about_flags_and_variables(tmp_path):
    word = canary("word")
    for words in (["--broker-password", word], [f"--broker-password={word}"],
                  ["--broker-url", f"redis://u:{word}@h"]):
        code, out, err = run_to_end("serve", "--check-config", *words)
        assert code in (2, 78) and word not in out + err, err
    for env in ({"PURGEWAY_BROKER_PASSWORD": word, "PURGEWAY_BROKER_PASSWORD_FILE": "/x"},
                {"PURGEWAY_BROKER_PASSWORT": word}, {"PURGEWAY_BROKER_URL": f"redis://u:{word}@h"},
                {"PURGEWAY_BROKER_PASSWORD": word + "\n" + word}):
        code, out, err = run_to_end("serve", "--check-config", env=env)
        assert word not in out + err, err


@pytest.mark.parametrize("text", [
    "identities: [{{name: a, keys: ['{0}'], scopes: ['metrics:read']}}]",
    "identities: [{{name: a, keys: '{0}'}}]", "identities: [{{name: '{0} x'}}]", "{0}",
    "identities:\n  - keys: [\"{0}\n"])
def test_complaints_about_identities(tmp_path, text):
    """Somebody has put the key where its hash belongs."""
    key = new_key()[0]
    path = tmp_path / "identities.yaml"
    path.write_text(text.format(key))
    code, out, err = run_to_end("serve", "--check-config", "--identities-file", str(path))
    assert code == 78 and key not in out + err, err


def test_client_commands(scene):
    """What the commands print when they may not, and when there is no gateway."""
    url = scene.server.url
    for words in (["queues"], ["purge", "a"], ["dead"], ["status", "A" * 28]):
        for key, where in ((scene.key, url), (scene.wrong_key, url),
                           (scene.key, f"http://127.0.0.1:{free_port()}")):
            _, out, err = run_to_end(*words, "--url", where, env={"PURGEWAY_API_KEY": key})
            assert not scene.shows(out + err), err


# ---- memory ----


def core_is_left(process):
    """Whether one is left when the process is killed by a signal that leaves one."""
    resource.prlimit(process.pid, resource.RLIMIT_CORE, (1 << 30, 1 << 30))
    process.send_signal(signal.SIGQUIT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(status)
    return os.WCOREDUMP(status)


@pytest.mark.skipif(is_sanitized(), reason="LeakSanitizer has to read the memory of what it tests")
def test_no_core(make, tmp_path):
    control = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    eventually(lambda: open(f"/proc/{control.pid}/comm").read() == "sleep\n")
    if not core_is_left(control):
        pytest.skip("nobody leaves a core on this machine")
    server = make(Purgeway, allow_codes=(-signal.SIGQUIT,))
    assert not core_is_left(server.process)
    assert not [name for name in os.listdir(server.directory) if name.startswith("core")]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_memory_is_closed_to_others_of_the_same_user(make):
    place = tempfile.mkdtemp(prefix="pgw-memory-", dir="/tmp")
    try:
        os.chmod(place, 0o755)
        data = os.path.join(place, "data")
        os.mkdir(data)
        os.chown(data, NOBODY, NOBODY)
        server = make(Purgeway, directory=place, user="nobody", data_dir=data, start=False)
        os.chmod(server.notify.path, 0o777)
        server.start()
        control = subprocess.Popen(["setpriv", "--reuid", str(NOBODY), "--clear-groups", "sleep", "60"])
        eventually(lambda: open(f"/proc/{control.pid}/comm").read() == "sleep\n")
        look = ["setpriv", "--reuid", str(NOBODY), "--clear-groups", "head", "-c", "1"]
        assert subprocess.run(look + [f"/proc/{control.pid}/environ"], check=False,
                              capture_output=True).returncode == 0
        for name in ("environ", "maps", "mem"):
            assert subprocess.run(look + [f"/proc/{server.pid}/{name}"], check=False,
                                  capture_output=True).returncode != 0, name
        control.kill()
        control.wait()
    finally:
        shutil.rmtree(place, ignore_errors=True)
