/* base/alloc.h - small allocations that do not fail.
 *
 * For objects whose number and size we decide ourselves. When memory is out the
 * process panics, as the libraries under us do. Whatever has a size that comes
 * from outside goes through base/buf.h or base/arena.h, which have ceilings.
 */
#ifndef PGW_BASE_ALLOC_H
#define PGW_BASE_ALLOC_H

#include <stddef.h>

/* Zeroed memory; never NULL. */
void *pgw_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* As realloc(3); the grown part is not zeroed. Never NULL. */
void *pgw_realloc(void *ptr, size_t size) __attribute__((returns_nonnull));

/* NULL is allowed. */
void pgw_free(void *ptr);

/* A copy of a C string; never NULL. */
char *pgw_strdup(const char *text) __attribute__((malloc, returns_nonnull));

/* A copy of `size` bytes with a NUL behind them; never NULL. */
char *pgw_memdup(const char *bytes, size_t size) __attribute__((malloc, returns_nonnull));

#endif
