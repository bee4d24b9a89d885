/* The spelling of Redis keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "domain/keyspace.h"

static void spells_the_streams(void **state)
{
        struct pgw_keyspace ks;

        (void)state;
        assert_int_equal(pgw_keyspace_init(&ks, "main"), PGW_OK);
        assert_string_equal(ks.queue, "main");
        assert_true(pgw_str_eq_z(pgw_keyspace_stream(&ks, PGW_LANE_HIGH), "purgeway:{main}:high"));
        assert_true(
            pgw_str_eq_z(pgw_keyspace_stream(&ks, PGW_LANE_NORMAL), "purgeway:{main}:normal"));
        assert_true(pgw_str_eq_z(pgw_keyspace_stream(&ks, PGW_LANE_LOW), "purgeway:{main}:low"));
}

static void spells_the_result(void **state)
{
        const struct pgw_job_id id = {
            PGW_LANE_NORMAL, 0x0203, {0x040506070809u, 0x0a0b0c0du}, 0x0e0f101112131415u};
        char room[PGW_RESULT_KEY_MAX + 1] = {[PGW_RESULT_KEY_MAX] = '#'};
        struct pgw_keyspace ks;

        (void)state;
        assert_int_equal(pgw_keyspace_init(&ks, "main"), PGW_OK);
        assert_true(pgw_str_eq_z(pgw_keyspace_result(&ks, &id, room),
                                 "purgeway:{main}:job:EQIDBAUGBwgJCgsMDQ4PEBESExQV"));
        assert_int_equal(room[PGW_RESULT_KEY_MAX], '#');
}

/* Each at its longest, in exactly the room that there is. */
static void has_room_for_the_longest_queue(void **state)
{
        const struct pgw_str name = PGW_STR("0123456789012345678901");
        char queue[PGW_QUEUE_NAME_MAX + 1] = "", expected[PGW_ONCE_KEY_MAX + 1];
        char once[PGW_ONCE_KEY_MAX], group[PGW_GROUP_KEY_MAX];
        struct pgw_keyspace ks;

        (void)state;
        memset(queue, 'q', PGW_QUEUE_NAME_MAX);
        assert_int_equal(pgw_keyspace_init(&ks, queue), PGW_OK);
        snprintf(expected, sizeof expected, "purgeway:{%s}:once:%s", queue, name.p);
        assert_true(pgw_str_eq_z(pgw_keyspace_once(&ks, name, once), expected));
        snprintf(expected, sizeof expected, "purgeway:{%s}:once", queue);
        assert_true(pgw_str_eq_z(pgw_keyspace_once_counts(&ks, once), expected));
        snprintf(expected, sizeof expected, "purgeway:{%s}:group:%s", queue, name.p);
        assert_true(pgw_str_eq_z(pgw_keyspace_group(&ks, name, group), expected));
}

static void takes_plain_names(void **state)
{
        static const char *const good[] = {"a", "A-z_0.9", "..", "-"};
        char longest[PGW_QUEUE_NAME_MAX + 2], expected[PGW_STREAM_KEY_MAX] = "purgeway:{";
        struct pgw_keyspace ks;

        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
                assert_int_equal(pgw_keyspace_init(&ks, good[i]), PGW_OK);

        memset(longest, 'q', sizeof longest);
        longest[PGW_QUEUE_NAME_MAX] = '\0';
        assert_int_equal(pgw_keyspace_init(&ks, longest), PGW_OK);
        memset(expected + 10, 'q', PGW_QUEUE_NAME_MAX);
        memcpy(expected + 10 + PGW_QUEUE_NAME_MAX, "}:normal", 9);
        assert_true(pgw_str_eq_z(pgw_keyspace_stream(&ks, PGW_LANE_NORMAL), expected));

        longest[PGW_QUEUE_NAME_MAX] = 'q';
        longest[PGW_QUEUE_NAME_MAX + 1] = '\0';
        assert_int_equal(pgw_keyspace_init(&ks, longest), PGW_E_INVALID);
}

static void refuses_names_that_mean_something_in_a_key(void **state)
{
        static const char *const bad[] = {"",   "a{", "}",   "a:b",      "a b",
                                          "a*", "\n", "a/b", "\xc3\xa4", "{main}"};
        struct pgw_keyspace ks;

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_keyspace_init(&ks, bad[i]), PGW_E_INVALID);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(spells_the_streams),
            cmocka_unit_test(spells_the_result),
            cmocka_unit_test(has_room_for_the_longest_queue),
            cmocka_unit_test(takes_plain_names),
            cmocka_unit_test(refuses_names_that_mean_something_in_a_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
