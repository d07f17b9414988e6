/* SPDX-License-Identifier: MIT */
#include "learn/splits.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 256, TOLD = 3 };
/* A data set that makes up more classes has no list of them either. */
static const int64_t most_classes = 10000000;

static const char *const split_names[] = {"training", "validation", "test"};

struct class {
    uint64_t name; /* its hash */
    int64_t which;
    int32_t split;
};

static int by_name(const void *a, const void *b) {
    const struct class *x = a, *y = b;
    if (x->name != y->name) {
        return x->name < y->name ? -1 : 1;
    }
    return x->split != y->split   ? x->split - y->split
           : x->which != y->which ? (x->which < y->which ? -1 : 1)
                                  : 0;
}

static int by_number(const void *a, const void *b) {
    const struct class *x = a, *y = b;
    return x->which != y->which ? (x->which < y->which ? -1 : 1) : 0;
}

static void name_of(const struct nas_experiment *e, const struct class *class, char out[NAME]) {
    out[0] = '\0';
    e->dataset.table.dataset.class_name(e->dataset.self, class->split, class->which, out, NAME);
}

/* The classes of the first of two splits that are in the second too, in their order. */
static int64_t find_shared(const struct class *all, int64_t n, int32_t first, int32_t second,
                           struct class *out) {
    int64_t shared = 0;
    for (int64_t i = 0; i < n;) {
        const struct class *in_first = NULL, *in_second = NULL;
        const uint64_t name = all[i].name;
        for (; i < n && all[i].name == name; i++) {
            in_first = all[i].split == first ? &all[i] : in_first;
            in_second = all[i].split == second ? &all[i] : in_second;
        }
        if (in_first != NULL && in_second != NULL) {
            out[shared++] = *in_first;
        }
    }
    qsort(out, (size_t)shared, sizeof *out, by_number);
    return shared;
}

int nas_splits_compare(const struct nas_experiment *e, struct mn_ctx *ctx) {
    const int64_t *each = e->data.n_classes;
    if (e->dataset.table.dataset.class_name == NULL || each[0] > most_classes ||
        each[1] > most_classes || each[2] > most_classes) {
        return MN_OK;
    }
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    const int64_t n = each[0] + each[1] + each[2];
    struct class *all = nas_arena_array(here.arena, (size_t)n, 2 * sizeof *all), *next = all;
    char name[NAME];
    if (all == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the names of %" PRId64 " classes", n);
    }
    for (int32_t split = MN_TRAIN; split <= MN_TEST; split++) {
        for (int64_t i = 0; i < each[split]; i++, next++) {
            *next = (struct class){.which = i, .split = split};
            name_of(e, next, name);
            next->name = nas_hash_bytes(nas_hash_begin(), name, strlen(name));
        }
    }
    struct class *shared = next;
    qsort(all, (size_t)n, sizeof *all, by_name);
    for (int32_t first = MN_TRAIN; first < MN_TEST; first++) {
        for (int32_t second = first + 1; second <= MN_TEST; second++) {
            const int64_t found = find_shared(all, n, first, second, shared);
            char names[TOLD * (NAME + 2)] = "";
            for (int64_t i = 0; i < found && i < TOLD; i++) {
                const size_t used = strlen(names);
                name_of(e, &shared[i], name);
                snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", name);
            }
            if (found > 0) {
                mn_log(ctx, MN_LOG_WARN,
                       "%s: %" PRId64 " class%s in the %s split as well as in the %s split: %s%s",
                       e->dataset.label, found, found == 1 ? " is" : "es are", split_names[first],
                       split_names[second], names, found > TOLD ? ", .." : "");
            }
        }
    }
    return MN_OK;
}
