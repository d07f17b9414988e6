/* SPDX-License-Identifier: MIT */
#include "plugin/registry.h"

#include "base/install_paths.h"
#include "base/ownership.h"
#include "base/text.h"
#include "plugin/kinds.h"
#include "plugin/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef MN_REAL_DOUBLE
#define SUFFIX "_f64.so"
#else
#define SUFFIX ".so"
#endif

enum { MOST_DIRECTORIES = 64 };

struct folder {
    const char *path;
    const char *from; /* "--plugin-dir", ... */
    enum nas_trust trust;
    int warned; /* that it is another user's */
};

struct loaded {
    const char *file;
    const struct mn_plugin *plugin;
    struct loaded *next;
};

struct nas_registry {
    struct nas_arena arena;
    int n;
    struct folder folders[MOST_DIRECTORIES];
    struct loaded *loaded; /* opened so far, static ones too */
};

/* ---- search path -------------------------------------------------------------------------- */

static int add_folder(struct nas_registry *r, struct mn_ctx *ctx, const char *path, size_t length,
                      const char *from, enum nas_trust trust) {
    if (length == 0 || path[0] != '/') {
        return mn_fail(
            ctx, MN_CONFIG,
            "%s: '%.*s' is not an absolute path; plugins are searched in absolute folders "
            "only",
            from, (int)length, path);
    }
    if (r->n == MOST_DIRECTORIES) {
        return mn_fail(ctx, MN_CONFIG, "%s: more than %d plugin folders", from, MOST_DIRECTORIES);
    }
    const char *copy = nas_arena_format(&r->arena, "%.*s", (int)length, path);
    if (copy == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the plugin path");
    }
    r->folders[r->n++] = (struct folder){copy, from, trust, 0};
    return MN_OK;
}

static int add_environment(struct nas_registry *r, struct mn_ctx *ctx) {
    const char *at = secure_getenv("METANAS_PLUGIN_PATH");
    int status = MN_OK;
    while (at != NULL && status == MN_OK) {
        const char *end = strchrnul(at, ':');
        if (end > at) { /* an empty part comes of PATH=NEW:$PATH and means nothing */
            status =
                add_folder(r, ctx, at, (size_t)(end - at), "METANAS_PLUGIN_PATH", NAS_TRUST_NAMED);
        }
        at = *end == ':' ? end + 1 : NULL;
    }
    return status;
}

static int add_own(struct nas_registry *r, struct mn_ctx *ctx) {
    char path[PATH_MAX];
    const char *from = nas_place_find(NAS_PLACE_PLUGINS, path, sizeof path);
    if (from == NULL) {
        return mn_fail(ctx, MN_CONFIG, "the path of the plugin folder is too long");
    }
    return add_folder(r, ctx, path, strlen(path), from, NAS_TRUST_FOUND);
}

int nas_registry_new(struct mn_ctx *ctx, const char *const *directories,
                     struct nas_registry **out) {
    struct nas_registry *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the plugin registry");
    }
    int status = MN_OK;
    for (; status == MN_OK && directories != NULL && *directories != NULL; directories++) {
        status =
            add_folder(r, ctx, *directories, strlen(*directories), "--plugin-dir", NAS_TRUST_NAMED);
    }
    if (status == MN_OK) {
        status = add_environment(r, ctx);
    }
    if (status == MN_OK) {
        status = add_own(r, ctx);
    }
    if (status != MN_OK) {
        nas_registry_free(r);
        return status;
    }
    *out = r;
    return MN_OK;
}

void nas_registry_free(struct nas_registry *registry) {
    if (registry != NULL) {
        nas_arena_fini(&registry->arena);
        free(registry);
    }
}

static int remember(struct nas_registry *r, struct mn_ctx *ctx, const char *file,
                    const struct mn_plugin *plugin) {
    struct loaded *entry = nas_arena_take(&r->arena, sizeof *entry);
    const char *copy = nas_arena_text(&r->arena, file);
    if (entry == NULL || copy == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the plugin registry");
    }
    *entry = (struct loaded){copy, plugin, r->loaded};
    r->loaded = entry;
    return MN_OK;
}

int nas_registry_add(struct nas_registry *r, struct mn_ctx *ctx, const struct mn_plugin *plugin) {
    const int status = nas_plugin_check(ctx, "(static)", plugin);
    return status != MN_OK ? status : remember(r, ctx, "(static)", plugin);
}

