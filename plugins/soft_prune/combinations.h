/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOFT_PRUNE_COMBINATIONS_H
#define PLUGINS_SOFT_PRUNE_COMBINATIONS_H

/* The combinations of k out of n items in lexicographic order: {0,1}, {0,2}, .. {1,2}, .. */

#include <stdint.h>

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

#endif
