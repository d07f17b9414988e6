/* SPDX-License-Identifier: MIT */
/* dataset. */

#include "dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_WAYS = 5, MOST_EACH = 3, TASKS = 8, SPLIT_TASKS = 32 };

static int start(struct kit_fixture *fixture) {
    kit_call(fixture, "start", KIT_SETUP);
    return kit_end(fixture, fixture->table.dataset.start(fixture->self, &fixture->mock.ctx));
}

static void stop(struct kit_fixture *fixture) {
    if (fixture->table.dataset.stop != NULL) {
        kit_call(fixture, "stop", KIT_SETUP);
        fixture->table.dataset.stop(fixture->self);
        kit_end_plain(fixture);
    }
}

/* ---- calls -------------------------------------------------------------------------------- */

int dataset_describe(struct kit_fixture *fixture, struct mn_dataset_info *out) {
    memset(out, 0, sizeof *out);
    out->size = sizeof *out;
    kit_call(fixture, "describe", KIT_WORKER);
    return kit_end(fixture,
                   fixture->table.dataset.describe(fixture->self, &fixture->mock.ctx, out));
}

static void check_info(const struct mn_dataset_info *d) {
    if (d->channels < 1 || d->height < 1 || d->width < 1) {
        kit_fail("describe", "the images are %d x %d x %d", (int)d->channels, (int)d->height,
                 (int)d->width);
    }
    if (d->n_classes[MN_TRAIN] < 1) {
        kit_fail("describe", "meta-training has %lld classes", (long long)d->n_classes[MN_TRAIN]);
    }
    for (int split = 0; split < 3; split++) {
        const int64_t classes = d->n_classes[split], samples = d->min_samples[split];
        if (classes < 0 || (classes > 0) != (samples > 0) ||
            (d->n_images[split] >= 0 && d->n_images[split] < classes * samples)) {
            kit_fail("describe", "split %d: %lld classes of at least %lld images, %lld in all",
                     split, (long long)classes, (long long)samples, (long long)d->n_images[split]);
        }
    }
}

int dataset_task_new(struct kit_fixture *fixture, const struct mn_dataset_info *d, int split,
                     struct mn_rng *rng, struct dataset_task *out) {
    const int64_t classes = d->n_classes[split], samples = d->min_samples[split];
    if (classes < 1 || samples < 2) {
        return 0;
    }
    const int64_t each = samples / 2 < MOST_EACH ? samples / 2 : MOST_EACH;
    const uint32_t ways = (uint32_t)(classes < MOST_WAYS ? classes : MOST_WAYS);
    memset(out, 0, sizeof *out);
    out->spec = (struct mn_episode_spec){.size = sizeof out->spec, .split = split};
    out->spec.ways = 1 + (int32_t)mn_rng_below(rng, ways);
    out->spec.support = 1 + (int32_t)mn_rng_below(rng, (uint32_t)each);
    out->spec.query = 1 + (int32_t)mn_rng_below(rng, (uint32_t)each);
    out->image = (int64_t)d->channels * d->height * d->width;
    out->at.size = sizeof out->at;
    const int64_t support = (int64_t)out->spec.ways * out->spec.support;
    const int64_t query = (int64_t)out->spec.ways * out->spec.query;
    out->at.support = kit_output(fixture, support * out->image);
    out->at.query = kit_output(fixture, query * out->image);
    out->at.support_labels = mock_buffer(&fixture->mock, (size_t)support * sizeof(int32_t), 0xFF);
    out->at.query_labels = mock_buffer(&fixture->mock, (size_t)query * sizeof(int32_t), 0xFF);
    const size_t each_class = (size_t)(out->spec.support + out->spec.query);
    out->at.samples =
        mock_buffer(&fixture->mock, (size_t)out->spec.ways * each_class * sizeof(int64_t), 0xFF);
    out->at.classes = mock_buffer(&fixture->mock, (size_t)out->spec.ways * sizeof(int64_t), 0xFF);
    return 1;
}

int dataset_sample(struct kit_fixture *fixture, struct dataset_task *e, int64_t task) {
    struct mn_where *where = &fixture->mock.ctx.where;
    where->split = e->spec.split;
    where->task = task;
    kit_call(fixture, "sample", KIT_WORKER);
    const int status =
        kit_end(fixture,
                fixture->table.dataset.sample(fixture->self, &fixture->mock.ctx, &e->spec, &e->at));
    if (status == MN_OK) {
        kit_written("the support images", (int64_t)e->spec.ways * e->spec.support * e->image,
                    e->at.support);
        kit_written("the query images", (int64_t)e->spec.ways * e->spec.query * e->image,
                    e->at.query);
    }
    return status;
}

static void digest_episode(const struct dataset_task *e, uint64_t *digest) {
    const size_t support = (size_t)e->spec.ways * (size_t)e->spec.support;
    const size_t query = (size_t)e->spec.ways * (size_t)e->spec.query;
    kit_digest(digest, e->at.support, support * (size_t)e->image * sizeof(mn_real));
    kit_digest(digest, e->at.query, query * (size_t)e->image * sizeof(mn_real));
    kit_digest(digest, e->at.support_labels, support * sizeof(int32_t));
    kit_digest(digest, e->at.query_labels, query * sizeof(int32_t));
    kit_digest(digest, e->at.classes, (size_t)e->spec.ways * sizeof(int64_t));
}

