#include "domain/pause.h"

#include <string.h>

#include "base/clock.h"

enum pgw_err pgw_pause_begin(struct pgw_redis *r, const struct pgw_keyspace *ks, pgw_lane_set lanes,
                             const struct pgw_audit_conf *audit, const struct pgw_buf *record,
                             pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], now[20];
        const struct pgw_str now_ms = pgw_str_of(now, pgw_u64_text(pgw_wall_ms(), now));
        struct pgw_str args[2 * PGW_LANE_COUNT];
        size_t count = 0;

        PGW_ASSERT(lanes && (lanes & ~PGW_LANES_ALL) == 0);
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                if (!(lanes >> i & 1))
                        continue;
                args[count++] = pgw_str_z(pgw_lane_name((enum pgw_lane)i));
                args[count++] = now_ms;
        }
        return pgw_audit_act(r, ks, audit, record, PGW_STR("HSET"), pgw_keyspace_paused(ks, key),
                             args, count, done, ctx);
}

enum pgw_err pgw_pause_end(struct pgw_redis *r, const struct pgw_keyspace *ks, pgw_lane_set lanes,
                           const struct pgw_audit_conf *audit, const struct pgw_buf *record,
                           pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];
        struct pgw_str args[PGW_LANE_COUNT];
        size_t count = 0;

        PGW_ASSERT(lanes && (lanes & ~PGW_LANES_ALL) == 0);
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                if (lanes >> i & 1)
                        args[count++] = pgw_str_z(pgw_lane_name((enum pgw_lane)i));
        return pgw_audit_act(r, ks, audit, record, PGW_STR("HDEL"), pgw_keyspace_paused(ks, key),
                             args, count, done, ctx);
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
