/* Keys under all of several tags: the smallest set is walked through as it is, and of each slice
 * only those go that are in all the others as well. Nothing is set aside, because what is under one
 * of the tags only must stay there.
 */
#include <string.h>

#include "base/alloc.h"
#include "work/tag_sweep.h"

static size_t index_of(const struct pgw_call *call, const struct pgw_tag_pass *pass)
{
        return (size_t)(PGW_CONTAINER(call, struct pgw_asking, call) - pass->askings);
}

/* ---- which one ---- */

/* The walk must stay in one set, whose cursor it is: the first of the smallest. */
static void choose_smallest(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_part *part = pass->part;
        struct pgw_progress *p = &part->progress;

        for (size_t i = 0; part->tagging->cursor == 0 && i < part->run->tag_count; i++)
                if (i == 0 || pass->cards[i] < pass->cards[p->tag_walked])
                        p->tag_walked = i;
        if (p->tag_walked >= part->run->tag_count)
                p->tag_walked = part->tagging->cursor = 0;
        pass->smallest = p->tag_walked;
        p->members = pass->cards[pass->smallest];
        pgw_tags_scan(t);
}

static void on_card(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = PGW_CONTAINER(call, struct pgw_asking, call)->target;
        struct pgw_tag_pass *pass = &t->tags;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (pgw_tags_answered(t, err))
                pass->cards[index_of(call, pass)] = (uint64_t)pgw_reply_int(reply, 0);
        if (pass->awaited)
                return;
        if (pgw_tags_is_off(t))
                pgw_tags_end_turn(t);
        else
                choose_smallest(t);
}

void pgw_tags_choose(struct pgw_target *t)
{
        for (size_t i = 0; i < t->tags.part->run->tag_count && !pgw_tags_is_off(t); i++) {
                struct pgw_asking *a = &t->tags.askings[i];
                a->argv[0] = PGW_STR("SCARD");
                a->argv[1] = pgw_tag_key(pgw_tags_at(t->tags.part->run, i), a->keys[0]);
                (void)pgw_tags_ask(t, i, 2, 1, on_card);
        }
        if (t->tags.awaited == 0)
                pgw_tags_end_turn(t);
}

/* ---- who is in the others ---- */

static void remove_kept(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_str members = pgw_buf_str(&pass->members), key;

        for (size_t i = 0; i < pass->slice_size; i++) {
                PGW_ASSERT(pgw_keys_next(&members, &key) == PGW_OK);
                if (pass->keep[i])
                        pgw_tags_go(t, key);
        }
        pgw_tags_gone(t);
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
        if (!err && (reply->type != PGW_REPLY_ARRAY || reply->count != pass->slice_size))
                err = PGW_E_REDIS_PROTOCOL;
        if (pgw_tags_answered(t, err)) {
                const struct pgw_reply *is_member = reply + 1;
                for (size_t i = 0; i < pass->slice_size; i++, is_member = pgw_reply_next(is_member))
                        pass->keep[i] &= pgw_reply_int(is_member, 0) == 1;
        }
        if (pass->awaited)
                return;
        if (pgw_tags_is_off(t))
                pgw_tags_end_turn(t);
        else
                remove_kept(t);
}

static void ask_membership_of(struct pgw_target *t, size_t index, size_t count)
{
        struct pgw_asking *a = &t->tags.askings[index];
        struct pgw_str rest_of_members = pgw_buf_str(&t->tags.members);
        struct pgw_str *argv = a->long_argv = pgw_alloc((2 + count) * sizeof *argv);

        *argv++ = PGW_STR("SMISMEMBER");
        *argv++ = pgw_tag_key(pgw_tags_at(t->tags.part->run, index), a->keys[0]);
        while (rest_of_members.n)
                PGW_ASSERT(pgw_keys_next(&rest_of_members, argv++) == PGW_OK);
        if (pgw_tags_ask(t, index, 2 + count, 1, on_membership))
                return;
        pgw_free(a->long_argv);
        a->long_argv = NULL;
}

void pgw_tags_ask_membership(struct pgw_target *t, const struct pgw_reply *members)
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
                        pgw_tags_note(t, PGW_E_REDIS_PROTOCOL);
        }
        for (size_t i = 0; i < pass->part->run->tag_count && members->count; i++)
                if (i != pass->smallest && !pgw_tags_is_off(t))
                        ask_membership_of(t, i, members->count);
        if (pass->awaited)
                return;
        if (pgw_tags_is_off(t))
                pgw_tags_end_turn(t);
        else
                remove_kept(t); /* one tag, or an empty slice */
}
