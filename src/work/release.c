/* Letting go of jobs that were not done.
 *
 * First the result says that the job is waiting for its next try, fenced like every result; then
 * its entry becomes a record that waits beside the queue, or lies among the dead letters, and is
 * acknowledged in the same call (lua/release.lua). A worker that dies before that leaves a
 * pending entry, one that dies behind it a record: nothing in between. The order also keeps what
 * can be read of the job from going back: until it is acknowledged it is running, from then on
 * retrying.
 *
 * A dead letter that finds no room is not dropped: its job goes on being tried, whatever it was
 * that failed.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "domain/history.h"
#include "domain/script.h"
#include "work/worker_priv.h"

#define PGW_RELEASE_KEYS_MAX (128u << 20)

/* A job that waits must not lose its fence to the expiry of a result. */
#define PGW_RELEASE_NOTE_TTL_S 86400

static void rest(struct pgw_worker *w)
{
        if (!pgw_timer_is_armed(&w->release_timer))
                pgw_timer_arm(w->loop, &w->release_timer,
                              pgw_loop_now_ms(w->loop) +
                                  pgw_worker_pause_ms(w->release_failures++));
}

/* ---- the record ---- */

struct change {
        struct pgw_str name, value;
};

enum { CHANGES_MAX = 14 };

struct texts {
        char id[PGW_JOB_ID_SIZE], attempts[20], used[20], waited[20], since[20], requested[20];
        char targets[PGW_TARGETS_MAX * (PGW_TARGET_NAME_MAX + 1)];
        char outcomes[PGW_OUTCOMES_TEXT_MAX];
        struct pgw_buf history;
        struct pgw_str sum; /* empty: nothing of the selectors is left out */
        struct change changes[CHANGES_MAX];
        size_t count;
};

static bool is_undone(const struct pgw_part *part)
{
        return part->stopped || part->error;
}

static void change(struct texts *t, const char *name, struct pgw_str value)
{
        PGW_ASSERT(t->count < CHANGES_MAX);
        t->changes[t->count++] = (struct change){pgw_str_z(name), value};
}

static struct pgw_str number(char out[20], uint64_t value)
{
        return pgw_str_of(out, pgw_u64_text(value, out));
}

static bool has_stopped(const struct pgw_run *run)
{
        for (size_t i = 0; i < run->part_count; i++)
                if (run->parts[i].stopped)
                        return true;
        return false;
}

/* Of what cannot be read nothing is known but its name. */
static bool is_readable(const struct pgw_run *run)
{
        return run->part_count || run->error != PGW_E_CODEC;
}

/* The targets that are to be visited again: those that were stopped, or where none was those that
 * failed. All of them when it never began. */
static struct pgw_str targets_left(const struct pgw_run *run, struct texts *t)
{
        pgw_target_set stopped = 0, undone = 0, all = 0;

        for (size_t i = 0; i < run->part_count; i++) {
                const pgw_target_set one = (pgw_target_set)1 << run->parts[i].target->index;
                stopped |= run->parts[i].stopped ? one : 0;
                undone |= is_undone(&run->parts[i]) ? one : 0;
                all |= one;
        }
        if (run->fate != PGW_FATE_BURIED && stopped)
                undone = stopped;
        return pgw_target_names(run, undone ? undone : all, t->targets, sizeof t->targets);
}

static void write_history(const struct pgw_run *run, struct texts *t)
{
        struct pgw_failure f = {.attempt = run->attempt, .at_ms = pgw_wall_ms()};
        size_t count = 0;

        for (size_t i = 0; i < run->part_count; i++)
                count += is_undone(&run->parts[i]);
        enum pgw_err err = pgw_history_keep(&t->history, run->history, count ? count : 1);
        for (size_t i = 0; i < run->part_count && !err; i++) {
                const struct pgw_part *part = &run->parts[i];
                if (!is_undone(part))
                        continue;
                f.target = pgw_str_z(part->target->conf.name);
                f.error = part->error ? part->error : part->stopped;
                err = pgw_history_add(&t->history, &f);
        }
        if (!err && count == 0) {
                f.target = PGW_STR("-");
                f.error = run->error;
                err = pgw_history_add(&t->history, &f);
        }
        if (err)
                PGW_LOG(PGW_LOG_WARN, "job.history_cut", PGW_L_STR("error", pgw_err_slug(err)));
}

