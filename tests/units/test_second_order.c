/* SPDX-License-Identifier: MIT */
/* Meta learners that differentiate through the steps of a task, against central differences of the
 * query loss after the whole task: of the start point and of the learned factors. */
#include "check.h"
#include "loop.h"

/* In single precision differences of the loss hold few digits; what is exact is tested in double.
 */
#ifdef MN_REAL_DOUBLE
#define DISPLACEMENT 2e-6
#define CLOSE 1e-8
#else
#define DISPLACEMENT 4e-3
#define CLOSE 1e-2
#endif

static const double start_w[TOY_W] = {0.5, -0.25, 1.0, 0.125, -0.75};
static const double start_a[TOY_A] = {0.25, -0.5, 0.125};

/* A loss of the task just run; `data` is the test's own. */
typedef double (*loss_of)(const struct loop *loop, const void *data);

static double last_loss(const struct loop *loop, const void *data) {
    return loop_query_loss(loop, loop->steps);
}

static double loss_from(struct loop *loop, const double *w, const double *a, loss_of loss,
                        const void *data) {
    loop_adapt(loop, w, a);
    return loss(loop, data);
}

static double slope(struct loop *loop, double *x, const double *w, const double *a, loss_of loss,
                    const void *data) {
    const double at = *x, h = DISPLACEMENT;
    *x = at + h;
    const double plus = loss_from(loop, w, a, loss, data);
    *x = at - h;
    const double minus = loss_from(loop, w, a, loss, data);
    *x = at;
    return (plus - minus) / (2 * h);
}

static void check_direction(struct loop *loop, loss_of loss, const void *data) {
    double w[TOY_W], a[TOY_A];
    memcpy(w, start_w, sizeof w);
    memcpy(a, start_a, sizeof a);
    assert_int_equal(loop_direction(loop, w, a), MN_OK);
    for (int i = 0; i < TOY_W; i++) {
        assert_close(loop->direction_w[i], slope(loop, &w[i], w, a, loss, data), CLOSE);
    }
    for (int j = 0; j < TOY_A; j++) {
        assert_close(loop->direction_a[j], slope(loop, &a[j], w, a, loss, data), CLOSE);
    }
}

/* own[n] against the factors at `rates`. */
static void check_own(struct loop *loop, mn_real *rates, const mn_real *own, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const mn_real at = rates[i];
        rates[i] = at + (mn_real)DISPLACEMENT;
        const double plus = loss_from(loop, start_w, start_a, last_loss, NULL);
        rates[i] = at - (mn_real)DISPLACEMENT;
        const double minus = loss_from(loop, start_w, start_a, last_loss, NULL);
        rates[i] = at;
        assert_close(own[i], (plus - minus) / (2 * DISPLACEMENT), CLOSE);
    }
}

/* ---- maml ----------------------------------------------------------------------------------- */

static void set_sgd(struct loop *loop, double momentum, double decay) {
    unit_int(&loop->inner, "steps", 4);
    unit_real(&loop->inner, "lr", 0.1);
    unit_real(&loop->inner, "momentum", momentum);
    unit_real(&loop->inner, "weight_decay", decay);
}

static void maml_through_sgd(void **state) {
    static const double settings[][2] = {{0, 0}, {0, 0.5}, {0.75, 0}, {0.5, 0.25}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct loop loop;
        loop_open(&loop, "sgd", "maml");
        set_sgd(&loop, settings[i][0], settings[i][1]);
        loop_start(&loop);
        check_direction(&loop, last_loss, NULL);
        loop_close(&loop);
    }
}

/* Two displaced gradients a step and one of the query loss. */
static void maml_costs_two_passes_a_step(void **state) {
    struct loop loop;
    loop_open(&loop, "sgd", "maml");
    set_sgd(&loop, 0, 0);
    unit_real(&loop.outer, "epsilon", 0.125);
    loop_start(&loop);
    assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
    assert_int_equal(loop.toy.n_passes, 1 + 2 * 4);
    assert_close(loop.toy.passes[0].image, TOY_QUERY, 0);
    assert_int_equal(loop.toy.passes[0].flags, MN_PASS_GRAD_W | MN_PASS_GRAD_A);
    for (int i = 0; i < 8; i++) {
        const int64_t step = 3 - i / 2;
        assert_int_equal(loop.toy.passes[1 + i].step, step);
        assert_int_equal(loop.toy.passes[1 + i].flags,
                         MN_PASS_TRAINING | MN_PASS_GRAD_W | MN_PASS_GRAD_A);
        assert_close(loop.toy.passes[1 + i].progress, (double)step / 3, 1e-15);
    }
    loop_close(&loop);
}

