/* SPDX-License-Identifier: MIT */
#include "pictures.h"

#include "command.h"

#include "imaging/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- classes ------------------------------------------------------------------------------ */

/* Length of the first folder of a name, 0 = it stands in none. */
static size_t folder_length(const char *name) {
    const char *slash = strchr(name, '/');
    return slash != NULL ? (size_t)(slash - name) : 0;
}

/* The order of names that begin with the folders: "a-b/" comes before "a/". */
static int compare_folder(const char *name, const char *class) {
    const size_t n = folder_length(name), m = strlen(class);
    const int order = strncmp(name, class, n < m ? n : m);
    if (order != 0 || n == m) {
        return order;
    }
    return n < m ? '/' - (int)(unsigned char)class[n] : (int)(unsigned char)name[m] - '/';
}

static int by_folder(const void *name, const void *class) {
    return compare_folder(name, *(const char *const *)class);
}

static int32_t label_of(const struct class_names *classes, const char *name) {
    const char *const *found = folder_length(name) == 0 || classes->n == 0
                                   ? NULL
                                   : bsearch(name, classes->folders, (size_t)classes->n,
                                             sizeof *classes->folders, by_folder);
    return found != NULL ? (int32_t)(found - classes->folders) : -1;
}

/* The label of a file by the folder it lies in, -1 = that is not named like a class. */
static int32_t label_by_folder(const struct class_names *classes, const char *path) {
    const char *end = strrchr(path, '/'), *begin = end;
    while (begin != NULL && begin > path && begin[-1] != '/') {
        begin--;
    }
    return begin != NULL ? label_of(classes, begin) : -1;
}

/* The files are in the order of their names, so those of a folder follow each other. */
static int list_classes(struct mn_ctx *ctx, const char *dir, const struct source *source,
                        struct class_names *out) {
    const size_t most = (size_t)source->n * sizeof *out->at;
    *out = (struct class_names){0, mn_scratch(ctx, most), mn_scratch(ctx, most)};
    if (out->at == NULL || out->folders == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < source->n; i++) {
        const char *name = source->files[i].name;
        const size_t n = folder_length(name);
        if (n == 0) {
            return source_fail(ctx, &source->files[i],
                               "lies in no class folder; put the pictures of each class into a "
                               "folder of its own: %s/CLASS/",
                               dir);
        }
        if (out->n > 0 && compare_folder(name, out->folders[out->n - 1]) == 0) {
            continue;
        }
        char *folder = mn_scratch(ctx, n + 1), *shown = mn_scratch(ctx, 3 * n + 1);
        if (folder == NULL || shown == NULL) {
            return MN_NOMEM;
        }
        snprintf(folder, n + 1, "%s", name);
        source_printable(name, n, shown, 3 * n + 1);
        out->folders[out->n] = folder;
        out->at[out->n++] = shown;
    }
    return MN_OK;
}

/* ---- lists -------------------------------------------------------------------------------- */

/* The path of a file for people, in scratch. */
static char *path_of(struct mn_ctx *ctx, const struct source_file *file) {
    const size_t n = strlen(file->path), room = 3 * (n + strlen(file->name)) + 2;
    char *out = mn_scratch(ctx, room);
    if (out != NULL) {
        size_t used = source_printable(file->path, n, out, room);
        if (n > 0 && file->path[n - 1] != '/') {
            out[used++] = '/';
        }
        source_printable(file->name, strlen(file->name), out + used, room - used);
    }
    return out;
}

/* Make the list of all files of the sources. */
static int list_files(struct mn_ctx *ctx, const struct class_names *classes, struct pictures *out) {
    for (int s = 0; s < out->n_sources; s++) {
        out->n += out->sources[s].n;
    }
    struct picture_file *to = mn_scratch(ctx, (size_t)out->n * sizeof *to);
    out->files = to;
    for (int s = 0; to != NULL && s < out->n_sources; s++) {
        for (int64_t i = 0; i < out->sources[s].n; i++, to++) {
            const struct source_file *file = &out->sources[s].files[i];
            const char *path = path_of(ctx, file);
            if (path == NULL) {
                return MN_NOMEM;
            }
            *to = (struct picture_file){path, label_of(classes, file->name)};
            to->label = to->label >= 0 ? to->label : label_by_folder(classes, path);
        }
        source_say(ctx, &out->sources[s]);
        out->unreadable += out->sources[s].unreadable.n;
    }
    return out->files != NULL ? MN_OK : MN_NOMEM;
}

int pictures_support(struct mn_ctx *ctx, const char *dir, struct pictures *out,
                     struct class_names *classes) {
    *out = (struct pictures){.n_sources = 1, .sources = mn_scratch(ctx, sizeof *out->sources)};
    int status = out->sources != NULL ? source_list(ctx, dir, mn_scratch, out->sources) : MN_NOMEM;
    if (status == MN_OK) {
        status = list_classes(ctx, dir, out->sources, classes);
    }
    if (status == MN_OK && out->sources->empty_folders.n > 0) {
        const struct noted *empty = &out->sources->empty_folders;
        status =
            mn_fail(ctx, MN_IO, "%s: class folders without a picture (" SOURCE_ENDINGS "): %s%s",
                    dir, empty->names, empty->n > 3 ? ", .." : "");
    }
    return status == MN_OK ? list_files(ctx, classes, out) : status;
}

