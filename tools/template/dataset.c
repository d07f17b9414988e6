/* SPDX-License-Identifier: MIT */
/* Gratings: a class is a direction and a frequency, an image a wave of random phase. */
#include <metanas/plugin.h>

struct gratings {
    int64_t size, classes;
};

static int start(void *self, struct mn_ctx *ctx) {
    return MN_OK; /* images are drawn when they are asked for */
}

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    const struct gratings *s = self;
    out->channels = 1;
    out->height = out->width = (int32_t)s->size;
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        out->n_classes[split] = s->classes;
        out->min_samples[split] = INT32_MAX;
        out->n_images[split] = -1;
    }
    return MN_OK;
}

/* What makes up a class is a function of its number alone, so that all runs share the classes. */
static void draw(const struct gratings *s, int64_t class, struct mn_rng *rng, mn_real *out) {
    struct mn_rng fixed = mn_rng_make(0, MN_RNG_DATA, 0, (uint64_t) class, 0, 0);
    const double turn = 2 * acos(-1);
    const double angle = turn / 2 * mn_rng_uniform(&fixed);
    const double speed = turn * (1 / (double)s->size + 0.3 * mn_rng_uniform(&fixed));
    const double phase = turn * mn_rng_uniform(rng);
    for (int64_t i = 0; i < s->size * s->size; i++) {
        const double x = (double)(i % s->size), y = (double)(i / s->size);
        const double wave = sin(speed * (x * cos(angle) + y * sin(angle)) + phase);
        out[i] = (mn_real)(0.5 + 0.5 * wave);
    }
}

/* Number `way` of the classes drawn so far is unlike those before it. */
static int is_new(const int64_t *classes, int32_t way) {
    int32_t i = 0;
    for (; classes[i] != classes[way]; i++) {
    }
    return i == way;
}

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    const struct gratings *s = self;
    struct mn_rng rng = mn_rng_start(ctx, MN_RNG_CLASSES),
                  image = mn_rng_start(ctx, MN_RNG_SAMPLES);
    mn_real *support = out->support, *query = out->query;
    for (int32_t way = 0; way < spec->ways; way++) {
        do {
            out->classes[way] = mn_rng_below(&rng, (uint32_t)s->classes);
        } while (!is_new(out->classes, way));
        const int64_t class = spec->split * s->classes + out->classes[way];
        for (int32_t i = 0; i < spec->support; i++, support += s->size * s->size) {
            out->support_labels[way * spec->support + i] = way;
            draw(s, class, &image, support);
        }
        for (int32_t i = 0; i < spec->query; i++, query += s->size * s->size) {
            out->query_labels[way * spec->query + i] = way;
            draw(s, class, &image, query);
        }
    }
    return MN_OK;
}

static const struct mn_dataset table = {
    .size = sizeof table, .start = start, .describe = describe, .sample = sample};

static const struct mn_opt options[] = {
    MN_INT(struct gratings, size, 14, 8, 512, "height and width of the images"),
    MN_INT(struct gratings, classes, 100, 1, 1000000, "classes of each split"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_DATASET, "@NAME@", "waves of random phase", struct gratings, options, &table))
