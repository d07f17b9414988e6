/* SPDX-License-Identifier: MIT */
#include "model/stage.h"

/* An operation of a plugin on a block: copied to plain arrays, computed, copied back. */

static mn_real *plain(const struct mn__run *run, enum mn__plain which) {
    const size_t n = run->model->n_plain[which];
    return n > 0 ? run->ws->reals + run->model->plain[which] : NULL;
}

/* A view's grid: temporaries of a block have a channel stride of their own. */
static struct mn__grid grid_of(const struct mn__grid *grid, struct mn__view view) {
    struct mn__grid own = *grid;
    own.channel = view.stride;
    return own;
}

static const struct mn__grid *source_grid(const struct mn__run *run, const struct mn__foreign *f) {
    return &run->model->sizes[f->grid].grid;
}

static void copy_out(const struct mn__grid *grid, int channels, const struct mn__block *b,
                     struct mn__view from, mn_real *to) {
    const struct mn__grid own = grid_of(grid, from);
    mn__grid_store(&own, channels, 0, b->n, from.at, to);
}

static mn_real *saved_at(const struct mn__run *run, const struct mn__foreign *f,
                         const struct mn__block *b) {
    return f->shape.n_saved > 0 ? mn__slot(run, f->saved) + b->n0 * f->shape.n_saved : NULL;
}

static mn_real *work_of(const struct mn__run *run, const struct mn__foreign *f) {
    return f->shape.n_work > 0 ? plain(run, MN__PLAIN_WORK) : NULL;
}

static const mn_real *weights_of(const struct mn__run *run, const struct mn__linear *l) {
    return l->foreign->n_weights > 0 ? run->w + l->weight : NULL;
}

static const struct mn_operation *table_of(const struct mn__foreign *f) {
    return &f->unit->table.operation;
}

void mn__foreign_forward(struct mn__run *run, const struct mn__linear *l,
                         const struct mn__size *size, const struct mn__block *b, struct mn__view x,
                         struct mn__view y) {
    const struct mn__foreign *f = l->foreign;
    const struct mn__grid out = grid_of(&size->grid, y);
    mn_real *from = plain(run, MN__PLAIN_X), *to = plain(run, MN__PLAIN_Y);
    if (run->status != MN_OK) {
        return;
    }
    copy_out(source_grid(run, f), l->n_in, b, x, from);
    struct mn__call call = mn__call_begin(run->cx, f->unit);
    run->status = mn__call_end(&call, table_of(f)->forward(f->unit->self, run->cx, &f->site, b->n,
                                                           weights_of(run, l), from, to,
                                                           saved_at(run, f, b), work_of(run, f)));
    if (run->status == MN_OK) {
        mn__grid_load(&out, l->n_out, 0, b->n, to, y.at);
    }
}

void mn__foreign_backward(struct mn__run *run, const struct mn__linear *l,
                          const struct mn__flow *flow, const struct mn__size *size,
                          const struct mn__block *b) {
    const struct mn__foreign *f = l->foreign;
    const struct mn__grid *source = source_grid(run, f);
    mn_real *x = plain(run, MN__PLAIN_X), *g = plain(run, MN__PLAIN_Y);
    mn_real *dx = flow->dx.at != NULL ? plain(run, MN__PLAIN_DX) : NULL;
    mn_real *d_w = run->d_w != NULL && f->n_weights > 0 ? run->d_w + l->weight : NULL;
    if (run->status != MN_OK || (dx == NULL && d_w == NULL)) {
        return;
    }
    copy_out(source, l->n_in, b, flow->x, x);
    copy_out(&size->grid, l->n_out, b, flow->g, g);
    struct mn__call call = mn__call_begin(run->cx, f->unit);
    run->status = mn__call_end(
        &call, table_of(f)->backward(f->unit->self, run->cx, &f->site, b->n, weights_of(run, l), x,
                                     saved_at(run, f, b), g, dx, d_w, work_of(run, f)));
    if (run->status != MN_OK || dx == NULL) {
        return;
    }
    const struct mn__grid to = grid_of(source, flow->dx);
    if (flow->accumulate) {
        mn__grid_add(&to, l->n_in, 0, b->n, dx, flow->dx.at);
    } else {
        mn__grid_load(&to, l->n_in, 0, b->n, dx, flow->dx.at);
    }
}
