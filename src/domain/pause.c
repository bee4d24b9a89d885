#include "domain/pause.h"

#include <string.h>

#include "base/clock.h"

static size_t count_of(pgw_lane_set lanes)
{
        size_t count = 0;

        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                count += lanes >> i & 1;
        return count;
}

enum pgw_err pgw_pause_begin(struct pgw_redis *r, const struct pgw_keyspace *ks, pgw_lane_set lanes,
                             pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];
        const uint64_t now_ms = pgw_wall_ms();

        PGW_ASSERT(lanes && (lanes & ~PGW_LANES_ALL) == 0);
        pgw_redis_begin(r, 2 + 2 * count_of(lanes));
        pgw_redis_arg(r, PGW_STR("HSET"));
        pgw_redis_arg(r, pgw_keyspace_paused(ks, key));
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                if (!(lanes >> i & 1))
                        continue;
                pgw_redis_arg(r, pgw_str_z(pgw_lane_name((enum pgw_lane)i)));
                pgw_redis_arg_u64(r, now_ms);
        }
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_pause_end(struct pgw_redis *r, const struct pgw_keyspace *ks, pgw_lane_set lanes,
                           pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        PGW_ASSERT(lanes && (lanes & ~PGW_LANES_ALL) == 0);
        pgw_redis_begin(r, 2 + count_of(lanes));
        pgw_redis_arg(r, PGW_STR("HDEL"));
        pgw_redis_arg(r, pgw_keyspace_paused(ks, key));
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                if (lanes >> i & 1)
                        pgw_redis_arg(r, pgw_str_z(pgw_lane_name((enum pgw_lane)i)));
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_pause_ask(struct pgw_redis *r, const struct pgw_keyspace *ks,
                           pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_redis_begin(r, 2 + PGW_LANE_COUNT);
        pgw_redis_arg(r, PGW_STR("HMGET"));
        pgw_redis_arg(r, pgw_keyspace_paused(ks, key));
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                pgw_redis_arg(r, pgw_str_z(pgw_lane_name((enum pgw_lane)i)));
        return pgw_redis_end(r, done, ctx);
}

pgw_lane_set pgw_pause_read(const struct pgw_reply *reply, uint64_t ret_since_ms[PGW_LANE_COUNT])
{
        pgw_lane_set lanes = 0;

        memset(ret_since_ms, 0, PGW_LANE_COUNT * sizeof ret_since_ms[0]);
        if (!reply || reply->type != PGW_REPLY_ARRAY || reply->count != PGW_LANE_COUNT)
                return 0;
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                const struct pgw_reply *since = pgw_reply_at(reply, i);
                uint64_t ms;
                if (since->type == PGW_REPLY_NIL)
                        continue;
                lanes |= 1u << i;
                ret_since_ms[i] =
                    pgw_str_to_u64(pgw_reply_str(since), UINT64_MAX, &ms) || ms == 0 ? 1 : ms;
        }
        return lanes;
}
