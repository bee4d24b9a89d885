/* http/hook_copy.h - a delivery that outlives its request, to be looked at beside the loop. */
#ifndef PGW_HTTP_HOOK_COPY_H
#define PGW_HTTP_HOOK_COPY_H

#include "http/hook_signature.h"

struct pgw_hook_copy;
struct st_h2o_req_t;

/* Method, path, header fields and body. */
struct pgw_hook_copy *pgw_hook_copy_new(const struct st_h2o_req_t *);
void pgw_hook_copy_free(struct pgw_hook_copy *); /* NULL is allowed */

/* The header `host`, which the library does not keep among the others; NULL when there was none. */
struct pgw_str pgw_hook_host(const struct st_h2o_req_t *);

/* Valid as long as the copy. Any thread. */
const struct pgw_hook_message *pgw_hook_copy_message(const struct pgw_hook_copy *);

#endif
