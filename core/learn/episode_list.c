/* SPDX-License-Identifier: MIT */
#include "learn/episode_list.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "learn/configuration.h"
#include "learn/task.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 512 };

static int64_t each(const struct mn_episode_spec *spec) {
    return (int64_t)spec->support + spec->query;
}

static int64_t *samples_of(const struct nas_episodes *l, int64_t task) {
    return l->samples + task * l->spec.ways * each(&l->spec);
}

int nas_episodes_room(struct nas_episodes *l, struct mn_ctx *ctx) {
    const size_t ways = (size_t)l->tasks * (size_t)l->spec.ways;
    l->classes = nas_arena_array(&l->arena, ways, sizeof *l->classes);
    l->names = nas_arena_array(&l->arena, ways, sizeof *l->names);
    l->samples = nas_arena_array(&l->arena, ways * (size_t)each(&l->spec), sizeof *l->samples);
    l->hashes = nas_arena_array(&l->arena, (size_t)l->tasks, sizeof *l->hashes);
    return l->arena.failed ? mn_fail(ctx, MN_NOMEM, "no memory for %" PRId64 " episodes", l->tasks)
                           : MN_OK;
}

void nas_episodes_fini(struct nas_episodes *l) {
    nas_arena_fini(&l->arena);
    memset(l, 0, sizeof *l);
}

/* ---- the data set ------------------------------------------------------------------------- */

static int check_lists(const struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct mn_dataset *table = &e->dataset.table.dataset;
    return table->n_samples != NULL && table->class_name != NULL && table->image != NULL
               ? MN_OK
               : mn_fail(ctx, MN_UNSUPPORTED,
                         "%s cannot name its images, so there are no episode lists of it",
                         e->dataset.label);
}

static int name_class(const struct nas_experiment *e, struct mn_ctx *ctx, int32_t split,
                      int64_t which, char out[NAME]) {
    const int64_t length =
        e->dataset.table.dataset.class_name(e->dataset.self, split, which, out, NAME);
    int fits = length > 0 && length < NAME;
    for (int64_t i = 0; fits && i < length; i++) {
        fits = (unsigned char)out[i] >= ' ';
    }
    return fits ? MN_OK
                : mn_fail(ctx, MN_UNSUPPORTED,
                          "%s: the name of class %" PRId64
                          " is empty, longer than %d bytes or not in one line, so it cannot stand "
                          "in an episode list",
                          e->dataset.label, which, NAME - 1);
}

static int hash_data(const struct nas_experiment *e, struct mn_ctx *ctx, int32_t split,
                     uint64_t *out) {
    char name[NAME];
    uint64_t hash = nas_hash_begin();
    hash = nas_hash_int(hash, (uint64_t)e->data.channels);
    hash = nas_hash_int(hash, (uint64_t)e->data.height);
    hash = nas_hash_int(hash, (uint64_t)e->data.width);
    for (int64_t i = 0; i < e->data.n_classes[split]; i++) {
        TRY(name_class(e, ctx, split, i, name));
        hash = nas_hash_bytes(hash, name, strlen(name) + 1);
        hash = nas_hash_int(
            hash, (uint64_t)e->dataset.table.dataset.n_samples(e->dataset.self, split, i));
    }
    *out = hash;
    return MN_OK;
}

/* ---- drawing ------------------------------------------------------------------------------ */

int nas_episodes_new(const struct nas_experiment *e, struct mn_ctx *ctx, int split, int64_t n,
                     struct nas_episodes *out) {
    memset(out, 0, sizeof *out);
    out->spec = nas_episode_spec(e, split);
    out->seed = (uint64_t)e->run.seed;
    out->tasks = n;
    out->dataset = nas_arena_text(&out->arena, nas_experiment_dataset(e));
    TRY(check_lists(e, ctx));
    TRY(nas_episodes_room(out, ctx));
    return hash_data(e, ctx, out->spec.split, &out->data);
}

