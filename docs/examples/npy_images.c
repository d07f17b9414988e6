/* SPDX-License-Identifier: MIT */
/* Images in NumPy's format (numpy.lib.format, versions 1 to 3), as numpy.save writes it: an array
 * of uint8 [images][rows][columns] or [images][channels][rows][columns], and one of whole numbers,
 * the class of each image. Of the classes, in the order of their numbers, the last ones are for
 * test, those before them for validation, and the others for meta-training. */
#include <metanas/extra/episode.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct npy {
    const char *images, *labels;
    int64_t val_classes, test_classes;
    /* Set by start. */
    int64_t shape[4]; /* [images][channels][rows][columns] */
    const uint8_t *pixels;
    int64_t *order; /* the images, class by class */
    int64_t *first; /* [classes + 1] of a class in `order` */
    int64_t *names; /* [classes] as the labels say */
    int64_t n_classes;
};

static int64_t reals_of(const struct npy *s) {
    return s->shape[1] * s->shape[2] * s->shape[3];
}

/* ---- reading ------------------------------------------------------------------------------ */

/* An array as it lies in a file. */
struct array {
    const char *path;
    char kind; /* 'u', 'i', and 'b' for bool */
    int bytes; /* of an element */
    int n_dims;
    int64_t dims[4], n; /* elements */
    uint8_t *data;
};

static int wrong(struct mn_ctx *ctx, const struct array *a, const char *what) {
    return mn_fail(ctx, MN_IO, "%s: %s", a->path, what);
}

/* The whole file. */
static int read_file(struct mn_ctx *ctx, const char *path, uint8_t **out, long *size) {
    FILE *in = fopen(path, "rb");
    *size = in != NULL && fseek(in, 0, SEEK_END) == 0 ? ftell(in) : -1;
    *out = *size >= 0 ? mn_keep(ctx, (size_t)*size + 1) : NULL;
    int status = *out != NULL ? MN_OK : MN_NOMEM;
    if (*size < 0) {
        status = mn_fail(ctx, MN_IO, "%s cannot be read: is the path right?", path);
    } else if (status == MN_OK) {
        rewind(in);
        if (fread(*out, 1, (size_t)*size, in) != (size_t)*size) {
            status = mn_fail(ctx, MN_IO, "%s: cannot be read", path);
        }
    }
    if (in != NULL) {
        fclose(in);
    }
    return status;
}

/* What follows 'KEY': in the header, a dictionary as Python writes it. */
static const char *value_of(const char *header, const char *key) {
    const char *at = strstr(header, key);
    at = at != NULL ? strchr(at, ':') : NULL;
    return at != NULL ? at + 1 + strspn(at + 1, " ") : "";
}

static int read_dims(struct array *a, const char *at) {
    a->n = 1;
    for (at += *at == '('; *at >= '0' && *at <= '9'; at += strspn(at, ", ")) {
        char *end;
        const int64_t dim = strtoll(at, &end, 10);
        if (a->n_dims == 4 || dim < 1 || dim > ((int64_t)1 << 40) / a->n) {
            return 0;
        }
        a->dims[a->n_dims++] = dim;
        a->n *= dim;
        at = end;
    }
    return *at == ')' && a->n_dims > 0;
}

