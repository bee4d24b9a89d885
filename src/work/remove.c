/* Emptying the caches of keys: one command for each, pipelined as far as the target's link has
 * room. No EXISTS before it: it would save nothing, and a missing key is no error.
 *
 * The answers come in the order of the commands, so what has been answered is a prefix of
 * the job's keys. When an answer is missing or transient the job goes on from the first
 * key without an answer, once no answer of the broken try is awaited any more; removing a
 * key twice does no harm.
 */
#include "base/log.h"
#include "base/metric.h"
#include "work/effect.h"

static void rest(struct pgw_worker *w)
{
        if (!pgw_timer_is_armed(&w->remove_timer))
                pgw_timer_arm(w->loop, &w->remove_timer,
                              pgw_loop_now_ms(w->loop) + pgw_worker_pause_ms(w->remove_failures++));
}

static bool is_permanent(enum pgw_err err)
{
        return pgw_err_class(err) == PGW_CLASS_PERMANENT;
}

static void count_error(enum pgw_err err)
{
        if (err == PGW_E_REDIS_TIMEOUT)
                pgw_metric_add(PGW_M_ERRORS_TIMEOUT, 1);
        else if (err == PGW_E_REDIS_CLOSED || err == PGW_E_REDIS_CONNECT)
                pgw_metric_add(PGW_M_ERRORS_CONNECTION, 1);
        else if (pgw_err_class(err) == PGW_CLASS_REFUSED)
                pgw_metric_add(PGW_M_ERRORS_REFUSED, 1);
        else if (is_permanent(err))
                pgw_metric_add(PGW_M_ERRORS_PERMANENT, 1);
        else
                pgw_metric_add(PGW_M_ERRORS_SERVER, 1);
}

/* No answer is awaited any more: the job has ended, or goes on from where it broke. */
static void conclude(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;

        if (run->error || run->lost || (!run->broken && run->unsent.n == 0)) {
                if (pgw_link_is_on(&run->stage))
                        pgw_list_remove(&w->to_remove, &run->stage);
                if (!run->broken)
                        w->remove_failures = 0;
                pgw_run_end(run);
                return;
        }
        if (run->broken) {
                run->broken = PGW_OK;
                run->unsent = run->unsettled;
                if (!pgw_link_is_on(&run->stage))
                        pgw_list_append(&w->to_remove, &run->stage);
                rest(w);
        }
}

static void note_found(struct pgw_run *run, struct pgw_str key)
{
        run->found++;
        pgw_effect_show(run, key);
}

static void on_unlinked(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_run *run = ctx;
        struct pgw_str key;

        PGW_ASSERT(run->awaited > 0);
        run->awaited--;
        if (!err && !run->broken && !run->error) {
                PGW_ASSERT(pgw_keys_next(&run->unsettled, &key) == PGW_OK);
                if (pgw_reply_int(reply, 0) <= 0)
                        run->missing++;
                else if (!run->is_dry)
                        run->removed++;
                else
                        note_found(run, key);
        } else if (err) {
                count_error(err);
                if (is_permanent(err) && !run->error) {
                        run->error = err;
                        PGW_LOG(PGW_LOG_WARN, "job.key_refused",
                                PGW_L_STR("error", pgw_err_slug(err)),
                                PGW_L_BYTES("detail", reply->str.p, reply->str.n));
                } else if (!run->broken) {
                        run->broken = err;
                }
        }
        if (run->awaited == 0)
                conclude(run);
}

/* Send what fits of one job; true when all of it is on its way. */
static bool send_keys(struct pgw_run *run)
{
        struct pgw_redis *target = run->worker->links.target;

        while (run->unsent.n && !run->broken && !run->error) {
                struct pgw_str rest_of_keys = run->unsent, key;
                PGW_ASSERT(pgw_keys_next(&rest_of_keys, &key) == PGW_OK);
                if (pgw_effect_send(target, run, &key, 1, on_unlinked, run))
                        return false;
                run->awaited++;
                run->unsent = rest_of_keys;
        }
        return true;
}

static void remove_some(struct pgw_deferred *d)
{
        struct pgw_worker *w = PGW_CONTAINER(d, struct pgw_worker, remove);
        struct pgw_link *link;

        if (pgw_timer_is_armed(&w->remove_timer) || !pgw_redis_is_ready(w->links.target))
                return;
        while ((link = pgw_list_first(&w->to_remove))) {
                struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, stage);
                if (!send_keys(run)) {
                        /* The link tells when it has room again. */
                        return;
                }
                pgw_list_remove(&w->to_remove, link);
                if (run->awaited == 0)
                        conclude(run);
        }
}

static void on_remove_timer(struct pgw_timer *timer)
{
        pgw_remove_go_on(PGW_CONTAINER(timer, struct pgw_worker, remove_timer));
}

static void on_room(void *ctx)
{
        pgw_remove_go_on(ctx);
}

void pgw_remove_go_on(struct pgw_worker *w)
{
        if (w->to_remove.count)
                pgw_loop_defer(w->loop, &w->remove);
}

void pgw_remove_add(struct pgw_run *run)
{
        pgw_list_append(&run->worker->to_remove, &run->stage);
        pgw_remove_go_on(run->worker);
}

void pgw_remove_init(struct pgw_worker *w)
{
        pgw_deferred_init(&w->remove, remove_some);
        pgw_timer_init(&w->remove_timer, on_remove_timer);
        pgw_redis_on_room(w->links.target, on_room, w);
}

void pgw_remove_fini(struct pgw_worker *w)
{
        pgw_loop_undefer(w->loop, &w->remove);
        pgw_timer_disarm(w->loop, &w->remove_timer);
}