static bool all_stopped_have(const struct pgw_run *run, bool (*done)(const struct pgw_part *))
{
        for (size_t i = 0; i < run->part_count; i++)
                if (is_undone(&run->parts[i]) && !done(&run->parts[i]))
                        return false;
        return run->part_count > 0;
}

static bool patterns_done(const struct pgw_part *part)
{
        return part->patterns_done;
}

static bool tags_done(const struct pgw_part *part)
{
        return part->tags_done;
}

/* What is left of it. A letter keeps all of its job: whoever brings it back means the whole. So
 * does what only finds no room for its letter. */
static void change_selectors(struct pgw_run *run, struct texts *t)
{
        if (run->fate == PGW_FATE_BURIED || run->pass || !has_stopped(run))
                return;
        const struct pgw_str left = pgw_outcome_left(run);
        if (left.n != run->keys.n)
                change(t, "k", left);
        if (run->pattern_count && all_stopped_have(run, patterns_done))
                change(t, "p", PGW_STR(""));
        if (run->tag_count && all_stopped_have(run, tags_done))
                change(t, "g", PGW_STR(""));
        if (t->count)
                t->sum = pgw_record_sum(run);
        if (t->sum.n)
                change(t, "S", t->sum);
}

static void list_changes(struct pgw_run *run, struct texts *t)
{
        t->count = 0;
        t->sum = PGW_STR("");
        pgw_buf_init(&t->history, PGW_HISTORY_BYTES_MAX);
        change_selectors(run, t);
        if (!run->pass) {
                pgw_job_id_text(&run->job, t->id);
                change(t, "j", pgw_str_of(t->id, sizeof t->id));
        }
        change(t, "e", number(t->attempts, run->attempt));
        /* Under our version it might be read next time, and something else be done than it says. */
        if (is_readable(run) || run->fate == PGW_FATE_BURIED) {
                change(t, "v", PGW_STR(PGW_INVALIDATION_VERSION_SELECTORS));
                change(t, "u", number(t->used, run->tries.used));
                change(t, "z", number(t->waited, run->tries.waited));
                change(t, "f", number(t->since, run->since_ms));
                change(t, "i", number(t->requested, run->selector_count));
        }
        if (run->part_count) {
                change(t, "x", targets_left(run, t));
                change(t, "y", pgw_str_of(t->outcomes, pgw_outcome_text(run, t->outcomes)));
        }
        write_history(run, t);
        change(t, "l", pgw_buf_str(&t->history));
}

/* ---- letting go ---- */

static void free_waiting(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;

        pgw_run_free(run);
        pgw_take_more(w);
}

/* Where it failed nothing of it is left out of its next try, which counts all of it. */
static void count_anew(struct pgw_run *run)
{
        bool has_failed = false;

        for (size_t i = 0; i < run->part_count; i++)
                has_failed = has_failed || run->parts[i].error;
        for (size_t i = 0; i < run->part_count; i++)
                if (run->parts[i].error || !has_failed)
                        run->parts[i].removed = run->parts[i].missing = 0;
}

static void refuse_letter(struct pgw_run *run)
{
        pgw_metric_add(PGW_M_DEAD_REFUSED, 1);
        run->fate = PGW_FATE_AGAIN;
        run->pause_ms = run->worker->conf.retry.cap_ms;
        if (run->has_begun && !has_stopped(run))
                count_anew(run);
        pgw_release_add(run);
}

/* Its place in the queue is kept by the record now, or by nobody. */
static void take_verdict(struct pgw_run *run, int64_t verdict)
{
        struct pgw_worker *w = run->worker;

        switch (verdict) {
        case 0:
                pgw_run_lose(run);
                pgw_take_more(w);
                return;
        case 2:
                refuse_letter(run);
                return;
        case 3:
                run->state = PGW_JOB_FAILED;
                run->error = PGW_E_CODEC;
                pgw_metric_add(PGW_M_ENTRIES_VANISHED, 1);
                break;
        case 4:
                pgw_fate_cancel(run);
                return;
        default:
                if (run->fate != PGW_FATE_BURIED) {
                        free_waiting(run);
                        return;
                }
                run->acknowledged = true;
                break;
        }
        pgw_outcome_sum_up(run);
        pgw_settle_add(run);
}

