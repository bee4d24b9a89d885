"""Windows of streams that open when the library does not expect it: its assertions end a process."""
import struct
import time

import pytest

from arena import must
from frames import WINDOW_UPDATE, frame, hello, settings
from narrow import Narrow
from support.processes import eventually
LARGE = 1 << 20
PATH = b"/docs"


def give(stream, bytes_more):
    return frame(WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", bytes_more))


@pytest.fixture
def filled(arena):
    """filled(path, window): a connection whose answers fill every buffer on the way."""
    links = []

    def make(path, window):
        server = arena()
        link = Narrow(server.port)
        links.append(link)
        # The connection's own window bounds nothing.
        link.push(hello(window=window) + give(0, 0x7fffffff - 65535))
        return server, link, link.fill(path)
    yield make
    for link in links:
        link.socket.close()


def all_answered(server, link, asked):
    must(link.ends(len(asked)) == len(asked), "not all requests are answered")
    assert not any(server.kills().values()), "nobody did anything wrong"


@pytest.mark.guarded
def test_window_that_is_taken_away_and_given_back(filled):
    """The last piece of an answer is on its way to a client that reads slowly, and the window of its
    stream goes to nothing and back."""
    server, link, asked = filled(PATH, LARGE)
    for _ in range(20):
        link.push(settings(window=0) + settings(window=LARGE))
    time.sleep(0.3)
    server.serves()
    all_answered(server, link, asked)


@pytest.mark.guarded
def test_window_that_is_taken_away_and_given_back_in_two_reads(filled):
    server, link, asked = filled(PATH, LARGE)
    for window in (0, LARGE):
        link.push(settings(window=window))
        time.sleep(0.2)
    server.serves()
    all_answered(server, link, asked)


@pytest.mark.guarded
def test_window_that_an_answer_was_as_long_as(arena, filled):
    """Nothing is wrong with this client: it gives a stream's window back for what it was told to
    expect, and the stream has ended."""
    size = len(arena().server.api.get(PATH.decode()).body)
    server, link, asked = filled(PATH, size)
    # Which of them is in the write that is under way is not known.
    for stream in reversed(asked[-120:]):
        link.push(give(stream, 1))
        time.sleep(0.002)
    time.sleep(0.3)
    server.serves()
    all_answered(server, link, asked)


@pytest.mark.patched("nothing is wrong with it: neither the library nor the guard may end it")
def test_slow_reader_that_gives_windows_back(filled):
    """Whose windows are far from being used up."""
    server, link, asked = filled(PATH, LARGE)
    for stream in asked[::4]:
        link.push(give(stream, 1000))
    all_answered(server, link, asked)


@pytest.mark.patched("nothing is wrong with it: whoever leaves was not ended for anything")
def test_slow_reader_that_leaves(filled):
    server, link, _ = filled(PATH, LARGE)
    link.socket.close()
    eventually(lambda: server.sample()[("purgeway_connections_open", frozenset())] <= 1)
    assert not any(server.kills().values())
