/* Everything that is said to a client about success or failure is written here, in one
 * form each. */
#include "http/answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <h2o.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/metric.h"
#include "http/charge.h"
#include "http/front.h"

#define PGW_PROBLEM_BASE  "https://purgeway.dev/problems/"
#define PGW_PROBLEM_QUOTA "https://iana.org/assignments/http-problem-types#quota-exceeded"

static const struct {
        int status;
        const char *reason;
} reasons[] = {
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {403, "Forbidden"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Type Not Supported"},
    {503, "Service Unavailable"},
};

static const char *reason_of(int status)
{
        for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
                if (reasons[i].status == status)
                        return reasons[i].reason;
        return "Unknown";
}

void pgw_answer_count(int status)
{
        if (status >= 500)
                pgw_metric_add(PGW_M_HTTP_5XX, 1);
        else if (status >= 400)
                pgw_metric_add(PGW_M_HTTP_4XX, 1);
        else if (status >= 300)
                pgw_metric_add(PGW_M_HTTP_3XX, 1);
        else
                pgw_metric_add(PGW_M_HTTP_2XX, 1);
}

static enum pgw_err add_string(struct pgw_buf *out, const char *head, struct pgw_str value)
{
        enum pgw_err err = pgw_buf_add(out, head, strlen(head));

        return err ? err : pgw_json_escape(out, value);
}

static enum pgw_err add_violations(struct pgw_buf *out, const struct pgw_violations *v)
{
        const size_t count = pgw_violations_count(v);
        enum pgw_err err = pgw_buf_printf(out, ",\"errors\":[");

        for (size_t i = 0; i < count && !err; i++) {
                const struct pgw_violation *one = pgw_violations_at(v, i);
                err = add_string(out,
                                 i ? ",{\"pointer\":" : "{\"pointer\":", pgw_str_z(one->pointer));
                if (!err)
                        err = add_string(out, ",\"detail\":", pgw_str_z(one->detail));
                if (!err)
                        err = pgw_buf_add(out, "}", 1);
        }
        return err ? err : pgw_buf_add(out, "]", 1);
}

static enum pgw_err add_limits(const struct pgw_exchange *x, struct pgw_buf *out)
{
        enum pgw_err err = pgw_buf_add_str(out, PGW_STR(",\"violated-policies\":["));

        if (!err)
                err = pgw_charge_reached(x, out);
        return err ? err : pgw_buf_add_str(out, PGW_STR("]"));
}

static enum pgw_err add_code(struct pgw_buf *out, const char *slug)
{
        char code[64];

        snprintf(code, sizeof code, "%s", slug);
        for (char *c = code; *c; c++)
                if (*c == '-')
                        *c = '_';
        return pgw_buf_printf(out, ",\"code\":\"%s\"", code);
}

static const char *detail_of(const struct pgw_exchange *x, enum pgw_err refusal)
{
        if (x->fault.detail[0])
                return x->fault.detail;
        switch (refusal) {
        case PGW_E_SCHEMA:
                return "See `errors` for each place and what would be right.";
        case PGW_E_NO_ROUTE:
                return "The contract at /openapi.yaml lists every address.";
        case PGW_E_METHOD:
                return "The Allow header lists the methods of this address.";
        case PGW_E_KEY_REUSED:
                return "Give each request a key of its own, and repeat it as it was.";
        case PGW_E_CREDENTIALS:
                return "Send an API key as `Authorization: Bearer KEY` or `X-API-Key: KEY`.";
        case PGW_E_SCOPE:
        case PGW_E_COVER:
                return "Whoever runs this service says what a credential may do.";
        case PGW_E_SIGNATURE:
                return "The secret must be the same on both sides, and the clocks about right.";
        case PGW_E_NO_HOOK:
                return "Whoever runs this service says which webhooks there are.";
        case PGW_E_ANSWERS_FULL:
                return "Ask again after the time in Retry-After, or for less at a time.";
        case PGW_E_NO_JOB:
                return "No job has this id, or its result has expired.";
        default:
                return pgw_err_class(refusal) == PGW_CLASS_INPUT
                           ? "Correct the request and send it again."
                           : "Nothing was acknowledged. Send the request again after the time in "
                             "Retry-After; removing a key twice does no harm.";
        }
}

void pgw_answer_part(struct pgw_exchange *x, size_t done, const char *were)
{
        pgw_fault_set(
            &x->fault, "",
            "%zu %s before this happened, and some more may have been since. See how many "
            "are left, and ask for those.",
            done, were);
}

enum pgw_err pgw_answer_problem(struct pgw_buf *out, const struct pgw_exchange *x,
                                enum pgw_err refusal)
{
        const char *slug = pgw_err_slug(refusal);
        enum pgw_err err;

        /* Of the types that are registered there is one that says what we mean. */
        err = refusal == PGW_E_RATE
                  ? pgw_buf_printf(out, "{\"type\":\"" PGW_PROBLEM_QUOTA "\"")
                  : pgw_buf_printf(out, "{\"type\":\"" PGW_PROBLEM_BASE "%s\"", slug);
        if (!err)
                err = pgw_buf_printf(out, ",\"title\":\"%s\",\"status\":%d", pgw_err_title(refusal),
                                     pgw_err_status(refusal));
        if (!err)
                err = add_string(out, ",\"detail\":", pgw_str_z(detail_of(x, refusal)));
        if (!err)
                err = add_string(out, ",\"instance\":",
                                 x->req ? pgw_str_of(x->req->path.base, x->req->path.len)
                                        : x->target);
        if (!err)
                err = add_code(out, slug);
        if (!err)
                err = add_string(out, ",\"request_id\":", pgw_str_z(x->request_id));
        if (!err && (refusal == PGW_E_SCHEMA || pgw_violations_count(&x->violations)))
                err = add_violations(out, &x->violations);
        if (!err && refusal == PGW_E_RATE)
                err = add_limits(x, out);
        return err ? err : pgw_buf_add(out, "}", 1);
}

static enum pgw_err write_problem(struct pgw_exchange *x)
{
        /* What was to be said may have been large. */
        pgw_buf_clear_to(&x->out, PGW_ANSWER_LARGE);
        enum pgw_err err = pgw_answer_problem(&x->out, x, x->err);
        return err ? err : pgw_buf_add(&x->out, "\n", 1);
}

void pgw_answer_retry_after(struct pgw_exchange *x)
{
        char text[20];
        const size_t n = pgw_u64_text(x->retry_s ? x->retry_s : 1, text);

        pgw_exchange_add_header(x, PGW_STR("retry-after"),
                                pgw_exchange_keep(x, pgw_str_of(text, n)));
}

static void refuse(struct pgw_exchange *x)
{
        x->status = pgw_err_status(x->err);
        x->content_type = "application/problem+json";
        x->static_body = (struct pgw_str){NULL, 0};
        if (x->status == 503 || x->status == 429)
                pgw_answer_retry_after(x);
        if (x->err == PGW_E_METHOD)
                pgw_exchange_add_header(x, PGW_STR("allow"), x->allow);
        if (x->err == PGW_E_CREDENTIALS)
                pgw_exchange_add_header(x, PGW_STR("www-authenticate"), PGW_STR("Bearer"));
        if (x->err == PGW_E_SIGNATURE)
                pgw_exchange_add_header(x, PGW_STR("www-authenticate"), PGW_STR("Signature"));
        if (!pgw_exchange_has_said(x, PGW_STR("cache-control")))
                pgw_exchange_add_header(x, PGW_STR("cache-control"), PGW_STR("no-store"));
        if (write_problem(x))
                pgw_buf_clear(&x->out);
}

/* As h2o_send_inline() does, but without a copy that a client who does not read could multiply:
 * what is sent lives as long as the request. */
static void send_uncopied(h2o_req_t *req, struct pgw_str body)
{
        static h2o_generator_t generator = {NULL, NULL};
        const bool is_head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
        h2o_iovec_t buf = h2o_iovec_init(body.p, body.n);

        h2o_start_response(req, &generator);
        h2o_send(req, &buf, is_head ? 0 : 1, H2O_SEND_STATE_FINAL);
}

static bool only_reads(const h2o_req_t *req)
{
        return h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) ||
               h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
}

