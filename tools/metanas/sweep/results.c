/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "../rundir.h"

#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- CSV ----------------------------------------------------------------------------------- */

/* What there is no number for stays empty. */
static void put_real(FILE *out, double x) {
    char text[40];
    fprintf(out, ",%s", nas_text_finite(x, "", text, sizeof text));
}

static int is_few(const struct sweep_mean *x) {
    return x->n > 1 && x->n <= SWEEP_FEW;
}

/* The values of a mean over few seeds, with spaces between them. */
static void put_few(FILE *out, const struct sweep_mean *x, int over_seeds) {
    fputc(',', out);
    for (int64_t i = 0; over_seeds && is_few(x) && i < x->n; i++) {
        char text[40];
        fprintf(out, "%s%s", i > 0 ? " " : "", nas_text_finite(x->few[i], "", text, sizeof text));
    }
}

static void put_mean(FILE *out, const struct sweep_mean *x) {
    put_real(out, x->n > 0 ? x->mean : NAN);
    put_real(out, x->n > 0 ? x->ci95 : NAN);
}

static void put_axis_names(FILE *out, const struct sweep *sweep) {
    for (int i = 0; i < sweep->n_axes; i++) {
        fprintf(out, ",%s", sweep->axes[i].name);
    }
}

static int put_arm_name(FILE *out, struct mn_ctx *ctx, const struct sweep *sweep, int64_t arm) {
    struct nas_arena arena = {0};
    const char *name = sweep_arm_name(sweep, arm, &arena);
    if (name != NULL) {
        fputs(name, out);
    }
    nas_arena_fini(&arena);
    for (int i = 0; i < sweep->n_axes; i++) {
        fprintf(out, ",%s", sweep_value_at(sweep, arm, i)->label);
    }
    return name != NULL ? MN_OK : no_memory(ctx);
}

static const char *status_of(const struct sweep_run *run, const struct sweep_result *result) {
    static const char *const names[] = {"new", "begun", "trained", "done"};
    return run->failed ? "failed" : names[result->progress];
}

static int put_run(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r, int64_t i) {
    const struct sweep_run *run = &r->job->runs[i];
    const struct sweep_result *x = &r->runs[i];
    fprintf(out, "%s,", run->name);
    const int status = put_arm_name(out, ctx, &r->job->sweep, run->arm);
    if (status != MN_OK) {
        return status;
    }
    fprintf(out, ",%" PRId64 ",%s,%" PRId64, r->job->sweep.seeds[run->seed], status_of(run, x),
            x->meta_epoch);
    if (x->progress != SWEEP_DONE) {
        fputs(",,,,,,,,,,,,,,,\n", out);
        return MN_OK;
    }
    fprintf(out, ",%" PRId64, x->tasks);
    put_mean(out, &x->accuracy_mean);
    put_mean(out, &x->before_mean);
    put_mean(out, &x->gap);
    put_mean(out, &x->difference);
    put_real(out, x->parameters);
    fprintf(out, ",%" PRId64 ",%" PRId64 ",%s,%s", x->parameters_min, x->parameters_max,
            x->batch_norm, x->episodes);
    put_real(out, x->seconds);
    fputc('\n', out);
    return MN_OK;
}

static int put_runs(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r) {
    int status = MN_OK;
    fputs("run,arm", out);
    put_axis_names(out, &r->job->sweep);
    fputs(",seed,status,meta_epoch,tasks,accuracy,accuracy_ci95,accuracy_before_prune,"
          "before_prune_ci95,prune_gap,prune_gap_ci95,difference,difference_ci95,parameters_mean,"
          "parameters_min,parameters_max,batch_norm,episodes,train_seconds\n",
          out);
    for (int64_t i = 0; status == MN_OK && i < r->job->n_runs; i++) {
        status = put_run(out, ctx, r, i);
    }
    return status;
}

static int put_arms(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r) {
    int status = MN_OK;
    fputs("arm", out);
    put_axis_names(out, &r->job->sweep);
    fputs(",seeds_done,seeds_failed,interval_over,accuracy,accuracy_ci95,accuracy_before_prune,"
          "before_prune_ci95,prune_gap,prune_gap_ci95,pairs_over,pairs,difference,difference_ci95,"
          "parameters_mean,train_seconds,accuracy_seeds,accuracy_before_prune_seeds,"
          "prune_gap_seeds,difference_seeds\n",
          out);
    for (int64_t arm = 0; status == MN_OK && arm < r->job->sweep.n_arms; arm++) {
        const struct sweep_arm *x = &r->arms[arm];
        const int some = x->n_done > 0, pairs = x->difference.n > 0;
        status = put_arm_name(out, ctx, &r->job->sweep, arm);
        fprintf(out, ",%d,%d,%s", x->n_done, x->n_failed,
                !some           ? ""
                : x->over_seeds ? "seeds"
                                : "tasks");
        put_mean(out, &x->accuracy);
        put_mean(out, &x->before);
        put_mean(out, &x->gap);
        fprintf(out, ",%s,%" PRId64,
                !pairs                ? ""
                : x->pairs_over_seeds ? "seeds"
                                      : "tasks",
                x->difference.n);
        put_mean(out, &x->difference);
        put_real(out, some ? x->parameters : NAN);
        put_real(out, some ? x->seconds : NAN);
        put_few(out, &x->accuracy, x->over_seeds);
        put_few(out, &x->before, x->over_seeds);
        put_few(out, &x->gap, x->over_seeds);
        put_few(out, &x->difference, x->pairs_over_seeds);
        fputc('\n', out);
    }
    return status;
}

