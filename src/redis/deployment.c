/* The deployment as its callers see it: one door for calls, one readiness, one count of epochs.
 *
 * A call that succeeds costs a look-up in the map of slots and what the client costs; nothing
 * is allocated, and the clock is looked at once in a turn. Everything that is rare hangs on
 * the error path: an error either is followed (MOVED, ASK, TRYAGAIN) or ends the call and
 * tells the kind's topology that something is wrong.
 *
 * The standalone kind is here too, because there is nothing to it: its one server may be
 * another one behind the same name, so a server that became read-only is hung up on.
 */
#include "redis/deployment.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "redis/deployment_priv.h"

#define PGW_HANG_UP_MS        500
#define PGW_TRY_AGAIN_MIN_MS  25
#define PGW_TRY_AGAIN_MORE_MS 176 /* up to 200 */

/* ---- shared ---- */

uint64_t pgw_deployment_jitter_ms(uint64_t ms)
{
        return ms - ms / 4 + pgw_rand_below(ms / 2 + 1);
}

uint64_t pgw_deployment_now_ms(struct pgw_deployment *dep)
{
        const uint64_t turn = pgw_loop_turns(dep->loop);

        if (dep->stamp_turn != turn) {
                dep->stamp_turn = turn;
                dep->stamp_ms = pgw_loop_now_ms(dep->loop);
        }
        return dep->stamp_ms;
}

void pgw_deployment_poll_by(struct pgw_deployment *dep, uint64_t at_ms)
{
        if (pgw_timer_is_armed(&dep->poll) && dep->poll_ms <= at_ms)
                return;
        dep->poll_ms = at_ms;
        pgw_timer_arm(dep->loop, &dep->poll, at_ms);
}

void pgw_deployment_explain(struct pgw_node *node, struct pgw_str reason)
{
        struct pgw_deployment *dep = node->dep;

        snprintf(dep->reason, sizeof dep->reason, "%s%s%s%s%.*s",
                 node->host[0] ? node->host : dep->conf.unix_path, node->host[0] ? ":" : "",
                 node->port, reason.n ? ": " : "", (int)reason.n, reason.n ? reason.p : "");
}

void pgw_deployment_room_later(struct pgw_deployment *dep)
{
        if (dep->room_wanted && !dep->is_closing)
                pgw_loop_defer(dep->loop, &dep->room);
}

void pgw_deployment_tell(struct pgw_deployment *dep, enum pgw_change change, struct pgw_node *node,
                         unsigned first, unsigned last)
{
        if (dep->on_change)
                dep->on_change(dep->change_ctx, change, node, first, last);
}

static bool is_covered(const struct pgw_deployment *dep)
{
        if (dep->cluster ? dep->cluster->covered < PGW_REDIS_SLOTS : dep->master_count == 0)
                return false;
        for (size_t i = 0; i < dep->master_count; i++)
                if (dep->masters[i]->state != PGW_NODE_READY)
                        return false;
        return true;
}

void pgw_deployment_judge(struct pgw_deployment *dep, enum pgw_err err)
{
        const bool was_ready = dep->is_ready;

        dep->is_ready = is_covered(dep);
        if (err)
                dep->trouble = err;
        if (dep->is_ready != was_ready)
                dep->on_state(dep->state_ctx, dep->is_ready,
                              dep->is_ready ? PGW_OK
                              : err         ? err
                                            : PGW_E_REDIS_CONNECT);
        else if (!dep->is_ready && err)
                dep->on_state(dep->state_ctx, false, err);
}

/* ---- the standalone kind ---- */

static void begin_standalone(struct pgw_deployment *dep)
{
        const struct pgw_deployment_conf *conf = &dep->conf;
        const struct pgw_seed none = {"", ""}, *seed = conf->unix_path ? &none : conf->seeds;

        dep->masters[0] =
            pgw_node_open(dep, PGW_NODE_MASTER, pgw_str_z(seed->host), pgw_str_z(seed->port));
        dep->master_count = 1;
        dep->epoch++;
}

/* A name that pointed to the master and now points elsewhere is how many services fail over:
 * the old master answers on our old connection, as a replica. Not at once, and once for
 * all the answers that come together. */
static void on_standalone_trouble(struct pgw_node *node, enum pgw_err err)
{
        if (err == PGW_E_REDIS_READONLY && pgw_redis_is_ready(node->redis))
                pgw_deployment_poll_by(node->dep, pgw_loop_now_ms(node->dep->loop) +
                                                      pgw_rand_below(PGW_HANG_UP_MS));
}

