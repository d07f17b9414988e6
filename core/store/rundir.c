/* SPDX-License-Identifier: MIT */
#include "store/rundir.h"

#include "base/file.h"
#include "base/text.h"
#include "store/checkpoint_store.h"

#include <inttypes.h>

/* The files of lines. A checkpoint tells the length of those with a key; not of timing.jsonl, for
 * equal runs have equal checkpoints. */
enum { METRICS, TIMING, ARCHITECTURE, STEPS, FILES };
static const struct {
    const char *name, *key;
    size_t offset;
} files[FILES] = {
    {"metrics.jsonl", "metrics_bytes", offsetof(struct nas_rundir, metrics)},
    {"timing.jsonl", NULL, offsetof(struct nas_rundir, timing)},
    {"architecture.csv", "architecture_bytes", offsetof(struct nas_rundir, architecture)},
    {"steps.csv", "steps_bytes", offsetof(struct nas_rundir, steps)}};

static struct nas_append_log *log_of(struct nas_rundir *d, int file) {
    return (void *)((char *)d + files[file].offset);
}

/* ---- saving ------------------------------------------------------------------------------- */

int nas_rundir_has(const struct nas_rundir *d, int64_t meta_epoch, int64_t evaluated) {
    return d->saved == meta_epoch && d->evaluated == evaluated && !d->behind;
}

int nas_rundir_save(struct nas_rundir *d, struct mn_ctx *ctx, const struct nas_checkpoint *c) {
    const int64_t every = d->plan.checkpoint_every;
    struct nas_metadata lengths[FILES];
    char path[PATH_MAX], digits[FILES][32];
    int n = 0;
    if (nas_rundir_has(d, c->meta_epoch, c->evaluated)) {
        return MN_OK;
    }
    for (int i = 0; i < FILES; i++) {
        struct nas_append_log *log = log_of(d, i);
        if (log->fd >= 0) {
            TRY(nas_append_log_sync(log, ctx));
        }
        if (files[i].key != NULL) {
            snprintf(digits[i], sizeof digits[i], "%" PRId64, log->length);
            lengths[n++] = (struct nas_metadata){files[i].key, digits[i]};
        }
    }
    /* Only what the schedule asks for is kept: an interrupted run then keeps what any other does.
     */
    if (every > 0 && d->saved > 0 && d->saved % every == 0 && d->saved != c->meta_epoch &&
        d->plan.keep_checkpoints > 1) {
        TRY(nas_checkpoint_store_keep(ctx, d->path, d->saved));
    }
    TRY(nas_folder_file(ctx, d->path, NAS_CHECKPOINT_FILE, path));
    TRY(nas_checkpoint_write(ctx, path, c, n, lengths));
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

/* Bytes of the files that belong to a start: of a new run none. */
static int read_lengths(struct nas_rundir *d, struct mn_ctx *ctx,
                        const struct nas_rundir_start *start, int64_t lengths[FILES]) {
    char path[PATH_MAX];
    int64_t fitting = 0;
    memset(lengths, 0, FILES * sizeof *lengths);
    if (start->source == NULL) {
        return MN_OK;
    }
    for (int i = 0; i < FILES; i++) {
        const char *text = files[i].key != NULL
                               ? nas_metadata_find(start->n_meta, start->metadata, files[i].key)
                               : NULL;
        if (text == NULL && i != METRICS) { /* made before there was such a file */
            continue;
        }
        if (text == NULL || !nas_text_int(text, &lengths[i]) || lengths[i] < 0) {
            return mn_fail(ctx, MN_IO, "%s: does not say how long the metrics files were",
                           start->source);
        }
    }
    TRY(nas_folder_file(ctx, d->path, files[TIMING].name, path));
    TRY(nas_jsonl_until(ctx, path, start->meta_epoch, start->evaluated, &lengths[TIMING]));
    TRY(nas_folder_file(ctx, d->path, files[METRICS].name, path));
    TRY(nas_jsonl_until(ctx, path, start->meta_epoch, start->evaluated, &fitting));
    if (fitting < lengths[METRICS]) {
        mn_log(ctx, MN_LOG_WARN,
               "%s: the checkpoint was written after %" PRId64 " bytes of it, but only %" PRId64
               " there belong to it; what is lost stays lost, and the run goes on",
               path, lengths[METRICS], fitting);
        lengths[METRICS] = fitting;
    }
    return MN_OK;
}

static int open_files(struct nas_rundir *d, struct mn_ctx *ctx, const int64_t lengths[FILES]) {
    char path[PATH_MAX];
    for (int i = 0; i < FILES; i++) {
        TRY(nas_folder_file(ctx, d->path, files[i].name, path));
        if ((i == ARCHITECTURE && !d->plan.searches) ||
            (i == STEPS && lengths[i] == 0 && !nas_file_exists(ctx, path))) {
            continue; /* steps.csv is made with its first line */
        }
        TRY(nas_append_log_open(log_of(d, i), ctx, path, lengths[i]));
    }
    return MN_OK;
}

struct nas_append_log *nas_rundir_steps(struct nas_rundir *d, struct mn_ctx *ctx) {
    char path[PATH_MAX];
    return d->steps.fd >= 0 || (nas_folder_file(ctx, d->path, files[STEPS].name, path) == MN_OK &&
                                nas_append_log_open(&d->steps, ctx, path, 0) == MN_OK)
               ? &d->steps
               : NULL;
}

int nas_rundir_open(struct nas_rundir *d, struct mn_ctx *ctx, const char *path,
                    const struct nas_rundir_plan *plan, const struct nas_rundir_start *start) {
    int64_t lengths[FILES];
    char newest[PATH_MAX];
    *d = (struct nas_rundir){.path = path, .plan = *plan, .saved = -1};
    for (int i = 0; i < FILES; i++) {
        log_of(d, i)->fd = -1;
    }
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
    TRY(read_lengths(d, ctx, start, lengths));
    TRY(open_files(d, ctx, lengths));
    if (start->source == NULL) {
        return MN_OK;
    }
    d->saved = start->meta_epoch;
    d->evaluated = start->evaluated;
    TRY(nas_checkpoint_store_restore(ctx, path, start->source));
    return write_config(d, ctx);
}

static void close_files(struct nas_rundir *d) {
    for (int i = 0; i < FILES; i++) {
        nas_append_log_close(log_of(d, i));
    }
}

int nas_rundir_back(struct nas_rundir *d, struct mn_ctx *ctx,
                    const struct nas_rundir_start *start) {
    int64_t lengths[FILES];
    const int status = read_lengths(d, ctx, start, lengths);
    close_files(d);
    d->behind = 1;
    TRY(status);
    return open_files(d, ctx, lengths);
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
