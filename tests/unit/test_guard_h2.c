/* HTTP/2 frames before the library sees them: what may pass, to the last token, byte, frame and
 * field; and that frames that have not come whole are never judged. */
#include "guard_h2_rig.h"

static void add_frame(unsigned type, unsigned flags, struct pgw_str payload)
{
        add_frame_on(1, type, flags, payload);
}

static void add_frames(size_t count, unsigned type, unsigned flags, struct pgw_str payload)
{
        while (count--)
                add_frame(type, flags, payload);
}

static enum pgw_h2_verdict ping_at(uint64_t now_ms)
{
        add_frame(PING, 0, PGW_STR("12345678"));
        return scan_at(now_ms);
}

static void spend_all_at(uint64_t now_ms)
{
        add_frames(PGW_H2_TOKENS_MAX, PING, 0, PGW_STR("12345678"));
        assert_int_equal(scan_at(now_ms), PGW_H2_FINE);
        assert_int_equal(ping_at(now_ms), PGW_H2_FLOOD);
}

/* ---- the preface ---- */

static void waits_for_the_whole_preface(void **state)
{
        (void)state;
        guard.preface_seen = false;
        add(PGW_STR(PGW_H2_PREFACE));
        assert_int_equal(wire.n, PGW_H2_PREFACE_SIZE);
        for (size_t n = 0; n < PGW_H2_PREFACE_SIZE; n++) {
                assert_int_equal(scan_part(n, 1000), PGW_H2_FINE);
                assert_false(guard.preface_seen);
        }
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_true(guard.preface_seen);
        spend_all_at(1000);
        /* What comes right behind it is judged. */
        begin(BLOCK_MAX);
        guard.preface_seen = false;
        add(PGW_STR(PGW_H2_PREFACE));
        add_frames(PGW_H2_TOKENS_MAX + 1, SETTINGS, 0, no_bytes);
        assert_int_equal(scan(), PGW_H2_FLOOD);
}

/* ---- tokens ---- */

static void takes_400_control_frames_and_no_more(void **state)
{
        static const struct {
                unsigned type;
                struct pgw_str payload;
        } cases[] = {
            {DATA, {NULL, 0}}, /* an empty one */
            {PRIORITY, {"12345", 5}},  {RST_STREAM, {"1234", 4}},    {SETTINGS, {NULL, 0}},
            {SETTINGS, {"123456", 6}}, {PUSH_PROMISE, {"1234", 4}},  {PING, {"12345678", 8}},
            {GOAWAY, {"12345678", 8}}, {WINDOW_UPDATE, {"1234", 4}},
        };

        (void)state;
        assert_int_equal(PGW_H2_TOKENS_MAX, 400);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                begin(BLOCK_MAX);
                add_frames(400, cases[i].type, 0, cases[i].payload);
                assert_int_equal(scan(), PGW_H2_FINE);
                add_frame(cases[i].type, 0, cases[i].payload);
                assert_int_equal(scan(), PGW_H2_FLOOD);
                /* At once or one by one is the same. */
                begin(BLOCK_MAX);
                add_frames(401, cases[i].type, 0, cases[i].payload);
                assert_int_equal(scan(), PGW_H2_FLOOD);
        }
}

static void counts_a_frame_of_an_unknown_type_as_20(void **state)
{
        static const unsigned types[] = {UNKNOWN, 11, 0x20, 0xff};

        (void)state;
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
                begin(BLOCK_MAX);
                add_frames(20, types[i], 0, PGW_STR("x"));
                assert_int_equal(scan(), PGW_H2_FINE);
                add_frame(types[i], 0, no_bytes);
                assert_int_equal(scan(), PGW_H2_FLOOD);
                begin(BLOCK_MAX);
                add_frames(19, types[i], 0, no_bytes);
                add_frames(20, PING, 0, PGW_STR("12345678"));
                assert_int_equal(scan(), PGW_H2_FINE);
                assert_int_equal(ping_at(1000), PGW_H2_FLOOD);
                /* 19 tokens are not enough. */
                begin(BLOCK_MAX);
                add_frames(381, PING, 0, PGW_STR("12345678"));
                assert_int_equal(scan(), PGW_H2_FINE);
                add_frame(types[i], 0, no_bytes);
                assert_int_equal(scan(), PGW_H2_FLOOD);
        }
}

