/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <string.h>
#include <time.h>

enum { PROGRESS_SECONDS = 10 };

struct loading {
    const struct loader *loader;
    struct source *source;
    struct image_work work;
    uint8_t *pixels, *bad; /* of the source */
    int64_t done, all;     /* of all sources */
    time_t told;           /* when that was last said */
};

static int take(void *data, struct mn_ctx *ctx, int64_t i, const struct source_file *file,
                const char *fault) {
    struct loading *l = data;
    const struct loader *loader = l->loader;
    uint8_t *out = l->pixels != NULL ? l->pixels + (size_t)i * loader->bytes : NULL;
    l->work.unended = 0;
    const int status =
        fault != NULL ? IMAGE_UNREADABLE : loader->read(loader->self, ctx, &l->work, file, i, out);
    if (status == IMAGE_UNREADABLE) {
        l->bad[i] = 1;
        noted_add(&l->source->unreadable, file->name, fault != NULL ? fault : l->work.fault);
    } else if (status != MN_OK) {
        return status;
    }
    if (l->work.unended) {
        noted_add(&l->source->unended, file->name, NULL);
    }
    l->done++;
    if (time(NULL) - l->told >= PROGRESS_SECONDS) {
        l->told = time(NULL);
        mn_log(ctx, MN_LOG_INFO, "%lld of %lld images read", (long long)l->done, (long long)l->all);
    }
    return source_stopped(ctx, l->source->path);
}

/* Close the gaps. Pixels that another process has filled have none. */
static void drop_bad(struct source *sources, int n, const uint8_t *bad, uint8_t *pixels,
                     size_t bytes) {
    uint8_t *to = pixels, *from = pixels;
    for (int s = 0; s < n; s++) {
        struct source *source = &sources[s];
        int64_t left = 0;
        for (int64_t i = 0; i < source->n; i++, bad++) {
            if (!*bad) {
                source->files[left++] = source->files[i];
            }
            if (pixels == NULL) {
                continue;
            }
            if (!*bad) {
                if (to != from) {
                    memcpy(to, from, bytes);
                }
                to += bytes;
            }
            from += bytes;
        }
        source->n = left;
    }
}

static int check_left(struct mn_ctx *ctx, const struct source *sources, int n) {
    for (int s = 0; s < n; s++) {
        const struct noted *bad = &sources[s].unreadable;
        if (sources[s].n == 0) {
            return mn_fail(ctx, MN_IO, "%s: none of the image files can be read: %s%s",
                           sources[s].path, bad->names, bad->n > 3 ? ", .." : "");
        }
    }
    return MN_OK;
}

int load_images(struct mn_ctx *ctx, struct source *sources, int n, const struct loader *loader,
                uint8_t **out) {
    struct loading l = {.loader = loader, .told = time(NULL)};
    int filled = 0, status = MN_OK;
    for (int s = 0; s < n; s++) {
        l.all += sources[s].n;
    }
    if (loader->bytes > 0 && (size_t)l.all > SIZE_MAX / (loader->bytes + 1)) {
        return mn_fail(ctx, MN_NOMEM, "%s: no memory for the pixels", sources[0].path);
    }
    /* Which of them are bad stands behind the pixels, for processes that do not read the files. */
    const size_t bytes = (size_t)l.all * loader->bytes;
    uint8_t *pixels = loader->bytes > 0 ? mn_keep_shared(ctx, bytes + (size_t)l.all, &filled)
                                        : mn_keep(ctx, (size_t)l.all);
    if (pixels == NULL) {
        return MN_NOMEM;
    }
    uint8_t *bad = pixels + bytes;
    *out = loader->bytes > 0 ? pixels : NULL;
    l.pixels = *out;
    l.bad = bad;
    for (int s = 0; !filled && status == MN_OK && s < n; s++) {
        l.source = &sources[s];
        status = source_each(ctx, l.source, take, &l);
        if (l.pixels != NULL) {
            l.pixels += (size_t)l.source->n * loader->bytes;
        }
        l.bad += l.source->n;
    }
    if (status != MN_OK) {
        return status;
    }
    drop_bad(sources, n, bad, filled ? NULL : *out, loader->bytes);
    return check_left(ctx, sources, n);
}
