/* SPDX-License-Identifier: MIT */
#include "toy.h"

#include "check.h"

#define HITS_SHARE 0.5
#define SKIP_SHARE 0.125

double toy_image(int64_t step) {
    return 0.4 * (double)step + 0.25;
}

double toy_loss(const double *w, const double *a, double image, double progress, double *dw,
                double *da) {
    double loss = 0;
    for (int i = 0; i < TOY_W; i++) {
        const double off = w[i] - sin(image + i);
        const double coupled = a != NULL && i < TOY_A ? a[i] : 0;
        loss += 0.5 * (i + 1) * off * off;
        if (dw != NULL) {
            dw[i] = (i + 1) * off + (0.2 + progress) * coupled;
        }
    }
    for (int j = 0; a != NULL && j < TOY_A; j++) {
        const double off = a[j] - cos(image + 2 * j);
        loss += off * off + (0.2 + progress) * a[j] * w[j];
        if (da != NULL) {
            da[j] = 2 * off + (0.2 + progress) * w[j];
        }
    }
    return loss;
}

static struct toy *toy_of(struct mn_cx *cx) {
    return mock_of(cx)->data;
}

static int model_dims(struct mn_cx *cx, const struct mn_model *model, struct mn_dims *out) {
    assert_int_equal(out->size, sizeof *out);
    *out = toy_of(cx)->dims;
    return MN_OK;
}

static void widen(int n, const mn_real *x, double *out) {
    for (int i = 0; i < n; i++) {
        out[i] = (double)x[i];
    }
}

static void narrow(int n, const double *x, mn_real *out) {
    for (int i = 0; i < n; i++) {
        out[i] = (mn_real)x[i];
    }
}

static int model_pass(struct mn_cx *cx, const struct mn_model *model, const struct mn_point *at,
                      const struct mn_set *batch, const struct mn_pass *pass,
                      struct mn_outcome *out) {
    struct toy *toy = toy_of(cx);
    double w[TOY_W], a[TOY_A], dw[TOY_W], da[TOY_A];
    const int with_a = toy->dims.n_a > 0;
    assert_int_equal(pass->size, sizeof *pass);
    assert_int_equal(out->size, sizeof *out);
    assert_null(pass->keep);
    assert_null(pass->stats);
    assert_true(batch->n >= 1 && pass->progress >= 0 && pass->progress <= 1);
    assert_true(toy->n_passes < TOY_CALLS);
    struct toy_pass *record = &toy->passes[toy->n_passes];
    *record = (struct toy_pass){.flags = pass->flags,
                                .progress = pass->progress,
                                .image = (double)batch->images[0],
                                .step = pass->step};
    widen(TOY_W, at->w, record->w);
    if (toy->n_passes++ == toy->fail_pass) {
        return mn_fail(cx, MN_NUMERIC, "the loss is nan");
    }
    widen(TOY_W, at->w, w);
    widen(with_a ? TOY_A : 0, at->a, a);
    out->loss = toy_loss(w, with_a ? a : NULL, (double)batch->images[0], pass->progress, dw, da);
    out->hits = (int32_t)(HITS_SHARE * batch->n);
    out->skip_share = SKIP_SHARE;
    if ((pass->flags & MN_PASS_GRAD_W) != 0) {
        narrow(TOY_W, dw, out->d_w);
    }
    if ((pass->flags & MN_PASS_GRAD_A) != 0) {
        assert_true(with_a);
        narrow(TOY_A, da, out->d_a);
    }
    return MN_OK;
}

static int64_t task_steps(struct mn_cx *cx, const struct mn_task *task, int64_t steps) {
    const int64_t prescribed = toy_of(cx)->prescribed;
    assert_ptr_equal(task, &toy_of(cx)->task);
    return prescribed >= 0 ? prescribed : steps;
}

static int task_batch(struct mn_cx *cx, const struct mn_task *task, int64_t step, int32_t n,
                      struct mn_set *out) {
    struct toy *toy = toy_of(cx);
    assert_ptr_equal(task, &toy->task);
    assert_true(toy->n_batches < TOY_CALLS);
    toy->batches[toy->n_batches++] = (struct toy_batch){step, n};
    for (int i = 0; i < TOY_SUPPORT; i++) {
        toy->images[i] = (mn_real)toy_image(step);
    }
    *out = (struct mn_set){n > 0 ? n : TOY_SUPPORT, 0, toy->images, toy->labels};
    return MN_OK;
}

static int step_done(struct mn_cx *cx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    struct toy *toy = toy_of(cx);
    assert_true(toy->n_dones < TOY_CALLS);
    struct toy_done *done = &toy->dones[toy->n_dones];
    *done = (struct toy_done){
        .step = step, .loss = loss, .accuracy = accuracy, .skip_share = skip_share};
    widen(TOY_W, now->w, done->w);
    widen((int)toy->dims.n_a, now->a, done->a);
    if (toy->n_dones++ == toy->fail_done) {
        return mn_fail(cx, MN_CANCELLED, "enough");
    }
    return MN_OK;
}

static int step_rates(struct mn_cx *cx, int64_t step, struct mn_point *out) {
    *out = toy_of(cx)->rates;
    return MN_OK;
}

void toy_install(struct toy *toy, struct mock *mock, int64_t n_a) {
    memset(toy, 0, sizeof *toy);
    toy->mock = mock;
    toy->dims = (struct mn_dims){.size = sizeof toy->dims,
                                 .ways = 2,
                                 .channels = 1,
                                 .height = 1,
                                 .width = 1,
                                 .max_batch = 64,
                                 .n_w = TOY_W,
                                 .n_a = n_a};
    toy->prescribed = toy->fail_pass = toy->fail_done = -1;
    toy->query = TOY_QUERY;
    toy->task = (struct mn_task){
        .size = sizeof toy->task, .ways = 2, .query = {1, 0, &toy->query, toy->labels}};
    mock->data = toy;
    mock->host.model_dims = model_dims;
    mock->host.model_pass = model_pass;
    mock->host.task_steps = task_steps;
    mock->host.task_batch = task_batch;
    mock->host.step_done = step_done;
    mock->host.step_rates = step_rates;
}

void toy_forget_calls(struct toy *toy) {
    toy->n_passes = toy->n_batches = toy->n_dones = 0;
}
