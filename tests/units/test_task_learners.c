/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "toy.h"
#include "unit.h"

#define CLOSE (100 * ROUNDING)
/* Differences of gradients over a displacement of 0.01 lose digits. */
#define UNROLLED_CLOSE (1000 * ROUNDING)

/* What a learner and the formulas written out below both start from, and where each gets to. */
struct bench {
    struct mock mock;
    struct toy toy;
    struct unit unit;
    const struct mn_task_learner *table;
    mn_real w[TOY_W], a[TOY_A], state[2 * (TOY_W + TOY_A) + 2];
    struct mn_point params;
    /* expected */
    double ew[TOY_W], ea[TOY_A], mw[TOY_W], ma[TOY_A], vw[TOY_W], va[TOY_A];
    int tw, ta;
};

static const double start_w[TOY_W] = {0.5, -0.25, 1.0, 0.125, -0.75};
static const double start_a[TOY_A] = {0.25, -0.5, 0.125};

static void reset_point(struct bench *b) {
    for (int i = 0; i < TOY_W; i++) {
        b->ew[i] = start_w[i];
        b->w[i] = (mn_real)start_w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        b->ea[j] = start_a[j];
        b->a[j] = (mn_real)start_a[j];
    }
}

static void bench_open(struct bench *b, const char *learner, int64_t n_a) {
    memset(b, 0, sizeof *b);
    mock_init(&b->mock);
    toy_install(&b->toy, &b->mock, n_a);
    b->unit = unit_open(learner, MN_TASK_LEARNER);
    b->table = b->unit.about->vtable;
    assert_int_equal(b->table->size, sizeof *b->table);
    b->params = (struct mn_point){b->w, n_a > 0 ? b->a : NULL};
    b->mock.ctx.where.meta_epochs = 100;
    b->mock.ctx.where.meta_epoch = 60; /* after the warm-up */
    reset_point(b);
}

static void bench_close(struct bench *b) {
    unit_close(&b->unit);
    mock_fini(&b->mock);
}

static int adapt(struct bench *b) {
    const int64_t n = b->table->n_state(b->unit.self, &b->toy.dims);
    assert_true(n <= (int64_t)(sizeof b->state / sizeof *b->state));
    return b->table->adapt(b->unit.self, &b->mock.ctx, NULL, &b->toy.task, &b->params,
                           n > 0 ? b->state : NULL);
}

/* ---- the formulas ------------------------------------------------------------------------- */

struct adam {
    double lr, beta1, beta2, eps, decay;
};

/* Kingma and Ba, Algorithm 1, with L2 decay in the gradient. */
static void adam_step(struct adam o, int n, const double *gradient, int t, double *m, double *v,
                      double *x) {
    for (int i = 0; i < n; i++) {
        const double g = gradient[i] + o.decay * x[i];
        m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
        v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
        x[i] -=
            o.lr * (m[i] / (1 - pow(o.beta1, t))) / (sqrt(v[i] / (1 - pow(o.beta2, t))) + o.eps);
    }
}

static const struct adam adam_w = {0.005, 0, 0.999, 1e-8, 0};
static const struct adam adam_a = {0.005, 0, 0.999, 1e-8, 1e-3};

/* Eq. 3: both gradients at the same point. */
static double joint(struct bench *b, struct adam ow, struct adam oa, int64_t step, double progress,
                    int with_a) {
    double dw[TOY_W], da[TOY_A];
    const double loss = toy_loss(b->ew, b->toy.dims.n_a > 0 ? b->ea : NULL,
                                 (double)(mn_real)toy_image(step), progress, dw, da);
    adam_step(ow, TOY_W, dw, ++b->tw, b->mw, b->vw, b->ew);
    if (with_a) {
        adam_step(oa, TOY_A, da, ++b->ta, b->ma, b->va, b->ea);
    }
    return loss;
}

