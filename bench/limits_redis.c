/* The Redis side of the ceiling: the gateway's and the worker's commands with nothing
 * around them, over a Unix socket, as fast as one thread can say them.
 *
 *      limits_redis VERB --socket PATH [--count N] [--window N] [--keys N] [--loops N]
 *                   [--match P] [--set K]
 *
 *      xadd    N jobs into lane high, at most WINDOW of them unanswered
 *      fill    the same, and the keys that they name exist (--no-set: they do not)
 *      drain   LOOPS bare workers: XREADGROUP COUNT 100, UNLINK, HSET and EXPIRE of the
 *              result, XACK, until nothing is left
 *      unlink  N requests of KEYS keys each, every key an UNLINK, two requests unanswered
 *      sweep   SCAN MATCH P COUNT 1000 once around, sixteen of what matches to an UNLINK
 *      members the same with SSCAN over the members of the set K
 *
 * Entries, results and names are made by the product's own code, so they cannot differ. A
 * bare worker keeps the product's promise (no result before the effect is confirmed, no
 * acknowledgement before the result), so it waits twice for each hundred jobs; it knows
 * neither fences nor heartbeats, trims nothing and forgets everything when it is killed.
 * Prints one line of JSON: count, seconds.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "domain/entry.h"
#include "domain/invalidation.h"
#include "domain/keyspace.h"
#include "redis/wire.h"

#define OUT_MAX      (256u << 20)
#define READ_SIZE    (256u << 10)
#define DRAIN_COUNT  100
#define JOB_KEYS_MAX 1000
#define LOOPS_MAX    16
#define RESULT_TTL_S "300"

struct options {
        const char *verb, *socket, *match, *set_key;
        size_t count, window, keys, loops;
        bool set;
};

/* One connection; answers are awaited in order. */
struct link {
        int fd;
        struct pgw_buf out, in;
        size_t at; /* bytes of `in` that are done with */
        struct pgw_wire *wire;
};

static struct pgw_keyspace keyspace;

_Noreturn static void fail(const char *what)
{
        fprintf(stderr, "limits_redis: %s\n", what);
        exit(1);
}

static void must(enum pgw_err err)
{
        if (err)
                fail(pgw_err_name(err));
}

static void link_open(struct link *l, const char *path)
{
        const struct pgw_wire_limits limits = {1u << 20, 64u << 20};
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        if (strlen(path) >= sizeof address.sun_path)
                fail("the path of the socket is too long");
        memcpy(address.sun_path, path, strlen(path) + 1);
        l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (l->fd < 0 || connect(l->fd, (struct sockaddr *)(void *)&address, sizeof address))
                fail("cannot connect");
        pgw_buf_init(&l->out, OUT_MAX);
        pgw_buf_init(&l->in, OUT_MAX);
        l->at = 0;
        l->wire = pgw_wire_new(&limits);
}

static void link_close(struct link *l)
{
        close(l->fd);
        pgw_buf_fini(&l->out);
        pgw_buf_fini(&l->in);
        pgw_wire_free(l->wire);
}

static void command(struct link *l, size_t argc)
{
        must(pgw_wire_command(&l->out, argc));
}

static void arg(struct link *l, struct pgw_str text)
{
        must(pgw_wire_arg(&l->out, text));
}

static void link_flush(struct link *l)
{
        for (size_t done = 0; done < l->out.n;) {
                const ssize_t n = write(l->fd, l->out.p + done, l->out.n - done);
                if (n <= 0)
                        fail("cannot write");
                done += (size_t)n;
        }
        pgw_buf_clear(&l->out);
}

/* The next answer, or NULL when it has not arrived whole and `wait` is false. */
static const struct pgw_reply *link_answer(struct link *l, bool wait)
{
        const struct pgw_reply *reply;
        size_t used;
        char *room;

        for (;;) {
                const struct pgw_str unread = pgw_str_of(l->in.p + l->at, l->in.n - l->at);
                reply = NULL;
                if (unread.n)
                        must(pgw_wire_read(l->wire, unread, &reply, &used));
                if (reply) {
                        l->at += used;
                        if (reply->type == PGW_REPLY_ERROR)
                                fail(strndup(reply->str.p, reply->str.n));
                        return reply;
                }
                if (!wait)
                        return NULL;
                pgw_buf_consume(&l->in, l->at);
                l->at = 0;
                must(pgw_buf_reserve(&l->in, READ_SIZE, &room));
                const ssize_t n = read(l->fd, room, READ_SIZE);
                if (n <= 0)
                        fail("the server went away");
                l->in.n += (size_t)n;
        }
}

