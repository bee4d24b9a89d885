/* Dead letters are brought back, or dropped: one, by POST /v1/dead-letters/{job_id}/redrive and
 * DELETE /v1/dead-letters/{job_id}, or all that fit, by POST /v1/dead-letter-redrives and
 * /v1/dead-letter-drops.
 *
 * Whoever means many says how many. They are counted first, and when there are more or fewer
 * nothing happens. Then they go by the hundred; each is among the dead or in its lane at any
 * time, so that whoever is cut off in the middle just asks again.
 */
#include <stdio.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/log.h"
#include "http/actor.h"
#include "http/answer.h"
#include "http/letter_scan.h"
#include "http/operations.h"

struct chosen {
        struct pgw_job_id id;
        uint64_t attempts;
};

struct ending {
        struct pgw_exchange *x;
        bool drops;
        bool is_one;
        size_t expected;
        struct chosen *chosen;
        size_t count, room;
        size_t at;      /* the chunk under way */
        size_t awaited; /* answers of the results to it */
        size_t done;
};

static struct ending *ending_new(struct pgw_exchange *x, bool drops)
{
        struct ending *e = pgw_alloc(sizeof *e);

        e->x = x;
        e->drops = drops;
        (void)pgw_actor(x);
        return e;
}

static void ending_free(struct ending *e)
{
        pgw_free(e->chosen);
        pgw_free(e);
}

static void choose(struct ending *e, const struct pgw_letter *letter)
{
        if (e->count == e->room) {
                e->room = e->room ? 2 * e->room : 64;
                e->chosen = pgw_realloc(e->chosen, e->room * sizeof *e->chosen);
        }
        e->chosen[e->count++] = (struct chosen){letter->id, letter->entry.attempts};
}

static void finish(struct ending *e, enum pgw_err err)
{
        struct pgw_exchange *x = e->x;

        PGW_LOG(PGW_LOG_INFO, e->drops ? "dead_letters.dropped" : "dead_letters.brought_back",
                PGW_L_INT("count", (int64_t)e->done), PGW_L_STR("request_id", x->request_id),
                PGW_L_STR("error", err ? pgw_err_slug(err) : ""));
        if (!err && !x->gone)
                err = pgw_buf_printf(&x->out, "{\"count\":%zu}\n", e->done);
        if (err && e->done)
                pgw_answer_part(x, e->done, e->drops ? "were dropped" : "were brought back");
        if (!err && e->is_one && e->done == 0)
                err = PGW_E_NO_JOB; /* somebody else was faster */
        x->status = 200;
        x->content_type = "application/json";
        ending_free(e);
        pgw_exchange_resume(x, err);
}

/* ---- by the hundred ---- */

static void next_chunk(struct ending *);

static size_t chunk_of(const struct ending *e)
{
        const size_t left = e->count - e->at;

        return left < PGW_LETTERS_PAGE_MAX ? left : PGW_LETTERS_PAGE_MAX;
}

static void on_reopened(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct ending *e = ctx;

        /* A result that cannot be reached now says that the job is dead until a worker has it. */
        (void)err;
        (void)reply;
        if (--e->awaited == 0)
                next_chunk(e);
}

/* Behind it, and not before: of those that could not be brought back nothing else must be said. */
static void reopen(struct ending *e, const struct chosen *c)
{
        const struct pgw_gateway_links *links = &e->x->gateway->links;

        if (!pgw_letter_reopen(links->results, links->keyspace, &c->id, c->attempts, on_reopened,
                               e))
                e->awaited++;
}

static void on_ended(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct ending *e = ctx;

        if (!err &&
            (reply->type != PGW_REPLY_ARRAY || reply->count == 0 || reply->count > chunk_of(e)))
                err = PGW_E_REDIS_PROTOCOL;
        if (err) {
                finish(e, err);
                return;
        }
        e->awaited = 1;
        for (size_t i = 0; i < reply->count; i++) {
                if (pgw_reply_int(pgw_reply_at(reply, i), 0) != 1)
                        continue;
                e->done++;
                if (!e->drops)
                        reopen(e, &e->chosen[e->at + i]);
        }
        e->at += reply->count;
        if (--e->awaited == 0)
                next_chunk(e);
}

