/* SPDX-License-Identifier: MIT */
/* The meta learners that need more than the adapted point, on a network: gradients through a whole
 * task against differences of its query loss, bits, and meta learners for weights and logits apart.
 */
#include "learn/adapt.h"
#include "learn/configuration.h"
#include "learn/train.h"

#include "fixture.h"
#include "learn/host.h"
#include "learn/task.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

/* ---- gradients through a task ------------------------------------------------------------- */

#ifdef MN_REAL_DOUBLE

struct replay {
    struct nas_ctx context;
    struct mn_ctx *ctx;
    struct nas_state state;
    struct mn_task task;
    struct mn_point at;
    mn_real *learner;
    struct nas_direction direction;
    struct nas_arena arena;
};

static void replay_begin(struct replay *r) {
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    memset(r, 0, sizeof *r);
    nas_ctx_init(&r->context, &nas_host);
    r->ctx = &r->context.pub;
    r->ctx->where.seed = (uint64_t)trial.e.run.seed;
    r->ctx->where.meta_epochs = trial.e.run.meta_epochs;
    r->ctx->where.meta_epoch = 3;
    assert_ok(r->ctx, nas_state_new(&trial.e, r->ctx, &r->state));
    assert_ok(r->ctx, nas_workspace_new(r->ctx, trial.e.model, &r->context.workspace));
    r->at.w = nas_arena_array(&r->arena, (size_t)d->n_w, sizeof(mn_real));
    r->at.a = nas_arena_array(&r->arena, (size_t)d->n_a, sizeof(mn_real));
    r->learner = nas_arena_array(&r->arena, (size_t)trial.e.n_state, sizeof(mn_real));
    assert_true(nas_direction_new(&trial.e, &r->arena, &r->direction));
    assert_ok(r->ctx, nas_episode_sample(&trial.e, r->ctx, &r->task, NULL));
}

static void replay_end(struct replay *r) {
    nas_state_fini(&r->state);
    nas_workspace_free(r->context.workspace);
    nas_arena_fini(&r->arena);
    nas_ctx_fini(&r->context);
}

static void go_to_start(struct replay *r) {
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    mn_vec_copy(d->n_w, r->state.meta.w, r->at.w);
    mn_vec_copy(d->n_a, r->state.meta.a, r->at.a);
    mn_vec_fill(trial.e.n_state, 0, r->learner);
}

/* Query loss after the task from the meta point. */
static double loss_after(struct replay *r) {
    const struct mn_pass pass = {.size = sizeof pass, .progress = 1};
    struct mn_outcome out = {.size = sizeof out};
    const size_t mark = nas_arena_mark(&r->context.scratch);
    go_to_start(r);
    assert_ok(r->ctx, nas_adapt(&trial.e, r->ctx, &r->task, NULL, &r->at, r->learner));
    assert_ok(r->ctx, mn_model_pass(r->ctx, trial.e.model, &r->at, &r->task.query, &pass, &out));
    nas_arena_release(&r->context.scratch, mark);
    return out.loss;
}

/* The slope along `along` at x[n], by the fourth-order formula. Where a ReLU begins or ends to
 * pass, the gradient of a step jumps, so the loss after the task jumps as well; displacements must
 * be small enough to stay on one side. */
static double slope(struct replay *r, int64_t n, mn_real *x, const mn_real *along) {
    static const double at[4] = {-2, -1, 1, 2}, weight[4] = {1, -8, 8, -1};
    const double h = 1e-6;
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        mn_vec_axpy(n, at[k] * h, along, x);
        sum += weight[k] * loss_after(r);
        mn_vec_axpy(n, -at[k] * h, along, x);
    }
    return sum / (12 * h);
}

/* Along four random directions; differences of n numbers say as much as n of one. */
static void check_slopes(struct replay *r, int64_t n, mn_real *x, const mn_real *gradient,
                         double tolerance) {
    mn_real *along = nas_arena_array(&r->arena, (size_t)n, sizeof *along);
    double size = 0;
    assert_non_null(along);
    for (int k = 0; k < 4; k++) {
        struct mn_rng rng = mn_rng_make(5, MN_RNG_PLUGIN, 0, 0, 0, (uint32_t)k);
        for (int64_t i = 0; i < n; i++) {
            along[i] = mn_rng_normal(&rng) / sqrt((double)n);
        }
        const double expected = slope(r, n, x, along);
        assert_close(mn_vec_dot(n, gradient, along), expected, tolerance);
        size += fabs(expected);
    }
    assert_true(size > 100 * tolerance); /* else zeroes would pass */
}

