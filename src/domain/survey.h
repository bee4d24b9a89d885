/* domain/survey.h - how much is in the queue, how old, and how fast it goes.
 *
 * One surveyor per process asks the broker every quarter of a second: about each lane, where it
 * also trims what is done with (lua/survey.lua), about the bytes of the queue (lua/weigh.lua) and
 * about the broker's memory; every second it lets go of old records of the audit. What it found
 * last can be read by any thread: gateways refuse on it (domain/room.h), metrics and /v1/queues
 * show it.
 */
#ifndef PGW_DOMAIN_SURVEY_H
#define PGW_DOMAIN_SURVEY_H

#include "domain/audit.h"
#include "domain/keyspace.h"
#include "domain/loss.h"
#include "domain/room.h"
#include "redis/client.h"

#define PGW_SURVEY_EVERY_MS 250
#define PGW_SURVEY_STALE_MS 5000
#define PGW_SURVEY_SAMPLES  16 /* of each key, to estimate its bytes */

struct pgw_lane_survey {
        uint64_t waiting;
        uint64_t running;
        uint64_t oldest_age_ms;  /* of what has not ended; 0 when there is nothing */
        uint64_t waiting_age_ms; /* of what waits; 0 when nothing does */
};

struct pgw_surveyor;

/* Client and keyspace must outlive it. */
struct pgw_surveyor *pgw_surveyor_new(struct pgw_loop *, struct pgw_redis *,
                                      const struct pgw_keyspace *, const struct pgw_audit_conf *);
void pgw_surveyor_free(struct pgw_surveyor *); /* close the client first */

/* Survey now: the broker has just become ready. The loop's thread. */
void pgw_surveyor_look(struct pgw_surveyor *);

/* False before the first survey, and when the last is older than PGW_SURVEY_STALE_MS: then what was
 * found tells nothing, and the gauges are not shown. Any thread. */
bool pgw_surveyor_is_fresh(const struct pgw_surveyor *);

/* Any thread. */
void pgw_surveyor_read(const struct pgw_surveyor *, enum pgw_lane, struct pgw_lane_survey *ret);

/* All lanes together, and the broker. Any thread. */
void pgw_surveyor_load(const struct pgw_surveyor *, struct pgw_queue_load *ret);

/* Lanes that somebody deleted. Any thread. */
void pgw_surveyor_loss(const struct pgw_surveyor *, struct pgw_loss *ret);

#endif