static void takes_requests_and_their_bodies_for_nothing(void **state)
{
        (void)state;
        add_frames(2000, DATA, 0, PGW_STR("x"));
        for (unsigned i = 0; i < 4000; i++)
                add_frame_on(2 * i + 1, HEADERS, END_HEADERS | END_STREAM,
                             i % 2 ? no_bytes : PGW_STR("\x82"));
        assert_int_equal(scan(), PGW_H2_FINE);
        spend_all_at(1000);
}

static void gives_tokens_back_with_time(void **state)
{
        (void)state;
        spend_all_at(1000);
        assert_int_equal(ping_at(1004), PGW_H2_FLOOD);
        assert_int_equal(ping_at(1005), PGW_H2_FINE);
        assert_int_equal(ping_at(1005), PGW_H2_FLOOD);
        /* A fifth of a token a millisecond, however they are looked at. */
        for (uint64_t now_ms = 1006; now_ms < 1010; now_ms++)
                assert_int_equal(ping_at(now_ms), PGW_H2_FLOOD);
        assert_int_equal(ping_at(1010), PGW_H2_FINE);
        assert_int_equal(ping_at(1010), PGW_H2_FLOOD);
        /* 200 a second. */
        add_frames(200, PING, 0, PGW_STR("12345678"));
        assert_int_equal(scan_at(2010), PGW_H2_FINE);
        assert_int_equal(ping_at(2010), PGW_H2_FLOOD);
        /* Nothing when the clock stands or goes back. */
        assert_int_equal(ping_at(2010), PGW_H2_FLOOD);
        assert_int_equal(ping_at(500), PGW_H2_FLOOD);
}

static void keeps_no_more_than_400_however_long_it_waits(void **state)
{
        static const uint64_t later_ms[] = {2000, 2001, 10000, 10001, 3600000, UINT64_MAX - 1000};

        (void)state;
        for (size_t i = 0; i < sizeof later_ms / sizeof later_ms[0]; i++) {
                begin(BLOCK_MAX);
                spend_all_at(1000);
                spend_all_at(1000 + later_ms[i]);
        }
        begin(BLOCK_MAX);
        spend_all_at(1000);
        add_frames(400, PING, 0, PGW_STR("12345678"));
        assert_int_equal(scan_at(2999), PGW_H2_FLOOD);
        begin(BLOCK_MAX);
        spend_all_at(UINT64_MAX);
}

static void gives_a_token_back_for_each_answer(void **state)
{
        (void)state;
        pgw_guard_h2_answered(&guard); /* a full bucket stays as full */
        spend_all_at(1000);
        pgw_guard_h2_answered(&guard);
        assert_int_equal(ping_at(1000), PGW_H2_FINE);
        assert_int_equal(ping_at(1000), PGW_H2_FLOOD);
        for (int i = 0; i < 20; i++)
                pgw_guard_h2_answered(&guard);
        add_frame(UNKNOWN, 0, no_bytes);
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(ping_at(1000), PGW_H2_FLOOD);
}

/* ---- the size of a block: 0x20 is an instruction of one byte that is no field ---- */

static void bounds_a_block_in_one_frame(void **state)
{
        (void)state;
        begin(100);
        add_frame(HEADERS, END_HEADERS, blank(100));
        add_frame(HEADERS, END_HEADERS, blank(100)); /* each counts for itself */
        assert_int_equal(scan(), PGW_H2_FINE);
        add_frame(HEADERS, END_HEADERS, blank(101));
        assert_int_equal(scan(), PGW_H2_BLOCK_SIZE);
        begin(0);
        add_frame(HEADERS, END_HEADERS, no_bytes);
        assert_int_equal(scan(), PGW_H2_FINE);
        add_frame(HEADERS, END_HEADERS, blank(1));
        assert_int_equal(scan(), PGW_H2_BLOCK_SIZE);
}

static void bounds_a_block_over_several_frames(void **state)
{
        (void)state;
        for (size_t size = 100; size <= 101; size++) {
                const enum pgw_h2_verdict expected = size > 100 ? PGW_H2_BLOCK_SIZE : PGW_H2_FINE;
                for (size_t first = 0; first <= 100; first++) {
                        begin(100);
                        add_frame(HEADERS, 0, blank(first));
                        add_frame(CONTINUATION, END_HEADERS, blank(size - first));
                        assert_int_equal(scan(), expected);
                }
                begin(100);
                add_frame(HEADERS, 0, blank(30));
                add_frame(CONTINUATION, 0, blank(30));
                assert_int_equal(scan(), PGW_H2_FINE);
                add_frame(CONTINUATION, 0, no_bytes);
                add_frame(CONTINUATION, 0, blank(30));
                assert_int_equal(scan(), PGW_H2_FINE);
                add_frame(CONTINUATION, END_HEADERS, blank(size - 90));
                assert_int_equal(scan(), expected);
        }
        /* It is refused before it ends. */
        begin(100);
        add_frame(HEADERS, 0, blank(100));
        add_frame(CONTINUATION, 0, blank(1));
        assert_int_equal(scan(), PGW_H2_BLOCK_SIZE);
}

