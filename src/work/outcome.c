/* What became of a job at its targets, over all its attempts.
 *
 * An attempt that could do its work only in part leaves what it did in the job's record: the
 * counts of each target, in the form of a result (domain/job.h, field y). The next attempt
 * has parts for the targets that are left, which go on counting from there; what the others came
 * to is carried along.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "work/worker_priv.h"

static struct pgw_part *part_of(const struct pgw_run *run, struct pgw_str name)
{
        for (size_t i = 0; i < run->part_count; i++)
                if (pgw_str_eq_z(name, run->parts[i].target->conf.name))
                        return &run->parts[i];
        return NULL;
}

void pgw_outcome_take_over(struct pgw_run *run)
{
        struct pgw_str rest = run->outcomes;
        struct pgw_job_target t;

        while (pgw_job_next_target(&rest, &t) == PGW_OK) {
                struct pgw_part *part = part_of(run, t.name);
                if (part) {
                        part->removed = t.removed;
                        part->missing = t.missing;
                }
        }
}

static enum pgw_err count_others(const struct pgw_run *run, struct pgw_outcome *o)
{
        struct pgw_str rest = run->outcomes;
        struct pgw_job_target t;
        enum pgw_err error = PGW_OK;

        while (pgw_job_next_target(&rest, &t) == PGW_OK) {
                if (part_of(run, t.name))
                        continue;
                o->matched += t.removed;
                o->removed += t.removed;
                o->missing += t.missing;
                if (!error)
                        error = t.error;
        }
        return error;
}

static void count_part(const struct pgw_part *part, struct pgw_outcome *o)
{
        /* Of its keys as many as went, or would go. */
        o->matched += part->removed + part->found + part->progress.matched;
        o->removed += part->removed + part->progress.removed;
        o->missing += part->missing;
}

struct pgw_outcome pgw_outcome_of(const struct pgw_run *run)
{
        struct pgw_outcome o = {run->matched, run->removed, run->missing};

        if (run->is_summed || run->is_told)
                return o;
        (void)count_others(run, &o);
        for (size_t i = 0; i < run->part_count; i++)
                count_part(&run->parts[i], &o);
        return o;
}

void pgw_outcome_sum_up(struct pgw_run *run)
{
        if (run->is_summed)
                return;
        struct pgw_outcome o = {0, 0, 0};
        const enum pgw_err error = count_others(run, &o);
        if (!run->error)
                run->error = error;
        for (size_t i = 0; i < run->part_count; i++) {
                struct pgw_part *part = &run->parts[i];
                count_part(part, &o);
                part->removed += part->progress.removed;
                if (!run->error)
                        run->error = part->error;
        }
        run->is_summed = true;
        run->matched = o.matched;
        run->removed = o.removed;
        run->missing = o.missing;
}

static size_t say(char out[PGW_OUTCOMES_TEXT_MAX], size_t n, const struct pgw_job_target *t)
{
        char one[PGW_OUTCOMES_TEXT_MAX / PGW_TARGETS_MAX];
        const int size =
            snprintf(one, sizeof one, "%s%.*s %llu %llu %s", n ? "," : "", (int)t->name.n,
                     t->name.p, (unsigned long long)t->removed, (unsigned long long)t->missing,
                     t->error ? pgw_err_slug(t->error) : "-");

        /* What earlier attempts left may be anybody's; ours fits. */
        if (size < 0 || (size_t)size >= sizeof one || n + (size_t)size > PGW_OUTCOMES_TEXT_MAX)
                return n;
        memcpy(out + n, one, (size_t)size);
        return n + (size_t)size;
}

size_t pgw_outcome_text(const struct pgw_run *run, char out[PGW_OUTCOMES_TEXT_MAX])
{
        struct pgw_str rest = run->outcomes;
        struct pgw_job_target t;
        size_t n = 0;

        for (size_t i = 0; i < run->part_count; i++) {
                const struct pgw_part *part = &run->parts[i];
                t = (struct pgw_job_target){pgw_str_z(part->target->conf.name), part->removed,
                                            part->missing,
                                            part->error ? part->error : part->stopped};
                n = say(out, n, &t);
        }
        while (pgw_job_next_target(&rest, &t) == PGW_OK)
                if (!part_of(run, t.name))
                        n = say(out, n, &t);
        return n;
}

/* ---- the keys that are left ---- */

static struct pgw_str left_at(const struct pgw_part *part)
{
        if (part->keys_done)
                return (struct pgw_str){NULL, 0};
        return part->again[part->filling].n ? pgw_buf_str(&part->again[part->filling])
                                            : part->run->keys;
}

static void take_back_counts(struct pgw_run *run)
{
        for (size_t i = 0; i < run->part_count; i++)
                if (run->parts[i].stopped)
                        run->parts[i].removed = run->parts[i].missing = 0;
}

struct pgw_str pgw_outcome_left(struct pgw_run *run)
{
        const struct pgw_part *first = NULL;

        for (size_t i = 0; i < run->part_count; i++) {
                const struct pgw_part *part = &run->parts[i];
                if (!part->stopped)
                        continue;
                if (first && !pgw_str_eq(left_at(first), left_at(part))) {
                        take_back_counts(run);
                        return run->keys;
                }
                first = part;
        }
        return first ? left_at(first) : run->keys;
}

static int compare(const void *a, const void *b)
{
        const struct pgw_str *x = a, *y = b;

        if (x->n != y->n)
                return x->n < y->n ? -1 : 1;
        return memcmp(x->p, y->p, x->n);
}

void pgw_outcome_done(struct pgw_run *run, struct pgw_buf *out)
{
        struct pgw_str left = pgw_outcome_left(run), keys = run->keys, key;
        size_t count = 0;

        if (left.n == run->keys.n)
                return;
        struct pgw_str *sorted = pgw_alloc((run->key_count + 1) * sizeof *sorted);
        while (left.n && count < run->key_count && pgw_keys_next(&left, &sorted[count]) == PGW_OK)
                count++;
        qsort(sorted, count, sizeof *sorted, compare);
        while (keys.n && pgw_keys_next(&keys, &key) == PGW_OK)
                if (!bsearch(&key, sorted, count, sizeof *sorted, compare))
                        /* They are some of those that fitted into the job's own bytes. */
                        PGW_ASSERT(pgw_keys_encode(out, &key, 1) == PGW_OK);
        pgw_free(sorted);
}
