/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "../rundir.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>

/* Parts of a line of runs.csv and results.csv, between which the columns of a test stand. */
enum { BEFORE_TEST = 1, AFTER_TEST = 2 };

/* Columns of a mean and of its half width, in a record of `type`. */
#define MEAN(type, measure, unit, name, half, title)                                               \
    {name, NAS_COLUMN_REAL, unit, BEFORE_TEST, title, offsetof(type, means[measure].mean)}, {      \
        half, NAS_COLUMN_REAL, NAS_UNIT_HALF, BEFORE_TEST, NULL,                                   \
            offsetof(type, means[measure].ci95)                                                    \
    }
#define MEANS_OF_TEST(type)                                                                        \
    MEAN(type, SWEEP_ACCURACY, NAS_UNIT_SHARE, "accuracy", "accuracy_ci95", "accuracy"),           \
        MEAN(type, SWEEP_BEFORE, NAS_UNIT_SHARE, "accuracy_before_prune", "before_prune_ci95",     \
             "before prune"),                                                                      \
        MEAN(type, SWEEP_GAP, NAS_UNIT_POINTS, "prune_gap", "prune_gap_ci95", "prune gap")
#define DIFFERENCE(type)                                                                           \
    MEAN(type, SWEEP_DIFFERENCE, NAS_UNIT_POINTS, "difference", "difference_ci95", "difference")
#define PLAIN(type, kind, member, output, name)                                                    \
    { name, NAS_COLUMN_##kind, NAS_UNIT_PLAIN, output, NULL, offsetof(type, member) }

static const struct nas_column columns_of_run[] = {
    PLAIN(struct sweep_result, INT, now.test.tasks, BEFORE_TEST, "tasks"),
    MEANS_OF_TEST(struct sweep_result),
    DIFFERENCE(struct sweep_result),
    PLAIN(struct sweep_result, REAL, seconds, AFTER_TEST, "train_seconds"),
};
static const struct nas_columns run_columns = {sizeof columns_of_run / sizeof columns_of_run[0],
                                               columns_of_run};

static const struct nas_column columns_of_arm[] = {
    PLAIN(struct sweep_arm, INT, n_done, BEFORE_TEST, "seeds_done"),
    PLAIN(struct sweep_arm, INT, n_failed, BEFORE_TEST, "seeds_failed"),
    PLAIN(struct sweep_arm, TEXT, interval_over, BEFORE_TEST, "interval_over"),
    MEANS_OF_TEST(struct sweep_arm),
    PLAIN(struct sweep_arm, TEXT, pairs_over, BEFORE_TEST, "pairs_over"),
    PLAIN(struct sweep_arm, INT, means[SWEEP_DIFFERENCE].n, BEFORE_TEST, "pairs"),
    DIFFERENCE(struct sweep_arm),
    PLAIN(struct sweep_arm, REAL, seconds, AFTER_TEST, "train_seconds"),
};
static const struct nas_columns arm_columns = {sizeof columns_of_arm / sizeof columns_of_arm[0],
                                               columns_of_arm};

/* The column of a measure of an arm. */
static const struct nas_column *column_of(int measure) {
    const struct nas_column *c = columns_of_arm;
    while (c->title == NULL || measure-- > 0) {
        c++;
    }
    return c;
}

/* ---- CSV ----------------------------------------------------------------------------------- */

static int put_arm_name(struct nas_csv_line *line, struct mn_ctx *ctx, const struct sweep *sweep,
                        int64_t arm) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    const char *name = sweep_arm_name(sweep, arm, &arena);
    if (name == NULL) {
        return no_memory(ctx);
    }
    nas_csv_text(line, name);
    for (int i = 0; i < sweep->n_axes; i++) {
        nas_csv_text(line, sweep_value_at(sweep, arm, i)->label);
    }
    return MN_OK;
}

static void put_names(struct nas_csv_line *line, const struct sweep *sweep,
                      const char *const *more) {
    nas_csv_text(line, "arm");
    for (int i = 0; i < sweep->n_axes; i++) {
        nas_csv_text(line, sweep->axes[i].name);
    }
    for (; *more != NULL; more++) {
        nas_csv_text(line, *more);
    }
}