/* A HEADERS frame of `size` bytes of block, as much padding, and a priority. */
static void add_padded(unsigned flags, size_t size, unsigned char padding)
{
        char payload[600];
        size_t n = 0;

        if (flags & PADDED)
                payload[n++] = (char)padding;
        if (flags & PRIORITISED) {
                memset(payload + n, 0, 5);
                n += 5;
        }
        memset(payload + n, 0x20, size);
        n += size;
        if (flags & PADDED) {
                memset(payload + n, 0, padding);
                n += padding;
        }
        add_frame(HEADERS, flags, pgw_str_of(payload, n));
}

static void counts_neither_padding_nor_priority(void **state)
{
        static const unsigned flags[] = {PADDED, PRIORITISED, PADDED | PRIORITISED};
        static const unsigned char paddings[] = {0, 1, 255};

        (void)state;
        for (size_t i = 0; i < 3; i++)
                for (size_t k = 0; k < 3; k++) {
                        begin(100);
                        add_padded(flags[i] | END_HEADERS, 100, paddings[k]);
                        assert_int_equal(scan(), PGW_H2_FINE);
                        add_padded(flags[i] | END_HEADERS, 101, paddings[k]);
                        assert_int_equal(scan(), PGW_H2_BLOCK_SIZE);
                        begin(100);
                        add_padded(flags[i], 60, paddings[k]);
                        add_frame(CONTINUATION, 0, blank(40));
                        assert_int_equal(scan(), PGW_H2_FINE);
                        add_frame(CONTINUATION, END_HEADERS, blank(1));
                        assert_int_equal(scan(), PGW_H2_BLOCK_SIZE);
                        begin(0);
                        add_padded(flags[i] | END_HEADERS, 0, paddings[k]);
                        add_frame(CONTINUATION, 0, blank(1)); /* of no block */
                        assert_int_equal(scan(), PGW_H2_FINE);
                }
}

/* Every byte here is a field unless it is padding or priority. */
static void strips_what_is_no_field(void **state)
{
        struct pgw_buf payload;

        (void)state;
        pgw_buf_init(&payload, 1000);
        assert_int_equal(pgw_buf_add(&payload, "\x3\x82\x82\x82\x82\x82", 6), PGW_OK);
        for (int i = 0; i < 100; i++)
                assert_int_equal(pgw_buf_add(&payload, "\x82", 1), PGW_OK);
        assert_int_equal(pgw_buf_add(&payload, "\x82\x82\x82", 3), PGW_OK);
        add_frame(HEADERS, PADDED | PRIORITISED | END_HEADERS, pgw_buf_str(&payload));
        assert_int_equal(scan(), PGW_H2_FINE);
        payload.p[0] = 2; /* one byte less of padding: a field */
        add_frame(HEADERS, PADDED | PRIORITISED | END_HEADERS, pgw_buf_str(&payload));
        assert_int_equal(scan(), PGW_H2_FIELDS);
        pgw_buf_fini(&payload);
}

/* A mistake for which the library has the right error. */
static void leaves_padding_that_does_not_fit_to_the_library(void **state)
{
        static const struct {
                unsigned flags;
                struct pgw_str payload;
        } cases[] = {
            {PADDED, {NULL, 0}},
            {PADDED, {"\x01", 1}},
            {PADDED, {"\xff\x82", 2}},
            {PRIORITISED, {NULL, 0}},
            {PRIORITISED, {"1234", 4}},
            {PADDED | PRIORITISED, {"\x00", 1}},
            {PADDED | PRIORITISED, {"\x00\x31\x32\x33\x34", 5}},
            {PADDED | PRIORITISED, {"\x01\x31\x32\x33\x34\x35", 6}},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                begin(0);
                add_frame(HEADERS, cases[i].flags | END_HEADERS, cases[i].payload);
                assert_int_equal(scan(), PGW_H2_FINE);
        }
}

