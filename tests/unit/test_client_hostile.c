/* The Redis client against a server that does not play by the rules. */
#include "client_rig.h"

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
                usleep(2000);
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
        assert_int_equal(t.lost, 0);
        fake_say("+quick\r\n", 8);
        TURN_UNTIL(t.answers == 2);
        assert_int_equal(t.errs[1], PGW_OK);
        assert_int_equal(t.lost, 0);
}

/* Who reads nothing fills the room for what is to be written; what looks after the link finds some
 * all the same, and nobody else does. */
static void a_link_is_looked_after_when_it_is_full(void **state)
{
        static char argument[30000];

        (void)state;
        memset(argument, 'x', sizeof argument - 1);
        open_fake();
        for (size_t size = sizeof argument - 1; size > 0; size /= 2) {
                argument[size] = '\0';
                while (say(0, "ECHO", argument) == PGW_OK)
                        ;
        }
        assert_int_equal(say(0, "X", ""), PGW_E_REDIS_FULL);
        for (size_t i = 0; i < PGW_REDIS_RESERVE; i++) {
                pgw_redis_begin_reserved(t.redis, 2);
                pgw_redis_arg(t.redis, PGW_STR("CLUSTER"));
                pgw_redis_arg(t.redis, PGW_STR("SLOTS"));
                assert_int_equal(pgw_redis_end(t.redis, on_reply, NULL), PGW_OK);
                assert_int_equal(say(0, "X", ""), PGW_E_REDIS_FULL);
        }
        TURN_UNTIL(fake_heard("SLOTS"));
}

static void say_more(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        on_reply(ctx, err, reply);
        assert_int_equal(say(1, "ECHO", "second"), PGW_OK);
}

/* The callback of the first answer asks for more; what came with the first is no answer to that. */
static void a_reply_to_what_was_not_sent(void **state)
{
        (void)state;
        open_fake();
        assert_int_equal(pgw_redis_say(t.redis, say_more, NULL, "ECHO", "first", NULL), PGW_OK);
        TURN_UNTIL(fake_heard("first"));
        fake_say("+first\r\n+surplus\r\n", 19);
        TURN_UNTIL(t.lost == 1);
        assert_int_equal(t.lost_err, PGW_E_REDIS_PROTOCOL);
        assert_int_equal(t.answers, 2);
        assert_int_equal(t.errs[0], PGW_OK);
        assert_int_equal(t.errs[1], PGW_E_REDIS_PROTOCOL);
        assert_false(t.replied[1]);
}

static void says_why_there_is_nobody(void **state)
{
        (void)state;
        open_client((struct pgw_redis_address){.unix_path = "/nowhere/redis.sock"}, 10);
        TURN_UNTIL(t.lost == 1);
        assert_int_equal(t.lost_err, PGW_E_REDIS_CONNECT);
        assert_string_equal(pgw_redis_reason(t.redis), "No such file or directory");
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

int main(void)
{
        const struct CMUnitTest tests[] = {
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
            TEST(a_link_is_looked_after_when_it_is_full),
            TEST(a_reply_to_what_was_not_sent),
            TEST(a_handshake_that_fails),
            TEST(pauses_longer_after_each_failure),
            TEST(speaks_over_tcp),
            TEST(gives_up_names_that_do_not_resolve),
            TEST(says_why_there_is_nobody),
        };

        return cmocka_run_group_tests(tests, start_all, stop_all);
}
