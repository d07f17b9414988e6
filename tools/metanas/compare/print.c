/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include "base/stats.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- tables -------------------------------------------------------------------------------- */

enum { COLUMNS = 10 };

/* Rows of cells; the first one holds the titles. */
struct table {
    struct nas_arena *arena;
    int columns, rows, filled; /* cells of the last row so far */
    const char *(*cells)[COLUMNS];
};

static int table_new(struct mn_ctx *ctx, struct nas_arena *arena, int rows,
                     const char *const *titles, struct table *out) {
    *out = (struct table){.arena = arena, .rows = 1};
    out->cells = nas_arena_zeroed(arena, ((size_t)rows + 1) * sizeof *out->cells);
    if (out->cells == NULL) {
        return no_memory(ctx);
    }
    for (; titles[out->columns] != NULL; out->columns++) {
        out->cells[0][out->columns] = titles[out->columns];
    }
    out->filled = out->columns;
    return MN_OK;
}

__attribute__((format(printf, 2, 3))) static void add(struct table *t, const char *format, ...) {
    char text[4096]; /* a path and more */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    t->rows += t->filled == t->columns;
    t->filled = t->filled == t->columns ? 0 : t->filled;
    t->cells[t->rows - 1][t->filled++] = nas_arena_text(t->arena, text);
}

static int table_print(struct mn_ctx *ctx, const struct table *t) {
    int widths[COLUMNS] = {0};
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < t->columns; c++) {
            if (t->cells[r][c] == NULL) {
                return no_memory(ctx);
            }
            const int width = nas_text_width(t->cells[r][c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < t->columns; c++) {
            fputs(c > 0 ? "  " : "", stdout);
            nas_text_put(stdout, t->cells[r][c], c + 1 < t->columns ? widths[c] : 0);
        }
        putchar('\n');
    }
    return MN_OK;
}

/* ---- the runs ------------------------------------------------------------------------------ */

static int print_runs(struct mn_ctx *ctx, struct compared *all) {
    static const char *const titles[] = {"arm",        "run",        "accuracy",    "prune gap",
                                         "parameters", "seed",       "meta-epochs", "tasks",
                                         "queries",    "batch norm", NULL};
    struct table table;
    TRY(table_new(ctx, &all->arena, all->n_runs, titles, &table));
    for (int arm = 0; arm < all->n_arms; arm++) {
        for (int i = 0; i < all->arms[arm].n; i++) {
            const struct tested_run *run = all->arms[arm].runs[i];
            const struct nas_record *r = &run->test;
            char half[32], parameters[40];
            add(&table, "%d", arm + 1);
            add(&table, "%s", run->name);
            add(&table, "%.2f%%%s", 100 * r->accuracy_mean,
                nas_text_interval(100 * r->accuracy_ci95, 2, "%", half, sizeof half));
            add(&table, "%+.2f%%", 100 * r->prune_gap);
            add(&table, "%s",
                nas_text_count(llround(fmin(fmax(r->parameters_mean, 0), 1e15)), parameters,
                               sizeof parameters));
            add(&table, "%" PRId64, run->seed);
            add(&table, "%" PRId64, r->meta_epoch);
            add(&table, "%" PRId64, r->tasks);
            add(&table, "%" PRId64, r->queries);
            add(&table, "%s", r->batch_norm);
        }
    }
    return table_print(ctx, &table);
}

