/* Memory of one request: alignment, ceiling, reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

#define ALIGN _Alignof(max_align_t)

static void gives_aligned_memory_of_its_own(void **state)
{
        struct pgw_arena a;
        unsigned char *blocks[200];

        (void)state;
        pgw_arena_init(&a, 1 << 20);
        for (size_t i = 0; i < 200; i++) {
                blocks[i] = pgw_arena_take(&a, i);
                assert_non_null(blocks[i]);
                assert_int_equal((uintptr_t)blocks[i] % ALIGN, 0);
                memset(blocks[i], (int)i, i);
        }
        for (size_t i = 0; i < 200; i++)
                for (size_t k = 0; k < i; k++)
                        assert_int_equal(blocks[i][k], i);
        pgw_arena_fini(&a);
        pgw_arena_fini(&a);
}

static void stops_at_its_ceiling(void **state)
{
        struct pgw_arena a;

        (void)state;
        pgw_arena_init(&a, 10 * ALIGN);
        assert_null(pgw_arena_take(&a, SIZE_MAX));
        assert_null(pgw_arena_take(&a, SIZE_MAX - ALIGN));
        assert_null(pgw_arena_take(&a, 10 * ALIGN + 1));
        assert_non_null(pgw_arena_take(&a, 9 * ALIGN));
        assert_null(pgw_arena_take(&a, ALIGN + 1));
        assert_non_null(pgw_arena_take(&a, 1));
        /* The rounding of the byte before counts too. */
        assert_null(pgw_arena_take(&a, 1));
        pgw_arena_reset(&a);
        assert_non_null(pgw_arena_take(&a, 10 * ALIGN));
        pgw_arena_fini(&a);

        pgw_arena_init(&a, 0);
        assert_null(pgw_arena_take(&a, 1));
        pgw_arena_fini(&a);
}

static void takes_what_is_larger_than_a_chunk(void **state)
{
        struct pgw_arena a;

        (void)state;
        pgw_arena_init(&a, 1 << 20);
        char *small = pgw_arena_take(&a, 100);
        char *large = pgw_arena_take(&a, 500000);
        assert_non_null(small);
        assert_non_null(large);
        memset(large, 1, 500000);
        memset(small, 2, 100);
        assert_int_equal(large[499999], 1);
        pgw_arena_fini(&a);
}

static void keeps_its_first_chunk_over_a_reset(void **state)
{
        struct pgw_arena a;

        (void)state;
        pgw_arena_init(&a, 1 << 20);
        pgw_arena_reset(&a);
        void *first = pgw_arena_take(&a, 16);
        for (int i = 0; i < 100; i++)
                assert_non_null(pgw_arena_take(&a, 4000));
        pgw_arena_reset(&a);
        assert_ptr_equal(pgw_arena_take(&a, 16), first);
        pgw_arena_fini(&a);
}

static void duplicates_with_a_terminator(void **state)
{
        struct pgw_arena a;

        (void)state;
        pgw_arena_init(&a, 4 * ALIGN);
        struct pgw_str copy = pgw_arena_dup(&a, PGW_STR("a\0b"));
        assert_true(pgw_str_eq(copy, PGW_STR("a\0b")));
        assert_int_equal(copy.p[3], '\0');
        copy = pgw_arena_dup(&a, (struct pgw_str){NULL, 0});
        assert_non_null(copy.p);
        assert_int_equal(copy.n, 0);
        assert_int_equal(copy.p[0], '\0');
        /* Exactly as long as what is left, but for its terminator. */
        static const char bytes[2 * ALIGN];
        copy = pgw_arena_dup(&a, pgw_str_of(bytes, 2 * ALIGN));
        assert_null(copy.p);
        assert_int_equal(copy.n, 0);
        copy = pgw_arena_dup(&a, pgw_str_of(bytes, 2 * ALIGN - 1));
        assert_non_null(copy.p);
        pgw_arena_fini(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(gives_aligned_memory_of_its_own),
            cmocka_unit_test(stops_at_its_ceiling),
            cmocka_unit_test(takes_what_is_larger_than_a_chunk),
            cmocka_unit_test(keeps_its_first_chunk_over_a_reset),
            cmocka_unit_test(duplicates_with_a_terminator),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
