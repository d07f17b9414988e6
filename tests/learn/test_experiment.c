/* SPDX-License-Identifier: MIT */
#include "learn/configuration.h"
#include "learn/experiment.h"
#include "learn/task.h"

#include "fixture.h"

#include <stdlib.h>

static int open_text(const char *text) {
    return trial_open(&trial, text, NULL);
}

static void check_said(const char *text) {
    if (strstr(trial.faults, text) == NULL) {
        print_error("'%s' is not in:\n%s", text, trial.faults);
    }
    assert_non_null(strstr(trial.faults, text));
}

/* ---- defaults ----------------------------------------------------------------------------- */

static void test_defaults(void **state) {
    static const char *const labels[] = {
        "dataset glyphs", "search_space darts", "op_mixer soft_prune", "input_mixer soft_prune",
        "head linear",    "loss cross_entropy", "task_learner darts",  "meta_learner reptile"};
    assert_ok(trial.ctx, open_text("run: {}\n"));
    for (int i = 0; i < NAS_SECTIONS; i++) {
        assert_string_equal(nas_configuration_unit(&trial.e, i)->label, labels[i]);
    }
    assert_int_equal(trial.e.run.workers, 0);
    assert_int_equal(trial.e.task.ways, 5);
    assert_int_equal(trial.e.evaluation.tasks, 600);
    assert_true(trial.e.run.alpha_std == 1e-3);
    assert_true(trial.e.run.prune_meta);
    assert_true(trial.e.model != NULL && trial.e.n_state > 0);
    const struct mn_segment *stem = nas_model_segment(trial.e.model, 0, 0);
    assert_string_equal(stem->name, "stem.conv.weight");
    assert_int_equal(stem->dims[0], 3 * 28);
}

/* ---- the size of the network -------------------------------------------------------------- */

/* 20-way tasks of 28x28 pixels: 27 C^2 + 41 C + 20 weights. */
static void test_conv4_budget(void **state) {
    static const struct {
        const char *budget;
        int64_t channels;
    } cases[] = {{"28980", 32}, {"29877", 32}, {"29879", 33}, {"113236", 64}, {"100k", 60}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        const int64_t c = cases[i].channels;
        snprintf(text, sizeof text,
                 "task: {ways: 20}\ndataset: {use: toy, size: 28, classes: 20}\n"
                 "search_space: {use: conv4, parameters: %s}\n",
                 cases[i].budget);
        assert_ok(trial.ctx, open_text(text));
        assert_int_equal(trial.e.fit.channels, c);
        assert_int_equal(trial_parameters(&trial, NULL), 27 * c * c + 41 * c + 20);
        assert_true(trial.e.fit.parameters == (double)(27 * c * c + 41 * c + 20));
    }
}

/* One cell of two nodes, two candidates, k inputs a node. C channels, no scale and shift in cells:
 * stem 9 * 3C + 6C, two preprocessings of 3C * C, head 5 (2C + 1); a dense convolution has 9 C^2
 * weights, an identity none, and each is on an edge with probability 1/2. Node 0 has k of 2 inputs,
 * node 1 k of 3. */
static double searched_size(double c, double inputs) {
    return 33 * c + 6 * c * c + 5 * (2 * c + 1) + inputs * 4.5 * c * c;
}

static void check_searched(const char *mixer, double inputs) {
    for (int c = 6; c <= 12; c += 2) {
        const double here = searched_size(c, inputs), next = searched_size(c + 2, inputs);
        for (int up = 0; up < 2; up++) {
            char text[512];
            snprintf(text, sizeof text,
                     "dataset: {use: toy}\n"
                     "search_space: {use: darts, cells: 1, nodes: 2, parameters: %.0f,\n"
                     "               ops: [skip_connect, dense_conv_3x3]}\n"
                     "input_mixer: {use: %s}\n",
                     (here + next) / 2 + (up ? 2 : -2), mixer);
            assert_ok(trial.ctx, open_text(text));
            assert_int_equal(trial.e.fit.channels, up ? c + 2 : c);
            assert_true(fabs(trial.e.fit.parameters - (up ? next : here)) < 1e-6);
        }
    }
}

static void test_searched_budget(void **state) {
    check_searched("soft_prune, k: 1", 2);
    check_searched("soft_prune, k: 2", 4);
    check_searched("soft_prune, k: 3", 5); /* node 0 has only two */
    check_searched("sum, k: 1", 2);
    check_searched("sum, k: 2", 4);
}

