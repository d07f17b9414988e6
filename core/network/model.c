/* SPDX-License-Identifier: MIT */
#include "backend/cpu/pass.h"
#include "backend/cpu/stage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- services ----------------------------------------------------------------------------- */

int nas_service_model_dims(struct mn_ctx *ctx, const struct mn_model *model, struct mn_dims *out) {
    *out = model->dims;
    return MN_OK;
}

int nas_service_model_segment(struct mn_ctx *ctx, const struct mn_model *model, int architecture,
                              int32_t index, struct mn_segment *out) {
    const int32_t n = architecture ? model->dims.n_a_segments : model->dims.n_w_segments;
    if (index < 0 || index >= n) {
        return mn_fail(ctx, MN_INTERNAL, "segment %d of %d", index, n);
    }
    *out = model->segments[architecture != 0][index];
    return MN_OK;
}

/* The structs that a plugin fills say by their size that all of them was begun. */
int nas_service_model_pass(struct mn_ctx *ctx, const struct mn_model *model,
                           const struct mn_point *at, const struct mn_set *batch,
                           const struct mn_pass *pass, struct mn_outcome *out) {
    if (pass->size != sizeof *pass || out->size != sizeof *out) {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_model_pass: the size of mn_pass is %u and that of mn_outcome %u; they "
                       "begin with .size = sizeof, which is %zu and %zu",
                       pass->size, out->size, sizeof *pass, sizeof *out);
    }
    return nas_model_pass(ctx, model, at, batch, pass, out);
}

/* ---- the model ---------------------------------------------------------------------------- */

int nas_model_outline(struct mn_ctx *ctx, const struct nas_instance *search_space,
                      const struct nas_instance *op_mixer, const struct nas_instance *input_mixer,
                      struct nas_operations *operations, const struct mn_dims *dims,
                      struct mn_model **out) {
    struct mn_model *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory to build the network");
    }
    pthread_mutex_init(&m->filling, NULL);
    m->op_mixer = op_mixer;
    m->input_mixer = input_mixer;
    m->pad = 1;
    m->dims = (struct mn_dims){.size = sizeof m->dims,
                               .ways = dims->ways,
                               .channels = dims->channels,
                               .height = dims->height,
                               .width = dims->width,
                               .max_batch = dims->max_batch};
    const int status = nas_graph_build(m, ctx, search_space, operations);
    if (status != MN_OK) {
        nas_model_free(m);
        return status;
    }
    *out = m;
    return MN_OK;
}

int nas_model_new(struct mn_ctx *ctx, const struct nas_instance *search_space,
                  const struct nas_instance *op_mixer, const struct nas_instance *input_mixer,
                  struct nas_operations *operations, const struct mn_dims *dims,
                  const struct nas_kernels *kernels, struct mn_model **out) {
    struct mn_model *m = NULL;
    int status = nas_gemm_init(ctx);
    if (status == MN_OK) {
        status = nas_model_outline(ctx, search_space, op_mixer, input_mixer, operations, dims, &m);
    }
    if (status != MN_OK) {
        return status;
    }
    m->kernels = kernels;
    status = nas_graph_plan(m, ctx);
    if (status != MN_OK) {
        nas_model_free(m);
        return status;
    }
    *out = m;
    return MN_OK;
}

void nas_model_free(struct mn_model *model) {
    if (model != NULL) {
        pthread_mutex_destroy(&model->filling);
        nas_arena_fini(&model->arena);
        free(model);
    }
}

const struct mn_dims *nas_model_dims(const struct mn_model *model) {
    return &model->dims;
}

const struct mn_segment *nas_model_segment(const struct mn_model *model, int architecture, int i) {
    return &model->segments[architecture != 0][i];
}

int nas_model_n_mixtures(const struct mn_model *model) {
    return model->n_mixtures;
}

const struct nas_mixture *nas_model_mixture(const struct mn_model *model, int i) {
    return &model->mixtures[i];
}

