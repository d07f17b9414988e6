/* SPDX-License-Identifier: MIT */
#include "store/rundir.h"

#include "base/file.h"
#include "base/text.h"
#include "store/checkpoint_store.h"

#include <inttypes.h>
#include <unistd.h>

/* ---- saving ------------------------------------------------------------------------------- */

int nas_rundir_has(const struct nas_rundir *d, int64_t meta_epoch, int64_t evaluated) {
    return d->saved == meta_epoch && d->evaluated == evaluated && !d->behind;
}

int nas_rundir_save(struct nas_rundir *d, struct mn_ctx *ctx, const struct nas_checkpoint *c) {
    struct nas_append_log *const logs[] = {&d->metrics, &d->timing, &d->architecture, &d->steps};
    const int64_t every = d->plan.checkpoint_every;
    char path[PATH_MAX], metrics[32], architecture[32], steps[32];
    if (nas_rundir_has(d, c->meta_epoch, c->evaluated)) {
        return MN_OK;
    }
    for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
        if (logs[i]->fd >= 0) {
            TRY(nas_append_log_sync(logs[i], ctx));
        }
    }
    /* Only what the schedule asks for is kept: an interrupted run then keeps what any other does.
     */
    if (every > 0 && d->saved > 0 && d->saved % every == 0 && d->saved != c->meta_epoch &&
        d->plan.keep_checkpoints > 1) {
        TRY(nas_checkpoint_store_keep(ctx, d->path, d->saved));
    }
    /* timing.jsonl has no length here: equal runs have equal checkpoints. */
    snprintf(metrics, sizeof metrics, "%" PRId64, d->metrics.length);
    snprintf(architecture, sizeof architecture, "%" PRId64, d->architecture.length);
    snprintf(steps, sizeof steps, "%" PRId64, d->steps.length);
    const struct nas_metadata lengths[] = {
        {"metrics_bytes", metrics}, {"architecture_bytes", architecture}, {"steps_bytes", steps}};
    TRY(nas_folder_file(ctx, d->path, NAS_CHECKPOINT_FILE, path));
    TRY(nas_checkpoint_write(ctx, path, c, sizeof lengths / sizeof lengths[0], lengths));
    d->behind = 0;
    d->saved = c->meta_epoch;
    d->evaluated = c->evaluated;
    return nas_checkpoint_store_trim(ctx, d->path, d->saved, d->plan.keep_checkpoints - 1);
}

/* ---- opening ------------------------------------------------------------------------------ */

static int write_config(struct nas_rundir *d, struct mn_ctx *ctx) {
    char path[PATH_MAX];
    TRY(nas_folder_file(ctx, d->path, "config.resolved.yaml", path));
    return nas_file_replace(ctx, path, d->plan.config, d->plan.config_length);
}

/* Bytes of the files of lines that belong to a start. */
struct lengths {
    int64_t metrics, timing, architecture, steps;
};

/* Bytes that the checkpoint tells of; 0 where it was made before there was a file of this kind. */
static int length_of(struct mn_ctx *ctx, const struct nas_rundir_start *start, const char *key,
                     int64_t *out) {
    const char *text = nas_metadata_find(start->n_meta, start->metadata, key);
    const int optional = strcmp(key, "metrics_bytes") != 0;
    return (text == NULL && optional) || (text != NULL && nas_text_int(text, out) && *out >= 0)
               ? MN_OK
               : mn_fail(ctx, MN_IO, "%s: does not say how long the metrics files were",
                         start->source);
}

/* For a new run nothing belongs to it. */
static int read_lengths(struct nas_rundir *d, struct mn_ctx *ctx,
                        const struct nas_rundir_start *start, struct lengths *lengths) {
    char path[PATH_MAX];
    int64_t fitting = 0;
    *lengths = (struct lengths){0};
    if (start->source == NULL) {
        return MN_OK;
    }
    TRY(length_of(ctx, start, "metrics_bytes", &lengths->metrics));
    TRY(length_of(ctx, start, "architecture_bytes", &lengths->architecture));
    TRY(length_of(ctx, start, "steps_bytes", &lengths->steps));
    TRY(nas_folder_file(ctx, d->path, "timing.jsonl", path));
    TRY(nas_jsonl_until(ctx, path, start->meta_epoch, start->evaluated, &lengths->timing));
    TRY(nas_folder_file(ctx, d->path, "metrics.jsonl", path));
    TRY(nas_jsonl_until(ctx, path, start->meta_epoch, start->evaluated, &fitting));
    if (fitting < lengths->metrics) {
        mn_log(ctx, MN_LOG_WARN,
               "%s/metrics.jsonl: the checkpoint was written after %" PRId64
               " bytes of it, but only %" PRId64
               " there belong to it; what is lost stays lost, and the run goes on",
               d->path, lengths->metrics, fitting);
        lengths->metrics = fitting;
    }
    return MN_OK;
}

