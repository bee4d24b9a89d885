/* Heads of HTTP/1 requests: what two readers could understand differently is refused, with the
 * rule that it broke; everything else passes, and its size is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/guard_h1.h"

#define S(literal)                                                                                 \
        {                                                                                          \
                literal, sizeof(literal) - 1                                                       \
        }
#define GET   "GET / HTTP/1.1\r\n"
#define POST  "POST /v1/invalidations HTTP/1.1\r\n"
#define OLD   "GET / HTTP/1.0\r\n"
#define HOST  "Host: a\r\n"
#define END   "\r\n"
#define ROOMY 16384

/* In memory of exactly its size, so that reading past it is seen. */
static struct pgw_h1_verdict judge(struct pgw_str head, size_t head_max)
{
        char *copy = malloc(head.n ? head.n : 1);

        assert_non_null(copy);
        if (head.n)
                memcpy(copy, head.p, head.n);
        const struct pgw_h1_verdict v = pgw_guard_h1(pgw_str_of(copy, head.n), head_max);
        free(copy);
        return v;
}

struct refused {
        struct pgw_str head;
        const char *reason; /* a part of it */
};

static void refuses(const struct refused *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const struct pgw_h1_verdict v = judge(cases[i].head, ROOMY);
                if (v.status != 400 || !strstr(v.reason, cases[i].reason))
                        fail_msg("case %zu: %d, %s", i, v.status, v.reason ? v.reason : "fine");
                assert_false(v.chunked);
                assert_int_equal(v.size, 0);
        }
}

#define REFUSES(cases) refuses(cases, sizeof cases / sizeof cases[0])

static void refuses_what_is_no_host(void **state)
{
        static const struct refused cases[] = {
            {S(GET "Host: a b@/\r\n" END), "Host"},    {S(GET "Host: a b\r\n" END), "Host"},
            {S(GET "Host: a@b\r\n" END), "Host"},      {S(GET "Host: a/b\r\n" END), "Host"},
            {S(GET "Host: a?b\r\n" END), "Host"},      {S(GET "Host: a#b\r\n" END), "Host"},
            {S(GET "Host: a|b\r\n" END), "Host"},      {S(GET "Host: a:b\r\n" END), "Host"},
            {S(GET "Host: a:1:2\r\n" END), "Host"},    {S(GET "Host: a%2\r\n" END), "Host"},
            {S(GET "Host: a%2g\r\n" END), "Host"},     {S(GET "Host: [::1\r\n" END), "Host"},
            {S(GET "Host: [::1]a\r\n" END), "Host"},   {S(GET "Host: a[::1]\r\n" END), "Host"},
            {S(GET "Host: \xc3\xa4\r\n" END), "Host"}, {S(GET "Host: a,b\"\r\n" END), "Host"},
        };

        (void)state;
        REFUSES(cases);
}

static void passes_what_has_one_meaning(void **state)
{
        static const struct pgw_str cases[] = {
            S(GET HOST END),
            S("PURGE * HTTP/1.1\r\n" HOST END),
            S("GET http://a/b?c HTTP/1.1\r\n" HOST END),
            S(GET "host:a\r\n" END),
            S(GET "HOST:\r\n" END),
            S(GET "Host: a.b-c_d~e:8080\r\n" END),
            S(GET "Host: a%20b!$&'()*+,;=c:\r\n" END),
            S(GET "Host: [2001:db8::1]:443\r\n" END),
            S(GET "Host: \t[v1.a:b]\t\r\n" END),
            S(GET HOST "X: one\ttwo:three \xc3\xa4\xff\r\n" END),
            S(GET HOST "!#$%&'*+-.^_`|~09azAZ: x\r\n" END),
            S(GET HOST "X:\r\nX: \r\nX:\t\r\n" END),
            S(POST HOST "Content-Length: 2\r\n" END),
            S(POST "Content-Length: 2\r\n" HOST END),
            /* Names that only look like the ones that count. */
            S(POST HOST "Content-Length: 2\r\nX-Content-Length: 3\r\nContent-Lengt: 4\r\n" END),
            S(GET HOST "Hosts: b\r\nX-Host: c\r\n" END),
            S(GET HOST "Transfer-Encodin: gzip\r\nTE: gzip\r\n" END),
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                const struct pgw_h1_verdict v = judge(cases[i], ROOMY);
                if (v.status)
                        fail_msg("case %zu: %s", i, v.reason);
                assert_null(v.reason);
                assert_false(v.chunked);
                assert_int_equal(v.size, cases[i].n);
        }
}

