/* POST /v1/invalidations: the main job. The body becomes an invalidation, the invalidation
 * a stream entry, and only when Redis has confirmed it the caller hears 202.
 */
#include <stdio.h>

#include <h2o.h>
#include <jansson.h>

#include "base/clock.h"
#include "http/accept.h"
#include "http/charge.h"
#include "http/cover.h"
#include "http/front.h"
#include "http/idempotency.h"
#include "http/job_json.h"
#include "http/operations.h"
#include "http/poll.h"

#define PGW_FIRST_LOOK_MS 1

enum pgw_step pgw_op_invalidate_understand(struct pgw_exchange *x)
{
        x->err = pgw_idempotency_understand(x);
        if (x->is_purge)
                pgw_cover_narrow(x);
        const enum pgw_err err = pgw_accept_understand(x);
        if (!x->err)
                x->err = err;
        return x->err ? PGW_FAIL : PGW_NEXT;
}

static void answer_job(struct pgw_exchange *x, int status)
{
        char location[16 + PGW_JOB_ID_SIZE] = "/v1/jobs/";
        char applied[16];

        x->status = status;
        x->content_type = "application/json";
        if (x->gone)
                return;
        pgw_job_id_text(&x->job.id, location + 9);
        pgw_exchange_add_header(x, PGW_STR("location"),
                                pgw_exchange_keep(x, pgw_str_of(location, 9 + PGW_JOB_ID_SIZE)));
        if (x->is_repeat)
                pgw_exchange_add_header(x, PGW_STR("idempotency-replayed"), PGW_STR("true"));
        if (status == 202)
                pgw_exchange_add_header(x, PGW_STR("retry-after"), PGW_STR("1"));
        if (status == 200 && x->wait_preferred) {
                const int n = snprintf(applied, sizeof applied, "wait=%u", (unsigned)x->wait_s);
                pgw_exchange_add_header(x, PGW_STR("preference-applied"),
                                        pgw_exchange_keep(x, pgw_str_of(applied, (size_t)n)));
        }
        if (pgw_job_json(&x->out, &x->job, x->gateway->targets[0].name))
                x->status = 500;
}

static void on_ended(void *ctx, enum pgw_err err, const struct pgw_job *job)
{
        struct pgw_exchange *x = ctx;

        /* The job was accepted; not to know how it ended is no refusal. */
        if (!err)
                x->job = *job;
        const bool is_awaited_end = x->wait_s && !err && pgw_job_state_is_terminal(job->state);
        answer_job(x, is_awaited_end ? 200 : 202);
        pgw_exchange_resume(x, PGW_OK);
}

static void on_accepted(void *ctx, enum pgw_err err, const struct pgw_intake_job *job)
{
        struct pgw_exchange *x = ctx;

        if (err) {
                pgw_accept_count_refusal(err);
                pgw_exchange_resume(x, err);
                return;
        }
        pgw_accept_count(x, job);
        x->is_repeat = job->is_repeat;
        x->job = (struct pgw_job){
            .id = job->id,
            .state = pgw_job_id_is_later(&job->id) ? PGW_JOB_SCHEDULED : PGW_JOB_QUEUED,
        };
        /* A job that is there already may have got on. */
        if ((x->wait_s || x->is_repeat) && !x->gone) {
                pgw_front_request_extend(x->req, pgw_mono_ms() + x->wait_s * 1000 + 1000);
                pgw_poll_start(x, x->is_repeat ? 0 : PGW_FIRST_LOOK_MS, x->wait_s * 1000, on_ended);
                return;
        }
        answer_job(x, 202);
        pgw_exchange_resume(x, PGW_OK);
}

enum pgw_step pgw_op_invalidate(struct pgw_exchange *x)
{
        const uint64_t cost = pgw_charge_of(x, x->body);

        x->err = pgw_charge(x, 0, cost);
        if (!x->err) {
                x->err = pgw_accept(x, x->has_once ? &x->once : NULL, on_accepted, x);
                if (x->err)
                        pgw_charge_back(x, 0, cost);
        }
        json_decref(x->body);
        x->body = NULL;
        return x->err ? PGW_FAIL : PGW_WAIT;
}
