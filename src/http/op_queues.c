/* GET /v1/queues: what waits and what runs, as the last survey found it. */
#include "base/codec.h"
#include "http/operations.h"

static enum pgw_err add_lane(struct pgw_buf *out, const struct pgw_gateway *g, enum pgw_lane lane)
{
        struct pgw_lane_survey s;

        pgw_surveyor_read(g->links.surveyor, lane, &s);
        return pgw_buf_printf(
            out, "%s{\"priority\":\"%s\",\"waiting\":%llu,\"running\":%llu,\"oldest_age_ms\":%llu}",
            lane ? "," : "", pgw_lane_name(lane), (unsigned long long)s.waiting,
            (unsigned long long)s.running, (unsigned long long)s.oldest_age_ms);
}

static enum pgw_err add_totals(struct pgw_buf *out, const struct pgw_gateway *g)
{
        const struct pgw_room_limits *room = &g->conf.room;
        struct pgw_queue_load load;

        pgw_surveyor_load(g->links.surveyor, &load);
        return pgw_buf_printf(out,
                              "],\"depth\":%llu,\"depth_limit\":%llu,\"bytes\":%llu,"
                              "\"bytes_limit\":%llu}]}\n",
                              (unsigned long long)(load.waiting + load.put_off),
                              (unsigned long long)room->jobs, (unsigned long long)load.bytes,
                              (unsigned long long)room->bytes);
}

enum pgw_step pgw_op_queues(struct pgw_exchange *x)
{
        const struct pgw_gateway *g = x->gateway;
        enum pgw_err err = pgw_buf_printf(&x->out, "{\"queues\":[{\"name\":\"%s\",\"lanes\":[",
                                          g->links.keyspace->queue);

        for (unsigned i = 0; i < PGW_LANE_COUNT && !err; i++)
                err = add_lane(&x->out, g, (enum pgw_lane)i);
        if (!err)
                err = add_totals(&x->out, g);
        x->status = 200;
        x->content_type = "application/json";
        pgw_exchange_add_header(x, PGW_STR("cache-control"), PGW_STR("no-store"));
        x->err = err;
        return err ? PGW_FAIL : PGW_NEXT;
}
