/* SPDX-License-Identifier: MIT */
#include "found.h"

#include "../command.h"
#include "../draw.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- one architecture --------------------------------------------------------------------- */

static void list_input(struct page *page, const struct cell *cell, const struct cell_input *input) {
    for (int o = 0; o < input->n_ops; o++) {
        page_print(page, "%s%s", o > 0 ? ", " : "", input->ops[o]);
    }
    const int node = input->from - cell->n_inputs;
    page_print(page, " from %s %d", node < 0 ? "input" : "node", node < 0 ? input->from : node);
}

/* The drawing in words. */
static void list_cell(struct page *page, const struct cell *cell) {
    page_markup(page, "<details class=\"words\"><summary>The ");
    page_text(page, cell->type);
    page_markup(page, " cell in words</summary><table class=\"pairs\"><tbody>\n");
    for (int j = 0; j < cell->n_nodes; j++) {
        page_markup(page, "<tr><th scope=\"row\">node %d</th><td>", j);
        for (int k = 0; k < cell->nodes[j].n_inputs; k++) {
            page_markup(page, "%s", k > 0 ? "<br>" : "");
            list_input(page, cell, &cell->nodes[j].inputs[k]);
        }
        page_markup(page, "</td></tr>\n");
    }
    page_markup(page, "</tbody></table></details>\n");
}

/* Without Graphviz the page goes on: the cells stand there in words. */
static int draw(struct page *page, const struct cell *cell) {
    const struct cells one = {1, (struct cell *)(uintptr_t)cell};
    const char *svg;
    const char *id = nas_arena_format(page->arena, "cell%d%s", page->figures, cell->type);
    if (id == NULL) {
        return no_memory(page->ctx);
    }
    const int status = draw_cells(page->ctx, page->arena, &one, id, &svg);
    if (status == MN_UNSUPPORTED) {
        nas_ctx_clear(page->ctx);
        page_missing(page, "Not drawn: the program dot of Graphviz is not installed.");
        return MN_OK;
    }
    if (status == MN_OK) {
        page_markup(page, "<div class=\"cells scroll\" role=\"img\" aria-label=\"Drawing of the ");
        page_text(page, cell->type);
        page_markup(page, " cell; the words after the figure say the same\">\n");
        fputs(svg, page->out);
        page_markup(page, "</div>\n");
    }
    return status;
}

/* A search space from elsewhere may have names of another form: its line is shown as it is. */
static int put_line(struct page *page, const char *genotype, const char *caption) {
    nas_ctx_clear(page->ctx);
    page_figure(page);
    page_markup(page, "<pre>");
    page_text(page, genotype);
    page_markup(page, "</pre>\n");
    page_figure_end(page, "%s", caption);
    return MN_OK;
}

int found_draw(struct page *page, const char *genotype, const char *caption) {
    struct cells cells;
    int status = cells_parse(page->ctx, page->arena, "genotype", genotype, &cells);
    if (status == MN_IO) {
        return put_line(page, genotype, caption);
    }
    if (status != MN_OK) {
        return status;
    }
    page_figure(page);
    for (int i = 0; status == MN_OK && i < cells.n; i++) {
        status = draw(page, &cells.at[i]);
    }
    page_figure_end(page, "%s", caption);
    for (int i = 0; status == MN_OK && i < cells.n; i++) {
        list_cell(page, &cells.at[i]);
    }
    return status;
}

/* ---- how often ---------------------------------------------------------------------------- */

enum { MOST_TYPES = 64, MOST_OPS = 128 };

struct tally {
    int n_types, n_ops;
    const char *types[MOST_TYPES];
    const char *ops[MOST_OPS];
    int64_t count[MOST_OPS][MOST_TYPES];
    int64_t all[MOST_TYPES];
    int64_t tasks;
};

