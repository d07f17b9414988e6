/* SPDX-License-Identifier: MIT */
/* Sweep files to arms. Their faults: tests/cli/sweep.sh. */
#include "../../tools/metanas/sweep/file.h"

#include "../support/check.h"
#include "../support/folder.h"

static struct nas_ctx context;
static struct mn_ctx *ctx;
static struct folder folder;
static struct sweep sweep;

static int begin(void **state) {
    nas_ctx_init(&context, NULL);
    ctx = &context.pub;
    folder_new(&folder);
    return 0;
}

static int end(void **state) {
    sweep_fini(&sweep);
    nas_ctx_fini(&context);
    folder_remove(&folder);
    return 0;
}

static int read_text(const char *text) {
    const char *path = folder_path(&folder, "s.yaml");
    FILE *said = tmpfile();
    assert_non_null(said);
    file_put(path, text, strlen(text));
    const int status = sweep_read(ctx, path, said, &sweep);
    fclose(said);
    return status;
}

static void check_set(const struct nas_assignment *a, const char *key, const char *value) {
    assert_string_equal(a->key, key);
    assert_int_equal(a->value->kind, NAS_YAML_SCALAR);
    assert_string_equal(a->value->text, value);
}

static void test_cross_product(void **state) {
    static const char *const names[] = {"lr_a=0.1+plain",  "lr_a=0.1+soft_prune",
                                        "lr_a=0.2+plain",  "lr_a=0.2+soft_prune",
                                        "lr_a=1e-3+plain", "lr_a=1e-3+soft_prune"};
    struct nas_arena arena = {0};
    int n;
    assert_ok(ctx, read_text("base: b.yaml\n"
                             "set: {run.meta_epochs: 5, task.ways: 3}\n"
                             "seeds: [4, 2]\n"
                             "axes:\n"
                             "  task_learner.lr_a: [0.1, 0.2, 1e-3]\n"
                             "  mixers:\n"
                             "    plain: {op_mixer.use: softmax, input_mixer.use: sum}\n"
                             "    soft_prune: {op_mixer.t_min: 0.3}\n"));
    assert_int_equal(sweep.n_arms, 6);
    assert_int_equal(sweep.n_seeds, 2);
    assert_true(sweep.seeds[0] == 4 && sweep.seeds[1] == 2);
    assert_string_equal(sweep.base, folder_path(&folder, "b.yaml"));
    for (int64_t arm = 0; arm < 6; arm++) {
        assert_string_equal(sweep_arm_name(&sweep, arm, &arena), names[arm]);
    }
    const struct nas_assignment *all = sweep_assignments(&sweep, 2, 1, &arena, &n);
    assert_int_equal(n, 6);
    check_set(&all[0], "run.meta_epochs", "5");
    check_set(&all[1], "task.ways", "3");
    check_set(&all[2], "task_learner.lr_a", "0.2");
    check_set(&all[3], "op_mixer.use", "softmax");
    check_set(&all[4], "input_mixer.use", "sum");
    check_set(&all[5], "run.seed", "2");
    assert_int_equal(all[3].mark.line, 7);
    assert_int_equal(all[3].mark.column, 13);
    assert_int_equal(sweep_assignments(&sweep, 5, 0, &arena, &n)[3].value->mark.line, 8);
    assert_int_equal(n, 5);
    nas_arena_fini(&arena);
}

/* A whole section is labelled by its plugin, and its keys may follow on a later axis. */
static void test_sections(void **state) {
    struct nas_arena arena = {0};
    int n;
    assert_ok(ctx, read_text("base: /x/b.yaml\n"
                             "seeds: [1]\n"
                             "axes:\n"
                             "  op_mixer: [{use: softmax}, {use: soft_prune}]\n"
                             "  op_mixer.k: {one: 1}\n"));
    assert_string_equal(sweep.base, "/x/b.yaml");
    assert_string_equal(sweep_arm_name(&sweep, 1, &arena), "soft_prune+one");
    const struct nas_assignment *all = sweep_assignments(&sweep, 1, 0, &arena, &n);
    assert_int_equal(n, 3);
    assert_string_equal(all[0].key, "op_mixer");
    assert_int_equal(all[0].value->kind, NAS_YAML_MAP);
    check_set(&all[1], "op_mixer.k", "1");
    nas_arena_fini(&arena);
}

static void test_no_axes(void **state) {
    struct nas_arena arena = {0};
    assert_ok(ctx, read_text("base: b.yaml\nseeds: [1, 2, 3]\n"));
    assert_int_equal(sweep.n_arms, 1);
    assert_string_equal(sweep_arm_name(&sweep, 0, &arena), "base");
    nas_arena_fini(&arena);
}

static void test_too_many_arms(void **state) {
    char text[4000];
    size_t used = (size_t)snprintf(text, sizeof text, "base: b\nseeds: [1]\naxes:\n");
    for (int axis = 0; axis < 9; axis++) {
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "  x.k%d: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n", axis);
    }
    assert_failed(ctx, read_text(text), MN_CONFIG, "1 fault");
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cross_product, begin, end),
        cmocka_unit_test_setup_teardown(test_sections, begin, end),
        cmocka_unit_test_setup_teardown(test_no_axes, begin, end),
        cmocka_unit_test_setup_teardown(test_too_many_arms, begin, end),
    };
    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
