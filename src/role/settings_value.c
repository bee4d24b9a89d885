/* From a text to a field. Every source ends here, so that 64KiB means the same in a file, a
 * variable and a flag, and a wrong value is told in the same words.
 *
 * Texts are UTF-8 without control characters: they are printed as YAML that must read back,
 * and stand in complaints of one line. A secret may be any bytes but NUL.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "role/file.h"
#include "role/settings_priv.h"

void pgw_setting_wipe(char *secret)
{
        if (secret)
                explicit_bzero(secret, strlen(secret));
        pgw_free(secret);
}

void pgw_setting_list_clear(struct pgw_settings *s, const struct pgw_setting *t)
{
        char ***list = pgw_settings_field(s, t->at);
        size_t *count = pgw_settings_field(s, t->count_at);

        for (size_t i = 0; i < *count; i++)
                pgw_free((*list)[i]);
        pgw_free(*list);
        *list = NULL;
        *count = 0;
}

/* What YAML does not let stand in a document: C0, DEL, C1, the byte order mark and the two that
 * are no characters; and the two that end a line or a paragraph, which it takes for spaces. */
static bool is_printable(struct pgw_str text)
{
        for (size_t i = 0; i < text.n; i++) {
                const unsigned char c = (unsigned char)text.p[i];
                const unsigned char next = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;
                const unsigned char third = i + 2 < text.n ? (unsigned char)text.p[i + 2] : 0;
                if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0) ||
                    (c == 0xe2 && next == 0x80 && (third == 0xa8 || third == 0xa9)) ||
                    (c == 0xef && next == 0xbb && third == 0xbf) ||
                    (c == 0xef && next == 0xbf && third >= 0xbe))
                        return false;
        }
        return pgw_utf8_is_valid(text);
}

static enum pgw_err check_text(struct pgw_str text, struct pgw_fault *fault)
{
        if (is_printable(text))
                return PGW_OK;
        pgw_fault_set(fault, "", "a text must be UTF-8 without control characters");
        return PGW_E_CONFIG;
}

static enum pgw_err list_add(struct pgw_settings *s, const struct pgw_setting *t,
                             struct pgw_str item, struct pgw_fault *fault)
{
        char ***list = pgw_settings_field(s, t->at);
        size_t *count = pgw_settings_field(s, t->count_at);

        if (*count == PGW_SETTINGS_LIST_MAX) {
                pgw_fault_set(fault, "", "at most %d values", PGW_SETTINGS_LIST_MAX);
                return PGW_E_CONFIG;
        }
        *list = pgw_realloc(*list, (*count + 1) * sizeof **list);
        (*list)[(*count)++] = pgw_memdup(item.p, item.n);
        return PGW_OK;
}

static const struct {
        const char *suffix;
        enum unit unit;
        uint64_t factor;
} suffixes[] = {
    {"ms", MS, 1},
    {"s", MS, 1000},
    {"m", MS, 60000},
    {"h", MS, 3600000},
    {"s", SECONDS, 1},
    {"m", SECONDS, 60},
    {"h", SECONDS, 3600},
    {"d", SECONDS, 86400},
    {"KiB", BYTES, 1024},
    {"MiB", BYTES, 1048576},
    {"GiB", BYTES, 1073741824},
};

static bool read_number(struct pgw_str text, enum unit unit, uint64_t *ret)
{
        struct pgw_str digits = text;
        uint64_t factor = 0, number;

        while (digits.n && (digits.p[digits.n - 1] < '0' || digits.p[digits.n - 1] > '9'))
                digits.n--;
        const struct pgw_str suffix =
            pgw_str_trim(pgw_str_of(text.p + digits.n, text.n - digits.n));
        if (digits.n == text.n)
                factor = 1;
        for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
                if (suffixes[i].unit == unit && pgw_str_eq_z(suffix, suffixes[i].suffix))
                        factor = suffixes[i].factor;
        if (!factor || pgw_str_to_u64(digits, UINT64_MAX / factor, &number))
                return false;
        *ret = number * factor;
        return true;
}

static enum pgw_err set_number(struct pgw_settings *s, const struct pgw_setting *t,
                               struct pgw_str text, struct pgw_fault *fault)
{
        static const char *const hints[] = {"", " (milliseconds, or with ms, s, m, h)",
                                            " (seconds, or with s, m, h, d)",
                                            " (bytes, or with KiB, MiB, GiB)"};
        char shown[PGW_SETTINGS_SHOWN_SIZE];
        uint64_t number;

        if (!read_number(text, t->unit, &number) || number < t->min || number > t->max) {
                pgw_fault_set(fault, "", "'%s' is not a whole number from %llu to %llu%s",
                              pgw_setting_show(text, shown, sizeof shown),
                              (unsigned long long)t->min, (unsigned long long)t->max,
                              hints[t->unit]);
                return PGW_E_CONFIG;
        }
        *(uint64_t *)pgw_settings_field(s, t->at) = number;
        return PGW_OK;
}