static void collects_only_what_belongs_to_the_open_block(void **state)
{
        (void)state;
        begin(100);
        add_frame(CONTINUATION, 0, blank(1000));
        add_frame(HEADERS, END_HEADERS, blank(100));
        add_frame(CONTINUATION, END_HEADERS, blank(1000));
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.block_size, 0);
        /* One that another begins before it has ended. */
        add_frame(HEADERS, 0, blank(60));
        add_frame(HEADERS, 0, blank(60));
        add_frame(CONTINUATION, END_HEADERS, blank(40));
        assert_int_equal(scan(), PGW_H2_FINE);
}

/* ---- the number of its frames ---- */

static void takes_8_continuations_and_no_ninth(void **state)
{
        (void)state;
        assert_int_equal(PGW_H2_CONTINUATION_MAX, 8);
        for (int block = 0; block < 3; block++) {
                add_frame(HEADERS, 0, no_bytes);
                add_frames(7, CONTINUATION, 0, no_bytes);
                add_frame(CONTINUATION, END_HEADERS, no_bytes);
                assert_int_equal(scan(), PGW_H2_FINE);
        }
        add_frame(HEADERS, 0, no_bytes);
        add_frames(8, CONTINUATION, 0, no_bytes);
        assert_int_equal(scan(), PGW_H2_FINE);
        add_frame(CONTINUATION, END_HEADERS, no_bytes);
        assert_int_equal(scan(), PGW_H2_BLOCK_FRAMES);
}

static void takes_no_continuation_in_a_drain(void **state)
{
        (void)state;
        guard.draining = true;
        add_frame(HEADERS, END_HEADERS, PGW_STR("\x82"));
        add_frame(PING, 0, PGW_STR("12345678"));
        assert_int_equal(scan(), PGW_H2_FINE);
        add_frame(HEADERS, 0, PGW_STR("\x82"));
        assert_int_equal(scan(), PGW_H2_FINE);
        add_frame(CONTINUATION, END_HEADERS, no_bytes);
        assert_int_equal(scan(), PGW_H2_CONTINUATION_IN_DRAIN);
        /* Nor when the block began before. */
        begin(BLOCK_MAX);
        add_frame(HEADERS, 0, PGW_STR("\x82"));
        add_frame(CONTINUATION, 0, no_bytes);
        assert_int_equal(scan(), PGW_H2_FINE);
        guard.draining = true;
        add_frame(CONTINUATION, END_HEADERS, no_bytes);
        assert_int_equal(scan(), PGW_H2_CONTINUATION_IN_DRAIN);
}

/* ---- fields ---- */

/* One field in each form of RFC 7541 section 6. */
static const struct pgw_str one_field[] = {
    {"\x82", 1},                     /* indexed */
    {"\xff\x00", 2},                 /* ... by an index of two bytes */
    {"\xff\x80\x80\x80\x01", 5},     /* ... of five */
    {"\x40\x01z\x01z", 5},           /* literal, kept, both new */
    {"\x41\x01z", 3},                /* ... with the name of an index */
    {"\x7f\x00\x01z", 4},            /* ... of two bytes */
    {"\x00\x01z\x01z", 5},           /* literal, not kept */
    {"\x01\x01z", 3},                /* ... with the name of an index */
    {"\x0f\x00\x01z", 4},            /* ... of two bytes */
    {"\x10\x01z\x01z", 5},           /* literal, never kept */
    {"\x11\x01z", 3},                /* ... with the name of an index */
    {"\x1f\x80\x01\x01z", 5},        /* ... of three bytes */
    {"\x40\x00\x00", 3},             /* two empty texts */
    {"\x41\x81\x1c", 3},             /* a text in Huffman's code */
    {"\x40\x03\x82\x82\x82\x00", 6}, /* a text of what would be fields */
};

enum { FORMS = sizeof one_field / sizeof one_field[0] };

static size_t fields_of(struct pgw_str block)
{
        char *copy = malloc(block.n ? block.n : 1);

        assert_non_null(copy);
        if (block.n)
                memcpy(copy, block.p, block.n);
        const size_t fields = pgw_guard_hpack_fields(pgw_str_of(copy, block.n));
        free(copy);
        return fields;
}

static struct pgw_str repeat(struct pgw_str piece, size_t count, struct pgw_buf *out)
{
        pgw_buf_clear(out);
        while (count--)
                assert_int_equal(pgw_buf_add_str(out, piece), PGW_OK);
        return pgw_buf_str(out);
}

