/* SPDX-License-Identifier: MIT */
#include "../common/episode.h"
#include "../imaging/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Classes are the folders in train/, val/ and test/. Every image is decoded once, at the start, and
 * only its pixels stay; with `cache: files` the files stay instead, and a task decodes what it
 * needs. */

enum { CACHE_PIXELS = 0, CACHE_FILES = 1 };
enum { PROGRESS_EVERY = 10000, CHANNELS_MOST = 3 };

static const char *const cache_choices[] = {"pixels", "files", NULL};
static const char *const split_names[3] = {"train", "val", "test"};

struct folder {
    const char *class;
    int64_t first, n; /* its files */
};

struct image_folder {
    const char *path;
    int64_t size, channels;
    struct mn_reals mean, std;
    int32_t cache;

    struct source source; /* not after the start where pixels are kept */
    int32_t width, height;
    struct folder *folders; /* those of a split follow each other */
    int64_t first_folder[3], n_folders[3];
    uint8_t *pixels; /* [file][height][width][channels], or NULL */
};

#define SELF struct image_folder
static const struct mn_opt options[] = {
    MN_PATH(SELF, path, "", MN_OPT_REQUIRED,
            "folder or zip archive of train/CLASS/*.png, val/.., test/..; .jpg and .jpeg as well"),
    MN_INT(SELF, size, 84, 0, 1024,
           "height and width that images are resized to; 0 = as they are, all of one shape"),
    MN_INT(SELF, channels, 3, 1, CHANNELS_MOST, "3 = colour, 1 = gray"),
    MN_REALS(SELF, mean, "", -1e6, 1e6,
             "subtracted from pixels in 0..1, one number a channel; none = 0"),
    MN_REALS(SELF, std, "", 1e-6, 1e6, "divides them after that, one number a channel; none = 1"),
    MN_CHOICE(SELF, cache, 0, cache_choices,
              "kept in memory: pixels, a byte each, all decoded at the start; or the files, mostly "
              "smaller, decoded for each task"),
};

static int check_list(const struct image_folder *f, struct mn_cx *cx, const char *key,
                      const struct mn_reals *list) {
    return list->n == 0 || list->n == f->channels
               ? MN_OK
               : mn_bad_option(cx, key, "%lld numbers for %lld channels: give one a channel",
                               (long long)list->n, (long long)f->channels);
}

static int check(const void *self, struct mn_cx *cx) {
    const struct image_folder *f = self;
    if (f->channels == 2) {
        return mn_bad_option(cx, "channels", "2 is neither 3 (colour) nor 1 (gray)");
    }
    const int status = check_list(f, cx, "mean", &f->mean);
    return status == MN_OK ? check_list(f, cx, "std", &f->std) : status;
}

/* ---- classes ------------------------------------------------------------------------------ */

/* Where SPLIT/CLASS/IMAGE begins in a name, and which split; NULL for another form. */
static const char *parse_name(const char *name, int *split) {
    const char *slash[4];
    int n = 0;
    for (const char *at = strchr(name, '/'); at != NULL && n < 4; at = strchr(at + 1, '/')) {
        slash[n++] = at;
    }
    if (n < 2 || n > 3) {
        return NULL;
    }
    const char *start = n == 2 ? name : slash[0] + 1;
    const size_t length = (size_t)(slash[n - 2] - start);
    for (*split = MN_TRAIN; *split <= MN_TEST; (*split)++) {
        if (strlen(split_names[*split]) == length &&
            strncmp(start, split_names[*split], length) == 0) {
            return start;
        }
    }
    return NULL;
}

/* All names begin with the same folder or none. */
static int check_name(const struct image_folder *f, struct mn_cx *cx, int64_t i, int *split) {
    const struct source_file *file = &f->source.files[i];
    const char *start = parse_name(file->name, split);
    if (start == NULL) {
        return source_fail(cx, file,
                           "expected SPLIT/CLASS/IMAGE with SPLIT one of train, val, "
                           "test, all in at most one more folder");
    }
    const char *first = f->source.files[0].name;
    const size_t prefix = (size_t)(start - file->name);
    int other;
    if (prefix != (size_t)(parse_name(first, &other) - first) ||
        strncmp(first, file->name, prefix) != 0) {
        return source_fail(cx, file, "splits lie in two folders, here and beside %s", first);
    }
    return MN_OK;
}

static int same_folder(const char *a, const char *b) {
    const size_t n = (size_t)(strrchr(a, '/') - a);
    return n == (size_t)(strrchr(b, '/') - b) && strncmp(a, b, n) == 0;
}

/* Files are in order of their names, so classes, and classes of a split, follow each other. */
static int begins_folder(const struct image_folder *f, int64_t i) {
    const struct source_file *files = f->source.files;
    return i == 0 || !same_folder(files[i - 1].name, files[i].name);
}

