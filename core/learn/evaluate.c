/* SPDX-License-Identifier: MIT */
#include "learn/evaluate.h"

#include "base/hash.h"
#include "base/stats.h"
#include "learn/adapt.h"
#include "learn/configuration.h"
#include "learn/evaluate_job.h"
#include "learn/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- one task ----------------------------------------------------------------------------- */

/* In one mode of batch norm (enum nas_batch_norm). */
static int predict_as(const struct nas_experiment *e, struct mn_ctx *ctx,
                      const struct mn_task *task, const struct mn_point *at, const uint8_t *keep,
                      int32_t batch_norm, struct mn_outcome *out) {
    struct mn_pass pass = {.size = sizeof pass, .progress = 1, .keep = keep};
    if (batch_norm == NAS_SUPPORT) {
        struct mn_outcome support = {.size = sizeof support};
        const size_t n = (size_t)nas_model_dims(e->model)->n_stats;
        mn_real *stats = mn_scratch(ctx, (n > 0 ? n : 1) * sizeof *stats);
        if (stats == NULL) {
            return MN_NOMEM;
        }
        pass.stats_out = stats;
        TRY(mn_model_pass(ctx, e->model, at, &task->support, &pass, &support));
        pass.stats_out = NULL;
        pass.stats = stats;
    }
    pass.support = &task->support;
    return mn_model_pass(ctx, e->model, at, &task->query, &pass, out);
}

int nas_predict(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
                const struct mn_point *at, const uint8_t *keep, struct mn_outcome *out) {
    return predict_as(e, ctx, task, at, keep, e->evaluation.batch_norm, out);
}

static struct nas_score score_of(const struct mn_task *task, const struct mn_outcome *before,
                                 const struct mn_outcome *after) {
    return (struct nas_score){.accuracy_before_prune = (double)before->hits / task->query.n,
                              .accuracy = (double)after->hits / task->query.n,
                              .loss = after->loss};
}

/* Hard pruning by the task learner, or by the mixers where it leaves that to them. */
static int prune(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
                 const struct mn_point *at, uint8_t *keep) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    if (table->prune == NULL) {
        return nas_model_prune(ctx, e->model, at, keep);
    }
    struct nas_call call = nas_call_begin(ctx, &e->task_learner);
    TRY(nas_call_end(&call, table->prune(e->task_learner.self, ctx, e->model, task, at, keep)));
    return nas_prune_check(ctx, e->model, e->task_learner.label, keep);
}

int nas_judge(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
              const struct mn_point *at, int both_norms, uint8_t *keep, mn_real *logits,
              struct nas_task_result *out) {
    const int32_t norm = e->evaluation.batch_norm;
    struct mn_outcome before = {.size = sizeof before};
    struct mn_outcome after = {.size = sizeof after, .logits = logits};
    const uint8_t *fixed = nas_ctx_of(ctx)->workspace->keep;
    TRY(predict_as(e, ctx, task, at, NULL, norm, &before));
    if (fixed != NULL) {
        memcpy(keep, fixed, (size_t)nas_model_dims(e->model)->n_choices);
    } else {
        TRY(prune(e, ctx, task, at, keep));
    }
    TRY(predict_as(e, ctx, task, at, keep, norm, &after));
    out->score = score_of(task, &before, &after);
    if (both_norms) {
        const int32_t other = norm == NAS_SUPPORT ? NAS_TRANSDUCTIVE : NAS_SUPPORT;
        before = after = (struct mn_outcome){.size = sizeof after};
        TRY(predict_as(e, ctx, task, at, NULL, other, &before));
        TRY(predict_as(e, ctx, task, at, keep, other, &after));
        out->other = score_of(task, &before, &after);
    }
    return nas_model_parameters(ctx, e->model, keep, &out->parameters);
}

int nas_solve(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_point *meta,
              const mn_real *state, const struct mn_task *task, struct nas_solution *out) {
    mn_real *learner;
    struct nas_workspace *workspace = nas_ctx_of(ctx)->workspace;
    TRY(nas_adapt_start(e, ctx, meta, state, &out->at, &learner));
    workspace->keep = out->fixed;
    int status = nas_adapt(e, ctx, task, &out->watch, &out->at, learner);
    if (status == MN_OK) {
        status = nas_judge(e, ctx, task, &out->at, out->both_norms, out->keep, out->logits,
                           &out->result);
    }
    workspace->keep = NULL;
    return status;
}

