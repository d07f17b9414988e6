/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_NET_H
#define TESTS_MODEL_NET_H

/* A network from a few lines of configuration, with a random point, random images and one pass. */

#include "learn/experiment.h"

struct net {
    struct nas_ctx context;
    struct mn_ctx *ctx;
    struct nas_experiment e;
    const struct mn_model *model;
    struct mn_dims dims;
    struct mn_point at;   /* random */
    struct mn_point grad; /* of the last pass */
    mn_real *logits, *features, *mixture, *stats;
    mn_real *images;
    mn_real *d_features; /* random */
    int32_t *labels;
    uint8_t *keep;
    struct mn_pass pass;
    struct mn_outcome out;
    int n;
};

/* Run a group of tests, struct CMUnitTest tests[], on every backend; returns how many failed. */
#define net_run(tests) net_run_group(tests, sizeof(tests) / sizeof((tests)[0]))
int net_run_group(const void *tests, size_t n);
/* The backend of networks that are opened from here on. */
extern const char *net_backend;

/* Build; n images of channels x height x width. The configuration gives every section it needs. */
void net_open(struct net *net, const char *config, int n, int channels, int height, int width);
void net_close(struct net *net);
/* One pass with gradients as net->pass.flags say; returns the loss, with net->pass.cost and
 * net->pass.d_mixture what is minimised; with MN_PASS_FEATURES the product of net->d_features and
 * the features. */
double net_pass(struct net *net);
/* Weights of the whole network. */
int64_t net_parameters(struct net *net);

/* Compare every gradient with central differences: elements of each segment, and the derivative
 * along random directions. Fails the test with the worst one's name. */
void net_check_gradients(struct net *net, const char *what);

#endif
