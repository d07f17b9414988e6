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

/* Why dlopen failed, and what to do. */
static int open_failed(struct mn_ctx *ctx, const char *path, int is_elf) {
    const size_t n = strlen(path);
    const char *advice = "", *text = reason[0] != '\0' ? reason : lt_dlerror();
    if (strncmp(text, path, n) == 0 && text[n] == ':') { /* dlerror often begins with the path */
        text += n + 2;
    }
    if (!is_elf) {
        advice = "; this is not a shared object of this system: rebuild the plugin";
    } else if (strstr(text, "undefined symbol") != NULL) { /* dlerror tells it by its text alone */
        advice = "; link the plugin with -Wl,--no-undefined and the library that has it";
    }
    return mn_fail(ctx, MN_IO, "%s: cannot be opened: %s%s", path, text, advice);
}

int nas_plugin_load_steps(struct mn_ctx *ctx, const char *path, enum nas_ownership ownership,
                          const struct mn_plugin **out, enum nas_load_step *step) {
    int fd CLEANUP(nas_close) = -1;
    struct stat s, now;
    int is_elf;
    *out = NULL;
    *step = NAS_LOAD_FILE;
    TRY(nas_ownership_open(ctx, path, ownership, &fd, NULL));
    if (fstat(fd, &s) == 0 && !S_ISREG(s.st_mode)) {
        return mn_fail(ctx, MN_IO, "%s: not a regular file", path);
    }
    TRY(nas_elf_check(ctx, path, fd, &is_elf));

    *step = NAS_LOAD_OPEN;
    TRY(start_ltdl(ctx));
    reason[0] = '\0';
    const lt_dlhandle handle = lt_dlopen(path);
    if (handle == NULL) {
        return open_failed(ctx, path, is_elf);
    }
    lt_dlmakeresident(handle);
    /* The dynamic linker takes a path: did it open what was checked? While the file is held open no
     * other one can have its number. */
    if (fstat(fd, &s) != 0 || stat(path, &now) != 0 || s.st_dev != now.st_dev ||
        s.st_ino != now.st_ino) {
        return mn_fail(ctx, MN_IO, "%s: another file took its place while it was opened; try again",
                       path);
    }

    *step = NAS_LOAD_ENTRY;
    union {
        void *object;
        mn_plugin_entry_fn function;
    } entry = {.object = lt_dlsym(handle, "mn_plugin_entry")};
    if (entry.object == NULL) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: no mn_plugin_entry: not a METANAS plugin, or MN_PLUGIN(...) is missing",
                       path);
    }
    const struct mn_plugin *plugin = entry.function();
    if (plugin == NULL) {
        return mn_fail(ctx, MN_CONFIG, "%s: mn_plugin_entry returns NULL", path);
    }

    *step = NAS_LOAD_TABLES;
    TRY(nas_plugin_check(ctx, path, plugin));
    *step = NAS_LOAD_DONE;
    *out = plugin;
    return MN_OK;
}

int nas_plugin_load(struct mn_ctx *ctx, const char *path, enum nas_ownership ownership,
                    const struct mn_plugin **out) {
    enum nas_load_step step;
    return nas_plugin_load_steps(ctx, path, ownership, out, &step);
}
