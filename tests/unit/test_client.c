/* The Redis client against a real server. */
#include "client_rig.h"

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
        TURN_UNTIL(t.answers == 2);
        assert_int_equal(t.text_size, key.n);
        assert_memory_equal(t.text, key.p, key.n);
        pgw_redis_begin(t.redis, 2);
        pgw_redis_arg(t.redis, PGW_STR("ECHO"));
        pgw_redis_arg_u64(t.redis, UINT64_MAX);
        assert_int_equal(pgw_redis_end(t.redis, on_reply, NULL), PGW_OK);
        TURN_UNTIL(t.answers == 3);
        assert_string_equal(t.text, "18446744073709551615");
}

static void passes_errors_on_and_goes_on(void **state)
{
        (void)state;
        open_real(10);
        assert_int_equal(pgw_redis_say(t.redis, on_reply, NULL, "SET", "string", "x", NULL),
                         PGW_OK);
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
        assert_int_equal(pgw_redis_say(t.redis, on_reply, NULL, "SET", "in-three", "x", NULL),
                         PGW_OK);
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
        assert_int_equal(
            pgw_redis_say(t.redis, on_reply, NULL, "CONFIG", "SET", "requirepass", "se cret", NULL),
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
        assert_int_equal(
            pgw_redis_say(t.redis, on_reply, NULL, "CONFIG", "SET", "requirepass", "", NULL),
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
        assert_int_equal(
            pgw_redis_say(t.redis, on_reply, NULL, "SETRANGE", "large", "100000", "x", NULL),
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
        };

        return cmocka_run_group_tests(tests, start_all, stop_all);
}
