/* SPDX-License-Identifier: MIT */
/* dataset: single images, the names of classes, and images of a user's own. */

#include "dataset.h"

#include <stdio.h>
#include <string.h>

enum { NAME = 512 /* an episode list has room for */, MOST_CLASSES = 300 };

/* 8 x 8 grays, not interlaced. */
static const uint8_t png[] = {
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48, 0x44,
    0x52, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0xE1,
    0x64, 0xE1, 0x57, 0x00, 0x00, 0x00, 0x38, 0x49, 0x44, 0x41, 0x54, 0x78, 0xDA, 0x63, 0x60,
    0x50, 0xF5, 0xCA, 0x9F, 0xB2, 0xF3, 0x1E, 0x33, 0x43, 0x74, 0xC3, 0xD2, 0x53, 0xEF, 0x45,
    0x2C, 0xE3, 0x18, 0xB6, 0xDD, 0x86, 0x88, 0x31, 0x08, 0x9A, 0x41, 0xC4, 0x18, 0x72, 0x26,
    0x42, 0xC4, 0x18, 0x8E, 0xBF, 0x81, 0x88, 0x31, 0x28, 0xB9, 0x43, 0xC4, 0x18, 0x6A, 0x17,
    0x41, 0xC4, 0x00, 0x03, 0x04, 0x1D, 0x01, 0xFC, 0xE4, 0xA2, 0x45, 0x00, 0x00, 0x00, 0x00,
    0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82,
};

/* ---- calls -------------------------------------------------------------------------------- */

/* 1 where the data set can name its images. */
static int has_lists(const struct kit_fixture *fixture) {
    const struct mn_dataset *table = &fixture->table.dataset;
    const int n = (table->n_samples != NULL) + (table->class_name != NULL) + (table->image != NULL);
    if (n != 0 && n != 3) {
        kit_fail("lists", "n_samples, class_name and image: there are only %d of the three", n);
    }
    return n == 3;
}

static int64_t n_samples(struct kit_fixture *fixture, const struct mn_dataset_info *d, int split,
                         int64_t which) {
    kit_call(fixture, "n_samples", KIT_WORKER);
    const int64_t n = fixture->table.dataset.n_samples(fixture->self, split, which);
    kit_end_plain(fixture);
    if (n < d->min_samples[split] || n < 1) {
        kit_fail("lists", "class %lld of split %d has %lld images, the smallest %lld",
                 (long long)which, split, (long long)n, (long long)d->min_samples[split]);
    }
    return n;
}

/* `room` bytes of the name, into a buffer of as many. */
static char *class_name(struct kit_fixture *fixture, int split, int64_t which, size_t room,
                        int64_t *length) {
    char *out = mock_buffer(&fixture->mock, room, MOCK_POISON);
    kit_call(fixture, "class_name", KIT_WORKER);
    *length = fixture->table.dataset.class_name(fixture->self, split, which, out, room);
    kit_end_plain(fixture);
    return out;
}

static mn_real *image(struct kit_fixture *fixture, const struct mn_dataset_info *d, int split,
                      int64_t which, int64_t sample, int *status) {
    const int64_t n = (int64_t)d->channels * d->height * d->width;
    mn_real *out = kit_output(fixture, n);
    kit_call(fixture, "image", KIT_WORKER);
    *status = kit_end(fixture, fixture->table.dataset.image(fixture->self, &fixture->mock.ctx,
                                                            split, which, sample, out));
    if (*status == MN_OK) {
        kit_written("the image", n, out);
    }
    return out;
}

static mn_real *picture(struct kit_fixture *fixture, const struct mn_dataset_info *d,
                        const uint8_t *bytes, size_t n_bytes, int *status) {
    const int64_t n = (int64_t)d->channels * d->height * d->width;
    mn_real *out = kit_output(fixture, n);
    uint8_t *file = mock_buffer(&fixture->mock, n_bytes, 0);
    const struct mn_picture in = {.size = sizeof in,
                                  .channels = d->channels,
                                  .height = d->height,
                                  .width = d->width,
                                  .name = "holiday.png",
                                  .bytes = file,
                                  .n_bytes = (int64_t)n_bytes};
    memcpy(file, bytes, n_bytes);
    kit_seal(fixture, file);
    kit_call(fixture, "picture", KIT_WORKER);
    *status = kit_end(fixture,
                      fixture->table.dataset.picture(fixture->self, &fixture->mock.ctx, &in, out));
    if (*status == MN_OK) {
        kit_written("the image", n, out);
    }
    return out;
}

