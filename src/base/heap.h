/* base/heap.h - a binary heap whose elements know their place.
 *
 * Keys are 64-bit; the smallest is first. An element is a `struct pgw_heap_item`
 * inside its owner; removal from the middle is O(log n). The heap owns only its
 * array of pointers.
 */
#ifndef PGW_BASE_HEAP_H
#define PGW_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pgw_heap_item {
        uint64_t _key;
        size_t _place; /* 1 + index; 0 while in no heap, so a zeroed item is ready */
};

struct pgw_heap {
        struct pgw_heap_item **_items;
        size_t _count, _cap;
};

void pgw_heap_init(struct pgw_heap *);
void pgw_heap_fini(struct pgw_heap *); /* must be empty */

/* Insert, or move when it is in already. */
void pgw_heap_put(struct pgw_heap *, struct pgw_heap_item *, uint64_t key);

/* No-op when it is in no heap. */
void pgw_heap_remove(struct pgw_heap *, struct pgw_heap_item *);

/* The item with the smallest key, or NULL. */
struct pgw_heap_item *pgw_heap_first(const struct pgw_heap *);

bool pgw_heap_has(const struct pgw_heap_item *);
uint64_t pgw_heap_key(const struct pgw_heap_item *);

#endif
