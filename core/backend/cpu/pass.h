/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_PASS_H
#define NAS_BACKEND_CPU_PASS_H

/* A pass executes the schedule of a plan in the memory of a lane. */

#include "backend/backend.h"
#include "backend/cpu/lane.h"

extern const struct nas_backend nas_backend_cpu;

/* One pass, while it runs. */
struct nas_run {
    const struct nas_cpu_plan *plan;
    const struct mn_model *model;
    struct nas_lane *lane;
    const struct nas_kernels *k;
    struct nas_pass *pass;
    const mn_real *w;
    mn_real *d_w; /* NULL = no weight gradients */
    const mn_real *d_features;
    int n; /* images */
    enum nas_extent extent;
    int status; /* of the first operation of a plugin that failed */
};

/* 1 = a signal asks to stop, or an operation has failed: run->status says so, and what is computed
 * from here on counts for nothing. Looked at between operations and chunks, since a step of a large
 * network takes longer than a signal may wait. */
int nas_run_stopped(struct nas_run *run);

int nas_cpu_forward(void *lane, struct nas_pass *pass);
int nas_cpu_backward(void *lane, struct nas_pass *pass, const mn_real *d_features);

#endif
