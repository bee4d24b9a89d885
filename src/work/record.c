/* The record is made when the job ends and not before: most of what it says is in the run anyway,
 * and a run that is tried again, handed on or lost has no end to be told.
 */
#include "work/worker_priv.h"

void pgw_record_init(struct pgw_worker *w)
{
        pgw_buf_init(&w->record, PGW_AUDIT_RECORD_MAX);
        pgw_buf_init(&w->record_sum, PGW_AUDIT_RECORD_MAX);
}

void pgw_record_fini(struct pgw_worker *w)
{
        pgw_buf_fini(&w->record);
        pgw_buf_fini(&w->record_sum);
}

bool pgw_record_is_on(const struct pgw_worker *w)
{
        return w->conf.audit.max > 0;
}

void pgw_record_facts(const struct pgw_worker *w, const struct pgw_entry *e, struct pgw_entry *ret)
{
        *ret = (struct pgw_entry){.pass = e->pass};
        if (!pgw_record_is_on(w) || e->pass)
                return;
        ret->actor = e->actor;
        ret->request_id = e->request_id;
        ret->reason = e->reason;
        ret->targets = e->targets;
        ret->sum = e->sum;
}

static struct pgw_entry entry_of(const struct pgw_run *run)
{
        return (struct pgw_entry){
            .id = run->job,
            .targets = run->names,
            .keys = run->keys,
            .key_count = run->key_count,
            .patterns = run->patterns,
            .pattern_count = run->pattern_count,
            .tags = run->tags,
            .tag_count = run->tag_count,
            .soft_ttl_ms = run->soft_ttl_ms,
            .hold_ms = run->hold_ms,
            .version = pgw_str_z(run->version),
            .is_dry = run->is_dry,
            .actor = run->actor,
            .request_id = run->request_id,
            .reason = run->reason,
            .sum = run->sum,
        };
}

const struct pgw_buf *pgw_record_of(const struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;
        char outcomes[PGW_OUTCOMES_TEXT_MAX];
        struct pgw_audit a;

        if (!pgw_record_is_on(w))
                return NULL;
        const struct pgw_entry entry = entry_of(run);
        const struct pgw_outcome counts = pgw_outcome_of(run);
        pgw_audit_of_entry(&entry, &w->record_sum, &a);
        a.has_end = true;
        a.state = run->state;
        a.error = run->error;
        a.attempts = run->attempt;
        a.matched = counts.matched;
        a.removed = counts.removed;
        a.missing = counts.missing;
        if (w->target_count > 1 && !run->is_told)
                a.outcomes = pgw_str_of(outcomes, pgw_outcome_text(run, outcomes));
        pgw_audit_write(&w->record, &a);
        return &w->record;
}

struct pgw_str pgw_record_sum(const struct pgw_run *run)
{
        struct pgw_audit a;

        if (!pgw_record_is_on(run->worker))
                return PGW_STR("");
        const struct pgw_entry entry = entry_of(run);
        pgw_audit_of_entry(&entry, &run->worker->record_sum, &a);
        return a.sum;
}
