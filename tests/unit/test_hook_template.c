/* Templates: what they take, what they make of a payload, and what they leave out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "http/hook_template.h"

static size_t header(void *ctx, struct pgw_str name, struct pgw_str *ret)
{
        (void)ctx;
        *ret = PGW_STR("products/update");
        if (pgw_str_eq_z(name, "x-twice"))
                return 2;
        return pgw_str_eq_z(name, "x-topic");
}

static enum pgw_err gather(void *ctx, struct pgw_str text)
{
        struct pgw_buf *out = ctx;

        if (out->n)
                assert_int_equal(pgw_buf_add(out, " ", 1), PGW_OK);
        assert_int_equal(pgw_buf_add_str(out, text), PGW_OK);
        return PGW_OK;
}

#define BYTES 200 /* that may be written */

static struct pgw_template *parse(const char *source)
{
        struct pgw_template *t = NULL;
        struct pgw_fault fault = {"", ""};

        if (pgw_template_parse(pgw_str_z(source), &fault, &t))
                fail_msg("%s: %s", source, fault.detail);
        assert_true(pgw_str_eq_z(pgw_template_source(t), source));
        return t;
}

static enum pgw_err expand(const char *source, const char *payload, bool is_pattern, size_t texts,
                           struct pgw_buf *out, size_t *ret_missing)
{
        struct pgw_template *t = parse(source);
        json_t *value = NULL;

        assert_int_equal(pgw_json_parse(payload, strlen(payload), NULL, &value), PGW_OK);
        const struct pgw_cloud_event event = {.payload = value, .header = header};
        struct pgw_template_budget budget = {texts, BYTES};
        const struct pgw_template_output output = {
            .is_pattern = is_pattern, .budget = &budget, .each = gather, .ctx = out};
        const enum pgw_err err = pgw_template_expand(t, &event, &output, ret_missing);
        json_decref(value);
        pgw_template_free(t);
        return err;
}

static void check(const char *source, const char *payload, const char *wanted, size_t missing,
                  bool is_pattern)
{
        struct pgw_buf out;
        size_t missed = 0;

        pgw_buf_init(&out, 4096);
        assert_int_equal(expand(source, payload, is_pattern, 1000, &out, &missed), PGW_OK);
        assert_int_equal(pgw_buf_add(&out, "", 1), PGW_OK);
        assert_string_equal(out.p, wanted);
        assert_int_equal(missed, missing);
        pgw_buf_fini(&out);
}

static void makes(const char *source, const char *payload, const char *wanted)
{
        check(source, payload, wanted, 0, false);
}

static void misses(const char *source, const char *payload, size_t missing)
{
        check(source, payload, "", missing, false);
}

static void values_of_a_payload(void **state)
{
        (void)state;
        makes("product:{/id}", "{\"id\": 7}", "product:7");
        makes("{/a}{/a}-{/b}", "{\"a\": \"x\", \"b\": true}", "xx-true");
        makes("{/a/1/b}", "{\"a\": [0, {\"b\": -1}]}", "-1");
        makes("{/}", "{\"\": \"empty name\"}", "empty name");
        makes("{/a~1b}{/m~0n}{/~01}", "{\"a/b\": 1, \"m~n\": 2, \"~1\": 3}", "123");
        makes("{/9223372036854775807}", "{\"9223372036854775807\": 9223372036854775807}",
              "9223372036854775807");
        makes("plain", "null", "plain");
        makes("a{{{/id}}}b{{}}", "{\"id\": 7}", "a{7}b{}");
}

static void headers(void **state)
{
        (void)state;
        makes("{header:x-topic}", "null", "products/update");
        misses("{header:x-other}", "null", 1);
        misses("{header:x-twice}", "null", 1);
        misses("{ce:type}", "null", 1);
}

static void what_is_missing_makes_nothing(void **state)
{
        (void)state;
        misses("user:{/id}", "{}", 1);
        misses("user:{/id}", "{\"id\": null}", 1);
        misses("user:{/id}", "{\"id\": \"\"}", 1);
        misses("user:{/id}", "{\"id\": [1]}", 1);
        misses("user:{/id}", "{\"id\": {}}", 1);
        misses("user:{/id}", "{\"id\": 1.5}", 1);
        misses("user:{/id}", "7", 1);
        misses("{/a/01}", "{\"a\": [0, 1]}", 1);
        misses("{/a/-}", "{\"a\": [0, 1]}", 1);
        misses("{/a/2}", "{\"a\": [0, 1]}", 1);
        misses("{/items/*/id}", "{}", 1);
        misses("{/items/*/id}", "{\"items\": 1}", 1);
        misses("{/items/*/id}", "{\"items\": []}", 0);
}

