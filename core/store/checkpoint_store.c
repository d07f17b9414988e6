/* SPDX-License-Identifier: MIT */
#include "store/checkpoint_store.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

static const char prefix[] = "checkpoint-", suffix[] = ".safetensors";

static int path_of(struct mn_ctx *ctx, const char *dir, int64_t meta_epoch, char out[PATH_MAX]) {
    char name[64];
    snprintf(name, sizeof name, "%s%" PRId64 "%s", prefix, meta_epoch, suffix);
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

struct list {
    int64_t *at; /* ascending */
    size_t n, room;
};

static void list_free(struct list *list) {
    free(list->at);
}

/* The meta-epoch in a name; 0 = it has none. */
static int number_of(const char *name, int64_t *out) {
    char digits[32];
    const size_t n = strlen(name), b = sizeof prefix - 1, a = sizeof suffix - 1;
    if (n <= b + a || n - b - a >= sizeof digits || strncmp(name, prefix, b) != 0 ||
        strcmp(name + n - a, suffix) != 0 || name[b + strspn(name + b, "0123456789")] != '.') {
        return 0;
    }
    snprintf(digits, sizeof digits, "%.*s", (int)(n - b - a), name + b);
    return nas_text_int(digits, out);
}

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

static int read_list(struct mn_ctx *ctx, const char *dir, struct list *list) {
    CLEANUP(close_folder) DIR *folder = open_folder(ctx, dir);
    int64_t value;
    if (folder == NULL) {
        return nas_file_failed(ctx, dir, "look into the folder");
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!number_of(entry->d_name, &value)) {
            continue;
        }
        if (list->n == list->room) {
            list->room = list->room > 0 ? 2 * list->room : 16;
            int64_t *at = realloc(list->at, list->room * sizeof *at);
            if (at == NULL) {
                return mn_fail(ctx, MN_NOMEM, "%s: no memory for the names in it", dir);
            }
            list->at = at;
        }
        list->at[list->n++] = value;
    }
    if (list->n > 0) {
        qsort(list->at, list->n, sizeof *list->at, ascending);
    }
    return MN_OK;
}

int nas_checkpoint_store_trim(struct mn_ctx *ctx, const char *dir, int64_t newest, int64_t most) {
    CLEANUP(list_free) struct list list = {0};
    int64_t left = 0;
    TRY(read_list(ctx, dir, &list));
    for (size_t i = list.n; i-- > 0;) {
        char path[PATH_MAX];
        const char *name;
        if (list.at[i] < newest && ++left <= most) {
            continue;
        }
        TRY(path_of(ctx, dir, list.at[i], path));
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

struct search {
    struct mn_ctx *ctx;
    int64_t last, every;
    nas_checkpoint_load_fn load;
    void *data;
    int found;
    char damage[NAS_MESSAGE]; /* why the first one could not be read; "" = all could */
};

static int wanted(const struct search *s, int64_t meta_epoch) {
    return meta_epoch <= s->last &&
           (s->every == 0 || (meta_epoch > 0 && meta_epoch % s->every == 0));
}

/* MN_OK also where the search has to go on. */
static int try_one(struct search *s, const char *path) {
    int64_t meta_epoch = 0;
    const int status = s->load(s->data, s->ctx, path, &meta_epoch);
    if (status == MN_IO) {
        if (s->damage[0] == '\0') {
            snprintf(s->damage, sizeof s->damage, "%s", nas_ctx_message(s->ctx));
        }
        nas_ctx_clear(s->ctx);
        return MN_OK;
    }
    s->found = status == MN_OK && wanted(s, meta_epoch);
    if (s->found && s->damage[0] != '\0') {
        mn_log(s->ctx, MN_LOG_WARN, "%s\n  taken in its place: %s, of meta-epoch %" PRId64,
               s->damage, path, meta_epoch);
    }
    return status;
}

int nas_checkpoint_store_load(struct mn_ctx *ctx, const char *dir, int64_t last, int64_t every,
                              nas_checkpoint_load_fn load, void *data, int *found) {
    struct search s = {.ctx = ctx, .last = last, .every = every, .load = load, .data = data};
    CLEANUP(list_free) struct list list = {0};
    char path[PATH_MAX];
    *found = 0;
    TRY(read_list(ctx, dir, &list));
    TRY(nas_folder_file(ctx, dir, NAS_CHECKPOINT_FILE, path));
    if (nas_file_exists(ctx, path)) { /* its name does not tell its meta-epoch */
        TRY(try_one(&s, path));
    } else if (list.n > 0) {
        snprintf(s.damage, sizeof s.damage, "%.1000s: there is none", path);
    }
    for (size_t i = list.n; !s.found && i-- > 0;) {
        if (wanted(&s, list.at[i])) {
            TRY(path_of(ctx, dir, list.at[i], path));
            TRY(try_one(&s, path));
        }
    }
    *found = s.found;
    return s.found || s.damage[0] == '\0' ? MN_OK : mn_fail(ctx, MN_IO, "%s", s.damage);
}
