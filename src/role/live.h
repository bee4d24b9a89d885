/* role/live.h - what may change while the process runs: settings that can be reloaded, the
 * certificate, who may do what, the webhooks.
 *
 *      SIGHUP             all of it, from the same sources: as a whole or not at all
 *      a changed file     identities.file, hooks.file and the secrets that it names, by themselves
 *
 * What is to come into force is judged as it would be: those settings that can change, from the
 * new sources, beside those that cannot, from the old. Threads take what is new within a turn of
 * their loop; each holds what it uses, so nothing is taken from under a request.
 *
 * One for the process, of the main thread.
 */
#ifndef PGW_ROLE_LIVE_H
#define PGW_ROLE_LIVE_H

#include "http/hooks.h"
#include "http/identities.h"
#include "io/tls.h"
#include "role/file_watch.h"
#include "role/settings.h"
#include "role/thread.h"

struct pgw_live {
        struct pgw_settings *settings; /* borrowed, as all that has no other word */
        struct pgw_limits *limits;     /* NULL: nothing of HTTP is there to change */
        const struct pgw_contract *contract;
        struct pgw_tls_server *tls;        /* held; NULL: none */
        struct pgw_identities *identities; /* held; NULL: whoever can ask may */
        struct pgw_hooks *hooks;           /* held; NULL: none */
        struct pgw_file_watch identities_watch, hooks_watch;
        uint64_t look_at_ms; /* of the next look at the files */
        struct pgw_thread *const *threads;
        unsigned thread_count;
};

/* Where the settings come from. */
struct pgw_live_sources {
        int argc;
        char **argv, **env;
};

/* Read certificate, identities and webhooks for the first time; settings, limits and contract are
 * set, all else is zero. PGW_E_CONFIG with the setting and the reason. */
enum pgw_err pgw_live_load(struct pgw_live *, struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* From now on these are told of what is new. */
void pgw_live_serve(struct pgw_live *, struct pgw_thread *const *threads, unsigned count);

/* Read everything again. When it returns, threads have what is new, unless one of them is stuck.
 * What is wrong, or needs a restart, is told in the log. */
void pgw_live_reload(struct pgw_live *, const struct pgw_live_sources *);

/* Look whether files have changed; to be called often, it looks every PGW_FILE_WATCH_MS. */
void pgw_live_watch(struct pgw_live *);

/* One that was never loaded is allowed. */
void pgw_live_fini(struct pgw_live *);

#endif
