/* YAML as a JSON value: the type of every scalar, what is refused and in which place, and the
 * lines of values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/yaml.h"

#define S(literal)                                                                                 \
        {                                                                                          \
                literal, sizeof(literal) - 1                                                       \
        }
#define DEPTH_MAX   64
#define POINTER_MAX 4096

/* From memory of exactly its size; NULL when it is refused. */
static json_t *load(struct pgw_str text, struct pgw_fault *fault, struct pgw_yaml_lines **ret_lines)
{
        char *copy = malloc(text.n ? text.n : 1);
        json_t *value = NULL;

        assert_non_null(copy);
        if (text.n)
                memcpy(copy, text.p, text.n);
        const enum pgw_err err = pgw_yaml_load(copy, text.n, fault, &value, ret_lines);
        free(copy);
        if (err)
                assert_int_equal(err, PGW_E_CONFIG);
        assert_int_equal(value != NULL, err == PGW_OK);
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
        json_t *value = load(text, &fault, NULL);

        if (!value)
                fail_msg("%.*s: %s", shown(text), text.p, fault.detail);
        assert_string_equal(fault.detail, "untouched");
        return value;
}

/* `json` is what the value must be. */
static void reads(struct pgw_str text, const char *json)
{
        json_t *value = good(text);
        json_t *expected = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

        assert_non_null(expected);
        if (!json_equal(value, expected))
                fail_msg("%.*s is not %s", shown(text), text.p, json);
        json_decref(expected);
        json_decref(value);
}

static void reads_z(const char *text, const char *json)
{
        reads(pgw_str_z(text), json);
}

static void refuses(struct pgw_str text, const char *place, const char *words)
{
        struct pgw_fault fault = {"untouched", "untouched"};
        struct pgw_yaml_lines *lines = NULL;

        json_decref(load(text, &fault, &lines));
        pgw_yaml_lines_free(lines);
        if (lines || strncmp(fault.detail, place, strlen(place)) != 0 ||
            !strstr(fault.detail, words))
                fail_msg("%.*s: %s", shown(text), text.p, fault.detail);
        assert_string_equal(fault.pointer, "");
        /* The fault is nobody's duty to receive, nor are the lines. */
        assert_null(load(text, NULL, NULL));
}

static void refuses_z(const char *text, const char *place, const char *words)
{
        refuses(pgw_str_z(text), place, words);
}

/* ---- types ---- */

