/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/folder.h"

#include "store/jsonl.h"
#include "store/safetensors.h"

#include "../support/check.h"
#include "../support/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct nas_ctx context;
static struct mn_ctx *const ctx = &context.pub;
static struct folder folder;

static int begin(void **state) {
    nas_ctx_init(&context, NULL);
    folder_new(&folder);
    return 0;
}

static int end(void **state) {
    folder_remove(&folder);
    nas_ctx_fini(&context);
    return 0;
}

static void check_content(const char *path, const char *expected) {
    size_t length;
    uint8_t *data = file_get(path, &length);
    assert_string_equal((char *)data, expected);
    assert_int_equal(length, strlen(expected));
    free(data);
}

/* Files end after `bytes` until the limit is taken back: what a full disk looks like. */
static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void unlimit_files(void) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* ---- whole or absent ---------------------------------------------------------------------- */

static void test_replace(void **state) {
    const char *path = folder_path(&folder, "file");
    assert_ok(ctx, nas_file_replace(ctx, path, "one", 3));
    check_content(path, "one");
    assert_ok(ctx, nas_file_replace(ctx, path, "", 0));
    check_content(path, "");
    assert_int_equal(folder_count(&folder), 1);
}

static void test_relative_path(void **state) {
    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder.path), 0);
    const int status = nas_file_replace(ctx, "here", "x", 1);
    assert_int_equal(chdir(before), 0);
    assert_ok(ctx, status);
    check_content(folder_path(&folder, "here"), "x");
}

static void test_no_room(void **state) {
    static char long_text[100000];
    const char *path = folder_path(&folder, "file");
    memset(long_text, 'x', sizeof long_text);
    assert_ok(ctx, nas_file_replace(ctx, path, "old", 3));
    for (rlim_t room = 0; room < sizeof long_text; room += 33333) {
        limit_files(room);
        const int status = nas_file_replace(ctx, path, long_text, sizeof long_text);
        unlimit_files();
        assert_failed(ctx, status, MN_IO, path, "cannot write it: File too large");
        check_content(path, "old");
        assert_int_equal(folder_count(&folder), 1);
    }
}

static void test_rename_fails(void **state) {
    const char *path = folder_path(&folder, "taken");
    assert_int_equal(mkdir(path, 0777), 0);
    assert_failed(ctx, nas_file_replace(ctx, path, "x", 1), MN_IO, path,
                  "cannot write it: it is a folder");
    const char *pipe = folder_path(&folder, "pipe");
    assert_int_equal(mkfifo(pipe, 0666), 0);
    assert_failed(ctx, nas_file_replace(ctx, pipe, "x", 1), MN_IO, pipe,
                  "cannot write it: it is no regular file");
    assert_int_equal(folder_count(&folder), 2);
}

/* What lies there under a name that a temporary file might have is no business of it. */
static void test_temporary_files_have_names_of_their_own(void **state) {
    const char *path = folder_path(&folder, "file"), *planted = folder_path(&folder, "file.tmp"),
               *victim = folder_path(&folder, "victim");
    struct nas_file a, b;
    file_put(victim, "precious", 8);
    assert_int_equal(symlink(victim, planted), 0);
    assert_ok(ctx, nas_file_begin(&a, ctx, path));
    assert_ok(ctx, nas_file_begin(&b, ctx, path));
    nas_file_put(&a, "first", 5);
    nas_file_put(&b, "second", 6);
    assert_ok(ctx, nas_file_commit(&b, ctx));
    assert_ok(ctx, nas_file_commit(&a, ctx));
    check_content(path, "first");
    check_content(victim, "precious");
    assert_int_equal(folder_count(&folder), 3);
}

/* None of the files takes its place where one could not be written. */
static void test_files_are_replaced_together(void **state) {
    struct nas_file files[2];
    const char *a = folder_path(&folder, "a"), *b = folder_path(&folder, "b");
    assert_ok(ctx, nas_file_replace(ctx, a, "old a", 5));
    assert_ok(ctx, nas_file_replace(ctx, b, "old b", 5));
    assert_ok(ctx, nas_file_begin(&files[0], ctx, a));
    assert_ok(ctx, nas_file_begin(&files[1], ctx, b));
    nas_file_put(&files[0], "new a", 5);
    limit_files(3);
    nas_file_put(&files[1], "new b", 5);
    const int status = nas_files_commit(files, 2, ctx);
    unlimit_files();
    assert_failed(ctx, status, MN_IO, b, "File too large", "ulimit -f");
    check_content(a, "old a");
    check_content(b, "old b");
    assert_ok(ctx, nas_file_begin(&files[0], ctx, a));
    assert_ok(ctx, nas_file_begin(&files[1], ctx, b));
    nas_file_put(&files[0], "new a", 5);
    nas_file_put(&files[1], "new b", 5);
    assert_ok(ctx, nas_files_commit(files, 2, ctx));
    check_content(a, "new a");
    check_content(b, "new b");
    assert_int_equal(folder_count(&folder), 2);
}

