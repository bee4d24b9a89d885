/* The list of flags comes from the table of settings, so that it cannot fall behind. */
#include "role/usage.h"

#include <string.h>

#include "role/errors_page.h"
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
    "  purgeway cancel JOB...  do not do it\n"
    "  purgeway queues         see what is waiting; pause, resume, purge\n"
    "  purgeway workers        see who works\n"
    "  purgeway dead           see what could not be done; redrive, drop\n"
    "  purgeway ready          see whether a gateway takes jobs\n"
    "  purgeway audit          see who purged what\n"
    "  purgeway key            make an API key\n"
    "\n"
    "  purgeway version\n"
    "  purgeway help [COMMAND]\n"
    "\n"
    "Without a broker of your own, `purgeway serve --data-dir DIR` starts and keeps a private\n"
    "Redis in DIR. `purgeway help serve` lists every setting, `purgeway help example` is a file\n"
    "to begin with, `purgeway help errors` lists every error and what becomes of its job.\n";

static const char sources[] =
    "Settings come from the defaults, then --config=FILE (or " PGW_SETTINGS_DEFAULT_FILE "\n"
    "when it exists), then the environment (PURGEWAY_NAME), then these flags. A wrong command\n"
    "line ends with 2, other wrong settings with 78.\n"
    "\n"
    "  --check-config   say whether the settings are right, and exit (0 or 78)\n"
    "  --print-config   print them as YAML, secrets masked, and exit\n"
    "  --config=FILE    read settings from this file\n"
    "\n"
    "Sizes take KiB, MiB, GiB; times take ms, s, m, h. Flags with ... may be repeated.\n"
    "\n";

static const struct {
        const char *verb, *what;
} services[] = {
    {"serve", "Answer HTTP and do the work, in one process. Without broker.url a private Redis is\n"
              "started in data_dir, kept running, and stopped with this process.\n"},
    {"gateway", "Answer HTTP: take invalidations, keep them in the broker, tell what became of\n"
                "them. Workers run elsewhere. Settings of target and worker are not used.\n"},
    {"worker", "Take jobs from the broker, remove their keys from the target, write the results.\n"
               "Does not listen: the settings listen, tls, contract, http2 and limits are not\n"
               "used.\n"},
};

static const struct {
        const char *name;
        void (*print)(FILE *);
} pages[] = {
    {"settings", pgw_settings_document},
    {"errors", pgw_errors_document},
    {"example", pgw_settings_example},
};

const char *pgw_usage_page(size_t index)
{
        return index < sizeof pages / sizeof pages[0] ? pages[index].name : NULL;
}

bool pgw_usage(FILE *out, const char *name)
{
        if (!name)
                fputs(general, out);
        for (size_t i = 0; name && i < sizeof pages / sizeof pages[0]; i++) {
                if (strcmp(name, pages[i].name) != 0)
                        continue;
                pages[i].print(out);
                return true;
        }
        for (size_t i = 0; name && i < sizeof services / sizeof services[0]; i++) {
                if (strcmp(name, services[i].verb) != 0)
                        continue;
                fprintf(out, "purgeway %s [--NAME=VALUE ...]\n\n%s\n%s", name, services[i].what,
                        sources);
                pgw_settings_help(out);
                return true;
        }
        return !name;
}
