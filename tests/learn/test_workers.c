/* SPDX-License-Identifier: MIT */
#include "exec/threads.h"

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
    nas_cancel_reset();
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

static int job(void *data, struct mn_ctx *ctx, int64_t index) {
    struct work *work = data;
    work->order[atomic_fetch_add(&work->started, 1)] = index;
    atomic_fetch_add(&work->runs[index], 1);
    atomic_fetch_add(&work->elsewhere, !pthread_equal(pthread_self(), work->caller));
    if (ctx->where.task != index || nas_ctx_of(ctx)->workspace == NULL) {
        return mn_fail(ctx, MN_INTERNAL, "task %lld stands at %lld", (long long)index,
                       (long long)ctx->where.task);
    }
    int64_t *scratch = mn_scratch(ctx, (size_t)(index + 1) * 1000 * sizeof *scratch);
    if (scratch == NULL) {
        return MN_NOMEM;
    }
    scratch[index * 1000] = index * index + ctx->where.meta_epoch;
    work->slots[index] = scratch[index * 1000];
    if (index == work->cancel_at) {
        nas_cancel(15);
    }
    while (work->cancel_at >= 0 && index > work->cancel_at && nas_cancel_signal() == 0) {
        nap(100); /* so that only one more task of each worker begins before it */
    }
    if (index == work->slow_failure || index == work->fast_failure) {
        nap(index == work->slow_failure ? 20000 : 2000);
        return mn_fail(ctx, MN_IO, "task %lld failed", (long long)index);
    }
    nap(index % 3 == 0 ? 50 : 0);
    return MN_OK;
}

static int run(struct nas_threads *pool, struct work *work, int64_t n, int ordered) {
    const struct mn_where where = {.size = sizeof where, .meta_epoch = 5};
    return nas_threads_run(pool, trial.ctx, &where, 0, n, ordered, job, work);
}

static struct nas_threads *pool_new(int n) {
    struct nas_threads *pool;
    assert_ok(trial.ctx, nas_threads_new(trial.ctx, n, trial.e.model, &pool));
    assert_int_equal(nas_threads_count(pool), n);
    return pool;
}

static void test_every_task_once(void **state) {
    for (int n = 1; n <= 5; n++) {
        struct nas_threads *pool = pool_new(n);
        for (int round = 0; round < 5; round++) {
            struct work work;
            work_begin(&work);
            assert_ok(trial.ctx, run(pool, &work, TASKS, 0));
            for (int64_t i = 0; i < TASKS; i++) {
                assert_int_equal(work.runs[i], 1);
                assert_int_equal(work.slots[i], i * i + 5);
            }
            assert_true(n > 1 || work.elsewhere == 0);
        }
        nas_threads_free(pool);
    }
}

static void test_more_workers_than_tasks(void **state) {
    struct nas_threads *pool = pool_new(4);
    for (int64_t n = 0; n <= 3; n++) {
        struct work work;
        work_begin(&work);
        assert_ok(trial.ctx, run(pool, &work, n, 0));
        assert_int_equal(work.started, n);
    }
    nas_threads_free(pool);
}

static void test_ordered(void **state) {
    struct work work;
    struct nas_threads *pool = pool_new(3);
    work_begin(&work);
    assert_ok(trial.ctx, run(pool, &work, TASKS, 1));
    for (int64_t i = 0; i < TASKS; i++) {
        assert_int_equal(work.order[i], i);
    }
    assert_int_equal(work.elsewhere, 0);
    nas_threads_free(pool);
}

/* Whichever fails first in time, the lower of two is reported; then the pool works on. */
static void check_failure(int n, int64_t slow, int64_t fast) {
    struct nas_threads *pool = pool_new(n);
    struct work work;
    work_begin(&work);
    work.slow_failure = slow;
    work.fast_failure = fast;
    assert_failed(trial.ctx, run(pool, &work, TASKS, 0), MN_IO, "task 7 failed");
    assert_true(n > 1 || work.started == 8);
    work_begin(&work);
    assert_ok(trial.ctx, run(pool, &work, TASKS, 0));
    assert_int_equal(work.started, TASKS);
    nas_threads_free(pool);
}

static void test_first_failure(void **state) {
    for (int n = 1; n <= 4; n++) {
        check_failure(n, 7, 8);
        check_failure(n, 8, 7);
    }
}

static void test_cancel(void **state) {
    for (int n = 1; n <= 4; n++) {
        struct nas_threads *pool = pool_new(n);
        struct work work;
        work_begin(&work);
        work.cancel_at = 20;
        assert_failed(trial.ctx, run(pool, &work, TASKS, 0), MN_CANCELLED, "stopped");
        assert_in_range(work.started, 21, 20 + n);
        nas_cancel_reset();
        nas_threads_free(pool);
    }
}

/* What the caller's context says reaches every worker. */
static int see(void *data, struct mn_ctx *ctx, int64_t index) {
    const int *quiet = data;
    return nas_ctx_of(ctx)->log_level == *quiet ? MN_OK : mn_fail(ctx, MN_INTERNAL, "not seen");
}

static void test_context(void **state) {
    int quiet = MN_LOG_DEBUG;
    const struct mn_where where = {.size = sizeof where};
    struct nas_threads *pool = pool_new(2);
    const int before = trial.context.log_level;
    trial.context.log_level = quiet;
    assert_ok(trial.ctx, nas_threads_run(pool, trial.ctx, &where, 0, 50, 0, see, &quiet));
    trial.context.log_level = before;
    assert_failed(trial.ctx, nas_threads_run(pool, trial.ctx, &where, 0, 50, 0, see, &quiet),
                  MN_INTERNAL, "not seen");
    nas_threads_free(pool);
    nas_threads_free(NULL);
}

/* ---- lists of tasks that grow -------------------------------------------------------------- */

/* Take what finishes until `n` tasks have; failures go to the list. */
static void take(struct nas_threads *pool, int n, int *failures) {
    struct nas_finished task;
    for (int taken = 0; taken < n;) {
        if (!nas_threads_take(pool, &task)) {
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
        struct nas_threads *pool;
        struct work work;
        int failures = 0;
        work_begin(&work);
        work.slow_failure = 7;
        assert_ok(trial.ctx, nas_threads_new_apart(trial.ctx, n, trial.e.model, &pool));
        assert_ok(trial.ctx, nas_threads_open(pool, trial.ctx, &where, TASKS, job, &work));
        for (int64_t i = 0; i < 20; i++) {
            nas_threads_add(pool, i);
        }
        take(pool, 20, &failures);
        for (int64_t i = 20; i < TASKS; i++) {
            nas_threads_add(pool, i);
        }
        take(pool, TASKS - 30, &failures);
        nas_threads_close(pool);
        assert_int_equal(failures, 1);
        for (int64_t i = 0; i < TASKS; i++) {
            assert_int_equal(work.runs[i], 1);
            assert_int_equal(work.slots[i], i * i + 5);
            assert_true(n > 1 || work.order[i] == i);
        }
        assert_int_equal(work.elsewhere, TASKS);
        work_begin(&work); /* a round of the usual kind afterwards */
        assert_ok(trial.ctx, run(pool, &work, TASKS, 0));
        assert_int_equal(work.started, TASKS);
        assert_true(n == 1 || work.elsewhere == TASKS);
        nas_threads_free(pool);
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
