/* The Redis client against a real server, and against one that does not play by the rules.
 *
 * The hostile server is a socket of this very thread, served between the turns of the loop,
 * so each test says exactly which bytes come when.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/metric.h"
#include "redis/client.h"

#define PATIENCE_MS 10000
#define TIMEOUT_MS  300
#define REPLY_MAX   100000
#define WRITE_MAX   100000
#define HELLO       "+OK\r\n+PONG\r\n"

static char directory[] = "/tmp/pgw-client-XXXXXX";
static char real_path[64], fake_path[64];
static pid_t server = -1;

static struct {
        struct pgw_loop *loop;
        struct pgw_resolver *resolver;
        struct pgw_redis *redis;
        bool ready;
        unsigned lost; /* times a connection was lost or could not be made */
        enum pgw_err lost_err;
        size_t answers;
        size_t rooms;
        enum pgw_err errs[1000];
        size_t order[1000];
        bool replied[1000];
        int64_t number; /* of the last answer, */
        char text[256]; /* and its text */
        size_t text_size;
} t;

static struct {
        int listener, conn;
        char got[200000];
        size_t got_size;
        unsigned accepted;
} fake;

/* ---- the two servers ---- */

static void start_server(void)
{
        server = fork();
        assert_true(server >= 0);
        if (server == 0) {
                execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", real_path,
                       "--save", "", "--appendonly", "no", "--dir", directory, "--logfile",
                       "redis.log", (char *)NULL);
                _exit(127);
        }
}

static void stop_server(void)
{
        if (server <= 0)
                return;
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        server = -1;
}

static void fake_listen(const struct sockaddr *addr, socklen_t size)
{
        fake.listener = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fake.listener >= 0);
        assert_int_equal(bind(fake.listener, addr, size), 0);
        assert_int_equal(listen(fake.listener, 8), 0);
}

static void fake_open(void)
{
        struct sockaddr_un sun = {.sun_family = AF_UNIX};

        memcpy(sun.sun_path, fake_path, strlen(fake_path) + 1);
        unlink(fake_path);
        fake_listen((struct sockaddr *)&sun, sizeof sun);
}

static void fake_hang_up(void)
{
        if (fake.conn >= 0)
                close(fake.conn);
        fake.conn = -1;
        fake.got_size = 0;
}