static int put_runs(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r) {
    static const char *const states[] = {"new", "begun", "trained", "done"};
    static const char *const names[] = {"seed", "status", "meta_epoch", NULL};
    struct nas_csv_line line = {.out = out};
    nas_csv_text(&line, "run");
    put_names(&line, &r->job->sweep, names);
    nas_columns_csv_names(&run_columns, BEFORE_TEST, &line);
    nas_columns_csv_names(&nas_record_columns, NAS_IN_RUNS, &line);
    nas_columns_csv_names(&run_columns, AFTER_TEST, &line);
    nas_csv_end(&line);
    for (int64_t i = 0; i < r->job->n_runs; i++) {
        const struct sweep_run *run = &r->job->runs[i];
        const struct sweep_result *x = &r->runs[i];
        const struct sweep_result *done = x->now.progress == SWEEP_DONE ? x : NULL;
        nas_csv_text(&line, run->name);
        TRY(put_arm_name(&line, ctx, &r->job->sweep, run->arm));
        nas_csv_int(&line, r->job->sweep.seeds[run->seed]);
        nas_csv_text(&line, run->failed                                  ? "failed"
                            : r->job->left[run->arm] > 0 && done == NULL ? "left"
                                                                         : states[x->now.progress]);
        nas_csv_int(&line, x->now.meta_epoch);
        nas_columns_csv(&run_columns, BEFORE_TEST, done, &line);
        nas_columns_csv(&nas_record_columns, NAS_IN_RUNS, done != NULL ? &done->now.test : NULL,
                        &line);
        nas_columns_csv(&run_columns, AFTER_TEST, done, &line);
        nas_csv_end(&line);
    }
    return MN_OK;
}

/* Whether the mean is one of few seeds. */
static int is_few(const struct sweep_arm *x, int measure) {
    const char *over = measure == SWEEP_DIFFERENCE ? x->pairs_over : x->interval_over;
    return over[0] == 's' && x->means[measure].n <= SWEEP_FEW;
}

static int put_arms(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r) {
    static const char *const no_more[] = {NULL};
    struct nas_csv_line line = {.out = out};
    put_names(&line, &r->job->sweep, no_more);
    nas_columns_csv_names(&arm_columns, BEFORE_TEST, &line);
    nas_columns_csv_names(&nas_record_columns, NAS_IN_ARMS, &line);
    nas_columns_csv_names(&arm_columns, AFTER_TEST, &line);
    for (int m = 0; m < SWEEP_MEASURES; m++) {
        char name[64];
        snprintf(name, sizeof name, "%s_seeds", column_of(m)->name);
        nas_csv_text(&line, name);
    }
    nas_csv_end(&line);
    for (int64_t arm = 0; arm < r->job->sweep.n_arms; arm++) {
        const struct sweep_arm *x = &r->arms[arm];
        TRY(put_arm_name(&line, ctx, &r->job->sweep, arm));
        nas_columns_csv(&arm_columns, BEFORE_TEST, x, &line);
        nas_columns_csv(&nas_record_columns, NAS_IN_ARMS, &x->test, &line);
        nas_columns_csv(&arm_columns, AFTER_TEST, x, &line);
        for (int m = 0; m < SWEEP_MEASURES; m++) { /* the values, with spaces between them */
            char values[40 * SWEEP_FEW] = "", *at = values;
            for (int64_t i = 0; is_few(x, m) && i < x->means[m].n; i++) {
                *at = ' ';
                at += i > 0;
                at += nas_text_from_real(x->means[m].few[i], at, 39);
            }
            fprintf(out, ",%s", values); /* what begins with a sign is numbers, not a formula */
        }
        nas_csv_end(&line);
    }
    return MN_OK;
}

/* ---- table for people ---------------------------------------------------------------------- */

enum { CELL = 64 };

