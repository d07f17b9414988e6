/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_SWEEP_H
#define NAS_LEARN_SWEEP_H

/* A sweep file (docs/experiments.md): a base configuration, axes and seeds. An arm is one choice of
 * a value on every axis; a run is an arm with a seed. */

#include "config/override.h"

/* One value of an axis: what it sets, and what people call it. */
struct nas_sweep_value {
    const char *label;
    struct nas_mark mark; /* of the label or, without one, of the value */
    int n;
    struct nas_assignment *set; /* [n] */
};

struct nas_sweep_axis {
    const char *name;
    int n;
    struct nas_sweep_value *values; /* [n] */
};

struct nas_sweep {
    const char *file, *base; /* paths */
    int n_set;
    struct nas_assignment *set; /* for all arms, before the axes */
    int n_axes;
    struct nas_sweep_axis *axes;
    int n_seeds;
    int64_t *seeds;
    struct nas_assignment *set_seed; /* [n_seeds] */
    int64_t n_arms;
    struct nas_arena arena;
};

/* Read a sweep file. Every fault is printed to `faults` with file:line:column and counted in the
 * message. The arms' configurations are not looked at. */
int nas_sweep_read(struct mn_ctx *ctx, const char *path, FILE *faults, struct nas_sweep *out);
void nas_sweep_fini(struct nas_sweep *sweep);

/* The value of arm 0..n_arms-1 on an axis; the last axis changes fastest. */
const struct nas_sweep_value *nas_sweep_at(const struct nas_sweep *sweep, int64_t arm, int axis);
/* The labels joined by "+", a name for a folder; "base" without axes. NULL = no memory. */
const char *nas_sweep_name(const struct nas_sweep *sweep, int64_t arm, struct nas_arena *arena);
/* What the run of an arm and a seed sets, in order. NULL = no memory. */
struct nas_assignment *nas_sweep_assignments(const struct nas_sweep *sweep, int64_t arm, int seed,
                                             struct nas_arena *arena, int *n);

#endif
