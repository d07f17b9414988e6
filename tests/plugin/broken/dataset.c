/* SPDX-License-Identifier: MIT */
/* Images of noise: a class has a mean of its own. */
#define WAYS                                                                                       \
    FINE, MIXED_LABELS, SAME_CLASSES, CLASS_OUTSIDE, OVERLAPS, SAME_TASKS, UNWRITTEN_PIXEL,        \
        OTHER_SHAPE, NO_CLASSES, OVERRUNS_IMAGES, FORGETS_STATUS, SHARES_IMAGES
#include "wrong.h"

enum { SIDE = 4, PIXELS = SIDE * SIDE, CLASSES = 9, SAMPLES = 8 };

struct dataset {
    int64_t spare;
    int64_t *order; /* of the classes */
};

static int start(void *self, struct mn_ctx *ctx) {
    struct dataset *s = self;
    s->order = mn_keep(ctx, CLASSES * sizeof *s->order);
    for (int64_t c = 0; s->order != NULL && c < CLASSES; c++) {
        s->order[c] = c;
    }
    return s->order != NULL || wrong == FORGETS_STATUS ? MN_OK : MN_NOMEM;
}

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    static int calls;
    out->channels = 1;
    out->height = SIDE;
    out->width = wrong == OTHER_SHAPE ? SIDE + calls++ : SIDE;
    for (int split = 0; split < 3; split++) {
        out->n_classes[split] = wrong == NO_CLASSES ? 0 : CLASSES;
        out->min_samples[split] = wrong == NO_CLASSES ? 0 : SAMPLES;
        out->n_images[split] = -1;
    }
    return MN_OK;
}

static void draw(struct mn_rng *rng, int64_t class, mn_real *out) {
    for (int p = 0; p < PIXELS; p++) {
        out[p] = (mn_real)((double)class + mn_rng_normal(rng));
    }
}

static void fill(struct mn_rng *rng, const int64_t *classes, int32_t ways, int32_t each,
                 mn_real *images, int32_t *labels) {
    for (int32_t i = 0; i < ways * each; i++) {
        draw(rng, classes[i / each], images + (int64_t)i * PIXELS);
        labels[i] = wrong == MIXED_LABELS ? i % ways : i / each;
    }
}

static void choose(struct mn_rng *rng, int32_t ways, int64_t *classes) {
    int64_t all[CLASSES];
    for (int64_t c = 0; c < CLASSES; c++) {
        all[c] = c;
    }
    for (int32_t c = 0; c < ways; c++) {
        const uint32_t other = (uint32_t)c + mn_rng_below(rng, (uint32_t)(CLASSES - c));
        classes[c] = all[other];
        all[other] = all[c];
    }
}

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    struct mn_ctx at = *ctx;
    if (wrong == SAME_TASKS) {
        at.where.task = at.where.meta_epoch = 0;
        at.where.seed = 0;
    }
    if (wrong == SHARES_IMAGES) {
        at.where.split = MN_TRAIN;
    }
    struct mn_rng classes = mn_rng_start(&at, MN_RNG_CLASSES);
    struct mn_rng samples = mn_rng_start(&at, MN_RNG_SAMPLES);
    choose(&classes, spec->ways, out->classes);
    if (wrong == SAME_CLASSES) {
        out->classes[spec->ways - 1] = out->classes[0];
    }
    if (wrong == CLASS_OUTSIDE) {
        out->classes[0] = CLASSES;
    }
    fill(&samples, out->classes, spec->ways, spec->support, out->support, out->support_labels);
    fill(&samples, out->classes, spec->ways, spec->query, out->query, out->query_labels);
    if (wrong == OVERLAPS) {
        mn_vec_copy(PIXELS, out->support, out->query);
    }
    if (wrong == UNWRITTEN_PIXEL) {
        memset(out->query, 0xFF, sizeof *out->query);
    }
    if (wrong == OVERRUNS_IMAGES) {
        out->support[(int64_t)spec->ways * spec->support * PIXELS] = 0;
    }
    return MN_OK;
}

static const struct mn_dataset table = {
    .size = sizeof table, .start = start, .describe = describe, .sample = sample};

static const struct mn_opt options[] = {
    MN_INT(struct dataset, spare, 1, 0, 5, "without a use"),
};

MN_PLUGIN("broken_dataset", "1.0.0",
          MN_UNIT(MN_DATASET, "dataset", "noise about the mean of a class", struct dataset, options,
                  &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
}
