/* Ending jobs: what is to follow is scheduled, then comes the result, then the acknowledgement,
 * many jobs in one call. Where there is an audit the acknowledgement writes the job's record, in
 * the same script, whichever that is.
 *
 * When the results live beside the queue one script does both and is atomic. Else the
 * script writes the results, and those it settled are acknowledged after it; a worker
 * that dies in between leaves a finished result with a pending entry, which the next
 * attempt finds and acknowledges.
 *
 * A result backend that is out of memory must not stop the queue: the jobs are
 * acknowledged first, their results are tried for a while, and a result that still has
 * no room is given up and counted; its job was done.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "domain/later.h"
#include "domain/script.h"
#include "work/worker_priv.h"

#define PGW_SETTLE_ARGS          13
#define PGW_SETTLE_TRIES_REFUSED 20

struct batch {
        struct pgw_worker *worker;
        enum pgw_lane lane;
        uint64_t begun_us;
        bool is_repeated;         /* later passes, which have no result */
        struct pgw_passes passes; /* nothing is settled before what follows is scheduled */
        size_t count;
        struct pgw_run *runs[PGW_SETTLE_BATCH_MAX];
};

static void on_acknowledged(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        (void)reply;
        /* What stays pending is taken over, found finished, and acknowledged then. */
        if (err)
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
}

static void acknowledge(struct pgw_worker *w, enum pgw_lane lane, struct pgw_run *const *runs,
                        size_t count)
{
        struct pgw_redis *broker = w->links.broker;
        char id[PGW_ENTRY_ID_SIZE];

        pgw_redis_begin(broker, 3 + count);
        pgw_redis_arg(broker, PGW_STR("XACK"));
        pgw_redis_arg(broker, pgw_keyspace_stream(w->keyspace, lane));
        pgw_redis_arg(broker, PGW_STR(PGW_GROUP));
        for (size_t i = 0; i < count; i++)
                pgw_redis_arg(broker, pgw_str_of(id, pgw_entry_id_text(runs[i]->id.entry, id)));
        if (pgw_redis_end(broker, on_acknowledged, w))
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
}

static void on_forgotten(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        (void)reply;
        if (err)
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
}

/* Where the entry of a job that was put off lies need not be known any more. Before it is
 * acknowledged: what stays pending is taken over, and then this is said again. */
static void forget_place(const struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;

        if (run->has_place &&
            pgw_later_forget(w->links.broker, w->keyspace, &run->name, on_forgotten, w))
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
}

/* Jobs whose results live elsewhere leave the queue, and are written down in the audit. */
static void acknowledge_ended(struct pgw_worker *w, enum pgw_lane lane, struct pgw_run *const *runs,
                              size_t count)
{
        struct pgw_redis *broker = w->links.broker;
        char id[PGW_ENTRY_ID_SIZE], audit[PGW_STREAM_KEY_MAX];

        for (size_t i = 0; i < count; i++)
                forget_place(runs[i]);
        if (!pgw_record_is_on(w)) {
                acknowledge(w, lane, runs, count);
                return;
        }
        pgw_script_begin(broker, PGW_SCRIPT_ACK, 2, 2 + 2 * count);
        pgw_redis_arg(broker, pgw_keyspace_stream(w->keyspace, lane));
        pgw_redis_arg(broker, pgw_keyspace_audit(w->keyspace, audit));
        pgw_redis_arg(broker, PGW_STR(PGW_GROUP));
        pgw_redis_arg_u64(broker, w->conf.audit.max);
        for (size_t i = 0; i < count; i++) {
                pgw_redis_arg(broker, pgw_str_of(id, pgw_entry_id_text(runs[i]->id.entry, id)));
                pgw_redis_arg(broker, pgw_buf_str(pgw_record_of(runs[i])));
        }
        if (pgw_redis_end(broker, on_acknowledged, w))
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
}

