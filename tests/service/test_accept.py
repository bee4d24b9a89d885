"""POST /v1/invalidations: what is accepted, what is refused, and how that is said."""
import json
import signal
import time

import pytest

from checks import is_accepted, is_problem, pointers
from support.client import Raw
from support.processes import eventually
from support.servers import ROOT, Purgeway


def post(api, body, content_type="application/json", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": content_type} if content_type else {}
    return api.request("POST", "/v1/invalidations", data, {**given, **headers})


def test_accepts_keys_and_answers_the_job(api, unique):
    job = is_accepted(api.purge(unique()))
    assert job["priority"] == "high"
    assert job["attempts"] == 0 and job["status"] == "queued"
    assert api.job(job["job_id"]).json["job_id"] == job["job_id"]


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
def test_priority_is_kept(api, unique, priority):
    job = is_accepted(api.purge(unique(), priority=priority))
    assert job["priority"] == priority
    assert api.finished(job["job_id"])["priority"] == priority


def test_reason_and_both_forms_of_keys(api, cache, unique):
    plain, raw = unique(), unique().encode() + b"\xff\x00"
    cache.mset({plain: 1, raw: 1})
    answer = api.purge(plain, raw, reason="price changed", prefer="wait=10")
    assert answer.status == 200
    assert answer.json["result"]["removed"] == 2
    assert cache.exists(plain, raw) == 0


def test_prefer_wait_answers_the_end(api, cache, unique):
    key = unique()
    cache.set(key, 1)
    answer = api.purge(key, prefer="wait=10")
    assert answer.status == 200
    assert answer.headers["preference-applied"] == "wait=10"
    assert answer.headers["location"] == f"/v1/jobs/{answer.json['job_id']}"
    assert answer.json["status"] == "succeeded"
    assert not cache.exists(key)


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=x", "wait=-1", "respond-async", "",
                                    "foo;bar=1, respond-async"])
def test_prefer_that_says_nothing_of_waiting_is_ignored(api, unique, prefer):
    is_accepted(api.purge(unique(), headers={"Prefer": prefer}))


def test_request_id_is_echoed(api, unique):
    answer = api.purge(unique(), headers={"X-Request-Id": "Abc-123._x"})
    assert answer.headers["x-request-id"] == "Abc-123._x"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a/b", "<script>"])
def test_request_id_that_is_not_one_is_replaced(api, unique, given):
    made = api.purge(unique(), headers={"X-Request-Id": given}).headers["x-request-id"]
    assert made and made != given


def test_request_ids_differ(api):
    assert len({api.get("/livez").headers["x-request-id"] for _ in range(20)}) == 20


def test_thousand_keys_are_accepted_and_one_more_is_not(api, unique):
    stem = unique()
    keys = [f"{stem}:{i}" for i in range(1001)]
    assert api.post("/v1/invalidations", {"keys": keys[:1000]}, prefer="wait=20").status == 200
    problem = is_problem(api.post("/v1/invalidations", {"keys": keys}), 422, "invalid_request")
    assert pointers(problem) == {"#/keys"}


def test_longest_key_is_accepted_and_one_more_byte_is_not(api, unique):
    longest = unique().ljust(4096, "x")
    is_accepted(api.purge(longest))
    problem = is_problem(api.purge(longest + "x"), 422, "invalid_request")
    assert pointers(problem) == {"#/keys/0"}


def test_length_is_counted_in_characters(api):
    is_accepted(api.purge("é" * 4096))
    is_problem(api.purge("é" * 4097), 422)


@pytest.mark.parametrize("body", [{}, {"keys": []}, {"keys_base64": []},
                                  {"keys": [], "keys_base64": []}, {"reason": "why"}])
def test_no_key_at_all_is_refused(api, body):
    assert is_problem(post(api, body), 422, "invalid_request")["errors"]


