#include "role/identities_file.h"

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
