/* http/form.h - requests of those who have no JSON at hand, as the body that the contract knows.
 *
 * A form (application/x-www-form-urlencoded) is what `curl -d key=user:42` sends. A field
 * becomes the member of its name; `key`, `pattern` and `tag` may stand there many times
 * and become the lists `keys`, `patterns` and `tags`. PURGE with a Surrogate-Key header,
 * as caches in front of web servers take it, names tags, separated by spaces.
 *
 * Pure. What comes out is checked against the contract like any other body.
 */
#ifndef PGW_HTTP_FORM_H
#define PGW_HTTP_FORM_H

#include <jansson.h>

#include "base/str.h"

#define PGW_FORM_TYPE "application/x-www-form-urlencoded"

/* PGW_E_FORM, with the reason in the fault, when it is no form. */
enum pgw_err pgw_form_read(struct pgw_str form, struct pgw_fault *reterr_fault,
                           json_t **ret_body) PGW_MUSTUSE;

/* The body for a Surrogate-Key header; one without names gives a body without tags. */
json_t *pgw_form_of_surrogate_keys(struct pgw_str header);

#endif