@pytest.mark.parametrize("body, where", [
    ({"keys": [""]}, {"#/keys/0"}),
    ({"keys": ["a", "", "b", ""]}, {"#/keys/1", "#/keys/3"}),
    ({"keys": [1, None, {}, [], True, 1.5]}, {f"#/keys/{i}" for i in range(6)}),
    ({"keys": "user:42"}, {"#/keys"}),
    ({"keys": None}, {"#/keys"}),
    ({"keys": ["a"], "priority": "urgent"}, {"#/priority"}),
    ({"keys": ["a"], "priority": 3}, {"#/priority"}),
    ({"keys": ["a"], "reason": 7}, {"#/reason"}),
    ({"keys_base64": ["?"]}, {"#/keys_base64/0"}),
    ({"keys_base64": ["YQ==", "YQ", "Y_-_", "Y Q=", "", "YR=="]},
     {f"#/keys_base64/{i}" for i in (1, 2, 3, 4)}),
    ({"keys": ["a"], "wait": 3}, {"#/wait"}),
    ({"keys": ["a"], "a/b": 1, "c~d": 2}, {"#/a~1b", "#/c~0d"}),
    ({"keys": ["", 1], "priority": "x", "reason": [], "more": 1},
     {"#/keys/0", "#/keys/1", "#/priority", "#/reason", "#/more"}),
    ([], {"#"}), ("keys", {"#"}), (7, {"#"}), (None, {"#"}), (True, {"#"}),
])
def test_all_violations_are_told_with_their_places(api, body, where):
    problem = is_problem(post(api, body), 422, "invalid_request")
    # Whether stray bits at the end of base64 are let pass is the decoder's business.
    assert pointers(problem) - {"#/keys_base64/5"} == where


def test_violations_are_bounded(api):
    problem = is_problem(post(api, {"keys": [0] * 1000}), 422)
    assert 1 <= len(problem["errors"]) <= 200


@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b'{"keys":["a"]', b'{"keys":["a"]}}', b'{"keys":["a"],}', b"{'keys':['a']}",
    b'{"keys":["\xff"]}', b'{"keys":["a\nb"]}', b'{"keys":["\\ud800"]}', b"\xef\xbb\xbf{}",
    b"NaN", b"\x00", b'{"keys":["a"]}\x00', b"[" * 100000])
def test_malformed_json_is_400(api, body):
    is_problem(post(api, body), 400, "malformed_json")


@pytest.mark.parametrize("number", ["99999999999999999999", "-99999999999999999999", "1e400"])
@pytest.mark.parametrize("path, body", [
    ("/v1/invalidations", b'{"keys":["k"],"delay_ms":%s}'),
    ("/v1/events", b'{"type":"uri","selectors":["http://h/"],"ignored":{"a":[%s]}}')])
def test_number_beyond_bounds_is_json_all_the_same(api, path, body, number):
    answer = api.request("POST", path, body % number.encode(), {"Content-Type": "application/json"})
    problem = is_problem(answer, 422, "invalid_request")
    assert pointers(problem) == {"#"} and "64 bits" in problem["errors"][0]["detail"]


@pytest.mark.parametrize("body", [b'{"keys":["a"],"keys":["b"]}', b'{"reason":"","reason":""}',
                                  b'{"keys":["a"],"\\u0000":1}'])
def test_json_that_is_only_odd_is_not_called_malformed(api, body):
    assert post(api, body).status in (202, 422)


@pytest.mark.parametrize("content_type", [
    None, "text/plain", "application/xml", "application/jsonx", "json", "multipart/form-data",
    "application/x-www-form-urlencoded"])
def test_another_media_type_is_415(api, content_type):
    is_problem(post(api, {"keys": ["a"]}, content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON",
                                          "application/json;x=y", "application/json "])
def test_json_by_other_spellings(api, content_type):
    assert post(api, {"keys": ["a"]}, content_type).status == 202


@pytest.mark.parametrize("accept", ["application/problem+json", "text/html", "*/*;q=0", "x"])
def test_accept_never_gives_406(api, unique, accept):
    is_accepted(api.purge(unique(), headers={"Accept": accept}))


