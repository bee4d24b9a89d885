/* The connection's life:
 *
 *      closed -> resolving -> connecting -> hello -> ready
 *         ^_________|_____________|___________|________|
 *
 * Every way back to `closed` goes through drop(), which fails what is in flight and arms
 * the pause before the next attempt. The answers awaited are a ring, oldest first; all
 * deadlines of a ring run in its order (a slow command makes those behind it slow too,
 * because Redis answers in order), so one timer at its head guards them all.
 *
 * An answer that nobody asked for ends the connection: from then on answers and commands
 * could not be told apart.
 */
#include "redis/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/rand.h"
#include "io/stream.h"
#include "io/timer.h"
#include "redis/fault.h"

#define PGW_REDIS_PAUSE_MIN_MS  50
#define PGW_REDIS_PAUSE_MAX_MS  2000
#define PGW_REDIS_PING_EVERY_MS 1000
#define PGW_REDIS_NODES_MAX     1048576
#define PGW_REDIS_HELLO_MAX     8
#define PGW_REDIS_RESERVE_BYTES (PGW_REDIS_RESERVE * PGW_REDIS_RESERVED_MAX)
#define PGW_REDIS_REASON_MAX    200

_Static_assert(PGW_REDIS_RESERVE < PGW_REDIS_HELLO_MAX, "a PING finds a place at any time");

enum state { CLOSED, RESOLVING, CONNECTING, HELLO, READY };

struct awaited {
        pgw_redis_reply_f *reply;
        void *ctx;
        uint64_t sent_us;
        uint64_t deadline_ms;
};

struct pgw_redis {
        struct pgw_loop *loop;
        struct pgw_resolver *resolver;
        struct pgw_redis_conf conf;
        pgw_redis_state_f *on_state;
        void *state_ctx;
        pgw_redis_room_f *on_room;
        void *room_ctx;
        pgw_redis_trouble_f *on_trouble;
        void *trouble_ctx;
        char host[256], port[8]; /* as pointed to */
        enum state state;
        struct pgw_stream *stream;
        struct pgw_lookup *lookup;
        struct pgw_wire *wire;
        struct pgw_timer timer; /* closed: next attempt; resolving: its end; else: head of the
                                 * ring, or next PING */
        struct pgw_address addresses[PGW_ADDRESSES_MAX]; /* of the attempt under way */
        size_t address_count, address_at, addresses_tried;
        unsigned failures; /* attempts since it was last ready */
        struct awaited *ring;
        size_t ring_cap, ring_first, ring_count;
        size_t hello_left;    /* answers of the handshake still awaited */
        size_t command_start; /* where the command under way begins in the out buffer */
        size_t command_max;   /* bytes that the out buffer may hold with it */
        size_t args_left;
        bool command_asking; /* an ASKING goes before it */
        bool room_wanted;
        enum pgw_err command_err;
        uint64_t stamp_turn, stamp_us; /* see turn_us() */
        size_t stamp_queued;           /* commands of that turn: they leave at its end */
        char reason[PGW_REDIS_REASON_MAX];
};

static void connect_now(struct pgw_redis *);
static void open_stream(struct pgw_redis *);

static struct awaited *ring_head(struct pgw_redis *r)
{
        return &r->ring[r->ring_first];
}

static void ring_push(struct pgw_redis *r, struct awaited a)
{
        PGW_ASSERT(r->ring_count < r->ring_cap);
        if (r->ring_count) {
                const size_t last = (r->ring_first + r->ring_count - 1) % r->ring_cap;
                if (a.deadline_ms < r->ring[last].deadline_ms)
                        a.deadline_ms = r->ring[last].deadline_ms;
        }
        r->ring[(r->ring_first + r->ring_count++) % r->ring_cap] = a;
}

static struct awaited ring_pop(struct pgw_redis *r)
{
        const struct awaited a = *ring_head(r);

        r->ring_first = (r->ring_first + 1) % r->ring_cap;
        r->ring_count--;
        return a;
}

static void arm(struct pgw_redis *r)
{
        const uint64_t now_ms = pgw_loop_now_ms(r->loop);

        if (r->ring_count)
                pgw_timer_arm(r->loop, &r->timer, ring_head(r)->deadline_ms);
        else
                pgw_timer_arm(r->loop, &r->timer, now_ms + PGW_REDIS_PING_EVERY_MS);
}

