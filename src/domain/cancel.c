#include "domain/cancel.h"

#include "base/clock.h"
#include "domain/entry.h"
#include "domain/script.h"

#define PGW_CANCEL_ENDS_MAX (PGW_CANCEL_PAGE_MAX * (PGW_AUDIT_RECORD_MAX + 64))

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

static void say_end(struct pgw_redis *r, const struct pgw_cancel_end *end)
{
        if (!end) {
                pgw_redis_arg(r, PGW_STR(""));
                return;
        }
        pgw_redis_arg_u64(r, end->selectors);
        pgw_redis_arg(r, pgw_buf_str(end->record));
        pgw_redis_arg_u64(r, end->ttl_s);
}

enum pgw_err pgw_cancel_job(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            const struct pgw_job_id *id, const struct pgw_cancel_audit *audit,
                            const struct pgw_cancel_end *end, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_RESULT_KEY_MAX], text[PGW_JOB_ID_SIZE], entry[PGW_ENTRY_ID_SIZE];
        const uint64_t now_ms = pgw_wall_ms();

        pgw_job_id_text(id, text);
        pgw_script_begin(r, PGW_SCRIPT_CANCEL, 5 + PGW_LANE_COUNT, end ? 11 : 9);
        pgw_redis_arg(r, pgw_keyspace_scheduled(ks, key));
        pgw_redis_arg(r, pgw_keyspace_later(ks, key));
        pgw_redis_arg(r, pgw_keyspace_cancelled(ks, key));
        pgw_redis_arg(r, pgw_keyspace_audit(ks, key));
        pgw_redis_arg(r, pgw_keyspace_result(ks, id, key));
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                pgw_redis_arg(r, pgw_keyspace_stream(ks, (enum pgw_lane)i));
        pgw_redis_arg(r, PGW_STR(PGW_GROUP));
        pgw_redis_arg(r, pgw_str_of(text, sizeof text));
        pgw_redis_arg_u64(r, now_ms);
        pgw_redis_arg_u64(r, now_ms - PGW_CANCEL_KEPT_MS);
        if (pgw_job_id_is_later(id)) {
                pgw_redis_arg(r, PGW_STR(""));
                pgw_redis_arg(r, PGW_STR(""));
        } else {
                pgw_redis_arg_u64(r, (uint64_t)id->lane);
                pgw_redis_arg(r, pgw_str_of(entry, pgw_entry_id_text(id->entry, entry)));
        }
        pgw_audit_args(r, audit->conf, audit->act);
        say_end(r, end);
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
        *ret_selectors = *ret == PGW_CANCEL_LEFT ? (uint64_t)pgw_reply_int(left, 0) : 0;
        if (*ret != PGW_CANCEL_WAITS)
                return PGW_OK;
        /* It will leave the queue, whatever it is. */
        const enum pgw_err err =
            left->type == PGW_REPLY_ARRAY
                ? pgw_entry_read(left, PGW_LANE_NORMAL, &entry, &has_nonce)
                : pgw_entry_read_record(pgw_reply_str(left), &entry, &has_nonce);
        *ret_selectors = err ? 0 : selectors_of(&entry);
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

void pgw_cancel_page_init(struct pgw_cancel_page *page, enum pgw_lane lane)
{
        page->lane = lane;
        page->is_last = false;
        page->count = 0;
        pgw_buf_init(&page->ends, PGW_CANCEL_ENDS_MAX);
}

void pgw_cancel_page_fini(struct pgw_cancel_page *page)
{
        pgw_buf_fini(&page->ends);
}

/* `page`: whose results are written; NULL: nobody's. */
static void begin_purge(struct pgw_redis *r, const struct pgw_keyspace *ks, enum pgw_lane lane,
                        size_t most, const struct pgw_cancel_page *page)
{
        char key[PGW_RESULT_KEY_MAX];
        size_t results = 0;

        for (size_t i = 0; page && i < page->count; i++)
                results += page->ones[i].has_result;
        pgw_script_begin(r, PGW_SCRIPT_PURGE, 4 + results, 5 + (page ? 1 + 3 * page->count : 0));
        pgw_redis_arg(r, pgw_keyspace_stream(ks, lane));
        pgw_redis_arg(r, pgw_keyspace_later(ks, key));
        pgw_redis_arg(r, pgw_keyspace_audit(ks, key));
        pgw_redis_arg(r, pgw_keyspace_cancelled(ks, key));
        for (size_t i = 0; page && i < page->count; i++)
                if (page->ones[i].has_result)
                        pgw_redis_arg(r, pgw_keyspace_result(ks, &page->ones[i].job, key));
        pgw_redis_arg(r, PGW_STR(PGW_GROUP));
        pgw_redis_arg_u64(r, most);
        pgw_redis_arg_u64(r, PGW_ENTRIES_BYTES);
}

