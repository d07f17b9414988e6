/* SPDX-License-Identifier: MIT */
#include "learn/fingerprint.h"

#include "base/hash.h"
#include "learn/task.h"

#include <inttypes.h>
#include <string.h>

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
    struct mn_episode episode;
    struct mn_task task;
    ctx->where = (struct mn_where){.size = sizeof ctx->where, .split = split};
    int status = nas_episode_room(e, ctx, &spec, &episode);
    if (status == MN_OK) {
        status = nas_episode_draw(e, ctx, &spec, &episode);
    }
    if (status == MN_IO) {
        nas_ctx_clear(ctx);
        return MN_OK;
    }
    if (status == MN_OK) {
        nas_episode_task(e, &spec, &episode, &task);
        *hash = nas_hash_int(*hash, nas_episode_hash(e, &task));
    }
    return status;
}

static int hash_all(const struct nas_experiment *e, struct mn_ctx *ctx, uint64_t *hash) {
    const struct mn_where where = ctx->where;
    int status = MN_OK;
    *hash = nas_hash_begin();
    for (int split = MN_TRAIN; status == MN_OK && split <= MN_TEST; split++) {
        const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
        *hash = hash_classes(e, split, *hash);
        if (e->data.n_classes[split] > 0 && e->data.min_samples[split] > 1) {
            status = hash_images(e, ctx, split, hash);
        }
        nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    }
    ctx->where = where;
    return status;
}

/* "train 20 classes of 400 images" */
static const char *split_text(const struct mn_dataset_info *data, int split, char out[96]) {
    static const char *const names[] = {"train", "val", "test"};
    char images[32] = "any number of";
    if (data->n_images[split] >= 0) {
        snprintf(images, sizeof images, "%" PRId64, data->n_images[split]);
    }
    snprintf(out, 96, "%s %" PRId64 " classes of %s images", names[split], data->n_classes[split],
             images);
    return out;
}

int nas_fingerprint_note(struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct mn_dataset_info *d = &e->data;
    char train[96], val[96], test[96];
    uint64_t hash;
    const int status = hash_all(e, ctx, &hash);
    if (status != MN_OK) {
        return status;
    }
    e->fingerprint =
        nas_arena_format(&e->arena, "%d x %d x %d; %s; %s; %s; fingerprint %016" PRIx64,
                         d->channels, d->height, d->width, split_text(d, MN_TRAIN, train),
                         split_text(d, MN_VAL, val), split_text(d, MN_TEST, test), hash);
    return e->fingerprint != NULL ? MN_OK
                                  : mn_fail(ctx, MN_NOMEM, "no memory to describe the data");
}

int nas_fingerprint_check(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                          const char *then, int accept) {
    if (e->fingerprint == NULL || (then != NULL && strcmp(then, e->fingerprint) == 0)) {
        return MN_OK;
    }
    if (then == NULL) {
        mn_log(ctx, MN_LOG_INFO,
               "%s: does not say which data it was made with, so that they cannot be compared",
               path);
        return MN_OK;
    }
    if (!accept) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: was made with other data\n  then: %s\n  now:  %s\n  --accept-changes "
                       "goes on all the same",
                       path, then, e->fingerprint);
    }
    mn_log(ctx, MN_LOG_WARN, "%s: was made with other data\n  then: %s\n  now:  %s", path, then,
           e->fingerprint);
    return MN_OK;
}
