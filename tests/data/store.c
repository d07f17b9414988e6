/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store_block {
    struct store_block *next;
    void *at;
};

static struct store *store_of(struct mn_ctx *ctx) {
    return mock_of(ctx)->data;
}

static void *take(struct mn_ctx *ctx, size_t bytes, int fill) {
    struct store *store = store_of(ctx);
    struct store_block *block = malloc(sizeof *block);
    assert_non_null(block);
    block->at = aligned_alloc(64, (bytes + 64) / 64 * 64);
    assert_non_null(block->at);
    memset(block->at, fill, bytes);
    block->next = store->blocks;
    store->blocks = block;
    return block->at;
}

static void *service_scratch(struct mn_ctx *ctx, size_t bytes) {
    struct mock *mock = mock_of(ctx);
    if (mock->memory_left == 0) {
        mn_fail(ctx, MN_NOMEM, "no scratch");
        return NULL;
    }
    mock->memory_left--;
    store_of(ctx)->taken += bytes;
    return take(ctx, bytes, 0xFF);
}

static void *service_keep(struct mn_ctx *ctx, size_t bytes) {
    store_of(ctx)->kept += bytes;
    return take(ctx, bytes, 0);
}

static void service_log(struct mn_ctx *ctx, int level, const char *format, va_list args) {
    struct store *store = store_of(ctx);
    const size_t used = strlen(store->log);
    store->log_lines++;
    vsnprintf(store->log + used, sizeof store->log - used, format, args);
}

static void release(struct store *store, const struct store_block *mark) {
    while (store->blocks != mark) {
        struct store_block *next = store->blocks->next;
        free(store->blocks->at);
        free(store->blocks);
        store->blocks = next;
    }
}

void store_init(struct store *store) {
    memset(store, 0, sizeof *store);
    mock_init(&store->mock);
    store->mock.data = store;
    store->mock.host.scratch = service_scratch;
    store->mock.host.keep = service_keep;
    store->mock.host.log = service_log;
    store->mock.ctx.where.seed = 1;
}

void store_open(struct store *store, const char *plugin) {
    store_init(store);
    store->unit = unit_open(plugin, MN_DATASET);
    store->table = store->unit.about->vtable;
    assert_int_equal(store->table->size, sizeof *store->table);
    assert_null(store->table->stop); /* all its memory is the host's */
}

void store_close(struct store *store) {
    release(store, NULL);
    if (store->unit.self != NULL) {
        unit_close(&store->unit);
    }
    mock_fini(&store->mock);
}

int store_start(struct store *store) {
    struct mn_ctx *ctx = &store->mock.ctx;
    const struct mn_dataset *t = store->table;
    int status = t->check != NULL ? t->check(store->unit.self, ctx) : MN_OK;
    status = status == MN_OK ? t->start(store->unit.self, ctx) : status;
    memset(&store->info, 0, sizeof store->info);
    store->info.size = sizeof store->info;
    status = status == MN_OK ? t->describe(store->unit.self, ctx, &store->info) : status;
    assert_int_equal(status, store->mock.status); /* a message for every failure */
    return status;
}

void store_ready(struct store *store) {
    if (store_start(store) != MN_OK) {
        fail_msg("%s", store->mock.message);
    }
}

int store_picture(struct store *store, const void *bytes, size_t n, int channels, int height,
                  int width, mn_real *out) {
    const struct mn_picture picture = {.size = sizeof picture,
                                       .channels = channels,
                                       .height = height,
                                       .width = width,
                                       .name = "mine/1.png",
                                       .bytes = bytes,
                                       .n_bytes = (int64_t)n};
    assert_non_null(store->table->picture);
    const int status = store->table->picture(store->unit.self, &store->mock.ctx, &picture, out);
    assert_int_equal(status, store->mock.status);
    return status;
}

static void *filled(size_t n, size_t size) {
    void *at = malloc(n * size + 1);
    assert_non_null(at);
    memset(at, 0xFF, n * size);
    return at;
}

static const mn_real *image_of(const struct drawn *d, int32_t way, int32_t i) {
    const int is_query = i >= d->spec.support;
    const int64_t at = is_query ? (int64_t)way * d->spec.query + i - d->spec.support
                                : (int64_t)way * d->spec.support + i;
    const int32_t *labels = is_query ? d->episode.query_labels : d->episode.support_labels;
    assert_int_equal(labels[at], way);
    return (is_query ? d->episode.query : d->episode.support) + at * d->reals;
}

/* The numbers of the images lead to the same images one by one. */
static void check_images(struct store *store, const struct drawn *d) {
    const struct mn_dataset *table = store->table;
    const int32_t each = d->spec.support + d->spec.query, split = d->spec.split;
    const size_t bytes = (size_t)d->reals * sizeof(mn_real);
    mn_real *image = filled((size_t)d->reals, sizeof *image);
    for (int32_t way = 0; way < d->spec.ways; way++) {
        const int64_t which = d->episode.classes[way];
        for (int32_t i = 0; i < each; i++) {
            const int64_t number = d->episode.samples[way * each + i];
            assert_in_range(number, 0, table->n_samples(store->unit.self, split, which) - 1);
            assert_int_equal(
                table->image(store->unit.self, &store->mock.ctx, split, which, number, image),
                MN_OK);
            assert_memory_equal(image, image_of(d, way, i), bytes);
        }
    }
    free(image);
}

