/* SPDX-License-Identifier: MIT */
#include "learn/dataset.h"

#include "base/hash.h"
#include "exec/cluster/join.h"
#include "learn/configuration.h"
#include "learn/task.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const nas_split_adjectives[] = {"training", "validation", "test"};

/* ---- what it describes -------------------------------------------------------------------- */

static int check_description(const struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct mn_dataset_info *d = &e->data;
    const int64_t most_side = 100000, most_reals = (int64_t)1 << 30;
    if (d->channels < 1 || d->height < 1 || d->width < 1 || d->channels > most_side ||
        d->height > most_side || d->width > most_side ||
        (int64_t)d->height * d->width > most_reals / d->channels) {
        return nas_instance_wrong(ctx, &e->dataset,
                                  "describes images of %" PRId32 "x%" PRId32 "x%" PRId32
                                  "; channels, height and width are 1 to %" PRId64
                                  ", their product at most 2^30",
                                  d->channels, d->height, d->width, most_side);
    }
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        if (d->n_classes[split] < 0 || d->n_classes[split] > most_reals ||
            d->min_samples[split] < 0 || d->n_images[split] < -1) {
            return nas_instance_wrong(ctx, &e->dataset,
                                      "describes %" PRId64 " %s classes of %" PRId64
                                      " images or more, %" PRId64 " in all, which is impossible",
                                      d->n_classes[split], nas_split_adjectives[split],
                                      d->min_samples[split], d->n_images[split]);
        }
    }
    return MN_OK;
}

int nas_dataset_check(const struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct nas_task_options *task = &e->task;
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        const struct mn_episode_spec spec = nas_episode_spec(e, split);
        const char *shots = split == MN_TRAIN && task->train_shots > 0 ? "train_shots" : "shots";
        if (e->data.n_classes[split] < task->ways) {
            return nas_refuse(ctx, MN_CONFIG, nas_option_mark(e, "task", "ways"),
                              "task: ways: %" PRId64 " classes a task, but %s has only %" PRId64
                              " %s classes",
                              task->ways, e->dataset.label, e->data.n_classes[split],
                              nas_split_adjectives[split]);
        }
        if (e->data.min_samples[split] < (int64_t)spec.support + spec.query) {
            return nas_refuse(ctx, MN_CONFIG, nas_option_mark(e, "task", shots),
                              "task: %" PRId32 " support and %" PRId32
                              " query images a class, but the smallest %s class of %s has only "
                              "%" PRId64,
                              spec.support, spec.query, nas_split_adjectives[split],
                              e->dataset.label, e->data.min_samples[split]);
        }
    }
    return MN_OK;
}

/* ---- classes in two splits ---------------------------------------------------------------- */

enum { NAME = 256, TOLD = 3 };
/* A data set that makes up more classes has no list of them either. */
static const int64_t most_classes = 10000000;

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

/* Warn of each two splits that share classes, by their names. A data set that names no classes is
 * left alone. */
static int compare_splits(const struct nas_experiment *e, struct mn_ctx *ctx) {
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
                       e->dataset.label, found, found == 1 ? " is" : "es are",
                       nas_split_adjectives[first], nas_split_adjectives[second], names,
                       found > TOLD ? ", .." : "");
            }
        }
    }
    return MN_OK;
}

/* ---- opening ------------------------------------------------------------------------------ */

int nas_dataset_open(struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_open *open) {
    const struct mn_dataset *table = &e->dataset.table.dataset;
    ctx->where.seed = (uint64_t)e->run.seed;
    e->dataset.shm_source = open->shared;
    e->dataset.shm_wanted = open->shares || (e->cluster != NULL && nas_cluster_shares(e->cluster));
    struct nas_call call = nas_call_begin(ctx, &e->dataset);
    TRY(nas_call_end(&call, table->start(e->dataset.self, ctx)));
    e->dataset.started = 1;
    e->data.size = sizeof e->data;
    call = nas_call_begin(ctx, &e->dataset);
    TRY(nas_call_end(&call, table->describe(e->dataset.self, ctx, &e->data)));
    TRY(check_description(e, ctx));
    TRY(nas_dataset_check(e, ctx));
    return compare_splits(e, ctx);
}

