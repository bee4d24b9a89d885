/* redis/deployment_priv.h - what the files of a deployment share.
 *
 *      deployment.c   the object, calls, readiness; and the standalone kind
 *      node.c         one server: its link, its identity, calls that wait for it, its end
 *      cluster.c      the map of slots, and redirections
 *      sentinel.c     where the master is
 *
 * The kinds differ in four deeds (struct pgw_topology); all else is common.
 */
#ifndef PGW_REDIS_DEPLOYMENT_PRIV_H
#define PGW_REDIS_DEPLOYMENT_PRIV_H

#include "redis/breaker.h"
#include "redis/client.h"
#include "redis/cluster_map.h"
#include "redis/deployment.h"

#define PGW_REPLID_MAX 64

/* Nodes of a map, as many of the map before, and those that a redirection led to. */
#define PGW_NODES_CAP (2 * PGW_MASTERS_MAX)

/* A MASTER takes calls. A GUIDE is asked where masters are: a seed of a cluster, a Sentinel. */
enum pgw_node_role { PGW_NODE_MASTER, PGW_NODE_GUIDE };

/* DOWN: there is no link. CHECKING: there is, and we ask who that is. */
enum pgw_node_state { PGW_NODE_DOWN, PGW_NODE_CHECKING, PGW_NODE_READY };

struct pgw_node {
        struct pgw_deployment *dep;
        struct pgw_redis *redis;
        enum pgw_node_role role;
        enum pgw_node_state state;
        enum pgw_err lost; /* why it is not READY, as last heard; PGW_OK: nothing was heard yet */
        char host[PGW_NODE_HOST_MAX + 1]; /* "" on a Unix socket */
        char port[8];
        char id[PGW_NODE_HOST_MAX + 16];
        char replid[PGW_REPLID_MAX + 1]; /* as last seen; "": not seen */
        char run_id[PGW_REPLID_MAX + 1]; /* likewise */
        bool is_asked;                   /* who it is, and has not answered */
        struct pgw_breaker breaker;
        /* In a cluster: */
        bool is_named; /* the id is the cluster's own, not the address */
        bool is_listed;
        uint16_t place;          /* 1 + index into the cluster's nodes; 0: none */
        size_t slots;            /* that it owns */
        uint64_t used_ms;        /* when a redirection last led here */
        struct pgw_list waiting; /* calls, for it to become ready or to have room */
        struct pgw_link grave;   /* once buried */
        uint64_t buried_ms;
};

struct pgw_topology {
        void (*begin)(struct pgw_deployment *);

        /* A guide's link became ready or failed. */
        void (*on_guide)(struct pgw_node *guide, bool ready, enum pgw_err);

        /* A master was lost, or says that it is none or knows that something is wrong. */
        void (*on_trouble)(struct pgw_node *, enum pgw_err);

        /* The poll timer. */
        void (*on_poll)(struct pgw_deployment *);
};

extern const struct pgw_topology pgw_topology_cluster, pgw_topology_sentinel;

struct pgw_cluster {
        bool is_known; /* a map was read */
        bool asking;   /* CLUSTER SLOTS is under way */
        bool again;    /* something changed since it was asked */
        uint64_t asked_ms;
        size_t seed_at, seed_failures;
        size_t asked_at;        /* index of the master that was asked last */
        size_t asked_in_vain;   /* masters in a row that did not know who has all slots */
        struct pgw_node *guide; /* a seed, while no master answers, or none knows */
        struct pgw_node *hint;  /* a node that knew better than we; ask it first */
        size_t covered;         /* slots with an owner */
        size_t node_count;      /* of nodes[], NULLs between them included */
        struct pgw_node *nodes[PGW_NODES_CAP];
        uint16_t owner[PGW_REDIS_SLOTS]; /* place of a node; 0: nobody */
        uint16_t before[PGW_REDIS_SLOTS];
        struct pgw_map map; /* room for the one that is being read */
};

struct pgw_sentinel {
        struct pgw_node *guide; /* the Sentinel that is asked */
        size_t seed_at, seed_failures;
        unsigned idle_answers; /* of this Sentinel in a row that led to no master */
        bool asking;
        uint64_t asked_ms;
};

