/* SPDX-License-Identifier: MIT */
/* How a workspace is shared out in time: that no two slots which are held together share memory,
 * that sharing changes no bit of a pass, that nothing is read after it is given up, and how much
 * memory the largest usual network takes. */
#include "net.h"
#include "network/graph.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

/* Every operation, both strides, odd and even sizes, one and two stages, groups, drop path. */
static const char *const configs[] = {
    "task: {ways: 4}\n"
    "search_space: {use: darts, cells: 4, nodes: 2, channels: 4, reduction_cells: [1, 2],\n"
    "  drop_path: 0.3, ops: [max_pool_3x3, avg_pool_3x3, skip_connect, conv_1x5_5x1, conv_3x3,\n"
    "  sep_conv_3x3, dil_conv_3x3, none, sep_conv_5x5, sep_conv_7x7, dil_conv_5x5,\n"
    "  conv_7x1_1x7, dense_conv_3x3]}\n"
    "op_mixer: {use: softmax}\ninput_mixer: {use: soft_prune, t_max: 1, t_min: 0.4}\n",
    "task: {ways: 4}\n"
    "search_space: {use: pc_darts, cells: 3, nodes: 3, channels: 8, reduction_cells: [1]}\n"
    "op_mixer: {use: softmax}\ninput_mixer: {use: pc_darts}\n",
    "task: {ways: 4}\nsearch_space: {use: conv4, channels: 8}\n",
};
enum { CONFIGS = sizeof configs / sizeof configs[0], SIZE = 19, IMAGES = 5 };

static void open_net(struct net *net, int i) {
    net_open(net, configs[i], IMAGES, 2, SIZE, SIZE);
    net->pass.flags |= MN_PASS_TRAINING;
}

/* ---- the plan ----------------------------------------------------------------------------- */

static int held_together(const struct nas_slot *a, const struct nas_slot *b, int plan, int steps) {
    for (int step = 0; step < steps; step++) {
        int held[2] = {0};
        for (int i = 0; i < NAS_N_HOLDS; i++) {
            held[0] |= a->hold[plan][i].from <= step && step <= a->hold[plan][i].to;
            held[1] |= b->hold[plan][i].from <= step && step <= b->hold[plan][i].to;
        }
        if (held[0] && held[1]) {
            return 1;
        }
    }
    return 0;
}

static int overlap(const struct nas_slot *a, const struct nas_slot *b, int plan) {
    return a->at[plan] < b->at[plan] + b->reals && b->at[plan] < a->at[plan] + a->reals;
}

static int held(const struct nas_slot *slot, int plan) {
    return slot->hold[plan][NAS_HOLD_KEPT].to >= 0 || slot->hold[plan][NAS_HOLD_AGAIN].to >= 0;
}

/* Padding that is zero for one is zero for the other. */
static int alike(const struct nas_slot *a, const struct nas_slot *b, int plan) {
    return a->layout >= 0 && a->layout == b->layout && a->at[plan] == b->at[plan];
}

/* 1 where two slots share memory. */
static int check_pair(const struct mn_model *m, int plan, const struct nas_slot *a,
                      const struct nas_slot *b) {
    if (!held(a, plan) || !held(b, plan) || !overlap(a, b, plan)) {
        return 0;
    }
    assert_false(held_together(a, b, plan, m->n_steps));
    assert_true(alike(a, b, plan) || (!a->alone[plan] && !b->alone[plan]));
    return 1;
}

static int check_plan(const struct mn_model *m, int plan) {
    int shared = 0;
    for (int i = 0; i < m->n_slots; i++) {
        assert_true(m->slots[i].at[plan] >= m->n_fixed);
        assert_true(m->slots[i].at[plan] + m->slots[i].reals <= m->n_reals ||
                    !held(&m->slots[i], plan));
        for (int j = 0; j < i; j++) {
            shared += check_pair(m, plan, &m->slots[i], &m->slots[j]);
        }
    }
    return shared;
}

