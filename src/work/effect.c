/* Keys that were cut short together would come back to the caches' origin together: the time
 * that is left to them is up to a tenth less than asked for. */
#include "work/effect.h"

#include "base/rand.h"

size_t pgw_effect_chunk(const struct pgw_run *run)
{
        return run->soft_ttl_ms ? 1 : PGW_EFFECT_CHUNK_MAX;
}

static void begin_soft(struct pgw_redis *r, uint64_t ttl_ms, struct pgw_str key)
{
        const uint32_t spread = (uint32_t)(ttl_ms / 10 + 1);

        pgw_redis_begin(r, 4);
        pgw_redis_arg(r, PGW_STR("PEXPIRE"));
        pgw_redis_arg(r, key);
        pgw_redis_arg_u64(r, ttl_ms - pgw_rand_below(spread));
        pgw_redis_arg(r, PGW_STR("LT"));
}

enum pgw_err pgw_effect_send(struct pgw_redis *r, const struct pgw_run *run,
                             const struct pgw_str *keys, size_t count, pgw_redis_reply_f *done,
                             void *ctx)
{
        PGW_ASSERT(count >= 1 && count <= pgw_effect_chunk(run));
        if (run->soft_ttl_ms && !run->is_dry) {
                begin_soft(r, run->soft_ttl_ms, keys[0]);
                return pgw_redis_end(r, done, ctx);
        }
        pgw_redis_begin(r, 1 + count);
        pgw_redis_arg(r, run->is_dry ? PGW_STR("EXISTS") : PGW_STR("UNLINK"));
        for (size_t i = 0; i < count; i++)
                pgw_redis_arg(r, keys[i]);
        return pgw_redis_end(r, done, ctx);
}

void pgw_effect_show(struct pgw_run *run, struct pgw_str key)
{
        if (!run->is_dry || run->sample_count == PGW_SAMPLE_MAX || key.n > PGW_SAMPLE_KEY_MAX)
                return;
        if (pgw_keys_encode(&run->sample, &key, 1) == PGW_OK)
                run->sample_count++;
}
