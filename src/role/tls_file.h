/* role/tls_file.h - the certificate that we show, as the settings name it. */
#ifndef PGW_ROLE_TLS_FILE_H
#define PGW_ROLE_TLS_FILE_H

#include "io/tls.h"
#include "role/settings.h"

/* *ret is NULL when there is no tls.listen. PGW_E_CONFIG, naming the settings, for files that are
 * not what they should be. */
enum pgw_err pgw_tls_file_read(const struct pgw_settings *, struct pgw_fault *reterr_fault,
                               struct pgw_tls_server **ret) PGW_MUSTUSE;

#endif
