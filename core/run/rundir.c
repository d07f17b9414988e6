/* SPDX-License-Identifier: MIT */
#include "run/rundir.h"

#include "base/text.h"
#include "run/difference.h"
#include "run/file.h"
#include "run/kept.h"
#include "run/origin.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int in_dir(const struct mn__rundir *d, struct mn_cx *cx, const char *name,
                  char out[PATH_MAX]) {
    return mn__kept_path(cx, d->path, name, out);
}

static int sync_files(struct mn__rundir *d, struct mn_cx *cx) {
    struct mn__metrics *const files[] = {&d->metrics, &d->timing, &d->architecture, &d->steps};
    int status = MN_OK;
    for (size_t i = 0; status == MN_OK && i < sizeof files / sizeof files[0]; i++) {
        if (files[i]->fd >= 0) {
            status = mn__metrics_sync(files[i], cx);
        }
    }
    return status;
}

/* timing.jsonl has no length here: equal runs have equal checkpoints. */
static int write_newest(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                        const struct mn__state *state) {
    char path[PATH_MAX], metrics[32], architecture[32], steps[32];
    const int status = in_dir(d, cx, MN__NEWEST, path);
    snprintf(metrics, sizeof metrics, "%" PRId64, d->metrics.length);
    snprintf(architecture, sizeof architecture, "%" PRId64, d->architecture.length);
    snprintf(steps, sizeof steps, "%" PRId64, d->steps.length);
    const struct mn__meta extra[] = {
        {"metrics_bytes", metrics}, {"architecture_bytes", architecture}, {"steps_bytes", steps}};
    return status != MN_OK ? status : mn__state_save(e, cx, path, state, 3, extra);
}

/* Only what the schedule asks for is kept: an interrupted run then keeps what any other does. */
static int keep_newest(const struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                       const struct mn__state *state) {
    const int64_t every = e->run.checkpoint_every;
    const int scheduled = every > 0 && d->saved > 0 && d->saved % every == 0;
    return scheduled && d->saved != state->meta_epoch && e->run.keep_checkpoints > 1
               ? mn__kept_add(cx, d->path, d->saved)
               : MN_OK;
}

int mn__rundir_save(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                    const struct mn__state *state) {
    if (d->saved == state->meta_epoch && d->evaluated == state->evaluated && !d->behind) {
        return MN_OK;
    }
    int status = sync_files(d, cx);
    if (status == MN_OK) {
        status = keep_newest(d, e, cx, state);
    }
    if (status == MN_OK) {
        status = write_newest(d, e, cx, state);
    }
    if (status == MN_OK) {
        d->behind = 0;
        d->saved = state->meta_epoch;
        d->evaluated = state->evaluated;
        status = mn__kept_trim(cx, d->path, d->saved, e->run.keep_checkpoints - 1);
    }
    return status;
}

int mn__rundir_save_best(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                         const struct mn__state *state, const struct mn__evaluation *v) {
    char path[PATH_MAX], accuracy[40], interval[40], tasks[32];
    const int status = in_dir(d, cx, "best.safetensors", path);
    mn__text_from_real(v->scores.accuracy_mean, accuracy, sizeof accuracy);
    mn__text_finite(v->scores.accuracy_ci95, "none", interval, sizeof interval);
    snprintf(tasks, sizeof tasks, "%" PRId64, v->tasks);
    const struct mn__meta extra[] = {
        {"validation_accuracy", accuracy},
        {"validation_ci95", interval},
        {"validation_tasks", tasks},
        {"validation_batch_norm", mn__batch_norm_name(e)},
    };
    return status != MN_OK
               ? status
               : mn__state_save(e, cx, path, state, sizeof extra / sizeof extra[0], extra);
}

/* ---- opening ------------------------------------------------------------------------------ */

static int write_config(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx) {
    char path[PATH_MAX];
    char *text;
    size_t length;
    int status = in_dir(d, cx, "config.resolved.yaml", path);
    if (status == MN_OK) {
        status = mn__resolved_text(e, cx, &text, &length);
    }
    if (status == MN_OK) {
        status = mn__file_replace(cx, path, text, length);
        free(text);
    }
    return status;
}