static void passes_http_1_0_with_and_without_host(void **state)
{
        (void)state;
        assert_int_equal(judge(PGW_STR(OLD END), ROOMY).status, 0);
        assert_int_equal(judge(PGW_STR(OLD HOST END), ROOMY).status, 0);
        assert_int_equal(judge(PGW_STR(OLD "Content-Length: 1\r\n" END), ROOMY).status, 0);
}

static void tells_a_chunked_body(void **state)
{
        static const struct pgw_str cases[] = {
            S(POST HOST "Transfer-Encoding: chunked\r\n" END),
            S(POST HOST "transfer-encoding:chunked\r\n" END),
            S(POST HOST "TRANSFER-ENCODING: \t CHUNKED \t \r\n" END),
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                const struct pgw_h1_verdict v = judge(cases[i], ROOMY);
                assert_int_equal(v.status, 0);
                assert_true(v.chunked);
                assert_int_equal(v.size, cases[i].n);
        }
}

static void refuses_two_words_on_where_a_body_ends(void **state)
{
        static const struct refused cases[] = {
            {S(POST HOST "Content-Length: 2\r\nContent-Length: 2\r\n" END),
             "Content-Length stands there twice"},
            {S(POST HOST "Content-Length: 2\r\nX: y\r\ncontent-LENGTH: 3\r\n" END),
             "Content-Length stands there twice"},
            {S(OLD "Content-Length: 2\r\nContent-Length: 2\r\n" END),
             "Content-Length stands there twice"},
            {S(POST HOST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n" END), "contradict"},
            {S(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n" END), "contradict"},
            {S(POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END),
             "Transfer-Encoding stands there twice"},
            {S(POST "Transfer-Encoding: chunked\r\n" HOST "transfer-encoding: chunked\r\n" END),
             "Transfer-Encoding stands there twice"},
            {S("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END), "HTTP/1.0"},
            {S("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n" END), "HTTP/1.0"},
        };

        (void)state;
        REFUSES(cases);
}

#define ENCODED(value) S(POST HOST "Transfer-Encoding:" value "\r\n" END)

static void refuses_every_encoding_but_chunked(void **state)
{
        static const struct pgw_str cases[] = {
            ENCODED(""),
            ENCODED(" "),
            ENCODED(" gzip"),
            ENCODED(" identity"),
            ENCODED(" gzip, chunked"),
            ENCODED(" chunked, gzip"),
            ENCODED(" chunked, chunked"),
            ENCODED(" chunked,"),
            ENCODED(" ,chunked"),
            ENCODED(" chunked;q=1"),
            ENCODED(" \"chunked\""),
            ENCODED(" xchunked"),
            ENCODED(" chunke"),
            ENCODED(" chun ked"),
            ENCODED(" chunked\v"),
            ENCODED(" \fchunked"),
            ENCODED(" chunked\0"),
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                const struct pgw_h1_verdict v = judge(cases[i], ROOMY);
                if (v.status != 400 || !strstr(v.reason, "is chunked"))
                        fail_msg("case %zu: %d, %s", i, v.status, v.reason ? v.reason : "fine");
        }
}

static void refuses_folded_fields(void **state)
{
        static const struct refused cases[] = {
            {S(GET HOST "X: a\r\n b\r\n" END), "folded"},
            {S(GET HOST "X: a\r\n\tb\r\n" END), "folded"},
            {S(GET " " HOST END), "folded"},
            {S(GET "\t" HOST END), "folded"},
            {S(GET HOST " \r\n" END), "folded"},
            {S(GET HOST "Transfer-Encoding:\r\n chunked\r\n" END), "is chunked"},
            {S(GET HOST "X: a\r\n Content-Length: 3\r\n" END), "folded"},
        };

        (void)state;
        REFUSES(cases);
}

static void refuses_other_ends_of_lines(void **state)
{
        static const struct refused cases[] = {
            {S("GET / HTTP/1.1\n" HOST END), "LF alone"},
            {S(GET "Host: a\n" END), "LF alone"},
            {S(GET HOST "\n"), "LF alone"},
            {S("\n" GET HOST END), "LF alone"},
            {S(GET HOST "X: a\nContent-Length: 3\r\n" END), "LF alone"},
            {S("GET / HTTP/1.1\rX\r\n" HOST END), "holds a CR"},
            {S("GET / HTTP/1.1\r\r\n" HOST END), "holds a CR"},
            {S(GET "Host: a\rb\r\n" END), "holds a CR"},
            {S(GET "Host: a\r\r\n" END), "holds a CR"},
            {S(GET "\rHost: a\r\n" END), "holds a CR"},
            {S(GET HOST "\r\r\n"), "holds a CR"},
        };

        (void)state;
        REFUSES(cases);
}

static void wants_one_host(void **state)
{
        static const struct refused cases[] = {
            {S(GET END), "Host is missing"},
            {S(GET "X-Host: a\r\n" END), "Host is missing"},
            {S(GET HOST HOST END), "Host stands there twice"},
            {S(GET HOST "X: y\r\nhOST: b\r\n" END), "Host stands there twice"},
            {S(OLD HOST HOST END), "Host stands there twice"},
        };

        (void)state;
        REFUSES(cases);
}

static void refuses_names_that_are_no_tokens(void **state)
{
        static const struct refused cases[] = {
            {S(GET "Host : a\r\n" END), "not allowed"},
            {S(GET "Host\t: a\r\n" END), "not allowed"},
            {S(GET HOST "Content-Length : 3\r\n" END), "not allowed"},
            {S(GET HOST "a b: c\r\n" END), "not allowed"},
            {S(GET HOST "a\0: c\r\n" END), "not allowed"},
            {S(GET HOST "\0: c\r\n" END), "not allowed"},
            {S(GET HOST "\x7f: c\r\n" END), "not allowed"},
            {S(GET HOST "\x80: c\r\n" END), "not allowed"},
            {S(GET HOST "(a): c\r\n" END), "not allowed"},
            {S(GET HOST "\"a\": c\r\n" END), "not allowed"},
            {S(GET HOST "a/b: c\r\n" END), "not allowed"},
            {S(GET HOST "a@b: c\r\n" END), "not allowed"},
            {S(GET HOST "a[: c\r\n" END), "not allowed"},
            {S(GET HOST "a{: c\r\n" END), "not allowed"},
            {S(GET HOST "a;: c\r\n" END), "not allowed"},
            {S(GET HOST ": c\r\n" END), "has no name"},
            {S(GET HOST ":\r\n" END), "has no name"},
            {S(GET HOST "no colon\r\n" END), "has no name"},
            {S(GET HOST "x\r\n" END), "has no name"},
        };

        (void)state;
        REFUSES(cases);
}

static void refuses_other_request_lines(void **state)
{
        static const struct refused cases[] = {
            {S("GET / HTTP/2.0\r\n" HOST END), "version"},
            {S("GET / HTTP/1.2\r\n" HOST END), "version"},
            {S("GET / HTTP/0.9\r\n" HOST END), "version"},
            {S("GET / http/1.1\r\n" HOST END), "version"},
            {S("GET / HTTP/1.1 \r\n" HOST END), "version"},
            {S("GET / HTTP/1.11\r\n" HOST END), "version"},
            {S("GET / HTTP/1.\r\n" HOST END), "version"},
            {S("GET / HTTP/1.1\0\r\n" HOST END), "version"},
            {S("GET / \r\n" HOST END), "version"},
            {S("GET /  HTTP/1.1\r\n" HOST END), "version"},
            {S("GET  / HTTP/1.1\r\n" HOST END), "version"},
            {S("GET /a b HTTP/1.1\r\n" HOST END), "version"},
            {S("GET  HTTP/1.1\r\n" HOST END), "target is empty"},
            {S("GET /\r\n" HOST END), "request line is not"},
            {S("GET /\tHTTP/1.1\r\n" HOST END), "request line is not"},
            {S("GET\r\n" HOST END), "request line is not"},
            {S(HOST END), "request line is not"},
            {S("\r\n" GET HOST END), "request line is empty"},
            {S("\r\n"), "request line is empty"},
        };

        (void)state;
        REFUSES(cases);
}

/* RFC 9110 section 9.1: a method is a token, and a token has a character at least. */
static void refuses_a_request_line_without_a_method(void **state)
{
        static const struct refused cases[] = {
            {S(" / HTTP/1.1\r\n" HOST END), "request line is not"},
        };

        (void)state;
        REFUSES(cases);
}

static void refuses_what_no_text_holds(void **state)
{
        static const struct refused cases[] = {
            {S(GET HOST "X: a\0b\r\n" END), "value holds"},
            {S(GET HOST "X: \x1f\r\n" END), "value holds"},
            {S(GET HOST "X:\x7f\r\n" END), "value holds"},
            {S(GET "Host: a\x01\r\n" END), "value holds"},
            {S("GET /\x01 HTTP/1.1\r\n" HOST END), "target holds"},
            {S("GET /a\tb HTTP/1.1\r\n" HOST END), "target holds"},
            {S("GET /\x7f HTTP/1.1\r\n" HOST END), "target holds"},
        };

        (void)state;
        REFUSES(cases);
        assert_int_equal(judge(PGW_STR(GET HOST "X: a\tb \xc3\xa4 \xff\r\n" END), ROOMY).status, 0);
        assert_int_equal(judge(PGW_STR("GET /\xff HTTP/1.1\r\n" HOST END), ROOMY).status, 0);
}

/* Every byte there is at every place of values of every size up to that. */
static void looks_at_every_byte_of_a_value(void **state)
{
        static const char before[] = GET HOST "X:";
        enum { VALUE_MAX = 26 };
        char head[sizeof before - 1 + VALUE_MAX + 4];

        (void)state;
        memcpy(head, before, sizeof before - 1);
        char *value = head + sizeof before - 1;
        for (size_t n = 1; n <= VALUE_MAX; n++)
                for (size_t at = 0; at < n; at++)
                        for (int c = 0; c < 256; c++) {
                                const bool is_fine = (c >= ' ' && c != 0x7f) || c == '\t';
                                memset(value, 'v', n);
                                value[at] = (char)c;
                                memcpy(value + n, "\r\n\r\n", 4);
                                if (c == '\r' || c == '\n')
                                        continue;
                                const struct pgw_str whole =
                                    pgw_str_of(head, sizeof before - 1 + n + 4);
                                assert_int_equal(judge(whole, ROOMY).status, is_fine ? 0 : 400);
                        }
}

#define LONG(value) S(POST HOST "Content-Length:" value "\r\n" END)

static void refuses_lengths_that_are_no_numbers(void **state)
{
        static const struct refused cases[] = {
            {LONG(""), "not a number"},     {LONG(" abc"), "not a number"},
            {LONG(" -1"), "not a number"},  {LONG(" +1"), "not a number"},
            {LONG(" 0x1"), "not a number"}, {LONG(" 1, 1"), "not a number"},
            {LONG(" 1.0"), "not a number"}, {LONG(" 18446744073709551616"), "not a number"},
        };

        (void)state;
        REFUSES(cases);
        assert_int_equal(judge(PGW_STR(POST HOST "Content-Length: 1\r\n" END), ROOMY).status, 0);
        assert_int_equal(judge(PGW_STR(POST HOST "Content-Length:\t12 \r\n" END), ROOMY).status, 0);
}

static void refuses_what_cannot_be_expected_of_a_body(void **state)
{
        static const struct refused cases[] = {
            {S(POST HOST "Content-Length: 1\r\nExpect: foo\r\n" END), "100-continue"},
            {S(POST HOST "Expect: foo\r\nTransfer-Encoding: chunked\r\n" END), "100-continue"},
        };

        (void)state;
        REFUSES(cases);
        assert_int_equal(judge(PGW_STR(GET HOST "Expect: foo\r\n" END), ROOMY).status, 0);
        assert_int_equal(
            judge(PGW_STR(POST HOST "Content-Length: 1\r\nExpect: 100-Continue\r\n" END), ROOMY)
                .status,
            0);
}

static void bounds_the_number_of_fields(void **state)
{
        char head[4096];
        size_t n = (size_t)snprintf(head, sizeof head, GET HOST);

        (void)state;
        for (unsigned i = 1; i < PGW_H1_FIELDS_MAX; i++)
                n += (size_t)snprintf(head + n, sizeof head - n, "X: y\r\n");
        memcpy(head + n, "\r\n", 2);
        assert_int_equal(judge(pgw_str_of(head, n + 2), ROOMY).status, 0);
        memcpy(head + n, "X: y\r\n", 6);
        const struct pgw_h1_verdict v = judge(pgw_str_of(head, n + 6), ROOMY);
        assert_int_equal(v.status, 431);
        assert_false(v.unfinished);
}

static void measures_the_head_alone(void **state)
{
        const struct pgw_str head = PGW_STR(POST HOST "Content-Length: 9\r\n" END);
        struct pgw_h1_verdict v =
            judge(PGW_STR(POST HOST "Content-Length: 9\r\n" END "\n\rbody\n\n\n"), ROOMY);

        (void)state;
        assert_int_equal(v.status, 0);
        assert_int_equal(v.size, head.n);
        /* What follows may be another request, however wrong. */
        v = judge(PGW_STR(GET HOST END "GET / HTTP/9\n"), ROOMY);
        assert_int_equal(v.status, 0);
        assert_int_equal(v.size, sizeof(GET HOST END) - 1);
        /* Nor does it count. */
        v = judge(PGW_STR(GET HOST END "0123456789"), sizeof(GET HOST END) - 1);
        assert_int_equal(v.status, 0);
}

static void bounds_the_head_to_the_byte(void **state)
{
        const struct pgw_str head = PGW_STR(GET HOST "X: 0123456789\r\n" END);

        (void)state;
        assert_int_equal(judge(head, head.n).status, 0);
        assert_int_equal(judge(head, head.n).size, head.n);
        for (size_t max = 0; max < head.n; max++) {
                const struct pgw_h1_verdict v = judge(head, max);
                assert_int_equal(v.status, 431);
                assert_non_null(strstr(v.reason, "larger"));
                assert_int_equal(v.size, 0);
        }
}

/* Who has sent all of it waits for the answer; what comes then may be a body. */
static void knows_whether_a_head_that_is_too_large_has_ended(void **state)
{
        const struct pgw_str head = PGW_STR(POST HOST "X: 0123456789\r\nY: z\r\n" END);

        (void)state;
        for (size_t max = 0; max < head.n; max++) {
                for (size_t n = max + 1; n < head.n; n++)
                        assert_true(judge(pgw_str_of(head.p, n), max).unfinished);
                assert_false(judge(head, max).unfinished);
                assert_true(judge(head, max).oversized);
        }
        assert_false(judge(PGW_STR(POST HOST END "body"), 5).unfinished);
        assert_false(judge(PGW_STR(POST HOST "X: y\n\nbody"), 5).unfinished);
}

/* What is too long is not judged further. */
static void says_too_large_before_anything_behind_the_bound(void **state)
{
        const struct pgw_str head = PGW_STR(GET HOST "X: 0123456789\nbad\r\r\n" END);

        (void)state;
        assert_int_equal(judge(head, sizeof(GET HOST) - 1).status, 431);
        assert_int_equal(judge(head, head.n).status, 400);
}

static void refuses_a_head_that_does_not_end(void **state)
{
        const struct pgw_str head = PGW_STR(POST HOST "Content-Length: 2\r\nX: y\r\n" END);

        (void)state;
        for (size_t n = 0; n < head.n; n++) {
                const struct pgw_h1_verdict v = judge(pgw_str_of(head.p, n), ROOMY);
                assert_int_equal(v.status, 400);
                assert_string_equal(v.reason, "the head does not end");
                assert_true(v.unfinished);
                if (n > 9)
                        assert_int_equal(judge(pgw_str_of(head.p, n), 9).status, 431);
                assert_int_equal(v.size, 0);
        }
        assert_int_equal(pgw_guard_h1((struct pgw_str){NULL, 0}, ROOMY).status, 400);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(refuses_what_is_no_host),
            cmocka_unit_test(passes_what_has_one_meaning),
            cmocka_unit_test(refuses_what_no_text_holds),
            cmocka_unit_test(looks_at_every_byte_of_a_value),
            cmocka_unit_test(refuses_lengths_that_are_no_numbers),
            cmocka_unit_test(refuses_what_cannot_be_expected_of_a_body),
            cmocka_unit_test(bounds_the_number_of_fields),
            cmocka_unit_test(passes_http_1_0_with_and_without_host),
            cmocka_unit_test(tells_a_chunked_body),
            cmocka_unit_test(refuses_two_words_on_where_a_body_ends),
            cmocka_unit_test(refuses_every_encoding_but_chunked),
            cmocka_unit_test(refuses_folded_fields),
            cmocka_unit_test(refuses_other_ends_of_lines),
            cmocka_unit_test(wants_one_host),
            cmocka_unit_test(refuses_names_that_are_no_tokens),
            cmocka_unit_test(refuses_other_request_lines),
            cmocka_unit_test(refuses_a_request_line_without_a_method),
            cmocka_unit_test(measures_the_head_alone),
            cmocka_unit_test(bounds_the_head_to_the_byte),
            cmocka_unit_test(knows_whether_a_head_that_is_too_large_has_ended),
            cmocka_unit_test(says_too_large_before_anything_behind_the_bound),
            cmocka_unit_test(refuses_a_head_that_does_not_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