static enum pgw_err set_choice(struct pgw_settings *s, const struct pgw_setting *t,
                               struct pgw_str text, struct pgw_fault *fault)
{
        char shown[PGW_SETTINGS_SHOWN_SIZE];
        struct pgw_str rest = pgw_str_z(t->text), word;

        for (int i = 0;; i++) {
                const bool more = pgw_str_cut(rest, '|', &word, &rest);
                if (pgw_str_eq(more ? word : rest, text)) {
                        *(int *)pgw_settings_field(s, t->at) = i;
                        return PGW_OK;
                }
                if (!more)
                        break;
        }
        pgw_fault_set(fault, "", "'%s' is none of %s", pgw_setting_show(text, shown, sizeof shown),
                      t->text);
        return PGW_E_CONFIG;
}

static enum pgw_err set_switch(struct pgw_settings *s, const struct pgw_setting *t,
                               struct pgw_str text, struct pgw_fault *fault)
{
        char shown[PGW_SETTINGS_SHOWN_SIZE];
        const bool yes = pgw_str_eq_z(text, "true");

        if (!yes && !pgw_str_eq_z(text, "false")) {
                pgw_fault_set(fault, "", "'%s' is neither true nor false",
                              pgw_setting_show(text, shown, sizeof shown));
                return PGW_E_CONFIG;
        }
        *(bool *)pgw_settings_field(s, t->at) = yes;
        return PGW_OK;
}

enum pgw_err pgw_setting_set(struct pgw_settings *s, const struct pgw_setting *t,
                             struct pgw_str text, struct pgw_fault *fault)
{
        char **field = pgw_settings_field(s, t->at);
        enum pgw_err err = PGW_OK;

        switch (t->kind) {
        case NUMBER:
                return set_number(s, t, text, fault);
        case CHOICE:
                return set_choice(s, t, text, fault);
        case SWITCH:
                return set_switch(s, t, text, fault);
        case LIST:
                err = check_text(text, fault);
                return err ? err : list_add(s, t, text, fault);
        case TEXT:
                err = check_text(text, fault);
                if (err)
                        return err;
                pgw_free(*field);
                *field = pgw_memdup(text.p, text.n);
                return PGW_OK;
        case SECRET:
                break;
        }
        pgw_panic("a secret is set by a function of its own");
}

static enum pgw_err note_given(struct pgw_settings_given *given, const struct pgw_setting *t,
                               struct pgw_fault *fault)
{
        bool *secret = &given->secret[t - pgw_settings_table];

        if (*secret) {
                pgw_fault_set(fault, "", "given twice; a secret comes as itself or from its file");
                return PGW_E_CONFIG;
        }
        *secret = true;
        return PGW_OK;
}

static enum pgw_err set_secret(struct pgw_settings *s, const struct pgw_setting *t,
                               struct pgw_str value, struct pgw_fault *fault)
{
        char **field = pgw_settings_field(s, t->at);
        const char *wrong = NULL;

        if (value.n > PGW_SETTINGS_SECRET_MAX)
                wrong = "a secret has at most 4096 bytes";
        else if (value.n && memchr(value.p, '\0', value.n))
                wrong = "a secret must not contain a NUL";
        else if (pgw_str_eq_z(value, PGW_SETTINGS_MASK))
                wrong = "this is the mask that --print-config shows, not the secret";
        if (wrong) {
                pgw_fault_set(fault, "", "%s", wrong);
                return PGW_E_CONFIG;
        }
        pgw_setting_wipe(*field);
        *field = pgw_memdup(value.p, value.n);
        return PGW_OK;
}

enum pgw_err pgw_setting_set_secret(struct pgw_settings *s, const struct pgw_setting *t,
                                    struct pgw_str value, struct pgw_settings_given *given,
                                    struct pgw_fault *fault)
{
        enum pgw_err err = note_given(given, t, fault);

        return err ? err : set_secret(s, t, value, fault);
}

enum pgw_err pgw_setting_set_secret_file(struct pgw_settings *s, const struct pgw_setting *t,
                                         const char *path, struct pgw_settings_given *given,
                                         struct pgw_fault *fault)
{
        struct pgw_fault inner = {"", ""};
        char *bytes, where[sizeof inner.pointer];
        size_t size;
        enum pgw_err err = note_given(given, t, fault);

        if (err)
                return err;
        err = pgw_file_read(path, PGW_SETTINGS_SECRET_MAX + 2, &bytes, &size, &inner);
        if (err) {
                pgw_fault_set(fault, "", "%s: %s",
                              pgw_setting_show(pgw_str_z(inner.pointer), where, sizeof where),
                              inner.detail);
                return err;
        }
        struct pgw_str secret = pgw_str_of(bytes, size);
        if (secret.n && secret.p[secret.n - 1] == '\n')
                secret.n--;
        if (secret.n && secret.p[secret.n - 1] == '\r')
                secret.n--;
        err = set_secret(s, t, secret, fault);
        explicit_bzero(bytes, size);
        pgw_free(bytes);
        return err;
}
