/* The table of addresses: who is the same, who is forgotten, and that it stays as large as it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/un.h>

#include "http/addresses.h"

#define S UINT64_C(1000000)

static const struct pgw_rate rate = {.per_s = 1, .burst = 10};
static const uint64_t begin = 5000 * S;

static struct pgw_bucket *of_ipv4(struct pgw_addresses *a, uint32_t address)
{
        struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = (in_port_t)address};

        sin.sin_addr.s_addr = htonl(address);
        return pgw_addresses_bucket(a, (const struct sockaddr *)&sin);
}

static struct pgw_bucket *of_ipv6(struct pgw_addresses *a, const char *text)
{
        struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};

        assert_int_equal(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1);
        return pgw_addresses_bucket(a, (const struct sockaddr *)&sin6);
}

static uint64_t left_of(const struct pgw_bucket *bucket, uint64_t now_us)
{
        struct pgw_bucket_level level;

        pgw_bucket_look(bucket, &rate, now_us, &level);
        return level.left;
}

static void an_address_has_a_bucket(void **state)
{
        struct pgw_addresses *a = pgw_addresses_new(64);
        struct pgw_bucket *one = of_ipv4(a, 0x0a000001);

        (void)state;
        assert_non_null(one);
        assert_ptr_equal(one, of_ipv4(a, 0x0a000001));
        assert_ptr_not_equal(one, of_ipv4(a, 0x0a000002));
        pgw_addresses_free(a);
}

static void ipv6_goes_by_its_64(void **state)
{
        struct pgw_addresses *a = pgw_addresses_new(4096);
        const struct pgw_bucket *one = of_ipv6(a, "2001:db8:1:2::1");

        (void)state;
        assert_ptr_equal(one, of_ipv6(a, "2001:db8:1:2:ffff::2"));
        assert_ptr_not_equal(one, of_ipv6(a, "2001:db8:1:3::1"));
        assert_ptr_equal(of_ipv6(a, "::ffff:10.0.0.1"), of_ipv4(a, 0x0a000001));
        assert_ptr_not_equal(of_ipv6(a, "::ffff:10.0.0.1"), of_ipv6(a, "::ffff:10.0.0.2"));
        pgw_addresses_free(a);
}

static void what_is_no_address_has_none(void **state)
{
        const unsigned char key[PGW_ADDRESS_KEY_SIZE] = "0123456789abcde";
        const struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
        struct pgw_addresses *a = pgw_addresses_new(64);

        (void)state;
        assert_null(pgw_addresses_bucket(a, (const struct sockaddr *)&un));
        assert_int_equal(pgw_address_hash(key, (const struct sockaddr *)&un), 0);
        pgw_addresses_free(a);
        pgw_addresses_free(NULL);
}

/* Who comes by once does not push out who is held back. */
static void full_ones_are_forgotten_first(void **state)
{
        struct pgw_addresses *a = pgw_addresses_new(64);

        (void)state;
        assert_true(pgw_bucket_take(of_ipv4(a, 1), &rate, 10, begin, NULL));
        for (uint32_t i = 2; i < 100000; i++)
                (void)of_ipv4(a, i);
        assert_int_equal(left_of(of_ipv4(a, 1), begin), 0);
        assert_int_equal(left_of(of_ipv4(a, 1), begin + 10 * S), 10);
        pgw_addresses_free(a);
}

/* A table of 64, all of whose places are used up by as many addresses as one likes, lets in no more
 * than 64 buckets hold; and it grows by nothing. */
static void many_addresses_get_no_more_than_the_table(void **state)
{
        struct pgw_addresses *a = pgw_addresses_new(64);
        const size_t before = mallinfo2().uordblks;
        uint64_t taken = 0;

        (void)state;
        for (uint32_t i = 0; i < 100000; i++)
                while (pgw_bucket_take(of_ipv4(a, i), &rate, 1, begin, NULL))
                        taken++;
        assert_int_equal(taken, 64 * rate.burst);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        assert_int_equal(mallinfo2().uordblks, before);
#else
        (void)before;
#endif
        pgw_addresses_free(a);
}

/* Two tables put the same addresses elsewhere: which of them meet cannot be known beforehand. */
static void nobody_can_aim(void **state)
{
        struct pgw_addresses *a = pgw_addresses_new(4096), *b = pgw_addresses_new(4096);
        const char *a0 = (const char *)of_ipv4(a, 0), *b0 = (const char *)of_ipv4(b, 0);
        unsigned same = 0;

        (void)state;
        for (uint32_t i = 1; i < 256; i++)
                same += (const char *)of_ipv4(a, i) - a0 == (const char *)of_ipv4(b, i) - b0;
        assert_true(same < 8);
        pgw_addresses_free(a);
        pgw_addresses_free(b);
}

#define THREADS 4

static struct pgw_addresses *shared;

static void *take_all(void *ret)
{
        uint64_t *taken = ret;

        for (unsigned round = 0; round < 20; round++)
                for (uint32_t i = 0; i < 1000; i++)
                        *taken += pgw_bucket_take(of_ipv4(shared, i), &rate, 1, begin, NULL);
        return NULL;
}

static void threads_share_a_table(void **state)
{
        uint64_t taken[THREADS] = {0}, sum = 0;
        pthread_t threads[THREADS];

        (void)state;
        shared = pgw_addresses_new(128);
        for (unsigned i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, take_all, &taken[i]), 0);
        for (unsigned i = 0; i < THREADS; i++) {
                pthread_join(threads[i], NULL);
                sum += taken[i];
        }
        assert_int_equal(sum, 128 * rate.burst);
        pgw_addresses_free(shared);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_address_has_a_bucket),
            cmocka_unit_test(ipv6_goes_by_its_64),
            cmocka_unit_test(what_is_no_address_has_none),
            cmocka_unit_test(full_ones_are_forgotten_first),
            cmocka_unit_test(many_addresses_get_no_more_than_the_table),
            cmocka_unit_test(nobody_can_aim),
            cmocka_unit_test(threads_share_a_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
