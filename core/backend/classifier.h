/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CLASSIFIER_H
#define NAS_BACKEND_CLASSIFIER_H

/* From features to a loss and back: what the units head and loss compute, whichever backend
 * computes the network before them. */

#include "network/model.h"

/* A worker's memory for it. */
struct nas_classifier {
    const struct mn_model *model;
    int uses_support;
    mn_real *features, *d_features, *d_support; /* [max_predictions][n_features] */
    mn_real *logits, *d_logits;                 /* [max_predictions][ways] */
    mn_real *images; /* [max_predictions] of both sets, where there are two */
    int32_t *labels;
};

/* Whether a unit of kind head compares with the support set; whether it makes the weights that a
 * task starts from. */
int nas_head_uses_support(const struct nas_instance *head);
int nas_head_starts(const struct nas_instance *head);

/* What nas_classifier_new takes. */
size_t nas_classifier_bytes(const struct mn_model *model);
int nas_classifier_new(struct mn_ctx *ctx, const struct mn_model *model, struct nas_arena *arena,
                       struct nas_classifier *out);

/* The images that go through the network, `most` or fewer: those of the support set, then those of
 * the batch; the batch alone where the head needs no other, or the pass names none (NULL). */
int nas_classifier_images(struct nas_classifier *classifier, struct mn_ctx *ctx,
                          const struct mn_set *batch, const struct mn_set *support, int32_t most,
                          struct mn_set *all);

/* With the features of all of them: loss, hits and, where they are not NULL, logits and features of
 * the batch in *out; d_features of all, and the head's part of d_w, where `gradients` is set. */
int nas_classifier_pass(struct nas_classifier *classifier, struct mn_ctx *ctx, const mn_real *w,
                        const struct mn_set *batch, const struct mn_set *all,
                        const struct mn_pass *pass, int gradients, mn_real *d_w,
                        struct mn_outcome *out);
/* Of a pass of n images that ends with their features. */
void nas_classifier_features(const struct nas_classifier *classifier, int32_t n,
                             struct mn_outcome *out);

#endif
