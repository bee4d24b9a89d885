/* Positions fill 64 bits, more than Redis' own integers: they travel as text. */
#include "domain/progress.h"

#include <stdio.h>
#include <string.h>

#include "domain/target.h"

#define PGW_PROGRESS_TTL_S 86400
#define PGW_NOBODY         "-"

enum { NUMBER_COUNT = 10, PROGRESS_LINE_MAX = 11 * 21 + PGW_NODE_ID_SIZE };

unsigned pgw_position_percent(const struct pgw_position *p)
{
        /* The distance around the circle; equal ends are all of it or nothing. */
        const uint64_t covered = p->at - p->start;

        if (p->wrapped && p->at >= p->start)
                return 100;
        return (unsigned)(covered / (UINT64_MAX / 100 + 1));
}

/* ---- writing ---- */

static size_t write_line(const struct pgw_progress *p, char out[PROGRESS_LINE_MAX])
{
        return (size_t)snprintf(
            out, PROGRESS_LINE_MAX, "%u %llu %llu %llu %llu %llu %llu %llu %llu %llu %s",
            p->percent, (unsigned long long)p->matched, (unsigned long long)p->removed,
            (unsigned long long)p->tags_done, (unsigned long long)p->tag_cursor,
            (unsigned long long)p->tag_walked, (unsigned long long)p->members,
            (unsigned long long)p->members_seen, (unsigned long long)p->map,
            (unsigned long long)p->tags_given, p->tag_node[0] ? p->tag_node : PGW_NOBODY);
}

static void add_position(struct pgw_redis *r, const char *target, const struct pgw_position *p)
{
        char name[PGW_TARGET_NAME_MAX + 1 + PGW_NODE_ID_SIZE], text[64];
        const int name_n = snprintf(name, sizeof name, "%s/%s", target, p->node),
                  text_n = snprintf(text, sizeof text, "%llu %llu %d", (unsigned long long)p->start,
                                    (unsigned long long)p->at, p->wrapped);

        pgw_redis_arg(r, pgw_str_of(name, (size_t)name_n));
        pgw_redis_arg(r, pgw_str_of(text, (size_t)text_n));
}

enum pgw_err pgw_progress_save(struct pgw_redis *r, const struct pgw_keyspace *ks,
                               const struct pgw_job_id *id, const char *target,
                               const struct pgw_progress *p, const struct pgw_position *positions,
                               size_t count, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_PROGRESS_KEY_MAX], line[PROGRESS_LINE_MAX];
        size_t known = 0;

        for (size_t i = 0; i < count; i++)
                known += positions[i].node[0] != '\0';
        pgw_redis_begin(r, 4 + 2 * known);
        pgw_redis_arg(r, PGW_STR("HSET"));
        pgw_redis_arg(r, pgw_keyspace_progress(ks, id, key));
        pgw_redis_arg(r, pgw_str_z(target));
        pgw_redis_arg(r, pgw_str_of(line, write_line(p, line)));
        for (size_t i = 0; i < count; i++)
                if (positions[i].node[0])
                        add_position(r, target, &positions[i]);
        enum pgw_err err = pgw_redis_end(r, done, ctx);
        if (err)
                return err;
        pgw_redis_begin(r, 3);
        pgw_redis_arg(r, PGW_STR("EXPIRE"));
        pgw_redis_arg(r, pgw_keyspace_progress(ks, id, key));
        pgw_redis_arg_u64(r, PGW_PROGRESS_TTL_S);
        return pgw_redis_end(r, done, ctx);
}

static enum pgw_err say(struct pgw_redis *r, const char *word, const struct pgw_keyspace *ks,
                        const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_PROGRESS_KEY_MAX];

        pgw_redis_begin(r, 2);
        pgw_redis_arg(r, pgw_str_z(word));
        pgw_redis_arg(r, pgw_keyspace_progress(ks, id, key));
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_progress_ask(struct pgw_redis *r, const struct pgw_keyspace *ks,
                              const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        return say(r, "HGETALL", ks, id, done, ctx);
}

enum pgw_err pgw_progress_forget(struct pgw_redis *r, const struct pgw_keyspace *ks,
                                 const struct pgw_job_id *id, pgw_redis_reply_f *done, void *ctx)
{
        return say(r, "UNLINK", ks, id, done, ctx);
}

/* ---- reading ---- */

