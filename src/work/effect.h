/* work/effect.h - what a job does to a key.
 *
 *      hard      UNLINK: the key is gone
 *      soft      PEXPIRE LT: it may be read for a little while longer, never for longer than it
 *                could be before
 *      held      lua/hold.lua: the key is gone, and a marker keeps old values out for a while; a
 * key that can have no marker is just gone dry run   nothing: it is only counted
 *
 * The answer to the command is how many of its keys were affected, or for a dry run how
 * many there are.
 */
#ifndef PGW_WORK_EFFECT_H
#define PGW_WORK_EFFECT_H

#include "work/worker_priv.h"

#define PGW_SAMPLE_MAX     20 /* keys that a dry run shows */
#define PGW_SAMPLE_KEY_MAX 512

struct pgw_effect;

/* `affected` is 0 with an error; `reply` is NULL when there was no answer. The effect's keys are
 * valid until it returns. */
typedef void pgw_effect_f(struct pgw_effect *, enum pgw_err, uint64_t affected,
                          const struct pgw_reply *reply);

/* One command under way. Read-only for those who hear of its end. */
struct pgw_effect {
        struct pgw_call call;
        struct pgw_part *part;
        void *ctx;
        const struct pgw_str *keys;
        size_t key_count;
        struct pgw_link _unused;
        pgw_effect_f *_done;
        char *_copy;
        bool _is_held;
        char *_marker;
        char _number[20];
        struct pgw_str _argv[PGW_EFFECT_CHUNK_MAX + 3];
};

/* How many keys one command may take: at a cluster keys seldom share a slot. */
size_t pgw_effect_chunk(const struct pgw_part *);

enum pgw_keys_life { PGW_KEYS_STAY, PGW_KEYS_GO };

/* Send the command for keys of this part. Unless they stay where they are until the answer, they
 * are copied. Errors as pgw_deployment_call(). */
enum pgw_err pgw_effect_send(struct pgw_deployment *, struct pgw_part *, const struct pgw_str *keys,
                             size_t count, enum pgw_keys_life, pgw_effect_f *done,
                             void *ctx) PGW_MUSTUSE;

/* A dry run shows some of what would go. Nothing for other runs. */
void pgw_effect_show(struct pgw_run *, struct pgw_str key);

/* At the end of the worker. */
void pgw_effects_free(struct pgw_worker *);

#endif
