/* SPDX-License-Identifier: MIT */
/* The times of a configuration's candidates on this machine, each alone in a network of one node.
 */
#include "command.h"

#include "learn/latencies.h"
#include "progress.h"

#include <stdlib.h>
#include <time.h>

enum { MOST_ROUNDS = 101 };

struct bench_flags {
    const char *out, *shape;
    int64_t images, rounds;
};

/* ---- a network of one candidate ----------------------------------------------------------- */

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    const struct nas_latency *site = self;
    const struct mn_edge_spec edge = {.size = sizeof edge,
                                      .from = 0,
                                      .stride = site->stride,
                                      .n_ops = 1,
                                      .ops = &site->operation};
    const struct mn_node_spec node = {.size = sizeof node,
                                      .n_edges = 1,
                                      .name = "node",
                                      .edges = &edge,
                                      .edge_stride = sizeof edge,
                                      .channels = dims->channels};
    struct mn_head_spec head = {.size = sizeof head, .name = "head", .kind = MN_HEAD_AVERAGE};
    TRY(mn_build_node(ctx, builder, &node, &head.from));
    return mn_build_head(ctx, builder, &head);
}

/* One that can be passed. */
struct network {
    struct nas_ctx *ctx;
    struct nas_latency site;
    struct nas_instance space;
    struct mn_model *model;
    struct nas_workspace *workspace;
    struct mn_point at;
    struct mn_set batch;
    mn_real *images;
    int32_t *labels;
};

static void close_network(struct network *x) {
    nas_workspace_free(x->workspace);
    nas_model_free(x->model);
    free(x->at.w);
    free(x->images);
    free(x->labels);
}

static int fill(struct network *x, int64_t n) {
    const struct mn_dims *dims = nas_model_dims(x->model);
    const int64_t reals = n * dims->channels * dims->height * dims->width;
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 0, 0, 0, 0);
    x->at.w = calloc((size_t)dims->n_w + 1, sizeof *x->at.w);
    x->images = calloc((size_t)reals, sizeof *x->images);
    x->labels = calloc((size_t)n, sizeof *x->labels);
    if (x->at.w == NULL || x->images == NULL || x->labels == NULL) {
        return no_memory(&x->ctx->pub);
    }
    nas_model_init(x->model, 1, 0, &x->at);
    for (int64_t i = 0; i < reals; i++) {
        x->images[i] = (mn_real)mn_rng_normal(&rng);
    }
    x->batch = (struct mn_set){.n = (int32_t)n, .images = x->images, .labels = x->labels};
    return MN_OK;
}

static int open_network(struct network *x, struct mn_ctx *ctx, struct nas_experiment *e,
                        const struct nas_latency *site, int64_t images) {
    *x = (struct network){.ctx = nas_ctx_of(ctx), .site = *site};
    x->space = (struct nas_instance){
        .unit = e->search_space.unit,
        .self = &x->site,
        .label = "bench-ops",
        .table.search_space = {.size = sizeof x->space.table.search_space, .build = build}};
    struct nas_network_units units = nas_experiment_network(e);
    units.search_space = &x->space;
    const struct mn_dims dims = {.size = sizeof dims,
                                 .ways = (int32_t)e->task.ways,
                                 .channels = site->channels,
                                 .height = site->height,
                                 .width = site->width,
                                 .max_batch = (int32_t)images};
    TRY(nas_model_new(ctx, &units, &dims, e->backend, e->kernels, &x->model));
    TRY(nas_workspace_reserve(ctx, x->model, 1));
    TRY(nas_workspace_new(ctx, x->model, &x->workspace));
    return fill(x, images);
}

/* ---- its time ----------------------------------------------------------------------------- */

static int pass(struct network *x) {
    const struct mn_pass options = {.size = sizeof options, .progress = 1};
    struct mn_outcome out = {.size = sizeof out};
    x->ctx->workspace = x->workspace;
    const int status = mn_model_pass(&x->ctx->pub, x->model, &x->at, &x->batch, &options, &out);
    x->ctx->workspace = NULL;
    return status;
}