static mn_real *named(struct replay *r, const char *name, int64_t *n) {
    for (int i = 0; i < r->state.n_named; i++) {
        if (strcmp(r->state.named[i].name, name) == 0) {
            *n = r->state.named[i].n;
            return r->state.named[i].at;
        }
    }
    fail_msg("no state %s", name);
    return NULL;
}

static const char soft[] =
    "run: {seed: 3, meta_epochs: 4}\n"
    "task: {ways: 3, shots: 2, queries: 2, train_shots: 3}\n"
    "dataset: {use: glyphs, size: 8, train_classes: 20, val_classes: 10, test_classes: 10}\n"
    "search_space: {use: darts, cells: 2, nodes: 1, channels: 4,\n"
    "               ops: [avg_pool_3x3, skip_connect, conv_3x3]}\n"
    "op_mixer: {use: softmax}\n"
    "input_mixer: {use: sum}\n";

/* A further assignment for all of these, or NULL. */
static const char *also;
static int losses; /* the loss has weights */

/* `rates` is the state that holds learned factors, of which own is the gradient; after them come
 * those of a second state, `generator`, if there is one. It begins where its gradient is mostly 0.
 */
static void check_gradients_of(const char *task_learner, const char *meta_learner,
                               const char *rates, const char *generator, double tolerance) {
    struct replay r;
    int64_t n = 0, n_generator = 0;
    mn_real *phi = NULL;
    char sets[2][400];
    snprintf(sets[0], sizeof sets[0], "task_learner=%s", task_learner);
    snprintf(sets[1], sizeof sets[1], "meta_learner=%s", meta_learner);
    trial_must_open(&trial, soft, sets[0], sets[1], also);
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    replay_begin(&r);
    if (generator != NULL) {
        struct mn_rng rng = mn_rng_make(6, MN_RNG_PLUGIN, 0, 0, 0, 0);
        phi = named(&r, generator, &n_generator);
        for (int64_t i = 0; i < n_generator; i++) {
            phi[i] += 0.1 * mn_rng_normal(&rng);
        }
    }
    int64_t loss;
    const int64_t n_loss = nas_model_loss_weights(trial.e.model, &loss);
    assert_true((n_loss > 0) == losses);
    struct mn_rng rng_loss = mn_rng_make(7, MN_RNG_PLUGIN, 0, 0, 0, 0);
    for (int64_t i = loss; i < loss + n_loss; i++) { /* it begins where most of it is 0 */
        r.state.meta.w[i] += 0.3 * mn_rng_normal(&rng_loss);
    }
    go_to_start(&r);
    assert_ok(r.ctx, nas_task_direction(&trial.e, r.ctx, &r.task, NULL, &r.state.meta, &r.at,
                                        r.learner, &r.direction));
    assert_memory_equal(r.at.w + loss, r.state.meta.w + loss, (size_t)n_loss * sizeof(mn_real));
    check_slopes(&r, d->n_w, r.state.meta.w, r.direction.to.w, tolerance);
    if (n_loss > 0) {
        check_slopes(&r, n_loss, r.state.meta.w + loss, r.direction.to.w + loss, tolerance);
    }
    if ((r.ctx->where.adapts & MN_ADAPTS_A) != 0) {
        check_slopes(&r, d->n_a, r.state.meta.a, r.direction.to.a, tolerance);
    }
    if (rates != NULL) {
        mn_real *at = named(&r, rates, &n);
        check_slopes(&r, n, at, r.direction.own, tolerance);
    }
    if (generator != NULL) {
        check_slopes(&r, n_generator, phi, r.direction.own + n, tolerance);
    }
    replay_end(&r);
}

static void check_gradients(const char *task_learner, const char *meta_learner, const char *rates,
                            double tolerance) {
    check_gradients_of(task_learner, meta_learner, rates, NULL, tolerance);
}

#define SGD "{use: sgd, steps: 3, batch: 5, lr: 0.1, momentum: 0.5}"
#define ADAM(order)                                                                                \
    "{use: darts, steps: 3, batch: 5, lr_w: 0.05, lr_a: 0.1, warm_up: 0, beta1: 0.5, eps: 0.01, "  \
    "order: " order "}"

