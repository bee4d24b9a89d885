/* Counting in threads, and the text that Prometheus reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"

static struct pgw_buf page;

/* The whole page, terminated. */
static char *render(void)
{
        pgw_buf_clear(&page);
        assert_int_equal(pgw_metric_render(&page), PGW_OK);
        assert_int_equal(pgw_buf_add(&page, "", 1), PGW_OK);
        return page.p;
}

/* The value behind a sample's name with its labels. */
static double value_of(const char *sample)
{
        const size_t n = strlen(sample);

        for (char *at = render(); (at = strstr(at, sample)); at += n)
                if ((at == page.p || at[-1] == '\n') && at[n] == ' ')
                        return strtod(at + n, NULL);
        fail_msg("no sample %s", sample);
        return 0;
}

static void *count_some(void *arg)
{
        pgw_metric_thread_register();
        for (unsigned i = 0; i < 1000; i++) {
                pgw_metric_add(PGW_M_KEYS_REMOVED, 2);
                pgw_metric_observe_us(PGW_H_EXECUTION, 1500);
        }
        pgw_metric_set(PGW_G_JOBS_IN_HAND, *(const int *)arg);
        return NULL;
}

static void sums_threads_and_keeps_what_ended_threads_counted(void **state)
{
        const uint64_t before = pgw_metric_counter(PGW_M_KEYS_REMOVED);
        pthread_t threads[4];
        int gauges[4] = {1, 2, 3, 4};

        (void)state;
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, count_some, &gauges[i]), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(pgw_metric_counter(PGW_M_KEYS_REMOVED) - before, 8000);
        assert_true(value_of("purgeway_keys_total{result=\"removed\"}") == (double)before + 8000);
        assert_true(value_of("purgeway_jobs_in_hand") == 10);
        assert_true(value_of("purgeway_execution_duration_seconds_count") == 4000);
        assert_true(value_of("purgeway_execution_duration_seconds_sum") == 6.0);
}

static void *count_unregistered(void *arg)
{
        (void)arg;
        pgw_metric_add(PGW_M_RESULTS_LOST, 5);
        pgw_metric_set(PGW_G_CONNECTIONS_OPEN, 5);
        pgw_metric_observe_us(PGW_H_ACCEPT, 5);
        return NULL;
}

static void a_thread_without_a_set_harms_nobody(void **state)
{
        pthread_t thread;

        (void)state;
        assert_int_equal(pthread_create(&thread, NULL, count_unregistered, NULL), 0);
        pthread_join(thread, NULL);
        assert_int_equal(pgw_metric_counter(PGW_M_RESULTS_LOST), 0);
        assert_true(value_of("purgeway_connections_open") == 0);
}

static void a_gauge_is_set_and_not_added(void **state)
{
        (void)state;
        pgw_metric_set(PGW_G_BROKER_CLIENTS, 7);
        pgw_metric_set(PGW_G_BROKER_CLIENTS, 3);
        assert_true(value_of("purgeway_broker_clients") == 3);
        pgw_metric_set(PGW_G_BROKER_CLIENTS, -3);
        assert_true(value_of("purgeway_broker_clients") == -3);
}

