/* SPDX-License-Identifier: MIT */

/* A task learner that goes wrong in the way that the environment variable ROGUE names, in
 * meta-epoch 7, task 1. Without it, it descends the loss on the support set. */
#include <metanas/plugin.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rogue {
    double lr;
};

/* Beyond the weights, where the host's memory is. */
static void write_beyond(mn_real *w, int64_t n) {
    for (int64_t i = 0; i < 4096; i++) {
        ((volatile mn_real *)w)[n + i] = 1;
    }
}

static int go_wrong(struct mn_ctx *ctx, struct mn_point *params, int64_t n_w, double *loss) {
    const char *how = getenv("ROGUE");
    if (how == NULL || ctx->where.split != MN_TRAIN || ctx->where.meta_epoch != 7 ||
        ctx->where.task != 1) {
        return MN_OK;
    }
    if (strcmp(how, "crash") == 0) {
        raise(SIGSEGV);
    } else if (strcmp(how, "abort") == 0) {
        abort();
    } else if (strcmp(how, "exit") == 0) {
        _exit(0);
    } else if (strcmp(how, "hang") == 0) {
        for (;;) {
            pause();
        }
    } else if (strcmp(how, "beyond") == 0) {
        write_beyond(params->w, n_w);
    } else if (strcmp(how, "nan") == 0) {
        params->w[n_w - 1] = NAN;
    } else if (strcmp(how, "nan_loss") == 0) {
        *loss = NAN;
    } else if (strcmp(how, "positive") == 0) {
        return 3;
    }
    return MN_OK;
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    const struct rogue *s = self;
    struct mn_dims dims;
    struct mn_set batch;
    int status = mn_model_dims(ctx, model, &dims);
    mn_real *d_w = mn_scratch(ctx, (size_t)dims.n_w * sizeof *d_w);
    for (int64_t step = 0; status == MN_OK && d_w != NULL && step < 3; step++) {
        const struct mn_pass pass = {
            .size = sizeof pass, .flags = MN_PASS_GRAD_W, .progress = 1, .step = step};
        struct mn_outcome out = {.size = sizeof out, .d_w = d_w};
        status = mn_task_batch(ctx, task, step, 3, &batch);
        if (status == MN_OK) {
            status = mn_model_pass(ctx, model, params, &batch, &pass, &out);
        }
        if (status == MN_OK) {
            mn_vec_axpy(dims.n_w, (mn_real)-s->lr, d_w, params->w);
            status = go_wrong(ctx, params, dims.n_w, &out.loss);
        }
        if (status == MN_OK) {
            status = mn_step_done(ctx, step, out.loss, (double)out.hits / batch.n, out.skip_share,
                                  params);
        }
    }
    return d_w == NULL ? MN_NOMEM : status;
}

static uint32_t adapts(const void *self, const struct mn_where *where) {
    return MN_ADAPTS_W;
}

static const struct mn_task_learner table = {
    .size = sizeof table, .adapts = adapts, .adapt = adapt};

static const struct mn_opt options[] = {
    MN_REAL(struct rogue, lr, 0.01, 0, 1, "learning rate"),
};

MN_PLUGIN("rogue", "1.0.0",
          MN_UNIT(MN_TASK_LEARNER, "rogue", "goes wrong when told to", struct rogue, options,
                  &table))
