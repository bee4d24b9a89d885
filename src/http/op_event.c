/* POST /v1/events: what has changed, named by URIs as the IETF draft has it. What comes out is the
 * main job. The draft's `purge` tells removing from marking as stale; here what has changed goes in
 * both cases, because a cache of keys has no marks. */
#include <h2o.h>
#include <jansson.h>

#include "http/accept.h"
#include "http/cover.h"
#include "http/idempotency.h"
#include "http/operations.h"
#include "http/uri_body.h"

enum pgw_step pgw_op_event_understand(struct pgw_exchange *x)
{
        const struct pgw_gateway_conf *conf = &x->gateway->conf;
        json_t *body;

        x->err = pgw_idempotency_understand(x);
        if (x->err)
                return PGW_FAIL;
        x->err =
            pgw_uri_body(x->body, conf->uri_key, conf->uri_tag, &x->violations, &x->fault, &body);
        if (x->err)
                return PGW_FAIL;
        json_decref(x->body);
        x->body = body;
        x->err = pgw_cover_trim(x);
        if (!x->err)
                x->err = pgw_accept_check(x);
        if (x->err == PGW_E_SCHEMA)
                pgw_fault_set(&x->fault, "",
                              "What the event comes to here is no invalidation that is taken; "
                              "`errors` names the places in that.");
        return x->err ? PGW_FAIL : PGW_NEXT;
}
