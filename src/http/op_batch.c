/* POST /v1/invalidations/batch: many invalidations, each answered by itself.
 *
 * All of them leave in one write, and the answer waits for the last one's confirmation. The group
 * is written down after that; when it cannot be, the answer has no `group_id` and all the
 * job ids.
 *
 * With an Idempotency-Key a record of the batch comes first, so that the key cannot serve another
 * one; each item has a record of its own beside its job. A repeat then puts what is not there yet.
 */
#include <string.h>

#include <h2o.h>
#include <jansson.h>

#include "base/alloc.h"
#include "domain/group.h"
#include "http/accept.h"
#include "http/actor.h"
#include "http/answer.h"
#include "http/charge.h"
#include "http/idempotency.h"
#include "http/identify.h"
#include "http/operations.h"

#define PGW_ITEM_PROBLEM_MAX 65536

struct batch;

struct item {
        struct batch *batch;
        enum pgw_err err;
        struct pgw_job_id id;
        struct pgw_buf problem; /* of one that was refused at once */
};

struct batch {
        struct pgw_exchange *x;
        size_t awaited;
        size_t accepted;
        char group[PGW_GROUP_ID_SIZE];
        bool has_group;
        bool is_repeat;
        size_t count;
        struct item items[];
};

static void batch_free(struct batch *b)
{
        for (size_t i = 0; i < b->count; i++)
                pgw_buf_fini(&b->items[i].problem);
        pgw_free(b);
}

/* ---- the answer ---- */

static enum pgw_err write_item(struct pgw_buf *out, struct pgw_exchange *x, struct item *item)
{
        char id[PGW_JOB_ID_SIZE];

        if (!item->err) {
                pgw_job_id_text(&item->id, id);
                return pgw_buf_printf(out, "{\"status\":202,\"job_id\":\"%.*s\"}", (int)sizeof id,
                                      id);
        }
        enum pgw_err err =
            pgw_buf_printf(out, "{\"status\":%d,\"problem\":", pgw_err_status(item->err));
        if (!err && item->problem.n)
                err = pgw_buf_add_str(out, pgw_buf_str(&item->problem));
        else if (!err)
                err = pgw_answer_problem(out, x, item->err);
        return err ? err : pgw_buf_add(out, "}", 1);
}

static enum pgw_err write_all(struct batch *b)
{
        struct pgw_exchange *x = b->x;
        enum pgw_err err = pgw_buf_printf(&x->out, "{");

        if (!err && b->has_group)
                err =
                    pgw_buf_printf(&x->out, "\"group_id\":\"%.*s\",", PGW_GROUP_ID_SIZE, b->group);
        if (!err)
                err = pgw_buf_printf(&x->out, "\"accepted\":%zu,\"refused\":%zu,\"items\":[",
                                     b->accepted, b->count - b->accepted);
        for (size_t i = 0; i < b->count && !err; i++) {
                err = pgw_buf_printf(&x->out, "%s", i ? "," : "");
                if (!err)
                        err = write_item(&x->out, x, &b->items[i]);
        }
        return err ? err : pgw_buf_printf(&x->out, "]}\n");
}

static enum pgw_err finish(struct batch *b)
{
        struct pgw_exchange *x = b->x;
        enum pgw_err err = PGW_OK;

        x->status = 200;
        x->content_type = "application/json";
        x->fault.detail[0] = '\0';
        if (!x->gone && x->retry_s)
                pgw_answer_retry_after(x);
        if (!x->gone)
                err = write_all(b);
        if (b->is_repeat)
                pgw_exchange_add_header(x, PGW_STR("idempotency-replayed"), PGW_STR("true"));
        batch_free(b);
        return err;
}

/* ---- the group ---- */

static void on_group(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct batch *b = ctx;
        struct pgw_exchange *x = b->x;

        (void)reply;
        b->has_group = !err;
        pgw_exchange_resume(x, finish(b));
}

/* True when the answer to it is on its way. */
static bool keep_group(struct batch *b)
{
        const struct pgw_gateway *g = b->x->gateway;
        char ids[PGW_GROUP_JOBS_MAX * PGW_JOB_ID_SIZE];
        size_t n = 0;

        for (size_t i = 0; i < b->count; i++)
                if (!b->items[i].err) {
                        pgw_job_id_text(&b->items[i].id, ids + n);
                        n += PGW_JOB_ID_SIZE;
                }
        if (n == 0)
                return false;
        if (!b->x->has_once)
                pgw_group_name(pgw_identify_mark(b->x), b->group);
        return pgw_group_keep(g->links.results, g->links.keyspace,
                              pgw_str_of(b->group, sizeof b->group), pgw_str_of(ids, n), on_group,
                              b) == PGW_OK;
}

/* ---- the items ---- */

/* Said now, while it is known which limit it was. */
static void say_why(struct item *item)
{
        struct pgw_exchange *x = item->batch->x;

        if (x->gone || pgw_answer_problem(&item->problem, x, item->err))
                pgw_buf_clear(&item->problem);
        x->fault.detail[0] = '\0';
}

static void on_accepted(void *ctx, enum pgw_err err, const struct pgw_intake_job *job)
{
        struct item *item = ctx;
        struct batch *b = item->batch;
        struct pgw_exchange *x = b->x;

        item->err = err;
        if (err) {
                pgw_accept_count_refusal(err);
                say_why(item);
        } else {
                item->id = job->id;
                b->accepted++;
                pgw_accept_count(x, job);
        }
        if (--b->awaited == 0 && !keep_group(b))
                pgw_exchange_resume(x, finish(b));
}

