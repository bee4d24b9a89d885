/* Sweeps: removing what a pattern matches.
 *
 * Redis has no index over keys, so a pattern costs a walk over all of them. One pass walks
 * the target, slice by slice, for every pattern job in hand at once: each key is matched
 * against all of them, and each job is done when the pass has come around to where the job
 * joined it. Jobs that wait together therefore cost one walk.
 *
 * SCAN hands out cursors that count with their bits reversed, so the reversed cursor only
 * grows during a walk, whatever the table does: when it grows, a bucket splits into two
 * that stand where the one stood; when it shrinks, the walk steps back a little. That makes
 * the reversed cursor a position in a circle, and what a job has covered one stretch of it,
 * which is all that a checkpoint needs (domain/progress.h). A cursor belongs to one process
 * of Redis: after a restart the stretch is worth nothing and the walk begins again.
 *
 * A position is passed only when every UNLINK behind it was answered. A slice that breaks
 * is done again from its beginning; removing a key twice does no harm.
 *
 * The node is shared with those whose cache it is. A slice is sized to about a millisecond,
 * and the pause behind it keeps the sweep at its share of the node's time.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "domain/glob.h"
#include "domain/progress.h"
#include "work/effect.h"

#define PGW_SWEEP_COUNT_MIN    100
#define PGW_SWEEP_COUNT_MAX    1000
#define PGW_SWEEP_SLICE_US     1000
#define PGW_SWEEP_PAUSE_MAX_US 1000000u
#define PGW_SWEEP_SAVE_MS      1000

/* A job's part in the pass. */
struct pgw_sweep {
        struct pgw_link link; /* of the pass */
        struct pgw_run *run;
        bool placed; /* its progress has positions in this pass */
        uint64_t slice_matched;
        size_t chunk_count;
        struct pgw_str chunk[PGW_EFFECT_CHUNK_MAX];
        size_t glob_count;
        struct pgw_glob *globs[];
};

struct chunk {
        struct pgw_worker *worker;
        struct pgw_sweep *sweep;
};

static uint64_t reversed(uint64_t v)
{
        v = (v >> 1 & 0x5555555555555555u) | (v & 0x5555555555555555u) << 1;
        v = (v >> 2 & 0x3333333333333333u) | (v & 0x3333333333333333u) << 2;
        v = (v >> 4 & 0x0f0f0f0f0f0f0f0fu) | (v & 0x0f0f0f0f0f0f0f0fu) << 4;
        return __builtin_bswap64(v);
}

static void go_on(struct pgw_worker *w)
{
        if (w->sweeps.count)
                pgw_loop_defer(w->loop, &w->pass.step);
}

static void rest(struct pgw_worker *w)
{
        pgw_timer_arm(w->loop, &w->pass.timer,
                      pgw_loop_now_ms(w->loop) + pgw_worker_pause_ms(w->pass.failures++));
}

/* All threads sweep the same node: each puts its pause behind the pauses of the others. */
void pgw_sweep_pause_behind(struct pgw_worker *w, uint64_t busy_us)
{
        uint64_t *gate = w->conf.sweep_gate_us;
        const uint64_t now_us = pgw_mono_us();
        uint64_t pause_us = busy_us * (100 - w->conf.sweep_share) / w->conf.sweep_share;
        uint64_t seen = __atomic_load_n(gate, __ATOMIC_RELAXED), next;

        if (pause_us > PGW_SWEEP_PAUSE_MAX_US)
                pause_us = PGW_SWEEP_PAUSE_MAX_US;
        do
                next = (seen > now_us ? seen : now_us) + pause_us;
        while (!__atomic_compare_exchange_n(gate, &seen, next, true, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED));
}

/* Timers have milliseconds; a shorter pause is left to grow. */
bool pgw_sweep_must_wait(struct pgw_worker *w, struct pgw_timer *timer)
{
        const uint64_t now_us = pgw_mono_us(),
                       until_us = __atomic_load_n(w->conf.sweep_gate_us, __ATOMIC_RELAXED);

        if (w->conf.sweep_share == 100 || until_us < now_us + 1000)
                return false;
        pgw_timer_arm(w->loop, timer, until_us / 1000);
        return true;
}

static struct pgw_sweep *sweep_of(struct pgw_link *link)
{
        return PGW_CONTAINER(link, struct pgw_sweep, link);
}

