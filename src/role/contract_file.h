/* role/contract_file.h - the OpenAPI file that requests are checked against. */
#ifndef PGW_ROLE_CONTRACT_FILE_H
#define PGW_ROLE_CONTRACT_FILE_H

#include "http/contract.h"
#include "role/settings.h"

#define PGW_CONTRACT_FILE_MAX (4u << 20)

/* The file that `contract` names, or the one built in; compared with what the program does
 * (http/contract.h). The caller frees *ret. */
enum pgw_err pgw_contract_file_read(const struct pgw_settings *, struct pgw_fault *reterr_fault,
                                    struct pgw_contract **ret) PGW_MUSTUSE;

#endif
