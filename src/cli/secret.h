/* cli/secret.h - secrets from where nobody else sees them.
 *
 * Never from the command line, which everybody on the machine can read.
 */
#ifndef PGW_CLI_SECRET_H
#define PGW_CLI_SECRET_H

#include <stdio.h>

#include "base/api_key.h"

/* $PURGEWAY_API_KEY, or what the regular file that $PURGEWAY_API_KEY_FILE names holds; empty
 * without either. PGW_E_INVALID, with the reason and with what it was read from, when it cannot be
 * one. */
enum pgw_err pgw_cli_secret(char out[PGW_SECRET_SIZE_MAX + 1],
                            struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* The same of $PURGEWAY_IDENTITIES_PEPPER and $PURGEWAY_IDENTITIES_PEPPER_FILE, which the setting
 * identities.pepper is read from, too. */
enum pgw_err pgw_cli_pepper(char out[PGW_SECRET_SIZE_MAX + 1],
                            struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* The one line of a file. PGW_E_INVALID unless it is 1 to PGW_SECRET_SIZE_MAX printable
 * characters. */
enum pgw_err pgw_cli_secret_read(FILE *, char out[PGW_SECRET_SIZE_MAX + 1],
                                 struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
