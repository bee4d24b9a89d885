/* Equal work that waits: each rule, and a long random run against what must hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "work/twins.h"

static void the_first_goes_and_others_join_it(void **state)
{
        struct pgw_twins *twins = pgw_twins_new();
        struct pgw_twin a = {._kind = NULL}, b = a, c = a;

        (void)state;
        assert_int_equal(pgw_twins_enter(twins, &a, PGW_STR("k")), PGW_TWIN_GO);
        assert_int_equal(pgw_twins_enter(twins, &b, PGW_STR("k")), PGW_TWIN_JOINED);
        assert_int_equal(pgw_twins_enter(twins, &c, PGW_STR("kk")), PGW_TWIN_GO);
        assert_ptr_equal(pgw_twins_next(&a), &b);
        assert_null(pgw_twins_next(&a));
        assert_null(pgw_twins_leave(twins, &a));
        assert_null(pgw_twins_leave(twins, &c));
        pgw_twins_free(twins);
}

static void nobody_joins_what_was_sent(void **state)
{
        struct pgw_twins *twins = pgw_twins_new();
        struct pgw_twin a = {._kind = NULL}, b = a, c = a, d = a;

        (void)state;
        assert_int_equal(pgw_twins_enter(twins, &a, PGW_STR("k")), PGW_TWIN_GO);
        pgw_twins_sent(&a);
        pgw_twins_sent(&a);
        assert_int_equal(pgw_twins_enter(twins, &b, PGW_STR("k")), PGW_TWIN_HOLD);
        assert_int_equal(pgw_twins_enter(twins, &c, PGW_STR("k")), PGW_TWIN_JOINED);
        assert_null(pgw_twins_next(&a));
        assert_ptr_equal(pgw_twins_leave(twins, &a), &b);
        assert_int_equal(pgw_twins_enter(twins, &d, PGW_STR("k")), PGW_TWIN_JOINED);
        pgw_twins_sent(&b);
        assert_ptr_equal(pgw_twins_next(&b), &c);
        assert_ptr_equal(pgw_twins_next(&b), &d);
        assert_null(pgw_twins_leave(twins, &b));
        pgw_twins_free(twins);
}

static void who_gives_up_before_sending_leaves_no_trace(void **state)
{
        struct pgw_twins *twins = pgw_twins_new();
        struct pgw_twin a = {._kind = NULL}, b = a;

        (void)state;
        assert_int_equal(pgw_twins_enter(twins, &a, PGW_STR("k")), PGW_TWIN_GO);
        assert_null(pgw_twins_leave(twins, &a));
        assert_int_equal(pgw_twins_enter(twins, &a, PGW_STR("k")), PGW_TWIN_GO);
        pgw_twins_sent(&a);
        assert_int_equal(pgw_twins_enter(twins, &b, PGW_STR("k")), PGW_TWIN_HOLD);
        assert_null(pgw_twins_leave(twins, &b));
        assert_null(pgw_twins_leave(twins, &a));
        pgw_twins_free(twins);
}

/* ---- random interleavings ---- */

enum { JOBS = 64, KEYS = 5, STEPS = 300000 };

enum stage { OUT, WAITS, HELD, JOINED, SENT };

/* A job, and the times of the model's clock that matter. */
struct job {
        struct pgw_twin twin;
        enum stage stage;
        unsigned key;
        uint64_t accepted, sent;
};

static struct job *job_of(struct pgw_twin *twin)
{
        return (struct job *)((char *)twin - offsetof(struct job, twin));
}

static struct pgw_str key_text(unsigned key)
{
        static const char texts[KEYS][4] = {"a", "b", "ab", "ba", ""};

        return pgw_str_z(texts[key]);
}

static void accept_one(struct pgw_twins *twins, struct job *job, uint64_t now)
{
        job->key = (unsigned)pgw_rand_below(KEYS);
        job->accepted = now;
        job->sent = 0;
        switch (pgw_twins_enter(twins, &job->twin, key_text(job->key))) {
        case PGW_TWIN_GO:
                job->stage = WAITS;
                break;
        case PGW_TWIN_HOLD:
                job->stage = HELD;
                break;
        case PGW_TWIN_JOINED:
                job->stage = JOINED;
                break;
        }
}

/* It ends, and those that joined it end with it: its removal left after all were accepted. */
static size_t end_one(struct pgw_twins *twins, struct job *leader)
{
        size_t ended = 1;
        struct pgw_twin *twin;

        while ((twin = pgw_twins_next(&leader->twin))) {
                struct job *job = job_of(twin);
                assert_int_equal(job->stage, JOINED);
                assert_int_equal(job->key, leader->key);
                assert_true(leader->sent > job->accepted);
                job->stage = OUT;
                ended++;
        }
        struct pgw_twin *held = pgw_twins_leave(twins, &leader->twin);
        if (held) {
                assert_int_equal(job_of(held)->stage, HELD);
                job_of(held)->stage = WAITS;
        }
        assert_true(leader->sent > leader->accepted);
        leader->stage = OUT;
        return ended;
}

static void nobody_is_absorbed_too_late(void **state)
{
        static struct job jobs[JOBS];
        struct pgw_twins *twins = pgw_twins_new();
        uint64_t now = 1, accepted = 0, ended = 0, sent = 0;

        (void)state;
        while (now < STEPS || accepted > ended) {
                struct job *job = &jobs[pgw_rand_below(JOBS)];
                now++;
                if (job->stage == OUT && now < STEPS) {
                        accept_one(twins, job, now);
                        accepted++;
                } else if (job->stage == WAITS && pgw_rand_below(4) == 0) {
                        /* Never two of one key at a time. */
                        for (size_t i = 0; i < JOBS; i++)
                                assert_false(jobs[i].stage == SENT && jobs[i].key == job->key);
                        pgw_twins_sent(&job->twin);
                        job->stage = SENT;
                        job->sent = now;
                        sent++;
                } else if (job->stage == SENT && pgw_rand_below(4) == 0) {
                        ended += end_one(twins, job);
                }
        }
        assert_int_equal(accepted, ended);
        assert_true(sent < accepted / 2);
        pgw_twins_free(twins);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_first_goes_and_others_join_it),
            cmocka_unit_test(nobody_joins_what_was_sent),
            cmocka_unit_test(who_gives_up_before_sending_leaves_no_trace),
            cmocka_unit_test(nobody_is_absorbed_too_late),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