/* Of arms of several seeds: their mean, with the values of few. */
static int print_arms(struct mn_ctx *ctx, struct compared *all) {
    for (int i = 0; i < all->n_arms; i++) {
        const struct tested_arm *arm = &all->arms[i];
        double *x = nas_arena_array(&all->arena, (size_t)arm->n, sizeof *x), mean;
        char half[32];
        if (x == NULL) {
            return no_memory(ctx);
        }
        for (int k = 0; k < arm->n; k++) {
            x[k] = 100 * arm->runs[k]->test.accuracy_mean;
        }
        const double ci95 = nas_ci95(arm->n, x, &mean);
        if (arm->n < 2) {
            continue;
        }
        printf("arm %d: ", i + 1);
        nas_text_put(stdout, arm->name, 0);
        printf(", mean of %d seeds: %.2f%%", arm->n, mean);
        for (int k = 0; k < arm->n && arm->n <= COMPARE_FEW; k++) {
            printf("%s%.2f%%%s", k > 0 ? ", " : " (", x[k], k + 1 < arm->n ? "" : ")");
        }
        printf("%s\n", nas_text_interval(arm->n > COMPARE_FEW ? ci95 : (double)NAN, 2, "%", half,
                                         sizeof half));
    }
    return MN_OK;
}

/* ---- the comparisons ----------------------------------------------------------------------- */

static const char *p_text(double p, char *out, size_t size) {
    if (!isfinite(p)) {
        snprintf(out, size, "-");
    } else {
        snprintf(out, size, p < 0.0001 ? "<0.0001" : "%.4f", p);
    }
    return out;
}

static const char *difference_text(const struct comparison *x, char *out, size_t size) {
    int n = snprintf(out, size, "%+.2f", 100 * x->difference);
    if (isfinite(x->ci95)) {
        snprintf(out + n, size - (size_t)n, " (%+.2f to %+.2f)", 100 * (x->difference - x->ci95),
                 100 * (x->difference + x->ci95));
    } else if (x->n_pairs > 1) {
        for (int i = 0; i < x->n_pairs && i < COMPARE_FEW; i++) {
            n += snprintf(out + n, size - (size_t)n, "%s%+.2f", i > 0 ? ", " : " (",
                          100 * x->pairs[i].difference);
        }
        snprintf(out + n, size - (size_t)n, ")");
    }
    return out;
}

static int print_comparisons(struct mn_ctx *ctx, struct compared *all) {
    static const char *const titles[] = {"arms",       "run",           "difference",
                                         "p",          "won/tied/lost", "sign test p",
                                         "parameters", "result",        NULL};
    struct table table;
    TRY(table_new(ctx, &all->arena, all->n, titles, &table));
    for (int i = 0; i < all->n; i++) {
        const struct comparison *x = &all->items[i];
        char text[200], count[40];
        const double parameters = fmin(fabs(x->parameters), 1e15);
        add(&table, "%d - %d", (int)(x->first - all->arms) + 1, (int)(x->second - all->arms) + 1);
        add(&table, "%s", x->run);
        add(&table, "%s", difference_text(x, text, sizeof text));
        add(&table, "%s", p_text(x->p_holm, text, sizeof text));
        add(&table, "%" PRId64 "/%" PRId64 "/%" PRId64, x->won, x->tied, x->lost);
        add(&table, "%s", p_text(x->sign_holm, text, sizeof text));
        add(&table, "%s%s", x->parameters < 0 ? "-" : "+",
            nas_text_count(llround(parameters), count, sizeof count));
        add(&table, "%s", x->verdict);
    }
    putchar('\n');
    return table_print(ctx, &table);
}

/* ---- notes --------------------------------------------------------------------------------- */

