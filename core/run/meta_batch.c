/* SPDX-License-Identifier: MIT */
#include "run/meta_batch.h"

#include "run/episode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int mn__meta_batch_new(const struct mn__experiment *e, struct mn_cx *cx,
                       struct mn__meta_batch *out) {
    const int64_t tasks = e->run.tasks_per_batch;
    *out = (struct mn__meta_batch){
        .e = e, .culprit = -1, .skip = e->run.on_nan == MN__ON_NAN_SKIP_TASK};
    out->slots = mn__arena_zeroed(&out->arena, (size_t)tasks * sizeof *out->slots);
    out->directions = mn__arena_array(&out->arena, (size_t)tasks, sizeof *out->directions);
    out->used = mn__arena_array(&out->arena, (size_t)tasks, sizeof *out->used);
    int room = out->slots != NULL && out->directions != NULL && out->used != NULL;
    for (int64_t i = 0; room && i < tasks; i++) {
        struct mn__task_slot *s = &out->slots[i];
        s->learner = mn__arena_array(&out->arena, (size_t)e->n_state, sizeof(mn_real));
        s->message = mn__arena_zeroed(&out->arena, MN__MESSAGE);
        room = s->learner != NULL && s->message != NULL &&
               mn__direction_new(e, &out->arena, &out->directions[i]);
    }
    const int status = room
                           ? mn__workers_new(cx, mn__experiment_workers(e), e->model, &out->workers)
                           : mn_fail(cx, MN_NOMEM, "no memory for %" PRId64 " tasks", tasks);
    if (status != MN_OK) {
        mn__meta_batch_fini(out);
    }
    return status;
}

void mn__meta_batch_fini(struct mn__meta_batch *b) {
    mn__workers_free(b->workers);
    for (int64_t i = 0; b->slots != NULL && i < b->e->run.tasks_per_batch; i++) {
        free(b->slots[i].steps);
    }
    mn__arena_fini(&b->arena);
    memset(b, 0, sizeof *b);
}

struct mn_where mn__meta_batch_where(const struct mn__experiment *e,
                                     const struct mn__state *state) {
    return (struct mn_where){.size = sizeof(struct mn_where),
                             .split = MN_TRAIN,
                             .seed = (uint64_t)e->run.seed + ((uint64_t)state->rollbacks << 53),
                             .meta_epoch = state->meta_epoch,
                             .meta_epochs = e->run.meta_epochs};
}

/* ---- one task ----------------------------------------------------------------------------- */

static int note_step(void *data, struct mn_cx *cx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    struct mn__task_slot *slot = &((struct mn__meta_batch *)data)->slots[cx->where.task];
    if (slot->n_steps == slot->room) {
        const int64_t room = slot->room > 0 ? 2 * slot->room : 16;
        struct mn__task_step *steps = realloc(slot->steps, (size_t)room * sizeof *steps);
        if (steps == NULL) {
            return mn_fail(cx, MN_NOMEM, "no memory for the losses of %" PRId64 " steps", room);
        }
        slot->steps = steps;
        slot->room = room;
    }
    slot->steps[slot->n_steps++] = (struct mn__task_step){loss, accuracy};
    slot->skip_share = skip_share;
    return MN_OK;
}

/* The optimiser state a task starts from. */
static void start_moments(const struct mn__meta_batch *b, int64_t task, mn_real *out) {
    const int64_t n = b->e->n_state;
    if (b->e->moments == MN_MOMENTS_RESET) {
        mn_vec_fill(n, 0, out);
    } else if (b->e->moments == MN_MOMENTS_CARRY && task > 0) {
        mn_vec_copy(n, b->slots[task - 1].learner, out);
    } else {
        mn_vec_copy(n, b->state->learner, out);
    }
}

/* Algorithm 2, lines 5-12, on one task. */
static int solve(struct mn__meta_batch *b, struct mn_cx *cx, int64_t index) {
    const struct mn_dims *d = mn__model_dims(b->e->model);
    struct mn__task_slot *slot = &b->slots[index];
    struct mn_task task;
    struct mn_point params = {mn_scratch(cx, (size_t)d->n_w * sizeof(mn_real)),
                              mn_scratch(cx, (size_t)d->n_a * sizeof(mn_real))};
    if (params.w == NULL || params.a == NULL) {
        return MN_NOMEM;
    }
    mn_vec_copy(d->n_w, b->state->meta.w, params.w);
    mn_vec_copy(d->n_a, b->state->meta.a, params.a);
    start_moments(b, index, slot->learner);
    const int status = mn__episode_sample(b->e, cx, &task, NULL);
    return status != MN_OK ? status
                           : mn__task_direction(b->e, cx, &task, &b->state->meta, &params,
                                                slot->learner, &b->directions[index]);
}

/* One that is skipped leaves the optimiser state as it found it. */
static int train_task(void *data, struct mn_cx *cx, int64_t index) {
    struct mn__meta_batch *b = data;
    struct mn__task_slot *slot = &b->slots[index];
    slot->n_steps = 0;
    slot->failed = 0;
    const int status = solve(b, cx, index);
    if (status == MN_OK) {
        return MN_OK;
    }
    mn__cx_where(cx, "meta-epoch %" PRId64 ", task %" PRId64 " (seed %" PRIu64 ")",
                 cx->where.meta_epoch, index, cx->where.seed);
    if (status == MN_NUMERIC) {
        slot->failed = 1;
        snprintf(slot->message, MN__MESSAGE, "%s", mn__cx_message(cx));
    }
    if (status != MN_NUMERIC || !b->skip) {
        return status;
    }
    mn__cx_clear(cx);
    start_moments(b, index, slot->learner);
    return MN_OK;
}

