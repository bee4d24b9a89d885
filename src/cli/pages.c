#include "cli/pages.h"

#include <stdio.h>

#include "cli/cli.h"
#include "cli/say.h"

#define HTTP_OK    200
#define TOKEN_SIZE 128

int pgw_cli_pages(const struct pgw_cli_verb *verb, struct pgw_cli_gateway *gateway,
                  pgw_cli_page_path_f *write_path, pgw_cli_page_f *take, void *ctx)
{
        char path[PGW_CLI_PATH_SIZE], token[TOKEN_SIZE] = "";
        int status = PGW_EXIT_OK;
        bool wants_more = true;

        do {
                const struct pgw_cli_request request = {.method = "GET", .path = path};
                json_t *page;
                if (!write_path(ctx, token, path))
                        return pgw_cli_verb_misused(verb, "that is too long");
                status = pgw_cli_verb_ask(verb, gateway, &request, HTTP_OK, &page);
                token[0] = '\0';
                if (page) {
                        wants_more = take(ctx, page);
                        snprintf(token, sizeof token, "%s", pgw_cli_text(page, "next_page_token"));
                }
                json_decref(page);
        } while (!status && token[0] && wants_more);
        return status;
}