static int check_names(const struct image_folder *f, struct mn_cx *cx, int64_t *n_folders) {
    *n_folders = 0;
    for (int64_t i = 0; i < f->source.n; i++) {
        int split;
        const int status = check_name(f, cx, i, &split);
        if (status != MN_OK) {
            return status;
        }
        *n_folders += begins_folder(f, i);
    }
    return MN_OK;
}

/* The name outlives the source. */
static int set_folder(const struct image_folder *f, struct mn_cx *cx, int64_t file, int *split,
                      struct folder *out) {
    const char *name = strchr(parse_name(f->source.files[file].name, split), '/') + 1;
    const size_t n = strcspn(name, "/");
    char *class = mn_keep(cx, n + 1);
    if (class == NULL) {
        return MN_NOMEM;
    }
    memcpy(class, name, n);
    *out = (struct folder){class, file, 0};
    return MN_OK;
}

static int list_folders(struct image_folder *f, struct mn_cx *cx) {
    int64_t n = 0;
    int status = check_names(f, cx, &n);
    if (status != MN_OK) {
        return status;
    }
    f->folders = mn_keep(cx, (size_t)n * sizeof *f->folders);
    if (f->folders == NULL) {
        return MN_NOMEM;
    }
    int64_t at = -1;
    for (int64_t i = 0; status == MN_OK && i < f->source.n; i++) {
        int split;
        if (begins_folder(f, i)) {
            status = set_folder(f, cx, i, &split, &f->folders[++at]);
            f->first_folder[split] = f->n_folders[split] == 0 ? at : f->first_folder[split];
            f->n_folders[split]++;
        }
        f->folders[at].n++;
    }
    return status;
}

static int check_counts(const struct image_folder *f, struct mn_cx *cx) {
    const int64_t n = f->n_folders[MN_TRAIN] + f->n_folders[MN_VAL] + f->n_folders[MN_TEST];
    for (int64_t i = 0; i < n; i++) {
        if (f->folders[i].n < 2) {
            return source_fail(cx, &f->source.files[f->folders[i].first],
                               "the only image of its class: a class needs at least 2, to learn "
                               "from and to test on");
        }
    }
    return MN_OK;
}

/* ---- images ------------------------------------------------------------------------------- */

/* The header of every file, so that a wrong one is found before the run begins. */
static int check_shapes(struct image_folder *f, struct mn_cx *cx) {
    struct image_work work = {0};
    for (int64_t i = 0; i < f->source.n; i++) {
        const struct source_file *file = &f->source.files[i];
        int32_t width, height;
        const int status = image_shape(cx, &work, file, &width, &height);
        if (status != MN_OK) {
            return status;
        }
        if (i > 0 && f->size == 0 && (width != f->width || height != f->height)) {
            return source_fail(cx, file,
                               "the image has %dx%d pixels, but %s has %dx%d: with size 0 all must "
                               "have one shape",
                               (int)width, (int)height, f->source.files[0].name, (int)f->width,
                               (int)f->height);
        }
        f->width = width;
        f->height = height;
    }
    if (f->size > 0) {
        f->width = f->height = (int32_t)f->size;
    }
    return MN_OK;
}

static size_t image_bytes(const struct image_folder *f) {
    return (size_t)f->width * (size_t)f->height * (size_t)f->channels;
}

static int load(const struct image_folder *f, struct mn_cx *cx, struct image_work *work,
                int64_t file, struct image *out) {
    struct image decoded;
    const int status =
        image_decode(cx, work, &f->source.files[file], (int32_t)f->channels, &decoded);
    return status == MN_OK ? image_resize(cx, work, &decoded, f->width, f->height, out) : status;
}

static int load_all(struct image_folder *f, struct mn_cx *cx) {
    struct image_work work = {0};
    const size_t bytes = image_bytes(f);
    if ((size_t)f->source.n > SIZE_MAX / bytes) {
        return mn_fail(cx, MN_NOMEM, "%s: no memory for the pixels", f->path);
    }
    int filled;
    f->pixels = mn_keep_shared(cx, (size_t)f->source.n * bytes, &filled);
    if (f->pixels == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; !filled && i < f->source.n; i++) {
        struct image image;
        const int status = load(f, cx, &work, i, &image);
        if (status != MN_OK) {
            return status;
        }
        memcpy(f->pixels + (size_t)i * bytes, image.pixels, bytes);
        if (mn_cancelled(cx)) {
            return mn_fail(cx, MN_CANCELLED, "stopped while decoding %s", f->path);
        }
        if ((i + 1) % PROGRESS_EVERY == 0) {
            mn_log(cx, MN_LOG_INFO, "%lld of %lld images decoded", (long long)(i + 1),
                   (long long)f->source.n);
        }
    }
    return MN_OK;
}

/* ---- dataset ------------------------------------------------------------------------------ */

