/* SPDX-License-Identifier: MIT */
#include "store/rundir.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "learn/config_diff.h"
#include "learn/configuration.h"
#include "store/checkpoint_store.h"
#include "store/provenance.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int in_dir(const struct nas_rundir *d, struct mn_ctx *ctx, const char *name,
                  char out[PATH_MAX]) {
    return nas_folder_file(ctx, d->path, name, out);
}

static int sync_files(struct nas_rundir *d, struct mn_ctx *ctx) {
    struct nas_append_log *const files[] = {&d->metrics, &d->timing, &d->architecture, &d->steps};
    int status = MN_OK;
    for (size_t i = 0; status == MN_OK && i < sizeof files / sizeof files[0]; i++) {
        if (files[i]->fd >= 0) {
            status = nas_append_log_sync(files[i], ctx);
        }
    }
    return status;
}

/* timing.jsonl has no length here: equal runs have equal checkpoints. */
static int write_newest(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                        const struct nas_state *state) {
    char path[PATH_MAX], metrics[32], architecture[32], steps[32];
    const int status = in_dir(d, ctx, NAS_CHECKPOINT_FILE, path);
    snprintf(metrics, sizeof metrics, "%" PRId64, d->metrics.length);
    snprintf(architecture, sizeof architecture, "%" PRId64, d->architecture.length);
    snprintf(steps, sizeof steps, "%" PRId64, d->steps.length);
    const struct nas_metadata extra[] = {
        {"metrics_bytes", metrics}, {"architecture_bytes", architecture}, {"steps_bytes", steps}};
    return status != MN_OK ? status : nas_state_save(e, ctx, path, state, 3, extra);
}

/* Only what the schedule asks for is kept: an interrupted run then keeps what any other does. */
static int keep_newest(const struct nas_rundir *d, const struct nas_experiment *e,
                       struct mn_ctx *ctx, const struct nas_state *state) {
    const int64_t every = e->run.checkpoint_every;
    const int scheduled = every > 0 && d->saved > 0 && d->saved % every == 0;
    return scheduled && d->saved != state->meta_epoch && e->run.keep_checkpoints > 1
               ? nas_checkpoint_store_keep(ctx, d->path, d->saved)
               : MN_OK;
}

int nas_rundir_save(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                    const struct nas_state *state) {
    if (d->saved == state->meta_epoch && d->evaluated == state->evaluated && !d->behind) {
        return MN_OK;
    }
    int status = sync_files(d, ctx);
    if (status == MN_OK) {
        status = keep_newest(d, e, ctx, state);
    }
    if (status == MN_OK) {
        status = write_newest(d, e, ctx, state);
    }
    if (status == MN_OK) {
        d->behind = 0;
        d->saved = state->meta_epoch;
        d->evaluated = state->evaluated;
        status = nas_checkpoint_store_trim(ctx, d->path, d->saved, e->run.keep_checkpoints - 1);
    }
    return status;
}

int nas_rundir_save_best(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                         const struct nas_state *state, const struct nas_evaluation *v) {
    char path[PATH_MAX], accuracy[40], interval[40], tasks[32];
    const int status = in_dir(d, ctx, "best.safetensors", path);
    nas_text_from_real(v->record.accuracy_mean, accuracy, sizeof accuracy);
    nas_text_finite(v->record.accuracy_ci95, "none", interval, sizeof interval);
    snprintf(tasks, sizeof tasks, "%" PRId64, v->tasks);
    const struct nas_metadata extra[] = {
        {"validation_accuracy", accuracy},
        {"validation_ci95", interval},
        {"validation_tasks", tasks},
        {"validation_batch_norm", nas_batch_norm_name(e)},
    };
    return status != MN_OK
               ? status
               : nas_state_save(e, ctx, path, state, sizeof extra / sizeof extra[0], extra);
}

/* ---- opening ------------------------------------------------------------------------------ */

static int write_config(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx) {
    char path[PATH_MAX];
    char *text;
    size_t length;
    int status = in_dir(d, ctx, "config.resolved.yaml", path);
    if (status == MN_OK) {
        status = nas_config_text(e, ctx, &text, &length);
    }
    if (status == MN_OK) {
        status = nas_file_replace(ctx, path, text, length);
        free(text);
    }
    return status;
}

