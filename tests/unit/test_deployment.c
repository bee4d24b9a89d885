/* What a cluster says about itself, read without I/O: maps and redirections, good and hostile;
 * and what a deployment answers before it has heard of anybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/metric.h"
#include "redis/cluster_map.h"
#include "redis/deployment.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* A node of the protocol: its host as protocol text, its port, its id. */
#define NODE(host, port, id)     "*3\r\n" host ":" port "\r\n$40\r\n" id "\r\n"
#define HOST(text_with_length)   "$" text_with_length "\r\n"
#define RANGE(first, last, node) "*3\r\n:" first "\r\n:" last "\r\n" node
#define LOCAL                    "9\r\n127.0.0.1"

static struct {
        struct pgw_map map;
        struct pgw_wire *wire;
} t;

static int set_up(void **state)
{
        const struct pgw_wire_limits limits = {100000, 100000};

        (void)state;
        memset(&t.map, 0xee, sizeof t.map);
        t.wire = pgw_wire_new(&limits);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pgw_wire_free(t.wire);
        return 0;
}

static enum pgw_err read_bytes(struct pgw_str bytes)
{
        const struct pgw_reply *reply;
        size_t used;

        assert_int_equal(pgw_wire_read(t.wire, bytes, &reply, &used), PGW_OK);
        assert_int_equal(used, bytes.n);
        return pgw_map_read(&t.map, reply);
}

#define READ(protocol)        read_bytes(PGW_STR(protocol))
#define assert_refused(bytes) assert_int_equal(READ(bytes), PGW_E_REDIS_PROTOCOL)

static void assert_master(size_t index, const char *id, const char *host, uint16_t port)
{
        const struct pgw_map_master *master = &t.map.masters[index];

        assert_true(index < t.map.count);
        assert_true(pgw_str_eq_z(master->id, id));
        assert_true(pgw_str_eq_z(master->host, host));
        assert_int_equal(master->port, port);
}

/* ---- maps ---- */

static void masters_and_slots(void **state)
{
        (void)state;
        /* Two ranges of one master, one of another that has a replica. */
        assert_int_equal(
            READ(
                "*3\r\n" RANGE("0", "99",
                               NODE(HOST(LOCAL), "7000",
                                    A)) "*4\r\n:200\r\n:16383\r\n" NODE(HOST("3\r\n::1"), "7001", B)
                    NODE(HOST(LOCAL), "7009", "cccccccccccccccccccccccccccccccccccccccc")
                        RANGE("150", "150", NODE(HOST(LOCAL), "7000", A))),
            PGW_OK);
        assert_int_equal(t.map.count, 2);
        assert_master(0, A, "127.0.0.1", 7000);
        assert_master(1, B, "::1", 7001);
        assert_int_equal(t.map.owner[0], 1);
        assert_int_equal(t.map.owner[99], 1);
        assert_int_equal(t.map.owner[100], 0);
        assert_int_equal(t.map.owner[150], 1);
        assert_int_equal(t.map.owner[199], 0);
        assert_int_equal(t.map.owner[200], 2);
        assert_int_equal(t.map.owner[16383], 2);
}

static void an_empty_map(void **state)
{
        (void)state;
        assert_int_equal(READ("*0\r\n"), PGW_OK);
        assert_int_equal(t.map.count, 0);
        assert_int_equal(t.map.owner[0], 0);
        assert_int_equal(t.map.owner[16383], 0);
}

static void a_map_replaces_the_one_before(void **state)
{
        (void)state;
        assert_int_equal(READ("*1\r\n" RANGE("0", "9", NODE(HOST(LOCAL), "7000", A))), PGW_OK);
        assert_int_equal(READ("*1\r\n" RANGE("5", "5", NODE(HOST(LOCAL), "7001", B))), PGW_OK);
        assert_int_equal(t.map.count, 1);
        assert_master(0, B, "127.0.0.1", 7001);
        assert_int_equal(t.map.owner[4], 0);
        assert_int_equal(t.map.owner[5], 1);
}

