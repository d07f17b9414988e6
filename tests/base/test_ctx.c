/* SPDX-License-Identifier: MIT */
#include "base/ctx.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct nas_ctx ctx;

static int setup(void **state) {
    nas_ctx_init(&ctx, NULL);
    nas_cancel_reset();
    return 0;
}

static int teardown(void **state) {
    nas_ctx_fini(&ctx);
    nas_cancel_reset();
    return 0;
}

static void the_table_tells_its_size_and_abi(void **state) {
    const struct mn_host *host = ctx.pub.host, other = {.size = sizeof other};
    struct nas_ctx of_other;
    nas_ctx_init(&of_other, &other);
    assert_ptr_equal(of_other.pub.host, &other);
    nas_ctx_fini(&of_other);
    assert_int_equal(host->size, sizeof *host);
    assert_int_equal(host->abi_major, MN_ABI_MAJOR);
    assert_int_equal(host->abi_minor, MN_ABI_MINOR);
    assert_int_equal(ctx.pub.size, sizeof ctx.pub);
    assert_int_equal(ctx.pub.where.size, sizeof ctx.pub.where);
}

static void a_fresh_context_has_no_message(void **state) {
    assert_string_equal(nas_ctx_message(&ctx.pub), "");
    assert_int_equal(nas_ctx_where(&ctx.pub, "nowhere"), MN_OK);
    assert_string_equal(nas_ctx_message(&ctx.pub), "");
}

static void the_first_message_stays_and_places_go_before_it(void **state) {
    assert_int_equal(mn_fail(&ctx.pub, MN_NUMERIC, "loss is %s", "nan"), MN_NUMERIC);
    assert_int_equal(mn_fail(&ctx.pub, MN_IO, "something later"), MN_NUMERIC);
    assert_int_equal(nas_ctx_where(&ctx.pub, "step %d", 4), MN_NUMERIC);
    assert_int_equal(nas_ctx_where(&ctx.pub, "task 3"), MN_NUMERIC);
    assert_string_equal(nas_ctx_message(&ctx.pub), "task 3: step 4: loss is nan");
    nas_ctx_clear(&ctx.pub);
    assert_string_equal(nas_ctx_message(&ctx.pub), "");
    assert_int_equal(mn_fail(&ctx.pub, MN_IO, "new"), MN_IO);
    assert_int_equal(nas_ctx_more(&ctx.pub, MN_NUMERIC, "; %d more", 2), MN_NUMERIC);
    assert_string_equal(nas_ctx_message(&ctx.pub), "new; 2 more");
    assert_int_equal(mn_fail(&ctx.pub, MN_IO, "later"), MN_NUMERIC);
}

static void a_failure_cannot_have_a_status_of_success(void **state) {
    assert_int_equal(mn_fail(&ctx.pub, MN_OK, "odd"), MN_INTERNAL);
    nas_ctx_clear(&ctx.pub);
    assert_int_equal(mn_fail(&ctx.pub, 5, "odd"), MN_INTERNAL);
}

static void long_messages_are_cut_not_overrun(void **state) {
    char text[3 * NAS_MESSAGE];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    mn_fail(&ctx.pub, MN_IO, "%s", text);
    assert_int_equal(strlen(nas_ctx_message(&ctx.pub)), NAS_MESSAGE - 1);
    nas_ctx_where(&ctx.pub, "here");
    assert_int_equal(strlen(nas_ctx_message(&ctx.pub)), NAS_MESSAGE - 1);
    assert_memory_equal(nas_ctx_message(&ctx.pub), "here: mmm", 9);
    assert_int_equal(nas_ctx_more(&ctx.pub, MN_IO, "%s", text), MN_IO);
    assert_int_equal(strlen(nas_ctx_message(&ctx.pub)), NAS_MESSAGE - 1);
    nas_ctx_where(&ctx.pub, "%s", text);
    assert_int_equal(strlen(nas_ctx_message(&ctx.pub)), NAS_MESSAGE - 1);
}

