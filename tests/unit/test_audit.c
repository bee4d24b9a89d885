/* Records of the audit: what is written can be read, whatever it holds, and what is read may have
 * been written by anybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "domain/audit.h"

static struct pgw_wire *wire;
static struct pgw_buf sent;

/* The reply that XRANGE would give of it. */
static enum pgw_err read_back(struct pgw_str record, struct pgw_audit *ret)
{
        const struct pgw_reply *reply = NULL;
        size_t used;

        pgw_buf_clear(&sent);
        assert_int_equal(
            pgw_buf_printf(&sent, "*2\r\n$3\r\n5-7\r\n*2\r\n$1\r\nd\r\n$%zu\r\n", record.n),
            PGW_OK);
        assert_int_equal(pgw_buf_add_str(&sent, record), PGW_OK);
        assert_int_equal(pgw_buf_add(&sent, "\r\n", 2), PGW_OK);
        assert_int_equal(pgw_wire_read(wire, pgw_buf_str(&sent), &reply, &used), PGW_OK);
        assert_non_null(reply);
        return pgw_audit_read(reply, ret);
}

static int set_up(void **state)
{
        static const struct pgw_wire_limits limits = {100, 1 << 20};

        (void)state;
        wire = pgw_wire_new(&limits);
        pgw_buf_init(&sent, 1 << 20);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pgw_wire_free(wire);
        pgw_buf_fini(&sent);
        return 0;
}

static struct pgw_str list_of(struct pgw_buf *out, size_t count, size_t size)
{
        static char bytes[5000];
        const struct pgw_str key = {bytes, size};

        pgw_buf_init(out, 1 << 20);
        for (size_t i = 0; i < count; i++)
                assert_int_equal(pgw_keys_encode(out, &key, 1), PGW_OK);
        return pgw_buf_str(out);
}

static void reads_what_it_wrote(void **state)
{
        struct pgw_buf keys, scratch, record;
        struct pgw_audit a, b;
        const struct pgw_entry e = {
            .id = {.entry = {1234, 5}, .nonce = 99},
            .keys = list_of(&keys, 3, 200),
            .key_count = 3,
            .targets = PGW_STR("eu,us"),
            .actor = PGW_STR("::1 shop"),
            .reason = PGW_STR("why"),
            .request_id = PGW_STR("id"),
            .hold_ms = 5,
        };

        (void)state;
        pgw_buf_init(&scratch, PGW_AUDIT_RECORD_MAX);
        pgw_buf_init(&record, PGW_AUDIT_RECORD_MAX);
        pgw_audit_of_entry(&e, &scratch, &a);
        a.has_end = true;
        a.state = PGW_JOB_FAILED;
        a.error = PGW_E_REDIS_OOM;
        a.attempts = 300;
        a.removed = UINT64_C(1) << 40;
        pgw_audit_write(&record, &a);
        assert_int_equal(read_back(pgw_buf_str(&record), &b), PGW_OK);
        assert_int_equal(b.id.ms, 5);
        assert_int_equal(b.action, PGW_AUDIT_PURGE);
        assert_true(b.has_job && b.job.entry.ms == 1234 && b.job.nonce == 99);
        assert_true(pgw_str_eq_z(b.targets, "eu,us") && pgw_str_eq_z(b.reason, "why"));
        assert_true(pgw_str_eq_z(b.request_id, "id") && pgw_str_eq_z(b.mode, "tombstone"));
        assert_true(b.has_end && b.state == PGW_JOB_FAILED && b.error == PGW_E_REDIS_OOM);
        assert_true(b.attempts == 300 && b.removed == UINT64_C(1) << 40 && b.missing == 0);
        assert_int_equal(b.key_count, 3);
        assert_true(pgw_str_eq(b.keys, e.keys) && b.digest.n == 0);
        struct pgw_str from, who;
        pgw_audit_who(b.actor, &from, &who);
        assert_true(pgw_str_eq_z(from, "::1") && pgw_str_eq_z(who, "shop"));
        pgw_buf_fini(&keys);
        pgw_buf_fini(&scratch);
        pgw_buf_fini(&record);
}

