/* The map of a cluster, and what happens to a call that the map sent astray.
 *
 * The map is a table from slot to node. It is learnt from CLUSTER SLOTS, asked of one node at a
 * time: the one that last knew better than we, else any master that answers, else the seeds
 * in turn; the seeds too when all masters have been asked in vain. A node that was reset, or was
 * never told of the others, knows of no slots: that is no map. A MOVED corrects its slot at once,
 * so the next call finds the way while the whole map is still on its way. What happens meanwhile is
 * not in an answer that was asked for before, so it is asked for once more.
 *
 * Nodes that a redirection names and the map does not are guests. They keep their links for
 * half a minute after the last redirection: an empty node that slots are moved to owns
 * nothing for a while, and would else be connected to again after each refresh.
 *
 * Nodes have numbers (places), so that the map costs two bytes a slot. A place is given
 * away again only after the map that named it is gone, so that two maps can be compared.
 */
#include <stdio.h>
#include <string.h>

#include "redis/deployment_priv.h"

#define PGW_REFRESH_APART_MS 100
#define PGW_REFRESH_DOWN_MS  500
#define PGW_REFRESH_UP_MS    30000
#define PGW_SEED_NEXT_MS     20
#define PGW_GUEST_MS         30000
#define PGW_HOPS_MAX         5

struct pgw_node *pgw_cluster_owner(const struct pgw_cluster *c, unsigned slot)
{
        return c->owner[slot] ? c->nodes[c->owner[slot] - 1] : NULL;
}

/* ---- nodes ---- */

static size_t port_text(uint16_t port, char out[20])
{
        return pgw_u64_text(port, out);
}

static struct pgw_node *find_address(const struct pgw_cluster *c, struct pgw_str host,
                                     struct pgw_str port, bool only_guests)
{
        for (size_t i = 0; i < c->node_count; i++) {
                struct pgw_node *node = c->nodes[i];
                if (node && !(only_guests && node->is_named) && pgw_str_eq_z(port, node->port) &&
                    pgw_str_eq_z(host, node->host))
                        return node;
        }
        return NULL;
}

static struct pgw_node *find_id(const struct pgw_cluster *c, struct pgw_str id)
{
        for (size_t i = 0; i < c->node_count; i++)
                if (c->nodes[i] && c->nodes[i]->is_named && pgw_str_eq_z(id, c->nodes[i]->id))
                        return c->nodes[i];
        return NULL;
}

/* NULL when there are as many as there may be. */
static struct pgw_node *add_node(struct pgw_deployment *dep, struct pgw_str host,
                                 struct pgw_str port)
{
        struct pgw_cluster *c = dep->cluster;
        size_t i = 0;

        while (i < c->node_count && c->nodes[i])
                i++;
        if (i == PGW_NODES_CAP)
                return NULL;
        c->nodes[i] = pgw_node_open(dep, PGW_NODE_MASTER, host, port);
        c->nodes[i]->place = (uint16_t)(i + 1);
        if (i == c->node_count)
                c->node_count++;
        return c->nodes[i];
}

static void remove_node(struct pgw_node *node)
{
        struct pgw_cluster *c = node->dep->cluster;

        PGW_ASSERT(node->slots == 0);
        c->nodes[node->place - 1] = NULL;
        node->place = 0;
        if (c->hint == node)
                c->hint = NULL;
        pgw_node_bury(node);
}

/* Who owns what, counted anew, and the masters in the order of their places. */
static void count_slots(struct pgw_deployment *dep)
{
        struct pgw_cluster *c = dep->cluster;

        for (size_t i = 0; i < c->node_count; i++)
                if (c->nodes[i])
                        c->nodes[i]->slots = 0;
        c->covered = 0;
        for (unsigned slot = 0; slot < PGW_REDIS_SLOTS; slot++) {
                struct pgw_node *node = pgw_cluster_owner(c, slot);
                if (!node)
                        continue;
                node->slots++;
                c->covered++;
        }
        dep->master_count = 0;
        for (size_t i = 0; i < c->node_count; i++)
                if (c->nodes[i] && c->nodes[i]->slots)
                        dep->masters[dep->master_count++] = c->nodes[i];
}

/* ---- a new map ---- */

/* The node of the map's `master`; NULL when there is no place for it. */
static struct pgw_node *match(struct pgw_deployment *dep, const struct pgw_map_master *master,
                              const char *asked_host)
{
        char text[20];
        const struct pgw_str port = pgw_str_of(text, port_text(master->port, text));
        const struct pgw_str host = master->host.n ? master->host : pgw_str_z(asked_host);
        struct pgw_node *known = find_id(dep->cluster, master->id), *node = known;

        /* The same server at another address is a new link, which has the old one's past. */
        if (!known || !pgw_str_eq_z(host, known->host) || !pgw_str_eq_z(port, known->port)) {
                node = find_address(dep->cluster, host, port, true);
                if (!node)
                        node = add_node(dep, host, port);
                if (!node)
                        return NULL;
                snprintf(node->id, sizeof node->id, "%.*s", (int)master->id.n, master->id.p);
                node->is_named = true;
                if (known)
                        memcpy(node->replid, known->replid, sizeof node->replid);
        }
        node->is_listed = true;
        return node;
}

