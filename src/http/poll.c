/* One timer and one look-up at a time; the poll frees itself after its callback. A store
 * that fails for a moment does not end a wait: the job was accepted, so the question is
 * asked again until patience runs out. */
#include "http/poll.h"

#include "base/alloc.h"
#include "io/timer.h"

#define PGW_POLL_PAUSE_MIN_MS 2
#define PGW_POLL_PAUSE_MAX_MS 64
#define PGW_POLL_GRACE_MS     1000 /* for a link that is just coming back */

struct pgw_poll {
        struct pgw_link link; /* on the gateway's polls */
        struct pgw_gateway *gateway;
        struct pgw_job_id id;
        uint64_t deadline_ms;
        uint64_t grace_until_ms;
        uint64_t pause_ms;
        struct pgw_timer timer;
        pgw_poll_f *done;
        void *ctx;
};

static void finish(struct pgw_poll *p, enum pgw_err err, const struct pgw_job *job)
{
        pgw_timer_disarm(p->gateway->loop, &p->timer);
        pgw_list_remove(&p->gateway->polls, &p->link);
        p->done(p->ctx, err, job);
        pgw_free(p);
}

/* After a failover a link may lead to the old master for a moment, which comes back as a replica
 * and knows nothing yet. Only a broker that has passed its check can say that there is no job. */
static enum pgw_err doubt(const struct pgw_poll *p, enum pgw_err err)
{
        const enum pgw_err verdict = pgw_broker_check_verdict(p->gateway->links.check);
        const bool is_master =
            verdict == PGW_OK || verdict == PGW_E_DURABILITY || verdict == PGW_E_EVICTION;

        return err == PGW_E_NO_JOB && !is_master ? verdict : err;
}

static void on_found(void *ctx, enum pgw_err err, const struct pgw_job *job)
{
        struct pgw_poll *p = ctx;

        err = doubt(p, err);
        const uint64_t now_ms = pgw_loop_now_ms(p->gateway->loop);
        const bool ended = job && pgw_job_state_is_terminal(job->state);
        const bool hopeless = err == PGW_E_NO_JOB || err == PGW_E_REDIS_CANCELLED;

        uint64_t until_ms = p->deadline_ms;
        if (err && until_ms < p->grace_until_ms)
                until_ms = p->grace_until_ms;
        if (ended || hopeless || now_ms >= until_ms || p->gateway->draining) {
                finish(p, err, job);
                return;
        }
        uint64_t at_ms = now_ms + p->pause_ms;
        if (at_ms > until_ms)
                at_ms = until_ms;
        pgw_timer_arm(p->gateway->loop, &p->timer, at_ms);
        if (p->pause_ms < PGW_POLL_PAUSE_MAX_MS)
                p->pause_ms *= 2;
}

static void look(struct pgw_timer *timer)
{
        struct pgw_poll *p = PGW_CONTAINER(timer, struct pgw_poll, timer);
        enum pgw_err err = pgw_jobs_find(p->gateway->links.jobs, &p->id, on_found, p);

        if (err)
                on_found(p, err, NULL);
}

struct pgw_poll *pgw_poll_start(struct pgw_gateway *gateway, const struct pgw_job_id *id,
                                uint64_t first_look_ms, uint64_t patience_ms, pgw_poll_f *done,
                                void *ctx)
{
        struct pgw_poll *p = pgw_alloc(sizeof *p);
        const uint64_t now_ms = pgw_loop_now_ms(gateway->loop);

        p->gateway = gateway;
        p->id = *id;
        p->deadline_ms = now_ms + patience_ms;
        p->grace_until_ms = now_ms + PGW_POLL_GRACE_MS;
        p->pause_ms = PGW_POLL_PAUSE_MIN_MS;
        p->done = done;
        p->ctx = ctx;
        pgw_list_append(&gateway->polls, &p->link);
        pgw_timer_init(&p->timer, look);
        pgw_timer_arm(gateway->loop, &p->timer, now_ms + first_look_ms);
        return p;
}

void pgw_poll_cancel_all(struct pgw_gateway *gateway)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(&gateway->polls)))
                finish(PGW_CONTAINER(link, struct pgw_poll, link), PGW_E_REDIS_CANCELLED, NULL);
}
