/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "rundir.h"

#include "base/text.h"
#include "genotypes.h"
#include "run/metatrain.h"
#include "run/progress.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char *const split_names[] = {"train", "val", "test"};

/* A finished test: what goes into test.json and the summary. */
struct report {
    const struct mn__experiment *experiment;
    const struct mn__evaluation *evaluation;
    struct genotypes genotypes;
    int split;
    int64_t meta_epoch;
};

static const char *batch_norm(const struct report *report) {
    return report->experiment->evaluation.batch_norm == 0 ? "transductive" : "support";
}

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

static json_t *report_json(const struct report *report) {
    const struct mn__evaluation *e = report->evaluation;
    const struct mn__experiment *x = report->experiment;
    return json_pack(
        "{s:f, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:s, s:I, "
        "s:o}",
        "accuracy_mean", e->accuracy_mean, "accuracy_ci95", e->accuracy_ci95, "tasks",
        (json_int_t)e->tasks, "accuracy_before_prune", e->before_mean, "prune_gap", e->prune_gap,
        "prune_gap_ci95", e->prune_gap_ci95, "loss_mean", e->loss_mean, "parameters_mean",
        e->parameters_mean, "parameters_min", (json_int_t)e->parameters_min, "parameters_max",
        (json_int_t)e->parameters_max, "batch_norm", batch_norm(report), "seed",
        (json_int_t)x->run.seed, "ways", (json_int_t)x->task.ways, "shots",
        (json_int_t)x->task.shots, "queries", (json_int_t)x->task.queries, "split",
        split_names[report->split], "meta_epoch", (json_int_t)report->meta_epoch, "genotypes",
        genotypes_json(&report->genotypes));
}

static int write_json(struct mn_cx *cx, const char *path, const struct report *report,
                      int to_stdout) {
    json_t *object = report_json(report);
    char *text =
        object != NULL ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(object);
    if (text == NULL) {
        return no_memory(cx);
    }
    const size_t length = strlen(text);
    text[length] = '\n'; /* in place of the final zero: only the length counts from here on */
    const int status = mn__file_replace(cx, path, text, length + 1);
    if (status == MN_OK && to_stdout) {
        fwrite(text, 1, length + 1, stdout);
    }
    free(text);
    return status;
}

static void print_summary(const struct report *report, const char *path) {
    const struct mn__evaluation *e = report->evaluation;
    const struct mn__experiment *x = report->experiment;
    char low[32], high[32], mean[32];
    printf("%s accuracy  %.2f%% +- %.2f%% (mean and 95%% interval of %" PRId64 " tasks)\n",
           split_names[report->split], 100 * e->accuracy_mean, 100 * e->accuracy_ci95, e->tasks);
    printf("  task         %" PRId64 "-way %" PRId64 "-shot, %" PRId64
           " query images a class, seed %" PRId64 "\n",
           x->task.ways, x->task.shots, x->task.queries, x->run.seed);
    printf("  batch norm   %s\n", batch_norm(report));
    printf("  before prune %.2f%%, prune gap %.2f%% +- %.2f%%\n", 100 * e->before_mean,
           100 * e->prune_gap, 100 * e->prune_gap_ci95);
    printf("  parameters   %s on average, %s to %s\n",
           mn__text_count((int64_t)(e->parameters_mean + 0.5), mean, sizeof mean),
           mn__text_count(e->parameters_min, low, sizeof low),
           mn__text_count(e->parameters_max, high, sizeof high));
    genotypes_print(&report->genotypes, 2, e->tasks, stdout);
    printf("written to %s\n", path);
}

/* ---- running -------------------------------------------------------------------------------- */

/* Counts the tasks that workers finish. */
struct watch {
    pthread_mutex_t lock;
    struct mn__progress progress;
    int64_t last_step; /* of a task; 0 where unknown: then tasks count when they begin */
    int64_t done;
};

static int watch_step(void *data, struct mn_cx *cx, int64_t step, double loss, double accuracy,
                      double skip_share, const struct mn_point *now) {
    struct watch *watch = data;
    if (step == watch->last_step) {
        pthread_mutex_lock(&watch->lock);
        mn__progress_show(&watch->progress, ++watch->done);
        pthread_mutex_unlock(&watch->lock);
    }
    return MN_OK;
}

