/* GET /v1/jobs/{job_id}: what became of a job, at once or when it has ended.
 *
 * The entity tag changes whenever the job's state does, so a client that polls pays for a
 * body only when there is news.
 *
 * DELETE /v1/jobs/{job_id}/rebounds: it is not to be repeated any more.
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

enum pgw_step pgw_op_job_understand(struct pgw_exchange *x)
{
        uint64_t wait_s;

        if (!pgw_params_get_u64(&x->params, "wait", &wait_s)) {
                x->wait_s = wait_s;
                x->wait_preferred = false;
        }
        x->err = pgw_job_id_parse(pgw_params_get(&x->params, "job_id"), &x->job.id);
        if (!x->err && !pgw_identify_sees(x, pgw_nonce_mark(x->job.id.nonce)))
                x->err = PGW_E_NO_JOB;
        return x->err ? PGW_FAIL : PGW_NEXT;
}

/* One of the tags in a line of If-None-Match; weak ones compare as strong ones do here. */
static bool has_tag(struct pgw_str header, struct pgw_str etag)
{
        struct pgw_str item;
        bool more = header.n > 0;

        while (more) {
                more = pgw_str_cut(header, ',', &item, &header);
                if (!more)
                        item = header;
                item = pgw_str_trim(item);
                if (pgw_str_starts(item, PGW_STR("W/")))
                        item = pgw_str_of(item.p + 2, item.n - 2);
                if (pgw_str_eq(item, etag) || pgw_str_eq_z(item, "*"))
                        return true;
        }
        return false;
}

static bool is_known(const struct pgw_exchange *x, struct pgw_str etag)
{
        ssize_t at = PGW_HEADERS_BEGIN;
        struct pgw_str line;

        while (pgw_exchange_next_header(x, PGW_STR("if-none-match"), &at, &line))
                if (has_tag(line, etag))
                        return true;
        return false;
}

static void answer_body(struct pgw_exchange *x)
{
        x->status = 200;
        x->content_type = "application/json";
        if (pgw_job_json(&x->out, &x->job, x->gateway->targets[0].name))
                x->status = 500;
}

static void answer_job(struct pgw_exchange *x)
{
        char etag[PGW_ETAG_SIZE], applied[16];

        x->status = 200;
        if (x->gone)
                return;
        pgw_job_etag(&x->job, etag);
        pgw_exchange_add_header(x, PGW_STR("etag"), pgw_exchange_keep(x, pgw_str_z(etag)));
        const bool ended = pgw_job_state_is_terminal(x->job.state);
        pgw_exchange_add_header(x, PGW_STR("cache-control"),
                                ended ? PGW_STR("private, max-age=60") : PGW_STR("no-cache"));
        if (ended && x->wait_preferred) {
                const int n = snprintf(applied, sizeof applied, "wait=%u", (unsigned)x->wait_s);
                pgw_exchange_add_header(x, PGW_STR("preference-applied"),
                                        pgw_exchange_keep(x, pgw_str_of(applied, (size_t)n)));
        }
        if (!ended)
                pgw_exchange_add_header(x, PGW_STR("retry-after"), PGW_STR("1"));
        if (is_known(x, pgw_str_z(etag))) {
                x->status = 304;
                return;
        }
        answer_body(x);
}

static void on_found(void *ctx, enum pgw_err err, const struct pgw_job *job)
{
        struct pgw_exchange *x = ctx;

        if (err) {
                pgw_exchange_resume(x, err);
                return;
        }
        x->job = *job;
        answer_job(x);
        pgw_exchange_resume(x, PGW_OK);
}

enum pgw_step pgw_op_job(struct pgw_exchange *x)
{
        if (x->wait_s)
                pgw_front_request_extend(x->req, pgw_mono_ms() + x->wait_s * 1000 + 1000);
        pgw_poll_start(x, 0, x->wait_s * 1000, on_found);
        return PGW_WAIT;
}

/* ---- cancelling its repetitions ---- */

static void on_forgotten(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;

        (void)reply;
        x->job.rebounds.count = 0;
        if (!err && !x->gone)
                answer_body(x);
        pgw_exchange_resume(x, err);
}

/* It is cancelled; its result shall not promise otherwise. */
static void on_cancelled(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;
        struct pgw_redis *results = x->gateway->links.results;
        char key[PGW_RESULT_KEY_MAX];

        (void)reply;
        if (!err) {
                pgw_redis_begin(results, 3);
                pgw_redis_arg(results, PGW_STR("HDEL"));
                pgw_redis_arg(results,
                              pgw_keyspace_result(x->gateway->links.keyspace, &x->job.id, key));
                pgw_redis_arg(results, PGW_STR("d"));
                err = pgw_redis_end(results, on_forgotten, x);
        }
        if (err)
                pgw_exchange_resume(x, err);
}

static enum pgw_err cancel_rebounds(struct pgw_exchange *x)
{
        const struct pgw_gateway *g = x->gateway;
        struct pgw_audit act = {
            .action = PGW_AUDIT_CANCEL_REBOUNDS, .has_job = true, .job = x->job.id};
        struct pgw_buf record;
        const struct pgw_cancel_audit audit = {.conf = &g->conf.audit,
                                               .act = pgw_actor_record(x, &act, &record)};
        const enum pgw_err err =
            pgw_cancel_add(g->links.broker, g->links.keyspace, &x->job.id, &audit, on_cancelled, x);

        pgw_buf_fini(&record);
        return err;
}

/* Its texts are of a reply that is gone when it is answered. */
static void keep_job(struct pgw_exchange *x, const struct pgw_job *job)
{
        x->job = *job;
        x->job.sample = x->gone ? PGW_STR("") : pgw_exchange_keep(x, job->sample);
        x->job.targets = x->gone ? PGW_STR("") : pgw_exchange_keep(x, job->targets);
}

static void on_found_to_cancel(void *ctx, enum pgw_err err, const struct pgw_job *job)
{
        struct pgw_exchange *x = ctx;

        if (!err && !pgw_job_state_is_terminal(job->state))
                err = PGW_E_NOT_ENDED;
        if (!err) {
                keep_job(x, job);
                err = cancel_rebounds(x);
        }
        if (err)
                pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_cancel_rebounds(struct pgw_exchange *x)
{
        (void)pgw_actor(x);
        x->err = pgw_jobs_find(x->gateway->links.jobs, &x->job.id, on_found_to_cancel, x);
        return x->err ? PGW_FAIL : PGW_WAIT;
}