/* Accept, and take what has come. */
static void fake_serve(void)
{
        if (fake.listener >= 0 && fake.conn < 0) {
                fake.conn = accept4(fake.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                fake.accepted += fake.conn >= 0;
                fake.got_size = 0;
        }
        if (fake.conn < 0)
                return;
        const ssize_t n =
            recv(fake.conn, fake.got + fake.got_size, sizeof fake.got - fake.got_size, 0);
        if (n > 0)
                fake.got_size += (size_t)n;
}

static void fake_say(const void *bytes, size_t size)
{
        assert_int_equal(send(fake.conn, bytes, size, MSG_NOSIGNAL), size);
}

static bool fake_heard(const char *words)
{
        return memmem(fake.got, fake.got_size, words, strlen(words)) != NULL;
}

/* ---- the client ---- */

static void on_state(void *ctx, bool ready, enum pgw_err err)
{
        (void)ctx;
        t.ready = ready;
        if (!ready) {
                t.lost++;
                t.lost_err = err;
        }
}

static void on_room(void *ctx)
{
        (void)ctx;
        t.rooms++;
}

/* `ctx` is the number of the command, from 1. */
static void on_reply(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        assert_true(t.answers < sizeof t.errs / sizeof t.errs[0]);
        t.errs[t.answers] = err;
        t.replied[t.answers] = reply != NULL;
        t.order[t.answers++] = (size_t)(uintptr_t)ctx;
        t.number = pgw_reply_int(reply, -99);
        t.text_size = 0;
        if (reply && reply->str.n < sizeof t.text) {
                t.text_size = reply->str.n;
                if (t.text_size)
                        memcpy(t.text, reply->str.p, t.text_size);
        }
        t.text[t.text_size] = '\0';
}

static void open_client(struct pgw_redis_address address, size_t in_flight_max)
{
        const struct pgw_redis_conf conf = {
            .address = address,
            .name = "test",
            .timeout_ms = TIMEOUT_MS,
            .in_flight_max = in_flight_max,
            .write_max = WRITE_MAX,
            .reply_max = REPLY_MAX,
            .latency_histogram = PGW_H_REDIS_BROKER,
        };

        t.redis = pgw_redis_open(t.loop, t.resolver, &conf, on_state, NULL);
        pgw_redis_on_room(t.redis, on_room, NULL);
}

static void turn(void)
{
        pgw_loop_turn(t.loop, 5);
        fake_serve();
}

#define TURN_UNTIL(condition)                                                                      \
        do {                                                                                       \
                const uint64_t end_ms_ = pgw_mono_ms() + PATIENCE_MS;                              \
                while (!(condition)) {                                                             \
                        if (pgw_mono_ms() > end_ms_)                                               \
                                fail_msg("waited in vain for: %s", #condition);                    \
                        turn();                                                                    \
                }                                                                                  \
        } while (0)

static void turn_for(uint64_t ms)
{
        const uint64_t end_ms = pgw_mono_ms() + ms;

        while (pgw_mono_ms() < end_ms)
                turn();
}

static void open_real(size_t in_flight_max)
{
        open_client((struct pgw_redis_address){.unix_path = real_path}, in_flight_max);
        TURN_UNTIL(t.ready);
}

static void open_fake(void)
{
        fake_open();
        open_client((struct pgw_redis_address){.unix_path = fake_path}, 100);
        TURN_UNTIL(fake_heard("PING\r\n"));
        assert_true(fake_heard("*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$4\r\ntest\r\n"));
        assert_false(t.ready);
        fake_say(HELLO, strlen(HELLO));
        TURN_UNTIL(t.ready);
        assert_int_equal(t.lost, 0);
        fake.got_size = 0;
}

static enum pgw_err say(size_t number, const char *verb, const char *arg)
{
        return pgw_redis_say(t.redis, on_reply, (void *)(uintptr_t)number, verb, arg, NULL);
}

static int set_up(void **state)
{
        (void)state;
        memset(&t, 0, sizeof t);
        memset(&fake, 0, sizeof fake);
        fake.listener = fake.conn = -1;
        t.loop = pgw_loop_new();
        t.resolver = pgw_resolver_new(t.loop);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pgw_redis_close(t.redis);
        pgw_resolver_free(t.resolver);
        pgw_loop_free(t.loop);
        fake_hang_up();
        if (fake.listener >= 0)
                close(fake.listener);
        return 0;
}

/* ---- a real server ---- */

static void answers_in_order(void **state)
{
        (void)state;
        open_real(200);
        assert_int_equal(pgw_redis_say(t.redis, on_reply, NULL, "DEL", "counter", NULL), PGW_OK);
        for (size_t i = 1; i <= 150; i++)
                assert_int_equal(say(i, "INCR", "counter"), PGW_OK);
        assert_int_equal(t.answers, 0);
        assert_int_equal(pgw_redis_in_flight(t.redis), 151);
        TURN_UNTIL(t.answers == 151);
        for (size_t i = 0; i <= 150; i++) {
                assert_int_equal(t.errs[i], PGW_OK);
                assert_int_equal(t.order[i], i);
        }
        assert_int_equal(t.number, 150);
        assert_int_equal(pgw_redis_in_flight(t.redis), 0);
        assert_int_equal(t.lost, 0);
}

static void carries_any_bytes(void **state)
{
        const struct pgw_str key = PGW_STR("k\r\n*1\r\n$8\r\nFLUSHALL\r\n\0\xff");

        (void)state;
        open_real(10);
        pgw_redis_begin(t.redis, 3);
        pgw_redis_arg(t.redis, PGW_STR("SET"));
        pgw_redis_arg(t.redis, key);
        pgw_redis_arg(t.redis, key);
        assert_int_equal(pgw_redis_end(t.redis, on_reply, NULL), PGW_OK);
        pgw_redis_begin(t.redis, 2);
        pgw_redis_arg(t.redis, PGW_STR("GET"));
        pgw_redis_arg(t.redis, key);
        assert_int_equal(pgw_redis_end(t.redis, on_reply, NULL), PGW_OK);
        pgw_redis_begin(t.redis, 2);
        pgw_redis_arg(t.redis, PGW_STR("ECHO"));
        pgw_redis_arg_u64(t.redis, UINT64_MAX);
        TURN_UNTIL(t.answers == 2);
        assert_int_equal(t.text_size, key.n);
        assert_memory_equal(t.text, key.p, key.n);
        /* A command may be under way over a turn. */
        assert_int_equal(pgw_redis_end(t.redis, on_reply, NULL), PGW_OK);
        TURN_UNTIL(t.answers == 3);
        assert_string_equal(t.text, "18446744073709551615");
}

static void passes_errors_on_and_goes_on(void **state)
{
        (void)state;
        open_real(10);
        assert_int_equal(pgw_redis_say(t.redis, on_reply, NULL, "SET", "string", "x", NULL), PGW_OK);
        assert_int_equal(say(1, "LLEN", "string"), PGW_OK);
        TURN_UNTIL(t.answers == 2);
        assert_int_equal(t.errs[1], PGW_E_REDIS_WRONGTYPE);
        assert_true(t.replied[1]);
        assert_memory_equal(t.text, "WRONGTYPE ", 10);
        assert_int_equal(say(2, "NO-SUCH-COMMAND", "x"), PGW_OK);
        assert_int_equal(say(3, "GET", "string"), PGW_OK);
        TURN_UNTIL(t.answers == 4);
        assert_int_equal(t.errs[2], PGW_E_REDIS_ERROR);
        assert_int_equal(t.errs[3], PGW_OK);
        assert_string_equal(t.text, "x");
        assert_true(t.ready);
}

static void selects_its_database(void **state)
{
        (void)state;
        open_client((struct pgw_redis_address){.unix_path = real_path, .db = 3}, 10);
        TURN_UNTIL(t.ready);
        assert_int_equal(say(0, "CLIENT", "INFO"), PGW_OK);
        assert_int_equal(pgw_redis_say(t.redis, on_reply, NULL, "SET", "in-three", "x", NULL), PGW_OK);
        assert_int_equal(say(0, "CLIENT", "GETNAME"), PGW_OK);
        TURN_UNTIL(t.answers == 3);
        assert_string_equal(t.text, "test");
        pgw_redis_close(t.redis);
        open_client((struct pgw_redis_address){.unix_path = real_path}, 10);
        t.ready = false;
        TURN_UNTIL(t.ready);
        assert_int_equal(say(0, "EXISTS", "in-three"), PGW_OK);
        TURN_UNTIL(t.answers == 4);
        assert_int_equal(t.number, 0);
}

static void says_when_there_is_no_such_database(void **state)
{
        (void)state;
        open_client((struct pgw_redis_address){.unix_path = real_path, .db = 4242}, 10);
        TURN_UNTIL(t.lost == 2);
        assert_false(t.ready);
        assert_int_equal(t.lost_err, PGW_E_REDIS_ERROR);
}

static void authenticates(void **state)
{
        struct pgw_redis_address a = {.unix_path = real_path};

        (void)state;
        open_real(10);
        assert_int_equal(pgw_redis_say(t.redis, on_reply, NULL, "CONFIG", "SET", "requirepass",
                                       "se cret", NULL),
                         PGW_OK);
        TURN_UNTIL(t.answers == 1);
        pgw_redis_close(t.redis);

        t.ready = false;
        open_client(a, 10);
        TURN_UNTIL(t.lost == 1);
        assert_int_equal(t.lost_err, PGW_E_REDIS_AUTH);
        pgw_redis_close(t.redis);

        a.password = "wrong";
        open_client(a, 10);
        TURN_UNTIL(t.lost == 2);
        assert_int_equal(t.lost_err, PGW_E_REDIS_AUTH);
        pgw_redis_close(t.redis);

        a.password = "se cret";
        a.user = "nobody";
        open_client(a, 10);
        TURN_UNTIL(t.lost == 3);
        assert_int_equal(t.lost_err, PGW_E_REDIS_AUTH);
        pgw_redis_close(t.redis);

        a.user = "default";
        open_client(a, 10);
        TURN_UNTIL(t.ready);
        pgw_redis_close(t.redis);

        a.user = NULL;
        t.ready = false;
        open_client(a, 10);
        TURN_UNTIL(t.ready);
        assert_int_equal(pgw_redis_say(t.redis, on_reply, NULL, "CONFIG", "SET", "requirepass", "",
                                       NULL),
                         PGW_OK);
        TURN_UNTIL(t.answers == 2);
        assert_int_equal(t.lost, 3);
}

static void refuses_before_it_is_ready(void **state)
{
        (void)state;
        open_client((struct pgw_redis_address){.unix_path = real_path}, 10);
        assert_false(pgw_redis_is_ready(t.redis));
        assert_int_equal(say(1, "PING", "x"), PGW_E_REDIS_CONNECT);
        TURN_UNTIL(t.ready);
        turn_for(30);
        assert_int_equal(t.answers, 0);
}

static void refuses_more_than_may_be_in_flight(void **state)
{
        (void)state;
        open_real(4);
        for (size_t i = 0; i < 4; i++) {
                assert_false(pgw_redis_is_full(t.redis));
                assert_int_equal(say(i, "ECHO", "x"), PGW_OK);
        }
        assert_true(pgw_redis_is_full(t.redis));
        assert_int_equal(say(4, "ECHO", "y"), PGW_E_REDIS_FULL);
        assert_int_equal(say(5, "ECHO", "z"), PGW_E_REDIS_FULL);
        assert_int_equal(t.rooms, 0);
        TURN_UNTIL(t.rooms == 1);
        assert_int_equal(t.answers, 4);
        assert_int_equal(say(6, "ECHO", "w"), PGW_OK);
        TURN_UNTIL(t.answers == 5);
        turn_for(20);
        assert_string_equal(t.text, "w");
        assert_int_equal(t.rooms, 1);
        assert_int_equal(t.answers, 5);
}

static void refuses_more_than_may_be_written(void **state)
{
        static char large[WRITE_MAX];

        (void)state;
        memset(large, 'x', sizeof large - 1);
        open_real(10);
        assert_int_equal(say(1, "ECHO", "before"), PGW_OK);
        assert_int_equal(say(2, "ECHO", large), PGW_E_REDIS_FULL);
        /* Nothing of the refused one is left between its neighbours. */
        assert_int_equal(say(3, "ECHO", "behind"), PGW_OK);
        TURN_UNTIL(t.answers == 2);
        assert_int_equal(t.order[0], 1);
        assert_int_equal(t.order[1], 3);
        assert_string_equal(t.text, "behind");
        assert_int_equal(t.rooms, 1);
        large[WRITE_MAX - 100] = '\0';
        assert_int_equal(say(4, "STRLEN", large), PGW_OK);
        TURN_UNTIL(t.answers == 3);
        assert_int_equal(t.errs[2], PGW_OK);
        assert_int_equal(t.lost, 0);
}

static void waits_longer_for_a_slow_command(void **state)
{
        (void)state;
        open_real(10);
        pgw_redis_begin(t.redis, 3);
        pgw_redis_arg(t.redis, PGW_STR("BLPOP"));
        pgw_redis_arg(t.redis, PGW_STR("no-such-list"));
        pgw_redis_arg(t.redis, PGW_STR("0.6"));
        assert_int_equal(pgw_redis_end_slow(t.redis, 1000, on_reply, (void *)1), PGW_OK);
        /* What is behind a slow command is as slow. */
        assert_int_equal(say(2, "ECHO", "x"), PGW_OK);
        const uint64_t begun_ms = pgw_mono_ms();
        TURN_UNTIL(t.answers == 2);
        assert_in_range(pgw_mono_ms() - begun_ms, 550, 1250);
        assert_int_equal(t.errs[0], PGW_OK);
        assert_int_equal(t.errs[1], PGW_OK);
        assert_int_equal(t.lost, 0);
}

static void gives_up_replies_past_the_bound(void **state)
{
        (void)state;
        open_real(10);
        assert_int_equal(pgw_redis_say(t.redis, on_reply, NULL, "SETRANGE", "large", "100000", "x",
                                       NULL),
                         PGW_OK);
        TURN_UNTIL(t.answers == 1);
        assert_int_equal(say(1, "GET", "large"), PGW_OK);
        assert_int_equal(say(2, "ECHO", "x"), PGW_OK);
        TURN_UNTIL(t.lost == 1);
        assert_int_equal(t.answers, 3);
        assert_int_equal(t.errs[1], PGW_E_REDIS_PROTOCOL);
        assert_int_equal(t.errs[2], PGW_E_REDIS_PROTOCOL);
        assert_false(t.replied[1]);
        TURN_UNTIL(t.ready);
}

static void cancels_what_is_in_flight_on_close(void **state)
{
        (void)state;
        open_real(10);
        assert_int_equal(say(1, "ECHO", "x"), PGW_OK);
        assert_int_equal(say(2, "ECHO", "x"), PGW_OK);
        pgw_redis_close(t.redis);
        t.redis = NULL;
        assert_int_equal(t.answers, 2);
        assert_int_equal(t.errs[0], PGW_E_REDIS_CANCELLED);
        assert_int_equal(t.errs[1], PGW_E_REDIS_CANCELLED);
        assert_int_equal(t.order[0], 1);
        turn_for(20);
        assert_int_equal(t.answers, 2);
        pgw_redis_close(NULL);
}

static void notices_a_server_that_went_silent(void **state)
{
        (void)state;
        open_real(10);
        assert_int_equal(kill(server, SIGSTOP), 0);
        uint64_t begun_ms = pgw_mono_ms();
        assert_int_equal(say(1, "ECHO", "x"), PGW_OK);
        turn_for(TIMEOUT_MS / 2);
        assert_int_equal(say(2, "ECHO", "x"), PGW_OK);
        TURN_UNTIL(t.answers == 2);
        assert_in_range(pgw_mono_ms() - begun_ms, TIMEOUT_MS, TIMEOUT_MS * 2);
        assert_int_equal(t.errs[0], PGW_E_REDIS_TIMEOUT);
        assert_int_equal(t.errs[1], PGW_E_REDIS_TIMEOUT);
        assert_int_equal(t.lost_err, PGW_E_REDIS_TIMEOUT);
        assert_int_equal(say(3, "ECHO", "x"), PGW_E_REDIS_CONNECT);
        assert_int_equal(kill(server, SIGCONT), 0);
        TURN_UNTIL(t.ready);

        /* And when nothing was asked. */
        const unsigned lost = t.lost;
        assert_int_equal(kill(server, SIGSTOP), 0);
        begun_ms = pgw_mono_ms();
        TURN_UNTIL(t.lost == lost + 1);
        assert_in_range(pgw_mono_ms() - begun_ms, TIMEOUT_MS, 1000 + TIMEOUT_MS * 3);
        assert_int_equal(kill(server, SIGCONT), 0);
        TURN_UNTIL(t.ready);
        assert_int_equal(t.answers, 2);
}

static void comes_back_after_the_server_did(void **state)
{
        (void)state;
        open_real(10);
        assert_int_equal(kill(server, SIGSTOP), 0);
        assert_int_equal(say(1, "ECHO", "x"), PGW_OK);
        turn_for(20);
        stop_server();
        TURN_UNTIL(t.answers == 1);
        assert_int_equal(t.errs[0], PGW_E_REDIS_CLOSED);
        assert_false(t.replied[0]);
        assert_false(t.ready);
        TURN_UNTIL(t.lost >= 3);
        assert_int_equal(t.lost_err, PGW_E_REDIS_CONNECT);
        assert_int_equal(say(2, "ECHO", "x"), PGW_E_REDIS_CONNECT);
        start_server();
        TURN_UNTIL(t.ready);
        assert_int_equal(say(3, "ECHO", "again"), PGW_OK);
        TURN_UNTIL(t.answers == 2);
        assert_string_equal(t.text, "again");
}

/* ---- a hostile server ---- */

/* Two commands are in flight, `bytes` come (and then the end, when `hang_up`): the connection
 * is lost with `err` after `whole` answers, and the rest of the commands hear it too. */
static void loses(struct pgw_str bytes, bool hang_up, size_t whole, enum pgw_err err)
{
        open_fake();
        assert_int_equal(say(0, "ECHO", "x"), PGW_OK);
        assert_int_equal(say(1, "ECHO", "x"), PGW_OK);
        TURN_UNTIL(fake.got_size == 2 * strlen("*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n"));
        const uint64_t begun_ms = pgw_mono_ms();
        fake_say(bytes.p, bytes.n);
        if (hang_up)
                fake_hang_up();
        TURN_UNTIL(t.lost == 1);
        assert_in_range(pgw_mono_ms() - begun_ms, 0, TIMEOUT_MS * 2);
        assert_int_equal(t.lost_err, err);
        assert_false(pgw_redis_is_ready(t.redis));
        assert_int_equal(t.answers, 2);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(t.order[i], i);
                assert_int_equal(t.errs[i], i < whole ? PGW_OK : err);
                assert_int_equal(t.replied[i], i < whole);
        }

        /* The next connection starts with a clean sheet. */
        fake_hang_up();
        TURN_UNTIL(fake_heard("PING\r\n"));
        fake_say(HELLO, strlen(HELLO));
        TURN_UNTIL(t.ready);
        assert_int_equal(say(2, "ECHO", "x"), PGW_OK);
        TURN_UNTIL(fake_heard("ECHO"));
        fake_say("+fine\r\n", 7);
        TURN_UNTIL(t.answers == 3);
        assert_int_equal(t.errs[2], PGW_OK);
        assert_string_equal(t.text, "fine");
        assert_int_equal(t.lost, 1);
}

static void endless_line(void **state)
{
        static char line[PGW_WIRE_LINE_MAX + 2];

        (void)state;
        memset(line, 'x', sizeof line);
        line[0] = '+';
        loses(pgw_str_of(line, sizeof line), false, 0, PGW_E_REDIS_PROTOCOL);
}

static void promise_of_a_huge_array(void **state)
{
        (void)state;
        loses(PGW_STR("*2147483647\r\n"), false, 0, PGW_E_REDIS_PROTOCOL);
}

static void promise_of_a_huge_string(void **state)
{
        (void)state;
        loses(PGW_STR("+a\r\n$2147483647\r\n"), false, 1, PGW_E_REDIS_PROTOCOL);
}

static void surplus_reply(void **state)
{
        (void)state;
        loses(PGW_STR("+a\r\n+b\r\n+c\r\n"), false, 2, PGW_E_REDIS_PROTOCOL);
}

static void surplus_reply_unasked(void **state)
{
        (void)state;
        open_fake();
        fake_say("+surplus\r\n", 10);
        TURN_UNTIL(t.lost == 1);
        assert_int_equal(t.lost_err, PGW_E_REDIS_PROTOCOL);
        assert_int_equal(t.answers, 0);
}

static void half_a_reply_and_the_end(void **state)
{
        (void)state;
        loses(PGW_STR("$5\r\nab"), true, 0, PGW_E_REDIS_CLOSED);
}

static void one_reply_and_the_end(void **state)
{
        (void)state;
        loses(PGW_STR("+a\r\n"), true, 1, PGW_E_REDIS_CLOSED);
}

static void resp3(void **state)
{
        (void)state;
        loses(PGW_STR("%1\r\n+a\r\n+b\r\n"), false, 0, PGW_E_REDIS_PROTOCOL);
}

static void resp3_push(void **state)
{
        (void)state;
        loses(PGW_STR("+a\r\n>2\r\n$10\r\ninvalidate\r\n*0\r\n"), false, 1, PGW_E_REDIS_PROTOCOL);
}

static void silence(void **state)
{
        (void)state;
        loses(PGW_STR("+a\r\n"), false, 1, PGW_E_REDIS_TIMEOUT);
}

/* Bytes keep coming, and never an answer. */
static void a_reply_that_drips(void **state)
{
        (void)state;
        open_fake();
        assert_int_equal(say(0, "ECHO", "x"), PGW_OK);
        const uint64_t begun_ms = pgw_mono_ms();
        fake_say("+", 1);
        while (t.lost == 0 && pgw_mono_ms() < begun_ms + PATIENCE_MS) {
                send(fake.conn, "x", 1, MSG_NOSIGNAL);
                turn();
        }
        assert_in_range(pgw_mono_ms() - begun_ms, TIMEOUT_MS, TIMEOUT_MS * 2);
        assert_int_equal(t.lost_err, PGW_E_REDIS_TIMEOUT);
        assert_int_equal(t.errs[0], PGW_E_REDIS_TIMEOUT);
}

static void a_reply_byte_by_byte(void **state)
{
        static const char reply[] = "*2\r\n$3\r\na\r\n\r\n:5\r\n+second\r\n";

        (void)state;
        open_fake();
        assert_int_equal(say(0, "ECHO", "x"), PGW_OK);
        assert_int_equal(say(1, "ECHO", "x"), PGW_OK);
        for (size_t i = 0; i < sizeof reply - 1; i++) {
                fake_say(reply + i, 1);
                pgw_loop_turn(t.loop, 1);
        }
        TURN_UNTIL(t.answers == 2);
        assert_int_equal(t.errs[0], PGW_OK);
        assert_string_equal(t.text, "second");
        assert_int_equal(t.lost, 0);
}

/* A quick command waits behind a slow one past its own time, in a healthy connection. */
static void a_quick_command_behind_a_slow_one(void **state)
{
        (void)state;
        open_fake();
        pgw_redis_begin(t.redis, 1);
        pgw_redis_arg(t.redis, PGW_STR("SLOW"));
        assert_int_equal(pgw_redis_end_slow(t.redis, 1000, on_reply, NULL), PGW_OK);
        assert_int_equal(say(1, "ECHO", "x"), PGW_OK);
        turn_for(TIMEOUT_MS * 2);
        fake_say("+slow\r\n", 7);
        TURN_UNTIL(t.answers == 1);
        turn_for(50);
        assert_int_equal(t.answers, 1);
        assert_int_equal(t.lost, 0);
        fake_say("+quick\r\n", 8);
        TURN_UNTIL(t.answers == 2);
        assert_int_equal(t.errs[1], PGW_OK);
        assert_int_equal(t.lost, 0);
}

static void a_handshake_that_fails(void **state)
{
        static const struct {
                const char *said;
                enum pgw_err err;
        } cases[] = {
            {"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n", PGW_E_REDIS_LOADING},
            {"-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n",
             PGW_E_REDIS_AUTH},
            {"+OK\r\n+PONG\r\n+surplus\r\n", PGW_E_REDIS_PROTOCOL},
            {"HTTP/1.1 400 Bad Request\r\n\r\n", PGW_E_REDIS_PROTOCOL},
            {"", PGW_E_REDIS_TIMEOUT},
        };

        (void)state;
        fake_open();
        open_client((struct pgw_redis_address){.unix_path = fake_path}, 10);
        for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                TURN_UNTIL(fake_heard("PING\r\n"));
                fake_say(cases[i].said, strlen(cases[i].said));
                TURN_UNTIL(t.lost == i + 1);
                assert_int_equal(t.lost_err, cases[i].err);
                assert_false(pgw_redis_is_ready(t.redis));
                fake_hang_up();
        }
        assert_int_equal(t.answers, 0);
}

