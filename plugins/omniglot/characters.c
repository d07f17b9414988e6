/* SPDX-License-Identifier: MIT */
#include "omniglot.h"

#include "../imaging/ink.h"
#include "../imaging/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARTS = 2, DRAWINGS = 20 };
static const char *const parts[PARTS] = {"images_background", "images_evaluation"};

struct part {
    const char *name;
    struct source source;
    size_t prefix; /* of every name in the source */
};

/* ---- finding the files -------------------------------------------------------------------- */

static int check_folder(const struct omniglot *o, struct mn_ctx *ctx) {
    struct stat about;
    if (stat(o->path, &about) != 0) {
        return mn_bad_option(ctx, "path",
                             "%s: %s; it should be the folder that holds %s.zip and "
                             "%s.zip",
                             o->path, strerror(errno), parts[0], parts[1]);
    }
    if (!S_ISDIR(about.st_mode)) {
        return mn_bad_option(ctx, "path",
                             "%s is no folder; it should be the one that holds %s.zip "
                             "and %s.zip",
                             o->path, parts[0], parts[1]);
    }
    return MN_OK;
}

/* PATH/NAME if it is a folder, otherwise PATH/NAME.zip. */
static int locate(const struct omniglot *o, struct mn_ctx *ctx, const char *name, char **out) {
    struct stat about;
    const size_t size = strlen(o->path) + strlen(name) + sizeof "/.zip";
    char *path = mn_scratch(ctx, size);
    if (path == NULL) {
        return MN_NOMEM;
    }
    *out = path;
    snprintf(path, size, "%s/%s", o->path, name);
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
        return MN_OK;
    }
    snprintf(path, size, "%s/%s.zip", o->path, name);
    return stat(path, &about) == 0
               ? MN_OK
               : mn_bad_option(ctx, "path", "%s holds neither a folder %s nor %s.zip", o->path,
                               name, name);
}

/* ---- characters --------------------------------------------------------------------------- */

/* Length of ALPHABET/CHARACTER in ALPHABET/CHARACTER/IMAGE; 0 for any other form. */
static size_t character_length(const char *name) {
    const char *first = strchr(name, '/');
    const char *second = first != NULL ? strchr(first + 1, '/') : NULL;
    return second == NULL || strchr(second + 1, '/') != NULL ? 0 : (size_t)(second - name);
}

/* The archives have a folder images_* on top, the unpacked tree begins under it. */
static int check_names(struct part *part, struct mn_ctx *ctx) {
    const size_t length = strlen(part->name);
    const char *first = part->source.files[0].name;
    part->prefix = strncmp(first, part->name, length) == 0 && first[length] == '/' ? length + 1 : 0;
    for (int64_t i = 0; i < part->source.n; i++) {
        const struct source_file *file = &part->source.files[i];
        if (strncmp(file->name, first, part->prefix) != 0 ||
            character_length(file->name + part->prefix) == 0) {
            return source_fail(ctx, file, "expected %.*sALPHABET/CHARACTER/IMAGE.png",
                               (int)part->prefix, first);
        }
    }
    return MN_OK;
}

static int same_character(const char *a, const char *b) {
    const size_t n = character_length(a);
    return n == character_length(b) && strncmp(a, b, n) == 0;
}

static int64_t count_characters(const struct part *part) {
    const struct source_file *files = part->source.files;
    int64_t n = 1;
    for (int64_t i = 1; i < part->source.n; i++) {
        n += !same_character(files[i - 1].name + part->prefix, files[i].name + part->prefix);
    }
    return n;
}

static int add_character(struct omniglot *o, struct mn_ctx *ctx, const char *name, int64_t first) {
    const size_t n = character_length(name), size = 3 * n + 1;
    char *text = mn_keep(ctx, size);
    if (text == NULL) {
        return MN_NOMEM;
    }
    source_printable(name, n, text, size);
    o->characters[o->n_characters++] = (struct character){text, first, 0};
    return MN_OK;
}

