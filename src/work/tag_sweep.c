/* Removing what stands under tags.
 *
 * Any of several tags: each tag's set is set aside under the job's own name (lua/claim.lua), walked
 * through slice by slice, and dropped when all of its members are gone. New tagging goes to a
 * fresh set meanwhile, and nothing is ever popped: a worker that dies leaves the set where its
 * successor finds it, and walking it again does no harm. When the job is repeated, the set stays
 * aside until the last pass. What others have set aside is seen to by work/tag_aside.c.
 *
 * All of several tags (work/tag_all.c), and keys that are only cut short: the set is walked through
 * as it is, because what is under the tag stays there.
 *
 * Jobs take turns, a slice each, so that a tag of a million keys does not keep one of ten
 * waiting. A slice is over when everything it asked for was answered; a slice that breaks is
 * done again from its cursor.
 */
#include "work/tag_sweep.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "work/effect.h"
#include "work/walk.h"

#define PGW_TAG_TURN_US     200 /* the commands of a turn at most, but for its members */
#define PGW_TAG_MEMBER_US   10
#define PGW_TAG_SAVE_MS     1000
#define PGW_TAG_SIGN_MS     (PGW_TAG_LEASE_MS / 6) /* between two signs of life */
#define PGW_TAG_MEMBERS_MAX (256u << 20)           /* bytes of a slice */

static void go_on(struct pgw_target *t)
{
        if (t->tags.parts.count)
                pgw_loop_defer(t->worker->loop, &t->tags.step);
}

static void rest(struct pgw_target *t)
{
        pgw_timer_arm(t->worker->loop, &t->tags.timer,
                      pgw_loop_now_ms(t->worker->loop) + pgw_worker_pause_ms(t->tags.failures++));
}

/* ---- what is walked through ---- */

struct pgw_str pgw_tags_at(const struct pgw_run *run, size_t index)
{
        struct pgw_str rest_of_tags = run->tags, tag = {NULL, 0};

        for (size_t i = 0; i <= index; i++)
                PGW_ASSERT(pgw_keys_next(&rest_of_tags, &tag) == PGW_OK);
        return tag;
}

struct pgw_str pgw_tags_now(const struct pgw_part *part)
{
        return pgw_tags_at(part->run, part->progress.tags_done);
}

struct pgw_str pgw_tags_aside(const struct pgw_part *part, char out[PGW_ASIDE_MAX])
{
        const struct pgw_tag_stand *stand = part->tagging;

        if (!stand->other_size)
                return pgw_aside_name(&part->run->job, stand->number, out);
        return pgw_str_of(stand->other, stand->other_size);
}

static struct pgw_str source_key(const struct pgw_part *part, char out[PGW_TAG_KEY_MAX])
{
        const struct pgw_run *run = part->run;
        char name[PGW_ASIDE_MAX];

        if (run->all_tags)
                return pgw_tag_key(pgw_tags_at(run, part->target->tags.smallest), out);
        if (pgw_tags_stay(run))
                return pgw_tag_key(pgw_tags_now(part), out);
        return pgw_tag_aside_key(pgw_tags_now(part), pgw_tags_aside(part, name), out);
}

/* ---- asking ---- */

void pgw_tags_note(struct pgw_target *t, enum pgw_err err)
{
        if (pgw_err_class(err) == PGW_CLASS_PERMANENT)
                t->tags.part->error = err;
        else
                t->tags.broken = err;
}

bool pgw_tags_is_off(const struct pgw_target *t)
{
        return t->tags.broken || t->tags.part->error;
}

bool pgw_tags_ask(struct pgw_target *t, size_t index, size_t argc, size_t key,
                  pgw_call_reply_f *reply)
{
        struct pgw_asking *a = &t->tags.askings[index];

        a->target = t;
        a->call.argv = a->long_argv ? a->long_argv : a->argv;
        a->call.argc = argc;
        a->call.key = key;
        a->call.reply = reply;
        enum pgw_err err = pgw_deployment_call(t->conf.sweeps, &a->call);
        if (err)
                pgw_tags_note(t, err);
        else
                t->tags.awaited++;
        return !err;
}

bool pgw_tags_answered(struct pgw_target *t, enum pgw_err err)
{
        PGW_ASSERT(t->tags.awaited > 0);
        t->tags.awaited--;
        if (err)
                pgw_tags_note(t, err);
        return !err;
}

