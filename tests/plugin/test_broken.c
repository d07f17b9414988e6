/* SPDX-License-Identifier: MIT */
/* Every way to be no plugin, and what is said about it. */

#include "../support/check.h"
#include "../support/folder.h"

#include "plugin/load.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct nas_ctx ctx;
static struct folder folder;
static const char *built;

static int setup(void **state) {
    nas_ctx_init(&ctx, NULL);
    folder_new(&folder);
    return 0;
}

static int teardown(void **state) {
    folder_remove(&folder);
    nas_ctx_fini(&ctx);
    return 0;
}

/* Loading `path` fails, and the message is the path and `reason`. */
static void check_refused(const char *path, int status, const char *reason) {
    static const struct mn_plugin untouched;
    const struct mn_plugin *plugin = &untouched;
    char expected[PATH_MAX + 1024];
    snprintf(expected, sizeof expected, "%s: %s", path, reason);
    const int got = nas_plugin_load(&ctx.pub, path, NAS_OWNERSHIP_FOUND, &plugin);
    assert_string_equal(nas_ctx_message(&ctx.pub), expected);
    assert_int_equal(got, status);
    assert_true(plugin == &untouched || plugin == NULL);
    nas_ctx_clear(&ctx.pub);
}

static const char *module(const char *name) {
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/plugin_%s.so", built, name);
    return path;
}

/* A built module of that name or, where there is none, a copy of the right one that is wrong in the
 * way of that name. */
static const char *wrong(const char *way) {
    char file[256];
    size_t length;
    if (access(module(way), F_OK) == 0) {
        return module(way);
    }
    snprintf(file, sizeof file, "broken.%s.so", way);
    uint8_t *data = file_get(module("fine"), &length);
    const char *path = folder_path(&folder, file);
    file_put(path, data, length);
    free(data);
    return path;
}

static void what_is_right_loads_and_stays(void **state) {
    const struct mn_plugin *plugin = NULL, *again = NULL;
    assert_ok(&ctx.pub, nas_plugin_load(&ctx.pub, module("fine"), NAS_OWNERSHIP_FOUND, &plugin));
    assert_string_equal(plugin->name, "broken");
    assert_string_equal(plugin->units[0].opts[0].key, "steps");
    assert_ok(&ctx.pub, nas_plugin_load(&ctx.pub, module("fine"), NAS_OWNERSHIP_FOUND, &again));
    assert_ptr_equal(plugin, again);
}

static void a_required_option_needs_no_default(void **state) {
    const struct mn_plugin *plugin = NULL;
    assert_ok(&ctx.pub, nas_plugin_load(&ctx.pub, wrong("required"), NAS_OWNERSHIP_FOUND, &plugin));
}

