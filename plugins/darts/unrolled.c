/* SPDX-License-Identifier: MIT */
/* Second-order DARTS (Liu et al. 2019, section 2.3): the gradient of L_val(w', a) with regard to a,
 * where w' = w - xi grad_w L_train(w, a), is
 *   grad_a L_val(w', a) - xi H_aw grad_w' L_val(w', a)
 * with H_aw the mixed second derivative of L_train at (w, a). L_train and L_val are those of two
 * mini-batches of the support set. */
#include "run.h"

#define EPSILON 0.01 /* ||h v|| in the paper's footnote 2 */

int unrolled_begin(struct run *run) {
    const size_t n_w = (size_t)run->dims.n_w, n_a = (size_t)run->dims.n_a;
    struct ahead *ahead = &run->ahead;
    ahead->point.w = mn_scratch(run->ctx, n_w * sizeof(mn_real));
    ahead->d_w = mn_scratch(run->ctx, n_w * sizeof(mn_real));
    ahead->second_a = mn_scratch(run->ctx, n_a * sizeof(mn_real));
    if (ahead->point.w == NULL || ahead->d_w == NULL || ahead->second_a == NULL) {
        return MN_NOMEM;
    }
    ahead->hessian = (struct mn_hessian){
        .ctx = run->ctx, .model = run->model, .dims = &run->dims, .epsilon = EPSILON};
    return mn_hessian_room(&ahead->hessian);
}

static double rate_of(const struct run *run) {
    return run->self->unrolled_lr >= 0 ? run->self->unrolled_lr : run->w.adam.lr;
}

/* The number of the mini-batch that validates in `step`: one that trains in no step. Where the host
 * prescribes the mini-batches there is none, and that of the step serves. */
static int64_t validating(const struct run *run, int64_t step) {
    return run->batches >= 2 * run->steps ? run->steps + step : step;
}

/* w' */
static int look_ahead(struct run *run, const struct mn_point *at, int64_t step,
                      const struct mn_set *batch) {
    struct mn_outcome out;
    const int status = run_gradient(run, at, batch, step, MN_PASS_GRAD_W, &out);
    if (status != MN_OK) {
        return status;
    }
    mn_vec_axpy(run->dims.n_w, (mn_real)run->w.adam.weight_decay, at->w, run->d_w);
    mn_vec_copy(run->dims.n_w, at->w, run->ahead.point.w);
    mn_vec_sgd(run->dims.n_w, rate_of(run), run->d_w, run->ahead.point.w);
    run->ahead.point.a = at->a;
    return MN_OK;
}

/* Both gradients of L_val at (w', a). */
static int validate(struct run *run, int64_t step) {
    struct mn_set batch;
    struct mn_outcome out = {.size = sizeof out, .d_w = run->ahead.d_w, .d_a = run->d_a};
    const struct mn_pass pass = run_pass(run, step, MN_PASS_GRAD_W | MN_PASS_GRAD_A);
    const int status = run_batch(run, validating(run, step), &batch);
    return status != MN_OK
               ? status
               : mn_model_pass(run->ctx, run->model, &run->ahead.point, &batch, &pass, &out);
}

/* H_aw times the gradient at w'. */
static int second_order(struct run *run, const struct mn_point *at, int64_t step,
                        const struct mn_set *batch) {
    struct mn_hessian *h = &run->ahead.hessian;
    const struct mn_pass pass = run_pass(run, step, 0);
    const struct mn_point v = {run->ahead.d_w, NULL}, out = {NULL, run->ahead.second_a};
    h->at = at;
    h->batch = batch;
    h->pass = &pass;
    return mn_hessian_times(h, &v, &out);
}

int unrolled_gradient(struct run *run, const struct mn_point *at, int64_t step,
                      struct mn_set *batch) {
    int status = look_ahead(run, at, step, batch);
    if (status == MN_OK) {
        status = validate(run, step);
    }
    if (status == MN_OK) {
        status = run_batch(run, step, batch);
    }
    if (status == MN_OK) {
        status = second_order(run, at, step, batch);
    }
    if (status == MN_OK) {
        mn_vec_axpy(run->dims.n_a, (mn_real)-rate_of(run), run->ahead.second_a, run->d_a);
    }
    return status;
}
