/* Emptying a cache of the keys that jobs name: one command for each, pipelined as far as the
 * links have room. No EXISTS before it: it would save nothing, and a missing key is no error.
 *
 * The answers of several nodes come in any order. A key whose answer is missing or transient is
 * put on a list of its part, and when no answer is awaited any more the part goes on with
 * that list after a pause; removing a key twice does no harm. A part that pauses keeps no other
 * out, so a node that is down delays the jobs that need it and nobody else.
 *
 * What does not get better soon is not waited for in hand: the part is stopped, and its job is let
 * go of (work/release.c).
 *
 * Equal keys that wait together are sent once (work/twins.h).
 */
#include "base/log.h"
#include "base/metric.h"
#include "work/effect.h"

#define PGW_AGAIN_MAX     (128u << 20)
#define PGW_TRIES_IN_HAND 4 /* at the same keys, before the job is let go of for a while */

static void count_error(enum pgw_err err)
{
        if (err == PGW_E_REDIS_TIMEOUT)
                pgw_metric_add(PGW_M_ERRORS_TIMEOUT, 1);
        else if (err == PGW_E_REDIS_CLOSED || err == PGW_E_REDIS_CONNECT)
                pgw_metric_add(PGW_M_ERRORS_CONNECTION, 1);
        else if (pgw_err_class(err) == PGW_CLASS_REFUSED)
                pgw_metric_add(PGW_M_ERRORS_REFUSED, 1);
        else if (pgw_err_class(err) == PGW_CLASS_PERMANENT)
                pgw_metric_add(PGW_M_ERRORS_PERMANENT, 1);
        else
                pgw_metric_add(PGW_M_ERRORS_SERVER, 1);
}

static void begin_sending(struct pgw_part *part)
{
        part->unsent = part->run->keys;
        pgw_buf_init(&part->again[0], PGW_AGAIN_MAX);
        pgw_buf_init(&part->again[1], PGW_AGAIN_MAX);
        pgw_list_append(&part->target->remover.to_send, &part->stage);
        pgw_remove_go_on(part->target);
}

static struct pgw_part *part_of(struct pgw_twin *twin)
{
        return PGW_CONTAINER(twin, struct pgw_part, twin);
}

/* A part that was told to stop, and had nothing more to do than what is done now, need not. */
static void finish_keys(struct pgw_part *part)
{
        part->keys_done = true;
        if (part->patterns_done && part->tags_done)
                part->stopped = PGW_OK;
}

/* That the leader was to stop says nothing of those who joined it; that its target cannot be
 * reached does. */
static bool is_stopped_alone(const struct pgw_part *leader)
{
        return leader->stopped == PGW_E_CANCELLED || leader->stopped == PGW_E_TIME_LIMIT ||
               leader->stopped == PGW_E_YIELDED;
}

/* What came of the keys came of them for all that joined. Those whose leader has lost its job, or
 * was to stop, have had nothing done for them. Each is repeated by itself: what becomes of the
 * leader's repetitions is not theirs to suffer. */
static void end_joined(struct pgw_part *part, const struct pgw_part *leader)
{
        part->is_twin = false;
        if (!leader->error && !leader->keys_done &&
            (leader->run->lost || is_stopped_alone(leader))) {
                pgw_remove_add(part);
                return;
        }
        part->error = leader->error;
        if (leader->keys_done) {
                pgw_metric_add(PGW_M_JOBS_COALESCED, 1);
                part->removed = leader->removed;
                part->missing = leader->missing;
                finish_keys(part);
        } else {
                part->stopped = leader->stopped;
        }
        pgw_part_end(part);
}

static void leave_twins(struct pgw_part *leader)
{
        struct pgw_list joined;
        struct pgw_twin *twin;
        struct pgw_link *link;

        if (!leader->is_twin)
                return;
        leader->is_twin = false;
        pgw_list_init(&joined);
        while ((twin = pgw_twins_next(&leader->twin)))
                pgw_list_append(&joined, &part_of(twin)->stage);
        struct pgw_twin *held = pgw_twins_leave(leader->target->remover.twins, &leader->twin);
        if (held)
                begin_sending(part_of(held));
        while ((link = pgw_list_first(&joined))) {
                pgw_list_remove(&joined, link);
                end_joined(PGW_CONTAINER(link, struct pgw_part, stage), leader);
        }
}

