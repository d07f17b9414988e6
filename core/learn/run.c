/* SPDX-License-Identifier: MIT */
#include "learn/run.h"

#include "base/text.h"
#include "learn/config_diff.h"
#include "learn/configuration.h"
#include "learn/schedules.h"

#include <inttypes.h>

/* ---- going on ----------------------------------------------------------------------------- */

int nas_run_check(const struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_state *state,
                  int accept) {
    const struct nas_metadata *then = state->metadata;
    const int n = state->n_metadata;
    const char *path = state->source, *seed = nas_metadata_find(n, then, "seed");
    const char *config = nas_metadata_find(n, then, "config");
    struct nas_config_diff d = {"", "", ""};
    int64_t before;
    if (seed == NULL || !nas_text_int(seed, &before) || before != e->run.seed) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: was made with run.seed %s, the configuration has %" PRId64, path,
                       seed != NULL ? seed : "unknown", e->run.seed);
    }
    if (config != NULL) {
        TRY(nas_config_diff_find(e, ctx, path, config, nas_config_may_change, &d));
    }
    if (d.key[0] != '\0' && !accept) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: was made with another configuration: %s was %s, now it is %s; "
                       "--accept-changes goes on all the same",
                       path, d.key, d.there, d.here);
    }
    if (d.key[0] != '\0') {
        mn_log(ctx, MN_LOG_WARN,
               "%s: %s was %s, now it is %s: the configuration no longer tells how this run came "
               "about",
               path, d.key, d.there, d.here);
    }
    TRY(nas_provenance_check(&e->provenance, ctx,
                             NAS_MADE_BY_PLUGIN | NAS_MADE_FROM_DATA | NAS_MADE_BY_PROGRAM, path, n,
                             then, accept));
    if (config != NULL && nas_config_int(config, "run", "meta_epochs", &before)) {
        nas_schedules_tell(e, ctx, before, state->meta_epoch);
    }
    return MN_OK;
}

/* ---- the directory ------------------------------------------------------------------------ */

static struct nas_rundir_start start_of(const struct nas_state *s) {
    return (struct nas_rundir_start){s->loaded ? s->source : NULL, s->meta_epoch, s->evaluated,
                                     s->n_metadata, s->metadata};
}

int nas_run_open(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                 const struct nas_state *state, const char *path) {
    CLEANUP(nas_free) char *config = NULL;
    const struct nas_rundir_start start = start_of(state);
    struct nas_rundir_plan plan = {.searches = nas_model_n_mixtures(e->model) > 0,
                                   .checkpoint_every = e->run.checkpoint_every,
                                   .keep_checkpoints = e->run.keep_checkpoints};
    *d = (struct nas_rundir){.path = path, .saved = -1};
    d->metrics.fd = d->timing.fd = d->architecture.fd = d->steps.fd = -1;
    if (state->loaded) {
        TRY(nas_run_check(e, ctx, state, state->accept_changes));
    }
    TRY(nas_config_text(e, ctx, &config));
    plan.config = config;
    plan.config_length = strlen(config);
    TRY(nas_rundir_open(d, ctx, path, &plan, &start));
    d->plan.config = NULL;
    return state->loaded ? MN_OK : nas_run_save(d, e, ctx, state);
}

int nas_run_back(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                 const struct nas_state *state) {
    const struct nas_rundir_start start = start_of(state);
    if (state->loaded) {
        TRY(nas_run_check(e, ctx, state, state->accept_changes));
    }
    return nas_rundir_back(d, ctx, &start);
}

int nas_run_save(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                 const struct nas_state *state) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_checkpoint checkpoint;
    if (nas_rundir_has(d, state->meta_epoch, state->evaluated)) {
        return MN_OK;
    }
    TRY(nas_state_checkpoint(e, ctx, state, &arena, &checkpoint));
    return nas_rundir_save(d, ctx, &checkpoint);
}

int nas_run_save_best(struct nas_rundir *d, const struct nas_experiment *e, struct mn_ctx *ctx,
                      const struct nas_state *state, const struct nas_evaluation *v) {
    char path[PATH_MAX], accuracy[40], interval[40], tasks[32];
    TRY(nas_folder_file(ctx, d->path, "best.safetensors", path));
    nas_text_from_real(v->record.accuracy_mean, accuracy, sizeof accuracy);
    nas_text_finite(v->record.accuracy_ci95, "none", interval, sizeof interval);
    snprintf(tasks, sizeof tasks, "%" PRId64, v->tasks);
    const struct nas_metadata extra[] = {
        {"validation_accuracy", accuracy},
        {"validation_ci95", interval},
        {"validation_tasks", tasks},
        {"validation_batch_norm", nas_batch_norm_name(e)},
    };
    return nas_state_save(e, ctx, path, state, sizeof extra / sizeof extra[0], extra);
}
