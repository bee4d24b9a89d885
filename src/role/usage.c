/* The list of flags comes from the table of settings, so that it cannot fall behind. */
#include "role/usage.h"

#include <string.h>

#include "role/settings.h"

static const char general[] =
    "Purgeway, an HTTP gateway that removes keys from Redis caches and says when it is done.\n"
    "\n"
    "  purgeway serve     answer HTTP and do the work, in one process\n"
    "  purgeway gateway   answer HTTP only\n"
    "  purgeway worker    do the work only\n"
    "\n"
    "  purgeway purge KEY...   remove keys\n"
    "  purgeway status JOB     see what became of a request\n"
    "  purgeway queues         see what is waiting\n"
    "\n"
    "  purgeway version\n"
    "  purgeway help [COMMAND]\n"
    "\n"
    "Without a broker of your own, `purgeway serve --data-dir DIR` starts and keeps a private\n"
    "Redis in DIR. `purgeway help serve` lists every setting.\n";

static const char service[] =
    "purgeway serve|gateway|worker [--NAME=VALUE ...]\n"
    "\n"
    "Settings come from the defaults, then --config=FILE (or " PGW_SETTINGS_DEFAULT_FILE "\n"
    "when it exists), then the environment (PURGEWAY_NAME), then these flags.\n"
    "\n"
    "  --check-config   say whether the settings are right, and exit (0 or 78)\n"
    "  --print-config   print them as YAML, secrets masked, and exit\n"
    "  --config=FILE    read settings from this file\n"
    "\n";

void pgw_usage(FILE *out, const char *verb)
{
        if (verb && !strcmp(verb, "settings")) {
                pgw_settings_document(out);
                return;
        }
        if (!verb || (strcmp(verb, "serve") && strcmp(verb, "gateway") && strcmp(verb, "worker"))) {
                fputs(general, out);
                return;
        }
        fputs(service, out);
        pgw_settings_help(out);
}