static void on_released(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_run *run = ctx;
        struct pgw_worker *w = run->worker;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        PGW_FAILPOINT("release.after");
        if (err) {
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
                pgw_list_append(&w->to_release, &run->stage);
                rest(w);
                return;
        }
        w->release_failures = 0;
        take_verdict(run, pgw_reply_int(reply, 0));
}

static enum pgw_err send_release(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;
        struct pgw_redis *r = w->links.broker;
        const bool is_buried = run->fate == PGW_FATE_BURIED;
        char set[PGW_STREAM_KEY_MAX], hash[PGW_STREAM_KEY_MAX], entry[PGW_ENTRY_ID_SIZE],
            member[1 + PGW_JOB_ID_SIZE], other[PGW_STREAM_KEY_MAX];
        struct texts t;

        list_changes(run, &t);
        member[0] = '@';
        pgw_job_id_text(&run->job, member + 1);
        const struct pgw_str id = run->pass ? PGW_STR("") : pgw_str_of(member + 1, PGW_JOB_ID_SIZE);
        pgw_script_begin(r, PGW_SCRIPT_RELEASE, 6, 11 + 2 * t.count);
        pgw_redis_arg(r, pgw_keyspace_stream(w->keyspace, run->id.lane));
        pgw_redis_arg(r, is_buried ? pgw_keyspace_dead_at(w->keyspace, set)
                                   : pgw_keyspace_scheduled(w->keyspace, set));
        pgw_redis_arg(r, is_buried ? pgw_keyspace_dead(w->keyspace, hash)
                                   : pgw_keyspace_later(w->keyspace, hash));
        pgw_redis_arg(r, pgw_keyspace_audit(w->keyspace, other));
        pgw_redis_arg(r, pgw_keyspace_later(w->keyspace, other));
        pgw_redis_arg(r, pgw_keyspace_cancelled(w->keyspace, other));
        pgw_redis_arg(r, PGW_STR(PGW_GROUP));
        pgw_redis_arg(r, pgw_str_of(entry, pgw_entry_id_text(run->id.entry, entry)));
        pgw_redis_arg(r, pgw_str_z(w->conf.consumer));
        pgw_redis_arg_u64(r, run->deliveries);
        pgw_redis_arg_u64(r, (uint64_t)run->id.lane);
        pgw_redis_arg(r, id);
        pgw_redis_arg(r, is_buried ? id : pgw_str_of(member, sizeof member));
        pgw_redis_arg_u64(r, is_buried ? 0 : run->pause_ms);
        if (is_buried)
                pgw_redis_arg_u64(r, w->conf.dead_max);
        else
                pgw_redis_arg(r, PGW_STR(""));
        pgw_audit_args(r, &w->conf.audit, is_buried ? pgw_record_of(run) : NULL);
        for (size_t i = 0; i < t.count; i++) {
                pgw_redis_arg(r, t.changes[i].name);
                pgw_redis_arg(r, t.changes[i].value);
        }
        enum pgw_err err = pgw_redis_end(r, on_released, run);
        pgw_buf_fini(&t.history);
        return err;
}

static void release_now(struct pgw_run *run)
{
        if (!send_release(run))
                return;
        pgw_list_append(&run->worker->to_release, &run->stage);
        rest(run->worker);
}

static void on_noted(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_run *run = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (!err && pgw_reply_int(reply, 1) == 0)
                run->lost = true;
        /* A result that cannot be written now keeps nobody from waiting. */
        if (err)
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
        if (run->lost) {
                struct pgw_worker *w = run->worker;
                pgw_run_lose(run);
                pgw_take_more(w);
        } else {
                release_now(run);
        }
}

static enum pgw_err why(const struct pgw_run *run)
{
        for (size_t i = 0; i < run->part_count; i++)
                if (run->parts[i].stopped && run->parts[i].stopped != PGW_E_DRAINING)
                        return run->parts[i].stopped;
        return run->error;
}

