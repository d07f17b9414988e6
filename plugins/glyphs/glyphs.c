/* SPDX-License-Identifier: MIT */
#include "../imaging/ink.h"
#include <metanas/extra/episode.h>

#include <stdio.h>

/* Procedural pen-stroke characters: a class is a random set of smooth strokes, a drawing of it a
 * jittered, slanted, rescaled rendering. A pure function of (seed, class, drawing). */

enum { POINTS = 4, SEGMENTS = 12, MOST_STROKES = 8 };

struct glyphs {
    int64_t size, train_classes, val_classes, test_classes, samples, seed;
    int64_t strokes_min, strokes_max;
    double jitter, slant, rotation, scale, shift, thickness;
    uint8_t *images; /* [class][drawing][size][size], classes of all splits in a row */
};

#define SELF struct glyphs
static const struct mn_opt options[] = {
    MN_INT(SELF, size, 28, 8, 512, "height and width of the images"),
    MN_INT(SELF, train_classes, 1000, 1, 100000, "characters for meta-training"),
    MN_INT(SELF, val_classes, 200, 1, 100000, "further characters for validation"),
    MN_INT(SELF, test_classes, 400, 1, 100000, "further characters for testing"),
    MN_INT(SELF, samples, 20, 2, 1000, "drawings of each character"),
    MN_INT(SELF, seed, 1, 0, 9007199254740992.0,
           "fixes the characters; not run.seed, so that runs share them"),
    MN_INT(SELF, strokes_min, 2, 1, MOST_STROKES, "fewest strokes of a character"),
    MN_INT(SELF, strokes_max, 4, 1, MOST_STROKES, "most strokes of a character"),
    MN_REAL(SELF, jitter, 0.035, 0, 1,
            "standard deviation of a stroke's control points, in image sizes"),
    MN_REAL(SELF, slant, 0.15, 0, 2, "standard deviation of the slant, as a tangent"),
    MN_REAL(SELF, rotation, 0.12, 0, 4, "standard deviation of the rotation, in radians"),
    MN_REAL(SELF, scale, 0.12, 0, 1, "standard deviation of the logarithm of the scale"),
    MN_REAL(SELF, shift, 0.05, 0, 1, "standard deviation of the position, in image sizes"),
    MN_REAL(SELF, thickness, 0.06, 0.01, 0.5, "mean width of the pen, in image sizes"),
};

struct point {
    double x, y;
};

struct character {
    int strokes;
    struct point control[MOST_STROKES][POINTS];
};

/* How one drawing deforms its character. */
struct hand {
    double a, b, c, d; /* matrix */
    struct point shift;
    double radius; /* of the pen, in pixels */
};

static int check(const void *self, struct mn_ctx *ctx) {
    const struct glyphs *g = self;
    if (g->strokes_min > g->strokes_max) {
        return mn_bad_option(ctx, "strokes_min",
                             "%lld is more than strokes_max (%lld): lower it or raise strokes_max",
                             (long long)g->strokes_min, (long long)g->strokes_max);
    }
    return MN_OK;
}

static int64_t classes_of(const struct glyphs *g, int split) {
    return split == MN_TRAIN ? g->train_classes
           : split == MN_VAL ? g->val_classes
                             : g->test_classes;
}

/* The splits' classes follow each other. */
static int64_t first_class(const struct glyphs *g, int split) {
    return split == MN_TRAIN ? 0
           : split == MN_VAL ? g->train_classes
                             : g->train_classes + g->val_classes;
}

/* ---- drawing ------------------------------------------------------------------------------ */

static struct point random_point(struct mn_rng *rng) {
    struct point p = {0.12 + 0.76 * mn_rng_uniform(rng), 0.12 + 0.76 * mn_rng_uniform(rng)};
    return p;
}

static struct character invent(const struct glyphs *g, int64_t glyph) {
    struct mn_rng rng = mn_rng_make((uint64_t)g->seed, MN_RNG_DATA, 0, (uint64_t)glyph, 0, 0);
    struct character c = {0};
    c.strokes =
        (int)(g->strokes_min + mn_rng_below(&rng, (uint32_t)(g->strokes_max - g->strokes_min + 1)));
    for (int s = 0; s < c.strokes; s++) {
        for (int i = 0; i < POINTS; i++) {
            c.control[s][i] = random_point(&rng);
        }
        /* Half of the strokes begin where an earlier one ends, as a pen does. */
        if (s > 0 && mn_rng_uniform(&rng) < 0.5) {
            c.control[s][0] = c.control[s - 1][POINTS - 1];
        }
    }
    return c;
}

static struct hand take_pen(const struct glyphs *g, struct mn_rng *rng) {
    const double angle = g->rotation * mn_rng_normal(rng), slant = g->slant * mn_rng_normal(rng);
    const double sx = exp(g->scale * mn_rng_normal(rng)), sy = exp(g->scale * mn_rng_normal(rng));
    const double width = g->thickness * exp(0.2 * mn_rng_normal(rng));
    struct hand h;
    h.a = sx * cos(angle);
    h.b = sx * (slant * cos(angle) - sin(angle));
    h.c = sy * sin(angle);
    h.d = sy * (slant * sin(angle) + cos(angle));
    h.shift.x = g->shift * mn_rng_normal(rng);
    h.shift.y = g->shift * mn_rng_normal(rng);
    h.radius = 0.5 * width * (double)g->size;
    return h;
}

