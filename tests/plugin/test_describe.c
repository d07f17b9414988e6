/* SPDX-License-Identifier: MIT */
/* Help texts, letter for letter. */

#include "../support/check.h"

#include "plugin/describe.h"

#include <stdlib.h>

struct self {
    int64_t steps;
    double rate;
    bool fast;
    const char *path;
    int32_t order;
    struct mn_ints sizes;
};

static const char *const orders[] = {"joint", "alter|nating", NULL};
static const struct mn_opt options[] = {
    {"steps", "task steps in meta-training", "steps", MN_OPT_INT, MN_OPT_ADVANCED,
     offsetof(struct self, steps), 0, 5, 1, 1000, NULL, NULL},
    MN_REAL_OPEN(struct self, rate, 0.005, 0, 1, MN_OPT_OPEN_MIN, "learning rate of the weights"),
    MN_BOOL(struct self, fast, 1, "leave out what takes long"),
    MN_PATH(struct self, path, "", MN_OPT_REQUIRED, "the folder with the data"),
    MN_CHOICE(struct self, order, 1, orders, "which | first"),
    {"sizes", "old name of steps", NULL, MN_OPT_INTS, MN_OPT_DEPRECATED,
     offsetof(struct self, sizes), 0, 0, 1, 9, "1, 2", NULL},
};
static const struct mn_unit about = {
    .kind = MN_TASK_LEARNER,
    .n_opts = sizeof options / sizeof options[0],
    .name = "darts",
    .doc = "adapts weights and architecture together from the gradients of one pass",
    .opts = options};
static const struct mn_unit plain = {.kind = MN_INPUT_MIXER, .name = "sum", .doc = "adds"};
static const struct mn_plugin plugin = {.name = "darts", .version = "1.2.0"};

static struct nas_unit unit_of(const struct mn_unit *unit) {
    return (struct nas_unit){&plugin, unit, "/lib/darts.so", {unit->opts, unit->n_opts}};
}

static char text[8192];

static FILE *begin(void) {
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    return out;
}

static void check(FILE *out, const char *expected) {
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
}

static void plain_text_is_aligned_and_wrapped(void **state) {
    const struct nas_unit unit = unit_of(&about);
    FILE *out = begin();
    nas_describe_unit(&unit, 60, out);
    check(out, "task_learner darts: adapts weights and architecture together\n"
               "  from the gradients of one pass\n"
               "  plugin darts 1.2.0, /lib/darts.so\n"
               "\n"
               "  rate   learning rate of the weights. Type: real, above 0\n"
               "         to 1. Default: 0.005.\n"
               "  fast   leave out what takes long. Type: true or false.\n"
               "         Default: true.\n"
               "  path   the folder with the data. Type: path. Default:\n"
               "         (required).\n"
               "  order  which | first. Type: one of: joint, alter|nating.\n"
               "         Default: alter|nating.\n"
               "  sizes  (deprecated) old name of steps. Type: list of int,\n"
               "         1 to 9. Default: [1, 2].\n"
               "  steps  task steps in meta-training (steps). Type: int, 1\n"
               "         to 1000. Default: 5.\n");
}

static void no_line_is_longer_than_asked(void **state) {
    const struct nas_unit unit = unit_of(&about);
    for (int width = 40; width <= 120; width++) {
        FILE *out = begin();
        nas_describe_unit(&unit, width, out);
        assert_int_equal(fclose(out), 0);
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            if ((int)strlen(line) > width) {
                fail_msg("width %d: %s", width, line);
            }
        }
    }
}

static void a_word_longer_than_the_line_stands_alone(void **state) {
    static const struct mn_opt option[] = {
        MN_BOOL(struct self, fast, 0, "a pneumonoultramicroscopicsilicovolcanoconiosis b")};
    const struct nas_options table = {option, 1};
    FILE *out = begin();
    nas_describe_options(&table, 20, out);
    check(out, "  fast  a\n"
               "        pneumonoultramicroscopicsilicovolcanoconiosis\n"
               "        b. Type:\n"
               "        true or\n"
               "        false.\n"
               "        Default:\n"
               "        false.\n");
}

static void a_unit_without_options_says_so(void **state) {
    const struct nas_unit unit = unit_of(&plain);
    FILE *out = begin();
    nas_describe_unit(&unit, 80, out);
    check(out, "input_mixer sum: adds\n"
               "  plugin darts 1.2.0, /lib/darts.so\n"
               "\n"
               "  no options\n");
    out = begin();
    nas_describe_markdown(&unit, out);
    check(out, "## input_mixer `sum`\n\nadds. Plugin `darts` 1.2.0.\n\nNo options.\n\n");
}

static void markdown_is_a_table_whose_cells_hold(void **state) {
    const struct nas_unit unit = unit_of(&about);
    FILE *out = begin();
    nas_describe_markdown(&unit, out);
    check(out, "## task_learner `darts`\n"
               "\n"
               "adapts weights and architecture together from the gradients of one pass. Plugin "
               "`darts` 1.2.0.\n"
               "\n"
               "| key | type | default | meaning |\n"
               "| --- | --- | --- | --- |\n"
               "| `rate` | real, above 0 to 1 | 0.005 | learning rate of the weights |\n"
               "| `fast` | true or false | true | leave out what takes long |\n"
               "| `path` | path | (required) | the folder with the data |\n"
               "| `order` | one of: joint, alter\\|nating | alter\\|nating | which \\| first |\n"
               "| `sizes` | list of int, 1 to 9 | [1, 2] | (deprecated) old name of steps |\n"
               "| `steps` | int, 1 to 1000 | 5 | task steps in meta-training (steps) |\n"
               "\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_aligned_and_wrapped),
        cmocka_unit_test(no_line_is_longer_than_asked),
        cmocka_unit_test(a_word_longer_than_the_line_stands_alone),
        cmocka_unit_test(a_unit_without_options_says_so),
        cmocka_unit_test(markdown_is_a_table_whose_cells_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