/* An answer lies in memory until its client has taken it, which may be never. One is always let
 * out, however large, and so is that to a request that has changed something: nobody must be told
 * that it was not done. */
static enum pgw_err count_answer(struct pgw_exchange *x)
{
        struct pgw_gateway *g = x->gateway;

        if (x->static_body.p || x->out.n < PGW_ANSWER_LARGE)
                return PGW_OK;
        if (g->answers && g->answers + x->out.n > g->conf.answers_max && only_reads(x->req))
                return PGW_E_ANSWERS_FULL;
        x->answer_bytes = x->out.n;
        g->answers += x->out.n;
        return PGW_OK;
}

enum pgw_err pgw_answer_late(struct pgw_buf *out, struct pgw_exchange *x)
{
        const int status = pgw_err_status(x->err);
        const char *hint = status == 503 ? "retry-after: 1\r\n" : "";
        char date[H2O_TIMESTR_RFC1123_LEN + 1];
        const time_t now = (time_t)(pgw_wall_ms() / 1000);
        struct tm utc;

        h2o_time2str_rfc1123(date, gmtime_r(&now, &utc));
        enum pgw_err err = write_problem(x);
        if (!err)
                err =
                    pgw_buf_printf(out,
                                   "HTTP/1.1 %d %s\r\ndate: %s\r\nconnection: close\r\n"
                                   "content-length: %zu\r\n"
                                   "content-type: application/problem+json\r\n"
                                   "cache-control: no-store\r\n%sx-request-id: %s\r\n\r\n",
                                   status, reason_of(status), date, x->out.n, hint, x->request_id);
        return err ? err : pgw_buf_add(out, x->out.p, x->out.n);
}

