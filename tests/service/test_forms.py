"""Requests of those who have no JSON at hand: curl -d, and PURGE with Surrogate-Key."""
import shutil
import subprocess

import pytest

from checks import is_accepted, is_problem, pointers

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def post(api, form, **headers):
    return api.request("POST", "/v1/invalidations", form,
                       {**FORM, **{name.replace("_", "-"): value for name, value in headers.items()}})


def removed(api, answer):
    return api.finished(is_accepted(answer)["job_id"])["result"]["removed"]


def test_form_with_keys(api, cache, unique):
    keys = [unique() for _ in range(3)] + [unique() + " a+b&c=%", unique() + "\u00e4"]
    cache.mset({key: 1 for key in keys})
    binary = unique().encode() + b"\xff\0"
    cache.set(binary, 1)
    plain = "&".join("key=" + key for key in keys[:3])
    special = "&key=" + keys[3].replace("%", "%25").replace("+", "%2B").replace(
        "&", "%26").replace(" ", "+") + "&key=" + keys[4].replace("\u00e4", "%C3%a4")
    raw = "&key=" + "".join(f"%{byte:02x}" for byte in binary)
    answer = post(api, plain + special + raw + "&priority=low&reason=by+hand&&")
    assert is_accepted(answer)["priority"] == "low"
    assert removed(api, answer) == 6
    assert cache.exists(*keys, binary) == 0


def test_form_with_tags_and_patterns(api, cache, unique):
    stem = unique()
    cache.mset({f"{stem}:{i}": 1 for i in range(4)})
    cache.set(f"tagged{stem}", 1)
    cache.sadd(f"purgeway:tag:{{{stem}}}", f"tagged{stem}")
    answer = post(api, f"pattern={stem}:*&tag={stem}&rebounds_ms=")
    assert removed(api, answer) == 5


@pytest.mark.parametrize("form, where", [
    ("", "#"), ("key=", "#/keys/0"), ("kye=a", "#"), ("key=a&priority=urgent", "#/priority"),
    ("key=a&rebounds_ms=5,x", "#/rebounds_ms/1"), ("key=a&rebounds_ms=3,2", "#/rebounds_ms/1"),
    ("keys=a", "#/keys"), ("key=purgeway:x", "#/keys/0")])
def test_form_is_held_against_the_contract(api, form, where):
    assert where in {p.split("/kye")[0] for p in pointers(is_problem(post(api, form), 422))}


@pytest.mark.parametrize("form", ["key=%", "key=%4", "key=%zz", "%=a", "reason=%ff&key=a",
                                  "reason=a&reason=b&key=a", "pattern=abc%ff*"])
def test_form_that_is_none(api, form):
    is_problem(post(api, form), 400, "malformed_form")


def test_form_of_a_web_page_is_refused(api):
    is_problem(post(api, "key=a", Origin="https://example.org"), 403, "forms_of_pages_refused")
    is_problem(post(api, "key=a", Origin="null"), 403)


def test_form_is_taken_where_it_makes_sense_only(api):
    answer = api.request("POST", "/v1/taggings", "tag=a&key=b", FORM)
    is_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/", "/v1/invalidations"])
def test_purge_by_surrogate_keys(api, cache, unique, path):
    tags = [unique(), unique()]
    for tag in tags:
        cache.sadd(f"purgeway:tag:{{{tag}}}", f"{tag}:key")
        cache.set(f"{tag}:key", 1)
    answer = api.request("PURGE", path, None, {"Surrogate-Key": f" {tags[0]}  {tags[1]} ",
                                               "Prefer": "wait=10"})
    assert answer.status == 200 and answer.json["result"]["removed"] == 2


def test_purge_reads_every_line(api, cache, unique):
    tags = [unique() for _ in range(3)]
    for tag in tags:
        cache.sadd(f"purgeway:tag:{{{tag}}}", f"{tag}:key")
        cache.set(f"{tag}:key", 1)
    answer = api.lines("PURGE", "/", ("Surrogate-Key", f"{tags[0]} {tags[1]}"), ("Prefer", "wait=10"),
                       ("surrogate-key", tags[2]))
    assert answer.status == 200 and answer.json["result"]["removed"] == 3


def test_purge_leaves_no_name_out(api):
    """\xe9 is no UTF-8, so the name cannot be a tag; the other one alone is not what was meant."""
    answer = api.request("PURGE", "/", None, {"Surrogate-Key": "menu caf\xe9"})
    assert pointers(is_problem(answer, 422)) == {"#/header/Surrogate-Key"}
    assert "name 1 " in answer.json["errors"][0]["detail"]
    is_accepted(api.request("PURGE", "/", None, {"Surrogate-Key": "menu caf\xc3\xa9"}))


def test_purge_that_names_nothing(api):
    assert pointers(is_problem(api.request("PURGE", "/"), 422)) == {"#"}
    is_problem(api.request("PURGE", "/", None, {"Surrogate-Key": "t" * 65}), 422)
    is_problem(api.request("PURGE", "/somewhere"), 404)


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl_as_people_type_it(purgeway, cache, unique):
    key = unique()
    cache.set(key, 1)
    done = subprocess.run(["curl", "-sS", "-d", f"key={key}", "-H", "Prefer: wait=10",
                           f"{purgeway.url}/v1/invalidations"], capture_output=True, timeout=60,
                          check=True)
    assert b'"removed":1' in done.stdout
    done = subprocess.run(["curl", "-sS", "-X", "PURGE", "-H", f"Surrogate-Key: {key}",
                           f"{purgeway.url}/"], capture_output=True, timeout=60, check=True)
    assert b'"status":"queued"' in done.stdout


def test_numbers_and_truths_of_a_form(api, cache, unique):
    key = unique()
    cache.set(key, 1)

    def ask(form):
        return api.request("POST", "/v1/invalidations", form.encode(),
                           {"Content-Type": "application/x-www-form-urlencoded"})
    job = is_accepted(ask(f"key={key}&dry_run=true&target=default"))
    assert api.finished(job["job_id"])["result"]["matched"] == 1
    assert is_accepted(ask(f"key={key}&delay_ms=60000"))["status"] == "scheduled"
    job = is_accepted(ask(f"key={key}&mode=soft&soft_ttl_ms=5000&dry_run=false"))
    assert api.finished(job["job_id"])["result"]["removed"] == 1
    assert 0 < cache.pttl(key) <= 5000
    assert ask(f"key={key}&delay_ms=soon").status == 422
    assert ask(f"key={key}&dry_run=perhaps").status == 422


def test_field_that_stands_there_once_stands_there_once(api):
    for twice in ("rebounds_ms=1000&rebounds_ms=2000", "rebounds_ms=&rebounds_ms=", "mode=soft&mode=soft"):
        problem = is_problem(post(api, f"key=a&{twice}"), 400, "malformed_form")
        assert "twice" in problem["detail"]