static void note_and_release(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;
        struct pgw_redis *r = w->links.results;
        char key[PGW_RESULT_KEY_MAX];
        uint64_t removed = 0, missing = 0;

        if (run->pass) {
                release_now(run);
                return;
        }
        for (size_t i = 0; i < run->part_count; i++) {
                removed += run->parts[i].removed;
                missing += run->parts[i].missing;
        }
        pgw_script_begin(r, PGW_SCRIPT_NOTE, 1, 8);
        pgw_redis_arg(r, pgw_keyspace_result(w->keyspace, &run->name, key));
        pgw_redis_arg_u64(r, run->attempt);
        pgw_redis_arg_u64(r, run->started_ms);
        pgw_redis_arg_u64(r, pgw_wall_ms() + run->pause_ms);
        pgw_redis_arg(r, pgw_str_z(why(run) ? pgw_err_slug(why(run)) : ""));
        pgw_redis_arg_u64(r, run->selector_count);
        pgw_redis_arg_u64(r, removed);
        pgw_redis_arg_u64(r, missing);
        pgw_redis_arg_u64(r, PGW_RELEASE_NOTE_TTL_S);
        if (pgw_redis_end(r, on_noted, run))
                release_now(run);
}

static void on_scheduled(struct pgw_passes *passes)
{
        struct pgw_run *run = PGW_CONTAINER(passes, struct pgw_run, passes);

        if (passes->refused == PGW_E_REDIS_CANCELLED)
                return;
        if (passes->refused) {
                pgw_list_append(&run->worker->to_release, &run->stage);
                rest(run->worker);
                return;
        }
        run->is_scheduled = true;
        note_and_release(run);
}

/* What its record will not name any more. */
static void schedule_what_was_done(struct pgw_run *run)
{
        struct pgw_buf keys;
        struct pgw_done what = {.keys = {NULL, 0}};

        pgw_buf_init(&keys, PGW_RELEASE_KEYS_MAX);
        if (run->pass == 0 && has_stopped(run)) {
                pgw_outcome_done(run, &keys);
                what.keys = pgw_buf_str(&keys);
                what.has_patterns = run->pattern_count && all_stopped_have(run, patterns_done);
                what.has_tags = run->tag_count && all_stopped_have(run, tags_done);
        }
        pgw_passes_schedule_part(&run->passes, run, &what, on_scheduled);
        pgw_buf_fini(&keys);
}

/* A letter keeps all of its job, and what was done of it is repeated when it is settled. */
static void begin_release(struct pgw_run *run)
{
        if (run->fate == PGW_FATE_BURIED)
                release_now(run);
        else if (run->is_scheduled)
                note_and_release(run);
        else
                schedule_what_was_done(run);
}

static void release(struct pgw_deferred *d)
{
        struct pgw_worker *w = PGW_CONTAINER(d, struct pgw_worker, release);
        struct pgw_link *link;

        while (!pgw_timer_is_armed(&w->release_timer) && pgw_redis_is_ready(w->links.broker) &&
               (link = pgw_list_first(&w->to_release))) {
                pgw_list_remove(&w->to_release, link);
                begin_release(PGW_CONTAINER(link, struct pgw_run, stage));
        }
}

static void on_release_timer(struct pgw_timer *timer)
{
        pgw_release_go_on(PGW_CONTAINER(timer, struct pgw_worker, release_timer));
}

void pgw_release_go_on(struct pgw_worker *w)
{
        if (w->to_release.count)
                pgw_loop_defer(w->loop, &w->release);
}

void pgw_release_add(struct pgw_run *run)
{
        pgw_list_append(&run->worker->to_release, &run->stage);
        pgw_release_go_on(run->worker);
}

void pgw_release_init(struct pgw_worker *w)
{
        pgw_deferred_init(&w->release, release);
        pgw_timer_init(&w->release_timer, on_release_timer);
}

void pgw_release_fini(struct pgw_worker *w)
{
        pgw_loop_undefer(w->loop, &w->release);
        pgw_timer_disarm(w->loop, &w->release_timer);
}
