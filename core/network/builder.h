/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_BUILDER_H
#define NAS_NETWORK_BUILDER_H

/* What a search space builds with. */

#include "network/graph.h"

struct mn_builder {
    struct mn_model *model;
    struct mn_ctx *ctx;
    int unfinished; /* builder calls that began and did not succeed */
    int has_head;
    uint8_t *fixed; /* of units.fixed: those that a node was built from */
};

/* builder.c: run a search space on an empty model. */
int nas_builder_run(struct mn_model *model, struct mn_ctx *ctx);

/* Services of struct mn_host. */
int nas_service_build_drop_path(struct mn_builder *b, double rate, int ramp);
int nas_service_build_conv(struct mn_builder *b, const struct mn_conv_spec *spec, int32_t *state);
int nas_service_build_reduce(struct mn_builder *b, const char *name, int32_t from, int32_t channels,
                             uint32_t flags, int32_t *state);
int nas_service_build_pool(struct mn_builder *b, const char *name, int32_t from, int32_t kind,
                           int32_t window, int32_t stride, int32_t *state);
int nas_service_build_sum(struct mn_builder *b, const char *name, int32_t n, const int32_t *states,
                          int32_t *state);
int nas_service_build_node(struct mn_builder *b, const struct mn_node_spec *spec, int32_t *state);
int nas_service_build_concat(struct mn_builder *b, const char *name, int32_t n,
                             const int32_t *states, int32_t *state);
int nas_service_build_head(struct mn_builder *b, const struct mn_head_spec *spec);

/* What a call of a search space gives: a state that exists; a layer's name and channels, before the
 * head; a struct begun with .size = sizeof. */
int nas_builder_state(struct mn_builder *b, const char *name, int32_t state);
int nas_builder_layer(struct mn_builder *b, const char *name, int channels);
int nas_builder_size(struct mn_builder *b, const char *what, uint32_t size, size_t expected);
/* nodes.c, at the end: what section genotype says that fits no node. */
int nas_builder_fixed(struct mn_builder *b);

/* layers.c: the pieces that builder.c's services put together. All return a status. */
int nas_layer_add(struct mn_builder *b, const char *name, struct nas_layer **out);
int nas_state_add(struct mn_builder *b, int channels, int size, int layer, int32_t *out);
/* n edges without paths; an edge of n_ops candidates and `passed` paths after them. */
int nas_edges_new(struct mn_builder *b, int n, struct nas_edge **out);
int nas_edge_new(struct mn_builder *b, struct nas_edge *edge, int n_ops, int passed);
/* Give a layer an edge of one path. */
int nas_layer_path(struct mn_builder *b, struct nas_layer *layer);
/* The state that a layer makes. */
int nas_layer_output(struct mn_builder *b, struct nas_layer *layer, int channels, int size,
                     int32_t *state);
/* A concatenation; of one state: another name for it. `state` may be `states`. */
int nas_concat_add(struct mn_builder *b, const char *name, int32_t n, const int32_t *states,
                   int32_t *state);
int nas_size_add(struct mn_builder *b, int height, int width, int *out);
/* A named segment of w (architecture 0) or a (1). bound: see mn_model.bounds. */
int nas_segment_add(struct mn_builder *b, int architecture, const char *name, int n_dims,
                    const int64_t *dims, double bound, int64_t *offset);
/* What is wrong with an array of weights that a plugin declares; NULL = nothing. */
const char *nas_weight_problem(const struct mn_op_weight *weight);
/* Its segment, PREFIX.NAME. */
int nas_weight_add(struct mn_builder *b, const char *prefix, const struct mn_op_weight *weight);
/* MN_INTERNAL where two segments of w or of a have the same name: files could not tell them apart.
 */
int nas_segments_check(struct mn_builder *b);
/* Record that memory ran out; returns MN_NOMEM. */
int nas_builder_no_memory(struct mn_builder *b);

/* path.c: the size of a path's output, from its source and its stride; `floor`: an odd row or
 * column that a window of two does not fill is left out. */
int nas_path_place(struct mn_builder *b, struct nas_path *path, int floor);
/* The same, where the host's maps compute it: its source serves one size at stride 2. */
int nas_path_bind(struct mn_builder *b, struct nas_path *path, int floor);
/* Channel counts of a path's maps, and its work. n_in is the source's channel count. */
void nas_path_bind_channels(struct mn_model *m, struct nas_path *path, int n_in);
/* Weights and statistics of a path, in the order of docs/state-names.md. */
int nas_path_weights(struct mn_builder *b, struct nas_path *path, const char *prefix,
                     uint32_t flags);
/* A factorised reduce and a pool of 2x2, before they are bound. */
extern const struct nas_stage nas_stage_reduce;
struct nas_stage nas_stage_pool(enum nas_linear_kind kind);
/* MN_CONFIG where the channels have no halves for a factorised reduce. */
int nas_path_even(struct mn_builder *b, const char *layer, int channels);

/* candidate.c: the path of the candidate `name` of an edge, of n_in channels in and `channels` out;
 * prefix: of its weights' names. */
int nas_candidate_add(struct mn_builder *b, struct nas_path *path, const char *prefix,
                      const char *name, const struct nas_edge *edge, int n_in, int channels,
                      uint32_t flags);
/* A stage of maps, before its channels are bound, and whether it can change their number. */
void nas_stage_of_maps(const struct mn_op_stage *from, struct nas_stage *stage);
int nas_stage_mixes_channels(const struct nas_stage *stage);
/* MN_CONFIG: what keeps the number of channels is to change it. */
int nas_channels_differ(struct mn_builder *b, const char *name, int n_in, int channels);
/* chain.c: the path of a candidate that is layers, too; name: of its weights. */
int nas_chain_add(struct mn_builder *b, struct nas_path *path, const char *name,
                  const struct mn_op_maps *maps, int n_in, uint32_t flags);

/* custom_op.c: the stage of a candidate of a plugin that computes. Its weights are added by
 * nas_path_weights through nas_custom_op_weights. */
int nas_custom_op_bind(struct mn_builder *b, struct nas_path *path, const struct nas_instance *unit,
                       int has_norm);
int nas_custom_op_weights(struct mn_builder *b, struct nas_linear *linear, const char *prefix);

/* gate.c: the stage of a gate with `hidden` channels in its middle. */
int nas_gate_bind(struct mn_builder *b, struct nas_path *path, int hidden);

/* latency.c: what is known of a candidate's time. MN_CONFIG where others are known, but not its. */
int nas_latency_bind(struct mn_builder *b, const struct nas_edge *edge, struct nas_path *path);

/* groups.c: the mixtures of a node's group, made on first use. */
int nas_group_bind(struct mn_builder *b, const struct mn_node_spec *spec, struct nas_layer *layer);
/* Once all nodes are there: the mixers accept their mixtures. */
int nas_groups_finish(struct mn_builder *b);

#endif
