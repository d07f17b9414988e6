/* SPDX-License-Identifier: MIT */
#ifndef NAS_PLUGIN_REGISTRY_H
#define NAS_PLUGIN_REGISTRY_H

/* From `use: NAME` or `use: FILE/UNIT` to a unit. Nothing is scanned on the way: a run opens only
 * what it names. Search order: --plugin-dir, METANAS_PLUGIN_PATH (colon-separated, ignored under
 * setuid), the install directory. Elements must be absolute; the working directory is never
 * searched. [setup] one thread. */

#include "base/ctx.h"
#include "config/option.h"

struct nas_unit {
    const struct mn_plugin *plugin;
    const struct mn_unit *unit;
    const char *file; /* absolute path, "(static)" for registered ones */
    struct nas_options options;
};

struct nas_registry;

/* `directories` in search order from --plugin-dir, NULL-terminated, may be NULL. */
int nas_registry_new(struct mn_ctx *ctx, const char *const *directories, struct nas_registry **out);
void nas_registry_free(struct nas_registry *registry);

/* Register a descriptor without a file (tests, fuzzing). */
int nas_registry_add(struct nas_registry *registry, struct mn_ctx *ctx,
                     const struct mn_plugin *plugin);

/* Find the unit for `use` of `kind`. The message has the shape: cannot load plugin 'x' for KIND
 * (PLACE), the reason, where it was looked for, what to do; a near name of a plugin that exists is
 * offered. `place` is "file:line:column" or NULL. */
int nas_registry_find(struct nas_registry *registry, struct mn_ctx *ctx, int kind, const char *use,
                      const char *place, struct nas_unit *out);

/* The unit of that kind and name; NULL = there is none. */
const struct mn_unit *nas_plugin_unit(const struct mn_plugin *plugin, int kind, const char *name);

/* The file that `use: NAME` would open: 1 with its path in `out`, or 0. Nothing is opened. */
int nas_registry_file(const struct nas_registry *registry, const char *name, char *out,
                      size_t size);

/* Folder i of the search path, first to last, and what names it ("--plugin-dir", ...); NULL past
 * the last. It need not exist. */
const char *nas_registry_folder(const struct nas_registry *registry, int i, const char **from);

/* Every plugin file found in the search path, for `metanas list`: calls back in order of folder and
 * name. `plugin` is NULL, and `reason` given, for a rejected file. A file behind one of the same
 * name in an earlier folder is not opened: `first` is that one's path, else NULL. */
typedef void (*nas_registry_seen)(void *data, const char *file, const struct mn_plugin *plugin,
                                  const char *reason, const char *first);
int nas_registry_scan(struct nas_registry *registry, struct mn_ctx *ctx, nas_registry_seen seen,
                      void *data);

#endif