/* ---- many --------------------------------------------------------------------------------- */

static int make_room(const struct nas_evaluation_plan *plan, struct mn_ctx *ctx,
                     struct nas_evaluation *out) {
    const size_t n = (size_t)plan->tasks, n_intermediate = (size_t)plan->n_steps;
    out->tasks = plan->tasks;
    out->results = nas_arena_zeroed(&out->arena, n * sizeof *out->results);
    out->keeps = nas_arena_array(&out->arena, n * out->n_choices + 1, 1);
    out->intermediate = nas_arena_zeroed(&out->arena, n_intermediate * sizeof *out->intermediate);
    int done =
        out->tasks > 0 && out->results != NULL && out->keeps != NULL && out->intermediate != NULL;
    for (size_t i = 0; done && i < n_intermediate; i++) {
        out->intermediate[i].results = nas_arena_zeroed(&out->arena, n * sizeof *out->results);
        done = out->intermediate[i].results != NULL;
    }
    return done ? MN_OK : mn_fail(ctx, MN_NOMEM, "no memory for %" PRId64 " tasks", out->tasks);
}

/* From the slots to the results. A task that is left out has none; the first one says why. */
static int collect(const struct nas_job *job, struct mn_ctx *ctx, struct nas_evaluation *out) {
    const struct nas_evaluation_plan *plan = job->what;
    int64_t n = 0;
    for (int64_t i = 0; i < plan->tasks; i++) {
        const struct nas_evaluate_result from = nas_evaluate_result(job, i);
        if (from.result->failed) {
            out->why = out->skipped++ == 0 ? nas_arena_text(&out->arena, from.message) : out->why;
            mn_log(ctx, MN_LOG_DEBUG, "%s", from.message);
            if (out->why == NULL) {
                return mn_fail(ctx, MN_NOMEM, "no memory for what task %" PRId64 " says", i);
            }
            continue;
        }
        const size_t length = nas_model_genotype(job->e->model, from.keep, NULL, 0);
        char *text = nas_arena_take(&out->arena, length + 1);
        if (text == NULL) {
            return mn_fail(ctx, MN_NOMEM, "no memory for %" PRId64 " genotypes", out->tasks);
        }
        nas_model_genotype(job->e->model, from.keep, text, length + 1);
        out->results[n] = *from.result;
        out->results[n].genotype = text;
        memcpy(out->keeps + (size_t)n * out->n_choices, from.keep, out->n_choices);
        for (int k = 0; k < plan->n_steps; k++) {
            out->intermediate[k].results[n] = from.intermediate[k];
        }
        n++;
    }
    out->tasks = n;
    for (int k = 0; k < plan->n_steps; k++) {
        out->intermediate[k].tasks = n;
    }
    return MN_OK;
}

static int summarise_scores(struct mn_ctx *ctx, const struct nas_evaluation *all, int other,
                            struct nas_record *out) {
    const int64_t n = all->tasks;
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    double *x = mn_scratch(ctx, (3 * (size_t)n + 1) * sizeof *x);
    if (x == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < n; i++) {
        const struct nas_score *r = other ? &all->results[i].other : &all->results[i].score;
        x[i] = r->accuracy;
        x[n + i] = r->accuracy_before_prune;
        x[2 * n + i] = r->accuracy_before_prune - r->accuracy;
        out->loss_mean += r->loss / (double)n;
    }
    out->accuracy_ci95 = nas_ci95(n, x, &out->accuracy_mean);
    out->before_prune_ci95 = nas_ci95(n, x + n, &out->accuracy_before_prune);
    out->prune_gap_ci95 = nas_ci95(n, x + 2 * n, &out->prune_gap);
    return MN_OK;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* 0 where nothing is searched. */
static int count_cells(struct mn_ctx *ctx, const struct nas_evaluation *all, int64_t *out) {
    const char *before = "";
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    const char **cells = mn_scratch(ctx, ((size_t)all->tasks + 1) * sizeof *cells);
    if (cells == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < all->tasks; i++) {
        cells[i] = all->results[i].genotype;
    }
    qsort(cells, (size_t)all->tasks, sizeof *cells, by_text);
    for (int64_t i = 0; i < all->tasks; i++) {
        *out += strcmp(cells[i], before) != 0;
        before = cells[i];
    }
    return MN_OK;
}

static int summarise(struct mn_ctx *ctx, const struct nas_evaluation_plan *plan,
                     struct nas_evaluation *out) {
    struct nas_record *record = &out->record;
    const int64_t n = record->tasks = out->tasks;
    record->parameters_min = n > 0 ? out->results[0].parameters : 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t parameters = out->results[i].parameters;
        record->parameters_mean += (double)parameters / (double)n;
        if (parameters < record->parameters_min) {
            record->parameters_min = parameters;
        }
        if (parameters > record->parameters_max) {
            record->parameters_max = parameters;
        }
    }
    TRY(summarise_scores(ctx, out, 0, record));
    return plan->both_norms ? summarise_scores(ctx, out, 1, &out->other) : MN_OK;
}

