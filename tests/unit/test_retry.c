/* Which errors use up a try, how long the pauses may grow, and when it is enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/retry.h"

static const struct pgw_retry_conf conf = {
    .base_ms = 100, .cap_ms = 30000, .tries_max = 3, .deliveries_max = 5};

static void bounds_grow_by_class(void **state)
{
        static const struct {
                enum pgw_err_class class;
                uint64_t n, bound_ms;
        } cases[] = {
            {PGW_CLASS_CONNECTION, 0, 100},
            {PGW_CLASS_CONNECTION, 1, 200},
            {PGW_CLASS_CONNECTION, 8, 25600},
            {PGW_CLASS_CONNECTION, 9, 30000},
            {PGW_CLASS_TIMEOUT, 0, 100},
            {PGW_CLASS_TIMEOUT, 1, 400},
            {PGW_CLASS_TIMEOUT, 4, 25600},
            {PGW_CLASS_TIMEOUT, 5, 30000},
            {PGW_CLASS_SERVER, 3, 800},
            {PGW_CLASS_REFUSED, 2, 1600},
            {PGW_CLASS_TIMEOUT, UINT64_MAX, 30000},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_int_equal(pgw_retry_bound_ms(&conf, cases[i].class, cases[i].n),
                                 cases[i].bound_ms);
}

static void base_is_capped_too(void **state)
{
        const struct pgw_retry_conf odd = {.base_ms = 500, .cap_ms = 20};

        (void)state;
        assert_int_equal(pgw_retry_bound_ms(&odd, PGW_CLASS_CONNECTION, 0), 20);
}

static void connections_and_timeouts_use_up_tries(void **state)
{
        struct pgw_tries tries = {0, 0};
        uint64_t pause_ms;

        (void)state;
        assert_int_equal(pgw_retry_judge(&conf, PGW_E_REDIS_CONNECT, &tries, &pause_ms),
                         PGW_RETRY_AGAIN);
        assert_true(pause_ms <= 100);
        assert_int_equal(pgw_retry_judge(&conf, PGW_E_REDIS_TIMEOUT, &tries, &pause_ms),
                         PGW_RETRY_AGAIN);
        assert_true(pause_ms <= 400);
        assert_int_equal(tries.used, 2);
        assert_int_equal(pgw_retry_judge(&conf, PGW_E_REDIS_CLOSED, &tries, &pause_ms),
                         PGW_RETRY_DEAD);
}

static void a_server_that_cannot_just_now_is_waited_for(void **state)
{
        static const enum pgw_err waits[] = {
            PGW_E_REDIS_LOADING,     PGW_E_REDIS_BUSY,       PGW_E_REDIS_TRYAGAIN,
            PGW_E_REDIS_CLUSTERDOWN, PGW_E_REDIS_MASTERDOWN, PGW_E_REDIS_READONLY,
            PGW_E_REDIS_OOM,         PGW_E_REDIS_MISCONF,    PGW_E_REDIS_NOREPLICAS};
        struct pgw_tries tries = {0, 0};
        uint64_t pause_ms;

        (void)state;
        for (size_t i = 0; i < 100; i++)
                assert_int_equal(pgw_retry_judge(&conf, waits[i % 9], &tries, &pause_ms),
                                 PGW_RETRY_AGAIN);
        assert_int_equal(tries.used, 0);
        assert_int_equal(tries.waited, 100);
}

static void without_a_limit_it_is_never_enough(void **state)
{
        const struct pgw_retry_conf endless = {.base_ms = 1, .cap_ms = 10};
        struct pgw_tries tries = {1000000, 0};
        uint64_t pause_ms;

        (void)state;
        assert_int_equal(pgw_retry_judge(&endless, PGW_E_REDIS_CONNECT, &tries, &pause_ms),
                         PGW_RETRY_AGAIN);
}

static void what_is_permanent_has_failed(void **state)
{
        static const enum pgw_err permanent[] = {PGW_E_REDIS_NOPERM, PGW_E_REDIS_WRONGTYPE,
                                                 PGW_E_REDIS_ERROR, PGW_E_TARGET, PGW_E_CODEC};
        struct pgw_tries tries = {0, 0};
        uint64_t pause_ms;

        (void)state;
        for (size_t i = 0; i < sizeof permanent / sizeof permanent[0]; i++)
                assert_int_equal(pgw_retry_judge(&conf, permanent[i], &tries, &pause_ms),
                                 PGW_RETRY_FAILED);
        assert_int_equal(tries.used + tries.waited, 0);
}

static void pauses_are_spread_over_all_of_their_bound(void **state)
{
        uint64_t least = UINT64_MAX, most = 0, pause_ms;

        (void)state;
        for (size_t i = 0; i < 1000; i++) {
                struct pgw_tries tries = {1, 0};
                assert_int_equal(pgw_retry_judge(&conf, PGW_E_REDIS_CONNECT, &tries, &pause_ms),
                                 PGW_RETRY_AGAIN);
                least = pause_ms < least ? pause_ms : least;
                most = pause_ms > most ? pause_ms : most;
        }
        assert_true(least < 20 && most > 180 && most <= 200);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(bounds_grow_by_class),
            cmocka_unit_test(base_is_capped_too),
            cmocka_unit_test(connections_and_timeouts_use_up_tries),
            cmocka_unit_test(a_server_that_cannot_just_now_is_waited_for),
            cmocka_unit_test(without_a_limit_it_is_never_enough),
            cmocka_unit_test(what_is_permanent_has_failed),
            cmocka_unit_test(pauses_are_spread_over_all_of_their_bound),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
