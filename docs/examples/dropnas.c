/* SPDX-License-Identifier: MIT */
/* DropNAS (Hong et al., IJCAI 2020): grouped drop path of candidates. In every step of adaptation
 * those with weights and those without are two groups, of which each candidate is dropped with
 * probability r^(1/size of the group), so that r is that of losing the whole group; at least one of
 * the group stays. What stays is weighed by softmax, and only its logits get a gradient. */
#include <metanas/plugin.h>

struct dropnas {
    double rate, temperature;
};

static int64_t n_choices(const void *self, int64_t n_items) {
    return n_items;
}

static int holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return choice == item;
}

static int has_weights(const struct mn_when *when, int64_t i) {
    return when->mixture->parameters[mn_choice(when, i)] > 0;
}

/* kept[i] = 1 for those of a group that stay. */
static void draw(const struct dropnas *s, const struct mn_when *when, int64_t n, int group,
                 struct mn_rng *rng, mn_real *kept) {
    int64_t size = 0, left = 0;
    for (int64_t i = 0; i < n; i++) {
        size += has_weights(when, i) == group;
    }
    const double drop = size > 0 ? pow(s->rate, 1 / (double)size) : 0;
    for (int64_t i = 0; i < n; i++) {
        if (has_weights(when, i) == group) {
            kept[i] = (mn_real)(mn_rng_uniform(rng) >= drop);
            left += kept[i] > 0;
        }
    }
    int64_t one = size > 0 && left == 0 ? (int64_t)mn_rng_below(rng, (uint32_t)size) : -1;
    for (int64_t i = 0; i < n && one >= 0; i++) {
        if (has_weights(when, i) == group && one-- == 0) {
            kept[i] = 1;
        }
    }
}

static int64_t n_saved(const void *self, int64_t n) {
    return n; /* the logits, those of dropped candidates far below the others */
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    const struct dropnas *s = self;
    mn_vec_fill(n, 1, saved);
    for (int group = 0; when->training && group < 2; group++) {
        draw(s, when, n, group, rng, saved);
    }
    for (int64_t i = 0; i < n; i++) {
        saved[i] = saved[i] > 0 ? logits[i] : (mn_real)-1e30;
    }
    mn_vec_softmax(n, saved, s->temperature, weights);
    return MN_OK;
}

/* That of softmax, since it is 0 where the weight is. */
static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    const struct dropnas *s = self;
    mn_vec_softmax_backward(n, weights, s->temperature, d_weights, d_logits);
    return MN_OK;
}

static int select_largest(const void *self, struct mn_ctx *ctx, int64_t n,
                          const struct mn_when *when, const mn_real *weights,
                          const mn_real *strength, uint8_t *keep) {
    int64_t top = 0;
    for (int64_t i = 0; i < n; i++) {
        keep[i] = 0;
        top = weights[i] > weights[top] ? i : top;
    }
    keep[top] = 1;
    return MN_OK;
}

static const struct mn_mixer table = {
    .size = sizeof table,
    .n_choices = n_choices,
    .n_logits = n_choices,
    .holds = holds,
    .n_saved = n_saved,
    .forward = forward,
    .backward = backward,
    .select = select_largest,
};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct dropnas, rate, 1e-5, 0, 1, MN_OPT_OPEN_MAX,
                 "probability that a whole group would be dropped; 0 = nothing is"),
    MN_REAL_OPEN(struct dropnas, temperature, 1, 0, 1e6, MN_OPT_OPEN_MIN, "of the softmax"),
};

MN_PLUGIN("dropnas", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "dropnas", "softmax with grouped drop path of candidates (DropNAS)",
                  struct dropnas, options, &table))
