/* SPDX-License-Identifier: MIT */
#include "learn/state.h"

#include "base/text.h"
#include "learn/config_diff.h"
#include "learn/task.h"
#include "store/checkpoint_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { REAL_TYPE = sizeof(mn_real) == 4 ? NAS_F32 : NAS_F64 };

/* ---- named state of the meta learner ------------------------------------------------------ */

enum { MOST_NAME = 100 };

static int claim(struct nas_state *s, struct mn_ctx *ctx, const char *name, int64_t n) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const size_t length = name != NULL ? strspn(name, letters) : 0;
    if (s == NULL) {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_state(\"%s\") may only be called by a meta learner's start", name);
    }
    if (length == 0 || length > MOST_NAME || name[length] != '\0') {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_state: a name has 1 to %d letters, digits, '_', '.' and '-'; this is an "
                       "error of the plugin",
                       MOST_NAME);
    }
    if (s->n_named == NAS_MOST_NAMED || n < 1 || n > NAS_MOST_REALS) {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_state(\"%s\", %" PRId64 "): at most %d states of 1 to %" PRId64 " reals",
                       name, n, NAS_MOST_NAMED, NAS_MOST_REALS);
    }
    struct nas_named *x = &s->named[s->n_named];
    x->name =
        nas_arena_format(&s->arena, "%s.%s%s", s->prefix, nas_ctx_of(ctx)->unit->within, name);
    x->at = nas_arena_zeroed(&s->arena, (size_t)n * sizeof *x->at);
    x->n = n;
    if (x->name == NULL || x->at == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for state %s", name);
    }
    for (int i = 0; i < s->n_named; i++) {
        if (strcmp(s->named[i].name, x->name) == 0) {
            return mn_fail(ctx, MN_INTERNAL,
                           "mn_state(\"%s\"): claimed twice, so no checkpoint could be read again; "
                           "this is an error of the plugin",
                           name);
        }
    }
    s->n_named++;
    return MN_OK;
}

mn_real *nas_service_state(struct mn_ctx *ctx, const char *name, int64_t n) {
    const struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    struct nas_state *s = scope != NULL ? scope->starting : NULL;
    return claim(s, ctx, name, n) == MN_OK ? s->named[s->n_named - 1].at : NULL;
}

static int start_meta_learner(const struct nas_experiment *e, const struct nas_meta_part *part,
                              struct mn_ctx *ctx, struct nas_state *state) {
    const struct mn_meta_learner *table = &part->unit->table.meta_learner;
    if (table->start == NULL) {
        return MN_OK;
    }
    state->prefix = part->prefix;
    struct nas_scope scope = {.starting = state};
    const struct mn_where before = ctx->where;
    ctx->where = nas_experiment_where(e, MN_TRAIN, 0);
    nas_ctx_of(ctx)->scope = &scope;
    struct nas_call call = nas_call_begin(ctx, part->unit);
    const int status = nas_call_end(&call, table->start(part->unit->self, ctx, &part->dims));
    nas_ctx_of(ctx)->scope = NULL;
    ctx->where = before;
    return status;
}

/* ---- tensors ------------------------------------------------------------------------------ */

static void add_tensor(struct nas_state *s, const char *name, int n_dims, const int64_t *dims,
                       const mn_real *reals) {
    struct nas_safetensor *t = &s->tensors[s->n_tensors++];
    *t = (struct nas_safetensor){.name = nas_arena_text(&s->arena, name),
                                 .dtype = (enum nas_dtype)REAL_TYPE,
                                 .n_dims = n_dims,
                                 .data = reals};
    memcpy(t->dims, dims, (size_t)n_dims * sizeof *dims);
}

/* Every tensor of a checkpoint, where it lies in the state. 0 = no memory. */
static int list_tensors(const struct nas_experiment *e, struct nas_state *s) {
    const struct mn_dims *d = nas_model_dims(e->model);
    const int segments[2] = {d->n_w_segments, d->n_a_segments};
    s->tensors = nas_arena_array(&s->arena, (size_t)(segments[0] + segments[1] + 1 + s->n_named),
                                 sizeof *s->tensors);
    for (int a = 0; s->tensors != NULL && a < 2; a++) {
        for (int i = 0; i < segments[a]; i++) {
            const struct mn_segment *x = nas_model_segment(e->model, a, i);
            add_tensor(s, x->name, x->n_dims, x->dims, (a ? s->meta.a : s->meta.w) + x->offset);
        }
    }
    if (s->tensors != NULL && e->n_state > 0) {
        add_tensor(s, "learner.state", 1, &e->n_state, s->learner);
    }
    for (int i = 0; s->tensors != NULL && i < s->n_named; i++) {
        add_tensor(s, s->named[i].name, 1, &s->named[i].n, s->named[i].at);
    }
    return !s->arena.failed;
}

