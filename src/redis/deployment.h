/* redis/deployment.h - one Redis of any shape, seen by one event loop.
 *
 * A deployment is a standalone server, a master that Sentinels watch over, or a cluster. The
 * callers say commands and name the key; which server that is, and what to do when it has
 * just become another one, is decided here:
 *
 *      standalone   the one server; its name is looked up again when it turns read-only
 *      sentinel     the Sentinels are asked in turn for the master: every second, and at once
 *                   after trouble; the master is asked whether it is one on each new link, and
 *                   when it turns read-only
 *      cluster      by the key's slot; MOVED and ASK are followed, the map of slots is kept
 *                   up to date: after each MOVED and each loss of a link (at most every
 *                   100 ms), every half second while slots have no master that answers, and
 *                   every 30 s
 *
 * What is not followed ends the call with its error, and the caller decides whether to try
 * again. Calls on one key are executed in their order as long as none of them is redirected.
 *
 * Under it are the clients of redis/client.h, one for each master, with their bounds: nothing
 * waits without one. In particular a call that was redirected ends within `timeout_ms` of its
 * start plus `timeout_ms` for its last answer.
 *
 * A cache forgets that keys were removed when a master is replaced by a replica that had not
 * heard of it yet. Nobody sees that from a single call, so there is a hook for it.
 *
 * All calls on the loop's thread. No callback of a deployment may close it.
 */
#ifndef PGW_REDIS_DEPLOYMENT_H
#define PGW_REDIS_DEPLOYMENT_H

#include "base/list.h"
#include "io/resolve.h"
#include "io/timer.h"
#include "io/tls_client.h"
#include "redis/wire.h"

struct pgw_deployment;

/* One server of it. Valid until the epoch changes. */
struct pgw_node;

enum pgw_deployment_kind { PGW_STANDALONE, PGW_SENTINEL, PGW_CLUSTER };

struct pgw_seed {
        const char *host;
        const char *port;
};

/* All that is pointed to must outlive the deployment. */
struct pgw_deployment_conf {
        enum pgw_deployment_kind kind;
        const char *unix_path;        /* STANDALONE: instead of the seed; NULL: TCP */
        const struct pgw_seed *seeds; /* STANDALONE: the server. SENTINEL: the Sentinels. CLUSTER:
                                       * some of its nodes, replicas too */
        size_t seed_count;
        const char *master_name;          /* SENTINEL: what the Sentinels call the master */
        const char *sentinel_user;        /* NULL: none */
        const char *sentinel_password;    /* NULL: none; never logged */
        const char *user;                 /* NULL: none */
        const char *password;             /* NULL: none; never logged */
        unsigned db;                      /* 0 in a CLUSTER */
        const struct pgw_tls_client *tls; /* Sentinels too; NULL: cleartext */
        const char *name;                 /* CLIENT SETNAME; no spaces */
        uint64_t timeout_ms;
        size_t in_flight_max;       /* of each link */
        size_t write_max;           /* bytes, of each link */
        size_t reply_max;           /* bytes of one reply */
        unsigned latency_histogram; /* of base/metric.h */
};

/* It became ready (true), or is not ready any more or yet (false; `err` says why). Called on
 * every change, and on failed attempts while it is not ready. */
typedef void pgw_deployment_state_f(void *ctx, bool ready, enum pgw_err err);

struct pgw_deployment *pgw_deployment_open(struct pgw_loop *, struct pgw_resolver *,
                                           const struct pgw_deployment_conf *,
                                           pgw_deployment_state_f *, void *ctx);

/* Calls that wait for their answer get PGW_E_REDIS_CANCELLED, from inside this call. Not from a
 * callback of this deployment. NULL is allowed. */
void pgw_deployment_close(struct pgw_deployment *);

/* Every key has a master that answers. While it is not ready, calls for the masters that do
 * answer go through all the same. */
bool pgw_deployment_is_ready(const struct pgw_deployment *);

/* Why it is not ready, as an error for who needs all of it; PGW_OK when it is. PGW_E_REDIS_CONNECT
 * when some master does not answer; while all that is missing says of itself that it loads, does
 * not take our password or the like (pgw_err_waits()), that. */
enum pgw_err pgw_deployment_absence(const struct pgw_deployment *);

/* Where the master of `key` answers; false while none does, or it has no host because it is at a
 * Unix socket. The texts are valid until the epoch changes. */
bool pgw_deployment_where(const struct pgw_deployment *, struct pgw_str key, const char **ret_host,
                          const char **ret_port);

/* Look soon whether who owns what has changed: what nobody asks for moves unseen for up to half a
 * minute. */
void pgw_deployment_refresh(struct pgw_deployment *);

/* Somebody with a link of his own to the master of `key` had trouble there: look whether it is
 * still the master. */
void pgw_deployment_doubt(struct pgw_deployment *, struct pgw_str key, enum pgw_err);

/* What is known in words about the last failure, with the server's address; may be "". Valid
 * until the next callback. */
const char *pgw_deployment_reason(const struct pgw_deployment *);

/* True when some call would be refused for want of room. */
bool pgw_deployment_is_full(const struct pgw_deployment *);

/* Called when room has appeared after a call was refused as full: on the link that refused it,
 * or because that link is gone. */
