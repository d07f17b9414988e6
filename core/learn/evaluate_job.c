/* SPDX-License-Identifier: MIT */
#include "learn/evaluate_job.h"

#include "learn/state.h"
#include "learn/task.h"

#include <inttypes.h>
#include <string.h>

/* ---- slots -------------------------------------------------------------------------------- */

static size_t n_keep(const struct nas_job *job) {
    return (size_t)nas_model_dims(job->e->model)->n_choices;
}

static size_t n_results(const struct nas_job *job) {
    return 1 + (size_t)((const struct nas_evaluation_plan *)job->what)->n_steps;
}

static int skips(const struct nas_job *job) {
    return ((const struct nas_evaluation_plan *)job->what)->skips;
}

static size_t slot_bytes(const struct nas_job *job) {
    return n_results(job) * sizeof(struct nas_task_result) + n_keep(job) +
           (skips(job) ? NAS_MESSAGE : 0);
}

static struct nas_evaluate_result result_in(const struct nas_job *job, void *slot) {
    struct nas_task_result *first = slot;
    uint8_t *keep = (uint8_t *)(first + n_results(job));
    return (struct nas_evaluate_result){first, first + 1, keep,
                                        skips(job) ? (char *)(keep + n_keep(job)) : NULL};
}

struct nas_evaluate_result nas_evaluate_result(const struct nas_job *job, int64_t i) {
    return result_in(job, nas_job_slot(job, i));
}

/* ---- a task ------------------------------------------------------------------------------- */

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
        TRY(nas_judge(watched->job->e, ctx, watched->task, now, 0, keep, NULL,
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
                 const struct nas_evaluate_result *out) {
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

static int evaluate_task(const struct nas_job *job, struct mn_ctx *ctx, int64_t index, void *slot) {
    const struct nas_evaluate_result out = result_in(job, slot);
    memset(slot, 0, slot_bytes(job));
    const int status = solve(job, ctx, index, &out);
    if (status == MN_OK) {
        return MN_OK;
    }
    nas_ctx_where(ctx, "%s task %" PRId64 " (seed %" PRIu64 ")",
                  ctx->where.split == MN_VAL ? "validation" : "test", index, ctx->where.seed);
    if (status != MN_NUMERIC || !skips(job)) {
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
    const struct {
        const void *from;
        size_t bytes;
    } parts[] = {{&head, sizeof head},
                 {plan->steps, (size_t)plan->n_steps * sizeof *plan->steps},
                 {plan->keeps, head.keeps ? (size_t)plan->tasks * n_keep(job) : 0},
                 {path, (size_t)head.path_bytes}};
    size_t all = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        all += parts[i].bytes;
    }
    char *to = nas_arena_take(arena, all);
    if (to == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the plan of an evaluation");
    }
    *bytes = to;
    *n = all;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].bytes > 0) {
            memcpy(to, parts[i].from, parts[i].bytes);
            to += parts[i].bytes;
        }
    }
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
