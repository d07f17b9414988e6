/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <jansson.h>
#include <stdio.h>

static const double MEGA = 1 << 20;

void report_list(void) {
    for (int i = 0; i < n_bench_cases; i++) {
        const struct bench_case *c = &bench_cases[i];
        printf("%-26s batch %d of %dx%dx%d, %s\n", c->name, c->batch, c->height, c->width,
               c->channels, c->doc);
    }
}

/* ---- figures of both forms ------------------------------------------------------------------ */

static struct roofline case_roofline(const struct report *report, const struct result *r, int i) {
    return roofline_of(report->bounds, r->at[i].workers, report->kernels, r->work.gflop,
                       r->work.gbytes, r->at[i].median * 1e-3);
}

/* The least milliseconds of a step: by its arithmetic, and if all operands came from memory. */
static double arithmetic_ms(const struct report *report, const struct result *r, int i) {
    return r->work.gflop / bounds_gflops(report->bounds, r->at[i].workers, report->kernels) * 1e3;
}

static double traffic_ms(const struct report *report, const struct result *r, int i) {
    return r->work.gbytes / bounds_gbytes(report->bounds, r->at[i].workers) * 1e3;
}

static struct roofline kernel_roofline(const struct report *report, const struct kernel_use *use) {
    return roofline_of(report->bounds, 1, report->kernels, use->flops * 1e-9, use->bytes * 1e-9,
                       use->seconds);
}

static double speedup(const struct result *r, int i) {
    return r->at[0].median / r->at[i].median;
}

/* What is spent outside the table's kernels. */
static struct kernel_use outside(const struct result *r) {
    return (struct kernel_use){.name = "outside",
                               .seconds = r->profile_seconds - r->profile->all.seconds};
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static int put_line(json_t *object) {
    const int good = object != NULL &&
                     json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0 &&
                     putchar('\n') != EOF && fflush(stdout) == 0;
    json_decref(object);
    return good;
}

static json_t *bound_json(const struct bounds *bounds, int k) {
    const struct bound *at = &bounds->at[k];
    json_t *fma = json_object();
    for (int i = 0; i < bounds->n_isas; i++) {
        json_object_set_new(fma, bounds->isas[i], json_real(at->gflops[i]));
    }
    return json_pack("{s:i, s:f, s:o}", "threads", at->threads, "memory_gbytes_per_s", at->gbytes,
                     "fma_gflops", fma);
}

static int bounds_json(const struct report *report) {
    json_t *list = json_array();
    for (int k = 0; k < report->bounds->n; k++) {
        json_array_append_new(list, bound_json(report->bounds, k));
    }
    return put_line(json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind", "bounds", "version", NAS_VERSION,
                              "kernels", report->kernels, "blas", nas_gemm_version(), "bounds",
                              list));
}

static json_t *kernel_json(const struct report *report, const struct result *r,
                           const struct kernel_use *use) {
    const double steps = (double)r->subject->unit;
    const struct roofline roof = kernel_roofline(report, use);
    return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "name", use->name, "share",
                     use->seconds / r->profile_seconds, "ms", use->seconds * 1e3 / steps, "calls",
                     (double)use->calls / steps, "gflop", use->flops * 1e-9 / steps, "gbytes",
                     use->bytes * 1e-9 / steps, "fma_share", roof.arithmetic, "memory_share",
                     roof.traffic);
}

static json_t *profile_json(const struct report *report, const struct result *r) {
    json_t *list = json_array();
    const struct kernel_use rest = outside(r);
    for (int i = 0; i < r->profile->n; i++) {
        json_array_append_new(list, kernel_json(report, r, &r->profile->use[i]));
    }
    json_array_append_new(list, kernel_json(report, r, &rest));
    return list;
}

static json_t *time_json(const struct report *report, const struct result *r, int i) {
    const struct measured *m = &r->at[i];
    const struct roofline roof = case_roofline(report, r, i);
    json_t *object = json_pack(
        "{s:i, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:f}", "workers", m->workers,
        "repeats", (json_int_t)m->repeats, "steps", (json_int_t)m->steps, "ms", m->median, "ms_min",
        m->least, "ms_max", m->most, "processor_ms", m->processor, "gflops", roof.gflops,
        "fma_share", roof.arithmetic, "memory_share", roof.traffic, "bound", roof.verdict,
        "plan_mbytes", m->plan / MEGA, "skip_share", m->skip_share);
    json_object_set_new(object, "arithmetic_ms", json_real(arithmetic_ms(report, r, i)));
    json_object_set_new(object, "traffic_ms", json_real(traffic_ms(report, r, i)));
    json_object_set_new(object, "peak_mbytes",
                        m->peak < 0 ? json_null() : json_real(m->peak / MEGA));
    json_object_set_new(object, "speedup", i == 0 ? json_null() : json_real(speedup(r, i)));
    return object;
}

