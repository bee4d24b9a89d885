/* domain/hold.h - the marker beside a key that was removed.
 *
 * A key that is removed with a hold cannot be filled again for a while with what was read before
 * the purge: lua/hold.lua puts a marker beside it, and applications that fill their cache through
 * lua/fill.lua are refused by it. The marker must be of the key's slot, so it is
 *      purgeway:hold:<key>       when the key has a hash tag
 *      purgeway:hold:{<key>}     when it has none
 * and a key that has none and holds a brace has no marker.
 */
#ifndef PGW_DOMAIN_HOLD_H
#define PGW_DOMAIN_HOLD_H

#include "base/str.h"

#define PGW_HOLD_MARKER_MORE 16 /* bytes that a marker is longer than its key, at most */
#define PGW_HOLD_VERSION_MAX 20 /* digits */

/* Write the marker to `out`, which has room for it; 0 when the key can have none. */
size_t pgw_hold_marker(struct pgw_str key, char *out);

bool pgw_hold_is_possible(struct pgw_str key);

#endif
