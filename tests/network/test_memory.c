/* SPDX-License-Identifier: MIT */
/* How a workspace is shared out in time: that no two tensors which are live together share memory,
 * that sharing changes no bit of a pass, that nothing is read after it is given up, and how much
 * memory the largest usual network takes. */
#include "backend/cpu/pass.h"
#include "lane.h"
#include "net.h"

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

static struct nas_cpu_plan *plan_of(const struct net *net) {
    return net->model->plan;
}

/* ---- the plan ----------------------------------------------------------------------------- */

static int n_ops_of(const struct nas_schedule *s, int extent) {
    return extent == NAS_FORWARD ? s->n_forward : s->n_ops;
}

/* At which operations a tensor holds what a later one reads, from the uses alone. */
static void find_live(const struct nas_schedule *s, int extent, int tensor, uint8_t *live) {
    int later = 0;
    for (int i = n_ops_of(s, extent) - 1; i >= 0; i--) {
        live[i] = (uint8_t)later;
        for (int u = s->ops[i].n_uses - 1; u >= 0; u--) {
            const struct nas_use *use = &s->uses[s->ops[i].first_use + u];
            if (use->tensor == tensor) {
                live[i] = 1;
                later = !use->begins;
            }
        }
    }
    assert_false(later); /* the first use begins it */
}

static int overlap(const struct nas_tensor *a, const struct nas_tensor *b, int extent) {
    return a->at[extent] < b->at[extent] + b->reals && b->at[extent] < a->at[extent] + a->reals;
}

/* Padding that is zero for one is zero for the other. */
static int alike(const struct nas_tensor *a, const struct nas_tensor *b, int extent) {
    return a->size >= 0 && a->size == b->size && a->at[extent] == b->at[extent];
}

/* How many pairs of tensors share memory. */
static int check_plan(const struct nas_cpu_plan *plan, int extent) {
    const struct nas_schedule *s = &plan->schedule;
    const int n_ops = n_ops_of(s, extent);
    int shared = 0;
    uint8_t *live = calloc((size_t)(s->n_tensors * n_ops), 1);
    assert_non_null(live);
    for (int i = 0; i < s->n_tensors; i++) {
        const struct nas_tensor *a = &s->tensors[i];
        find_live(s, extent, i, live + i * n_ops);
        if (memchr(live + i * n_ops, 1, (size_t)n_ops) == NULL) {
            continue; /* no operation uses it */
        }
        assert_true(a->at[extent] >= plan->n_fixed);
        assert_true(a->at[extent] + a->reals <= plan->n_reals);
        for (int j = 0; j < i; j++) {
            const struct nas_tensor *b = &s->tensors[j];
            if (memchr(live + j * n_ops, 1, (size_t)n_ops) == NULL || !overlap(a, b, extent)) {
                continue;
            }
            for (int op = 0; op < n_ops; op++) {
                assert_false(live[i * n_ops + op] && live[j * n_ops + op]);
            }
            assert_true(alike(a, b, extent) || (!a->alone[extent] && !b->alone[extent]));
            shared++;
        }
    }
    free(live);
    return shared;
}

