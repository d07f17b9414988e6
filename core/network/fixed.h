/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_FIXED_H
#define NAS_NETWORK_FIXED_H

/* Section `genotype`: the candidates that nodes of a search space have in place of a search, as
 * `metanas genotype` prints them. A key is a type of cell, its value a list of nodes, each a text
 * of pairs of operation and input, "conv_3x3 0, skip_connect 1 0.25", a third word being the weight
 * in the node's sum. Node J of type `cell` is that of group `cell.J`, or of `cell` itself where it
 * is the only one. */

#include "config/yaml.h"

struct nas_fixed_pair {
    const char *op;
    int input;
    double weight;
};

struct nas_fixed_node {
    const char *type;
    int index;
    struct nas_mark mark;
    int n;
    struct nas_fixed_pair *pairs;
};

struct nas_fixed {
    struct nas_yaml *section; /* NULL = there is none */
    int n;
    struct nas_fixed_node *at;
};

/* Read the section (NULL = none), in `arena`. Where it is a text, that is the path of a file with
 * such keys. Faults of the configuration go to `faults`; MN_NOMEM. */
int nas_fixed_read(struct nas_fixed *out, struct mn_ctx *ctx, struct nas_arena *arena,
                   struct nas_yaml *section, struct nas_faults *faults);
/* As a section of a resolved configuration. */
void nas_fixed_write(const struct nas_fixed *fixed, FILE *out);

/* Whether node `index` of cells of a type is that of a group. */
int nas_fixed_is(const char *type, int index, const char *group);
/* The node of a group; NULL = there is none. */
const struct nas_fixed_node *nas_fixed_find(const struct nas_fixed *fixed, const char *group);

#endif