/* ---- finding ------------------------------------------------------------------------------ */

/* What is asked for, and the text of a refusal as it grows. */
struct search {
    int kind;
    const char *use, *place;
    char file[64], unit[64];
};

static const char *searched(const struct nas_registry *r, char *out, size_t size) {
    size_t used = 0;
    for (int i = 0; i < r->n && used < size; i++) {
        struct stat s;
        const int there = stat(r->folders[i].path, &s) == 0;
        used += (size_t)snprintf(out + used, size - used, "%s%s=%s%s", i > 0 ? "; " : "",
                                 r->folders[i].from, r->folders[i].path,
                                 there ? "" : " (no such folder)");
    }
    return out;
}

static int refuse(const struct nas_registry *r, struct mn_ctx *ctx, const struct search *s,
                  int status, const char *why) {
    char places[1024] = "";
    char text[1024];
    snprintf(text, sizeof text, "%s", why); /* why may be the message that is cleared now */
    nas_ctx_clear(ctx);
    return mn_fail(ctx, status, "cannot load plugin '%.80s' for %s%s%s%s\n  %s\n  searched: %s",
                   s->use, nas_kind_name(s->kind), s->place != NULL ? " (" : "",
                   s->place != NULL ? s->place : "", s->place != NULL ? ")" : "", text,
                   searched(r, places, sizeof places));
}

static int parse_use(const struct nas_registry *r, struct mn_ctx *ctx, struct search *s) {
    const char *letters = "abcdefghijklmnopqrstuvwxyz0123456789_";
    const size_t file = strspn(s->use, letters);
    const char *rest = s->use + file;
    const size_t unit = *rest == '/' ? strspn(rest + 1, letters) : 0;
    const int shape = s->use[0] >= 'a' && s->use[0] <= 'z' &&
                      (*rest == '\0' || (*rest == '/' && unit > 0 && rest[1 + unit] == '\0')) &&
                      file < sizeof s->file && unit < sizeof s->unit;
    if (!shape) {
        return refuse(
            r, ctx, s, MN_CONFIG,
            "a plugin is named NAME or NAME/UNIT with lower case letters, digits and _; a "
            "configuration never holds a path to code");
    }
    snprintf(s->file, sizeof s->file, "%.*s", (int)file, s->use);
    snprintf(s->unit, sizeof s->unit, "%.*s", unit > 0 ? (int)unit : (int)file,
             unit > 0 ? rest + 1 : s->use);
    return MN_OK;
}

static int is_plugin_file(const struct dirent *entry) {
    const size_t length = strlen(entry->d_name), end = strlen(SUFFIX);
#ifndef MN_REAL_DOUBLE
    const size_t other = strlen("_f64.so");
    if (length > other && strcmp(entry->d_name + length - other, "_f64.so") == 0) {
        return 0; /* for the double build */
    }
#endif
    return length > end && strcmp(entry->d_name + length - end, SUFFIX) == 0;
}

/* Names that `use` could have meant: of static plugins and of the files in one folder. */
enum { MOST_NAMES = 512 };

struct names {
    const char *at[MOST_NAMES];
    size_t n;
};

static void add_name(struct names *names, const char *name) {
    if (name != NULL && names->n < MOST_NAMES) {
        names->at[names->n++] = name;
    }
}

static void add_names(struct names *names, struct nas_arena *arena, const char *folder) {
    struct dirent **entries;
    const int n = scandir(folder, &entries, is_plugin_file, alphasort);
    for (int e = 0; e < n; e++) {
        const size_t length = strlen(entries[e]->d_name) - strlen(SUFFIX);
        add_name(names, nas_arena_format(arena, "%.*s", (int)length, entries[e]->d_name));
        free(entries[e]);
    }
    if (n >= 0) {
        free(entries);
    }
}

static const char *nearest_name(const struct nas_registry *r, struct nas_arena *arena,
                                const char *name) {
    struct names names = {.n = 0};
    for (const struct loaded *l = r->loaded; l != NULL; l = l->next) {
        if (l->file[0] == '(') {
            add_name(&names, l->plugin->name);
        }
    }
    for (int i = 0; i < r->n; i++) {
        add_names(&names, arena, r->folders[i].path);
    }
    return nas_text_nearest(name, names.at, names.n);
}