static void shows_some_and_hashes_all(void **state)
{
        static const struct {
                size_t count, size, shown;
        } lists[] = {{5, 1, 5},    {6, 1, 5},   {1000, 1, 5}, {1, 1022, 1}, {1, 1023, 0},
                     {1, 4096, 0}, {3, 500, 2}, {5, 202, 5},  {5, 203, 4}};

        (void)state;
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
                struct pgw_buf keys, sum;
                struct pgw_audit a;
                size_t shown;
                const struct pgw_audit_selectors s = {
                    .keys = list_of(&keys, lists[i].count, lists[i].size),
                    .key_count = lists[i].count};
                pgw_buf_init(&sum, PGW_AUDIT_RECORD_MAX);
                assert_int_equal(pgw_audit_sum(&sum, &s), PGW_OK);
                assert_true(sum.n < 1200);
                struct pgw_buf record;
                pgw_buf_init(&record, PGW_AUDIT_RECORD_MAX);
                pgw_audit_write(&record, &(struct pgw_audit){.sum = pgw_buf_str(&sum)});
                assert_int_equal(read_back(pgw_buf_str(&record), &a), PGW_OK);
                assert_int_equal(a.key_count, lists[i].count);
                assert_int_equal(pgw_keys_count(a.keys, &shown), PGW_OK);
                assert_int_equal(shown, lists[i].shown);
                assert_int_equal(a.digest.n, shown == lists[i].count ? 0 : PGW_AUDIT_DIGEST_SIZE);
                pgw_buf_fini(&keys);
                pgw_buf_fini(&sum);
                pgw_buf_fini(&record);
        }
}

static void takes_the_sum_that_is_there_if_it_is_one(void **state)
{
        static const struct {
                struct pgw_str sum;
                bool is_taken;
        } sums[] = {{{"\1K\2"
                      "77",
                      5},
                     true},
                    {{"\1K\2"
                      "7",
                      4},
                     false},
                    {{"\1K", 2}, false},
                    {{"\xff", 1}, false}};
        struct pgw_buf keys, scratch;

        (void)state;
        pgw_buf_init(&scratch, PGW_AUDIT_RECORD_MAX);
        const struct pgw_str list = list_of(&keys, 1, 1);
        for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
                const struct pgw_entry e = {.keys = list, .key_count = 1, .sum = sums[i].sum};
                struct pgw_audit a;
                pgw_audit_of_entry(&e, &scratch, &a);
                assert_int_equal(a.sum.p == sums[i].sum.p, sums[i].is_taken);
        }
        pgw_buf_fini(&keys);
        pgw_buf_fini(&scratch);
}

/* What is too long loses its end, and can still be read. */
static void cuts_what_is_too_long(void **state)
{
        struct pgw_buf record, keys;
        struct pgw_audit b;

        (void)state;
        pgw_buf_init(&record, PGW_AUDIT_RECORD_MAX);
        const struct pgw_str endless = list_of(&keys, 10, 4000);
        pgw_audit_write(&record, &(struct pgw_audit){.actor = PGW_STR("1.2.3.4"),
                                                     .reason = PGW_STR("why"),
                                                     .outcomes = endless});
        assert_int_equal(read_back(pgw_buf_str(&record), &b), PGW_OK);
        assert_true(pgw_str_eq_z(b.actor, "1.2.3.4") && pgw_str_eq_z(b.reason, "why"));
        assert_int_equal(b.outcomes.n, 0);
        pgw_buf_fini(&record);
        pgw_buf_fini(&keys);
}

static void refuses_what_is_no_record(void **state)
{
        static const struct pgw_str wrong[] = {
            {"", 0},
            {"x", 1},
            {"\1a", 2},
            {"\1a\3odd", 6},
            {"\1a\5purge\1s\3odd", 13},
            {"\1a\5purge\1j\3odd", 13},
            {"\1a\5purge\1N\1x", 11},
            {"\1a\5purge\1K\2-1", 12},
            {"\1a\5purge\xff\xff\xff\xff\xff\xff", 13},
        };

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
                struct pgw_audit a;
                assert_int_equal(read_back(wrong[i], &a), PGW_E_CODEC);
                assert_int_equal(a.id.ms, 5);
        }
        struct pgw_audit a;
        assert_int_equal(read_back(PGW_STR("\1a\5pause\2zz\1x\1\x7f\1x\1\xc3\1x"), &a), PGW_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_what_it_wrote),
            cmocka_unit_test(shows_some_and_hashes_all),
            cmocka_unit_test(takes_the_sum_that_is_there_if_it_is_one),
            cmocka_unit_test(cuts_what_is_too_long),
            cmocka_unit_test(refuses_what_is_no_record),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