static void test_gradients(void **state) {
    const double close = 2e-6;
    check_gradients(SGD, "{use: maml, epsilon: 1.0e-6}", NULL, close);
    check_gradients(ADAM("joint"), "{use: maml, epsilon: 1.0e-6}", NULL, close);
    check_gradients(ADAM("alternating"), "{use: maml, epsilon: 1.0e-6}", NULL, close);
    check_gradients(SGD, "{use: anil, epsilon: 1.0e-6}", NULL, close);
    check_gradients(ADAM("joint"), "{use: anil, epsilon: 1.0e-6, adapt_a: true}", NULL, close);
    check_gradients(SGD, "{use: maml, epsilon: 1.0e-6, step_rates: layer}", "meta.rates", close);
    check_gradients(ADAM("joint"), "{use: maml, epsilon: 1.0e-6, step_rates: step}", "meta.rates",
                    close);
    check_gradients(SGD, "{use: meta_sgd, epsilon: 1.0e-6}", "meta.rates_w", close);
    check_gradients(ADAM("alternating"), "{use: meta_sgd, epsilon: 1.0e-6}", "meta.rates_w", close);
    static const char *const learners[] = {SGD, ADAM("joint"), ADAM("alternating")};
    for (int i = 0; i < 3; i++) {
        check_gradients_of(learners[i], "{use: alfa, epsilon: 1.0e-6, gain: 2, hidden: 12}",
                           "meta.constants", "meta.generator", close);
    }
}

/* Tasks that start from prototypes: body and logits have a part in that, the meta-learned head has
 * none. */
static void test_gradients_of_starts(void **state) {
    const double close = 2e-6;
    also = "head={use: linear, start: prototypes}";
    check_gradients(SGD, "{use: maml, epsilon: 1.0e-6}", NULL, close);
    check_gradients(ADAM("joint"), "{use: maml, epsilon: 1.0e-6}", NULL, close);
    check_gradients(SGD, "{use: anil, epsilon: 1.0e-6}", NULL, close);
    check_gradients(ADAM("alternating"), "{use: meta_sgd, epsilon: 1.0e-6}", "meta.rates_w", close);
    check_gradients_of(SGD, "{use: alfa, epsilon: 1.0e-6, gain: 2, hidden: 12}", "meta.constants",
                       "meta.generator", close);
    check_gradients("{use: sgd, steps: 0}", "{use: fomaml}", NULL, close);
    check_gradients(ADAM("joint"),
                    "{weights: {use: maml, epsilon: 1.0e-6}, architecture: {use: maml, epsilon: "
                    "1.0e-6}}",
                    NULL, close);
    also = NULL;
}

/* A loss with weights: no task moves them, and what they do to its steps is their gradient. */
static void test_gradients_of_losses(void **state) {
    const double close = 2e-6;
    also = "loss={use: metal, hidden: 5}";
    losses = 1;
    check_gradients(SGD, "{use: maml, epsilon: 1.0e-6}", NULL, close);
    check_gradients(ADAM("joint"), "{use: maml, epsilon: 1.0e-6, step_rates: layer}", "meta.rates",
                    close);
    check_gradients(ADAM("alternating"), "{use: meta_sgd, epsilon: 1.0e-6}", "meta.rates_w", close);
    check_gradients(SGD, "{use: anil, epsilon: 1.0e-6}", NULL, close);
    check_gradients_of(SGD, "{use: alfa, epsilon: 1.0e-6, gain: 2, hidden: 12}", "meta.constants",
                       "meta.generator", close);
    also = NULL;
    losses = 0;
}

#endif

/* ---- bits --------------------------------------------------------------------------------- */

