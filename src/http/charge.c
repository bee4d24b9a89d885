/* Every refusal is written down in one place: which limit it was, for whom, and how long it lasts,
 * for the client, the counters and the log. */
#include "http/charge.h"

#include <stdio.h>
#include <string.h>

#include <h2o.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/metric.h"

#define COST_OF_UNKNOWN 10 /* of a credential that nobody has */
#define US_PER_S        1000000
#define PARTS_MAX       3 /* requests, keys, and the keys of the gateway */

enum limit { REQUESTS, KEYS, GATEWAY, ADDRESS };

static const struct {
        const char *name;  /* as in RateLimit-Policy */
        const char *label; /* as in the metric */
        const char *who, *what;
        enum pgw_counter counter;
} limits[] = {
    [REQUESTS] = {PGW_LIMIT_REQUESTS, "identity", "This credential may make", "requests",
                  PGW_M_LIMITED_IDENTITY},
    [KEYS] = {PGW_LIMIT_KEYS, "keys", "This credential may remove", "keys", PGW_M_LIMITED_KEYS},
    [GATEWAY] = {"gateway", "gateway", "This gateway removes", "keys", PGW_M_LIMITED_GATEWAY},
    [ADDRESS] = {"address", "address", "Without a known credential this address may make",
                 "requests", PGW_M_LIMITED_ADDRESS},
};

/* What a request takes of a bucket: so much more than was taken when it came in. */
struct part {
        enum limit limit;
        struct pgw_bucket *bucket;
        const struct pgw_rate *rate;
        uint64_t more, whole;
};

static struct pgw_meter *meter_of(const struct pgw_exchange *x)
{
        return x->who ? x->who->meter : NULL;
}

/* ---- refusals ---- */

/* At most once a minute for each identity, and for all addresses together: there may be many. */
static void tell_log(const struct pgw_exchange *x, enum limit limit)
{
        struct pgw_meter *m = meter_of(x);
        uint64_t *told_us = m ? &m->told_us : &x->gateway->links.limits->told_us;

        if (pgw_limits_may_tell(told_us, x->begun_us))
                PGW_LOG(PGW_LOG_WARN, "limits.refused", PGW_L_STR("limit", limits[limit].label),
                        PGW_L_STR("identity", x->who ? x->who->name : ""),
                        PGW_L_STR("request_id", x->request_id));
}

/* What the limit is, and then what that means for this request. */
static void explain(struct pgw_exchange *x, enum limit limit, const struct pgw_rate *rate,
                    const char *then)
{
        pgw_fault_set(&x->fault, "", "%s %llu %s a second, %llu at once%s", limits[limit].who,
                      (unsigned long long)rate->per_s, limits[limit].what,
                      (unsigned long long)rate->burst, then);
        pgw_metric_add(limits[limit].counter, 1);
        tell_log(x, limit);
}

static enum pgw_err refuse(struct pgw_exchange *x, enum limit limit, const struct pgw_rate *rate,
                           uint64_t wait_us)
{
        char then[64];

        x->limits = 1U << limit;
        x->retry_s = (unsigned)((wait_us + US_PER_S - 1) / US_PER_S);
        if (x->retry_s == 0)
                x->retry_s = 1;
        snprintf(then, sizeof then, "; there will be room in %u s.", x->retry_s);
        explain(x, limit, rate, then);
        return PGW_E_RATE;
}

/* No time will ever be right for it. */
static enum pgw_err refuse_for_good(struct pgw_exchange *x, enum limit limit,
                                    const struct pgw_rate *rate, uint64_t n)
{
        char then[80];

        snprintf(then, sizeof then, "; this counts as %llu. Send less at a time.",
                 (unsigned long long)n);
        explain(x, limit, rate, then);
        return PGW_E_BURST;
}

static enum pgw_err take(struct pgw_exchange *x, enum limit limit, struct pgw_bucket *bucket,
                         const struct pgw_rate *rate, uint64_t n)
{
        struct pgw_bucket_level level;

        if (!rate->per_s || pgw_bucket_take(bucket, rate, n, x->begun_us, &level))
                return PGW_OK;
        return refuse(x, limit, rate, level.wait_us);
}

static void give(struct pgw_bucket *bucket, const struct pgw_rate *rate, uint64_t n)
{
        if (rate->per_s && n)
                pgw_bucket_give(bucket, rate, n);
}

/* ---- nobody known ---- */

/* NULL when nothing is charged for it. */
static struct pgw_bucket *bucket_of_address(const struct pgw_exchange *x)
{
        const struct pgw_gateway_links *links = &x->gateway->links;
        struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
        h2o_conn_t *conn = x->req->conn;

