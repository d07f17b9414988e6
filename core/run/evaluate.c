/* SPDX-License-Identifier: MIT */
#include "run/evaluate.h"

#include "base/hash.h"
#include "run/evaluate_job.h"
#include "run/metatrain.h"

#include <inttypes.h>
#include <string.h>

/* In one mode of batch norm (enum mn__batch_norm). */
static int predict_as(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
                      const struct mn_point *at, const uint8_t *keep, int32_t batch_norm,
                      struct mn_outcome *out) {
    struct mn_pass pass = {.size = sizeof pass, .progress = 1, .keep = keep};
    if (batch_norm == MN__SUPPORT) {
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

int mn__predict(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
                const struct mn_point *at, const uint8_t *keep, struct mn_outcome *out) {
    return predict_as(e, cx, task, at, keep, e->evaluation.batch_norm, out);
}

static struct mn__score score_of(const struct mn_task *task, const struct mn_outcome *before,
                                 const struct mn_outcome *after) {
    return (struct mn__score){.accuracy_before_prune = (double)before->hits / task->query.n,
                              .accuracy = (double)after->hits / task->query.n,
                              .loss = after->loss};
}

static int judge_other(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
                       const struct mn_point *at, const uint8_t *keep, struct mn__score *out) {
    const int32_t other = e->evaluation.batch_norm == MN__SUPPORT ? MN__TRANSDUCTIVE : MN__SUPPORT;
    struct mn_outcome before = {.size = sizeof before}, after = {.size = sizeof after};
    int status = predict_as(e, cx, task, at, NULL, other, &before);
    if (status == MN_OK) {
        status = predict_as(e, cx, task, at, keep, other, &after);
    }
    if (status == MN_OK) {
        *out = score_of(task, &before, &after);
    }
    return status;
}

int mn__judge(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
              const struct mn_point *at, int both_norms, uint8_t *keep, mn_real *logits,
              struct mn__task_result *out) {
    struct mn_outcome before = {.size = sizeof before};
    struct mn_outcome after = {.size = sizeof after, .logits = logits};
    int status = mn__predict(e, cx, task, at, NULL, &before);
    if (status == MN_OK) {
        status = mn__model_prune(cx, e->model, at, keep);
    }
    if (status == MN_OK) {
        status = mn__predict(e, cx, task, at, keep, &after);
    }
    if (status == MN_OK && both_norms) {
        status = judge_other(e, cx, task, at, keep, &out->other);
    }
    if (status == MN_OK) {
        out->score = score_of(task, &before, &after);
        status = mn__model_parameters(cx, e->model, keep, &out->parameters);
    }
    return status;
}

int mn__solve(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_point *meta,
              const mn_real *state, const struct mn_task *task, struct mn__solution *out) {
    mn_real *learner;
    int status = mn__adapt_start(e, cx, meta, state, &out->at, &learner);
    if (status == MN_OK) {
        status = mn__adapt(e, cx, task, &out->at, learner);
    }
    return status != MN_OK ? status
                           : mn__judge(e, cx, task, &out->at, out->both_norms, out->keep,
                                       out->logits, &out->result);
}

/* ---- summary ------------------------------------------------------------------------------ */

/* A task that is left out has no result; the first one says why. */
static int note_skipped(struct mn_cx *cx, const struct mn__evaluate_result *from, int64_t task,
                        struct mn__evaluation *out) {
    if (out->skipped++ == 0) {
        out->why = mn__arena_text(&out->arena, from->message);
    }
    mn_log(cx, MN_LOG_DEBUG, "%s", from->message);
    return out->why != NULL
               ? MN_OK
               : mn_fail(cx, MN_NOMEM, "no memory for what task %" PRId64 " says", task);
}

/* From the slots to the results. */
static int collect(const struct mn__job *job, struct mn_cx *cx, struct mn__evaluation *out) {
    const struct mn__evaluation_plan *plan = job->what;
    int64_t n = 0;
    for (int64_t i = 0; i < plan->tasks; i++) {
        const struct mn__evaluate_result from = mn__evaluate_result(job, i);
        if (from.result->failed) {
            const int status = note_skipped(cx, &from, i, out);
            if (status != MN_OK) {
                return status;
            }
            continue;
        }
        const size_t length = mn__model_genotype(job->e->model, from.keep, NULL, 0);
        char *text = mn__arena_take(&out->arena, length + 1);
        if (text == NULL) {
            return mn_fail(cx, MN_NOMEM, "no memory for %" PRId64 " genotypes", out->tasks);
        }
        mn__model_genotype(job->e->model, from.keep, text, length + 1);
        out->results[n] = *from.result;
        out->results[n].genotype = text;
        for (int k = 0; k < plan->n_steps; k++) {
            out->looks[k].results[n] = from.looks[k];
        }
        n++;
    }
    out->tasks = n;
    for (int k = 0; k < plan->n_steps; k++) {
        out->looks[k].tasks = n;
    }
    return MN_OK;
}

static const struct mn__score *score_in(const struct mn__task_result *r, int other) {
    return other ? &r->other : &r->score;
}

static int summarise_scores(struct mn_cx *cx, const struct mn__evaluation *all, int other,
                            struct mn__scores *out) {
    const int64_t n = all->tasks;
    const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
    double *x = mn_scratch(cx, (3 * (size_t)n + 1) * sizeof *x);
    if (x == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < n; i++) {
        const struct mn__score *r = score_in(&all->results[i], other);
        x[i] = r->accuracy;
        x[n + i] = r->accuracy_before_prune;
        x[2 * n + i] = r->accuracy_before_prune - r->accuracy;
        out->loss_mean += r->loss / (double)n;
    }
    out->accuracy_ci95 = mn__ci95(n, x, &out->accuracy_mean);
    out->before_ci95 = mn__ci95(n, x + n, &out->before_mean);
    out->prune_gap_ci95 = mn__ci95(n, x + 2 * n, &out->prune_gap);
    mn__arena_release(&mn__cx_of(cx)->scratch, mark);
    return MN_OK;
}

static int summarise(struct mn_cx *cx, const struct mn__evaluation_plan *plan,
                     struct mn__evaluation *out) {
    const int64_t n = out->tasks;
    double parameters = 0;
    out->parameters_min = n > 0 ? out->results[0].parameters : 0;
    for (int64_t i = 0; i < n; i++) {
        const struct mn__task_result *r = &out->results[i];
        parameters += (double)r->parameters / (double)n;
        out->parameters_min =
            r->parameters < out->parameters_min ? r->parameters : out->parameters_min;
        out->parameters_max =
            r->parameters > out->parameters_max ? r->parameters : out->parameters_max;
    }
    out->parameters_mean = parameters;
    const int status = summarise_scores(cx, out, 0, &out->scores);
    return status != MN_OK || !plan->both_norms ? status
                                                : summarise_scores(cx, out, 1, &out->other);
}

static int make_room(const struct mn__evaluation_plan *plan, struct mn_cx *cx,
                     struct mn__evaluation *out) {
    const size_t n = (size_t)plan->tasks, n_looks = (size_t)plan->n_steps;
    out->tasks = plan->tasks;
    out->results = mn__arena_zeroed(&out->arena, n * sizeof *out->results);
    out->looks = mn__arena_zeroed(&out->arena, n_looks * sizeof *out->looks);
    int done = out->tasks > 0 && out->results != NULL && out->looks != NULL;
    for (size_t i = 0; done && i < n_looks; i++) {
        out->looks[i].tasks = out->tasks;
        out->looks[i].results = mn__arena_zeroed(&out->arena, n * sizeof *out->results);
        done = out->looks[i].results != NULL;
    }
    return done ? MN_OK : mn_fail(cx, MN_NOMEM, "no memory for %" PRId64 " tasks", out->tasks);
}

static int summarise_all(struct mn_cx *cx, const struct mn__evaluation_plan *plan,
                         struct mn__evaluation *out) {
    int status = summarise(cx, plan, out);
    for (int i = 0; status == MN_OK && i < plan->n_steps; i++) {
        status = summarise(cx, plan, &out->looks[i]);
    }
    out->episodes = mn__hash_begin();
    for (int64_t i = 0; i < out->tasks; i++) {
        out->episodes = mn__hash_int(out->episodes, out->results[i].episode);
    }
    return status;
}

int mn__evaluate_plan(const struct mn__experiment *e, struct mn__executor *executor,
                      struct mn_cx *cx, const struct mn__state *state,
                      const struct mn__evaluation_plan *plan, struct mn__evaluation *out) {
    memset(out, 0, sizeof *out);
    struct mn__job job = {.kind = &mn__evaluate_job,
                          .e = e,
                          .state = state,
                          .what = plan,
                          .n = plan->tasks,
                          .finished = plan->finished,
                          .finished_data = plan->finished_data};
    int status = make_room(plan, cx, out);
    if (status == MN_OK) {
        status = mn__job_allocate(&job, cx, &out->arena);
    }
    if (status != MN_OK) {
        return status;
    }
    const struct mn_where where = {.size = sizeof where,
                                   .split = plan->split,
                                   .seed = plan->episodes != NULL ? plan->episodes->seed
                                                                  : (uint64_t)e->run.seed,
                                   .meta_epochs = e->run.meta_epochs};
    status = mn__executor_run(executor, cx, &where, &job);
    if (status == MN_OK) {
        status = collect(&job, cx, out);
    }
    return status != MN_OK ? status : summarise_all(cx, plan, out);
}

int mn__evaluate(const struct mn__experiment *e, struct mn__executor *executor, struct mn_cx *cx,
                 const struct mn__state *state, int split, int64_t n, struct mn__evaluation *out) {
    const struct mn__evaluation_plan plan = {
        .split = split, .tasks = n, .skips = e->run.on_nan != MN__ON_NAN_STOP};
    return mn__evaluate_plan(e, executor, cx, state, &plan, out);
}

void mn__evaluation_fini(struct mn__evaluation *evaluation) {
    mn__arena_fini(&evaluation->arena);
    memset(evaluation, 0, sizeof *evaluation);
}
