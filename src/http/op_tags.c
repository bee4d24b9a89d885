/* Keys under tags: put there, taken away, counted, listed. These answer at once: they write to
 * the target itself, and a set is as durable as the cache beside it.
 *
 * One script for each tag does its part atomically. All are sent in one write; when one of
 * them fails the request fails, and doing it again does no harm.
 */
#include <stdio.h>

#include <h2o.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "domain/script.h"
#include "domain/tag.h"
#include "domain/target_check.h"
#include "http/operations.h"
#include "http/selectors.h"

#define PGW_TAG_TTL_FACTOR 2 /* of the time to live of a key: it may be written again */
#define PGW_TAG_TTL_MORE   10000
#define PGW_PAGE_DEFAULT   100

enum { ANSWERS_MAX = 64 };

struct call;

/* What a command said; the reply itself does not live long enough. */
struct answer {
        struct call *call;
        uint64_t number;
};

/* The commands of one request. */
struct call {
        struct pgw_exchange *x;
        size_t awaited;
        enum pgw_err err;
        enum pgw_err (*finish)(struct call *);
        size_t count;
        struct answer answers[ANSWERS_MAX];
};

static void conclude(struct call *c)
{
        struct pgw_exchange *x = c->x;
        enum pgw_err err = c->err;

        if (!err && !x->gone)
                err = c->finish(c);
        x->status = 200;
        x->content_type = "application/json";
        pgw_free(c);
        pgw_exchange_resume(x, err);
}

static void on_number(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct answer *a = ctx;
        struct call *c = a->call;
        const int64_t number = err ? 0 : pgw_reply_int(reply, 0);

        if (err && !c->err)
                c->err = err;
        a->number = number > 0 ? (uint64_t)number : 0;
        if (--c->awaited == 0)
                conclude(c);
}

static struct call *call_new(struct pgw_exchange *x, enum pgw_err (*finish)(struct call *))
{
        struct call *c = pgw_alloc(sizeof *c);

        c->x = x;
        c->finish = finish;
        return c;
}

/* The command that was begun ends with its answer in the next slot. */
static void end_command(struct call *c)
{
        struct answer *a = &c->answers[c->count++];

        PGW_ASSERT(c->count <= ANSWERS_MAX);
        a->call = c;
        enum pgw_err err = pgw_redis_end(c->x->gateway->links.tags, on_number, a);
        if (!err)
                c->awaited++;
        else if (!c->err)
                c->err = err;
}

/* All commands were begun; when none could be sent there is nothing to wait for. */
static enum pgw_step await_answers(struct call *c)
{
        struct pgw_exchange *x = c->x;

        if (c->awaited)
                return PGW_WAIT;
        x->err = c->err;
        pgw_free(c);
        return PGW_FAIL;
}

/* ---- put under tags, taken away ---- */

static enum pgw_err write_counts(struct call *c, const char *word)
{
        struct pgw_exchange *x = c->x;
        struct pgw_selectors tags;
        enum pgw_err err = pgw_buf_printf(&x->out, "{\"tags\":[");

        pgw_selectors_texts(x, "tags", &tags);
        for (size_t i = 0; i < c->count && !err; i++) {
                err = pgw_buf_printf(&x->out, "%s{\"tag\":", i ? "," : "");
                if (!err)
                        err = pgw_json_escape(&x->out, tags.items[i]);
                if (!err)
                        err = pgw_buf_printf(&x->out, ",\"%s\":%llu}", word,
                                             (unsigned long long)c->answers[i].number);
        }
        return err ? err : pgw_buf_printf(&x->out, "]}\n");
}

static enum pgw_err write_added(struct call *c)
{
        return write_counts(c, "added");
}

static enum pgw_err write_removed(struct call *c)
{
        return write_counts(c, "removed");
}

/* The schema cannot say "one of these". */
enum pgw_step pgw_op_tagging_understand(struct pgw_exchange *x)
{
        if (json_array_size(json_object_get(x->body, "keys")) +
            json_array_size(json_object_get(x->body, "keys_base64")))
                return PGW_NEXT;
        pgw_violations_add(&x->violations, "#", "name at least one key in `keys` or `keys_base64`");
        x->err = PGW_E_SCHEMA;
        return PGW_FAIL;
}

