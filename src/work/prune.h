/* work/prune.h - references of tags to keys that are gone.
 *
 * A key that expires or is evicted stays under its tags. So every hour somebody goes through the
 * sets of a target, asks for each member whether it exists, and takes out those that do not. By
 * existence and nothing else: a time to live that was noted somewhere can be wrong, and then a
 * key would be there that no tag finds.
 *
 * Between the question and the taking out somebody may store the key again. So it is asked for once
 * more, and put back when it is there by then; and who stores a key first and tags it after that
 * can lose nothing. Meanwhile it is where a purge of the tag knows of it. What jobs have set aside
 * and left behind is put back as well. The walks keep to the share of the node's time that sweeps
 * have.
 */
#ifndef PGW_WORK_PRUNE_H
#define PGW_WORK_PRUNE_H

#include "work/worker_priv.h"

/* Go through the target's tags about every `every_ms`; of all workers of a queue one does it. */
struct pgw_pruner *pgw_pruner_new(struct pgw_target *, uint64_t every_ms);
void pgw_pruner_free(struct pgw_pruner *); /* NULL is allowed */

#endif
