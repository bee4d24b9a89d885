/* http/guard_h1.h - the head of an HTTP/1 request, read strictly.
 *
 * The library accepts heads that two readers could understand differently, which is how
 * a request is smuggled past a proxy. The guard reads the raw head again by RFC 9112 and
 * refuses what is ambiguous. Pure.
 */
#ifndef PGW_HTTP_GUARD_H1_H
#define PGW_HTTP_GUARD_H1_H

#include "base/str.h"

struct pgw_h1_verdict {
        int status;         /* 0: fine; else what to answer, and close */
        const char *reason; /* static */
        bool chunked;       /* its end is the library's word alone: do not reuse the connection */
        bool unfinished;    /* the end is not there, nor anything else wrong but perhaps its size */
        bool oversized;     /* its end is there, and what was read of it is right */
        size_t size;        /* of the head, with its empty line */
};

#define PGW_H1_FIELDS_MAX 100

/* `bytes` starts with the request line; the head should be whole. */
struct pgw_h1_verdict pgw_guard_h1(struct pgw_str bytes, size_t head_max);

#endif
