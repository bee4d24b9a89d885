/* role/usage.h - what `purgeway help` says. */
#ifndef PGW_ROLE_USAGE_H
#define PGW_ROLE_USAGE_H

#include <stdio.h>

/* The general page, or that of a verb. "settings" is docs/configuration.md, "example"
 * deploy/purgeway.yaml and "errors" docs/errors.md, which are made from the tables in this way. */
void pgw_usage(FILE *, const char *verb);

#endif
