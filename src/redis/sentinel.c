/* The Sentinels are asked one at a time, over a link that is kept. The next one takes its place
 * when the link breaks, when it does not know the master, and when what it says has led to
 * no master three times in a row: it may be the one that is cut off.
 *
 * What a Sentinel says is a hint. The master says itself whether it is one (node.c), and one
 * that turned replica under us is asked anew. So a failover is seen by whichever comes
 * first: the lost link, the READONLY of a call, or the poll. The poll is frequent although all
 * is well, because a failover that an operator ordered shows in nothing else: the old master
 * takes writes, and loses them, for about ten seconds until it is made a replica.
 */
#include "redis/deployment_priv.h"

#define PGW_POLL_EVERY_MS 1000
#define PGW_POLL_SOON_MS  20
#define PGW_POLL_APART_MS 200 /* between two questions, however much trouble there is */
#define PGW_IDLE_ANSWERS  3

static void plan_poll(struct pgw_deployment *dep)
{
        pgw_deployment_poll_by(dep, pgw_loop_now_ms(dep->loop) +
                                        pgw_deployment_jitter_ms(PGW_POLL_EVERY_MS));
}

static void ask_next_sentinel(struct pgw_deployment *dep)
{
        struct pgw_sentinel *s = &dep->sentinel;
        const struct pgw_seed *seed = &dep->conf.seeds[s->seed_at++ % dep->conf.seed_count];
        struct pgw_node *old = s->guide;

        s->guide = NULL;
        s->asking = false;
        s->idle_answers = 0;
        if (old)
                pgw_node_bury(old);
        s->guide = pgw_node_open(dep, PGW_NODE_GUIDE, pgw_str_z(seed->host), pgw_str_z(seed->port));
}

/* This Sentinel is of no use; the others are tried without delay, then all again at leisure. */
static void give_up(struct pgw_node *guide, enum pgw_err err)
{
        struct pgw_deployment *dep = guide->dep;
        struct pgw_sentinel *s = &dep->sentinel;
        const bool all_failed = ++s->seed_failures % dep->conf.seed_count == 0;

        s->guide = NULL;
        s->asking = false;
        pgw_node_bury(guide);
        if (all_failed)
                plan_poll(dep);
        else
                pgw_deployment_poll_by(dep, pgw_loop_now_ms(dep->loop) + PGW_POLL_SOON_MS);
        pgw_deployment_judge(dep, err);
}

static void use_master(struct pgw_deployment *dep, struct pgw_str host, struct pgw_str port)
{
        struct pgw_sentinel *s = &dep->sentinel;
        struct pgw_node *old = dep->master_count ? dep->masters[0] : NULL;

        if (old && pgw_str_eq_z(host, old->host) && pgw_str_eq_z(port, old->port)) {
                s->idle_answers = dep->is_ready ? 0 : s->idle_answers + 1;
                if (old->state == PGW_NODE_CHECKING)
                        pgw_node_check(old);
                return;
        }
        s->idle_answers = 0;
        dep->masters[0] = pgw_node_open(dep, PGW_NODE_MASTER, host, port);
        dep->master_count = 1;
        dep->epoch++;
        if (old)
                pgw_node_bury(old);
        pgw_deployment_judge(dep, PGW_OK);
}

static bool is_address(struct pgw_str host, struct pgw_str port)
{
        uint64_t number;

        if (host.n == 0 || host.n > PGW_NODE_HOST_MAX ||
            pgw_str_to_u64(port, UINT16_MAX, &number) || number == 0)
                return false;
        for (size_t i = 0; i < host.n; i++)
                if (host.p[i] <= ' ' || host.p[i] > '~')
                        return false;
        return true;
}

static void on_address(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_node *guide = ctx;
        struct pgw_deployment *dep = guide->dep;

        if (dep->is_closing || pgw_link_is_on(&guide->grave))
                return;
        dep->sentinel.asking = false;
        if (!reply)
                return; /* the link is gone, and says so itself */
        const struct pgw_str host = pgw_reply_str(pgw_reply_at(reply, 0));
        const struct pgw_str port = pgw_reply_str(pgw_reply_at(reply, 1));
        if (err) {
                pgw_deployment_explain(guide, reply->str);
                give_up(guide, err);
        } else if (reply->type == PGW_REPLY_NIL) {
                pgw_deployment_explain(guide, PGW_STR("this Sentinel knows no such master"));
                give_up(guide, PGW_E_REDIS_CONNECT);
        } else if (!is_address(host, port)) {
                pgw_deployment_explain(guide, PGW_STR("what this Sentinel says is no address"));
                give_up(guide, PGW_E_REDIS_PROTOCOL);
        } else {
                dep->sentinel.seed_failures = 0;
                dep->counts.refreshes++;
                use_master(dep, host, port);
                plan_poll(dep);
        }
}

static void ask(struct pgw_deployment *dep)
{
        struct pgw_sentinel *s = &dep->sentinel;

        s->asked_ms = pgw_loop_now_ms(dep->loop);
        s->asking = !pgw_node_ask(
            s->guide, on_address, 3,
            (const char *const[]){"SENTINEL", "get-master-addr-by-name", dep->conf.master_name});
        if (!s->asking)
                plan_poll(dep);
}

static void on_guide(struct pgw_node *guide, bool ready, enum pgw_err err)
{
        if (ready)
                ask(guide->dep);
        else
                give_up(guide, err);
}

static void on_poll(struct pgw_deployment *dep)
{
        struct pgw_sentinel *s = &dep->sentinel;

        if (!s->guide || s->idle_answers >= PGW_IDLE_ANSWERS)
                ask_next_sentinel(dep);
        else if (s->guide->state != PGW_NODE_READY)
                s->idle_answers++; /* none at all: a name that is not resolved, for one */
        else if (!s->asking)
                ask(dep);
        plan_poll(dep);
}

static void on_trouble(struct pgw_node *node, enum pgw_err err)
{
        struct pgw_deployment *dep = node->dep;
        const uint64_t now_ms = pgw_loop_now_ms(dep->loop);
        const uint64_t at_ms = dep->sentinel.asked_ms + PGW_POLL_APART_MS;

        pgw_deployment_poll_by(dep, at_ms > now_ms ? at_ms : now_ms);
        if (err == PGW_E_REDIS_READONLY && node->state == PGW_NODE_READY) {
                pgw_node_check(node);
                pgw_deployment_judge(dep, err);
        }
}

const struct pgw_topology pgw_topology_sentinel = {
    .begin = on_poll,
    .on_guide = on_guide,
    .on_trouble = on_trouble,
    .on_poll = on_poll,
};