static struct pgw_target *target_of(struct pgw_call *call)
{
        return PGW_CONTAINER(call, struct pgw_asking, call)->target;
}

/* ---- the end of a turn ---- */

static void leave(struct pgw_part *part)
{
        pgw_list_remove(&part->target->tags.parts, &part->stage);
        pgw_free(part->tagging);
        part->tagging = NULL;
        part->tags_done = !part->stopped;
        pgw_part_end(part);
}

/* The round trips of a small slice are the way and the queue of others, and not the node's time:
 * it cannot have had more to do than this. */
static uint64_t node_time_us(const struct pgw_tag_pass *pass)
{
        const uint64_t took_us = pgw_mono_us() - pass->begun_us,
                       most_us = PGW_TAG_TURN_US + pass->slice_size * PGW_TAG_MEMBER_US;

        return took_us < most_us ? took_us : most_us;
}

/* A slice of the job is over, well or badly; the next one has its turn. */
void pgw_tags_end_turn(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_part *part = pass->part;

        PGW_ASSERT(pass->awaited == 0);
        pass->part = NULL;
        if (pass->broken) {
                PGW_LOG(PGW_LOG_WARN, "tags.slice_failed", PGW_L_STR("target", t->conf.name),
                        PGW_L_STR("error", pgw_err_slug(pass->broken)));
                rest(t);
        } else {
                pass->failures = 0;
                pgw_gate_pause_behind(t->worker, pass->gate_us, node_time_us(pass));
        }
        if (part->progress.tags_done >= part->run->tag_count)
                part->stopped = PGW_OK;
        if (pgw_part_is_off(part) || part->progress.tags_done >= part->run->tag_count) {
                leave(part);
        } else {
                pgw_list_remove(&pass->parts, &part->stage);
                pgw_list_append(&pass->parts, &part->stage);
        }
        go_on(t);
}

/* ---- the end of a tag ---- */

void pgw_tags_pass(struct pgw_part *part)
{
        struct pgw_tag_stand *stand = part->tagging;
        struct pgw_progress *p = &part->progress;

        p->tags_done = part->run->all_tags ? part->run->tag_count : p->tags_done + 1;
        p->tag_cursor = p->tag_walked = 0;
        stand->stage = pgw_tags_stay(part->run) ? PGW_TAG_LOOKING : PGW_TAG_CLAIMING;
        stand->has_walked = false;
        stand->number = 0;
        stand->cursor = stand->claimed_ms = 0;
        stand->count = PGW_SLICE_COUNT_MIN;
}

/* A later pass is through with a set: to the next one that the job has set aside. */
static void next_of_pass(struct pgw_part *part)
{
        struct pgw_tag_stand *stand = part->tagging;

        stand->cursor = 0;
        if (++stand->number == PGW_ASIDES_OF_JOB)
                pgw_tags_pass(part);
}

static void on_dropped(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = target_of(call);

        (void)reply;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (pgw_tags_answered(t, err))
                next_of_pass(t->tags.part);
        pgw_tags_end_turn(t);
}

/* What was set aside is dropped behind the last pass. */
static void finish_pass(struct pgw_target *t)
{
        struct pgw_part *part = t->tags.part;
        struct pgw_asking *a = &t->tags.askings[0];

        if (t->tags.slice_size == 0 && t->tags.slice_from == 0) {
                pgw_tags_pass(part); /* there is none of that number */
        } else if (pgw_run_next_pass(part->run, pgw_part_rebounds(part))) {
                next_of_pass(part);
        } else {
                a->argv[0] = PGW_STR("UNLINK");
                a->argv[1] = source_key(part, a->keys[0]);
                if (pgw_tags_ask(t, 0, 2, 1, on_dropped))
                        return;
        }
        pgw_tags_end_turn(t);
}

static void finish_set(struct pgw_target *t)
{
        struct pgw_part *part = t->tags.part;
        struct pgw_tag_stand *stand = part->tagging;

        if (!pgw_tags_stay(part->run) && part->run->pass) {
                finish_pass(t);
        } else if (!pgw_tags_stay(part->run)) {
                pgw_tags_walked(t);
        } else if (part->run->is_dry) {
                pgw_tags_pass(part);
                pgw_tags_end_turn(t);
        } else {
                stand->stage = PGW_TAG_LOOKING;
                stand->has_walked = true;
                for (size_t i = 0; i < part->run->tag_count; i++)
                        stand->views[i].limit = 0; /* what came since counts as well */
                pgw_tags_end_turn(t);
        }
}