static void check_w(const struct bench *b, double tolerance) {
    for (int i = 0; i < TOY_W; i++) {
        assert_close(b->w[i], b->ew[i], tolerance);
    }
}

static void check_point(const struct bench *b) {
    check_w(b, CLOSE);
    for (int j = 0; j < TOY_A; j++) {
        assert_close(b->a[j], b->ea[j], CLOSE);
    }
}

static void check_pass(const struct bench *b, int i, uint32_t flags, int64_t step,
                       double progress) {
    assert_true(i < b->toy.n_passes);
    assert_int_equal(b->toy.passes[i].flags, MN_PASS_TRAINING | flags);
    assert_int_equal(b->toy.passes[i].step, step);
    assert_close(b->toy.passes[i].progress, progress, 1e-15);
    assert_close(b->toy.passes[i].image, toy_image(step), ROUNDING);
}

enum { BOTH = MN_PASS_GRAD_W | MN_PASS_GRAD_A };

/* ---- darts: joint ------------------------------------------------------------------------- */

static void joint_steps_are_equation_3(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    assert_int_equal(adapt(&b), MN_OK);
    assert_int_equal(b.toy.n_passes, 5);
    assert_int_equal(b.toy.n_dones, 5);
    for (int step = 0; step < 5; step++) {
        const double loss = joint(&b, adam_w, adam_a, step, step / 4.0, 1);
        const struct toy_done *done = &b.toy.dones[step];
        check_pass(&b, step, BOTH, step, step / 4.0);
        assert_int_equal(b.toy.batches[step].step, step);
        assert_int_equal(b.toy.batches[step].n, 20);
        assert_int_equal(done->step, step);
        assert_close(done->loss, loss, CLOSE);
        assert_close(done->accuracy, 0.5, 0);
        assert_close(done->skip_share, 0.125, 0);
        for (int i = 0; i < TOY_W; i++) {
            assert_close(done->w[i], b.ew[i], CLOSE);
        }
    }
    check_point(&b);
    assert_int_equal(b.table->adapts(b.unit.self, &b.mock.ctx.where), MN_ADAPTS_W | MN_ADAPTS_A);
    assert_int_equal(b.table->steps(b.unit.self, &b.mock.ctx.where), 5);
    bench_close(&b);
}

/* v_w, v_a, t_w, t_a */
static void state_without_means(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    assert_int_equal(b.table->n_state(b.unit.self, &b.toy.dims), TOY_W + TOY_A + 2);
    assert_int_equal(adapt(&b), MN_OK);
    for (int step = 0; step < 5; step++) {
        joint(&b, adam_w, adam_a, step, step / 4.0, 1);
    }
    for (int i = 0; i < TOY_W; i++) {
        assert_close(b.state[i], b.vw[i], CLOSE);
    }
    for (int j = 0; j < TOY_A; j++) {
        assert_close(b.state[TOY_W + j], b.va[j], CLOSE);
    }
    assert_close(b.state[TOY_W + TOY_A], 5, 0);
    assert_close(b.state[TOY_W + TOY_A + 1], 5, 0);
    bench_close(&b);
}