/* The names and the fingerprint of a task whose images are in scratch. */
static int finish(struct nas_episodes *l, const struct nas_experiment *e, struct mn_ctx *ctx,
                  int64_t index, const struct mn_task *task) {
    const int64_t first = index * l->spec.ways;
    l->hashes[index] = nas_episode_hash(e, task);
    for (int64_t w = first; w < first + l->spec.ways; w++) {
        char name[NAME];
        TRY(name_class(e, ctx, l->spec.split, l->classes[w], name));
        l->names[w] = nas_arena_text(&l->arena, name);
    }
    return l->arena.failed ? mn_fail(ctx, MN_NOMEM, "no memory for the names of the classes")
                           : MN_OK;
}

int nas_episodes_draw(struct nas_episodes *l, const struct nas_experiment *e, struct mn_ctx *ctx,
                      int64_t index) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    struct mn_task task;
    ctx->where = nas_experiment_where(e, l->spec.split, 0);
    ctx->where.seed = l->seed;
    ctx->where.task = index;
    TRY(nas_episode_draw(e, ctx, &e->dataset, &l->spec, l->classes + index * l->spec.ways,
                         samples_of(l, index), &task));
    return finish(l, e, ctx, index, &task);
}

/* ---- without replacement ------------------------------------------------------------------ */

/* A class that still has images to give. */
struct stock {
    int64_t which, left; /* tasks that its images are enough for */
    int64_t *samples;    /* in the order in which they are given out */
    uint32_t key;        /* orders equals */
};

static int order(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int by_stock(const void *a, const void *b) {
    const struct stock *x = a, *y = b;
    return x->left != y->left ? order(y->left, x->left)
           : x->key != y->key ? order(x->key, y->key)
                              : order(x->which, y->which);
}

/* The streams of tasks have steps of their own. */
enum { ORDER_OF_SAMPLES = 1 << 30, CHOICE_OF_CLASSES };

static int stock_up(const struct nas_episodes *l, const struct nas_experiment *e,
                    struct mn_ctx *ctx, struct nas_arena *arena, struct stock *stock) {
    const int32_t split = l->spec.split;
    for (int64_t c = 0; c < e->data.n_classes[split]; c++) {
        const int64_t n = e->dataset.table.dataset.n_samples(e->dataset.self, split, c);
        struct mn_rng rng =
            mn_rng_make(l->seed, MN_RNG_SAMPLES, (uint32_t)split, 0, (uint32_t)c, ORDER_OF_SAMPLES);
        int64_t *samples = nas_arena_array(arena, (size_t)n, sizeof *samples);
        if (samples == NULL) {
            return mn_fail(ctx, MN_NOMEM, "no memory for the images of the classes");
        }
        for (int64_t i = 0; i < n; i++) {
            const int64_t k = mn_rng_below(&rng, (uint32_t)(i + 1));
            samples[i] = samples[k];
            samples[k] = i;
        }
        stock[c] = (struct stock){.which = c, .left = n / each(&l->spec), .samples = samples};
    }
    return MN_OK;
}

/* Take the classes and images of a task; 0 = there are not enough. */
static int take(struct nas_episodes *l, int64_t index, struct stock *stock, int64_t n_classes) {
    const int64_t ways = l->spec.ways, n = each(&l->spec);
    struct mn_rng rng = mn_rng_make(l->seed, MN_RNG_CLASSES, (uint32_t)l->spec.split, 0,
                                    (uint32_t)index, CHOICE_OF_CLASSES);
    for (int64_t c = 0; c < n_classes; c++) {
        stock[c].key = mn_rng_u32(&rng);
    }
    qsort(stock, (size_t)n_classes, sizeof *stock, by_stock);
    if (n_classes < ways || stock[ways - 1].left == 0) {
        return 0;
    }
    for (int64_t w = 0; w < ways; w++) {
        l->classes[index * ways + w] = stock[w].which;
        memcpy(l->samples + (index * ways + w) * n, stock[w].samples,
               (size_t)n * sizeof *l->samples);
        stock[w].samples += n;
        stock[w].left--;
    }
    return 1;
}

/* The images of task `index`, in scratch. */
static int load(const struct nas_episodes *l, const struct nas_experiment *e, struct mn_ctx *ctx,
                int64_t index, struct mn_task *out) {
    const struct mn_episode_spec *spec = &l->spec;
    const struct mn_dataset *table = &e->dataset.table.dataset;
    const int64_t *sample = samples_of(l, index);
    struct mn_episode episode;
    TRY(nas_episode_room(e, ctx, spec, &episode, out));
    for (int32_t way = 0; way < spec->ways; way++) {
        for (int32_t i = 0; i < each(spec); i++) {
            const int is_query = i >= spec->support;
            const int32_t at =
                is_query ? way * spec->query + i - spec->support : way * spec->support + i;
            mn_real *to =
                (is_query ? episode.query : episode.support) + (size_t)at * nas_image_reals(e);
            (is_query ? episode.query_labels : episode.support_labels)[at] = way;
            struct nas_call call = nas_call_begin(ctx, &e->dataset);
            TRY(nas_call_end(&call,
                             table->image(e->dataset.self, ctx, spec->split,
                                          l->classes[index * spec->ways + way], *sample++, to)));
        }
    }
    return MN_OK;
}

int nas_episodes_disjoint(const struct nas_experiment *e, struct mn_ctx *ctx, int split, int64_t n,
                          struct nas_episodes *out) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    const int64_t n_classes = e->data.n_classes[split];
    TRY(nas_episodes_new(e, ctx, split, n, out));
    struct stock *stock = nas_arena_array(&arena, (size_t)n_classes, sizeof *stock);
    if (stock == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the images of the classes");
    }
    TRY(stock_up(out, e, ctx, &arena, stock));
    for (out->tasks = 0; out->tasks < n; out->tasks++) {
        CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
        struct mn_task task;
        if (!take(out, out->tasks, stock, n_classes)) {
            break;
        }
        TRY(load(out, e, ctx, out->tasks, &task));
        TRY(finish(out, e, ctx, out->tasks, &task));
    }
    return out->tasks > 0
               ? MN_OK
               : mn_fail(ctx, MN_CONFIG,
                         "the %s split has not images enough for one task without replacement: "
                         "%d classes with %" PRId64 " images each",
                         nas_split_names[split], (int)out->spec.ways, each(&out->spec));
}

