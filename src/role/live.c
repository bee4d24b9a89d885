/* The order is that of who needs whom: webhooks act as identities, so those are read first and
 * handed out first.
 *
 * Reading a file marks it as read. A reload that fails behind that has read a file whose content
 * is not in force, so it takes the mark back: the next looks find the file changed, and it comes
 * into force by itself. Who was struck off the list stays no longer because something else in the
 * same reload was wrong.
 */
#include "role/live.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "role/hooks_file.h"
#include "role/identities_file.h"
#include "role/tls_file.h"

#define PGW_LIVE_THREADS_WAIT_MS 500

/* What has been read and is not in force yet. */
struct fresh {
        struct pgw_settings *settings; /* after the exchange: the old ones */
        bool is_exchanged;
        struct pgw_tls_server *tls;
        struct pgw_identities *identities;
        struct pgw_hooks *hooks;
        struct pgw_fault note;
};

/* ---- handing out ---- */

/* "Reloaded" shall mean that the next connection sees it. */
static void wait_for_threads(const struct pgw_live *l)
{
        const uint64_t until_ms = pgw_mono_ms() + PGW_LIVE_THREADS_WAIT_MS;

        for (unsigned i = 0; i < l->thread_count; i++)
                while (!pgw_thread_is_up_to_date(l->threads[i]) && pgw_mono_ms() < until_ms)
                        usleep(1000);
}

static void hand_out_tls(struct pgw_live *l, struct pgw_tls_server *tls)
{
        pgw_tls_server_drop(l->tls);
        l->tls = tls;
        for (unsigned i = 0; i < l->thread_count; i++)
                pgw_thread_set_tls(l->threads[i], tls);
}

static void hand_out_identities(struct pgw_live *l, struct pgw_identities *identities)
{
        const struct pgw_limits_conf *limits = &l->limits->conf;

        pgw_identities_meter(identities, l->identities, &limits->requests, &limits->keys);
        pgw_identities_drop(l->identities);
        l->identities = identities;
        for (unsigned i = 0; i < l->thread_count; i++)
                pgw_thread_set_identities(l->threads[i], identities);
        PGW_LOG(PGW_LOG_INFO, "identities.loaded",
                PGW_L_INT("count", (int64_t)pgw_identities_count(identities)));
}

static void hand_out_hooks(struct pgw_live *l, struct pgw_hooks *hooks)
{
        pgw_hooks_drop(l->hooks);
        l->hooks = hooks;
        for (unsigned i = 0; i < l->thread_count; i++)
                pgw_thread_set_hooks(l->threads[i], hooks);
        PGW_LOG(PGW_LOG_INFO, "hooks.loaded", PGW_L_INT("count", (int64_t)pgw_hooks_count(hooks)));
}

/* ---- reading ---- */

static enum pgw_err read_identities(struct pgw_live *l, struct pgw_fault *fault,
                                    struct pgw_identities **ret)
{
        pgw_file_watch_begin(&l->identities_watch);
        pgw_file_watch_add(&l->identities_watch, l->settings->identities_file);
        return pgw_identities_file_read(l->settings, fault, ret);
}

enum pgw_err pgw_live_load(struct pgw_live *l, struct pgw_fault *fault)
{
        struct pgw_identities *identities = NULL;
        struct pgw_hooks *hooks = NULL;

        enum pgw_err err = read_identities(l, fault, &identities);
        if (!err && identities)
                hand_out_identities(l, identities);
        if (!err)
                err = pgw_hooks_file_read(l->settings, l->identities, l->contract, &l->hooks_watch,
                                          fault, &hooks);
        if (!err && hooks)
                hand_out_hooks(l, hooks);
        return err ? err : pgw_tls_file_read(l->settings, fault, &l->tls);
}

void pgw_live_serve(struct pgw_live *l, struct pgw_thread *const *threads, unsigned count)
{
        l->threads = threads;
        l->thread_count = count;
}

/* ---- files that change by themselves ---- */

/* A file that cannot be read changes nothing, not even by its absence: that it is gone does not
 * mean that everybody may come in, nor that nobody may. True when others are in force. */