static void free_sweep(struct pgw_sweep *s)
{
        pgw_list_remove(&s->run->worker->sweeps, &s->link);
        for (size_t i = 0; i < s->glob_count; i++)
                pgw_glob_free(s->globs[i]);
        s->run->sweep = NULL;
        pgw_free(s);
}

static void on_said(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        (void)reply;
        /* A checkpoint that is not written costs the way from the one before. */
        if (err)
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
}

void pgw_sweep_say_progress(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;

        if (!pgw_progress_save(w->links.broker, w->keyspace, &run->id, &run->progress, on_said, w))
                run->is_written = true;
}

static void leave(struct pgw_sweep *s)
{
        struct pgw_run *run = s->run;

        free_sweep(s);
        pgw_run_end(run);
}

static bool has_come_around(const struct pgw_sweep *s)
{
        return s->placed && s->run->progress.wrapped &&
               s->run->progress.at >= s->run->progress.start;
}

/* The jobs that are over, one way or another. Nothing may be awaited. */
static void part_with_ended(struct pgw_worker *w)
{
        struct pgw_link *link = pgw_list_first(&w->sweeps), *next;

        for (; link; link = next) {
                struct pgw_sweep *s = sweep_of(link);
                next = pgw_list_next(&w->sweeps, link);
                if (s->run->lost || s->run->error || has_come_around(s))
                        leave(s);
        }
}

/* Draining: what is done is written down, the job stays in the queue for somebody else. */
static void part_with_all(struct pgw_worker *w)
{
        struct pgw_link *link = pgw_list_first(&w->sweeps), *next;

        for (; link; link = next) {
                struct pgw_sweep *s = sweep_of(link);
                struct pgw_run *run = s->run;
                next = pgw_list_next(&w->sweeps, link);
                if (s->placed)
                        pgw_sweep_say_progress(s->run);
                free_sweep(s);
                pgw_run_free(run);
        }
}

/* The pass has gone from `from` to `to`, or to the end of the circle when that is 0. */
static void extend(struct pgw_sweep *s, uint64_t from, uint64_t to)
{
        struct pgw_progress *p = &s->run->progress;

        if (!s->placed || p->at < from || (to && p->at > to))
                return;
        /* A table that became small is walked through in one slice, past the start as well. */
        p->at = to == 0 && p->wrapped ? p->start : to;
        p->wrapped = p->wrapped || to == 0;
}

static void commit(struct pgw_worker *w)
{
        struct pgw_pass *pass = &w->pass;
        const uint64_t now_ms = pgw_loop_now_ms(w->loop);
        const bool save = now_ms >= pass->saved_ms + PGW_SWEEP_SAVE_MS;
        struct pgw_link *link = pgw_list_first(&w->sweeps);

        pass->uncommitted = false;
        pass->failures = 0;
        for (; link; link = pgw_list_next(&w->sweeps, link)) {
                struct pgw_sweep *s = sweep_of(link);
                extend(s, pass->at, pass->next);
                s->run->progress.matched += s->slice_matched;
                s->slice_matched = 0;
                if (save && s->placed && !has_come_around(s))
                        pgw_sweep_say_progress(s->run);
        }
        pass->at = pass->next;
        if (save) {
                pass->saved_ms = now_ms;
                PGW_FAILPOINT("sweep.saved");
        }
        part_with_ended(w);
}

/* It will be done again. */
static void forget_slice(struct pgw_worker *w)
{
        struct pgw_link *link = pgw_list_first(&w->sweeps);

        w->pass.broken = PGW_OK;
        w->pass.uncommitted = false;
        for (; link; link = pgw_list_next(&w->sweeps, link))
                sweep_of(link)->slice_matched = 0;
}

/* A slice is over: all that it asked for was answered, or it broke. */
static void conclude(struct pgw_worker *w)
{
        struct pgw_pass *pass = &w->pass;

        if (pass->broken) {
                if (pass->awaited || pass->scanning)
                        return;
                PGW_LOG(PGW_LOG_WARN, "sweep.slice_failed",
                        PGW_L_STR("error", pgw_err_slug(pass->broken)));
                forget_slice(w);
                part_with_ended(w);
                rest(w);
                return;
        }
        if (pass->awaited || !pass->uncommitted)
                return;
        commit(w);
        pgw_sweep_pause_behind(w, pgw_mono_us() - pass->begun_us);
        go_on(w);
}

