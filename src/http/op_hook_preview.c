/* POST /v1/hooks/{hook}/preview: what a delivery would have removed. All is done as with a
 * delivery, but that nobody signs it and nothing comes of it. */
#include <string.h>

#include <h2o.h>
#include <jansson.h>

#include "base/alloc.h"
#include "http/hook_judge.h"
#include "http/operations.h"

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
        return rc ? PGW_E_TOO_LARGE : pgw_buf_add(&x->out, "\n", 1);
}

static enum pgw_err preview(struct pgw_exchange *x, const struct pgw_hook *hook,
                            const json_t *sample, char *payload)
{
        const struct pgw_identity *who = x->who;
        const struct pgw_hook_message message = {
            .method = PGW_STR("POST"),
            .body = pgw_str_z(payload),
            .header = count_header,
            .ctx = json_object_get(sample, "headers"),
        };
        struct pgw_hook_case it;

        pgw_hook_case_init(&it);
        enum pgw_err refusal = PGW_OK;
        if (pgw_hook_is_ping(hook, &message))
                it.verdict = PGW_VERDICT_PING;
        else
                refusal = pgw_hook_read(hook, &message, true, &x->fault, &x->violations, &it);
        if (!refusal)
                refusal = pgw_hook_fit(x, hook, &it);
        /* The hook acted as somebody; who asks is still who they are. */
        x->who = who;
        const enum pgw_err err = write_case(x, &it, refusal);
        pgw_hook_case_fini(&it);
        return err;
}

enum pgw_step pgw_op_hook_preview(struct pgw_exchange *x)
{
        const struct pgw_hook *hook =
            pgw_hooks_find(x->gateway->links.hooks, pgw_params_get(&x->params, "hook"));

        if (!hook) {
                x->err = PGW_E_NO_HOOK;
                return PGW_FAIL;
        }
        json_t *sample = json_incref(x->body);
        char *payload =
            json_dumps(json_object_get(sample, "payload"), JSON_COMPACT | JSON_ENCODE_ANY);
        x->err = preview(x, hook, sample, payload);
        pgw_free(payload);
        json_decref(sample);
        if (x->err)
                return PGW_FAIL;
        x->status = 200;
        x->content_type = "application/json";
        return PGW_NEXT;
}
