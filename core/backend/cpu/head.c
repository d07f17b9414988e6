/* SPDX-License-Identifier: MIT */
#include "backend/cpu/pass.h"

#include <math.h>

static const mn_real *input_of(struct nas_run *run) {
    const struct nas_head *h = &run->model->head;
    const struct nas_path view = {.source = h->from, .relu = run->model->states[h->from].relu};
    return nas_source_of(run, &view).x;
}

/* NULL for the images. */
static mn_real *gradient_of(const struct nas_run *run) {
    const struct mn_model *m = run->model;
    const struct nas_cell_state *s = &m->states[m->head.from];
    const struct nas_act *act = &m->acts[s->act];
    mn_real *dx = nas_slot(run, s->relu ? act->dr : act->dx);
    return dx == NULL ? NULL : dx + s->first * m->sizes[s->grid].grid.channel;
}

static void pool_features(struct nas_run *run) {
    const struct nas_head *h = &run->model->head;
    const struct nas_cell_state *s = &run->model->states[h->from];
    const struct nas_grid *g = &run->model->sizes[s->grid].grid;
    const mn_real *x = input_of(run);
    mn_real *features = run->ws->reals + h->features;
    for (int c = 0; c < s->channels; c++) {
        for (int n = 0; n < run->n; n++) {
            const mn_real *image = x + c * g->channel + n * g->image;
            double sum = 0;
            for (ptrdiff_t p = 0; p < g->span; p++) {
                sum += (double)image[p];
            }
            features[n * h->n_features + c] = (mn_real)(sum / ((double)g->h * g->w));
        }
    }
}

static void spread_features(const struct nas_run *run) {
    const struct nas_head *h = &run->model->head;
    const struct nas_cell_state *s = &run->model->states[h->from];
    const struct nas_grid *g = &run->model->sizes[s->grid].grid;
    mn_real *dx = gradient_of(run);
    const mn_real *d = run->ws->reals + h->d_features;
    for (int c = 0; c < s->channels; c++) {
        for (int n = 0; n < run->n; n++) {
            mn_real *image = dx + c * g->channel + n * g->image;
            const mn_real share = d[n * h->n_features + c] / (mn_real)(g->h * g->w);
            for (ptrdiff_t p = 0; p < g->span; p++) {
                image[p] += share * g->mask[p];
            }
        }
    }
}

static void add_flat(const struct nas_run *run) {
    const struct nas_head *h = &run->model->head;
    const struct nas_cell_state *s = &run->model->states[h->from];
    const struct nas_grid *g = &run->model->sizes[s->grid].grid;
    mn_real *dx = gradient_of(run);
    const mn_real *d = run->ws->reals + h->d_features;
    for (int n = 0; n < run->n; n++) {
        for (int c = 0; c < s->channels; c++) {
            for (int y = 0; y < g->h; y++) {
                for (int x = 0; x < g->w; x++) {
                    dx[c * g->channel + n * g->image + y * g->row + x] += *d++;
                }
            }
        }
    }
}

static void linear_forward(const struct nas_run *run) {
    const struct nas_head *h = &run->model->head;
    const int ways = run->model->dims.ways, f = (int)h->n_features;
    mn_real *logits = run->ws->reals + h->logits;
    const mn_real *bias = run->w + h->bias;
    for (int n = 0; n < run->n; n++) {
        for (int c = 0; c < ways; c++) {
            logits[n * ways + c] = bias[c];
        }
    }
    nas_gemm(0, 1, run->n, ways, f, 1, run->ws->reals + h->features, f, run->w + h->weight, f, 1,
             logits, ways);
}

/* Mean cross entropy and its gradient with respect to the logits. */
static double cross_entropy(const struct nas_run *run, const int32_t *labels, int32_t *hits) {
    const struct nas_head *h = &run->model->head;
    const int ways = run->model->dims.ways;
    double loss = 0;
    *hits = 0;
    for (int n = 0; n < run->n; n++) {
        const mn_real *z = run->ws->reals + h->logits + n * ways;
        mn_real *d = run->ws->reals + h->d_logits + n * ways;
        int top = 0;
        for (int c = 1; c < ways; c++) {
            top = z[c] > z[top] ? c : top;
        }
        double sum = 0;
        for (int c = 0; c < ways; c++) {
            sum += exp((double)z[c] - (double)z[top]);
        }
        for (int c = 0; c < ways; c++) {
            const double p = exp((double)z[c] - (double)z[top]) / sum;
            d[c] = (mn_real)((p - (c == labels[n])) / run->n);
        }
        loss += log(sum) - ((double)z[labels[n]] - (double)z[top]);
        *hits += top == labels[n];
    }
    return loss / run->n;
}

void nas_head_forward(struct nas_run *run, const int32_t *labels, double *loss, int32_t *hits) {
    const struct nas_head *h = &run->model->head;
    const struct nas_cell_state *s = &run->model->states[h->from];
    if (h->kind == MN_HEAD_FLATTEN) {
        nas_grid_store(&run->model->sizes[s->grid].grid, s->channels, 0, run->n, input_of(run),
                       run->ws->reals + h->features);
    } else {
        pool_features(run);
    }
    linear_forward(run);
    *loss = cross_entropy(run, labels, hits);
}

void nas_head_backward(struct nas_run *run) {
    const struct nas_head *h = &run->model->head;
    const int ways = run->model->dims.ways, f = (int)h->n_features;
    const mn_real *d = run->ws->reals + h->d_logits;
    if (run->d_w != NULL) {
        nas_gemm(1, 0, ways, f, run->n, 1, d, ways, run->ws->reals + h->features, f, 0,
                 run->d_w + h->weight, f);
        for (int c = 0; c < ways; c++) {
            double sum = 0;
            for (int n = 0; n < run->n; n++) {
                sum += (double)d[n * ways + c];
            }
            run->d_w[h->bias + c] = (mn_real)sum;
        }
    }
    if (gradient_of(run) == NULL) {
        return;
    }
    nas_gradient_clear(run, h->from, run->model->states[h->from].relu);
    nas_gemm(0, 0, run->n, f, ways, 1, d, ways, run->w + h->weight, f, 0,
             run->ws->reals + h->d_features, f);
    if (h->kind == MN_HEAD_FLATTEN) {
        add_flat(run);
    } else {
        spread_features(run);
    }
}
