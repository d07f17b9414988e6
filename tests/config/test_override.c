/* SPDX-License-Identifier: MIT */
#include "case.h"
#include "config/override.h"
#include "config/renamed.h"
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct told told;
static struct nas_yaml *root;

static int setup(void **state) {
    told_begin(&told);
    root = told_parse(&told, "run: {seed: 1, name: x}\n"
                             "op_mixer:\n"
                             "  use: soft_prune\n"
                             "  steps: 7\n"
                             "  tau: 0.5\n"
                             "empty:\n"
                             "word: text\n");
    assert_non_null(root);
    return 0;
}

static int teardown(void **state) {
    told_end(&told);
    return 0;
}

static void set(const char *assignment, int argument) {
    nas_override_apply(&told.arena, root, assignment, argument, &told.faults);
}

static const struct nas_yaml *at(const char *section, const char *key) {
    return nas_yaml_get(nas_yaml_get(root, section), key);
}

static void check_value(const char *section, const char *key, const char *text) {
    const struct nas_yaml *node = at(section, key);
    assert_non_null(node);
    assert_int_equal(node->kind, NAS_YAML_SCALAR);
    assert_string_equal(node->text, text);
}

static void values_replace_and_join(void **state) {
    set("run.seed=42", 1);
    set("run.workers=3", 2);
    set("new.key=1", 3);
    set("deep.er.est=x", 4);
    set("empty.k=2", 5);
    set("run.name=a=b", 6);
    set("run.note=", 7);
    set("dataset.path=../data/omniglot", 8);
    set("run.quoted=\"1.5\"", 9);
    check_value("run", "seed", "42");
    check_value("run", "workers", "3");
    check_value("new", "key", "1");
    assert_string_equal(nas_yaml_get(at("deep", "er"), "est")->text, "x");
    check_value("empty", "k", "2");
    check_value("run", "name", "a=b");
    check_value("run", "note", "");
    check_value("dataset", "path", "../data/omniglot");
    assert_int_equal(at("run", "quoted")->quoted, 1);
    assert_string_equal(told_text(&told), "");
}

static void values_are_yaml(void **state) {
    set("space.ops=[a, b]", 1);
    set("op_mixer={use: softmax, k: 2}", 2);
    const struct nas_yaml *ops = at("space", "ops");
    assert_int_equal(ops->kind, NAS_YAML_LIST);
    assert_string_equal(ops->first->next->text, "b");
    check_value("op_mixer", "use", "softmax");
    check_value("op_mixer", "k", "2");
    assert_null(at("op_mixer", "tau")); /* a whole section replaces the whole section */
    assert_string_equal(told_text(&told), "");
}

static void the_later_one_wins(void **state) {
    set("run.seed=2", 1);
    set("run.seed=3", 2);
    check_value("run", "seed", "3");
}

static void marks_name_the_argument(void **state) {
    set("op_mixer.sizes=[1, 2]", 3);
    const struct nas_yaml *sizes = at("op_mixer", "sizes");
    assert_string_equal(sizes->mark.file, "argument 3 (--set op_mixer.sizes=[1, 2])");
    assert_int_equal(sizes->mark.line, 0);
    assert_int_equal(sizes->first->next->mark.line, 0);
    assert_string_equal(sizes->key_mark.file, sizes->mark.file);
}

static void malformed_ones_show_the_right_form(void **state) {
    static const char *const bad[] = {"run.seed", "=1", "", ".=1", "run.=1", ".seed=1", "a..b=1"};
    for (int i = 0; i < 7; i++) {
        char expected[256];
        struct told before = told;
        told_begin(&told);
        set(bad[i], i);
        snprintf(expected, sizeof expected,
                 "argument %d (--set %s): expected section.key=value, such as run.seed=2\n", i,
                 bad[i]);
        assert_string_equal(told_text(&told), expected);
        told_end(&told);
        told = before;
    }
    check_value("run", "seed", "1");
}