static void set_adam(struct loop *loop, const char *order, double beta1) {
    unit_choice(&loop->inner, "order", order);
    unit_real(&loop->inner, "lr_w", 0.1);
    unit_real(&loop->inner, "lr_a", 0.2);
    unit_real(&loop->inner, "beta1", beta1);
    unit_real(&loop->inner, "beta2", 0.75);
    unit_real(&loop->inner, "eps", 0.25);
    unit_real(&loop->inner, "weight_decay_w", 0.125);
    unit_real(&loop->inner, "weight_decay_a", 0.25);
}

static void maml_through_adam(void **state) {
    static const char *const orders[] = {"joint", "alternating"};
    for (int i = 0; i < 8; i++) {
        struct loop loop;
        loop_open(&loop, "darts", "maml");
        set_adam(&loop, orders[i & 1], (i & 2) != 0 ? 0.5 : 0);
        unit_real(&loop.inner, "adapt_fraction", (i & 4) != 0 ? 0.6 : 1);
        loop_start(&loop);
        check_direction(&loop, last_loss, NULL);
        loop_close(&loop);
    }
}

/* The query loss depends on the logits even where no step changes them. */
static void maml_in_the_warm_up(void **state) {
    struct loop loop;
    loop_open(&loop, "darts", "maml");
    set_adam(&loop, "joint", 0.5);
    loop.mock.ctx.where.meta_epoch = 10;
    loop.mock.ctx.where.adapts = MN_ADAPTS_W;
    loop_start(&loop);
    check_direction(&loop, last_loss, NULL);
    loop_close(&loop);
}

#ifdef MN_REAL_DOUBLE
/* The settings of the paper: the first update is nearly a sign, so its derivative nearly 0. */
static void maml_through_the_default_adam(void **state) {
    struct loop loop;
    loop_open(&loop, "darts", "maml");
    loop_start(&loop);
    check_direction(&loop, last_loss, NULL);
    loop_close(&loop);
}
#endif

static void maml_without_steps(void **state) {
    struct loop loop;
    loop_open(&loop, "sgd", "maml");
    unit_int(&loop.inner, "steps", 0);
    unit_real(&loop.outer, "multi_step", 1);
    loop_start(&loop);
    check_direction(&loop, last_loss, NULL);
    assert_int_equal(loop.steps, 0);
    loop_close(&loop);
}

/* ---- multi-step loss --------------------------------------------------------------------------
 */

static double all_losses(const struct loop *loop, const void *data) {
    const double *weights = data;
    double sum = 0;
    for (int64_t i = 1; i <= loop->steps; i++) {
        sum += weights[i - 1] * loop_query_loss(loop, i);
    }
    return sum;
}

/* Over the first 80 of 100 meta-epochs: alike in the first, half way in the 40th. */
static void multi_step_losses(void **state) {
    static const double alike[4] = {0.25, 0.25, 0.25, 0.25};
    static const double half[4] = {0.125, 0.125, 0.125, 0.625};
    static const double last[4] = {0, 0, 0, 1};
    static const struct {
        int64_t epoch;
        const double *weights;
    } cases[] = {{0, alike}, {40, half}, {80, last}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct loop loop;
        loop_open(&loop, "sgd", "maml");
        set_sgd(&loop, 0.5, 0);
        unit_real(&loop.outer, "multi_step", 0.8);
        loop.mock.ctx.where.meta_epoch = cases[i].epoch;
        loop_start(&loop);
        check_direction(&loop, all_losses, cases[i].weights);
        loop_close(&loop);
    }
}

/* ---- first order ------------------------------------------------------------------------------
 */

