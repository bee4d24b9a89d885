"""The OpenAPI file rules: what it says is what the program does, from the next start on."""
import copy
import json
import os
import pathlib
import re

import pytest

from checks import is_accepted, is_problem, pointers
from support.servers import ROOT, Purgeway, Redis, run_to_end

SUITES = pathlib.Path(os.environ.get("PGW_SUITES") or ROOT.parent / "shared" / "suites")
JSON_CASES = SUITES / "json-test-suite" / "test_parsing"


@pytest.fixture(scope="module")
def contract(api):
    return api.get("/openapi.json").json


@pytest.fixture
def started_with(make, tmp_path):
    """started_with(contract): a gateway that goes by it."""
    def start(contract):
        path = tmp_path / "openapi.json"
        path.write_text(contract if isinstance(contract, str) else json.dumps(contract))
        return make(Purgeway, "gateway", broker_url=make(Redis).url(), contract=str(path))
    return start


@pytest.fixture
def refused_with(tmp_path):
    """refused_with(contract): what the program says when it does not start with it."""
    def start(contract):
        path = tmp_path / "openapi.json"
        path.write_text(contract if isinstance(contract, str) else json.dumps(contract))
        code, _, err = run_to_end("gateway", "--broker-url", "unix:///nowhere", "--listen",
                                  "127.0.0.1:0", "--contract", str(path), patience_s=30)
        assert code == 78, (code, err)
        return err
    return start


def schema_of(contract, name):
    """The schema that holds this property of the request body, by following the file."""
    post = contract["paths"]["/v1/invalidations"]["post"]
    schema = resolve(contract, post["requestBody"])["content"]["application/json"]["schema"]
    return resolve(contract, resolve(contract, schema)["properties"][name])


def resolve(contract, node):
    while "$ref" in node:
        target = contract
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def test_serves_the_file_itself(api):
    answer = api.get("/openapi.yaml")
    assert answer.status == 200
    assert answer.content_type in ("application/yaml", "application/openapi+yaml", "text/yaml")
    assert answer.body == (ROOT / "openapi" / "purgeway.yaml").read_bytes()


def test_serves_the_same_as_json(api, contract):
    assert api.get("/openapi.json").content_type == "application/json"
    assert contract["openapi"] == "3.0.3"
    text = api.get("/openapi.yaml").body.decode()
    for path in contract["paths"]:
        assert re.search(rf"^  {re.escape(path)}:", text, re.MULTILINE), path


def test_docs_work_without_the_internet(api):
    answer = api.get("/docs")
    assert answer.status == 200 and answer.content_type == "text/html"
    assert not re.search(rb'(?:src|href)\s*=\s*["\']?(?:https?:)?//', answer.body)


def test_describes_every_endpoint(contract):
    operations = {(method, path): operation["operationId"]
                  for path, item in contract["paths"].items()
                  for method, operation in item.items() if isinstance(operation, dict)}
    assert {("post", "/v1/invalidations"), ("get", "/v1/jobs/{job_id}"), ("get", "/v1/queues"),
            ("get", "/livez"), ("get", "/readyz"), ("get", "/healthz"), ("get", "/metrics"),
            ("get", "/openapi.yaml"), ("get", "/openapi.json"), ("get", "/docs")} <= set(operations)
    assert len(set(operations.values())) == len(operations)