static void count_end(const struct pgw_run *run)
{
        static const enum pgw_counter ends[PGW_JOB_STATE_COUNT] = {
            [PGW_JOB_SUCCEEDED] = PGW_M_JOBS_SUCCEEDED,
            [PGW_JOB_FAILED] = PGW_M_JOBS_FAILED,
            [PGW_JOB_DEAD] = PGW_M_JOBS_DEAD,
            [PGW_JOB_CANCELLED] = PGW_M_JOBS_CANCELLED,
        };

        /* Of one that had ended before it was taken over nothing may be known but that. */
        if (pgw_job_state_is_terminal(run->state))
                pgw_metric_add(ends[run->state], 1);
        pgw_metric_add(PGW_M_KEYS_REMOVED, run->removed);
        pgw_metric_add(PGW_M_KEYS_MISSING, run->missing);
        pgw_metric_observe_us(PGW_H_EXECUTION, pgw_mono_us() - run->taken_us);
}

static void take_verdicts(struct batch *b, const struct pgw_reply *reply)
{
        struct pgw_worker *w = b->worker;
        struct pgw_run *settled[PGW_SETTLE_BATCH_MAX];
        size_t count = 0;

        for (size_t i = 0; i < b->count; i++) {
                struct pgw_run *run = b->runs[i];
                if (pgw_reply_int(pgw_reply_at(reply, i), 0) == 1) {
                        count_end(run);
                        pgw_sweep_forget(run);
                        if (!run->acknowledged)
                                settled[count++] = run;
                } else {
                        pgw_metric_add(PGW_M_LATE_WRITES_REFUSED, 1);
                }
        }
        PGW_FAILPOINT("settle.after");
        if (count && !w->conf.results_beside)
                acknowledge_ended(w, b->lane, settled, count);
        for (size_t i = 0; i < b->count; i++)
                pgw_run_free(b->runs[i]);
}

static void rest(struct pgw_worker *w)
{
        if (!pgw_timer_is_armed(&w->settle_timer))
                pgw_timer_arm(w->loop, &w->settle_timer,
                              pgw_loop_now_ms(w->loop) + pgw_worker_pause_ms(w->settle_failures++));
}

static void give_up(struct pgw_run *run, enum pgw_err err)
{
        char id[PGW_JOB_ID_SIZE];

        pgw_job_id_text(&run->name, id);
        PGW_LOG(PGW_LOG_ERROR, "job.result_lost", PGW_L_BYTES("job_id", id, sizeof id),
                PGW_L_STR("error", pgw_err_slug(err)));
        pgw_metric_add(PGW_M_RESULTS_LOST, 1);
        count_end(run);
        pgw_run_free(run);
}

/* The results could not be written: acknowledge when it is for want of room, keep trying. */
static void take_failure(struct batch *b, enum pgw_err err)
{
        struct pgw_worker *w = b->worker;
        const bool refused = pgw_err_class(err) == PGW_CLASS_REFUSED;
        struct pgw_run *to_ack[PGW_SETTLE_BATCH_MAX];
        size_t ack_count = 0;

        pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
        for (size_t i = 0; i < b->count; i++) {
                struct pgw_run *run = b->runs[i];
                if (refused && !run->acknowledged && err == PGW_E_REDIS_OOM)
                        to_ack[ack_count++] = run;
                if (refused)
                        run->settle_failures++;
        }
        if (ack_count)
                acknowledge_ended(w, b->lane, to_ack, ack_count);
        for (size_t i = 0; i < ack_count; i++)
                to_ack[i]->acknowledged = true;
        for (size_t i = 0; i < b->count; i++) {
                struct pgw_run *run = b->runs[i];
                if (run->acknowledged && run->settle_failures > PGW_SETTLE_TRIES_REFUSED)
                        give_up(run, err);
                else
                        pgw_list_append(&w->to_settle, &run->stage);
        }
        rest(w);
}

static void on_settled(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct batch *b = ctx;
        struct pgw_worker *w = b->worker;

        if (err == PGW_E_REDIS_CANCELLED) {
                pgw_free(b); /* the worker ends; its list still owns the runs */
                return;
        }
        if (reply && err && pgw_err_class(err) == PGW_CLASS_PERMANENT)
                PGW_LOG(PGW_LOG_ERROR, "worker.settle_failed",
                        PGW_L_STR("error", pgw_err_slug(err)),
                        PGW_L_BYTES("detail", reply->str.p, reply->str.n));
        if (!err && (!reply || reply->type != PGW_REPLY_ARRAY || reply->count != b->count))
                err = PGW_E_REDIS_PROTOCOL;
        if (err) {
                take_failure(b, err);
        } else {
                w->settle_failures = 0;
                pgw_metric_observe_us(PGW_H_BATCH, pgw_mono_us() - b->begun_us);
                take_verdicts(b, reply);
        }
        pgw_free(b);
        pgw_take_more(w);
        pgw_settle_go_on(w);
}

