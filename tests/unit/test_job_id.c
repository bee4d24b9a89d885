/* The name of a job: one text for each, and nothing else is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"
#include "domain/job_id.h"

static bool same(const struct pgw_job_id *a, const struct pgw_job_id *b)
{
        return a->lane == b->lane && a->partition == b->partition && a->entry.ms == b->entry.ms &&
               a->entry.seq == b->entry.seq && a->nonce == b->nonce;
}

static void has_a_fixed_form(void **state)
{
        const struct pgw_job_id id = {
            PGW_LANE_NORMAL, 0x0203, {0x040506070809u, 0x0a0b0c0du}, 0x0e0f101112131415u};
        unsigned char bytes[24];
        char text[PGW_JOB_ID_SIZE + 1];
        size_t size;

        (void)state;
        text[PGW_JOB_ID_SIZE] = '#';
        pgw_job_id_text(&id, text);
        assert_int_equal(text[PGW_JOB_ID_SIZE], '#');
        assert_memory_equal(text, "EQIDBAUGBwgJCgsMDQ4PEBESExQV", PGW_JOB_ID_SIZE);
        assert_int_equal(pgw_unbase64url(pgw_str_of(text, PGW_JOB_ID_SIZE), bytes, &size), PGW_OK);
        assert_int_equal(size, 21);
        assert_int_equal(bytes[0], 0x11);
        for (unsigned i = 1; i < 21; i++)
                assert_int_equal(bytes[i], i + 1);
}

static void comes_back_whole(void **state)
{
        static const struct pgw_job_id ids[] = {
            {PGW_LANE_HIGH, 0, {0, 0}, 0},
            {PGW_LANE_LOW, UINT16_MAX, {(UINT64_C(1) << 48) - 1, UINT32_MAX}, UINT64_MAX},
            {PGW_LANE_NORMAL, 1, {1790000000123, 1}, UINT64_C(1) << 63},
        };

        (void)state;
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
                struct pgw_job_id back;
                char text[PGW_JOB_ID_SIZE];
                pgw_job_id_text(&ids[i], text);
                assert_int_equal(pgw_job_id_parse(pgw_str_of(text, sizeof text), &back), PGW_OK);
                assert_true(same(&ids[i], &back));
        }
}

/* Whatever is accepted is written again exactly as it was read. */
static void has_one_text_only(void **state)
{
        const struct pgw_job_id id = {PGW_LANE_LOW, 7, {1790000000123, 42}, 0x1122334455667788};
        char text[PGW_JOB_ID_SIZE], again[PGW_JOB_ID_SIZE];

        (void)state;
        for (size_t at = 0; at < PGW_JOB_ID_SIZE; at++) {
                unsigned accepted = 0;
                for (unsigned c = 0; c < 256; c++) {
                        struct pgw_job_id back;
                        pgw_job_id_text(&id, text);
                        text[at] = (char)c;
                        if (pgw_job_id_parse(pgw_str_of(text, sizeof text), &back)) {
                                continue;
                        }
                        accepted++;
                        pgw_job_id_text(&back, again);
                        assert_memory_equal(again, text, sizeof text);
                }
                /* The first character holds the form and two bits of the lane, the second the
                 * rest of the lane; every other is free. */
                assert_int_equal(accepted, at == 0 ? 1 : at == 1 ? 48 : 64);
        }
}

static void refuses_everything_else(void **state)
{
        struct pgw_job_id id = {PGW_LANE_LOW, 9, {8, 7}, 6};
        const struct pgw_job_id before = id;
        static const char *const bad[] = {
            "",
            "x",
            "EQIDBAUGBwgJCgsMDQ4PEBESExQ",
            "EQIDBAUGBwgJCgsMDQ4PEBESExQVA",
            "EQIDBAUGBwgJCgsMDQ4PEBESExQ=",
            "EQIDBAUGBwgJCgsMDQ4PEBESEx+V",
            "AQIDBAUGBwgJCgsMDQ4PEBESExQV",
            "IQIDBAUGBwgJCgsMDQ4PEBESExQV",
            "EwIDBAUGBwgJCgsMDQ4PEBESExQV",
            "HwIDBAUGBwgJCgsMDQ4PEBESExQV",
            "8QIDBAUGBwgJCgsMDQ4PEBESExQV",
        };

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_job_id_parse(pgw_str_z(bad[i]), &id), PGW_E_NO_JOB);
        assert_int_equal(pgw_job_id_parse((struct pgw_str){NULL, 0}, &id), PGW_E_NO_JOB);
        assert_true(same(&id, &before));
}

