"""Answers of HTTP/2, decoded."""
import hpack

from arena import Link
from frames import DATA, END_STREAM, HEADERS, RST_STREAM


class Reader(Link):
    """A connection whose answers are read."""

    def __init__(self, port):
        super().__init__(port)
        self._data, self._decoder = b"", hpack.Decoder()
        self.answers, self._over = {}, set()  # {stream: {name: value}}

    def _take_frame(self, size):
        kind, flags = self._data[3:5]
        stream = int.from_bytes(self._data[5:9], "big")
        if kind == HEADERS:
            self.answers[stream] = dict(self._decoder.decode(self._data[9:size]))
        if kind == RST_STREAM or kind in (DATA, HEADERS) and flags & END_STREAM:
            self._over.add(stream)
        self._data = self._data[size:]

    def status(self, stream):
        """Once it has ended; None without an answer."""
        while stream not in self._over:
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not more:
                return None
            self._data += more
            while len(self._data) >= 9 and \
                    len(self._data) >= (size := 9 + int.from_bytes(self._data[:3], "big")):
                self._take_frame(size)
        answer = self.answers.get(stream)
        return answer and int(answer[":status"])
