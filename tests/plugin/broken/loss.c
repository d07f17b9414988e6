/* SPDX-License-Identifier: MIT */
/* The mean over the images of sum_c (z_c - wanted_c)^2, where the label or the targets are wanted,
 * times exp of the only weight. */
#define WAYS                                                                                       \
    FINE, WRONG_SIGN, SUM_FOR_MEAN, IGNORES_TARGETS, ADDS, UNWRITTEN, WRITES_LOGITS, OVERRUNS,     \
        NAN_LOSS, REMEMBERS, BAD_TEACHER, UNNAMED, MANY, NO_WEIGHT, WRONG_DW, UNWRITTEN_DW
#include "wrong.h"

struct loss {
    double scale;
};

static int value(const void *self, struct mn_ctx *ctx, const struct mn_loss_call *call,
                 double *loss) {
    static double before;
    const double scale = ((const struct loss *)self)->scale * exp((double)call->w[0]);
    const int64_t n = (int64_t)call->n * call->ways;
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t label = call->labels[i / call->ways];
        const double wanted =
            call->targets != NULL ? (double)call->targets[i] : label == i % call->ways;
        const double off = (double)call->logits[i] - wanted;
        const double d = scale * 2 * off / (wrong == SUM_FOR_MEAN ? 1 : call->n);
        total += scale * off * off / call->n;
        /* volatile: or a compiler sees that what was there is not to be read. */
        volatile mn_real *to = &call->d_logits[i];
        *to = (mn_real)(wrong == WRONG_SIGN ? -d : wrong == ADDS ? (double)*to + d : d);
        if (wrong == IGNORES_TARGETS && call->targets != NULL) {
            *to = (mn_real)(scale * 2 * ((double)call->logits[i] - (label == i % call->ways)) /
                            call->n);
        }
    }
    if (call->d_w != NULL && wrong != UNWRITTEN_DW) {
        call->d_w[0] = (mn_real)(wrong == WRONG_DW ? 2 * total : total);
    }
    if (wrong == UNWRITTEN) {
        memset(&call->d_logits[n - 1], 0xFF, sizeof *call->d_logits);
    }
    if (wrong == WRITES_LOGITS) {
        ((mn_real *)(uintptr_t)call->logits)[0] = 1;
    }
    if (wrong == OVERRUNS) {
        call->d_logits[n] = 0;
    }
    *loss = wrong == NAN_LOSS ? (double)NAN : wrong == REMEMBERS ? total + before : total;
    before = total;
    return MN_OK;
}

static int teacher(const void *self) {
    return wrong == BAD_TEACHER ? 7 : MN_TEACHER_START;
}

static int32_t n_weights(const void *self, int32_t ways) {
    return wrong == MANY ? MN_LOSS_WEIGHTS + 1 : 1;
}

static int weight(const void *self, struct mn_ctx *ctx, int32_t ways, int32_t index,
                  struct mn_op_weight *out) {
    out->name = wrong == UNNAMED ? "" : "gain";
    out->n_dims = 1;
    out->dims[0] = 1;
    out->init = MN_OP_INIT_ZEROS;
    return MN_OK;
}

static struct mn_loss table = {.size = sizeof table,
                               .value = value,
                               .teacher = teacher,
                               .n_weights = n_weights,
                               .weight = weight};

static const struct mn_opt options[] = {
    MN_REAL(struct loss, scale, 1, 0, 10, "of the loss"),
};

MN_PLUGIN("broken_loss", "1.0.0",
          MN_UNIT(MN_LOSS, "loss", "squared distance of logits and labels", struct loss, options,
                  &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
    if (wrong == NO_WEIGHT) {
        table.weight = NULL;
    }
}
