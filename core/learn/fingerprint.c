/* SPDX-License-Identifier: MIT */
#include "learn/fingerprint.h"

#include "base/hash.h"
#include "learn/configuration.h"
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

int nas_fingerprint(struct nas_experiment *e, struct mn_ctx *ctx, const char **out) {
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
