/* Removing what stands under tags.
 *
 * Any of several tags: each tag's set is set aside under the job's own name (claim.lua), walked
 * through slice by slice, and dropped when all of its members are gone. New tagging goes to a
 * fresh set meanwhile, and nothing is ever popped: a worker that dies leaves the set where its
 * successor finds it, and walking it again does no harm. When the job is repeated, the set stays
 * aside until the last pass.
 *
 * All of several tags: the smallest set is walked through as it is, and of each slice only those
 * go that are in all the others as well. Nothing is set aside, because what is under one of the
 * tags only must stay there.
 *
 * Jobs take turns, a slice each, so that a tag of a million keys does not keep one of ten
 * waiting. A slice is over when everything it asked for was answered; a slice that breaks is
 * done again from its cursor.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "domain/script.h"
#include "domain/tag.h"
#include "work/effect.h"
#include "work/walk.h"

#define PGW_TAG_COUNT_MIN   100
#define PGW_TAG_COUNT_MAX   1000
#define PGW_TAG_SLICE_US    1000
#define PGW_TAG_TURN_US     200 /* the commands of a turn at most, but for its members */
#define PGW_TAG_MEMBER_US   10
#define PGW_TAG_SAVE_MS     1000
#define PGW_TAG_MEMBERS_MAX (256u << 20) /* bytes of a slice */

enum { ARGS_MAX = 6 };

/* A command about a set, which a cluster may send elsewhere before it is answered. */
struct pgw_asking {
        struct pgw_call call;
        struct pgw_target *target;
        struct pgw_str argv[ARGS_MAX];
        struct pgw_str *long_argv; /* instead, for many members */
        char keys[2][PGW_TAG_KEY_MAX];
        char numbers[2][20];
};

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

static struct pgw_str tag_at(const struct pgw_run *run, size_t index)
{
        struct pgw_str rest_of_tags = run->tags, tag = {NULL, 0};

        for (size_t i = 0; i <= index; i++)
                PGW_ASSERT(pgw_keys_next(&rest_of_tags, &tag) == PGW_OK);
        /* The contract bounds tags; an entry of somebody else's is cut, and matches nothing. */
        return tag.n > PGW_TAG_MAX ? pgw_str_of(tag.p, PGW_TAG_MAX) : tag;
}

/* The set that is walked through. */
static struct pgw_str source_key(const struct pgw_part *part, char out[PGW_TAG_KEY_MAX])
{
        const struct pgw_run *run = part->run;

        if (run->all_tags)
                return pgw_tag_key(tag_at(run, part->target->tags.smallest), out);
        if (run->is_dry)
                return pgw_tag_key(tag_at(run, part->progress.tags_done), out);
        return pgw_tag_claim_key(tag_at(run, part->progress.tags_done), &run->job, out);
}

static void note_error(struct pgw_target *t, enum pgw_err err)
{
        if (pgw_err_class(err) == PGW_CLASS_PERMANENT)
                t->tags.part->error = err;
        else
                t->tags.broken = err;
}

static bool is_off(const struct pgw_target *t)
{
        return t->tags.broken || t->tags.part->error;
}

/* Send the asking at `index`, whose arguments are set; its key is argument `key`. */
static bool send_asking(struct pgw_target *t, size_t index, size_t argc, size_t key,
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
                note_error(t, err);
        else
                t->tags.awaited++;
        return !err;
}

static struct pgw_target *target_of(struct pgw_call *call)
{
        return PGW_CONTAINER(call, struct pgw_asking, call)->target;
}

