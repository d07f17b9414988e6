/* SPDX-License-Identifier: MIT */
/* Cross entropy with the labels, with label smoothing (Szegedy et al. 2016, section 7), or with the
 * targets that a pass brings (distillation, Hinton et al. 2015). */
#include <metanas/plugin.h>

struct cross_entropy {
    double smoothing;
};

/* The probability that class c of image i should have. */
static double target(const struct cross_entropy *s, const struct mn_loss_call *call, int i, int c) {
    if (call->targets != NULL) {
        return (double)call->targets[(ptrdiff_t)i * call->ways + c];
    }
    return (1 - s->smoothing) * (c == call->labels[i]) + s->smoothing / call->ways;
}

static int value(const void *self, struct mn_ctx *ctx, const struct mn_loss_call *call,
                 double *loss) {
    const struct cross_entropy *s = self;
    double total = 0;
    for (int i = 0; i < call->n; i++) {
        const mn_real *z = call->logits + (ptrdiff_t)i * call->ways;
        mn_real *d = call->d_logits + (ptrdiff_t)i * call->ways;
        int top = 0;
        for (int c = 1; c < call->ways; c++) {
            top = z[c] > z[top] ? c : top;
        }
        double sum = 0;
        for (int c = 0; c < call->ways; c++) {
            sum += exp((double)z[c] - (double)z[top]);
        }
        for (int c = 0; c < call->ways; c++) {
            const double p = exp((double)z[c] - (double)z[top]) / sum;
            const double q = target(s, call, i, c);
            d[c] = (mn_real)((p - q) / call->n);
            if (q != 0) { /* which also spares it a logit of minus infinity */
                total += q * (log(sum) - ((double)z[c] - (double)z[top]));
            }
        }
    }
    *loss = total / call->n;
    return MN_OK;
}

static const struct mn_loss cross_entropy = {.size = sizeof cross_entropy, .value = value};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct cross_entropy, smoothing, 0, 0, 1, MN_OPT_OPEN_MAX,
                 "share of the probability that is spread over all classes"),
};

MN_PLUGIN("cross_entropy", "0.1.0",
          MN_UNIT(MN_LOSS, "cross_entropy", "cross entropy in nats, with label smoothing",
                  struct cross_entropy, options, &cross_entropy))
