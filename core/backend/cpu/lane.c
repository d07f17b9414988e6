/* SPDX-License-Identifier: MIT */
#include "backend/cpu/lane.h"

#include "backend/cpu/taps.h"

#include <stdlib.h>
#include <sys/mman.h>

size_t nas_lane_bytes(const void *of) {
    const struct nas_cpu_plan *plan = of;
    return (plan->predictions != NULL ? plan->predictions : plan)->n_reals * sizeof(mn_real);
}

/* All but the memory of the tensors. */
static struct nas_lane *lane_of(const struct nas_cpu_plan *plan) {
    const struct nas_schedule *s = &plan->schedule;
    const size_t channels = (size_t)plan->most_channels, jobs = (size_t)plan->most_jobs;
    const size_t stats = (size_t)plan->model->dims.n_stats;
    struct nas_lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) {
        return NULL;
    }
    lane->plan = plan;
    lane->extent = -1;
    struct nas_arena *a = &lane->arena;
    lane->clean = nas_arena_array(a, (size_t)s->n_tensors, sizeof *lane->clean);
    lane->needed = nas_arena_array(a, (size_t)s->n_ops, 1);
    lane->written = nas_arena_array(a, (size_t)s->n_flags, 1);
    lane->given = nas_arena_array(a, (size_t)plan->most_groups, 1);
    lane->packed = nas_arena_array(a, plan->n_packed + 64, sizeof(mn_real));
    lane->gather = nas_arena_array(a, (size_t)plan->most_weights, sizeof(mn_real));
    lane->coef = nas_arena_array(a, channels, sizeof(mn_real));
    lane->norm = nas_arena_array(a, stats, sizeof(mn_real));
    lane->hidden = nas_arena_array(a, stats, sizeof(mn_real));
    lane->back = nas_arena_array(a, stats / 2 * 3, sizeof(mn_real));
    lane->sums = nas_arena_array(a, stats, sizeof(double));
    lane->block_sums = nas_arena_array(a, 2 * channels, sizeof(double));
    lane->jobs = nas_arena_array(a, jobs, sizeof *lane->jobs);
    lane->order = nas_arena_array(a, jobs, sizeof(struct nas_job *));
    lane->job_coef = nas_arena_array(a, 2 * jobs * channels, sizeof(mn_real));
    lane->job_sums = nas_arena_array(a, 2 * jobs * channels, sizeof(double));
    lane->terms = nas_arena_array(a, jobs, sizeof *lane->terms);
    lane->products = nas_arena_array(a, jobs, sizeof *lane->products);
    if (a->failed) {
        nas_lane_free(lane);
        return NULL;
    }
    return lane;
}

int nas_lane_new(struct mn_ctx *ctx, void *of, void **out) {
    struct nas_cpu_plan *plan = of;
    struct nas_lane *lane = lane_of(plan);
    /* Fresh pages read as zero: so the padding of temporaries is zero, and stays so. */
    const size_t bytes = nas_lane_bytes(plan) + 4096;
    void *at = MAP_FAILED;
    if (lane != NULL && plan->predictions != NULL) {
        lane->predictions = lane_of(plan->predictions);
    }
    if (lane != NULL && (lane->predictions != NULL) == (plan->predictions != NULL)) {
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (at == MAP_FAILED) {
        nas_lane_free(lane);
        return mn_fail(ctx, MN_NOMEM,
                       "no memory for a worker's activations (%zu MB); use fewer workers "
                       "(run.workers), smaller batches or fewer channels",
                       bytes >> 20);
    }
    madvise(at, bytes, MADV_HUGEPAGE);
    lane->mapped = bytes;
    lane->reals = at;
    if (lane->predictions != NULL) {
        lane->predictions->reals = at;
    }
    nas_planes_fill(plan);
    *out = lane;
    return MN_OK;
}

void nas_lane_free(void *of) {
    struct nas_lane *lane = of;
    if (lane != NULL) {
        nas_lane_free(lane->predictions);
        if (lane->mapped > 0) {
            munmap(lane->reals, lane->mapped);
        }
        nas_arena_fini(&lane->arena);
        free(lane);
    }
}
