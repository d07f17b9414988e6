/* SPDX-License-Identifier: MIT */
/* A candidate under the threshold costs nothing: no kernel, no memory, no update. */
#include "lane.h"
#include "net.h"

#include "learn/adapt.h"
#include "learn/state.h"
#include "profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

/* Two candidates that have no kernel in common but those of batch norm. */
static const char *const ops[] = {"max_pool_3x3", "dil_conv_3x3"};
enum { POOL, DILATED };

static const char config[] =
    "task: {ways: 4}\n"
    "search_space: {use: darts, cells: 2, nodes: 2, channels: 4, reduction_cells: [1],\n"
    "  ops: [max_pool_3x3, dil_conv_3x3]}\n"
    "op_mixer: {use: soft_prune, t_max: 1, t_min: 0.1, threshold: 0.01}\n"
    "input_mixer: {use: soft_prune, k: 2, t_max: 1, t_min: 0.1, threshold: 0.01}\n"
    "task_learner: {use: darts, batch: 3, test_batch: 3, steps: 4, warm_up: 0}\n";

/* Give `op` a weight under the threshold on every edge; -1 = equal weights. */
static void put_under(struct net *net, int op) {
    for (int i = 0; i < nas_model_n_mixtures(net->model); i++) {
        const struct nas_mixture *x = nas_model_mixture(net->model, i);
        for (int64_t c = 0; c < x->n_choices; c++) {
            net->at.a[x->logit0 + c] = !x->is_input && c == op ? -20 : 0;
        }
    }
}

static void open_net(struct net *net, int op) {
    net_open(net, config, 3, 1, 9, 9);
    put_under(net, op);
}

/* ---- kernels ------------------------------------------------------------------------------ */

/* Calls of the kernels of one pass whose names begin so. */
static int64_t calls_of(const struct profile *profile, const char *name) {
    int64_t n = 0;
    for (int i = 0; i < profile->n; i++) {
        n += strncmp(profile->use[i].name, name, strlen(name)) == 0 ? profile->use[i].calls : 0;
    }
    return n;
}

/* A pass on a network that counts. */
static void count_pass(int op, uint32_t flags, struct profile *out) {
    struct net net;
    struct mn_model *counting;
    open_net(&net, op);
    net.pass.flags = flags;
    const struct nas_network_units units = nas_experiment_network(&net.e);
    assert_int_equal(nas_model_new(net.ctx, &units, &net.dims, nas_backend_find("cpu"),
                                   profile_wrap(net.e.kernels), &counting),
                     MN_OK);
    nas_workspace_free(net.context.workspace);
    net.context.workspace = NULL;
    assert_int_equal(nas_workspace_new(net.ctx, counting, &net.context.workspace), MN_OK);
    net.model = counting;
    net_pass(&net);
    profile_read(out);
    net_close(&net);
    nas_model_free(counting);
}

static void test_no_kernel_runs(void **state) {
    const uint32_t gradients = MN_PASS_GRAD_W | MN_PASS_GRAD_A;
    struct profile all, no_pool, no_dilated;
    count_pass(-1, gradients, &all);
    count_pass(POOL, gradients, &no_pool);
    count_pass(DILATED, gradients, &no_dilated);
    assert_true(calls_of(&all, "max_pool") > 0 && calls_of(&all, "depthwise") > 0);
    assert_int_equal(calls_of(&no_pool, "max_pool"), 0);
    assert_int_equal(calls_of(&no_pool, "depthwise"), calls_of(&all, "depthwise"));
    assert_int_equal(calls_of(&no_dilated, "depthwise"), 0);
    assert_int_equal(calls_of(&no_dilated, "max_pool"), calls_of(&all, "max_pool"));
    /* Its 1x1 convolutions, weight gradients and moments go too. */
    assert_true(calls_of(&no_dilated, "conv") < calls_of(&all, "conv"));
    assert_true(calls_of(&no_dilated, "conv_dw") < calls_of(&all, "conv_dw"));
    assert_true(calls_of(&no_dilated, "moments") < calls_of(&all, "moments"));
    assert_true(calls_of(&no_dilated, "pack") < calls_of(&all, "pack"));
    count_pass(DILATED, 0, &no_dilated);
    assert_int_equal(calls_of(&no_dilated, "depthwise"), 0);
}