static void broken_values_are_told_once_and_not_applied(void **state) {
    set("run.seed=[1, 2", 4);
    set("run.seed=*a", 5);
    set("run.seed={a: 1, a: 2}", 6);
    set("run.seed=1\n---\n2", 7);
    assert_int_equal(told.faults.count, 4);
    const char *text = told_text(&told);
    assert_non_null(strstr(text, "argument 4 (--set run.seed=[1, 2): not valid YAML: "));
    assert_non_null(strstr(text, "argument 5 (--set run.seed=*a): aliases (*a)"));
    assert_non_null(strstr(text, "): duplicate key 'a'"));
    assert_non_null(strstr(text, "a second document"));
    check_value("run", "seed", "1");
}

static void a_value_is_no_section(void **state) {
    set("word.x=1", 2);
    set("run.seed.x=1", 3);
    assert_string_equal(told_text(&told),
                        "argument 2 (--set word.x=1): 'word' is a value, not a section, so 'x' "
                        "cannot be set in it\n"
                        "argument 3 (--set run.seed.x=1): 'seed' is a value, not a section, so 'x' "
                        "cannot be set in it\n");
}

static const char *default_use(const char *section, const struct nas_yaml *map) {
    return strcmp(section, "bare") == 0 ? "plain" : NULL;
}

/* All of one command line. */
static void set_all(const char *const *assignments) {
    nas_override_begin(root);
    for (int i = 0; assignments[i] != NULL; i++) {
        set(assignments[i], i + 1);
    }
    nas_override_end(&told.arena, root, default_use, &told.faults);
}

static void another_unit_starts_from_its_own_defaults(void **state) {
    set_all((const char *const[]){"op_mixer.use=other", NULL});
    assert_string_equal(told_text(&told),
                        "argument 1 (--set op_mixer.use=other): warning: op_mixer: other starts "
                        "from its own defaults; dropped with soft_prune: steps: 7, tau: 0.5\n");
    assert_int_equal(told.faults.count, 0);
    check_value("op_mixer", "use", "other");
    assert_null(at("op_mixer", "steps"));
    assert_null(at("op_mixer", "tau"));
}

static void the_same_unit_keeps_its_options(void **state) {
    set_all((const char *const[]){"op_mixer.use=soft_prune", NULL});
    set_all((const char *const[]){"op_mixer.use=soft_prune/soft_prune", NULL});
    assert_string_equal(told_text(&told), "");
    check_value("op_mixer", "steps", "7");
    check_value("op_mixer", "tau", "0.5");
}

static void options_of_the_command_line_stay_before_and_after_the_swap(void **state) {
    set_all((const char *const[]){"op_mixer.tau=1", "op_mixer.use=other", "op_mixer.mine=2", NULL});
    assert_non_null(strstr(told_text(&told), "dropped with soft_prune: steps: 7\n"));
    check_value("op_mixer", "tau", "1");
    check_value("op_mixer", "mine", "2");
    assert_null(at("op_mixer", "steps"));
}

/* The last word of a command line counts. */
static void a_swap_that_is_taken_back_drops_nothing(void **state) {
    set_all((const char *const[]){"op_mixer.use=other", "op_mixer.use=soft_prune", NULL});
    assert_string_equal(told_text(&told), "");
    check_value("op_mixer", "tau", "0.5");
}

static void a_section_without_use_has_the_default_unit(void **state) {
    root = told_parse(&told, "bare: {tau: 1}\n");
    set_all((const char *const[]){"bare.use=plain", NULL});
    assert_string_equal(told_text(&told), "");
    check_value("bare", "tau", "1");
    set_all((const char *const[]){"bare.use=other", NULL});
    assert_null(at("bare", "tau"));
}

/* What an arm of a sweep gave belongs to the arm's unit, which the command line replaces. */
static void later_assignments_swap_the_unit_of_earlier_ones(void **state) {
    set_all((const char *const[]){"op_mixer.use=other", "op_mixer.mine=1", NULL});
    set_all((const char *const[]){"op_mixer.use=third", NULL});
    assert_non_null(strstr(told_text(&told), "dropped with other: mine: 1\n"));
    assert_null(at("op_mixer", "mine"));
}

