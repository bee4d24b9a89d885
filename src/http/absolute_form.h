/* http/absolute_form.h - the target of a request as proxies are told it (RFC 9112, section 3.2.2).
 *
 *      GET http://purge.example:7780/livez HTTP/1.1
 *
 * A server must take it, and go by its authority in place of Host. Pure.
 */
#ifndef PGW_HTTP_ABSOLUTE_FORM_H
#define PGW_HTTP_ABSOLUTE_FORM_H

#include "base/str.h"

/* Take an http or https URI apart. *ret_path is what stands behind the authority, with the query:
 * empty, or it begins with `/` or `?`. False when it is none, or names no host, or a user. */
bool pgw_absolute_form(struct pgw_str target, struct pgw_str *ret_authority,
                       struct pgw_str *ret_path);

#endif
