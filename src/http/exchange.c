/* The walk. It is the only place where the end of a request's work and the departure of
 * its client meet, so no handler has to think about either.
 *
 * An exchange outlives its request when the client leaves early: h2o frees the request's
 * pool, and the hook in it (on_request_gone) cuts the exchange off. Memory that handlers
 * need past that moment is the exchange's own.
 */
#include "http/exchange.h"

#include <inttypes.h>
#include <string.h>

#include <h2o.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/rand.h"
#include "http/answer.h"
#include "http/body.h"
#include "http/charge.h"
#include "http/front.h"
#include "http/identify.h"
#include "http/prefer.h"
#include "io/aside.h"

#define PGW_EXCHANGE_KEPT     1024
#define PGW_EXCHANGE_OUT_KEPT 4096
#define PGW_PURGE_PATH        "/v1/invalidations"

typedef enum pgw_step room_f(struct pgw_exchange *);

static room_f admit, identify, understand, act, answer, record;

enum { ROOM_ANSWER = 5 };
static const struct {
        const char *name;
        room_f *enter;
} rooms[] = {
    {"admit", admit}, {"identify", identify}, {"read", pgw_body_read}, {"understand", understand},
    {"act", act},     {"answer", answer},     {"record", record},
};

static void release(struct pgw_exchange *x)
{
        struct pgw_gateway *gateway = x->gateway;

        PGW_ASSERT(x->holds > 0);
        if (--x->holds > 0)
                return;
        json_decref(x->body);
        pgw_params_fini(&x->params);
        pgw_violations_fini(&x->violations);
        pgw_identities_drop(x->identities);
        pgw_answer_forget(x);
        pgw_buf_clear_to(&x->out, PGW_EXCHANGE_OUT_KEPT);
        x->magic = 0;
        gateway->exchanges--;
        if (gateway->unused.count < PGW_EXCHANGE_KEPT) {
                x->link = (struct pgw_link){NULL, NULL};
                pgw_list_append(&gateway->unused, &x->link);
        } else {
                pgw_buf_fini(&x->out);
                pgw_free(x);
        }
}

static void run(struct pgw_exchange *x)
{
        PGW_ASSERT(x->magic == PGW_EXCHANGE_MAGIC);
        PGW_ASSERT(!x->waiting);

        while (x->room < sizeof rooms / sizeof rooms[0]) {
                const unsigned here = x->room;

                switch (rooms[here].enter(x)) {
                case PGW_NEXT:
                        x->room = here + 1;
                        break;
                case PGW_WAIT:
                        x->waiting = true;
                        return;
                case PGW_FAIL:
                        PGW_ASSERT(x->err != PGW_OK);
                        PGW_ASSERT(here < ROOM_ANSWER);
                        x->room = ROOM_ANSWER;
                        break;
                }
        }
        release(x);
}

void pgw_exchange_resume(struct pgw_exchange *x, enum pgw_err err)
{
        PGW_ASSERT(x->magic == PGW_EXCHANGE_MAGIC);
        PGW_ASSERT(x->waiting);
        x->waiting = false;
        if (err == PGW_OK) {
                x->room++;
        } else {
                x->err = err;
                x->room = ROOM_ANSWER;
        }
        run(x);
}

void pgw_exchange_begin_aside(struct pgw_exchange *x, struct pgw_aside_work *work,
                              const struct pgw_aside_kind *kind, uint64_t bytes)
{
        pgw_front_request_extend(x->req, UINT64_MAX);
        pgw_aside_add(x->gateway->aside, work, kind, bytes);
}

bool pgw_exchange_end_aside(struct pgw_exchange *x)
{
        if (!x->gone)
                pgw_front_request_renew(x->req);
        return !x->gone && !pgw_aside_is_stopped(x->gateway->aside);
}

static void on_request_gone(void *ref)
{
        struct pgw_exchange *x = *(struct pgw_exchange **)ref;

        x->gone = true;
        x->req = NULL;
        release(x);
}

bool pgw_exchange_next_header(const struct pgw_exchange *x, struct pgw_str name, ssize_t *at,
                              struct pgw_str *ret)
{
        if (x->gone)
                return false;
        const ssize_t next = h2o_find_header_by_str(&x->req->headers, name.p, name.n, *at);
        if (next < 0)
                return false;
        const h2o_iovec_t value = x->req->headers.entries[next].value;
        *at = next;
        /* The space around it is no part of it (RFC 9110, 5.5), and the library leaves it. */
        *ret = pgw_str_trim(pgw_str_of(value.base, value.len));
        return true;
}

