/* SPDX-License-Identifier: MIT */
#include "parse.h"

#include <inttypes.h>

enum { MOST_NODES = 32, MOST_EDGES = 64 };
static const int64_t most_digits = 100000000000000; /* what a double holds exactly */

/* A node's text, for messages. */
struct source {
    struct mn_ctx *ctx;
    const char *key, *text;
    int32_t node;
};

static int bad(const struct source *s, const char *why) {
    return mn_bad_option(s->ctx, s->key,
                         "node %" PRId32 ", '%s': %s; expected pairs of operation and input such "
                         "as 'conv_3x3 0, skip_connect 1', each with a weight behind it or none",
                         s->node, s->text, why);
}

static int is_space(char c) {
    return c == ' ' || c == '\t';
}

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

static int is_word(char c) {
    return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char *skip_spaces(char *at) {
    while (is_space(*at)) {
        at++;
    }
    return at;
}

/* Node j sees the cell inputs 0 and 1 and the nodes before it. */
static int parse_input(const struct source *s, char **at, int32_t *input) {
    int32_t value = 0;
    if (!is_digit(**at)) {
        return bad(s, "an operation has no input");
    }
    while (is_digit(**at) && value < 1000) {
        value = value * 10 + (**at - '0');
        (*at)++;
    }
    if (value > s->node + 1) {
        return mn_bad_option(s->ctx, s->key,
                             "node %" PRId32 ", '%s': there is no such input; inputs 0 to %" PRId32
                             " come before node %" PRId32,
                             s->node, s->text, s->node + 1, s->node);
    }
    *input = value;
    return MN_OK;
}

/* A decimal number over 0, the same in every locale; none = 1. */
static int parse_weight(const struct source *s, char **at, double *weight) {
    int64_t digits = 0, unit = 1;
    int point = 0;
    *weight = 1;
    if (!is_digit(**at) && **at != '.') {
        return MN_OK;
    }
    for (; is_digit(**at) || (**at == '.' && !point); (*at)++) {
        if (**at == '.') {
            point = 1;
        } else if (digits < most_digits && unit < most_digits) {
            digits = digits * 10 + (**at - '0');
            unit *= point ? 10 : 1;
        }
    }
    *weight = (double)digits / (double)unit;
    return *weight > 0 && *weight <= 1000 ? MN_OK : bad(s, "a weight is not in (0, 1000]");
}

/* One pair from *at on, which ends up at the comma or end after it. Ends the name with a zero. */
static int parse_pair(const struct source *s, char **at, const char **name,
                      struct network_edge *edge) {
    char *begin = skip_spaces(*at), *end = begin;
    while (is_word(*end)) {
        end++;
    }
    if (end == begin) {
        return bad(s, "an operation is missing");
    }
    *at = skip_spaces(end);
    if (*at == end && *end != '\0' && *end != ',') {
        return bad(s, "a character does not belong there");
    }
    int status = parse_input(s, at, &edge->input);
    if (status == MN_OK) {
        *at = skip_spaces(*at);
        status = parse_weight(s, at, &edge->weight);
    }
    if (status != MN_OK) {
        return status;
    }
    *end = '\0';
    *name = begin;
    *at = skip_spaces(*at);
    return **at == ',' || **at == '\0' ? MN_OK : bad(s, "a comma is missing");
}

static int32_t count_pairs(const char *text) {
    int32_t n = 1;
    for (; *text != '\0' && n <= MOST_EDGES; text++) {
        n += *text == ',';
    }
    return n;
}

static int parse_node(const struct source *s, struct network_node *out) {
    const int32_t n = count_pairs(s->text);
    if (n > MOST_EDGES) {
        return bad(s, "too many pairs");
    }
    const size_t bytes = strlen(s->text) + 1;
    char *text = mn_scratch(s->ctx, bytes);
    const char **names = mn_scratch(s->ctx, (size_t)n * sizeof *names);
    struct network_edge *edges = mn_scratch(s->ctx, (size_t)n * sizeof *edges);
    if (text == NULL || names == NULL || edges == NULL) {
        return MN_NOMEM;
    }
    memcpy(text, s->text, bytes);
    for (int32_t e = 0; e < n; e++) {
        edges[e] = (struct network_edge){.n_ops = 1, .ops = &names[e]};
        const int status = parse_pair(s, &text, &names[e], &edges[e]);
        if (status != MN_OK) {
            return status;
        }
        text += *text == ',';
    }
    *out = (struct network_node){n, edges};
    return MN_OK;
}

int genotype_parse(struct mn_ctx *ctx, const char *key, const struct mn_texts *texts,
                   struct network_cell *out) {
    if (texts->n < 1 || texts->n > MOST_NODES) {
        return mn_bad_option(ctx, key,
                             "the cell has %" PRId64 " nodes; 1 to %d are possible, each a text "
                             "such as 'conv_3x3 0, skip_connect 1'",
                             texts->n, MOST_NODES);
    }
    struct network_node *nodes = mn_scratch(ctx, (size_t)texts->n * sizeof *nodes);
    if (nodes == NULL) {
        return MN_NOMEM;
    }
    for (int32_t j = 0; j < texts->n; j++) {
        const struct source source = {ctx, key, texts->at[j], j};
        const int status = parse_node(&source, &nodes[j]);
        if (status != MN_OK) {
            return status;
        }
    }
    *out = (struct network_cell){(int32_t)texts->n, nodes};
    return MN_OK;
}