static void first_order_is_the_query_gradient(void **state) {
    struct loop loop;
    double w[TOY_W], a[TOY_A], dw[TOY_W], da[TOY_A];
    loop_open(&loop, "darts", "maml");
    unit_real(&loop.outer, "first_order", 0.61); /* the 60th meta-epoch is in it */
    loop_start(&loop);
    assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
    assert_int_equal(loop.toy.n_passes, 1);
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)loop.w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        a[j] = (double)loop.a[j];
    }
    toy_loss(w, a, TOY_QUERY, 1, dw, da);
    for (int i = 0; i < TOY_W; i++) {
        assert_close(loop.direction_w[i], dw[i], 10 * ROUNDING);
    }
    for (int j = 0; j < TOY_A; j++) {
        assert_close(loop.direction_a[j], da[j], 10 * ROUNDING);
    }
    loop.mock.ctx.where.meta_epoch = 61;
    check_direction(&loop, last_loss, NULL);
    loop_close(&loop);
}

/* The factors of the last step have an exact gradient even then. */
static void first_order_factors(void **state) {
    static const char *const learners[] = {"sgd", "darts"};
    for (int l = 0; l < 2; l++) {
        struct loop loop;
        loop_open(&loop, learners[l], "meta_sgd");
        if (l == 0) {
            set_sgd(&loop, 0.5, 0.25);
        } else {
            set_adam(&loop, "alternating", 0);
        }
        unit_int(&loop.inner, "steps", 1);
        unit_real(&loop.outer, "first_order", 1);
        loop_start(&loop);
        assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
        check_own(&loop, mock_state(&loop.mock, "rates_w", TOY_W), loop.own, TOY_W);
        loop_close(&loop);
    }
}

/* ---- learned factors --------------------------------------------------------------------------
 */

/* Factors other than 1, and one that points uphill. */
static void scatter(mn_real *rates, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        rates[i] = (mn_real)(0.5 + 0.375 * (double)((5 * i) % 7) - (i == 1 ? 1 : 0));
    }
}

static void open_with_factors(struct loop *loop, const char *learner, const char *order) {
    loop_open(loop, learner, "meta_sgd");
    if (order == NULL) {
        set_sgd(loop, 0.5, 0.25);
    } else {
        set_adam(loop, order, 0.5);
    }
    loop_start(loop);
    scatter(mock_state(&loop->mock, "rates_w", TOY_W), TOY_W);
    scatter(mock_state(&loop->mock, "rates_a", TOY_A), TOY_A);
}

static void meta_sgd_gradients(void **state) {
    static const char *const orders[] = {NULL, "joint", "alternating"};
    for (int o = 0; o < 3; o++) {
        struct loop loop;
        open_with_factors(&loop, o == 0 ? "sgd" : "darts", orders[o]);
        check_direction(&loop, last_loss, NULL);
        assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
        check_own(&loop, mock_state(&loop.mock, "rates_w", TOY_W), loop.own, TOY_W);
        check_own(&loop, mock_state(&loop.mock, "rates_a", TOY_A), loop.own + TOY_W, TOY_A);
        loop_close(&loop);
    }
}

/* w' - w = factor * (w' - w without factors). */
static void factors_scale_the_updates(void **state) {
    static const char *const orders[] = {NULL, "joint", "alternating"};
    for (int o = 0; o < 3; o++) {
        struct loop loop;
        double plain[TOY_W];
        open_with_factors(&loop, o == 0 ? "sgd" : "darts", orders[o]);
        unit_int(&loop.inner, "steps", 1);
        if (o == 2) { /* else the logits of the weights' pass differ */
            mn_vec_fill(TOY_A, 1, mock_state(&loop.mock, "rates_a", TOY_A));
        }
        mn_real *rates = mock_state(&loop.mock, "rates_w", TOY_W);
        loop_adapt(&loop, start_w, start_a);
        for (int i = 0; i < TOY_W; i++) {
            plain[i] = ((double)loop.w[i] - start_w[i]) / (double)rates[i];
        }
        mn_vec_fill(TOY_W, 1, rates);
        loop_adapt(&loop, start_w, start_a);
        for (int i = 0; i < TOY_W; i++) {
            assert_close((double)loop.w[i] - start_w[i], plain[i], 10 * ROUNDING);
        }
        loop_close(&loop);
    }
}

static void check_step_rates(const char *choice, int64_t n_groups) {
    const int64_t n = 3 * n_groups; /* of five steps the last three share theirs */
    struct loop loop;
    loop_open(&loop, "darts", "maml");
    set_adam(&loop, "joint", 0.5);
    unit_choice(&loop.outer, "step_rates", choice);
    unit_int(&loop.outer, "rate_steps", 3);
    loop_start(&loop);
    assert_int_equal(loop.meta_learner->n_own(loop.outer.self, &loop.toy.dims), n);
    mn_real *rates = mock_state(&loop.mock, "rates", n);
    for (int64_t i = 0; i < n; i++) {
        assert_close(rates[i], 1, 0);
    }
    scatter(rates, n);
    check_direction(&loop, last_loss, NULL);
    assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
    check_own(&loop, rates, loop.own, n);
    loop_close(&loop);
}