static const struct {
    const char *task_learner, *meta_learner;
} cases[] = {
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25, order: unrolled}",
     "{use: reptile}"},
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25}",
     "{use: maml, optimizer: adam, multi_step: 0.5}"},
    {"{use: sgd, steps: 3, batch: 4, test_steps: 4}",
     "{use: maml, step_rates: layer, rate_steps: 3, first_order: 0.5}"},
    {"{use: sgd, steps: 3, batch: 4, test_steps: 4, momentum: 0.5}", "{use: anil}"},
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25, order: alternating}",
     "{use: meta_sgd, optimizer: adam}"},
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25}",
     "{weights: {use: meta_sgd}, architecture: {use: fomaml, optimizer: adam}}"},
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25}",
     "{weights: {use: reptile}, architecture: {use: maml, step_rates: step}}"},
    {"{use: sgd, steps: 3, batch: 4, test_steps: 4}",
     "{use: alfa, optimizer: adam, rate_steps: 3, first_order: 0.5}"},
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25}",
     "{weights: {use: alfa, hidden: 5}, architecture: {use: alfa, decay: false}}"},
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25, order: alternating}",
     "{weights: {use: alfa, hidden: 5}, architecture: {use: meta_sgd}}"},
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25}", "{use: reptile}"},
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25}", "{use: maml}"},
    {"{use: darts, steps: 3, batch: 4, test_steps: 4, warm_up: 0.25}",
     "{weights: {use: maml, optimizer: adam}, architecture: {use: reptile}}"},
};
enum { CASES = sizeof cases / sizeof cases[0] };
/* And something else with them. */
static const char *const besides[CASES] = {[CASES - 3] = "head={use: linear, start: prototypes}",
                                           [CASES - 2] = "loss={use: distillation}",
                                           [CASES - 1] = "loss={use: metal}"};

static void open_case(int i, const char *set) {
    char sets[2][400];
    snprintf(sets[0], sizeof sets[0], "task_learner=%s", cases[i].task_learner);
    snprintf(sets[1], sizeof sets[1], "meta_learner=%s", cases[i].meta_learner);
    trial_must_open(&trial, trial_glyphs, sets[0], sets[1], "op_mixer.threshold=0",
                    "input_mixer.threshold=0", set, besides[i]);
}

/* The same bits for any number of workers, and after a stop in the middle. */
static void test_bits(void **state) {
    for (int i = 0; i < CASES; i++) {
        char one[16], two[16], part[16];
        snprintf(one, sizeof one, "one%d", i);
        snprintf(two, sizeof two, "two%d", i);
        snprintf(part, sizeof part, "part%d", i);
        open_case(i, "run.workers=1");
        assert_ok(trial.ctx, trial_train_new(&trial, one));
        open_case(i, "run.workers=2");
        assert_ok(trial.ctx, trial_train_new(&trial, two));
        trial_check_same(&trial, one, two);
        nas_cancel(SIGTERM); /* at the start, and once within */
        assert_failed(trial.ctx, trial_train_new(&trial, part), MN_CANCELLED, "stopped after 0");
        nas_cancel_reset();
        const struct itimerval timer = {.it_value.tv_usec = 20000};
        assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
        int status = trial_resume(&trial, part);
        while (status == MN_CANCELLED) {
            nas_ctx_clear(trial.ctx);
            nas_cancel_reset();
            status = trial_resume(&trial, part);
        }
        assert_ok(trial.ctx, status);
        const struct itimerval none = {{0, 0}, {0, 0}};
        assert_int_equal(setitimer(ITIMER_REAL, &none, NULL), 0);
        nas_cancel_reset();
        trial_check_same(&trial, one, part);
    }
}

/* Further reals that a case learns: they move, so that its checkpoints say something. */
static void test_factors_move(void **state) {
    static const char *const names[] = {"meta.rates",
                                        "meta.rates_w",
                                        "meta.weights.rates_w",
                                        "meta.architecture.rates",
                                        "meta.constants",
                                        "meta.architecture.constants",
                                        "meta.weights.constants"};
    static const int of[] = {2, 4, 5, 6, 7, 8, 9};
    for (int k = 0; k < 7; k++) {
        struct nas_state s;
        char dir[16];
        int moved = 0;
        snprintf(dir, sizeof dir, "run%d", k);
        open_case(of[k], "run.workers=1");
        assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
        assert_ok(trial.ctx, trial_train(&trial, dir, &s));
        for (int i = 0; i < s.n_named; i++) {
            for (int64_t j = 0; strcmp(s.named[i].name, names[k]) == 0 && j < s.named[i].n; j++) {
                moved += s.named[i].at[j] != 1;
            }
        }
        assert_true(moved > 0);
        nas_state_fini(&s);
    }
}

/* ---- apart -------------------------------------------------------------------------------- */

