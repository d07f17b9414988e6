/* SPDX-License-Identifier: MIT */
#include "rehearse.h"

#include "base/clock.h"
#include "learn/adapt.h"
#include "learn/task.h"

/* Normal pixels: after batch norm they are as good as any. */
static int make_set(const struct nas_experiment *e, struct mn_ctx *ctx, struct mn_rng *rng,
                    int64_t n, struct mn_set *out) {
    const int64_t reals = (int64_t)e->data.channels * e->data.height * e->data.width;
    mn_real *images = mn_scratch(ctx, (size_t)(n * reals) * sizeof *images);
    int32_t *labels = mn_scratch(ctx, (size_t)n * sizeof *labels);
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

int rehearse_task(const struct nas_experiment *e, struct mn_ctx *ctx, struct mn_task *out) {
    const struct mn_episode_spec spec = nas_episode_spec(e, ctx->where.split);
    struct mn_rng rng = mn_rng_start(ctx, MN_RNG_DATA);
    *out = (struct mn_task){.size = sizeof *out, .ways = spec.ways, .host = e};
    const int status = make_set(e, ctx, &rng, (int64_t)spec.ways * spec.support, &out->support);
    return status != MN_OK ? status
                           : make_set(e, ctx, &rng, (int64_t)spec.ways * spec.query, &out->query);
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
    const struct nas_experiment *e;
    const struct nas_state *state;
    int n;
    struct lane *lanes; /* [n] */
    double end;
};

/* A lane's tasks are numbered index, index + n, .. */
static struct lane *lane_of(const struct rehearsal *r, const struct mn_ctx *ctx) {
    return &r->lanes[ctx->where.task % r->n];
}

static int time_step(void *data, struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    const struct rehearsal *r = data;
    struct lane *lane = lane_of(r, ctx);
    lane->last = nas_now();
    lane->first = lane->steps == 0 ? lane->last : lane->first;
    lane->steps++;
    if (lane->steps < 2 || lane->last < r->end) {
        return MN_OK;
    }
    lane->over = 1;
    return mn_fail(ctx, MN_CANCELLED, "the rehearsal is over");
}

static int one_task(struct rehearsal *r, struct mn_ctx *ctx) {
    const struct nas_experiment *e = r->e;
    const struct nas_watch watch = {.on_step = time_step, .data = r};
    struct mn_task task;
    struct mn_point params;
    mn_real *learner;
    TRY(nas_adapt_start(e, ctx, &r->state->meta, r->state->learner, &params, &learner));
    TRY(e->dataset.started ? nas_episode_sample(e, ctx, &task, NULL)
                           : rehearse_task(e, ctx, &task));
    return nas_adapt(e, ctx, &task, &watch, &params, learner);
}

static int run_lane(void *data, struct mn_ctx *ctx, int64_t index) {
    struct rehearsal *r = data;
    const struct lane *lane = &r->lanes[index];
    int status = MN_OK;
    do {
        const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
        status = one_task(r, ctx);
        nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
        ctx->where.task += r->n;
    } while (status == MN_OK && (lane->steps == 1 || nas_now() < r->end));
    if (status == MN_CANCELLED && lane->over) {
        nas_ctx_clear(ctx);
        return MN_OK;
    }
    return status;
}

/* The lanes' rates add up. */
static void summarise(const struct rehearsal *r, struct pace *out) {
    double rate = 0;
    *out = (struct pace){0};
    for (int i = 0; i < r->n; i++) {
        const struct lane *lane = &r->lanes[i];
        if (lane->steps > 1 && lane->last > lane->first) {
            out->steps += lane->steps - 1;
            rate += (double)(lane->steps - 1) / (lane->last - lane->first);
        }
    }
    out->step = rate > 0 ? 1 / rate : 0;
}

int rehearse(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_threads *threads,
             int lanes, const struct mn_where *where, const struct nas_state *state, double seconds,
             struct pace *out) {
    struct nas_arena arena = {0};
    struct rehearsal r = {.e = e, .state = state, .n = lanes, .end = nas_now() + seconds};
    r.lanes = nas_arena_zeroed(&arena, (size_t)lanes * sizeof *r.lanes);
    if (r.lanes == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for %d lanes", lanes);
    }
    const int status = nas_threads_run(threads, ctx, where, 0, lanes, 0, run_lane, &r);
    summarise(&r, out);
    nas_arena_fini(&arena);
    return status;
}
