/* What is wrong with a broker: found, said once, and over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domain/broker_alarm.h"

static const struct pgw_broker_facts good = {.eviction = "noeviction",
                                             .appendonly = "yes",
                                             .appendfsync = "always",
                                             .role = "master",
                                             .aof_write = "ok",
                                             .aof_rewrite = "ok",
                                             .rdb_save = "ok",
                                             .save = "3600 1",
                                             .clients = 100,
                                             .evicted_keys = 5,
                                             .rejected_connections = 5,
                                             .used_bytes = 100u << 20,
                                             .fragmentation = 110};
static const struct pgw_broker_demands demands = {PGW_DURABILITY_FSYNC, 0, false};
static const struct pgw_alarm_limits limits = {15, 150};
static struct pgw_broker_alarms alarms;
static struct pgw_loss loss;

static int begin(void **state)
{
        (void)state;
        loss = (struct pgw_loss){.count = 0};
        pgw_broker_alarms_init(&alarms, &demands, &limits);
        return pgw_broker_alarms_look(&alarms, &good, &loss, 1000) != 0;
}

static unsigned look(const struct pgw_broker_facts *f, uint64_t ms)
{
        return pgw_broker_alarms_look(&alarms, f, &loss, ms);
}

/* Begins with these facts, stays while they do, and ends with good ones. */
static void comes_and_goes(const struct pgw_broker_facts *f, enum pgw_broker_alarm alarm,
                           const char *words)
{
        assert_int_equal(look(f, 2000), 1u << alarm);
        assert_true(alarms.is_on[alarm]);
        if (!strstr(alarms.faults[alarm].detail, words))
                fail_msg("'%s' is not in: %s", words, alarms.faults[alarm].detail);
        assert_int_equal(look(f, 7000), 0);
        assert_int_equal(look(f, 12000), 0);
        assert_int_equal(look(&good, 17000), 1u << alarm);
        assert_false(alarms.is_on[alarm]);
        assert_int_equal(look(&good, 22000), 0);
}

static void promises(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        memcpy(f.eviction, "allkeys-lru", 12);
        comes_and_goes(&f, PGW_ALARM_POLICY, "allkeys-lru");
        f = good;
        memcpy(f.appendfsync, "everysec", 9);
        comes_and_goes(&f, PGW_ALARM_DURABILITY, "everysec");
        f = good;
        memcpy(f.aof_write, "err", 4);
        comes_and_goes(&f, PGW_ALARM_AOF_WRITE, "aof_last_write_status");
        for (unsigned i = 0; i < PGW_ALARM_COUNT; i++)
                assert_int_equal(pgw_broker_alarm_breaks((enum pgw_broker_alarm)i),
                                 i == PGW_ALARM_POLICY || i == PGW_ALARM_DURABILITY ||
                                     i == PGW_ALARM_AOF_WRITE);
}

static void disk(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        memcpy(f.aof_rewrite, "err", 4);
        comes_and_goes(&f, PGW_ALARM_AOF_REWRITE, "append-only file");
        f = good;
        memcpy(f.rdb_save, "err", 4);
        comes_and_goes(&f, PGW_ALARM_RDB_SAVE, "save");
        /* Who saves nothing cannot fail at it. */
        f.save[0] = '\0';
        assert_int_equal(look(&f, 30000), 0);
}

static void blocked_clients_but_for_our_own(void **state)
{
        struct pgw_broker_facts f = good;
        const struct pgw_alarm_limits never = {0, 0};

        (void)state;
        f.blocked_clients = 15;
        assert_int_equal(look(&f, 2000), 0);
        f.blocked_clients = 16;
        comes_and_goes(&f, PGW_ALARM_BLOCKED, "16 of the broker's 100 clients");
        f.own_blocked = 10;
        assert_int_equal(look(&f, 30000), 0);
        f.blocked_clients = 24; /* 14 of 90 */
        comes_and_goes(&f, PGW_ALARM_BLOCKED, "our 10 waiting workers");
        f.own_blocked = 30; /* the two were counted at different moments */
        assert_int_equal(look(&f, 40000), 0);
        f.own_blocked = 0;
        pgw_broker_alarms_init(&alarms, &demands, &never);
        assert_int_equal(look(&f, 50000), 0);
}

static void fragmentation_of_what_is_not_small(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        f.fragmentation = 150;
        assert_int_equal(look(&f, 2000), 0);
        f.fragmentation = 151;
        comes_and_goes(&f, PGW_ALARM_FRAGMENTED, "151 %");
        f.used_bytes = PGW_FRAGMENTED_MIN_BYTES - 1;
        f.fragmentation = 2000;
        assert_int_equal(look(&f, 30000), 0);
}

