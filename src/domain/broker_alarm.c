/* Each alarm has a finder, which says in words what it found. Those of numbers that grow find
 * something only in the look in which they did, and stay on for a while. */
#include "domain/broker_alarm.h"

#include <string.h>

struct view {
        const struct pgw_broker_alarms *alarms;
        const struct pgw_broker_facts *facts;
        const struct pgw_loss *loss;
};

typedef bool finder_f(const struct view *, struct pgw_fault *);

static bool policy(const struct view *v, struct pgw_fault *fault)
{
        return pgw_broker_judge_eviction(v->facts, &v->alarms->demands, fault) != PGW_OK;
}

static bool durability(const struct view *v, struct pgw_fault *fault)
{
        return pgw_broker_judge_durability(v->facts, &v->alarms->demands, fault) != PGW_OK;
}

static bool aof_write(const struct view *v, struct pgw_fault *fault)
{
        return pgw_broker_judge_disk(v->facts, fault) != PGW_OK;
}

static bool is_bad(const char *status)
{
        return status[0] && strcmp(status, "ok") != 0;
}

static bool aof_rewrite(const struct view *v, struct pgw_fault *fault)
{
        if (!is_bad(v->facts->aof_rewrite))
                return false;
        pgw_fault_set(fault, "broker",
                      "the broker could not rewrite its append-only file, which grows until it "
                      "can: look at its log and its disk");
        return true;
}

static bool rdb_save(const struct view *v, struct pgw_fault *fault)
{
        if (!v->facts->save[0] || !is_bad(v->facts->rdb_save))
                return false;
        pgw_fault_set(fault, "broker",
                      "the broker could not save its data (save is on) and may refuse writes: look "
                      "at its log and its disk");
        return true;
}

/* Lower than before means that the server was started anew. */
static uint64_t growth(uint64_t before, uint64_t now)
{
        return now > before ? now - before : 0;
}

static bool evicted(const struct view *v, struct pgw_fault *fault)
{
        const uint64_t more = growth(v->alarms->before.evicted_keys, v->facts->evicted_keys);

        if (!v->alarms->has_before || !more)
                return false;
        pgw_fault_set(fault, "broker",
                      "the broker evicted %llu keys more, %llu since it started: what it keeps of "
                      "the queue is not safe",
                      (unsigned long long)more, (unsigned long long)v->facts->evicted_keys);
        return true;
}

static bool rejected(const struct view *v, struct pgw_fault *fault)
{
        const uint64_t more =
            growth(v->alarms->before.rejected_connections, v->facts->rejected_connections);

        if (!v->alarms->has_before || !more)
                return false;
        pgw_fault_set(fault, "broker",
                      "the broker turned %llu connections more away, %llu since it started: raise "
                      "its maxclients, or find who connects so often",
                      (unsigned long long)more, (unsigned long long)v->facts->rejected_connections);
        return true;
}

static bool blocked(const struct view *v, struct pgw_fault *fault)
{
        const struct pgw_broker_facts *f = v->facts;
        const uint64_t others = growth(f->own_blocked, f->blocked_clients),
                       clients = growth(f->own_blocked, f->clients),
                       percent = v->alarms->limits.blocked_percent;

        if (!percent || others * 100 <= clients * percent)
                return false;
        pgw_fault_set(fault, "broker.blocked_share",
                      "%llu of the broker's %llu clients are blocked, our %llu waiting workers not "
                      "counted",
                      (unsigned long long)others, (unsigned long long)clients,
                      (unsigned long long)f->own_blocked);
        return true;
}

static bool fragmented(const struct view *v, struct pgw_fault *fault)
{
        const struct pgw_broker_facts *f = v->facts;
        const unsigned percent = v->alarms->limits.fragmentation_percent;

        if (!percent || f->used_bytes < PGW_FRAGMENTED_MIN_BYTES || f->fragmentation <= percent)
                return false;
        pgw_fault_set(
            fault, "broker.fragmentation",
            "the broker occupies %llu %% of the %llu bytes that it uses: activedefrag yes, "
            "or a restart, gives the rest back",
            (unsigned long long)f->fragmentation, (unsigned long long)f->used_bytes);
        return true;
}

