/* Buckets: never more than rate * time + burst, as much as that for whoever always wants it, and
 * the same from many threads. A model that counts in fractions says what may be taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/bucket.h"

#define S UINT64_C(1000000)

static const uint64_t begin = 5000 * S;

static uint64_t random_of(uint64_t *state)
{
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

static uint64_t left_of(const struct pgw_bucket *b, const struct pgw_rate *rate, uint64_t now_us)
{
        struct pgw_bucket_level level;

        pgw_bucket_look(b, rate, now_us, &level);
        return level.left;
}

static void a_new_one_is_full(void **state)
{
        const struct pgw_rate rate = {.per_s = 3, .burst = 7};
        struct pgw_bucket b = {0};
        struct pgw_bucket_level level;

        (void)state;
        pgw_bucket_look(&b, &rate, begin, &level);
        assert_int_equal(level.left, 7);
        assert_int_equal(level.wait_us, 0);
        assert_int_equal(level.full_us, 0);
        for (unsigned i = 7; i-- > 0;) {
                assert_true(pgw_bucket_take(&b, &rate, 1, begin, &level));
                assert_int_equal(level.left, i);
        }
        assert_false(pgw_bucket_take(&b, &rate, 1, begin, &level));
}

/* The wait that is told is the shortest one. */
static void it_says_how_long_to_wait(void **state)
{
        static const uint64_t rates[] = {1, 3, 7, 999, 1000, 100000, 9999999, PGW_RATE_MAX};

        (void)state;
        for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
                for (uint64_t n = 1; n <= 9; n += 4) {
                        const struct pgw_rate rate = {.per_s = rates[i], .burst = 10};
                        struct pgw_bucket b = {0};
                        struct pgw_bucket_level level;
                        assert_true(pgw_bucket_take(&b, &rate, 10, begin, NULL));
                        assert_false(pgw_bucket_take(&b, &rate, n, begin, &level));
                        assert_true(level.wait_us > 0 && level.wait_us <= level.full_us);
                        const uint64_t wait_us = level.wait_us;
                        assert_false(pgw_bucket_take(&b, &rate, n, begin + wait_us - 1, NULL));
                        assert_true(pgw_bucket_take(&b, &rate, n, begin + wait_us, NULL));
                }
}

static void it_is_full_after_a_burst_of_time(void **state)
{
        const struct pgw_rate rate = {.per_s = 4, .burst = 12};
        struct pgw_bucket b = {0};
        struct pgw_bucket_level level;

        (void)state;
        assert_true(pgw_bucket_take(&b, &rate, 12, begin, &level));
        assert_int_equal(level.full_us, 3 * S);
        assert_int_equal(left_of(&b, &rate, begin + 1 * S), 4);
        assert_int_equal(left_of(&b, &rate, begin + 3 * S - 1), 11);
        assert_int_equal(left_of(&b, &rate, begin + 3 * S), 12);
        assert_int_equal(left_of(&b, &rate, begin + 3000 * S), 12);
}

static void what_is_given_back_is_there_again(void **state)
{
        const struct pgw_rate rate = {.per_s = 4, .burst = 12};
        struct pgw_bucket b = {0};

        (void)state;
        assert_true(pgw_bucket_take(&b, &rate, 5, begin, NULL));
        assert_true(pgw_bucket_take(&b, &rate, 7, begin, NULL));
        pgw_bucket_give(&b, &rate, 5);
        assert_int_equal(left_of(&b, &rate, begin), 5);
        pgw_bucket_give(&b, &rate, 7);
        assert_int_equal(left_of(&b, &rate, begin), 12);
        assert_true(pgw_bucket_take(&b, &rate, 12, begin, NULL));
        assert_false(pgw_bucket_take(&b, &rate, 1, begin, NULL));
}

/* Threads read their clocks at different times; the older time may cost, but never gives. */
static void an_older_time_gives_nothing(void **state)
{
        const struct pgw_rate rate = {.per_s = 10, .burst = 10};
        struct pgw_bucket b = {0};

        (void)state;
        assert_true(pgw_bucket_take(&b, &rate, 10, begin + S, NULL));
        assert_int_equal(left_of(&b, &rate, begin), 0);
        assert_false(pgw_bucket_take(&b, &rate, 1, begin, NULL));
        assert_false(pgw_bucket_take(&b, &rate, 1, begin + S, NULL));
        assert_true(pgw_bucket_take(&b, &rate, 10, begin + 2 * S, NULL));
}

