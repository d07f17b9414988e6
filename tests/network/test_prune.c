/* SPDX-License-Identifier: MIT */
/* Hard pruning: what a keep mask does to a pass, and which choices stay. */
#include "reference.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const char *const ops[] = {"max_pool_3x3", "skip_connect", "conv_3x3", "sep_conv_3x3",
                                  "none"};
enum { OPS = sizeof ops / sizeof ops[0], MOST = 64 };

static void open_net(struct net *net, const char *op_mixer, const char *input_mixer) {
    char config[1024];
    snprintf(config, sizeof config,
             "task: {ways: 4}\n"
             "search_space: {use: darts, cells: 3, nodes: 2, channels: 4, reduction_cells: [1],\n"
             "  ops: [max_pool_3x3, skip_connect, conv_3x3, sep_conv_3x3, none]}\n"
             "op_mixer: {use: %s}\ninput_mixer: {use: %s}\n",
             op_mixer, input_mixer);
    net_open(net, config, 3, 2, 8, 8);
}

/* About half of the choices, at least one of every mixture. */
static void draw_keep(struct net *net, uint32_t stream) {
    struct mn_rng rng = mn_rng_make(21, MN_RNG_PLUGIN, 0, 0, 0, stream);
    for (int i = 0; i < nas_model_n_mixtures(net->model); i++) {
        const struct nas_mixture *x = nas_model_mixture(net->model, i);
        for (int64_t c = 0; c < x->n_choices; c++) {
            net->keep[x->choice0 + c] = mn_rng_below(&rng, 2) == 1;
        }
        net->keep[x->choice0 + mn_rng_below(&rng, (uint32_t)x->n_choices)] = 1;
    }
}

/* Give the logits of all choices that the mask cuts this value. */
static void set_cut(struct net *net, mn_real value) {
    for (int i = 0; i < nas_model_n_mixtures(net->model); i++) {
        const struct nas_mixture *x = nas_model_mixture(net->model, i);
        for (int64_t c = 0; x->logit0 >= 0 && c < x->n_choices; c++) {
            if (!net->keep[x->choice0 + c]) {
                net->at.a[x->logit0 + c] = value;
            }
        }
    }
}

/* ---- a pass with a mask ------------------------------------------------------------------- */

static void check_cut_gradients(const struct net *net) {
    for (int i = 0; i < nas_model_n_mixtures(net->model); i++) {
        const struct nas_mixture *x = nas_model_mixture(net->model, i);
        for (int64_t c = 0; c < x->n_choices; c++) {
            if (!net->keep[x->choice0 + c]) {
                assert_true(net->grad.a[x->logit0 + c] == 0);
                assert_true(net->mixture[x->choice0 + c] == 0);
            }
        }
    }
}

/* The plain-loop network whose cut logits are minus infinity. */
static void test_cut_logits_are_minus_infinity(void **state) {
    struct net net;
    const double tau = 1.2 - 0.3 * (1.2 - 0.2);
    const struct reference_space space = {.channels = 4,
                                          .cells = 3,
                                          .nodes = 2,
                                          .n_ops = OPS,
                                          .ops = ops,
                                          .reduction = {0, 1, 0},
                                          .tau_op = tau,
                                          .tau_in = tau,
                                          .threshold = 0.01,
                                          .k = 2};
    (void)state;
    open_net(&net, "soft_prune, t_max: 1.2, t_min: 0.2", "soft_prune, t_max: 1.2, t_min: 0.2");
    double *logits = calloc((size_t)(net.n * net.dims.ways), sizeof *logits), loss;
    assert_non_null(logits);
    net.pass.progress = 0.3;
    net.pass.keep = net.keep;
    for (uint32_t stream = 0; stream < 4; stream++) {
        draw_keep(&net, stream);
        net_pass(&net);
        check_cut_gradients(&net);
        set_cut(&net, (mn_real)-INFINITY);
        reference_one_shot(&net, &space, logits, &loss);
        reference_check(&net, logits, loss, "cut logits");
        set_cut(&net, 1000); /* what they are does not matter */
        const double before = net.out.loss;
        assert_true(net_pass(&net) == before);
        set_cut(&net, 0);
    }
    free(logits);
    net_close(&net);
}

enum rule { LARGEST, ABOVE, STRONGEST };

/* How an op mixer without noise normalises, and what it keeps. */
struct normaliser {
    const char *use;
    double t_max, t_min; /* of a softmax; 0 = relu_softmax */
    enum rule rule;
};

static const struct normaliser normalisers[] = {
    {"softmax", 1, 1, LARGEST},
    {"soft_prune, t_max: 1.5, t_min: 0.3, threshold: 0.04, test_threshold: 0.25", 1.5, 0.3, ABOVE},
    {"gumbel, t_max: 1.5, t_min: 0.3, threshold: 0.04, test_threshold: 0.25", 1.5, 0.3, ABOVE},
    {"relu_softmax, threshold: 0.04, test_threshold: 0.25", 0, 0, ABOVE},
    {"gdas", 1, 1, LARGEST},
    {"proxyless", 1, 1, LARGEST},
};
enum { NORMALISERS = sizeof normalisers / sizeof normalisers[0] };

