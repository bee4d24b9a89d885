/* POST /v1/invalidations: the main job. The body becomes an invalidation, the invalidation
 * a stream entry, and only when Redis has confirmed it the caller hears 202.
 *
 * Keys in the body stay where the JSON parser put them until the XADD is written; base64
 * keys are decoded into the request's own pool.
 */
#include <stdio.h>
#include <string.h>

#include <h2o.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/failpoint.h"
#include "base/metric.h"
#include "domain/glob.h"
#include "domain/keyspace.h"
#include "http/answer.h"
#include "http/front.h"
#include "http/job_json.h"
#include "http/operations.h"
#include "http/poll.h"

#define PGW_FIRST_LOOK_MS 1

static struct pgw_str text_at(const json_t *array, size_t index)
{
        const json_t *value = json_array_get(array, index);

        return pgw_str_of(json_string_value(value), json_string_length(value));
}

/* A pattern costs a walk over all keys, and one that is too open empties the cache: both are
 * the operator's to bound. */
static void check_pattern(struct pgw_exchange *x, const json_t *patterns, size_t index)
{
        const struct pgw_gateway_conf *conf = &x->gateway->conf;
        struct pgw_glob *glob = pgw_glob_new(text_at(patterns, index));
        char pointer[48];

        snprintf(pointer, sizeof pointer, "#/patterns/%zu", index);
        if (pgw_glob_stars(glob) > conf->pattern_stars_max)
                pgw_violations_add(&x->violations, pointer, "at most %zu `*` are taken",
                                   conf->pattern_stars_max);
        if (pgw_glob_prefix(glob).n < conf->pattern_prefix_min)
                pgw_violations_add(&x->violations, pointer,
                                   "must begin with at least %zu bytes that are no wildcard",
                                   conf->pattern_prefix_min);
        pgw_glob_free(glob);
}

/* What understand has to say beyond the contract: the schema cannot say "one of these". */
enum pgw_step pgw_op_invalidate_understand(struct pgw_exchange *x)
{
        const json_t *patterns = json_object_get(x->body, "patterns");

        if (json_array_size(json_object_get(x->body, "keys")) +
                json_array_size(json_object_get(x->body, "keys_base64")) +
                json_array_size(patterns) ==
            0)
                pgw_violations_add(
                    &x->violations, "#",
                    "name at least one selector in `keys`, `keys_base64` or `patterns`");
        if (json_array_size(patterns) && !x->gateway->conf.patterns_allowed) {
                x->err = PGW_E_PATTERNS;
                return PGW_FAIL;
        }
        for (size_t i = 0; i < json_array_size(patterns); i++)
                check_pattern(x, patterns, i);
        if (pgw_violations_count(&x->violations) == 0)
                return PGW_NEXT;
        x->err = PGW_E_SCHEMA;
        return PGW_FAIL;
}

static bool is_ours_to_remove(struct pgw_exchange *x, const char *list, size_t index,
                              struct pgw_str key)
{
        char pointer[48];

        if (!pgw_str_starts(key, PGW_STR(PGW_KEYS_OWN)))
                return true;
        snprintf(pointer, sizeof pointer, "#/%s/%zu", list, index);
        pgw_violations_add(&x->violations, pointer,
                           "keys that begin with `" PGW_KEYS_OWN "` are the service's own");
        return false;
}

static bool add_plain(struct pgw_exchange *x, const json_t *keys, struct pgw_str *out)
{
        bool all = true;

        for (size_t i = 0; i < json_array_size(keys); i++) {
                out[i] = text_at(keys, i);
                all = is_ours_to_remove(x, "keys", i, out[i]) && all;
        }
        return all;
}

static bool add_encoded(struct pgw_exchange *x, const json_t *keys, struct pgw_str *out)
{
        bool all = true;

        for (size_t i = 0; i < json_array_size(keys); i++) {
                const struct pgw_str text = text_at(keys, i);
                char *bytes = h2o_mem_alloc_pool(&x->req->pool, text.n / 4 * 3 + 3);
                char pointer[48];
                size_t size;
                if (pgw_unbase64(text, bytes, &size) || size == 0) {
                        snprintf(pointer, sizeof pointer, "#/keys_base64/%zu", i);
                        pgw_violations_add(
                            &x->violations, pointer,
                            "must be standard base64 with padding (RFC 4648 section 4) "
                            "of at least one byte");
                        all = false;
                        continue;
                }
                out[i] = pgw_str_of(bytes, size);
                all = is_ours_to_remove(x, "keys_base64", i, out[i]) && all;
        }
        return all;
}

static void answer_job(struct pgw_exchange *x, int status)
{
        char location[16 + PGW_JOB_ID_SIZE] = "/v1/jobs/";
        char applied[16];

        x->status = status;
        x->content_type = "application/json";
        if (x->gone)
                return;
        pgw_job_id_text(&x->job.id, location + 9);
        pgw_exchange_add_header(x, PGW_STR("location"),
                                pgw_exchange_keep(x, pgw_str_of(location, 9 + PGW_JOB_ID_SIZE)));
        if (status == 202)
                pgw_exchange_add_header(x, PGW_STR("retry-after"), PGW_STR("1"));
        if (status == 200 && x->wait_preferred) {
                const int n = snprintf(applied, sizeof applied, "wait=%u", (unsigned)x->wait_s);
                pgw_exchange_add_header(x, PGW_STR("preference-applied"),
                                        pgw_exchange_keep(x, pgw_str_of(applied, (size_t)n)));
        }
        if (pgw_job_json(&x->out, &x->job, x->gateway->conf.target_name))
                x->status = 500;
}

