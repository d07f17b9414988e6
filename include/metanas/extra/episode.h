/* SPDX-License-Identifier: MIT */
#ifndef METANAS_EXTRA_EPISODE_H
#define METANAS_EXTRA_EPISODE_H

/* Drawing a task from classes of images that can be counted: classes without replacement from one
 * stream, the images of each class without replacement from another, support before query. C11. */

#include "../plugin.h"

struct mn_episode_pool {
    const void *self; /* for the functions below, and so is work */
    void *work;
    int64_t n_classes; /* of the split */
    int64_t reals;     /* of an image */
    /* Images of class `which`. */
    int64_t (*n_images)(const struct mn_episode_pool *pool, int split, int64_t which);
    /* Number `image` of them, to out[reals]. */
    int (*image)(const struct mn_episode_pool *pool, struct mn_ctx *ctx, int split, int64_t which,
                 int64_t image, mn_real *out);
};

/* The first k of a random order of 0..n-1. */
static inline int mn_episode_choose(struct mn_ctx *ctx, struct mn_rng *rng, int64_t n, int64_t k,
                                    int64_t *out) {
    int64_t *order = mn_scratch(ctx, (size_t)n * sizeof *order);
    if (order == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < n; i++) {
        order[i] = i;
    }
    for (int64_t i = 0; i < k; i++) {
        const int64_t j = i + mn_rng_below(rng, (uint32_t)(n - i));
        out[i] = order[j];
        order[j] = order[i];
    }
    return MN_OK;
}

/* The images of one class of the task; `images` are those chosen. */
static inline int mn_episode_fill(const struct mn_episode_pool *pool, struct mn_ctx *ctx,
                                  const struct mn_episode_spec *spec, int32_t way,
                                  const int64_t *images, struct mn_episode *out) {
    int status = MN_OK;
    for (int32_t i = 0; status == MN_OK && i < spec->support + spec->query; i++) {
        const int is_query = i >= spec->support;
        const int64_t at = is_query ? (int64_t)way * spec->query + i - spec->support
                                    : (int64_t)way * spec->support + i;
        mn_real *to = (is_query ? out->query : out->support) + at * pool->reals;
        (is_query ? out->query_labels : out->support_labels)[at] = way;
        status = pool->image(pool, ctx, spec->split, out->classes[way], images[i], to);
    }
    return status;
}

/* What a data set's `sample` does. [worker] */
static inline int mn_episode_sample(const struct mn_episode_pool *pool, struct mn_ctx *ctx,
                                    const struct mn_episode_spec *spec, struct mn_episode *out) {
    const int64_t each = (int64_t)spec->support + spec->query;
    struct mn_rng classes = mn_rng_start(ctx, MN_RNG_CLASSES);
    struct mn_rng images = mn_rng_start(ctx, MN_RNG_SAMPLES);
    int64_t *scratch = mn_scratch(ctx, (size_t)each * sizeof *scratch);
    if (scratch == NULL) {
        return MN_NOMEM;
    }
    int status = mn_episode_choose(ctx, &classes, pool->n_classes, spec->ways, out->classes);
    for (int32_t way = 0; status == MN_OK && way < spec->ways; way++) {
        const int64_t n = pool->n_images(pool, spec->split, out->classes[way]);
        int64_t *chosen = out->samples != NULL ? out->samples + way * each : scratch;
        status = mn_episode_choose(ctx, &images, n, each, chosen);
        if (status == MN_OK) {
            status = mn_episode_fill(pool, ctx, spec, way, chosen, out);
        }
    }
    return status;
}

#endif
