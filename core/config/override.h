/* SPDX-License-Identifier: MIT */
#ifndef NAS_CONFIG_OVERRIDE_H
#define NAS_CONFIG_OVERRIDE_H

/* --set section.key=value: the value is YAML (so lists and whole sections work:
 * --set 'op_mixer={use: softmax}'). Faults point at "argument N". */

#include "config/yaml.h"

/* Apply one override to the tree. `argument` is its position on the command line, for faults.
 * Overridden keys carry the mark of the argument. Keys are created where missing. */
void nas_override_apply(struct nas_arena *arena, struct nas_yaml *root, const char *assignment,
                        int argument, struct nas_faults *faults);

/* The same from a tree: a value for a dotted key or a whole section. */
struct nas_assignment {
    const char *key;
    struct nas_mark mark; /* of the key */
    const struct nas_yaml *value;
};

/* Apply one assignment to the tree, which gets a copy of the value; marks stay those of the
 * assignment. */
void nas_override_assign(struct nas_arena *arena, struct nas_yaml *root,
                         const struct nas_assignment *assignment, struct nas_faults *faults);

/* Assignments of one origin (the command line, an arm of a sweep) stand between these two, in any
 * order. Where they have given a section another `use`, the options that it had before belong to
 * another unit: they are dropped, and one warning names them. `default_use` tells what a section
 * without `use` has: of "meta_learner.weights", or NULL where it has none. */
void nas_override_begin(struct nas_yaml *root);
void nas_override_end(struct nas_arena *arena, struct nas_yaml *root,
                      const char *(*default_use)(const char *section, const struct nas_yaml *map),
                      struct nas_faults *faults);

#endif
