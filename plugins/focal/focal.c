/* SPDX-License-Identifier: MIT */
/* Focal loss (Lin et al. 2017, Eq. 4): -sum_c q_c (1 - p_c)^gamma log p_c, where q is 1 for the
 * label or what the pass brings as targets. */
#include <metanas/plugin.h>

struct focal {
    double gamma;
};

/* (1 - p)^by, 0 where p is 1, also for a negative power: there it stands beside log p. */
static double rest(double p, double by) {
    return p < 1 ? pow(1 - p, by) : by == 0;
}

static int value(const void *self, struct mn_ctx *ctx, const struct mn_loss_call *call,
                 double *loss) {
    const struct focal *s = self;
    double total = 0;
    for (int i = 0; i < call->n; i++) {
        const mn_real *z = call->logits + (ptrdiff_t)i * call->ways;
        const mn_real *q = call->targets != NULL ? call->targets + (ptrdiff_t)i * call->ways : NULL;
        mn_real *d = call->d_logits + (ptrdiff_t)i * call->ways;
        double top = (double)z[0], sum = 0, all = 0;
        for (int c = 1; c < call->ways; c++) {
            top = (double)z[c] > top ? (double)z[c] : top;
        }
        for (int c = 0; c < call->ways; c++) {
            sum += exp((double)z[c] - top);
        }
        /* d = p_c dL/dp_c at first; with dp_c/dz_k = p_c (1[c = k] - p_k) the rest follows. */
        for (int c = 0; c < call->ways; c++) {
            const double log_p = (double)z[c] - top - log(sum), p = exp(log_p);
            const double wanted = q != NULL ? (double)q[c] : c == call->labels[i];
            const double slope = s->gamma * p * rest(p, s->gamma - 1) * log_p - rest(p, s->gamma);
            total -= wanted * rest(p, s->gamma) * log_p;
            d[c] = (mn_real)(wanted * slope / call->n);
            all += wanted * slope / call->n;
        }
        for (int c = 0; c < call->ways; c++) {
            d[c] = (mn_real)((double)d[c] - exp((double)z[c] - top) / sum * all);
        }
    }
    *loss = total / call->n;
    return MN_OK;
}

static const struct mn_loss focal = {.size = sizeof focal, .value = value};

static const struct mn_opt options[] = {
    MN_REAL(struct focal, gamma, 2, 0, 100,
            "how much less the images count that are classified well; 0 is cross entropy"),
};

MN_PLUGIN("focal", "0.1.0",
          MN_UNIT(MN_LOSS, "focal", "cross entropy that counts hard images more", struct focal,
                  options, &focal))
