/* Descriptors for clients: as many as are wanted and may be had, and some left for all else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "role/descriptors.h"

#define SPARE (PGW_DESCRIPTORS_SPARE + 2 * PGW_DESCRIPTORS_SPARE_EACH)

/* The hard limit can only be lowered, so the tests go down with it. */
static void limit_to(rlim_t soft, rlim_t hard)
{
        const struct rlimit limit = {soft, hard};

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static rlim_t soft_limit(void)
{
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        return limit.rlim_cur;
}

static void leaves_a_limit_that_suffices(void **state)
{
        (void)state;
        limit_to(300, 1000);
        assert_int_equal(pgw_descriptors_for_clients(300 - SPARE, 2), 300 - SPARE);
        assert_int_equal(soft_limit(), 300);
}

static void raises_the_soft_limit_no_further_than_it_needs(void **state)
{
        (void)state;
        limit_to(300, 1000);
        assert_int_equal(pgw_descriptors_for_clients(500, 2), 500);
        assert_int_equal(soft_limit(), 500 + SPARE);
}

static void takes_what_the_hard_limit_leaves(void **state)
{
        (void)state;
        limit_to(200, 400);
        assert_int_equal(pgw_descriptors_for_clients(10000, 2), 400 - SPARE);
        assert_int_equal(soft_limit(), 400);
        /* With more threads more are spared. */
        assert_int_equal(pgw_descriptors_for_clients(10000, 4),
                         400 - SPARE - 2 * PGW_DESCRIPTORS_SPARE_EACH);
}

static void takes_one_client_at_least(void **state)
{
        (void)state;
        limit_to(SPARE, SPARE);
        assert_int_equal(pgw_descriptors_for_clients(10000, 2), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(leaves_a_limit_that_suffices),
            cmocka_unit_test(raises_the_soft_limit_no_further_than_it_needs),
            cmocka_unit_test(takes_what_the_hard_limit_leaves),
            cmocka_unit_test(takes_one_client_at_least),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
