/* SPDX-License-Identifier: MIT */
#include "backend/cpu/source.h"

#include "backend/cpu/ops.h"

#include <string.h>

static ptrdiff_t all_images(const struct nas_run *run, const struct nas_grid *g) {
    return nas_block_all(run, g).len;
}

/* ---- forms of a state --------------------------------------------------------------------- */

void nas_op_images(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_grid *g = nas_grid_of_state(run, 0);
    const int channels = run->model->dims.channels;
    mn_real *x = nas_tensor_at(run, op->to);
    nas_edges_clear(run, g, channels, x);
    nas_grid_load(g, channels, 0, run->n, run->pass->batch->images, x);
}

void nas_op_relu(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_grid *g = nas_grid_of_state(run, op->state);
    const int channels = run->model->states[op->state].channels;
    mn_real *to = nas_tensor_of_state(run, op->to, op->state);
    nas_edges_clear(run, g, channels, to);
    run->k->relu(channels, nas_tensor_of_state(run, op->from, op->state), g->channel, to,
                 g->channel, all_images(run, g));
}

/* A channel at a time: so the four phases are cleared, written and cut off at zero while they are
 * in the cache. */
static void split(struct nas_run *run, const struct nas_cpu_op *op, int relu) {
    const struct nas_grid *g = nas_grid_of_state(run, op->state);
    const struct nas_grid *half = nas_grid_of_phases(run, op->state);
    const int channels = run->model->states[op->state].channels;
    const ptrdiff_t phase = (ptrdiff_t)nas_grid_reals(half, channels);
    const mn_real *x = nas_tensor_of_state(run, op->from, op->state);
    for (int c = 0; c < channels; c++) {
        mn_real *to = nas_tensor_at(run, op->to) + c * half->channel;
        for (int q = 0; q < 4; q++) {
            nas_tensor_clear(run, half, 1, to + q * phase);
        }
        run->k->split(g, half, 1, run->n, x + c * g->channel, to, phase);
        if (relu) {
            run->k->relu(4, to, phase, to, phase, all_images(run, half));
        }
    }
}

void nas_op_split(struct nas_run *run, const struct nas_cpu_op *op) {
    split(run, op, 0);
}

void nas_op_split_relu(struct nas_run *run, const struct nas_cpu_op *op) {
    split(run, op, 1);
}

void nas_op_relu_phases(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_grid *half = nas_grid_of_phases(run, op->state);
    const int channels = run->model->states[op->state].channels;
    const ptrdiff_t phase = (ptrdiff_t)nas_grid_reals(half, channels);
    const mn_real *x = nas_tensor_at(run, op->from);
    mn_real *to = nas_tensor_at(run, op->to);
    for (int q = 0; q < 4; q++) {
        nas_edges_clear(run, half, channels, to + q * phase);
        run->k->relu(channels, x + q * phase, half->channel, to + q * phase, half->channel,
                     all_images(run, half));
    }
}

struct nas_source nas_source_of(const struct nas_run *run, const struct nas_path_use *use) {
    const struct nas_path *path = use->path->path;
    const int strided = use->path->strided;
    const struct nas_grid *g =
        strided ? nas_grid_of_phases(run, path->source) : nas_grid_of_state(run, path->source);
    /* Phases are of the state alone; whole tensors may hold others, too. */
    const ptrdiff_t first =
        (path->first + (strided ? 0 : run->plan->first[path->source])) * g->channel;
    struct nas_source source = {.x = nas_tensor_at(run, use->source) + first,
                                .dx = nas_tensor_at(run, use->d_source),
                                .channel = g->channel,
                                .image = g->image};
    if (source.dx != NULL) {
        source.dx += first;
    }
    if (strided) {
        source.phase = (ptrdiff_t)nas_grid_reals(g, run->model->states[path->source].channels);
    }
    return source;
}

struct nas_view nas_source_view(const struct nas_source *source, const struct nas_block *block) {
    return (struct nas_view){source->x + block->n0 * source->image, source->channel};
}

/* ---- gradients ---------------------------------------------------------------------------- */

/* Which channels of a gradient hold something; those of phases have one flag for all. */
static uint8_t *written(const struct nas_run *run, int tensor) {
    return run->lane->written + run->plan->schedule.tensors[tensor].flag0;
}

static int any(const uint8_t *flags, int n) {
    return memchr(flags, 1, (size_t)n) != NULL;
}

