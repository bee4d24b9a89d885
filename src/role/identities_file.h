/* role/identities_file.h - the file of identities, read and watched.
 *
 * A file that is written anew may be seen half done. So a change counts once two looks in a row
 * have seen the same; with a look every PGW_IDENTITIES_LOOK_MS it is in force within a second.
 */
#ifndef PGW_ROLE_IDENTITIES_FILE_H
#define PGW_ROLE_IDENTITIES_FILE_H

#include <sys/stat.h>

#include "http/identities.h"
#include "role/settings.h"

#define PGW_IDENTITIES_LOOK_MS 300

/* Read the file that the settings name, for the targets that they name. *ret is NULL when they name
 * no file. PGW_E_CONFIG with "FILE:LINE" and the reason. */
enum pgw_err pgw_identities_file_read(const struct pgw_settings *, struct pgw_fault *reterr_fault,
                                      struct pgw_identities **ret) PGW_MUSTUSE;

/* The names of the targets in the order of the plan's (role/plan.c); returns how many. */
size_t pgw_settings_target_names(const struct pgw_settings *,
                                 struct pgw_str names[PGW_TARGETS_MAX]);

/* What tells one state of a file from another; all zero when there is no file. */
struct pgw_file_state {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec written, changed;
};

struct pgw_file_watch {
        struct pgw_file_state read; /* when it was last read */
        struct pgw_file_state seen; /* at the last look */
};

/* To be called before each reading. */
void pgw_file_watch_mark(struct pgw_file_watch *, const char *path);

/* Look; true when the file is to be read again. */
bool pgw_file_watch_look(struct pgw_file_watch *, const char *path);

#endif
