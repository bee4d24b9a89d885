/* Why a job was tried: what is kept of it, and what is not taken on trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/history.h"
#include "domain/invalidation.h"

static void add(struct pgw_buf *buf, uint64_t attempt)
{
        const struct pgw_failure f = {attempt, 1000 + attempt, PGW_STR("default"),
                                      PGW_E_REDIS_TIMEOUT};

        assert_int_equal(pgw_history_add(buf, &f), PGW_OK);
}

static void gives_back_what_was_added(void **state)
{
        struct pgw_buf buf;
        struct pgw_failure f;

        (void)state;
        pgw_buf_init(&buf, PGW_HISTORY_BYTES_MAX);
        add(&buf, 1);
        add(&buf, 2);
        struct pgw_str rest = pgw_buf_str(&buf);
        for (uint64_t i = 1; i <= 2; i++) {
                assert_int_equal(pgw_history_next(&rest, &f), PGW_OK);
                assert_int_equal(f.attempt, i);
                assert_int_equal(f.at_ms, 1000 + i);
                assert_true(pgw_str_eq_z(f.target, "default"));
                assert_int_equal(f.error, PGW_E_REDIS_TIMEOUT);
        }
        assert_int_equal(pgw_history_next(&rest, &f), PGW_E_NO_JOB);
        pgw_buf_fini(&buf);
}

static void keeps_the_oldest_and_the_newest(void **state)
{
        struct pgw_buf old, kept;
        struct pgw_failure f;
        size_t count;

        (void)state;
        pgw_buf_init(&old, PGW_HISTORY_BYTES_MAX);
        pgw_buf_init(&kept, PGW_HISTORY_BYTES_MAX);
        for (uint64_t i = 1; i <= PGW_HISTORY_MAX; i++)
                add(&old, i);
        assert_int_equal(pgw_history_keep(&kept, pgw_buf_str(&old), 2), PGW_OK);
        add(&kept, PGW_HISTORY_MAX + 1);
        add(&kept, PGW_HISTORY_MAX + 1);
        assert_int_equal(pgw_keys_count(pgw_buf_str(&kept), &count), PGW_OK);
        assert_int_equal(count, PGW_HISTORY_MAX);
        struct pgw_str rest = pgw_buf_str(&kept);
        assert_int_equal(pgw_history_next(&rest, &f), PGW_OK);
        assert_int_equal(f.attempt, 1);
        assert_int_equal(pgw_history_next(&rest, &f), PGW_OK);
        assert_int_equal(f.attempt, 4);
        pgw_buf_fini(&old);
        pgw_buf_fini(&kept);
}

static void refuses_what_is_not_ours(void **state)
{
        static const char *const bad[] = {"\x05",
                                          "\x01x",
                                          "\x03"
                                          "1 2",
                                          "\x05"
                                          "a 2 d",
                                          "\x06"
                                          "1 2 d ",
                                          "\x09"
                                          "1 -2 d ok"};

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                struct pgw_str rest = pgw_str_z(bad[i]);
                struct pgw_failure f;
                assert_int_equal(pgw_history_next(&rest, &f), PGW_E_CODEC);
        }
}

static void nothing_is_kept_of_what_is_no_list(void **state)
{
        struct pgw_buf buf;

        (void)state;
        pgw_buf_init(&buf, PGW_HISTORY_BYTES_MAX);
        assert_int_equal(pgw_history_keep(&buf, PGW_STR("\x7fnonsense"), 1), PGW_OK);
        assert_int_equal(buf.n, 0);
        pgw_buf_fini(&buf);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(gives_back_what_was_added),
            cmocka_unit_test(keeps_the_oldest_and_the_newest),
            cmocka_unit_test(refuses_what_is_not_ours),
            cmocka_unit_test(nothing_is_kept_of_what_is_no_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
