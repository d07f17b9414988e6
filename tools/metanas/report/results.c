/* SPDX-License-Identifier: MIT */
#include "chart.h"
#include "sections.h"

#include "../command.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>

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

static void parameters_row(struct page *page, const json_t *test) {
    char mean[32], low[32], high[32];
    page_row(page, "parameters", "%s on average, %s to %s",
             mn__text_count((int64_t)(number(test, "parameters_mean") + 0.5), mean, sizeof mean),
             mn__text_count(whole(test, "parameters_min"), low, sizeof low),
             mn__text_count(whole(test, "parameters_max"), high, sizeof high));
}

static void test_rows(struct page *page, const json_t *test) {
    page_row(page, "accuracy", "%.2f%% ± %.2f%%", 100 * number(test, "accuracy_mean"),
             100 * number(test, "accuracy_ci95"));
    page_row(page, "before the hard pruning", "%.2f%%",
             100 * number(test, "accuracy_before_prune"));
    page_row(page, "prune gap", "%.2f%% ± %.2f%%", 100 * number(test, "prune_gap"),
             100 * number(test, "prune_gap_ci95"));
    parameters_row(page, test);
    page_row(page, "tasks",
             "%" PRId64 ", %" PRId64 "-way %" PRId64 "-shot, %" PRId64
             " query images a class, split %s",
             whole(test, "tasks"), whole(test, "ways"), whole(test, "shots"),
             whole(test, "queries"), text(test, "split"));
    page_row(page, "batch norm on query images", "%s", text(test, "batch_norm"));
    page_row(page, "seed", "%" PRId64, whole(test, "seed"));
    page_row(page, "meta-epochs behind it", "%" PRId64, whole(test, "meta_epoch"));
}

int section_test(struct page *page, const struct record *record) {
    page_section(page, "result", "Result");
    if (record->test == NULL) {
        page_missing(page, "Not tested yet: 'metanas test %s' writes what belongs here.",
                     record->dir);
    } else {
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

static double *column(struct page *page, const struct table *table, const char *name) {
    const int at = table_column(table, name);
    double *out = mn__arena_array(page->arena, (size_t)table->n_rows, sizeof *out);
    for (int64_t i = 0; out != NULL && i < table->n_rows; i++) {
        out[i] = table_number(table, i, at);
    }
    return out;
}

static const char *first_cell(const struct table *table, const char *name) {
    const int at = table_column(table, name);
    return at >= 0 && table->n_rows > 0 ? table_cell(table, 0, at) : "unknown";
}

static void steps_table(struct page *page, const struct table *table, const struct curve *curve) {
    page_markup(
        page,
        "<details class=\"numbers\"><summary>The numbers</summary><table class=\"sort\"><thead><tr>"
        "<th class=\"n\" scope=\"col\">step</th>"
        "<th class=\"n\" scope=\"col\">accuracy</th>"
        "<th class=\"n\" scope=\"col\">low</th>"
        "<th class=\"n\" scope=\"col\">high</th></tr></thead><tbody>\n");
    for (int i = 0; i < curve->n; i++) {
        page_markup(page,
                    "<tr><td class=\"n\">%g</td><td class=\"n\">%.2f%%</td>"
                    "<td class=\"n\">%.2f%%</td><td class=\"n\">%.2f%%</td></tr>\n",
                    curve->x[i], 100 * curve->y[i], 100 * curve->low[i], 100 * curve->high[i]);
    }
    page_markup(page, "</tbody></table></details>\n");
}

int section_steps(struct page *page, const struct record *record) {
    const struct table *table = record->steps;
    if (table == NULL) {
        return MN_OK;
    }
    struct chart chart = {.title = "Accuracy by adaptation step",
                          .x_name = "task step",
                          .y_name = "accuracy on the query set",
                          .percent = 1,
                          .mark = (double)NAN,
                          .n = 1};
    struct curve *curve = &chart.curves[0];
    *curve = (struct curve){"mean over tasks",           (int)table->n_rows,
                            column(page, table, "step"), column(page, table, "accuracy"),
                            column(page, table, "low"),  column(page, table, "high")};
    if (!curve->x || !curve->y || !curve->low || !curve->high) {
        return no_memory(page->cx);
    }
    page_section(page, "steps", "Accuracy by adaptation step");
    page_figure(page);
    chart_write(page, &chart);
    page_figure_end(page,
                    "Accuracy after so many steps of adaptation, with the 95%% interval over "
                    "%s tasks; batch norm %s, seed %s.",
                    first_cell(table, "tasks"), first_cell(table, "batch_norm"),
                    first_cell(table, "seed"));
    steps_table(page, table, curve);
    page_section_end(page);
    return MN_OK;
}
