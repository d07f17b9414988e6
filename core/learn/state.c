/* SPDX-License-Identifier: MIT */
#include "learn/state.h"

#include "base/text.h"
#include "learn/config_diff.h"
#include "learn/fingerprint.h"
#include "learn/task.h"
#include "store/provenance.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "metanas checkpoint 1"

enum { REAL_TYPE = sizeof(mn_real) == 4 ? NAS_F32 : NAS_F64, LOG = 6 };

/* ---- named state of the meta learner ------------------------------------------------------ */

enum { MOST_NAME = 100 };

static int is_name(const char *name) {
    const size_t n = name == NULL ? 0
                                  : strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-"
                                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return n > 0 && n <= MOST_NAME && name[n] == '\0';
}

static int is_claimed(const struct nas_state *s, const char *name) {
    const size_t prefix = strlen(s->prefix);
    for (int i = 0; i < s->n_named; i++) {
        const char *other = s->named[i].name;
        if (strncmp(other, s->prefix, prefix) == 0 && other[prefix] == '.' &&
            strcmp(other + prefix + 1, name) == 0) {
            return 1;
        }
    }
    return 0;
}

mn_real *nas_service_state(struct mn_ctx *ctx, const char *name, int64_t n) {
    const struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    struct nas_state *s = scope != NULL ? scope->starting : NULL;
    if (s == NULL) {
        mn_fail(ctx, MN_INTERNAL, "mn_state(\"%s\") may only be called by a meta learner's start",
                name);
        return NULL;
    }
    if (!is_name(name)) {
        mn_fail(ctx, MN_INTERNAL,
                "mn_state: a name has 1 to %d letters, digits, '_', '.' and '-'; this is an error "
                "of the plugin",
                MOST_NAME);
        return NULL;
    }
    if (is_claimed(s, name)) {
        mn_fail(ctx, MN_INTERNAL,
                "mn_state(\"%s\"): claimed twice, so no checkpoint could be read again; this is "
                "an error of the plugin",
                name);
        return NULL;
    }
    if (s->n_named == NAS_MOST_NAMED || n < 1 || n > NAS_MOST_REALS) {
        mn_fail(ctx, MN_INTERNAL,
                "mn_state(\"%s\", %" PRId64 "): at most %d states of 1 to %" PRId64 " reals", name,
                n, NAS_MOST_NAMED, NAS_MOST_REALS);
        return NULL;
    }
    mn_real *at = nas_arena_zeroed(&s->arena, (size_t)n * sizeof *at);
    const char *copy = nas_arena_format(&s->arena, "%s.%s", s->prefix, name);
    if (at == NULL || copy == NULL) {
        mn_fail(ctx, MN_NOMEM, "no memory for state %s", name);
        return NULL;
    }
    s->named[s->n_named].name = copy;
    s->named[s->n_named].at = at;
    s->named[s->n_named++].n = n;
    return at;
}

