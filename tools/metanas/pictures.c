/* SPDX-License-Identifier: MIT */
#include "pictures.h"

#include "command.h"

#include "imaging/source.h"
#include "run/file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- folders ------------------------------------------------------------------------------ */

/* Length of the first folder of a name, 0 = it stands in none. */
static size_t folder_length(const char *name) {
    const char *slash = strchr(name, '/');
    return slash != NULL ? (size_t)(slash - name) : 0;
}

/* DIR/NAME in scratch. */
static char *joined(struct mn_cx *cx, const char *dir, const char *name) {
    const size_t size = strlen(dir) + strlen(name) + 2;
    char *out = mn_scratch(cx, size);
    if (out != NULL) {
        const size_t n = strlen(dir);
        snprintf(out, size, "%s%s%s", dir, n > 0 && dir[n - 1] == '/' ? "" : "/", name);
    }
    return out;
}

static int32_t label_of(const struct class_names *classes, const char *name) {
    const size_t n = folder_length(name);
    for (int32_t i = 0; n > 0 && i < classes->n; i++) {
        if (strlen(classes->at[i]) == n && strncmp(classes->at[i], name, n) == 0) {
            return i;
        }
    }
    return -1;
}

/* The label of a file by the folder it lies in, -1 = that is not named like a class. */
static int32_t label_by_folder(const struct class_names *classes, const char *path) {
    const char *end = strrchr(path, '/'), *begin = end;
    while (begin != NULL && begin > path && begin[-1] != '/') {
        begin--;
    }
    return begin != NULL ? label_of(classes, begin) : -1;
}

static int fill(struct mn_cx *cx, const char *dir, const struct source *source,
                const struct class_names *classes, struct picture_file *out) {
    for (int64_t i = 0; i < source->n; i++) {
        const struct source_file *file = &source->files[i];
        out[i] = (struct picture_file){joined(cx, dir, file->name), label_of(classes, file->name),
                                       file->bytes, (int64_t)file->size};
        if (out[i].name == NULL) {
            return MN_NOMEM;
        }
        out[i].label = out[i].label >= 0 ? out[i].label : label_by_folder(classes, out[i].name);
    }
    return MN_OK;
}

/* ---- support ------------------------------------------------------------------------------ */

/* The files are in the order of their names, so those of a folder follow each other. */
static int list_classes(struct mn_cx *cx, const char *dir, const struct source *source,
                        struct class_names *out) {
    *out = (struct class_names){0, mn_scratch(cx, (size_t)source->n * sizeof *out->at)};
    for (int64_t i = 0; out->at != NULL && i < source->n; i++) {
        const char *name = source->files[i].name;
        const size_t n = folder_length(name);
        if (n == 0) {
            return mn_fail(cx, MN_IO,
                           "%s/%s: lies in no class folder; put the pictures of each class into a "
                           "folder of its own: %s/CLASS/",
                           dir, name, dir);
        }
        if (label_of(out, name) >= 0) {
            continue;
        }
        char *text = mn_scratch(cx, n + 1);
        if (text == NULL) {
            return MN_NOMEM;
        }
        snprintf(text, n + 1, "%s", name);
        out->at[out->n++] = text;
    }
    return out->at != NULL ? MN_OK : MN_NOMEM;
}

/* A folder without pictures is not seen among the files. */
static int check_folder(struct mn_cx *cx, const char *dir, const char *name,
                        const struct class_names *classes) {
    struct stat about;
    const char *path = joined(cx, dir, name);
    for (int32_t i = 0; path != NULL && i < classes->n; i++) {
        if (strcmp(classes->at[i], name) == 0) {
            return MN_OK;
        }
    }
    if (path == NULL) {
        return MN_NOMEM;
    }
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode)
               ? mn_fail(cx, MN_IO, "%s: this class folder holds no picture (.png, .jpg, .jpeg)",
                         path)
               : MN_OK;
}

static int check_folders(struct mn_cx *cx, const char *dir, const struct class_names *classes) {
    DIR *folder = opendir(dir);
    int status = MN_OK;
    if (folder == NULL) {
        return errno == ENOTDIR ? MN_OK /* an archive */
                                : mn_fail(cx, MN_IO, "%s: %s", dir, strerror(errno));
    }
    for (const struct dirent *e; status == MN_OK && (e = readdir(folder)) != NULL;) {
        status = e->d_name[0] == '.' ? MN_OK : check_folder(cx, dir, e->d_name, classes);
    }
    closedir(folder);
    return status;
}

