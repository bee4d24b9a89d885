/* POST /v1/hooks/{hook}: a delivery of a webhook becomes a job.
 *
 * Nothing of the body is looked at before its signature is known to be good. Then it is parsed, the
 * rules make an invalidation of it, and that goes the way of any other. To see that a megabyte is
 * not signed takes milliseconds as well, so large deliveries are examined beside the loop, like
 * other large bodies (http/body.h).
 *
 * A delivery that is known by an id, and comes again with the same body within a few minutes, is
 * the job that it was: senders send again what they believe lost. After that it is another one,
 * because people have deliveries sent again when something did not work. They are signed anew then:
 * what was signed with its time is the job that it was for as long as that time is near enough, so
 * that nobody who has seen a delivery can have it done again. The id alone would not do, because
 * most senders do not sign it.
 *
 * What came and asks for nothing is answered with success: senders give up on who refuses.
 */
#include <stdio.h>
#include <string.h>

#include <h2o.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/accept.h"
#include "http/actor.h"
#include "http/body.h"
#include "http/charge.h"
#include "http/front.h"
#include "http/hook_copy.h"
#include "http/hook_log.h"
#include "http/operations.h"
#include "io/aside.h"

#define PGW_HOOK_ONCE_MS   300000
#define PGW_HOOK_SCOPE_MAX (8 + PGW_HOOK_NAME_MAX) /* "signed NAME" */

struct delivery {
        struct pgw_exchange *x;
        struct pgw_hooks *hooks; /* held */
        const struct pgw_hook *hook;
        struct pgw_hook_copy *copy; /* of a large one */
        struct pgw_aside_work work;
        char address[PGW_ACTOR_ADDRESS_SIZE];

        /* what examining it writes */
        enum pgw_hook_seal seal;
        bool is_ping;
        size_t secret;
        enum pgw_err err; /* of a signed one: why it is refused */
        struct pgw_hook_case it;
        bool has_once;
        struct pgw_once once;
};

static size_t count_header(void *ctx, struct pgw_str name, struct pgw_str *ret)
{
        const struct pgw_exchange *x = ctx;

        if (pgw_str_eq_z(name, "host")) {
                *ret = pgw_hook_host(x->req);
                return ret->p ? 1 : 0;
        }
        *ret = pgw_exchange_header(x, name);
        if (!ret->p)
                return 0;
        return pgw_exchange_header_is_repeated(x, name) ? 2 : 1;
}

/* ---- the end ---- */

static void say_why(const struct pgw_exchange *x, const struct delivery *d, enum pgw_err err,
                    char *out, size_t size)
{
        const struct pgw_violation *first =
            pgw_violations_count(&x->violations) ? pgw_violations_at(&x->violations, 0) : NULL;

        out[0] = '\0';
        if (first)
                snprintf(out, size, "%s %s", first->pointer, first->detail);
        else if (err && x->fault.detail[0])
                snprintf(out, size, "%s", x->fault.detail);
        else if (err)
                snprintf(out, size, "%s", pgw_err_slug(err));
        else if (d->it.mapped.missing)
                snprintf(out, size, "%zu selectors could not be made: a value is missing",
                         d->it.mapped.missing);
}

/* Write the line and let go of the delivery. */
static void end(struct delivery *d, enum pgw_err err, const struct pgw_job_id *job)
{
        struct pgw_exchange *x = d->x;
        const bool is_signed = d->seal == PGW_SEAL_GOOD;
        char why[PGW_DELIVERY_TEXT_MAX], id[PGW_JOB_ID_SIZE], secret[20];

        say_why(x, d, err, why, sizeof why);
        if (job)
                pgw_job_id_text(job, id);
        const struct pgw_delivery line = {
            .id = pgw_buf_str(&d->it.id),
            .job = pgw_str_of(id, job ? sizeof id : 0),
            .address = pgw_str_z(d->address),
            .detail = pgw_str_z(why),
            .secret = pgw_str_of(secret, is_signed ? pgw_u64_text(d->secret, secret) : 0),
        };
        /* What is given up when the process ends finds the link gone. */
        pgw_hook_log(x->gateway, d->hook, d->it.verdict, is_signed,
                     err == PGW_E_REDIS_CANCELLED ? NULL : &line);
        pgw_hook_case_fini(&d->it);
        pgw_hook_copy_free(d->copy);
        pgw_hooks_drop(d->hooks);
        pgw_free(d);
}

