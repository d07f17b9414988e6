/* SPDX-License-Identifier: MIT */
#include "cells.h"

#include "command.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MOST = 64 }; /* nodes of a cell, inputs of a node, operations of an input */

/* ---- parsing ------------------------------------------------------------------------------ */

struct parser {
    struct mn_ctx *ctx;
    struct nas_arena *arena;
    const char *what, *text, *at;
};

static int bad(const struct parser *p, const char *wanted) {
    return mn_fail(p->ctx, MN_IO, "%s: not a genotype, at character %d: expected %s: '%.60s'",
                   p->what, (int)(p->at - p->text) + 1, wanted, p->at);
}

static int is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static int take(struct parser *p, char c) {
    const int there = *p->at == c;
    p->at += there;
    return there;
}

static int parse_word(struct parser *p, const char *wanted, const char **out) {
    const char *begin = p->at;
    while (is_word(*p->at)) {
        p->at++;
    }
    if (p->at == begin) {
        return bad(p, wanted);
    }
    *out = nas_arena_format(p->arena, "%.*s", (int)(p->at - begin), begin);
    return *out != NULL ? MN_OK : no_memory(p->ctx);
}

static int parse_number(struct parser *p, const char *wanted, int *out) {
    int n = 0;
    if (*p->at < '0' || *p->at > '9') {
        return bad(p, wanted);
    }
    while (*p->at >= '0' && *p->at <= '9' && n < 1000) {
        n = 10 * n + (*p->at++ - '0');
    }
    *out = n;
    return MN_OK;
}

/* OP&OP@FROM. A node reads the inputs of its cell and the nodes before it: `known` of them. */
static int parse_input(struct parser *p, int known, struct cell_input *out) {
    *out = (struct cell_input){.ops = nas_arena_array(p->arena, MOST, sizeof *out->ops)};
    if (out->ops == NULL) {
        return no_memory(p->ctx);
    }
    do {
        if (out->n_ops == MOST) {
            return bad(p, "fewer operations on one input");
        }
        const int status = parse_word(p, "an operation", &out->ops[out->n_ops++]);
        if (status != MN_OK) {
            return status;
        }
    } while (take(p, '&'));
    if (!take(p, '@')) {
        return bad(p, "@ and an input");
    }
    const int status = parse_number(p, "the number of an input", &out->from);
    return status == MN_OK && out->from >= known ? bad(p, "an input that comes before its node")
                                                 : status;
}

/* N:INPUT+INPUT */
static int parse_node(struct parser *p, int number, int known, struct cell_node *out) {
    int stated = -1;
    int status = parse_number(p, "the number of a node", &stated);
    if (status != MN_OK) {
        return status;
    }
    if (stated != number || !take(p, ':')) {
        return bad(p, "the nodes in their order, each with a colon");
    }
    out->inputs = nas_arena_array(p->arena, MOST, sizeof *out->inputs);
    if (out->inputs == NULL) {
        return no_memory(p->ctx);
    }
    do {
        if (out->n_inputs == MOST) {
            return bad(p, "fewer inputs of one node");
        }
        status = parse_input(p, known, &out->inputs[out->n_inputs++]);
    } while (status == MN_OK && take(p, '+'));
    return status;
}

/* TYPE: NODE NODE, or TYPE/N: of a cell of N inputs. */
static int parse_cell(struct parser *p, struct cell *out) {
    int status = parse_word(p, "the type of a cell", &out->type);
    if (status != MN_OK) {
        return status;
    }
    out->n_inputs = 2;
    if (take(p, '/')) {
        TRY(parse_number(p, "the number of its inputs", &out->n_inputs));
    }
    if (!take(p, ':')) {
        return bad(p, "a colon");
    }
    out->nodes = nas_arena_zeroed(p->arena, MOST * sizeof *out->nodes);
    if (out->nodes == NULL) {
        return no_memory(p->ctx);
    }
    while (status == MN_OK && p->at[0] == ' ' && p->at[1] != '|') {
        p->at++;
        if (out->n_nodes == MOST) {
            return bad(p, "fewer nodes of one cell");
        }
        status =
            parse_node(p, out->n_nodes, out->n_inputs + out->n_nodes, &out->nodes[out->n_nodes]);
        out->n_nodes++;
    }
    return status;
}

int cells_parse(struct mn_ctx *ctx, struct nas_arena *arena, const char *what, const char *text,
                struct cells *out) {
    struct parser p = {ctx, arena, what, text, text};
    size_t n = 1;
    for (const char *at = text; *at != '\0'; at++) {
        n += *at == '|';
    }
    *out = (struct cells){0, nas_arena_zeroed(arena, n * sizeof *out->at)};
    if (out->at == NULL) {
        return no_memory(ctx);
    }
    int status = MN_OK;
    do {
        status = parse_cell(&p, &out->at[out->n++]);
    } while (status == MN_OK && strncmp(p.at, " | ", 3) == 0 && (p.at += 3));
    return status == MN_OK && *p.at != '\0' ? bad(&p, "' | ' or the end") : status;
}

/* ---- weights ------------------------------------------------------------------------------ */

static int weigh_input(struct mn_ctx *ctx, struct nas_arena *arena, const struct mn_model *model,
                       const mn_real *mixture, const char *type, int node,
                       struct cell_input *input) {
    input->weights = nas_arena_array(arena, (size_t)input->n_ops, sizeof *input->weights);
    if (input->weights == NULL) {
        return no_memory(ctx);
    }
    for (int o = 0; o < input->n_ops; o++) {
        input->weights[o] =
            nas_model_pair_weight(model, mixture, type, node, input->from, input->ops[o]);
    }
    return MN_OK;
}