static void print_method(const struct compared *all) {
    int tasks = 0, few = 0, many = 0, tests = 0;
    for (int i = 0; i < all->n; i++) {
        tasks |= all->items[i].n_pairs == 1;
        few |= all->items[i].n_pairs > 1 && all->items[i].n_pairs <= COMPARE_FEW;
        many |= all->items[i].n_pairs > COMPARE_FEW;
        tests += isfinite(all->items[i].p) != 0;
    }
    puts("\nDifference: accuracy of the first arm less that of the second, in points, on the same "
         "tasks.");
    if (tasks) {
        printf(
            "In brackets its 95%% interval over tasks (Student's t)%s: how would other tasks come "
            "out for these\nvery networks? Another training may come out otherwise; several "
            "seeds tell.\n",
            many || few ? ", where an arm has one run" : "");
    }
    if (many) {
        printf(
            "In brackets its 95%% interval over seeds (Student's t)%s: how would another training "
            "come out?\n",
            tasks || few ? ", where arms have more than three" : "");
    }
    if (few) {
        puts("With two or three seeds in brackets the differences themselves: too few for an "
             "interval.");
    }
    if (tests > 0) {
        puts(
            "p: two-sided, that the mean difference is 0 (paired t); that as many tasks are won as "
            "lost (sign test).");
        if (tests > 1) {
            printf("Both are corrected by Holm for %d comparisons, the intervals are not. ", tests);
        }
        puts("Better or worse: p of the mean under 0.05.");
    }
}

static void print_name(const char *before, const char *name) {
    fputs(before, stdout);
    nas_text_put(stdout, name, 0);
}

static void print_both(const char *a, const char *b) {
    print_name("- ", a);
    print_name(" and ", b);
    fputs(": ", stdout);
}

static void print_comparison_notes(const struct comparison *x) {
    const struct tested_run *a = x->pairs[0].first, *b = x->pairs[0].second;
    int seeds_differ = 0;
    if (x->config_diff.key[0] != '\0') {
        print_name("- ", x->run);
        printf(": %s is ", x->config_diff.key);
        nas_text_put(stdout, x->config_diff.there, 0);
        print_name(", in ", x->against);
        fputs(" it is ", stdout);
        nas_text_put(stdout, x->config_diff.here, 0);
        puts(" (the first difference of their configurations)");
    }
    if (x->tasks_alone > 0) {
        print_both(x->run, x->against);
        printf("%" PRId64 " task%s left out, which only one of them was tested on\n",
               x->tasks_alone, nas_text_s(x->tasks_alone));
    }
    if (x->seeds_alone > 0) {
        print_both(x->run, x->against);
        printf("%" PRId64 " run%s left out, for the other has fewer seeds\n", x->seeds_alone,
               nas_text_s(x->seeds_alone));
    }
    for (int64_t i = 0; i < x->n_pairs; i++) {
        seeds_differ |= x->pairs[i].first->seed != x->pairs[i].second->seed;
    }
    if (seeds_differ && x->n_pairs == 1) {
        print_both(a->name, b->name);
        printf("seeds %" PRId64 " and %" PRId64
               ", so the difference is that of the seeds as well\n",
               a->seed, b->seed);
    } else if (seeds_differ) {
        print_both(x->run, x->against);
        puts("seeds that only one of them has are paired in their order");
    }
    if (strcmp(a->test.batch_norm, b->test.batch_norm) != 0) {
        print_both(x->run, x->against);
        puts("batch norm differs; transductive statistics are those of all query images of a task");
    }
}

static void print_notes(const struct compared *all) {
    if (all->tested) {
        puts("- these tests are kept as compare.json in the folder of each run");
    }
    if (all->seeds_apart) {
        puts("- all runs are seeds of one configuration, so they are compared one by one");
    }
    for (int i = 0; i < all->n_runs; i++) {
        const struct tested_run *run = &all->runs[i];
        if (run->sets[0] != '\0') {
            print_name("- ", run->name);
            print_name(": tested with --set ", run->sets);
            putchar('\n');
        }
        if (run->test.state != NULL && strcmp(run->test.state, "last") != 0) {
            print_name("- ", run->name);
            print_name(": state ", run->test.state);
            putchar('\n');
        }
    }
    for (int i = 0; i < all->n; i++) {
        print_comparison_notes(&all->items[i]);
    }
}

int compare_print(struct mn_ctx *ctx, struct compared *all) {
    TRY(print_runs(ctx, all));
    TRY(print_arms(ctx, all));
    TRY(print_comparisons(ctx, all));
    print_method(all);
    print_notes(all);
    return MN_OK;
}
