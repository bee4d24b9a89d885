/* base/log.h - one JSON object a line on standard error.
 *
 *      PGW_LOG(PGW_LOG_WARN, "redis.lost", PGW_L_STR("link", name), PGW_L_INT("ms", 12));
 *
 * gives {"ts":"...","level":"warn","event":"redis.lost","link":"...","ms":12}. A line is
 * one write(2), so lines of threads never mix. Values from outside are escaped: bytes
 * that are not UTF-8 become U+FFFD, control characters \u00XX; one value is cut at 512
 * bytes. An event that is said more than 20 times within a second is held back for the
 * rest of it and counted, and so is what a full pipe would make us wait for: a log must
 * not stop the service it speaks of. Never log a secret.
 *
 * Any thread.
 */
#ifndef PGW_BASE_LOG_H
#define PGW_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

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

/* PGW_E_INVALID unless it is debug, info, warn or error. */
enum pgw_err pgw_log_level_of(struct pgw_str name, enum pgw_log_level *ret) PGW_MUSTUSE;

bool pgw_log_wants(enum pgw_log_level level);
void pgw_log_write(enum pgw_log_level, const char *event, const struct pgw_log_field *fields);

/* Lines held back or lost since the start. */
uint64_t pgw_log_dropped(void);

#endif
