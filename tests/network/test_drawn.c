/* SPDX-License-Identifier: MIT */
/* Mixers that draw candidates, in a whole network: what is computed, and the gradient of the logits
 * against the stated estimator with the same noise. dL/dweight of a candidate comes from central
 * differences of the plain-loop reference, which takes any mixture weights. */
#include "reference.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const char *const ops[] = {"max_pool_3x3", "skip_connect", "conv_3x3", "sep_conv_3x3",
                                  "dense_conv_3x3"};
enum { OPS = sizeof ops / sizeof ops[0], MOST = 64 };

/* A network in a training step, and for every mixture the candidate with weight 1 and the one that
 * is computed only for its gradient (-1 = none). */
struct bench {
    struct net net;
    double weights[2][4][8][16];
    int drawn[MOST], other[MOST];
    double share[MOST]; /* proxyless: q of the drawn one */
    struct reference_space space;
};

static const struct nas_mixture *mixture(const struct bench *b, int i) {
    return nas_model_mixture(b->net.model, i);
}

/* Weights of mixture i in the reference. */
static double *weights_of(struct bench *b, int i) {
    const struct nas_mixture *x = mixture(b, i);
    const int node = x->group[strlen(x->group) - 1] - '0';
    return b->weights[strncmp(x->group, "reduction", 9) == 0][node][x->edge];
}

/* The documented stream of mixture i. */
static struct mn_rng stream_of(const struct bench *b, int i) {
    const struct mn_where *w = &b->net.ctx->where;
    struct mn_rng rng = mn_rng_make(w->seed, MN_RNG_MIXER, (uint32_t)w->split,
                                    (uint64_t)w->meta_epoch, (uint32_t)w->task, 6);
    rng.counter[0] = (uint32_t)i << 20;
    return rng;
}

static void bench_open(struct bench *b, const char *op_mixer) {
    char config[1024];
    memset(b, 0, sizeof *b);
    snprintf(config, sizeof config,
             "task: {ways: 4}\n"
             "search_space: {use: darts, cells: 3, nodes: 2, channels: 4, reduction_cells: [1],\n"
             "  ops: [max_pool_3x3, skip_connect, conv_3x3, sep_conv_3x3, dense_conv_3x3]}\n"
             "op_mixer: {use: %s}\ninput_mixer: {use: soft_prune, t_max: 1, t_min: 0.4}\n",
             op_mixer);
    net_open(&b->net, config, 3, 2, 8, 8);
    b->net.ctx->where.seed = 12;
    b->net.ctx->where.meta_epoch = 3;
    b->net.ctx->where.task = 1;
    b->net.pass.flags |= MN_PASS_TRAINING;
    b->net.pass.step = 6;
    b->net.pass.progress = 0.25;
    b->space = (struct reference_space){.channels = 4,
                                        .cells = 3,
                                        .nodes = 2,
                                        .n_ops = OPS,
                                        .ops = ops,
                                        .reduction = {0, 1, 0},
                                        .tau_in = 1 - 0.25 * 0.6,
                                        .threshold = 0.01,
                                        .k = 2,
                                        .op_weights = b->weights};
}

static double reference_loss(struct bench *b, double *logits) {
    double room[MOST], loss;
    reference_one_shot(&b->net, &b->space, logits != NULL ? logits : room, &loss);
    return loss;
}

/* dL/dweight of candidate c of mixture i. */
static double slope(struct bench *b, int i, int c) {
    const double h = 1e-5;
    double *w = &weights_of(b, i)[c];
    const double here = *w;
    *w = here + h;
    const double up = reference_loss(b, NULL);
    *w = here - h;
    const double down = reference_loss(b, NULL);
    *w = here;
    return (up - down) / (2 * h);
}

static void softmax(const double *a, double tau, double *out) {
    double sum = 0;
    for (int c = 0; c < OPS; c++) {
        sum += exp(a[c] / tau);
    }
    for (int c = 0; c < OPS; c++) {
        out[c] = exp(a[c] / tau) / sum;
    }
}

static void check_pass(struct bench *b) {
    double logits[MOST];
    net_pass(&b->net);
    for (int i = 0; i < nas_model_n_mixtures(b->net.model); i++) {
        for (int c = 0; !mixture(b, i)->is_input && c < OPS; c++) {
            const double expected = c == b->drawn[i];
            assert_true((double)b->net.mixture[mixture(b, i)->choice0 + c] == expected);
            weights_of(b, i)[c] = expected;
        }
    }
    const double loss = reference_loss(b, logits);
    reference_check(&b->net, logits, loss, "drawn");
}

static void check_gradient(const struct bench *b, int i, const double *expected) {
    const struct nas_mixture *x = mixture(b, i);
    for (int c = 0; c < OPS; c++) {
        const double got = (double)b->net.grad.a[x->logit0 + c];
        if (!(fabs(got - expected[c]) <= 1e-6 * (1 + fabs(expected[c])))) {
            print_error("%s, candidate %d: %.12g, expected %.12g\n", x->name, c, got, expected[c]);
            fail();
        }
    }
}