static void on_ended(void *ctx, enum pgw_err err, const struct pgw_job *job)
{
        struct pgw_exchange *x = ctx;

        /* The job was accepted; not to know how it ended is no refusal. */
        if (!err)
                x->job = *job;
        answer_job(x, !err && pgw_job_state_is_terminal(job->state) ? 200 : 202);
        pgw_exchange_resume(x, PGW_OK);
}

static void count_refusal(enum pgw_err err)
{
        switch (err) {
        case PGW_E_QUEUE_FULL:
                pgw_metric_add(PGW_M_REFUSED_QUEUE_FULL, 1);
                break;
        case PGW_E_REDIS_TIMEOUT:
                pgw_metric_add(PGW_M_REFUSED_BROKER_TIMEOUT, 1);
                break;
        case PGW_E_REDIS_OOM:
                pgw_metric_add(PGW_M_REFUSED_BROKER_OOM, 1);
                break;
        case PGW_E_DURABILITY:
        case PGW_E_EVICTION:
        case PGW_E_REDIS_NOREPLICAS:
                pgw_metric_add(PGW_M_REFUSED_DURABILITY, 1);
                break;
        default:
                pgw_metric_add(PGW_M_REFUSED_BROKER_DOWN, 1);
                break;
        }
}

static void on_accepted(void *ctx, enum pgw_err err, const struct pgw_job_id *id)
{
        struct pgw_exchange *x = ctx;

        if (err) {
                count_refusal(err);
                pgw_exchange_resume(x, err);
                return;
        }
        PGW_FAILPOINT("accept.after_write");
        pgw_metric_add(PGW_M_ACCEPTED, 1);
        pgw_metric_observe_us(PGW_H_ACCEPT, pgw_mono_us() - x->begun_us);
        x->job = (struct pgw_job){.id = *id, .state = PGW_JOB_QUEUED};
        if (x->wait_s && !x->gone) {
                pgw_front_request_extend(x->req, pgw_mono_ms() + x->wait_s * 1000 + 1000);
                (void)pgw_poll_start(x->gateway, id, PGW_FIRST_LOOK_MS, x->wait_s * 1000, on_ended,
                                     x);
                return;
        }
        answer_job(x, 202);
        pgw_exchange_resume(x, PGW_OK);
}

static enum pgw_err may_accept(struct pgw_exchange *x)
{
        const struct pgw_gateway *g = x->gateway;
        const enum pgw_err verdict = pgw_broker_check_verdict(g->links.check);

        if (verdict) {
                x->fault = g->check_fault;
                return verdict;
        }
        if (pgw_surveyor_depth(g->links.surveyor) >= g->conf.queue_depth_max) {
                pgw_fault_set(&x->fault, "", "The queue holds its limit of %llu waiting jobs.",
                              (unsigned long long)g->conf.queue_depth_max);
                return PGW_E_QUEUE_FULL;
        }
        return PGW_OK;
}

static struct pgw_str text_of(const json_t *object, const char *name)
{
        const json_t *value = json_object_get(object, name);

        return pgw_str_of(json_string_value(value), json_string_length(value));
}

enum pgw_step pgw_op_invalidate(struct pgw_exchange *x)
{
        const json_t *plain = json_object_get(x->body, "keys");
        const json_t *encoded = json_object_get(x->body, "keys_base64");
        const json_t *patterns = json_object_get(x->body, "patterns");
        const size_t plain_n = json_array_size(plain), count = plain_n + json_array_size(encoded),
                     pattern_count = json_array_size(patterns);
        struct pgw_str *keys =
            h2o_mem_alloc_pool(&x->req->pool, (count + pattern_count) * sizeof *keys);
        struct pgw_invalidation inv = {
            .lane = pattern_count ? PGW_LANE_LOW : PGW_LANE_HIGH,
            .keys = keys,
            .key_count = count,
            .patterns = keys + count,
            .pattern_count = pattern_count,
            .reason = text_of(x->body, "reason"),
            .request_id = x->request_id_given ? pgw_str_z(x->request_id) : PGW_STR(""),
            .traceparent = pgw_exchange_header(x, PGW_STR("traceparent")),
        };

        x->err = may_accept(x);
        if (x->err) {
                count_refusal(x->err);
                return PGW_FAIL;
        }
        const bool plain_fit = add_plain(x, plain, keys);
        if (!add_encoded(x, encoded, keys + plain_n) || !plain_fit) {
                x->err = PGW_E_SCHEMA;
                return PGW_FAIL;
        }
        for (size_t i = 0; i < pattern_count; i++)
                keys[count + i] = text_at(patterns, i);
        const struct pgw_str priority = text_of(x->body, "priority");
        /* The contract's enum is the lanes'. */
        PGW_ASSERT(priority.n == 0 || pgw_lane_of(priority, &inv.lane) == PGW_OK);
        x->err = pgw_intake_put(x->gateway->links.intake, &inv, on_accepted, x);
        json_decref(x->body);
        x->body = NULL;
        if (x->err) {
                count_refusal(x->err);
                return PGW_FAIL;
        }
        return PGW_WAIT;
}
