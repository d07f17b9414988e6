/* SPDX-License-Identifier: MIT */
#include "learn/evaluate.h"

#include "base/buffer.h"
#include "base/hash.h"
#include "base/stats.h"
#include "learn/adapt.h"
#include "learn/configuration.h"
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

/* The networks before and after pruning, in one mode of batch norm; the logits are of the latter.
 */
static int score(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
                 const struct mn_point *at, int32_t batch_norm, uint8_t *keep, mn_real *logits,
                 struct nas_score *out) {
    struct mn_outcome before = {.size = sizeof before};
    struct mn_outcome after = {.size = sizeof after, .logits = logits};
    TRY(predict_as(e, ctx, task, at, NULL, batch_norm, &before));
    TRY(predict_as(e, ctx, task, at, keep, batch_norm, &after));
    *out = (struct nas_score){.accuracy_before_prune = (double)before.hits / task->query.n,
                              .accuracy = (double)after.hits / task->query.n,
                              .loss = after.loss};
    return MN_OK;
}

/* Algorithm 3, lines 8-9: what a network at a point is worth, pruned and before. */
static int judge(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
                 const struct mn_point *at, int both_norms, uint8_t *keep, mn_real *logits,
                 struct nas_task_result *out) {
    const int32_t norm = e->evaluation.batch_norm;
    const uint8_t *fixed = nas_ctx_of(ctx)->workspace->keep;
    if (fixed != NULL) {
        memcpy(keep, fixed, (size_t)nas_model_dims(e->model)->n_choices);
    } else {
        TRY(prune(e, ctx, task, at, keep));
    }
    TRY(score(e, ctx, task, at, norm, keep, logits, &out->score));
    if (both_norms) {
        const int32_t other = norm == NAS_SUPPORT ? NAS_TRANSDUCTIVE : NAS_SUPPORT;
        TRY(score(e, ctx, task, at, other, keep, NULL, &out->other));
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
        status =
            judge(e, ctx, task, &out->at, out->both_norms, out->keep, out->logits, &out->result);
    }
    workspace->keep = NULL;
    return status;
}

/* ---- slots -------------------------------------------------------------------------------- */

static size_t n_keep(const struct nas_job *job) {
    return (size_t)nas_model_dims(job->e->model)->n_choices;
}

static size_t slot_bytes(const struct nas_job *job) {
    const struct nas_evaluation_plan *plan = job->what;
    return (1 + (size_t)plan->n_steps) * sizeof(struct nas_task_result) + n_keep(job) +
           (plan->skips ? NAS_MESSAGE : 0);
}

/* What a task leaves in its slot. */
struct slot {
    struct nas_task_result *result;       /* without the genotype */
    struct nas_task_result *intermediate; /* [plan.n_steps] */
    uint8_t *keep;                        /* [n_choices]: what pruning left */
    char *message;                        /* [NAS_MESSAGE] why it is left out, where plan.skips */
};

static struct slot slot_in(const struct nas_job *job, void *bytes) {
    struct nas_task_result *first = bytes;
    uint8_t *keep =
        (uint8_t *)(first + 1 + ((const struct nas_evaluation_plan *)job->what)->n_steps);
    return (struct slot){first, first + 1, keep, (char *)(keep + n_keep(job))};
}

/* ---- a task as a job ---------------------------------------------------------------------- */

/* One task under observation. */
struct watched {
    const struct nas_job *job;
    const struct mn_task *task;
    struct nas_task_result *intermediate;
    int next; /* of the plan's steps */
};

/* All intermediate results that are due after `done` steps. */
static int evaluate_after(struct watched *watched, struct mn_ctx *ctx, int64_t done,
                          const struct mn_point *now) {
    const struct nas_evaluation_plan *plan = watched->job->what;
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    uint8_t *keep = mn_scratch(ctx, n_keep(watched->job));
    if (keep == NULL) {
        return MN_NOMEM;
    }
    while (watched->next < plan->n_steps && plan->steps[watched->next] == done) {
        TRY(judge(watched->job->e, ctx, watched->task, now, 0, keep, NULL,
                  &watched->intermediate[watched->next++]));
    }
    return MN_OK;
}

static int evaluate_after_step(void *data, struct mn_ctx *ctx, int64_t step, double loss,
                               double accuracy, double skip_share, const struct mn_point *now) {
    return evaluate_after(data, ctx, step + 1, now);
}

