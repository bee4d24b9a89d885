/* GET /v1/dead-letters: those that fit, by page; GET /v1/dead-letters/{job_id}: one of them, with
 * all that it was to remove.
 *
 * A page ends after as many letters as were asked for, or after as many as are looked at in one
 * request: then it may be shorter, even empty, and says where to go on.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "http/letter_json.h"
#include "http/letter_scan.h"
#include "http/operations.h"

#define PGW_LETTERS_PAGE_DEFAULT 50
#define PGW_LETTERS_LOOKED_AT    10000
#define PGW_LETTERS_SHOWN        20 /* selectors of a kind, of each in a list */
#define PGW_LETTER_SHOWN         1000

enum pgw_step pgw_op_letter_understand(struct pgw_exchange *x)
{
        x->err = pgw_job_id_parse(pgw_params_get(&x->params, "job_id"), &x->job.id);
        return x->err ? PGW_FAIL : PGW_NEXT;
}

static void on_letter(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;
        struct pgw_letter letter;

        if (!err)
                err = pgw_letter_read(&x->job.id, reply, &letter);
        if (!err && !x->gone)
                err = pgw_letter_json(&x->out, &letter, PGW_LETTER_SHOWN);
        if (!err && !x->gone)
                err = pgw_buf_add(&x->out, "\n", 1);
        x->status = 200;
        x->content_type = "application/json";
        pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_letter(struct pgw_exchange *x)
{
        const struct pgw_gateway_links *links = &x->gateway->links;

        x->err = pgw_letter_ask(links->broker, links->keyspace, &x->job.id, on_letter, x);
        return x->err ? PGW_FAIL : PGW_WAIT;
}

/* ---- a page ---- */

/* "<time>-<job id>". */
static enum pgw_err read_token(struct pgw_exchange *x, struct pgw_letter_place *ret)
{
        struct pgw_str token = pgw_params_get(&x->params, "page_token"), time, id;
        struct pgw_job_id parsed;

        *ret = (struct pgw_letter_place){.buried_ms = 0};
        if (token.n == 0)
                return PGW_OK;
        if (!pgw_str_cut(token, '-', &time, &id) ||
            pgw_str_to_u64(time, UINT64_MAX, &ret->buried_ms) || id.n != sizeof ret->id ||
            pgw_job_id_parse(id, &parsed)) {
                pgw_violations_add(&x->violations, "#/query/page_token",
                                   "must be the `next_page_token` of the page before");
                return PGW_E_SCHEMA;
        }
        memcpy(ret->id, id.p, id.n);
        return PGW_OK;
}

struct page {
        struct pgw_exchange *x;
        uint64_t size, shown;
        enum pgw_err err;
};

static bool on_each(void *ctx, const struct pgw_letter *letter)
{
        struct page *p = ctx;

        if (p->x->gone)
                return false;
        if (p->shown++)
                p->err = pgw_buf_add(&p->x->out, ",", 1);
        if (!p->err)
                p->err = pgw_letter_json(&p->x->out, letter, PGW_LETTERS_SHOWN);
        return p->shown < p->size && !p->err;
}

static void on_scanned(void *ctx, enum pgw_err err, const struct pgw_letter_place *next)
{
        struct page *p = ctx;
        struct pgw_exchange *x = p->x;

        if (!err)
                err = p->err;
        pgw_free(p);
        if (!err && !x->gone)
                err = pgw_buf_printf(&x->out, "]");
        if (!err && !x->gone && next)
                err = pgw_buf_printf(&x->out, ",\"next_page_token\":\"%llu-%.*s\"",
                                     (unsigned long long)next->buried_ms, (int)sizeof next->id,
                                     next->id);
        if (!err && !x->gone)
                err = pgw_buf_printf(&x->out, "}\n");
        x->status = 200;
        x->content_type = "application/json";
        pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_letters(struct pgw_exchange *x)
{
        struct pgw_letter_filter filter;
        struct pgw_letter_place from;

        x->err = pgw_letter_filter_read(x, &filter);
        if (!x->err)
                x->err = read_token(x, &from);
        if (!x->err)
                x->err = pgw_buf_printf(&x->out, "{\"dead_letters\":[");
        if (x->err)
                return PGW_FAIL;
        struct page *p = pgw_alloc(sizeof *p);
        *p = (struct page){.x = x, .size = PGW_LETTERS_PAGE_DEFAULT};
        (void)!pgw_params_get_u64(&x->params, "page_size", &p->size);
        x->err = pgw_letter_scan(x->gateway, &filter, &from, PGW_LETTERS_LOOKED_AT, p->size,
                                 on_each, on_scanned, p);
        if (!x->err)
                return PGW_WAIT;
        pgw_free(p);
        return PGW_FAIL;
}
