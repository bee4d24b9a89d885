/* The usual implicit heap; every move tells the element its new index, which is what
 * makes removal from the middle possible without a search. */
#include "base/heap.h"

#include "base/alloc.h"
#include "base/panic.h"

static void place(struct pgw_heap *h, size_t index, struct pgw_heap_item *item)
{
        h->_items[index] = item;
        item->_place = index + 1;
}

static void sift_up(struct pgw_heap *h, size_t index)
{
        struct pgw_heap_item *item = h->_items[index];

        while (index > 0) {
                const size_t parent = (index - 1) / 2;
                if (h->_items[parent]->_key <= item->_key)
                        break;
                place(h, index, h->_items[parent]);
                index = parent;
        }
        place(h, index, item);
}

static void sift_down(struct pgw_heap *h, size_t index)
{
        struct pgw_heap_item *item = h->_items[index];

        for (;;) {
                size_t child = index * 2 + 1;
                if (child >= h->_count)
                        break;
                if (child + 1 < h->_count && h->_items[child + 1]->_key < h->_items[child]->_key)
                        child++;
                if (item->_key <= h->_items[child]->_key)
                        break;
                place(h, index, h->_items[child]);
                index = child;
        }
        place(h, index, item);
}

void pgw_heap_init(struct pgw_heap *h)
{
        *h = (struct pgw_heap){NULL, 0, 0};
}

void pgw_heap_fini(struct pgw_heap *h)
{
        PGW_ASSERT(h->_count == 0);
        pgw_free(h->_items);
        h->_items = NULL;
        h->_cap = 0;
}

void pgw_heap_put(struct pgw_heap *h, struct pgw_heap_item *item, uint64_t key)
{
        pgw_heap_remove(h, item);
        if (h->_count == h->_cap) {
                h->_cap = h->_cap ? h->_cap * 2 : 64;
                h->_items = pgw_realloc(h->_items, h->_cap * sizeof *h->_items);
        }
        item->_key = key;
        place(h, h->_count++, item);
        sift_up(h, h->_count - 1);
}

void pgw_heap_remove(struct pgw_heap *h, struct pgw_heap_item *item)
{
        if (!item->_place)
                return;
        const size_t index = item->_place - 1;
        PGW_ASSERT(index < h->_count);
        PGW_ASSERT(h->_items[index] == item);

        struct pgw_heap_item *last = h->_items[--h->_count];
        item->_place = 0;
        if (last == item)
                return;
        place(h, index, last);
        sift_down(h, index);
        sift_up(h, last->_place - 1);
}

struct pgw_heap_item *pgw_heap_first(const struct pgw_heap *h)
{
        return h->_count ? h->_items[0] : NULL;
}

bool pgw_heap_has(const struct pgw_heap_item *item)
{
        return item->_place != 0;
}

uint64_t pgw_heap_key(const struct pgw_heap_item *item)
{
        return item->_key;
}
