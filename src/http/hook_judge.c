/* What the rules make is the operator's wish filled in by a stranger. So it is held against the
 * contract and against what the hook's identity covers like the body of any client. */
#include "http/hook_judge.h"

#include <jansson.h>

#include "http/accept.h"

static const char *const words[] = {
#define X(name, word) word,
#include "tbl/hook_verdicts.h"
#undef X
};

const char *pgw_hook_verdict_word(enum pgw_hook_verdict verdict)
{
        PGW_ASSERT((unsigned)verdict < PGW_VERDICT_COUNT);
        return words[verdict];
}

void pgw_hook_case_init(struct pgw_hook_case *c)
{
        *c = (struct pgw_hook_case){.verdict = PGW_VERDICT_ACCEPTED};
        pgw_buf_init(&c->id, PGW_CLOUD_EVENTS_ID_MAX);
}

void pgw_hook_case_fini(struct pgw_hook_case *c)
{
        pgw_buf_fini(&c->id);
        pgw_hook_mapped_fini(&c->mapped);
}

bool pgw_hook_is_ping(const struct pgw_hook *hook, const struct pgw_hook_message *m)
{
        const struct pgw_str woo = PGW_STR("webhook_id=");
        struct pgw_str value;
        uint64_t id;

        if (hook->signing.profile == PGW_HOOK_GITHUB)
                return m->header(m->ctx, PGW_STR("x-github-event"), &value) == 1 &&
                       pgw_str_eq_z(value, "ping");
        return hook->signing.profile == PGW_HOOK_WOOCOMMERCE && pgw_str_starts(m->body, woo) &&
               pgw_str_to_u64(pgw_str_of(m->body.p + woo.n, m->body.n - woo.n), UINT64_MAX, &id) ==
                   PGW_OK;
}

/* Where there are identities nobody acts as nobody. The hook may have outlived who it acts as. */
bool pgw_hook_act(struct pgw_exchange *x, const struct pgw_hook *hook)
{
        if (!x->gateway->links.identities)
                return true;
        if (!x->identities)
                x->identities = pgw_identities_hold(x->gateway->links.identities);
        x->who = hook->as.n ? pgw_identities_named(x->identities, hook->as) : NULL;
        return x->who;
}

static enum pgw_hook_verdict verdict_of(enum pgw_err err)
{
        switch (err) {
        case PGW_E_SCOPE:
        case PGW_E_COVER:
        case PGW_E_PATTERNS:
        case PGW_E_TAGS:
                return PGW_VERDICT_NOT_ALLOWED;
        default:
                return PGW_VERDICT_UNFIT;
        }
}

enum pgw_err pgw_hook_fit(struct pgw_exchange *x, const struct pgw_hook *hook,
                          struct pgw_hook_case *c)
{
        if (c->verdict != PGW_VERDICT_ACCEPTED)
                return PGW_OK;
        json_decref(x->body);
        x->body = json_incref(c->mapped.invalidation);
        enum pgw_err err = PGW_E_SCOPE;
        if (pgw_hook_act(x, hook))
                err = pgw_accept_check(x);
        else
                pgw_fault_set(&x->fault, "",
                              "The identity that this webhook acts as is not known.");
        if (err)
                c->verdict = verdict_of(err);
        return err;
}

static enum pgw_err map(const struct pgw_hook *hook, const struct pgw_cloud_events *events,
                        const struct pgw_hook_wish *wish, struct pgw_fault *fault,
                        struct pgw_violations *violations, struct pgw_hook_case *c)
{
        enum pgw_err err = pgw_hook_delivery_id(hook, events, &c->id);

        if (!err)
                err = pgw_hook_map(hook, events, wish, fault, &c->mapped);
        if (err) {
                c->verdict = PGW_VERDICT_UNFIT;
                pgw_violations_add(violations, "#", "%s", fault->detail);
                return PGW_E_SCHEMA;
        }
        if (!c->mapped.invalidation)
                c->verdict = c->mapped.held ? PGW_VERDICT_EMPTY : PGW_VERDICT_FILTERED;
        return PGW_OK;
}

enum pgw_err pgw_hook_read(const struct pgw_hook *hook, const struct pgw_hook_message *message,
                           const struct pgw_hook_wish *wish, struct pgw_fault *fault,
                           struct pgw_violations *violations, struct pgw_hook_case *c)
{
        struct pgw_cloud_events events;
        enum pgw_err err = pgw_cloud_events_read(message, fault, &events);

        /* JSON that we cannot keep is none of an invalidation's, whoever sends it. */
        if (err == PGW_E_SCHEMA) {
                pgw_violations_add(violations, "#", "%s", fault->detail);
                fault->detail[0] = '\0';
        }
        if (err) {
                c->verdict = err == PGW_E_SCHEMA ? PGW_VERDICT_UNFIT : PGW_VERDICT_MALFORMED;
                return err;
        }
        err = map(hook, &events, wish, fault, violations, c);
        pgw_cloud_events_fini(&events);
        return err;
}
