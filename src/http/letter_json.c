/* What the letter says about its job comes from a record that anybody may have written: all of it
 * is escaped, and what is no text is told in base64 or left out. */
#include "http/letter_json.h"

#include "base/codec.h"
#include "http/json_out.h"

static enum pgw_err add_list(struct pgw_buf *out, const char *head, struct pgw_str list,
                             bool as_text, size_t most)
{
        enum pgw_err err = pgw_json_z(out, head);

        if (!err)
                err = pgw_json_keys(out, list, as_text, most);
        return err ? err : pgw_json_z(out, "]");
}

static enum pgw_err add_selectors(struct pgw_buf *out, const struct pgw_entry *e, size_t most)
{
        enum pgw_err err = pgw_json_u64(out, ",\"selectors\":{\"key_count\":", e->key_count);

        if (!err)
                err = pgw_json_u64(out, ",\"pattern_count\":", e->pattern_count);
        if (!err)
                err = pgw_json_u64(out, ",\"tag_count\":", e->tag_count);
        if (!err)
                err = add_list(out, ",\"keys\":[", e->keys, true, most);
        if (!err)
                err = add_list(out, ",\"keys_base64\":[", e->keys, false, most);
        if (!err)
                err = add_list(out, ",\"patterns\":[", e->patterns, true, most);
        if (!err)
                err = add_list(out, ",\"tags\":[", e->tags, true, most);
        return err ? err : pgw_json_z(out, "}");
}

static enum pgw_err add_class(struct pgw_buf *out, enum pgw_err error)
{
        return pgw_buf_printf(out, ",\"error_class\":\"%s\"",
                              pgw_err_class_name(pgw_err_class(error)));
}

static enum pgw_err add_failure(struct pgw_buf *out, const struct pgw_failure *f)
{
        enum pgw_err err = pgw_json_u64(out, "{\"attempt\":", f->attempt);

        if (!err)
                err = pgw_json_time(out, ",\"at\":\"", f->at_ms);
        if (!err && !pgw_str_eq_z(f->target, "-") && pgw_utf8_is_valid(f->target)) {
                err = pgw_json_z(out, ",\"target\":");
                if (!err)
                        err = pgw_json_escape(out, f->target);
        }
        if (!err)
                err = pgw_json_code(out, ",\"code\":", f->error);
        if (!err)
                err = add_class(out, f->error);
        return err ? err : pgw_json_z(out, "}");
}

static enum pgw_err add_history(struct pgw_buf *out, struct pgw_str history)
{
        enum pgw_err err = pgw_json_z(out, ",\"history\":[");
        const char *comma = "";
        struct pgw_failure f;

        while (!err && pgw_history_next(&history, &f) == PGW_OK) {
                err = pgw_json_z(out, comma);
                comma = ",";
                if (!err)
                        err = add_failure(out, &f);
        }
        return err ? err : pgw_json_z(out, "]");
}

static enum pgw_err add_text(struct pgw_buf *out, const char *head, struct pgw_str text)
{
        if (text.n == 0 || !pgw_utf8_is_valid(text))
                return PGW_OK;
        enum pgw_err err = pgw_json_z(out, head);
        return err ? err : pgw_json_escape(out, text);
}

static enum pgw_err add_error(struct pgw_buf *out, enum pgw_err error)
{
        enum pgw_err err = pgw_json_code(out, ",\"error\":{\"code\":", error);

        if (!err)
                err = add_class(out, error);
        return err ? err : pgw_buf_printf(out, ",\"detail\":\"%s\"}", pgw_err_title(error));
}

enum pgw_err pgw_letter_json(struct pgw_buf *out, const struct pgw_letter *l, size_t most)
{
        char id[PGW_JOB_ID_SIZE];

        pgw_job_id_text(&l->id, id);
        enum pgw_err err = pgw_buf_printf(
            out, "{\"job_id\":\"%.*s\",\"status\":\"%s\",\"priority\":\"%s\"", (int)sizeof id, id,
            pgw_job_state_word(l->state), pgw_lane_name(l->entry.id.lane));
        if (!err)
                err = pgw_json_time(out, ",\"accepted_at\":\"", l->id.entry.ms);
        if (!err)
                err = pgw_json_time(out, ",\"buried_at\":\"", l->buried_ms);
        if (!err)
                err = pgw_json_u64(out, ",\"attempts\":", l->entry.attempts);
        if (!err)
                err = add_error(out, l->error);
        if (!err)
                err = add_selectors(out, &l->entry, most);
        if (!err)
                err = add_text(out, ",\"targets\":", l->entry.targets);
        if (!err)
                err = add_text(out, ",\"reason\":", l->entry.reason);
        if (!err)
                err = add_text(out, ",\"request_id\":", l->entry.request_id);
        if (!err)
                err = add_history(out, l->entry.history);
        return err ? err : pgw_json_z(out, "}");
}
