/* domain/target.h - the names of the caches.
 *
 * A target is a Redis deployment that keys are removed from. Requests name it, so its name is
 * part of the interface: small letters, digits, '-' and '_'.
 */
#ifndef PGW_DOMAIN_TARGET_H
#define PGW_DOMAIN_TARGET_H

#include "base/str.h"

#define PGW_TARGETS_MAX     16
#define PGW_TARGET_NAME_MAX 40
#define PGW_TARGET_DEFAULT  "default"

/* Sets of targets are bits, the first target's the lowest. */
typedef uint32_t pgw_target_set;
_Static_assert(PGW_TARGETS_MAX < 32, "one bit each, and one that says that there is no list");

/* Whatever targets there are, and not only those that there are now. */
#define PGW_TARGETS_ANY UINT32_MAX

bool pgw_target_name_is_valid(struct pgw_str);

/* "NAME=URL" in two; PGW_E_INVALID unless the name is one. */
enum pgw_err pgw_target_split(struct pgw_str text, struct pgw_str *ret_name,
                              struct pgw_str *ret_url) PGW_MUSTUSE;

#endif