/* What the record says of how it was made. */
static int describe(const struct nas_experiment *e, struct mn_ctx *ctx,
                    const struct nas_state *state, const struct nas_evaluation_plan *plan,
                    struct nas_evaluation *out) {
    struct nas_record *record = &out->record;
    record->meta_epoch = state->meta_epoch;
    record->batch_norm = nas_batch_norm_name(e);
    record->seed = e->run.seed;
    record->ways = e->task.ways;
    record->shots = e->task.shots;
    record->queries = e->task.queries;
    record->split = nas_split_names[plan->split];
    record->dataset = nas_experiment_dataset(e);
    for (int i = 0; i < e->provenance.n; i++) {
        const struct nas_metadata *now = &e->provenance.at[i];
        const char *then = nas_metadata_find(state->n_metadata, state->metadata, now->key);
        if (e->provenance.kinds[i] == NAS_MADE_FROM_DATA && then != NULL &&
            strcmp(then, now->value) != 0) {
            record->trained_on = then;
        }
    }
    record->episodes_file = plan->episodes != NULL ? plan->episodes->path : NULL;
    const int disjoint =
        plan->episodes != NULL ? nas_episodes_are_disjoint(plan->episodes, ctx) : 0;
    if (disjoint < 0) {
        return disjoint;
    }
    record->sampling = nas_sampling_name(disjoint ? NAS_WITHOUT_REPLACEMENT : NAS_WITH_REPLACEMENT);
    record->episodes = nas_hash_begin();
    for (int64_t i = 0; i < out->tasks; i++) {
        record->episodes = nas_hash_int(record->episodes, out->results[i].episode);
    }
    return MN_OK;
}

int nas_evaluate_plan(const struct nas_experiment *e, struct nas_executor *executor,
                      struct mn_ctx *ctx, const struct nas_state *state,
                      const struct nas_evaluation_plan *plan, struct nas_evaluation *out) {
    *out = (struct nas_evaluation){.n_choices = (size_t)nas_model_dims(e->model)->n_choices};
    struct nas_job job = {.kind = &nas_evaluate_job,
                          .e = e,
                          .state = state,
                          .what = plan,
                          .n = plan->tasks,
                          .finished = plan->finished,
                          .finished_data = plan->finished_data};
    const struct mn_where where = {.size = sizeof where,
                                   .split = plan->split,
                                   .seed = plan->episodes != NULL ? plan->episodes->seed
                                                                  : (uint64_t)e->run.seed,
                                   .meta_epochs = e->run.meta_epochs};
    TRY(make_room(plan, ctx, out));
    TRY(nas_job_allocate(&job, ctx, &out->arena));
    TRY(nas_executor_run(executor, ctx, &where, &job));
    TRY(collect(&job, ctx, out));
    TRY(describe(e, ctx, state, plan, out));
    TRY(summarise(ctx, plan, out));
    TRY(count_cells(ctx, out, &out->record.distinct_cells));
    for (int i = 0; i < plan->n_steps; i++) {
        out->intermediate[i].record.step = plan->steps[i];
        TRY(summarise(ctx, plan, &out->intermediate[i]));
    }
    return MN_OK;
}

int nas_evaluate(const struct nas_experiment *e, struct nas_executor *executor, struct mn_ctx *ctx,
                 const struct nas_state *state, int split, int64_t n, struct nas_evaluation *out) {
    const struct nas_evaluation_plan plan = {
        .split = split, .tasks = n, .skips = e->run.on_nan != NAS_ON_NAN_STOP};
    return nas_evaluate_plan(e, executor, ctx, state, &plan, out);
}

void nas_evaluation_fini(struct nas_evaluation *evaluation) {
    nas_arena_fini(&evaluation->arena);
    memset(evaluation, 0, sizeof *evaluation);
}
