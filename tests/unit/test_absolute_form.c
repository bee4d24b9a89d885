/* Targets of requests as proxies are told them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/absolute_form.h"

/* From memory of exactly its size. */
static bool take(struct pgw_str target, char *authority, char *path)
{
        char *copy = malloc(target.n ? target.n : 1);
        struct pgw_str one = {NULL, 0}, other = {NULL, 0};

        assert_non_null(copy);
        memcpy(copy, target.p, target.n);
        const bool is_one = pgw_absolute_form(pgw_str_of(copy, target.n), &one, &other);
        if (is_one) {
                assert_true(one.n < 64 && other.n < 64);
                memcpy(authority, one.p, one.n);
                memcpy(path, other.p, other.n);
                authority[one.n] = path[other.n] = '\0';
        }
        free(copy);
        return is_one;
}

static void takes_it_apart(void **state)
{
        static const struct {
                const char *target, *authority, *path;
        } cases[] = {
            {"http://h/livez", "h", "/livez"},
            {"HTTPS://Purge.example:8443/a/b?c#d", "Purge.example:8443", "/a/b?c#d"},
            {"http://h", "h", ""},
            {"http://h?a=/b", "h", "?a=/b"},
            {"http://h:/", "h:", "/"},
            {"http://127.0.0.1:7780/", "127.0.0.1:7780", "/"},
            {"http://[::1]/", "[::1]", "/"},
            {"http://[::ffff:1.2.3.4]:80//x", "[::ffff:1.2.3.4]:80", "//x"},
            {"http://a%20b:65535/", "a%20b:65535", "/"},
        };
        char authority[64], path[64];

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                assert_true(take(pgw_str_z(cases[i].target), authority, path));
                assert_string_equal(authority, cases[i].authority);
                assert_string_equal(path, cases[i].path);
        }
}

static void refuses_what_is_none(void **state)
{
        static const char *const cases[] = {
            "",
            "/",
            "*",
            "h:80",
            "http:",
            "http:/h",
            "http://",
            "http:///a",
            "http://?a",
            "http://:80/",
            "ftp://h/",
            "://h/",
            "http://u@h",
            "http://a:b",
            "http://h:1:2",
            "http://u:p@h/",
            "http://[]/",
            "http://[::1",
            "http://::1/",
            "http://[u]x/",
            "http://h:123456/",
            "http://h\\@x/",
            "http://a b/",
            "http://\"h\"/",
            "http://h#a",
            "http://\xc3\xa9/",
        };
        char authority[64], path[64];

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                if (take(pgw_str_z(cases[i]), authority, path))
                        fail_msg("%s", cases[i]);
        assert_false(take(PGW_STR("http://h\0/"), authority, path));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(takes_it_apart),
            cmocka_unit_test(refuses_what_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