static void what_is_forgotten_is_not_shown_until_it_is_set_again(void **state)
{
        (void)state;
        pgw_metric_set(PGW_G_QUEUE_WAITING_HIGH, 7);
        pgw_metric_set(PGW_G_QUEUE_WAITING_LOW, 5);
        pgw_metric_forget(PGW_G_QUEUE_WAITING_HIGH);
        assert_null(strstr(render(), "purgeway_queue_waiting_jobs{lane=\"high\"}"));
        assert_non_null(strstr(page.p, "# TYPE purgeway_queue_waiting_jobs gauge\n"));
        assert_non_null(strstr(page.p, "# HELP purgeway_queue_waiting_jobs Jobs"));
        assert_true(value_of("purgeway_queue_waiting_jobs{lane=\"low\"}") == 5);
        pgw_metric_forget(PGW_G_QUEUE_WAITING_NORMAL);
        pgw_metric_forget(PGW_G_QUEUE_WAITING_LOW);
        assert_null(strstr(render(), "purgeway_queue_waiting_jobs"));
        assert_null(strstr(page.p, "celery_task_queue_length"));
        pgw_metric_set(PGW_G_QUEUE_WAITING_HIGH, 0);
        pgw_metric_set(PGW_G_QUEUE_WAITING_NORMAL, 0);
        pgw_metric_set(PGW_G_QUEUE_WAITING_LOW, 0);
        assert_true(value_of("purgeway_queue_waiting_jobs{lane=\"high\"}") == 0);
        assert_non_null(strstr(render(), "celery_task_queue_length"));
}

static void a_gauge_in_thousandths_is_shown_as_a_decimal_once_set(void **state)
{
        (void)state;
        assert_null(strstr(render(), "redis_mem_fragmentation_ratio"));
        pgw_metric_set(PGW_G_BROKER_FRAGMENTATION, 1234);
        assert_true(value_of("redis_mem_fragmentation_ratio") == 1.234);
        assert_non_null(strstr(page.p, "# TYPE redis_mem_fragmentation_ratio gauge\n"));
        pgw_metric_set(PGW_G_BROKER_FRAGMENTATION, 0);
        assert_true(value_of("redis_mem_fragmentation_ratio") == 0);
        assert_non_null(strstr(render(), "redis_mem_fragmentation_ratio 0.000\n"));
}

static void buckets_are_cumulative_and_include_their_bound(void **state)
{
        (void)state;
        pgw_metric_observe_us(PGW_H_REDIS_RESULTS, 0);
        pgw_metric_observe_us(PGW_H_REDIS_RESULTS, 50);
        pgw_metric_observe_us(PGW_H_REDIS_RESULTS, 51);
        pgw_metric_observe_us(PGW_H_REDIS_RESULTS, 10000000);
        pgw_metric_observe_us(PGW_H_REDIS_RESULTS, 10000001);
#define BUCKET(le)                                                                                 \
        value_of("purgeway_redis_round_trip_seconds_bucket{role=\"results\",le=\"" le "\"}")
        assert_true(BUCKET("5e-05") == 2);
        assert_true(BUCKET("0.0001") == 3);
        assert_true(BUCKET("2.5") == 3);
        assert_true(BUCKET("10") == 4);
        assert_true(BUCKET("+Inf") == 5);
        assert_true(value_of("purgeway_redis_round_trip_seconds_count{role=\"results\"}") == 5);
        assert_true(value_of("purgeway_redis_round_trip_seconds_sum{role=\"results\"}") ==
                    20.000102);
        assert_true(value_of("purgeway_redis_round_trip_seconds_count{role=\"target\"}") == 0);
}

static void the_queue_is_a_label_of_the_name_that_dashboards_know(void **state)
{
        (void)state;
        pgw_metric_set(PGW_G_QUEUE_WAITING_HIGH, 1);
        pgw_metric_set(PGW_G_QUEUE_WAITING_NORMAL, 20);
        pgw_metric_set(PGW_G_QUEUE_WAITING_LOW, 300);
        pgw_metric_set_queue(NULL);
        assert_true(value_of("celery_task_queue_length") == 321);
        pgw_metric_set_queue("main");
        assert_true(value_of("celery_task_queue_length{queue=\"main\"}") == 321);
        assert_true(value_of("purgeway_queue_waiting_jobs{lane=\"normal\"}") == 20);
}

static void tells_of_the_process(void **state)
{
        (void)state;
        assert_true(value_of("process_start_time_seconds") > 1.6e9);
        assert_true(value_of("process_resident_memory_bytes") > 100000);
        assert_true(value_of("process_open_fds") >= 3);
        assert_true(value_of("purgeway_build_info{version=\"" PGW_VERSION "\"}") == 1);
        assert_true(value_of("purgeway_log_lines_dropped_total") >= 0);
}

