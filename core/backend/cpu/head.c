/* SPDX-License-Identifier: MIT */
/* Features of the last state, and a linear layer on them. */
#include "backend/cpu/ops.h"
#include "backend/cpu/pass.h"
#include "backend/cpu/source.h"

void nas_op_head(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_head *h = &run->model->head;
    const struct nas_region x = nas_region_of(run, op->from, h->from);
    const int ways = run->model->dims.ways, f = (int)h->n_features;
    const mn_real *bias = run->w + h->bias;
    mn_real *features = run->lane->reals + run->plan->features;
    mn_real *logits = run->lane->reals + run->plan->logits;
    if (h->kind == MN_HEAD_FLATTEN) {
        nas_grid_store(x.grid, x.channels, 0, run->n, x.at, features);
    } else {
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
    for (int i = 0; i < run->n * ways; i++) {
        logits[i] = bias[i % ways];
    }
    nas_gemm(0, 1, run->n, ways, f, 1, features, f, run->w + h->weight, f, 1, logits, ways);
}

void nas_op_head_backward(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_head *h = &run->model->head;
    const struct nas_region dx = nas_region_of(run, op->to, h->from);
    const int ways = run->model->dims.ways, f = (int)h->n_features;
    const mn_real *d = run->lane->reals + run->plan->d_logits;
    const mn_real *features = run->lane->reals + run->plan->features;
    mn_real *d_features = run->lane->reals + run->plan->d_features;
    if (run->d_w != NULL) {
        nas_gemm(1, 0, ways, f, run->n, 1, d, ways, features, f, 0, run->d_w + h->weight, f);
        for (int c = 0; c < ways; c++) {
            double sum = 0;
            for (int n = 0; n < run->n; n++) {
                sum += (double)d[n * ways + c];
            }
            run->d_w[h->bias + c] = (mn_real)sum;
        }
    }
    if (dx.at == NULL) {
        return; /* the images */
    }
    nas_gradient_complete(run, &dx, 0, dx.channels);
    nas_gemm(0, 0, run->n, f, ways, 1, d, ways, run->w + h->weight, f, 0, d_features, f);
    if (h->kind == MN_HEAD_FLATTEN) {
        nas_grid_add(dx.grid, dx.channels, 0, run->n, d_features, dx.at);
        return;
    }
    const struct nas_grid *g = dx.grid;
    for (int c = 0; c < dx.channels; c++) {
        for (int n = 0; n < run->n; n++) {
            mn_real *image = dx.at + c * g->channel + n * g->image;
            const mn_real share = d_features[n * f + c] / (mn_real)(g->h * g->w);
            for (ptrdiff_t p = 0; p < g->span; p++) {
                image[p] += share * g->mask[p];
            }
        }
    }
}
