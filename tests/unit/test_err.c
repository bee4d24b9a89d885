/* The table of errors, and faults that are cut to fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void knows_success(void **state)
{
        (void)state;
        assert_string_equal(pgw_err_name(PGW_OK), "OK");
        assert_int_equal(pgw_err_status(PGW_OK), 200);
        assert_int_equal(pgw_err_class(PGW_OK), PGW_CLASS_NONE);
}

static void knows_some_by_heart(void **state)
{
        (void)state;
        assert_string_equal(pgw_err_name(PGW_E_REDIS_TIMEOUT), "REDIS_TIMEOUT");
        assert_string_equal(pgw_err_slug(PGW_E_REDIS_TIMEOUT), "store-timeout");
        assert_int_equal(pgw_err_status(PGW_E_REDIS_TIMEOUT), 503);
        assert_int_equal(pgw_err_class(PGW_E_REDIS_TIMEOUT), PGW_CLASS_TIMEOUT);
        assert_int_equal(pgw_err_class(PGW_E_REDIS_OOM), PGW_CLASS_REFUSED);
        assert_int_equal(pgw_err_class(PGW_E_REDIS_ERROR), PGW_CLASS_PERMANENT);
        assert_int_equal(pgw_err_status(PGW_E_NO_JOB), 404);
        assert_int_equal(pgw_err_status(PGW_E_SCHEMA), 422);
        assert_int_equal(pgw_err_status(PGW_E_BODY_SIZE), 413);
        assert_int_equal(pgw_err_status(PGW_E_HEAD_SIZE), 431);
}

static void has_words_for_every_error(void **state)
{
        (void)state;
        for (int i = 1; i < PGW_ERR_COUNT; i++) {
                const enum pgw_err err = (enum pgw_err)i;
                const char *slug = pgw_err_slug(err), *title = pgw_err_title(err);
                const int status = pgw_err_status(err);

                assert_in_range(status, 400, 599);
                assert_int_equal(pgw_err_class(err) == PGW_CLASS_INPUT, status < 500);
                assert_true(strlen(slug) > 2);
                assert_int_equal(strspn(slug, "abcdefghijklmnopqrstuvwxyz-"), strlen(slug));
                assert_int_equal(title[strlen(title) - 1], '.');
                assert_true(strlen(pgw_err_name(err)) > 0);
                for (int k = 0; k < i; k++)
                        assert_string_not_equal(pgw_err_slug((enum pgw_err)k), slug);
        }
}

static void waits_for_who_is_there(void **state)
{
        (void)state;
        assert_true(pgw_err_waits(PGW_E_REDIS_LOADING));
        assert_true(pgw_err_waits(PGW_E_REDIS_AUTH));
        assert_true(pgw_err_waits(PGW_E_REDIS_MISCONF));
        assert_false(pgw_err_waits(PGW_OK));
        assert_false(pgw_err_waits(PGW_E_REDIS_CONNECT));
        assert_false(pgw_err_waits(PGW_E_REDIS_TIMEOUT));
        assert_false(pgw_err_waits(PGW_E_REDIS_ERROR));
}

static void fills_a_fault(void **state)
{
        struct pgw_fault fault;

        (void)state;
        pgw_fault_set(NULL, "/a", "%d", 1);
        pgw_fault_set(&fault, "/keys/3", "%d is more than %s", 7, "six");
        assert_string_equal(fault.pointer, "/keys/3");
        assert_string_equal(fault.detail, "7 is more than six");
        pgw_fault_set(&fault, NULL, "x");
        assert_string_equal(fault.pointer, "");
        assert_string_equal(fault.detail, "x");
}

static void cuts_a_fault_to_fit(void **state)
{
        struct {
                struct pgw_fault fault;
                char guard;
        } room = {.guard = '#'};
        char text[1000];

        (void)state;
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        pgw_fault_set(&room.fault, text, "%s", text);
        assert_int_equal(strlen(room.fault.pointer), sizeof room.fault.pointer - 1);
        assert_int_equal(strlen(room.fault.detail), sizeof room.fault.detail - 1);
        assert_int_equal(room.guard, '#');
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(knows_success),
            cmocka_unit_test(knows_some_by_heart),
            cmocka_unit_test(has_words_for_every_error),
            cmocka_unit_test(waits_for_who_is_there),
            cmocka_unit_test(fills_a_fault),
            cmocka_unit_test(cuts_a_fault_to_fit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
