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

void pgw_group_name(char out[PGW_GROUP_ID_SIZE]);

/* `ids` are the texts of `count` job ids, one behind the other. */
enum pgw_err pgw_group_keep(struct pgw_redis *, const struct pgw_keyspace *, struct pgw_str group,
                            struct pgw_str ids, pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* The answer is such a text, or nil. */
enum pgw_err pgw_group_ask(struct pgw_redis *, const struct pgw_keyspace *, struct pgw_str group,
                           pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

#endif
