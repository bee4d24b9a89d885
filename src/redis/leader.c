/* A fixed address needs no deployment to be known. What it needs is to be left when the server
 * behind its name has become a replica: then the name is looked up again. */
#include "redis/leader.h"

#include "base/alloc.h"
#include "base/rand.h"

#define PGW_LEADER_HANG_UP_MS 500

struct pgw_leader {
        struct pgw_loop *loop;
        struct pgw_resolver *resolver;
        struct pgw_deployment_conf conf;
        struct pgw_str key;
        struct pgw_deployment *deployment; /* NULL: a fixed address */
        struct pgw_redis *clients[PGW_LEADER_CLIENTS_MAX];
        size_t count;
        enum pgw_err trouble;
        struct pgw_deferred look;
        struct pgw_timer hang_up;
};

static void point_all(struct pgw_leader *l)
{
        const char *host, *port;

        if (!pgw_deployment_where(l->deployment, l->key, &host, &port))
                return;
        for (size_t i = 0; i < l->count; i++)
                pgw_redis_point(l->clients[i], host, port);
}

/* Not from where trouble is told: there the client, and the deployment, are in the middle of
 * something. */
static void look(struct pgw_deferred *d)
{
        struct pgw_leader *l = PGW_CONTAINER(d, struct pgw_leader, look);
        const enum pgw_err trouble = l->trouble;

        l->trouble = PGW_OK;
        if (trouble)
                pgw_deployment_doubt(l->deployment, l->key, trouble);
        point_all(l);
}

static void on_state(void *ctx, bool ready, enum pgw_err err)
{
        struct pgw_leader *l = ctx;

        (void)ready;
        (void)err;
        pgw_loop_defer(l->loop, &l->look);
}

static void on_change(void *ctx, enum pgw_change change, struct pgw_node *node, unsigned first,
                      unsigned last)
{
        struct pgw_leader *l = ctx;

        (void)change;
        (void)node;
        (void)first;
        (void)last;
        pgw_loop_defer(l->loop, &l->look);
}

static void on_hang_up(struct pgw_timer *timer)
{
        struct pgw_leader *l = PGW_CONTAINER(timer, struct pgw_leader, hang_up);

        for (size_t i = 0; i < l->count; i++)
                pgw_redis_hang_up(l->clients[i], PGW_E_REDIS_READONLY);
}

static void on_trouble(void *ctx, enum pgw_err err)
{
        struct pgw_leader *l = ctx;

        if (l->deployment) {
                l->trouble = err;
                pgw_loop_defer(l->loop, &l->look);
        } else if (err == PGW_E_REDIS_READONLY && !pgw_timer_is_armed(&l->hang_up)) {
                pgw_timer_arm(l->loop, &l->hang_up,
                              pgw_loop_now_ms(l->loop) + pgw_rand_below(PGW_LEADER_HANG_UP_MS));
        }
}

struct pgw_leader *pgw_leader_open(struct pgw_loop *loop, struct pgw_resolver *resolver,
                                   const struct pgw_deployment_conf *conf, struct pgw_str key)
{
        struct pgw_leader *l = pgw_alloc(sizeof *l);

        l->loop = loop;
        l->resolver = resolver;
        l->conf = *conf;
        l->key = key;
        pgw_deferred_init(&l->look, look);
        pgw_timer_init(&l->hang_up, on_hang_up);
        if (conf->kind != PGW_STANDALONE) {
                l->deployment = pgw_deployment_open(loop, resolver, conf, on_state, l);
                pgw_deployment_on_change(l->deployment, on_change, l);
        }
        return l;
}

struct pgw_redis *pgw_leader_client(struct pgw_leader *l, const struct pgw_redis_conf *conf,
                                    pgw_redis_state_f *state, void *ctx)
{
        struct pgw_redis_conf own = *conf;
        const struct pgw_seed none = {NULL, NULL}, *seed = l->conf.seeds ? l->conf.seeds : &none;

        PGW_ASSERT(l->count < PGW_LEADER_CLIENTS_MAX);
        own.is_pointed = l->deployment != NULL;
        own.address = (struct pgw_redis_address){
            .unix_path = l->conf.unix_path,
            .host = seed->host,
            .port = seed->port,
            .user = l->conf.user,
            .password = l->conf.password,
            .db = l->conf.db,
            .tls = l->conf.tls,
        };
        struct pgw_redis *client = pgw_redis_open(l->loop, l->resolver, &own, state, ctx);
        pgw_redis_on_trouble(client, on_trouble, l);
        l->clients[l->count++] = client;
        if (l->deployment)
                pgw_loop_defer(l->loop, &l->look);
        return client;
}

void pgw_leader_close(struct pgw_leader *l)
{
        if (!l)
                return;
        for (size_t i = 0; i < l->count; i++)
                pgw_redis_on_trouble(l->clients[i], NULL, NULL);
        pgw_loop_undefer(l->loop, &l->look);
        pgw_timer_disarm(l->loop, &l->hang_up);
        pgw_deployment_close(l->deployment);
        pgw_free(l);
}
