/* http/library/khash.h - the table that libh2o keeps the streams of a connection in.
 *
 * <h2o/http2_internal.h> is installed, but klib's khash.h, which it includes, is not. This stands
 * in its place: the shape of the table, and a walk over its buckets. In which bucket a key is to be
 * looked for differs between versions of klib, and is nothing that need be known here.
 */
#ifndef PGW_HTTP_LIBRARY_KHASH_H
#define PGW_HTTP_LIBRARY_KHASH_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t khiter_t;

#define khash_t(name) kh_##name##_t

#define KHASH_MAP_INIT_INT64(name, value)                                                          \
        typedef struct {                                                                           \
                uint32_t n_buckets, size, n_occupied, upper_bound;                                 \
                uint32_t *flags; /* two bits a bucket: empty, deleted */                           \
                uint64_t *keys;                                                                    \
                value *vals;                                                                       \
        } kh_##name##_t;

static inline bool pgw_khash_is_taken(const uint32_t *flags, khiter_t at)
{
        return (flags[at >> 4] >> ((at & 15) << 1) & 3) == 0;
}

static inline khiter_t pgw_khash_find(const uint32_t *flags, const uint64_t *keys, khiter_t end,
                                      uint64_t key)
{
        khiter_t at = 0;

        while (at < end && !(pgw_khash_is_taken(flags, at) && keys[at] == key))
                at++;
        return at;
}

#define kh_get(name, h, key) pgw_khash_find((h)->flags, (h)->keys, (h)->n_buckets, key)
#define kh_end(h)            ((h)->n_buckets)
#define kh_exist(h, at)      pgw_khash_is_taken((h)->flags, at)
#define kh_val(h, at)        ((h)->vals[at])

#endif
