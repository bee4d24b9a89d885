/* Printing. C1 controls (U+0080 to U+009F, two bytes in UTF-8) steer some terminals as
 * well as the ASCII ones do; both become question marks.
 */
#include "cli/say.h"

#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cli.h"

#define POINTERS_SHOWN 5

static void clean(char *text)
{
        for (char *c = text; *c; c++) {
                const unsigned char here = (unsigned char)c[0], next = (unsigned char)c[1];
                if (here < ' ' || here == 0x7f)
                        *c = '?';
                if (here == 0xc2 && next >= 0x80 && next < 0xa0)
                        c[0] = c[1] = '?';
        }
}

void pgw_cli_say_error(const char *verb, const char *format, ...)
{
        char line[PGW_CLI_LINE_SIZE];
        va_list args;

        va_start(args, format);
        vsnprintf(line, sizeof line, format, args);
        va_end(args);
        clean(line);
        fprintf(stderr, "purgeway: %s: %s\n", verb, line);
}

/* Append to a text that always stays terminated; what does not fit is cut. */
static PGW_PRINTF(3, 4) void append(char *out, size_t size, const char *format, ...)
{
        const size_t have = strlen(out);
        va_list args;

        va_start(args, format);
        vsnprintf(out + have, size - have, format, args);
        va_end(args);
}

void pgw_cli_problem_line(const struct pgw_cli_answer *answer, char *out, size_t size)
{
        const char *title = json_string_value(json_object_get(answer->body, "title"));
        const char *detail = json_string_value(json_object_get(answer->body, "detail"));
        const json_t *errors = json_object_get(answer->body, "errors");
        const size_t count = json_array_size(errors);

        PGW_ASSERT(size > 0);
        out[0] = 0;
        if (answer->status / 100 == 2) {
                append(out, size, "%s answered %d with %s; perhaps it is no Purgeway", answer->from,
                       answer->status,
                       answer->body ? "something else than was asked for" : "what is not JSON");
                return;
        }
        if (title)
                append(out, size, "%s", title);
        else
                append(out, size, "%s answered %d", answer->from, answer->status);
        if (detail && (!title || strcmp(title, detail) != 0))
                append(out, size, " %s", detail);
        for (size_t i = 0; i < count && i < POINTERS_SHOWN; i++) {
                const json_t *error = json_array_get(errors, i);
                const char *pointer = json_string_value(json_object_get(error, "pointer"));
                const char *what = json_string_value(json_object_get(error, "detail"));
                append(out, size, "%s%s: %s", i ? "; " : " ", pointer ? pointer : "",
                       what ? what : "");
        }
        if (count > POINTERS_SHOWN)
                append(out, size, "; and %zu more", count - POINTERS_SHOWN);
}

int pgw_cli_problem_exit(const struct pgw_cli_answer *answer)
{
        /* The gateway, or what stands before it, cannot serve now. */
        static const int unavailable[] = {429, 502, 503, 504};

        for (size_t i = 0; i < sizeof unavailable / sizeof unavailable[0]; i++)
                if (answer->status == unavailable[i])
                        return PGW_EXIT_UNAVAILABLE;
        return PGW_EXIT_FAILED;
}

int pgw_cli_say_problem(const char *verb, const char *about, const struct pgw_cli_answer *answer)
{
        char line[PGW_CLI_LINE_SIZE];

        pgw_cli_problem_line(answer, line, sizeof line);
        pgw_cli_say_error(verb, "%s%s%s", about ? about : "", about ? ": " : "", line);
        return pgw_cli_problem_exit(answer);
}

const char *pgw_cli_text(const json_t *object, const char *name)
{
        static char numbers[3][24];
        static unsigned next;
        const json_t *value = json_object_get(object, name);

        if (json_is_string(value))
                return json_string_value(value);
        if (!json_is_integer(value))
                return "";
        next = (next + 1) % 3;
        snprintf(numbers[next], sizeof numbers[next], "%lld", (long long)json_integer_value(value));
        return numbers[next];
}

void pgw_cli_print_json(FILE *to, const json_t *value)
{
        /* Escaped to ASCII: a key in an answer may hold anything. */
        json_dumpf(value, to, JSON_COMPACT | JSON_ENSURE_ASCII);
        fputc('\n', to);
}

void pgw_cli_print_clean(FILE *to, const char *text)
{
        char *copy = pgw_strdup(text);

        clean(copy);
        fputs(copy, to);
        pgw_free(copy);
}