/* A range of channels that is about to be written whole. */
static void begin_writing(struct nas_run *run, int tensor, const struct nas_grid *g, int first,
                          int n) {
    nas_edges_clear(run, g, n, nas_tensor_at(run, tensor) + first * g->channel);
    memset(written(run, tensor) + first, 1, (size_t)n);
}

/* Clear what is not written yet of a range of channels, which then is. */
static void complete(struct nas_run *run, int tensor, const struct nas_grid *g, int first, int n) {
    uint8_t *flags = written(run, tensor) + first;
    mn_real *x = nas_tensor_at(run, tensor) + first * g->channel;
    for (int c = 0; c < n; c++) {
        if (!flags[c]) {
            nas_tensor_clear(run, g, 1, x + c * g->channel);
            flags[c] = 1;
        }
    }
}

/* A max pool adds to the pixels that won. */
int nas_gradient_adds(const struct nas_path *path) {
    return path->n_stages > 0 && path->stage[0].linear[0].kind == NAS_LINEAR_MAX_POOL;
}

int nas_gradient_begin(struct nas_run *run, const struct nas_path_use *use) {
    const struct nas_path *path = use->path->path;
    const struct nas_cell_state *s = &run->model->states[path->source];
    const struct nas_grid *g = nas_grid_of_state(run, path->source);
    if (use->d_source == NAS_NO_TENSOR) {
        return 0; /* the images */
    }
    uint8_t *flags = written(run, use->d_source);
    if (use->path->strided) { /* some taps of a stride-2 map reach only some phases */
        const struct nas_grid *half = nas_grid_of_phases(run, path->source);
        mn_real *to = nas_tensor_at(run, use->d_source);
        for (int q = 0; q < 4 && !*flags; q++) {
            nas_tensor_clear(run, half, s->channels,
                             to + (size_t)q * nas_grid_reals(half, s->channels));
        }
        *flags = 1;
        return 1;
    }
    const int n = path->n_stages == 0 ? path->channels : path->stage[0].linear[0].n_in;
    const int first = run->plan->first[path->source] + path->first;
    if (!nas_gradient_adds(path) && !any(flags + first, n)) {
        begin_writing(run, use->d_source, g, first, n);
        return 0;
    }
    complete(run, use->d_source, g, first, n);
    return 1;
}

void nas_gradient_clear(struct nas_run *run, int tensor, int state) {
    complete(run, tensor, nas_grid_of_state(run, state), run->plan->first[state],
             run->model->states[state].channels);
}

static void fold_phases(struct nas_run *run, int state, int from, int to) {
    if (from == NAS_NO_TENSOR || !*written(run, from)) {
        return;
    }
    const struct nas_grid *half = nas_grid_of_phases(run, state);
    const struct nas_grid *g = nas_grid_of_state(run, state);
    const int channels = run->model->states[state].channels, first = run->plan->first[state];
    const ptrdiff_t phase = (ptrdiff_t)nas_grid_reals(half, channels);
    const mn_real *phases = nas_tensor_at(run, from);
    mn_real *whole = nas_tensor_of_state(run, to, state);
    if (any(written(run, to) + first, channels)) {
        complete(run, to, g, first, channels);
        run->k->merge(g, half, channels, run->n, phases, phase, whole, 1);
        return;
    }
    for (int c = 0; c < channels; c++) { /* cleared and written while it is in the cache */
        nas_tensor_clear(run, g, 1, whole + c * g->channel);
        run->k->merge(g, half, 1, run->n, phases + c * half->channel, phase, whole + c * g->channel,
                      0);
    }
    memset(written(run, to) + first, 1, (size_t)channels);
}

void nas_op_fold(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_grid *g = nas_grid_of_state(run, op->state);
    const int n = run->model->states[op->state].channels, first = run->plan->first[op->state];
    fold_phases(run, op->state, op->d_phases, op->to);
    fold_phases(run, op->state, op->d_relu_phases, op->d_relu);
    if (op->from != NAS_NO_TENSOR && any(written(run, op->d_relu) + first, n)) {
        const int accumulate = any(written(run, op->to) + first, n);
        complete(run, op->d_relu, g, first, n);
        if (accumulate) {
            complete(run, op->to, g, first, n);
        } else {
            begin_writing(run, op->to, g, first, n);
        }
        run->k->relu_dx(n, nas_tensor_of_state(run, op->from, op->state), g->channel,
                        nas_tensor_of_state(run, op->d_relu, op->state), g->channel,
                        nas_tensor_of_state(run, op->to, op->state), g->channel, all_images(run, g),
                        accumulate);
    }
    if (op->layer->kind == NAS_LAYER_NODE) {
        complete(run, op->to, g, first, n);
    }
}
