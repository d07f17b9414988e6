/* SPDX-License-Identifier: MIT */
#include "net.h"
#include "learn/host.h"

#include "backend/cpu/pass.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

extern const struct nas_backend nas_backend_reference;

const char *net_backend = "cpu";

int net_run_group(const void *tests, size_t n) {
    const char *const backends[] = {nas_backend_cpu.name, nas_backend_reference.name};
    int failed = 0;
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        net_backend = backends[i];
        failed += _cmocka_run_group_tests(net_backend, tests, n, NULL, NULL);
    }
    return failed;
}

static void must(struct net *net, int status) {
    if (status != MN_OK) {
        print_error("status %d: %s\n", status, nas_ctx_message(net->ctx));
    }
    assert_int_equal(status, MN_OK);
}

static mn_real *reals(int64_t n) {
    mn_real *at = calloc((size_t)(n > 0 ? n : 1), sizeof *at);
    assert_non_null(at);
    return at;
}

static void fill(struct mn_rng *rng, int64_t n, double scale, mn_real *out) {
    for (int64_t i = 0; i < n; i++) {
        out[i] = (mn_real)(scale * mn_rng_normal(rng));
    }
}

/* Initial weights with noise, so that batch norm's scale and shift are no special values. */
static void randomise(struct net *net) {
    struct mn_rng rng = mn_rng_make(11, MN_RNG_PLUGIN, 0, 0, 0, 0);
    const struct mn_dims *d = &net->dims;
    nas_model_init(net->model, 5, 0.5, &net->at);
    for (int64_t i = 0; i < d->n_w; i++) {
        net->at.w[i] += (mn_real)(0.1 * mn_rng_normal(&rng));
    }
    fill(&rng, (int64_t)net->n * d->channels * d->height * d->width, 1, net->images);
    fill(&rng, net->n * d->n_features, 1, net->d_features);
    for (int i = 0; i < net->n; i++) {
        net->labels[i] = (int32_t)mn_rng_below(&rng, (uint32_t)d->ways);
    }
}

void net_open(struct net *net, const char *config, int n, int channels, int height, int width) {
    char path[] = "/tmp/metanas-test-XXXXXX";
    const int shape[3] = {channels, height, width};
    char backend[64];
    const char *const sets[] = {backend, NULL};
    memset(net, 0, sizeof *net);
    nas_ctx_init(&net->context, &nas_host);
    net->ctx = &net->context.pub;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, config, strlen(config)), (ssize_t)strlen(config));
    close(fd);
    snprintf(backend, sizeof backend, "run.backend=%s", net_backend);
    const struct nas_open open = {.config = path,
                                  .sets = sets,
                                  .flags = NAS_OPEN_NO_DATA,
                                  .shape = shape,
                                  .batches.steps = n};
    const int status = nas_experiment_open(&net->e, net->ctx, &open);
    unlink(path);
    must(net, status);
    net->model = net->e.model;
    net->dims = *nas_model_dims(net->model);
    net->n = n;
    must(net, nas_workspace_new(net->ctx, net->model, &net->context.workspace));
    net->at = (struct mn_point){reals(net->dims.n_w), reals(net->dims.n_a)};
    net->grad = (struct mn_point){reals(net->dims.n_w), reals(net->dims.n_a)};
    net->logits = reals((int64_t)n * net->dims.ways);
    net->features = reals(n * net->dims.n_features);
    net->d_features = reals(n * net->dims.n_features);
    net->mixture = reals(net->dims.n_choices);
    net->stats = reals(net->dims.n_stats);
    net->images = reals((int64_t)n * channels * height * width);
    net->labels = calloc((size_t)n, sizeof *net->labels);
    net->keep = calloc((size_t)net->dims.n_choices + 1, 1);
    net->pass = (struct mn_pass){
        .size = sizeof net->pass, .flags = MN_PASS_GRAD_W | MN_PASS_GRAD_A, .progress = 0.5};
    randomise(net);
}

int64_t net_parameters(struct net *net) {
    int64_t n;
    must(net, nas_model_parameters(net->ctx, net->model, NULL, &n));
    return n;
}

void net_close(struct net *net) {
    free(net->at.w);
    free(net->at.a);
    free(net->grad.w);
    free(net->grad.a);
    free(net->logits);
    free(net->features);
    free(net->d_features);
    free(net->mixture);
    free(net->stats);
    free(net->images);
    free(net->labels);
    free(net->keep);
    nas_workspace_free(net->context.workspace);
    nas_experiment_close(&net->e);
    nas_ctx_fini(&net->context);
}

