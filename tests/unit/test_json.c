/* JSON by RFC 8259 and no more: what is taken as what, what is refused as which error, and that
 * the place is named while the caller's own text is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

#define S(literal)                                                                                 \
        {                                                                                          \
                literal, sizeof(literal) - 1                                                       \
        }
#define DEPTH_MAX 2048

/* From memory of exactly its size; NULL when it is refused. */
static json_t *parse(struct pgw_str text, struct pgw_fault *fault, enum pgw_err *ret_err)
{
        char *copy = malloc(text.n ? text.n : 1);
        json_t *value = NULL;

        assert_non_null(copy);
        if (text.n)
                memcpy(copy, text.p, text.n);
        *ret_err = pgw_json_parse(copy, text.n, fault, &value);
        free(copy);
        assert_int_equal(value != NULL, *ret_err == PGW_OK);
        return value;
}

/* As much of a text as a message needs. */
static int shown(struct pgw_str text)
{
        return text.n < 60 ? (int)text.n : 60;
}

static json_t *good(struct pgw_str text)
{
        struct pgw_fault fault = {"untouched", "untouched"};
        enum pgw_err err;
        json_t *value = parse(text, &fault, &err);

        if (err)
                fail_msg("%.*s: %s", shown(text), text.p, fault.detail);
        assert_string_equal(fault.pointer, "untouched");
        assert_string_equal(fault.detail, "untouched");
        return value;
}

static void refuses(struct pgw_str text, enum pgw_err expected, const char *words)
{
        struct pgw_fault fault = {"untouched", "untouched"};
        enum pgw_err err;

        json_decref(parse(text, &fault, &err));
        if (err != expected || !strstr(fault.detail, words))
                fail_msg("%.*s: %s, %s", shown(text), text.p, pgw_err_name(err), fault.detail);
        assert_string_equal(fault.pointer, "");
        /* The fault is nobody's duty to receive. */
        json_decref(parse(text, NULL, &err));
        assert_int_equal(err, expected);
}

static void takes_any_value_at_the_top(void **state)
{
        static const struct {
                const char *text;
                json_type type;
        } cases[] = {
            {"{}", JSON_OBJECT},   {"[]", JSON_ARRAY},       {"\"\"", JSON_STRING},
            {"0", JSON_INTEGER},   {"-0", JSON_INTEGER},     {"0.0", JSON_REAL},
            {"1e3", JSON_REAL},    {"-1.5E-3", JSON_REAL},   {"true", JSON_TRUE},
            {"false", JSON_FALSE}, {"null", JSON_NULL},      {" \t\r\n{} \t\r\n", JSON_OBJECT},
            {"[1]", JSON_ARRAY},   {"{\"\":1}", JSON_OBJECT}};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                json_t *value = good(pgw_str_z(cases[i].text));
                assert_int_equal(json_typeof(value), cases[i].type);
                json_decref(value);
        }
}

static void keeps_whole_numbers_whole(void **state)
{
        static const struct {
                const char *text;
                int64_t number;
        } cases[] = {{"9223372036854775807", INT64_MAX},
                     {"-9223372036854775808", INT64_MIN},
                     {"9007199254740993", 9007199254740993},
                     {"-1", -1}};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                json_t *value = good(pgw_str_z(cases[i].text));
                assert_true(json_is_integer(value));
                assert_int_equal(json_integer_value(value), cases[i].number);
                json_decref(value);
        }
}

static void keeps_the_bytes_of_a_string(void **state)
{
        static const struct {
                struct pgw_str text, bytes;
        } cases[] = {
            {S("\"a\\u0000b\""), S("a\0b")},
            {S("\"\\u0000\""), S("\0")},
            {S("\"\\ud83d\\udca9\""), S("\xf0\x9f\x92\xa9")},
            {S("\"\xf0\x9f\x92\xa9\""), S("\xf0\x9f\x92\xa9")},
            {S("\"\x7f\xc2\x80\xef\xbf\xbf\""), S("\x7f\xc2\x80\xef\xbf\xbf")},
            {S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), S("\"\\/\b\f\n\r\t")},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                json_t *value = good(cases[i].text);
                assert_int_equal(json_string_length(value), cases[i].bytes.n);
                assert_memory_equal(json_string_value(value), cases[i].bytes.p, cases[i].bytes.n);
                json_decref(value);
        }
}