static int start_meta_learner(const struct nas_meta_part *part, struct mn_ctx *ctx,
                              struct nas_state *state) {
    const struct mn_meta_learner *table = &part->unit->table.meta_learner;
    if (table->start == NULL) {
        return MN_OK;
    }
    state->prefix = part->prefix;
    struct nas_scope scope = {.starting = state};
    nas_ctx_of(ctx)->scope = &scope;
    struct nas_call call = nas_call_begin(ctx, part->unit);
    const int status = nas_call_end(&call, table->start(part->unit->self, ctx, &part->dims));
    nas_ctx_of(ctx)->scope = NULL;
    return status;
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
        status = start_meta_learner(&e->meta[i], ctx, out);
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

int nas_state_parts(const struct nas_experiment *e, const struct nas_state *state,
                    struct nas_job_part *out) {
    const struct mn_dims *d = nas_model_dims(e->model);
    const int64_t real = sizeof(mn_real);
    int n = 0;
    out[n++] = (struct nas_job_part){state->meta.w, d->n_w * real};
    out[n++] = (struct nas_job_part){state->meta.a, d->n_a * real};
    out[n++] = (struct nas_job_part){state->learner, e->n_state * real};
    for (int i = 0; i < state->n_named; i++) {
        out[n++] = (struct nas_job_part){state->named[i].at, state->named[i].n * real};
    }
    return n;
}

/* ---- tensors of a state ------------------------------------------------------------------- */

/* Called for every tensor of a state; `reals` is where it lies. */
typedef int (*visitor)(void *data, const char *name, int n_dims, const int64_t *dims,
                       mn_real *reals);

static int visit_segments(const struct nas_experiment *e, const struct nas_state *s,
                          int architecture, visitor visit, void *data) {
    const struct mn_dims *d = nas_model_dims(e->model);
    const int n = architecture ? d->n_a_segments : d->n_w_segments;
    for (int i = 0; i < n; i++) {
        const struct mn_segment *segment = nas_model_segment(e->model, architecture, i);
        const int status = visit(data, segment->name, segment->n_dims, segment->dims,
                                 (architecture ? s->meta.a : s->meta.w) + segment->offset);
        if (status != MN_OK) {
            return status;
        }
    }
    return MN_OK;
}

static int visit_state(const struct nas_experiment *e, const struct nas_state *s, visitor visit,
                       void *data) {
    int status = visit_segments(e, s, 0, visit, data);
    if (status == MN_OK) {
        status = visit_segments(e, s, 1, visit, data);
    }
    if (status == MN_OK && e->n_state > 0) {
        status = visit(data, "learner.state", 1, &e->n_state, s->learner);
    }
    for (int i = 0; status == MN_OK && i < s->n_named; i++) {
        status = visit(data, s->named[i].name, 1, &s->named[i].n, s->named[i].at);
    }
    return status;
}

/* ---- saving ------------------------------------------------------------------------------- */

struct list {
    struct nas_safetensor *tensors;
    int n;
};

static int count_tensor(void *data, const char *name, int n_dims, const int64_t *dims,
                        mn_real *reals) {
    ((struct list *)data)->n++;
    return MN_OK;
}

static int list_tensor(void *data, const char *name, int n_dims, const int64_t *dims,
                       mn_real *reals) {
    struct list *list = data;
    struct nas_safetensor *t = &list->tensors[list->n++];
    *t = (struct nas_safetensor){
        .name = name, .dtype = (enum nas_dtype)REAL_TYPE, .n_dims = n_dims, .data = reals};
    memcpy(t->dims, dims, (size_t)n_dims * sizeof *dims);
    return MN_OK;
}

/* Every tensor of the state, then run.log from `log`. NULL = no memory. */
static struct nas_safetensor *list_all(const struct nas_experiment *e,
                                       const struct nas_state *state, const double *log,
                                       struct nas_arena *arena, int *n) {
    struct list list = {0};
    visit_state(e, state, count_tensor, &list);
    list.tensors = nas_arena_array(arena, (size_t)list.n + 1, sizeof *list.tensors);
    if (list.tensors == NULL) {
        return NULL;
    }
    list.n = 0;
    visit_state(e, state, list_tensor, &list);
    list.tensors[list.n++] = (struct nas_safetensor){
        .name = "run.log", .dtype = NAS_F64, .n_dims = 1, .dims = {LOG}, .data = log};
    *n = list.n;
    return list.tensors;
}

/* NULL = no memory. */
static struct nas_metadata *list_meta(const struct nas_experiment *e, const struct nas_state *state,
                                      const char *config, int n_extra,
                                      const struct nas_metadata *extra, struct nas_arena *arena,
                                      int *n) {
    const size_t most = (size_t)n_extra + 8 + NAS_PROVENANCE_ENTRIES;
    struct nas_metadata *meta = nas_arena_array(arena, most, sizeof *meta);
    const char *epoch = nas_arena_format(arena, "%" PRId64, state->meta_epoch);
    const char *seed = nas_arena_format(arena, "%" PRId64, e->run.seed);
    const char *shape = nas_arena_format(arena, "%" PRId32 ",%" PRId32 ",%" PRId32,
                                         e->data.channels, e->data.height, e->data.width);
    char best[40];
    nas_text_from_real(state->best, best, sizeof best);
    const char *best_accuracy = nas_arena_text(arena, best);
    const char *best_epoch = nas_arena_format(arena, "%" PRId64, state->best_epoch);
    const char *rollbacks = nas_arena_format(arena, "%" PRId64, state->rollbacks);
    if (meta == NULL || epoch == NULL || seed == NULL || shape == NULL || best_accuracy == NULL ||
        best_epoch == NULL || rollbacks == NULL) {
        return NULL;
    }
    int m = 0;
    meta[m++] = (struct nas_metadata){"format", FORMAT};
    meta[m++] = (struct nas_metadata){"meta_epoch", epoch};
    meta[m++] = (struct nas_metadata){"seed", seed};
    meta[m++] = (struct nas_metadata){"image_shape", shape};
    meta[m++] = (struct nas_metadata){"config", config};
    if (state->best >= 0) {
        meta[m++] = (struct nas_metadata){"best_accuracy", best_accuracy};
        meta[m++] = (struct nas_metadata){"best_meta_epoch", best_epoch};
    }
    if (state->rollbacks > 0) {
        meta[m++] = (struct nas_metadata){"rollbacks", rollbacks};
    }
    m += nas_provenance_describe(e, meta + m);
    for (int i = 0; i < n_extra; i++) {
        meta[m++] = extra[i];
    }
    *n = m;
    return meta;
}

int nas_state_save(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                   const struct nas_state *state, int n_extra, const struct nas_metadata *extra) {
    struct nas_arena arena = {0};
    int n = 0, m = 0;
    const double log[LOG] = {state->log[0],
                             state->log[1],
                             state->log[2],
                             state->log[3],
                             (double)state->meta_epoch,
                             (double)state->evaluated};
    size_t length;
    char *config;
    const int resolved = nas_config_text(e, ctx, &config, &length);
    if (resolved != MN_OK) {
        return resolved;
    }
    struct nas_safetensor *tensors = list_all(e, state, log, &arena, &n);
    struct nas_metadata *meta = list_meta(e, state, config, n_extra, extra, &arena, &m);
    const int status = tensors == NULL || meta == NULL
                           ? mn_fail(ctx, MN_NOMEM, "%s: no memory to write it", path)
                           : nas_safetensors_write(ctx, path, n, tensors, m, meta);
    free(config);
    nas_arena_fini(&arena);
    return status;
}

/* ---- loading ------------------------------------------------------------------------------ */

struct loading {
    struct mn_ctx *ctx;
    const char *path;
    const struct nas_safetensors *file;
};

static void shape_text(int n_dims, const int64_t *dims, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < n_dims && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%" PRId64, i > 0 ? ", " : "", dims[i]);
    }
    if (used < size) {
        snprintf(out + used, size - used, "]");
    }
}