/* m_w, m_a, v_w, v_a, t_w, t_a; own rates and decays for w and a */
static void state_with_means(void **state) {
    const struct adam ow = {0.02, 0.9, 0.99, 1e-6, 0.3}, oa = {0.05, 0.9, 0.99, 1e-6, 0.2};
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    unit_real(&b.unit, "lr_w", ow.lr);
    unit_real(&b.unit, "lr_a", oa.lr);
    unit_real(&b.unit, "beta1", ow.beta1);
    unit_real(&b.unit, "beta2", ow.beta2);
    unit_real(&b.unit, "eps", ow.eps);
    unit_real(&b.unit, "weight_decay_w", ow.decay);
    unit_real(&b.unit, "weight_decay_a", oa.decay);
    assert_int_equal(b.table->n_state(b.unit.self, &b.toy.dims), 2 * (TOY_W + TOY_A) + 2);
    assert_int_equal(adapt(&b), MN_OK);
    for (int step = 0; step < 5; step++) {
        joint(&b, ow, oa, step, step / 4.0, 1);
    }
    check_point(&b);
    const mn_real *at = b.state;
    for (int i = 0; i < TOY_W; i++) {
        assert_close(*at++, b.mw[i], CLOSE);
    }
    for (int j = 0; j < TOY_A; j++) {
        assert_close(*at++, b.ma[j], CLOSE);
    }
    for (int i = 0; i < TOY_W; i++) {
        assert_close(*at++, b.vw[i], CLOSE);
    }
    for (int j = 0; j < TOY_A; j++) {
        assert_close(*at++, b.va[j], CLOSE);
    }
    assert_close(at[0], 5, 0);
    assert_close(at[1], 5, 0);
    bench_close(&b);
}

/* With the state of the first task carried on, the second continues the same Adam. */
static void a_carried_state_is_one_long_adam(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    for (int task = 0; task < 2; task++) {
        reset_point(&b);
        assert_int_equal(adapt(&b), MN_OK);
        for (int step = 0; step < 5; step++) {
            joint(&b, adam_w, adam_a, step, step / 4.0, 1);
        }
        check_point(&b);
    }
    assert_close(b.state[TOY_W + TOY_A], 10, 0);
    bench_close(&b);
}

static void moments_are_an_option(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    assert_int_equal(b.table->moments(b.unit.self), MN_MOMENTS_AVERAGE);
    unit_choice(&b.unit, "moments", "reset");
    assert_int_equal(b.table->moments(b.unit.self), MN_MOMENTS_RESET);
    unit_choice(&b.unit, "moments", "carry");
    assert_int_equal(b.table->moments(b.unit.self), MN_MOMENTS_CARRY);
    bench_close(&b);
}

/* ---- darts: alternating ------------------------------------------------------------------- */

/* The architecture first, then the weights on the same mini-batch at the new architecture; after
 * the architecture steps only the weights. */
static void alternating_steps(void **state) {
    struct bench b;
    double dw[TOY_W], da[TOY_A];
    int pass = 0;
    bench_open(&b, "darts", TOY_A);
    unit_choice(&b.unit, "order", "alternating");
    unit_real(&b.unit, "adapt_fraction", 0.6);
    assert_int_equal(adapt(&b), MN_OK);
    assert_int_equal(b.toy.n_batches, 5);
    for (int step = 0; step < 5; step++) {
        const double progress = step < 3 ? step / 2.0 : 1, image = (double)(mn_real)toy_image(step);
        if (step < 3) {
            check_pass(&b, pass++, MN_PASS_GRAD_A, step, progress);
            toy_loss(b.ew, b.ea, image, progress, NULL, da);
            adam_step(adam_a, TOY_A, da, ++b.ta, b.ma, b.va, b.ea);
        }
        check_pass(&b, pass++, MN_PASS_GRAD_W, step, progress);
        const double loss = toy_loss(b.ew, b.ea, image, progress, dw, NULL);
        adam_step(adam_w, TOY_W, dw, ++b.tw, b.mw, b.vw, b.ew);
        assert_close(b.toy.dones[step].loss, loss, CLOSE);
    }
    assert_int_equal(b.toy.n_passes, pass);
    check_point(&b);
    bench_close(&b);
}

/* ---- darts: unrolled ---------------------------------------------------------------------- */

/* The validation loss after one step of the weights, as a function of the logits. */
static double loss_ahead(const double *w, const double *a, double rate, double decay,
                         double training, double validation, double progress) {
    double dw[TOY_W], ahead[TOY_W];
    toy_loss(w, a, training, progress, dw, NULL);
    for (int i = 0; i < TOY_W; i++) {
        ahead[i] = w[i] - rate * (dw[i] + decay * w[i]);
    }
    return toy_loss(ahead, a, validation, progress, NULL, NULL);
}

