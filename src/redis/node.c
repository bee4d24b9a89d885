/* One server of a deployment.
 *
 * A link that becomes ready is not taken at its word: INFO says which process answers and
 * whose data it has (master_replid, which changes with every promotion and restart), and
 * behind a Sentinel ROLE says whether it is a master at all. Only then do calls go there. A
 * server that does not let us ask is taken as it is: then nothing can be noticed.
 *
 * A node ends in two steps, because it ends inside callbacks of its own link and with
 * answers under way: it is buried at once, and closed from a timer.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "redis/deployment_priv.h"

#define PGW_REAP_EVERY_MS 20
/* A map of a thousand masters with replicas and host names takes about a megabyte. */
#define PGW_MAP_BYTES_MAX (4u << 20)

static void note(struct pgw_node *node, enum pgw_err err)
{
        struct pgw_deployment *dep = node->dep;

        switch (pgw_breaker_note(&node->breaker, err, pgw_deployment_now_ms(dep))) {
        case PGW_BREAKER_OPENED:
                dep->counts.tripped++;
                PGW_LOG(PGW_LOG_WARN, "redis.breaker_opened", PGW_L_STR("node", node->id),
                        PGW_L_STR("error", pgw_err_slug(err)));
                break;
        case PGW_BREAKER_CLOSED:
                PGW_LOG(PGW_LOG_INFO, "redis.breaker_closed", PGW_L_STR("node", node->id));
                break;
        case PGW_BREAKER_SAME:
                break;
        }
}

static void on_answer(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_call *call = ctx;

        note(call->_node, err);
        pgw_call_end(call, err, reply);
}

/* ---- who is it? ---- */

/* The value of a line "name:value" of INFO. */
static struct pgw_str info_value(struct pgw_str info, struct pgw_str line_start)
{
        struct pgw_str value = {NULL, 0}, rest;

        if (pgw_str_find(info, line_start, &value))
                (void)pgw_str_cut(value, '\r', &value, &rest);
        return value;
}

static void keep_text(char *out, size_t size, struct pgw_str text)
{
        if (text.n && text.n < size) {
                memcpy(out, text.p, text.n);
                out[text.n] = '\0';
        }
}

static enum pgw_err send_now(struct pgw_node *, struct pgw_call *);

static void flush_waiting(struct pgw_node *node)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(&node->waiting))) {
                struct pgw_call *call = PGW_CONTAINER(link, struct pgw_call, _parked);
                if (send_now(node, call))
                        return; /* the link tells when it has room again */
                pgw_call_unpark(call);
        }
}

static void identified(struct pgw_node *node, struct pgw_str info)
{
        struct pgw_deployment *dep = node->dep;
        char *last = dep->cluster ? node->replid : dep->replid;
        const struct pgw_str replid = info_value(info, PGW_STR("\nmaster_replid:"));
        const struct pgw_str run_id = info_value(info, PGW_STR("\nrun_id:"));
        const bool is_other = replid.n && last[0] && !pgw_str_eq_z(replid, last);

        if (!dep->cluster)
                keep_text(node->id, sizeof node->id, run_id);
        /* What cannot be told apart is taken for another. */
        dep->epoch += is_other || run_id.n == 0 || !pgw_str_eq_z(run_id, node->run_id);
        node->run_id[0] = '\0';
        keep_text(node->run_id, sizeof node->run_id, run_id);
        keep_text(last, sizeof node->replid, replid);
        node->state = PGW_NODE_READY;
        node->breaker = (struct pgw_breaker){.refusals = 0};
        if (is_other)
                pgw_deployment_tell(dep, PGW_NODE_NEW_MASTER, node, 0, PGW_REDIS_SLOTS - 1);
        flush_waiting(node);
        pgw_deployment_judge(dep, PGW_OK);
}

/* A link has room for the one question of this kind, however many calls fill it
 * (pgw_redis_begin_reserved). */
