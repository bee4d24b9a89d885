/* GET /v1/queues: what waits and what runs, as the last survey found it, and which lanes are
 * paused.
 *
 * POST /v1/queues/{queue}/pause and /resume; POST /v1/queues/{queue}/purge: what waits leaves the
 * queue for good, if it is no more than was said.
 */
#include <stdio.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/log.h"
#include "domain/cancel.h"
#include "domain/pause.h"
#include "http/actor.h"
#include "http/answer.h"
#include "http/json_out.h"
#include "http/operations.h"
#include "http/selectors.h"

#define PGW_LANE_NAMES_MAX 32

/* ---- seeing ---- */

static enum pgw_err add_lane(struct pgw_buf *out, const struct pgw_gateway *g, enum pgw_lane lane,
                             uint64_t paused_ms)
{
        struct pgw_lane_survey s;

        pgw_surveyor_read(g->links.surveyor, lane, &s);
        enum pgw_err err = pgw_buf_printf(
            out, "%s{\"priority\":\"%s\",\"waiting\":%llu,\"running\":%llu,\"oldest_age_ms\":%llu",
            lane ? "," : "", pgw_lane_name(lane), (unsigned long long)s.waiting,
            (unsigned long long)s.running, (unsigned long long)s.oldest_age_ms);
        if (!err && paused_ms)
                err = pgw_json_time(out, ",\"paused_at\":\"", paused_ms);
        return err ? err : pgw_json_z(out, "}");
}

static enum pgw_err add_totals(struct pgw_buf *out, const struct pgw_gateway *g)
{
        const struct pgw_room_limits *room = &g->conf.room;
        struct pgw_queue_load load;

        pgw_surveyor_load(g->links.surveyor, &load);
        const uint64_t depth = load.waiting + load.put_off;
        return pgw_buf_printf(out,
                              "],\"depth\":%llu,\"depth_limit\":%llu,\"bytes\":%llu,"
                              "\"bytes_limit\":%llu}]}\n",
                              (unsigned long long)depth, (unsigned long long)room->jobs,
                              (unsigned long long)load.bytes, (unsigned long long)room->bytes);
}

static enum pgw_err write_queues(struct pgw_exchange *x, const uint64_t paused_ms[PGW_LANE_COUNT])
{
        const struct pgw_gateway *g = x->gateway;
        enum pgw_err err = pgw_buf_printf(&x->out, "{\"queues\":[{\"name\":\"%s\",\"lanes\":[",
                                          g->links.keyspace->queue);

        for (unsigned i = 0; i < PGW_LANE_COUNT && !err; i++)
                err = add_lane(&x->out, g, (enum pgw_lane)i, paused_ms[i]);
        if (!err)
                err = add_totals(&x->out, g);
        return err;
}

