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
        size_t key_count; /* 0: those of the one before it */
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

/* What is gone through, and where what is kept of it goes: the same memory, the run's own. */
struct sieve {
        struct pgw_str rest;
        const char *from;
        char *to;
};

static struct sieve sieve_of(struct pgw_str bytes)
{
        return (struct sieve){bytes, bytes.p, (char *)(uintptr_t)bytes.p};
}

static void keep_since(struct sieve *s, const char *since)
{
        const size_t n = (size_t)(s->rest.p - since);

        memmove(s->to, since, n);
        s->to += n;
}

static struct pgw_str kept(const struct sieve *s)
{
        return pgw_str_of(s->from, (size_t)(s->to - s->from));
}

static bool skip_keys(struct sieve *keys, size_t count)
{
        struct pgw_str key;

        for (size_t k = 0; k < count; k++)
                if (pgw_keys_next(&keys->rest, &key))
                        return false;
        return true;
}

/* A member with keys, and those behind it that have the same: they are left out when all of them
 * are cancelled. False when they are not as they should be. */
static bool sift(struct pgw_run *run, struct sieve *members, struct sieve *keys,
                 const struct pgw_reply **score, size_t *left)
{
        const char *const members_at = members->rest.p, *const keys_at = keys->rest.p;
        struct pgw_str peek = members->rest;
        struct member m;
        size_t count = 0;
        bool is_wanted = false, is_first = true;

        while (*left && next_member(&peek, &m) && (is_first || m.key_count == 0)) {
                members->rest = peek;
                is_wanted |= (*score)->type == PGW_REPLY_NIL;
                if ((*score)->type != PGW_REPLY_NIL)
                        pgw_metric_add(PGW_M_REBOUNDS_CANCELLED, 1);
                count = is_first ? m.key_count : count;
                is_first = false;
                *score = pgw_reply_next(*score);
                --*left;
        }
        if (is_first || !skip_keys(keys, count))
                return false;
        if (is_wanted) {
                keep_since(members, members_at);
                keep_since(keys, keys_at);
        } else {
                run->key_count -= count;
        }
        return true;
}

/* Each of the keys is one member's, or that of some that have the same. Before any is moved: what
 * is not ours to read is repeated whole. */
static bool do_fit(const struct pgw_run *run)
{
        struct pgw_str rest = run->members;
        size_t left = run->key_count, count = 0;
        struct member m;

        while (next_member(&rest, &m)) {
                if (m.key_count > left)
                        return false;
                left -= m.key_count;
                count++;
        }
        return left == 0 && count == run->member_count;
}

/* The keys, and the members, of those that were not cancelled. */
static void leave_out(struct pgw_run *run, const struct pgw_reply *scores)
{
        struct sieve members = sieve_of(run->members), keys = sieve_of(run->keys);
        const struct pgw_reply *score = scores + 1;
        size_t left = run->member_count;

        while (left && members.rest.n)
                if (!sift(run, &members, &keys, &score, &left))
                        return;
        run->members = kept(&members);
        run->keys = kept(&keys);
}

static void on_scores(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_run *run = ctx;
        const struct pgw_reply *first = err ? NULL : pgw_reply_at(reply, 0);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (first && run->members.n && reply->count == run->member_count && do_fit(run)) {
                leave_out(run, reply);
        } else if (first && !run->members.n && first->type != PGW_REPLY_NIL) {
                pgw_metric_add(PGW_M_REBOUNDS_CANCELLED, 1);
                for (size_t i = 0; i < run->part_count; i++)
                        pgw_tags_let_go(&run->parts[i]);
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
