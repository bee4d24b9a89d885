/* Selectors stay where the JSON parser put them until the XADD is written (http/selectors.h). */
#include "http/accept.h"

#include <stdio.h>
#include <string.h>

#include <h2o.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/metric.h"
#include "domain/glob.h"
#include "domain/hold.h"
#include "domain/target_check.h"
#include "http/actor.h"
#include "http/cover.h"
#include "http/identify.h"
#include "http/selectors.h"
#include "http/targets.h"

#define PGW_SOFT_TTL_MS  10000
#define PGW_TOMBSTONE_MS 11000 /* longer than almost every commit and lag take */
#define PGW_VERSIONED_MS 60000

/* ---- what the schema cannot say ---- */

/* A pattern costs a walk over all keys, and one that is too open empties the cache: both are
 * the operator's to bound. */
static void check_pattern(struct pgw_exchange *x, struct pgw_str pattern, size_t index)
{
        const struct pgw_gateway_conf *conf = &x->gateway->conf;
        struct pgw_glob *glob = pgw_glob_new(pattern);
        char pointer[48];

        snprintf(pointer, sizeof pointer, "#/patterns/%zu", index);
        if (pgw_glob_stars(glob) > conf->pattern_stars_max)
                pgw_violations_add(&x->violations, pointer, "at most %zu `*` are taken",
                                   conf->pattern_stars_max);
        if (pgw_glob_prefix(glob).n < conf->pattern_prefix_min &&
            !(x->who && pgw_identify_has(x, PGW_SCOPE_PURGE_UNBOUNDED)))
                pgw_violations_add(&x->violations, pointer,
                                   "must begin with at least %zu bytes that are no wildcard",
                                   conf->pattern_prefix_min);
        pgw_glob_free(glob);
}

static size_t count_of(const struct pgw_exchange *x, const char *member)
{
        return json_array_size(pgw_json_get(x->body, member));
}

/* The schema bounds each number, but cannot say "ascending". */
static void check_rebounds(struct pgw_exchange *x)
{
        const json_t *times = pgw_json_get(x->body, "rebounds_ms");

        for (size_t i = 1; i < json_array_size(times); i++) {
                char pointer[48];
                if (json_integer_value(json_array_get(times, i)) >
                    json_integer_value(json_array_get(times, i - 1)))
                        continue;
                snprintf(pointer, sizeof pointer, "#/rebounds_ms/%zu", i);
                pgw_violations_add(&x->violations, pointer, "must be more than the one before it");
        }
}

/* As text for the entry; empty when the request leaves it to the worker. */
static struct pgw_str rebounds_text(const struct pgw_exchange *x, char out[PGW_REBOUNDS_TEXT_MAX])
{
        const json_t *times = pgw_json_get(x->body, "rebounds_ms");
        struct pgw_rebounds r = {.count = 0};

        if (!times)
                return (struct pgw_str){NULL, 0};
        for (; r.count < json_array_size(times); r.count++)
                r.at_ms[r.count] = (uint64_t)json_integer_value(json_array_get(times, r.count));
        return pgw_rebounds_text(&r, out);
}

static bool is_mode(const struct pgw_exchange *x, const char *mode)
{
        return pgw_str_eq_z(pgw_selectors_text(x, "mode"), mode);
}

static void check_goes_with(struct pgw_exchange *x, const char *member, bool fits, const char *with)
{
        char pointer[32];

        if (fits || !pgw_json_get(x->body, member))
                return;
        snprintf(pointer, sizeof pointer, "#/%s", member);
        pgw_violations_add(&x->violations, pointer, "goes with %s only", with);
}

/* A marker must share the key's slot. */
static void check_markers(struct pgw_exchange *x)
{
        struct pgw_selectors keys;

        if (pgw_selectors_keys(x, &keys))
                return;
        for (size_t i = 0; i < keys.count; i++)
                if (!pgw_hold_is_possible(keys.items[i]))
                        pgw_violations_add(&x->violations, "#/mode",
                                           "key %zu has braces without a hash tag, and can have no "
                                           "marker",
                                           i);
}

