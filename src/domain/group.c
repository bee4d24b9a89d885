#include "domain/group.h"

#include "base/codec.h"
#include "base/rand.h"

void pgw_group_name(char out[PGW_GROUP_ID_SIZE])
{
        unsigned char bytes[16];

        pgw_rand_bytes(bytes, sizeof bytes);
        PGW_ASSERT(pgw_base64url(bytes, sizeof bytes, out) == PGW_GROUP_ID_SIZE);
}

enum pgw_err pgw_group_keep(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            struct pgw_str group, struct pgw_str ids, pgw_redis_reply_f *done,
                            void *ctx)
{
        char key[PGW_GROUP_KEY_MAX];

        pgw_redis_begin(r, 5);
        pgw_redis_arg(r, PGW_STR("SET"));
        pgw_redis_arg(r, pgw_keyspace_group(ks, group, key));
        pgw_redis_arg(r, ids);
        pgw_redis_arg(r, PGW_STR("EX"));
        pgw_redis_arg_u64(r, PGW_GROUP_TTL_S);
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_group_ask(struct pgw_redis *r, const struct pgw_keyspace *ks, struct pgw_str group,
                           pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_GROUP_KEY_MAX];

        pgw_redis_begin(r, 2);
        pgw_redis_arg(r, PGW_STR("GET"));
        pgw_redis_arg(r, pgw_keyspace_group(ks, group, key));
        return pgw_redis_end(r, done, ctx);
}
