/* base/identity_name.h - what an identity may be called: 1 to 64 letters, digits, '-', '_' or '.'.
 *
 * Whoever makes a key for one and whoever reads the file of identities must agree.
 */
#ifndef PGW_BASE_IDENTITY_NAME_H
#define PGW_BASE_IDENTITY_NAME_H

#include "base/str.h"

#define PGW_IDENTITY_NAME_MAX 64

/* Pure. */
bool pgw_identity_name_is_valid(struct pgw_str);

#endif
