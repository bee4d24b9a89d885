/* base/log.h - one JSON object a line on standard error.
 *
 *      PGW_LOG(PGW_LOG_WARN, "redis.lost", PGW_L_STR("link", name), PGW_L_INT("ms", 12));
 *
 * gives {"ts":"...","level":"warn","event":"redis.lost","link":"...","ms":12}.
 *
 * A line is one write(2) of at most 4096 bytes, so lines of threads never mix. Values come
 * from outside and are escaped: control characters as JSON's \u00XX; a byte that is not
 * UTF-8, and the backslash, as the four characters \xNN, so that bytes can be told from
 * text that looks like them. One value is cut at 512 bytes; a line where something was cut
 * or left out says "cut":true. Never log a secret.
 *
 * A log must not stop the service it speaks of. An event said more than 20 times within a
 * second is held back for the rest of it; its next line says how often ("suppressed").
 * What a full pipe would make us wait for is dropped. Both are counted. "http.request" is
 * not held back: requests are many, and they are logged only when a setting asks for it.
 *
 * Any thread.
 */
#ifndef PGW_BASE_LOG_H
#define PGW_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define PGW_LOG_LINE_MAX       4096 /* PIPE_BUF: a pipe takes so much whole or not at all */
#define PGW_LOG_VALUE_MAX      512
#define PGW_LOG_PER_SECOND_MAX 20

enum pgw_log_level { PGW_LOG_DEBUG, PGW_LOG_INFO, PGW_LOG_WARN, PGW_LOG_ERROR };

struct pgw_log_field {
        const char *name; /* NULL ends the list */
        bool is_int;
        struct pgw_str text;
        int64_t number;
};

#define PGW_L_STR(key, value) ((struct pgw_log_field){.name = (key), .text = pgw_str_z(value)})
#define PGW_L_BYTES(key, bytes, size)                                                              \
        ((struct pgw_log_field){.name = (key), .text = pgw_str_of((bytes), (size))})
#define PGW_L_INT(key, value)                                                                      \
        ((struct pgw_log_field){.name = (key), .is_int = true, .number = (int64_t)(value)})

/* `event` is a constant. Fields whose text is empty are left out. */
#define PGW_LOG(level, event, ...)                                                                 \
        do {                                                                                       \
                if (pgw_log_wants(level))                                                          \
                        pgw_log_write((level), (event),                                            \
                                      (const struct pgw_log_field[]){                              \
                                          __VA_ARGS__ __VA_OPT__(, ){.name = NULL}});              \
        } while (0)

/* What is below `level` is not written. Before any thread starts, or on a reload. */
void pgw_log_set_level(enum pgw_log_level level);

/* Write to `fd` instead of standard error; it stays the caller's and open. Before any
 * thread starts. */
void pgw_log_set_fd(int fd);

/* PGW_E_INVALID unless it is debug, info, warn or error. */
enum pgw_err pgw_log_level_of(struct pgw_str name, enum pgw_log_level *ret) PGW_MUSTUSE;

bool pgw_log_wants(enum pgw_log_level level);
void pgw_log_write(enum pgw_log_level, const char *event, const struct pgw_log_field *fields);

/* Lines held back or lost since the start. */
uint64_t pgw_log_dropped(void);

#endif
