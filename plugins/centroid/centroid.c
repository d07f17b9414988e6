/* SPDX-License-Identifier: MIT */
/* Nearest class mean (ProtoNet, Snell et al. 2017): logit c of an image is minus the squared
 * distance of its features to the mean features of the support images of class c, or scale times
 * their cosine. There are no weights, so a network works with any number of ways. */
#include <metanas/plugin.h>

enum { EUCLIDEAN, COSINE };

struct centroid {
    int32_t metric;
    double scale;
};

/* Means of the classes, and how a metric sees a class and an image. */
struct means {
    int64_t f;
    int32_t ways;
    int32_t *count; /* [ways] support images */
    double *at;     /* [ways][f] */
    double *d;      /* [ways][f] gradient */
};

static int uses_support(const void *self) {
    return 1;
}

static int find_means(struct mn_ctx *ctx, const struct mn_head_site *site,
                      const struct mn_head_call *call, struct means *out) {
    const int64_t f = site->n_features, n = site->ways * f;
    *out = (struct means){.f = f, .ways = site->ways};
    out->count = mn_scratch(ctx, (size_t)site->ways * sizeof *out->count);
    out->at = mn_scratch(ctx, 2 * (size_t)n * sizeof *out->at);
    if (out->count == NULL || out->at == NULL) {
        return MN_NOMEM;
    }
    out->d = out->at + n;
    for (int64_t i = 0; i < 2 * n; i++) {
        out->at[i] = 0;
    }
    for (int32_t c = 0; c < site->ways; c++) {
        out->count[c] = 0;
    }
    for (int32_t i = 0; i < call->n_support; i++) {
        double *at = out->at + call->support_labels[i] * f;
        out->count[call->support_labels[i]]++;
        for (int64_t k = 0; k < f; k++) {
            at[k] += (double)call->support[i * f + k];
        }
    }
    for (int32_t c = 0; c < site->ways; c++) {
        if (out->count[c] == 0) {
            return mn_fail(ctx, MN_CONFIG,
                           "no image of class %d of %d among the %d of the support set or mini-"
                           "batch: a head that compares with class means needs all classes (batch: "
                           "0 of the task learner takes the whole support set)",
                           (int)c, (int)site->ways, (int)call->n_support);
        }
        for (int64_t k = 0; k < f; k++) {
            out->at[c * f + k] /= out->count[c];
        }
    }
    return MN_OK;
}

/* Below this the direction of a vector is noise; a zero vector has the cosine 0. */
static const double SMALL = 1e-12;

static double norm(int64_t f, const double *x) {
    double sum = 0;
    for (int64_t k = 0; k < f; k++) {
        sum += x[k] * x[k];
    }
    return sqrt(sum) + SMALL;
}

static double norm_of(int64_t f, const mn_real *x) {
    return sqrt(mn_vec_dot(f, x, x)) + SMALL;
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                   const struct mn_head_call *call) {
    const struct centroid *s = self;
    struct means means;
    const int status = find_means(ctx, site, call, &means);
    if (status != MN_OK) {
        return status;
    }
    const int64_t f = means.f;
    for (int32_t i = 0; i < call->n; i++) {
        const mn_real *x = call->features + i * f;
        const double length = s->metric == COSINE ? norm_of(f, x) : 0;
        for (int32_t c = 0; c < means.ways; c++) {
            const double *m = means.at + c * f;
            double sum = 0;
            for (int64_t k = 0; k < f; k++) {
                const double v = s->metric == COSINE ? (double)x[k] * m[k] : (double)x[k] - m[k];
                sum += s->metric == COSINE ? v : -v * v;
            }
            sum = s->metric == COSINE ? sum / (length * norm(f, m)) : sum;
            call->logits[i * means.ways + c] = (mn_real)(s->scale * sum);
        }
    }
    return MN_OK;
}

/* d times the gradient of scale * metric(x, m), added to that of x and m. */
static void pair_backward(const struct centroid *s, int64_t f, double d, const mn_real *x,
                          const double *m, double *d_x, double *d_m) {
    if (s->metric == EUCLIDEAN) {
        for (int64_t k = 0; k < f; k++) {
            const double g = -2 * s->scale * d * ((double)x[k] - m[k]);
            d_x[k] += g;
            d_m[k] -= g;
        }
        return;
    }
    const double a = norm_of(f, x), b = norm(f, m);
    double dot = 0;
    for (int64_t k = 0; k < f; k++) {
        dot += (double)x[k] * m[k];
    }
    const double cosine = dot / (a * b);
    for (int64_t k = 0; k < f; k++) {
        d_x[k] += s->scale * d * (m[k] / b - cosine * (double)x[k] / a) / a;
        d_m[k] += s->scale * d * ((double)x[k] / a - cosine * m[k] / b) / b;
    }
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                    const struct mn_head_call *call) {
    struct means means;
    int status = find_means(ctx, site, call, &means);
    const int64_t f = means.f;
    double *d_x = status == MN_OK ? mn_scratch(ctx, (size_t)f * sizeof *d_x) : NULL;
    if (d_x == NULL) {
        return status != MN_OK ? status : MN_NOMEM;
    }
    for (int32_t i = 0; i < call->n; i++) {
        for (int64_t k = 0; k < f; k++) {
            d_x[k] = 0;
        }
        for (int32_t c = 0; c < means.ways; c++) {
            pair_backward(self, f, (double)call->d_logits[i * means.ways + c],
                          call->features + i * f, means.at + c * f, d_x, means.d + c * f);
        }
        for (int64_t k = 0; k < f; k++) {
            call->d_features[i * f + k] = (mn_real)d_x[k];
        }
    }
    for (int32_t i = 0; i < call->n_support; i++) {
        const int32_t c = call->support_labels[i];
        for (int64_t k = 0; k < f; k++) {
            call->d_support[i * f + k] = (mn_real)(means.d[c * f + k] / means.count[c]);
        }
    }
    return MN_OK;
}

static const struct mn_head head = {
    .size = sizeof head, .uses_support = uses_support, .forward = forward, .backward = backward};

static const char *const metrics[] = {"euclidean", "cosine", NULL};

static const struct mn_opt options[] = {
    MN_CHOICE(struct centroid, metric, EUCLIDEAN, metrics,
              "how near an image is to a class: minus the squared distance, or the cosine"),
    MN_REAL_OPEN(struct centroid, scale, 1, 0, 1e6, MN_OPT_OPEN_MIN,
                 "factor of that; about 10 suits the cosine"),
};

MN_PLUGIN("centroid", "0.1.0",
          MN_UNIT(MN_HEAD, "centroid",
                  "nearest class mean of the support set (ProtoNet), for any number of ways",
                  struct centroid, options, &head))
