/* SPDX-License-Identifier: MIT */
#include "backend/cpu/tensor.h"

#include "backend/cpu/pass.h"

#include <string.h>

mn_real *nas_tensor_at(const struct nas_run *run, int tensor) {
    if (tensor == NAS_NO_TENSOR) {
        return NULL;
    }
    const struct nas_tensor *t = &run->plan->schedule.tensors[tensor];
    return run->lane->reals + t->at[run->extent] + t->base;
}

void nas_edges_clear(const struct nas_run *run, const struct nas_grid *g, int channels,
                     mn_real *x) {
    const size_t guard = (size_t)g->guard, rows = (size_t)(g->image - g->span);
    for (int c = 0; c < channels; c++) {
        mn_real *channel = x + c * g->channel;
        memset(channel - guard, 0, guard * sizeof *x);
        for (int n = 0; n < run->n; n++) {
            memset(channel + n * g->image + g->span, 0, rows * sizeof *x);
        }
        memset(channel + run->n * g->image, 0, (guard + NAS_LANES) * sizeof *x);
    }
}

void nas_tensor_begin(const struct nas_run *run, int tensor, const struct nas_grid *g,
                      int channels) {
    int32_t *clean = run->lane->clean;
    if (tensor == NAS_NO_TENSOR || clean[tensor] >= run->n) {
        return;
    }
    nas_edges_clear(run, g, channels, nas_tensor_at(run, tensor));
    if (run->plan->schedule.tensors[tensor].alone[run->extent]) {
        clean[tensor] = run->n;
    }
}

void nas_tensor_clear(const struct nas_run *run, const struct nas_grid *g, int channels,
                      mn_real *x) {
    const ptrdiff_t guard = g->guard, reals = guard + run->n * g->image + guard + NAS_LANES;
    for (int c = 0; c < channels; c++) {
        memset(x + c * g->channel - guard, 0, (size_t)reals * sizeof *x);
    }
}

struct nas_region nas_region_of(const struct nas_run *run, int tensor, int state) {
    if (tensor == NAS_NO_TENSOR) {
        return (struct nas_region){0};
    }
    const struct nas_cell_state *s = &run->model->states[state];
    const struct nas_tensor *t = &run->plan->schedule.tensors[tensor];
    const struct nas_grid *grid = &run->plan->sizes[t->phased ? s->half : s->size].grid;
    /* Phases are of the state alone; whole tensors may hold others, too. */
    const int first = t->phased ? 0 : run->plan->first[state];
    return (struct nas_region){.at = nas_tensor_at(run, tensor) + first * grid->channel,
                               .grid = grid,
                               .channels = s->channels,
                               .n_phases = t->phased ? 4 : 1,
                               .phase = (ptrdiff_t)nas_grid_reals(grid, s->channels),
                               .written = run->lane->written + t->flag0 + first};
}

int nas_block_at(const struct nas_run *run, const struct nas_cpu_size *size, int i,
                 struct nas_block *out) {
    const int n0 = i * size->n_block;
    if (n0 >= run->n) {
        return 0;
    }
    const int n = run->n - n0 < size->n_block ? run->n - n0 : size->n_block;
    *out = (struct nas_block){n0, n, (n - 1) * size->grid.image + size->grid.span};
    return 1;
}

struct nas_block nas_block_all(const struct nas_run *run, const struct nas_grid *grid) {
    return (struct nas_block){.n = run->n, .len = (run->n - 1) * grid->image + grid->span};
}

struct nas_view nas_tensor_view(const struct nas_run *run, const struct nas_cpu_size *size,
                                int tensor, const struct nas_block *block) {
    return (struct nas_view){nas_tensor_at(run, tensor) + block->n0 * size->grid.image,
                             size->grid.channel};
}

struct nas_view nas_region_view(const struct nas_region *r, const struct nas_block *block) {
    return (struct nas_view){r->at + block->n0 * r->grid->image, r->grid->channel};
}

struct nas_view nas_temp_view(const struct nas_run *run, const struct nas_cpu_size *size,
                              enum nas_temp temp) {
    return (struct nas_view){run->lane->reals + size->temp[temp], size->block.channel};
}