        if (!links->identities || !links->limits->addresses ||
            (x->op && pgw_gateway_handler(x->op->handler)->is_probe) ||
            !conn->callbacks->get_peername(conn, (struct sockaddr *)&peer))
                return NULL;
        return pgw_addresses_bucket(links->limits->addresses, (struct sockaddr *)&peer);
}

/* What a credential that is not known costs, as far as there is so much at all. */
static uint64_t cost_of_unknown(const struct pgw_rate *rate)
{
        return rate->burst < COST_OF_UNKNOWN ? rate->burst : COST_OF_UNKNOWN;
}

/* The name as it came: one that is written otherwise is charged as if there were no such webhook.
 */
static bool is_delivery(const struct pgw_exchange *x)
{
        return x->op && pgw_gateway_handler(x->op->handler)->is_signed && x->path_params.count &&
               pgw_hooks_find(x->gateway->links.hooks, x->path_params.values[0]);
}

enum pgw_err pgw_charge_delivery_first(struct pgw_exchange *x)
{
        const struct pgw_limits_conf *conf = &x->gateway->links.limits->conf;
        const struct pgw_rate *rate = &conf->address;
        struct pgw_bucket_level level;
        struct pgw_bucket *bucket;

        if (!conf->address_first || !(bucket = bucket_of_address(x)))
                return PGW_OK;
        /* A guess that could not be charged must not be answered either. */
        const uint64_t cost = cost_of_unknown(rate);
        pgw_bucket_look(bucket, rate, x->begun_us, &level);
        if (level.left >= cost)
                return PGW_OK;
        return refuse(x, ADDRESS, rate, (cost - level.left) * US_PER_S / rate->per_s);
}

enum pgw_err pgw_charge_first(struct pgw_exchange *x)
{
        return is_delivery(x) ? PGW_OK : pgw_charge_delivery_first(x);
}

enum pgw_err pgw_charge_stranger(struct pgw_exchange *x, enum pgw_err verdict)
{
        const struct pgw_rate *rate = &x->gateway->links.limits->conf.address;
        struct pgw_bucket *bucket = bucket_of_address(x);
        const bool is_guess = verdict == PGW_E_CREDENTIALS || verdict == PGW_E_SIGNATURE;

        if (!bucket)
                return verdict;
        const enum pgw_err err =
            take(x, ADDRESS, bucket, rate, is_guess ? cost_of_unknown(rate) : 1);
        return err ? err : verdict;
}

/* ---- somebody ---- */

/* To everybody, whatever credential they show; but a guess costs what it costs elsewhere, because
 * it could be seen here as well whether it is right. */
static bool is_open(const struct pgw_exchange *x)
{
        return x->op && x->op->scopes == 0;
}

enum pgw_err pgw_charge_request(struct pgw_exchange *x, enum pgw_err verdict)
{
        struct pgw_meter *m = meter_of(x);
        enum pgw_err err = PGW_OK;

        if (!x->who && is_delivery(x))
                return verdict;
        if (!x->who) {
                err = pgw_charge_stranger(x, verdict);
                return is_open(x) && err == PGW_E_CREDENTIALS ? PGW_OK : err;
        }
        if (m)
                err = take(x, REQUESTS, &m->request_bucket, &m->requests, 1);
        return err ? err : verdict;
}

uint64_t pgw_charge_of(const struct pgw_exchange *x, const json_t *body)
{
        const struct pgw_limits_conf *conf = &x->gateway->links.limits->conf;

        return json_array_size(json_object_get(body, "keys")) +
               json_array_size(json_object_get(body, "keys_base64")) +
               json_array_size(json_object_get(body, "tags")) * conf->tag_keys +
               json_array_size(json_object_get(body, "patterns")) * conf->pattern_keys;
}

static size_t add_part(struct part parts[PARTS_MAX], size_t count, struct part part)
{
        if (!part.rate->per_s || part.whole == 0)
                return count;
        parts[count] = part;
        return count + 1;
}

static size_t parts_of(const struct pgw_exchange *x, uint64_t items, uint64_t keys,
                       struct part parts[PARTS_MAX])
{
        struct pgw_limits *l = x->gateway->links.limits;
        struct pgw_meter *m = meter_of(x);
        size_t n = 0;

        if (m) {
                n = add_part(
                    parts, n,
                    (struct part){REQUESTS, &m->request_bucket, &m->requests, items, items + 1});
                n = add_part(parts, n, (struct part){KEYS, &m->key_bucket, &m->keys, keys, keys});
        }
        return add_part(
            parts, n, (struct part){GATEWAY, &l->gateway_keys, &l->conf.gateway_keys, keys, keys});
}

/* Until all of it would be let in: what was taken when it came in is spent, and its repeat will
 * take that again. */
