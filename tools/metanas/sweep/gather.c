/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "../rundir.h"

#include <math.h>
#include <unistd.h>

/* ---- a run --------------------------------------------------------------------------------- */

/* Of the lines of timing.jsonl so far. */
struct timing {
    double seconds;
    int64_t meta_epoch;
};

static int add_seconds(void *data, struct mn_ctx *ctx, json_t *line) {
    struct timing *timing = data;
    (void)ctx;
    timing->seconds += rundir_seconds(line, &timing->meta_epoch);
    return MN_OK;
}

static int read_run(struct mn_ctx *ctx, struct sweep_results *r, int64_t i) {
    const struct sweep_run *run = &r->job->runs[i];
    struct sweep_result *out = &r->runs[i];
    struct timing timing = {0};
    struct nas_csv table;
    const char *path;
    *out = (struct sweep_result){.seconds = NAN};
    TRY(sweep_look(ctx, r->job, run, &r->arena, &out->now));
    if (out->now.progress != SWEEP_DONE) {
        return MN_OK;
    }
    TRY(rundir_file(ctx, &r->arena, run->dir, "timing.jsonl", &path));
    TRY(rundir_lines(ctx, path, add_seconds, &timing));
    if (timing.meta_epoch > 0) { /* there are lines of training (run.log_every) */
        out->seconds = timing.seconds;
    }
    const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
    TRY(rundir_file(ctx, &r->arena, run->dir, "test-tasks.csv", &path));
    TRY(nas_csv_read(ctx, &nas_ctx_of(ctx)->scratch, path, &table));
    TRY(sweep_take_tasks(ctx, &r->arena, path, &table, out));
    nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    return MN_OK;
}

/* ---- arms ---------------------------------------------------------------------------------- */

static struct sweep_result *done(const struct sweep_results *r, int64_t arm, int seed) {
    struct sweep_result *run = &r->runs[arm * r->job->sweep.n_seeds + seed];
    return run->now.progress == SWEEP_DONE ? run : NULL;
}

/* The run of the first arm that this one can be compared with, or NULL. */
static const struct sweep_result *partner(const struct sweep_results *r, int64_t arm, int seed) {
    const struct sweep_result *a = done(r, 0, seed), *b = done(r, arm, seed);
    return arm > 0 && a != NULL && b != NULL && a->now.test.tasks == b->now.test.tasks &&
                   a->now.test.episodes == b->now.test.episodes
               ? a
               : NULL;
}

/* The mean over seeds, or over the tasks of the only one. x[n_seeds] is room. */
static struct sweep_mean mean_of_arm(const struct sweep_results *r, int64_t arm, int measure,
                                     double *x, const char **over) {
    const struct sweep_result *only = NULL;
    int n = 0;
    for (int seed = 0; seed < r->job->sweep.n_seeds; seed++) {
        const struct sweep_result *run = done(r, arm, seed), *first = partner(r, arm, seed);
        if (run != NULL && measure != SWEEP_DIFFERENCE) {
            x[n++] = run->means[measure].mean;
            only = run;
        } else if (first != NULL) {
            x[n++] = run->means[SWEEP_ACCURACY].mean - first->means[SWEEP_ACCURACY].mean;
            only = run;
        }
    }
    *over = n > 1 ? "seeds" : n > 0 ? "tasks" : "";
    return n == 1 ? only->means[measure] : sweep_mean_of(n, x);
}