static void pauses_longer_after_each_failure(void **state)
{
        uint64_t before_ms;

        (void)state;
        open_client((struct pgw_redis_address){.unix_path = fake_path}, 10);
        unlink(fake_path);
        before_ms = pgw_mono_ms();
        TURN_UNTIL(t.lost == 5);
        assert_int_equal(t.lost_err, PGW_E_REDIS_CONNECT);
        /* Half of 50 + 100 + 200 + 400 ms at least, three halves at most. */
        assert_in_range(pgw_mono_ms() - before_ms, 375, 1400);
}

static void speaks_over_tcp(void **state)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        char port[8];

        (void)state;
        fake_listen((struct sockaddr *)&at, sizeof at);
        assert_int_equal(getsockname(fake.listener, (struct sockaddr *)&at, &size), 0);
        snprintf(port, sizeof port, "%u", (unsigned)ntohs(at.sin_port));
        open_client((struct pgw_redis_address){.host = "127.0.0.1", .port = port}, 10);
        TURN_UNTIL(fake_heard("PING\r\n"));
        fake_say(HELLO, strlen(HELLO));
        TURN_UNTIL(t.ready);
        assert_int_equal(say(0, "ECHO", "x"), PGW_OK);
        TURN_UNTIL(fake_heard("ECHO"));
        fake_say("+x\r\n", 4);
        TURN_UNTIL(t.answers == 1);
        assert_int_equal(t.errs[0], PGW_OK);
        close(fake.listener);
        fake.listener = -1;
        fake_hang_up();
        TURN_UNTIL(t.lost == 2);
        assert_int_equal(t.lost_err, PGW_E_REDIS_CONNECT);
}

