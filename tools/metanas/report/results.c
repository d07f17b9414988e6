/* SPDX-License-Identifier: MIT */
#include "chart.h"
#include "interval.h"
#include "sections.h"

#include "../command.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- the last test ------------------------------------------------------------------------ */

static const char *known(const char *text) {
    return text != NULL ? text : "unknown";
}

/* Rows of the columns that have a title, then what several columns tell together. */
static void test_rows(struct page *page, const struct nas_record *test) {
    char text[256], mean[32], low[32], high[32];
    for (const struct nas_column *c = NULL;
         (c = nas_column_next(&nas_record_columns, NAS_IN_TEST, c)) != NULL;) {
        if (c->title != NULL && (c->type != NAS_COLUMN_TEXT || nas_column_text(c, test) != NULL)) {
            page_row(page, c->title, "%s",
                     nas_column_show(&nas_record_columns, NAS_IN_TEST, c, test, " ± ", text,
                                     sizeof text));
        }
    }
    const double parameters = isfinite(test->parameters_mean) ? test->parameters_mean : 0;
    page_row(
        page, "parameters", "%s on average, %s to %s",
        nas_text_count((int64_t)llround(fmin(fmax(parameters, -1e15), 1e15)), mean, sizeof mean),
        nas_text_count(test->parameters_min, low, sizeof low),
        nas_text_count(test->parameters_max, high, sizeof high));
    page_row(page, "tasks",
             "%" PRId64 ", %" PRId64 "-way %" PRId64 "-shot, %" PRId64
             " query images a class, split %s",
             test->tasks, test->ways, test->shots, test->queries, known(test->split));
    page_row(page, "state", "%s, after %" PRId64 " meta-epochs", known(test->state),
             test->meta_epoch);
}

static double member(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* Of a test with --swap: own cells against those of others, in pairs. */
static void swap_rows(struct page *page, const json_t *swap) {
    static const char *const rows[][2] = {{"other", "own cell against another task's"},
                                          {"frequent", "own cell against the most frequent"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const json_t *one = json_object_get(swap, rows[i][0]);
        char half[32];
        if (isfinite(member(one, "own_minus"))) {
            page_row(
                page, rows[i][1],
                "%+.2f%s points of accuracy, with cells fixed before the "
                "first step",
                100 * member(one, "own_minus"),
                nas_text_interval(100 * member(one, "own_minus_ci95"), 2, "", half, sizeof half));
        }
    }
}

int section_test(struct page *page, const struct record *record) {
    const struct nas_record *test = record->result;
    const char *now = record_meta(record, "meta_epoch");
    int64_t meta_epoch;
    page_section(page, "result", "Result");
    if (test == NULL) {
        page_missing(page, "Not tested yet: 'metanas test %s' writes what belongs here.",
                     record->dir);
        page_section_end(page);
        return MN_OK;
    }
    /* A test of the last state tells of the run as it was then. */
    if (strcmp(known(test->state), "last") == 0 && now != NULL && nas_text_int(now, &meta_epoch) &&
        meta_epoch != test->meta_epoch) {
        page_missing(page,
                     "The test is older than the run, which has %" PRId64
                     " meta-epochs now: 'metanas test %s' tests it again.",
                     meta_epoch, record->dir);
    }
    page_markup(page, "<table class=\"pairs\"><tbody>\n");
    test_rows(page, test);
    swap_rows(page, json_object_get(record->test, "swap"));
    page_markup(page, "</tbody></table>\n<p>± is the half width of the 95%% interval of the mean "
                      "over tasks (Student's t); of the prune gap, of the paired "
                      "differences.</p>\n");
    page_section_end(page);
    return MN_OK;
}

/* ---- accuracy by adaptation step ---------------------------------------------------------- */

/* A curve of a column over `step`, with its interval where `at` is not NULL. */
static int curve_of(struct page *page, const struct nas_csv *table, const char *name, int column,
                    const struct interval *at, struct curve *out) {
    const size_t n = (size_t)table->n_rows;
    const int step = nas_csv_column(table, "step");
    double *x = nas_arena_array(page->arena, n, sizeof *x);
    double *y = nas_arena_array(page->arena, n, sizeof *y);
    double *low = nas_arena_array(page->arena, n, sizeof *low);
    double *high = nas_arena_array(page->arena, n, sizeof *high);
    if (!x || !y || !low || !high) {
        return no_memory(page->ctx);
    }
    for (int64_t i = 0; i < table->n_rows; i++) {
        double ends[2] = {(double)NAN, (double)NAN};
        if (at != NULL) {
            interval_ends(table, i, at, ends);
        }
        x[i] = nas_csv_number(table, i, step);
        y[i] = nas_csv_number(table, i, column);
        low[i] = ends[0];
        high[i] = ends[1];
    }
    *out =
        (struct curve){name, (int)n, x, y, at != NULL ? low : NULL, at != NULL ? high : NULL, NULL};
    return MN_OK;
}

static void steps_table(struct page *page, const struct chart *chart) {
    page_markup(page, "<details class=\"numbers\"><summary>The numbers</summary>"
                      "<table class=\"sort\"><thead><tr><th class=\"n\" scope=\"col\">step</th>");
    for (int c = 0; c < chart->n; c++) {
        page_markup(page, "<th class=\"n\" scope=\"col\">%s</th>", chart->curves[c].name);
    }
    page_markup(page, "<th class=\"n\" scope=\"col\">95%% interval</th></tr></thead><tbody>\n");
    for (int i = 0; i < chart->curves[0].n; i++) {
        page_markup(page, "<tr><td class=\"n\">%g</td>", chart->curves[0].x[i]);
        for (int c = 0; c < chart->n; c++) {
            page_markup(page, "<td class=\"n\">%.2f%%</td>", 100 * chart->curves[c].y[i]);
        }
        page_markup(page, "<td class=\"n\">%.2f to %.2f%%</td></tr>\n",
                    100 * chart->curves[0].low[i], 100 * chart->curves[0].high[i]);
    }
    page_markup(page, "</tbody></table></details>\n");
}

int section_steps(struct page *page, const struct record *record) {
    const struct nas_csv *steps = record->steps;
    const struct nas_record *test = record->result;
    struct interval at;
    if (steps == NULL || test == NULL) {
        return MN_OK;
    }
    if (!interval_of(steps, "accuracy", &at) || nas_csv_column(steps, "step") < 0) {
        return mn_fail(page->ctx, MN_IO,
                       "%s/test-steps.csv: lacks the column step, or accuracy with its interval",
                       record->dir);
    }
    const int before = nas_csv_column(steps, "accuracy_before_prune");
    struct chart chart = {.title = "Accuracy by adaptation step",
                          .x_name = "task step",
                          .y_name = "accuracy on the query set",
                          .percent = 1,
                          .mark = (double)NAN,
                          .n = before >= 0 ? 2 : 1};
    TRY(curve_of(page, steps, "pruned", at.mean, &at, &chart.curves[0]));
    if (before >= 0) {
        TRY(curve_of(page, steps, "before pruning", before, NULL, &chart.curves[1]));
    }
    page_section(page, "steps", "Accuracy by adaptation step");
    page_figure(page);
    chart_write(page, &chart);
    page_figure_end(page,
                    "Accuracy after so many steps of adaptation, pruned there; the band is the "
                    "95%% interval over %" PRId64 " tasks; batch norm %s, seed %" PRId64 ".",
                    test->tasks, known(test->batch_norm), test->seed);
    steps_table(page, &chart);
    page_section_end(page);
    return MN_OK;
}
