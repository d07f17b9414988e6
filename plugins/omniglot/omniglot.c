/* SPDX-License-Identifier: MIT */
#include "omniglot.h"

#include "../imaging/ink.h"
#include <metanas/extra/episode.h>

#include <stdio.h>

static const char *const split_choices[] = {"background_evaluation", "vinyals", NULL};
static const char *const rotation_choices[] = {"train", "all", "none", NULL};

#define SELF struct omniglot
static const struct mn_opt options[] = {
    MN_PATH(SELF, path, "", MN_OPT_REQUIRED,
            "folder of images_background.zip and images_evaluation.zip, or of both unpacked"),
    MN_CHOICE(
        SELF, split, 0, split_choices,
        "background set for training and evaluation set for tests, or the lists of Vinyals et al. "
        "(2016)"),
    MN_PATH(SELF, splits, "", 0,
            "folder of the lists train.txt, val.txt, test.txt for vinyals; none = splits_vinyals "
            "under path"),
    MN_INT(SELF, validation, 100, 0, 100000,
           "background characters held out for validation, spread evenly (background_evaluation)"),
    MN_CHOICE(SELF, rotations, 0, rotation_choices,
              "splits in which characters turned by 90, 180, 270 degrees (counter-clockwise) are "
              "classes too"),
    MN_INT(SELF, size, 28, 8, 512, "height and width of the images"),
};

static int start(void *self, struct mn_ctx *ctx) {
    const int status = omniglot_read(self, ctx);
    return status == MN_OK ? omniglot_divide(self, ctx) : status;
}

static const struct character *character_of(const struct omniglot *o, int split, int64_t which) {
    return &o->characters[o->classes[split][which].character];
}

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    const struct omniglot *o = self;
    out->channels = 1;
    out->height = out->width = (int32_t)o->size;
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        int64_t least = 0, sum = 0;
        for (int64_t i = 0; i < o->n_classes[split]; i++) {
            const int64_t n = character_of(o, split, i)->n;
            least = i == 0 || n < least ? n : least;
            sum += n;
        }
        out->n_classes[split] = o->n_classes[split];
        out->min_samples[split] = least;
        out->n_images[split] = sum;
    }
    return MN_OK;
}

/* Quarter turns counter-clockwise: after one, the right edge is on top. */
static void copy_turned(const uint8_t *in, int64_t size, int32_t turns, mn_real *out) {
    const int64_t last = size - 1;
    for (int64_t y = 0; y < size; y++) {
        for (int64_t x = 0; x < size; x++) {
            const int64_t from = turns == 0   ? y * size + x
                                 : turns == 1 ? x * size + last - y
                                 : turns == 2 ? (last - y) * size + last - x
                                              : (last - x) * size + y;
            *out++ = (mn_real)in[from] / 255;
        }
    }
}

static int64_t pool_n_images(const struct mn_episode_pool *pool, int split, int64_t which) {
    return character_of(pool->self, split, which)->n;
}

static int pool_image(const struct mn_episode_pool *pool, struct mn_ctx *ctx, int split,
                      int64_t which, int64_t number, mn_real *out) {
    const struct omniglot *o = pool->self;
    const int64_t at = character_of(o, split, which)->first + number;
    copy_turned(o->images + at * pool->reals, o->size, o->classes[split][which].turns, out);
    return MN_OK;
}

static struct mn_episode_pool pool_of(const void *self, int split) {
    const struct omniglot *o = self;
    return (struct mn_episode_pool){.self = self,
                                    .n_classes = o->n_classes[split],
                                    .reals = o->size * o->size,
                                    .n_images = pool_n_images,
                                    .image = pool_image};
}

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    const struct mn_episode_pool pool = pool_of(self, spec->split);
    return mn_episode_sample(&pool, ctx, spec, out);
}

static int64_t n_samples(const void *self, int32_t split, int64_t which) {
    const struct mn_episode_pool pool = pool_of(self, split);
    return pool_n_images(&pool, split, which);
}

static int image(const void *self, struct mn_ctx *ctx, int32_t split, int64_t which, int64_t number,
                 mn_real *out) {
    const struct mn_episode_pool pool = pool_of(self, split);
    return pool_image(&pool, ctx, split, which, number, out);
}

/* As the lists of Vinyals et al. write it. */
static int64_t class_name(const void *self, int32_t split, int64_t which, char *out, size_t size) {
    const struct omniglot *o = self;
    return snprintf(out, size, "%s/rot%03d", character_of(o, split, which)->name,
                    90 * (int)o->classes[split][which].turns);
}

static const struct mn_dataset table = {.size = sizeof table,
                                        .start = start,
                                        .describe = describe,
                                        .sample = sample,
                                        .n_samples = n_samples,
                                        .class_name = class_name,
                                        .image = image,
                                        .picture = ink_picture};

MN_PLUGIN("omniglot", "0.1.0",
          MN_UNIT(MN_DATASET, "omniglot", "1623 handwritten characters of 50 alphabets",
                  struct omniglot, options, &table))
