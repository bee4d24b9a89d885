/* The node is shared with those whose cache it is. A slice is sized to about a millisecond,
 * and the pause behind it keeps the walks of all threads at their share of the node's time.
 */
#include "work/walk.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metric.h"

#define PGW_TURN_US           2000 /* of a turn of the loop, for the keys of a slice */
#define PGW_UNSEEN_MAX        (64u << 20)
#define PGW_SLICE_US          1000
#define PGW_SLICE_BYTES       (1u << 20) /* far from the most that an answer may hold */
#define PGW_WALK_PAUSE_MAX_US 1000000u

/* ---- the share of a node's time ---- */

uint64_t *pgw_gate_of(const struct pgw_target *t, const struct pgw_node *node)
{
        uint64_t hash = 14695981039346656037u;

        for (const char *c = pgw_node_id(node); *c; c++)
                hash = (hash ^ (unsigned char)*c) * 1099511628211u;
        return &t->conf.gates_us[hash % PGW_GATES];
}

/* All threads sweep the same node: each puts its pause behind the pauses of the others. */
void pgw_gate_pause_behind(const struct pgw_worker *w, uint64_t *gate, uint64_t busy_us)
{
        const uint64_t now_us = pgw_mono_us();
        uint64_t pause_us = busy_us * (100 - w->conf.sweep_share) / w->conf.sweep_share;
        uint64_t seen = __atomic_load_n(gate, __ATOMIC_RELAXED), next;

        if (pause_us > PGW_WALK_PAUSE_MAX_US)
                pause_us = PGW_WALK_PAUSE_MAX_US;
        do
                next = (seen > now_us ? seen : now_us) + pause_us;
        while (!__atomic_compare_exchange_n(gate, &seen, next, true, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED));
}

/* Timers have milliseconds; a shorter pause is left to grow. */
bool pgw_gate_must_wait(struct pgw_worker *w, const uint64_t *gate, struct pgw_timer *timer)
{
        const uint64_t now_us = pgw_mono_us(), until_us = __atomic_load_n(gate, __ATOMIC_RELAXED);

        if (w->conf.sweep_share == 100 || until_us < now_us + 1000)
                return false;
        pgw_timer_arm(w->loop, timer, until_us / 1000);
        return true;
}

/* ---- slices ---- */

/* What is deferred is done in the same turn. */
void pgw_unseen_wait(struct pgw_worker *w, struct pgw_timer *timer)
{
        pgw_timer_arm(w->loop, timer, pgw_loop_now_ms(w->loop) + 1);
}

void pgw_unseen_init(struct pgw_unseen *u)
{
        pgw_buf_init(&u->keys, PGW_UNSEEN_MAX);
}

void pgw_unseen_forget(struct pgw_unseen *u)
{
        pgw_buf_clear(&u->keys);
        u->at = 0;
}

void pgw_unseen_fini(struct pgw_unseen *u)
{
        pgw_buf_fini(&u->keys);
}

void pgw_look_at(struct pgw_unseen *u, const struct pgw_reply *keys, pgw_look_f *look, void *ctx)
{
        const uint64_t until_us = pgw_mono_us() + PGW_TURN_US;
        const struct pgw_reply *key = keys + 1;
        enum pgw_looked looked = PGW_LOOK_NEXT;
        size_t i = 0;

        PGW_ASSERT(!pgw_unseen_has_some(u));
        for (; i < keys->count && pgw_mono_us() < until_us; i++, key = pgw_reply_next(key)) {
                looked = look(ctx, pgw_reply_str(key), until_us);
                if (looked != PGW_LOOK_NEXT)
                        break;
        }
        if (looked == PGW_LOOK_NO_MORE)
                return;
        for (; i < keys->count; i++, key = pgw_reply_next(key)) {
                const struct pgw_str text = pgw_reply_str(key);
                /* No answer has so many bytes. */
                PGW_ASSERT(pgw_keys_encode(&u->keys, &text, 1) == PGW_OK);
        }
        u->paused_us = pgw_mono_us();
}

void pgw_look_on(struct pgw_unseen *u, pgw_look_f *look, void *ctx)
{
        const uint64_t until_us = pgw_mono_us() + PGW_TURN_US;
        struct pgw_str rest = pgw_str_of(u->keys.p + u->at, u->keys.n - u->at), key;
        enum pgw_looked looked = PGW_LOOK_NEXT;

        while (looked == PGW_LOOK_NEXT && rest.n && pgw_mono_us() < until_us) {
                struct pgw_str behind = rest;
                PGW_ASSERT(pgw_keys_next(&behind, &key) == PGW_OK);
                looked = look(ctx, key, until_us);
                if (looked == PGW_LOOK_NEXT)
                        rest = behind;
        }
        u->at = u->keys.n - rest.n;
        if (looked == PGW_LOOK_NO_MORE || rest.n == 0)
                pgw_unseen_forget(u);
        u->paused_us = pgw_mono_us();
}

