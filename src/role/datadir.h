/* role/datadir.h - the one directory where this process keeps its data.
 *
 * Opening creates it (mode 0700) when it is missing and takes DIR/lock, so that two
 * Purgeways never run one Redis on the same files. The lock lives as long as the
 * process that took it, however that ends; the file holds its pid for people.
 *
 * Used from the main thread.
 */
#ifndef PGW_ROLE_DATADIR_H
#define PGW_ROLE_DATADIR_H

#include "base/err.h"

struct pgw_datadir;

/* Create and lock `path` (not recursively: the parent must be there). A directory that
 * another process holds is refused at once, naming its pid; PGW_E_SYSTEM then and when
 * the operating system refuses, PGW_E_CONFIG when `path` is no directory. */
enum pgw_err pgw_datadir_open(const char *path, struct pgw_datadir **ret_dir,
                              struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* Give the lock back; NULL is allowed. The directory and the lock file stay. */
void pgw_datadir_close(struct pgw_datadir *);

/* Absolute, without links; lives as long as the directory is open. */
const char *pgw_datadir_path(const struct pgw_datadir *);

#endif
