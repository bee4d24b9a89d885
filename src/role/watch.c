#include "role/watch.h"

#include "base/log.h"
#include "base/metric.h"

struct pgw_alarm_limits pgw_watch_limits(const struct pgw_settings *s)
{
        return (struct pgw_alarm_limits){
            .blocked_percent = (unsigned)s->broker_blocked_share,
            .fragmentation_percent = (unsigned)s->broker_fragmentation,
        };
}

static void show(const struct pgw_broker_facts *f)
{
        pgw_metric_set(PGW_G_BROKER_USED_BYTES, (int64_t)f->used_bytes);
        pgw_metric_set(PGW_G_BROKER_MAX_BYTES, (int64_t)f->max_bytes);
        pgw_metric_set(PGW_G_BROKER_CLIENTS, (int64_t)f->clients);
        pgw_metric_set(PGW_G_BROKER_BLOCKED, (int64_t)f->blocked_clients);
        pgw_metric_set(PGW_G_BROKER_OWN_BLOCKED, (int64_t)f->own_blocked);
        pgw_metric_set(PGW_G_BROKER_EVICTED, (int64_t)f->evicted_keys);
        pgw_metric_set(PGW_G_BROKER_REJECTED, (int64_t)f->rejected_connections);
        if (f->fragmentation)
                pgw_metric_set(PGW_G_BROKER_FRAGMENTATION, (int64_t)f->fragmentation * 10);
        else
                pgw_metric_forget(PGW_G_BROKER_FRAGMENTATION);
}

static void tell(const struct pgw_broker_alarms *a, enum pgw_broker_alarm alarm)
{
        const bool is_grave = pgw_broker_alarm_breaks(alarm) || alarm == PGW_ALARM_QUEUE_LOST;

        if (a->is_on[alarm])
                PGW_LOG(is_grave ? PGW_LOG_ERROR : PGW_LOG_WARN, "broker.alarm",
                        PGW_L_STR("check", pgw_broker_alarm_check(alarm)),
                        PGW_L_STR("detail", a->faults[alarm].detail));
        else
                PGW_LOG(PGW_LOG_INFO, "broker.alarm_over",
                        PGW_L_STR("check", pgw_broker_alarm_check(alarm)));
}

void pgw_watch_look(struct pgw_broker_alarms *a, const struct pgw_broker_facts *facts,
                    const struct pgw_loss *loss, uint64_t now_ms)
{
        static const enum pgw_gauge gauges[PGW_ALARM_COUNT] = {
#define A(name, check, breaks) [PGW_ALARM_##name] = PGW_G_ALARM_##name,
#include "tbl/broker_alarms.h"
#undef A
        };
        const unsigned changed = pgw_broker_alarms_look(a, facts, loss, now_ms);

        show(facts);
        for (unsigned i = 0; i < PGW_ALARM_COUNT; i++) {
                pgw_metric_set(gauges[i], a->is_on[i]);
                if (changed >> i & 1)
                        tell(a, (enum pgw_broker_alarm)i);
        }
}