int nas_state_new(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *out) {
    const struct mn_dims *d = nas_model_dims(e->model);
    memset(out, 0, sizeof *out);
    out->best = -1;
    out->meta.w = nas_arena_zeroed(&out->arena, (size_t)d->n_w * sizeof(mn_real));
    out->meta.a = nas_arena_zeroed(&out->arena, (size_t)d->n_a * sizeof(mn_real));
    out->learner = nas_arena_zeroed(&out->arena, (size_t)e->n_state * sizeof(mn_real));
    if (!out->meta.w || !out->meta.a || !out->learner) {
        nas_state_fini(out);
        return mn_fail(ctx, MN_NOMEM, "no memory for the weights");
    }
    nas_model_init(e->model, (uint64_t)e->run.seed, e->run.alpha_std, &out->meta);
    int status = MN_OK;
    for (int i = 0; status == MN_OK && i < e->n_meta; i++) {
        status = start_meta_learner(e, &e->meta[i], ctx, out);
    }
    if (status == MN_OK && !list_tensors(e, out)) {
        status = mn_fail(ctx, MN_NOMEM, "no memory for the names of the tensors");
    }
    if (status != MN_OK) {
        nas_state_fini(out);
    }
    return status;
}

void nas_state_fini(struct nas_state *state) {
    nas_arena_fini(&state->arena);
    memset(state, 0, sizeof *state);
}

int nas_state_parts(const struct nas_job *job, struct nas_job_part *out) {
    _Static_assert(NAS_MOST_PARTS == NAS_MOST_NAMED + 3, "every part of a state has room");
    const struct nas_state *state = job->state;
    const struct mn_dims *d = nas_model_dims(job->e->model);
    const int64_t real = sizeof(mn_real);
    int n = 0;
    out[n++] = (struct nas_job_part){state->meta.w, d->n_w * real};
    out[n++] = (struct nas_job_part){state->meta.a, d->n_a * real};
    out[n++] = (struct nas_job_part){state->learner, job->e->n_state * real};
    for (int i = 0; i < state->n_named; i++) {
        out[n++] = (struct nas_job_part){state->named[i].at, state->named[i].n * real};
    }
    return n;
}

/* ---- saving ------------------------------------------------------------------------------- */

int nas_state_checkpoint(const struct nas_experiment *e, struct mn_ctx *ctx,
                         const struct nas_state *s, struct nas_arena *arena,
                         struct nas_checkpoint *out) {
    CLEANUP(nas_free) char *text = NULL;
    TRY(nas_config_text(e, ctx, &text));
    const char *config = nas_arena_text(arena, text);
    struct nas_metadata *meta = nas_arena_array(arena, 3 + (size_t)e->provenance.n, sizeof *meta);
    const char *seed = nas_arena_format(arena, "%" PRId64, e->run.seed);
    const char *shape = nas_arena_format(arena, "%" PRId32 ",%" PRId32 ",%" PRId32,
                                         e->data.channels, e->data.height, e->data.width);
    *out = (struct nas_checkpoint){.meta_epoch = s->meta_epoch,
                                   .evaluated = s->evaluated,
                                   .best = s->best,
                                   .best_epoch = s->best_epoch,
                                   .rollbacks = s->rollbacks,
                                   .n = s->n_tensors,
                                   .tensors = s->tensors,
                                   .metadata = meta};
    memcpy(out->log, s->log, sizeof out->log);
    if (arena->failed) {
        return mn_fail(ctx, MN_NOMEM, "no memory to write a checkpoint");
    }
    meta[out->n_meta++] = (struct nas_metadata){"seed", seed};
    meta[out->n_meta++] = (struct nas_metadata){"image_shape", shape};
    meta[out->n_meta++] = (struct nas_metadata){"config", config};
    memcpy(meta + out->n_meta, e->provenance.at, (size_t)e->provenance.n * sizeof *meta);
    out->n_meta += e->provenance.n;
    return MN_OK;
}

int nas_state_save(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                   const struct nas_state *state, int n_extra, const struct nas_metadata *extra) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_checkpoint checkpoint;
    TRY(nas_state_checkpoint(e, ctx, state, &arena, &checkpoint));
    return nas_checkpoint_write(ctx, path, &checkpoint, n_extra, extra);
}

/* ---- loading ------------------------------------------------------------------------------ */

