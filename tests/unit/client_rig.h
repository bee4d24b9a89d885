/* The rig of the client's tests: one client, a real redis-server, and a server that says
 * what the test tells it to.
 *
 * The second is a socket of this very thread, served between the turns of the loop, so each
 * test says exactly which bytes come when. Each test has a fresh client and loop (set_up,
 * tear_down); the directory and the real server are there for all of them (start_all,
 * stop_all). Included by one .c per executable.
 */
#ifndef PGW_TESTS_CLIENT_RIG_H
#define PGW_TESTS_CLIENT_RIG_H

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
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

static inline void start_server(void)
{
        server = fork();
        assert_true(server >= 0);
        if (server == 0) {
                /* A test that is killed must not leave it behind. */
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", real_path,
                       "--save", "", "--appendonly", "no", "--dir", directory, "--logfile",
                       "redis.log", (char *)NULL);
                _exit(127);
        }
        for (int i = 0; i < PATIENCE_MS / 10 && access(real_path, F_OK) != 0; i++)
                usleep(10000);
}

static inline void stop_server(void)
{
        if (server <= 0)
                return;
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        server = -1;
        unlink(real_path);
}

static inline void fake_listen(const struct sockaddr *addr, socklen_t size)
{
        fake.listener = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fake.listener >= 0);
        assert_int_equal(bind(fake.listener, addr, size), 0);
        assert_int_equal(listen(fake.listener, 8), 0);
}

static inline void fake_open(void)
{
        struct sockaddr_un sun = {.sun_family = AF_UNIX};

        memcpy(sun.sun_path, fake_path, strlen(fake_path) + 1);
        unlink(fake_path);
        fake_listen((struct sockaddr *)&sun, sizeof sun);
}

static inline void fake_hang_up(void)
{
        if (fake.conn >= 0)
                close(fake.conn);
        fake.conn = -1;
        fake.got_size = 0;
}

/* Accept, and take what has come. */
static inline void fake_serve(void)
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

static inline void fake_say(const void *bytes, size_t size)
{
        assert_int_equal(send(fake.conn, bytes, size, MSG_NOSIGNAL), size);
}

static inline bool fake_heard(const char *words)
{
        return memmem(fake.got, fake.got_size, words, strlen(words)) != NULL;
}

/* ---- the client ---- */

static inline void on_state(void *ctx, bool ready, enum pgw_err err)
{
        (void)ctx;
        t.ready = ready;
        if (!ready) {
                t.lost++;
                t.lost_err = err;
        }
}

static inline void on_room(void *ctx)
{
        (void)ctx;
        t.rooms++;
}

/* `ctx` is the number of the command, from 1. */
static inline void on_reply(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
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

static inline void open_client(struct pgw_redis_address address, size_t in_flight_max)
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

static inline void turn(void)
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

static inline void turn_for(uint64_t ms)
{
        const uint64_t end_ms = pgw_mono_ms() + ms;

        while (pgw_mono_ms() < end_ms)
                turn();
}

static inline void open_real(size_t in_flight_max)
{
        open_client((struct pgw_redis_address){.unix_path = real_path}, in_flight_max);
        TURN_UNTIL(t.ready);
}

static inline void open_fake(void)
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

static inline enum pgw_err say(size_t number, const char *verb, const char *arg)
{
        return pgw_redis_say(t.redis, on_reply, (void *)(uintptr_t)number, verb, arg, NULL);
}

static inline int set_up(void **state)
{
        (void)state;
        memset(&t, 0, sizeof t);
        memset(&fake, 0, sizeof fake);
        fake.listener = fake.conn = -1;
        t.loop = pgw_loop_new();
        t.resolver = pgw_resolver_new(t.loop);
        return 0;
}

static inline int tear_down(void **state)
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

static inline int start_all(void **state)
{
        (void)state;
        if (!mkdtemp(directory))
                return -1;
        snprintf(real_path, sizeof real_path, "%s/redis.sock", directory);
        snprintf(fake_path, sizeof fake_path, "%s/fake.sock", directory);
        start_server();
        return 0;
}

static inline int stop_all(void **state)
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

#endif