/* What becomes of a plugin's status, by status and message. */
static void results_of_plugins_are_checked(void **state) {
    static const struct {
        int fails, returns, status;
        const char *message;
    } cases[] = {
        {MN_OK, MN_OK, MN_OK, ""},
        {MN_IO, MN_OK, MN_OK, ""},
        {MN_IO, MN_IO, MN_IO, "mixer x: told"},
        {MN_IO, MN_NUMERIC, MN_NUMERIC, "mixer x: told"},
        {MN_OK, MN_IO, MN_IO,
         "mixer x: failed with status -3 and no message; this is an error of the plugin"},
        {MN_OK, MN_CANCELLED, MN_CANCELLED, "mixer x: stopped on request"},
        {MN_OK, 1, MN_INTERNAL,
         "mixer x: 1 was returned, which is no status; this is an error of the plugin"},
        {MN_OK, -8, MN_INTERNAL,
         "mixer x: -8 was returned, which is no status; this is an error of the plugin"},
        {MN_IO, 7, MN_INTERNAL,
         "mixer x: told; 7 was returned, which is no status; this is an error of the plugin"},
    };
    static const char unit[] = "mixer x";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        nas_ctx_clear(&ctx.pub);
        if (cases[i].fails != MN_OK) {
            mn_fail(&ctx.pub, cases[i].fails, "told");
        }
        assert_int_equal(nas_ctx_result(&ctx.pub, unit, 0, cases[i].returns), cases[i].status);
        assert_string_equal(nas_ctx_message(&ctx.pub), cases[i].message);
        assert_int_equal(ctx.status, cases[i].status);
    }
}

static void a_message_that_names_the_unit_is_left_alone(void **state) {
    static const char unit[] = "mixer x";
    mn_fail(&ctx.pub, MN_CONFIG, "a.yaml:1:2: mixer x: tau: too small");
    ctx.named = unit;
    assert_int_equal(nas_ctx_result(&ctx.pub, unit, 0, MN_CONFIG), MN_CONFIG);
    assert_string_equal(nas_ctx_message(&ctx.pub), "a.yaml:1:2: mixer x: tau: too small");
}

static void scratch_is_released_after_a_call(void **state) {
    static const char unit[] = "mixer x";
    const size_t mark = nas_arena_mark(&ctx.scratch);
    char *at = mn_scratch(&ctx.pub, 1000);
    assert_non_null(at);
    assert_int_equal((uintptr_t)at % 64, 0);
    nas_ctx_result(&ctx.pub, unit, mark, MN_OK);
    assert_ptr_equal(mn_scratch(&ctx.pub, 1000), at);
}

static void scratch_without_memory_leaves_a_message(void **state) {
    assert_null(mn_scratch(&ctx.pub, SIZE_MAX));
    assert_int_equal(ctx.status, MN_NOMEM);
    assert_non_null(strstr(nas_ctx_message(&ctx.pub), "no memory for"));
}

static void cancellation_is_a_flag(void **state) {
    assert_int_equal(mn_cancelled(&ctx.pub), 0);
    nas_cancel(SIGTERM);
    assert_int_not_equal(mn_cancelled(&ctx.pub), 0);
    assert_int_equal(nas_cancel_signal(), SIGTERM);
    nas_cancel_reset();
    assert_int_equal(mn_cancelled(&ctx.pub), 0);
}

static void exit_codes_are_those_of_the_manual(void **state) {
    static const int codes[][2] = {{MN_OK, 0},         {MN_CONFIG, 2},   {MN_IO, 3},
                                   {MN_NUMERIC, 4},    {MN_NOMEM, 5},    {MN_UNSUPPORTED, 6},
                                   {MN_CANCELLED, 75}, {MN_INTERNAL, 1}, {1, 1}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_int_equal(nas_exit_code(codes[i][0]), codes[i][1]);
    }
}

/* ---- log: what comes out of standard error ------------------------------------------------ */

struct capture {
    FILE *file;
    int before;
};

static struct capture capture_begin(void) {
    const struct capture c = {tmpfile(), dup(STDERR_FILENO)};
    assert_non_null(c.file);
    fflush(stderr);
    dup2(fileno(c.file), STDERR_FILENO);
    return c;
}

