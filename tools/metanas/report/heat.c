/* SPDX-License-Identifier: MIT */
#include "heat.h"

#include "../command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64, MOST_CELLS = 32, MOST_EDGES = 256, MOST_ROWS = 64 };

/* ---- columns ------------------------------------------------------------------------------ */

/* The parts of a column's name. */
struct place {
    char type[NAME];
    int node, edge;
    const char *op; /* NULL for an input */
};

static int number(const char **at, int *out) {
    char *end;
    if (**at < '0' || **at > '9') {
        return 0;
    }
    const long n = strtol(*at, &end, 10);
    *out = (int)n;
    *at = end;
    return n < MOST_EDGES;
}

static int place_of(const char *name, struct place *out) {
    const char *op = strstr(name, ".op."), *in = strstr(name, ".in.");
    const char *middle = op != NULL ? op : in;
    const char *dot = middle;
    while (dot != NULL && dot > name && dot[-1] != '.') {
        dot--;
    }
    if (middle == NULL || dot == name + 1 || middle - name >= NAME) {
        return 0;
    }
    const char *edge = middle + 4;
    const int only = dot == name; /* node of its cell: "block0.op.0.conv_3x3" */
    snprintf(out->type, sizeof out->type, "%.*s", (int)((only ? middle : dot - 1) - name), name);
    out->node = 0;
    if ((!only && (!number(&dot, &out->node) || dot != middle)) || !number(&edge, &out->edge)) {
        return 0;
    }
    out->op = op != NULL && edge[0] == '.' ? edge + 1 : NULL;
    return op != NULL ? out->op != NULL : edge[0] == '\0';
}

/* The cell of a type, entered where it is new. *out is NULL where there are too many; 0 = no
 * memory. */
static int cell_of(struct nas_arena *arena, struct heat **first, const char *type,
                   struct heat **out) {
    int n = 0;
    for (; *first != NULL && strcmp((*first)->type, type) != 0; n++) {
        first = &(*first)->next;
    }
    if (*first == NULL && n < MOST_CELLS) {
        struct heat *heat = nas_arena_zeroed(arena, sizeof *heat);
        if (heat == NULL) {
            return 0;
        }
        heat->type = nas_arena_text(arena, type);
        heat->edges = nas_arena_array(arena, MOST_EDGES, sizeof *heat->edges);
        if (heat->type == NULL || heat->edges == NULL) {
            return 0;
        }
        *first = heat;
    }
    *out = *first;
    return 1;
}

/* The same of an edge. */
static int edge_of(struct nas_arena *arena, struct heat *heat, int node, int from,
                   struct heat_edge **out) {
    *out = NULL;
    for (int i = 0; i < heat->n; i++) {
        if (heat->edges[i].node == node && heat->edges[i].from == from) {
            *out = &heat->edges[i];
        }
    }
    if (*out == NULL && heat->n < MOST_EDGES) {
        struct heat_row *rows = nas_arena_array(arena, MOST_ROWS, sizeof *rows);
        if (rows == NULL) {
            return 0;
        }
        *out = &heat->edges[heat->n++];
        **out = (struct heat_edge){node, from, 0, rows, -1};
    }
    return 1;
}

int heat_find(struct mn_ctx *ctx, struct nas_arena *arena, const struct nas_csv *table,
              struct heat **out, int *left_out) {
    *out = NULL;
    *left_out = 0;
    for (int c = 0; c < table->n_columns; c++) {
        struct place place;
        struct heat *heat;
        struct heat_edge *edge = NULL;
        if (!place_of(table->names[c], &place)) {
            continue;
        }
        if (!cell_of(arena, out, place.type, &heat) ||
            (heat != NULL && !edge_of(arena, heat, place.node, place.edge, &edge))) {
            return no_memory(ctx);
        }
        if (edge != NULL && place.op == NULL) {
            edge->input = c;
        } else if (edge != NULL && edge->n < MOST_ROWS) {
            edge->rows[edge->n++] = (struct heat_row){c, place.op};
            heat->most_rows = edge->n > heat->most_rows ? edge->n : heat->most_rows;
        } else {
            ++*left_out;
        }
    }
    return MN_OK;
}

/* ---- drawing ------------------------------------------------------------------------------ */