static void ask_who(struct pgw_node *node, pgw_redis_reply_f *reply, const char *word)
{
        enum pgw_err err = pgw_node_ask(node, reply, 1, (const char *const[]){word});

        PGW_ASSERT(err == PGW_OK);
        node->is_asked = true;
}

static bool is_checking(const struct pgw_node *node)
{
        return !pgw_link_is_on(&node->grave) && !node->dep->is_closing &&
               node->state == PGW_NODE_CHECKING;
}

static void on_info(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_node *node = ctx;

        (void)err;
        node->is_asked = false;
        if (reply && is_checking(node))
                identified(node, pgw_reply_str(reply));
}

static void on_role(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_node *node = ctx;

        node->is_asked = false;
        if (!reply || !is_checking(node))
                return;
        if (!err && !pgw_str_eq_z(pgw_reply_str(pgw_reply_at(reply, 0)), "master")) {
                pgw_deployment_explain(node, PGW_STR("this is not a master"));
                node->lost = PGW_E_REDIS_READONLY;
                node->dep->topology->on_trouble(node, PGW_E_REDIS_READONLY);
                pgw_deployment_judge(node->dep, PGW_E_REDIS_READONLY);
                return;
        }
        ask_who(node, on_info, "INFO");
}

void pgw_node_check(struct pgw_node *node)
{
        if (node->is_asked || !pgw_redis_is_ready(node->redis))
                return;
        node->state = PGW_NODE_CHECKING;
        if (node->dep->conf.kind == PGW_SENTINEL)
                ask_who(node, on_role, "ROLE");
        else
                ask_who(node, on_info, "INFO");
}

/* ---- its link ---- */

static void fail_waiting(struct pgw_node *node, enum pgw_err err)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(&node->waiting))) {
                struct pgw_call *call = PGW_CONTAINER(link, struct pgw_call, _parked);
                pgw_call_unpark(call);
                call->reply(call, err, NULL);
        }
}

/* For a call that has reached nobody: what a server that lets nobody in will never do is no word
 * about the call. "ERR max number of clients reached" is over when somebody leaves. */
static enum pgw_err refused_link(enum pgw_err err)
{
        return pgw_err_class(err) == PGW_CLASS_PERMANENT ? PGW_E_REDIS_CONNECT : err;
}

enum pgw_err pgw_node_absence(const struct pgw_node *node)
{
        return pgw_err_waits(node->lost) ? node->lost : PGW_E_REDIS_CONNECT;
}

static void on_state(void *ctx, bool ready, enum pgw_err err)
{
        struct pgw_node *node = ctx;
        struct pgw_deployment *dep = node->dep;

        if (pgw_link_is_on(&node->grave))
                return;
        if (!ready) {
                node->state = PGW_NODE_DOWN;
                node->lost = err;
                pgw_deployment_explain(node, pgw_str_z(pgw_redis_reason(node->redis)));
        }
        if (node->role == PGW_NODE_GUIDE) {
                node->state = ready ? PGW_NODE_READY : PGW_NODE_DOWN;
                dep->topology->on_guide(node, ready, err);
        } else if (ready) {
                pgw_node_check(node);
        } else {
                fail_waiting(node, refused_link(err));
                pgw_deployment_room_later(dep);
                dep->topology->on_trouble(node, err);
                pgw_deployment_judge(dep, err);
        }
}

static void on_room(void *ctx)
{
        struct pgw_node *node = ctx;

        if (node->state == PGW_NODE_READY)
                flush_waiting(node);
        if (node->waiting.count == 0)
                pgw_deployment_room_later(node->dep);
}

/* A guide has one attempt, so its name's other addresses are for the next round. */
static size_t rounds_of_seeds(const struct pgw_deployment *dep)
{
        return (dep->cluster ? dep->cluster->seed_failures : dep->sentinel.seed_failures) /
               dep->conf.seed_count;
}

