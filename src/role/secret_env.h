/* role/secret_env.h - secrets that stand in the environment, and are not left there.
 *
 * What a process was started with can be read from outside for as long as it runs
 * (/proc/PID/environ). A variable is wiped there when it is first asked for, and kept beside, since
 * a file that names it may be read again. Main thread only.
 */
#ifndef PGW_ROLE_SECRET_ENV_H
#define PGW_ROLE_SECRET_ENV_H

/* The value, valid until the process ends; NULL when there is no such variable. */
const char *pgw_secret_env(const char *name);

#endif