static int bytes_at(const struct mn__tensors *file, const char *key, int64_t *out) {
    const char *text = mn__tensors_meta(file, key);
    return text != NULL && mn__text_int(text, out) && *out >= 0;
}

/* Bytes of the files of lines that belong to a state. */
struct lengths {
    int64_t metrics, timing, architecture, steps;
};

/* 0 where the checkpoint was made before there was a file of this kind. */
static int later_bytes(const struct mn__tensors *file, const char *key, int64_t *out) {
    return mn__tensors_meta(file, key) == NULL || bytes_at(file, key, out);
}

static int read_lengths(const struct mn__tensors *file, struct lengths *out) {
    return bytes_at(file, "metrics_bytes", &out->metrics) &&
           later_bytes(file, "architecture_bytes", &out->architecture) &&
           later_bytes(file, "steps_bytes", &out->steps);
}

/* Bytes of a file of JSON lines that belong to a state, as the lines tell. */
static int lines_of(struct mn__rundir *d, struct mn_cx *cx, const struct mn__state *state,
                    const char *name, int64_t *out) {
    char path[PATH_MAX];
    const int status = in_dir(d, cx, name, path);
    return status != MN_OK ? status
                           : mn__metrics_until(cx, path, state->meta_epoch, state->evaluated, out);
}

/* What belongs to a state: for a new one nothing does. */
static int lengths_of(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                      const struct mn__state *state, struct lengths *lengths) {
    struct mn__tensors file;
    int64_t fitting = 0;
    *lengths = (struct lengths){0};
    if (!state->loaded) {
        return MN_OK;
    }
    int status = mn__tensors_read(cx, state->source, &file);
    if (status != MN_OK) {
        return status;
    }
    status = mn__origin_check(e, cx, state->source, &file, state->accept_changes);
    if (status == MN_OK && !read_lengths(&file, lengths)) {
        status =
            mn_fail(cx, MN_IO, "%s: does not say how long the metrics files were", state->source);
    }
    mn__tensors_fini(&file);
    if (status == MN_OK) {
        status = lines_of(d, cx, state, "timing.jsonl", &lengths->timing);
    }
    if (status == MN_OK) {
        status = lines_of(d, cx, state, "metrics.jsonl", &fitting);
    }
    if (status == MN_OK && fitting < lengths->metrics) {
        mn_log(cx, MN_LOG_WARN,
               "%s/metrics.jsonl: the checkpoint was written after %" PRId64
               " bytes of it, but only %" PRId64
               " there belong to it; what is lost stays lost, and the run goes on",
               d->path, lengths->metrics, fitting);
        lengths->metrics = fitting;
    }
    return status;
}

static int check_unused(const struct mn__rundir *d, struct mn_cx *cx) {
    char path[PATH_MAX];
    const int status = in_dir(d, cx, MN__NEWEST, path);
    if (status == MN_OK && mn__file_exists(cx, path)) {
        return mn_fail(cx, MN_CONFIG,
                       "%s holds a run already; 'metanas resume %s' goes on with it, another "
                       "--out starts anew",
                       d->path, d->path);
    }
    return status;
}

static int open_file(struct mn__rundir *d, struct mn_cx *cx, const char *name, int64_t length,
                     struct mn__metrics *out) {
    char path[PATH_MAX];
    const int status = in_dir(d, cx, name, path);
    return status != MN_OK ? status : mn__metrics_open(out, cx, path, length);
}

/* steps.csv comes into being with its first line. */
static int open_steps(struct mn__rundir *d, struct mn_cx *cx, int64_t length) {
    char path[PATH_MAX];
    const int status = in_dir(d, cx, "steps.csv", path);
    if (status != MN_OK || (length == 0 && access(path, F_OK) != 0)) {
        return status;
    }
    return open_file(d, cx, "steps.csv", length, &d->steps);
}

