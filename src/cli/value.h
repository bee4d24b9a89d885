/* cli/value.h - JSON values that are there.
 *
 * jansson gives NULL for a text that is not UTF-8, and adding NULL fails and changes nothing: a
 * body would be sent without what was to narrow it. So whatever the verbs put together goes through
 * these, which panic instead; texts are judged where they come in (cli/args.h). No other file of
 * cli/ may call what they call (tests/tools/check_source.py).
 */
#ifndef PGW_CLI_VALUE_H
#define PGW_CLI_VALUE_H

#include <jansson.h>

/* An empty one; the caller owns it. */
json_t *pgw_cli_object(void);
json_t *pgw_cli_array(void);

/* Add `value`, which must be one and is given away. */
void pgw_cli_set(json_t *object, const char *name, json_t *value);
void pgw_cli_add(json_t *array, json_t *value);

/* The same with a text, which must be UTF-8; NULL adds nothing. */
void pgw_cli_set_text(json_t *object, const char *name, const char *text);

/* Put `value`, which is given away, into the place of an item that is there. */
void pgw_cli_replace(json_t *array, size_t index, json_t *value);

/* Give a member of `from` to `object` as `name`; an empty text when it has none. */
void pgw_cli_copy(json_t *object, const char *name, const json_t *from, const char *member);

#endif