static void test_budgets_out_of_reach(void **state) {
    assert_failed(trial.ctx,
                  open_text("search_space: {use: conv4, parameters: 20}\n"
                            "dataset: {use: toy, size: 28}\n"),
                  MN_CONFIG,
                  "config.yaml:1:40: search_space conv4: parameters: 20 weights cannot be had: a "
                  "network of 1 channels, the least");
    assert_failed(trial.ctx,
                  open_text("search_space: {parameters: 90000M}\n"
                            "dataset: {use: toy}\n"),
                  MN_CONFIG,
                  "config.yaml:1:28: search_space darts: parameters: 90000000000 weights cannot be "
                  "had: a network of 4096 channels, the most");
}

static void test_just_one_size(void **state) {
    assert_failed(trial.ctx, open_text("search_space: {use: darts}\n"), MN_CONFIG, "1 fault");
    check_said("config.yaml:1:21: search_space darts: channels: neither channels nor parameters");
    assert_failed(trial.ctx, open_text("search_space:\n  channels: 28\n  parameters: 30k\n"),
                  MN_CONFIG, "1 fault");
    check_said("config.yaml:3:15: search_space darts: parameters: channels is given, too (28)");
    assert_failed(trial.ctx, open_text("run: {seed: 2}\nsearch_space: {}\n"), MN_CONFIG, "1 fault");
    check_said("config.yaml:2:15: search_space darts: channels: neither channels nor parameters");
}

/* The resolved configuration names the channels, so that it gives the same network. */
static void test_a_budget_is_resolved(void **state) {
    char *text = NULL;
    size_t length;
    assert_ok(trial.ctx, open_text("search_space: {parameters: 30k, cells: 2}\n"
                                   "dataset: {use: toy}\n"));
    const int64_t channels = trial.e.fit.channels, weights = nas_model_dims(trial.e.model)->n_w;
    assert_true(channels > 2);
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    assert_ok(trial.ctx, nas_configuration_write(&trial.e, out));
    assert_int_equal(fclose(out), 0);
    assert_ok(trial.ctx, open_text(text));
    assert_int_equal(trial.e.fit.budget, 0);
    assert_int_equal(nas_model_dims(trial.e.model)->n_w, weights);
    free(text);
}

/* ---- faults ------------------------------------------------------------------------------- */

static void test_all_faults(void **state) {
    assert_failed(trial.ctx,
                  open_text("run: {sede: 1}\n"
                            "tasks: {}\n"
                            "task: {ways: 0}\n"
                            "evaluation: {batch_norm: suport}\n"
                            "dataset: {use: glyphs, size: big}\n"
                            "meta_learner: reptile\n"
                            "op_mixer: {use: softmax, t_max: 1}\n"),
                  MN_CONFIG, "config.yaml: 7 faults; nothing was run");
    check_said("config.yaml:1:7: run: unknown key 'sede'; did you mean 'seed'?\n");
    check_said("config.yaml:2:1: unknown section 'tasks'; did you mean 'task'?\n");
    check_said("config.yaml:3:14: task: ways: 0 is out of range");
    check_said("config.yaml:4:26: evaluation: batch_norm: unknown value 'suport'");
    check_said("config.yaml:5:30: dataset glyphs: size: 'big' is not a whole number");
    check_said("config.yaml:6:15: meta_learner: expected a section; to choose a plugin write "
               "meta_learner: {use: NAME}\n");
    check_said("config.yaml:7:26: op_mixer softmax: unknown key 't_max'");
}

static void test_missing_file(void **state) {
    FILE *said = tmpfile();
    assert_non_null(said);
    const struct nas_open open = {.config = folder_path(&trial.folder, "none.yaml"),
                                  .faults = said};
    assert_failed(trial.ctx, nas_experiment_open(&trial.e, trial.ctx, &open), MN_IO, "none.yaml");
    assert_true(ftell(said) > 0);
    fclose(said);
}

static void test_unknown_plugin(void **state) {
    assert_failed(trial.ctx, open_text("op_mixer: {use: soft_prone}\n"), MN_CONFIG, "1 fault");
    check_said("soft_prune");
    check_said("config.yaml:1:17");
}

/* ---- tasks that the data cannot give ------------------------------------------------------ */