static void refuses_what_is_no_json(void **state)
{
        static const char *const cases[] = {" ",
                                            "\n",
                                            "nul",
                                            "True",
                                            "NULL",
                                            "nan",
                                            "NaN",
                                            "Infinity",
                                            "-",
                                            "+1",
                                            "01",
                                            "-01",
                                            "1.",
                                            ".5",
                                            "1e",
                                            "1e+",
                                            "0x10",
                                            "1_000",
                                            "'a'",
                                            "a",
                                            "{a:1}",
                                            "{'a':1}",
                                            "{1:2}",
                                            "{\"a\"}",
                                            "{\"a\":}",
                                            "{\"a\":1,}",
                                            "{,}",
                                            "[1,]",
                                            "[,1]",
                                            "[1 2]",
                                            "[",
                                            "]",
                                            "{",
                                            "}",
                                            "[1",
                                            "{\"a\":1",
                                            "[}",
                                            "{]",
                                            "\"a",
                                            "\"\\",
                                            "\"\\x\"",
                                            "\"\\u12\"",
                                            "\"\\u12g4\"",
                                            "\"a\nb\"",
                                            "\"\t\"",
                                            "\"\x1f\"",
                                            "/*c*/1",
                                            "1//c",
                                            "\f1",
                                            "\v1",
                                            "\xc2\xa0"
                                            "1"};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses(pgw_str_z(cases[i]), PGW_E_JSON, "line ");
}

static void refuses_whatever_follows_the_value(void **state)
{
        static const char *const cases[] = {"{} {}",     "{}x",   "1 2",        "1,",
                                            "[] ]",      "{}}",   "\"a\"\"b\"", "null null",
                                            "truefalse", "{}\xff"};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses(pgw_str_z(cases[i]), PGW_E_JSON, "line 1, column ");
}

static void refuses_a_byte_order_mark(void **state)
{
        (void)state;
        refuses(PGW_STR("\xef\xbb\xbf{}"), PGW_E_JSON, "line 1, column ");
        refuses(PGW_STR("\xff\xfe{\0}\0"), PGW_E_JSON, "NUL");
        refuses(PGW_STR("\xfe\xff"), PGW_E_JSON, "line 1, column ");
}

