/* SPDX-License-Identifier: MIT */
#include "../imaging/load.h"
#include <metanas/extra/episode.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Classes are the folders in train/, val/ and test/. Every image is decoded once, at the start, and
 * only its pixels stay; with `cache: files` the files stay instead, and a task decodes what it
 * needs. */

enum { CACHE_PIXELS = 0, CACHE_FILES = 1 };
enum { CHANNELS_MOST = 3 };
/* Of all files together where they are what is kept. */
#define FILES_BYTES_MOST ((uint64_t)8 << 30)

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
    atomic_uchar *told;     /* that a file lacks its end; where files are kept */
    struct folder *folders; /* those of a split follow each other */
    int64_t first_folder[3], n_folders[3];
    uint8_t *pixels; /* [file][height][width][channels], or NULL */
};

#define SELF struct image_folder
static const struct mn_opt options[] = {
    MN_PATH(
        SELF, path, "", MN_OPT_REQUIRED,
        "folder or zip archive of train/CLASS/*.png, val/.., test/..; .jpg, .jpeg, .webp as well"),
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

static int check_list(const struct image_folder *f, struct mn_ctx *ctx, const char *key,
                      const struct mn_reals *list) {
    return list->n == 0 || list->n == f->channels
               ? MN_OK
               : mn_bad_option(ctx, key, "%lld numbers for %lld channels: give one a channel",
                               (long long)list->n, (long long)f->channels);
}

static int check(const void *self, struct mn_ctx *ctx) {
    const struct image_folder *f = self;
    if (f->channels == 2) {
        return mn_bad_option(ctx, "channels", "2 is neither 3 (colour) nor 1 (gray)");
    }
    const int status = check_list(f, ctx, "mean", &f->mean);
    return status == MN_OK ? check_list(f, ctx, "std", &f->std) : status;
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
static int check_name(const struct image_folder *f, struct mn_ctx *ctx, int64_t i, int *split) {
    const struct source_file *file = &f->source.files[i];
    const char *start = parse_name(file->name, split);
    if (start == NULL) {
        return source_fail(ctx, file,
                           "expected SPLIT/CLASS/IMAGE with SPLIT one of train, val, "
                           "test, all in at most one more folder");
    }
    const char *first = f->source.files[0].name;
    const size_t prefix = (size_t)(start - file->name);
    int other;
    if (prefix != (size_t)(parse_name(first, &other) - first) ||
        strncmp(first, file->name, prefix) != 0) {
        return source_fail(ctx, file, "splits lie in two folders, here and beside %s", first);
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

static int check_names(const struct image_folder *f, struct mn_ctx *ctx) {
    int split, status = MN_OK;
    for (int64_t i = 0; status == MN_OK && i < f->source.n; i++) {
        status = check_name(f, ctx, i, &split);
    }
    return status;
}

/* The name outlives the source. */
static int set_folder(const struct image_folder *f, struct mn_ctx *ctx, int64_t file, int *split,
                      struct folder *out) {
    const char *name = strchr(parse_name(f->source.files[file].name, split), '/') + 1;
    const size_t n = strcspn(name, "/"), room = 3 * n + 1;
    char *class = mn_keep(ctx, room);
    if (class == NULL) {
        return MN_NOMEM;
    }
    source_printable(name, n, class, room);
    *out = (struct folder){class, file, 0};
    return MN_OK;
}

static int list_folders(struct image_folder *f, struct mn_ctx *ctx) {
    int64_t n = 0;
    int status = MN_OK;
    for (int64_t i = 0; i < f->source.n; i++) {
        n += begins_folder(f, i);
    }
    f->folders = mn_keep(ctx, (size_t)n * sizeof *f->folders);
    if (f->folders == NULL) {
        return MN_NOMEM;
    }
    int64_t at = -1;
    for (int64_t i = 0; status == MN_OK && i < f->source.n; i++) {
        int split;
        if (begins_folder(f, i)) {
            status = set_folder(f, ctx, i, &split, &f->folders[++at]);
            f->first_folder[split] = f->n_folders[split] == 0 ? at : f->first_folder[split];
            f->n_folders[split]++;
        }
        f->folders[at].n++;
    }
    return status;
}

static int check_counts(const struct image_folder *f, struct mn_ctx *ctx) {
    const int64_t n = f->n_folders[MN_TRAIN] + f->n_folders[MN_VAL] + f->n_folders[MN_TEST];
    for (int64_t i = 0; i < n; i++) {
        if (f->folders[i].n < 2) {
            return source_fail(ctx, &f->source.files[f->folders[i].first],
                               "the only image of its class: a class needs at least 2, to learn "
                               "from and to test on");
        }
    }
    return MN_OK;
}

/* ---- images ------------------------------------------------------------------------------- */

struct shapes {
    struct image_work work;
    int32_t (*at)[2]; /* width and height of each file; 0 = not known */
};

static int take_shape(void *data, struct mn_ctx *ctx, int64_t i, const struct source_file *file,
                      const char *fault) {
    struct shapes *shapes = data;
    int32_t *at = shapes->at[i];
    const int status =
        fault == NULL ? image_shape(ctx, &shapes->work, file, &at[0], &at[1]) : IMAGE_UNREADABLE;
    if (status == IMAGE_UNREADABLE) {
        at[0] = at[1] = 0;
    }
    return status < 0 ? status : MN_OK;
}

/* The one shape that all have. */
static int find_shape(struct image_folder *f, struct mn_ctx *ctx) {
    const size_t n = (size_t)f->source.n;
    struct shapes shapes = {.at = mn_scratch(ctx, n * sizeof *shapes.at)};
    int64_t first = -1;
    int status = shapes.at != NULL ? source_each(ctx, &f->source, take_shape, &shapes) : MN_NOMEM;
    for (int64_t i = 0; status == MN_OK && i < f->source.n; i++) {
        const int32_t *at = shapes.at[i];
        if (at[0] > 0 && first < 0) {
            first = i;
            f->width = at[0];
            f->height = at[1];
        }
        if (at[0] > 0 && (at[0] != f->width || at[1] != f->height)) {
            status = source_fail(ctx, &f->source.files[i],
                                 "the image has %dx%d pixels, but %s has %dx%d: with size 0 all "
                                 "must have one shape",
                                 (int)at[0], (int)at[1], f->source.files[first].name, (int)f->width,
                                 (int)f->height);
        }
    }
    return status;
}

static size_t image_bytes(const struct image_folder *f) {
    return (size_t)f->width * (size_t)f->height * (size_t)f->channels;
}

static int decode(const struct image_folder *f, struct mn_ctx *ctx, struct image_work *work,
                  const struct source_file *file, struct image *out) {
    *out = (struct image){f->width, f->height, (int32_t)f->channels, NULL};
    return image_read(ctx, work, file, out);
}

static int read_pixels(void *self, struct mn_ctx *ctx, struct image_work *work,
                       const struct source_file *file, int64_t i, uint8_t *out) {
    const struct image_folder *f = self;
    struct image image;
    const int status = decode(f, ctx, work, file, &image);
    if (status == MN_OK) {
        memcpy(out, image.pixels, image_bytes(f));
    }
    return status;
}

/* The header of every file, so that a wrong one is found before the run begins. */
static int read_file(void *self, struct mn_ctx *ctx, struct image_work *work,
                     const struct source_file *file, int64_t i, uint8_t *out) {
    struct image_folder *f = self;
    int32_t width, height;
    const int status = image_shape(ctx, work, file, &width, &height);
    uint8_t *bytes = status == MN_OK ? mn_keep(ctx, file->size) : NULL;
    if (bytes == NULL) {
        return status != MN_OK ? status : MN_NOMEM;
    }
    memcpy(bytes, file->bytes, file->size);
    f->source.files[i].bytes = bytes;
    f->source.files[i].size = file->size;
    return MN_OK;
}

static int check_sum(const struct image_folder *f, struct mn_ctx *ctx) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < f->source.n; i++) {
        sum += f->source.files[i].size;
    }
    return sum <= FILES_BYTES_MOST
               ? MN_OK
               : mn_bad_option(ctx, "cache",
                               "the image files have %llu bytes together, and at most "
                               "%llu are kept; cache: pixels keeps only their pixels",
                               (unsigned long long)sum, (unsigned long long)FILES_BYTES_MOST);
}

static int load_all(struct image_folder *f, struct mn_ctx *ctx) {
    const int files = f->cache == CACHE_FILES;
    const struct loader loader = {files ? read_file : read_pixels, f, files ? 0 : image_bytes(f)};
    int status = files ? check_sum(f, ctx) : MN_OK;
    status = status == MN_OK ? load_images(ctx, &f->source, 1, &loader, &f->pixels) : status;
    source_say(ctx, &f->source);
    if (status == MN_OK && files) {
        f->told = mn_keep(ctx, (size_t)f->source.n * sizeof *f->told);
        status = f->told != NULL ? MN_OK : MN_NOMEM;
    }
    return status;
}

/* ---- dataset ------------------------------------------------------------------------------ */

static int start(void *self, struct mn_ctx *ctx) {
    struct image_folder *f = self;
    struct stat about;
    if (stat(f->path, &about) != 0) {
        return mn_bad_option(ctx, "path", "%s: %s", f->path, strerror(errno));
    }
    const int files = f->cache == CACHE_FILES;
    int status = source_list(ctx, f->path, files ? mn_keep : mn_scratch, &f->source);
    status = status == MN_OK ? check_names(f, ctx) : status;
    f->width = f->height = (int32_t)f->size;
    if (status == MN_OK && f->size == 0) {
        status = find_shape(f, ctx);
    }
    status = status == MN_OK ? load_all(f, ctx) : status;
    status = status == MN_OK ? list_folders(f, ctx) : status;
    status = status == MN_OK ? check_counts(f, ctx) : status;
    if (!files) {
        f->source = (struct source){0};
    }
    return status;
}

static const struct folder *folder_of(const struct image_folder *f, int split, int64_t which) {
    return &f->folders[f->first_folder[split] + which];
}

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
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

static int64_t pool_n_images(const struct mn_episode_pool *pool, int split, int64_t which) {
    return folder_of(pool->self, split, which)->n;
}

static int pool_image(const struct mn_episode_pool *pool, struct mn_ctx *ctx, int split,
                      int64_t which, int64_t number, mn_real *out) {
    const struct image_folder *f = pool->self;
    const int64_t file = folder_of(f, split, which)->first + number;
    if (f->pixels != NULL) {
        copy_planes(f, places_of(f), f->pixels + (size_t)file * image_bytes(f), out);
        return MN_OK;
    }
    struct image_work *work = pool->work;
    struct image image;
    const int status = decode(f, ctx, work, &f->source.files[file], &image);
    if (status == MN_OK) {
        copy_planes(f, places_of(f), image.pixels, out);
    }
    if (status == MN_OK && work->unended) { /* said once */
        work->unended = !atomic_exchange(&f->told[file], 1);
    }
    return image_of_user(ctx, work, &f->source.files[file], status);
}

static struct mn_episode_pool pool_of(const void *self, int split, struct image_work *work) {
    const struct image_folder *f = self;
    return (struct mn_episode_pool){.self = self,
                                    .work = work,
                                    .n_classes = f->n_folders[split],
                                    .reals = (int64_t)image_bytes(f),
                                    .n_images = pool_n_images,
                                    .image = pool_image};
}

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    struct image_work work = {0};
    const struct mn_episode_pool pool = pool_of(self, spec->split, &work);
    return mn_episode_sample(&pool, ctx, spec, out);
}

static int64_t n_samples(const void *self, int32_t split, int64_t which) {
    const struct mn_episode_pool pool = pool_of(self, split, NULL);
    return pool_n_images(&pool, split, which);
}

static int image(const void *self, struct mn_ctx *ctx, int32_t split, int64_t which, int64_t number,
                 mn_real *out) {
    struct image_work work = {0};
    const struct mn_episode_pool pool = pool_of(self, split, &work);
    return pool_image(&pool, ctx, split, which, number, out);
}

static int64_t class_name(const void *self, int32_t split, int64_t which, char *out, size_t size) {
    return snprintf(out, size, "%s", folder_of(self, split, which)->class);
}

static int picture(const void *self, struct mn_ctx *ctx, const struct mn_picture *in,
                   mn_real *out) {
    const struct image_folder *f = self;
    const struct source_file file = source_picture(in);
    struct image_work work = {0};
    struct image image = {in->width, in->height, (int32_t)f->channels, NULL};
    const int status = image_read(ctx, &work, &file, &image);
    if (status == MN_OK) {
        copy_planes(f, (int64_t)in->width * in->height, image.pixels, out);
    }
    return image_of_user(ctx, &work, &file, status);
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
          MN_UNIT(MN_DATASET, "image_folder", "class folders of PNG, JPEG or WebP images",
                  struct image_folder, options, &table))
