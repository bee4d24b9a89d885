/* The Redis protocol: every kind of value, every bound, every place to be cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/wire.h"

#define NODES 20
#define BULK  100

static const struct pgw_wire_limits limits = {NODES, BULK};

/* One line for a reply, nested as it is: `[$2:ab :7 nil +OK -ERR]`. */
static const struct pgw_reply *show(struct pgw_buf *out, const struct pgw_reply *r)
{
        static const char marks[] = {'$', '+', '-'};

        switch (r->type) {
        case PGW_REPLY_STRING:
        case PGW_REPLY_STATUS:
        case PGW_REPLY_ERROR:
                assert_int_equal(pgw_buf_printf(out, "%c%zu:", marks[r->type], r->str.n), PGW_OK);
                assert_int_equal(pgw_buf_add_str(out, r->str), PGW_OK);
                return r + 1;
        case PGW_REPLY_INTEGER:
                assert_int_equal(pgw_buf_printf(out, ":%lld", (long long)r->integer), PGW_OK);
                return r + 1;
        case PGW_REPLY_NIL:
                assert_int_equal(pgw_buf_printf(out, "nil"), PGW_OK);
                return r + 1;
        case PGW_REPLY_ARRAY:
                break;
        }
        const struct pgw_reply *element = r + 1;
        assert_int_equal(pgw_buf_printf(out, "["), PGW_OK);
        for (size_t i = 0; i < r->count; i++) {
                assert_ptr_equal(pgw_reply_at(r, i), element);
                if (i)
                        assert_int_equal(pgw_buf_printf(out, " "), PGW_OK);
                const struct pgw_reply *behind = show(out, element);
                assert_ptr_equal(pgw_reply_next(element), behind);
                element = behind;
        }
        assert_null(pgw_reply_at(r, r->count));
        assert_int_equal(pgw_buf_printf(out, "]"), PGW_OK);
        return element;
}

/* Read every reply of `bytes`, of which at first only `first` and then `step` more at a time
 * are there. Each look gets a block of its own, as when a socket's buffer moves, and exactly
 * as large as it is. Returns the error; the replies shown so far are in `out`. */
static enum pgw_err feed(struct pgw_str bytes, size_t first, size_t step, struct pgw_buf *out)
{
        struct pgw_wire *w = pgw_wire_new(&limits);
        size_t start = 0, have = first;
        enum pgw_err err = PGW_OK;

        pgw_buf_clear(out);
        while (!err) {
                const struct pgw_reply *reply = NULL;
                size_t used = 99999, size = have - start;
                char *block = malloc(size ? size : 1);
                assert_non_null(block);
                memcpy(block, bytes.p + start, size);
                err = pgw_wire_read(w, pgw_str_of(block, size), &reply, &used);
                if (!err && reply) {
                        assert_in_range(used, 1, size);
                        show(out, reply);
                        assert_int_equal(pgw_buf_printf(out, ";"), PGW_OK);
                        start += used;
                } else if (!err) {
                        assert_int_equal(used, 0);
                }
                free(block);
                if (!err && !reply) {
                        if (have == bytes.n)
                                break;
                        have = have + step < bytes.n ? have + step : bytes.n;
                }
                if (start == bytes.n)
                        break;
        }
        pgw_wire_free(w);
        return err;
}

/* `bytes` reads as `expected` whatever pieces it comes in. */
static void reads_as(struct pgw_str bytes, const char *expected, enum pgw_err expected_err)
{
        struct pgw_buf out;

        pgw_buf_init(&out, 100000);
        for (size_t cut = 0; cut <= bytes.n; cut++) {
                for (size_t step = 1; step <= 3; step++) {
                        assert_int_equal(feed(bytes, cut, step == 3 ? bytes.n : step, &out),
                                         expected_err);
                        assert_int_equal(out.n, strlen(expected));
                        if (out.n)
                                assert_memory_equal(out.p, expected, out.n);
                }
        }
        pgw_buf_fini(&out);
}

