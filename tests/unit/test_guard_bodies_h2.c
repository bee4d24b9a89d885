/* Bodies of HTTP/2 requests: which have not ended, how many there may be, and how large they may be
 * together. */
#include "guard_h2_rig.h"

static void counts_bodies_that_have_not_ended(void **state)
{
        (void)state;
        add_frame_on(1, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x82"));
        assert_int_equal(scan_at(1100), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 0);
        add_frame_on(3, HEADERS, END_HEADERS, PGW_STR("\x83"));
        assert_int_equal(scan_at(1200), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 1);
        assert_int_equal(guard.bodies_since_ms, 1200);
        add_frame_on(5, HEADERS, END_HEADERS, PGW_STR("\x83"));
        add_frame_on(3, DATA, 0, PGW_STR("{"));
        assert_int_equal(scan_at(1300), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 2);
        /* A request without a body ends none. */
        add_frame_on(7, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x82"));
        assert_int_equal(scan_at(1400), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 2);
        assert_int_equal(guard.bodies_since_ms, 1200);
        add_frame_on(3, DATA, END_STREAM, PGW_STR("}"));
        assert_int_equal(scan_at(1500), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 1);
        assert_int_equal(guard.bodies_since_ms, 1300);
        add_frame_on(5, RST_STREAM, 0, PGW_STR("1234"));
        add_frame_on(5, RST_STREAM, 0, PGW_STR("1234")); /* there are never fewer than none */
        assert_int_equal(scan_at(1600), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 0);
}

/* More of it goes by. */
static void counts_no_more_of_a_body_than_is_held(void **state)
{
        (void)state;
        add_frame_on(1, HEADERS, END_HEADERS, PGW_STR("\x83"));
        for (int i = 0; i < 5; i++)
                add_frame_on(1, DATA, 0, blank(BODY_MAX / 2 + 1));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.bodies_bytes, BODY_MAX);
        add_frame_on(1, DATA, END_STREAM, blank(BODY_MAX));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.bodies_bytes, 0);
}

static bool is_stream_5(void *ctx, uint32_t stream)
{
        (void)ctx;
        return stream == 5;
}

static void forgets_bodies_that_were_given_up(void **state)
{
        (void)state;
        for (unsigned stream = 1; stream < 10; stream += 2) {
                add_frame_on(stream, HEADERS, END_HEADERS, PGW_STR("\x83"));
                add_frame_on(stream, DATA, 0, blank(100));
                assert_int_equal(scan_at(1000 + stream), PGW_H2_FINE);
        }
        assert_int_equal(pgw_guard_h2_keep_bodies(&guard, is_stream_5, NULL), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 1);
        assert_int_equal(guard.bodies_bytes, 100);
        assert_int_equal(guard.bodies_since_ms, 1005);
        assert_int_equal(guard.tokens, 1000 * (PGW_H2_TOKENS_MAX - 4));
        /* Who has none left has had too many given up. */
        add_frame_on(11, HEADERS, END_HEADERS, PGW_STR("\x83"));
        assert_int_equal(scan_at(1009), PGW_H2_FINE);
        guard.tokens = 0;
        assert_int_equal(pgw_guard_h2_keep_bodies(&guard, is_stream_5, NULL), PGW_H2_FLOOD);
}

