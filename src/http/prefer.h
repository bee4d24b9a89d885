/* http/prefer.h - the Prefer header (RFC 7240), as far as it concerns us. */
#ifndef PGW_HTTP_PREFER_H
#define PGW_HTTP_PREFER_H

#include "base/str.h"

/* The seconds of `wait=N` in a Prefer header, at most `max_s`. PGW_E_INVALID when there is
 * no such preference that can be read: a preference that is not understood is ignored. */
enum pgw_err pgw_prefer_wait(struct pgw_str header, uint64_t max_s, uint64_t *ret_s) PGW_MUSTUSE;

#endif
