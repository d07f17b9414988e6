/* SPDX-License-Identifier: MIT */
/* Algorithm 3 on a small METANAS, against the same steps written out. */
#include "learn/adapt.h"
#include "learn/evaluate.h"

#include "learn/task.h"
#include "learn/train.h"

#include "fixture.h"
#include "learn/host.h"

#include <stdlib.h>

enum { TASKS = 5 };

static void evaluate(int n_workers, int split, int64_t n, const struct nas_state *state,
                     struct nas_evaluation *out) {
    struct nas_executor *executor;
    assert_ok(trial.ctx, nas_executor_threads(trial.ctx, trial.e.model, n_workers, &executor));
    assert_ok(trial.ctx, nas_evaluate(&trial.e, executor, trial.ctx, state, split, n, out));
    nas_executor_free(executor);
}

/* ---- one task written out ----------------------------------------------------------------- */

/* One task's points and masks, on a context of its own. */
struct replay {
    struct nas_ctx context;
    struct mn_ctx *ctx;
    struct mn_task task;
    struct mn_point at;
    mn_real *learner, *stats, *logits;
    uint8_t *keep;
};

static void *zeroed(int64_t n, size_t size) {
    void *at = calloc((size_t)n + 1, size);
    assert_non_null(at);
    return at;
}

/* The point after some steps. */
struct capture {
    struct mn_point at;
    int64_t steps;
};

static int capture_step(void *data, struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                        double skip_share, const struct mn_point *now) {
    const struct capture *capture = data;
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    if (step + 1 == capture->steps) {
        mn_vec_copy(d->n_w, now->w, capture->at.w);
        mn_vec_copy(d->n_a, now->a, capture->at.a);
    }
    return MN_OK;
}

static void replay_begin(struct replay *r, const struct nas_state *state, int split, int64_t task) {
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    nas_ctx_init(&r->context, &nas_host);
    r->ctx = &r->context.pub;
    r->ctx->where.split = split;
    r->ctx->where.seed = (uint64_t)trial.e.run.seed;
    r->ctx->where.meta_epochs = trial.e.run.meta_epochs;
    r->ctx->where.task = task;
    assert_ok(r->ctx, nas_workspace_new(r->ctx, trial.e.model, &r->context.workspace));
    r->at.w = zeroed(d->n_w, sizeof(mn_real));
    r->at.a = zeroed(d->n_a, sizeof(mn_real));
    r->learner = zeroed(trial.e.n_state, sizeof(mn_real));
    r->stats = zeroed(d->n_stats, sizeof(mn_real));
    r->logits = zeroed((int64_t)d->max_predictions * d->ways, sizeof(mn_real));
    r->keep = zeroed(d->n_choices, 1);
    mn_vec_copy(d->n_w, state->meta.w, r->at.w);
    mn_vec_copy(d->n_a, state->meta.a, r->at.a);
    mn_vec_copy(trial.e.n_state, state->learner, r->learner);
    assert_ok(r->ctx, nas_episode_sample(&trial.e, r->ctx, &r->task, NULL));
    assert_ok(r->ctx, nas_adapt(&trial.e, r->ctx, &r->task, NULL, &r->at, r->learner));
    assert_ok(r->ctx, nas_model_prune(r->ctx, trial.e.model, &r->at, r->keep));
}

static void replay_end(struct replay *r) {
    free(r->at.w);
    free(r->at.a);
    free(r->learner);
    free(r->stats);
    free(r->logits);
    free(r->keep);
    nas_workspace_free(r->context.workspace);
    nas_ctx_fini(&r->context);
}

static void logits_of(struct replay *r, const struct mn_set *set, const uint8_t *keep,
                      const mn_real *stats, mn_real *stats_out) {
    const struct mn_pass pass = {
        .size = sizeof pass, .progress = 1, .keep = keep, .stats = stats, .stats_out = stats_out};
    struct mn_outcome out = {.size = sizeof out, .logits = r->logits};
    assert_ok(r->ctx, mn_model_pass(r->ctx, trial.e.model, &r->at, set, &pass, &out));
}

/* Hits and summed cross entropy of the logits of a set. */
static int judge(const struct replay *r, const struct mn_set *set, double *loss) {
    const int ways = r->task.ways;
    int hits = 0;
    for (int i = 0; i < set->n; i++) {
        const mn_real *z = r->logits + i * ways;
        double sum = 0;
        int top = 0;
        for (int k = 0; k < ways; k++) {
            top = z[k] > z[top] ? k : top;
            sum += exp((double)z[k] - (double)z[set->labels[i]]);
        }
        hits += top == set->labels[i];
        *loss += log(sum);
    }
    return hits;
}

