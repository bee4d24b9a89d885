/* Names to addresses: a name server that takes its time delays nobody who asks for another name,
 * and is not asked twice at a time.
 *
 * The library's look-up is ours here: a name "slow..." is answered when the test says so.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/resolve.h"

#define PATIENCE_MS 10000
#define SLOW_NAMES  12 /* more than are looked up at once */

struct asked {
        unsigned answers;
        enum pgw_err err;
        struct pgw_address addresses[PGW_ADDRESSES_MAX];
        size_t count;
};

static struct {
        struct pgw_loop *loop;
        struct pgw_resolver *resolver;
        sem_t may_answer;
        unsigned calls, slow_calls, slow_ended; /* of the library; atomic */
        char last_name[64];
        struct asked asked[SLOW_NAMES + 4];
} t;

static struct addrinfo *made(uint32_t address, struct addrinfo *next)
{
        struct addrinfo *a = calloc(1, sizeof *a);
        struct sockaddr_in *in = calloc(1, sizeof *in);

        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(address);
        *a = (struct addrinfo){.ai_family = AF_INET,
                               .ai_addr = (struct sockaddr *)in,
                               .ai_addrlen = sizeof *in,
                               .ai_next = next};
        return a;
}

int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints,
                struct addrinfo **ret)
{
        unsigned count = 1;

        (void)port;
        (void)hints;
        __atomic_add_fetch(&t.calls, 1, __ATOMIC_SEQ_CST);
        if (strncmp(name, "slow", 4) == 0) {
                __atomic_add_fetch(&t.slow_calls, 1, __ATOMIC_SEQ_CST);
                while (sem_wait(&t.may_answer))
                        ;
                __atomic_add_fetch(&t.slow_ended, 1, __ATOMIC_SEQ_CST);
        }
        if (strcmp(name, "unknown.test") == 0)
                return EAI_NONAME;
        if (sscanf(name, "many%u", &count) != 1)
                count = 1;
        *ret = NULL;
        while (count)
                *ret = made(0x7f000000u + count--, *ret);
        return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
        while (list) {
                struct addrinfo *next = list->ai_next;
                free(list->ai_addr);
                free(list);
                list = next;
        }
}

static void on_address(void *ctx, enum pgw_err err, const struct pgw_address *addresses,
                       size_t count)
{
        struct asked *a = ctx;

        a->answers++;
        a->err = err;
        a->count = count;
        if (count)
                memcpy(a->addresses, addresses, count * sizeof *addresses);
}

static struct pgw_lookup *ask(unsigned number, const char *name)
{
        return pgw_resolve(t.resolver, pgw_str_z(name), PGW_STR("6379"), on_address,
                           &t.asked[number]);
}