static void next_chunk(struct ending *e)
{
        const struct pgw_gateway_links *links = &e->x->gateway->links;
        struct pgw_job_id ids[PGW_LETTERS_PAGE_MAX];
        struct pgw_audit act = {.action = e->drops ? PGW_AUDIT_DROP : PGW_AUDIT_REDRIVE};
        struct pgw_buf record;

        if (e->at == e->count) {
                finish(e, PGW_OK);
                return;
        }
        const struct pgw_letter_ids letters = {ids, chunk_of(e), &e->x->gateway->conf.audit,
                                               pgw_actor_record(e->x, &act, &record)};
        for (size_t i = 0; i < letters.count; i++)
                ids[i] = e->chosen[e->at + i].id;
        enum pgw_err err =
            e->drops ? pgw_letters_drop(links->broker, links->keyspace, &letters, on_ended, e)
                     : pgw_letters_redrive(links->broker, links->keyspace, &letters, on_ended, e);
        pgw_buf_fini(&record);
        if (err)
                finish(e, err);
}

/* ---- one ---- */

static void on_letter(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct ending *e = ctx;
        struct pgw_letter letter;

        if (!err)
                err = pgw_letter_read(&e->x->job.id, reply, &letter);
        if (err) {
                struct pgw_exchange *x = e->x;
                ending_free(e);
                pgw_exchange_resume(x, err);
                return;
        }
        choose(e, &letter);
        next_chunk(e);
}

static enum pgw_step end_one(struct pgw_exchange *x, bool drops)
{
        const struct pgw_gateway_links *links = &x->gateway->links;
        struct ending *e = ending_new(x, drops);

        e->is_one = true;
        x->err = pgw_letter_ask(links->broker, links->keyspace, &x->job.id, on_letter, e);
        if (!x->err)
                return PGW_WAIT;
        ending_free(e);
        return PGW_FAIL;
}

enum pgw_step pgw_op_redrive_one(struct pgw_exchange *x)
{
        return end_one(x, false);
}

enum pgw_step pgw_op_drop_one(struct pgw_exchange *x)
{
        return end_one(x, true);
}

/* ---- many ---- */

static bool on_each(void *ctx, const struct pgw_letter *letter)
{
        struct ending *e = ctx;

        choose(e, letter);
        return e->count <= e->expected;
}

static void on_scanned(void *ctx, enum pgw_err err, const struct pgw_letter_place *next)
{
        struct ending *e = ctx;
        struct pgw_exchange *x = e->x;

        (void)next;
        if (!err && e->count != e->expected) {
                pgw_fault_set(&x->fault, "",
                              e->count > e->expected
                                  ? "More than %zu dead letters fit. Nothing was done."
                                  : "%zu dead letters were expected, %zu fit. Nothing was done.",
                              e->expected, e->count);
                err = PGW_E_COUNT;
        }
        if (err) {
                ending_free(e);
                pgw_exchange_resume(x, err);
                return;
        }
        next_chunk(e);
}

static enum pgw_step end_many(struct pgw_exchange *x, bool drops)
{
        const struct pgw_letter_place from = {.buried_ms = 0};
        struct pgw_letter_filter filter;
        struct ending *e = ending_new(x, drops);
        const json_t *all = json_object_get(x->body, "all");

        e->expected = (size_t)json_integer_value(json_object_get(x->body, "expected_count"));
        x->err = pgw_letter_filter_read(x, &filter);
        if (!x->err && pgw_letter_filter_is_empty(&filter) && !json_is_true(all)) {
                pgw_violations_add(&x->violations, "#",
                                   "say which letters are meant, or `all: true`");
                x->err = PGW_E_SCHEMA;
        }
        if (!x->err)
                x->err = pgw_letter_scan(x->gateway, &filter, &from, SIZE_MAX, SIZE_MAX, on_each,
                                         on_scanned, e);
        if (!x->err)
                return PGW_WAIT;
        ending_free(e);
        return PGW_FAIL;
}

enum pgw_step pgw_op_redrive(struct pgw_exchange *x)
{
        return end_many(x, false);
}

enum pgw_step pgw_op_drop(struct pgw_exchange *x)
{
        return end_many(x, true);
}
