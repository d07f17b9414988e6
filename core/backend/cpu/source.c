/* SPDX-License-Identifier: MIT */
#include "backend/cpu/source.h"

#include "backend/cpu/ops.h"
#include "backend/cpu/pass.h"

#include <string.h>

/* ---- forms of a state --------------------------------------------------------------------- */

void nas_op_images(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_region to = nas_region_of(run, op->to, 0);
    nas_edges_clear(run, to.grid, to.channels, to.at);
    nas_grid_load(to.grid, to.channels, 0, run->n, run->pass->batch->images, to.at);
}

void nas_op_relu(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_region from = nas_region_of(run, op->from, op->state);
    const struct nas_region to = nas_region_of(run, op->to, op->state);
    const struct nas_grid *g = to.grid;
    for (int q = 0; q < to.n_phases; q++) {
        nas_edges_clear(run, g, to.channels, to.at + q * to.phase);
        run->k->relu(to.channels, from.at + q * from.phase, g->channel, to.at + q * to.phase,
                     g->channel, nas_block_all(run, g).len);
    }
}

/* A channel at a time: so the four phases are cleared, written and cut off at zero while they are
 * in the cache. */
void nas_op_split(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_region from = nas_region_of(run, op->from, op->state);
    const struct nas_region to = nas_region_of(run, op->to, op->state);
    for (int c = 0; c < to.channels; c++) {
        mn_real *at = to.at + c * to.grid->channel;
        for (int q = 0; q < to.n_phases; q++) {
            nas_tensor_clear(run, to.grid, 1, at + q * to.phase);
        }
        run->k->split(from.grid, to.grid, 1, run->n, from.at + c * from.grid->channel, at,
                      to.phase);
        if (op->relu) {
            run->k->relu(to.n_phases, at, to.phase, at, to.phase, nas_block_all(run, to.grid).len);
        }
    }
}

/* ---- gradients ---------------------------------------------------------------------------- */

static int any(const uint8_t *flags, int n) {
    return memchr(flags, 1, (size_t)n) != NULL;
}

/* n channels are about to be written whole. */
static void begin_writing(struct nas_run *run, const struct nas_region *r, int first, int n) {
    nas_edges_clear(run, r->grid, n, r->at + first * r->grid->channel);
    memset(r->written + first, 1, (size_t)n);
}

void nas_gradient_complete(struct nas_run *run, const struct nas_region *r, int first, int n) {
    for (int q = 0; r->n_phases > 1 && q < r->n_phases && !r->written[0]; q++) {
        nas_tensor_clear(run, r->grid, r->channels, r->at + q * r->phase);
    }
    for (int c = first; r->n_phases == 1 && c < first + n; c++) {
        if (!r->written[c]) {
            nas_tensor_clear(run, r->grid, 1, r->at + c * r->grid->channel);
        }
    }
    memset(r->written + first, 1, (size_t)n);
}

/* A max pool adds to the pixels that won. */
int nas_gradient_adds(const struct nas_path *path) {
    return path->n_stages > 0 && path->stage[0].linear[0].kind == NAS_LINEAR_MAX_POOL;
}

int nas_gradient_begin(struct nas_run *run, const struct nas_path_use *use) {
    const struct nas_path *path = use->path->path;
    const struct nas_region r = nas_region_of(run, use->d_source, path->source);
    if (r.at == NULL) {
        return 0; /* the images */
    }
    if (r.n_phases > 1) { /* some taps of a stride-2 map reach only some phases */
        nas_gradient_complete(run, &r, 0, 1);
        return 1;
    }
    const int n = path->n_stages == 0 ? path->channels : path->stage[0].linear[0].n_in;
    if (!nas_gradient_adds(path) && !any(r.written + path->first, n)) {
        begin_writing(run, &r, path->first, n);
        return 0;
    }
    nas_gradient_complete(run, &r, path->first, n);
    return 1;
}

static void fold_phases(struct nas_run *run, const struct nas_region *from,
                        const struct nas_region *to) {
    if (from->at == NULL || !from->written[0]) {
        return;
    }
    if (any(to->written, to->channels)) {
        nas_gradient_complete(run, to, 0, to->channels);
        run->k->merge(to->grid, from->grid, to->channels, run->n, from->at, from->phase, to->at, 1);
        return;
    }
    for (int c = 0; c < to->channels; c++) { /* cleared and written while it is in the cache */
        mn_real *at = to->at + c * to->grid->channel;
        nas_tensor_clear(run, to->grid, 1, at);
        run->k->merge(to->grid, from->grid, 1, run->n, from->at + c * from->grid->channel,
                      from->phase, at, 0);
    }
    memset(to->written, 1, (size_t)to->channels);
}

void nas_op_fold(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_region phases = nas_region_of(run, op->d_phases, op->state);
    const struct nas_region relu_phases = nas_region_of(run, op->d_relu_phases, op->state);
    const struct nas_region relu = nas_region_of(run, op->d_relu, op->state);
    const struct nas_region to = nas_region_of(run, op->to, op->state);
    const struct nas_region value = nas_region_of(run, op->from, op->state);
    fold_phases(run, &phases, &to);
    fold_phases(run, &relu_phases, &relu);
    if (value.at != NULL && any(relu.written, relu.channels)) {
        const ptrdiff_t channel = to.grid->channel;
        const int accumulate = any(to.written, to.channels);
        nas_gradient_complete(run, &relu, 0, relu.channels);
        if (accumulate) {
            nas_gradient_complete(run, &to, 0, to.channels);
        } else {
            begin_writing(run, &to, 0, to.channels);
        }
        run->k->relu_dx(to.channels, value.at, channel, relu.at, channel, to.at, channel,
                        nas_block_all(run, to.grid).len, accumulate);
    }
    if (op->layer->kind == NAS_LAYER_NODE) {
        nas_gradient_complete(run, &to, 0, to.channels);
    }
}
