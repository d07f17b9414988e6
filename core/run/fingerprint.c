/* SPDX-License-Identifier: MIT */
#include "run/fingerprint.h"

#include "base/hash.h"
#include "run/episode.h"

#include <inttypes.h>
#include <string.h>

enum { LOOKED_AT = 4 }; /* classes of a split of which images are looked at */

/* Names, order and sizes of the classes, as far as the data set tells them. */
static uint64_t hash_classes(const struct mn__experiment *e, int split, uint64_t hash) {
    const struct mn_dataset *table = &e->dataset.table.dataset;
    for (int64_t i = 0; i < e->data.n_classes[split]; i++) {
        char name[256] = "";
        if (table->class_name != NULL) {
            table->class_name(e->dataset.self, split, i, name, sizeof name);
            hash = mn__hash_bytes(hash, name, strnlen(name, sizeof name) + 1);
        }
        if (table->n_samples != NULL) {
            hash = mn__hash_int(hash, (uint64_t)table->n_samples(e->dataset.self, split, i));
        }
    }
    return hash;
}

/* A task that is the same for all runs. An image that cannot be read is found where it is used. */
static int hash_images(const struct mn__experiment *e, struct mn_cx *cx, int split,
                       uint64_t *hash) {
    const int64_t n = e->data.n_classes[split];
    const struct mn_episode_spec spec = {.size = sizeof spec,
                                         .split = split,
                                         .ways = (int32_t)(n < LOOKED_AT ? n : LOOKED_AT),
                                         .support = 1,
                                         .query = 1};
    struct mn_episode episode;
    struct mn_task task;
    cx->where = (struct mn_where){.size = sizeof cx->where, .split = split};
    int status = mn__episode_room(e, cx, &spec, &episode);
    if (status == MN_OK) {
        status = mn__episode_draw(e, cx, &spec, &episode);
    }
    if (status == MN_IO) {
        mn__cx_clear(cx);
        return MN_OK;
    }
    if (status == MN_OK) {
        mn__episode_task(e, &spec, &episode, &task);
        *hash = mn__hash_int(*hash, mn__episode_hash(e, &task));
    }
    return status;
}

static int hash_all(const struct mn__experiment *e, struct mn_cx *cx, uint64_t *hash) {
    const struct mn_where where = cx->where;
    int status = MN_OK;
    *hash = mn__hash_begin();
    for (int split = MN_TRAIN; status == MN_OK && split <= MN_TEST; split++) {
        const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
        *hash = hash_classes(e, split, *hash);
        if (e->data.n_classes[split] > 0 && e->data.min_samples[split] > 1) {
            status = hash_images(e, cx, split, hash);
        }
        mn__arena_release(&mn__cx_of(cx)->scratch, mark);
    }
    cx->where = where;
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

int mn__fingerprint_note(struct mn__experiment *e, struct mn_cx *cx) {
    const struct mn_dataset_info *d = &e->data;
    char train[96], val[96], test[96];
    uint64_t hash;
    const int status = hash_all(e, cx, &hash);
    if (status != MN_OK) {
        return status;
    }
    e->fingerprint =
        mn__arena_format(&e->arena, "%d x %d x %d; %s; %s; %s; fingerprint %016" PRIx64,
                         d->channels, d->height, d->width, split_text(d, MN_TRAIN, train),
                         split_text(d, MN_VAL, val), split_text(d, MN_TEST, test), hash);
    return e->fingerprint != NULL ? MN_OK : mn_fail(cx, MN_NOMEM, "no memory to describe the data");
}

int mn__fingerprint_check(const struct mn__experiment *e, struct mn_cx *cx, const char *path,
                          const char *then, int accept) {
    if (e->fingerprint == NULL || (then != NULL && strcmp(then, e->fingerprint) == 0)) {
        return MN_OK;
    }
    if (then == NULL) {
        mn_log(cx, MN_LOG_INFO,
               "%s: does not say which data it was made with, so that they cannot be compared",
               path);
        return MN_OK;
    }
    if (!accept) {
        return mn_fail(cx, MN_CONFIG,
                       "%s: was made with other data\n  then: %s\n  now:  %s\n  --accept-changes "
                       "goes on all the same",
                       path, then, e->fingerprint);
    }
    mn_log(cx, MN_LOG_WARN, "%s: was made with other data\n  then: %s\n  now:  %s", path, then,
           e->fingerprint);
    return MN_OK;
}