/* ---- exercise ----------------------------------------------------------------------------- */

static int exercise_class(struct kit_fixture *fixture, const struct mn_dataset_info *d, int split,
                          struct mn_rng *rng, uint64_t *digest) {
    const int64_t which = mn_rng_below(rng, (uint32_t)d->n_classes[split]);
    const int64_t n = n_samples(fixture, d, split, which);
    const int64_t sample = mn_rng_below(rng, (uint32_t)(n < UINT32_MAX ? n : UINT32_MAX));
    int64_t length;
    int status;
    char *name = class_name(fixture, split, which, NAME, &length);
    kit_digest(digest, name, strnlen(name, NAME));
    const mn_real *at = image(fixture, d, split, which, sample, &status);
    kit_digest(digest, at, (size_t)d->channels * (size_t)d->height * (size_t)d->width * sizeof *at);
    return status;
}

/* A damaged image file: it may be refused. */
static int exercise_picture(struct kit_fixture *fixture, const struct mn_dataset_info *d,
                            struct mn_rng *rng) {
    uint8_t bytes[sizeof png];
    int status;
    memcpy(bytes, png, sizeof png);
    for (uint32_t i = mn_rng_below(rng, 4); i > 0; i--) {
        bytes[mn_rng_below(rng, sizeof png)] = (uint8_t)mn_rng_below(rng, 256);
    }
    picture(fixture, d, bytes, 1 + mn_rng_below(rng, sizeof png), &status);
    return status == MN_IO ? MN_OK : status;
}

int dataset_exercise_images(struct kit_fixture *fixture, const struct mn_dataset_info *d,
                            uint64_t seed, uint64_t *digest) {
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 12, 0, 0, 0);
    int status = MN_OK;
    for (int split = MN_TRAIN; has_lists(fixture) && status == MN_OK && split <= MN_TEST; split++) {
        if (d->n_classes[split] > 0) {
            status = exercise_class(fixture, d, split, &rng, digest);
        }
    }
    if (status == MN_OK && fixture->table.dataset.picture != NULL) {
        status = exercise_picture(fixture, d, &rng);
    }
    return status;
}

static void begin_lists(struct kit_fixture *fixture, const struct kit *kit,
                        struct mn_dataset_info *d) {
    kit_fixture_begin(fixture, kit, 0);
    if (!has_lists(fixture)) {
        kit_skip("the data set does not name its images");
    }
    kit_ok(fixture, dataset_describe(fixture, d));
}

/* ---- names -------------------------------------------------------------------------------- */

static void check_name(int64_t which, const char *name, int64_t length) {
    if (length < 1 || length >= NAME) {
        kit_fail("class_name", "class %lld: the name has %lld bytes; 1 to %d fit into a list",
                 (long long)which, (long long)length, NAME - 1);
    }
    if (memchr(name, '\0', NAME) == NULL || (int64_t)strlen(name) != length) {
        kit_fail("class_name", "class %lld: the length is said to be %lld, but it is %zu",
                 (long long)which, (long long)length, strnlen(name, NAME));
    }
    for (int64_t i = 0; i < length; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7F) {
            kit_fail("class_name", "class %lld: byte %lld of the name is the control character %d",
                     (long long)which, (long long)i, name[i]);
        }
    }
}

/* As snprintf: a shorter buffer gets the beginning and a zero, and the length is that of all. */
static void check_short(struct kit_fixture *fixture, int split, int64_t which, const char *whole,
                        int64_t length) {
    const size_t room = (size_t)length / 2 + 1;
    int64_t told;
    const char *part = class_name(fixture, split, which, room, &told);
    mock_check_guards(&fixture->mock);
    if (told != length || part[room - 1] != '\0' || memcmp(part, whole, room - 1) != 0) {
        kit_fail("class_name", "class %lld, \"%s\": with room for %zu bytes it returns %lld",
                 (long long)which, whole, room, (long long)told);
    }
}