static void leave(struct pgw_part *part)
{
        pgw_list_remove(&part->target->tags.parts, &part->stage);
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
static void end_turn(struct pgw_target *t)
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

static void count_tag(struct pgw_part *part)
{
        part->progress.tags_done++;
        part->progress.tag_cursor = 0;
}

static void on_dropped(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = target_of(call);

        (void)reply;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        t->tags.awaited--;
        if (err)
                note_error(t, err);
        else
                count_tag(t->tags.part);
        end_turn(t);
}

/* All members are gone. What was set aside is dropped, unless it will be walked through again. */
static void finish_tag(struct pgw_target *t)
{
        struct pgw_part *part = t->tags.part;
        struct pgw_asking *a = &t->tags.askings[0];

        if (part->run->all_tags) {
                part->progress.tags_done = part->run->tag_count;
                end_turn(t);
                return;
        }
        if (part->run->is_dry || pgw_run_next_pass(part->run, pgw_part_rebounds(part))) {
                count_tag(part);
                end_turn(t);
                return;
        }
        a->argv[0] = PGW_STR("UNLINK");
        a->argv[1] = source_key(part, a->keys[0]);
        if (!send_asking(t, 0, 2, 1, on_dropped))
                end_turn(t);
}

/* ---- a slice ---- */

static void commit(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_progress *p = &pass->part->progress;
        const uint64_t now_ms = pgw_loop_now_ms(t->worker->loop);

        p->tag_cursor = pass->next;
        p->matched += pass->part->run->is_dry ? pass->slice_found : pass->slice_matched;
        p->members_seen += pass->slice_size;
        if (now_ms >= pass->saved_ms + PGW_TAG_SAVE_MS) {
                pass->saved_ms = now_ms;
                pgw_sweep_say_progress(pass->part);
                PGW_FAILPOINT("tags.saved");
        }
        if (pass->next == 0)
                finish_tag(t);
        else
                end_turn(t);
}

static void conclude(struct pgw_target *t)
{
        if (t->tags.awaited)
                return;
        if (is_off(t))
                end_turn(t);
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
        PGW_ASSERT(t->tags.awaited > 0);
        t->tags.awaited--;
        if (err)
                note_error(t, err);
        else if (e->part->run->is_dry)
                t->tags.slice_found += affected;
        else
                e->part->progress.removed += affected;
        conclude(t);
}

static void remove_chunk(struct pgw_target *t, const struct pgw_str *keys, size_t count)
{
        if (count == 0 || is_off(t))
                return;
        enum pgw_err err = pgw_effect_send(t->conf.sweeps, t->tags.part, keys, count, PGW_KEYS_GO,
                                           on_removed, NULL);
        if (err)
                note_error(t, err);
        else
                t->tags.awaited++;
}

/* Who tags a key of the service's own does not get it removed. */
static bool may_go(struct pgw_str key)
{
        return !pgw_str_starts(key, PGW_STR(PGW_KEYS_OWN));
}

static void remove_members(struct pgw_target *t, const struct pgw_reply *members)
{
        const struct pgw_reply *member = members + 1;
        struct pgw_part *part = t->tags.part;
        struct pgw_str chunk[PGW_EFFECT_CHUNK_MAX];
        size_t n = 0;

        for (size_t i = 0; i < members->count; i++, member = pgw_reply_next(member)) {
                const struct pgw_str key = pgw_reply_str(member);
                if (!may_go(key))
                        continue;
                t->tags.slice_matched++;
                pgw_effect_show(part->run, key);
                chunk[n++] = key;
                if (n == pgw_effect_chunk(part)) {
                        remove_chunk(t, chunk, n);
                        n = 0;
                }
        }
        remove_chunk(t, chunk, n);
}

/* ---- all of several tags ---- */

static void remove_kept(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_str members = pgw_buf_str(&pass->members), key, chunk[PGW_EFFECT_CHUNK_MAX];
        size_t n = 0;

        for (size_t i = 0; i < pass->slice_size; i++) {
                PGW_ASSERT(pgw_keys_next(&members, &key) == PGW_OK);
                if (!pass->keep[i] || !may_go(key))
                        continue;
                pass->slice_matched++;
                pgw_effect_show(pass->part->run, key);
                chunk[n++] = key;
                if (n == pgw_effect_chunk(pass->part)) {
                        remove_chunk(t, chunk, n);
                        n = 0;
                }
        }
        remove_chunk(t, chunk, n);
}

static void on_membership(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_asking *a = PGW_CONTAINER(call, struct pgw_asking, call);
        struct pgw_target *t = a->target;
        struct pgw_tag_pass *pass = &t->tags;

        pgw_free(a->long_argv);
        a->long_argv = NULL;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        PGW_ASSERT(pass->awaited > 0);
        pass->awaited--;
        if (!err && (reply->type != PGW_REPLY_ARRAY || reply->count != pass->slice_size))
                err = PGW_E_REDIS_PROTOCOL;
        if (err)
                note_error(t, err);
        const struct pgw_reply *is_member = reply ? reply + 1 : NULL;
        for (size_t i = 0; !err && i < pass->slice_size; i++, is_member = pgw_reply_next(is_member))
                pass->keep[i] &= pgw_reply_int(is_member, 0) == 1;
        if (pass->awaited == 0 && !is_off(t))
                remove_kept(t);
        conclude(t);
}

static void ask_membership_of(struct pgw_target *t, size_t index, size_t count)
{
        struct pgw_asking *a = &t->tags.askings[index];
        struct pgw_str rest_of_members = pgw_buf_str(&t->tags.members);
        struct pgw_str *argv = a->long_argv = pgw_alloc((2 + count) * sizeof *argv);

        *argv++ = PGW_STR("SMISMEMBER");
        *argv++ = pgw_tag_key(tag_at(t->tags.part->run, index), a->keys[0]);
        while (rest_of_members.n)
                PGW_ASSERT(pgw_keys_next(&rest_of_members, argv++) == PGW_OK);
        if (send_asking(t, index, 2 + count, 1, on_membership))
                return;
        pgw_free(a->long_argv);
        a->long_argv = NULL;
}

static void ask_membership(struct pgw_target *t, const struct pgw_reply *members)
{
        struct pgw_tag_pass *pass = &t->tags;
        const struct pgw_reply *member = members + 1;

        pgw_buf_clear(&pass->members);
        pgw_free(pass->keep);
        pass->keep = pgw_alloc(members->count + 1);
        memset(pass->keep, 1, members->count);
        for (size_t i = 0; i < members->count; i++, member = pgw_reply_next(member)) {
                const struct pgw_str key = pgw_reply_str(member);
                if (pgw_keys_encode(&pass->members, &key, 1))
                        note_error(t, PGW_E_REDIS_PROTOCOL);
        }
        for (size_t i = 0; i < pass->part->run->tag_count && members->count && !is_off(t); i++)
                if (i != pass->smallest)
                        ask_membership_of(t, i, members->count);
        if (pass->awaited == 0 && !is_off(t))
                remove_kept(t); /* one tag, or an empty slice */
}

/* ---- walking ---- */

static void adapt(struct pgw_tag_pass *pass, uint64_t took_us)
{
        if (took_us > PGW_TAG_SLICE_US && pass->count > PGW_TAG_COUNT_MIN)
                pass->count /= 2;
        else if (took_us < PGW_TAG_SLICE_US / 2 && pass->count * 2 <= PGW_TAG_COUNT_MAX)
                pass->count *= 2;
}

static void on_scanned(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = target_of(call);
        struct pgw_tag_pass *pass = &t->tags;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        pass->awaited--;
        const struct pgw_reply *members = err ? NULL : pgw_reply_at(reply, 1);
        if (!err &&
            (!members || members->type != PGW_REPLY_ARRAY ||
             pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 0)), UINT64_MAX, &pass->next)))
                err = PGW_E_REDIS_PROTOCOL;
        if (err) {
                note_error(t, err);
        } else {
                adapt(pass, pgw_mono_us() - pass->begun_us);
                pgw_metric_add(PGW_M_SWEEP_SLICES, 1);
                pass->slice_size = members->count;
                if (pass->part->run->all_tags)
                        ask_membership(t, members);
                else
                        remove_members(t, members);
                PGW_FAILPOINT("tags.slice");
        }
        conclude(t);
}

