/* SPDX-License-Identifier: MIT */
#include "run/workers.h"

#include "../support/check.h"
#include "trial.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { TASKS = 200 };

static struct trial trial;

static int begin(void **state) {
    trial_begin(&trial);
    mn__cancel_reset();
    trial_must_open(&trial, trial_toy, NULL);
    return 0;
}

static int end(void **state) {
    trial_end(&trial);
    return 0;
}

struct work {
    int64_t slots[TASKS];
    atomic_int runs[TASKS];
    int64_t order[TASKS];
    atomic_int started;
    pthread_t caller;
    atomic_int elsewhere; /* tasks on other threads than the caller's */
    int64_t slow_failure, fast_failure;
    int64_t cancel_at;
};

static void work_begin(struct work *work) {
    memset(work, 0, sizeof *work);
    work->caller = pthread_self();
    work->slow_failure = work->fast_failure = work->cancel_at = -1;
}

static void nap(long microseconds) {
    const struct timespec t = {0, 1000 * microseconds};
    nanosleep(&t, NULL);
}

static int job(void *data, struct mn_cx *cx, int64_t index) {
    struct work *work = data;
    work->order[atomic_fetch_add(&work->started, 1)] = index;
    atomic_fetch_add(&work->runs[index], 1);
    atomic_fetch_add(&work->elsewhere, !pthread_equal(pthread_self(), work->caller));
    if (cx->where.task != index || mn__cx_of(cx)->workspace == NULL) {
        return mn_fail(cx, MN_INTERNAL, "task %lld stands at %lld", (long long)index,
                       (long long)cx->where.task);
    }
    int64_t *scratch = mn_scratch(cx, (size_t)(index + 1) * 1000 * sizeof *scratch);
    if (scratch == NULL) {
        return MN_NOMEM;
    }
    scratch[index * 1000] = index * index + cx->where.meta_epoch;
    work->slots[index] = scratch[index * 1000];
    if (index == work->cancel_at) {
        mn__cancel(15);
    }
    while (work->cancel_at >= 0 && index > work->cancel_at && mn__cancel_signal() == 0) {
        nap(100); /* so that only one more task of each worker begins before it */
    }
    if (index == work->slow_failure || index == work->fast_failure) {
        nap(index == work->slow_failure ? 20000 : 2000);
        return mn_fail(cx, MN_IO, "task %lld failed", (long long)index);
    }
    nap(index % 3 == 0 ? 50 : 0);
    return MN_OK;
}

static int run(struct mn__workers *workers, struct work *work, int64_t n, int ordered) {
    const struct mn_where where = {.size = sizeof where, .meta_epoch = 5};
    return mn__workers_run(workers, trial.cx, &where, n, ordered, job, work);
}

static struct mn__workers *workers_new(int n) {
    struct mn__workers *workers;
    assert_ok(trial.cx, mn__workers_new(trial.cx, n, trial.e.model, &workers));
    assert_int_equal(mn__workers_count(workers), n);
    return workers;
}

static void test_every_task_once(void **state) {
    for (int n = 1; n <= 5; n++) {
        struct mn__workers *workers = workers_new(n);
        for (int round = 0; round < 5; round++) {
            struct work work;
            work_begin(&work);
            assert_ok(trial.cx, run(workers, &work, TASKS, 0));
            for (int64_t i = 0; i < TASKS; i++) {
                assert_int_equal(work.runs[i], 1);
                assert_int_equal(work.slots[i], i * i + 5);
            }
            assert_true(n > 1 || work.elsewhere == 0);
        }
        mn__workers_free(workers);
    }
}

static void test_more_workers_than_tasks(void **state) {
    struct mn__workers *workers = workers_new(4);
    for (int64_t n = 0; n <= 3; n++) {
        struct work work;
        work_begin(&work);
        assert_ok(trial.cx, run(workers, &work, n, 0));
        assert_int_equal(work.started, n);
    }
    mn__workers_free(workers);
}

static void test_ordered(void **state) {
    struct work work;
    struct mn__workers *workers = workers_new(3);
    work_begin(&work);
    assert_ok(trial.cx, run(workers, &work, TASKS, 1));
    for (int64_t i = 0; i < TASKS; i++) {
        assert_int_equal(work.order[i], i);
    }
    assert_int_equal(work.elsewhere, 0);
    mn__workers_free(workers);
}