int cells_weigh(struct mn_ctx *ctx, struct nas_arena *arena, const struct mn_model *model,
                const mn_real *mixture, struct cells *cells) {
    int status = MN_OK;
    for (int i = 0; i < cells->n; i++) {
        const struct cell *cell = &cells->at[i];
        for (int j = 0; j < cell->n_nodes; j++) {
            for (int k = 0; status == MN_OK && k < cell->nodes[j].n_inputs; k++) {
                status = weigh_input(ctx, arena, model, mixture, cell->type, j,
                                     &cell->nodes[j].inputs[k]);
            }
        }
    }
    return status;
}

/* ---- YAML --------------------------------------------------------------------------------- */

void cell_node_write(const struct cell_node *node, FILE *out) {
    const char *separator = "";
    for (int k = 0; k < node->n_inputs; k++) {
        const struct cell_input *input = &node->inputs[k];
        for (int o = 0; o < input->n_ops; o++) {
            fprintf(out, "%s%s %d", separator, input->ops[o], input->from);
            if (input->weights != NULL && input->weights[o] != 1) {
                const int64_t billionths = llround(input->weights[o] * 1e9);
                fprintf(out, " %" PRId64 ".%09" PRId64, billionths / 1000000000,
                        billionths % 1000000000);
            }
            separator = ", ";
        }
    }
}

void cells_write_yaml(const struct cells *cells, FILE *out) {
    for (int i = 0; i < cells->n; i++) {
        const struct cell *cell = &cells->at[i];
        fprintf(out, "%s:\n", cell->type);
        for (int j = 0; j < cell->n_nodes; j++) {
            fputs("  - ", out);
            cell_node_write(&cell->nodes[j], out);
            fputc('\n', out);
        }
    }
}

/* ---- Graphviz ----------------------------------------------------------------------------- */

/* How an edge is drawn, so that kinds of operations differ without colour. */
static const char *edge_style(const struct cell_input *input) {
    int pools = 0, skips = 0;
    for (int o = 0; o < input->n_ops; o++) {
        pools += strstr(input->ops[o], "pool") != NULL;
        skips += strcmp(input->ops[o], "skip_connect") == 0 || strcmp(input->ops[o], "none") == 0;
    }
    return pools == input->n_ops   ? "class=pool, style=dashed"
           : skips == input->n_ops ? "class=skip, style=dotted"
                                   : "class=conv, style=solid";
}

enum { MOST_SHOWN = 3 }; /* operations written on one edge */

static void dot_label(const struct cell_input *input, FILE *out) {
    const int shown = input->n_ops > MOST_SHOWN + 1 ? MOST_SHOWN : input->n_ops;
    for (int o = 0; o < shown; o++) {
        fprintf(out, "%s %s ", o > 0 ? "\\n" : "", input->ops[o]);
    }
    if (shown < input->n_ops) {
        fprintf(out, "\\n and %d more ", input->n_ops - shown);
    }
}

static void dot_state(const struct cell *cell, int state, FILE *out) {
    fprintf(out, "\"%s %d\"", cell->type, state);
}

static void dot_cell(const struct cell *cell, const char *id, FILE *out) {
    fprintf(out, "  subgraph \"cluster_%s\" {\n    id=\"%s_%s\"; label=\"%s cell\";\n", cell->type,
            id, cell->type, cell->type);
    for (int s = 0; s < cell->n_nodes + cell->n_inputs; s++) {
        fputs("    ", out);
        dot_state(cell, s, out);
        if (s < cell->n_inputs) {
            fprintf(out, " [class=input, fillcolor=\"#dcebd5\", label=\"input %d\"];\n", s);
        } else {
            fprintf(out, " [label=\"node %d\"];\n", s - cell->n_inputs);
        }
    }
    fprintf(out, "    \"%s out\" [class=output, fillcolor=\"#f6e6c2\", label=\"output\"];\n",
            cell->type);
    for (int j = 0; j < cell->n_nodes; j++) {
        for (int k = 0; k < cell->nodes[j].n_inputs; k++) {
            const struct cell_input *input = &cell->nodes[j].inputs[k];
            fputs("    ", out);
            dot_state(cell, input->from, out);
            fputs(" -> ", out);
            dot_state(cell, j + cell->n_inputs, out);
            fputs(" [label=\"", out);
            dot_label(input, out);
            fprintf(out, "\", %s];\n", edge_style(input));
        }
        fputs("    ", out);
        dot_state(cell, j + cell->n_inputs, out);
        fprintf(out, " -> \"%s out\" [class=concat];\n", cell->type);
    }
    fputs("  }\n", out);
}

void cells_write_dot(const struct cells *cells, const char *id, FILE *out) {
    fprintf(out,
            "digraph genotype {\n"
            "  id=\"%s\"; rankdir=LR; bgcolor=transparent; fontname=Helvetica; fontsize=10;\n"
            "  ranksep=0.35; nodesep=0.14; style=rounded; color=\"#999999\"; labeljust=l;\n"
            "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#dbe7f3\", "
            "color=\"#444444\", fontname=Helvetica, fontsize=9, height=0.26, width=0.5, "
            "margin=\"0.08,0.03\"];\n"
            "  edge [color=\"#444444\", fontname=Helvetica, fontsize=8.5, arrowsize=0.5];\n",
            id);
    for (int i = cells->n - 1; i >= 0; i--) { /* dot puts the last one on top */
        dot_cell(&cells->at[i], id, out);
    }
    fputs("}\n", out);
}
