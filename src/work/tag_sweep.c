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

#define PGW_TAG_COUNT_MIN   100
#define PGW_TAG_COUNT_MAX   1000
#define PGW_TAG_SLICE_US    1000
#define PGW_TAG_SAVE_MS     1000
#define PGW_TAG_MEMBERS_MAX (256u << 20) /* bytes of a slice */

static void go_on(struct pgw_worker *w)
{
        if (w->tagged.count)
                pgw_loop_defer(w->loop, &w->tag_pass.step);
}

static void rest(struct pgw_worker *w)
{
        pgw_timer_arm(w->loop, &w->tag_pass.timer,
                      pgw_loop_now_ms(w->loop) + pgw_worker_pause_ms(w->tag_pass.failures++));
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
static struct pgw_str source_key(const struct pgw_worker *w, const struct pgw_run *run,
                                 char out[PGW_TAG_KEY_MAX])
{
        if (run->all_tags)
                return pgw_tag_key(tag_at(run, w->tag_pass.smallest), out);
        if (run->is_dry)
                return pgw_tag_key(tag_at(run, run->progress.tags_done), out);
        return pgw_tag_claim_key(tag_at(run, run->progress.tags_done), &run->job, out);
}

static void leave(struct pgw_run *run)
{
        pgw_list_remove(&run->worker->tagged, &run->stage);
        run->tag_count = 0;
        pgw_run_end(run);
}

/* A slice of the job is over, well or badly; the next one has its turn. */
static void end_turn(struct pgw_worker *w)
{
        struct pgw_tag_pass *pass = &w->tag_pass;
        struct pgw_run *run = pass->run;

        pass->run = NULL;
        if (pass->broken) {
                PGW_LOG(PGW_LOG_WARN, "tags.slice_failed",
                        PGW_L_STR("error", pgw_err_slug(pass->broken)));
                rest(w);
        } else {
                pass->failures = 0;
                pgw_sweep_pause_behind(w, pgw_mono_us() - pass->begun_us);
        }
        if (run->lost || run->error || run->progress.tags_done >= run->tag_count) {
                leave(run);
        } else {
                pgw_list_remove(&w->tagged, &run->stage);
                pgw_list_append(&w->tagged, &run->stage);
        }
        go_on(w);
}

static void note_error(struct pgw_worker *w, enum pgw_err err)
{
        if (pgw_err_class(err) == PGW_CLASS_PERMANENT)
                w->tag_pass.run->error = err;
        else
                w->tag_pass.broken = err;
}

static bool is_off(const struct pgw_worker *w)
{
        return w->tag_pass.broken || w->tag_pass.run->error;
}

/* ---- the end of a tag ---- */

static void count_tag(struct pgw_run *run)
{
        run->progress.tags_done++;
        run->progress.tag_cursor = 0;
}

static void on_dropped(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;

        (void)reply;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err)
                note_error(w, err);
        else
                count_tag(w->tag_pass.run);
        end_turn(w);
}

/* All members are gone. What was set aside is dropped, unless it will be walked through again. */
static void finish_tag(struct pgw_worker *w)
{
        struct pgw_run *run = w->tag_pass.run;
        char key[PGW_TAG_KEY_MAX];

        if (run->all_tags) {
                run->progress.tags_done = run->tag_count;
                end_turn(w);
                return;
        }
        if (run->is_dry || pgw_run_next_pass(run)) {
                count_tag(run);
                end_turn(w);
                return;
        }
        pgw_redis_begin(w->links.sweep, 2);
        pgw_redis_arg(w->links.sweep, PGW_STR("UNLINK"));
        pgw_redis_arg(w->links.sweep, source_key(w, run, key));
        enum pgw_err err = pgw_redis_end(w->links.sweep, on_dropped, w);
        if (err) {
                note_error(w, err);
                end_turn(w);
        }
}

/* ---- a slice ---- */

static void commit(struct pgw_worker *w)
{
        struct pgw_tag_pass *pass = &w->tag_pass;
        struct pgw_progress *p = &pass->run->progress;
        const uint64_t now_ms = pgw_loop_now_ms(w->loop);

        p->tag_cursor = pass->next;
        p->matched += pass->run->is_dry ? pass->slice_found : pass->slice_matched;
        p->members_seen += pass->slice_size;
        if (now_ms >= pass->saved_ms + PGW_TAG_SAVE_MS) {
                pass->saved_ms = now_ms;
                pgw_sweep_say_progress(pass->run);
                PGW_FAILPOINT("tags.saved");
        }
        if (pass->next == 0)
                finish_tag(w);
        else
                end_turn(w);
}

