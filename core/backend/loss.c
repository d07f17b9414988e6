/* SPDX-License-Identifier: MIT */
#include "backend/loss.h"

#include "base/ctx.h"

#include <math.h>

int nas_loss_cross_entropy(struct mn_ctx *ctx, int n, int ways, const mn_real *logits,
                           const int32_t *labels, mn_real *d_logits, double *loss, int32_t *hits) {
    double total = 0;
    *hits = 0;
    for (int i = 0; i < n; i++) {
        const mn_real *z = logits + (ptrdiff_t)i * ways;
        mn_real *d = d_logits + (ptrdiff_t)i * ways;
        int top = 0;
        for (int c = 1; c < ways; c++) {
            top = z[c] > z[top] ? c : top;
        }
        double sum = 0;
        for (int c = 0; c < ways; c++) {
            sum += exp((double)z[c] - (double)z[top]);
        }
        for (int c = 0; c < ways; c++) {
            const double p = exp((double)z[c] - (double)z[top]) / sum;
            d[c] = (mn_real)((p - (c == labels[i])) / n);
        }
        total += log(sum) - ((double)z[labels[i]] - (double)z[top]);
        *hits += top == labels[i];
    }
    *loss = total / n;
    return isfinite(*loss)
               ? MN_OK
               : mn_fail(ctx, MN_NUMERIC, "the loss is %g", fabs(*loss)); /* no "-nan" */
}