static int read_array(struct mn_ctx *ctx, const char *path, struct array *a) {
    static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    uint8_t *file;
    long size;
    *a = (struct array){.path = path};
    const int status = read_file(ctx, path, &file, &size);
    if (status != MN_OK) {
        return status;
    }
    if (size < 12 || memcmp(file, magic, sizeof magic) != 0 || file[6] < 1 || file[6] > 3) {
        return wrong(ctx, a, "is no array of NumPy: write it with numpy.save");
    }
    const int wide = file[6] > 1; /* length of the header: 4 bytes, not 2 */
    const int64_t begin = wide ? 12 : 10;
    const int64_t length = file[8] | file[9] << 8 | (wide ? (int64_t)file[10] << 16 : 0) |
                           (wide ? (int64_t)file[11] << 24 : 0);
    if (length < 1 || begin + length > size) {
        return wrong(ctx, a, "the header is longer than the file");
    }
    char *header = (char *)file + begin;
    header[length - 1] = '\0'; /* a line feed */
    const char *type = value_of(header, "'descr'");
    if (sscanf(type, "'%*1[<|]%c%d'", &a->kind, &a->bytes) != 2 || strchr("iub", a->kind) == NULL ||
        a->bytes > 8) {
        return wrong(ctx, a, "holds no whole numbers in little-endian order");
    }
    if (strncmp(value_of(header, "'fortran_order'"), "False", 5) != 0) {
        return wrong(ctx, a, "is in column-major order: write numpy.ascontiguousarray of it");
    }
    if (!read_dims(a, value_of(header, "'shape'"))) {
        return wrong(ctx, a, "has no element, or more than 4 dimensions");
    }
    a->data = file + begin + length;
    return a->n * a->bytes <= size - begin - length
               ? MN_OK
               : wrong(ctx, a, "ends before its array; is it still being written?");
}

static int64_t element(const struct array *a, int64_t i) {
    uint64_t value = 0;
    for (int b = a->bytes - 1; b >= 0; b--) {
        value = value << 8 | a->data[i * a->bytes + b];
    }
    const int unused = 64 - 8 * a->bytes;
    return a->kind == 'i' ? (int64_t)(value << unused) >> unused : (int64_t)value;
}

/* ---- classes ------------------------------------------------------------------------------ */

struct image {
    int64_t label, number;
};

static int by_label(const void *a, const void *b) {
    const struct image *x = a, *y = b;
    return x->label != y->label ? (x->label > y->label) - (x->label < y->label)
                                : (x->number > y->number) - (x->number < y->number);
}

static int sort_images(struct npy *s, struct mn_ctx *ctx, const struct array *labels) {
    struct image *images = mn_scratch(ctx, (size_t)labels->n * sizeof *images);
    s->order = mn_keep(ctx, (size_t)labels->n * sizeof *s->order);
    s->first = mn_keep(ctx, ((size_t)labels->n + 1) * sizeof *s->first);
    s->names = mn_keep(ctx, (size_t)labels->n * sizeof *s->names);
    if (images == NULL || s->order == NULL || s->first == NULL || s->names == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < labels->n; i++) {
        images[i] = (struct image){element(labels, i), i};
    }
    qsort(images, (size_t)labels->n, sizeof *images, by_label);
    s->n_classes = 0;
    for (int64_t i = 0; i < labels->n; i++) {
        s->order[i] = images[i].number;
        if (i == 0 || images[i].label != images[i - 1].label) {
            s->names[s->n_classes] = images[i].label;
            s->first[s->n_classes++] = i;
        }
    }
    s->first[s->n_classes] = labels->n;
    return s->val_classes + s->test_classes < s->n_classes
               ? MN_OK
               : mn_bad_option(ctx, "test_classes",
                               "%s has %" PRId64 " classes; with val_classes %" PRId64
                               " and test_classes %" PRId64 " none is left for meta-training",
                               s->labels, s->n_classes, s->val_classes, s->test_classes);
}

static int start(void *self, struct mn_ctx *ctx) {
    struct npy *s = self;
    struct array images, labels;
    int status = read_array(ctx, s->images, &images);
    if (status == MN_OK) {
        status = read_array(ctx, s->labels, &labels);
    }
    if (status != MN_OK) {
        return status;
    }
    if (images.n_dims < 3 || images.bytes != 1 || images.kind != 'u') {
        return wrong(ctx, &images,
                     "expected uint8 [images][rows][columns] or "
                     "[images][channels][rows][columns]");
    }
    if (labels.n_dims != 1 || labels.n != images.dims[0]) {
        return wrong(ctx, &labels, "expected one number for each image");
    }
    const int grey = images.n_dims == 3;
    for (int i = 0; i < 4; i++) {
        s->shape[i] = i == 0 ? images.dims[0]
                      : grey ? i == 1 ? 1 : images.dims[i - 1]
                             : images.dims[i];
    }
    s->pixels = images.data;
    return sort_images(s, ctx, &labels);
}

