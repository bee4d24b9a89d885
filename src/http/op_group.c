/* GET /v1/groups/{group_id}: the jobs of a batch, each looked up as if it had been asked after by
 * itself. */
#include <h2o.h>

#include "base/alloc.h"
#include "domain/group.h"
#include "http/identify.h"
#include "http/operations.h"

struct group;

struct member {
        struct group *group;
        struct pgw_job_id id;
        enum pgw_err err;
        enum pgw_job_state state;
};

struct group {
        struct pgw_exchange *x;
        size_t awaited;
        enum pgw_err err;
        size_t count;
        struct member members[PGW_GROUP_JOBS_MAX];
};

struct counts {
        size_t pending, succeeded, failed, unknown;
};

static struct counts count_all(const struct group *g)
{
        struct counts c = {0, 0, 0, 0};

        for (size_t i = 0; i < g->count; i++) {
                const struct member *m = &g->members[i];
                if (m->err)
                        c.unknown++;
                else if (!pgw_job_state_is_terminal(m->state))
                        c.pending++;
                else if (m->state == PGW_JOB_SUCCEEDED)
                        c.succeeded++;
                else
                        c.failed++;
        }
        return c;
}

/* Nobody knows how a job ended whose result has expired: it may have been the one that failed. */
static const char *status_of(const struct counts *c)
{
        if (c->pending)
                return "running";
        if (c->failed)
                return "failed";
        return c->unknown ? "unknown" : "succeeded";
}

static enum pgw_err write_members(struct pgw_buf *out, const struct group *g)
{
        enum pgw_err err = PGW_OK;
        char id[PGW_JOB_ID_SIZE];

        for (size_t i = 0; i < g->count && !err; i++) {
                const struct member *m = &g->members[i];
                pgw_job_id_text(&m->id, id);
                err = pgw_buf_printf(out, "%s{\"job_id\":\"%.*s\",\"status\":\"%s\"}", i ? "," : "",
                                     (int)sizeof id, id,
                                     m->err ? "unknown" : pgw_job_state_word(m->state));
        }
        return err;
}

static enum pgw_err write_group(const struct group *g)
{
        struct pgw_exchange *x = g->x;
        const struct pgw_str id = pgw_params_get(&x->params, "group_id");
        const struct counts c = count_all(g);
        enum pgw_err err = pgw_buf_printf(
            &x->out,
            "{\"group_id\":\"%.*s\",\"status\":\"%s\",\"total\":%zu,\"pending\":%zu,"
            "\"succeeded\":%zu,\"failed\":%zu,\"unknown\":%zu,\"jobs\":[",
            (int)id.n, id.p, status_of(&c), g->count, c.pending, c.succeeded, c.failed, c.unknown);

        if (!err)
                err = write_members(&x->out, g);
        return err ? err : pgw_buf_printf(&x->out, "]}\n");
}

static void conclude(struct group *g)
{
        struct pgw_exchange *x = g->x;
        enum pgw_err err = g->err;

        if (!err && !x->gone)
                err = write_group(g);
        x->status = 200;
        x->content_type = "application/json";
        pgw_free(g);
        pgw_exchange_resume(x, err);
}

static void on_job(void *ctx, enum pgw_err err, const struct pgw_job *job)
{
        struct member *m = ctx;
        struct group *g = m->group;

        m->err = err;
        if (!err)
                m->state = job->state;
        else if (err != PGW_E_NO_JOB)
                g->err = err;
        if (--g->awaited == 0)
                conclude(g);
}

static enum pgw_err read_ids(struct group *g, const struct pgw_reply *reply)
{
        const struct pgw_str ids = pgw_reply_str(reply);

        if (reply->type == PGW_REPLY_NIL)
                return PGW_E_NO_JOB;
        if (ids.n == 0 || ids.n % PGW_JOB_ID_SIZE || ids.n / PGW_JOB_ID_SIZE > PGW_GROUP_JOBS_MAX)
                return PGW_E_CODEC;
        for (size_t at = 0; at < ids.n; at += PGW_JOB_ID_SIZE) {
                struct member *m = &g->members[g->count];
                if (pgw_job_id_parse(pgw_str_of(ids.p + at, PGW_JOB_ID_SIZE), &m->id))
                        return PGW_E_CODEC;
                m->group = g;
                g->count++;
        }
        return PGW_OK;
}

static void on_ids(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct group *g = ctx;

        g->err = err ? err : read_ids(g, reply);
        g->awaited = 1;
        for (size_t i = 0; i < g->count && !g->err; i++) {
                struct member *m = &g->members[i];
                g->err = pgw_jobs_find(g->x->gateway->links.jobs, &m->id, on_job, m);
                if (!g->err)
                        g->awaited++;
        }
        if (--g->awaited == 0)
                conclude(g);
}

enum pgw_step pgw_op_group(struct pgw_exchange *x)
{
        const struct pgw_str id = pgw_params_get(&x->params, "group_id");
        struct group *g = pgw_alloc(sizeof *g);
        uint32_t mark;

        g->x = x;
        /* The contract is the operator's to change, so what it lets through is judged here. */
        x->err = pgw_group_mark(id, &mark);
        if (!x->err && !pgw_identify_sees(x, mark))
                x->err = PGW_E_NO_JOB;
        if (!x->err)
                x->err = pgw_group_ask(x->gateway->links.results, x->gateway->links.keyspace, id,
                                       on_ids, g);
        if (!x->err)
                return PGW_WAIT;
        pgw_free(g);
        return PGW_FAIL;
}
