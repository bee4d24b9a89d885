/* Jobs that replicas are to confirm, on a link that is full, and on one that goes. */
#include "client_rig.h"

#include "domain/intake.h"

#define ADDED    "$3\r\n1-1\r\n"
#define LINK_MAX 100              /* as open_fake() says */
#define A_WAIT   "$4\r\nWAIT\r\n" /* not the word in a script */

static struct pgw_intake *intake;
static struct pgw_keyspace keyspace;
static size_t confirmed, failed;
static enum pgw_err last_err;

static void on_put(void *ctx, enum pgw_err err, const struct pgw_intake_job *job)
{
        (void)ctx;
        assert_int_equal(job == NULL, err != PGW_OK);
        confirmed += !err;
        failed += err != PGW_OK;
        if (err)
                last_err = err;
}

static enum pgw_err put(struct pgw_str key)
{
        const struct pgw_invalidation inv = {.lane = PGW_LANE_HIGH, .keys = &key, .key_count = 1};

        return pgw_intake_put(intake, &inv, on_put, NULL);
}

static size_t put_all(struct pgw_str key, size_t at_most)
{
        size_t count = 0;

        while (count < at_most && put(key) == PGW_OK)
                count++;
        return count;
}

static size_t heard(const char *words)
{
        const char *at = fake.got;
        size_t count = 0;

        while ((at = memmem(at, fake.got_size - (size_t)(at - fake.got), words, strlen(words)))) {
                count++;
                at += strlen(words);
        }
        return count;
}

static void say_added(size_t count)
{
        for (size_t i = 0; i < count; i++)
                fake_say(ADDED, strlen(ADDED));
}

static void begin(void)
{
        const struct pgw_intake_conf conf = {.durability = PGW_DURABILITY_REPLICATED,
                                             .replicas = 1,
                                             .replica_wait_ms = 100,
                                             .selectors_max = WRITE_MAX};

        confirmed = failed = 0;
        assert_int_equal(pgw_keyspace_init(&keyspace, "main"), PGW_OK);
        open_fake();
        intake = pgw_intake_new(t.loop, t.redis, &keyspace, &conf);
}

static void end(void)
{
        pgw_redis_close(t.redis);
        t.redis = NULL;
        pgw_intake_free(intake);
}

static void asks_replicas_though_the_link_is_full(void **state)
{
        (void)state;
        begin();
        assert_int_equal(put_all(PGW_STR("k"), 2 * LINK_MAX), LINK_MAX);
        TURN_UNTIL(heard("XADD") == LINK_MAX && heard(A_WAIT) == 1);
        /* What is refused meanwhile asks for nothing more. */
        for (int i = 0; i < 3 * PGW_REDIS_RESERVE; i++) {
                assert_int_equal(put(PGW_STR("k")), PGW_E_REDIS_FULL);
                turn();
        }
        say_added(LINK_MAX);
        fake_say(":1\r\n", 4);
        TURN_UNTIL(confirmed + failed == LINK_MAX);
        assert_int_equal(failed, 0);
        assert_int_equal(heard(A_WAIT), 1);
        end();
}

static void asks_replicas_for_what_an_earlier_request_left(void **state)
{
        static const char found[] = "*2\r\n:0\r\n$22\r\nAAAAAAAAAAAAAAAAAAAAAA\r\n";
        struct pgw_once once = {.ttl_ms = 0};

        (void)state;
        memset(once.name, 'n', sizeof once.name);
        memset(once.fingerprint, 'A', sizeof once.fingerprint);
        begin();
        assert_int_equal(pgw_intake_ask(intake, &once, on_put, NULL), PGW_OK);
        TURN_UNTIL(heard(A_WAIT) == 1);
        fake_say(found, strlen(found));
        fake_say(":1\r\n", 4);
        TURN_UNTIL(confirmed + failed == 1);
        end();
}

static void asks_replicas_though_the_link_has_no_room_for_bytes(void **state)
{
        static char large[WRITE_MAX];
        size_t count = 0;

        (void)state;
        memset(large, 'x', sizeof large);
        begin();
        /* To the last byte. */
        for (size_t size = sizeof large; size > 0;) {
                if (put(pgw_str_of(large, size)) == PGW_OK)
                        count++;
                else
                        size /= 2;
        }
        assert_in_range(count, 1, LINK_MAX - 1);
        TURN_UNTIL(heard(A_WAIT) == 1);
        say_added(count);
        fake_say(":1\r\n", 4);
        TURN_UNTIL(confirmed == count);
        end();
}

/* What the next link has to say is about what was put there. */
static void confirms_nothing_that_a_lost_link_left_unconfirmed(void **state)
{
        (void)state;
        begin();
        assert_int_equal(put_all(PGW_STR("k"), LINK_MAX), LINK_MAX);
        TURN_UNTIL(heard("XADD") == LINK_MAX);
        say_added(LINK_MAX);
        fake_hang_up();
        TURN_UNTIL(failed == LINK_MAX);
        assert_int_equal(last_err, PGW_E_REDIS_CLOSED);
        TURN_UNTIL(fake_heard("PING\r\n"));
        fake_say(HELLO, strlen(HELLO));
        TURN_UNTIL(t.ready);
        assert_int_equal(put_all(PGW_STR("k"), 1), 1);
        TURN_UNTIL(heard(A_WAIT) == 1);
        say_added(1);
        fake_say(":1\r\n", 4);
        TURN_UNTIL(confirmed == 1);
        assert_int_equal(failed, LINK_MAX);
        end();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(asks_replicas_though_the_link_is_full),
            TEST(asks_replicas_for_what_an_earlier_request_left),
            TEST(asks_replicas_though_the_link_has_no_room_for_bytes),
            TEST(confirms_nothing_that_a_lost_link_left_unconfirmed),
        };

        return cmocka_run_group_tests_name("intake", tests, start_all, stop_all);
}
