/* For the test that asks Redis: reads pairs of lines from standard input, a pattern and a key in
 * hexadecimal, and answers each with a line of 1 or 0. */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "domain/glob.h"

#define LINE_MAX_SIZE 8192

/* False at the end. */
static bool read_bytes(char *line, struct pgw_str *ret)
{
        if (!fgets(line, LINE_MAX_SIZE, stdin))
                return false;
        const struct pgw_str text = pgw_str_of(line, strcspn(line, "\n"));
        PGW_ASSERT(pgw_unhex(text, (unsigned char *)line) == PGW_OK);
        *ret = pgw_str_of(line, text.n / 2);
        return true;
}

int main(void)
{
        static char pattern_line[LINE_MAX_SIZE], key_line[LINE_MAX_SIZE];
        struct pgw_str pattern, key;

        while (read_bytes(pattern_line, &pattern) && read_bytes(key_line, &key)) {
                struct pgw_glob *glob = pgw_glob_new(pattern);
                puts(pgw_glob_match(glob, key) ? "1" : "0");
                pgw_glob_free(glob);
        }
        return 0;
}