static void reads_each_kind_in_any_pieces(void **state)
{
        (void)state;
        reads_as(PGW_STR("+OK\r\n"), "+2:OK;", PGW_OK);
        reads_as(PGW_STR("+\r\n"), "+0:;", PGW_OK);
        reads_as(PGW_STR("-ERR no such thing\r\n"), "-17:ERR no such thing;", PGW_OK);
        reads_as(PGW_STR(":0\r\n:-1\r\n"), ":0;:-1;", PGW_OK);
        reads_as(PGW_STR(":9223372036854775807\r\n"), ":9223372036854775807;", PGW_OK);
        reads_as(PGW_STR(":-9223372036854775808\r\n"), ":-9223372036854775808;", PGW_OK);
        reads_as(PGW_STR("$0\r\n\r\n"), "$0:;", PGW_OK);
        reads_as(PGW_STR("$4\r\n\r\n\r\n\r\n"), "$4:\r\n\r\n;", PGW_OK);
        reads_as(PGW_STR("$-1\r\n"), "nil;", PGW_OK);
        reads_as(PGW_STR("*-1\r\n"), "nil;", PGW_OK);
        reads_as(PGW_STR("*0\r\n"), "[];", PGW_OK);
        reads_as(PGW_STR("*3\r\n$2\r\nab\r\n*2\r\n:7\r\n*0\r\n$-1\r\n"), "[$2:ab [:7 []] nil];",
                 PGW_OK);
        reads_as(PGW_STR("*2\r\n*1\r\n*1\r\n+a\r\n-ERR b\r\n+next\r\n"),
                 "[[[+1:a]] -5:ERR b];+4:next;", PGW_OK);
        /* Half of a reply is no reply. */
        reads_as(PGW_STR("+OK\r\n$5\r\nabc"), "+2:OK;", PGW_OK);
        reads_as(PGW_STR("*2\r\n:1\r\n"), "", PGW_OK);
        reads_as(PGW_STR(""), "", PGW_OK);
}

static void keeps_every_byte_of_a_string(void **state)
{
        static const char bytes[] = "$5\r\n\0\r\n\xff$\r\n";
        struct pgw_wire *w = pgw_wire_new(&limits);
        const struct pgw_reply *reply;
        size_t used;

        (void)state;
        assert_int_equal(pgw_wire_read(w, pgw_str_of(bytes, sizeof bytes - 1), &reply, &used),
                         PGW_OK);
        assert_int_equal(used, sizeof bytes - 1);
        assert_true(pgw_str_eq(reply->str, PGW_STR("\0\r\n\xff$")));
        pgw_wire_free(w);
}

static void refuses_what_is_not_the_protocol(void **state)
{
        static const char *const bad[] = {
            "x",
            "\r\n",
            "hello\r\n",
            "+OK\rx",
            ":\r\n",
            ":-\r\n",
            ":1a\r\n",
            ": 1\r\n",
            ":+1\r\n",
            ":--1\r\n",
            "$\r\n",
            "$-2\r\n",
            "$a\r\n",
            "$1\r\nabcd",
            "$0\r\nab",
            "$1\r\na\n\n",
            "*\r\n",
            "*-2\r\n",
            "*a\r\n",
            "*1\r\nx",
            "*2\r\n:1\r\n?\r\n",
            ":9223372036854775808\r\n",
            ":-9223372036854775809\r\n",
            ":99999999999999999999\r\n",
            "*2147483647\r\n",
            "*9223372036854775807\r\n",
            "$2147483648\r\n",
            "$9223372036854775807\r\n",
        };

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                /* A first byte alone may be looked at only with its line. */
                struct pgw_buf line;
                pgw_buf_init(&line, 200);
                assert_int_equal(pgw_buf_printf(&line, "%s\r\n", bad[i]), PGW_OK);
                reads_as(pgw_buf_str(&line), "", PGW_E_REDIS_PROTOCOL);
                pgw_buf_fini(&line);
        }
}

