/* SPDX-License-Identifier: MIT */
#ifndef METANAS_HEAD_H
#define METANAS_HEAD_H

/* head: the classifier, from the features that the last layer of a search space gives to logits. */

#include "host.h"
#include "operation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a head stands. */
struct mn_head_site {
    uint32_t size;
    int32_t ways;       /* logits of an image */
    int64_t n_features; /* of an image */
};

enum { MN_HEAD_WEIGHTS = 8 /* most arrays of weights of one head */ };

/* One batch. A head with uses_support compares the images with a support set; where the caller of a
 * pass names none (mn_pass.support), the batch is its own: then support is features. */
struct mn_head_call {
    uint32_t size;
    int32_t n, n_support;
    int32_t reserved;
    const mn_real *features;       /* [n][n_features] of the images to classify */
    const mn_real *support;        /* [n_support][n_features]; NULL without uses_support */
    const int32_t *support_labels; /* [n_support], 0..ways-1 */
    const mn_real *w;              /* the arrays of weights one after the other, or NULL */
    mn_real *logits;               /* [n][ways]: written by forward, given to backward */
    const mn_real *d_logits;       /* [n][ways] backward only, as the rest */
    mn_real *d_w;                  /* as w, written whole; NULL = not wanted */
    mn_real *d_features;           /* [n][n_features] written whole */
    mn_real *d_support;            /* [n_support][n_features] written whole, apart from d_features;
                                      NULL without uses_support */
};

/* The support set of a task at its start. The weights are arrays one after the other, as in
 * mn_head_call. */
struct mn_head_start {
    uint32_t size;
    int32_t n;
    const mn_real *features; /* [n][n_features] with the meta-learned weights */
    const int32_t *labels;   /* [n], 0..ways-1 */
    const mn_real *w;        /* meta-learned weights of the head */
    mn_real *start;          /* as w, apart from it: written whole by start */
    const mn_real *d_start;  /* as w: start_back only, as the rest */
    mn_real *d_w;            /* as w, written whole */
    mn_real *d_features;     /* [n][n_features] written whole */
};

struct mn_head {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_ctx *ctx);
    /* Optional. Arrays of weights, 0 to MN_HEAD_WEIGHTS; NULL = 0. [setup] */
    int32_t (*n_weights)(const void *self, const struct mn_head_site *site);
    /* Array `index` of the weights; named NAME.PART with the NAME that the search space gives its
     * head. Needed where n_weights is not 0. [setup] */
    int (*weight)(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                  int32_t index, struct mn_op_weight *out);
    /* Optional. 1 = it compares with the support set; NULL = 0. [setup] */
    int (*uses_support)(const void *self);
    /* The logits of a batch. Once a pass. [worker] MN_NOMEM, MN_NUMERIC. */
    int (*forward)(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                   const struct mn_head_call *call);
    /* The gradients of a number whose gradient by the logits is call->d_logits. After forward of
     * the same call, in the same thread, with what forward wrote in call->logits. [worker] */
    int (*backward)(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                    const struct mn_head_call *call);
    /* Optional. 1 = a task starts from the weights that `start` makes of its support set, not from
     * the meta-learned ones; NULL = 0. [setup] */
    int (*starts)(const void *self);
    /* With `starts`: the head's weights that a task starts from. Once a task. [worker] MN_CONFIG,
     * MN_NOMEM, MN_NUMERIC. Source: Proto-MAML (Triantafillou et al. 2020), section 3. */
    int (*start)(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                 const struct mn_head_start *call);
    /* Optional, with `starts`: its transposed Jacobian. The gradient with regard to the weights a
     * task starts from, call->d_start, becomes that with regard to features and meta-learned
     * weights. Once a task of meta-training; NULL = the gradient ends there. [worker] */
    int (*start_back)(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                      const struct mn_head_start *call);
};

#ifdef __cplusplus
}
#endif

#endif
