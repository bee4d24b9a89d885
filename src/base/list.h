/* base/list.h - a doubly linked list through a field of its elements.
 *
 * Allocates nothing; an element is on at most one list per link. A link that is on
 * no list is all zero, so a zeroed object is ready for use.
 */
#ifndef PGW_BASE_LIST_H
#define PGW_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/panic.h"

struct pgw_link {
        struct pgw_link *next, *prev;
};

struct pgw_list {
        struct pgw_link head;
        size_t count;
};

static inline void pgw_list_init(struct pgw_list *l)
{
        l->head.next = l->head.prev = &l->head;
        l->count = 0;
}

static inline bool pgw_link_is_on(const struct pgw_link *k)
{
        return k->next != NULL;
}

static inline void pgw_list_append(struct pgw_list *l, struct pgw_link *k)
{
        PGW_ASSERT(!pgw_link_is_on(k));
        k->prev = l->head.prev;
        k->next = &l->head;
        k->prev->next = k;
        l->head.prev = k;
        l->count++;
}

static inline void pgw_list_remove(struct pgw_list *l, struct pgw_link *k)
{
        PGW_ASSERT(pgw_link_is_on(k));
        PGW_ASSERT(l->count > 0);
        k->prev->next = k->next;
        k->next->prev = k->prev;
        k->next = k->prev = NULL;
        l->count--;
}

/* The first link, or NULL. */
static inline struct pgw_link *pgw_list_first(const struct pgw_list *l)
{
        return l->head.next == &l->head ? NULL : l->head.next;
}

/* The link behind `k`, or NULL. Ask before removing `k`. */
static inline struct pgw_link *pgw_list_next(const struct pgw_list *l, const struct pgw_link *k)
{
        return k->next == &l->head ? NULL : k->next;
}

#endif