/* Seconds of the processor that this thread has had: others on the machine do not count. */
static double spent(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Nanoseconds of an image: of so many passes that they take two milliseconds. */
static int time_passes(struct network *x, double *ns) {
    int64_t passes = 0;
    const double begin = spent();
    double end = begin;
    for (; end < begin + 2e-3; end = spent()) {
        TRY(pass(x));
        passes++;
    }
    *ns = 1e9 * (end - begin) / (double)passes / (double)x->batch.n;
    return MN_OK;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over rounds of what the candidate takes more than `none` in its place: in each round
 * one is timed after the other. */
static int measure(struct network *x, struct network *empty, int64_t rounds, double *ns) {
    double more[MOST_ROUNDS], with, without;
    TRY(pass(x)); /* what is done once, and the caches */
    TRY(pass(empty));
    for (int64_t i = 0; i < rounds; i++) {
        TRY(time_passes(x, &with));
        TRY(time_passes(empty, &without));
        more[i] = with - without;
    }
    qsort(more, (size_t)rounds, sizeof more[0], by_size);
    *ns = fmax(more[rounds / 2], 0);
    return MN_OK;
}

static int measure_site(struct mn_ctx *ctx, struct nas_experiment *e,
                        const struct bench_flags *flags, struct nas_latency *site) {
    CLEANUP(close_network) struct network x = {0};
    CLEANUP(close_network) struct network empty = {0};
    struct nas_latency nothing = *site;
    nothing.operation = "none";
    TRY(open_network(&x, ctx, e, site, flags->images));
    TRY(open_network(&empty, ctx, e, &nothing, flags->images));
    return measure(&x, &empty, flags->rounds, &site->ns);
}

/* ---- the command -------------------------------------------------------------------------- */

static int measure_all(struct mn_ctx *ctx, struct nas_experiment *e,
                       const struct bench_flags *flags, struct nas_latencies *all) {
    struct progress progress;
    int status = MN_OK;
    progress_begin(&progress, "candidate", 0, all->n, nas_ctx_of(ctx)->log_level < MN_LOG_INFO);
    for (int64_t i = 0; status == MN_OK && i < all->n; i++) {
        status = mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped; nothing was written")
                                   : measure_site(ctx, e, flags, &all->at[i]);
        progress_show(&progress, i + 1);
    }
    progress_end(&progress);
    return status;
}

static void tell(const struct nas_latencies *all) {
    printf("%-20s %6s %8s %9s %12s\n", "operation", "stride", "channels", "input", "ns an image");
    for (int64_t i = 0; i < all->n; i++) {
        const struct nas_latency *x = &all->at[i];
        char size[32];
        snprintf(size, sizeof size, "%dx%d", (int)x->height, (int)x->width);
        printf("%-20s %6d %8d %9s %12.0f\n", x->operation, (int)x->stride, (int)x->channels, size,
               x->ns);
    }
}

static int run_bench_ops(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct bench_flags *flags = arguments->flags;
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    struct nas_latencies all;
    struct nas_open open = {.flags = NAS_OPEN_NO_LATENCIES};
    int shape[3];
    if (flags->rounds > MOST_ROUNDS) {
        return mn_fail(ctx, MN_CONFIG, "bench-ops: --rounds %lld: 1 to %d are possible",
                       (long long)flags->rounds, MOST_ROUNDS);
    }
    if (flags->shape != NULL) {
        TRY(parse_shape(ctx, "bench-ops", flags->shape, shape));
        open.flags |= NAS_OPEN_NO_DATA;
        open.shape = shape;
    }
    TRY(open_experiment(ctx, arguments, arguments->operand, &open, &experiment));
    TRY(nas_latency_sites(ctx, experiment.model, &experiment.arena, &all));
    if (all.n == 0) {
        return mn_fail(ctx, MN_CONFIG, "%s: its search space has no candidate operations",
                       arguments->operand);
    }
    TRY(measure_all(ctx, &experiment, flags, &all));
    tell(&all);
    if (flags->out != NULL) {
        TRY(nas_latencies_write(ctx, flags->out, &all));
        printf("written to %s; a run uses it with run.latency and task_learner.cost\n", flags->out);
    }
    return MN_OK;
}

#define F struct bench_flags
static const struct mn_opt flags[] = {
    FLAG_TEXT(F, out, "-o, --out", "FILE", "write the table, for run.latency"),
    FLAG_INT(F, images, "--images", "N", 15, 1, "images of a pass (default 15)"),
    FLAG_INT(F, rounds, "--rounds", "N", 15, 1,
             "times that each is measured, 1 to 101; the median counts (default 15)"),
    FLAG_TEXT(F, shape, "--shape", "C,H,W", "image shape, in place of the data set's"),
};

const struct command command_bench_ops = {
    .name = "bench-ops",
    .operand = "CONFIG",
    .doc = "measure what the candidate operations take on this machine",
    .more = "Each candidate at each place of the network is timed forward, by one thread, in a "
            "network of\nits own, less what that network takes with 'none' in its place. With the "
            "table a run can\nsearch for networks that are fast here: run.latency and "
            "task_learner.cost {of: latency}.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct bench_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option: --set search_space.channels=16 (may repeat)",
    .run = run_bench_ops,
};