uint64_t pgw_slice_next(uint64_t count, uint64_t took_us, uint64_t bytes)
{
        if (bytes > PGW_SLICE_BYTES)
                count = count * PGW_SLICE_BYTES / bytes;
        else if (took_us > PGW_SLICE_US && count > PGW_SLICE_COUNT_MIN)
                count /= 2;
        else if (took_us < PGW_SLICE_US / 2 && bytes < PGW_SLICE_BYTES / 2)
                count *= 2;
        if (count > PGW_SLICE_COUNT_MAX)
                return PGW_SLICE_COUNT_MAX;
        return count ? count : 1;
}

uint64_t pgw_slice_halved(uint64_t count)
{
        return count > 1 ? count / 2 : 1;
}

uint64_t pgw_slice_bytes(const struct pgw_reply *items)
{
        const struct pgw_reply *item = items + 1;
        uint64_t bytes = 0;

        for (size_t i = 0; i < items->count; i++, item = pgw_reply_next(item))
                bytes += pgw_reply_str(item).n;
        return bytes;
}

static void rest(struct pgw_walk *walk)
{
        struct pgw_worker *w = walk->target->worker;

        pgw_timer_arm(w->loop, &walk->timer,
                      pgw_loop_now_ms(w->loop) + pgw_worker_pause_ms(walk->failures++));
}

static void go_on(struct pgw_walk *walk)
{
        pgw_loop_defer(walk->target->worker->loop, &walk->step);
}

static bool is_gone(struct pgw_walk *walk)
{
        if (walk->node)
                return false;
        if (!walk->awaited && !walk->scanning)
                pgw_walk_free(walk);
        return true;
}

/* A slice is over: all that it asked for was answered, or it broke. */
static void conclude(struct pgw_walk *walk)
{
        if (is_gone(walk))
                return;
        if (walk->broken) {
                pgw_unseen_forget(&walk->unseen);
                walk->from_sweep = 0;
                walk->is_going = false;
                if (walk->awaited || walk->scanning)
                        return;
                PGW_LOG(PGW_LOG_WARN, "sweep.slice_failed",
                        PGW_L_STR("target", walk->target->conf.name),
                        PGW_L_STR("error", pgw_err_slug(walk->broken)));
                walk->broken = PGW_OK;
                walk->uncommitted = walk->is_refused = false;
                walk->count = pgw_slice_halved(walk->count); /* it may have been too large */
                rest(walk);
                pgw_sweep_forget_slice(walk);
                return;
        }
        if (walk->awaited || !walk->uncommitted || (walk->is_refused && walk->scanning) ||
            pgw_unseen_has_some(&walk->unseen))
                return;
        walk->uncommitted = false;
        walk->failures = 0;
        pgw_gate_pause_behind(walk->target->worker, walk->gate_us, pgw_mono_us() - walk->begun_us);
        go_on(walk);
        if (walk->is_refused) {
                walk->is_refused = false;
                pgw_sweep_forget_slice(walk);
        } else {
                pgw_sweep_commit(walk);
        }
}

void pgw_walk_refused(struct pgw_walk *walk)
{
        walk->is_refused = true;
}

void pgw_walk_answered(struct pgw_walk *walk, enum pgw_err err)
{
        PGW_ASSERT(walk->awaited > 0);
        walk->awaited--;
        if (err)
                walk->broken = err;
        conclude(walk);
}

static void send_scan(struct pgw_walk *walk);

static void take_slice(struct pgw_walk *walk, uint64_t cursor, const struct pgw_reply *keys)
{
        const struct pgw_worker *w = walk->target->worker;

        /* Answers come in order: those of the slice before this one are all there. */
        PGW_ASSERT(walk->awaited == 0 && !walk->uncommitted);
        /* What the node took, without the way there and back. */
        const uint64_t took_us = pgw_mono_us() - walk->begun_us;
        walk->count =
            pgw_slice_next(walk->count, took_us > walk->way_us ? took_us - walk->way_us : 0,
                           pgw_slice_bytes(keys));
        pgw_metric_add(PGW_M_SWEEP_SLICES, 1);
        walk->next = pgw_circle_position(cursor);
        pgw_circle_stepped(&walk->circle, walk->at, walk->next);
        walk->uncommitted = true;
        pgw_sweep_look_at(walk, keys);
        if (pgw_unseen_has_some(&walk->unseen))
                pgw_unseen_wait(walk->target->worker, &walk->timer);
        PGW_FAILPOINT("sweep.slice");
        /* With the whole node for us the next slice is on its way behind the removals. On a
         * cluster some of those may be answered by others. */
        if (w->conf.sweep_share == 100 && walk->awaited && !walk->broken && !w->draining &&
            !pgw_unseen_has_some(&walk->unseen) &&
            !pgw_deployment_is_cluster(walk->target->conf.sweeps) && !pgw_sweep_has_newcomers(walk))
                send_scan(walk);
}

static void look_on(struct pgw_walk *walk)
{
        /* The node did nothing for it meanwhile. */
        walk->begun_us += pgw_mono_us() - walk->unseen.paused_us;
        pgw_sweep_look_on(walk);
        if (pgw_unseen_has_some(&walk->unseen))
                pgw_unseen_wait(walk->target->worker, &walk->timer);
        conclude(walk);
}

