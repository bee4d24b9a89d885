/* A line is built on the stack and written at once. Whether an event has been said too
 * often is kept in a small table hashed by the address of its name, with atomics: two
 * threads that race for a slot miscount by one, which nobody will notice.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"

#define PGW_LOG_LINE_MAX       8192
#define PGW_LOG_VALUE_MAX      512
#define PGW_LOG_PER_SECOND_MAX 20
#define PGW_LOG_SLOTS          256

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static int threshold = PGW_LOG_INFO;
static uint64_t dropped;

static struct {
        uint64_t second;
        uint64_t count;
} slots[PGW_LOG_SLOTS];

void pgw_log_set_level(enum pgw_log_level level)
{
        __atomic_store_n(&threshold, (int)level, __ATOMIC_RELAXED);
}

bool pgw_log_wants(enum pgw_log_level level)
{
        return (int)level >= __atomic_load_n(&threshold, __ATOMIC_RELAXED);
}

enum pgw_err pgw_log_level_of(struct pgw_str name, enum pgw_log_level *ret)
{
        for (unsigned i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
                if (!pgw_str_eq_z(name, level_names[i]))
                        continue;
                *ret = (enum pgw_log_level)i;
                return PGW_OK;
        }
        return PGW_E_INVALID;
}

uint64_t pgw_log_dropped(void)
{
        return __atomic_load_n(&dropped, __ATOMIC_RELAXED);
}

static void drop(void)
{
        __atomic_add_fetch(&dropped, 1, __ATOMIC_RELAXED);
}

/* Requests are many by nature and asked for by a setting of their own. */
static bool is_too_often(const char *event)
{
        const uint64_t second = pgw_mono_ms() / 1000;
        const size_t at = ((uintptr_t)event >> 3) % PGW_LOG_SLOTS;

        if (strcmp(event, "http.request") == 0)
                return false;
        if (__atomic_exchange_n(&slots[at].second, second, __ATOMIC_RELAXED) != second)
                __atomic_store_n(&slots[at].count, 0, __ATOMIC_RELAXED);
        return __atomic_add_fetch(&slots[at].count, 1, __ATOMIC_RELAXED) > PGW_LOG_PER_SECOND_MAX;
}

static enum pgw_err add_field(struct pgw_buf *line, const struct pgw_log_field *f)
{
        struct pgw_str text = f->text;
        enum pgw_err err;

        if (f->is_int)
                return pgw_buf_printf(line, ",\"%s\":%lld", f->name, (long long)f->number);
        if (text.n == 0)
                return PGW_OK;
        if (text.n > PGW_LOG_VALUE_MAX)
                text.n = PGW_LOG_VALUE_MAX;
        err = pgw_buf_printf(line, ",\"%s\":", f->name);
        return err ? err : pgw_json_escape(line, text);
}

static void write_line(const char *bytes, size_t size)
{
        struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

        /* A pipe that nobody empties would stop the thread; a pipe with room for a line
         * (at most PIPE_BUF of it is promised) takes it whole. */
        if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT) ||
            write(STDERR_FILENO, bytes, size) != (ssize_t)size)
                drop();
}

void pgw_log_write(enum pgw_log_level level, const char *event, const struct pgw_log_field *fields)
{
        char ts[PGW_RFC3339_SIZE];
        struct pgw_buf line;
        enum pgw_err err;

        if (is_too_often(event)) {
                drop();
                return;
        }
        pgw_buf_init(&line, PGW_LOG_LINE_MAX);
        pgw_rfc3339(pgw_wall_ms(), ts);
        err = pgw_buf_printf(&line, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", ts,
                             level_names[level], event);
        for (; fields->name && !err; fields++)
                err = add_field(&line, fields);
        if (!err)
                err = pgw_buf_add(&line, "}\n", 2);
        if (err)
                drop();
        else
                write_line(line.p, line.n);
        pgw_buf_fini(&line);
}