static double transductive(struct replay *r, const uint8_t *keep, double *loss) {
    double sum = 0;
    logits_of(r, &r->task.query, keep, NULL, NULL);
    const int hits = judge(r, &r->task.query, &sum);
    *loss = sum / r->task.query.n;
    return (double)hits / r->task.query.n;
}

/* Each query image alone: with the support set's statistics nothing flows between them. */
static double one_by_one(struct replay *r, const uint8_t *keep, double *loss) {
    const int pixels = trial.e.data.height * trial.e.data.width * trial.e.data.channels;
    double sum = 0;
    int hits = 0;
    logits_of(r, &r->task.support, keep, NULL, r->stats);
    for (int i = 0; i < r->task.query.n; i++) {
        const struct mn_set one = {.n = 1,
                                   .images = r->task.query.images + (ptrdiff_t)i * pixels,
                                   .labels = r->task.query.labels + i};
        logits_of(r, &one, keep, r->stats, NULL);
        hits += judge(r, &one, &sum);
    }
    *loss = sum / r->task.query.n;
    return (double)hits / r->task.query.n;
}

static void check_task(const struct nas_task_result *got, const struct nas_state *state, int split,
                       int64_t task,
                       double (*predict)(struct replay *, const uint8_t *, double *)) {
    struct replay r;
    double loss, before_loss;
    char genotype[4096];
    replay_begin(&r, state, split, task);
    assert_close(got->score.accuracy_before_prune, predict(&r, NULL, &before_loss), 1e-12);
    assert_close(got->score.accuracy, predict(&r, r.keep, &loss), 1e-12);
    assert_close(got->score.loss, loss, 1e-4);
    assert_int_equal(got->parameters, trial_parameters(&trial, r.keep));
    assert_true(got->parameters < trial_parameters(&trial, NULL));
    nas_model_genotype(trial.e.model, r.keep, genotype, sizeof genotype);
    assert_string_equal(got->genotype, genotype);
    replay_end(&r);
}

static void check_mode(const char *mode, int split,
                       double (*predict)(struct replay *, const uint8_t *, double *)) {
    struct nas_state state;
    struct nas_evaluation got;
    trial_must_open(&trial, trial_glyphs, mode, "run.alpha_std=0.5", "task.queries=5");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &state));
    evaluate(2, split, TASKS, &state, &got);
    assert_int_equal(got.tasks, TASKS);
    for (int64_t i = 0; i < TASKS; i++) {
        check_task(&got.results[i], &state, split, i, predict);
    }
    nas_evaluation_fini(&got);
    nas_state_fini(&state);
}

static void test_transductive(void **state) {
    check_mode("evaluation.batch_norm=transductive", MN_TEST, transductive);
}

static void test_support(void **state) {
    check_mode("evaluation.batch_norm=support", MN_VAL, one_by_one);
}

static void check_results(const struct nas_evaluation *a, const struct nas_evaluation *b,
                          int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const struct nas_task_result *x = &a->results[i], *y = &b->results[i];
        assert_true(x->score.accuracy == y->score.accuracy && x->score.loss == y->score.loss);
        assert_true(x->score.accuracy_before_prune == y->score.accuracy_before_prune);
        assert_int_equal(x->parameters, y->parameters);
        assert_string_equal(x->genotype, y->genotype);
    }
}

/* One adaptation, predicted in both modes: the first is that of the configuration, to the bit. */
static void check_both(const char *mode,
                       double (*first)(struct replay *, const uint8_t *, double *),
                       double (*second)(struct replay *, const uint8_t *, double *)) {
    const struct nas_evaluation_plan plan = {.split = MN_TEST, .tasks = TASKS, .both_norms = 1};
    struct nas_state s;
    struct nas_evaluation one, both;
    struct nas_executor *executor;
    trial_must_open(&trial, trial_glyphs, mode, "run.alpha_std=0.5", "task.queries=5");
    assert_ok(trial.ctx,
              nas_experiment_widen(&trial.e, trial.ctx, trial.e.task.ways * trial.e.task.shots));
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    evaluate(2, MN_TEST, TASKS, &s, &one);
    assert_ok(trial.ctx, nas_executor_threads(trial.ctx, trial.e.model, 2, &executor));
    assert_ok(trial.ctx, nas_evaluate_plan(&trial.e, executor, trial.ctx, &s, &plan, &both));
    nas_executor_free(executor);
    check_results(&one, &both, TASKS);
    assert_true(one.record.accuracy_mean == both.record.accuracy_mean);
    double sum = 0;
    for (int64_t i = 0; i < TASKS; i++) {
        struct nas_task_result other = both.results[i];
        check_task(&both.results[i], &s, MN_TEST, i, first);
        other.score = other.other;
        check_task(&other, &s, MN_TEST, i, second);
        sum += other.score.accuracy;
    }
    assert_close(both.other.accuracy_mean, sum / TASKS, 1e-12);
    nas_evaluation_fini(&one);
    nas_evaluation_fini(&both);
    nas_state_fini(&s);
}