static void on_scanned(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_walk *walk = PGW_CONTAINER(call, struct pgw_walk, call);
        uint64_t cursor = 0;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        walk->scanning = false;
        if (is_gone(walk))
                return;
        const struct pgw_reply *keys = err ? NULL : pgw_reply_at(reply, 1);
        if (!err && (!keys || keys->type != PGW_REPLY_ARRAY ||
                     pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 0)), UINT64_MAX, &cursor)))
                err = PGW_E_REDIS_PROTOCOL;
        if (err && pgw_err_class(err) == PGW_CLASS_PERMANENT)
                pgw_sweep_fail_all(walk, err);
        if (err)
                walk->broken = err;
        if (!walk->broken && !walk->is_refused)
                take_slice(walk, cursor, keys);
        conclude(walk);
}

static void send_scan(struct pgw_walk *walk)
{
        const struct pgw_str pattern = pgw_sweep_only_pattern(walk);
        const uint64_t from = walk->uncommitted ? walk->next : walk->at;

        walk->argv[0] = PGW_STR("SCAN");
        walk->argv[1] =
            pgw_str_of(walk->cursor_text, pgw_u64_text(pgw_circle_cursor(from), walk->cursor_text));
        walk->argv[2] = PGW_STR("COUNT");
        walk->argv[3] = pgw_str_of(walk->count_text, pgw_u64_text(walk->count, walk->count_text));
        walk->argv[4] = PGW_STR("MATCH");
        walk->argv[5] = pattern;
        walk->call.argc = pattern.p ? 6 : 4;
        walk->call.reply = on_scanned;
        walk->begun_us = pgw_mono_us();
        if (pgw_node_call(walk->node, &walk->call))
                rest(walk);
        else
                walk->scanning = true;
}

/* ---- the way there and back ---- */

static void on_pong(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_walk *walk = PGW_CONTAINER(call, struct pgw_walk, call);

        (void)reply;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        walk->scanning = false;
        if (is_gone(walk))
                return;
        walk->is_timed = !err;
        walk->way_us = pgw_mono_us() - walk->begun_us;
        if (err)
                rest(walk);
        else
                go_on(walk);
}

static void send_ping(struct pgw_walk *walk)
{
        walk->argv[0] = PGW_STR("PING");
        walk->call.argc = 1;
        walk->call.reply = on_pong;
        walk->begun_us = pgw_mono_us();
        if (pgw_node_call(walk->node, &walk->call))
                rest(walk);
        else
                walk->scanning = true;
}

/* ---- the object ---- */

static void step(struct pgw_deferred *d)
{
        struct pgw_walk *walk = PGW_CONTAINER(d, struct pgw_walk, step);
        struct pgw_target *t = walk->target;
        struct pgw_worker *w = t->worker;

        if (!walk->node)
                return;
        /* Who the nodes are now is looked at before any of them is spoken to. */
        if (t->pass.epoch != pgw_deployment_epoch(t->conf.sweeps)) {
                pgw_sweep_go_on(t);
                return;
        }
        if (pgw_unseen_has_some(&walk->unseen) && !pgw_timer_is_armed(&walk->timer)) {
                look_on(walk);
                return;
        }
        if (walk->scanning || walk->awaited || pgw_timer_is_armed(&walk->timer) || w->draining)
                return;
        if (!pgw_sweep_wants(walk) || !pgw_node_is_ready(walk->node))
                return;
        if (!walk->is_timed) {
                send_ping(walk);
                return;
        }
        if (pgw_gate_must_wait(w, walk->gate_us, &walk->timer))
                return;
        pgw_sweep_place_newcomers(walk);
        send_scan(walk);
}

static void on_timer(struct pgw_timer *timer)
{
        go_on(PGW_CONTAINER(timer, struct pgw_walk, timer));
}

void pgw_walk_go_on(struct pgw_walk *walk)
{
        go_on(walk);
}

struct pgw_walk *pgw_walk_new(struct pgw_target *t, struct pgw_node *node, size_t index)
{
        struct pgw_walk *walk = pgw_alloc(sizeof *walk);
        const char *id = pgw_node_run_id(node);

        walk->target = t;
        walk->node = node;
        walk->index = index;
        walk->gate_us = pgw_gate_of(t, node);
        if (strlen(id) < sizeof walk->id)
                memcpy(walk->id, id, strlen(id) + 1);
        walk->count = PGW_SLICE_COUNT_MIN;
        walk->call.argv = walk->argv;
        pgw_circle_init(&walk->circle);
        pgw_unseen_init(&walk->unseen);
        pgw_deferred_init(&walk->step, step);
        pgw_timer_init(&walk->timer, on_timer);
        return walk;
}

void pgw_walk_leave(struct pgw_walk *walk)
{
        walk->node = NULL;
        (void)is_gone(walk);
}

void pgw_walk_free(struct pgw_walk *walk)
{
        pgw_loop_undefer(walk->target->worker->loop, &walk->step);
        pgw_timer_disarm(walk->target->worker->loop, &walk->timer);
        pgw_unseen_fini(&walk->unseen);
        pgw_free(walk);
}
