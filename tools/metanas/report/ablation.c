/* SPDX-License-Identifier: MIT */
#include "interval.h"
#include "sections.h"

#include "../command.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

/* ---- the drawing -------------------------------------------------------------------------- */

enum { LABELS = 240, WIDTH = 800, ROW = 20, HEAD = 26, VALUES = 190, MOST_DRAWN = 1000 };

/* An arm's name, or the first cells, which are the axes. */
static void put_label(struct page *page, const struct nas_csv *table, int64_t row, int mean) {
    const int most = strcmp(table->names[0], "arm") == 0 ? 1 : 3;
    const char *separator = "";
    for (int c = 0; c < mean && c < most; c++) {
        if (nas_csv_cell(table, row, c)[0] != '\0') {
            page_print(page, "%s%s", separator, nas_csv_cell(table, row, c));
            separator = ", ";
        }
    }
}

/* What is drawn of every arm, where the table has it with an interval. */
static const struct {
    const char *name, *caption;
    int from_zero; /* a difference: zero has a line */
} drawn[] = {
    {"accuracy", "Accuracy of the pruned networks", 0},
    {"prune_gap", "Accuracy lost by the hard pruning: before it minus after it", 1},
    {"difference", "Accuracy minus that of the first arm, in pairs on the same test tasks", 1},
};

/* Where a row has its values: with an interval or, of few seeds, one by one. */
struct place {
    struct interval interval;
    int seeds; /* column NAME_seeds, -1 = none */
};

static int seeds_of(const struct nas_csv *table, const char *name) {
    char whole[256];
    return snprintf(whole, sizeof whole, "%s_seeds", name) < (int)sizeof whole
               ? nas_csv_column(table, whole)
               : -1;
}

/* The numbers of a cell with spaces between them; 0 where there are none. */
enum { MOST_FEW = 8 };
static int few_of(const struct nas_csv *table, int64_t row, int column, double out[MOST_FEW]) {
    const char *at = column >= 0 ? nas_csv_cell(table, row, column) : "";
    int n = 0;
    for (; *at != '\0' && n < MOST_FEW; n++) {
        char word[40];
        const size_t length = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word), at);
        if (!nas_text_real(word, &out[n])) {
            return 0;
        }
        at += length + (at[length] == ' ');
    }
    return n;
}

/* How far a row reaches; NAN where it is not known. */
static void reach(const struct nas_csv *table, int64_t row, const struct place *at,
                  double ends[2]) {
    double few[MOST_FEW];
    const int n = few_of(table, row, at->seeds, few);
    interval_ends(table, row, &at->interval, ends);
    for (int i = 0; i < n; i++) {
        ends[0] = i == 0 ? few[i] : fmin(ends[0], few[i]);
        ends[1] = i == 0 ? few[i] : fmax(ends[1], few[i]);
    }
}

static void put_few(struct page *page, const double *few, int n) {
    for (int i = 0; i < n; i++) {
        page_markup(page, "%s%.2f%%", i > 0 ? ", " : " (", 100 * few[i]);
    }
    page_markup(page, n > 0 ? ")" : "");
}

