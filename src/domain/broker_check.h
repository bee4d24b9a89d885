/* domain/broker_check.h - does this Redis keep what we promise?
 *
 * A queue on a server that evicts keys, or that does not sync to disk when `fsync` is
 * promised, loses acknowledged jobs. So the server's actual settings are read when a
 * connection becomes ready and every ten seconds from then on, and nothing is accepted
 * on a connection that has not passed.
 *
 * The judgement (pgw_broker_judge) is a pure function over what INFO and CONFIG GET
 * answered.
 */
#ifndef PGW_DOMAIN_BROKER_CHECK_H
#define PGW_DOMAIN_BROKER_CHECK_H

#include "domain/intake.h"

#define PGW_BROKER_CHECK_EVERY_MS 10000
#define PGW_BROKER_RECHECK_MS     500 /* while it does not pass */

/* What the server says of itself. */
struct pgw_broker_facts {
        char eviction[32];    /* maxmemory_policy of INFO memory; "" unknown */
        char appendonly[8];   /* CONFIG GET: "yes", "no"; "" when CONFIG is not permitted */
        char appendfsync[16]; /* CONFIG GET; "" when CONFIG is not permitted */
        char role[16];        /* master, slave */
        unsigned replicas;    /* online */
        bool loading;
        uint64_t evicted_keys;
        uint64_t blocked_clients;
        uint64_t clients;
        uint64_t used_bytes;
        uint64_t uncounted_bytes; /* of these: buffers that maxmemory does not count */
        uint64_t max_bytes;       /* 0: no limit */
        double fragmentation;
};

struct pgw_broker_demands {
        enum pgw_durability durability;
        unsigned replicas;
        bool allow_eviction;
};

/* Take the facts from the text of INFO; those that are not in it keep their value. */
void pgw_broker_facts_info(struct pgw_broker_facts *, struct pgw_str info);

/* What the server compares with its maxmemory. */
uint64_t pgw_broker_facts_counted_bytes(const struct pgw_broker_facts *);

/* PGW_OK, or the reason why nothing may be accepted; then the fault holds a sentence that
 * says how to mend it. */
enum pgw_err pgw_broker_judge(const struct pgw_broker_facts *, const struct pgw_broker_demands *,
                              struct pgw_fault *reterr_fault) PGW_MUSTUSE;

struct pgw_broker_check;

/* Called after every check with its verdict; facts and fault are valid during the call. */
typedef void pgw_broker_check_f(void *ctx, enum pgw_err verdict, const struct pgw_broker_facts *,
                                const struct pgw_fault *);

/* Tell the check that its client became ready or was lost with on_state; until a check has
 * passed the verdict is PGW_E_REDIS_CONNECT. Close the client before freeing
 * the check. */
struct pgw_broker_check *pgw_broker_check_new(struct pgw_loop *, struct pgw_redis *,
                                              const struct pgw_broker_demands *,
                                              pgw_broker_check_f *, void *ctx);
void pgw_broker_check_free(struct pgw_broker_check *); /* NULL is allowed */
void pgw_broker_check_on_state(struct pgw_broker_check *, bool ready, enum pgw_err);

/* The verdict of the last check on this connection. */
enum pgw_err pgw_broker_check_verdict(const struct pgw_broker_check *);

#endif
