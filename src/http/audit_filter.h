/* http/audit_filter.h - which records of the audit are meant. */
#ifndef PGW_HTTP_AUDIT_FILTER_H
#define PGW_HTTP_AUDIT_FILTER_H

#include "http/exchange.h"

/* Texts point into the request. Empty: anything. */
struct pgw_audit_filter {
        struct pgw_str who, job_id, action, status, key, tag, request_id;
        struct pgw_audit_range range; /* by since, until, order and page_token */
};

/* Read the query. PGW_E_SCHEMA, with a violation, for a time or a token that is none. */
enum pgw_err pgw_audit_filter_read(struct pgw_exchange *, struct pgw_audit_filter *ret) PGW_MUSTUSE;

bool pgw_audit_filter_fits(const struct pgw_audit_filter *, const struct pgw_audit *);

/* Go on behind this record. */
void pgw_audit_filter_pass(struct pgw_audit_filter *, struct pgw_entry_id);

#endif