/* Its slope by central differences; it is quadratic, so they are exact at any width. */
static void slope_ahead(const struct bench *b, double rate, double decay, double training,
                        double validation, double progress, double *da) {
    const double h = 0.125;
    for (int j = 0; j < TOY_A; j++) {
        double plus[TOY_A], minus[TOY_A];
        memcpy(plus, b->ea, sizeof plus);
        memcpy(minus, b->ea, sizeof minus);
        plus[j] += h;
        minus[j] -= h;
        da[j] = (loss_ahead(b->ew, plus, rate, decay, training, validation, progress) -
                 loss_ahead(b->ew, minus, rate, decay, training, validation, progress)) /
                (2 * h);
    }
}

/* What validates is mini-batch steps + step, or that of the step where the host prescribes them. */
static void check_unrolled(double unrolled_lr, int prescribed) {
    const struct adam ow = {0.1, 0, 0.999, 1e-8, 0.25}, oa = {0.2, 0, 0.999, 1e-8, 0.125};
    const double rate = unrolled_lr >= 0 ? unrolled_lr : ow.lr;
    struct bench b;
    double dw[TOY_W], da[TOY_A];
    bench_open(&b, "darts", TOY_A);
    unit_choice(&b.unit, "order", "unrolled");
    unit_real(&b.unit, "unrolled_lr", unrolled_lr);
    unit_real(&b.unit, "lr_w", ow.lr);
    unit_real(&b.unit, "lr_a", oa.lr);
    unit_real(&b.unit, "weight_decay_w", ow.decay);
    unit_real(&b.unit, "weight_decay_a", oa.decay);
    unit_real(&b.unit, "adapt_fraction", 0.6);
    b.toy.prescribed = prescribed ? 5 : -1;
    assert_int_equal(adapt(&b), MN_OK);
    assert_int_equal(b.toy.n_passes, 3 * 5 + 2);
    for (int step = 0; step < 5; step++) {
        const double progress = step < 3 ? step / 2.0 : 1, image = (double)(mn_real)toy_image(step);
        if (step < 3) {
            const double other = (double)(mn_real)toy_image(prescribed ? step : 5 + step);
            check_pass(&b, 5 * step, MN_PASS_GRAD_W, step, progress);
            assert_close(b.toy.passes[5 * step + 1].image, other, ROUNDING);
            slope_ahead(&b, rate, ow.decay, image, other, progress, da);
            adam_step(oa, TOY_A, da, ++b.ta, b.ma, b.va, b.ea);
        }
        toy_loss(b.ew, b.ea, image, progress, dw, NULL);
        adam_step(ow, TOY_W, dw, ++b.tw, b.mw, b.vw, b.ew);
        for (int j = 0; j < TOY_A; j++) { /* gradients are compared through Adam's moments */
            assert_close(b.toy.dones[step].a[j], b.ea[j], UNROLLED_CLOSE);
        }
    }
    for (int j = 0; j < TOY_A; j++) {
        assert_close(b.state[TOY_W + j], b.va[j], UNROLLED_CLOSE);
    }
    check_w(&b, UNROLLED_CLOSE);
    bench_close(&b);
}

static void unrolled_steps(void **state) {
    check_unrolled(-1, 0);
    check_unrolled(0.4, 0);
    check_unrolled(0, 0);
    check_unrolled(0.4, 1);
}