/* ---- a folder that is held ---------------------------------------------------------------- */

static void test_held_folder_is_for_one_process(void **state) {
    struct nas_folder held = {0}, other = {0};
    assert_ok(ctx, nas_folder_lock(ctx, folder.path, &held));
    assert_failed(ctx, nas_folder_lock(ctx, folder.path, &other), MN_IO, folder.path,
                  "another metanas is at work in this folder");
    assert_true(nas_folder_is_locked(ctx, folder.path));
    nas_folder_unlock(ctx, &other);
    nas_folder_unlock(ctx, &held);
    assert_false(nas_folder_is_locked(ctx, folder.path));
    assert_ok(ctx, nas_folder_lock(ctx, folder.path, &held));
    nas_folder_unlock(ctx, &held);
}

/* One that was moved away gets the files, and one that was made in its place gets none. */
static void test_held_folder_removed_and_made_anew(void **state) {
    struct nas_folder held = {0};
    struct nas_append_log m;
    uint8_t *data;
    size_t length;
    char run[PATH_MAX], moved[PATH_MAX], file[PATH_MAX + 8], there[PATH_MAX + 8];
    snprintf(run, sizeof run, "%s", folder_path(&folder, "run"));
    snprintf(moved, sizeof moved, "%s", folder_path(&folder, "moved"));
    snprintf(file, sizeof file, "%s//file", run);
    snprintf(there, sizeof there, "%s/file", moved);
    assert_int_equal(mkdir(run, 0777), 0);
    assert_ok(ctx, nas_folder_lock(ctx, run, &held));
    assert_int_equal(rename(run, moved), 0);
    assert_int_equal(mkdir(run, 0777), 0);
    assert_false(nas_folder_is_locked(ctx, run));
    const char *name;
    assert_int_equal(nas_folder_at(ctx, run, &name),
                     held.fd); /* the folder itself, as for its files */
    assert_string_equal(name, ".");
    assert_int_equal(nas_folder_at(ctx, moved, &name), AT_FDCWD);
    assert_ok(ctx, nas_file_replace(ctx, file, "mine", 4));
    assert_false(file_exists(file));
    check_content(there, "mine");
    assert_true(nas_file_exists(ctx, file));
    assert_ok(ctx, nas_file_read(ctx, file, 9, &data, &length));
    assert_string_equal((char *)data, "mine");
    free(data);
    snprintf(file, sizeof file, "%s/lines", run);
    assert_ok(ctx, nas_append_log_open(&m, ctx, file, 0));
    nas_append_log_close(&m);
    assert_false(file_exists(file));
    assert_int_equal(unlink(there), 0);
    snprintf(there, sizeof there, "%s/lines", moved);
    assert_int_equal(unlink(there), 0);
    assert_int_equal(rmdir(moved), 0);
    assert_failed(ctx, nas_file_replace(ctx, file, "mine", 4), MN_IO, file,
                  "No such file or directory");
    assert_false(file_exists(file));
    nas_folder_unlock(ctx, &held);
}

static void test_no_folder(void **state) {
    assert_failed(ctx, nas_file_replace(ctx, folder_path(&folder, "no/file"), "x", 1), MN_IO,
                  "no/file: cannot create a temporary file beside it: No such file or directory",
                  "is the path right?");
    assert_int_equal(folder_count(&folder), 0);
}

static void test_long_path(void **state) {
    char path[PATH_MAX + 8];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[PATH_MAX] = '\0';
    assert_failed(ctx, nas_file_replace(ctx, path, "x", 1), MN_IO, "bytes is too long: /aaaa");
    path[PATH_MAX] = 'a';
    path[300] = '\0';
    assert_failed(ctx, nas_file_replace(ctx, path, "x", 1), MN_IO, "File name too long");
    path[300] = 'a';
    path[PATH_MAX + 7] = '\0';
    assert_failed(ctx, nas_folder_make(ctx, path), MN_IO, "bytes is too long: /aaaa");
}

