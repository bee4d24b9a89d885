/* One thing at a time: a slice of a master's keys, of it one set, of that one slice of members, and
 * for that the four steps. Nothing is remembered: who is interrupted leaves the rest to the
 * next time.
 *
 * Members are not just taken out: until the second answer they are set aside where a purge of the
 * tag knows of them (lua/doubt.lua, lua/certain.lua). What a job has set aside is the job's, but
 * when nobody was at it for long, because the job was cancelled or given up, it is given back. */
#include "work/prune.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/rand.h"
#include "domain/script.h"
#include "work/tag_sweep.h"
#include "work/walk.h"

#define PGW_PRUNE_LOOK_MS   1000 /* how often it is asked whether it is time */
#define PGW_PRUNE_KEYS      500
#define PGW_PRUNE_MEMBERS   200
#define PGW_PRUNE_IDLE_MS   900000 /* that nobody was at a set, until it is given back */
#define PGW_PRUNE_KEYS_MAX  (16u << 20)
#define PGW_PRUNE_SLICE_MAX (64u << 20)
#define PGW_TAG_SETS        "purgeway:tag:{*"

enum { SCRIPT_ARGS = 7 };

/* A question about one member. */
struct question {
        struct pgw_call call;
        struct pgw_pruner *pruner;
        struct pgw_str argv[2];
        bool is_there;
};

struct pgw_pruner {
        struct pgw_target *target;
        uint64_t every_ms;
        bool is_busy;        /* it goes through the tags */
        bool is_asking;      /* whether it is time */
        uint64_t epoch;      /* of the masters */
        size_t node;         /* which of them */
        uint64_t cursor;     /* of its keys */
        bool node_done;      /* this is its last slice */
        struct pgw_buf sets; /* of the slice, as a list of keys */
        struct pgw_str sets_left, set;
        struct pgw_str tag_set; /* whose set it is; the same, unless it is set aside */
        uint64_t set_cursor;
        uint64_t slice;         /* members to ask for */
        struct pgw_buf members; /* of the slice of the set, as a list of keys */
        size_t member_count;
        uint64_t doubted_count;
        struct question *questions; /* one for each */
        size_t question_size;
        size_t awaited;
        enum pgw_err broken;
        uint64_t begun_us, *gate_us;
        uint64_t sets_seen, removed;
        struct pgw_call call;
        struct pgw_str *argv; /* of the call */
        size_t argv_size;
        char asides[PGW_TAG_KEY_MAX], doubted[PGW_TAG_KEY_MAX];
        char numbers[3][20];
        void (*next)(struct pgw_pruner *); /* what follows the pause */
        struct pgw_deferred step;
        struct pgw_timer pause, look;
};

static void end(struct pgw_pruner *p, enum pgw_err err)
{
        if (err)
                PGW_LOG(PGW_LOG_WARN, "tags.pruning_broke",
                        PGW_L_STR("target", p->target->conf.name),
                        PGW_L_STR("error", pgw_err_slug(err)));
        else if (p->sets_seen)
                PGW_LOG(PGW_LOG_INFO, "tags.pruned", PGW_L_STR("target", p->target->conf.name),
                        PGW_L_INT("tags", (int64_t)p->sets_seen),
                        PGW_L_INT("references", (int64_t)p->removed));
        p->is_busy = false;
}

static void go_on(struct pgw_pruner *p, void (*next)(struct pgw_pruner *))
{
        p->next = next;
        pgw_loop_defer(p->target->worker->loop, &p->step);
}

static struct pgw_str *words(struct pgw_pruner *p, size_t count)
{
        if (count > p->argv_size) {
                p->argv = pgw_realloc(p->argv, count * sizeof *p->argv);
                p->argv_size = count;
        }
        p->call.argv = p->argv;
        p->call.argc = count;
        return p->argv;
}

static struct pgw_str number(char out[20], uint64_t value)
{
        return pgw_str_of(out, pgw_u64_text(value, out));
}

/* A command about the set, which is its argument `key`. */
static void ask_about_set(struct pgw_pruner *p, size_t key, pgw_call_reply_f *reply)
{
        p->call.key = key;
        p->call.reply = reply;
        enum pgw_err err = pgw_deployment_call(p->target->conf.sweeps, &p->call);
        if (err)
                end(p, err);
}