/* ---- table for people ---------------------------------------------------------------------- */

enum { CELL = 64, MEANS = 4 };

/* "91.23 +- 0.52" in percent, of few seeds "91.23 (90.90, 91.56)"; "-" for none. */
static void percent(const struct sweep_mean *x, int over_seeds, int with_sign, char out[CELL]) {
    int n = x->n == 0 ? snprintf(out, CELL, "-")
                      : snprintf(out, CELL, with_sign ? "%+.2f" : "%.2f", 100 * x->mean);
    if (over_seeds && is_few(x)) {
        for (int64_t i = 0; i < x->n; i++) {
            n += snprintf(out + n, CELL - (size_t)n, i > 0 ? ", " : " (");
            n += snprintf(out + n, CELL - (size_t)n, with_sign ? "%+.2f" : "%.2f", 100 * x->few[i]);
        }
        snprintf(out + n, CELL - (size_t)n, ")");
    } else if (x->n > 0 && isfinite(x->ci95)) {
        snprintf(out + n, CELL - (size_t)n, " +- %.2f", 100 * x->ci95);
    }
}

static void means_of(const struct sweep_arm *x, char out[MEANS][CELL]) {
    percent(&x->accuracy, x->over_seeds, 0, out[0]);
    percent(&x->before, x->over_seeds, 0, out[1]);
    percent(&x->gap, x->over_seeds, 1, out[2]);
    percent(&x->difference, x->pairs_over_seeds, 1, out[3]);
}

/* Of the columns: the name of an arm, and the means. */
struct widths {
    int name, mean[MEANS];
};

static const char *const titles[MEANS] = {"accuracy", "before prune", "prune gap", "difference"};

static struct widths widths_of(struct mn_ctx *ctx, const struct sweep_results *r) {
    struct widths out = {.name = 3};
    for (int i = 0; i < MEANS; i++) {
        out.mean[i] = (int)strlen(titles[i]);
    }
    for (int64_t arm = 0; arm < r->job->sweep.n_arms; arm++) {
        const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
        const char *name = sweep_arm_name(&r->job->sweep, arm, &nas_ctx_of(ctx)->scratch);
        const int n = name != NULL ? (int)strlen(name) : 0;
        char means[MEANS][CELL];
        means_of(&r->arms[arm], means);
        out.name = n > out.name ? n : out.name;
        for (int i = 0; i < MEANS; i++) {
            const int width = (int)strlen(means[i]);
            out.mean[i] = width > out.mean[i] ? width : out.mean[i];
        }
        nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    }
    return out;
}

static int put_line(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r, int64_t arm,
                    const struct widths *w) {
    const struct sweep_arm *x = &r->arms[arm];
    const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
    const char *name = sweep_arm_name(&r->job->sweep, arm, &nas_ctx_of(ctx)->scratch);
    char means[MEANS][CELL], parameters[40] = "-", time[40] = "-";
    if (name == NULL) {
        return no_memory(ctx);
    }
    if (x->n_done > 0) {
        nas_text_count(llround(fmin(fmax(x->parameters, 0), 1e15)), parameters, sizeof parameters);
    }
    if (x->n_done > 0 && isfinite(x->seconds)) {
        nas_text_duration(x->seconds, time, sizeof time);
    }
    means_of(x, means);
    fprintf(out, "%-*s  %3d/%d", w->name, name, x->n_done, r->job->sweep.n_seeds);
    for (int i = 0; i < MEANS; i++) {
        fprintf(out, "  %-*s", w->mean[i], means[i]);
    }
    fprintf(out, "  %10s  %s%s\n", parameters, time,
            x->n_failed == 1  ? "  (a seed failed: not finite)"
            : x->n_failed > 1 ? "  (seeds failed: not finite)"
                              : "");
    nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    return MN_OK;
}

/* What the intervals of the means, or of the differences, go over. */
static const char *over(const struct sweep_results *r, int pairs) {
    int seeds = 0, tasks = 0;
    for (int64_t arm = 0; arm < r->job->sweep.n_arms; arm++) {
        const struct sweep_arm *x = &r->arms[arm];
        const int by_seeds = pairs ? x->pairs_over_seeds : x->over_seeds;
        const int some = pairs ? x->difference.n > 0 : x->n_done > 0;
        seeds += some && by_seeds;
        tasks += some && !by_seeds;
    }
    return seeds > 0 && tasks > 0 ? "seeds, over tasks where one seed is done"
           : seeds > 0            ? "seeds"
                                  : "tasks";
}