/* ---- GDAS --------------------------------------------------------------------------------- */

static void gumbel(struct bench *b, int i, double *noisy) {
    struct mn_rng rng = stream_of(b, i);
    for (int c = 0; c < OPS; c++) {
        noisy[c] = (double)b->net.at.a[mixture(b, i)->logit0 + c] - log(-log(mn_rng_uniform(&rng)));
        b->drawn[i] = c == 0 || noisy[c] > noisy[b->drawn[i]] ? c : b->drawn[i];
    }
}

static void test_gdas(void **state) {
    static struct bench b;
    const double tau = 10 - 0.25 * (10 - 0.1);
    double noisy[MOST][OPS];
    (void)state;
    bench_open(&b, "gdas");
    for (int i = 0; i < nas_model_n_mixtures(b.net.model); i++) {
        if (!mixture(&b, i)->is_input) {
            gumbel(&b, i, noisy[i]);
        }
    }
    check_pass(&b);
    assert_true(fabs(b.net.out.skip_share - (OPS - 1.0) / OPS) < 1e-12);
    for (int i = 0; i < nas_model_n_mixtures(b.net.model); i++) {
        double z[OPS], expected[OPS];
        if (mixture(&b, i)->is_input) {
            continue;
        }
        softmax(noisy[i], tau, z);
        const int t = b.drawn[i];
        const double g = slope(&b, i, t);
        for (int c = 0; c < OPS; c++) {
            expected[c] = g * z[t] * ((c == t) - z[c]) / tau;
        }
        check_gradient(&b, i, expected);
    }
    net_close(&b.net);
}

/* ---- ProxylessNAS ------------------------------------------------------------------------- */

/* Inverse of the distribution over those but `without`. */
static int draw(struct mn_rng *rng, const double *p, int without) {
    const double left = mn_rng_uniform(rng) * (without < 0 ? 1 : 1 - p[without]);
    double sum = 0;
    int last = -1;
    for (int c = 0; c < OPS && (last < 0 || sum <= left); c++) {
        if (c != without) {
            sum += p[c];
            last = c;
        }
    }
    return last;
}

static void draw_two(struct bench *b, int i) {
    struct mn_rng rng = stream_of(b, i);
    double a[OPS], p[OPS];
    for (int c = 0; c < OPS; c++) {
        a[c] = (double)b->net.at.a[mixture(b, i)->logit0 + c];
    }
    softmax(a, 1, p);
    const int first = draw(&rng, p, -1), second = draw(&rng, p, first);
    const double q = p[first] / (p[first] + p[second]);
    const int opens = mn_rng_uniform(&rng) < q;
    b->drawn[i] = opens ? first : second;
    b->other[i] = opens ? second : first;
    b->share[i] = opens ? q : 1 - q;
}

static void test_proxyless(void **state) {
    static struct bench b;
    (void)state;
    bench_open(&b, "proxyless");
    for (int i = 0; i < nas_model_n_mixtures(b.net.model); i++) {
        if (!mixture(&b, i)->is_input) {
            draw_two(&b, i);
        }
    }
    check_pass(&b);
    assert_true(fabs(b.net.out.skip_share - (OPS - 2.0) / OPS) < 1e-12);
    for (int i = 0; i < nas_model_n_mixtures(b.net.model); i++) {
        double expected[OPS] = {0};
        if (mixture(&b, i)->is_input) {
            continue;
        }
        const double g = slope(&b, i, b.drawn[i]) - slope(&b, i, b.other[i]);
        expected[b.drawn[i]] = b.share[i] * (1 - b.share[i]) * g;
        expected[b.other[i]] = -expected[b.drawn[i]];
        check_gradient(&b, i, expected);
    }
    net_close(&b.net);
}

/* A step that learns only weights computes one candidate of an edge. */
static void test_proxyless_weight_step(void **state) {
    static struct bench b;
    (void)state;
    bench_open(&b, "proxyless");
    b.net.pass.flags &= ~(uint32_t)MN_PASS_GRAD_A;
    net_pass(&b.net);
    assert_true(fabs(b.net.out.skip_share - (OPS - 1.0) / OPS) < 1e-12);
    net_close(&b.net);
}

/* ---- what is not drawn is not computed ---------------------------------------------------- */

