#include "http/body.h"

#include <h2o.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/metric.h"
#include "http/form.h"
#include "http/front.h"
#include "http/page.h"
#include "io/aside.h"

enum kind { KIND_NONE, KIND_JSON, KIND_FORM };

/* ---- what kind of body it is ---- */

/* "application/json; charset=utf-8" is application/json. */
static bool is_media_type(struct pgw_str header, const char *wanted)
{
        struct pgw_str type = header, parameters;

        (void)pgw_str_cut(header, ';', &type, &parameters);
        return pgw_str_eq_nocase(pgw_str_trim(type), pgw_str_z(wanted));
}

/* A form is for use by hand: none of a page is, not even of one of our own. */
static enum pgw_err judge_form(struct pgw_exchange *x)
{
        const h2o_iovec_t entity = x->req->entity;
        const enum pgw_err err = pgw_page_judge(x);

        if (err)
                return err;
        if (pgw_exchange_header(x, PGW_STR("origin")).n) {
                pgw_fault_set(&x->fault, "", "Forms are for use by hand: a page sends JSON.");
                return PGW_E_ORIGIN;
        }
        /* `curl -d` says form, whatever it sends. */
        if (entity.len && entity.base[0] == '{') {
                pgw_fault_set(&x->fault, "",
                              "This looks like JSON: send it as Content-Type: application/json "
                              "(curl --json).");
                return PGW_E_MEDIA_TYPE;
        }
        return PGW_OK;
}

static enum pgw_err judge(struct pgw_exchange *x, enum kind *ret)
{
        const struct pgw_gateway_handler *h = pgw_gateway_handler(x->op->handler);
        const char *wanted = pgw_operation_media_type(x->op);
        const struct pgw_str type = pgw_exchange_header(x, PGW_STR("content-type"));

        *ret = KIND_NONE;
        /* A delivery of a webhook is known by its signature. */
        if (h->takes_bytes)
                return PGW_OK;
        if (!wanted || x->is_purge ||
            (x->req->entity.len == 0 && !pgw_operation_body_required(x->op)))
                return pgw_page_judge(x);
        if (h->takes_forms && is_media_type(type, PGW_FORM_TYPE)) {
                *ret = KIND_FORM;
                return judge_form(x);
        }
        *ret = KIND_JSON;
        if (x->req->entity.len == 0 || is_media_type(type, wanted))
                return PGW_OK;
        pgw_fault_set(&x->fault, "", "send the body as Content-Type: %s", wanted);
        return PGW_E_MEDIA_TYPE;
}

/* ---- reading it ---- */

/* Touches of the exchange only what the room `read` writes: this may be another thread. */
static enum pgw_err read_bytes(struct pgw_exchange *x, enum kind kind, struct pgw_str bytes)
{
        enum pgw_err err = kind == KIND_FORM
                               ? pgw_form_read(bytes, &x->fault, &x->body)
                               : pgw_json_parse(bytes.p, bytes.n, &x->fault, &x->body);

        if (kind == KIND_JSON && err == PGW_E_SCHEMA) {
                pgw_violations_add(&x->violations, "#", "%s", x->fault.detail);
                x->fault.detail[0] = '\0';
        }
        return err ? err : pgw_operation_check_body(x->op, x->body, &x->violations);
}

/* Parameters and body are complained of together. */
static enum pgw_err sum_up(struct pgw_exchange *x, enum pgw_err err)
{
        if (err && (!x->err || x->err == PGW_E_SCHEMA))
                x->err = err;
        return x->err;
}

struct reading {
        struct pgw_aside_work work;
        struct pgw_exchange *x;
        enum kind kind;
        char *bytes;
        size_t size;
        enum pgw_err err;
};

static struct reading *reading_of(struct pgw_aside_work *work)
{
        return PGW_CONTAINER(work, struct reading, work);
}

/* Whoever has left wants nothing any more, and took the body along. */
static bool begin_aside(struct pgw_aside_work *work)
{
        struct reading *r = reading_of(work);

        if (r->x->gone)
                return false;
        r->size = r->x->req->entity.len;
        r->bytes = pgw_memdup(r->x->req->entity.base, r->size);
        return true;
}

