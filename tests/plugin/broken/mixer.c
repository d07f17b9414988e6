/* SPDX-License-Identifier: MIT */
/* A softmax with a temperature. */
#define WAYS                                                                                       \
    FINE, NAN_WEIGHTS, UNWRITTEN, KEEPS_NONE, KEEP_VALUE, POSITIVE_STATUS, NO_MESSAGE, FAILS,      \
        CRASHES, HANGS, EXITS, PRINTS, WRITES_SELF, WRITES_INPUT, OVERRUNS_SAVED,                  \
        UNDERRUNS_WEIGHTS, WRONG_GRADIENT, OVERWRITES, NOT_SIMPLEX, USES_RAND, SHARES_MEMORY,      \
        LEAKS, LEAKS_FILES, IGNORES_NO_MEMORY, SETS_LOCALE, ROUNDS_UP, BLOCKS_SIGNALS,             \
        HANDLES_SIGNALS, CHANGES_FOLDER, CHANGES_UMASK, SETS_ENVIRONMENT, OVERFLOWS, HOLDS_ALL,    \
        HIGH_THRESHOLD, DIVIDES_BY_OPTION, REFUSES_RANGE, REFUSES_DEFAULTS, FULL_STOP,             \
        RARELY_WRONG, SECOND_EXPORT, LOADS_WITH_LOCALE, WRONG_PENALTY, INFINITE_PENALTY
#include "wrong.h"

#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct mixer {
    double temperature;
    int64_t counter;
};

static int check(const void *self, struct mn_ctx *ctx) {
    const struct mixer *s = self;
    if (wrong == REFUSES_RANGE && s->temperature > 50) {
        return mn_fail(ctx, MN_CONFIG, "too hot");
    }
    return wrong == REFUSES_DEFAULTS ? mn_bad_option(ctx, "temperature", "never right") : MN_OK;
}

static int64_t n_choices(const void *self, int64_t n_items) {
    return n_items;
}

static int holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return wrong == HOLDS_ALL || choice == item;
}

static int64_t n_saved(const void *self, int64_t n) {
    return n;
}

static double threshold(const void *self, const struct mn_ctx *ctx) {
    return wrong == HIGH_THRESHOLD ? 1.5 : 0.01;
}

/* What has nothing to do with the numbers. */
static void disturb(struct mixer *s) {
    static void *volatile lost;
    switch (wrong) {
    case CRASHES:
        raise(SIGSEGV);
        break;
    case HANGS:
        pause();
        break;
    case EXITS:
        exit(3);
    case PRINTS:
        puts("mixing");
        break;
    case WRITES_SELF:
        s->counter++;
        break;
    case LEAKS:
        lost = malloc(100);
        break;
    case LEAKS_FILES:
        (void)!open("/dev/null", O_RDONLY);
        break;
    case SETS_LOCALE:
        setlocale(LC_ALL, setlocale(LC_ALL, NULL)[0] == 'C' ? "C.UTF-8" : "C");
        break;
    case ROUNDS_UP:
        fesetround(FE_UPWARD);
        break;
    case HANDLES_SIGNALS:
        signal(SIGUSR2, SIG_IGN);
        break;
    case CHANGES_FOLDER:
        (void)!chdir("/");
        break;
    case CHANGES_UMASK:
        umask(0123);
        break;
    case SETS_ENVIRONMENT:
        setenv("METANAS_BROKEN", "1", 1);
        break;
    default:
        break;
    }
    (void)lost;
}

static void block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

static double temperature_of(const struct mixer *s) {
    if (wrong == DIVIDES_BY_OPTION) {
        return s->temperature;
    }
    return s->temperature > 1e-3 ? s->temperature : 1e-3;
}

static void overflowing_softmax(int64_t n, const mn_real *x, mn_real *out) {
    mn_real sum = 0;
    for (int64_t i = 0; i < n; i++) {
        out[i] = (mn_real)exp((double)x[i]);
        sum += out[i];
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] /= sum;
    }
}

/* Slow enough for others to come in between. */
static void shared_softmax(int64_t n, const mn_real *x, double tau, mn_real *out) {
    static mn_real shared[64];
    mn_vec_softmax(n, x, tau, shared);
    usleep(200);
    mn_vec_copy(n, shared, out);
}

