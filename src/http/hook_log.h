/* http/hook_log.h - every delivery is counted, and a line about it is written (domain/delivery.h).
 */
#ifndef PGW_HTTP_HOOK_LOG_H
#define PGW_HTTP_HOOK_LOG_H

#include "http/hook_judge.h"

/* Lines about deliveries whose sender is not known, of all hooks, that a thread writes in a second;
 * the rest is counted only. */
#define PGW_HOOK_LINES_S 10

/* `delivery` has all but the verdict; NULL: no line can be written. */
void pgw_hook_log(struct pgw_gateway *, const struct pgw_hook *, enum pgw_hook_verdict,
                  bool is_signed, const struct pgw_delivery *);

#endif
