"""What operators see: health, metrics, logs."""
import json
import re
import shutil
import subprocess

import pytest

from checks import TIME, is_accepted, is_problem
from support.client import metrics_of
from support.processes import eventually
from support.servers import Purgeway, Redis


def samples(server):
    answer = server.api.get("/metrics")
    assert answer.status == 200 and answer.content_type == "text/plain"
    return metrics_of(answer.body.decode())


def total(values, name, **labels):
    """The sum over all samples of this name that have these labels."""
    return sum(value for (found, has), value in values.items()
               if found == name and set(labels.items()) <= has)


# ---- health ------------------------------------------------------------------------------


def test_livez_and_healthz(api):
    assert api.get("/livez").json["status"] == "alive"
    assert api.get("/healthz").status == 200
    assert api.get("/livez").headers["cache-control"] == "no-store"


def test_readyz_names_each_check(api):
    answer = api.get("/readyz?verbose")
    assert answer.status == 200 and answer.json["status"] == "ready"
    checks = {check["name"]: check for check in answer.json["checks"]}
    assert {"broker", "durability", "results", "target"} <= set(checks)
    assert {check["status"] for check in checks.values()} == {"pass"}
    assert "checks" not in api.get("/readyz").json
    assert "checks" in api.get("/readyz?verbose=true").json
    assert "checks" not in api.get("/readyz?verbose=false").json


def test_readyz_names_what_failed(make):
    broker, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                  target_timeout_ms=300)
    target.kill9()
    eventually(lambda: server.api.get("/readyz").status == 503)
    checks = {check["name"]: check["status"]
              for check in server.api.get("/readyz?verbose").json["checks"]}
    assert checks["target"] == "fail" and checks["broker"] == "pass"
    assert server.api.get("/livez").status == 200
    # The queue takes what it can keep, whatever becomes of the target.
    is_accepted(server.api.purge("a"))
    target.start()
    eventually(server.is_ready)


# ---- metrics -----------------------------------------------------------------------------


def test_metrics_are_well_formed(api):
    text = api.get("/metrics").body.decode()
    assert text.endswith("\n")
    typed, current = {}, None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert current not in typed, f"{current} twice"
            typed[current] = kind
        elif not line.startswith("#"):
            name = re.match(r"[\w:]+", line)[0]
            family = re.sub(r"_(bucket|sum|count)$", "", name) if typed[current] == "histogram" \
                else name
            assert family == current, f"{name} stands under {current}"
            if typed[current] == "counter":
                assert name.endswith("_total")
    values = metrics_of(text)
    for family in (name for name, kind in typed.items() if kind == "histogram"):
        by_labels = {}
        for (name, labels), value in values.items():
            if name == family + "_bucket":
                bound = float(dict(labels)["le"].replace("+Inf", "inf"))
                rest = frozenset((k, v) for k, v in labels if k != "le")
                by_labels.setdefault(rest, []).append((bound, value))
        assert by_labels, family
        for labels, buckets in by_labels.items():
            counts = [count for _, count in sorted(buckets)]
            assert counts == sorted(counts), family
            assert max(buckets)[0] == float("inf")
            assert values[family + "_count", labels] == counts[-1]


@pytest.mark.parametrize("family", [
    "purgeway_jobs_accepted_total", "purgeway_jobs_refused_total", "purgeway_jobs_finished_total",
    "purgeway_keys_total", "purgeway_accept_duration_seconds", "purgeway_accept_to_start_seconds",
    "purgeway_execution_duration_seconds", "purgeway_queue_waiting_jobs",
    "purgeway_queue_running_jobs", "purgeway_queue_oldest_age_seconds", "purgeway_target_errors_total",
    "purgeway_redis_round_trip_seconds", "purgeway_workers_alive", "purgeway_loop_lag_seconds",
    "purgeway_http_responses_total", "purgeway_connections_open", "celery_task_queue_length",
    "invalidation_batch_duration_seconds"])
def test_metric_is_there(api, family):
    text = api.get("/metrics").body.decode()
    assert re.search(rf"^# HELP {family} \S", text, re.MULTILINE)
    assert re.search(rf"^# TYPE {family} (counter|gauge|histogram)$", text, re.MULTILINE)
    assert re.search(rf"^{family}(_count|_total)?[{{ ]", text, re.MULTILINE)


def test_metrics_move(beside):
    server, redis = beside()
    before = samples(server)
    redis.client().mset({f"k{i}": 1 for i in range(10)})
    for i in range(10):
        assert server.api.purge(f"k{i}", f"absent{i}", prefer="wait=10").status == 200
    server.api.get("/v1/nowhere")
    after = samples(server)

    def moved(name, **labels):
        return total(after, name, **labels) - total(before, name, **labels)
    assert moved("purgeway_jobs_accepted_total") == 10
    assert moved("purgeway_jobs_finished_total", status="succeeded") == 10
    assert moved("purgeway_keys_total", result="removed") == 10
    assert moved("purgeway_keys_total", result="missing") == 10
    assert moved("purgeway_accept_duration_seconds_count") == 10
    assert moved("purgeway_accept_to_start_seconds_count") == 10
    assert moved("purgeway_execution_duration_seconds_count") == 10
    assert moved("purgeway_http_responses_total", **{"class": "2xx"}) >= 10
    assert moved("purgeway_http_responses_total", **{"class": "4xx"}) == 1
    assert moved("purgeway_redis_round_trip_seconds_count", role="broker") > 0
    assert moved("purgeway_redis_round_trip_seconds_count", role="target") >= 20
    assert total(after, "purgeway_workers_alive") == 2
    eventually(lambda: total(samples(server), "purgeway_loop_lag_seconds_count")
               > total(before, "purgeway_loop_lag_seconds_count"))