static struct pgw_pruner *pruner_of(struct pgw_call *call)
{
        return PGW_CONTAINER(call, struct pgw_pruner, call);
}

/* ---- members ---- */

static void scan_set(struct pgw_pruner *);
static void next_members(struct pgw_pruner *);
static void next_set(struct pgw_pruner *);

static void on_answer(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct question *q = PGW_CONTAINER(call, struct question, call);
        struct pgw_pruner *p = q->pruner;

        p->awaited--;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err)
                p->broken = err;
        q->is_there = pgw_reply_int(reply, 1) > 0;
        if (p->awaited)
                return;
        if (p->broken)
                end(p, p->broken);
        else
                p->next(p);
}

/* Whether those that were not there (or, the first time, all) are; `next` follows. */
static void ask_for_members(struct pgw_pruner *p, bool all, void (*next)(struct pgw_pruner *))
{
        struct pgw_str rest = pgw_buf_str(&p->members), key;

        p->next = next;
        p->broken = PGW_OK;
        for (size_t i = 0; i < p->member_count && !p->broken; i++) {
                struct question *q = &p->questions[i];
                PGW_ASSERT(pgw_keys_next(&rest, &key) == PGW_OK);
                if (!all && q->is_there)
                        continue;
                q->pruner = p;
                q->argv[0] = PGW_STR("EXISTS");
                q->argv[1] = key;
                q->call =
                    (struct pgw_call){.argv = q->argv, .argc = 2, .key = 1, .reply = on_answer};
                p->broken = pgw_deployment_call(p->target->conf.sweeps, &q->call);
                p->awaited += !p->broken;
        }
        if (p->awaited)
                return;
        if (p->broken)
                end(p, p->broken);
        else
                next(p);
}

static struct pgw_str append(struct pgw_str tag_set, struct pgw_str name, char out[PGW_TAG_KEY_MAX])
{
        PGW_ASSERT(tag_set.n + 1 + name.n <= PGW_TAG_KEY_MAX);
        memcpy(out, tag_set.p, tag_set.n);
        out[tag_set.n] = ':';
        memcpy(out + tag_set.n + 1, name.p, name.n);
        return pgw_str_of(out, tag_set.n + 1 + name.n);
}

/* An EVAL about the tag's set, what is set aside of it and the set `aside`; returns how many
 * arguments that are. */
static size_t begin_script(struct pgw_pruner *p, struct pgw_str *argv, enum pgw_script script,
                           struct pgw_str aside, struct pgw_str name)
{
        argv[0] = PGW_STR("EVAL");
        argv[1] = pgw_script_text(script);
        argv[2] = PGW_STR("3");
        argv[3] = p->tag_set;
        argv[4] = append(p->tag_set, PGW_STR("aside"), p->asides);
        argv[5] = aside;
        argv[6] = name;
        return SCRIPT_ARGS;
}

static struct pgw_str doubted_key(struct pgw_pruner *p)
{
        return append(p->tag_set, PGW_STR(PGW_ASIDE_IN_DOUBT), p->doubted);
}

static void on_certain(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_pruner *p = pruner_of(call);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err) {
                end(p, err);
                return;
        }
        const int64_t back = pgw_reply_int(reply, -1);
        if (back >= 0) {
                p->removed += p->doubted_count - (uint64_t)back;
                pgw_metric_add(PGW_M_TAGS_PRUNED, p->doubted_count - (uint64_t)back);
        }
        next_members(p);
}

/* Of those that were set aside, the ones that are there by now; the others go for good. */
static void put_back(struct pgw_pruner *p)
{
        struct pgw_str *argv = words(p, SCRIPT_ARGS + p->member_count);
        size_t n =
            begin_script(p, argv, PGW_SCRIPT_CERTAIN, doubted_key(p), PGW_STR(PGW_ASIDE_IN_DOUBT));

        for (size_t i = 0; i < p->member_count; i++)
                if (p->questions[i].is_there && p->questions[i].call.argc == 2)
                        argv[n++] = p->questions[i].argv[1];
        p->call.argc = n;
        ask_about_set(p, 3, on_certain);
}

