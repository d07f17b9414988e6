/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "../rundir.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/input_file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <unistd.h>

/* The folder without --out: sweeps/NAME for NAME.yaml. */
static const char *default_folder(struct nas_arena *arena, const char *file) {
    const char *slash = strrchr(file, '/');
    const char *name = slash != NULL ? slash + 1 : file;
    const char *dot = strrchr(name, '.');
    return nas_arena_format(arena, "sweeps/%.*s",
                            (int)(dot > name ? dot - name : (int)strlen(name)), name);
}

/* Room for the names of the files in a run directory, checkpoints and temporary ones; bytes of a
 * sweep file. */
enum { LONGEST_FILE = 64, MOST_FILE = 1 << 20 };

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
    job->left = nas_arena_zeroed(&job->arena, (size_t)s->n_arms * sizeof *job->left);
    return job->runs != NULL && job->left != NULL ? MN_OK : no_memory(ctx);
}

/* ---- --list -------------------------------------------------------------------------------- */

static void print_list(const struct sweep_job *job, const struct sweep_results *results) {
    int width = 0;
    for (int64_t i = 0; i < job->n_runs; i++) {
        const int n = (int)strlen(job->runs[i].name);
        width = n > width ? n : width;
    }
    for (int64_t i = 0; i < job->n_runs; i++) {
        const struct sweep_status *now = &results->runs[i].now;
        const char *s = nas_text_s(now->meta_epochs);
        printf("%-*s  ", width, job->runs[i].name);
        if (job->left[job->runs[i].arm] > 0 && now->progress != SWEEP_DONE) {
            printf("left after %" PRId64 " of %" PRId64 " meta-epochs\n",
                   job->left[job->runs[i].arm], now->meta_epochs);
            continue;
        }
        if (job->runs[i].failed && now->progress != SWEEP_DONE) {
            printf("failed: its numbers were not finite; the sweep tries it again\n");
        } else if (now->progress == SWEEP_NEW) {
            const int64_t as = sweep_trained_as(job, i);
            printf("not begun, %" PRId64 " meta-epoch%s%s%s\n", now->meta_epochs, s,
                   as != i ? ", those of " : "", as != i ? job->runs[as].name : "");
        } else if (now->progress == SWEEP_BEGUN) {
            printf("%" PRId64 " of %" PRId64 " meta-epoch%s\n", now->meta_epoch, now->meta_epochs,
                   s);
        } else {
            printf(now->progress == SWEEP_DONE ? "done\n" : "trained, not tested\n");
        }
    }
}

/* The rungs that are decided. */
static int decide_known(struct mn_ctx *ctx, struct sweep_job *job,
                        const struct sweep_results *results) {
    for (int rung = 0; rung + 1 < job->sweep.n_rungs; rung++) {
        TRY(sweep_rung_list(ctx, job, results, rung));
        for (int64_t i = 0; i < job->n_runs; i++) {
            if (job->runs[i].due == SWEEP_DUE && !job->runs[i].failed) {
                return MN_OK;
            }
        }
        TRY(sweep_rung_decide(ctx, job, rung));
    }
    return MN_OK;
}

/* ---- running ------------------------------------------------------------------------------- */

/* The text of a file as it was read for the arms. For free. */
static int text_of(struct mn_ctx *ctx, const char *path, char **text, size_t *length) {
    const int error = nas_input_file_read(path, MOST_FILE, text, length);
    return error == 0 ? MN_OK : mn_fail(ctx, MN_IO, "%s: cannot read: %s", path, strerror(error));
}

/* Make the folder and keep other processes out of it until job->lock is closed. Refused where
 * another one is at work there, and in the directory of a run. */