static void hang_up(struct pgw_deployment *dep)
{
        if (pgw_redis_is_ready(dep->masters[0]->redis))
                pgw_redis_hang_up(dep->masters[0]->redis, PGW_E_REDIS_READONLY);
}

static const struct pgw_topology topology_standalone = {
    .begin = begin_standalone, .on_trouble = on_standalone_trouble, .on_poll = hang_up};

/* ---- calls ---- */

void pgw_call_unpark(struct pgw_call *call)
{
        struct pgw_deployment *dep = call->_dep;
        struct pgw_list *list = call->_retrying ? &dep->paused : &call->_node->waiting;

        pgw_list_remove(list, &call->_parked);
        pgw_timer_disarm(dep->loop, &call->_timer);
        call->_retrying = false;
        if (list->count == 0)
                pgw_deployment_room_later(dep);
}

static struct pgw_node *owner(const struct pgw_deployment *dep, unsigned slot)
{
        if (dep->cluster)
                return pgw_cluster_owner(dep->cluster, slot);
        return dep->master_count ? dep->masters[0] : NULL;
}

void pgw_call_route(struct pgw_call *call)
{
        struct pgw_node *node = owner(call->_dep, call->_slot);

        call->_asking = false;
        call->_hops = 0;
        if (node)
                pgw_node_send_or_wait(node, call);
        else
                call->reply(call, PGW_E_REDIS_CLUSTERDOWN, NULL);
}

static void on_pause_over(struct pgw_timer *timer)
{
        struct pgw_call *call = PGW_CONTAINER(timer, struct pgw_call, _timer);

        pgw_call_unpark(call);
        if (pgw_loop_now_ms(call->_dep->loop) >= call->_deadline_ms)
                call->reply(call, PGW_E_REDIS_TRYAGAIN, NULL);
        else
                pgw_call_route(call);
}

/* Its node may be gone before the pause is over. */
static void pause_call(struct pgw_call *call)
{
        struct pgw_deployment *dep = call->_dep;
        uint64_t until_ms = pgw_loop_now_ms(dep->loop) + PGW_TRY_AGAIN_MIN_MS +
                            pgw_rand_below(PGW_TRY_AGAIN_MORE_MS);

        if (until_ms > call->_deadline_ms)
                until_ms = call->_deadline_ms;
        call->_retrying = true;
        call->_node = NULL;
        pgw_list_append(&dep->paused, &call->_parked);
        pgw_timer_init(&call->_timer, on_pause_over);
        pgw_timer_arm(dep->loop, &call->_timer, until_ms);
        dep->counts.tried_again++;
}

static void end_badly(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_node *node = call->_node;
        struct pgw_deployment *dep = call->_dep;

        if (dep->is_closing) {
                call->reply(call, err, reply);
                return;
        }
        switch (err) {
        case PGW_E_REDIS_MOVED:
                if (dep->cluster) {
                        pgw_cluster_redirect(call, reply);
                        return;
                }
                break;
        case PGW_E_REDIS_TRYAGAIN:
                if (dep->cluster) {
                        pause_call(call);
                        return;
                }
                break;
        case PGW_E_REDIS_CLUSTERDOWN:
        case PGW_E_REDIS_LOADING:
        case PGW_E_REDIS_MASTERDOWN:
        case PGW_E_REDIS_READONLY:
                if (!pgw_link_is_on(&node->grave))
                        dep->topology->on_trouble(node, err);
                break;
        case PGW_E_REDIS_CANCELLED:
                /* The node was given up, and not the call. */
                err = PGW_E_REDIS_CLOSED;
                break;
        default:
                break;
        }
        call->reply(call, err, reply);
}

void pgw_call_end(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        if (err)
                end_badly(call, err, reply);
        else
                call->reply(call, PGW_OK, reply);
}

enum pgw_err pgw_deployment_call(struct pgw_deployment *dep, struct pgw_call *call)
{
        struct pgw_node *node;

