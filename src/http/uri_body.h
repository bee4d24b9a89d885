/* http/uri_body.h - events of the IETF draft, as the body that the contract knows.
 *
 * draft-nottingham-http-invalidation names what has changed by URIs: single ones, all below one,
 * all of an origin, or groups. Here the caches hold keys, so the operator says how a URI becomes a
 * key, with a template of these parts of it, normalised (RFC 3986, section 6.2.2 and 6.2.3):
 *      {uri}      all of it without a fragment         {origin}   scheme, host and port
 *      {scheme} {host} {port}                          {path}     with its query: {path_query}
 *      {query}    without the `?`
 * and {group} in that for the tag of a group. A prefix means whole segments of the path.
 *
 * Pure. What comes out is checked like any other body.
 */
#ifndef PGW_HTTP_URI_BODY_H
#define PGW_HTTP_URI_BODY_H

#include <jansson.h>

#include "http/schema.h"

/* PGW_E_CONFIG, with the reason, for a template with an unknown part; `for_groups` allows {group}.
 */
enum pgw_err pgw_uri_template_check(const char *, bool for_groups,
                                    struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* PGW_E_SCHEMA with violations; PGW_E_URI_TYPE for a type that is not known, or that the template
 * for keys cannot serve because something stands behind the path. */
enum pgw_err pgw_uri_body(const json_t *event, const char *key_template, const char *tag_template,
                          struct pgw_violations *, struct pgw_fault *reterr_fault,
                          json_t **ret_body) PGW_MUSTUSE;

#endif