static void on_doubted(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_pruner *p = pruner_of(call);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err) {
                end(p, err);
                return;
        }
        const int64_t count = pgw_reply_int(reply, 0);
        if (count <= 0) {
                next_members(p); /* a purge has them, or those of an earlier time are there still */
                return;
        }
        p->doubted_count = (uint64_t)count;
        for (size_t i = 0; i < p->member_count; i++)
                p->questions[i].call.argc = 0; /* those asked for again get it back */
        ask_for_members(p, false, put_back);
}

static void doubt(struct pgw_pruner *p)
{
        struct pgw_str *argv = words(p, SCRIPT_ARGS + 1 + p->member_count);
        size_t n =
            begin_script(p, argv, PGW_SCRIPT_DOUBT, doubted_key(p), PGW_STR(PGW_ASIDE_IN_DOUBT));

        argv[n++] = number(p->numbers[0], PGW_TAG_LEASE_MS);
        const size_t head = n;
        for (size_t i = 0; i < p->member_count; i++)
                if (!p->questions[i].is_there)
                        argv[n++] = p->questions[i].argv[1];
        p->call.argc = n;
        if (n > head)
                ask_about_set(p, 3, on_doubted);
        else
                next_members(p);
}

static void on_members(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_pruner *p = pruner_of(call);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        const struct pgw_reply *list = err ? NULL : pgw_reply_at(reply, 1);
        const struct pgw_reply *member = list + (list != NULL);
        if (err && p->slice > 1) {
                /* It may have been too large, and then the link is gone with it. */
                p->slice = pgw_slice_halved(p->slice);
                p->next = scan_set;
                pgw_timer_arm(p->target->worker->loop, &p->pause,
                              pgw_loop_now_ms(p->target->worker->loop) + PGW_PRUNE_LOOK_MS);
                return;
        }
        /* A small set comes as a whole, however many were asked for. */
        if (!list || list->type != PGW_REPLY_ARRAY ||
            pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 0)), UINT64_MAX, &p->set_cursor)) {
                end(p, err ? err : PGW_E_REDIS_PROTOCOL);
                return;
        }
        /* Each is asked for, which takes longer than the slice. */
        p->slice = pgw_slice_next(p->slice, pgw_mono_us() - p->begun_us, pgw_slice_bytes(list));
        if (p->slice > PGW_PRUNE_MEMBERS)
                p->slice = PGW_PRUNE_MEMBERS;
        if (list->count > p->question_size) {
                pgw_free(p->questions);
                p->questions = pgw_alloc(list->count * sizeof *p->questions);
                p->question_size = list->count;
        }
        pgw_buf_clear(&p->members);
        p->member_count = 0;
        for (size_t i = 0; i < list->count; i++, member = pgw_reply_next(member)) {
                const struct pgw_str key = pgw_reply_str(member);
                if (pgw_keys_encode(&p->members, &key, 1))
                        break;
                p->member_count++;
        }
        ask_for_members(p, true, doubt);
}

static void scan_set(struct pgw_pruner *p)
{
        struct pgw_str *argv = words(p, 5);

        argv[0] = PGW_STR("SSCAN");
        argv[1] = p->set;
        argv[2] = number(p->numbers[0], p->set_cursor);
        argv[3] = PGW_STR("COUNT");
        argv[4] = number(p->numbers[1], p->slice);
        p->begun_us = pgw_mono_us();
        ask_about_set(p, 1, on_members);
}

/* The slice is done; the set goes on after its pause. */
static void next_members(struct pgw_pruner *p)
{
        pgw_gate_pause_behind(p->target->worker, p->gate_us, pgw_mono_us() - p->begun_us);
        go_on(p, p->set_cursor ? scan_set : next_set);
}

/* ---- sets ---- */

static void next_keys(struct pgw_pruner *);
static void give_back(struct pgw_pruner *);

static void on_given_back(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_pruner *p = pruner_of(call);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        const bool goes_on = !err && pgw_reply_int(pgw_reply_at(reply, 0), 0) == 2;
        if (err || (goes_on && pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 1)), UINT64_MAX,
                                              &p->set_cursor))) {
                end(p, err ? err : PGW_E_REDIS_PROTOCOL);
                return;
        }
        pgw_gate_pause_behind(p->target->worker, p->gate_us, pgw_mono_us() - p->begun_us);
        go_on(p, goes_on ? give_back : next_set);
}