static void rates_of_steps(void **state) {
    check_step_rates("step", 2);
}

static void rates_of_tensors_and_steps(void **state) {
    check_step_rates("layer", 3);
}

/* ---- alfa -------------------------------------------------------------------------------------
 */

/* Constants of three steps for 2 + 1 tensors, rates and decays; then the generators: of the weights
 * with 4 inputs, of the logits with 2. */
enum { ALFA_CONSTANTS = 3 * (4 + 2), ALFA_HIDDEN = 3 };
enum {
    ALFA_WEIGHTS = ALFA_HIDDEN * 4 + ALFA_HIDDEN + 4 * ALFA_HIDDEN + 4,
    ALFA_GENERATOR = ALFA_WEIGHTS + ALFA_HIDDEN * 2 + ALFA_HIDDEN + 2 * ALFA_HIDDEN + 2
};

static void open_alfa(struct loop *loop, const char *order) {
    loop_open(loop, order == NULL ? "sgd" : "darts", "alfa");
    if (order == NULL) {
        set_sgd(loop, 0.5, 0.25);
    } else {
        set_adam(loop, order, 0.5);
    }
    unit_int(&loop->outer, "rate_steps", 3); /* later steps share the last */
    unit_int(&loop->outer, "hidden", ALFA_HIDDEN);
}

static mn_real *alfa_constants(struct loop *loop) {
    return mock_state(&loop->mock, "constants", ALFA_CONSTANTS);
}

static mn_real *alfa_generator(struct loop *loop) {
    return mock_state(&loop->mock, "generator", ALFA_GENERATOR);
}

/* A generator of which all parts count; no hidden unit is near the kink of its relu. */
static void scatter_alfa(struct loop *loop) {
    mn_real *constants = alfa_constants(loop), *phi = alfa_generator(loop);
    for (int i = 0; i < ALFA_CONSTANTS; i++) {
        constants[i] = (mn_real)(1 + 0.0625 * ((5 * i) % 7 - 3));
    }
    for (int i = 0; i < ALFA_GENERATOR; i++) {
        phi[i] += (mn_real)(0.03125 * ((3 * i) % 11 - 5));
    }
    for (int h = 0; h < ALFA_HIDDEN; h++) {
        phi[ALFA_HIDDEN * 4 + h] = phi[ALFA_WEIGHTS + ALFA_HIDDEN * 2 + h] = h == 1 ? -4 : 4;
    }
}

static void alfa_gradients(void **state) {
    static const char *const orders[] = {NULL, "joint", "alternating"};
    for (int o = 0; o < 3; o++) {
        struct loop loop;
        open_alfa(&loop, orders[o]);
        loop_start(&loop);
        assert_int_equal(loop.meta_learner->n_own(loop.outer.self, &loop.toy.dims),
                         ALFA_CONSTANTS + ALFA_GENERATOR);
        scatter_alfa(&loop);
        check_direction(&loop, last_loss, NULL);
        assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
        check_own(&loop, alfa_constants(&loop), loop.own, ALFA_CONSTANTS);
        check_own(&loop, alfa_generator(&loop), loop.own + ALFA_CONSTANTS, ALFA_GENERATOR);
        loop_close(&loop);
    }
}

/* It starts as MAML: the same points and the same direction, to rounding. */
static void alfa_begins_as_maml(void **state) {
    static const char *const orders[] = {NULL, "joint", "alternating"};
    for (int i = 0; i < 6; i++) {
        struct loop loop, maml;
        open_alfa(&loop, orders[i % 3]);
        unit_bool(&loop.outer, "decay", i < 3);
        loop_open(&maml, i % 3 == 0 ? "sgd" : "darts", "maml");
        if (i % 3 == 0) {
            set_sgd(&maml, 0.5, 0.25);
        } else {
            set_adam(&maml, orders[i % 3], 0.5);
        }
        loop_start(&loop);
        loop_start(&maml);
        assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
        assert_int_equal(loop_direction(&maml, start_w, start_a), MN_OK);
        for (int k = 0; k < TOY_W; k++) {
            assert_close(loop.w[k], maml.w[k], 20 * ROUNDING);
            assert_close(loop.direction_w[k], maml.direction_w[k], CLOSE);
        }
        for (int k = 0; k < TOY_A; k++) {
            assert_close(loop.a[k], maml.a[k], 20 * ROUNDING);
            assert_close(loop.direction_a[k], maml.direction_a[k], CLOSE);
        }
        loop_close(&loop);
        loop_close(&maml);
    }
}