static int add_path(struct mn_ctx *ctx, const char *path, struct source *out) {
    const char *dot = strrchr(path, '.');
    struct stat about;
    if (stat(path, &about) != 0) {
        return mn_fail(ctx, MN_IO, "%s: %s", path, strerror(errno));
    }
    return S_ISDIR(about.st_mode) || (dot != NULL && strcasecmp(dot, ".zip") == 0)
               ? source_list(ctx, path, mn_scratch, out)
               : source_list_file(ctx, path, mn_scratch, out);
}

int pictures_query(struct mn_ctx *ctx, const char *const *paths, const struct class_names *classes,
                   struct pictures *out) {
    int n = 0, status = MN_OK;
    while (paths[n] != NULL) {
        n++;
    }
    *out = (struct pictures){.sources = mn_scratch(ctx, (size_t)n * sizeof *out->sources)};
    if (out->sources == NULL) {
        return MN_NOMEM;
    }
    for (; status == MN_OK && out->n_sources < n; out->n_sources++) {
        status = add_path(ctx, paths[out->n_sources], &out->sources[out->n_sources]);
    }
    return status == MN_OK ? list_files(ctx, classes, out) : status;
}

/* ---- images ------------------------------------------------------------------------------- */

struct preparing {
    const struct nas_experiment *e;
    struct picture_file *files; /* of the source */
    mn_real *images;
    size_t reals;
};

/* A picture that cannot be read does not stop the others; its name is taken away. */
static int take_picture(void *data, struct mn_ctx *ctx, int64_t i, const struct source_file *file,
                        const char *fault) {
    struct preparing *p = data;
    struct picture_file *picture_file = &p->files[i];
    const struct nas_instance *dataset = &p->e->dataset;
    const struct mn_picture picture = {.size = sizeof picture,
                                       .channels = p->e->data.channels,
                                       .height = p->e->data.height,
                                       .width = p->e->data.width,
                                       .name = picture_file->name,
                                       .bytes = file->bytes,
                                       .n_bytes = (int64_t)file->size};
    int status;
    if (fault == NULL) {
        struct nas_call call = nas_call_begin(ctx, dataset);
        status =
            nas_call_end(&call, dataset->table.dataset.picture(dataset->self, ctx, &picture,
                                                               p->images + (size_t)i * p->reals));
    } else {
        status = mn_fail(ctx, MN_IO, "%s: %s", picture_file->name, fault);
    }
    if (status == MN_IO) {
        mn_log(ctx, MN_LOG_WARN, "%s", nas_ctx_message(ctx));
        nas_ctx_clear(ctx);
        picture_file->name = NULL;
        return MN_OK;
    }
    return status;
}

/* Close the gaps of those that could not be read. */
static void drop_unreadable(struct pictures *pictures, mn_real *images, size_t reals) {
    int64_t n = 0;
    for (int64_t i = 0; i < pictures->n; i++) {
        if (pictures->files[i].name != NULL) {
            pictures->files[n] = pictures->files[i];
            memmove(images + (size_t)n++ * reals, images + (size_t)i * reals,
                    reals * sizeof *images);
        }
    }
    pictures->unreadable += pictures->n - n;
    pictures->n = n;
}

int pictures_prepare(struct mn_ctx *ctx, const struct nas_experiment *e, struct pictures *pictures,
                     struct mn_set *out) {
    const size_t reals = (size_t)e->data.channels * (size_t)e->data.height * (size_t)e->data.width;
    const size_t n = (size_t)pictures->n;
    if (e->dataset.table.dataset.picture == NULL) {
        return mn_fail(ctx, MN_UNSUPPORTED, "%s: takes no pictures but its own", e->dataset.label);
    }
    if (n > INT32_MAX || n > SIZE_MAX / sizeof(mn_real) / reals) {
        return mn_fail(ctx, MN_NOMEM, "no memory for %" PRId64 " pictures", pictures->n);
    }
    mn_real *images = mn_scratch(ctx, n * reals * sizeof *images);
    int32_t *labels = mn_scratch(ctx, n * sizeof *labels);
    int status = images != NULL && labels != NULL ? MN_OK : MN_NOMEM;
    struct preparing p = {e, pictures->files, images, reals};
    for (int s = 0; status == MN_OK && s < pictures->n_sources; s++) {
        status = source_each(ctx, &pictures->sources[s], take_picture, &p);
        p.files += pictures->sources[s].n;
        p.images += (size_t)pictures->sources[s].n * reals;
    }
    if (status != MN_OK) {
        return status;
    }
    drop_unreadable(pictures, images, reals);
    for (int64_t i = 0; i < pictures->n; i++) {
        labels[i] = pictures->files[i].label > 0 ? pictures->files[i].label : 0;
    }
    *out = (struct mn_set){.n = (int32_t)pictures->n, .images = images, .labels = labels};
    return pictures->n > 0 ? MN_OK : mn_fail(ctx, MN_IO, "none of the pictures can be read");
}