static void one_for_each_item(void **state)
{
        const char *items = "{\"items\": [{\"k\": \"a\", \"id\": 1}, {\"id\": 2}, {\"k\": \"c\", "
                            "\"id\": 3}], \"langs\": [\"de\", \"en\"]}";

        (void)state;
        makes("{/items/*/id}", items, "1 2 3");
        check("{/items/*/k}:{/items/*/id}", items, "a:1 c:3", 1, false);
        makes("{/langs/*}:{/items/*/id}", items, "de:1 de:2 de:3 en:1 en:2 en:3");
        makes("{/*}", "[1, 2]", "1 2");
        makes("{/*}", "{\"b\": 1, \"a\": 2}", "1 2");
        makes("{/o/*/i/*/id}:{/o/*/n}",
              "{\"o\": [{\"n\": 1, \"i\": [{\"id\": 2}, {\"id\": 3}]}, {\"n\": 4, \"i\": [{\"id\": "
              "5}]}]}",
              "2:1 3:1 5:4");
        makes("{/a*}", "{\"a*\": 1}", "1");
}

static void wildcards_stand_for_themselves(void **state)
{
        (void)state;
        check("u:{/id}:*", "{\"id\": \"a*b?[c]\\\\d\"}", "u:a\\*b\\?\\[c\\]\\\\d:*", 0, true);
        check("u:{/id}:*", "{\"id\": \"a*\"}", "u:a*:*", 0, false);
}

static void bounds(void **state)
{
        struct pgw_buf out;
        size_t missed;

        (void)state;
        pgw_buf_init(&out, 4096);
        assert_int_equal(expand("{/*}", "[1, 2, 3]", false, 4, &out, &missed), PGW_OK);
        assert_int_equal(expand("{/*}", "[1, 2, 3]", false, 3, &out, &missed), PGW_E_TOO_LARGE);
        assert_int_equal(expand("{/*/*}", "[[1], [], [2]]", false, 5, &out, &missed),
                         PGW_E_TOO_LARGE);
        assert_int_equal(expand("x", "1", false, 0, &out, &missed), PGW_E_TOO_LARGE);
        assert_int_equal(expand("twenty bytes and {/*}", "[111, 111, 111, 111, 111, 111, 111, 111]",
                                false, 100, &out, &missed),
                         PGW_OK);
        assert_int_equal(expand("twenty bytes and {/*}",
                                "[111, 111, 111, 111, 111, 111, 111, 111, "
                                "111, 111, 1]",
                                false, 100, &out, &missed),
                         PGW_E_TOO_LARGE);
        /* What is thrown away was written, too. */
        assert_int_equal(expand("twenty bytes and {/*}{/0/no}",
                                "[111, 111, 111, 111, 111, 111, "
                                "111, 111, 111, 111, 111, 111]",
                                false, 100, &out, &missed),
                         PGW_E_TOO_LARGE);
        pgw_buf_fini(&out);
}

static void refuses_what_is_no_template(void **state)
{
        static const char *const wrong[] = {
            "",
            "{",
            "}",
            "a}",
            "{/id",
            "{id}",
            "{}",
            "{header:}",
            "{header:X}",
            "{other:x}",
            "{/a~}",
            "{/a~2}",
            "{header:a b}",
            "{header:content-length}",
            "{header:transfer-encoding}",
            "{/a}}",
            "{/a/*}{/b/*}{/c/*}{/d/*}{/e/*}",
            "{/a}{/b}{/c}{/d}{/e}{/f}{/g}{/h}{/i}{/j}{/k}{/l}{/m}{/n}{/o}{/p}{/q}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
                struct pgw_template *t;
                struct pgw_fault fault = {"", ""};
                assert_int_equal(pgw_template_parse(pgw_str_z(wrong[i]), &fault, &t), PGW_E_CONFIG);
                assert_true(fault.detail[0]);
        }
}

static enum pgw_err check_pattern(const char *source)
{
        struct pgw_template *t = parse(source);
        struct pgw_fault fault = {"", ""};
        const enum pgw_err err = pgw_template_check_pattern(t, &fault);

        assert_int_equal(err != PGW_OK, fault.detail[0] != '\0');
        pgw_template_free(t);
        return err;
}

static void values_of_patterns_stand_for_themselves(void **state)
{
        static const char *const good[] = {
            "a*[b-c]{/id}?", "[^]{/id}]",     "[]{/id}",      "[a\\]]{/id}", "[a-]]{/id}",
            "\\[{/id}]",     "{/id}[a",       "{/id}\\",      "a\\\\{/id}",  "[x]y[z]{/a}{/b}",
            "[a]{/id}[b]",   "[\\-]{/id}[c]", "[^-]{/id}[c]", "{/id}",       "plain [",
        };
        static const char *const bad[] = {
            "user:[{/id}]:*", "[^{/id}]",      "[a-{/id}]", "[a{/id}",    "[\\]{/id}]",
            "[a-]{/id}]",     "[a]{/b}[{/c}]", "a\\{/id}*", "[a\\{/id}]", "{/a}[-{/b}]",
        };

        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
                if (check_pattern(good[i]))
                        fail_msg("%s", good[i]);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                if (!check_pattern(bad[i]))
                        fail_msg("%s", bad[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(values_of_a_payload),
            cmocka_unit_test(headers),
            cmocka_unit_test(what_is_missing_makes_nothing),
            cmocka_unit_test(one_for_each_item),
            cmocka_unit_test(wildcards_stand_for_themselves),
            cmocka_unit_test(bounds),
            cmocka_unit_test(refuses_what_is_no_template),
            cmocka_unit_test(values_of_patterns_stand_for_themselves),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