static int64_t last_step(const struct mn__experiment *experiment, int split) {
    const struct mn_task_learner *table = &experiment->task_learner.table.task_learner;
    const struct mn_where where = {
        .size = sizeof where, .split = split, .meta_epochs = experiment->run.meta_epochs};
    const int64_t steps =
        table->steps != NULL ? table->steps(experiment->task_learner.self, &where) : 0;
    return steps > 0 ? steps - 1 : 0;
}

static int evaluate(struct mn_cx *cx, const struct mn__experiment *experiment, int64_t tasks,
                    const struct mn__state *state, int split, struct mn__evaluation *out) {
    struct mn__workers *workers = NULL;
    struct mn__cx *c = mn__cx_of(cx);
    struct watch watch = {.lock = PTHREAD_MUTEX_INITIALIZER,
                          .last_step = last_step(experiment, split)};
    int status =
        mn__workers_new(cx, mn__experiment_workers(experiment), experiment->model, &workers);
    if (status == MN_OK) {
        mn__progress_begin(&watch.progress, "task", 0, tasks, c->quiet < MN_LOG_INFO);
        c->on_step = watch_step;
        c->on_step_data = &watch;
        status =
            mn__evaluate(experiment, workers, cx, &state->meta, state->learner, split, tasks, out);
        c->on_step = NULL;
        mn__progress_end(&watch.progress);
    }
    mn__workers_free(workers);
    return status;
}

static int test(struct mn_cx *cx, const struct mn__experiment *experiment,
                const struct arguments *arguments, const char *checkpoint, const char *json) {
    struct mn__state state = {0};
    struct mn__evaluation evaluation = {0};
    struct report report = {.experiment = experiment, .evaluation = &evaluation};
    report.split = arguments->split >= 0 ? arguments->split : MN_TEST;
    int status = mn__state_load(experiment, cx, checkpoint, &state);
    if (status == MN_OK) {
        report.meta_epoch = state.meta_epoch;
        status = evaluate(cx, experiment,
                          arguments->tasks > 0 ? arguments->tasks : experiment->evaluation.tasks,
                          &state, report.split, &evaluation);
    }
    if (status == MN_OK) {
        status = genotypes_count(cx, &evaluation, &report.genotypes);
    }
    if (status == MN_OK) {
        status = write_json(cx, json, &report, arguments->json);
    }
    if (status == MN_OK && !arguments->json) {
        print_summary(&report, json);
    }
    mn__arena_fini(&report.genotypes.arena);
    mn__evaluation_fini(&evaluation);
    mn__state_fini(&state);
    return status;
}

static int run_test(struct mn_cx *cx, const struct arguments *arguments) {
    struct mn__experiment experiment = {0};
    struct mn__arena arena = {0};
    const char *dir = arguments->operand, *config, *checkpoint, *json;
    int status = rundir_check(cx, dir);
    if (status == MN_OK) {
        status = rundir_file(cx, &arena, dir, "config.resolved.yaml", &config);
    }
    if (status == MN_OK) {
        status = rundir_file(cx, &arena, dir, "checkpoint.safetensors", &checkpoint);
    }
    if (status == MN_OK) {
        status = rundir_file(cx, &arena, dir, "test.json", &json);
    }
    if (status == MN_OK) {
        status = open_experiment(cx, arguments, config, NULL, &experiment);
    }
    if (status == MN_OK) {
        status = test(cx, &experiment, arguments, checkpoint, json);
    }
    mn__experiment_close(&experiment);
    mn__arena_fini(&arena);
    return status;
}

static const struct flag flags[] = {
    {"tasks", "N", "number of tasks (default: evaluation.tasks)", offsetof(struct arguments, tasks),
     FLAG_COUNT, 0},
    {"split", "SPLIT", "classes to draw from: test (default), val or train",
     offsetof(struct arguments, split), FLAG_SPLIT, 0},
    {"set", "KEY=VALUE", "override an option: --set evaluation.batch_norm=support (may repeat)",
     offsetof(struct arguments, sets), FLAG_TEXTS, 0},
    {"json", NULL, "print the result as JSON instead of the summary",
     offsetof(struct arguments, json), FLAG_SWITCH, 0},
};

const struct command command_test = {
    .name = "test",
    .operand = "RUN",
    .doc = "meta-test a run: adapt, prune and evaluate each of many tasks",
    .more = "The result is written to RUN/test.json as well.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .run = run_test,
};
