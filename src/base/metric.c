/* The owner of a set writes with relaxed stores and readers read with relaxed loads: on
 * the machines we run on that is a plain move, and it is no data race. */
#include "base/metric.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

static const uint64_t bounds_us[] = {50,     100,     250,     500,     1000,   2500,
                                     5000,   10000,   25000,   50000,   100000, 250000,
                                     500000, 1000000, 2500000, 10000000};
#define BOUND_COUNT (sizeof bounds_us / sizeof bounds_us[0])

struct histogram {
        uint64_t buckets[BOUND_COUNT + 1];
        uint64_t sum_us;
};

struct set {
        uint64_t counters[PGW_COUNTER_COUNT];
        int64_t gauges[PGW_GAUGE_COUNT];
        struct histogram histograms[PGW_HISTOGRAM_COUNT];
};

struct row {
        const char *family, *labels, *help;
        bool milli;
};

#define G(name, family, labels, help)
#define M(name, family, labels, help)
#define H(name, family, labels, help)
#define C(name, family, labels, help) {family, labels, help, false},
static const struct row counter_rows[] = {
#include "tbl/metrics.h"
};
#undef C
#undef G
#undef M
#define C(name, family, labels, help)
#define G(name, family, labels, help) {family, labels, help, false},
#define M(name, family, labels, help) {family, labels, help, true},
static const struct row gauge_rows[] = {
#include "tbl/metrics.h"
};
#undef G
#undef M
#undef H
#define G(name, family, labels, help)
#define M(name, family, labels, help)
#define H(name, family, labels, help) {family, labels, help, false},
static const struct row histogram_rows[] = {
#include "tbl/metrics.h"
};

static struct set *sets[PGW_METRIC_THREADS_MAX];
static unsigned set_count;
static _Thread_local struct set *mine;
static _Thread_local struct set unregistered;
/* A ratio of 0 would be a statement; until somebody knows it, it is none. */
#undef C
#undef G
#undef M
#undef H
#define C(name, family, labels, help)
#define G(name, family, labels, help)
#define M(name, family, labels, help) [PGW_G_##name] = true,
#define H(name, family, labels, help)
static bool is_unknown[PGW_GAUGE_COUNT] = {
#include "tbl/metrics.h"
};
static uint64_t started_ms;
static const char *queue_name;

void pgw_metric_thread_register(void)
{
        const unsigned at = __atomic_fetch_add(&set_count, 1, __ATOMIC_RELAXED);

        PGW_ASSERT(at < PGW_METRIC_THREADS_MAX);
        if (at == 0)
                started_ms = pgw_wall_ms();
        mine = pgw_alloc(sizeof *mine);
        __atomic_store_n(&sets[at], mine, __ATOMIC_RELEASE);
}

void pgw_metric_set_queue(const char *name)
{
        queue_name = name;
}

static struct set *own(void)
{
        return mine ? mine : &unregistered;
}

static void bump(uint64_t *value, uint64_t n)
{
        __atomic_store_n(value, *value + n, __ATOMIC_RELAXED);
}

void pgw_metric_add(enum pgw_counter counter, uint64_t n)
{
        bump(&own()->counters[counter], n);
}

void pgw_metric_forget(enum pgw_gauge gauge)
{
        __atomic_store_n(&is_unknown[gauge], true, __ATOMIC_RELAXED);
}

void pgw_metric_set(enum pgw_gauge gauge, int64_t value)
{
        if (__atomic_load_n(&is_unknown[gauge], __ATOMIC_RELAXED))
                __atomic_store_n(&is_unknown[gauge], false, __ATOMIC_RELAXED);
        __atomic_store_n(&own()->gauges[gauge], value, __ATOMIC_RELAXED);
}

void pgw_metric_observe_us(enum pgw_histogram histogram, uint64_t us)
{
        struct histogram *h = &own()->histograms[histogram];
        size_t at = 0;

        while (at < BOUND_COUNT && us > bounds_us[at])
                at++;
        bump(&h->buckets[at], 1);
        bump(&h->sum_us, us);
}

#define SUM(type, field)                                                                           \
        ({                                                                                         \
                type sum_ = 0;                                                                     \
                for (unsigned i_ = 0; i_ < PGW_METRIC_THREADS_MAX; i_++) {                         \
                        const struct set *s_ = __atomic_load_n(&sets[i_], __ATOMIC_ACQUIRE);       \
                        if (s_)                                                                    \
                                sum_ += __atomic_load_n(&s_->field, __ATOMIC_RELAXED);             \
                }                                                                                  \
                sum_;                                                                              \
        })

uint64_t pgw_metric_counter(enum pgw_counter counter)
{
        return SUM(uint64_t, counters[counter]);
}

static bool is_known(size_t gauge)
{
        return !__atomic_load_n(&is_unknown[gauge], __ATOMIC_RELAXED);
}

/* The help stands with the first row of a family; the others say nothing of their own. */
static size_t first_of_family(const struct row *rows, size_t at)
{
        while (at && strcmp(rows[at].family, rows[at - 1].family) == 0)
                at--;
        return at;
}

static enum pgw_err head(struct pgw_buf *out, const struct row *row, const char *type)
{
        return pgw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->family, row->help,
                              row->family, type);
}

/* HELP and TYPE once for a family, whose rows stand together in the table. */
static enum pgw_err head_once(struct pgw_buf *out, const struct row *rows, size_t at,
                              const char *type)
{
        return first_of_family(rows, at) == at ? head(out, &rows[at], type) : PGW_OK;
}