/* Index of a name, entered where it is new; -1 = too many. */
static int index_of(const char **names, int *n, int most, const char *name) {
    for (int i = 0; i < *n; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    if (*n == most) {
        return -1;
    }
    names[*n] = name;
    return (*n)++;
}

static void count_cell(struct tally *t, const struct cell *cell, int64_t times) {
    const int type = index_of(t->types, &t->n_types, MOST_TYPES, cell->type);
    for (int j = 0; type >= 0 && j < cell->n_nodes; j++) {
        for (int k = 0; k < cell->nodes[j].n_inputs; k++) {
            const struct cell_input *input = &cell->nodes[j].inputs[k];
            for (int o = 0; o < input->n_ops; o++) {
                const int op = index_of(t->ops, &t->n_ops, MOST_OPS, input->ops[o]);
                if (op >= 0) {
                    t->count[op][type] += times;
                    t->all[type] += times;
                }
            }
        }
    }
}

static int64_t total(const struct tally *t, int op) {
    int64_t sum = 0;
    for (int type = 0; type < t->n_types; type++) {
        sum += t->count[op][type];
    }
    return sum;
}

/* Order of the operations, most frequent first. */
static void order_ops(const struct tally *t, int order[MOST_OPS]) {
    for (int i = 0; i < t->n_ops; i++) {
        int at = i;
        for (; at > 0 && total(t, order[at - 1]) < total(t, i); at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}

static void put_share(struct page *page, int64_t count, int64_t all, int64_t tasks, int style) {
    const double share = all > 0 ? (double)count / (double)all : 0;
    page_markup(page,
                "<td class=\"n\">%.2f</td><td class=\"n\" data-v=\"%.6f\">%.1f%%</td>"
                "<td data-v=\"%.6f\"><svg width=\"120\" height=\"11\" viewBox=\"0 0 120 11\" "
                "aria-hidden=\"true\"><path class=\"p%d\" d=\"M0 0H%.1fV11H0Z\"/>"
                "<path class=\"axis\" d=\"M0.5 0V11\"/></svg></td>",
                tasks > 0 ? (double)count / (double)tasks : 0, share, 100 * share, share, style % 4,
                120 * share);
}

static void put_tally(struct page *page, const struct tally *t) {
    int order[MOST_OPS];
    order_ops(t, order);
    page_markup(page, "<div class=\"scroll\"><table class=\"sort\"><thead><tr>"
                      "<th scope=\"col\">operation</th>");
    for (int type = 0; type < t->n_types; type++) {
        page_markup(page, "<th class=\"n\" scope=\"col\">");
        page_print(page, "%s: a cell", t->types[type]);
        page_markup(page,
                    "</th><th class=\"n\" scope=\"col\">share</th><th scope=\"col\">of all</th>");
    }
    page_markup(page, "</tr></thead><tbody>\n");
    for (int i = 0; i < t->n_ops; i++) {
        page_markup(page, "<tr><th scope=\"row\">");
        page_text(page, t->ops[order[i]]);
        page_markup(page, "</th>");
        for (int type = 0; type < t->n_types; type++) {
            put_share(page, t->count[order[i]][type], t->all[type], t->tasks, type);
        }
        page_markup(page, "</tr>\n");
    }
    page_markup(page, "</tbody></table></div>\n");
}

int found_frequencies(struct page *page, const struct genotypes *genotypes) {
    struct tally *tally = nas_arena_zeroed(page->arena, sizeof *tally);
    if (tally == NULL) {
        return no_memory(page->ctx);
    }
    for (size_t i = 0; i < genotypes->n; i++) {
        struct cells cells;
        const int status =
            cells_parse(page->ctx, page->arena, "test.json", genotypes->at[i].text, &cells);
        if (status == MN_IO) {
            nas_ctx_clear(page->ctx);
            page_missing(page, "Operations are not counted: these lines are not made of cells.");
            return MN_OK;
        }
        if (status != MN_OK) {
            return status;
        }
        for (int c = 0; c < cells.n; c++) {
            count_cell(tally, &cells.at[c], genotypes->at[i].count);
        }
        tally->tasks += genotypes->at[i].count;
    }
    page_markup(page,
                "<h3>How often each operation stayed</h3>\n<p>Over the pruned networks of all "
                "%" PRId64 " tasks: how many times in a cell on average, and its share of all "
                "operations that stayed in cells of the type.</p>\n",
                tally->tasks);
    put_tally(page, tally);
    return MN_OK;
}
