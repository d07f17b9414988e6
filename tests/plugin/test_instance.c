/* SPDX-License-Identifier: MIT */
/* From a section of a configuration to a unit with its options filled in. */

#include "instances.h"

#include "config/override.h"

#include <stdlib.h>

/* ---- a task learner that does what a test asks of it -------------------------------------- */

struct learner {
    int64_t steps;
    double rate;
    const char *note;
};

static int (*on_check)(const struct learner *self, struct mn_ctx *context);
static int n_checks;

static int check(const void *self, struct mn_ctx *context) {
    n_checks++;
    return on_check != NULL ? on_check(self, context) : MN_OK;
}

static int adapt(const void *self, struct mn_ctx *context, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *kept) {
    return MN_OK;
}

static const struct mn_task_learner vtable = {
    .size = sizeof vtable, .check = check, .adapt = adapt};

static const struct mn_opt options[] = {MN_INT(struct learner, steps, 5, 1, 100, "steps"),
                                        MN_REAL(struct learner, rate, 0.25, 0, 1, "learning rate"),
                                        MN_TEXT(struct learner, note, "none", "a note")};

static int start(void *self, struct mn_ctx *context) {
    return MN_OK;
}

static int n_stopped;

static void stop(void *self) {
    n_stopped++;
}

static int describe(const void *self, struct mn_ctx *context, struct mn_dataset_info *out) {
    return MN_OK;
}

static int sample(const void *self, struct mn_ctx *context, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    return MN_OK;
}

static const struct mn_dataset data = {
    .size = sizeof data, .start = start, .stop = stop, .describe = describe, .sample = sample};

static const struct mn_unit units[] = {
    MN_UNIT_PLAIN(MN_DATASET, "given", "no data", &data),
    MN_UNIT(MN_TASK_LEARNER, "given", "learns nothing", struct learner, options, &vtable)};

static const struct mn_plugin given = {.magic = MN_MAGIC,
                                       .size = sizeof given,
                                       .abi_major = MN_ABI_MAJOR,
                                       .abi_minor = MN_ABI_MINOR,
                                       .unit_stride = sizeof(struct mn_unit),
                                       .opt_stride = sizeof(struct mn_opt),
                                       .real_bytes = sizeof(mn_real),
                                       .n_units = 2,
                                       .name = "given",
                                       .version = "1",
                                       .author = "",
                                       .license = "MIT",
                                       .url = "",
                                       .units = units};

/* ---- ------------------------------------------------------------------------------------- */

static int setup(void **state) {
    instances_begin(&given);
    on_check = NULL;
    n_checks = n_stopped = 0;
    return 0;
}

static int make_learner(const char *text) {
    return instances_make(text, MN_TASK_LEARNER, "given");
}

/* All faults, as a user reads them. */
static void check_faults(const char *expected) {
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    nas_faults_print(&faults, out);
    fclose(out);
    assert_string_equal(text, expected);
}

static void options_are_filled_by_stride(void **state) {
    assert_ok(&ctx.pub, make_learner("part: {use: given, note: hello, rate: 0.5}\n"));
    const struct learner *self = instance.self;
    check_faults("");
    assert_int_equal(self->steps, 5);
    assert_true(self->rate == 0.5);
    assert_string_equal(self->note, "hello");
    assert_string_equal(instance.label, "task_learner given");
    assert_int_equal(n_checks, 1);
}

static void a_missing_section_gives_all_defaults(void **state) {
    assert_ok(&ctx.pub, make_learner("other: {}\n"));
    const struct learner *self = instance.self;
    assert_int_equal(self->steps, 5);
    assert_true(self->rate == 0.25);
    assert_string_equal(self->note, "none");
    assert_int_equal(n_checks, 1);
}

static void a_longer_vtable_is_cut_and_a_missing_function_is_null(void **state) {
    const struct mn_task_learner *table = &instance.table.task_learner;
    memset(&instance, 0xa5, sizeof instance);
    assert_ok(&ctx.pub, make_learner("part: {}\n"));
    assert_true(table->check == check);
    assert_true(table->adapt == adapt);
    assert_true(table->n_state == NULL && table->moments == NULL && table->max_batch == NULL &&
                table->adapts == NULL && table->steps == NULL);
    const uint8_t *bytes = (const uint8_t *)&instance.table;
    for (size_t i = sizeof *table; i < sizeof instance.table; i++) {
        assert_int_equal(bytes[i], 0);
    }
}

static void every_fault_is_kept_and_check_waits_until_there_is_none(void **state) {
    assert_ok(&ctx.pub, make_learner("part:\n  steps: 0\n  rat: 1\n  note: [1]\n"));
    check_faults("t.yaml:2:10: task_learner given: steps: 0 is out of range: expected int, 1 to "
                 "100\n"
                 "t.yaml:3:3: task_learner given: unknown key 'rat'; did you mean 'rate'?\n"
                 "t.yaml:4:9: task_learner given: note: a list was given: expected text\n");
    assert_int_equal(n_checks, 0);
}

