/* SPDX-License-Identifier: MIT */
/* Where plugins are looked for, and what is said when there is none. */

#include "../support/check.h"
#include "../support/folder.h"

#include "plugin/kinds.h"
#include "plugin/registry.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef MN_REAL_DOUBLE
#define SUFFIX "_f64.so"
#else
#define SUFFIX ".so"
#endif

static struct nas_ctx ctx;
static struct folder a, b, c;
static struct nas_registry *registry;
static const char *modules, *build_root;

static int setup(void **state) {
    nas_ctx_init(&ctx, NULL);
    folder_new(&a);
    folder_new(&b);
    folder_new(&c);
    unsetenv("METANAS_PLUGIN_PATH");
    registry = NULL;
    return 0;
}

static int teardown(void **state) {
    nas_registry_free(registry);
    folder_remove(&a);
    folder_remove(&b);
    folder_remove(&c);
    nas_ctx_fini(&ctx);
    return 0;
}

/* Put a copy of a built module into a folder, under the name that `use: name` asks for. */
static void put(const struct folder *folder, const char *module, const char *name) {
    char from[PATH_MAX], file[256];
    size_t length;
    snprintf(from, sizeof from, "%s/plugin_%s.so", modules, module);
    snprintf(file, sizeof file, "%s%s", name, SUFFIX);
    uint8_t *data = file_get(from, &length);
    file_put(folder_path(folder, file), data, length);
    free(data);
}

/* The right plugin of this precision. */
static const char *fine(void) {
    return sizeof(mn_real) == 8 ? "fine_f64" : "fine";
}

static void open_registry(const char *first, const char *second) {
    const char *const directories[] = {first, second, NULL};
    nas_registry_free(registry);
    assert_ok(&ctx.pub, nas_registry_new(&ctx.pub, directories, &registry));
}

static void check_no_registry(const char *const *directories, const char *message) {
    struct nas_registry *none = NULL;
    assert_int_equal(nas_registry_new(&ctx.pub, directories, &none), MN_CONFIG);
    assert_string_equal(nas_ctx_message(&ctx.pub), message);
    assert_null(none);
    nas_ctx_clear(&ctx.pub);
}

static void check_found(const char *use, const struct folder *folder, const char *name) {
    struct nas_unit unit;
    char expected[PATH_MAX];
    assert_ok(&ctx.pub,
              nas_registry_find(registry, &ctx.pub, MN_META_LEARNER, use, "x.yaml:1:2", &unit));
    snprintf(expected, sizeof expected, "%s/%s%s", folder->path, name, SUFFIX);
    assert_string_equal(unit.file, expected);
    assert_string_equal(unit.unit->name, "broken");
    assert_int_equal(unit.options.n, 1);
}

/* `searched` is the text after "searched: " without the build folder, which is always last. */
static void check_missed(int kind, const char *use, const char *place, int status, const char *head,
                         const char *reason, const char *searched) {
    struct nas_unit unit;
    char expected[4 * PATH_MAX];
    const int length =
        snprintf(expected, sizeof expected,
                 "cannot load plugin %s\n  %s\n  searched: %sbuild folder=%s/plugins", head, reason,
                 searched, build_root);
    assert_in_range(length, 1, sizeof expected - 1);
    const int got = nas_registry_find(registry, &ctx.pub, kind, use, place, &unit);
    assert_string_equal(nas_ctx_message(&ctx.pub), expected);
    assert_int_equal(got, status);
    nas_ctx_clear(&ctx.pub);
}

static void directories_come_in_order(void **state) {
    setenv("METANAS_PLUGIN_PATH", c.path, 1);
    put(&c, fine(), "broken");
    open_registry(a.path, b.path);
    check_found("broken", &c, "broken");
    put(&b, fine(), "broken");
    open_registry(a.path, b.path);
    check_found("broken", &b, "broken");
    put(&a, fine(), "broken");
    open_registry(a.path, b.path);
    check_found("broken", &a, "broken");
    open_registry(b.path, a.path);
    check_found("broken", &b, "broken");
}

