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

enum { MOST_FOLDERS = 64, MOST_NAMES = 512 };

static const char static_file[] = "(static)";

struct folder {
    const char *path;
    const char *from; /* "--plugin-dir", ... */
    enum nas_ownership ownership;
    int warned; /* that it is another user's */
};

struct loaded {
    const char *file; /* or static_file */
    const struct mn_plugin *plugin;
    struct loaded *next;
};

struct nas_registry {
    struct nas_arena arena;
    int n;
    struct folder folders[MOST_FOLDERS];
    struct loaded *loaded; /* opened so far, static ones too */
};

/* ---- search path -------------------------------------------------------------------------- */

static int add_folder(struct nas_registry *r, struct mn_ctx *ctx, const char *path, size_t length,
                      const char *from, enum nas_ownership ownership) {
    if (length == 0 || path[0] != '/') {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: '%.*s' is not an absolute path; plugins are searched in absolute "
                       "folders only",
                       from, (int)length, path);
    }
    if (r->n == MOST_FOLDERS) {
        return mn_fail(ctx, MN_CONFIG, "%s: more than %d plugin folders", from, MOST_FOLDERS);
    }
    const char *copy = nas_arena_format(&r->arena, "%.*s", (int)length, path);
    if (copy == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the plugin path");
    }
    r->folders[r->n++] = (struct folder){copy, from, ownership, 0};
    return MN_OK;
}

static int add_folders(struct nas_registry *r, struct mn_ctx *ctx, const char *const *directories) {
    for (; directories != NULL && *directories != NULL; directories++) {
        TRY(add_folder(r, ctx, *directories, strlen(*directories), "--plugin-dir",
                       NAS_OWNERSHIP_NAMED));
    }
    const char *at = secure_getenv("METANAS_PLUGIN_PATH");
    while (at != NULL) {
        const char *end = strchrnul(at, ':');
        if (end > at) { /* an empty part comes of PATH=NEW:$PATH and means nothing */
            TRY(add_folder(r, ctx, at, (size_t)(end - at), "METANAS_PLUGIN_PATH",
                           NAS_OWNERSHIP_NAMED));
        }
        at = *end == ':' ? end + 1 : NULL;
    }
    char path[PATH_MAX];
    const char *from = nas_install_path(NAS_INSTALL_PLUGINS, path, sizeof path);
    return from != NULL ? add_folder(r, ctx, path, strlen(path), from, NAS_OWNERSHIP_FOUND)
                        : mn_fail(ctx, MN_CONFIG, "the path of the plugin folder is too long");
}

int nas_registry_new(struct mn_ctx *ctx, const char *const *directories,
                     struct nas_registry **out) {
    struct nas_registry *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the plugin registry");
    }
    const int status = add_folders(r, ctx, directories);
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

static int add_loaded(struct nas_registry *r, struct mn_ctx *ctx, const char *file,
                      const struct mn_plugin *plugin) {
    struct loaded *entry = nas_arena_take(&r->arena, sizeof *entry);
    const char *copy = file == static_file ? file : nas_arena_text(&r->arena, file);
    if (entry == NULL || copy == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the plugin registry");
    }
    *entry = (struct loaded){copy, plugin, r->loaded};
    r->loaded = entry;
    return MN_OK;
}

int nas_registry_add(struct nas_registry *r, struct mn_ctx *ctx, const struct mn_plugin *plugin) {
    TRY(nas_plugin_check(ctx, static_file, plugin));
    return add_loaded(r, ctx, static_file, plugin);
}

/* ---- refusals ----------------------------------------------------------------------------- */

/* What is asked for. */
struct search {
    int kind;
    const char *use, *place;
    char file[64], unit[64];
};

