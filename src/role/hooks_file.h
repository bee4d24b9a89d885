/* role/hooks_file.h - the file of webhooks, and the secrets that it names. */
#ifndef PGW_ROLE_HOOKS_FILE_H
#define PGW_ROLE_HOOKS_FILE_H

#include "http/hooks.h"
#include "role/file_watch.h"
#include "role/settings.h"

/* Read the file that the settings name, for the targets that they name, these identities (NULL:
 * none) and this contract. A secret is "file:PATH", a file without the line's end behind it, or
 * "env:NAME". What is read is watched from then on. *ret is NULL when they name no file.
 * PGW_E_CONFIG with "FILE:LINE" and the reason. */
enum pgw_err pgw_hooks_file_read(const struct pgw_settings *, const struct pgw_identities *,
                                 const struct pgw_contract *, struct pgw_file_watch *,
                                 struct pgw_fault *reterr_fault,
                                 struct pgw_hooks **ret) PGW_MUSTUSE;

#endif
