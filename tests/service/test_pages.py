"""Requests that a web page makes its visitor's browser send."""
import pytest

from checks import is_accepted, is_problem
from support.identities import Identities
from support.servers import Purgeway

EVIL = {"Origin": "http://evil.example"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def server():
    with Purgeway(rebounds="60000") as one:
        yield one


@pytest.fixture
def job_id(server, unique):
    return server.api.purge(unique(), prefer="wait=20").json["job_id"]


def is_paused(server):
    return any("paused_at" in lane for queue in server.api.get("/v1/queues").json["queues"]
               for lane in queue["lanes"])


@pytest.mark.parametrize("said", [
    EVIL, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "file://"},
    {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://127.0.0.1"}])
@pytest.mark.parametrize("kind", [{}, FORM, {"Content-Type": "text/plain"},
                                  {"Content-Type": "application/json"}])
def test_page_controls_nothing(server, said, kind):
    answer = server.api.request("POST", "/v1/queues/main/pause", b"", {**said, **kind})
    is_problem(answer, 403, "forms_of_pages_refused")
    assert not is_paused(server)


@pytest.mark.parametrize("method, path", [
    ("POST", "/v1/jobs/{}/cancel"), ("DELETE", "/v1/jobs/{}/rebounds"),
    ("POST", "/v1/dead-letters/{}/redrive"), ("DELETE", "/v1/dead-letters/{}"), ("PURGE", "/")])
def test_nor_with_what_has_no_body(server, job_id, method, path):
    answer = server.api.request(method, path.format(job_id), None, {**EVIL, "Surrogate-Key": "t"})
    is_problem(answer, 403, "forms_of_pages_refused")


def test_two_origins_are_not_ours(server):
    own = f"http://127.0.0.1:{server.port}"
    answer = server.api.lines("POST", "/v1/queues/main/pause", ("Origin", own), *EVIL.items())
    is_problem(answer, 403, "forms_of_pages_refused")


def test_page_of_our_own_may(server, job_id):
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    assert server.api.request("DELETE", f"/v1/jobs/{job_id}/rebounds", None, own).status == 200
    for act in ("pause", "resume"):
        assert server.api.request("POST", f"/v1/queues/main/{act}", None, own).status == 200


def test_reading_is_not_asked_about(server, job_id):
    answer = server.api.request("GET", f"/v1/jobs/{job_id}", None, EVIL)
    assert answer.status == 200
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


def test_json_needs_leave_that_nobody_gets(server, unique):
    """A browser asks first, and is not answered as it would have to be; a proxy may have."""
    asked = server.api.request("OPTIONS", "/v1/invalidations", None, {
        **EVIL, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type"})
    assert not any(name.lower().startswith("access-control") for name in asked.headers)
    is_accepted(server.api.purge(unique(), headers=EVIL))


# ---- names that lead here by somebody else's doing (DNS rebinding) -----------------------------


BROWSER = ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")


def named(server, host, path="/v1/queues", method="GET", by=BROWSER):
    return server.api.lines(method, path, ("Host", host), by)


HOSTS = ["evil.example", "evil.example:7780", "127.0.0.1.evil.example", "localhost.evil.example",
         "evillocalhost.example", "1.2.3.4.5", "evil.example."]


@pytest.mark.parametrize("host", HOSTS)
def test_name_that_is_not_ours_is_refused(server, host):
    is_problem(named(server, host), 403, "unknown_host")
    is_problem(named(server, host, "/v1/queues/main/pause", "POST"), 403, "unknown_host")
    assert not is_paused(server)
    assert named(server, host, "/livez").status == 200


@pytest.mark.parametrize("by", [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "same-origin")])
def test_browser_is_known_by_what_it_says(server, by):
    is_problem(named(server, "evil.example", by=by), 403, "unknown_host")


def test_names_are_no_matter_to_others(server):
    """Services and proxies call it what they like."""
    for by in (("User-Agent", "curl/7.88.1"), ("Accept", "*/*")):
        assert named(server, "purge.example", by=by).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7780", "localhost:1", "LOCALHOST", "[::1]:80",
                                  "purgeway", "a.localhost", "localhost.", "10.0.0.1", ""])
def test_name_that_nobody_can_buy_is_taken(server, host):
    assert named(server, host).status == 200


def test_names_can_be_allowed(make):
    server = make(Purgeway, listen_names=["purge.example", "cache.example"])
    for host, status in (("purge.example:80", 200), ("Cache.Example", 200), ("a.purge.example", 403)):
        assert named(server, host).status == status


def test_who_asks_for_credentials_or_listens_anywhere_has_any_name(make, tmp_path):
    server = make(Purgeway, identities_file=Identities(tmp_path).path)
    assert named(server, "purge.example").status == 401
    assert named(make(Purgeway, listen_anywhere=True), "purge.example").status == 200