static void the_environment_holds_several_folders(void **state) {
    char path[3 * PATH_MAX];
    snprintf(path, sizeof path, "%s:%s", a.path, b.path);
    setenv("METANAS_PLUGIN_PATH", path, 1);
    put(&b, fine(), "broken");
    open_registry(NULL, NULL);
    check_found("broken", &b, "broken");
    put(&a, fine(), "broken");
    open_registry(NULL, NULL);
    check_found("broken", &a, "broken");
}

/* Whoever put a broken file in front meant it to be used. */
static void a_broken_file_is_not_passed_over_for_a_later_one(void **state) {
    char reason[PATH_MAX + 256], searched[3 * PATH_MAX];
    put(&a, "magic", "broken");
    put(&b, fine(), "broken");
    open_registry(a.path, b.path);
    snprintf(reason, sizeof reason,
             "%s/broken%s: wrong magic number 0x12345678: not a METANAS plugin", a.path, SUFFIX);
    snprintf(searched, sizeof searched, "--plugin-dir=%s; --plugin-dir=%s; ", a.path, b.path);
    check_missed(MN_META_LEARNER, "broken", "c.yaml:12:8", MN_CONFIG,
                 "'broken' for meta_learner (c.yaml:12:8)", reason, searched);
}

static void the_other_precision_is_told(void **state) {
    char reason[PATH_MAX + 256], searched[PATH_MAX];
    const int is_double = sizeof(mn_real) == 8;
    put(&a, is_double ? "fine" : "fine_f64", "broken");
    open_registry(a.path, NULL);
    snprintf(reason, sizeof reason,
             "%s/broken%s: built for %d-byte reals, this host computes with %d-byte ones: use the "
             "%s build of the plugin",
             a.path, SUFFIX, is_double ? 4 : 8, is_double ? 8 : 4,
             is_double ? "double (MN_REAL_DOUBLE)" : "float");
    snprintf(searched, sizeof searched, "--plugin-dir=%s; ", a.path);
    check_missed(MN_META_LEARNER, "broken", NULL, MN_CONFIG, "'broken' for meta_learner", reason,
                 searched);
}

