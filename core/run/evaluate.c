/* SPDX-License-Identifier: MIT */
#include "run/evaluate.h"

#include "run/episode.h"
#include "run/metatrain.h"

#include <inttypes.h>
#include <string.h>

/* What every task of an evaluation starts from. */
struct evaluation_job {
    const struct mn__experiment *e;
    const struct mn_point *meta;
    const mn_real *state;
    struct mn__task_result *results;
    uint8_t *keep; /* [tasks][n_choices] */
    size_t n_keep;
};

int mn__predict(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
                const struct mn_point *at, const uint8_t *keep, struct mn_outcome *out) {
    struct mn_pass pass = {.size = sizeof pass, .progress = 1, .keep = keep};
    if (e->evaluation.batch_norm == 1) {
        struct mn_outcome support = {.size = sizeof support};
        const size_t n = (size_t)mn__model_dims(e->model)->n_stats;
        mn_real *stats = mn_scratch(cx, (n > 0 ? n : 1) * sizeof *stats);
        if (stats == NULL) {
            return MN_NOMEM;
        }
        pass.stats_out = stats;
        const int status = mn_model_pass(cx, e->model, at, &task->support, &pass, &support);
        if (status != MN_OK) {
            return status;
        }
        pass.stats_out = NULL;
        pass.stats = stats;
    }
    return mn_model_pass(cx, e->model, at, &task->query, &pass, out);
}

static int copy_start(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_point *meta,
                      const mn_real *state, struct mn_point *params, mn_real **learner) {
    const struct mn_dims *d = mn__model_dims(e->model);
    params->w = mn_scratch(cx, (size_t)d->n_w * sizeof(mn_real));
    params->a = mn_scratch(cx, (size_t)d->n_a * sizeof(mn_real));
    *learner = mn_scratch(cx, (size_t)e->n_state * sizeof(mn_real));
    if (!params->w || !params->a || !*learner) {
        return MN_NOMEM;
    }
    mn_vec_copy(d->n_w, meta->w, params->w);
    mn_vec_copy(d->n_a, meta->a, params->a);
    if (e->moments == MN_MOMENTS_RESET) {
        mn_vec_fill(e->n_state, 0, *learner);
    } else {
        mn_vec_copy(e->n_state, state, *learner);
    }
    return MN_OK;
}

int mn__solve(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_point *meta,
              const mn_real *state, const struct mn_task *task, struct mn__solution *out) {
    struct mn_outcome before = {.size = sizeof before};
    struct mn_outcome after = {.size = sizeof after, .logits = out->logits};
    mn_real *learner;
    int status = copy_start(e, cx, meta, state, &out->at, &learner);
    if (status == MN_OK) {
        status = mn__adapt(e, cx, task, &out->at, learner);
    }
    if (status == MN_OK) {
        status = mn__predict(e, cx, task, &out->at, NULL, &before);
    }
    if (status == MN_OK) {
        status = mn__model_prune(cx, e->model, &out->at, out->keep);
    }
    if (status == MN_OK) {
        status = mn__predict(e, cx, task, &out->at, out->keep, &after);
    }
    if (status == MN_OK) {
        out->result.accuracy_before_prune = (double)before.hits / task->query.n;
        out->result.accuracy = (double)after.hits / task->query.n;
        out->result.loss = after.loss;
        out->result.parameters = mn__model_parameters(e->model, out->keep);
    }
    return status;
}

/* Algorithm 3 on one task. */
static int evaluate_task(void *data, struct mn_cx *cx, int64_t index) {
    const struct evaluation_job *job = data;
    struct mn__solution solution = {.keep = job->keep + (size_t)index * job->n_keep};
    struct mn_task task;
    int status = mn__episode_sample(job->e, cx, &task, NULL);
    if (status == MN_OK) {
        status = mn__solve(job->e, cx, job->meta, job->state, &task, &solution);
    }
    if (status != MN_OK) {
        return mn__cx_where(cx, "%s task %" PRId64 " (seed %" PRIu64 ")",
                            cx->where.split == MN_VAL ? "validation" : "test", index,
                            cx->where.seed);
    }
    job->results[index] = solution.result;
    return MN_OK;
}

/* ---- summary ------------------------------------------------------------------------------ */

static int name_genotypes(const struct evaluation_job *job, struct mn_cx *cx,
                          struct mn__evaluation *out) {
    for (int64_t i = 0; i < out->tasks; i++) {
        const uint8_t *keep = job->keep + (size_t)i * job->n_keep;
        const size_t length = mn__model_genotype(job->e->model, keep, NULL, 0);
        char *text = mn__arena_take(&out->arena, length + 1);
        if (text == NULL) {
            return mn_fail(cx, MN_NOMEM, "no memory for %" PRId64 " genotypes", out->tasks);
        }
        mn__model_genotype(job->e->model, keep, text, length + 1);
        out->results[i].genotype = text;
    }
    return MN_OK;
}

static int summarise(struct mn_cx *cx, struct mn__evaluation *out) {
    const int64_t n = out->tasks;
    double *x = mn__arena_array(&out->arena, 3 * (size_t)n, sizeof *x);
    if (x == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for the results");
    }
    double parameters = 0;
    out->parameters_min = out->results[0].parameters;
    for (int64_t i = 0; i < n; i++) {
        const struct mn__task_result *r = &out->results[i];
        x[i] = r->accuracy;
        x[n + i] = r->accuracy_before_prune;
        x[2 * n + i] = r->accuracy_before_prune - r->accuracy;
        out->loss_mean += r->loss / (double)n;
        parameters += (double)r->parameters / (double)n;
        out->parameters_min =
            r->parameters < out->parameters_min ? r->parameters : out->parameters_min;
        out->parameters_max =
            r->parameters > out->parameters_max ? r->parameters : out->parameters_max;
    }
    out->parameters_mean = parameters;
    out->accuracy_ci95 = mn__ci95(n, x, &out->accuracy_mean);
    out->before_ci95 = mn__ci95(n, x + n, &out->before_mean);
    out->prune_gap_ci95 = mn__ci95(n, x + 2 * n, &out->prune_gap);
    return MN_OK;
}

int mn__evaluate(const struct mn__experiment *e, struct mn__workers *workers, struct mn_cx *cx,
                 const struct mn_point *meta, const mn_real *state, int split, int64_t n,
                 struct mn__evaluation *out) {
    memset(out, 0, sizeof *out);
    struct evaluation_job job = {.e = e,
                                 .meta = meta,
                                 .state = state,
                                 .n_keep = (size_t)mn__model_dims(e->model)->n_choices};
    job.results = mn__arena_zeroed(&out->arena, (size_t)n * sizeof *job.results);
    job.keep = mn__arena_zeroed(&out->arena, (size_t)n * job.n_keep);
    if (n < 1 || job.results == NULL || job.keep == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for %" PRId64 " tasks", n);
    }
    out->tasks = n;
    out->results = job.results;
    const struct mn_where where = {.size = sizeof where,
                                   .split = split,
                                   .seed = (uint64_t)e->run.seed,
                                   .meta_epochs = e->run.meta_epochs};
    int status = mn__workers_run(workers, cx, &where, n, 0, evaluate_task, &job);
    if (status == MN_OK) {
        status = name_genotypes(&job, cx, out);
    }
    return status != MN_OK ? status : summarise(cx, out);
}

void mn__evaluation_fini(struct mn__evaluation *evaluation) {
    mn__arena_fini(&evaluation->arena);
    memset(evaluation, 0, sizeof *evaluation);
}
