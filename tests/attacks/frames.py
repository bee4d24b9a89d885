"""HTTP/2 frames by hand: what no library would send."""
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + \
        struct.pack(">I", stream) + payload


def settings(**values):
    """settings(window=0): the initial window of streams."""
    payload = b""
    if "window" in values:
        payload += struct.pack(">HI", INITIAL_WINDOW_SIZE, values["window"])
    return frame(SETTINGS, payload=payload)


def hello(**values):
    return PREFACE + settings(**values)


def text(index, value):
    """A field whose name is in the static table, without indexing (RFC 7541, 6.2.2)."""
    name = bytes([index]) if index < 15 else bytes([15, index - 15])
    return name + bytes([len(value)]) + value


def get(path=b"/livez"):
    return b"\x82\x86" + text(4, path) + text(1, b"x")


def post(path=b"/v1/invalidations"):
    return b"\x83\x86" + text(4, path) + text(1, b"x") + text(31, b"application/json")


def long_field():
    """A field of 4,000 bytes that goes into the table, where it is 62 (0xbe)."""
    return b"\x40\x01a\x7f" + bytes([0x80 | (3900 - 127) & 0x7f, (3900 - 127) >> 7]) + b"v" * 3900


BODY = b'{"keys":["a"]}'


def whole_get(stream, path=b"/livez"):
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, get(path))


def whole_post(stream, body=BODY):
    return frame(HEADERS, END_HEADERS, stream, post()) + frame(DATA, END_STREAM, stream, body)


def odd(count, first=1):
    """The ids of `count` streams."""
    return range(first, first + 2 * count, 2)