static void relative_elements_are_errors(void **state) {
    static const struct {
        const char *path, *element;
    } cases[] = {{"plugins", "plugins"},
                 {"/a:b", "b"},
                 {".", "."},
                 {"../x:/a", "../x"},
                 {"~/plugins", "~/plugins"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char message[512];
        const char *const directories[] = {cases[i].element, NULL};
        snprintf(message, sizeof message,
                 "METANAS_PLUGIN_PATH: '%s' is not an absolute path; plugins are searched in "
                 "absolute folders only",
                 cases[i].element);
        setenv("METANAS_PLUGIN_PATH", cases[i].path, 1);
        check_no_registry(NULL, message);
        unsetenv("METANAS_PLUGIN_PATH");
        snprintf(message, sizeof message,
                 "--plugin-dir: '%s' is not an absolute path; plugins are searched in absolute "
                 "folders only",
                 cases[i].element);
        check_no_registry(directories, message);
    }
}

static void empty_parts_of_the_environment_are_passed_over(void **state) {
    char path[3 * PATH_MAX];
    const char *from;
    snprintf(path, sizeof path, ":%s::%s:", a.path, b.path);
    setenv("METANAS_PLUGIN_PATH", path, 1);
    open_registry(NULL, NULL);
    assert_string_equal(nas_registry_folder(registry, 0, &from), a.path);
    assert_string_equal(nas_registry_folder(registry, 1, &from), b.path);
    nas_registry_folder(registry, 2, &from);
    assert_string_equal(from, "build folder");
    setenv("METANAS_PLUGIN_PATH", "", 1);
    open_registry(NULL, NULL);
    nas_registry_folder(registry, 0, &from);
    assert_string_equal(from, "build folder");
}

static void the_search_path_has_an_end(void **state) {
    char path[3 * 65 + 1] = "";
    for (int i = 0; i < 65; i++) {
        strcat(path, i > 0 ? ":/a" : "/a");
    }
    setenv("METANAS_PLUGIN_PATH", path, 1);
    check_no_registry(NULL, "METANAS_PLUGIN_PATH: more than 64 plugin folders");
}

static void nothing_is_loaded_from_a_folder_that_anyone_may_write(void **state) {
    char reason[PATH_MAX + 256], searched[PATH_MAX];
    put(&a, fine(), "broken");
    open_registry(a.path, NULL);
    snprintf(reason, sizeof reason,
             "%s: anyone may write in this folder, so nothing is loaded from it: chmod o-w it",
             a.path);
    snprintf(searched, sizeof searched, "--plugin-dir=%s; ", a.path);
    assert_int_equal(chmod(a.path, 0777), 0);
    check_missed(MN_META_LEARNER, "broken", NULL, MN_IO, "'broken' for meta_learner", reason,
                 searched);
    assert_int_equal(chmod(a.path, 01777), 0); /* sticky: anyone may still add a file */
    check_missed(MN_META_LEARNER, "broken", NULL, MN_IO, "'broken' for meta_learner", reason,
                 searched);
    assert_int_equal(chmod(a.path, 0755), 0);
    check_found("broken", &a, "broken");
}

static void a_near_name_is_offered(void **state) {
    char reason[256], searched[3 * PATH_MAX];
    put(&b, fine(), "zebra_stripes");
    put(&b, "magic", "another"); /* what is offered is not opened */
    open_registry(a.path, b.path);
    snprintf(searched, sizeof searched, "--plugin-dir=%s; --plugin-dir=%s; ", a.path, b.path);
    snprintf(reason, sizeof reason, "there is no zebra_stirpes%s; did you mean 'zebra_stripes'?",
             SUFFIX);
    check_missed(MN_META_LEARNER, "zebra_stirpes", "c.yaml:1:1", MN_CONFIG,
                 "'zebra_stirpes' for meta_learner (c.yaml:1:1)", reason, searched);
    snprintf(reason, sizeof reason,
             "there is no qqqqqqqqqq%s: is its folder in "
             "METANAS_PLUGIN_PATH?",
             SUFFIX);
    check_missed(MN_OP_MIXER, "qqqqqqqqqq", NULL, MN_CONFIG, "'qqqqqqqqqq' for op_mixer", reason,
                 searched);
}

#ifndef MN_REAL_DOUBLE
static void plugins_of_the_double_build_are_not_offered(void **state) {
    char searched[PATH_MAX];
    size_t length;
    char from[PATH_MAX];
    snprintf(from, sizeof from, "%s/plugin_fine_f64.so", modules);
    uint8_t *data = file_get(from, &length);
    file_put(folder_path(&a, "zebra_f64.so"), data, length);
    free(data);
    open_registry(a.path, NULL);
    snprintf(searched, sizeof searched, "--plugin-dir=%s; ", a.path);
    check_missed(MN_META_LEARNER, "zebra_f46", NULL, MN_CONFIG, "'zebra_f46' for meta_learner",
                 "there is no zebra_f46.so: is its folder in METANAS_PLUGIN_PATH?", searched);
}
#endif

static void a_missing_folder_is_marked(void **state) {
    char reason[256], searched[3 * PATH_MAX];
    setenv("METANAS_PLUGIN_PATH", folder_path(&a, "not_here"), 1);
    open_registry(b.path, NULL);
    snprintf(searched, sizeof searched,
             "--plugin-dir=%s; METANAS_PLUGIN_PATH=%s/not_here (no such folder); ", b.path, a.path);
    snprintf(reason, sizeof reason,
             "there is no qqqqqqqqqq%s: is its folder in "
             "METANAS_PLUGIN_PATH?",
             SUFFIX);
    check_missed(MN_OP_MIXER, "qqqqqqqqqq", NULL, MN_CONFIG, "'qqqqqqqqqq' for op_mixer", reason,
                 searched);
}

static void a_unit_that_is_not_there_is_answered_with_those_that_are(void **state) {
    char reason[PATH_MAX + 256], searched[PATH_MAX];
    put(&a, fine(), "broken");
    open_registry(a.path, NULL);
    snprintf(searched, sizeof searched, "--plugin-dir=%s; ", a.path);
    snprintf(reason, sizeof reason,
             "%s/broken%s: offers no op_mixer 'broken'; it has meta_learner broken", a.path,
             SUFFIX);
    check_missed(MN_OP_MIXER, "broken", "c.yaml:3:4", MN_CONFIG,
                 "'broken' for op_mixer (c.yaml:3:4)", reason, searched);
    snprintf(reason, sizeof reason,
             "%s/broken%s: offers no meta_learner 'other'; it has meta_learner broken", a.path,
             SUFFIX);
    check_missed(MN_META_LEARNER, "broken/other", NULL, MN_CONFIG,
                 "'broken/other' for meta_learner", reason, searched);
}

static void use_may_name_a_unit_of_a_file(void **state) {
    put(&a, fine(), "tool_box2");
    open_registry(a.path, NULL);
    check_found("tool_box2/broken", &a, "tool_box2");
    check_found("tool_box2/broken", &a, "tool_box2"); /* the second time from memory */
}

static void use_never_holds_a_path(void **state) {
    char longest[80];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const cases[] = {"",        "/",         "broken/", "/broken", "broken/broken/x",
                                 "../a",    "./broken",  "Broken",  "a-b",     "broken.so",
                                 "/a/b.so", "broken so", "9lives",  "_x",      "br\xc3\xb6ken",
                                 longest};
    put(&a, fine(), "broken");
    open_registry(a.path, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[256], searched[PATH_MAX];
        snprintf(head, sizeof head, "'%s' for dataset (s.yaml:1:2)", cases[i]);
        snprintf(searched, sizeof searched, "--plugin-dir=%s; ", a.path);
        check_missed(MN_DATASET, cases[i], "s.yaml:1:2", MN_CONFIG, head,
                     "a plugin is named NAME or NAME/UNIT with lower case letters, digits and _; a "
                     "configuration never holds a path to code",
                     searched);
    }
}

static void the_working_directory_is_never_searched(void **state) {
    struct nas_unit unit;
    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    put(&a, fine(), "only_here");
    setenv("LD_LIBRARY_PATH", a.path, 1);
    setenv("LTDL_LIBRARY_PATH", a.path, 1);
    open_registry(b.path, NULL);
    assert_int_equal(chdir(a.path), 0);
    const int status =
        nas_registry_find(registry, &ctx.pub, MN_META_LEARNER, "only_here/broken", NULL, &unit);
    assert_int_equal(chdir(before), 0);
    unsetenv("LD_LIBRARY_PATH");
    unsetenv("LTDL_LIBRARY_PATH");
    assert_failed(&ctx.pub, status, MN_CONFIG, "there is no only_here");
}

static void a_link_to_a_plugin_will_do_but_one_to_nothing_is_called_broken(void **state) {
    char link[PATH_MAX], reason[PATH_MAX + 256], searched[3 * PATH_MAX];
    put(&c, fine(), "kept");
    snprintf(link, sizeof link, "%s/kept%s", c.path, SUFFIX);
    assert_int_equal(symlink(link, folder_path(&b, "broken" SUFFIX)), 0);
    assert_int_equal(symlink("/nowhere/at/all.so", folder_path(&a, "broken" SUFFIX)), 0);
    open_registry(b.path, a.path);
    check_found("broken", &b, "broken");
    open_registry(a.path, b.path);
    snprintf(reason, sizeof reason,
             "%s/broken%s: a broken link: it points to /nowhere/at/all.so, which is not there",
             a.path, SUFFIX);
    snprintf(searched, sizeof searched, "--plugin-dir=%s; --plugin-dir=%s; ", a.path, b.path);
    check_missed(MN_META_LEARNER, "broken", NULL, MN_IO, "'broken' for meta_learner", reason,
                 searched);
}

/* ---- registered ones ---------------------------------------------------------------------- */

static int build(const void *self, struct mn_ctx *context, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    return MN_OK;
}

static const struct mn_search_space vtable = {.size = sizeof vtable, .build = build};
static const struct mn_unit units[] = {
    MN_UNIT_PLAIN(MN_SEARCH_SPACE, "wired", "wired in", &vtable),
    MN_UNIT_PLAIN(MN_SEARCH_SPACE, "second", "also wired in", &vtable)};
static const struct mn_plugin wired = {.magic = MN_MAGIC,
                                       .size = sizeof wired,
                                       .abi_major = MN_ABI_MAJOR,
                                       .abi_minor = MN_ABI_MINOR,
                                       .unit_stride = sizeof(struct mn_unit),
                                       .opt_stride = sizeof(struct mn_opt),
                                       .real_bytes = sizeof(mn_real),
                                       .n_units = 2,
                                       .name = "wired",
                                       .version = "2",
                                       .author = "",
                                       .license = "",
                                       .url = "",
                                       .units = units};

static void a_registered_plugin_comes_before_files(void **state) {
    struct nas_unit unit;
    put(&a, "magic", "wired");
    open_registry(a.path, NULL);
    assert_ok(&ctx.pub, nas_registry_add(registry, &ctx.pub, &wired));
    assert_ok(&ctx.pub,
              nas_registry_find(registry, &ctx.pub, MN_SEARCH_SPACE, "wired", NULL, &unit));
    assert_string_equal(unit.file, "(static)");
    assert_ptr_equal(unit.unit, &units[0]);
    assert_ok(&ctx.pub,
              nas_registry_find(registry, &ctx.pub, MN_SEARCH_SPACE, "wired/second", NULL, &unit));
    assert_ptr_equal(unit.plugin, &wired);
    assert_ptr_equal(unit.unit, &units[1]);
}

static void a_registered_plugin_is_offered_and_described(void **state) {
    char reason[256];
    open_registry(NULL, NULL);
    assert_ok(&ctx.pub, nas_registry_add(registry, &ctx.pub, &wired));
    snprintf(reason, sizeof reason, "there is no wierd%s; did you mean 'wired'?", SUFFIX);
    check_missed(MN_SEARCH_SPACE, "wierd", NULL, MN_CONFIG, "'wierd' for search_space", reason, "");
    check_missed(MN_DATASET, "wired", NULL, MN_CONFIG, "'wired' for dataset",
                 "(static): offers no dataset 'wired'; it has search_space wired, search_space "
                 "second",
                 "");
}

static void a_registered_plugin_is_checked(void **state) {
    struct mn_plugin wrong = wired;
    wrong.magic = 1;
    open_registry(NULL, NULL);
    assert_int_equal(nas_registry_add(registry, &ctx.pub, &wrong), MN_CONFIG);
    assert_string_equal(nas_ctx_message(&ctx.pub),
                        "(static): wrong magic number 0x00000001: not a METANAS plugin");
}

/* ---- scanning ----------------------------------------------------------------------------- */

struct seen {
    char text[8 * PATH_MAX];
};

/* What comes from the test's own folders; the build folder follows with whatever is built. */
static void see(void *data, const char *file, const struct mn_plugin *plugin, const char *reason,
                const char *first) {
    struct seen *seen = data;
    const size_t used = strlen(seen->text);
    if (strncmp(file, build_root, strlen(build_root)) != 0) {
        snprintf(seen->text + used, sizeof seen->text - used, "%s %s%s%s\n", file,
                 plugin != NULL ? plugin->name : "-", first != NULL ? " behind " : " ",
                 first != NULL    ? first
                 : reason != NULL ? reason
                                  : "");
    }
}

static void a_scan_goes_by_folder_and_name(void **state) {
    static struct seen seen;
    char expected[8 * PATH_MAX];
    seen.text[0] = '\0';
    put(&a, fine(), "zz");
    put(&a, fine(), "mm");
    put(&a, "magic", "cc");
    put(&b, fine(), "mm");
    put(&b, fine(), "bb");
    file_put(folder_path(&a, "notes.txt"), "x", 1);
    file_put(folder_path(&a, ".so"), "x", 1);
#ifndef MN_REAL_DOUBLE
    file_put(folder_path(&a, "mm_f64.so"), "x", 1);
#endif
    open_registry(a.path, b.path);
    assert_int_equal(nas_registry_scan(registry, &ctx.pub, see, &seen), MN_OK);
    snprintf(expected, sizeof expected,
             "%s/cc%s - %s/cc%s: wrong magic number 0x12345678: not a METANAS plugin\n"
             "%s/mm%s broken \n"
             "%s/zz%s broken \n"
             "%s/bb%s broken \n"
             "%s/mm%s - behind %s/mm%s\n",
             a.path, SUFFIX, a.path, SUFFIX, a.path, SUFFIX, a.path, SUFFIX, b.path, SUFFIX, b.path,
             SUFFIX, a.path, SUFFIX);
    assert_string_equal(seen.text, expected);
    assert_string_equal(nas_ctx_message(&ctx.pub), "");
}

static void a_scan_passes_over_a_folder_given_twice(void **state) {
    static struct seen seen;
    char expected[PATH_MAX];
    seen.text[0] = '\0';
    put(&a, fine(), "mm");
    open_registry(a.path, a.path);
    assert_int_equal(nas_registry_scan(registry, &ctx.pub, see, &seen), MN_OK);
    snprintf(expected, sizeof expected, "%s/mm%s broken \n", a.path, SUFFIX);
    assert_string_equal(seen.text, expected);
}

static void a_shadowed_file_is_not_opened(void **state) {
    static struct seen seen;
    char expected[4 * PATH_MAX];
    seen.text[0] = '\0';
    put(&a, "magic", "mm");
    put(&b, "missing_symbol", "mm");
    open_registry(a.path, b.path);
    assert_int_equal(nas_registry_scan(registry, &ctx.pub, see, &seen), MN_OK);
    snprintf(expected, sizeof expected,
             "%s/mm%s - %s/mm%s: wrong magic number 0x12345678: not a METANAS plugin\n"
             "%s/mm%s - behind %s/mm%s\n",
             a.path, SUFFIX, a.path, SUFFIX, b.path, SUFFIX, a.path, SUFFIX);
    assert_string_equal(seen.text, expected);
}

/* What stands in front is there, as a link that leads nowhere. */
static void a_broken_link_shadows_and_is_rejected(void **state) {
    static struct seen seen;
    char expected[4 * PATH_MAX];
    seen.text[0] = '\0';
    put(&b, fine(), "mm");
    assert_int_equal(symlink("/nowhere.so", folder_path(&a, "mm" SUFFIX)), 0);
    open_registry(a.path, b.path);
    assert_int_equal(nas_registry_scan(registry, &ctx.pub, see, &seen), MN_OK);
    snprintf(expected, sizeof expected,
             "%s/mm%s - %s/mm%s: a broken link: it points to /nowhere.so, which is not there\n"
             "%s/mm%s - behind %s/mm%s\n",
             a.path, SUFFIX, a.path, SUFFIX, b.path, SUFFIX, a.path, SUFFIX);
    assert_string_equal(seen.text, expected);
}

static void a_folder_that_is_refused_is_told_once(void **state) {
    static struct seen seen;
    char expected[2 * PATH_MAX];
    seen.text[0] = '\0';
    put(&a, fine(), "mm");
    put(&a, fine(), "nn");
    open_registry(a.path, NULL);
    assert_int_equal(chmod(a.path, 0777), 0);
    assert_int_equal(nas_registry_scan(registry, &ctx.pub, see, &seen), MN_OK);
    snprintf(expected, sizeof expected,
             "%s - %s: anyone may write in this folder, so nothing is loaded from it: chmod o-w "
             "it\n",
             a.path, a.path);
    assert_string_equal(seen.text, expected);
}

static void the_search_path_can_be_listed(void **state) {
    const char *from = NULL;
    setenv("METANAS_PLUGIN_PATH", c.path, 1);
    open_registry(a.path, NULL);
    assert_string_equal(nas_registry_folder(registry, 0, &from), a.path);
    assert_string_equal(from, "--plugin-dir");
    assert_string_equal(nas_registry_folder(registry, 1, &from), c.path);
    assert_string_equal(from, "METANAS_PLUGIN_PATH");
    assert_non_null(nas_registry_folder(registry, 2, &from));
    assert_string_equal(from, "build folder");
    assert_null(nas_registry_folder(registry, 3, &from));
}

static void a_file_can_be_found_without_opening_it(void **state) {
    char path[PATH_MAX], expected[PATH_MAX];
    file_put(folder_path(&b, sizeof(mn_real) == 8 ? "mm_f64.so" : "mm.so"), "x", 1);
    open_registry(a.path, b.path);
    snprintf(expected, sizeof expected, "%s/mm%s", b.path, SUFFIX);
    assert_true(nas_registry_file(registry, "mm", path, sizeof path));
    assert_string_equal(path, expected);
    assert_false(nas_registry_file(registry, "nn", path, sizeof path));
}

static void a_scan_reports_what_is_no_folder_and_passes_over_what_is_not_there(void **state) {
    static struct seen seen;
    char expected[4 * PATH_MAX];
    const char *file = folder_path(&a, "file");
    seen.text[0] = '\0';
    file_put(file, "x", 1);
    open_registry(file, folder_path(&a, "not_here"));
    assert_int_equal(nas_registry_scan(registry, &ctx.pub, see, &seen), MN_OK);
    snprintf(expected, sizeof expected, "%s - %s: Not a directory\n", file, file);
    assert_string_equal(seen.text, expected);
}

static void kinds_have_names(void **state) {
    for (int kind = 1; kind <= NAS_KINDS; kind++) {
        assert_int_equal(nas_kind_from(nas_kind_name(kind)), kind);
    }
    assert_string_equal(nas_kind_name(MN_META_LEARNER), "meta_learner");
    assert_int_equal(nas_kind_from("operation"), MN_OPERATION);
    assert_int_equal(nas_kind_from("mixer"), 0);
    assert_int_equal(nas_kind_from(""), 0);
    assert_string_equal(nas_kind_name(0), "?");
    assert_string_equal(nas_kind_name(NAS_KINDS + 1), "?");
    assert_int_equal(nas_kind(MN_OP_MIXER)->size, sizeof(struct mn_mixer));
    assert_string_equal(nas_kind(MN_OP_MIXER)->vtable, "mixer");
    assert_null(nas_kind(MN_TRANSPORT)->use);
    assert_null(nas_kind(-1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(directories_come_in_order),
        TEST(the_environment_holds_several_folders),
        TEST(a_broken_file_is_not_passed_over_for_a_later_one),
        TEST(the_other_precision_is_told),
        TEST(relative_elements_are_errors),
        TEST(empty_parts_of_the_environment_are_passed_over),
        TEST(the_search_path_has_an_end),
        TEST(nothing_is_loaded_from_a_folder_that_anyone_may_write),
        TEST(a_near_name_is_offered),
#ifndef MN_REAL_DOUBLE
        TEST(plugins_of_the_double_build_are_not_offered),
#endif
        TEST(a_missing_folder_is_marked),
        TEST(a_unit_that_is_not_there_is_answered_with_those_that_are),
        TEST(use_may_name_a_unit_of_a_file),
        TEST(use_never_holds_a_path),
        TEST(the_working_directory_is_never_searched),
        TEST(a_link_to_a_plugin_will_do_but_one_to_nothing_is_called_broken),
        TEST(a_registered_plugin_comes_before_files),
        TEST(a_registered_plugin_is_offered_and_described),
        TEST(a_registered_plugin_is_checked),
        TEST(a_scan_goes_by_folder_and_name),
        TEST(a_scan_passes_over_a_folder_given_twice),
        TEST(a_shadowed_file_is_not_opened),
        TEST(a_broken_link_shadows_and_is_rejected),
        TEST(a_folder_that_is_refused_is_told_once),
        TEST(the_search_path_can_be_listed),
        TEST(a_file_can_be_found_without_opening_it),
        TEST(a_scan_reports_what_is_no_folder_and_passes_over_what_is_not_there),
        TEST(kinds_have_names),
    };
    modules = argc > 1 ? argv[1] : ".";
    build_root = argc > 2 ? argv[2] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
