/* base/hmac.h - HMAC-SHA256 (RFC 2104), and comparing what must not be guessed.
 *
 * A message is made of pieces that follow one another without a mark between them, so that nobody
 * has to copy a body to put something in front of it.
 */
#ifndef PGW_BASE_HMAC_H
#define PGW_BASE_HMAC_H

#include "base/sha256.h"
#include "base/str.h"

#define PGW_HMAC_SIZE PGW_SHA256_SIZE

void pgw_hmac_sha256(struct pgw_str key, const struct pgw_str *pieces, size_t count,
                     unsigned char out[PGW_HMAC_SIZE]);

/* Whether two texts are the same, in a time that tells their lengths at most. */
bool pgw_secret_eq(struct pgw_str, struct pgw_str);

#endif
