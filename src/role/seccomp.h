/* role/seccomp.h - what the kernel may be asked for, once a process serves.
 *
 * A list of allowed system calls for each part:
 *
 *      threads that answer and work   sockets, memory, files for reading, threads; no program,
 *                                     no process, nothing written but to what is open
 *      the main thread                the same; with an embedded Redis also what it takes to
 *                                     start that one again, and what that one does itself,
 *                                     because a filter is inherited and cannot be taken off
 *
 * Under `log` everything is allowed, and what would not be is written to the kernel's log (audit
 * type 1326), which is how the lists are tried against another libc. A build with a sanitizer may
 * do what the sanitizer does (role/seccomp.c).
 */
#ifndef PGW_ROLE_SECCOMP_H
#define PGW_ROLE_SECCOMP_H

#include <stdbool.h>

#include "base/err.h"

/* In the order of the setting `seccomp`. */
enum pgw_seccomp { PGW_SECCOMP_OFF, PGW_SECCOMP_LOG, PGW_SECCOMP_ON };

/* For all threads of the process and those that they start. Needs PR_SET_NO_NEW_PRIVS, or root.
 * PGW_E_SYSTEM when the kernel cannot, with the reason. */
enum pgw_err pgw_seccomp_process(enum pgw_seccomp, bool has_embedded,
                                 struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* For the calling thread and those that it starts: one that answers or works. */
enum pgw_err pgw_seccomp_thread(enum pgw_seccomp, struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
