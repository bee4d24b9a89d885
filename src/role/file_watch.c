#include "role/file_watch.h"

#include <sys/stat.h>

#include "base/alloc.h"

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t fold(uint64_t hash, uint64_t value)
{
        for (unsigned i = 0; i < sizeof value; i++) {
                hash = (hash ^ (value & 0xff)) * FNV_PRIME;
                value >>= 8;
        }
        return hash;
}

/* No file is a state as well. */
static uint64_t fold_state(uint64_t hash, const char *path)
{
        struct stat st;

        if (stat(path, &st) != 0)
                return fold(hash, 0);
        hash = fold(fold(hash, (uint64_t)st.st_dev), (uint64_t)st.st_ino);
        hash = fold(hash, (uint64_t)st.st_size);
        hash = fold(fold(hash, (uint64_t)st.st_mtim.tv_sec), (uint64_t)st.st_mtim.tv_nsec);
        return fold(fold(hash, (uint64_t)st.st_ctim.tv_sec), (uint64_t)st.st_ctim.tv_nsec);
}

void pgw_file_watch_begin(struct pgw_file_watch *w)
{
        pgw_file_watch_fini(w);
        w->read = w->seen = FNV_BASIS;
}

void pgw_file_watch_add(struct pgw_file_watch *w, const char *path)
{
        /* Grown by powers of two: the count itself says when. */
        if ((w->count & (w->count - 1)) == 0)
                w->paths = pgw_realloc(w->paths, (w->count ? 2 * w->count : 1) * sizeof *w->paths);
        w->paths[w->count++] = pgw_strdup(path);
        w->read = w->seen = fold_state(w->read, path);
}

void pgw_file_watch_forget(struct pgw_file_watch *w)
{
        w->read = ~w->seen;
}

bool pgw_file_watch_look(struct pgw_file_watch *w)
{
        uint64_t now = FNV_BASIS;

        for (size_t i = 0; i < w->count; i++)
                now = fold_state(now, w->paths[i]);
        const bool is_still = now == w->seen;
        w->seen = now;
        return is_still && now != w->read;
}

void pgw_file_watch_fini(struct pgw_file_watch *w)
{
        for (size_t i = 0; i < w->count; i++)
                pgw_free(w->paths[i]);
        pgw_free(w->paths);
        *w = (struct pgw_file_watch){.paths = NULL};
}
