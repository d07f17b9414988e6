/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <stdio.h>
#include <string.h>

MN_PRINTF(2, 3) static void put(struct mn_builder *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char part[512];
    const int length = vsnprintf(part, sizeof part, format, args);
    va_end(args);
    const size_t n = length < (int)sizeof part ? (size_t)length : sizeof part - 1;
    for (size_t i = 0; i < n; i++) {
        b->digest = (b->digest ^ (uint8_t)part[i]) * 0x100000001B3u; /* FNV-1a */
    }
    if (b->length + n < sizeof b->text) {
        memcpy(b->text + b->length, part, n + 1);
        b->length += n;
    }
}

static void check_size(const char *what, uint32_t size, size_t expected) {
    if (size != expected) {
        mock_fail("size_field", "a struct %s has size %u instead of %zu", what, size, expected);
    }
}

static const char *check_name(const char *name) {
    if (name == NULL || name[0] == '\0') {
        mock_fail("layer_name", "a layer without a name");
    }
    return name;
}

static void put_flags(struct mn_builder *b, uint32_t flags) {
    const uint32_t known =
        MN_BUILD_RELU_BEFORE | MN_BUILD_RELU_AFTER | MN_BUILD_BIAS | MN_BUILD_AFFINE;
    if ((flags & ~known) != 0) {
        mock_fail("layer_flags", "unknown builder flags 0x%x", flags & ~known);
    }
    put(b, "%s%s%s%s%s", (flags & MN_BUILD_RELU_BEFORE) != 0 ? "r" : "",
        (flags & MN_BUILD_RELU_AFTER) != 0 ? "R" : "", (flags & MN_BUILD_BIAS) != 0 ? "b" : "",
        (flags & MN_BUILD_AFFINE) != 0 ? "a" : "", flags == 0 ? "-" : "");
}

static int failing(struct mn_builder *b) {
    if (b->heads > 0) {
        mock_fail("head", "a builder call after the head");
    }
    return b->calls++ == b->fail_at;
}

static int refuse(struct mn_builder *b) {
    return mn_fail(&b->mock->ctx, MN_CONFIG, "this layer is refused");
}

static void check_state(const struct mn_builder *b, int32_t state) {
    if (state < 0 || state >= b->states) {
        mock_fail("unknown_state", "state %d is used, but there are only 0 to %d so far", state,
                  b->states - 1);
    }
}

static void put_state(struct mn_builder *b, int32_t *state) {
    *state = b->states++;
    put(b, " -> %d\n", *state);
}

static int drop_path(struct mn_builder *b, double rate, int ramp) {
    if (failing(b)) {
        return refuse(b);
    }
    put(b, "drop_path %g %d\n", rate, ramp);
    return MN_OK;
}

static int conv(struct mn_builder *b, const struct mn_conv_spec *spec, int32_t *state) {
    check_size("mn_conv_spec", spec->size, sizeof *spec);
    check_name(spec->name);
    check_state(b, spec->from);
    if (failing(b)) {
        return refuse(b);
    }
    put(b, "conv %s %d: channels %d, kernel %d, stride %d, ", spec->name, spec->from,
        spec->channels, spec->kernel, spec->stride);
    put_flags(b, spec->flags);
    const int64_t bias = (spec->flags & MN_BUILD_BIAS) != 0;
    const int64_t norm = (spec->flags & MN_BUILD_AFFINE) != 0 ? 2 : 0;
    b->n_w += spec->channels * ((int64_t)b->c * spec->kernel * spec->kernel + bias + norm);
    b->c = spec->channels;
    put_state(b, state);
    return MN_OK;
}

static int reduce(struct mn_builder *b, const char *name, int32_t from, int32_t channels,
                  uint32_t flags, int32_t *state) {
    check_state(b, from);
    if (failing(b)) {
        return refuse(b);
    }
    put(b, "reduce %s %d: channels %d, ", check_name(name), from, channels);
    put_flags(b, flags);
    put_state(b, state);
    return MN_OK;
}