/* The keys that are left stay in `again`, for who lets go of the job. */
static void end(struct pgw_part *part)
{
        struct pgw_buf *left = &part->again[part->filling];

        if (!part->error && part->unsent.n)
                PGW_ASSERT(pgw_buf_add_str(left, part->unsent) == PGW_OK);
        if (left->n == 0 || part->error)
                finish_keys(part);
        leave_twins(part);
        pgw_part_end(part);
}

static void retry_later(struct pgw_part *part)
{
        struct pgw_target *t = part->target;
        struct pgw_remover *r = &t->remover;

        part->unsent = pgw_buf_str(&part->again[part->filling]);
        part->filling ^= 1;
        pgw_buf_clear(&part->again[part->filling]);
        part->broken = PGW_OK;
        pgw_list_append(&r->to_retry, &part->stage);
        if (!pgw_timer_is_armed(&r->timer))
                pgw_timer_arm(t->worker->loop, &r->timer,
                              pgw_loop_now_ms(t->worker->loop) + pgw_worker_pause_ms(part->tries));
}

/* No answer is awaited and nothing is left to send: it has ended, or goes on with what broke. */
static void conclude(struct pgw_part *part)
{
        if (!pgw_part_is_off(part) && part->again[part->filling].n &&
            ++part->tries >= PGW_TRIES_IN_HAND)
                part->stopped = part->broken;
        if (pgw_part_is_off(part) || part->again[part->filling].n == 0)
                end(part);
        else
                retry_later(part);
}

static void put_back(struct pgw_part *part, struct pgw_str key, enum pgw_err err)
{
        part->broken = err;
        /* The keys fitted into the job's own bytes; these are some of them. */
        PGW_ASSERT(pgw_keys_encode(&part->again[part->filling], &key, 1) == PGW_OK);
}

static void take_error(struct pgw_part *part, struct pgw_str key, enum pgw_err err,
                       const struct pgw_reply *reply)
{
        count_error(err);
        if (pgw_err_class(err) != PGW_CLASS_PERMANENT) {
                put_back(part, key, err);
                return;
        }
        if (!part->error)
                PGW_LOG(PGW_LOG_WARN, "job.key_refused",
                        PGW_L_STR("target", part->target->conf.name),
                        PGW_L_STR("error", pgw_err_slug(err)),
                        PGW_L_BYTES("detail", reply ? reply->str.p : "", reply ? reply->str.n : 0));
        part->error = err;
}

static void on_removed(struct pgw_effect *e, enum pgw_err err, uint64_t affected,
                       const struct pgw_reply *reply)
{
        struct pgw_part *part = e->part;

        PGW_ASSERT(part->awaited > 0);
        part->awaited--;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err) {
                take_error(part, e->keys[0], err, reply);
        } else if (!affected) {
                part->missing++;
        } else if (!part->run->is_dry) {
                part->removed++;
        } else {
                part->found++;
                pgw_effect_show(part->run, e->keys[0]);
        }
        if (part->awaited == 0 && !pgw_link_is_on(&part->stage))
                conclude(part);
}

/* Send what fits of one part; true when all of it is on its way. */
static bool send_keys(struct pgw_part *part)
{
        struct pgw_deployment *to = part->target->conf.keys;

        while (part->unsent.n && !pgw_part_is_off(part)) {
                struct pgw_str rest = part->unsent, key;
                PGW_ASSERT(pgw_keys_next(&rest, &key) == PGW_OK);
                enum pgw_err err =
                    pgw_effect_send(to, part, &key, 1, PGW_KEYS_STAY, on_removed, NULL);
                if (err == PGW_E_REDIS_FULL)
                        return false;
                if (err) {
                        put_back(part, key, err);
                } else {
                        part->awaited++;
                        if (part->is_twin)
                                pgw_twins_sent(&part->twin);
                }
                part->unsent = rest;
        }
        return true;
}

