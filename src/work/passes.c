/* Putting later passes on the schedule, before what is now is settled or let go of: a worker that
 * dies between leaves a pass too many, never one too few.
 *
 * A pass repeats what was done, where it was done, and when that was done. So a job that comes to
 * its end in several attempts has passes from each of them: a target that was reached at once is
 * not repeated only when the last one has been reached, and keys that went before their target did
 * are not forgotten because the record of the job does not name them any more.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/metric.h"
#include "domain/rebound.h"
#include "work/worker_priv.h"

/* A pass on its way to the schedule. */
struct following {
        struct pgw_passes *passes;
        const struct pgw_run *run; /* until all are answered */
        pgw_target_set set;
};

/* What was set aside for it is not needed any more. */
static void lose(const struct pgw_run *run, pgw_target_set set)
{
        pgw_metric_add(PGW_M_REBOUNDS_LOST, 1);
        for (size_t i = 0; i < run->part_count; i++)
                if (set >> run->parts[i].target->index & 1)
                        pgw_tags_let_go(&run->parts[i]);
}

static void on_scheduled(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        const struct following f = *(struct following *)ctx;
        struct pgw_passes *p = f.passes;

        (void)reply;
        pgw_free(ctx);
        PGW_ASSERT(p->awaited > 0);
        p->awaited--;
        /* A broker without room must still drain: the job was done, only not twice. */
        if (err && err != PGW_E_REDIS_CANCELLED && !pgw_err_is_transient(err))
                lose(f.run, f.set);
        else if (err && p->refused != PGW_E_REDIS_CANCELLED)
                p->refused = err;
        if (p->awaited == 0)
                p->done(p);
}

static void schedule(struct pgw_passes *p, const struct pgw_rebound *rebound,
                     const struct pgw_run *run, pgw_target_set set)
{
        struct pgw_worker *w = p->worker;
        struct following *f = pgw_alloc(sizeof *f);

        *f = (struct following){p, run, set};
        if (pgw_rebound_schedule(w->links.broker, w->keyspace, rebound, on_scheduled, f)) {
                p->refused = PGW_E_REDIS_CONNECT;
                pgw_free(f);
        } else {
                p->awaited++;
        }
}

/* Everything that the run was for. */
static struct pgw_rebound rebound_of(const struct pgw_run *run, const struct pgw_rebounds *rebounds)
{
        return (struct pgw_rebound){
            .job = run->job,
            .pass = pgw_run_next_pass(run, rebounds),
            .after = run->pass,
            .origin_ms = run->pass ? run->origin_ms : pgw_wall_ms(),
            .rebounds = *rebounds,
            .keys = run->keys,
            .members = run->members,
            .patterns = run->patterns,
            .tags = run->tags,
            .all_tags = run->all_tags,
            .soft_ttl_ms = run->soft_ttl_ms,
        };
}

static void schedule_at(struct pgw_passes *p, struct pgw_rebound *rebound,
                        const struct pgw_run *run, pgw_target_set set)
{
        char names[PGW_TARGETS_MAX * (PGW_TARGET_NAME_MAX + 1)];

        rebound->targets = pgw_target_names(run, set, names, sizeof names);
        schedule(p, rebound, run, set);
}

static bool is_same(const struct pgw_rebounds *a, const struct pgw_rebounds *b)
{
        return a->count == b->count &&
               memcmp(a->at_ms, b->at_ms, a->count * sizeof a->at_ms[0]) == 0;
}

/* The targets that are visited again at these times: those where it was done, or of those where it
 * was stopped. */
static pgw_target_set set_of(const struct pgw_run *run, const struct pgw_rebounds *rebounds,
                             bool is_stopped)
{
        pgw_target_set set = 0;

        for (size_t i = 0; i < run->part_count; i++) {
                const struct pgw_part *part = &run->parts[i];
                if (!part->error && (part->stopped != PGW_OK) == is_stopped &&
                    is_same(pgw_part_rebounds(part), rebounds))
                        set |= (pgw_target_set)1 << part->target->index;
        }
        return set;
}

static bool is_first_with(const struct pgw_run *run, size_t index)
{
        const struct pgw_rebounds *own = pgw_part_rebounds(&run->parts[index]);

        for (size_t i = 0; i < index; i++)
                if (is_same(pgw_part_rebounds(&run->parts[i]), own))
                        return false;
        return true;
}

/* ---- where it was done ---- */

/* Keys of jobs that ended together and are repeated at the same places and times. */
struct merged {
        const struct pgw_run *first, *last;
        const struct pgw_rebounds *rebounds;
        pgw_target_set set;
        struct pgw_buf keys, members;
};

static enum pgw_err add_member(struct pgw_buf *members, const struct pgw_run *run, size_t key_count)
{
        char id[PGW_JOB_ID_SIZE], count[20];
        const struct pgw_str pair[] = {pgw_str_of(id, sizeof id),
                                       pgw_str_of(count, pgw_u64_text(key_count, count))};

