"""A client whose kernel takes little, and which reads nothing until it is told to."""
import pathlib
import socket
import time

from arena import Link
from frames import DATA, END_STREAM, HEADERS, odd, whole_get

#: More than any client has in flight that reads.
LARGE = 1 << 20


class Narrow(Link):
    def __init__(self, port):
        super().__init__(port)
        self.socket.close()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))

    def unsent(self):
        """What the other side's kernel still holds for us, in bytes."""
        ours, theirs = self.socket.getsockname()[1], self.socket.getpeername()[1]
        for line in pathlib.Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            _, local, remote, _, queues = line.split()[:5]
            if int(local[-4:], 16) == theirs and int(remote[-4:], 16) == ours:
                return int(queues.partition(":")[0], 16)
        return 0

    def settled(self):
        """The same, once it no longer grows."""
        seen, same = self.unsent(), 0
        while same < 3:
            time.sleep(0.01)
            now = self.unsent()
            same = same + 1 if now == seen else 0
            seen = now
        return seen

    def fill(self, path):
        """Ask and read nothing, until a write of the other side stays under way: the streams."""
        asked, seen = [], 0
        for first in range(1, 6000, 8):
            asked += odd(4, first)
            self.push(b"".join(whole_get(stream, path) for stream in asked[-4:]))
            # A server that has no time looks the same for a moment.
            if (now := self.settled()) == seen > LARGE and self.settled() == seen:
                return asked
            seen = now
        raise AssertionError("its writes are taken without end")

    def ends(self, count):
        """Read until so many streams have ended, or nothing comes any more: how many have."""
        data, ended = b"", 0
        while ended < count:
            piece = self.socket.recv(1 << 16)
            if not piece:
                break
            data += piece
            while len(data) >= 9 and len(data) >= (size := 9 + int.from_bytes(data[:3], "big")):
                # A SETTINGS has its ACK in this place.
                ended += data[3] in (DATA, HEADERS) and bool(data[4] & END_STREAM)
                data = data[size:]
        return ended