static int bytes_at(const struct nas_safetensors *file, const char *key, int64_t *out) {
    const char *text = nas_safetensors_meta(file, key);
    return text != NULL && nas_text_int(text, out) && *out >= 0;
}

/* Bytes of the files of lines that belong to a state. */
struct lengths {
    int64_t metrics, timing, architecture, steps;
};

/* 0 where the checkpoint was made before there was a file of this kind. */
static int later_bytes(const struct nas_safetensors *file, const char *key, int64_t *out) {
    return nas_safetensors_meta(file, key) == NULL || bytes_at(file, key, out);
}

static int read_lengths(const struct nas_safetensors *file, struct lengths *out) {
    return bytes_at(file, "metrics_bytes", &out->metrics) &&
           later_bytes(file, "architecture_bytes", &out->architecture) &&
           later_bytes(file, "steps_bytes", &out->steps);
}

/* Bytes of a file of JSON lines that belong to a state, as the lines tell. */
static int lines_of(struct nas_rundir *d, struct mn_ctx *ctx, const struct nas_state *state,
                    const char *name, int64_t *out) {
    char path[PATH_MAX];
    const int status = in_dir(d, ctx, name, path);
    return status != MN_OK ? status
                           : nas_jsonl_until(ctx, path, state->meta_epoch, state->evaluated, out);
}

/* What belongs to a state: for a new one nothing does. */
static int lengths_of(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                      const struct nas_state *state, struct lengths *lengths) {
    struct nas_safetensors file;
    int64_t fitting = 0;
    *lengths = (struct lengths){0};
    if (!state->loaded) {
        return MN_OK;
    }
    int status = nas_safetensors_read(ctx, state->source, &file);
    if (status != MN_OK) {
        return status;
    }
    status = nas_provenance_check(e, ctx, state->source, &file, state->accept_changes);
    if (status == MN_OK && !read_lengths(&file, lengths)) {
        status =
            mn_fail(ctx, MN_IO, "%s: does not say how long the metrics files were", state->source);
    }
    nas_safetensors_fini(&file);
    if (status == MN_OK) {
        status = lines_of(d, ctx, state, "timing.jsonl", &lengths->timing);
    }
    if (status == MN_OK) {
        status = lines_of(d, ctx, state, "metrics.jsonl", &fitting);
    }
    if (status == MN_OK && fitting < lengths->metrics) {
        mn_log(ctx, MN_LOG_WARN,
               "%s/metrics.jsonl: the checkpoint was written after %" PRId64
               " bytes of it, but only %" PRId64
               " there belong to it; what is lost stays lost, and the run goes on",
               d->path, lengths->metrics, fitting);
        lengths->metrics = fitting;
    }
    return status;
}

static int check_unused(const struct nas_rundir *d, struct mn_ctx *ctx) {
    char path[PATH_MAX];
    const int status = in_dir(d, ctx, NAS_CHECKPOINT_FILE, path);
    if (status == MN_OK && nas_file_exists(ctx, path)) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s holds a run already; 'metanas resume %s' goes on with it, another "
                       "--out starts anew",
                       d->path, d->path);
    }
    return status;
}

static int open_file(struct nas_rundir *d, struct mn_ctx *ctx, const char *name, int64_t length,
                     struct nas_append_log *out) {
    char path[PATH_MAX];
    const int status = in_dir(d, ctx, name, path);
    return status != MN_OK ? status : nas_append_log_open(out, ctx, path, length);
}

/* steps.csv comes into being with its first line. */
static int open_steps(struct nas_rundir *d, struct mn_ctx *ctx, int64_t length) {
    char path[PATH_MAX];
    const int status = in_dir(d, ctx, "steps.csv", path);
    if (status != MN_OK || (length == 0 && access(path, F_OK) != 0)) {
        return status;
    }
    return open_file(d, ctx, "steps.csv", length, &d->steps);
}

