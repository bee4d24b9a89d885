/* Positions fill 64 bits, more than Redis' own integers: they travel as text. */
#include "domain/progress.h"

#include <string.h>

#define PGW_PROGRESS_TTL_S 86400

static const char *const fields[] = {"i", "s", "p", "w", "m", "r", "t", "u", "k", "z", "y"};

enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

unsigned pgw_progress_percent(const struct pgw_progress *p)
{
        /* The distance around the circle; equal ends are all of it or nothing. */
        const uint64_t covered = p->at - p->start;

        if (p->members)
                return (unsigned)(p->members_seen < p->members ? p->members_seen * 100 / p->members
                                                               : 100);
        if (p->wrapped && p->at >= p->start)
                return 100;
        return (unsigned)(covered / (UINT64_MAX / 100 + 1));
}

enum pgw_err pgw_progress_save(struct pgw_redis *r, const struct pgw_keyspace *ks,
                               const struct pgw_job_id *id, const struct pgw_progress *p,
                               pgw_redis_reply_f *done, void *ctx)
{
        const uint64_t numbers[] = {p->start,   p->at,          p->wrapped ? 1 : 0, p->matched,
                                    p->removed, p->tags_done,   p->tag_cursor,      p->tag_walked,
                                    p->members, p->members_seen};
        char key[PGW_PROGRESS_KEY_MAX];

        pgw_redis_begin(r, 2 + 2 * FIELD_COUNT);
        pgw_redis_arg(r, PGW_STR("HSET"));
        pgw_redis_arg(r, pgw_keyspace_progress(ks, id, key));
        for (size_t i = 0; i < FIELD_COUNT; i++) {
                pgw_redis_arg(r, pgw_str_z(fields[i]));
                if (i == 0)
                        pgw_redis_arg(r, pgw_str_z(p->node));
                else
                        pgw_redis_arg_u64(r, numbers[i - 1]);
        }
        enum pgw_err err = pgw_redis_end(r, done, ctx);
        if (err)
                return err;
        pgw_redis_begin(r, 3);
        pgw_redis_arg(r, PGW_STR("EXPIRE"));
        pgw_redis_arg(r, pgw_keyspace_progress(ks, id, key));
        pgw_redis_arg_u64(r, PGW_PROGRESS_TTL_S);
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_progress_ask(struct pgw_redis *r, const struct pgw_keyspace *ks,
                              const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_PROGRESS_KEY_MAX];

        pgw_redis_begin(r, 2 + FIELD_COUNT);
        pgw_redis_arg(r, PGW_STR("HMGET"));
        pgw_redis_arg(r, pgw_keyspace_progress(ks, id, key));
        for (size_t i = 0; i < FIELD_COUNT; i++)
                pgw_redis_arg(r, pgw_str_z(fields[i]));
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_progress_read(const struct pgw_reply *reply, struct pgw_progress *ret)
{
        struct pgw_progress p = {.node = ""};
        uint64_t wrapped;
        uint64_t *const numbers[] = {&p.start,   &p.at,          &wrapped,      &p.matched,
                                     &p.removed, &p.tags_done,   &p.tag_cursor, &p.tag_walked,
                                     &p.members, &p.members_seen};

        if (!reply || reply->type != PGW_REPLY_ARRAY || reply->count != FIELD_COUNT)
                return PGW_E_CODEC;
        const struct pgw_str node = pgw_reply_str(pgw_reply_at(reply, 0));
        if (pgw_reply_at(reply, 0)->type == PGW_REPLY_NIL)
                return PGW_E_NO_JOB;
        if (node.n == 0 || node.n >= sizeof p.node || memchr(node.p, '\0', node.n))
                return PGW_E_CODEC;
        memcpy(p.node, node.p, node.n);
        for (size_t i = 1; i < FIELD_COUNT; i++)
                if (pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, i)), UINT64_MAX,
                                   numbers[i - 1]))
                        return PGW_E_CODEC;
        p.wrapped = wrapped != 0;
        *ret = p;
        return PGW_OK;
}

enum pgw_err pgw_progress_forget(struct pgw_redis *r, const struct pgw_keyspace *ks,
                                 const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_PROGRESS_KEY_MAX];

        pgw_redis_begin(r, 2);
        pgw_redis_arg(r, PGW_STR("UNLINK"));
        pgw_redis_arg(r, pgw_keyspace_progress(ks, id, key));
        return pgw_redis_end(r, done, ctx);
}