static struct pgw_str key_name(size_t index, char out[32])
{
        return pgw_str_of(out, (size_t)snprintf(out, 32, "user:%08zu:profile", index));
}

static void say_xadd(struct link *l, const struct options *o, size_t index)
{
        static struct pgw_buf packed;
        static char names[JOB_KEYS_MAX][32];
        struct pgw_str keys[JOB_KEYS_MAX];
        char nonce[PGW_NONCE_SIZE];

        for (size_t i = 0; i < o->keys; i++)
                keys[i] = key_name(index * o->keys + i, names[i]);
        if (packed.p)
                pgw_buf_clear(&packed);
        else
                pgw_buf_init(&packed, OUT_MAX);
        must(pgw_keys_encode(&packed, keys, o->keys));
        pgw_nonce_text(index, nonce);
        command(l, 9);
        arg(l, PGW_STR("XADD"));
        arg(l, pgw_keyspace_stream(&keyspace, PGW_LANE_HIGH));
        arg(l, PGW_STR("*"));
        arg(l, PGW_STR("v"));
        arg(l, PGW_STR(PGW_INVALIDATION_VERSION_KEYS));
        arg(l, PGW_STR("n"));
        arg(l, pgw_str_of(nonce, sizeof nonce));
        arg(l, PGW_STR("k"));
        arg(l, pgw_buf_str(&packed));
}

static void say_set(struct link *l, const struct options *o, size_t index)
{
        static const char value[] = "{\"name\":\"Ada\",\"plan\":\"pro\",\"seats\":12}";
        char name[32];

        (void)o;
        command(l, 3);
        arg(l, PGW_STR("SET"));
        arg(l, key_name(index, name));
        arg(l, PGW_STR(value));
}

static void say_unlink(struct link *l, const struct options *o, size_t index)
{
        char name[32];

        (void)o;
        command(l, 2);
        arg(l, PGW_STR("UNLINK"));
        arg(l, key_name(index, name));
}

/* Say `count` commands in steps of `step`, never more than `window` unanswered. */
static void pipeline(struct link *l, const struct options *o, size_t count, size_t window,
                     size_t step, void (*say)(struct link *, const struct options *, size_t))
{
        size_t sent = 0, answered = 0;

        while (answered < count) {
                while (sent < count && sent - answered + step <= window)
                        for (size_t i = 0; i < step && sent < count; i++)
                                say(l, o, sent++);
                link_flush(l);
                link_answer(l, true);
                for (answered++; answered < sent && link_answer(l, false); answered++)
                        ;
        }
}

static void make_groups(struct link *l)
{
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                command(l, 6);
                arg(l, PGW_STR("XGROUP"));
                arg(l, PGW_STR("CREATE"));
                arg(l, pgw_keyspace_stream(&keyspace, (enum pgw_lane)i));
                arg(l, PGW_STR(PGW_GROUP));
                arg(l, PGW_STR("0"));
                arg(l, PGW_STR("MKSTREAM"));
        }
        link_flush(l);
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                link_answer(l, true);
}

/* What a bare worker remembers of a job between its two writes. */
struct job {
        struct pgw_job_id id;
        size_t keys;
        uint64_t removed, missing;
};

struct drain {
        struct link link;
        struct job jobs[DRAIN_COUNT];
        char consumer[32];
        size_t done;
};

static void say_read(struct drain *d)
{
        struct link *l = &d->link;

        command(l, 9);
        arg(l, PGW_STR("XREADGROUP"));
        arg(l, PGW_STR("GROUP"));
        arg(l, PGW_STR(PGW_GROUP));
        arg(l, pgw_str_z(d->consumer));
        arg(l, PGW_STR("COUNT"));
        arg(l, PGW_STR("100"));
        arg(l, PGW_STR("STREAMS"));
        arg(l, pgw_keyspace_stream(&keyspace, PGW_LANE_HIGH));
        arg(l, PGW_STR(">"));
}

/* Read the entries and say their UNLINKs; the number of jobs. */
static size_t begin_jobs(struct drain *d, const struct pgw_reply *reply)
{
        const struct pgw_reply *entries = pgw_reply_at(pgw_reply_at(reply, 0), 1);
        struct pgw_entry entry;
        struct pgw_str key;
        bool has_nonce;

        if (!entries)
                return 0;
        const struct pgw_reply *one = entries + 1;
        for (size_t i = 0; i < entries->count; i++, one = pgw_reply_next(one)) {
                must(pgw_entry_read(one, PGW_LANE_HIGH, &entry, &has_nonce));
                d->jobs[i] = (struct job){.id = entry.id, .keys = entry.key_count};
                while (entry.keys.n) {
                        must(pgw_keys_next(&entry.keys, &key));
                        command(&d->link, 2);
                        arg(&d->link, PGW_STR("UNLINK"));
                        arg(&d->link, key);
                }
        }
        link_flush(&d->link);
        return entries->count;
}

