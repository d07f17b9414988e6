/* SPDX-License-Identifier: MIT */
#include "store/checkpoint.h"

#include "base/text.h"

#include <inttypes.h>

#define FORMAT "metanas checkpoint 1"

/* Numbers in run.log: those of `log`, meta_epoch, evaluated. */
enum { SUMS = 4, LOG = SUMS + 2 };

/* ---- writing ------------------------------------------------------------------------------ */

int nas_checkpoint_write(struct mn_ctx *ctx, const char *path, const struct nas_checkpoint *c,
                         int n_extra, const struct nas_metadata *extra) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    double log[LOG];
    char epoch[32], best[40], best_epoch[32], rollbacks[32];
    struct nas_safetensor *tensors = nas_arena_array(&arena, (size_t)c->n + 1, sizeof *tensors);
    struct nas_metadata *meta =
        nas_arena_array(&arena, (size_t)c->n_meta + (size_t)n_extra + 5, sizeof *meta);
    if (tensors == NULL || meta == NULL) {
        return mn_fail(ctx, MN_NOMEM, "%s: no memory to write it", path);
    }
    memcpy(log, c->log, sizeof c->log);
    log[SUMS] = (double)c->meta_epoch;
    log[SUMS + 1] = (double)c->evaluated;
    memcpy(tensors, c->tensors, (size_t)c->n * sizeof *tensors);
    tensors[c->n] = (struct nas_safetensor){
        .name = "run.log", .dtype = NAS_F64, .n_dims = 1, .dims = {LOG}, .data = log};
    int n = 0;
    snprintf(epoch, sizeof epoch, "%" PRId64, c->meta_epoch);
    meta[n++] = (struct nas_metadata){"format", FORMAT};
    meta[n++] = (struct nas_metadata){"meta_epoch", epoch};
    if (c->best >= 0) {
        nas_text_from_real(c->best, best, sizeof best);
        snprintf(best_epoch, sizeof best_epoch, "%" PRId64, c->best_epoch);
        meta[n++] = (struct nas_metadata){"best_accuracy", best};
        meta[n++] = (struct nas_metadata){"best_meta_epoch", best_epoch};
    }
    if (c->rollbacks > 0) {
        snprintf(rollbacks, sizeof rollbacks, "%" PRId64, c->rollbacks);
        meta[n++] = (struct nas_metadata){"rollbacks", rollbacks};
    }
    for (int i = 0; i < c->n_meta; i++) {
        meta[n++] = c->metadata[i];
    }
    for (int i = 0; i < n_extra; i++) {
        meta[n++] = extra[i];
    }
    return nas_safetensors_write(ctx, path, c->n + 1, tensors, n, meta);
}

/* ---- reading ------------------------------------------------------------------------------ */

int nas_checkpoint_read(struct mn_ctx *ctx, const char *path, struct nas_safetensors *file,
                        struct nas_checkpoint *out) {
    CLEANUP(nas_safetensors_fini) struct nas_safetensors read = {0};
    *file = read;
    *out = (struct nas_checkpoint){.best = -1};
    TRY(nas_safetensors_read(ctx, path, &read));
    const char *format = nas_safetensors_meta(&read, "format");
    if (format == NULL || strcmp(format, FORMAT) != 0) {
        return mn_fail(ctx, MN_CONFIG, "%s: its format is '%s', this program reads '%s'", path,
                       format != NULL ? format : "(none)", FORMAT);
    }
    if (nas_safetensors_meta(&read, "crc32") == NULL) {
        return mn_fail(ctx, MN_IO, "%s: damaged: its checksum is missing", path);
    }
    const struct nas_safetensor *t = nas_safetensors_find(&read, "run.log");
    if (t == NULL || t->dtype != NAS_F64 || t->n_dims != 1 || t->dims[0] != LOG) {
        return mn_fail(ctx, MN_CONFIG, "%s: no run.log of %d numbers: not a checkpoint", path, LOG);
    }
    const double *log = t->data;
    if (!(log[SUMS] >= 0 && log[SUMS] <= 1e15 && log[SUMS + 1] >= 0 && log[SUMS + 1] <= 1e15)) {
        return mn_fail(ctx, MN_IO, "%s: run.log holds an impossible meta-epoch", path);
    }
    memcpy(out->log, log, sizeof out->log);
    out->meta_epoch = (int64_t)log[SUMS];
    out->evaluated = (int64_t)log[SUMS + 1];
    /* Checkpoints of before a validation or a rollback do not tell of one. */
    const char *best = nas_safetensors_meta(&read, "best_accuracy");
    const char *epoch = nas_safetensors_meta(&read, "best_meta_epoch");
    const char *rollbacks = nas_safetensors_meta(&read, "rollbacks");
    if ((best != NULL || epoch != NULL) &&
        (best == NULL || epoch == NULL || !nas_text_real(best, &out->best) ||
         !nas_text_int(epoch, &out->best_epoch) || !(out->best >= 0 && out->best <= 1))) {
        return mn_fail(ctx, MN_IO, "%s: damaged: best_accuracy '%s' at best_meta_epoch '%s'", path,
                       best != NULL ? best : "", epoch != NULL ? epoch : "");
    }
    if (rollbacks != NULL && (!nas_text_int(rollbacks, &out->rollbacks) || out->rollbacks < 0)) {
        return mn_fail(ctx, MN_IO, "%s: damaged: '%s' rollbacks", path, rollbacks);
    }
    const int at = (int)(t - read.tensors); /* run.log is none of the learner's tensors */
    read.n--;
    memmove(read.tensors + at, read.tensors + at + 1, (size_t)(read.n - at) * sizeof *read.tensors);
    out->n = read.n;
    out->tensors = read.tensors;
    out->n_meta = read.n_meta;
    out->metadata = read.metadata;
    *file = read;
    read = (struct nas_safetensors){0};
    return MN_OK;
}
