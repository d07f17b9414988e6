/* SPDX-License-Identifier: MIT */
/* The squared distance of probabilities and labels (Brier score): with p = softmax(scale z), the
 * mean over the images of sum_c (p_c - [c is the label])^2. */
#include <metanas/plugin.h>

struct loss {
    double scale;
};

static int value(const void *self, struct mn_ctx *ctx, const struct mn_loss_call *call,
                 double *loss) {
    const struct loss *s = self;
    double total = 0;
    for (int i = 0; i < call->n; i++) {
        const mn_real *z = call->logits + (ptrdiff_t)i * call->ways;
        mn_real *d = call->d_logits + (ptrdiff_t)i * call->ways;
        mn_vec_softmax(call->ways, z, 1 / s->scale, d); /* p, for now */
        double slope = 0;
        for (int c = 0; c < call->ways; c++) {
            const double off = (double)d[c] - (c == call->labels[i]);
            total += off * off;
            slope += 2 * off * (double)d[c];
        }
        /* dp_c / dz_k = scale p_c ([c = k] - p_k) */
        for (int c = 0; c < call->ways; c++) {
            const double off = (double)d[c] - (c == call->labels[i]);
            d[c] = (mn_real)(s->scale * (double)d[c] * (2 * off - slope) / call->n);
        }
    }
    *loss = total / call->n;
    return MN_OK;
}

static const struct mn_loss table = {
    .size = sizeof table,
    .value = value,
};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct loss, scale, 1.0, 0, 1e6, MN_OPT_OPEN_MIN, "factor of the logits"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_LOSS, "@NAME@", "squared distance of probabilities and labels", struct loss,
                  options, &table))