static void refuses_resp3(void **state)
{
        static const char *const types[] = {"_\r\n",
                                            "#t\r\n",
                                            ",1.5\r\n",
                                            "(123\r\n",
                                            "!3\r\nERR\r\n",
                                            "=5\r\ntxt:a\r\n",
                                            "%1\r\n+a\r\n+b\r\n",
                                            "~1\r\n+a\r\n",
                                            ">1\r\n+a\r\n",
                                            "|1\r\n+a\r\n+b\r\n"};

        (void)state;
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
                reads_as(pgw_str_z(types[i]), "", PGW_E_REDIS_PROTOCOL);
                struct pgw_buf nested;
                pgw_buf_init(&nested, 200);
                assert_int_equal(pgw_buf_printf(&nested, "+a\r\n*2\r\n:1\r\n%s", types[i]), PGW_OK);
                reads_as(pgw_buf_str(&nested), "+1:a;", PGW_E_REDIS_PROTOCOL);
                pgw_buf_fini(&nested);
        }
}

/* `depth` arrays around a number. */
static void nest(struct pgw_buf *out, size_t depth)
{
        pgw_buf_clear(out);
        for (size_t i = 0; i < depth; i++)
                assert_int_equal(pgw_buf_add_str(out, PGW_STR("*1\r\n")), PGW_OK);
        assert_int_equal(pgw_buf_add_str(out, PGW_STR(":1\r\n")), PGW_OK);
}

static void stops_at_its_depth(void **state)
{
        struct pgw_buf b;

        (void)state;
        pgw_buf_init(&b, 200);
        nest(&b, PGW_WIRE_DEPTH_MAX);
        reads_as(pgw_buf_str(&b), "[[[[[[[[:1]]]]]]]];", PGW_OK);
        nest(&b, PGW_WIRE_DEPTH_MAX + 1);
        reads_as(pgw_buf_str(&b), "", PGW_E_REDIS_PROTOCOL);
        pgw_buf_fini(&b);
}

static void stops_at_its_nodes(void **state)
{
        struct pgw_buf b;
        char head[16];

        (void)state;
        pgw_buf_init(&b, 1000);
        for (int over = 0; over < 2; over++) {
                /* An array of as many as fit, and of one more. */
                pgw_buf_clear(&b);
                snprintf(head, sizeof head, "*%d\r\n", NODES - 1 + over);
                assert_int_equal(pgw_buf_add_str(&b, pgw_str_z(head)), PGW_OK);
                for (int i = 0; i < NODES - 1 + over; i++)
                        assert_int_equal(pgw_buf_add_str(&b, PGW_STR("*0\r\n")), PGW_OK);
                reads_as(pgw_buf_str(&b),
                         over ? "" : "[[] [] [] [] [] [] [] [] [] [] [] [] [] [] [] [] [] [] []];",
                         over ? PGW_E_REDIS_PROTOCOL : PGW_OK);
        }
        /* Heads that fit, one by one, and together promise more than fits. */
        reads_as(PGW_STR("*2\r\n*9\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n*9\r\n"
                         ":1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"),
                 "", PGW_E_REDIS_PROTOCOL);
        /* The bound is of one reply, not of a connection. */
        pgw_buf_clear(&b);
        struct pgw_buf shown;
        pgw_buf_init(&shown, 1000);
        for (int i = 0; i < 3 * NODES; i++)
                assert_int_equal(pgw_buf_add_str(&b, PGW_STR(":1\r\n")), PGW_OK);
        assert_int_equal(feed(pgw_buf_str(&b), 0, 7, &shown), PGW_OK);
        assert_int_equal(shown.n, 3 * NODES * 3);
        pgw_buf_fini(&shown);
        pgw_buf_fini(&b);
}

static void stops_at_its_bulk_length(void **state)
{
        char bytes[BULK + 20], expected[BULK + 20];

        (void)state;
        memset(bytes, 'x', sizeof bytes);
        memcpy(bytes, "$100\r\n", 6);
        memcpy(bytes + 6 + BULK, "\r\n", 2);
        memset(expected, 'x', sizeof expected);
        memcpy(expected, "$100:", 5);
        memcpy(expected + 5 + BULK, ";", 2);
        reads_as(pgw_str_of(bytes, 8 + BULK), expected, PGW_OK);
        reads_as(PGW_STR("$101\r\n"), "", PGW_E_REDIS_PROTOCOL);
}

