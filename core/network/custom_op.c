/* SPDX-License-Identifier: MIT */
#include "network/builder.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* An operation of a plugin takes its place in the network. */

enum { MOST_NAME = 100 };

static int refuse(struct mn_builder *b, const struct nas_foreign *f, const char *what) {
    return mn_fail(b->ctx, MN_INTERNAL, "%s: %s for %d channels of %dx%d, stride %d",
                   f->unit->label, what, f->site.channels, f->site.height, f->site.width,
                   f->site.stride);
}

static int check_shape(struct mn_builder *b, const struct nas_foreign *f) {
    const struct mn_op_shape *s = &f->shape;
    if ((s->flags & ~(uint32_t)MN_OP_RELU_BEFORE) != 0) {
        return refuse(b, f, "unknown flags");
    }
    if (s->tail < 0 || s->tail > 65536) {
        return refuse(b, f, "a tail of less than 0 or more than 65536 channels");
    }
    if (s->n_weights < 0 || s->n_weights > MN_OP_WEIGHTS ||
        (s->n_weights > 0 && f->unit->table.operation.weight == NULL)) {
        return refuse(b, f, "weights that nobody can ask for");
    }
    if (s->n_saved < 0 || s->n_saved > NAS_MOST_REALS || s->n_work < 0 ||
        s->n_work > NAS_MOST_REALS || !(s->work >= 0 && isfinite(s->work))) {
        return refuse(b, f, "sizes out of range");
    }
    return MN_OK;
}

static int ask_shape(struct mn_builder *b, struct nas_foreign *f) {
    f->shape = (struct mn_op_shape){.size = sizeof f->shape};
    struct nas_call call = nas_call_begin(b->ctx, f->unit);
    const int status = nas_call_end(
        &call, f->unit->table.operation.shape(f->unit->self, b->ctx, &f->site, &f->shape));
    return status != MN_OK ? status : check_shape(b, f);
}

int nas_foreign_bind(struct mn_builder *b, struct nas_path *path, int stride) {
    struct mn_model *m = b->model;
    const int source = m->states[path->source].grid;
    const struct nas_grid *in = &m->sizes[source].grid, *out = &m->sizes[path->grid].grid;
    struct nas_foreign *f = nas_arena_zeroed(&m->arena, sizeof *f);
    if (f == NULL) {
        return nas_builder_no_memory(b);
    }
    f->unit = path->op->unit;
    f->grid = source;
    f->site = (struct mn_op_site){.size = sizeof f->site,
                                  .stride = stride,
                                  .channels = path->channels,
                                  .height = in->h,
                                  .width = in->w,
                                  .out_height = out->h,
                                  .out_width = out->w};
    const int status = ask_shape(b, f);
    if (status != MN_OK) {
        return status;
    }
    path->relu = (f->shape.flags & MN_OP_RELU_BEFORE) != 0;
    path->work = f->shape.work;
    path->stage[0] = (struct nas_stage){
        .n_linear = f->shape.tail > 0 ? 2 : 1,
        .has_norm = 1,
        .linear = {{.kind = NAS_LINEAR_FOREIGN, .sh = 1, .sw = 1, .weight = -1, .foreign = f},
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

static int check_weight(struct mn_builder *b, const struct nas_foreign *f,
                        const struct mn_op_weight *w) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.";
    if (w->name == NULL || w->name[0] == '\0' || strlen(w->name) > MOST_NAME ||
        w->name[strspn(w->name, letters)] != '\0') {
        return refuse(b, f, "weights without a name of small letters, digits, '_' and '.'");
    }
    /* The tail and the batch norm after it. */
    if (strncmp(w->name, "pw.", 3) == 0 || strncmp(w->name, "bn.", 3) == 0) {
        return refuse(b, f, "weights named pw or bn, which are the host's,");
    }
    if (w->n_dims < 1 || w->n_dims > 4 || w->init < MN_OP_INIT_UNIFORM ||
        w->init > MN_OP_INIT_ZEROS || (w->init == MN_OP_INIT_UNIFORM && w->fan_in < 1)) {
        return refuse(b, f, "weights of unknown shape");
    }
    int64_t n = 1;
    for (int i = 0; i < w->n_dims; i++) {
        if (w->dims[i] < 1 || w->dims[i] > NAS_MOST_REALS / n) {
            return refuse(b, f, "weights of impossible size");
        }
        n *= w->dims[i];
    }
    return MN_OK;
}

/* See mn_model.bounds. */
static double bound_of(const struct mn_op_weight *w) {
    switch (w->init) {
    case MN_OP_INIT_ONES:
        return 0;
    case MN_OP_INIT_ZEROS:
        return -1;
    default:
        return 1 / sqrt((double)w->fan_in);
    }
}

static int add_weight(struct mn_builder *b, struct nas_foreign *f, int32_t index,
                      const char *prefix, int64_t *offset) {
    struct mn_op_weight w = {.size = sizeof w};
    char name[256];
    struct nas_call call = nas_call_begin(b->ctx, f->unit);
    int status = nas_call_end(
        &call, f->unit->table.operation.weight(f->unit->self, b->ctx, &f->site, index, &w));
    if (status == MN_OK) {
        status = check_weight(b, f, &w);
    }
    if (status != MN_OK) {
        return status;
    }
    snprintf(name, sizeof name, "%s.%s", prefix, w.name);
    return nas_segment_add(b, 0, name, w.n_dims, w.dims, bound_of(&w), offset);
}

int nas_foreign_weights(struct mn_builder *b, struct nas_path *path, struct nas_linear *l,
                        const char *prefix) {
    struct nas_foreign *f = l->foreign;
    const int64_t before = b->model->dims.n_w;
    for (int32_t i = 0; i < f->shape.n_weights; i++) {
        int64_t offset;
        const int status = add_weight(b, f, i, prefix, &offset);
        if (status != MN_OK) {
            return status;
        }
    }
    f->n_weights = b->model->dims.n_w - before;
    l->weight = f->n_weights > 0 ? before : -1;
    path->n_w += f->n_weights;
    return MN_OK;
}
