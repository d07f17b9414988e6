/* SPDX-License-Identifier: MIT */
#include "record.h"

#include "check.h"

#include <stdio.h>

MN_PRINTF(2, 3) static void put(struct mn_builder *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(b->text + b->length, sizeof b->text - b->length, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof b->text - b->length);
    b->length += (size_t)n;
}

static void put_flags(struct mn_builder *b, uint32_t flags) {
    const uint32_t known =
        MN_BUILD_RELU_BEFORE | MN_BUILD_RELU_AFTER | MN_BUILD_BIAS | MN_BUILD_AFFINE;
    assert_int_equal(flags & ~known, 0);
    put(b, "%s%s%s%s%s", (flags & MN_BUILD_RELU_BEFORE) != 0 ? "r" : "",
        (flags & MN_BUILD_RELU_AFTER) != 0 ? "R" : "", (flags & MN_BUILD_BIAS) != 0 ? "b" : "",
        (flags & MN_BUILD_AFFINE) != 0 ? "a" : "", flags == 0 ? "-" : "");
}

static int failing(struct mn_builder *b) {
    return b->calls++ == b->fail_at;
}

static void check_state(const struct mn_builder *b, int32_t state) {
    assert_true(state >= 0 && state < b->states);
}

static void put_state(struct mn_builder *b, int32_t *state) {
    *state = b->states++;
    put(b, " -> %d\n", *state);
}

static int drop_path(struct mn_builder *b, double rate, int ramp) {
    if (failing(b)) {
        return MN_CONFIG;
    }
    put(b, "drop_path %g %d\n", rate, ramp);
    return MN_OK;
}

static int conv(struct mn_builder *b, const struct mn_conv_spec *spec, int32_t *state) {
    assert_int_equal(spec->size, sizeof *spec);
    check_state(b, spec->from);
    if (failing(b)) {
        return MN_CONFIG;
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
        return MN_CONFIG;
    }
    put(b, "reduce %s %d: channels %d, ", name, from, channels);
    put_flags(b, flags);
    put_state(b, state);
    return MN_OK;
}

static int max_pool(struct mn_builder *b, const char *name, int32_t from, int32_t window,
                    int32_t stride, int32_t *state) {
    check_state(b, from);
    if (failing(b)) {
        return MN_CONFIG;
    }
    put(b, "max_pool %s %d: %d, %d", name, from, window, stride);
    b->h /= 2;
    b->w /= 2;
    put_state(b, state);
    return MN_OK;
}

static int node(struct mn_builder *b, const struct mn_node_spec *spec, int32_t *state) {
    assert_int_equal(spec->size, sizeof *spec);
    assert_int_equal(spec->edge_stride, sizeof *spec->edges);
    if (failing(b)) {
        return MN_CONFIG;
    }
    put(b, "node %s [%s]: channels %d, ", spec->name, spec->group != NULL ? spec->group : "",
        spec->channels);
    put_flags(b, spec->flags);
    if (spec->partial > 1) {
        put(b, ", partial %d", spec->partial);
    }
    for (int32_t e = 0; e < spec->n_edges; e++) {
        const struct mn_edge_spec *edge = &spec->edges[e];
        assert_int_equal(edge->size, sizeof *edge);
        check_state(b, edge->from);
        put(b, "%s%d/%d ", e > 0 ? " | " : ": ", edge->from, edge->stride);
        for (int32_t o = 0; o < edge->n_ops; o++) {
            put(b, "%s%s", o > 0 ? "," : "", edge->ops[o]);
        }
    }
    put_state(b, state);
    return MN_OK;
}

static int concat(struct mn_builder *b, const char *name, int32_t n, const int32_t *states,
                  int32_t *state) {
    if (failing(b)) {
        return MN_CONFIG;
    }
    put(b, "concat %s:", name);
    for (int32_t i = 0; i < n; i++) {
        check_state(b, states[i]);
        put(b, " %d", states[i]);
    }
    put_state(b, state);
    return MN_OK;
}

static int head(struct mn_builder *b, const struct mn_head_spec *spec) {
    assert_int_equal(spec->size, sizeof *spec);
    check_state(b, spec->from);
    if (failing(b)) {
        return MN_CONFIG;
    }
    const int flat = spec->kind == MN_HEAD_FLATTEN;
    put(b, "head %s %d: %s\n", spec->name, spec->from, flat ? "flatten" : "average");
    b->n_w += b->ways * ((int64_t)b->c * (flat ? b->h * b->w : 1) + 1);
    return MN_OK;
}

void record_install(struct mock *mock, struct mn_builder *builder, const struct mn_dims *dims) {
    memset(builder, 0, sizeof *builder);
    builder->fail_at = -1;
    builder->states = 1;
    builder->h = dims->height;
    builder->w = dims->width;
    builder->c = dims->channels;
    builder->ways = dims->ways;
    mock->host.build_drop_path = drop_path;
    mock->host.build_conv = conv;
    mock->host.build_reduce = reduce;
    mock->host.build_max_pool = max_pool;
    mock->host.build_node = node;
    mock->host.build_concat = concat;
    mock->host.build_head = head;
}