/* Someone who asks for random amounts at random times, against units counted one by one. */
static void it_does_as_the_model_does(void **state)
{
        static const struct pgw_rate rates[] = {{1, 1},     {1, 100},       {10, 3},
                                                {997, 500}, {250000, 1000}, {PGW_RATE_MAX, 5000}};
        uint64_t seed = 88172645463325252u;

        (void)state;
        for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
                const struct pgw_rate *rate = &rates[i];
                struct pgw_bucket b = {0};
                long double have = (long double)rate->burst;
                uint64_t now_us = begin;
                for (unsigned step = 0; step < 20000; step++) {
                        const uint64_t n = 1 + random_of(&seed) % rate->burst,
                                       pause_us = random_of(&seed) % (2 * n * S / rate->per_s + 2);
                        now_us += pause_us;
                        have += (long double)pause_us * (long double)rate->per_s / S;
                        if (have > (long double)rate->burst)
                                have = (long double)rate->burst;
                        /* Nearer than a thousandth of a unit the model is no judge. */
                        const bool is_taken = pgw_bucket_take(&b, rate, n, now_us, NULL);
                        if (have > (long double)n + 0.001L)
                                assert_true(is_taken);
                        if (have < (long double)n - 0.001L)
                                assert_false(is_taken);
                        if (is_taken)
                                have -= (long double)n;
                }
        }
}

/* Asked without a pause for ten seconds: all that is due, and nothing more. */
static void who_always_wants_gets_the_rate(void **state)
{
        static const struct pgw_rate rates[] = {{1, 1}, {7, 20}, {1000, 1}, {1100, 7}, {33333, 5}};

        (void)state;
        for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
                const uint64_t due = 10 * rates[i].per_s + rates[i].burst;
                struct pgw_bucket b = {0};
                uint64_t taken = 0;
                for (uint64_t us = 0; us <= 10 * S; us += 3)
                        while (pgw_bucket_take(&b, &rates[i], 1, begin + us, NULL))
                                taken++;
                assert_in_range(taken, due - due / 100 - 1, due);
        }
}

static void the_fuller_one_is_known(void **state)
{
        const struct pgw_rate rate = {.per_s = 10, .burst = 10};
        struct pgw_bucket a = {0}, b = {0};

        (void)state;
        assert_false(pgw_bucket_is_fuller(&a, &b));
        assert_true(pgw_bucket_take(&b, &rate, 1, begin, NULL));
        assert_true(pgw_bucket_is_fuller(&a, &b));
        assert_true(pgw_bucket_take(&a, &rate, 1, begin + S, NULL));
        assert_true(pgw_bucket_is_fuller(&b, &a));
}

/* Where a unit is a few ticks only, its length is rounded, and never to less. */
static void the_highest_rates_are_kept_too(void **state)
{
        static const struct pgw_rate rates[] = {
            {6700001, 10000}, {9999999, 10000}, {8123457, 10000}};

        (void)state;
        for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
                const uint64_t due = rates[i].per_s + rates[i].burst;
                struct pgw_bucket b = {0};
                uint64_t taken = 0;
                for (uint64_t us = 0; us <= S; us += 100)
                        while (pgw_bucket_take(&b, &rates[i], 10, begin + us, NULL))
                                taken += 10;
                assert_in_range(taken, due - due / 1000, due);
        }
}

/* ---- threads ---- */

#define THREADS 4

static struct pgw_bucket shared;
static const struct pgw_rate shared_rate = {.per_s = 1, .burst = 1000000};
static unsigned waiting = THREADS; /* atomic */

static void *take_all(void *ret)
{
        uint64_t *taken = ret;

        (void)__atomic_sub_fetch(&waiting, 1, __ATOMIC_RELAXED);
        while (__atomic_load_n(&waiting, __ATOMIC_RELAXED))
                ;
        while (pgw_bucket_take(&shared, &shared_rate, 1, begin, NULL))
                ++*taken;
        return NULL;
}

/* No take is lost when two come at once. */
static void threads_together_get_what_is_there(void **state)
{
        uint64_t taken[THREADS] = {0}, sum = 0;
        pthread_t threads[THREADS];

        (void)state;
        for (unsigned i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, take_all, &taken[i]), 0);
        for (unsigned i = 0; i < THREADS; i++) {
                pthread_join(threads[i], NULL);
                sum += taken[i];
        }
        assert_int_equal(sum, shared_rate.burst);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_new_one_is_full),
            cmocka_unit_test(it_says_how_long_to_wait),
            cmocka_unit_test(it_is_full_after_a_burst_of_time),
            cmocka_unit_test(what_is_given_back_is_there_again),
            cmocka_unit_test(an_older_time_gives_nothing),
            cmocka_unit_test(it_does_as_the_model_does),
            cmocka_unit_test(who_always_wants_gets_the_rate),
            cmocka_unit_test(the_highest_rates_are_kept_too),
            cmocka_unit_test(the_fuller_one_is_known),
            cmocka_unit_test(threads_together_get_what_is_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