static void soft(int64_t n, const double *a, double tau, double *out) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += exp(a[i] / tau);
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] = exp(a[i] / tau) / sum;
    }
}

static void normalise(const struct normaliser *how, int64_t n, const double *a, double progress,
                      double *out) {
    double positive = 0;
    soft(n, a, how->t_max > 0 ? how->t_max - progress * (how->t_max - how->t_min) : 1, out);
    for (int64_t i = 0; i < n; i++) {
        positive += fmax(a[i], 0);
    }
    for (int64_t i = 0; how->t_max <= 0 && positive > 0 && i < n; i++) {
        out[i] = (1 - progress) * out[i] + progress * fmax(a[i], 0) / positive;
    }
}

static void check_mixtures(const struct net *net, const struct normaliser *how) {
    for (int i = 0; i < nas_model_n_mixtures(net->model); i++) {
        const struct nas_mixture *x = nas_model_mixture(net->model, i);
        double a[MOST], expected[MOST], threshold = how->rule == ABOVE ? 0.04 : 0;
        int64_t top = 0;
        for (int64_t c = 0; !x->is_input && c < x->n_choices; c++) {
            a[c] = net->keep[x->choice0 + c] ? (double)net->at.a[x->logit0 + c] : -INFINITY;
            top = a[c] > a[top] ? c : top;
        }
        if (x->is_input) {
            continue;
        }
        normalise(how, x->n_choices, a, net->pass.progress, expected);
        for (int64_t c = 0; c < x->n_choices; c++) {
            const double e = expected[c] <= threshold && c != top ? 0 : expected[c];
            assert_true(fabs((double)net->mixture[x->choice0 + c] - e) < 1e-6);
        }
    }
}

static void test_every_mixer_sees_only_what_is_kept(void **state) {
    (void)state;
    for (int m = 0; m < NORMALISERS; m++) {
        struct net net;
        open_net(&net, normalisers[m].use, "sum");
        net.pass.flags = 0;
        net.pass.keep = net.keep;
        for (uint32_t stream = 0; stream < 3; stream++) {
            draw_keep(&net, stream);
            net.pass.progress = 0.5 * stream;
            net_pass(&net);
            check_mixtures(&net, &normalisers[m]);
        }
        net_close(&net);
    }
}

static void test_an_empty_mixture_is_refused(void **state) {
    struct net net;
    const struct mn_pass *pass = &net.pass;
    (void)state;
    open_net(&net, "softmax", "sum");
    const struct mn_set batch = {.n = net.n, .images = net.images, .labels = net.labels};
    struct mn_outcome out = {.size = sizeof out};
    net.pass.flags = 0;
    net.pass.keep = net.keep; /* all zero */
    assert_int_equal(mn_model_pass(net.ctx, net.model, &net.at, &batch, pass, &out), MN_INTERNAL);
    assert_non_null(strstr(nas_ctx_message(net.ctx), "leaves nothing of mixture normal.0.op.0"));
    net_close(&net);
}

/* ---- which choices stay ------------------------------------------------------------------- */

static int64_t largest(int64_t n, const double *w) {
    int64_t top = 0;
    for (int64_t c = 0; c < n; c++) {
        top = w[c] > w[top] ? c : top;
    }
    return top;
}

static void keep_above(int64_t n, const double *w, double threshold, uint8_t *keep) {
    for (int64_t c = 0; c < n; c++) {
        keep[c] = w[c] > threshold || c == largest(n, w);
    }
}

static void keep_strongest(int n, double *strength, int k, uint8_t *keep) {
    for (int i = 0; i < k && i < n; i++) {
        const int64_t top = largest(n, strength);
        keep[top] = 1;
        strength[top] = -1;
    }
}

/* An input mixer: combinations at a temperature, or the k strongest. */
struct inputs {
    const char *use;
    enum rule rule;
    int k;
};

static void expected_keep(const struct net *net, const struct normaliser *how,
                          const struct inputs *in, uint8_t *keep) {
    const double threshold = net->ctx->where.split == MN_TRAIN ? 0.04 : 0.25;
    double strength[MOST] = {0};
    for (int i = 0; i < nas_model_n_mixtures(net->model); i++) {
        const struct nas_mixture *x = nas_model_mixture(net->model, i);
        uint8_t *to = keep + x->choice0;
        double a[MOST], w[MOST];
        for (int64_t c = 0; x->logit0 >= 0 && c < x->n_choices; c++) {
            a[c] = (double)net->at.a[x->logit0 + c];
        }
        if (x->is_input && in->rule == STRONGEST) {
            keep_strongest(x->n_items, strength, in->k, to);
        } else if (x->is_input) {
            soft(x->n_choices, a, 0.3, w);
            keep_above(x->n_choices, w, threshold, to);
        } else {
            normalise(how, x->n_choices, a, 1, w);
            strength[x->edge] = w[largest(x->n_choices, w)];
            keep_above(x->n_choices, w, how->rule == ABOVE ? threshold : 1, to);
        }
    }
}

