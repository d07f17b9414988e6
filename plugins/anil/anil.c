/* SPDX-License-Identifier: MIT */
/* ANIL (Raghu et al. 2020): MAML in which only the last layer adapts to a task; all weights are
 * meta-learned. */
#include <metanas/extra/second_order.h>

struct anil {
    struct mn_second_order second_order; /* first: MN_SECOND_ORDER_OPTIONS */
    struct mn_texts layers;
    bool adapt_a;
};

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct anil *s = self;
    return mn_outer_start(&s->second_order.outer, ctx, dims);
}

/* "head" holds head.weight, but not header.weight. */
static int holds(const char *layer, const char *tensor) {
    const size_t length = strlen(layer);
    return strncmp(layer, tensor, length) == 0 && tensor[length] == '.';
}

/* Which of the tensors adapt; 0 where none does. */
static int mark(const struct anil *s, struct mn_ctx *ctx, const struct mn_model *model,
                int32_t n_segments, mn_real *w, int *status) {
    int any = 0;
    for (int32_t i = 0; *status == MN_OK && i < n_segments; i++) {
        struct mn_segment segment;
        int adapts = 0;
        *status = mn_model_segment(ctx, model, 0, i, &segment);
        for (int64_t k = 0; *status == MN_OK && k < s->layers.n; k++) {
            adapts |= holds(s->layers.at[k], segment.name);
        }
        if (*status == MN_OK) {
            mn_vec_fill(segment.count, (mn_real)adapts, w + segment.offset);
            any |= adapts;
        }
    }
    return any;
}

static int rates(const void *self, struct mn_ctx *ctx, const struct mn_model *model, int64_t step,
                 struct mn_point *out) {
    const struct anil *s = self;
    struct mn_dims dims;
    int status = mn_model_dims(ctx, model, &dims);
    mn_vec_fill(s->adapt_a ? 0 : s->second_order.outer.n_a, 0, out->a);
    if (status != MN_OK || s->second_order.outer.n_w == 0) {
        return status;
    }
    const int any = mark(s, ctx, model, dims.n_w_segments, out->w, &status);
    if (status == MN_OK && !any) {
        return mn_fail(ctx, MN_CONFIG,
                       "layers: no tensor of the network belongs to one of them; 'metanas "
                       "validate CONFIG --tensors' lists the tensors");
    }
    return status;
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct anil *s = self;
    return mn_second_order_delta(&s->second_order, ctx, model, task, NULL, out);
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct anil *s = self;
    return mn_outer_update(&s->second_order.outer, ctx, meta, mean_delta);
}

static const struct mn_meta_learner learner = {
    .size = sizeof learner,
    .start = start,
    .delta = delta,
    .update = update,
    .traces = mn_second_order_traces,
    .rates = rates,
};

static const struct mn_opt options[] = {
    MN_SECOND_ORDER_OPTIONS,
    MN_TEXTS(struct anil, layers, "head",
             "what adapts to a task: tensors whose name begins with one of these and a dot"),
    MN_BOOL(struct anil, adapt_a, 0, "whether the logits adapt to a task too"),
};

MN_PLUGIN("anil", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "anil", "MAML in which only the last layer adapts to a task",
                  struct anil, options, &learner))