static int open_files(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                      const struct lengths *lengths) {
    int status = open_file(d, ctx, "metrics.jsonl", lengths->metrics, &d->metrics);
    if (status == MN_OK) {
        status = open_file(d, ctx, "timing.jsonl", lengths->timing, &d->timing);
    }
    if (status == MN_OK && nas_model_n_mixtures(e->model) > 0) {
        status = open_file(d, ctx, "architecture.csv", lengths->architecture, &d->architecture);
    }
    return status != MN_OK ? status : open_steps(d, ctx, lengths->steps);
}

struct nas_append_log *nas_rundir_steps(struct nas_rundir *d, struct mn_ctx *ctx) {
    return d->steps.fd >= 0 || open_file(d, ctx, "steps.csv", 0, &d->steps) == MN_OK ? &d->steps
                                                                                     : NULL;
}

/* Commands hold the folder from before they read it. */
static int hold(struct nas_rundir *d, struct mn_ctx *ctx, const char *path) {
    int status = nas_folder_make(ctx, path);
    if (status == MN_OK && !nas_folder_is_locked(ctx, path)) {
        status = nas_folder_lock(ctx, path, &d->folder);
    }
    if (status == MN_OK) {
        nas_checkpoint_store_clean(ctx, path);
    }
    return status;
}

/* The configuration of a new run is there before any other file, so that `resume` can begin it anew
 * at any time. */
int nas_rundir_open(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                    const struct nas_state *state, const char *path) {
    struct lengths lengths;
    memset(d, 0, sizeof *d);
    d->metrics.fd = d->timing.fd = d->architecture.fd = d->steps.fd = -1;
    d->path = path;
    d->saved = -1;
    int status = hold(d, ctx, path);
    if (status == MN_OK && !state->loaded) {
        status = check_unused(d, ctx);
        if (status == MN_OK) {
            status = write_config(d, e, ctx);
        }
    }
    if (status == MN_OK) {
        status = lengths_of(d, e, ctx, state, &lengths);
    }
    if (status == MN_OK) {
        status = open_files(d, e, ctx, &lengths);
    }
    if (status == MN_OK && state->loaded) {
        status = nas_checkpoint_store_restore(ctx, path, state->source);
        d->saved = state->meta_epoch;
        d->evaluated = state->evaluated;
        if (status == MN_OK) {
            status = write_config(d, e, ctx);
        }
    }
    return status == MN_OK && !state->loaded ? nas_rundir_save(d, e, ctx, state) : status;
}

static void close_files(struct nas_rundir *d) {
    nas_append_log_close(&d->metrics);
    nas_append_log_close(&d->timing);
    nas_append_log_close(&d->architecture);
    nas_append_log_close(&d->steps);
}

int nas_rundir_back(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                    const struct nas_state *state) {
    struct lengths lengths;
    int status = lengths_of(d, e, ctx, state, &lengths);
    close_files(d);
    d->steps = (struct nas_append_log){.fd = -1};
    if (status == MN_OK) {
        status = open_files(d, e, ctx, &lengths);
    }
    d->behind = 1;
    return status;
}

/* What is on the disk, whatever was meant to be: a rename may have worked, a sync after it not. */
int64_t nas_rundir_on_disk(const struct nas_rundir *d, struct mn_ctx *ctx) {
    struct nas_safetensors file;
    char path[PATH_MAX];
    int64_t meta_epoch = -1;
    const char *text;
    if (!nas_folder_is_locked(ctx, d->path) || in_dir(d, ctx, NAS_CHECKPOINT_FILE, path) != MN_OK ||
        nas_safetensors_read(ctx, path, &file) != MN_OK) {
        return -1;
    }
    text = nas_safetensors_meta(&file, "meta_epoch");
    if (text == NULL || !nas_text_int(text, &meta_epoch)) {
        meta_epoch = -1;
    }
    nas_safetensors_fini(&file);
    return meta_epoch;
}

void nas_rundir_close(struct nas_rundir *d, struct mn_ctx *ctx) {
    close_files(d);
    nas_folder_unlock(ctx, &d->folder);
}