@pytest.mark.parametrize("method, path, allowed", [
    ("GET", "/v1/invalidations", {"POST"}), ("PUT", "/v1/invalidations", {"POST"}),
    ("DELETE", "/v1/jobs/abc", {"GET"}), ("POST", "/livez", {"GET"}),
    ("PATCH", "/v1/queues", {"GET"}), ("FOO", "/metrics", {"GET"})])
def test_wrong_method_is_405_with_allow(api, method, path, allowed):
    answer = api.request(method, path)
    is_problem(answer, 405, "method_not_allowed")
    listed = {word.strip() for word in answer.headers["allow"].split(",")}
    assert allowed <= listed <= allowed | {"HEAD", "OPTIONS"}


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/invalidations/", "/v2/invalidations",
                                  "/V1/invalidations", "/v1/jobs", "/v1/jobs/", "/v1//jobs/x",
                                  "/v1/jobs/a/b", "/livez/", "/livezz", "/live", "//livez",
                                  "/livez%00", "/%2e%2e/livez", "/v1/jobs/%2fetc"])
def test_unknown_address_is_404(api, path):
    answer = api.get(path)
    problem = is_problem(answer, 404)
    assert problem["code"] in ("not_found", "no_such_job")
    assert problem["instance"] == path


# ---- large bodies, which are read beside the loop ----


def large(unique, count=1000, **more):
    return json.dumps({"keys": [f"{unique()}:{'x' * 500}" for _ in range(count)], **more}).encode()


def test_large_bodies_are_read_like_small_ones(api, cache, unique):
    body = large(unique)
    keys = json.loads(body)["keys"]
    cache.mset({key: 1 for key in keys})
    job = is_accepted(post(api, body))
    assert api.finished(job["job_id"])["result"]["removed"] == 1000
    form = "&".join(f"key={key}" for key in keys[:100]).replace(":", "%3A")
    is_accepted(post(api, form.encode(), "application/x-www-form-urlencoded"))


def test_large_bodies_are_refused_like_small_ones(api, unique):
    is_problem(post(api, large(unique)[:-1]), 400, "malformed_json")
    is_problem(post(api, large(unique) + b"x"), 400, "malformed_json")
    is_problem(post(api, large(unique), "text/plain"), 415, "unsupported_media_type")
    is_problem(post(api, b"key=%zz" + b"&key=a" * 5000, "application/x-www-form-urlencoded"), 400,
               "malformed_form")
    answer = post(api, large(unique, keys_base64=["?"], odd=1), prefer="wait=3")
    is_problem(answer, 422, "invalid_request")
    twice = b'{"keys":["a"],"keys":["' + b"b" * 20000 + b'"]}'
    assert pointers(is_problem(post(api, twice), 422, "invalid_request")) == {"#"}


def test_parameters_and_a_large_body_are_complained_of_together(api, unique):
    answer = api.request("POST", "/v1/invalidations?odd=1", large(unique, odd=1),
                         {"Content-Type": "application/json"})
    found = pointers(is_problem(answer, 422, "invalid_request"))
    assert len(found) == 2 and "#/odd" in found


def test_who_leaves_before_a_large_body_is_read(make, beside):
    server, redis = beside("gateway", threads=1)
    body = b'{"keys":["a"]}' + b" " * 900_000
    head = b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" \
           b"Content-Length: %d\r\n\r\n" % len(body)
    for _ in range(10):
        raws = [Raw(server.port).send(head + body) for _ in range(8)]
        for raw in raws:
            raw.socket.close()
    assert is_accepted(server.api.purge("b"))
    eventually(lambda: server.api.get("/readyz").status == 200)
    # Each was taken before its client left, or not at all.
    assert 1 <= redis.client().xlen("purgeway:{main}:high") <= 81


def post_of_many_values():
    """A head, and a body that takes long to read."""
    body = b'{"keys":[' + b"1," * 400_000 + b"1]}"
    head = b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" \
           b"Content-Length: %d\r\n\r\n" % len(body)
    return head, body