enum pgw_err pgw_cancel_look(struct pgw_redis *r, const struct pgw_keyspace *ks, enum pgw_lane lane,
                             size_t count, pgw_redis_reply_f *done, void *ctx)
{
        begin_purge(r, ks, lane, count < PGW_CANCEL_PAGE_MAX ? count : PGW_CANCEL_PAGE_MAX, NULL);
        pgw_audit_args(r, NULL, NULL);
        return pgw_redis_end(r, done, ctx);
}

static enum pgw_err read_one(struct pgw_cancel_page *page, const struct pgw_reply *reply,
                             struct pgw_buf *record)
{
        struct pgw_cancel_one *one = &page->ones[page->count];
        struct pgw_entry entry;
        bool has_nonce;
        const enum pgw_err err = pgw_entry_read(reply, page->lane, &entry, &has_nonce);

        *one = (struct pgw_cancel_one){.entry = entry.id.entry,
                                       .has_result = has_nonce && !entry.pass,
                                       .job = entry.has_job ? entry.job : entry.id,
                                       .selectors = err ? 0 : selectors_of(&entry)};
        pgw_buf_clear(record);
        if (entry.pass == 0)
                write_end(&entry, &one->job, record);
        const struct pgw_str pair[] = {pgw_reply_str(pgw_reply_at(reply, 0)), pgw_buf_str(record)};
        page->count++;
        return pgw_keys_encode(&page->ends, pair, 2);
}

enum pgw_err pgw_cancel_page_read(struct pgw_cancel_page *page, const struct pgw_reply *reply)
{
        const struct pgw_reply *entries = pgw_reply_at(reply, 1);
        struct pgw_buf record;
        enum pgw_err err = PGW_OK;

        page->is_last = pgw_reply_int(pgw_reply_at(reply, 0), 0) == 0;
        page->count = 0;
        pgw_buf_clear(&page->ends);
        if (!entries || entries->type != PGW_REPLY_ARRAY || entries->count > PGW_CANCEL_PAGE_MAX)
                return PGW_E_REDIS_PROTOCOL;
        pgw_buf_init(&record, PGW_AUDIT_RECORD_MAX);
        const struct pgw_reply *entry = entries + 1;
        for (size_t i = 0; i < entries->count && !err; i++, entry = pgw_reply_next(entry))
                err = read_one(page, entry, &record);
        pgw_buf_fini(&record);
        return err;
}

enum pgw_err pgw_cancel_leave(struct pgw_redis *r, const struct pgw_keyspace *ks,
                              const struct pgw_cancel_page *page, uint64_t ttl_s,
                              const struct pgw_cancel_audit *audit, pgw_redis_reply_f *done,
                              void *ctx)
{
        struct pgw_str rest = pgw_buf_str(&page->ends), text;

        begin_purge(r, ks, page->lane, page->count, page);
        if (audit->conf->max)
                pgw_redis_arg_u64(r, audit->conf->max);
        else
                pgw_redis_arg(r, PGW_STR(""));
        pgw_redis_arg(r, audit->act ? pgw_buf_str(audit->act) : PGW_STR(""));
        pgw_redis_arg_u64(r, ttl_s);
        for (size_t i = 0; i < page->count; i++) {
                for (unsigned k = 0; k < 2; k++) {
                        PGW_ASSERT(pgw_keys_next(&rest, &text) == PGW_OK); /* our own list */
                        pgw_redis_arg(r, text);
                }
                if (page->ones[i].has_result)
                        pgw_redis_arg_u64(r, page->ones[i].selectors);
                else
                        pgw_redis_arg(r, PGW_STR(""));
        }
        return pgw_redis_end(r, done, ctx);
}

static bool names(const struct pgw_reply *left, const struct pgw_cancel_one *one)
{
        struct pgw_entry_id id;

        return !pgw_entry_id_parse(pgw_reply_str(left), &id) && id.ms == one->entry.ms &&
               id.seq == one->entry.seq;
}

const struct pgw_cancel_one *pgw_cancel_next_left(const struct pgw_cancel_page *page,
                                                  const struct pgw_reply *reply, size_t *at)
{
        while (*at < page->count) {
                const struct pgw_cancel_one *one = &page->ones[(*at)++];
                const struct pgw_reply *left = reply + 1;
                for (size_t i = 0; i < reply->count; i++, left = pgw_reply_next(left))
                        if (names(left, one))
                                return one;
        }
        return NULL;
}