/* What was written; the caller frees it. */
static char *capture_end(struct capture c) {
    fflush(stderr);
    dup2(c.before, STDERR_FILENO);
    close(c.before);
    const long n = ftell(c.file) >= 0 && fseek(c.file, 0, SEEK_END) == 0 ? ftell(c.file) : -1;
    assert_true(n >= 0);
    char *text = calloc(1, (size_t)n + 1);
    rewind(c.file);
    assert_int_equal(fread(text, 1, (size_t)n, c.file), n);
    fclose(c.file);
    return text;
}

static void warnings_are_printed_once(void **state) {
    assert_int_equal(nas_warning_repeated("one warning"), 0);
    assert_int_equal(nas_warning_repeated("another warning"), 0);
    assert_int_equal(nas_warning_repeated("one warning"), 1);
    assert_int_equal(nas_warning_repeated("another warning"), 1);
}

static void log_lines_name_the_unit_and_obey_the_level(void **state) {
    const struct capture c = capture_begin();
    mn_log(&ctx.pub, MN_LOG_INFO, "plain %d", 1);
    mn_log(&ctx.pub, MN_LOG_DEBUG, "hidden");
    ctx.log_level = MN_LOG_ERROR;
    mn_log(&ctx.pub, MN_LOG_WARN, "hidden too");
    ctx.log_level = MN_LOG_DEBUG;
    ctx.label = "op_mixer softmax";
    mn_log(&ctx.pub, MN_LOG_DEBUG, "shown");
    char *text = capture_end(c);
    assert_string_equal(text, "metanas: plain 1\nmetanas: op_mixer softmax: shown\n");
    free(text);
}

static void long_log_lines_are_cut_and_ended(void **state) {
    char label[5000], words[5000];
    memset(label, 'u', sizeof label - 1);
    memset(words, 'w', sizeof words - 1);
    label[sizeof label - 1] = words[sizeof words - 1] = '\0';
    const struct capture c = capture_begin();
    ctx.label = label;
    mn_log(&ctx.pub, MN_LOG_INFO, "%s", words);
    char *text = capture_end(c);
    assert_int_equal(strlen(text), NAS_MESSAGE - 1);
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_int_equal(text[strlen(text) - 2], 'w');
    free(text);
}

enum { THREADS = 4, LINES = 300 };

static void *write_lines(void *data) {
    struct nas_ctx own;
    nas_ctx_init(&own, NULL);
    for (int i = 0; i < LINES; i++) {
        mn_log(&own.pub, MN_LOG_INFO, "%s", (const char *)data);
    }
    nas_ctx_fini(&own);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state) {
    char words[THREADS][200];
    pthread_t threads[THREADS];
    int seen[THREADS] = {0};
    const struct capture c = capture_begin();
    for (int i = 0; i < THREADS; i++) {
        memset(words[i], 'a' + i, sizeof words[i] - 1);
        words[i][sizeof words[i] - 1] = '\0';
        pthread_create(&threads[i], NULL, write_lines, words[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    char *text = capture_end(c), *save;
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        const int which = line[9] - 'a';
        assert_in_range(which, 0, THREADS - 1);
        assert_string_equal(line + 9, words[which]);
        seen[which]++;
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(seen[i], LINES);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_table_tells_its_size_and_abi, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fresh_context_has_no_message, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_message_stays_and_places_go_before_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_failure_cannot_have_a_status_of_success, setup, teardown),
        cmocka_unit_test_setup_teardown(long_messages_are_cut_not_overrun, setup, teardown),
        cmocka_unit_test_setup_teardown(results_of_plugins_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_that_names_the_unit_is_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(scratch_is_released_after_a_call, setup, teardown),
        cmocka_unit_test_setup_teardown(scratch_without_memory_leaves_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(cancellation_is_a_flag, setup, teardown),
        cmocka_unit_test_setup_teardown(exit_codes_are_those_of_the_manual, setup, teardown),
        cmocka_unit_test(warnings_are_printed_once),
        cmocka_unit_test_setup_teardown(log_lines_name_the_unit_and_obey_the_level, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(long_log_lines_are_cut_and_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_of_threads_do_not_mix, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