/* Everything on the connection is over; those who wait hear `err`. */
static void fail_ring(struct pgw_redis *r, enum pgw_err err)
{
        while (r->ring_count) {
                const struct awaited a = ring_pop(r);
                a.reply(a.ctx, err, NULL);
        }
}

static void tell_trouble(struct pgw_redis *r, enum pgw_err err)
{
        if (r->on_trouble)
                r->on_trouble(r->trouble_ctx, err);
}

static void drop(struct pgw_redis *r, enum pgw_err err, struct pgw_str reason)
{
        uint64_t pause_ms = PGW_REDIS_PAUSE_MIN_MS;

        snprintf(r->reason, sizeof r->reason, "%.*s", (int)reason.n, reason.n ? reason.p : "");
        pgw_stream_close(r->stream);
        r->stream = NULL;
        pgw_lookup_cancel(r->lookup);
        r->lookup = NULL;
        pgw_wire_reset(r->wire);
        r->state = CLOSED;
        for (unsigned i = 0; i < r->failures && pause_ms < PGW_REDIS_PAUSE_MAX_MS; i++)
                pause_ms *= 2;
        r->failures++;
        pgw_timer_arm(r->loop, &r->timer,
                      pgw_loop_now_ms(r->loop) + pause_ms / 2 + pgw_rand_below(pause_ms));
        fail_ring(r, err);
        tell_trouble(r, err);
        r->on_state(r->state_ctx, false, err);
}

static void ignore(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        (void)err;
        (void)reply;
}

static void on_timer(struct pgw_timer *timer)
{
        struct pgw_redis *r = PGW_CONTAINER(timer, struct pgw_redis, timer);

        if (r->state == CLOSED)
                connect_now(r);
        else if (r->state == RESOLVING)
                drop(r, PGW_E_REDIS_CONNECT, PGW_STR("the host's name was not resolved in time"));
        else if (r->ring_count == 0 && r->state == READY) {
                if (pgw_redis_say(r, ignore, r, "PING", NULL))
                        arm(r);
        } else if (r->ring_count && ring_head(r)->deadline_ms <= pgw_loop_now_ms(r->loop))
                drop(r, PGW_E_REDIS_TIMEOUT, PGW_STR(""));
        else
                arm(r);
}

static void on_hello(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_redis *r = ctx;

        if (!reply)
                return; /* the connection is gone; drop() is at work */
        /* A server that cannot write to its disk refuses the PING, and what writes; nothing else.
         */
        if (err && !(err == PGW_E_REDIS_MISCONF && r->hello_left == 1)) {
                drop(r, err, reply->str);
                return;
        }
        if (--r->hello_left > 0)
                return;
        r->state = READY;
        r->failures = 0;
        r->on_state(r->state_ctx, true, PGW_OK);
}

/* A command of the handshake; it goes out before the client is ready. */
static void say_hello(struct pgw_redis *r, size_t argc, const char *const argv[])
{
        struct pgw_buf *out = pgw_stream_out(r->stream);
        enum pgw_err err = pgw_wire_command(out, argc);

        for (size_t i = 0; i < argc && !err; i++)
                err = pgw_wire_arg(out, pgw_str_z(argv[i]));
        PGW_ASSERT(err == PGW_OK);
        ring_push(r, (struct awaited){on_hello, r, pgw_mono_us(),
                                      pgw_loop_now_ms(r->loop) + r->conf.timeout_ms});
        r->hello_left++;
}

static void on_open(void *ctx)
{
        struct pgw_redis *r = ctx;
        const struct pgw_redis_address *a = &r->conf.address;
        char db[16];

        r->state = HELLO;
        r->hello_left = 0;
        if (a->password && a->user)
                say_hello(r, 3, (const char *const[]){"AUTH", a->user, a->password});
        else if (a->password)
                say_hello(r, 2, (const char *const[]){"AUTH", a->password});
        if (a->db) {
                snprintf(db, sizeof db, "%u", a->db);
                say_hello(r, 2, (const char *const[]){"SELECT", db});
        }
        say_hello(r, 3, (const char *const[]){"CLIENT", "SETNAME", r->conf.name});
        /* A server that is loading answers all the above, but is not ready. */
        say_hello(r, 1, (const char *const[]){"PING"});
        pgw_stream_flush_later(r->stream);
        arm(r);
}

