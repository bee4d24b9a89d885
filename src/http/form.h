/* http/form.h - requests of those who have no JSON at hand, as the body that the contract knows.
 *
 * A form (application/x-www-form-urlencoded) is what `curl -d key=user:42` sends. A field
 * becomes the member of its name; `key`, `pattern` and `tag` may stand there many times
 * and become the lists `keys`, `patterns` and `tags`. PURGE with Surrogate-Key headers,
 * as caches in front of web servers take it, names tags, separated by spaces.
 *
 * Pure. What comes out is checked against the contract like any other body.
 */
#ifndef PGW_HTTP_FORM_H
#define PGW_HTTP_FORM_H

#include <jansson.h>

#include "http/schema.h"

#define PGW_FORM_TYPE "application/x-www-form-urlencoded"

/* PGW_E_FORM, with the reason in the fault, when it is no form. */
enum pgw_err pgw_form_read(struct pgw_str form, struct pgw_fault *reterr_fault,
                           json_t **ret_body) PGW_MUSTUSE;

/* Put the names in a line of a Surrogate-Key header under `tags` of the body. PGW_E_SCHEMA with a
 * violation when one of them is not UTF-8: it could be no tag, and the others are not all that was
 * meant. */
enum pgw_err pgw_form_add_surrogate_keys(struct pgw_str line, json_t *body,
                                         struct pgw_violations *) PGW_MUSTUSE;

#endif
