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
        assert_int_equal(guard.body_moved_ms, 1200);
        add_frame_on(5, HEADERS, END_HEADERS, PGW_STR("\x83"));
        add_frame_on(3, DATA, 0, PGW_STR("{"));
        assert_int_equal(scan_at(1300), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 2);
        /* A request without a body ends none. */
        add_frame_on(7, HEADERS, END_HEADERS | END_STREAM, PGW_STR("\x82"));
        assert_int_equal(scan_at(1400), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 2);
        add_frame_on(3, DATA, END_STREAM, PGW_STR("}"));
        assert_int_equal(scan_at(1500), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 1);
        assert_int_equal(guard.body_moved_ms, 1500);
        add_frame_on(5, RST_STREAM, 0, PGW_STR("1234"));
        add_frame_on(5, RST_STREAM, 0, PGW_STR("1234")); /* there are never fewer than none */
        assert_int_equal(scan_at(1600), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 0);
        assert_int_equal(guard.body_moved_ms, 1600);
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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