struct pgw_node *pgw_node_open(struct pgw_deployment *dep, enum pgw_node_role role,
                               struct pgw_str host, struct pgw_str port)
{
        const struct pgw_deployment_conf *conf = &dep->conf;
        const bool is_sentinel = role == PGW_NODE_GUIDE && conf->kind == PGW_SENTINEL;
        struct pgw_node *node = pgw_alloc(sizeof *node);

        node->dep = dep;
        node->role = role;
        node->used_ms = pgw_loop_now_ms(dep->loop);
        pgw_list_init(&node->waiting);
        keep_text(node->host, sizeof node->host, host);
        keep_text(node->port, sizeof node->port, port);
        if (node->host[0])
                snprintf(node->id, sizeof node->id, "%s:%s", node->host, node->port);
        else
                snprintf(node->id, sizeof node->id, "%s", conf->unix_path);

        struct pgw_redis_conf link = {
            .address =
                {
                    .unix_path = node->host[0] ? NULL : conf->unix_path,
                    .host = node->host,
                    .port = node->port,
                    .user = is_sentinel ? conf->sentinel_user : conf->user,
                    .password = is_sentinel ? conf->sentinel_password : conf->password,
                    .db = is_sentinel ? 0 : conf->db,
                    .tls = conf->tls,
                },
            .address_first = role == PGW_NODE_GUIDE ? rounds_of_seeds(dep) : 0,
            .name = conf->name,
            .timeout_ms = conf->timeout_ms,
            .in_flight_max = conf->in_flight_max,
            .write_max = conf->write_max,
            .reply_max = conf->reply_max,
            .latency_histogram = conf->latency_histogram,
        };
        if (conf->kind == PGW_CLUSTER && link.reply_max < PGW_MAP_BYTES_MAX)
                link.reply_max = PGW_MAP_BYTES_MAX;
        node->redis = pgw_redis_open(dep->loop, dep->resolver, &link, on_state, node);
        pgw_redis_on_room(node->redis, on_room, node);
        dep->counts.links++;
        return node;
}

bool pgw_node_is_full(const struct pgw_node *node)
{
        return pgw_redis_is_full(node->redis) || node->waiting.count > 0;
}

enum pgw_err pgw_node_ask(struct pgw_node *node, pgw_redis_reply_f *reply, size_t argc,
                          const char *const argv[])
{
        pgw_redis_begin_reserved(node->redis, argc);
        for (size_t i = 0; i < argc; i++)
                pgw_redis_arg(node->redis, pgw_str_z(argv[i]));
        return pgw_redis_end(node->redis, reply, node);
}

/* ---- calls ---- */

/* A link without room answers no probe. */
static enum pgw_err ask_breaker(struct pgw_node *node)
{
        if (pgw_redis_is_full(node->redis))
                return PGW_OK;
        return pgw_breaker_ask(&node->breaker, pgw_deployment_now_ms(node->dep));
}

/* Whatever its breaker says: what was sent elsewhere before has waited enough. */
static enum pgw_err send_now(struct pgw_node *node, struct pgw_call *call)
{
        if (node->state != PGW_NODE_READY)
                return pgw_node_absence(node);
        call->_node = node;
        if (call->_asking)
                pgw_redis_begin_asking(node->redis, call->argc);
        else
                pgw_redis_begin(node->redis, call->argc);
        for (size_t i = 0; i < call->argc; i++)
                pgw_redis_arg(node->redis, call->argv[i]);
        return pgw_redis_end(node->redis, on_answer, call);
}

enum pgw_err pgw_node_send(struct pgw_node *node, struct pgw_call *call)
{
        const enum pgw_err refusal = node->state == PGW_NODE_READY ? ask_breaker(node) : PGW_OK;

        return refusal ? refusal : send_now(node, call);
}

static void on_waited(struct pgw_timer *timer)
{
        struct pgw_call *call = PGW_CONTAINER(timer, struct pgw_call, _timer);

        pgw_call_unpark(call);
        call->reply(call, PGW_E_REDIS_TIMEOUT, NULL);
}

