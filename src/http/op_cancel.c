/* POST /v1/jobs/{job_id}/cancel: a job is not to be done.
 *
 * One that waits leaves the queue at once. One that a worker has in hand is stopped at its next
 * slice, and the answer waits for that a while; what was removed by then stays removed. A
 * cancel that comes too late says so.
 */
#include <stdio.h>

#include <h2o.h>

#include "base/clock.h"
#include "domain/cancel.h"
#include "http/actor.h"
#include "http/front.h"
#include "http/identify.h"
#include "http/job_json.h"
#include "http/operations.h"
#include "http/poll.h"

#define PGW_CANCEL_PATIENCE_MS 5000

enum pgw_step pgw_op_cancel_understand(struct pgw_exchange *x)
{
        x->err = pgw_job_id_parse(pgw_params_get(&x->params, "job_id"), &x->job.id);
        if (!x->err && !pgw_identify_sees(x, pgw_nonce_mark(x->job.id.nonce)))
                x->err = PGW_E_NO_JOB;
        return x->err ? PGW_FAIL : PGW_NEXT;
}

static enum pgw_err too_late(struct pgw_exchange *x, const struct pgw_job *job)
{
        pgw_fault_set(&x->fault, "", "The job has ended: it is `%s`.",
                      pgw_job_state_word(job->state));
        return PGW_E_TOO_LATE;
}

/* What became of it. */
static void answer(void *ctx, enum pgw_err err, const struct pgw_job *job)
{
        struct pgw_exchange *x = ctx;

        if (!err && pgw_job_state_is_terminal(job->state) && job->state != PGW_JOB_CANCELLED)
                err = too_late(x, job);
        if (!err && !x->gone) {
                x->status = job->state == PGW_JOB_CANCELLED ? 200 : 202;
                x->content_type = "application/json";
                if (x->status == 202)
                        pgw_exchange_add_header(x, PGW_STR("retry-after"), PGW_STR("1"));
                err = pgw_job_json(&x->out, job, x->gateway->targets[0].name);
        }
        pgw_exchange_resume(x, err);
}

static void on_ended(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;

        (void)reply;
        if (!err)
                err = pgw_jobs_find(x->gateway->links.jobs, &x->job.id, answer, x);
        if (err)
                pgw_exchange_resume(x, err);
}

static enum pgw_err cancel(struct pgw_exchange *, const struct pgw_cancel_end *);

/* It has left the queue, or somebody is told to stop, or it was over just then. */
static void on_cancelled(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;
        const struct pgw_gateway *g = x->gateway;
        enum pgw_cancel_verdict verdict;
        struct pgw_buf record;
        struct pgw_cancel_end end = {.ttl_s = g->conf.result_ttl_s, .record = &record};

        pgw_buf_init(&record, PGW_AUDIT_RECORD_MAX);
        if (!err)
                err = pgw_cancel_read(reply, &x->job.id, &verdict, &end.selectors, &record);
        if (!err && verdict == PGW_CANCEL_WAITS)
                err = cancel(x, &end);
        else if (!err && verdict == PGW_CANCEL_LEFT)
                err = pgw_cancel_end(g->links.results, g->links.keyspace, &x->job.id, end.selectors,
                                     end.ttl_s, on_ended, x);
        else if (!err && verdict == PGW_CANCEL_ASKED) {
                if (!x->gone)
                        pgw_front_request_extend(x->req,
                                                 pgw_mono_ms() + PGW_CANCEL_PATIENCE_MS + 1000);
                pgw_poll_start(x, 0, PGW_CANCEL_PATIENCE_MS, answer);
        } else if (!err) {
                err = pgw_jobs_find(g->links.jobs, &x->job.id, answer, x);
        }
        pgw_buf_fini(&record);
        if (err)
                pgw_exchange_resume(x, err);
}

/* With the end that it would have, when that is known. */
static enum pgw_err cancel(struct pgw_exchange *x, const struct pgw_cancel_end *end)
{
        const struct pgw_gateway *g = x->gateway;
        struct pgw_audit act = {.action = PGW_AUDIT_CANCEL, .has_job = true, .job = x->job.id};
        struct pgw_buf record;
        const struct pgw_cancel_audit audit = {.conf = &g->conf.audit,
                                               .act = pgw_actor_record(x, &act, &record)};
        const enum pgw_err err = pgw_cancel_job(g->links.broker, g->links.keyspace, &x->job.id,
                                                &audit, end, on_cancelled, x);

        pgw_buf_fini(&record);
        return err;
}

static void on_found(void *ctx, enum pgw_err err, const struct pgw_job *job)
{
        struct pgw_exchange *x = ctx;

        if (!err && pgw_job_state_is_terminal(job->state)) {
                answer(x, PGW_OK, job);
                return;
        }
        if (!err)
                err = cancel(x, NULL);
        if (err)
                pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_cancel(struct pgw_exchange *x)
{
        (void)pgw_actor(x);
        x->err = pgw_jobs_find(x->gateway->links.jobs, &x->job.id, on_found, x);
        return x->err ? PGW_FAIL : PGW_WAIT;
}
