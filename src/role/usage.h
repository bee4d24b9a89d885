/* role/usage.h - what `purgeway help` says. */
#ifndef PGW_ROLE_USAGE_H
#define PGW_ROLE_USAGE_H

#include <stdbool.h>
#include <stdio.h>

/* The name of a page that is no verb's, NULL behind the last: "settings" is docs/configuration.md,
 * "example" deploy/purgeway.yaml and "errors" docs/errors.md, which are made from the tables in
 * this way. */
const char *pgw_usage_page(size_t index);

/* Print one of these, that of serve, gateway or worker, or the general page for NULL. False, and
 * nothing printed, for any other name. */
bool pgw_usage(FILE *, const char *name);

#endif
