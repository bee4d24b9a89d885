/* role/usage.h - what `purgeway help` says. */
#ifndef PGW_ROLE_USAGE_H
#define PGW_ROLE_USAGE_H

#include <stdio.h>

/* The general page, or that of a verb. */
void pgw_usage(FILE *, const char *verb);

#endif
