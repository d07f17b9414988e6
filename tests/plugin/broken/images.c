/* SPDX-License-Identifier: MIT */
/* Images of noise that have names and numbers, and images of a user's own. */
#define WAYS                                                                                       \
    FINE, NO_IMAGE, FEW_SAMPLES, SAME_NAMES, TWO_LINES, OVERRUNS_NAME, SHORT_LENGTH, OTHER_IMAGE,  \
        SAMPLE_OUTSIDE, TAKES_ANYTHING, UNNAMED_FILE, PICTURE_NEEDS_START, SHARES_CLASSES
#include "wrong.h"

#include <stdio.h>

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
    return s->order != NULL ? MN_OK : MN_NOMEM;
}

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    out->channels = 1;
    out->height = out->width = SIDE;
    for (int split = 0; split < 3; split++) {
        out->n_classes[split] = CLASSES;
        out->min_samples[split] = SAMPLES;
        out->n_images[split] = -1;
    }
    return MN_OK;
}

static void draw(int split, int64_t which, int64_t number, mn_real *out) {
    struct mn_rng rng = mn_rng_make(7, MN_RNG_PLUGIN, wrong == SHARES_CLASSES ? 0 : (uint32_t)split,
                                    (uint64_t)which, (uint32_t)number, 0);
    for (int p = 0; p < PIXELS; p++) {
        out[p] = (mn_real)((double)which + mn_rng_normal(&rng));
    }
}

/* The first k of a random order of n. */
static void choose(struct mn_rng *rng, int32_t n, int32_t k, int64_t *out) {
    int64_t all[CLASSES + SAMPLES];
    for (int64_t i = 0; i < n; i++) {
        all[i] = i;
    }
    for (int32_t i = 0; i < k; i++) {
        const uint32_t other = (uint32_t)i + mn_rng_below(rng, (uint32_t)(n - i));
        out[i] = all[other];
        all[other] = all[i];
    }
}

/* One class of a task. */
static void fill(struct mn_rng *rng, const struct mn_episode_spec *spec, int32_t way,
                 struct mn_episode *out) {
    int64_t own[SAMPLES];
    const int32_t each = spec->support + spec->query;
    int64_t *numbers = out->samples != NULL ? out->samples + way * each : own;
    choose(rng, SAMPLES, each, numbers);
    for (int32_t i = 0; i < each; i++) {
        const int query = i >= spec->support;
        const int32_t at = query ? way * spec->query + i - spec->support : way * spec->support + i;
        draw(spec->split, out->classes[way], numbers[i],
             (query ? out->query : out->support) + at * PIXELS);
        (query ? out->query_labels : out->support_labels)[at] = way;
    }
    if (wrong == SAMPLE_OUTSIDE) {
        numbers[0] = SAMPLES;
    }
}

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    struct mn_rng classes = mn_rng_start(ctx, MN_RNG_CLASSES);
    struct mn_rng samples = mn_rng_start(ctx, MN_RNG_SAMPLES);
    choose(&classes, CLASSES, spec->ways, out->classes);
    for (int32_t way = 0; way < spec->ways; way++) {
        fill(&samples, spec, way, out);
    }
    return MN_OK;
}

static int64_t n_samples(const void *self, int32_t split, int64_t which) {
    return wrong == FEW_SAMPLES ? 1 : SAMPLES;
}

static int64_t class_name(const void *self, int32_t split, int64_t which, char *out, size_t size) {
    const int64_t number = wrong == SAME_NAMES ? which / 2 : which;
    const size_t room = wrong == OVERRUNS_NAME ? size + 8 : size;
    const int n =
        snprintf(out, room, "%s%d", wrong == TWO_LINES ? "class\n" : "class ", (int)number);
    return wrong == SHORT_LENGTH && n >= (int)size ? (int64_t)size - 1 : n;
}

static int image(const void *self, struct mn_ctx *ctx, int32_t split, int64_t which, int64_t sample,
                 mn_real *out) {
    draw(split, which, wrong == OTHER_IMAGE ? sample + 1 : sample, out);
    return MN_OK;
}

/* Only the frame of a PNG file is looked at. */
static int is_png(const struct mn_picture *in) {
    static const uint8_t begin[] = {0x89, 'P', 'N', 'G'}, end[] = {'I', 'E', 'N', 'D'};
    return in->n_bytes > 12 && memcmp(in->bytes, begin, sizeof begin) == 0 &&
           memcmp(in->bytes + in->n_bytes - 8, end, sizeof end) == 0;
}

static int picture(const void *self, struct mn_ctx *ctx, const struct mn_picture *in,
                   mn_real *out) {
    const struct dataset *s = self;
    if (wrong != TAKES_ANYTHING && !is_png(in)) {
        return mn_fail(ctx, MN_IO, "%s: no PNG file", wrong == UNNAMED_FILE ? "it" : in->name);
    }
    const int64_t which = wrong == PICTURE_NEEDS_START ? s->order[0] : 0;
    draw(0, which, in->n_bytes, out);
    return MN_OK;
}

static struct mn_dataset table = {.size = sizeof table,
                                  .start = start,
                                  .describe = describe,
                                  .sample = sample,
                                  .n_samples = n_samples,
                                  .class_name = class_name,
                                  .image = image,
                                  .picture = picture};

static const struct mn_opt options[] = {
    MN_INT(struct dataset, spare, 1, 0, 5, "without a use"),
};

MN_PLUGIN("broken_images", "1.0.0",
          MN_UNIT(MN_DATASET, "dataset", "noise about the mean of a class", struct dataset, options,
                  &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
    if (wrong == NO_IMAGE) {
        table.image = NULL;
    }
}
