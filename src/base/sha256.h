/* base/sha256.h - bytes to their SHA-256, piece by piece.
 *
 * The pieces follow one another without a mark between them: who hashes several things puts
 * something between them that cannot stand in them.
 */
#ifndef PGW_BASE_SHA256_H
#define PGW_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>

#define PGW_SHA256_SIZE 32

struct pgw_sha256;

struct pgw_sha256 *pgw_sha256_new(void);
void pgw_sha256_add(struct pgw_sha256 *, const void *bytes, size_t size);

/* Write the hash and free what counted it. */
void pgw_sha256_end(struct pgw_sha256 *, unsigned char out[PGW_SHA256_SIZE]);

/* The hash of one piece. */
void pgw_sha256_of(const void *bytes, size_t size, unsigned char out[PGW_SHA256_SIZE]);

/* Whether two hashes are the same, in a time that does not tell where they differ. */
bool pgw_sha256_eq(const unsigned char a[PGW_SHA256_SIZE], const unsigned char b[PGW_SHA256_SIZE]);

#endif