/* ---- a slice ---- */

static void commit(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_tag_stand *stand = pass->part->tagging;
        struct pgw_progress *p = &pass->part->progress;
        const uint64_t now_ms = pgw_loop_now_ms(t->worker->loop);

        stand->cursor = pass->next;
        /* Whoever goes on after us begins with what is the job's own. */
        p->tag_cursor = stand->other_size ? 0 : stand->cursor;
        if (!pgw_tags_stay(pass->part->run))
                p->tag_walked = stand->number;
        p->matched += pass->part->run->is_dry ? pass->slice_found : pass->slice_matched;
        p->members_seen += pass->slice_size;
        if (now_ms >= pass->saved_ms + PGW_TAG_SAVE_MS) {
                pass->saved_ms = now_ms;
                pgw_sweep_say_progress(pass->part);
                PGW_FAILPOINT("tags.saved");
        }
        if (pass->next == 0)
                finish_set(t);
        else
                pgw_tags_end_turn(t);
}

static void conclude(struct pgw_target *t)
{
        if (t->tags.awaited)
                return;
        if (pgw_tags_is_off(t))
                pgw_tags_end_turn(t);
        else
                commit(t);
}

static void on_removed(struct pgw_effect *e, enum pgw_err err, uint64_t affected,
                       const struct pgw_reply *reply)
{
        struct pgw_target *t = e->part->target;

        (void)reply;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (pgw_tags_answered(t, err)) {
                if (e->part->run->is_dry)
                        t->tags.slice_found += affected;
                else
                        e->part->progress.removed += affected;
        }
        conclude(t);
}

static void flush(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        const size_t count = pass->chunk_count;

        pass->chunk_count = 0;
        if (count == 0 || pgw_tags_is_off(t))
                return;
        enum pgw_err err = pgw_effect_send(t->conf.sweeps, pass->part, pass->chunk, count,
                                           PGW_KEYS_GO, on_removed, NULL);
        if (err)
                pgw_tags_note(t, err);
        else
                pass->awaited++;
}

void pgw_tags_go(struct pgw_target *t, struct pgw_str key)
{
        struct pgw_tag_pass *pass = &t->tags;

        /* Who tags a key of the service's own does not get it removed. */
        if (pgw_str_starts(key, PGW_STR(PGW_KEYS_OWN)))
                return;
        pass->slice_matched++;
        pgw_effect_show(pass->part->run, key);
        pass->chunk[pass->chunk_count++] = key;
        if (pass->chunk_count == pgw_effect_chunk(pass->part))
                flush(t);
}

void pgw_tags_gone(struct pgw_target *t)
{
        flush(t);
        PGW_FAILPOINT("tags.slice");
        conclude(t);
}

static void remove_members(struct pgw_target *t, const struct pgw_reply *members)
{
        const struct pgw_reply *member = members + 1;

        for (size_t i = 0; i < members->count; i++, member = pgw_reply_next(member))
                pgw_tags_go(t, pgw_reply_str(member));
        pgw_tags_gone(t);
}

/* ---- walking ---- */

static void on_scanned(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = target_of(call);
        struct pgw_tag_pass *pass = &t->tags;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        const struct pgw_reply *members = err ? NULL : pgw_reply_at(reply, 1);
        if (!err &&
            (!members || members->type != PGW_REPLY_ARRAY ||
             pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 0)), UINT64_MAX, &pass->next)))
                err = PGW_E_REDIS_PROTOCOL;
        struct pgw_tag_stand *stand = pass->part->tagging;
        if (!pgw_tags_answered(t, err)) {
                stand->count = pgw_slice_halved(stand->count); /* it may have been too large */
                pgw_tags_end_turn(t);
                return;
        }
        stand->count =
            pgw_slice_next(stand->count, pgw_mono_us() - pass->begun_us, pgw_slice_bytes(members));
        pgw_metric_add(PGW_M_SWEEP_SLICES, 1);
        pass->slice_size = members->count;
        if (pass->part->run->all_tags)
                pgw_tags_ask_membership(t, members);
        else
                remove_members(t, members);
}