static int has_few(const struct sweep_results *r) {
    int few = 0;
    for (int64_t arm = 0; arm < r->job->sweep.n_arms; arm++) {
        few |= r->arms[arm].over_seeds && is_few(&r->arms[arm].accuracy);
    }
    return few;
}

static void put_common(FILE *out, int is_common, int64_t n, const char *unit, const char *by_arm) {
    if (is_common) {
        fprintf(out, "%" PRId64 "%s", n, unit);
    } else {
        fputs(by_arm, out);
    }
}

/* What the tests had in common; of the rest, that arms differ in it. */
static void put_tests(FILE *out, const struct sweep_results *r, const struct sweep_result *some) {
    int tasks = 1, ways = 1, shots = 1, queries = 1, mode = 1;
    for (int64_t i = 0; i < r->job->n_runs; i++) {
        const struct sweep_result *x = &r->runs[i];
        if (x->progress == SWEEP_DONE) {
            tasks &= x->tasks == some->tasks;
            ways &= x->ways == some->ways;
            shots &= x->shots == some->shots;
            queries &= x->queries == some->queries;
            mode &= strcmp(x->batch_norm, some->batch_norm) == 0;
        }
    }
    fputs("Test: ", out);
    put_common(out, tasks, some->tasks, " tasks a seed, ", "tasks by arm, ");
    put_common(out, ways, some->ways, "-way ", "ways by arm, ");
    put_common(out, shots, some->shots, "-shot, ", "shots by arm, ");
    put_common(out, queries, some->queries, " query images a class, ", "query images by arm, ");
    fprintf(out, "%s batch norm%s; seeds", mode ? some->batch_norm : "transductive or support",
            mode ? "" : " by arm");
}

static int put_notes(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r) {
    struct nas_arena arena = {0};
    const char *first = sweep_arm_name(&r->job->sweep, 0, &arena);
    const struct sweep_result *some = NULL;
    for (int64_t i = 0; some == NULL && i < r->job->n_runs; i++) {
        some = r->runs[i].progress == SWEEP_DONE ? &r->runs[i] : NULL;
    }
    if (some != NULL && first != NULL) {
        fprintf(out,
                "\nAccuracy in %%, of the pruned networks and just before the hard prune; the gap "
                "is the second less the\nfirst, in points. +- is the half width of the 95%% "
                "interval (Student's t) over %s%s.\n",
                over(r, 0), has_few(r) ? ";\nin brackets the values of two or three seeds" : "");
        fprintf(out,
                "Difference: accuracy less that of %s, in points, on the same test tasks seed by "
                "seed; paired over %s.\n",
                first, over(r, 1));
        put_tests(out, r, some);
        for (int i = 0; i < r->job->sweep.n_seeds; i++) {
            fprintf(out, "%s %" PRId64, i > 0 ? "," : "", r->job->sweep.seeds[i]);
        }
        fputs(".\nParameters are those that pruning left, training is the time of meta-training "
              "with its validations; means.\n",
              out);
    }
    nas_arena_fini(&arena);
    return first != NULL ? MN_OK : no_memory(ctx);
}

static int put_table(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r) {
    const struct widths w = widths_of(ctx, r);
    int status = MN_OK;
    fprintf(out, "%-*s  seeds", w.name, "arm");
    for (int i = 0; i < MEANS; i++) {
        fprintf(out, "  %-*s", w.mean[i], titles[i]);
    }
    fputs("  parameters  training\n", out);
    for (int64_t arm = 0; status == MN_OK && arm < r->job->sweep.n_arms; arm++) {
        status = put_line(out, ctx, r, arm, &w);
    }
    return status != MN_OK ? status : put_notes(out, ctx, r);
}

/* ---- files --------------------------------------------------------------------------------- */

static int write_file(struct mn_ctx *ctx, const struct sweep_results *r, const char *name,
                      int (*put)(FILE *out, struct mn_ctx *ctx, const struct sweep_results *r),
                      int print) {
    struct nas_arena arena = {0};
    const char *path;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    int status = out != NULL ? rundir_file(ctx, &arena, r->job->out, name, &path) : no_memory(ctx);
    if (status == MN_OK) {
        status = put(out, ctx, r);
    }
    if (out != NULL && fclose(out) != 0 && status == MN_OK) {
        status = no_memory(ctx);
    }
    if (status == MN_OK) {
        status = nas_file_replace(ctx, path, text, length);
    }
    if (status == MN_OK && print) {
        fwrite(text, 1, length, stdout);
    }
    free(text);
    nas_arena_fini(&arena);
    return status;
}

int sweep_report(struct mn_ctx *ctx, struct sweep_results *results, int print) {
    int status = sweep_summarise(ctx, results);
    if (status == MN_OK) {
        status = write_file(ctx, results, "runs.csv", put_runs, 0);
    }
    if (status == MN_OK) {
        status = write_file(ctx, results, "results.csv", put_arms, 0);
    }
    if (status == MN_OK) {
        status = write_file(ctx, results, "results.txt", put_table, print);
    }
    return status;
}
