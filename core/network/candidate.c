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
    for (int i = 0; i < 2 * MN_OP_STAGES; i++) {
        struct mn_op_map *map = &out->stages[i / 2].maps[i % 2];
        map->stride_y = map->stride_y == NAS_OP_SITE_STRIDE ? stride : map->stride_y;
        map->stride_x = map->stride_x == NAS_OP_SITE_STRIDE ? stride : map->stride_x;
    }
    return MN_OK;
}

void nas_stage_of_maps(const struct mn_op_stage *from, struct nas_stage *stage) {
    static const enum nas_linear_kind kinds[] = {[MN_OP_MAP_CONV] = NAS_LINEAR_CONV,
                                                 [MN_OP_MAP_DEPTHWISE] = NAS_LINEAR_DEPTHWISE,
                                                 [MN_OP_MAP_MAX_POOL] = NAS_LINEAR_MAX_POOL,
                                                 [MN_OP_MAP_AVG_POOL] = NAS_LINEAR_AVG_POOL};
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

static void fused_path(struct nas_path *path, const struct mn_op_maps *maps) {
    path->none = (maps->flags & MN_OP_ZERO) != 0;
    path->identity = maps->n_stages == 0 && !path->none && path->stride == 1;
    path->relu = (maps->flags & MN_OP_RELU_BEFORE) != 0;
    path->n_stages = maps->n_stages;
    for (int s = 0; s < maps->n_stages; s++) {
        nas_stage_of_maps(&maps->stages[s], &path->stage[s]);
    }
    if (maps->n_stages == 0 && !path->none && !path->identity) {
        path->n_stages = path->relu = 1;
        path->stage[0] = nas_stage_reduce;
    }
}

int nas_stage_mixes_channels(const struct nas_stage *stage) {
    const enum nas_linear_kind last = stage->linear[stage->n_linear - 1].kind;
    return last == NAS_LINEAR_CONV || last == NAS_LINEAR_REDUCE;
}

int nas_candidate_add(struct mn_builder *b, struct nas_path *path, const char *prefix,
                      const char *name, const struct nas_edge *edge, int n_in, int channels,
                      uint32_t flags) {
    const struct nas_op *op;
    struct mn_op_maps maps = {0};
    char full[200];
    TRY(nas_operations_find(b->model->units.operations, b->ctx, name, &op));
    *path = (struct nas_path){.op = op,
                              .name = op->name,
                              .source = edge->from,
                              .stride = edge->stride,
                              .channels = channels,
                              .index = b->model->n_paths++};
    snprintf(full, sizeof full, "%s.%s", prefix, path->name);
    if (op->unit != NULL && op->unit->table.operation.maps == NULL) {
        TRY(n_in == channels ? nas_custom_op_bind(b, path, op->unit, 1)
                             : nas_channels_differ(b, full, n_in, channels));
    } else {
        TRY(maps_of(b, op, path->stride, &maps));
        if (!nas_op_maps_fused(&maps)) {
            return nas_chain_add(b, path, full, &maps, n_in, flags & MN_BUILD_AFFINE);
        }
        fused_path(path, &maps);
        TRY(path->n_stages > 0 && path->stage[0].linear[0].kind == NAS_LINEAR_REDUCE
                ? nas_path_even(b, prefix, path->channels)
                : MN_OK);
        TRY(path->none || n_in == channels ||
                    (path->n_stages > 0 && nas_stage_mixes_channels(&path->stage[0]))
                ? MN_OK
                : nas_channels_differ(b, full, n_in, channels));
        TRY(nas_path_bind(b, path, 0));
    }
    nas_path_bind_channels(b->model, path, n_in);
    return nas_path_weights(b, path, full, flags & MN_BUILD_AFFINE);
}

int nas_channels_differ(struct mn_builder *b, const char *name, int n_in, int channels) {
    return mn_fail(b->ctx, MN_CONFIG,
                   "%s gets %d channels and gives as many; here it is to give %d", name, n_in,
                   channels);
}