static int open_files(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                      const struct lengths *lengths) {
    int status = open_file(d, cx, "metrics.jsonl", lengths->metrics, &d->metrics);
    if (status == MN_OK) {
        status = open_file(d, cx, "timing.jsonl", lengths->timing, &d->timing);
    }
    if (status == MN_OK && mn__model_n_mixtures(e->model) > 0) {
        status = open_file(d, cx, "architecture.csv", lengths->architecture, &d->architecture);
    }
    return status != MN_OK ? status : open_steps(d, cx, lengths->steps);
}

struct mn__metrics *mn__rundir_steps(struct mn__rundir *d, struct mn_cx *cx) {
    return d->steps.fd >= 0 || open_file(d, cx, "steps.csv", 0, &d->steps) == MN_OK ? &d->steps
                                                                                    : NULL;
}

/* Commands hold the folder from before they read it. */
static int hold(struct mn__rundir *d, struct mn_cx *cx, const char *path) {
    int status = mn__file_folder(cx, path);
    if (status == MN_OK && !mn__holds(cx, path)) {
        status = mn__hold(cx, path, &d->held);
    }
    if (status == MN_OK) {
        mn__kept_sweep(cx, path);
    }
    return status;
}

/* The configuration of a new run is there before any other file, so that `resume` can begin it anew
 * at any time. */
int mn__rundir_open(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                    const struct mn__state *state, const char *path) {
    struct lengths lengths;
    memset(d, 0, sizeof *d);
    d->metrics.fd = d->timing.fd = d->architecture.fd = d->steps.fd = -1;
    d->path = path;
    d->saved = -1;
    int status = hold(d, cx, path);
    if (status == MN_OK && !state->loaded) {
        status = check_unused(d, cx);
        if (status == MN_OK) {
            status = write_config(d, e, cx);
        }
    }
    if (status == MN_OK) {
        status = lengths_of(d, e, cx, state, &lengths);
    }
    if (status == MN_OK) {
        status = open_files(d, e, cx, &lengths);
    }
    if (status == MN_OK && state->loaded) {
        status = mn__kept_restore(cx, path, state->source);
        d->saved = state->meta_epoch;
        d->evaluated = state->evaluated;
        if (status == MN_OK) {
            status = write_config(d, e, cx);
        }
    }
    return status == MN_OK && !state->loaded ? mn__rundir_save(d, e, cx, state) : status;
}

static void close_files(struct mn__rundir *d) {
    mn__metrics_close(&d->metrics);
    mn__metrics_close(&d->timing);
    mn__metrics_close(&d->architecture);
    mn__metrics_close(&d->steps);
}

int mn__rundir_back(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                    const struct mn__state *state) {
    struct lengths lengths;
    int status = lengths_of(d, e, cx, state, &lengths);
    close_files(d);
    d->steps = (struct mn__metrics){.fd = -1};
    if (status == MN_OK) {
        status = open_files(d, e, cx, &lengths);
    }
    d->behind = 1;
    return status;
}

/* What is on the disk, whatever was meant to be: a rename may have worked, a sync after it not. */
int64_t mn__rundir_on_disk(const struct mn__rundir *d, struct mn_cx *cx) {
    struct mn__tensors file;
    char path[PATH_MAX];
    int64_t meta_epoch = -1;
    const char *text;
    if (!mn__holds(cx, d->path) || in_dir(d, cx, MN__NEWEST, path) != MN_OK ||
        mn__tensors_read(cx, path, &file) != MN_OK) {
        return -1;
    }
    text = mn__tensors_meta(&file, "meta_epoch");
    if (text == NULL || !mn__text_int(text, &meta_epoch)) {
        meta_epoch = -1;
    }
    mn__tensors_fini(&file);
    return meta_epoch;
}

void mn__rundir_close(struct mn__rundir *d, struct mn_cx *cx) {
    close_files(d);
    mn__let_go(cx, &d->held);
}
