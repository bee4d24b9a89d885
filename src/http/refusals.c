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

/* A refusal, before it is counted. */
struct refused {
        enum pgw_err error;
        const char *operation;
        struct pgw_str actor, from, who; /* the last two are parts of the first */
};

static struct pgw_str actor_of(const struct pgw_refusal *one)
{
        return pgw_str_of(one->actor, one->actor_size);
}

static struct pgw_str who_of(const struct pgw_refusal *one)
{
        struct pgw_str from, who;

        pgw_audit_who(actor_of(one), &from, &who);
        return who;
}

static struct pgw_refusal *find(struct pgw_refusals *r, const struct refused *f)
{
        for (size_t i = 0; i < r->count; i++) {
                struct pgw_refusal *one = &r->items[i];
                if (!one->is_rest && one->error == f->error && one->operation == f->operation &&
                    pgw_str_eq(actor_of(one), f->actor))
                        return one;
        }
        return NULL;
}

static struct pgw_refusal *find_rest(struct pgw_refusals *r, const struct refused *f)
{
        for (size_t i = 0; i < r->count; i++) {
                struct pgw_refusal *one = &r->items[i];
                if (one->is_rest && !one->is_of_all && one->error == f->error &&
                    pgw_str_eq(who_of(one), f->who))
                        return one;
        }
        return NULL;
}

static struct pgw_refusal *find_rest_of_all(struct pgw_refusals *r, const struct refused *f)
{
        for (size_t i = 0; i < r->count; i++)
                if (r->items[i].is_of_all && r->items[i].error == f->error)
                        return &r->items[i];
        return NULL;
}

static bool may_be_detailed(const struct pgw_refusals *r, const struct refused *f)
{
        size_t count = 0;

        for (size_t i = 0; i < r->count; i++)
                count += !r->items[i].is_rest && pgw_str_eq(who_of(&r->items[i]), f->who);
        return count < PGW_REFUSALS_OF_ONE && r->count < PGW_REFUSALS_DETAILED;
}

static struct pgw_refusal *add(struct pgw_refusals *r, const struct refused *f)
{
        PGW_ASSERT(r->count < PGW_REFUSALS_MAX);
        struct pgw_refusal *one = &r->items[r->count++];

        PGW_ASSERT(f->actor.n <= sizeof one->actor);
        *one = (struct pgw_refusal){
            .error = f->error, .operation = f->operation, .actor_size = f->actor.n};
        memcpy(one->actor, f->actor.p, f->actor.n);
        return one;
}

static struct pgw_refusal *place_of(struct pgw_refusals *r, const struct refused *f)
{
        struct pgw_refusal *one = find(r, f);

        if (!one && may_be_detailed(r, f))
                one = add(r, f);
        if (!one)
                one = find_rest(r, f);
        if (!one && r->count + PGW_REFUSALS_REASONS < PGW_REFUSALS_MAX) {
                one = add(r, f);
                one->is_rest = true;
        }
        if (!one)
                one = find_rest_of_all(r, f);
        if (!one) {
                one = add(r, f);
                one->is_rest = one->is_of_all = true;
        }
        return one;
}

/* Let it say no more than is true of this one, too. */
static void widen(struct pgw_refusal *one, const struct refused *f)
{
        struct pgw_str from, who;

        if (one->operation != f->operation)
                one->operation = NULL;
        pgw_audit_who(actor_of(one), &from, &who);
        const bool is_from = pgw_str_eq(from, f->from), is_who = pgw_str_eq(who, f->who);
        if (is_from && is_who)
                return;
        char *out = one->actor;
        const struct pgw_str address = is_from ? f->from : PGW_STR(PGW_ACTOR_NOWHERE);
        if (address.n)
                memcpy(out, address.p, address.n);
        out += address.n;
        if (is_who && f->who.n) {
                *out++ = ' ';
                memcpy(out, f->who.p, f->who.n);
                out += f->who.n;
        }
        one->actor_size = (size_t)(out - one->actor);
}

void pgw_refusals_note(struct pgw_refusals *r, struct pgw_exchange *x, enum pgw_err err)
{
        struct refused f = {.error = err};

        if (r->gateway->conf.audit.max == 0 || !is_for_who_asked(err))
                return;
        f.operation = x->op->id;
        f.actor = pgw_actor(x);
        pgw_audit_who(f.actor, &f.from, &f.who);
        struct pgw_refusal *one = place_of(r, &f);
        widen(one, &f);
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
