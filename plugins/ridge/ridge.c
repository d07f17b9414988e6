/* SPDX-License-Identifier: MIT */
/* Ridge regression from the support set's features to its labels, in closed form (R2-D2, Bertinetto
 * et al. 2019): with X the features of the support set, Y its labels (1 of the class, 0 elsewhere)
 * and F the features to classify, logits = scale * F X^T A + bias, K A = Y, K = X X^T + lambda I.
 * scale and bias are learned; they are numbers, so a network works with any number of ways. */
#include <metanas/plugin.h>

struct ridge {
    double lambda;
};

/* The solution, and room. */
struct fit {
    int n, ways, f;
    double *k;  /* [n][n] Cholesky factor of K, lower */
    mn_real *a; /* [n][ways] */
    mn_real *w; /* [f][ways] = X^T A */
};

static int uses_support(const void *self) {
    return 1;
}

static int32_t n_weights(const void *self, const struct mn_head_site *site) {
    return 2;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                  int32_t index, struct mn_op_weight *out) {
    out->name = index == 0 ? "scale" : "bias";
    out->n_dims = 1;
    out->dims[0] = 1;
    out->init = index == 0 ? MN_OP_INIT_ONES : MN_OP_INIT_ZEROS;
    return MN_OK;
}

/* k = L L^T in place, lower; 0 = it is not positive definite. */
static int factorise(int n, double *k) {
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            double sum = k[i * n + j];
            for (int l = 0; l < j; l++) {
                sum -= k[i * n + l] * k[j * n + l];
            }
            if (i == j && !(sum > 0)) {
                return 0;
            }
            k[i * n + j] = i == j ? sqrt(sum) : sum / k[j * n + j];
        }
    }
    return 1;
}

/* K x = b for every column of b[n][ways], in place. */
static int solve(struct mn_ctx *ctx, const struct fit *fit, mn_real *b) {
    const int n = fit->n;
    double *x = mn_scratch(ctx, (size_t)n * sizeof *x);
    for (int c = 0; x != NULL && c < fit->ways; c++) {
        for (int i = 0; i < n; i++) {
            x[i] = (double)b[i * fit->ways + c];
            for (int l = 0; l < i; l++) {
                x[i] -= fit->k[i * n + l] * x[l];
            }
            x[i] /= fit->k[i * n + i];
        }
        for (int i = n - 1; i >= 0; i--) {
            for (int l = i + 1; l < n; l++) {
                x[i] -= fit->k[l * n + i] * x[l];
            }
            x[i] /= fit->k[i * n + i];
            b[i * fit->ways + c] = (mn_real)x[i];
        }
    }
    return x != NULL ? MN_OK : MN_NOMEM;
}