static bool queue_lost(const struct view *v, struct pgw_fault *fault)
{
        const struct pgw_loss *loss = v->loss;

        if (loss->count == v->alarms->losses_before) {
                if (loss->missed == v->alarms->missed_before)
                        return false;
                pgw_fault_set(fault, "queue",
                              "somebody deleted the group or the stream of a lane while workers "
                              "held jobs of it: what is still there is done again");
                return true;
        }
        pgw_fault_set(
            fault, "queue",
            "somebody deleted the %s of lane %s, or the broker forgot it, while %llu jobs "
            "waited and %llu were running: %s",
            loss->is_group_only ? "group" : "stream", pgw_lane_name((enum pgw_lane)loss->lane),
            (unsigned long long)loss->waiting, (unsigned long long)loss->running,
            loss->is_group_only ? "all of them are done again" : "they are lost");
        return true;
}

static const struct {
        const char *check;
        bool breaks;
} rows[] = {
#define A(name, check, breaks) {check, breaks},
#include "tbl/broker_alarms.h"
#undef A
};

static const struct {
        finder_f *find;
        bool is_growth;
} finders[PGW_ALARM_COUNT] = {
    [PGW_ALARM_POLICY] = {policy, false},         [PGW_ALARM_DURABILITY] = {durability, false},
    [PGW_ALARM_AOF_WRITE] = {aof_write, false},   [PGW_ALARM_AOF_REWRITE] = {aof_rewrite, false},
    [PGW_ALARM_RDB_SAVE] = {rdb_save, false},     [PGW_ALARM_EVICTED] = {evicted, true},
    [PGW_ALARM_REJECTED] = {rejected, true},      [PGW_ALARM_BLOCKED] = {blocked, false},
    [PGW_ALARM_FRAGMENTED] = {fragmented, false}, [PGW_ALARM_QUEUE_LOST] = {queue_lost, true},
};

void pgw_broker_alarms_init(struct pgw_broker_alarms *a, const struct pgw_broker_demands *demands,
                            const struct pgw_alarm_limits *limits)
{
        *a = (struct pgw_broker_alarms){.demands = *demands, .limits = *limits};
}

/* Is it on after this look? */
static bool look_at(struct pgw_broker_alarms *a, enum pgw_broker_alarm alarm, const struct view *v,
                    uint64_t now_ms)
{
        if (finders[alarm].find(v, &a->faults[alarm])) {
                a->seen_ms[alarm] = now_ms;
                return true;
        }
        return finders[alarm].is_growth && a->is_on[alarm] &&
               now_ms - a->seen_ms[alarm] < PGW_ALARM_CALM_MS;
}

unsigned pgw_broker_alarms_look(struct pgw_broker_alarms *a, const struct pgw_broker_facts *facts,
                                const struct pgw_loss *loss, uint64_t now_ms)
{
        const struct view view = {a, facts, loss};
        unsigned changed = 0;

        for (unsigned i = 0; i < PGW_ALARM_COUNT; i++) {
                const bool is_on = look_at(a, (enum pgw_broker_alarm)i, &view, now_ms);
                if (is_on != a->is_on[i])
                        changed |= 1u << i;
                a->is_on[i] = is_on;
        }
        a->has_before = true;
        a->before = *facts;
        a->losses_before = loss->count;
        a->missed_before = loss->missed;
        return changed;
}

const char *pgw_broker_alarm_check(enum pgw_broker_alarm alarm)
{
        return rows[alarm].check;
}

bool pgw_broker_alarm_breaks(enum pgw_broker_alarm alarm)
{
        return rows[alarm].breaks;
}