/* Copy a tensor of the file to its place in the state. */
static int load_tensor(struct mn_ctx *ctx, const char *path, const struct nas_safetensors *file,
                       const struct nas_safetensor *to) {
    const struct nas_safetensor *t = nas_safetensors_find(file, to->name);
    if (t == NULL) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: has no tensor %s: it was made with another configuration or plugin",
                       path, to->name);
    }
    if (t->n_dims != to->n_dims ||
        memcmp(t->dims, to->dims, (size_t)to->n_dims * sizeof *to->dims) != 0) {
        char here[128], there[128];
        nas_shape_text(to->n_dims, to->dims, here, sizeof here);
        nas_shape_text(t->n_dims, t->dims, there, sizeof there);
        const int ways =
            strcmp(to->name, "head.weight") == 0 && t->n_dims == 2 && t->dims[1] == to->dims[1];
        return mn_fail(ctx, MN_CONFIG, "%s: tensor %s has shape %s, this configuration needs %s%s",
                       path, to->name, there, here,
                       ways ? "; a linear head has a weight vector for each way that it was "
                              "trained with, so task.ways cannot change"
                            : "");
    }
    return nas_safetensor_reals(ctx, t, (mn_real *)(uintptr_t)to->data);
}

static int load(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                const struct nas_safetensors *file, const struct nas_checkpoint *from,
                struct nas_state *out) {
    TRY(nas_state_new(e, ctx, out));
    if (from->rollbacks > NAS_MOST_ROLLBACKS) {
        return mn_fail(ctx, MN_IO, "%s: damaged: '%" PRId64 "' rollbacks", path, from->rollbacks);
    }
    out->loaded = 1;
    out->meta_epoch = from->meta_epoch;
    out->evaluated = from->evaluated;
    out->best = from->best;
    out->best_epoch = from->best_epoch;
    out->rollbacks = from->rollbacks;
    memcpy(out->log, from->log, sizeof out->log);
    /* The file is closed after this. */
    struct nas_metadata *all = nas_arena_array(&out->arena, (size_t)from->n_meta + 1, sizeof *all);
    for (int i = 0; all != NULL && i < from->n_meta; i++) {
        all[i].key = nas_arena_text(&out->arena, from->metadata[i].key);
        all[i].value = nas_arena_text(&out->arena, from->metadata[i].value);
    }
    out->source = nas_arena_text(&out->arena, path);
    out->metadata = all;
    out->n_metadata = from->n_meta;
    if (out->arena.failed) {
        return mn_fail(ctx, MN_NOMEM, "%s: no memory for its metadata", path);
    }
    for (int i = 0; i < out->n_tensors; i++) {
        TRY(load_tensor(ctx, path, file, &out->tensors[i]));
    }
    for (int i = 0; i < file->n; i++) {
        int k = 0;
        while (k < out->n_tensors && strcmp(out->tensors[k].name, file->tensors[i].name) != 0) {
            k++;
        }
        if (k == out->n_tensors) {
            return mn_fail(ctx, MN_CONFIG,
                           "%s: tensor %s has no place in this configuration's network", path,
                           file->tensors[i].name);
        }
    }
    return MN_OK;
}

int nas_state_load(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                   struct nas_state *out) {
    CLEANUP(nas_safetensors_fini) struct nas_safetensors file = {0};
    struct nas_checkpoint checkpoint;
    memset(out, 0, sizeof *out);
    TRY(nas_checkpoint_read(ctx, path, &file, &checkpoint));
    const int status = load(e, ctx, path, &file, &checkpoint, out);
    if (status != MN_OK) {
        nas_state_fini(out);
    }
    return status;
}

/* ---- the checkpoints of a run ------------------------------------------------------------- */

struct loading {
    const struct nas_experiment *e;
    struct nas_state state;
};

static int load_next(void *data, struct mn_ctx *ctx, const char *path, int64_t *meta_epoch) {
    struct loading *l = data;
    nas_state_fini(&l->state);
    TRY(nas_state_load(l->e, ctx, path, &l->state));
    *meta_epoch = l->state.meta_epoch;
    return MN_OK;
}

int nas_state_load_newest(const struct nas_experiment *e, struct mn_ctx *ctx, const char *dir,
                          int64_t last, int64_t every, struct nas_state *out, int *found) {
    struct loading l = {.e = e};
    const int status = nas_checkpoint_store_load(ctx, dir, last, every, load_next, &l, found);
    if (status == MN_OK && *found) {
        *out = l.state;
    } else {
        nas_state_fini(&l.state);
    }
    return status;
}

int nas_state_resume(const struct nas_experiment *e, struct mn_ctx *ctx, const char *dir,
                     struct nas_state *out) {
    int found;
    TRY(nas_state_load_newest(e, ctx, dir, INT64_MAX, 0, out, &found));
    if (found) {
        return MN_OK;
    }
    mn_log(ctx, MN_LOG_WARN, "%s has no checkpoint: the run begins anew", dir);
    return nas_state_new(e, ctx, out);
}
