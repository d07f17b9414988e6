/* SPDX-License-Identifier: MIT */
/* Distillation (Hinton et al. 2015, section 2): (1 - weight) times the cross entropy of the labels
 * and weight T^2 times the divergence KL(q || p), with p and q the softmax of this network's and of
 * the teacher's logits over the temperature T. The teacher of a step is the network as the task
 * started (self-distillation; Li and Hoiem 2016 do so against forgetting), or whoever gives targets
 * to a pass. Passes without targets, such as those of query images, have the labels alone. */
#include <metanas/plugin.h>

struct distillation {
    double temperature, weight;
};

static int teacher(const void *self) {
    return MN_TEACHER_START;
}

/* log softmax(z / t) */
static void log_softmax(int n, const mn_real *z, double t, double *out) {
    double top = (double)z[0], sum = 0;
    for (int c = 1; c < n; c++) {
        top = (double)z[c] > top ? (double)z[c] : top;
    }
    for (int c = 0; c < n; c++) {
        out[c] = ((double)z[c] - top) / t;
        sum += exp(out[c]);
    }
    for (int c = 0; c < n; c++) {
        out[c] -= log(sum);
    }
}

/* softmax(log(p) / t), which is softmax(z / t) where p is softmax(z). */
static void soften(int n, const mn_real *p, double t, double *out) {
    double sum = 0;
    for (int c = 0; c < n; c++) {
        out[c] = p[c] > 0 ? exp(log((double)p[c]) / t) : 0;
        sum += out[c];
    }
    for (int c = 0; c < n; c++) {
        out[c] /= sum;
    }
}

static int value(const void *self, struct mn_ctx *ctx, const struct mn_loss_call *call,
                 double *loss) {
    const struct distillation *s = self;
    const int ways = call->ways;
    const double taught = call->targets != NULL ? s->weight : 0, t = s->temperature;
    double *log_p = mn_scratch(ctx, 2 * (size_t)ways * sizeof *log_p), total = 0;
    if (log_p == NULL) {
        return MN_NOMEM;
    }
    double *q = log_p + ways;
    for (int i = 0; i < call->n; i++) {
        const mn_real *z = call->logits + (ptrdiff_t)i * ways;
        mn_real *d = call->d_logits + (ptrdiff_t)i * ways;
        log_softmax(ways, z, 1, log_p);
        total -= (1 - taught) * log_p[call->labels[i]];
        for (int c = 0; c < ways; c++) {
            d[c] = (mn_real)((1 - taught) * (exp(log_p[c]) - (c == call->labels[i])) / call->n);
        }
        if (call->targets == NULL) {
            continue;
        }
        log_softmax(ways, z, t, log_p);
        soften(ways, call->targets + (ptrdiff_t)i * ways, t, q);
        for (int c = 0; c < ways; c++) {
            total += q[c] > 0 ? taught * t * t * q[c] * (log(q[c]) - log_p[c]) : 0;
            d[c] = (mn_real)((double)d[c] + taught * t * (exp(log_p[c]) - q[c]) / call->n);
        }
    }
    *loss = total / call->n;
    return MN_OK;
}

static const struct mn_loss distillation = {
    .size = sizeof distillation, .value = value, .teacher = teacher};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct distillation, temperature, 2, 0, 1e6, MN_OPT_OPEN_MIN,
                 "divides the logits of both before they are compared; higher looks more at the "
                 "classes that are unlikely"),
    MN_REAL(struct distillation, weight, 0.5, 0, 1,
            "share of the teacher; the rest is the labels'"),
};

MN_PLUGIN("distillation", "0.1.0",
          MN_UNIT(MN_LOSS, "distillation",
                  "cross entropy with the labels and with the network as the task started",
                  struct distillation, options, &distillation))