static int by_class_and_sample(const void *a, const void *b) {
    const int64_t *x = a, *y = b;
    return x[0] != y[0] ? order(x[0], y[0]) : order(x[1], y[1]);
}

int nas_episodes_are_disjoint(const struct nas_episodes *l, struct mn_ctx *ctx) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    const int64_t n = each(&l->spec), all = l->tasks * l->spec.ways * n;
    int64_t(*images)[2] = nas_arena_array(&arena, (size_t)all, sizeof *images);
    if (images == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the images of the tasks");
    }
    for (int64_t i = 0; i < all; i++) {
        images[i][0] = l->classes[i / n];
        images[i][1] = l->samples[i];
    }
    qsort(images, (size_t)all, sizeof *images, by_class_and_sample);
    for (int64_t i = 1; i < all; i++) {
        if (by_class_and_sample(images[i - 1], images[i]) == 0) {
            return 0;
        }
    }
    return 1;
}

/* ---- writing ------------------------------------------------------------------------------ */

static void put_numbers(FILE *out, const char *what, const int64_t *numbers, int64_t n) {
    fprintf(out, " %s", what);
    for (int64_t i = 0; i < n; i++) {
        fprintf(out, " %" PRId64, numbers[i]);
    }
}

int nas_episodes_write(const struct nas_episodes *l, struct mn_ctx *ctx, const char *path) {
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    const struct mn_episode_spec *spec = &l->spec;
    TRY(nas_buffer_open(&text, ctx));
    fprintf(text.out, "metanas episodes 1\n"
                      "# The images of every task, by class and number in the class, both from 0;\n"
                      "# docs/guide.md of metanas explains the lines.\n");
    fprintf(text.out, "dataset %s\ndata %016" PRIx64 "\nsplit %s\nseed %" PRIu64 "\n", l->dataset,
            l->data, nas_split_names[spec->split], l->seed);
    fprintf(text.out, "ways %d\nshots %d\nqueries %d\ntasks %" PRId64 "\n", (int)spec->ways,
            (int)spec->support, (int)spec->query, l->tasks);
    for (int64_t w = 0; w < l->tasks * spec->ways; w++) {
        const int64_t *samples = l->samples + w * each(spec);
        if (w % spec->ways == 0) {
            fprintf(text.out, "\ntask %" PRId64 " %016" PRIx64 "\n", w / spec->ways,
                    l->hashes[w / spec->ways]);
        }
        fprintf(text.out, "class %" PRId64, l->classes[w]);
        put_numbers(text.out, "support", samples, spec->support);
        put_numbers(text.out, "query", samples + spec->support, spec->query);
        fprintf(text.out, " name %s\n", l->names[w]);
    }
    TRY(nas_buffer_close(&text, ctx));
    return nas_file_replace(ctx, path, text.text, text.length);
}