static int evaluate_start(void *data, struct mn_ctx *ctx, const struct mn_point *start) {
    return evaluate_after(data, ctx, 0, start);
}

/* Algorithm 3 on one task, with the plan's intermediate results on the way. */
static int solve(const struct nas_job *job, struct mn_ctx *ctx, int64_t index,
                 const struct slot *out) {
    const struct nas_evaluation_plan *plan = job->what;
    const struct nas_experiment *e = job->e;
    struct mn_task task;
    struct watched watched = {.job = job, .task = &task, .intermediate = out->intermediate};
    struct nas_solution solution = {
        .fixed = plan->keeps != NULL ? plan->keeps + (size_t)index * n_keep(job) : NULL,
        .both_norms = plan->both_norms,
        .watch = {.on_step = evaluate_after_step, .on_start = evaluate_start, .data = &watched},
        .keep = out->keep};
    TRY(plan->episodes != NULL ? nas_episodes_task(plan->episodes, e, ctx, index, &task)
                               : nas_episode_sample(e, ctx, &task, NULL));
    TRY(nas_solve(e, ctx, &job->state->meta, job->state->learner, &task, &solution));
    if (watched.next < plan->n_steps) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s ends before step %" PRId64 ", which was to be looked at: raise its "
                       "steps of a test task or leave that step out",
                       e->task_learner.label, plan->steps[watched.next]);
    }
    *out->result = solution.result;
    out->result->episode = nas_episode_hash(e, &task);
    return MN_OK;
}

static int evaluate_task(const struct nas_job *job, struct mn_ctx *ctx, int64_t index,
                         void *bytes) {
    const struct slot out = slot_in(job, bytes);
    memset(bytes, 0, slot_bytes(job));
    const int status = solve(job, ctx, index, &out);
    if (status == MN_OK) {
        return MN_OK;
    }
    nas_ctx_where(ctx, "%s task %" PRId64 " (seed %" PRIu64 ")",
                  ctx->where.split == MN_VAL ? "validation" : "test", index, ctx->where.seed);
    if (status != MN_NUMERIC || !((const struct nas_evaluation_plan *)job->what)->skips) {
        return status;
    }
    out.result->failed = 1;
    snprintf(out.message, NAS_MESSAGE, "%s", nas_ctx_message(ctx));
    nas_ctx_clear(ctx);
    return MN_OK;
}

/* ---- the plan as bytes -------------------------------------------------------------------- */

/* Followed by the steps, the keep masks and the path of the list of episodes. */
struct packed {
    int64_t split, tasks, skips, both_norms, n_steps;
    int64_t keeps;      /* there are keep masks */
    int64_t disjoint;   /* nas_episodes_disjoint makes the list */
    int64_t path_bytes; /* with its zero; 0 = the list is not in a file */
};

static int pack(const struct nas_job *job, struct mn_ctx *ctx, struct nas_arena *arena,
                const void **bytes, size_t *n) {
    const struct nas_evaluation_plan *plan = job->what;
    const char *path = plan->episodes != NULL ? plan->episodes->path : NULL;
    const struct packed head = {.split = plan->split,
                                .tasks = plan->tasks,
                                .skips = plan->skips,
                                .both_norms = plan->both_norms,
                                .n_steps = plan->n_steps,
                                .keeps = plan->keeps != NULL,
                                .disjoint = plan->episodes != NULL && path == NULL,
                                .path_bytes = path != NULL ? (int64_t)strlen(path) + 1 : 0};
    CLEANUP(nas_buffer_free) struct nas_buffer all = {0};
    TRY(nas_buffer_open(&all, ctx));
    fwrite(&head, sizeof head, 1, all.out);
    fwrite(plan->steps, sizeof *plan->steps, (size_t)plan->n_steps, all.out);
    fwrite(plan->keeps, n_keep(job), head.keeps ? (size_t)plan->tasks : 0, all.out);
    fwrite(path, 1, (size_t)head.path_bytes, all.out);
    TRY(nas_buffer_close(&all, ctx));
    char *to = nas_arena_take(arena, all.length);
    if (to == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the plan of an evaluation");
    }
    *bytes = memcpy(to, all.text, all.length);
    *n = all.length;
    return MN_OK;
}

/* A plan with the list of episodes that it was read from. */
struct unpacked {
    struct nas_evaluation_plan plan; /* first: job->what */
    struct nas_episodes episodes;
};

