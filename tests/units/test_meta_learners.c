/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "toy.h"
#include "unit.h"

#define CLOSE (50 * ROUNDING)
#define PI 3.14159265358979323846

struct bench {
    struct mock mock;
    struct toy toy;
    struct unit unit;
    const struct mn_meta_learner *table;
    mn_real meta_w[TOY_W], meta_a[TOY_A], adapted_w[TOY_W], adapted_a[TOY_A];
    mn_real delta_w[TOY_W], delta_a[TOY_A];
    struct mn_point meta, adapted, delta;
    double ew[TOY_W], ea[TOY_A]; /* expected meta point */
};

static void bench_open(struct bench *b, const char *learner, int64_t n_a) {
    memset(b, 0, sizeof *b);
    mock_init(&b->mock);
    toy_install(&b->toy, &b->mock, n_a);
    b->unit = unit_open(learner, MN_META_LEARNER);
    b->table = b->unit.about->vtable;
    assert_int_equal(b->table->size, sizeof *b->table);
    for (int i = 0; i < TOY_W; i++) {
        b->ew[i] = 0.25 * i - 0.5;
        b->meta_w[i] = (mn_real)b->ew[i];
        b->adapted_w[i] = (mn_real)(0.5 - 0.125 * i * i);
    }
    for (int j = 0; j < TOY_A; j++) {
        b->ea[j] = 0.5 * j - 0.25;
        b->meta_a[j] = (mn_real)b->ea[j];
        b->adapted_a[j] = (mn_real)(0.125 - 0.25 * j);
    }
    b->meta = (struct mn_point){b->meta_w, n_a > 0 ? b->meta_a : NULL};
    b->adapted = (struct mn_point){b->adapted_w, n_a > 0 ? b->adapted_a : NULL};
    b->delta = (struct mn_point){b->delta_w, n_a > 0 ? b->delta_a : NULL};
    b->mock.ctx.where.meta_epochs = 100;
    b->mock.ctx.where.adapts = MN_ADAPTS_W | MN_ADAPTS_A;
}

static void start(struct bench *b) {
    assert_int_equal(b->table->start(b->unit.self, &b->mock.ctx, &b->toy.dims), MN_OK);
}

static void bench_close(struct bench *b) {
    unit_close(&b->unit);
    mock_fini(&b->mock);
}

static int delta(struct bench *b) {
    mn_vec_fill(TOY_W, (mn_real)NAN, b->delta_w); /* must be written whole */
    mn_vec_fill(TOY_A, (mn_real)NAN, b->delta_a);
    return b->table->delta(b->unit.self, &b->mock.ctx, NULL, &b->toy.task, &b->meta, &b->adapted,
                           &b->delta);
}

static void update(struct bench *b) {
    assert_int_equal(b->table->update(b->unit.self, &b->mock.ctx, &b->meta, &b->delta), MN_OK);
}

static void check_meta(const struct bench *b) {
    for (int i = 0; i < TOY_W; i++) {
        assert_close(b->meta_w[i], b->ew[i], CLOSE);
    }
    for (int j = 0; j < TOY_A; j++) {
        assert_close(b->meta_a[j], b->ea[j], CLOSE);
    }
}

/* ---- reptile ------------------------------------------------------------------------------ */

/* Eq. 4 with one task: w += lr_w (w_1 - w), a += lr_a (a_1 - a). */
static void expect_equation_4(struct bench *b, double lr_w, double lr_a) {
    for (int i = 0; i < TOY_W; i++) {
        b->ew[i] += lr_w * ((double)b->adapted_w[i] - b->ew[i]);
    }
    for (int j = 0; j < TOY_A; j++) {
        b->ea[j] += lr_a * ((double)b->adapted_a[j] - b->ea[j]);
    }
}

static void reptile_is_equation_4(void **state) {
    struct bench b;
    bench_open(&b, "reptile", TOY_A);
    start(&b);
    assert_int_equal(delta(&b), MN_OK);
    assert_int_equal(b.toy.n_passes, 0);
    for (int i = 0; i < TOY_W; i++) {
        assert_close(b.delta_w[i], b.ew[i] - (double)b.adapted_w[i], CLOSE);
    }
    expect_equation_4(&b, 1.0, 0.6);
    update(&b);
    check_meta(&b);
    bench_close(&b);
}

