/* SPDX-License-Identifier: MIT */
#ifndef METANAS_SWEEP_FILE_H
#define METANAS_SWEEP_FILE_H

/* A sweep file (docs/guide.md): a base configuration, axes or a space to search, and seeds. An arm
 * is one choice of a value on every axis; a run is an arm with a seed. */

#include "config/override.h"

enum { MOST_RUNGS = 32 };

/* One value of an axis: what it sets, and what people call it. */
struct sweep_value {
    const char *label;
    struct nas_mark mark; /* of the label or, without one, of the value */
    int n;
    struct nas_assignment *set; /* [n] */
};

struct sweep_axis {
    const char *name;
    int n;
    struct sweep_value *values; /* [n] */
};

struct sweep {
    const char *file, *base; /* paths */
    int n_set;
    struct nas_assignment *set; /* for all arms, before the axes */
    int n_axes;
    struct sweep_axis *axes;
    int drawn; /* arm i has value i of every axis: drawn from a space; otherwise all combinations */
    int n_seeds;
    int64_t *seeds;
    struct nas_assignment *set_seed; /* [n_seeds] */
    int64_t n_arms;
    /* Successive halving: of the arms at the end of a rung one in eta goes on. */
    int n_rungs;                    /* 0 = all arms are trained to their end */
    int64_t rungs[MOST_RUNGS], eta; /* meta-epochs, the last ones are those of the whole run */
    struct nas_mark rungs_mark;
    struct nas_assignment set_length; /* to them */
    struct nas_arena arena;
};

/* Read a sweep file. Every fault is printed to `faults` with file:line:column and counted in the
 * message. The arms' configurations are not looked at. */
int sweep_read(struct mn_ctx *ctx, const char *path, FILE *faults, struct sweep *out);
void sweep_fini(struct sweep *sweep);

/* The value of arm 0..n_arms-1 on an axis; the last axis changes fastest. */
const struct sweep_value *sweep_value_at(const struct sweep *sweep, int64_t arm, int axis);
/* The labels joined by "+", a name for a folder; "base" without axes. NULL = no memory. */
const char *sweep_arm_name(const struct sweep *sweep, int64_t arm, struct nas_arena *arena);
/* What the run of an arm and a seed sets, in order. NULL = no memory. */
struct nas_assignment *sweep_assignments(const struct sweep *sweep, int64_t arm, int seed,
                                         struct nas_arena *arena, int *n);

#endif
