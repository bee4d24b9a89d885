/* INFO memory is all it takes: a server that hides it is one whose tags nobody vouches for. */
#include "domain/target_check.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "domain/broker_check.h"
#include "io/timer.h"

struct pgw_target_check {
        struct pgw_loop *loop;
        struct pgw_redis *redis;
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

static void on_info(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target_check *c = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        c->asking = false;
        c->is_hidden = err && reply;
        c->policy = err ? PGW_TAGS_UNKNOWN : pgw_target_judge(pgw_reply_str(reply), c->name);
        again(c);
}

static void ask(struct pgw_target_check *c)
{
        if (c->asking || !pgw_redis_is_ready(c->redis))
                return;
        if (pgw_redis_say(c->redis, on_info, c, "INFO", "memory", NULL))
                again(c);
        else
                c->asking = true;
}

static void on_timer(struct pgw_timer *timer)
{
        ask(PGW_CONTAINER(timer, struct pgw_target_check, timer));
}

struct pgw_target_check *pgw_target_check_new(struct pgw_loop *loop, struct pgw_redis *redis)
{
        struct pgw_target_check *c = pgw_alloc(sizeof *c);

        c->loop = loop;
        c->redis = redis;
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
