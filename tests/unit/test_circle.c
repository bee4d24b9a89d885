/* Positions of SCAN: the cursors of a cluster's tables by hand, and long random walks over models
 * of servers, in which no key may be left when a job is said to have come around. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "redis/slot.h"
#include "work/circle.h"

static uint64_t at_slot(unsigned slot, uint64_t in_table)
{
        return pgw_circle_position(in_table << 14 | slot);
}

/* A job that is in step with the walk, from `start` on. */
static bool goes(struct pgw_circle *c, struct pgw_position *p, const uint64_t *places, size_t count)
{
        bool is_closed = false;

        for (size_t i = 1; i < count; i++) {
                assert_false(is_closed);
                pgw_circle_stepped(c, places[i - 1], places[i]);
                is_closed = pgw_circle_extend(c, p, places[i - 1], places[i]);
        }
        return is_closed;
}

static void newcomer_among_slots_is_not_around_before_its_slot(void **state)
{
        /* Reversed, slot 1 lies behind slot 2; and no step has shown that it does not. */
        const uint64_t hidden[] = {at_slot(2, 0), 0, at_slot(1, 0)},
                       shown[] = {at_slot(2, 0), at_slot(3, 0), at_slot(4, 0), 0,
                                  at_slot(1, 4), at_slot(1, 2)};
        struct pgw_position p = {.start = at_slot(2, 0), .at = at_slot(2, 0)}, q = p;
        struct pgw_circle c;

        (void)state;
        assert_true(at_slot(1, 0) > at_slot(2, 0));
        pgw_circle_init(&c);
        assert_false(goes(&c, &p, hidden, 3));
        assert_true(goes(&c, &p, (const uint64_t[]){at_slot(1, 0), at_slot(2, 3)}, 2));
        assert_true(p.at == p.start);
        pgw_circle_init(&c);
        assert_false(goes(&c, &q, shown, 6));
        assert_true(goes(&c, &q, (const uint64_t[]){at_slot(1, 2), at_slot(3, 0)}, 2));
}

static void one_table_is_come_around_in_where_it_was_joined(void **state)
{
        uint64_t places[] = {1, 5, 3, 7, 0, 4, 2, 6, 1}; /* the cursors of a table of 8 */
        struct pgw_position p = {.start = pgw_circle_position(1), .at = pgw_circle_position(1)};
        struct pgw_circle c;

        (void)state;
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
                places[i] = pgw_circle_position(places[i]);
        pgw_circle_init(&c);
        assert_true(goes(&c, &p, places, sizeof places / sizeof places[0]));
        assert_true(pgw_circle_is_closed(&c, &p));
}

static void unknown_order_takes_a_whole_round(void **state)
{
        struct pgw_position p = {.start = 7, .at = 7}, elsewhere = {.start = 3, .at = 9};
        struct pgw_circle c;

        (void)state;
        pgw_circle_init(&c);
        /* Backwards by the table, then by the slots. */
        pgw_circle_stepped(&c, at_slot(1, 0), at_slot(2, 0));
        pgw_circle_stepped(&c, at_slot(2, 0), at_slot(1, 0));
        assert_false(goes(&c, &p, (const uint64_t[]){7, 20, 5, 0}, 4));
        assert_false(goes(&c, &p, (const uint64_t[]){0, 30, 2}, 3));
        assert_int_equal(pgw_circle_percent(&c, &p), 0);
        assert_true(goes(&c, &p, (const uint64_t[]){2, 0}, 2));
        assert_true(pgw_circle_is_closed(&c, &p));
        assert_false(goes(&c, &elsewhere, (const uint64_t[]){8, 10, 0}, 3));
        assert_true(elsewhere.start == 0 && elsewhere.at == 0 && !elsewhere.wrapped);
        assert_false(goes(&c, &elsewhere, (const uint64_t[]){0, 10}, 2));
        assert_true(goes(&c, &elsewhere, (const uint64_t[]){10, 0}, 2));
}