def test_refusals_and_errors_are_counted(beside):
    server, redis = beside("gateway", broker_timeout_ms=1000)
    redis.client().config_set("maxmemory", 1)
    assert server.api.purge("a").status == 503
    redis.client().config_set("maxmemory", 0)
    assert total(samples(server), "purgeway_jobs_refused_total") == 1
    redis.pause()
    assert server.api.purge("a").status == 503
    redis.resume()
    assert total(samples(server), "purgeway_jobs_refused_total") == 2
    assert total(samples(server), "purgeway_jobs_accepted_total") == 0


def test_queue_depth_and_age_are_measured(beside):
    server, _ = beside("gateway")
    for i in range(7):
        is_accepted(server.api.purge(f"k{i}", priority="normal"))
    eventually(lambda: total(samples(server), "purgeway_queue_waiting_jobs") == 7)
    eventually(lambda: total(samples(server), "purgeway_queue_oldest_age_seconds") >= 1)


def test_what_nobody_knows_any_more_is_not_shown(make):
    """A broker that is away: neither frozen numbers nor invented ones."""
    redis = make(Redis)
    server = make(Purgeway, "gateway", broker_url=redis.url(), broker_timeout_ms=1000)
    for i in range(3):
        is_accepted(server.api.purge(f"k{i}"))
    eventually(lambda: server.api.get("/v1/queues").json["queues"][0]["depth"] == 3)
    redis.kill9()
    eventually(lambda: server.api.get("/v1/queues").status == 503)
    gauges = {"purgeway_queue_waiting_jobs", "purgeway_queue_running_jobs", "celery_task_queue_length",
              "purgeway_queue_oldest_age_seconds", "purgeway_queue_bytes", "purgeway_dead_letters"}

    def shown():
        return {name for name, _ in samples(server)} & gauges
    eventually(lambda: not shown(), what="the end of the numbers")
    is_problem(server.api.get("/v1/queues"), 503)
    never = make(Purgeway, "gateway", broker_url=f"unix://{redis.directory}/none", wait=False)
    eventually(lambda: never.api.get("/livez").status == 200)
    is_problem(never.api.get("/v1/queues"), 503)
    assert not {name for name, _ in samples(never)} & gauges


def test_drain_is_shown_when_nothing_ends(beside):
    server, _ = beside()
    eventually(lambda: total(samples(server), "purgeway_queue_ended_jobs_per_second") == 0
               and "purgeway_queue_ended_jobs_per_second 0.000" in server.api.get("/metrics").body.decode())


def test_no_label_ever_comes_from_a_caller(api):
    api.purge("very-secret-key", reason="very-secret-reason")
    assert b"very-secret" not in api.get("/metrics").body


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool")
def test_promtool_likes_the_metrics(api):
    done = subprocess.run(["promtool", "check", "metrics"], input=api.get("/metrics").body,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- logs --------------------------------------------------------------------------------


def test_every_line_is_one_json_object(beside):
    server, redis = beside("serve", log_level="debug", log_access=True)
    server.api.purge("a", prefer="wait=10")
    server.api.get("/v1/nowhere")
    redis.kill9()
    eventually(lambda: server.api.purge("a").status == 503)
    redis.start()
    eventually(server.is_ready)
    server.sigterm()
    lines = server.errors().splitlines()
    assert len(lines) > 5
    for line in lines:
        event = json.loads(line)
        assert TIME.fullmatch(event["ts"])
        assert event["level"] in ("debug", "info", "warn", "error")
        assert re.fullmatch(r"[a-z0-9_.]+", event["event"])
    assert server.log_contains("redis.lost") and server.log_contains("redis.ready")


def test_access_log_is_off_unless_asked_for(beside):
    server, _ = beside("gateway")
    is_accepted(server.api.purge("a"))
    assert not server.log_contains("http.request")


def test_access_log_names_the_request(beside):
    server, _ = beside("gateway", log_access=True)
    server.api.purge("a", headers={"X-Request-Id": "find-me"})
    line = eventually(lambda: server.log_contains("http.request", "find-me"))
    event = json.loads(line)
    assert event["status"] == 202 and event["operation"] == "create_invalidation"


def test_what_comes_from_outside_is_escaped_in_the_log(make):
    """An error that quotes a caller's bytes must stay one line, whatever the bytes are."""
    broker, target = make(Redis), make(Redis)
    server = make(Purgeway, "serve", broker_url=broker.url(), target_url=target.url(),
                  log_level="debug", log_access=True)
    target.client().execute_command("ACL", "SETUSER", "default", "resetkeys", "~allowed:*")
    key = b'x"}\n{"level":"error","event":"forged"}\r\n\x00\xff\x1b[31m'
    answer = server.api.purge(key, reason='r"}\n{"event":"forged"}', prefer="wait=10")
    assert answer.json["status"] == "failed"
    server.api.get('/v1/jobs/%0a{"event":"forged"}')
    for line in server.errors().splitlines():
        assert json.loads(line)["event"] != "forged"
    assert "\x1b" not in server.errors()