static void conclude(struct pgw_worker *w)
{
        if (w->tag_pass.awaited)
                return;
        if (is_off(w))
                end_turn(w);
        else
                commit(w);
}

static void on_unlinked(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        PGW_ASSERT(w->tag_pass.awaited > 0);
        w->tag_pass.awaited--;
        if (err)
                note_error(w, err);
        else if (w->tag_pass.run->is_dry)
                w->tag_pass.slice_found += (uint64_t)pgw_reply_int(reply, 0);
        else
                w->tag_pass.run->progress.removed += (uint64_t)pgw_reply_int(reply, 0);
        conclude(w);
}

static void unlink_chunk(struct pgw_worker *w, const struct pgw_str *keys, size_t count)
{
        if (count == 0 || is_off(w))
                return;
        enum pgw_err err =
            pgw_effect_send(w->links.sweep, w->tag_pass.run, keys, count, on_unlinked, w);
        if (err)
                note_error(w, err);
        else
                w->tag_pass.awaited++;
}

/* Who tags a key of the service's own does not get it removed. */
static bool may_go(struct pgw_str key)
{
        return !pgw_str_starts(key, PGW_STR(PGW_KEYS_OWN));
}

static void remove_members(struct pgw_worker *w, const struct pgw_reply *members)
{
        const struct pgw_reply *member = members + 1;
        struct pgw_str chunk[PGW_EFFECT_CHUNK_MAX];
        size_t n = 0;

        for (size_t i = 0; i < members->count; i++, member = pgw_reply_next(member)) {
                const struct pgw_str key = pgw_reply_str(member);
                if (!may_go(key))
                        continue;
                w->tag_pass.slice_matched++;
                pgw_effect_show(w->tag_pass.run, key);
                chunk[n++] = key;
                if (n == pgw_effect_chunk(w->tag_pass.run)) {
                        unlink_chunk(w, chunk, n);
                        n = 0;
                }
        }
        unlink_chunk(w, chunk, n);
}

/* ---- all of several tags ---- */

static void remove_kept(struct pgw_worker *w)
{
        struct pgw_tag_pass *pass = &w->tag_pass;
        struct pgw_str members = pgw_buf_str(&pass->members), key, chunk[PGW_EFFECT_CHUNK_MAX];
        size_t n = 0;

        for (size_t i = 0; i < pass->slice_size; i++) {
                PGW_ASSERT(pgw_keys_next(&members, &key) == PGW_OK);
                if (!pass->keep[i] || !may_go(key))
                        continue;
                pass->slice_matched++;
                pgw_effect_show(pass->run, key);
                chunk[n++] = key;
                if (n == pgw_effect_chunk(w->tag_pass.run)) {
                        unlink_chunk(w, chunk, n);
                        n = 0;
                }
        }
        unlink_chunk(w, chunk, n);
}

static void on_membership(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;
        struct pgw_tag_pass *pass = &w->tag_pass;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        PGW_ASSERT(pass->awaited > 0);
        pass->awaited--;
        if (!err && (reply->type != PGW_REPLY_ARRAY || reply->count != pass->slice_size))
                err = PGW_E_REDIS_PROTOCOL;
        if (err)
                note_error(w, err);
        for (size_t i = 0; !err && i < pass->slice_size; i++)
                pass->keep[i] &= pgw_reply_int(pgw_reply_at(reply, i), 0) == 1;
        if (pass->awaited == 0 && !is_off(w))
                remove_kept(w);
        conclude(w);
}

static void ask_membership(struct pgw_worker *w, const struct pgw_reply *members)
{
        struct pgw_tag_pass *pass = &w->tag_pass;
        const struct pgw_reply *member = members + 1;
        char tag_key[PGW_TAG_KEY_MAX];

        pgw_buf_clear(&pass->members);
        pgw_free(pass->keep);
        pass->keep = pgw_alloc(members->count + 1);
        memset(pass->keep, 1, members->count);
        for (size_t i = 0; i < members->count; i++, member = pgw_reply_next(member)) {
                const struct pgw_str key = pgw_reply_str(member);
                if (pgw_keys_encode(&pass->members, &key, 1))
                        note_error(w, PGW_E_REDIS_PROTOCOL);
        }
        for (size_t t = 0; t < pass->run->tag_count && members->count && !is_off(w); t++) {
                struct pgw_str rest_of_members = pgw_buf_str(&pass->members), key;
                if (t == pass->smallest)
                        continue;
                pgw_redis_begin(w->links.sweep, 2 + members->count);
                pgw_redis_arg(w->links.sweep, PGW_STR("SMISMEMBER"));
                pgw_redis_arg(w->links.sweep, pgw_tag_key(tag_at(pass->run, t), tag_key));
                while (rest_of_members.n) {
                        PGW_ASSERT(pgw_keys_next(&rest_of_members, &key) == PGW_OK);
                        pgw_redis_arg(w->links.sweep, key);
                }
                enum pgw_err err = pgw_redis_end(w->links.sweep, on_membership, w);
                if (err)
                        note_error(w, err);
                else
                        pass->awaited++;
        }
        if (pass->awaited == 0 && !is_off(w))
                remove_kept(w); /* one tag, or an empty slice */
}

