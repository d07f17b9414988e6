/* SPDX-License-Identifier: MIT */
#ifndef METANAS_EXTRA_HESSIAN_H
#define METANAS_EXTRA_HESSIAN_H

/* Hessian of the loss of one mini-batch times a vector, from two gradients (DARTS, Liu et al. 2019,
 * Eq. 8): with x = (w, a), H v = [grad L(x + h v) - grad L(x - h v)] / 2h, h = epsilon / ||v||. */

#include "../plugin.h"

struct mn_hessian {
    struct mn_ctx *ctx;
    const struct mn_model *model;
    const struct mn_dims *dims;
    const struct mn_point *at;
    const struct mn_set *batch;
    const struct mn_pass *pass; /* its flags without those of gradients */
    double epsilon;             /* length of the displacement h v */
    struct mn_point near, plus; /* room, from mn_hessian_room */
};

static inline int mn_hessian_room(struct mn_hessian *h) {
    const size_t n = (size_t)(h->dims->n_w + h->dims->n_a);
    mn_real *reals = mn_scratch(h->ctx, 2 * n * sizeof *reals);
    if (reals == NULL) {
        return MN_NOMEM;
    }
    h->near = (struct mn_point){reals, h->dims->n_a > 0 ? reals + h->dims->n_w : NULL};
    reals += n;
    h->plus = (struct mn_point){reals, h->dims->n_a > 0 ? reals + h->dims->n_w : NULL};
    return MN_OK;
}

/* The gradient at `at` + s v. v.w or v.a may be NULL = 0; so may out.w or out.a = not wanted. */
static inline int mn_hessian_gradient(struct mn_hessian *h, double s, const struct mn_point *v,
                                      const struct mn_point *out) {
    const int64_t n_w = h->dims->n_w, n_a = h->dims->n_a;
    struct mn_pass pass = *h->pass;
    struct mn_outcome outcome = {.size = sizeof outcome, .d_w = out->w, .d_a = out->a};
    pass.flags |= (out->w != NULL ? MN_PASS_GRAD_W : 0u) | (out->a != NULL ? MN_PASS_GRAD_A : 0u);
    mn_vec_copy(n_w, h->at->w, h->near.w);
    mn_vec_copy(n_a, h->at->a, h->near.a);
    if (v->w != NULL) {
        mn_vec_axpy(n_w, (mn_real)s, v->w, h->near.w);
    }
    if (v->a != NULL) {
        mn_vec_axpy(n_a, (mn_real)s, v->a, h->near.a);
    }
    return mn_model_pass(h->ctx, h->model, &h->near, h->batch, &pass, &outcome);
}

/* out = (plus - out) * scale, where out holds the gradient on the minus side. */
static inline void mn_hessian_difference(int64_t n, double scale, const mn_real *plus,
                                         mn_real *out) {
    for (int64_t i = 0; i < n; i++) {
        out[i] = (mn_real)(((double)plus[i] - (double)out[i]) * scale);
    }
}

/* out = H v; NULLs as above. */
static inline int mn_hessian_times(struct mn_hessian *h, const struct mn_point *v,
                                   const struct mn_point *out) {
    const int64_t n_w = h->dims->n_w, n_a = h->dims->n_a;
    const double square = (v->w != NULL ? mn_vec_dot(n_w, v->w, v->w) : 0) +
                          (v->a != NULL ? mn_vec_dot(n_a, v->a, v->a) : 0);
    const struct mn_point plus = {out->w != NULL ? h->plus.w : NULL,
                                  out->a != NULL ? h->plus.a : NULL};
    if (square == 0) {
        mn_vec_fill(out->w != NULL ? n_w : 0, 0, out->w);
        mn_vec_fill(out->a != NULL ? n_a : 0, 0, out->a);
        return MN_OK;
    }
    const double step = h->epsilon / sqrt(square);
    int status = mn_hessian_gradient(h, step, v, &plus);
    if (status == MN_OK) {
        status = mn_hessian_gradient(h, -step, v, out);
    }
    if (status == MN_OK) {
        mn_hessian_difference(out->w != NULL ? n_w : 0, 0.5 / step, plus.w, out->w);
        mn_hessian_difference(out->a != NULL ? n_a : 0, 0.5 / step, plus.a, out->a);
    }
    return status;
}

#endif