static int pool(struct mn_builder *b, const char *name, int32_t from, int32_t kind, int32_t window,
                int32_t stride, int32_t *state) {
    check_state(b, from);
    if (failing(b)) {
        return refuse(b);
    }
    put(b, "%s_pool %s %d: %d, %d", kind == MN_POOL_MAX ? "max" : "avg", check_name(name), from,
        window, stride);
    b->h /= 2;
    b->w /= 2;
    put_state(b, state);
    return MN_OK;
}

static void put_edge(struct mn_builder *b, struct mn_edge_spec edge) {
    check_size("mn_edge_spec", edge.size, sizeof edge);
    check_state(b, edge.from);
    put(b, "%d/%d ", edge.from, edge.stride);
    if (edge.n_ops < 1 || edge.ops == NULL) {
        mock_fail("layer_name", "an edge without candidates");
    }
    for (int32_t o = 0; o < edge.n_ops; o++) {
        put(b, "%s%s", o > 0 ? "," : "", check_name(edge.ops[o]));
    }
    if (edge.weight != 0 && edge.weight != 1) {
        put(b, " x %g", edge.weight);
    }
}

static int node(struct mn_builder *b, const struct mn_node_spec *given, int32_t *state) {
    check_size("mn_node_spec", given->size, sizeof *given);
    const struct mn_node_spec spec = *given;
    check_name(spec.name);
    if (spec.n_edges < 1 || spec.edges == NULL || spec.edge_stride != sizeof *spec.edges) {
        mock_fail("unknown_state", "node %s has %d edges of %u bytes", spec.name, (int)spec.n_edges,
                  spec.edge_stride);
    }
    if (failing(b)) {
        return refuse(b);
    }
    put(b, "node %s [%s]: channels %d, ", spec.name, spec.group != NULL ? spec.group : "",
        spec.channels);
    put_flags(b, spec.flags);
    if (spec.partial > 1) {
        put(b, ", partial %d", spec.partial);
    }
    for (int32_t e = 0; e < spec.n_edges; e++) {
        put(b, "%s", e > 0 ? " | " : ": ");
        put_edge(b, spec.edges[e]);
    }
    put_state(b, state);
    return MN_OK;
}

static int join(struct mn_builder *b, const char *how, const char *name, int32_t n,
                const int32_t *states, int32_t *state) {
    if (failing(b)) {
        return refuse(b);
    }
    put(b, "%s %s:", how, check_name(name));
    for (int32_t i = 0; i < n; i++) {
        check_state(b, states[i]);
        put(b, " %d", states[i]);
    }
    put_state(b, state);
    return MN_OK;
}

static int concat(struct mn_builder *b, const char *name, int32_t n, const int32_t *states,
                  int32_t *state) {
    return join(b, "concat", name, n, states, state);
}

static int sum(struct mn_builder *b, const char *name, int32_t n, const int32_t *states,
               int32_t *state) {
    return join(b, "sum", name, n, states, state);
}

static int head(struct mn_builder *b, const struct mn_head_spec *spec) {
    check_size("mn_head_spec", spec->size, sizeof *spec);
    check_name(spec->name);
    check_state(b, spec->from);
    if (failing(b)) {
        return refuse(b);
    }
    b->heads++;
    const int flat = spec->kind == MN_HEAD_FLATTEN;
    put(b, "head %s %d: %s\n", spec->name, spec->from, flat ? "flatten" : "average");
    b->n_w += b->ways * ((int64_t)b->c * (flat ? b->h * b->w : 1) + 1);
    return MN_OK;
}

void record_install(struct mock *mock, struct mn_builder *builder, const struct mn_dims *dims) {
    memset(builder, 0, sizeof *builder);
    builder->mock = mock;
    builder->digest = 0xCBF29CE484222325u;
    builder->fail_at = -1;
    builder->states = 1;
    builder->h = dims->height;
    builder->w = dims->width;
    builder->c = dims->channels;
    builder->ways = dims->ways;
    mock->host.build_drop_path = drop_path;
    mock->host.build_conv = conv;
    mock->host.build_reduce = reduce;
    mock->host.build_pool = pool;
    mock->host.build_sum = sum;
    mock->host.build_node = node;
    mock->host.build_concat = concat;
    mock->host.build_head = head;
}