/* ---- fingerprint -------------------------------------------------------------------------- */

enum { LOOKED_AT = 4 }; /* classes of a split of which images are looked at */

/* Names, order and sizes of the classes, as far as the data set tells them. */
static uint64_t hash_classes(const struct nas_experiment *e, int split, uint64_t hash) {
    const struct mn_dataset *table = &e->dataset.table.dataset;
    for (int64_t i = 0; i < e->data.n_classes[split]; i++) {
        char name[256] = "";
        if (table->class_name != NULL) {
            table->class_name(e->dataset.self, split, i, name, sizeof name);
            hash = nas_hash_bytes(hash, name, strnlen(name, sizeof name) + 1);
        }
        if (table->n_samples != NULL) {
            hash = nas_hash_int(hash, (uint64_t)table->n_samples(e->dataset.self, split, i));
        }
    }
    return hash;
}

/* A task that is the same for all runs. An image that cannot be read is found where it is used. */
static int hash_images(const struct nas_experiment *e, struct mn_ctx *ctx, int split,
                       uint64_t *hash) {
    const int64_t n = e->data.n_classes[split];
    const struct mn_episode_spec spec = {.size = sizeof spec,
                                         .split = split,
                                         .ways = (int32_t)(n < LOOKED_AT ? n : LOOKED_AT),
                                         .support = 1,
                                         .query = 1};
    struct mn_task task;
    ctx->where = (struct mn_where){.size = sizeof ctx->where, .split = split};
    const struct nas_instance *dataset = &e->dataset;
    while ((dataset->unit.unit->flags & MN_UNIT_AUGMENTS) != 0 && dataset->around != NULL) {
        dataset = dataset->around; /* what is changed at random is no other data */
    }
    const int status = nas_episode_draw(e, ctx, dataset, &spec, NULL, NULL, &task);
    if (status == MN_IO) {
        nas_ctx_clear(ctx);
        return MN_OK;
    }
    TRY(status);
    *hash = nas_hash_int(*hash, nas_episode_hash(e, &task));
    return MN_OK;
}

/* "train 20 classes of 400 images" */
static const char *split_text(const struct mn_dataset_info *data, int split, char out[96]) {
    char images[32] = "any number of";
    if (data->n_images[split] >= 0) {
        snprintf(images, sizeof images, "%" PRId64, data->n_images[split]);
    }
    snprintf(out, 96, "%s %" PRId64 " classes of %s images", nas_split_names[split],
             data->n_classes[split], images);
    return out;
}

int nas_dataset_fingerprint(struct nas_experiment *e, struct mn_ctx *ctx, const char **out) {
    const struct mn_dataset_info *d = &e->data;
    const struct mn_where where = ctx->where;
    char text[3][96];
    uint64_t hash = nas_hash_begin();
    int status = MN_OK;
    for (int split = MN_TRAIN; status == MN_OK && split <= MN_TEST; split++) {
        const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
        hash = hash_classes(e, split, hash);
        if (d->n_classes[split] > 0 && d->min_samples[split] > 1) {
            status = hash_images(e, ctx, split, &hash);
        }
        nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    }
    ctx->where = where;
    TRY(status);
    *out = nas_arena_format(&e->arena, "%d x %d x %d; %s; %s; %s; fingerprint %016" PRIx64,
                            d->channels, d->height, d->width, split_text(d, MN_TRAIN, text[0]),
                            split_text(d, MN_VAL, text[1]), split_text(d, MN_TEST, text[2]), hash);
    return *out != NULL ? MN_OK : mn_fail(ctx, MN_NOMEM, "no memory to describe the data");
}
