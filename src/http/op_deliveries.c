/* GET /v1/hooks/{hook}/deliveries: what became of the last ones, the newest first. The two streams
 * of the log are asked one after the other; what fits is written down as it comes, and told in
 * order. */
#include "base/alloc.h"
#include "base/codec.h"
#include "http/hook_judge.h"
#include "http/json_out.h"
#include "http/operations.h"

#define PGW_DELIVERIES_PAGE_DEFAULT 50
#define PGW_DELIVERIES_PAGE_MAX     100 /* the contract's */
#define PGW_DELIVERY_LINES_MAX      (4u << 20)

struct line {
        uint64_t at_ms;
        size_t start, size;
};

struct list {
        struct line lines[PGW_DELIVERIES_PAGE_MAX];
        size_t count;
};

struct page {
        struct pgw_exchange *x;
        struct pgw_str verdict, hook; /* kept with the exchange's parameters */
        uint64_t size;
        struct list of_signed, of_refused;
        struct pgw_buf text;
        enum pgw_err err;
};

static enum pgw_err add_text(struct pgw_buf *out, const char *head, struct pgw_str text)
{
        if (text.n == 0)
                return PGW_OK;
        enum pgw_err err = pgw_json_z(out, head);
        return err ? err : pgw_json_escape(out, text);
}

static enum pgw_err write_line(struct pgw_buf *out, const struct pgw_delivery *d)
{
        uint64_t secret;
        enum pgw_err err = pgw_json_time(out, "{\"at\":\"", d->at_ms);

        if (!err)
                err = add_text(out, ",\"verdict\":", d->verdict);
        if (!err)
                err = add_text(out, ",\"delivery_id\":", d->id);
        if (!err)
                err = add_text(out, ",\"job_id\":", d->job);
        if (!err)
                err = add_text(out, ",\"address\":", d->address);
        if (!err && pgw_str_to_u64(d->secret, PGW_HOOK_SECRETS_MAX, &secret) == PGW_OK)
                err = pgw_json_u64(out, ",\"secret\":", secret);
        if (!err)
                err = add_text(out, ",\"detail\":", d->detail);
        return err ? err : pgw_json_z(out, "}");
}

static void gather(struct page *p, const struct pgw_reply *reply, struct list *list)
{
        struct pgw_delivery delivery;

        for (size_t i = 0; pgw_reply_at(reply, i) && list->count < p->size && !p->err; i++) {
                if (!pgw_delivery_read(reply, i, &delivery) ||
                    (p->verdict.n && !pgw_str_eq(p->verdict, delivery.verdict)))
                        continue;
                struct line *line = &list->lines[list->count++];
                *line = (struct line){.at_ms = delivery.at_ms, .start = p->text.n};
                p->err = write_line(&p->text, &delivery);
                line->size = p->text.n - line->start;
        }
}

/* ---- the answer ---- */

static enum pgw_err write_page(struct page *p)
{
        struct pgw_buf *out = &p->x->out;
        enum pgw_err err = pgw_json_z(out, "{\"deliveries\":[");

        for (size_t s = 0, r = 0, n = 0; n < p->size && !err; n++) {
                const struct line *a = &p->of_signed.lines[s], *b = &p->of_refused.lines[r];
                const bool has_a = s < p->of_signed.count, has_b = r < p->of_refused.count;
                if (!has_a && !has_b)
                        break;
                const bool is_a = has_a && (!has_b || a->at_ms >= b->at_ms);
                const struct line *line = is_a ? a : b;
                s += is_a;
                r += !is_a;
                if (n > 0)
                        err = pgw_json_z(out, ",");
                if (!err)
                        err = pgw_buf_add(out, p->text.p + line->start, line->size);
        }
        return err ? err : pgw_json_z(out, "]}\n");
}

static void finish(struct page *p, enum pgw_err err)
{
        struct pgw_exchange *x = p->x;

        if (!err)
                err = p->err;
        if (!err && !x->gone)
                err = write_page(p);
        x->status = 200;
        x->content_type = "application/json";
        pgw_buf_fini(&p->text);
        pgw_free(p);
        pgw_exchange_resume(x, err);
}

static void on_refused(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct page *p = ctx;

        if (!err && !p->x->gone)
                gather(p, reply, &p->of_refused);
        finish(p, err);
}

static void on_signed(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct page *p = ctx;
        const struct pgw_gateway_links *links = &p->x->gateway->links;

        if (!err && !p->x->gone) {
                gather(p, reply, &p->of_signed);
                err =
                    pgw_delivery_ask(links->broker, links->keyspace, p->hook, false, on_refused, p);
                if (!err)
                        return;
        }
        finish(p, err);
}

enum pgw_step pgw_op_deliveries(struct pgw_exchange *x)
{
        const struct pgw_gateway_links *links = &x->gateway->links;
        const struct pgw_str hook = pgw_params_get(&x->params, "hook");

        if (!pgw_hooks_find(links->hooks, hook)) {
                x->err = PGW_E_NO_HOOK;
                return PGW_FAIL;
        }
        struct page *p = pgw_alloc(sizeof *p);
        p->x = x;
        p->hook = hook;
        p->verdict = pgw_params_get(&x->params, "verdict");
        p->size = PGW_DELIVERIES_PAGE_DEFAULT;
        (void)!pgw_params_get_u64(&x->params, "page_size", &p->size);
        if (p->size > PGW_DELIVERIES_PAGE_MAX)
                p->size = PGW_DELIVERIES_PAGE_MAX;
        pgw_buf_init(&p->text, PGW_DELIVERY_LINES_MAX);
        x->err = pgw_delivery_ask(links->broker, links->keyspace, hook, true, on_signed, p);
        if (!x->err)
                return PGW_WAIT;
        pgw_buf_fini(&p->text);
        pgw_free(p);
        return PGW_FAIL;
}
