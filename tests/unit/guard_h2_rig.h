/* The rig of the guard's tests: one guard, and a wire that frames are put on.
 *
 * Each test has a fresh guard (CASE). What is scanned lies in memory of exactly its size, so that
 * reading past it is seen. Included by one .c per executable.
 */
#ifndef PGW_TESTS_GUARD_H2_RIG_H
#define PGW_TESTS_GUARD_H2_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/guard_h2.h"

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS };
enum { PUSH_PROMISE = 5, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, UNKNOWN };

#define END_STREAM  0x1u
#define END_HEADERS 0x4u
#define PADDED      0x8u
#define PRIORITISED 0x20u
#define BLOCK_MAX   32768
#define BODY_MAX    800  /* bytes */
#define BODIES_MAX  1000 /* bytes */

static const struct pgw_str no_bytes;
static struct pgw_guard_h2 guard;
static struct pgw_buf wire;

/* A new connection, with its header blocks bounded. */
static void begin(size_t block_max)
{
        const struct pgw_h2_bounds bounds = {block_max, BODY_MAX, BODIES_MAX};

        pgw_guard_h2_fini(&guard);
        pgw_guard_h2_init(&guard, &bounds, 1000);
        guard.preface_seen = true;
        pgw_buf_clear(&wire);
}

static int set_up(void **state)
{
        (void)state;
        pgw_buf_init(&wire, 1u << 22);
        begin(BLOCK_MAX);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pgw_guard_h2_fini(&guard);
        pgw_buf_fini(&wire);
        return 0;
}

static void add(struct pgw_str bytes)
{
        assert_int_equal(pgw_buf_add_str(&wire, bytes), PGW_OK);
}

static void add_frame_on(unsigned stream, unsigned type, unsigned flags, struct pgw_str payload)
{
        char head[9] = {0};

        assert_true(payload.n <= UINT16_MAX && stream <= UINT16_MAX);
        head[1] = (char)(payload.n >> 8);
        head[2] = (char)payload.n;
        head[3] = (char)type;
        head[4] = (char)flags;
        head[7] = (char)(stream >> 8);
        head[8] = (char)stream;
        add(pgw_str_of(head, sizeof head));
        add(payload);
}

/* The first `size` bytes of the wire, from memory of exactly that size. */
static enum pgw_h2_verdict scan_part(size_t size, uint64_t now_ms)
{
        char *copy = malloc(size ? size : 1);

        assert_non_null(copy);
        if (size)
                memcpy(copy, wire.p, size);
        const enum pgw_h2_verdict verdict =
            pgw_guard_h2_scan(&guard, pgw_str_of(copy, size), now_ms);
        free(copy);
        return verdict;
}

/* All of the wire, which is consumed. */
static enum pgw_h2_verdict scan_at(uint64_t now_ms)
{
        const enum pgw_h2_verdict verdict = scan_part(wire.n, now_ms);

        pgw_buf_clear(&wire);
        return verdict;
}

static enum pgw_h2_verdict scan(void)
{
        return scan_at(1000);
}

static struct pgw_str blank(size_t size)
{
        static char bytes[40000];

        assert_true(size <= sizeof bytes);
        memset(bytes, 0x20, sizeof bytes);
        return pgw_str_of(bytes, size);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
