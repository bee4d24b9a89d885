/* Room in the queue: which limit refuses what, and when it is worth coming back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domain/room.h"

static const struct pgw_room_limits none = {.jobs = 0};
static struct pgw_room_refusal refusal;

static enum pgw_err ask(const struct pgw_queue_load *load, const struct pgw_room_limits *limits,
                        enum pgw_room_kind kind)
{
        memset(&refusal, 0, sizeof refusal);
        return pgw_room_for(load, limits, kind, &refusal);
}

static void is_said(const char *words)
{
        if (!strstr(refusal.fault.detail, words))
                fail_msg("'%s' is not in: %s", words, refusal.fault.detail);
}

static void no_limit_refuses_nothing(void **state)
{
        const struct pgw_queue_load load = {.waiting = UINT32_MAX,
                                            .bytes = UINT64_MAX,
                                            .age_ms = UINT64_MAX,
                                            .used_bytes = 100,
                                            .max_bytes = 100};

        (void)state;
        for (unsigned kind = PGW_ROOM_PATTERNS; kind <= PGW_ROOM_KEYS; kind++)
                assert_int_equal(ask(&load, &none, (enum pgw_room_kind)kind), PGW_OK);
}

/* With `is` of 800 what begins at three quarters, at seven eighths and at the whole. */
static void sheds_in_order(struct pgw_queue_load *load, const struct pgw_room_limits *limits,
                           uint64_t *is, enum pgw_room_limit limit, const char *setting)
{
        static const uint64_t begins[] = {600, 700, 800};

        for (unsigned kind = PGW_ROOM_PATTERNS; kind <= PGW_ROOM_KEYS; kind++) {
                *is = begins[kind] - 1;
                assert_int_equal(ask(load, limits, (enum pgw_room_kind)kind), PGW_OK);
                *is = begins[kind];
                assert_int_equal(ask(load, limits, (enum pgw_room_kind)kind), PGW_E_QUEUE_FULL);
                assert_int_equal(refusal.limit, limit);
                assert_int_equal(refusal.is_shed, kind != PGW_ROOM_KEYS);
                is_said(setting);
        }
}

static void sweeps_are_shed_before_keys(void **state)
{
        const struct pgw_room_limits jobs = {.jobs = 800}, bytes = {.bytes = 800},
                                     age = {.age_ms = 800}, memory = {.memory_percent = 80};
        struct pgw_queue_load load = {.ended_per_1000s = PGW_DRAIN_UNKNOWN};

        (void)state;
        sheds_in_order(&load, &jobs, &load.waiting, PGW_ROOM_JOBS, "queue.depth");
        load.waiting = 0;
        sheds_in_order(&load, &jobs, &load.put_off, PGW_ROOM_JOBS, "queue.depth");
        load.put_off = 0;
        sheds_in_order(&load, &bytes, &load.bytes, PGW_ROOM_BYTES, "queue.bytes");
        load.bytes = 0;
        sheds_in_order(&load, &age, &load.age_ms, PGW_ROOM_AGE, "queue.age_s");
        load.age_ms = 0;
        load.max_bytes = 1000;
        sheds_in_order(&load, &memory, &load.used_bytes, PGW_ROOM_MEMORY, "queue.memory_share");
        load.max_bytes = 0;
        assert_int_equal(ask(&load, &memory, PGW_ROOM_KEYS), PGW_OK);
}

static void says_how_much_there_is(void **state)
{
        const struct pgw_room_limits limits = {.jobs = 1000};
        const struct pgw_queue_load load = {.waiting = 800, .put_off = 7};

        (void)state;
        assert_int_equal(ask(&load, &limits, PGW_ROOM_PATTERNS), PGW_E_QUEUE_FULL);
        assert_string_equal(refusal.fault.detail,
                            "The queue is at its limit queue.depth: it holds 807 of 1000 jobs, and "
                            "patterns are taken below 750.");
}

static void a_small_limit_still_takes_everything_once(void **state)
{
        const struct pgw_room_limits limits = {.jobs = 1};
        struct pgw_queue_load load = {.waiting = 0};

        (void)state;
        assert_int_equal(ask(&load, &limits, PGW_ROOM_PATTERNS), PGW_OK);
        load.waiting = 1;
        assert_int_equal(ask(&load, &limits, PGW_ROOM_PATTERNS), PGW_E_QUEUE_FULL);
}

