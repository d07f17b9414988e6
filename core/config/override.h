/* SPDX-License-Identifier: MIT */
#ifndef MN__CONFIG_OVERRIDE_H
#define MN__CONFIG_OVERRIDE_H

/* --set section.key=value: the value is YAML (so lists and whole sections work:
 * --set 'op_mixer={use: softmax}'). Faults point at "argument N". */

#include "config/yaml.h"

/* Apply one override to the tree. `argument` is its position on the command line, for faults.
 * Overridden keys carry the mark of the argument. Keys are created where missing. */
void mn__override_apply(struct mn__arena *arena, struct mn__yaml *root, const char *assignment,
                        int argument, struct mn__faults *faults);

/* The same from a tree: a value for a dotted key or a whole section. */
struct mn__assignment {
    const char *key;
    struct mn__mark mark; /* of the key */
    const struct mn__yaml *value;
};

/* Apply one assignment to the tree, which gets a copy of the value; marks stay those of the
 * assignment. */
void mn__override_assign(struct mn__arena *arena, struct mn__yaml *root,
                         const struct mn__assignment *assignment, struct mn__faults *faults);

/* Assignments of one origin (the command line, an arm of a sweep) stand between these two, in any
 * order. Where they have given a section another `use`, the options that it had before belong to
 * another unit: they are dropped, and one warning names them. `default_use` tells what a section
 * without `use` has: of "meta_learner.weights", or NULL where it has none. */
void mn__override_begin(struct mn__yaml *root);
void mn__override_end(struct mn__arena *arena, struct mn__yaml *root,
                      const char *(*default_use)(const char *section, const struct mn__yaml *map),
                      struct mn__faults *faults);

#endif
