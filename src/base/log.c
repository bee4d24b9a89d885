/* A line is built on the stack and written at once, or not at all.
 *
 * Nobody may wait for the reader of our log. A pipe is opened a second time through
 * /proc, which gives a description of our own that can be made non-blocking: setting the
 * flag on the one we inherited would change it for the shell or the supervisor that
 * shares it. A socket is asked not to wait with each call. A terminal, or a pipe that
 * belongs to somebody else, is asked first; there two threads can still race for the last
 * room, and the later one waits.
 *
 * How often an event has been said is kept in a small table by its name, with atomics and
 * without a lock: two threads that race for a second's beginning miscount by one, which
 * nobody will notice. When the table is full, further events are not held back.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"

#define PGW_LOG_SLOTS 256
#define PGW_LOG_TAIL  "}\n"
#define PGW_LOG_CUT   ",\"cut\":true"

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static int threshold = PGW_LOG_INFO;
static uint64_t dropped;

enum sink_kind { SINK_NONE, SINK_ASKED, SINK_SOCKET, SINK_PIPE };

/* Descriptor and kind in one word, so that threads see both or neither. */
static uint64_t sink;

static struct {
        const char *event; /* NULL: free */
        uint64_t second;
        uint64_t count;
        uint64_t suppressed;
} slots[PGW_LOG_SLOTS];

struct line {
        char p[PGW_LOG_LINE_MAX];
        size_t n;
        bool is_cut;
};

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

/* ---- where lines go ---- */

static uint64_t sink_of(int fd, enum sink_kind kind)
{
        return (uint64_t)(uint32_t)fd << 8 | kind;
}

static uint64_t open_sink(int fd)
{
        char path[40];
        struct stat st;

        if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
                return sink_of(fd, SINK_SOCKET);
        if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) {
                snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
                const int own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
                if (own >= 0)
                        return sink_of(own, SINK_PIPE);
        }
        return sink_of(fd, SINK_ASKED);
}

static void close_sink(uint64_t old)
{
        if ((old & 0xff) == SINK_PIPE)
                close((int)(old >> 8));
}

void pgw_log_set_fd(int fd)
{
        close_sink(__atomic_exchange_n(&sink, open_sink(fd), __ATOMIC_ACQ_REL));
}