/* When it is repeated, where that is most often; NULL: nowhere. */
static const struct pgw_rebounds *longest_rebounds(const struct pgw_run *run)
{
        const struct pgw_rebounds *longest = NULL;

        for (size_t i = 0; i < run->part_count; i++) {
                const struct pgw_rebounds *r = pgw_part_rebounds(&run->parts[i]);
                if (!run->parts[i].error && !run->parts[i].stopped && pgw_run_next_pass(run, r) &&
                    (!longest || r->count > longest->count))
                        longest = r;
        }
        return longest;
}

static void say_run(struct pgw_redis *r, const struct pgw_run *run)
{
        char id[PGW_ENTRY_ID_SIZE], times[PGW_REBOUNDS_TEXT_MAX], targets[PGW_OUTCOMES_TEXT_MAX],
            job[PGW_JOB_ID_SIZE];

        pgw_redis_arg(r, pgw_str_of(id, pgw_entry_id_text(run->id.entry, id)));
        pgw_redis_arg_u64(r, run->attempt);
        pgw_redis_arg(r, pgw_str_z(pgw_job_state_word(run->state)));
        pgw_redis_arg_u64(r, run->started_ms);
        pgw_redis_arg_u64(r, run->selector_count);
        pgw_redis_arg_u64(r, run->removed);
        pgw_redis_arg_u64(r, run->missing);
        pgw_redis_arg(r, pgw_str_z(run->error ? pgw_err_slug(run->error) : ""));
        if (run->pattern_count + run->tag_count || run->is_dry)
                pgw_redis_arg_u64(r, run->matched);
        else
                pgw_redis_arg(r, PGW_STR(""));
        const struct pgw_rebounds *rebounds = longest_rebounds(run);
        pgw_redis_arg(r, rebounds ? pgw_rebounds_text(rebounds, times) : PGW_STR(""));
        pgw_redis_arg(r, pgw_buf_str(&run->sample));
        /* When there is more than one to tell apart. */
        const bool has_several = run->worker->target_count > 1;
        pgw_redis_arg(r, pgw_str_of(targets, has_several ? pgw_outcome_text(run, targets) : 0));
        pgw_job_id_text(&run->name, job);
        pgw_redis_arg(r, pgw_str_of(job, run->has_place ? sizeof job : 0));
}

/* Some of them may be out of the queue already: each must be asked for by itself. */
static bool was_sent(struct batch *b)
{
        bool was = false;

        for (size_t i = 0; i < b->count; i++) {
                was = was || b->runs[i]->settle_sent || b->runs[i]->acknowledged;
                b->runs[i]->settle_sent = true;
        }
        return was;
}

static enum pgw_err say_batch(struct pgw_redis *r, struct batch *b, bool has_audit)
{
        struct pgw_worker *w = b->worker;

        pgw_redis_arg_u64(r, b->count);
        pgw_redis_arg_u64(r, w->conf.result_ttl_s);
        pgw_redis_arg(r, w->conf.results_beside ? PGW_STR(PGW_GROUP) : PGW_STR(""));
        if (has_audit)
                pgw_redis_arg_u64(r, w->conf.audit.max);
        else
                pgw_redis_arg(r, PGW_STR(""));
        pgw_redis_arg(r, has_audit && was_sent(b) ? PGW_STR("1") : PGW_STR(""));
        for (size_t i = 0; i < b->count; i++) {
                say_run(r, b->runs[i]);
                if (has_audit)
                        pgw_redis_arg(r, pgw_buf_str(pgw_record_of(b->runs[i])));
        }
        return pgw_redis_end(r, on_settled, b);
}

static enum pgw_err send_batch(struct batch *b)
{
        struct pgw_worker *w = b->worker;
        struct pgw_redis *r = w->links.results;
        const bool beside = w->conf.results_beside, has_audit = beside && pgw_record_is_on(w);
        char key[PGW_RESULT_KEY_MAX];