static int load_tensor(void *data, const char *name, int n_dims, const int64_t *dims,
                       mn_real *reals) {
    struct loading *l = data;
    const struct nas_safetensor *t = nas_safetensors_find(l->file, name);
    if (t == NULL) {
        return mn_fail(l->ctx, MN_CONFIG,
                       "%s: has no tensor %s: it was made with another configuration or plugin",
                       l->path, name);
    }
    if (t->n_dims != n_dims || memcmp(t->dims, dims, (size_t)n_dims * sizeof *dims) != 0) {
        char here[128], there[128];
        shape_text(n_dims, dims, here, sizeof here);
        shape_text(t->n_dims, t->dims, there, sizeof there);
        return mn_fail(l->ctx, MN_CONFIG, "%s: tensor %s has shape %s, this configuration needs %s",
                       l->path, name, there, here);
    }
    return nas_safetensor_reals(l->ctx, t, reals);
}

/* Name of a tensor that is looked for, and whether it was found. */
struct search {
    const char *name;
    int found;
};

static int compare_name(void *data, const char *name, int n_dims, const int64_t *dims,
                        mn_real *reals) {
    struct search *search = data;
    search->found |= strcmp(search->name, name) == 0;
    return MN_OK;
}

static int check_extra(const struct loading *l, const struct nas_experiment *e,
                       const struct nas_state *state) {
    for (int i = 0; i < l->file->n; i++) {
        struct search search = {.name = l->file->tensors[i].name};
        search.found = strcmp(search.name, "run.log") == 0;
        visit_state(e, state, compare_name, &search);
        if (!search.found) {
            return mn_fail(l->ctx, MN_CONFIG,
                           "%s: tensor %s has no place in this configuration's network", l->path,
                           search.name);
        }
    }
    return MN_OK;
}

