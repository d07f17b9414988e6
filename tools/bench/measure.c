/* SPDX-License-Identifier: MIT */
#include "measure.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int timed_run(struct subject *s, struct mn_ctx *ctx, struct nas_threads *pool, int64_t units,
                     double *seconds) {
    const double begin = nas_now();
    const int status = subject_run(s, ctx, pool, units);
    *seconds = nas_now() - begin;
    return status;
}

/* A first run touches the memory, a second one tells how many units a repeat has to have. */
static int choose_units(struct subject *s, struct mn_ctx *ctx, struct nas_threads *pool,
                        const struct effort *effort, int64_t *units) {
    double seconds = 0;
    int status = timed_run(s, ctx, pool, 1, &seconds);
    if (status == MN_OK) {
        status = timed_run(s, ctx, pool, 1, &seconds);
    }
    const double fit = effort->seconds / (double)effort->repeats / fmax(seconds, 1e-6);
    *units = fit < 1 ? 1 : (int64_t)fit;
    return status;
}

/* Of all threads. Unlike the clock's time it does not grow when other programs take turns. */
static double processor_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int repeat(struct subject *s, struct mn_ctx *ctx, struct nas_threads *pool,
                  const struct effort *effort, double *times, struct measured *out) {
    int64_t units;
    int status = choose_units(s, ctx, pool, effort, &units);
    out->repeats = effort->repeats;
    out->steps = units * s->unit;
    const double before = processor_seconds(), steps = (double)out->steps * out->workers;
    for (int64_t i = 0; status == MN_OK && i < effort->repeats; i++) {
        status = timed_run(s, ctx, pool, units, &times[i]);
        times[i] *= 1e3 / steps;
    }
    out->processor = 1e3 * (processor_seconds() - before) / (steps * (double)effort->repeats);
    return status;
}

static void summarise(double *times, struct measured *out) {
    const int64_t n = out->repeats;
    qsort(times, (size_t)n, sizeof *times, by_value);
    out->median = (times[(n - 1) / 2] + times[n / 2]) / 2;
    out->least = times[0];
    out->most = times[n - 1];
}

int measure(struct mn_ctx *ctx, struct subject *s, int workers, const struct effort *effort,
            struct measured *out) {
    struct nas_threads *pool = NULL;
    double *times = calloc((size_t)effort->repeats, sizeof *times);
    *out = (struct measured){.workers = workers};
    const int known = nas_memory_reset_peak();
    int status = times == NULL ? mn_fail(ctx, MN_NOMEM, "no memory for the times")
                               : nas_threads_new(ctx, workers, s->e.model, &pool);
    if (status == MN_OK) {
        status = repeat(s, ctx, pool, effort, times, out);
    }
    if (status == MN_OK) {
        summarise(times, out);
        out->plan = subject_plan(s, workers);
        out->peak = known ? (double)nas_memory_peak() : -1;
        out->skip_share = subject_skip_share(s);
    }
    nas_threads_free(pool);
    free(times);
    return status;
}

struct work work_of(const struct subject *s, const struct profile *profile) {
    const double steps = (double)s->unit, nominal = subject_gflop(s);
    return (struct work){.gflop = nominal > 0 ? nominal : profile->all.flops * 1e-9 / steps,
                         .counted = !(nominal > 0),
                         .gbytes = profile->all.bytes * 1e-9 / steps};
}

/* The names the bounds have on the roofline. */
static const char *verdict(double arithmetic, double traffic) {
    if (arithmetic >= 2.0 / 3) {
        return "arithmetic";
    }
    if (traffic >= 2.0 / 3) {
        return "traffic";
    }
    return "neither";
}

struct roofline roofline_of(const struct bounds *bounds, int threads, const char *kernels,
                            double gflop, double gbytes, double seconds) {
    struct roofline r = {.gflops = gflop / seconds};
    r.arithmetic = r.gflops / bounds_gflops(bounds, threads, kernels);
    r.traffic = gbytes / seconds / bounds_gbytes(bounds, threads);
    r.verdict = verdict(r.arithmetic, r.traffic);
    return r;
}
