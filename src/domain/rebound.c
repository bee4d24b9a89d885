/* The times are jittered by a tenth, so that what was purged together does not come back to the
 * caches in one blow. */
#include "domain/rebound.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/rand.h"
#include "domain/entry.h"
#include "domain/script.h"

#define PGW_REBOUND_RECORD_MAX (128u << 20)
#define PGW_REBOUND_LANE       PGW_LANE_NORMAL

enum pgw_err pgw_rebounds_parse(struct pgw_str text, struct pgw_rebounds *ret)
{
        struct pgw_rebounds r = {.count = 0};
        struct pgw_str item;
        bool more = text.n > 0 && !pgw_str_eq_z(text, "-");

        while (more) {
                uint64_t at_ms;
                more = pgw_str_cut(text, ',', &item, &text);
                if (!more)
                        item = text;
                if (r.count == PGW_REBOUNDS_MAX ||
                    pgw_str_to_u64(pgw_str_trim(item), PGW_REBOUND_MS_MAX, &at_ms) ||
                    at_ms <= (r.count ? r.at_ms[r.count - 1] : 0))
                        return PGW_E_INVALID;
                r.at_ms[r.count++] = at_ms;
        }
        *ret = r;
        return PGW_OK;
}

struct pgw_str pgw_rebounds_text(const struct pgw_rebounds *r, char out[PGW_REBOUNDS_TEXT_MAX])
{
        size_t n = 0;

        for (size_t i = 0; i < r->count; i++)
                n += (size_t)snprintf(out + n, PGW_REBOUNDS_TEXT_MAX - n, "%s%u", i ? "," : "",
                                      (unsigned)r->at_ms[i]);
        if (n == 0)
                out[n++] = '-';
        return pgw_str_of(out, n);
}

static enum pgw_err add(struct pgw_buf *record, const char *name, struct pgw_str value)
{
        const struct pgw_str field[] = {pgw_str_z(name), value};

        return value.n ? pgw_keys_encode(record, field, 2) : PGW_OK;
}

static enum pgw_err add_u64(struct pgw_buf *record, const char *name, uint64_t value)
{
        char text[20];

        return add(record, name, pgw_str_of(text, pgw_u64_text(value, text)));
}

static enum pgw_err write_record(struct pgw_buf *record, const struct pgw_rebound *r)
{
        char lane[20], nonce[PGW_NONCE_SIZE], id[PGW_JOB_ID_SIZE], times[PGW_REBOUNDS_TEXT_MAX];
        const struct pgw_str lane_text = pgw_str_of(lane, pgw_u64_text(PGW_REBOUND_LANE, lane));
        enum pgw_err err = pgw_keys_encode(record, &lane_text, 1);

        pgw_nonce_text(pgw_rand_u64(), nonce);
        pgw_job_id_text(&r->job, id);
        if (!err)
                err = add(record, "v", PGW_STR(PGW_INVALIDATION_VERSION_SELECTORS));
        if (!err)
                err = add(record, "n", pgw_str_of(nonce, sizeof nonce));
        if (!err)
                err = add_u64(record, "b", r->pass);
        if (!err)
                err = add_u64(record, "o", r->origin_ms);
        if (!err)
                err = add(record, "w", pgw_rebounds_text(&r->rebounds, times));
        if (!err)
                err = add(record, "j", pgw_str_of(id, sizeof id));
        if (!err)
                err = add(record, "x", r->targets);
        if (!err)
                err = add(record, "m", r->members);
        if (!err)
                err = add(record, "k", r->keys);
        if (!err)
                err = add(record, "p", r->patterns);
        if (!err)
                err = add(record, "g", r->tags);
        if (!err && r->soft_ttl_ms)
                err = add_u64(record, "s", r->soft_ttl_ms);
        return err ? err : add(record, "a", r->all_tags ? PGW_STR("1") : PGW_STR(""));
}

/* From the end of the pass before it, which is now; patterns alone have the last pass only. */
static uint64_t pause_before(const struct pgw_rebound *r)
{
        const uint64_t at_ms = r->rebounds.at_ms[r->pass - 1];

        return r->after ? at_ms - r->rebounds.at_ms[r->after - 1] : at_ms;
}

enum pgw_err pgw_rebound_schedule(struct pgw_redis *redis, const struct pgw_keyspace *ks,
                                  const struct pgw_rebound *r, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];
        struct pgw_buf record;

        PGW_ASSERT(r->pass >= 1 && r->pass <= r->rebounds.count);
        const uint64_t after_ms = pause_before(r);
        pgw_buf_init(&record, PGW_REBOUND_RECORD_MAX);
        enum pgw_err err = write_record(&record, r);
        if (!err) {
                pgw_script_begin(redis, PGW_SCRIPT_REPEAT, 1, 2);
                pgw_redis_arg(redis, pgw_keyspace_scheduled(ks, key));
                pgw_redis_arg_u64(redis,
                                  after_ms * 9 / 10 + pgw_rand_below((uint32_t)(after_ms / 5 + 1)));
                pgw_redis_arg(redis, pgw_buf_str(&record));
                err = pgw_redis_end(redis, done, ctx);
        }
        pgw_buf_fini(&record);
        return err;
}

enum pgw_err pgw_rebounds_wake(struct pgw_redis *redis, const struct pgw_keyspace *ks, size_t count,
                               pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_script_begin(redis, PGW_SCRIPT_WAKE, 2 + PGW_LANE_COUNT, 2);
        pgw_redis_arg(redis, pgw_keyspace_scheduled(ks, key));
        pgw_redis_arg(redis, pgw_keyspace_later(ks, key));
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                pgw_redis_arg(redis, pgw_keyspace_stream(ks, (enum pgw_lane)i));
        pgw_redis_arg_u64(redis, count);
        pgw_redis_arg_u64(redis, PGW_ENTRIES_BYTES);
        return pgw_redis_end(redis, done, ctx);
}