static int refuse(const struct nas_registry *r, struct mn_ctx *ctx, const struct search *s,
                  int status, const char *why) {
    char places[1024] = "", text[1024];
    size_t used = 0;
    for (int i = 0; i < r->n && used < sizeof places; i++) {
        used += (size_t)snprintf(places + used, sizeof places - used, "%s%s=%s%s",
                                 i > 0 ? "; " : "", r->folders[i].from, r->folders[i].path,
                                 access(r->folders[i].path, F_OK) == 0 ? "" : " (no such folder)");
    }
    snprintf(text, sizeof text, "%s", why); /* why may be the message that is cleared now */
    nas_ctx_clear(ctx);
    return mn_fail(ctx, status, "cannot load plugin '%.80s' for %s%s%s%s\n  %s\n  searched: %s",
                   s->use, nas_kind_name(s->kind), s->place != NULL ? " (" : "",
                   s->place != NULL ? s->place : "", s->place != NULL ? ")" : "", text, places);
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

/* There is no such plugin: offer a near name, of a static one or of a file that is there. */
static int not_found(const struct nas_registry *r, struct mn_ctx *ctx, const struct search *s) {
    struct nas_arena arena CLEANUP(nas_arena_fini) = {0};
    const char *names[MOST_NAMES];
    size_t n = 0;
    for (const struct loaded *l = r->loaded; l != NULL && n < MOST_NAMES; l = l->next) {
        if (l->file == static_file) {
            names[n++] = l->plugin->name;
        }
    }
    for (int i = 0; i < r->n; i++) {
        struct dirent **entries;
        const int n_entries = scandir(r->folders[i].path, &entries, is_plugin_file, alphasort);
        for (int e = 0; e < n_entries; e++) {
            const int length = (int)(strlen(entries[e]->d_name) - strlen(SUFFIX));
            const char *name = nas_arena_format(&arena, "%.*s", length, entries[e]->d_name);
            if (name != NULL && n < MOST_NAMES) {
                names[n++] = name;
            }
            free(entries[e]);
        }
        if (n_entries >= 0) {
            free(entries);
        }
    }
    char why[512], hint[256];
    snprintf(why, sizeof why, "there is no %s%s%s", s->file, SUFFIX,
             nas_text_hint(nas_text_nearest(s->file, names, n),
                           ": is its folder in METANAS_PLUGIN_PATH?", hint, sizeof hint));
    return refuse(r, ctx, s, MN_CONFIG, why);
}

/* ---- finding ------------------------------------------------------------------------------ */

static int parse_use(const struct nas_registry *r, struct mn_ctx *ctx, struct search *s) {
    const char *letters = "abcdefghijklmnopqrstuvwxyz0123456789_";
    const size_t file = strspn(s->use, letters);
    const char *rest = s->use + file;
    const size_t unit = *rest == '/' ? strspn(rest + 1, letters) : 0;
    const int shape = s->use[0] >= 'a' && s->use[0] <= 'z' &&
                      (*rest == '\0' || (*rest == '/' && unit > 0 && rest[1 + unit] == '\0')) &&
                      file < sizeof s->file && unit < sizeof s->unit;
    if (!shape) {
        return refuse(r, ctx, s, MN_CONFIG,
                      "a plugin is named NAME or NAME/UNIT with lower case letters, digits and _; "
                      "a configuration never holds a path to code");
    }
    snprintf(s->file, sizeof s->file, "%.*s", (int)file, s->use);
    snprintf(s->unit, sizeof s->unit, "%.*s", unit > 0 ? (int)unit : (int)file,
             unit > 0 ? rest + 1 : s->use);
    return MN_OK;
}

const struct mn_unit *nas_plugin_unit(const struct mn_plugin *p, int kind, const char *name) {
    for (uint32_t i = 0; i < p->n_units; i++) {
        if (p->units[i].kind == kind && strcmp(p->units[i].name, name) == 0) {
            return &p->units[i];
        }
    }
    return NULL;
}

/* Open a plugin of a folder, unless that has been done. Where the folder, or else the file, is
 * another user's, this is told once. */
static int open_file(struct nas_registry *r, struct mn_ctx *ctx, struct folder *folder,
                     const char *path, const struct loaded **out) {
    const struct mn_plugin *plugin;
    struct nas_other_owner folder_of, file_of;
    for (*out = r->loaded; *out != NULL; *out = (*out)->next) {
        if (strcmp((*out)->file, path) == 0) {
            return MN_OK;
        }
    }
    TRY(nas_ownership_check(ctx, folder->path, folder->ownership, &folder_of));
    TRY(nas_ownership_check(ctx, path, folder->ownership, &file_of));
    if (folder_of.there && !folder->warned) {
        folder->warned = 1;
        mn_log(ctx, MN_LOG_WARN, "%s=%s belongs to user %u, whose plugins run with your rights",
               folder->from, folder->path, (unsigned)folder_of.user);
    } else if (file_of.there && !folder_of.there) {
        mn_log(ctx, MN_LOG_WARN, "%s belongs to user %u and runs with your rights", path,
               (unsigned)file_of.user);
    }
    TRY(nas_plugin_load(ctx, path, folder->ownership, &plugin));
    TRY(add_loaded(r, ctx, path, plugin));
    *out = r->loaded;
    return MN_OK;
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
    TRY(parse_use(r, ctx, &s));
    const struct loaded *found = r->loaded;
    while (found != NULL &&
           (found->file != static_file || strcmp(found->plugin->name, s.file) != 0)) {
        found = found->next;
    }
    if (found == NULL) {
        char path[PATH_MAX];
        const int i = first_with(r, s.file, path, sizeof path);
        if (i < 0) {
            return not_found(r, ctx, &s);
        }
        const int status = open_file(r, ctx, &r->folders[i], path, &found);
        if (status != MN_OK) {
            return refuse(r, ctx, &s, status, nas_ctx_message(ctx));
        }
    }
    const struct mn_plugin *p = found->plugin;
    const struct mn_unit *unit = nas_plugin_unit(p, kind, s.unit);
    if (unit == NULL) {
        char why[1024];
        int used = snprintf(why, sizeof why, "%s: offers no %s '%s'; it has", found->file,
                            nas_kind_name(kind), s.unit);
        for (uint32_t i = 0; i < p->n_units && used < (int)sizeof why; i++) {
            used += snprintf(why + used, sizeof why - (size_t)used, "%s %s %s", i > 0 ? "," : "",
                             nas_kind_name(p->units[i].kind), p->units[i].name);
        }
        return refuse(r, ctx, &s, MN_CONFIG, why);
    }
    *out = (struct nas_unit){p, unit, found->file, {unit->opts, unit->n_opts}};
    return MN_OK;
}

/* ---- scanning ----------------------------------------------------------------------------- */

const char *nas_registry_folder(const struct nas_registry *r, int i, const char **from) {
    if (i >= r->n) {
        return NULL;
    }
    *from = r->folders[i].from;
    return r->folders[i].path;
}

static void report_failure(struct mn_ctx *ctx, const char *file, nas_registry_seen seen,
                           void *data) {
    seen(data, file, NULL, nas_ctx_message(ctx), NULL);
    nas_ctx_clear(ctx);
}

static void scan_folder(struct nas_registry *r, struct mn_ctx *ctx, int folder,
                        nas_registry_seen seen, void *data) {
    struct dirent **entries;
    struct folder *at = &r->folders[folder];
    const int n = scandir(at->path, &entries, is_plugin_file, alphasort);
    if (n < 0) {
        if (errno != ENOENT) {
            mn_fail(ctx, MN_IO, "%s: %s", at->path, strerror(errno));
            report_failure(ctx, at->path, seen, data);
        }
        return;
    }
    /* one reason for all its files */
    const int refused = n > 0 && nas_ownership_check(ctx, at->path, at->ownership, NULL) != MN_OK;
    if (refused) {
        report_failure(ctx, at->path, seen, data);
    }
    for (int e = 0; e < n; e++) {
        CLEANUP(nas_free) struct dirent *entry = entries[e];
        char name[PATH_MAX], path[PATH_MAX], first[PATH_MAX];
        const struct loaded *found;
        snprintf(name, sizeof name, "%.*s", (int)(strlen(entry->d_name) - strlen(SUFFIX)),
                 entry->d_name);
        const int fits = snprintf(path, sizeof path, "%s/%s", at->path, entry->d_name) <
                         (int)sizeof path; /* else `use` could not open it either */
        if (refused || !fits) {
            continue;
        }
        if (first_with(r, name, first, sizeof first) < folder && strcmp(first, path) != 0) {
            seen(data, path, NULL, NULL, first);
        } else if (open_file(r, ctx, at, path, &found) == MN_OK) {
            seen(data, path, found->plugin, NULL, NULL);
            nas_ctx_clear(ctx);
        } else {
            report_failure(ctx, path, seen, data);
        }
    }
    free(entries);
}

int nas_registry_scan(struct nas_registry *r, struct mn_ctx *ctx, nas_registry_seen seen,
                      void *data) {
    for (int i = 0; i < r->n; i++) {
        int first = 0;
        while (strcmp(r->folders[first].path, r->folders[i].path) != 0) {
            first++;
        }
        if (first == i) { /* a folder that is named twice is scanned once */
            scan_folder(r, ctx, i, seen, data);
        }
    }
    return MN_OK;
}
