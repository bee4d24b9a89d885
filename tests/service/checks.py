"""What every answer of a kind must look like, whoever asked for it."""
import re

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
STATUSES = ("scheduled", "queued", "running", "retrying", "succeeded", "failed", "dead",
            "cancelled")
JOB_MEMBERS = {"job_id", "status", "priority", "accepted_at", "started_at", "finished_at",
               "attempts", "scheduled_for", "next_attempt_at", "progress", "result", "sample", "rebounds_at",
               "error"}


def is_job(job):
    """The shape that a Job has in every state."""
    assert set(job) <= JOB_MEMBERS, job
    assert {"job_id", "status", "priority", "accepted_at", "attempts"} <= set(job), job
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,64}", job["job_id"]), job
    assert job["status"] in STATUSES, job
    assert job["priority"] in ("high", "normal", "low"), job
    assert isinstance(job["attempts"], int), job
    for name in ("accepted_at", "started_at", "finished_at"):
        assert name not in job or TIME.fullmatch(job[name]), job
    return job


def is_accepted(answer):
    """202 for a job that is kept; gives the job."""
    assert answer.status == 202, (answer.status, answer.body)
    assert answer.content_type == "application/json"
    job = is_job(answer.json)
    assert answer.headers["location"] == f"/v1/jobs/{job['job_id']}"
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-request-id"]
    return job


def is_problem(answer, status, code=None):
    """An RFC 9457 answer; gives its members."""
    assert answer.status == status, (answer.status, answer.body)
    assert answer.content_type == "application/problem+json", answer.headers.items()
    problem = answer.json
    wanted = {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert wanted <= set(problem) <= wanted | {"errors", "violated-policies"}, problem
    assert problem["status"] == status
    assert re.fullmatch(r"[a-z0-9_]+", problem["code"]), problem
    assert problem["type"] == (
        "https://iana.org/assignments/http-problem-types#quota-exceeded" if status == 429 else
        "https://purgeway.dev/problems/" + problem["code"].replace("_", "-"))
    assert ("violated-policies" in problem) == (status == 429), problem
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["title"] and problem["detail"]
    for error in problem.get("errors", []):
        assert set(error) == {"pointer", "detail"} and error["detail"], error
        assert error["pointer"] == "#" or error["pointer"].startswith("#/") or \
            re.fullmatch(r"[a-z]+[:=/ ].*|[\w-]+", error["pointer"]), error
    if code:
        assert problem["code"] == code, problem
    return problem


def pointers(problem):
    return {error["pointer"] for error in problem["errors"]}


def is_limited(answer, policy):
    """429 that names the limit and says when to come back; gives the seconds."""
    problem = is_problem(answer, 429, "rate_limited")
    assert problem["violated-policies"] == [policy], problem
    wait_s = int(answer.headers["retry-after"])
    assert wait_s >= 1 and f"{wait_s} s" in problem["detail"], problem
    return wait_s


def is_unavailable(answer, code=None):
    """503 that says when to come back."""
    problem = is_problem(answer, 503, code)
    assert int(answer.headers["retry-after"]) >= 1
    return problem
