/* SPDX-License-Identifier: MIT */
#ifndef METANAS_MODEL_H
#define METANAS_MODEL_H

/* The network as plugins see it: a pure function of (w, a, batch, pass). w holds the ordinary
 * weights, a the architecture logits, both flat; segments name their parts (docs/state-names.md).
 * Images are NCHW, convolution weights OIHW. The calls are in host.h. */

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mn_model; /* host-owned, immutable after setup */

struct mn_dims {
    uint32_t size;
    int32_t ways;                    /* classes of a task = logits of an image */
    int32_t channels, height, width; /* of an image */
    int32_t max_batch; /* images that a pass with gradients or MN_PASS_TRAINING may hold */
    int64_t n_w, n_a;  /* lengths of w and a */
    int64_t n_choices; /* bytes of a keep mask: one for every choice of every mixture */
    int64_t n_stats;   /* reals of a batch-norm statistics buffer */
    int32_t n_w_segments, n_a_segments;
    int64_t n_features;      /* of an image: what the head classifies */
    int32_t max_predictions; /* images that any other pass may hold, max_batch or more */
    int32_t n_mixtures;      /* see mn_model_mixture */
};

/* A named part of w or a. */
struct mn_segment {
    uint32_t size;
    int32_t n_dims;
    const char *name;
    int64_t offset, count; /* in reals */
    int64_t dims[4];       /* row-major */
};

/* A point in weight and architecture space. a is NULL where n_a is 0. */
struct mn_point {
    mn_real *w; /* [n_w] */
    mn_real *a; /* [n_a] */
};

/* Labelled images. */
struct mn_set {
    int32_t n;
    int32_t reserved;
    const mn_real *images; /* [n][channels][height][width] */
    const int32_t *labels; /* [n], 0..ways-1 */
};

/* One few-shot task. */
struct mn_task {
    uint32_t size;
    int32_t ways;
    struct mn_set support; /* D_train of the paper */
    struct mn_set query;   /* D_test of the paper */
    const void *host;      /* the host's own */
};

enum mn_cost_of {
    MN_COST_PARAMETERS = 0, /* weights */
    MN_COST_MACS = 1,       /* multiply-adds of an image, forward */
    MN_COST_LATENCY = 2     /* time in ns of an image, forward, of the candidates alone; they are
                               those of run.latency */
};

/* A term of the objective beside the loss, for d_a alone. E is what the network costs with every
 * candidate counted by its weight in the mixture (ProxylessNAS, Cai et al. 2019, Eq. 7). The term
 * is weight * E / E of all candidates. With a budget it is weight * |P / budget - 1|, where P is
 * the cost of what a prune would leave now; P goes in steps, so that its gradient is taken from E.
 */
struct mn_cost {
    uint32_t size;
    int32_t of;    /* enum mn_cost_of */
    double weight; /* 0 or more */
    double budget; /* above 0, in the unit of `of`; 0 = none */
};

enum mn_pass_flag {
    MN_PASS_GRAD_W = 1,   /* write d_w */
    MN_PASS_GRAD_A = 2,   /* write d_a */
    MN_PASS_TRAINING = 4, /* a step of adaptation: drop path and mixer noise are on */
    MN_PASS_FEATURES = 8  /* the network alone, without head and loss: out->features is all that it
                             computes, loss and hits are 0, logits must be NULL */
};

struct mn_pass {
    uint32_t size;
    uint32_t flags;
    double progress;      /* 0..1, fraction of the task's architecture steps done; 1 to evaluate;
                             see task_learner.adapt */
    int64_t step;         /* task step: with ctx->where it keys the pass's random numbers */
    const uint8_t *keep;  /* [n_choices] 1 = stays, 0 = pruned; NULL = all stay */
    const mn_real *stats; /* [n_stats] statistics to normalise with; NULL = those of the batch */
    mn_real *stats_out;   /* [n_stats] receives the batch's statistics, or NULL */
    const struct mn_cost *cost; /* NULL = none */
    /* [n_choices] gradient of a further term of the objective with regard to the mixture weights
     * (mn_outcome.mixture), which goes on to d_a beside that of the loss; NULL = none. Of a choice
     * that is not computed it does not count. */
    const mn_real *d_mixture;
    /* Images that a head with uses_support compares those of the batch with; they go through the
     * network together with the batch. NULL = the batch itself. Other heads ignore it. */
    const struct mn_set *support;
    /* [n][ways] Probabilities for the loss (distillation). NULL = none, or in a step of a task
     * those of the loss's teacher. */
    const mn_real *targets;
    /* [n][n_features] With MN_PASS_FEATURES, where gradients are asked for: they are those of a
     * number whose gradient by the features is this one. Otherwise NULL. */
    const mn_real *d_features;
};

/* What a pass gives back. Gradients are written, not added to. Optional outputs may be NULL. */
struct mn_outcome {
    uint32_t size;
    int32_t hits;      /* images whose largest logit is their label's (first of equals) */
    double loss;       /* of unit loss, a mean over the images: by default cross entropy in nats */
    mn_real *logits;   /* [n][ways] or NULL */
    mn_real *features; /* [n][n_features] or NULL */
    mn_real *d_w;      /* [n_w], needed with MN_PASS_GRAD_W */
    mn_real *d_a;      /* [n_a], needed with MN_PASS_GRAD_A */
    mn_real *mixture;  /* [n_choices] mixture weights after skipping, or NULL */
    double skip_share; /* share of candidate operations that were skipped, 0..1 */
    double cost;       /* E, with a budget P, of pass.cost; 0 without one */
};

/* What a task learner would add to one half of the point in a step. */
struct mn_update {
    uint32_t size;
    int32_t architecture; /* 0 = to w, 1 = to a */
    int64_t step;         /* of the task */
    int64_t n;            /* n_w or n_a */
    const mn_real *x;     /* [n] before the step */
    const mn_real *u;     /* [n] times the factors of mn_step_rates, if there are some */
};

/* One step of a task, as the host recorded it. */
struct mn_step {
    uint32_t size;
    uint32_t reserved;
    int64_t step;
    struct mn_point before, after; /* not to be changed */
    const mn_real *state;          /* [n_state] optimiser state before the step */
};

enum mn_adjoint_flag {
    MN_ADJOINT_FIRST_ORDER = 1 /* take the updates of the step for constants: d stays as it is
                                  (where the meta learner shapes them: as mn_shape_back leaves it),
                                  only d_rates is written */
};

/* Gradients of a number (a query loss) on their way back through one step. */
struct mn_adjoint {
    uint32_t size;
    uint32_t flags;    /* enum mn_adjoint_flag */
    double epsilon;    /* length of the displacement in finite differences of gradients, > 0 */
    struct mn_point d; /* in: with regard to the point after the step; out: before it */
    mn_real *d_state;  /* [n_state] the same for the optimiser state; the host's */
    struct mn_point d_rates; /* out: with regard to the factors of mn_step_rates, written whole;
                                each NULL = not wanted */
};

#ifdef __cplusplus
}
#endif

#endif
