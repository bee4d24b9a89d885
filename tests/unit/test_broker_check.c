/* What a broker says of itself, and whether that is enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "domain/broker_check.h"

static const struct pgw_broker_facts good = {
    .eviction = "noeviction",
    .appendonly = "yes",
    .appendfsync = "always",
    .role = "master",
    .replicas = 2,
};

static void reads_info(void **state)
{
        static const char info[] =
            "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n\r\n# Clients\r\n"
            "connected_clients:12\r\nblocked_clients:3\r\n"
            "# Memory\r\nused_memory:1024\r\nused_memory_human:1K\r\n"
            "maxmemory:4096\r\nmaxmemory_policy:noeviction\r\n"
            "mem_fragmentation_ratio:1.25\r\n"
            "# Persistence\r\nloading:0\r\nasync_loading:1\r\n"
            "aof_rewrite_in_progress:1\r\naof_rewrite_scheduled:0\r\n"
            "# Stats\r\nevicted_keys:7\r\n"
            "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
            "slave0:ip=127.0.0.1,port=1,state=online,offset=1,lag=0\r\n";
        struct pgw_broker_facts f = {.appendonly = "yes", .loading = true};

        (void)state;
        pgw_broker_facts_info(&f, pgw_str_z(info));
        assert_string_equal(f.eviction, "noeviction");
        assert_string_equal(f.appendonly, "yes");
        assert_string_equal(f.role, "master");
        assert_int_equal(f.replicas, 2);
        assert_false(f.loading);
        assert_int_equal(f.evicted_keys, 7);
        assert_int_equal(f.blocked_clients, 3);
        assert_int_equal(f.clients, 12);
        assert_int_equal(f.used_bytes, 1024);
        assert_int_equal(f.max_bytes, 4096);
        assert_int_equal(f.fragmentation, 125);
        assert_string_equal(f.run_id, "abc");
        assert_int_equal(f.is_rewriting, 1);
        assert_int_equal(f.rewrite_scheduled, 0);
}

static void survives_an_info_that_is_none(void **state)
{
        struct pgw_broker_facts f = good;
        struct {
                struct pgw_broker_facts facts;
                char guard[8];
        } room = {.guard = "guarded"};
        char text[4096] = "maxmemory_policy:";

        (void)state;
        pgw_broker_facts_info(&f, (struct pgw_str){NULL, 0});
        pgw_broker_facts_info(&f, PGW_STR("\n\n:\n::\r\nrole"));
        assert_memory_equal(&f, &good, sizeof f);

        pgw_broker_facts_info(&f, PGW_STR("connected_clients:-5\nused_memory:1x\nmaxmemory:\n"
                                          "loading:1\n"));
        assert_int_equal(f.clients, 0);
        assert_int_equal(f.used_bytes, 0);
        assert_int_equal(f.max_bytes, 0);
        assert_true(f.loading);

        static const char *const ratios[] = {"-1", "nan", "inf", "1e300", "x", ""};
        for (size_t i = 0; i < sizeof ratios / sizeof ratios[0]; i++) {
                char line[64];
                const int n =
                    snprintf(line, sizeof line, "mem_fragmentation_ratio:%s\n", ratios[i]);
                f.fragmentation = 7;
                pgw_broker_facts_info(&f, pgw_str_of(line, (size_t)n));
                assert_int_equal(f.fragmentation, 0);
        }

        /* A value of any length is cut to its field. */
        memset(text + 17, 'p', sizeof text - 17);
        memcpy(text + 3000, "\nrole:", 6);
        text[sizeof text - 1] = '\n';
        pgw_broker_facts_info(&room.facts, pgw_str_of(text, sizeof text));
        assert_int_equal(strlen(room.facts.eviction), sizeof room.facts.eviction - 1);
        assert_int_equal(strlen(room.facts.role), sizeof room.facts.role - 1);
        assert_string_equal(room.guard, "guarded");
}

static void passes_what_is_good(void **state)
{
        struct pgw_broker_demands d = {PGW_DURABILITY_FSYNC, 0, false};
        struct pgw_broker_facts f = good;

        (void)state;
        assert_int_equal(pgw_broker_judge(&f, &d, NULL), PGW_OK);
        d = (struct pgw_broker_demands){PGW_DURABILITY_REPLICATED, 2, false};
        assert_int_equal(pgw_broker_judge(&f, &d, NULL), PGW_OK);

        /* What is not promised is not asked for. */
        d.durability = PGW_DURABILITY_MEMORY;
        f.replicas = 0;
        f.appendonly[0] = f.appendfsync[0] = '\0';
        assert_int_equal(pgw_broker_judge(&f, &d, NULL), PGW_OK);
}

/* The verdict, and words that the fault must hold. */
static void refused(const struct pgw_broker_facts *f, enum pgw_durability durability,
                    enum pgw_err err, const char *pointer, const char *words)
{
        const struct pgw_broker_demands d = {durability, 3, false};
        struct pgw_fault fault = {"", ""};

