/* SPDX-License-Identifier: MIT */
/* The benchmark's output, from outside. */
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const char *program;

/* Everything that the program prints with these arguments; *code is its exit code. */
static char *output_of(const char *arguments, int *code) {
    char command[4096], chunk[4096];
    char *text = NULL;
    size_t length = 0, n;
    snprintf(command, sizeof command, "'%s' %s 2>&1", program, arguments);
    FILE *pipe = popen(command, "r");
    FILE *out = open_memstream(&text, &length);
    assert_non_null(pipe);
    assert_non_null(out);
    while ((n = fread(chunk, 1, sizeof chunk, pipe)) > 0) {
        assert_int_equal(fwrite(chunk, 1, n, out), n);
    }
    assert_int_equal(fclose(out), 0);
    const int status = pclose(pipe);
    *code = status >= 0 && status % 256 == 0 ? status / 256 : -1;
    return text;
}

/* The JSON lines, as an array. */
static json_t *lines_of(const char *arguments) {
    int code;
    char *text = output_of(arguments, &code);
    if (code != 0) {
        print_error("exit code %d: %s\n", code, text);
    }
    assert_int_equal(code, 0);
    json_t *list = json_array();
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        json_error_t error;
        json_t *object = json_loads(line, 0, &error);
        if (object == NULL) {
            print_error("%s: %s\n", error.text, line);
        }
        assert_non_null(object);
        json_array_append_new(list, object);
    }
    free(text);
    return list;
}

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) {
        print_error("no number %s\n", key);
    }
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static double positive(const json_t *object, const char *key) {
    const double x = number(object, key);
    if (!(x > 0 && isfinite(x))) {
        print_error("%s is %g\n", key, x);
    }
    assert_true(x > 0 && isfinite(x));
    return x;
}

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    assert_non_null(value);
    return value;
}

static void check_bounds(const json_t *line, const int *threads, size_t n) {
    const json_t *list = json_object_get(line, "bounds");
    assert_string_equal(text(line, "kind"), "bounds");
    assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++) {
        const json_t *at = json_array_get(list, i);
        assert_int_equal((int)number(at, "threads"), threads[i]);
        positive(at, "memory_gbytes_per_s");
        positive(json_object_get(at, "fma_gflops"), "generic");
    }
}

/* Shares add up to the whole, and every kernel's share is its time. */
static void check_profile(const json_t *line) {
    const json_t *list = json_object_get(line, "profile");
    const double all = positive(line, "profile_ms");
    double shares = 0, gbytes = 0;
    size_t i;
    json_t *use;
    assert_true(json_array_size(list) > 3);
    json_array_foreach(list, i, use) {
        const double share = number(use, "share");
        assert_true(share >= 0 && share <= 1);
        assert_true(fabs(share * all - number(use, "ms")) <= 1e-3 * all);
        shares += share;
        gbytes += number(use, "gbytes");
    }
    assert_true(fabs(shares - 1) < 1e-3);
    assert_true(fabs(gbytes - number(line, "gbytes")) <= 1e-3 * gbytes);
}

static void check_case(const json_t *line, const char *name, int workers) {
    assert_string_equal(text(line, "kind"), "case");
    assert_string_equal(text(line, "case"), name);
    assert_int_equal((int)number(line, "workers"), workers);
    const double least = positive(line, "ms_min"), most = positive(line, "ms_max");
    assert_true(least <= positive(line, "ms") && positive(line, "ms") <= most);
    positive(line, "processor_ms");
    positive(line, "repeats");
    positive(line, "steps");
    positive(line, "gbytes");
    positive(line, "fma_share");
    positive(line, "memory_share");
    assert_true(
        fabs(positive(line, "gflops") * positive(line, "ms") * 1e-3 / positive(line, "gflop") - 1) <
        1e-3);
    assert_true(
        fabs(positive(line, "arithmetic_ms") / positive(line, "ms") / number(line, "fma_share") -
             1) < 1e-3);
    assert_true(
        fabs(positive(line, "traffic_ms") / positive(line, "ms") / number(line, "memory_share") -
             1) < 1e-3);
    assert_true(positive(line, "batch") <= positive(line, "batch_asked"));
    positive(line, "plan_mbytes");
    text(line, "bound");
    check_profile(line);
    const double speedup = workers == 1 ? 1 : positive(line, "speedup");
    assert_true(speedup > 0);
}

