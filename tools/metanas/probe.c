/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <string.h>
#include <sys/stat.h>

void *probe_array(struct probe *probe, int64_t count, size_t size) {
    void *at = nas_arena_array(&probe->arena, (size_t)(count > 0 ? count : 1), size);
    if (at == NULL) {
        no_memory(probe->ctx);
        return NULL;
    }
    return memset(at, 0, (size_t)(count > 0 ? count : 1) * size);
}

/* ---- output --------------------------------------------------------------------------------- */

int probe_put(struct probe *probe, const char *name, enum nas_dtype dtype, int n_dims,
              const int64_t *dims, const void *data) {
    struct outputs *out = &probe->out;
    if (out->n == out->room) {
        const int room = out->room > 0 ? 2 * out->room : 64;
        struct nas_safetensor *at = probe_array(probe, room, sizeof *at);
        if (at == NULL) {
            return MN_NOMEM;
        }
        if (out->n > 0) {
            memcpy(at, out->at, (size_t)out->n * sizeof *at);
        }
        out->at = at;
        out->room = room;
    }
    struct nas_safetensor *t = &out->at[out->n++];
    *t = (struct nas_safetensor){.name = nas_arena_text(&probe->arena, name),
                                 .dtype = dtype,
                                 .n_dims = n_dims,
                                 .data = data};
    memcpy(t->dims, dims, (size_t)n_dims * sizeof *dims);
    return t->name != NULL ? MN_OK : no_memory(probe->ctx);
}

static int put_segments(struct probe *probe, const char *prefix, int architecture,
                        const mn_real *from) {
    const struct mn_model *model = probe->experiment.model;
    const struct mn_dims *d = nas_model_dims(model);
    const int n = architecture ? d->n_a_segments : d->n_w_segments;
    int status = MN_OK;
    for (int i = 0; status == MN_OK && i < n; i++) {
        const struct mn_segment *s = nas_model_segment(model, architecture, i);
        char name[256];
        snprintf(name, sizeof name, "%s%s", prefix, s->name);
        status = probe_put(probe, name, probe_real(), s->n_dims, s->dims, from + s->offset);
    }
    return status;
}

static int put_point(struct probe *probe, const char *prefix, const struct mn_point *at) {
    const int status = put_segments(probe, prefix, 0, at->w);
    return status == MN_OK ? put_segments(probe, prefix, 1, at->a) : status;
}

/* The mixtures of a group's edges become the rows of one tensor. */
static int put_mixtures(struct probe *probe, const mn_real *mixture) {
    const struct mn_model *model = probe->experiment.model;
    const int n = nas_model_n_mixtures(model);
    for (int i = 0, next; i < n; i = next) {
        const struct nas_mixture *x = nas_model_mixture(model, i);
        next = i + 1;
        while (next < n && !x->is_input && !nas_model_mixture(model, next)->is_input &&
               strcmp(nas_model_mixture(model, next)->group, x->group) == 0) {
            next++;
        }
        const int64_t dims[2] = {next - i, x->n_choices};
        char name[256];
        snprintf(name, sizeof name, "mixture.%s.%s", x->group, x->is_input ? "in" : "op");
        TRY(probe_put(probe, name, probe_real(), x->is_input ? 1 : 2, dims + x->is_input,
                      mixture + x->choice0));
    }
    return MN_OK;
}

/* ---- one pass ------------------------------------------------------------------------------- */