static void fail_all(struct pgw_worker *w, enum pgw_err err)
{
        struct pgw_link *link = pgw_list_first(&w->sweeps);

        for (; link; link = pgw_list_next(&w->sweeps, link))
                sweep_of(link)->run->error = err;
}

static void on_unlinked(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct chunk chunk = *(struct chunk *)ctx;
        struct pgw_worker *w = chunk.worker;

        pgw_free(ctx);
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        PGW_ASSERT(w->pass.awaited > 0);
        w->pass.awaited--;
        if (!err) {
                chunk.sweep->run->progress.removed += (uint64_t)pgw_reply_int(reply, 0);
        } else if (pgw_err_class(err) == PGW_CLASS_PERMANENT) {
                chunk.sweep->run->error = err;
        } else {
                w->pass.broken = err;
        }
        conclude(w);
}

static void flush_chunk(struct pgw_sweep *s)
{
        struct pgw_worker *w = s->run->worker;
        struct pgw_redis *node = w->links.sweep;

        if (s->chunk_count == 0)
                return;
        const size_t count = s->chunk_count;
        struct chunk *chunk = pgw_alloc(sizeof *chunk);
        *chunk = (struct chunk){w, s};
        s->chunk_count = 0;
        enum pgw_err err = pgw_effect_send(node, s->run, s->chunk, count, on_unlinked, chunk);
        if (err) {
                pgw_free(chunk);
                w->pass.broken = err;
                return;
        }
        w->pass.awaited++;
}

static bool is_matched(const struct pgw_sweep *s, struct pgw_str key)
{
        for (size_t i = 0; i < s->glob_count; i++)
                if (pgw_glob_match(s->globs[i], key))
                        return true;
        return false;
}

/* A key goes once, in the name of the first job that wants it gone; all count it as theirs. To
 * be cut short is something else, which each job says by itself. */
static void match(struct pgw_worker *w, struct pgw_str key)
{
        struct pgw_link *link = pgw_list_first(&w->sweeps);
        bool is_going = false;

        if (pgw_str_starts(key, PGW_STR(PGW_KEYS_OWN)))
                return;
        for (; link; link = pgw_list_next(&w->sweeps, link)) {
                struct pgw_sweep *s = sweep_of(link);
                if (!s->placed)
                        continue;
                if (!is_matched(s, key))
                        continue;
                s->slice_matched++;
                if (s->run->is_dry) {
                        pgw_effect_show(s->run, key);
                        continue;
                }
                if (is_going && !s->run->soft_ttl_ms)
                        continue;
                is_going = is_going || !s->run->soft_ttl_ms;
                s->chunk[s->chunk_count++] = key;
                if (s->chunk_count == pgw_effect_chunk(s->run))
                        flush_chunk(s);
        }
}

static void remove_matches(struct pgw_worker *w, const struct pgw_reply *keys)
{
        const struct pgw_reply *key = keys + 1;
        struct pgw_link *link;

        for (size_t i = 0; i < keys->count && !w->pass.broken; i++, key = pgw_reply_next(key))
                match(w, pgw_reply_str(key));
        for (link = pgw_list_first(&w->sweeps); link; link = pgw_list_next(&w->sweeps, link)) {
                if (w->pass.broken)
                        sweep_of(link)->chunk_count = 0;
                flush_chunk(sweep_of(link));
        }
}

/* What the node took for the slice, without the way there and back. */
static void adapt(struct pgw_pass *pass, uint64_t took_us)
{
        const uint64_t node_us = took_us > pass->way_us ? took_us - pass->way_us : 0;

        if (node_us > PGW_SWEEP_SLICE_US && pass->count > PGW_SWEEP_COUNT_MIN)
                pass->count =
                    pass->count / 2 < PGW_SWEEP_COUNT_MIN ? PGW_SWEEP_COUNT_MIN : pass->count / 2;
        else if (node_us < PGW_SWEEP_SLICE_US / 2 && pass->count < PGW_SWEEP_COUNT_MAX)
                pass->count =
                    pass->count * 2 > PGW_SWEEP_COUNT_MAX ? PGW_SWEEP_COUNT_MAX : pass->count * 2;
}