struct pgw_str pgw_exchange_header(const struct pgw_exchange *x, struct pgw_str name)
{
        struct pgw_str value = {NULL, 0};
        ssize_t at = PGW_HEADERS_BEGIN;

        (void)pgw_exchange_next_header(x, name, &at, &value);
        return value;
}

struct pgw_str pgw_exchange_text_header(const struct pgw_exchange *x, struct pgw_str name)
{
        const struct pgw_str value = pgw_exchange_header(x, name);

        return pgw_utf8_is_valid(value) ? value : (struct pgw_str){NULL, 0};
}

bool pgw_exchange_header_is_repeated(const struct pgw_exchange *x, struct pgw_str name)
{
        struct pgw_str value;
        ssize_t at = PGW_HEADERS_BEGIN;

        if (!pgw_exchange_next_header(x, name, &at, &value))
                return false;
        return pgw_exchange_next_header(x, name, &at, &value);
}

void pgw_exchange_add_header(struct pgw_exchange *x, struct pgw_str name, struct pgw_str value)
{
        if (!x->gone)
                h2o_add_header_by_str(&x->req->pool, &x->req->res.headers, name.p, name.n, 0, NULL,
                                      value.p, value.n);
}

bool pgw_exchange_has_said(const struct pgw_exchange *x, struct pgw_str name)
{
        return !x->gone && h2o_find_header_by_str(&x->req->res.headers, name.p, name.n, -1) != -1;
}

struct pgw_str pgw_exchange_keep(struct pgw_exchange *x, struct pgw_str s)
{
        PGW_ASSERT(!x->gone);
        const h2o_iovec_t copy = h2o_strdup(&x->req->pool, s.p, s.n);
        return pgw_str_of(copy.base, copy.len);
}

static bool is_request_id(struct pgw_str id)
{
        if (id.n == 0 || id.n > PGW_REQUEST_ID_MAX)
                return false;
        for (size_t i = 0; i < id.n; i++) {
                const char c = id.p[i];
                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-'))
                        return false;
        }
        return true;
}

/* The caller's own id is echoed, so that one id runs through all logs; a made one is told. */
static void identify_request(struct pgw_exchange *x)
{
        const struct pgw_str given = x->err == PGW_E_HTTP || x->gone
                                         ? PGW_STR("")
                                         : pgw_exchange_header(x, PGW_STR("x-request-id"));
        unsigned char bytes[12];

        if (given.p && is_request_id(given)) {
                memcpy(x->request_id, given.p, given.n);
                x->request_id[given.n] = '\0';
                x->request_id_given = true;
                return;
        }
        pgw_rand_bytes(bytes, sizeof bytes);
        pgw_hex(bytes, sizeof bytes, x->request_id);
        x->request_id[PGW_HEX_SIZE(sizeof bytes)] = '\0';
}

/* What no operation takes is work too, for whoever sent it. */
static enum pgw_err charge_misdirected(struct pgw_exchange *x, enum pgw_err refusal)
{
        enum pgw_err err = pgw_charge_first(x);

        if (!err)
                err =
                    pgw_charge_request(x, refusal == PGW_E_HTTP ? PGW_OK : pgw_identify_sender(x));
        return err == PGW_E_RATE ? err : refusal;
}

static enum pgw_step admit(struct pgw_exchange *x)
{
        const h2o_req_t *req = x->req;
        const struct pgw_str path =
            pgw_str_of(req->path.base, req->query_at == SIZE_MAX ? req->path.len : req->query_at);
        const struct pgw_str method = pgw_str_of(req->method.base, req->method.len);

        /* What caches in front of web servers know: the address says nothing more. */
        x->is_purge = pgw_str_eq_z(method, "PURGE") &&
                      (pgw_str_eq_z(path, "/") || pgw_str_eq_z(path, PGW_PURGE_PATH));
        x->err = pgw_contract_find(
            x->gateway->links.contract, x->is_purge ? PGW_STR("POST") : method,
            x->is_purge ? PGW_STR(PGW_PURGE_PATH) : path, &x->path_params, &x->op, &x->allow);
        if (!x->err)
                return PGW_NEXT;
        x->err = charge_misdirected(x, x->err);
        return PGW_FAIL;
}

static enum pgw_step identify(struct pgw_exchange *x)
{
        x->err = pgw_charge_first(x);
        if (!x->err)
                x->err = pgw_charge_request(x, pgw_identify(x));
        return x->err ? PGW_FAIL : PGW_NEXT;
}

