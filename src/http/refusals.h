/* http/refusals.h - what was refused for who asked, summed up for the audit.
 *
 * Whoever is refused can be refused as often as he likes, and must not push out of the audit what
 * was done: so there is one record for all refusals of a minute by the same one, for the same
 * reason, of the same operation. Of these each has a few, and those who are not known have so many
 * together; behind them one more for each reason stands for the rest, and says of it what all have
 * in common. Who was refused for what is so never lost among others, however much else he was
 * refused before; only where more identities are refused in a minute than there are places those
 * that come last are counted together, by the reason. What was counted and not written yet is lost
 * with the process.
 */
#ifndef PGW_HTTP_REFUSALS_H
#define PGW_HTTP_REFUSALS_H

#include "domain/audit.h"
#include "io/timer.h"

#define PGW_REFUSALS_MAX      64 /* records of a thread and a minute */
#define PGW_REFUSALS_DETAILED 32 /* of them with an operation each */
#define PGW_REFUSALS_OF_ONE   4  /* of these for one identity, and for all who are not known */
#define PGW_REFUSALS_REASONS  3  /* for each of which all others are counted together */
#define PGW_REFUSALS_EVERY_MS 60000

struct pgw_exchange;
struct pgw_gateway;

struct pgw_refusal {
        enum pgw_err error;
        bool is_rest;          /* of one, for this reason */
        bool is_of_all;        /* the same of everybody */
        const char *operation; /* NULL: several */
        size_t actor_size;
        char actor[PGW_AUDIT_ACTOR_SIZE];
        uint64_t count;
};

struct pgw_refusals {
        struct pgw_gateway *gateway;
        struct pgw_timer timer;
        struct pgw_refusal items[PGW_REFUSALS_MAX];
        size_t count;
};

void pgw_refusals_init(struct pgw_refusals *, struct pgw_gateway *);
void pgw_refusals_fini(struct pgw_refusals *);

/* Count a request, or one item of it, that was refused for who asked; others are not counted. */
void pgw_refusals_note(struct pgw_refusals *, struct pgw_exchange *, enum pgw_err);

/* Write down what was counted. */
void pgw_refusals_flush(struct pgw_refusals *);

#endif