/* Of the displaced passes, w + h v and w - h v: ||h v|| is 0.01 whatever the gradient. */
static void unrolled_displacement(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    unit_choice(&b.unit, "order", "unrolled");
    unit_int(&b.unit, "steps", 1);
    assert_int_equal(adapt(&b), MN_OK);
    double square = 0;
    for (int i = 0; i < TOY_W; i++) {
        const double half = (b.toy.passes[2].w[i] - b.toy.passes[3].w[i]) / 2;
        assert_close((b.toy.passes[2].w[i] + b.toy.passes[3].w[i]) / 2, start_w[i], CLOSE);
        square += half * half;
    }
    assert_int_equal(b.toy.passes[2].flags, MN_PASS_TRAINING | MN_PASS_GRAD_A);
    assert_close(sqrt(square), 0.01, CLOSE);
    bench_close(&b);
}

static void unrolled_failures(void **state) {
    for (int pass = 0; pass < 5; pass++) {
        struct bench b;
        bench_open(&b, "darts", TOY_A);
        unit_choice(&b.unit, "order", "unrolled");
        b.toy.fail_pass = pass;
        assert_int_equal(adapt(&b), MN_NUMERIC);
        assert_int_equal(b.toy.n_passes, pass + 1);
        bench_close(&b);
    }
}

/* ---- darts: when the architecture adapts -------------------------------------------------- */

static void warm_up_leaves_the_architecture(void **state) {
    static const char *const orders[] = {"joint", "alternating", "unrolled"};
    for (int o = 0; o < 3; o++) {
        struct bench b;
        bench_open(&b, "darts", TOY_A);
        unit_choice(&b.unit, "order", orders[o]);
        b.mock.ctx.where.meta_epoch = 49;
        assert_int_equal(b.table->adapts(b.unit.self, &b.mock.ctx.where), MN_ADAPTS_W);
        assert_int_equal(adapt(&b), MN_OK);
        assert_int_equal(b.toy.n_passes, 5);
        for (int step = 0; step < 5; step++) {
            check_pass(&b, step, MN_PASS_GRAD_W, step, 0);
            joint(&b, adam_w, adam_a, step, 0, 0);
        }
        check_point(&b);
        assert_close(b.state[TOY_W + TOY_A], 5, 0);
        assert_close(b.state[TOY_W + TOY_A + 1], 0, 0);
        b.mock.ctx.where.meta_epoch = 50;
        assert_int_equal(b.table->adapts(b.unit.self, &b.mock.ctx.where),
                         MN_ADAPTS_W | MN_ADAPTS_A);
        bench_close(&b);
    }
}

/* Evaluation has no warm-up, its own steps, batch and fraction: 5 of 10 steps. */
static void evaluation_adapts_in_its_first_half(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    unit_int(&b.unit, "test_steps", 10);
    unit_int(&b.unit, "test_batch", 3);
    unit_real(&b.unit, "test_lr_w", 0.25);
    unit_real(&b.unit, "test_lr_a", 0.125);
    b.mock.ctx.where.split = MN_TEST;
    b.mock.ctx.where.meta_epoch = 0;
    assert_int_equal(b.table->steps(b.unit.self, &b.mock.ctx.where), 10);
    assert_int_equal(b.table->adapts(b.unit.self, &b.mock.ctx.where), MN_ADAPTS_W | MN_ADAPTS_A);
    assert_int_equal(adapt(&b), MN_OK);
    struct adam ow = adam_w, oa = adam_a;
    ow.lr = 0.25;
    oa.lr = 0.125;
    for (int step = 0; step < 10; step++) {
        const double progress = step < 5 ? step / 4.0 : 1;
        check_pass(&b, step, step < 5 ? BOTH : MN_PASS_GRAD_W, step, progress);
        joint(&b, ow, oa, step, progress, step < 5);
        assert_int_equal(b.toy.batches[step].n, 3);
    }
    check_point(&b);
    bench_close(&b);
}

/* A negative test rate stands for the one of meta-training; 0 is a rate. */
static void test_rates(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    unit_int(&b.unit, "test_steps", 1);
    unit_real(&b.unit, "test_adapt_fraction", 1);
    b.mock.ctx.where.split = MN_VAL;
    assert_int_equal(adapt(&b), MN_OK);
    joint(&b, adam_w, adam_a, 0, 0, 1);
    check_point(&b);
    unit_real(&b.unit, "test_lr_a", 0);
    assert_int_equal(b.table->adapts(b.unit.self, &b.mock.ctx.where), MN_ADAPTS_W);
    bench_close(&b);
}

