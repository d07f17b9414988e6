/* SPDX-License-Identifier: MIT */
#include "plugin/load.h"

#include "plugin/elf.h"

#include <dlfcn.h>
#include <ltdl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* libltdl's own loader reports every failure as "file not found", binds lazily and searches the
 * environment's paths. So this one takes its place: bind now, keep symbols local, keep the real
 * reason. */
static char reason[1024];

static lt_module open_module(lt_user_data data, const char *name, lt_dladvise advise) {
    void *module = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        const char *text = dlerror();
        snprintf(reason, sizeof reason, "%s", text != NULL ? text : "dlopen gives no reason");
    }
    return module;
}

static int close_module(lt_user_data data, lt_module module) {
    return 0; /* never unloaded */
}

static void *find_symbol(lt_user_data data, lt_module module, const char *name) {
    return dlsym(module, name);
}

static int start_ltdl(struct mn_ctx *ctx) {
    static const lt_dlvtable loader = {.name = "metanas",
                                       .module_open = open_module,
                                       .module_close = close_module,
                                       .find_sym = find_symbol,
                                       .priority = LT_DLLOADER_PREPEND};
    static int started;
    if (started) {
        return MN_OK;
    }
    if (lt_dlinit() != 0 || lt_dlloader_add(&loader) != 0) {
        return mn_fail(ctx, MN_INTERNAL, "libltdl does not start: %s", lt_dlerror());
    }
    free((void *)(uintptr_t)lt_dlloader_remove("lt_dlopen")); /* libltdl's own, taken by malloc */
    started = 1;
    return MN_OK;
}

static int check_file(struct mn_ctx *ctx, const char *path, enum nas_trust trust, int *fd) {
    struct stat s;
    int status = nas_trust_open(ctx, path, trust, fd, NULL);
    if (status == MN_OK && fstat(*fd, &s) == 0 && !S_ISREG(s.st_mode)) {
        status = mn_fail(ctx, MN_IO, "%s: not a regular file", path);
    }
    return status != MN_OK ? status : nas_elf_check(ctx, path, *fd);
}

/* The dynamic linker takes a path: did it open what was checked? While the file is held open no
 * other one can have its number. */
static int check_same(struct mn_ctx *ctx, const char *path, int fd) {
    struct stat checked, now;
    return fstat(fd, &checked) == 0 && stat(path, &now) == 0 && checked.st_dev == now.st_dev &&
                   checked.st_ino == now.st_ino
               ? MN_OK
               : mn_fail(ctx, MN_IO,
                         "%s: another file took its place while it was opened; try again", path);
}

/* dlerror's text often begins with the path already. */
static const char *without_path(const char *path, const char *text) {
    const size_t n = strlen(path);
    return strncmp(text, path, n) == 0 && text[n] == ':' ? text + n + 2 : text;
}

static int open_failed(struct mn_ctx *ctx, const char *path) {
    const char *text = without_path(path, reason);
    const char *advice = "";
    if (strstr(text, "invalid ELF header") != NULL || strstr(text, "file too short") != NULL) {
        advice = "; this is not a shared object of this system: rebuild the plugin";
    } else if (strstr(text, "undefined symbol") != NULL) {
        advice = "; link the plugin with -Wl,--no-undefined and the library that has it";
    }
    return mn_fail(ctx, MN_IO, "%s: cannot be opened: %s%s", path, text, advice);
}

static int open_file(struct mn_ctx *ctx, const char *path, lt_dlhandle *out) {
    const int status = start_ltdl(ctx);
    if (status != MN_OK) {
        return status;
    }
    reason[0] = '\0';
    *out = lt_dlopen(path);
    if (*out == NULL) {
        if (reason[0] == '\0') {
            snprintf(reason, sizeof reason, "%s", lt_dlerror());
        }
        return open_failed(ctx, path);
    }
    lt_dlmakeresident(*out);
    return MN_OK;
}

static int call_entry(struct mn_ctx *ctx, const char *path, lt_dlhandle handle,
                      const struct mn_plugin **out) {
    union {
        void *object;
        mn_plugin_entry_fn function;
    } entry = {.object = lt_dlsym(handle, "mn_plugin_entry")};
    if (entry.object == NULL) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: no mn_plugin_entry: not a METANAS plugin, or MN_PLUGIN(...) is missing",
                       path);
    }
    *out = entry.function();
    if (*out == NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: mn_plugin_entry returns NULL", path);
    }
    return MN_OK;
}

int nas_plugin_load_steps(struct mn_ctx *ctx, const char *path, enum nas_trust trust,
                          const struct mn_plugin **out, enum nas_load_step *step) {
    lt_dlhandle handle = NULL;
    int fd = -1;
    const struct mn_plugin *plugin = NULL;
    *out = NULL;
    *step = NAS_LOAD_FILE;
    int status = check_file(ctx, path, trust, &fd);
    if (status == MN_OK) {
        *step = NAS_LOAD_OPEN;
        status = open_file(ctx, path, &handle);
    }
    if (status == MN_OK) {
        status = check_same(ctx, path, fd);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (status == MN_OK) {
        *step = NAS_LOAD_ENTRY;
        status = call_entry(ctx, path, handle, &plugin);
    }
    if (status == MN_OK) {
        *step = NAS_LOAD_TABLES;
        status = nas_plugin_check(ctx, path, plugin);
    }
    if (status == MN_OK) {
        *step = NAS_LOAD_DONE;
        *out = plugin;
    }
    return status;
}

int nas_plugin_load(struct mn_ctx *ctx, const char *path, enum nas_trust trust,
                    const struct mn_plugin **out) {
    enum nas_load_step step;
    return nas_plugin_load_steps(ctx, path, trust, out, &step);
}
