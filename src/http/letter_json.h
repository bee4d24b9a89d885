/* http/letter_json.h - a dead letter in the words of the interface. */
#ifndef PGW_HTTP_LETTER_JSON_H
#define PGW_HTTP_LETTER_JSON_H

#include "base/buf.h"
#include "domain/letter.h"

/* At most `most` selectors of each kind are shown; how many there are is always told. */
enum pgw_err pgw_letter_json(struct pgw_buf *out, const struct pgw_letter *,
                             size_t most) PGW_MUSTUSE;

#endif
