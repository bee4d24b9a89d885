/* io/signals.h - signals as events of a loop.
 *
 * The signals are blocked for the whole process and read from a descriptor, so nothing
 * ever runs in a signal handler. Open before the first thread starts: threads inherit
 * the mask.
 */
#ifndef PGW_IO_SIGNALS_H
#define PGW_IO_SIGNALS_H

#include <stdbool.h>

#include "io/loop.h"

struct pgw_signals;

typedef void pgw_signal_f(void *ctx, int signal);

/* Block SIGTERM, SIGINT and SIGHUP and ignore SIGPIPE. Call before any thread starts. */
void pgw_signals_block(void);

/* True when SIGTERM or SIGINT was sent and no loop has read it yet: for those who must wait while
 * no loop turns. False, too, when they are not blocked. */
bool pgw_signals_wants_end(void);

/* Call `on_signal` on the loop for each of them from now on. */
struct pgw_signals *pgw_signals_open(struct pgw_loop *, pgw_signal_f *, void *ctx);
void pgw_signals_close(struct pgw_signals *);

#endif