static void test_no_two_held_slots_share_memory(void **state) {
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        struct net net;
        open_net(&net, i);
        for (int plan = 0; plan < NAS_N_PLANS; plan++) {
            assert_true(check_plan(net.model, plan) > 0);
        }
        net_close(&net);
    }
}

/* ---- what sharing may not change ---------------------------------------------------------- */

/* A copy of what a pass gave. */
struct result {
    double loss;
    mn_real *logits, *w, *a;
};

static mn_real *copy(int64_t n, const mn_real *from) {
    mn_real *to = malloc((size_t)(n + 1) * sizeof *to);
    assert_non_null(to);
    memcpy(to, from, (size_t)n * sizeof *to);
    return to;
}

static struct result result_of(struct net *net) {
    struct result r = {.loss = net_pass(net)};
    r.logits = copy((int64_t)net->n * net->dims.ways, net->logits);
    r.w = copy(net->dims.n_w, net->grad.w);
    r.a = copy(net->dims.n_a, net->grad.a);
    return r;
}

static void result_free(struct result *r) {
    free(r->logits);
    free(r->w);
    free(r->a);
}

static void check_same(struct net *net, const struct result *expected, int gradients) {
    assert_true(net_pass(net) == expected->loss);
    assert_memory_equal(net->logits, expected->logits,
                        (size_t)net->n * (size_t)net->dims.ways * sizeof(mn_real));
    if (gradients) {
        assert_memory_equal(net->grad.w, expected->w, (size_t)net->dims.n_w * sizeof(mn_real));
        assert_memory_equal(net->grad.a, expected->a, (size_t)net->dims.n_a * sizeof(mn_real));
    }
}

static void renew_workspace(struct net *net) {
    nas_workspace_free(net->context.workspace);
    net->context.workspace = NULL;
    assert_int_equal(nas_workspace_new(net->ctx, net->model, &net->context.workspace), MN_OK);
}

/* Give each slot memory of its own. */
static void spread(struct net *net) {
    struct mn_model *m = net->e.model;
    size_t at = m->n_fixed;
    for (int i = 0; i < m->n_slots; i++) {
        for (int plan = 0; plan < NAS_N_PLANS; plan++) {
            m->slots[i].at[plan] = at;
        }
        at += m->slots[i].reals;
    }
    assert_true(at > m->n_reals);
    m->n_reals = at;
    renew_workspace(net);
    net->context.workspace->poison = 0;
}

static void test_sharing_changes_no_bit(void **state) {
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        struct net apart, shared;
        open_net(&apart, i);
        open_net(&shared, i);
        spread(&apart);
        struct result expected = result_of(&apart);
        for (int poison = 0; poison < 2; poison++) {
            shared.context.workspace->poison = poison;
            check_same(&shared, &expected, 1);
        }
        result_free(&expected);
        net_close(&apart);
        net_close(&shared);
    }
}

/* What is left in the memory, not a number at worst, reaches no result, whatever the size: vectors
 * end in padding in another way for each. */
static void test_what_was_left_is_not_read(void **state) {
    static const char config[] =
        "task: {ways: 2}\n"
        "search_space: {use: darts, cells: 2, nodes: 1, channels: 2, reduction_cells: [1]}\n"
        "op_mixer: {use: soft_prune}\ninput_mixer: {use: soft_prune}\n";
    (void)state;
    for (int size = 4; size <= 48; size++) {
        struct net net;
        net_open(&net, config, 3, 1, size, size + size % 3);
        net.context.workspace->poison = 0;
        struct result expected = result_of(&net);
        net.context.workspace->poison = 1;
        check_same(&net, &expected, 1);
        result_free(&expected);
        net_close(&net);
    }
}