static void test_both_modes_of_batch_norm_in_one_test(void **state) {
    check_both("evaluation.batch_norm=transductive", transductive, one_by_one);
    check_both("evaluation.batch_norm=support", one_by_one, transductive);
}

/* ---- starts ------------------------------------------------------------------------------- */

/* Before its first step a task that starts from prototypes is classified by the nearest class mean,
 * in its result after 0 steps as in that of a task without any. */
static void test_start(void **state) {
    static const int64_t step = 0;
    const struct nas_evaluation_plan plan = {
        .split = MN_TEST, .tasks = 20, .steps = &step, .n_steps = 1};
    struct nas_evaluation means, start;
    static const char *const heads[] = {"head={use: centroid}",
                                        "head={use: linear, start: prototypes}"};
    for (int i = 0; i < 2; i++) {
        struct nas_state s;
        struct nas_executor *executor;
        trial_must_open(&trial, trial_glyphs, heads[i], "evaluation.batch_norm=support",
                        "task_learner={use: sgd, test_steps: 0, batch: 0, test_batch: 0}");
        assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
        assert_ok(trial.ctx, nas_executor_threads(trial.ctx, trial.e.model, 1, &executor));
        assert_ok(trial.ctx, nas_evaluate_plan(&trial.e, executor, trial.ctx, &s, &plan,
                                               i == 0 ? &means : &start));
        nas_executor_free(executor);
        nas_state_fini(&s);
    }
    for (int i = 0; i < plan.tasks; i++) {
        assert_close(start.results[i].score.accuracy_before_prune,
                     means.results[i].score.accuracy_before_prune, 1e-12);
        assert_true(start.intermediate[0].results[i].score.accuracy ==
                    start.results[i].score.accuracy);
    }
    assert_true(start.record.accuracy_before_prune > 1.2 / 3); /* better than chance */
    nas_evaluation_fini(&means);
    nas_evaluation_fini(&start);
}

/* ---- teachers ----------------------------------------------------------------------------- */

/* Where the start alone teaches, there is nothing to learn; where labels do as well, a step is that
 * with targets of the caller. */
static void test_teacher(void **state) {
    static const char *const learners[] = {
        "task_learner={use: sgd, batch: 0, test_steps: 2, test_batch: 0, test_lr: 0.5}",
        "task_learner={use: sgd, batch: 0, test_steps: 2, test_batch: 5, test_lr: 0.5}",
        "task_learner={use: sgd, batch: 0, test_steps: 1, test_batch: 0, test_lr: 0.5}"};
    for (int i = 0; i < 3; i++) {
        struct nas_state s;
        struct replay r;
        trial_must_open(&trial, trial_glyphs, "search_space={use: conv4, channels: 4, blocks: 2}",
                        learners[i],
                        i < 2 ? "loss={use: distillation, temperature: 1, weight: 1}"
                              : "loss={use: distillation, temperature: 4, weight: 0.25}");
        assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
        replay_begin(&r, &s, MN_TEST, 0);
        const struct mn_dims *d = nas_model_dims(trial.e.model);
        mn_real *expected = zeroed(d->n_w, sizeof *expected);
        if (i == 2) {
            mn_real *targets = zeroed(6 * 3, sizeof *targets);
            struct mn_outcome out = {.size = sizeof out, .logits = targets, .d_w = expected};
            struct mn_pass pass = {.size = sizeof pass};
            assert_int_equal(r.task.support.n, 6);
            assert_ok(r.ctx,
                      mn_model_pass(r.ctx, trial.e.model, &s.meta, &r.task.support, &pass, &out));
            for (int k = 0; k < 6; k++) {
                mn_vec_softmax(3, targets + 3 * k, 1, targets + 3 * k);
            }
            out.logits = NULL;
            pass.targets = targets;
            pass.flags = MN_PASS_TRAINING | MN_PASS_GRAD_W;
            assert_ok(r.ctx,
                      mn_model_pass(r.ctx, trial.e.model, &s.meta, &r.task.support, &pass, &out));
            assert_true(mn_vec_dot(d->n_w, expected, expected) > 1e-4);
            free(targets);
        }
        for (int64_t k = 0; k < d->n_w; k++) {
            assert_close(r.at.w[k], (double)s.meta.w[k] - 0.5 * (double)expected[k], 2e-6);
        }
        free(expected);
        replay_end(&r);
        nas_state_fini(&s);
    }
}