static enum pgw_err sample(struct pgw_buf *out, const struct row *row, long long value)
{
        if (row->labels[0])
                return pgw_buf_printf(out, "%s{%s} %lld\n", row->family, row->labels, value);
        return pgw_buf_printf(out, "%s %lld\n", row->family, value);
}

static enum pgw_err render_gauge(struct pgw_buf *out, size_t at)
{
        const struct row *row = &gauge_rows[at];
        const int64_t value = SUM(int64_t, gauges[at]);
        size_t first = first_of_family(gauge_rows, at), known = first;
        enum pgw_err err = PGW_OK;

        if (!is_known(at))
                return PGW_OK;
        /* Another thread may forget it meanwhile. */
        while (known < at && !is_known(known))
                known++;
        if (known == at)
                err = head(out, &gauge_rows[first], "gauge");
        if (err || !row->milli)
                return err ? err : sample(out, row, (long long)value);
        return pgw_buf_printf(out, row->labels[0] ? "%s{%s} %.3f\n" : "%s%s %.3f\n", row->family,
                              row->labels, (double)value / 1e3);
}

static enum pgw_err render_histogram(struct pgw_buf *out, size_t at)
{
        const struct row *row = &histogram_rows[at];
        const char *comma = row->labels[0] ? "," : "", *open = row->labels[0] ? "{" : "",
                   *close = row->labels[0] ? "}" : "";
        uint64_t total = 0;
        enum pgw_err err = head_once(out, histogram_rows, at, "histogram");

        for (size_t b = 0; b <= BOUND_COUNT && !err; b++) {
                total += SUM(uint64_t, histograms[at].buckets[b]);
                if (b < BOUND_COUNT)
                        err = pgw_buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", row->family,
                                             row->labels, comma, (double)bounds_us[b] / 1e6,
                                             (unsigned long long)total);
                else
                        err = pgw_buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", row->family,
                                             row->labels, comma, (unsigned long long)total);
        }
        if (!err)
                err = pgw_buf_printf(
                    out, "%s_sum%s%s%s %.6f\n%s_count%s%s%s %llu\n", row->family, open, row->labels,
                    close, (double)SUM(uint64_t, histograms[at].sum_us) / 1e6, row->family, open,
                    row->labels, close, (unsigned long long)total);
        return err;
}

static long resident_bytes(void)
{
        char line[128];
        long resident = 0;
        FILE *f = fopen("/proc/self/statm", "re");

        if (!f)
                return 0;
        if (fgets(line, sizeof line, f)) {
                const char *second = strchr(line, ' ');
                resident = second ? strtol(second, NULL, 10) : 0;
        }
        fclose(f);
        return resident * sysconf(_SC_PAGESIZE);
}

static long open_descriptors(void)
{
        DIR *dir = opendir("/proc/self/fd");
        long count = -3; /* ".", ".." and the directory itself */

        if (!dir)
                return 0;
        while (readdir(dir))
                count++;
        closedir(dir);
        return count;
}

static enum pgw_err render_process(struct pgw_buf *out)
{
        return pgw_buf_printf(
            out,
            "# HELP process_start_time_seconds When this process started.\n"
            "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %.3f\n"
            "# HELP process_resident_memory_bytes Memory of this process.\n"
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %ld\n"
            "# HELP process_open_fds Descriptors of this process.\n"
            "# TYPE process_open_fds gauge\nprocess_open_fds %ld\n"
            "# HELP purgeway_log_lines_dropped_total Log lines held back or lost.\n"
            "# TYPE purgeway_log_lines_dropped_total counter\n"
            "purgeway_log_lines_dropped_total %llu\n"
            "# HELP purgeway_build_info The version that runs.\n"
            "# TYPE purgeway_build_info gauge\npurgeway_build_info{version=\"%s\"} 1\n",
            (double)started_ms / 1e3, resident_bytes(), open_descriptors(),
            (unsigned long long)pgw_log_dropped(), PGW_VERSION);
}

/* The name under which the dashboards of a Celery installation look for it. */
static enum pgw_err render_queue_length(struct pgw_buf *out)
{
        const int64_t waiting = SUM(int64_t, gauges[PGW_G_QUEUE_WAITING_HIGH]) +
                                SUM(int64_t, gauges[PGW_G_QUEUE_WAITING_NORMAL]) +
                                SUM(int64_t, gauges[PGW_G_QUEUE_WAITING_LOW]);

        if (!is_known(PGW_G_QUEUE_WAITING_LOW))
                return PGW_OK;
        return pgw_buf_printf(out,
                              "# HELP celery_task_queue_length Jobs that no worker has taken yet.\n"
                              "# TYPE celery_task_queue_length gauge\n"
                              "celery_task_queue_length%s%s%s %lld\n",
                              queue_name ? "{queue=\"" : "", queue_name ? queue_name : "",
                              queue_name ? "\"}" : "", (long long)waiting);
}

enum pgw_err pgw_metric_render(struct pgw_buf *out)
{
        enum pgw_err err = PGW_OK;

        for (size_t i = 0; i < PGW_COUNTER_COUNT && !err; i++) {
                err = head_once(out, counter_rows, i, "counter");
                if (!err)
                        err = sample(out, &counter_rows[i], (long long)SUM(uint64_t, counters[i]));
        }
        for (size_t i = 0; i < PGW_GAUGE_COUNT && !err; i++)
                err = render_gauge(out, i);
        for (size_t i = 0; i < PGW_HISTOGRAM_COUNT && !err; i++)
                err = render_histogram(out, i);
        if (!err)
                err = render_queue_length(out);
        return err ? err : render_process(out);
}
