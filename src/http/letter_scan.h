/* http/letter_scan.h - walks through the dead letters, page by page, the oldest first. */
#ifndef PGW_HTTP_LETTER_SCAN_H
#define PGW_HTTP_LETTER_SCAN_H

#include "http/gateway.h"
#include "http/letter_filter.h"

/* A letter that fits; valid until it returns. False: that is enough. */
typedef bool pgw_letter_each_f(void *ctx, const struct pgw_letter *);

/* It is over. `next` is where to go on, or NULL when there is nothing more. */
typedef void pgw_letter_scanned_f(void *ctx, enum pgw_err, const struct pgw_letter_place *next);

/* At most `most` letters are looked at; `enough` of them are likely to be. `done` comes once,
 * later, if and only if PGW_OK is returned. The filter is copied; its texts must live until then.
 */
enum pgw_err pgw_letter_scan(struct pgw_gateway *, const struct pgw_letter_filter *,
                             const struct pgw_letter_place *from, size_t most, size_t enough,
                             pgw_letter_each_f *, pgw_letter_scanned_f *done,
                             void *ctx) PGW_MUSTUSE;

#endif