        assert_int_equal(pgw_broker_judge(f, &d, &fault), err);
        assert_int_equal(pgw_broker_judge(f, &d, NULL), err);
        assert_string_equal(fault.pointer, pointer);
        if (!strstr(fault.detail, words))
                fail_msg("'%s' is not in: %s", words, fault.detail);
}

static void refuses_a_server_that_is_not_there_yet(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        f.loading = true;
        refused(&f, PGW_DURABILITY_MEMORY, PGW_E_REDIS_LOADING, "broker", "loading");
        f = good;
        memcpy(f.role, "slave", 6);
        refused(&f, PGW_DURABILITY_MEMORY, PGW_E_REDIS_READONLY, "broker.url", "replica");
}

static void refuses_eviction(void **state)
{
        static const char *const policies[] = {"allkeys-lru", "volatile-ttl", "volatile-random"};
        const struct pgw_broker_demands allowed = {PGW_DURABILITY_MEMORY, 0, true};
        struct pgw_broker_facts f = good;

        (void)state;
        for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
                memcpy(f.eviction, policies[i], strlen(policies[i]) + 1);
                refused(&f, PGW_DURABILITY_MEMORY, PGW_E_EVICTION, "broker", policies[i]);
                refused(&f, PGW_DURABILITY_MEMORY, PGW_E_EVICTION, "broker",
                        "CONFIG SET maxmemory-policy noeviction");
                assert_int_equal(pgw_broker_judge(&f, &allowed, NULL), PGW_OK);
        }
        f.eviction[0] = '\0';
        refused(&f, PGW_DURABILITY_MEMORY, PGW_E_EVICTION, "broker", "unknown");
}

static void refuses_fsync_that_is_not(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        memcpy(f.appendonly, "no", 3);
        refused(&f, PGW_DURABILITY_FSYNC, PGW_E_DURABILITY, "broker.durability", "appendonly no");
        f = good;
        memcpy(f.appendfsync, "everysec", 9);
        refused(&f, PGW_DURABILITY_FSYNC, PGW_E_DURABILITY, "broker.durability",
                "appendfsync everysec");
        refused(&f, PGW_DURABILITY_FSYNC, PGW_E_DURABILITY, "broker.durability",
                "set broker.durability to 'memory'");
        f = good;
        f.appendonly[0] = f.appendfsync[0] = '\0';
        refused(&f, PGW_DURABILITY_FSYNC, PGW_E_DURABILITY, "broker.durability", "CONFIG");
        refused(&f, PGW_DURABILITY_FSYNC, PGW_E_DURABILITY, "broker.durability",
                "cannot be verified");
}

static void refuses_fsync_that_rests(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        pgw_broker_facts_config(&f, PGW_STR("no-appendfsync-on-rewrite"), PGW_STR("yes"));
        refused(&f, PGW_DURABILITY_FSYNC, PGW_E_DURABILITY, "broker.durability",
                "CONFIG SET no-appendfsync-on-rewrite no");
        pgw_broker_facts_config(&f, PGW_STR("no-appendfsync-on-rewrite"), PGW_STR("no"));
        const struct pgw_broker_demands d = {PGW_DURABILITY_FSYNC, 0, false};
        assert_int_equal(pgw_broker_judge(&f, &d, NULL), PGW_OK);
        f.aof_is_partial = true;
        refused(&f, PGW_DURABILITY_FSYNC, PGW_E_REDIS_MISCONF, "broker.durability",
                "not seen complete");
}

static void refuses_a_disk_that_takes_nothing(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        pgw_broker_facts_info(&f, PGW_STR("aof_last_write_status:ok\r\n"));
        assert_int_equal(pgw_broker_judge_disk(&f, NULL), PGW_OK);
        pgw_broker_facts_info(&f, PGW_STR("aof_last_write_status:err\r\n"));
        refused(&f, PGW_DURABILITY_FSYNC, PGW_E_REDIS_MISCONF, "broker", "is err");
        refused(&f, PGW_DURABILITY_MEMORY, PGW_E_REDIS_MISCONF, "broker", "disk");
}

static void refuses_too_few_replicas(void **state)
{
        struct pgw_broker_facts f = good;

        (void)state;
        refused(&f, PGW_DURABILITY_REPLICATED, PGW_E_REDIS_NOREPLICAS, "broker.replicas",
                "needs 3 replicas, the broker has 2");
        f.replicas = 3;
        const struct pgw_broker_demands d = {PGW_DURABILITY_REPLICATED, 3, false};
        assert_int_equal(pgw_broker_judge(&f, &d, NULL), PGW_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_info),
            cmocka_unit_test(survives_an_info_that_is_none),
            cmocka_unit_test(passes_what_is_good),
            cmocka_unit_test(refuses_a_server_that_is_not_there_yet),
            cmocka_unit_test(refuses_eviction),
            cmocka_unit_test(refuses_fsync_that_is_not),
            cmocka_unit_test(refuses_fsync_that_rests),
            cmocka_unit_test(refuses_a_disk_that_takes_nothing),
            cmocka_unit_test(refuses_too_few_replicas),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