static void refuses_bytes_that_are_not_utf8(void **state)
{
        static const char *const cases[] = {
            "\"\x80\"",
            "\"\xbf\"",
            "\"\xc0\x80\"",
            "\"\xc1\xbf\"",
            "\"\xc3\"",
            "\"\xc3\xc3\"",
            "\"\xe0\x9f\xbf\"",
            "\"\xed\xa0\x80\"",
            "\"\xe2\x82\"",
            "\"\xf0\x8f\xbf\xbf\"",
            "\"\xf4\x90\x80\x80\"",
            "\"\xf5\x80\x80\x80\"",
            "\"\xff\"",
            "{\"\xff\":1}",
            "\"\xc3",
            "\"\xe2\x82",
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses(pgw_str_z(cases[i]), PGW_E_JSON, "line 1, column ");
}

static void refuses_halves_of_surrogate_pairs(void **state)
{
        static const char *const cases[] = {"\"\\ud83d\"", "\"\\udca9\"", "\"\\udca9\\ud83d\"",
                                            "\"\\ud83dx\"", "\"\\ud83d\\u0041\""};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses(pgw_str_z(cases[i]), PGW_E_JSON, "line 1, column ");
}

/* They are JSON all the same. */
static void refuses_numbers_beyond_bounds(void **state)
{
        static const char *const cases[] = {"9223372036854775808",
                                            "-9223372036854775809",
                                            "1e400",
                                            "-1e400",
                                            "[100000000000000000000000]",
                                            "[1e400,-0,0.5E+7,\"\\\"1.\",{\"2\":1e-4}]"};
        /* What is no JSON for another reason. */
        static const char *const others[] = {
            "{1e400:1}", "[1e400,01]", "[1e400,1.]", "[1e400,-]",   "[1e400,1e]",  "[1e400,.5]",
            "[1e400",    "[1e400,+1]", "[1e400]x",   "[1e400,1-2]", "[1e400,\"\\", "[1e400,1e+]",
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses(pgw_str_z(cases[i]), PGW_E_SCHEMA, "64 bits");
        refuses(PGW_STR("{\"a\":\n 1e999}"), PGW_E_SCHEMA, "line 2, column ");
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
                refuses(pgw_str_z(others[i]), PGW_E_JSON, "line 1, column ");
        json_decref(good(PGW_STR("[9223372036854775807,-9223372036854775808,1e308,1e-400]")));
}

static void refuses_raw_nuls_wherever_they_are(void **state)
{
        static const struct {
                struct pgw_str text;
                const char *offset;
        } cases[] = {
            {S("\0"), "offset 0;"},          {S("1\0"), "offset 1;"},
            {S("12\0garbage"), "offset 2;"}, {S("{}\0"), "offset 2;"},
            {S("\"a\0b\""), "offset 2;"},    {S("{\"a\0\":1}"), "offset 3;"},
            {S("[1,\0 2]"), "offset 3;"},    {S("1 \0"), "offset 2;"},
            {S("\0\0"), "offset 0;"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                refuses(cases[i].text, PGW_E_JSON, "NUL");
                refuses(cases[i].text, PGW_E_JSON, cases[i].offset);
        }
}

static void refuses_an_empty_body(void **state)
{
        json_t *value = NULL;
        struct pgw_fault fault = {"", ""};

        (void)state;
        refuses(PGW_STR(""), PGW_E_JSON, "empty");
        assert_int_equal(pgw_json_parse(NULL, 0, &fault, &value), PGW_E_JSON);
        assert_null(value);
}

/* Valid JSON that has more than one meaning. */
static void refuses_what_has_no_one_meaning_as_another_error(void **state)
{
        static const char *const twice[] = {
            "{\"a\":1,\"a\":1}",       "{\"a\":1,\"b\":2,\"a\":3}",   "{\"\":1,\"\":2}",
            "{\"a\":1,\"\\u0061\":2}", "[{\"x\":{\"a\":1,\"a\":2}}]",
        };

        (void)state;
        for (size_t i = 0; i < sizeof twice / sizeof twice[0]; i++)
                refuses(pgw_str_z(twice[i]), PGW_E_SCHEMA, "duplicate");
        refuses(PGW_STR("{\"a\\u0000b\":1}"), PGW_E_SCHEMA, "line 1, column ");
        refuses(PGW_STR("{\"\\u0000\":1}"), PGW_E_SCHEMA, "line 1, column ");
        /* The same name at another place is another member. */
        json_decref(good(PGW_STR("{\"a\":{\"a\":1},\"b\":{\"a\":[{\"a\":1},{\"a\":1}]}}")));
        json_decref(good(PGW_STR("{\"a\":1,\"A\":2}")));
}

static char *nested(size_t depth, const char *open, const char *inner, const char *close)
{
        const size_t each = strlen(open) + strlen(close);
        char *text = malloc(depth * each + strlen(inner) + 1);
        char *at = text;

        assert_non_null(text);
        for (size_t i = 0; i < depth; i++)
                at = stpcpy(at, open);
        at = stpcpy(at, inner);
        for (size_t i = 0; i < depth; i++)
                at = stpcpy(at, close);
        return text;
}

static void bounds_the_depth(void **state)
{
        static const struct {
                const char *open, *inner, *close;
        } cases[] = {{"[", "", "]"}, {"{\"a\":", "{}", "}"}, {"[", "0", "]"}};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                const size_t inner = cases[i].inner[0] ? 1 : 0;
                char *text =
                    nested(DEPTH_MAX - inner, cases[i].open, cases[i].inner, cases[i].close);
                json_decref(good(pgw_str_z(text)));
                free(text);
                text = nested(DEPTH_MAX - inner + 1, cases[i].open, cases[i].inner, cases[i].close);
                refuses(pgw_str_z(text), PGW_E_JSON, "depth");
                free(text);
        }
        char *open = nested(100000, "[", "", "");
        refuses(pgw_str_z(open), PGW_E_JSON, "depth");
        free(open);
}

static void names_the_place(void **state)
{
        static const struct {
                const char *text, *place;
        } cases[] = {
            {"{\"a\": tru}", "line 1, column 9:"},
            {"{\n  \"a\": 1,\n  \"b\": +\n}", "line 3, column 8:"},
            {"[1,\n2,\n\n\n3 4]", "line 5, column 3:"},
            {"\"\xc3\xa4\xc3\xa4\" x", "line 1, column 6:"}, /* in characters */
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses(pgw_str_z(cases[i].text), PGW_E_JSON, cases[i].place);
        refuses(PGW_STR("{\"a\":1,\n\"a\":2}"), PGW_E_SCHEMA, "line 2, column ");
}

static void repeats_nothing_of_the_callers_text(void **state)
{
        static const char *const cases[] = {
            "{\"hunter2\":1,\"hunter2\":2}",
            "{\"hunter2\" 1}",
            "[\"hunter2\" \"hunter2\"]",
            "[hunter2]",
            "hunter2",
            "{} hunter2",
            "\"hunter2",
            "\"hunter2\n\"",
            "\"hunter2\\x\"",
            "\"hunter2\\ud800\"",
            "\"hunter2 near hunter2\\x\"",
            "\"hunter2\xff\"",
            "{\"hunter2\\u0000\":1}",
            "{\"a\":hunter2}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct pgw_fault fault = {"", ""};
                enum pgw_err err;
                assert_null(parse(pgw_str_z(cases[i]), &fault, &err));
                assert_non_null(strstr(fault.detail, "line 1, column "));
                if (strstr(fault.detail, "hunter"))
                        fail_msg("%s: %s", cases[i], fault.detail);
        }
}

/* Every beginning of a text is refused and nothing is read behind it. */
static void refuses_every_beginning(void **state)
{
        const struct pgw_str text =
            PGW_STR("{\"k\\u00e9y\": [1.5e3, true, null, \"\xc3\xa4\\ud83d\\udca9\"], \"b\": {}}");

        (void)state;
        json_decref(good(text));
        for (size_t n = 0; n < text.n; n++)
                refuses(pgw_str_of(text.p, n), PGW_E_JSON, "");
}

/* Whether there are few members or many, the answers are those of jansson. */
static void finds_a_member_by_its_name(void **state)
{
        char name[16];

        (void)state;
        for (int count = 0; count < 40; count++) {
                json_t *object = json_object();
                for (int i = 0; i < count; i++) {
                        snprintf(name, sizeof name, "m%d", i);
                        json_object_set_new(object, name, json_integer(i));
                }
                for (int i = 0; i < 41; i++) {
                        snprintf(name, sizeof name, "m%d", i);
                        assert_ptr_equal(pgw_json_get(object, name), json_object_get(object, name));
                }
                assert_null(pgw_json_get(object, "m"));
                assert_null(pgw_json_get(object, ""));
                json_decref(object);
        }
        assert_null(pgw_json_get(NULL, "m"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(takes_any_value_at_the_top),
            cmocka_unit_test(keeps_whole_numbers_whole),
            cmocka_unit_test(keeps_the_bytes_of_a_string),
            cmocka_unit_test(refuses_what_is_no_json),
            cmocka_unit_test(refuses_whatever_follows_the_value),
            cmocka_unit_test(refuses_a_byte_order_mark),
            cmocka_unit_test(refuses_bytes_that_are_not_utf8),
            cmocka_unit_test(refuses_halves_of_surrogate_pairs),
            cmocka_unit_test(refuses_numbers_beyond_bounds),
            cmocka_unit_test(refuses_raw_nuls_wherever_they_are),
            cmocka_unit_test(refuses_an_empty_body),
            cmocka_unit_test(refuses_what_has_no_one_meaning_as_another_error),
            cmocka_unit_test(bounds_the_depth),
            cmocka_unit_test(names_the_place),
            cmocka_unit_test(repeats_nothing_of_the_callers_text),
            cmocka_unit_test(refuses_every_beginning),
            cmocka_unit_test(finds_a_member_by_its_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