static enum pgw_err answer(struct pgw_exchange *x, enum pgw_hook_verdict verdict,
                           const struct pgw_job_id *job)
{
        char location[16 + PGW_JOB_ID_SIZE] = "/v1/jobs/";
        enum pgw_err err =
            pgw_buf_printf(&x->out, "{\"verdict\":\"%s\"", pgw_hook_verdict_word(verdict));

        x->status = job ? 202 : 200;
        x->content_type = "application/json";
        if (job && !x->gone) {
                pgw_job_id_text(job, location + 9);
                pgw_exchange_add_header(
                    x, PGW_STR("location"),
                    pgw_exchange_keep(x, pgw_str_of(location, 9 + PGW_JOB_ID_SIZE)));
                if (!err)
                        err = pgw_buf_printf(&x->out, ",\"job_id\":\"%.*s\"", PGW_JOB_ID_SIZE,
                                             location + 9);
        }
        return err ? err : pgw_buf_printf(&x->out, "}\n");
}

static enum pgw_step refuse(struct delivery *d, enum pgw_hook_verdict verdict, enum pgw_err err)
{
        struct pgw_exchange *x = d->x;

        d->it.verdict = verdict;
        x->err = err;
        end(d, err, NULL);
        return PGW_FAIL;
}

static enum pgw_step pass_over(struct delivery *d)
{
        struct pgw_exchange *x = d->x;

        x->err = answer(x, d->it.verdict, NULL);
        end(d, PGW_OK, NULL);
        return x->err ? PGW_FAIL : PGW_NEXT;
}

static void on_accepted(void *ctx, enum pgw_err err, const struct pgw_intake_job *job)
{
        struct delivery *d = ctx;
        struct pgw_exchange *x = d->x;

        if (err) {
                pgw_accept_count_refusal(err);
                d->it.verdict = PGW_VERDICT_UNAVAILABLE;
                end(d, err, NULL);
                pgw_exchange_resume(x, err);
                return;
        }
        const struct pgw_job_id id = job->id;
        pgw_accept_count(x, job);
        if (job->is_repeat)
                d->it.verdict = PGW_VERDICT_DUPLICATE;
        err = answer(x, d->it.verdict, &id);
        end(d, PGW_OK, &id);
        pgw_exchange_resume(x, err);
}

/* ---- what it says, on any thread ---- */

static struct pgw_str scope_of(const struct delivery *d, const char *kind,
                               char out[PGW_HOOK_SCOPE_MAX])
{
        /* No identity has a name with a space. */
        const int n = snprintf(out, PGW_HOOK_SCOPE_MAX, "%s %s", kind, d->hook->name);

        PGW_ASSERT(n > 0 && n < PGW_HOOK_SCOPE_MAX);
        return pgw_str_of(out, (size_t)n);
}

/* The body is part of the name, so that a sender who gives an id to two deliveries loses neither.
 */
static void hash_by_id(const struct delivery *d, struct pgw_str body,
                       unsigned char out[PGW_SHA256_SIZE])
{
        struct pgw_sha256 *sha = pgw_sha256_new();

        pgw_sha256_add(sha, d->it.id.p, d->it.id.n);
        pgw_sha256_add(sha, "\n", 1);
        pgw_sha256_add(sha, body.p, body.n);
        pgw_sha256_end(sha, out);
}

/* From its time on and up to it a signature may be good. */
static uint64_t signed_ttl_ms(const struct delivery *d)
{
        const uint64_t window_ms = 2 * d->hook->signing.tolerance_ms;

        return window_ms > PGW_HOOK_ONCE_MS ? window_ms : PGW_HOOK_ONCE_MS;
}

/* By what it is known: its id and its body, and by what was signed, if that has a time. False when
 * there is neither. */
