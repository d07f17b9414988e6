/* SPDX-License-Identifier: MIT */
#include "sections.h"

#include "../command.h"

#include <math.h>
#include <string.h>

/* ---- the drawing -------------------------------------------------------------------------- */

enum { LABELS = 300, WIDTH = 780, ROW = 20, HEAD = 26, VALUES = 120 };

/* A row's name: the first cells, which are the axes. */
static void put_label(struct page *page, const struct table *table, int64_t row, int mean) {
    const char *separator = "";
    for (int c = 0; c < mean && c < 3; c++) {
        if (table_cell(table, row, c)[0] != '\0') {
            page_print(page, "%s%s", separator, table_cell(table, row, c));
            separator = ", ";
        }
    }
}

static void draw_row(struct page *page, const struct table *table, int64_t row,
                     const struct table_interval *at, const double range[2]) {
    const double y = HEAD + (double)row * ROW + ROW / 2.0;
    const double mean = table_number(table, row, at->mean);
    const double scale = (WIDTH - LABELS - VALUES) / (range[1] - range[0]);
    double ends[2];
    table_bounds(table, row, at, ends);
    page_markup(page, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LABELS - 10, y + 4);
    put_label(page, table, row, at->mean);
    page_markup(page,
                "</text>\n<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                LABELS, WIDTH - VALUES, y, y);
    if (!isfinite(mean)) {
        return;
    }
    if (isfinite(ends[0]) && isfinite(ends[1])) {
        page_markup(page, "<path class=\"l0\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6\"/>",
                    LABELS + (ends[0] - range[0]) * scale, y, LABELS + (ends[1] - range[0]) * scale,
                    LABELS + (ends[0] - range[0]) * scale, y - 3,
                    LABELS + (ends[1] - range[0]) * scale, y - 3);
    }
    page_markup(page,
                "<path class=\"p0\" transform=\"translate(%.1f %.1f)\" "
                "d=\"M0-4L4 0L0 4L-4 0Z\"/><text x=\"%d\" y=\"%.1f\">%.2f%%",
                LABELS + (mean - range[0]) * scale, y, WIDTH - VALUES + 10, y + 4, 100 * mean);
    if (isfinite(ends[0]) && isfinite(ends[1])) {
        page_markup(page, " (%.1f to %.1f)", 100 * ends[0], 100 * ends[1]);
    }
    page_markup(page, "</text>\n");
}

static void draw_intervals(struct page *page, const struct table *table,
                           const struct table_interval *at) {
    double range[2] = {INFINITY, -INFINITY};
    for (int64_t i = 0; i < table->n_rows; i++) {
        double ends[2];
        const double mean = table_number(table, i, at->mean);
        table_bounds(table, i, at, ends);
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
                WIDTH, HEAD + (int)table->n_rows * ROW + 8, WIDTH);
    page_print(page, "%s of each arm", table->names[at->mean]);
    page_markup(page,
                "</title><desc>The table under the figure has the numbers.</desc>\n"
                "<text class=\"soft\" x=\"%d\" y=\"14\">%.1f%%</text>"
                "<text class=\"soft\" x=\"%d\" y=\"14\" text-anchor=\"end\">%.1f%%</text>\n",
                LABELS, 100 * range[0], WIDTH - VALUES, 100 * range[1]);
    for (int64_t i = 0; i < table->n_rows; i++) {
        draw_row(page, table, i, at, range);
    }
    page_markup(page, "</svg></div>\n");
    page_figure_end(page, "%s with its 95%% interval, a line an arm.", table->names[at->mean]);
}

/* ---- the table ---------------------------------------------------------------------------- */

static int is_number(const struct table *table, int column) {
    for (int64_t i = 0; i < table->n_rows; i++) {
        if (table_cell(table, i, column)[0] != '\0' && !isfinite(table_number(table, i, column))) {
            return 0;
        }
    }
    return 1;
}

static void put_table(struct page *page, const struct table *table, const uint8_t *numeric) {
    page_markup(page, "<div class=\"scroll\"><table class=\"sort\"><thead><tr>");
    for (int c = 0; c < table->n_columns; c++) {
        page_markup(page, "<th%s scope=\"col\">", numeric[c] ? " class=\"n\"" : "");
        page_text(page, table->names[c]);
        page_markup(page, "</th>");
    }
    page_markup(page, "</tr></thead><tbody>\n");
    for (int64_t i = 0; i < table->n_rows; i++) {
        page_markup(page, "<tr>");
        for (int c = 0; c < table->n_columns; c++) {
            const char *cell = table_cell(table, i, c);
            page_markup(page, "<td%s data-v=\"", numeric[c] ? " class=\"n\"" : "");
            page_text(page, cell);
            page_markup(page, "\">");
            if (numeric[c] && strpbrk(cell, ".e") != NULL) {
                page_print(page, "%.4g", table_number(table, i, c));
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
    const struct table *table = record->results;
    page_section(page, "ablation", "Ablation");
    if (table == NULL) {
        page_missing(page, "results.csv is not there yet: 'metanas sweep' writes it.");
        page_section_end(page);
        return MN_OK;
    }
    uint8_t *numeric = mn__arena_array(page->arena, (size_t)table->n_columns, 1);
    if (numeric == NULL) {
        return no_memory(page->cx);
    }
    for (int c = 0; c < table->n_columns; c++) {
        numeric[c] = (uint8_t)is_number(table, c);
    }
    struct table_interval at;
    if (table_find_interval(table, "accuracy", &at)) {
        draw_intervals(page, table, &at);
    }
    put_table(page, table, numeric);
    page_section_end(page);
    return MN_OK;
}
