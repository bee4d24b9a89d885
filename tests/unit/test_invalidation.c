/* Keys in the form they travel through the stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "domain/invalidation.h"

static void encodes_lengths_and_bytes(void **state)
{
        char long_key[300];
        struct pgw_buf b;

        (void)state;
        memset(long_key, 'x', sizeof long_key);
        const struct pgw_str keys[] = {PGW_STR("a"),
                                       PGW_STR(""),
                                       PGW_STR("b\0\r\n\xff"),
                                       pgw_str_of(long_key, 127),
                                       pgw_str_of(long_key, 128),
                                       pgw_str_of(long_key, 300)};
        pgw_buf_init(&b, 1000);
        assert_int_equal(pgw_keys_encode(&b, keys, 6), PGW_OK);
        assert_int_equal(b.n, 2 + 1 + 6 + 128 + 130 + 302);
        assert_memory_equal(b.p,
                            "\x01"
                            "a\0\x05"
                            "b\0\r\n\xff\x7f",
                            10);
        assert_memory_equal(b.p + 2 + 1 + 6 + 128, "\x80\x01x", 3);
        assert_memory_equal(b.p + 2 + 1 + 6 + 128 + 130, "\xac\x02x", 3);

        struct pgw_str rest = pgw_buf_str(&b), key;
        size_t count = 0;
        assert_int_equal(pgw_keys_count(rest, &count), PGW_OK);
        assert_int_equal(count, 6);
        for (size_t i = 0; i < 6; i++) {
                assert_int_equal(pgw_keys_next(&rest, &key), PGW_OK);
                assert_true(pgw_str_eq(key, keys[i]));
        }
        assert_int_equal(rest.n, 0);
        assert_int_equal(pgw_keys_next(&rest, &key), PGW_E_CODEC);
        pgw_buf_fini(&b);
}

static void carries_a_key_past_two_groups(void **state)
{
        static char bytes[2097153];
        const struct pgw_str sent = pgw_str_of(bytes, sizeof bytes);
        struct pgw_str rest, key;
        struct pgw_buf b;

        (void)state;
        pgw_buf_init(&b, sizeof bytes + 10);
        assert_int_equal(pgw_keys_encode(&b, &sent, 1), PGW_OK);
        assert_int_equal(b.n, sizeof bytes + 4);
        rest = pgw_buf_str(&b);
        assert_int_equal(pgw_keys_next(&rest, &key), PGW_OK);
        assert_int_equal(key.n, sizeof bytes);
        pgw_buf_fini(&b);
}

static void stops_at_the_ceiling(void **state)
{
        const struct pgw_str keys[] = {PGW_STR("abc"), PGW_STR("de")};

        (void)state;
        for (size_t max = 0; max <= 7; max++) {
                struct pgw_buf b;
                pgw_buf_init(&b, max);
                assert_int_equal(pgw_keys_encode(&b, keys, 2), max < 7 ? PGW_E_TOO_LARGE : PGW_OK);
                pgw_buf_fini(&b);
        }
}

static void counts_none_in_nothing(void **state)
{
        struct pgw_buf b;
        size_t count = 9;

        (void)state;
        assert_int_equal(pgw_keys_count((struct pgw_str){NULL, 0}, &count), PGW_OK);
        assert_int_equal(count, 0);
        pgw_buf_init(&b, 10);
        assert_int_equal(pgw_keys_encode(&b, NULL, 0), PGW_OK);
        assert_int_equal(b.n, 0);
        pgw_buf_fini(&b);
}

static void refuses_what_is_not_a_list(void **state)
{
        static const struct pgw_str bad[] = {
            {"\x01", 1},
            {"\x05"
             "abcd",
             5},
            {"\x80", 1},
            {"\xff\xff\xff\xff", 4},
            {"\xff\xff\xff\xff\x7f", 5},
            {"\x80\x80\x80\x80\x80\x01", 6},
            {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
            {"\x01"
             "a\x02"
             "b",
             4},
        };

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                size_t count = 77;
                char *exact = malloc(bad[i].n);
                assert_non_null(exact);
                memcpy(exact, bad[i].p, bad[i].n);
                assert_int_equal(pgw_keys_count(pgw_str_of(exact, bad[i].n), &count), PGW_E_CODEC);
                assert_int_equal(count, 77);
                free(exact);
        }
}

static void leaves_the_rest_alone_when_it_fails(void **state)
{
        struct pgw_str rest = PGW_STR("\x05"
                                      "abc"),
                       key = PGW_STR("before");
        const struct pgw_str before = rest;

        (void)state;
        assert_int_equal(pgw_keys_next(&rest, &key), PGW_E_CODEC);
        assert_ptr_equal(rest.p, before.p);
        assert_int_equal(rest.n, before.n);
        assert_true(pgw_str_eq_z(key, "before"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(encodes_lengths_and_bytes),
            cmocka_unit_test(carries_a_key_past_two_groups),
            cmocka_unit_test(stops_at_the_ceiling),
            cmocka_unit_test(counts_none_in_nothing),
            cmocka_unit_test(refuses_what_is_not_a_list),
            cmocka_unit_test(leaves_the_rest_alone_when_it_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