static int open_file(struct nas_rundir *d, struct mn_ctx *ctx, const char *name, int64_t length,
                     struct nas_append_log *out) {
    char path[PATH_MAX];
    TRY(nas_folder_file(ctx, d->path, name, path));
    return nas_append_log_open(out, ctx, path, length);
}

static int open_files(struct nas_rundir *d, struct mn_ctx *ctx, const struct lengths *lengths) {
    char steps[PATH_MAX];
    TRY(open_file(d, ctx, "metrics.jsonl", lengths->metrics, &d->metrics));
    TRY(open_file(d, ctx, "timing.jsonl", lengths->timing, &d->timing));
    if (d->plan.searches) {
        TRY(open_file(d, ctx, "architecture.csv", lengths->architecture, &d->architecture));
    }
    /* steps.csv comes into being with its first line. */
    TRY(nas_folder_file(ctx, d->path, "steps.csv", steps));
    return lengths->steps == 0 && access(steps, F_OK) != 0
               ? MN_OK
               : nas_append_log_open(&d->steps, ctx, steps, lengths->steps);
}

struct nas_append_log *nas_rundir_steps(struct nas_rundir *d, struct mn_ctx *ctx) {
    return d->steps.fd >= 0 || open_file(d, ctx, "steps.csv", 0, &d->steps) == MN_OK ? &d->steps
                                                                                     : NULL;
}

int nas_rundir_open(struct nas_rundir *d, struct mn_ctx *ctx, const char *path,
                    const struct nas_rundir_plan *plan, const struct nas_rundir_start *start) {
    struct lengths lengths;
    char newest[PATH_MAX];
    *d = (struct nas_rundir){.path = path, .plan = *plan, .saved = -1};
    d->metrics.fd = d->timing.fd = d->architecture.fd = d->steps.fd = -1;
    TRY(nas_folder_make(ctx, path));
    if (!nas_folder_is_locked(ctx, path)) { /* commands lock it before they read it */
        TRY(nas_folder_lock(ctx, path, &d->folder));
    }
    nas_checkpoint_store_clean(ctx, path);
    if (start->source == NULL) {
        TRY(nas_folder_file(ctx, path, NAS_CHECKPOINT_FILE, newest));
        if (nas_file_exists(ctx, newest)) {
            return mn_fail(ctx, MN_CONFIG,
                           "%s holds a run already; 'metanas resume %s' goes on with it, another "
                           "--out starts anew",
                           path, path);
        }
        TRY(write_config(d, ctx)); /* first, so that `resume` can begin it anew at any time */
    }
    TRY(read_lengths(d, ctx, start, &lengths));
    TRY(open_files(d, ctx, &lengths));
    if (start->source == NULL) {
        return MN_OK;
    }
    d->saved = start->meta_epoch;
    d->evaluated = start->evaluated;
    TRY(nas_checkpoint_store_restore(ctx, path, start->source));
    return write_config(d, ctx);
}

static void close_files(struct nas_rundir *d) {
    nas_append_log_close(&d->metrics);
    nas_append_log_close(&d->timing);
    nas_append_log_close(&d->architecture);
    nas_append_log_close(&d->steps);
}

int nas_rundir_back(struct nas_rundir *d, struct mn_ctx *ctx,
                    const struct nas_rundir_start *start) {
    struct lengths lengths;
    const int status = read_lengths(d, ctx, start, &lengths);
    close_files(d);
    d->behind = 1;
    TRY(status);
    return open_files(d, ctx, &lengths);
}

/* What is on the disk, whatever was meant to be: a rename may have worked, a sync after it not. */
int64_t nas_rundir_on_disk(const struct nas_rundir *d, struct mn_ctx *ctx) {
    CLEANUP(nas_safetensors_fini) struct nas_safetensors file = {0};
    char path[PATH_MAX];
    int64_t meta_epoch;
    if (!nas_folder_is_locked(ctx, d->path) ||
        nas_folder_file(ctx, d->path, NAS_CHECKPOINT_FILE, path) != MN_OK ||
        nas_safetensors_read(ctx, path, &file) != MN_OK) {
        return -1;
    }
    const char *text = nas_safetensors_meta(&file, "meta_epoch");
    return text != NULL && nas_text_int(text, &meta_epoch) ? meta_epoch : -1;
}

void nas_rundir_close(struct nas_rundir *d, struct mn_ctx *ctx) {
    close_files(d);
    nas_folder_unlock(ctx, &d->folder);
}
