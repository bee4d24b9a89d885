"""Everything that may change while it runs does so, over and over, under all kinds of clients.

What a request has begun with lasts until its end: the certificate of a connection that has not
spoken yet, the hook whose delivery is being examined beside the loop, the identity that waits for
a job. Nobody who may ask is refused meanwhile, and nothing that was acknowledged is lost.
"""
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from checks import is_accepted
from support.certificates import Certificates
from support.client import Client, ask
from support.hooks import Hooks, deliver, github
from support.identities import Identities, Known
from support.processes import eventually, free_port
from support.servers import Purgeway

STORM_S = 4
LARGE = 100_000  # bytes: is read beside the loop


class Files:
    """What a reload reads, in two versions that both are right."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.ids = Identities(directory)
        self.key = self.ids.add("shop", "purge:keys", "jobs:read", "hooks:read")
        self.other = {"name": "other", "keys": [], "certificates": ["dns:other.example.org"],
                      "scopes": ["purge:keys"], "key_prefixes": ["o:"], "targets": ["*"]}
        self.hooks = Hooks(directory)
        self.pairs = [self._pair(str(number)) for number in range(2)]
        self.certificate = os.path.join(self.directory, "served.pem")
        self.key_of_it = os.path.join(self.directory, "served.key")
        self.config = os.path.join(self.directory, "purgeway.yaml")
        self.write(0)

    def _pair(self, name):
        folder = os.path.join(self.directory, name)
        os.mkdir(folder)
        # One authority, which clients know, has signed both.
        if name != "0":
            for part in ("authority.pem", "authority.key"):
                shutil.copy(os.path.join(self.directory, "0", part), folder)
        return Certificates(folder)

    @property
    def authority(self):
        return self.pairs[0].authority

    def write(self, number):
        self.ids.all["other"] = {**self.other, "key_prefixes": [f"o{number}:"]}
        self.ids.write()
        self.hooks.all.pop("odd", None)
        if number % 2:
            self.hooks.add("odd", "github", [{"keys": ["odd:{/id}"]}], **{"as": "shop"})
        self.hooks.add("h", "github", [{"keys": [f"v{number}:{{/id}}"]}], **{"as": "shop"})
        self._put(self.config, json.dumps({"log": {"level": "info"}}))
        pair = self.pairs[number % 2]
        for source, target in ((pair.certificate, self.certificate), (pair.key, self.key_of_it)):
            with open(source, encoding="ascii") as file:
                self._put(target, file.read())

    def spoil(self, number):
        """One of the files is wrong, and the reload fails after some of them were read."""
        path = [self.config, self.hooks.path, self.key_of_it][number % 3]
        self._put(path, "this: is: nothing [")

    @staticmethod
    def _put(path, text):
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".new", path)


class Crowd:
    """Clients, each on a thread of its own, which ask until the storm is over."""

    def __init__(self, server, port, files):
        self.server, self.port, self.files = server, port, files
        self.over = threading.Event()
        self.jobs, self.problems, self.done = [], [], {}
        self.context = ssl.create_default_context(cafile=files.authority)
        self.shown = {"Authorization": f"Bearer {files.key}", "Content-Type": "application/json"}
        kinds = (self.new_connections, self.kept_connection, self.silent_connections,
                 self.large_bodies, self.deliveries, self.waiters, self.http2)
        self.threads = [threading.Thread(target=self._repeat, args=(kind,)) for kind in kinds]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _repeat(self, kind):
        name = kind.__name__
        self.done[name] = 0
        while not self.over.is_set() and len(self.problems) < 5:
            try:
                kind()
                self.done[name] += 1
            except (OSError, AssertionError, http.client.HTTPException) as problem:
                self.problems.append((name, repr(problem)))

    def connect(self):
        return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.context)

    def purge(self, connection, body):
        answer = ask(connection, "POST", "/v1/invalidations", body, self.shown)
        self.jobs.append(is_accepted(answer)["job_id"])

    def new_connections(self):
        with contextlib.closing(self.connect()) as connection:
            self.purge(connection, b'{"keys":["a"]}')

    def kept_connection(self):
        with contextlib.closing(self.connect()) as connection:
            for _ in range(50):
                self.purge(connection, b'{"keys":["b"]}')

    def silent_connections(self):
        with contextlib.ExitStack() as stack:
            plain = [stack.enter_context(socket.create_connection(("localhost", self.port), 60))
                     for _ in range(5)]
            time.sleep(random.random() / 10)
            for one in plain:
                with self.context.wrap_socket(one, server_hostname="localhost") as link:
                    link.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert link.recv(4096).startswith(b"HTTP/1.1 200 ")

    def large_bodies(self):
        with contextlib.closing(self.connect()) as connection:
            self.purge(connection, b'{"keys":["c"]}'.ljust(LARGE))

    def deliveries(self):
        client = Client(self.server.port)
        for value in ({"id": 1}, {"id": 2, "text": "x" * LARGE}):
            answer = deliver(client, "h", value, github)
            assert answer.status == 202, answer
            self.jobs.append(answer.json["job_id"])

    def waiters(self):
        client = Known(self.server.port, self.files.key)
        answer = client.purge("d", prefer="wait=5")
        assert answer.status in (200, 202), answer
        self.jobs.append(answer.json["job_id"])

    def http2(self):
        words = ["curl", "-s", "--http2", "-Z", "--cacert", self.files.authority, "-H",
                 "Authorization: " + self.shown["Authorization"], "--json", '{"keys":["e"]}',
                 "-w", "%{http_code} "]
        words += [f"https://localhost:{self.port}/v1/invalidations", "-o", "/dev/null"] * 8
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.split() == ["202"] * 8, (done.returncode, done.stdout, done.stderr)


def storm(server, files):
    """Reloads without end; one of five fails."""
    until, number = time.monotonic() + STORM_S, 0
    while time.monotonic() < until:
        number += 1
        files.write(number)
        if number % 5 == 0:
            files.spoil(number)
        server.signal(signal.SIGHUP)
        time.sleep(random.random() * 0.03)
    files.write(number + 1)
    said = server.errors().count("config.reloaded")
    server.signal(signal.SIGHUP)
    eventually(lambda: server.errors().count("config.reloaded") > said, what="the last reload")
    return number + 1


def test_nobody_notices(make, tmp_path):
    files = Files(tmp_path)
    port = free_port()
    server = make(Purgeway, "serve", threads=2, tls_listen=f"127.0.0.1:{port}",
                  tls_certificate=files.certificate, tls_key=files.key_of_it,
                  identities_file=files.ids.path, hooks_file=files.hooks.path,
                  flags=["--config", files.config])
    with Crowd(server, port, files) as crowd:
        last = storm(server, files)
    assert not crowd.problems, crowd.problems
    assert all(crowd.done.values()), crowd.done
    assert server.log_contains("config.reload_failed")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        for job_id in crowd.jobs:
            answer = ask(connection, "GET", f"/v1/jobs/{job_id}?wait=30", None, crowd.shown)
            assert answer.json["status"] == "succeeded", answer
    shown = Known(server.port, files.key).post("/v1/hooks/h/preview", {"payload": {"id": 3}}).json
    assert shown["invalidation"]["keys"] == [f"v{last}:3"], shown
