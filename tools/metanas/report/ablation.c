/* SPDX-License-Identifier: MIT */
#include "forest.h"
#include "interval.h"
#include "sections.h"

#include "../command.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

/* ---- the drawing -------------------------------------------------------------------------- */

enum { MOST_DRAWN = 1000 };

/* An arm's name, or the first cells, which are the axes. NULL = no memory. */
static const char *label(struct nas_arena *arena, const struct nas_csv *table, int64_t row,
                         int mean) {
    const int most = strcmp(table->names[0], "arm") == 0 ? 1 : 3;
    const char *text = "";
    for (int c = 0; text != NULL && c < mean && c < most; c++) {
        const char *cell = nas_csv_cell(table, row, c);
        if (cell[0] != '\0') {
            text = nas_arena_format(arena, "%s%s%s", text, text[0] != '\0' ? ", " : "", cell);
        }
    }
    return text;
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
static int few_of(const struct nas_csv *table, int64_t row, int column, double out[FOREST_FEW]) {
    const char *at = column >= 0 ? nas_csv_cell(table, row, column) : "";
    int n = 0;
    for (; *at != '\0' && n < FOREST_FEW; n++) {
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

static void put_few(struct page *page, const double *few, int n) {
    for (int i = 0; i < n; i++) {
        page_markup(page, "%s%.2f%%", i > 0 ? ", " : " (", 100 * few[i]);
    }
    page_markup(page, n > 0 ? ")" : "");
}

/* A row of the drawing; its label in the page's arena. */
static int read_row(struct page *page, const struct nas_csv *table, int64_t row,
                    const struct place *at, struct forest_row *out) {
    out->mean = nas_csv_number(table, row, at->interval.mean);
    out->n_few = few_of(table, row, at->seeds, out->few);
    out->label = label(page->arena, table, row, at->interval.mean);
    interval_ends(table, row, &at->interval, out->ends);
    return out->label != NULL ? MN_OK : no_memory(page->ctx);
}

static int draw_intervals(struct page *page, const struct nas_csv *table, const struct place *at,
                          int what) {
    const int n = table->n_rows < MOST_DRAWN ? (int)table->n_rows : MOST_DRAWN;
    struct forest_row *rows = nas_arena_zeroed(page->arena, (size_t)n * sizeof *rows);
    if (rows == NULL) {
        return no_memory(page->ctx);
    }
    for (int i = 0; i < n; i++) {
        TRY(read_row(page, table, i, at, &rows[i]));
    }
    const struct forest forest = {drawn[what].caption, drawn[what].from_zero, n, rows};
    if (!forest_has_values(&forest)) {
        return MN_OK;
    }
    page_figure(page);
    page_markup(page, "<div class=\"scroll\">");
    forest_write(page, &forest);
    page_markup(page, "</div>\n");
    page_figure_end(page, "%s, with the 95%% interval, or the values of few seeds%s.",
                    drawn[what].caption,
                    n < table->n_rows ? "; the first arms, all are in the table" : "");
    return MN_OK;
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
    double few[FOREST_FEW];
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
            TRY(draw_intervals(page, table, &at, i));
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