/* How long a set must live for a key of this time to live; 0: for good. */
static uint64_t set_ttl_ms(const struct pgw_exchange *x, enum pgw_tags_policy policy)
{
        const json_int_t ttl_ms = json_integer_value(json_object_get(x->body, "ttl_ms"));

        if (ttl_ms <= 0 || policy == PGW_TAGS_STAY)
                return 0;
        return (uint64_t)ttl_ms * PGW_TAG_TTL_FACTOR + PGW_TAG_TTL_MORE;
}

enum pgw_step pgw_op_tagging(struct pgw_exchange *x)
{
        struct pgw_redis *target = x->gateway->links.tags;
        struct pgw_selectors keys, tags;
        enum pgw_tags_policy policy;
        char key[PGW_TAG_KEY_MAX];

        x->err = pgw_target_check_tags(x->gateway->links.target_check, &policy, &x->fault);
        if (!x->err)
                x->err = pgw_selectors_keys(x, &keys);
        if (x->err)
                return PGW_FAIL;
        const uint64_t ttl_ms = set_ttl_ms(x, policy);
        pgw_selectors_texts(x, "tags", &tags);
        struct call *c = call_new(x, write_added);
        for (size_t i = 0; i < tags.count; i++) {
                pgw_script_begin(target, PGW_SCRIPT_TAG, 1, 1 + keys.count);
                pgw_redis_arg(target, pgw_tag_key(tags.items[i], key));
                if (ttl_ms)
                        pgw_redis_arg_u64(target, ttl_ms);
                else
                        pgw_redis_arg(target, PGW_STR(""));
                for (size_t k = 0; k < keys.count; k++)
                        pgw_redis_arg(target, keys.items[k]);
                end_command(c);
        }
        return await_answers(c);
}

enum pgw_step pgw_op_untagging(struct pgw_exchange *x)
{
        struct pgw_redis *target = x->gateway->links.tags;
        struct pgw_selectors keys, tags;
        char key[PGW_TAG_KEY_MAX];

        x->err = pgw_selectors_keys(x, &keys);
        if (x->err)
                return PGW_FAIL;
        pgw_selectors_texts(x, "tags", &tags);
        struct call *c = call_new(x, write_removed);
        for (size_t i = 0; i < tags.count; i++) {
                pgw_redis_begin(target, 2 + keys.count);
                pgw_redis_arg(target, PGW_STR("SREM"));
                pgw_redis_arg(target, pgw_tag_key(tags.items[i], key));
                for (size_t k = 0; k < keys.count; k++)
                        pgw_redis_arg(target, keys.items[k]);
                end_command(c);
        }
        return await_answers(c);
}

/* ---- one tag ---- */

static enum pgw_err write_tag(struct call *c)
{
        struct pgw_exchange *x = c->x;
        const uint64_t ttl_ms = c->answers[2].number;
        enum pgw_err err = pgw_buf_printf(&x->out, "{\"tag\":");

        if (!err)
                err = pgw_json_escape(&x->out, pgw_params_get(&x->params, "tag"));
        if (!err)
                err = pgw_buf_printf(&x->out, ",\"members\":%llu,\"bytes\":%llu",
                                     (unsigned long long)c->answers[0].number,
                                     (unsigned long long)c->answers[1].number);
        if (!err && ttl_ms)
                err = pgw_buf_printf(&x->out, ",\"ttl_ms\":%llu", (unsigned long long)ttl_ms);
        return err ? err : pgw_buf_printf(&x->out, "}\n");
}

static void key_command(struct call *c, const char *const *words, struct pgw_str key)
{
        struct pgw_redis *target = c->x->gateway->links.tags;
        size_t count = 0;

        while (words[count])
                count++;
        pgw_redis_begin(target, count + 1);
        for (size_t i = 0; i < count; i++)
                pgw_redis_arg(target, pgw_str_z(words[i]));
        pgw_redis_arg(target, key);
        end_command(c);
}

