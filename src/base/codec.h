/* base/codec.h - bytes as text and back.
 *
 * Base64 is RFC 4648 (standard alphabet with padding, strict: no spaces, no missing
 * padding, no stray bits); base64url is without padding. All functions are pure.
 */
#ifndef PGW_BASE_CODEC_H
#define PGW_BASE_CODEC_H

#include <stdbool.h>

#include "base/buf.h"

#define PGW_HEX_SIZE(n)       ((n)*2)
#define PGW_BASE64_SIZE(n)    (((n) + 2) / 3 * 4)
#define PGW_BASE64URL_SIZE(n) (((n)*8 + 5) / 6)

void pgw_hex(const void *bytes, size_t size, char *out); /* lower case, not terminated */

/* `out` holds text.n / 2 bytes. Odd length or another character: PGW_E_INVALID. */
enum pgw_err pgw_unhex(struct pgw_str text, void *out) PGW_MUSTUSE;

size_t pgw_base64(const void *bytes, size_t size, char *out);
size_t pgw_base64url(const void *bytes, size_t size, char *out);

/* `out` holds text.n / 4 * 3 + 3 bytes. PGW_E_INVALID for anything not canonical. */
enum pgw_err pgw_unbase64(struct pgw_str text, void *out, size_t *ret_size) PGW_MUSTUSE;
enum pgw_err pgw_unbase64url(struct pgw_str text, void *out, size_t *ret_size) PGW_MUSTUSE;

/* Percent-decode (RFC 3986). `out` holds text.n bytes. PGW_E_INVALID for an escape that is none. */
enum pgw_err pgw_url_decode(struct pgw_str text, char *out, size_t *ret_size) PGW_MUSTUSE;

/* True when the bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool pgw_utf8_is_valid(struct pgw_str);

/* Append `s` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
enum pgw_err pgw_json_escape(struct pgw_buf *out, struct pgw_str s) PGW_MUSTUSE;

#endif
