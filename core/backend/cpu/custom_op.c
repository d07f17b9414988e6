/* SPDX-License-Identifier: MIT */
#include "backend/cpu/stage.h"

/* An operation of a plugin on a block: copied to plain arrays, computed, copied back. */

static mn_real *plain(const struct nas_run *run, enum nas_plain which) {
    const size_t n = run->model->n_plain[which];
    return n > 0 ? run->ws->reals + run->model->plain[which] : NULL;
}

/* A view's grid: temporaries of a block have a channel stride of their own. */
static struct nas_grid grid_of(const struct nas_grid *grid, struct nas_view view) {
    struct nas_grid own = *grid;
    own.channel = view.stride;
    return own;
}

static const struct nas_grid *source_grid(const struct nas_run *run, const struct nas_foreign *f) {
    return &run->model->sizes[f->grid].grid;
}

static void copy_out(const struct nas_grid *grid, int channels, const struct nas_block *b,
                     struct nas_view from, mn_real *to) {
    const struct nas_grid own = grid_of(grid, from);
    nas_grid_store(&own, channels, 0, b->n, from.at, to);
}

static mn_real *saved_at(const struct nas_run *run, const struct nas_foreign *f,
                         const struct nas_block *b) {
    return f->shape.n_saved > 0 ? nas_slot(run, f->saved) + b->n0 * f->shape.n_saved : NULL;
}

static mn_real *work_of(const struct nas_run *run, const struct nas_foreign *f) {
    return f->shape.n_work > 0 ? plain(run, NAS_PLAIN_WORK) : NULL;
}

static const mn_real *weights_of(const struct nas_run *run, const struct nas_linear *l) {
    return l->foreign->n_weights > 0 ? run->w + l->weight : NULL;
}

static const struct mn_operation *table_of(const struct nas_foreign *f) {
    return &f->unit->table.operation;
}

void nas_foreign_forward(struct nas_run *run, const struct nas_linear *l,
                         const struct nas_size *size, const struct nas_block *b, struct nas_view x,
                         struct nas_view y) {
    const struct nas_foreign *f = l->foreign;
    const struct nas_grid out = grid_of(&size->grid, y);
    mn_real *from = plain(run, NAS_PLAIN_X), *to = plain(run, NAS_PLAIN_Y);
    if (run->status != MN_OK) {
        return;
    }
    copy_out(source_grid(run, f), l->n_in, b, x, from);
    struct nas_call call = nas_call_begin(run->ctx, f->unit);
    run->status = nas_call_end(&call, table_of(f)->forward(f->unit->self, run->ctx, &f->site, b->n,
                                                           weights_of(run, l), from, to,
                                                           saved_at(run, f, b), work_of(run, f)));
    if (run->status == MN_OK) {
        nas_grid_load(&out, l->n_out, 0, b->n, to, y.at);
    }
}

void nas_foreign_backward(struct nas_run *run, const struct nas_linear *l,
                          const struct nas_flow *flow, const struct nas_size *size,
                          const struct nas_block *b) {
    const struct nas_foreign *f = l->foreign;
    const struct nas_grid *source = source_grid(run, f);
    mn_real *x = plain(run, NAS_PLAIN_X), *g = plain(run, NAS_PLAIN_Y);
    mn_real *dx = flow->dx.at != NULL ? plain(run, NAS_PLAIN_DX) : NULL;
    mn_real *d_w = run->d_w != NULL && f->n_weights > 0 ? run->d_w + l->weight : NULL;
    if (run->status != MN_OK || (dx == NULL && d_w == NULL)) {
        return;
    }
    copy_out(source, l->n_in, b, flow->x, x);
    copy_out(&size->grid, l->n_out, b, flow->g, g);
    struct nas_call call = nas_call_begin(run->ctx, f->unit);
    run->status = nas_call_end(
        &call, table_of(f)->backward(f->unit->self, run->ctx, &f->site, b->n, weights_of(run, l), x,
                                     saved_at(run, f, b), g, dx, d_w, work_of(run, f)));
    if (run->status != MN_OK || dx == NULL) {
        return;
    }
    const struct nas_grid to = grid_of(source, flow->dx);
    if (flow->accumulate) {
        nas_grid_add(&to, l->n_in, 0, b->n, dx, flow->dx.at);
    } else {
        nas_grid_load(&to, l->n_in, 0, b->n, dx, flow->dx.at);
    }
}