/* Multiply-adds of the four-block network at 28x28x1, 32 channels, 20 ways, worked out by hand: a
 * 3x3 convolution at 28, 14, 7 and 3 pixels, then the linear layer. */
static double conv4_gflop(int batch) {
    const double first = 9.0 * 1 * 32 * 28 * 28, square = 9.0 * 32 * 32;
    const double forward = first + square * (14 * 14 + 7 * 7 + 3 * 3) + 32.0 * 20;
    return 3 * 2 * forward * batch * 1e-9;
}

static void test_step(void **state) {
    const int threads[] = {1, 2};
    json_t *lines = lines_of("--only conv4-32 --seconds 0 --repeats 2 --workers 1,2 --json");
    assert_int_equal(json_array_size(lines), 3);
    check_bounds(json_array_get(lines, 0), threads, 2);
    for (int i = 0; i < 2; i++) {
        const json_t *line = json_array_get(lines, (size_t)i + 1);
        check_case(line, "conv4-32", threads[i]);
        assert_int_equal((int)number(line, "repeats"), 2);
        assert_true(fabs(number(line, "gflop") / conv4_gflop((int)number(line, "batch")) - 1) <
                    0.01);
        assert_true(number(line, "skip_share") == 0);
    }
    assert_true(number(json_array_get(lines, 2), "plan_mbytes") >
                number(json_array_get(lines, 1), "plan_mbytes"));
    json_decref(lines);
}

/* Of seven candidates an edge one is kept, and of a node's inputs two. */
static void test_pruned(void **state) {
    const int threads[] = {1};
    json_t *lines =
        lines_of("--only 'pruned-*' --seconds 0 --repeats 1 --workers 1 --kernels generic --json");
    assert_int_equal(json_array_size(lines), 2);
    check_bounds(json_array_get(lines, 0), threads, 1);
    const json_t *line = json_array_get(lines, 1);
    check_case(line, "pruned-c28", 1);
    assert_string_equal(text(line, "kernels"), "generic");
    /* three nodes with 2 of 2, 3 and 4 edges: 6 of 63 candidates are left */
    assert_true(fabs(number(line, "skip_share") - (1 - 6.0 / 63)) < 1e-3);
    json_decref(lines);
}

static void test_table(void **state) {
    int code;
    char *out = output_of("--only conv4-32 --seconds 0 --repeats 1 --workers 1", &code);
    assert_int_equal(code, 0);
    assert_non_null(strstr(out, "\nconv4-32 "));
    assert_non_null(strstr(out, "\n  conv "));
    free(out);
}

static void test_list(void **state) {
    int code;
    char *out = output_of("--list", &code);
    assert_int_equal(code, 0);
    assert_non_null(strstr(out, "step-c28 "));
    assert_non_null(strstr(out, "learner-c28 "));
    free(out);
}

static void check_refused(const char *arguments, int expected, const char *message) {
    int code;
    char *out = output_of(arguments, &code);
    assert_int_equal(code, expected);
    assert_string_equal(out, message);
    free(out);
}

static void test_refused(void **state) {
    check_refused("--workers 1,0", 2,
                  "metanas-bench: --workers is '1,0'; expected numbers from 1 to 16, like 1,2\n");
    check_refused("--repeats none", 2,
                  "metanas-bench: --repeats is 'none'; expected 1 to 100000\n");
    check_refused("--kernels mmx", 6,
                  "metanas-bench: --kernels is 'mmx'; this processor and build have no such "
                  "kernels: use auto, openblas, avx512, avx2, neon, generic or bf16\n");
    check_refused("step-c28", 2,
                  "metanas-bench: takes no argument, but got 'step-c28'; see --help\n");
    check_refused("--only nothing --seconds 0 --repeats 1", 2,
                  "metanas-bench: no case matches 'nothing'; --list names them\n");
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_bench PROGRAM\n");
        return 1;
    }
    program = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step), cmocka_unit_test(test_pruned),  cmocka_unit_test(test_table),
        cmocka_unit_test(test_list), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
