/* http/time_text.h - times in requests. */
#ifndef PGW_HTTP_TIME_TEXT_H
#define PGW_HTTP_TIME_TEXT_H

#include "http/exchange.h"

/* Empty is 0. PGW_E_SCHEMA, with a violation at `pointer`, for a time that is none. */
enum pgw_err pgw_time_read(struct pgw_exchange *, struct pgw_str text, const char *pointer,
                           uint64_t *ret_wall_ms) PGW_MUSTUSE;

#endif