/* ---- looks at steps ----------------------------------------------------------------------- */

/* A replay that is judged as it was after `steps` of its steps. */
static void check_look(const struct nas_task_result *got, const struct nas_state *state,
                       int64_t task, int64_t steps) {
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    struct replay r;
    double loss, before_loss;
    replay_begin(&r, state, MN_TEST, task);
    struct capture capture = {{zeroed(d->n_w, sizeof(mn_real)), zeroed(d->n_a, sizeof(mn_real))},
                              steps};
    mn_vec_copy(d->n_w, state->meta.w, r.at.w);
    mn_vec_copy(d->n_a, state->meta.a, r.at.a);
    mn_vec_copy(d->n_w, state->meta.w, capture.at.w);
    mn_vec_copy(d->n_a, state->meta.a, capture.at.a);
    mn_vec_copy(trial.e.n_state, state->learner, r.learner);
    const struct nas_watch watch = {.on_step = capture_step, .data = &capture};
    assert_ok(r.ctx, nas_adapt(&trial.e, r.ctx, &r.task, &watch, &r.at, r.learner));
    mn_vec_copy(d->n_w, capture.at.w, r.at.w);
    mn_vec_copy(d->n_a, capture.at.a, r.at.a);
    assert_ok(r.ctx, nas_model_prune(r.ctx, trial.e.model, &r.at, r.keep));
    assert_close(got->score.accuracy_before_prune, transductive(&r, NULL, &before_loss), 1e-12);
    assert_close(got->score.accuracy, transductive(&r, r.keep, &loss), 1e-12);
    assert_close(got->score.loss, loss, 1e-4);
    assert_int_equal(got->parameters, trial_parameters(&trial, r.keep));
    free(capture.at.w);
    free(capture.at.a);
    replay_end(&r);
}

static int evaluate_steps(const struct nas_state *state, int n, const int64_t *steps,
                          struct nas_evaluation *out) {
    const struct nas_evaluation_plan plan = {
        .split = MN_TEST, .tasks = 3, .steps = steps, .n_steps = n};
    struct nas_executor *executor;
    assert_ok(trial.ctx, nas_executor_threads(trial.ctx, trial.e.model, 2, &executor));
    const int status = nas_evaluate_plan(&trial.e, executor, trial.ctx, state, &plan, out);
    nas_executor_free(executor);
    return status;
}

static void test_looks(void **state) {
    static const int64_t steps[] = {0, 1, 2, 4};
    struct nas_state s;
    struct nas_evaluation plain, got;
    trial_must_open(&trial, trial_glyphs, "run.alpha_std=0.5", "task.queries=5");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    evaluate(1, MN_TEST, 3, &s, &plain);
    assert_ok(trial.ctx, evaluate_steps(&s, 4, steps, &got));
    for (int64_t task = 0; task < 3; task++) {
        for (int i = 0; i < 4; i++) {
            check_look(&got.intermediate[i].results[task], &s, task, steps[i]);
        }
        assert_true(got.results[task].score.loss == plain.results[task].score.loss);
        assert_true(got.intermediate[3].results[task].score.loss == plain.results[task].score.loss);
        assert_true(got.results[task].episode == plain.results[task].episode);
    }
    assert_true(got.intermediate[0].results[0].score.loss != plain.results[0].score.loss);
    assert_close(got.intermediate[1].record.accuracy_mean,
                 (got.intermediate[1].results[0].score.accuracy +
                  got.intermediate[1].results[1].score.accuracy +
                  got.intermediate[1].results[2].score.accuracy) /
                     3,
                 1e-12);
    nas_evaluation_fini(&plain);
    nas_evaluation_fini(&got);
    nas_state_fini(&s);
}

