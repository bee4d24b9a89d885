/* GET /v1/workers: who works on the queue, as they tell of themselves (domain/roster.h). */
#include "base/clock.h"
#include "base/codec.h"
#include "domain/roster.h"
#include "http/json_out.h"
#include "http/operations.h"

static enum pgw_err write_line(struct pgw_buf *out, const struct pgw_worker_line *w,
                               uint64_t now_ms)
{
        enum pgw_err err = pgw_json_z(out, "{\"name\":");

        if (!err)
                err = pgw_json_escape(out, w->name);
        if (!err)
                err = pgw_json_z(out, ",\"host\":");
        if (!err)
                err = pgw_json_escape(out, w->host);
        if (!err)
                err = pgw_json_u64(out, ",\"pid\":", w->pid);
        if (!err)
                err = pgw_json_time(out, ",\"started_at\":\"", w->started_ms);
        if (!err)
                err = pgw_json_time(out, ",\"heard_at\":\"", w->heard_ms);
        if (!err)
                err = pgw_json_u64(
                    out, ",\"quiet_ms\":", now_ms > w->heard_ms ? now_ms - w->heard_ms : 0);
        if (!err)
                err = pgw_json_u64(out, ",\"jobs_in_hand\":", w->in_hand);
        if (!err)
                err = pgw_json_u64(out, ",\"sweeps\":", w->sweeps);
        return err ? err : pgw_buf_printf(out, ",\"draining\":%s}", w->draining ? "true" : "false");
}

static enum pgw_err write_lines(struct pgw_buf *out, const struct pgw_reply *reply)
{
        const uint64_t now_ms = pgw_wall_ms();
        const struct pgw_reply *name = reply + 1;
        const char *comma = "";
        struct pgw_worker_line line;
        enum pgw_err err = pgw_json_z(out, "{\"workers\":[");

        for (size_t i = 0; i + 1 < reply->count && i < 2 * PGW_ROSTER_MAX && !err; i += 2) {
                const struct pgw_reply *value = pgw_reply_next(name);
                const struct pgw_str text = pgw_reply_str(name);
                const bool is_line = pgw_utf8_is_valid(text) &&
                                     pgw_utf8_is_valid(pgw_reply_str(value)) &&
                                     !pgw_roster_read(text, pgw_reply_str(value), &line);
                name = pgw_reply_next(value);
                if (!is_line || now_ms > line.heard_ms + PGW_ROSTER_KEPT_MS)
                        continue;
                err = pgw_json_z(out, comma);
                comma = ",";
                if (!err)
                        err = write_line(out, &line, now_ms);
        }
        return err ? err : pgw_json_z(out, "]}\n");
}

static void on_lines(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;

        if (!err && reply->type != PGW_REPLY_ARRAY)
                err = PGW_E_REDIS_PROTOCOL;
        if (!err && !x->gone)
                err = write_lines(&x->out, reply);
        x->status = 200;
        x->content_type = "application/json";
        pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_workers(struct pgw_exchange *x)
{
        const struct pgw_gateway_links *links = &x->gateway->links;

        pgw_exchange_add_header(x, PGW_STR("cache-control"), PGW_STR("no-store"));
        x->err = pgw_roster_ask(links->broker, links->keyspace, on_lines, x);
        return x->err ? PGW_FAIL : PGW_WAIT;
}