enum pgw_step pgw_op_tag(struct pgw_exchange *x)
{
        char text[PGW_TAG_KEY_MAX];
        const struct pgw_str key = pgw_tag_key(pgw_params_get(&x->params, "tag"), text);
        struct call *c = call_new(x, write_tag);

        key_command(c, (const char *const[]){"SCARD", NULL}, key);
        key_command(c, (const char *const[]){"MEMORY", "USAGE", NULL}, key);
        key_command(c, (const char *const[]){"PTTL", NULL}, key);
        return await_answers(c);
}

/* ---- the members of a tag, by page ---- */

static enum pgw_err write_list(struct pgw_buf *out, const struct pgw_reply *members, bool as_text)
{
        const struct pgw_reply *member = members + 1;
        enum pgw_err err = PGW_OK;
        const char *comma = "";

        for (size_t i = 0; i < members->count && !err; i++, member = pgw_reply_next(member)) {
                const struct pgw_str key = pgw_reply_str(member);
                char *room;
                if (pgw_utf8_is_valid(key) != as_text)
                        continue;
                err = pgw_buf_printf(out, "%s", comma);
                comma = ",";
                if (err)
                        break;
                if (as_text) {
                        err = pgw_json_escape(out, key);
                        continue;
                }
                err = pgw_buf_reserve(out, PGW_BASE64_SIZE(key.n) + 2, &room);
                if (err)
                        break;
                room[0] = '"';
                const size_t n = pgw_base64(key.p, key.n, room + 1);
                room[1 + n] = '"';
                out->n += n + 2;
        }
        return err;
}

static enum pgw_err write_page(struct pgw_exchange *x, const struct pgw_reply *reply)
{
        const struct pgw_str cursor = pgw_reply_str(pgw_reply_at(reply, 0));
        const struct pgw_reply *members = pgw_reply_at(reply, 1);

        if (!members || members->type != PGW_REPLY_ARRAY || cursor.n == 0)
                return PGW_E_REDIS_PROTOCOL;
        enum pgw_err err = pgw_buf_printf(&x->out, "{\"keys\":[");
        if (!err)
                err = write_list(&x->out, members, true);
        if (!err)
                err = pgw_buf_printf(&x->out, "],\"keys_base64\":[");
        if (!err)
                err = write_list(&x->out, members, false);
        if (!err)
                err = pgw_buf_printf(&x->out, "]");
        if (!err && !pgw_str_eq_z(cursor, "0")) {
                err = pgw_buf_printf(&x->out, ",\"next_page_token\":");
                if (!err)
                        err = pgw_json_escape(&x->out, cursor);
        }
        return err ? err : pgw_buf_printf(&x->out, "}\n");
}

static void on_page(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;

        if (!err && !x->gone)
                err = write_page(x, reply);
        x->status = 200;
        x->content_type = "application/json";
        pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_tag_members(struct pgw_exchange *x)
{
        struct pgw_redis *target = x->gateway->links.tags;
        uint64_t size = PGW_PAGE_DEFAULT, cursor = 0;
        char key[PGW_TAG_KEY_MAX];

        (void)!pgw_params_get_u64(&x->params, "page_size", &size);
        const struct pgw_str token = pgw_params_get(&x->params, "page_token");
        if (token.n && pgw_str_to_u64(token, UINT64_MAX, &cursor)) {
                pgw_violations_add(&x->violations, "#/query/page_token",
                                   "must be the `next_page_token` of the page before");
                x->err = PGW_E_SCHEMA;
                return PGW_FAIL;
        }
        pgw_redis_begin(target, 5);
        pgw_redis_arg(target, PGW_STR("SSCAN"));
        pgw_redis_arg(target, pgw_tag_key(pgw_params_get(&x->params, "tag"), key));
        pgw_redis_arg_u64(target, cursor);
        pgw_redis_arg(target, PGW_STR("COUNT"));
        pgw_redis_arg_u64(target, size);
        x->err = pgw_redis_end(target, on_page, x);
        return x->err ? PGW_FAIL : PGW_WAIT;
}