static void check_mode(struct pgw_exchange *x)
{
        const bool is_versioned = is_mode(x, "versioned"),
                   is_held = is_versioned || is_mode(x, "tombstone");

        check_goes_with(x, "soft_ttl_ms", is_mode(x, "soft"), "`mode: soft`");
        check_goes_with(x, "hold_ms", is_held, "`mode: tombstone` and `mode: versioned`");
        check_goes_with(x, "version", is_versioned, "`mode: versioned`");
        if (is_versioned && !pgw_json_get(x->body, "version"))
                pgw_violations_add(&x->violations, "#/version",
                                   "is missing; `mode: versioned` needs it");
        if (is_held)
                check_markers(x);
}

/* 0: the keys go. */
static uint64_t soft_ttl_ms(const struct pgw_exchange *x)
{
        const json_t *ttl = pgw_json_get(x->body, "soft_ttl_ms");

        if (!is_mode(x, "soft"))
                return 0;
        return ttl ? (uint64_t)json_integer_value(ttl) : PGW_SOFT_TTL_MS;
}

/* 0: no marker. */
static uint64_t hold_ms(const struct pgw_exchange *x)
{
        const json_t *hold = pgw_json_get(x->body, "hold_ms");
        const bool is_versioned = is_mode(x, "versioned");

        if (!is_versioned && !is_mode(x, "tombstone"))
                return 0;
        if (hold)
                return (uint64_t)json_integer_value(hold);
        return is_versioned ? PGW_VERSIONED_MS : PGW_TOMBSTONE_MS;
}

static enum pgw_err check_tags(struct pgw_exchange *x, pgw_target_set set)
{
        enum pgw_tags_policy policy;

        if (count_of(x, "tags") == 0) {
                if (pgw_json_get(x->body, "tags_match"))
                        pgw_violations_add(&x->violations, "#/tags_match", "goes with `tags` only");
                return PGW_OK;
        }
        for (size_t i = 0; i < x->gateway->links.target_count; i++) {
                /* A target that cannot be asked now may be the worker's to reach. */
                if (pgw_targets_has(set, i) &&
                    pgw_target_check_tags(x->gateway->targets[i].check, &policy, &x->fault) ==
                        PGW_E_TAGS)
                        return PGW_E_TAGS;
        }
        return PGW_OK;
}

/* When it is to be done, wall ms; 0: now. What cannot be is added to the violations. */
static uint64_t due_ms(struct pgw_exchange *x)
{
        const json_t *delay = pgw_json_get(x->body, "delay_ms");
        const struct pgw_str at = pgw_selectors_text(x, "not_before");
        uint64_t due;

        if (!delay && !at.p)
                return 0;
        const uint64_t now_ms = pgw_wall_ms();
        if (delay && at.p)
                pgw_violations_add(&x->violations, "#/delay_ms", "does not go with `not_before`");
        if (delay)
                return now_ms + (uint64_t)json_integer_value(delay);
        if (pgw_rfc3339_parse(at, &due)) {
                pgw_violations_add(&x->violations, "#/not_before",
                                   "must be a time like 2026-11-21T06:00:00Z (RFC 3339)");
                return 0;
        }
        if (due > now_ms + PGW_DELAY_MAX_MS)
                pgw_violations_add(&x->violations, "#/not_before", "is more than 30 days ahead");
        return due > now_ms ? due : 0;
}

enum pgw_err pgw_accept_check_members(struct pgw_exchange *x)
{
        check_rebounds(x);
        check_mode(x);
        (void)due_ms(x);
        return pgw_violations_count(&x->violations) ? PGW_E_SCHEMA : PGW_OK;
}

enum pgw_err pgw_accept_understand(struct pgw_exchange *x)
{
        struct pgw_selectors patterns;
        enum pgw_err err;