void pgw_node_send_or_wait(struct pgw_node *node, struct pgw_call *call)
{
        struct pgw_deployment *dep = node->dep;
        const bool in_turn = node->waiting.count == 0;
        enum pgw_err err = in_turn ? send_now(node, call) : PGW_E_REDIS_FULL;

        if (!err)
                return;
        call->_node = node;
        pgw_list_append(&node->waiting, &call->_parked);
        pgw_timer_init(&call->_timer, on_waited);
        pgw_timer_arm(dep->loop, &call->_timer, call->_deadline_ms);
}

static void on_raw(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_call *call = ctx;
        struct pgw_deployment *dep = call->_dep;

        note(call->_node, err);
        if (err == PGW_E_REDIS_CANCELLED && !dep->is_closing)
                err = PGW_E_REDIS_CLOSED;
        call->reply(call, err, reply);
}

enum pgw_err pgw_node_call(struct pgw_node *node, struct pgw_call *call)
{
        struct pgw_deployment *dep = node->dep;

        if (dep->is_closing)
                return PGW_E_REDIS_CONNECT;
        if (node->state != PGW_NODE_READY)
                return pgw_node_absence(node);
        const enum pgw_err refusal = ask_breaker(node);
        if (refusal)
                return refusal;
        call->_dep = dep;
        call->_node = node;
        pgw_redis_begin(node->redis, call->argc);
        for (size_t i = 0; i < call->argc; i++)
                pgw_redis_arg(node->redis, call->argv[i]);
        enum pgw_err err = pgw_redis_end(node->redis, on_raw, call);
        dep->room_wanted |= err == PGW_E_REDIS_FULL;
        return err;
}

/* ---- its end ---- */

static void node_free(struct pgw_node *node)
{
        /* Calls that are still in flight hear of it from inside, and look at the node. */
        pgw_redis_close(node->redis);
        PGW_ASSERT(node->waiting.count == 0);
        pgw_free(node);
}

void pgw_node_bury(struct pgw_node *node)
{
        struct pgw_deployment *dep = node->dep;
        struct pgw_link *link;

        PGW_ASSERT(node->place == 0);
        node->state = PGW_NODE_DOWN;
        node->buried_ms = pgw_loop_now_ms(dep->loop);
        pgw_list_append(&dep->graves, &node->grave);
        if (!pgw_timer_is_armed(&dep->reaper))
                pgw_timer_arm(dep->loop, &dep->reaper, node->buried_ms);
        while ((link = pgw_list_first(&node->waiting))) {
                struct pgw_call *call = PGW_CONTAINER(link, struct pgw_call, _parked);
                pgw_call_unpark(call);
                pgw_call_route(call);
        }
        pgw_deployment_room_later(dep);
}

void pgw_node_close_now(struct pgw_node *node)
{
        fail_waiting(node, PGW_E_REDIS_CANCELLED);
        if (pgw_link_is_on(&node->grave))
                pgw_list_remove(&node->dep->graves, &node->grave);
        node_free(node);
}

void pgw_node_reap(struct pgw_deployment *dep)
{
        const uint64_t now_ms = pgw_loop_now_ms(dep->loop);
        struct pgw_link *next;

        for (struct pgw_link *link = pgw_list_first(&dep->graves); link; link = next) {
                struct pgw_node *node = PGW_CONTAINER(link, struct pgw_node, grave);
                next = pgw_list_next(&dep->graves, link);
                if (pgw_redis_is_ready(node->redis) && pgw_redis_in_flight(node->redis) &&
                    now_ms < node->buried_ms + dep->conf.timeout_ms)
                        continue;
                pgw_list_remove(&dep->graves, link);
                node_free(node);
        }
        if (dep->graves.count)
                pgw_timer_arm(dep->loop, &dep->reaper, now_ms + PGW_REAP_EVERY_MS);
}
