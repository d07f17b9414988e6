/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_COMBINATIONS_H
#define PLUGINS_COMMON_COMBINATIONS_H

/* The combinations of k out of n items in lexicographic order: {0,1}, {0,2}, .. {1,2}, .. */

#include "annealing.h"

/* C(n, k), or INT64_MAX where it does not fit. */
static inline int64_t combinations_count(int64_t n, int64_t k) {
    int64_t count = 1;
    if (k < 0 || k > n) {
        return 0;
    }
    k = k < n - k ? k : n - k;
    for (int64_t i = 1; i <= k; i++) {
        if (count > INT64_MAX / (n - k + i)) {
            return INT64_MAX;
        }
        count = count * (n - k + i) / i;
    }
    return count;
}

/* Whether combination number `rank` holds the item. Walking the items in order: of the combinations
 * that are left, those with the item come first, and there are C(items after it, places left - 1)
 * of them. */
static inline int combinations_holds(int64_t n, int64_t k, int64_t rank, int64_t item) {
    for (int64_t i = 0; i < n && k > 0; i++) {
        const int64_t with = combinations_count(n - i - 1, k - 1);
        const int in = rank < with;
        if (i == item) {
            return in;
        }
        rank -= in ? 0 : with;
        k -= in;
    }
    return 0;
}

/* ---- input mixers over them, annealed ------------------------------------------------------ */

struct combined {
    struct annealing annealing; /* first: ANNEALING_OPTIONS, PRUNING_OPTIONS */
    int64_t k;
};

#define COMBINED_OPTION                                                                            \
    MN_INT(struct combined, k, 2, 1, 64,                                                           \
           "inputs in a combination; where a node has fewer, all of them")

static inline int64_t combined_held(const void *self, int64_t n_items) {
    const struct combined *s = self;
    return s->k < n_items ? s->k : n_items;
}

/* As n_choices and n_logits. */
static inline int64_t combined_n_choices(const void *self, int64_t n_items) {
    return combinations_count(n_items, combined_held(self, n_items));
}

static inline int combined_holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return combinations_holds(n_items, combined_held(self, n_items), choice, item);
}

#endif