static int fit_support(const struct ridge *s, struct mn_ctx *ctx, const struct mn_head_site *site,
                       const struct mn_head_call *call, struct fit *out) {
    const int n = call->n_support, ways = site->ways, f = (int)site->n_features;
    const size_t square = (size_t)n * (size_t)n;
    mn_real *gram = mn_scratch(ctx, square * sizeof *gram);
    *out = (struct fit){.n = n, .ways = ways, .f = f};
    out->k = mn_scratch(ctx, square * sizeof *out->k);
    out->a = mn_scratch(ctx, (size_t)n * (size_t)ways * sizeof *out->a);
    out->w = mn_scratch(ctx, (size_t)f * (size_t)ways * sizeof *out->w);
    if (gram == NULL || out->k == NULL || out->a == NULL || out->w == NULL) {
        return MN_NOMEM;
    }
    mn_gemm(ctx, 0, 1, n, n, f, 1, call->support, f, call->support, f, 0, gram, n);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            out->k[i * n + j] = (double)gram[i * n + j] + (i == j ? s->lambda : 0);
        }
        for (int c = 0; c < ways; c++) {
            out->a[i * ways + c] = call->support_labels[i] == c;
        }
    }
    if (!factorise(n, out->k)) {
        return mn_fail(ctx, MN_NUMERIC,
                       "the features of %d support images cannot be told apart: a larger lambda "
                       "than %g would help",
                       n, s->lambda);
    }
    const int status = solve(ctx, out, out->a);
    mn_gemm(ctx, 1, 0, f, ways, n, 1, call->support, f, out->a, ways, 0, out->w, ways);
    return status;
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                   const struct mn_head_call *call) {
    struct fit fit;
    const int status = fit_support(self, ctx, site, call, &fit);
    if (status != MN_OK) {
        return status;
    }
    mn_vec_fill((int64_t)call->n * fit.ways, call->w[1], call->logits);
    mn_gemm(ctx, 0, 0, call->n, fit.ways, fit.f, call->w[0], call->features, fit.f, fit.w, fit.ways,
            1, call->logits, fit.ways);
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                    const struct mn_head_call *call) {
    struct fit fit;
    int status = fit_support(self, ctx, site, call, &fit);
    const int n = fit.n, ways = fit.ways, f = fit.f;
    const int64_t n_logits = (int64_t)call->n * ways;
    const mn_real scale = call->w[0], *g = call->d_logits;
    mn_real *d_w = status == MN_OK ? mn_scratch(ctx, (size_t)f * (size_t)ways * sizeof *d_w) : NULL;
    mn_real *b = d_w != NULL ? mn_scratch(ctx, (size_t)n * (size_t)ways * sizeof *b) : NULL;
    mn_real *d_k = b != NULL ? mn_scratch(ctx, (size_t)n * (size_t)n * sizeof *d_k) : NULL;
    if (d_k == NULL) {
        return status != MN_OK ? status : MN_NOMEM;
    }
    mn_gemm(ctx, 0, 1, call->n, f, ways, scale, g, ways, fit.w, ways, 0, call->d_features, f);
    if (call->d_w != NULL) {
        double sum = 0, sum_bias = 0;
        for (int64_t i = 0; i < n_logits; i++) {
            sum += (double)g[i] * ((double)call->logits[i] - (double)call->w[1]);
            sum_bias += (double)g[i];
        }
        call->d_w[1] = (mn_real)sum_bias;
        call->d_w[0] = (mn_real)(scale != 0 ? sum / (double)scale : 0);
    }
    /* W = X^T A: dX = A dW^T and dA = X dW; A = K^-1 Y: dK = -B A^T with B = K^-1 dA; K = X X^T +
     * lambda I: dX += (dK + dK^T) X. */
    mn_gemm(ctx, 1, 0, f, ways, call->n, scale, call->features, f, g, ways, 0, d_w, ways);
    mn_gemm(ctx, 0, 1, n, f, ways, 1, fit.a, ways, d_w, ways, 0, call->d_support, f);
    mn_gemm(ctx, 0, 0, n, ways, f, 1, call->support, f, d_w, ways, 0, b, ways);
    status = solve(ctx, &fit, b);
    mn_gemm(ctx, 0, 1, n, n, ways, -1, b, ways, fit.a, ways, 0, d_k, n);
    mn_gemm(ctx, 0, 1, n, n, ways, -1, fit.a, ways, b, ways, 1, d_k, n);
    mn_gemm(ctx, 0, 0, n, f, n, 1, d_k, n, call->support, f, 1, call->d_support, f);
    return status;
}

static const struct mn_head head = {.size = sizeof head,
                                    .n_weights = n_weights,
                                    .weight = weight,
                                    .uses_support = uses_support,
                                    .forward = forward,
                                    .backward = backward};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct ridge, lambda, 1, 0, 1e12, MN_OPT_OPEN_MIN,
                 "weight of the squared length of the solution"),
};

MN_PLUGIN("ridge", "0.1.0",
          MN_UNIT(MN_HEAD, "ridge",
                  "ridge regression on the support set, in closed form (R2-D2), for any number of "
                  "ways",
                  struct ridge, options, &head))
