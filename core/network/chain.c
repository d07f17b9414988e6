/* SPDX-License-Identifier: MIT */
/* A candidate of the host's maps that no single path computes: all stages but the last become
 * layers before its node, and the path goes on from there. They are computed where the candidate
 * is, and count as its own. */
#include "network/builder.h"

#include <stdlib.h>

struct chain {
    struct mn_builder *b;
    struct nas_path *path; /* of the candidate */
    const char *name;
    const struct mn_op_maps *maps;
    int n_in;
    uint32_t flags; /* MN_BUILD_AFFINE */
};

static int is_gate(const struct chain *c, int s) {
    return s >= 0 && c->maps->stages[s].maps[0].kind == MN_OP_MAP_GATE;
}

/* Channels that stage s gives; 0 where that is no whole number. */
static int stage_channels(const struct chain *c, int s) {
    const struct mn_op_stage *stage = &c->maps->stages[s];
    const int half = (c->maps->flags & MN_OP_CONCAT) != 0 && s >= c->maps->n_stages - 2;
    const div_t parts = stage->times > 0 ? div(c->n_in * stage->times, stage->over)
                                         : div(c->path->channels, half ? 2 : 1);
    return parts.rem == 0 ? parts.quot : 0;
}

/* The path of stage s, which reads n_in channels of `source`. */
static int stage_path(const struct chain *c, int s, int32_t source, int n_in, const char *name,
                      struct nas_path *path) {
    const struct mn_op_stage *stage = &c->maps->stages[s];
    path->name = "stage";
    path->source = source;
    path->relu = s > 0 ? !is_gate(c, s - 1) : (c->maps->flags & MN_OP_RELU_BEFORE) != 0;
    path->stride = stage->maps[0].stride_x * (stage->n_maps == 2 ? stage->maps[1].stride_x : 1);
    if (is_gate(c, s)) {
        path->channels = n_in;
        TRY(nas_gate_bind(c->b, path, (c->n_in * stage->times + stage->over - 1) / stage->over));
        nas_path_bind_channels(c->b->model, path, n_in);
        return nas_path_weights(c->b, path, name, 0);
    }
    path->n_stages = 1;
    nas_stage_of_maps(stage, &path->stage[0]);
    const int channels = stage_channels(c, s);
    if (channels < 1 || channels > 65536) {
        return mn_fail(c->b->ctx, MN_CONFIG,
                       "%s: %d channels in, %d out leave stage %d no whole number of channels from "
                       "1 to 65536",
                       c->name, c->n_in, c->path->channels, s + 1);
    }
    path->channels = channels;
    TRY(path->channels == n_in || nas_stage_mixes_channels(&path->stage[0])
            ? MN_OK
            : nas_channels_differ(c->b, name, n_in, path->channels));
    TRY(nas_path_bind(c->b, path, 0));
    nas_path_bind_channels(c->b->model, path, n_in);
    return nas_path_weights(c->b, path, name, c->flags);
}

/* Stage s as a layer. */
static int inner_layer(const struct chain *c, int s, int32_t source, int n_in, int32_t *state) {
    struct nas_layer *layer = NULL;
    char name[220];
    snprintf(name, sizeof name, "%s.%d", c->name, s + 1);
    TRY(nas_layer_add(c->b, name, &layer));
    TRY(nas_layer_path(c->b, layer));
    struct nas_path *path = &layer->edges[0].paths[0];
    path->index = c->b->model->n_paths++;
    TRY(stage_path(c, s, source, n_in, name, path));
    c->path->n_w += path->n_w;
    c->path->work += path->work;
    path->n_w = 0;
    path->work = 0;
    return nas_layer_output(c->b, layer, path->channels, path->size, state);
}

int nas_chain_add(struct mn_builder *b, struct nas_path *path, const char *name,
                  const struct mn_op_maps *maps, int n_in, uint32_t flags) {
    struct chain c = {b, path, name, maps, n_in, flags};
    const int concat = (maps->flags & MN_OP_CONCAT) != 0, last = maps->n_stages - 1;
    int32_t states[MN_OP_STAGES], state = path->source;
    path->inner = b->model->n_layers;
    for (int s = 0; s < (concat ? maps->n_stages : last); s++) {
        TRY(inner_layer(&c, s, state, n_in, &states[s]));
        state = states[s];
        n_in = b->model->states[state].channels;
    }
    const int64_t n_w = path->n_w;
    const double work = path->work;
    if (concat) {
        TRY(nas_concat_add(b, name, 2, states + last - 1, &state));
        b->model->states[states[last - 1]].part_of = b->model->n_layers - 1;
        b->model->states[states[last]].part_of = b->model->n_layers - 1;
        path->source = state;
        path->stride = path->identity = 1;
        path->size = b->model->states[state].size;
    } else {
        char full[220];
        snprintf(full, sizeof full, "%s.%d", name, last + 1);
        path->work = 0;
        TRY(stage_path(&c, last, state, n_in, full, path));
        path->name = path->op->name;
        path->n_w += n_w;
        path->work += work;
    }
    path->n_inner = b->model->n_layers - path->inner;
    return MN_OK;
}