static void gives_up_names_that_do_not_resolve(void **state)
{
        (void)state;
        open_client((struct pgw_redis_address){.host = "no such host", .port = "6379"}, 10);
        TURN_UNTIL(t.lost == 1);
        assert_int_equal(t.lost_err, PGW_E_REDIS_CONNECT);
}

static int start_all(void **state)
{
        (void)state;
        if (!mkdtemp(directory))
                return -1;
        snprintf(real_path, sizeof real_path, "%s/redis.sock", directory);
        snprintf(fake_path, sizeof fake_path, "%s/fake.sock", directory);
        start_server();
        return 0;
}

static int stop_all(void **state)
{
        char log_path[64];

        (void)state;
        stop_server();
        snprintf(log_path, sizeof log_path, "%s/redis.log", directory);
        unlink(log_path);
        unlink(real_path);
        unlink(fake_path);
        return rmdir(directory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(answers_in_order),
            TEST(carries_any_bytes),
            TEST(passes_errors_on_and_goes_on),
            TEST(selects_its_database),
            TEST(says_when_there_is_no_such_database),
            TEST(authenticates),
            TEST(refuses_before_it_is_ready),
            TEST(refuses_more_than_may_be_in_flight),
            TEST(refuses_more_than_may_be_written),
            TEST(waits_longer_for_a_slow_command),
            TEST(gives_up_replies_past_the_bound),
            TEST(cancels_what_is_in_flight_on_close),
            TEST(notices_a_server_that_went_silent),
            TEST(comes_back_after_the_server_did),
            TEST(endless_line),
            TEST(promise_of_a_huge_array),
            TEST(promise_of_a_huge_string),
            TEST(surplus_reply),
            TEST(surplus_reply_unasked),
            TEST(half_a_reply_and_the_end),
            TEST(one_reply_and_the_end),
            TEST(resp3),
            TEST(resp3_push),
            TEST(silence),
            TEST(a_reply_that_drips),
            TEST(a_reply_byte_by_byte),
            TEST(a_quick_command_behind_a_slow_one),
            TEST(a_handshake_that_fails),
            TEST(pauses_longer_after_each_failure),
            TEST(speaks_over_tcp),
            TEST(gives_up_names_that_do_not_resolve),
        };

        return cmocka_run_group_tests(tests, start_all, stop_all);
}
