/* base/failpoint.h - places where a test build can be killed.
 *
 * PURGEWAY_FAILPOINT=name:n ends the process with SIGKILL at the nth pass of that place.
 * Compiled only with -DPGW_FAILPOINTS=ON; a release has no trace of it.
 */
#ifndef PGW_BASE_FAILPOINT_H
#define PGW_BASE_FAILPOINT_H

#ifdef PGW_FAILPOINTS
void pgw_failpoint(const char *name);
#define PGW_FAILPOINT(name) pgw_failpoint(name)
#else
#define PGW_FAILPOINT(name) ((void)0)
#endif

#endif
