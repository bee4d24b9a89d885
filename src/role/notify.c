/* The sd_notify protocol is a datagram; a library for it would be one more thing to
 * install and, lately, to distrust.
 *
 * Messages are sent with MSG_DONTWAIT: a supervisor that does not read must not stop
 * the loop that serves. The watchdog interval is halved, as sd_watchdog_enabled(3)
 * advises, so that one late turn is no reason to be killed.
 */
#include "role/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define STATUS_SIZE_MAX  200
#define MESSAGE_SIZE_MAX 512

/* False when `name` is no address of a kind that we speak. */
static bool read_address(const char *name, struct sockaddr_un *ret_to, socklen_t *ret_size)
{
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        const size_t n = name ? strlen(name) : 0;

        if (n < 2 || n >= sizeof to.sun_path || (name[0] != '/' && name[0] != '@'))
                return false;
        memcpy(to.sun_path, name, n);
        /* An abstract name starts with NUL and its length counts exactly. */
        if (name[0] == '@')
                to.sun_path[0] = 0;
        *ret_to = to;
        *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
        return true;
}

static uint32_t read_watchdog_ms(const char *usec, const char *pid)
{
        uint64_t allowed_us, for_pid;

        if (!usec || pgw_str_to_u64(pgw_str_z(usec), (uint64_t)UINT32_MAX * 1000, &allowed_us))
                return 0;
        if (pid &&
            (pgw_str_to_u64(pgw_str_z(pid), INT32_MAX, &for_pid) || for_pid != (uint64_t)getpid()))
                return 0;
        const uint64_t half_ms = allowed_us / 2000;
        return allowed_us > 0 && half_ms == 0 ? 1 : (uint32_t)half_ms;
}

void pgw_notify_open(struct pgw_notify *notify)
{
        *notify = (struct pgw_notify){._fd = -1};
        /* The environment is safe to touch: no thread exists yet.
         * NOLINTBEGIN(concurrency-mt-unsafe) */
        if (read_address(getenv("NOTIFY_SOCKET"), &notify->_to, &notify->_to_size)) {
                notify->_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                notify->_watchdog_ms =
                    read_watchdog_ms(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
        }
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        /* NOLINTEND(concurrency-mt-unsafe) */
}

void pgw_notify_close(struct pgw_notify *notify)
{
        if (notify->_fd >= 0)
                close(notify->_fd);
        *notify = (struct pgw_notify){._fd = -1};
}

bool pgw_notify_is_on(const struct pgw_notify *notify)
{
        return notify->_fd >= 0;
}

static void tell(const struct pgw_notify *notify, const char *message)
{
        if (notify->_fd < 0)
                return;
        /* A supervisor that is gone or does not read is its own trouble, not ours. */
        (void)!sendto(notify->_fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
                      (const struct sockaddr *)&notify->_to, notify->_to_size);
}

static void tell_with_status(const struct pgw_notify *notify, const char *what, const char *status)
{
        char message[MESSAGE_SIZE_MAX], line[STATUS_SIZE_MAX + 1];

        snprintf(line, sizeof line, "%s", status ? status : "");
        /* A line end would start a variable of its own. */
        for (char *c = line; *c; c++)
                if (*c == '\n' || *c == '\r')
                        *c = ' ';
        snprintf(message, sizeof message, "%s%s%s%s", what, status ? "STATUS=" : "", line,
                 status ? "\n" : "");
        tell(notify, message);
}

void pgw_notify_ready(const struct pgw_notify *notify, const char *status)
{
        tell_with_status(notify, "READY=1\n", status);
}

void pgw_notify_status(const struct pgw_notify *notify, const char *status)
{
        if (status)
                tell_with_status(notify, "", status);
}

void pgw_notify_reloading(const struct pgw_notify *notify)
{
        char message[MESSAGE_SIZE_MAX];

        snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%llu\n",
                 (unsigned long long)pgw_mono_us());
        tell(notify, message);
}

void pgw_notify_stopping(const struct pgw_notify *notify)
{
        tell(notify, "STOPPING=1\n");
}

void pgw_notify_watchdog(const struct pgw_notify *notify)
{
        tell(notify, "WATCHDOG=1\n");
}

uint32_t pgw_notify_watchdog_interval_ms(const struct pgw_notify *notify)
{
        return notify->_watchdog_ms;
}
