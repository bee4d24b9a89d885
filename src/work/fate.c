/* What is to become of a run that is over, by what stopped its parts and how often it was tried
 * (domain/retry.h). Done: its result is written. Not done: it is let go of first
 * (work/release.c), because nothing may be acknowledged that is not kept elsewhere.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "work/worker_priv.h"

/* Not so early that our own last read of the lanes gets it. */
#define PGW_HANDED_MORE_MS 100

struct pgw_str pgw_target_names(const struct pgw_run *run, pgw_target_set set, char *out,
                                size_t size)
{
        const struct pgw_worker *w = run->worker;
        size_t n = 0;

        if (run->is_for_any && set == (pgw_target_set)(((uint64_t)1 << w->target_count) - 1))
                return PGW_STR("");
        for (size_t i = 0; i < w->target_count; i++)
                if (set >> i & 1)
                        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "," : "",
                                              w->targets[i].conf.name);
        return pgw_str_of(out, n);
}

static bool is_stopped_by(const struct pgw_run *run, enum pgw_err err)
{
        for (size_t i = 0; i < run->part_count; i++)
                if (run->parts[i].stopped == err)
                        return true;
        return false;
}

/* What counts, when parts were stopped by several things: what uses up a try; then anything but
 * that we are to end. PGW_OK when nothing was stopped. */
static enum pgw_err reason_of(const struct pgw_run *run)
{
        enum pgw_err reason = PGW_OK;

        for (size_t i = 0; i < run->part_count; i++) {
                const enum pgw_err err = run->parts[i].stopped;
                if (err && (!reason || reason == PGW_E_DRAINING ||
                            (err != PGW_E_DRAINING && pgw_err_class(err) < pgw_err_class(reason))))
                        reason = err;
        }
        return reason;
}

static void log_again(const struct pgw_run *run, enum pgw_err reason)
{
        char id[PGW_JOB_ID_SIZE];

        pgw_job_id_text(&run->job, id);
        PGW_LOG(PGW_LOG_WARN, "job.tried_again_later", PGW_L_BYTES("job_id", id, sizeof id),
                PGW_L_INT("attempt", (int64_t)run->attempt), PGW_L_INT("pass", run->pass),
                PGW_L_STR("error", pgw_err_slug(reason)),
                PGW_L_STR("class", pgw_err_class_name(pgw_err_class(reason))),
                PGW_L_INT("pause_ms", (int64_t)run->pause_ms));
}

static void log_dead(const struct pgw_run *run)
{
        char id[PGW_JOB_ID_SIZE];

        pgw_job_id_text(&run->job, id);
        PGW_LOG(PGW_LOG_ERROR, run->state == PGW_JOB_DEAD ? "job.dead" : "job.failed",
                PGW_L_BYTES("job_id", id, sizeof id), PGW_L_INT("attempt", (int64_t)run->attempt),
                PGW_L_INT("pass", run->pass), PGW_L_STR("error", pgw_err_slug(run->error)));
}

/* A count that nobody made is nothing to bring back, and of a repetition the job has its end
 * already. */
static bool has_letter(const struct pgw_run *run)
{
        return !run->is_dry && run->pass == 0;
}

static void end_badly(struct pgw_run *run, enum pgw_job_state state, enum pgw_err err)
{
        run->error = err;
        run->state = state;
        log_dead(run);
        if (run->pass)
                pgw_metric_add(PGW_M_REBOUNDS_LOST, 1);
        run->fate = has_letter(run) ? PGW_FATE_BURIED : PGW_FATE_SETTLED;
}

static void judge(struct pgw_run *run, enum pgw_err reason)
{
        struct pgw_worker *w = run->worker;

        switch (pgw_retry_judge(&w->conf.retry, reason, &run->tries, &run->pause_ms)) {
        case PGW_RETRY_AGAIN:
                run->fate = PGW_FATE_AGAIN;
                pgw_metric_add(PGW_M_JOBS_RETRIED, 1);
                log_again(run, reason);
                break;
        case PGW_RETRY_DEAD:
                end_badly(run, PGW_JOB_DEAD, reason);
                break;
        case PGW_RETRY_FAILED:
                end_badly(run, PGW_JOB_FAILED, reason);
                break;
        }
}

void pgw_fate_cancel(struct pgw_run *run)
{
        for (size_t i = 0; i < run->part_count; i++)
                if (run->parts[i].stopped || !run->has_begun)
                        run->parts[i].stopped = PGW_E_CANCELLED;
        run->fate = PGW_FATE_SETTLED;
        run->state = PGW_JOB_CANCELLED;
        run->error = PGW_OK;
        pgw_tags_let_all_go(run);
        pgw_outcome_sum_up(run);
        pgw_settle_add(run);
}

void pgw_fate_decide(struct pgw_run *run)
{
        const enum pgw_err reason = reason_of(run);

        run->fate = PGW_FATE_SETTLED;
        if (is_stopped_by(run, PGW_E_CANCELLED)) {
                run->state = PGW_JOB_CANCELLED;
        } else if (is_stopped_by(run, PGW_E_TIME_LIMIT)) {
                end_badly(run, PGW_JOB_DEAD, PGW_E_TIME_LIMIT);
        } else if (reason == PGW_E_DRAINING) {
                run->fate = PGW_FATE_HANDED;
                run->pause_ms = PGW_TAKE_BLOCK_MS + PGW_HANDED_MORE_MS;
        } else if (reason) {
                judge(run, reason);
        } else if (run->error) {
                end_badly(run, run->state == PGW_JOB_DEAD ? PGW_JOB_DEAD : PGW_JOB_FAILED,
                          run->error);
        } else {
                run->state = PGW_JOB_SUCCEEDED;
        }
        /* Who tries it again goes on with what is set aside. */
        if (run->state != PGW_JOB_SUCCEEDED && run->fate != PGW_FATE_AGAIN &&
            run->fate != PGW_FATE_HANDED)
                pgw_tags_let_all_go(run);
        if (run->fate == PGW_FATE_SETTLED) {
                if (reason)
                        pgw_outcome_sum_up(run);
                pgw_settle_add(run);
        } else {
                pgw_release_add(run);
        }
}
