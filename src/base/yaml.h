/* base/yaml.h - a YAML document as a JSON value, strictly.
 *
 * One document; plain scalars null, true, false, integers and decimals have their type
 * (YAML 1.2 core schema), quoted and block scalars are strings. Duplicate keys, anchors,
 * aliases, tags and keys that are not scalars are refused, and so is nesting deeper than
 * 64. Errors name line and column.
 */
#ifndef PGW_BASE_YAML_H
#define PGW_BASE_YAML_H

#include <jansson.h>

#include "base/str.h"

struct pgw_yaml_lines; /* where each value stands */

/* `ret_lines` may be NULL. Free the value with json_decref(). PGW_E_CONFIG when it cannot be
 * read; an empty document is an empty object. */
enum pgw_err pgw_yaml_load(const char *bytes, size_t size, struct pgw_fault *reterr_fault,
                           json_t **ret, struct pgw_yaml_lines **ret_lines) PGW_MUSTUSE;

/* The line of the value at a JSON pointer ("/limits/body_bytes"); 0 when there is none. */
unsigned pgw_yaml_line(const struct pgw_yaml_lines *, const char *pointer);
void pgw_yaml_lines_free(struct pgw_yaml_lines *);

#endif