static void a_full_broker_is_called_that(void **state)
{
        const struct pgw_room_limits both = {.jobs = 10, .memory_percent = 80}, jobs = {.jobs = 10};
        const struct pgw_queue_load load = {
            .waiting = 10, .used_bytes = 101, .max_bytes = 100, .ended_per_1000s = 1000000};

        (void)state;
        assert_int_equal(ask(&load, &both, PGW_ROOM_KEYS), PGW_E_REDIS_OOM);
        assert_int_equal(refusal.limit, PGW_ROOM_MEMORY);
        assert_int_equal(ask(&load, &jobs, PGW_ROOM_KEYS), PGW_E_QUEUE_FULL);
}

static unsigned retry_for(struct pgw_queue_load load, struct pgw_room_limits limits)
{
        assert_true(ask(&load, &limits, PGW_ROOM_KEYS) != PGW_OK);
        return refusal.retry_s;
}

static void retry_is_the_time_that_draining_takes(void **state)
{
        const struct pgw_room_limits jobs = {.jobs = 1000}, bytes = {.bytes = 50000},
                                     age = {.age_ms = 10000}, memory = {.memory_percent = 50};
        struct pgw_queue_load load = {.waiting = 1499, .ended_per_1000s = 25000};

        (void)state;
        /* 500 jobs too many, 25 end in a second. */
        assert_int_equal(retry_for(load, jobs), 21);
        load.ended_per_1000s = 100000000;
        assert_int_equal(retry_for(load, jobs), PGW_ROOM_RETRY_MIN_S);
        load.ended_per_1000s = 100;
        assert_int_equal(retry_for(load, jobs), PGW_ROOM_RETRY_MAX_S);
        load.ended_per_1000s = 0;
        assert_int_equal(retry_for(load, jobs), PGW_ROOM_RETRY_MAX_S);
        load.ended_per_1000s = PGW_DRAIN_UNKNOWN;
        assert_int_equal(retry_for(load, jobs), PGW_ROOM_RETRY_UNKNOWN_S);

        /* A third of the bytes, so a third of the jobs. */
        load = (struct pgw_queue_load){.waiting = 750, .bytes = 74999, .ended_per_1000s = 25000};
        assert_int_equal(retry_for(load, bytes), 11);
        /* Half as old again as it may be: a third of what waits is. */
        load = (struct pgw_queue_load){.waiting = 750, .age_ms = 15000, .ended_per_1000s = 25000};
        assert_int_equal(retry_for(load, age), 11);
        load = (struct pgw_queue_load){.waiting = 750,
                                       .bytes = 30000,
                                       .used_bytes = 59999,
                                       .max_bytes = 100000,
                                       .ended_per_1000s = 25000};
        assert_int_equal(retry_for(load, memory), 11);
}

static void retry_is_late_when_draining_does_not_help(void **state)
{
        const struct pgw_room_limits jobs = {.jobs = 100}, memory = {.memory_percent = 50};
        struct pgw_queue_load load = {.waiting = 5, .put_off = 200, .ended_per_1000s = 1000000};

        (void)state;
        assert_int_equal(retry_for(load, jobs), PGW_ROOM_RETRY_MAX_S);
        load =
            (struct pgw_queue_load){.used_bytes = 90, .max_bytes = 100, .ended_per_1000s = 1000000};
        assert_int_equal(retry_for(load, memory), PGW_ROOM_RETRY_MAX_S);
        load.bytes = 2;
        load.waiting = 10;
        assert_int_equal(retry_for(load, memory), PGW_ROOM_RETRY_MAX_S);
}

static void the_slowest_limit_counts(void **state)
{
        const struct pgw_room_limits limits = {.jobs = 100, .bytes = 1000};
        const struct pgw_queue_load load = {.waiting = 100, .bytes = 2000, .ended_per_1000s = 2000};

        (void)state;
        assert_int_equal(ask(&load, &limits, PGW_ROOM_KEYS), PGW_E_QUEUE_FULL);
        assert_int_equal(refusal.limit, PGW_ROOM_BYTES);
        assert_in_range(refusal.retry_s, 25, 27);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(no_limit_refuses_nothing),
            cmocka_unit_test(sweeps_are_shed_before_keys),
            cmocka_unit_test(says_how_much_there_is),
            cmocka_unit_test(a_small_limit_still_takes_everything_once),
            cmocka_unit_test(a_full_broker_is_called_that),
            cmocka_unit_test(retry_is_the_time_that_draining_takes),
            cmocka_unit_test(retry_is_late_when_draining_does_not_help),
            cmocka_unit_test(the_slowest_limit_counts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