        if (count_of(x, "keys") + count_of(x, "keys_base64") + count_of(x, "patterns") +
                count_of(x, "tags") ==
            0)
                pgw_violations_add(&x->violations, "#",
                                   "name at least one selector in `keys`, `keys_base64`, "
                                   "`patterns` or `tags`");
        pgw_selectors_texts(x, "patterns", &patterns);
        const pgw_target_set set = pgw_targets_of_body(x);
        if (patterns.count && !x->gateway->conf.patterns_allowed)
                err = PGW_E_PATTERNS;
        else
                err = check_tags(x, set);
        for (size_t i = 0; i < patterns.count; i++)
                check_pattern(x, patterns.items[i], i);
        const enum pgw_err members = pgw_accept_check_members(x);
        if (!err)
                err = members;
        return err ? err : pgw_cover_invalidation(x, set);
}

enum pgw_err pgw_accept_check(struct pgw_exchange *x)
{
        const struct pgw_operation *op =
            pgw_contract_operation(x->gateway->links.contract, "create_invalidation");
        const enum pgw_err err = pgw_operation_check_body(op, x->body, &x->violations);

        return err ? err : pgw_accept_understand(x);
}

/* ---- into the queue ---- */

void pgw_accept_count_refusal(enum pgw_err err)
{
        switch (err) {
        case PGW_E_QUEUE_FULL:
                pgw_metric_add(PGW_M_REFUSED_QUEUE_FULL, 1);
                break;
        case PGW_E_KEYS_FULL:
                pgw_metric_add(PGW_M_REFUSED_KEYS_FULL, 1);
                break;
        case PGW_E_KEY_REUSED: /* the client's mistake */
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

static void count_full(const struct pgw_room_refusal *refusal)
{
        static const enum pgw_counter counters[PGW_ROOM_LIMIT_COUNT] = {
            [PGW_ROOM_JOBS] = PGW_M_FULL_JOBS,
            [PGW_ROOM_BYTES] = PGW_M_FULL_BYTES,
            [PGW_ROOM_AGE] = PGW_M_FULL_AGE,
            [PGW_ROOM_MEMORY] = PGW_M_FULL_MEMORY,
        };

        pgw_metric_add(counters[refusal->limit], 1);
        if (refusal->is_shed)
                pgw_metric_add(PGW_M_SWEEPS_SHED, 1);
}

static enum pgw_err find_room(const struct pgw_exchange *x, struct pgw_room_refusal *refusal)
{
        const struct pgw_gateway *g = x->gateway;
        const enum pgw_room_kind kind = count_of(x, "patterns") ? PGW_ROOM_PATTERNS
                                        : count_of(x, "tags")   ? PGW_ROOM_TAGS
                                                                : PGW_ROOM_KEYS;
        struct pgw_queue_load load;

        pgw_surveyor_load(g->links.surveyor, &load);
        return pgw_room_for(&load, &g->conf.room, kind, refusal);
}

static void tell_refusal(struct pgw_exchange *x, const struct pgw_room_refusal *refusal)
{
        x->fault = refusal->fault;
        if (x->retry_s < refusal->retry_s)
                x->retry_s = refusal->retry_s;
        count_full(refusal);
}

/* A request for which there is no room, unless it was let in before. */
struct late {
        struct pgw_exchange *x;
        struct pgw_room_refusal refusal;
        enum pgw_err err;
        pgw_intake_f *done;
        void *ctx;
};

static void on_known(void *ctx, enum pgw_err err, const struct pgw_intake_job *job)
{
        struct late *l = ctx;

        if (err == PGW_E_KEYS_FULL) {
                tell_refusal(l->x, &l->refusal);
                err = l->err;
        }
        l->done(l->ctx, err, job);
        pgw_free(l);
}

/* What was acknowledged takes no room, and is answered as ever. */
static enum pgw_err ask(struct pgw_exchange *x, const struct pgw_once *once,
                        const struct pgw_room_refusal *refusal, enum pgw_err err,
                        pgw_intake_f *done, void *ctx)
{
        struct late *l = pgw_alloc(sizeof *l);

        *l = (struct late){.x = x, .refusal = *refusal, .err = err, .done = done, .ctx = ctx};
        err = pgw_intake_ask(x->gateway->links.intake, once, on_known, l);
        if (err)
                pgw_free(l);
        return err;
}

/* What the body says, as a value. */
static enum pgw_err read_invalidation(struct pgw_exchange *x, char times[PGW_REBOUNDS_TEXT_MAX],
                                      struct pgw_invalidation *inv)
{
        struct pgw_selectors keys, patterns, tags;
        const struct pgw_str priority = pgw_selectors_text(x, "priority");
        enum pgw_err err = pgw_selectors_keys(x, &keys);

        if (err)
                return err;
        pgw_selectors_texts(x, "patterns", &patterns);
        pgw_selectors_texts(x, "tags", &tags);
        *inv = (struct pgw_invalidation){
            .lane = patterns.count ? PGW_LANE_LOW
                    : tags.count   ? PGW_LANE_NORMAL
                                   : PGW_LANE_HIGH,
            .targets = pgw_targets_names(x, pgw_targets_of_body(x)),
            .keys = keys.items,
            .key_count = keys.count,
            .patterns = patterns.items,
            .pattern_count = patterns.count,
            .tags = tags.items,
            .tag_count = tags.count,
            .all_tags = pgw_str_eq_z(pgw_selectors_text(x, "tags_match"), "all"),
            .rebounds = rebounds_text(x, times),
            .soft_ttl_ms = soft_ttl_ms(x),
            .hold_ms = hold_ms(x),
            .version = pgw_selectors_text(x, "version"),
            .due_ms = due_ms(x),
            .is_dry = json_is_true(pgw_json_get(x->body, "dry_run")),
            .reason = pgw_selectors_text(x, "reason"),
            .request_id = x->request_id_given ? pgw_str_z(x->request_id) : PGW_STR(""),
            .owner = pgw_identify_mark(x),
            .actor = pgw_actor(x),
            .traceparent = pgw_exchange_text_header(x, PGW_STR("traceparent")),
        };
        /* The contract's enum is the lanes'. */
        PGW_ASSERT(priority.n == 0 || pgw_lane_of(priority, &inv->lane) == PGW_OK);
        return PGW_OK;
}

static enum pgw_err put(struct pgw_exchange *x, const struct pgw_once *once, pgw_intake_f *done,
                        void *ctx)
{
        struct pgw_invalidation inv;
        char times[PGW_REBOUNDS_TEXT_MAX];
        enum pgw_err err = read_invalidation(x, times, &inv);

        if (err)
                return err;
        inv.once = once;
        err = pgw_intake_put(x->gateway->links.intake, &inv, done, ctx);
        if (err == PGW_E_TOO_LARGE) {
                pgw_violations_add(&x->violations, "#",
                                   "comes to selectors of more than %zu bytes in all",
                                   x->gateway->conf.selectors_max);
                return PGW_E_SCHEMA;
        }
        if (err)
                pgw_accept_count_refusal(err);
        return err;
}

enum pgw_err pgw_accept(struct pgw_exchange *x, const struct pgw_once *once, pgw_intake_f *done,
                        void *ctx)
{
        const struct pgw_gateway *g = x->gateway;
        struct pgw_room_refusal refusal;
        enum pgw_err err = pgw_broker_check_verdict(g->links.check);

        if (err) {
                x->fault = g->check_fault;
        } else {
                err = find_room(x, &refusal);
                if (!err)
                        return put(x, once, done, ctx);
                if (once)
                        err = ask(x, once, &refusal, err, done, ctx);
                else
                        tell_refusal(x, &refusal);
        }
        if (err)
                pgw_accept_count_refusal(err);
        return err;
}

void pgw_accept_count(const struct pgw_exchange *x, const struct pgw_intake_job *job)
{
        PGW_FAILPOINT("accept.after_write");
        pgw_metric_add(job->is_repeat ? PGW_M_REPEATED : PGW_M_ACCEPTED, 1);
        pgw_metric_observe_us(PGW_H_ACCEPT, pgw_mono_us() - x->begun_us);
}
