/* role/file.h - a file as bytes. */
#ifndef PGW_ROLE_FILE_H
#define PGW_ROLE_FILE_H

#include <stddef.h>

#include "base/err.h"

/* The whole of a regular file of at most `max_size` bytes, with a NUL behind it; give it to
 * pgw_free(). The fault names the path. */
enum pgw_err pgw_file_read(const char *path, size_t max_size, char **ret_bytes, size_t *ret_size,
                           struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