static int load_log(struct loading *l, struct nas_state *state) {
    const struct nas_safetensor *t = nas_safetensors_find(l->file, "run.log");
    if (t == NULL || t->dtype != NAS_F64 || t->n_dims != 1 || t->dims[0] != LOG) {
        return mn_fail(l->ctx, MN_CONFIG, "%s: no run.log of %d numbers: not a checkpoint", l->path,
                       LOG);
    }
    const double *log = t->data;
    memcpy(state->log, log, sizeof state->log);
    if (!(log[4] >= 0 && log[4] <= 1e15 && log[5] >= 0 && log[5] <= 1e15)) {
        return mn_fail(l->ctx, MN_IO, "%s: run.log holds an impossible meta-epoch", l->path);
    }
    state->meta_epoch = (int64_t)log[4];
    state->evaluated = (int64_t)log[5];
    return MN_OK;
}

/* Checkpoints without a validation, and those of before this was noted, have no best one. */
static int load_best(struct loading *l, struct nas_state *state) {
    const char *accuracy = nas_safetensors_meta(l->file, "best_accuracy");
    const char *epoch = nas_safetensors_meta(l->file, "best_meta_epoch");
    if (accuracy == NULL && epoch == NULL) {
        return MN_OK;
    }
    if (accuracy == NULL || epoch == NULL || !nas_text_real(accuracy, &state->best) ||
        !nas_text_int(epoch, &state->best_epoch) || !(state->best >= 0 && state->best <= 1)) {
        return mn_fail(l->ctx, MN_IO, "%s: damaged: best_accuracy '%s' at best_meta_epoch '%s'",
                       l->path, accuracy != NULL ? accuracy : "", epoch != NULL ? epoch : "");
    }
    return MN_OK;
}

static int load_rollbacks(struct loading *l, struct nas_state *state) {
    const char *text = nas_safetensors_meta(l->file, "rollbacks");
    if (text == NULL) {
        return MN_OK;
    }
    return nas_text_int(text, &state->rollbacks) && state->rollbacks >= 0 &&
                   state->rollbacks <= NAS_MOST_ROLLBACKS
               ? MN_OK
               : mn_fail(l->ctx, MN_IO, "%s: damaged: '%s' rollbacks", l->path, text);
}

static int load_all(const struct nas_experiment *e, struct loading *l, struct nas_state *out) {
    const char *format = nas_safetensors_meta(l->file, "format");
    if (format == NULL || strcmp(format, FORMAT) != 0) {
        return mn_fail(l->ctx, MN_CONFIG, "%s: its format is '%s', this program reads '%s'",
                       l->path, format != NULL ? format : "(none)", FORMAT);
    }
    if (nas_safetensors_meta(l->file, "crc32") == NULL) {
        return mn_fail(l->ctx, MN_IO, "%s: damaged: its checksum is missing", l->path);
    }
    int status = visit_state(e, out, load_tensor, l);
    if (status == MN_OK) {
        status = load_log(l, out);
    }
    if (status == MN_OK) {
        status = load_best(l, out);
    }
    if (status == MN_OK) {
        status = load_rollbacks(l, out);
    }
    const char *data = nas_safetensors_meta(l->file, NAS_DATA_KEY);
    out->source = nas_arena_text(&out->arena, l->path);
    out->data = data != NULL ? nas_arena_text(&out->arena, data) : NULL;
    if (status == MN_OK && (out->source == NULL || (data != NULL && out->data == NULL))) {
        status = mn_fail(l->ctx, MN_NOMEM, "%s: no memory for its name", l->path);
    }
    out->loaded = 1;
    return status != MN_OK ? status : check_extra(l, e, out);
}

int nas_state_load(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                   struct nas_state *out) {
    struct nas_safetensors file;
    memset(out, 0, sizeof *out);
    int status = nas_safetensors_read(ctx, path, &file);
    if (status != MN_OK) {
        return status;
    }
    status = nas_state_new(e, ctx, out);
    if (status == MN_OK) {
        struct loading l = {.ctx = ctx, .path = path, .file = &file};
        status = load_all(e, &l, out);
        if (status != MN_OK) {
            nas_state_fini(out);
        }
    }
    nas_safetensors_fini(&file);
    return status;
}