static void reads_entry_ids(void **state)
{
        static const struct {
                const char *text;
                struct pgw_entry_id id;
        } good[] = {
            {"0-0", {0, 0}},
            {"1790000000123-0", {1790000000123, 0}},
            {"281474976710655-4294967295", {(UINT64_C(1) << 48) - 1, UINT32_MAX}},
        };

        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
                struct pgw_entry_id id = {5, 5};
                char text[PGW_ENTRY_ID_SIZE];
                assert_int_equal(pgw_entry_id_parse(pgw_str_z(good[i].text), &id), PGW_OK);
                assert_true(id.ms == good[i].id.ms && id.seq == good[i].id.seq);
                const size_t n = pgw_entry_id_text(id, text);
                assert_true(pgw_str_eq_z(pgw_str_of(text, n), good[i].text));
        }
}

static void refuses_other_entry_ids(void **state)
{
        static const char *const bad[] = {"",
                                          "1",
                                          "-",
                                          "1-",
                                          "-1",
                                          "1-2-3",
                                          "1--2",
                                          " 1-2",
                                          "1-2 ",
                                          "a-1",
                                          "1-a",
                                          "+1-1",
                                          "281474976710656-0",
                                          "1-4294967296",
                                          "18446744073709551616-0"};
        struct pgw_entry_id id = {5, 6};

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_entry_id_parse(pgw_str_z(bad[i]), &id), PGW_E_CODEC);
        assert_true(id.ms == 5 && id.seq == 6);
}

static void writes_and_reads_nonces(void **state)
{
        static const char *const bad[] = {"", "0123456789abcde", "0123456789abcdef0",
                                          "0123456789abcdeg", " 123456789abcdef"};
        char text[PGW_NONCE_SIZE + 1] = {[PGW_NONCE_SIZE] = '#'};
        uint64_t nonce = 0;

        (void)state;
        pgw_nonce_text(0x0123456789abcdef, text);
        assert_memory_equal(text, "0123456789abcdef#", sizeof text);
        assert_int_equal(pgw_nonce_parse(PGW_STR("fedcba9876543210"), &nonce), PGW_OK);
        assert_true(nonce == 0xfedcba9876543210);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_nonce_parse(pgw_str_z(bad[i]), &nonce), PGW_E_CODEC);
        assert_true(nonce == 0xfedcba9876543210);
}

static void nonces_have_the_mark_of_the_owner(void **state)
{
        const uint32_t mark = 0xdeadbeef;
        uint64_t all = 0, none = UINT64_MAX;

        (void)state;
        for (int i = 0; i < 200; i++) {
                const uint64_t nonce = pgw_nonce_make(&mark);
                assert_int_equal(pgw_nonce_mark(nonce), mark);
                all |= nonce;
                none &= nonce;
        }
        /* The other half is random, and without an owner all of it is. */
        assert_int_equal((uint32_t)all, UINT32_MAX);
        assert_int_equal((uint32_t)none, 0);
        assert_false(pgw_nonce_mark(pgw_nonce_make(NULL)) == pgw_nonce_mark(pgw_nonce_make(NULL)) &&
                     pgw_nonce_mark(pgw_nonce_make(NULL)) == pgw_nonce_mark(pgw_nonce_make(NULL)));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(has_a_fixed_form),
            cmocka_unit_test(comes_back_whole),
            cmocka_unit_test(has_one_text_only),
            cmocka_unit_test(refuses_everything_else),
            cmocka_unit_test(reads_entry_ids),
            cmocka_unit_test(refuses_other_entry_ids),
            cmocka_unit_test(writes_and_reads_nonces),
            cmocka_unit_test(nonces_have_the_mark_of_the_owner),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