static void check_split(struct kit_fixture *fixture, const struct mn_dataset_info *d, int split,
                        char (*names)[NAME]) {
    const int64_t n = d->n_classes[split] < MOST_CLASSES ? d->n_classes[split] : MOST_CLASSES;
    for (int64_t i = 0; i < n; i++) {
        struct mock_block *mark = mock_mark(&fixture->mock);
        int64_t length;
        const char *name = class_name(fixture, split, i, NAME, &length);
        check_name(i, name, length);
        check_short(fixture, split, i, name, length);
        memcpy(names[i], name, NAME);
        mock_rewind(&fixture->mock, mark);
        for (int64_t other = 0; other < i; other++) {
            if (strcmp(names[other], names[i]) == 0) {
                kit_fail("class_name", "classes %lld and %lld of split %d are both named \"%s\"",
                         (long long)other, (long long)i, split, names[i]);
            }
        }
    }
}

static int first_images_agree(struct kit_fixture *fixture, const struct mn_dataset_info *d,
                              const int split[2], const int64_t which[2]) {
    const int64_t n = (int64_t)d->channels * d->height * d->width;
    struct mock_block *mark = mock_mark(&fixture->mock);
    const mn_real *at[2];
    for (int i = 0; i < 2; i++) {
        int status;
        at[i] = image(fixture, d, split[i], which[i], 0, &status);
        kit_ok(fixture, status);
    }
    const int agree = memcmp(at[0], at[1], (size_t)n * sizeof *at[0]) == 0;
    mock_rewind(&fixture->mock, mark);
    return agree;
}

static int64_t some_classes(const struct mn_dataset_info *d, int split) {
    return d->n_classes[split] < MOST_CLASSES ? d->n_classes[split] : MOST_CLASSES;
}

void dataset_shared_classes(struct kit_fixture *fixture, const struct mn_dataset_info *d) {
    static char names[3][MOST_CLASSES][NAME];
    int64_t length;
    if (!has_lists(fixture)) {
        return;
    }
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        for (int64_t i = 0; i < some_classes(d, split); i++) {
            struct mock_block *mark = mock_mark(&fixture->mock);
            snprintf(names[split][i], NAME, "%s", class_name(fixture, split, i, NAME, &length));
            mock_rewind(&fixture->mock, mark);
            for (int other = MN_TRAIN; other < split; other++) {
                for (int64_t j = 0; j < some_classes(d, other); j++) {
                    if (strcmp(names[split][i], names[other][j]) == 0 &&
                        first_images_agree(fixture, d, (int[]){other, split}, (int64_t[]){j, i})) {
                        kit_fail("shared_classes",
                                 "class %lld of split %d is class %lld of split %d, \"%s\"",
                                 (long long)j, other, (long long)i, split, names[split][i]);
                    }
                }
            }
        }
    }
}

void dataset_case_names(const struct kit *kit) {
    static char names[MOST_CLASSES][NAME];
    struct kit_fixture fixture;
    struct mn_dataset_info d;
    begin_lists(&fixture, kit, &d);
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        check_split(&fixture, &d, split, names);
    }
    kit_fixture_close(&fixture);
}

/* ---- single images ------------------------------------------------------------------------ */