/* "91.23 +- 0.52" in percent, of few seeds "91.23 (90.90, 91.56)"; "-" for none. */
static void percent(const struct sweep_arm *arm, int measure, char out[CELL]) {
    const struct sweep_mean *x = &arm->means[measure];
    const char *format = column_of(measure)->unit == NAS_UNIT_POINTS ? "%+.2f" : "%.2f";
    int n = x->n == 0 ? snprintf(out, CELL, "-") : snprintf(out, CELL, format, 100 * x->mean);
    if (is_few(arm, measure)) {
        for (int64_t i = 0; i < x->n; i++) {
            n += snprintf(out + n, CELL - (size_t)n, i > 0 ? ", " : " (");
            n += snprintf(out + n, CELL - (size_t)n, format, 100 * x->few[i]);
        }
        snprintf(out + n, CELL - (size_t)n, ")");
    } else if (isfinite(x->ci95)) {
        snprintf(out + n, CELL - (size_t)n, " +- %.2f", 100 * x->ci95);
    }
}

static int larger(int width, const char *text) {
    return (int)strlen(text) > width ? (int)strlen(text) : width;
}

/* The arms under the titles; names[n_arms] are theirs. */
static void put_lines(FILE *out, const struct sweep_results *r, const char *const *names) {
    const int64_t n = r->job->sweep.n_arms;
    int name_width = 3, widths[SWEEP_MEASURES];
    char cell[CELL];
    for (int64_t arm = 0; arm < n; arm++) {
        name_width = larger(name_width, names[arm]);
    }
    fprintf(out, "%-*s  seeds", name_width, "arm");
    for (int m = 0; m < SWEEP_MEASURES; m++) {
        widths[m] = larger(0, column_of(m)->title);
        for (int64_t arm = 0; arm < n; arm++) {
            percent(&r->arms[arm], m, cell);
            widths[m] = larger(widths[m], cell);
        }
        fprintf(out, "  %-*s", widths[m], column_of(m)->title);
    }
    fputs("  parameters  training\n", out);
    for (int64_t arm = 0; arm < n; arm++) {
        const struct sweep_arm *x = &r->arms[arm];
        char parameters[40] = "-", time[40] = "-";
        if (x->n_done > 0) {
            nas_text_count(llround(fmin(fmax(x->test.parameters_mean, 0), 1e15)), parameters,
                           sizeof parameters);
        }
        if (isfinite(x->seconds)) {
            nas_text_duration(x->seconds, time, sizeof time);
        }
        fprintf(out, "%-*s  %3" PRId64 "/%d", name_width, names[arm], x->n_done,
                r->job->sweep.n_seeds);
        for (int m = 0; m < SWEEP_MEASURES; m++) {
            percent(x, m, cell);
            fprintf(out, "  %-*s", widths[m], cell);
        }
        fprintf(out, "  %10s  %s%s", parameters, time,
                x->n_failed == 1  ? "  (a seed failed: not finite)"
                : x->n_failed > 1 ? "  (seeds failed: not finite)"
                                  : "");
        if (r->job->left[arm] > 0 && x->n_done < r->job->sweep.n_seeds) {
            fprintf(out, "  (left after %" PRId64 " meta-epochs)", r->job->left[arm]);
        }
        fputc('\n', out);
    }
}

/* What the intervals of the means, or of the differences, go over. */
static const char *over(const struct sweep_results *r, int pairs) {
    int seeds = 0, tasks = 0;
    for (int64_t arm = 0; arm < r->job->sweep.n_arms; arm++) {
        const char *x = pairs ? r->arms[arm].pairs_over : r->arms[arm].interval_over;
        seeds |= x[0] == 's';
        tasks |= x[0] == 't';
    }
    return seeds && tasks ? "seeds, over tasks where one seed is done" : seeds ? "seeds" : "tasks";
}

static void put_common(FILE *out, int is_common, int64_t n, const char *unit, const char *by_arm) {
    if (is_common) {
        fprintf(out, "%" PRId64 "%s", n, unit);
    } else {
        fputs(by_arm, out);
    }
}