static void test_ways(void **state) {
    trial_must_open(&trial, trial_toy, "dataset.classes=2");
    assert_failed(trial.ctx,
                  trial_open(&trial, trial_toy, (const char *const[]){"dataset.classes=1", NULL}),
                  MN_CONFIG,
                  "config.yaml:3:14: task: ways: 2 classes a task, but dataset toy has "
                  "only 1 training classes");
    /* the toy's validation split has one class more */
    assert_failed(trial.ctx,
                  trial_open(&trial, trial_toy,
                             (const char *const[]){"dataset.classes=0", "task.ways=2", NULL}),
                  MN_CONFIG, "task.ways=2", "only 0 training classes");
}

static void test_images(void **state) {
    trial_must_open(&trial, trial_toy, "dataset.samples=3");
    assert_failed(trial.ctx,
                  trial_open(&trial, trial_toy, (const char *const[]){"dataset.samples=2", NULL}),
                  MN_CONFIG, "config.yaml:3:24: task: 2 support and 1 query images a class",
                  "the smallest training class of dataset toy has only 2");
    trial_must_open(&trial, trial_toy, "task.train_shots=15", "task.train_queries=5");
    assert_failed(
        trial.ctx,
        trial_open(&trial, trial_toy,
                   (const char *const[]){"task.train_shots=16", "task.train_queries=5", NULL}),
        MN_CONFIG, "task.train_shots=16", "16 support and 5 query");
    assert_failed(trial.ctx,
                  trial_open(&trial, trial_toy,
                             (const char *const[]){"task.train_shots=1", "task.queries=19", NULL}),
                  MN_CONFIG, "2 support and 19 query", "validation class");
}

/* ---- planning ----------------------------------------------------------------------------- */

static void check_batches(int64_t steps, int64_t predictions) {
    assert_int_equal(trial.e.batches.steps, steps);
    assert_int_equal(trial.e.batches.predictions, predictions);
}

/* Of steps: the learner's own batch or the support set, and the query set of training; of
 * predictions: that of evaluation. */
static void test_largest_batch(void **state) {
    trial_must_open(&trial, trial_glyphs, NULL); /* batches of 4; 3 ways x 2 queries */
    check_batches(6, 6);
    trial_must_open(&trial, trial_glyphs, "task_learner.batch=9");
    check_batches(9, 9);
    trial_must_open(&trial, trial_glyphs, "task_learner.batch=0"); /* 3 x 4 in training */
    check_batches(12, 12);
    trial_must_open(&trial, trial_glyphs, "task_learner.batch=0", "task_learner.test_batch=20");
    check_batches(20, 20);
    trial_must_open(&trial, trial_glyphs, "task.shots=7", "evaluation.batch_norm=support");
    check_batches(6, 21);
    trial_must_open(&trial, trial_glyphs, "task.train_queries=8");
    check_batches(24, 24);
    trial_must_open(&trial, trial_glyphs, "task.train_queries=1", "task.queries=9");
    check_batches(4, 27);
    trial_must_open(&trial, trial_glyphs, "task.queries=9", "task.train_queries=1", "task.shots=2",
                    "head.use=centroid", "task_learner.batch=0"); /* 3 x (4 + 1) */
    check_batches(15, 33);
    trial_must_open(&trial, trial_glyphs, "task.queries=1", "task.shots=5", "task.train_shots=3",
                    "head={use: linear, start: prototypes}", "task_learner.batch=4");
    check_batches(9, 15); /* the support sets, 3 x 3 with gradients, 3 x 5 without */
}

static void test_workers(void **state) {
    trial_must_open(&trial, trial_toy, "run.workers=3");
    assert_int_equal(nas_experiment_workers(&trial.e), 3);
    trial_must_open(&trial, trial_toy, "run.workers=100", "evaluation.tasks=5");
    assert_int_equal(nas_experiment_workers(&trial.e), 5);
    trial_must_open(&trial, trial_toy, "run.workers=0");
    assert_in_range(nas_experiment_workers(&trial.e), 1, 600);
}

static void test_without_data(void **state) {
    const int shape[3] = {3, 9, 11};
    const char *path = folder_path(&trial.folder, "config.yaml");
    file_put(path, trial_glyphs, strlen(trial_glyphs));
    struct nas_open open = {
        .config = path, .flags = NAS_OPEN_NO_DATA, .batches = {.steps = 40, .predictions = 50}};
    assert_ok(trial.ctx, nas_experiment_open(&trial.e, trial.ctx, &open));
    assert_null(trial.e.model);
    nas_experiment_close(&trial.e);
    open.shape = shape;
    assert_ok(trial.ctx, nas_experiment_open(&trial.e, trial.ctx, &open));
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    assert_int_equal(d->channels, 3);
    assert_int_equal(d->height, 9);
    assert_int_equal(d->width, 11);
    assert_int_equal(d->max_batch, 40);
    assert_int_equal(d->max_predictions, 50);
}