def time_to_refuse(server, count):
    """Seconds until as many large bodies that came together are read, and answered."""
    head, body = post_of_many_values()
    began = time.monotonic()
    raws = [Raw(server.port).send(head + body) for _ in range(count)]
    for raw in raws:
        is_problem(raw.answer(), 422, "invalid_request")
        raw.socket.close()
    return time.monotonic() - began


def test_time_in_which_large_bodies_are_read_is_not_their_clients_time(beside):
    server, _ = beside("gateway", threads=1)
    # A third of what they take to be read; but to arrive they have to have time.
    request_ms = max(600, int(time_to_refuse(server, 20) * 1000))
    server, _ = beside("gateway", threads=1, limits_request_ms=request_ms)
    if time_to_refuse(server, 60) * 1000 < 1.5 * request_ms:
        pytest.skip("they are read too fast here for this to show anything")


def test_end_with_large_bodies_waiting(make, beside):
    # So many bodies take longer than there is.
    head, body = post_of_many_values()
    server, _ = beside("gateway", threads=1, drain_ms=1)
    raws = [Raw(server.port).send(head) for _ in range(60)]
    for raw in raws:
        raw.send(body)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not server.log_contains("http.connections_left")
    for raw in raws:
        raw.socket.close()


def test_answers_to_large_and_small_bodies_keep_their_order(purgeway):
    small = b'{"keys":["a"]}'
    bodies = [small, small.ljust(400_000), small, b"{" + b" " * 100_000, small]
    with Raw(purgeway.port) as raw:
        raw.send(b"".join(
            b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies))
        assert [raw.answer().status for _ in bodies] == [202, 202, 202, 400, 202]


def test_body_over_the_limit_is_413(make):
    server = make(Purgeway, "serve", limits_body_bytes=2000)
    keys = ["k" * 90 for _ in range(15)]
    assert server.api.post("/v1/invalidations", {"keys": keys}).status == 202
    keys = ["k" * 90 for _ in range(30)]
    is_problem(server.api.post("/v1/invalidations", {"keys": keys}), 413, "body_too_large")
    # Told from the head alone, without waiting for a body of this size.
    with Raw(server.port) as raw:
        raw.send(b"POST /v1/invalidations HTTP/1.1\r\nHost: x\r\n"
                 b"Content-Type: application/json\r\nContent-Length: 100000000000\r\n\r\n")
        is_problem(raw.answer(), 413)
    is_accepted(server.api.purge("after"))


def test_header_block_over_the_limit_is_431(api, purgeway):
    with Raw(purgeway.port) as raw:
        raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 20000 + b"\r\n\r\n")
        is_problem(raw.answer(), 431, "header_too_large")
    assert api.get("/livez", x_big="a" * 10000).status == 200


@pytest.mark.parametrize("path", ["/readyz?x=1", "/v1/queues?page=2", "/v1/jobs/abc?waitt=1"])
def test_unknown_query_parameter_is_422(api, path):
    problem = is_problem(api.get(path), 422, "invalid_request")
    assert len(problem["errors"]) == 1


@pytest.mark.parametrize("query", ["?wait=31", "?wait=-1", "?wait=x", "?wait=1.5", "?wait="])
def test_query_parameter_against_its_schema_is_422(api, query):
    is_problem(api.get("/v1/jobs/abc" + query), 422, "invalid_request")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.yaml", "/docs"])
def test_head_is_get_without_the_body(purgeway, path):
    with Raw(purgeway.port) as raw:
        raw.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = raw.answer(head_only=True)
        assert answer.status in (200, 405)
        # The connection is in step: what follows is the next answer, not a body.
        raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.answer().json == {"status": "alive"}


def test_options_tells_what_is_allowed(api):
    answer = api.request("OPTIONS", "/v1/invalidations")
    assert answer.status in (200, 204, 405)
    assert "POST" in answer.headers["allow"]


