/* SPDX-License-Identifier: MIT */
#include "run/evaluate.h"

#include "base/hash.h"
#include "run/episode.h"
#include "run/metatrain.h"

#include <inttypes.h>
#include <string.h>

/* What every task of an evaluation starts from. */
struct evaluation_job {
    const struct mn__experiment *e;
    const struct mn_point *meta;
    const mn_real *state;
    const struct mn__evaluation_plan *plan;
    struct mn__evaluation *out;
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

/* Predict with the whole network, prune, predict with what is left. */
static int judge(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
                 const struct mn_point *at, uint8_t *keep, mn_real *logits,
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
    if (status == MN_OK) {
        out->accuracy_before_prune = (double)before.hits / task->query.n;
        out->accuracy = (double)after.hits / task->query.n;
        out->loss = after.loss;
        out->parameters = mn__model_parameters(e->model, keep);
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
                           : judge(e, cx, task, &out->at, out->keep, out->logits, &out->result);
}

/* ---- looks -------------------------------------------------------------------------------- */

/* One task under observation. */
struct watched {
    const struct evaluation_job *job;
    const struct mn_task *task;
    int64_t index;
    mn__step_fn on_step; /* the caller's own */
    void *on_step_data;
    int next; /* of the plan's steps */
};

/* All looks that are due after `done` steps. */
static int look(struct watched *watched, struct mn_cx *cx, int64_t done,
                const struct mn_point *now) {
    const struct evaluation_job *job = watched->job;
    const struct mn__evaluation_plan *plan = job->plan;
    const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
    uint8_t *keep = mn_scratch(cx, job->n_keep);
    int status = keep != NULL ? MN_OK : MN_NOMEM;
    while (status == MN_OK && watched->next < plan->n_steps && plan->steps[watched->next] == done) {
        status = judge(job->e, cx, watched->task, now, keep, NULL,
                       &job->out->looks[watched->next++].results[watched->index]);
    }
    mn__arena_release(&mn__cx_of(cx)->scratch, mark);
    return status;
}

static int watch_step(void *data, struct mn_cx *cx, int64_t step, double loss, double accuracy,
                      double skip_share, const struct mn_point *now) {
    struct watched *watched = data;
    const int status = look(watched, cx, step + 1, now);
    return status != MN_OK || watched->on_step == NULL
               ? status
               : watched->on_step(watched->on_step_data, cx, step, loss, accuracy, skip_share, now);
}

/* mn__solve with the plan's looks on the way. */
static int solve_watched(const struct evaluation_job *job, struct mn_cx *cx,
                         const struct mn_task *task, int64_t index, struct mn__solution *solution) {
    struct mn__cx *c = mn__cx_of(cx);
    struct watched watched = {.job = job,
                              .task = task,
                              .index = index,
                              .on_step = c->on_step,
                              .on_step_data = c->on_step_data};
    int status = look(&watched, cx, 0, job->meta);
    if (status == MN_OK) {
        c->on_step = watch_step;
        c->on_step_data = &watched;
        status = mn__solve(job->e, cx, job->meta, job->state, task, solution);
        c->on_step = watched.on_step;
        c->on_step_data = watched.on_step_data;
    }
    if (status == MN_OK && watched.next < job->plan->n_steps) {
        status = mn_fail(cx, MN_CONFIG,
                         "%s ends before step %" PRId64 ", which was to be looked at: raise its "
                         "steps of a test task or leave that step out",
                         job->e->task_learner.label, job->plan->steps[watched.next]);
    }
    return status;
}

/* Algorithm 3 on one task. */
static int evaluate_task(void *data, struct mn_cx *cx, int64_t index) {
    const struct evaluation_job *job = data;
    struct mn__solution solution = {.keep = job->keep + (size_t)index * job->n_keep};
    struct mn_task task;
    int status = job->plan->episodes != NULL
                     ? mn__episodes_task(job->plan->episodes, job->e, cx, index, &task)
                     : mn__episode_sample(job->e, cx, &task, NULL);
    if (status == MN_OK) {
        status = solve_watched(job, cx, &task, index, &solution);
    }
    if (status != MN_OK) {
        return mn__cx_where(cx, "%s task %" PRId64 " (seed %" PRIu64 ")",
                            cx->where.split == MN_VAL ? "validation" : "test", index,
                            cx->where.seed);
    }
    job->out->results[index] = solution.result;
    job->out->results[index].episode = mn__episode_hash(job->e, &task);
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
    const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
    double *x = mn_scratch(cx, 3 * (size_t)n * sizeof *x);
    if (x == NULL) {
        return MN_NOMEM;
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
    mn__arena_release(&mn__cx_of(cx)->scratch, mark);
    return MN_OK;
}

static int make_room(struct evaluation_job *job, struct mn_cx *cx) {
    struct mn__evaluation *out = job->out;
    const size_t n = (size_t)job->plan->tasks, n_looks = (size_t)job->plan->n_steps;
    out->tasks = job->plan->tasks;
    out->results = mn__arena_zeroed(&out->arena, n * sizeof *out->results);
    out->looks = mn__arena_zeroed(&out->arena, n_looks * sizeof *out->looks);
    job->keep = mn__arena_zeroed(&out->arena, n * job->n_keep);
    int done = out->tasks > 0 && out->results != NULL && out->looks != NULL && job->keep != NULL;
    for (size_t i = 0; done && i < n_looks; i++) {
        out->looks[i].tasks = out->tasks;
        out->looks[i].results = mn__arena_zeroed(&out->arena, n * sizeof *out->results);
        done = out->looks[i].results != NULL;
    }
    return done ? MN_OK : mn_fail(cx, MN_NOMEM, "no memory for %" PRId64 " tasks", out->tasks);
}

static int summarise_all(struct mn_cx *cx, struct mn__evaluation *out, int n_looks) {
    int status = summarise(cx, out);
    for (int i = 0; status == MN_OK && i < n_looks; i++) {
        status = summarise(cx, &out->looks[i]);
    }
    out->episodes = mn__hash_begin();
    for (int64_t i = 0; i < out->tasks; i++) {
        out->episodes = mn__hash_int(out->episodes, out->results[i].episode);
    }
    return status;
}

int mn__evaluate_plan(const struct mn__experiment *e, struct mn__workers *workers, struct mn_cx *cx,
                      const struct mn_point *meta, const mn_real *state,
                      const struct mn__evaluation_plan *plan, struct mn__evaluation *out) {
    memset(out, 0, sizeof *out);
    struct evaluation_job job = {.e = e,
                                 .meta = meta,
                                 .state = state,
                                 .plan = plan,
                                 .out = out,
                                 .n_keep = (size_t)mn__model_dims(e->model)->n_choices};
    int status = make_room(&job, cx);
    if (status != MN_OK) {
        return status;
    }
    const struct mn_where where = {.size = sizeof where,
                                   .split = plan->split,
                                   .seed = plan->episodes != NULL ? plan->episodes->seed
                                                                  : (uint64_t)e->run.seed,
                                   .meta_epochs = e->run.meta_epochs};
    status = mn__workers_run(workers, cx, &where, plan->tasks, 0, evaluate_task, &job);
    if (status == MN_OK) {
        status = name_genotypes(&job, cx, out);
    }
    return status != MN_OK ? status : summarise_all(cx, out, plan->n_steps);
}

int mn__evaluate(const struct mn__experiment *e, struct mn__workers *workers, struct mn_cx *cx,
                 const struct mn_point *meta, const mn_real *state, int split, int64_t n,
                 struct mn__evaluation *out) {
    const struct mn__evaluation_plan plan = {.split = split, .tasks = n};
    return mn__evaluate_plan(e, workers, cx, meta, state, &plan, out);
}

void mn__evaluation_fini(struct mn__evaluation *evaluation) {
    mn__arena_fini(&evaluation->arena);
    memset(evaluation, 0, sizeof *evaluation);
}
