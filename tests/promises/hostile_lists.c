/* SPDX-License-Identifier: MIT */
/* Text files of lines, out of all measure: the lists of an Omniglot split and the lists of
 * episodes. A refusal names the file and the line. */
#include "learn/episode_list.h"

#include "../../plugins/omniglot/omniglot.h"
#include "../support/check.h"
#include "../support/folder.h"
#include "learn/host.h"
#include "plugin/instance.h"

#include <stdlib.h>

static struct nas_ctx context;
static struct mn_ctx *const ctx = &context.pub;
static struct folder folder;

static int begin(void **state) {
    nas_ctx_init(&context, &nas_host);
    folder_new(&folder);
    return 0;
}

static int end(void **state) {
    folder_remove(&folder);
    nas_ctx_fini(&context);
    return 0;
}

/* `text` n times, with `before` and `after`; the caller frees it. */
static char *many(const char *before, const char *text, size_t n, const char *after) {
    const size_t each = strlen(text), head = strlen(before);
    char *out = malloc(head + n * each + strlen(after) + 1);
    assert_non_null(out);
    memcpy(out, before, head);
    for (size_t i = 0; i < n; i++) {
        memcpy(out + head + i * each, text, each);
    }
    strcpy(out + head + n * each, after);
    return out;
}

/* ---- splits ------------------------------------------------------------------------------- */

static int read_split(const void *list, size_t n) {
    static struct character characters[] = {{"Latin/character01", 0, 20}};
    struct nas_instance unit = {.label = "dataset omniglot"};
    struct omniglot o = {.path = "omniglot",
                         .splits = folder.path,
                         .split = SPLIT_VINYALS,
                         .characters = characters,
                         .n_characters = 1};
    file_put(folder_path(&folder, "train.txt"), list, n);
    file_put(folder_path(&folder, "val.txt"), "", 0);
    file_put(folder_path(&folder, "test.txt"), "", 0);
    context.unit = &unit;
    const int status = omniglot_divide(&o, ctx);
    context.unit = NULL;
    nas_arena_fini(&unit.arena);
    return status;
}

static void test_split_lines(void **state) {
    static const struct {
        const char *before, *text;
        size_t n;
        const char *after, *why;
    } cases[] = {
        {"", "x", 1000000, "\n", "train.txt:1: the line is too long"},
        {"", "x", 1000000, "", "train.txt:1: the line is too long"},
        {"", "\n", 1000000, "x\n", "train.txt:1000001: 'x': expected ALPHABET/CHARACTER/rotRRR"},
        {"", "/", 400, "\n", "train.txt:1: '////"},
        {"", "../", 100, "etc/rot000\n", "train.txt:1: there is no character '../../"},
        {"", "Latin/character01/rot000\n", 2, "", "train.txt:2: class Latin/character01/rot000"},
        {"", "Latin/character01/rot000 ", 1, "\n", "train.txt:1: 'Latin/character01/rot000 '"},
        {"", "%s%n%s%n", 40, "/rot000\n", "train.txt:1: there is no character '%s%n%s%n"},
        {"", "\xff\xfe", 90, "/rot090\n", "train.txt:1: there is no character"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *list = many(cases[i].before, cases[i].text, cases[i].n, cases[i].after);
        assert_failed(ctx, read_split(list, strlen(list)), MN_IO, folder.path, cases[i].why);
        free(list);
    }
}

/* A line behind a zero byte or a lone carriage return must not get lost in silence. */
static void test_split_zero_bytes(void **state) {
    static const char old[] = "Latin/character01/rot000\rLatin/character01/rot090\n";
    assert_failed(ctx, read_split(old, sizeof old - 1), MN_IO,
                  "train.txt:1: there is no character");
    static const char inside[] = "Latin/character01/rot000\0Latin/character01/rot090\n";
    static const char alone[] = "\0\n";
    assert_failed(ctx, read_split(inside, sizeof inside - 1), MN_IO, "train.txt:1: ");
    assert_failed(ctx, read_split(alone, sizeof alone - 1), MN_IO, "train.txt:1: ");
}

/* ---- lists of episodes -------------------------------------------------------------------- */

#define HEAD "metanas episodes 1\ndataset d\ndata 0123456789abcdef\nsplit test\nseed 1\n"
#define ONE HEAD "ways 1\nshots 1\nqueries 1\ntasks 1\ntask 0 0123456789abcdef\n"

static int read_list(const void *text, size_t n, struct nas_episodes *out) {
    const char *path = folder_path(&folder, "list");
    file_put(path, text, n);
    return nas_episodes_read(ctx, path, out);
}

static void test_episode_lines(void **state) {
    static const struct {
        const char *before, *text;
        size_t n;
        const char *after, *why;
    } cases[] = {
        {"", "x", 1000000, "\n", "list:1:1: "},
        {"metanas episodes 1\n", "#\n", 500000, "x\n", "list:500002:1: expected 'dataset'"},
        {"metanas episodes 1\ndataset ", "x", 100000, "\n", "list:3:1: "},
        {HEAD "ways 10000\nshots 10000\nqueries 10000\ntasks 10000000\n", "x", 1, "\n",
         "10000000 tasks do not fit into a file"},
        {HEAD "ways 10001\n", "", 0, "", "list:6:6: expected a number from 0 to 10000"},
        {HEAD "ways ", "9", 5000, "\n", "list:6:6: expected a number"},
        {HEAD "ways -1\n", "", 0, "", "list:6:6: expected a number"},
        {HEAD "ways 0\n", "", 0, "", "list:6:1: ways must be 1 or more"},
        {ONE "class 99999999999999999999 support 0 query 1 name x\n", "", 0, "",
         "list:11:7: expected a number"},
        {ONE "class 0 support 0 query 0 name ", "", 0, "\n", "the name of the class is"},
        {ONE "class 0 support ", "0 ", 100000, "\n", "list:11:19: expected 'query', got '0'"},
        {ONE "class 0 support 0 query 1 name x\n", "class 0\n", 100000, "", "list:12:1: "},
    };
    struct nas_episodes list;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = many(cases[i].before, cases[i].text, cases[i].n, cases[i].after);
        assert_failed(ctx, read_list(text, strlen(text), &list), MN_IO, folder.path, cases[i].why);
        free(text);
    }
}

static void test_episode_zero_bytes(void **state) {
    static const char inside[] = ONE "class 0 support 0 query 1 name x\0y\n";
    static const char behind[] = ONE "class 0 support 0 query 1 name x\n\0y\n";
    static const char whole[] = ONE "class 0 support 0 query 1 name x\n";
    struct nas_episodes list;
    assert_failed(ctx, read_list(inside, sizeof inside - 1, &list), MN_IO, "list:11:");
    assert_failed(ctx, read_list(behind, sizeof behind - 1, &list), MN_IO, "list:12:");
    assert_ok(ctx, read_list(whole, sizeof whole - 1, &list));
    assert_int_equal(list.samples[1], 1);
    nas_episodes_fini(&list);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_split_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_split_zero_bytes, begin, end),
        cmocka_unit_test_setup_teardown(test_episode_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_episode_zero_bytes, begin, end),
    };
    return cmocka_run_group_tests_name("hostile lists", tests, NULL, NULL);
}
