/* base/arena.h - memory for one request or one job, freed all at once.
 *
 * Built on chunks that double; a ceiling stops it (PGW_E_TOO_LARGE through NULL).
 * Not shared between threads. Memory is aligned for any type and not zeroed.
 */
#ifndef PGW_BASE_ARENA_H
#define PGW_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct pgw_arena_chunk;

struct pgw_arena {
        struct pgw_arena_chunk *_chunks;
        size_t _used; /* over all chunks */
        size_t _max;
};

void pgw_arena_init(struct pgw_arena *, size_t max_size);
void pgw_arena_fini(struct pgw_arena *);

/* Free everything but the first chunk, which serves the next request. */
void pgw_arena_reset(struct pgw_arena *);

/* NULL when the ceiling would be passed. */
void *pgw_arena_take(struct pgw_arena *, size_t size) PGW_MUSTUSE;

/* A copy with a NUL behind it; {NULL, 0} when the ceiling would be passed. */
struct pgw_str pgw_arena_dup(struct pgw_arena *, struct pgw_str) PGW_MUSTUSE;

#endif