static uint64_t current_sink(void)
{
        uint64_t now = __atomic_load_n(&sink, __ATOMIC_ACQUIRE);

        if (now)
                return now;
        const uint64_t made = open_sink(STDERR_FILENO);
        if (__atomic_compare_exchange_n(&sink, &now, made, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
                return made;
        close_sink(made);
        return now;
}

static ssize_t write_once(uint64_t to, const char *bytes, size_t size)
{
        const int fd = (int)(to >> 8);
        struct pollfd room = {.fd = fd, .events = POLLOUT};

        if ((to & 0xff) == SINK_SOCKET)
                return send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if ((to & 0xff) == SINK_ASKED && (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT)))
                return -1;
        return write(fd, bytes, size);
}

/* ---- how often ---- */

/* The slot of an event, or NULL when all are taken. */
static __typeof__(&slots[0]) slot_of(const char *event)
{
        uint32_t hash = 2166136261u;

        for (const char *c = event; *c; c++)
                hash = (hash ^ (unsigned char)*c) * 16777619u;
        for (size_t i = 0; i < PGW_LOG_SLOTS; i++) {
                __typeof__(&slots[0]) slot = &slots[(hash + i) % PGW_LOG_SLOTS];
                const char *known = __atomic_load_n(&slot->event, __ATOMIC_ACQUIRE);
                if (!known && __atomic_compare_exchange_n(&slot->event, &known, event, false,
                                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
                        return slot;
                if (strcmp(known, event) == 0)
                        return slot;
        }
        return NULL;
}

/* True: hold it back. *ret_suppressed is how many lines before this one were. */
static bool is_too_often(const char *event, uint64_t *ret_suppressed)
{
        const uint64_t second = pgw_mono_ms() / 1000;

        *ret_suppressed = 0;
        if (strcmp(event, "http.request") == 0)
                return false;
        __typeof__(&slots[0]) slot = slot_of(event);
        if (!slot)
                return false;
        if (__atomic_exchange_n(&slot->second, second, __ATOMIC_RELAXED) != second) {
                __atomic_store_n(&slot->count, 0, __ATOMIC_RELAXED);
                *ret_suppressed = __atomic_exchange_n(&slot->suppressed, 0, __ATOMIC_RELAXED);
        }
        if (__atomic_add_fetch(&slot->count, 1, __ATOMIC_RELAXED) <= PGW_LOG_PER_SECOND_MAX)
                return false;
        __atomic_add_fetch(&slot->suppressed, 1, __ATOMIC_RELAXED);
        return true;
}

/* ---- the line ---- */

/* False when there is no room; some stays for what ends a line. */
static bool add(struct line *line, const void *bytes, size_t size)
{
        const size_t kept = sizeof PGW_LOG_CUT - 1 + sizeof PGW_LOG_TAIL - 1;

        if (size > sizeof line->p - kept - line->n)
                return false;
        memcpy(line->p + line->n, bytes, size);
        line->n += size;
        return true;
}

static bool add_format(struct line *line, const char *format, ...) PGW_PRINTF(2, 3);

static bool add_format(struct line *line, const char *format, ...)
{
        char text[160];
        va_list args;

        va_start(args, format);
        const int n = vsnprintf(text, sizeof text, format, args);
        va_end(args);
        return n >= 0 && (size_t)n < sizeof text && add(line, text, (size_t)n);
}

/* The length of the character that begins here, 0 when it is not UTF-8. */
static size_t character(struct pgw_str s)
{
        const unsigned char first = (unsigned char)s.p[0];
        const size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

        return n <= s.n && pgw_utf8_is_valid(pgw_str_of(s.p, n)) ? n : 0;
}

static bool add_escaped(struct line *line, struct pgw_str s)
{
        bool fits = add(line, "\"", 1);

        while (s.n && fits) {
                const unsigned char first = (unsigned char)s.p[0];
                const size_t n = character(s);
                if (n == 0 || first == '\\')
                        fits = add_format(line, "\\\\x%02x", first);
                else if (first == '"')
                        fits = add(line, "\\\"", 2);
                else if (first < 0x20 || first == 0x7f)
                        fits = add_format(line, "\\u%04x", first);
                else
                        fits = add(line, s.p, n);
                s = pgw_str_of(s.p + (n ? n : 1), s.n - (n ? n : 1));
        }
        return fits && add(line, "\"", 1);
}

/* At most PGW_LOG_VALUE_MAX bytes, and no half of a character at the end. */
static struct pgw_str cut(struct pgw_str text)
{
        size_t n = PGW_LOG_VALUE_MAX;

        if (text.n <= n)
                return text;
        for (size_t back = 1; back <= 3; back++) {
                const struct pgw_str rest = pgw_str_of(text.p + n - back, text.n - n + back);
                if (character(rest) > back) {
                        n -= back;
                        break;
                }
        }
        return pgw_str_of(text.p, n);
}

static void add_field(struct line *line, const struct pgw_log_field *f)
{
        const size_t before = line->n;
        bool fits;

        if (f->is_int) {
                fits = add_format(line, ",\"%s\":%lld", f->name, (long long)f->number);
        } else if (f->text.n) {
                const struct pgw_str text = cut(f->text);
                line->is_cut |= text.n < f->text.n;
                fits = add_format(line, ",\"%s\":", f->name) && add_escaped(line, text);
        } else {
                return;
        }
        if (!fits) {
                line->n = before;
                line->is_cut = true;
        }
}

static void finish(struct line *line)
{
        const char *tail = line->is_cut ? PGW_LOG_CUT PGW_LOG_TAIL : PGW_LOG_TAIL;
        const size_t size = strlen(tail);

        PGW_ASSERT(size <= sizeof line->p - line->n);
        memcpy(line->p + line->n, tail, size);
        line->n += size;
}

void pgw_log_write(enum pgw_log_level level, const char *event, const struct pgw_log_field *fields)
{
        char ts[PGW_RFC3339_SIZE];
        struct line line;
        uint64_t suppressed;

        if (is_too_often(event, &suppressed)) {
                drop();
                return;
        }
        line.n = 0;
        line.is_cut = false;
        pgw_rfc3339(pgw_wall_ms(), ts);
        PGW_ASSERT(add_format(&line, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", ts,
                              level_names[level], event));
        if (suppressed)
                (void)add_format(&line, ",\"suppressed\":%llu", (unsigned long long)suppressed);
        for (; fields->name; fields++)
                add_field(&line, fields);
        finish(&line);
        if (write_once(current_sink(), line.p, line.n) != (ssize_t)line.n)
                drop();
}