/* A line of `length` bytes with its mark, its end `ended` bytes long. */
static enum pgw_err read_line_of(size_t length, size_t ended, size_t first, bool *ret_found)
{
        struct pgw_wire *w = pgw_wire_new(&limits);
        const size_t size = length + ended;
        const struct pgw_reply *reply = NULL;
        char *bytes = malloc(length + 2);
        size_t used = 0;
        enum pgw_err err = PGW_OK;

        assert_non_null(bytes);
        memset(bytes, 'x', length);
        memcpy(bytes + length, "\r\n", 2);
        bytes[0] = '+';
        if (first < size)
                err = pgw_wire_read(w, pgw_str_of(bytes, first), &reply, &used);
        if (!err) {
                err = pgw_wire_read(w, pgw_str_of(bytes, size), &reply, &used);
                *ret_found = reply != NULL;
                if (reply)
                        assert_int_equal(reply->str.n, length - 1);
        }
        free(bytes);
        pgw_wire_free(w);
        return err;
}

static void stops_at_its_line_length(void **state)
{
        const size_t max = PGW_WIRE_LINE_MAX;
        bool found;

        (void)state;
        for (size_t back = 0; back < 4; back++) {
                assert_int_equal(read_line_of(max, 2, max + 2 - back, &found), PGW_OK);
                assert_true(found);
                assert_int_equal(read_line_of(max + 1, 2, max + 3 - back, &found),
                                 PGW_E_REDIS_PROTOCOL);
        }
        assert_int_equal(read_line_of(max, 0, 0, &found), PGW_OK);
        assert_false(found);
        /* Endless lines are not waited for. */
        assert_int_equal(read_line_of(max + 1, 0, 0, &found), PGW_E_REDIS_PROTOCOL);
        assert_int_equal(read_line_of(max * 2, 0, max / 2, &found), PGW_E_REDIS_PROTOCOL);
}

static void forgets_on_reset(void **state)
{
        struct pgw_wire *w = pgw_wire_new(&limits);
        const struct pgw_reply *reply;
        size_t used;

        (void)state;
        assert_int_equal(pgw_wire_read(w, PGW_STR("*2\r\n:1\r\n$5\r\nab"), &reply, &used), PGW_OK);
        assert_null(reply);
        pgw_wire_reset(w);
        assert_int_equal(pgw_wire_read(w, PGW_STR("+OK\r\n"), &reply, &used), PGW_OK);
        assert_non_null(reply);
        assert_int_equal(reply->type, PGW_REPLY_STATUS);
        assert_int_equal(used, 5);
        pgw_wire_free(w);
        pgw_wire_free(NULL);
}

/* More nodes than are kept between replies; the next reply starts afresh. */
static void reads_a_reply_of_many_nodes(void **state)
{
        const struct pgw_wire_limits wide = {100001, 100};
        struct pgw_wire *w = pgw_wire_new(&wide);
        const struct pgw_reply *reply;
        struct pgw_buf b;
        size_t used;

        (void)state;
        pgw_buf_init(&b, 1 << 20);
        assert_int_equal(pgw_buf_printf(&b, "*100000\r\n"), PGW_OK);
        for (int i = 0; i < 100000; i++)
                assert_int_equal(pgw_buf_printf(&b, ":%d\r\n", i), PGW_OK);
        assert_int_equal(pgw_wire_read(w, pgw_buf_str(&b), &reply, &used), PGW_OK);
        assert_int_equal(used, b.n);
        assert_int_equal(pgw_reply_int(pgw_reply_at(reply, 99999), -1), 99999);
        assert_int_equal(pgw_wire_read(w, PGW_STR(":5\r\n"), &reply, &used), PGW_OK);
        assert_int_equal(pgw_reply_int(reply, -1), 5);
        pgw_buf_fini(&b);
        pgw_wire_free(w);
}

