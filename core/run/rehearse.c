/* SPDX-License-Identifier: MIT */
#include "run/rehearse.h"

#include "run/episode.h"
#include "run/progress.h"

/* Normal pixels: after batch norm they are as good as any. */
static int make_set(const struct mn__experiment *e, struct mn_cx *cx, struct mn_rng *rng, int64_t n,
                    struct mn_set *out) {
    const int64_t reals = (int64_t)e->data.channels * e->data.height * e->data.width;
    mn_real *images = mn_scratch(cx, (size_t)(n * reals) * sizeof *images);
    int32_t *labels = mn_scratch(cx, (size_t)n * sizeof *labels);
    if (images == NULL || labels == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < n * reals; i++) {
        images[i] = (mn_real)mn_rng_normal(rng);
    }
    for (int64_t i = 0; i < n; i++) {
        labels[i] = (int32_t)(i % e->task.ways);
    }
    *out = (struct mn_set){.n = (int32_t)n, .images = images, .labels = labels};
    return MN_OK;
}

int mn__rehearse_task(const struct mn__experiment *e, struct mn_cx *cx, struct mn_task *out) {
    struct mn_episode_spec spec;
    struct mn_rng rng = mn_rng_start(cx, MN_RNG_DATA);
    mn__episode_spec(e, cx->where.split, &spec);
    *out = (struct mn_task){.size = sizeof *out, .ways = spec.ways, .host = e};
    const int status = make_set(e, cx, &rng, (int64_t)spec.ways * spec.support, &out->support);
    return status != MN_OK ? status
                           : make_set(e, cx, &rng, (int64_t)spec.ways * spec.query, &out->query);
}

/* ---- the pace ----------------------------------------------------------------------------- */

/* What one worker has done. The first step is not timed: it touches the memory for the first time.
 */
struct lane {
    int64_t steps;
    double first, last; /* when the first and the last step ended */
    int over;           /* stopped because the time is up */
};

struct rehearsal {
    const struct mn__experiment *e;
    const struct mn__state *state;
    int n;
    struct lane *lanes; /* [n] */
    double end;
};

/* A lane's tasks are numbered index, index + n, .. */
static struct lane *lane_of(const struct rehearsal *r, const struct mn_cx *cx) {
    return &r->lanes[cx->where.task % r->n];
}

static int time_step(void *data, struct mn_cx *cx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    const struct rehearsal *r = data;
    struct lane *lane = lane_of(r, cx);
    lane->last = mn__seconds();
    lane->first = lane->steps == 0 ? lane->last : lane->first;
    lane->steps++;
    if (lane->steps < 2 || lane->last < r->end) {
        return MN_OK;
    }
    lane->over = 1;
    return mn_fail(cx, MN_CANCELLED, "the rehearsal is over");
}

static int one_task(const struct rehearsal *r, struct mn_cx *cx) {
    const struct mn__experiment *e = r->e;
    struct mn_task task;
    struct mn_point params;
    mn_real *learner;
    int status = mn__adapt_start(e, cx, &r->state->meta, r->state->learner, &params, &learner);
    if (status == MN_OK) {
        status = e->dataset.started ? mn__episode_sample(e, cx, &task, NULL)
                                    : mn__rehearse_task(e, cx, &task);
    }
    return status != MN_OK ? status : mn__adapt(e, cx, &task, &params, learner);
}

static int run_lane(void *data, struct mn_cx *cx, int64_t index) {
    const struct rehearsal *r = data;
    const struct lane *lane = &r->lanes[index];
    int status = MN_OK;
    do {
        const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
        status = one_task(r, cx);
        mn__arena_release(&mn__cx_of(cx)->scratch, mark);
        cx->where.task += r->n;
    } while (status == MN_OK && (lane->steps == 1 || mn__seconds() < r->end));
    if (status == MN_CANCELLED && lane->over) {
        mn__cx_clear(cx);
        return MN_OK;
    }
    return status;
}

/* The lanes' rates add up. */
static void summarise(const struct rehearsal *r, struct mn__pace *out) {
    double rate = 0;
    *out = (struct mn__pace){0};
    for (int i = 0; i < r->n; i++) {
        const struct lane *lane = &r->lanes[i];
        if (lane->steps > 1 && lane->last > lane->first) {
            out->steps += lane->steps - 1;
            rate += (double)(lane->steps - 1) / (lane->last - lane->first);
        }
    }
    out->step = rate > 0 ? 1 / rate : 0;
}

int mn__rehearse(const struct mn__experiment *e, struct mn_cx *cx, struct mn__workers *workers,
                 int lanes, const struct mn_where *where, const struct mn__state *state,
                 double seconds, struct mn__pace *out) {
    struct mn__arena arena = {0};
    struct mn__cx *c = mn__cx_of(cx);
    struct rehearsal r = {.e = e, .state = state, .n = lanes, .end = mn__seconds() + seconds};
    r.lanes = mn__arena_zeroed(&arena, (size_t)lanes * sizeof *r.lanes);
    if (r.lanes == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for %d lanes", lanes);
    }
    c->on_step = time_step;
    c->on_step_data = &r;
    const int status = mn__workers_run(workers, cx, where, lanes, 0, run_lane, &r);
    c->on_step = NULL;
    c->on_step_data = NULL;
    summarise(&r, out);
    mn__arena_fini(&arena);
    return status;
}