static void sections_within_sections_are_swapped_alike(void **state) {
    root = told_parse(&told, "meta_learner:\n  weights: {use: a, lr: 1}\n  architecture: {use: b, "
                             "lr: 2}\n");
    set_all((const char *const[]){"meta_learner.weights.use=c", NULL});
    assert_non_null(strstr(told_text(&told), "meta_learner.weights: c starts"));
    assert_null(nas_yaml_get(at("meta_learner", "weights"), "lr"));
    assert_non_null(nas_yaml_get(at("meta_learner", "architecture"), "lr"));
}

/* Bind op_mixer to a unit that has `steps` but no `tau`. */
static void bind_mixer(struct everything *out) {
    nas_schema_bind(&told.arena, &everything_options, nas_yaml_get(root, "op_mixer"), "use",
                    "op_mixer other", out, &told.faults);
}

/* A tree that is assigned twice is copied: neither the places nor the second use suffer. */
static void trees_are_copied_with_their_marks(void **state) {
    struct everything out;
    const struct nas_yaml *from = told_parse(&told, "a: {use: other,\n    tau: 1}\nb: 0.25\n");
    const struct nas_assignment whole = {"op_mixer", {"s.yaml", 7, 3}, from->first};
    const struct nas_assignment one = {"run.rate", {"s.yaml", 8, 3}, from->first->next};
    nas_override_assign(&told.arena, root, &whole, &told.faults);
    nas_override_assign(&told.arena, root, &one, &told.faults);
    check_value("op_mixer", "use", "other");
    check_value("run", "rate", "0.25");
    check_value("run", "seed", "1");
    assert_null(at("op_mixer", "steps"));
    assert_string_equal(from->first->key, "a");
    assert_string_equal(from->first->next->key, "b");
    assert_int_equal(at("run", "rate")->key_mark.line, 8);
    assert_int_equal(at("run", "rate")->mark.line, 3);
    bind_mixer(&out);
    assert_non_null(strstr(told_text(&told), "t.yaml:2:5: op_mixer other: unknown key 'tau'"));
}

static void assignments_must_be_keys(void **state) {
    const struct nas_yaml *from = told_parse(&told, "a: 1\n");
    const struct nas_assignment wrong = {"run..seed", {"s.yaml", 7, 3}, from->first};
    nas_override_assign(&told.arena, root, &wrong, &told.faults);
    assert_non_null(strstr(told_text(&told), "s.yaml:7:3: expected section.key"));
}

/* Folders of earlier runs have the old names. */
static void old_names_are_taken_with_a_warning(void **state) {
    root = told_parse(&told, "run:\n  seed: 1\n  executor: threads\n");
    nas_renamed_apply(root, &told.faults);
    assert_string_equal(told_text(&told),
                        "t.yaml:3:3: warning: run: 'executor' is called 'transport' now\n");
    assert_int_equal(told.faults.count, 0);
    assert_null(at("run", "executor"));
    check_value("run", "transport", "none");
}

static void a_new_name_counts_more_than_the_old_one(void **state) {
    root = told_parse(&told, "run: {executor: threads, transport: mpi, seed: 3}\n");
    nas_renamed_apply(root, NULL);
    assert_null(at("run", "executor"));
    check_value("run", "transport", "mpi");
    check_value("run", "seed", "3");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(values_replace_and_join),
        CASE(values_are_yaml),
        CASE(the_later_one_wins),
        CASE(marks_name_the_argument),
        CASE(malformed_ones_show_the_right_form),
        CASE(broken_values_are_told_once_and_not_applied),
        CASE(a_value_is_no_section),
        CASE(another_unit_starts_from_its_own_defaults),
        CASE(the_same_unit_keeps_its_options),
        CASE(options_of_the_command_line_stay_before_and_after_the_swap),
        CASE(a_swap_that_is_taken_back_drops_nothing),
        CASE(a_section_without_use_has_the_default_unit),
        CASE(later_assignments_swap_the_unit_of_earlier_ones),
        CASE(sections_within_sections_are_swapped_alike),
        CASE(trees_are_copied_with_their_marks),
        CASE(assignments_must_be_keys),
        CASE(old_names_are_taken_with_a_warning),
        CASE(a_new_name_counts_more_than_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
