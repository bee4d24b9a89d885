"""The well-behaved client: `good_client.py PORT`, then a number of seconds on each line.

It answers each line with one of JSON: how many failed, and p50 and p99 in microseconds. One
connection that is kept alive, a job and a look at the service in turns, so many a second. A request
that is due while the one before it still waits counts from when it was due: who waited for answers
before asking again would meet a service that stands still only once. A process of its own, so that
the attacker's work is not in its times.
"""
import json
import socket
import sys
import time

BODY = b'{"keys":["good"]}'
REQUESTS = (
    (b"POST /v1/invalidations HTTP/1.1\r\nHost: good\r\nContent-Type: application/json\r\n"
     b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY), b"HTTP/1.1 202 "),
    (b"GET /livez HTTP/1.1\r\nHost: good\r\n\r\n", b"HTTP/1.1 200 "),
)
PATIENCE_S = 15.0
#: Below that many a p99 is a single request.
REQUESTS_MIN = 50
#: Seldom enough for a slow machine to keep up with it by far: whoever cannot measures a backlog.
EVERY_S = 0.002


class GoodClient:
    def __init__(self, port):
        self.port = port
        self.link = None
        self.why = ""

    def connect(self):
        self.link = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request, wanted):
        try:
            if not self.link:
                self.connect()
            self.link.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += self._more()
            head, _, body = answer.partition(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            while len(body) < size:
                body += self._more()
        except (OSError, IndexError, ValueError) as problem:
            self.link, self.why = None, repr(problem)
            return False
        if not head.startswith(wanted):
            self.why = head.decode("latin-1")
        return head.startswith(wanted)

    def _more(self):
        data = self.link.recv(65536)
        if not data:
            raise ConnectionError("closed")
        return data

    def window(self, seconds):
        took, failed = [], 0
        due = time.perf_counter()
        end = due + seconds
        while due < end or len(took) < REQUESTS_MIN:
            began = due
            if (early := due - time.perf_counter()) > 0:
                time.sleep(early)
                began = time.perf_counter()
            due += EVERY_S
            if not self.ask(*REQUESTS[len(took) % 2]):
                failed += 1
                if failed > 3:
                    break
            took.append(time.perf_counter() - began)
        took.sort()
        return {"failed": failed, "why": self.why, "p50": took[len(took) // 2] * 1e6,
                "p99": took[len(took) * 99 // 100] * 1e6}


def main():
    client = GoodClient(int(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(client.window(float(line))), flush=True)


if __name__ == "__main__":
    main()