/* x' = decay x + rate u with means of u and x as inputs, by hand, for one step of sgd on the
 * weights: of the tensors body (3) and head (2). */
static void alfa_is_its_equation(void **state) {
    struct loop loop;
    double g[TOY_W], in[4], hidden[ALFA_HIDDEN], out[4];
    open_alfa(&loop, NULL);
    unit_int(&loop.inner, "steps", 1);
    unit_real(&loop.outer, "gain", 0.5);
    loop_start(&loop);
    scatter_alfa(&loop);
    const mn_real *k = alfa_constants(&loop), *phi = alfa_generator(&loop);
    loop_adapt(&loop, start_w, start_a);
    toy_loss(start_w, start_a, toy_image(0), 0, g, NULL);
    for (int i = 0; i < TOY_W; i++) {
        g[i] = -0.1 * (g[i] + 0.25 * start_w[i]);
    }
    in[0] = 0.5 * (g[0] + g[1] + g[2]) / 3;
    in[1] = 0.5 * (g[3] + g[4]) / 2;
    in[2] = 0.5 * (start_w[0] + start_w[1] + start_w[2]) / 3;
    in[3] = 0.5 * (start_w[3] + start_w[4]) / 2;
    for (int h = 0; h < ALFA_HIDDEN; h++) {
        hidden[h] = (double)phi[ALFA_HIDDEN * 4 + h];
        for (int i = 0; i < 4; i++) {
            hidden[h] += (double)phi[4 * h + i] * in[i];
        }
        hidden[h] = fmax(hidden[h], 0);
    }
    for (int o = 0; o < 4; o++) {
        out[o] = (double)phi[ALFA_WEIGHTS - 4 + o];
        for (int h = 0; h < ALFA_HIDDEN; h++) {
            out[o] += (double)phi[ALFA_HIDDEN * 5 + ALFA_HIDDEN * o + h] * hidden[h];
        }
        out[o] *= (double)k[o];
    }
    for (int i = 0; i < TOY_W; i++) {
        const int l = i < TOY_BODY ? 0 : 1;
        assert_close(loop.w[i], out[2 + l] * start_w[i] + out[l] * g[i], 40 * ROUNDING);
    }
    loop_close(&loop);
}

/* With updates taken for constants the constants and the generator keep the exact gradient of one
 * step; what reaches the point goes through decays and means alone. */
static void alfa_first_order(void **state) {
    struct loop loop;
    double w[TOY_W], a[TOY_A], dw[TOY_W];
    mn_real d[TOY_W], d_x[TOY_W], d_u[TOY_W], u[TOY_W], x[TOY_W];
    const struct mn_update update = {.size = sizeof update, .n = TOY_W, .x = x, .u = u};
    open_alfa(&loop, NULL);
    unit_int(&loop.inner, "steps", 1);
    unit_real(&loop.outer, "first_order", 1);
    loop_start(&loop);
    scatter_alfa(&loop);
    assert_int_equal(loop_direction(&loop, start_w, start_a), MN_OK);
    check_own(&loop, alfa_constants(&loop), loop.own, ALFA_CONSTANTS);
    check_own(&loop, alfa_generator(&loop), loop.own + ALFA_CONSTANTS, ALFA_GENERATOR);
    loop_adapt(&loop, start_w, start_a);
    for (int j = 0; j < TOY_A; j++) {
        a[j] = start_a[j];
    }
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)loop.w[i];
        x[i] = (mn_real)start_w[i];
    }
    toy_loss(w, a, TOY_QUERY, 1, dw, NULL);
    toy_loss(start_w, start_a, toy_image(0), 0, w, NULL);
    for (int i = 0; i < TOY_W; i++) {
        d[i] = (mn_real)dw[i];
        u[i] = (mn_real)(-0.1 * (w[i] + 0.25 * start_w[i]));
    }
    assert_int_equal(loop.meta_learner->shape_back(loop.outer.self, &loop.mock.ctx, NULL, &update,
                                                   d, d_x, d_u, NULL),
                     MN_OK);
    for (int i = 0; i < TOY_W; i++) {
        assert_close(loop.direction_w[i], d_x[i], 100 * ROUNDING);
    }
    loop_close(&loop);
}

