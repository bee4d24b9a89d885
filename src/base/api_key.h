/* base/api_key.h - the keys that clients show, and what is kept of them.
 *
 *      pgw_ and 48 characters of base64url: 32 random bytes, and 4 that check them
 *
 * The beginning is for those who search sources and logs for secrets, the check for telling a key
 * that was cut or mistyped from one that is not known.
 *
 * Kept is the SHA-256 of the text. Nothing slower and nothing keyed: a password needs that because
 * it can be guessed from a list, 256 random bits cannot, and a second secret would have to be kept
 * beside every gateway. Whatever else serves as a secret must be as hard to guess.
 */
#ifndef PGW_BASE_API_KEY_H
#define PGW_BASE_API_KEY_H

#include "base/sha256.h"
#include "base/str.h"

#define PGW_API_KEY_PREFIX    "pgw_"
#define PGW_API_KEY_SIZE      52
#define PGW_SECRET_SIZE_MIN   32  /* of one that was made elsewhere */
#define PGW_SECRET_SIZE_MAX   512 /* of any */
#define PGW_SECRET_HASH_WORD  "sha256:"
#define PGW_SECRET_HASH_CHARS (7 + 2 * PGW_SHA256_SIZE) /* "sha256:" and hexadecimal digits */

/* A new one, not terminated. */
void pgw_api_key_make(char out[PGW_API_KEY_SIZE]);

/* It was made by pgw_api_key_make(), somewhere, and is whole. */
bool pgw_api_key_is_whole(struct pgw_str);

/* What files keep of a secret, and reading that. PGW_E_INVALID when it is no such text. */
void pgw_secret_hash_text(struct pgw_str secret, char out[PGW_SECRET_HASH_CHARS]);
enum pgw_err pgw_secret_hash_parse(struct pgw_str text,
                                   unsigned char out[PGW_SHA256_SIZE]) PGW_MUSTUSE;

#endif
