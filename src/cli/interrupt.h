/* cli/interrupt.h - Ctrl-C while something is waited for.
 *
 * Whoever stops waiting wants to know for what: the jobs go on.
 */
#ifndef PGW_CLI_INTERRUPT_H
#define PGW_CLI_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* From here on the first SIGINT is only noted, and ends pauses and requests; the second ends the
 * process. A command that was started to ignore it goes on ignoring it. */
void pgw_cli_interrupt_start(void);

/* From here on it ends the process again. */
void pgw_cli_interrupt_stop(void);

/* One was noted since the start. */
bool pgw_cli_is_interrupted(void);

/* Do nothing for a while, or until one is noted. */
void pgw_cli_pause(uint64_t ms);

#endif