/* What the tests had in common with one of them; of the rest, that arms differ in it. */
static void put_tests(FILE *out, const struct sweep_results *r, const struct nas_record *some) {
    const char *norm = some->batch_norm != NULL ? some->batch_norm : "";
    int tasks = 1, ways = 1, shots = 1, queries = 1, mode = 1;
    for (int64_t i = 0; i < r->job->n_runs; i++) {
        const struct nas_record *x = &r->runs[i].now.test;
        if (r->runs[i].now.progress == SWEEP_DONE) {
            tasks &= x->tasks == some->tasks;
            ways &= x->ways == some->ways;
            shots &= x->shots == some->shots;
            queries &= x->queries == some->queries;
            mode &= strcmp(x->batch_norm != NULL ? x->batch_norm : "", norm) == 0;
        }
    }
    fputs("Test: ", out);
    put_common(out, tasks, some->tasks, " tasks a seed, ", "tasks by arm, ");
    put_common(out, ways, some->ways, "-way ", "ways by arm, ");
    put_common(out, shots, some->shots, "-shot, ", "shots by arm, ");
    put_common(out, queries, some->queries, " query images a class, ", "query images by arm, ");
    fprintf(out, "%s batch norm%s; seeds", mode ? norm : "transductive or support",
            mode ? "" : " by arm");
}

static int put_table(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    const struct nas_record *some = NULL;
    const char **names = nas_arena_array(&arena, (size_t)r->job->sweep.n_arms, sizeof *names);
    int few = 0;
    if (names == NULL) {
        return no_memory(ctx);
    }
    for (int64_t arm = 0; arm < r->job->sweep.n_arms; arm++) {
        few |= is_few(&r->arms[arm], SWEEP_ACCURACY);
        names[arm] = sweep_arm_name(&r->job->sweep, arm, &arena);
        if (names[arm] == NULL) {
            return no_memory(ctx);
        }
    }
    put_lines(out, r, names);
    for (int64_t i = 0; some == NULL && i < r->job->n_runs; i++) {
        some = r->runs[i].now.progress == SWEEP_DONE ? &r->runs[i].now.test : NULL;
    }
    if (some == NULL) {
        return MN_OK;
    }
    fprintf(out,
            "\nAccuracy in %%, of the pruned networks and just before the hard prune; the gap "
            "is the second less the\nfirst, in points. +- is the half width of the 95%% "
            "interval (Student's t) over %s%s.\n",
            over(r, 0), few ? ";\nin brackets the values of two or three seeds" : "");
    if (r->job->left[0] == 0) {
        fprintf(out,
                "Difference: accuracy less that of %s, in points, on the same test tasks seed by "
                "seed; paired over %s.\n",
                names[0], over(r, 1));
    }
    put_tests(out, r, some);
    for (int i = 0; i < r->job->sweep.n_seeds; i++) {
        fprintf(out, "%s %" PRId64, i > 0 ? "," : "", r->job->sweep.seeds[i]);
    }
    fputs(".\nParameters are those that pruning left, training is the time of meta-training "
          "with its validations; means.\n",
          out);
    return MN_OK;
}

/* ---- files --------------------------------------------------------------------------------- */

static int write_file(struct mn_ctx *ctx, const struct sweep_results *r, const char *name,
                      int (*put)(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r),
                      int print) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    const char *path;
    TRY(rundir_file(ctx, &arena, r->job->out, name, &path));
    TRY(nas_buffer_open(&text, ctx));
    TRY(put(text.out, ctx, r));
    TRY(nas_buffer_close(&text, ctx));
    TRY(nas_file_replace(ctx, path, text.text, text.length));
    if (print) {
        fwrite(text.text, 1, text.length, stdout);
    }
    return MN_OK;
}

int sweep_report(struct mn_ctx *ctx, struct sweep_results *results, int print) {
    TRY(sweep_summarise(ctx, results));
    TRY(write_file(ctx, results, "runs.csv", put_runs, 0));
    TRY(write_file(ctx, results, "results.csv", put_arms, 0));
    return write_file(ctx, results, "results.txt", put_table, print);
}