/* The first arch steps of `steps`, and that many progress values from 0 to 1. */
static void check_fraction(int64_t steps, double fraction, int arch_steps) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    unit_int(&b.unit, "steps", steps);
    unit_real(&b.unit, "adapt_fraction", fraction);
    assert_int_equal(adapt(&b), MN_OK);
    assert_int_equal(b.toy.n_passes, steps);
    for (int step = 0; step < steps; step++) {
        const double last = arch_steps > 1 ? arch_steps - 1 : 1;
        check_pass(&b, step, step < arch_steps ? BOTH : MN_PASS_GRAD_W, step,
                   step < arch_steps ? step / last : 1);
    }
    assert_int_equal(b.table->adapts(b.unit.self, &b.mock.ctx.where),
                     arch_steps > 0 ? MN_ADAPTS_W | MN_ADAPTS_A : MN_ADAPTS_W);
    bench_close(&b);
}

static void fractions_round_to_steps(void **state) {
    check_fraction(5, 1, 5);
    check_fraction(5, 0.5, 3); /* 2.5 goes up */
    check_fraction(5, 0.25, 1);
    check_fraction(5, 0, 0);
    check_fraction(1, 1, 1);
    check_fraction(0, 1, 0);
}

/* The schedule follows the steps that are run, not those of the option. */
static void prescribed_steps(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    b.toy.prescribed = 3;
    assert_int_equal(adapt(&b), MN_OK);
    assert_int_equal(b.toy.n_passes, 3);
    for (int step = 0; step < 3; step++) {
        check_pass(&b, step, BOTH, step, step / 2.0);
    }
    bench_close(&b);
}

static void a_rate_of_zero_freezes_the_architecture(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    unit_real(&b.unit, "lr_a", 0);
    assert_int_equal(b.table->adapts(b.unit.self, &b.mock.ctx.where), MN_ADAPTS_W);
    assert_int_equal(adapt(&b), MN_OK);
    for (int step = 0; step < 5; step++) {
        check_pass(&b, step, MN_PASS_GRAD_W, step, 1);
        joint(&b, adam_w, adam_a, step, 1, 0);
    }
    check_point(&b);
    bench_close(&b);
}

static void a_model_without_architecture(void **state) {
    static const char *const orders[] = {"joint", "alternating", "unrolled"};
    for (int o = 0; o < 3; o++) {
        struct bench b;
        bench_open(&b, "darts", 0);
        unit_choice(&b.unit, "order", orders[o]);
        assert_int_equal(b.table->n_state(b.unit.self, &b.toy.dims), TOY_W + 2);
        assert_int_equal(adapt(&b), MN_OK);
        assert_int_equal(b.toy.n_passes, 5);
        for (int step = 0; step < 5; step++) {
            check_pass(&b, step, MN_PASS_GRAD_W, step, step / 4.0);
            joint(&b, adam_w, adam_a, step, 0, 0);
        }
        check_point(&b);
        bench_close(&b);
    }
}

/* ---- sgd ---------------------------------------------------------------------------------- */