        pgw_job_id_text(&run->job, id);
        return pgw_keys_encode(members, pair, 2);
}

static void flush(struct pgw_passes *p, struct merged *m)
{
        if (m->first && !p->refused) {
                struct pgw_rebound rebound = rebound_of(m->first, m->rebounds);
                rebound.keys = pgw_buf_str(&m->keys);
                rebound.members = pgw_buf_str(&m->members);
                schedule_at(p, &rebound, m->first, m->set);
        }
        m->first = NULL;
        pgw_buf_clear(&m->keys);
        pgw_buf_clear(&m->members);
}

/* Most jobs name keys only and are repeated when the target says: theirs go together. */
static bool is_plain(const struct pgw_run *run)
{
        return !run->pass && !run->has_own_rebounds && !run->patterns.n && !run->tags.n;
}

/* Equal jobs were done together, and are repeated together. False when there is no room. */
static bool add_merged(struct merged *m, const struct pgw_run *run)
{
        const bool is_twin = m->first && pgw_str_eq(m->last->keys, run->keys);
        const size_t keys_before = m->keys.n;

        if (!is_twin && pgw_buf_add_str(&m->keys, run->keys))
                return false;
        if (!add_member(&m->members, run, is_twin ? 0 : run->key_count))
                return true;
        m->keys.n = keys_before;
        return false;
}

static void schedule_done(struct pgw_passes *p, struct merged *m, const struct pgw_run *run,
                          const struct pgw_rebounds *rebounds)
{
        const pgw_target_set set = set_of(run, rebounds, false);
        struct pgw_rebound alone = rebound_of(run, rebounds);

        if (set == 0 || alone.pass == 0)
                return;
        if (!is_plain(run)) {
                schedule_at(p, &alone, run, set);
                return;
        }
        if (m->first && (m->set != set || !is_same(m->rebounds, rebounds)))
                flush(p, m);
        if (!add_merged(m, run)) {
                schedule_at(p, &alone, run, set);
                return;
        }
        if (!m->first)
                m->first = run;
        m->last = run;
        m->set = set;
        m->rebounds = rebounds;
}

static void schedule_all(struct pgw_passes *p, struct pgw_run *const *runs, size_t count)
{
        struct merged m = {.first = NULL};

        pgw_buf_init(&m.keys, PGW_SELECTORS_BYTES_MIN);
        pgw_buf_init(&m.members, PGW_SETTLE_BATCH_MAX * 64);
        for (size_t i = 0; i < count; i++)
                for (size_t k = 0; k < runs[i]->part_count && !p->refused; k++)
                        if (!runs[i]->is_scheduled && is_first_with(runs[i], k))
                                schedule_done(p, &m, runs[i],
                                              pgw_part_rebounds(&runs[i]->parts[k]));
        flush(p, &m);
        pgw_buf_fini(&m.keys);
        pgw_buf_fini(&m.members);
}

void pgw_passes_schedule(struct pgw_passes *p, struct pgw_worker *w, struct pgw_run *const *runs,
                         size_t count, void (*done)(struct pgw_passes *))
{
        *p = (struct pgw_passes){.worker = w, .done = done};
        schedule_all(p, runs, count);
        if (p->awaited == 0)
                p->done(p);
}

/* ---- what was done of what was not ---- */

static void schedule_rest(struct pgw_passes *p, const struct pgw_run *run,
                          const struct pgw_done *what)
{
        for (size_t i = 0; i < run->part_count && !p->refused; i++) {
                const struct pgw_rebounds *rebounds = pgw_part_rebounds(&run->parts[i]);
                const pgw_target_set set = set_of(run, rebounds, true);
                struct pgw_rebound rebound = rebound_of(run, rebounds);
                if (!is_first_with(run, i) || set == 0 || rebound.pass == 0)
                        continue;
                rebound.keys = what->keys;
                rebound.members = PGW_STR("");
                if (!what->has_patterns)
                        rebound.patterns = PGW_STR("");
                if (!what->has_tags)
                        rebound.tags = PGW_STR("");
                if (!rebound.keys.n && !rebound.tags.n)
                        rebound.pass = (unsigned)rebounds->count;
                schedule_at(p, &rebound, run, set);
        }
}

void pgw_passes_schedule_part(struct pgw_passes *p, struct pgw_run *run,
                              const struct pgw_done *what, void (*done)(struct pgw_passes *))
{
        *p = (struct pgw_passes){.worker = run->worker, .done = done};
        schedule_all(p, &run, 1);
        if (what->keys.n || what->has_patterns || what->has_tags)
                schedule_rest(p, run, what);
        if (p->awaited == 0)
                p->done(p);
}
