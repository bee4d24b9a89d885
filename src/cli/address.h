/* cli/address.h - where a gateway is.
 *
 * Pure. An address may hold a name and a password, which are for the gateway and for nobody who
 * reads an error.
 */
#ifndef PGW_CLI_ADDRESS_H
#define PGW_CLI_ADDRESS_H

#include <stdbool.h>

#include "base/err.h"

#define PGW_CLI_ADDRESS_SIZE 4096

struct pgw_cli_address {
        char url[PGW_CLI_ADDRESS_SIZE];   /* without a slash at the end */
        char shown[PGW_CLI_ADDRESS_SIZE]; /* the same without name and password */
        bool is_here;                     /* on this machine: loopback, or any of its addresses */
};

/* PGW_E_INVALID, with the reason, unless it is http:// or https:// and a host. */
enum pgw_err pgw_cli_address_read(const char *url, struct pgw_cli_address *ret_address,
                                  struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