/* ---- walking ---- */

static void adapt(struct pgw_tag_pass *pass, uint64_t took_us)
{
        if (took_us > PGW_TAG_SLICE_US && pass->count > PGW_TAG_COUNT_MIN)
                pass->count /= 2;
        else if (took_us < PGW_TAG_SLICE_US / 2 && pass->count * 2 <= PGW_TAG_COUNT_MAX)
                pass->count *= 2;
}

static void on_scanned(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;
        struct pgw_tag_pass *pass = &w->tag_pass;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        pass->awaited--;
        const struct pgw_reply *members = err ? NULL : pgw_reply_at(reply, 1);
        if (!err &&
            (!members || members->type != PGW_REPLY_ARRAY ||
             pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 0)), UINT64_MAX, &pass->next)))
                err = PGW_E_REDIS_PROTOCOL;
        if (err) {
                note_error(w, err);
        } else {
                adapt(pass, pgw_mono_us() - pass->begun_us);
                pgw_metric_add(PGW_M_SWEEP_SLICES, 1);
                pass->slice_size = members->count;
                if (pass->run->all_tags)
                        ask_membership(w, members);
                else
                        remove_members(w, members);
                PGW_FAILPOINT("tags.slice");
        }
        conclude(w);
}

static void send_scan(struct pgw_worker *w)
{
        struct pgw_tag_pass *pass = &w->tag_pass;
        char key[PGW_TAG_KEY_MAX];

        pgw_redis_begin(w->links.sweep, 5);
        pgw_redis_arg(w->links.sweep, PGW_STR("SSCAN"));
        pgw_redis_arg(w->links.sweep, source_key(w, pass->run, key));
        pgw_redis_arg_u64(w->links.sweep, pass->run->progress.tag_cursor);
        pgw_redis_arg(w->links.sweep, PGW_STR("COUNT"));
        pgw_redis_arg_u64(w->links.sweep, pass->count);
        enum pgw_err err = pgw_redis_end(w->links.sweep, on_scanned, w);
        if (err) {
                note_error(w, err);
                end_turn(w);
                return;
        }
        pass->awaited = 1;
}

static void on_claimed(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;
        struct pgw_run *run = w->tag_pass.run;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err) {
                note_error(w, err);
                end_turn(w);
                return;
        }
        const int64_t members = pgw_reply_int(reply, 0);
        if (members == 0) {
                count_tag(run);
                end_turn(w);
                return;
        }
        run->progress.members = run->progress.members_seen + (uint64_t)members;
        PGW_FAILPOINT("tags.claimed");
        send_scan(w);
}

static void claim(struct pgw_worker *w)
{
        struct pgw_run *run = w->tag_pass.run;
        const struct pgw_str tag = tag_at(run, run->progress.tags_done);
        char key[PGW_TAG_KEY_MAX];

        pgw_script_begin(w->links.sweep, PGW_SCRIPT_CLAIM, 2, 1);
        pgw_redis_arg(w->links.sweep, pgw_tag_key(tag, key));
        pgw_redis_arg(w->links.sweep, pgw_tag_claim_key(tag, &run->job, key));
        pgw_redis_arg(w->links.sweep, run->pass ? PGW_STR("") : PGW_STR("1"));
        enum pgw_err err = pgw_redis_end(w->links.sweep, on_claimed, w);
        if (err) {
                note_error(w, err);
                end_turn(w);
        }
}

