#include "domain/cancel.h"

#include "base/clock.h"

static void ignore(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        (void)err;
        (void)reply;
}

enum pgw_err pgw_cancel_add(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], text[PGW_JOB_ID_SIZE];
        const uint64_t now_ms = pgw_wall_ms();

        pgw_job_id_text(id, text);
        pgw_redis_begin(r, 4);
        pgw_redis_arg(r, PGW_STR("ZADD"));
        pgw_redis_arg(r, pgw_keyspace_cancelled(ks, key));
        pgw_redis_arg_u64(r, now_ms);
        pgw_redis_arg(r, pgw_str_of(text, sizeof text));
        enum pgw_err err = pgw_redis_end(r, done, ctx);
        if (err)
                return err;
        pgw_redis_begin(r, 4);
        pgw_redis_arg(r, PGW_STR("ZREMRANGEBYSCORE"));
        pgw_redis_arg(r, pgw_keyspace_cancelled(ks, key));
        pgw_redis_arg(r, PGW_STR("-inf"));
        pgw_redis_arg_u64(r, now_ms - PGW_CANCEL_KEPT_MS);
        (void)!pgw_redis_end(r, ignore, NULL); /* the next one does it */
        return PGW_OK;
}

enum pgw_err pgw_cancel_ask(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            const struct pgw_str *ids, size_t count, pgw_redis_reply_f *done,
                            void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_redis_begin(r, 2 + count);
        pgw_redis_arg(r, PGW_STR("ZMSCORE"));
        pgw_redis_arg(r, pgw_keyspace_cancelled(ks, key));
        for (size_t i = 0; i < count; i++)
                pgw_redis_arg(r, ids[i]);
        return pgw_redis_end(r, done, ctx);
}
