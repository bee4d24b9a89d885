#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/hmac.h"

static void is_mac(struct pgw_str key, const struct pgw_str *pieces, size_t count, const char *hex)
{
        unsigned char mac[PGW_HMAC_SIZE];
        char text[PGW_HEX_SIZE(PGW_HMAC_SIZE)];

        pgw_hmac_sha256(key, pieces, count, mac);
        pgw_hex(mac, sizeof mac, text);
        assert_memory_equal(text, hex, sizeof text);
}

/* RFC 4231, test cases 2 and 6. */
static void test_vectors(void **state)
{
        const struct pgw_str whole = PGW_STR("what do ya want for nothing?");
        const struct pgw_str cut[] = {PGW_STR("what do ya "), PGW_STR(""), PGW_STR("want for "),
                                      PGW_STR("nothing?")};
        const char *wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        char key[131];

        (void)state;
        is_mac(PGW_STR("Jefe"), &whole, 1, wanted);
        is_mac(PGW_STR("Jefe"), cut, 4, wanted);
        memset(key, 0xaa, sizeof key);
        is_mac(pgw_str_of(key, sizeof key),
               &PGW_STR("Test Using Larger Than Block-Size Key - Hash Key First"), 1,
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_nothing(void **state)
{
        (void)state;
        is_mac((struct pgw_str){NULL, 0}, NULL, 0,
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
        is_mac(PGW_STR(""), &(struct pgw_str){NULL, 0}, 1,
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_comparing(void **state)
{
        (void)state;
        assert_true(pgw_secret_eq(PGW_STR("abc"), PGW_STR("abc")));
        assert_true(pgw_secret_eq((struct pgw_str){NULL, 0}, PGW_STR("")));
        assert_false(pgw_secret_eq(PGW_STR("abc"), PGW_STR("abd")));
        assert_false(pgw_secret_eq(PGW_STR("abc"), PGW_STR("ab")));
        assert_false(pgw_secret_eq(PGW_STR(""), PGW_STR("a")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_vectors),
            cmocka_unit_test(test_nothing),
            cmocka_unit_test(test_comparing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
