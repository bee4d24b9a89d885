/* role/identities_file.h - the file of identities. */
#ifndef PGW_ROLE_IDENTITIES_FILE_H
#define PGW_ROLE_IDENTITIES_FILE_H

#include "http/identities.h"
#include "role/settings.h"

/* Read the file that the settings name, for the targets that they name. *ret is NULL when they name
 * no file. PGW_E_CONFIG with "FILE:LINE" and the reason. */
enum pgw_err pgw_identities_file_read(const struct pgw_settings *, struct pgw_fault *reterr_fault,
                                      struct pgw_identities **ret) PGW_MUSTUSE;

/* The names of the targets in the order of the plan's (role/plan.c); returns how many. */
size_t pgw_settings_target_names(const struct pgw_settings *,
                                 struct pgw_str names[PGW_TARGETS_MAX]);

#endif