static void arg_u64(struct link *l, uint64_t number)
{
        char text[20];

        arg(l, pgw_str_of(text, pgw_u64_text(number, text)));
}

static void say_result(struct link *l, const struct job *job, uint64_t began_ms)
{
        char name[PGW_RESULT_KEY_MAX];
        const struct pgw_str key = pgw_keyspace_result(&keyspace, &job->id, name);

        command(l, 16);
        arg(l, PGW_STR("HSET"));
        arg(l, key);
        arg(l, PGW_STR("s"));
        arg(l, PGW_STR("succeeded"));
        arg(l, PGW_STR("a"));
        arg(l, PGW_STR("1"));
        arg(l, PGW_STR("b"));
        arg_u64(l, began_ms);
        arg(l, PGW_STR("f"));
        arg_u64(l, pgw_wall_ms());
        arg(l, PGW_STR("n"));
        arg_u64(l, job->keys);
        arg(l, PGW_STR("r"));
        arg_u64(l, job->removed);
        arg(l, PGW_STR("m"));
        arg_u64(l, job->missing);
        command(l, 3);
        arg(l, PGW_STR("EXPIRE"));
        arg(l, key);
        arg(l, PGW_STR(RESULT_TTL_S));
}

static void end_jobs(struct drain *d, size_t count, uint64_t began_ms)
{
        char id[PGW_ENTRY_ID_SIZE];

        for (size_t i = 0; i < count; i++) {
                struct job *job = &d->jobs[i];
                for (size_t k = 0; k < job->keys; k++) {
                        if (pgw_reply_int(link_answer(&d->link, true), 0) > 0)
                                job->removed++;
                        else
                                job->missing++;
                }
                say_result(&d->link, job, began_ms);
        }
        command(&d->link, 3 + count);
        arg(&d->link, PGW_STR("XACK"));
        arg(&d->link, pgw_keyspace_stream(&keyspace, PGW_LANE_HIGH));
        arg(&d->link, PGW_STR(PGW_GROUP));
        for (size_t i = 0; i < count; i++)
                arg(&d->link, pgw_str_of(id, pgw_entry_id_text(d->jobs[i].id.entry, id)));
}

static void *drain(void *ctx)
{
        struct drain *d = ctx;
        size_t count;

        say_read(d);
        link_flush(&d->link);
        while ((count = begin_jobs(d, link_answer(&d->link, true))) > 0) {
                end_jobs(d, count, pgw_wall_ms());
                say_read(d);
                link_flush(&d->link);
                for (size_t i = 0; i < 2 * count + 1; i++)
                        link_answer(&d->link, true);
                d->done += count;
        }
        return NULL;
}

static size_t drain_all(const struct options *o, uint64_t *ret_began_us)
{
        static struct drain drains[LOOPS_MAX];
        pthread_t threads[LOOPS_MAX];
        size_t done = 0;

        for (size_t i = 0; i < o->loops; i++) {
                link_open(&drains[i].link, o->socket);
                snprintf(drains[i].consumer, sizeof drains[i].consumer, "bare-%zu", i);
        }
        *ret_began_us = pgw_mono_us();
        for (size_t i = 0; i < o->loops; i++)
                if (pthread_create(&threads[i], NULL, drain, &drains[i]))
                        fail("cannot start a thread");
        for (size_t i = 0; i < o->loops; i++) {
                pthread_join(threads[i], NULL);
                done += drains[i].done;
                link_close(&drains[i].link);
        }
        return done;
}

/* ---- walks ---- */

#define WALK_COUNT "1000"
#define WALK_CHUNK 16

static void say_scan(struct link *l, const struct options *o, struct pgw_str cursor)
{
        command(l, o->set_key ? 5 : o->match ? 6 : 4);
        arg(l, o->set_key ? PGW_STR("SSCAN") : PGW_STR("SCAN"));
        if (o->set_key)
                arg(l, pgw_str_z(o->set_key));
        arg(l, cursor);
        arg(l, PGW_STR("COUNT"));
        arg(l, PGW_STR(WALK_COUNT));
        if (!o->set_key && o->match) {
                arg(l, PGW_STR("MATCH"));
                arg(l, pgw_str_z(o->match));
        }
}

