/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "rules.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct kit_report *current;
static int is_alone;
static jmp_buf end_of_case;
static pthread_t runner;
static pthread_mutex_t ending = PTHREAD_MUTEX_INITIALIZER;

static void finish(int verdict, const char *rule, const char *text) {
    pthread_mutex_lock(&ending); /* the first of several threads tells */
    if (current->verdict == KIT_NONE) {
        snprintf(current->rule, sizeof current->rule, "%s", rule);
        snprintf(current->text, sizeof current->text, "%s", text);
        const char *guilty = kit_rule_function(rule);
        if (guilty != NULL) {
            snprintf(current->doing, sizeof current->doing, "%s", guilty);
        }
        current->verdict = verdict;
    }
    if (is_alone) {
        _exit(0); /* what the plugin left behind is not to be trusted */
    }
    pthread_mutex_unlock(&ending);
    if (!pthread_equal(runner, pthread_self())) {
        pthread_exit(NULL);
    }
    longjmp(end_of_case, 1);
}

static void on_failure(const char *rule, const char *text) {
    finish(KIT_FAILED, rule, text);
}

void kit_skip(const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    finish(KIT_SKIPPED, "", text);
    _exit(1); /* finish does not return */
}

void kit_note(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(current->text, sizeof current->text, format, args);
    va_end(args);
}

void kit_report_run(struct kit_report *report, int alone, void (*run)(void *data), void *data) {
    memset(report, 0, sizeof *report);
    current = report;
    is_alone = alone;
    runner = pthread_self();
    mock_on_failure(on_failure);
    if (setjmp(end_of_case) == 0) {
        run(data);
        if (report->verdict == KIT_NONE) {
            report->verdict = KIT_PASSED;
        }
    }
}

/* Threads of a case call the same functions; which of them is named does not matter. */
void kit_doing(const char *function) {
    if (pthread_equal(runner, pthread_self())) {
        snprintf(current->doing, sizeof current->doing, "%s", function);
    }
}

void kit_at(const char *format, ...) {
    va_list args;
    if (!pthread_equal(runner, pthread_self())) {
        return;
    }
    va_start(args, format);
    vsnprintf(current->at, sizeof current->at, format, args);
    va_end(args);
}

struct kit_report *kit_report_current(void) {
    return current;
}

double kit_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