static void test_no_two_live_tensors_share_memory(void **state) {
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        struct net net;
        open_net(&net, i);
        for (int extent = 0; extent < NAS_EXTENTS; extent++) {
            assert_true(check_plan(plan_of(&net), extent) > 0);
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

/* Give each tensor memory of its own. */
static void spread(struct net *net) {
    struct nas_cpu_plan *plan = plan_of(net);
    struct nas_schedule *s = &plan->schedule;
    size_t at = plan->n_fixed;
    for (int i = 0; i < s->n_tensors; i++) {
        for (int extent = 0; extent < NAS_EXTENTS; extent++) {
            s->tensors[i].at[extent] = at;
        }
        at += s->tensors[i].reals;
    }
    assert_true(at > plan->n_reals);
    plan->n_reals = at;
    renew_workspace(net);
}

static void test_sharing_changes_no_bit(void **state) {
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        struct net apart, shared;
        open_net(&apart, i);
        open_net(&shared, i);
        spread(&apart);
        struct result expected = result_of(&apart);
        check_same(&shared, &expected, 1);
        result_free(&expected);
        net_close(&apart);
        net_close(&shared);
    }
}

/* Nor is a tensor read that was given up, whether all candidates are computed or few. */
static void test_what_is_given_up_is_not_read(void **state) {
    (void)state;
    for (int i = 0; i < 2 * CONFIGS; i++) {
        struct net net;
        open_net(&net, i / 2);
        if (i % 2 == 1) {
            assert_int_equal(mn_model_prune(net.ctx, net.model, &net.at, net.keep), MN_OK);
            net.pass.keep = net.keep;
        }
        struct result expected = result_of(&net);
        lane_guard(net.model);
        lane_spoil(net.context.workspace);
        check_same(&net, &expected, 1);
        result_free(&expected);
        net_close(&net);
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
        struct result expected = result_of(&net);
        lane_spoil(net.context.workspace);
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

/* Nor do the plans of two sizes: steps of two images at most, and predictions of more. */
static void test_larger_predictions(void **state) {
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        enum { STEP = 2 };
        struct net net;
        struct result steps[STEP + 1], predictions[IMAGES + 1];
        struct mn_model *two;
        open_net(&net, i);
        const uint32_t flags = net.pass.flags;
        for (int n = 1; n <= IMAGES; n++) {
            net.n = n;
            net.pass.flags = 0;
            predictions[n] = result_of(&net);
            net.pass.flags = flags;
            if (n <= STEP) {
                steps[n] = result_of(&net);
            }
        }
        struct mn_dims dims = net.dims;
        dims.max_batch = STEP;
        const struct nas_network_units units = nas_experiment_network(&net.e);
        assert_int_equal(nas_model_new(net.ctx, &units, &dims, net.e.backend, net.e.kernels, &two),
                         MN_OK);
        net.model = two;
        renew_workspace(&net);
        for (int turn = 0; turn < 4 * IMAGES; turn++) {
            net.n = 1 + turn * 3 % IMAGES;
            net.pass.flags = 0;
            check_same(&net, &predictions[net.n], 0);
            net.n = 1 + turn % STEP;
            net.pass.flags = flags;
            check_same(&net, &steps[net.n], 1);
        }
        /* A step is held to its own size. */
        const struct mn_set batch = {.n = IMAGES, .images = net.images, .labels = net.labels};
        net.pass.flags = MN_PASS_TRAINING;
        assert_int_equal(mn_model_pass(net.ctx, two, &net.at, &batch, &net.pass, &net.out),
                         MN_INTERNAL);
        for (int n = 1; n <= IMAGES; n++) {
            result_free(&predictions[n]);
        }
        for (int n = 1; n <= STEP; n++) {
            result_free(&steps[n]);
        }
        nas_workspace_free(net.context.workspace);
        net.context.workspace = NULL;
        nas_model_free(two);
        net.n = IMAGES;
        net_close(&net);
    }
}

/* The check itself: a schedule that forgets who reads the stem's output is found. */
static void test_guard_shows_a_forgotten_use(void **state) {
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct net net;
        open_net(&net, 0);
        struct nas_schedule *s = &plan_of(&net)->schedule;
        const int stem = s->ops[1].to;
        for (int u = 0; wrong && u < s->n_uses; u++) {
            const int other = s->uses[u].tensor == stem && u >= s->ops[4].first_use;
            s->uses[u].tensor = other ? s->ops[0].to : s->uses[u].tensor;
        }
        assert_true(nas_allocate(s, NAS_EXTENTS, plan_of(&net)->n_fixed) <= plan_of(&net)->n_reals);
        lane_guard(net.model);
        const struct mn_set batch = {.n = net.n, .images = net.images, .labels = net.labels};
        net.out = (struct mn_outcome){.size = sizeof net.out};
        net.pass.flags = 0;
        assert_int_equal(mn_model_pass(net.ctx, net.model, &net.at, &batch, &net.pass, &net.out),
                         wrong ? MN_NUMERIC : MN_OK);
        net_close(&net);
    }
}

/* ---- how much ----------------------------------------------------------------------------- */

/* Up to where the tensors of an extent reach, and the largest sum of what is live at one operation:
 * no plan can need less. */
static void count_bytes(const struct nas_cpu_plan *plan, int extent, size_t *planned,
                        size_t *least) {
    const struct nas_schedule *s = &plan->schedule;
    *planned = *least = 0;
    for (int op = 0; op < n_ops_of(s, extent); op++) {
        size_t sum = plan->n_fixed;
        for (int i = 0; i < s->n_tensors; i++) {
            const struct nas_tensor *t = &s->tensors[i];
            if (nas_tensor_lives(t, (enum nas_extent)extent, op)) {
                const size_t end = (t->at[extent] + t->reals) * sizeof(mn_real);
                *planned = end > *planned ? end : *planned;
                sum += t->reals;
            }
        }
        *least = sum * sizeof(mn_real) > *least ? sum * sizeof(mn_real) : *least;
    }
}

/* The largest usual network. */
static const char large[] =
    "task: {ways: 20}\n"
    "search_space: {use: darts, cells: 4, nodes: 3, channels: 28, reduction_cells: [1, 3]}\n"
    "op_mixer: {use: soft_prune}\ninput_mixer: {use: soft_prune}\n";

static void test_planned_bytes(void **state) {
    const size_t mega = 1 << 20, real = sizeof(mn_real) / 4;
    struct net net;
    (void)state;
    net_open(&net, large, 20, 1, 28, 28);
    assert_true(nas_model_workspace_bytes(net.model) <= 240 * mega * real);
    for (int extent = 0; extent < NAS_EXTENTS; extent++) {
        size_t planned, least;
        count_bytes(plan_of(&net), extent, &planned, &least);
        assert_true(planned <= (extent == NAS_FORWARD ? 60 : 240) * mega * real);
        assert_true((double)planned < 1.05 * (double)least);
    }
    net_close(&net);
}

/* 300 query images are predicted in a small multiple of what steps of 20 images take. */
static void test_planned_bytes_of_predictions(void **state) {
    const size_t mega = 1 << 20, real = sizeof(mn_real) / 4;
    struct mn_model *model;
    struct net net;
    (void)state;
    net_open(&net, large, 20, 1, 28, 28);
    struct mn_dims dims = net.dims;
    dims.max_predictions = 300;
    const struct nas_network_units units = nas_experiment_network(&net.e);
    assert_int_equal(nas_model_new(net.ctx, &units, &dims, net.e.backend, net.e.kernels, &model),
                     MN_OK);
    assert_true(nas_model_workspace_bytes(model) <= 700 * mega * real);
    nas_model_free(model);
    net_close(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_two_live_tensors_share_memory),
        cmocka_unit_test(test_sharing_changes_no_bit),
        cmocka_unit_test(test_what_was_left_is_not_read),
        cmocka_unit_test(test_passes_take_turns),
        cmocka_unit_test(test_larger_predictions),
        cmocka_unit_test(test_what_is_given_up_is_not_read),
        cmocka_unit_test(test_guard_shows_a_forgotten_use),
        cmocka_unit_test(test_planned_bytes),
        cmocka_unit_test(test_planned_bytes_of_predictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
