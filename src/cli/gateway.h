/* cli/gateway.h - one HTTP conversation with a gateway.
 *
 * The one file that names libcurl. Requests follow one another on a kept connection; an
 * answer is JSON of at most 64 MiB. Redirects are not followed; https is verified
 * against the system's authorities or --cacert, and cannot be told not to. Proxies are what the
 * environment says, but none for a gateway on this machine.
 */
#ifndef PGW_CLI_GATEWAY_H
#define PGW_CLI_GATEWAY_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

/* Of an Idempotency-Key. */
#define PGW_CLI_KEY_SIZE_MAX 255

struct pgw_cli_gateway;

struct pgw_cli_request {
        const char *method;
        const char *path;            /* behind the address, with query; "/v1/queues" */
        const json_t *body;          /* borrowed; NULL: none */
        uint32_t wait_s;             /* sent as Prefer: wait=N; 0: not sent */
        const char *idempotency_key; /* printable ASCII; NULL: not sent */
        const char *about;           /* what an error names first; NULL: nothing */
};

struct pgw_cli_answer {
        int status;             /* of HTTP */
        json_t *body;           /* to be released with json_decref; NULL: it is not JSON */
        uint32_t retry_after_s; /* 0: not said */
        const char *from;       /* the gateway's address, valid as long as that is open */
};

/* `url` must be http:// or https:// (cli/address.h); `cacert` and `secret`, which is shown with
 * each request, may be NULL. PGW_E_INVALID otherwise. */
enum pgw_err pgw_cli_gateway_open(const char *url, const char *cacert, const char *secret,
                                  struct pgw_cli_gateway **ret_gateway,
                                  struct pgw_fault *reterr_fault) PGW_MUSTUSE;
void pgw_cli_gateway_close(struct pgw_cli_gateway *);

/* Send and wait for the answer, or for an interrupt (cli/interrupt.h). A gateway that cannot be
 * reached or does not answer in time gives PGW_E_INTERNAL with the reason; PGW_E_INVALID, when it
 * would be the same at any time: it is not who it should be, or the address is none. */
enum pgw_err pgw_cli_gateway_ask(struct pgw_cli_gateway *, const struct pgw_cli_request *,
                                 struct pgw_cli_answer *ret_answer,
                                 struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
