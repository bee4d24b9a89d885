/* Later passes begin with a question: are their jobs still to be repeated? What was asked for by
 * jobs that were cancelled since is left out. When the broker does not say, the pass goes on: to
 * remove once more what was to be left alone does less harm than the other way round.
 */
#include <string.h>

#include "base/metric.h"
#include "domain/cancel.h"
#include "work/worker_priv.h"

/* One of the jobs whose keys are repeated together. */
struct member {
        struct pgw_str id;
        size_t key_count;
};

static bool next_member(struct pgw_str *rest, struct member *ret)
{
        struct pgw_str number;
        uint64_t count;

        if (rest->n == 0 || pgw_keys_next(rest, &ret->id) || pgw_keys_next(rest, &number) ||
            pgw_str_to_u64(number, SIZE_MAX, &count))
                return false;
        ret->key_count = (size_t)count;
        return true;
}

static void keep_bytes(char **to, struct pgw_str bytes)
{
        memmove(*to, bytes.p, bytes.n);
        *to += bytes.n;
}

/* The keys, and the members, of those that were not cancelled. Both lie in the run's own memory. */
static void leave_out(struct pgw_run *run, const struct pgw_reply *scores)
{
        struct pgw_str members = run->members, keys = run->keys;
        char *members_to = (char *)(uintptr_t)run->members.p,
             *keys_to = (char *)(uintptr_t)run->keys.p;
        const char *const members_from = run->members.p, *const keys_from = run->keys.p;
        const struct pgw_reply *score = scores + 1;
        struct member m;

        for (size_t i = 0; members.n && i < run->member_count; i++) {
                const char *const member_at = members.p, *const keys_at = keys.p;
                struct pgw_str key;
                if (!next_member(&members, &m))
                        return; /* not ours; all of it is repeated */
                for (size_t k = 0; k < m.key_count; k++)
                        if (pgw_keys_next(&keys, &key))
                                return;
                if (score->type == PGW_REPLY_NIL) {
                        keep_bytes(&members_to,
                                   pgw_str_of(member_at, (size_t)(members.p - member_at)));
                        keep_bytes(&keys_to, pgw_str_of(keys_at, (size_t)(keys.p - keys_at)));
                } else {
                        run->key_count -= m.key_count;
                        pgw_metric_add(PGW_M_REBOUNDS_CANCELLED, 1);
                }
                score = pgw_reply_next(score);
        }
        run->members = pgw_str_of(members_from, (size_t)(members_to - members_from));
        run->keys = pgw_str_of(keys_from, (size_t)(keys_to - keys_from));
}

static void on_scores(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_run *run = ctx;
        const struct pgw_reply *first = err ? NULL : pgw_reply_at(reply, 0);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (first && run->members.n && reply->count == run->member_count) {
                leave_out(run, reply);
        } else if (first && !run->members.n && first->type != PGW_REPLY_NIL) {
                pgw_metric_add(PGW_M_REBOUNDS_CANCELLED, 1);
                run->part_count = 0;
        }
        if (run->members.p && run->members.n == 0 && run->member_count)
                run->part_count = 0;
        if (run->part_count)
                pgw_run_begin(run);
        else
                pgw_settle_add(run);
}

void pgw_repeat_begin(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;
        struct pgw_str ids[PGW_SETTLE_BATCH_MAX], rest = run->members;
        char text[PGW_JOB_ID_SIZE];
        struct member m;
        size_t count = 0;

        while (count < PGW_SETTLE_BATCH_MAX && next_member(&rest, &m))
                ids[count++] = m.id;
        run->member_count = count;
        if (count == 0) {
                pgw_job_id_text(&run->job, text);
                ids[count++] = pgw_str_of(text, sizeof text);
        }
        if (pgw_cancel_ask(w->links.broker, w->keyspace, ids, count, on_scores, run))
                pgw_run_begin(run);
}
