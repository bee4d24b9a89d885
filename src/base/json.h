/* base/json.h - bytes to a JSON value, strictly.
 *
 * RFC 8259 and no more: duplicate members, a byte order mark, bytes that are not UTF-8,
 * nesting deeper than 2,048 and anything behind the value are refused. Any value may
 * stand at the top. Strings may hold U+0000, because keys are bytes.
 */
#ifndef PGW_BASE_JSON_H
#define PGW_BASE_JSON_H

#include <jansson.h>

#include "base/str.h"

/* PGW_E_JSON with line and column in the fault; PGW_E_SCHEMA for what is valid JSON and still
 * refused: a member that stands twice, a NUL in a member's name, a number that fits neither 64 bits
 * nor a double. Give the value to json_decref(). */
enum pgw_err pgw_json_parse(const char *bytes, size_t size, struct pgw_fault *reterr_fault,
                            json_t **ret) PGW_MUSTUSE;

/* The member of this name, or NULL; faster than hashing the name where there are few members, which
 * is so of most bodies, while there are many names to ask for. */
json_t *pgw_json_get(const json_t *object, const char *name);

#endif
