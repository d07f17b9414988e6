/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "../rundir.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/text.h"
#include "store/csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Decisions are a function of what the runs have written, so a sweep that goes on decides the same.
 */

/* An arm at the end of a rung. */
struct sweep_place {
    int rung;
    int64_t arm, rank;          /* from 1 */
    struct sweep_mean accuracy; /* n = 0: a run has none */
    int kept;
};

/* ---- validations -------------------------------------------------------------------------- */

struct validation {
    int64_t meta_epoch;
    double accuracy, ci95;
};

static int take_validation(void *data, struct mn_ctx *ctx, json_t *line) {
    struct validation *v = data;
    const json_t *kind = json_object_get(line, "kind"),
                 *ci95 = json_object_get(line, "accuracy_ci95");
    (void)ctx;
    if (json_is_string(kind) && strcmp(json_string_value(kind), "validation") == 0 &&
        json_integer_value(json_object_get(line, "meta_epoch")) == v->meta_epoch) {
        const json_t *mean = json_object_get(line, "accuracy_mean");
        v->accuracy = json_is_number(mean) ? json_number_value(mean) : (double)NAN;
        v->ci95 = json_is_number(ci95) ? json_number_value(ci95) : (double)NAN;
    }
    return MN_OK;
}

/* That of a run after so many meta-epochs; NAN = there is none. */
static int find_validation(struct mn_ctx *ctx, const struct sweep_run *run, int64_t meta_epoch,
                           struct validation *out) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    const char *path;
    *out = (struct validation){meta_epoch, NAN, NAN};
    TRY(rundir_file(ctx, &arena, run->dir, "metrics.jsonl", &path));
    return rundir_lines(ctx, path, take_validation, out);
}

int sweep_rung_list(struct mn_ctx *ctx, struct sweep_job *job, const struct sweep_results *results,
                    int rung) {
    const int is_last = rung + 1 >= job->sweep.n_rungs;
    for (int64_t i = 0; i < job->n_runs; i++) {
        const struct sweep_status *now = &results->runs[i].now;
        struct sweep_run *run = &job->runs[i];
        struct validation v = {0};
        if (!is_last) {
            TRY(find_validation(ctx, run, job->sweep.rungs[rung], &v));
        }
        /* A run that was killed may have written down a validation that no checkpoint knows of. */
        const int due = job->left[run->arm] == 0 &&
                        (is_last ? now->progress != SWEEP_DONE
                                 : isnan(v.accuracy) || now->meta_epoch < job->sweep.rungs[rung]);
        run->due = due ? SWEEP_DUE : SWEEP_NOT_DUE;
    }
    return MN_OK;
}

/* ---- deciding ----------------------------------------------------------------------------- */

/* Over seeds; of one seed over the tasks of its validation. */
static int judge(struct mn_ctx *ctx, const struct sweep_job *job, int64_t arm, int64_t meta_epoch,
                 struct sweep_mean *out) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    const int n = job->sweep.n_seeds;
    struct validation v;
    double *x = mn_scratch(ctx, (size_t)n * sizeof *x);
    if (x == NULL) {
        return MN_NOMEM;
    }
    *out = (struct sweep_mean){.mean = NAN, .ci95 = NAN};
    for (int i = 0; i < n; i++) {
        TRY(find_validation(ctx, &job->runs[arm * n + i], meta_epoch, &v));
        if (isnan(v.accuracy)) {
            return MN_OK;
        }
        x[i] = v.accuracy;
    }
    *out = sweep_mean_of(n, x);
    out->ci95 = n == 1 ? v.ci95 : out->ci95;
    return MN_OK;
}

/* Digits in which the order of a sum shows are none. */
static double in_order(const struct sweep_place *x) {
    return x->accuracy.n > 0 ? round(1e9 * x->accuracy.mean) : -1;
}

static int by_accuracy(const void *a, const void *b) {
    const struct sweep_place *x = a, *y = b;
    const double order = in_order(y) - in_order(x);
    return order != 0 ? (order > 0 ? 1 : -1) : (x->arm > y->arm) - (x->arm < y->arm);
}

