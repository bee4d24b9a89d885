/* The records come from Redis, where anybody may have written: what cannot be read is shown as
 * far as it can, and can be dropped like any other. */
#include "domain/letter.h"

#include "domain/script.h"

/* A job that runs must not lose its fence to the expiry of a result. */
#define PGW_LETTER_REOPENED_TTL_S 86400

enum pgw_err pgw_letter_ask(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], text[PGW_JOB_ID_SIZE];

        pgw_job_id_text(id, text);
        pgw_redis_begin(r, 3);
        pgw_redis_arg(r, PGW_STR("HGET"));
        pgw_redis_arg(r, pgw_keyspace_dead(ks, key));
        pgw_redis_arg(r, pgw_str_of(text, sizeof text));
        return pgw_redis_end(r, done, ctx);
}

static enum pgw_err last_error(struct pgw_str history)
{
        enum pgw_err last = PGW_E_INTERNAL;
        struct pgw_failure f;

        while (pgw_history_next(&history, &f) == PGW_OK)
                last = f.error;
        return last;
}

static enum pgw_job_state state_of(enum pgw_err error)
{
        if (error == PGW_E_POISON || error == PGW_E_TIME_LIMIT)
                return PGW_JOB_DEAD;
        return pgw_err_class(error) == PGW_CLASS_PERMANENT ? PGW_JOB_FAILED : PGW_JOB_DEAD;
}

enum pgw_err pgw_letter_read(const struct pgw_job_id *id, const struct pgw_reply *reply,
                             struct pgw_letter *ret)
{
        struct pgw_str time, record;
        bool has_nonce;

        *ret = (struct pgw_letter){.id = *id};
        if (!reply || reply->type == PGW_REPLY_NIL)
                return PGW_E_NO_JOB;
        if (!pgw_str_cut(pgw_reply_str(reply), ' ', &time, &record) ||
            pgw_str_to_u64(time, PGW_JSON_INTEGER_MAX, &ret->buried_ms))
                return PGW_E_CODEC;
        ret->is_readable = pgw_entry_read_record(record, &ret->entry, &has_nonce) == PGW_OK;
        ret->error = last_error(ret->entry.history);
        ret->state = state_of(ret->error);
        return PGW_OK;
}

enum pgw_err pgw_letter_peek(struct pgw_redis *r, const struct pgw_keyspace *ks,
                             const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], text[PGW_JOB_ID_SIZE];

        pgw_job_id_text(id, text);
        pgw_script_begin(r, PGW_SCRIPT_KEPT, 1, 5);
        pgw_redis_arg(r, pgw_keyspace_dead(ks, key));
        pgw_redis_arg(r, pgw_str_of(text, sizeof text));
        pgw_redis_arg(r, PGW_STR("e"));
        pgw_redis_arg(r, PGW_STR("i"));
        pgw_redis_arg(r, PGW_STR("l"));
        pgw_redis_arg(r, PGW_STR("y"));
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_letter_peek_read(const struct pgw_job_id *id, const struct pgw_reply *reply,
                                  struct pgw_letter *ret)
{
        const struct pgw_reply *fields = pgw_reply_at(reply, 1);

        *ret = (struct pgw_letter){.id = *id};
        if (!reply || reply->type == PGW_REPLY_NIL)
                return PGW_E_NO_JOB;
        /* What no script of ours answers. */
        if (!fields)
                return PGW_E_REDIS_PROTOCOL;
        if (pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 0)), PGW_JSON_INTEGER_MAX,
                           &ret->buried_ms))
                return PGW_E_CODEC;
        ret->entry.attempts = pgw_entry_attempts(fields);
        ret->entry.requested = pgw_entry_requested(fields);
        ret->entry.history = pgw_entry_history(fields);
        ret->entry.outcomes = pgw_entry_outcomes(fields);
        ret->error = last_error(ret->entry.history);
        ret->state = state_of(ret->error);
        return PGW_OK;
}

enum pgw_err pgw_letters_ask(struct pgw_redis *r, const struct pgw_keyspace *ks,
                             const struct pgw_letter_place *from, size_t count,
                             pgw_redis_reply_f *done, void *ctx)
{
        char at[PGW_STREAM_KEY_MAX], dead[PGW_STREAM_KEY_MAX];

        PGW_ASSERT(count >= 1 && count <= PGW_LETTERS_PAGE_MAX);
        pgw_script_begin(r, PGW_SCRIPT_LETTERS, 2, 4);
        pgw_redis_arg(r, pgw_keyspace_dead_at(ks, at));
        pgw_redis_arg(r, pgw_keyspace_dead(ks, dead));
        pgw_redis_arg_u64(r, from->buried_ms);
        pgw_redis_arg(r, from->buried_ms ? pgw_str_of(from->id, sizeof from->id) : PGW_STR(""));
        pgw_redis_arg_u64(r, count);
        pgw_redis_arg_u64(r, PGW_ENTRIES_BYTES);
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_letter_reopen(struct pgw_redis *r, const struct pgw_keyspace *ks,
                               const struct pgw_job_id *id, uint64_t attempts,
                               pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_RESULT_KEY_MAX];

        pgw_script_begin(r, PGW_SCRIPT_REOPEN, 1, 2);
        pgw_redis_arg(r, pgw_keyspace_result(ks, id, key));
        pgw_redis_arg_u64(r, attempts);
        pgw_redis_arg_u64(r, PGW_LETTER_REOPENED_TTL_S);
        return pgw_redis_end(r, done, ctx);
}

static void add_ids(struct pgw_redis *r, const struct pgw_letter_ids *letters)
{
        char text[PGW_JOB_ID_SIZE];

        PGW_ASSERT(letters->count >= 1 && letters->count <= PGW_LETTERS_PAGE_MAX);
        for (size_t i = 0; i < letters->count; i++) {
                pgw_job_id_text(&letters->ids[i], text);
                pgw_redis_arg(r, pgw_str_of(text, sizeof text));
        }
}

enum pgw_err pgw_letters_redrive(struct pgw_redis *r, const struct pgw_keyspace *ks,
                                 const struct pgw_letter_ids *letters, pgw_redis_reply_f *done,
                                 void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_script_begin(r, PGW_SCRIPT_REDRIVE, 5 + PGW_LANE_COUNT, 3 + letters->count);
        pgw_redis_arg(r, pgw_keyspace_dead_at(ks, key));
        pgw_redis_arg(r, pgw_keyspace_dead(ks, key));
        pgw_redis_arg(r, pgw_keyspace_later(ks, key));
        pgw_redis_arg(r, pgw_keyspace_audit(ks, key));
        pgw_redis_arg(r, pgw_keyspace_cancelled(ks, key));
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                pgw_redis_arg(r, pgw_keyspace_stream(ks, (enum pgw_lane)i));
        pgw_audit_args(r, letters->audit, letters->record);
        pgw_redis_arg_u64(r, PGW_ENTRIES_BYTES);
        add_ids(r, letters);
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_letters_drop(struct pgw_redis *r, const struct pgw_keyspace *ks,
                              const struct pgw_letter_ids *letters, pgw_redis_reply_f *done,
                              void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_script_begin(r, PGW_SCRIPT_DROP, 3, 3 + letters->count);
        pgw_redis_arg(r, pgw_keyspace_dead_at(ks, key));
        pgw_redis_arg(r, pgw_keyspace_dead(ks, key));
        pgw_redis_arg(r, pgw_keyspace_audit(ks, key));
        pgw_redis_arg(r, PGW_STR(""));
        pgw_audit_args(r, letters->audit, letters->record);
        add_ids(r, letters);
        return pgw_redis_end(r, done, ctx);
}