/* If nobody was at it for long. */
static void give_back(struct pgw_pruner *p)
{
        struct pgw_str *argv = words(p, SCRIPT_ARGS + 4);
        const size_t named = p->tag_set.n + 1;
        size_t n = begin_script(p, argv, PGW_SCRIPT_GIVE_BACK, p->set,
                                pgw_str_of(p->set.p + named, p->set.n - named));

        argv[n++] = number(p->numbers[0], p->set_cursor);
        argv[n++] = number(p->numbers[1], PGW_TAG_GIVEN);
        argv[n++] = PGW_STR("");
        argv[n++] = number(p->numbers[2], PGW_PRUNE_IDLE_MS);
        p->begun_us = pgw_mono_us();
        ask_about_set(p, 3, on_given_back);
}

/* The set of a tag ends with its brace; behind that stands the name of what is set aside. */
static bool find_tag_set(struct pgw_str key, struct pgw_str *ret)
{
        size_t n = key.n;

        while (n && key.p[n - 1] != '}')
                n--;
        *ret = pgw_str_of(key.p, n);
        return n && n <= PGW_TAG_KEY_MAX - 1 - PGW_ASIDE_MAX &&
               (n == key.n || (key.p[n] == ':' && key.n - n - 1 <= PGW_ASIDE_MAX));
}

static void next_set(struct pgw_pruner *p)
{
        if (p->sets_left.n) {
                PGW_ASSERT(pgw_keys_next(&p->sets_left, &p->set) == PGW_OK);
                PGW_ASSERT(find_tag_set(p->set, &p->tag_set));
                p->set_cursor = 0;
                p->slice = PGW_SLICE_COUNT_MIN;
                if (p->tag_set.n == p->set.n) {
                        p->sets_seen++;
                        scan_set(p);
                } else {
                        give_back(p);
                }
                return;
        }
        if (p->node_done) {
                p->node++;
                p->cursor = 0;
        }
        next_keys(p);
}

static void on_keys(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_pruner *p = pruner_of(call);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        const struct pgw_reply *list = err ? NULL : pgw_reply_at(reply, 1);
        const struct pgw_reply *key = list + (list != NULL);
        if (!list || list->type != PGW_REPLY_ARRAY ||
            pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 0)), UINT64_MAX, &p->cursor)) {
                end(p, err ? err : PGW_E_REDIS_PROTOCOL);
                return;
        }
        p->node_done = p->cursor == 0;
        pgw_buf_clear(&p->sets);
        for (size_t i = 0; i < list->count; i++, key = pgw_reply_next(key)) {
                const struct pgw_str text = pgw_reply_str(key);
                struct pgw_str tag_set;
                if (find_tag_set(text, &tag_set) && pgw_keys_encode(&p->sets, &text, 1))
                        break;
        }
        p->sets_left = pgw_buf_str(&p->sets);
        pgw_gate_pause_behind(p->target->worker, p->gate_us, pgw_mono_us() - p->begun_us);
        go_on(p, next_set);
}

static void next_keys(struct pgw_pruner *p)
{
        struct pgw_deployment *dep = p->target->conf.sweeps;

        if (p->epoch != pgw_deployment_epoch(dep)) {
                end(p, PGW_E_REDIS_MOVED);
                return;
        }
        if (p->node == pgw_deployment_masters(dep)) {
                end(p, PGW_OK);
                return;
        }
        struct pgw_node *node = pgw_deployment_master(dep, p->node);
        struct pgw_str *argv = words(p, 8);
        argv[0] = PGW_STR("SCAN");
        argv[1] = number(p->numbers[0], p->cursor);
        argv[2] = PGW_STR("MATCH");
        argv[3] = PGW_STR(PGW_TAG_SETS);
        argv[4] = PGW_STR("COUNT");
        argv[5] = number(p->numbers[1], PGW_PRUNE_KEYS);
        argv[6] = PGW_STR("TYPE");
        argv[7] = PGW_STR("set");
        p->gate_us = pgw_gate_of(p->target, node);
        p->begun_us = pgw_mono_us();
        p->call.reply = on_keys;
        enum pgw_err err = pgw_node_call(node, &p->call);
        if (err)
                end(p, err);
}