/* The two kinds of pass and batches of several sizes leave each other's data in the workspace. */
static void test_passes_take_turns(void **state) {
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        struct net net;
        struct result expected[IMAGES + 1];
        open_net(&net, i);
        net.context.workspace->poison = 0;
        for (int n = 1; n <= IMAGES; n++) {
            net.n = n;
            renew_workspace(&net);
            expected[n] = result_of(&net);
        }
        const uint32_t flags = net.pass.flags;
        for (int turn = 0; turn < 4 * IMAGES; turn++) {
            const int gradients = turn / IMAGES % 2 == 1;
            net.n = 1 + turn * 3 % IMAGES;
            net.pass.flags = gradients ? flags : MN_PASS_TRAINING;
            check_same(&net, &expected[net.n], gradients);
        }
        for (int n = 1; n <= IMAGES; n++) {
            result_free(&expected[n]);
        }
        net.n = IMAGES;
        net_close(&net);
    }
}

/* The check itself: a plan that gives the stem's output up before its readers is found. */
static void test_poison_shows_a_wrong_plan(void **state) {
    struct net net;
    (void)state;
    open_net(&net, 0);
    struct mn_model *m = net.e.model;
    const struct nas_layer *stem = &m->layers[0];
    struct nas_slot *x = &m->slots[m->acts[m->states[stem->state].act].x];
    const struct mn_set batch = {.n = net.n, .images = net.images, .labels = net.labels};
    net.out = (struct mn_outcome){.size = sizeof net.out};
    net.pass.flags = 0;
    for (int wrong = 0; wrong < 2; wrong++) {
        if (wrong) {
            x->hold[NAS_PLAN_FORWARD][NAS_HOLD_KEPT].to = stem->forward;
        }
        net.context.workspace->poison = 1;
        assert_int_equal(mn_model_pass(net.ctx, net.model, &net.at, &batch, &net.pass, &net.out),
                         wrong ? MN_NUMERIC : MN_OK);
    }
    net_close(&net);
}

/* ---- how much ----------------------------------------------------------------------------- */

static size_t slot_bytes(const struct mn_model *m, int plan) {
    size_t end = m->n_fixed;
    for (int i = 0; i < m->n_slots; i++) {
        const struct nas_slot *s = &m->slots[i];
        end = held(s, plan) && s->at[plan] + s->reals > end ? s->at[plan] + s->reals : end;
    }
    return end * sizeof(mn_real);
}

/* The largest sum of what is held at one step: no plan can need less. */
static size_t least_bytes(const struct mn_model *m, int plan) {
    size_t most = 0;
    for (int step = 0; step < m->n_steps; step++) {
        size_t sum = m->n_fixed;
        for (int i = 0; i < m->n_slots; i++) {
            sum += nas_slot_held(&m->slots[i], (enum nas_plan)plan, step) ? m->slots[i].reals : 0;
        }
        most = sum > most ? sum : most;
    }
    return most * sizeof(mn_real);
}

static void test_planned_bytes(void **state) {
    static const char config[] =
        "task: {ways: 20}\n"
        "search_space: {use: darts, cells: 4, nodes: 3, channels: 28, reduction_cells: [1, 3]}\n"
        "op_mixer: {use: soft_prune}\ninput_mixer: {use: soft_prune}\n";
    const size_t mega = 1 << 20, real = sizeof(mn_real) / 4;
    struct net net;
    (void)state;
    net_open(&net, config, 20, 1, 28, 28);
    assert_true(nas_model_workspace_bytes(net.model) <= 240 * mega * real);
    assert_true(slot_bytes(net.model, NAS_PLAN_FORWARD) <= 60 * mega * real);
    for (int plan = 0; plan < NAS_N_PLANS; plan++) {
        assert_true((double)slot_bytes(net.model, plan) <
                    1.05 * (double)least_bytes(net.model, plan));
    }
    net_close(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_two_held_slots_share_memory),
        cmocka_unit_test(test_sharing_changes_no_bit),
        cmocka_unit_test(test_what_was_left_is_not_read),
        cmocka_unit_test(test_passes_take_turns),
        cmocka_unit_test(test_poison_shows_a_wrong_plan),
        cmocka_unit_test(test_planned_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
