/* SPDX-License-Identifier: MIT */
#ifndef MN__MODEL_OPERATIONS_H
#define MN__MODEL_OPERATIONS_H

/* The candidates that a search space may name, found in this order: the built-in ones (op.c), those
 * of the section `operations`, those of the search space's own file, and plugins of that name; the
 * last two with their default options. [setup] */

#include "plugin/instance.h"

struct mn__op;
struct mn__operation;

struct mn__operations {
    struct mn__arena arena;
    struct mn__registry *registry;
    const struct mn_plugin *beside; /* of the search space that asks; NULL = none */
    struct mn__operation *first;
};

/* Make the instances of the section (NULL = none). Faults of the configuration go to `faults`,
 * other failures are returned. `fini` takes a zeroed list. */
int mn__operations_init(struct mn__operations *operations, struct mn_cx *cx,
                        struct mn__registry *registry, struct mn__yaml *section,
                        struct mn__faults *faults);
void mn__operations_fini(struct mn__operations *operations);

/* The operation of that name. operations = NULL: only the built-in ones. MN_CONFIG when there is
 * none, with the nearest name. */
int mn__operations_find(struct mn__operations *operations, struct mn_cx *cx, const char *name,
                        const struct mn__op **out);

/* Name of built-in operation i; NULL past the last. */
const char *mn__operations_built_in(size_t i);

/* Operation i of a plugin, of those that were named so far, and its name; NULL past the last. */
const struct mn__instance *mn__operations_at(const struct mn__operations *operations, int i,
                                             const char **name);

#endif