/* Images of a character follow each other, since names are in order. */
static int list_characters(struct omniglot *o, struct mn_ctx *ctx, const struct part *part) {
    for (int64_t i = 0; i < part->source.n; i++) {
        const char *name = part->source.files[i].name + part->prefix;
        if (i == 0 || !same_character(name, part->source.files[i - 1].name + part->prefix)) {
            const int status = add_character(o, ctx, name, o->n_images);
            if (status != MN_OK) {
                return status;
            }
        }
        o->characters[o->n_characters - 1].n++;
        o->n_images++;
    }
    return MN_OK;
}

static int check_counts(const struct omniglot *o, struct mn_ctx *ctx) {
    for (int64_t i = 0; i < o->n_characters; i++) {
        if (o->characters[i].n < 2) {
            return mn_fail(ctx, MN_IO,
                           "%s: %s/%s has too few images (%lld): a class needs at least 2, to "
                           "learn from and to test on",
                           o->path, parts[i >= o->n_background], o->characters[i].name,
                           (long long)o->characters[i].n);
        }
    }
    return MN_OK;
}

/* ---- images ------------------------------------------------------------------------------- */

static int read_image(void *self, struct mn_ctx *ctx, struct image_work *work,
                      const struct source_file *file, int64_t i, uint8_t *out) {
    const struct omniglot *o = self;
    return ink_read(ctx, work, file, (int32_t)o->size, out);
}

static int read_images(struct omniglot *o, struct mn_ctx *ctx, struct part *all) {
    const struct loader loader = {read_image, o, (size_t)(o->size * o->size)};
    struct source sources[PARTS] = {all[0].source, all[1].source};
    const int status = load_images(ctx, sources, PARTS, &loader, &o->images);
    for (int p = 0; p < PARTS; p++) {
        source_say(ctx, &sources[p]);
        all[p].source = sources[p];
    }
    return status;
}

/* ---- all ---------------------------------------------------------------------------------- */

static int read_part(const struct omniglot *o, struct mn_ctx *ctx, const char *name,
                     struct part *part) {
    char *path;
    part->name = name;
    int status = locate(o, ctx, name, &path);
    if (status == MN_OK) {
        status = source_list(ctx, path, mn_scratch, &part->source);
    }
    return status == MN_OK ? check_names(part, ctx) : status;
}

/* A folder that was not unpacked to its end, most of all. */
static void compare(const struct omniglot *o, struct mn_ctx *ctx, int p, int64_t n,
                    const struct source *source) {
    static const int64_t published[PARTS] = {964, 659};
    char path[4096];
    if (n != published[p] || source->n != DRAWINGS * published[p]) {
        const int length = snprintf(path, sizeof path, "%s/%s.zip", o->path, parts[p]);
        const int beside = !source->in_zip && length < (int)sizeof path && access(path, F_OK) == 0;
        mn_log(ctx, MN_LOG_WARN,
               "%s: %lld characters with %lld images; the published set has %lld with %lld%s%s%s",
               source->path, (long long)n, (long long)source->n, (long long)published[p],
               (long long)(DRAWINGS * published[p]), beside ? "; while this folder is there, " : "",
               beside ? path : "", beside ? " is not read" : "");
    }
}

int omniglot_read(struct omniglot *o, struct mn_ctx *ctx) {
    struct part all[PARTS] = {{.name = NULL}};
    int64_t room = 0;
    int status = check_folder(o, ctx);
    for (int p = 0; status == MN_OK && p < PARTS; p++) {
        status = read_part(o, ctx, parts[p], &all[p]);
    }
    status = status == MN_OK ? read_images(o, ctx, all) : status;
    if (status != MN_OK) {
        return status;
    }
    for (int p = 0; p < PARTS; p++) {
        const int64_t n = count_characters(&all[p]);
        compare(o, ctx, p, n, &all[p].source);
        room += n;
    }
    o->characters = mn_keep(ctx, (size_t)room * sizeof *o->characters);
    if (o->characters == NULL) {
        return MN_NOMEM;
    }
    for (int p = 0; status == MN_OK && p < PARTS; p++) {
        o->n_background = p == 1 ? o->n_characters : 0;
        status = list_characters(o, ctx, &all[p]);
    }
    return status == MN_OK ? check_counts(o, ctx) : status;
}