static int not_found(const struct nas_registry *r, struct mn_ctx *ctx, const struct search *s) {
    struct nas_arena arena = {0};
    char why[512], hint[256];
    snprintf(why, sizeof why, "there is no %s%s%s", s->file, SUFFIX,
             nas_text_hint(nearest_name(r, &arena, s->file),
                           ": is its folder in METANAS_PLUGIN_PATH?", hint, sizeof hint));
    nas_arena_fini(&arena);
    return refuse(r, ctx, s, MN_CONFIG, why);
}

const struct mn_unit *nas_plugin_unit(const struct mn_plugin *p, int kind, const char *name) {
    for (uint32_t i = 0; i < p->n_units; i++) {
        if (p->units[i].kind == kind && strcmp(p->units[i].name, name) == 0) {
            return &p->units[i];
        }
    }
    return NULL;
}

static int no_such_unit(const struct nas_registry *r, struct mn_ctx *ctx, const struct search *s,
                        const char *file, const struct mn_plugin *p) {
    char why[1024];
    int used = snprintf(why, sizeof why, "%s: offers no %s '%s'; it has", file,
                        nas_kind_name(s->kind), s->unit);
    for (uint32_t i = 0; i < p->n_units && used < (int)sizeof why; i++) {
        used += snprintf(why + used, sizeof why - (size_t)used, "%s %s %s", i > 0 ? "," : "",
                         nas_kind_name(p->units[i].kind), p->units[i].name);
    }
    return refuse(r, ctx, s, MN_CONFIG, why);
}

static int give(const struct nas_registry *r, struct mn_ctx *ctx, const struct search *s,
                const char *file, const struct mn_plugin *p, struct nas_unit *out) {
    const struct mn_unit *unit = nas_plugin_unit(p, s->kind, s->unit);
    if (unit == NULL) {
        return no_such_unit(r, ctx, s, file, p);
    }
    *out = (struct nas_unit){
        .plugin = p, .unit = unit, .file = file, .options = {unit->opts, unit->n_opts}};
    return MN_OK;
}

/* Look whose a folder and a plugin in it are. Another user's is told once: the folder, or else the
 * file. */
static int check_owners(struct mn_ctx *ctx, struct folder *folder, const char *path) {
    struct nas_stranger folder_of, file_of;
    int status = nas_trust_check(ctx, folder->path, folder->trust, &folder_of);
    if (status == MN_OK) {
        status = nas_trust_check(ctx, path, folder->trust, &file_of);
    }
    if (status == MN_OK && folder_of.there && !folder->warned) {
        folder->warned = 1;
        mn_log(ctx, MN_LOG_WARN, "%s=%s belongs to user %u, whose plugins run with your rights",
               folder->from, folder->path, (unsigned)folder_of.user);
    } else if (status == MN_OK && file_of.there && !folder_of.there) {
        mn_log(ctx, MN_LOG_WARN, "%s belongs to user %u and runs with your rights", path,
               (unsigned)file_of.user);
    }
    return status;
}

static int open_file(struct nas_registry *r, struct mn_ctx *ctx, struct folder *folder,
                     const char *path, const struct mn_plugin **out) {
    for (const struct loaded *l = r->loaded; l != NULL; l = l->next) {
        if (strcmp(l->file, path) == 0) {
            *out = l->plugin;
            return MN_OK;
        }
    }
    int status = check_owners(ctx, folder, path);
    if (status == MN_OK) {
        status = nas_plugin_load(ctx, path, folder->trust, out);
    }
    return status != MN_OK ? status : remember(r, ctx, path, *out);
}

static const char *kept_path(const struct nas_registry *r, const char *path) {
    for (const struct loaded *l = r->loaded; l != NULL; l = l->next) {
        if (strcmp(l->file, path) == 0) {
            return l->file;
        }
    }
    return path;
}

static int find_static(struct nas_registry *r, const struct search *s, const struct loaded **out) {
    for (const struct loaded *l = r->loaded; l != NULL; l = l->next) {
        if (l->file[0] == '(' && strcmp(l->plugin->name, s->file) == 0) {
            *out = l;
            return 1;
        }
    }
    return 0;
}