/* ABI 0.24, as in abi.h: a change there is meant to be seen here. */
static void each_broken_plugin_has_its_message(void **state) {
    static const struct {
        const char *name;
        const char *reason;
    } cases[] = {
        {"no_entry", "no mn_plugin_entry: not a METANAS plugin, or MN_PLUGIN(...) is missing"},
        {"null_entry", "mn_plugin_entry returns NULL"},
        {"magic", "wrong magic number 0x12345678: not a METANAS plugin"},
        {"newer_minor", "built for plugin ABI 0.25, this host offers 0.24: upgrade metanas, or "
                        "rebuild the plugin with this host's headers"},
        {"older_minor", "built for plugin ABI 0.23, this host offers 0.24: rebuild the plugin with "
                        "this host's headers"},
        {"other_major", "built for plugin ABI 1.24, this host offers 0.24: upgrade metanas, or "
                        "rebuild the plugin with this host's headers"},
        {"size", "its descriptor has 16 bytes, units of 48, options of 80; this host's have 72, 48 "
                 "and 80: rebuild the plugin with this host's headers"},
        {"unit_stride", "its descriptor has 72 bytes, units of 8, options of 80; this host's have "
                        "72, 48 and 80: rebuild the plugin with this host's headers"},
        {"opt_stride", "its descriptor has 72 bytes, units of 48, options of 84; this host's have "
                       "72, 48 and 80: rebuild the plugin with this host's headers"},
        {"other_reals",
         "built for 8-byte reals, this host computes with 4-byte ones: use the float "
         "build of the plugin"},
        {"plugin_name", "plugin name 'Broken': lower case letters, digits and _ only"},
        {"no_url", "its version, author, license or url is NULL: use \"\" for none"},
        {"no_units", "offers no units"},
        {"unit_name", "unit name 'a-b': lower case letters, digits and _ only"},
        {"unit_twice", "offers the meta_learner broken twice"},
        {"unit_doc", "unit broken has no doc line"},
        {"kind", "unit broken is of unknown kind 99"},
        {"no_vtable", "unit broken has no vtable"},
        {"short_vtable", "unit broken: its vtable has 16 bytes, that of a meta_learner has 88 (is "
                         ".size set?)"},
        {"long_vtable", "unit broken: its vtable has 96 bytes, that of a meta_learner has 88 (is "
                        ".size set?)"},
        {"no_function", "unit broken: a meta_learner must have the function update"},
        {"no_table", "unit broken: 1 options but no table"},
        {"opt_outside", "unit broken: option steps lies outside its instance (offset 0, 8 bytes, "
                        "instance 4)"},
        {"opt_far", "unit broken: option steps lies outside its instance (offset 4294967288, 8 "
                    "bytes, instance 56)"},
        {"opt_shared", "unit broken: the options slow and fast share a field (offsets 16 and 16): "
                       "the one would overwrite the other"},
        {"opt_other_struct", "unit broken: option steps is a field of a struct of 112 bytes, the "
                             "instance has 56: the table is that of another unit"},
        {"opt_uneven", "unit broken: option steps is not aligned (offset 4, alignment 8)"},
        {"opt_type", "unit broken: option steps has unknown type 77"},
        {"opt_key", "unit broken: an option without a proper key or doc line (Steps)"},
        {"opt_use", "unit broken: the option key use is taken already"},
        {"opt_unit", "unit broken: option around is a unit: it has to be the first field of the "
                     "instance and required, as MN_AROUND makes it"},
        {"opt_doc", "unit broken: an option without a proper key or doc line (steps)"},
        {"opt_twice", "unit broken: the option key fast is taken already"},
        {"int_range", "unit broken: option steps: the default 11 is out of range"},
        {"int_fraction", "unit broken: option steps: the default 1.5 is out of range"},
        {"real_open", "unit broken: option rate: the default 0 is out of range"},
        {"bool_two", "unit broken: option fast: the default 2 is out of range"},
        {"choice_range", "unit broken: option order: the default 2 is out of range"},
        {"no_choices", "unit broken: option order has no choices"},
        {"null_choices", "unit broken: option order has no choices"},
        {"list_range", "unit broken: default: sizes: 0 is out of range: expected list of int, 1 to "
                       "10"},
        {"list_words",
         "unit broken: default: sizes: 'many' is not a whole number: expected list of "
         "int, 1 to 10"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_refused(wrong(cases[i].name), MN_CONFIG, cases[i].reason);
    }
}

/* The sign of a printed NaN is the C library's affair. */
static void a_default_that_is_no_number_is_refused(void **state) {
    const struct mn_plugin *plugin = NULL;
    assert_failed(&ctx.pub,
                  nas_plugin_load(&ctx.pub, wrong("real_nan"), NAS_OWNERSHIP_FOUND, &plugin),
                  MN_CONFIG, "unit broken: option rate: the default ", "nan is out of range");
}

static void an_undefined_symbol_is_found_before_anything_runs(void **state) {
    check_refused(module("missing_symbol"), MN_IO,
                  "cannot be opened: undefined symbol: mn_no_such_function; link the plugin with "
                  "-Wl,--no-undefined and the library that has it");
}

static void only_regular_files_at_absolute_paths_are_opened(void **state) {
    const char *path = folder_path(&folder, "x.so");
    check_refused("plugin_fine.so", MN_CONFIG, "not an absolute path");
    check_refused("./plugin_fine.so", MN_CONFIG, "not an absolute path");
    check_refused(path, MN_IO, "No such file or directory");
    assert_int_equal(mkdir(path, 0755), 0);
    check_refused(path, MN_IO, "not a regular file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    check_refused(path, MN_IO, "not a regular file");
    check_refused("/dev/null", MN_IO, "not a regular file");
}

static void a_file_that_anyone_may_write_is_not_opened(void **state) {
    const char *path = folder_path(&folder, "open.so");
    size_t length;
    uint8_t *data = file_get(module("fine"), &length);
    const struct mn_plugin *plugin = NULL;
    file_put(path, data, length);
    free(data);
    assert_int_equal(chmod(path, 0646), 0);
    check_refused(path, MN_IO, "anyone may write this file, so it is not loaded: chmod o-w it");
    assert_int_equal(chmod(path, 0644), 0);
    assert_ok(&ctx.pub, nas_plugin_load(&ctx.pub, path, NAS_OWNERSHIP_FOUND, &plugin));
}

static void what_is_no_shared_object_is_told_from_what_is_missing(void **state) {
    const char *path = folder_path(&folder, "text.so");
    const char advice[] = "this is not a shared object of this system: rebuild the plugin";
    char text[4096], reason[512];
    memset(text, 'x', sizeof text);
    file_put(path, text, sizeof text);
    snprintf(reason, sizeof reason, "cannot be opened: invalid ELF header; %s", advice);
    check_refused(path, MN_IO, reason);
    file_put(path, "", 0);
    snprintf(reason, sizeof reason, "cannot be opened: file too short; %s", advice);
    check_refused(path, MN_IO, reason);
}

/* The first ones cut the headers, the others what they promise. Every one but the whole is refused,
 * and none brings the program down. */
static void a_file_cut_short_anywhere_is_refused(void **state) {
    const char *path = folder_path(&folder, "cut.so");
    const struct mn_plugin *plugin = NULL;
    size_t length;
    uint8_t *data = file_get(module("fine"), &length);
    for (size_t n = 0; n < length; n += n < 70 || n + 20 > length ? 1 : 59) {
        file_put(path, data, n);
        const int status = nas_plugin_load(&ctx.pub, path, NAS_OWNERSHIP_FOUND, &plugin);
        if (status != MN_IO ||
            (strstr(nas_ctx_message(&ctx.pub), "file too short") == NULL &&
             strstr(nas_ctx_message(&ctx.pub), "cut short or damaged") == NULL)) {
            fail_msg("%zu of %zu bytes: status %d: %s", n, length, status,
                     nas_ctx_message(&ctx.pub));
        }
        nas_ctx_clear(&ctx.pub);
    }
    file_put(path, data, length);
    free(data);
    assert_ok(&ctx.pub, nas_plugin_load(&ctx.pub, path, NAS_OWNERSHIP_FOUND, &plugin));
}

static void headers_that_promise_too_much_are_refused(void **state) {
    const char *path = folder_path(&folder, "damaged.so");
    char reason[256];
    size_t length;
    uint8_t *data = file_get(module("fine"), &length);
    snprintf(reason, sizeof reason,
             "the file is cut short or damaged: its headers promise more than its %zu bytes: "
             "install it again",
             length);
    const size_t first_of[] = {32, 40}; /* e_phoff, e_shoff of a 64-bit header */
    for (size_t i = 0; i < 2; i++) {
        uint8_t kept[8];
        memcpy(kept, data + first_of[i], 8);
        memset(data + first_of[i], 0xff, 8);
        file_put(path, data, length);
        check_refused(path, MN_IO, reason);
        memcpy(data + first_of[i], kept, 8);
    }
    free(data);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_right_loads_and_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_required_option_needs_no_default, setup, teardown),
        cmocka_unit_test_setup_teardown(each_broken_plugin_has_its_message, setup, teardown),
        cmocka_unit_test_setup_teardown(a_default_that_is_no_number_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_undefined_symbol_is_found_before_anything_runs, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_regular_files_at_absolute_paths_are_opened, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_that_anyone_may_write_is_not_opened, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_no_shared_object_is_told_from_what_is_missing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_cut_short_anywhere_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(headers_that_promise_too_much_are_refused, setup, teardown),
    };
    built = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