static const struct pgw_operation *operation_of_item(const struct pgw_exchange *x)
{
        const struct pgw_operation *op;
        struct pgw_path_params params;
        struct pgw_str allow;

        if (pgw_contract_find(x->gateway->links.contract, PGW_STR("POST"),
                              PGW_STR("/v1/invalidations"), &params, &op, &allow))
                return NULL;
        return op;
}

/* NULL when it cannot be repeated. */
static const struct pgw_once *once_of_item(const struct item *item, struct pgw_once *room)
{
        const struct pgw_exchange *x = item->batch->x;

        if (!x->has_once)
                return NULL;
        pgw_once_item(&x->once, (size_t)(item - item->batch->items), room);
        return room;
}

/* What it does not remove it does not pay for; but where the record of the batch was waited for its
 * buckets have filled by themselves meanwhile, and what came back too would be a gain. */
static void refuse_item(struct item *item, const json_t *value)
{
        struct pgw_exchange *x = item->batch->x;

        if (!x->has_once)
                pgw_charge_back(x, 0, pgw_charge_of(x, value));
        pgw_identify_count(item->err);
        pgw_refusals_note(&x->gateway->refusals, x, item->err);
        say_why(item);
}

/* The item is the exchange's body for as long as this takes. */
static void put(struct pgw_exchange *x, struct item *item, json_t *value)
{
        const struct pgw_operation *op = operation_of_item(x);
        json_t *whole = x->body;
        struct pgw_once once;

        x->body = value;
        item->err = op ? pgw_operation_check_body(op, value, &x->violations) : PGW_E_INTERNAL;
        if (!item->err)
                item->err = pgw_accept_understand(x);
        if (!item->err)
                item->err = pgw_accept(x, once_of_item(item, &once), on_accepted, item);
        if (!item->err)
                item->batch->awaited++;
        else
                refuse_item(item, value);
        x->body = whole;
        pgw_violations_fini(&x->violations);
        x->violations = (struct pgw_violations){._items = NULL};
        x->fault.detail[0] = '\0';
}

/* True when an answer of the queue is on its way. */
static bool put_all(struct batch *b)
{
        const json_t *list = json_object_get(b->x->body, "invalidations");

        for (size_t i = 0; i < b->count; i++)
                put(b->x, &b->items[i], json_array_get(list, i));
        return b->awaited > 0;
}

static struct batch *batch_new(struct pgw_exchange *x, size_t count)
{
        struct batch *b = pgw_alloc(sizeof *b + count * sizeof b->items[0]);

        b->x = x;
        b->count = count;
        for (size_t i = 0; i < count; i++) {
                b->items[i].batch = b;
                pgw_buf_init(&b->items[i].problem, PGW_ITEM_PROBLEM_MAX);
        }
        return b;
}

/* ---- the record of the batch ---- */

/* A repeat goes by the name of the first one. */
static enum pgw_err read_claim(struct batch *b, const struct pgw_reply *reply)
{
        struct pgw_str group;
        enum pgw_err err = pgw_once_read(reply, &group, &b->is_repeat);

        if (!err && group.n != sizeof b->group)
                err = PGW_E_CODEC;
        if (!err)
                memcpy(b->group, group.p, sizeof b->group);
        return err;
}

static void on_claimed(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct batch *b = ctx;
        struct pgw_exchange *x = b->x;

        if (!err)
                err = read_claim(b, reply);
        if (err) {
                pgw_accept_count_refusal(err);
                batch_free(b);
                pgw_exchange_resume(x, err);
        } else if (x->gone || !put_all(b)) {
                /* The selectors lie in the request: nothing is put without it, and a repeat puts
                 * all of it. */
                pgw_exchange_resume(x, finish(b));
        }
}

static uint64_t cost_of_all(const struct pgw_exchange *x)
{
        const json_t *list = json_object_get(x->body, "invalidations");
        uint64_t keys = 0;

        for (size_t i = 0; i < json_array_size(list); i++)
                keys += pgw_charge_of(x, json_array_get(list, i));
        return keys;
}

static enum pgw_step claim(struct batch *b)
{
        struct pgw_exchange *x = b->x;

        pgw_group_name(pgw_identify_mark(x), b->group);
        x->err = pgw_intake_claim(x->gateway->links.intake, &x->once,
                                  pgw_str_of(b->group, sizeof b->group), on_claimed, b);
        if (!x->err)
                return PGW_WAIT;
        pgw_accept_count_refusal(x->err);
        pgw_charge_back(x, b->count - 1, cost_of_all(x));
        batch_free(b);
        return PGW_FAIL;
}

enum pgw_step pgw_op_batch_understand(struct pgw_exchange *x)
{
        x->err = pgw_idempotency_understand(x);
        return x->err ? PGW_FAIL : PGW_NEXT;
}

/* All of it or nothing: a repeat of one that was let in in part would spend on that part what the
 * rest needs, every time. */
static enum pgw_err charge(struct pgw_exchange *x, size_t count)
{
        return pgw_charge(x, count ? count - 1 : 0, cost_of_all(x));
}

enum pgw_step pgw_op_batch(struct pgw_exchange *x)
{
        (void)pgw_actor(x);
        const size_t count = json_array_size(json_object_get(x->body, "invalidations"));
        struct batch *b;

        /* The contract is the operator's to change, and the group has its own bound. */
        if (count > PGW_GROUP_JOBS_MAX) {
                pgw_violations_add(&x->violations, "#/invalidations", "at most %d are taken",
                                   PGW_GROUP_JOBS_MAX);
                x->err = PGW_E_SCHEMA;
                return PGW_FAIL;
        }
        x->err = charge(x, count);
        if (x->err)
                return PGW_FAIL;
        b = batch_new(x, count);
        if (x->has_once)
                return claim(b);
        if (put_all(b))
                return PGW_WAIT;
        x->err = finish(b);
        return x->err ? PGW_FAIL : PGW_NEXT;
}
