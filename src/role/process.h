/* role/process.h - a service process from its settings to its exit code.
 *
 * The main thread keeps a loop of its own for what concerns the whole process: signals,
 * the embedded Redis, the survey of the queue, the watchdog. The work is done by the
 * other threads.
 */
#ifndef PGW_ROLE_PROCESS_H
#define PGW_ROLE_PROCESS_H

#include "role/plan.h"

/* `purgeway serve|gateway|worker`: argv[0] is the verb. Reads the settings, answers
 * --help, --check-config and --print-config, or runs until SIGTERM or SIGINT. Returns the
 * exit code (0, 2, 69 or 78), having said on stderr why when it is not 0. */
int pgw_process_main(enum pgw_role, int argc, char **argv, char **env);

#endif