/* The mean of two tasks. */
static void reptile_takes_the_mean(void **state) {
    struct bench b;
    mn_real sum_w[TOY_W], sum_a[TOY_A];
    double mean_w[TOY_W], mean_a[TOY_A];
    bench_open(&b, "reptile", TOY_A);
    unit_real(&b.unit, "lr_w", 0.5);
    unit_real(&b.unit, "lr_a", 0.25);
    start(&b);
    assert_int_equal(delta(&b), MN_OK);
    mn_vec_copy(TOY_W, b.delta_w, sum_w);
    mn_vec_copy(TOY_A, b.delta_a, sum_a);
    for (int i = 0; i < TOY_W; i++) {
        mean_w[i] = (double)b.adapted_w[i] / 2 + 0.5;
        b.adapted_w[i] = 1;
    }
    for (int j = 0; j < TOY_A; j++) {
        mean_a[j] = (double)b.adapted_a[j] / 2 - 1;
        b.adapted_a[j] = -2;
    }
    assert_int_equal(delta(&b), MN_OK);
    for (int i = 0; i < TOY_W; i++) {
        b.delta_w[i] = (sum_w[i] + b.delta_w[i]) / 2;
        b.ew[i] += 0.5 * (mean_w[i] - b.ew[i]);
    }
    for (int j = 0; j < TOY_A; j++) {
        b.delta_a[j] = (sum_a[j] + b.delta_a[j]) / 2;
        b.ea[j] += 0.25 * (mean_a[j] - b.ea[j]);
    }
    update(&b);
    check_meta(&b);
    bench_close(&b);
}

/* ---- schedules ---------------------------------------------------------------------------- */

static void check_schedule(const char *learner, const char *schedule, int64_t epoch,
                           double factor) {
    struct bench b;
    bench_open(&b, learner, TOY_A);
    unit_choice(&b.unit, "schedule", schedule);
    unit_real(&b.unit, "lr_w", 0.5);
    unit_real(&b.unit, "lr_a", 0.25);
    start(&b);
    b.mock.ctx.where.meta_epoch = epoch;
    for (int i = 0; i < TOY_W; i++) {
        b.delta_w[i] = (mn_real)(i + 1);
        b.ew[i] -= 0.5 * factor * (i + 1);
    }
    for (int j = 0; j < TOY_A; j++) {
        b.delta_a[j] = (mn_real)(j - 2);
        b.ea[j] -= 0.25 * factor * (j - 2);
    }
    update(&b);
    check_meta(&b);
    bench_close(&b);
}

static void rates_follow_the_schedule(void **state) {
    static const char *const learners[] = {"reptile", "fomaml"};
    for (int l = 0; l < 2; l++) {
        check_schedule(learners[l], "constant", 99, 1);
        check_schedule(learners[l], "linear", 0, 1);
        check_schedule(learners[l], "linear", 25, 0.75);
        check_schedule(learners[l], "linear", 100, 0);
        check_schedule(learners[l], "cosine", 0, 1);
        check_schedule(learners[l], "cosine", 25, (1 + cos(PI / 4)) / 2);
        check_schedule(learners[l], "cosine", 50, 0.5);
        check_schedule(learners[l], "cosine", 100, 0);
    }
}

/* ---- fomaml ------------------------------------------------------------------------------- */

static void query_gradient(const struct bench *b, double *dw, double *da) {
    double w[TOY_W], a[TOY_A];
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)b->adapted_w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        a[j] = (double)b->adapted_a[j];
    }
    toy_loss(w, b->toy.dims.n_a > 0 ? a : NULL, TOY_QUERY, 1, dw, da);
}

