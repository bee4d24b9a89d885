/* When a server is left alone, how one command finds out that it may be asked again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis/breaker.h"

static struct pgw_breaker opened(enum pgw_err err)
{
        struct pgw_breaker b = {.refusals = 0};

        for (unsigned i = 0; i + 1 < PGW_BREAKER_REFUSALS; i++) {
                assert_int_equal(pgw_breaker_note(&b, err, 1000), PGW_BREAKER_SAME);
                assert_int_equal(pgw_breaker_ask(&b, 1000), PGW_OK);
        }
        assert_int_equal(pgw_breaker_note(&b, err, 1000), PGW_BREAKER_OPENED);
        return b;
}

static void opens_after_so_many_refusals_in_a_row(void **state)
{
        static const enum pgw_err refusals[] = {PGW_E_REDIS_LOADING,    PGW_E_REDIS_BUSY,
                                                PGW_E_REDIS_MASTERDOWN, PGW_E_REDIS_CLUSTERDOWN,
                                                PGW_E_REDIS_READONLY,   PGW_E_REDIS_MISCONF,
                                                PGW_E_REDIS_NOREPLICAS, PGW_E_REDIS_AUTH};

        (void)state;
        for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
                struct pgw_breaker b = opened(refusals[i]);
                assert_int_equal(pgw_breaker_ask(&b, 1000), refusals[i]);
                assert_true(pgw_breaker_is_open(&b, 1000));
        }
}

static void other_answers_keep_it_closed(void **state)
{
        static const enum pgw_err good[] = {
            PGW_OK,           PGW_E_REDIS_MOVED,  PGW_E_REDIS_TRYAGAIN,
            PGW_E_REDIS_OOM,  PGW_E_REDIS_NOPERM, PGW_E_REDIS_WRONGTYPE,
            PGW_E_REDIS_ERROR};

        (void)state;
        for (size_t k = 0; k < sizeof good / sizeof good[0]; k++) {
                struct pgw_breaker b = {.refusals = 0};
                for (unsigned i = 0; i < 10 * PGW_BREAKER_REFUSALS; i++) {
                        const enum pgw_err err =
                            i % PGW_BREAKER_REFUSALS ? PGW_E_REDIS_BUSY : good[k];
                        assert_int_equal(pgw_breaker_note(&b, err, i), PGW_BREAKER_SAME);
                }
                assert_int_equal(pgw_breaker_ask(&b, 0), PGW_OK);
        }
}

static void one_is_let_through_and_closes_it(void **state)
{
        struct pgw_breaker b = opened(PGW_E_REDIS_BUSY);

        (void)state;
        const uint64_t later_ms = 1000 + PGW_BREAKER_PAUSE_MIN_MS;
        assert_int_equal(pgw_breaker_ask(&b, later_ms), PGW_OK);
        assert_int_equal(pgw_breaker_ask(&b, later_ms), PGW_E_REDIS_BUSY);
        assert_int_equal(pgw_breaker_note(&b, PGW_OK, later_ms), PGW_BREAKER_CLOSED);
        assert_int_equal(pgw_breaker_ask(&b, later_ms), PGW_OK);
        assert_int_equal(pgw_breaker_ask(&b, later_ms), PGW_OK);
}

static void pauses_grow_while_it_does_not_get_better(void **state)
{
        struct pgw_breaker b = opened(PGW_E_REDIS_LOADING);
        uint64_t now_ms = 1000, longest_ms = 0;

        (void)state;
        for (unsigned i = 0; i < 20; i++) {
                const uint64_t pause_ms = b.until_ms - now_ms;
                assert_true(pause_ms >= PGW_BREAKER_PAUSE_MIN_MS / 2);
                assert_true(pause_ms <= PGW_BREAKER_PAUSE_MAX_MS);
                longest_ms = pause_ms > longest_ms ? pause_ms : longest_ms;
                now_ms = b.until_ms;
                assert_int_equal(pgw_breaker_ask(&b, now_ms), PGW_OK);
                assert_int_equal(pgw_breaker_note(&b, PGW_E_REDIS_LOADING, now_ms),
                                 PGW_BREAKER_SAME);
                assert_int_equal(pgw_breaker_ask(&b, now_ms), PGW_E_REDIS_LOADING);
        }
        assert_true(longest_ms >= PGW_BREAKER_PAUSE_MAX_MS / 2);
}

static void answers_of_those_under_way_make_it_no_longer(void **state)
{
        struct pgw_breaker b = opened(PGW_E_REDIS_BUSY);
        const uint64_t until_ms = b.until_ms;

        (void)state;
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(pgw_breaker_note(&b, PGW_E_REDIS_BUSY, 1000), PGW_BREAKER_SAME);
        assert_int_equal(b.until_ms, until_ms);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(opens_after_so_many_refusals_in_a_row),
            cmocka_unit_test(other_answers_keep_it_closed),
            cmocka_unit_test(one_is_let_through_and_closes_it),
            cmocka_unit_test(pauses_grow_while_it_does_not_get_better),
            cmocka_unit_test(answers_of_those_under_way_make_it_no_longer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
