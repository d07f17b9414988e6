/* SPDX-License-Identifier: MIT */
/* Images in a text file, one a line: SPLIT,CLASS,VALUE,VALUE,... with SPLIT train, val or test,
 * CLASS any text without a comma, and channels x height x width whole numbers from 0 to 255. */
#include <metanas/extra/episode.h>

#include <stdio.h>

enum { MOST_NAME = 64 };

struct image {
    int32_t split, class; /* the class is a number within the split, by first appearance */
    const uint8_t *pixels;
};

struct name {
    int32_t split;
    char text[MOST_NAME];
};

struct csv {
    const char *path;
    int64_t channels, height, width;
    int64_t n_images; /* set by start, as the rest */
    struct image *images;
    struct name *names; /* of the classes, by first appearance */
    int64_t n_names;
    int64_t n_classes[3], n_of_split[3], least[3];
};

static int64_t reals_of(const struct csv *s) {
    return s->channels * s->height * s->width;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The text of the file and where reading stands. */
struct reader {
    struct csv *self;
    struct mn_ctx *ctx;
    const char *at, *begin; /* of the line */
    int64_t line;
};

static int wrong(const struct reader *r, const char *what) {
    return mn_fail(r->ctx, MN_IO, "%s:%lld:%lld: %s", r->self->path, (long long)r->line,
                   (long long)(r->at - r->begin + 1), what);
}

/* The field at r->at, copied to out; r->at moves behind its comma. */
static int read_field(struct reader *r, char out[MOST_NAME]) {
    const size_t n = strcspn(r->at, ",\r\n");
    if (n == 0 || n >= MOST_NAME || r->at[n] != ',') {
        return wrong(r, "expected SPLIT,CLASS,VALUE,... with at most 63 letters for each name");
    }
    memcpy(out, r->at, n);
    out[n] = '\0';
    r->at += n + 1;
    return MN_OK;
}

static int read_split(struct reader *r, int32_t *out) {
    static const char *const splits[] = {"train", "val", "test"};
    const char *begin = r->at;
    char text[MOST_NAME];
    const int status = read_field(r, text);
    for (*out = 0; status == MN_OK && *out < 3; ++*out) {
        if (strcmp(text, splits[*out]) == 0) {
            return MN_OK;
        }
    }
    r->at = begin;
    return status != MN_OK ? status : wrong(r, "the split is train, val or test");
}

/* The number of a class within its split; a new name becomes the next. */
static int32_t number_of(struct csv *s, const struct name *name) {
    int32_t number = 0;
    for (int64_t i = 0; i < s->n_names; i++) {
        if (s->names[i].split != name->split) {
            continue;
        }
        if (strcmp(s->names[i].text, name->text) == 0) {
            return number;
        }
        number++;
    }
    s->names[s->n_names++] = *name;
    s->n_classes[name->split]++;
    return number;
}

static int read_pixels(struct reader *r, uint8_t *out) {
    const int64_t n = reals_of(r->self);
    for (int64_t i = 0; i < n; i++) {
        int value = 0, digits = 0;
        for (; r->at[digits] >= '0' && r->at[digits] <= '9' && digits < 4; digits++) {
            value = 10 * value + (r->at[digits] - '0');
        }
        if (digits == 0 || value > 255) {
            return wrong(r, "expected a whole number from 0 to 255");
        }
        r->at += digits;
        if (i + 1 < n && *r->at++ != ',') {
            r->at--;
            return wrong(r, "the line ends before channels x height x width values");
        }
        out[i] = (uint8_t)value;
    }
    r->at += *r->at == '\r';
    return *r->at == '\n' || *r->at == '\0'
               ? MN_OK
               : wrong(r, "the line has more than channels x height x width values");
}

static int read_line(struct reader *r, struct image *out, uint8_t *pixels) {
    struct name name;
    int status = read_split(r, &name.split);
    if (status == MN_OK) {
        status = read_field(r, name.text);
    }
    if (status == MN_OK) {
        status = read_pixels(r, pixels);
    }
    if (status == MN_OK) {
        *out = (struct image){name.split, number_of(r->self, &name), pixels};
        r->self->n_of_split[name.split]++;
    }
    return status;
}

static int64_t count_lines(const char *text) {
    int64_t n = 0;
    for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n') {
        n++;
    }
    return n;
}