static void fomaml_descends_the_query_gradient(void **state) {
    struct bench b;
    double dw[TOY_W], da[TOY_A];
    bench_open(&b, "fomaml", TOY_A);
    unit_real(&b.unit, "lr_w", 0.25);
    unit_real(&b.unit, "lr_a", 0.125);
    start(&b);
    assert_int_equal(b.mock.n_states, 0);
    assert_int_equal(delta(&b), MN_OK);
    assert_int_equal(b.toy.n_passes, 1);
    assert_int_equal(b.toy.passes[0].flags, MN_PASS_GRAD_W | MN_PASS_GRAD_A);
    assert_close(b.toy.passes[0].progress, 1, 0);
    assert_close(b.toy.passes[0].image, TOY_QUERY, 0);
    query_gradient(&b, dw, da);
    for (int i = 0; i < TOY_W; i++) {
        assert_close(b.delta_w[i], dw[i], CLOSE);
        b.ew[i] -= 0.25 * dw[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        assert_close(b.delta_a[j], da[j], CLOSE);
        b.ea[j] -= 0.125 * da[j];
    }
    update(&b);
    check_meta(&b);
    bench_close(&b);
}

/* Only what the task adapted has a direction. */
static void fomaml_follows_what_adapts(void **state) {
    struct bench b;
    double dw[TOY_W], da[TOY_A];
    bench_open(&b, "fomaml", TOY_A);
    start(&b);
    query_gradient(&b, dw, da);
    b.mock.ctx.where.adapts = MN_ADAPTS_W;
    assert_int_equal(delta(&b), MN_OK);
    assert_int_equal(b.toy.passes[0].flags, MN_PASS_GRAD_W);
    for (int j = 0; j < TOY_A; j++) {
        assert_close(b.delta_a[j], 0, 0);
    }
    assert_close(b.delta_w[0], dw[0], CLOSE);
    b.mock.ctx.where.adapts = MN_ADAPTS_A;
    assert_int_equal(delta(&b), MN_OK);
    assert_int_equal(b.toy.passes[1].flags, MN_PASS_GRAD_A);
    for (int i = 0; i < TOY_W; i++) {
        assert_close(b.delta_w[i], 0, 0);
    }
    assert_close(b.delta_a[0], da[0], CLOSE);
    bench_close(&b);
}

static void fomaml_passes_failures_on(void **state) {
    struct bench b;
    bench_open(&b, "fomaml", TOY_A);
    start(&b);
    b.toy.fail_pass = 0;
    assert_int_equal(delta(&b), MN_NUMERIC);
    mock_expect(&b.mock, MN_NUMERIC, NULL, "nan");
    bench_close(&b);
}

/* Kingma and Ba, Algorithm 1. */
static void adam(int n, double lr, const mn_real *gradient, int t, double *m, double *v,
                 double *x) {
    for (int i = 0; i < n; i++) {
        const double g = (double)gradient[i];
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        x[i] -= lr * (m[i] / (1 - pow(0.9, t))) / (sqrt(v[i] / (1 - pow(0.999, t))) + 1e-8);
    }
}

/* During a warm-up of two updates `a` has no direction; its Adam begins afterwards. */
static void fomaml_with_adam(void **state) {
    struct bench b;
    double mw[TOY_W] = {0}, vw[TOY_W] = {0}, ma[TOY_A] = {0}, va[TOY_A] = {0};
    bench_open(&b, "fomaml", TOY_A);
    unit_choice(&b.unit, "optimizer", "adam");
    unit_real(&b.unit, "lr_w", 0.01);
    unit_real(&b.unit, "lr_a", 0.02);
    start(&b);
    assert_int_equal(b.mock.n_states, 6);
    for (int t = 1; t <= 4; t++) {
        for (int i = 0; i < TOY_W; i++) {
            b.delta_w[i] = (mn_real)cos(i + 3.0 * t);
        }
        for (int j = 0; j < TOY_A; j++) {
            b.delta_a[j] = t > 2 ? (mn_real)sin(j + 2.0 * t) : 0;
        }
        adam(TOY_W, 0.01, b.delta_w, t, mw, vw, b.ew);
        if (t > 2) {
            adam(TOY_A, 0.02, b.delta_a, t - 2, ma, va, b.ea);
        }
        update(&b);
        check_meta(&b);
    }
    assert_close(mock_state(&b.mock, "m_w", TOY_W)[1], mw[1], CLOSE);
    assert_close(mock_state(&b.mock, "v_w", TOY_W)[2], vw[2], CLOSE);
    assert_close(mock_state(&b.mock, "m_a", TOY_A)[1], ma[1], CLOSE);
    assert_close(mock_state(&b.mock, "v_a", TOY_A)[2], va[2], CLOSE);
    assert_close(mock_state(&b.mock, "t_w", 1)[0], 4, 0);
    assert_close(mock_state(&b.mock, "t_a", 1)[0], 2, 0);
    bench_close(&b);
}

/* A direction that is not a number must reach the point, where the host finds it. */
static void fomaml_does_not_hide_nan(void **state) {
    struct bench b;
    bench_open(&b, "fomaml", TOY_A);
    unit_choice(&b.unit, "optimizer", "adam");
    start(&b);
    b.delta_a[1] = (mn_real)NAN;
    update(&b);
    assert_true(isnan(b.meta_a[1]));
    bench_close(&b);
}

/* ---- both --------------------------------------------------------------------------------- */

static void models_without_architecture(void **state) {
    static const char *const learners[] = {"reptile", "fomaml"};
    for (int l = 0; l < 2; l++) {
        struct bench b;
        bench_open(&b, learners[l], 0);
        if (l == 1) {
            unit_choice(&b.unit, "optimizer", "adam");
        }
        start(&b);
        assert_int_equal(b.mock.n_states, l == 1 ? 3 : 0);
        assert_int_equal(delta(&b), MN_OK);
        assert_true(l == 0 || b.toy.passes[0].flags == MN_PASS_GRAD_W);
        update(&b);
        assert_true(fabs((double)b.meta_w[0] - b.ew[0]) > 1e-3);
        bench_close(&b);
    }
}

static void no_direction_is_a_fixed_point(void **state) {
    static const char *const learners[] = {"reptile", "fomaml"};
    for (int l = 0; l < 2; l++) {
        struct bench b;
        bench_open(&b, learners[l], TOY_A);
        start(&b);
        update(&b);
        check_meta(&b);
        bench_close(&b);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reptile_is_equation_4),
        cmocka_unit_test(reptile_takes_the_mean),
        cmocka_unit_test(rates_follow_the_schedule),
        cmocka_unit_test(fomaml_descends_the_query_gradient),
        cmocka_unit_test(fomaml_follows_what_adapts),
        cmocka_unit_test(fomaml_passes_failures_on),
        cmocka_unit_test(fomaml_with_adam),
        cmocka_unit_test(fomaml_does_not_hide_nan),
        cmocka_unit_test(models_without_architecture),
        cmocka_unit_test(no_direction_is_a_fixed_point),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
