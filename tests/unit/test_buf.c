/* The growing buffer and its ceiling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void starts_empty(void **state)
{
        struct pgw_buf b;

        (void)state;
        pgw_buf_init(&b, 10);
        assert_int_equal(pgw_buf_str(&b).n, 0);
        assert_int_equal(pgw_buf_add(&b, NULL, 0), PGW_OK);
        assert_int_equal(pgw_buf_add_str(&b, (struct pgw_str){NULL, 0}), PGW_OK);
        pgw_buf_consume(&b, 0);
        pgw_buf_clear(&b);
        assert_int_equal(b.n, 0);
        pgw_buf_fini(&b);
        pgw_buf_fini(&b);
}

static void stops_at_its_ceiling(void **state)
{
        struct pgw_buf b;
        char *room = NULL;

        (void)state;
        pgw_buf_init(&b, 5);
        assert_int_equal(pgw_buf_add(&b, "abc", 3), PGW_OK);
        assert_int_equal(pgw_buf_add(&b, "def", 3), PGW_E_TOO_LARGE);
        assert_true(pgw_str_eq_z(pgw_buf_str(&b), "abc"));
        assert_int_equal(pgw_buf_reserve(&b, SIZE_MAX, &room), PGW_E_TOO_LARGE);
        assert_int_equal(pgw_buf_reserve(&b, SIZE_MAX - 2, &room), PGW_E_TOO_LARGE);
        assert_null(room);
        assert_int_equal(pgw_buf_add(&b, "de", 2), PGW_OK);
        assert_true(pgw_str_eq_z(pgw_buf_str(&b), "abcde"));
        assert_int_equal(pgw_buf_add(&b, "", 0), PGW_OK);
        assert_int_equal(pgw_buf_add(&b, "f", 1), PGW_E_TOO_LARGE);
        pgw_buf_fini(&b);

        pgw_buf_init(&b, 0);
        assert_int_equal(pgw_buf_add(&b, "a", 1), PGW_E_TOO_LARGE);
        assert_int_equal(pgw_buf_add(&b, "", 0), PGW_OK);
        pgw_buf_fini(&b);
}

static void grows_without_losing_bytes(void **state)
{
        struct pgw_buf b;
        char *room;

        (void)state;
        pgw_buf_init(&b, 100000);
        for (int i = 0; i < 100000; i++) {
                const char c = (char)(i * 7);
                assert_int_equal(pgw_buf_add(&b, &c, 1), PGW_OK);
        }
        for (int i = 0; i < 100000; i++)
                assert_int_equal(b.p[i], (char)(i * 7));
        pgw_buf_clear(&b);
        assert_int_equal(pgw_buf_reserve(&b, 100000, &room), PGW_OK);
        memset(room, 'x', 100000);
        b.n = 100000;
        assert_int_equal(pgw_buf_add(&b, "y", 1), PGW_E_TOO_LARGE);
        pgw_buf_fini(&b);
}

static void consumes_from_the_front(void **state)
{
        struct pgw_buf b;

        (void)state;
        pgw_buf_init(&b, 6);
        assert_int_equal(pgw_buf_add_str(&b, PGW_STR("abcdef")), PGW_OK);
        pgw_buf_consume(&b, 4);
        assert_true(pgw_str_eq_z(pgw_buf_str(&b), "ef"));
        assert_int_equal(pgw_buf_add_str(&b, PGW_STR("ghij")), PGW_OK);
        assert_true(pgw_str_eq_z(pgw_buf_str(&b), "efghij"));
        pgw_buf_consume(&b, 6);
        assert_int_equal(b.n, 0);
        pgw_buf_fini(&b);
}

static void prints(void **state)
{
        struct pgw_buf b;

        (void)state;
        pgw_buf_init(&b, 8);
        assert_int_equal(pgw_buf_printf(&b, "%s", ""), PGW_OK);
        assert_int_equal(pgw_buf_printf(&b, "%d-%s", 12, "ab"), PGW_OK);
        assert_true(pgw_str_eq_z(pgw_buf_str(&b), "12-ab"));
        assert_int_equal(pgw_buf_printf(&b, "%s", "1234"), PGW_E_TOO_LARGE);
        assert_true(pgw_str_eq_z(pgw_buf_str(&b), "12-ab"));
        /* Up to the ceiling, although the terminator has no room below it. */
        assert_int_equal(pgw_buf_printf(&b, "%s", "cde"), PGW_OK);
        assert_true(pgw_str_eq_z(pgw_buf_str(&b), "12-abcde"));
        assert_int_equal(pgw_buf_printf(&b, "%c", 'f'), PGW_E_TOO_LARGE);
        pgw_buf_fini(&b);

        pgw_buf_init(&b, 256);
        assert_int_equal(pgw_buf_printf(&b, "%0256d", 5), PGW_OK);
        assert_int_equal(b.n, 256);
        assert_int_equal(b.p[255], '5');
        pgw_buf_fini(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(starts_empty),
            cmocka_unit_test(stops_at_its_ceiling),
            cmocka_unit_test(grows_without_losing_bytes),
            cmocka_unit_test(consumes_from_the_front),
            cmocka_unit_test(prints),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