def test_lists_in_several_lines_are_one_list(api, cache, unique):
    """RFC 9110, section 5.3; RFC 7240, section 2."""
    body = b'{"keys":["%s"]}' % unique().encode()
    answer = api.lines("POST", "/v1/invalidations", ("Content-Type", "application/json"),
                       ("Prefer", "return=representation"), ("prefer", "wait=10"), body=body)
    assert answer.status == 200 and answer.headers["preference-applied"] == "wait=10"
    path = f"/v1/jobs/{answer.json['job_id']}"
    tag = api.get(path).headers["etag"]
    assert api.lines("GET", path, ("If-None-Match", '"other"'), ("If-None-Match", tag)).status == 304
    assert api.lines("GET", path, ("If-None-Match", '"one"'), ("If-None-Match", '"two"')).status == 200


@pytest.mark.parametrize("name", ["X-Request-Id", "Prefer", "Traceparent", "If-None-Match"])
def test_header_that_is_no_text_is_not_understood(api, unique, name):
    """What is not understood is ignored or replaced, which is no reason to keep an old value."""
    odd = {name: "caf\xe9"}
    answer = api.purge(unique(), headers=odd)
    job = is_accepted(answer)
    assert "\xe9" not in answer.headers["x-request-id"]
    assert api.request("GET", f"/v1/jobs/{job['job_id']}", None, odd).status == 200


def test_traceparent_that_is_no_text_does_not_travel(beside):
    server, redis = beside("gateway")
    for trace in ("00-a-b-01", "\xff"):
        is_accepted(server.api.purge("k", headers={"Traceparent": trace}))
    entries = [fields for _, fields in redis.client().xrange("purgeway:{main}:high")]
    assert [entry.get(b"t") for entry in entries] == [b"00-a-b-01", None]


def test_key_that_is_no_text_is_refused(api, unique):
    """To ignore it would be to do it twice."""
    answer = api.purge(unique(), headers={"Idempotency-Key": "caf\xe9"})
    assert "#/header/Idempotency-Key" in pointers(is_problem(answer, 422))


def test_options_of_the_whole_server(purgeway):
    """RFC 9110 9.3.7: it is a request like others, and nothing is known of the whole."""
    with Raw(purgeway.port) as raw:
        raw.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.answer().status == 404
        raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.answer().json == {"status": "alive"}


def test_cors_is_off(api, unique):
    answer = api.purge(unique(), headers={"Origin": "https://elsewhere.example"})
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


def test_server_does_not_introduce_itself(api):
    assert "server" not in api.get("/livez").headers


def test_full_queue_is_refused_and_recovers(beside):
    server, redis = beside("gateway", queue_depth=5)
    accepted = [server.api.purge(f"k{i}") for i in range(5)]
    assert {answer.status for answer in accepted} == {202}

    def is_refused():
        answer = server.api.purge("one too many")
        return answer.status == 503 and answer
    answer = eventually(is_refused)
    is_problem(answer, 503, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1
    redis.client().flushall()
    eventually(lambda: server.api.purge("room again").status == 202)


def test_selectors_that_a_small_body_comes_to_have_a_bound(make, tmp_path):
    """Whatever an operator's own contract lets through."""
    contract = (ROOT / "openapi" / "purgeway.yaml").read_text()
    for schema, bound, more in (("UriList", "maxItems: 100", "maxItems: 1000"),
                                ("Key", "maxLength: 4096", "maxLength: 9000")):
        head, name, tail = contract.partition(f"    {schema}:\n")
        contract = head + name + tail.replace(bound, more, 1)
    path = tmp_path / "contract.yaml"
    path.write_text(contract)
    server = make(Purgeway, broker_durability="memory", contract=str(path),
                  uri_key="x" * 5000 + "{path}")

    def event(count):
        return {"type": "uri", "selectors": [f"https://a.example/{i}" for i in range(count)]}
    problem = is_problem(server.api.post("/v1/events", event(1000)), 422, "invalid_request")
    assert "4194304 bytes" in problem["errors"][0]["detail"]
    job = is_accepted(server.api.post("/v1/events", event(800)))
    assert server.api.finished(job["job_id"])["result"]["requested"] == 800