static void counts_fields_in_every_form(void **state)
{
        static const char all[] = "\x82\x41\x01z\x20\x00\x01z\x01z\x10\x01z\x01z\x3f\x10\x84";
        struct pgw_buf many;

        (void)state;
        pgw_buf_init(&many, 100000);
        assert_int_equal(pgw_guard_hpack_fields(no_bytes), 0);
        for (size_t i = 0; i < FORMS; i++)
                for (size_t count = 1; count <= 200; count += 33)
                        assert_int_equal(fields_of(repeat(one_field[i], count, &many)), count);
        assert_int_equal(fields_of(pgw_str_of(all, sizeof all - 1)), 5);
        pgw_buf_fini(&many);
}

static void counts_no_change_of_the_tables_size(void **state)
{
        static const struct pgw_str changes[] = {{"\x20", 1}, {"\x3e", 1}, {"\x3f\xe1\x1f", 3}};
        struct pgw_buf many;

        (void)state;
        pgw_buf_init(&many, 100000);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(fields_of(repeat(changes[i], 300, &many)), 0);
                assert_int_equal(pgw_buf_add(&many, "\x82\x84", 2), PGW_OK);
                assert_int_equal(fields_of(pgw_buf_str(&many)), 2);
        }
        pgw_buf_fini(&many);
}

/* A text whose length needs a second byte, and the field behind it. */
static void passes_over_long_texts(void **state)
{
        char block[3 + 127 + 128 + 1];

        (void)state;
        memset(block, 0x82, sizeof block);
        memcpy(block, "\x41\x7f\x00", 3);
        assert_int_equal(fields_of(pgw_str_of(block, 3 + 127)), 1);
        assert_int_equal(fields_of(pgw_str_of(block, 3 + 127 + 1)), 2);
        memcpy(block, "\x41\x7f\x80\x01", 4); /* 127 + 128 */
        assert_int_equal(fields_of(pgw_str_of(block, 4 + 127 + 128)), 1);
}

static void takes_100_fields_and_no_more(void **state)
{
        struct pgw_buf many;

        (void)state;
        assert_int_equal(PGW_H2_FIELDS_MAX, 100);
        pgw_buf_init(&many, 100000);
        for (size_t i = 0; i < FORMS; i++) {
                add_frame(HEADERS, END_HEADERS, repeat(one_field[i], 100, &many));
                assert_int_equal(scan(), PGW_H2_FINE);
                add_frame(HEADERS, END_HEADERS, repeat(one_field[i], 101, &many));
                assert_int_equal(scan(), PGW_H2_FIELDS);
        }
        pgw_buf_fini(&many);
}

static void counts_fields_over_the_seams_of_frames(void **state)
{
        struct pgw_buf many;

        (void)state;
        pgw_buf_init(&many, 100000);
        for (size_t count = 100; count <= 101; count++) {
                const struct pgw_str block = repeat(PGW_STR("\x40\x01z\x01z"), count, &many);
                for (size_t at = 0; at <= block.n; at++) {
                        begin(BLOCK_MAX);
                        add_frame(HEADERS, 0, pgw_str_of(block.p, at));
                        add_frame(CONTINUATION, END_HEADERS,
                                  pgw_str_of(block.p + at, block.n - at));
                        assert_int_equal(scan(), count > 100 ? PGW_H2_FIELDS : PGW_H2_FINE);
                }
        }
        pgw_buf_fini(&many);
}

/* The mistake itself, and what may stand behind it, are the library's to refuse. */
static void counts_the_fields_before_a_mistake(void **state)
{
        static const struct pgw_str mistakes[] = {
            {"\xff", 1},                         /* an index without its end */
            {"\xff\x80", 2},                     /* ... */
            {"\xff\x80\x80\x80\x80\x01\x82", 7}, /* ... larger than any table */
            {"\x40", 1},                         /* no name */
            {"\x40\x01", 2},                     /* a name without its bytes */
            {"\x40\x01z", 3},                    /* no value */
            {"\x41", 1},                         /* ... */
            {"\x41\x02z", 3},                    /* a value cut off */
            {"\x41\x7f", 2},                     /* its length cut off */
            {"\x41\x7f\xff\xff\xff\x7f\x82", 7}, /* its length beyond everything */
            {"\x41\x7f\xff\xff\xff\xff\x7f\x82", 8},
            {"\x7f", 1},
            {"\x0f", 1},
            {"\x1f\x80", 2},
            {"\x3f", 1}, /* a size of the table without its end */
            {"\x3f\x80", 2},
        };
        char block[16];

        (void)state;
        memcpy(block, "\x82\x84", 2);
        for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
                assert_int_equal(fields_of(mistakes[i]), 0);
                memcpy(block + 2, mistakes[i].p, mistakes[i].n);
                assert_int_equal(fields_of(pgw_str_of(block, 2 + mistakes[i].n)), 2);
        }
}