static void reads_values_leniently(void **state)
{
        struct pgw_wire *w = pgw_wire_new(&limits);
        const struct pgw_reply *r;
        size_t used;

        (void)state;
        assert_int_equal(
            pgw_wire_read(w,
                          PGW_STR("*8\r\n$2\r\n42\r\n$3\r\n-42\r\n$2\r\n4x\r\n+7\r\n:-3\r\n"
                                  "$-1\r\n*1\r\n:1\r\n-ERR\r\n"),
                          &r, &used),
            PGW_OK);
        assert_non_null(r);
        static const int64_t numbers[] = {42, -42, 9, 9, -3, 9, 9, 9};
        for (size_t i = 0; i < 8; i++)
                assert_int_equal(pgw_reply_int(pgw_reply_at(r, i), 9), numbers[i]);
        assert_int_equal(pgw_reply_int(NULL, 9), 9);
        assert_int_equal(pgw_reply_int(r, 9), 9);

        assert_true(pgw_str_eq_z(pgw_reply_str(pgw_reply_at(r, 1)), "-42"));
        assert_true(pgw_str_eq_z(pgw_reply_str(pgw_reply_at(r, 3)), "7"));
        for (size_t i = 4; i < 8; i++)
                assert_int_equal(pgw_reply_str(pgw_reply_at(r, i)).n, 0);
        assert_int_equal(pgw_reply_str(NULL).n, 0);
        assert_int_equal(pgw_reply_str(r).n, 0);

        assert_null(pgw_reply_at(NULL, 0));
        assert_null(pgw_reply_at(pgw_reply_at(r, 0), 0));
        assert_null(pgw_reply_at(r, SIZE_MAX));
        pgw_wire_free(w);
}

static void writes_commands(void **state)
{
        struct pgw_buf b;

        (void)state;
        pgw_buf_init(&b, 100);
        assert_int_equal(pgw_wire_command(&b, 3), PGW_OK);
        assert_int_equal(pgw_wire_arg(&b, PGW_STR("SET")), PGW_OK);
        assert_int_equal(pgw_wire_arg(&b, PGW_STR("a\r\n$1\0b")), PGW_OK);
        assert_int_equal(pgw_wire_arg(&b, (struct pgw_str){NULL, 0}), PGW_OK);
        assert_true(pgw_str_eq(pgw_buf_str(&b),
                               PGW_STR("*3\r\n$3\r\nSET\r\n$7\r\na\r\n$1\0b\r\n$0\r\n\r\n")));
        pgw_buf_fini(&b);
}

static void refuses_commands_past_the_ceiling(void **state)
{
        /* "*1\r\n" and "$4\r\nPING\r\n" are 14 bytes. */
        (void)state;
        for (size_t max = 0; max <= 14; max++) {
                struct pgw_buf b;
                pgw_buf_init(&b, max);
                enum pgw_err err = pgw_wire_command(&b, 1);
                assert_int_equal(err, max < 4 ? PGW_E_TOO_LARGE : PGW_OK);
                if (!err)
                        err = pgw_wire_arg(&b, PGW_STR("PING"));
                assert_int_equal(err, max < 14 ? PGW_E_TOO_LARGE : PGW_OK);
                pgw_buf_fini(&b);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_each_kind_in_any_pieces),
            cmocka_unit_test(keeps_every_byte_of_a_string),
            cmocka_unit_test(refuses_what_is_not_the_protocol),
            cmocka_unit_test(refuses_resp3),
            cmocka_unit_test(stops_at_its_depth),
            cmocka_unit_test(stops_at_its_nodes),
            cmocka_unit_test(stops_at_its_bulk_length),
            cmocka_unit_test(stops_at_its_line_length),
            cmocka_unit_test(forgets_on_reset),
            cmocka_unit_test(reads_a_reply_of_many_nodes),
            cmocka_unit_test(reads_values_leniently),
            cmocka_unit_test(writes_commands),
            cmocka_unit_test(refuses_commands_past_the_ceiling),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
