/* The heap against a plain array, and removal from the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/heap.h"

#define ITEMS 300

static struct pgw_heap_item items[ITEMS];

/* A fixed sequence, so that a failure can be seen again. */
static uint64_t next_random(void)
{
        static uint64_t x = 88172645463325252u;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        return x;
}

static void is_empty_at_first(void **state)
{
        struct pgw_heap h;
        struct pgw_heap_item item = {0, 0};

        (void)state;
        pgw_heap_init(&h);
        assert_null(pgw_heap_first(&h));
        assert_false(pgw_heap_has(&item));
        pgw_heap_remove(&h, &item);
        pgw_heap_fini(&h);
}

static void gives_the_smallest_first(void **state)
{
        struct pgw_heap h;
        uint64_t before = 0;

        (void)state;
        memset(items, 0, sizeof items);
        pgw_heap_init(&h);
        for (size_t i = 0; i < ITEMS; i++)
                pgw_heap_put(&h, &items[i], next_random() % 100);
        for (size_t i = 0; i < ITEMS; i++) {
                struct pgw_heap_item *first = pgw_heap_first(&h);
                assert_non_null(first);
                assert_true(pgw_heap_key(first) >= before);
                before = pgw_heap_key(first);
                pgw_heap_remove(&h, first);
                assert_false(pgw_heap_has(first));
        }
        assert_null(pgw_heap_first(&h));
        pgw_heap_fini(&h);
}

static void holds_extreme_keys(void **state)
{
        struct pgw_heap h;

        (void)state;
        memset(items, 0, sizeof items);
        pgw_heap_init(&h);
        pgw_heap_put(&h, &items[0], UINT64_MAX);
        pgw_heap_put(&h, &items[1], 0);
        assert_ptr_equal(pgw_heap_first(&h), &items[1]);
        /* Putting again moves. */
        pgw_heap_put(&h, &items[0], 0);
        pgw_heap_put(&h, &items[1], 1);
        assert_ptr_equal(pgw_heap_first(&h), &items[0]);
        pgw_heap_remove(&h, &items[0]);
        pgw_heap_remove(&h, &items[0]);
        assert_ptr_equal(pgw_heap_first(&h), &items[1]);
        pgw_heap_remove(&h, &items[1]);
        pgw_heap_fini(&h);
}

/* The smallest key among the model's items, or UINT64_MAX when it has none. */
static uint64_t smallest(const bool in[ITEMS], const uint64_t keys[ITEMS])
{
        uint64_t least = UINT64_MAX;

        for (size_t i = 0; i < ITEMS; i++)
                if (in[i] && keys[i] < least)
                        least = keys[i];
        return least;
}

static void agrees_with_a_plain_array(void **state)
{
        struct pgw_heap h;
        bool in[ITEMS] = {false};
        uint64_t keys[ITEMS];

        (void)state;
        memset(items, 0, sizeof items);
        pgw_heap_init(&h);
        for (int step = 0; step < 20000; step++) {
                const size_t i = next_random() % ITEMS;
                if (next_random() % 5 < 3) {
                        keys[i] = next_random() % 1000;
                        in[i] = true;
                        pgw_heap_put(&h, &items[i], keys[i]);
                        assert_int_equal(pgw_heap_key(&items[i]), keys[i]);
                } else {
                        in[i] = false;
                        pgw_heap_remove(&h, &items[i]);
                }
                assert_int_equal(pgw_heap_has(&items[i]), in[i]);
                const struct pgw_heap_item *first = pgw_heap_first(&h);
                assert_true((first ? pgw_heap_key(first) : UINT64_MAX) == smallest(in, keys));
        }
        for (size_t i = 0; i < ITEMS; i++)
                pgw_heap_remove(&h, &items[i]);
        assert_null(pgw_heap_first(&h));
        pgw_heap_fini(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(is_empty_at_first),
            cmocka_unit_test(gives_the_smallest_first),
            cmocka_unit_test(holds_extreme_keys),
            cmocka_unit_test(agrees_with_a_plain_array),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
