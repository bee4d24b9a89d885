/* POST /v1/hooks/{hook}/preview: what a delivery would have removed. All is done as with a
 * delivery, but that nobody signs it and nothing comes of it; so a large sample is looked at beside
 * the loop, too. */
#include <string.h>

#include <h2o.h>
#include <jansson.h>

#include "base/alloc.h"
#include "http/body.h"
#include "http/hook_judge.h"
#include "http/operations.h"
#include "io/aside.h"

struct preview {
        struct pgw_exchange *x;
        struct pgw_hooks *hooks; /* held */
        const struct pgw_hook *hook;
        json_t *sample;
        struct pgw_aside_work work;

        /* what examining it writes */
        struct pgw_hook_case it;
        enum pgw_err refusal;
};

static struct pgw_str string_of(const json_t *value)
{
        return pgw_str_of(json_string_value(value), json_string_length(value));
}

/* Of the headers in the sample; names as in HTTP, in any case. */
static size_t count_header(void *ctx, struct pgw_str name, struct pgw_str *ret)
{
        json_t *headers = ctx, *value;
        size_t count = 0;
        const char *key;

        json_object_foreach(headers, key, value)
        {
                if (pgw_str_eq_nocase(pgw_str_z(key), name) && count++ == 0)
                        *ret = string_of(value);
        }
        return count;
}

static json_t *errors_of(const struct pgw_violations *violations)
{
        json_t *errors = json_array();

        for (size_t i = 0; i < pgw_violations_count(violations); i++) {
                const struct pgw_violation *one = pgw_violations_at(violations, i);
                json_array_append_new(errors, json_pack("{s:s, s:s}", "pointer", one->pointer,
                                                        "detail", one->detail));
        }
        return errors;
}

/* jansson's calling convention. */
static int add_text(const char *text, size_t size, void *out)
{
        return pgw_buf_add(out, text, size) ? -1 : 0;
}

static enum pgw_err write_case(struct pgw_exchange *x, const struct pgw_hook_case *it,
                               enum pgw_err refusal)
{
        json_t *answer = json_object();

        json_object_set_new(answer, "verdict", json_string(pgw_hook_verdict_word(it->verdict)));
        if (it->id.n)
                json_object_set_new(answer, "delivery_id", json_stringn(it->id.p, it->id.n));
        if (it->mapped.rules)
                json_object_set(answer, "rules", it->mapped.rules);
        json_object_set_new(answer, "missing", json_integer((json_int_t)it->mapped.missing));
        if (it->mapped.invalidation)
                json_object_set(answer, "invalidation", it->mapped.invalidation);
        if (refusal) {
                json_object_set_new(
                    answer, "detail",
                    json_string(x->fault.detail[0] ? x->fault.detail : pgw_err_title(refusal)));
                json_object_set_new(answer, "errors", errors_of(&x->violations));
        }
        const int rc = json_dump_callback(answer, add_text, &x->out, JSON_COMPACT);
        json_decref(answer);
        if (rc == 0 && pgw_buf_add(&x->out, "\n", 1) == PGW_OK)
                return PGW_OK;
        pgw_fault_set(&x->fault, "", "What it would remove is more than an answer may hold.");
        return PGW_E_BODY_SIZE;
}

/* ---- what it says, on any thread ---- */

static void examine(struct preview *p)
{
        struct pgw_exchange *x = p->x;
        const struct pgw_hook_wish wish = {.rules = true,
                                           .bytes_max = x->gateway->conf.selector_bytes_max};
        char *payload =
            json_dumps(json_object_get(p->sample, "payload"), JSON_COMPACT | JSON_ENCODE_ANY);
        const struct pgw_hook_message message = {
            .method = PGW_STR("POST"),
            .body = pgw_str_z(payload),
            .header = count_header,
            .ctx = json_object_get(p->sample, "headers"),
        };

        if (pgw_hook_is_ping(p->hook, &message))
                p->it.verdict = PGW_VERDICT_PING;
        else
                p->refusal =
                    pgw_hook_read(p->hook, &message, &wish, &x->fault, &x->violations, &p->it);
        pgw_free(payload);
}

/* ---- what is told of it ---- */

static void preview_free(struct preview *p)
{
        pgw_hook_case_fini(&p->it);
        pgw_hooks_drop(p->hooks);
        json_decref(p->sample);
        pgw_free(p);
}

static enum pgw_err conclude(struct preview *p)
{
        struct pgw_exchange *x = p->x;
        const struct pgw_identity *who = x->who;

        if (!p->refusal)
                p->refusal = pgw_hook_fit(x, p->hook, &p->it);
        /* The hook acted as somebody; who asks is still who they are. */
        x->who = who;
        x->status = 200;
        x->content_type = "application/json";
        return write_case(x, &p->it, p->refusal);
}

/* ---- a large one, beside the loop ---- */

static struct preview *preview_of(struct pgw_aside_work *work)
{
        return PGW_CONTAINER(work, struct preview, work);
}

static bool begin_aside(struct pgw_aside_work *work)
{
        return !preview_of(work)->x->gone;
}

static void run_aside(struct pgw_aside_work *work)
{
        examine(preview_of(work));
}

static void end_aside(struct pgw_aside_work *work)
{
        struct preview *p = preview_of(work);
        struct pgw_exchange *x = p->x;
        const enum pgw_err err = pgw_exchange_end_aside(x) ? conclude(p) : PGW_E_REDIS_CANCELLED;

        preview_free(p);
        pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_hook_preview(struct pgw_exchange *x)
{
        static const struct pgw_aside_kind how = {begin_aside, run_aside, end_aside};
        struct pgw_hooks *hooks = x->gateway->links.hooks;
        const struct pgw_hook *hook = pgw_hooks_find(hooks, pgw_params_get(&x->params, "hook"));

        if (!hook) {
                x->err = PGW_E_NO_HOOK;
                return PGW_FAIL;
        }
        struct preview *p = pgw_alloc(sizeof *p);
        p->x = x;
        p->hooks = pgw_hooks_hold(hooks);
        p->hook = hook;
        p->sample = json_incref(x->body);
        p->refusal = PGW_OK;
        pgw_hook_case_init(&p->it);
        if (x->req->entity.len >= PGW_BODY_LARGE) {
                pgw_exchange_begin_aside(x, &p->work, &how, x->req->entity.len);
                return PGW_WAIT;
        }
        examine(p);
        x->err = conclude(p);
        preview_free(p);
        return x->err ? PGW_FAIL : PGW_NEXT;
}
