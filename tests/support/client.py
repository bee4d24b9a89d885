"""Asking a gateway: one request on one connection, or raw bytes on a socket."""
import base64
import http.client
import json
import re
import socket
import ssl
import time
from dataclasses import dataclass

from support.processes import PATIENCE_S


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def content_type(self):
        return self.headers.get("content-type", "").partition(";")[0].strip()


class Client:
    """Requests to one listener, each on a connection of its own."""

    def __init__(self, port, host="127.0.0.1", authority=None):
        self.port, self.host = port, host
        self._context = ssl.create_default_context(cafile=authority) if authority else None

    def connect(self, timeout=PATIENCE_S):
        if self._context:
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout,
                                               context=self._context)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, timeout=PATIENCE_S):
        connection = self.connect(timeout)
        try:
            return ask(connection, method, path, body, headers)
        finally:
            connection.close()

    def lines(self, method, path, *lines, body=b""):
        """A request with these headers, (name, value) each, which may have one name."""
        connection = self.connect()
        try:
            connection.putrequest(method, path, skip_accept_encoding=True,
                                  skip_host=any(name == "Host" for name, _ in lines))
            for name, value in lines:
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers=dashed(headers))

    def delete(self, path, **headers):
        return self.request("DELETE", path, headers=dashed(headers))

    def post(self, path, value=None, **headers):
        if value is None:
            return self.request("POST", path, headers=dashed(headers))
        return self.request("POST", path, json.dumps(value).encode(),
                            {"Content-Type": "application/json", **dashed(headers)})

    def purge(self, *keys, prefer=None, headers=None, **members):
        """POST /v1/invalidations; keys are text or bytes."""
        body = dict(members)
        plain = [key for key in keys if isinstance(key, str)]
        raw = [key for key in keys if isinstance(key, bytes)]
        if plain:
            body["keys"] = plain
        if raw:
            body["keys_base64"] = [base64_of(key) for key in raw]
        extra = dict(headers or {})
        if prefer:
            extra["Prefer"] = prefer
        return self.request("POST", "/v1/invalidations", json.dumps(body).encode(),
                            {"Content-Type": "application/json", **extra})

    def job(self, job_id, query="", **headers):
        return self.get(f"/v1/jobs/{job_id}{query}", **headers)

    def finished(self, job_id, patience_s=2 * PATIENCE_S):
        """The job once it has ended."""
        deadline = time.monotonic() + patience_s
        while True:
            answer = self.job(job_id, "?wait=30")
            assert answer.status == 200, answer
            if answer.json["status"] in TERMINAL:
                return answer.json
            assert time.monotonic() < deadline, answer.json

    def metric(self, name, **labels):
        """The value of one sample of /metrics, 0 when it is not there."""
        return metrics_of(self.get("/metrics").body.decode()).get(
            (name, frozenset(labels.items())), 0.0)


TERMINAL = frozenset({"succeeded", "failed", "dead", "cancelled"})


def base64_of(data):
    return base64.b64encode(data).decode("ascii")


def dashed(headers):
    """if_none_match -> if-none-match."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def ask(connection, method, path, body=None, headers=None):
    """One request on a connection that stays open."""
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


def metrics_of(text):
    """{(name, labels): value} of the Prometheus text format."""
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)', line)
        assert match, f"not a sample: {line!r}"
        labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
        samples[match[1], labels] = float(match[3])
    return samples


class Raw:
    """A socket for what no client library would send."""

    def __init__(self, port, timeout=PATIENCE_S, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        self._unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def until_closed(self):
        """All that comes until the other side closes; a reset ends it too."""
        data, self._unread = self._unread, b""
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                return data
            if not more:
                return data
            data += more

    def answer(self, head_only=False):
        """The next HTTP/1.1 answer; None when the connection was closed before one began."""
        while b"\r\n\r\n" not in self._unread:
            if not self._more():
                assert not self._unread, f"cut short: {self._unread!r}"
                return None
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        status_line, _, fields = head.partition(b"\r\n")
        headers = http.client.HTTPMessage()
        for line in fields.split(b"\r\n") if fields else []:
            name, _, value = line.partition(b":")
            headers[name.decode("latin-1")] = value.strip().decode("latin-1")
        status = int(status_line.split(b" ")[1])
        size = 0 if head_only or status == 304 else int(headers.get("content-length", 0))
        while len(self._unread) < size:
            assert self._more(), "the body was cut short"
        body, self._unread = self._unread[:size], self._unread[size:]
        return Answer(status, headers, body)

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return False
        self._unread += data
        return bool(data)
