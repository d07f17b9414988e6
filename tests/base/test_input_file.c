/* SPDX-License-Identifier: MIT */
#include "base/input_file.h"

#include "../support/check.h"
#include "../support/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct folder folder;

static int begin(void **state) {
    folder_new(&folder);
    return 0;
}

static int end(void **state) {
    nas_cancel_reset();
    folder_remove(&folder);
    return 0;
}

static void check_read(const char *path, size_t most, const char *expected) {
    char *text;
    size_t length;
    assert_int_equal(nas_input_file_read(path, most, &text, &length), 0);
    assert_int_equal(length, strlen(expected));
    assert_string_equal(text, expected);
    free(text);
}

static void check_refused(const char *path, int error) {
    char *text;
    size_t length;
    assert_int_equal(nas_input_file_read(path, 9, &text, &length), error);
}

static void test_regular_files(void **state) {
    const char *path = folder_path(&folder, "file");
    file_put(path, "some text", 9);
    check_read(path, 100, "some text");
    check_read(path, 9, "some text");
    check_read(path, 4, "some");
    check_refused(folder_path(&folder, "none"), ENOENT);
    check_refused(folder.path, EISDIR);
}

static void *write_slowly(void *data) {
    const int fd = open(data, O_WRONLY);
    for (int i = 0; i < 3; i++) {
        if (write(fd, "part ", 5) != 5) {
            break;
        }
        usleep(1000);
    }
    close(fd);
    return NULL;
}

static void test_pipe_is_read_to_its_end(void **state) {
    const char *path = folder_path(&folder, "pipe");
    pthread_t writer;
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_slowly, (void *)(uintptr_t)path), 0);
    check_read(path, 100, "part part part ");
    pthread_join(writer, NULL);
}

static void *cancel_soon(void *data) {
    usleep(2000);
    nas_cancel(SIGTERM);
    return NULL;
}

/* Nobody writes: only the signal ends it, whether it comes before or while it waits. */
static void test_signal_ends_the_wait_for_a_pipe(void **state) {
    const char *path = folder_path(&folder, "pipe");
    pthread_t other;
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_int_equal(pthread_create(&other, NULL, cancel_soon, NULL), 0);
    check_refused(path, EINTR);
    pthread_join(other, NULL);
    check_refused(path, EINTR);
}

static void test_lines_of_regular_files_only(void **state) {
    const char *path = folder_path(&folder, "pipe");
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_null(nas_input_file_stream(path));
    assert_int_equal(errno, ESPIPE);
    assert_null(nas_input_file_stream(folder.path));
    assert_int_equal(errno, EISDIR);
    const char *file = folder_path(&folder, "file");
    file_put(file, "x", 1);
    FILE *in = nas_input_file_stream(file);
    assert_non_null(in);
    assert_int_equal(fgetc(in), 'x');
    fclose(in);
}

/* The last one: from here on files are kept. */
static void test_files_are_read_once(void **state) {
    const char *path = folder_path(&folder, "file");
    nas_input_file_cache();
    file_put(path, "first", 5);
    check_read(path, 100, "first");
    file_put(path, "second", 6);
    check_read(path, 100, "first");
    check_read(path, 2, "fi");
    assert_int_equal(unlink(path), 0);
    check_read(path, 100, "first");
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_regular_files, begin, end),
        cmocka_unit_test_setup_teardown(test_pipe_is_read_to_its_end, begin, end),
        cmocka_unit_test_setup_teardown(test_signal_ends_the_wait_for_a_pipe, begin, end),
        cmocka_unit_test_setup_teardown(test_lines_of_regular_files_only, begin, end),
        cmocka_unit_test_setup_teardown(test_files_are_read_once, begin, end),
    };
    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
