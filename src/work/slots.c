/* Looking through slots: what the walks of a cluster cannot see.
 *
 * A walk sees what is at its node while it passes. A key that moves from where a walk has not
 * been to where another one has been is seen by neither. So a sweep notes which slots change
 * hands while it is under way (work/sweep.c), and when its walks are done those slots are looked
 * through at their owners, key by key, until nothing has changed meanwhile.
 *
 * A slot that is on its way has keys at both ends and no new owner yet. Each master says itself
 * which slots it gives away and which it takes in (CLUSTER NODES, its own line). Keys move in one
 * direction: those at the source are looked at first, those at the destination last, so
 * that a key is seen at the one or at the other.
 *
 * The same line says which slots the master owns. Where that is not what we believe our map is old,
 * and what moved is not known yet.
 *
 * A slot can hold more keys than one answer should. Then its node is walked anew, all around, by
 * the sweeps of the round; and while such a slot is on its way the round waits for it to arrive.
 *
 * A round serves all sweeps that are around. A round that breaks, or finds that the map has changed
 * under it, is done again.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "redis/slot.h"
#include "work/sweep.h"

#define PGW_SLOTS_PAUSE_MS  50
#define PGW_SLOT_KEYS_MAX   4000
#define PGW_NODES_LINE_HEAD 8 /* id, address, flags, master, ping, pong, epoch, state */
#define PGW_VISITS_MAX      (3 * PGW_REDIS_SLOTS)

struct visit {
        struct pgw_node *node;
        unsigned slot;
};

enum phase { IDLE, ASKING, LOOKING };

struct pgw_slots {
        struct pgw_target *target;
        enum phase phase;
        uint64_t epoch;
        size_t asked;     /* masters, of which node NODES is known */
        size_t confirmed; /* slots, whose owner says that it is */
        unsigned char moved[PGW_REDIS_SLOTS / 8];
        size_t visit_count, visit_at;
        size_t leaving_count; /* visits, at the front, of slots that are on their way */
        struct visit *visits; /* in the order of the round */
        size_t arrival_count;
        struct visit *arrivals; /* to be appended */
        size_t joined_count;
        struct pgw_sweep *joined[PGW_SWEEPS_MAX]; /* the round is for them */
        bool awaiting;                            /* an answer of a node */
        size_t awaited;                           /* answers to removals */
        enum pgw_err broken;
        uint64_t begun_us;
        uint64_t *gate_us;
        struct pgw_call call;
        struct pgw_str argv[4];
        char slot_text[20], count_text[20];
        uint64_t keys_max; /* of a slot that are asked for */
        struct pgw_unseen unseen;
        unsigned failures;
        struct pgw_deferred step;
        struct pgw_timer timer;
};

bool pgw_slots_has(const struct pgw_slots *slots, const struct pgw_sweep *s)
{
        for (size_t i = 0; i < slots->joined_count; i++)
                if (slots->joined[i] == s)
                        return true;
        return false;
}

void pgw_slots_go_on(struct pgw_slots *slots)
{
        pgw_loop_defer(slots->target->worker->loop, &slots->step);
}

static bool has_changed(const struct pgw_slots *slots)
{
        return slots->epoch != pgw_deployment_epoch(slots->target->conf.sweeps);
}

/* ---- the end of a round ---- */

static void give_back(struct pgw_slots *slots)
{
        for (size_t i = 0; i < slots->joined_count; i++)
                for (size_t b = 0; b < sizeof slots->moved; b++)
                        slots->joined[i]->moved[b] |= slots->moved[b];
}

static bool has_moved(const struct pgw_sweep *s)
{
        for (size_t b = 0; b < PGW_REDIS_SLOTS / 8; b++)
                if (s->moved[b])
                        return true;
        return false;
}

static void end_round(struct pgw_slots *slots)
{
        struct pgw_target *t = slots->target;
        struct pgw_worker *w = t->worker;
        const size_t count = slots->joined_count;
        const bool again = slots->broken || has_changed(slots);

        if (again) {
                give_back(slots);
                pgw_timer_arm(w->loop, &slots->timer,
                              pgw_loop_now_ms(w->loop) + PGW_SLOTS_PAUSE_MS +
                                  pgw_worker_pause_ms(slots->broken ? slots->failures++ : 0));
        } else {
                slots->failures = 0;
                slots->keys_max = PGW_SLOT_KEYS_MAX;
        }
        slots->phase = IDLE;
        slots->joined_count = 0;
        for (size_t i = 0; i < count; i++) {
                struct pgw_sweep *s = slots->joined[i];
                if (pgw_part_is_off(s->part) || (!again && pgw_sweep_is_around(s) && !has_moved(s)))
                        pgw_sweep_leave(s);
        }
        pgw_sweep_go_on(t);
}

