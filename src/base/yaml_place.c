#include "base/yaml_place.h"

#include <stdio.h>
#include <string.h>

#define PGW_PLACE_POINTER_MAX 256

static unsigned line_of(const struct pgw_yaml_lines *lines, const char *pointer)
{
        char around[PGW_PLACE_POINTER_MAX];
        unsigned line = 0;
        char *slash;

        snprintf(around, sizeof around, "%s", pointer);
        while (lines && !(line = pgw_yaml_line(lines, around)) && (slash = strrchr(around, '/')))
                *slash = '\0';
        return line ? line : 1;
}

void pgw_yaml_place(struct pgw_fault *fault, const char *path, const struct pgw_yaml_lines *lines,
                    const char *pointer)
{
        const struct pgw_fault found = *fault;
        struct pgw_str rest = pgw_str_z(found.detail), number;
        char where[sizeof found.pointer];

        /* "line 3, column 1: ..." */
        if (!lines && pgw_str_starts(rest, PGW_STR("line "))) {
                rest = pgw_str_of(rest.p + 5, rest.n - 5);
                if (pgw_str_cut(rest, ',', &number, &rest)) {
                        snprintf(where, sizeof where, "%.100s:%.*s", path, (int)number.n, number.p);
                        pgw_fault_set(fault, where, "%s", pgw_str_trim(rest).p);
                        return;
                }
        }
        snprintf(where, sizeof where, "%.100s:%u", path, line_of(lines, pointer));
        pgw_fault_set(fault, where, "%s", found.detail);
}
