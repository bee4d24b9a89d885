/* cli/pages.h - a list that the gateway gives page by page. */
#ifndef PGW_CLI_PAGES_H
#define PGW_CLI_PAGES_H

#include "cli/query.h"
#include "cli/verb.h"

/* Write the path of the page that `token` stands for, the first when it is empty. False when it is
 * too long. */
typedef bool pgw_cli_page_path_f(void *ctx, const char *token, char path[PGW_CLI_PATH_SIZE]);

/* Take a page; false when no further one is wanted. */
typedef bool pgw_cli_page_f(void *ctx, const json_t *page);

/* Ask for page after page until there is none, or enough of them. Returns the exit status; what is
 * wrong was said. */
int pgw_cli_pages(const struct pgw_cli_verb *, struct pgw_cli_gateway *, pgw_cli_page_path_f *,
                  pgw_cli_page_f *, void *ctx);

#endif
