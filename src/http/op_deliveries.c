/* GET /v1/hooks/{hook}/deliveries: what became of deliveries, the newest first, by page.
 *
 * The log of a hook is two streams, which are told as one: ordered by their ids, and of the same id
 * the signed one first. The stream of what was not signed is short, so the lines of it that may
 * come are there before the other one is gone through, portion by portion. A page ends after as
 * many as were asked for, or after as many as are looked at in one request: then it may be shorter,
 * even empty, and says where to go on.
 */
#include "base/alloc.h"
#include "base/codec.h"
#include "http/hook_judge.h"
#include "http/json_out.h"
#include "http/operations.h"

#define PGW_DELIVERIES_PAGE_DEFAULT 50
#define PGW_DELIVERIES_PAGE_MAX     100 /* the contract's */
#define PGW_DELIVERIES_LOOKED_AT    10000
#define PGW_DELIVERY_LINES_MAX      (4u << 20)

/* Redis numbers the lines of a millisecond; ours fit 48 and 32 bits. */
#define MS_MAX     ((UINT64_C(1) << 48) - 1)
#define SEQ_MAX    UINT32_MAX
#define TOKEN_SIZE (PGW_ENTRY_ID_SIZE + 1)

/* Where a page ends, in the order of both streams. */
struct place {
        struct pgw_entry_id id;
        bool is_refused; /* the line lies in that stream */
};

struct line {
        struct pgw_entry_id id;
        size_t start, size; /* in `text` */
};

struct page {
        struct pgw_exchange *x;
        struct pgw_str verdict, hook; /* kept with the exchange's parameters */
        uint64_t size, shown;
        size_t left, asked; /* to be looked at, and asked for, of those that are signed */
        struct pgw_entry_id from, from_refused;
        struct line refused[PGW_DELIVERIES_PAGE_MAX];
        size_t refused_count, refused_shown;
        struct pgw_buf text; /* of the lines of `refused` */
        struct place place;  /* up to here all is told */
        enum pgw_err err;
};

static bool is_later(struct pgw_entry_id a, struct pgw_entry_id b)
{
        return a.ms > b.ms || (a.ms == b.ms && a.seq > b.seq);
}

static struct pgw_entry_id before(struct pgw_entry_id id)
{
        if (id.seq > 0)
                return (struct pgw_entry_id){id.ms, id.seq - 1};
        return (struct pgw_entry_id){id.ms - (id.ms > 0), id.ms > 0 ? SEQ_MAX : 0};
}

/* ---- a line ---- */

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
        enum pgw_err err = pgw_json_time(out, "{\"at\":\"", d->place.ms);

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

static bool fits(const struct page *p, const struct pgw_delivery *d)
{
        return p->verdict.n == 0 || pgw_str_eq(p->verdict, d->verdict);
}

/* ---- the answer ---- */

/* The id, and "r" behind it when it lies in the stream of what was refused. */
static size_t write_token(const struct place *place, char out[TOKEN_SIZE])
{
        const size_t n = pgw_entry_id_text(place->id, out);

        out[n] = 'r';
        return n + place->is_refused;
}

static enum pgw_err read_token(struct page *p)
{
        struct pgw_exchange *x = p->x;
        struct pgw_str token = pgw_params_get(&x->params, "page_token");
        struct pgw_entry_id id;

        p->from = p->from_refused = (struct pgw_entry_id){MS_MAX, SEQ_MAX};
        if (token.n == 0)
                return PGW_OK;
        const bool is_refused = token.p[token.n - 1] == 'r';
        token.n -= is_refused;
        if (pgw_entry_id_parse(token, &id)) {
                pgw_violations_add(&x->violations, "#/query/page_token",
                                   "must be the `next_page_token` of the page before");
                return PGW_E_SCHEMA;
        }
        p->from = before(id);
        p->from_refused = is_refused ? p->from : id;
        return PGW_OK;
}

static void finish(struct page *p, enum pgw_err err, bool has_more)
{
        struct pgw_exchange *x = p->x;
        char token[TOKEN_SIZE];

        if (!err)
                err = p->err;
        if (!err && !x->gone)
                err = pgw_json_z(&x->out, "]");
        if (!err && !x->gone && has_more)
                err = pgw_buf_printf(&x->out, ",\"next_page_token\":\"%.*s\"",
                                     (int)write_token(&p->place, token), token);
        if (!err && !x->gone)
                err = pgw_json_z(&x->out, "}\n");
        x->status = 200;
        x->content_type = "application/json";
        pgw_buf_fini(&p->text);
        pgw_free(p);
        pgw_exchange_resume(x, err);
}

