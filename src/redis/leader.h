/* redis/leader.h - clients that stay with the master that has a key.
 *
 * A queue lies in one slot, so everything that belongs to it is one server's, wherever that is
 * just now. Whoever works with the queue uses plain clients (redis/client.h); a leader keeps
 * them pointed at that server: at a fixed address, at the master that Sentinels name, or at
 * the owner of the slot in a cluster. When the server changes, the clients lose their
 * connection, as they would in any other trouble, and are back at the new one.
 *
 * It learns of a change from its own look at the deployment, and looks at once when one of
 * its clients has trouble. All on the loop's thread.
 */
#ifndef PGW_REDIS_LEADER_H
#define PGW_REDIS_LEADER_H

#include "redis/client.h"
#include "redis/deployment.h"

#define PGW_LEADER_CLIENTS_MAX 8

struct pgw_leader;

/* `key` is any key of the slot. What the conf and the key point to must outlive the leader. */
struct pgw_leader *pgw_leader_open(struct pgw_loop *, struct pgw_resolver *,
                                   const struct pgw_deployment_conf *, struct pgw_str key);

/* As pgw_redis_open(), the address and what belongs to it being the leader's. */
struct pgw_redis *pgw_leader_client(struct pgw_leader *, const struct pgw_redis_conf *,
                                    pgw_redis_state_f *, void *ctx);

/* Before the clients are closed, with no turn of the loop in between. NULL is allowed. */
void pgw_leader_close(struct pgw_leader *);

#endif
