/* Slots: the vectors of the cluster specification and of CRC-16/XMODEM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis/slot.h"

#define CRC(literal)  pgw_redis_crc16(PGW_STR(literal))
#define SLOT(literal) pgw_redis_slot(PGW_STR(literal))

static void checksum(void **state)
{
        (void)state;
        assert_int_equal(CRC("123456789"), 0x31c3);
        assert_int_equal(CRC(""), 0);
        assert_int_equal(CRC("\0"), 0);
        assert_int_equal(CRC("\0\0x"), CRC("x"));
        assert_int_equal(CRC("\xff"), 0x1ef0);
}

static void keys_without_a_tag(void **state)
{
        (void)state;
        assert_int_equal(SLOT("123456789"), 0x31c3 % PGW_REDIS_SLOTS);
        assert_int_equal(SLOT("foo"), 12182);
        assert_int_equal(SLOT("bar"), 5061);
        assert_int_equal(SLOT("hello"), 866);
        assert_int_equal(SLOT(""), 0);
        assert_int_equal(pgw_redis_slot((struct pgw_str){NULL, 0}), 0);
}

static void a_tag_decides(void **state)
{
        (void)state;
        assert_int_equal(SLOT("{user1000}.following"), SLOT("user1000"));
        assert_int_equal(SLOT("{user1000}.followers"), SLOT("user1000"));
        assert_int_equal(SLOT("x{foo}"), SLOT("foo"));
        /* The first { and the first } behind it. */
        assert_int_equal(SLOT("foo{bar}{zap}"), SLOT("bar"));
        assert_int_equal(SLOT("foo{{bar}}zap"), SLOT("{bar"));
        assert_int_equal(SLOT("}foo{bar}"), SLOT("bar"));
        assert_int_equal(SLOT("{a}{}"), SLOT("a"));
}

/* Nothing between the braces, or no second one: then the whole key counts. */
static void no_tag_after_all(void **state)
{
        (void)state;
        assert_int_equal(SLOT("foo{}{bar}"), CRC("foo{}{bar}") % PGW_REDIS_SLOTS);
        assert_int_equal(SLOT("{}x"), CRC("{}x") % PGW_REDIS_SLOTS);
        assert_int_not_equal(SLOT("{}x"), SLOT("x"));
        assert_int_equal(SLOT("{}"), CRC("{}") % PGW_REDIS_SLOTS);
        assert_int_equal(SLOT("{"), CRC("{") % PGW_REDIS_SLOTS);
        assert_int_equal(SLOT("foo{bar"), CRC("foo{bar") % PGW_REDIS_SLOTS);
        assert_int_equal(SLOT("foo}bar{"), CRC("foo}bar{") % PGW_REDIS_SLOTS);
}

static void any_bytes(void **state)
{
        static const char all[] = "\0\r\n{\xff\0\xfe}\0";

        (void)state;
        assert_int_equal(pgw_redis_slot(pgw_str_of(all, sizeof all)), SLOT("\xff\0\xfe"));
        assert_int_equal(SLOT("{\0}"), SLOT("\0"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(checksum),      cmocka_unit_test(keys_without_a_tag),
            cmocka_unit_test(a_tag_decides), cmocka_unit_test(no_tag_after_all),
            cmocka_unit_test(any_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