/* ---- pieces ---- */

static void judges_only_frames_that_came_whole(void **state)
{
        (void)state;
        begin(100);
        add_frame(HEADERS, END_HEADERS, blank(101));
        for (size_t n = 0; n < wire.n; n++)
                assert_int_equal(scan_part(n, 1000), PGW_H2_FINE);
        assert_int_equal(scan(), PGW_H2_BLOCK_SIZE);

        begin(BLOCK_MAX);
        add_frame_on(1, HEADERS, END_HEADERS, PGW_STR("\x83"));
        for (size_t n = 0; n < wire.n; n++)
                assert_int_equal(scan_part(n, 1000), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 0);
        assert_int_equal(scan(), PGW_H2_FINE);
        assert_int_equal(guard.bodies_open, 1);

        /* What is looked at again because it is not whole costs nothing. */
        begin(BLOCK_MAX);
        add_frame(PING, 0, PGW_STR("12345678"));
        for (int i = 0; i < 1000; i++)
                assert_int_equal(scan_part(wire.n - 1, 1000), PGW_H2_FINE);
        pgw_buf_clear(&wire);
        spend_all_at(1000);
}

static void looks_at_nothing_behind_a_frame_that_is_too_long(void **state)
{
        (void)state;
        assert_int_equal(PGW_H2_FRAME_MAX, 16384);
        add_frame(DATA, 0, blank(16384));
        add_frames(401, PING, 0, PGW_STR("12345678"));
        assert_int_equal(scan(), PGW_H2_FLOOD);
        begin(BLOCK_MAX);
        add_frame(DATA, 0, blank(16385));
        add_frames(401, PING, 0, PGW_STR("12345678"));
        assert_int_equal(scan(), PGW_H2_FINE);
        begin(100);
        add_frame(HEADERS, END_HEADERS, blank(16385));
        assert_int_equal(scan(), PGW_H2_FINE);
}

static void tells_the_first_of_several_verdicts(void **state)
{
        (void)state;
        begin(100);
        add_frame(HEADERS, END_HEADERS, blank(101));
        add_frames(500, PING, 0, PGW_STR("12345678"));
        assert_int_equal(scan(), PGW_H2_BLOCK_SIZE);
        begin(100);
        add_frames(500, PING, 0, PGW_STR("12345678"));
        add_frame(HEADERS, END_HEADERS, blank(101));
        assert_int_equal(scan(), PGW_H2_FLOOD);
}

static void names_its_verdicts(void **state)
{
        static const char *const names[] = {
            "fine",          "flood",         "header_block_size",
            "header_frames", "header_fields", "continuation_in_drain",
            "streams",       "bodies"};

        (void)state;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                assert_string_equal(pgw_h2_verdict_name((enum pgw_h2_verdict)i), names[i]);
        assert_int_equal(sizeof names / sizeof names[0], PGW_H2_BODIES + 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            CASE(waits_for_the_whole_preface),
            CASE(takes_400_control_frames_and_no_more),
            CASE(counts_a_frame_of_an_unknown_type_as_20),
            CASE(takes_requests_and_their_bodies_for_nothing),
            CASE(gives_tokens_back_with_time),
            CASE(keeps_no_more_than_400_however_long_it_waits),
            CASE(gives_a_token_back_for_each_answer),
            CASE(bounds_a_block_in_one_frame),
            CASE(bounds_a_block_over_several_frames),
            CASE(counts_neither_padding_nor_priority),
            CASE(strips_what_is_no_field),
            CASE(leaves_padding_that_does_not_fit_to_the_library),
            CASE(collects_only_what_belongs_to_the_open_block),
            CASE(takes_8_continuations_and_no_ninth),
            CASE(takes_no_continuation_in_a_drain),
            CASE(counts_fields_in_every_form),
            CASE(counts_no_change_of_the_tables_size),
            CASE(passes_over_long_texts),
            CASE(takes_100_fields_and_no_more),
            CASE(counts_fields_over_the_seams_of_frames),
            CASE(counts_the_fields_before_a_mistake),
            CASE(judges_only_frames_that_came_whole),
            CASE(looks_at_nothing_behind_a_frame_that_is_too_long),
            CASE(tells_the_first_of_several_verdicts),
            CASE(names_its_verdicts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
