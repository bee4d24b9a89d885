/* domain/group.h - jobs that came together.
 *
 * The ids of the jobs of a batch are kept on the result backend as one text,
 * purgeway:{<queue>}:group:<group id>, for a day. It is an aid to ask after them, and no part of
 * what was acknowledged: each job has its own id.
 */
#ifndef PGW_DOMAIN_GROUP_H
#define PGW_DOMAIN_GROUP_H

#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_GROUP_JOBS_MAX 100
#define PGW_GROUP_TTL_S    86400

/* A new one, of nobody or of who has this mark, which is told from the id (domain/job_id.h). */
void pgw_group_name(const uint32_t *mark, char out[PGW_GROUP_ID_SIZE]);

/* PGW_E_NO_JOB when no group can have this id. */
enum pgw_err pgw_group_mark(struct pgw_str group, uint32_t *ret) PGW_MUSTUSE;

/* `ids` are the texts of job ids, one behind the other; those that are there already stay there. */
enum pgw_err pgw_group_keep(struct pgw_redis *, const struct pgw_keyspace *, struct pgw_str group,
                            struct pgw_str ids, pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* The answer is such a text, or nil. */
enum pgw_err pgw_group_ask(struct pgw_redis *, const struct pgw_keyspace *, struct pgw_str group,
                           pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

#endif