double nas_model_item_weight(const struct mn_model *m, int i, const mn_real *weights, int item) {
    const struct nas_mixture *x = &m->mixtures[i];
    double sum = 0;
    for (int64_t c = 0; c < x->n_choices; c++) {
        sum += m->holds[i][c * x->n_items + item] ? (double)weights[x->choice0 + c] : 0;
    }
    return sum;
}

void nas_model_init(const struct mn_model *model, uint64_t seed, double alpha_std,
                    struct mn_point *out) {
    for (int i = 0; i < model->dims.n_w_segments; i++) {
        const struct mn_segment *s = &model->segments[0][i];
        const double bound = model->bounds[i];
        struct mn_rng rng = mn_rng_make(seed, MN_RNG_INIT_W, 0, 0, (uint32_t)i, 0);
        for (int64_t j = 0; j < s->count; j++) {
            out->w[s->offset + j] = (mn_real)(bound > 0   ? bound * (2 * mn_rng_uniform(&rng) - 1)
                                              : bound < 0 ? 0
                                                          : 1);
        }
    }
    for (int i = 0; i < model->dims.n_a_segments; i++) {
        const struct mn_segment *s = &model->segments[1][i];
        struct mn_rng rng = mn_rng_make(seed, MN_RNG_INIT_A, 0, 0, (uint32_t)i, 0);
        for (int64_t j = 0; j < s->count; j++) {
            out->a[s->offset + j] = (mn_real)(alpha_std * mn_rng_normal(&rng));
        }
    }
}

/* ---- workspace ---------------------------------------------------------------------------- */

size_t nas_model_workspace_bytes(const struct mn_model *m) {
    return m->n_reals * sizeof(mn_real);
}

/* A build that looks for wrong uses of memory also checks how a workspace is shared out. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { CHECKED_PASSES = 8 };
#else
enum { CHECKED_PASSES = 0 };
#endif

/* Which channels of each act's gradients are written. */
static int written_arrays(struct nas_workspace *ws) {
    const struct mn_model *m = ws->model;
    ws->written = nas_arena_array(&ws->arena, (size_t)m->n_acts, sizeof *ws->written);
    for (int i = 0; ws->written != NULL && i < m->n_acts; i++) {
        ws->written[i] = nas_arena_array(&ws->arena, 2 * (size_t)m->acts[i].channels + 1, 1);
        if (ws->written[i] == NULL) {
            return 0;
        }
    }
    return ws->written != NULL;
}

/* What the paths of a node need while it runs. */
static int node_arrays(struct nas_workspace *ws) {
    const struct mn_model *m = ws->model;
    struct nas_arena *a = &ws->arena;
    const size_t channels = (size_t)m->most_channels, jobs = (size_t)m->most_jobs;
    const size_t stats = (size_t)m->dims.n_stats;
    ws->packed = nas_arena_array(a, m->n_packed + 64, sizeof(mn_real));
    ws->gather = nas_arena_array(a, (size_t)m->most_weights, sizeof(mn_real));
    ws->coef = nas_arena_array(a, channels, sizeof(mn_real));
    ws->norm = nas_arena_array(a, stats, sizeof(mn_real));
    ws->hidden = nas_arena_array(a, stats, sizeof(mn_real));
    ws->back = nas_arena_array(a, stats / 2 * 3, sizeof(mn_real));
    ws->sums = nas_arena_array(a, stats, sizeof(double));
    ws->block_sums = nas_arena_array(a, 2 * channels, sizeof(double));
    ws->jobs = nas_arena_array(a, jobs, sizeof *ws->jobs);
    ws->job_coef = nas_arena_array(a, 2 * jobs * channels, sizeof(mn_real));
    ws->job_sums = nas_arena_array(a, 2 * jobs * channels, sizeof(double));
    ws->terms = nas_arena_array(a, jobs, sizeof *ws->terms);
    ws->products = nas_arena_array(a, jobs, sizeof *ws->products);
    return ws->packed && ws->gather && ws->coef && ws->norm && ws->hidden && ws->back && ws->sums &&
           ws->block_sums && ws->jobs && ws->job_coef && ws->job_sums && ws->terms && ws->products;
}

