/* SPDX-License-Identifier: MIT */
#include "rundir.h"
#include "sweep_results.h"

#include "base/text.h"
#include "run/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct sweep_mean mean_of(int64_t n, const double *x) {
    struct sweep_mean out = {.n = n};
    out.ci95 = mn__ci95(n, x, &out.mean);
    return out;
}

/* Of b - a. */
static int mean_of_difference(struct mn_cx *cx, int64_t n, const double *a, const double *b,
                              struct sweep_mean *out) {
    const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
    double *x = mn_scratch(cx, (size_t)n * sizeof *x);
    if (x == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < n; i++) {
        x[i] = b[i] - a[i];
    }
    *out = mean_of(n, x);
    mn__arena_release(&mn__cx_of(cx)->scratch, mark);
    return MN_OK;
}

/* ---- files of a run ------------------------------------------------------------------------ */

/* The next column of a line, cut off. */
static const char *column(char **line) {
    const char *text = strsep(line, ",");
    return text != NULL ? text : "";
}

static int damaged(struct mn_cx *cx, const char *path) {
    return mn_fail(cx, MN_IO,
                   "%s: does not fit test.json beside it; remove test.json, so that the run is "
                   "tested again",
                   path);
}

/* task,episode,accuracy,accuracy_before_prune,... */
static int read_tasks(struct mn_cx *cx, const char *path, struct sweep_result *out) {
    char *line = NULL;
    size_t size = 0;
    int64_t n = -1; /* the first line holds the names */
    FILE *in = fopen(path, "r");
    int whole = in != NULL;
    while (whole && getline(&line, &size, in) > 0) {
        char *at = line;
        int64_t task;
        if (n >= 0) {
            whole = n < out->tasks && mn__text_int(column(&at), &task) && task == n;
            column(&at);
            whole = whole && mn__text_real(column(&at), &out->accuracy[n]) &&
                    mn__text_real(column(&at), &out->before[n]);
        }
        n++;
    }
    free(line);
    if (in != NULL) {
        fclose(in);
    }
    return whole && n == out->tasks ? MN_OK : damaged(cx, path);
}

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static void copy_text(const json_t *object, const char *key, char out[32]) {
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, 32, "%s", text != NULL ? text : "");
}

static void copy_test(const json_t *test, struct sweep_result *out) {
    out->ways = (int64_t)number(test, "ways");
    out->shots = (int64_t)number(test, "shots");
    out->queries = (int64_t)number(test, "queries");
    out->parameters = number(test, "parameters_mean");
    out->parameters_min = (int64_t)number(test, "parameters_min");
    out->parameters_max = (int64_t)number(test, "parameters_max");
    copy_text(test, "episodes", out->episodes);
    copy_text(test, "batch_norm", out->batch_norm);
}

static int read_test(struct mn_cx *cx, struct mn__arena *arena, const char *dir,
                     struct sweep_result *out) {
    const char *path = NULL, *tasks = NULL;
    json_t *test = NULL;
    int status = rundir_file(cx, arena, dir, "test.json", &path);
    if (status == MN_OK) {
        status = rundir_file(cx, arena, dir, "test-tasks.csv", &tasks);
    }
    if (status == MN_OK) {
        status = rundir_json(cx, path, &test);
    }
    if (status != MN_OK) {
        return status;
    }
    out->tasks = (int64_t)number(test, "tasks");
    out->accuracy = mn__arena_array(arena, (size_t)out->tasks, sizeof *out->accuracy);
    out->before = mn__arena_array(arena, (size_t)out->tasks, sizeof *out->before);
    status = out->accuracy && out->before ? read_tasks(cx, tasks, out) : no_memory(cx);
    if (status == MN_OK) {
        copy_test(test, out);
        out->accuracy_mean = mean_of(out->tasks, out->accuracy);
        out->before_mean = mean_of(out->tasks, out->before);
        status = mean_of_difference(cx, out->tasks, out->accuracy, out->before, &out->gap);
    }
    if (status == MN_OK && fabs(out->accuracy_mean.mean - number(test, "accuracy_mean")) > 1e-9) {
        status = damaged(cx, tasks);
    }
    json_decref(test);
    return status;
}