/* The first that says how long counts, in whichever line it stands (RFC 7240, section 2). */
static void understand_prefer(struct pgw_exchange *x)
{
        ssize_t at = PGW_HEADERS_BEGIN;
        struct pgw_str line;

        while (!x->wait_preferred && pgw_exchange_next_header(x, PGW_STR("prefer"), &at, &line))
                x->wait_preferred = pgw_prefer_wait(line, PGW_WAIT_MAX_S, &x->wait_s) == PGW_OK;
}

static enum pgw_step understand(struct pgw_exchange *x)
{
        const struct pgw_gateway_handler *h = pgw_gateway_handler(x->op->handler);

        understand_prefer(x);
        return h->understand ? h->understand(x) : PGW_NEXT;
}

static enum pgw_step act(struct pgw_exchange *x)
{
        return pgw_gateway_handler(x->op->handler)->act(x);
}

static enum pgw_step answer(struct pgw_exchange *x)
{
        if (!x->gone)
                pgw_answer(x);
        return PGW_NEXT;
}

static enum pgw_step record(struct pgw_exchange *x)
{
        const uint64_t took_us = pgw_mono_us() - x->begun_us;

        pgw_answer_count(x->status);
        pgw_identify_count(x->err);
        pgw_refusals_note(&x->gateway->refusals, x, x->err);
        pgw_metric_observe_us(PGW_H_HTTP_REQUEST, took_us);
        if (x->gateway->conf.log_requests)
                PGW_LOG(PGW_LOG_INFO, "http.request", PGW_L_STR("id", x->request_id),
                        PGW_L_STR("operation", x->op ? x->op->id : "none"),
                        PGW_L_STR("identity", x->who ? x->who->name : ""),
                        PGW_L_INT("status", x->status), PGW_L_INT("us", (int64_t)took_us),
                        PGW_L_STR("error", x->err ? pgw_err_slug(x->err) : ""));
        return PGW_NEXT;
}

static struct pgw_exchange *exchange_new(struct pgw_gateway *gateway)
{
        struct pgw_link *link = pgw_list_first(&gateway->unused);

        if (!link) {
                struct pgw_exchange *x = pgw_alloc(sizeof *x);
                pgw_buf_init(&x->out, PGW_ANSWER_BODY_MAX);
                return x;
        }
        pgw_list_remove(&gateway->unused, link);
        struct pgw_exchange *x = PGW_CONTAINER(link, struct pgw_exchange, link);
        const struct pgw_buf out = x->out;
        memset(x, 0, sizeof *x);
        x->out = out;
        return x;
}

/* Without a request its client counts as gone. */
static struct pgw_exchange *begin_one(struct pgw_gateway *gateway, h2o_req_t *req, enum pgw_err err)
{
        struct pgw_exchange *x = exchange_new(gateway);

        x->magic = PGW_EXCHANGE_MAGIC;
        x->gateway = gateway;
        x->req = req;
        x->gone = !req;
        x->holds = 1;
        x->begun_us = pgw_mono_us();
        gateway->exchanges++;
        x->err = err;
        identify_request(x);
        return x;
}

static struct pgw_exchange *begin(struct pgw_gateway *gateway, h2o_req_t *req, enum pgw_err err,
                                  const char *detail)
{
        struct pgw_exchange *x = begin_one(gateway, req, err);

        if (err) {
                pgw_fault_set(&x->fault, "", "%s", detail);
                x->err = charge_misdirected(x, err);
                x->room = ROOM_ANSWER;
        }
        return x;
}

int pgw_exchange_on_request(void *ctx, h2o_req_t *req, enum pgw_err err, const char *detail)
{
        struct pgw_exchange **ref =
            h2o_mem_alloc_shared(&req->pool, sizeof(struct pgw_exchange *), on_request_gone);
        struct pgw_exchange *x = begin(ctx, req, err, detail);

        *ref = x;
        x->holds++;
        run(x);
        return 0;
}

struct pgw_str pgw_exchange_on_refusal(void *ctx, h2o_req_t *req, enum pgw_err err,
                                       const char *detail)
{
        struct pgw_exchange *x = begin(ctx, req, err, detail);
        const struct pgw_str body = pgw_answer_instead(x);

        (void)record(x);
        release(x);
        return body;
}

enum pgw_err pgw_exchange_on_late(void *ctx, enum pgw_err why, struct pgw_str target,
                                  uint64_t request_ms, struct pgw_buf *out)
{
        struct pgw_exchange *x = begin_one(ctx, NULL, why);

        x->target = target;
        if (why == PGW_E_LATE)
                pgw_fault_set(&x->fault, "",
                              "All of it must be there within %" PRIu64 " ms (limits.request_ms).",
                              request_ms);
        const enum pgw_err err = pgw_answer_late(out, x);

        x->status = pgw_err_status(x->err);
        (void)record(x);
        release(x);
        return err;
}
