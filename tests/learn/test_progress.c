/* SPDX-License-Identifier: MIT */
#include "../../tools/metanas/progress.h"
#include "base/clock.h"

#include "base/ctx.h"

#include "../support/check.h"
#include "learn/host.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Standard error while a test runs, and where it was before. */
static int kept;

static void divert(int fd) {
    fflush(stderr);
    kept = dup(STDERR_FILENO);
    assert_true(kept >= 0);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
}

static void restore(void) {
    fflush(stderr);
    clearerr(stderr);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
}

static void show_all(int quiet) {
    struct progress p;
    progress_begin(&p, "meta-epoch", 10, 40, quiet);
    p.loss = 1.25;
    p.accuracy = 0.5;
    progress_show(&p, 20);
    p.have_validation = 1;
    p.validation = 0.625;
    p.interval = 0.03125;
    progress_note(&p, "a note of %d", 7);
    progress_show(&p, 40);
    progress_end(&p);
}

static size_t read_back(int fd, char *text, size_t size) {
    const ssize_t n = read(fd, text, size - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}

/* What is written to a terminal arrives piece by piece. */
static void read_until(int fd, const char *end, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    while (strstr(text, end) == NULL) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 5000), 1);
        used += read_back(fd, text + used, size - used);
    }
}

static void test_plain(void **state) {
    char text[2048];
    FILE *file = tmpfile();
    assert_non_null(file);
    divert(fileno(file));
    show_all(0);
    restore();
    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    read_back(fileno(file), text, sizeof text);
    fclose(file);
    assert_null(strchr(text, '\r'));
    assert_non_null(strstr(text, "\na note of 7\n"));
    assert_non_null(strstr(text, "meta-epoch 20/40"));
    const char *last = strstr(text, "meta-epoch 40/40");
    assert_non_null(last);
    assert_non_null(strstr(last, "  loss 1.250  train 50.0%  val 62.5% +- 3.1\n"));
    assert_non_null(strstr(last, "ETA 0"));
}

static void test_quiet(void **state) {
    char text[16];
    FILE *file = tmpfile();
    assert_non_null(file);
    divert(fileno(file));
    show_all(1);
    restore();
    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    assert_int_equal(read_back(fileno(file), text, sizeof text), 0);
    fclose(file);
}

/* A pseudo terminal of so many columns, 0 = it does not tell. -1 where there is none. */
static int open_terminal(unsigned short columns, int *master) {
    *master = posix_openpt(O_RDWR | O_NOCTTY);
    if (*master < 0 || grantpt(*master) != 0 || unlockpt(*master) != 0) {
        print_message("no pseudo terminal here: not tested\n");
        return -1;
    }
    const int terminal = open(ptsname(*master), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &(struct winsize){.ws_col = columns}), 0);
    return terminal;
}

/* On a terminal the line is rewritten, with a bar of 20. */
static void test_terminal(void **state) {
    char text[4096];
    int master;
    const int terminal = open_terminal(120, &master);
    if (terminal < 0) {
        skip();
    }
    divert(terminal);
    show_all(0);
    restore();
    read_until(master, "40/40", text, sizeof text);
    assert_non_null(strstr(text, "\r\033[K[##########..........] meta-epoch 20/40"));
    assert_non_null(strstr(text, "\r\033[Ka note of 7"));
    assert_non_null(strstr(text, "\r\033[K[####################] meta-epoch 40/40"));
    close(terminal);
    close(master);
}

/* A warning is not appended to the line, and clears nothing once the line has ended. */
static void test_a_warning_clears_the_line(void **state) {
    char text[4096];
    struct progress p;
    struct nas_ctx ctx;
    int master;
    const int terminal = open_terminal(120, &master);
    if (terminal < 0) {
        skip();
    }
    nas_ctx_init(&ctx, &nas_host);
    divert(terminal);
    progress_begin(&p, "task", 0, 2, 0);
    progress_show(&p, 2);
    mn_log(&ctx.pub, MN_LOG_WARN, "over the line");
    progress_show(&p, 2);
    progress_end(&p);
    mn_log(&ctx.pub, MN_LOG_WARN, "after the line");
    restore();
    nas_ctx_fini(&ctx);
    read_until(master, "after the line", text, sizeof text);
    assert_non_null(strstr(text, "\r\033[Kmetanas: over the line\r\n\r\033[K"));
    assert_non_null(strstr(text, "\r\nmetanas: after the line"));
    close(terminal);
    close(master);
}

/* The last line that was drawn on a terminal of so many columns, 0 = it does not tell. */
static const char *drawn(unsigned short columns, char *text, size_t size) {
    int master;
    const int terminal = open_terminal(columns, &master);
    if (terminal < 0) {
        return NULL;
    }
    divert(terminal);
    show_all(0);
    restore();
    read_until(master, "40/40", text, size);
    close(terminal);
    close(master);
    char *last = text, *next;
    while ((next = strstr(last, "\r\033[K")) != NULL) {
        last = next + 4;
    }
    last[strcspn(last, "\r")] = '\0';
    return last;
}

/* The least important goes first. */
static void test_fits_the_terminal(void **state) {
    char text[4096];
    const char *line = drawn(18, text, sizeof text);
    if (line == NULL) {
        skip();
    }
    assert_string_equal(line, "meta-epoch 40/40");
    assert_non_null(strstr(text, "\r\033[Kmeta-epoch 20/40\r\033[K"));
}

static void test_all_widths(void **state) {
    for (unsigned short columns = 17; columns < 120; columns++) {
        char text[4096];
        const char *line = drawn(columns, text, sizeof text);
        if (line == NULL) {
            skip();
        }
        assert_true(strlen(line) < columns);
        assert_non_null(strstr(line, "meta-epoch 40/40"));
        assert_true(columns < 119 || strstr(line, "[####") != NULL);
        assert_true(columns > 80 || strstr(line, "[####") == NULL);
    }
}

/* A terminal that does not tell its width: COLUMNS, else 80. */
static void test_columns_of_environment(void **state) {
    char text[4096];
    setenv("COLUMNS", "40", 1);
    const char *line = drawn(0, text, sizeof text);
    unsetenv("COLUMNS");
    if (line == NULL) {
        skip();
    }
    assert_true(strlen(line) < 40);
    line = drawn(0, text, sizeof text);
    assert_true(strlen(line) >= 40 && strlen(line) < 80);
}

/* A closed standard error ends nothing. */
static void test_closed(void **state) {
    fflush(stderr);
    kept = dup(STDERR_FILENO);
    assert_true(kept >= 0);
    close(STDERR_FILENO);
    show_all(0);
    restore();
}

static void test_clock(void **state) {
    const double before = nas_now();
    usleep(2000);
    const double passed = nas_now() - before;
    assert_true(passed >= 0.002 && passed < 60);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_fits_the_terminal),
        cmocka_unit_test(test_all_widths),
        cmocka_unit_test(test_columns_of_environment),
        cmocka_unit_test(test_a_warning_clears_the_line),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