typedef void pgw_deployment_room_f(void *ctx);
void pgw_deployment_on_room(struct pgw_deployment *, pgw_deployment_room_f *, void *ctx);

/* ---- calls ---- */

struct pgw_call;

/* As pgw_redis_reply_f: `reply` is NULL when no answer came, else valid until it returns. The
 * call is the caller's again, and may be made anew from here. */
typedef void pgw_call_reply_f(struct pgw_call *, enum pgw_err err, const struct pgw_reply *reply);

/* A command under way; a field of the object that it concerns. The caller fills in the first
 * four; they and what they point to stay as they are until the callback. */
struct pgw_call {
        const struct pgw_str *argv;
        size_t argc;
        size_t key; /* index into argv of the key that decides where it goes */
        pgw_call_reply_f *reply;

        struct pgw_deployment *_dep;
        struct pgw_node *_node;  /* that it was sent to or waits for; none while it pauses */
        uint64_t _deadline_ms;   /* of redirections and pauses */
        struct pgw_link _parked; /* while it waits for a link or a pause to end */
        struct pgw_timer _timer; /* likewise */
        uint16_t _slot;
        uint8_t _hops; /* redirections since it was last sent by the map */
        bool _asking;
        bool _retrying; /* pausing after TRYAGAIN */
};

/* Send it where its key lives. The callback comes once, from the loop, if and only if this
 * returns PGW_OK; else nothing was sent: PGW_E_REDIS_CONNECT while that master does not answer,
 * what it says of itself while it lets nobody in or is left alone (redis/breaker.h),
 * PGW_E_REDIS_FULL without room on its link, PGW_E_REDIS_CLUSTERDOWN when the slot has no
 * master or the map is not known yet.
 *
 * The callback brings what Redis answered, or what ended it: PGW_E_REDIS_MOVED after five
 * redirections in a row, PGW_E_REDIS_TRYAGAIN or PGW_E_REDIS_TIMEOUT at its deadline,
 * PGW_E_REDIS_PROTOCOL for a redirection that cannot be read, and the errors of the link. */
enum pgw_err pgw_deployment_call(struct pgw_deployment *, struct pgw_call *) PGW_MUSTUSE;

/* ---- the masters, for who must visit them all ---- */

/* Changes whenever a master came, went or was replaced, a slot changed its owner, or a master
 * came back with another replication id. What was learnt by visiting masters holds for
 * one epoch, and so does every `struct pgw_node *`. Calls in flight on a node that went
 * get their callback all the same. */
uint64_t pgw_deployment_epoch(const struct pgw_deployment *);

/* Masters that own slots, whether they answer or not; 0 until they are known. */
size_t pgw_deployment_masters(const struct pgw_deployment *);

/* `index` is below pgw_deployment_masters(). */
struct pgw_node *pgw_deployment_master(const struct pgw_deployment *, size_t index);

/* A text that names this node and no other: the cluster's own name for it, else the run id, else
 * the address. */
const char *pgw_node_id(const struct pgw_node *);

/* The process that answers there (run_id); "" when it does not say, or did not yet. */
const char *pgw_node_run_id(const struct pgw_node *);

/* Its link is there and it was looked at. */
bool pgw_node_is_ready(const struct pgw_node *);

/* Who has the key; NULL while nobody has. */
struct pgw_node *pgw_deployment_owner(const struct pgw_deployment *, struct pgw_str key);

bool pgw_deployment_is_cluster(const struct pgw_deployment *);

/* A number for who owns which slot, the same for whoever looks; 0 without a cluster. */
uint64_t pgw_deployment_map(const struct pgw_deployment *);

bool pgw_node_owns(const struct pgw_node *, unsigned slot);

/* As pgw_deployment_call(), to this node whatever the key, which is not looked at. Redirections
 * are not followed: they come back as PGW_E_REDIS_MOVED. */
enum pgw_err pgw_node_call(struct pgw_node *, struct pgw_call *) PGW_MUSTUSE;

/* ---- what may have brought removed keys back ---- */

enum pgw_change {
        PGW_NODE_NEW_MASTER, /* the data may be another's: `node` has another replication id than
                              * when it was last seen */
        PGW_SLOTS_MOVED      /* slots `first` to `last` belong to `node` now */
};

/* Called before the state callback and before any call reaches `node` (except calls that were
 * redirected to it). Not called for what is seen for the first time. `node` is NULL when the
 * slots have no owner now. For NEW_MASTER all slots of the node are meant. */
typedef void pgw_deployment_change_f(void *ctx, enum pgw_change, struct pgw_node *node,
                                     unsigned first, unsigned last);
void pgw_deployment_on_change(struct pgw_deployment *, pgw_deployment_change_f *, void *ctx);

/* ---- what it had to do, for metrics ---- */

struct pgw_deployment_counts {
        uint64_t moved, asked, tried_again; /* answers that were followed */
        uint64_t refreshes;                 /* of the map; of the master's address */
        uint64_t links;                     /* opened so far */
        uint64_t tripped;                   /* breakers that opened (redis/breaker.h) */
};

const struct pgw_deployment_counts *pgw_deployment_counts(const struct pgw_deployment *);

#endif
