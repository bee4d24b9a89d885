/* http/poll.h - wait until a job ends, or its asker's patience does, or the asker leaves.
 *
 * The result is looked for after a few milliseconds and then at growing pauses: jobs are
 * done in milliseconds as a rule, and whichever process does them, this one need not be
 * told.
 */
#ifndef PGW_HTTP_POLL_H
#define PGW_HTTP_POLL_H

#include "http/exchange.h"

/* `ctx` is the exchange; `job` is the last that was seen, ended or not; NULL when `err` is set. */
typedef void pgw_poll_f(void *ctx, enum pgw_err err, const struct pgw_job *job);

/* Wait for the exchange's job. `done` comes once, later. With `patience_ms` 0, and when there are
 * as many waits as there may be (limits.waits), it is one look-up. `first_look_ms` is how long to
 * hold back the first one. */
void pgw_poll_start(struct pgw_exchange *, uint64_t first_look_ms, uint64_t patience_ms,
                    pgw_poll_f *done);

/* Look now, whatever pauses there are. */
void pgw_poll_hurry_all(struct pgw_gateway *);

/* End all of them with PGW_E_REDIS_CANCELLED. The links must be closed already, so that no
 * look-up is under way. */
void pgw_poll_cancel_all(struct pgw_gateway *);

#endif
