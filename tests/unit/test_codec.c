/* Bytes as text and back; whatever is not canonical is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"

/* Text in memory of exactly its size, so that reading past it is seen. */
static struct pgw_str exact(const char *text, size_t size)
{
        char *copy = malloc(size ? size : 1);

        assert_non_null(copy);
        if (size)
                memcpy(copy, text, size);
        return pgw_str_of(copy, size);
}

static void release(struct pgw_str s)
{
        free((void *)(uintptr_t)s.p);
}

static void writes_and_reads_hex(void **state)
{
        unsigned char bytes[256], back[256];
        char text[PGW_HEX_SIZE(256)];

        (void)state;
        for (unsigned i = 0; i < 256; i++)
                bytes[i] = (unsigned char)i;
        pgw_hex(bytes, sizeof bytes, text);
        assert_memory_equal(text, "000102", 6);
        assert_memory_equal(text + 508, "feff", 4);
        assert_int_equal(pgw_unhex(pgw_str_of(text, sizeof text), back), PGW_OK);
        assert_memory_equal(back, bytes, 256);
        assert_int_equal(pgw_unhex(PGW_STR("aAFf09"), back), PGW_OK);
        assert_memory_equal(back, "\xaa\xff\x09", 3);
        assert_int_equal(pgw_unhex(PGW_STR(""), back), PGW_OK);
}

static void refuses_other_hex(void **state)
{
        static const char *const bad[] = {"0",  "000", "0g", "g0", " 0",
                                          "0x", "/0",  ":0", "@0", "`0"};
        unsigned char back[4];

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_unhex(pgw_str_z(bad[i]), back), PGW_E_INVALID);
        assert_int_equal(pgw_unhex(PGW_STR("0\0"), back), PGW_E_INVALID);
}

static const struct {
        const char *plain, *base64, *base64url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void knows_the_vectors_of_rfc4648(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
                const size_t n = strlen(vectors[i].plain);
                char text[16];
                unsigned char back[16];
                size_t size = 99;

                assert_int_equal(PGW_BASE64_SIZE(n), strlen(vectors[i].base64));
                assert_int_equal(PGW_BASE64URL_SIZE(n), strlen(vectors[i].base64url));
                assert_int_equal(pgw_base64(vectors[i].plain, n, text), PGW_BASE64_SIZE(n));
                assert_memory_equal(text, vectors[i].base64, PGW_BASE64_SIZE(n));
                assert_int_equal(pgw_base64url(vectors[i].plain, n, text), PGW_BASE64URL_SIZE(n));
                assert_memory_equal(text, vectors[i].base64url, PGW_BASE64URL_SIZE(n));

                assert_int_equal(pgw_unbase64(pgw_str_z(vectors[i].base64), back, &size), PGW_OK);
                assert_int_equal(size, n);
                assert_memory_equal(back, vectors[i].plain, n);
                size = 99;
                assert_int_equal(pgw_unbase64url(pgw_str_z(vectors[i].base64url), back, &size),
                                 PGW_OK);
                assert_int_equal(size, n);
                assert_memory_equal(back, vectors[i].plain, n);
        }
}

static void carries_every_byte_at_every_length(void **state)
{
        (void)state;
        for (size_t n = 0; n < 260; n++) {
                unsigned char bytes[260], back[270];
                char text[400];
                size_t size;

                for (size_t i = 0; i < n; i++)
                        bytes[i] = (unsigned char)(i * 37 + n);
                struct pgw_str t = exact(text, pgw_base64(bytes, n, text));
                memset(back, 0x5a, sizeof back);
                assert_int_equal(pgw_unbase64(t, back, &size), PGW_OK);
                assert_int_equal(size, n);
                assert_memory_equal(back, bytes, n);
                assert_int_equal(back[t.n / 4 * 3 + 3], 0x5a);
                release(t);

                t = exact(text, pgw_base64url(bytes, n, text));
                memset(back, 0x5a, sizeof back);
                assert_int_equal(pgw_unbase64url(t, back, &size), PGW_OK);
                assert_int_equal(size, n);
                assert_memory_equal(back, bytes, n);
                assert_int_equal(back[t.n / 4 * 3 + 3], 0x5a);
                release(t);
        }
}

static void refuses_base64_that_is_not_canonical(void **state)
{
        static const char *const bad[] = {
            "Zg",       "Zg=",      "Zm8",      "Z",       "Z===",     "=",         "==",
            "====",     "Zg==Zg==", "Zh==",     "Zm9=",    "Zm9vYh==", "Zm9vYm==x", "Z=g=",
            "=Zm8",     "Zm8= ",    " Zm8=",    "Zm 8",    "Zm9v\n",   "Zm9\n",     "-__-",
            "Zm9v====", "Zm9v=",    "Zm9vY===", "Zm9\xc3",
        };
        unsigned char back[32];
        size_t size = 99;

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_unbase64(pgw_str_z(bad[i]), back, &size), PGW_E_INVALID);
        assert_int_equal(pgw_unbase64(PGW_STR("Zm9\0"), back, &size), PGW_E_INVALID);
        assert_int_equal(size, 99);
}

static void refuses_base64url_that_is_not_canonical(void **state)
{
        static const char *const bad[] = {"Z",    "Zg==",  "Zm8=",   "Zh",  "Zm9",   "Zm9vY",
                                          "+//+", "Zm9v ", "Zm9v\n", "Z g", "Zm9vYh"};
        unsigned char back[32];
        size_t size = 99;

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_unbase64url(pgw_str_z(bad[i]), back, &size), PGW_E_INVALID);
        assert_int_equal(size, 99);
}