/* NAN without a line of training (run.log_every). */
static double training_seconds(const char *path) {
    char *text = NULL;
    size_t size = 0;
    double sum = 0;
    int64_t meta_epoch = 0;
    FILE *in = fopen(path, "r");
    while (in != NULL && getline(&text, &size, in) > 0) {
        json_t *line = json_loads(text, 0, NULL);
        sum += rundir_seconds(line, &meta_epoch);
        json_decref(line);
    }
    free(text);
    if (in != NULL) {
        fclose(in);
    }
    return meta_epoch > 0 ? sum : NAN;
}

static int gather_run(struct mn_cx *cx, const struct sweep_job *job, int64_t i,
                      struct mn__arena *arena, struct sweep_result *out) {
    const struct sweep_run *run = &job->runs[i];
    struct sweep_status now;
    const char *timing;
    int status = sweep_look(cx, job, run, &now);
    if (status == MN_OK) {
        out->progress = now.progress;
        out->meta_epoch = now.meta_epoch;
        status = rundir_file(cx, arena, run->dir, "timing.jsonl", &timing);
    }
    if (status == MN_OK && now.progress == SWEEP_DONE) {
        out->seconds = training_seconds(timing);
        status = read_test(cx, arena, run->dir, out);
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

int sweep_difference(struct mn_cx *cx, const struct sweep_results *r, int64_t run,
                     struct sweep_mean *out) {
    const int seeds = r->job->sweep.n_seeds;
    const struct sweep_result *first = partner(r, run / seeds, (int)(run % seeds));
    *out = (struct sweep_mean){0};
    return first == NULL
               ? MN_OK
               : mean_of_difference(cx, first->tasks, first->accuracy, r->runs[run].accuracy, out);
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

static int summarise(struct mn_cx *cx, const struct sweep_results *r, int64_t arm,
                     struct columns *c, struct sweep_arm *out) {
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
        out->accuracy = mean_of(c->n, c->accuracy);
        out->before = mean_of(c->n, c->before);
        out->gap = mean_of(c->n, c->gap);
    }
    out->parameters /= c->n > 0 ? c->n : 1;
    out->seconds /= c->n > 0 ? c->n : 1;
    if (c->n_pairs == 1) {
        return sweep_difference(cx, r, first + c->only_pair, &out->difference);
    }
    out->difference = c->n_pairs > 1 ? mean_of(c->n_pairs, c->difference) : out->difference;
    return MN_OK;
}

static int gather_arm(struct mn_cx *cx, const struct sweep_results *r, int64_t arm,
                      struct sweep_arm *out) {
    const size_t n = (size_t)r->job->sweep.n_seeds;
    const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
    double *all = mn_scratch(cx, 4 * n * sizeof *all);
    if (all == NULL) {
        return MN_NOMEM;
    }
    struct columns columns = {
        .accuracy = all, .before = all + n, .gap = all + 2 * n, .difference = all + 3 * n};
    const int status = summarise(cx, r, arm, &columns, out);
    mn__arena_release(&mn__cx_of(cx)->scratch, mark);
    return status;
}

int sweep_gather(struct mn_cx *cx, const struct sweep_job *job, struct sweep_results *out) {
    memset(out, 0, sizeof *out);
    out->job = job;
    out->runs = mn__arena_zeroed(&out->arena, (size_t)job->n_runs * sizeof *out->runs);
    out->arms = mn__arena_zeroed(&out->arena, (size_t)job->sweep.n_arms * sizeof *out->arms);
    int status = out->runs != NULL && out->arms != NULL ? MN_OK : no_memory(cx);
    for (int64_t i = 0; status == MN_OK && i < job->n_runs; i++) {
        status = gather_run(cx, job, i, &out->arena, &out->runs[i]);
    }
    for (int64_t arm = 0; status == MN_OK && arm < job->sweep.n_arms; arm++) {
        status = gather_arm(cx, out, arm, &out->arms[arm]);
    }
    return status;
}