/* The hidden layer is as wide as its input, up to a bound; no tensors, no generator. */
static void alfa_sizes(void **state) {
    static const struct {
        int32_t w, a;
        int64_t hidden, width_w, width_a;
    } cases[] = {
        {3, 0, 0, 6, 0}, {3, 2, 0, 6, 4}, {100, 2, 0, 64, 4}, {3, 0, 5, 5, 0}, {0, 2, 5, 0, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct loop loop;
        loop_open(&loop, "sgd", "alfa");
        unit_int(&loop.outer, "hidden", cases[i].hidden);
        struct mn_dims dims = loop.toy.dims;
        dims.n_w_segments = cases[i].w;
        dims.n_a_segments = cases[i].a;
        int64_t n = 0;
        for (int half = 0; half < 2; half++) {
            const int64_t in = 2 * (half == 0 ? cases[i].w : cases[i].a);
            const int64_t hidden = half == 0 ? cases[i].width_w : cases[i].width_a;
            n += 5 * in + 2 * in * hidden + hidden + in;
        }
        assert_int_equal(loop.meta_learner->n_own(loop.outer.self, &dims), n);
        loop_close(&loop);
    }
}

/* Both states descend, each at its own rate. */
static void alfa_descends(void **state) {
    struct loop loop;
    const struct mn_point mean = {loop.rates_w, loop.rates_a};
    open_alfa(&loop, NULL);
    unit_real(&loop.outer, "lr_rates", 0.5);
    unit_real(&loop.outer, "lr_generator", 0.25);
    loop_start(&loop);
    const mn_real first = alfa_generator(&loop)[0];
    mn_vec_fill(LOOP_OWN, 2, loop.own);
    assert_int_equal(loop.meta_learner->update(loop.outer.self, &loop.mock.ctx, &loop.now, &mean),
                     MN_OK);
    for (int i = 0; i < ALFA_CONSTANTS; i++) {
        assert_close(alfa_constants(&loop)[i], 0, ROUNDING);
    }
    assert_close(alfa_generator(&loop)[0], (double)first - 0.5, ROUNDING);
    assert_close(alfa_generator(&loop)[ALFA_GENERATOR - 1], 0.5, ROUNDING);
    loop_close(&loop);
}

/* ---- anil -------------------------------------------------------------------------------------
 */

static void anil_adapts_the_head(void **state) {
    static const char *const learners[] = {"sgd", "darts"};
    for (int l = 0; l < 4; l++) {
        struct loop loop;
        loop_open(&loop, learners[l & 1], "anil");
        unit_bool(&loop.outer, "adapt_a", l >= 2);
        loop_start(&loop);
        loop_adapt(&loop, start_w, start_a);
        for (int i = 0; i < TOY_W; i++) {
            assert_true((loop.w[i] == (mn_real)start_w[i]) == (i < 3));
        }
        for (int j = 0; j < TOY_A; j++) {
            assert_true((loop.a[j] == (mn_real)start_a[j]) == (l != 3));
        }
        loop_close(&loop);
    }
}

static void anil_gradients(void **state) {
    for (int adapt_a = 0; adapt_a < 2; adapt_a++) {
        struct loop loop;
        loop_open(&loop, "darts", "anil");
        set_adam(&loop, "alternating", 0.5);
        unit_bool(&loop.outer, "adapt_a", adapt_a != 0);
        loop_start(&loop);
        check_direction(&loop, last_loss, NULL);
        loop_close(&loop);
    }
}

static void anil_needs_a_layer(void **state) {
    static const char *const layers[] = {"hea", "head.weight"};
    struct loop loop;
    struct mn_point out;
    loop_open(&loop, "sgd", "anil");
    unit_texts(&loop.outer, "layers", layers, 2);
    loop_start(&loop);
    out = (struct mn_point){loop.rates_w, loop.rates_a};
    assert_int_equal(loop.meta_learner->rates(loop.outer.self, &loop.mock.ctx, NULL, 0, &out),
                     MN_CONFIG);
    mock_expect(&loop.mock, MN_CONFIG, NULL, "no tensor of the network");
    loop_close(&loop);
}

/* ---- the update -------------------------------------------------------------------------------
 */

/* rates -= lr_rates * mean, by the schedule. */
static void factors_descend(void **state) {
    struct loop loop;
    mn_real mean_w[TOY_W], mean_a[TOY_A];
    loop_open(&loop, "sgd", "meta_sgd");
    unit_real(&loop.outer, "lr_rates", 0.5);
    unit_choice(&loop.outer, "schedule", "linear");
    loop_start(&loop);
    for (int k = 0; k < TOY_W + TOY_A; k++) {
        loop.own[k] = (mn_real)(k - 2);
    }
    mn_vec_fill(TOY_W, 1, mean_w);
    mn_vec_fill(TOY_A, 1, mean_a);
    const struct mn_point mean = {mean_w, mean_a};
    assert_int_equal(loop.meta_learner->update(loop.outer.self, &loop.mock.ctx, &loop.now, &mean),
                     MN_OK);
    for (int i = 0; i < TOY_W; i++) { /* meta-epoch 60 of 100: 0.4 of the rates */
        assert_close(mock_state(&loop.mock, "rates_w", TOY_W)[i], 1 - 0.2 * (i - 2), ROUNDING);
        assert_close(loop.w[i], -0.1 * 0.4, ROUNDING);
    }
    for (int j = 0; j < TOY_A; j++) {
        assert_close(mock_state(&loop.mock, "rates_a", TOY_A)[j], 1 - 0.2 * (j + TOY_W - 2),
                     ROUNDING);
        assert_close(loop.a[j], -0.1 * 0.4, ROUNDING);
    }
    loop_close(&loop);
}

/* Adam's first step is its rate against the sign of the gradient; every state has its name. */
static void factors_descend_by_adam(void **state) {
    static const struct {
        const char *learner, *option, *choice;
        const char *states[3];
        int64_t n;
    } cases[] = {
        {"maml", "step_rates", "step", {"m_rates", "v_rates", "t_rates"}, 10},
        {"meta_sgd", "optimizer", "adam", {"m_rates_w", "v_rates_w", "t_rates_w"}, TOY_W},
        {"meta_sgd", "optimizer", "adam", {"m_rates_a", "v_rates_a", "t_rates_a"}, TOY_A},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct loop loop;
        const struct mn_point mean = {loop.rates_w, loop.rates_a};
        loop_open(&loop, "sgd", cases[c].learner);
        unit_choice(&loop.outer, "optimizer", "adam");
        unit_choice(&loop.outer, cases[c].option, cases[c].choice);
        unit_real(&loop.outer, "lr_rates", 0.25);
        loop_start(&loop);
        for (int k = 0; k < LOOP_OWN; k++) {
            loop.own[k] = k % 2 == 0 ? 2 : -3;
        }
        assert_int_equal(
            loop.meta_learner->update(loop.outer.self, &loop.mock.ctx, &loop.now, &mean), MN_OK);
        const int from = strcmp(cases[c].states[0], "m_rates_a") == 0 ? TOY_W : 0;
        const mn_real *m = mock_state(&loop.mock, cases[c].states[0], cases[c].n);
        assert_close(m[1], 0.1 * (double)loop.own[from + 1], ROUNDING);
        assert_close(mock_state(&loop.mock, cases[c].states[1], cases[c].n)[0],
                     0.001 * (double)loop.own[from] * (double)loop.own[from], ROUNDING);
        assert_close(mock_state(&loop.mock, cases[c].states[2], 1)[0], 1, 0);
        if (c == 0) {
            assert_close(mock_state(&loop.mock, "rates", 10)[0], 0.75, 1e-6);
            assert_close(mock_state(&loop.mock, "rates", 10)[1], 1.25, 1e-6);
        }
        loop_close(&loop);
    }
}

/* ---- failures ---------------------------------------------------------------------------------
 */

static void failures_are_passed_on(void **state) {
    static const char *const learners[] = {"maml", "anil", "meta_sgd", "alfa"};
    for (int l = 0; l < 4; l++) {
        for (int pass = 0; pass < 4; pass++) {
            struct loop loop;
            loop_open(&loop, "darts", learners[l]);
            unit_int(&loop.inner, "steps", 1);
            loop_start(&loop);
            loop_adapt(&loop, start_w, start_a);
            toy_forget_calls(&loop.toy);
            loop.toy.fail_pass = pass;
            struct mn_point out = {loop.direction_w, loop.direction_a};
            assert_int_equal(loop.meta_learner->delta(loop.outer.self, &loop.mock.ctx, NULL,
                                                      &loop.toy.task, &loop.now, &loop.now, &out),
                             MN_NUMERIC);
            mock_expect(&loop.mock, MN_NUMERIC, NULL, "nan");
            assert_int_equal(loop.toy.n_passes, pass + 1);
            loop_close(&loop);
        }
    }
}

static void no_memory_is_passed_on(void **state) {
    static const char *const learners[] = {"meta_sgd", "alfa"};
    int failed[2] = {0};
    for (int k = 0; k < 128; k++) {
        const int64_t calls = k / 2;
        struct loop loop;
        loop_open(&loop, "sgd", learners[k % 2]);
        unit_int(&loop.inner, "steps", 2);
        loop_start(&loop);
        loop_adapt(&loop, start_w, start_a);
        loop.mock.memory_left = calls;
        struct mn_point out = {loop.direction_w, loop.direction_a};
        const int status = loop.meta_learner->delta(loop.outer.self, &loop.mock.ctx, NULL,
                                                    &loop.toy.task, &loop.now, &loop.now, &out);
        assert_true(status == MN_OK || status == MN_NOMEM);
        failed[k % 2] += status == MN_NOMEM;
        loop_close(&loop);
    }
    assert_true(failed[0] > 6 && failed[1] > failed[0]);
}

static void a_stop_ends_the_way_back(void **state) {
    struct loop loop;
    loop_open(&loop, "sgd", "maml");
    loop_start(&loop);
    loop_adapt(&loop, start_w, start_a);
    loop.mock.cancelled = 1;
    struct mn_point out = {loop.direction_w, loop.direction_a};
    assert_int_equal(loop.meta_learner->delta(loop.outer.self, &loop.mock.ctx, NULL, &loop.toy.task,
                                              &loop.now, &loop.now, &out),
                     MN_CANCELLED);
    mock_expect(&loop.mock, MN_CANCELLED, NULL, "stopped");
    loop_close(&loop);
}

/* Unrolled steps hold second derivatives; a third is not to be had. */
static void unrolled_has_no_adjoint(void **state) {
    struct loop loop;
    loop_open(&loop, "darts", "maml");
    assert_int_equal(loop.learner->check_adjoint(loop.inner.self, &loop.mock.ctx), MN_OK);
    unit_choice(&loop.inner, "order", "unrolled");
    assert_int_equal(loop.learner->check_adjoint(loop.inner.self, &loop.mock.ctx), MN_CONFIG);
    mock_expect(&loop.mock, MN_CONFIG, "order", "use joint or alternating");
    loop_close(&loop);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maml_through_sgd),
        cmocka_unit_test(maml_costs_two_passes_a_step),
        cmocka_unit_test(maml_through_adam),
        cmocka_unit_test(maml_in_the_warm_up),
#ifdef MN_REAL_DOUBLE
        cmocka_unit_test(maml_through_the_default_adam),
#endif
        cmocka_unit_test(maml_without_steps),
        cmocka_unit_test(multi_step_losses),
        cmocka_unit_test(first_order_is_the_query_gradient),
        cmocka_unit_test(first_order_factors),
        cmocka_unit_test(meta_sgd_gradients),
        cmocka_unit_test(factors_scale_the_updates),
        cmocka_unit_test(rates_of_steps),
        cmocka_unit_test(rates_of_tensors_and_steps),
        cmocka_unit_test(alfa_gradients),
        cmocka_unit_test(alfa_begins_as_maml),
        cmocka_unit_test(alfa_is_its_equation),
        cmocka_unit_test(alfa_first_order),
        cmocka_unit_test(alfa_sizes),
        cmocka_unit_test(alfa_descends),
        cmocka_unit_test(anil_adapts_the_head),
        cmocka_unit_test(anil_gradients),
        cmocka_unit_test(anil_needs_a_layer),
        cmocka_unit_test(factors_descend),
        cmocka_unit_test(factors_descend_by_adam),
        cmocka_unit_test(failures_are_passed_on),
        cmocka_unit_test(no_memory_is_passed_on),
        cmocka_unit_test(a_stop_ends_the_way_back),
        cmocka_unit_test(unrolled_has_no_adjoint),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