static void check_sgd(double lr, double momentum, double decay, int split) {
    struct bench b;
    double velocity[TOY_W] = {0}, dw[TOY_W];
    bench_open(&b, "sgd", TOY_A);
    unit_real(&b.unit, split == MN_TRAIN ? "lr" : "test_lr", lr);
    unit_real(&b.unit, "momentum", momentum);
    unit_real(&b.unit, "weight_decay", decay);
    unit_int(&b.unit, split == MN_TRAIN ? "steps" : "test_steps", 4);
    unit_int(&b.unit, split == MN_TRAIN ? "batch" : "test_batch", 6);
    b.mock.ctx.where.split = split;
    for (size_t i = 0; i < TOY_W; i++) {
        b.state[i] = 9; /* left by another task: must not matter */
    }
    assert_int_equal(b.table->n_state(b.unit.self, &b.toy.dims), momentum > 0 ? TOY_W : 0);
    assert_int_equal(b.table->steps(b.unit.self, &b.mock.ctx.where), 4);
    assert_int_equal(adapt(&b), MN_OK);
    assert_int_equal(b.toy.n_passes, 4);
    for (int step = 0; step < 4; step++) {
        const double image = (double)(mn_real)toy_image(step);
        check_pass(&b, step, MN_PASS_GRAD_W, step, step / 3.0);
        const double loss = toy_loss(b.ew, b.ea, image, step / 3.0, dw, NULL);
        for (int i = 0; i < TOY_W; i++) {
            velocity[i] = momentum * velocity[i] + dw[i] + decay * b.ew[i];
            b.ew[i] -= lr * velocity[i];
        }
        assert_int_equal(b.toy.batches[step].n, 6);
        assert_close(b.toy.dones[step].loss, loss, CLOSE);
    }
    check_point(&b);
    bench_close(&b);
}

static void sgd_descends(void **state) {
    check_sgd(0.05, 0, 0, MN_TRAIN);
    check_sgd(0.05, 0, 0.5, MN_TRAIN);
    check_sgd(0.02, 0.9, 0.25, MN_TRAIN);
    check_sgd(0.1, 0.5, 0, MN_TEST);
}

static void sgd_adapts_weights_only(void **state) {
    struct bench b;
    bench_open(&b, "sgd", TOY_A);
    assert_int_equal(b.table->adapts(b.unit.self, &b.mock.ctx.where), MN_ADAPTS_W);
    assert_int_equal(b.table->moments(b.unit.self), MN_MOMENTS_RESET);
    bench_close(&b);
}

/* ---- both --------------------------------------------------------------------------------- */

static const char *const learners[] = {"darts", "sgd"};

static void the_largest_batch_is_told(void **state) {
    for (int l = 0; l < 2; l++) {
        struct bench b;
        bench_open(&b, learners[l], TOY_A);
        assert_int_equal(b.table->max_batch(b.unit.self), 20);
        unit_int(&b.unit, "test_batch", 40);
        assert_int_equal(b.table->max_batch(b.unit.self), 40);
        unit_int(&b.unit, "batch", 0); /* the whole support set, or the 40 of a test */
        assert_int_equal(b.table->max_batch(b.unit.self), -40);
        assert_int_equal(adapt(&b), MN_OK);
        assert_int_equal(b.toy.batches[0].n, 0);
        assert_close(b.toy.dones[0].accuracy, 3.0 / TOY_SUPPORT, 1e-15);
        bench_close(&b);
    }
}

static void no_steps_change_nothing(void **state) {
    for (int l = 0; l < 2; l++) {
        struct bench b;
        bench_open(&b, learners[l], TOY_A);
        unit_int(&b.unit, "steps", 0);
        assert_int_equal(adapt(&b), MN_OK);
        assert_int_equal(b.toy.n_passes + b.toy.n_batches + b.toy.n_dones, 0);
        check_point(&b);
        bench_close(&b);
    }
}

