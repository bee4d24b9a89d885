#include "domain/roster.h"

#include <stdio.h>

enum pgw_err pgw_roster_write(struct pgw_redis *r, const struct pgw_keyspace *ks,
                              const struct pgw_worker_line *w, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], line[PGW_ROSTER_TEXT_MAX];
        const int n = snprintf(
            line, sizeof line, "%llu %llu %llu %llu %llu %llu %u %.*s",
            (unsigned long long)w->heard_ms, (unsigned long long)w->started_ms,
            (unsigned long long)w->pid, (unsigned long long)w->in_hand,
            (unsigned long long)w->sweeps, (unsigned long long)w->paused, w->draining,
            (int)(w->host.n < PGW_ROSTER_HOST_MAX ? w->host.n : PGW_ROSTER_HOST_MAX), w->host.p);

        PGW_ASSERT(n > 0 && (size_t)n < sizeof line);
        pgw_redis_begin(r, 4);
        pgw_redis_arg(r, PGW_STR("HSET"));
        pgw_redis_arg(r, pgw_keyspace_workers(ks, key));
        pgw_redis_arg(r, w->name);
        pgw_redis_arg(r, pgw_str_of(line, (size_t)n));
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_roster_leave(struct pgw_redis *r, const struct pgw_keyspace *ks,
                              struct pgw_str name, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_redis_begin(r, 3);
        pgw_redis_arg(r, PGW_STR("HDEL"));
        pgw_redis_arg(r, pgw_keyspace_workers(ks, key));
        pgw_redis_arg(r, name);
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_roster_ask(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_redis_begin(r, 2);
        pgw_redis_arg(r, PGW_STR("HGETALL"));
        pgw_redis_arg(r, pgw_keyspace_workers(ks, key));
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_roster_read(struct pgw_str name, struct pgw_str line, struct pgw_worker_line *ret)
{
        uint64_t draining, *const numbers[] = {&ret->heard_ms, &ret->started_ms, &ret->pid,
                                               &ret->in_hand,  &ret->sweeps,     &ret->paused,
                                               &draining};
        struct pgw_str word;

        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
                if (!pgw_str_cut(line, ' ', &word, &line) ||
                    pgw_str_to_u64(word, PGW_JSON_INTEGER_MAX, numbers[i]))
                        return PGW_E_CODEC;
        ret->name = name;
        ret->host = line;
        ret->draining = draining != 0;
        return PGW_OK;
}