/* Each of these with what is behind it, up to the next. */
static void tells_trailers_apart(void **state)
{
        size_t ends[3];
        uint32_t trailed;

        (void)state;
        add_frame_on(1, HEADERS, END_HEADERS, PGW_STR("\x83"));
        add_frame_on(3, HEADERS, END_HEADERS, PGW_STR("\x83"));
        add_frame_on(1, DATA, 0, blank(10));
        ends[0] = wire.n;
        add_frame_on(1, HEADERS, END_STREAM, PGW_STR("\x40\x01z"));
        add_frame_on(1, CONTINUATION, END_HEADERS, PGW_STR("\x01z"));
        add_frame_on(5, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x82"));
        ends[1] = wire.n;
        add_frame_on(3, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x40\x01z\x01z"));
        add_frame_on(7, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x82"));
        ends[2] = wire.n;
        for (unsigned i = 0, at = 0; i < 3; at = (unsigned)ends[i++]) {
                const struct pgw_str rest = pgw_str_of(wire.p + at, wire.n - at);
                const size_t size = pgw_guard_h2_part(&guard, rest, &trailed);
                assert_int_equal(at + size, ends[i]);
                assert_int_equal(trailed, i == 0 ? 0 : i == 1 ? 1 : 3);
                assert_int_equal(pgw_guard_h2_scan(&guard, pgw_str_of(rest.p, size), 1000),
                                 PGW_H2_FINE);
        }
        assert_int_equal(guard.tokens, 1000 * (PGW_H2_TOKENS_MAX - 2));
        assert_int_equal(guard.bodies_open, 0);
}

static void refuses_to_go_on_with_another_block(void **state)
{
        (void)state;
        add_frame_on(1, HEADERS, END_HEADERS, PGW_STR("\x83"));
        add_frame_on(3, HEADERS, 0, PGW_STR("\x83"));
        add_frame_on(1, CONTINUATION, END_HEADERS, PGW_STR("\x40\x01z\x01z"));
        assert_int_equal(scan(), PGW_H2_BLOCK_FRAMES);
}

/* A body ends with trailers, too (RFC 9113 section 8.1). */
static void ends_a_body_with_its_trailers(void **state)
{
        (void)state;
        add_frame_on(1, HEADERS, END_HEADERS, PGW_STR("\x83"));
        add_frame_on(1, DATA, 0, PGW_STR("{}"));
        add_frame_on(1, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x40\x01z\x01z"));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 0);
}

static void ends_no_body_by_the_reset_of_another_stream(void **state)
{
        (void)state;
        add_frame_on(1, HEADERS, END_HEADERS, PGW_STR("\x83"));
        add_frame_on(3, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x82"));
        add_frame_on(3, RST_STREAM, 0, PGW_STR("1234"));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 1);
}

/* However many there are, and in whatever order they end. */
static void knows_each_body_by_its_stream(void **state)
{
        enum { BODIES = PGW_H2_BODIES_MAX };

        (void)state;
        for (unsigned i = 0; i < BODIES; i++)
                add_frame_on(2 * i + 1, HEADERS, END_HEADERS, PGW_STR("\x83"));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, BODIES);
        for (unsigned i = 0; i < BODIES; i++) {
                const unsigned stream = 2 * (i * 7 % BODIES) + 1; /* 7 and 256 share no factor */
                add_frame_on(stream, DATA, 0, PGW_STR("x"));
                add_frame_on(stream, DATA, END_STREAM, PGW_STR("x"));
                add_frame_on(stream, DATA, END_STREAM, PGW_STR("x"));
                assert_int_equal(scan(), PGW_H2_FINE);
                assert_int_equal(guard.bodies_open, BODIES - 1 - i);
        }
}

static void refuses_to_open_more_than_the_library_takes(void **state)
{
        (void)state;
        for (unsigned i = 0; i < PGW_H2_BODIES_MAX; i++)
                add_frame_on(2 * i + 1, HEADERS, END_HEADERS, PGW_STR("\x83"));
        add_frame_on(2001, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x82"));
        assert_int_equal(scan(), PGW_H2_FINE);
        add_frame_on(2003, HEADERS, END_HEADERS, PGW_STR("\x83"));
        assert_int_equal(scan(), PGW_H2_STREAMS);
}

static void bounds_the_bytes_of_all_bodies_together(void **state)
{
        (void)state;
        for (unsigned stream = 1; stream < 20; stream += 2)
                add_frame_on(stream, HEADERS, END_HEADERS, PGW_STR("\x83"));
        for (unsigned stream = 1; stream < 20; stream += 2)
                add_frame_on(stream, DATA, 0, blank(100));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.bodies_bytes, BODIES_MAX);
        /* Those that end make room, however they end, but for what is held of them. */
        add_frame_on(1, DATA, END_STREAM, no_bytes);
        add_frame_on(3, RST_STREAM, 0, PGW_STR("1234"));
        add_frame_on(5, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x40\x01z\x01z"));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.bodies_bytes, BODIES_MAX - 300);
        guard.held_bytes = 200;
        add_frame_on(7, DATA, 0, blank(100));
        assert_int_equal(scan(), PGW_H2_FINE);
        add_frame_on(7, DATA, 0, blank(1));
        assert_int_equal(scan(), PGW_H2_BODIES);
}

/* What a piece costs does not depend on its size, so small ones count more. */
static void charges_small_pieces_more(void **state)
{
        (void)state;
        add_frame_on(1, HEADERS, END_HEADERS, PGW_STR("\x83"));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.surcharge, 0);
        add_frame_on(1, DATA, 0, blank(1));
        add_frame_on(1, DATA, 0, blank(100));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.surcharge, 2 * PGW_H2_PIECE_MIN - 101);
        add_frame_on(1, DATA, END_STREAM, blank(1));
        add_frame_on(3, HEADERS, END_HEADERS, PGW_STR("\x83"));
        add_frame_on(3, DATA, END_STREAM, blank(1));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.surcharge, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            CASE(counts_bodies_that_have_not_ended),
            CASE(ends_a_body_with_its_trailers),
            CASE(ends_no_body_by_the_reset_of_another_stream),
            CASE(knows_each_body_by_its_stream),
            CASE(refuses_to_open_more_than_the_library_takes),
            CASE(bounds_the_bytes_of_all_bodies_together),
            CASE(charges_small_pieces_more),
            CASE(counts_no_more_of_a_body_than_is_held),
            CASE(forgets_bodies_that_were_given_up),
            CASE(tells_trailers_apart),
            CASE(refuses_to_go_on_with_another_block),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