static void tell_moves(struct pgw_deployment *dep)
{
        const struct pgw_cluster *c = dep->cluster;
        unsigned slot = 0;

        while (slot < PGW_REDIS_SLOTS) {
                const unsigned first = slot;
                while (slot < PGW_REDIS_SLOTS && c->owner[slot] != c->before[slot] &&
                       c->owner[slot] == c->owner[first])
                        slot++;
                if (slot > first)
                        pgw_deployment_tell(dep, PGW_SLOTS_MOVED, pgw_cluster_owner(c, first),
                                            first, slot - 1);
                else
                        slot++;
        }
}

static void remove_unlisted(struct pgw_deployment *dep)
{
        struct pgw_cluster *c = dep->cluster;
        const uint64_t now_ms = pgw_loop_now_ms(dep->loop);

        for (size_t i = 0; i < c->node_count; i++) {
                struct pgw_node *node = c->nodes[i];
                if (node && !node->is_listed &&
                    (node->is_named || now_ms >= node->used_ms + PGW_GUEST_MS))
                        remove_node(node);
        }
}

static void apply(struct pgw_deployment *dep, struct pgw_node *asked)
{
        struct pgw_cluster *c = dep->cluster;
        const struct pgw_map *map = &c->map;
        uint16_t places[PGW_MASTERS_MAX + 1] = {0};
        const bool was_known = c->is_known;

        for (size_t i = 0; i < c->node_count; i++)
                if (c->nodes[i])
                        c->nodes[i]->is_listed = false;
        for (size_t i = 0; i < map->count; i++) {
                const struct pgw_node *node = match(dep, &map->masters[i], asked->host);
                places[i + 1] = node ? node->place : 0;
        }
        memcpy(c->before, c->owner, sizeof c->before);
        for (unsigned slot = 0; slot < PGW_REDIS_SLOTS; slot++)
                c->owner[slot] = places[map->owner[slot]];
        c->is_known = true;
        count_slots(dep);
        const bool has_changed = memcmp(c->before, c->owner, sizeof c->before) != 0;
        dep->epoch += has_changed;
        if (has_changed && was_known)
                tell_moves(dep);
        remove_unlisted(dep);
        if (c->covered < PGW_REDIS_SLOTS)
                pgw_deployment_explain(asked, PGW_STR("it knows of no owner for some slots"));
        pgw_deployment_judge(dep, c->covered < PGW_REDIS_SLOTS ? PGW_E_REDIS_CLUSTERDOWN : PGW_OK);
}

/* ---- asking for it ---- */

/* Whom nothing was learnt from is followed by another soon, until all have been asked. */
static void plan_refresh(struct pgw_deployment *dep, enum pgw_err err)
{
        struct pgw_cluster *c = dep->cluster;
        const uint64_t now_ms = pgw_loop_now_ms(dep->loop);
        const bool has_others = c->asked_in_vain || c->seed_failures % dep->conf.seed_count;
        const bool is_well = dep->is_ready && c->asked_in_vain == 0 && c->seed_failures == 0;

        if (c->again)
                pgw_deployment_poll_by(dep, c->asked_ms + PGW_REFRESH_APART_MS);
        else if (err && has_others)
                pgw_deployment_poll_by(dep, now_ms + PGW_SEED_NEXT_MS);
        else
                pgw_deployment_poll_by(
                    dep, now_ms + pgw_deployment_jitter_ms(is_well ? PGW_REFRESH_UP_MS
                                                                   : PGW_REFRESH_DOWN_MS));
        c->again = false;
}

void pgw_cluster_refresh(struct pgw_deployment *dep)
{
        struct pgw_cluster *c = dep->cluster;
        const uint64_t now_ms = pgw_loop_now_ms(dep->loop);
        const uint64_t at_ms = c->asked_ms + PGW_REFRESH_APART_MS;

        if (c->asking)
                c->again = true;
        else
                pgw_deployment_poll_by(dep, at_ms > now_ms ? at_ms : now_ms);
}

/* The question of the guide was answered, or will not be. One that knew something led to masters,
 * and one that knew all is asked first the next time. */
static void dismiss(struct pgw_node *guide, enum pgw_err err)
{
        struct pgw_deployment *dep = guide->dep;
        struct pgw_cluster *c = dep->cluster;

        if (err || c->covered < PGW_REDIS_SLOTS) {
                c->seed_at++;
                c->seed_failures++;
        }
        if (!err || c->seed_failures % dep->conf.seed_count == 0)
                c->asked_in_vain = 0;
        c->guide = NULL;
        pgw_node_bury(guide);
}

static enum pgw_err read_map(struct pgw_node *node, const struct pgw_reply *reply)
{
        struct pgw_map *map = &node->dep->cluster->map;
        enum pgw_err err = pgw_map_read(map, reply);

