"""Events of the IETF draft: URIs, prefixes, origins and groups."""
import pytest

from checks import is_accepted, is_problem, pointers
from support.processes import eventually
from support.servers import Purgeway


@pytest.fixture(scope="module")
def events():
    with Purgeway(rebounds="-") as server:
        yield server


def told(server, kind, *selectors, **more):
    answer = server.api.post("/v1/events", {"type": kind, "selectors": list(selectors), **more},
                             prefer="wait=20")
    assert answer.status == 200, answer.body
    return answer.json["result"]


def stored(server, *keys):
    cache = server.embedded()
    cache.flushdb()
    cache.mset({key: 1 for key in keys})
    return lambda: {key.decode() for key in cache.keys("http*")}


@pytest.mark.parametrize("said", [
    "https://h.example/a/b?x=1", "HTTPS://H.EXAMPLE:443/a/b?x=1", "https://h.example/a/./c/../b?x=1",
    "https://h.example/%61/b?x=1#top"])
def test_uris_are_normalised(events, said):
    left = stored(events, "https://h.example/a/b?x=1", "https://h.example/a/b")
    assert told(events, "uri", said)["removed"] == 1
    assert left() == {"https://h.example/a/b"}


def test_prefix_means_whole_segments(events):
    below = {"https://h/a", "https://h/a?q", "https://h/a/", "https://h/a/b", "https://h/a/b/c?q"}
    others = {"https://h/ab", "https://h/a.html", "https://g/a/b", "https://h:8443/a"}
    left = stored(events, *below, *others)
    assert told(events, "uri-prefix", "https://h/a")["removed"] == 5
    assert left() == others


def test_prefix_is_taken_literally(events):
    left = stored(events, "https://h/a%2A/b", "https://h/abc/b", "https://h/(a*)/b", "https://h/(ab)/b")
    assert told(events, "uri-prefix", "https://h/(a*)/")["removed"] == 1
    assert left() == {"https://h/a%2A/b", "https://h/abc/b", "https://h/(ab)/b"}


def test_origin_is_all_of_it(events):
    left = stored(events, "https://h/", "https://h/a", "https://h.more/a", "http://h/a")
    assert told(events, "origin", "https://h")["removed"] == 2
    assert left() == {"https://h.more/a", "http://h/a"}


def test_groups_are_tags(events):
    left = stored(events, "https://h/1", "https://h/2")
    events.api.post("/v1/taggings", {"tags": ["news"], "keys": ["https://h/1"]})
    assert told(events, "group", "https://h", groups=["news"], purge=False, odd=1)["removed"] == 1
    assert left() == {"https://h/2"}


def test_it_is_a_job_like_others(events):
    job = is_accepted(events.api.post("/v1/events", {"type": "uri", "selectors": ["http://h/"]}))
    eventually(lambda: events.api.job(job["job_id"]).json["status"] == "succeeded")


def test_unsupported_types(events):
    is_problem(events.api.post("/v1/events", {"type": "vary", "selectors": ["http://h/"]}), 501,
               "unsupported_type")


@pytest.mark.parametrize("selector", ["/a", "h/a", "http:///a", "http://u:p@h/", "http://h/ a",
                                      "http://h/%zz", "mailto:a@b"])
def test_selectors_that_are_no_uris(events, selector):
    answer = events.api.post("/v1/events", {"type": "uri", "selectors": ["http://h/", selector]})
    assert answer.status == 422 and "#/selectors/1" in pointers(answer.json)


def test_group_needs_groups(events):
    answer = events.api.post("/v1/events", {"type": "group", "selectors": ["http://h/"]})
    assert answer.status == 422 and "#/groups" in pointers(answer.json)


def test_own_keys(make):
    server = make(Purgeway, uri_key="page:{host}:{path}", uri_tag="{host}/{group}", rebounds="-")
    cache = server.embedded()
    cache.mset({"page:h:/a": 1, "page:h:/a/b": 1, "page:h:/ab": 1})
    assert told(server, "uri", "https://h/a?whatever")["removed"] == 1
    assert told(server, "uri-prefix", "https://h/a")["removed"] == 1
    server.api.post("/v1/taggings", {"tags": ["h/g"], "keys": ["page:h:/ab"]})
    assert told(server, "group", "https://h", groups=["g"])["removed"] == 1
    other = make(Purgeway, uri_key="{path}@{host}")
    is_problem(other.api.post("/v1/events", {"type": "uri-prefix", "selectors": ["http://h/"]}), 501)


# ---- what comes of it is a job like others ---------------------------------------------------


def test_what_is_named_twice_is_meant_once(events):
    left = stored(events, "https://h/1", "https://h/2")
    groups = [f"g{i}" for i in range(20)]
    events.api.post("/v1/taggings", {"tags": groups[-1:], "keys": ["https://h/1"]})
    result = told(events, "group", "https://a", "https://b", "https://c", "https://d", groups=groups)
    assert result["requested"] == 20 and result["removed"] == 1
    assert left() == {"https://h/2"}
    assert told(events, "uri", "http://h/", "http://h", "HTTP://h:80/")["requested"] == 1


@pytest.mark.parametrize("kind, count, place", [
    ("uri-prefix", 100, "#/patterns"), ("origin", 21, "#/patterns")])
def test_job_of_an_event_is_bounded_like_others(events, kind, count, place):
    answer = events.api.post("/v1/events", {
        "type": kind, "selectors": [f"https://h{i}.example" for i in range(count)]})
    assert is_problem(answer, 422)["detail"].startswith("What the event comes to")
    assert place in pointers(answer.json)


def test_tag_of_a_group_is_bounded_like_others(make):
    server = make(Purgeway, uri_tag="{origin}{path}#{group}", rebounds="-")
    uri = "https://h/" + "a" * 300
    cache = server.embedded()
    cache.set("kept", 1)
    cache.sadd("purgeway:tag:{" + uri[:256] + "}", "kept")
    answer = server.api.post("/v1/events", {"type": "group", "selectors": [uri], "groups": ["g"]})
    assert "#/tags/0" in pointers(is_problem(answer, 422))
    answer = server.api.post("/v1/events", {
        "type": "group", "selectors": [f"https://h/{i}" for i in range(100)],
        "groups": [f"g{i}" for i in range(20)]})
    assert "#/tags" in pointers(is_problem(answer, 422))
    assert cache.exists("kept")


@pytest.mark.parametrize("kind, selector", [
    ("uri", "https://shop/\0/nothing"), ("uri-prefix", "https://shop/\0/nothing"),
    ("origin", "https://shop\0.example")])
def test_nul_cuts_nothing_off(events, kind, selector):
    left = stored(events, "https://shop/", "https://shop/a")
    answer = events.api.post("/v1/events", {"type": kind, "selectors": [selector]})
    assert "#/selectors/0" in pointers(is_problem(answer, 422))
    assert left() == {"https://shop/", "https://shop/a"}


def test_nul_ends_no_type(events):
    is_problem(events.api.post("/v1/events", {"type": "uri\0", "selectors": ["http://h/"]}), 501,
               "unsupported_type")
