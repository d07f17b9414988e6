/* SPDX-License-Identifier: MIT */
#ifndef MN__CONFIG_OVERRIDE_H
#define MN__CONFIG_OVERRIDE_H

/* --set section.key=value: the value is YAML (so lists and whole sections work:
 * --set 'op_mixer={use: softmax}'). Faults point at "argument N". Where a section's `use` changes,
 * its keys from the file are marked soft: those that the new unit does not know are ignored with a
 * warning. */

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

#endif
