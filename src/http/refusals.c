#include "http/refusals.h"

#include <string.h>

#include "http/actor.h"

static void ignore(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        (void)err; /* a count is not worth more than one try */
        (void)reply;
}

static bool is_for_who_asked(enum pgw_err err)
{
        return err == PGW_E_CREDENTIALS || err == PGW_E_SCOPE || err == PGW_E_COVER;
}

static struct pgw_refusal *find(struct pgw_refusals *r, enum pgw_err error, const char *operation,
                                struct pgw_str actor)
{
        for (size_t i = 0; i < r->count; i++) {
                struct pgw_refusal *one = &r->items[i];
                if (one->error == error && one->operation == operation &&
                    pgw_str_eq(pgw_str_of(one->actor, one->actor_size), actor))
                        return one;
        }
        return NULL;
}

static size_t count_unknown(const struct pgw_refusals *r)
{
        size_t count = 0;

        for (size_t i = 0; i < r->count; i++)
                count += r->items[i].error == PGW_E_CREDENTIALS && r->items[i].operation;
        return count;
}

static struct pgw_refusal *add(struct pgw_refusals *r, enum pgw_err error, const char *operation,
                               struct pgw_str actor)
{
        struct pgw_refusal *one = &r->items[r->count++];

        PGW_ASSERT(actor.n <= sizeof one->actor);
        *one = (struct pgw_refusal){.error = error, .operation = operation, .actor_size = actor.n};
        memcpy(one->actor, actor.p, actor.n);
        return one;
}

void pgw_refusals_note(struct pgw_refusals *r, struct pgw_exchange *x)
{
        if (r->gateway->conf.audit.max == 0 || !is_for_who_asked(x->err))
                return;
        const struct pgw_str actor = pgw_actor(x);
        struct pgw_refusal *one = find(r, x->err, x->op->id, actor);
        const bool has_room =
            r->count + 1 < PGW_REFUSALS_MAX &&
            (x->err != PGW_E_CREDENTIALS || count_unknown(r) < PGW_REFUSALS_UNKNOWN);

        if (!one && has_room)
                one = add(r, x->err, x->op->id, actor);
        if (!one)
                one = find(r, PGW_E_CREDENTIALS, NULL, PGW_STR("-"));
        if (!one)
                one = add(r, PGW_E_CREDENTIALS, NULL, PGW_STR("-"));
        one->count++;
        if (!pgw_timer_is_armed(&r->timer))
                pgw_timer_arm(r->gateway->loop, &r->timer,
                              pgw_loop_now_ms(r->gateway->loop) + PGW_REFUSALS_EVERY_MS);
}

void pgw_refusals_flush(struct pgw_refusals *r)
{
        const struct pgw_gateway *g = r->gateway;
        struct pgw_buf record;

        pgw_buf_init(&record, PGW_AUDIT_RECORD_MAX);
        for (size_t i = 0; i < r->count; i++) {
                const struct pgw_refusal *one = &r->items[i];
                const struct pgw_audit a = {
                    .action = PGW_AUDIT_REFUSE,
                    .actor = pgw_str_of(one->actor, one->actor_size),
                    .operation = pgw_str_z(one->operation),
                    .error = one->error,
                    .count = one->count,
                };
                pgw_audit_write(&record, &a);
                (void)!pgw_audit_add(g->links.broker, g->links.keyspace, &g->conf.audit, &record,
                                     ignore, NULL);
        }
        r->count = 0;
        pgw_buf_fini(&record);
}

static void on_timer(struct pgw_timer *timer)
{
        pgw_refusals_flush(PGW_CONTAINER(timer, struct pgw_refusals, timer));
}

void pgw_refusals_init(struct pgw_refusals *r, struct pgw_gateway *g)
{
        r->gateway = g;
        r->count = 0;
        pgw_timer_init(&r->timer, on_timer);
}

void pgw_refusals_fini(struct pgw_refusals *r)
{
        pgw_timer_disarm(r->gateway->loop, &r->timer);
}
