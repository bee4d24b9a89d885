#include "domain/later.h"

#include "domain/entry.h"
#include "domain/script.h"

enum pgw_err pgw_later_ask(struct pgw_redis *r, const struct pgw_keyspace *ks,
                           const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], text[PGW_JOB_ID_SIZE];

        pgw_job_id_text(id, text);
        pgw_script_begin(r, PGW_SCRIPT_KEPT, 1, 2);
        pgw_redis_arg(r, pgw_keyspace_later(ks, key));
        pgw_redis_arg(r, pgw_str_of(text, sizeof text));
        pgw_redis_arg(r, PGW_STR("e"));
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_later_forget(struct pgw_redis *r, const struct pgw_keyspace *ks,
                              const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], text[PGW_JOB_ID_SIZE];

        pgw_job_id_text(id, text);
        pgw_redis_begin(r, 3);
        pgw_redis_arg(r, PGW_STR("HDEL"));
        pgw_redis_arg(r, pgw_keyspace_later(ks, key));
        pgw_redis_arg(r, pgw_str_of(text, sizeof text));
        return pgw_redis_end(r, done, ctx);
}

static enum pgw_err read_place(struct pgw_str text, struct pgw_later *ret)
{
        struct pgw_str lane_text, entry_text;
        uint64_t lane;

        if (!pgw_str_cut(text, ' ', &lane_text, &entry_text) ||
            pgw_str_to_u64(lane_text, PGW_LANE_COUNT - 1, &lane))
                return PGW_E_CODEC;
        *ret = (struct pgw_later){.lane = (enum pgw_lane)lane};
        return pgw_entry_id_parse(entry_text, &ret->entry);
}

enum pgw_err pgw_later_read(const struct pgw_reply *reply, struct pgw_later *ret)
{
        const struct pgw_str text = pgw_reply_str(pgw_reply_at(reply, 0));
        struct pgw_later later = {.due_ms = 0};
        enum pgw_err err = PGW_OK;

        if (reply && reply->type == PGW_REPLY_NIL)
                return PGW_E_NO_JOB;
        /* What no script of ours answers. */
        if (!pgw_reply_at(reply, 0))
                return PGW_E_REDIS_PROTOCOL;
        if (text.n && text.p[0] == '=')
                err = read_place(pgw_str_of(text.p + 1, text.n - 1), &later);
        else if (pgw_str_to_u64(text, UINT64_MAX, &later.due_ms) || later.due_ms == 0)
                err = PGW_E_CODEC;
        else
                later.attempts = pgw_entry_attempts(pgw_reply_at(reply, 1));
        if (!err)
                *ret = later;
        return err;
}
