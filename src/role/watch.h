/* role/watch.h - what is wrong with the broker becomes log lines and metrics.
 *
 * One watch a process. A line is written when an alarm begins ("broker.alarm") and one when it is
 * over ("broker.alarm_over"), however often the broker is looked at between.
 */
#ifndef PGW_ROLE_WATCH_H
#define PGW_ROLE_WATCH_H

#include "domain/broker_alarm.h"
#include "role/settings.h"

/* The operator's thresholds. */
struct pgw_alarm_limits pgw_watch_limits(const struct pgw_settings *);

/* After a look at the broker. */
void pgw_watch_look(struct pgw_broker_alarms *, const struct pgw_broker_facts *,
                    const struct pgw_loss *, uint64_t now_ms);

#endif
