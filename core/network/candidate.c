/* SPDX-License-Identifier: MIT */
/* A candidate of the search space takes its place in the network. */
#include "network/builder.h"
#include "network/op.h"

/* The maps of an operation that is made of them. */
static int maps_of(struct mn_builder *b, const struct nas_op *op, int stride,
                   struct mn_op_maps *out) {
    if (op->unit != NULL) {
        const struct nas_instance *unit = op->unit;
        *out = (struct mn_op_maps){.size = sizeof *out};
        struct nas_call call = nas_call_begin(b->ctx, unit);
        TRY(nas_call_end(&call, unit->table.operation.maps(unit->self, b->ctx, stride, out)));
        const char *fault = nas_op_maps_fault(out, stride);
        return fault == NULL ? MN_OK
                             : mn_fail(b->ctx, MN_INTERNAL, "%s: at stride %d: %s", unit->label,
                                       stride, fault);
    }
    *out = *op->maps;
    for (int i = 0; i < 4; i++) {
        struct mn_op_map *map = &out->stages[i / 2].maps[i % 2];
        map->stride_y = map->stride_y == NAS_OP_SITE_STRIDE ? stride : map->stride_y;
        map->stride_x = map->stride_x == NAS_OP_SITE_STRIDE ? stride : map->stride_x;
    }
    return MN_OK;
}

static int maps_path(struct mn_builder *b, struct nas_path *path, const char *prefix) {
    static const enum nas_linear_kind kinds[] = {[MN_OP_MAP_CONV] = NAS_LINEAR_CONV,
                                                 [MN_OP_MAP_DEPTHWISE] = NAS_LINEAR_DEPTHWISE,
                                                 [MN_OP_MAP_MAX_POOL] = NAS_LINEAR_MAX_POOL,
                                                 [MN_OP_MAP_AVG_POOL] = NAS_LINEAR_AVG_POOL};
    struct mn_op_maps maps;
    TRY(maps_of(b, path->op, path->stride, &maps));
    path->none = (maps.flags & MN_OP_ZERO) != 0;
    path->identity = maps.n_stages == 0 && !path->none && path->stride == 1;
    path->n_stages = maps.n_stages;
    path->relu = (maps.flags & MN_OP_RELU_BEFORE) != 0;
    for (int s = 0; s < maps.n_stages; s++) {
        const struct mn_op_stage *from = &maps.stages[s];
        struct nas_stage *stage = &path->stage[s];
        *stage = (struct nas_stage){.n_linear = from->n_maps, .has_norm = 1};
        for (int i = 0; i < from->n_maps; i++) {
            const struct mn_op_map *map = &from->maps[i];
            stage->linear[i] = (struct nas_linear){.kind = kinds[map->kind],
                                                   .kh = map->height,
                                                   .kw = map->width,
                                                   .dilation = map->dilation,
                                                   .sh = map->stride_y,
                                                   .sw = map->stride_x,
                                                   .centred = 1,
                                                   .weight = -1};
        }
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
    TRY(nas_operations_find(b->model->units.operations, b->ctx, name, &op));
    *path = (struct nas_path){.op = op,
                              .name = op->name,
                              .source = from,
                              .stride = stride,
                              .channels = channels,
                              .index = b->model->n_paths++};
    const int custom = op->unit != NULL && op->unit->table.operation.maps == NULL;
    TRY(custom ? nas_custom_op_bind(b, path) : maps_path(b, path, prefix));
    nas_path_bind_channels(b->model, path, channels);
    snprintf(full, sizeof full, "%s.%s", prefix, path->name);
    return nas_path_weights(b, path, full, flags & MN_BUILD_AFFINE);
}
