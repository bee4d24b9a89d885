/* base/clock.h - the two times.
 *
 * Monotonic time for deadlines and durations; wall time only for what people read
 * and for what other machines must agree on.
 */
#ifndef PGW_BASE_CLOCK_H
#define PGW_BASE_CLOCK_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

uint64_t pgw_mono_ms(void);
uint64_t pgw_mono_us(void);
uint64_t pgw_wall_ms(void); /* since 1970-01-01T00:00:00Z */

#define PGW_RFC3339_SIZE 25

/* "2026-11-20T22:37:00.123Z" with its NUL; times past the year 9999 are cut to it. */
void pgw_rfc3339(uint64_t wall_ms, char out[PGW_RFC3339_SIZE]);

/* Read any time of RFC 3339 (with an offset, with any digits of a second) since 1970; digits behind
 * the third are dropped. */
enum pgw_err pgw_rfc3339_parse(struct pgw_str, uint64_t *ret_wall_ms) PGW_MUSTUSE;

#endif
