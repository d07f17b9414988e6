/* SPDX-License-Identifier: MIT */
#ifndef METANAS_SWEEP_H
#define METANAS_SWEEP_H

/* metanas sweep: the runs of a sweep file in a folder of their own, and what they show together
 * (docs/guide.md). */

#include "../command.h"

#include "file.h"

#include "store/records.h"

struct sweep_run {
    int64_t arm;
    int seed;         /* index of sweep.seeds */
    const char *name; /* ARM/seed-N */
    const char *dir;
    int failed; /* numbers that are not finite ended it */
    enum { SWEEP_NOT_DUE, SWEEP_DUE, SWEEP_UNDER_WAY } due; /* whether there is work on it */
    const char *from; /* directory of a run that has ended with the state that this one is to be
                         tested with; NULL = it is meta-trained */
};

struct sweep_place;

struct sweep_job {
    const struct arguments *arguments;
    struct sweep sweep;
    const char *out; /* folder */
    int lock;        /* its descriptor; -1 = not claimed */
    int64_t n_runs;
    struct sweep_run *runs; /* [n_runs], seeds of an arm next to each other */
    int64_t until; /* meta-epochs of this rung; 0 = runs are trained to their end and tested */
    int64_t *trained_as; /* [sweep.n_arms], the first arm that is meta-trained alike */
    int64_t *left; /* [sweep.n_arms], meta-epochs after which the arm was left; 0 = it goes on */
    struct mn_dataset_info
        *data; /* [sweep.n_arms], what the arm's data set holds: sweep_validate */
    /* The most that an arm takes: threads, bytes of the program with its data and of its work. */
    int64_t threads, memory_begin, memory_work;
    int all_processors; /* an arm takes as many threads as there are processors */
    int64_t n_places;
    struct sweep_place *places; /* [n_places], of all rungs that are decided */
    struct nas_arena arena;
};

/* arms.c: open every arm, without reading the data of equal data sets twice. Faults are
 * printed to standard error, each once; the message counts the arms that have some. Fills
 * job->data, job->trained_as and what arms take. */
int sweep_validate(struct mn_ctx *ctx, struct sweep_job *job);

/* How far a run is. */
enum sweep_progress {
    SWEEP_NEW,     /* no checkpoint */
    SWEEP_BEGUN,   /* some meta-epochs */
    SWEEP_TRAINED, /* all of them */
    SWEEP_DONE     /* tested as well */
};
struct sweep_status {
    enum sweep_progress progress;
    int64_t meta_epoch, meta_epochs;
    struct nas_record test; /* of a run that is done */
};

/* run.c: a run as it lies in its folder; texts in arena. MN_CONFIG where it was made with another
 * configuration. */
int sweep_look(struct mn_ctx *ctx, const struct sweep_job *job, const struct sweep_run *run,
               struct nas_arena *arena, struct sweep_status *out);
/* Train what is left of it up to job->until, and test it at its end. */
int sweep_finish(struct mn_ctx *ctx, const struct sweep_job *job, const struct sweep_run *run);

/* The run whose meta-training is that of run i, with its seed: i itself, or one before it. */
int64_t sweep_trained_as(const struct sweep_job *job, int64_t run);

/* arms.c: the configuration of a run made ready; `more` may preset flags. */
int sweep_open(struct mn_ctx *ctx, const struct sweep_job *job, int64_t arm, int seed,
               const struct nas_open *more, struct nas_experiment *out);

/* gather.c: how far all runs are, and what those that are done have written; MN_CONFIG where
 * one was made with another configuration, MN_CANCELLED. Marks those that failed before.
 * results->arena is for nas_arena_fini, also after a failure. */
struct sweep_results;
int sweep_gather(struct mn_ctx *ctx, const struct sweep_job *job, struct sweep_results *out);
/* The same of one run, after it was worked on. */
int sweep_gather_run(struct mn_ctx *ctx, struct sweep_results *results, int64_t run);

/* halving.c: mark the runs that are due in a rung. Without rungs there is one, the whole run. */
int sweep_rung_list(struct mn_ctx *ctx, struct sweep_job *job, const struct sweep_results *results,
                    int rung);
/* Decide which arms go on after it, where no run is due any more: of n the best n / eta, one at
 * least, by the mean validation accuracy of their seeds; of equals the first. The others are left.
 * After the last rung one is the best. Kept for `sweep_rungs_write`. */
int sweep_rung_decide(struct mn_ctx *ctx, struct sweep_job *job, int rung);
/* Write rungs.csv, and what was decided last to standard error. */
int sweep_rungs_write(struct mn_ctx *ctx, const struct sweep_job *job);

/* work.c: work on all runs that are not done, `jobs` at a time, 0 = as many as there are processors
 * and memory for; results are written after each. A run that fails is told of and leaves the others
 * alone; the message counts them. */
int sweep_work(struct mn_ctx *ctx, struct sweep_job *job, struct sweep_results *results,
               int64_t jobs);

/* results.c: write runs.csv, results.csv and results.txt to the folder; print the last one,
 * too, where `print` is set. */
int sweep_report(struct mn_ctx *ctx, struct sweep_results *results, int print);

#endif
