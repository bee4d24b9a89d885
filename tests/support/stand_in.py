"""A gateway of a few lines, for answers that a real one gives only when something is wrong."""
import http.server
import json
import threading


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        stand_in = self.server.stand_in
        stand_in.requests.append((self.command, self.path, dict(self.headers), body))
        answer = stand_in.answer(self.command, self.path)
        if answer is None:
            self.close_connection = True
            return
        status, body, *headers = answer
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body),
                            **(headers[0] if headers else {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """The client has left, which is its right."""


class StandIn:
    """answer(method, path) gives (status, body) or (status, body, headers), with a body of bytes or
    of what is to be JSON; or None, which ends the connection without an answer.

    `requests` is what was asked: (method, path, headers, body).
    """

    def __init__(self, answer, port=0):
        self.answer = answer
        self.requests = []
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.stand_in = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