/* ---- the resolved configuration ----------------------------------------------------------- */

static char *resolved(void) {
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    assert_ok(trial.ctx, nas_configuration_write(&trial.e, out));
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_resolved(void **state) {
    trial_must_open(&trial, trial_glyphs, "run.alpha_std=0.1", "run.name=\"a: 'b' #c\"");
    char *first = resolved();
    assert_non_null(strstr(first, "\n  alpha_std: 0.1\n"));
    assert_non_null(strstr(first, "\n  workers: 1\n"));
    assert_non_null(strstr(first, "\nmeta_learner:\n  use: reptile # reptile "));
    assert_non_null(strstr(first, "\n  threshold: 0.01\n"));
    assert_ok(trial.ctx, open_text(first));
    assert_string_equal(trial.e.run.name, "a: 'b' #c");
    char *second = resolved();
    assert_string_equal(first, second);
    free(first);
    free(second);
}

/* What one section can know of the others: mn_configured. */
static void check_configured(const char *key, const char *value) {
    struct nas_scope scope = {.e = &trial.e};
    trial.context.scope = &scope;
    const char *found = mn_configured(trial.ctx, key);
    if (value == NULL) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, value);
    }
    trial.context.scope = NULL;
    assert_null(mn_configured(trial.ctx, key)); /* nobody asks for a configuration */
}

static void test_configured(void **state) {
    trial_must_open(&trial, trial_glyphs, "run.alpha_std=0.125", "run.name=some run",
                    "meta_learner={use: clipped, max_norm: 2, around: {use: reptile, lr_w: 0.5}}");
    check_configured("run.alpha_std", "0.125");
    check_configured("run.name", "some run");
    check_configured("run.latency", "");
    check_configured("run.prune_meta", "true");
    check_configured("task_learner.use", "darts");
    check_configured("task_learner.cost.of", "parameters");
    check_configured("meta_learner.use", "reptile"); /* the innermost */
    check_configured("meta_learner.lr_w", "0.5");
    check_configured("meta_learner.max_norm", NULL);
    check_configured("task_learner.nothing", NULL);
    check_configured("task_learner", NULL);
    check_configured("nothing.use", NULL);
    trial_must_open(&trial, trial_glyphs,
                    "meta_learner={weights: {use: fomaml}, architecture: {use: reptile}}");
    check_configured("meta_learner.weights.use", "fomaml");
    check_configured("meta_learner.architecture.use", "reptile");
    check_configured("meta_learner.use", NULL); /* there are two */
}

static void test_sections(void **state) {
    assert_non_null(nas_configuration_section("run"));
    assert_non_null(nas_configuration_section("task"));
    assert_non_null(nas_configuration_section("evaluation"));
    assert_null(nas_configuration_section("dataset"));
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, begin, end),
        cmocka_unit_test_setup_teardown(test_conv4_budget, begin, end),
        cmocka_unit_test_setup_teardown(test_searched_budget, begin, end),
        cmocka_unit_test_setup_teardown(test_budgets_out_of_reach, begin, end),
        cmocka_unit_test_setup_teardown(test_just_one_size, begin, end),
        cmocka_unit_test_setup_teardown(test_a_budget_is_resolved, begin, end),
        cmocka_unit_test_setup_teardown(test_all_faults, begin, end),
        cmocka_unit_test_setup_teardown(test_missing_file, begin, end),
        cmocka_unit_test_setup_teardown(test_unknown_plugin, begin, end),
        cmocka_unit_test_setup_teardown(test_ways, begin, end),
        cmocka_unit_test_setup_teardown(test_images, begin, end),
        cmocka_unit_test_setup_teardown(test_largest_batch, begin, end),
        cmocka_unit_test_setup_teardown(test_workers, begin, end),
        cmocka_unit_test_setup_teardown(test_without_data, begin, end),
        cmocka_unit_test_setup_teardown(test_resolved, begin, end),
        cmocka_unit_test_setup_teardown(test_configured, begin, end),
        cmocka_unit_test_setup_teardown(test_sections, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    return cmocka_run_group_tests_name("experiment", tests, NULL, NULL);
}