        if (err)
                pgw_deployment_explain(node, PGW_STR("what it says of the slots is wrong"));
        if (err || map->count)
                return err;
        pgw_deployment_explain(node, PGW_STR("it knows of no slots"));
        return PGW_E_REDIS_CLUSTERDOWN;
}

static void on_slots(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_node *node = ctx;
        struct pgw_deployment *dep = node->dep;
        struct pgw_cluster *c = dep->cluster;

        if (dep->is_closing)
                return;
        c->asking = false;
        if (err && reply)
                pgw_deployment_explain(node, reply->str);
        if (!err)
                err = read_map(node, reply);
        if (!err) {
                dep->counts.refreshes++;
                apply(dep, node);
        } else if (c->hint == node) {
                c->hint = NULL;
        }
        if (node == c->guide)
                dismiss(node, err);
        else
                c->asked_in_vain++;
        if (!err && c->covered == PGW_REDIS_SLOTS)
                c->asked_in_vain = c->seed_failures = 0;
        plan_refresh(dep, err);
        if (err)
                pgw_deployment_judge(dep, err);
}

static bool ask(struct pgw_node *node)
{
        struct pgw_cluster *c = node->dep->cluster;

        if (node->state != PGW_NODE_READY ||
            pgw_node_ask(node, on_slots, 2, (const char *const[]){"CLUSTER", "SLOTS"}))
                return false;
        c->asking = true;
        c->asked_ms = pgw_loop_now_ms(node->dep->loop);
        return true;
}

static bool ask_any_master(struct pgw_deployment *dep)
{
        struct pgw_cluster *c = dep->cluster;

        if (c->asked_in_vain >= dep->master_count)
                return false;
        if (c->hint && ask(c->hint))
                return true;
        for (size_t i = 0; i < dep->master_count; i++)
                if (ask(dep->masters[++c->asked_at % dep->master_count]))
                        return true;
        return false;
}

static void on_poll(struct pgw_deployment *dep)
{
        struct pgw_cluster *c = dep->cluster;

        if (c->asking || c->guide || ask_any_master(dep))
                return;
        const struct pgw_seed *seed = &dep->conf.seeds[c->seed_at % dep->conf.seed_count];
        c->guide = pgw_node_open(dep, PGW_NODE_GUIDE, pgw_str_z(seed->host), pgw_str_z(seed->port));
}

static void on_guide(struct pgw_node *guide, bool ready, enum pgw_err err)
{
        struct pgw_deployment *dep = guide->dep;

        if (ready && ask(guide))
                return;
        err = err ? err : PGW_E_REDIS_FULL;
        dismiss(guide, err);
        plan_refresh(dep, err);
        pgw_deployment_judge(dep, err);
}

static void on_trouble(struct pgw_node *node, enum pgw_err err)
{
        struct pgw_cluster *c = node->dep->cluster;

        (void)err;
        if (c->hint == node)
                c->hint = NULL;
        pgw_cluster_refresh(node->dep);
}

const struct pgw_topology pgw_topology_cluster = {
    .begin = on_poll,
    .on_guide = on_guide,
    .on_trouble = on_trouble,
    .on_poll = on_poll,
};

/* ---- redirections ---- */

static void give_slot(struct pgw_node *node, unsigned slot)
{
        struct pgw_deployment *dep = node->dep;
        struct pgw_cluster *c = dep->cluster;

        if (c->owner[slot] == node->place)
                return;
        c->owner[slot] = node->place;
        dep->epoch++;
        count_slots(dep);
        pgw_deployment_tell(dep, PGW_SLOTS_MOVED, node, slot, slot);
        pgw_deployment_judge(dep, PGW_OK);
}

void pgw_cluster_redirect(struct pgw_call *call, const struct pgw_reply *reply)
{
        struct pgw_node *from = call->_node, *to;
        struct pgw_deployment *dep = call->_dep;
        struct pgw_redirect r;
        char text[20];

        if (pgw_redirect_read(reply->str, &r) || r.slot != call->_slot) {
                call->reply(call, PGW_E_REDIS_PROTOCOL, reply);
                return;
        }
        const struct pgw_str port = pgw_str_of(text, port_text(r.port, text));
        const struct pgw_str host = r.host.n ? r.host : pgw_str_z(from->host);
        to = call->_hops < PGW_HOPS_MAX ? find_address(dep->cluster, host, port, false) : NULL;
        if (!to && call->_hops < PGW_HOPS_MAX)
                to = add_node(dep, host, port);
        if (!to) {
                call->reply(call, PGW_E_REDIS_MOVED, reply);
                return;
        }
        call->_hops++;
        call->_asking = r.ask;
        to->used_ms = pgw_loop_now_ms(dep->loop);
        if (r.ask) {
                dep->counts.asked++;
        } else {
                dep->counts.moved++;
                if (!pgw_link_is_on(&from->grave))
                        dep->cluster->hint = from;
                pgw_cluster_refresh(dep);
                give_slot(to, r.slot);
        }
        pgw_node_send_or_wait(to, call);
}
