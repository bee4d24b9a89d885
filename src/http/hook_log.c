#include "http/hook_log.h"

#include "base/clock.h"
#include "base/metric.h"

static const enum pgw_counter counters[] = {
#define X(name, word) PGW_M_HOOK_##name,
#include "tbl/hook_verdicts.h"
#undef X
};

static bool may_write(struct pgw_hook_lines *lines)
{
        const uint64_t now_ms = pgw_mono_ms();

        if (now_ms - lines->since_ms >= 1000)
                *lines = (struct pgw_hook_lines){.since_ms = now_ms};
        return lines->written++ < PGW_HOOK_LINES_S;
}

void pgw_hook_log(struct pgw_gateway *g, const struct pgw_hook *hook, enum pgw_hook_verdict verdict,
                  bool is_signed, const struct pgw_delivery *delivery)
{
        pgw_metric_add(counters[verdict], 1);
        if (!delivery || g->conf.deliveries.kept_max == 0 ||
            (!is_signed && !may_write(&g->hook_lines)))
                return;
        struct pgw_delivery line = *delivery;
        line.verdict = pgw_str_z(pgw_hook_verdict_word(verdict));
        pgw_delivery_write(g->links.broker, g->links.keyspace, pgw_str_z(hook->name), is_signed,
                           &g->conf.deliveries, &line);
}
