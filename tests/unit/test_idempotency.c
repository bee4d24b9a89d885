/* The Idempotency-Key header: what is a key, quoted or bare, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/idempotency.h"

/* From memory of exactly its size. */
static enum pgw_err read_key(struct pgw_str header, char out[PGW_IDEMPOTENCY_KEY_MAX],
                             struct pgw_str *ret)
{
        char *copy = malloc(header.n ? header.n : 1);

        assert_non_null(copy);
        if (header.n)
                memcpy(copy, header.p, header.n);
        const enum pgw_err err = pgw_idempotency_key(pgw_str_of(copy, header.n), out, ret);
        free(copy);
        return err;
}

static void reads(const char *header, const char *expected)
{
        char room[PGW_IDEMPOTENCY_KEY_MAX];
        struct pgw_str key;

        if (read_key(pgw_str_z(header), room, &key) || !pgw_str_eq_z(key, expected))
                fail_msg("%s", header);
}

static void reads_strings_and_bare_keys(void **state)
{
        (void)state;
        reads("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324");
        reads("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324");
        reads("\"with spaces, and; more\"", "with spaces, and; more");
        reads("\" \"", " ");
        reads("\"a\\\"b\\\\c\"", "a\"b\\c");
        reads("\"\\\"\"", "\"");
        reads("!#$%&'()*+-./:<=>?@[]^_`{|}~", "!#$%&'()*+-./:<=>?@[]^_`{|}~");
        reads(" \t\"a\" ", "a");
        reads("a", "a");
}

static void refuses_what_is_no_key(void **state)
{
        static const char *const cases[] = {
            "",        " ",        "\"\"",     "\"",           "\"a",          "a\"",
            "a b",     "a,b",      "a;b=1",    "\"a\", \"b\"", "\"a\";b",      "\"a\"b\"",
            "\"a\\\"", "\"\\a\"",  "\"a\\b\"", "a\\b",         "\"\xc3\xa9\"", "\xc3\xa9",
            "a\x7f",   "\"\x7f\"", "\"a\tb\"", "\x01"};
        char room[PGW_IDEMPOTENCY_KEY_MAX];
        struct pgw_str key;

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                if (read_key(pgw_str_z(cases[i]), room, &key) != PGW_E_INVALID)
                        fail_msg("%s", cases[i]);
        assert_int_equal(read_key(PGW_STR("a\0b"), room, &key), PGW_E_INVALID);
        assert_int_equal(pgw_idempotency_key((struct pgw_str){NULL, 0}, room, &key), PGW_E_INVALID);
}

/* The length is the key's own: escapes count as what they stand for. */
static void takes_255_characters(void **state)
{
        char text[2 * PGW_IDEMPOTENCY_KEY_MAX + 4], room[PGW_IDEMPOTENCY_KEY_MAX];
        struct pgw_str key;

        (void)state;
        memset(text, 'k', sizeof text);
        assert_int_equal(read_key(pgw_str_of(text, 255), room, &key), PGW_OK);
        assert_int_equal(key.n, 255);
        assert_int_equal(read_key(pgw_str_of(text, 256), room, &key), PGW_E_INVALID);

        memset(text, '\\', sizeof text);
        text[0] = text[511] = '"';
        assert_int_equal(read_key(pgw_str_of(text, 512), room, &key), PGW_OK);
        assert_int_equal(key.n, 255);
        text[511] = '\\';
        text[513] = '"';
        assert_int_equal(read_key(pgw_str_of(text, 514), room, &key), PGW_E_INVALID);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_strings_and_bare_keys),
            cmocka_unit_test(refuses_what_is_no_key),
            cmocka_unit_test(takes_255_characters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
