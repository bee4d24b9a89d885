/* domain/lane.h - the lanes of a queue (tbl/lanes.h). */
#ifndef PGW_DOMAIN_LANE_H
#define PGW_DOMAIN_LANE_H

#include "base/str.h"

enum pgw_lane {
#define X(upper, name, weight) PGW_LANE_##upper,
#include "tbl/lanes.h"
#undef X
        PGW_LANE_COUNT
};

const char *pgw_lane_name(enum pgw_lane);
unsigned pgw_lane_weight(enum pgw_lane);

/* PGW_E_INVALID when there is no lane of that name. */
enum pgw_err pgw_lane_of(struct pgw_str name, enum pgw_lane *ret) PGW_MUSTUSE;

#endif
