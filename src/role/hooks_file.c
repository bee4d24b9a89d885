/* Secrets are read with the file, each time anew. */
#include "role/hooks_file.h"

#include <string.h>

#include "base/alloc.h"
#include "role/file.h"
#include "role/identities_file.h"
#include "role/secret_env.h"

#define PGW_SECRET_NAME_MAX 255

static enum pgw_err take(struct pgw_str text, struct pgw_buf *out, struct pgw_fault *fault)
{
        while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
                text.n--;
        if (pgw_buf_add_str(out, text) == PGW_OK)
                return PGW_OK;
        pgw_fault_set(fault, "", "a secret has at most %d bytes", PGW_HOOK_SECRET_MAX);
        return PGW_E_CONFIG;
}

static enum pgw_err take_file(const char *path, struct pgw_buf *out, struct pgw_fault *fault)
{
        char *bytes;
        size_t size;
        struct pgw_fault inner = {"", ""};

        if (pgw_file_read(path, PGW_HOOK_SECRET_MAX + 2, &bytes, &size, &inner)) {
                pgw_fault_set(fault, "", "%s: %s", inner.pointer, inner.detail);
                return PGW_E_CONFIG;
        }
        const enum pgw_err err = take(pgw_str_of(bytes, size), out, fault);
        explicit_bzero(bytes, size);
        pgw_free(bytes);
        return err;
}

static enum pgw_err take_variable(const char *name, struct pgw_buf *out, struct pgw_fault *fault)
{
        const char *value = pgw_secret_env(name);

        if (value)
                return take(pgw_str_z(value), out, fault);
        pgw_fault_set(fault, "", "there is no environment variable %.100s", name);
        return PGW_E_CONFIG;
}

/* What is neither is not shown: it may be a secret. */
static enum pgw_err take_secret(void *ctx, struct pgw_str reference, struct pgw_buf *out,
                                struct pgw_fault *fault)
{
        const struct pgw_str file = PGW_STR("file:"), variable = PGW_STR("env:");
        const bool is_file = pgw_str_starts(reference, file);
        const size_t skip = is_file ? file.n : variable.n;
        char name[PGW_SECRET_NAME_MAX + 1];

        if ((!is_file && !pgw_str_starts(reference, variable)) || reference.n == skip ||
            reference.n - skip > PGW_SECRET_NAME_MAX) {
                pgw_fault_set(fault, "",
                              "a secret stands elsewhere: \"file:PATH\" or \"env:NAME\"");
                return PGW_E_CONFIG;
        }
        memcpy(name, reference.p + skip, reference.n - skip);
        name[reference.n - skip] = '\0';
        if (!is_file)
                return take_variable(name, out, fault);
        pgw_file_watch_add(ctx, name);
        return take_file(name, out, fault);
}

enum pgw_err pgw_hooks_file_read(const struct pgw_settings *s,
                                 const struct pgw_identities *identities,
                                 const struct pgw_contract *contract, struct pgw_file_watch *watch,
                                 struct pgw_fault *fault, struct pgw_hooks **ret)
{
        struct pgw_str names[PGW_TARGETS_MAX];
        const struct pgw_hooks_sources sources = {
            .path = s->hooks_file,
            .identities = identities,
            .contract = contract,
            .targets = names,
            .target_count = pgw_settings_target_names(s, names),
            .secret = take_secret,
            .ctx = watch,
        };
        char *bytes;
        size_t size;

        *ret = NULL;
        pgw_file_watch_begin(watch);
        if (!s->hooks_file[0])
                return PGW_OK;
        pgw_file_watch_add(watch, s->hooks_file);
        enum pgw_err err = pgw_file_read(s->hooks_file, PGW_HOOKS_FILE_MAX, &bytes, &size, fault);
        if (err)
                return err;
        err = pgw_hooks_read(&sources, pgw_str_of(bytes, size), fault, ret);
        pgw_free(bytes);
        return err;
}
