/* The records come from Redis, where anybody may have written: every text of them is escaped. */
#include "http/audit_json.h"

#include "http/job_json.h"
#include "http/json_out.h"

#include "base/codec.h"

static enum pgw_err add_text(struct pgw_buf *out, const char *head, struct pgw_str text)
{
        if (text.n == 0)
                return PGW_OK;
        enum pgw_err err = pgw_json_z(out, head);
        return err ? err : pgw_json_escape(out, text);
}

/* Names that are separated by commas, as an array. */
static enum pgw_err add_names(struct pgw_buf *out, const char *head, struct pgw_str names)
{
        bool has_more = names.n > 0;
        enum pgw_err err = has_more ? pgw_json_z(out, head) : PGW_OK;
        const char *comma = "";

        while (has_more && !err) {
                struct pgw_str name = names;
                has_more = pgw_str_cut(names, ',', &name, &names);
                err = pgw_json_z(out, comma);
                comma = ",";
                if (!err)
                        err = pgw_json_escape(out, name);
                if (!err && !has_more)
                        err = pgw_json_z(out, "]");
        }
        return err;
}

static enum pgw_err add_list(struct pgw_buf *out, const char *head, struct pgw_str list,
                             bool as_text)
{
        enum pgw_err err = pgw_json_z(out, head);

        if (!err)
                err = pgw_json_keys(out, list, as_text, PGW_AUDIT_SHOWN);
        return err ? err : pgw_json_z(out, "]");
}

static enum pgw_err add_selectors(struct pgw_buf *out, const struct pgw_audit *a)
{
        enum pgw_err err = pgw_json_u64(out, ",\"selectors\":{\"key_count\":", a->key_count);

        if (!err)
                err = pgw_json_u64(out, ",\"pattern_count\":", a->pattern_count);
        if (!err)
                err = pgw_json_u64(out, ",\"tag_count\":", a->tag_count);
        if (!err)
                err = add_list(out, ",\"keys\":[", a->keys, true);
        if (!err)
                err = add_list(out, ",\"keys_base64\":[", a->keys, false);
        if (!err)
                err = add_list(out, ",\"patterns\":[", a->patterns, true);
        if (!err)
                err = add_list(out, ",\"tags\":[", a->tags, true);
        if (!err)
                err = add_text(out, ",\"digest\":", a->digest);
        return err ? err : pgw_json_z(out, "}");
}

static enum pgw_err add_who(struct pgw_buf *out, const struct pgw_audit *a)
{
        struct pgw_str from, who;

        pgw_audit_who(a->actor, &from, &who);
        enum pgw_err err = add_text(out, ",\"who\":", who);
        if (!err && !pgw_str_eq_z(from, "-"))
                err = add_text(out, ",\"address\":", from);
        if (!err)
                err = add_text(out, ",\"request_id\":", a->request_id);
        return err ? err : add_text(out, ",\"reason\":", a->reason);
}

static enum pgw_err add_job(struct pgw_buf *out, const struct pgw_audit *a)
{
        char id[PGW_JOB_ID_SIZE];

        pgw_job_id_text(&a->job, id);
        enum pgw_err err = add_text(out, ",\"job_id\":", pgw_str_of(id, sizeof id));
        return err || a->action != PGW_AUDIT_PURGE
                   ? err
                   : pgw_json_time(out, ",\"accepted_at\":\"", a->job.entry.ms);
}

static enum pgw_err add_end(struct pgw_buf *out, const struct pgw_audit *a, const char *target_name)
{
        const struct pgw_job job = {
            .state = a->state,
            .requested = a->key_count + a->pattern_count + a->tag_count,
            .matched = a->matched,
            .removed = a->removed,
            .missing = a->missing,
            .error = a->error,
            .targets = a->outcomes,
        };
        enum pgw_err err = add_text(out, ",\"status\":", pgw_str_z(pgw_job_state_word(a->state)));

        if (!err)
                err = pgw_json_u64(out, ",\"attempts\":", a->attempts);
        return err ? err : pgw_job_json_end(out, &job, target_name);
}

enum pgw_err pgw_audit_json(struct pgw_buf *out, const struct pgw_audit *a, const char *target_name)
{
        char id[PGW_ENTRY_ID_SIZE];
        enum pgw_err err =
            pgw_buf_printf(out, "{\"record_id\":\"%.*s\"", (int)pgw_entry_id_text(a->id, id), id);

        if (!err)
                err = pgw_json_time(out, ",\"at\":\"", a->id.ms);
        if (!err)
                err = add_text(out, ",\"action\":", pgw_str_z(pgw_audit_action_word(a->action)));
        if (!err)
                err = add_who(out, a);
        if (!err && a->has_job)
                err = add_job(out, a);
        if (!err && a->action == PGW_AUDIT_PURGE)
                err = add_selectors(out, a);
        if (!err)
                err = add_names(out, ",\"targets\":[", a->targets);
        if (!err)
                err = add_text(out, ",\"mode\":", a->mode);
        if (!err && a->has_end)
                err = add_end(out, a, target_name);
        else if (!err && a->error)
                err = pgw_json_code(out, ",\"code\":", a->error);
        if (!err)
                err = add_names(out, ",\"lanes\":[", a->lanes);
        if (!err)
                err = add_text(out, ",\"operation\":", a->operation);
        if (!err && a->count)
                err = pgw_json_u64(out, ",\"count\":", a->count);
        return err ? err : pgw_json_z(out, "}");
}
