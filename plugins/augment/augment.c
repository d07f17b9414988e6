/* SPDX-License-Identifier: MIT */
/* A data set whose images are changed at random: mirrored, turned, moved, with a square cut out.
 * All that is new in an image is 0, the paper of ink and, where pixels are normalised, their mean.
 */
#include <metanas/plugin.h>

struct augment {
    struct mn_nested around; /* first */
    int64_t shift, cutout;
    double rotation, flip;
    bool evaluation;
    int32_t channels, height, width; /* set by start */
};

enum { SEED_AUGMENT = MN_RNG_PLUGIN + 2 };

/* Of one image, drawn whatever the options are: one of them changes nothing of the others. */
struct change {
    double dx, dy, angle;
    int flip;
    int64_t cut_x, cut_y; /* centre of the square */
};

static double within(struct mn_rng *rng, double most) {
    return most * (2 * mn_rng_uniform(rng) - 1);
}

static struct change draw(const struct augment *s, struct mn_rng *rng) {
    struct change c;
    c.dx = floor(within(rng, (double)s->shift + 0.5) + 0.5);
    c.dy = floor(within(rng, (double)s->shift + 0.5) + 0.5);
    c.angle = within(rng, s->rotation) * 3.14159265358979323846 / 180;
    c.flip = mn_rng_uniform(rng) < s->flip;
    c.cut_x = mn_rng_below(rng, (uint32_t)s->width);
    c.cut_y = mn_rng_below(rng, (uint32_t)s->height);
    return c;
}

static double pixel(const struct augment *s, const mn_real *plane, double y, double x) {
    return y >= 0 && x >= 0 && y < s->height && x < s->width
               ? (double)plane[(int64_t)y * s->width + (int64_t)x]
               : 0;
}

/* Between the four pixels around the place; at a pixel it is that one. */
static double between(const struct augment *s, const mn_real *plane, double y, double x) {
    const double y0 = floor(y), x0 = floor(x), fy = y - y0, fx = x - x0;
    const double above = (1 - fx) * pixel(s, plane, y0, x0) + fx * pixel(s, plane, y0, x0 + 1);
    const double below =
        (1 - fx) * pixel(s, plane, y0 + 1, x0) + fx * pixel(s, plane, y0 + 1, x0 + 1);
    return (1 - fy) * above + fy * below;
}

static int is_cut(const struct augment *s, const struct change *c, int64_t y, int64_t x) {
    const int64_t top = c->cut_y - s->cutout / 2, left = c->cut_x - s->cutout / 2;
    return y >= top && y < top + s->cutout && x >= left && x < left + s->cutout;
}

/* Where each pixel of the changed image comes from, about the centre. */
static void change(const struct augment *s, const struct change *c, const mn_real *in,
                   mn_real *out) {
    const double cy = 0.5 * (s->height - 1), cx = 0.5 * (s->width - 1);
    const double cosine = cos(c->angle), sine = sin(c->angle);
    const int64_t plane = (int64_t)s->height * s->width;
    for (int64_t y = 0; y < s->height; y++) {
        for (int64_t x = 0; x < s->width; x++) {
            const double v = (double)y - cy - c->dy, u = (double)x - cx - c->dx;
            const double from_y = cy + cosine * v + sine * u;
            const double turned_x = cx + cosine * u - sine * v;
            const double from_x = c->flip ? 2 * cx - turned_x : turned_x;
            const int cut = is_cut(s, c, y, x);
            for (int64_t k = 0; k < s->channels; k++) {
                out[k * plane + y * s->width + x] =
                    cut ? 0 : (mn_real)between(s, in + k * plane, from_y, from_x);
            }
        }
    }
}

/* ---- dataset ------------------------------------------------------------------------------ */

static int start(void *self, struct mn_ctx *ctx) {
    struct augment *s = self;
    const struct mn_dataset *inner = s->around.table;
    struct mn_dataset_info info = {.size = sizeof info};
    int status = MN_NESTED(ctx, &s->around, inner->start(s->around.self, ctx));
    if (status != MN_OK) {
        return status;
    }
    status = MN_NESTED(ctx, &s->around, inner->describe(s->around.self, ctx, &info));
    if (status != MN_OK && inner->stop != NULL) {
        inner->stop(s->around.self);
    }
    s->channels = info.channels;
    s->height = info.height;
    s->width = info.width;
    return status;
}

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    const struct augment *s = self;
    const struct mn_dataset *inner = s->around.table;
    const struct mn_where *at = &ctx->where;
    const int status = MN_NESTED(ctx, &s->around, inner->sample(s->around.self, ctx, spec, out));
    const int changes = s->shift > 0 || s->rotation > 0 || s->flip > 0 || s->cutout > 0;
    if (status != MN_OK || !changes || (spec->split != MN_TRAIN && !s->evaluation)) {
        return status;
    }
    /* depth: one around another draws other numbers */
    struct mn_rng rng =
        mn_rng_make(at->seed, SEED_AUGMENT, (uint32_t)spec->split, (uint64_t)at->meta_epoch,
                    (uint32_t)at->task, (uint32_t)s->around.depth);
    const int64_t reals = (int64_t)s->channels * s->height * s->width;
    const int64_t support = (int64_t)spec->ways * spec->support;
    const int64_t all = support + (int64_t)spec->ways * spec->query;
    mn_real *before = mn_scratch(ctx, (size_t)reals * sizeof *before);
    if (before == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < all; i++) {
        mn_real *image =
            i < support ? out->support + i * reals : out->query + (i - support) * reals;
        const struct change drawn = draw(s, &rng);
        mn_vec_copy(reals, image, before);
        change(s, &drawn, before, image);
    }
    return MN_OK;
}

static const struct mn_dataset table = {.size = sizeof table, .start = start, .sample = sample};

static const struct mn_opt options[] = {
    MN_AROUND(struct augment, around, "the data set whose images are changed"),
    MN_INT(struct augment, shift, 0, 0, 1000, "most pixels by which an image is moved, each way"),
    MN_REAL(struct augment, rotation, 0, 0, 180, "most degrees by which it is turned, either way"),
    MN_REAL(struct augment, flip, 0, 0, 1, "probability that it is mirrored, left to right"),
    MN_INT(struct augment, cutout, 0, 0, 1000,
           "side of a square, in pixels, that is cut out of it; 0 = none"),
    MN_BOOL_FLAGS(struct augment, evaluation, false, MN_OPT_EVALUATION,
                  "tasks of validation and test are changed too, but for those of a list"),
};

MN_PLUGIN("augment", "0.1.0",
          MN_UNIT_FLAGGED(MN_DATASET, MN_UNIT_AUGMENTS, "augment",
                          "another data set, its images changed at random in meta-training",
                          struct augment, options, &table))
