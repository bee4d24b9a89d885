/* The binding of the contract's operations to functions: two arrays of one length. */
#include "http/gateway.h"

#include <string.h>

#include "base/alloc.h"
#include "http/operations.h"
#include "http/poll.h"
#include "io/aside.h"

const char *const pgw_gateway_operations[] = {
    "create_invalidation",
    "get_job",
    "list_queues",
    "get_livez",
    "get_readyz",
    "get_healthz",
    "get_metrics",
    "get_openapi_yaml",
    "get_openapi_json",
    "get_docs",
    "create_tagging",
    "create_untagging",
    "get_tag",
    "list_tag_members",
    "create_batch",
    "get_group",
    "create_event",
    "cancel_rebounds",
    "list_dead_letters",
    "get_dead_letter",
    "redrive_dead_letter",
    "drop_dead_letter",
    "redrive_dead_letters",
    "drop_dead_letters",
    "cancel_job",
    "pause_queue",
    "resume_queue",
    "purge_queue",
    "list_workers",
    "list_audit",
    "export_audit",
    "receive_delivery",
    "preview_delivery",
    "list_deliveries",
    NULL,
};

static const struct pgw_gateway_handler handlers[] = {
    {.understand = pgw_op_invalidate_understand, .act = pgw_op_invalidate, .takes_forms = true},
    {.understand = pgw_op_job_understand, .act = pgw_op_job},
    {.act = pgw_op_queues},
    {.act = pgw_op_livez, .is_probe = true, .ignores_query = true},
    {.act = pgw_op_readyz, .is_probe = true},
    {.act = pgw_op_livez, .is_probe = true, .ignores_query = true},
    {.act = pgw_op_metrics, .ignores_query = true},
    {.act = pgw_op_openapi_yaml, .ignores_query = true},
    {.act = pgw_op_openapi_json, .ignores_query = true},
    {.act = pgw_op_docs, .ignores_query = true},
    {.understand = pgw_op_tagging_understand, .act = pgw_op_tagging},
    {.understand = pgw_op_tagging_understand, .act = pgw_op_untagging},
    {.understand = pgw_op_tag_understand, .act = pgw_op_tag},
    {.understand = pgw_op_tag_understand, .act = pgw_op_tag_members},
    {.understand = pgw_op_batch_understand, .act = pgw_op_batch},
    {.act = pgw_op_group},
    {.understand = pgw_op_event_understand, .act = pgw_op_invalidate},
    {.understand = pgw_op_job_understand, .act = pgw_op_cancel_rebounds},
    {.act = pgw_op_letters},
    {.understand = pgw_op_letter_understand, .act = pgw_op_letter},
    {.understand = pgw_op_letter_understand, .act = pgw_op_redrive_one},
    {.understand = pgw_op_letter_understand, .act = pgw_op_drop_one},
    {.act = pgw_op_redrive},
    {.act = pgw_op_drop},
    {.understand = pgw_op_cancel_understand, .act = pgw_op_cancel},
    {.understand = pgw_op_queue_understand, .act = pgw_op_pause},
    {.understand = pgw_op_queue_understand, .act = pgw_op_resume},
    {.understand = pgw_op_queue_understand, .act = pgw_op_purge_queue},
    {.act = pgw_op_workers},
    {.act = pgw_op_audit},
    {.act = pgw_op_audit_export},
    {.act = pgw_op_hook, .takes_bytes = true, .ignores_query = true, .is_signed = true},
    {.act = pgw_op_hook_preview},
    {.act = pgw_op_deliveries},
};

_Static_assert(sizeof handlers / sizeof handlers[0] + 1 ==
                   sizeof pgw_gateway_operations / sizeof pgw_gateway_operations[0],
               "every operation has a function");

const struct pgw_gateway_handler *pgw_gateway_handler(unsigned index)
{
        PGW_ASSERT(index < sizeof handlers / sizeof handlers[0]);
        return &handlers[index];
}

struct pgw_gateway *pgw_gateway_new(struct pgw_loop *loop, const struct pgw_gateway_links *links,
                                    const struct pgw_gateway_conf *conf)
{
        struct pgw_gateway *g = pgw_alloc(sizeof *g);

        g->loop = loop;
        g->aside = pgw_aside_new(loop);
        g->links = *links;
        PGW_ASSERT(links->target_count >= 1 && links->target_count <= PGW_TARGETS_MAX);
        memcpy(g->targets, links->targets, links->target_count * sizeof g->targets[0]);
        g->links.targets = g->targets;
        pgw_identities_hold(g->links.identities);
        pgw_hooks_hold(g->links.hooks);
        g->conf = *conf;
        pgw_list_init(&g->unused);
        pgw_list_init(&g->polls);
        pgw_refusals_init(&g->refusals, g);
        return g;
}

void pgw_gateway_set_identities(struct pgw_gateway *g, struct pgw_identities *identities)
{
        struct pgw_identities *old = g->links.identities;

        g->links.identities = pgw_identities_hold(identities);
        pgw_identities_drop(old);
}

void pgw_gateway_drain(struct pgw_gateway *g)
{
        g->draining = true;
        pgw_poll_hurry_all(g);
        pgw_refusals_flush(&g->refusals);
}

void pgw_gateway_set_hooks(struct pgw_gateway *g, struct pgw_hooks *hooks)
{
        struct pgw_hooks *old = g->links.hooks;

        g->links.hooks = pgw_hooks_hold(hooks);
        pgw_hooks_drop(old);
}

void pgw_gateway_stop_reading(struct pgw_gateway *g)
{
        pgw_aside_stop(g->aside);
}

void pgw_gateway_unlink(struct pgw_gateway *g)
{
        pgw_refusals_fini(&g->refusals);
        g->links.broker = g->links.results = NULL;
}

void pgw_gateway_free(struct pgw_gateway *g)
{
        struct pgw_link *link;

        if (!g)
                return;
        PGW_ASSERT(g->exchanges == 0);
        PGW_ASSERT(g->polls.count == 0 && g->waits == 0);
        while ((link = pgw_list_first(&g->unused))) {
                pgw_list_remove(&g->unused, link);
                struct pgw_exchange *x = PGW_CONTAINER(link, struct pgw_exchange, link);
                pgw_buf_fini(&x->out);
                pgw_free(x);
        }
        pgw_identities_drop(g->links.identities);
        pgw_hooks_drop(g->links.hooks);
        pgw_aside_free(g->aside);
        pgw_free(g);
}
