/* SPDX-License-Identifier: MIT */
#include "results.h"
#include "workers.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "exec/launch.h"

#include <inttypes.h>

/* All runs that are not done. */
struct work {
    struct sweep_job *job;
    struct sweep_results *results;
    double begin;
    int64_t next;               /* run to look at */
    int64_t left, done, failed; /* left in this rung */
    int announced;
    int failure; /* status of a run that failed; numbers that are not finite count least */
    int result;  /* of what ends the sweep, with its message */
    char message[NAS_MESSAGE];
};

/* One whose training is that of another waits for its end. -1 = there is none now. */
static int64_t next_run(struct work *w) {
    const struct sweep_run *runs = w->job->runs;
    while (w->next < w->job->n_runs && runs[w->next].due != SWEEP_DUE) {
        w->next++;
    }
    for (int64_t i = w->next; i < w->job->n_runs; i++) {
        const int64_t as = sweep_trained_as(w->job, i);
        if (runs[i].due == SWEEP_DUE && (as == i || runs[as].due == SWEEP_NOT_DUE)) {
            return i;
        }
    }
    return -1;
}

static void announce(struct mn_ctx *ctx, struct work *w, int64_t i, int64_t most) {
    char rest[80] = "", time[40], until[48] = "";
    if (nas_ctx_of(ctx)->log_level < MN_LOG_INFO) {
        return;
    }
    if (most > 1 && !w->announced) {
        fprintf(stderr, "%" PRId64 " runs at a time\n", most);
    }
    w->announced = 1;
    if (w->done > 0) {
        nas_text_duration((nas_now() - w->begin) / (double)w->done * (double)w->left, time,
                          sizeof time);
        snprintf(rest, sizeof rest, ", about %s left for all%s", time,
                 w->job->until > 0 ? " to there" : "");
    }
    if (w->job->until > 0) {
        snprintf(until, sizeof until, " to meta-epoch %" PRId64, w->job->until);
    }
    fprintf(stderr, "run %" PRId64 " of %" PRId64 ": %s%s%s%s\n", i + 1, w->job->n_runs,
            w->job->runs[i].name, until, w->job->runs[i].from != NULL ? ", to test" : "", rest);
}

/* A run that fails does not take the others with it. The results are brought up to date after every
 * run. */
static int ended(struct mn_ctx *ctx, struct work *w, int64_t i, int status) {
    struct sweep_run *run = &w->job->runs[i];
    run->due = SWEEP_NOT_DUE;
    if (status == MN_CANCELLED) {
        return status;
    }
    run->failed = status == MN_NUMERIC;
    if (status != MN_OK) {
        fprintf(stderr, "run %s failed: %s\n", run->name, nas_ctx_message(ctx));
        nas_ctx_clear(ctx);
        w->failed++;
        w->failure = w->failure == MN_OK || w->failure == MN_NUMERIC ? status : w->failure;
    }
    w->done++;
    w->left--;
    TRY(sweep_gather_run(ctx, w->results, i));
    return sweep_report(ctx, w->results, 0);
}

/* Runs under way have their end before the sweep has its own; the first failure is the result.
 * Whatever a signal stopped, a run or the reading of results, the sweep goes on from there. */
static void note(struct mn_ctx *ctx, struct work *w, int status) {
    if (status == MN_CANCELLED) {
        nas_ctx_clear(ctx);
        nas_ctx_of(ctx)->resumable = 1;
        mn_fail(ctx, MN_CANCELLED,
                "stopped with %" PRId64 " of %" PRId64
                " runs to go, what was done is saved; the same command goes on",
                w->left, w->job->n_runs);
    }
    if (status != MN_OK && w->result == MN_OK) {
        w->result = status;
        snprintf(w->message, sizeof w->message, "%s", nas_ctx_message(ctx));
    }
    nas_ctx_clear(ctx);
}

static void begin(struct mn_ctx *ctx, struct work *w, struct sweep_workers *workers, int64_t i) {
    const int64_t as = sweep_trained_as(w->job, i);
    struct sweep_run *run = &w->job->runs[i];
    const int begun = w->results->runs[i].now.progress != SWEEP_NEW;
    const int trained = w->results->runs[as].now.progress == SWEEP_DONE;
    if (as != i && !begun && w->job->runs[as].failed) {
        note(ctx, w,
             ended(ctx, w, i,
                   mn_fail(ctx, MN_NUMERIC, "so did its meta-training, which is that of run %s",
                           w->job->runs[as].name)));
        return;
    }
    run->from = as != i && !begun && trained ? w->job->runs[as].dir : NULL;
    run->due = SWEEP_UNDER_WAY;
    announce(ctx, w, i, workers->most);
    note(ctx, w, sweep_workers_start(ctx, workers, i));
}