static void enter(struct mn__meta_batch *b, struct mn_cx *cx, const struct mn__state *state) {
    b->state = state;
    mn__cx_of(cx)->on_step = note_step;
    mn__cx_of(cx)->on_step_data = b;
    for (int64_t i = 0; i < b->e->run.tasks_per_batch; i++) {
        b->slots[i].failed = 0;
        b->slots[i].n_steps = 0;
    }
}

static int run_tasks(struct mn__meta_batch *b, struct mn_cx *cx, const struct mn__state *state) {
    const struct mn_where where = mn__meta_batch_where(b->e, state);
    enter(b, cx, state);
    const int status = mn__workers_run(b->workers, cx, &where, b->e->run.tasks_per_batch,
                                       b->e->moments == MN_MOMENTS_CARRY, train_task, b);
    mn__cx_of(cx)->on_step = NULL;
    return status;
}

/* Through the pool, since its contexts have the workspaces. */
struct single {
    struct mn__meta_batch *batch;
    int64_t first;
};

static int single_task(void *data, struct mn_cx *cx, int64_t index) {
    const struct single *s = data;
    cx->where.task = s->first + index;
    return train_task(s->batch, cx, s->first + index);
}

int mn__meta_batch_task(struct mn__meta_batch *b, struct mn_cx *cx, const struct mn__state *state,
                        int64_t task) {
    const struct mn_where where = mn__meta_batch_where(b->e, state);
    const int carry = b->e->moments == MN_MOMENTS_CARRY;
    struct single s = {b, task};
    int status = MN_OK;
    enter(b, cx, state);
    if (carry && task > 0) {
        status = mn__workers_run(b->workers, cx, &where, task, 1, train_task, b);
    }
    b->skip = 0;
    if (status == MN_OK) {
        status = mn__workers_run(b->workers, cx, &where, 1, 1, single_task, &s);
    }
    b->skip = b->e->run.on_nan == MN__ON_NAN_SKIP_TASK;
    mn__cx_of(cx)->on_step = NULL;
    return status;
}

/* ---- what follows from them --------------------------------------------------------------- */

/* The optimiser state after the meta-batch. */
static void settle_moments(const struct mn__meta_batch *b, mn_real *out) {
    const int64_t n = b->e->n_state, tasks = b->e->run.tasks_per_batch;
    if (b->e->moments == MN_MOMENTS_CARRY) {
        mn_vec_copy(n, b->slots[tasks - 1].learner, out);
    } else if (b->e->moments == MN_MOMENTS_AVERAGE) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t i = 0; i < tasks; i++) {
                sum += b->slots[i].failed ? 0 : (double)b->slots[i].learner[j];
            }
            out[j] = (mn_real)(sum / (double)b->n_used);
        }
    }
}

static void add_log(const struct mn__meta_batch *b, double log[4]) {
    double sums[3] = {0, 0, 0};
    for (int64_t i = 0; i < b->e->run.tasks_per_batch; i++) {
        const struct mn__task_slot *s = &b->slots[i];
        if (!s->failed && s->n_steps > 0) {
            sums[0] += s->steps[s->n_steps - 1].loss;
            sums[1] += s->steps[s->n_steps - 1].accuracy;
            sums[2] += s->skip_share;
        }
    }
    log[0] += 1;
    for (int k = 0; k < 3; k++) {
        log[k + 1] += sums[k] / (double)b->n_used;
    }
}

static void choose(struct mn__meta_batch *b) {
    b->n_used = 0;
    for (int64_t i = 0; i < b->e->run.tasks_per_batch; i++) {
        if (!b->slots[i].failed) {
            b->used[b->n_used++] = b->directions[i];
        }
    }
}

static int64_t first_failed(const struct mn__meta_batch *b) {
    for (int64_t i = 0; i < b->e->run.tasks_per_batch; i++) {
        if (b->slots[i].failed) {
            return i;
        }
    }
    return -1;
}

int mn__meta_batch_run(struct mn__meta_batch *b, struct mn_cx *cx, struct mn__state *state) {
    int status = run_tasks(b, cx, state);
    b->culprit = status == MN_NUMERIC ? first_failed(b) : -1;
    if (status != MN_OK) {
        return status;
    }
    choose(b);
    if (b->n_used == 0) {
        b->culprit = 0;
        return mn_fail(cx, MN_NUMERIC, "%s; and so is every task of the meta-batch",
                       b->slots[0].message);
    }
    cx->where = mn__meta_batch_where(b->e, state);
    status = mn__meta_update(b->e, cx, &state->meta, b->n_used, b->used);
    if (status != MN_OK) {
        return mn__cx_where(cx, "meta-epoch %" PRId64, state->meta_epoch);
    }
    settle_moments(b, state->learner);
    add_log(b, state->log);
    state->meta_epoch++;
    return MN_OK;
}
