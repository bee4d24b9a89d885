/* What can be seen of randomness from outside: sizes, ranges, no repetition. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"

static void fills_exactly_what_was_asked(void **state)
{
        unsigned char bytes[10002];
        unsigned seen[256] = {0};

        (void)state;
        for (size_t size = 0; size < 40; size++) {
                memset(bytes, 0xa5, sizeof bytes);
                pgw_rand_bytes(bytes, size);
                assert_int_equal(bytes[size], 0xa5);
        }
        /* More than the page that is fetched at a time, and every byte of it is new. */
        memset(bytes, 0, sizeof bytes);
        pgw_rand_bytes(bytes + 1, 10000);
        assert_int_equal(bytes[0], 0);
        assert_int_equal(bytes[10001], 0);
        for (size_t i = 1; i <= 10000; i++)
                seen[bytes[i]]++;
        /* 39 of each are expected; the odds against these bounds are beyond 10^-20. */
        for (size_t i = 0; i < 256; i++)
                assert_in_range(seen[i], 1, 120);
}

static void does_not_repeat(void **state)
{
        enum { COUNT = 4096 };
        static uint64_t drawn[COUNT];

        (void)state;
        for (size_t i = 0; i < COUNT; i++) {
                drawn[i] = pgw_rand_u64();
                for (size_t k = 0; k < i; k++)
                        assert_true(drawn[k] != drawn[i]);
        }
}

static void *draw(void *out)
{
        pgw_rand_bytes(out, 16);
        return NULL;
}

static void differs_between_threads(void **state)
{
        unsigned char mine[16], theirs[16];
        pthread_t thread;

        (void)state;
        assert_int_equal(pthread_create(&thread, NULL, draw, theirs), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        pgw_rand_bytes(mine, sizeof mine);
        assert_memory_not_equal(mine, theirs, sizeof mine);
}

static void stays_below_its_bound(void **state)
{
        unsigned seen[7] = {0};

        (void)state;
        for (int i = 0; i < 7000; i++) {
                const uint64_t n = pgw_rand_below(7);
                assert_true(n < 7);
                seen[n]++;
        }
        for (size_t i = 0; i < 7; i++)
                assert_in_range(seen[i], 700, 1400);
        for (int i = 0; i < 100; i++)
                assert_int_equal(pgw_rand_below(1), 0);
        uint64_t high = 0;
        for (int i = 0; i < 100; i++)
                high |= pgw_rand_below(UINT64_MAX) >> 60;
        assert_int_equal(high, 15);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(fills_exactly_what_was_asked),
            cmocka_unit_test(does_not_repeat),
            cmocka_unit_test(differs_between_threads),
            cmocka_unit_test(stays_below_its_bound),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
