/* Waking what was put off: every worker asks the broker for what is due, and what one has woken
 * the others do not see any more. */
#include "domain/rebound.h"

#include "base/metric.h"
#include "base/rand.h"
#include "work/worker_priv.h"

#define PGW_WAKE_EVERY_MS 100
#define PGW_WAKE_BATCH    64

static void rest(struct pgw_worker *w)
{
        pgw_timer_arm(w->loop, &w->wake_timer,
                      pgw_loop_now_ms(w->loop) + PGW_WAKE_EVERY_MS / 2 +
                          pgw_rand_below(PGW_WAKE_EVERY_MS));
}

static void wake(struct pgw_worker *w);

static void on_woken(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        const int64_t count = err ? 0 : pgw_reply_int(reply, 0);
        if (count > 0)
                pgw_metric_add(PGW_M_REBOUNDS, (uint64_t)count);
        if (count > 0)
                wake(w);
        else
                rest(w);
}

static void wake(struct pgw_worker *w)
{
        if (w->draining || !pgw_redis_is_ready(w->links.broker) ||
            pgw_rebounds_wake(w->links.broker, w->keyspace, PGW_WAKE_BATCH, on_woken, w))
                rest(w);
}

static void on_timer(struct pgw_timer *timer)
{
        wake(PGW_CONTAINER(timer, struct pgw_worker, wake_timer));
}

void pgw_later_init(struct pgw_worker *w)
{
        pgw_timer_init(&w->wake_timer, on_timer);
        rest(w);
}

void pgw_later_fini(struct pgw_worker *w)
{
        pgw_timer_disarm(w->loop, &w->wake_timer);
}
