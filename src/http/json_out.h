/* http/json_out.h - the pieces that answers are written of. */
#ifndef PGW_HTTP_JSON_OUT_H
#define PGW_HTTP_JSON_OUT_H

#include "base/buf.h"

/* Text as it is. */
enum pgw_err pgw_json_z(struct pgw_buf *out, const char *text) PGW_MUSTUSE;

/* `head`, then the number. */
enum pgw_err pgw_json_u64(struct pgw_buf *out, const char *head, uint64_t number) PGW_MUSTUSE;

/* `head`, which ends with the opening quote, then the time (RFC 3339) and the closing one. */
enum pgw_err pgw_json_time(struct pgw_buf *out, const char *head, uint64_t wall_ms) PGW_MUSTUSE;

/* `head`, then the error's code in quotes. */
enum pgw_err pgw_json_code(struct pgw_buf *out, const char *head, enum pgw_err error) PGW_MUSTUSE;

/* Of a list of keys (domain/invalidation.h) those that are text, as strings, or those that are
 * not, in base64; at most so many, separated by commas. */
enum pgw_err pgw_json_keys(struct pgw_buf *out, struct pgw_str keys, bool as_text,
                           size_t most) PGW_MUSTUSE;

#endif