static unsigned seen(const unsigned *counter)
{
        return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

#define TURN_UNTIL(condition)                                                                      \
        do {                                                                                       \
                const uint64_t end_ms_ = pgw_mono_ms() + PATIENCE_MS;                              \
                while (!(condition)) {                                                             \
                        if (pgw_mono_ms() > end_ms_)                                               \
                                fail_msg("waited in vain for: %s", #condition);                    \
                        pgw_loop_turn(t.loop, 5);                                                  \
                }                                                                                  \
        } while (0)

static void let_answer(unsigned count)
{
        while (count--)
                sem_post(&t.may_answer);
}

static int set_up(void **state)
{
        (void)state;
        memset(&t, 0, sizeof t);
        sem_init(&t.may_answer, 0, 0);
        t.loop = pgw_loop_new();
        t.resolver = pgw_resolver_new(t.loop);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pgw_resolver_free(t.resolver);
        pgw_loop_free(t.loop);
        /* What was given up answers all the same. */
        let_answer(seen(&t.slow_calls));
        for (int i = 0; i < PATIENCE_MS && seen(&t.slow_ended) < seen(&t.slow_calls); i++)
                usleep(1000);
        return 0;
}

static void an_address_is_no_name(void **state)
{
        (void)state;
        assert_non_null(ask(0, "127.0.0.1"));
        assert_non_null(ask(1, "::1"));
        assert_int_equal(t.asked[0].answers, 0);
        TURN_UNTIL(t.asked[1].answers);
        assert_int_equal(t.asked[0].addresses[0].sa.ss_family, AF_INET);
        assert_int_equal(t.asked[1].addresses[0].sa.ss_family, AF_INET6);
        assert_int_equal(t.asked[1].count, 1);
        assert_int_equal(seen(&t.calls), 0);
        pgw_lookup_cancel(ask(2, "127.0.0.1"));
        pgw_loop_turn(t.loop, 0);
        assert_int_equal(t.asked[2].answers, 0);
}

static void a_name_is_all_its_addresses(void **state)
{
        (void)state;
        ask(0, "many3.test");
        ask(1, "many20.test");
        ask(2, "unknown.test");
        TURN_UNTIL(t.asked[0].answers && t.asked[1].answers && t.asked[2].answers);
        assert_int_equal(t.asked[0].err, PGW_OK);
        assert_int_equal(t.asked[0].count, 3);
        for (unsigned i = 0; i < 3; i++) {
                const struct sockaddr_in *in = (void *)&t.asked[0].addresses[i].sa;
                assert_int_equal(ntohl(in->sin_addr.s_addr), 0x7f000001u + i);
                assert_int_equal(t.asked[0].addresses[i].size, sizeof *in);
        }
        assert_int_equal(t.asked[1].count, PGW_ADDRESSES_MAX);
        assert_int_equal(t.asked[2].err, PGW_E_REDIS_CONNECT);
        assert_int_equal(t.asked[2].count, 0);
}

static void a_slow_name_delays_no_other(void **state)
{
        (void)state;
        ask(0, "slow.test");
        TURN_UNTIL(seen(&t.slow_calls) == 1);
        ask(1, "quick.test");
        TURN_UNTIL(t.asked[1].answers);
        /* At once, and when there are idle threads: each time. */
        ask(2, "slow-too.test");
        ask(3, "quick.test");
        TURN_UNTIL(t.asked[3].answers);
        assert_int_equal(t.asked[0].answers + t.asked[2].answers, 0);
        let_answer(2);
        TURN_UNTIL(t.asked[0].answers && t.asked[2].answers);
}

static void who_asks_for_the_same_name_waits_for_the_same_answer(void **state)
{
        struct pgw_lookup *given_up;

        (void)state;
        ask(0, "slow.test");
        given_up = ask(1, "slow.test");
        ask(2, "slow.test");
        TURN_UNTIL(seen(&t.slow_calls) == 1);
        pgw_lookup_cancel(given_up);
        let_answer(1);
        TURN_UNTIL(t.asked[0].answers && t.asked[2].answers);
        assert_int_equal(t.asked[1].answers, 0);
        assert_int_equal(seen(&t.calls), 1);
        /* It is over: the next one asks anew. */
        ask(3, "slow.test");
        let_answer(1);
        TURN_UNTIL(t.asked[3].answers);
        assert_int_equal(seen(&t.calls), 2);
}

/* Else a name server that is slower than whoever asks is patient would never be heard. */
static void an_answer_nobody_waited_for_is_kept_for_the_next(void **state)
{
        (void)state;
        struct pgw_lookup *given_up = ask(0, "slow.test");
        TURN_UNTIL(seen(&t.slow_calls) == 1);
        pgw_lookup_cancel(given_up);
        ask(1, "quick.test");
        let_answer(1);
        TURN_UNTIL(seen(&t.slow_ended) == 1);
        for (int i = 0; i < 20; i++)
                pgw_loop_turn(t.loop, 5);
        ask(2, "slow.test");
        ask(3, "slow.test");
        pgw_lookup_cancel(ask(4, "slow.test"));
        TURN_UNTIL(t.asked[2].answers && t.asked[3].answers);
        assert_int_equal(t.asked[2].count, 1);
        assert_int_equal(t.asked[0].answers + t.asked[4].answers, 0);
        assert_int_equal(seen(&t.slow_calls), 1);
}

static void what_is_given_up_before_its_turn_is_not_asked(void **state)
{
        struct pgw_lookup *lookups[SLOW_NAMES];
        char name[32];

        (void)state;
        for (unsigned i = 0; i < SLOW_NAMES; i++) {
                snprintf(name, sizeof name, "slow%u.test", i);
                lookups[i] = ask(i, name);
        }
        TURN_UNTIL(seen(&t.slow_calls) > 1);
        for (int i = 0; i < 20; i++)
                pgw_loop_turn(t.loop, 5);
        const unsigned at_once = seen(&t.slow_calls);
        assert_in_range(at_once, 2, SLOW_NAMES - 2);
        ask(SLOW_NAMES, "quick.test");
        for (unsigned i = at_once; i < SLOW_NAMES; i++)
                pgw_lookup_cancel(lookups[i]);
        let_answer(1);
        TURN_UNTIL(t.asked[SLOW_NAMES].answers);
        assert_int_equal(seen(&t.slow_calls), at_once);
        let_answer(at_once - 1);
        for (unsigned i = 0; i < at_once; i++)
                TURN_UNTIL(t.asked[i].answers == 1);
}

static void ends_while_a_name_server_is_silent(void **state)
{
        (void)state;
        const uint64_t begun_ms = pgw_mono_ms();
        struct pgw_lookup *given_up = ask(0, "slow.test");
        TURN_UNTIL(seen(&t.slow_calls) == 1);
        pgw_lookup_cancel(given_up);
        pgw_resolver_free(t.resolver);
        t.resolver = NULL;
        assert_in_range(pgw_mono_ms() - begun_ms, 0, PATIENCE_MS / 2);
        assert_int_equal(seen(&t.slow_ended), 0);
}

/* The answer is on its way to the loop, which does not turn any more. */
static void ends_when_an_answer_has_just_come(void **state)
{
        (void)state;
        struct pgw_lookup *given_up = ask(0, "slow.test");
        TURN_UNTIL(seen(&t.slow_calls) == 1);
        pgw_lookup_cancel(given_up);
        let_answer(1);
        for (int i = 0; i < PATIENCE_MS && seen(&t.slow_ended) == 0; i++)
                usleep(1000);
        usleep(20000);
        pgw_resolver_free(t.resolver);
        t.resolver = NULL;
        pgw_loop_turn(t.loop, 0);
        assert_int_equal(t.asked[0].answers, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(an_address_is_no_name),
            TEST(a_name_is_all_its_addresses),
            TEST(a_slow_name_delays_no_other),
            TEST(who_asks_for_the_same_name_waits_for_the_same_answer),
            TEST(an_answer_nobody_waited_for_is_kept_for_the_next),
            TEST(what_is_given_up_before_its_turn_is_not_asked),
            TEST(ends_while_a_name_server_is_silent),
            TEST(ends_when_an_answer_has_just_come),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
