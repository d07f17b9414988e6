/* SPDX-License-Identifier: MIT */
/* A candidate of the search space takes its place in the network. */
#include "network/builder.h"
#include "network/op.h"

static const enum nas_linear_kind kinds[] = {[MN_OP_MAP_CONV] = NAS_LINEAR_CONV,
                                             [MN_OP_MAP_DEPTHWISE] = NAS_LINEAR_DEPTHWISE,
                                             [MN_OP_MAP_MAX_POOL] = NAS_LINEAR_MAX_POOL,
                                             [MN_OP_MAP_AVG_POOL] = NAS_LINEAR_AVG_POOL};

static struct nas_stage stage_of(const struct mn_op_stage *from) {
    struct nas_stage stage = {.n_linear = from->n_maps, .has_norm = 1};
    for (int i = 0; i < from->n_maps; i++) {
        const struct mn_op_map *map = &from->maps[i];
        stage.linear[i] = (struct nas_linear){.kind = kinds[map->kind],
                                              .kh = map->height,
                                              .kw = map->width,
                                              .dilation = map->dilation,
                                              .sh = map->stride_y,
                                              .sw = map->stride_x,
                                              .centred = 1,
                                              .weight = -1};
    }
    return stage;
}

static int ask_maps(struct mn_builder *b, const struct nas_op *op, int stride,
                    struct mn_op_maps *out) {
    *out = (struct mn_op_maps){.size = sizeof *out};
    if (op->unit == NULL) {
        return op->table->maps(op->self, b->ctx, stride, out);
    }
    struct nas_call call = nas_call_begin(b->ctx, op->unit);
    TRY(nas_call_end(&call, op->table->maps(op->unit->self, b->ctx, stride, out)));
    const char *fault = nas_op_maps_fault(out, stride);
    return fault == NULL ? MN_OK
                         : mn_fail(b->ctx, MN_INTERNAL, "%s: at stride %d: %s", op->unit->label,
                                   stride, fault);
}

/* One that is made of the host's maps. */
static int maps_path(struct mn_builder *b, struct nas_path *path, const char *prefix) {
    struct mn_op_maps maps;
    TRY(ask_maps(b, path->op, path->stride, &maps));
    path->none = (maps.flags & MN_OP_ZERO) != 0;
    path->identity = maps.n_stages == 0 && !path->none && path->stride == 1;
    path->n_stages = maps.n_stages;
    path->relu = (maps.flags & MN_OP_RELU_BEFORE) != 0;
    for (int s = 0; s < maps.n_stages; s++) {
        path->stage[s] = stage_of(&maps.stages[s]);
    }
    if (maps.n_stages == 0 && !path->none && !path->identity) {
        path->n_stages = path->relu = 1;
        path->stage[0] = nas_stage_reduce;
        TRY(nas_path_even(b, prefix, path->channels));
    }
    return nas_path_bind(b, path, 0);
}

int nas_candidate_add(struct mn_builder *b, struct nas_path *path, const char *prefix,
                      const char *name, int32_t from, int stride, int channels, uint32_t flags) {
    const struct nas_op *op;
    char full[200];
    TRY(nas_operations_find(b->operations, b->ctx, name, &op));
    *path = (struct nas_path){.op = op,
                              .name = op->name,
                              .source = from,
                              .stride = stride,
                              .channels = channels,
                              .index = b->model->n_paths++};
    TRY(op->table->maps != NULL ? maps_path(b, path, prefix) : nas_custom_op_bind(b, path));
    nas_path_bind_channels(b->model, path, channels);
    snprintf(full, sizeof full, "%s.%s", prefix, path->name);
    return nas_path_weights(b, path, full, flags & MN_BUILD_AFFINE);
}
