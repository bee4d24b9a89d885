/* role/notify.h - telling systemd how we are (sd_notify protocol, without its library).
 *
 * Datagrams of KEY=VALUE lines to $NOTIFY_SOCKET, a path or an abstract name (@...).
 * Without that variable every call is a no-op, so callers need not ask. Losing a
 * message is not an error of ours: nothing is returned, nothing blocks.
 *
 * Open it before the first thread starts: it reads and removes environment variables.
 * Afterwards messages may be sent from any thread.
 */
#ifndef PGW_ROLE_NOTIFY_H
#define PGW_ROLE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/panic.h"

struct pgw_notify {
        int _fd; /* -1: nobody to tell */
        struct sockaddr_un _to;
        socklen_t _to_size;
        uint32_t _watchdog_ms;
};

/* Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and take them out of the
 * environment, so that children do not speak in our name. A malformed value counts as
 * absent. */
void pgw_notify_open(struct pgw_notify *);
void pgw_notify_close(struct pgw_notify *);

bool pgw_notify_is_on(const struct pgw_notify *);

/* `status` is one line for people, cut at 200 bytes; NULL sends none. */
void pgw_notify_ready(const struct pgw_notify *, const char *status);
void pgw_notify_status(const struct pgw_notify *, const char *status);

/* Each RELOADING must be followed by a READY. */
void pgw_notify_reloading(const struct pgw_notify *);
void pgw_notify_stopping(const struct pgw_notify *);
void pgw_notify_watchdog(const struct pgw_notify *);

/* How often to call pgw_notify_watchdog: half of what systemd allows. 0: not at all. */
uint32_t pgw_notify_watchdog_interval_ms(const struct pgw_notify *);

#endif
