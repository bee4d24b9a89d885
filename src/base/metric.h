/* base/metric.h - counters, gauges and histograms for Prometheus.
 *
 * Declared in tbl/metrics.h, nowhere else. Each thread has a set of its own that only it
 * writes; a scrape sums them, so counting costs a plain addition. A gauge is per thread
 * and summed too: what belongs to the process is set by one thread.
 */
#ifndef PGW_BASE_METRIC_H
#define PGW_BASE_METRIC_H

#include <stdint.h>

#include "base/buf.h"

#define C(name, family, labels, help) PGW_M_##name,
#define G(name, family, labels, help)
#define M(name, family, labels, help)
#define H(name, family, labels, help)
enum pgw_counter {
#include "tbl/metrics.h"
        PGW_COUNTER_COUNT
};
#undef C
#undef G
#undef M
#define C(name, family, labels, help)
#define G(name, family, labels, help) PGW_G_##name,
#define M(name, family, labels, help) PGW_G_##name,
enum pgw_gauge {
#include "tbl/metrics.h"
        PGW_GAUGE_COUNT
};
#undef G
#undef M
#undef H
#define G(name, family, labels, help)
#define M(name, family, labels, help)
#define H(name, family, labels, help) PGW_H_##name,
enum pgw_histogram {
#include "tbl/metrics.h"
        PGW_HISTOGRAM_COUNT
};
#undef C
#undef G
#undef M
#undef H

#define PGW_METRIC_THREADS_MAX 256

/* Give the calling thread its set. Without it what the thread counts goes to a shared
 * set that is never shown. The set outlives the thread: counters do not go back. */
void pgw_metric_thread_register(void);

void pgw_metric_add(enum pgw_counter, uint64_t n);
void pgw_metric_set(enum pgw_gauge, int64_t value);

/* Nobody knows it any more: it is not shown until it is set again. A number that stands still
 * looks like one that is true. */
void pgw_metric_forget(enum pgw_gauge);

void pgw_metric_observe_us(enum pgw_histogram, uint64_t us);

/* The queue's name, for the one family that has it as a label; `name` holds no quotes and
 * stays the caller's and valid. Before any thread starts. */
void pgw_metric_set_queue(const char *name);

/* The sum over all threads. */
uint64_t pgw_metric_counter(enum pgw_counter);

/* All of it in Prometheus' text format 0.0.4. */
enum pgw_err pgw_metric_render(struct pgw_buf *out) PGW_MUSTUSE;

#endif