/* No two texts of four characters decode to the same bytes. */
static void decodes_one_way_only(void **state)
{
        static const char letters[] = "AQgwZhB/+=-_ ";

        (void)state;
        for (size_t i = 0; i < 13u * 13 * 13 * 13; i++) {
                const char text[4] = {letters[i % 13], letters[i / 13 % 13], letters[i / 169 % 13],
                                      letters[i / 2197]};
                unsigned char back[8];
                char again[8];
                size_t size;
                if (pgw_unbase64(pgw_str_of(text, 4), back, &size))
                        continue;
                assert_int_equal(pgw_base64(back, size, again), 4);
                assert_memory_equal(again, text, 4);
        }
}

static void judges_utf8(void **state)
{
        static const char *const good[] = {
            "",
            "plain",
            "\x7f",
            "\xc2\x80",
            "\xdf\xbf",
            "\xe0\xa0\x80",
            "\xed\x9f\xbf",
            "\xee\x80\x80",
            "\xef\xbf\xbf",
            "\xf0\x90\x80\x80",
            "\xf4\x8f\xbf\xbf",
            "a\xc3\xa4z",
        };
        static const char *const bad[] = {
            "\x80",
            "\xbf",
            "\xc0\x80",
            "\xc1\xbf",
            "\xc2",
            "\xc2z",
            "\xc2\xc2",
            "\xe0\x9f\xbf",
            "\xe0\xa0",
            "\xe2\x82z",
            "\xed\xa0\x80",
            "\xed\xbf\xbf",
            "\xf0\x8f\xbf\xbf",
            "\xf0\x90\x80",
            "\xf4\x90\x80\x80",
            "\xf5\x80\x80\x80",
            "\xfe",
            "\xff",
            "a\xc3\xa4\xc3",
        };

        (void)state;
        assert_true(pgw_utf8_is_valid((struct pgw_str){NULL, 0}));
        assert_true(pgw_utf8_is_valid(PGW_STR("a\0b")));
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
                struct pgw_str s = exact(good[i], strlen(good[i]));
                assert_true(pgw_utf8_is_valid(s));
                release(s);
        }
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                struct pgw_str s = exact(bad[i], strlen(bad[i]));
                assert_false(pgw_utf8_is_valid(s));
                release(s);
        }
}

static void accepts_each_code_point_once(void **state)
{
        size_t valid = 0;

        (void)state;
        for (uint32_t c = 0; c < 0x10000; c++) {
                const char text[3] = {(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 63)),
                                      (char)(0x80 | (c & 63))};
                valid += pgw_utf8_is_valid(pgw_str_of(text, 3));
        }
        /* Three bytes spell U+0800 to U+FFFF without the 2048 surrogates. */
        assert_int_equal(valid, 0x10000 - 0x800 - 0x800);
}

static void escapes(struct pgw_str raw, const char *expected)
{
        struct pgw_buf b;

        pgw_buf_init(&b, 1000);
        struct pgw_str s = exact(raw.p, raw.n);
        assert_int_equal(pgw_json_escape(&b, s), PGW_OK);
        assert_int_equal(b.n, strlen(expected));
        assert_memory_equal(b.p, expected, b.n);
        release(s);
        pgw_buf_fini(&b);
}

static void escapes_json_strings(void **state)
{
        (void)state;
        escapes(PGW_STR(""), "\"\"");
        escapes(PGW_STR("a/b"), "\"a/b\"");
        escapes(PGW_STR("\"\\"), "\"\\\"\\\\\"");
        escapes(PGW_STR("\n\r\t"), "\"\\n\\r\\t\"");
        escapes(PGW_STR("\0\x01\x1f \x7f"), "\"\\u0000\\u0001\\u001f \\u007f\"");
        escapes(PGW_STR("\xc3\xa4\xf0\x9f\x92\xa9"), "\"\xc3\xa4\xf0\x9f\x92\xa9\"");
        escapes(PGW_STR("a\xff\xc3z"), "\"a\\ufffd\\ufffdz\"");
        escapes(PGW_STR("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
        escapes(PGW_STR("x\xe2\x82"), "\"x\\ufffd\\ufffd\"");
}

static void stops_escaping_at_the_ceiling(void **state)
{
        static const struct {
                const char *raw;
                size_t size;
        } cases[] = {{"abc", 5}, {"\n", 4}, {"\xff", 8}, {"\xc3\xa4", 4}, {"", 2}};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                for (size_t max = 0; max <= cases[i].size; max++) {
                        struct pgw_buf b;
                        pgw_buf_init(&b, max);
                        assert_int_equal(pgw_json_escape(&b, pgw_str_z(cases[i].raw)),
                                         max < cases[i].size ? PGW_E_TOO_LARGE : PGW_OK);
                        pgw_buf_fini(&b);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(writes_and_reads_hex),
            cmocka_unit_test(refuses_other_hex),
            cmocka_unit_test(knows_the_vectors_of_rfc4648),
            cmocka_unit_test(carries_every_byte_at_every_length),
            cmocka_unit_test(refuses_base64_that_is_not_canonical),
            cmocka_unit_test(refuses_base64url_that_is_not_canonical),
            cmocka_unit_test(decodes_one_way_only),
            cmocka_unit_test(judges_utf8),
            cmocka_unit_test(accepts_each_code_point_once),
            cmocka_unit_test(escapes_json_strings),
            cmocka_unit_test(stops_escaping_at_the_ceiling),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