static bool has_newcomers(const struct pgw_worker *w)
{
        struct pgw_link *link = pgw_list_first(&w->sweeps);

        for (; link; link = pgw_list_next(&w->sweeps, link))
                if (!sweep_of(link)->placed)
                        return true;
        return false;
}

static void send_scan(struct pgw_worker *w);

static void on_scanned(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;
        struct pgw_pass *pass = &w->pass;
        uint64_t cursor;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        pass->scanning = false;
        const struct pgw_reply *keys = err ? NULL : pgw_reply_at(reply, 1);
        if (!err && (!keys || keys->type != PGW_REPLY_ARRAY ||
                     pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 0)), UINT64_MAX, &cursor)))
                err = PGW_E_REDIS_PROTOCOL;
        if (err && pgw_err_class(err) == PGW_CLASS_PERMANENT)
                fail_all(w, err);
        if (err)
                pass->broken = err;
        if (pass->broken) {
                conclude(w);
                return;
        }
        /* Answers come in order: those of the slice before this one are all there. */
        PGW_ASSERT(pass->awaited == 0 && !pass->uncommitted);
        adapt(pass, pgw_mono_us() - pass->begun_us);
        pgw_metric_add(PGW_M_SWEEP_SLICES, 1);
        pass->next = reversed(cursor);
        pass->uncommitted = true;
        remove_matches(w, keys);
        PGW_FAILPOINT("sweep.slice");
        /* With the whole node for us the next slice is on its way behind the removals. */
        if (w->conf.sweep_share == 100 && pass->awaited && !pass->broken && !w->draining &&
            !has_newcomers(w))
                send_scan(w);
        conclude(w);
}

/* With one pattern the node can spare us what does not match. */
static struct pgw_str only_pattern(const struct pgw_worker *w)
{
        struct pgw_link *link = pgw_list_first(&w->sweeps);

        if (!link || w->sweeps.count != 1 || sweep_of(link)->glob_count != 1)
                return (struct pgw_str){NULL, 0};
        return pgw_glob_text(sweep_of(link)->globs[0]);
}

static void send_scan(struct pgw_worker *w)
{
        struct pgw_pass *pass = &w->pass;
        struct pgw_redis *node = w->links.sweep;
        const struct pgw_str pattern = only_pattern(w);
        const uint64_t from = pass->uncommitted ? pass->next : pass->at;

        pass->begun_us = pgw_mono_us();
        pgw_redis_begin(node, pattern.p ? 6 : 4);
        pgw_redis_arg(node, PGW_STR("SCAN"));
        pgw_redis_arg_u64(node, reversed(from));
        pgw_redis_arg(node, PGW_STR("COUNT"));
        pgw_redis_arg_u64(node, pass->count);
        if (pattern.p) {
                pgw_redis_arg(node, PGW_STR("MATCH"));
                pgw_redis_arg(node, pattern);
        }
        if (pgw_redis_end(node, on_scanned, w))
                rest(w);
        else
                pass->scanning = true;
}

static void start_over(struct pgw_worker *w)
{
        struct pgw_link *link = pgw_list_first(&w->sweeps);

        for (; link; link = pgw_list_next(&w->sweeps, link)) {
                struct pgw_sweep *s = sweep_of(link);
                s->run->progress.start = s->run->progress.at = 0;
                s->run->progress.wrapped = false;
                s->placed = false;
        }
        w->pass.at = 0;
        pgw_tag_sweep_start_over(w);
}

static void on_identity(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;
        struct pgw_pass *pass = &w->pass;
        struct pgw_str id = {NULL, 0}, tail;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        pass->asking = false;
        if (!reply) {
                rest(w);
                pgw_tag_sweep_go_on(w);
                return;
        }
        /* Who may not ask INFO cannot tell a restart, so there no cursor outlives its link. */
        if (!err && pgw_str_find(pgw_reply_str(reply), PGW_STR("run_id:"), &tail) &&
            (!pgw_str_cut(tail, '\r', &id, &tail) || id.n >= sizeof pass->node))
                id = (struct pgw_str){NULL, 0};
        if (id.n == 0 || !pgw_str_eq_z(id, pass->node)) {
                if (pass->node[0])
                        PGW_LOG(PGW_LOG_WARN, "sweep.started_over",
                                PGW_L_INT("jobs", (int64_t)pgw_worker_sweeps(w)));
                if (id.n)
                        memcpy(pass->node, id.p, id.n);
                pass->node[id.n] = '\0';
                start_over(w);
        }
        pass->way_us = pgw_mono_us() - pass->begun_us;
        pass->identified = true;
        go_on(w);
        pgw_tag_sweep_go_on(w);
}

