#include "domain/loss.h"

static bool is_counted(const struct pgw_lane_look *look)
{
        return look->given != PGW_GIVEN_UNKNOWN;
}

static bool has_group(const struct pgw_lane_look *look)
{
        return look->given != PGW_GIVEN_NO_GROUP;
}

static bool has_begun_anew(const struct pgw_lane_look *before, const struct pgw_lane_look *now)
{
        if (has_group(before) && !has_group(now))
                return true;
        if (is_counted(before) && is_counted(now) && now->given < before->given)
                return true;
        return before->added >= 0 && now->added >= 0 && now->added < before->added;
}

bool pgw_loss_note(struct pgw_loss *loss, enum pgw_lane lane, const struct pgw_lane_look *before,
                   const struct pgw_lane_look *now)
{
        const uint64_t jobs = before->waiting + before->running;

        if (!before->is_known || jobs == 0 || !has_begun_anew(before, now))
                return false;
        loss->count++;
        loss->lane = (uint64_t)lane;
        loss->waiting = before->waiting;
        loss->running = before->running;
        loss->is_group_only = now->waiting >= jobs;
        return true;
}
