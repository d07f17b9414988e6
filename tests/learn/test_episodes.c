/* SPDX-License-Identifier: MIT */
/* Frozen lists of episodes against the tasks that are drawn. */
#include "learn/episode_list.h"

#include "base/hash.h"
#include "base/stats.h"
#include "learn/evaluate.h"
#include "learn/task.h"

#include "fixture.h"

#include <math.h>
#include <stdlib.h>

enum { TASKS = 5, WAYS = 3, SHOTS = 2, QUERIES = 2, EACH = SHOTS + QUERIES, PIXELS = 100 };

static void make(struct nas_episodes *out) {
    assert_ok(trial.ctx, nas_episodes_new(&trial.e, trial.ctx, MN_TEST, TASKS, out));
    for (int i = TASKS - 1; i >= 0; i--) { /* the order does not matter */
        assert_ok(trial.ctx, nas_episodes_draw(out, &trial.e, trial.ctx, i));
    }
}

static void stand_at(int64_t task) {
    trial.ctx->where = (struct mn_where){.size = sizeof trial.ctx->where,
                                         .split = MN_TEST,
                                         .seed = (uint64_t)trial.e.run.seed,
                                         .meta_epochs = trial.e.run.meta_epochs,
                                         .task = task};
}

static void check_set(const struct mn_set *a, const struct mn_set *b, int n) {
    assert_int_equal(a->n, n);
    assert_int_equal(b->n, n);
    assert_memory_equal(a->images, b->images, (size_t)n * PIXELS * sizeof(mn_real));
    assert_memory_equal(a->labels, b->labels, (size_t)n * sizeof(int32_t));
}

