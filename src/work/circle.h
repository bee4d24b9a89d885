/* work/circle.h - the circle that a walk over a node's keys goes round in.
 *
 * A position is SCAN's cursor with its bits reversed. How positions follow on each other is the
 * server's affair, and two ways are known:
 *
 *      by the table    One table for all keys: the reversed cursor only grows during a round,
 *                      whatever the table does: when it grows, a bucket splits into two that stand
 *                      where the one stood; when it shrinks, the walk steps back a little.
 *      by the slots    A table for each slot of a cluster (Valkey 8, Redis 7.4): the cursor is
 *                      cursor in table << 14 | slot. The slots follow on each other, and within
 *                      each the reversed cursor in its table grows. The slot's bits are the highest
 *                      ones of the reversed whole, the wrong way round: that whole jumps to and
 * fro.
 *
 * No server says which it has, but each step may show which it has not. What is left after that is
 * what it may have, and one place is only behind another when it is so in all of these: then
 * it is so in the server's own as well, however little was seen of it. When none is left the
 * server's is one that we do not know. There nothing is behind anything, and only a whole round
 * from 0 to 0 is a round.
 */
#ifndef PGW_WORK_CIRCLE_H
#define PGW_WORK_CIRCLE_H

#include "domain/progress.h"

struct pgw_circle {
        unsigned orders;                 /* that it may have */
        unsigned first_slot, slot_count; /* where its slots lie; only for the share that is shown */
};

uint64_t pgw_circle_position(uint64_t cursor);
uint64_t pgw_circle_cursor(uint64_t position);

/* Nothing is known of the order. It is never forgotten: it is one process' for all its life. */
void pgw_circle_init(struct pgw_circle *);

/* The node has gone there in one step. */
void pgw_circle_stepped(struct pgw_circle *, uint64_t from, uint64_t to);

/* The walk has gone from `from` to `to`, or to the end of the circle when that is 0. True when what
 * is covered by that is all of it; that can be told of the position from then on, by whomever.
 *
 * Whoever is elsewhere waits until the walk comes by. Where that cannot be told the stretch is
 * given up at the end of the circle, and begins anew there. */
bool pgw_circle_extend(const struct pgw_circle *, struct pgw_position *, uint64_t from,
                       uint64_t to);
bool pgw_circle_is_closed(const struct pgw_circle *, const struct pgw_position *);

/* The share that is covered for certain, in percent. */
unsigned pgw_circle_percent(const struct pgw_circle *, const struct pgw_position *);

#endif
