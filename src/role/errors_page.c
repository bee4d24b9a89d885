/* What is written about errors comes from the tables that the program obeys (tbl/errors.h,
 * tbl/redis_faults.h), so that it cannot say something else. */
#include "role/errors_page.h"

#include "base/err.h"

static const char head[] =
    "# Errors\n"
    "\n"
    "Made from the tables of the program by `purgeway help errors`.\n"
    "\n"
    "Every error has a code, which is the `code` of a problem document, of a job's `error` and of "
    "a "
    "dead\n"
    "letter, and a class, which says what happens to a job that meets it:\n"
    "\n"
    "| class | the job | pause before the next try |\n"
    "|---|---|---|\n"
    "| `transient-connection` | is tried again; a try is used up | up to `retry.base_ms` * 2^n |\n"
    "| `transient-timeout` | is tried again; a try is used up | up to `retry.base_ms` * 4^n |\n"
    "| `transient-server` | waits; no try is used up | up to `retry.base_ms` * 2^n |\n"
    "| `refused` | waits; no try is used up | up to `retry.base_ms` * 4^n |\n"
    "| `permanent` | is `failed`, and kept as a dead letter | |\n"
    "| `input` | was never accepted | |\n"
    "\n"
    "The pause is anything up to its bound (full jitter), and the bound is at most `retry.cap_ms`. "
    "A job\n"
    "that has used up `retry.tries`, was begun by `retry.deliveries` workers that died over it, or "
    "is\n"
    "not done within `limits.keys_s`, `limits.tags_s` or `limits.patterns_s` of its acceptance, is "
    "`dead`.\n"
    "Of several targets only those that are left are tried again.\n"
    "\n"
    "A server that refuses 16 commands in a row is left alone; one command at a time, after 0.1 to "
    "5\n"
    "seconds, finds out whether it is better. A server that does not answer is asked again by its\n"
    "connection alone. Neither delays jobs of other targets or other nodes of a cluster. A server\n"
    "that answers and lets nobody in, because it is loading or does not know our password, is "
    "waited\n"
    "for as if it had answered the command so.\n"
    "\n"
    "## What Redis answers\n"
    "\n"
    "| answer begins with | code | class |\n"
    "|---|---|---|\n";

static const char middle[] = "| anything else | `store_error` | `permanent` |\n"
                             "\n"
                             "## All of them\n"
                             "\n"
                             "| code | HTTP | class | |\n"
                             "|---|---|---|---|\n";

static void print_code(FILE *out, enum pgw_err err)
{
        fputs("`", out);
        for (const char *c = pgw_err_slug(err); *c; c++)
                fputc(*c == '-' ? '_' : *c, out);
        fputs("`", out);
}

static void print_class(FILE *out, enum pgw_err err)
{
        fprintf(out, "`%s`", pgw_err_class_name(pgw_err_class(err)));
}

static void print_answer(FILE *out, const char *prefix, enum pgw_err err)
{
        fprintf(out, "| `%s` | ", prefix);
        print_code(out, err);
        fputs(" | ", out);
        print_class(out, err);
        fputs(" |\n", out);
}

void pgw_errors_document(FILE *out)
{
        static const struct {
                const char *prefix;
                enum pgw_err err;
        } answers[] = {
#define X(prefix, name) {prefix, PGW_E_##name},
#include "tbl/redis_faults.h"
#undef X
        };

        fputs(head, out);
        for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
                print_answer(out, answers[i].prefix, answers[i].err);
        fputs(middle, out);
        for (unsigned i = 1; i < PGW_ERR_COUNT; i++) {
                const enum pgw_err err = (enum pgw_err)i;
                fputs("| ", out);
                print_code(out, err);
                fprintf(out, " | %d | ", pgw_err_status(err));
                print_class(out, err);
                fprintf(out, " | %s |\n", pgw_err_title(err));
        }
}
