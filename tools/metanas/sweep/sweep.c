/* SPDX-License-Identifier: MIT */
#include "../rundir.h"
#include "results.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* The folder without --out: sweeps/NAME for NAME.yaml. */
static const char *default_folder(struct nas_arena *arena, const char *file) {
    const char *slash = strrchr(file, '/');
    const char *name = slash != NULL ? slash + 1 : file;
    const char *dot = strrchr(name, '.');
    return nas_arena_format(arena, "sweeps/%.*s",
                            (int)(dot > name ? dot - name : (int)strlen(name)), name);
}

/* Room for the names of the files in a run directory, checkpoints and temporary ones. */
enum { LONGEST_FILE = 64 };

static int list_runs(struct mn_ctx *ctx, struct sweep_job *job) {
    const struct sweep *s = &job->sweep;
    job->runs =
        nas_arena_array(&job->arena, (size_t)s->n_arms * (size_t)s->n_seeds, sizeof *job->runs);
    for (int64_t arm = 0; job->runs != NULL && arm < s->n_arms; arm++) {
        const char *name = sweep_arm_name(s, arm, &job->arena);
        for (int seed = 0; seed < s->n_seeds; seed++) {
            struct sweep_run *run = &job->runs[job->n_runs++];
            *run = (struct sweep_run){.arm = arm, .seed = seed};
            run->name = name == NULL ? NULL
                                     : nas_arena_format(&job->arena, "%s/seed-%" PRId64, name,
                                                        s->seeds[seed]);
            if (run->name == NULL ||
                rundir_file(ctx, &job->arena, job->out, run->name, &run->dir) != MN_OK) {
                return no_memory(ctx);
            }
            if (strlen(run->dir) + LONGEST_FILE >= PATH_MAX) {
                return nas_file_too_long(ctx, run->dir);
            }
        }
    }
    return job->runs != NULL ? MN_OK : no_memory(ctx);
}

/* ---- --list -------------------------------------------------------------------------------- */

static void put_progress(const struct sweep_run *run, const struct sweep_result *now) {
    if (run->failed && now->progress != SWEEP_DONE) {
        printf("failed: its numbers were not finite; the sweep tries it again\n");
        return;
    }
    switch (now->progress) {
    case SWEEP_NEW:
        printf("not begun, %" PRId64 " meta-epoch%s\n", now->meta_epochs,
               nas_text_s(now->meta_epochs));
        break;
    case SWEEP_BEGUN:
        printf("%" PRId64 " of %" PRId64 " meta-epoch%s\n", now->meta_epoch, now->meta_epochs,
               nas_text_s(now->meta_epochs));
        break;
    case SWEEP_TRAINED:
        printf("trained, not tested\n");
        break;
    case SWEEP_DONE:
        printf("done\n");
        break;
    }
}

static int list(struct mn_ctx *ctx, const struct sweep_job *job,
                const struct sweep_results *results) {
    size_t width = 0;
    for (int64_t i = 0; i < job->n_runs; i++) {
        const size_t n = strlen(job->runs[i].name);
        width = n > width ? n : width;
    }
    for (int64_t i = 0; i < job->n_runs; i++) {
        printf("%-*s  ", (int)width, job->runs[i].name);
        put_progress(&job->runs[i], &results->runs[i]);
    }
    return MN_OK;
}

/* ---- running ------------------------------------------------------------------------------- */

/* Over all runs. */
struct total {
    double begin;
    int64_t done; /* in this call */
    int64_t failed;
};

static void announce(struct mn_ctx *ctx, const struct sweep_job *job, const struct total *total,
                     int64_t i, int64_t left) {
    char rest[64] = "";
    if (nas_ctx_of(ctx)->quiet < MN_LOG_INFO) {
        return;
    }
    if (total->done > 0) {
        char time[40];
        nas_text_duration((nas_now() - total->begin) / (double)total->done * (double)left, time,
                          sizeof time);
        snprintf(rest, sizeof rest, ", about %s left for all", time);
    }
    fprintf(stderr, "run %" PRId64 " of %" PRId64 ": %s%s\n", i + 1, job->n_runs, job->runs[i].name,
            rest);
}

/* A run that diverges does not take the others with it; any other failure ends the sweep. */
static int settle(struct mn_ctx *ctx, struct sweep_job *job, struct total *total, int64_t i,
                  int status) {
    if (status == MN_NUMERIC) {
        fprintf(stderr, "run %s failed: %s\n", job->runs[i].name, nas_ctx_message(ctx));
        nas_ctx_clear(ctx);
        job->runs[i].failed = 1;
        total->failed++;
        return MN_OK;
    }
    if (status == MN_CANCELLED) {
        nas_ctx_clear(ctx);
        nas_ctx_of(ctx)->goes_on = 1;
        return mn_fail(ctx, MN_CANCELLED,
                       "stopped in run %" PRId64 " of %" PRId64
                       " (%s), what it had done is saved; the same command goes on",
                       i + 1, job->n_runs, job->runs[i].name);
    }
    return status != MN_OK ? nas_ctx_where(ctx, "run %s", job->runs[i].name) : MN_OK;
}

