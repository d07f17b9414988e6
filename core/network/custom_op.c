/* SPDX-License-Identifier: MIT */
/* An operation of a plugin that computes takes its place in the network. */
#include "network/builder.h"

#include <math.h>
#include <string.h>

static int refuse(struct mn_builder *b, const struct nas_custom_op *op, const char *what) {
    return mn_fail(b->ctx, MN_INTERNAL, "%s: %s for %d channels of %dx%d, stride %d",
                   op->unit->label, what, op->site.channels, op->site.height, op->site.width,
                   op->site.stride);
}

static int ask_shape(struct mn_builder *b, struct nas_custom_op *op) {
    struct mn_op_shape *s = &op->shape;
    *s = (struct mn_op_shape){.size = sizeof *s};
    struct nas_call call = nas_call_begin(b->ctx, op->unit);
    TRY(nas_call_end(&call, op->unit->table.operation.shape(op->unit->self, b->ctx, &op->site, s)));
    if ((s->flags & ~(uint32_t)MN_OP_RELU_BEFORE) != 0) {
        return refuse(b, op, "unknown flags");
    }
    if (s->tail < 0 || s->tail > 65536) {
        return refuse(b, op, "a tail of less than 0 or more than 65536 channels");
    }
    if (s->n_weights < 0 || s->n_weights > MN_OP_WEIGHTS ||
        (s->n_weights > 0 && op->unit->table.operation.weight == NULL)) {
        return refuse(b, op, "weights that nobody can ask for");
    }
    if (s->n_saved < 0 || s->n_saved > NAS_MOST_REALS || s->n_work < 0 ||
        s->n_work > NAS_MOST_REALS || !(s->work >= 0 && isfinite(s->work))) {
        return refuse(b, op, "sizes out of range");
    }
    return MN_OK;
}

int nas_custom_op_bind(struct mn_builder *b, struct nas_path *path, const struct nas_instance *unit,
                       int has_norm) {
    struct mn_model *m = b->model;
    struct nas_custom_op *op = nas_arena_zeroed(&m->arena, sizeof *op);
    if (op == NULL) {
        return nas_builder_no_memory(b);
    }
    TRY(nas_path_place(b, path, 0));
    const struct nas_size *in = &m->sizes[m->states[path->source].size];
    const struct nas_size *out = &m->sizes[path->size];
    op->unit = unit;
    op->site = (struct mn_op_site){.size = sizeof op->site,
                                   .stride = path->stride,
                                   .channels = path->channels,
                                   .height = in->height,
                                   .width = in->width,
                                   .out_height = out->height,
                                   .out_width = out->width};
    TRY(ask_shape(b, op));
    path->relu = path->relu || (op->shape.flags & MN_OP_RELU_BEFORE) != 0;
    path->work = op->shape.work;
    path->n_stages = 1;
    path->stage[0] = (struct nas_stage){
        .n_linear = op->shape.tail > 0 ? 2 : 1,
        .has_norm = has_norm,
        .linear = {{.kind = NAS_LINEAR_CUSTOM, .sh = 1, .sw = 1, .weight = -1, .custom = op},
                   {.kind = NAS_LINEAR_CONV,
                    .kh = 1,
                    .kw = 1,
                    .dilation = 1,
                    .sh = 1,
                    .sw = 1,
                    .centred = 1}}};
    return MN_OK;
}

/* ---- weights ------------------------------------------------------------------------------ */

int nas_custom_op_weights(struct mn_builder *b, struct nas_linear *l, const char *prefix) {
    struct nas_custom_op *op = l->custom;
    const int64_t before = b->model->dims.n_w;
    for (int32_t i = 0; i < op->shape.n_weights; i++) {
        struct mn_op_weight w = {.size = sizeof w};
        struct nas_call call = nas_call_begin(b->ctx, op->unit);
        TRY(nas_call_end(
            &call, op->unit->table.operation.weight(op->unit->self, b->ctx, &op->site, i, &w)));
        const char *problem = nas_weight_problem(&w);
        if (problem != NULL) {
            return refuse(b, op, problem);
        }
        /* The tail and the batch norm after it. */
        if (strncmp(w.name, "pw.", 3) == 0 || strncmp(w.name, "bn.", 3) == 0) {
            return refuse(b, op, "weights named pw or bn, which are the host's,");
        }
        TRY(nas_weight_add(b, prefix, &w));
    }
    op->n_weights = b->model->dims.n_w - before;
    l->weight = op->n_weights > 0 ? before : -1;
    return MN_OK;
}