/* Removals of a slice; returns how many commands that were. */
static size_t say_unlinks(struct link *l, const struct pgw_reply *keys)
{
        const struct pgw_reply *key = keys + 1;
        size_t left = keys->count, commands = 0;

        while (left) {
                const size_t n = left < WALK_CHUNK ? left : WALK_CHUNK;
                command(l, 1 + n);
                arg(l, PGW_STR("UNLINK"));
                for (size_t i = 0; i < n; i++, key = pgw_reply_next(key))
                        arg(l, pgw_reply_str(key));
                left -= n;
                commands++;
        }
        return commands;
}

/* The next slice is asked for in one write with the removals of the one before. */
static size_t walk(const struct options *o, uint64_t *ret_began_us)
{
        char cursor[32] = "0";
        size_t unlinks = 0, removed = 0;
        bool more = true;
        struct link l;

        link_open(&l, o->socket);
        *ret_began_us = pgw_mono_us();
        say_scan(&l, o, PGW_STR("0"));
        link_flush(&l);
        while (more || unlinks) {
                for (; unlinks; unlinks--)
                        removed += (size_t)pgw_reply_int(link_answer(&l, true), 0);
                if (!more)
                        break;
                const struct pgw_reply *reply = link_answer(&l, true);
                const struct pgw_str next = pgw_reply_str(pgw_reply_at(reply, 0));
                if (next.n == 0 || next.n >= sizeof cursor)
                        fail("no cursor");
                memcpy(cursor, next.p, next.n);
                more = !pgw_str_eq_z(next, "0");
                unlinks = say_unlinks(&l, pgw_reply_at(reply, 1));
                if (more)
                        say_scan(&l, o, pgw_str_of(cursor, next.n));
                link_flush(&l);
        }
        link_close(&l);
        return removed;
}

static size_t run(const struct options *o, uint64_t *ret_began_us)
{
        const size_t keys = o->count * o->keys;
        struct link l;

        if (strcmp(o->verb, "drain") == 0)
                return drain_all(o, ret_began_us);
        if (strcmp(o->verb, "sweep") == 0 || strcmp(o->verb, "members") == 0)
                return walk(o, ret_began_us);
        link_open(&l, o->socket);
        if (strcmp(o->verb, "fill") == 0) {
                make_groups(&l);
                if (o->set)
                        pipeline(&l, o, keys, 1024, 1, say_set);
        }
        *ret_began_us = pgw_mono_us();
        if (strcmp(o->verb, "unlink") == 0)
                pipeline(&l, o, keys, 2 * o->keys, o->keys, say_unlink);
        else
                pipeline(&l, o, o->count, o->window, 1, say_xadd);
        link_close(&l);
        return o->count;
}

static void parse_options(int argc, char **argv, struct options *ret)
{
        static const struct option known[] = {
            {"socket", required_argument, NULL, 's'},
            {"count", required_argument, NULL, 'n'},
            {"window", required_argument, NULL, 'w'},
            {"keys", required_argument, NULL, 'k'},
            {"loops", required_argument, NULL, 'l'},
            {"no-set", no_argument, NULL, 'x'},
            {"match", required_argument, NULL, 'm'},
            {"set", required_argument, NULL, 'S'},
            {NULL, 0, NULL, 0},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
                const size_t number = optarg ? strtoul(optarg, NULL, 10) : 0;
                switch (c) {
                case 's':
                        ret->socket = optarg;
                        break;
                case 'n':
                        ret->count = number;
                        break;
                case 'w':
                        ret->window = number;
                        break;
                case 'k':
                        ret->keys = number;
                        break;
                case 'l':
                        ret->loops = number;
                        break;
                case 'x':
                        ret->set = false;
                        break;
                case 'm':
                        ret->match = optarg;
                        break;
                case 'S':
                        ret->set_key = optarg;
                        break;
                default:
                        exit(2);
                }
        }
        ret->verb = optind < argc ? argv[optind] : "";
}

int main(int argc, char **argv)
{
        struct options o = {.count = 1000, .window = 64, .keys = 1, .loops = 1, .set = true};
        uint64_t began_us = 0;

        parse_options(argc, argv, &o);
        if (!strstr(" xadd fill drain unlink sweep members ", o.verb) || !*o.verb || !o.socket ||
            !o.window || !o.keys || o.keys > JOB_KEYS_MAX || !o.loops || o.loops > LOOPS_MAX)
                fail("wrong options; the head of bench/limits_redis.c lists them");
        must(pgw_keyspace_init(&keyspace, "main"));
        const size_t count = run(&o, &began_us);
        printf("{\"count\": %zu, \"seconds\": %.6f}\n", count,
               (double)(pgw_mono_us() - began_us) / 1e6);
        return 0;
}
