/* http/refusals.h - what was refused for who asked, summed up for the audit.
 *
 * Whoever is refused can be refused as often as he likes, and must not push out of the audit what
 * was done: so there is one record for all refusals of a minute by the same one, for the same
 * reason, of the same operation. Those who are not known share a few places, and when all are taken
 * one more stands for the rest. What was counted and not written yet is lost with the process.
 */
#ifndef PGW_HTTP_REFUSALS_H
#define PGW_HTTP_REFUSALS_H

#include "domain/audit.h"
#include "io/timer.h"

#define PGW_REFUSALS_MAX      16 /* of a thread and a minute; one of them stands for the rest */
#define PGW_REFUSALS_UNKNOWN  4  /* of them for who is not known */
#define PGW_REFUSALS_EVERY_MS 60000

struct pgw_exchange;
struct pgw_gateway;

struct pgw_refusal {
        enum pgw_err error;
        const char *operation;
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

/* Count a request that was refused for who asked; others are not counted. */
void pgw_refusals_note(struct pgw_refusals *, struct pgw_exchange *);

/* Write down what was counted. */
void pgw_refusals_flush(struct pgw_refusals *);

#endif