bool pgw_sweep_knows_node(struct pgw_worker *w)
{
        struct pgw_pass *pass = &w->pass;

        if (pass->identified || pass->asking)
                return pass->identified;
        pass->begun_us = pgw_mono_us();
        if (pgw_redis_say(w->links.sweep, on_identity, w, "INFO", "server", NULL))
                rest(w);
        else
                pass->asking = true;
        return false;
}

/* Newcomers join where the pass is, or, when it stands still, it goes to where they were. */
static void place_newcomers(struct pgw_worker *w)
{
        struct pgw_pass *pass = &w->pass;
        struct pgw_link *link;
        bool is_moving = false;

        for (link = pgw_list_first(&w->sweeps); link; link = pgw_list_next(&w->sweeps, link))
                is_moving = is_moving || sweep_of(link)->placed;
        for (link = pgw_list_first(&w->sweeps); link; link = pgw_list_next(&w->sweeps, link)) {
                struct pgw_sweep *s = sweep_of(link);
                if (s->placed)
                        continue;
                const bool is_known =
                    pass->node[0] && strcmp(s->run->progress.node, pass->node) == 0;
                if (is_known && !is_moving)
                        pass->at = s->run->progress.at;
                if (!is_known) {
                        memcpy(s->run->progress.node, pass->node, sizeof s->run->progress.node);
                        s->run->progress.start = s->run->progress.at = pass->at;
                        s->run->progress.wrapped = false;
                }
                s->placed = is_moving = true;
        }
}

static void step(struct pgw_deferred *d)
{
        struct pgw_worker *w = PGW_CONTAINER(d, struct pgw_worker, pass.step);
        struct pgw_pass *pass = &w->pass;

        if (pass->scanning || pass->awaited || pgw_timer_is_armed(&pass->timer))
                return;
        if (w->draining) {
                part_with_all(w);
                return;
        }
        part_with_ended(w);
        if (w->sweeps.count == 0 || !pgw_redis_is_ready(w->links.sweep))
                return;
        if (!pgw_sweep_knows_node(w))
                return;
        if (pgw_sweep_must_wait(w, &pass->timer))
                return;
        place_newcomers(w);
        send_scan(w);
}

static void on_timer(struct pgw_timer *timer)
{
        struct pgw_worker *w = PGW_CONTAINER(timer, struct pgw_worker, pass.timer);

        go_on(w);
        pgw_tag_sweep_go_on(w); /* which may wait for the node's name too */
}

void pgw_sweep_add(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;
        struct pgw_str patterns = run->patterns, pattern;
        struct pgw_sweep *s = pgw_alloc(sizeof *s + run->pattern_count * sizeof s->globs[0]);

        s->run = run;
        run->sweep = s;
        while (patterns.n) {
                PGW_ASSERT(pgw_keys_next(&patterns, &pattern) == PGW_OK);
                s->globs[s->glob_count++] = pgw_glob_new(pattern);
        }
        pgw_list_append(&w->sweeps, &s->link);
        go_on(w);
}

void pgw_sweep_go_on(struct pgw_worker *w)
{
        if (!pgw_redis_is_ready(w->links.sweep))
                w->pass.identified = false;
        go_on(w);
}

void pgw_sweep_forget(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;

        /* Left behind, it expires. */
        if (run->is_written &&
            pgw_progress_forget(w->links.broker, w->keyspace, &run->id, on_said, w))
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
}

void pgw_sweep_init(struct pgw_worker *w)
{
        pgw_list_init(&w->sweeps);
        w->pass.count = PGW_SWEEP_COUNT_MIN;
        pgw_deferred_init(&w->pass.step, step);
        pgw_timer_init(&w->pass.timer, on_timer);
}

void pgw_sweep_fini(struct pgw_worker *w)
{
        struct pgw_link *link;

        pgw_loop_undefer(w->loop, &w->pass.step);
        pgw_timer_disarm(w->loop, &w->pass.timer);
        while ((link = pgw_list_first(&w->sweeps)))
                free_sweep(sweep_of(link));
}
