#include "http/body.h"

#include <h2o.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/json.h"
#include "http/form.h"
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

/* A page of any web site can make its visitor's browser post a form anywhere, and only there the
 * browser says where it comes from. */
static enum pgw_err judge_form(struct pgw_exchange *x)
{
        const h2o_iovec_t entity = x->req->entity;

        if (pgw_exchange_header(x, PGW_STR("origin")).n)
                return PGW_E_ORIGIN;
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
        const char *wanted = h->takes_bytes ? NULL : pgw_operation_media_type(x->op);
        const struct pgw_str type = pgw_exchange_header(x, PGW_STR("content-type"));

        *ret = KIND_NONE;
        if (!wanted || x->is_purge)
                return PGW_OK;
        if (x->req->entity.len == 0 && !pgw_operation_body_required(x->op))
                return PGW_OK;
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
        const bool is_off = x->gone || pgw_aside_is_stopped(x->gateway->aside);
        const enum pgw_err err = is_off ? PGW_E_REDIS_CANCELLED : r->err;

        pgw_free(r->bytes);
        pgw_free(r);
        pgw_exchange_resume(x, sum_up(x, err));
}

static enum pgw_step read_aside(struct pgw_exchange *x, enum kind kind)
{
        static const struct pgw_aside_kind how = {begin_aside, run_aside, end_aside};
        struct reading *r = pgw_alloc(sizeof *r);

        r->x = x;
        r->kind = kind;
        pgw_aside_add(x->gateway->aside, &r->work, &how);
        return PGW_WAIT;
}

static struct pgw_str find_header(void *ctx, struct pgw_str name)
{
        return pgw_exchange_header(ctx, name);
}

static enum pgw_err read_params(struct pgw_exchange *x)
{
        const h2o_req_t *req = x->req;
        struct pgw_str query = {NULL, 0};

        if (req->query_at != SIZE_MAX)
                query = pgw_str_of(req->path.base + req->query_at + 1,
                                   req->path.len - req->query_at - 1);
        return pgw_operation_check_params(x->op, &x->path_params, query, find_header, x, &x->params,
                                          &x->violations);
}

enum pgw_step pgw_body_read(struct pgw_exchange *x)
{
        const struct pgw_str bytes = pgw_str_of(x->req->entity.base, x->req->entity.len);
        enum kind kind;

        x->err = read_params(x);
        enum pgw_err err = judge(x, &kind);
        if (!err && x->is_purge) {
                x->body =
                    pgw_form_of_surrogate_keys(pgw_exchange_header(x, PGW_STR("surrogate-key")));
                err = pgw_operation_check_body(x->op, x->body, &x->violations);
        } else if (!err && kind != KIND_NONE) {
                if (bytes.n >= PGW_BODY_LARGE)
                        return read_aside(x, kind);
                err = read_bytes(x, kind, bytes);
        }
        return sum_up(x, err) ? PGW_FAIL : PGW_NEXT;
}