/* The whole file, closed by a zero byte, in scratch memory. */
static int read_file(struct mn_ctx *ctx, const char *path, char **out) {
    FILE *in = fopen(path, "rb");
    long size = -1;
    if (in != NULL && fseek(in, 0, SEEK_END) == 0) {
        size = ftell(in);
    }
    *out = size < 0 ? NULL : mn_scratch(ctx, (size_t)size + 1);
    int status = *out != NULL ? MN_OK : MN_NOMEM;
    if (size < 0) {
        status = mn_bad_option(ctx, "path", "%s cannot be read: is the path right?", path);
    } else if (status == MN_OK) {
        rewind(in);
        (*out)[fread(*out, 1, (size_t)size, in)] = '\0';
        status = ferror(in) ? mn_fail(ctx, MN_IO, "%s: cannot be read", path) : MN_OK;
    }
    if (in != NULL) {
        fclose(in);
    }
    return status;
}

static int64_t count_of(const struct csv *s, int32_t split, int64_t class) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_images; i++) {
        n += s->images[i].split == split && s->images[i].class == class;
    }
    return n;
}

static void count_least(struct csv *s) {
    for (int32_t split = MN_TRAIN; split <= MN_TEST; split++) {
        for (int64_t class = 0; class < s->n_classes[split]; class ++) {
            const int64_t n = count_of(s, split, class);
            s->least[split] = class == 0 || n < s->least[split] ? n : s->least[split];
        }
    }
}

static int start(void *self, struct mn_ctx *ctx) {
    struct csv *s = self;
    char *text;
    int status = read_file(ctx, s->path, &text);
    if (status != MN_OK) {
        return status;
    }
    struct reader r = {.self = s, .ctx = ctx, .at = text, .line = 1};
    s->n_images = count_lines(text);
    const size_t n = (size_t)s->n_images, reals = (size_t)reals_of(s);
    uint8_t *pixels = mn_keep(ctx, n * reals);
    s->images = pixels != NULL ? mn_keep(ctx, n * sizeof *s->images) : NULL;
    s->names = s->images != NULL ? mn_keep(ctx, n * sizeof *s->names) : NULL;
    if (s->names == NULL) {
        return MN_NOMEM;
    }
    for (size_t i = 0; status == MN_OK && i < n; i++, r.line++) {
        r.begin = r.at;
        status = read_line(&r, &s->images[i], pixels + i * reals);
        r.at += *r.at == '\n';
    }
    count_least(s);
    return status;
}

/* ---- tasks -------------------------------------------------------------------------------- */

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    const struct csv *s = self;
    out->channels = (int32_t)s->channels;
    out->height = (int32_t)s->height;
    out->width = (int32_t)s->width;
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        out->n_classes[split] = s->n_classes[split];
        out->min_samples[split] = s->least[split];
        out->n_images[split] = s->n_of_split[split];
    }
    return MN_OK;
}

static int64_t n_samples(const void *self, int32_t split, int64_t which) {
    return count_of(self, split, which);
}

static int64_t class_name(const void *self, int32_t split, int64_t which, char *out, size_t size) {
    const struct csv *s = self;
    const struct name *at = s->names;
    while (at->split != split || which-- > 0) {
        at++;
    }
    return snprintf(out, size, "%s", at->text);
}

static int image(const void *self, struct mn_ctx *ctx, int32_t split, int64_t which, int64_t sample,
                 mn_real *out) {
    const struct csv *s = self;
    const struct image *at = s->images;
    while (at->split != split || at->class != which || sample-- > 0) {
        at++;
    }
    for (int64_t p = 0; p < reals_of(s); p++) {
        out[p] = (mn_real)at->pixels[p] / 255;
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
    const struct csv *s = self;
    const struct mn_episode_pool pool = {.self = s,
                                         .n_classes = s->n_classes[spec->split],
                                         .reals = reals_of(s),
                                         .n_images = pool_n_images,
                                         .image = pool_image};
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
    MN_PATH(struct csv, path, "", MN_OPT_REQUIRED, "the file"),
    MN_INT(struct csv, channels, 1, 1, 16, "channels of an image"),
    MN_INT(struct csv, height, 28, 1, 1024, "rows of an image"),
    MN_INT(struct csv, width, 28, 1, 1024, "columns of an image"),
};

MN_PLUGIN("csv_images", "0.1.0",
          MN_UNIT(MN_DATASET, "csv_images", "images in a text file, one a line", struct csv,
                  options, &table))
