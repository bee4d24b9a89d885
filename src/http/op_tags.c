/* Keys under tags: put there, taken away, counted, listed. These answer at once: they write to
 * the target itself, and a set is as durable as the cache beside it.
 *
 * One script for each tag does its part atomically. All are sent in one write; when one of
 * them fails the request fails, and doing it again does no harm.
 */
#include <stdio.h>
#include <string.h>

#include <h2o.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "domain/script.h"
#include "domain/tag.h"
#include "domain/target_check.h"
#include "http/cover.h"
#include "http/operations.h"
#include "http/selectors.h"
#include "http/targets.h"

#define PGW_TAG_TTL_FACTOR 2 /* of the time to live of a key: it may be written again */
#define PGW_TAG_TTL_MORE   10000
#define PGW_PAGE_DEFAULT   100

struct call;

/* A command and what it said; the reply itself does not live long enough. */
struct answer {
        struct pgw_call command;
        struct call *call;
        struct pgw_str *argv;
        char key[PGW_TAG_KEY_MAX];
        char number_text[20], size_text[20];
        uint64_t number;
};

/* The commands of one request. What they say is kept here: the request may be gone before they are
 * answered. */
struct call {
        struct pgw_exchange *x;
        size_t awaited;
        enum pgw_err err;
        enum pgw_err (*finish)(struct call *);
        char *bytes; /* of the keys */
        struct pgw_selectors keys;
        size_t tag_count;
        size_t count, max;
        struct answer *answers;
};

static void call_free(struct call *c)
{
        for (size_t i = 0; i < c->count; i++)
                pgw_free(c->answers[i].argv);
        pgw_free(c->answers);
        pgw_free(c->bytes);
        pgw_free(c);
}

static void conclude(struct call *c)
{
        struct pgw_exchange *x = c->x;
        enum pgw_err err = c->err;

        if (!err && !x->gone)
                err = c->finish(c);
        x->status = 200;
        x->content_type = "application/json";
        call_free(c);
        pgw_exchange_resume(x, err);
}

static void on_number(struct pgw_call *command, enum pgw_err err, const struct pgw_reply *reply)
{
        struct answer *a = PGW_CONTAINER(command, struct answer, command);
        struct call *c = a->call;
        const int64_t number = err ? 0 : pgw_reply_int(reply, 0);

        if (err && !c->err)
                c->err = err;
        a->number = number > 0 ? (uint64_t)number : 0;
        if (--c->awaited == 0)
                conclude(c);
}

static struct call *call_new(struct pgw_exchange *x, size_t max,
                             enum pgw_err (*finish)(struct call *))
{
        struct call *c = pgw_alloc(sizeof *c);

        c->x = x;
        c->finish = finish;
        c->max = max;
        c->answers = pgw_alloc(max * sizeof *c->answers);
        return c;
}

/* The keys of the request, in memory of the call's own. */
static enum pgw_err take_keys(struct call *c)
{
        size_t size = 0;
        char *at;
        enum pgw_err err = pgw_selectors_keys(c->x, &c->keys);

        if (err)
                return err;
        for (size_t i = 0; i < c->keys.count; i++)
                size += c->keys.items[i].n;
        at = c->bytes = pgw_alloc(size + 1);
        for (size_t i = 0; i < c->keys.count; i++) {
                struct pgw_str *key = &c->keys.items[i];
                if (key->n)
                        memcpy(at, key->p, key->n);
                key->p = at;
                at += key->n;
        }
        return PGW_OK;
}

/* The next command, with room for so many words. */
static struct answer *begin_command(struct call *c, size_t argc)
{
        struct answer *a = &c->answers[c->count++];

        PGW_ASSERT(c->count <= c->max);
        a->call = c;
        a->argv = pgw_alloc(argc * sizeof *a->argv);
        a->command.argv = a->argv;
        a->command.argc = argc;
        a->command.reply = on_number;
        return a;
}

static void end_command(struct answer *a, size_t key, struct pgw_deployment *to)
{
        struct call *c = a->call;

        a->command.key = key;
        enum pgw_err err = pgw_deployment_call(to, &a->command);
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
        call_free(c);
        return PGW_FAIL;
}