        if (dep->is_closing)
                return PGW_E_REDIS_CONNECT;
        call->_dep = dep;
        call->_asking = false;
        if (dep->cluster) {
                PGW_ASSERT(call->key < call->argc);
                call->_slot = (uint16_t)pgw_redis_slot(call->argv[call->key]);
                call->_deadline_ms = pgw_deployment_now_ms(dep) + dep->conf.timeout_ms;
                call->_parked = (struct pgw_link){0};
                call->_hops = 0;
                call->_retrying = false;
        }
        node = owner(dep, call->_slot);
        if (!node)
                return dep->cluster ? PGW_E_REDIS_CLUSTERDOWN : PGW_E_REDIS_CONNECT;
        /* Those who wait for room on it were there first. */
        enum pgw_err err = node->waiting.count ? PGW_E_REDIS_FULL : pgw_node_send(node, call);
        dep->room_wanted |= err == PGW_E_REDIS_FULL;
        return err;
}

/* ---- the object ---- */

static void on_poll(struct pgw_timer *timer)
{
        struct pgw_deployment *dep = PGW_CONTAINER(timer, struct pgw_deployment, poll);

        dep->topology->on_poll(dep);
}

static void on_reap(struct pgw_timer *timer)
{
        pgw_node_reap(PGW_CONTAINER(timer, struct pgw_deployment, reaper));
}

static void on_room_later(struct pgw_deferred *d)
{
        struct pgw_deployment *dep = PGW_CONTAINER(d, struct pgw_deployment, room);

        dep->room_wanted = false;
        if (dep->on_room)
                dep->on_room(dep->room_ctx);
}

struct pgw_deployment *pgw_deployment_open(struct pgw_loop *loop, struct pgw_resolver *resolver,
                                           const struct pgw_deployment_conf *conf,
                                           pgw_deployment_state_f *on_state, void *ctx)
{
        struct pgw_deployment *dep = pgw_alloc(sizeof *dep);
        const bool is_cluster = conf->kind == PGW_CLUSTER;

        PGW_ASSERT(conf->kind == PGW_STANDALONE || !conf->unix_path);
        PGW_ASSERT(conf->unix_path || conf->seed_count > 0);
        PGW_ASSERT(conf->kind != PGW_SENTINEL || conf->master_name);
        PGW_ASSERT(!is_cluster || conf->db == 0);
        dep->loop = loop;
        dep->resolver = resolver;
        dep->conf = *conf;
        dep->topology = is_cluster                   ? &pgw_topology_cluster
                        : conf->kind == PGW_SENTINEL ? &pgw_topology_sentinel
                                                     : &topology_standalone;
        dep->on_state = on_state;
        dep->state_ctx = ctx;
        dep->stamp_turn = UINT64_MAX;
        dep->masters = pgw_alloc((is_cluster ? PGW_NODES_CAP : 1) * sizeof(struct pgw_node *));
        pgw_list_init(&dep->paused);
        pgw_list_init(&dep->graves);
        pgw_timer_init(&dep->reaper, on_reap);
        pgw_timer_init(&dep->poll, on_poll);
        pgw_deferred_init(&dep->room, on_room_later);
        if (is_cluster)
                dep->cluster = pgw_alloc(sizeof *dep->cluster);
        dep->topology->begin(dep);
        return dep;
}

static void close_nodes(struct pgw_deployment *dep)
{
        struct pgw_cluster *c = dep->cluster;
        struct pgw_node *guide = c ? c->guide : dep->sentinel.guide;
        struct pgw_link *link;

        if (guide)
                pgw_node_close_now(guide);
        for (size_t i = 0; c && i < c->node_count; i++)
                if (c->nodes[i])
                        pgw_node_close_now(c->nodes[i]);
        if (!c && dep->master_count)
                pgw_node_close_now(dep->masters[0]);
        while ((link = pgw_list_first(&dep->graves)))
                pgw_node_close_now(PGW_CONTAINER(link, struct pgw_node, grave));
}

void pgw_deployment_close(struct pgw_deployment *dep)
{
        struct pgw_link *link;

        if (!dep)
                return;
        dep->is_closing = true;
        pgw_timer_disarm(dep->loop, &dep->poll);
        pgw_timer_disarm(dep->loop, &dep->reaper);
        pgw_loop_undefer(dep->loop, &dep->room);
        while ((link = pgw_list_first(&dep->paused))) {
                struct pgw_call *call = PGW_CONTAINER(link, struct pgw_call, _parked);
                pgw_call_unpark(call);
                call->reply(call, PGW_E_REDIS_CANCELLED, NULL);
        }
        close_nodes(dep);
        pgw_free(dep->cluster);
        pgw_free(dep->masters);
        pgw_free(dep);
}