static int refuse_rate(const struct learner *self, struct mn_ctx *context) {
    return mn_bad_option(context, "rate", "%g is too much for %lld steps", self->rate,
                         (long long)self->steps);
}

static void a_bad_option_has_its_place(void **state) {
    on_check = refuse_rate;
    assert_ok(&ctx.pub, make_learner("part:\n  use: given\n  rate: 0.75\n"));
    check_faults("t.yaml:3:9: task_learner given: rate: 0.75 is too much for 5 steps\n");
    assert_string_equal(nas_ctx_message(&ctx.pub), "");
}

static void a_bad_option_that_nobody_gave_has_the_place_of_its_section(void **state) {
    on_check = refuse_rate;
    assert_ok(&ctx.pub, make_learner("part:\n  use: given\n  steps: 7\n"));
    check_faults("t.yaml:2:8: task_learner given: rate: 0.25 is too much for 7 steps\n");
}

static void a_bad_option_of_a_missing_section_has_the_place_of_the_whole(void **state) {
    on_check = refuse_rate;
    assert_ok(&ctx.pub, make_learner("other: 1\n"));
    check_faults("t.yaml:9:9: task_learner given: rate: 0.25 is too much for 5 steps\n");
}

static void a_bad_option_of_an_argument_names_it(void **state) {
    on_check = refuse_rate;
    struct nas_yaml root = {.kind = NAS_YAML_MAP};
    nas_override_apply(&arena, &root, "part={use: given, rate: 1}", 3, &faults);
    assert_ok(&ctx.pub, nas_instance_init(&instance, &ctx.pub, registry, MN_TASK_LEARNER, NULL,
                                          nas_yaml_get(&root, "part"), NULL, root.mark, &faults));
    check_faults("argument 3 (--set part={use: given, rate: 1}): task_learner given: rate: 1 is "
                 "too much for 5 steps\n");
}

static int positive(const struct learner *self, struct mn_ctx *context) {
    return 3;
}

static int unknown(const struct learner *self, struct mn_ctx *context) {
    return -99;
}

static int silent(const struct learner *self, struct mn_ctx *context) {
    return MN_UNSUPPORTED;
}

static int other(const struct learner *self, struct mn_ctx *context) {
    return mn_fail(context, MN_IO, "no such %s", "thing");
}

static void every_status_of_a_check_has_a_message(void **state) {
    static const struct {
        int (*check)(const struct learner *self, struct mn_ctx *context);
        int status;
        const char *message;
    } cases[] = {
        {positive, MN_INTERNAL,
         "task_learner given: 3 was returned, which is no status; this is an error of the plugin"},
        {unknown, MN_INTERNAL,
         "task_learner given: -99 was returned, which is no status; this is an error of the "
         "plugin"},
        {silent, MN_UNSUPPORTED,
         "task_learner given: failed with status -5 and no message; this is an error of the "
         "plugin"},
        {other, MN_IO, "task_learner given: no such thing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        on_check = cases[i].check;
        assert_int_equal(make_learner("part: {}\n"), cases[i].status);
        assert_string_equal(nas_ctx_message(&ctx.pub), cases[i].message);
        check_faults("");
        nas_ctx_clear(&ctx.pub);
        nas_instance_fini(&instance);
    }
}

static int refuse_silently(const struct learner *self, struct mn_ctx *context) {
    return MN_CONFIG;
}

static void a_check_that_refuses_without_a_word_is_a_fault_too(void **state) {
    on_check = refuse_silently;
    assert_ok(&ctx.pub, make_learner("part: {}\n"));
    check_faults("task_learner given: failed with status -2 and no message; this is an error of "
                 "the plugin\n");
}

static void use_must_be_given_where_there_is_no_default(void **state) {
    assert_ok(&ctx.pub, instances_make("part:\n  steps: 3\n", MN_TASK_LEARNER, NULL));
    check_faults("t.yaml:2:3: task_learner: the key 'use' is required: which task_learner\n");
    assert_null(instance.self);
}

static void use_must_be_a_name(void **state) {
    assert_ok(&ctx.pub, instances_make("part: {use: [given]}\n", MN_TASK_LEARNER, "given"));
    check_faults("t.yaml:1:13: task_learner: use: expected the name of a task_learner\n");
}

static void a_plugin_that_is_not_there_is_a_fault(void **state) {
    assert_ok(&ctx.pub, instances_make("part: {use: gvien}\n", MN_TASK_LEARNER, NULL));
    assert_int_equal(faults.count, 1);
    assert_non_null(strstr(faults.first->text,
                           "cannot load plugin 'gvien' for task_learner (t.yaml:1:13)\n  there is "
                           "no gvien.so; did you mean 'given'?\n  searched: "));
    assert_string_equal(nas_ctx_message(&ctx.pub), "");
}

static void one_name_may_be_of_two_kinds(void **state) {
    assert_ok(&ctx.pub, instances_make("part: {use: given}\n", MN_DATASET, NULL));
    assert_string_equal(instance.label, "dataset given");
    assert_true(instance.table.dataset.start == start);
}

static void stop_is_called_where_start_was(void **state) {
    assert_ok(&ctx.pub, instances_make("part: {}\n", MN_DATASET, "given"));
    nas_instance_fini(&instance);
    assert_int_equal(n_stopped, 0);
    assert_ok(&ctx.pub, instances_make("part: {}\n", MN_DATASET, "given"));
    instance.started = 1;
    nas_instance_fini(&instance);
    assert_int_equal(n_stopped, 1);
    nas_instance_fini(&instance);
    assert_int_equal(n_stopped, 1);
}

static void what_is_kept_is_zeroed_and_lives_as_long_as_the_instance(void **state) {
    assert_ok(&ctx.pub, make_learner("part: {}\n"));
    struct nas_call call = nas_call_begin(&ctx.pub, &instance);
    uint8_t *first = mn_keep(&ctx.pub, 1000);
    uint8_t *second = mn_keep(&ctx.pub, 100000);
    assert_non_null(first);
    assert_non_null(second);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(first[i], 0);
    }
    memset(first, 1, 1000);
    memset(second, 2, 100000);
    assert_int_equal(nas_call_end(&call, MN_OK), MN_OK);
    assert_int_equal(first[999], 1);
    assert_int_equal(second[0], 2);
    assert_true(((const struct learner *)instance.self)->steps == 5);
}