/* Whichever fails first in time, the lower of two is reported; then the pool works on. */
static void check_failure(int n, int64_t slow, int64_t fast) {
    struct mn__workers *workers = workers_new(n);
    struct work work;
    work_begin(&work);
    work.slow_failure = slow;
    work.fast_failure = fast;
    assert_failed(trial.cx, run(workers, &work, TASKS, 0), MN_IO, "task 7 failed");
    assert_true(n > 1 || work.started == 8);
    work_begin(&work);
    assert_ok(trial.cx, run(workers, &work, TASKS, 0));
    assert_int_equal(work.started, TASKS);
    mn__workers_free(workers);
}

static void test_first_failure(void **state) {
    for (int n = 1; n <= 4; n++) {
        check_failure(n, 7, 8);
        check_failure(n, 8, 7);
    }
}

static void test_cancel(void **state) {
    for (int n = 1; n <= 4; n++) {
        struct mn__workers *workers = workers_new(n);
        struct work work;
        work_begin(&work);
        work.cancel_at = 20;
        assert_failed(trial.cx, run(workers, &work, TASKS, 0), MN_CANCELLED, "stopped");
        assert_in_range(work.started, 21, 20 + n);
        mn__cancel_reset();
        mn__workers_free(workers);
    }
}

/* What the caller's context says reaches every worker. */
static int see(void *data, struct mn_cx *cx, int64_t index) {
    return mn__cx_of(cx)->prescribed == data ? MN_OK : mn_fail(cx, MN_INTERNAL, "not seen");
}

static void test_context(void **state) {
    struct mn__batches given = {0};
    const struct mn_where where = {.size = sizeof where};
    struct mn__workers *workers = workers_new(2);
    trial.context.prescribed = &given;
    assert_ok(trial.cx, mn__workers_run(workers, trial.cx, &where, 50, 0, see, &given));
    trial.context.prescribed = NULL;
    assert_failed(trial.cx, mn__workers_run(workers, trial.cx, &where, 50, 0, see, &given),
                  MN_INTERNAL, "not seen");
    mn__workers_free(workers);
    mn__workers_free(NULL);
}

/* ---- lists of tasks that grow -------------------------------------------------------------- */

/* Take what finishes until `n` tasks have; failures go to the list. */
static void take(struct mn__workers *workers, int n, int *failures) {
    struct mn__finished task;
    for (int taken = 0; taken < n;) {
        if (!mn__workers_take(workers, &task)) {
            nap(100);
            continue;
        }
        taken++;
        assert_true(task.seconds >= 0);
        assert_true((task.message != NULL) == (task.status != MN_OK));
        if (task.status != MN_OK) {
            assert_string_equal(task.message, "task 7 failed");
            assert_int_equal(task.index, 7);
            (*failures)++;
        }
        free(task.message);
    }
}

/* The calling thread adds and takes; a failure ends nothing. */
static void test_list(void **state) {
    for (int n = 1; n <= 4; n++) {
        const struct mn_where where = {.size = sizeof where, .meta_epoch = 5};
        struct mn__workers *workers;
        struct work work;
        int failures = 0;
        work_begin(&work);
        work.slow_failure = 7;
        assert_ok(trial.cx, mn__workers_new_apart(trial.cx, n, trial.e.model, &workers));
        assert_ok(trial.cx, mn__workers_open(workers, trial.cx, &where, TASKS, job, &work));
        for (int64_t i = 0; i < 20; i++) {
            mn__workers_add(workers, i);
        }
        take(workers, 20, &failures);
        for (int64_t i = 20; i < TASKS; i++) {
            mn__workers_add(workers, i);
        }
        take(workers, TASKS - 30, &failures);
        mn__workers_close(workers);
        assert_int_equal(failures, 1);
        for (int64_t i = 0; i < TASKS; i++) {
            assert_int_equal(work.runs[i], 1);
            assert_int_equal(work.slots[i], i * i + 5);
            assert_true(n > 1 || work.order[i] == i);
        }
        assert_int_equal(work.elsewhere, TASKS);
        work_begin(&work); /* a round of the usual kind afterwards */
        assert_ok(trial.cx, run(workers, &work, TASKS, 0));
        assert_int_equal(work.started, TASKS);
        assert_true(n == 1 || work.elsewhere == TASKS);
        mn__workers_free(workers);
    }
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_task_once, begin, end),
        cmocka_unit_test_setup_teardown(test_more_workers_than_tasks, begin, end),
        cmocka_unit_test_setup_teardown(test_ordered, begin, end),
        cmocka_unit_test_setup_teardown(test_first_failure, begin, end),
        cmocka_unit_test_setup_teardown(test_cancel, begin, end),
        cmocka_unit_test_setup_teardown(test_context, begin, end),
        cmocka_unit_test_setup_teardown(test_list, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
