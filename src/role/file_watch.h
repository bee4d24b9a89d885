/* role/file_watch.h - files that are read again once they have changed.
 *
 * A file that is written anew may be seen half done. So a change counts once two looks in a row
 * have seen the same; with a look every PGW_FILE_WATCH_MS it is in force within a second. A file is
 * known by what its path leads to, so a link that is turned to another file is a change as well.
 */
#ifndef PGW_ROLE_FILE_WATCH_H
#define PGW_ROLE_FILE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PGW_FILE_WATCH_MS 100

/* One that is all zero watches nothing. */
struct pgw_file_watch {
        char **paths;
        size_t count;
        uint64_t read; /* a hash of what tells their states from others, when they were read */
        uint64_t seen; /* at the last look */
};

/* The files are about to be read: watch none. */
void pgw_file_watch_begin(struct pgw_file_watch *);

/* This one is about to be read, and is one of them. */
void pgw_file_watch_add(struct pgw_file_watch *, const char *path);

/* What was read has not come into force: it counts as changed. */
void pgw_file_watch_forget(struct pgw_file_watch *);

/* Look; true when they are to be read again. */
bool pgw_file_watch_look(struct pgw_file_watch *);

void pgw_file_watch_fini(struct pgw_file_watch *);

#endif
