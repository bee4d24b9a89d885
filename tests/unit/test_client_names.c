/* The Redis client and names: with several addresses, and looked up by a slow name server. */
#include "../support/names.h"
#include "client_rig.h"

static char port[8];

static void listen_on_localhost(void)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;

        fake_listen((struct sockaddr *)&at, sizeof at);
        assert_int_equal(getsockname(fake.listener, (struct sockaddr *)&at, &size), 0);
        snprintf(port, sizeof port, "%u", (unsigned)ntohs(at.sin_port));
}

static void greet(void)
{
        TURN_UNTIL(fake_heard("PING\r\n"));
        fake_say(HELLO, strlen(HELLO));
        TURN_UNTIL(t.ready);
}

static void goes_where_somebody_listens(void **state)
{
        (void)state;
        listen_on_localhost();
        open_client((struct pgw_redis_address){.host = "two.test", .port = port}, 10);
        greet();
        assert_int_equal(t.lost, 0);
        /* Wherever the next attempt begins. */
        for (unsigned lost = 1; lost < 4; lost++) {
                t.ready = false;
                fake_hang_up();
                TURN_UNTIL(t.lost == lost);
                greet();
                assert_int_equal(t.lost, lost);
        }
}

static void says_why_nobody_was_reached(void **state)
{
        (void)state;
        listen_on_localhost();
        close(fake.listener);
        fake.listener = -1;
        open_client((struct pgw_redis_address){.host = "two.test", .port = port}, 10);
        TURN_UNTIL(t.lost == 2);
        assert_int_equal(t.lost_err, PGW_E_REDIS_CONNECT);
        assert_string_equal(pgw_redis_reason(t.redis), "Connection refused");
}

static void is_not_patient_with_names(void **state)
{
        (void)state;
        const uint64_t begun_ms = pgw_mono_ms();
        open_client((struct pgw_redis_address){.host = "a.slow.test", .port = "6379"}, 10);
        TURN_UNTIL(t.lost == 2);
        assert_in_range(pgw_mono_ms() - begun_ms, 2 * TIMEOUT_MS, NAMES_SLOW_MS / 2);
        assert_int_equal(t.lost_err, PGW_E_REDIS_CONNECT);
        assert_non_null(strstr(pgw_redis_reason(t.redis), "in time"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(goes_where_somebody_listens),
            TEST(says_why_nobody_was_reached),
            TEST(is_not_patient_with_names),
        };

        return cmocka_run_group_tests(tests, start_all, stop_all);
}