/* Whether a segment holds weights of the candidate with this role in its edge. */
static int has_role(const struct bench *b, const struct mn_segment *s, const int *role) {
    int cell, node, edge, length = 0;
    if (sscanf(s->name, "cells.%d.nodes.%d.edges.%d.%n", &cell, &node, &edge, &length) != 3) {
        return 0;
    }
    char group[32];
    snprintf(group, sizeof group, "%s.%d", b->space.reduction[cell] ? "reduction" : "normal", node);
    for (int i = 0; i < nas_model_n_mixtures(b->net.model); i++) {
        const struct nas_mixture *x = mixture(b, i);
        if (!x->is_input && x->edge == edge && strcmp(x->group, group) == 0) {
            const char *op = role[i] >= 0 ? ops[role[i]] : "";
            return strncmp(s->name + length, op, strlen(op)) == 0 &&
                   s->name[length + (int)strlen(op)] == '.';
        }
    }
    return 0;
}

static int is_candidate(const struct mn_segment *s) {
    return strstr(s->name, ".edges.") != NULL;
}

/* Weights that are no numbers spoil all that is computed with them. */
static void check_untouched(struct bench *b, const char *op_mixer, int with_a) {
    bench_open(b, op_mixer);
    if (!with_a) {
        b->net.pass.flags &= ~(uint32_t)MN_PASS_GRAD_A;
    }
    const double loss = net_pass(&b->net);
    int64_t spoiled = 0;
    for (int i = 0; i < nas_model_n_mixtures(b->net.model); i++) {
        b->drawn[i] = -1;
        for (int c = 0; !mixture(b, i)->is_input && c < OPS; c++) {
            b->drawn[i] = b->net.mixture[mixture(b, i)->choice0 + c] > 0 ? c : b->drawn[i];
        }
        b->other[i] = -1;
        for (int c = 0; !mixture(b, i)->is_input && with_a && c < OPS; c++) {
            const int moves = b->net.grad.a[mixture(b, i)->logit0 + c] != 0;
            b->other[i] = moves && c != b->drawn[i] ? c : b->other[i];
        }
    }
    for (int i = 0; i < b->net.dims.n_w_segments; i++) {
        const struct mn_segment *s = nas_model_segment(b->net.model, 0, i);
        if (!is_candidate(s) || has_role(b, s, b->drawn)) {
            continue;
        }
        for (int64_t j = 0; j < s->count; j++) {
            assert_true(b->net.grad.w[s->offset + j] == 0);
            if (strcmp(op_mixer, "proxyless") != 0 || !has_role(b, s, b->other)) {
                b->net.at.w[s->offset + j] = (mn_real)NAN;
                spoiled++;
            }
        }
    }
    assert_true(spoiled > 0);
    assert_true(net_pass(&b->net) == loss);
    for (int64_t j = 0; j < b->net.dims.n_w; j++) {
        assert_true(isfinite(b->net.grad.w[j]));
    }
    for (int64_t j = 0; with_a && j < b->net.dims.n_a; j++) {
        assert_true(isfinite(b->net.grad.a[j]));
    }
    net_close(&b->net);
}

static void test_the_rest_is_not_computed(void **state) {
    static struct bench b;
    (void)state;
    check_untouched(&b, "gdas", 1);
    check_untouched(&b, "gdas", 0);
    check_untouched(&b, "proxyless", 1);
    check_untouched(&b, "proxyless", 0);
}

/* The candidate that is computed for its gradient changes nothing else. */
static void test_the_measured_leaves_the_network_alone(void **state) {
    static struct bench b;
    (void)state;
    bench_open(&b, "proxyless");
    const double loss = net_pass(&b.net);
    mn_real *d_w = calloc((size_t)b.net.dims.n_w, sizeof *d_w);
    assert_non_null(d_w);
    mn_vec_copy(b.net.dims.n_w, b.net.grad.w, d_w);
    for (int i = 0; i < nas_model_n_mixtures(b.net.model); i++) {
        b.other[i] = -1;
        for (int c = 0; !mixture(&b, i)->is_input && c < OPS; c++) {
            const struct nas_mixture *x = mixture(&b, i);
            b.other[i] = b.net.grad.a[x->logit0 + c] != 0 && b.net.mixture[x->choice0 + c] <= 0
                             ? c
                             : b.other[i];
        }
    }
    int64_t moved = 0;
    for (int i = 0; i < b.net.dims.n_w_segments; i++) {
        const struct mn_segment *s = nas_model_segment(b.net.model, 0, i);
        for (int64_t j = 0; has_role(&b, s, b.other) && j < s->count; j++, moved++) {
            b.net.at.w[s->offset + j] += 1 + (mn_real)j;
        }
    }
    assert_true(moved > 0);
    assert_true(net_pass(&b.net) == loss);
    assert_memory_equal(d_w, b.net.grad.w, (size_t)b.net.dims.n_w * sizeof *d_w);
    free(d_w);
    net_close(&b.net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gdas),
        cmocka_unit_test(test_proxyless),
        cmocka_unit_test(test_proxyless_weight_step),
        cmocka_unit_test(test_the_rest_is_not_computed),
        cmocka_unit_test(test_the_measured_leaves_the_network_alone),
    };
    return net_run(tests);
}
