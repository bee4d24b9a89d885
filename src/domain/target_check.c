/* INFO memory of each master is all it takes: a server that hides it is one whose tags nobody
 * vouches for. */
#include "domain/target_check.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "domain/broker_check.h"
#include "io/timer.h"

struct pgw_target_check {
        struct pgw_loop *loop;
        struct pgw_deployment *deployment;
        struct pgw_call call;
        uint64_t epoch; /* of the masters that are asked */
        size_t at;      /* which of them */
        enum pgw_tags_policy worst;
        char worst_name[32];
        struct pgw_timer timer;
        bool asking;
        bool is_hidden; /* INFO was refused */
        enum pgw_tags_policy policy;
        char name[32]; /* of the maxmemory-policy */
};

enum pgw_tags_policy pgw_target_judge(struct pgw_str info, char ret_policy[32])
{
        struct pgw_broker_facts facts = {.eviction = ""};

        pgw_broker_facts_info(&facts, info);
        memcpy(ret_policy, facts.eviction, sizeof facts.eviction);
        if (!facts.eviction[0])
                return PGW_TAGS_UNKNOWN;
        if (facts.max_bytes == 0 || strcmp(facts.eviction, "noeviction") == 0)
                return PGW_TAGS_MAY_END;
        return strncmp(facts.eviction, "volatile-", 9) == 0 ? PGW_TAGS_STAY : PGW_TAGS_REFUSED;
}

static void again(struct pgw_target_check *c)
{
        pgw_timer_arm(c->loop, &c->timer,
                      pgw_loop_now_ms(c->loop) + (c->policy == PGW_TAGS_UNKNOWN
                                                      ? PGW_TARGET_RECHECK_MS
                                                      : PGW_TARGET_CHECK_EVERY_MS));
}

static void ask_next(struct pgw_target_check *c);

static void on_info(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target_check *c = PGW_CONTAINER(call, struct pgw_target_check, call);
        char name[32];

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        c->asking = false;
        c->is_hidden = err && reply;
        const enum pgw_tags_policy policy =
            err ? PGW_TAGS_UNKNOWN : pgw_target_judge(pgw_reply_str(reply), name);
        if (policy == PGW_TAGS_UNKNOWN) {
                c->policy = PGW_TAGS_UNKNOWN;
                again(c);
                return;
        }
        if (policy > c->worst) {
                c->worst = policy;
                memcpy(c->worst_name, name, sizeof name);
        }
        c->at++;
        ask_next(c);
}

/* The worse, the greater. */
_Static_assert(PGW_TAGS_UNKNOWN < PGW_TAGS_MAY_END && PGW_TAGS_MAY_END < PGW_TAGS_STAY &&
                   PGW_TAGS_STAY < PGW_TAGS_REFUSED,
               "in this order");

static void ask_next(struct pgw_target_check *c)
{
        static const struct pgw_str argv[] = {{"INFO", 4}, {"memory", 6}};

        if (c->epoch != pgw_deployment_epoch(c->deployment)) {
                c->policy = PGW_TAGS_UNKNOWN;
                again(c);
                return;
        }
        if (c->at == pgw_deployment_masters(c->deployment)) {
                c->policy = c->worst;
                memcpy(c->name, c->worst_name, sizeof c->name);
                again(c);
                return;
        }
        c->call = (struct pgw_call){.argv = argv, .argc = 2, .reply = on_info};
        if (pgw_node_call(pgw_deployment_master(c->deployment, c->at), &c->call))
                again(c);
        else
                c->asking = true;
}

static void ask(struct pgw_target_check *c)
{
        if (c->asking || !pgw_deployment_is_ready(c->deployment))
                return;
        c->epoch = pgw_deployment_epoch(c->deployment);
        c->at = 0;
        c->worst = PGW_TAGS_UNKNOWN;
        ask_next(c);
}

static void on_timer(struct pgw_timer *timer)
{
        ask(PGW_CONTAINER(timer, struct pgw_target_check, timer));
}

struct pgw_target_check *pgw_target_check_new(struct pgw_loop *loop,
                                              struct pgw_deployment *deployment)
{
        struct pgw_target_check *c = pgw_alloc(sizeof *c);

        c->loop = loop;
        c->deployment = deployment;
        pgw_timer_init(&c->timer, on_timer);
        return c;
}

void pgw_target_check_free(struct pgw_target_check *c)
{
        if (!c)
                return;
        pgw_timer_disarm(c->loop, &c->timer);
        pgw_free(c);
}

void pgw_target_check_on_state(struct pgw_target_check *c, bool ready)
{
        c->policy = PGW_TAGS_UNKNOWN;
        c->is_hidden = false;
        if (ready)
                ask(c);
}

enum pgw_err pgw_target_check_tags(const struct pgw_target_check *c, enum pgw_tags_policy *ret,
                                   struct pgw_fault *fault)
{
        if (c->policy == PGW_TAGS_REFUSED) {
                pgw_fault_set(fault, "",
                              "The target's maxmemory-policy is %s: it may evict the sets that say "
                              "which keys are under a tag. Run CONFIG SET maxmemory-policy with "
                              "volatile-lru or noeviction on it.",
                              c->name);
                return PGW_E_TAGS;
        }
        if (c->is_hidden) {
                pgw_fault_set(fault, "",
                              "The target does not let us read its settings (INFO memory), so "
                              "nobody knows whether it keeps tags: permit INFO.");
                return PGW_E_TAGS;
        }
        if (c->policy == PGW_TAGS_UNKNOWN)
                return PGW_E_REDIS_CONNECT;
        *ret = c->policy;
        return PGW_OK;
}
