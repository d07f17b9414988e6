/* SPDX-License-Identifier: MIT */
#include "../rundir.h"
#include "results.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* ---- files of a run ------------------------------------------------------------------------ */

static int read_test(struct mn_ctx *ctx, struct nas_arena *arena, const char *dir,
                     struct sweep_result *out) {
    const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
    const char *path = NULL, *tasks = NULL;
    struct nas_csv table;
    json_t *test = NULL;
    int status = rundir_file(ctx, arena, dir, "test.json", &path);
    if (status == MN_OK) {
        status = rundir_file(ctx, arena, dir, "test-tasks.csv", &tasks);
    }
    if (status == MN_OK) {
        status = rundir_json(ctx, path, &test);
    }
    if (status == MN_OK) {
        status = nas_csv_read(ctx, &nas_ctx_of(ctx)->scratch, tasks, &table);
    }
    if (status == MN_OK) {
        status = sweep_take_test(ctx, arena, test, tasks, &table, out);
    }
    json_decref(test);
    nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    return status;
}

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

/* NAN without a line of training (run.log_every). */
static int training_seconds(struct mn_ctx *ctx, const char *path, double *out) {
    struct timing timing = {0};
    const int status = rundir_lines(ctx, path, add_seconds, &timing);
    *out = timing.meta_epoch > 0 ? timing.seconds : (double)NAN;
    return status;
}

static int read_run(struct mn_ctx *ctx, struct sweep_results *r, int64_t i) {
    const struct sweep_run *run = &r->job->runs[i];
    struct sweep_result *out = &r->runs[i];
    struct sweep_status now;
    const char *timing;
    int status = sweep_look(ctx, r->job, run, &now);
    if (status != MN_OK) {
        return status;
    }
    *out = (struct sweep_result){
        .progress = now.progress, .meta_epoch = now.meta_epoch, .meta_epochs = now.meta_epochs};
    status = rundir_file(ctx, &r->arena, run->dir, "timing.jsonl", &timing);
    if (status == MN_OK && now.progress == SWEEP_DONE) {
        status = training_seconds(ctx, timing, &out->seconds);
    }
    if (status == MN_OK && now.progress == SWEEP_DONE) {
        status = read_test(ctx, &r->arena, run->dir, out);
    }
    return status;
}

/* ---- arms ---------------------------------------------------------------------------------- */

static const struct sweep_result *done(const struct sweep_results *r, int64_t arm, int seed) {
    const struct sweep_result *run = &r->runs[arm * r->job->sweep.n_seeds + seed];
    return run->progress == SWEEP_DONE ? run : NULL;
}

/* The run of the first arm that this one can be compared with, or NULL. */
static const struct sweep_result *partner(const struct sweep_results *r, int64_t arm, int seed) {
    const struct sweep_result *a = done(r, 0, seed), *b = done(r, arm, seed);
    return arm > 0 && a != NULL && b != NULL && a->tasks == b->tasks &&
                   strcmp(a->episodes, b->episodes) == 0
               ? a
               : NULL;
}

static int take_difference(struct mn_ctx *ctx, struct sweep_results *r, int64_t arm, int seed) {
    struct sweep_result *run = &r->runs[arm * r->job->sweep.n_seeds + seed];
    const struct sweep_result *first = partner(r, arm, seed);
    run->difference = (struct sweep_mean){0};
    return first == NULL ? MN_OK
                         : sweep_mean_of_difference(ctx, first->tasks, first->accuracy,
                                                    run->accuracy, &run->difference);
}

/* Columns of the seeds of an arm. */
struct columns {
    int n, n_pairs, only, only_pair; /* the last two: a seed that has it */
    double *accuracy, *before, *gap, *difference;
};

static void fill_columns(const struct sweep_results *r, int64_t arm, struct columns *c,
                         struct sweep_arm *out) {
    for (int seed = 0; seed < r->job->sweep.n_seeds; seed++) {
        const struct sweep_result *run = done(r, arm, seed), *first = partner(r, arm, seed);
        out->n_failed += r->job->runs[arm * r->job->sweep.n_seeds + seed].failed;
        if (run == NULL) {
            continue;
        }
        c->accuracy[c->n] = run->accuracy_mean.mean;
        c->before[c->n] = run->before_mean.mean;
        c->gap[c->n] = run->gap.mean;
        out->parameters += run->parameters;
        out->seconds += run->seconds;
        c->n++;
        c->only = seed;
        if (first != NULL) {
            c->difference[c->n_pairs++] = run->accuracy_mean.mean - first->accuracy_mean.mean;
            c->only_pair = seed;
        }
    }
}