static void train_with(const char *dir, const char *meta_learner, struct nas_state *out) {
    char set[300];
    snprintf(set, sizeof set, "meta_learner=%s", meta_learner);
    trial_must_open(&trial, trial_glyphs, set, "run.meta_epochs=1", "task_learner.warm_up=0",
                    "run.prune_meta=false");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, out));
    assert_ok(trial.ctx, trial_train(&trial, dir, out));
}

/* Of one meta-epoch: the weights as REPTILE alone leaves them, the logits as first-order MAML. */
static void test_apart(void **state) {
    struct nas_state reptile, fomaml, both;
    train_with("reptile", "{use: reptile, lr_w: 0.5}", &reptile);
    train_with("fomaml", "{use: fomaml, lr_a: 0.25}", &fomaml);
    train_with("both",
               "{weights: {use: reptile, lr_w: 0.5}, architecture: {use: fomaml, lr_a: 0.25}}",
               &both);
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    assert_memory_equal(both.meta.w, reptile.meta.w, (size_t)d->n_w * sizeof(mn_real));
    assert_memory_equal(both.meta.a, fomaml.meta.a, (size_t)d->n_a * sizeof(mn_real));
    assert_memory_not_equal(both.meta.a, reptile.meta.a, (size_t)d->n_a * sizeof(mn_real));
    assert_memory_not_equal(both.meta.w, fomaml.meta.w, (size_t)d->n_w * sizeof(mn_real));
    nas_state_fini(&reptile);
    nas_state_fini(&fomaml);
    nas_state_fini(&both);
}

/* Second order apart: the logits' learner goes back through steps that change both. */
static void test_second_order_apart(void **state) {
    struct nas_state once, apart;
    train_with("once", "{use: maml, lr_w: 0.5, lr_a: 0.25}", &once);
    train_with("apart", "{weights: {use: maml, lr_w: 0.5}, architecture: {use: maml, lr_a: 0.25}}",
               &apart);
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    assert_memory_equal(once.meta.w, apart.meta.w, (size_t)d->n_w * sizeof(mn_real));
    assert_memory_equal(once.meta.a, apart.meta.a, (size_t)d->n_a * sizeof(mn_real));
    nas_state_fini(&once);
    nas_state_fini(&apart);
}

static void test_names_apart(void **state) {
    static const char *const names[] = {
        "meta.weights.m_w",      "meta.weights.v_w",      "meta.weights.t_w",
        "meta.architecture.m_a", "meta.architecture.v_a", "meta.architecture.t_a",
    };
    struct nas_state s;
    struct nas_safetensors file;
    trial_must_open(&trial, trial_glyphs,
                    "meta_learner={weights: {use: fomaml, optimizer: adam}, "
                    "architecture: {use: fomaml, optimizer: adam}}",
                    "run.meta_epochs=0");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_int_equal(s.n_named, 6);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(s.named[i].name, names[i]);
    }
    assert_ok(trial.ctx, trial_train(&trial, "run", &s));
    nas_state_fini(&s);
    assert_ok(trial.ctx, nas_safetensors_read(
                             trial.ctx, trial_in(&trial, "run", "checkpoint.safetensors"), &file));
    assert_null(nas_safetensors_meta(&file, "meta_learner"));
    assert_memory_equal(nas_safetensors_meta(&file, "meta_learner.weights"), "fomaml of fomaml ",
                        17);
    assert_memory_equal(nas_safetensors_meta(&file, "meta_learner.architecture"),
                        "fomaml of fomaml ", 17);
    nas_safetensors_fini(&file);
}

/* A run with one meta learner does not go on as one with two, and says what is missing. */
static void test_resume_of_the_other(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_glyphs, "meta_learner={use: fomaml, optimizer: adam}",
                    "run.meta_epochs=0");
    assert_ok(trial.ctx, trial_train_new(&trial, "run"));
    trial_must_open(&trial, trial_glyphs,
                    "meta_learner={weights: {use: fomaml, optimizer: adam}, "
                    "architecture: {use: reptile}}");
    assert_failed(
        trial.ctx,
        nas_state_load(&trial.e, trial.ctx, trial_in(&trial, "run", "checkpoint.safetensors"), &s),
        MN_CONFIG, "has no tensor meta.weights.m_w");
}

/* ---- configuration ------------------------------------------------------------------------ */

