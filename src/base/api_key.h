/* base/api_key.h - the keys that clients show, and what is kept of them.
 *
 *      pgw_ and 48 characters of base64url: 32 random bytes, and 4 that check them
 *
 * The beginning is for those who search sources and logs for secrets, the check for telling a key
 * that was cut or mistyped from one that is not known.
 *
 * Kept is the SHA-256 of the text, or with a pepper (a secret that lies beside the gateways and not
 * in the file) the HMAC-SHA256 of it. Nothing slower: a password needs that because it can be
 * guessed from a list, 256 random bits cannot. The pepper is for secrets that were made elsewhere,
 * and so that a file of hashes alone does not tell whether a secret that was found belongs to it.
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
#define PGW_SECRET_KEYED_WORD "hmac-sha256:"
#define PGW_SECRET_HASH_CHARS (12 + 2 * PGW_SHA256_SIZE) /* the longer word, hexadecimal digits */

/* A new one, not terminated. */
void pgw_api_key_make(char out[PGW_API_KEY_SIZE]);

/* It was made by pgw_api_key_make(), somewhere, and is whole. */
bool pgw_api_key_is_whole(struct pgw_str);

/* What is kept of a secret; `pepper` is empty without one. */
void pgw_secret_hash(struct pgw_str secret, struct pgw_str pepper,
                     unsigned char out[PGW_SHA256_SIZE]);

/* The same as files have it; returns how many characters. And reading that, with whether it needs a
 * pepper: PGW_E_INVALID when it is no such text. */
size_t pgw_secret_hash_text(struct pgw_str secret, struct pgw_str pepper,
                            char out[PGW_SECRET_HASH_CHARS]);
enum pgw_err pgw_secret_hash_parse(struct pgw_str text, bool *ret_keyed,
                                   unsigned char out[PGW_SHA256_SIZE]) PGW_MUSTUSE;

#endif
