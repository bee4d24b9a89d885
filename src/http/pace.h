/* http/pace.h - how fast one connection may bring bytes.
 *
 * A connection owes what it brought, and pays it off at a rate. Up to a burst nobody minds; from
 * there on it is told how long not to be read. The kernel's buffers then fill, and the peer sends
 * no faster than it is read. Times are monotonic. Used by one thread.
 */
#ifndef PGW_HTTP_PACE_H
#define PGW_HTTP_PACE_H

#include <stdint.h>

/* One that is all zero owes nothing. */
struct pgw_pace {
        uint64_t at_ms;
        uint64_t owed; /* bytes, at that time */
};

/* It has brought `n` more. For how many milliseconds nothing more is to be taken from it; 0: go
 * on. `per_s` in bytes, at least 1. */
uint64_t pgw_pace_take(struct pgw_pace *, uint64_t n, uint64_t per_s, uint64_t burst,
                       uint64_t now_ms);

#endif
