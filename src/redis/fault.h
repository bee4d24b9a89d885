/* redis/fault.h - what an error reply means. */
#ifndef PGW_REDIS_FAULT_H
#define PGW_REDIS_FAULT_H

#include "base/str.h"

/* The error of tbl/redis_faults.h for the text of an error reply (without its '-').
 * An error raised inside a script carries its cause in the text; it is found there. */
enum pgw_err pgw_redis_fault(struct pgw_str text);

#endif
