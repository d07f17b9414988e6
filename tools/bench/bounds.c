/* SPDX-License-Identifier: MIT */
#include "bounds.h"

#include "backend/cpu/kernels/kernel.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Reals of an array of the triad: three of them are many times a last-level cache. */
enum { TRIAD = 16 << 20 };
static const int64_t ROUNDS = 2 << 20;

static const struct {
    const char *name;
    double (*run)(int64_t rounds);
} isas[] = {
#define ISA(name) {#name, bench_fma_##name},
    NAS_BUILT
#undef ISA
};

/* A thread's share of a measurement; `work` returns operations or bytes done. */
struct part {
    double (*work)(struct part *part);
    double (*fma)(int64_t rounds);
    mn_real *a, *b, *c;
    size_t n;
    double done;
    pthread_t thread;
};

static double multiply_add(struct part *part) {
    return part->fma(ROUNDS);
}

/* STREAM's triad. */
static double triad(struct part *part) {
    const mn_real *restrict b = part->b, *restrict c = part->c;
    mn_real *restrict a = part->a;
    for (size_t i = 0; i < part->n; i++) {
        a[i] = b[i] + (mn_real)0.5 * c[i];
    }
    return 3.0 * sizeof *a * (double)part->n;
}

static void *part_main(void *data) {
    struct part *part = data;
    part->done = part->work(part);
    return NULL;
}

/* All parts at once; work per second, 0 = no thread. */
static double rate(int threads, struct part *parts) {
    const double begin = nas_now();
    double done = 0;
    int started = 1;
    while (started < threads &&
           pthread_create(&parts[started].thread, NULL, part_main, &parts[started]) == 0) {
        started++;
    }
    part_main(&parts[0]);
    for (int i = 0; i < started; i++) {
        if (i > 0) {
            pthread_join(parts[i].thread, NULL);
        }
        done += parts[i].done;
    }
    return started == threads ? done / (nas_now() - begin) : 0;
}

static double best_rate(int threads, int64_t repeats, struct part *parts) {
    double best = 0;
    for (int64_t i = 0; i < repeats; i++) {
        const double now = rate(threads, parts);
        if (now <= 0) {
            return 0;
        }
        best = now > best ? now : best;
    }
    return best;
}

static int measure_isas(int64_t repeats, struct bounds *out) {
    struct part parts[MOST_WORKERS];
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        if (nas_kernels_find(isas[i].name) == NULL) {
            continue;
        }
        for (int k = 0; k < out->n; k++) {
            for (int t = 0; t < out->at[k].threads; t++) {
                parts[t] = (struct part){.work = multiply_add, .fma = isas[i].run};
            }
            const double best = best_rate(out->at[k].threads, 5 * repeats, parts);
            if (best <= 0) {
                return 0;
            }
            out->at[k].gflops[out->n_isas] = best * 1e-9;
        }
        out->isas[out->n_isas++] = isas[i].name;
    }
    return 1;
}

static int measure_memory(int64_t repeats, struct bounds *out) {
    struct part parts[MOST_WORKERS];
    mn_real *arrays = malloc(3 * (size_t)TRIAD * sizeof *arrays);
    if (arrays == NULL) {
        return 0;
    }
    for (size_t i = 0; i < 3 * (size_t)TRIAD; i++) {
        arrays[i] = 1;
    }
    int good = 1;
    for (int k = 0; good && k < out->n; k++) {
        const int threads = out->at[k].threads;
        const size_t each = (size_t)TRIAD / (size_t)threads;
        for (int t = 0; t < threads; t++) {
            mn_real *at = arrays + (size_t)t * each;
            parts[t] = (struct part){
                .work = triad, .a = at, .b = at + TRIAD, .c = at + 2 * (size_t)TRIAD, .n = each};
        }
        out->at[k].gbytes = best_rate(threads, repeats, parts) * 1e-9;
        good = out->at[k].gbytes > 0;
    }
    free(arrays);
    return good;
}

int bounds_measure(int n, const int *threads, int64_t repeats, struct bounds *out) {
    memset(out, 0, sizeof *out);
    out->at[out->n++].threads = 1;
    for (int k = 0; k < n; k++) {
        if (threads[k] != 1) {
            out->at[out->n++].threads = threads[k];
        }
    }
    return measure_isas(repeats, out) && measure_memory(repeats, out);
}

static const struct bound *find(const struct bounds *bounds, int threads) {
    int k = 0;
    while (k + 1 < bounds->n && bounds->at[k].threads != threads) {
        k++;
    }
    return &bounds->at[k];
}

double bounds_gflops(const struct bounds *bounds, int threads, const char *kernels) {
    int i = 0;
    for (int j = 0; j < bounds->n_isas; j++) {
        i = strcmp(bounds->isas[j], kernels) == 0 ? j : i;
    }
    return find(bounds, threads)->gflops[i];
}

double bounds_gbytes(const struct bounds *bounds, int threads) {
    return find(bounds, threads)->gbytes;
}