static bool is_misplaced(enum pgw_err err)
{
        return err == PGW_E_REDIS_MOVED || err == PGW_E_REDIS_READONLY ||
               err == PGW_E_REDIS_MASTERDOWN || err == PGW_E_REDIS_CLUSTERDOWN ||
               err == PGW_E_REDIS_LOADING;
}

static void deliver(struct pgw_redis *r, const struct pgw_reply *reply, uint64_t now_us)
{
        const struct awaited a = ring_pop(r);
        const enum pgw_err err =
            reply->type == PGW_REPLY_ERROR ? pgw_redis_fault(reply->str) : PGW_OK;

        pgw_metric_observe_us(r->conf.latency_histogram, now_us - a.sent_us);
        if (err && is_misplaced(err))
                tell_trouble(r, err);
        a.reply(a.ctx, err, reply);
}

/* Commands of the ring that have not left yet; nothing that comes is the answer to one. */
static size_t unsent(const struct pgw_redis *r)
{
        return r->state == READY && r->stamp_turn == pgw_loop_turns(r->loop) ? r->stamp_queued : 0;
}

static size_t on_data(void *ctx, struct pgw_str unread)
{
        struct pgw_redis *r = ctx;
        struct pgw_stream *stream = r->stream;
        const uint64_t now_us = pgw_mono_us();
        size_t used = 0;

        while (used < unread.n) {
                const struct pgw_reply *reply;
                size_t n;
                struct pgw_str rest = pgw_str_of(unread.p + used, unread.n - used);
                enum pgw_err err = pgw_wire_read(r->wire, rest, &reply, &n);
                if (!err && reply && r->ring_count <= unsent(r))
                        err = PGW_E_REDIS_PROTOCOL;
                if (err) {
                        drop(r, err, PGW_STR(""));
                        return used;
                }
                if (!reply)
                        break;
                used += n;
                deliver(r, reply, now_us);
                if (r->stream != stream)
                        return used;
        }
        arm(r);
        if (r->room_wanted && r->on_room && !pgw_redis_is_full(r)) {
                r->room_wanted = false;
                r->on_room(r->room_ctx);
        }
        return used;
}

static void on_close(void *ctx, enum pgw_err err, const char *reason)
{
        struct pgw_redis *r = ctx;

        r->stream = NULL;
        /* Nobody there: the name has others. What takes its time is left to the next attempt. */
        if (r->state == CONNECTING && err == PGW_E_REDIS_CONNECT &&
            r->addresses_tried < r->address_count)
                open_stream(r);
        else
                drop(r, err, pgw_str_z(reason));
}

static const struct pgw_stream_events stream_events = {on_open, on_data, on_close};

static void open_stream(struct pgw_redis *r)
{
        const struct pgw_address *address = &r->addresses[r->address_at];
        const struct pgw_stream_conf conf = {
            .connect_timeout_ms = r->conf.timeout_ms,
            .write_max = r->conf.write_max + PGW_REDIS_RESERVE_BYTES,
            .unread_max = r->conf.reply_max,
            .tls = r->conf.address.tls,
            .host = r->conf.address.unix_path ? NULL : r->conf.address.host,
        };

        r->state = CONNECTING;
        pgw_timer_disarm(r->loop, &r->timer);
        r->addresses_tried++;
        r->address_at = (r->address_at + 1) % r->address_count;
        r->stream = pgw_stream_open(r->loop, (const struct sockaddr *)&address->sa, address->size,
                                    &conf, &stream_events, r);
}

static void on_resolved(void *ctx, enum pgw_err err, const struct pgw_address *addresses,
                        size_t count)
{
        struct pgw_redis *r = ctx;

        r->lookup = NULL;
        if (err) {
                drop(r, err, PGW_STR("the host's name was not resolved"));
                return;
        }
        memcpy(r->addresses, addresses, count * sizeof *addresses);
        r->address_count = count;
        r->address_at = (r->conf.address_first + r->failures) % count;
        r->addresses_tried = 0;
        open_stream(r);
}

