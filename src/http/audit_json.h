/* http/audit_json.h - a record of the audit in the words of the interface. */
#ifndef PGW_HTTP_AUDIT_JSON_H
#define PGW_HTTP_AUDIT_JSON_H

#include "domain/audit.h"

/* `target_name` is where a job was done whose record names no target. */
enum pgw_err pgw_audit_json(struct pgw_buf *out, const struct pgw_audit *,
                            const char *target_name) PGW_MUSTUSE;

#endif