static int mixture_arrays(struct nas_workspace *ws) {
    const struct mn_model *m = ws->model;
    struct nas_arena *a = &ws->arena;
    const size_t choices = (size_t)m->dims.n_choices;
    ws->weights = nas_arena_array(a, choices, sizeof(mn_real));
    ws->mixed = nas_arena_array(a, choices, sizeof(mn_real));
    ws->d_weights = nas_arena_array(a, choices, sizeof(mn_real));
    ws->logits = nas_arena_array(a, (size_t)m->dims.n_a, sizeof(mn_real));
    ws->d_logits = nas_arena_array(a, (size_t)m->dims.n_a, sizeof(mn_real));
    ws->saved = nas_arena_array(a, (size_t)m->n_saved, sizeof(mn_real));
    ws->kept = nas_arena_array(a, choices, sizeof(int32_t));
    ws->n_kept = nas_arena_array(a, (size_t)m->n_mixtures, sizeof(int32_t));
    ws->item = nas_arena_array(a, (size_t)m->n_items, sizeof(double));
    ws->d_item = nas_arena_array(a, (size_t)m->n_items, sizeof(double));
    ws->measured = nas_arena_array(a, choices, 1);
    ws->computed = nas_arena_array(a, (size_t)m->n_items, 1);
    return ws->weights && ws->mixed && ws->d_weights && ws->logits && ws->d_logits && ws->saved &&
           ws->kept && ws->n_kept && ws->item && ws->d_item && ws->measured && ws->computed;
}

static int small_arrays(struct nas_workspace *ws) {
    const struct mn_model *m = ws->model;
    struct nas_arena *a = &ws->arena;
    ws->ready = nas_arena_array(a, (size_t)m->n_states, 1);
    ws->phased = nas_arena_array(a, (size_t)m->n_states, 1);
    ws->clean = nas_arena_array(a, (size_t)m->n_slots, sizeof *ws->clean);
    ws->plan = -1;
    ws->drop = m->drop_path > 0 ? nas_arena_array(a, (size_t)m->n_paths * (size_t)m->dims.max_batch,
                                                  sizeof(mn_real))
                                : NULL;
    return ws->ready && ws->phased && ws->clean && (ws->drop || m->drop_path <= 0) &&
           written_arrays(ws) && node_arrays(ws) && mixture_arrays(ws);
}

int nas_workspace_new(struct mn_ctx *ctx, const struct mn_model *model,
                      struct nas_workspace **out) {
    struct nas_workspace *ws = calloc(1, sizeof *ws);
    if (ws == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a worker");
    }
    ws->model = model;
    nas_planes_fill((struct mn_model *)(uintptr_t)model);
    /* Fresh pages read as zero: so the padding of temporaries is zero, and stays so. */
    const size_t bytes = nas_model_workspace_bytes(model) + 4096;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || !small_arrays(ws)) {
        if (at != MAP_FAILED) {
            munmap(at, bytes);
        }
        nas_arena_fini(&ws->arena);
        free(ws);
        return mn_fail(ctx, MN_NOMEM,
                       "no memory for a worker's activations (%zu MB); use fewer workers "
                       "(run.workers), smaller batches or fewer channels",
                       bytes >> 20);
    }
    madvise(at, bytes, MADV_HUGEPAGE);
    ws->mapped = bytes;
    ws->reals = at;
    ws->poison = CHECKED_PASSES;
    *out = ws;
    return MN_OK;
}

void nas_workspace_free(struct nas_workspace *ws) {
    if (ws != NULL) {
        munmap(ws->reals, ws->mapped);
        nas_arena_fini(&ws->arena);
        free(ws);
    }
}
