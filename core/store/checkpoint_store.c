/* SPDX-License-Identifier: MIT */
#include "store/checkpoint_store.h"

#include "base/file.h"
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

static void name_of(int64_t meta_epoch, char out[64]) {
    snprintf(out, 64, "checkpoint-%" PRId64 ".safetensors", meta_epoch);
}

static int path_of(struct mn_ctx *ctx, const char *dir, int64_t meta_epoch, char out[PATH_MAX]) {
    char name[64];
    name_of(meta_epoch, name);
    return nas_folder_file(ctx, dir, name, out);
}

/* ---- a second name ------------------------------------------------------------------------ */

/* Let `to` be the same file, or a copy of it: not every file system has hard links. */
static int link_file(struct mn_ctx *ctx, const char *from, const char *to) {
    CLEANUP(nas_free) uint8_t *data = NULL;
    size_t length;
    const char *old, *new;
    const int from_at = nas_folder_at(ctx, from, &old), to_at = nas_folder_at(ctx, to, &new);
    if (unlinkat(to_at, new, 0) != 0 && errno != ENOENT) {
        return nas_file_failed(ctx, to, "remove the file of this name");
    }
    if (linkat(from_at, old, to_at, new, 0) == 0) {
        return MN_OK;
    }
    TRY(nas_file_read(ctx, from, SIZE_MAX / 2, &data, &length));
    return nas_file_replace(ctx, to, data, length);
}

int nas_checkpoint_store_keep(struct mn_ctx *ctx, const char *dir, int64_t meta_epoch) {
    char newest[PATH_MAX], second[PATH_MAX];
    TRY(nas_folder_file(ctx, dir, NAS_CHECKPOINT_FILE, newest));
    TRY(path_of(ctx, dir, meta_epoch, second));
    return link_file(ctx, newest, second);
}

int nas_checkpoint_store_restore(struct mn_ctx *ctx, const char *dir, const char *source) {
    char newest[PATH_MAX], damaged[PATH_MAX];
    const char *old, *new;
    TRY(nas_folder_file(ctx, dir, NAS_CHECKPOINT_FILE, newest));
    TRY(nas_folder_file(ctx, dir, "damaged.safetensors", damaged));
    if (strcmp(source, newest) == 0) {
        return MN_OK;
    }
    const int old_at = nas_folder_at(ctx, newest, &old), new_at = nas_folder_at(ctx, damaged, &new);
    if (renameat(old_at, old, new_at, new) != 0 && errno != ENOENT) {
        return nas_file_failed(ctx, newest, "set it aside");
    }
    return link_file(ctx, source, newest);
}

/* ---- which there are ---------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The names in a folder. NULL with errno. */
static DIR *open_folder(struct mn_ctx *ctx, const char *dir) {
    const char *name;
    const int at = nas_folder_at(ctx, dir, &name);
    const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL && fd >= 0) {
        close(fd);
    }
    return folder;
}

static void close_folder(DIR **folder) {
    if (*folder != NULL) {
        closedir(*folder);
    }
}

/* The meta-epochs in the names of a folder, ascending, in arena. */
static int read_list(struct mn_ctx *ctx, const char *dir, struct nas_arena *arena, int64_t **out,
                     int64_t *n) {
    CLEANUP(close_folder) DIR *folder = open_folder(ctx, dir);
    int64_t value, *all = NULL;
    *n = 0;
    if (folder == NULL) {
        return nas_file_failed(ctx, dir, "look into the folder");
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[64];
        if (sscanf(entry->d_name, "checkpoint-%" SCNd64, &value) != 1 || value < 0) {
            continue;
        }
        name_of(value, name);
        if (strcmp(entry->d_name, name) != 0) {
            continue;
        }
        all = nas_arena_append(arena, all, *n, sizeof *all);
        if (all == NULL) {
            return mn_fail(ctx, MN_NOMEM, "%s: no memory for the names in it", dir);
        }
        all[(*n)++] = value;
    }
    if (*n > 0) {
        qsort(all, (size_t)*n, sizeof *all, ascending);
    }
    *out = all;
    return MN_OK;
}

int nas_checkpoint_store_trim(struct mn_ctx *ctx, const char *dir, int64_t newest, int64_t most) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    int64_t left = 0, *all, n;
    TRY(read_list(ctx, dir, &arena, &all, &n));
    while (n-- > 0) {
        char path[PATH_MAX];
        const char *name;
        if (all[n] < newest && ++left <= most) {
            continue;
        }
        TRY(path_of(ctx, dir, all[n], path));
        const int at = nas_folder_at(ctx, path, &name);
        if (unlinkat(at, name, 0) != 0 && errno != ENOENT) {
            return nas_file_failed(ctx, path, "remove it");
        }
    }
    return MN_OK;
}

void nas_checkpoint_store_clean(struct mn_ctx *ctx, const char *dir) {
    /* Only the process that has locked the folder, now this one, writes files of these names: a
     * NAME.tmp-XXXXXX of theirs was left by one that died. */
    static const char *const names[] = {"checkpoint", "best.", "config.", "test"};
    CLEANUP(close_folder) DIR *folder = open_folder(ctx, dir);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name;
        const size_t n = strlen(name), tail = sizeof ".tmp-XXXXXX" - 1;
        int known = 0;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            known |= strncmp(name, names[i], strlen(names[i])) == 0;
        }
        if (known && n > tail && strncmp(name + n - tail, ".tmp-", 5) == 0 &&
            strcspn(name + n - 6, ".-_ ") == 6) {
            unlinkat(dirfd(folder), name, 0);
        }
    }
}

/* ---- loading ------------------------------------------------------------------------------ */

static int is_wanted(int64_t meta_epoch, int64_t last, int64_t every) {
    return meta_epoch <= last && (every == 0 || (meta_epoch > 0 && meta_epoch % every == 0));
}

int nas_checkpoint_store_load(struct mn_ctx *ctx, const char *dir, int64_t last, int64_t every,
                              nas_checkpoint_load_fn load, void *data, int *found) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    char path[PATH_MAX], damage[NAS_MESSAGE] = ""; /* why the first one could not be read */
    int64_t *all, n;
    *found = 0;
    TRY(read_list(ctx, dir, &arena, &all, &n));
    for (int64_t i = n; !*found && i >= 0; i--) {
        int64_t meta_epoch = 0;
        if (i == n) { /* the newest, whose name does not tell its meta-epoch */
            TRY(nas_folder_file(ctx, dir, NAS_CHECKPOINT_FILE, path));
            if (!nas_file_exists(ctx, path)) {
                if (n > 0) {
                    snprintf(damage, sizeof damage, "%.1000s: there is none", path);
                }
                continue;
            }
        } else if (is_wanted(all[i], last, every)) {
            TRY(path_of(ctx, dir, all[i], path));
        } else {
            continue;
        }
        const int status = load(data, ctx, path, &meta_epoch);
        if (status == MN_IO) {
            if (damage[0] == '\0') {
                snprintf(damage, sizeof damage, "%s", nas_ctx_message(ctx));
            }
            nas_ctx_clear(ctx);
            continue;
        }
        TRY(status);
        *found = is_wanted(meta_epoch, last, every);
        if (*found && damage[0] != '\0') {
            mn_log(ctx, MN_LOG_WARN, "%s\n  taken in its place: %s, of meta-epoch %" PRId64, damage,
                   path, meta_epoch);
        }
    }
    return *found || damage[0] == '\0' ? MN_OK : mn_fail(ctx, MN_IO, "%s", damage);
}
