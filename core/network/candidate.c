/* SPDX-License-Identifier: MIT */
#include "network/builder.h"
#include "network/op.h"

/* A candidate of the search space takes its place in the network. */

static int add_weights(struct mn_builder *b, struct nas_path *path, const char *prefix,
                       uint32_t flags) {
    char full[200];
    snprintf(full, sizeof full, "%s.%s", prefix, path->name);
    return nas_path_weights(b, path, full, flags & MN_BUILD_AFFINE);
}

/* One that computes by itself. It reads the source at full size, whatever its stride. */
static int foreign_path(struct mn_builder *b, struct nas_path *path, int stride) {
    path->n_stages = 1;
    int status = nas_path_bind_grid(b, path, stride);
    if (status == MN_OK) {
        status = nas_foreign_bind(b, path, stride);
    }
    path->relu = path->relu || b->model->states[path->source].relu;
    b->model->states[path->source].need_r |= path->relu;
    return status;
}

/* ---- one that is made of the host's maps -------------------------------------------------- */

static enum nas_linear_kind kind_of(const struct mn_op_map *map) {
    switch (map->kind) {
    case MN_OP_MAP_DEPTHWISE:
        return NAS_LINEAR_DEPTHWISE;
    case MN_OP_MAP_MAX_POOL:
        return NAS_LINEAR_MAX_POOL;
    case MN_OP_MAP_AVG_POOL:
        return NAS_LINEAR_AVG_POOL;
    default:
        return NAS_LINEAR_CONV;
    }
}

static struct nas_stage stage_of(const struct mn_op_stage *from) {
    struct nas_stage stage = {.n_linear = from->n_maps, .has_norm = 1};
    for (int i = 0; i < from->n_maps; i++) {
        const struct mn_op_map *map = &from->maps[i];
        stage.linear[i] = (struct nas_linear){.kind = kind_of(map),
                                              .kh = map->height,
                                              .kw = map->width,
                                              .dilation = map->dilation,
                                              .sh = map->stride_y,
                                              .sw = map->stride_x,
                                              .centred = 1,
                                              .weight = -1,
                                              .weight2 = -1};
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
    const int status = nas_call_end(&call, op->table->maps(op->unit->self, b->ctx, stride, out));
    const char *fault = status == MN_OK ? nas_op_maps_fault(out, stride) : NULL;
    return fault == NULL ? status
                         : mn_fail(b->ctx, MN_INTERNAL, "%s: at stride %d: %s", op->unit->label,
                                   stride, fault);
}

static int maps_path(struct mn_builder *b, struct nas_path *path, const char *prefix, int stride) {
    struct mn_op_maps maps;
    int status = ask_maps(b, path->op, stride, &maps);
    if (status != MN_OK) {
        return status;
    }
    path->none = (maps.flags & MN_OP_ZERO) != 0;
    path->identity = maps.n_stages == 0 && !path->none && stride == 1;
    const int reduces = maps.n_stages == 0 && !path->none && stride == 2;
    path->n_stages = reduces ? 1 : maps.n_stages;
    path->relu = reduces || (maps.flags & MN_OP_RELU_BEFORE) != 0;
    for (int s = 0; s < maps.n_stages; s++) {
        path->stage[s] = stage_of(&maps.stages[s]);
    }
    if (reduces) {
        path->stage[0] = nas_stage_reduce;
        status = nas_path_even(b, prefix, path->channels);
    }
    nas_path_reach(b->model, nas_op_maps_reach(&maps));
    return status != MN_OK ? status : nas_path_bind_source(b, path, stride);
}

int nas_candidate_add(struct mn_builder *b, struct nas_path *path, const char *prefix,
                      const char *name, int32_t from, int stride, int channels, uint32_t flags) {
    const struct nas_op *op;
    int status = nas_operations_find(b->operations, b->ctx, name, &op);
    if (status != MN_OK) {
        return status;
    }
    path->op = op;
    path->name = op->name;
    path->source = from;
    path->channels = channels;
    path->index = b->model->n_paths++;
    status = op->table->maps != NULL ? maps_path(b, path, prefix, stride)
                                     : foreign_path(b, path, stride);
    if (status != MN_OK) {
        return status;
    }
    nas_path_bind_channels(b->model, path, channels);
    return add_weights(b, path, prefix, flags);
}
