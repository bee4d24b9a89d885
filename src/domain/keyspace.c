/* purgeway:{<queue>}:<lane>, purgeway:{<queue>}:job:<id>, and so on. */
#include "domain/keyspace.h"

#include <stdio.h>
#include <string.h>

static bool name_is_plain(const char *name)
{
        return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
               strlen(name);
}

enum pgw_err pgw_keyspace_init(struct pgw_keyspace *ks, const char *queue_name)
{
        const size_t n = strlen(queue_name);

        if (n == 0 || n > PGW_QUEUE_NAME_MAX || !name_is_plain(queue_name))
                return PGW_E_INVALID;
        memcpy(ks->queue, queue_name, n + 1);
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                snprintf(ks->_streams[i], sizeof ks->_streams[i], "purgeway:{%s}:%s", queue_name,
                         pgw_lane_name((enum pgw_lane)i));
        return PGW_OK;
}

struct pgw_str pgw_keyspace_stream(const struct pgw_keyspace *ks, enum pgw_lane lane)
{
        return pgw_str_z(ks->_streams[lane]);
}

static struct pgw_str key_of_queue(const struct pgw_keyspace *ks, const char *kind,
                                   char out[PGW_STREAM_KEY_MAX])
{
        const int n = snprintf(out, PGW_STREAM_KEY_MAX, "purgeway:{%s}:%s", ks->queue, kind);

        PGW_ASSERT(n > 0 && n < PGW_STREAM_KEY_MAX);
        return pgw_str_of(out, (size_t)n);
}

struct pgw_str pgw_keyspace_scheduled(const struct pgw_keyspace *ks, char out[PGW_STREAM_KEY_MAX])
{
        return key_of_queue(ks, "scheduled", out);
}

struct pgw_str pgw_keyspace_later(const struct pgw_keyspace *ks, char out[PGW_STREAM_KEY_MAX])
{
        return key_of_queue(ks, "later", out);
}

struct pgw_str pgw_keyspace_dead(const struct pgw_keyspace *ks, char out[PGW_STREAM_KEY_MAX])
{
        return key_of_queue(ks, "dead", out);
}

struct pgw_str pgw_keyspace_dead_at(const struct pgw_keyspace *ks, char out[PGW_STREAM_KEY_MAX])
{
        return key_of_queue(ks, "dead:at", out);
}

struct pgw_str pgw_keyspace_audit(const struct pgw_keyspace *ks, char out[PGW_STREAM_KEY_MAX])
{
        return key_of_queue(ks, "audit", out);
}

struct pgw_str pgw_keyspace_cancelled(const struct pgw_keyspace *ks, char out[PGW_STREAM_KEY_MAX])
{
        return key_of_queue(ks, "cancelled", out);
}

struct pgw_str pgw_keyspace_paused(const struct pgw_keyspace *ks, char out[PGW_STREAM_KEY_MAX])
{
        return key_of_queue(ks, "paused", out);
}

struct pgw_str pgw_keyspace_workers(const struct pgw_keyspace *ks, char out[PGW_STREAM_KEY_MAX])
{
        return key_of_queue(ks, "workers", out);
}

struct pgw_str pgw_keyspace_once(const struct pgw_keyspace *ks, struct pgw_str name,
                                 char out[PGW_ONCE_KEY_MAX])
{
        PGW_ASSERT(name.n == PGW_ONCE_NAME_SIZE);
        const int n = snprintf(out, PGW_ONCE_KEY_MAX, "purgeway:{%s}:once:%.*s", ks->queue,
                               (int)name.n, name.p);

        return pgw_str_of(out, (size_t)n);
}

struct pgw_str pgw_keyspace_once_counts(const struct pgw_keyspace *ks, char out[PGW_ONCE_KEY_MAX])
{
        const int n = snprintf(out, PGW_ONCE_KEY_MAX, "purgeway:{%s}:once", ks->queue);

        return pgw_str_of(out, (size_t)n);
}

struct pgw_str pgw_keyspace_group(const struct pgw_keyspace *ks, struct pgw_str id,
                                  char out[PGW_GROUP_KEY_MAX])
{
        PGW_ASSERT(id.n <= PGW_GROUP_ID_SIZE);
        const int n = snprintf(out, PGW_GROUP_KEY_MAX, "purgeway:{%s}:group:%.*s", ks->queue,
                               (int)id.n, id.n ? id.p : "");

        return pgw_str_of(out, (size_t)n);
}

static struct pgw_str key_of_job(const struct pgw_keyspace *ks, const char *kind,
                                 const struct pgw_job_id *id, char *out)
{
        const int n = snprintf(out, PGW_STREAM_KEY_MAX, "purgeway:{%s}:%s:", ks->queue, kind);

        PGW_ASSERT(n > 0 && n < PGW_STREAM_KEY_MAX);
        pgw_job_id_text(id, out + n);
        return pgw_str_of(out, (size_t)n + PGW_JOB_ID_SIZE);
}

struct pgw_str pgw_keyspace_progress(const struct pgw_keyspace *ks, const struct pgw_job_id *id,
                                     char out[PGW_PROGRESS_KEY_MAX])
{
        return key_of_job(ks, "progress", id, out);
}

struct pgw_str pgw_keyspace_result(const struct pgw_keyspace *ks, const struct pgw_job_id *id,
                                   char out[PGW_RESULT_KEY_MAX])
{
        return key_of_job(ks, "job", id, out);
}
