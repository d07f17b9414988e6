/* SPDX-License-Identifier: MIT */
#include "network/builder.h"

#include <stdlib.h>

/* ---- services ----------------------------------------------------------------------------- */

int nas_service_model_dims(struct mn_ctx *ctx, const struct mn_model *model, struct mn_dims *out) {
    *out = model->dims;
    return MN_OK;
}

int nas_service_model_segment(struct mn_ctx *ctx, const struct mn_model *model, int architecture,
                              int32_t index, struct mn_segment *out) {
    const int32_t n = architecture ? model->dims.n_a_segments : model->dims.n_w_segments;
    if (index < 0 || index >= n) {
        return mn_fail(ctx, MN_INTERNAL, "segment %d of %d", index, n);
    }
    *out = model->segments[architecture != 0][index];
    return MN_OK;
}

int nas_service_model_mixture(struct mn_ctx *ctx, const struct mn_model *model, int32_t index,
                              struct mn_mixture *out) {
    if (index < 0 || index >= model->n_mixtures) {
        return mn_fail(ctx, MN_INTERNAL, "mixture %d of %d", index, model->n_mixtures);
    }
    *out = model->mixtures[index].about;
    return MN_OK;
}

/* ---- the network -------------------------------------------------------------------------- */

int nas_network_new(struct mn_ctx *ctx, const struct nas_network_units *units,
                    const struct mn_dims *dims, struct mn_model **out) {
    struct mn_model *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory to build the network");
    }
    m->units = *units;
    m->dims = (struct mn_dims){.size = sizeof m->dims,
                               .ways = dims->ways,
                               .channels = dims->channels,
                               .height = dims->height,
                               .width = dims->width,
                               .max_batch = dims->max_batch,
                               .max_predictions = dims->max_predictions > dims->max_batch
                                                      ? dims->max_predictions
                                                      : dims->max_batch};
    const int status = nas_builder_run(m, ctx);
    if (status != MN_OK) {
        nas_network_free(m);
        return status;
    }
    *out = m;
    return MN_OK;
}

void nas_network_free(struct mn_model *model) {
    if (model != NULL) {
        nas_arena_fini(&model->arena);
        free(model);
    }
}

int32_t nas_loss_n_weights(const struct nas_instance *loss, int32_t ways) {
    return loss != NULL && loss->table.loss.n_weights != NULL
               ? loss->table.loss.n_weights(loss->self, ways)
               : 0;
}

int64_t nas_model_loss_weights(const struct mn_model *model, int64_t *offset) {
    *offset = model->loss_weights;
    return model->n_loss_weights;
}

const struct mn_dims *nas_model_dims(const struct mn_model *model) {
    return &model->dims;
}

const struct mn_segment *nas_model_segment(const struct mn_model *model, int architecture, int i) {
    return &model->segments[architecture != 0][i];
}

int nas_model_n_mixtures(const struct mn_model *model) {
    return model->n_mixtures;
}

const struct nas_mixture *nas_model_mixture(const struct mn_model *model, int i) {
    return &model->mixtures[i];
}

double nas_model_item_weight(const struct mn_model *m, int i, const mn_real *weights, int item) {
    const struct nas_mixture *x = &m->mixtures[i];
    double sum = 0;
    for (int64_t c = 0; c < x->n_choices; c++) {
        sum += x->holds[c * x->n_items + item] ? (double)weights[x->choice0 + c] : 0;
    }
    return sum;
}

void nas_model_init(const struct mn_model *model, uint64_t seed, double alpha_std,
                    struct mn_point *out) {
    for (int i = 0; i < model->dims.n_w_segments; i++) {
        const struct mn_segment *s = &model->segments[0][i];
        const double bound = model->bounds[i];
        struct mn_rng rng = mn_rng_make(seed, MN_RNG_INIT_W, 0, 0, (uint32_t)i, 0);
        for (int64_t j = 0; j < s->count; j++) {
            out->w[s->offset + j] = (mn_real)(bound > 0   ? bound * (2 * mn_rng_uniform(&rng) - 1)
                                              : bound < 0 ? 0
                                                          : 1);
        }
    }
    for (int i = 0; i < model->dims.n_a_segments; i++) {
        const struct mn_segment *s = &model->segments[1][i];
        struct mn_rng rng = mn_rng_make(seed, MN_RNG_INIT_A, 0, 0, (uint32_t)i, 0);
        for (int64_t j = 0; j < s->count; j++) {
            out->a[s->offset + j] = (mn_real)(alpha_std * mn_rng_normal(&rng));
        }
    }
}