struct pgw_deployment {
        struct pgw_loop *loop;
        struct pgw_resolver *resolver;
        struct pgw_deployment_conf conf;
        const struct pgw_topology *topology;
        pgw_deployment_state_f *on_state;
        void *state_ctx;
        pgw_deployment_room_f *on_room;
        void *room_ctx;
        pgw_deployment_change_f *on_change;
        void *change_ctx;
        bool is_ready;
        enum pgw_err trouble; /* as last heard of; while it is not ready */
        bool is_closing;
        bool room_wanted;
        uint64_t epoch;
        size_t master_count;
        struct pgw_node **masters;
        struct pgw_list paused; /* calls */
        struct pgw_list graves; /* nodes whose last answers are awaited */
        struct pgw_timer reaper;
        struct pgw_timer poll;
        uint64_t poll_ms; /* when it fires, while armed */
        struct pgw_deferred room;
        struct pgw_cluster *cluster;     /* CLUSTER, else NULL */
        struct pgw_sentinel sentinel;    /* SENTINEL */
        char replid[PGW_REPLID_MAX + 1]; /* not CLUSTER: of the last master, whoever it was */
        uint64_t stamp_turn, stamp_ms;   /* see pgw_deployment_now_ms() */
        struct pgw_deployment_counts counts;
        char reason[PGW_NODE_HOST_MAX + 256];
};

/* ---- deployment.c ---- */

/* Readiness may have changed, or an attempt failed with `err` (PGW_OK: none did). */
void pgw_deployment_judge(struct pgw_deployment *, enum pgw_err err);

void pgw_deployment_tell(struct pgw_deployment *, enum pgw_change, struct pgw_node *,
                         unsigned first, unsigned last);

/* Poll at `at_ms` or earlier. */
void pgw_deployment_poll_by(struct pgw_deployment *, uint64_t at_ms);

/* `ms`, give or take a quarter, so that the threads of all processes do not come at once. */
uint64_t pgw_deployment_jitter_ms(uint64_t ms);

/* Monotonic time, looked at once in a turn. */
uint64_t pgw_deployment_now_ms(struct pgw_deployment *);

/* Words for what went wrong with a node. */
void pgw_deployment_explain(struct pgw_node *, struct pgw_str reason);

/* Somebody who was refused for want of room may try again. */
void pgw_deployment_room_later(struct pgw_deployment *);

/* The callback of a call that is not parked. */
void pgw_call_end(struct pgw_call *, enum pgw_err, const struct pgw_reply *);

/* Take it from wherever it waits. */
void pgw_call_unpark(struct pgw_call *);

/* Send it again where its key lives now. */
void pgw_call_route(struct pgw_call *);

/* ---- node.c ---- */

/* A server and its link. The texts are copied; "" for `host` is the Unix socket of the conf. */
struct pgw_node *pgw_node_open(struct pgw_deployment *, enum pgw_node_role, struct pgw_str host,
                               struct pgw_str port);

/* Take no more calls; close it when its last answer came or its time is over. It must not be
 * among the masters any more. Calls that wait for it are routed anew. Any time. */
void pgw_node_bury(struct pgw_node *);

/* At the end of the deployment; those who wait are told. */
void pgw_node_close_now(struct pgw_node *);

/* Send a call whose slot and deadline are set. Errors as pgw_deployment_call(). */
enum pgw_err pgw_node_send(struct pgw_node *, struct pgw_call *) PGW_MUSTUSE;

/* The same, but wait for the link or for room on it. */
void pgw_node_send_or_wait(struct pgw_node *, struct pgw_call *);

bool pgw_node_is_full(const struct pgw_node *);

/* What calls get while it is not READY: what it said of itself when that is to be waited for, else
 * PGW_E_REDIS_CONNECT. */
enum pgw_err pgw_node_absence(const struct pgw_node *);

/* A question of our own, which finds room on a full link. */
enum pgw_err pgw_node_ask(struct pgw_node *, pgw_redis_reply_f *, size_t argc,
                          const char *const argv[]) PGW_MUSTUSE;

/* Ask a ready link once more who it is. */
void pgw_node_check(struct pgw_node *);

void pgw_node_reap(struct pgw_deployment *);

/* ---- cluster.c ---- */

struct pgw_node *pgw_cluster_owner(const struct pgw_cluster *, unsigned slot);

/* Ask for the map, at once or as soon as it may be asked for again. */
void pgw_cluster_refresh(struct pgw_deployment *);

/* Follow a redirection; the call is taken in any case. */
void pgw_cluster_redirect(struct pgw_call *, const struct pgw_reply *);

#endif