void pgw_answer_forget(struct pgw_exchange *x)
{
        x->gateway->answers -= x->answer_bytes;
        x->answer_bytes = 0;
}

/* Its head; gives its body. */
static struct pgw_str prepare(struct pgw_exchange *x)
{
        h2o_req_t *req = x->req;

        if (x->err)
                refuse(x);
        const struct pgw_str body = x->static_body.p ? x->static_body : pgw_buf_str(&x->out);

        req->res.status = x->status;
        req->res.reason = reason_of(x->status);
        /* Without a length an HTTP/1.1 answer would close the connection. */
        req->res.content_length = x->status == 304 ? SIZE_MAX : body.n;
        pgw_charge_tell(x);
        if (x->content_type)
                pgw_exchange_add_header(x, PGW_STR("content-type"), pgw_str_z(x->content_type));
        pgw_exchange_add_header(x, PGW_STR("x-request-id"),
                                pgw_exchange_keep(x, pgw_str_z(x->request_id)));
        return body;
}

struct pgw_str pgw_answer_instead(struct pgw_exchange *x)
{
        x->req->res.headers = (h2o_headers_t){NULL};
        return pgw_exchange_keep(x, prepare(x));
}

void pgw_answer(struct pgw_exchange *x)
{
        h2o_req_t *req = x->req;

        pgw_front_before_answer(req);
        if (!x->err)
                x->err = count_answer(x);
        const struct pgw_str body = prepare(x);
        if (x->status != 304 && (x->static_body.n || x->answer_bytes))
                send_uncopied(req, body);
        else
                h2o_send_inline(req, body.n ? body.p : "", x->status == 304 ? 0 : body.n);
}
