/* role/rates.h - the limits that the settings name. */
#ifndef PGW_ROLE_RATES_H
#define PGW_ROLE_RATES_H

#include "http/limits.h"
#include "role/settings.h"

struct pgw_limits_conf pgw_rates_of(const struct pgw_settings *);

#endif
