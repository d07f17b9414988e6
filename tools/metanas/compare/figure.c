/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include "../report/chart.h"
#include "../report/forest.h"

#include <math.h>
#include <string.h>

/* Plain colours and no variables: programs that make a figure of a paper from it know no others. */
static const char style[] =
    "text { fill: #1d1d1f; font-family: Helvetica, Arial, 'Liberation Sans', sans-serif; "
    "font-size: 11px; }\n"
    ".soft { fill: #595960; }\n"
    ".grid { stroke: #d3d3d8; } .axis { stroke: #1d1d1f; }\n"
    ".mark { stroke: #595960; stroke-dasharray: 2 3; }\n"
    ".l0, .l1 { fill: none; stroke-width: 1.8; } .l0 { stroke: #0072b2; } .l1 { stroke: #b84a00; "
    "}\n"
    ".p0 { fill: #0072b2; } .p1 { fill: #b84a00; }\n";

enum { GAP = 28, MARGIN = 10, CAPTION = 18 };

/* A caption, and a drawing of its own size under it. */
static void begin_part(struct page *page, int top, int width, int height, const char *caption) {
    page_markup(page, "<text x=\"%d\" y=\"%d\">", MARGIN, top + 12);
    page_text(page, caption);
    page_markup(page, "</text>\n<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\">\n", MARGIN,
                top + CAPTION, width, height);
}

static int differences(struct mn_ctx *ctx, struct compared *all, struct forest *out) {
    struct forest_row *rows = nas_arena_zeroed(&all->arena, (size_t)all->n * sizeof *rows);
    *out = (struct forest){"Differences of accuracy, on the same tasks", 1, all->n, rows};
    for (int i = 0; rows != NULL && i < all->n; i++) {
        const struct comparison *x = &all->items[i];
        struct forest_row *row = &rows[i];
        row->label = nas_arena_format(&all->arena, "%d - %d: %s", (int)(x->first - all->arms) + 1,
                                      (int)(x->second - all->arms) + 1, x->run);
        if (row->label == NULL) {
            return no_memory(ctx);
        }
        row->mean = x->difference;
        row->ends[0] = x->difference - x->ci95;
        row->ends[1] = x->difference + x->ci95;
        for (; !isfinite(x->ci95) && x->n_pairs > 1 && row->n_few < x->n_pairs &&
               row->n_few < FOREST_FEW;
             row->n_few++) {
            row->few[row->n_few] = x->pairs[row->n_few].difference;
        }
    }
    return rows != NULL ? MN_OK : no_memory(ctx);
}

/* Every run is a point with the number of its arm. */
static int points(struct mn_ctx *ctx, struct compared *all, struct chart *out) {
    const size_t n = (size_t)all->n_runs;
    double *x = nas_arena_array(&all->arena, 4 * n, sizeof *x);
    const char **names = nas_arena_array(&all->arena, n, sizeof *names);
    if (x == NULL || names == NULL) {
        return no_memory(ctx);
    }
    for (size_t i = 0; i < n; i++) {
        const struct nas_record *r = &all->runs[i].test;
        x[i] = r->parameters_mean;
        x[n + i] = r->accuracy_mean;
        x[2 * n + i] = r->accuracy_mean - r->accuracy_ci95;
        x[3 * n + i] = r->accuracy_mean + r->accuracy_ci95;
        names[i] = nas_arena_format(&all->arena, "%d", all->runs[i].arm + 1);
        if (names[i] == NULL) {
            return no_memory(ctx);
        }
    }
    *out = (struct chart){.title = "Accuracy against parameters",
                          .x_name = "parameters after pruning, mean over tasks",
                          .y_name = "accuracy",
                          .percent = 1,
                          .mark = NAN,
                          .n = 1,
                          .curves = {{.name = "runs with their 95% interval over tasks",
                                      .n = all->n_runs,
                                      .x = x,
                                      .y = x + n,
                                      .low = x + 2 * n,
                                      .high = x + 3 * n,
                                      .names = names}}};
    return MN_OK;
}

int compare_figure(struct mn_ctx *ctx, struct compared *all, FILE *out) {
    struct page page = {.ctx = ctx, .arena = &all->arena, .out = out};
    struct forest forest;
    struct chart chart;
    TRY(differences(ctx, all, &forest));
    TRY(points(ctx, all, &chart));
    const int forest_top = MARGIN, keys_top = forest_top + CAPTION + forest_height(&forest);
    const int chart_top = keys_top + 15 * all->n_arms + GAP;
    const int wide = forest_width(&forest) > CHART_WIDTH ? forest_width(&forest) : CHART_WIDTH;
    const int width = wide + 2 * MARGIN;
    const int height = chart_top + CAPTION + CHART_HEIGHT + MARGIN;
    page_markup(&page,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                "height=\"%d\">\n<style>\n%s</style>\n"
                "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
                width, height, width, height, style, width, height);
    begin_part(
        &page, forest_top, forest_width(&forest), forest_height(&forest),
        "Difference of accuracy to the second arm, in points, on the same tasks, with its 95% "
        "interval or the values of few seeds");
    forest_write(&page, &forest);
    page_markup(&page, "</svg>\n");
    for (int i = 0; i < all->n_arms; i++) {
        page_markup(&page, "<text class=\"soft\" x=\"%d\" y=\"%d\">%d: ", MARGIN,
                    keys_top + 15 * (i + 1), i + 1);
        page_text(&page, all->arms[i].name);
        page_markup(&page, "</text>\n");
    }
    begin_part(&page, chart_top, CHART_WIDTH, CHART_HEIGHT, "Accuracy against parameters");
    chart_write(&page, &chart);
    page_markup(&page, "</svg>\n</svg>\n");
    return MN_OK;
}