static void summarise(const struct sweep_results *r, int64_t arm, struct columns *c,
                      struct sweep_arm *out) {
    const int64_t first = arm * r->job->sweep.n_seeds;
    fill_columns(r, arm, c, out);
    out->n_done = c->n;
    out->over_seeds = c->n > 1;
    out->pairs_over_seeds = c->n_pairs > 1;
    if (c->n == 1) {
        const struct sweep_result *run = &r->runs[first + c->only];
        out->accuracy = run->accuracy_mean;
        out->before = run->before_mean;
        out->gap = run->gap;
    } else if (c->n > 1) {
        out->accuracy = sweep_mean_of(c->n, c->accuracy);
        out->before = sweep_mean_of(c->n, c->before);
        out->gap = sweep_mean_of(c->n, c->gap);
    }
    out->parameters /= c->n > 0 ? c->n : 1;
    out->seconds /= c->n > 0 ? c->n : 1;
    if (c->n_pairs == 1) {
        out->difference = r->runs[first + c->only_pair].difference;
    } else if (c->n_pairs > 1) {
        out->difference = sweep_mean_of(c->n_pairs, c->difference);
    }
}

static int gather_arm(struct mn_ctx *ctx, const struct sweep_results *r, int64_t arm,
                      struct sweep_arm *out) {
    const size_t n = (size_t)r->job->sweep.n_seeds;
    const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
    double *all = mn_scratch(ctx, 4 * n * sizeof *all);
    if (all == NULL) {
        return MN_NOMEM;
    }
    struct columns columns = {
        .accuracy = all, .before = all + n, .gap = all + 2 * n, .difference = all + 3 * n};
    summarise(r, arm, &columns, out);
    nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    return MN_OK;
}

int sweep_summarise(struct mn_ctx *ctx, struct sweep_results *r) {
    int status = MN_OK;
    for (int64_t arm = 0; status == MN_OK && arm < r->job->sweep.n_arms; arm++) {
        r->arms[arm] = (struct sweep_arm){0};
        status = gather_arm(ctx, r, arm, &r->arms[arm]);
    }
    return status;
}

/* ---- all runs ------------------------------------------------------------------------------ */

/* A run of the first arm is what those of its seed are compared with. */
int sweep_gather_run(struct mn_ctx *ctx, struct sweep_results *r, int64_t i) {
    const int seeds = r->job->sweep.n_seeds, seed = (int)(i % seeds);
    const int64_t last = i < seeds ? r->job->sweep.n_arms - 1 : i / seeds;
    int status = read_run(ctx, r, i);
    for (int64_t arm = i / seeds; status == MN_OK && arm <= last; arm++) {
        status = take_difference(ctx, r, arm, seed);
    }
    return status;
}

/* The runs that a sweep before this one has found not to be finite: nothing else tells of them. */
static int recall_failed(struct mn_ctx *ctx, struct sweep_results *r) {
    struct nas_arena arena = {0};
    struct nas_csv table;
    const char *path;
    int status = rundir_file(ctx, &arena, r->job->out, "runs.csv", &path);
    if (status == MN_OK && access(path, F_OK) != 0) {
        nas_arena_fini(&arena);
        return MN_OK;
    }
    if (status == MN_OK) {
        status = nas_csv_read(ctx, &arena, path, &table);
    }
    const int name = status == MN_OK ? nas_csv_column(&table, "run") : -1;
    const int state = status == MN_OK ? nas_csv_column(&table, "status") : -1;
    for (int64_t i = 0, row = 0; name >= 0 && state >= 0 && i < r->job->n_runs; i++) {
        if (row < table.n_rows &&
            strcmp(nas_csv_cell(&table, row, name), r->job->runs[i].name) == 0) {
            r->job->runs[i].failed = r->runs[i].progress != SWEEP_DONE &&
                                     strcmp(nas_csv_cell(&table, row, state), "failed") == 0;
            row++;
        }
    }
    nas_arena_fini(&arena);
    return status;
}

int sweep_gather(struct mn_ctx *ctx, const struct sweep_job *job, struct sweep_results *out) {
    memset(out, 0, sizeof *out);
    out->job = job;
    out->runs = nas_arena_zeroed(&out->arena, (size_t)job->n_runs * sizeof *out->runs);
    out->arms = nas_arena_zeroed(&out->arena, (size_t)job->sweep.n_arms * sizeof *out->arms);
    int status = out->runs != NULL && out->arms != NULL ? MN_OK : no_memory(ctx);
    for (int64_t i = 0; status == MN_OK && i < job->n_runs; i++) {
        status = mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped on request")
                                   : sweep_gather_run(ctx, out, i);
    }
    return status == MN_OK ? recall_failed(ctx, out) : status;
}