double net_pass(struct net *net) {
    const struct mn_set batch = {.n = net->n, .images = net->images, .labels = net->labels};
    const int alone = (net->pass.flags & MN_PASS_FEATURES) != 0;
    const int gradients = (net->pass.flags & (MN_PASS_GRAD_W | MN_PASS_GRAD_A)) != 0;
    net->pass.d_features = alone && gradients ? net->d_features : NULL;
    net->out = (struct mn_outcome){.size = sizeof net->out,
                                   .logits = alone ? NULL : net->logits,
                                   .features = net->features,
                                   .d_w = net->grad.w,
                                   .d_a = net->grad.a,
                                   .mixture = net->mixture};
    must(net, mn_model_pass(net->ctx, net->model, &net->at, &batch, &net->pass, &net->out));
    const struct mn_cost *cost = net->pass.cost;
    if (alone) {
        return mn_vec_dot(net->n * net->dims.n_features, net->d_features, net->features);
    }
    double term = 0; /* that net->pass.d_mixture is the gradient of */
    for (int64_t c = 0; net->pass.d_mixture != NULL && c < net->dims.n_choices; c++) {
        term += (double)net->pass.d_mixture[c] * (double)net->mixture[c];
    }
    if (cost == NULL) {
        return net->out.loss + term;
    }
    /* With a budget, one side of it: the gradient is that of the mixtures' cost. */
    const struct mn_cost linear = {.size = sizeof linear, .of = cost->of, .weight = cost->weight};
    struct mn_pass pass = net->pass;
    struct mn_outcome out = {.size = sizeof out};
    double all;
    pass.cost = &linear;
    pass.flags &= ~(uint32_t)(MN_PASS_GRAD_W | MN_PASS_GRAD_A);
    must(net, nas_model_cost(net->ctx, net->model, cost->of, NULL, &all));
    must(net, mn_model_pass(net->ctx, net->model, &net->at, &batch, &pass, &out));
    const double sign = net->out.cost > cost->budget ? 1 : -1;
    return net->out.loss + term +
           cost->weight * out.cost * (cost->budget > 0 ? sign / cost->budget : 1 / all);
}

/* ---- gradients ---------------------------------------------------------------------------- */

enum { ELEMENTS = 4, DIRECTIONS = 2 };
static const double STEP = 1e-6;

/* The loss is smooth but for ReLU's and max pool's kinks; a step that crosses one disagrees at any
 * size, and then a smaller step does not. */
static const double TOLERANCE = 1e-6;

static double loss_at(struct net *net, mn_real *x, mn_real value) {
    const mn_real before = *x;
    *x = value;
    const double loss = net_pass(net);
    *x = before;
    return loss;
}

static double difference(struct net *net, mn_real *x, double step) {
    const mn_real here = *x;
    const double up = loss_at(net, x, (mn_real)((double)here + step));
    return (up - loss_at(net, x, (mn_real)((double)here - step))) / (2 * step);
}

static void compare(const char *what, const char *name, int64_t element, double got,
                    double expected) {
    if (!(fabs(got - expected) <= TOLERANCE * (1 + fabs(expected)))) {
        print_error("%s: d loss / d %s[%lld] is %.12g, differences give %.12g\n", what, name,
                    (long long)element, got, expected);
        fail();
    }
}

static void check_element(struct net *net, const char *what, const struct mn_segment *s, mn_real *x,
                          double got, int64_t element) {
    double expected = difference(net, x + s->offset + element, STEP);
    for (int finer = 0; finer < 3 && fabs(got - expected) > TOLERANCE * (1 + fabs(expected));
         finer++) {
        expected = difference(net, x + s->offset + element, STEP / (4 << (2 * finer)));
    }
    compare(what, s->name, element, got, expected);
}

static void check_segments(struct net *net, const char *what, int architecture,
                           const mn_real *grad) {
    mn_real *x = architecture ? net->at.a : net->at.w;
    const int n = architecture ? net->dims.n_a_segments : net->dims.n_w_segments;
    struct mn_rng rng = mn_rng_make(3, MN_RNG_PLUGIN, 0, 0, 0, 0);
    for (int i = 0; i < n; i++) {
        const struct mn_segment *s = nas_model_segment(net->model, architecture, i);
        const int64_t elements = architecture || s->count < ELEMENTS ? s->count : ELEMENTS;
        for (int64_t k = 0; k < elements; k++) {
            const int64_t element =
                elements == s->count ? k : (int64_t)mn_rng_below(&rng, (uint32_t)s->count);
            check_element(net, what, s, x, (double)grad[s->offset + element], element);
        }
    }
}

static void move(int64_t n, mn_real *x, const mn_real *from, const mn_real *direction,
                 double step) {
    for (int64_t i = 0; i < n; i++) {
        x[i] = (mn_real)((double)from[i] + step * (double)direction[i]);
    }
}

/* Along a random direction every weight takes part. */
static void check_direction(struct net *net, const char *what, struct mn_rng *rng,
                            const mn_real *grad) {
    const int64_t n = net->dims.n_w;
    mn_real *direction = reals(n), *start = reals(n);
    fill(rng, n, 1 / sqrt((double)n), direction);
    mn_vec_copy(n, net->at.w, start);
    double expected = 0, got = mn_vec_dot(n, grad, direction);
    for (double step = STEP; step > STEP / 200; step /= 4) {
        move(n, net->at.w, start, direction, step);
        const double up = net_pass(net);
        move(n, net->at.w, start, direction, -step);
        expected = (up - net_pass(net)) / (2 * step);
        if (fabs(got - expected) <= TOLERANCE * (1 + fabs(expected))) {
            break;
        }
    }
    mn_vec_copy(n, start, net->at.w);
    compare(what, "all weights along a direction", 0, got, expected);
    free(direction);
    free(start);
}

void net_check_gradients(struct net *net, const char *what) {
    mn_real *w = reals(net->dims.n_w), *a = reals(net->dims.n_a);
    struct mn_rng rng = mn_rng_make(9, MN_RNG_PLUGIN, 0, 0, 0, 0);
    net_pass(net);
    mn_vec_copy(net->dims.n_w, net->grad.w, w);
    mn_vec_copy(net->dims.n_a, net->grad.a, a);
    const uint32_t flags = net->pass.flags;
    net->pass.flags &= ~(uint32_t)(MN_PASS_GRAD_W | MN_PASS_GRAD_A);
    check_segments(net, what, 0, w);
    check_segments(net, what, 1, a);
    for (int i = 0; i < DIRECTIONS; i++) {
        check_direction(net, what, &rng, w);
    }
    net->pass.flags = flags;
    free(w);
    free(a);
}