static void check_sample(struct kit_fixture *fixture, const struct dataset_task *e,
                         const struct mn_dataset_info *d, int32_t way, int32_t i) {
    const int32_t each = e->spec.support + e->spec.query;
    const int64_t *samples = e->at.samples + (int64_t)way * each;
    const int64_t which = e->at.classes[way], n = n_samples(fixture, d, e->spec.split, which);
    const mn_real *there =
        i < e->spec.support
            ? e->at.support + ((int64_t)way * e->spec.support + i) * e->image
            : e->at.query + ((int64_t)way * e->spec.query + i - e->spec.support) * e->image;
    int status;
    if (samples[i] < 0 || samples[i] >= n) {
        kit_fail("samples", "image %d of class %lld is number %lld; the class has %lld", (int)i,
                 (long long)which, (long long)samples[i], (long long)n);
    }
    for (int32_t other = 0; other < i; other++) {
        if (samples[other] == samples[i]) {
            kit_fail("samples", "image %lld of class %lld is in the task twice",
                     (long long)samples[i], (long long)which);
        }
    }
    const mn_real *alone = image(fixture, d, e->spec.split, which, samples[i], &status);
    kit_ok(fixture, status);
    if ((fixture->kit->unit->flags & MN_UNIT_AUGMENTS) == 0 &&
        memcmp(alone, there, (size_t)e->image * sizeof *alone) != 0) {
        kit_fail("samples", "`image` gives another image %lld of class %lld than `sample`",
                 (long long)samples[i], (long long)which);
    }
}

static void check_samples(struct kit_fixture *fixture, const struct dataset_task *e,
                          const struct mn_dataset_info *d) {
    for (int32_t way = 0; way < e->spec.ways; way++) {
        for (int32_t i = 0; i < e->spec.support + e->spec.query; i++) {
            check_sample(fixture, e, d, way, i);
        }
    }
}

static void check_untouched(struct kit_fixture *fixture, const struct dataset_task *e,
                            const struct mn_dataset_info *d) {
    const int32_t n = e->spec.ways * (e->spec.support + e->spec.query);
    for (int32_t i = 0; i < n; i++) {
        if (e->at.samples[i] != -1) { /* poison */
            kit_fail("samples", "a data set without `image` wrote samples[%d]", (int)i);
        }
    }
}

void dataset_case_samples(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    const int lists = has_lists(&fixture);
    kit_fixture_close(&fixture);
    dataset_over_tasks(kit, lists ? check_samples : check_untouched);
}

/* ---- images of a user's own --------------------------------------------------------------- */

static void refuse(struct kit_fixture *fixture, const struct mn_dataset_info *d,
                   const uint8_t *bytes, size_t n, const char *what) {
    int status;
    kit_at("%s of %zu bytes", what, n);
    picture(fixture, d, bytes, n, &status);
    if (status != MN_IO) {
        kit_fail("picture", "picture returned %s", kit_status_name(status));
    }
    if (strstr(fixture->mock.message, "holiday.png") == NULL) {
        kit_fail("picture", "the file is named holiday.png, but the message is: %s",
                 fixture->mock.message);
    }
}

void dataset_case_picture(const struct kit *kit) {
    static const uint8_t noise[] = "no image at all, but a sentence of some length";
    struct kit_fixture fixture;
    struct mn_dataset_info d;
    int status, again;
    kit_fixture_begin(&fixture, kit, 0);
    if (fixture.table.dataset.picture == NULL) {
        kit_skip("the data set takes no images of a user's own");
    }
    kit_ok(&fixture, dataset_describe(&fixture, &d));
    kit_fixture_close(&fixture);
    kit_ok(&fixture, kit_fixture_open(&fixture, kit, NULL, 0, KIT_NO_START, -1));
    kit_at("a PNG file of %zu bytes", sizeof png);
    const mn_real *first = picture(&fixture, &d, png, sizeof png, &status);
    const mn_real *second = picture(&fixture, &d, png, sizeof png, &again);
    const size_t bytes = (size_t)d.channels * (size_t)d.height * (size_t)d.width * sizeof *first;
    if (status != MN_OK) {
        kit_note("PNG files are refused: %s", fixture.mock.message);
    } else if (again != MN_OK || memcmp(first, second, bytes) != 0) {
        kit_fail("picture", "the same file gives another image the second time");
    }
    refuse(&fixture, &d, noise, sizeof noise, "text");
    refuse(&fixture, &d, png, 0, "an empty file");
    refuse(&fixture, &d, png, sizeof png / 2, "half a PNG file");
    kit_fixture_close(&fixture);
}