/* Work on a run, and bring the results up to date; those after the last one are printed. */
static int run_one(struct mn_ctx *ctx, struct sweep_job *job, struct sweep_results *results,
                   struct total *total, int64_t i, int last) {
    job->runs[i].failed = 0;
    int status = settle(ctx, job, total, i, sweep_finish(ctx, job, &job->runs[i]));
    total->done++;
    if (status == MN_OK) {
        status = sweep_gather_run(ctx, results, i);
    }
    return status == MN_OK ? sweep_report(ctx, results, last) : status;
}

/* What another configuration has made is refused before anything runs. */
static int run_all(struct mn_ctx *ctx, struct sweep_job *job, struct sweep_results *results) {
    struct total total = {.begin = nas_now()};
    int64_t left = 0;
    int status = sweep_claim(ctx, job);
    if (status == MN_OK) {
        status = sweep_gather(ctx, job, results);
    }
    for (int64_t i = 0; status == MN_OK && i < job->n_runs; i++) {
        left += results->runs[i].progress != SWEEP_DONE;
    }
    if (status == MN_OK) {
        status = sweep_keep(ctx, job);
    }
    if (status == MN_OK) {
        status =
            sweep_report(ctx, results, left == 0); /* of what is finished, with the files kept */
    }
    for (int64_t i = 0; status == MN_OK && i < job->n_runs; i++) {
        if (results->runs[i].progress != SWEEP_DONE) {
            announce(ctx, job, &total, i, left--);
            status = run_one(ctx, job, results, &total, i, left == 0);
        }
    }
    if (status == MN_OK && total.failed > 0) {
        status = mn_fail(ctx, MN_NUMERIC,
                         "%" PRId64 " of %" PRId64
                         " runs ended with numbers that are not finite; the results are without "
                         "them",
                         total.failed, job->n_runs);
    }
    return status;
}

static int run_sweep(struct mn_ctx *ctx, const struct arguments *arguments) {
    struct sweep_job job = {.arguments = arguments, .lock = -1};
    struct sweep_results results = {0};
    int status = sweep_read(ctx, arguments->operand, stderr, &job.sweep);
    if (status == MN_OK) {
        job.out = arguments->out != NULL ? arguments->out
                                         : default_folder(&job.arena, arguments->operand);
        status = job.out != NULL ? list_runs(ctx, &job) : no_memory(ctx);
    }
    if (status == MN_OK) {
        status = sweep_validate(ctx, &job);
    }
    if (status == MN_OK && arguments->list) {
        status = sweep_gather(ctx, &job, &results);
        status = status == MN_OK ? list(ctx, &job, &results) : status;
    } else if (status == MN_OK) {
        status = run_all(ctx, &job, &results);
    }
    nas_arena_fini(&results.arena);
    if (job.lock >= 0) {
        close(job.lock);
    }
    sweep_fini(&job.sweep);
    nas_arena_fini(&job.arena);
    return status;
}

/* That of the base: arms cannot choose. What is wrong with the file is said when it is read again.
 */
static int config_of(struct mn_ctx *ctx, struct nas_arena *arena, const struct arguments *arguments,
                     const char **out) {
    struct sweep sweep = {0};
    FILE *nowhere = fopen("/dev/null", "w");
    const int read =
        nowhere != NULL && sweep_read(ctx, arguments->operand, nowhere, &sweep) == MN_OK;
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    nas_ctx_clear(ctx);
    *out = read && !arguments->list ? nas_arena_text(arena, sweep.base) : arguments->operand;
    sweep_fini(&sweep);
    return *out != NULL ? MN_OK : no_memory(ctx);
}

static const struct flag flags[] = {
    {"out", "DIR", "folder of the runs (default: sweeps/NAME for NAME.yaml)",
     offsetof(struct arguments, out), FLAG_TEXT, 'o'},
    {"list", NULL, "check the arms and show how far their runs are; run nothing",
     offsetof(struct arguments, list), FLAG_SWITCH, 0},
    {"set", "KEY=VALUE", "override an option in every arm (may repeat)",
     offsetof(struct arguments, sets), FLAG_TEXTS, 0},
};

const struct command command_sweep = {
    .name = "sweep",
    .operand = "SWEEP",
    .doc = "train and test every combination of a sweep file, compare them",
    .more = "Runs that are finished in DIR are not repeated, one that was stopped goes on: the "
            "same command\nuntil all are done. Writes DIR/results.csv (arms), DIR/runs.csv and "
            "the table as DIR/results.txt.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .run = run_sweep,
    .config = config_of,
};