static void hosts_that_are_not_known(void **state)
{
        (void)state;
        assert_int_equal(READ("*1\r\n" RANGE("0", "0", NODE("$-1\r\n", "7000", A))), PGW_OK);
        assert_master(0, A, "", 7000);
        assert_int_equal(READ("*1\r\n" RANGE("0", "0", NODE(HOST("0\r\n"), "7000", A))), PGW_OK);
        assert_master(0, A, "", 7000);
        assert_int_equal(READ("*1\r\n" RANGE("0", "0", NODE(HOST("1\r\n?"), "7000", A))), PGW_OK);
        assert_master(0, A, "", 7000);
        assert_int_equal(
            READ("*1\r\n" RANGE("0", "0", NODE(HOST("14\r\nnode-1.example"), "7000", A))), PGW_OK);
        assert_master(0, A, "node-1.example", 7000);
}

#define NODE4(host, metadata) "*4\r\n" host ":7000\r\n$40\r\n" A "\r\n" metadata

static void a_host_from_the_metadata(void **state)
{
        (void)state;
        assert_int_equal(READ("*1\r\n" RANGE(
                             "0", "0", NODE4("$1\r\n?\r\n", "*2\r\n$2\r\nip\r\n$" LOCAL "\r\n"))),
                         PGW_OK);
        assert_master(0, A, "127.0.0.1", 7000);
        assert_int_equal(
            READ("*1\r\n" RANGE("0", "0",
                                NODE4("$1\r\n?\r\n", "*4\r\n$8\r\nhostname\r\n$1\r\nh\r\n"
                                                     "$2\r\nip\r\n$" LOCAL "\r\n"))),
            PGW_OK);
        assert_master(0, A, "127.0.0.1", 7000);
        /* It is not looked at when there is a name, or when the address is said to be unknown. */
        assert_int_equal(READ("*1\r\n" RANGE(
                             "0", "0", NODE4("$1\r\nh\r\n", "*2\r\n$2\r\nip\r\n$" LOCAL "\r\n"))),
                         PGW_OK);
        assert_master(0, A, "h", 7000);
        assert_int_equal(
            READ("*1\r\n" RANGE("0", "0", NODE4("$-1\r\n", "*2\r\n$2\r\nip\r\n$" LOCAL "\r\n"))),
            PGW_OK);
        assert_master(0, A, "", 7000);
        /* Half a pair, and no array at all. */
        assert_int_equal(READ("*1\r\n" RANGE("0", "0", NODE4("$1\r\n?\r\n", "*1\r\n$2\r\nip\r\n"))),
                         PGW_OK);
        assert_master(0, A, "", 7000);
        assert_int_equal(READ("*1\r\n" RANGE("0", "0", NODE4("$1\r\n?\r\n", ":7\r\n"))), PGW_OK);
        assert_master(0, A, "", 7000);
}

static void maps_that_are_none(void **state)
{
        (void)state;
        assert_int_equal(pgw_map_read(&t.map, NULL), PGW_E_REDIS_PROTOCOL);
        assert_refused("$-1\r\n");
        assert_refused("+OK\r\n");
        assert_refused(":1\r\n");
        assert_refused("*1\r\n:1\r\n");
        assert_refused("*1\r\n*0\r\n");
        assert_refused("*1\r\n*2\r\n:0\r\n:1\r\n");
        assert_refused("*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n");
        assert_refused("*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n");
        /* A node without an id. */
        assert_refused("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$9\r\n127.0.0.1\r\n:7000\r\n");
}