int pictures_support(struct mn_cx *cx, const char *dir, struct pictures *out,
                     struct class_names *classes) {
    struct source source;
    int status = source_read(cx, dir, mn_scratch, &source);
    if (status == MN_OK) {
        status = list_classes(cx, dir, &source, classes);
    }
    if (status == MN_OK) {
        status = check_folders(cx, dir, classes);
    }
    if (status != MN_OK) {
        return status;
    }
    *out = (struct pictures){source.n, mn_scratch(cx, (size_t)source.n * sizeof *out->files)};
    return out->files != NULL ? fill(cx, dir, &source, classes, out->files) : MN_NOMEM;
}

/* ---- query -------------------------------------------------------------------------------- */

static int read_one(struct mn_cx *cx, const char *path, const struct class_names *classes,
                    struct picture_file *out) {
    uint8_t *bytes;
    size_t n;
    const int status = mn__file_read(cx, path, SOURCE_FILE_MOST, &bytes, &n);
    if (status != MN_OK) {
        return status;
    }
    uint8_t *copy = mn_scratch(cx, n > 0 ? n : 1);
    if (copy != NULL) {
        memcpy(copy, bytes, n);
    }
    free(bytes);
    *out = (struct picture_file){path, label_by_folder(classes, path), copy, (int64_t)n};
    return copy != NULL ? MN_OK : MN_NOMEM;
}

/* Add the pictures of one path after those there are. */
static int add_path(struct mn_cx *cx, const char *path, const struct class_names *classes,
                    struct pictures *out) {
    struct source source = {.n = 1};
    struct stat about;
    if (stat(path, &about) != 0) {
        return mn_fail(cx, MN_IO, "%s: %s", path, strerror(errno));
    }
    const int folder = S_ISDIR(about.st_mode);
    int status = folder ? source_read(cx, path, mn_scratch, &source) : MN_OK;
    if (status != MN_OK) {
        return status;
    }
    struct picture_file *files = mn_scratch(cx, (size_t)(out->n + source.n) * sizeof *files);
    if (files == NULL) {
        return MN_NOMEM;
    }
    if (out->n > 0) {
        memcpy(files, out->files, (size_t)out->n * sizeof *files);
    }
    status = folder ? fill(cx, path, &source, classes, files + out->n)
                    : read_one(cx, path, classes, files + out->n);
    *out = (struct pictures){out->n + source.n, files};
    return status;
}

int pictures_query(struct mn_cx *cx, const char *const *paths, const struct class_names *classes,
                   struct pictures *out) {
    int status = MN_OK;
    *out = (struct pictures){0};
    for (; status == MN_OK && *paths != NULL; paths++) {
        status = add_path(cx, *paths, classes, out);
    }
    return status;
}

/* ---- images ------------------------------------------------------------------------------- */

static int prepare_one(struct mn_cx *cx, const struct mn__experiment *e,
                       const struct picture_file *file, mn_real *out) {
    const struct mn_picture picture = {.size = sizeof picture,
                                       .channels = e->data.channels,
                                       .height = e->data.height,
                                       .width = e->data.width,
                                       .name = file->name,
                                       .bytes = file->bytes,
                                       .n_bytes = file->n_bytes};
    struct mn__call call = mn__call_begin(cx, &e->dataset);
    return mn__call_end(&call,
                        e->dataset.table.dataset.picture(e->dataset.self, cx, &picture, out));
}

int pictures_prepare(struct mn_cx *cx, const struct mn__experiment *e,
                     const struct pictures *pictures, struct mn_set *out) {
    const size_t reals = (size_t)e->data.channels * (size_t)e->data.height * (size_t)e->data.width;
    const size_t n = (size_t)pictures->n;
    if (e->dataset.table.dataset.picture == NULL) {
        return mn_fail(cx, MN_UNSUPPORTED, "%s: takes no pictures but its own", e->dataset.label);
    }
    if (n > INT32_MAX || n > SIZE_MAX / sizeof(mn_real) / reals) {
        return mn_fail(cx, MN_NOMEM, "no memory for %" PRId64 " pictures", pictures->n);
    }
    mn_real *images = mn_scratch(cx, n * reals * sizeof *images);
    int32_t *labels = mn_scratch(cx, n * sizeof *labels);
    int status = images != NULL && labels != NULL ? MN_OK : MN_NOMEM;
    for (size_t i = 0; status == MN_OK && i < n; i++) {
        labels[i] = pictures->files[i].label > 0 ? pictures->files[i].label : 0;
        status = prepare_one(cx, e, &pictures->files[i], images + i * reals);
    }
    *out = (struct mn_set){.n = (int32_t)n, .images = images, .labels = labels};
    return status;
}
