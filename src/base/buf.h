/* base/buf.h - a growing buffer that cannot be made without its ceiling.
 *
 * The buffer owns its bytes. A call that would pass the ceiling returns
 * PGW_E_TOO_LARGE and changes nothing.
 */
#ifndef PGW_BASE_BUF_H
#define PGW_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct pgw_buf {
        char *p;
        size_t n;
        size_t _cap;
        size_t _max;
};

/* An empty buffer of at most `max_size` bytes; allocates nothing yet. */
void pgw_buf_init(struct pgw_buf *, size_t max_size);
void pgw_buf_fini(struct pgw_buf *);

/* Empty, memory kept for the next use. */
void pgw_buf_clear(struct pgw_buf *);

/* Empty; memory is kept unless it is more than `max_kept` bytes. */
void pgw_buf_clear_to(struct pgw_buf *, size_t max_kept);

/* Forget the first `size` bytes. */
void pgw_buf_consume(struct pgw_buf *, size_t size);

/* Room for `size` more bytes behind the content; *ret_room points at it. Grow n yourself. */
enum pgw_err pgw_buf_reserve(struct pgw_buf *, size_t size, char **ret_room) PGW_MUSTUSE;

enum pgw_err pgw_buf_add(struct pgw_buf *, const void *bytes, size_t size) PGW_MUSTUSE;
enum pgw_err pgw_buf_add_str(struct pgw_buf *, struct pgw_str) PGW_MUSTUSE;
enum pgw_err pgw_buf_printf(struct pgw_buf *, const char *format, ...) PGW_PRINTF(2, 3) PGW_MUSTUSE;

struct pgw_str pgw_buf_str(const struct pgw_buf *);

#endif
