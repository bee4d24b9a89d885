/* GET /v1/audit: records of the audit, by page; GET /v1/audit/export: the same as JSON lines.
 *
 * An answer ends after as many records as were asked for, after as many as are looked at in one
 * request, or when it is large enough; then it says where to go on. So one request takes a bounded
 * time and a bounded memory, however much there is.
 */
#include "base/alloc.h"
#include "http/audit_filter.h"
#include "http/audit_json.h"
#include "http/operations.h"

#define PGW_AUDIT_PAGE_DEFAULT 50
#define PGW_AUDIT_LINES        10000
#define PGW_AUDIT_LOOKED_AT    20000
#define PGW_AUDIT_ANSWER_BYTES (4u << 20)

struct scan {
        struct pgw_exchange *x;
        struct pgw_audit_filter filter;
        bool is_lines;
        uint64_t size, shown; /* records */
        size_t left;          /* to be looked at */
        size_t asked;
        struct pgw_entry_id place; /* the last one that was looked at */
};

static enum pgw_err write_end(struct scan *s, bool has_more)
{
        struct pgw_exchange *x = s->x;
        char token[PGW_ENTRY_ID_SIZE];
        const struct pgw_str next = pgw_str_of(token, pgw_entry_id_text(s->place, token));

        if (s->is_lines) {
                if (has_more)
                        pgw_exchange_add_header(x, PGW_STR("next-page-token"),
                                                pgw_exchange_keep(x, next));
                return PGW_OK;
        }
        enum pgw_err err = pgw_buf_printf(&x->out, "]");
        if (!err && has_more)
                err = pgw_buf_printf(&x->out, ",\"next_page_token\":\"%.*s\"", (int)next.n, next.p);
        return err ? err : pgw_buf_printf(&x->out, "}\n");
}

static void finish(struct scan *s, enum pgw_err err, bool has_more)
{
        struct pgw_exchange *x = s->x;

        if (!err && !x->gone)
                err = write_end(s, has_more);
        x->status = 200;
        x->content_type = s->is_lines ? "application/x-ndjson" : "application/json";
        pgw_free(s);
        pgw_exchange_resume(x, err);
}

static enum pgw_err show(struct scan *s, const struct pgw_audit *a)
{
        struct pgw_exchange *x = s->x;
        enum pgw_err err = PGW_OK;

        if (s->shown++ && !s->is_lines)
                err = pgw_buf_add(&x->out, ",", 1);
        if (!err)
                err = pgw_audit_json(&x->out, a, x->gateway->targets[0].name);
        return err || !s->is_lines ? err : pgw_buf_add(&x->out, "\n", 1);
}

/* False when there were enough. What is no record of ours is passed over. */
static bool look_at(struct scan *s, const struct pgw_reply *entry, enum pgw_err *err)
{
        struct pgw_audit a;
        const bool is_ours = pgw_audit_read(entry, &a) == PGW_OK;

        if (s->x->gone)
                return false;
        s->place = a.id;
        if (!is_ours || !pgw_audit_filter_fits(&s->filter, &a))
                return true;
        *err = show(s, &a);
        return !*err && s->shown < s->size && s->x->out.n < PGW_AUDIT_ANSWER_BYTES;
}

static enum pgw_err ask(struct scan *);

static void on_records(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct scan *s = ctx;
        bool goes_on = true;

        if (!err && reply->type != PGW_REPLY_ARRAY)
                err = PGW_E_REDIS_PROTOCOL;
        if (err) {
                finish(s, err, false);
                return;
        }
        const struct pgw_reply *entry = reply + 1;
        for (size_t i = 0; i < reply->count && goes_on; i++, entry = pgw_reply_next(entry))
                goes_on = look_at(s, entry, &err);
        s->left -= reply->count < s->left ? reply->count : s->left;
        if (err || !goes_on || reply->count < s->asked || s->left == 0) {
                finish(s, err, !goes_on || reply->count == s->asked);
                return;
        }
        pgw_audit_filter_pass(&s->filter, s->place);
        err = ask(s);
        if (err)
                finish(s, err, false);
}

static enum pgw_err ask(struct scan *s)
{
        const struct pgw_gateway_links *links = &s->x->gateway->links;
        const bool is_all = s->filter.who.n + s->filter.job_id.n + s->filter.action.n +
                                s->filter.status.n + s->filter.key.n + s->filter.tag.n +
                                s->filter.request_id.n ==
                            0;
        const uint64_t wanted = is_all ? s->size - s->shown : PGW_AUDIT_PAGE_MAX;

        s->asked = s->left < PGW_AUDIT_PAGE_MAX ? s->left : PGW_AUDIT_PAGE_MAX;
        if (wanted < s->asked)
                s->asked = (size_t)wanted;
        return pgw_audit_ask(links->broker, links->keyspace, &s->filter.range, s->asked, on_records,
                             s);
}

static enum pgw_step begin(struct pgw_exchange *x, bool is_lines)
{
        struct scan *s = pgw_alloc(sizeof *s);

        *s = (struct scan){.x = x,
                           .is_lines = is_lines,
                           .size = is_lines ? PGW_AUDIT_LINES : PGW_AUDIT_PAGE_DEFAULT,
                           .left = PGW_AUDIT_LOOKED_AT};
        (void)!pgw_params_get_u64(&x->params, "page_size", &s->size);
        x->err = pgw_audit_filter_read(x, &s->filter);
        if (!x->err && !is_lines)
                x->err = pgw_buf_printf(&x->out, "{\"records\":[");
        if (!x->err)
                x->err = ask(s);
        if (!x->err)
                return PGW_WAIT;
        pgw_free(s);
        return PGW_FAIL;
}

enum pgw_step pgw_op_audit(struct pgw_exchange *x)
{
        return begin(x, false);
}

enum pgw_step pgw_op_audit_export(struct pgw_exchange *x)
{
        return begin(x, true);
}