int sweep_rung_decide(struct mn_ctx *ctx, struct sweep_job *job, int rung) {
    const struct sweep *s = &job->sweep;
    const int is_last = rung + 1 == s->n_rungs;
    int64_t n = 0, first = job->n_places;
    for (int64_t arm = 0; arm < s->n_arms; arm++) {
        n += job->left[arm] == 0;
    }
    struct sweep_place *all = nas_arena_array(&job->arena, (size_t)(first + n), sizeof *all);
    if (all == NULL) {
        return no_memory(ctx);
    }
    for (int64_t i = 0; i < first; i++) {
        all[i] = job->places[i];
    }
    job->places = all;
    for (int64_t arm = 0; arm < s->n_arms; arm++) {
        if (job->left[arm] == 0) {
            struct sweep_place *x = &all[job->n_places++];
            *x = (struct sweep_place){.rung = rung, .arm = arm};
            TRY(judge(ctx, job, arm, s->rungs[rung], &x->accuracy));
        }
    }
    qsort(all + first, (size_t)n, sizeof *all, by_accuracy);
    const int64_t keep = is_last || n < s->eta ? 1 : n / s->eta;
    for (int64_t i = 0; i < n; i++) {
        struct sweep_place *x = &all[first + i];
        x->rank = i + 1;
        x->kept = i < keep && x->accuracy.n > 0;
        if (!x->kept && !is_last) {
            job->left[x->arm] = s->rungs[rung];
        }
    }
    return all[first].kept ? MN_OK
                           : mn_fail(ctx, MN_NUMERIC,
                                     "no arm has a validation after %" PRId64
                                     " meta-epochs: all have failed, as told above",
                                     s->rungs[rung]);
}

/* ---- telling ------------------------------------------------------------------------------ */

static void put_place(FILE *out, const struct sweep_job *job, const struct sweep_place *x,
                      const char *name) {
    struct nas_csv_line line = {.out = out};
    nas_csv_int(&line, x->rung + 1);
    nas_csv_int(&line, job->sweep.rungs[x->rung]);
    nas_csv_text(&line, name);
    nas_csv_int(&line, x->rank);
    nas_csv_real(&line, x->accuracy.mean);
    nas_csv_real(&line, x->accuracy.ci95);
    nas_csv_text(&line, x->accuracy.n == 0 ? "" : job->sweep.n_seeds > 1 ? "seeds" : "tasks");
    nas_csv_text(&line, x->kept ? "yes" : "no");
    nas_csv_end(&line);
}

/* The decision of the last rung so far. */
static void say_place(const struct sweep_job *job, const struct sweep_place *x, int64_t n,
                      int64_t kept, const char *name) {
    char half[32];
    const int is_last = x->rung + 1 == job->sweep.n_rungs;
    if (x->rank == 1 && is_last) {
        fprintf(stderr, "the best of %" PRId64 " arm%s by validation:\n", n, nas_text_s(n));
    } else if (x->rank == 1) {
        fprintf(stderr,
                "rung %d of %d, %" PRId64 " meta-epochs: %" PRId64 " of %" PRId64 " arm%s go on:\n",
                x->rung + 1, job->sweep.n_rungs, job->sweep.rungs[x->rung], kept, n, nas_text_s(n));
    }
    fprintf(stderr, "  %s %.2f%%%s\n", name, 100 * x->accuracy.mean,
            nas_text_interval(100 * x->accuracy.ci95, 2, "", half, sizeof half));
}

int sweep_rungs_write(struct mn_ctx *ctx, const struct sweep_job *job) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    const int last = job->places[job->n_places - 1].rung;
    int64_t n = 0, kept = 0;
    const char *path;
    for (int64_t i = 0; i < job->n_places; i++) {
        n += job->places[i].rung == last;
        kept += job->places[i].rung == last && job->places[i].kept;
    }
    TRY(rundir_file(ctx, &arena, job->out, "rungs.csv", &path));
    TRY(nas_buffer_open(&text, ctx));
    fputs("rung,meta_epochs,arm,rank,accuracy,accuracy_ci95,interval_over,kept\n", text.out);
    for (int64_t i = 0; i < job->n_places; i++) {
        const struct sweep_place *x = &job->places[i];
        const char *name = sweep_arm_name(&job->sweep, x->arm, &arena);
        if (name == NULL) {
            return no_memory(ctx);
        }
        put_place(text.out, job, x, name);
        if (x->rung == last && x->kept && nas_ctx_of(ctx)->log_level >= MN_LOG_INFO) {
            say_place(job, x, n, kept, name);
        }
    }
    TRY(nas_buffer_close(&text, ctx));
    return nas_file_replace(ctx, path, text.text, text.length);
}