static void on_card(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;
        struct pgw_tag_pass *pass = &w->tag_pass;
        struct pgw_run *run = pass->run;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        PGW_ASSERT(pass->awaited > 0);
        pass->awaited--;
        pass->cards[run->tag_count - 1 - pass->awaited] = (uint64_t)pgw_reply_int(reply, 0);
        if (err)
                note_error(w, err);
        if (pass->awaited)
                return;
        if (is_off(w)) {
                end_turn(w);
                return;
        }
        /* The walk must stay in one set, whose cursor it is: the first of the smallest. */
        for (size_t i = 0; run->progress.tag_cursor == 0 && i < run->tag_count; i++)
                if (i == 0 || pass->cards[i] < pass->cards[run->progress.tag_walked])
                        run->progress.tag_walked = i;
        pass->smallest = run->progress.tag_walked;
        if (pass->cards[pass->smallest] == 0) {
                run->progress.tags_done = run->tag_count;
                end_turn(w);
                return;
        }
        run->progress.members = pass->cards[pass->smallest];
        send_scan(w);
}

static void ask_cards(struct pgw_worker *w)
{
        struct pgw_tag_pass *pass = &w->tag_pass;
        char key[PGW_TAG_KEY_MAX];

        for (size_t i = 0; i < pass->run->tag_count; i++) {
                pgw_redis_begin(w->links.sweep, 2);
                pgw_redis_arg(w->links.sweep, PGW_STR("SCARD"));
                pgw_redis_arg(w->links.sweep, pgw_tag_key(tag_at(pass->run, i), key));
                enum pgw_err err = pgw_redis_end(w->links.sweep, on_card, w);
                if (err) {
                        note_error(w, err);
                        break;
                }
                pass->awaited++;
        }
        if (pass->awaited == 0)
                end_turn(w);
}

/* Draining: what is done is written down, the job stays in the queue for somebody else. */
static void part_with_all(struct pgw_worker *w)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(&w->tagged))) {
                struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, stage);
                pgw_sweep_say_progress(run);
                pgw_list_remove(&w->tagged, link);
                pgw_run_free(run);
        }
}

static void step(struct pgw_deferred *d)
{
        struct pgw_worker *w = PGW_CONTAINER(d, struct pgw_worker, tag_pass.step);
        struct pgw_tag_pass *pass = &w->tag_pass;

        if (pass->run || pgw_timer_is_armed(&pass->timer))
                return;
        if (w->draining) {
                part_with_all(w);
                return;
        }
        struct pgw_link *link = pgw_list_first(&w->tagged);
        if (!link || !pgw_redis_is_ready(w->links.sweep) || !pgw_sweep_knows_node(w) ||
            pgw_sweep_must_wait(w, &pass->timer))
                return;
        struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, stage);
        if (!w->pass.node[0] || strcmp(run->progress.node, w->pass.node) != 0)
                run->progress.tag_cursor = 0;
        memcpy(run->progress.node, w->pass.node, sizeof run->progress.node);
        pass->run = run;
        pass->broken = PGW_OK;
        pass->awaited = 0;
        pass->slice_size = pass->slice_matched = pass->slice_found = 0;
        pass->begun_us = pgw_mono_us();
        if (run->all_tags)
                ask_cards(w);
        else if (run->progress.tag_cursor == 0 && !run->is_dry)
                claim(w);
        else
                send_scan(w);
}

static void on_timer(struct pgw_timer *timer)
{
        go_on(PGW_CONTAINER(timer, struct pgw_worker, tag_pass.timer));
}

void pgw_tag_sweep_add(struct pgw_run *run)
{
        pgw_list_append(&run->worker->tagged, &run->stage);
        go_on(run->worker);
}

void pgw_tag_sweep_go_on(struct pgw_worker *w)
{
        go_on(w);
}

void pgw_tag_sweep_start_over(struct pgw_worker *w)
{
        struct pgw_link *link = pgw_list_first(&w->tagged);

        for (; link; link = pgw_list_next(&w->tagged, link))
                PGW_CONTAINER(link, struct pgw_run, stage)->progress.node[0] = '\0';
}

void pgw_tag_sweep_init(struct pgw_worker *w)
{
        pgw_list_init(&w->tagged);
        pgw_buf_init(&w->tag_pass.members, PGW_TAG_MEMBERS_MAX);
        w->tag_pass.count = PGW_TAG_COUNT_MIN;
        pgw_deferred_init(&w->tag_pass.step, step);
        pgw_timer_init(&w->tag_pass.timer, on_timer);
}

void pgw_tag_sweep_fini(struct pgw_worker *w)
{
        struct pgw_link *link;

        pgw_loop_undefer(w->loop, &w->tag_pass.step);
        pgw_timer_disarm(w->loop, &w->tag_pass.timer);
        while ((link = pgw_list_first(&w->tagged)))
                pgw_list_remove(&w->tagged, link);
        pgw_buf_fini(&w->tag_pass.members);
        pgw_free(w->tag_pass.keep);
}
