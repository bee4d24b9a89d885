/* Growth doubles from a small start up to the ceiling, so that n additions cost n. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define PGW_BUF_FIRST_SIZE 256

void pgw_buf_init(struct pgw_buf *b, size_t max_size)
{
        *b = (struct pgw_buf){.p = NULL, .n = 0, ._cap = 0, ._max = max_size};
}

void pgw_buf_fini(struct pgw_buf *b)
{
        pgw_free(b->p);
        b->p = NULL;
        b->n = b->_cap = 0;
}

void pgw_buf_clear(struct pgw_buf *b)
{
        b->n = 0;
}

void pgw_buf_clear_to(struct pgw_buf *b, size_t max_kept)
{
        if (b->_cap > max_kept)
                pgw_buf_fini(b);
        b->n = 0;
}

void pgw_buf_consume(struct pgw_buf *b, size_t size)
{
        PGW_ASSERT(size <= b->n);
        b->n -= size;
        if (b->n && size)
                memmove(b->p, b->p + size, b->n);
}

/* Memory for `size` more bytes, whatever the ceiling says. */
static void grow(struct pgw_buf *b, size_t size)
{
        if (!b->p || b->_cap - b->n < size) {
                size_t cap = b->_cap ? b->_cap : PGW_BUF_FIRST_SIZE;
                while (cap - b->n < size)
                        cap *= 2;
                b->p = pgw_realloc(b->p, cap);
                b->_cap = cap;
        }
}

enum pgw_err pgw_buf_reserve(struct pgw_buf *b, size_t size, char **ret_room)
{
        if (size > b->_max - b->n)
                return PGW_E_TOO_LARGE;
        grow(b, size);
        *ret_room = b->p + b->n;
        return PGW_OK;
}

enum pgw_err pgw_buf_add(struct pgw_buf *b, const void *bytes, size_t size)
{
        char *room;
        enum pgw_err err = pgw_buf_reserve(b, size, &room);

        if (err)
                return err;
        if (size)
                memcpy(room, bytes, size);
        b->n += size;
        return PGW_OK;
}

enum pgw_err pgw_buf_add_str(struct pgw_buf *b, struct pgw_str s)
{
        return pgw_buf_add(b, s.p, s.n);
}

enum pgw_err pgw_buf_printf(struct pgw_buf *b, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        const int n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        PGW_ASSERT(n >= 0);

        if ((size_t)n > b->_max - b->n)
                return PGW_E_TOO_LARGE;
        /* One byte more for the terminator, which does not count as content. */
        grow(b, (size_t)n + 1);
        va_start(args, format);
        vsnprintf(b->p + b->n, (size_t)n + 1, format, args);
        va_end(args);
        b->n += (size_t)n;
        return PGW_OK;
}

struct pgw_str pgw_buf_str(const struct pgw_buf *b)
{
        return pgw_str_of(b->p, b->n);
}
