/* work/effect.h - what a job does to a key.
 *
 *      hard      UNLINK: the key is gone
 *      soft      PEXPIRE LT: it may be read for a little while longer, never for longer than it
 *                could be before
 *      dry run   nothing: it is only counted
 *
 * The answer to the command is how many of its keys were affected, or for a dry run how
 * many there are.
 */
#ifndef PGW_WORK_EFFECT_H
#define PGW_WORK_EFFECT_H

#include "work/worker_priv.h"

#define PGW_EFFECT_CHUNK_MAX 16 /* keys of one UNLINK: twice as fast as one by one */
#define PGW_SAMPLE_MAX       20 /* keys that a dry run shows */
#define PGW_SAMPLE_KEY_MAX   512

/* How many keys one command may take. */
size_t pgw_effect_chunk(const struct pgw_run *);

/* Send the command for keys of this run. As pgw_redis_end(). */
enum pgw_err pgw_effect_send(struct pgw_redis *, const struct pgw_run *, const struct pgw_str *keys,
                             size_t count, pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* A dry run shows some of what would go. Nothing for other runs. */
void pgw_effect_show(struct pgw_run *, struct pgw_str key);

#endif
