#include "domain/cancel.h"

#include "base/clock.h"
#include "domain/entry.h"
#include "domain/script.h"

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

enum pgw_err pgw_cancel_job(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], text[PGW_JOB_ID_SIZE], entry[PGW_ENTRY_ID_SIZE];
        const bool is_later = pgw_job_id_is_later(id);

        pgw_job_id_text(id, text);
        pgw_script_begin(r, PGW_SCRIPT_CANCEL, 3 + PGW_LANE_COUNT, 5);
        pgw_redis_arg(r, pgw_keyspace_scheduled(ks, key));
        pgw_redis_arg(r, pgw_keyspace_later(ks, key));
        pgw_redis_arg(r, pgw_keyspace_cancelled(ks, key));
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                pgw_redis_arg(r, pgw_keyspace_stream(ks, (enum pgw_lane)i));
        pgw_redis_arg(r, PGW_STR(PGW_GROUP));
        pgw_redis_arg(r, pgw_str_of(text, sizeof text));
        pgw_redis_arg_u64(r, pgw_wall_ms());
        if (is_later) {
                pgw_redis_arg(r, PGW_STR(""));
                pgw_redis_arg(r, PGW_STR(""));
        } else {
                pgw_redis_arg_u64(r, (uint64_t)id->lane);
                pgw_redis_arg(r, pgw_str_of(entry, pgw_entry_id_text(id->entry, entry)));
        }
        return pgw_redis_end(r, done, ctx);
}

static uint64_t selectors_of(const struct pgw_entry *e)
{
        return e->requested ? e->requested : e->key_count + e->pattern_count + e->tag_count;
}

enum pgw_err pgw_cancel_read(const struct pgw_reply *reply, enum pgw_cancel_verdict *ret,
                             uint64_t *ret_selectors)
{
        const struct pgw_reply *left = pgw_reply_at(reply, 1);
        const int64_t verdict = pgw_reply_int(pgw_reply_at(reply, 0), -1);
        struct pgw_entry entry = {.requested = 0};
        bool has_nonce;

        if (verdict < 0 || verdict > 2 || (verdict == 1 && !left))
                return PGW_E_CODEC;
        *ret = (enum pgw_cancel_verdict)verdict;
        *ret_selectors = 0;
        if (verdict != 1)
                return PGW_OK;
        /* It has left the queue, whatever it was. */
        const enum pgw_err err =
            left->type == PGW_REPLY_ARRAY
                ? pgw_entry_read(left, PGW_LANE_NORMAL, &entry, &has_nonce)
                : pgw_entry_read_record(pgw_reply_str(left), &entry, &has_nonce);
        *ret_selectors = err ? 0 : selectors_of(&entry);
        return PGW_OK;
}

enum pgw_err pgw_cancel_end(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            const struct pgw_job_id *id, uint64_t selectors, uint64_t ttl_s,
                            pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_RESULT_KEY_MAX];

        pgw_script_begin(r, PGW_SCRIPT_CANCELLED, 1, 2);
        pgw_redis_arg(r, pgw_keyspace_result(ks, id, key));
        pgw_redis_arg_u64(r, selectors);
        pgw_redis_arg_u64(r, ttl_s);
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_cancel_waiting(struct pgw_redis *r, const struct pgw_keyspace *ks,
                                enum pgw_lane lane, size_t count, pgw_redis_reply_f *done,
                                void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_script_begin(r, PGW_SCRIPT_PURGE, 2, 2);
        pgw_redis_arg(r, pgw_keyspace_stream(ks, lane));
        pgw_redis_arg(r, pgw_keyspace_later(ks, key));
        pgw_redis_arg(r, PGW_STR(PGW_GROUP));
        pgw_redis_arg_u64(r, count);
        return pgw_redis_end(r, done, ctx);
}

bool pgw_cancel_entry(const struct pgw_reply *reply, enum pgw_lane lane, struct pgw_job_id *ret,
                      uint64_t *ret_selectors)
{
        struct pgw_entry entry;
        bool has_nonce;
        const enum pgw_err err = pgw_entry_read(reply, lane, &entry, &has_nonce);

        if (!has_nonce || entry.pass)
                return false;
        *ret = entry.has_job ? entry.job : entry.id;
        *ret_selectors = err ? 0 : selectors_of(&entry);
        return true;
}
