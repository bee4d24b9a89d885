/* domain/broker_alarm.h - what is wrong with the broker, and since when.
 *
 * Each look at the broker (domain/broker_check.h) is compared with what should be and with the
 * look before. An alarm begins when something is found and ends when it is not any more; what
 * is found by a number that grew ends when it has not grown for a minute. So whoever logs the
 * changes says everything twice: when it began and when it was over.
 *
 * Our own workers wait for jobs in blocked reads. They are left out where blocked clients are
 * counted, by the names of their connections.
 */
#ifndef PGW_DOMAIN_BROKER_ALARM_H
#define PGW_DOMAIN_BROKER_ALARM_H

#include "domain/broker_check.h"
#include "domain/loss.h"

#define PGW_ALARM_CALM_MS        60000
#define PGW_FRAGMENTED_MIN_BYTES (64u << 20) /* small servers are always ragged */

enum pgw_broker_alarm {
#define A(name, check, breaks) PGW_ALARM_##name,
#include "tbl/broker_alarms.h"
#undef A
        PGW_ALARM_COUNT
};

struct pgw_alarm_limits {
        unsigned blocked_percent;       /* of the clients that are not ours; 0: never */
        unsigned fragmentation_percent; /* memory occupied by memory used; 0: never */
};

struct pgw_broker_alarms {
        struct pgw_broker_demands demands;
        struct pgw_alarm_limits limits;
        bool has_before;
        struct pgw_broker_facts before;
        uint64_t losses_before, missed_before;
        bool is_on[PGW_ALARM_COUNT];
        uint64_t seen_ms[PGW_ALARM_COUNT];
        struct pgw_fault faults[PGW_ALARM_COUNT]; /* one sentence, while on and after */
};

void pgw_broker_alarms_init(struct pgw_broker_alarms *, const struct pgw_broker_demands *,
                            const struct pgw_alarm_limits *);

/* What a look at the broker found, at `now_ms` (monotonic). Returns the set of alarms that
 * changed, a bit for each. */
unsigned pgw_broker_alarms_look(struct pgw_broker_alarms *, const struct pgw_broker_facts *,
                                const struct pgw_loss *, uint64_t now_ms);

/* "evicted_keys". Static. */
const char *pgw_broker_alarm_check(enum pgw_broker_alarm);

/* Nothing may be accepted while it is on. */
bool pgw_broker_alarm_breaks(enum pgw_broker_alarm);

#endif
