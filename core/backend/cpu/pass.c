/* SPDX-License-Identifier: MIT */
#include "backend/cpu/pass.h"

#include "backend/cpu/taps.h"
#include "network/mixture.h"

#include <string.h>

const struct nas_backend nas_backend_cpu = {.name = "cpu",
                                            .prepare = nas_cpu_prepare,
                                            .free = nas_cpu_free,
                                            .reserve = nas_gemm_reserve,
                                            .lane_new = nas_lane_new,
                                            .lane_free = nas_lane_free,
                                            .lane_bytes = nas_lane_bytes,
                                            .unfilled_bytes = nas_planes_unfilled_bytes,
                                            .forward = nas_cpu_forward,
                                            .backward = nas_cpu_backward};

int nas_run_stopped(struct nas_run *run) {
    if (run->status == MN_OK && nas_cancel_signal() != 0) {
        run->status = mn_fail(run->pass->ctx, MN_CANCELLED, "stopped by the user");
    }
    return run->status != MN_OK;
}

/* Optional operations run where a path that is computed needs them. */
static void find_needed(struct nas_run *run, int n_ops) {
    const struct nas_schedule *s = &run->plan->schedule;
    memset(run->lane->needed, 0, (size_t)s->n_ops);
    for (int i = 0; i < n_ops; i++) {
        for (int p = 0; p < s->ops[i].n_paths; p++) {
            const struct nas_path_use *use = &s->ops[i].paths[p];
            const struct nas_cpu_path *path = use->path;
            if (!nas_mix_computed(run->pass->mix, path->layer, path->edge, path->item)) {
                continue;
            }
            for (int k = 0; k < NAS_NEEDS; k++) {
                if (use->needs[k] >= 0) {
                    run->lane->needed[use->needs[k]] = 1;
                }
            }
        }
    }
}

/* The layers of a candidate that is not computed are left out with it. */
static int is_left_out(const struct nas_run *run, const struct nas_cpu_op *op) {
    return op->layer != NULL && op->layer->owner >= 0 &&
           !nas_mix_computed(run->pass->mix, op->layer, 0, 0);
}

static int execute(struct nas_run *run, int from, int to) {
    for (int i = from; i < to && !nas_run_stopped(run); i++) {
        const struct nas_cpu_op *op = &run->plan->schedule.ops[i];
        if (op->optional ? run->lane->needed[i] : !is_left_out(run, op)) {
            op->run(run, op);
        }
    }
    return run->status;
}

static struct nas_run begin(struct nas_lane *lane, struct nas_pass *pass) {
    const struct nas_cpu_plan *plan = lane->plan;
    return (struct nas_run){.plan = plan,
                            .model = plan->model,
                            .lane = lane,
                            .k = plan->kernels,
                            .pass = pass,
                            .w = pass->w,
                            .d_w = pass->d_w,
                            .n = pass->batch->n,
                            .extent = pass->gradients ? NAS_FULL : NAS_FORWARD};
}

int nas_cpu_forward(void *of, struct nas_pass *pass) {
    struct nas_lane *lane = of;
    if (pass->batch->n > lane->plan->n) { /* a prediction */
        lane->extent = -1;
        lane = lane->predictions;
    } else if (lane->predictions != NULL) {
        lane->predictions->extent = -1;
    }
    const struct nas_schedule *s = &lane->plan->schedule;
    struct nas_run run = begin(lane, pass);
    /* Tensors lie elsewhere than in a pass of the other extent, and anywhere after a failure. */
    if (lane->extent != (int)run.extent) {
        memset(lane->clean, 0, (size_t)s->n_tensors * sizeof *lane->clean);
    }
    lane->extent = -1;
    find_needed(&run, pass->gradients ? s->n_ops : s->n_forward);
    TRY(execute(&run, 0, s->n_forward));
    lane->extent = pass->gradients ? -1 : (int)run.extent;
    return MN_OK;
}

int nas_cpu_backward(void *of, struct nas_pass *pass, const mn_real *d_features) {
    struct nas_lane *lane = of;
    const struct nas_schedule *s = &lane->plan->schedule;
    struct nas_run run = begin(lane, pass);
    run.d_features = d_features;
    memset(lane->written, 0, (size_t)s->n_flags);
    TRY(execute(&run, s->n_forward, s->n_ops));
    lane->extent = (int)run.extent;
    return MN_OK;
}
