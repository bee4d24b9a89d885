/* redis/breaker.h - leaving a server alone that refuses everything.
 *
 * A server that is loading, runs somebody's script, has lost its master or cannot write to its disk
 * answers every command with the same refusal. After so many in a row nothing is sent there for a
 * while; then one command is let through, and its answer says whether all others may follow or
 * the wait begins again, longer. A server that does not answer at all needs no breaker: its
 * link is gone, and only who has looked at it brings it back (redis/node.c).
 *
 * Pure: a value, and the time as an argument (ms, monotonic).
 */
#ifndef PGW_REDIS_BREAKER_H
#define PGW_REDIS_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PGW_BREAKER_REFUSALS     16 /* in a row */
#define PGW_BREAKER_PAUSE_MIN_MS 100
#define PGW_BREAKER_PAUSE_MAX_MS 5000

struct pgw_breaker {
        unsigned refusals; /* in a row */
        unsigned trips;    /* in a row */
        enum pgw_err err;  /* why it is open; PGW_OK: it is closed */
        uint64_t until_ms;
        bool is_probing; /* the one that was let through has not been answered */
};

/* PGW_OK when a command may be sent, else why not. Who is let through by an open one must note
 * its answer. */
enum pgw_err pgw_breaker_ask(struct pgw_breaker *, uint64_t now_ms);

/* Would it let a command through? */
bool pgw_breaker_is_open(const struct pgw_breaker *, uint64_t now_ms);

enum pgw_breaker_change { PGW_BREAKER_SAME, PGW_BREAKER_OPENED, PGW_BREAKER_CLOSED };

/* The answer to a command; an answer of any other kind is a good one. */
enum pgw_breaker_change pgw_breaker_note(struct pgw_breaker *, enum pgw_err, uint64_t now_ms);

#endif