/* Unit square to pixels, about the centre. */
static struct point place(const struct hand *h, struct point p, double size) {
    const double x = p.x - 0.5, y = p.y - 0.5;
    const struct point out = {(0.5 + h->shift.x + h->a * x + h->b * y) * size,
                              (0.5 + h->shift.y + h->c * x + h->d * y) * size};
    return out;
}

static struct point bezier(const struct point *c, double t) {
    const double u = 1 - t;
    const double w[POINTS] = {u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t};
    struct point p = {0, 0};
    for (int i = 0; i < POINTS; i++) {
        p.x += w[i] * c[i].x;
        p.y += w[i] * c[i].y;
    }
    return p;
}

static double distance_to(struct point p, struct point a, struct point b) {
    const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
    double t = length > 0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / length : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

static int clamp(double v, int size) {
    return v < 0 ? 0 : v > size ? size : (int)v;
}

/* Ink where the pen passes from a to b; its edge is one pixel soft. */
static void ink(uint8_t *image, int size, struct point a, struct point b, double radius) {
    const double reach = radius + 1;
    const int x0 = clamp(fmin(a.x, b.x) - reach, size),
              x1 = clamp(fmax(a.x, b.x) + reach + 1, size);
    const int y0 = clamp(fmin(a.y, b.y) - reach, size),
              y1 = clamp(fmax(a.y, b.y) + reach + 1, size);
    for (int y = y0; y < y1; y++) {
        for (int x = x0; x < x1; x++) {
            const struct point p = {x + 0.5, y + 0.5};
            const double cover = radius + 0.5 - distance_to(p, a, b);
            const int value = cover <= 0 ? 0 : cover >= 1 ? 255 : (int)(255 * cover + 0.5);
            uint8_t *at = image + y * size + x;
            *at = value > *at ? (uint8_t)value : *at;
        }
    }
}

static void draw(const struct glyphs *g, int64_t glyph, int64_t drawing, uint8_t *image) {
    struct mn_rng rng =
        mn_rng_make((uint64_t)g->seed, MN_RNG_DATA, 1, (uint64_t)glyph, (uint32_t)drawing, 0);
    const struct character c = invent(g, glyph);
    const struct hand hand = take_pen(g, &rng);
    const double size = (double)g->size;
    for (int s = 0; s < c.strokes; s++) {
        struct point moved[POINTS];
        for (int i = 0; i < POINTS; i++) {
            moved[i].x = c.control[s][i].x + g->jitter * mn_rng_normal(&rng);
            moved[i].y = c.control[s][i].y + g->jitter * mn_rng_normal(&rng);
        }
        struct point from = place(&hand, moved[0], size);
        for (int k = 1; k <= SEGMENTS; k++) {
            const struct point to = place(&hand, bezier(moved, (double)k / SEGMENTS), size);
            ink(image, (int)g->size, from, to, hand.radius);
            from = to;
        }
    }
}

/* ---- dataset ------------------------------------------------------------------------------ */

static int start(void *self, struct mn_ctx *ctx) {
    struct glyphs *g = self;
    const int64_t classes = g->train_classes + g->val_classes + g->test_classes;
    const size_t pixels = (size_t)(g->size * g->size);
    int filled;
    g->images = mn_keep_shared(ctx, (size_t)classes * (size_t)g->samples * pixels, &filled);
    if (g->images == NULL) {
        return MN_NOMEM;
    }
    for (int64_t glyph = 0; !filled && glyph < classes; glyph++) {
        for (int64_t i = 0; i < g->samples; i++) {
            draw(g, glyph, i, g->images + (size_t)(glyph * g->samples + i) * pixels);
        }
        if (mn_cancelled(ctx)) {
            return mn_fail(ctx, MN_CANCELLED, "stopped while drawing the characters");
        }
    }
    return MN_OK;
}

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    const struct glyphs *g = self;
    (void)ctx;
    out->channels = 1;
    out->height = out->width = (int32_t)g->size;
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        out->n_classes[split] = classes_of(g, split);
        out->min_samples[split] = g->samples;
        out->n_images[split] = classes_of(g, split) * g->samples;
    }
    return MN_OK;
}

static int64_t pool_n_images(const struct mn_episode_pool *pool, int split, int64_t which) {
    const struct glyphs *g = pool->self;
    return g->samples;
}

static int pool_image(const struct mn_episode_pool *pool, struct mn_ctx *ctx, int split,
                      int64_t which, int64_t number, mn_real *out) {
    const struct glyphs *g = pool->self;
    const int64_t at = (first_class(g, split) + which) * g->samples + number;
    const uint8_t *from = g->images + at * pool->reals;
    for (int64_t p = 0; p < pool->reals; p++) {
        out[p] = (mn_real)from[p] / 255;
    }
    return MN_OK;
}

static struct mn_episode_pool pool_of(const void *self, int split) {
    const struct glyphs *g = self;
    return (struct mn_episode_pool){.self = self,
                                    .n_classes = classes_of(g, split),
                                    .reals = g->size * g->size,
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

static int64_t class_name(const void *self, int32_t split, int64_t which, char *out, size_t size) {
    return snprintf(out, size, "glyph%lld", (long long)(first_class(self, split) + which));
}

static const struct mn_dataset table = {.size = sizeof table,
                                        .check = check,
                                        .start = start,
                                        .describe = describe,
                                        .sample = sample,
                                        .n_samples = n_samples,
                                        .class_name = class_name,
                                        .image = image,
                                        .picture = ink_picture};

MN_PLUGIN("glyphs", "0.1.0",
          MN_UNIT(MN_DATASET, "glyphs", "procedural pen-stroke characters, no download needed",
                  struct glyphs, options, &table))