static void summarise(const struct sweep_results *r, int64_t arm, double *x,
                      struct sweep_arm *out) {
    *out = (struct sweep_arm){0};
    for (int seed = 0; seed < r->job->sweep.n_seeds; seed++) {
        const struct sweep_result *run = done(r, arm, seed);
        out->n_done += run != NULL;
        out->n_failed += r->job->runs[arm * r->job->sweep.n_seeds + seed].failed;
        out->seconds += run != NULL ? run->seconds : 0;
    }
    out->seconds = out->n_done > 0 ? out->seconds / (double)out->n_done : (double)NAN;
    for (const struct nas_column *c = NULL;
         (c = nas_column_next(&nas_record_columns, NAS_IN_ARMS, c)) != NULL;) {
        double sum = 0;
        for (int seed = 0; seed < r->job->sweep.n_seeds; seed++) {
            const struct sweep_result *run = done(r, arm, seed);
            sum += run != NULL ? nas_column_real(c, &run->now.test) : 0;
        }
        nas_column_set_real(c, &out->test,
                            out->n_done > 0 ? sum / (double)out->n_done : (double)NAN);
    }
    for (int m = 0; m < SWEEP_DIFFERENCE; m++) {
        out->means[m] = mean_of_arm(r, arm, m, x, &out->interval_over);
    }
    out->means[SWEEP_DIFFERENCE] = mean_of_arm(r, arm, SWEEP_DIFFERENCE, x, &out->pairs_over);
}

int sweep_summarise(struct mn_ctx *ctx, struct sweep_results *r) {
    const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
    double *x = mn_scratch(ctx, (size_t)r->job->sweep.n_seeds * sizeof *x);
    if (x == NULL) {
        return MN_NOMEM;
    }
    for (int64_t arm = 0; arm < r->job->sweep.n_arms; arm++) {
        summarise(r, arm, x, &r->arms[arm]);
    }
    nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    return MN_OK;
}

/* ---- all runs ------------------------------------------------------------------------------ */

int sweep_gather_run(struct mn_ctx *ctx, struct sweep_results *r, int64_t i) {
    const int seeds = r->job->sweep.n_seeds, seed = (int)(i % seeds);
    /* A run of the first arm is what those of its seed are compared with. */
    const int64_t last = i < seeds ? r->job->sweep.n_arms - 1 : i / seeds;
    TRY(read_run(ctx, r, i));
    for (int64_t arm = i / seeds; arm <= last; arm++) {
        struct sweep_result *run = &r->runs[arm * seeds + seed];
        const struct sweep_result *first = partner(r, arm, seed);
        run->means[SWEEP_DIFFERENCE] = sweep_mean_of(0, NULL);
        if (first != NULL) {
            TRY(sweep_mean_of_difference(ctx, first->now.test.tasks, first->values[SWEEP_ACCURACY],
                                         run->values[SWEEP_ACCURACY],
                                         &run->means[SWEEP_DIFFERENCE]));
        }
    }
    return MN_OK;
}

/* The runs that a sweep before this one has found not to be finite: nothing else tells of them. */
static int recall_failed(struct mn_ctx *ctx, struct sweep_results *r) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_csv table;
    const char *path;
    TRY(rundir_file(ctx, &arena, r->job->out, "runs.csv", &path));
    if (access(path, F_OK) != 0) {
        return MN_OK;
    }
    TRY(nas_csv_read(ctx, &arena, path, &table));
    const int name = nas_csv_column(&table, "run"), state = nas_csv_column(&table, "status");
    for (int64_t i = 0, row = 0; name >= 0 && state >= 0 && i < r->job->n_runs; i++) {
        if (row < table.n_rows &&
            strcmp(nas_csv_cell(&table, row, name), r->job->runs[i].name) == 0) {
            r->job->runs[i].failed = r->runs[i].now.progress != SWEEP_DONE &&
                                     strcmp(nas_csv_cell(&table, row, state), "failed") == 0;
            row++;
        }
    }
    return MN_OK;
}

int sweep_gather(struct mn_ctx *ctx, const struct sweep_job *job, struct sweep_results *out) {
    *out = (struct sweep_results){.job = job};
    out->runs = nas_arena_zeroed(&out->arena, (size_t)job->n_runs * sizeof *out->runs);
    out->arms = nas_arena_zeroed(&out->arena, (size_t)job->sweep.n_arms * sizeof *out->arms);
    if (out->runs == NULL || out->arms == NULL) {
        return no_memory(ctx);
    }
    for (int64_t i = 0; i < job->n_runs; i++) {
        if (mn_cancelled(ctx)) {
            return mn_fail(ctx, MN_CANCELLED, "stopped on request");
        }
        TRY(sweep_gather_run(ctx, out, i));
    }
    return recall_failed(ctx, out);
}