static bool make_once(const struct delivery *d, const struct pgw_hook_message *message,
                      struct pgw_once *ret)
{
        unsigned char hash[PGW_SHA256_SIZE], signed_hash[PGW_SHA256_SIZE];
        const bool has_time = pgw_hook_signed_hash(&d->hook->signing, message, signed_hash);
        const struct pgw_str signed_text =
            pgw_str_of((const char *)signed_hash, sizeof signed_hash);
        char scope[PGW_HOOK_SCOPE_MAX];

        if (d->it.id.n)
                hash_by_id(d, message->body, hash);
        else if (has_time)
                memcpy(hash, signed_hash, sizeof hash);
        else
                return false;
        pgw_once_name(ret, scope_of(d, "hook", scope), pgw_str_of((const char *)hash, sizeof hash));
        pgw_once_fingerprint(ret, hash);
        ret->ttl_ms = PGW_HOOK_ONCE_MS;
        if (has_time)
                pgw_once_also(ret, scope_of(d, "signed", scope), signed_text, signed_ttl_ms(d));
        return true;
}

static void examine(struct delivery *d, const struct pgw_hook_message *message)
{
        struct pgw_exchange *x = d->x;
        const struct pgw_hook_wish wish = {.bytes_max = x->gateway->conf.selector_bytes_max};

        d->seal = pgw_hook_verify(&d->hook->signing, message, pgw_wall_ms(), &d->secret);
        d->is_ping = pgw_hook_is_ping(d->hook, message);
        if (d->seal != PGW_SEAL_GOOD || d->is_ping)
                return;
        d->err = pgw_hook_read(d->hook, message, &wish, &x->fault, &x->violations, &d->it);
        if (!d->err && d->it.verdict == PGW_VERDICT_ACCEPTED)
                d->has_once = make_once(d, message, &d->once);
}

/* ---- what becomes of it ---- */

static enum pgw_step put(struct delivery *d)
{
        struct pgw_exchange *x = d->x;
        const uint64_t cost = pgw_charge_of(x, x->body);
        enum pgw_err err = pgw_charge(x, 0, cost);

        if (err)
                return refuse(d, err == PGW_E_BURST ? PGW_VERDICT_UNFIT : PGW_VERDICT_UNAVAILABLE,
                              err);
        err = pgw_accept(x, d->has_once ? &d->once : NULL, on_accepted, d);
        if (!err)
                return PGW_WAIT;
        pgw_charge_back(x, 0, cost);
        return refuse(d, PGW_VERDICT_UNAVAILABLE, err);
}

/* Each secret was tried on the whole of it. */
static void charge_for_trying(const struct delivery *d)
{
        struct pgw_exchange *x = d->x;

        pgw_front_charge(x->req, x->req->entity.len * d->hook->signing.secret_count);
}

static enum pgw_hook_verdict verdict_of(enum pgw_hook_seal seal)
{
        switch (seal) {
        case PGW_SEAL_NONE:
                return PGW_VERDICT_UNSIGNED;
        case PGW_SEAL_OUTSIDE:
                return PGW_VERDICT_OUT_OF_TIME;
        case PGW_SEAL_BAD:
        case PGW_SEAL_GOOD:
                break;
        }
        PGW_ASSERT(seal == PGW_SEAL_BAD);
        return PGW_VERDICT_BAD_SIGNATURE;
}

/* Whose address has used up what strangers have is told so in place of the truth, but what came is
 * written down as it was. */
static enum pgw_step judge_unsigned(struct delivery *d)
{
        struct pgw_exchange *x = d->x;
        enum pgw_err err;

        /* The first that WooCommerce sends is not signed. */
        if (d->seal == PGW_SEAL_NONE && d->is_ping &&
            d->hook->signing.profile == PGW_HOOK_WOOCOMMERCE) {
                err = pgw_charge_stranger(x, PGW_OK);
                if (err)
                        return refuse(d, PGW_VERDICT_UNAVAILABLE, err);
                d->it.verdict = PGW_VERDICT_PING;
                return pass_over(d);
        }
        if (d->seal == PGW_SEAL_BAD)
                charge_for_trying(d);
        err = pgw_charge_stranger(x, PGW_E_SIGNATURE);
        return refuse(d, verdict_of(d->seal), err);
}

/* A request of whom the hook acts as, who was not known when it came in. What was found out about
 * it is not told then. */