bool pgw_deployment_is_ready(const struct pgw_deployment *dep)
{
        return dep->is_ready;
}

enum pgw_err pgw_deployment_absence(const struct pgw_deployment *dep)
{
        enum pgw_err worst = pgw_err_waits(dep->trouble) ? dep->trouble : PGW_E_REDIS_CONNECT;

        if (dep->is_ready)
                return PGW_OK;
        for (size_t i = 0; i < dep->master_count; i++) {
                if (dep->masters[i]->state == PGW_NODE_READY)
                        continue;
                worst = pgw_node_absence(dep->masters[i]);
                if (worst == PGW_E_REDIS_CONNECT)
                        break;
        }
        return worst;
}

static struct pgw_node *owner_of_key(const struct pgw_deployment *dep, struct pgw_str key)
{
        return owner(dep, dep->cluster ? pgw_redis_slot(key) : 0);
}

bool pgw_deployment_where(const struct pgw_deployment *dep, struct pgw_str key,
                          const char **ret_host, const char **ret_port)
{
        const struct pgw_node *node = owner_of_key(dep, key);

        if (!node || node->state != PGW_NODE_READY || !node->host[0])
                return false;
        *ret_host = node->host;
        *ret_port = node->port;
        return true;
}

void pgw_deployment_doubt(struct pgw_deployment *dep, struct pgw_str key, enum pgw_err err)
{
        struct pgw_node *node = owner_of_key(dep, key);

        if (node && !dep->is_closing)
                dep->topology->on_trouble(node, err);
}

void pgw_deployment_refresh(struct pgw_deployment *dep)
{
        if (dep->cluster && !dep->is_closing)
                pgw_cluster_refresh(dep);
}

struct pgw_node *pgw_deployment_owner(const struct pgw_deployment *dep, struct pgw_str key)
{
        return owner_of_key(dep, key);
}

bool pgw_deployment_is_cluster(const struct pgw_deployment *dep)
{
        return dep->cluster != NULL;
}

uint64_t pgw_deployment_map(const struct pgw_deployment *dep)
{
        uint64_t sum = 14695981039346656037u;

        for (unsigned slot = 0; dep->cluster && slot < PGW_REDIS_SLOTS; slot++) {
                const struct pgw_node *now = pgw_cluster_owner(dep->cluster, slot);
                if (slot && now == pgw_cluster_owner(dep->cluster, slot - 1))
                        continue;
                sum = (sum ^ slot) * 1099511628211u;
                for (const char *c = now ? now->id : ""; *c; c++)
                        sum = (sum ^ (unsigned char)*c) * 1099511628211u;
        }
        return dep->cluster ? sum : 0;
}

const char *pgw_node_run_id(const struct pgw_node *node)
{
        return node->run_id;
}

bool pgw_node_is_ready(const struct pgw_node *node)
{
        return node->state == PGW_NODE_READY;
}

const char *pgw_deployment_reason(const struct pgw_deployment *dep)
{
        return dep->reason;
}

bool pgw_deployment_is_full(const struct pgw_deployment *dep)
{
        for (size_t i = 0; i < dep->master_count; i++)
                if (pgw_node_is_full(dep->masters[i]))
                        return true;
        return false;
}

void pgw_deployment_on_room(struct pgw_deployment *dep, pgw_deployment_room_f *on_room, void *ctx)
{
        dep->on_room = on_room;
        dep->room_ctx = ctx;
}

void pgw_deployment_on_change(struct pgw_deployment *dep, pgw_deployment_change_f *on_change,
                              void *ctx)
{
        dep->on_change = on_change;
        dep->change_ctx = ctx;
}

uint64_t pgw_deployment_epoch(const struct pgw_deployment *dep)
{
        return dep->epoch;
}

size_t pgw_deployment_masters(const struct pgw_deployment *dep)
{
        return dep->master_count;
}

struct pgw_node *pgw_deployment_master(const struct pgw_deployment *dep, size_t index)
{
        PGW_ASSERT(index < dep->master_count);
        return dep->masters[index];
}

const char *pgw_node_id(const struct pgw_node *node)
{
        return node->id;
}

bool pgw_node_owns(const struct pgw_node *node, unsigned slot)
{
        PGW_ASSERT(slot < PGW_REDIS_SLOTS);
        return owner(node->dep, slot) == node;
}

const struct pgw_deployment_counts *pgw_deployment_counts(const struct pgw_deployment *dep)
{
        return &dep->counts;
}
