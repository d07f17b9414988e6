/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_OPERATIONS_H
#define NAS_NETWORK_OPERATIONS_H

/* The candidates that a search space may name, found in this order: the built-in ones (op.c), those
 * of the section `operations`, those of the search space's own file, and plugins of that name; the
 * last two with their default options. [setup] */

#include "plugin/instance.h"

struct nas_op;
struct nas_operation;

struct nas_operations {
    struct nas_arena arena;
    struct nas_registry *registry;
    const struct mn_plugin *beside; /* of the search space that asks; NULL = none */
    struct nas_operation *first;
};

/* Make the instances of the section (NULL = none). Faults of the configuration go to `faults`,
 * other failures are returned. `fini` takes a zeroed list. */
int nas_operations_init(struct nas_operations *operations, struct mn_ctx *ctx,
                        struct nas_registry *registry, struct nas_yaml *section,
                        struct nas_faults *faults);
void nas_operations_fini(struct nas_operations *operations);

/* The operation of that name. operations = NULL: only the built-in ones. MN_CONFIG when there is
 * none, with the nearest name. */
int nas_operations_find(struct nas_operations *operations, struct mn_ctx *ctx, const char *name,
                        const struct nas_op **out);

/* Name of built-in operation i; NULL past the last. */
const char *nas_operations_built_in(size_t i);

/* Operation i of a plugin, of those that were named so far, and its name; NULL past the last. */
const struct nas_instance *nas_operations_at(const struct nas_operations *operations, int i,
                                             const char **name);

#endif