enum { LABELS = 84, PANEL = 132, GAP = 14, ROW = 11, HEAD = 18, BETWEEN = 6, STEPS = 64 };
enum { LEVELS = 20 }; /* of opacity: near cells of one level become one rectangle */

static int64_t sampled(const struct nas_csv *table, int step, int steps) {
    return steps > 1 ? (int64_t)llround((double)step * (double)(table->n_rows - 1) / (steps - 1))
                     : table->n_rows - 1;
}

static int level_of(const struct nas_csv *table, int64_t row, int column) {
    const double x = nas_csv_number(table, row, column);
    return x > 0 ? (int)lround(fmin(x, 1) * LEVELS) : 0;
}

/* The levels of a panel: of each operation, and of the edge in the last row. */
struct panel {
    int rows, steps;
    uint8_t level[MOST_ROWS + 1][STEPS];
};

static void fill_panel(const struct heat_edge *edge, const struct nas_csv *table,
                       struct panel *out) {
    out->rows = edge->n + 1;
    out->steps = table->n_rows < STEPS ? (int)table->n_rows : STEPS;
    for (int r = 0; r < out->rows; r++) {
        const int column = r < edge->n ? edge->rows[r].column : edge->input;
        for (int s = 0; s < out->steps; s++) {
            out->level[r][s] = (uint8_t)level_of(table, sampled(table, s, out->steps), column);
        }
    }
}

/* Runs of one level as rectangles of one path: small, and a screen reader has nothing to count. */
static void draw_level(struct page *page, const struct panel *panel, double x, double y,
                       int level) {
    const int steps = panel->steps;
    const double width = (double)PANEL / steps;
    int any = 0;
    for (int r = 0; r < panel->rows; r++) {
        const double top = y + r * ROW + (r == panel->rows - 1 ? BETWEEN : 0);
        for (int s = 0, from = -1; s <= steps; s++) {
            const int here = s < steps && panel->level[r][s] == level;
            from = here && from < 0 ? s : from;
            if (!here && from >= 0) {
                page_markup(page, "%sM%.1f %.1fh%.1fv%dh-%.1fz",
                            any++ ? "" : "<path class=\"heat\" d=\"", x + from * width, top,
                            (s - from) * width, ROW - 1, (s - from) * width);
                from = -1;
            }
        }
    }
    if (any) {
        page_markup(page, "\" fill-opacity=\"%.2f\"/>\n", (double)level / LEVELS);
    }
}

/* A cell has as many inputs as its first node. */
static void put_edge(struct page *page, const struct heat *heat, const struct heat_edge *edge) {
    int inputs = 0;
    for (int i = 0; i < heat->n; i++) {
        inputs += heat->edges[i].node == 0;
    }
    page_print(page, "%s %d to node %d", edge->from < inputs ? "input" : "node",
               edge->from < inputs ? edge->from : edge->from - inputs, edge->node);
}

static void draw_panel(struct page *page, const struct heat *heat, const struct heat_edge *edge,
                       const struct nas_csv *table, double x, double y) {
    page_markup(page, "<text x=\"%.0f\" y=\"%.0f\">", x, y - 5);
    put_edge(page, heat, edge);
    page_markup(page, "</text>\n");
    struct panel panel;
    fill_panel(edge, table, &panel);
    for (int level = 1; level <= LEVELS; level++) {
        draw_level(page, &panel, x, y, level);
    }
    page_markup(page, "<path class=\"frame\" d=\"M%.1f %.1fh%dv%dh-%dzM%.1f %.1fh%dv%dh-%dz\"/>\n",
                x - .5, y - 1.0, PANEL + 1, edge->n * ROW + 1, PANEL + 1, x - .5,
                y + edge->n * ROW + BETWEEN - 1.0, PANEL + 1, ROW + 1, PANEL + 1);
}

static void draw_labels(struct page *page, const struct heat_edge *edge, double y) {
    for (int r = 0; r < edge->n; r++) {
        page_markup(page, "<text class=\"soft\" x=\"%d\" y=\"%.0f\" text-anchor=\"end\">",
                    LABELS - 6, y + r * ROW + 9);
        page_text(page, edge->rows[r].name);
        page_markup(page, "</text>\n");
    }
    page_markup(page, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">input</text>\n", LABELS - 6,
                y + edge->n * ROW + BETWEEN + 9);
}

