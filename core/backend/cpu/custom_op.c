/* SPDX-License-Identifier: MIT */
/* An operation of a plugin on a block: copied to plain arrays, computed, copied back. */
#include "backend/cpu/maps.h"
#include "backend/cpu/pass.h"

static mn_real *plain(const struct nas_run *run, enum nas_plain which) {
    const size_t n = run->plan->n_plain[which];
    return n > 0 ? run->lane->reals + run->plan->plain[which] : NULL;
}

/* A view's grid: temporaries of a block have a channel stride of their own. */
static struct nas_grid grid_of(const struct nas_grid *grid, struct nas_view view) {
    struct nas_grid of = *grid;
    of.channel = view.stride;
    return of;
}

/* What the operation gets beside the images. */
struct call {
    const struct nas_custom_op *op;
    const struct mn_operation *table;
    const mn_real *w;
    mn_real *saved, *work;
    const struct nas_grid *in, *out;
    int n_in, n_out;
};

static struct call call_of(const struct nas_run *run, const struct nas_path_use *use,
                           const struct nas_block *b) {
    const struct nas_linear *l = use->path->map[0][0].linear;
    const struct nas_custom_op *op = l->custom;
    return (struct call){
        .op = op,
        .table = &op->unit->table.operation,
        .w = op->n_weights > 0 ? run->w + l->weight : NULL,
        .saved = op->shape.n_saved > 0 ? nas_tensor_at(run, use->saved) + b->n0 * op->shape.n_saved
                                       : NULL,
        .work = op->shape.n_work > 0 ? plain(run, NAS_PLAIN_WORK) : NULL,
        .in = &run->plan->sizes[run->model->states[use->path->path->source].size].grid,
        .out = &run->plan->sizes[use->path->path->size].grid,
        .n_in = l->n_in,
        .n_out = l->n_out,
    };
}

void nas_custom_op_forward(struct nas_run *run, const struct nas_path_use *use,
                           const struct nas_block *b, struct nas_view x, struct nas_view y) {
    const struct call c = call_of(run, use, b);
    const struct nas_grid in = grid_of(c.in, x), out = grid_of(c.out, y);
    mn_real *from = plain(run, NAS_PLAIN_X), *to = plain(run, NAS_PLAIN_Y);
    if (run->status != MN_OK) {
        return;
    }
    nas_grid_store(&in, c.n_in, 0, b->n, x.at, from);
    struct nas_call call = nas_call_begin(run->pass->ctx, c.op->unit);
    run->status =
        nas_call_end(&call, c.table->forward(c.op->unit->self, run->pass->ctx, &c.op->site, b->n,
                                             c.w, from, to, c.saved, c.work));
    if (run->status == MN_OK) {
        nas_grid_load(&out, c.n_out, 0, b->n, to, y.at);
    }
}

void nas_custom_op_backward(struct nas_run *run, const struct nas_path_use *use,
                            const struct nas_block *b, const struct nas_flow *flow) {
    const struct call c = call_of(run, use, b);
    const struct nas_grid in = grid_of(c.in, flow->x), out = grid_of(c.out, flow->g);
    mn_real *x = plain(run, NAS_PLAIN_X), *g = plain(run, NAS_PLAIN_Y);
    mn_real *dx = flow->dx.at != NULL ? plain(run, NAS_PLAIN_DX) : NULL;
    mn_real *d_w = run->d_w != NULL && c.w != NULL ? run->d_w + (c.w - run->w) : NULL;
    if (run->status != MN_OK || (dx == NULL && d_w == NULL)) {
        return;
    }
    nas_grid_store(&in, c.n_in, 0, b->n, flow->x.at, x);
    nas_grid_store(&out, c.n_out, 0, b->n, flow->g.at, g);
    struct nas_call call = nas_call_begin(run->pass->ctx, c.op->unit);
    run->status =
        nas_call_end(&call, c.table->backward(c.op->unit->self, run->pass->ctx, &c.op->site, b->n,
                                              c.w, x, c.saved, g, dx, d_w, c.work));
    if (run->status != MN_OK || dx == NULL) {
        return;
    }
    const struct nas_grid to = grid_of(c.in, flow->dx);
    if (flow->accumulate) {
        nas_grid_add(&to, c.n_in, 0, b->n, dx, flow->dx.at);
    } else {
        nas_grid_load(&to, c.n_in, 0, b->n, dx, flow->dx.at);
    }
}
