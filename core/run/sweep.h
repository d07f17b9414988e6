/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_SWEEP_H
#define MN__RUN_SWEEP_H

/* A sweep file (docs/experiments.md): a base configuration, axes and seeds. An arm is one choice of
 * a value on every axis; a run is an arm with a seed. */

#include "config/override.h"

/* One value of an axis: what it sets, and what people call it. */
struct mn__sweep_value {
    const char *label;
    struct mn__mark mark; /* of the label or, without one, of the value */
    int n;
    struct mn__assignment *set; /* [n] */
};

struct mn__sweep_axis {
    const char *name;
    int n;
    struct mn__sweep_value *values; /* [n] */
};

struct mn__sweep {
    const char *file, *base; /* paths */
    int n_set;
    struct mn__assignment *set; /* for all arms, before the axes */
    int n_axes;
    struct mn__sweep_axis *axes;
    int n_seeds;
    int64_t *seeds;
    struct mn__assignment *set_seed; /* [n_seeds] */
    int64_t n_arms;
    struct mn__arena arena;
};

/* Read a sweep file. Every fault is printed to `faults` with file:line:column and counted in the
 * message. The arms' configurations are not looked at. */
int mn__sweep_read(struct mn_cx *cx, const char *path, FILE *faults, struct mn__sweep *out);
void mn__sweep_fini(struct mn__sweep *sweep);

/* The value of arm 0..n_arms-1 on an axis; the last axis changes fastest. */
const struct mn__sweep_value *mn__sweep_at(const struct mn__sweep *sweep, int64_t arm, int axis);
/* The labels joined by "+", a name for a folder; "base" without axes. NULL = no memory. */
const char *mn__sweep_name(const struct mn__sweep *sweep, int64_t arm, struct mn__arena *arena);
/* What the run of an arm and a seed sets, in order. NULL = no memory. */
struct mn__assignment *mn__sweep_assignments(const struct mn__sweep *sweep, int64_t arm, int seed,
                                             struct mn__arena *arena, int *n);

#endif