/* The family that a sample belongs to. */
static void family_of(const char *line, bool is_histogram, char out[128])
{
        static const char *const parts[] = {"_bucket", "_sum", "_count"};
        size_t n = strcspn(line, "{ ");

        for (unsigned i = 0; i < 3 && is_histogram; i++) {
                const size_t m = strlen(parts[i]);
                if (n > m && strncmp(line + n - m, parts[i], m) == 0) {
                        n -= m;
                        break;
                }
        }
        assert_true(n < 128);
        memcpy(out, line, n);
        out[n] = '\0';
}

/* What `promtool check metrics` asks for: help and type before the samples and once, samples
 * of a family together, names of counters that end in _total. */
static void is_what_prometheus_reads(void **state)
{
        static char seen[200][128];
        unsigned families = 0, samples = 0;
        char family[128] = "", help[128] = "", type[32] = "";
        char *rest = NULL;

        (void)state;
        for (char *line = strtok_r(render(), "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest)) {
                if (strncmp(line, "# HELP ", 7) == 0) {
                        assert_int_equal(sscanf(line, "# HELP %127s", help), 1);
                        assert_true(strlen(line) > strlen("# HELP  ") + strlen(help));
                        for (unsigned i = 0; i < families; i++)
                                assert_string_not_equal(seen[i], help);
                        assert_true(families < 200);
                        memcpy(seen[families++], help, sizeof help);
                        continue;
                }
                if (line[0] == '#') {
                        assert_int_equal(sscanf(line, "# TYPE %127s %31s", family, type), 2);
                        assert_string_equal(family, help);
                        const size_t n = strlen(family);
                        const bool is_total = n > 6 && strcmp(family + n - 6, "_total") == 0;
                        assert_int_equal(is_total, strcmp(type, "counter") == 0);
                        if (strcmp(type, "histogram") == 0)
                                assert_string_equal(family + n - 8, "_seconds");
                        continue;
                }
                char own[128], *end;
                family_of(line, strcmp(type, "histogram") == 0, own);
                assert_string_equal(own, family);
                assert_non_null(strrchr(line, ' '));
                (void)strtod(strrchr(line, ' ') + 1, &end);
                assert_int_equal(*end, '\0');
                samples++;
        }
        assert_true(families > 30);
        assert_true(samples > 200);
}

static void a_page_that_does_not_fit_is_an_error(void **state)
{
        struct pgw_buf small;

        (void)state;
        for (size_t max = 0; max < 15000; max += 500) {
                pgw_buf_init(&small, max);
                assert_int_equal(pgw_metric_render(&small), PGW_E_TOO_LARGE);
                pgw_buf_fini(&small);
        }
}

static int begin(void **state)
{
        (void)state;
        pgw_metric_thread_register();
        pgw_buf_init(&page, 1 << 20);
        return 0;
}

static int end(void **state)
{
        (void)state;
        pgw_buf_fini(&page);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(sums_threads_and_keeps_what_ended_threads_counted),
            cmocka_unit_test(a_thread_without_a_set_harms_nobody),
            cmocka_unit_test(a_gauge_is_set_and_not_added),
            cmocka_unit_test(what_is_forgotten_is_not_shown_until_it_is_set_again),
            cmocka_unit_test(a_gauge_in_thousandths_is_shown_as_a_decimal_once_set),
            cmocka_unit_test(buckets_are_cumulative_and_include_their_bound),
            cmocka_unit_test(the_queue_is_a_label_of_the_name_that_dashboards_know),
            cmocka_unit_test(tells_of_the_process),
            cmocka_unit_test(is_what_prometheus_reads),
            cmocka_unit_test(a_page_that_does_not_fit_is_an_error),
        };

        return cmocka_run_group_tests(tests, begin, end);
}