static int start(void *self, struct mn_cx *cx) {
    struct image_folder *f = self;
    struct stat about;
    if (stat(f->path, &about) != 0) {
        return mn_bad_option(cx, "path", "%s: %s", f->path, strerror(errno));
    }
    int status =
        source_read(cx, f->path, f->cache == CACHE_FILES ? mn_keep : mn_scratch, &f->source);
    status = status == MN_OK ? list_folders(f, cx) : status;
    status = status == MN_OK ? check_counts(f, cx) : status;
    status = status == MN_OK ? check_shapes(f, cx) : status;
    if (status == MN_OK && f->cache == CACHE_PIXELS) {
        status = load_all(f, cx);
        f->source = (struct source){0};
    }
    return status;
}

static const struct folder *folder_of(const struct image_folder *f, int split, int64_t which) {
    return &f->folders[f->first_folder[split] + which];
}

static int describe(const void *self, struct mn_cx *cx, struct mn_dataset_info *out) {
    const struct image_folder *f = self;
    out->channels = (int32_t)f->channels;
    out->height = f->height;
    out->width = f->width;
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        int64_t least = 0, sum = 0;
        for (int64_t i = 0; i < f->n_folders[split]; i++) {
            const int64_t n = folder_of(f, split, i)->n;
            least = i == 0 || n < least ? n : least;
            sum += n;
        }
        out->n_classes[split] = f->n_folders[split];
        out->min_samples[split] = least;
        out->n_images[split] = sum;
    }
    return MN_OK;
}

static int64_t places_of(const struct image_folder *f) {
    return (int64_t)f->width * f->height;
}

/* [height][width][channels] bytes to [channels][height][width] reals. */
static void copy_planes(const struct image_folder *f, int64_t places, const uint8_t *in,
                        mn_real *out) {
    for (int64_t c = 0; c < f->channels; c++) {
        const double mean = f->mean.n > 0 ? f->mean.at[c] : 0;
        const double std = f->std.n > 0 ? f->std.at[c] : 1;
        for (int64_t i = 0; i < places; i++) {
            *out++ = (mn_real)(((double)in[i * f->channels + c] / 255 - mean) / std);
        }
    }
}

static int64_t pool_n_images(const struct episode_pool *pool, int split, int64_t which) {
    return folder_of(pool->self, split, which)->n;
}

static int pool_image(const struct episode_pool *pool, struct mn_cx *cx, int split, int64_t which,
                      int64_t number, mn_real *out) {
    const struct image_folder *f = pool->self;
    const int64_t file = folder_of(f, split, which)->first + number;
    if (f->pixels != NULL) {
        copy_planes(f, places_of(f), f->pixels + (size_t)file * image_bytes(f), out);
        return MN_OK;
    }
    struct image loaded;
    const int status = load(f, cx, pool->work, file, &loaded);
    if (status == MN_OK) {
        copy_planes(f, places_of(f), loaded.pixels, out);
    }
    return status;
}

static struct episode_pool pool_of(const void *self, int split, struct image_work *work) {
    const struct image_folder *f = self;
    return (struct episode_pool){.self = self,
                                 .work = work,
                                 .n_classes = f->n_folders[split],
                                 .reals = (int64_t)image_bytes(f),
                                 .n_images = pool_n_images,
                                 .image = pool_image};
}

static int sample(const void *self, struct mn_cx *cx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    struct image_work work = {0};
    const struct episode_pool pool = pool_of(self, spec->split, &work);
    return episode_sample(&pool, cx, spec, out);
}

static int64_t n_samples(const void *self, int32_t split, int64_t which) {
    const struct episode_pool pool = pool_of(self, split, NULL);
    return pool_n_images(&pool, split, which);
}

static int image(const void *self, struct mn_cx *cx, int32_t split, int64_t which, int64_t number,
                 mn_real *out) {
    struct image_work work = {0};
    const struct episode_pool pool = pool_of(self, split, &work);
    return pool_image(&pool, cx, split, which, number, out);
}

static int64_t class_name(const void *self, int32_t split, int64_t which, char *out, size_t size) {
    return snprintf(out, size, "%s", folder_of(self, split, which)->class);
}

static int picture(const void *self, struct mn_cx *cx, const struct mn_picture *in, mn_real *out) {
    const struct image_folder *f = self;
    const struct source_file file = source_picture(in);
    struct image_work work = {0};
    struct image decoded, resized;
    int status = image_decode(cx, &work, &file, (int32_t)f->channels, &decoded);
    if (status == MN_OK) {
        status = image_resize(cx, &work, &decoded, in->width, in->height, &resized);
    }
    if (status == MN_OK) {
        copy_planes(f, (int64_t)in->width * in->height, resized.pixels, out);
    }
    return status;
}

static const struct mn_dataset table = {.size = sizeof table,
                                        .check = check,
                                        .start = start,
                                        .describe = describe,
                                        .sample = sample,
                                        .n_samples = n_samples,
                                        .class_name = class_name,
                                        .image = image,
                                        .picture = picture};

MN_PLUGIN("image_folder", "0.1.0",
          MN_UNIT(MN_DATASET, "image_folder", "class folders of PNG or JPEG images",
                  struct image_folder, options, &table))