static void test_advice(void **state) {
    assert_non_null(strstr(nas_file_advice(ENOSPC), "free some space"));
    assert_non_null(strstr(nas_file_advice(EACCES), "permissions"));
    assert_non_null(strstr(nas_file_advice(EROFS), "read-only"));
    assert_string_equal(nas_file_advice(EIO), "");
}

/* ---- reading, folders --------------------------------------------------------------------- */

static void test_read(void **state) {
    uint8_t *data;
    size_t length;
    const char *path = folder_path(&folder, "file");
    file_put(path, "a\0b", 3);
    assert_ok(ctx, nas_file_read(ctx, path, 3, &data, &length));
    assert_int_equal(length, 3);
    assert_memory_equal(data, "a\0b", 4);
    free(data);
    assert_failed(ctx, nas_file_read(ctx, path, 2, &data, &length), MN_IO, path, "3 bytes");
    assert_failed(ctx, nas_file_read(ctx, folder.path, 9, &data, &length), MN_IO, "is a folder");
    assert_failed(ctx, nas_file_read(ctx, folder_path(&folder, "none"), 9, &data, &length), MN_IO,
                  "none: cannot read: No such file or directory");
    const char *pipe = folder_path(&folder, "pipe");
    assert_int_equal(mkfifo(pipe, 0666), 0);
    assert_failed(ctx, nas_file_read(ctx, pipe, 9, &data, &length), MN_IO, "no regular file");
}

static void test_folder(void **state) {
    const char *deep = folder_path(&folder, "a/b/c");
    assert_ok(ctx, nas_folder_make(ctx, deep));
    assert_true(file_exists(deep));
    assert_ok(ctx, nas_folder_make(ctx, deep));
    assert_ok(ctx, nas_folder_make(ctx, folder_path(&folder, "a/d/")));
    file_put(folder_path(&folder, "file"), "", 0);
    assert_failed(ctx, nas_folder_make(ctx, folder_path(&folder, "file/x")), MN_IO,
                  "file/x: cannot make the folder: Not a directory");
    assert_failed(ctx, nas_folder_make(ctx, folder_path(&folder, "file")), MN_IO,
                  "file: not a folder");
    assert_failed(ctx, nas_folder_make(ctx, ""), MN_IO, "the name of the folder is empty");
}

/* ---- metrics ------------------------------------------------------------------------------ */

static void put_line(struct nas_append_log *m, int64_t i) {
    nas_jsonl_begin(m, "test");
    nas_jsonl_int(m, "i", i);
    nas_jsonl_real(m, "x", 0.1);
    nas_jsonl_real(m, "bad", NAN);
    nas_jsonl_text(m, "t", "word");
    assert_ok(ctx, nas_jsonl_end(m, ctx));
}

#define LINE(i) "{\"kind\":\"test\",\"i\":" #i ",\"x\":0.1,\"bad\":null,\"t\":\"word\"}\n"

static void test_metrics(void **state) {
    struct nas_append_log m;
    const char *path = folder_path(&folder, "metrics.jsonl");
    assert_ok(ctx, nas_append_log_open(&m, ctx, path, 0));
    put_line(&m, 1);
    put_line(&m, 2);
    const int64_t two = m.length;
    put_line(&m, 3);
    assert_ok(ctx, nas_append_log_sync(&m, ctx));
    nas_append_log_close(&m);
    check_content(path, LINE(1) LINE(2) LINE(3));

    assert_ok(ctx, nas_append_log_open(&m, ctx, path, two));
    assert_int_equal(m.length, two);
    put_line(&m, 4);
    nas_append_log_close(&m);
    check_content(path, LINE(1) LINE(2) LINE(4));
    nas_append_log_close(&m);
}

/* Lost lines do not keep a run from going on: whole ones that are there stay. */
static void test_metrics_lost(void **state) {
    struct nas_append_log m;
    const char *path = folder_path(&folder, "metrics.jsonl");
    file_put(path, "12\n45", 5);
    assert_ok(ctx, nas_append_log_open(&m, ctx, path, 6));
    assert_int_equal(m.length, 3);
    put_line(&m, 1);
    nas_append_log_close(&m);
    check_content(path, "12\n" LINE(1));
    assert_int_equal(unlink(path), 0);
    assert_ok(ctx, nas_append_log_open(&m, ctx, path, 6));
    assert_int_equal(m.length, 0);
    nas_append_log_close(&m);
    assert_failed(ctx, nas_append_log_open(&m, ctx, folder.path, 0), MN_IO, "cannot open it");
    nas_append_log_close(&m);
}

