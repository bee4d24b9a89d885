/* Ids of records ascend by time, so a span of time is a range of ids, and a page goes on behind the
 * last id of the one before, whatever was appended or let go of since.
 */
#include "http/audit_filter.h"

#include "http/time_text.h"

/* Redis numbers the records of a millisecond; ours fit 48 and 32 bits, as those of jobs. */
#define MS_MAX  ((UINT64_C(1) << 48) - 1)
#define SEQ_MAX UINT32_MAX

static enum pgw_err read_token(struct pgw_exchange *x, struct pgw_audit_filter *f)
{
        const struct pgw_str token = pgw_params_get(&x->params, "page_token");
        struct pgw_entry_id id;

        if (token.n == 0)
                return PGW_OK;
        if (pgw_entry_id_parse(token, &id)) {
                pgw_violations_add(&x->violations, "#/query/page_token",
                                   "must be the `next_page_token` of the page before");
                return PGW_E_SCHEMA;
        }
        pgw_audit_filter_pass(f, id);
        return PGW_OK;
}

enum pgw_err pgw_audit_filter_read(struct pgw_exchange *x, struct pgw_audit_filter *ret)
{
        const struct pgw_params *p = &x->params;
        uint64_t since_ms, until_ms;

        *ret = (struct pgw_audit_filter){
            .who = pgw_params_get(p, "who"),
            .job_id = pgw_params_get(p, "job_id"),
            .action = pgw_params_get(p, "action"),
            .status = pgw_params_get(p, "status"),
            .key = pgw_params_get(p, "key"),
            .tag = pgw_params_get(p, "tag"),
            .request_id = pgw_params_get(p, "request_id"),
        };
        const enum pgw_err since =
            pgw_time_read(x, pgw_params_get(p, "since"), "#/query/since", &since_ms);
        const enum pgw_err until =
            pgw_time_read(x, pgw_params_get(p, "until"), "#/query/until", &until_ms);
        ret->range = (struct pgw_audit_range){
            .first = {since_ms < MS_MAX ? since_ms : MS_MAX, 0},
            .last = {MS_MAX, SEQ_MAX},
            .newest_first = pgw_str_eq_z(pgw_params_get(p, "order"), "newest"),
        };
        if (pgw_params_has(p, "until") && until_ms <= MS_MAX)
                ret->range.last = until_ms ? (struct pgw_entry_id){until_ms - 1, SEQ_MAX}
                                           : (struct pgw_entry_id){0, 0};
        const enum pgw_err token = read_token(x, ret);
        return since ? since : until ? until : token;
}

static bool is_later(struct pgw_entry_id a, struct pgw_entry_id b)
{
        return a.ms > b.ms || (a.ms == b.ms && a.seq > b.seq);
}

void pgw_audit_filter_pass(struct pgw_audit_filter *f, struct pgw_entry_id id)
{
        struct pgw_entry_id next = id;

        if (f->range.newest_first) {
                next.seq = id.seq ? id.seq - 1 : SEQ_MAX;
                next.ms = id.seq ? id.ms : id.ms - (id.ms > 0);
                if (is_later(f->range.last, next))
                        f->range.last = next;
        } else {
                next.seq = id.seq + 1;
                if (is_later(next, f->range.first))
                        f->range.first = next;
        }
}

static bool is_text(struct pgw_str wanted, const char *text)
{
        return wanted.n == 0 || pgw_str_eq_z(wanted, text);
}

bool pgw_audit_filter_fits(const struct pgw_audit_filter *f, const struct pgw_audit *a)
{
        char id[PGW_JOB_ID_SIZE];
        struct pgw_str from, who;

        if (!is_text(f->action, pgw_audit_action_word(a->action)))
                return false;
        if (f->status.n && (!a->has_end || !is_text(f->status, pgw_job_state_word(a->state))))
                return false;
        if (f->job_id.n) {
                pgw_job_id_text(&a->job, id);
                if (!a->has_job || !pgw_str_eq(f->job_id, pgw_str_of(id, sizeof id)))
                        return false;
        }
        pgw_audit_who(a->actor, &from, &who);
        if (f->who.n && !pgw_str_eq(f->who, who))
                return false;
        if (f->request_id.n && !pgw_str_eq(f->request_id, a->request_id))
                return false;
        if (f->key.n && !pgw_keys_have(a->keys, f->key))
                return false;
        return f->tag.n == 0 || pgw_keys_have(a->tags, f->tag);
}
