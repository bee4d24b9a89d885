/* http/hook_check.h - whether anything can come of a hook's deliveries.
 *
 * What `job` says goes into every invalidation that the hook makes, and the identity that it acts
 * as covers it or does not, whatever a delivery holds. So it is found out when the file is read, by
 * a body for each rule: refused later, it would be refused each time, and only the sender would
 * hear.
 */
#ifndef PGW_HTTP_HOOK_CHECK_H
#define PGW_HTTP_HOOK_CHECK_H

#include "http/hooks.h"

#define PGW_HOOK_PLACE_MAX 160

/* PGW_E_CONFIG with the reason, and the place of it in the hook, like "/job/hold_ms". */
enum pgw_err pgw_hook_check(const struct pgw_hook *, const struct pgw_hooks_sources *,
                            struct pgw_fault *reterr_fault,
                            char reterr_place[PGW_HOOK_PLACE_MAX]) PGW_MUSTUSE;

#endif
