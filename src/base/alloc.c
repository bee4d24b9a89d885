/* The one home of malloc: out of memory for small things of our own is a panic. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

void *pgw_alloc(size_t size)
{
        void *ptr = calloc(1, size ? size : 1);

        if (!ptr)
                pgw_panic("out of memory: %zu bytes", size);
        return ptr;
}

void *pgw_realloc(void *ptr, size_t size)
{
        void *grown = realloc(ptr, size ? size : 1);

        if (!grown)
                pgw_panic("out of memory: %zu bytes", size);
        return grown;
}

void pgw_free(void *ptr)
{
        free(ptr);
}

char *pgw_memdup(const char *bytes, size_t size)
{
        char *copy = pgw_realloc(NULL, size + 1);

        if (size)
                memcpy(copy, bytes, size);
        copy[size] = '\0';
        return copy;
}

char *pgw_strdup(const char *text)
{
        return pgw_memdup(text, strlen(text));
}
