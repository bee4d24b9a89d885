#include "cli/pages.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/say.h"

#define TOKEN_SIZE 128 /* twice what the contract has */

/* Go on to what a page says is next; false when it is nowhere that one could go on to. A token that
 * comes back would be asked for without end. */
static bool take_token(const struct pgw_cli_verb *verb, const json_t *page, char token[TOKEN_SIZE])
{
        const char *next = pgw_cli_text(page, "next_page_token");

        if (strlen(next) >= TOKEN_SIZE)
                pgw_cli_say_error(verb->name, "the next_page_token is longer than %d bytes",
                                  TOKEN_SIZE - 1);
        else if (*next && strcmp(next, token) == 0)
                pgw_cli_say_error(verb->name, "the list does not go on: its next_page_token is "
                                              "that of the page before");
        else {
                snprintf(token, TOKEN_SIZE, "%s", next);
                return true;
        }
        return false;
}

int pgw_cli_pages(const struct pgw_cli_verb *verb, struct pgw_cli_gateway *gateway,
                  pgw_cli_page_path_f *write_path, pgw_cli_page_f *take, void *ctx)
{
        char path[PGW_CLI_PATH_SIZE], token[TOKEN_SIZE] = "";
        int status = PGW_EXIT_OK;
        bool wants_more = true;

        do {
                const struct pgw_cli_request request = {.method = "GET", .path = path};
                struct pgw_cli_answer page;
                if (!write_path(ctx, token, path)) {
                        char why[96];
                        snprintf(why, sizeof why,
                                 "the options make an address of more than %d bytes",
                                 PGW_CLI_PATH_SIZE - 1);
                        return pgw_cli_verb_misused(verb, why);
                }
                status = pgw_cli_verb_ask(verb, gateway, &request, &page);
                if (status)
                        return status;
                wants_more = take(ctx, page.body);
                if (wants_more && !take_token(verb, page.body, token))
                        status = PGW_EXIT_FAILED;
                json_decref(page.body);
        } while (!status && wants_more && token[0]);
        return status;
}
