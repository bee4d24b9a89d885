/* role/rehearse.h - would it start? (`--check-config`)
 *
 * Everything that a start reads is read, and put away: the contract, certificates and keys, the
 * files of passwords, the user. Nothing is listened on, no Redis is asked, no name resolved: that
 * is the business of the machine that is to serve.
 */
#ifndef PGW_ROLE_REHEARSE_H
#define PGW_ROLE_REHEARSE_H

#include "role/plan.h"

/* Of settings that were loaded. PGW_E_CONFIG with the setting and the reason. */
enum pgw_err pgw_rehearse(const struct pgw_settings *, enum pgw_role,
                          struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
