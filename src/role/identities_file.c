#include "role/identities_file.h"

#include <string.h>

#include "base/alloc.h"
#include "role/file.h"

size_t pgw_settings_target_names(const struct pgw_settings *s,
                                 struct pgw_str names[PGW_TARGETS_MAX])
{
        size_t n = 0;

        if (s->target_url[0] || s->targets_count == 0)
                names[n++] = PGW_STR(PGW_TARGET_DEFAULT);
        for (size_t i = 0; i < s->targets_count && n < PGW_TARGETS_MAX; i++) {
                struct pgw_str url;
                if (pgw_target_split(pgw_str_z(s->targets[i]), &names[n], &url) == PGW_OK)
                        n++;
        }
        return n;
}

enum pgw_err pgw_identities_file_read(const struct pgw_settings *s, struct pgw_fault *fault,
                                      struct pgw_identities **ret)
{
        struct pgw_str names[PGW_TARGETS_MAX];
        const char *path = s->identities_file;
        char *bytes;
        size_t size;

        *ret = NULL;
        if (!path[0])
                return PGW_OK;
        enum pgw_err err = pgw_file_read(path, PGW_IDENTITIES_FILE_MAX, &bytes, &size, fault);
        if (err)
                return err;
        err = pgw_identities_read(path, pgw_str_of(bytes, size), names,
                                  pgw_settings_target_names(s, names),
                                  pgw_str_z(s->identities_pepper), fault, ret);
        pgw_free(bytes);
        return err;
}

static struct pgw_file_state state_of(const char *path)
{
        struct pgw_file_state state;
        struct stat st;

        /* States are compared by their bytes. */
        memset(&state, 0, sizeof state);
        if (stat(path, &st) == 0) {
                state.device = st.st_dev;
                state.inode = st.st_ino;
                state.size = st.st_size;
                state.written = st.st_mtim;
                state.changed = st.st_ctim;
        }
        return state;
}

static bool is_same(const struct pgw_file_state *a, const struct pgw_file_state *b)
{
        return memcmp(a, b, sizeof *a) == 0;
}

void pgw_file_watch_mark(struct pgw_file_watch *w, const char *path)
{
        w->read = w->seen = state_of(path);
}

bool pgw_file_watch_look(struct pgw_file_watch *w, const char *path)
{
        const struct pgw_file_state now = state_of(path);
        const bool is_still = is_same(&now, &w->seen);

        w->seen = now;
        return is_still && !is_same(&now, &w->read);
}