/* ---- memory ------------------------------------------------------------------------------- */

/* Of a fresh workspace after one pass with gradients. */
static int64_t bytes_of_pass(int op) {
    struct net net;
    open_net(&net, op);
    assert_int_equal(lane_touched_bytes(net.context.workspace), 0);
    net_pass(&net);
    const int64_t bytes = lane_touched_bytes(net.context.workspace);
    net_close(&net);
    return bytes;
}

/* What only a skipped candidate needs is never touched. */
static void test_memory_is_not_touched(void **state) {
    const int64_t all = bytes_of_pass(-1);
    assert_true(all > 0);
    assert_true(bytes_of_pass(DILATED) < all);
    assert_true(bytes_of_pass(POOL) < all);
}

/* ---- updates ------------------------------------------------------------------------------ */

static int is_of(const struct mn_segment *segment, int op) {
    return strstr(segment->name, ops[op]) != NULL;
}

struct adapted {
    struct mn_point at;
    mn_real *state; /* Adam: its order is the learner's, w first */
};

static mn_real *copy(const mn_real *x, int64_t n) {
    mn_real *at = malloc((size_t)(n + 1) * sizeof *at);
    assert_non_null(at);
    mn_vec_copy(n, x, at);
    return at;
}

/* A task of a few steps from the net's point and a state of ones. */
static struct adapted adapt(struct net *net) {
    const struct mn_task task = {.size = sizeof task,
                                 .ways = 4,
                                 .support = {.n = 3, .images = net->images, .labels = net->labels},
                                 .query = {.n = 3, .images = net->images, .labels = net->labels},
                                 .host = &net->e};
    struct adapted a = {{copy(net->at.w, net->dims.n_w), copy(net->at.a, net->dims.n_a)},
                        malloc((size_t)net->e.n_state * sizeof(mn_real))};
    assert_non_null(a.state);
    mn_vec_fill(net->e.n_state, 1, a.state);
    net->ctx->where = (struct mn_where){
        .size = sizeof net->ctx->where, .split = MN_TRAIN, .seed = 2, .meta_epochs = 10};
    assert_int_equal(nas_adapt(&net->e, net->ctx, &task, NULL, &a.at, a.state), MN_OK);
    return a;
}

/* With the second moment alone (beta1 = 0) a gradient of zero moves no weight, and the moment only
 * ages: beta2 a step. */
static void test_no_update(void **state) {
    const double aged = pow(0.999, 4);
    struct net net;
    int64_t moved = 0, stayed = 0;
    open_net(&net, DILATED);
    struct adapted a = adapt(&net);
    const mn_real *v = a.state + (net.e.n_state - net.dims.n_w - net.dims.n_a - 2);
    for (int i = 0; i < net.dims.n_w_segments; i++) {
        const struct mn_segment *s = nas_model_segment(net.model, 0, i);
        for (int64_t k = s->offset; k < s->offset + s->count; k++) {
            const int same = a.at.w[k] == net.at.w[k];
            moved += !same;
            stayed += same;
            if (is_of(s, DILATED)) {
                assert_true(same);
                assert_true(fabs((double)v[k] - aged) < 1e-6);
            }
        }
    }
    assert_true(moved > 0 && stayed > 0);
    free(a.at.w);
    free(a.at.a);
    free(a.state);
    net_close(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_kernel_runs),
        cmocka_unit_test(test_memory_is_not_touched),
        cmocka_unit_test(test_no_update),
    };
    return cmocka_run_group_tests_name("skipping", tests, NULL, NULL);
}
