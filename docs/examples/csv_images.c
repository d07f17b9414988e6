/* SPDX-License-Identifier: MIT */
/* Images in a text file, one a line: SPLIT,CLASS,VALUE,VALUE,... with SPLIT train, val or test,
 * CLASS any text without a comma, and channels x height x width whole numbers from 0 to 255. */
#include <metanas/plugin.h>

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
    struct name *names; /* of the classes seen; their numbers follow from the order */
    int64_t n_names;
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
static int32_t number_of(struct reader *r, const struct name *name) {
    int32_t number = 0;
    for (int64_t i = 0; i < r->n_names; i++) {
        if (r->names[i].split != name->split) {
            continue;
        }
        if (strcmp(r->names[i].text, name->text) == 0) {
            return number;
        }
        number++;
    }
    r->names[r->n_names++] = *name;
    r->self->n_classes[name->split]++;
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
        *out = (struct image){name.split, number_of(r, &name), pixels};
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
    r.names = s->images != NULL ? mn_scratch(ctx, n * sizeof *r.names) : NULL;
    if (r.names == NULL) {
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

/* The first k of `order`, which holds n numbers, become a random choice. */
static void choose(struct mn_rng *rng, int64_t n, int64_t k, int64_t *order) {
    for (int64_t i = 0; i < k; i++) {
        const int64_t j = i + mn_rng_below(rng, (uint32_t)(n - i)), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

/* Numbers of the images of one class. */
static int64_t list_class(const struct csv *s, int32_t split, int64_t class, int64_t *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_images; i++) {
        if (s->images[i].split == split && s->images[i].class == class) {
            out[n++] = i;
        }
    }
    return n;
}

/* n images of one class, in the place of that class. */
static void fill(const struct csv *s, const int64_t *which, int32_t way, int32_t n, mn_real *images,
                 int32_t *labels) {
    const int64_t reals = reals_of(s);
    for (int64_t i = 0, at = (int64_t)way * n; i < n; i++, at++) {
        for (int64_t p = 0; p < reals; p++) {
            images[at * reals + p] = (mn_real)s->images[which[i]].pixels[p] / 255;
        }
        labels[at] = way;
    }
}

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    const struct csv *s = self;
    const int64_t n_classes = s->n_classes[spec->split];
    struct mn_rng classes = mn_rng_start(ctx, MN_RNG_CLASSES);
    struct mn_rng images = mn_rng_start(ctx, MN_RNG_SAMPLES);
    int64_t *order = mn_scratch(ctx, (size_t)(n_classes + s->n_images) * sizeof *order);
    if (order == NULL) {
        return MN_NOMEM;
    }
    int64_t *of_class = order + n_classes;
    for (int64_t i = 0; i < n_classes; i++) {
        order[i] = i;
    }
    choose(&classes, n_classes, spec->ways, order);
    for (int32_t way = 0; way < spec->ways; way++) {
        const int64_t n = list_class(s, spec->split, order[way], of_class);
        out->classes[way] = order[way];
        choose(&images, n, (int64_t)spec->support + spec->query, of_class);
        fill(s, of_class, way, spec->support, out->support, out->support_labels);
        fill(s, of_class + spec->support, way, spec->query, out->query, out->query_labels);
    }
    return MN_OK;
}

static const struct mn_dataset table = {
    .size = sizeof table, .start = start, .describe = describe, .sample = sample};

static const struct mn_opt options[] = {
    MN_PATH(struct csv, path, "", MN_OPT_REQUIRED, "the file"),
    MN_INT(struct csv, channels, 1, 1, 16, "channels of an image"),
    MN_INT(struct csv, height, 28, 1, 1024, "rows of an image"),
    MN_INT(struct csv, width, 28, 1, 1024, "columns of an image"),
};

MN_PLUGIN("csv_images", "0.1.0",
          MN_UNIT(MN_DATASET, "csv_images", "images in a text file, one a line", struct csv,
                  options, &table))
