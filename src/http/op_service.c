/* What operators and generators ask: is it alive, is it ready, how is it doing, what is
 * its contract. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/metric.h"
#include "embed.h"
#include "http/operations.h"
#include "io/aside.h"

enum pgw_step pgw_op_livez(struct pgw_exchange *x)
{
        x->status = 200;
        x->content_type = "application/json";
        x->static_body = PGW_STR("{\"status\":\"alive\"}\n");
        pgw_exchange_add_header(x, PGW_STR("cache-control"), PGW_STR("no-store"));
        return PGW_NEXT;
}

#define PGW_CHECKS_MAX (8 + PGW_TARGETS_MAX + PGW_ALARM_COUNT)

enum state { PASS, WARN, FAIL };

struct check {
        const char *name;
        enum state state;
        const char *detail;
};

static struct check check_link(const char *name, const struct pgw_redis *redis)
{
        const bool ready = pgw_redis_is_ready(redis);

        return (struct check){name, ready ? PASS : FAIL, ready ? "connected" : "not connected"};
}

/* A target is named when there is another one. */
static struct check check_target(const struct pgw_gateway_target *target)
{
        const bool ready = pgw_deployment_is_ready(target->worker),
                   is_only = strcmp(target->name, PGW_TARGET_DEFAULT) == 0;

        return (struct check){is_only ? "target" : target->name, ready ? PASS : FAIL,
                              ready ? "connected" : "not connected"};
}

/* What is wrong with the broker without breaking a promise is a warning. */
static struct check check_alarm(const struct pgw_broker_alarms *alarms, enum pgw_broker_alarm alarm)
{
        const char *name = pgw_broker_alarm_check(alarm);

        if (!alarms->is_on[alarm])
                return (struct check){name, PASS, "ok"};
        return (struct check){name, pgw_broker_alarm_breaks(alarm) ? FAIL : WARN,
                              alarms->faults[alarm].detail};
}

static size_t run_checks(const struct pgw_gateway *g, struct check *out)
{
        const enum pgw_err verdict = pgw_broker_check_verdict(g->links.check);
        size_t n = 0;

        out[n++] = check_link("broker", g->links.broker);
        out[n++] = (struct check){"durability", verdict == PGW_OK ? PASS : FAIL,
                                  verdict == PGW_OK          ? "as promised"
                                  : g->check_fault.detail[0] ? g->check_fault.detail
                                                             : pgw_err_title(verdict)};
        out[n++] = check_link("results", g->links.results);
        for (size_t i = 0; i < g->links.target_count; i++)
                if (g->targets[i].worker)
                        out[n++] = check_target(&g->targets[i]);
        out[n++] = (struct check){"serving", g->draining ? FAIL : PASS,
                                  g->draining ? "shutting down" : "yes"};
        for (unsigned i = 0; i < PGW_ALARM_COUNT; i++)
                out[n++] = check_alarm(g->links.alarms, (enum pgw_broker_alarm)i);
        return n;
}

static enum pgw_err write_checks(struct pgw_buf *out, const struct check *checks, size_t count)
{
        static const char *const words[] = {[PASS] = "pass", [WARN] = "warn", [FAIL] = "fail"};
        enum pgw_err err = pgw_buf_printf(out, ",\"checks\":[");

        for (size_t i = 0; i < count && !err; i++) {
                err = pgw_buf_printf(out, "%s{\"name\":\"%s\",\"status\":\"%s\",\"detail\":",
                                     i ? "," : "", checks[i].name, words[checks[i].state]);
                if (!err)
                        err = pgw_json_escape(out, pgw_str_z(checks[i].detail));
                if (!err)
                        err = pgw_buf_add(out, "}", 1);
        }
        return err ? err : pgw_buf_add(out, "]", 1);
}

/* `?verbose` says it, too. */
static bool is_verbose(const struct pgw_exchange *x)
{
        return pgw_params_has(&x->params, "verbose") &&
               !pgw_str_eq_z(pgw_params_get(&x->params, "verbose"), "false");
}

enum pgw_step pgw_op_readyz(struct pgw_exchange *x)
{
        struct check checks[PGW_CHECKS_MAX];
        const size_t count = run_checks(x->gateway, checks);
        bool ready = true;
        enum pgw_err err;

        for (size_t i = 0; i < count; i++)
                ready = ready && checks[i].state != FAIL;
        x->status = ready ? 200 : 503;
        x->content_type = "application/json";
        pgw_exchange_add_header(x, PGW_STR("cache-control"), PGW_STR("no-store"));
        if (!ready)
                pgw_exchange_add_header(x, PGW_STR("retry-after"), PGW_STR("1"));
        err = pgw_buf_printf(&x->out, "{\"status\":\"%s\"", ready ? "ready" : "not_ready");
        if (!err && is_verbose(x))
                err = write_checks(&x->out, checks, count);
        if (!err)
                err = pgw_buf_add(&x->out, "}\n", 2);
        x->err = err;
        return err ? PGW_FAIL : PGW_NEXT;
}

/* Anybody may ask for the metrics, and to write them takes as long as many jobs: it is done beside
 * the loop. */
struct scrape {
        struct pgw_aside_work work;
        struct pgw_exchange *x;
        enum pgw_err err;
};

static bool begin_scrape(struct pgw_aside_work *work)
{
        return !PGW_CONTAINER(work, struct scrape, work)->x->gone;
}

static void run_scrape(struct pgw_aside_work *work)
{
        struct scrape *s = PGW_CONTAINER(work, struct scrape, work);

        s->err = pgw_metric_render(&s->x->out);
}

static void end_scrape(struct pgw_aside_work *work)
{
        struct scrape *s = PGW_CONTAINER(work, struct scrape, work);
        struct pgw_exchange *x = s->x;
        const enum pgw_err err = pgw_exchange_end_aside(x) ? s->err : PGW_E_REDIS_CANCELLED;

        pgw_free(s);
        pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_metrics(struct pgw_exchange *x)
{
        static const struct pgw_aside_kind how = {begin_scrape, run_scrape, end_scrape};
        struct scrape *s = pgw_alloc(sizeof *s);

        x->status = 200;
        x->content_type = "text/plain; version=0.0.4; charset=utf-8";
        pgw_exchange_add_header(x, PGW_STR("cache-control"), PGW_STR("no-store"));
        s->x = x;
        pgw_exchange_begin_aside(x, &s->work, &how, 0);
        return PGW_WAIT;
}

enum pgw_step pgw_op_openapi_yaml(struct pgw_exchange *x)
{
        x->status = 200;
        x->content_type = "application/yaml";
        x->static_body = pgw_contract_yaml(x->gateway->links.contract);
        return PGW_NEXT;
}

enum pgw_step pgw_op_openapi_json(struct pgw_exchange *x)
{
        x->status = 200;
        x->content_type = "application/json";
        x->static_body = pgw_contract_json(x->gateway->links.contract);
        return PGW_NEXT;
}

enum pgw_step pgw_op_docs(struct pgw_exchange *x)
{
        x->status = 200;
        x->content_type = "text/html; charset=utf-8";
        x->static_body = pgw_str_of(pgw_embed_docs_html, pgw_embed_docs_html_len);
        pgw_exchange_add_header(x, PGW_STR("content-security-policy"),
                                PGW_STR("default-src 'none'; connect-src 'self'; style-src "
                                        "'unsafe-inline'; script-src 'unsafe-inline'; "
                                        "frame-ancestors 'none'; base-uri 'none'"));
        pgw_exchange_add_header(x, PGW_STR("x-content-type-options"), PGW_STR("nosniff"));
        return PGW_NEXT;
}