static int claim(struct mn_ctx *ctx, struct sweep_job *job) {
    const char *run;
    TRY(rundir_file(ctx, &job->arena, job->out, "config.resolved.yaml", &run));
    if (access(run, F_OK) == 0) {
        return mn_fail(ctx, MN_CONFIG, "%s is the directory of a run; give another --out",
                       job->out);
    }
    TRY(nas_folder_make(ctx, job->out));
    /* Files of a sweep are not reached through the folder, so it is not ctx that locks it. */
    job->lock = open(job->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (job->lock >= 0 && flock(job->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return mn_fail(ctx, MN_IO, "%s: another metanas is at work on this sweep", job->out);
    }
    return MN_OK;
}

/* Keep the sweep file, its base and the command in the folder, for a report to repeat it. */
static int keep_command(struct mn_ctx *ctx, struct sweep_job *job) {
    CLEANUP(nas_free) char *sweep = NULL;
    CLEANUP(nas_free) char *base = NULL;
    const char *path;
    size_t length;
    TRY(rundir_file(ctx, &job->arena, job->out, "sweep.yaml", &path));
    TRY(text_of(ctx, job->sweep.file, &sweep, &length));
    TRY(nas_file_replace(ctx, path, sweep, length));
    TRY(rundir_file(ctx, &job->arena, job->out, "sweep.json", &path));
    TRY(text_of(ctx, job->sweep.base, &base, &length));
    return rundir_json_write(ctx, path,
                             json_pack("{s:s, s:s, s:s, s:o, s:o}", "sweep", job->sweep.file,
                                       "base", job->sweep.base, "base_text", base, "set",
                                       rundir_texts(&job->arguments->sets), "plugin_dir",
                                       rundir_texts(&job->arguments->plugin_dirs)),
                             NULL);
}

static int run_all(struct mn_ctx *ctx, struct sweep_job *job, struct sweep_results *results,
                   int64_t jobs) {
    TRY(claim(ctx, job));
    TRY(sweep_gather(ctx, job, results)); /* refuses what another configuration has made */
    TRY(keep_command(ctx, job));
    return sweep_work(ctx, job, results, jobs);
}

static void job_fini(struct sweep_job *job) {
    if (job->lock >= 0) {
        close(job->lock);
    }
    sweep_fini(&job->sweep);
    nas_arena_fini(&job->arena);
}

static void results_fini(struct sweep_results *results) {
    nas_arena_fini(&results->arena);
}

struct sweep_flags {
    const char *out;
    int64_t jobs;
    bool list;
};

static int run_sweep(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct sweep_flags *flags = arguments->flags;
    CLEANUP(job_fini) struct sweep_job job = {.arguments = arguments, .lock = -1};
    CLEANUP(results_fini) struct sweep_results results = {0};
    TRY(sweep_read(ctx, arguments->operand, stderr, &job.sweep));
    job.out = flags->out != NULL ? flags->out : default_folder(&job.arena, arguments->operand);
    if (job.out == NULL) {
        return no_memory(ctx);
    }
    TRY(list_runs(ctx, &job));
    TRY(sweep_validate(ctx, &job));
    if (!flags->list) {
        return run_all(ctx, &job, &results, flags->jobs);
    }
    TRY(sweep_gather(ctx, &job, &results));
    TRY(decide_known(ctx, &job, &results));
    print_list(&job, &results);
    return MN_OK;
}

/* That of the base: arms cannot choose. What is wrong with the file is said when it is read again.
 */
static int config_of(struct mn_ctx *ctx, struct nas_arena *arena, const struct arguments *arguments,
                     const char **out) {
    const struct sweep_flags *flags = arguments->flags;
    CLEANUP(sweep_fini) struct sweep sweep = {0};
    FILE *nowhere = fopen("/dev/null", "w");
    const int read =
        nowhere != NULL && sweep_read(ctx, arguments->operand, nowhere, &sweep) == MN_OK;
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    nas_ctx_clear(ctx);
    *out = read && !flags->list ? nas_arena_text(arena, sweep.base) : arguments->operand;
    return *out != NULL ? MN_OK : no_memory(ctx);
}

#define F struct sweep_flags
static const struct mn_opt flags[] = {
    FLAG_TEXT(F, out, "-o, --out", "DIR",
              "folder of the runs (default: sweeps/NAME for NAME.yaml)"),
    FLAG_INT(F, jobs, "--jobs", "N", 0, 0,
             "runs at a time, each in a process; 0 = as processors and memory allow (default); no "
             "result depends on it"),
    FLAG_SWITCH(F, list, "--list", "check the arms and show how far their runs are; run nothing"),
};

const struct command command_sweep = {
    .name = "sweep",
    .operand = "SWEEP",
    .doc = "train and test the arms of a sweep file, all combinations or drawn ones; compare them",
    .more = "Runs that are finished in DIR are not repeated, one that was stopped goes on: the "
            "same command\nuntil all are done. Writes DIR/results.csv (arms), DIR/runs.csv and "
            "the table as DIR/results.txt.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct sweep_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option in every arm (may repeat)",
    .run = run_sweep,
    .config = config_of,
};
