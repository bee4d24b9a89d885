#include "http/json_out.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "domain/invalidation.h"

enum pgw_err pgw_json_z(struct pgw_buf *out, const char *text)
{
        return pgw_buf_add(out, text, strlen(text));
}

enum pgw_err pgw_json_u64(struct pgw_buf *out, const char *head, uint64_t number)
{
        char digits[20];
        enum pgw_err err = pgw_json_z(out, head);

        return err ? err : pgw_buf_add(out, digits, pgw_u64_text(number, digits));
}

enum pgw_err pgw_json_time(struct pgw_buf *out, const char *head, uint64_t wall_ms)
{
        char text[PGW_RFC3339_SIZE];
        enum pgw_err err = pgw_json_z(out, head);

        pgw_rfc3339(wall_ms, text);
        if (!err)
                err = pgw_json_z(out, text);
        return err ? err : pgw_json_z(out, "\"");
}

static enum pgw_err add_base64(struct pgw_buf *out, struct pgw_str bytes)
{
        char *room;
        enum pgw_err err = pgw_buf_reserve(out, PGW_BASE64_SIZE(bytes.n) + 2, &room);

        if (err)
                return err;
        const size_t n = pgw_base64(bytes.p, bytes.n, room + 1);
        room[0] = room[n + 1] = '"';
        out->n += n + 2;
        return PGW_OK;
}

enum pgw_err pgw_json_keys(struct pgw_buf *out, struct pgw_str keys, bool as_text, size_t most)
{
        enum pgw_err err = PGW_OK;
        const char *comma = "";
        struct pgw_str key;

        while (keys.n && !err && most > 0 && pgw_keys_next(&keys, &key) == PGW_OK) {
                if (pgw_utf8_is_valid(key) != as_text)
                        continue;
                most--;
                err = pgw_json_z(out, comma);
                comma = ",";
                if (!err)
                        err = as_text ? pgw_json_escape(out, key) : add_base64(out, key);
        }
        return err;
}

enum pgw_err pgw_json_code(struct pgw_buf *out, const char *head, enum pgw_err error)
{
        char code[64];

        snprintf(code, sizeof code, "%s", pgw_err_slug(error));
        for (char *c = code; *c; c++)
                if (*c == '-')
                        *c = '_';
        return pgw_buf_printf(out, "%s\"%s\"", head, code);
}