static void draw_key(struct page *page, const struct nas_csv *table, double y) {
    const int column = nas_csv_column(table, "meta_epoch");
    page_markup(page, "<text class=\"soft\" x=\"%d\" y=\"%.0f\">", LABELS, y + 10);
    page_print(page, "each panel: meta-epoch %g (left) to %g (right)",
               nas_csv_number(table, 0, column), nas_csv_number(table, table->n_rows - 1, column));
    page_markup(page, "</text>\n<text class=\"soft\" x=\"%d\" y=\"%.0f\">weight 0</text>\n",
                LABELS + 300, y + 10);
    for (int i = 0; i < 10; i++) {
        page_markup(page, "<path class=\"heat\" d=\"M%d %.0fh14v11h-14z\" fill-opacity=\"%.2f\"/>",
                    LABELS + 350 + i * 14, y, i / 9.0);
    }
    page_markup(page, "<path class=\"frame\" d=\"M%d %.0fh140v11h-140z\"/>", LABELS + 350, y);
    page_markup(page, "<text class=\"soft\" x=\"%d\" y=\"%.0f\">1</text>\n", LABELS + 496, y + 10);
}

void heat_draw(struct page *page, const struct heat *heat, const struct nas_csv *table) {
    const int height = HEAD + heat->most_rows * ROW + BETWEEN + ROW + 10;
    int nodes = 0, inputs = 0;
    for (int i = 0; i < heat->n; i++) {
        nodes = heat->edges[i].node >= nodes ? heat->edges[i].node + 1 : nodes;
        inputs = heat->edges[i].from >= inputs ? heat->edges[i].from + 1 : inputs;
    }
    const int width = LABELS + inputs * (PANEL + GAP);
    page_markup(page,
                "<svg viewBox=\"0 0 %d %d\" width=\"%d\" class=\"chart\" role=\"img\">\n<title>",
                width, nodes * height + 20, width);
    page_print(page, "Mixture weights of the %s cell over meta-training", heat->type);
    page_markup(page, "</title><desc>The table after the figure gives the last values.</desc>\n");
    for (int i = 0; i < heat->n; i++) {
        const struct heat_edge *edge = &heat->edges[i];
        const double y = edge->node * height + HEAD;
        if (edge->from == 0) {
            draw_labels(page, edge, y);
        }
        draw_panel(page, heat, edge, table, LABELS + edge->from * (PANEL + GAP), y);
    }
    draw_key(page, table, nodes * height + 4);
    page_markup(page, "</svg>\n");
}

/* ---- numbers ------------------------------------------------------------------------------ */

static void put_weight(struct page *page, const struct nas_csv *table, int column) {
    const double x = nas_csv_number(table, table->n_rows - 1, column);
    if (isfinite(x)) {
        page_markup(page, "<td class=\"n\">%.3f</td>", x);
    } else {
        page_markup(page, "<td class=\"n\"></td>");
    }
}

void heat_table(struct page *page, const struct heat *heat, const struct nas_csv *table) {
    const struct heat_edge *first = &heat->edges[0];
    page_markup(page, "<details class=\"numbers\"><summary>Weights of the ");
    page_print(page, "%s cell at meta-epoch %g", heat->type,
               nas_csv_number(table, table->n_rows - 1, nas_csv_column(table, "meta_epoch")));
    page_markup(page, "</summary><div class=\"scroll\"><table class=\"sort\"><thead><tr>"
                      "<th scope=\"col\">edge</th><th class=\"n\" scope=\"col\">input</th>");
    for (int r = 0; r < first->n; r++) {
        page_markup(page, "<th class=\"n\" scope=\"col\">");
        page_text(page, first->rows[r].name);
        page_markup(page, "</th>");
    }
    page_markup(page, "</tr></thead><tbody>\n");
    for (int i = 0; i < heat->n; i++) {
        const struct heat_edge *edge = &heat->edges[i];
        page_markup(page, "<tr><th scope=\"row\">");
        put_edge(page, heat, edge);
        page_markup(page, "</th>");
        put_weight(page, table, edge->input);
        for (int r = 0; r < edge->n; r++) {
            put_weight(page, table, edge->rows[r].column);
        }
        page_markup(page, "</tr>\n");
    }
    page_markup(page, "</tbody></table></div></details>\n");
}
