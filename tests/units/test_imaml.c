/* SPDX-License-Identifier: MIT */
/* docs/examples/imaml.c: its implicit gradient against central differences of the query loss after
 * the whole task, and against the solution of its equation. */
#include "check.h"
#include "loop.h"

#ifdef MN_REAL_DOUBLE
#define DISPLACEMENT 1e-4
#define CLOSE 1e-7
#else
#define DISPLACEMENT 4e-3
#define CLOSE 1e-2
#endif

static const double start_w[TOY_W] = {0.5, -0.25, 1.0, 0.125, -0.75};
static const double start_a[TOY_A] = {0.25, -0.5, 0.125};

static int (*toy_pass)(struct mn_ctx *, const struct mn_model *, const struct mn_point *,
                       const struct mn_set *, const struct mn_pass *, struct mn_outcome *);

/* The rate is such that a task comes within 1e-8 of its proximal point. */
static void open_imaml(struct loop *loop, double lambda, int64_t cg_steps) {
    loop_open(loop, "imaml/proximal", "imaml");
    unit_real(&loop->inner, "lambda", lambda);
    unit_real(&loop->inner, "lr", 1 / (lambda + 3)); /* the curvatures are 1 to 5 */
    unit_real(&loop->outer, "lambda", lambda);
    unit_int(&loop->outer, "cg_steps", cg_steps);
    loop_start(loop);
}

static double loss_from(struct loop *loop, const double *w) {
    loop_adapt(loop, w, start_a);
    return loop_query_loss(loop, loop->steps);
}

static void the_gradient_of_the_query_loss(void **state) {
    for (int lambda = 5; lambda <= 20; lambda *= 2) {
        struct loop loop;
        double w[TOY_W];
        memcpy(w, start_w, sizeof w);
        open_imaml(&loop, lambda, TOY_W);
        assert_int_equal(loop_direction(&loop, w, start_a), MN_OK);
        for (int i = 0; i < TOY_W; i++) {
            w[i] = start_w[i] + DISPLACEMENT;
            const double plus = loss_from(&loop, w);
            w[i] = start_w[i] - DISPLACEMENT;
            const double minus = loss_from(&loop, w);
            w[i] = start_w[i];
            assert_close(loop.direction_w[i], (plus - minus) / (2 * DISPLACEMENT), CLOSE);
        }
        for (int j = 0; j < TOY_A; j++) {
            assert_close(loop.direction_a[j], 0, 0);
        }
        loop_close(&loop);
    }
}

/* The Hessian is diagonal, so the solution is known: g_i / (1 + (i + 1) / lambda). */
static void the_solution_of_its_equation(void **state) {
    struct loop loop;
    double w[TOY_W], dw[TOY_W];
    open_imaml(&loop, 2, TOY_W);
    assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)loop.w[i];
    }
    toy_loss(w, start_a, TOY_QUERY, 1, dw, NULL);
    for (int i = 0; i < TOY_W; i++) {
        assert_close(loop.direction_w[i], dw[i] / (1 + (i + 1) / 2.0), CLOSE);
    }
    loop_close(&loop);
}

/* A Hessian below -lambda / 2 along the gradient: the direction is the gradient of the query loss.
 */
static int bent_pass(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                     const struct mn_set *batch, const struct mn_pass *pass,
                     struct mn_outcome *out) {
    const int status = toy_pass(ctx, model, at, batch, pass, out);
    for (int i = 0; status == MN_OK && i < TOY_W && batch->n > 1; i++) { /* of the support set */
        out->d_w[i] -= (mn_real)(8 * (double)at->w[i]);
    }
    return status;
}

static void no_minimum_to_go_to(void **state) {
    struct loop loop;
    double w[TOY_W], dw[TOY_W];
    open_imaml(&loop, 2, TOY_W);
    loop_adapt(&loop, start_w, start_a);
    toy_forget_calls(&loop.toy);
    toy_pass = loop.mock.host.model_pass;
    loop.mock.host.model_pass = bent_pass;
    struct mn_point out = {loop.direction_w, loop.direction_a};
    assert_int_equal(loop.meta_learner->delta(loop.outer.self, &loop.mock.ctx, NULL, &loop.toy.task,
                                              &loop.now, &loop.now, &out),
                     MN_OK);
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)loop.w[i];
    }
    toy_loss(w, start_a, TOY_QUERY, 1, dw, NULL);
    for (int i = 0; i < TOY_W; i++) {
        assert_close(loop.direction_w[i], dw[i], 100 * ROUNDING);
    }
    assert_int_equal(loop.toy.n_passes, 1 + 2); /* no further step was tried */
    loop_close(&loop);
}

/* Too few steps leave a part of it. */
static void fewer_steps_solve_less(void **state) {
    struct loop loop;
    open_imaml(&loop, 2, 1);
    assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
    const double first = (double)loop.direction_w[0];
    loop_close(&loop);
    open_imaml(&loop, 2, TOY_W);
    assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
    assert_true(fabs((double)loop.direction_w[0] - first) > 1e-3);
    loop_close(&loop);
}

static void weights_alone(void **state) {
    struct loop loop;
    loop_open(&loop, "imaml/proximal", "imaml");
    struct mn_dims dims = loop.toy.dims;
    dims.n_w = dims.n_w_segments = 0;
    assert_int_equal(loop.meta_learner->start(loop.outer.self, &loop.mock.ctx, &dims), MN_CONFIG);
    mock_expect(&loop.mock, MN_CONFIG, NULL, "weights alone");
    loop_close(&loop);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_of_the_query_loss),
        cmocka_unit_test(the_solution_of_its_equation),
        cmocka_unit_test(no_minimum_to_go_to),
        cmocka_unit_test(fewer_steps_solve_less),
        cmocka_unit_test(weights_alone),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