static void test_look_too_late(void **state) {
    static const int64_t steps[] = {1, 5};
    struct nas_state s;
    struct nas_evaluation got;
    trial_must_open(&trial, trial_glyphs, NULL);
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_failed(trial.ctx, evaluate_steps(&s, 2, steps, &got), MN_CONFIG,
                  "task_learner darts ends before step 5");
    nas_evaluation_fini(&got);
    nas_state_fini(&s);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static void test_summary(void **state) {
    struct nas_state s;
    struct nas_evaluation got;
    double mean = 0, before = 0, squares = 0, parameters = 0;
    trial_must_open(&trial, trial_glyphs, "run.alpha_std=0.5");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    evaluate(1, MN_TEST, 4, &s, &got);
    for (int i = 0; i < 4; i++) {
        mean += got.results[i].score.accuracy / 4;
        before += got.results[i].score.accuracy_before_prune / 4;
        parameters += (double)got.results[i].parameters / 4;
        assert_in_range(got.results[i].parameters, got.record.parameters_min,
                        got.record.parameters_max);
    }
    for (int i = 0; i < 4; i++) {
        squares += pow(got.results[i].score.accuracy - mean, 2);
    }
    assert_close(got.record.accuracy_mean, mean, 1e-12);
    assert_close(got.record.accuracy_ci95, 3.182446305 * sqrt(squares / 3 / 4), 1e-8);
    assert_close(got.record.accuracy_before_prune, before, 1e-12);
    assert_close(got.record.prune_gap, before - mean, 1e-12);
    assert_close(got.record.parameters_mean, parameters, 1e-12);
    nas_evaluation_fini(&got);
    nas_state_fini(&s);
}

/* Neither workers nor the number of tasks changes a task; the split and the seed do. */
static void test_repeatable(void **state) {
    struct nas_state s;
    struct nas_evaluation one, three, other;
    trial_must_open(&trial, trial_glyphs, "run.alpha_std=0.5");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    evaluate(1, MN_TEST, 6, &s, &one);
    evaluate(3, MN_TEST, 6, &s, &three);
    check_results(&one, &three, 6);
    assert_true(one.record.accuracy_mean == three.record.accuracy_mean &&
                one.record.loss_mean == three.record.loss_mean);
    evaluate(2, MN_TEST, 3, &s, &other);
    check_results(&one, &other, 3);
    nas_evaluation_fini(&other);
    evaluate(2, MN_VAL, 3, &s, &other);
    assert_true(one.results[0].score.loss != other.results[0].score.loss);
    nas_evaluation_fini(&other);
    trial.e.run.seed++;
    evaluate(2, MN_TEST, 3, &s, &other);
    assert_true(one.results[0].score.loss != other.results[0].score.loss);
    nas_evaluation_fini(&other);
    nas_evaluation_fini(&one);
    nas_evaluation_fini(&three);
    nas_state_fini(&s);
}

/* An evaluation only reads the meta state. */
static void test_state_is_left_alone(void **state) {
    struct nas_state s, again;
    struct nas_evaluation got;
    trial_must_open(&trial, trial_glyphs, NULL);
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &again));
    evaluate(2, MN_TEST, 3, &s, &got);
    assert_memory_equal(s.meta.w, again.meta.w, (size_t)d->n_w * sizeof(mn_real));
    assert_memory_equal(s.meta.a, again.meta.a, (size_t)d->n_a * sizeof(mn_real));
    assert_memory_equal(s.learner, again.learner, (size_t)trial.e.n_state * sizeof(mn_real));
    nas_evaluation_fini(&got);
    nas_state_fini(&s);
    nas_state_fini(&again);
}

static void test_failure_is_placed(void **state) {
    struct nas_state s;
    struct nas_executor *executor;
    struct nas_evaluation got;
    trial_must_open(&trial, trial_toy, "task_learner.fault=nan_loss", "task_learner.at_task=1",
                    "task_learner.validating=true");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, nas_executor_threads(trial.ctx, trial.e.model, 2, &executor));
    assert_failed(trial.ctx, nas_evaluate(&trial.e, executor, trial.ctx, &s, MN_VAL, 3, &got),
                  MN_NUMERIC,
                  "validation task 1 (seed 7): task_learner toy: step 1: the loss is nan");
    nas_evaluation_fini(&got);
    nas_executor_free(executor);
    nas_state_fini(&s);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_transductive, begin, end),
        cmocka_unit_test_setup_teardown(test_support, begin, end),
        cmocka_unit_test_setup_teardown(test_start, begin, end),
        cmocka_unit_test_setup_teardown(test_teacher, begin, end),
        cmocka_unit_test_setup_teardown(test_both_modes_of_batch_norm_in_one_test, begin, end),
        cmocka_unit_test_setup_teardown(test_looks, begin, end),
        cmocka_unit_test_setup_teardown(test_look_too_late, begin, end),
        cmocka_unit_test_setup_teardown(test_summary, begin, end),
        cmocka_unit_test_setup_teardown(test_repeatable, begin, end),
        cmocka_unit_test_setup_teardown(test_state_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(test_failure_is_placed, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    return cmocka_run_group_tests_name("evaluate", tests, NULL, NULL);
}