static void check_fault(const char *set, const char *said) {
    const char *const sets[] = {set, NULL};
    assert_failed(trial.ctx, trial_open(&trial, trial_glyphs, sets), MN_CONFIG, "nothing was run");
    if (strstr(trial.faults, said) == NULL) {
        fail_msg("'%s' was not said, but: %s", said, trial.faults);
    }
}

static void test_faults(void **state) {
    check_fault("meta_learner={weights: {use: reptile}}",
                "meta_learner: 'weights' has a meta learner of its own, 'architecture' has none");
    check_fault("meta_learner={architecture: {use: reptile}}",
                "'architecture' has a meta learner of its own, 'weights' has none");
    check_fault("meta_learner={weights: {}, architecture: {}, lr_w: 1}",
                "meta_learner: 'lr_w' cannot stand beside 'weights' and 'architecture'");
    check_fault("meta_learner={weights: {use: reptile}, architecture: fomaml}",
                "architecture: expected a section");
    check_fault("meta_learner={weights: {lr: 1}, architecture: {}}",
                "meta_learner.weights reptile: unknown key 'lr'");
}

/* A text of its own, so that places show. */
static void check_refused(const char *text, int status, const char *message) {
    const char *const sets[] = {NULL};
    assert_failed(trial.ctx, trial_open(&trial, text, sets), status, message);
}

static void test_task_learners_without_adjoint(void **state) {
    check_refused("task_learner: {use: toy}\n"
                  "meta_learner: {use: maml}\n",
                  MN_UNSUPPORTED,
                  "config.yaml:2:21: meta_learner maml works on the single steps of a task, which "
                  "task_learner toy does not offer");
    check_refused("task_learner: {use: toy}\n"
                  "meta_learner:\n"
                  "  weights: {use: reptile}\n"
                  "  architecture: {use: anil}\n",
                  MN_UNSUPPORTED, "config.yaml:4:23: meta_learner.architecture anil works on");
    check_refused("task_learner: {use: darts, order: unrolled}\n"
                  "meta_learner: {use: meta_sgd}\n",
                  MN_CONFIG,
                  "config.yaml:1:35: task_learner darts: order: the meta learner differentiates");
    check_refused("loss: {use: metal}\n"
                  "meta_learner: {weights: {use: fomaml}, architecture: {use: maml}}\n",
                  MN_UNSUPPORTED,
                  "config.yaml:1:13: loss metal has weights, which learn by what they do to the "
                  "steps of a task; meta_learner.weights fomaml does not go back through these");
}

static void test_resolved(void **state) {
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    trial_must_open(&trial, trial_glyphs,
                    "meta_learner={weights: {lr_w: 0.5}, architecture: {use: fomaml}}",
                    "meta_learner.architecture.use=maml", "meta_learner.architecture.lr_a=0.125");
    assert_string_equal(nas_configuration_unit_section(&trial.e, NAS_UNITS - 2),
                        "meta_learner.weights");
    assert_string_equal(nas_configuration_unit_section(&trial.e, NAS_UNITS - 1),
                        "meta_learner.architecture");
    assert_ok(trial.ctx, nas_configuration_write(&trial.e, out));
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\nmeta_learner:\n  weights:\n    use: reptile # reptile "));
    assert_non_null(strstr(text, "\n    lr_w: 0.5\n"));
    assert_non_null(strstr(text, "\n  architecture:\n    use: maml # maml "));
    assert_non_null(strstr(text, "\n    lr_a: 0.125\n"));
    char *first = strdup(text);
    free(text);
    trial_must_open(&trial, first, NULL);
    out = open_memstream(&text, &length);
    assert_non_null(out);
    assert_ok(trial.ctx, nas_configuration_write(&trial.e, out));
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, first);
    free(text);
    free(first);
}

/* ---- the services, used wrongly ----------------------------------------------------------- */

static void test_outside_of_a_task(void **state) {
    struct mn_point point;
    struct mn_adjoint adjoint = {.epsilon = 0.01};
    trial_must_open(&trial, trial_glyphs, "meta_learner={use: maml}");
    assert_failed(trial.ctx, mn_step_rates(trial.ctx, 0, &point), MN_INTERNAL, "outside of a task");
    assert_int_equal(mn_trace_steps(trial.ctx), -1);
    assert_failed(trial.ctx, mn_trace_point(trial.ctx, 0, &point), MN_INTERNAL,
                  "mn_trace_* may only");
    assert_failed(trial.ctx, mn_trace_back(trial.ctx, 0, &adjoint), MN_INTERNAL,
                  "mn_trace_* may only");
    assert_null(mn_own_delta(trial.ctx));
    nas_ctx_clear(trial.ctx);
}