/* Known values of FNV-1a (Fowler, Noll, Vo). */
static void test_hash(void **state) {
    assert_true(nas_hash_begin() == 0xcbf29ce484222325u);
    assert_true(nas_hash_bytes(nas_hash_begin(), "a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(nas_hash_bytes(nas_hash_begin(), "foobar", 6) == 0x85944171f73967e8u);
    assert_true(nas_hash_int(nas_hash_begin(), 0x3231) ==
                nas_hash_bytes(nas_hash_begin(), "12\0\0\0\0\0\0", 8));
}

/* ---- without replacement ------------------------------------------------------------------ */

enum { CLASSES = 24, IMAGES = 20, WITH = 300, SEEDS = 25, WORLDS = 80 };

/* Every image at most once, every class equally often as far as it goes; a list of one part is the
 * beginning of a longer one; no task more than there are images for. */
static void test_disjoint(void **state) {
    struct nas_episodes all, part, drawn;
    int uses[CLASSES] = {0};
    trial_must_open(&trial, trial_glyphs, "dataset.test_classes=24");
    assert_ok(trial.ctx, nas_episodes_disjoint(&trial.e, trial.ctx, MN_TEST, 1000, &all));
    assert_int_equal(all.tasks, CLASSES * (IMAGES / EACH) / WAYS);
    assert_int_equal(nas_episodes_are_disjoint(&all, trial.ctx), 1);
    for (int64_t i = 0; i < all.tasks * WAYS; i++) {
        assert_true(i % WAYS == 0 || all.classes[i] != all.classes[i - 1]);
        uses[all.classes[i]]++;
        if (i == CLASSES - 1) { /* the first eight tasks have all classes */
            for (int c = 0; c < CLASSES; c++) {
                assert_int_equal(uses[c], 1);
            }
        }
    }
    for (int c = 0; c < CLASSES; c++) {
        assert_int_equal(uses[c], IMAGES / EACH);
    }
    assert_ok(trial.ctx, nas_episodes_disjoint(&trial.e, trial.ctx, MN_TEST, TASKS, &part));
    assert_int_equal(part.tasks, TASKS);
    assert_memory_equal(part.samples, all.samples, TASKS * WAYS * EACH * sizeof *all.samples);
    assert_memory_equal(part.hashes, all.hashes, TASKS * sizeof *all.hashes);
    const char *path = folder_path(&trial.folder, "list");
    assert_ok(trial.ctx, nas_episodes_write(&all, trial.ctx, path));
    nas_episodes_fini(&part);
    assert_ok(trial.ctx, nas_episodes_read(trial.ctx, path, &part));
    assert_ok(trial.ctx, nas_episodes_check(&part, &trial.e, trial.ctx));
    assert_ok(trial.ctx, nas_episodes_new(&trial.e, trial.ctx, MN_TEST, 60, &drawn));
    for (int i = 0; i < 60; i++) {
        assert_ok(trial.ctx, nas_episodes_draw(&drawn, &trial.e, trial.ctx, i));
    }
    assert_int_equal(nas_episodes_are_disjoint(&drawn, trial.ctx), 0);
    nas_episodes_fini(&all);
    nas_episodes_fini(&part);
    nas_episodes_fini(&drawn);
    trial_must_open(&trial, trial_glyphs, "task.ways=7", "dataset.test_classes=7",
                    "task.queries=18", "task.train_queries=1");
    assert_ok(trial.ctx, nas_episodes_disjoint(&trial.e, trial.ctx, MN_TEST, 3, &all));
    assert_int_equal(all.tasks, 1);
    nas_episodes_fini(&all);
}

/* Effects of classes and images, as if they were drawn from all that there are. */
struct world {
    double class[CLASSES], image[CLASSES][IMAGES];
    double mean; /* over these images */
};

static void make_world(struct mn_rng *rng, struct world *out) {
    out->mean = 0;
    for (int c = 0; c < CLASSES; c++) {
        out->class[c] = mn_rng_normal(rng);
        for (int i = 0; i < IMAGES; i++) {
            out->image[c][i] = 2 * mn_rng_normal(rng);
            out->mean += (out->class[c] + out->image[c][i]) / (CLASSES * IMAGES);
        }
    }
}

/* Whether the interval over the first n tasks holds each of these means: of the images that there
 * are, of all images of these classes, of all classes. */
static void count_hits(const struct world *world, const struct nas_episodes *list, int64_t n,
                       double hits[3]) {
    double x[WITH], mean, classes = 0;
    for (int64_t t = 0; t < n; t++) {
        x[t] = 0;
        for (int64_t w = t * WAYS; w < (t + 1) * WAYS; w++) {
            for (int64_t i = w * EACH; i < (w + 1) * EACH; i++) {
                const int64_t c = list->classes[w];
                x[t] += (world->class[c] + world->image[c][list->samples[i]]) / (WAYS * EACH);
            }
        }
    }
    for (int c = 0; c < CLASSES; c++) {
        classes += world->class[c] / CLASSES;
    }
    const double half = nas_ci95(n, x, &mean), truths[] = {world->mean, classes, 0};
    for (int k = 0; k < 3; k++) {
        hits[k] += fabs(mean - truths[k]) <= half ? 1.0 / (SEEDS * WORLDS) : 0;
    }
}

/* The interval over tasks that share images is that of these images and too narrow for new ones.
 * Without replacement it holds for new images of these classes; while no class comes twice, for new
 * classes too. */
static void test_coverage(void **state) {
    double with[3] = {0}, without[3] = {0}, once[3] = {0};
    for (int seed = 0; seed < SEEDS; seed++) {
        struct nas_episodes shared, disjoint;
        struct mn_rng rng = mn_rng_make((uint64_t)seed, MN_RNG_PLUGIN, 0, 0, 0, 0);
        char set[40];
        snprintf(set, sizeof set, "run.seed=%d", seed);
        trial_must_open(&trial, trial_glyphs, "dataset.test_classes=24", set);
        assert_ok(trial.ctx, nas_episodes_new(&trial.e, trial.ctx, MN_TEST, WITH, &shared));
        for (int i = 0; i < WITH; i++) {
            assert_ok(trial.ctx, nas_episodes_draw(&shared, &trial.e, trial.ctx, i));
        }
        assert_ok(trial.ctx, nas_episodes_disjoint(&trial.e, trial.ctx, MN_TEST, WITH, &disjoint));
        for (int k = 0; k < WORLDS; k++) {
            struct world world;
            make_world(&rng, &world);
            count_hits(&world, &shared, shared.tasks, with);
            count_hits(&world, &disjoint, disjoint.tasks, without);
            count_hits(&world, &disjoint, CLASSES / WAYS, once);
        }
        nas_episodes_fini(&shared);
        nas_episodes_fini(&disjoint);
    }
    assert_true(with[0] > 0.93 && with[0] < 0.97);
    assert_true(with[1] < 0.8);
    assert_true(without[1] >= 0.95);
    assert_true(without[2] < 0.9);
    assert_true(once[2] > 0.93 && once[2] < 0.97);
}

/* What is written and read again is the same, and leads to the tasks that are drawn. */
static void test_round_trip(void **state) {
    struct nas_episodes made, got;
    trial_must_open(&trial, trial_glyphs, NULL);
    make(&made);
    const char *path = folder_path(&trial.folder, "list");
    assert_ok(trial.ctx, nas_episodes_write(&made, trial.ctx, path));
    assert_ok(trial.ctx, nas_episodes_read(trial.ctx, path, &got));
    assert_ok(trial.ctx, nas_episodes_check(&got, &trial.e, trial.ctx));
    assert_true(got.seed == 3 && got.data == made.data && got.tasks == TASKS);
    assert_string_equal(got.dataset, "glyphs");
    assert_memory_equal(got.classes, made.classes, TASKS * WAYS * sizeof *got.classes);
    assert_memory_equal(got.samples, made.samples, TASKS * WAYS * EACH * sizeof *got.samples);
    assert_memory_equal(got.hashes, made.hashes, TASKS * sizeof *got.hashes);
    for (int i = 0; i < TASKS; i++) {
        struct mn_task listed, drawn;
        int64_t classes[WAYS];
        stand_at(i);
        assert_ok(trial.ctx, nas_episode_sample(&trial.e, trial.ctx, &drawn, classes));
        assert_ok(trial.ctx, nas_episodes_task(&got, &trial.e, trial.ctx, i, &listed));
        assert_memory_equal(classes, got.classes + i * WAYS, sizeof classes);
        check_set(&listed.support, &drawn.support, WAYS * SHOTS);
        check_set(&listed.query, &drawn.query, WAYS * QUERIES);
        assert_int_equal(listed.ways, WAYS);
    }
    nas_episodes_fini(&made);
    nas_episodes_fini(&got);
}

/* Tasks of another seed differ; so do those of a list, in all that a fingerprint sees. */
static void test_fingerprints(void **state) {
    struct nas_episodes a, b;
    struct mn_task task;
    trial_must_open(&trial, trial_glyphs, NULL);
    make(&a);
    assert_true(a.hashes[0] != a.hashes[1]);
    stand_at(0);
    assert_ok(trial.ctx, nas_episodes_task(&a, &trial.e, trial.ctx, 0, &task));
    mn_real *pixel = (mn_real *)task.query.images + 7;
    assert_true(nas_episode_hash(&trial.e, &task) == a.hashes[0]);
    *pixel += (mn_real)0.25;
    assert_true(nas_episode_hash(&trial.e, &task) != a.hashes[0]);
    trial_must_open(&trial, trial_glyphs, "run.seed=4");
    make(&b);
    assert_true(a.data == b.data && a.hashes[0] != b.hashes[0]);
    nas_episodes_fini(&b);
    trial_must_open(&trial, trial_glyphs, "dataset.test_classes=11");
    make(&b);
    assert_true(a.data != b.data);
    a.path = "list";
    assert_failed(trial.ctx, nas_episodes_check(&a, &trial.e, trial.ctx), MN_CONFIG,
                  "list: was drawn from other data");
    nas_episodes_fini(&a);
    nas_episodes_fini(&b);
}

/* The result of a list is that of the drawn tasks of its seed, whatever the seed of the run. */
static void test_evaluation(void **state) {
    struct nas_episodes list;
    struct nas_state s;
    struct nas_executor *executor;
    struct nas_evaluation drawn, listed;
    trial_must_open(&trial, trial_glyphs, "run.alpha_std=0.5");
    make(&list);
    const struct nas_evaluation_plan plan = {.split = MN_TEST, .tasks = TASKS, .episodes = &list};
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, nas_executor_threads(trial.ctx, trial.e.model, 2, &executor));
    assert_ok(trial.ctx, nas_evaluate(&trial.e, executor, trial.ctx, &s, MN_TEST, TASKS, &drawn));
    trial.e.run.seed = 12;
    assert_ok(trial.ctx, nas_evaluate_plan(&trial.e, executor, trial.ctx, &s, &plan, &listed));
    assert_true(drawn.record.episodes == listed.record.episodes);
    for (int i = 0; i < TASKS; i++) {
        assert_true(drawn.results[i].score.accuracy == listed.results[i].score.accuracy);
        assert_true(drawn.results[i].score.loss == listed.results[i].score.loss);
        assert_true(drawn.results[i].episode == list.hashes[i]);
    }
    nas_evaluation_fini(&drawn);
    nas_evaluation_fini(&listed);
    nas_executor_free(executor);
    nas_state_fini(&s);
    nas_episodes_fini(&list);
}

static void test_dataset_without_names(void **state) {
    struct nas_episodes list;
    trial_must_open(&trial, trial_toy, NULL);
    assert_failed(trial.ctx, nas_episodes_new(&trial.e, trial.ctx, MN_TEST, 1, &list),
                  MN_UNSUPPORTED, "dataset toy cannot name its images");
    nas_episodes_fini(&list);
}

/* A list cut off at any byte is refused with its place. */
static void test_truncated(void **state) {
    struct nas_episodes list;
    size_t length;
    trial_must_open(&trial, trial_glyphs, NULL);
    make(&list);
    const char *whole = folder_path(&trial.folder, "list");
    assert_ok(trial.ctx, nas_episodes_write(&list, trial.ctx, whole));
    nas_episodes_fini(&list);
    uint8_t *text = file_get(whole, &length);
    const char *cut = folder_path(&trial.folder, "cut");
    for (size_t n = 0; n < length; n++) {
        file_put(cut, text, n);
        assert_failed(trial.ctx, nas_episodes_read(trial.ctx, cut, &list), MN_IO, "/cut:");
    }
    free(text);
}

/* An editor on Windows puts a byte order mark in front and a carriage return before each line feed.
 */
static void test_byte_order_mark_and_crlf(void **state) {
    struct nas_episodes list, got;
    size_t length, n = 3;
    trial_must_open(&trial, trial_glyphs, NULL);
    make(&list);
    const char *path = folder_path(&trial.folder, "list");
    assert_ok(trial.ctx, nas_episodes_write(&list, trial.ctx, path));
    char *text = (char *)file_get(path, &length), *other = malloc(2 * length + 3);
    assert_non_null(other);
    memcpy(other, "\xEF\xBB\xBF", 3);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') {
            other[n++] = '\r';
        }
        other[n++] = text[i];
    }
    file_put(path, other, n);
    assert_ok(trial.ctx, nas_episodes_read(trial.ctx, path, &got));
    assert_int_equal(got.tasks, TASKS);
    assert_true(got.data == list.data);
    assert_memory_equal(got.hashes, list.hashes, TASKS * sizeof *got.hashes);
    assert_memory_equal(got.samples, list.samples,
                        TASKS * WAYS * (SHOTS + QUERIES) * sizeof *got.samples);
    nas_episodes_fini(&got);
    file_put(path, other, n - 1);
    assert_failed(trial.ctx, nas_episodes_read(trial.ctx, path, &got), MN_IO, "truncated");
    free(other);
    free(text);
    nas_episodes_fini(&list);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hash, begin, end),
        cmocka_unit_test_setup_teardown(test_disjoint, begin, end),
        cmocka_unit_test_setup_teardown(test_coverage, begin, end),
        cmocka_unit_test_setup_teardown(test_round_trip, begin, end),
        cmocka_unit_test_setup_teardown(test_fingerprints, begin, end),
        cmocka_unit_test_setup_teardown(test_evaluation, begin, end),
        cmocka_unit_test_setup_teardown(test_dataset_without_names, begin, end),
        cmocka_unit_test_setup_teardown(test_truncated, begin, end),
        cmocka_unit_test_setup_teardown(test_byte_order_mark_and_crlf, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    return cmocka_run_group_tests_name("episodes", tests, NULL, NULL);
}
