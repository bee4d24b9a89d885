/* What an error reply means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "redis/fault.h"

static const struct {
        const char *text;
        enum pgw_err err;
} cases[] = {
    {"LOADING Redis is loading the dataset in memory", PGW_E_REDIS_LOADING},
    {"BUSY Redis is busy running a script. You can only call SCRIPT KILL.", PGW_E_REDIS_BUSY},
    {"READONLY You can't write against a read only replica.", PGW_E_REDIS_READONLY},
    {"MASTERDOWN Link with MASTER is down", PGW_E_REDIS_MASTERDOWN},
    {"CLUSTERDOWN The cluster is down", PGW_E_REDIS_CLUSTERDOWN},
    {"TRYAGAIN Multiple keys request during rehashing of slot", PGW_E_REDIS_TRYAGAIN},
    {"MOVED 3999 127.0.0.1:6381", PGW_E_REDIS_MOVED},
    {"ASK 3999 127.0.0.1:6381", PGW_E_REDIS_MOVED},
    {"UNBLOCKED force unblock from blocking operation", PGW_E_REDIS_TRYAGAIN},
    {"OOM command not allowed when used memory > 'maxmemory'.", PGW_E_REDIS_OOM},
    {"MISCONF Redis is configured to save RDB snapshots", PGW_E_REDIS_MISCONF},
    {"NOREPLICAS Not enough good replicas to write.", PGW_E_REDIS_NOREPLICAS},
    {"NOSCRIPT No matching script. Please use EVAL.", PGW_E_REDIS_NOSCRIPT},
    {"NOGROUP No such key 'x' or consumer group 'y'", PGW_E_REDIS_NOGROUP},
    {"NOAUTH Authentication required.", PGW_E_REDIS_AUTH},
    {"WRONGPASS invalid username-password pair or user is disabled.", PGW_E_REDIS_AUTH},
    {"NOPERM this user has no permissions to run the 'x' command", PGW_E_REDIS_NOPERM},
    {"WRONGTYPE Operation against a key holding the wrong kind of value", PGW_E_REDIS_WRONGTYPE},
    {"OOM", PGW_E_REDIS_OOM},
    /* Not listed, or only beginning like one that is. */
    {"ERR unknown command 'x'", PGW_E_REDIS_ERROR},
    {"ERR", PGW_E_REDIS_ERROR},
    {"", PGW_E_REDIS_ERROR},
    {" OOM", PGW_E_REDIS_ERROR},
    {"OOMPH is not out of memory", PGW_E_REDIS_ERROR},
    {"oom", PGW_E_REDIS_ERROR},
    {"ERR the word OOM stands in here", PGW_E_REDIS_ERROR},
    /* Raised inside a script: as Redis 7 says it, and as Redis 6 did. */
    {"OOM command not allowed when used memory > 'maxmemory'. script: f0, on @user_script:1.",
     PGW_E_REDIS_OOM},
    {"ERR Error running script (call to f_0): @user_script:2: -OOM command not allowed",
     PGW_E_REDIS_OOM},
    {"ERR Error running script (call to f_0): @user_script:2: -NOGROUP No such key",
     PGW_E_REDIS_NOGROUP},
    {"ERR Error running script (call to f_0): @user_script:2: @user_script: 2: Wrong number",
     PGW_E_REDIS_ERROR},
    {"ERR Error running script", PGW_E_REDIS_ERROR},
    {"ERR Error running script (call to f_0): -", PGW_E_REDIS_ERROR},
};

static void reads_the_first_word(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                if (pgw_redis_fault(pgw_str_z(cases[i].text)) != cases[i].err)
                        fail_msg("%s: %s", cases[i].text,
                                 pgw_err_name(pgw_redis_fault(pgw_str_z(cases[i].text))));
        assert_int_equal(pgw_redis_fault((struct pgw_str){NULL, 0}), PGW_E_REDIS_ERROR);
        assert_int_equal(pgw_redis_fault(PGW_STR("OOM\0x y")), PGW_E_REDIS_ERROR);
}

/* Server and network decide how long this text is: nesting must not cost stack. */
static void survives_a_long_chain_of_causes(void **state)
{
        static char text[65536];
        size_t n = 0;

        (void)state;
        while (n + 40 < sizeof text) {
                memcpy(text + n, "ERR Error running script:-", 26);
                n += 26;
        }
        memcpy(text + n, "OOM x", 5);
        assert_int_equal(pgw_redis_fault(pgw_str_of(text, n + 5)), PGW_E_REDIS_OOM);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_the_first_word),
            cmocka_unit_test(survives_a_long_chain_of_causes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