/* False when there were enough. */
static bool show(struct page *p, struct place place, enum pgw_err err)
{
        p->err = err;
        p->place = place;
        p->shown++;
        return !err && p->shown < p->size;
}

static enum pgw_err separate(struct page *p)
{
        return p->shown ? pgw_json_z(&p->x->out, ",") : PGW_OK;
}

/* Those that lie later than `id`. False when there were enough. */
static bool show_refused(struct page *p, struct pgw_entry_id id)
{
        while (p->refused_shown < p->refused_count &&
               is_later(p->refused[p->refused_shown].id, id)) {
                const struct line *line = &p->refused[p->refused_shown++];
                enum pgw_err err = separate(p);
                if (!err)
                        err = pgw_buf_add(&p->x->out, p->text.p + line->start, line->size);
                if (!show(p, (struct place){line->id, true}, err))
                        return false;
        }
        return true;
}

static bool show_signed(struct page *p, const struct pgw_delivery *d)
{
        enum pgw_err err = separate(p);

        if (!err)
                err = write_line(&p->x->out, d);
        return show(p, (struct place){d->place, false}, err);
}

/* ---- asking ---- */

static enum pgw_err ask(struct page *);

static bool look_at(struct page *p, const struct pgw_delivery *d)
{
        if (!show_refused(p, d->place))
                return false;
        p->from = before(d->place);
        p->place = (struct place){d->place, false};
        return !fits(p, d) || show_signed(p, d);
}

static void on_signed(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct page *p = ctx;
        struct pgw_delivery delivery;
        bool goes_on = true;

        if (!err && reply->type != PGW_REPLY_ARRAY)
                err = PGW_E_REDIS_PROTOCOL;
        if (err || p->x->gone) {
                finish(p, err, false);
                return;
        }
        for (size_t i = 0; i < reply->count && goes_on; i++)
                if (pgw_delivery_read(reply, i, &delivery))
                        goes_on = look_at(p, &delivery);
        p->left -= reply->count < p->left ? reply->count : p->left;
        if (goes_on && reply->count < p->asked) {
                finish(p, PGW_OK, !show_refused(p, (struct pgw_entry_id){0, 0}));
                return;
        }
        if (!goes_on || p->left == 0) {
                finish(p, PGW_OK, true);
                return;
        }
        err = ask(p);
        if (err)
                finish(p, err, false);
}

static enum pgw_err ask(struct page *p)
{
        const struct pgw_gateway_links *links = &p->x->gateway->links;
        const uint64_t wanted = p->verdict.n ? PGW_DELIVERIES_ASKED : p->size - p->shown;

        p->asked = wanted < p->left ? (size_t)wanted : p->left;
        return pgw_delivery_ask(links->broker, links->keyspace, p->hook, true, p->from, p->asked,
                                on_signed, p);
}

static void on_refused(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct page *p = ctx;
        struct pgw_delivery delivery;

        for (size_t i = 0; !err && pgw_reply_at(reply, i) && p->refused_count < p->size; i++) {
                if (!pgw_delivery_read(reply, i, &delivery) || !fits(p, &delivery))
                        continue;
                struct line *line = &p->refused[p->refused_count++];
                *line = (struct line){.id = delivery.place, .start = p->text.n};
                err = write_line(&p->text, &delivery);
                line->size = p->text.n - line->start;
        }
        if (!err && !p->x->gone) {
                err = ask(p);
                if (!err)
                        return;
        }
        finish(p, err, false);
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
        p->left = PGW_DELIVERIES_LOOKED_AT;
        (void)!pgw_params_get_u64(&x->params, "page_size", &p->size);
        if (p->size > PGW_DELIVERIES_PAGE_MAX)
                p->size = PGW_DELIVERIES_PAGE_MAX;
        pgw_buf_init(&p->text, PGW_DELIVERY_LINES_MAX);
        x->err = read_token(p);
        if (!x->err)
                x->err = pgw_json_z(&x->out, "{\"deliveries\":[");
        if (!x->err)
                x->err = pgw_delivery_ask(links->broker, links->keyspace, hook, false,
                                          p->from_refused, PGW_DELIVERIES_REFUSED, on_refused, p);
        if (!x->err)
                return PGW_WAIT;
        pgw_buf_fini(&p->text);
        pgw_free(p);
        return PGW_FAIL;
}