static struct pgw_str number(char out[20], uint64_t value)
{
        return pgw_str_of(out, pgw_u64_text(value, out));
}

static void send_scan(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_asking *a = &pass->askings[0];

        a->argv[0] = PGW_STR("SSCAN");
        a->argv[1] = source_key(pass->part, a->keys[0]);
        a->argv[2] = number(a->numbers[0], pass->part->progress.tag_cursor);
        a->argv[3] = PGW_STR("COUNT");
        a->argv[4] = number(a->numbers[1], pass->count);
        if (!send_asking(t, 0, 5, 1, on_scanned))
                end_turn(t);
}

static void on_claimed(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = target_of(call);
        struct pgw_part *part = t->tags.part;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        t->tags.awaited--;
        if (err) {
                note_error(t, err);
                end_turn(t);
                return;
        }
        const int64_t members = pgw_reply_int(reply, 0);
        if (members == 0) {
                count_tag(part);
                end_turn(t);
                return;
        }
        part->progress.members = part->progress.members_seen + (uint64_t)members;
        PGW_FAILPOINT("tags.claimed");
        send_scan(t);
}

static void claim(struct pgw_target *t)
{
        struct pgw_run *run = t->tags.part->run;
        const struct pgw_str tag = tag_at(run, t->tags.part->progress.tags_done);
        struct pgw_asking *a = &t->tags.askings[0];

        a->argv[0] = PGW_STR("EVAL");
        a->argv[1] = pgw_script_text(PGW_SCRIPT_CLAIM);
        a->argv[2] = PGW_STR("2");
        a->argv[3] = pgw_tag_key(tag, a->keys[0]);
        a->argv[4] = pgw_tag_claim_key(tag, &run->job, a->keys[1]);
        a->argv[5] = run->pass ? PGW_STR("") : PGW_STR("1");
        if (!send_asking(t, 0, 6, 3, on_claimed))
                end_turn(t);
}

