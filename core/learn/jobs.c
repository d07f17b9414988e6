/* SPDX-License-Identifier: MIT */
#include "learn/jobs.h"

#include "exec/cluster/join.h"
#include "exec/cluster/lead.h"
#include "learn/config_diff.h"
#include "learn/evaluate.h"
#include "learn/meta_step.h"
#include "learn/state.h"
#include "store/provenance.h"

#include <stdlib.h>
#include <string.h>

/* ---- ranks other than the first ----------------------------------------------------------- */

struct opened {
    struct nas_experiment e; /* first: basis->e */
    struct nas_state state;
};

static void close_opened(struct nas_cluster_basis *basis) {
    struct opened *o = (struct opened *)(uintptr_t)basis->e;
    nas_state_fini(&o->state);
    nas_experiment_close(&o->e);
    free(o);
    free(basis->provenance);
    memset(basis, 0, sizeof *basis);
}

static int open_in(struct opened *o, struct mn_ctx *ctx, const struct nas_cluster_opening *how,
                   struct nas_cluster_basis *out) {
    FILE *nowhere = fopen("/dev/null", "w"); /* rank 0 has printed the warnings */
    const struct nas_open open = {.config = "configuration from rank 0",
                                  .text = how->config,
                                  .plugin_dirs = how->plugin_dirs,
                                  .batches = how->batches,
                                  .shared = how->shared,
                                  .shares = how->shares,
                                  .faults = nowhere};
    const int status = nas_experiment_open(&o->e, ctx, &open);
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    TRY(status);
    out->model = o->e.model;
    out->threads = nas_experiment_threads(&o->e, how->processors);
    out->share = o->e.dataset.shm;
    TRY(nas_state_new(&o->e, ctx, &o->state));
    return nas_provenance_text(&o->e.provenance, ctx, &out->provenance);
}

static int open_opened(struct mn_ctx *ctx, const struct nas_cluster_opening *how,
                       struct nas_cluster_basis *out) {
    struct opened *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an experiment");
    }
    *out = (struct nas_cluster_basis){.e = &o->e, .state = &o->state};
    const int status = open_in(o, ctx, how, out);
    if (status != MN_OK) {
        close_opened(out);
    }
    return status;
}

static const struct nas_job_kind *const kinds[] = {&nas_train_job, &nas_evaluate_job, NULL};

const struct nas_cluster_work nas_jobs_of_ranks = {
    .kinds = kinds, .open = open_opened, .close = close_opened};

/* ---- who works on tasks ------------------------------------------------------------------- */

int nas_jobs_executor(struct mn_ctx *ctx, const struct nas_experiment *e,
                      struct nas_executor **out) {
    const char *name = e->run.transport;
    const int alone = strcmp(name, "none") == 0;
    if (e->cluster == NULL && !alone && strcmp(name, "auto") != 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "run.transport: %s: this run was not connected through it: that is decided "
                       "at start, from the configuration that was named and --set",
                       name);
    }
    if (e->cluster == NULL || alone) {
        return nas_executor_threads(ctx, e->model, nas_experiment_workers(e), out);
    }
    CLEANUP(nas_free) char *config = NULL;
    CLEANUP(nas_free) char *provenance = NULL;
    TRY(nas_provenance_text(&e->provenance, ctx, &provenance));
    TRY(nas_config_text(e, ctx, &config));
    const struct nas_cluster_basis basis = {
        .e = e,
        .model = e->model,
        .threads = nas_experiment_threads(e, nas_cluster_processors(e->cluster)),
        .share = e->dataset.shm,
        .config = config,
        .batches = e->batches,
        .provenance = provenance};
    return nas_cluster_lead(e->cluster, ctx, &nas_jobs_of_ranks, &basis, out);
}