void pgw_tags_scan(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        const struct pgw_tag_stand *stand = pass->part->tagging;
        struct pgw_asking *a = &pass->askings[0];

        pass->slice_from = stand->cursor;
        a->argv[0] = PGW_STR("SSCAN");
        a->argv[1] = source_key(pass->part, a->keys[0]);
        a->argv[2] = pgw_tags_number(a->numbers[0], stand->cursor);
        a->argv[3] = PGW_STR("COUNT");
        a->argv[4] = pgw_tags_number(a->numbers[1], stand->count);
        if (!pgw_tags_ask(t, 0, 5, 1, on_scanned))
                pgw_tags_end_turn(t);
}

/* ---- turns ---- */

/* Draining: what is done is written down, and somebody else goes on. */
static void part_with_all(struct pgw_target *t)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(&t->tags.parts))) {
                struct pgw_part *part = PGW_CONTAINER(link, struct pgw_part, stage);
                pgw_sweep_say_progress(part);
                part->stopped = PGW_E_DRAINING;
                leave(part);
        }
}

/* Those that were stopped between their turns. */
static void part_with_stopped(struct pgw_target *t)
{
        struct pgw_link *link = pgw_list_first(&t->tags.parts), *next;

        for (; link; link = next) {
                struct pgw_part *part = PGW_CONTAINER(link, struct pgw_part, stage);
                next = pgw_list_next(&t->tags.parts, link);
                if (pgw_part_is_off(part))
                        leave(part);
        }
}

/* Who has the set that is walked through now: the cursor is of that process. */
static struct pgw_node *owner_of(const struct pgw_part *part)
{
        char key[PGW_TAG_KEY_MAX];
        const uint64_t tag =
            part->run->all_tags ? part->progress.tag_walked : part->progress.tags_done;

        return pgw_deployment_owner(
            part->target->conf.sweeps,
            pgw_tag_key(pgw_tags_at(part->run, tag < part->run->tag_count ? tag : 0), key));
}

/* What there is to do in it. */
static void take_turn(struct pgw_target *t, struct pgw_part *part)
{
        const struct pgw_tag_stand *stand = part->tagging;
        const struct pgw_run *run = part->run;
        const bool is_silent = stand->claimed_ms == 0 || pgw_loop_now_ms(t->worker->loop) >=
                                                             stand->claimed_ms + PGW_TAG_SIGN_MS;

        if (part->progress.tags_done >= run->tag_count)
                pgw_tags_end_turn(t);
        else if (stand->stage == PGW_TAG_LOOKING && !run->is_dry)
                pgw_tags_look(t);
        else if (run->all_tags)
                pgw_tags_choose(t);
        else if (!run->pass && is_silent && !pgw_tags_stay(run))
                pgw_tags_claim(t);
        else
                pgw_tags_scan(t);
}

static void begin_turn(struct pgw_target *t, struct pgw_part *part, const struct pgw_node *node)
{
        struct pgw_tag_pass *pass = &t->tags;
        const char *id = pgw_node_run_id(node);

        if (!id[0] || strlen(id) >= PGW_NODE_ID_SIZE || strcmp(part->progress.tag_node, id) != 0)
                part->progress.tag_cursor = part->tagging->cursor = 0;
        part->progress.tag_node[0] = '\0';
        if (strlen(id) < PGW_NODE_ID_SIZE)
                memcpy(part->progress.tag_node, id, strlen(id) + 1);
        pass->part = part;
        pass->broken = PGW_OK;
        pass->slice_size = pass->slice_matched = pass->slice_found = 0;
        pass->chunk_count = 0;
        pass->begun_us = pgw_mono_us();
        take_turn(t, part);
}

static bool must_wait(const struct pgw_target *t, const struct pgw_part *part)
{
        return pgw_loop_now_ms(t->worker->loop) < part->tagging->wait_until_ms;
}

/* Whose set is at a node that is down keeps nobody else out. */
static struct pgw_part *first_reachable(struct pgw_target *t, struct pgw_node **ret_node)
{
        struct pgw_link *link = pgw_list_first(&t->tags.parts);