/* Steps that a task learner reports twice, late or not at all; ways back in another order. */
static void test_out_of_turn(void **state) {
    struct nas_scope scope;
    struct nas_state s;
    struct mn_point point;
    const struct mn_task task = {.size = sizeof task};
    trial_must_open(&trial, trial_glyphs, "meta_learner={use: maml}"); /* three steps */
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx,
              nas_scope_begin(&scope, &trial.e, trial.ctx, &task, &s.meta, s.learner, NULL, 1));
    assert_int_equal(mn_trace_steps(trial.ctx), 3);
    assert_ok(trial.ctx, mn_step_done(trial.ctx, 0, 1, 1, 0, &s.meta));
    assert_failed(trial.ctx, mn_step_done(trial.ctx, 0, 1, 1, 0, &s.meta), MN_INTERNAL,
                  "step 0 was reported done after 1 of 3 steps");
    assert_failed(trial.ctx, mn_step_done(trial.ctx, 2, 1, 1, 0, &s.meta), MN_INTERNAL, "step 2");
    assert_ok(trial.ctx, mn_step_done(trial.ctx, 1, 1, 1, 0, &s.meta));
    assert_failed(trial.ctx, nas_trace_check(&scope, trial.ctx), MN_INTERNAL,
                  "2 of the 3 steps it has were reported");
    assert_ok(trial.ctx, mn_step_done(trial.ctx, 2, 1, 1, 0, &s.meta));
    assert_failed(trial.ctx, mn_step_done(trial.ctx, 3, 1, 1, 0, &s.meta), MN_INTERNAL, "step 3");
    assert_ok(trial.ctx, nas_trace_check(&scope, trial.ctx));
    for (int64_t step = 0; step <= 3; step++) {
        assert_ok(trial.ctx, mn_trace_point(trial.ctx, step, &point));
        assert_true(point.w[0] == s.meta.w[0] && point.w != s.meta.w);
    }
    assert_failed(trial.ctx, mn_trace_point(trial.ctx, 4, &point), MN_INTERNAL, "step 4 of 3");
    struct mn_adjoint adjoint = {.epsilon = 0.01, .d = point};
    assert_failed(trial.ctx, mn_trace_back(trial.ctx, 1, &adjoint), MN_INTERNAL,
                  "step 1, but step");
    assert_failed(trial.ctx, mn_trace_back(trial.ctx, 3, &adjoint), MN_INTERNAL,
                  "step 3, but step");
    nas_scope_end(trial.ctx);
    nas_state_fini(&s);
}

static void on_signal(int number) {
    nas_cancel(number);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
#ifdef MN_REAL_DOUBLE
        cmocka_unit_test_setup_teardown(test_gradients, begin, end),
        cmocka_unit_test_setup_teardown(test_gradients_of_starts, begin, end),
        cmocka_unit_test_setup_teardown(test_gradients_of_losses, begin, end),
#endif
        cmocka_unit_test_setup_teardown(test_bits, begin, end),
        cmocka_unit_test_setup_teardown(test_factors_move, begin, end),
        cmocka_unit_test_setup_teardown(test_apart, begin, end),
        cmocka_unit_test_setup_teardown(test_second_order_apart, begin, end),
        cmocka_unit_test_setup_teardown(test_names_apart, begin, end),
        cmocka_unit_test_setup_teardown(test_resume_of_the_other, begin, end),
        cmocka_unit_test_setup_teardown(test_faults, begin, end),
        cmocka_unit_test_setup_teardown(test_task_learners_without_adjoint, begin, end),
        cmocka_unit_test_setup_teardown(test_resolved, begin, end),
        cmocka_unit_test_setup_teardown(test_outside_of_a_task, begin, end),
        cmocka_unit_test_setup_teardown(test_out_of_turn, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    signal(SIGALRM, on_signal);
    return cmocka_run_group_tests_name("learners", tests, NULL, NULL);
}