/* Where one server has it all there is no use in trying while it is not there. */
bool pgw_remove_can_send(const struct pgw_target *t)
{
        return pgw_deployment_is_ready(t->conf.keys) ||
               (pgw_deployment_is_cluster(t->conf.keys) && pgw_deployment_masters(t->conf.keys));
}

static void send_some(struct pgw_deferred *d)
{
        struct pgw_target *t = PGW_CONTAINER(d, struct pgw_target, remover.send);
        struct pgw_list *list = &t->remover.to_send;
        struct pgw_link *link, *next;

        if (!pgw_remove_can_send(t))
                return;
        for (link = pgw_list_first(list); link; link = next) {
                struct pgw_part *part = PGW_CONTAINER(link, struct pgw_part, stage);
                next = pgw_list_next(list, link);
                /* Without room the link tells when there is; other nodes may have some now. */
                if (!send_keys(part)) {
                        if (!pgw_deployment_is_cluster(t->conf.keys))
                                return;
                        continue;
                }
                pgw_list_remove(list, link);
                if (part->awaited == 0)
                        conclude(part);
        }
}

static void on_timer(struct pgw_timer *timer)
{
        struct pgw_target *t = PGW_CONTAINER(timer, struct pgw_target, remover.timer);
        struct pgw_remover *r = &t->remover;
        struct pgw_link *link;

        while ((link = pgw_list_first(&r->to_retry))) {
                pgw_list_remove(&r->to_retry, link);
                pgw_list_append(&r->to_send, link);
        }
        pgw_remove_go_on(t);
}

void pgw_remove_go_on(struct pgw_target *t)
{
        if (t->remover.to_send.count)
                pgw_loop_defer(t->worker->loop, &t->remover.send);
}

void pgw_remove_part_with_stopped(struct pgw_target *t)
{
        struct pgw_list *const lists[] = {&t->remover.to_send, &t->remover.to_retry};
        struct pgw_list stopped;
        struct pgw_link *link, *next;

        pgw_list_init(&stopped);
        for (size_t i = 0; i < 2; i++) {
                for (link = pgw_list_first(lists[i]); link; link = next) {
                        struct pgw_part *part = PGW_CONTAINER(link, struct pgw_part, stage);
                        next = pgw_list_next(lists[i], link);
                        if (!part->stopped)
                                continue;
                        pgw_list_remove(lists[i], link);
                        /* Else its last answer ends it. */
                        if (part->awaited == 0)
                                pgw_list_append(&stopped, link);
                }
        }
        while ((link = pgw_list_first(&stopped))) {
                pgw_list_remove(&stopped, link);
                conclude(PGW_CONTAINER(link, struct pgw_part, stage));
        }
}

/* A later pass comes when its time has come, for the keys of many; what was tried before has counts
 * of its own already. */
static bool may_join(const struct pgw_run *run)
{
        return run->keys.n && !run->pass && !run->attempts && !run->soft_ttl_ms && !run->hold_ms &&
               !run->is_dry;
}

void pgw_remove_add(struct pgw_part *part)
{
        struct pgw_twins *twins = part->target->remover.twins;

        part->is_twin = may_join(part->run);
        if (!part->is_twin || pgw_twins_enter(twins, &part->twin, part->run->keys) == PGW_TWIN_GO)
                begin_sending(part);
}

static void on_room(void *ctx)
{
        pgw_remove_go_on(ctx);
}

void pgw_remove_init(struct pgw_target *t)
{
        t->remover.twins = pgw_twins_new();
        pgw_list_init(&t->remover.to_send);
        pgw_list_init(&t->remover.to_retry);
        pgw_deferred_init(&t->remover.send, send_some);
        pgw_timer_init(&t->remover.timer, on_timer);
        pgw_deployment_on_room(t->conf.keys, on_room, t);
}

static void forget_all(struct pgw_list *list)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(list)))
                pgw_list_remove(list, link);
}

void pgw_remove_fini(struct pgw_target *t)
{
        pgw_loop_undefer(t->worker->loop, &t->remover.send);
        pgw_timer_disarm(t->worker->loop, &t->remover.timer);
        forget_all(&t->remover.to_send);
        forget_all(&t->remover.to_retry);
        pgw_twins_free(t->remover.twins);
}