static void slots_that_are_none(void **state)
{
        (void)state;
        assert_refused("*1\r\n" RANGE("-1", "1", NODE(HOST(LOCAL), "7000", A)));
        assert_refused("*1\r\n" RANGE("2", "1", NODE(HOST(LOCAL), "7000", A)));
        assert_refused("*1\r\n" RANGE("0", "16384", NODE(HOST(LOCAL), "7000", A)));
        assert_refused("*1\r\n" RANGE("0", "9223372036854775807", NODE(HOST(LOCAL), "7000", A)));
        assert_refused("*1\r\n" RANGE("-9223372036854775808", "0", NODE(HOST(LOCAL), "7000", A)));
        /* Twice, by one master and by two. */
        assert_refused("*2\r\n" RANGE("0", "5", NODE(HOST(LOCAL), "7000", A))
                           RANGE("5", "9", NODE(HOST(LOCAL), "7000", A)));
        assert_refused("*2\r\n" RANGE("0", "5", NODE(HOST(LOCAL), "7000", A))
                           RANGE("0", "5", NODE(HOST(LOCAL), "7001", B)));
}

static void addresses_that_are_none(void **state)
{
        (void)state;
        assert_refused("*1\r\n" RANGE("0", "0", NODE(HOST(LOCAL), "0", A)));
        assert_refused("*1\r\n" RANGE("0", "0", NODE(HOST(LOCAL), "65536", A)));
        assert_refused("*1\r\n" RANGE("0", "0", NODE(HOST(LOCAL), "-1", A)));
        assert_refused("*1\r\n" RANGE("0", "0", NODE(HOST("3\r\na b"), "7000", A)));
        assert_refused("*1\r\n" RANGE("0", "0", NODE(HOST("3\r\na\0b"), "7000", A)));
        assert_refused("*1\r\n" RANGE("0", "0", NODE(HOST("2\r\na\xff"), "7000", A)));
        assert_refused("*1\r\n" RANGE("0", "0", NODE(":1\r\n", "7000", A)));
        assert_refused("*1\r\n" RANGE("0", "0", NODE("*0\r\n", "7000", A)));
        /* One id at two addresses. */
        assert_refused("*2\r\n" RANGE("0", "0", NODE(HOST(LOCAL), "7000", A))
                           RANGE("1", "1", NODE(HOST(LOCAL), "7001", A)));
        assert_refused("*2\r\n" RANGE("0", "0", NODE(HOST(LOCAL), "7000", A))
                           RANGE("1", "1", NODE("$-1\r\n", "7000", A)));
}

static void add(struct pgw_buf *out, const char *text)
{
        assert_int_equal(pgw_buf_add(out, text, strlen(text)), PGW_OK);
}

static enum pgw_err read_long_texts(size_t id_size, size_t host_size)
{
        struct pgw_buf out;

        pgw_buf_init(&out, 100000);
        assert_int_equal(pgw_buf_printf(&out, "*1\r\n*3\r\n:0\r\n:0\r\n*3\r\n$%zu\r\n", host_size),
                         PGW_OK);
        for (size_t i = 0; i < host_size; i++)
                add(&out, "h");
        assert_int_equal(pgw_buf_printf(&out, "\r\n:7000\r\n$%zu\r\n", id_size), PGW_OK);
        for (size_t i = 0; i < id_size; i++)
                add(&out, "i");
        add(&out, "\r\n");
        enum pgw_err err = read_bytes(pgw_buf_str(&out));
        pgw_buf_fini(&out);
        return err;
}

static void long_texts(void **state)
{
        (void)state;
        assert_int_equal(read_long_texts(PGW_NODE_ID_MAX, PGW_NODE_HOST_MAX), PGW_OK);
        assert_int_equal(read_long_texts(PGW_NODE_ID_MAX + 1, 1), PGW_E_REDIS_PROTOCOL);
        assert_int_equal(read_long_texts(1, PGW_NODE_HOST_MAX + 1), PGW_E_REDIS_PROTOCOL);
        assert_int_equal(read_long_texts(0, 1), PGW_E_REDIS_PROTOCOL);
}

static enum pgw_err read_many(unsigned masters, unsigned rounds)
{
        const unsigned ranges = masters * rounds;
        const struct pgw_wire_limits limits = {1000000, 1000000};
        struct pgw_buf out;