static void gives_plain_scalars_their_type(void **state)
{
        static const struct {
                const char *yaml, *json;
        } cases[] = {
            {"a: null", "{\"a\":null}"},
            {"a: ~", "{\"a\":null}"},
            {"a:", "{\"a\":null}"},
            {"- true\n- false", "[true,false]"},
            {"- 0\n- -0\n- 7\n- -1\n- +1\n- 007", "[0,0,7,-1,1,7]"},
            {"- 9223372036854775807\n- -9223372036854775808",
             "[9223372036854775807,-9223372036854775808]"},
            {"- 9223372036854775808\n- -9223372036854775809",
             "[9223372036854775808.0,-9223372036854775809.0]"},
            {"- 1.5\n- -1.5\n- +1.5\n- 1.\n- .5\n- -.5", "[1.5,-1.5,1.5,1.0,0.5,-0.5]"},
            {"- 1e3\n- 1E3\n- 1.5e-3\n- .5e+1\n- 1.e0", "[1e3,1e3,1.5e-3,5.0,1.0]"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                reads_z(cases[i].yaml, cases[i].json);
}

static void takes_other_plain_scalars_for_strings(void **state)
{
        static const char *const cases[] = {
            "yes",   "no",     "on",         "off",       "y",     "n",        "nul",
            "nullx", "truex",  "-",          "+",         ".",     "-.",       "1e",
            "1e+",   "e3",     ".e3",        "--1",       "+-1",   "1-",       "1 2",
            "1_000", "1,000",  "12a",        "1.2.3",     "1..2",  "0b1",      "1:30",
            "10s",   "1.5e3x", "2026-11-21", "127.0.0.1", "a b c", "\xc3\xa4",
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char text[64];
                snprintf(text, sizeof text, "a: %s\n", cases[i]);
                json_t *object =
                    !strcmp(cases[i], "-") ? good(PGW_STR("{a: -}")) : good(pgw_str_z(text));
                const json_t *value = json_object_get(object, "a");
                if (!json_is_string(value))
                        fail_msg("%s is no string", cases[i]);
                assert_string_equal(json_string_value(value), cases[i]);
                json_decref(object);
        }
}

static void takes_quoted_and_block_scalars_for_strings(void **state)
{
        static const struct {
                struct pgw_str yaml;
                const char *json;
        } cases[] = {
            {S("- '1'\n- \"1\"\n- 'true'\n- \"null\"\n- ''\n- '~'"),
             "[\"1\",\"1\",\"true\",\"null\",\"\",\"~\"]"},
            {S("- |\n  1\n- >\n  true\n  false\n- |-\n  1\n- >-\n  null\n"),
             "[\"1\\n\",\"true false\\n\",\"1\",\"null\"]"},
            {S("- 'it''s'\n- \"a\\tb\\u00e4\\x41\\0z\""), "[\"it's\",\"a\\tb\\u00e4A\\u0000z\"]"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                reads(cases[i].yaml, cases[i].json);
}

static void reads_mappings_and_sequences(void **state)
{
        static const struct {
                const char *yaml, *json;
        } cases[] = {
            {"a:\n  b:\n    - 1\n    - c: [2, {d: x}]\n  e: {}\nf: []\n",
             "{\"a\":{\"b\":[1,{\"c\":[2,{\"d\":\"x\"}]}],\"e\":{}},\"f\":[]}"},
            {"1: a\ntrue: b\n~: c\n'': d\n", "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\",\"\":\"d\"}"},
            {"\"a\": 1\n'b': 2\n? c\n: 3\n", "{\"a\":1,\"b\":2,\"c\":3}"},
            {"{\"a\": [1, 2.5, \"x\", null, true]}", "{\"a\":[1,2.5,\"x\",null,true]}"},
            {"just a text", "\"just a text\""},
            {"42", "42"},
            {"[]", "[]"},
            {"--- \na: 1\n...\n", "{\"a\":1}"},
            {"# a comment\na: 1 # another\n", "{\"a\":1}"},
            {"a: x#y\n", "{\"a\":\"x#y\"}"},
            {"a: {b: 1}\nc: {b: 1}\n", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                reads_z(cases[i].yaml, cases[i].json);
}

static void takes_an_empty_document_for_an_empty_object(void **state)
{
        static const char *const cases[] = {
            "", " ", "\n\n", "# only a comment\n", "---", "---\n", "null", "~", "--- ~\n"};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                reads_z(cases[i], "{}");
}

/* ---- what is refused ---- */

static void refuses_keys_that_stand_twice(void **state)
{
        static const struct {
                const char *text, *place, *name;
        } cases[] = {
            {"a: 1\nb: 2\na: 3\n", "line 3, column 1: ", "'a'"},
            {"a: 1\na: 1\n", "line 2, column 1: ", "'a'"},
            {"{a: 1, a: 2}", "line 1, column 8: ", "'a'"},
            {"a: 1\n'a': 2\n", "line 2, column 1: ", "'a'"},
            {"1: x\n\"1\": y\n", "line 2, column 1: ", "'1'"},
            {"x:\n  - y:\n      a: 1\n      a: 2\n", "line 4, column 7: ", "'a'"},
            {"a: ~\na: 2\n", "line 2, column 1: ", "'a'"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                refuses_z(cases[i].text, cases[i].place, "stands here twice");
                refuses_z(cases[i].text, cases[i].place, cases[i].name);
        }
}

static void refuses_anchors_aliases_and_tags(void **state)
{
        static const struct {
                const char *text, *place;
        } cases[] = {
            {"a: &x 1\n", "line 1, column 4: "},       {"b: 1\na: &x [1]\n", "line 2, column 4: "},
            {"a: &x {b: 1}\n", "line 1, column 4: "},  {"a: &x\n  b: 1\n", "line 1, column 4: "},
            {"- &x\n", "line 1, column 3: "},          {"&x a", "line 1, column 1: "},
            {"a: *x\n", "line 1, column 4: "},         {"- 1\n- *x\n", "line 2, column 3: "},
            {"<<: *x\n", "line 1, column 5: "},        {"a: !!str 1\n", "line 1, column 4: "},
            {"a: !!int '1'\n", "line 1, column 4: "},  {"a: !mine 1\n", "line 1, column 4: "},
            {"a: !<tag:x> 1\n", "line 1, column 4: "}, {"a: !!set {b}\n", "line 1, column 4: "},
            {"a: !!seq [1]\n", "line 1, column 4: "},  {"!!map {a: 1}\n", "line 1, column 1: "},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses_z(cases[i].text, cases[i].place, "anchors, aliases and tags");
}

/* Nor on a key, where they would be no less silently dropped. */
static void refuses_anchors_and_tags_on_keys(void **state)
{
        (void)state;
        refuses_z("&x a: 1\n", "line 1, column 1: ", "anchors, aliases and tags");
        refuses_z("!!int a: 1\n", "line 1, column 1: ", "anchors, aliases and tags");
        refuses_z("b:\n  !mine a: 1\n", "line 2, column 3: ", "anchors, aliases and tags");
}

static void refuses_keys_that_are_no_names(void **state)
{
        static const struct {
                struct pgw_str text;
                const char *place, *words;
        } cases[] = {
            {S("? [a]\n: 1\n"), "line 1, column 3: ", "plain name"},
            {S("b: 1\n? {a: 1}\n: 1\n"), "line 2, column 3: ", "plain name"},
            {S("[a]: 1\n"), "line 1, column 1: ", "plain name"},
            {S("{*x : 1}\n"), "line 1, column 2: ", "plain name"},
            {S("\"a\\0b\": 1\n"), "line 1, column 1: ", "must not hold a NUL"},
            {S("x:\n  \"\\0\": 1\n"), "line 2, column 3: ", "must not hold a NUL"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses(cases[i].text, cases[i].place, cases[i].words);
}

static void refuses_a_second_document(void **state)
{
        (void)state;
        refuses_z("a: 1\n---\nb: 2\n", "line 2, column 1: ", "second document");
        refuses_z("---\na: 1\n...\n---\n", "line 4, column 1: ", "second document");
        refuses_z("---\n---\na: 1\n", "line 2, column 1: ", "second document");
        refuses_z("a\n---\na: [\n", "line 2, column 1: ", "second document");
}

static void refuses_what_is_no_yaml_and_says_where(void **state)
{
        static const struct {
                struct pgw_str text;
                const char *place;
        } cases[] = {
            {S("a: [1\n"), "line 2, column 1: "},
            {S("a: 'x y\n"), "line "},
            {S("a: 1\nb: {c: 1\n\n"), "line 4, column 1: "},
            {S("a: 1\n\tb: 1\n"), "line 2, column "},
            {S("a: 1\nb: c: d\n"), "line 2, column 5: "},
            {S("a: 1\n b: 1\n"), "line 2, column "},
            {S("a: 1\n- b\n"), "line 2, column 1: "},
            {S("a: ]\n"), "line 1, column 4: "},
            {S("a: @x\n"), "line 1, column 4: "},
            {S("a: `x\n"), "line 1, column 4: "},
            {S("a: \"\\q\"\n"), "line 1, column "},
            {S("%FOO\n---\na: 1\nb: [\n"), "line "},
            {S("a: 1\nb: \"x\n---\n"), "line "},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses(cases[i].text, cases[i].place, ": ");
}

static void refuses_bytes_that_are_no_text(void **state)
{
        static const struct pgw_str cases[] = {
            S("a: \xff\n"), S("a: \xc3\n"),           S("a: \xc0\x80\n"),
            S("\x80: 1\n"), S("a: '\xed\xa0\x80'\n"), S("a: \xf4\x90\x80\x80\n"),
            S("a: b\0c\n"), S("a: \x01\n"),           S("a: \xc3")};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                refuses(cases[i], "line ", ": ");
}

static void names_the_line_of_a_byte_that_is_not_utf8(void **state)
{
        (void)state;
        refuses_z("\xff: 1\n", "line 1, column 1: ", "");
        refuses_z("a: 1\nb: 2\nc: \xff\n", "line 3, column 4: ", "");
        refuses_z("a: 1\n\n# \xc3\n", "line 3, column ", "");
}

/* Numbers that no double holds may be refused, but not for their encoding. */
static void does_not_call_a_large_number_bad_utf8(void **state)
{
        static const char *const cases[] = {"a: 1e400\n", "a: -1e400\n"};

        (void)state;
        for (size_t i = 0; i < 2; i++) {
                struct pgw_fault fault = {"", ""};
                json_decref(load(pgw_str_z(cases[i]), &fault, NULL));
                if (strstr(fault.detail, "UTF-8"))
                        fail_msg("%s", fault.detail);
        }
}

/* ---- bounds ---- */

static char *nested(size_t depth, const char *open, const char *inner, const char *close)
{
        char *text = malloc(depth * (strlen(open) + strlen(close)) + strlen(inner) + 1);
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
        } cases[] = {{"[", "", "]"}, {"[", "x", "]"}, {"{a: ", "{}", "}"}, {"{a: ", "1", "}"}};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                const size_t inner = cases[i].inner[0] ? 1 : 0;
                char *text =
                    nested(DEPTH_MAX - inner, cases[i].open, cases[i].inner, cases[i].close);
                json_decref(good(pgw_str_z(text)));
                free(text);
                text = nested(DEPTH_MAX - inner + 1, cases[i].open, cases[i].inner, cases[i].close);
                refuses_z(text, "line 1, column ", "nested too deeply");
                free(text);
        }
        /* Side by side is not deeper. */
        char *wide = nested(200, "- [[1]]\n", "", "");
        json_decref(good(pgw_str_z(wide)));
        free(wide);
}

/* "? <key of `size` letters>\n: <value>", because a key of more than 1,024 must be said so. */
static char *long_key(size_t size, const char *value)
{
        char *text = malloc(size + strlen(value) + 8);

        assert_non_null(text);
        memcpy(text, "? ", 2);
        memset(text + 2, 'k', size);
        char *at = stpcpy(text + 2 + size, "\n: ");
        stpcpy(at, value);
        return text;
}

static void bounds_the_length_of_keys(void **state)
{
        char *text = long_key(POINTER_MAX - 1, "1\n");

        (void)state;
        json_decref(good(pgw_str_z(text)));
        free(text);
        text = long_key(POINTER_MAX, "1\n");
        refuses_z(text, "line 1, column ", "too long");
        free(text);
        text = long_key(POINTER_MAX - 3, "{a: 1}\n");
        json_decref(good(pgw_str_z(text)));
        free(text);
        text = long_key(POINTER_MAX - 3, "{ab: 1}\n");
        refuses_z(text, "line 2, column ", "too long");
        free(text);
}

static void says_where_an_element_lies_too_deep_for_its_pointer(void **state)
{
        char *text = long_key(POINTER_MAX - 1, "[1]\n");

        (void)state;
        refuses_z(text, "line 2, column ", "too long");
        free(text);
}

/* ---- lines ---- */

static void knows_the_line_of_each_value(void **state)
{
        static const char text[] = "a: 1\n"
                                   "\n"
                                   "b:\n"
                                   "  c: {d: 1,\n"
                                   "      e: 2}\n"
                                   "  f:\n"
                                   "    - 1\n"
                                   "    - g: 2\n"
                                   "# a comment\n"
                                   "'x/y~z': 3\n"
                                   "'': 4\n";
        static const struct {
                const char *pointer;
                unsigned line;
        } cases[] = {
            {"/a", 1},        {"/b/c", 4},   {"/b/c/d", 4},  {"/b/c/e", 5},
            {"/b/f", 6},      {"/b/f/0", 7}, {"/b/f/1", 8},  {"/b/f/1/g", 8},
            {"/x~1y~0z", 10}, {"/", 11},     {"/c", 0},      {"/b/f/2", 0},
            {"a", 0},         {"/x/y~z", 0}, {"/b/f/1/", 0}, {"/a/", 0},
        };
        struct pgw_fault fault = {"", ""};
        struct pgw_yaml_lines *lines = NULL;
        json_t *value = load(pgw_str_of(text, sizeof text - 1), &fault, &lines);

        (void)state;
        assert_non_null(value);
        assert_non_null(lines);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                if (pgw_yaml_line(lines, cases[i].pointer) != cases[i].line)
                        fail_msg("%s: %u", cases[i].pointer,
                                 pgw_yaml_line(lines, cases[i].pointer));
        json_decref(value);
        pgw_yaml_lines_free(lines);
        pgw_yaml_lines_free(NULL);
}

/* Whatever is cut off is a value or a fault with words, and nothing is read behind it. */
static void judges_every_beginning(void **state)
{
        static const char text[] = "a: [1, 'x', \"\\u00e4\", {b: ~}]\n"
                                   "c:\n  - d: |\n      text\n  - \xc3\xa4: >-\n      more\n";
        size_t refused = 0;

        (void)state;
        for (size_t n = 0; n < sizeof text; n++) {
                struct pgw_fault fault = {"", ""};
                struct pgw_yaml_lines *lines = NULL;
                json_t *value = load(pgw_str_of(text, n), &fault, &lines);
                assert_int_equal(value == NULL, fault.detail[0] != '\0');
                refused += value == NULL;
                json_decref(value);
                pgw_yaml_lines_free(lines);
        }
        assert_in_range(refused, 20, sizeof text - 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(gives_plain_scalars_their_type),
            cmocka_unit_test(takes_other_plain_scalars_for_strings),
            cmocka_unit_test(takes_quoted_and_block_scalars_for_strings),
            cmocka_unit_test(reads_mappings_and_sequences),
            cmocka_unit_test(takes_an_empty_document_for_an_empty_object),
            cmocka_unit_test(refuses_keys_that_stand_twice),
            cmocka_unit_test(refuses_anchors_aliases_and_tags),
            cmocka_unit_test(refuses_anchors_and_tags_on_keys),
            cmocka_unit_test(refuses_keys_that_are_no_names),
            cmocka_unit_test(refuses_a_second_document),
            cmocka_unit_test(refuses_what_is_no_yaml_and_says_where),
            cmocka_unit_test(refuses_bytes_that_are_no_text),
            cmocka_unit_test(names_the_line_of_a_byte_that_is_not_utf8),
            cmocka_unit_test(does_not_call_a_large_number_bad_utf8),
            cmocka_unit_test(bounds_the_depth),
            cmocka_unit_test(bounds_the_length_of_keys),
            cmocka_unit_test(says_where_an_element_lies_too_deep_for_its_pointer),
            cmocka_unit_test(knows_the_line_of_each_value),
            cmocka_unit_test(judges_every_beginning),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