static void failures_end_the_task(void **state) {
    for (int l = 0; l < 2; l++) {
        struct bench b;
        bench_open(&b, learners[l], TOY_A);
        b.toy.fail_pass = 2;
        assert_int_equal(adapt(&b), MN_NUMERIC);
        mock_expect(&b.mock, MN_NUMERIC, NULL, "nan");
        assert_int_equal(b.toy.n_passes, 3);
        assert_int_equal(b.toy.n_dones, 2);
        toy_forget_calls(&b.toy);
        b.toy.fail_pass = -1;
        b.toy.fail_done = 1;
        assert_int_equal(adapt(&b), MN_CANCELLED);
        mock_expect(&b.mock, MN_CANCELLED, NULL, "enough");
        assert_int_equal(b.toy.n_passes, 2);
        toy_forget_calls(&b.toy);
        b.mock.cancelled = 1;
        assert_int_equal(adapt(&b), MN_CANCELLED);
        mock_expect(&b.mock, MN_CANCELLED, NULL, "step 0");
        assert_int_equal(b.toy.n_passes, 0);
        b.mock.cancelled = 0;
        b.mock.memory_left = 0;
        assert_int_equal(adapt(&b), MN_NOMEM);
        mock_expect(&b.mock, MN_NOMEM, NULL, "scratch");
        bench_close(&b);
    }
}

/* Of two passes of an alternating step, a failing first one stops the second. */
static void a_failed_architecture_pass(void **state) {
    struct bench b;
    bench_open(&b, "darts", TOY_A);
    unit_choice(&b.unit, "order", "alternating");
    b.toy.fail_pass = 0;
    assert_int_equal(adapt(&b), MN_NUMERIC);
    assert_int_equal(b.toy.n_passes, 1);
    check_point(&b);
    bench_close(&b);
}

/* ---- DARTS-PT ----------------------------------------------------------------------------- */

/* The mixers would keep the second of three choices; without the third the loss is worst. */
static void what_is_missed_most_stays(void **state) {
    struct bench b;
    uint8_t keep[TOY_A];
    bench_open(&b, "darts_pt", TOY_A);
    memset(keep, 7, sizeof keep);
    b.mock.ctx.where.split = MN_TEST;
    assert_null(b.table->adapt); /* that of the unit which it is around */
    assert_int_equal(b.table->prune(b.unit.self, &b.mock.ctx, NULL, &b.toy.task, &b.params, keep),
                     MN_OK);
    assert_int_equal(b.toy.n_passes, TOY_A);
    assert_true(keep[0] == 0 && keep[1] == 0 && keep[2] == 1);
    for (int i = 0; i < b.toy.n_passes; i++) {
        assert_int_equal(b.toy.passes[i].flags, 0);
        assert_close(b.toy.passes[i].progress, 1, 0);
        assert_close(b.toy.passes[i].image, toy_image(0), ROUNDING); /* of the support set */
    }
    b.toy.fail_pass = b.toy.n_passes + 1;
    assert_int_equal(b.table->prune(b.unit.self, &b.mock.ctx, NULL, &b.toy.task, &b.params, keep),
                     MN_NUMERIC);
    bench_close(&b);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joint_steps_are_equation_3),
        cmocka_unit_test(state_without_means),
        cmocka_unit_test(state_with_means),
        cmocka_unit_test(a_carried_state_is_one_long_adam),
        cmocka_unit_test(moments_are_an_option),
        cmocka_unit_test(alternating_steps),
        cmocka_unit_test(unrolled_steps),
        cmocka_unit_test(unrolled_displacement),
        cmocka_unit_test(unrolled_failures),
        cmocka_unit_test(warm_up_leaves_the_architecture),
        cmocka_unit_test(evaluation_adapts_in_its_first_half),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(fractions_round_to_steps),
        cmocka_unit_test(prescribed_steps),
        cmocka_unit_test(a_rate_of_zero_freezes_the_architecture),
        cmocka_unit_test(a_model_without_architecture),
        cmocka_unit_test(sgd_descends),
        cmocka_unit_test(sgd_adapts_weights_only),
        cmocka_unit_test(the_largest_batch_is_told),
        cmocka_unit_test(no_steps_change_nothing),
        cmocka_unit_test(failures_end_the_task),
        cmocka_unit_test(a_failed_architecture_pass),
        cmocka_unit_test(what_is_missed_most_stays),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
