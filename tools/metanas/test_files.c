/* SPDX-License-Identifier: MIT */
#include "test_run.h"

#include "rundir.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "learn/configuration.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

/* The records of both modes of batch norm: [transductive, support]. */
static void both_norms(const struct test_report *report, const struct nas_record *out[2]) {
    const int support = report->experiment->evaluation.batch_norm == NAS_SUPPORT;
    out[support] = &report->evaluation.record;
    out[!support] = &report->evaluation.other;
}

/* NULL = no memory, or a name is not UTF-8. */
static json_t *report_json(const struct test_report *report) {
    const struct nas_columns *columns = &nas_record_columns;
    const struct nas_record *norms[2];
    json_t *steps = json_array(), *genotypes = json_array();
    int failed = 0;
    both_norms(report, norms);
    for (int i = 0; i < report->plan->what.n_steps; i++) {
        failed |= json_array_append_new(
            steps,
            nas_columns_json(columns, NAS_IN_STEPS, &report->evaluation.intermediate[i].record));
    }
    for (size_t i = 0; i < report->genotypes.n; i++) {
        failed |= json_array_append_new(
            genotypes, json_pack("{s:s, s:I}", "genotype", report->genotypes.at[i].text, "count",
                                 (json_int_t)report->genotypes.at[i].count));
    }
    json_t *root = nas_columns_json(columns, NAS_IN_TEST, &report->evaluation.record);
    json_t *more = json_pack(
        "{s:o, s:{s:o, s:o}, s:o, s:o}", "set", rundir_texts(report->plan->sets), "batch_norms",
        "transductive", nas_columns_json(columns, NAS_IN_NORMS, norms[0]), "support",
        nas_columns_json(columns, NAS_IN_NORMS, norms[1]), "steps", steps, "genotypes", genotypes);
    failed |= json_object_update(root, more);
    if (report->swap.done) {
        failed |= json_object_set_new(root, "swap", test_swap_json(&report->swap));
    }
    json_decref(more);
    if (failed) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* ---- tables ------------------------------------------------------------------------------- */

static const struct nas_column columns_of_task[] = {
    {"episode", NAS_COLUMN_HASH, NAS_UNIT_PLAIN, NAS_IN_ALL, NULL,
     offsetof(struct nas_task_result, episode)},
    {"accuracy", NAS_COLUMN_REAL, NAS_UNIT_SHARE, NAS_IN_ALL, NULL,
     offsetof(struct nas_task_result, score.accuracy)},
    {"accuracy_before_prune", NAS_COLUMN_REAL, NAS_UNIT_SHARE, NAS_IN_ALL, NULL,
     offsetof(struct nas_task_result, score.accuracy_before_prune)},
    {"loss", NAS_COLUMN_REAL, NAS_UNIT_PLAIN, NAS_IN_ALL, NULL,
     offsetof(struct nas_task_result, score.loss)},
    {"parameters", NAS_COLUMN_INT, NAS_UNIT_PLAIN, NAS_IN_ALL, NULL,
     offsetof(struct nas_task_result, parameters)},
    {"genotype", NAS_COLUMN_TEXT, NAS_UNIT_PLAIN, NAS_IN_ALL, NULL,
     offsetof(struct nas_task_result, genotype)},
};
static const struct nas_columns task_columns = {sizeof columns_of_task / sizeof columns_of_task[0],
                                                columns_of_task};

static void put_tasks(FILE *out, const struct test_report *report) {
    struct nas_csv_line line = {.out = out};
    nas_csv_text(&line, "task");
    nas_columns_csv_names(&task_columns, NAS_IN_ALL, &line);
    nas_csv_end(&line);
    for (int64_t i = 0; i < report->evaluation.tasks; i++) {
        nas_csv_int(&line, i);
        nas_columns_csv(&task_columns, NAS_IN_ALL, &report->evaluation.results[i], &line);
        nas_csv_end(&line);
    }
}

static void put_steps(FILE *out, const struct test_report *report) {
    struct nas_csv_line line = {.out = out};
    nas_columns_csv_names(&nas_record_columns, NAS_IN_STEPS, &line);
    nas_csv_end(&line);
    for (int i = 0; i < report->plan->what.n_steps; i++) {
        nas_columns_csv(&nas_record_columns, NAS_IN_STEPS,
                        &report->evaluation.intermediate[i].record, &line);
        nas_csv_end(&line);
    }
}

/* ---- files -------------------------------------------------------------------------------- */

/* Those of one test, which take their places together. */
struct output {
    struct mn_ctx *ctx;
    const char *dir, *given; /* of the run; the file of --out in place of its test.json, or NULL */
    struct nas_arena arena;
    struct nas_file files[4];
    int n;
};

static void output_fini(struct output *out) {
    for (int i = 0; i < out->n; i++) {
        nas_file_drop(&out->files[i]); /* does nothing after the commit */
    }
    nas_arena_fini(&out->arena);
}

/* DIR/test, or the file of --out without .json, and what stands behind it. */
static int name_file(struct output *out, const char *ending, const char **path) {
    char name[32];
    if (out->given == NULL) {
        snprintf(name, sizeof name, "test%s", ending);
        return rundir_file(out->ctx, &out->arena, out->dir, name, path);
    }
    const size_t n = strlen(out->given), end = strlen(".json");
    const size_t stem = n > end && strcmp(out->given + n - end, ".json") == 0 ? n - end : n;
    *path = strcmp(ending, ".json") == 0
                ? nas_arena_text(&out->arena, out->given)
                : nas_arena_format(&out->arena, "%.*s%s", (int)stem, out->given, ending);
    return *path != NULL ? MN_OK : no_memory(out->ctx);
}

static int add_file(struct output *out, const char *ending, const char *text, size_t length) {
    const char *path;
    TRY(name_file(out, ending, &path));
    TRY(nas_file_begin(&out->files[out->n], out->ctx, path));
    nas_file_put(&out->files[out->n++], text, length);
    return MN_OK;
}

static int add_table(struct output *out, const char *ending, const struct test_report *report,
                     void (*put)(FILE *to, const struct test_report *report)) {
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    TRY(nas_buffer_open(&text, out->ctx));
    put(text.out, report);
    TRY(nas_buffer_close(&text, out->ctx));
    return add_file(out, ending, text.text, text.length);
}

static int remove_file(struct output *out, const char *ending) {
    const char *path, *name;
    TRY(name_file(out, ending, &path));
    const int at = nas_folder_at(out->ctx, path, &name);
    return unlinkat(at, name, 0) == 0 || errno == ENOENT
               ? MN_OK
               : nas_file_failed(out->ctx, path, "remove it");
}

/* test.json comes last: it stands for the whole test. */
int test_write(struct mn_ctx *ctx, const struct test_report *report, const char *dir) {
    CLEANUP(output_fini)
    struct output out = {.ctx = ctx, .dir = dir, .given = report->plan->out};
    CLEANUP(nas_free) char *text = NULL;
    size_t length;
    TRY(add_table(&out, "-tasks.csv", report, put_tasks));
    if (report->plan->what.n_steps > 0) {
        TRY(add_table(&out, "-steps.csv", report, put_steps));
    }
    if (report->swap.done) {
        TRY(add_table(&out, "-swap.csv", report, test_swap_put));
    }
    TRY(rundir_json_text(ctx, "test.json", report_json(report), &text, &length));
    TRY(add_file(&out, ".json", text, length));
    TRY(nas_files_commit(out.files, out.n, ctx));
    /* A curve or a swap that lies there is that of another test. */
    TRY(report->plan->what.n_steps == 0 ? remove_file(&out, "-steps.csv") : MN_OK);
    return report->swap.done ? MN_OK : remove_file(&out, "-swap.csv");
}

void test_print_json(struct mn_ctx *ctx, const struct test_report *report) {
    CLEANUP(nas_free) char *text = NULL;
    size_t length = 0;
    if (rundir_json_text(ctx, "test.json", report_json(report), &text, &length) == MN_OK) {
        fwrite(text, 1, length, stdout);
    }
}

/* ---- summary ------------------------------------------------------------------------------ */

/* A line of a table: the titles of the columns that are shares, or their values in a record. */
static void print_line(const char *first, unsigned outputs, const struct nas_record *record) {
    printf("  %-16s", first);
    const struct nas_column *next = nas_column_next(&nas_record_columns, outputs, NULL);
    for (const char *gap = ""; next != NULL; gap = "  ") {
        const struct nas_column *c = next;
        char cell[64];
        do {
            next = nas_column_next(&nas_record_columns, outputs, next);
        } while (next != NULL && next->title == NULL);
        if (c->title != NULL) {
            printf("%s%-*s", gap, next != NULL ? 18 : 0,
                   record == NULL ? c->title
                                  : nas_column_show(&nas_record_columns, outputs, c, record, " +- ",
                                                    cell, sizeof cell));
        }
    }
    putchar('\n');
}

void test_print(const struct test_report *report, const char *dir, int written) {
    const struct nas_evaluation_plan *what = &report->plan->what;
    const struct nas_record *r = &report->evaluation.record, *norms[2];
    char low[32], high[32], mean[32], half[32], tasks[64] = "one task: no interval";
    if (r->tasks > 1) {
        snprintf(tasks, sizeof tasks, "mean and 95%% interval of %" PRId64 " tasks", r->tasks);
    }
    printf("%s accuracy  %.2f%%%s (%s)\n", r->split, 100 * r->accuracy_mean,
           nas_text_interval(100 * r->accuracy_ci95, 2, "%", half, sizeof half), tasks);
    printf("  task         %" PRId64 "-way %" PRId64 "-shot, %" PRId64
           " query image%s a class, seed %" PRId64 "\n",
           r->ways, r->shots, r->queries, nas_text_s(r->queries), r->seed);
    if (r->trained_on != NULL) {
        printf("  cross-data   meta-trained on other data: %s\n", r->trained_on);
    }
    printf("  sampling     %s\n", strcmp(r->sampling, "without_replacement") == 0
                                      ? "without replacement: no image is in two tasks"
                                      : "with replacement: tasks may share images, the interval is "
                                        "that of these images");
    if (what->episodes != NULL && what->episodes->path != NULL) {
        printf("  episodes     %s, drawn with seed %" PRIu64 "\n", what->episodes->path,
               what->episodes->seed);
    }
    printf("  state        %s, after %" PRId64 " meta-epochs\n", r->state, r->meta_epoch);
    both_norms(report, norms);
    print_line("batch norm", NAS_IN_NORMS, NULL);
    for (int i = 0; i < 2;
         i++) { /* the mode of the configuration first: that of the accuracy above */
        const int mode = norms[0] == r ? i : !i;
        print_line(mode == 0 ? "  transductive" : "  support", NAS_IN_NORMS, norms[mode]);
    }
    printf("  parameters   %s on average, %s to %s\n",
           nas_text_count((int64_t)(r->parameters_mean + 0.5), mean, sizeof mean),
           nas_text_count(r->parameters_min, low, sizeof low),
           nas_text_count(r->parameters_max, high, sizeof high));
    for (int i = 0; i < what->n_steps; i++) {
        char step[32];
        snprintf(step, sizeof step, "%10" PRId64, what->steps[i]);
        if (i == 0) {
            print_line("after step", NAS_IN_STEPS, NULL);
        }
        print_line(step, NAS_IN_STEPS, &report->evaluation.intermediate[i].record);
    }
    if (report->swap.done) {
        test_swap_print(report);
    }
    genotypes_print(&report->genotypes, 2, r->tasks, stdout);
    if (written && report->plan->out != NULL) {
        printf("written to %s and the tables beside it\n", report->plan->out);
    } else if (written) {
        printf("written to %s%stest.json, test-tasks.csv%s\n", dir,
               dir[strlen(dir) - 1] == '/' ? "" : "/",
               what->n_steps > 0 ? " and test-steps.csv" : "");
    }
}
