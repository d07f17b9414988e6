/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_BUDGET_H
#define PLUGINS_COMMON_BUDGET_H

/* The size of a network: its channel count, or a number of weights that decides it. Just one of the
 * two must be given. */

#include <metanas/plugin.h>

#include <inttypes.h>

#define BUDGET_KEY "parameters"

enum { BUDGET_MOST_CHANNELS = 4096 };

static const int64_t budget_most_weights = 1000000000000;

/* The first field of an instance. */
struct budget {
    int64_t channels;       /* 0 = not given */
    const char *parameters; /* "" = not given */
};

#define BUDGET_OPTIONS(channels_doc_)                                                              \
    MN_INT(struct budget, channels, 0, 0, BUDGET_MOST_CHANNELS, channels_doc_),                    \
        MN_TEXT(struct budget, parameters, "",                                                     \
                "in place of channels: weights that the pruned network should have, such as "      \
                "30000, 30k or 1M; the channel count that comes nearest is taken")

/* A whole number, with k for thousands or M for millions. Returns 0 for any other text. */
static inline int budget_parse(const char *text, int64_t *out) {
    int64_t n = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && n <= budget_most_weights; at++) {
        n = 10 * n + (*at - '0');
    }
    if (at == text || n > budget_most_weights) {
        return 0;
    }
    const int64_t unit = *at == 'k' ? 1000 : *at == 'M' ? 1000000 : 1;
    at += unit > 1;
    *out = n * unit;
    return *at == '\0' && *out >= 1 && *out <= budget_most_weights;
}

/* The budget in weights, 0 where there is none. */
static inline int budget_weights(struct mn_ctx *ctx, const struct budget *s, int64_t *out) {
    *out = 0;
    if (s->parameters[0] == '\0' || budget_parse(s->parameters, out)) {
        return MN_OK;
    }
    return mn_bad_option(ctx, BUDGET_KEY,
                         "'%.40s' is not a number of weights: expected a whole number from 1, or "
                         "one with k or M, such as 30000, 30k or 1M",
                         s->parameters);
}

/* As part of check. */
static inline int budget_check(struct mn_ctx *ctx, const struct budget *s) {
    int64_t weights;
    const int given = s->parameters[0] != '\0';
    if (given && s->channels != 0) {
        return mn_bad_option(ctx, BUDGET_KEY,
                             "channels is given, too (%" PRId64
                             "); leave one of the two out, or set channels to 0",
                             s->channels);
    }
    if (!given && s->channels == 0) {
        return mn_bad_option(ctx, "channels",
                             "neither channels nor " BUDGET_KEY
                             " is given; write the channel count, or the number of weights that "
                             "the pruned network should have, such as " BUDGET_KEY ": 30k");
    }
    return budget_weights(ctx, s, &weights);
}

/* As resize. */
static inline void budget_resize(void *self, int64_t channels) {
    struct budget *s = self;
    s->channels = channels;
    s->parameters = "";
}

#endif
