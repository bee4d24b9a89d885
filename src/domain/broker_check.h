/* domain/broker_check.h - does this Redis keep what we promise?
 *
 * A queue on a server that evicts keys, that does not sync to disk when `fsync` is promised, or
 * that cannot write to its disk, loses acknowledged jobs. So the server's actual settings and
 * state are read when a connection becomes ready and every few seconds from then on, and nothing
 * is accepted on a connection that has not passed.
 *
 * An append-only file that was turned on while the server ran is nothing to lean on until it has
 * been written as a whole; until it was seen so, in this run of the server, the check says
 * `aof_is_partial`.
 *
 * The judgement (pgw_broker_judge) is a pure function over the facts. What else may be wrong
 * with the broker is in domain/broker_alarm.h.
 */
#ifndef PGW_DOMAIN_BROKER_CHECK_H
#define PGW_DOMAIN_BROKER_CHECK_H

#include "domain/broker_facts.h"
#include "domain/intake.h"

#define PGW_BROKER_CHECK_EVERY_MS 5000 /* what is wrong is to be known within ten seconds */
#define PGW_BROKER_RECHECK_MS     500  /* while it does not pass */

struct pgw_broker_demands {
        enum pgw_durability durability;
        unsigned replicas;
        bool allow_eviction;
};

/* PGW_OK, or the reason why nothing may be accepted; then the fault holds a sentence that
 * says how to mend it. */
enum pgw_err pgw_broker_judge(const struct pgw_broker_facts *, const struct pgw_broker_demands *,
                              struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* Its parts, for who wants to know of each. */
enum pgw_err pgw_broker_judge_eviction(const struct pgw_broker_facts *,
                                       const struct pgw_broker_demands *,
                                       struct pgw_fault *reterr_fault) PGW_MUSTUSE;
enum pgw_err pgw_broker_judge_disk(const struct pgw_broker_facts *,
                                   struct pgw_fault *reterr_fault) PGW_MUSTUSE;
enum pgw_err pgw_broker_judge_durability(const struct pgw_broker_facts *,
                                         const struct pgw_broker_demands *,
                                         struct pgw_fault *reterr_fault) PGW_MUSTUSE;

struct pgw_broker_check;

/* Called after every check with its verdict. Facts and fault are valid during the call; facts are
 * NULL when there was no answer. */
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