static void go_on_or_end(struct pgw_slots *slots)
{
        if (slots->broken)
                pgw_unseen_forget(&slots->unseen);
        if (pgw_unseen_has_some(&slots->unseen)) {
                pgw_unseen_wait(slots->target->worker, &slots->timer);
                return;
        }
        if (slots->awaiting || slots->awaited)
                return;
        if (slots->broken || has_changed(slots) ||
            (slots->phase == LOOKING && slots->visit_at == slots->visit_count))
                end_round(slots);
        else
                pgw_slots_go_on(slots);
}

/* ---- looking through a slot ---- */

static void on_removed(struct pgw_effect *e, enum pgw_err err, uint64_t affected,
                       const struct pgw_reply *reply)
{
        struct pgw_slots *slots = e->ctx;
        struct pgw_part *part = e->part;

        (void)reply;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        part->awaited--;
        slots->awaited--;
        part->progress.removed += affected;
        if (err && pgw_err_class(err) == PGW_CLASS_PERMANENT)
                part->error = err;
        /* The others of the round may have counted on it. */
        if (err && (!part->error || slots->joined_count > 1))
                slots->broken = err;
        go_on_or_end(slots);
}

static enum pgw_looked match(void *ctx, struct pgw_str key, uint64_t until_us)
{
        struct pgw_slots *slots = ctx;
        bool is_going = false;

        (void)until_us;
        if (pgw_str_starts(key, PGW_STR(PGW_KEYS_OWN)))
                return PGW_LOOK_NEXT;
        for (size_t i = 0; i < slots->joined_count && !slots->broken; i++) {
                struct pgw_sweep *s = slots->joined[i];
                struct pgw_run *run = s->part->run;
                if (pgw_part_is_off(s->part) || !pgw_sweep_matches(s, key))
                        continue;
                s->part->progress.matched++;
                if (run->is_dry) {
                        pgw_effect_show(run, key);
                        continue;
                }
                if (is_going && pgw_sweep_is_plain(run))
                        continue;
                is_going = is_going || pgw_sweep_is_plain(run);
                slots->broken = pgw_effect_send(slots->target->conf.sweeps, s->part, &key, 1,
                                                PGW_KEYS_GO, on_removed, slots);
                if (slots->broken)
                        continue;
                s->part->awaited++;
                slots->awaited++;
        }
        return slots->broken ? PGW_LOOK_NO_MORE : PGW_LOOK_NEXT;
}

static bool is_on_its_way(const struct pgw_slots *slots)
{
        return slots->visit_at < slots->leaving_count ||
               slots->visit_at >= slots->visit_count - slots->arrival_count;
}

/* The slot has too many keys for one answer. */
static void look_elsewhere(struct pgw_slots *slots)
{
        const struct pgw_pass *pass = &slots->target->pass;
        const struct pgw_node *node = slots->visits[slots->visit_at].node;

        if (is_on_its_way(slots)) {
                PGW_LOG(PGW_LOG_WARN, "sweep.waits_for_slot",
                        PGW_L_STR("target", slots->target->conf.name),
                        PGW_L_INT("slot", slots->visits[slots->visit_at].slot));
                slots->broken = PGW_E_REDIS_TRYAGAIN;
                return;
        }
        for (size_t i = 0; i < slots->joined_count; i++)
                for (size_t k = 0; k < pass->walk_count; k++)
                        if (pass->walks[k]->node == node)
                                slots->joined[i]->stands[k] = (struct pgw_stand){.placed = false};
}

static void on_keys(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_slots *slots = PGW_CONTAINER(call, struct pgw_slots, call);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        slots->awaiting = false;
        if (!err && reply->type != PGW_REPLY_ARRAY)
                err = PGW_E_REDIS_PROTOCOL;
        if (err)
                slots->keys_max =
                    pgw_slice_halved(slots->keys_max); /* they may have been too long */
        if (err)
                slots->broken = err;
        else if (reply->count >= slots->keys_max)
                look_elsewhere(slots);
        else
                pgw_look_at(&slots->unseen, reply, match, slots);
        slots->visit_at++;
        pgw_gate_pause_behind(slots->target->worker, slots->gate_us,
                              pgw_mono_us() - slots->begun_us);
        go_on_or_end(slots);
}

static void ask(struct pgw_slots *slots, struct pgw_node *node, size_t argc,
                pgw_call_reply_f *reply)
{
        slots->call.argc = argc;
        slots->call.reply = reply;
        slots->begun_us = pgw_mono_us();
        slots->broken = pgw_node_call(node, &slots->call);
        slots->awaiting = !slots->broken;
        if (slots->broken)
                end_round(slots);
}