static uint64_t wait_of(const struct part *p, uint64_t now_us)
{
        const uint64_t spare_us = (p->rate->burst - p->whole) * US_PER_S / p->rate->per_s;
        struct pgw_bucket_level level;

        pgw_bucket_look(p->bucket, p->rate, now_us, &level);
        return level.full_us > spare_us ? level.full_us - spare_us : 0;
}

/* By the limit that lasts longest, with the names of all that were reached. */
static enum pgw_err refuse_parts(struct pgw_exchange *x, const struct part *parts, size_t count,
                                 unsigned reached)
{
        const struct part *longest = NULL;
        uint64_t wait_us = 0, longest_us = 0;

        for (size_t i = 0; i < count; i++) {
                const uint64_t us = wait_of(&parts[i], x->begun_us);
                if (us > wait_us)
                        wait_us = us;
                if (reached >> parts[i].limit & 1 && (!longest || us > longest_us)) {
                        longest = &parts[i];
                        longest_us = us;
                }
        }
        const enum pgw_err err = refuse(x, longest->limit, longest->rate, wait_us);
        x->limits = reached;
        return err;
}

enum pgw_err pgw_charge(struct pgw_exchange *x, uint64_t items, uint64_t keys)
{
        struct part parts[PARTS_MAX];
        const size_t count = parts_of(x, items, keys, parts);
        unsigned reached = 0;

        for (size_t i = 0; i < count; i++)
                if (parts[i].whole > parts[i].rate->burst)
                        return refuse_for_good(x, parts[i].limit, parts[i].rate, parts[i].whole);
        for (size_t i = 0; i < count; i++)
                if (parts[i].more && !pgw_bucket_take(parts[i].bucket, parts[i].rate, parts[i].more,
                                                      x->begun_us, NULL))
                        reached |= 1U << parts[i].limit;
        if (!reached)
                return PGW_OK;
        for (size_t i = 0; i < count; i++)
                if (!(reached >> parts[i].limit & 1))
                        give(parts[i].bucket, parts[i].rate, parts[i].more);
        return refuse_parts(x, parts, count, reached);
}

void pgw_charge_back(struct pgw_exchange *x, uint64_t items, uint64_t keys)
{
        struct pgw_limits *l = x->gateway->links.limits;
        struct pgw_meter *m = meter_of(x);

        if (m) {
                give(&m->request_bucket, &m->requests, items);
                give(&m->key_bucket, &m->keys, keys);
        }
        give(&l->gateway_keys, &l->conf.gateway_keys, keys);
}

enum pgw_err pgw_charge_reached(const struct pgw_exchange *x, struct pgw_buf *out)
{
        const char *comma = "";
        enum pgw_err err = PGW_OK;

        for (size_t i = 0; i < sizeof limits / sizeof limits[0] && !err; i++) {
                if (!(x->limits >> i & 1))
                        continue;
                err = pgw_buf_printf(out, "%s\"%s\"", comma, limits[i].name);
                comma = ",";
        }
        return err;
}

/* ---- what is left ---- */

/* By hand, because it is done for every answer. */
static char *add_text(char *out, const char *text)
{
        const size_t n = strlen(text);

        memcpy(out, text, n);
        return out + n;
}

static char *add_left(char *out, enum limit limit, const struct pgw_bucket *bucket,
                      const struct pgw_rate *rate)
{
        struct pgw_bucket_level level;

        pgw_bucket_look(bucket, rate, pgw_mono_us(), &level);
        out = add_text(out, "\"");
        out = add_text(out, limits[limit].name);
        out = add_text(out, "\";r=");
        out += pgw_u64_text(level.left, out);
        out = add_text(out, ";t=");
        return out + pgw_u64_text((level.full_us + US_PER_S - 1) / US_PER_S, out);
}

void pgw_charge_tell(struct pgw_exchange *x)
{
        const struct pgw_meter *m = meter_of(x);
        char text[PGW_POLICY_MAX], *out = text;

        if (!m)
                return;
        if (m->requests.per_s)
                out = add_left(out, REQUESTS, &m->request_bucket, &m->requests);
        if (m->requests.per_s && m->keys.per_s)
                out = add_text(out, ", ");
        if (m->keys.per_s)
                out = add_left(out, KEYS, &m->key_bucket, &m->keys);
        PGW_ASSERT(out <= text + sizeof text);
        pgw_exchange_add_header(x, PGW_STR("ratelimit-policy"), pgw_str_z(m->policy));
        pgw_exchange_add_header(x, PGW_STR("ratelimit"),
                                pgw_exchange_keep(x, pgw_str_of(text, (size_t)(out - text))));
}
