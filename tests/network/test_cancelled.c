/* SPDX-License-Identifier: MIT */
/* A pass stops between two layers where a signal asks for it, and the next one is not disturbed. */
#include "net.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const char config[] =
    "task: {ways: 4}\n"
    "search_space: {use: darts, cells: 3, nodes: 2, channels: 4, reduction_cells: [1],\n"
    "  ops: [max_pool_3x3, dil_conv_3x3, sep_conv_3x3]}\n"
    "op_mixer: {use: soft_prune, t_max: 1, t_min: 1, threshold: 0}\n"
    "input_mixer: {use: soft_prune, k: 2, t_max: 1, t_min: 1, threshold: 0}\n"
    "task_learner: {use: darts, batch: 3, test_batch: 3, steps: 4, warm_up: 0}\n";

static int looks, at_look = -1;

int __wrap_nas_cancel_signal(void);
int __wrap_nas_cancel_signal(void) {
    return looks++ == at_look ? SIGTERM : 0;
}

static int pass(struct net *net) {
    const struct mn_set batch = {.n = net->n, .images = net->images, .labels = net->labels};
    net->out = (struct mn_outcome){.size = sizeof net->out,
                                   .logits = net->logits,
                                   .d_w = net->grad.w,
                                   .d_a = net->grad.a,
                                   .mixture = net->mixture};
    looks = 0;
    return mn_model_pass(net->ctx, net->model, &net->at, &batch, &net->pass, &net->out);
}

static void test_cancellation_is_looked_at_between_layers(void **state) {
    struct net net;
    net_open(&net, config, 3, 1, 12, 12);
    net.pass.flags = MN_PASS_TRAINING | MN_PASS_GRAD_W | MN_PASS_GRAD_A;
    assert_int_equal(pass(&net), MN_OK);
    const int most = looks;
    const size_t bytes = (size_t)net.dims.n_w * sizeof(mn_real);
    mn_real *d_w = malloc(bytes);
    assert_non_null(d_w);
    memcpy(d_w, net.grad.w, bytes);
    const double loss = net.out.loss;
    assert_true(most > 2 * 3 * 2); /* nodes of the cells, forward and backward */
    for (int look = 0; look < most; look++) {
        at_look = look;
        assert_int_equal(pass(&net), MN_CANCELLED);
        assert_int_equal(looks, look + 1); /* nothing more was done */
        assert_string_equal(nas_ctx_message(net.ctx), "stopped by the user");
        nas_ctx_clear(net.ctx);
        at_look = -1;
        assert_int_equal(pass(&net), MN_OK);
        assert_true(net.out.loss == loss);
        assert_memory_equal(net.grad.w, d_w, bytes);
    }
    free(d_w);
    net_close(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancellation_is_looked_at_between_layers),
    };
    return net_run(tests);
}