static void check_labels(const struct dataset_task *e, const char *what, const int32_t *labels,
                         int32_t each) {
    for (int32_t i = 0; i < e->spec.ways * each; i++) {
        if (labels[i] != i / each) {
            kit_fail("labels", "%s image %d of %d classes of %d has label %d instead of %d", what,
                     (int)i, (int)e->spec.ways, (int)each, (int)labels[i], (int)(i / each));
        }
    }
}

static void check_classes(struct kit_fixture *fixture, const struct dataset_task *e,
                          const struct mn_dataset_info *d) {
    for (int32_t c = 0; c < e->spec.ways; c++) {
        const int64_t number = e->at.classes[c];
        if (number < 0 || number >= d->n_classes[e->spec.split]) {
            kit_fail("classes", "class %d of the task is %lld; the split has %lld", (int)c,
                     (long long)number, (long long)d->n_classes[e->spec.split]);
        }
        for (int32_t other = 0; other < c; other++) {
            if (e->at.classes[other] == number) {
                kit_fail("classes", "class %lld is in the task twice", (long long)number);
            }
        }
    }
}

static int same_image(const struct dataset_task *e, const mn_real *a, int64_t i, const mn_real *b,
                      int64_t j) {
    const size_t bytes = (size_t)e->image * sizeof *a;
    return memcmp(a + i * e->image, b + j * e->image, bytes) == 0;
}

static void check_disjoint(const struct dataset_task *e) {
    for (int64_t q = 0; q < (int64_t)e->spec.ways * e->spec.query; q++) {
        const int64_t first = q / e->spec.query * e->spec.support;
        for (int64_t s = first; s < first + e->spec.support; s++) {
            if (same_image(e, e->at.query, q, e->at.support, s)) {
                kit_fail("overlap", "query image %lld is support image %lld", (long long)q,
                         (long long)s);
            }
        }
    }
}

static int exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    struct mn_dataset_info d;
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 7, 0, 0, 0);
    int status = dataset_describe(fixture, &d);
    for (int split = MN_TRAIN; status == MN_OK && split <= MN_TEST; split++) {
        struct dataset_task e;
        if (split == MN_TRAIN) {
            check_info(&d);
        }
        if (dataset_task_new(fixture, &d, split, &rng, &e)) {
            status = dataset_sample(fixture, &e, (int64_t)seed % 1000);
            digest_episode(&e, digest);
        }
    }
    return status == MN_OK ? dataset_exercise_images(fixture, &d, seed, digest) : status;
}

/* ---- cases -------------------------------------------------------------------------------- */

static void shape(const struct kit *kit) {
    struct kit_fixture fixture;
    struct mn_dataset_info first, again;
    kit_fixture_begin(&fixture, kit, 0);
    kit_ok(&fixture, dataset_describe(&fixture, &first));
    check_info(&first);
    kit_ok(&fixture, dataset_describe(&fixture, &again));
    if (memcmp(&first, &again, sizeof first) != 0) {
        kit_fail("describe", "a second call tells something else");
    }
    kit_fixture_close(&fixture);
}

void dataset_over_tasks(const struct kit *kit, dataset_check check) {
    struct kit_fixture fixture;
    struct mn_dataset_info d;
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 8, 0, 0, 0);
    kit_fixture_begin(&fixture, kit, 0);
    kit_ok(&fixture, dataset_describe(&fixture, &d));
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        for (int64_t task = 0; task < TASKS; task++) {
            struct mock_block *mark = mock_mark(&fixture.mock);
            struct dataset_task e;
            if (dataset_task_new(&fixture, &d, split, &rng, &e)) {
                kit_at("split %d, task %lld: %d ways, %d + %d images each", split, (long long)task,
                       (int)e.spec.ways, (int)e.spec.support, (int)e.spec.query);
                kit_ok(&fixture, dataset_sample(&fixture, &e, task));
                check(&fixture, &e, &d);
            }
            mock_rewind(&fixture.mock, mark);
        }
    }
    kit_fixture_close(&fixture);
}

static void check_all_labels(struct kit_fixture *fixture, const struct dataset_task *e,
                             const struct mn_dataset_info *d) {
    check_labels(e, "support", e->at.support_labels, e->spec.support);
    check_labels(e, "query", e->at.query_labels, e->spec.query);
}

static void labels(const struct kit *kit) {
    dataset_over_tasks(kit, check_all_labels);
}

static void classes(const struct kit *kit) {
    dataset_over_tasks(kit, check_classes);
}

static void check_overlap(struct kit_fixture *fixture, const struct dataset_task *e,
                          const struct mn_dataset_info *d) {
    check_disjoint(e);
}

static void disjoint(const struct kit *kit) {
    dataset_over_tasks(kit, check_overlap);
}

