/* SPDX-License-Identifier: MIT */
#include "test_run.h"

#include "rundir.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const split_names[] = {"train", "val", "test"};

/* ---- test.json ---------------------------------------------------------------------------- */

static json_t *genotypes_json(const struct genotypes *genotypes) {
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < genotypes->n; i++) {
        json_t *item = json_pack("{s:s, s:I}", "genotype", genotypes->at[i].text, "count",
                                 (json_int_t)genotypes->at[i].count);
        if (item == NULL || json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* A half width; null where one task has none. */
static json_t *half_json(double half) {
    return isfinite(half) ? json_real(half) : json_null();
}

static json_t *steps_json(const struct test_report *report) {
    const struct nas_evaluation_plan *what = &report->plan->what;
    json_t *list = json_array();
    for (int i = 0; list != NULL && i < what->n_steps; i++) {
        const struct nas_evaluation *e = &report->evaluation.looks[i];
        json_t *item = json_pack(
            "{s:I, s:f, s:o, s:f, s:f, s:o, s:f, s:f}", "step", (json_int_t)what->steps[i],
            "accuracy_mean", e->scores.accuracy_mean, "accuracy_ci95",
            half_json(e->scores.accuracy_ci95), "accuracy_before_prune", e->scores.before_mean,
            "prune_gap", e->scores.prune_gap, "prune_gap_ci95", half_json(e->scores.prune_gap_ci95),
            "loss_mean", e->scores.loss_mean, "parameters_mean", e->parameters_mean);
        if (item == NULL || json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *scores_json(const struct nas_scores *s) {
    return json_pack("{s:f, s:o, s:f, s:o, s:f, s:o, s:f}", "accuracy_mean", s->accuracy_mean,
                     "accuracy_ci95", half_json(s->accuracy_ci95), "accuracy_before_prune",
                     s->before_mean, "before_prune_ci95", half_json(s->before_ci95), "prune_gap",
                     s->prune_gap, "prune_gap_ci95", half_json(s->prune_gap_ci95), "loss_mean",
                     s->loss_mean);
}

/* Both modes of batch norm, by name. */
static json_t *norms_json(const struct test_report *report) {
    const struct nas_evaluation *e = &report->evaluation;
    const int support = report->experiment->evaluation.batch_norm == NAS_SUPPORT;
    return json_pack("{s:o, s:o}", "transductive", scores_json(support ? &e->other : &e->scores),
                     "support", scores_json(support ? &e->scores : &e->other));
}

static json_t *report_json(const struct test_report *report) {
    const struct nas_evaluation *e = &report->evaluation;
    const struct nas_evaluation_plan *what = &report->plan->what;
    const struct nas_experiment *x = report->experiment;
    char episodes[32];
    snprintf(episodes, sizeof episodes, "%016" PRIx64, e->episodes);
    return json_pack(
        "{s:f, s:o, s:I, s:f, s:o, s:f, s:o, s:f, s:f, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:s, "
        "s:I, s:s, s:s, s:s*, s:o, s:o, s:o, s:o}",
        "accuracy_mean", e->scores.accuracy_mean, "accuracy_ci95",
        half_json(e->scores.accuracy_ci95), "tasks", (json_int_t)e->tasks, "accuracy_before_prune",
        e->scores.before_mean, "before_prune_ci95", half_json(e->scores.before_ci95), "prune_gap",
        e->scores.prune_gap, "prune_gap_ci95", half_json(e->scores.prune_gap_ci95), "loss_mean",
        e->scores.loss_mean, "parameters_mean", e->parameters_mean, "parameters_min",
        (json_int_t)e->parameters_min, "parameters_max", (json_int_t)e->parameters_max,
        "batch_norm", nas_batch_norm_name(x), "seed", (json_int_t)x->run.seed, "ways",
        (json_int_t)x->task.ways, "shots", (json_int_t)x->task.shots, "queries",
        (json_int_t)x->task.queries, "split", split_names[what->split], "meta_epoch",
        (json_int_t)report->meta_epoch, "state", report->plan->state_name, "episodes", episodes,
        "episodes_file", what->episodes != NULL ? what->episodes->path : NULL, "set",
        rundir_texts(report->plan->sets), "batch_norms", norms_json(report), "steps",
        steps_json(report), "genotypes", genotypes_json(&report->genotypes));
}

/* ---- tables ------------------------------------------------------------------------------- */

static void put_tasks(FILE *out, const struct test_report *report) {
    fputs("task,episode,accuracy,accuracy_before_prune,loss,parameters,genotype\n", out);
    for (int64_t i = 0; i < report->evaluation.tasks; i++) {
        const struct nas_task_result *r = &report->evaluation.results[i];
        char accuracy[40], before[40], loss[40];
        fprintf(out, "%" PRId64 ",%016" PRIx64 ",%s,%s,%s,%" PRId64 ",%s\n", i, r->episode,
                nas_text_finite(r->score.accuracy, "", accuracy, sizeof accuracy),
                nas_text_finite(r->score.accuracy_before_prune, "", before, sizeof before),
                nas_text_finite(r->score.loss, "", loss, sizeof loss), r->parameters, r->genotype);
    }
}

static void put_steps(FILE *out, const struct test_report *report) {
    const struct nas_evaluation_plan *what = &report->plan->what;
    fputs("step,accuracy_mean,accuracy_ci95,accuracy_before_prune,prune_gap,prune_gap_ci95,"
          "loss_mean,parameters_mean\n",
          out);
    for (int i = 0; i < what->n_steps; i++) {
        const struct nas_evaluation *e = &report->evaluation.looks[i];
        const double columns[] = {e->scores.accuracy_mean,  e->scores.accuracy_ci95,
                                  e->scores.before_mean,    e->scores.prune_gap,
                                  e->scores.prune_gap_ci95, e->scores.loss_mean,
                                  e->parameters_mean};
        fprintf(out, "%" PRId64, what->steps[i]);
        for (size_t k = 0; k < sizeof columns / sizeof columns[0]; k++) {
            char text[40];
            fprintf(out, ",%s", nas_text_finite(columns[k], "", text, sizeof text));
        }
        fputc('\n', out);
    }
}

/* ---- files -------------------------------------------------------------------------------- */

/* Those of one test, which take their places together. */
struct output {
    struct mn_ctx *ctx;
    const char *dir, *given; /* of the run; the file of --out in place of its test.json, or NULL */
    struct nas_arena arena;
    struct nas_file files[3];
    int n;
    int status;
};

/* DIR/test, or the file of --out without .json, and what stands behind it. */
static int name_file(struct output *out, const char *more, const char **path) {
    static const char json[] = ".json";
    char name[32];
    if (out->given == NULL) {
        snprintf(name, sizeof name, "test%s", more);
        return rundir_file(out->ctx, &out->arena, out->dir, name, path);
    }
    const size_t n = strlen(out->given), end = sizeof json - 1;
    const size_t stem = n > end && strcmp(out->given + n - end, json) == 0 ? n - end : n;
    *path = strcmp(more, json) == 0
                ? nas_arena_text(&out->arena, out->given)
                : nas_arena_format(&out->arena, "%.*s%s", (int)stem, out->given, more);
    return *path != NULL ? MN_OK : no_memory(out->ctx);
}

/* Begin a file of it; the text is freed. */
static void add_file(struct output *out, const char *more, char *text, size_t length) {
    const char *path;
    if (out->status == MN_OK) {
        out->status = name_file(out, more, &path);
    }
    if (out->status == MN_OK) {
        out->status = nas_file_begin(&out->files[out->n], out->ctx, path);
    }
    if (out->status == MN_OK) {
        nas_file_put(&out->files[out->n++], text, length);
    }
    free(text);
}

static void add_table(struct output *out, const char *more, const struct test_report *report,
                      void (*put)(FILE *to, const struct test_report *report)) {
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);
    if (to == NULL) {
        out->status = no_memory(out->ctx);
        return;
    }
    put(to, report);
    if (ferror(to) | (fclose(to) != 0)) {
        out->status = no_memory(out->ctx);
    }
    add_file(out, more, text, length);
}

/* The curve of a test without looks would be that of another test. */
static int drop_table(struct output *out, const char *more) {
    const char *path, *there;
    int status = name_file(out, more, &path);
    if (status == MN_OK) {
        const int at = nas_folder_at(out->ctx, path, &there);
        if (unlinkat(at, there, 0) != 0 && errno != ENOENT) {
            status = mn_fail(out->ctx, MN_IO, "%s: cannot remove it: %s", path, strerror(errno));
        }
    }
    return status;
}

/* test.json comes last: it stands for the whole test. */
int test_write(struct mn_ctx *ctx, const struct test_report *report, const char *dir) {
    struct output out = {.ctx = ctx, .dir = dir, .given = report->plan->out};
    const int with_steps = report->plan->what.n_steps > 0;
    char *text = NULL;
    size_t length = 0;
    add_table(&out, "-tasks.csv", report, put_tasks);
    if (with_steps) {
        add_table(&out, "-steps.csv", report, put_steps);
    }
    if (out.status == MN_OK) {
        out.status = rundir_json_text(ctx, "test.json", report_json(report), &text, &length);
    }
    add_file(&out, ".json", text, length);
    if (out.status == MN_OK) {
        out.status = nas_files_commit(out.files, out.n, ctx);
    } else {
        for (int i = 0; i < out.n; i++) {
            nas_file_drop(&out.files[i]);
        }
    }
    if (out.status == MN_OK && !with_steps) {
        out.status = drop_table(&out, "-steps.csv");
    }
    nas_arena_fini(&out.arena);
    return out.status;
}

void test_print_json(struct mn_ctx *ctx, const struct test_report *report) {
    char *text = NULL;
    size_t length = 0;
    if (rundir_json_text(ctx, "test.json", report_json(report), &text, &length) == MN_OK) {
        fwrite(text, 1, length, stdout);
    }
    free(text);
}

/* ---- summary ------------------------------------------------------------------------------ */

static void print_steps(const struct test_report *report) {
    const struct nas_evaluation_plan *what = &report->plan->what;
    if (what->n_steps > 0) {
        printf("  after step   accuracy           before prune   prune gap\n");
    }
    for (int i = 0; i < what->n_steps; i++) {
        const struct nas_evaluation *e = &report->evaluation.looks[i];
        char half[32];
        printf("  %10" PRId64 "   %6.2f%%%-10s         %6.2f%%     %+6.2f%%\n", what->steps[i],
               100 * e->scores.accuracy_mean,
               nas_text_interval(100 * e->scores.accuracy_ci95, 2, "%", half, sizeof half),
               100 * e->scores.before_mean, 100 * e->scores.prune_gap);
    }
}

static const char *over(int64_t tasks, char *out, size_t size) {
    if (tasks < 2) {
        return "one task: no interval";
    }
    snprintf(out, size, "mean and 95%% interval of %" PRId64 " tasks", tasks);
    return out;
}

static void print_norm(const char *name, const struct nas_scores *s) {
    char half[32], gap[32];
    printf("    %-12s %6.2f%%%-10s %7.2f%%      %+6.2f%%%s\n", name, 100 * s->accuracy_mean,
           nas_text_interval(100 * s->accuracy_ci95, 2, "%", half, sizeof half),
           100 * s->before_mean, 100 * s->prune_gap,
           nas_text_interval(100 * s->prune_gap_ci95, 2, "%", gap, sizeof gap));
}

/* The mode of the configuration first: the accuracy above is its. */
static void print_norms(const struct test_report *report) {
    const int support = report->experiment->evaluation.batch_norm == NAS_SUPPORT;
    printf("  batch norm     accuracy           before prune  prune gap\n");
    print_norm(nas_batch_norm_name(report->experiment), &report->evaluation.scores);
    print_norm(support ? "transductive" : "support", &report->evaluation.other);
}

void test_print(const struct test_report *report, const char *dir, int written) {
    const struct nas_evaluation *e = &report->evaluation;
    const struct nas_evaluation_plan *what = &report->plan->what;
    const struct nas_experiment *x = report->experiment;
    char low[32], high[32], mean[32], half[32], tasks[64];
    printf("%s accuracy  %.2f%%%s (%s)\n", split_names[what->split], 100 * e->scores.accuracy_mean,
           nas_text_interval(100 * e->scores.accuracy_ci95, 2, "%", half, sizeof half),
           over(e->tasks, tasks, sizeof tasks));
    printf("  task         %" PRId64 "-way %" PRId64 "-shot, %" PRId64
           " query images a class, seed %" PRId64 "\n",
           x->task.ways, x->task.shots, x->task.queries, x->run.seed);
    if (what->episodes != NULL) {
        printf("  episodes     %s, drawn with seed %" PRIu64 "\n", what->episodes->path,
               what->episodes->seed);
    }
    printf("  state        %s, after %" PRId64 " meta-epochs\n", report->plan->state_name,
           report->meta_epoch);
    print_norms(report);
    printf("  parameters   %s on average, %s to %s\n",
           nas_text_count((int64_t)(e->parameters_mean + 0.5), mean, sizeof mean),
           nas_text_count(e->parameters_min, low, sizeof low),
           nas_text_count(e->parameters_max, high, sizeof high));
    print_steps(report);
    genotypes_print(&report->genotypes, 2, e->tasks, stdout);
    if (!written) {
        return;
    }
    if (report->plan->out != NULL) {
        printf("written to %s and the tables beside it\n", report->plan->out);
    } else {
        printf("written to %s%stest.json, test-tasks.csv%s\n", dir,
               dir[strlen(dir) - 1] == '/' ? "" : "/",
               what->n_steps > 0 ? " and test-steps.csv" : "");
    }
}