static bool take_number(struct pgw_str *rest, uint64_t *ret)
{
        struct pgw_str word = *rest, tail = {NULL, 0};

        if (!pgw_str_cut(*rest, ' ', &word, &tail))
                tail = (struct pgw_str){NULL, 0};
        *rest = tail;
        return pgw_str_to_u64(word, UINT64_MAX, ret) == PGW_OK;
}

static bool take_node(struct pgw_str text, char out[PGW_NODE_ID_SIZE])
{
        if (text.n == 0 || text.n >= PGW_NODE_ID_SIZE || memchr(text.p, '\0', text.n))
                return false;
        memcpy(out, text.p, text.n);
        out[text.n] = '\0';
        return true;
}

static enum pgw_err read_line(struct pgw_str line, struct pgw_progress *ret)
{
        struct pgw_progress p = {.percent = 0};
        uint64_t percent = 0;
        uint64_t *const numbers[NUMBER_COUNT] = {
            &percent,      &p.matched, &p.removed,      &p.tags_done, &p.tag_cursor,
            &p.tag_walked, &p.members, &p.members_seen, &p.map,       &p.tags_given};

        for (size_t i = 0; i < NUMBER_COUNT; i++)
                if (!take_number(&line, numbers[i]))
                        return PGW_E_CODEC;
        if (percent > 100 || !take_node(line, p.tag_node))
                return PGW_E_CODEC;
        if (strcmp(p.tag_node, PGW_NOBODY) == 0)
                p.tag_node[0] = '\0';
        p.percent = (unsigned)percent;
        *ret = p;
        return PGW_OK;
}

static bool read_position(struct pgw_str node, struct pgw_str text, struct pgw_position *ret)
{
        struct pgw_position p = {.node = ""};
        uint64_t wrapped;

        if (!take_node(node, p.node) || !take_number(&text, &p.start) ||
            !take_number(&text, &p.at) || !take_number(&text, &wrapped) || wrapped > 1)
                return false;
        p.wrapped = wrapped == 1;
        *ret = p;
        return true;
}

static bool is_hash(const struct pgw_reply *reply)
{
        return reply && reply->type == PGW_REPLY_ARRAY && reply->count % 2 == 0;
}

enum pgw_err pgw_progress_read(const struct pgw_reply *reply, const char *target,
                               struct pgw_progress *ret)
{
        if (!is_hash(reply))
                return PGW_E_CODEC;
        const struct pgw_reply *name = reply + 1;
        for (size_t i = 0; i < reply->count; i += 2) {
                const struct pgw_reply *value = pgw_reply_next(name);
                if (pgw_str_eq_z(pgw_reply_str(name), target))
                        return read_line(pgw_reply_str(value), ret);
                name = pgw_reply_next(value);
        }
        return PGW_E_NO_JOB;
}

size_t pgw_progress_positions(const struct pgw_reply *reply, const char *target,
                              struct pgw_position *positions, size_t max)
{
        size_t count = 0;

        if (!is_hash(reply))
                return 0;
        const struct pgw_reply *name = reply + 1;
        for (size_t i = 0; i < reply->count && count < max; i += 2) {
                const struct pgw_reply *value = pgw_reply_next(name);
                struct pgw_str of, node;
                if (pgw_str_cut(pgw_reply_str(name), '/', &of, &node) && pgw_str_eq_z(of, target) &&
                    read_position(node, pgw_reply_str(value), &positions[count]))
                        count++;
                name = pgw_reply_next(value);
        }
        return count;
}

enum pgw_err pgw_progress_sum(const struct pgw_reply *reply, struct pgw_progress *ret)
{
        struct pgw_progress sum = {.percent = 0}, one;
        unsigned targets = 0;

        if (!is_hash(reply))
                return PGW_E_CODEC;
        const struct pgw_reply *name = reply + 1;
        for (size_t i = 0; i < reply->count; i += 2) {
                const struct pgw_reply *value = pgw_reply_next(name);
                const struct pgw_str text = pgw_reply_str(name);
                name = pgw_reply_next(value);
                if (text.n && memchr(text.p, '/', text.n))
                        continue;
                enum pgw_err err = read_line(pgw_reply_str(value), &one);
                if (err)
                        return err;
                targets++;
                sum.percent += one.percent;
                sum.matched += one.matched;
                sum.removed += one.removed;
        }
        if (targets == 0)
                return PGW_E_NO_JOB;
        sum.percent /= targets;
        *ret = sum;
        return PGW_OK;
}