static void run_aside(struct pgw_aside_work *work)
{
        struct reading *r = reading_of(work);

        r->err = read_bytes(r->x, r->kind, pgw_str_of(r->bytes, r->size));
        /* What was refused may be half a million values, and to free them takes as long. */
        if (r->err) {
                json_decref(r->x->body);
                r->x->body = NULL;
        }
}

static void end_aside(struct pgw_aside_work *work)
{
        struct reading *r = reading_of(work);
        struct pgw_exchange *x = r->x;
        const enum pgw_err err = pgw_exchange_end_aside(x) ? r->err : PGW_E_REDIS_CANCELLED;

        pgw_free(r->bytes);
        pgw_free(r);
        pgw_exchange_resume(x, sum_up(x, err));
}

static enum pgw_step read_aside(struct pgw_exchange *x, enum kind kind)
{
        static const struct pgw_aside_kind how = {begin_aside, run_aside, end_aside};
        struct reading *r = pgw_alloc(sizeof *r);

        pgw_metric_add(PGW_M_BODIES_ASIDE, 1);
        r->x = x;
        r->kind = kind;
        pgw_exchange_begin_aside(x, &r->work, &how, x->req->entity.len);
        return PGW_WAIT;
}

/* About how many there are, without reading it: what stands before or between them. */
static uint64_t count_values(enum kind kind, struct pgw_str bytes)
{
        uint64_t count = 1;
        bool is_string = false;

        for (size_t i = 0; i < bytes.n; i++) {
                const char c = bytes.p[i];
                if (kind == KIND_FORM)
                        count += c == '&';
                else if (c == '"')
                        is_string = !is_string;
                else if (is_string)
                        i += c == '\\';
                else
                        count += c == ',' || c == ':' || c == '[';
        }
        return count;
}

static bool is_dear(const struct pgw_exchange *x, enum kind kind, struct pgw_str bytes)
{
        return bytes.n >= PGW_BODY_LARGE || !pgw_front_may_read(x->req, count_values(kind, bytes));
}

/* Of these the contract says that what is not understood is ignored, and bytes that are no text are
 * not understood. */
static bool may_be_ignored(struct pgw_str name)
{
        static const char *const names[] = {"x-request-id", "prefer", "traceparent",
                                            "if-none-match"};

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                if (pgw_str_eq_z(name, names[i]))
                        return true;
        return false;
}

static struct pgw_str find_header(void *ctx, struct pgw_str name)
{
        return may_be_ignored(name) ? pgw_exchange_text_header(ctx, name)
                                    : pgw_exchange_header(ctx, name);
}

static enum pgw_err read_params(struct pgw_exchange *x)
{
        const h2o_req_t *req = x->req;
        struct pgw_str query = {NULL, 0};

        if (req->query_at != SIZE_MAX && !pgw_gateway_handler(x->op->handler)->ignores_query)
                query = pgw_str_of(req->path.base + req->query_at + 1,
                                   req->path.len - req->query_at - 1);
        return pgw_operation_check_params(x->op, &x->path_params, query, find_header, x, &x->params,
                                          &x->violations);
}

static enum pgw_err read_surrogate_keys(struct pgw_exchange *x)
{
        ssize_t at = PGW_HEADERS_BEGIN;
        enum pgw_err err = PGW_OK;
        struct pgw_str line;

        x->body = json_object();
        while (!err && pgw_exchange_next_header(x, PGW_STR("surrogate-key"), &at, &line))
                err = pgw_form_add_surrogate_keys(line, x->body, &x->violations);
        return err ? err : pgw_operation_check_body(x->op, x->body, &x->violations);
}

enum pgw_step pgw_body_read(struct pgw_exchange *x)
{
        const struct pgw_str bytes = pgw_str_of(x->req->entity.base, x->req->entity.len);
        enum kind kind;

        x->err = read_params(x);
        enum pgw_err err = judge(x, &kind);
        if (!err && x->is_purge) {
                err = read_surrogate_keys(x);
        } else if (!err && kind != KIND_NONE) {
                if (is_dear(x, kind, bytes))
                        return read_aside(x, kind);
                err = read_bytes(x, kind, bytes);
        }
        return sum_up(x, err) ? PGW_FAIL : PGW_NEXT;
}
