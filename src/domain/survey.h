/* domain/survey.h - how much is in the queue, and how old.
 *
 * One surveyor per process asks the broker about each lane every quarter of a second
 * and trims what is done with (lua/survey.lua). What it found last can be read by any
 * thread: gateways refuse on it, metrics and /v1/queues show it.
 */
#ifndef PGW_DOMAIN_SURVEY_H
#define PGW_DOMAIN_SURVEY_H

#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_SURVEY_EVERY_MS 250

struct pgw_lane_survey {
        uint64_t waiting;
        uint64_t running;
        uint64_t oldest_age_ms; /* of what has not ended; 0 when there is nothing */
};

struct pgw_surveyor;

/* Client and keyspace must outlive it. */
struct pgw_surveyor *pgw_surveyor_new(struct pgw_loop *, struct pgw_redis *,
                                      const struct pgw_keyspace *);
void pgw_surveyor_free(struct pgw_surveyor *); /* close the client first */

/* Any thread. */
void pgw_surveyor_read(const struct pgw_surveyor *, enum pgw_lane, struct pgw_lane_survey *ret);

/* Jobs waiting in all lanes, and those that were put off. Any thread. */
uint64_t pgw_surveyor_depth(const struct pgw_surveyor *);

#endif