void store_expect_name(struct store *store, int split, int64_t which, const char *expected) {
    char name[128], cut[4];
    const int64_t length = (int64_t)strlen(expected);
    assert_int_equal(store->table->class_name(store->unit.self, split, which, name, sizeof name),
                     length);
    assert_string_equal(name, expected);
    assert_int_equal(store->table->class_name(store->unit.self, split, which, cut, sizeof cut),
                     length);
    assert_true(strlen(cut) == 3 && strncmp(cut, expected, 3) == 0);
}

struct drawn store_draw(struct store *store, int split, int64_t meta_epoch, int64_t task,
                        int32_t ways, int32_t support, int32_t query) {
    struct mn_ctx *ctx = &store->mock.ctx;
    struct drawn d = {.spec = {sizeof d.spec, split, ways, support, query, 0}};
    const size_t s = (size_t)(ways * support), q = (size_t)(ways * query);
    d.reals = (int64_t)store->info.channels * store->info.height * store->info.width;
    d.episode.size = sizeof d.episode;
    d.episode.support = filled(s * (size_t)d.reals, sizeof(mn_real));
    d.episode.query = filled(q * (size_t)d.reals, sizeof(mn_real));
    d.episode.support_labels = filled(s, sizeof(int32_t));
    d.episode.query_labels = filled(q, sizeof(int32_t));
    d.episode.classes = filled((size_t)ways, sizeof(int64_t));
    d.episode.samples = filled(s + q, sizeof(int64_t));
    ctx->where.split = split;
    ctx->where.meta_epoch = meta_epoch;
    ctx->where.task = task;
    const struct store_block *mark = store->blocks;
    if (store->table->sample(store->unit.self, ctx, &d.spec, &d.episode) != MN_OK) {
        fail_msg("%s", store->mock.message);
    }
    check_images(store, &d);
    release(store, mark);
    return d;
}

void drawn_free(struct drawn *d) {
    free(d->episode.support);
    free(d->episode.query);
    free(d->episode.support_labels);
    free(d->episode.query_labels);
    free(d->episode.classes);
    free(d->episode.samples);
}

int drawn_equal(const struct drawn *a, const struct drawn *b) {
    const size_t ways = (size_t)a->spec.ways, image = (size_t)a->reals * sizeof(mn_real);
    const size_t s = ways * (size_t)a->spec.support, q = ways * (size_t)a->spec.query;
    assert_memory_equal(&a->spec.ways, &b->spec.ways, 3 * sizeof(int32_t));
    return memcmp(a->episode.classes, b->episode.classes, ways * sizeof(int64_t)) == 0 &&
           memcmp(a->episode.support, b->episode.support, s * image) == 0 &&
           memcmp(a->episode.query, b->episode.query, q * image) == 0;
}

void drawn_check(const struct drawn *d, int64_t n_classes) {
    const int32_t each = d->spec.support + d->spec.query;
    for (int32_t way = 0; way < d->spec.ways; way++) {
        assert_in_range(d->episode.classes[way], 0, n_classes - 1);
        for (int32_t other = 0; other < way; other++) {
            assert_int_not_equal(d->episode.classes[way], d->episode.classes[other]);
        }
        for (int32_t i = 0; i < each; i++) {
            const mn_real *image = image_of(d, way, i);
            for (int64_t p = 0; p < d->reals; p++) {
                assert_true(isfinite(image[p]));
            }
            for (int32_t j = 0; j < i; j++) {
                assert_memory_not_equal(image, image_of(d, way, j),
                                        (size_t)d->reals * sizeof(mn_real));
            }
        }
    }
}

static int64_t kept_at(void (*open)(struct store *store), int64_t size) {
    struct store s;
    open(&s);
    unit_int(&s.unit, "size", size);
    store_ready(&s);
    const int64_t kept = (int64_t)s.kept;
    store_close(&s);
    return kept;
}

void store_expect_bytes(void (*open)(struct store *store), int64_t images, int64_t channels,
                        int64_t a, int64_t b) {
    enum { NAMES = 64 }; /* bytes for an image's share in lists of classes and their names */
    const int64_t small = kept_at(open, a), large = kept_at(open, b);
    assert_int_equal(large - small, images * channels * (b * b - a * a));
    assert_in_range(small, images * channels * a * a, images * (channels * a * a + NAMES));
}

void store_expect_decoded(struct store *store, int split, int decoded) {
    const int64_t left = store->mock.memory_left;
    const struct mn_dataset_info *info = &store->info;
    mn_real *image = filled((size_t)(info->channels * info->height * info->width), sizeof *image);
    store->mock.memory_left = 0;
    const int status = store->table->image(store->unit.self, &store->mock.ctx, split, 0, 0, image);
    store->mock.memory_left = left;
    assert_int_equal(status, decoded ? MN_OK : MN_NOMEM);
    free(image);
}
