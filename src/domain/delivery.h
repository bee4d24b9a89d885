/* domain/delivery.h - what became of the deliveries of webhooks.
 *
 * The log of a hook is two streams beside the queue: purgeway:{<queue>}:hook:<name> has those whose
 * sender is known by the signature, purgeway:{<queue>}:hook:<name>:refused the others. Whoever
 * sends what is not signed can so push out nothing but their like, and how many of these are
 * written is bounded by who writes (http/hook_log.h). A stream keeps so many entries for so long,
 * and goes when nothing came for that time.
 *
 * Nothing waits for a line of the log, and one that cannot be written is lost: it is about jobs,
 * and no job.
 */
#ifndef PGW_DOMAIN_DELIVERY_H
#define PGW_DOMAIN_DELIVERY_H

#include "domain/job_id.h"
#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_DELIVERY_ID_SHOWN  256
#define PGW_DELIVERY_TEXT_MAX  336
#define PGW_DELIVERIES_REFUSED 200 /* kept of those not signed */
#define PGW_DELIVERIES_ASKED   500 /* at most, at a time */

struct pgw_delivery_conf {
        uint64_t kept_max; /* of each hook; 0: there is no log */
        uint64_t ttl_ms;
};

/* Texts are empty when there is nothing to say. */
struct pgw_delivery {
        struct pgw_entry_id place; /* and time; only of one that was read */
        struct pgw_str verdict, id, job, address, detail, secret;
};

/* Write one down, whenever that is done; `is_signed` says into which stream. */
void pgw_delivery_write(struct pgw_redis *, const struct pgw_keyspace *, struct pgw_str hook,
                        bool is_signed, const struct pgw_delivery_conf *,
                        const struct pgw_delivery *);

/* Ask one of the two for at most `count`, from the one at `from` on, the newest first. */
enum pgw_err pgw_delivery_ask(struct pgw_redis *, const struct pgw_keyspace *, struct pgw_str hook,
                              bool is_signed, struct pgw_entry_id from, size_t count,
                              pgw_redis_reply_f *, void *ctx) PGW_MUSTUSE;

/* The one at `index` of the answer; false when there is none, or it cannot be read. Slices point
 * into the reply. */
bool pgw_delivery_read(const struct pgw_reply *, size_t index, struct pgw_delivery *ret);

#endif