/* ---- when ---- */

static void rest(struct pgw_pruner *p)
{
        struct pgw_loop *loop = p->target->worker->loop;
        const uint64_t ms =
            p->every_ms / 4 < PGW_PRUNE_LOOK_MS ? p->every_ms / 4 + 1 : PGW_PRUNE_LOOK_MS;

        pgw_timer_arm(loop, &p->look, pgw_loop_now_ms(loop) + ms + pgw_rand_below((uint32_t)ms));
}

static void on_turn(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_pruner *p = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        p->is_asking = false;
        if (err || reply->type == PGW_REPLY_NIL)
                return;
        p->is_busy = true;
        p->epoch = pgw_deployment_epoch(p->target->conf.sweeps);
        p->node = 0;
        p->cursor = p->sets_seen = p->removed = 0;
        next_keys(p);
}

/* Whoever writes this down first does it, and nobody again until it has expired. */
static void ask_for_turn(struct pgw_pruner *p)
{
        struct pgw_worker *w = p->target->worker;
        char key[PGW_STREAM_KEY_MAX + PGW_TARGET_NAME_MAX];
        const int n = snprintf(key, sizeof key, "purgeway:{%s}:pruned:%s", w->keyspace->queue,
                               p->target->conf.name);

        pgw_redis_begin(w->links.broker, 6);
        pgw_redis_arg(w->links.broker, PGW_STR("SET"));
        pgw_redis_arg(w->links.broker, pgw_str_of(key, (size_t)n));
        pgw_redis_arg(w->links.broker, pgw_str_z(w->conf.consumer));
        pgw_redis_arg(w->links.broker, PGW_STR("NX"));
        pgw_redis_arg(w->links.broker, PGW_STR("PX"));
        pgw_redis_arg_u64(w->links.broker, p->every_ms);
        p->is_asking = !pgw_redis_end(w->links.broker, on_turn, p);
}

static void on_look(struct pgw_timer *timer)
{
        struct pgw_pruner *p = PGW_CONTAINER(timer, struct pgw_pruner, look);

        rest(p);
        if (!p->is_busy && !p->is_asking && !p->target->worker->draining &&
            pgw_deployment_is_ready(p->target->conf.sweeps))
                ask_for_turn(p);
}

static void on_pause_over(struct pgw_timer *timer)
{
        struct pgw_pruner *p = PGW_CONTAINER(timer, struct pgw_pruner, pause);

        pgw_loop_defer(p->target->worker->loop, &p->step);
}

static void step(struct pgw_deferred *d)
{
        struct pgw_pruner *p = PGW_CONTAINER(d, struct pgw_pruner, step);
        struct pgw_worker *w = p->target->worker;

        if (w->draining)
                end(p, PGW_OK);
        else if (!pgw_gate_must_wait(w, p->gate_us, &p->pause))
                p->next(p);
}

struct pgw_pruner *pgw_pruner_new(struct pgw_target *t, uint64_t every_ms)
{
        struct pgw_pruner *p = pgw_alloc(sizeof *p);

        p->target = t;
        p->every_ms = every_ms;
        pgw_buf_init(&p->sets, PGW_PRUNE_KEYS_MAX);
        pgw_buf_init(&p->members, PGW_PRUNE_SLICE_MAX);
        pgw_deferred_init(&p->step, step);
        pgw_timer_init(&p->look, on_look);
        pgw_timer_init(&p->pause, on_pause_over);
        rest(p);
        return p;
}

void pgw_pruner_free(struct pgw_pruner *p)
{
        if (!p)
                return;
        pgw_loop_undefer(p->target->worker->loop, &p->step);
        pgw_timer_disarm(p->target->worker->loop, &p->look);
        pgw_timer_disarm(p->target->worker->loop, &p->pause);
        pgw_buf_fini(&p->sets);
        pgw_buf_fini(&p->members);
        pgw_free(p->questions);
        pgw_free(p->argv);
        pgw_free(p);
}