/* Images of some tasks of a split, each as a number. */
struct seen {
    uint64_t digests[SPLIT_TASKS * MOST_WAYS * 2 * MOST_EACH];
    int n;
};

static int is_plain(const mn_real *image, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        if (image[i] < image[0] || image[i] > image[0]) {
            return 0;
        }
    }
    return 1;
}

static void see(struct seen *seen, const mn_real *images, int64_t n, int64_t each) {
    for (int64_t i = 0; i < n; i++) {
        if (!is_plain(images + i * each, each)) {
            seen->digests[seen->n] = 0xCBF29CE484222325u;
            kit_digest(&seen->digests[seen->n++], images + i * each, (size_t)each * sizeof *images);
        }
    }
}

static void see_tasks(struct kit_fixture *fixture, const struct mn_dataset_info *d, int split,
                      struct seen *seen) {
    struct mn_rng rng = mn_rng_make(5, MN_RNG_PLUGIN, 15, 0, 0, 0);
    for (int64_t task = 0; task < SPLIT_TASKS; task++) {
        struct mock_block *mark = mock_mark(&fixture->mock);
        struct dataset_task e;
        if (dataset_task_new(fixture, d, split, &rng, &e)) {
            kit_ok(fixture, dataset_sample(fixture, &e, task));
            see(seen, e.at.support, (int64_t)e.spec.ways * e.spec.support, e.image);
            see(seen, e.at.query, (int64_t)e.spec.ways * e.spec.query, e.image);
        }
        mock_rewind(&fixture->mock, mark);
    }
}

static void splits(const struct kit *kit) {
    static struct seen seen[3];
    struct kit_fixture fixture;
    struct mn_dataset_info d;
    kit_fixture_begin(&fixture, kit, 0);
    kit_ok(&fixture, dataset_describe(&fixture, &d));
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        seen[split].n = 0;
        see_tasks(&fixture, &d, split, &seen[split]);
        for (int other = MN_TRAIN; other < split; other++) {
            kit_at("splits %d and %d (0 = training, 1 = validation, 2 = test)", other, split);
            for (int i = 0; i < seen[split].n * seen[other].n; i++) {
                if (seen[split].digests[i / seen[other].n] ==
                    seen[other].digests[i % seen[other].n]) {
                    kit_fail("shared_images", "an image of a task of the one is in a task of the "
                                              "other");
                }
            }
        }
    }
    dataset_shared_classes(&fixture, &d);
    kit_fixture_close(&fixture);
}

/* Tasks of other numbers, other seeds and other meta-epochs are others. */
static void tasks_differ(const struct kit *kit) {
    static const char *const what[] = {"task", "meta-epoch", "seed"};
    struct kit_fixture fixture;
    struct mn_dataset_info d;
    kit_fixture_begin(&fixture, kit, 0);
    kit_ok(&fixture, dataset_describe(&fixture, &d));
    for (int w = 0; w < 3; w++) {
        uint64_t digests[TASKS], different = 0;
        for (int i = 0; i < TASKS; i++) {
            struct mock_block *mark = mock_mark(&fixture.mock);
            struct mn_rng rng = mn_rng_make(3, MN_RNG_PLUGIN, 9, 0, 0, 0);
            struct dataset_task e;
            if (!dataset_task_new(&fixture, &d, MN_TRAIN, &rng, &e)) {
                kit_skip("meta-training has no class of two images");
            }
            fixture.mock.ctx.where.meta_epoch = w == 1 ? i : 90;
            fixture.mock.ctx.where.seed = w == 2 ? (uint64_t)i : 1;
            kit_ok(&fixture, dataset_sample(&fixture, &e, w == 0 ? i : 0));
            digests[i] = 0;
            digest_episode(&e, &digests[i]);
            different += digests[i] != digests[0];
            mock_rewind(&fixture.mock, mark);
        }
        if (different == 0) {
            kit_fail("same_task", "%d tasks that differ in their %s are the same", TASKS, what[w]);
        }
    }
    kit_fixture_close(&fixture);
}

static const struct kit_case cases[] = {
    {"shape", "shape and counts are positive and constant", 0, shape},
    {"labels", "labels are 0 to ways - 1, class by class, balanced", 0, labels},
    {"classes", "the classes of a task are distinct classes of its split", 0, classes},
    {"disjoint", "no image is in the support and in the query set", 0, disjoint},
    {"splits", "no image and no class is in two splits", 0, splits},
    {"names", "the classes of a split have names of one line, all different", 0,
     dataset_case_names},
    {"samples", "`image` gives the images that `sample` says it took", 0, dataset_case_samples},
    {"picture", "an image file is read without start, and what is none is refused by name", 0,
     dataset_case_picture},
    {"tasks", "another task, meta-epoch or seed gives another task", 0, tasks_differ},
};

const struct kit_kind kit_dataset = {.start = start,
                                     .stop = stop,
                                     .exercise = exercise,
                                     .around = "{use: glyphs, size: 12, train_classes: 12, "
                                               "val_classes: 7, test_classes: 6}",
                                     .cases = cases,
                                     .n_cases = sizeof cases / sizeof cases[0]};