        pgw_script_begin(r, PGW_SCRIPT_SETTLE, b->count + (beside ? 3u : 0u),
                         5 + (PGW_SETTLE_ARGS + (has_audit ? 1u : 0u)) * b->count);
        for (size_t i = 0; i < b->count; i++)
                pgw_redis_arg(r, pgw_keyspace_result(w->keyspace, &b->runs[i]->name, key));
        if (beside) {
                pgw_redis_arg(r, pgw_keyspace_stream(w->keyspace, b->lane));
                pgw_redis_arg(r, pgw_keyspace_audit(w->keyspace, key));
                pgw_redis_arg(r, pgw_keyspace_later(w->keyspace, key));
        }
        return say_batch(r, b, has_audit);
}

/* ---- what follows ---- */

static void put_back(struct batch *b)
{
        struct pgw_worker *w = b->worker;

        for (size_t i = 0; i < b->count; i++)
                pgw_list_append(&w->to_settle, &b->runs[i]->stage);
        pgw_free(b);
        rest(w);
}

static void end_repeated(struct batch *b)
{
        struct pgw_worker *w = b->worker;

        acknowledge(w, b->lane, b->runs, b->count);
        for (size_t i = 0; i < b->count; i++) {
                pgw_metric_add(PGW_M_REBOUND_KEYS, b->runs[i]->removed);
                pgw_sweep_forget(b->runs[i]);
                pgw_run_free(b->runs[i]);
        }
        pgw_free(b);
        pgw_take_more(w);
}

static void go_on_with(struct batch *b)
{
        if (b->is_repeated && !b->passes.refused)
                end_repeated(b);
        else if (b->passes.refused || send_batch(b))
                put_back(b);
}

static void on_scheduled(struct pgw_passes *passes)
{
        struct batch *b = PGW_CONTAINER(passes, struct batch, passes);

        if (passes->refused == PGW_E_REDIS_CANCELLED) {
                pgw_free(b); /* the worker ends; its list still owns the runs */
                return;
        }
        /* However often the results have to be written. */
        for (size_t i = 0; i < b->count && !passes->refused; i++)
                b->runs[i]->is_scheduled = true;
        go_on_with(b);
}

/* The runs of one lane at the front of the list; the others wait for their own batch. */
static struct batch *next_batch(struct pgw_worker *w)
{
        struct pgw_link *link = pgw_list_first(&w->to_settle), *next;
        struct batch *b = pgw_alloc(sizeof *b);

        b->worker = w;
        b->begun_us = pgw_mono_us();
        b->lane = PGW_CONTAINER(link, struct pgw_run, stage)->id.lane;
        b->is_repeated = PGW_CONTAINER(link, struct pgw_run, stage)->pass > 0;
        for (; link && b->count < PGW_SETTLE_BATCH_MAX; link = next) {
                struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, stage);
                next = pgw_list_next(&w->to_settle, link);
                if (run->id.lane != b->lane || (run->pass > 0) != b->is_repeated)
                        continue;
                pgw_list_remove(&w->to_settle, link);
                b->runs[b->count++] = run;
        }
        return b;
}

static void schedule_passes(struct batch *b)
{
        pgw_passes_schedule(&b->passes, b->worker, b->runs, b->count, on_scheduled);
}

static void settle(struct pgw_deferred *d)
{
        struct pgw_worker *w = PGW_CONTAINER(d, struct pgw_worker, settle);

        while (w->to_settle.count && !pgw_timer_is_armed(&w->settle_timer) &&
               pgw_redis_is_ready(w->links.results))
                schedule_passes(next_batch(w));
}

static void on_settle_timer(struct pgw_timer *timer)
{
        pgw_settle_go_on(PGW_CONTAINER(timer, struct pgw_worker, settle_timer));
}

void pgw_settle_go_on(struct pgw_worker *w)
{
        if (w->to_settle.count)
                pgw_loop_defer(w->loop, &w->settle);
}

void pgw_settle_add(struct pgw_run *run)
{
        pgw_list_append(&run->worker->to_settle, &run->stage);
        pgw_settle_go_on(run->worker);
}

void pgw_settle_init(struct pgw_worker *w)
{
        pgw_deferred_init(&w->settle, settle);
        pgw_timer_init(&w->settle_timer, on_settle_timer);
}

void pgw_settle_fini(struct pgw_worker *w)
{
        pgw_loop_undefer(w->loop, &w->settle);
        pgw_timer_disarm(w->loop, &w->settle_timer);
}
