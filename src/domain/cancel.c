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
                            const struct pgw_job_id *id, const struct pgw_cancel_audit *audit,
                            pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], text[PGW_JOB_ID_SIZE], now[20];
        const uint64_t now_ms = pgw_wall_ms();
        const struct pgw_str args[] = {pgw_str_of(now, pgw_u64_text(now_ms, now)),
                                       pgw_str_of(text, sizeof text)};

        pgw_job_id_text(id, text);
        enum pgw_err err = pgw_audit_act(r, ks, audit->conf, audit->act, PGW_STR("ZADD"),
                                         pgw_keyspace_cancelled(ks, key), args, 2, done, ctx);
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
                            const struct pgw_job_id *id, const struct pgw_cancel_audit *audit,
                            pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], text[PGW_JOB_ID_SIZE], entry[PGW_ENTRY_ID_SIZE];
        const bool is_later = pgw_job_id_is_later(id);

        pgw_job_id_text(id, text);
        pgw_script_begin(r, PGW_SCRIPT_CANCEL, 4 + PGW_LANE_COUNT, 8);
        pgw_redis_arg(r, pgw_keyspace_scheduled(ks, key));
        pgw_redis_arg(r, pgw_keyspace_later(ks, key));
        pgw_redis_arg(r, pgw_keyspace_cancelled(ks, key));
        pgw_redis_arg(r, pgw_keyspace_audit(ks, key));
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
        pgw_audit_args(r, audit->conf, audit->act);
        pgw_redis_arg(r, audit->end ? pgw_buf_str(audit->end) : PGW_STR(""));
        return pgw_redis_end(r, done, ctx);
}

static uint64_t selectors_of(const struct pgw_entry *e)
{
        return e->requested ? e->requested : e->key_count + e->pattern_count + e->tag_count;
}

static void write_end(const struct pgw_entry *e, const struct pgw_job_id *id, struct pgw_buf *out)
{
        struct pgw_buf scratch;
        struct pgw_audit a;

        pgw_buf_init(&scratch, PGW_AUDIT_RECORD_MAX);
        pgw_audit_of_entry(e, &scratch, &a);
        a.job = *id;
        a.has_end = true;
        a.state = PGW_JOB_CANCELLED;
        pgw_audit_write(out, &a);
        pgw_buf_fini(&scratch);
}

enum pgw_err pgw_cancel_read(const struct pgw_reply *reply, const struct pgw_job_id *id,
                             enum pgw_cancel_verdict *ret, uint64_t *ret_selectors,
                             struct pgw_buf *end)
{
        const struct pgw_reply *left = pgw_reply_at(reply, 1);
        const int64_t verdict = pgw_reply_int(pgw_reply_at(reply, 0), -1);
        struct pgw_entry entry = {.requested = 0};
        bool has_nonce;

        if (verdict < 0 || verdict > 3 || (verdict % 2 == 1 && !left))
                return PGW_E_CODEC;
        *ret = (enum pgw_cancel_verdict)verdict;
        *ret_selectors = 0;
        if (verdict % 2 == 0)
                return PGW_OK;
        /* It has left the queue, or will, whatever it was. */
        const enum pgw_err err =
            left->type == PGW_REPLY_ARRAY
                ? pgw_entry_read(left, PGW_LANE_NORMAL, &entry, &has_nonce)
                : pgw_entry_read_record(pgw_reply_str(left), &entry, &has_nonce);
        *ret_selectors = err ? 0 : selectors_of(&entry);
        if (*ret == PGW_CANCEL_WAITS)
                write_end(&entry, id, end);
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
                                const struct pgw_cancel_lane *l, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];
        struct pgw_str rest = l->ends, text;

        pgw_script_begin(r, PGW_SCRIPT_PURGE, 3, 4 + l->end_count);
        pgw_redis_arg(r, pgw_keyspace_stream(ks, l->lane));
        pgw_redis_arg(r, pgw_keyspace_later(ks, key));
        pgw_redis_arg(r, pgw_keyspace_audit(ks, key));
        pgw_redis_arg(r, PGW_STR(PGW_GROUP));
        pgw_redis_arg_u64(r, l->count);
        if (l->conf->max)
                pgw_redis_arg_u64(r, l->conf->max);
        else
                pgw_redis_arg(r, PGW_STR(""));
        pgw_redis_arg(r, l->act ? pgw_buf_str(l->act) : PGW_STR(""));
        for (size_t i = 0; i < l->end_count; i++) {
                PGW_ASSERT(pgw_keys_next(&rest, &text) == PGW_OK); /* our own list */
                pgw_redis_arg(r, text);
        }
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_cancel_ends(const struct pgw_reply *entries, enum pgw_lane lane,
                             struct pgw_buf *out, size_t *ret_count)
{
        const struct pgw_reply *one = entries + 1;
        struct pgw_buf record;
        enum pgw_err err = PGW_OK;

        pgw_buf_init(&record, PGW_AUDIT_RECORD_MAX);
        *ret_count = 0;
        for (size_t i = 0; i < entries->count && !err; i++, one = pgw_reply_next(one)) {
                struct pgw_entry entry;
                bool has_nonce;
                (void)!pgw_entry_read(one, lane, &entry, &has_nonce);
                pgw_buf_clear(&record);
                if (entry.pass == 0)
                        write_end(&entry, entry.has_job ? &entry.job : &entry.id, &record);
                const struct pgw_str pair[] = {pgw_reply_str(pgw_reply_at(one, 0)),
                                               pgw_buf_str(&record)};
                err = pgw_keys_encode(out, pair, 2);
                *ret_count += 2;
        }
        pgw_buf_fini(&record);
        return err;
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
