/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_BACKEND_H
#define NAS_BACKEND_BACKEND_H

/* The seam between what a network is and how it is computed. A backend is a folder beside cpu/; the
 * mixers and learners do not notice which one computes. */

#include "backend/classifier.h"
#include "network/model.h"

struct nas_kernels;
struct nas_mix;

/* One pass, as a backend computes it. What a mixture weighs is settled before; the gradients of its
 * items go to `mix`. */
struct nas_pass {
    struct mn_ctx *ctx;
    const struct mn_pass *options;
    const struct mn_set *batch;
    const mn_real *w;
    struct nas_mix *mix;
    const mn_real *drop; /* factors of drop path, see network/drop_path.h; NULL = 1 */
    int gradients;       /* wanted: those of `mix`, and where d_w is not NULL of the weights */
    mn_real *d_w;        /* [n_w] zeroed but for the head's, or NULL */
    mn_real *features;   /* [n][n_features] */
};

struct nas_backend {
    const char *name; /* run.backend */
    /* Make a network ready for passes of up to dims.max_batch images. `kernels` are for those who
     * compute with tables of kernels. */
    int (*prepare)(struct mn_ctx *ctx, const struct mn_model *network,
                   const struct nas_kernels *kernels, void **plan);
    void (*free)(void *plan);
    /* A lane is one thread's memory for the passes of a plan. reserve: that so many lanes will work
     * at the same time; NULL = there is nothing to do. [main] */
    int (*reserve)(struct mn_ctx *ctx, int lanes);
    int (*lane_new)(struct mn_ctx *ctx, void *plan, void **lane);
    void (*lane_free)(void *lane);
    size_t (*lane_bytes)(const void *plan);
    /* Of what all lanes read, which is filled with the first of them; 0 once it is. */
    size_t (*unfilled_bytes)(const void *plan);
    /* Write the features of pass->batch. */
    int (*forward)(void *lane, struct nas_pass *pass);
    /* After forward of the same pass, where it has gradients: those of a number whose gradient by
     * the features is d_features[n][n_features]. */
    int (*backward)(void *lane, struct nas_pass *pass, const mn_real *d_features);
};

/* NULL = there is none of that name. */
const struct nas_backend *nas_backend_find(const char *name);
/* Names of all, with commas. */
const char *nas_backend_names(void);

/* nas_network_new, and the plan of a backend. */
int nas_model_new(struct mn_ctx *ctx, const struct nas_network_units *units,
                  const struct mn_dims *dims, const struct nas_backend *backend,
                  const struct nas_kernels *kernels, struct mn_model **out);
void nas_model_free(struct mn_model *model);

/* What a worker thread needs for passes. */
struct nas_workspace {
    const struct mn_model *model;
    struct nas_arena arena;
    struct nas_mix *mix;
    mn_real *drop; /* [n_paths][max_batch], or NULL */
    void *lane;
    struct nas_classifier classifier;
    const uint8_t *keep; /* [n_choices] of all passes that name none; NULL = all stay */
};
int nas_workspace_new(struct mn_ctx *ctx, const struct mn_model *model, struct nas_workspace **out);
void nas_workspace_free(struct nas_workspace *workspace);
/* So many of them will be at work at the same time. [main] */
int nas_workspace_reserve(struct mn_ctx *ctx, const struct mn_model *model, int workspaces);
size_t nas_model_workspace_bytes(const struct mn_model *model);
/* And of what all workers read, which is filled with the first of them; 0 once it is. */
size_t nas_model_unfilled_bytes(const struct mn_model *model);

/* Service of struct mn_host, on the workspace of ctx. */
int nas_service_model_pass(struct mn_ctx *ctx, const struct mn_model *model,
                           const struct mn_point *at, const struct mn_set *batch,
                           const struct mn_pass *pass, struct mn_outcome *out);

#endif
