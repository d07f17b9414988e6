/* SPDX-License-Identifier: MIT */
#include "run/train_job.h"

#include "run/episode.h"

#include <inttypes.h>
#include <string.h>

/* ---- slots -------------------------------------------------------------------------------- */

enum { LAST = 64 }; /* bytes in front of the arrays */

static size_t array_bytes(int64_t n) {
    return ((size_t)n * sizeof(mn_real) + 63) / 64 * 64;
}

static size_t slot_bytes(const struct mn__job *job) {
    const struct mn_dims *d = mn__model_dims(job->e->model);
    return LAST + array_bytes(d->n_w) + array_bytes(d->n_a) + array_bytes(job->e->n_own) +
           array_bytes(job->e->n_state);
}

static mn_real *next_array(char **at, int64_t n) {
    mn_real *array = (void *)*at;
    *at += array_bytes(n);
    return array;
}

static struct mn__train_result result_in(const struct mn__job *job, void *slot) {
    const struct mn_dims *d = mn__model_dims(job->e->model);
    struct mn__train_result out = {.last = slot};
    char *at = (char *)slot + LAST;
    out.direction.to.w = next_array(&at, d->n_w);
    out.direction.to.a = next_array(&at, d->n_a);
    out.direction.own = next_array(&at, job->e->n_own);
    out.learner = next_array(&at, job->e->n_state);
    return out;
}

struct mn__train_result mn__train_result(const struct mn__job *job, int64_t i) {
    return result_in(job, mn__job_slot(job, i));
}

/* ---- a task ------------------------------------------------------------------------------- */

static int note_step(void *data, struct mn_cx *cx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    memcpy(data, (const double[3]){loss, accuracy, skip_share}, 3 * sizeof(double));
    return MN_OK;
}

/* The optimiser state a task starts from. */
static void start_moments(const struct mn__job *job, int64_t task, mn_real *out) {
    const int64_t n = job->e->n_state;
    if (job->e->moments == MN_MOMENTS_RESET) {
        mn_vec_fill(n, 0, out);
    } else if (job->e->moments == MN_MOMENTS_CARRY && task > 0) {
        mn_vec_copy(n, mn__train_result(job, task - 1).learner, out);
    } else {
        mn_vec_copy(n, job->state->learner, out);
    }
}

/* Algorithm 2, lines 5-12. */
static int train_task(const struct mn__job *job, struct mn_cx *cx, int64_t index, void *slot) {
    const struct mn__experiment *e = job->e;
    const struct mn_dims *d = mn__model_dims(e->model);
    struct mn__train_result result = result_in(job, slot);
    struct mn_task task;
    struct mn_point params = {mn_scratch(cx, (size_t)d->n_w * sizeof(mn_real)),
                              mn_scratch(cx, (size_t)d->n_a * sizeof(mn_real))};
    int status = params.w != NULL && params.a != NULL ? MN_OK : MN_NOMEM;
    memset(slot, 0, LAST);
    mn__cx_of(cx)->on_step = note_step;
    mn__cx_of(cx)->on_step_data = result.last;
    if (status == MN_OK) {
        mn_vec_copy(d->n_w, job->state->meta.w, params.w);
        mn_vec_copy(d->n_a, job->state->meta.a, params.a);
        start_moments(job, index, result.learner);
        status = mn__episode_sample(e, cx, &task, NULL);
    }
    if (status == MN_OK) {
        status = mn__task_direction(e, cx, &task, &job->state->meta, &params, result.learner,
                                    &result.direction);
    }
    return status != MN_OK
               ? mn__cx_where(cx, "meta-epoch %" PRId64 ", task %" PRId64 " (seed %" PRIu64 ")",
                              cx->where.meta_epoch, index, cx->where.seed)
               : MN_OK;
}

const struct mn__job_kind mn__train_job = {
    .name = "train", .slot_bytes = slot_bytes, .run = train_task};