        for (; link; link = pgw_list_next(&t->tags.parts, link)) {
                struct pgw_part *part = PGW_CONTAINER(link, struct pgw_part, stage);
                *ret_node = owner_of(part);
                if (*ret_node && pgw_node_is_ready(*ret_node) && !must_wait(t, part))
                        return part;
        }
        return NULL;
}

/* Nobody can go on now: until somebody need not wait, or a node may answer. */
static void rest_for_all(struct pgw_target *t)
{
        struct pgw_link *link = pgw_list_first(&t->tags.parts);
        uint64_t until_ms = UINT64_MAX;

        for (; link; link = pgw_list_next(&t->tags.parts, link)) {
                const struct pgw_part *part = PGW_CONTAINER(link, struct pgw_part, stage);
                if (must_wait(t, part) && part->tagging->wait_until_ms < until_ms)
                        until_ms = part->tagging->wait_until_ms;
        }
        if (until_ms != UINT64_MAX)
                pgw_timer_arm(t->worker->loop, &t->tags.wait_timer, until_ms);
        else
                rest(t);
}

static void step(struct pgw_deferred *d)
{
        struct pgw_target *t = PGW_CONTAINER(d, struct pgw_target, tags.step);
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_node *node;

        if (pass->part)
                return;
        part_with_stopped(t);
        if (pgw_timer_is_armed(&pass->timer))
                return;
        if (t->worker->draining) {
                part_with_all(t);
                return;
        }
        struct pgw_part *part = first_reachable(t, &node);
        if (!part) {
                if (pass->parts.count)
                        rest_for_all(t);
                return;
        }
        pass->gate_us = pgw_gate_of(t, node);
        if (!pgw_gate_must_wait(t->worker, pass->gate_us, &pass->timer))
                begin_turn(t, part, node);
}

static void on_timer(struct pgw_timer *timer)
{
        go_on(PGW_CONTAINER(timer, struct pgw_target, tags.timer));
}

static void on_wait_over(struct pgw_timer *timer)
{
        go_on(PGW_CONTAINER(timer, struct pgw_target, tags.wait_timer));
}

void pgw_tag_sweep_add(struct pgw_part *part)
{
        const struct pgw_run *run = part->run;
        const struct pgw_progress *p = &part->progress;
        struct pgw_tag_stand *stand =
            pgw_alloc(sizeof *stand + run->tag_count * sizeof stand->views[0]);

        part->tagging = stand;
        stand->count = PGW_SLICE_COUNT_MIN;
        stand->cursor = p->tag_cursor;
        if (!run->all_tags && p->tag_walked < PGW_ASIDES_OF_JOB)
                stand->number = (unsigned)p->tag_walked;
        if (pgw_tags_stay(run))
                stand->stage = stand->cursor ? PGW_TAG_WALKING : PGW_TAG_LOOKING;
        pgw_list_append(&part->target->tags.parts, &part->stage);
        go_on(part->target);
}

void pgw_tag_sweep_go_on(struct pgw_target *t)
{
        go_on(t);
}

void pgw_tag_sweep_init(struct pgw_target *t)
{
        pgw_list_init(&t->tags.parts);
        pgw_list_init(&t->tags.lettings);
        pgw_buf_init(&t->tags.members, PGW_TAG_MEMBERS_MAX);
        t->tags.askings = pgw_alloc(PGW_TAGS_MAX * sizeof *t->tags.askings);
        pgw_deferred_init(&t->tags.step, step);
        pgw_timer_init(&t->tags.timer, on_timer);
        pgw_timer_init(&t->tags.wait_timer, on_wait_over);
}

void pgw_tag_sweep_fini(struct pgw_target *t)
{
        struct pgw_link *link;

        pgw_loop_undefer(t->worker->loop, &t->tags.step);
        pgw_timer_disarm(t->worker->loop, &t->tags.timer);
        pgw_timer_disarm(t->worker->loop, &t->tags.wait_timer);
        while ((link = pgw_list_first(&t->tags.parts))) {
                struct pgw_part *part = PGW_CONTAINER(link, struct pgw_part, stage);
                pgw_list_remove(&t->tags.parts, link);
                pgw_free(part->tagging);
                part->tagging = NULL;
        }
        pgw_lettings_free(t);
        pgw_buf_fini(&t->tags.members);
        pgw_free(t->tags.keep);
        pgw_free(t->tags.askings);
}
