/* One timer and one look-up at a time; the poll frees itself after its callback. A store
 * that fails for a moment does not end a wait: the job was accepted, so the question is
 * asked again until patience runs out. */
#include "http/poll.h"

#include "base/alloc.h"
#include "base/metric.h"
#include "http/front.h"
#include "io/timer.h"

#define PGW_POLL_PAUSE_MIN_MS  2
#define PGW_POLL_PAUSE_MAX_MS  1000
#define PGW_POLL_PAUSE_SOON_MS 64   /* up to which pauses double */
#define PGW_POLL_PAUSE_SHARE   10   /* from then on each is such a part of the time waited so far */
#define PGW_POLL_GRACE_MS      1000 /* for a link that is just coming back */

struct pgw_poll {
        struct pgw_link link; /* on the gateway's polls */
        struct pgw_exchange *exchange;
        bool is_wait; /* it is counted as one */
        uint64_t begun_ms;
        uint64_t deadline_ms;
        uint64_t grace_until_ms;
        uint64_t pause_ms;
        struct pgw_timer timer;
        pgw_poll_f *done;
};

static struct pgw_gateway *gateway_of(const struct pgw_poll *p)
{
        return p->exchange->gateway;
}

static void finish(struct pgw_poll *p, enum pgw_err err, const struct pgw_job *job)
{
        struct pgw_gateway *gateway = gateway_of(p);

        pgw_timer_disarm(gateway->loop, &p->timer);
        pgw_list_remove(&gateway->polls, &p->link);
        gateway->waits -= p->is_wait;
        p->done(p->exchange, err, job);
        pgw_free(p);
}

/* After a failover a link may lead to the old master for a moment, which comes back as a replica
 * and knows nothing yet. Only a broker that has passed its check can say that there is no job. */
static enum pgw_err doubt(const struct pgw_poll *p, enum pgw_err err)
{
        const enum pgw_err verdict = pgw_broker_check_verdict(gateway_of(p)->links.check);
        const bool is_master =
            verdict == PGW_OK || verdict == PGW_E_DURABILITY || verdict == PGW_E_EVICTION;

        return err == PGW_E_NO_JOB && !is_master ? verdict : err;
}

/* Most jobs end within milliseconds, and whoever waits for one of these measures that. Who has
 * waited for long does not notice a tenth more, and asks the store that much less. */
static uint64_t next_pause(struct pgw_poll *p, uint64_t now_ms)
{
        const uint64_t share_ms = (now_ms - p->begun_ms) / PGW_POLL_PAUSE_SHARE;
        uint64_t pause_ms = p->pause_ms;

        if (p->pause_ms < PGW_POLL_PAUSE_SOON_MS)
                p->pause_ms *= 2;
        else if (share_ms > pause_ms)
                pause_ms = share_ms;
        return pause_ms < PGW_POLL_PAUSE_MAX_MS ? pause_ms : PGW_POLL_PAUSE_MAX_MS;
}

/* Over HTTP/1 nobody reads, and so nobody is told that a client has left before it is answered. */
static bool has_left(const struct pgw_poll *p)
{
        return p->exchange->gone || pgw_front_has_left(p->exchange->req);
}

static void on_found(void *ctx, enum pgw_err err, const struct pgw_job *job)
{
        struct pgw_poll *p = ctx;

        err = doubt(p, err);
        const uint64_t now_ms = pgw_loop_now_ms(gateway_of(p)->loop);
        const bool ended = job && pgw_job_state_is_terminal(job->state);
        const bool hopeless = err == PGW_E_NO_JOB || err == PGW_E_REDIS_CANCELLED;

        uint64_t until_ms = p->deadline_ms;
        if (err && until_ms < p->grace_until_ms)
                until_ms = p->grace_until_ms;
        if (ended || hopeless || now_ms >= until_ms || gateway_of(p)->draining || has_left(p)) {
                finish(p, err, job);
                return;
        }
        uint64_t at_ms = now_ms + next_pause(p, now_ms);
        if (at_ms > until_ms)
                at_ms = until_ms;
        pgw_timer_arm(gateway_of(p)->loop, &p->timer, at_ms);
}

static void look(struct pgw_timer *timer)
{
        struct pgw_poll *p = PGW_CONTAINER(timer, struct pgw_poll, timer);
        enum pgw_err err = p->exchange->gone ? PGW_E_REDIS_CANCELLED
                                             : pgw_jobs_find(gateway_of(p)->links.jobs,
                                                             &p->exchange->job.id, on_found, p);

        if (err)
                on_found(p, err, NULL);
}

/* Who may not wait any more is answered with what there is. */
static bool may_wait(struct pgw_gateway *gateway, uint64_t patience_ms)
{
        if (patience_ms == 0)
                return false;
        if (gateway->waits < gateway->conf.waits_max)
                return true;
        pgw_metric_add(PGW_M_WAITS_REFUSED, 1);
        return false;
}

void pgw_poll_start(struct pgw_exchange *x, uint64_t first_look_ms, uint64_t patience_ms,
                    pgw_poll_f *done)
{
        struct pgw_poll *p = pgw_alloc(sizeof *p);
        const uint64_t now_ms = pgw_loop_now_ms(x->gateway->loop);

        p->exchange = x;
        p->is_wait = may_wait(x->gateway, patience_ms);
        p->begun_ms = now_ms;
        p->deadline_ms = p->is_wait ? now_ms + patience_ms : now_ms;
        p->grace_until_ms = now_ms + PGW_POLL_GRACE_MS;
        p->pause_ms = PGW_POLL_PAUSE_MIN_MS;
        p->done = done;
        x->gateway->waits += p->is_wait;
        pgw_list_append(&x->gateway->polls, &p->link);
        pgw_timer_init(&p->timer, look);
        pgw_timer_arm(x->gateway->loop, &p->timer, now_ms + first_look_ms);
}

void pgw_poll_hurry_all(struct pgw_gateway *gateway)
{
        struct pgw_link *link = pgw_list_first(&gateway->polls);
        const uint64_t now_ms = pgw_loop_now_ms(gateway->loop);

        for (; link; link = pgw_list_next(&gateway->polls, link)) {
                struct pgw_poll *p = PGW_CONTAINER(link, struct pgw_poll, link);
                if (pgw_timer_is_armed(&p->timer))
                        pgw_timer_arm(gateway->loop, &p->timer, now_ms);
        }
}

void pgw_poll_cancel_all(struct pgw_gateway *gateway)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(&gateway->polls)))
                finish(PGW_CONTAINER(link, struct pgw_poll, link), PGW_E_REDIS_CANCELLED, NULL);
}
