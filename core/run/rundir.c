/* SPDX-License-Identifier: MIT */
#include "run/rundir.h"

#include "base/text.h"
#include "run/file.h"
#include "run/origin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECKPOINT "checkpoint.safetensors"

static int in_dir(const struct mn__rundir *d, struct mn_cx *cx, const char *name,
                  char out[PATH_MAX]) {
    return snprintf(out, PATH_MAX, "%s/%s", d->path, name) < PATH_MAX
               ? MN_OK
               : mn__file_too_long(cx, d->path);
}

int mn__rundir_save(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                    const struct mn__state *state) {
    char path[PATH_MAX], metrics[32], timing[32], architecture[32];
    if (d->saved == state->meta_epoch && d->evaluated == state->evaluated) {
        return MN_OK;
    }
    int status = in_dir(d, cx, CHECKPOINT, path);
    if (status == MN_OK) {
        status = mn__metrics_sync(&d->metrics, cx);
    }
    if (status == MN_OK) {
        status = mn__metrics_sync(&d->timing, cx);
    }
    if (status == MN_OK && d->architecture.fd >= 0) {
        status = mn__metrics_sync(&d->architecture, cx);
    }
    snprintf(metrics, sizeof metrics, "%" PRId64, d->metrics.length);
    snprintf(timing, sizeof timing, "%" PRId64, d->timing.length);
    snprintf(architecture, sizeof architecture, "%" PRId64, d->architecture.length);
    const struct mn__meta extra[] = {
        {"metrics_bytes", metrics}, {"timing_bytes", timing}, {"architecture_bytes", architecture}};
    if (status == MN_OK) {
        status = mn__state_save(e, cx, path, state, 3, extra);
    }
    if (status == MN_OK) {
        d->saved = state->meta_epoch;
        d->evaluated = state->evaluated;
    }
    return status;
}

int mn__rundir_save_best(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                         const struct mn__state *state, const struct mn__evaluation *v) {
    char path[PATH_MAX], accuracy[40], interval[40], tasks[32];
    const int status = in_dir(d, cx, "best.safetensors", path);
    mn__text_from_real(v->accuracy_mean, accuracy, sizeof accuracy);
    mn__text_from_real(v->accuracy_ci95, interval, sizeof interval);
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
    char *text = NULL;
    int status = in_dir(d, cx, "config.resolved.yaml", path);
    if (status == MN_OK) {
        status = mn__experiment_text(e, cx, &text);
    }
    if (status == MN_OK) {
        status = mn__file_replace(cx, path, text, strlen(text));
    }
    free(text);
    return status;
}

static int bytes_at(const struct mn__tensors *file, const char *key, int64_t *out) {
    const char *text = mn__tensors_meta(file, key);
    return text != NULL && mn__text_int(text, out) && *out >= 0;
}

/* Against the checkpoint that the state was loaded from. */
static int check_checkpoint(const struct mn__experiment *e, struct mn_cx *cx, const char *path,
                            const struct mn__tensors *file) {
    int64_t seed;
    const char *text = mn__tensors_meta(file, "seed");
    if (text == NULL || !mn__text_int(text, &seed) || seed != e->run.seed) {
        return mn_fail(cx, MN_CONFIG,
                       "%s: was made with run.seed %s, the configuration has %" PRId64, path,
                       text != NULL ? text : "unknown", e->run.seed);
    }
    mn__origin_compare(e, cx, path, file);
    return MN_OK;
}

/* Bytes of the files of lines that belong to a state. */
struct lengths {
    int64_t metrics, timing, architecture;
};

/* Checkpoints of before architecture.csv do not tell its length: there was no such file. */
static int read_lengths(const struct mn__tensors *file, struct lengths *out) {
    return bytes_at(file, "metrics_bytes", &out->metrics) &&
           bytes_at(file, "timing_bytes", &out->timing) &&
           (mn__tensors_meta(file, "architecture_bytes") == NULL ||
            bytes_at(file, "architecture_bytes", &out->architecture));
}

static int go_on(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                 const struct mn__state *state, struct lengths *lengths) {
    struct mn__tensors file;
    char path[PATH_MAX];
    int status = in_dir(d, cx, CHECKPOINT, path);
    if (status == MN_OK) {
        status = mn__tensors_read(cx, path, &file);
    }
    if (status != MN_OK) {
        return status;
    }
    status = check_checkpoint(e, cx, path, &file);
    if (status == MN_OK && !read_lengths(&file, lengths)) {
        status = mn_fail(cx, MN_IO, "%s: does not say how long the metrics files were", path);
    }
    mn__tensors_fini(&file);
    d->saved = state->meta_epoch;
    d->evaluated = state->evaluated;
    return status;
}

static int check_unused(const struct mn__rundir *d, struct mn_cx *cx) {
    char path[PATH_MAX];
    const int status = in_dir(d, cx, CHECKPOINT, path);
    if (status == MN_OK && access(path, F_OK) == 0) {
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

static int open_files(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                      const struct lengths *lengths) {
    int status = open_file(d, cx, "metrics.jsonl", lengths->metrics, &d->metrics);
    if (status == MN_OK) {
        status = open_file(d, cx, "timing.jsonl", lengths->timing, &d->timing);
    }
    if (status == MN_OK && mn__model_n_mixtures(e->model) > 0) {
        status = open_file(d, cx, "architecture.csv", lengths->architecture, &d->architecture);
    }
    return status;
}

int mn__rundir_open(struct mn__rundir *d, const struct mn__experiment *e, struct mn_cx *cx,
                    const struct mn__state *state, const char *path) {
    struct lengths lengths = {0};
    memset(d, 0, sizeof *d);
    d->metrics.fd = d->timing.fd = d->architecture.fd = -1;
    d->path = path;
    d->saved = -1;
    int status = mn__file_folder(cx, path);
    if (status == MN_OK) {
        status = state->loaded ? go_on(d, e, cx, state, &lengths) : check_unused(d, cx);
    }
    if (status == MN_OK) {
        status = open_files(d, e, cx, &lengths);
    }
    return status != MN_OK ? status : write_config(d, e, cx);
}

void mn__rundir_close(struct mn__rundir *d) {
    mn__metrics_close(&d->metrics);
    mn__metrics_close(&d->timing);
    mn__metrics_close(&d->architecture);
}
