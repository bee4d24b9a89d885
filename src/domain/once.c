#include "domain/once.h"

#include <string.h>

#include "base/codec.h"
#include "domain/script.h"

#define PGW_ONCE_BYTES 16

_Static_assert(PGW_BASE64URL_SIZE(PGW_ONCE_BYTES) == PGW_ONCE_NAME_SIZE, "room for a hash");

static void shorten(const unsigned char hash[PGW_SHA256_SIZE], char out[PGW_ONCE_NAME_SIZE])
{
        PGW_ASSERT(pgw_base64url(hash, PGW_ONCE_BYTES, out) == PGW_ONCE_NAME_SIZE);
}

static void name_of(struct pgw_str scope, struct pgw_str key, char out[PGW_ONCE_NAME_SIZE])
{
        struct pgw_sha256 *sha = pgw_sha256_new();
        unsigned char hash[PGW_SHA256_SIZE];

        pgw_sha256_add(sha, scope.p, scope.n);
        pgw_sha256_add(sha, "", 1);
        pgw_sha256_add(sha, key.p, key.n);
        pgw_sha256_end(sha, hash);
        shorten(hash, out);
}

void pgw_once_name(struct pgw_once *once, struct pgw_str scope, struct pgw_str key)
{
        once->ttl_ms = once->other_ttl_ms = 0;
        name_of(scope, key, once->name);
}

void pgw_once_also(struct pgw_once *once, struct pgw_str scope, struct pgw_str key, uint64_t ttl_ms)
{
        once->other_ttl_ms = ttl_ms;
        name_of(scope, key, once->other);
}

void pgw_once_fingerprint(struct pgw_once *once, const unsigned char hash[PGW_SHA256_SIZE])
{
        shorten(hash, once->fingerprint);
}

/* No client's key holds a NUL, so none is that of an item. */
void pgw_once_item(const struct pgw_once *batch, size_t index, struct pgw_once *ret)
{
        char text[1 + PGW_ONCE_NAME_SIZE + 20];

        text[0] = '\0';
        memcpy(text + 1, batch->name, PGW_ONCE_NAME_SIZE);
        const size_t n = pgw_u64_text(index, text + 1 + PGW_ONCE_NAME_SIZE);
        *ret = *batch;
        name_of(PGW_STR(""), pgw_str_of(text, 1 + PGW_ONCE_NAME_SIZE + n), ret->name);
}

void pgw_once_begin(struct pgw_redis *redis, const struct pgw_keyspace *ks,
                    const struct pgw_once *once, size_t keys, size_t args)
{
        const size_t others = once->other_ttl_ms ? 1 : 0;
        char key[PGW_ONCE_KEY_MAX];

        pgw_script_begin(redis, PGW_SCRIPT_ONCE, 2 + keys + others, 5 + args);
        pgw_redis_arg(redis, pgw_keyspace_once(ks, pgw_str_of(once->name, sizeof once->name), key));
        pgw_redis_arg(redis, pgw_keyspace_once_counts(ks, key));
}

void pgw_once_args(struct pgw_redis *redis, const struct pgw_keyspace *ks,
                   const struct pgw_once *once, const struct pgw_once_conf *conf,
                   struct pgw_str rest)
{
        char key[PGW_ONCE_KEY_MAX];

        if (once->other_ttl_ms)
                pgw_redis_arg(
                    redis, pgw_keyspace_once(ks, pgw_str_of(once->other, sizeof once->other), key));
        pgw_redis_arg_u64(redis, once->ttl_ms ? once->ttl_ms : conf->ttl_ms);
        pgw_redis_arg_u64(redis, conf->kept_max);
        pgw_redis_arg(redis, pgw_str_of(once->fingerprint, sizeof once->fingerprint));
        pgw_redis_arg(redis, rest);
        pgw_redis_arg_u64(redis, once->other_ttl_ms);
}

enum pgw_err pgw_once_read(const struct pgw_reply *reply, struct pgw_str *ret_rest,
                           bool *ret_is_repeat)
{
        const struct pgw_str record = pgw_reply_str(pgw_reply_at(reply, 1));

        switch (pgw_reply_int(pgw_reply_at(reply, 0), INT64_MIN)) {
        case 1:
                *ret_is_repeat = false;
                break;
        case 0:
                *ret_is_repeat = true;
                break;
        case -1:
                return PGW_E_KEY_REUSED;
        case -2:
                return PGW_E_KEYS_FULL;
        default:
                return PGW_E_REDIS_PROTOCOL;
        }
        if (record.n <= PGW_ONCE_NAME_SIZE || record.p[PGW_ONCE_NAME_SIZE] != ' ')
                return PGW_E_CODEC;
        *ret_rest =
            pgw_str_of(record.p + PGW_ONCE_NAME_SIZE + 1, record.n - PGW_ONCE_NAME_SIZE - 1);
        return PGW_OK;
}

void pgw_once_job_text(const struct pgw_job_id *id, char out[PGW_JOB_ID_SIZE])
{
        struct pgw_job_id known = *id;

        if (!pgw_job_id_is_later(id))
                known.entry = (struct pgw_entry_id){0, 0};
        pgw_job_id_text(&known, out);
}

enum pgw_err pgw_once_job_read(struct pgw_str rest, struct pgw_job_id *ret)
{
        struct pgw_str text = rest, entry = {NULL, 0};
        const bool has_entry = pgw_str_cut(rest, ' ', &text, &entry);
        struct pgw_job_id id;

        if (pgw_job_id_parse(text, &id) || has_entry == pgw_job_id_is_later(&id))
                return PGW_E_CODEC;
        if (has_entry && pgw_entry_id_parse(entry, &id.entry))
                return PGW_E_CODEC;
        *ret = id;
        return PGW_OK;
}