        pgw_wire_free(t.wire);
        t.wire = pgw_wire_new(&limits);
        pgw_buf_init(&out, 16u << 20);
        assert_int_equal(pgw_buf_printf(&out, "*%u\r\n", ranges), PGW_OK);
        for (unsigned i = 0; i < ranges; i++)
                assert_int_equal(
                    pgw_buf_printf(&out,
                                   "*3\r\n:%u\r\n:%u\r\n*3\r\n$1\r\nh\r\n:%u\r\n$40\r\n%040u\r\n",
                                   i, i, 1 + i % masters, i % masters),
                    PGW_OK);
        enum pgw_err err = read_bytes(pgw_buf_str(&out));
        pgw_buf_fini(&out);
        return err;
}

static void many_masters(void **state)
{
        (void)state;
        assert_int_equal(read_many(PGW_MASTERS_MAX, 16), PGW_OK);
        assert_int_equal(t.map.count, PGW_MASTERS_MAX);
        for (unsigned i = 0; i < PGW_MASTERS_MAX * 16; i++)
                assert_int_equal(t.map.owner[i], 1 + i % PGW_MASTERS_MAX);
        assert_int_equal(read_many(PGW_MASTERS_MAX + 1, 1), PGW_E_REDIS_PROTOCOL);
}

/* ---- redirections ---- */

static void assert_redirect(const char *text, bool ask, unsigned slot, const char *host,
                            uint16_t port)
{
        struct pgw_redirect r;

        assert_int_equal(pgw_redirect_read(pgw_str_z(text), &r), PGW_OK);
        assert_int_equal(r.ask, ask);
        assert_int_equal(r.slot, slot);
        assert_true(pgw_str_eq_z(r.host, host));
        assert_int_equal(r.port, port);
}

static void redirections(void **state)
{
        (void)state;
        assert_redirect("MOVED 3999 127.0.0.1:6381", false, 3999, "127.0.0.1", 6381);
        assert_redirect("ASK 0 127.0.0.1:1", true, 0, "127.0.0.1", 1);
        assert_redirect("MOVED 16383 node-1.example:65535", false, 16383, "node-1.example", 65535);
        assert_redirect("MOVED 1 ::1:7000", false, 1, "::1", 7000);
        assert_redirect("ASK 1 2001:db8::7:7000", true, 1, "2001:db8::7", 7000);
        assert_redirect("MOVED 1 [::1]:7000", false, 1, "::1", 7000);
        assert_redirect("MOVED 1 :7000", false, 1, "", 7000);
        assert_redirect("MOVED 1 ?:7000", false, 1, "", 7000);
}

static void redirections_that_are_none(void **state)
{
        static const char *const texts[] = {
            "",
            "MOVED",
            "MOVED ",
            "MOVED 1",
            "MOVED 1 ",
            "MOVED 1 127.0.0.1",
            "MOVED 1 127.0.0.1:",
            "MOVED 1 127.0.0.1:0",
            "MOVED 1 127.0.0.1:65536",
            "MOVED 1 127.0.0.1:70 ",
            "MOVED 1 127.0.0.1:7x",
            "MOVED 1 127.0.0.1:-7",
            "MOVED 16384 127.0.0.1:7000",
            "MOVED -1 127.0.0.1:7000",
            "MOVED x 127.0.0.1:7000",
            "MOVED  1 127.0.0.1:7000",
            "MOVED 18446744073709551617 127.0.0.1:7000",
            "MOVED 1 a b:7000",
            "MOVED 1 a\tb:7000",
            "MOVED 1 \xff:7000",
            "moved 1 127.0.0.1:7000",
            "MOVEDX 1 127.0.0.1:7000",
            "ASKING 1 127.0.0.1:7000",
        };
        struct pgw_redirect r;
        char host[PGW_NODE_HOST_MAX + 32];

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                if (pgw_redirect_read(pgw_str_z(texts[i]), &r) != PGW_E_REDIS_PROTOCOL)
                        fail_msg("taken: %s", texts[i]);
        assert_int_equal(pgw_redirect_read(PGW_STR("MOVED 1 a\0b:7000"), &r), PGW_E_REDIS_PROTOCOL);
        snprintf(host, sizeof host, "ASK 1 %0*d:7", PGW_NODE_HOST_MAX, 0);
        assert_int_equal(pgw_redirect_read(pgw_str_z(host), &r), PGW_OK);
        snprintf(host, sizeof host, "ASK 1 %0*d:7", PGW_NODE_HOST_MAX + 1, 0);
        assert_int_equal(pgw_redirect_read(pgw_str_z(host), &r), PGW_E_REDIS_PROTOCOL);
}