static void spoil_weights(const struct mixer *s, int64_t n, mn_real *weights, mn_real *saved) {
    switch (wrong) {
    case NAN_WEIGHTS:
        weights[n - 1] = (mn_real)NAN;
        break;
    case OVERRUNS_SAVED:
        saved[n] = 1;
        break;
    case UNDERRUNS_WEIGHTS:
        weights[-1] = 1;
        break;
    case NOT_SIMPLEX:
        weights[0] += (mn_real)0.01;
        break;
    case USES_RAND:
        weights[0] += (mn_real)(1e-6 * rand() / RAND_MAX);
        break;
    case RARELY_WRONG:
        if (s->temperature > 3 && s->temperature < 6) {
            saved[n + 2] = 0;
        }
        break;
    default:
        break;
    }
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    const struct mixer *s = self;
    mn_real *copy = mn_scratch(ctx, (size_t)n * sizeof *copy);
    if (copy == NULL) {
        return wrong == IGNORES_NO_MEMORY ? MN_OK : MN_NOMEM;
    }
    disturb((struct mixer *)(uintptr_t)self);
    if (wrong == BLOCKS_SIGNALS) {
        block_signals();
    }
    mn_vec_copy(n, logits, copy);
    if (wrong == WRITES_INPUT) {
        ((mn_real *)(uintptr_t)logits)[0] += 1;
    }
    if (wrong == OVERFLOWS) {
        overflowing_softmax(n, copy, weights);
    } else if (wrong == SHARES_MEMORY) {
        shared_softmax(n, copy, temperature_of(s), weights);
    } else {
        mn_vec_softmax(wrong == UNWRITTEN ? n - 1 : n, copy, temperature_of(s), weights);
    }
    mn_vec_copy(n, weights, saved);
    spoil_weights(s, n, weights, saved);
    if (wrong == FAILS) {
        return mn_fail(ctx, MN_INTERNAL, "it does not work");
    }
    return wrong == POSITIVE_STATUS ? 1 : wrong == NO_MESSAGE ? MN_NUMERIC : MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    const double tau = wrong == WRONG_GRADIENT ? 1 : temperature_of(self);
    if (wrong == OVERWRITES) {
        mn_vec_fill(n, 0, d_logits);
    }
    mn_vec_softmax_backward(n, wrong == OVERFLOWS ? weights : saved, tau, d_weights, d_logits);
    return MN_OK;
}

/* Pulls the logits to 0. */
static double penalty(const void *self, const struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                      const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                      mn_real *d_logits) {
    if (d_logits != NULL) {
        mn_vec_axpy(n, (mn_real)(wrong == WRONG_PENALTY ? -0.2 : 0.2), logits, d_logits);
    }
    return wrong == INFINITE_PENALTY ? INFINITY : 0.1 * mn_vec_dot(n, logits, logits);
}

static int select_largest(const void *self, struct mn_ctx *ctx, int64_t n,
                          const struct mn_when *when, const mn_real *weights,
                          const mn_real *strength, uint8_t *keep) {
    int64_t top = 0;
    for (int64_t i = 0; i < n; i++) {
        top = weights[i] > weights[top] ? i : top;
        keep[i] = 0;
    }
    keep[top] = wrong == KEEPS_NONE ? 0 : wrong == KEEP_VALUE ? 2 : 1;
    return MN_OK;
}

static const struct mn_mixer table = {.size = sizeof table,
                                      .check = check,
                                      .n_choices = n_choices,
                                      .n_logits = n_choices,
                                      .holds = holds,
                                      .n_saved = n_saved,
                                      .threshold = threshold,
                                      .forward = forward,
                                      .backward = backward,
                                      .penalty = penalty,
                                      .select = select_largest};

static struct mn_opt options[] = {MN_REAL(struct mixer, temperature, 0.5, 0, 100, "temperature")};

MN_PLUGIN("broken_mixer", "1.0.0",
          MN_UNIT(MN_OP_MIXER, "mixer", "softmax with a temperature", struct mixer, options,
                  &table))

#ifdef EXPORT
MN_EXPORT int softmax_helper(void);
MN_EXPORT int softmax_helper(void) {
    return 0;
}
#endif

__attribute__((constructor)) static void loaded(void) {
    choose_way();
    if (wrong == LOADS_WITH_LOCALE) {
        setlocale(LC_ALL, "C.UTF-8");
    } else if (wrong == OVERFLOWS) {
        options[0].def = 1;
    } else if (wrong == FULL_STOP) {
        options[0].doc = "temperature.";
    }
}
