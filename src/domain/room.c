/* Every limit is a pair of numbers, what there is and what may be; a kind of job has a share of
 * what may be. How long it takes to get below that share is worked out for each limit in jobs
 * that must end, because jobs are what is counted when they end. */
#include "domain/room.h"

#define EIGHTHS 8

static const struct {
        const char *name;
        unsigned eighths;
} kinds[] = {
    [PGW_ROOM_PATTERNS] = {"patterns", 6},
    [PGW_ROOM_TAGS] = {"tags", 7},
    [PGW_ROOM_KEYS] = {"keys", 8},
};

static const struct {
        const char *setting, *whose, *unit;
} limits[PGW_ROOM_LIMIT_COUNT] = {
    [PGW_ROOM_JOBS] = {"queue.depth", "it holds", "jobs"},
    [PGW_ROOM_BYTES] = {"queue.bytes", "it takes", "bytes"},
    [PGW_ROOM_AGE] = {"queue.age_s", "its oldest waiting job has an age of", "ms"},
    [PGW_ROOM_MEMORY] = {"queue.memory_share", "the broker uses", "bytes"},
};

static uint64_t jobs_of(const struct pgw_queue_load *load)
{
        return load->waiting + load->put_off;
}

static uint64_t part_of(uint64_t whole, unsigned numerator, unsigned denominator)
{
        return whole / denominator * numerator + whole % denominator * numerator / denominator;
}

/* What may be, for all kinds; 0 is no limit. */
static uint64_t whole_of(enum pgw_room_limit limit, const struct pgw_queue_load *load,
                         const struct pgw_room_limits *l)
{
        switch (limit) {
        case PGW_ROOM_JOBS:
                return l->jobs;
        case PGW_ROOM_BYTES:
                return l->bytes;
        case PGW_ROOM_AGE:
                return l->age_ms;
        default:
                return part_of(load->max_bytes, l->memory_percent, 100);
        }
}

static uint64_t measured(enum pgw_room_limit limit, const struct pgw_queue_load *load)
{
        switch (limit) {
        case PGW_ROOM_JOBS:
                return jobs_of(load);
        case PGW_ROOM_BYTES:
                return load->bytes;
        case PGW_ROOM_AGE:
                return load->age_ms;
        default:
                return load->used_bytes;
        }
}

/* How many jobs must end until `excess` is gone; jobs are taken to be of one size, and to have
 * come evenly. More than there are means that their end does not help. */
static double jobs_to_end(enum pgw_room_limit limit, const struct pgw_queue_load *load,
                          double excess)
{
        const double jobs = (double)(jobs_of(load) + load->running);

        if (limit == PGW_ROOM_JOBS)
                return excess;
        if (limit == PGW_ROOM_AGE)
                return (double)load->waiting * excess / (double)load->age_ms;
        return load->bytes ? excess * jobs / (double)load->bytes : jobs + 1;
}

static unsigned retry_s(enum pgw_room_limit limit, const struct pgw_queue_load *load,
                        uint64_t may_be)
{
        const double ending = (double)(load->waiting + load->running),
                     jobs = jobs_to_end(limit, load, (double)(measured(limit, load) - may_be + 1));

        /* What was put off ends when it is due, however fast the others do. */
        if (jobs > ending || load->ended_per_1000s == 0)
                return PGW_ROOM_RETRY_MAX_S;
        if (load->ended_per_1000s == PGW_DRAIN_UNKNOWN)
                return PGW_ROOM_RETRY_UNKNOWN_S;
        const double seconds = jobs * 1000 / (double)load->ended_per_1000s;
        if (seconds >= PGW_ROOM_RETRY_MAX_S)
                return PGW_ROOM_RETRY_MAX_S;
        return seconds > PGW_ROOM_RETRY_MIN_S ? (unsigned)seconds + 1 : PGW_ROOM_RETRY_MIN_S;
}

static void say(struct pgw_room_refusal *r, const struct pgw_queue_load *load, uint64_t whole,
                uint64_t may_be, enum pgw_room_kind kind)
{
        pgw_fault_set(&r->fault, "",
                      "The queue is at its limit %s: %s %llu of %llu %s, and %s are taken below "
                      "%llu.",
                      limits[r->limit].setting, limits[r->limit].whose,
                      (unsigned long long)measured(r->limit, load), (unsigned long long)whole,
                      limits[r->limit].unit, kinds[kind].name, (unsigned long long)may_be);
}

enum pgw_err pgw_room_for(const struct pgw_queue_load *load, const struct pgw_room_limits *l,
                          enum pgw_room_kind kind, struct pgw_room_refusal *ret)
{
        struct pgw_room_refusal refusal = {.retry_s = 0};
        bool is_full = false, is_shed = true;

        for (unsigned i = 0; i < PGW_ROOM_LIMIT_COUNT; i++) {
                const enum pgw_room_limit limit = (enum pgw_room_limit)i;
                const uint64_t whole = whole_of(limit, load, l),
                               part = part_of(whole, kinds[kind].eighths, EIGHTHS),
                               may_be = part ? part : 1; /* an empty queue takes anything */
                if (whole == 0 || measured(limit, load) < may_be)
                        continue;
                is_full = true;
                is_shed = is_shed && measured(limit, load) < whole;
                const unsigned wait_s = retry_s(limit, load, may_be);
                if (wait_s <= refusal.retry_s)
                        continue;
                refusal.limit = limit;
                refusal.retry_s = wait_s;
                say(&refusal, load, whole, may_be, kind);
        }
        if (!is_full)
                return PGW_OK;
        refusal.is_shed = is_shed;
        *ret = refusal;
        if (refusal.limit == PGW_ROOM_MEMORY && load->used_bytes >= load->max_bytes)
                return PGW_E_REDIS_OOM;
        return PGW_E_QUEUE_FULL;
}