/* All runs that are due. */
static void work(struct mn_ctx *ctx, struct work *w, struct sweep_workers *workers) {
    do {
        int64_t i;
        while (w->result == MN_OK && workers->n < workers->most && (i = next_run(w)) >= 0) {
            if (mn_cancelled(ctx)) {
                note(ctx, w, MN_CANCELLED);
            } else {
                begin(ctx, w, workers, i);
            }
        }
        if (w->result != MN_OK) {
            sweep_workers_stop(workers);
        }
        if (workers->n > 0) {
            const int status = sweep_workers_wait(ctx, workers, &i);
            note(ctx, w, ended(ctx, w, i, status));
        }
    } while (workers->n > 0 || (w->result == MN_OK && next_run(w) >= 0));
}

/* How many runs at once: what was asked for; otherwise what processors and memory are there for. */
static int count_jobs(struct mn_ctx *ctx, const struct work *w, int64_t asked, int64_t *out) {
    const struct sweep_job *job = w->job;
    const int64_t memory = job->memory_begin + job->memory_work;
    const int64_t available = nas_memory_available();
    *out = asked;
    if (job->arguments->cluster != NULL) {
        *out = 1;
        return asked <= 1 ? MN_OK
                          : mn_fail(ctx, MN_CONFIG,
                                    "--jobs: the processes of run.transport work on one run at a "
                                    "time, all of them");
    }
    if (asked == 0) {
        *out = job->all_processors ? 1 : nas_launch_processors() / job->threads;
        if (memory > 0 && available >= 0 && available / memory < *out) {
            *out = available / memory;
        }
    }
    *out = *out < job->n_runs ? *out : job->n_runs;
    *out = *out > 1 ? *out : 1;
    return MN_OK;
}

static int begin_rung(struct mn_ctx *ctx, struct work *w, int rung) {
    struct sweep_job *job = w->job;
    const int is_last = rung + 1 >= job->sweep.n_rungs;
    job->until = is_last ? 0 : job->sweep.rungs[rung];
    w->next = w->left = w->done = 0;
    w->begin = nas_now();
    TRY(sweep_rung_list(ctx, job, w->results, rung));
    for (int64_t i = 0; i < job->n_runs; i++) {
        w->left += job->runs[i].due == SWEEP_DUE;
    }
    return MN_OK;
}

static int end_rung(struct mn_ctx *ctx, struct work *w, int rung) {
    TRY(sweep_rung_decide(ctx, w->job, rung));
    TRY(sweep_rungs_write(ctx, w->job));
    return sweep_report(ctx, w->results, 0);
}

int sweep_work(struct mn_ctx *ctx, struct sweep_job *job, struct sweep_results *results,
               int64_t jobs) {
    struct work w = {.job = job, .results = results, .begin = nas_now()};
    const int rungs = job->sweep.n_rungs;
    struct sweep_workers workers;
    int64_t most;
    TRY(sweep_report(ctx, results, 0));
    TRY(count_jobs(ctx, &w, jobs, &most));
    TRY(sweep_workers_new(ctx, job, most, &workers));
    for (int rung = 0; rung < (rungs > 0 ? rungs : 1) && w.result == MN_OK &&
                       (w.failure == MN_OK || w.failure == MN_NUMERIC);
         rung++) {
        note(ctx, &w, begin_rung(ctx, &w, rung));
        work(ctx, &w, &workers);
        if (rungs > 0 && w.result == MN_OK && (w.failure == MN_OK || w.failure == MN_NUMERIC)) {
            note(ctx, &w, end_rung(ctx, &w, rung));
        }
    }
    if (w.result == MN_OK) {
        note(ctx, &w, sweep_report(ctx, results, 1));
    }
    if (w.result != MN_OK) {
        return mn_fail(ctx, w.result, "%s", w.message);
    }
    if (w.failed == 0) {
        return MN_OK;
    }
    return w.failure == MN_NUMERIC
               ? mn_fail(ctx, MN_NUMERIC,
                         "%" PRId64 " of %" PRId64
                         " runs ended with numbers that are not finite; the results are without "
                         "them",
                         w.failed, job->n_runs)
               : mn_fail(ctx, w.failure,
                         "%" PRId64 " of %" PRId64
                         " runs failed, as told above; the results are without them, the same "
                         "command tries them again",
                         w.failed, job->n_runs);
}