static void draw_row(struct page *page, const struct nas_csv *table, int64_t row,
                     const struct place *place, const double range[2]) {
    const struct interval *at = &place->interval;
    const double y = HEAD + (double)row * ROW + ROW / 2.0;
    const double mean = nas_csv_number(table, row, at->mean);
    const double scale = (WIDTH - LABELS - VALUES) / (range[1] - range[0]);
    double ends[2], few[MOST_FEW];
    const int n_few = few_of(table, row, place->seeds, few);
    interval_ends(table, row, at, ends);
    page_markup(page, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LABELS - 10, y + 4);
    put_label(page, table, row, at->mean);
    page_markup(page,
                "</text>\n<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                LABELS, WIDTH - VALUES, y, y);
    if (!isfinite(mean)) {
        return;
    }
    for (int i = 0; i < n_few; i++) {
        page_markup(page, "<circle class=\"l0\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>",
                    LABELS + (few[i] - range[0]) * scale, y);
    }
    if (n_few == 0 && isfinite(ends[0]) && isfinite(ends[1])) {
        page_markup(page, "<path class=\"l0\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6\"/>",
                    LABELS + (ends[0] - range[0]) * scale, y, LABELS + (ends[1] - range[0]) * scale,
                    LABELS + (ends[0] - range[0]) * scale, y - 3,
                    LABELS + (ends[1] - range[0]) * scale, y - 3);
    }
    page_markup(page,
                "<path class=\"p0\" transform=\"translate(%.1f %.1f)\" "
                "d=\"M0-4L4 0L0 4L-4 0Z\"/><text x=\"%d\" y=\"%.1f\">%.2f%%",
                LABELS + (mean - range[0]) * scale, y, WIDTH - VALUES + 10, y + 4, 100 * mean);
    if (n_few > 0) {
        put_few(page, few, n_few);
    } else if (isfinite(ends[0]) && isfinite(ends[1])) {
        page_markup(page, " (%.1f to %.1f)", 100 * ends[0], 100 * ends[1]);
    }
    page_markup(page, "</text>\n");
}

static double at_zero(const double range[2]) {
    return LABELS - range[0] * (WIDTH - LABELS - VALUES) / (range[1] - range[0]);
}

static void draw_intervals(struct page *page, const struct nas_csv *table, const struct place *at,
                           int what) {
    const int rows = table->n_rows < MOST_DRAWN ? (int)table->n_rows : MOST_DRAWN;
    double range[2] = {INFINITY, -INFINITY};
    if (drawn[what].from_zero) {
        range[0] = range[1] = 0;
    }
    for (int i = 0; i < rows; i++) {
        double ends[2];
        const double mean = nas_csv_number(table, i, at->interval.mean);
        reach(table, i, at, ends);
        range[0] = fmin(range[0], isfinite(ends[0]) ? ends[0] : mean);
        range[1] = fmax(range[1], isfinite(ends[1]) ? ends[1] : mean);
    }
    if (!isfinite(range[0]) || !isfinite(range[1])) {
        return;
    }
    const double margin = range[1] > range[0] ? 0.04 * (range[1] - range[0]) : 0.01;
    range[0] -= margin;
    range[1] += margin;
    page_figure(page);
    page_markup(page,
                "<div class=\"scroll\"><svg viewBox=\"0 0 %d %d\" width=\"%d\" class=\"chart\" "
                "role=\"img\"><title>",
                WIDTH, HEAD + rows * ROW + 8, WIDTH);
    page_text(page, drawn[what].caption);
    page_markup(page,
                "</title><desc>The table under the figure has the numbers.</desc>\n"
                "<text class=\"soft\" x=\"%d\" y=\"14\">%.1f%%</text>"
                "<text class=\"soft\" x=\"%d\" y=\"14\" text-anchor=\"end\">%.1f%%</text>\n",
                LABELS, 100 * range[0], WIDTH - VALUES, 100 * range[1]);
    if (drawn[what].from_zero) {
        page_markup(page, "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n",
                    at_zero(range), at_zero(range), HEAD - 6, HEAD + rows * ROW);
    }
    for (int i = 0; i < rows; i++) {
        draw_row(page, table, i, at, range);
    }
    page_markup(page, "</svg></div>\n");
    page_figure_end(page, "%s, with the 95%% interval, or the values of few seeds%s.",
                    drawn[what].caption,
                    rows < table->n_rows ? "; the first arms, all are in the table" : "");
}

/* ---- the table ---------------------------------------------------------------------------- */

static int is_number(const struct nas_csv *table, int column) {
    for (int64_t i = 0; i < table->n_rows; i++) {
        if (nas_csv_cell(table, i, column)[0] != '\0' &&
            !isfinite(nas_csv_number(table, i, column))) {
            return 0;
        }
    }
    return 1;
}

/* Shares and their differences are shown in per cent. */
static int is_share(const char *name) {
    static const char *const beginnings[] = {"accuracy", "before_prune", "prune_gap", "difference"};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0) {
            return 1;
        }
    }
    return 0;
}

/* The column of the half width of an interval, which stands in the cell of its mean. */
static int half_of(const struct nas_csv *table, int column) {
    char name[256];
    snprintf(name, sizeof name, "%s_ci95", table->names[column]);
    const int half = nas_csv_column(table, name);
    return half >= 0 || strcmp(table->names[column], "accuracy_before_prune") != 0
               ? half
               : nas_csv_column(table, "before_prune_ci95");
}