static void on_paused(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;
        uint64_t paused_ms[PGW_LANE_COUNT] = {0};

        if (!err && !pgw_surveyor_is_fresh(x->gateway->links.surveyor))
                err = PGW_E_REDIS_TIMEOUT;
        if (err) {
                pgw_exchange_resume(x, err);
                return;
        }
        (void)pgw_pause_read(reply, paused_ms);
        x->status = 200;
        x->content_type = "application/json";
        err = x->gone ? PGW_OK : write_queues(x, paused_ms);
        pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_queues(struct pgw_exchange *x)
{
        const struct pgw_gateway_links *links = &x->gateway->links;

        pgw_exchange_add_header(x, PGW_STR("cache-control"), PGW_STR("no-store"));
        x->err = pgw_pause_ask(links->broker, links->keyspace, on_paused, x);
        return x->err ? PGW_FAIL : PGW_WAIT;
}

/* ---- pausing ---- */

enum pgw_step pgw_op_queue_understand(struct pgw_exchange *x)
{
        if (pgw_str_eq_z(pgw_params_get(&x->params, "queue"), x->gateway->links.keyspace->queue))
                return PGW_NEXT;
        pgw_fault_set(&x->fault, "", "This service has the queue `%s`.",
                      x->gateway->links.keyspace->queue);
        x->err = PGW_E_NO_ROUTE;
        return PGW_FAIL;
}

/* All of them unless the body says otherwise. */
static pgw_lane_set lanes_of(struct pgw_exchange *x)
{
        struct pgw_selectors names;
        pgw_lane_set lanes = 0;
        enum pgw_lane lane;

        pgw_selectors_texts(x, "lanes", &names);
        for (size_t i = 0; i < names.count; i++) {
                PGW_ASSERT(pgw_lane_of(names.items[i], &lane) == PGW_OK); /* the contract's enum */
                lanes |= 1u << lane;
        }
        return lanes ? lanes : PGW_LANES_ALL;
}

/* Separated by commas. */
static struct pgw_str lane_names(pgw_lane_set lanes, char out[PGW_LANE_NAMES_MAX])
{
        size_t n = 0;

        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                if (lanes >> i & 1)
                        n += (size_t)snprintf(out + n, PGW_LANE_NAMES_MAX - n, "%s%s", n ? "," : "",
                                              pgw_lane_name((enum pgw_lane)i));
        return pgw_str_of(out, n);
}

static void on_changed(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;
        const struct pgw_gateway_links *links = &x->gateway->links;

        (void)reply;
        if (!err)
                err = pgw_pause_ask(links->broker, links->keyspace, on_paused, x);
        if (err)
                pgw_exchange_resume(x, err);
}

static enum pgw_step change(struct pgw_exchange *x, bool pauses)
{
        const struct pgw_gateway_links *links = &x->gateway->links;
        const pgw_lane_set lanes = lanes_of(x);

        PGW_LOG(PGW_LOG_INFO, pauses ? "queue.paused" : "queue.resumed",
                PGW_L_STR("queue", links->keyspace->queue), PGW_L_INT("lanes", (int64_t)lanes),
                PGW_L_STR("request_id", x->request_id));
        const struct pgw_audit_conf *audit = &x->gateway->conf.audit;
        char names[PGW_LANE_NAMES_MAX];
        struct pgw_audit act = {.action = pauses ? PGW_AUDIT_PAUSE : PGW_AUDIT_RESUME,
                                .lanes = lane_names(lanes, names)};
        struct pgw_buf record;
        const struct pgw_buf *written = pgw_actor_record(x, &act, &record);
        x->err = pauses ? pgw_pause_begin(links->broker, links->keyspace, lanes, audit, written,
                                          on_changed, x)
                        : pgw_pause_end(links->broker, links->keyspace, lanes, audit, written,
                                        on_changed, x);
        pgw_buf_fini(&record);
        return x->err ? PGW_FAIL : PGW_WAIT;
}

enum pgw_step pgw_op_pause(struct pgw_exchange *x)
{
        return change(x, true);
}

enum pgw_step pgw_op_resume(struct pgw_exchange *x)
{
        return change(x, false);
}

/* ---- purging ---- */

struct purge {
        struct pgw_exchange *x;
        pgw_lane_set lanes; /* that are left */
        size_t left;        /* that may still leave */
        size_t count;       /* that left */
        size_t awaited;     /* answers of the results */
        struct pgw_cancel_page page;
};

static void go_on(struct purge *);

static void finish(struct purge *p, enum pgw_err err)
{
        struct pgw_exchange *x = p->x;

        PGW_LOG(PGW_LOG_WARN, "queue.purged", PGW_L_STR("queue", x->gateway->links.keyspace->queue),
                PGW_L_INT("jobs", (int64_t)p->count), PGW_L_STR("request_id", x->request_id),
                PGW_L_STR("error", err ? pgw_err_slug(err) : ""));
        if (!err && !x->gone)
                err = pgw_buf_printf(&x->out, "{\"count\":%zu}\n", p->count);
        if (err && p->count)
                pgw_answer_part(x, p->count, "left the queue");
        x->status = 200;
        x->content_type = "application/json";
        pgw_cancel_page_fini(&p->page);
        pgw_free(p);
        pgw_exchange_resume(x, err);
}

static void on_result(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct purge *p = ctx;

        /* The queue has these results too. */
        (void)err;
        (void)reply;
        if (--p->awaited == 0)
                go_on(p);
}

static void on_left(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct purge *p = ctx;
        const struct pgw_gateway *g = p->x->gateway;
        const struct pgw_cancel_one *one;
        size_t at = 0;

        if (!err && reply->type != PGW_REPLY_ARRAY)
                err = PGW_E_REDIS_PROTOCOL;
        if (err) {
                finish(p, err);
                return;
        }
        p->awaited = 1;
        while ((one = pgw_cancel_next_left(&p->page, reply, &at))) {
                p->count++;
                p->left--;
                if (one->has_result &&
                    !pgw_cancel_end(g->links.results, g->links.keyspace, &one->job, one->selectors,
                                    g->conf.result_ttl_s, on_result, p))
                        p->awaited++;
        }
        if (p->page.is_last)
                p->lanes &= ~(1u << p->page.lane);
        if (--p->awaited == 0)
                go_on(p);
}

static enum pgw_err let_go(struct purge *p)
{
        const struct pgw_gateway *g = p->x->gateway;
        char names[PGW_LANE_NAMES_MAX];
        struct pgw_audit act = {.action = PGW_AUDIT_PURGE_QUEUE,
                                .lanes = lane_names(1u << p->page.lane, names)};
        struct pgw_buf record;
        const struct pgw_cancel_audit audit = {.conf = &g->conf.audit,
                                               .act = pgw_actor_record(p->x, &act, &record)};
        const enum pgw_err err = pgw_cancel_leave(g->links.broker, g->links.keyspace, &p->page,
                                                  g->conf.result_ttl_s, &audit, on_left, p);

        pgw_buf_fini(&record);
        return err;
}

static void on_seen(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct purge *p = ctx;

        if (!err)
                err = pgw_cancel_page_read(&p->page, reply);
        if (!err && p->page.count == 0) {
                p->lanes &= ~(1u << p->page.lane);
                go_on(p);
                return;
        }
        if (!err)
                err = let_go(p);
        if (err)
                finish(p, err);
}

/* PGW_E_NO_JOB when there is nothing more to ask for. */
static enum pgw_err ask(struct purge *p)
{
        const struct pgw_gateway_links *links = &p->x->gateway->links;
        unsigned lane = 0;

        while (lane < PGW_LANE_COUNT && !(p->lanes >> lane & 1))
                lane++;
        if (lane == PGW_LANE_COUNT || p->left == 0)
                return PGW_E_NO_JOB;
        p->page.lane = (enum pgw_lane)lane;
        return pgw_cancel_look(links->broker, links->keyspace, p->page.lane, p->left, on_seen, p);
}

static void go_on(struct purge *p)
{
        const enum pgw_err err = ask(p);

        if (err)
                finish(p, err == PGW_E_NO_JOB ? PGW_OK : err);
}

enum pgw_step pgw_op_purge_queue(struct pgw_exchange *x)
{
        const struct pgw_gateway *g = x->gateway;
        const uint64_t expected =
            (uint64_t)json_integer_value(json_object_get(x->body, "expected_count"));
        const pgw_lane_set lanes = lanes_of(x);
        uint64_t waiting = 0;

        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                struct pgw_lane_survey s;
                pgw_surveyor_read(g->links.surveyor, (enum pgw_lane)i, &s);
                waiting += lanes >> i & 1 ? s.waiting : 0;
        }
        if (waiting > expected) {
                pgw_fault_set(&x->fault, "",
                              "%llu jobs wait, %llu were expected at most. Nothing was done.",
                              (unsigned long long)waiting, (unsigned long long)expected);
                x->err = PGW_E_COUNT;
                return PGW_FAIL;
        }
        struct purge *p = pgw_alloc(sizeof *p);
        *p = (struct purge){.x = x, .lanes = lanes, .left = (size_t)expected};
        pgw_cancel_page_init(&p->page, PGW_LANE_HIGH);
        (void)pgw_actor(x);
        x->err = ask(p);
        if (!x->err)
                return PGW_WAIT;
        pgw_cancel_page_fini(&p->page);
        pgw_free(p);
        return PGW_FAIL;
}