/* The end of a line may lie far before. */
static void test_metrics_cut_in_a_long_line(void **state) {
    static char text[10000];
    struct nas_append_log m;
    const char *path = folder_path(&folder, "metrics.jsonl");
    memset(text, 'x', sizeof text);
    text[99] = '\n';
    file_put(path, text, sizeof text);
    assert_ok(ctx, nas_append_log_open(&m, ctx, path, 9999));
    assert_int_equal(m.length, 100);
    nas_append_log_close(&m);
    file_put(path, text, sizeof text);
    assert_ok(ctx, nas_append_log_open(&m, ctx, path, 99));
    assert_int_equal(m.length, 0);
    nas_append_log_close(&m);
}

static void test_metrics_through_a_link(void **state) {
    struct nas_append_log m;
    const char *path = folder_path(&folder, "metrics.jsonl"),
               *victim = folder_path(&folder, "victim");
    assert_int_equal(symlink(victim, path), 0);
    assert_failed(ctx, nas_append_log_open(&m, ctx, path, 0), MN_IO, path, "cannot open it");
    nas_append_log_close(&m);
    assert_false(file_exists(victim));
}

static void test_metrics_in_use(void **state) {
    struct nas_append_log m, other;
    const char *path = folder_path(&folder, "metrics.jsonl");
    assert_ok(ctx, nas_append_log_open(&m, ctx, path, 0));
    put_line(&m, 1);
    assert_failed(ctx, nas_append_log_open(&other, ctx, path, 0), MN_IO, path, "another metanas");
    nas_append_log_close(&other);
    check_content(path, LINE(1));
    nas_append_log_close(&m);
    assert_ok(ctx, nas_append_log_open(&other, ctx, path, 0));
    nas_append_log_close(&other);
}

static void test_metrics_no_room(void **state) {
    struct nas_append_log m;
    const char *path = folder_path(&folder, "metrics.jsonl");
    assert_ok(ctx, nas_append_log_open(&m, ctx, path, 0));
    put_line(&m, 1);
    const int64_t one = m.length;
    limit_files((rlim_t)one + 7);
    nas_jsonl_begin(&m, "test");
    nas_jsonl_int(&m, "i", 2);
    const int status = nas_jsonl_end(&m, ctx);
    unlimit_files();
    assert_failed(ctx, status, MN_IO, path, "cannot write a line: File too large");
    assert_int_equal(m.length, one);
    nas_append_log_close(&m);
    assert_ok(ctx, nas_append_log_open(&m, ctx, path, one));
    nas_append_log_close(&m);
    check_content(path, LINE(1));
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replace, begin, end),
        cmocka_unit_test_setup_teardown(test_relative_path, begin, end),
        cmocka_unit_test_setup_teardown(test_no_room, begin, end),
        cmocka_unit_test_setup_teardown(test_rename_fails, begin, end),
        cmocka_unit_test_setup_teardown(test_temporary_files_have_names_of_their_own, begin, end),
        cmocka_unit_test_setup_teardown(test_files_are_replaced_together, begin, end),
        cmocka_unit_test_setup_teardown(test_held_folder_is_for_one_process, begin, end),
        cmocka_unit_test_setup_teardown(test_held_folder_removed_and_made_anew, begin, end),
        cmocka_unit_test_setup_teardown(test_no_folder, begin, end),
        cmocka_unit_test_setup_teardown(test_long_path, begin, end),
        cmocka_unit_test_setup_teardown(test_advice, begin, end),
        cmocka_unit_test_setup_teardown(test_read, begin, end),
        cmocka_unit_test_setup_teardown(test_folder, begin, end),
        cmocka_unit_test_setup_teardown(test_metrics, begin, end),
        cmocka_unit_test_setup_teardown(test_metrics_lost, begin, end),
        cmocka_unit_test_setup_teardown(test_metrics_cut_in_a_long_line, begin, end),
        cmocka_unit_test_setup_teardown(test_metrics_through_a_link, begin, end),
        cmocka_unit_test_setup_teardown(test_metrics_in_use, begin, end),
        cmocka_unit_test_setup_teardown(test_metrics_no_room, begin, end),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