/* The first folder with a file NAME.so, or a link that leads nowhere, and its path; -1 = none. */
static int first_with(const struct nas_registry *r, const char *name, char *out, size_t size) {
    for (int i = 0; i < r->n; i++) {
        const int n = snprintf(out, size, "%s/%s%s", r->folders[i].path, name, SUFFIX);
        if (n < (int)size && faccessat(AT_FDCWD, out, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
            return i;
        }
    }
    return -1;
}

int nas_registry_file(const struct nas_registry *r, const char *name, char *out, size_t size) {
    return first_with(r, name, out, size) >= 0;
}

int nas_registry_find(struct nas_registry *r, struct mn_ctx *ctx, int kind, const char *use,
                      const char *place, struct nas_unit *out) {
    struct search s = {.kind = kind, .use = use, .place = place};
    const struct loaded *found;
    int status = parse_use(r, ctx, &s);
    if (status != MN_OK) {
        return status;
    }
    if (find_static(r, &s, &found)) {
        return give(r, ctx, &s, found->file, found->plugin, out);
    }
    char path[PATH_MAX];
    const int i = first_with(r, s.file, path, sizeof path);
    if (i < 0) {
        return not_found(r, ctx, &s);
    }
    const struct mn_plugin *plugin;
    status = open_file(r, ctx, &r->folders[i], path, &plugin);
    return status != MN_OK ? refuse(r, ctx, &s, status, nas_ctx_message(ctx))
                           : give(r, ctx, &s, kept_path(r, path), plugin, out);
}

/* ---- scanning ----------------------------------------------------------------------------- */

const char *nas_registry_folder(const struct nas_registry *r, int i, const char **from) {
    if (i >= r->n) {
        return NULL;
    }
    *from = r->folders[i].from;
    return r->folders[i].path;
}

static int came_before(const struct nas_registry *r, int folder) {
    int i = 0;
    while (strcmp(r->folders[i].path, r->folders[folder].path) != 0) {
        i++;
    }
    return i < folder;
}

static void scan_file(struct nas_registry *r, struct mn_ctx *ctx, int folder, const char *file,
                      nas_registry_seen seen, void *data) {
    char name[PATH_MAX], path[PATH_MAX], first[PATH_MAX];
    const struct mn_plugin *plugin = NULL;
    struct folder *at = &r->folders[folder];
    snprintf(name, sizeof name, "%.*s", (int)(strlen(file) - strlen(SUFFIX)), file);
    if (snprintf(path, sizeof path, "%s/%s", at->path, file) >= (int)sizeof path) {
        return; /* `use` could not open it either */
    }
    if (first_with(r, name, first, sizeof first) < folder && strcmp(first, path) != 0) {
        seen(data, path, NULL, NULL, first);
        return;
    }
    const int status = open_file(r, ctx, at, path, &plugin);
    seen(data, path, status == MN_OK ? plugin : NULL, status == MN_OK ? NULL : nas_ctx_message(ctx),
         NULL);
    nas_ctx_clear(ctx);
}

static void scan_folder(struct nas_registry *r, struct mn_ctx *ctx, int folder,
                        nas_registry_seen seen, void *data) {
    struct dirent **entries;
    const char *path = r->folders[folder].path;
    const int n = scandir(path, &entries, is_plugin_file, alphasort);
    if (n < 0) {
        if (errno != ENOENT) {
            mn_fail(ctx, MN_IO, "%s: %s", path, strerror(errno));
            seen(data, path, NULL, nas_ctx_message(ctx), NULL);
            nas_ctx_clear(ctx);
        }
        return;
    }
    /* one reason for all its files */
    const int refused =
        n > 0 && nas_trust_check(ctx, path, r->folders[folder].trust, NULL) != MN_OK;
    if (refused) {
        seen(data, path, NULL, nas_ctx_message(ctx), NULL);
        nas_ctx_clear(ctx);
    }
    for (int e = 0; e < n; e++) {
        if (!refused) {
            scan_file(r, ctx, folder, entries[e]->d_name, seen, data);
        }
        free(entries[e]);
    }
    free(entries);
}

int nas_registry_scan(struct nas_registry *r, struct mn_ctx *ctx, nas_registry_seen seen,
                      void *data) {
    for (int i = 0; i < r->n; i++) {
        if (!came_before(r, i)) {
            scan_folder(r, ctx, i, seen, data);
        }
    }
    return MN_OK;
}
