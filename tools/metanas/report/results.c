/* SPDX-License-Identifier: MIT */
#include "chart.h"
#include "sections.h"

#include "../command.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- the last test ------------------------------------------------------------------------ */

static double number(const json_t *test, const char *key) {
    const json_t *value = json_object_get(test, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static const char *text(const json_t *test, const char *key) {
    const char *value = json_string_value(json_object_get(test, key));
    return value != NULL ? value : "unknown";
}

static int64_t whole(const json_t *test, const char *key) {
    return (int64_t)json_integer_value(json_object_get(test, key));
}

/* 0 where it is no number. */
static int64_t rounded(double x) {
    return isfinite(x) ? (int64_t)llround(fmin(fmax(x, -1e15), 1e15)) : 0;
}

static void parameters_row(struct page *page, const json_t *test) {
    char mean[32], low[32], high[32];
    page_row(page, "parameters", "%s on average, %s to %s",
             nas_text_count(rounded(number(test, "parameters_mean")), mean, sizeof mean),
             nas_text_count(whole(test, "parameters_min"), low, sizeof low),
             nas_text_count(whole(test, "parameters_max"), high, sizeof high));
}

/* A share with its interval, where that is given. */
static void share_row(struct page *page, const char *name, const json_t *test, const char *key,
                      const char *half_key) {
    const double half = number(test, half_key);
    if (isfinite(half)) {
        page_row(page, name, "%.2f%% ± %.2f%%", 100 * number(test, key), 100 * half);
    } else {
        page_row(page, name, "%.2f%%", 100 * number(test, key));
    }
}

static void test_rows(struct page *page, const json_t *test) {
    share_row(page, "accuracy", test, "accuracy_mean", "accuracy_ci95");
    share_row(page, "before the hard pruning", test, "accuracy_before_prune", "before_prune_ci95");
    share_row(page, "prune gap", test, "prune_gap", "prune_gap_ci95");
    parameters_row(page, test);
    page_row(page, "tasks",
             "%" PRId64 ", %" PRId64 "-way %" PRId64 "-shot, %" PRId64
             " query images a class, split %s",
             whole(test, "tasks"), whole(test, "ways"), whole(test, "shots"),
             whole(test, "queries"), text(test, "split"));
    page_row(page, "batch norm on query images", "%s", text(test, "batch_norm"));
    page_row(page, "seed", "%" PRId64, whole(test, "seed"));
    if (json_object_get(test, "episodes_file") != NULL) {
        page_row(page, "tasks from", "%s", text(test, "episodes_file"));
    }
    page_row(page, "state", "%s, after %" PRId64 " meta-epochs", text(test, "state"),
             whole(test, "meta_epoch"));
}

/* A test of the last state tells of the run as it was then. */
static void outdated_note(struct page *page, const struct record *record) {
    const char *now = record_meta(record, "meta_epoch");
    int64_t meta_epoch;
    if (strcmp(text(record->test, "state"), "last") == 0 && now != NULL &&
        nas_text_int(now, &meta_epoch) && meta_epoch != whole(record->test, "meta_epoch")) {
        page_missing(page,
                     "The test is older than the run, which has %" PRId64
                     " meta-epochs now: 'metanas test %s' tests it again.",
                     meta_epoch, record->dir);
    }
}

int section_test(struct page *page, const struct record *record) {
    page_section(page, "result", "Result");
    if (record->test == NULL) {
        page_missing(page, "Not tested yet: 'metanas test %s' writes what belongs here.",
                     record->dir);
    } else {
        outdated_note(page, record);
        page_markup(page, "<table class=\"pairs\"><tbody>\n");
        test_rows(page, record->test);
        page_markup(page,
                    "</tbody></table>\n<p>± is the half width of the 95%% interval of the mean "
                    "over tasks (Student's t); of the prune gap, of the paired "
                    "differences.</p>\n");
    }
    page_section_end(page);
    return MN_OK;
}

/* ---- accuracy by adaptation step ---------------------------------------------------------- */

/* A curve of a column over `step`, with its interval where `at` is not NULL. */
static int curve_of(struct page *page, const struct nas_csv *table, const char *name, int column,
                    const struct nas_csv_interval *at, struct curve *out) {
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
            nas_csv_bounds(table, i, at, ends);
        }
        x[i] = nas_csv_number(table, i, step);
        y[i] = nas_csv_number(table, i, column);
        low[i] = ends[0];
        high[i] = ends[1];
    }
    *out = (struct curve){name, (int)n, x, y, at != NULL ? low : NULL, at != NULL ? high : NULL};
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

static int draw_steps(struct page *page, const struct record *record,
                      const struct nas_csv_interval *at) {
    const int before = nas_csv_column(record->steps, "accuracy_before_prune");
    struct chart chart = {.title = "Accuracy by adaptation step",
                          .x_name = "task step",
                          .y_name = "accuracy on the query set",
                          .percent = 1,
                          .mark = (double)NAN,
                          .n = before >= 0 ? 2 : 1};
    int status = curve_of(page, record->steps, "pruned", at->mean, at, &chart.curves[0]);
    if (status == MN_OK && before >= 0) {
        status = curve_of(page, record->steps, "before pruning", before, NULL, &chart.curves[1]);
    }
    if (status != MN_OK) {
        return status;
    }
    page_figure(page);
    chart_write(page, &chart);
    page_figure_end(page,
                    "Accuracy after so many steps of adaptation, pruned there; the band is the "
                    "95%% interval over %" PRId64 " tasks; batch norm %s, seed %" PRId64 ".",
                    whole(record->test, "tasks"), text(record->test, "batch_norm"),
                    whole(record->test, "seed"));
    steps_table(page, &chart);
    return MN_OK;
}

int section_steps(struct page *page, const struct record *record) {
    struct nas_csv_interval at;
    if (record->steps == NULL || record->test == NULL) {
        return MN_OK;
    }
    if (!nas_csv_interval_of(record->steps, "accuracy", &at) ||
        nas_csv_column(record->steps, "step") < 0) {
        return mn_fail(page->ctx, MN_IO,
                       "%s/test-steps.csv: lacks the column step, or accuracy with its interval",
                       record->dir);
    }
    page_section(page, "steps", "Accuracy by adaptation step");
    const int status = draw_steps(page, record, &at);
    page_section_end(page);
    return status;
}
