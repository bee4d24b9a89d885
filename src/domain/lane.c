/* tbl/lanes.h as arrays. */
#include "domain/lane.h"

static const struct {
        const char *name;
        unsigned weight;
} lanes[PGW_LANE_COUNT] = {
#define X(upper, name, weight) {name, weight},
#include "tbl/lanes.h"
#undef X
};

const char *pgw_lane_name(enum pgw_lane lane)
{
        PGW_ASSERT((unsigned)lane < PGW_LANE_COUNT);
        return lanes[lane].name;
}

unsigned pgw_lane_weight(enum pgw_lane lane)
{
        PGW_ASSERT((unsigned)lane < PGW_LANE_COUNT);
        return lanes[lane].weight;
}

enum pgw_err pgw_lane_of(struct pgw_str name, enum pgw_lane *ret)
{
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                if (!pgw_str_eq_z(name, lanes[i].name))
                        continue;
                *ret = (enum pgw_lane)i;
                return PGW_OK;
        }
        return PGW_E_INVALID;
}
