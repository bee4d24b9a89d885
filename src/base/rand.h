/* base/rand.h - random numbers that nobody can guess.
 *
 * From the kernel, fetched a page at a time per thread, because a job id needs
 * eight bytes and a system call for each would show at a hundred thousand a second.
 */
#ifndef PGW_BASE_RAND_H
#define PGW_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void pgw_rand_bytes(void *out, size_t size);
uint64_t pgw_rand_u64(void);

/* Uniform in 0 .. bound-1; bound > 0. For jitter. */
uint64_t pgw_rand_below(uint64_t bound);

#endif