static enum pgw_err charge(struct delivery *d)
{
        struct pgw_exchange *x = d->x;

        if (!pgw_hook_act(x, d->hook))
                return PGW_OK;
        const enum pgw_err err = pgw_charge_request(x, PGW_OK);
        if (err) {
                pgw_violations_fini(&x->violations);
                x->violations = (struct pgw_violations){._items = NULL};
        }
        return err;
}

static enum pgw_step judge_signed(struct delivery *d)
{
        struct pgw_exchange *x = d->x;
        enum pgw_err err = charge(d);

        if (err)
                return refuse(d, PGW_VERDICT_UNAVAILABLE, err);
        if (d->is_ping)
                d->it.verdict = PGW_VERDICT_PING;
        err = d->err ? d->err : pgw_hook_fit(x, d->hook, &d->it);
        if (err)
                return refuse(d, d->it.verdict, err);
        if (d->it.verdict != PGW_VERDICT_ACCEPTED)
                return pass_over(d);
        const enum pgw_step step = put(d);
        json_decref(x->body);
        x->body = NULL;
        return step;
}

static enum pgw_step conclude(struct delivery *d)
{
        return d->seal == PGW_SEAL_GOOD ? judge_signed(d) : judge_unsigned(d);
}

/* ---- a large one, beside the loop ---- */

static struct delivery *delivery_of(struct pgw_aside_work *work)
{
        return PGW_CONTAINER(work, struct delivery, work);
}

static bool begin_aside(struct pgw_aside_work *work)
{
        struct delivery *d = delivery_of(work);

        if (d->x->gone)
                return false;
        d->copy = pgw_hook_copy_new(d->x->req);
        return true;
}

static void run_aside(struct pgw_aside_work *work)
{
        struct delivery *d = delivery_of(work);

        examine(d, pgw_hook_copy_message(d->copy));
}

/* Whoever has left was told nothing, and sends it again. */
static void end_aside(struct pgw_aside_work *work)
{
        struct delivery *d = delivery_of(work);
        struct pgw_exchange *x = d->x;

        if (!pgw_exchange_end_aside(x)) {
                (void)refuse(d, PGW_VERDICT_UNAVAILABLE, PGW_E_REDIS_CANCELLED);
                pgw_exchange_resume(x, PGW_E_REDIS_CANCELLED);
                return;
        }
        switch (conclude(d)) {
        case PGW_WAIT:
                break;
        case PGW_NEXT:
                pgw_exchange_resume(x, PGW_OK);
                break;
        case PGW_FAIL:
                pgw_exchange_resume(x, x->err);
                break;
        }
}

static enum pgw_step receive(struct delivery *d)
{
        static const struct pgw_aside_kind how = {begin_aside, run_aside, end_aside};
        struct pgw_exchange *x = d->x;
        const h2o_req_t *req = x->req;
        const struct pgw_hook_message message = {
            .method = pgw_str_of(req->method.base, req->method.len),
            .path = pgw_str_of(req->path.base, req->path.len),
            .body = pgw_str_of(req->entity.base, req->entity.len),
            .header = count_header,
            .ctx = x,
        };

        const enum pgw_err err = pgw_charge_delivery_first(x);

        if (err)
                return refuse(d, PGW_VERDICT_UNAVAILABLE, err);
        if (message.body.n >= PGW_BODY_LARGE) {
                pgw_exchange_begin_aside(x, &d->work, &how, message.body.n);
                return PGW_WAIT;
        }
        examine(d, &message);
        return conclude(d);
}

enum pgw_step pgw_op_hook(struct pgw_exchange *x)
{
        struct pgw_hooks *hooks = x->gateway->links.hooks;
        const struct pgw_hook *hook = pgw_hooks_find(hooks, pgw_params_get(&x->params, "hook"));

        if (!hook) {
                x->err = PGW_E_NO_HOOK;
                return PGW_FAIL;
        }
        struct delivery *d = pgw_alloc(sizeof *d);
        d->x = x;
        d->hooks = pgw_hooks_hold(hooks);
        d->hook = hook;
        d->seal = PGW_SEAL_NONE;
        pgw_hook_case_init(&d->it);
        pgw_actor_address(x, d->address);
        return receive(d);
}
