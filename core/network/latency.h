/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_LATENCY_H
#define NAS_NETWORK_LATENCY_H

/* Measured times of candidate operations: MN_COST_LATENCY. */

#include "network/model.h"

/* A candidate at a place: what it is called, and what goes into it. */
struct nas_latency {
    const char *operation;
    int32_t stride, channels, height, width;
    double ns; /* of an image, forward */
};

struct nas_latencies {
    const char *file; /* where they were read */
    int64_t n;
    struct nas_latency *at;
};

/* Whether two are of the same candidate at equal places. */
int nas_latency_same(const struct nas_latency *a, const struct nas_latency *b);

/* The candidates of a network, equal ones once, `none` left out; ns is 0. In arena; MN_NOMEM. */
int nas_latency_sites(struct mn_ctx *ctx, const struct mn_model *model, struct nas_arena *arena,
                      struct nas_latencies *out);

#endif