static int run_pass(struct probe *probe) {
    const struct mn_model *model = probe->experiment.model;
    const struct mn_dims *d = nas_model_dims(model);
    const uint32_t flags = MN_PASS_GRAD_W | (d->n_a > 0 ? MN_PASS_GRAD_A : 0u) |
                           (probe->flags->training ? MN_PASS_TRAINING : 0u);
    const struct mn_pass pass = {
        .size = sizeof pass, .flags = flags, .progress = probe->flags->progress};
    const struct mn_set batch = {.n = probe->n, .images = probe->images, .labels = probe->labels};
    const int64_t one[] = {1}, shape[] = {probe->n, d->ways};
    struct mn_point gradient;
    struct mn_outcome outcome = {.size = sizeof outcome};
    outcome.logits = probe_array(probe, (int64_t)probe->n * d->ways, sizeof(mn_real));
    outcome.mixture = probe_array(probe, d->n_choices, sizeof(mn_real));
    outcome.d_w = gradient.w = probe_array(probe, d->n_w, sizeof(mn_real));
    outcome.d_a = gradient.a = probe_array(probe, d->n_a, sizeof(mn_real));
    double *loss = probe_array(probe, 1, sizeof *loss);
    int64_t *hits = probe_array(probe, 1, sizeof *hits);
    TRY(nas_ctx_of(probe->ctx)->status);
    TRY(mn_model_pass(probe->ctx, model, &probe->state.meta, &batch, &pass, &outcome));
    *loss = outcome.loss;
    *hits = outcome.hits;
    TRY(probe_put(probe, "logits", probe_real(), 2, shape, outcome.logits));
    TRY(probe_put(probe, "loss", NAS_F64, 1, one, loss));
    TRY(probe_put(probe, "hits", NAS_I64, 1, one, hits));
    TRY(put_point(probe, "grad.", &gradient));
    return put_mixtures(probe, outcome.mixture);
}

/* ---- the command ---------------------------------------------------------------------------- */

