#include "http/letter_scan.h"

#include <string.h>

#include "base/alloc.h"

struct scan {
        struct pgw_gateway *gateway;
        struct pgw_letter_filter filter;
        struct pgw_letter_place place;
        size_t left; /* to be looked at */
        size_t page; /* at a time */
        pgw_letter_each_f *each;
        pgw_letter_scanned_f *done;
        void *ctx;
};

static void finish(struct scan *s, enum pgw_err err, bool has_more)
{
        s->done(s->ctx, err, has_more ? &s->place : NULL);
        pgw_free(s);
}

static enum pgw_err ask(struct scan *);

static void move_to(struct scan *s, const struct pgw_letter *l)
{
        s->place.buried_ms = l->buried_ms;
        pgw_job_id_text(&l->id, s->place.id);
}

/* False when there were enough, or what came is not ours. */
static bool look_at(struct scan *s, const struct pgw_reply *name, enum pgw_err *err)
{
        const struct pgw_reply *record = pgw_reply_next(pgw_reply_next(name));
        struct pgw_job_id id;
        struct pgw_letter letter;

        /* What is no letter of ours is passed over, but the walk must get past it. */
        if (pgw_job_id_parse(pgw_reply_str(name), &id))
                return true;
        if (pgw_letter_read(&id, record, &letter))
                letter =
                    (struct pgw_letter){.id = id, .error = PGW_E_CODEC, .state = PGW_JOB_FAILED};
        uint64_t at_ms;
        if (pgw_str_to_u64(pgw_reply_str(pgw_reply_next(name)), UINT64_MAX, &at_ms)) {
                *err = PGW_E_REDIS_PROTOCOL;
                return false;
        }
        letter.buried_ms = at_ms;
        move_to(s, &letter);
        return !pgw_letter_filter_fits(&s->filter, &letter) || s->each(s->ctx, &letter);
}

static void on_page(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct scan *s = ctx;
        const struct pgw_reply *page = err ? NULL : pgw_reply_at(reply, 1);
        bool goes_on = true;

        if (!err && (!page || page->type != PGW_REPLY_ARRAY || page->count % 3))
                err = PGW_E_REDIS_PROTOCOL;
        if (err) {
                finish(s, err, false);
                return;
        }
        const bool has_more = pgw_reply_int(pgw_reply_at(reply, 0), 0) == 1 && page->count > 0;
        const size_t count = page->count / 3;
        const struct pgw_reply *name = page + 1;
        for (size_t i = 0; i < count && goes_on; i++) {
                goes_on = look_at(s, name, &err);
                name = pgw_reply_next(pgw_reply_next(pgw_reply_next(name)));
        }
        s->left -= count < s->left ? count : s->left;
        if (err || !goes_on || !has_more || s->left == 0) {
                finish(s, err, !err && (!goes_on || has_more));
                return;
        }
        err = ask(s);
        if (err)
                finish(s, err, false);
}

static enum pgw_err ask(struct scan *s)
{
        return pgw_letters_ask(s->gateway->links.broker, s->gateway->links.keyspace, &s->place,
                               s->left < s->page ? s->left : s->page, on_page, s);
}

enum pgw_err pgw_letter_scan(struct pgw_gateway *g, const struct pgw_letter_filter *filter,
                             const struct pgw_letter_place *from, size_t most, size_t enough,
                             pgw_letter_each_f *each, pgw_letter_scanned_f *done, void *ctx)
{
        struct scan *s = pgw_alloc(sizeof *s);
        const bool takes_any = pgw_letter_filter_is_empty(filter);

        PGW_ASSERT(most > 0 && enough > 0);
        *s = (struct scan){
            .gateway = g,
            .filter = *filter,
            .place = *from,
            .left = most,
            .page = takes_any && enough < PGW_LETTERS_PAGE_MAX ? enough : PGW_LETTERS_PAGE_MAX,
            .each = each,
            .done = done,
            .ctx = ctx};
        enum pgw_err err = ask(s);
        if (err)
                pgw_free(s);
        return err;
}
