/* SPDX-License-Identifier: MIT */
#include "run/rehearse.h"

#include "run/episode.h"

/* Normal pixels: after batch norm they are as good as any. */
static int make_set(const struct mn__experiment *e, struct mn_cx *cx, struct mn_rng *rng, int64_t n,
                    struct mn_set *out) {
    const int64_t reals = (int64_t)e->data.channels * e->data.height * e->data.width;
    mn_real *images = mn_scratch(cx, (size_t)(n * reals) * sizeof *images);
    int32_t *labels = mn_scratch(cx, (size_t)n * sizeof *labels);
    if (images == NULL || labels == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < n * reals; i++) {
        images[i] = (mn_real)mn_rng_normal(rng);
    }
    for (int64_t i = 0; i < n; i++) {
        labels[i] = (int32_t)(i % e->task.ways);
    }
    *out = (struct mn_set){.n = (int32_t)n, .images = images, .labels = labels};
    return MN_OK;
}

int mn__rehearse_task(const struct mn__experiment *e, struct mn_cx *cx, struct mn_task *out) {
    struct mn_episode_spec spec;
    struct mn_rng rng = mn_rng_start(cx, MN_RNG_DATA);
    mn__episode_spec(e, cx->where.split, &spec);
    *out = (struct mn_task){.size = sizeof *out, .ways = spec.ways, .host = e};
    const int status = make_set(e, cx, &rng, (int64_t)spec.ways * spec.support, &out->support);
    return status != MN_OK ? status
                           : make_set(e, cx, &rng, (int64_t)spec.ways * spec.query, &out->query);
}