static void share_is_that_of_the_slots_of_the_node(void **state)
{
        static const struct {
                unsigned start, at, percent;
                bool wrapped;
        } cases[] = {
            {0, 0, 0, false},        {0, 5461, 0, false},          {0, 8192, 50, false},
            {0, 10922, 99, false},   {8192, 8192, 0, false},       {8192, 10921, 49, false},
            {8192, 0, 50, true},     {8192, 5461 + 100, 51, true}, {8192, 8191, 99, true},
            {8192, 8192, 100, true},
        };
        struct pgw_circle c;

        (void)state;
        pgw_circle_init(&c);
        c.first_slot = 5461;
        c.slot_count = 5462;
        /* What may still be either says the less of both. */
        const struct pgw_position early = {.at = at_slot(5463, 0)};
        assert_int_equal(pgw_circle_percent(&c, &early), 0);
        pgw_circle_stepped(&c, at_slot(1, 0), at_slot(2, 0));
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                const struct pgw_position p = {.start = at_slot(cases[i].start, 0),
                                               .at = at_slot(cases[i].at, 0),
                                               .wrapped = cases[i].wrapped};
                assert_in_range(pgw_circle_percent(&c, &p),
                                cases[i].percent ? cases[i].percent - 1 : 0, cases[i].percent);
        }
}

/* ---- models ---- */

enum { KEYS = 200, SLOTS = 12, JOBS = 4, BITS_MAX = 6 };
enum model { TABLE, CLUSTER, STRANGE };

struct key {
        uint64_t hash;
        unsigned slot;
};

struct server {
        enum model model;
        unsigned slots[SLOTS]; /* growing */
        unsigned bits[SLOTS];  /* of its table */
        struct key keys[KEYS];
        uint64_t cursors[KEYS]; /* of STRANGE, one for each key, without any order */
};

struct worked {
        struct pgw_position position;
        bool is_under_way;
        unsigned rounds;
        bool seen[KEYS];
};

static void make_server(struct server *s, enum model model)
{
        unsigned slot = (unsigned)pgw_rand_below(2) * (unsigned)pgw_rand_below(9000);

        *s = (struct server){.model = model};
        for (size_t i = 0; i < SLOTS; i++) {
                s->slots[i] = slot;
                slot += 1 + (unsigned)pgw_rand_below(i % 2 ? 500 : 2);
                s->bits[i] = (unsigned)pgw_rand_below(BITS_MAX);
        }
        for (size_t i = 0; i < KEYS; i++) {
                s->keys[i].hash = pgw_rand_u64();
                s->keys[i].slot = (unsigned)pgw_rand_below(model == CLUSTER ? SLOTS : 1);
                s->cursors[i] = i ? 1 + pgw_rand_below(UINT64_MAX) : 0;
        }
}

/* One bucket, as Redis does it. */
static uint64_t bucket(const struct server *s, unsigned table, uint64_t cursor, bool *seen)
{
        const uint64_t mask = (UINT64_C(1) << s->bits[table]) - 1;

        for (size_t i = 0; i < KEYS; i++)
                if (s->keys[i].slot == table && (s->keys[i].hash & mask) == (cursor & mask))
                        seen[i] = true;
        return pgw_circle_cursor(pgw_circle_position(cursor | ~mask) + 1);
}

static uint64_t scan_one(const struct server *s, uint64_t cursor, bool *seen)
{
        size_t i = 0;

        if (s->model == TABLE)
                return bucket(s, 0, cursor, seen);
        if (s->model == STRANGE) {
                while (s->cursors[i] != cursor)
                        i++;
                seen[i] = true;
                return i + 1 < KEYS ? s->cursors[i + 1] : 0;
        }
        while (i < SLOTS && s->slots[i] < (cursor & (PGW_REDIS_SLOTS - 1)))
                i++;
        if (i == SLOTS)
                return 0;
        if (s->slots[i] != (cursor & (PGW_REDIS_SLOTS - 1)))
                return s->slots[i]; /* from 0, which is another node's */
        const uint64_t next = bucket(s, (unsigned)i, cursor >> 14, seen);
        if (next)
                return next << 14 | s->slots[i];
        return i + 1 < SLOTS ? s->slots[i + 1] : 0;
}

static void place(struct worked *job, uint64_t at)
{
        memset(job, 0, sizeof *job);
        job->position.start = job->position.at = at;
        job->is_under_way = true;
}

static void all_is_seen(const struct worked *job)
{
        for (size_t i = 0; i < KEYS; i++)
                assert_true(job->seen[i]);
}

