/* SPDX-License-Identifier: MIT */
/* Features of the last state. */
#include "backend/cpu/ops.h"
#include "backend/cpu/pass.h"
#include "backend/cpu/source.h"

void nas_op_head(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_head *h = &run->model->head;
    const struct nas_region x = nas_region_of(run, op->from, h->from);
    const ptrdiff_t f = (ptrdiff_t)run->model->dims.n_features;
    mn_real *features = run->pass->features;
    if (h->kind == MN_HEAD_FLATTEN) {
        nas_grid_store(x.grid, x.channels, 0, run->n, x.at, features);
        return;
    }
    for (int c = 0; c < x.channels; c++) {
        for (int n = 0; n < run->n; n++) {
            const mn_real *image = x.at + c * x.grid->channel + n * x.grid->image;
            double sum = 0;
            for (ptrdiff_t p = 0; p < x.grid->span; p++) {
                sum += (double)image[p];
            }
            features[n * f + c] = (mn_real)(sum / ((double)x.grid->h * x.grid->w));
        }
    }
}

void nas_op_head_backward(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_head *h = &run->model->head;
    const struct nas_region dx = nas_region_of(run, op->to, h->from);
    const ptrdiff_t f = (ptrdiff_t)run->model->dims.n_features;
    if (dx.at == NULL) {
        return; /* the images */
    }
    nas_gradient_complete(run, &dx, 0, dx.channels);
    if (h->kind == MN_HEAD_FLATTEN) {
        nas_grid_add(dx.grid, dx.channels, 0, run->n, run->d_features, dx.at);
        return;
    }
    const struct nas_grid *g = dx.grid;
    for (int c = 0; c < dx.channels; c++) {
        for (int n = 0; n < run->n; n++) {
            mn_real *image = dx.at + c * g->channel + n * g->image;
            const mn_real share = run->d_features[n * f + c] / (mn_real)(g->h * g->w);
            for (ptrdiff_t p = 0; p < g->span; p++) {
                image[p] += share * g->mask[p];
            }
        }
    }
}