static int unpack(struct nas_job *job, struct mn_ctx *ctx, struct nas_arena *arena,
                  const void *bytes, size_t n) {
    struct packed head = {.n_steps = -1};
    struct unpacked *u = nas_arena_zeroed(arena, sizeof *u);
    char *copy = nas_arena_take(arena, n);
    if (u == NULL || copy == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the plan of an evaluation");
    }
    if (n >= sizeof head) {
        memcpy(&head, bytes, sizeof head);
        memcpy(copy, bytes, n);
    }
    const int64_t rest = (int64_t)n - (int64_t)sizeof head, each = sizeof(int64_t);
    const int64_t masks =
        head.keeps && head.tasks >= 0 && head.tasks <= rest ? head.tasks * (int64_t)n_keep(job) : 0;
    if (rest < 0 || head.split < MN_TRAIN || head.split > MN_TEST || head.n_steps < 0 ||
        head.n_steps > rest / each || head.path_bytes != rest - head.n_steps * each - masks ||
        head.path_bytes < 0 || (head.path_bytes > 0 && copy[n - 1] != '\0')) {
        return mn_fail(ctx, MN_INTERNAL, "rank 0 sends half a plan of an evaluation");
    }
    u->plan = (struct nas_evaluation_plan){.split = (int)head.split,
                                           .tasks = head.tasks,
                                           .skips = (int)head.skips,
                                           .both_norms = (int)head.both_norms,
                                           .steps = (const void *)(copy + sizeof head),
                                           .n_steps = (int)head.n_steps};
    if (head.keeps) {
        u->plan.keeps = (const void *)(copy + sizeof head + head.n_steps * each);
    }
    job->what = &u->plan;
    if (head.disjoint) {
        u->plan.episodes = &u->episodes;
        return nas_episodes_disjoint(job->e, ctx, u->plan.split, u->plan.tasks, &u->episodes);
    }
    if (head.path_bytes == 0) {
        return MN_OK;
    }
    TRY(nas_episodes_read(ctx, copy + n - head.path_bytes, &u->episodes));
    u->plan.episodes = &u->episodes;
    return nas_episodes_check(&u->episodes, job->e, ctx);
}

static void drop(struct nas_job *job) {
    if (job->what != NULL) {
        nas_episodes_fini(&((struct unpacked *)(uintptr_t)job->what)->episodes);
    }
}

const struct nas_job_kind nas_evaluate_job = {.name = "evaluate",
                                              .slot_bytes = slot_bytes,
                                              .run = evaluate_task,
                                              .parts = nas_state_parts,
                                              .pack = pack,
                                              .unpack = unpack,
                                              .drop = drop};

/* ---- many --------------------------------------------------------------------------------- */

static int make_room(const struct nas_evaluation_plan *plan, struct mn_ctx *ctx,
                     struct nas_evaluation *out) {
    const size_t n = (size_t)plan->tasks, n_intermediate = (size_t)plan->n_steps;
    out->tasks = plan->tasks;
    out->results = nas_arena_zeroed(&out->arena, n * sizeof *out->results);
    out->keeps = nas_arena_array(&out->arena, n * out->n_choices + 1, 1);
    out->intermediate = nas_arena_zeroed(&out->arena, n_intermediate * sizeof *out->intermediate);
    for (size_t i = 0; out->intermediate != NULL && i < n_intermediate; i++) {
        out->intermediate[i].results = nas_arena_zeroed(&out->arena, n * sizeof *out->results);
    }
    return out->tasks > 0 && !out->arena.failed
               ? MN_OK
               : mn_fail(ctx, MN_NOMEM, "no memory for %" PRId64 " tasks", out->tasks);
}

/* From the slots to the results. A task that is left out has none; the first one says why. */
static int collect(const struct nas_job *job, struct mn_ctx *ctx, struct nas_evaluation *out) {
    const struct nas_evaluation_plan *plan = job->what;
    int64_t n = 0;
    for (int64_t i = 0; i < plan->tasks; i++) {
        const struct slot from = slot_in(job, nas_job_slot(job, i));
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
        record->parameters_min =
            parameters < record->parameters_min ? parameters : record->parameters_min;
        record->parameters_max =
            parameters > record->parameters_max ? parameters : record->parameters_max;
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
    TRY(disjoint < 0 ? disjoint : MN_OK);
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
    struct mn_where where = nas_experiment_where(e, plan->split, 0);
    where.seed = plan->episodes != NULL ? plan->episodes->seed : where.seed;
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