static void connect_now(struct pgw_redis *r)
{
        const struct pgw_redis_address *a = &r->conf.address;

        if (r->conf.is_pointed && !r->host[0]) {
                drop(r, PGW_E_REDIS_CONNECT, PGW_STR("no master is known"));
                return;
        }
        if (!a->unix_path) {
                r->state = RESOLVING;
                pgw_timer_arm(r->loop, &r->timer, pgw_loop_now_ms(r->loop) + r->conf.timeout_ms);
                r->lookup = pgw_resolve(r->resolver, pgw_str_z(a->host), pgw_str_z(a->port),
                                        on_resolved, r);
                return;
        }
        struct pgw_address address = {.size = sizeof(struct sockaddr_un)};
        struct sockaddr_un *sun = (struct sockaddr_un *)&address.sa;
        PGW_ASSERT(strlen(a->unix_path) < sizeof sun->sun_path);
        sun->sun_family = AF_UNIX;
        memcpy(sun->sun_path, a->unix_path, strlen(a->unix_path) + 1);
        on_resolved(r, PGW_OK, &address, 1);
}

struct pgw_redis *pgw_redis_open(struct pgw_loop *loop, struct pgw_resolver *resolver,
                                 const struct pgw_redis_conf *conf, pgw_redis_state_f *on_state,
                                 void *ctx)
{
        const struct pgw_wire_limits limits = {PGW_REDIS_NODES_MAX, conf->reply_max};
        struct pgw_redis *r = pgw_alloc(sizeof *r);

        r->loop = loop;
        r->resolver = resolver;
        r->conf = *conf;
        if (conf->is_pointed) {
                r->conf.address.unix_path = NULL;
                r->conf.address.host = r->host;
                r->conf.address.port = r->port;
        }
        r->on_state = on_state;
        r->state_ctx = ctx;
        r->stamp_turn = UINT64_MAX;
        r->wire = pgw_wire_new(&limits);
        r->ring_cap = conf->in_flight_max + PGW_REDIS_HELLO_MAX;
        r->ring = pgw_alloc(r->ring_cap * sizeof *r->ring);
        pgw_timer_init(&r->timer, on_timer);
        pgw_timer_arm(loop, &r->timer, pgw_loop_now_ms(loop));
        return r;
}

void pgw_redis_close(struct pgw_redis *r)
{
        if (!r)
                return;
        pgw_timer_disarm(r->loop, &r->timer);
        pgw_stream_close(r->stream);
        r->stream = NULL;
        pgw_lookup_cancel(r->lookup);
        r->state = CLOSED;
        fail_ring(r, PGW_E_REDIS_CANCELLED);
        pgw_wire_free(r->wire);
        pgw_free(r->ring);
        pgw_free(r);
}

void pgw_redis_hang_up(struct pgw_redis *r, enum pgw_err err)
{
        if (r->state != CLOSED)
                drop(r, err, PGW_STR(""));
}

void pgw_redis_point(struct pgw_redis *r, const char *host, const char *port)
{
        PGW_ASSERT(r->conf.is_pointed);
        if (strcmp(host, r->host) == 0 && strcmp(port, r->port) == 0)
                return;
        snprintf(r->host, sizeof r->host, "%s", host);
        snprintf(r->port, sizeof r->port, "%s", port);
        if (r->state != CLOSED)
                drop(r, PGW_E_REDIS_CLOSED, PGW_STR("another server is the master now"));
        r->failures = 0;
        pgw_timer_arm(r->loop, &r->timer, pgw_loop_now_ms(r->loop));
}

void pgw_redis_on_trouble(struct pgw_redis *r, pgw_redis_trouble_f *on_trouble, void *ctx)
{
        r->on_trouble = on_trouble;
        r->trouble_ctx = ctx;
}

const char *pgw_redis_reason(const struct pgw_redis *r)
{
        return r->reason;
}

bool pgw_redis_is_ready(const struct pgw_redis *r)
{
        return r->state == READY;
}

size_t pgw_redis_in_flight(const struct pgw_redis *r)
{
        return r->ring_count;
}

bool pgw_redis_is_full(const struct pgw_redis *r)
{
        return r->ring_count >= r->conf.in_flight_max;
}

void pgw_redis_on_room(struct pgw_redis *r, pgw_redis_room_f *on_room, void *ctx)
{
        r->on_room = on_room;
        r->room_ctx = ctx;
}