/* The walk must stay in one set, whose cursor it is: the first of the smallest. */
static void choose_smallest(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_part *part = pass->part;
        struct pgw_progress *p = &part->progress;

        for (size_t i = 0; p->tag_cursor == 0 && i < part->run->tag_count; i++)
                if (i == 0 || pass->cards[i] < pass->cards[p->tag_walked])
                        p->tag_walked = i;
        if (p->tag_walked >= part->run->tag_count)
                p->tag_walked = p->tag_cursor = 0;
        pass->smallest = p->tag_walked;
        if (pass->cards[pass->smallest] == 0) {
                p->tags_done = part->run->tag_count;
                end_turn(t);
                return;
        }
        p->members = pass->cards[pass->smallest];
        send_scan(t);
}

static void on_card(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = target_of(call);
        struct pgw_tag_pass *pass = &t->tags;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        PGW_ASSERT(pass->awaited > 0);
        pass->awaited--;
        if (err)
                note_error(t, err);
        else
                pass->cards[PGW_CONTAINER(call, struct pgw_asking, call) - pass->askings] =
                    (uint64_t)pgw_reply_int(reply, 0);
        if (pass->awaited)
                return;
        if (is_off(t))
                end_turn(t);
        else
                choose_smallest(t);
}

static void ask_cards(struct pgw_target *t)
{
        for (size_t i = 0; i < t->tags.part->run->tag_count && !is_off(t); i++) {
                struct pgw_asking *a = &t->tags.askings[i];
                a->argv[0] = PGW_STR("SCARD");
                a->argv[1] = pgw_tag_key(tag_at(t->tags.part->run, i), a->keys[0]);
                (void)send_asking(t, i, 2, 1, on_card);
        }
        if (t->tags.awaited == 0)
                end_turn(t);
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
            pgw_tag_key(tag_at(part->run, tag < part->run->tag_count ? tag : 0), key));
}

static void begin_turn(struct pgw_target *t, struct pgw_part *part, const struct pgw_node *node)
{
        struct pgw_tag_pass *pass = &t->tags;
        const char *id = pgw_node_run_id(node);

        if (!id[0] || strlen(id) >= PGW_NODE_ID_SIZE || strcmp(part->progress.tag_node, id) != 0)
                part->progress.tag_cursor = 0;
        part->progress.tag_node[0] = '\0';
        if (strlen(id) < PGW_NODE_ID_SIZE)
                memcpy(part->progress.tag_node, id, strlen(id) + 1);
        pass->part = part;
        pass->broken = PGW_OK;
        pass->slice_size = pass->slice_matched = pass->slice_found = 0;
        pass->begun_us = pgw_mono_us();
        if (part->progress.tags_done >= part->run->tag_count)
                end_turn(t);
        else if (part->run->all_tags)
                ask_cards(t);
        else if (part->progress.tag_cursor == 0 && !part->run->is_dry)
                claim(t);
        else
                send_scan(t);
}

/* Whose set is at a node that is down keeps nobody else out. */
static struct pgw_part *first_reachable(struct pgw_target *t, struct pgw_node **ret_node)
{
        struct pgw_link *link = pgw_list_first(&t->tags.parts);

        for (; link; link = pgw_list_next(&t->tags.parts, link)) {
                struct pgw_part *part = PGW_CONTAINER(link, struct pgw_part, stage);
                *ret_node = owner_of(part);
                if (*ret_node && pgw_node_is_ready(*ret_node))
                        return part;
        }
        return NULL;
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
                        rest(t);
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

void pgw_tag_sweep_add(struct pgw_part *part)
{
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
        pgw_buf_init(&t->tags.members, PGW_TAG_MEMBERS_MAX);
        t->tags.askings = pgw_alloc(PGW_TAGS_MAX * sizeof *t->tags.askings);
        t->tags.count = PGW_TAG_COUNT_MIN;
        pgw_deferred_init(&t->tags.step, step);
        pgw_timer_init(&t->tags.timer, on_timer);
}

void pgw_tag_sweep_fini(struct pgw_target *t)
{
        struct pgw_link *link;

        pgw_loop_undefer(t->worker->loop, &t->tags.step);
        pgw_timer_disarm(t->worker->loop, &t->tags.timer);
        while ((link = pgw_list_first(&t->tags.parts)))
                pgw_list_remove(&t->tags.parts, link);
        pgw_buf_fini(&t->tags.members);
        pgw_free(t->tags.keep);
        pgw_free(t->tags.askings);
}
