/* SPDX-License-Identifier: MIT */
#include "store/checkpoint_store.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char before[] = "checkpoint-", after[] = ".safetensors";

static int path_of(struct mn_ctx *ctx, const char *dir, int64_t meta_epoch, char out[PATH_MAX]) {
    char name[64];
    snprintf(name, sizeof name, "%s%" PRId64 "%s", before, meta_epoch, after);
    return nas_folder_file(ctx, dir, name, out);
}

/* ---- a second name ------------------------------------------------------------------------ */

static int copy(struct mn_ctx *ctx, const char *from, const char *to) {
    uint8_t *data;
    size_t length;
    int status = nas_file_read(ctx, from, SIZE_MAX / 2, &data, &length);
    if (status == MN_OK) {
        status = nas_file_replace(ctx, to, data, length);
        free(data);
    }
    return status;
}

/* Not every file system has hard links. */
static int same_file(struct mn_ctx *ctx, const char *from, const char *to) {
    const char *old, *new;
    const int from_at = nas_folder_at(ctx, from, &old), to_at = nas_folder_at(ctx, to, &new);
    if (unlinkat(to_at, new, 0) != 0 && errno != ENOENT) {
        return nas_file_failed(ctx, to, "remove the file of this name");
    }
    return linkat(from_at, old, to_at, new, 0) == 0 ? MN_OK : copy(ctx, from, to);
}

int nas_checkpoint_store_keep(struct mn_ctx *ctx, const char *dir, int64_t meta_epoch) {
    char newest[PATH_MAX], kept[PATH_MAX];
    int status = nas_folder_file(ctx, dir, NAS_CHECKPOINT_FILE, newest);
    if (status == MN_OK) {
        status = path_of(ctx, dir, meta_epoch, kept);
    }
    return status != MN_OK ? status : same_file(ctx, newest, kept);
}

int nas_checkpoint_store_restore(struct mn_ctx *ctx, const char *dir, const char *source) {
    char newest[PATH_MAX], damaged[PATH_MAX];
    int status = nas_folder_file(ctx, dir, NAS_CHECKPOINT_FILE, newest);
    if (status == MN_OK) {
        status = nas_folder_file(ctx, dir, "damaged.safetensors", damaged);
    }
    if (status != MN_OK || strcmp(source, newest) == 0) {
        return status;
    }
    const char *old, *new;
    const int old_at = nas_folder_at(ctx, newest, &old), new_at = nas_folder_at(ctx, damaged, &new);
    if (renameat(old_at, old, new_at, new) != 0 && errno != ENOENT) {
        return nas_file_failed(ctx, newest, "set it aside");
    }
    return same_file(ctx, source, newest);
}

/* ---- which there are ---------------------------------------------------------------------- */

struct list {
    int64_t *at; /* ascending */
    size_t n, room;
};

static int number_of(const char *name, int64_t *out) {
    char digits[32];
    const size_t n = strlen(name), b = sizeof before - 1, a = sizeof after - 1;
    if (n <= b + a || n - b - a >= sizeof digits || strncmp(name, before, b) != 0 ||
        strcmp(name + n - a, after) != 0 || name[b + strspn(name + b, "0123456789")] != '.') {
        return 0;
    }
    snprintf(digits, sizeof digits, "%.*s", (int)(n - b - a), name + b);
    return nas_text_int(digits, out);
}

static int add(struct list *list, int64_t value) {
    if (list->n == list->room) {
        const size_t room = list->room > 0 ? 2 * list->room : 16;
        int64_t *at = realloc(list->at, room * sizeof *at);
        if (at == NULL) {
            return 0;
        }
        list->at = at;
        list->room = room;
    }
    list->at[list->n++] = value;
    return 1;
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

/* list->at is for free(). */
static int read_list(struct mn_ctx *ctx, const char *dir, struct list *list) {
    DIR *folder = open_folder(ctx, dir);
    int status = MN_OK;
    *list = (struct list){0};
    if (folder == NULL) {
        return nas_file_failed(ctx, dir, "look into the folder");
    }
    for (const struct dirent *entry; status == MN_OK && (entry = readdir(folder)) != NULL;) {
        int64_t value;
        if (number_of(entry->d_name, &value) && !add(list, value)) {
            status = mn_fail(ctx, MN_NOMEM, "%s: no memory for the names in it", dir);
        }
    }
    closedir(folder);
    if (status == MN_OK && list->n > 0) {
        qsort(list->at, list->n, sizeof *list->at, ascending);
    }
    return status;
}

int nas_checkpoint_store_trim(struct mn_ctx *ctx, const char *dir, int64_t newest, int64_t most) {
    struct list list;
    char path[PATH_MAX];
    int64_t left = 0;
    int status = read_list(ctx, dir, &list);
    for (size_t i = list.n; status == MN_OK && i-- > 0;) {
        if (list.at[i] < newest && ++left <= most) {
            continue;
        }
        status = path_of(ctx, dir, list.at[i], path);
        const char *name;
        const int at = status == MN_OK ? nas_folder_at(ctx, path, &name) : -1;
        if (status == MN_OK && unlinkat(at, name, 0) != 0 && errno != ENOENT) {
            status = nas_file_failed(ctx, path, "remove it");
        }
    }
    free(list.at);
    return status;
}

/* NAME.tmp- and six letters or digits. Of the files that are only written by the process that holds
 * the folder, as this one does now, it was left by one that died. */
static int is_left_over(const char *name) {
    static const char *const names[] = {"checkpoint", "best.", "config.", "test"};
    const size_t n = strlen(name), tail = sizeof ".tmp-XXXXXX" - 1;
    int known = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        known |= strncmp(name, names[i], strlen(names[i])) == 0;
    }
    return known && n > tail && strncmp(name + n - tail, ".tmp-", 5) == 0 &&
           strcspn(name + n - 6, ".-_ ") == 6;
}

