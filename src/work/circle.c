/* The rule of this file: nothing is said to be covered that any order in question leaves open. A
 * stretch is walked again rather than taken for granted.
 *
 * Whoever goes along with the walk from slice to slice needs no order for that: it is where the
 * walk is. Orders are for meeting: the walk comes by one who stood elsewhere, or by the place where
 * one began. At the second end of the circle all orders agree that the round was one.
 */
#include "work/circle.h"

#include "redis/slot.h"

enum { BY_TABLE = 1, BY_SLOTS = 2 };

#define SLOT_BITS  14
#define TABLE_BITS (64 - SLOT_BITS)

_Static_assert(1 << SLOT_BITS == PGW_REDIS_SLOTS, "a cursor has a slot in its lowest bits");

static uint64_t reversed(uint64_t v)
{
        v = (v >> 1 & 0x5555555555555555u) | (v & 0x5555555555555555u) << 1;
        v = (v >> 2 & 0x3333333333333333u) | (v & 0x3333333333333333u) << 2;
        v = (v >> 4 & 0x0f0f0f0f0f0f0f0fu) | (v & 0x0f0f0f0f0f0f0f0fu) << 4;
        return __builtin_bswap64(v);
}

uint64_t pgw_circle_position(uint64_t cursor)
{
        return reversed(cursor);
}

uint64_t pgw_circle_cursor(uint64_t position)
{
        return reversed(position);
}

/* As a number that grows along the slots. */
static uint64_t by_slots(uint64_t position)
{
        return reversed(position) << TABLE_BITS | position << SLOT_BITS >> SLOT_BITS;
}

void pgw_circle_init(struct pgw_circle *c)
{
        *c = (struct pgw_circle){.orders = BY_TABLE | BY_SLOTS, .slot_count = PGW_REDIS_SLOTS};
}

void pgw_circle_stepped(struct pgw_circle *c, uint64_t from, uint64_t to)
{
        if (to == 0)
                return;
        if (to < from)
                c->orders &= ~(unsigned)BY_TABLE;
        if (by_slots(to) < by_slots(from))
                c->orders &= ~(unsigned)BY_SLOTS;
}

/* The way from the one to the other does not lead over the end of the circle. */
static bool is_behind(const struct pgw_circle *c, uint64_t place, uint64_t other)
{
        if (other == place || other == 0)
                return true;
        if (c->orders & BY_TABLE && place < other)
                return false;
        if (c->orders & BY_SLOTS && by_slots(place) < by_slots(other))
                return false;
        return c->orders != 0;
}

static bool is_certain(const struct pgw_circle *c)
{
        return c->orders == BY_TABLE || c->orders == BY_SLOTS;
}

bool pgw_circle_is_closed(const struct pgw_circle *c, const struct pgw_position *p)
{
        return p->wrapped && is_behind(c, p->at, p->start);
}

bool pgw_circle_extend(const struct pgw_circle *c, struct pgw_position *p, uint64_t from,
                       uint64_t to)
{
        const bool is_met = p->at == from ||
                            (is_behind(c, p->at, from) && (to == 0 || is_behind(c, to, p->at))),
                   is_round = to == 0 && p->wrapped;

        if (!is_met) {
                if (to == 0 && !is_certain(c)) {
                        p->start = p->at = 0;
                        p->wrapped = false;
                }
                return false;
        }
        p->at = to;
        p->wrapped = p->wrapped || to == 0;
        if (!is_round && !pgw_circle_is_closed(c, p))
                return false;
        /* Equal ends are all of it in every order: whoever reads this has not seen the steps. */
        p->at = p->start;
        return true;
}

/* As a position in a circle that has just the slots of the node. */
static uint64_t among_slots(const struct pgw_circle *c, uint64_t position)
{
        const uint64_t at = by_slots(position), first = (uint64_t)c->first_slot << TABLE_BITS,
                       share = at > first ? (at - first) / c->slot_count : 0;

        return share >> TABLE_BITS ? UINT64_MAX : share << SLOT_BITS;
}

unsigned pgw_circle_percent(const struct pgw_circle *c, const struct pgw_position *p)
{
        const struct pgw_position among = {
            .start = among_slots(c, p->start), .at = among_slots(c, p->at), .wrapped = p->wrapped};
        const unsigned table = pgw_position_percent(p), slots = pgw_position_percent(&among);

        switch (c->orders) {
        case BY_TABLE:
                return table;
        case BY_SLOTS:
                return slots;
        case BY_TABLE | BY_SLOTS:
                return table < slots ? table : slots;
        default:
                return pgw_circle_is_closed(c, p) ? 100 : 0;
        }
}