static json_t *case_json(const struct report *report, const struct result *r, int i) {
    const struct subject *s = r->subject;
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:[i,i,i], s:i, s:i, s:f, s:b, s:f}", "kind", "case",
                  "case", s->what->name, "search_space", s->what->space, "kernels", report->kernels,
                  "image", s->what->channels, s->what->height, s->what->width, "batch", s->batch,
                  "batch_asked", s->what->batch, "gflop", r->work.gflop, "gflop_counted",
                  r->work.counted, "gbytes", r->work.gbytes);
    json_object_update_new(object, time_json(report, r, i));
    json_object_set_new(object, "profile_ms",
                        json_real(r->profile_seconds * 1e3 / (double)s->unit));
    json_object_set_new(object, "profile", profile_json(report, r));
    return object;
}

/* ---- table ---------------------------------------------------------------------------------- */

static void bounds_table(const struct report *report) {
    const struct bounds *b = report->bounds;
    printf("metanas %s, kernels %s, %s\n", NAS_VERSION, report->kernels, nas_gemm_version());
    for (int k = 0; k < b->n; k++) {
        printf("%d thread%s: ", b->at[k].threads, b->at[k].threads > 1 ? "s" : "");
        for (int i = 0; i < b->n_isas; i++) {
            printf("%s %.0f GFLOP/s, ", b->isas[i], b->at[k].gflops[i]);
        }
        printf("memory %.1f GB/s\n", b->at[k].gbytes);
    }
    printf("\n%-26s%3s%4s %9s %9s %9s %9s %8s %5s %5s %7s %7s %5s %5s  %s\n", "case", "wrk", "img",
           "ms/step", "least", "most", "cpu", "GFLOP/s", "fma", "mem", "plan MB", "peak MB", "skip",
           "speed", "bound");
}

static void kernel_line(const struct report *report, const struct result *r,
                        const struct kernel_use *use) {
    const double steps = (double)r->subject->unit;
    const struct roofline roof = kernel_roofline(report, use);
    printf("  %-24s%6.1f%% %9.3f ms %7.0f calls %7.1f GFLOP/s %6.1f GB/s %4.0f%% fma %4.0f%% mem\n",
           use->name, 100 * use->seconds / r->profile_seconds, use->seconds * 1e3 / steps,
           (double)use->calls / steps, roof.gflops, use->bytes * 1e-9 / use->seconds,
           100 * roof.arithmetic, 100 * roof.traffic);
}

static void case_table(const struct report *report, const struct result *r) {
    const struct subject *s = r->subject;
    const struct kernel_use rest = outside(r);
    for (int i = 0; i < r->n; i++) {
        const struct measured *m = &r->at[i];
        const struct roofline roof = case_roofline(report, r, i);
        printf("%-26s%3d%4d %9.3f %9.3f %9.3f %9.3f %8.1f %4.0f%% %4.0f%% %7.0f ", s->what->name,
               m->workers, s->batch, m->median, m->least, m->most, m->processor, roof.gflops,
               100 * roof.arithmetic, 100 * roof.traffic, m->plan / MEGA);
        m->peak < 0 ? printf("%7s ", "?") : printf("%7.0f ", m->peak / MEGA);
        printf("%4.0f%% %5.2f  %s\n", 100 * m->skip_share, speedup(r, i), roof.verdict);
    }
    if (s->batch < s->what->batch) {
        printf("  %d images a step, not %d: memory would not allow more\n", s->batch,
               s->what->batch);
    }
    for (int i = 0; i < r->profile->n; i++) {
        kernel_line(report, r, &r->profile->use[i]);
    }
    kernel_line(report, r, &rest);
}

/* ---- both ----------------------------------------------------------------------------------- */

int report_bounds(const struct report *report) {
    if (report->json) {
        return bounds_json(report);
    }
    bounds_table(report);
    return fflush(stdout) == 0;
}

int report_case(const struct report *report, const struct result *r) {
    int good = 1;
    if (!report->json) {
        case_table(report, r);
    }
    for (int i = 0; report->json && good && i < r->n; i++) {
        good = put_line(case_json(report, r, i));
    }
    return fflush(stdout) == 0 && good;
}
