/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_SCHEDULE_H
#define NAS_BACKEND_CPU_SCHEDULE_H

/* A pass as a list of operations. An operation names the tensors that it reads and writes, and
 * reaches no others: the same list is executed (pass.c), and shared memory is derived from it
 * (allocator.c). The operations up to `n_forward` are a pass without gradients. */

#include "network/graph.h"

enum { NAS_NO_TENSOR = -1 };
/* Operations that can be needed to prepare a source. */
enum { NAS_NEEDS = 3 };

struct nas_run;
struct nas_cpu_path;
struct nas_cpu_plan;

/* An operation's use of a tensor. */
struct nas_use {
    int tensor;
    int begins; /* whatever was in it counts no more */
};

/* A path that an operation computes, with the tensors that the operation may use. */
struct nas_path_use {
    const struct nas_cpu_path *path;
    int source, d_source; /* a state, its ReLU or their phases, and the gradient of that */
    int u[2];             /* of each stage: after its first map, where that is kept */
    int y[2];             /* after its last map */
    int which[2];         /* taps of a max pool */
    int saved;            /* by an operation of a plugin */
    int needs[NAS_NEEDS]; /* operations that prepare its source, -1 = none */
};

struct nas_cpu_op {
    void (*run)(struct nas_run *run, const struct nas_cpu_op *op); /* ops.h tells what each does */
    int first_use, n_uses;                                         /* in the schedule's uses */
    const struct nas_layer *layer;
    int state;
    int from, to;
    int d_relu, d_phases, d_relu_phases; /* nas_op_fold */
    struct nas_path_use *paths;
    int n_paths;
    int relu;     /* nas_op_split: the phases of its ReLU */
    int optional; /* left out where no path that is computed needs it */
};

struct nas_schedule {
    int n_ops, n_forward;
    struct nas_cpu_op *ops;
    int n_uses;
    struct nas_use *uses;
    int n_tensors;
    struct nas_tensor *tensors;
    int n_flags; /* one for each channel of a gradient, see nas_tensor.flag0 */
};

/* Emit the schedule of the plan's network, whose paths are prepared. MN_NOMEM, or MN_INTERNAL where
 * an operation would read what none has written. */
int nas_schedule_emit(struct nas_cpu_plan *plan, struct mn_ctx *ctx);

#endif