static void look_at_next(struct pgw_slots *slots)
{
        const struct visit *v = &slots->visits[slots->visit_at];

        slots->gate_us = pgw_gate_of(slots->target, v->node);
        if (pgw_gate_must_wait(slots->target->worker, slots->gate_us, &slots->timer))
                return;
        slots->argv[0] = PGW_STR("CLUSTER");
        slots->argv[1] = PGW_STR("GETKEYSINSLOT");
        slots->argv[2] = pgw_str_of(slots->slot_text, pgw_u64_text(v->slot, slots->slot_text));
        slots->argv[3] =
            pgw_str_of(slots->count_text, pgw_u64_text(slots->keys_max, slots->count_text));
        ask(slots, v->node, 4, on_keys);
}

/* ---- which slots ---- */

static void add_visit(struct visit *visits, size_t *count, struct pgw_node *node, unsigned slot)
{
        if (*count < PGW_REDIS_SLOTS)
                visits[(*count)++] = (struct visit){node, slot};
}

/* "5" or "5-7": they are its own. */
static void take_range(struct pgw_slots *slots, const struct pgw_node *node, struct pgw_str word)
{
        struct pgw_str first_text = word, last_text = word;
        uint64_t first, last;

        (void)pgw_str_cut(word, '-', &first_text, &last_text);
        if (pgw_str_to_u64(first_text, PGW_REDIS_SLOTS - 1, &first) ||
            pgw_str_to_u64(last_text, PGW_REDIS_SLOTS - 1, &last))
                return;
        for (uint64_t slot = first; slot <= last; slot++)
                slots->confirmed += pgw_node_owns(node, (unsigned)slot);
}

/* One word of a node's own line behind its state: "[93-<-...]" comes in, "[93->-...]" goes out. */
static void take_word(struct pgw_slots *slots, struct pgw_node *node, struct pgw_str word)
{
        struct pgw_str number, rest;
        uint64_t slot;

        if (word.n && word.p[0] != '[')
                take_range(slots, node, word);
        if (word.n < 5 || word.p[0] != '[' ||
            !pgw_str_cut(pgw_str_of(word.p + 1, word.n - 1), '-', &number, &rest) ||
            pgw_str_to_u64(number, PGW_REDIS_SLOTS - 1, &slot) || rest.n < 2)
                return;
        if (rest.p[0] == '>')
                add_visit(slots->visits, &slots->visit_count, node, (unsigned)slot);
        else if (rest.p[0] == '<')
                add_visit(slots->arrivals, &slots->arrival_count, node, (unsigned)slot);
}

static void read_own_line(struct pgw_slots *slots, struct pgw_node *node, struct pgw_str text)
{
        struct pgw_str line, word;
        bool more = true;

        while (more) {
                more = pgw_str_cut(text, '\n', &line, &text);
                if (!more)
                        line = text;
                if (!pgw_str_find(line, PGW_STR("myself"), &word))
                        continue;
                bool more_words = true;
                for (size_t i = 0; more_words; i++) {
                        more_words = pgw_str_cut(line, ' ', &word, &line);
                        if (i >= PGW_NODES_LINE_HEAD)
                                take_word(slots, node, more_words ? word : line);
                }
        }
}

static void plan(struct pgw_slots *slots)
{
        struct pgw_target *t = slots->target;

        slots->leaving_count = slots->visit_count;
        for (size_t i = 0; i < t->pass.walk_count; i++) {
                struct pgw_node *node = t->pass.walks[i]->node;
                for (unsigned slot = 0; slot < PGW_REDIS_SLOTS; slot++)
                        if (slots->moved[slot / 8] >> slot % 8 & 1 && pgw_node_owns(node, slot) &&
                            slots->visit_count < 2 * PGW_REDIS_SLOTS)
                                slots->visits[slots->visit_count++] = (struct visit){node, slot};
        }
        memcpy(slots->visits + slots->visit_count, slots->arrivals,
               slots->arrival_count * sizeof *slots->arrivals);
        slots->visit_count += slots->arrival_count;
        slots->phase = LOOKING;
        if (slots->visit_count)
                PGW_LOG(PGW_LOG_INFO, "sweep.looks_through_slots",
                        PGW_L_STR("target", t->conf.name),
                        PGW_L_INT("slots", (int64_t)slots->visit_count));
}

static void plan_if_confirmed(struct pgw_slots *slots)
{
        if (slots->confirmed == PGW_REDIS_SLOTS) {
                plan(slots);
                return;
        }
        slots->broken = PGW_E_REDIS_MOVED;
        pgw_deployment_refresh(slots->target->conf.sweeps);
}