/* What grew in one look stays on until it has been calm for a while. */
static void ends_when_it_is_calm(struct pgw_broker_facts f, enum pgw_broker_alarm alarm,
                                 const char *words)
{
        uint64_t ms = 10000;

        assert_int_equal(look(&f, ms), 1u << alarm);
        if (!strstr(alarms.faults[alarm].detail, words))
                fail_msg("'%s' is not in: %s", words, alarms.faults[alarm].detail);
        assert_int_equal(look(&f, ms + PGW_ALARM_CALM_MS - 1), 0);
        assert_true(alarms.is_on[alarm]);
        assert_int_equal(look(&f, ms + PGW_ALARM_CALM_MS), 1u << alarm);
        assert_false(alarms.is_on[alarm]);
        assert_int_equal(look(&f, ms + 2 * PGW_ALARM_CALM_MS), 0);
}

static void counters_that_grow(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        f.evicted_keys = 8;
        ends_when_it_is_calm(f, PGW_ALARM_EVICTED, "evicted 3 keys more, 8 since");
        begin(NULL);
        f = good;
        f.rejected_connections = 6;
        ends_when_it_is_calm(f, PGW_ALARM_REJECTED, "1 connections more away, 6 since");
        begin(NULL);
        loss = (struct pgw_loss){1, PGW_LANE_LOW, 4, 2, false, 0};
        ends_when_it_is_calm(good, PGW_ALARM_QUEUE_LOST, "stream of lane low");
        begin(NULL);
        loss = (struct pgw_loss){1, PGW_LANE_HIGH, 4, 2, true, 0};
        ends_when_it_is_calm(good, PGW_ALARM_QUEUE_LOST, "group of lane high");
        begin(NULL);
        loss = (struct pgw_loss){.missed = 1};
        ends_when_it_is_calm(good, PGW_ALARM_QUEUE_LOST, "while workers held jobs");
}

static void growth_that_goes_on_begins_once(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        for (uint64_t ms = 5000, changes = 0; ms < 10 * PGW_ALARM_CALM_MS; ms += 5000) {
                f.evicted_keys++;
                changes += look(&f, ms) != 0;
                assert_int_equal(changes, 1);
        }
}

static void a_server_that_started_anew_has_not_grown(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        f.evicted_keys = f.rejected_connections = 3;
        assert_int_equal(look(&f, 2000), 0);
        f.evicted_keys = 4;
        assert_int_equal(look(&f, 7000), 1u << PGW_ALARM_EVICTED);
}

static void counts_our_own_readers(void **state)
{
        static const char list[] =
            "id=3 addr=/tmp/a:0 name=purgeway-host-12-0badcafe flags=b cmd=xreadgroup "
            "user=default\n"
            "id=4 addr=/tmp/a:0 name=purgeway-host-12-0badcafe flags=N cmd=xreadgroup "
            "user=default\n"
            "id=5 addr=/tmp/a:0 name=purgeway-host-12-0badcafe flags=b cmd=wait user=default\n"
            "id=6 addr=/tmp/a:0 name=other flags=b cmd=xreadgroup user=default\n"
            "id=7 addr=/tmp/a:0 name= flags=b cmd=brpop user=default\n"
            "id=8 addr=/tmp/a:0 name=purgeway-a-1-1 flags=tb cmd=xreadgroup\n"
            "\n = \ncmd=xreadgroup flags=b";
        struct pgw_broker_facts f = good;

        (void)state;
        pgw_broker_facts_clients(&f, pgw_str_z(list));
        assert_int_equal(f.own_blocked, 2);
        pgw_broker_facts_clients(&f, (struct pgw_str){NULL, 0});
        assert_int_equal(f.own_blocked, 0);
}

static void every_check_has_a_name(void **state)
{
        (void)state;
        assert_string_equal(pgw_broker_alarm_check(PGW_ALARM_EVICTED), "evicted_keys");
        for (unsigned i = 0; i < PGW_ALARM_COUNT; i++)
                for (unsigned k = 0; k < i; k++)
                        assert_string_not_equal(pgw_broker_alarm_check((enum pgw_broker_alarm)i),
                                                pgw_broker_alarm_check((enum pgw_broker_alarm)k));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup(promises, begin),
            cmocka_unit_test_setup(disk, begin),
            cmocka_unit_test_setup(blocked_clients_but_for_our_own, begin),
            cmocka_unit_test_setup(fragmentation_of_what_is_not_small, begin),
            cmocka_unit_test_setup(counters_that_grow, begin),
            cmocka_unit_test_setup(growth_that_goes_on_begins_once, begin),
            cmocka_unit_test_setup(a_server_that_started_anew_has_not_grown, begin),
            cmocka_unit_test(counts_our_own_readers),
            cmocka_unit_test(every_check_has_a_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