static bool watch_identities(struct pgw_live *l)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_identities *fresh;

        if (!l->identities || !pgw_file_watch_look(&l->identities_watch))
                return false;
        if (read_identities(l, &fault, &fresh)) {
                PGW_LOG(PGW_LOG_ERROR, "identities.reload_failed",
                        PGW_L_STR("where", fault.pointer), PGW_L_STR("detail", fault.detail));
                return false;
        }
        hand_out_identities(l, fresh);
        return true;
}

/* A hook that acts as somebody who comes later is taken then. */
static void watch_hooks(struct pgw_live *l, bool has_new_identities)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_hooks *fresh;

        if (!l->hooks || (!pgw_file_watch_look(&l->hooks_watch) && !has_new_identities))
                return;
        if (pgw_hooks_file_read(l->settings, l->identities, l->contract, &l->hooks_watch, &fault,
                                &fresh))
                PGW_LOG(PGW_LOG_ERROR, "hooks.reload_failed", PGW_L_STR("where", fault.pointer),
                        PGW_L_STR("detail", fault.detail));
        else
                hand_out_hooks(l, fresh);
}

void pgw_live_watch(struct pgw_live *l)
{
        const uint64_t now_ms = pgw_mono_ms();

        if (now_ms < l->look_at_ms)
                return;
        l->look_at_ms = now_ms + PGW_FILE_WATCH_MS;
        watch_hooks(l, watch_identities(l));
}

/* ---- everything ---- */

static enum pgw_err read_again(struct pgw_live *l, const struct pgw_live_sources *from,
                               struct fresh *f, struct pgw_fault *fault)
{
        enum pgw_err err =
            pgw_settings_load(from->argc, from->argv, from->env, fault, &f->settings);

        if (err)
                return err;
        pgw_settings_swap(l->settings, f->settings, &f->note);
        f->is_exchanged = true;
        err = pgw_settings_check(l->settings, fault);
        if (!err && l->tls)
                err = pgw_tls_file_read(l->settings, fault, &f->tls);
        if (!err && l->identities)
                err = read_identities(l, fault, &f->identities);
        if (!err && l->hooks)
                err = pgw_hooks_file_read(l->settings, f->identities, l->contract, &l->hooks_watch,
                                          fault, &f->hooks);
        return err;
}

/* What does not fit may be so for want of what a restart would bring. */
static void put_back(struct pgw_live *l, struct fresh *f, const struct pgw_fault *fault)
{
        struct pgw_fault ignored;

        if (f->is_exchanged)
                pgw_settings_swap(l->settings, f->settings, &ignored);
        if (f->identities)
                pgw_file_watch_forget(&l->identities_watch);
        pgw_tls_server_drop(f->tls);
        pgw_identities_drop(f->identities);
        PGW_LOG(PGW_LOG_ERROR, "config.reload_failed", PGW_L_STR("where", fault->pointer),
                PGW_L_STR("detail", fault->detail), PGW_L_STR("note", f->note.detail));
}

void pgw_live_reload(struct pgw_live *l, const struct pgw_live_sources *from)
{
        struct pgw_fault fault = {"", ""};
        struct fresh f = {.settings = NULL, .note = {"", ""}};

        if (read_again(l, from, &f, &fault)) {
                put_back(l, &f, &fault);
                pgw_settings_free(f.settings);
                return;
        }
        pgw_settings_free(f.settings);
        if (f.tls)
                hand_out_tls(l, f.tls);
        if (f.identities)
                hand_out_identities(l, f.identities);
        if (f.hooks)
                hand_out_hooks(l, f.hooks);
        wait_for_threads(l);
        pgw_log_set_level((enum pgw_log_level)l->settings->log_level);
        PGW_LOG(PGW_LOG_INFO, "config.reloaded", PGW_L_STR("note", f.note.detail));
}

void pgw_live_fini(struct pgw_live *l)
{
        pgw_tls_server_drop(l->tls);
        pgw_identities_drop(l->identities);
        pgw_hooks_drop(l->hooks);
        pgw_file_watch_fini(&l->identities_watch);
        pgw_file_watch_fini(&l->hooks_watch);
}
