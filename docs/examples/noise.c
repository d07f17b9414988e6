/* SPDX-License-Identifier: MIT */
/* A data set around another one: images of meta-training with Gaussian noise. What it does not have
 * (start, describe, class_name and so on) is the other one's. */
#include <metanas/plugin.h>

struct noise {
    struct mn_nested around; /* first */
    double std;
};

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    const struct noise *s = self;
    const struct mn_dataset *inner = s->around.table;
    const struct mn_where *at = &ctx->where;
    struct mn_dataset_info d = {.size = sizeof d};
    int status = MN_NESTED(ctx, &s->around, inner->describe(s->around.self, ctx, &d));
    if (status == MN_OK) {
        status = MN_NESTED(ctx, &s->around, inner->sample(s->around.self, ctx, spec, out));
    }
    if (status != MN_OK || spec->split != MN_TRAIN || s->std <= 0) {
        return status;
    }
    /* The depth makes one around another draw other numbers. */
    struct mn_rng rng =
        mn_rng_make(at->seed, MN_RNG_PLUGIN + 100, (uint32_t)spec->split, (uint64_t)at->meta_epoch,
                    (uint32_t)at->task, (uint32_t)s->around.depth);
    const int64_t class_reals = (int64_t)spec->ways * d.channels * d.height * d.width;
    for (int64_t i = 0; i < class_reals * spec->support; i++) {
        out->support[i] += (mn_real)(s->std * mn_rng_normal(&rng));
    }
    for (int64_t i = 0; i < class_reals * spec->query; i++) {
        out->query[i] += (mn_real)(s->std * mn_rng_normal(&rng));
    }
    return MN_OK;
}

static const struct mn_dataset table = {.size = sizeof table, .sample = sample};

static const struct mn_opt options[] = {
    MN_AROUND(struct noise, around, "the data set whose images get noise"),
    MN_REAL(struct noise, std, 0.1, 0, 1000, "standard deviation of the noise"),
};

MN_PLUGIN("noise", "0.1.0",
          MN_UNIT_FLAGGED(MN_DATASET, MN_UNIT_AUGMENTS, "noise",
                          "another data set, with noise in meta-training", struct noise, options,
                          &table))