/* ---- a deployment nobody answers ---- */

static enum pgw_err last_err;
static unsigned failures;

static void on_state(void *ctx, bool ready, enum pgw_err err)
{
        (void)ctx;
        assert_false(ready);
        last_err = err;
        failures++;
}

static void nobody_answers(enum pgw_deployment_kind kind, enum pgw_err refusal)
{
        static const struct pgw_seed seeds[] = {{"127.0.0.1", "1"}, {"127.0.0.1", "2"}};
        const struct pgw_str argv[] = {PGW_STR("UNLINK"), PGW_STR("key")};
        const struct pgw_deployment_conf conf = {
            .kind = kind,
            .seeds = seeds,
            .seed_count = 2,
            .master_name = "cache",
            .name = "test",
            .timeout_ms = 200,
            .in_flight_max = 10,
            .write_max = 10000,
            .reply_max = 10000,
            .latency_histogram = PGW_H_REDIS_TARGET,
        };
        struct pgw_call call = {.argv = argv, .argc = 2, .key = 1};
        struct pgw_loop *loop = pgw_loop_new();
        struct pgw_resolver *resolver = pgw_resolver_new(loop);
        const uint64_t end_ms = pgw_mono_ms() + 10000;

        failures = 0;
        struct pgw_deployment *dep = pgw_deployment_open(loop, resolver, &conf, on_state, NULL);
        while (failures < 3 && pgw_mono_ms() < end_ms) {
                assert_int_equal(pgw_deployment_call(dep, &call), refusal);
                pgw_loop_turn(loop, 5);
        }
        assert_true(failures >= 3);
        assert_int_equal(last_err, PGW_E_REDIS_CONNECT);
        assert_non_null(strstr(pgw_deployment_reason(dep), "127.0.0.1:"));
        assert_false(pgw_deployment_is_ready(dep));
        assert_int_equal(pgw_deployment_masters(dep), kind == PGW_STANDALONE);
        pgw_deployment_close(dep);
        pgw_resolver_free(resolver);
        pgw_loop_free(loop);
}

static void nobody_answers_standalone(void **state)
{
        (void)state;
        nobody_answers(PGW_STANDALONE, PGW_E_REDIS_CONNECT);
}

static void nobody_answers_sentinel(void **state)
{
        (void)state;
        nobody_answers(PGW_SENTINEL, PGW_E_REDIS_CONNECT);
}

static void nobody_answers_cluster(void **state)
{
        (void)state;
        nobody_answers(PGW_CLUSTER, PGW_E_REDIS_CLUSTERDOWN);
}

#define MAP(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
            MAP(masters_and_slots),
            MAP(an_empty_map),
            MAP(a_map_replaces_the_one_before),
            MAP(hosts_that_are_not_known),
            MAP(a_host_from_the_metadata),
            MAP(maps_that_are_none),
            MAP(slots_that_are_none),
            MAP(addresses_that_are_none),
            MAP(long_texts),
            MAP(many_masters),
            cmocka_unit_test(redirections),
            cmocka_unit_test(redirections_that_are_none),
            cmocka_unit_test(nobody_answers_standalone),
            cmocka_unit_test(nobody_answers_sentinel),
            cmocka_unit_test(nobody_answers_cluster),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
