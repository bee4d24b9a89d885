/* role/usage.h - what `purgeway help` says. */
#ifndef PGW_ROLE_USAGE_H
#define PGW_ROLE_USAGE_H

#include <stdio.h>

/* The general page, or that of a verb. "settings" is docs/configuration.md and "example"
 * deploy/purgeway.yaml, which are made from the table of settings in this way. */
void pgw_usage(FILE *, const char *verb);

#endif