static enum pgw_step give_up(struct call *c, enum pgw_err err)
{
        c->err = err;
        return await_answers(c);
}

/* ---- put under tags, taken away ---- */

static enum pgw_err write_counts(struct call *c, const char *word)
{
        struct pgw_exchange *x = c->x;
        struct pgw_selectors tags;
        enum pgw_err err = pgw_buf_printf(&x->out, "{\"tags\":[");

        pgw_selectors_texts(x, "tags", &tags);
        for (size_t i = 0; i < c->tag_count && !err; i++) {
                uint64_t sum = 0;
                for (size_t k = i; k < c->count; k += c->tag_count)
                        sum += c->answers[k].number;
                err = pgw_buf_printf(&x->out, "%s{\"tag\":", i ? "," : "");
                if (!err)
                        err = pgw_json_escape(&x->out, tags.items[i]);
                if (!err)
                        err =
                            pgw_buf_printf(&x->out, ",\"%s\":%llu}", word, (unsigned long long)sum);
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

/* The schema cannot say "one of these", nor which targets there are. */
enum pgw_step pgw_op_tagging_understand(struct pgw_exchange *x)
{
        if (json_array_size(json_object_get(x->body, "keys")) +
                json_array_size(json_object_get(x->body, "keys_base64")) ==
            0)
                pgw_violations_add(&x->violations, "#",
                                   "name at least one key in `keys` or `keys_base64`");
        const pgw_target_set set = pgw_targets_of_body(x);
        x->err = pgw_violations_count(&x->violations) ? PGW_E_SCHEMA : pgw_cover_tagging(x, set);
        return x->err ? PGW_FAIL : PGW_NEXT;
}

/* How long a set must live for a key of this time to live; 0: for good. */
static uint64_t set_ttl_ms(const struct pgw_exchange *x, enum pgw_tags_policy policy)
{
        const json_int_t ttl_ms = json_integer_value(json_object_get(x->body, "ttl_ms"));

        if (ttl_ms <= 0 || policy == PGW_TAGS_STAY)
                return 0;
        return (uint64_t)ttl_ms * PGW_TAG_TTL_FACTOR + PGW_TAG_TTL_MORE;
}

static void add_keys(struct answer *a, size_t from)
{
        const struct pgw_selectors *keys = &a->call->keys;

        if (keys->count)
                memcpy(a->argv + from, keys->items, keys->count * sizeof *keys->items);
}

static void send_tagging(struct call *c, const struct pgw_gateway_target *target,
                         struct pgw_str tag, uint64_t ttl_ms)
{
        struct answer *a = begin_command(c, 5 + c->keys.count);

        a->argv[0] = PGW_STR("EVAL");
        a->argv[1] = pgw_script_text(PGW_SCRIPT_TAG);
        a->argv[2] = PGW_STR("1");
        a->argv[3] = pgw_tag_key(tag, a->key);
        a->argv[4] = PGW_STR("");
        if (ttl_ms)
                a->argv[4] = pgw_str_of(a->number_text, pgw_u64_text(ttl_ms, a->number_text));
        add_keys(a, 5);
        end_command(a, 3, target->tags);
}

/* Nothing is written anywhere before it is known that all can keep tags. */
static enum pgw_err check_targets(struct pgw_exchange *x, pgw_target_set set,
                                  enum pgw_tags_policy *policies)
{
        for (size_t i = 0; i < x->gateway->links.target_count; i++) {
                if (!pgw_targets_has(set, i))
                        continue;
                enum pgw_err err =
                    pgw_target_check_tags(x->gateway->targets[i].check, &policies[i], &x->fault);
                if (err)
                        return err;
        }
        return PGW_OK;
}

enum pgw_step pgw_op_tagging(struct pgw_exchange *x)
{
        const pgw_target_set set = pgw_targets_of_body(x);
        const struct pgw_gateway *g = x->gateway;
        enum pgw_tags_policy policies[PGW_TARGETS_MAX] = {PGW_TAGS_UNKNOWN};
        struct pgw_selectors tags;

        pgw_selectors_texts(x, "tags", &tags);
        struct call *c = call_new(x, tags.count * g->links.target_count, write_added);
        c->tag_count = tags.count;
        enum pgw_err err = check_targets(x, set, policies);
        if (!err)
                err = take_keys(c);
        if (err)
                return give_up(c, err);
        for (size_t i = 0; i < g->links.target_count; i++)
                for (size_t k = 0; k < tags.count && pgw_targets_has(set, i); k++)
                        send_tagging(c, &g->targets[i], tags.items[k], set_ttl_ms(x, policies[i]));
        return await_answers(c);
}

enum pgw_step pgw_op_untagging(struct pgw_exchange *x)
{
        const pgw_target_set set = pgw_targets_of_body(x);
        const struct pgw_gateway *g = x->gateway;
        struct pgw_selectors tags;

        pgw_selectors_texts(x, "tags", &tags);
        struct call *c = call_new(x, tags.count * g->links.target_count, write_removed);
        c->tag_count = tags.count;
        enum pgw_err err = take_keys(c);
        if (err)
                return give_up(c, err);
        for (size_t i = 0; i < g->links.target_count; i++)
                for (size_t k = 0; k < tags.count && pgw_targets_has(set, i); k++) {
                        struct answer *a = begin_command(c, 2 + c->keys.count);
                        a->argv[0] = PGW_STR("SREM");
                        a->argv[1] = pgw_tag_key(tags.items[k], a->key);
                        add_keys(a, 2);
                        end_command(a, 1, g->targets[i].tags);
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

static void key_command(struct call *c, const struct pgw_gateway_target *target, const char *first,
                        const char *second)
{
        struct answer *a = begin_command(c, second ? 3 : 2);
        size_t n = 0;

        a->argv[n++] = pgw_str_z(first);
        if (second)
                a->argv[n++] = pgw_str_z(second);
        a->argv[n] = pgw_tag_key(pgw_params_get(&c->x->params, "tag"), a->key);
        end_command(a, n, target->tags);
}

enum pgw_step pgw_op_tag_understand(struct pgw_exchange *x)
{
        const struct pgw_gateway_target *target = pgw_targets_of_query(x);

        x->err =
            target ? pgw_cover_tag(x, pgw_params_get(&x->params, "tag"), target) : PGW_E_SCHEMA;
        return x->err ? PGW_FAIL : PGW_NEXT;
}

enum pgw_step pgw_op_tag(struct pgw_exchange *x)
{
        const struct pgw_gateway_target *target = pgw_targets_of_query(x);
        struct call *c = call_new(x, 3, write_tag);

        key_command(c, target, "SCARD", NULL);
        key_command(c, target, "MEMORY", "USAGE");
        key_command(c, target, "PTTL", NULL);
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

static void on_page(struct pgw_call *command, enum pgw_err err, const struct pgw_reply *reply)
{
        struct call *c = PGW_CONTAINER(command, struct answer, command)->call;
        struct pgw_exchange *x = c->x;

        call_free(c);
        if (!err && !x->gone)
                err = write_page(x, reply);
        x->status = 200;
        x->content_type = "application/json";
        pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_tag_members(struct pgw_exchange *x)
{
        const struct pgw_gateway_target *target = pgw_targets_of_query(x);
        uint64_t size = PGW_PAGE_DEFAULT, cursor = 0;

        (void)!pgw_params_get_u64(&x->params, "page_size", &size);
        const struct pgw_str token = pgw_params_get(&x->params, "page_token");
        if (token.n && pgw_str_to_u64(token, UINT64_MAX, &cursor)) {
                pgw_violations_add(&x->violations, "#/query/page_token",
                                   "must be the `next_page_token` of the page before");
                x->err = PGW_E_SCHEMA;
                return PGW_FAIL;
        }
        struct call *c = call_new(x, 1, NULL);
        struct answer *a = begin_command(c, 5);
        a->argv[0] = PGW_STR("SSCAN");
        a->argv[1] = pgw_tag_key(pgw_params_get(&x->params, "tag"), a->key);
        a->argv[2] = pgw_str_of(a->number_text, pgw_u64_text(cursor, a->number_text));
        a->argv[3] = PGW_STR("COUNT");
        a->argv[4] = pgw_str_of(a->size_text, pgw_u64_text(size, a->size_text));
        a->command.reply = on_page;
        end_command(a, 1, target->tags);
        return await_answers(c);
}