def test_a_head_that_is_too_long_is_described_everywhere(api, contract):
    """It is refused before anybody looks whom it is for."""
    for path, item in contract["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict):
                answer = api.request(method.upper(), re.sub(r"{\w+}", "x", path),
                                     headers={"X-Long": "x" * 20000})
                is_problem(answer, 431, "header_too_large")
                described = resolve(contract, operation["responses"].get("431", {}))
                assert "application/problem+json" in described.get("content", {}), (method, path)


def test_query_that_is_not_known_is_ignored_or_listed(api, contract):
    """Probes and documents are asked for by who adds what they like; others say that they mind."""
    ignored = []
    for path, item in contract["paths"].items():
        if "get" not in item or "{" in path:
            continue
        answer = api.get(f"{path}?nobody-knows-it=1")
        if answer.status == 422:
            assert "422" in item["get"]["responses"], path
            assert "#/query" in pointers(answer.json), path
        else:
            assert answer.status == 200, path
            ignored.append(path)
    assert set(ignored) == {"/livez", "/healthz", "/metrics", "/openapi.yaml", "/openapi.json", "/docs"}


def test_parameter_is_refused_once(api):
    for query in ("tag=%ff", "tag=%", "tag="):
        problem = is_problem(api.get(f"/v1/tags?{query}"), 422)
        assert len(problem["errors"]) == 1 and "missing" not in problem["errors"][0]["detail"]


def test_parameter_is_as_long_as_the_file_says(api):
    """In characters, each of which may be nine bytes of the address."""
    assert api.get("/v1/audit?key=" + "%E4%B8%AD" * 512).status == 200
    answer = api.get("/v1/audit?key=" + "%E4%B8%AD" * 513)
    assert pointers(is_problem(answer, 422)) == {"#/query/key"}


def test_refusal_names_every_choice(api, contract):
    detail = is_problem(api.get("/v1/audit?action=foo"), 422)["errors"][0]["detail"]
    assert all(f'"{word}"' in detail for word in contract["components"]["schemas"]["AuditAction"]["enum"])


def test_every_object_of_the_contract_refuses_unknown_members_in_requests(contract):
    body = resolve(contract, contract["paths"]["/v1/invalidations"]["post"]["requestBody"])
    schema = resolve(contract, body["content"]["application/json"]["schema"])
    assert schema["additionalProperties"] is False


def test_limit_in_the_file_is_the_limit(started_with, contract):
    changed = copy.deepcopy(contract)
    schema_of(changed, "keys")["maxItems"] = 2
    api = started_with(changed).api
    is_accepted(api.purge("a", "b"))
    problem = is_problem(api.purge("a", "b", "c"), 422, "invalid_request")
    assert pointers(problem) == {"#/keys"}
    assert schema_of(api.get("/openapi.json").json, "keys")["maxItems"] == 2


def test_limit_edited_in_the_yaml_text(started_with):
    text = (ROOT / "openapi" / "purgeway.yaml").read_text()
    changed, count = re.subn(r"maxItems: 1000\b", "maxItems: 3", text)
    assert count >= 1
    api = started_with(changed).api
    is_accepted(api.purge("a", "b", "c"))
    is_problem(api.purge("a", "b", "c", "d"), 422)
    assert api.get("/openapi.yaml").body.decode() == changed


def test_limit_may_grow_too(started_with, contract):
    changed = copy.deepcopy(contract)
    schema_of(changed, "keys")["maxItems"] = 1500
    is_accepted(started_with(changed).api.purge(*[f"k{i}" for i in range(1500)]))


def test_new_constraints_are_enforced(started_with, contract):
    changed = copy.deepcopy(contract)
    items = resolve(changed, schema_of(changed, "keys")["items"])
    items["pattern"] = "^user:[0-9]+$"
    schema_of(changed, "keys")["uniqueItems"] = True
    api = started_with(changed).api
    is_accepted(api.purge("user:1", "user:22"))
    assert pointers(is_problem(api.purge("user:1", "page:1"), 422)) == {"#/keys/1"}
    assert pointers(is_problem(api.purge("user:1", "user:1"), 422)) == {"#/keys"}


def test_paths_come_from_the_file(started_with, contract):
    changed = copy.deepcopy(contract)
    changed["paths"]["/v1/purges"] = changed["paths"].pop("/v1/invalidations")
    api = started_with(changed).api
    is_problem(api.purge("a"), 404, "not_found")
    assert api.post("/v1/purges", {"keys": ["a"]}).status == 202


@pytest.mark.parametrize("keyword, value", [
    ("contains", {}), ("const", 1), ("propertyNames", {}), ("if", {}), ("dependentRequired", {}),
    ("unevaluatedProperties", False), ("maxItem", 3), ("patternProperties", {"a": {}})])
def test_unknown_keyword_stops_the_start(refused_with, contract, keyword, value):
    changed = copy.deepcopy(contract)
    schema_of(changed, "keys")[keyword] = value
    said = refused_with(changed)
    assert keyword in said
    assert len(said.strip().splitlines()) == 1


def test_missing_operation_stops_the_start(refused_with, contract):
    changed = copy.deepcopy(contract)
    del changed["paths"]["/v1/queues"]
    assert "list_queues" in refused_with(changed)


def test_surplus_operation_stops_the_start(refused_with, contract):
    changed = copy.deepcopy(contract)
    changed["paths"]["/v1/more"] = {"get": {
        "operationId": "do_more", "responses": {"200": {"description": "more"}}}}
    assert "do_more" in refused_with(changed)


def test_operation_without_id_stops_the_start(refused_with, contract):
    changed = copy.deepcopy(contract)
    del changed["paths"]["/v1/queues"]["get"]["operationId"]
    assert "/v1/queues" in refused_with(changed)


def test_twice_the_same_operation_stops_the_start(refused_with, contract):
    changed = copy.deepcopy(contract)
    changed["paths"]["/v1/again"] = copy.deepcopy(changed["paths"]["/v1/queues"])
    assert "list_queues" in refused_with(changed)


@pytest.mark.parametrize("change", [
    lambda c: schema_of(c, "keys").update(maxItems="many"),
    lambda c: schema_of(c, "keys").update(items={"$ref": "#/components/schemas/Nowhere"}),
    lambda c: resolve(c, schema_of(c, "keys")["items"]).update(pattern="("),
    lambda c: c.update(openapi="4.0.0"),
    lambda c: c.pop("paths"),
    lambda c: schema_of(c, "keys").update(type="liszt"),
])
def test_file_that_makes_no_sense_stops_the_start(refused_with, contract, change):
    changed = copy.deepcopy(contract)
    change(changed)
    assert refused_with(changed).startswith("purgeway: ")


@pytest.mark.parametrize("text", ["", "[]", "a: [", "\tx", "openapi: 3.0.3\nopenapi: 3.0.3\n",
                                  "&a [*a]", "\x00"])
def test_file_that_is_no_contract_stops_the_start(refused_with, text):
    assert refused_with(text)


def test_missing_file_stops_the_start():
    code, _, err = run_to_end("gateway", "--broker-url", "unix:///nowhere", "--listen",
                              "127.0.0.1:0", "--contract", "/nowhere/openapi.yaml")
    assert code == 78 and "/nowhere/openapi.yaml" in err


@pytest.mark.skipif(not JSON_CASES.is_dir(), reason=f"no JSONTestSuite at {JSON_CASES}")
def test_json_test_suite(api):
    """n_ is malformed, y_ is not, i_ may be either; nothing else ever comes of it."""
    connection = api.connect()
    wrong, counted = [], {"n_": 0, "y_": 0, "i_": 0}
    for path in sorted(JSON_CASES.iterdir()):
        kind = path.name[:2]
        counted[kind] += 1
        connection.request("POST", "/v1/invalidations", path.read_bytes(),
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        code = json.loads(response.read()).get("code")
        malformed = response.status == 400 and code == "malformed_json"
        fits = {"n_": malformed, "y_": response.status in (202, 422),
                "i_": malformed or response.status in (202, 422)}[kind]
        if not fits:
            wrong.append((path.name, response.status, code))
    connection.close()
    assert not wrong
    assert counted["n_"] == 188 and counted["y_"] > 90