/* Whoever has come around by it must have seen all. */
static void commit(struct pgw_circle *c, struct worked *jobs, uint64_t at, uint64_t next,
                   const bool *seen)
{
        for (size_t j = 0; j < JOBS; j++) {
                struct worked *job = &jobs[j];
                if (!job->is_under_way)
                        continue;
                for (size_t i = 0; i < KEYS; i++)
                        job->seen[i] = job->seen[i] || seen[i];
                job->rounds += next == 0;
                job->is_under_way = !pgw_circle_extend(c, &job->position, at, next);
                assert_true(pgw_circle_is_closed(c, &job->position) || job->is_under_way);
                assert_in_range(pgw_circle_percent(c, &job->position), 0, 100);
                if (job->is_under_way) {
                        assert_true(job->rounds <= 3);
                        continue;
                }
                all_is_seen(job);
        }
}

static uint64_t slice(const struct server *s, struct pgw_circle *c, struct worked *jobs,
                      uint64_t at, unsigned count)
{
        bool seen[KEYS] = {false};
        uint64_t cursor = pgw_circle_cursor(at);

        do
                cursor = scan_one(s, cursor, seen);
        while (cursor && --count);
        pgw_circle_stepped(c, at, pgw_circle_position(cursor));
        commit(c, jobs, at, pgw_circle_position(cursor), seen);
        return pgw_circle_position(cursor);
}

/* Another worker goes on from what was written down, and knows nothing of the order. */
static uint64_t resume(struct pgw_circle *c, struct worked *jobs)
{
        uint64_t at = 0;

        pgw_circle_init(c);
        for (size_t j = 0; j < JOBS; j++) {
                struct worked *job = &jobs[j];
                job->rounds = 0;
                if (job->is_under_way && pgw_circle_is_closed(c, &job->position)) {
                        job->is_under_way = false;
                        all_is_seen(job);
                }
                if (job->is_under_way)
                        at = job->position.at;
        }
        return at;
}

/* Slices of all sizes, tables that grow and shrink, jobs that join, workers that die. */
static unsigned walk(enum model model, unsigned steps)
{
        struct worked jobs[JOBS] = {{.is_under_way = false}};
        struct pgw_circle c;
        struct server s;
        uint64_t at = 0;
        unsigned joined = 0;

        make_server(&s, model);
        pgw_circle_init(&c);
        while (model == STRANGE && c.orders)
                at = slice(&s, &c, jobs, at, 1);
        for (unsigned n = 0; n < steps; n++) {
                struct worked *job = &jobs[pgw_rand_below(JOBS)];
                const uint64_t what = pgw_rand_below(30);
                if (what < 5 && !job->is_under_way) {
                        place(job, at);
                        joined++;
                }
                if (what == 10 && model != STRANGE)
                        s.bits[pgw_rand_below(SLOTS)] = (unsigned)pgw_rand_below(BITS_MAX);
                if (what == 11 && model != STRANGE)
                        at = resume(&c, jobs);
                at = slice(&s, &c, jobs, at, 1 + (unsigned)pgw_rand_below(what < 20 ? 4 : 60));
        }
        return joined;
}

static void nobody_is_around_too_early(void **state)
{
        unsigned joined = 0;

        (void)state;
        for (unsigned run = 0; run < 300; run++)
                for (enum model model = TABLE; model <= STRANGE; model++)
                        joined += walk(model, 200);
        assert_true(joined > 1000);
}

/* The price of the caution: where the order shows there is none. */
static void round_is_no_longer_than_it_must_be(void **state)
{
        (void)state;
        for (unsigned run = 0; run < 200; run++) {
                struct worked jobs[JOBS] = {{.is_under_way = false}};
                struct pgw_circle c;
                struct server s;
                uint64_t at = 0;
                unsigned first = 0, second = 0;

                make_server(&s, run % 2 ? CLUSTER : TABLE);
                s.bits[0] = BITS_MAX;
                pgw_circle_init(&c);
                do
                        at = slice(&s, &c, jobs, at, 1);
                while (++first && at);
                for (unsigned n = (unsigned)pgw_rand_below(first); n; n--)
                        at = slice(&s, &c, jobs, at, 1);
                place(&jobs[0], at);
                for (; jobs[0].is_under_way; second++)
                        at = slice(&s, &c, jobs, at, 1);
                assert_int_equal(first, second);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(newcomer_among_slots_is_not_around_before_its_slot),
            cmocka_unit_test(one_table_is_come_around_in_where_it_was_joined),
            cmocka_unit_test(unknown_order_takes_a_whole_round),
            cmocka_unit_test(share_is_that_of_the_slots_of_the_node),
            cmocka_unit_test(nobody_is_around_too_early),
            cmocka_unit_test(round_is_no_longer_than_it_must_be),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