static int same_file(const char *a, const char *b) {
    struct stat x, y;
    return strcmp(a, b) == 0 ||
           (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

static int check_flags(struct mn_ctx *ctx, const struct probe_flags *a) {
    if (a->init != NULL && (a->state != NULL || a->out != NULL || a->learn || a->meta)) {
        return mn_fail(ctx, MN_CONFIG,
                       "probe: --init stands alone with --shape; the other flags need --state");
    }
    if (a->init != NULL && a->shape == NULL) {
        return mn_fail(ctx, MN_CONFIG, "probe: --init needs --shape C,H,W");
    }
    if (a->init == NULL && a->shape != NULL) {
        return mn_fail(ctx, MN_CONFIG,
                       "probe: --shape goes with --init; otherwise 'images' tells the shape");
    }
    if (a->init == NULL && (a->state == NULL || a->out == NULL)) {
        return mn_fail(ctx, MN_CONFIG, "probe: %s is missing; see 'metanas probe --help'",
                       a->state == NULL ? "--state IN" : "--out OUT");
    }
    if (a->out != NULL && same_file(a->out, a->state)) {
        return mn_fail(ctx, MN_CONFIG, "probe: --out %s is the file of --state; give another name",
                       a->out);
    }
    if (a->learn && a->meta) {
        return mn_fail(ctx, MN_CONFIG, "probe: --learn and --meta exclude each other");
    }
    return MN_OK;
}

static int run_init(struct probe *probe) {
    int shape[3];
    struct mn_ctx *ctx = probe->ctx;
    const struct arguments *a = probe->arguments;
    const struct nas_open more = {.flags = NAS_OPEN_NO_DATA, .shape = shape, .batches.steps = 1};
    TRY(parse_shape(ctx, "probe", probe->flags->shape, shape));
    TRY(open_experiment(ctx, a, a->operand, &more, &probe->experiment));
    TRY(nas_state_new(&probe->experiment, ctx, &probe->state));
    return put_point(probe, "", &probe->state.meta);
}

/* Where in a run the probe stands: after the warm-up, unless told otherwise. */
static int set_where(struct probe *probe) {
    const struct nas_experiment *x = &probe->experiment;
    const struct probe_flags *a = probe->flags;
    if (a->meta_epoch >= 0 && a->meta_epoch >= x->run.meta_epochs) {
        return mn_fail(probe->ctx, MN_CONFIG,
                       "probe: --meta-epoch %lld, but the run has only %lld, from 0 "
                       "(run.meta_epochs)",
                       (long long)a->meta_epoch, (long long)x->run.meta_epochs);
    }
    const int64_t last = x->run.meta_epochs > 0 ? x->run.meta_epochs - 1 : 0;
    struct mn_where *where = &probe->ctx->where;
    *where = nas_experiment_where(x, a->split >= 0 ? a->split : MN_TRAIN,
                                  a->meta_epoch >= 0 ? a->meta_epoch : last);
    where->adapts = MN_ADAPTS_W | MN_ADAPTS_A;
    /* The logits that are written are then those that were read. */
    if (probe->mode != PROBE_PASS && nas_model_dims(x->model)->n_a > 0 &&
        (nas_experiment_adapts(x, where) & MN_ADAPTS_A) == 0) {
        mn_log(probe->ctx, MN_LOG_WARN,
               "%s does not adapt the logits at meta-epoch %lld of %lld (a warm-up, or a rate of "
               "0): they are written as they were read",
               x->task_learner.label, (long long)where->meta_epoch, (long long)x->run.meta_epochs);
    }
    return MN_OK;
}

static int run_state(struct probe *probe) {
    struct nas_workspace *workspace = NULL;
    TRY(probe_read(probe));
    TRY(set_where(probe));
    TRY(nas_workspace_new(probe->ctx, probe->experiment.model, &workspace));
    nas_ctx_of(probe->ctx)->workspace = workspace;
    const int status = probe->mode == PROBE_PASS ? run_pass(probe) : probe_learn(probe);
    nas_ctx_of(probe->ctx)->workspace = NULL;
    nas_workspace_free(workspace);
    TRY(status);
    return probe->mode != PROBE_PASS ? put_point(probe, "", &probe->state.meta) : MN_OK;
}

static int run(struct probe *probe) {
    const struct probe_flags *a = probe->flags;
    TRY(check_flags(probe->ctx, a));
    TRY(a->init != NULL ? run_init(probe) : run_state(probe));
    return nas_safetensors_write(probe->ctx, a->init != NULL ? a->init : a->out, probe->out.n,
                                 probe->out.at, 0, NULL);
}

static int run_probe(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct probe_flags *flags = arguments->flags;
    struct probe probe = {.ctx = ctx, .arguments = arguments, .flags = flags};
    probe.mode = flags->meta ? PROBE_META : flags->learn ? PROBE_LEARN : PROBE_PASS;
    const int status = run(&probe);
    nas_state_fini(&probe.state);
    nas_experiment_close(&probe.experiment);
    nas_arena_fini(&probe.arena);
    return status;
}

#define F struct probe_flags
static const struct mn_opt flags[] = {
    FLAG_TEXT(F, state, "--state", "IN",
              "safetensors file with weights, alphas, images and labels"),
    FLAG_TEXT(F, out, "-o, --out", "OUT", "safetensors file to write"),
    FLAG_REAL(F, progress, "--progress", "P", 1, 0, 1,
              "position in the task for annealed mixers, 0 to 1 (default 1)"),
    FLAG_SWITCH(F, learn, "--learn", "run the task learner over images [S,N,C,H,W]"),
    FLAG_SWITCH(F, meta, "--meta", "run it over T tasks, then the meta learner once"),
    FLAG_SWITCH(F, training, "--training", "drop path and mixer noise on"),
    FLAG_CHOICE(F, split, "--split", "SPLIT", nas_split_names,
                "train (default), val or test: whose settings hold"),
    FLAG_INT(F, meta_epoch, "--meta-epoch", "E", -1, 0,
             "meta-epoch to stand at (default: the last)"),
    FLAG_TEXT(F, init, "--init", "OUT", "write fresh weights and alphas instead"),
    FLAG_TEXT(F, shape, "--shape", "C,H,W", "image shape for --init"),
};

const struct command command_probe = {
    .name = "probe",
    .operand = "CONFIG",
    .doc = "run the configured model or learners on given tensors, write what they compute",
    .more = "  metanas probe CONFIG --state IN --out OUT [--progress P]   one forward and backward "
            "pass\n"
            "  metanas probe CONFIG --state IN --out OUT --learn          the task learner\n"
            "  metanas probe CONFIG --state IN --out OUT --meta           task and meta learner\n"
            "  metanas probe CONFIG --init OUT --shape C,H,W              an initial state\n"
            "No data set is needed. docs/state-names.md lists the tensors.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct probe_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option (may repeat)",
    .run = run_probe,
};