/* What the table shows of a column. */
struct shown {
    int half;    /* the column that stands in its cells as well, -1 = none */
    int few;     /* the column that stands there in its place, -1 = none */
    int is_half; /* it stands in those of another one */
    int numeric;
};

static struct shown *what_is_shown(struct page *page, const struct nas_csv *table) {
    struct shown *shown = nas_arena_zeroed(page->arena, (size_t)table->n_columns * sizeof *shown);
    for (int c = 0; shown != NULL && c < table->n_columns; c++) {
        shown[c].numeric = is_number(table, c);
        shown[c].half = half_of(table, c);
        shown[c].few = seeds_of(table, table->names[c]);
        if (shown[c].half >= 0) {
            shown[shown[c].half].is_half = 1;
        }
        if (shown[c].few >= 0) {
            shown[shown[c].few].is_half = 1;
        }
    }
    return shown;
}

static void put_value(struct page *page, const struct nas_csv *table, int64_t row, int column,
                      const struct shown *shown) {
    const double x = nas_csv_number(table, row, column);
    const char *cell = nas_csv_cell(table, row, column);
    const double width = nas_csv_number(table, row, shown->half);
    double few[MOST_FEW];
    const int n_few = few_of(table, row, shown->few, few);
    if (isfinite(x) && is_share(table->names[column])) {
        page_print(page, "%.2f%%", 100 * x);
        put_few(page, few, n_few);
        if (n_few == 0 && isfinite(width)) {
            page_print(page, " ± %.2f%%", 100 * width);
        }
    } else if (isfinite(x) && strpbrk(cell, ".e") != NULL) {
        page_print(page, fabs(x) >= 1000 ? "%.0f" : "%.4g", x);
    } else {
        page_text(page, cell);
    }
}

static void put_table(struct page *page, const struct nas_csv *table, const struct shown *shown) {
    page_markup(page, "<div class=\"scroll\"><table class=\"sort\"><thead><tr>");
    for (int c = 0; c < table->n_columns; c++) {
        if (shown[c].is_half) {
            continue;
        }
        page_markup(page, "<th%s scope=\"col\">", shown[c].numeric ? " class=\"n\"" : "");
        page_text(page, table->names[c]);
        page_markup(page, "</th>");
    }
    page_markup(page, "</tr></thead><tbody>\n");
    for (int64_t i = 0; i < table->n_rows; i++) {
        page_markup(page, "<tr>");
        for (int c = 0; c < table->n_columns; c++) {
            const char *cell = nas_csv_cell(table, i, c);
            if (shown[c].is_half) {
                continue;
            }
            page_markup(page, "<td%s data-v=\"", shown[c].numeric ? " class=\"n\"" : "");
            page_text(page, cell);
            page_markup(page, "\">");
            if (shown[c].numeric) {
                put_value(page, table, i, c, &shown[c]);
            } else {
                page_text(page, cell);
            }
            page_markup(page, "</td>");
        }
        page_markup(page, "</tr>\n");
    }
    page_markup(page, "</tbody></table></div>\n");
}

int section_ablation(struct page *page, const struct record *record) {
    const struct nas_csv *table = record->results;
    page_section(page, "ablation", "Ablation");
    if (table == NULL) {
        page_missing(page, "results.csv is not there yet: 'metanas sweep' writes it.");
        page_section_end(page);
        return MN_OK;
    }
    const struct shown *shown = what_is_shown(page, table);
    if (shown == NULL) {
        return no_memory(page->ctx);
    }
    for (int i = 0; i < (int)(sizeof drawn / sizeof drawn[0]); i++) {
        struct place at = {.seeds = seeds_of(table, drawn[i].name)};
        if (interval_of(table, drawn[i].name, &at.interval)) {
            draw_intervals(page, table, &at, i);
        }
    }
    put_table(page, table, shown);
    if (record->summary != NULL) {
        page_markup(page, "<pre>");
        page_text(page, record->summary);
        page_markup(page, "</pre>\n");
    }
    page_section_end(page);
    return MN_OK;
}