void nas_checkpoint_store_clean(struct mn_ctx *ctx, const char *dir) {
    DIR *folder = open_folder(ctx, dir);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (is_left_over(entry->d_name)) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

/* ---- loading ------------------------------------------------------------------------------ */

struct search {
    const struct nas_experiment *e;
    struct mn_ctx *ctx;
    int64_t last, every;
    struct nas_state *out;
    int found;
    int damaged; /* so many could not be read */
    char message[NAS_MESSAGE];
};

static int wanted(const struct search *s, int64_t meta_epoch) {
    return meta_epoch <= s->last &&
           (s->every == 0 || (meta_epoch > 0 && meta_epoch % s->every == 0));
}

/* MN_OK also where the search has to go on. */
static int try_one(struct search *s, const char *path) {
    struct nas_state state = {0};
    const int status = nas_state_load(s->e, s->ctx, path, &state);
    if (status == MN_IO) {
        if (s->damaged++ == 0) {
            snprintf(s->message, sizeof s->message, "%s", nas_ctx_message(s->ctx));
        }
        nas_ctx_clear(s->ctx);
        return MN_OK;
    }
    if (status != MN_OK) {
        return status;
    }
    if (!wanted(s, state.meta_epoch)) {
        nas_state_fini(&state);
        return MN_OK;
    }
    if (s->damaged > 0) {
        mn_log(s->ctx, MN_LOG_WARN, "%s\n  taken in its place: %s, of meta-epoch %" PRId64,
               s->message, path, state.meta_epoch);
    }
    *s->out = state;
    s->found = 1;
    return MN_OK;
}

/* Names tell the meta-epoch; the newest has to be opened for it. */
static int try_all(struct search *s, const char *dir, const struct list *list) {
    char path[PATH_MAX];
    int status = nas_folder_file(s->ctx, dir, NAS_CHECKPOINT_FILE, path);
    if (status == MN_OK && nas_file_exists(s->ctx, path)) {
        status = try_one(s, path);
    } else if (status == MN_OK && list->n > 0) {
        s->damaged = 1;
        snprintf(s->message, sizeof s->message, "%.1000s: there is none", path);
    }
    for (size_t i = list->n; status == MN_OK && !s->found && i-- > 0;) {
        if (wanted(s, list->at[i])) {
            status = path_of(s->ctx, dir, list->at[i], path);
            status = status != MN_OK ? status : try_one(s, path);
        }
    }
    return status;
}

int nas_state_load_newest(const struct nas_experiment *e, struct mn_ctx *ctx, const char *dir,
                          int64_t last, int64_t every, struct nas_state *out, int *found) {
    struct search s = {.e = e, .ctx = ctx, .last = last, .every = every, .out = out};
    struct list list;
    int status = read_list(ctx, dir, &list);
    if (status == MN_OK) {
        status = try_all(&s, dir, &list);
    }
    free(list.at);
    *found = s.found;
    return status == MN_OK && !s.found && s.damaged > 0 ? mn_fail(ctx, MN_IO, "%s", s.message)
                                                        : status;
}

int nas_state_resume(const struct nas_experiment *e, struct mn_ctx *ctx, const char *dir,
                     struct nas_state *out) {
    int found;
    const int status = nas_state_load_newest(e, ctx, dir, INT64_MAX, 0, out, &found);
    if (status != MN_OK || found) {
        return status;
    }
    mn_log(ctx, MN_LOG_WARN, "%s has no checkpoint: the run begins anew", dir);
    return nas_state_new(e, ctx, out);
}