static void check_prune(const struct normaliser *how, const struct inputs *in) {
    struct net net;
    int64_t cut = 0;
    open_net(&net, how->use, in->use);
    uint8_t *expected = calloc((size_t)net.dims.n_choices, 1);
    assert_non_null(expected);
    for (uint32_t point = 0; point < 12; point++) {
        struct mn_rng rng = mn_rng_make(33, MN_RNG_PLUGIN, 0, 0, 0, point);
        for (int64_t i = 0; i < net.dims.n_a; i++) {
            net.at.a[i] = (mn_real)(0.6 * mn_rng_normal(&rng));
        }
        net.ctx->where.split = point % 2 == 0 ? MN_TRAIN : MN_TEST;
        memset(expected, 0, (size_t)net.dims.n_choices);
        memset(net.keep, 9, (size_t)net.dims.n_choices);
        expected_keep(&net, how, in, expected);
        assert_int_equal(mn_model_prune(net.ctx, net.model, &net.at, net.keep), MN_OK);
        for (int64_t c = 0; c < net.dims.n_choices; c++) {
            if (net.keep[c] != expected[c]) {
                print_error("%s / %s, point %u: choice %d\n", how->use, in->use, point, (int)c);
            }
            assert_int_equal(net.keep[c], expected[c]);
            cut += !expected[c];
        }
    }
    assert_true(cut > 0);
    free(expected);
    net_close(&net);
}

static void test_what_stays(void **state) {
    static const struct inputs inputs[] = {
        {"sum, k: 1", STRONGEST, 1},
        {"sum, k: 2", STRONGEST, 2},
        {"soft_prune, k: 1, t_max: 1.5, t_min: 0.3, threshold: 0.04, test_threshold: 0.25", ABOVE,
         1},
        {"soft_prune, k: 2, t_max: 1.5, t_min: 0.3, threshold: 0.04, test_threshold: 0.25", ABOVE,
         2},
    };
    (void)state;
    for (int m = 0; m < NORMALISERS; m++) {
        for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
            check_prune(&normalisers[m], &inputs[i]);
        }
    }
}

/* ---- what a mixer is told ----------------------------------------------------------------- */

/* What a network loses with a choice is what the mixer was told of its items, where the node sums
 * its inputs. */
static void test_mixtures_know_their_costs(void **state) {
    struct net net;
    int64_t whole, left;
    int strided = 0;
    (void)state;
    open_net(&net, "softmax", "sum");
    memset(net.keep, 1, (size_t)net.dims.n_choices);
    assert_int_equal(nas_model_parameters(net.ctx, net.model, net.keep, &whole), MN_OK);
    for (int i = 0; i < nas_model_n_mixtures(net.model); i++) {
        const struct nas_mixture *x = nas_model_mixture(net.model, i);
        const struct mn_mixture *about = &x->about;
        double macs, less;
        assert_string_equal(about->name, x->name);
        assert_int_equal(about->n_items, x->is_input ? x->n_items : OPS);
        strided += about->stride == 2;
        for (int k = 0; k < x->n_items; k++) {
            char number[16];
            snprintf(number, sizeof number, "%d", k);
            assert_string_equal(about->items[k], x->is_input ? number : ops[k]);
            net.keep[x->choice0 + k] = 0;
            assert_int_equal(nas_model_parameters(net.ctx, net.model, net.keep, &left), MN_OK);
            assert_int_equal(
                nas_model_pruned_cost(net.ctx, net.model, MN_COST_MACS, net.keep, &less), MN_OK);
            net.keep[x->choice0 + k] = 1;
            assert_int_equal(
                nas_model_pruned_cost(net.ctx, net.model, MN_COST_MACS, net.keep, &macs), MN_OK);
            assert_true((double)(whole - left) == about->parameters[k]);
            assert_true(macs - less == about->macs[k]);
        }
    }
    /* The reduction cell reads both its inputs at stride 2, in each of its two nodes. */
    assert_int_equal(strided, 4);
    net_close(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_logits_are_minus_infinity),
        cmocka_unit_test(test_every_mixer_sees_only_what_is_kept),
        cmocka_unit_test(test_an_empty_mixture_is_refused),
        cmocka_unit_test(test_what_stays),
        cmocka_unit_test(test_mixtures_know_their_costs),
    };
    return net_run(tests);
}