static void on_nodes(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_slots *slots = PGW_CONTAINER(call, struct pgw_slots, call);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        slots->awaiting = false;
        if (err) {
                slots->broken = err;
        } else if (!has_changed(slots)) {
                read_own_line(slots, slots->target->pass.walks[slots->asked]->node,
                              pgw_reply_str(reply));
                slots->asked++;
                if (slots->asked == slots->target->pass.walk_count)
                        plan_if_confirmed(slots);
        }
        go_on_or_end(slots);
}

static void ask_next(struct pgw_slots *slots)
{
        slots->argv[0] = PGW_STR("CLUSTER");
        slots->argv[1] = PGW_STR("NODES");
        ask(slots, slots->target->pass.walks[slots->asked]->node, 2, on_nodes);
}

/* ---- rounds ---- */

static void begin_round(struct pgw_slots *slots)
{
        struct pgw_target *t = slots->target;
        struct pgw_link *link = pgw_list_first(&t->pass.sweeps);

        memset(slots->moved, 0, sizeof slots->moved);
        for (; link && slots->joined_count < PGW_SWEEPS_MAX;
             link = pgw_list_next(&t->pass.sweeps, link)) {
                struct pgw_sweep *s = pgw_sweep_at(link);
                if (!pgw_sweep_is_around(s) || s->part->awaited || pgw_part_is_off(s->part))
                        continue;
                slots->joined[slots->joined_count++] = s;
                for (size_t b = 0; b < sizeof slots->moved; b++)
                        slots->moved[b] |= s->moved[b];
                memset(s->moved, 0, PGW_REDIS_SLOTS / 8);
        }
        if (slots->joined_count == 0)
                return;
        slots->phase = ASKING;
        slots->epoch = t->pass.epoch;
        slots->confirmed = slots->asked = slots->visit_count = slots->visit_at =
            slots->arrival_count = 0;
        slots->broken = PGW_OK;
}

static void step(struct pgw_deferred *d)
{
        struct pgw_slots *slots = PGW_CONTAINER(d, struct pgw_slots, step);
        struct pgw_target *t = slots->target;

        if (pgw_unseen_has_some(&slots->unseen) && !pgw_timer_is_armed(&slots->timer)) {
                pgw_look_on(&slots->unseen, match, slots);
                go_on_or_end(slots);
                return;
        }
        if (slots->awaiting || slots->awaited || pgw_timer_is_armed(&slots->timer))
                return;
        if (slots->phase != IDLE && (has_changed(slots) || t->worker->draining)) {
                slots->broken = slots->broken ? slots->broken : PGW_E_REDIS_MOVED;
                end_round(slots);
                return;
        }
        if (slots->phase == IDLE) {
                if (t->worker->draining || !pgw_deployment_is_ready(t->conf.sweeps))
                        return;
                if (t->pass.epoch != pgw_deployment_epoch(t->conf.sweeps)) {
                        pgw_sweep_go_on(t);
                        return;
                }
                begin_round(slots);
        }
        if (slots->phase == ASKING)
                ask_next(slots);
        else if (slots->phase == LOOKING && slots->visit_at < slots->visit_count)
                look_at_next(slots);
        else if (slots->phase == LOOKING)
                end_round(slots);
}

static void on_timer(struct pgw_timer *timer)
{
        pgw_slots_go_on(PGW_CONTAINER(timer, struct pgw_slots, timer));
}

struct pgw_slots *pgw_slots_new(struct pgw_target *t)
{
        struct pgw_slots *slots = pgw_alloc(sizeof *slots);

        slots->target = t;
        slots->keys_max = PGW_SLOT_KEYS_MAX;
        pgw_unseen_init(&slots->unseen);
        slots->visits = pgw_alloc(PGW_VISITS_MAX * sizeof *slots->visits);
        slots->arrivals = pgw_alloc(PGW_REDIS_SLOTS * sizeof *slots->arrivals);
        slots->call.argv = slots->argv;
        pgw_deferred_init(&slots->step, step);
        pgw_timer_init(&slots->timer, on_timer);
        return slots;
}

void pgw_slots_free(struct pgw_slots *slots)
{
        if (!slots)
                return;
        pgw_loop_undefer(slots->target->worker->loop, &slots->step);
        pgw_timer_disarm(slots->target->worker->loop, &slots->timer);
        pgw_unseen_fini(&slots->unseen);
        pgw_free(slots->visits);
        pgw_free(slots->arrivals);
        pgw_free(slots);
}