static bool has_room(const struct pgw_redis *r, size_t commands, size_t reserve)
{
        return r->ring_count + commands <= r->conf.in_flight_max + reserve;
}

static void begin(struct pgw_redis *r, size_t argc, bool asking, size_t reserve)
{
        PGW_ASSERT(r->args_left == 0);
        r->args_left = argc;
        r->command_max = r->conf.write_max + (reserve ? PGW_REDIS_RESERVE_BYTES : 0);
        r->command_asking = asking;
        r->command_err = PGW_OK;
        if (r->state != READY) {
                r->command_err = PGW_E_REDIS_CONNECT;
                return;
        }
        struct pgw_buf *out = pgw_stream_out(r->stream);
        r->command_start = out->n;
        if (!has_room(r, asking ? 2 : 1, reserve) ||
            (asking && (pgw_wire_command(out, 1) || pgw_wire_arg(out, PGW_STR("ASKING")))) ||
            pgw_wire_command(out, argc))
                r->command_err = PGW_E_REDIS_FULL;
}

void pgw_redis_begin(struct pgw_redis *r, size_t argc)
{
        begin(r, argc, false, 0);
}

void pgw_redis_begin_asking(struct pgw_redis *r, size_t argc)
{
        begin(r, argc, true, 0);
}

void pgw_redis_begin_reserved(struct pgw_redis *r, size_t argc)
{
        begin(r, argc, false, PGW_REDIS_RESERVE);
}

void pgw_redis_arg(struct pgw_redis *r, struct pgw_str arg)
{
        PGW_ASSERT(r->args_left > 0);
        r->args_left--;
        if (!r->command_err && pgw_wire_arg(pgw_stream_out(r->stream), arg))
                r->command_err = PGW_E_REDIS_FULL;
}

void pgw_redis_arg_u64(struct pgw_redis *r, uint64_t number)
{
        char text[20];

        pgw_redis_arg(r, pgw_str_of(text, pgw_u64_text(number, text)));
}

/* All commands of a turn leave together at its end; one look at the clock does for them. */
static uint64_t turn_us(struct pgw_redis *r)
{
        const uint64_t turn = pgw_loop_turns(r->loop);

        if (r->stamp_turn != turn) {
                r->stamp_turn = turn;
                r->stamp_us = pgw_mono_us();
                r->stamp_queued = 0;
        }
        return r->stamp_us;
}

enum pgw_err pgw_redis_end_slow(struct pgw_redis *r, uint64_t extra_ms, pgw_redis_reply_f *reply,
                                void *ctx)
{
        PGW_ASSERT(r->args_left == 0);
        if (!r->command_err && pgw_stream_out(r->stream)->n > r->command_max)
                r->command_err = PGW_E_REDIS_FULL;
        if (r->command_err) {
                r->room_wanted |= r->command_err == PGW_E_REDIS_FULL;
                if (r->stream && r->state == READY)
                        pgw_stream_out(r->stream)->n = r->command_start;
                return r->command_err;
        }
        const bool was_idle = r->ring_count == 0;
        const uint64_t now_us = turn_us(r);
        const uint64_t deadline_ms = now_us / 1000 + r->conf.timeout_ms + extra_ms;
        if (r->command_asking)
                ring_push(r, (struct awaited){ignore, r, now_us, deadline_ms});
        r->stamp_queued += r->command_asking ? 2 : 1;
        ring_push(r, (struct awaited){reply, ctx, now_us, deadline_ms});
        if (was_idle)
                arm(r);
        pgw_stream_flush_later(r->stream);
        return PGW_OK;
}

enum pgw_err pgw_redis_end(struct pgw_redis *r, pgw_redis_reply_f *reply, void *ctx)
{
        return pgw_redis_end_slow(r, 0, reply, ctx);
}

enum pgw_err pgw_redis_say(struct pgw_redis *r, pgw_redis_reply_f *reply, void *ctx, ...)
{
        size_t argc = 0;
        va_list words;

        va_start(words, ctx);
        while (va_arg(words, const char *))
                argc++;
        va_end(words);

        pgw_redis_begin(r, argc);
        va_start(words, ctx);
        for (size_t i = 0; i < argc; i++)
                pgw_redis_arg(r, pgw_str_z(va_arg(words, const char *)));
        va_end(words);
        return pgw_redis_end(r, reply, ctx);
}