/* ---- tasks -------------------------------------------------------------------------------- */

/* The classes of a split: the first one, and how many. */
static int64_t classes_of(const struct npy *s, int32_t split, int64_t *n) {
    const int64_t train = s->n_classes - s->val_classes - s->test_classes;
    *n = split == MN_TRAIN ? train : split == MN_VAL ? s->val_classes : s->test_classes;
    return split == MN_TRAIN ? 0 : split == MN_VAL ? train : train + s->val_classes;
}

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    const struct npy *s = self;
    out->channels = (int32_t)s->shape[1];
    out->height = (int32_t)s->shape[2];
    out->width = (int32_t)s->shape[3];
    for (int32_t split = MN_TRAIN; split <= MN_TEST; split++) {
        const int64_t first = classes_of(s, split, &out->n_classes[split]);
        for (int64_t c = first; c < first + out->n_classes[split]; c++) {
            const int64_t n = s->first[c + 1] - s->first[c];
            out->min_samples[split] =
                c == first || n < out->min_samples[split] ? n : out->min_samples[split];
            out->n_images[split] += n;
        }
    }
    return MN_OK;
}

static int64_t n_samples(const void *self, int32_t split, int64_t which) {
    const struct npy *s = self;
    int64_t n;
    const int64_t class = classes_of(s, split, &n) + which;
    return s->first[class + 1] - s->first[class];
}

/* The number that the file of the labels has for it. */
static int64_t class_name(const void *self, int32_t split, int64_t which, char *out, size_t size) {
    const struct npy *s = self;
    int64_t n;
    const int64_t class = classes_of(s, split, &n) + which;
    return snprintf(out, size, "%" PRId64, s->names[class]);
}

static int image(const void *self, struct mn_ctx *ctx, int32_t split, int64_t which, int64_t sample,
                 mn_real *out) {
    const struct npy *s = self;
    int64_t n;
    const int64_t at = s->first[classes_of(s, split, &n) + which] + sample, reals = reals_of(s);
    for (int64_t p = 0; p < reals; p++) {
        out[p] = (mn_real)s->pixels[s->order[at] * reals + p] / 255;
    }
    return MN_OK;
}

static int64_t pool_n_images(const struct mn_episode_pool *pool, int split, int64_t which) {
    return n_samples(pool->self, split, which);
}

static int pool_image(const struct mn_episode_pool *pool, struct mn_ctx *ctx, int split,
                      int64_t which, int64_t number, mn_real *out) {
    return image(pool->self, ctx, split, which, number, out);
}

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    struct mn_episode_pool pool = {
        .self = self, .reals = reals_of(self), .n_images = pool_n_images, .image = pool_image};
    classes_of(self, spec->split, &pool.n_classes);
    return mn_episode_sample(&pool, ctx, spec, out);
}

static const struct mn_dataset table = {.size = sizeof table,
                                        .start = start,
                                        .describe = describe,
                                        .sample = sample,
                                        .n_samples = n_samples,
                                        .class_name = class_name,
                                        .image = image};

static const struct mn_opt options[] = {
    MN_PATH(struct npy, images, "", MN_OPT_REQUIRED, "the file of the images"),
    MN_PATH(struct npy, labels, "", MN_OPT_REQUIRED, "the file of their classes"),
    MN_INT(struct npy, val_classes, 12, 1, 1000000, "classes of validation"),
    MN_INT(struct npy, test_classes, 12, 1, 1000000, "classes of test"),
};

MN_PLUGIN("npy_images", "0.1.0",
          MN_UNIT(MN_DATASET, "npy_images", "images in files of NumPy", struct npy, options,
                  &table))
