#include "domain/group.h"

#include <string.h>

#include "base/codec.h"
#include "base/rand.h"
#include "domain/script.h"

#define GROUP_BYTES 16

void pgw_group_name(const uint32_t *mark, char out[PGW_GROUP_ID_SIZE])
{
        unsigned char bytes[GROUP_BYTES];

        pgw_rand_bytes(bytes, sizeof bytes);
        if (mark)
                memcpy(bytes, mark, sizeof *mark);
        PGW_ASSERT(pgw_base64url(bytes, sizeof bytes, out) == PGW_GROUP_ID_SIZE);
}

enum pgw_err pgw_group_mark(struct pgw_str group, uint32_t *ret)
{
        unsigned char bytes[GROUP_BYTES + 3];
        size_t size;

        if (group.n != PGW_GROUP_ID_SIZE || pgw_unbase64url(group, bytes, &size))
                return PGW_E_NO_JOB;
        memcpy(ret, bytes, sizeof *ret);
        return PGW_OK;
}

enum pgw_err pgw_group_keep(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            struct pgw_str group, struct pgw_str ids, pgw_redis_reply_f *done,
                            void *ctx)
{
        char key[PGW_GROUP_KEY_MAX];

        pgw_script_begin(r, PGW_SCRIPT_JOIN, 1, 4);
        pgw_redis_arg(r, pgw_keyspace_group(ks, group, key));
        pgw_redis_arg(r, ids);
        pgw_redis_arg_u64(r, PGW_JOB_ID_SIZE);
        pgw_redis_arg_u64(r, PGW_GROUP_JOBS_MAX);
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
