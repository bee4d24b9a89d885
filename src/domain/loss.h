/* domain/loss.h - did somebody delete a lane, or its group?
 *
 * Nobody of us deletes a stream or a consumer group, so where one is gone or has begun anew while
 * jobs were in it, somebody else did it, or the server forgot it. Workers make them again from 0
 * and skip nothing that is there; what was in a deleted stream is lost all the same, and somebody
 * must hear of it.
 *
 * Two numbers only ever grow while a lane lives: the entries it ever had, and those its group was
 * given. A lane that is deleted, made again and has its old numbers again before the next look is
 * not noticed by them; but it takes a worker to make it again, and that one counts.
 *
 * Pure functions.
 */
#ifndef PGW_DOMAIN_LOSS_H
#define PGW_DOMAIN_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "domain/lane.h"

#define PGW_GIVEN_NO_GROUP (-1)
#define PGW_GIVEN_UNKNOWN  (-2)

/* A lane as a look found it. */
struct pgw_lane_look {
        bool is_known; /* there was a look */
        uint64_t waiting, running;
        int64_t given; /* entries, since the group was made */
        int64_t added; /* entries, since the stream was made; what was cancelled counts */
};

struct pgw_loss {
        uint64_t count; /* of all losses so far; the rest is about the last one */
        uint64_t lane, waiting, running;
        uint64_t is_group_only; /* the entries are there, and are handed out again */
        uint64_t missed;        /* groups that workers of this process found deleted */
};

/* True when what was in the lane before is gone or is handed out again; then *loss is told. */
bool pgw_loss_note(struct pgw_loss *, enum pgw_lane, const struct pgw_lane_look *before,
                   const struct pgw_lane_look *now);

#endif
