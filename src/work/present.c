/* What a worker tells the others of itself, and what it is told: the line that says that it is
 * there (domain/roster.h), and which lanes are paused (domain/pause.h). A worker that cannot ask
 * goes on as it last heard; until it has heard once it takes nothing over.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "domain/roster.h"
#include "work/worker_priv.h"

#define PGW_PRESENT_EVERY_MS  250
#define PGW_PRESENT_LEAVES_MS 20 /* while it is about to end */

static void ignore(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        (void)err; /* the next line says the same again */
        (void)reply;
}

static void tell(struct pgw_worker *w, uint64_t now_ms)
{
        char host[PGW_ROSTER_HOST_MAX + 1] = "";

        if (gethostname(host, sizeof host - 1) != 0)
                host[0] = '\0';
        const struct pgw_worker_line line = {
            .name = pgw_str_z(w->conf.consumer),
            .host = pgw_str_z(host),
            .pid = (uint64_t)getpid(),
            .started_ms = w->started_ms,
            .heard_ms = pgw_wall_ms(),
            .in_hand = w->in_hand.count,
            .sweeps = pgw_worker_sweeps(w),
            .paused = w->paused,
            .draining = w->draining,
        };
        if (!pgw_roster_write(w->links.broker, w->keyspace, &line, ignore, NULL))
                w->told_ms = now_ms;
}

static void learn(struct pgw_worker *w, pgw_lane_set paused)
{
        const bool has_changed = paused != w->paused;

        if (!has_changed && w->knows_paused)
                return;
        w->paused = paused;
        w->knows_paused = true;
        pgw_keep_go_on(w);
        if (!has_changed)
                return;
        PGW_LOG(PGW_LOG_INFO, paused ? "worker.lanes_paused" : "worker.lanes_resumed",
                PGW_L_STR("queue", w->keyspace->queue), PGW_L_INT("lanes", (int64_t)paused));
        w->told_ms = 0;
        pgw_take_more(w);
}

static void on_paused(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;
        uint64_t since_ms[PGW_LANE_COUNT];

        w->asking_paused = false;
        if (!err)
                learn(w, pgw_pause_read(reply, since_ms));
        else if (pgw_err_class(err) == PGW_CLASS_PERMANENT)
                learn(w, w->paused); /* who may not ask would wait for ever */
}

static void leave(struct pgw_worker *w)
{
        /* Without its leave the line shows for a while that nobody is heard. */
        (void)!pgw_roster_leave(w->links.broker, w->keyspace, pgw_str_z(w->conf.consumer), ignore,
                                NULL);
        w->has_left = true;
}

static void on_timer(struct pgw_timer *timer)
{
        struct pgw_worker *w = PGW_CONTAINER(timer, struct pgw_worker, present_timer);
        const uint64_t now_ms = pgw_loop_now_ms(w->loop);

        if (w->draining && w->in_hand.count == 0 && !w->has_left) {
                leave(w);
        } else if (!w->has_left && pgw_redis_is_ready(w->links.broker)) {
                if (w->told_ms == 0 || now_ms >= w->told_ms + w->conf.beat_ms)
                        tell(w, now_ms);
                if (!w->asking_paused)
                        w->asking_paused =
                            !pgw_pause_ask(w->links.broker, w->keyspace, on_paused, w);
        }
        pgw_timer_arm(w->loop, &w->present_timer,
                      now_ms + (w->draining ? PGW_PRESENT_LEAVES_MS : PGW_PRESENT_EVERY_MS));
}

void pgw_present_init(struct pgw_worker *w)
{
        w->started_ms = pgw_wall_ms();
        pgw_timer_init(&w->present_timer, on_timer);
        pgw_timer_arm(w->loop, &w->present_timer, pgw_loop_now_ms(w->loop));
}

void pgw_present_drain(struct pgw_worker *w)
{
        w->told_ms = 0;
        pgw_timer_arm(w->loop, &w->present_timer, pgw_loop_now_ms(w->loop));
}

void pgw_present_fini(struct pgw_worker *w)
{
        pgw_timer_disarm(w->loop, &w->present_timer);
}
