/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CONFIG_OPTIONS_H
#define TESTS_CONFIG_OPTIONS_H

/* A unit that has an option of every type. */

#include "config/option.h"

struct everything {
    int64_t steps;
    double rate;
    double share;
    bool fast;
    const char *title;
    const char *path;
    int32_t anneal;
    struct mn_ints sizes;
    struct mn_reals rates;
    struct mn_texts ops;
    int64_t old;
    int64_t low;
    double high;
    struct {
        int64_t budget;
        double weight;
    } cost;
};

extern const struct nas_options everything_options;

/* One with a required key and a file to merge. */
struct strict {
    int64_t cells;
    const char *file;
    const char *data;
    struct mn_texts ops;
};

extern const struct nas_options strict_options;

#endif