/* ---- using -------------------------------------------------------------------------------- */

int nas_episodes_check(const struct nas_episodes *l, const struct nas_experiment *e,
                       struct mn_ctx *ctx) {
    const char *name = nas_experiment_dataset(e);
    const struct mn_episode_spec spec = nas_episode_spec(e, l->spec.split);
    uint64_t data;
    TRY(check_lists(e, ctx));
    if (strcmp(l->dataset, name) != 0) {
        return mn_fail(ctx, MN_CONFIG, "%s: lists images of data set %s, this run's is %s", l->path,
                       l->dataset, name);
    }
    if (spec.ways != l->spec.ways || spec.support != l->spec.support ||
        spec.query != l->spec.query) {
        return mn_fail(
            ctx, MN_CONFIG,
            "%s: its tasks have %d ways, %d support and %d query images a class; this run's "
            "have %d, %d and %d: --set task.shots=%d and --set task.queries=%d change them, "
            "the ways belong to the network",
            l->path, (int)l->spec.ways, (int)l->spec.support, (int)l->spec.query, (int)spec.ways,
            (int)spec.support, (int)spec.query, (int)l->spec.support, (int)l->spec.query);
    }
    TRY(hash_data(e, ctx, l->spec.split, &data));
    if (data != l->data) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: was drawn from other data (fingerprint %016" PRIx64 ", here %016" PRIx64
                       "): the classes of the %s split, their numbers of "
                       "images or the size of the images differ",
                       l->path, l->data, data, nas_split_names[l->spec.split]);
    }
    const int64_t n_classes = e->data.n_classes[l->spec.split];
    for (int64_t w = 0; w < l->tasks * l->spec.ways; w++) {
        const int64_t which = l->classes[w], task = w / l->spec.ways;
        if (which >= n_classes) {
            return mn_fail(ctx, MN_CONFIG,
                           "%s: task %" PRId64 ": class %" PRId64 ", but the split has only "
                           "%" PRId64,
                           l->path, task, which, n_classes);
        }
        const int64_t n = e->dataset.table.dataset.n_samples(e->dataset.self, l->spec.split, which);
        for (int64_t i = w * each(&l->spec); i < (w + 1) * each(&l->spec); i++) {
            if (l->samples[i] >= n) {
                return mn_fail(ctx, MN_CONFIG,
                               "%s: task %" PRId64 ": image %" PRId64
                               " of class %s, which has %" PRId64,
                               l->path, task, l->samples[i], l->names[w], n);
            }
        }
    }
    return MN_OK;
}

int nas_episodes_task(const struct nas_episodes *l, const struct nas_experiment *e,
                      struct mn_ctx *ctx, int64_t index, struct mn_task *out) {
    TRY(load(l, e, ctx, index, out));
    return nas_episode_hash(e, out) == l->hashes[index]
               ? MN_OK
               : mn_fail(ctx, MN_IO,
                         "%s: an image of task %" PRId64
                         " is not what it was when the list was made",
                         l->path != NULL ? l->path : e->dataset.label, index);
}