static void keep_refuses_what_cannot_be(void **state) {
    assert_ok(&ctx.pub, make_learner("part: {}\n"));
    assert_null(mn_keep(&ctx.pub, 8)); /* no unit is being called */
    assert_int_equal(ctx.status, MN_INTERNAL);
    nas_ctx_clear(&ctx.pub);
    struct nas_call call = nas_call_begin(&ctx.pub, &instance);
    assert_null(mn_keep(&ctx.pub, SIZE_MAX - 8));
    assert_failed(&ctx.pub, nas_call_end(&call, MN_NOMEM), MN_NOMEM,
                  "task_learner given: no memory");
}

static void a_call_gives_back_scratch_and_the_unit_before(void **state) {
    static struct nas_instance inner = {.label = "inner"};
    assert_ok(&ctx.pub, make_learner("part: {}\n"));
    const size_t before = nas_arena_mark(&ctx.scratch);
    struct nas_call outer_call = nas_call_begin(&ctx.pub, &instance);
    assert_non_null(mn_scratch(&ctx.pub, 100));
    const size_t between = nas_arena_mark(&ctx.scratch);
    struct nas_call inner_call = nas_call_begin(&ctx.pub, &inner);
    assert_non_null(mn_scratch(&ctx.pub, 100));
    assert_ptr_equal(ctx.unit, &inner);
    assert_int_equal(nas_call_end(&inner_call, MN_OK), MN_OK);
    assert_ptr_equal(ctx.unit, &instance);
    assert_int_equal(nas_arena_mark(&ctx.scratch), between);
    assert_int_equal(nas_call_end(&outer_call, MN_OK), MN_OK);
    assert_null(ctx.unit);
    assert_int_equal(nas_arena_mark(&ctx.scratch), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, instances_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(options_are_filled_by_stride),
        TEST(a_missing_section_gives_all_defaults),
        TEST(a_longer_vtable_is_cut_and_a_missing_function_is_null),
        TEST(every_fault_is_kept_and_check_waits_until_there_is_none),
        TEST(a_bad_option_has_its_place),
        TEST(a_bad_option_that_nobody_gave_has_the_place_of_its_section),
        TEST(a_bad_option_of_a_missing_section_has_the_place_of_the_whole),
        TEST(a_bad_option_of_an_argument_names_it),
        TEST(every_status_of_a_check_has_a_message),
        TEST(a_check_that_refuses_without_a_word_is_a_fault_too),
        TEST(use_must_be_given_where_there_is_no_default),
        TEST(use_must_be_a_name),
        TEST(a_plugin_that_is_not_there_is_a_fault),
        TEST(one_name_may_be_of_two_kinds),
        TEST(stop_is_called_where_start_was),
        TEST(what_is_kept_is_zeroed_and_lives_as_long_as_the_instance),
        TEST(keep_refuses_what_cannot_be),
        TEST(a_call_gives_back_scratch_and_the_unit_before),
    };
    unsetenv("METANAS_PLUGIN_PATH");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
